# DROP EXTENSION crisp_fdw says what stays: copies, what was pushed, jobs of pg_cron.  It is never in the way of
# dropping an extension.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use PostgreSQL::Test::Utils;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 30, people => 10, visitors => 2, operators => 2);
my $session = CrispSession->start($node);

# The messages of notices that a statement brings, and their details; it's rolled back.
sub told
{
	my ($sql, $role) = @_;

	$session->query('BEGIN');
	$session->query("SET LOCAL ROLE $role") if defined $role;
	my $result = $session->run($sql);
	$session->query('ROLLBACK');
	return ($result, map { "$_->{message} | $_->{detail}" } 
		grep { $_->{message} =~ /^DROP EXTENSION/ } @{ $result->{notices} });
}

sync_with($session, $sandbox);
my ($result, @told) = told('DROP EXTENSION crisp_fdw CASCADE');
is_deeply([ scalar @{ $result->{errors} }, @told ], [0], 'without jobs, nothing stays');

sync(q('crisp.conversations', 'conversations'));
sync(q('crisp.operators', '"Odd one"')) if $session->query('CREATE TABLE "Odd one" (LIKE crisp.operators); '
	. 'ALTER TABLE "Odd one" ADD PRIMARY KEY (user_id)') eq '';
$session->query(<<'END');
ALTER SERVER support OPTIONS (ADD updatable 'true');
CREATE TABLE customers (email text PRIMARY KEY, person_nickname text);
INSERT INTO customers VALUES ('a@example.com', 'A');
CALL crisp_push('customers', 'crisp.people_profiles', key => 'email');
CREATE SCHEMA cron;
CREATE TABLE cron.job (jobid bigint, database text, command text);
INSERT INTO cron.job VALUES (1, 'postgres', 'CALL crisp_sync(''crisp.conversations'', ''conversations'')'),
	(2, 'other', 'CALL crisp_sync(''a'', ''b'')'), (3, 'postgres', 'VACUUM');
END
my @expected = (
	'DROP EXTENSION crisp_fdw leaves the tables that crisp_sync has filled | They are: public."Odd one", '
		. 'public.conversations.',
	'DROP EXTENSION crisp_fdw leaves at Crisp what crisp_push has written, and forgets which rows those are | '
	  . 'Sources: public.customers.',
	'DROP EXTENSION crisp_fdw leaves jobs of pg_cron that call crisp_sync or crisp_push, and fail then | '
	  . 'Their numbers: 1.');
foreach my $sql ('DROP EXTENSION crisp_fdw CASCADE', 'drop extension if exists crisp_fdw cascade',
	q(DO $$ BEGIN DROP EXTENSION crisp_fdw CASCADE; END $$))
{
	($result, @told) = told($sql);

	is_deeply($result->{errors}, [], "$sql: no error");
	is_deeply(\@told, \@expected, 'it says what stays');
}

# Others.
($result, @told) = told('DROP EXTENSION IF EXISTS hstore');
is_deeply([ scalar @{ $result->{errors} }, @told ], [0], 'another extension: not a word');
$session->query('CREATE ROLE clerk; GRANT CREATE ON DATABASE postgres TO clerk');
($result, @told) = told('DROP EXTENSION IF EXISTS hstore', 'clerk');
is_deeply($result->{errors}, [], 'a role without rights drops another extension');
($result, @told) = told('DROP EXTENSION crisp_fdw CASCADE', 'clerk');
is($result->{errors}->[0]->{sqlstate}, '42501', 'a role that may not drop it');
is(scalar @told, 2, 'is told nothing of jobs that it may not see');

# Whatever is wrong with what it looks into, an extension can be dropped.
$session->query('ALTER TABLE crisp_sync_internal.crisp_sync_job RENAME TO hidden');
($result, @told) = told('DROP EXTENSION crisp_fdw CASCADE');
is_deeply($result->{errors}, [], 'state that is not there: no error');
$session->query('ALTER TABLE crisp_sync_internal.hidden RENAME TO crisp_sync_job; ALTER TABLE cron.job DROP database');
($result, @told) = told('DROP EXTENSION crisp_fdw CASCADE');
is_deeply($result->{errors}, [], 'another cron.job than that of pg_cron: no error');
is(scalar @told, 2, 'and the rest is told');
$session->query('DROP SCHEMA cron CASCADE');

# Dumps carry the trigger as a part of the extension.
my $dump = sub {
	my ($out, $err) = run_command([ 'pg_dump', @_, '-d', $node->connstr('postgres') ]);
	die "pg_dump: $err\n" if $err;
	return $out;
};
unlike($dump->(), qr/EVENT TRIGGER/, 'a dump leaves it to the extension');
like($dump->('--binary-upgrade', '--schema-only'), qr/ALTER EXTENSION "?crisp_fdw"? ADD EVENT TRIGGER "?crisp_fdw_drop/,
	'pg_upgrade makes it a part of the extension again');

$session->query('DROP EXTENSION crisp_fdw CASCADE');
is($session->query(q(SELECT count(*) FROM pg_event_trigger)), 0, 'the trigger goes with the extension');
is($session->query(q(SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'crisp\_sync%')), 0, 'and so does all else');
cmp_ok($session->query('SELECT count(*) FROM conversations'), '>', 20, 'the copy is still there');
$session->query('CREATE EXTENSION crisp_fdw');
is($session->query(q(SELECT count(*) FROM pg_event_trigger)), 1, 'and it comes with it');

done_testing();
