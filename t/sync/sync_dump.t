# crisp_sync() after its schema was renamed, and what dumps carry of it: in parallel, and in the middle of a full load.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use PostgreSQL::Test::Utils;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 700, people => 60, operators => 5);
my $directory = PostgreSQL::Test::Utils::tempdir();
my $session = CrispSession->start($node);

sync_with($session, $sandbox);
$session->query(<<'END');
DROP EXTENSION crisp_fdw CASCADE;
DROP SCHEMA crisp CASCADE;
CREATE SCHEMA tools;
CREATE EXTENSION crisp_fdw SCHEMA tools;
END
$session->query(sprintf <<'END', $sandbox->url, $sandbox->website_id, credential_options($sandbox, 'website'));
CREATE SERVER support FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url '%s', website_id '%s');
CREATE USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (%s);
CREATE SCHEMA crisp;
IMPORT FOREIGN SCHEMA crisp FROM SERVER support INTO crisp;
END

my $schema = 'tools';
my $known = q(SELECT source::text, target::text, state, watermark, rows_inserted, requests, full_since FROM )
	. q(SCHEMA.crisp_sync_status ORDER BY target::text);
my $runs = q(SELECT run_id, source::text, target::text, mode, state, requests, rows_inserted FROM )
	. q(SCHEMA.crisp_sync_run ORDER BY run_id);

sub call
{
	my ($arguments) = @_;
	my $result = $session->run("CALL $schema.crisp_sync($arguments)");

	is_deeply($result->{errors}, [], "CALL $schema.crisp_sync($arguments)");
	return join "\n", map { $_->{message} } @{ $result->{notices} };
}

sub known
{
	my ($query) = @_;

	return $session->query($query =~ s/SCHEMA/$schema/r);
}

sub is_same
{
	my ($target, $name) = @_;

	return is(join('/', (compare_copy('crisp.conversations', $target))[ 1, 2 ]), '0/0', $name);
}

call(q('crisp.conversations', 'public.copy'));
call(q('crisp.operators', 'public.staff'));
call(q('crisp.conversations', 'public.begun', max_requests => 4));
call(q('crisp.conversations', 'public.loaded'));

#
# The schema is renamed
#

$session->query('ALTER SCHEMA tools RENAME TO "The Tools"');
$schema = '"The Tools"';
$sandbox->data([ { op => 'touch', index => 70 }, { op => 'insert_random', count => 3, seed => 1 } ]);
call(q('crisp.conversations', 'public.copy'));
is_same('copy', 'a sync goes on after the schema was renamed');
call(q('crisp.messages', 'public.messages', max_requests => 10));
$session->query(
	"SELECT $schema.crisp_sync_reset('crisp.messages', 'messages'); "
		. "SELECT $schema.crisp_sync_drop('crisp.messages', 'messages')");
is($session->query("SELECT count(*) FROM $schema.crisp_sync_run WHERE target = 'messages'::regclass"), 0,
	'the runs of a job that is dropped go with it');
is($session->query(
	'SELECT count(*) FROM crisp_sync_internal.crisp_sync_log l '
		. 'WHERE NOT EXISTS (SELECT FROM crisp_sync_internal.crisp_sync_job j '
		. "WHERE j.job_id = l.job_id)"), 0, 'all of them');

# A full load that isn't finished when the dump is made.
$sandbox->data([ { op => 'delete', index => 600 }, { op => 'delete', index => 5 } ]);
call(q('crisp.conversations', 'public.loaded', mode => 'full', max_requests => 6));
like(known($known), qr/public\.loaded|loaded\|unfinished/, 'a full load has begun');
cmp_ok($session->query('SELECT count(*) FROM crisp_sync_internal.crisp_sync_seen'), '>', 100,
	'and what it has seen is kept');

#
# Dumped, and restored by several processes
#

my ($status, $log) = (known($known), known($runs));
$node->command_ok([ 'pg_dump', '-Fd', '-j2', '-d', $node->connstr('postgres'), '-f', "$directory/dump" ],
	'pg_dump after the schema was renamed');
$session->query('CREATE DATABASE restored TEMPLATE template0');
$sandbox->clear;
$node->command_ok([ 'pg_restore', '-e', '-j2', '-d', $node->connstr('restored'), "$directory/dump" ], 'pg_restore -j2');
is($sandbox->count, 0, 'asks for nothing');
$session = CrispSession->start($node, dbname => 'restored');
sync_with($session, $sandbox);
is(known($known), $status, 'what is known of the jobs is there');
is(known($runs), $log, 'and all runs');

call(q('crisp.conversations', 'public.copy'));
is((compare_copy('crisp.conversations', 'copy'))[1], 0, 'a copy goes on');
for (1 .. 10)
{
	call(q('crisp.conversations', 'public.begun', max_requests => 6));
	last if known($known) =~ /begun\|up to date/;
}
is((compare_copy('crisp.conversations', 'begun'))[1], 0, 'so does a load that had begun');

# What the full load has seen isn't dumped, so that it begins anew, and deletes nothing before its end.
call(q('crisp.conversations', 'public.loaded', max_requests => 6));
is((compare_copy('crisp.conversations', 'loaded'))[1], 0, 'a full load that is restored deletes nothing that is there');
for (1 .. 10)
{
	last if known($known) =~ /loaded\|up to date/;
	call(q('crisp.conversations', 'public.loaded', max_requests => 6));
}
is_same('loaded', 'and comes to its end');
is($session->query('SELECT count(*) FROM crisp_sync_internal.crisp_sync_seen'), 0, 'after which no keys are kept');

# Keys that somebody has deleted in the middle of a load.
$sandbox->data([ { op => 'delete', index => 300 } ]);
call(q('crisp.conversations', 'public.loaded', mode => 'full', max_requests => 6));
$session->query('TRUNCATE crisp_sync_internal.crisp_sync_seen');
for (1 .. 10)
{
	call(q('crisp.conversations', 'public.loaded', max_requests => 6));
	last if known($known) =~ /loaded\|up to date/;
}
is_same('loaded', 'keys that are gone make a load begin anew');

$session->query('DROP EXTENSION crisp_fdw CASCADE');
is($session->query(q(SELECT count(*) FROM pg_namespace WHERE nspname = 'crisp_sync_internal')), 0,
	'DROP EXTENSION leaves nothing behind');

done_testing();
