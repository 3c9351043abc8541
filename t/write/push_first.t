# Calls of crisp_push() that fail before they have a job: what the status says of them, who sees it, and how long it
# stays.

use strict;
use warnings;

use CrispCluster;
use CrispPush;
use CrispSession;
use PostgreSQL::Test::Utils;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 3, people => 10, operators => 2);
my $session = CrispSession->start($node);
my $mapping = credential_options($sandbox, 'website');
push_with($session, $sandbox);

$session->query(<<'END');
ALTER SERVER support OPTIONS (ADD updatable 'true');
CREATE SCHEMA shop;
CREATE TABLE shop.customers (email text, person_nickname text);
INSERT INTO shop.customers VALUES ('a@example.com', 'A');
CREATE VIEW shop.twice AS TABLE shop.customers UNION ALL SELECT 'A@Example.com', 'B';
CREATE VIEW shop.without AS SELECT NULL::text AS email, person_nickname FROM shop.customers;
CREATE VIEW shop.nothing AS SELECT email FROM shop.customers;
CREATE VIEW shop.wrong_type AS SELECT email, '{}'::jsonb AS person_nickname, 'x'::text AS person_timezone
	FROM shop.customers;
CREATE TABLE local (a int);
END
my $call = q('shop.customers', 'crisp.people_profiles', key => 'email');

# What the status and the runs say of all failed calls, newest last.
my $known = <<'END';
SELECT s.source, s.target, s.key, s.missing, s.last_sqlstate,
	s.last_error = concat_ws(chr(10), r.error, r.error_detail) AND s.last_sqlstate = r.sqlstate
		AND s.last_error_at = r.ended_at AND s.last_run = r.started_at AND r.state = 'failed'
FROM crisp_push_status s LEFT JOIN crisp_push_run r
	ON r.source = s.source AND r.target = s.target AND r.ended_at = s.last_error_at
WHERE s.state = 'failed' ORDER BY s.last_error_at
END

# A call that fails without a request leaves one line, with its error; crisp_push_drop() or _forget_failed() takes it.
my $turn = 0;

sub leaves_a_line
{
	my ($arguments, $expected, $line, $name) = @_;
	my ($source, $target) = split /\|/, $line;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $error = push_fails($arguments, $expected, $name);
	is($sandbox->count, 0, "$name: no request");
	is($session->query($known), "$line|$error->{sqlstate}|t", "$name: a line");
	is(push_status('split_part(last_error, chr(10), 1)'), $error->{message}, "$name: its message");
	is(
		push_status(
			q(last_error_at BETWEEN now() - interval '10 minutes' AND now(), last_run <= last_error_at, last_success,
				requests, rows_known, role = current_user)),
		't|t||0|0|t',
		"$name: when, and whose");
	if (++$turn % 2)
	{
		$session->query("SELECT crisp_push_drop('$source', '$target')");
	}
	else
	{
		is($session->query("SELECT crisp_push_forget_failed('$source')"), 1, "$name: it is forgotten");
	}
	is($session->query($known), '', "$name: no more");
	return;
}

#
# Kinds of failures
#

my $line = 'shop.customers|crisp.people_profiles|email|ignore';
$session->query('DROP USER MAPPING FOR CURRENT_USER SERVER support');
leaves_a_line($call, { sqlstate => '42704', message => qr/user mapping/ }, $line, 'no user mapping');
$session->query("CREATE USER MAPPING FOR CURRENT_USER SERVER support OPTIONS ($mapping)");
$session->query(q(ALTER SERVER support OPTIONS (SET updatable 'false')));
leaves_a_line($call, { sqlstate => '55000' }, $line, 'a server that is not updatable');
$session->query(q(ALTER SERVER support OPTIONS (SET updatable 'true')));

leaves_a_line(q('shop.customers', 'local'), { sqlstate => '42809' }, 'shop.customers|local||ignore',
	'a target that is no foreign table');
leaves_a_line(q('shop.customers', 'crisp.visitors'), { sqlstate => '55000' }, 'shop.customers|crisp.visitors||ignore',
	'one that is not writable');
leaves_a_line(q('shop.customers', 'crisp.people_profiles', key => 'person_nickname'), { sqlstate => '22023' },
	'shop.customers|crisp.people_profiles|person_nickname|ignore', 'a key that is none');
leaves_a_line(q('shop.customers', 'crisp.people_profiles', key => 'people_id'), { sqlstate => '42703' },
	'shop.customers|crisp.people_profiles|people_id|ignore', 'a key that is missing');
leaves_a_line(q('shop.customers', 'crisp.people_profiles', key => repeat('x', 1000)), { sqlstate => '42703' },
	'shop.customers|crisp.people_profiles|' . 'x' x 63 . '|ignore', 'a key with a long name');
leaves_a_line(q('shop.nothing', 'crisp.people_profiles'), { sqlstate => '42703' },
	'shop.nothing|crisp.people_profiles||ignore', 'nothing to push');
leaves_a_line(q('shop.wrong_type', 'crisp.people_profiles'), { sqlstate => '42804' },
	'shop.wrong_type|crisp.people_profiles||ignore', 'a column of another type');
leaves_a_line(q('crisp.people_profiles', 'crisp.people_profiles'), { sqlstate => '42P17' },
	'crisp.people_profiles|crisp.people_profiles||ignore', 'a circle');
leaves_a_line("$call, missing => 'x'", { sqlstate => '22023' }, 'shop.customers|crisp.people_profiles|email|x',
	'a parameter that there is not');
leaves_a_line("$call, missing => NULL", { sqlstate => '22023' }, 'shop.customers|crisp.people_profiles|email|',
	'or that is NULL');
leaves_a_line("$call, max_requests => 0", { sqlstate => '22023' }, $line, 'a limit that is none');

# What only the rows of the source tell.
leaves_a_line(q('shop.twice', 'crisp.people_profiles'), { sqlstate => '23505', detail => qr/^One of the keys is/ },
	'shop.twice|crisp.people_profiles||ignore', 'a key that is there twice');
leaves_a_line(q('shop.without', 'crisp.people_profiles'), { sqlstate => '23502' },
	'shop.without|crisp.people_profiles||ignore', 'a key that is NULL');

# What can't be told, or must not be written.
push_unasked($_->[0], { sqlstate => $_->[1] }, "nothing is known of it: $_->[0]")
  foreach [ q('shop.lost', 'crisp.people_profiles'), '42P01' ], [ q('shop.customers', 'crisp.lost'), '42P01' ],
  [ q('1'::regclass, 'crisp.people_profiles'), '42809' ], [ q(NULL, 'crisp.people_profiles'), '22004' ],
  [ q('shop.customers', NULL), '22004' ];
$session->fails("BEGIN; CALL crisp_push($call); ROLLBACK", { sqlstate => '25001' }, 'in a transaction');
$session->query('SET default_transaction_read_only = on');
push_unasked("$call, max_requests => 0", { sqlstate => '25006' }, 'read only');
$session->fails('SELECT crisp_push_forget_failed()',
	{ sqlstate => '25006', message => 'cannot execute crisp_push_forget_failed in a read-only transaction' },
	'likewise');
$session->query('RESET default_transaction_read_only');
$session->query(q(CREATE VIEW shop.slow AS SELECT email, person_nickname FROM shop.customers, pg_sleep(60);
	SET statement_timeout = '300ms'));
push_unasked(q('shop.slow', 'crisp.people_profiles'), { sqlstate => '57014' }, 'cancelled while it looks');
$session->query('RESET statement_timeout');
is($session->query($known), '', 'no line of these');
$session->fails(q(SELECT crisp_push_drop('shop.customers', 'crisp.people_profiles')), { sqlstate => '42704' },
	'nothing to drop');

#
# How long it stays
#

push_unasked("$call, max_requests => 0", { sqlstate => '22023' }, 'a first call');
push_unasked("$call, missing => 'x'", { sqlstate => '22023' }, 'another');
is($session->query('SELECT missing, split_part(last_error, chr(10), 1) FROM crisp_push_status'),
	'x|invalid value for missing: "x"', 'only the last one is kept');
push_unasked(q('shop.twice', 'crisp.people_profiles'), { sqlstate => '23505' }, 'one of another source');
$session->fails(q(SELECT crisp_push_reset('shop.twice', 'crisp.people_profiles')), { sqlstate => '42704' },
	'which cannot be reset');
is(scalar @{ push_rows($call)->{requests} }, 2, 'a call that succeeds');
is($session->query('SELECT source, state FROM crisp_push_status ORDER BY 1'),
	"shop.customers|up to date\nshop.twice|failed", 'replaces it');
is($session->query(q(SELECT count(*) FROM crisp_push_run WHERE source = 'shop.customers'::regclass)), 1,
	'in the runs, too');
push_unasked("$call, missing => 'x'", { sqlstate => '22023' }, 'wrong input, where there is a job');
is(push_status('state, last_sqlstate, missing', 'shop.customers'), 'failed|22023|ignore', 'is told by the job');
is($session->query('SELECT count(*) FROM crisp_push_status'), 2, 'alone');
push_rows($call);
is(push_status('state, last_sqlstate', 'shop.customers'), 'up to date|22023', 'until the next run');

$session->query('CREATE TABLE shop.dropped (email text)');
push_unasked(q('shop.dropped', 'crisp.people_profiles'), { sqlstate => '42703' }, 'a source that is dropped then');
is(push_status('state', 'shop.dropped'), 'failed', 'is told of');
$session->query('DROP TABLE shop.dropped');
push_unasked(q('shop.customers', 'local'), { sqlstate => '42809' }, 'a target that is dropped then');
is($session->query(q(SELECT state FROM crisp_push_status WHERE target = 'local'::regclass)), 'failed', 'likewise');
$session->query('DROP TABLE local');
is($session->query(q(SELECT source FROM crisp_push_status WHERE state = 'failed')), 'shop.twice', 'until then');
push_rows($call);
is($session->query('SELECT count(*) FROM crisp_sync_internal.crisp_push_failed_call'), 1, 'and nothing stays of them');
push_unasked(q('shop.twice', 'crisp.people_data', key => 'email'), { sqlstate => '42703' }, 'into another target');
is($session->query(q(SELECT crisp_push_forget_failed(target => 'crisp.people_profiles'))), 1,
	'forgotten by its target');
is($session->query(q(SELECT crisp_push_forget_failed('shop.twice', 'crisp.people_profiles'))), 0, 'once');
is($session->query('SELECT crisp_push_forget_failed()'), 1, 'all are forgotten');

$session->query('DO $$ BEGIN FOR i IN 1 .. 105 LOOP
	EXECUTE format($f$CREATE TABLE shop.t_%s (a int)$f$, i); END LOOP; END $$');
$session->run("CALL crisp_push('shop.t_$_', 'crisp.people_profiles')") foreach 1 .. 105;
is(
	$session->query(
		q(SELECT count(*), min(substr(source::text, 8)::int), max(substr(source::text, 8)::int)
		FROM crisp_push_status WHERE state = 'failed')),
	'100|6|105',
	'of a role, the newest hundred are kept');
$session->query('SELECT crisp_push_forget_failed()');

#
# Several sessions and roles
#

# Another session notes the same call meanwhile: the error is the call's nevertheless.
my $other = CrispSession->start($node);
$other->query(<<'END');
BEGIN;
INSERT INTO crisp_sync_internal.crisp_push_my_failed_call
	(source, target, started_at, ended_at, sqlstate, message)
VALUES ('shop.twice', 'crisp.people_profiles', now(), now(), 'XX000', 'by another');
END
$session->send(q(CALL crisp_push('shop.twice', 'crisp.people_profiles')));
$node->poll_query_until('postgres',
	'SELECT wait_event_type = $$Lock$$ FROM pg_stat_activity WHERE pid = ' . $session->pid)
  or die "it does not wait\n";
$other->query('COMMIT');
is($session->wait->{errors}->[0]->{sqlstate}, '23505', 'two calls of the same moment');
is($session->query('SELECT count(*) FROM crisp_push_status WHERE state = $$failed$$'), 1, 'leave one line');
$session->query('SELECT crisp_push_forget_failed()');

$session->query("CREATE ROLE \"$_\" LOGIN; GRANT USAGE ON SCHEMA crisp, shop TO \"$_\"; "
		. "GRANT INSERT, UPDATE ON crisp.people_profiles TO \"$_\"; "
		. "CREATE USER MAPPING FOR \"$_\" SERVER support OPTIONS ($mapping)")
  foreach qw(ana ben Cleo);
my %as = map { $_ => CrispSession->start($node, user => $_) } qw(ana ben Cleo);
my $of_status = q(SELECT source, role, last_sqlstate, last_error FROM crisp_push_status
	WHERE state = 'failed' ORDER BY role);

push_with($as{ana}, $sandbox);
push_unasked($call, { sqlstate => '42501' }, 'a role that may not read the source');
my $denied = 'shop.customers|ana|42501|permission denied to push "shop.customers"';
is($as{ana}->query($of_status), $denied, 'sees why');
is($as{ben}->query($of_status), 'shop.customers|ana||', 'another sees that it failed, and not why');
is($as{ben}->query(q(SELECT sqlstate, error, error_detail FROM crisp_push_run WHERE run_id =
	(SELECT max(run_id) FROM crisp_push_run))), '||', 'nor from the runs');
is($as{ben}->query('SELECT crisp_push_forget_failed()'), 0, 'and cannot have it forgotten');
$as{ben}->fails(q(SELECT crisp_push_drop('shop.customers', 'crisp.people_profiles')), { sqlstate => '42704' },
	'or dropped');
is($session->query($of_status), $denied, 'a superuser sees it');
$as{ben}->fails('SELECT * FROM crisp_sync_internal.crisp_push_failed_call', { sqlstate => '42501' }, 'by no other way');
$as{ben}->fails(<<'END', { sqlstate => '42501' }, 'nor can it be made in the name of another');
INSERT INTO crisp_sync_internal.crisp_push_my_failed_call
	(role, source, target, started_at, ended_at, sqlstate, message)
VALUES ('ana'::regrole, 'shop.customers', 'crisp.people_profiles', now(), now(), '00000', '')
END
$session->query('GRANT ana TO ben');
is($as{ben}->query($of_status), $denied, 'who has the rights of that role does');
$session->query('REVOKE ana FROM ben');

$session->query('GRANT SELECT ON shop.customers TO ana, "Cleo"');
my $belongs = sprintf 'the push of "shop.customers" into "crisp.people_profiles" belongs to role "%s"',
	$session->query('SELECT current_user');
push_unasked($call, { sqlstate => '42501', message => $belongs }, 'a role that is not the push\'s');
is($as{ana}->query($of_status), "shop.customers|ana|42501|$belongs\nWho has made it runs it.",
	'has a line of its own');
push_with($as{Cleo}, $sandbox);
push_unasked($call, { sqlstate => '42501', message => $belongs }, 'a role whose name has a capital');
is($as{Cleo}->query(q(SELECT role FROM crisp_push_status WHERE last_error IS NOT NULL)), 'Cleo', 'likewise');
push_unasked($call, { sqlstate => '42501', message => $belongs }, 'once more');
is($session->query($of_status) =~ tr/|/|/, 6, 'has one line');
push_with($session, $sandbox);
push_rows($call);
is($session->query($of_status), '', 'the next run of the push replaces them');
push_with($as{ana}, $sandbox);
push_unasked($call, { sqlstate => '42501' }, 'one more');
$as{ana}->query(q(SELECT crisp_push_drop('shop.customers', 'crisp.people_profiles')));
is($session->query('SELECT state FROM crisp_push_status'), 'up to date', 'who has failed drops that, not the push');
push_unasked($call, { sqlstate => '42501' }, 'the last one');
$session->query('REASSIGN OWNED BY ana TO CURRENT_USER; DROP OWNED BY ana');
$as{ana}->quit;
$session->query('DROP ROLE ana');
is($session->query($of_status), '', 'goes with the role');

#
# Dumps
#

push_with($as{ben}, $sandbox);
$session->query('CREATE TABLE shop.bens (email text)');
push_unasked(q('shop.bens', 'crisp.people_profiles', key => 'nowhere'), { sqlstate => '42501' }, 'of another role');
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
$node->command_ok([ 'pg_dump', '-U', 'ben', '-f', $dump, '-t', 'crisp_push_status', 'postgres' ], 'who may dump, may');
$node->command_ok([ 'pg_dump', '-f', $dump, 'postgres' ], 'a dump');
unlike(slurp_file($dump), qr/permission denied to push/, 'has nothing of it');
like(slurp_file($dump), qr/COPY crisp_sync_internal\.crisp_push_job /, 'but of jobs');

$node->stop;
done_testing();
