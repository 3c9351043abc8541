# crisp_sync(): rows that a trigger stores under another key than Crisp's are an error, and nothing is deleted; what
# else triggers do is not, nor are keys that a type or a collation takes for the same.

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

# What triggers make of rows that were stored is noticed, too: at once or deferred, for each row or all, by whatever
# statement, and whatever is there already.
$session->query(<<'END');
CREATE FUNCTION move_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF pg_trigger_depth() = 1 THEN
		EXECUTE format('UPDATE %s SET session_id = upper(session_id) WHERE session_id = $1', TG_RELID::regclass)
			USING NEW.session_id;
	END IF; RETURN NULL; END $$;
CREATE FUNCTION replace_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	DELETE FROM public.stored WHERE session_id = NEW.session_id;
	BEGIN INSERT INTO public.stored VALUES (upper(NEW.session_id), NEW.state); END; RETURN NULL; END $$;
CREATE FUNCTION move_all() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF pg_trigger_depth() = 1 THEN
		UPDATE public.stored SET session_id = upper(session_id) WHERE session_id <> upper(session_id);
	END IF; RETURN NULL; END $$;
CREATE FUNCTION archive() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	DELETE FROM public.current WHERE session_id = NEW.session_id AND state = 'resolved';
	UPDATE public.current SET seen = seen + 1; RETURN NULL; END $$;
CREATE FUNCTION one_key() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.session_id := 'one'; RETURN NEW; END $$;
CREATE FUNCTION two_rows() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	NEW.session_id := (SELECT x FROM generate_series(1, 2) x); RETURN NEW; END $$;
CREATE TABLE stored (session_id text PRIMARY KEY, state text);
CREATE TABLE current (session_id text PRIMARY KEY, state text, seen integer DEFAULT 0);
CREATE TABLE merged (session_id text PRIMARY KEY, state text);
END
my %ways = (
	'after each row'  => 'CREATE TRIGGER after_it AFTER INSERT OR UPDATE ON stored FOR EACH ROW %s move_row()',
	'under another'   => 'CREATE TRIGGER after_it AFTER INSERT OR UPDATE ON stored FOR EACH ROW '
	  . 'WHEN (NEW.session_id <> upper(NEW.session_id)) %s replace_row()',
	'after all rows'  => 'CREATE TRIGGER after_it AFTER INSERT OR UPDATE ON stored %s move_all()',
	'before all rows' => 'CREATE TRIGGER after_it BEFORE INSERT ON stored %s move_all()',
	'deferred'        => 'CREATE CONSTRAINT TRIGGER after_it AFTER INSERT OR UPDATE ON stored '
	  . 'DEFERRABLE INITIALLY DEFERRED FOR EACH ROW %s move_row()');
my %moved = (%expected, detail => qr/\(session_id\)=\(SESSION_\S+\), which is none of theirs\. .*: "after_it"\.$/);
foreach my $way (sort keys %ways)
{
	my $create = sprintf $ways{$way}, 'EXECUTE FUNCTION';

	# Nothing precedes what happens before all rows of a first run.
	if ($way ne 'before all rows')
	{
		$session->query("TRUNCATE stored; $create");
		sync_fails(q('crisp.conversations', 'stored'), \%moved, "moved $way: at first");
		is($session->query('SELECT count(*) FROM stored'), 0, "moved $way: nothing is stored");
		$session->query('DROP TRIGGER after_it ON stored');
	}
	sync(q('crisp.conversations', 'stored'));
	$session->query("UPDATE stored SET state = 'another'; $create");
	sync_fails(q('crisp.conversations', 'stored', mode => 'full'), \%moved, "moved $way: full");
	$session->query('DROP TRIGGER after_it ON stored');
	sync(q('crisp.conversations', 'stored', mode => 'full'));
	is_copy('crisp.conversations', 'stored', "moved $way: a full load without the trigger");
}

# One that fires where nothing is written.
$session->query(sprintf $ways{'after all rows'}, 'EXECUTE FUNCTION');
sync_fails(q('crisp.conversations', 'stored', mode => 'full'), \%moved, 'moved where nothing differs');

# Below parents, where a count of rows alone would tell nothing.
foreach my $case ([ 'messages', 'said' ], [ 'conversation_events', 'happened' ])
{
	my ($source, $target) = @{$case};

	$session->query("DROP TRIGGER IF EXISTS change_one ON $target;"
		. "CREATE TRIGGER after_it AFTER INSERT OR UPDATE ON $target FOR EACH ROW EXECUTE FUNCTION move_row()");
	sync_fails(
		"'crisp.$source', '$target', max_requests => 20",
		{ %expected, detail => qr/\(session_id\b.*\)=\(SESSION_.*\), which is none of theirs\. .*: "after_it"\.$/ },
		"$source moved below another parent");
	$session->query("DROP TRIGGER after_it ON $target");
	sync("'crisp.$source', '$target'");
	is($session->query("SELECT count(*) > 0 FROM $target"), 't', "$source: without the trigger");
}

# Triggers may delete rows, and touch others.
$session->query('CREATE TRIGGER archive AFTER INSERT OR UPDATE OF state ON current FOR EACH ROW '
	. 'EXECUTE FUNCTION archive()');
foreach my $mode ('incremental', 'full')
{
	sync("'crisp.conversations', 'current', mode => '$mode'");
	is($session->query('SELECT count(*) FROM current'),
		$session->query("SELECT count(*) FROM crisp.conversations WHERE state IS DISTINCT FROM 'resolved'"),
		"rows that a trigger deletes: $mode");
	is(status('rows_deleted', 'current'), 0, 'nothing else is deleted');
}

# Two rows under one key are no other error; an error of a trigger is.
$session->query('CREATE TRIGGER one_key BEFORE INSERT ON merged FOR EACH ROW EXECUTE FUNCTION one_key()');
sync_fails(
	q('crisp.conversations', 'merged'),
	{ %expected, detail => qr/^Rows that differ in \(session_id\) at Crisp were stored with the same\. .*: "one_key"\.$/ },
	'rows that get the same key');
$session->query('DROP TRIGGER one_key ON merged;'
	. 'CREATE TRIGGER two_rows BEFORE INSERT ON merged FOR EACH ROW EXECUTE FUNCTION two_rows()');
sync_fails(
	q('crisp.conversations', 'merged'),
	{ sqlstate => '21000', message => qr/^more than one row returned by a subquery/ },
	'what a trigger raises');

# Rules are refused, even where they come while a run is under way.
$session->query('CREATE RULE nothing AS ON INSERT TO merged DO INSTEAD NOTHING');
sync_fails(q('crisp.conversations', 'merged'), { message => qr/has rules$/ }, 'rules');

$session->quit;
$node->stop;
done_testing();
