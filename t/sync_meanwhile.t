# crisp_sync(): what others do to its tables while it runs.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use JSON::PP;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 600, people => 30, operators => 5);
my $session = CrispSession->start($node);
my $other = CrispSession->start($node);
my $number = 0;

sync_with($session, $sandbox);
$session->query('CREATE FOREIGN TABLE crisp.short_lived (session_id text, updated_at timestamptz) SERVER support OPTIONS (resource \'conversations\')');

# Run a sync into a new target, and a statement of another session between its second window and its third. Returns the
# target, and the run as CrispSession->wait() does.
sub sync_while
{
	my ($statement, %with) = @_;
	my $runner = $with{session} // $session;
	my $target = 'copy' . ++$number;

	$session->query($with{before} =~ s/TARGET/$target/gr) if $with{before};
	$sandbox->clear;
	$sandbox->control({ answers => [ { match => { path => 'website/*/conversations/*', nth => 8 }, hang => JSON::PP::true } ] });
	$runner->send('CALL crisp_sync(\'' . ($with{source} // 'crisp.conversations') . "', 'public.$target')");
	$sandbox->wait_for_requests(8);
	$other->send($statement =~ s/TARGET/$target/gr);
	if ($with{blocks} // 1)
	{
		$node->poll_query_until('postgres', 'SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND pid = ' . $other->pid)
		  or die "the statement does not wait\n";
	}
	else
	{
		$other->wait;
	}
	$sandbox->reset;
	$other->wait if $with{blocks} // 1;
	return ($target, $runner->wait);
}

# That such a run fails in this way.
sub fails_while
{
	my ($statement, $expected, $name, %with) = @_;
	my ($target, $result) = sync_while($statement, %with);

	foreach my $field (sort keys %{$expected})
	{
		like($result->{errors}->[0]->{$field} // '', $expected->{$field}, "$name: $field");
	}
	is($other->query(q(SELECT count(*) FROM pg_locks WHERE objsubid = 17235)), 0, "$name: no lock is left behind");
	return $target;
}

# A lock that is queued by name may find the name gone before the run looks at it.
fails_while('DROP TABLE TARGET', { sqlstate => qr/^42P01$/, message => qr/^(the target of the sync was dropped while it ran|relation ".*" does not exist)$/ },
	'a target that is dropped');
fails_while('DROP FOREIGN TABLE crisp.short_lived',
	{ sqlstate => qr/^42P01$/, message => qr/^(the source of the sync was dropped while it ran|relation "crisp\.short_lived" does not exist)$/ },
	'a source that is dropped', source => 'crisp.short_lived');
is($session->query('SELECT count(*) FROM crisp_sync_job'), 1, 'one job is left, and of the other nothing');
{
	my $target = fails_while('TRUNCATE TARGET', { sqlstate => qr/^55000$/, message => qr/^table "public\.copy\d+" was emptied while it was filled$/ }, 'a target that is emptied');

	is($session->query('SELECT count(*) FROM crisp_sync_job'), 1, 'the next run clears away what is left');
	sync("'crisp.conversations', '$target'");
	is_copy('crisp.conversations', $target, 'a target that was emptied is filled by the next run');
}
{
	my $target = fails_while('ALTER TABLE TARGET DROP COLUMN topic', { sqlstate => qr/^42703$/ }, 'a column that is dropped');

	is(last_run('state'), 'failed', 'the run has failed');
	like(sync("'crisp.conversations', '$target'")->{notices}, qr/has no column for topic$/m, 'the next run does without it');
	is_copy('crisp.conversations', $target, 'and goes on');
}
# A job that goes.
$session->query(<<'END');
CREATE TABLE jobless (session_id text PRIMARY KEY, updated_at timestamptz);
CREATE FUNCTION drop_job() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM crisp_sync_internal.crisp_sync_my_job WHERE target = TG_RELID; RETURN NULL; END $$;
CREATE TRIGGER drop_job AFTER INSERT ON jobless EXECUTE FUNCTION drop_job();
END
$sandbox->clear;
sync_fails(q('crisp.conversations', 'jobless'),
	{ sqlstate => '42704', message => 'the sync of "crisp.conversations" into "public.jobless" was dropped while it ran' }, 'a job that is deleted');
cmp_ok($sandbox->count, '<=', 6, 'ends its run');

# Rights that are taken away.
$session->query('CREATE ROLE ann LOGIN; GRANT USAGE ON SCHEMA crisp TO ann; GRANT SELECT ON crisp.conversations TO ann');
$session->query('CREATE USER MAPPING FOR ann SERVER support OPTIONS (' . credential_options($sandbox, 'website') . ')');
{
	my $target = fails_while(
		'REVOKE ALL ON TARGET FROM ann',
		{ sqlstate => qr/^42501$/, message => qr/^permission denied (to sync into "public\.copy\d+"|for table copy\d+)$/ },
		'rights that are revoked',
		blocks => 0,
		session => CrispSession->start($node, user => 'ann'),
		before => 'CREATE TABLE TARGET (session_id text PRIMARY KEY, updated_at timestamptz); GRANT SELECT, INSERT, UPDATE, DELETE ON TARGET TO ann');

	sync("'crisp.conversations', '$target'");
	is_copy('crisp.conversations', $target, 'somebody who has them goes on');
}

# Sources that were dropped and imported again.
sync(q('crisp.conversations', 'kept'));
$session->query('DROP FOREIGN TABLE crisp.conversations; IMPORT FOREIGN SCHEMA crisp LIMIT TO (conversations) FROM SERVER support INTO crisp');
sync(q('crisp.conversations', 'kept', mode => 'full'));
is_copy('crisp.conversations', 'kept', 'the job of a source that was dropped is not in the way of a full load');
is($session->query(q(SELECT count(*) FROM crisp_sync_job j WHERE target = 'kept'::regclass)), 1, 'and is gone');

# The settings of a run that finds another one running end with it.
$sandbox->clear;
$sandbox->control({ answers => [ { match => { path => 'website/*/conversations/*', nth => 3 }, hang => JSON::PP::true } ] });
$session->send(q(CALL crisp_sync('crisp.conversations', 'busy')));
$sandbox->wait_for_requests(3);
$other->query('CREATE TABLE paths (path text)');
$other->query(q(DO $$ BEGIN CALL crisp_sync('crisp.conversations', 'busy'); INSERT INTO paths VALUES (current_setting('search_path')); END $$));
is($other->query('TABLE paths'), $other->query('SHOW search_path'), 'a run that finds another one running leaves the search_path as it was');
$sandbox->reset;
is_deeply($session->wait->{errors}, [], 'and the other one as it is');

done_testing();
