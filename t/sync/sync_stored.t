# crisp_sync(): rows that a trigger stores under another key than Crisp's are an error, and nothing is deleted; what
# else triggers change is not, nor are keys that a type or a collation takes for the same.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 56, people => 60, visitors => 3, operators => 3);
my $session = CrispSession->start($node);

sync_with($session, $sandbox);
$session->query(<<'END');
CREATE FUNCTION change_key() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.session_id := upper(NEW.session_id);
	RETURN NEW; END $$;
CREATE FUNCTION change_one() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.fingerprint := -NEW.fingerprint;
	RETURN NEW; END $$;
CREATE FUNCTION leave_out() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	RETURN CASE WHEN NEW.state = 'resolved' THEN NULL ELSE NEW END; END $$;
CREATE TABLE kept (session_id text PRIMARY KEY, state text, updated_at timestamptz);
CREATE TABLE padded (session_id char(60) PRIMARY KEY, state text);
CREATE TABLE filtered (session_id text PRIMARY KEY, state text);
CREATE TABLE said (session_id text, fingerprint bigint, content text);
CREATE INDEX ON said (session_id);
CREATE TABLE happened (session_id text, type text);
CREATE INDEX ON happened (session_id);
CREATE TRIGGER leave_out BEFORE INSERT ON filtered FOR EACH ROW EXECUTE FUNCTION leave_out();
CREATE TRIGGER leave_out BEFORE INSERT ON padded FOR EACH ROW EXECUTE FUNCTION leave_out();
END

my %expected = (
	sqlstate => '27000',
	message  => qr/^table public\.\w+ does not keep the keys that Crisp's rows have$/,
	detail   => qr/^A row was stored with \(session_id.*\)=\(SESSION_\S+\), which is none of theirs\. .*: "change_key"\.$/,
	hint     => qr/^Let triggers leave the key as it is/);

# The first run tells, and stores nothing.
my $rows = $session->query('SELECT count(*) FROM crisp.conversations');
my $trigger = 'CREATE TRIGGER change_key BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION change_key()';
$session->query(sprintf $trigger, 'kept');
sync_fails(q('crisp.conversations', 'kept'), \%expected, 'a trigger that changes keys');
is($session->query('SELECT count(*) FROM kept'), 0, 'nothing is stored');

# So does a full load over rows that were stored before the trigger was made, or by an older version.
$session->query('ALTER TABLE kept DISABLE TRIGGER change_key');
sync(q('crisp.conversations', 'kept'));
is_copy('crisp.conversations', 'kept', 'a trigger that is disabled');
$session->query('ALTER TABLE kept ENABLE TRIGGER change_key');
sync_fails(q('crisp.conversations', 'kept', mode => 'full'), \%expected, 'a trigger that was made later');
is($session->query('SELECT count(*) FROM kept'), $rows, 'nothing is deleted');
$session->query('ALTER TABLE kept DISABLE TRIGGER change_key; UPDATE kept SET session_id = upper(session_id);'
	. 'ALTER TABLE kept ENABLE TRIGGER change_key');
sync_fails(q('crisp.conversations', 'kept', mode => 'full'), \%expected, 'rows that are there as the trigger has them');
is($session->query('SELECT count(*) FROM kept'), $rows, 'nothing is deleted');
$session->query('ALTER TABLE kept DISABLE TRIGGER change_key');
sync(q('crisp.conversations', 'kept', mode => 'full'));
is_copy('crisp.conversations', 'kept', 'a full load without the trigger');

# Where rows have no key, or share one: what names their parent, or tells them from others below it.
foreach my $case ([ 'messages', 'said' ], [ 'conversation_events', 'happened' ])
{
	my ($source, $target) = @{$case};

	$session->query(sprintf $trigger, $target);
	sync_fails("'crisp.$source', '$target', max_requests => 20", \%expected, "$source below another parent");
	is($session->query("SELECT count(*) FROM $target"), 0, "$source: nothing is stored");
	$session->query("DROP TRIGGER change_key ON $target");
}
$session->query('CREATE TRIGGER change_one BEFORE INSERT ON said FOR EACH ROW EXECUTE FUNCTION change_one()');
sync_fails(
	q('crisp.messages', 'said', max_requests => 20),
	{ %expected, detail => qr/\(session_id, fingerprint\)=\(session_\S+,-\d+\), .*: "change_one"\.$/ },
	'one column of the key');

# What is no other key.
my @targets = ('filtered', 'padded');
if ($session->query(q(SELECT count(*) FROM pg_collation WHERE collprovider = 'i')))
{
	$session->query(q(CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
		CREATE TABLE same (session_id text COLLATE any_case PRIMARY KEY, state text);) . sprintf $trigger, 'same');
	push @targets, 'same';
}
foreach my $target (@targets)
{
	my $there = $target eq 'same' ? $rows
	  : $session->query("SELECT count(*) FROM crisp.conversations WHERE state IS DISTINCT FROM 'resolved'");

	foreach my $mode ('incremental', 'full', 'full')
	{
		sync("'crisp.conversations', '$target', mode => '$mode'");
		is($session->query("SELECT count(*) FROM $target"), $there, "$target: $mode");
		is(status('state', $target), 'up to date', "$target: up to date");
	}
	is(status('rows_deleted', $target), 0, "$target: nothing was deleted");
}

$session->quit;
$node->stop;
done_testing();
