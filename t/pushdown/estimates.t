# Estimates where incremental queries ask: how many rows are newer than a date, whether statistics are new, old, or
# not there at all; for all types of columns, and of partitions.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);

my $day     = 86_400_000;
my $node    = start_node();
my $session = CrispSession->start($node);

# The rows that the planner expects; planning makes no request.
sub expected
{
	my ($sandbox, $query) = @_;

	$sandbox->clear;
	my $plan = decode_json($session->query("EXPLAIN (FORMAT JSON) $query"))->[0]->{Plan};
	is($sandbox->count, 0, "no request for EXPLAIN $query");
	return $plan->{'Plan Rows'};
}

sub is_near
{
	my ($got, $true, $name) = @_;
	my ($low, $high) = ($true / 3, $true * 3);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$high = 10 if $high < 10;
	ok($got >= $low && $got <= $high, "$name: $got for $true");
	return;
}

# Tables as imported, in milliseconds, of other types, and partitioned.
sub tables
{
	my ($sandbox) = @_;

	connect_crisp($node, $sandbox);
	my $website = $sandbox->website_id;
	$session->query(<<"END");
SET client_min_messages = warning;
CREATE SCHEMA ms;
IMPORT FOREIGN SCHEMA crisp LIMIT TO (conversations) FROM SERVER support INTO ms OPTIONS (timestamp_type 'bigint');
CREATE DOMAIN moment AS timestamptz;
CREATE FOREIGN TABLE plain (session_id text, updated_at timestamp) SERVER support OPTIONS (resource 'conversations');
CREATE FOREIGN TABLE dated (session_id text, updated_at date) SERVER support OPTIONS (resource 'conversations');
CREATE FOREIGN TABLE whole (session_id text, updated_at moment) SERVER support OPTIONS (resource 'conversations');
CREATE TABLE parted (website_id text, session_id text, updated_at timestamptz) PARTITION BY LIST (website_id);
CREATE FOREIGN TABLE part PARTITION OF parted FOR VALUES IN ('$website') SERVER support
	OPTIONS (resource 'conversations', analyze_pages '20');
END
	return;
}

my @times;
my @tables = ('crisp.conversations', 'ms.conversations', 'plain', 'dated', 'whole', 'parted');

# A condition of a table with that of another, on a time of so many days ago; or between two.
sub since
{
	my ($table, $days) = @_;
	my $time = "now() - interval '1 day' * $days";

	return $table =~ /^ms/ ? "(extract(epoch FROM $time) * 1000)::bigint" : $table eq 'plain'
	  ? "($time) AT TIME ZONE 'UTC'" : $table eq 'dated' ? "(($time) AT TIME ZONE 'UTC')::date" : $time;
}

# How many conversations have changed since so many days ago; for dates, since the end of that day.
sub truth
{
	my ($sandbox, $days, $table) = @_;
	my $since = (time - $days * 86_400) * 1000;

	$since += $day - $since % $day if $table eq 'dated';
	return scalar grep { $_ > $since } @times;
}

# Look at the times of all conversations, as they are now.
sub look
{
	my ($sandbox) = @_;

	@times = map { /"updated_at":(\d+)[,}]/ ? $1 : () } $sandbox->raw_rows('conversations');
	return;
}

# ---- Statistics that a day, a week, a year old: the list has gone on as before.

foreach my $age (0, 1, 7, 365)
{
	my $now     = int(time * 1000);
	my $sandbox = CrispSandbox->start(conversations => 6000, people => 100, now => $now - $age * $day);
	tables($sandbox);

	# That they aren't of today: nobody knows when they were made.
	$session->query("ANALYZE $_; SELECT pg_stat_reset_single_table_counters('$_'::regclass)") foreach @tables, 'part';
	is($session->query("SELECT count(*) FROM pg_class WHERE pg_stat_get_last_analyze_time(oid) IS NOT NULL AND "
		. "relkind = 'f'"), 0, 'old statistics');

	# Some eight a day, as the sandbox's data have it.
	$sandbox->data([ map { { op => 'insert_many', resource => 'conversations', count => 1,
		at => $now - $age * $day + int(($_ + rand) * $day / 8) } } 0 .. 8 * $age - 1 ]) if $age > 0;
	look($sandbox);
	cmp_ok(scalar @times, ">", 5000, "there are conversations");
	foreach my $table (@tables)
	{
		foreach my $days (1, 3, 30, 200, 400)
		{
			my $rows = expected($sandbox, "SELECT FROM $table WHERE updated_at > " . since($table, $days));
			is_near($rows, truth($sandbox, $days, $table), "$table, statistics of $age days ago, since $days days");
		}
		my $between = expected($sandbox, "SELECT FROM $table WHERE updated_at >= " . since($table, 20)
			. ' AND updated_at < ' . since($table, 10));
		is_near($between, truth($sandbox, 20, $table) - truth($sandbox, 10, $table),
			"$table, statistics of $age days ago, between two");
		is(expected($sandbox, "SELECT FROM $table WHERE updated_at > " . since($table, -2)), 1, '... in the future');
	}

	# A parameter of a plan of its own; what is older; an order that stops.
	$session->query('PREPARE q (timestamptz) AS SELECT FROM crisp.conversations WHERE updated_at > $1');
	$session->query("SET plan_cache_mode = force_custom_plan");
	is_near(expected($sandbox, "EXECUTE q (now() - interval '30 days')"), truth($sandbox, 30, ''), 'a parameter');
	$session->query('RESET plan_cache_mode; DEALLOCATE q');
	is_near(expected($sandbox, "SELECT FROM crisp.conversations WHERE updated_at <= now() - interval '400 days'"),
		@times - truth($sandbox, 400, ''), 'what is older');

	# Conversations of which few lie between, and whose dates end long ago: then it's quiet.
	if ($age == 7)
	{
		$sandbox->data([ { op => 'clear', resource => 'conversations' },
			map { { op => 'insert_many', resource => 'conversations', count => 1,
				at => $now - (1000 - $_ / 4) * $day } }
				1 .. 2000 ]);
		$session->query('ANALYZE crisp.conversations');
		cmp_ok(expected($sandbox, "SELECT FROM crisp.conversations WHERE updated_at > now() - interval '1 day'"),
			'<=', 3,
			'a list that has ended');
		is_near(expected($sandbox, "SELECT FROM crisp.conversations WHERE updated_at > now() - interval '510 days'"),
			40,
			'... near its end');

		# One that is short enough to be read whole, and one with a single time.
		$sandbox->data([ { op => 'clear', resource => 'conversations' },
			map { { op => 'insert_many', resource => 'conversations', count => 1,
				at => $now - $_ * $day } } 1 .. 200 ]);
		$session->query('ANALYZE crisp.conversations');
		is_near(expected($sandbox, "SELECT FROM crisp.conversations WHERE updated_at > now() - interval '$_ days'"), $_,
			"a short list, $_") foreach 2, 9, 50, 190;
		$sandbox->data([ { op => 'clear', resource => 'conversations' },
			{ op => 'insert_many', resource => 'conversations', count => 80, at => $now - 3 * $day } ]);
		$session->query('ANALYZE crisp.conversations');
		cmp_ok(expected($sandbox, 'SELECT FROM crisp.conversations WHERE updated_at > now()'), '<=', 10, 'one time');
		$sandbox->data([ { op => 'clear', resource => 'conversations' } ]);
		$session->query('ANALYZE crisp.conversations');
		cmp_ok(expected($sandbox, 'SELECT FROM crisp.conversations WHERE updated_at > now()'), '<=', 1, 'no rows');
	}
	$session->query('DROP SERVER support CASCADE; DROP SCHEMA crisp, ms CASCADE; DROP TABLE parted; DROP DOMAIN '
		. 'moment');
	$sandbox->stop;
}

# ---- Without statistics

my $sandbox = CrispSandbox->start(conversations => 2000, people => 700, now => 'current');
tables($sandbox);
look($sandbox);
my $conversations = @times;
like($session->query('EXPLAIN SELECT FROM crisp.conversations'), qr/^ *Estimated Without Statistics: true$/m,
	'EXPLAIN says so');
is(decode_json($session->query('EXPLAIN (FORMAT JSON) SELECT FROM crisp.conversations'))->[0]->{Plan}
	->{'Estimated Without Statistics'}, JSON::PP::true, '... in JSON');
is(expected($sandbox, 'SELECT FROM crisp.conversations'), 10_000, 'nothing is known: what is usual');
my $guess = expected($sandbox, "SELECT FROM crisp.conversations WHERE updated_at > now() - interval '1 day'");
ok($guess >= 10 && $guess <= 100, "... of a day: $guess");
is(expected($sandbox, "SELECT FROM crisp.conversations WHERE updated_at > now() + interval '1 day'"), 1, '... to come');
is(expected($sandbox, "SELECT FROM crisp.conversations WHERE session_id = 'session_x'"), 1, 'a key');
my $joined = expected($sandbox,
	'SELECT FROM crisp.conversations c JOIN crisp.people_profiles p USING (people_id)');
cmp_ok($joined, '<=', 10_000, 'a join by a key');

# What the session has seen.
$session->query("SELECT count(*) FROM (SELECT session_id FROM crisp.conversations WHERE updated_at > now() - "
	. "interval '30 days' OFFSET 0) s");
is_near(expected($sandbox, "SELECT FROM crisp.conversations WHERE updated_at > now() - interval '$_ days'"),
	truth($sandbox, $_, ''), "30 days were seen: $_") foreach 10, 30, 60;
$session->query('SELECT count(session_id) FROM crisp.conversations');
is(expected($sandbox, 'SELECT FROM crisp.conversations'),
	10_000, 'all were seen, but lookups bring more than the list: a short one is no reason to do without them');
is(expected($sandbox, 'SELECT FROM crisp.people_profiles'), 10_000, 'others were not');
$session->query('SELECT count(*) FROM crisp.people_profiles');
is(expected($sandbox, 'SELECT FROM crisp.people_profiles'), 700, '... were counted');
is_near(expected($sandbox, "SELECT FROM crisp.conversations WHERE updated_at > now() - interval '$_ days'"),
	truth($sandbox, $_, ''), "30 days, and all, were seen: $_") foreach 10, 30, 300;

# What jobs of crisp_sync() know: for everybody, in every session, whatever the schemas are called.
sub in_new_session
{
	my ($before) = @_;

	$session->quit;
	$session = CrispSession->start($node);
	$session->query("SET client_min_messages = warning; $before") if $before;
	return;
}
my $profiles = 'SELECT FROM crisp.people_profiles';
my $analyzed = q(UPDATE pg_class SET reltuples = [n] WHERE oid = 'people'::regclass);
in_new_session();
is(expected($sandbox, $profiles), 10_000, 'no job knows');
$session->query("SET client_min_messages = warning; CALL crisp_sync('crisp.people_profiles', 'people', "
	. 'max_requests => 12)');
in_new_session();
is(expected($sandbox, $profiles), 700, 'a copy that has been begun: Crisp has counted');
$session->query("SET client_min_messages = warning; CALL crisp_sync('crisp.people_profiles', 'people')");
in_new_session("UPDATE crisp_sync_internal.crisp_sync_job SET expected_rows = NULL");
$session->query($analyzed =~ s/\[n\]/-1/r);
is(expected($sandbox, $profiles), 700, 'a copy that is whole, and was never analyzed');
$session->query($analyzed =~ s/\[n\]/650/r);
is(expected($sandbox, $profiles), 650, '... and was');
like($session->query("EXPLAIN $profiles"), qr/Estimated Without Statistics: true/, '... which is no statistics');
$session->query(q(CREATE ROLE reader; GRANT USAGE ON SCHEMA crisp TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA crisp
	TO reader; REVOKE ALL ON crisp_sync_internal.crisp_sync_job FROM PUBLIC;
	CREATE USER MAPPING FOR reader SERVER support OPTIONS (identifier 'x', key 'y')));
in_new_session('SET ROLE reader');
is($session->run('SELECT FROM crisp_sync_internal.crisp_sync_job')->{errors}->[0]->{sqlstate}, '42501',
	'somebody who may not see jobs');
is(expected($sandbox, $profiles), 650, '... is served all the same');
is(expected($sandbox, 'SELECT FROM crisp.conversations'), 10_000, 'of another table, no job knows');
$session->query('RESET ROLE');

# A parallel worker plans what a function asks for that calls itself safe.
$session->query(<<'END');
CREATE FUNCTION planned() RETURNS text LANGUAGE plpgsql PARALLEL SAFE AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXPLAIN SELECT FROM crisp.people_profiles LOOP
		RETURN substring(line FROM 'rows=(\d+)')
			|| CASE WHEN pg_backend_pid()::text = current_setting('test.leader') THEN '' ELSE ' in a worker' END;
	END LOOP;
END $$;
END
my $forcing = $session->query("SELECT name FROM pg_settings WHERE name IN ('force_parallel_mode', "
	. "'debug_parallel_query')");
$session->query(qq(SELECT set_config('test.leader', pg_backend_pid()::text, false); SET $forcing = on));
is($session->query('SELECT planned()'), '650 in a worker', 'a parallel worker');
$session->query("RESET $forcing");
my ($schema) = split /\n/, $session->query('SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = '
	. q(e.extnamespace WHERE extname = 'crisp_fdw'));
$session->query(qq(ALTER SCHEMA "$schema" RENAME TO "The Tools"; ALTER SCHEMA crisp_sync_internal RENAME TO "Jobs"));
is(expected($sandbox, $profiles), 650, 'renamed schemas');
in_new_session();
is(expected($sandbox, $profiles), 650, '... in a new session');
$session->query(qq(ALTER SCHEMA "The Tools" RENAME TO "$schema"; ALTER SCHEMA "Jobs" RENAME TO crisp_sync_internal));
my $other = CrispSession->start($node);
$other->query('BEGIN; LOCK TABLE crisp_sync_internal.crisp_sync_job');
is(expected($sandbox, $profiles), 10_000, 'a table of jobs that is locked: nobody waits');
$other->query('ROLLBACK');
$other->quit;
$session->query(q<UPDATE crisp_sync_internal.crisp_sync_job SET selected = '{[2020-01-01,)}'>);
is(expected($sandbox, $profiles), 10_000, 'a copy of some rows tells nothing');
$session->query('ALTER TABLE crisp_sync_internal.crisp_sync_job RENAME TO hidden');
is(expected($sandbox, $profiles), 10_000, 'no table of jobs');
$session->query('ALTER TABLE crisp_sync_internal.hidden RENAME TO crisp_sync_job');
$session->query(q(CREATE TABLE few AS SELECT * FROM people LIMIT 0; UPDATE crisp_sync_internal.crisp_sync_job SET
	source = 'crisp.conversations'::regclass, expected_rows = 300));
is(expected($sandbox, 'SELECT FROM crisp.conversations'), 10_000,
	'a short list of conversations is no reason to do without lookups, here either');
$session->query('UPDATE crisp_sync_internal.crisp_sync_job SET expected_rows = 30000');
is(expected($sandbox, 'SELECT FROM crisp.conversations'), 30_000, '... a long one is one');
$session->query('ANALYZE crisp.conversations');
unlike($session->query('EXPLAIN SELECT FROM crisp.conversations'), qr/Estimated Without/, 'with statistics');
unlike($session->query('EXPLAIN SELECT FROM crisp.messages'), qr/Estimated Without/, 'a table that has none');

$session->quit;
$node->stop;
done_testing();
