# Calls of crisp_sync() that fail before they have a job: crisp_sync_status tells of them until one succeeds, or they
# are forgotten; to whom, how many, and not in dumps.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use PostgreSQL::Test::Utils;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 60, people => 5, operators => 4);
my $session = CrispSession->start($node);
my $mapping = credential_options($sandbox, 'website');

sync_with($session, $sandbox);
$session->query(<<'END');
CREATE SCHEMA hand;
CREATE FOREIGN TABLE hand.messages (session_id text, fingerprint bigint, content text) SERVER support;
CREATE FOREIGN TABLE hand.keyless (email text) SERVER support OPTIONS (resource 'operators');
CREATE TABLE local (a int);
CREATE TABLE no_key (user_id text);
CREATE TABLE with_bigint (session_id text PRIMARY KEY, updated_at bigint);
CREATE TABLE with_more (user_id text PRIMARY KEY, more int NOT NULL);
CREATE TABLE without_mark (user_id text PRIMARY KEY);
CREATE VIEW a_view AS SELECT * FROM no_key;
END

# What the status and the runs say of all failed calls, newest last.
my $known = <<'END';
SELECT s.source, s.target, s.target_name, s.last_sqlstate, s.last_error = r.error AND s.last_error_at = r.ended_at
FROM crisp_sync_status s LEFT JOIN crisp_sync_run r
	ON r.source = s.source AND r.target IS NOT DISTINCT FROM s.target AND r.ended_at = s.last_error_at
WHERE s.state = 'failed' ORDER BY s.last_error_at
END

# A call that fails without a request leaves one line, with its error; crisp_sync_drop() or _forget_failed() takes it.
sub leaves_a_line
{
	my ($arguments, $expected, $line, $name) = @_;
	my ($source, $target, $target_name) = split /\|/, $line;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$sandbox->clear;
	my $error = sync_fails($arguments, $expected, $name);
	is($sandbox->count, 0, "$name: no request");
	is($session->query($known), "$line|$error->{sqlstate}|t", "$name: a line");
	is(status('split_part(last_error, chr(10), 1)'), $error->{message}, "$name: its message");
	my $is_recent = q(last_error_at BETWEEN now() - interval '10 minutes' AND now());
	is(status("$is_recent, last_success, requests"), 't||0', "$name: when");
	if (length $target)
	{
		$session->query("SELECT crisp_sync_drop('$source', '$target')");
	}
	else
	{
		is($session->query("SELECT crisp_sync_forget_failed('$target_name')"), 1, "$name: it is forgotten");
	}
	is($session->query($known), '', "$name: no more");
	return;
}

#
# Kinds of failures
#

$session->query('DROP USER MAPPING FOR CURRENT_USER SERVER support');
leaves_a_line(q('crisp.operators', 'staff'), { sqlstate => '42704', message => qr/user mapping/ },
	'crisp.operators||public.staff', 'no user mapping');
$session->query("CREATE USER MAPPING FOR CURRENT_USER SERVER support OPTIONS ($mapping)");

leaves_a_line(q('hand.messages', 'Messages'), { sqlstate => '42P01', detail => qr/there are 0/ },
	'hand.messages||public.messages', 'no parent');
$session->query(<<"END") foreach qw(mine yours);
CREATE FOREIGN TABLE hand.$_ (session_id text, updated_at timestamptz) SERVER support
	OPTIONS (resource 'conversations')
END
leaves_a_line(q('hand.messages', 'hand."Messages"'), { sqlstate => '42P01', detail => qr/there are 2/ },
	'hand.messages||hand."Messages"', 'two that could be the parent');
leaves_a_line(q('hand.messages', 'messages', parent => 'crisp.operators'), { sqlstate => '42809' },
	'hand.messages||public.messages', 'a parent of another resource');
leaves_a_line(q('crisp.visitors_count', 'count'), { sqlstate => '42703' }, 'crisp.visitors_count||public.count',
	'rows without a key');
leaves_a_line(q('hand.keyless', 'count'), { sqlstate => '42703' }, 'hand.keyless||public.count',
	'a source without its key');
leaves_a_line(q('local', 'count'), { sqlstate => '42809' }, 'local||public.count', 'a source of our own');
leaves_a_line(q('crisp.conversations', 'new', sync_field => 'nothing'), { sqlstate => qr/^42/ },
	'crisp.conversations||public.new', 'a sync_field that is not there');

leaves_a_line(q('crisp.operators', 'no_key'), { sqlstate => '42P16' }, 'crisp.operators|no_key|public.no_key',
	'a target without a key');
leaves_a_line(q('crisp.conversations', 'with_bigint'), { sqlstate => '42804' },
	'crisp.conversations|with_bigint|public.with_bigint', 'a target with a column of another type');
leaves_a_line(q('crisp.operators', 'with_more'), { sqlstate => '42P16' },
	'crisp.operators|with_more|public.with_more', 'a column that nothing fills');
leaves_a_line(q('crisp.operators', 'without_mark', mode => 'full', deleted => 'mark'), { sqlstate => '42703' },
	'crisp.operators|without_mark|public.without_mark', 'a target that lacks a column');
leaves_a_line(q('crisp.operators', 'a_view'), { sqlstate => '42809' }, 'crisp.operators|a_view|public.a_view',
	'a target that is a view');
leaves_a_line(q('crisp.operators', 'pg_temp.staff', reference => now()), { sqlstate => '42809' },
	'crisp.operators||pg_temp.staff', 'a temporary table, which is not created');

leaves_a_line(q('crisp.operators', 'nowhere.staff'), { sqlstate => '3F000' }, 'crisp.operators||nowhere.staff',
	'a schema that is not there');
leaves_a_line(q('crisp.operators', 'a.b.c'), { sqlstate => '0A000' }, 'crisp.operators||a.b.c',
	'a name of three parts');
leaves_a_line(q('crisp.operators', 'my staff'), { sqlstate => '42602' }, 'crisp.operators||my staff', 'no name');
leaves_a_line(q('crisp.operators', ''), { sqlstate => '42602' }, 'crisp.operators||', 'not even a text');
my $long = 'x' x 400;
leaves_a_line(qq('crisp.operators', 'nowhere.$long'), { sqlstate => '3F000' },
	'crisp.operators||nowhere.' . substr($long, 0, 63), 'a name that is too long');
leaves_a_line(qq('crisp.operators', '$long $long'), { sqlstate => '42602' },
	'crisp.operators||' . substr($long, 0, 300), 'and a text');
$session->query(q(SET search_path = ''));
$session->fails(q(CALL public.crisp_sync('crisp.operators', 'staff')), { sqlstate => '3F000' }, 'no schema');
is($session->query('SELECT target_name FROM public.crisp_sync_status'), 'staff', 'to name');
$session->query('SELECT public.crisp_sync_forget_failed(); RESET search_path');

leaves_a_line(q('crisp.operators', 'staff', mode => 'ful'), { sqlstate => '22023' }, 'crisp.operators||public.staff',
	'a mode that there is not');
leaves_a_line(q('crisp.operators', 'staff', max_requests => 0), { sqlstate => '22023' },
	'crisp.operators||public.staff', 'a limit that is none');
leaves_a_line(q('crisp.operators', 'created', reference => now()), { sqlstate => '22023' },
	'crisp.operators|created|public.created', 'what only the start of the run tells, of a target that it created');

# What can't be told, or must not be written.
sync_fails($_->[0], { sqlstate => $_->[1] }, "nothing is known of it: $_->[0]")
  foreach [ q('crisp.nothing', 'staff'), '42P01' ], [ q('1'::regclass, 'staff'), '42P01' ],
  [ q(NULL, 'staff'), '22004' ], [ q('crisp.operators', NULL), '22004' ];
$session->fails(q(BEGIN; CALL crisp_sync('crisp.operators', 'no_key'); ROLLBACK), { sqlstate => '25001' },
	'in a transaction');
$session->query('SET default_transaction_read_only = on');
sync_fails(q('crisp.operators', 'no_key'), { sqlstate => '25006' }, 'read only');
$session->fails('SELECT crisp_sync_forget_failed()',
	{ sqlstate => '25006', message => 'cannot execute crisp_sync_forget_failed in a read-only transaction' },
	'likewise');
$session->query('RESET default_transaction_read_only');
is($session->query($known), '', 'no line of these');

#
# How long it stays
#

sync_fails(q('crisp.operators', 'staff', mode => 'ful'), { sqlstate => '22023' }, 'a first call');
sync_fails(q('crisp.operators', 'public.staff', mode => 'full', max_requests => -1), { sqlstate => '22023' },
	'another');
is($session->query('SELECT mode, last_error FROM crisp_sync_status'), 'full|max_requests must be at least 1',
	'only the last one is kept');
sync_fails(q('crisp.operators', 'others', mode => 'ful'), { sqlstate => '22023' }, 'one of another target');
sync(q('crisp.operators', 'staff'));
is($session->query('SELECT target_name, state FROM crisp_sync_status ORDER BY 1'),
	"public.others|failed\npublic.staff|up to date", 'a call that succeeds replaces it');
is($session->query(q(SELECT count(*) FROM crisp_sync_run WHERE target = 'staff'::regclass)), 1, 'in the runs, too');
sync_fails(q('crisp.operators', 'staff', mode => 'ful'), { sqlstate => '22023' }, 'wrong input, where there is a job');
is(status('state, last_sqlstate, mode', 'staff'), 'failed|22023|incremental', 'is told by the job');
is($session->query('SELECT count(*) FROM crisp_sync_status'), 2, 'alone');
sync(q('crisp.operators', 'staff'));
is(status('state, last_sqlstate', 'staff'), 'up to date|22023', 'until the next run');

$session->query('SELECT crisp_sync_forget_failed()');
sync_fails(q('crisp.operators', 'no_key'), { sqlstate => '42P16' }, 'a target without a key');
$session->query('ALTER TABLE no_key RENAME TO renamed');
is(status('state, target_name', 'renamed'), 'failed|public.no_key', 'which is renamed');
$session->query('ALTER TABLE renamed ADD PRIMARY KEY (user_id)');
sync(q('crisp.operators', 'renamed'));
is($session->query($known), '', 'and mended');
sync_fails(q('crisp.operators', 'with_more'), { sqlstate => '42P16' }, 'a target that is dropped then');
$session->query('DROP TABLE with_more');
is($session->query($known), '', 'is not told of');
sync_fails(q('hand.keyless', 'keyless'), { sqlstate => '42703' }, 'a source that is dropped then');
$session->query('DROP FOREIGN TABLE hand.keyless');
is($session->query($known), '', 'neither');
sync(q('crisp.operators', 'renamed'));
is($session->query('SELECT count(*) FROM crisp_sync_internal.crisp_sync_failed_call'), 0, 'and nothing stays of them');

$session->query(<<'END');
DO $$
BEGIN
	FOR i IN 1 .. 105 LOOP
		BEGIN
			CALL crisp_sync('crisp.operators', 'nowhere.copy_' || i);
		EXCEPTION WHEN active_sql_transaction THEN
			NULL;
		END;
	END LOOP;
END $$
END
is($session->query($known), '', 'calls within a block with a handler, which cannot commit');
foreach my $i (1 .. 105)
{
	$session->run("CALL crisp_sync('crisp.operators', 'nowhere.copy_$i')");
}
is($session->query(q(SELECT count(*), min(substr(target_name, 14)::int), max(substr(target_name, 14)::int)
	FROM crisp_sync_status WHERE state = 'failed')), '100|6|105', 'of a role, the newest hundred are kept');
is($session->query('SELECT crisp_sync_forget_failed()'), 100, 'all are forgotten');
is($session->query('SELECT crisp_sync_forget_failed()'), 0, 'once');

#
# Several sessions and roles
#

# Another session notes the same call meanwhile: the error is the call's nevertheless.
my $other = CrispSession->start($node);
$other->query(<<'END');
BEGIN;
INSERT INTO crisp_sync_internal.crisp_sync_my_failed_call
	(source, target_name, mode, started_at, ended_at, sqlstate, message)
VALUES ('crisp.operators', 'nowhere.staff', 'full', now(), now(), 'XX000', 'by another');
END
$session->send(q(CALL crisp_sync('crisp.operators', 'nowhere.staff')));
$node->poll_query_until('postgres',
	'SELECT wait_event_type = $$Lock$$ FROM pg_stat_activity WHERE pid = ' . $session->pid)
  or die "it does not wait\n";
$other->query('COMMIT');
is($session->wait->{errors}->[0]->{sqlstate}, '3F000', 'two calls of the same moment');
is($session->query('SELECT count(*) FROM crisp_sync_status WHERE state = $$failed$$'), 1, 'leave one line');
$session->query('SELECT crisp_sync_forget_failed()');

$session->query(
	"CREATE ROLE $_ LOGIN; GRANT USAGE ON SCHEMA crisp, hand TO $_; GRANT SELECT ON crisp.operators TO $_; "
		. "CREATE USER MAPPING FOR $_ SERVER support OPTIONS ($mapping)")
  foreach qw(ana ben);
$session->query('CREATE SCHEMA secret');
my %as = map { $_ => CrispSession->start($node, user => $_) } qw(ana ben);
my $of_status = q(SELECT target_name, state, last_sqlstate, last_error FROM crisp_sync_status WHERE state = 'failed');

$as{ana}->fails(q(CALL crisp_sync('crisp.operators', 'secret.staff')), { sqlstate => '42501' },
	'a role that may not create the target');
my $denied = 'secret.staff|failed|42501|permission denied for schema secret';
is($as{ana}->query($of_status), $denied, 'sees why');
is($as{ben}->query($of_status), 'secret.staff|failed||', 'another sees that it failed, and not why');
is($as{ben}->query('SELECT sqlstate, error, error_detail FROM crisp_sync_run WHERE target IS NULL'), '||',
	'nor from the runs');
is($as{ben}->query('SELECT crisp_sync_forget_failed()'), 0, 'and cannot have it forgotten');
is($session->query($of_status), $denied, 'a superuser sees it');
$as{ben}->fails('SELECT * FROM crisp_sync_internal.crisp_sync_failed_call', { sqlstate => '42501' }, 'by no other way');
$as{ben}->fails(<<'END', { sqlstate => '42501' }, 'nor can it be made in the name of another');
INSERT INTO crisp_sync_internal.crisp_sync_my_failed_call
	(role, source, target_name, mode, started_at, ended_at, sqlstate, message)
VALUES ('ana'::regrole, 'crisp.operators', 'x', 'full', now(), now(), '00000', '')
END
$session->query('GRANT ana TO ben');
is($as{ben}->query($of_status), $denied, 'who has the rights of that role does');
$session->query('REVOKE ana FROM ben');

$session->query(q(CREATE ROLE "Cleo" LOGIN; GRANT USAGE ON SCHEMA crisp TO "Cleo"));
my $cleo = CrispSession->start($node, user => 'Cleo');
$cleo->fails(q(CALL crisp_sync('crisp.operators', 'secret.cleo')), { sqlstate => '42501' },
	'a role whose name has a capital')
  for 1, 2;
is($cleo->query(q(SELECT target_name, last_sqlstate FROM crisp_sync_status WHERE last_error IS NOT NULL)),
	'secret.cleo|42501', 'sees its own');
is($cleo->query('SELECT crisp_sync_forget_failed()'), 1, 'and forgets it');

# Who may write to the target sees it, as of jobs, and takes it away by a run.
sync(q('crisp.operators', 'secret.staff'));
is($session->query($of_status), '', 'a run of another role, into the same target, replaces it');
$session->query('GRANT USAGE ON SCHEMA secret TO ana; GRANT SELECT ON secret.staff TO ana');
$as{ana}->fails(q(CALL crisp_sync('crisp.operators', 'secret.staff')), { sqlstate => '42501' },
	'a role that may not write to the target of a job');
is($session->query(q(SELECT state FROM crisp_sync_status WHERE target = 'secret.staff'::regclass ORDER BY state)),
	"failed\nup to date", 'has a line of its own');
$session->query('REASSIGN OWNED BY ana TO CURRENT_USER; DROP OWNED BY ana');
$as{ana}->quit;
$session->query('DROP ROLE ana');
is($session->query($of_status), '', 'which goes with the role');

#
# Dumps
#

$as{ben}->fails(q(CALL crisp_sync('crisp.operators', 'secret.bens')), { sqlstate => '42501' }, 'one more');
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
$node->command_ok([ 'pg_dump', '-U', 'ben', '-f', $dump, '-t', 'crisp_sync_status', 'postgres' ], 'who may dump, may');
$node->command_ok([ 'pg_dump', '-f', $dump, 'postgres' ], 'a dump');
unlike(PostgreSQL::Test::Utils::slurp_file($dump), qr/secret\.bens/, 'has nothing of it');

done_testing();
