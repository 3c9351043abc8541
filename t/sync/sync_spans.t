# crisp_sync(): a list that comes in no order is read by spans of time; what that takes where many
# rows changed at once, long ago,
# and where Crisp doesn't heed the dates, either.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use JSON::PP;
use Test::More;

my $false = JSON::PP::false;
my ($node, $sandbox) = start_crisp(conversations => 75, people => 1, visitors => 1, operators => 1, campaigns => 1,
	websites => 1);
my $session = CrispSession->start($node);

sync_with($session, $sandbox);

# Requests that calls take until a copy is up to date; undef if five don't do.
sub requests_of
{
	my ($source, $target) = @_;
	my $requests = 0;

	foreach my $call (1 .. 5)
	{
		$requests += sync("'crisp.$source', '$target'")->{requests};
		return $requests if status('state', $target) eq 'up to date';
	}
	return undef;
}

# A list of several pages, whatever dates it is asked for. In the order that was asked for it can be
# read from the newest row on,
# but not window by window.
foreach my $settings ({ honour_dates => $false },
	{ honour_dates => $false, honour_order => $false, default_order => 'insertion' },
	{ honour_filters => $false, default_order => 'created' })
{
	my $what = join ' ', map { "$_=$settings->{$_}" } sort keys %$settings;
	my $target = 'dates_' . scalar(grep { $_ } values %$settings) . '_' . keys %$settings;

	$sandbox->reset;
	$sandbox->control($settings);
	my $requests = requests_of('conversations', $target);
	cmp_ok($requests // 9999, '<=', 120, "$what: the whole list, after a search for spans that fit");
	is_copy('crisp.conversations', $target, $what);
	$sandbox->data([ { op => 'touch_random', resource => 'conversations', count => 5, seed => 1 } ]);
	$requests = requests_of('conversations', $target);
	cmp_ok($requests // 9999, '<=', 30, "$what: the next call need not search again");
	is_copy('crisp.conversations', $target, "$what, and what changed");
}

# More than a page of conversations that changed at once, ten months before the clock: no messages
# are asked for before a span fits.
{
	$sandbox->reset;
	$sandbox->control({ honour_order => $false, default_order => 'insertion' });
	requests_of('messages', 'of_spans');
	$sandbox->data([ { op => 'touch_random', resource => 'conversations', count => 65, seed => 1 } ]);
	$sandbox->clear;
	my $requests = requests_of('messages', 'of_spans');
	my %asked;
	$asked{ $_->{path} }++ foreach grep { $_->{path} =~ /messages$/ && ($_->{query} // '') eq '' } $sandbox->requests;
	cmp_ok($requests // 9999, '<=', 500, 'messages of 65 conversations that changed at once');
	is((grep { $_ > 3 } values %asked) + 0, 0, 'and the messages of none are asked for again and again');
	is($session->query('SELECT count(*) FROM of_spans'),
		$session->query('SELECT count(*) FROM crisp.conversations c JOIN crisp.messages m USING (session_id)'),
		'and all are there');
}

# The same rows of conversations, and few requests a call: each call takes up where the one before
# it left off, though Crisp has no row
# of what lies between them and now, so that nothing there is covered.
foreach my $most (2, 3, 5, 45)
{
	foreach my $mode (qw(incremental full))
	{
		my ($calls, $requests, $target) = (0, 0, "few_${most}_$mode");

		do { $requests += sync(
			"'crisp.conversations', '$target', mode => '$mode', max_requests => $most")->{requests} } until status(
				'state', $target) eq 'up to date' || ++$calls > 60;
		cmp_ok($calls, '<=', 60, "$mode, $most requests a call: it comes to an end");
		cmp_ok($requests, '<=', 40, 'without a search that begins again with each call');
		is_copy('crisp.conversations', $target, "$mode, $most requests a call");
	}
}

# More than a page of rows that a column shows at one moment, since it rounds its times: no span parts them.
foreach my $type ('timestamptz(0)', 'timestamp(1)', 'timestamptz(2)', 'timestamptz(3)', 'bigint')
{
	my ($calls, $requests, $target) = (0, 0, 'as_' . $type =~ s/\W/_/gr);

	$session->query("CREATE FOREIGN TABLE crisp.$target (session_id text, updated_at $type, topic text)
		SERVER support OPTIONS (resource 'conversations')");
	do { $requests += sync("'crisp.$target', '$target', max_requests => 60")->{requests} }
	  until status('state', $target) eq 'up to date' || ++$calls > 10;
	cmp_ok($calls, '<=', 10, "$type: it comes to an end");
	cmp_ok($requests, '<=', 200, 'without a search that begins again with each call');
	is_copy("crisp.$target", $target, "rows that changed at once, as $type");
}

done_testing();
