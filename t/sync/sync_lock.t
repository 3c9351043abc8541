# The lock of a job of crisp_sync(): nothing that SQL can do gives it back early, and none is left behind.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use JSON::PP;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 700, people => 10, visitors => 3, operators => 3);
my $session = CrispSession->start($node);
my $other = CrispSession->start($node);
my $locks = 'SELECT count(*) FROM pg_locks WHERE objsubid = 17235';
my $sync = q(CALL crisp_sync('crisp.conversations', 'copy'));

sync_with($session, $sandbox);

# A target whose triggers give back all locks that SQL can give back.
$session->query(<<'END');
CREATE TABLE copy (session_id text PRIMARY KEY, updated_at timestamptz, state text);
CREATE FUNCTION let_go() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_advisory_unlock_all();
	RETURN NULL;
END $$;
CREATE TRIGGER let_go AFTER INSERT OR UPDATE ON copy EXECUTE FUNCTION let_go();
END

# Run a sync in the session until its third request, and do something meanwhile.
sub while_it_runs
{
	my ($what) = @_;

	$session->query(q(TRUNCATE copy)) if $session->query('SELECT count(*) FROM copy');
	$sandbox->clear;
	$sandbox->control({ answers => [ { match => { path => 'website/*/conversations/*', nth => 9 },
		hang => JSON::PP::true } ] });
	$session->send($sync);
	$sandbox->wait_for_requests(9);
	$what->();
	$sandbox->control({ answers => [] });
	return;
}

while_it_runs(
	sub {
		cmp_ok($other->query('SELECT count(*) FROM copy'), '>', 0, 'rows were written, and the trigger has run');
		my $second = $other->run($sync);
		is_deeply(
			[ grep { /running/ } map { $_->{message} } @{ $second->{notices} } ],
			[ 'the sync of "crisp.conversations" into "public.copy" is running already, in process ' . $session->pid ],
			'a trigger that gives back all advisory locks lets no second run in');
		is($other->query(q(SELECT pid FROM crisp_sync_status)), $session->pid, 'and the status shows who runs it');
		is($other->query($locks), 1, 'there is one lock');
		$other->fails("SELECT crisp_sync_$_('crisp.conversations', 'copy')", { sqlstate => '55006' },
			"no $_ meanwhile") foreach qw(reset drop);
		$other->query('SELECT pg_cancel_backend(' . $session->pid . ')');
		is($session->wait->{errors}->[0]->{sqlstate}, '57014', 'a run that is cancelled');
	});
is($other->query($locks), 0, 'leaves no lock');
is_deeply($other->run($sync)->{errors}, [], 'and another session goes on');
is_copy('crisp.conversations', 'copy', 'to the end');

# Sessions that are made as new, as poolers do.
foreach my $statement ('DISCARD ALL', 'SELECT pg_advisory_unlock_all()')
{
	sync(q('crisp.conversations', 'copy'));
	$session->query($statement);
	is($session->query($locks), 0, "no lock is there after $statement");
	like(sync(q('crisp.conversations', 'copy'))->{notices}, qr/rows fetched/, 'and the next run of this session runs');
}

# Locks that are taken by hand: by who may write to the target alone, and until the session ends.
$session->query('CREATE ROLE nobody LOGIN');
my $nobody = CrispSession->start($node, user => 'nobody');
$nobody->fails("SELECT crisp_sync_internal.crisp_sync_$_('crisp.conversations'::regclass::oid, 'copy'::regclass::oid)",
	{ sqlstate => '42501' }, "who may not write to the target can't $_")
  foreach qw(lock lock_briefly);
$session->query('GRANT UPDATE ON copy TO nobody');
$nobody->fails(q(SELECT crisp_sync_internal.crisp_sync_lock(1, 'copy'::regclass::oid)), { sqlstate => '42501' },
	'nor can who may update alone');
is($other->query(q(SELECT crisp_sync_internal.crisp_sync_lock('crisp.conversations'::regclass, 'copy'::regclass))), 't',
	'a lock that is taken by hand');
$other->query('DISCARD ALL');
like(sync(q('crisp.conversations', 'copy'))->{notices}, qr/is running already, in process @{[ $other->pid ]}$/,
	'outlives DISCARD ALL');
is_deeply(
	[   map { [ @{$_}{qw(severity message detail)} ] }
		  @{ $session->run(q(CALL crisp_sync('crisp.conversations', 'copy', mode => 'full')))->{notices} } ],
	[   [   'WARNING',
			'the sync of "crisp.conversations" into "public.copy" is running already, in process ' . $other->pid,
			'This full load is left out.' ] ],
	'a full load that is left out is told of');
is($other->query(q(SELECT crisp_sync_internal.crisp_sync_lock('crisp.conversations'::regclass, 'copy'::regclass))), 'f',
	'and is known to the session that has it');
$other->fails('SELECT 1 / 0', { sqlstate => '22012' }, 'a transaction that fails');
like(sync(q('crisp.conversations', 'copy'))->{notices}, qr/rows fetched/, 'gives it back');

# Reset and drop hold it until their transaction ends, and leave none where an error is caught.
$other->query('BEGIN');
$other->query(q(SELECT crisp_sync_reset('crisp.conversations', 'copy')));
like(sync(q('crisp.conversations', 'copy'))->{notices}, qr/is running already, in process @{[ $other->pid ]}$/,
	'no run begins while a reset is not committed');
$other->query('ROLLBACK');
$other->query(
	q(DO $$ BEGIN PERFORM crisp_sync_reset('crisp.people_profiles', 'copy'); EXCEPTION WHEN undefined_object THEN )
		. q(NULL; END $$));
is($other->query($locks), 0, 'a reset that fails leaves no lock');
$session->query(
	q(DO $$ BEGIN PERFORM crisp_sync_reset('crisp.conversations', 'copy'); )
		. q(CALL crisp_sync('crisp.conversations', 'copy'); END $$));
is($session->query($locks), 0, 'nor does a reset and a run in one statement');
is(last_run('state'), 'finished', 'which both work');

done_testing();
