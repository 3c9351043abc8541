# crisp_sync() with few requests a call: how much is left, what is read once, and what it says when it gets no further.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use JSON::PP;
use POSIX qw(ceil);
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 1400, people => 420, visitors => 70);
my $session = CrispSession->start($node);
my $rows = $session->query('SELECT count(*) FROM crisp.conversations');
my $people = $session->query('SELECT count(*) FROM crisp.people_profiles');

sync_with($session, $sandbox);

# Let a minute have passed since the newest row was seen, as far as jobs know.
sub let_overlap_pass
{
	$session->query("UPDATE crisp_sync_internal.crisp_sync_job SET watermark_at = watermark_at - interval '1 minute'");
	return;
}

# Pages of a list beyond those that it has, and beyond those that come in order: what the estimate has asked for.
sub probes
{
	return scalar grep { m{/conversations/(?!1\?)\d+\?per_page=50&order_date_updated=1$} } $sandbox->targets;
}

#
# How much is left: known from the first call on, closer with each, and for no more than two requests of five
#

foreach my $most (3, 5, 10, 25)
{
	my $target = "estimate_$most";
	my ($calls, $probes) = (0, 0);

	while (++$calls <= 40)
	{
		sync("'crisp.conversations', '$target', max_requests => $most, daily_quota => 100, overlap => '0'");
		last if last_run('state') eq 'finished';
		cmp_ok(probes(), '<=', $most * 2 / 5, "at most $most requests, call $calls: few of them are for the estimate");
		$probes += probes();

		my ($share, $left, $days) = split /\|/, status('share_done, requests_left, days_left', $target);
		my $loaded = $session->query("SELECT count(*) FROM $target");
		my $pages = ($rows - $loaded) / 49;
		my $factor = $calls == 1 ? 6 : $calls < 5 ? 3 : 1.5;
		cmp_ok($share, '<', 1, "at most $most requests, call $calls: share done");
		cmp_ok($left, '>=', $pages / $factor - 2, "at most $most requests, call $calls: requests left, at least");
		cmp_ok($left, '<=', $pages * $factor + 2, "at most $most requests, call $calls: requests left, at most");
		cmp_ok(abs($days - $left / 100), '<', 0.01, "at most $most requests, call $calls: days left");
	}
	is_copy('crisp.conversations', $target, "at most $most requests a call");
	cmp_ok($probes, '<=', 10, "at most $most requests a call: for the estimate, in all");
}

# What Crisp counts takes one request, and is exact.
sync(q('crisp.people_profiles', 'counted', max_requests => 10));
is(scalar(grep { m{/people/stats} } $sandbox->targets), 1, 'the number of profiles is asked for, once');
is($session->query(
	q(SELECT expected_rows FROM crisp_sync_internal.crisp_sync_job WHERE target = 'counted'::regclass)), $people,
	'and is what Crisp says');
sync(q('crisp.people_profiles', 'counted', max_requests => 2));
is(scalar(grep { m{/people/stats} } $sandbox->targets), 0, 'and not again');

# What ANALYZE has found is taken for nothing; nor is anything asked where one call gets to the end.
$session->query('ANALYZE crisp.conversations');
sync(q('crisp.conversations', 'analyzed', max_requests => 5));
is(probes(), 0, 'after ANALYZE, nothing is asked');
cmp_ok(abs(status('share_done', 'analyzed') - 192 / $rows), '<', 0.1, 'and the estimate is there');
$session->query(q(UPDATE pg_class SET reltuples = -1 WHERE oid = 'crisp.conversations'::regclass));
sync(q('crisp.conversations', 'whole'));
is(probes(), 0, 'nor where a call gets to the end');

# Who may not analyze the source has estimates, too; and rows matter more.
$session->query(
	'CREATE ROLE ann LOGIN; CREATE SCHEMA ann AUTHORIZATION ann; GRANT USAGE ON SCHEMA crisp TO ann; GRANT SELECT '
		. 'ON crisp.conversations TO ann');
$session->query('CREATE USER MAPPING FOR ann SERVER support OPTIONS (' . credential_options($sandbox, 'website') . ')');
my $ann = CrispSession->start($node, user => 'ann');
sync_with($ann, $sandbox);
$sandbox->control({ answers => [ { match => { path => 'website/*/conversations/200' }, status => 400 } ] });
sync(q('crisp.conversations', 'ann.copy', max_requests => 5));
is(last_run('state'), 'partial', 'an estimate that fails lets the run go on');
is(status('requests_left', 'ann.copy'), '', 'without it');
$sandbox->control({ answers => [] });
sync(q('crisp.conversations', 'ann.copy', max_requests => 5));
cmp_ok(status('requests_left', 'ann.copy'), '>', 0, 'the next one makes it');
$ann->fails(qq(SELECT crisp_sync_internal.crisp_sync_$_), { sqlstate => '42501' },
	"crisp_sync_$_ takes the right to read the list")
  foreach q{count('crisp.people_profiles')}, q{page('crisp.people_profiles', 1)};
sync_with($session, $sandbox);
$session->fails(q(SELECT crisp_sync_internal.crisp_sync_page('crisp.messages', 1)),
	{ sqlstate => '42809', message => '"messages" is not a list by itself' }, 'messages have no pages');
$session->fails(q(SELECT crisp_sync_internal.crisp_sync_page('crisp.conversations', 0)),
	{ sqlstate => '22023', message => 'page_number must be at least 1' }, 'nor is there a page 0');
$session->fails(q(SELECT crisp_sync_internal.crisp_sync_count('pg_class')),
	{ sqlstate => '42809', message => '"pg_class" is not a foreign table of crisp_fdw' }, 'nor has any table a count');

#
# What is read once
#

# Where a window ends, and at the recheck of what has moved meanwhile, rows come again: no more
# than a few of each page.
sub few_come_twice
{
	my ($result, $target) = @_;
	my ($fetched) = $result->{notices} =~ /rows fetched: (\d+), new/;

	cmp_ok($fetched, '<=', $session->query("SELECT count(*) FROM $target") + $result->{requests},
		"$target: few rows come twice");
	return;
}

my ($middle, $half) = split /\|/, $session->query(
	"SELECT quote_literal(created_at), count(*) OVER () FROM crisp.conversations ORDER BY created_at OFFSET $rows / 2 "
		. "LIMIT 1");
my $run = sync(
	"'crisp.conversations', 'begun_before', sync_field => 'created_at', condition => 'older', reference => $middle");
is_copy('crisp.conversations', 'begun_before', 'created before a time', "created_at < $middle");
few_come_twice($run, 'begun_before');
cmp_ok($run->{requests}, '<=', ceil($rows / 48) + 2, 'nor any page');
$run = sync("'crisp.conversations', 'begun_after', sync_field => 'created_at', reference => $middle");
is_copy('crisp.conversations', 'begun_after', 'created after a time', "created_at > $middle");
few_come_twice($run, 'begun_after');
{
	# Where rows move and go meanwhile, none is lost.
	my @kept = map { $_->{session_id} } ($sandbox->rows('conversations'))[ 300 .. 320 ];
	$sandbox->data(
		[
			{ op => 'delete', index => 20, at_request => { path => 'website/*/conversations/*', nth => 4,
				when => 'after' } },
			map { { op => 'touch', key => $_,
				at_request => { path => 'website/*/conversations/*', nth => 3, when => 'after' } } } @kept ]);
	sync("'crisp.conversations', 'begun_meanwhile', sync_field => 'created_at', condition => 'older', reference => "
		. "'2100-01-01'");
	is_copy('crisp.conversations', 'begun_meanwhile', 'rows that move or go while all are read once');
}

# Crisp ignores the dates: then several times.
$sandbox->control({ honour_filters => JSON::PP::false, honour_order => JSON::PP::false, default_order => 'none' });
$session->quit;
$session = CrispSession->start($node);
sync_with($session, $sandbox);
sync("'crisp.conversations', 'begun_unordered', sync_field => 'created_at', condition => 'older', "
	. "reference => $middle");
is_copy('crisp.conversations', 'begun_unordered', 'where Crisp keeps neither order nor dates', "created_at < $middle");
$sandbox->control({ honour_filters => JSON::PP::true, honour_order => JSON::PP::true, default_order => 'updated' });

#
# More changes within one overlap than a call may ask for
#

$session->quit;
$session = CrispSession->start($node);
sync_with($session, $sandbox);
foreach my $case ([ 'conversations', 'conversations', 800 ], [ 'people_profiles', 'people', 300 ])
{
	my ($table, $resource, $changes) = @{$case};
	my $target = "burst_$resource";
	my $arguments = "'crisp.$table', '$target', max_requests => 6";
	my $calls = 0;

	sync("'crisp.$table', '$target'");
	$sandbox->data([ { op => 'touch_random', resource => $resource, count => $changes, seed => 7 } ]);
	do
	{
		let_overlap_pass();
		sync($arguments);
	} until last_run('state') eq 'finished' || ++$calls > 30;
	is_copy("crisp.$table", $target, "$table: $changes changes of one second, 6 requests a call");
	cmp_ok($calls, '<=', $resource eq 'people' ? 12 : ceil($changes / 48 / 4) + 4, "$table: calls");

	# They aren't read again and again after that, and what comes then is.
	let_overlap_pass();
	sync($arguments);
	let_overlap_pass();
	cmp_ok(sync($arguments)->{requests}, '<=', 2, "$table: a run when nothing has changed since");
	is(status('state', $target), 'up to date', "$table: state");
	$sandbox->data([ { op => 'touch_random', resource => $resource, count => 3, seed => 8 } ]);
	sync($arguments);
	is_copy("crisp.$table", $target, "$table: the next changes");
}

# A row that comes into the index late, with a date before that of the newest row.
sub late_row
{
	my ($seconds, $name) = @_;
	my $newest = ($sandbox->rows('conversations'))[0]->{updated_at};
	my ($late) = ($sandbox->rows('conversations'))[700];

	$sandbox->data([ { op => 'patch', key => $late->{session_id}, set => { topic => $name } },
		{ op => 'touch', key => $late->{session_id}, updated_at => $newest - $seconds * 1000 } ]);
	return;
}

sync(q('crisp.conversations', 'late'));
late_row(30, 'late');
let_overlap_pass();
sync(q('crisp.conversations', 'late'));
is_copy('crisp.conversations', 'late', 'a row that comes within the overlap is not missed');
let_overlap_pass();
sync(q('crisp.conversations', 'late'));
late_row(40, 'later');
sync(q('crisp.conversations', 'late', overlap => '2 minutes'));
is_copy('crisp.conversations', 'late', 'a longer overlap looks back again');
{
	# Nor is it while a burst of changes is read, part by part.
	my $calls = 0;

	$sandbox->data([ { op => 'touch_random', count => 600, seed => 11 } ]);
	sync(q('crisp.conversations', 'late', max_requests => 5));
	late_row(0.3, 'in the burst');
	do
	{
		let_overlap_pass();
		sync(q('crisp.conversations', 'late', max_requests => 5));
	} until last_run('state') eq 'finished' || ++$calls > 20;
	is_copy('crisp.conversations', 'late', 'a late row among many changes');

	# A reference just before the watermark doesn't step over it.
	$sandbox->data([ { op => 'touch', index => 800,
		updated_at => ($sandbox->rows('conversations'))[0]->{updated_at} + 600_000 } ]);
	sync(q('crisp.conversations', 'late'));
	my $reference = $session->query('SELECT quote_literal(max(updated_at) - interval \'1 second\') FROM late');
	late_row(30, 'before the reference');
	$sandbox->data([ { op => 'touch', index => 900 } ]);
	sync("'crisp.conversations', 'late', reference => $reference");
	is_copy('crisp.conversations', 'late', 'a late row before a reference');
}

#
# No further
#

sub stalls
{
	my ($arguments, $target, $limit, $name) = @_;
	my $result = sync($arguments);

	like($result->{notices},
		qr/^the sync of "crisp\.\w+" into "public\.$target" gets no further with a limit of $limit$/m,
			"$name: a warning");
	like($result->{details}, qr/^What comes next takes more requests\.\nRaise max_requests\.$/m, "$name: what to do");
	is(status('state', $target), 'stalled', "$name: status");
	return;
}

stalls(q('crisp.visitors', 'visitors', max_requests => 2), 'visitors', 2, 'a list without dates');
is(status('share_done IS NULL AND requests_left IS NULL AND days_left IS NULL', 'visitors'), 't',
	'of which nothing is there');
sync(q('crisp.visitors', 'visitors', max_requests => 10));
is(status('state', 'visitors'), 'up to date', 'with more requests, it comes');

sync(q('crisp.conversations', 'one_by_one', max_requests => 1));
is(status('state', 'one_by_one'), 'unfinished', 'the first call gets on with one request');
stalls(q('crisp.conversations', 'one_by_one', max_requests => 1), 'one_by_one', 1,
	'the second needs it for what is new');
sync(q('crisp.conversations', 'one_by_one', max_requests => 2));
is(status('state', 'one_by_one'), 'unfinished', 'two let it go on');

# Details of campaigns, for a request each: some with each call.
{
	my ($calls, $rows) = (0, 0);

	stalls(q('crisp.campaigns', 'campaigns', max_requests => 2), 'campaigns', 2,
		'a list that leaves no request for details');
	do
	{
		cmp_ok(sync(q('crisp.campaigns', 'campaigns', max_requests => 8))->{requests}, '<=', 8,
			'campaigns: no more requests than a call may make');
		my $now = $session->query('SELECT count(*) FROM campaigns');
		cmp_ok($now, '>=', $rows + 4, 'campaigns: each call brings some')
		  unless status('state', 'campaigns') eq 'up to date';
		$rows = $now;
	} until status('state', 'campaigns') eq 'up to date' || ++$calls > 10;
	cmp_ok($calls, '<=', 10, 'campaigns: it comes to an end');
	is_copy('crisp.campaigns', 'campaigns', 'campaigns, with their details');
	sync(q('crisp.campaigns', 'all_campaigns', max_requests => NULL));
	is_copy('crisp.campaigns', 'all_campaigns', 'campaigns, in one call without a limit');
}

# A burst isn't read again and again while the overlap has not passed; but once more when all is there.
{
	my ($calls, $requests) = (0, 0);

	$sandbox->data([ { op => 'touch_random', count => 800, seed => 12 } ]);
	do { $requests += sync(q('crisp.conversations', 'late', max_requests => 5))->{requests} }
	  until last_run('state') eq 'finished' || ++$calls > 20;
	is_copy('crisp.conversations', 'late', 'changes of the last minute, 5 requests a call');
	cmp_ok($requests, '<=', 800 / 48 * 1.5 + 5, 'which are read once');
	late_row(20, 'behind the burst');
	sync(q('crisp.conversations', 'late'));
	is_copy('crisp.conversations', 'late', 'the next run looks for what came late meanwhile');
}

# Messages of one conversation that take more than a call may ask for; those of others come in
# windows that are small enough.
{
	my $of_two = join ', ', map { "'$_->{session_id}'" } ($sandbox->rows('conversations'))[ 3, 40 ];
	my $calls = 0;

	$session->query("ALTER SERVER support OPTIONS (ADD updatable 'true')");
	$session->query(
		"INSERT INTO crisp.messages (session_id, type, content) SELECT s, 'text', 'no ' || n "
			. "FROM unnest(ARRAY[$of_two]) s, generate_series(1, 150) n");
	my $since = $session->query(
		'SELECT quote_literal(updated_at) FROM crisp.conversations ORDER BY updated_at DESC OFFSET 60 LIMIT 1');
	my $arguments = "'crisp.messages', 'messages', overlap => '0'";

	sync("$arguments, reference => $since, max_requests => 6");
	is(status('state', 'messages'), 'unfinished', 'the first call asked for too many conversations');
	stalls("$arguments, max_requests => 6", 'messages', 6, 'messages of one conversation');
	do
	{
		sync("$arguments, max_requests => 15");
		isnt(status('state', 'messages'), 'stalled', 'more requests: each call gets on');
	} until last_run('state') eq 'finished' || ++$calls > 40;
	is_copy('crisp.messages', 'messages', 'at last, all messages are there',
		"session_id IN (SELECT session_id FROM crisp.conversations WHERE updated_at > $since)");
}

#
# Lines of runs
#

{
	my $job = $session->query(q(SELECT job_id FROM crisp_sync_internal.crisp_sync_job WHERE target = 'late'::regclass));
	my $of = "FROM crisp_sync_run WHERE target = 'late'::regclass";

	$sandbox->control({ answers => [ { match => { path => '*' }, status => 403 } ] });
	sync_fails(q('crisp.conversations', 'late'), { message => qr/./ }, 'a run that fails');
	$sandbox->control({ answers => [] });
	my $failed = $session->query("SELECT max(run_id) $of");
	my $before = $session->query("SELECT count(*) FROM crisp_sync_internal.crisp_sync_log WHERE job_id <> $job");
	$session->query(
		'INSERT INTO crisp_sync_internal.crisp_sync_log (job_id, mode, started_at, outcome) '
			. "SELECT $job, 'incremental', now(), 'finished' FROM generate_series(1, 10000)");
	sync(q('crisp.conversations', 'late'));
	is($session->query("SELECT count(*), min(run_id) = $failed, (SELECT count(*) $of AND run_id > $failed) $of"),
		'10001|t|10000',
		'the newest 10,000 runs are kept, and the last that failed');
	is(status('last_error IS NOT NULL', 'late'), 't', 'of which status tells');
	is($session->query("SELECT count(*) FROM crisp_sync_internal.crisp_sync_log WHERE job_id <> $job"), $before,
		'runs of other jobs are left alone');
}

done_testing();
