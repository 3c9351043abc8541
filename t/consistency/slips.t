# Pages that are answered out of their order: a row that moves to the front just in between lets the last row of one
# page slip onto the next, which was answered before.  A fast scan finds it, and asks for no more than that.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 1000, people => 1);
my $website = $sandbox->website_id;
my $list    = "website/$website/conversations";
my $session = CrispSession->start($node);
my @keys    = keys_now();
my @times   = $sandbox->column('conversations', 'updated_at');

$sandbox->show_rechecks(1);
$session->query("ALTER SERVER support OPTIONS (SET prefetch '4')");

sub keys_now { return $sandbox->column('conversations', 'session_id') }

# A page fails at first, which keeps no other waiting, and touches come just before it is answered, so after those that
# were asked for with it.
sub page_is_late
{
	my ($page, @touched) = @_;

	$sandbox->reset;
	$sandbox->control(
		{   answers => [
				{   match   => { path => "$list/$page", query => 'per_page', nth => 1 },
					status  => 503 } ] });
	$sandbox->data(
		[   map { { op => 'touch', key => $keys[$_], at_request => { path => "$list/$page", nth => 2 } } } @touched ]);
	return;
}

# Scan the list, and test that no row that is there is lost or doubled.  Returns the requests that were made for
# what is between two dates, and whether later pages were answered before that one.
sub scan
{
	my ($name, $page, $condition) = @_;
	my (%times, %done);
	my $query  = 'SELECT session_id FROM crisp.conversations' . ($condition // '');
	my @wanted = defined $condition ? @keys[ 0 .. 320 ] : @keys;

	$sandbox->clear;
	$times{$_}++ foreach split /\n/, $session->query($query);
	is_deeply([ grep { ($times{$_} // 0) != 1 } @wanted ], [], "$name: each row that is there has come, once");

	my @requests = $sandbox->requests;
	foreach (grep { $_->{query} !~ /filter_date_end/ && $_->{status} != 503 } @requests)
	{
		$done{$1} //= $_->{done_ms} if $_->{path} =~ m{/(\d+)$};
	}
	cmp_ok($done{ $page + 1 }, '<', $done{$page}, "$name: page $page is answered after the next one") if $page;
	return grep { $_->{query} =~ /filter_date_start.*filter_date_end/ } @requests;
}

# So that the session knows how long the list is.
is(scalar scan('nothing moves', 0), 0, 'nothing moves: nothing is asked for twice');

# Rows move that were behind the pages of the moment; on one of these, so that they have come; and at the end.
foreach my $case (
	[ 'from behind',       6,  700 ],
	[ 'three from behind', 6,  700, 800, 900 ],
	[ 'from a page that has come', 6, 320 ],
	[ 'from the next page', 6, 275 ],
	[ 'from before',        6, 10 ],
	[ 'near the end', 5, 320 ],
	[ 'into a list that ends', 5, 900 ])
{
	my ($name, $page, @touched) = @{$case};
	my $condition = $name =~ /end/ ? " WHERE updated_at >= to_timestamp($times[320] / 1000.0)" : undef;
	my @requests;

	page_is_late($page, @touched);
	@requests = scan($name, $page, $condition);
	cmp_ok(scalar @requests, '<=', 4, "$name: requests for what may have slipped by");
	cmp_ok($_->{rows},       '<=', 5 + @touched, "$name: rows of these") foreach @requests;
}

# A row that moves while pages are answered in their order lets nothing slip by, and nothing is asked for twice.
$sandbox->reset;
$sandbox->data([ { op => 'touch', key => $keys[700], at_request => { path => "$list/8", nth => 1 } } ]);
$session->query("ALTER SERVER support OPTIONS (SET prefetch '1')");
is(scalar scan('in order', 0), 0, 'in order: nothing is asked for twice');
$session->query("ALTER SERVER support OPTIONS (SET prefetch '4')");

# Where Crisp ignores dates, one request shows it.
page_is_late(6, 700);
$sandbox->control({ honour_dates => JSON::PP::false });
{
	my %times;

	$sandbox->clear;
	$times{$_}++ foreach split /\n/, $session->query('SELECT session_id FROM crisp.conversations');
	is(scalar(grep { $_ > 1 } values %times), 0, 'dates ignored: no key twice');
	cmp_ok(scalar(grep { $_->{query} =~ /filter_date_end/ } $sandbox->requests),
		'<=', 2, 'dates ignored: one request, or one more that was under way');

	# The session knows then, and asks anew for pages that are under way when a row comes twice.
	page_is_late(6, 700);
	$sandbox->control(
		{   honour_dates => JSON::PP::false,
			answers      =>
			  [ { match => { path => "$list/6", query => 'per_page', nth => 1 }, status => 503 } ] });
	is(scalar scan('dates ignored', 6), 0, 'dates ignored: no request by dates any more');
	cmp_ok($sandbox->count, '<=', 40, 'dates ignored: requests');
}

done_testing();
