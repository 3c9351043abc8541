# Who may push, whose a push is, who sees what of it, and what dumps carry of it.

use strict;
use warnings;

use CrispCluster;
use CrispPush;
use CrispSession;
use PostgreSQL::Test::Utils;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 3, people => 30, operators => 2);
my $directory = PostgreSQL::Test::Utils::tempdir();
my $admin = CrispSession->start($node);
my $website = credential_options($sandbox, 'website');

$admin->query(<<"END");
ALTER SERVER support OPTIONS (ADD updatable 'true');
CREATE ROLE alice LOGIN;
CREATE ROLE bob LOGIN;
CREATE ROLE "Mrs. ""O""" LOGIN;
CREATE USER MAPPING FOR alice SERVER support OPTIONS ($website);
CREATE USER MAPPING FOR bob SERVER support OPTIONS ($website);
GRANT USAGE ON SCHEMA crisp TO alice, bob;
CREATE SCHEMA shop AUTHORIZATION alice;
SET ROLE alice;
CREATE TABLE shop.customers (email text PRIMARY KEY, person_nickname text, secret text, notepad text);
INSERT INTO shop.customers VALUES ('a\@example.com', 'A', 'x', 'private'), ('b\@example.com', 'B', 'y', NULL);
RESET ROLE;
END

my $alice = CrispSession->start($node, user => 'alice');
my $bob = CrispSession->start($node, user => 'bob');
my $call = q('shop.customers', 'crisp.people_profiles', key => 'email');

push_with($alice, $sandbox);
push_unasked($call, { sqlstate => '42501' }, 'without any right on the target');
$admin->query('GRANT UPDATE ON crisp.people_profiles TO alice');
push_unasked($call,
	{ sqlstate => '42501', hint => 'It takes the right to INSERT on the columns that are pushed, and on the key.' },
	'without INSERT');
$admin->query('GRANT INSERT ON crisp.people_profiles TO alice');
is(scalar @{ push_rows($call)->{requests} }, 3, 'with both');
push_unasked("$call, missing => 'delete'", { sqlstate => '42501', hint => qr/right to DELETE/ }, 'without DELETE');

# Of some columns.
$admin->query('REVOKE INSERT, UPDATE ON crisp.people_profiles FROM alice;
	GRANT INSERT (email, person_nickname), UPDATE (email, person_nickname) ON crisp.people_profiles TO alice');
push_unasked($call, { sqlstate => '42501' }, 'without a right on one of the columns');
$alice->query('CREATE VIEW shop.names AS SELECT email, person_nickname FROM shop.customers');
push_rows(q('shop.names', 'crisp.people_profiles', key => 'email'));
is(push_status('state', 'shop.names'), 'up to date', 'with rights on those that are pushed');

# A run that is refused since its role has lost its rights is noted all the same.
my $last = q(SELECT state, sqlstate FROM crisp_push_run WHERE source = 'shop.names'::regclass
	ORDER BY run_id DESC LIMIT 1);
foreach my $rights ('INSERT, UPDATE', 'UPDATE')
{
	push_rows(q('shop.names', 'crisp.people_profiles', key => 'email'));
	$admin->query("REVOKE $rights ON crisp.people_profiles FROM alice");
	push_unasked(q('shop.names', 'crisp.people_profiles', key => 'email'), { sqlstate => '42501' }, "without $rights");
	is($alice->query($last), 'failed|42501', "without $rights: the run is noted");
	is(push_status('state', 'shop.names'), 'failed', "without $rights: the status tells");
	$admin->query('GRANT INSERT (email, person_nickname), UPDATE (email, person_nickname)
		ON crisp.people_profiles TO alice');
}
push_rows(q('shop.names', 'crisp.people_profiles', key => 'email'));
is(push_status('state', 'shop.names'), 'up to date', 'with the rights, it goes on');
$admin->query('GRANT INSERT, UPDATE ON crisp.people_profiles TO alice, bob');

# The source.
push_with($bob, $sandbox);
push_unasked($call, { sqlstate => '42501' }, 'of a source in a schema that one may not use');
$alice->query('GRANT USAGE ON SCHEMA shop TO bob');
push_unasked($call, { sqlstate => '42501' }, 'of a source that one may not read');
$alice->query('GRANT SELECT ON shop.customers TO bob');
push_unasked($call, { sqlstate => '42501', message => qr/belongs to role "alice"$/, hint => 'SET ROLE alice;' },
	'of a push that is another role\'s');
push_with($admin, $sandbox);
push_unasked($call, { sqlstate => '42501', hint => 'SET ROLE alice;' }, 'also for a superuser');

# Nor can one take a job that doesn't exist yet.
$alice->query('CREATE TABLE shop.hidden (email text, notepad text)');
$bob->fails(q(INSERT INTO crisp_sync_internal.crisp_push_my_job (source, target, key)
	VALUES ('shop.hidden', 'crisp.people_profiles', 'email')), { sqlstate => '42501' },
		'a job of a source that one may not read');
$bob->fails(q(INSERT INTO crisp_sync_internal.crisp_push_my_job (source, target, key, role)
	VALUES ('shop.customers', 'crisp.people_data', 'email', 'alice')), { sqlstate => '42501' },
		'or in the name of another role');

$bob->query('CREATE TEMP TABLE mine (job_id bigint, role name, source regclass, target regclass)');
$bob->fails("CREATE TRIGGER t AFTER DELETE ON mine FOR EACH ROW EXECUTE FUNCTION crisp_sync_internal.$_()",
	{ sqlstate => '42501' }, "or run $_ for a table of one's own")
  foreach qw(crisp_push_create_rows crisp_push_drop_rows crisp_sync_drop_runs);

# What others see.
my $rows = $admin->query(q(SELECT crisp_sync_internal.crisp_push_rows_of(job_id)
	FROM crisp_sync_internal.crisp_push_job WHERE source = 'shop.customers'::regclass));
$bob->fails("SELECT * FROM $rows", { sqlstate => '42501' }, 'what was pushed is nobody else\'s to see');
is($alice->query("SELECT count(*) FROM $rows"), 2, 'but its owner\'s');
is($bob->query(q(SELECT role, rows_known FROM crisp_push_status
	WHERE source = 'shop.customers'::regclass AND role = 'alice')), 'alice|2',
	'the status is for all');
$alice->query(q(INSERT INTO shop.customers VALUES ('none', 'secret name', 'z', NULL)));
push_with($alice, $sandbox);
push_rows($call);
is($alice->query(q(SELECT count(*) FROM crisp_push_problems('shop.customers', 'crisp.people_profiles'))), 1,
	'problems are the owner\'s');
is($bob->query(q(SELECT count(*) FROM crisp_push_problems('shop.customers', 'crisp.people_profiles'))), 0,
	'and nobody else\'s');
$alice->query(q(INSERT INTO shop.customers VALUES ('A@example.com', 'twice')));
push_fails($call, { sqlstate => '23505' }, 'a run that fails');
is($alice->query(q(SELECT count(*) FROM crisp_push_run WHERE error ~ 'same key')), 1, 'its error is the owner\'s');
is($bob->query('SELECT count(error), count(*) > 0 FROM crisp_push_run'), '0|t', 'and nobody else\'s');
$alice->query(q(DELETE FROM shop.customers WHERE email IN ('A@example.com', 'none')));
$bob->fails(q(SELECT crisp_push_drop('shop.customers', 'crisp.people_profiles')), { sqlstate => '42704' },
	'nor can others drop it');
$bob->fails(q(SELECT crisp_push_decide('shop.customers', 'crisp.people_profiles', true)), { sqlstate => '42704' },
	'or decide');
$bob->fails(q(SELECT * FROM crisp_sync_internal.crisp_push_send(
	'crisp.people_profiles', 'delete', 'email', '{a@example.com}', '{NULL}', '{NULL}', '{NULL}',
	'{false}')),
	{ sqlstate => '42501' }, 'what sends rows asks for rights itself');

# A view's functions run as who pushes: that is its owner, and no superuser unawares.
$admin->query('SET ROLE alice');
push_with($admin, $sandbox);
is_deeply(push_rows($call)->{requests}, [], 'a superuser that has taken the role runs it');
$admin->query('RESET ROLE');

# A role with an odd name.
$admin->query(q(CREATE TABLE odd AS SELECT 'odd@example.com' AS email, 'Odd' AS person_nickname;
	ALTER TABLE odd OWNER TO "Mrs. ""O""";
	GRANT USAGE ON SCHEMA crisp TO "Mrs. ""O"""; GRANT INSERT, UPDATE ON crisp.people_profiles TO "Mrs. ""O""";)
		. "CREATE USER MAPPING FOR \"Mrs. \"\"O\"\"\" SERVER support OPTIONS ($website); SET ROLE \"Mrs. \"\"O\"\"\"");
push_with($admin, $sandbox);
push_rows(q('odd', 'crisp.people_profiles', key => 'email')) foreach 1, 2;
is(push_status('state, role', 'odd'), 'up to date|Mrs. "O"', 'a role with an odd name');
$admin->query(q(SELECT crisp_push_drop('odd', 'crisp.people_profiles'); RESET ROLE));

# Row-level security.
$alice->query('ALTER TABLE shop.customers ENABLE ROW LEVEL SECURITY;
	ALTER TABLE shop.customers FORCE ROW LEVEL SECURITY;
	CREATE POLICY a ON shop.customers USING (person_nickname <> \'B\')');
$admin->query('GRANT DELETE ON crisp.people_profiles TO alice');
push_with($alice, $sandbox);
push_unasked("$call, missing => 'delete'", { sqlstate => '42501', message => qr/row-level security/ },
	'rows that are hidden are not deleted');
$alice->query('ALTER TABLE shop.customers DISABLE ROW LEVEL SECURITY');

#
# Dumps
#

$alice->query(q(UPDATE shop.customers SET notepad = 'changed' WHERE email = 'b@example.com'));
my $known = 'SELECT source::text, role, state, rows_known, rows_pushed, requests FROM crisp_push_status ORDER BY 1';
my $status = $alice->query($known);
my $runs = $alice->query('SELECT run_id, source::text, state, requests FROM crisp_push_run ORDER BY run_id');
$node->command_ok([ 'pg_dump', '-Fd', '-j2', '-d', $node->connstr('postgres'), '-f', "$directory/dump" ], 'pg_dump');
$admin->query('CREATE DATABASE restored TEMPLATE template0');
$sandbox->clear;
$node->command_ok([ 'pg_restore', '-e', '-j2', '-d', $node->connstr('restored'), "$directory/dump" ], 'pg_restore -j2');
is($sandbox->count, 0, 'asks for nothing');
my $restored = CrispSession->start($node, dbname => 'restored', user => 'alice');
is($restored->query($known),
	$status, 'what is known of the jobs is there');
is($restored->query('SELECT run_id, source::text, state, requests FROM crisp_push_run ORDER BY run_id'), $runs,
	'and all runs');
push_with($restored, $sandbox);
is_deeply(push_rows($call)->{requests}, ['PATCH people/profile/b@example.com {"notepad":"changed"}'],
	'a push goes on where it was');
$restored->query(q(SELECT crisp_push_drop('shop.names', 'crisp.people_profiles')));
is($restored->query(q(SELECT count(*) FROM pg_class WHERE relname LIKE 'crisp_push_rows_%' AND relkind = 'r')), 1,
	'and may be dropped');

# Whoever owns all that is in a database may dump it.
$admin->query('CREATE DATABASE hers OWNER alice');
my $hers = CrispSession->start($node, dbname => 'hers');
$hers->query(sprintf <<'END', $sandbox->url, $sandbox->website_id, $website);
CREATE EXTENSION crisp_fdw;
GRANT USAGE ON FOREIGN DATA WRAPPER crisp_fdw TO alice;
SET ROLE alice;
CREATE SERVER support FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url '%s', website_id '%s', updatable 'true');
CREATE USER MAPPING FOR alice SERVER support OPTIONS (%s);
CREATE SCHEMA crisp;
IMPORT FOREIGN SCHEMA crisp FROM SERVER support INTO crisp;
CREATE TABLE customers (email text PRIMARY KEY, notepad text);
INSERT INTO customers VALUES ('a@example.com', 'by hers');
CALL crisp_push('customers', 'crisp.people_profiles');
END
$node->command_ok([ 'pg_dump', '-d', $node->connstr('hers') . ' user=alice', '-f', "$directory/hers" ],
	'pg_dump by who is no superuser');
like(slurp_file("$directory/hers"), qr/by hers.*by hers/s, 'has what was pushed');

# The extension's schema gets another name.
$hers->query(q(RESET ROLE; ALTER SCHEMA public RENAME TO "The Tools";
	GRANT USAGE ON SCHEMA "The Tools" TO PUBLIC; SET ROLE alice;
	UPDATE "The Tools".customers SET notepad = 'renamed'));
$sandbox->clear;
$hers->query(q(CALL "The Tools".crisp_push('"The Tools".customers', 'crisp.people_profiles')));
is_deeply([sent()], ['PATCH people/profile/a@example.com {"notepad":"renamed"}'],
	'a push goes on after the schema was renamed');
is($hers->query('SELECT state FROM "The Tools".crisp_push_status'), 'up to date', 'the status, too');

# Roles that go.
$admin->query('CREATE ROLE carol LOGIN; REASSIGN OWNED BY alice TO carol;
	GRANT USAGE ON SCHEMA crisp TO carol; GRANT SELECT, INSERT, UPDATE, DELETE ON crisp.people_profiles TO carol');
$admin->query("CREATE USER MAPPING FOR carol SERVER support OPTIONS ($website)");
my $carol = CrispSession->start($node, user => 'carol');
push_with($carol, $sandbox);
push_rows($call);
is(push_status('role, state', 'shop.customers'), 'carol|up to date', 'who gets what a role owns gets its pushes');
$admin->query('DROP OWNED BY carol CASCADE');
is($admin->query('SELECT count(*) FROM crisp_push_status'), 0, 'they go with what it owns');
$admin->query('GRANT INSERT, UPDATE ON crisp.people_profiles TO bob; CREATE SCHEMA den AUTHORIZATION bob');
my $next = CrispSession->start($node, user => 'bob');
$next->query(q(CREATE TABLE den.people AS SELECT 'den@example.com' AS email, 'Den' AS person_nickname));
my $told = $next->run(q(CALL crisp_push('den.people', 'crisp.people_profiles')))->{notices};
is(join(', ', map { $_->{message} } @{$told}),
	'"den.people": new: 1, changed: 0, gone: 0, refused: 0; requests: 2',
	'of which the next role to push hears nothing');
is($admin->query('SELECT count(*) FROM crisp_sync_internal.crisp_push_job'), 1, 'what was left of them is gone');
$admin->query('DROP EXTENSION crisp_fdw CASCADE');
is($admin->query(q(SELECT count(*) FROM pg_class WHERE relname LIKE 'crisp_push_%')), 0,
	'DROP EXTENSION leaves nothing');

$node->stop;
done_testing();
