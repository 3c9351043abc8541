# crisp_sync(): which tables can be its target, what it says of those that can't, and whose rights count.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use PostgreSQL::Test::Utils;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 60, people => 30, visitors => 5, operators => 6);
my $session = CrispSession->start($node);

sync_with($session, $sandbox);
my $scan_mode = $session->query('LOAD \'crisp_fdw\'; SHOW crisp_fdw.scan_mode');

#
# Names
#

$session->query('CREATE SCHEMA "My Copies"; CREATE SCHEMA first');
sync(q('crisp.operators', '"My Copies"."The ""best"" operators"'));
is_copy('crisp.operators', '"My Copies"."The ""best"" operators"', 'names that need quotes');

# In messages, a name stands between double quotes as it is, with its schema where that is needed.
$session->query(
	'CREATE SCHEMA "Odd"; IMPORT FOREIGN SCHEMA crisp LIMIT TO (operators, conversations) FROM SERVER support '
		. 'INTO "Odd"; ALTER FOREIGN TABLE "Odd".operators RENAME TO "Op ""x"""; ALTER FOREIGN '
		. 'TABLE "Odd".conversations RENAME TO "Select"');
my $named = sync(q('"Odd"."Op ""x"""', '"My Copies"."Of Odd"'));
like($named->{notices}, qr/^"Odd\.Op "x"": rows fetched: 6, /m, 'a notice');
$session->fails(q(SELECT crisp_sync_reset('"Odd"."Select"', '"My Copies"."Of Odd"')),
	{ sqlstate => '42704', message => 'there is no sync of "Odd.Select" into "My Copies.Of Odd"' }, 'an error');
$session->query('CREATE VIEW "My Copies"."V 1" AS SELECT 1 AS one');
sync_fails(q('"Odd"."Select"', '"My Copies"."V 1"'),
	{ sqlstate => '42809', message => 'cannot sync into "My Copies.V 1": it is a view' }, 'an error of a target');
$session->query('CREATE TABLE "My Copies"."No Key" (session_id text, updated_at timestamptz)');
sync_fails(q('"Odd"."Select"', '"My Copies"."No Key"'),
	{ message => qr/^cannot sync into "My Copies\.No Key": it has no unique key/,
		hint => qr/^ALTER TABLE "My Copies"\."No Key" ADD UNIQUE/ },
	'... whose hint is SQL');

$session->query('SET search_path = first, public');
sync(q('crisp.operators', 'operators'));
is($session->query(q(SELECT 'first.operators'::regclass)), 'operators',
	'an unqualified name is found and made as CREATE TABLE does');
sync(q('crisp.operators', 'Operators'));
is($session->query('SELECT count(*) FROM crisp_sync_run WHERE target = \'first.operators\'::regclass'), 2,
	'names fold as elsewhere');
is($session->query('SHOW search_path'), 'first, public', 'the search_path is what it was');
is($session->query('SHOW crisp_fdw.max_requests'), '0', 'so is the limit of requests');
is($session->query('SHOW crisp_fdw.scan_mode'), $scan_mode, 'and the scan mode');
$session->query('SET search_path = nowhere');
$session->fails(q(CALL public.crisp_sync('crisp.operators', 'somewhere')),
	{ sqlstate => '3F000', message => 'no schema has been selected to create "somewhere" in' }, 'no schema');
$session->query('RESET search_path');
sync_fails(q('crisp.operators', 'nowhere.operators'),
	{ sqlstate => '3F000', message => qr/schema "nowhere" does not exist/ },
	'a schema that is not there');
sync_fails(q('crisp.operators', 'a.b.c.d'), { sqlstate => '42601' }, 'a name with too many dots');
sync_fails(q('crisp.operators', ''), { sqlstate => qr/^(22023|42601|42602)$/ }, 'no name');

#
# Targets that exist
#

$session->query(<<'END');
CREATE TABLE mine (
	note text DEFAULT 'kept', session_id text, updated_at timestamptz NOT NULL, state varchar(20), created_at timestamp,
	nickname_length int GENERATED ALWAYS AS (length(meta_nickname)) STORED, meta_nickname text, UNIQUE (session_id))
END
my $run = sync(q('crisp.conversations', 'mine'));
like($run->{notices}, qr/^table "public\.mine" has no column for website_id, inbox_id, people_id, and \d+ more$/m,
	'missing columns are told, in short');
like($run->{details},
	qr/^SELECT crisp_sync_add_columns\('crisp\.conversations', 'public\.mine'\) writes the ALTER TABLE that adds them\.$/m, 'and what adds them');
unlike(sync(q('crisp.conversations', 'mine'))->{notices}, qr/has no column/, 'once');

# A column of the target that fills itself is not copied.
$session->query(<<'END');
CREATE TABLE generates (session_id text PRIMARY KEY, unread_operator int GENERATED ALWAYS AS IDENTITY,
	state text GENERATED ALWAYS AS ('x') STORED, "Note" text)
END
$run = sync(q('crisp.conversations', 'generates'));
like($run->{notices}, qr/^table "public\.generates" generates unread_operator, state$/m,
	'columns that generate values are told');
my $drop = 'ALTER TABLE public.generates ALTER COLUMN unread_operator DROP IDENTITY, '
  . 'ALTER COLUMN state DROP EXPRESSION;';
like($run->{details}, qr/^\Q$drop\E$/m, 'and what lets them be copied');
unlike(sync(q('crisp.conversations', 'generates'))->{notices}, qr/generates [us]/, 'once');
$session->query("$drop ALTER TABLE generates ALTER unread_operator DROP NOT NULL");
unlike(sync(q('crisp.conversations', 'generates', mode => 'full'))->{notices}, qr/generates [us]/, 'no more');
is_copy('crisp.conversations', 'generates', 'they are copied then', 'true');

my $alter = $session->query(q(SELECT public.crisp_sync_add_columns('crisp.conversations', 'public.mine')));
like($alter, qr/^ALTER TABLE public\.mine ADD COLUMN website_id text, .* ADD COLUMN _synced_at timestamp with time zone;$/, 'the ALTER TABLE that adds them');
is($session->query(
	'SELECT count(*), count(DISTINCT note), count(*) FILTER (WHERE nickname_length = length(meta_nickname)) = '
		. 'count(meta_nickname) FROM mine'),
	$session->query('SELECT count(*), 1, true FROM crisp.conversations'), 'columns of the target alone are left alone');
is($session->query(
	'SELECT count(*) FROM mine m JOIN crisp.conversations c USING (session_id, updated_at, meta_nickname)'),
	$session->query('SELECT count(meta_nickname) FROM crisp.conversations'),
		'those in common are filled, whatever their order');
$session->query("UPDATE mine SET note = 'mine'");
$sandbox->data([ { op => 'patch', index => 5, set => { 'meta.nickname' => 'Ann' } }, { op => 'touch', index => 5 } ]);
sync(q('crisp.conversations', 'mine'));
is($session->query(q(SELECT note FROM mine WHERE meta_nickname = 'Ann')), 'mine', 'also when a row changes');
$session->query($alter);
$run = sync(q('crisp.conversations', 'mine'));
unlike($run->{notices}, qr/has no column/, 'then nothing is told');
is($session->query(q(SELECT public.crisp_sync_add_columns('crisp.conversations', 'public.mine'))), '',
	'that ALTER TABLE is right');
$session->query(q(SELECT crisp_sync_reset('crisp.conversations', 'mine')));
sync(q('crisp.conversations', 'mine'));
is_copy('crisp.conversations', 'mine', 'and the next load fills them');

# Columns whose names are words of SQL, types that have no equality, and values that look like SQL.
$session->query(<<'END');
CREATE FOREIGN TABLE crisp.odd (
	"select" text OPTIONS (json_path 'session_id'), "from" json OPTIONS (json_path 'meta'), "t" text
	OPTIONS (json_path 'meta.nickname'),
	"Date" timestamptz OPTIONS (json_path 'updated_at'), f text OPTIONS (json_path 'meta.email'), "a""b" text
	OPTIONS (json_path 'state'),
	"%s %I" text OPTIONS (json_path 'topic'))
	SERVER support OPTIONS (resource 'conversations');
END
$sandbox->data([ { op => 'patch', index => 1, set => { 'meta.nickname' => q('; DROP TABLE mine; --) } },
	{ op => 'touch', index => 1 } ]);
sync(q('crisp.odd', 'odd'));
sync(q('crisp.odd', 'odd'));
is($session->query(
	'SELECT count(*) FROM odd o JOIN crisp.odd c USING ("select", "Date", "t") WHERE o."from"::text = c."from"::text'),
	$session->query('SELECT count("t") FROM crisp.odd'), 'odd names and types');
is($session->query('SELECT count(*) FROM crisp_sync_run WHERE target = \'odd\'::regclass AND rows_updated = 0'), 2,
	'whose rows are written once');

# What a time becomes in another type doesn't depend on who calls.
$session->query('CREATE TABLE times (session_id text PRIMARY KEY, created_at timestamp, updated_at text)');
foreach my $caller ("SET TimeZone = 'Asia/Kolkata'; SET DateStyle = 'German'",
	"SET TimeZone = 'America/New_York'; SET DateStyle = 'SQL, MDY'")
{
	$session->query($caller);
	$run = sync(q('crisp.conversations', 'times', mode => 'incremental'));
	$session->query(q(SELECT crisp_sync_reset('crisp.conversations', 'times'); RESET TimeZone; RESET DateStyle));
	is($session->query(q(SELECT count(*) FROM times t JOIN crisp.conversations c USING (session_id)
		WHERE t.created_at = c.created_at AT TIME ZONE 'UTC' AND t.updated_at ~ '^\d{4}-\d\d-\d\d .*\+00$'
		AND t.updated_at::timestamptz = c.updated_at)),
		$session->query('SELECT count(*) FROM crisp.conversations'), "times as UTC: $caller");
}
like($run->{notices}, qr/ new: 0, changed: 0,/, 'so that another caller changes nothing');

# Tables that inherit from a target are none of it.
$session->query(
	'CREATE TABLE parent (user_id text PRIMARY KEY, email text, _synced_at timestamptz); CREATE TABLE child () '
		. 'INHERITS (parent); INSERT INTO child VALUES (\'mine\')');
sync(q('crisp.operators', 'parent', mode => 'full'));
is($session->query('SELECT (SELECT count(*) FROM ONLY parent) || \'/\' || (SELECT count(*) FROM child)'), '5/1',
	'rows of a table that inherits from the target stay');
$session->query('DELETE FROM ONLY parent');
sync(q('crisp.operators', 'parent'));
is($session->query('SELECT count(*) FROM ONLY parent'), 5, 'and don\'t make up for its own');

# As many requests as a number can say, in the second call of a statement.
$session->query(
	q(DO $$ BEGIN CALL crisp_sync('crisp.operators', 'most', max_requests => 2147483647); )
		. q(CALL crisp_sync('crisp.operators', 'most', max_requests => 2147483647); END $$));
is(last_run('state'), 'finished', 'the largest max_requests');

#
# Tables that can't be a target
#

$session->query(<<'END');
CREATE VIEW a_view AS SELECT 1 AS session_id;
CREATE MATERIALIZED VIEW a_matview AS SELECT 1 AS session_id;
CREATE TABLE parts (session_id text PRIMARY KEY) PARTITION BY HASH (session_id);
CREATE SEQUENCE numbers;
CREATE TEMP TABLE for_now (session_id text PRIMARY KEY);
CREATE TABLE keyless (session_id text, updated_at timestamptz);
CREATE TABLE partly (session_id text, state text);
CREATE UNIQUE INDEX ON partly (session_id) WHERE state <> 'resolved';
CREATE UNIQUE INDEX ON partly (lower(session_id));
CREATE UNIQUE INDEX ON partly (session_id, state);
CREATE INDEX ON partly (session_id);
CREATE TABLE deferred (session_id text UNIQUE DEFERRABLE);
CREATE TABLE other_key (id int PRIMARY KEY, session_id text);
END
my %kinds = (
	'crisp.conversations' => 'a foreign table', 'crisp.people_profiles' => 'a foreign table', a_view => 'a view',
		a_matview => 'a materialized view',
	parts => 'a partitioned table', numbers => 'not a table', for_now => 'a temporary table');
foreach my $name (sort keys %kinds)
{
	sync_fails("'crisp.conversations', '$name'",
		{ sqlstate => '42809', message => qr/^cannot sync into ".*$name": it is $kinds{$name}$/,
			hint => qr/ordinary table/ }, $name);
}
foreach my $name (qw(keyless partly deferred other_key))
{
	sync_fails("'crisp.conversations', '$name'",
		{
			sqlstate => '42P16',
			message => "cannot sync into \"public.$name\": it has no unique key on (session_id)",
			hint => "ALTER TABLE public.$name ADD UNIQUE (session_id);" },
		"$name has no unique key");
}
$session->query('CREATE TABLE own_names (id text PRIMARY KEY, changed timestamptz)');
sync_fails(q('crisp.conversations', 'own_names'),
	{
		sqlstate => '42703',
		message  => 'cannot sync into "public.own_names": it has no column for the key (session_id)',
		hint     => qr/another foreign table whose columns have the target's names/ },
	'columns of other names');
$session->query('CREATE TABLE made (id text, session_id text GENERATED ALWAYS AS (id) STORED UNIQUE, state text)');
sync_fails(q('crisp.conversations', 'made'),
	{ sqlstate => '42P16', message => 'cannot sync into "public.made": its key (session_id) is generated' },
		'a key that is generated');
$session->query('ALTER TABLE public.keyless ADD UNIQUE (session_id)');
sync(q('crisp.conversations', 'keyless'));
is_copy('crisp.conversations', 'keyless', 'with the key that was asked for, it can be one');

#
# Targets that refuse rows
#

$session->query(<<'END');
CREATE TABLE states (state text PRIMARY KEY);
CREATE TABLE strict (session_id text PRIMARY KEY, updated_at timestamptz, state text REFERENCES states DEFERRABLE
	INITIALLY DEFERRED);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not on sundays' USING
	DETAIL = 'Nor on mondays.', HINT = 'Wait.', ERRCODE = 'ZZ001'; END $$;
CREATE TABLE guarded (session_id text PRIMARY KEY, updated_at timestamptz);
CREATE TRIGGER refuse BEFORE INSERT ON guarded EXECUTE FUNCTION refuse();
END
my $locks = q(SELECT count(*) FROM pg_locks WHERE objsubid = 17235);
sync_fails(q('crisp.conversations', 'strict'), { sqlstate => '23503' }, 'when it commits');
is($session->query($locks), 0, 'no lock is left behind');
is(last_run(q(state || ' ' || sqlstate)), 'failed 23503', 'and the run has that error');
like(status('last_error', 'strict'), qr/violates foreign key constraint/, 'which the status shows');
$session->query('INSERT INTO states SELECT DISTINCT state FROM crisp.conversations WHERE state IS NOT NULL');
sync(q('crisp.conversations', 'strict'));
is_copy('crisp.conversations', 'strict', 'when it would commit, it goes on');
sync_fails(q('crisp.conversations', 'guarded'),
	{ sqlstate => 'ZZ001', message => 'not on sundays', detail => 'Nor on mondays.', hint => 'Wait.' }, 'by a trigger');
is($session->query($locks), 0, 'no lock is left behind');
is(last_run(q(concat_ws('/', state, sqlstate, error, error_detail))), 'failed/ZZ001/not on sundays/Nor on mondays.',
	'the run has failed');

#
# Sources that can't be one
#

$session->query(<<'END');
CREATE TABLE local (session_id text PRIMARY KEY);
CREATE FOREIGN TABLE crisp.no_key (state text, updated_at timestamptz) SERVER support
	OPTIONS (resource 'conversations');
CREATE FOREIGN TABLE crisp.no_times (session_id text, state text) SERVER support OPTIONS (resource 'conversations');
CREATE FOREIGN DATA WRAPPER other_fdw;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER other_fdw;
CREATE FOREIGN TABLE elsewhere (session_id text) SERVER elsewhere;
END
sync_fails(q('local', 'copy'), { sqlstate => '42809', message => '"local" is not a foreign table of crisp_fdw' },
	'a local table');
sync_fails(q('elsewhere', 'copy'), { message => qr/elsewhere|other_fdw/ }, 'a table of another wrapper');
sync_fails(q('crisp.no_key', 'copy'), { sqlstate => '42703', message => 'table "crisp.no_key" lacks its key' },
	'without the key');
sync_fails(q('crisp.no_times', 'copy'),
	{ sqlstate => '42703', message => 'sync_field "updated_at" is not a column of "crisp.no_times" that holds a time' },
		'without a time');
$session->query(
	'CREATE FOREIGN TABLE crisp.by_uuid (people_id uuid, data jsonb) SERVER support OPTIONS '
		. '(resource \'people_data\')');
sync_fails(q('crisp.by_uuid', 'copy'),
	{ sqlstate => '42804', message => 'column "people_id" of "crisp.by_uuid" is not of type text' },
		'by a key that Crisp can\'t be asked for');
is($session->query(q(SELECT to_regclass('copy') IS NULL)), 't', 'and nothing is created');

#
# Parameters
#

my %wrong = (
	q(mode => 'some') => qr/invalid mode "some"/,
	q(condition => 'equal') => qr/invalid condition "equal"/,
	q(condition => 'older') => qr/condition "older" needs a reference/,
	q(reference => 'infinity') => qr/reference must be finite/,
	q(mode => 'full', reference => '2026-01-01') => qr/a full load takes no reference/,
	q(max_requests => 0) => qr/max_requests must be at least 1/,
	q(overlap => '-1 s') => qr/overlap must not be negative/,
	q(overlap => '178000000 years') => qr/overlap must not be more than 1000 years/,
	q(overlap => NULL) => qr/overlap must not be negative/,
	q(deleted => 'keep') => qr/invalid value for deleted: "keep"/,
	q(daily_quota => -1) => qr/daily_quota must be at least 1/,
	q(parent => 'crisp.people_profiles') => qr/conversations have no parent/);
foreach my $argument (sort keys %wrong)
{
	$sandbox->clear;
	sync_fails("'crisp.conversations', 'copy', $argument", { sqlstate => '22023', message => $wrong{$argument} },
		$argument);
	is($sandbox->count, 0, 'without a request');
}
sync_fails(q('crisp.conversations', 'copy', sync_field => 'state'),
	{ sqlstate => '42703', message => qr/^sync_field "state" is not a column/,
		hint => qr/active_last, .*created_at, updated_at, waiting_since/ },
	'sync_field that is no time');
foreach my $resource (qw(operators visitors))
{
	$sandbox->clear;
	sync_fails("'crisp.$resource', 'no_times', sync_field => 'nosuch'",
		{
			sqlstate => '42703',
			message => qq(sync_field "nosuch" is not a column of "crisp.$resource" that holds a time),
			hint => qr/^(It needs none: each run reads all rows\. Leave sync_field out\.|Columns that do: .*)$/ },
		"$resource: a sync_field that is no column");
	is($sandbox->count, 0, "$resource: before the first request");
}

#
# Where it can't commit
#

my %in_block = (
	sqlstate => '25001',
	message => 'crisp_sync cannot run inside a transaction block',
	hint => 'CALL it by itself, outside of BEGIN and COMMIT and of functions.');
$sandbox->clear;
$session->query('BEGIN');
$session->run('SAVEPOINT s');
my $result = $session->run(q(CALL crisp_sync('crisp.conversations', 'copy')));
is($result->{errors}->[0]->{$_}, $in_block{$_}, "in a transaction block: $_") foreach sort keys %in_block;
$session->query('ROLLBACK');
$session->query(
	q(CREATE FUNCTION wrapped() RETURNS void LANGUAGE plpgsql AS $$ BEGIN )
		. q(CALL crisp_sync('crisp.conversations', 'copy'); END $$));
$session->fails('SELECT wrapped()', \%in_block, 'in a function');
$session->fails(
	q(DO $$ BEGIN CALL crisp_sync('crisp.conversations', 'copy'); EXCEPTION WHEN division_by_zero THEN NULL; END $$),
		\%in_block,
	'in a block with an exception handler');
is($sandbox->count, 0, 'without a request');
$session->query(
	q(DO $$ BEGIN CALL crisp_sync('crisp.operators', 'by_do'); CALL crisp_sync('crisp.operators', 'by_do'); END $$));
is_copy('crisp.operators', 'by_do', 'DO can commit');
$session->query(
	q(CREATE PROCEDURE two_syncs() LANGUAGE plpgsql AS $$ BEGIN CALL crisp_sync('crisp.operators', 'by_do'); )
		. q(CALL crisp_sync('crisp.visitors', 'by_procedure'); END $$));
$session->query('CALL two_syncs()');
is_copy('crisp.visitors', 'by_procedure', 'so can a procedure');

#
# Rights: those of the caller, and no more
#

$session->query(<<'END');
CREATE ROLE ann LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE writer LOGIN;
CREATE SCHEMA ann AUTHORIZATION ann;
GRANT USAGE ON SCHEMA crisp TO ann, bob, writer;
GRANT USAGE ON SCHEMA ann TO bob, writer;
GRANT SELECT ON crisp.conversations TO ann, bob, writer;
END
my $options = credential_options($sandbox, 'website');
$session->query("CREATE USER MAPPING FOR $_ SERVER support OPTIONS ($options)") foreach qw(ann bob writer);
my %as = map { $_ => CrispSession->start($node, user => $_) } qw(ann bob writer);

sync_with($as{ann}, $sandbox);
sync(q('crisp.conversations', 'ann.conversations'));
is_copy('crisp.conversations', 'ann.conversations', 'a role without privileges syncs into a table of its own');
is($as{ann}->query(q(SELECT tableowner FROM pg_tables WHERE schemaname = 'ann')), 'ann', 'which it owns');
sync_fails(q('crisp.people_profiles', 'ann.people'), { sqlstate => '42501', message => qr/people_profiles/ },
	'it must be able to read the source');

sync_with($as{bob}, $sandbox);
sync_fails(q('crisp.conversations', 'ann.conversations'),
	{ sqlstate => '42501', message => 'permission denied to sync into "ann.conversations"' },
	'another role may not write to it');
$as{bob}->fails(qq(SELECT $_('crisp.conversations', 'ann.conversations')), { sqlstate => '42501' }, "nor $_")
	foreach qw(crisp_sync_reset crisp_sync_drop);
is($as{bob}->query('DELETE FROM crisp_sync_internal.crisp_sync_my_job RETURNING 1'), '',
	'nor forget what is known of it');
is($as{bob}->query('UPDATE crisp_sync_internal.crisp_sync_my_job SET watermark = now() RETURNING 1'), '',
	'nor change that');
$as{bob}->fails(
	q(INSERT INTO crisp_sync_internal.crisp_sync_my_job (source, target, resource) VALUES )
		. q(('crisp.people_profiles', 'ann.conversations', 'conversations')),
	{ sqlstate => '44000' }, 'nor make it up');
$as{bob}->fails(
	q(INSERT INTO crisp_sync_internal.crisp_sync_my_job (source, target, resource) VALUES )
		. q(('crisp.conversations', 4000000000, 'conversations')),
	{ sqlstate => '44000' }, 'nor of a table that is yet to come');
$as{bob}->fails("$_ crisp_sync_internal.crisp_sync_job", { sqlstate => '42501' }, $_) foreach 'DELETE FROM', 'TRUNCATE';
$as{bob}->fails('SELECT * FROM crisp_sync_internal.crisp_sync_error', { sqlstate => '42501' }, 'errors may quote rows');

$session->query('GRANT SELECT, INSERT, UPDATE, DELETE ON ann.conversations TO writer');
sync_with($as{writer}, $sandbox);
is(sync(q('crisp.conversations', 'ann.conversations'))->{requests}, 1,
	'a role that may write to the table goes on with its sync');

$sandbox->control({ answers => [ { match => { path => '*' }, status => 403 } ] });
sync_fails(q('crisp.conversations', 'ann.conversations'), { message => qr/Crisp/ }, 'an error');
$sandbox->control({ answers => [] });
my $last_error = q(SELECT last_error IS NOT NULL, last_error_at IS NOT NULL FROM crisp_sync_status WHERE target::oid = )
	. q((SELECT oid FROM pg_class WHERE relname = 'conversations' AND relnamespace = 'ann'::regnamespace));
is($as{ann}->query($last_error), 't|t', 'its owner sees what went wrong');
is($as{bob}->query($last_error), 'f|t', 'others see that something did');

# A function in a query sees no error that its caller may not see.
$session->query('GRANT CREATE ON SCHEMA public TO bob');
$as{bob}->query(
	q(CREATE FUNCTION peek(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE )
		. q(NOTICE 'seen: %', $1; RETURN true; END $$));
foreach my $query ('SELECT * FROM crisp_sync_internal.crisp_sync_my_error WHERE peek(message)',
	'SELECT * FROM crisp_sync_run WHERE peek(error)', 'SELECT * FROM crisp_sync_status WHERE peek(last_error)')
{
	is_deeply([ grep { !/NULL/ } map { $_->{message} }
		grep { $_->{message} =~ /^seen/ } @{ $as{bob}->run($query)->{notices} } ], [], $query);
}

# Numbers of jobs and runs come from their sequences, so that nobody can take one that is to come.
$as{bob}->query('CREATE TABLE bobs (user_id text PRIMARY KEY)');
$as{bob}->query(
	q(INSERT INTO crisp_sync_internal.crisp_sync_my_job (source, target, resource) VALUES )
		. q(('crisp.operators', 'bobs', 'operators')));
$as{bob}->fails($_, { sqlstate => '42501' }, $_)
  foreach q(INSERT INTO crisp_sync_internal.crisp_sync_my_job (job_id, source, target, resource) )
  	. q(VALUES (1000000, 1, 'bobs', 'x')),
  'UPDATE crisp_sync_internal.crisp_sync_my_job SET job_id = 1000000',
  q(INSERT INTO crisp_sync_internal.crisp_sync_my_log (run_id, job_id, mode, started_at) )
  	. q(SELECT 1000000, job_id, 'full', now() FROM crisp_sync_internal.crisp_sync_my_job),
  	'UPDATE crisp_sync_internal.crisp_sync_my_log SET run_id = 1000000',
  'UPDATE crisp_sync_internal.crisp_sync_my_job SET target = 1';
is($as{bob}->query('WITH d AS (DELETE FROM crisp_sync_internal.crisp_sync_orphan RETURNING 1) SELECT count(*) FROM d'),
	0, 'nor clear away what is in use');

# Rows that the caller doesn't see could be neither changed nor deleted.
$session->query(<<'END');
CREATE TABLE secured (user_id text PRIMARY KEY, email text);
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY insert_only ON secured FOR INSERT TO writer WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON secured TO writer;
GRANT SELECT ON crisp.operators TO writer;
END
sync_with($as{writer}, $sandbox);
sync_fails(q('crisp.operators', 'secured'),
	{ sqlstate => '42501',
		message => 'cannot sync into "public.secured": it has row-level security, which holds for "writer"',
			hint => qr/BYPASSRLS/ }, 'row-level security');
sync_with($session, $sandbox);
sync(q('crisp.operators', 'secured'));
is_copy('crisp.operators', 'secured', 'row-level security that does not hold for the caller');

# What is in the way of the names that the procedure uses doesn't matter.
$session->query(<<'END');
CREATE SCHEMA evil;
CREATE FUNCTION evil.quote_ident(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil'; END $$;
CREATE FUNCTION evil.format(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil'; END $$;
CREATE FUNCTION evil.to_regclass(text) RETURNS regclass LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil'; END $$;
CREATE FUNCTION evil.is_less(bigint, int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil'; END $$;
CREATE OPERATOR evil.< (LEFTARG = bigint, RIGHTARG = int, PROCEDURE = evil.is_less);
CREATE OPERATOR evil.<> (LEFTARG = text, RIGHTARG = text, PROCEDURE = texteq);
CREATE DOMAIN evil.regclass AS text CHECK (false);
CREATE DOMAIN evil.text AS int CHECK (false);
CREATE VIEW evil.crisp_sync_my_job AS SELECT 1 / 0 AS job_id;
END
my $fooled = CrispSession->start($node);
sync_with($fooled, $sandbox);
$fooled->query('SET search_path = evil, pg_catalog, public');
my $call = q(CALL public.crisp_sync('crisp.operators'::pg_catalog.regclass, 'public.by_do'::pg_catalog.text));
is($fooled->run($call)->{errors}->[0]->{message}, undef,
	'objects of the same names are not taken for those that are meant');

done_testing();
