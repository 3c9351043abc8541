# crisp_sync(): copies that stay fresh, what each run asks of Crisp, and what others see of it.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use JSON::PP;
use POSIX qw(ceil);
use Test::More;

my ($node, $sandbox) =
  start_crisp(conversations => 900, people => 330, visitors => 30, operators => 12);
my $session = CrispSession->start($node);
my $other = CrispSession->start($node);
my $conversations = q('crisp.conversations', 'public.conversations');
my $run;

sync_with($session, $sandbox);

sub count_of
{
	my ($table, $condition) = @_;

	return $session->query("SELECT count(*) FROM $table WHERE " . ($condition // 'true'));
}

# The rows of a table that were written since this was last asked for.
my %written;

sub written
{
	my ($table, $key) = @_;
	my %now = split /[|\n]/, $session->query("SELECT $key, xmin::text || ctid::text FROM $table");
	my @new = grep { ($written{$table}->{$_} // '') ne $now{$_} } sort keys %now;

	$written{$table} = \%now;
	return @new;
}

#
# Conversations
#

$run = sync($conversations);
my $rows = count_of('public.conversations');
is_copy('crisp.conversations', 'public.conversations', 'the first run fetches all');
like($run->{notices}, qr/^created table public\.conversations$/m, 'it creates the target');
like($run->{notices}, qr/^"crisp\.conversations": back to 20\S+ \S+; rows: 240; requests: 5$/m,
	'it tells how far it is');
like($run->{notices}, qr/rows fetched: \d+, new: $rows, changed: 0, gone: 0; requests: $run->{requests}$/,
	'and what it has done');
cmp_ok($run->{requests}, '<=', ceil($rows / 48) + 1,
	'requests: full pages, of which each repeats a row, and a recheck');
is( $session->query(<<'END'), '', 'columns and types are those of the source, and the time of writing');
SELECT coalesce(s.name, t.name), s.type, t.type
FROM (SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
	WHERE attrelid = 'crisp.conversations'::regclass AND attnum > 0 AND attname <> 'search_query'
	UNION ALL SELECT '_synced_at', 'timestamp with time zone') s
FULL JOIN (SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
	WHERE attrelid = 'public.conversations'::regclass AND attnum > 0) t USING (name)
WHERE s.type IS DISTINCT FROM t.type
END
is($session->query(
	"SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'public.conversations'::regclass "
		. "AND contype = 'p'"),
	'PRIMARY KEY (session_id)', "the resource's key is the primary key");
written('public.conversations', 'session_id');

$run = sync($conversations);
is($run->{requests}, 1, 'the second run fetches one page');
like(($sandbox->requests)[0]->{query}, qr/filter_date_start=/, 'of what is new');
is_deeply([ written('public.conversations', 'session_id') ], [], 'and writes nothing');

$sandbox->data([ { op => 'patch', index => 555, set => { 'meta.nickname' => 'Ann' } },
	{ op => 'touch', index => 555 } ]);
$run = sync($conversations);
my ($touched) = map { $_->{session_id} } ($sandbox->rows('conversations'))[0];
is($run->{requests}, 1, 'a change is one page');
is_deeply([ written('public.conversations', 'session_id') ], [$touched], 'and one row is written');
is($session->query("SELECT meta_nickname FROM public.conversations WHERE session_id = '$touched'"), 'Ann',
	'with what is new');
is_copy('crisp.conversations', 'public.conversations', 'after a change');

# What the copy has is left alone when it's newer than what Crisp gives, out of a cache say, but for a full load.
$session->query(
	"UPDATE public.conversations SET updated_at = updated_at + interval '1 hour', topic = 'newer' "
		. "WHERE session_id = '$touched'");
sync($conversations);
is(count_of('public.conversations', "topic = 'newer'"), 1, 'an old version does not replace a newer one');
sync("$conversations, mode => 'full'");
is_copy('crisp.conversations', 'public.conversations', 'a full load takes what Crisp has for true');
written('public.conversations', 'session_id');

# Deletions are told of by nobody.
$sandbox->data([ { op => 'delete', index => 700 } ]);
sync($conversations);
is(join('/', (compare_copy('crisp.conversations', 'public.conversations'))[ 1, 2 ]), '0/1',
	'what is deleted at Crisp stays in the copy');

#
# Overlap: what is listed late.  It is long, so that it passes on no machine while the test runs.
#

$sandbox->data([ { op => 'touch', index => 20 } ]);
sync("$conversations, overlap => '1 hour'");
my ($newest) = map { $_->{updated_at} } ($sandbox->rows('conversations'))[0];
$sandbox->data([ { op => 'touch', index => 430, updated_at => $newest - 50 * 60_000 } ]);
is(sync("$conversations, overlap => '1 hour'")->{requests}, 1,
	'a change that is listed 50 minutes late is still one page');
is((compare_copy('crisp.conversations', 'public.conversations'))[1], 0, 'and is not lost');
$sandbox->data([ { op => 'touch', index => 431, updated_at => $newest - 50 * 60_000 } ]);
sync("$conversations, overlap => '10 minutes'");
is((compare_copy('crisp.conversations', 'public.conversations'))[1], 1, 'a shorter overlap misses it');
sync("$conversations, overlap => '2 hours'");
is((compare_copy('crisp.conversations', 'public.conversations'))[1], 0, 'a longer one finds it');

$sandbox->data([ { op => 'touch_random', count => 130, seed => 5 },
	{ op => 'insert_random', count => 40, seed => 6 } ]);
$run = sync("$conversations, overlap => '0'");
is((compare_copy('crisp.conversations', 'public.conversations'))[1], 0, 'after many changes');
cmp_ok($run->{requests}, '<=', ceil(170 / 48) + 1, 'requests: what has changed');
cmp_ok(scalar(written('public.conversations', 'session_id')), '<=', 170, 'written: what has changed');

#
# Profiles: windows go by one time, changes by another
#

$run = sync(q('crisp.people_profiles', 'people'));
is_copy('crisp.people_profiles', 'people', 'profiles');
cmp_ok($run->{requests}, '<=', ceil(330 / 48) + 3, 'requests: pages, a recheck, and two that prove the order');
$sandbox->data([ { op => 'touch', resource => 'people', index => 200 },
	{ op => 'insert_random', resource => 'people', count => 3, seed => 1 } ]);
$run = sync(q('crisp.people_profiles', 'people'));
is_copy('crisp.people_profiles', 'people', 'profiles that are new, and one that has changed');
cmp_ok($run->{requests}, '<=', 4, 'a page, and two that prove that order, and the page again');
$sandbox->data([ { op => 'touch', resource => 'people', index => 100 } ]);
is(sync(q('crisp.people_profiles', 'people'))->{requests}, 1, 'after that, a page');
is_copy('crisp.people_profiles', 'people', 'profiles after a change');
$sandbox->data([ { op => 'touch_random', resource => 'people', count => 120, seed => 3 } ]);
sync(q('crisp.people_profiles', 'people'));
is_copy('crisp.people_profiles', 'people', 'profiles after many changes');

#
# Lists without times are read as a whole
#

foreach my $list ([ 'visitors', 'session_id' ], [ 'operators', 'user_id' ], [ 'inboxes', 'inbox_id' ])
{
	my ($name, $key) = @{$list};

	sync("'crisp.$name', 'public.$name'");
	is_copy("crisp.$name", "public.$name", $name);
	written("public.$name", $key);
	sync("'crisp.$name', 'public.$name'");
	is_deeply([ written("public.$name", $key) ], [], "$name: nothing is written again");
}
$sandbox->data([ { op => 'patch', resource => 'visitors', index => 3, set => { nickname => 'Ann' } } ]);
sync(q('crisp.visitors', 'public.visitors'));
is_copy('crisp.visitors', 'public.visitors', 'a visitor that has changed');
is(scalar(written('public.visitors', 'session_id')), 1, 'and nobody else, is written');
sync(q('crisp.campaigns', 'public.campaigns'));
is_copy('crisp.campaigns', 'public.campaigns', 'campaigns');
is($session->query(<<'END'), 'filter_status', 'with all that their list lacks, and without what is only asked for');
SELECT string_agg(s.attname, ' ') FROM pg_attribute s
WHERE s.attrelid = 'crisp.campaigns'::regclass AND s.attnum > 0
	AND NOT EXISTS (SELECT FROM pg_attribute t WHERE t.attrelid = 'public.campaigns'::regclass
	AND t.attname = s.attname)
END

#
# What others see
#

is(status('state', 'public.conversations'), 'up to date', 'status: state');
is(status('reaches_back_to', 'public.conversations'), '-infinity', 'status: how far back');
is(status('share_done || \'/\' || requests_left || \'/\' || days_left', 'public.conversations'), '1/0/0',
	'status: what is left');
is(status('watermark = (SELECT max(updated_at) FROM public.conversations)', 'public.conversations'), 't',
	'status: watermark');
is( status('rows_inserted = (SELECT count(*) FROM public.conversations) AND rows_updated > 0 AND requests > 20 '
	. 'AND last_success IS NOT NULL AND last_error IS NULL',
		'public.conversations'),
	't',
	'status: counts');
is($session->query(q(SELECT count(*), count(*) FILTER (WHERE state = 'finished'), sum(requests) =
	(SELECT requests FROM crisp_sync_status WHERE target = 'public.conversations'::regclass)
	FROM crisp_sync_run WHERE target = 'public.conversations'::regclass)),
	'11|11|t', 'a line a run');

# A run that waits for Crisp, from another session.
sub hang_at
{
	my ($nth) = @_;

	$sandbox->clear;
	$sandbox->control({ answers => [ { match => { path => 'website/*/conversations/*', nth => $nth },
		hang => JSON::PP::true } ] });
	return;
}

hang_at(12);
$session->send(q(CALL crisp_sync('crisp.conversations', 'slow')));
$sandbox->wait_for_requests(12);
is( $other->query(
	q(SELECT state, pid, rows_fetched, rows_inserted = )
		. q((SELECT count(*) FROM slow), requests >= 10, reaches_back_to > '2020-01-01' FROM crisp_sync_status )
		. q(WHERE target = 'slow'::regclass)),
	'running|' . $session->pid . '|480|t|t|t',
	'progress is seen from another session');
is($other->query('SELECT state, windows, ended_at IS NULL FROM crisp_sync_run ORDER BY run_id DESC LIMIT 1'),
	'running|2|t', 'and the run');
cmp_ok($other->query('SELECT count(*) FROM slow'), '>', 470, 'and the rows');

my $second = $other->run(q(CALL crisp_sync('crisp.conversations', 'slow')));
is_deeply(
	[ map { $_->{message} } @{ $second->{notices} } ],
	[ 'the sync of "crisp.conversations" into "public.slow" is running already, in process ' . $session->pid ],
	'a second run at the same time says so');
is_deeply($second->{errors}, [], 'and leaves');
$other->fails(
	q(SELECT crisp_sync_reset('crisp.conversations', 'slow')),
	{ sqlstate => '55006', message => qr/is running, in process/ },
	'nor can it be reset');
sync_with($other, $sandbox);
sync(q('crisp.people_profiles', 'people'));
is_copy('crisp.people_profiles', 'people', 'another sync runs all the same');

$other->query('SELECT pg_cancel_backend(' . $session->pid . ')');
is($session->wait->{errors}->[0]->{sqlstate}, '57014', 'the run is cancelled');
$sandbox->control({ answers => [] });
is($other->query(q(SELECT state FROM crisp_sync_run WHERE target = 'slow'::regclass)), 'interrupted', 'which shows');
is($other->query(q(SELECT count(*) FROM pg_locks WHERE objsubid = 17235)), 0, 'and leaves no lock');
sync(q('crisp.conversations', 'slow'));
is((compare_copy('crisp.conversations', 'slow'))[1], 0, 'another session goes on');
is(count_of('crisp_sync_run', q(target = 'slow'::regclass AND state = 'finished' AND rows_inserted < 500)), 1,
	'from where it was');

# Another session makes the target at the same time.
$session->query('BEGIN; CREATE TABLE at_once (LIKE crisp.operators); ALTER TABLE at_once ADD PRIMARY KEY (user_id)');
$other->send(q(CALL crisp_sync('crisp.operators', 'at_once')));
$node->poll_query_until('postgres', 'SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND pid = ' . $other->pid)
  or die "the sync does not wait\n";
$session->query('COMMIT');
is_deeply($other->wait->{errors}, [], 'a target that somebody else creates meanwhile is no error');
sync_with($session, $sandbox);
is_copy('crisp.operators', 'at_once', 'and is filled');

# An error is kept, and raised.
sync_with($session, $sandbox);
$sandbox->data([ { op => 'touch', index => 3 } ]);
$sandbox->control({ answers => [ { match => { path => 'website/*/conversations/*' }, status => 401 } ] });
my $error = sync_fails($conversations, { sqlstate => qr/./, message => qr/Crisp/ }, 'an error is raised');
$sandbox->control({ answers => [] });
is(last_run('state'), 'failed', 'the run has failed');
is(last_run('error'), $error->{message}, 'with that error');
is(last_run('sqlstate'), $error->{sqlstate}, 'and that SQLSTATE');
is(status('last_error', 'public.conversations'), $error->{message}, 'status: the last error');
is(status('last_error_at > last_success', 'public.conversations'), 't', 'status: when that was');
sync($conversations);
is((compare_copy('crisp.conversations', 'public.conversations'))[1], 0, 'the next run fetches what that one did not');

#
# Reset, drop, and a copy that was emptied
#

my $before = count_of('public.conversations');
$session->query(q(SELECT crisp_sync_reset('crisp.conversations', 'public.conversations')));
is(count_of('public.conversations'), $before, 'a reset leaves the copy alone');
is(status('watermark IS NULL', 'public.conversations'), 't', 'and forgets the watermark');
is(status(q(concat_ws(' ', state, share_done, requests_left, days_left, reaches_back_to)), 'public.conversations'),
	'unfinished', 'so that nothing is known to be there');
written('public.conversations', 'session_id');
cmp_ok(sync($conversations)->{requests}, '>=', ceil($rows / 50), 'the next run fetches all again');
is_deeply([ written('public.conversations', 'session_id') ], [], 'and writes nothing that is there');
$session->query(q(SELECT crisp_sync_drop('crisp.conversations', 'public.conversations')));
is(count_of('public.conversations'), $before, 'so does a drop');
is(count_of('crisp_sync_status', q(target = 'public.conversations'::regclass)), 0, 'which forgets all else');
$session->fails(
	q(SELECT crisp_sync_drop('crisp.conversations', 'public.conversations')),
	{ sqlstate => '42704', message => 'there is no sync of "crisp.conversations" into "public.conversations"' },
	'what is not there is no job');
sync($conversations);
$session->query('TRUNCATE public.conversations');
like(sync($conversations)->{notices}, qr/is empty, so all is fetched again/, 'a copy that was emptied is noticed');
is_copy('crisp.conversations', 'public.conversations', 'and is filled again');
$session->query('DROP TABLE public.conversations');
sync($conversations);
is_copy('crisp.conversations', 'public.conversations', 'one that was dropped is made again');

$session->query('DROP EXTENSION crisp_fdw CASCADE');
cmp_ok(count_of('public.conversations'), '>', 800, 'DROP EXTENSION leaves the copies');

done_testing();
