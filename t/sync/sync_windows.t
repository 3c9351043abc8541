# crisp_sync(): windows, and what becomes of a load that may not make as many requests as it takes; also of
# a list that isn't in the order that was asked for.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use CrispSync;
use JSON::PP;
use POSIX qw(ceil strftime setlocale LC_TIME);
use Test::More;

my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my ($node, $sandbox) = start_crisp(conversations => 1100, people => 420, visitors => 70, operators => 3);
my $session = CrispSession->start($node);
my $rows = $session->query('SELECT count(*) FROM crisp.conversations');

sync_with($session, $sandbox);

# Run a sync until it has no more to do; returns how many calls and requests that took.
sub finish
{
	my ($arguments, $most_requests) = @_;
	my ($calls, $requests) = (0, 0);

	do
	{
		my $run = sync($arguments);

		$calls++;
		$requests += $run->{requests};
		cmp_ok($run->{requests}, '<=', $most_requests, "call $calls: no more requests than it may make")
			if defined $most_requests;
		like($run->{notices}, qr/; the rest next time$/, 'and it tells that there is more')
			if last_run('state') eq 'partial';
	} until last_run('state') eq 'finished' || $calls > 80;
	return ($calls, $requests);
}

#
# max_requests
#

foreach my $most (2, 3, 7, 10)
{
	my $target = "by_$most";
	my ($calls, $requests) = finish("'crisp.conversations', '$target', max_requests => $most", $most);

	is_copy('crisp.conversations', $target, "at most $most requests a call");
	note "at most $most: $calls calls, $requests requests, $rows rows";
	cmp_ok($requests, '<=', ceil($rows / 48 * ($most == 2 ? 2.2 : 1.6)) + ($most == 2 ? 2 : 12),
		'requests in all, ten of them for the estimate');
}
{
	my ($calls, $requests) = finish(q('crisp.people_profiles', 'people', max_requests => 6), 6);

	is_copy('crisp.people_profiles', 'people', 'profiles, at most 6 requests a call');
}

# New changes come first, history after.
{
	my $run = sync(q('crisp.conversations', 'first_things_first', max_requests => 6));

	is(status('reaches_back_to = (SELECT min(updated_at) FROM first_things_first)', 'first_things_first'), 't',
		'how far back the history reaches');
	$sandbox->data([ { op => 'patch', index => 900, set => { topic => 'new' } }, { op => 'touch', index => 900 } ]);
	sync(q('crisp.conversations', 'first_things_first', max_requests => 2));
	is($session->query(q(SELECT count(*) FROM first_things_first WHERE topic = 'new')), 1,
		'a change comes before the rest of the history');
	is(status('state', 'first_things_first'), 'unfinished', 'which is still to come');
}

# Estimates come with the first call that doesn't get to the end.
sync(q('crisp.conversations', 'estimated', max_requests => 26, daily_quota => 10));
{
	my ($share, $left, $days) = split /\|/, status('share_done, requests_left, days_left', 'estimated');
	my $loaded = $session->query('SELECT count(*) FROM estimated');

	cmp_ok($loaded, '<', $rows, 'a part is loaded');
	cmp_ok(abs($share - $loaded / $rows), '<', 0.1, "share done: $share");
	cmp_ok(abs($left - ($rows - $loaded) / 49), '<', 4, "requests left: $left");
	cmp_ok(abs($days - $left / 10), '<', 0.01, "days left: $days");
}

# They are kept, too, where the requests that are left then are not enough for the next window.
$session->query(q{CREATE FOREIGN TABLE public.list (session_id text NOT NULL, updated_at timestamptz NOT NULL)
	SERVER support OPTIONS (resource 'conversations')});
sync(q('crisp.messages', 'kept', parent => 'public.list', max_requests => 100));
cmp_ok(scalar(grep { $_->{query} eq 'per_page=50&order_date_updated=1' } $sandbox->requests), '>', 3,
	'pages of the list are asked for');
cmp_ok(status('share_done', 'kept'), '>', 0, 'which is remembered');
cmp_ok(status('requests_left', 'kept'), '>', $rows / 2, 'and tells what is left');

# What is left of messages is counted in conversations; nothing is made up where that is not known.
sync(q('crisp.messages', 'estimated_messages', max_requests => 2));
is(status('share_done IS NULL AND requests_left IS NULL AND days_left IS NULL', 'estimated_messages'), 't',
	'no estimate yet');
sync(q('crisp.messages', 'estimated_messages', max_requests => 120));
cmp_ok(status('requests_left', 'estimated_messages'), '>', $rows / 2,
	'requests left: one for each conversation, at least');

# The limit of the session counts as well.
$session->query('SET crisp_fdw.max_requests = 4');
cmp_ok(sync(q('crisp.conversations', 'by_session'))->{requests}, '<=', 4, 'crisp_fdw.max_requests of the session');
$session->query('RESET crisp_fdw.max_requests');
sync(q('crisp.conversations', 'by_session', max_requests => NULL));
is_copy('crisp.conversations', 'by_session', 'without a limit');

# What has changed takes more than a call may ask for: all is read again, part by part.
{
	$sandbox->data([ { op => 'touch_random', resource => 'people', count => 300, seed => 4 } ]);
	my $run = sync(q('crisp.people_profiles', 'people', max_requests => 4));
	like($run->{notices}, qr/^what has changed in "crisp\.people_profiles" takes more than 4 requests$/m,
		'too many changes for a call');
	like($run->{details}, qr/^Raise max_requests to read changes alone\.$/m, 'which says what to raise');
	finish(q('crisp.people_profiles', 'people', max_requests => 4), 4);
	is_copy('crisp.people_profiles', 'people', 'are found all the same');

	sync(q('crisp.people_profiles', 'people', max_requests => NULL));
	$sandbox->data([ { op => 'touch_random', resource => 'people', count => 300, seed => 5 } ]);
	$session->query('SET crisp_fdw.max_requests = 3');
	$run = sync(q('crisp.people_profiles', 'people'));
	$session->query('RESET crisp_fdw.max_requests');
	like($run->{notices}, qr/^what has changed in "crisp\.people_profiles" takes more than 3 requests$/m,
		'too many changes for what the session allows');
	like($run->{details}, qr/^Raise the setting crisp_fdw\.max_requests to read changes alone\.$/m,
		'which says what to raise');
	sync(q('crisp.people_profiles', 'people', max_requests => NULL));
	is_copy('crisp.people_profiles', 'people', 'these are found, too');
}
like(sync(q('crisp.visitors', 'visitors', max_requests => 2))->{notices}, qr/the rest next time/,
	'a list without dates comes as a whole, or not');
is($session->query('SELECT count(*) FROM visitors'), 0, 'not');

#
# Many rows of one moment
#

$sandbox->data([ { op => 'insert_many', count => 330, at => 1_700_000_000_000 },
	{ op => 'insert_many', count => 60, at => 1_700_000_000_001 } ]);
finish(q('crisp.conversations', 'moment', max_requests => 40));
is_copy('crisp.conversations', 'moment', 'more rows of one moment than fit a window');
is($session->query('SELECT count(*) FROM moment WHERE updated_at = to_timestamp(1700000000)'), 330, 'all of them');

#
# Orders and filters that Crisp doesn't keep
#

sub fresh_session
{
	$session->quit;
	$session = CrispSession->start($node);
	sync_with($session, $sandbox);
	return;
}

foreach my $order (qw(none created))
{
	$sandbox->reset;
	$sandbox->control({ honour_order => $false, honour_sort => $false, default_order => $order });
	fresh_session();
	my ($calls, $requests) = finish("'crisp.conversations', 'order_$order'");
	is_copy('crisp.conversations', "order_$order", "conversations in the order '$order'");
	note "order $order: $calls calls, $requests requests";
	is(sync("'crisp.conversations', 'order_$order'")->{requests}, 1, 'the second run fetches one page');
	$sandbox->data([ { op => 'touch_random', count => 200, seed => 8 },
		{ op => 'insert_random', count => 20, seed => 8 } ]);
	sync("'crisp.conversations', 'order_$order', mode => 'full', max_requests => NULL");
	is_copy('crisp.conversations', "order_$order", 'after many changes');

	sync("'crisp.people_profiles', 'people_$order'");
	is_copy('crisp.people_profiles', "people_$order", "profiles in the order '$order'");
	$sandbox->data([ { op => 'touch_random', resource => 'people', count => 20, seed => 8 },
		{ op => 'insert_random', resource => 'people', count => 5, seed => 8 } ]);
	sync("'crisp.people_profiles', 'people_$order'");
	is_copy('crisp.people_profiles', "people_$order", 'after changes');
}

# What lies below a list in such an order.
$sandbox->reset;
$sandbox->control({ honour_order => $false, default_order => 'none' });
fresh_session();
my $since = $session->query(
	"SELECT quote_literal(updated_at) FROM crisp.conversations ORDER BY updated_at DESC OFFSET 120 LIMIT 1");
sync("'crisp.messages', 'messages', reference => $since, max_requests => NULL");
is_copy('crisp.messages', 'messages', 'messages of conversations in no order',
	"session_id IN (SELECT session_id FROM crisp.conversations WHERE updated_at > $since)");

# That order is told of, and costs more requests, but not without end.
$sandbox->reset;
$sandbox->control({ honour_order => $false, default_order => 'none' });
fresh_session();
my $run = sync(q('crisp.conversations', 'unordered'));
like($run->{notices}, qr/^Crisp does not give "crisp\.conversations" in the order that it is asked for$/m,
	'an order that is not kept is told of');
cmp_ok($run->{requests}, '<', 6 * $rows / 50, 'and takes no more than six times the requests');

# Not even dates.
$sandbox->control({ honour_filters => $false });
fresh_session();
sync(q('crisp.conversations', 'unfiltered', max_requests => NULL));
is_copy('crisp.conversations', 'unfiltered', 'neither order nor dates');
$sandbox->control({ honour_order => $true });
fresh_session();
sync(q('crisp.conversations', 'no_dates', max_requests => NULL));
is_copy('crisp.conversations', 'no_dates', 'an order, but no dates');

# Bounds that are not included, a last page that looks as if there were more.
$sandbox->reset;
$sandbox->control({ date_bounds => 'exclusive', full_last_page => 206 });
fresh_session();
finish(q('crisp.conversations', 'exclusive', max_requests => 9));
is_copy('crisp.conversations', 'exclusive', 'bounds that are not included');
$sandbox->data([ { op => 'touch_random', count => 5, seed => 2 } ]);
is(sync(q('crisp.conversations', 'exclusive'))->{requests}, 1, 'the next run fetches one page');
is_copy('crisp.conversations', 'exclusive', 'and all that is new');

#
# A clock at Crisp that is two hours ahead of ours: the data of the other tests is of long ago
#

my $ahead = CrispSandbox->start(conversations => 300, people => 150, websites => 1, now => (time + 7200) * 1000);
connect_crisp($node, $ahead, server => 'ahead', schema => 'ahead');
sync_with($session, $ahead);
foreach my $pair ([ 'conversations', 'conversations' ], [ 'people_profiles', 'people' ])
{
	my ($table, $resource) = @{$pair};

	$ahead->data([ { op => 'touch_random', resource => $resource, count => 30, seed => 1 } ]);
	sync("'ahead.$table', 'ahead_$resource', max_requests => 5") for 1 .. 4;
	is_copy("ahead.$table", "ahead_$resource", "$table: a clock that is ahead");
	is(status('watermark < now()', "ahead_$resource"), 't', 'the watermark is by the clock that is behind');
	$ahead->data([ { op => 'touch_random', resource => $resource, count => 30, seed => 2 },
		{ op => 'insert_random', resource => $resource, count => 3, seed => 3 } ]);
	sync("'ahead.$table', 'ahead_$resource'");
	is_copy("ahead.$table", "ahead_$resource", "$table: and changes");
}

#
# A clock at Crisp that is three hours behind ours, and a row whose date lies in the future: what
# changes next is later by neither
#

my $behind_now = time - 3 * 3600;
my $behind = CrispSandbox->start(conversations => 300, people => 150, websites => 1, now => $behind_now * 1000);
setlocale(LC_TIME, 'C');
my $crisp_date = strftime('%a, %d %b %Y %H:%M:%S GMT', gmtime $behind_now);
connect_crisp($node, $behind, server => 'behind', schema => 'behind');
sync_with($session, $behind);
$behind->control({ answers => [ { match => { path => '*' }, headers => { Date => $crisp_date } } ] });
foreach my $pair ([ 'conversations', 'conversations' ], [ 'people_profiles', 'people' ])
{
	my ($table, $resource) = @{$pair};

	$behind->data([ { op => 'touch', resource => $resource, index => 7,
		updated_at => ($behind_now + 10 * 86_400) * 1000 } ]);
	sync("'behind.$table', 'behind_$resource'");
	is_copy("behind.$table", "behind_$resource", "$table: a row in the future");
	foreach my $minute (2, 30, 90)
	{
		$behind->data([ { op => 'touch', resource => $resource, index => 100 + $minute / 2,
			updated_at => ($behind_now + $minute * 60) * 1000 } ]);
		sync("'behind.$table', 'behind_$resource'");
		is_copy("behind.$table", "behind_$resource",
			"$table: a change $minute minutes later, by a clock that is behind");
	}
}

#
# A row that changes after it was read, and another one that changes later, in the same run
#

my $small = CrispSandbox->start(conversations => 110, people => 10, websites => 1);
my ($first, $last) = ($small->rows('conversations'))[ 0, 90 ];
my %then = (at_request => { path => 'website/*/conversations/*', nth => 1, when => 'after' });

connect_crisp($node, $small, server => 'small', schema => 'small');
sync_with($session, $small);
$small->data(
	[
		{ op => 'patch', key => $first->{session_id}, set => { topic => 'changed' }, %then },
		{ op => 'touch', key => $first->{session_id}, updated_at => $first->{updated_at} + 1, %then },
		{ op => 'touch', key => $last->{session_id}, updated_at => $first->{updated_at} + 180_000, %then } ]);
sync(q('small.conversations', 'small'));
is(status("watermark = to_timestamp($first->{updated_at} / 1000.0)", 'small'), 't',
	'the watermark is the newest date of the first answer');
sync(q('small.conversations', 'small'));
is_copy('small.conversations', 'small', 'the next run fetches both');

done_testing();
