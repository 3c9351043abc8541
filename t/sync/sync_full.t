# crisp_sync() in mode full: what is gone from Crisp goes from the copy, or is marked; and nothing else does.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use JSON::PP;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 700, people => 250, visitors => 25, operators => 8);
my $session = CrispSession->start($node);

sync_with($session, $sandbox);

# Not the newest: the sandbox gives what changes next a time after the newest that there is, as Crisp's clock
# would never go back.
sub delete_rows
{
	my ($resource, @indexes) = @_;

	$sandbox->data([ map { { op => 'delete', resource => $resource, index => $_ } } sort { $b <=> $a } @indexes ]);
	return;
}

#
# Deleted
#

sync(q('crisp.conversations', 'copy'));
sync(q('crisp.people_profiles', 'people'));
sync(q('crisp.visitors', 'visitors'));
delete_rows('conversations', 1, 100, 300, 600);
delete_rows('people', 1, 50, 200);
delete_rows('visitors', 0, 22);
$sandbox->data([ { op => 'touch', index => 200 } ]);
foreach my $pair ([ 'conversations', 'copy', 4 ], [ 'people_profiles', 'people', 3 ], [ 'visitors', 'visitors', 2 ])
{
	my ($resource, $target, $gone) = @{$pair};

	$session->query(
		"ALTER TABLE $target ALTER _synced_at DROP NOT NULL; UPDATE $target SET _synced_at = NULL WHERE ctid IN "
			. "(SELECT ctid FROM $target ORDER BY random() LIMIT 20)");
	my $run = sync("'crisp.$resource', '$target', mode => 'full'");
	is_copy("crisp.$resource", $target, "$resource: a full load makes the copy equal");
	like($run->{notices}, qr/ gone: $gone;/, "$resource: what is gone is counted");
	is(status('full_since IS NULL AND rows_deleted = ' . $gone, $target), 't', "$resource: and the load is finished");
	my $again = sync("'crisp.$resource', '$target'");
	like($again->{notices}, qr/ new: 0, changed: 0, gone: 0;/, "$resource: then, nothing is new");
}

# The first run may be a full one; what the target has besides is gone.
$session->query(
	'CREATE TABLE filled (LIKE copy INCLUDING ALL); INSERT INTO filled SELECT * FROM copy; UPDATE filled '
		. 'SET session_id = \'old \' || session_id');
sync(q('crisp.conversations', 'filled', mode => 'full'));
is_copy('crisp.conversations', 'filled', 'a full load into a table that has rows');

#
# Marked
#

sync_fails(q('crisp.conversations', 'copy', mode => 'full', deleted => 'mark'),
	{ sqlstate => '42703', message => 'table "public.copy" has no column _deleted_at',
		hint => 'ALTER TABLE public.copy ADD COLUMN _deleted_at timestamp with time zone;' },
	'marks need a column');
$session->query('ALTER TABLE public.copy ADD COLUMN _deleted_at timestamp with time zone');
my ($gone) = map { $_->{session_id} } ($sandbox->rows('conversations'))[150];
my ($raw) = grep { /$gone/ } $sandbox->raw_rows('conversations');
delete_rows('conversations', 150);
my $run = sync(q('crisp.conversations', 'copy', mode => 'full', deleted => 'mark'));
is($session->query('SELECT string_agg(session_id, \' \') FROM copy WHERE _deleted_at > now() - interval \'1 hour\''),
	$gone, 'what is gone is marked');
is(join('/', (compare_copy('crisp.conversations', 'copy'))[ 1, 2 ]), '0/1', 'and stays');
my $marked = $session->query('SELECT _deleted_at FROM copy WHERE _deleted_at IS NOT NULL');
sync(q('crisp.conversations', 'copy', mode => 'full', deleted => 'mark'));
is($session->query('SELECT _deleted_at FROM copy WHERE _deleted_at IS NOT NULL'), $marked, 'once');
$sandbox->data([ { op => 'insert', row => decode_json($raw) } ]);
sync(q('crisp.conversations', 'copy', mode => 'full', deleted => 'mark'));
is($session->query('SELECT count(_deleted_at) FROM copy'), 0, 'what comes back is marked no more');
delete_rows('conversations', 150);
sync(q('crisp.conversations', 'copy', mode => 'full', deleted => 'mark'));
sync(q('crisp.conversations', 'copy', mode => 'full'));
is_copy('crisp.conversations', 'copy', 'and what was marked can be deleted later');
sync(q('crisp.operators', 'marked', mode => 'full', deleted => 'mark'));
is($session->query('SELECT count(*) - count(_deleted_at) FROM marked'),
	$session->query('SELECT count(user_id) FROM crisp.operators'),
	'a target that is created for marks has the column');

#
# In several calls, while rows move
#

delete_rows('conversations', 10, 500);
sync(q('crisp.conversations', 'copy', mode => 'full', overlap => '10 ms', max_requests => 7));
is(status('state || \' \' || (full_since IS NOT NULL)', 'copy'), 'unfinished true', 'a full load that is not finished');
is((compare_copy('crisp.conversations', 'copy'))[2], 2, 'deletes nothing yet');
my $calls = 1;
do
{
	# An old row moves to the front each time; another one is deleted.
	$sandbox->data([ { op => 'touch', index => 600 }, { op => 'insert_random', count => 2, seed => $calls },
		{ op => 'delete', index => 1 } ]);
	sync(q('crisp.conversations', 'copy', overlap => '10 ms', max_requests => 7)
		. ($calls % 2 ? '' : q(, mode => 'full')));
} until last_run('state') eq 'finished' || ++$calls > 20;
is_copy('crisp.conversations', 'copy', "after $calls calls, of either mode, it is finished");

is($session->query('SELECT count(*) FROM crisp_sync_internal.crisp_sync_seen'), 0, 'and no keys are kept');
sync(q('crisp.conversations', 'copy', mode => 'full', max_requests => 5));
cmp_ok($session->query('SELECT count(*) FROM crisp_sync_internal.crisp_sync_seen'), '>', 50,
	'which they are while it goes on');
$session->query(q(SELECT crisp_sync_reset('crisp.conversations', 'copy')));
is($session->query('SELECT count(*) FROM crisp_sync_internal.crisp_sync_seen'), 0, 'until it ends, or is given up');
sync(q('crisp.conversations', 'copy'));

# A row that leaves its place after the newest were read, and before its own place is: it's not gone.
$sandbox->data(
	[
		{ op => 'touch', index => 640, at_request => { path => 'website/*/conversations/*', nth => 6,
			when => 'after' } },
		{ op => 'touch', index => 620, at_request => { path => 'website/*/conversations/*', nth => 12,
			when => 'before' } } ]);
$run = sync(q('crisp.conversations', 'copy', mode => 'full'));
like($run->{notices}, qr/ gone: 0;/, 'a row that moves while a full load runs is not taken for one that is gone');
is_copy('crisp.conversations', 'copy', 'nor is it missed');

# Stopped just before the end.
delete_rows('conversations', 77);
my $requests = $run->{requests};
$sandbox->control({ answers => [ { match => { path => 'website/*/conversations/*', nth => $requests }, times => 20,
	status => 403 } ] });
sync_fails(q('crisp.conversations', 'copy', mode => 'full'), { message => qr/./ },
	'a full load whose last request fails');
$sandbox->control({ answers => [] });
is((compare_copy('crisp.conversations', 'copy'))[2], 1, 'deletes nothing');
sync(q('crisp.conversations', 'copy'));
is_copy('crisp.conversations', 'copy', 'the next run ends it');

# All gone.
$sandbox->data([ { op => 'clear', resource => 'visitors' } ]);
sync(q('crisp.visitors', 'visitors', mode => 'full'));
is($session->query('SELECT count(*) FROM visitors'), 0, 'an empty list empties the copy');

#
# Where it would delete too much
#

$session->query(
	'CREATE FOREIGN TABLE crisp.resolved (session_id text, updated_at timestamptz) SERVER support OPTIONS '
		. '(resource \'conversations\')');
sync(q('crisp.resolved', 'copy'));
sync_fails(q('crisp.conversations', 'copy', mode => 'full'),
	{ sqlstate => '55006', message => 'cannot replace "public.copy": it is the target of "crisp.resolved", too' },
		'two sources, one target');
sync(q('crisp.conversations', 'copy'));
is_copy('crisp.conversations', 'copy', 'they may share it otherwise');
$session->query('CREATE TABLE bare (session_id text PRIMARY KEY, updated_at timestamptz)');
sync(q('crisp.conversations', 'bare'));
delete_rows('conversations', 30, 400);
like(sync(q('crisp.conversations', 'bare', mode => 'full'))->{notices}, qr/ changed: 0, gone: 2;/,
	'a full load needs no column of its own, and writes what differs alone');
is_copy('crisp.conversations', 'bare', 'what it has seen stays');

done_testing();
