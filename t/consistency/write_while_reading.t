# The session writes while its scans are open, be it in a loop, in a function that a query calls, in a trigger or over a
# cursor: every row comes once, as if nothing had been written; and what will not be read on is not read.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use CrispWrites;
use Test::More;

my $sandbox = CrispSandbox->start(conversations => 200, people => 60, campaigns => 4);
my $node = start_node();

connect_crisp($node, $sandbox, options => "updatable 'true', max_retries '0', per_page '20'");
connect_crisp($node, $sandbox,
	server  => 'again',
	schema  => 'again',
	options => "updatable 'true', max_retries '0', per_page '20'");

my $session = CrispSession->start($node);
watch_writes($session, $sandbox);
$session->query(<<'END');
CREATE FUNCTION change(id text, new_state text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	UPDATE crisp.conversations SET state = new_state WHERE session_id = id;
	RETURN id;
END $$;
CREATE FUNCTION change_again(id text, new_state text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	UPDATE again.conversations SET state = new_state WHERE session_id = id;
	RETURN id;
END $$;
CREATE FUNCTION change_or_not(id text, new_state text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	UPDATE crisp.conversations SET state = new_state WHERE session_id = id;
	RAISE EXCEPTION 'undone';
EXCEPTION WHEN raise_exception THEN
	RETURN id;
END $$;
CREATE TABLE seen (session_id text);
CREATE FUNCTION on_seen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM change(NEW.session_id, 'pending');
	RETURN NEW;
END $$;
CREATE TRIGGER on_seen BEFORE INSERT ON seen FOR EACH ROW EXECUTE FUNCTION on_seen();
END

# The truth now.
sub ids
{
	my ($condition) = @_;

	return join "\n",
	  sort map { $_->{session_id} } grep { $condition->($_) } $sandbox->rows('conversations');
}

sub is_resolved { return ($_[0]->{state} // '') eq 'resolved' }

sub sorted { return join "\n", sort split /\n/, $_[0] }

# Make two of three conversations resolved again, and the first pages full of them.
sub resolve
{
	$session->query(
		q(CREATE TEMP TABLE IF NOT EXISTS to_do AS SELECT session_id FROM crisp.conversations )
			. q(WHERE hashtext(session_id) % 3 <> 0; UPDATE crisp.conversations SET state = 'resolved' )
			. q(WHERE session_id IN (SELECT session_id FROM to_do))
	);
	$sandbox->clear;
	return ids(\&is_resolved);
}

my $resolved = q(FROM crisp.conversations WHERE state = 'resolved');

foreach my $case ([ '4MB', 'fast' ], [ '64kB', 'exact' ])
{
	my ($memory, $mode) = @{$case};
	my $name = "$memory, $mode";

	$session->query("SET work_mem = '$memory'; SET crisp_fdw.scan_mode = '$mode'");
	my $expected = resolve();
	cmp_ok(scalar(split /\n/, $expected), '>', 100, "$name: enough to do");
	$session->query(
		"DO \$\$ DECLARE r record; BEGIN FOR r IN SELECT * $resolved LOOP UPDATE crisp.conversations "
			. "SET state = 'pending' WHERE session_id = r.session_id; END LOOP; END \$\$"
	);
	is(ids(\&is_resolved), '', "$name: a loop changes all");

	$expected = resolve();
	is(sorted($session->query("SELECT change(session_id, 'pending') $resolved")),
		$expected, "$name: a function in the select list");
	is(ids(\&is_resolved), '', "$name: a function in the select list changes all");

	$expected = resolve();
	is( sorted(
			$session->query(
				"SELECT session_id $resolved AND change(session_id, 'pending') IS NOT NULL")),
		$expected,
		"$name: a function in a condition");

	$expected = resolve();
	is( sorted(
			$session->query(
				"SELECT x.id || y FROM (SELECT session_id || '' AS id, session_id $resolved OFFSET 0) x, LATERAL "
					. "(SELECT right(change(x.session_id, 'pending'), 0) AS y OFFSET 0) z"
			)),
		$expected,
		"$name: a function beside values that were computed before");

	$expected = resolve();
	is( sorted($session->query("SELECT change_or_not(session_id, 'pending') $resolved")),
		$expected,
		"$name: a function whose subtransaction is undone");

	$expected = resolve();
	is( sorted($session->query("SELECT change_again(session_id, 'pending') $resolved")),
		$expected,
		"$name: through another server");

	$expected = resolve();
	$session->query("TRUNCATE seen; INSERT INTO seen SELECT session_id $resolved");
	is(sorted($session->query('SELECT session_id FROM seen')), $expected, "$name: a trigger");
}
$session->query('RESET work_mem; RESET crisp_fdw.scan_mode');

# A cursor, over which the session writes; and one that is closed, or was opened in a subtransaction that is undone.
my $expected = resolve();
$session->query("BEGIN; DECLARE c CURSOR FOR SELECT session_id $resolved");
my $read = $session->query('FETCH 3 FROM c');
$session->query("SAVEPOINT s; SELECT change(session_id, 'pending') FROM crisp.conversations WHERE session_id = '"
	  . (split /\n/, $read)[1]
	  . "'; ROLLBACK TO s");
my $before = $sandbox->count;
$read .= "\n" . $session->query('FETCH ALL FROM c');
is(sorted($read), $expected, 'a cursor gives all rows');
is($sandbox->count, $before, 'which were read before the change');
$session->query('COMMIT');

$session->query("BEGIN; DECLARE c CURSOR FOR SELECT session_id FROM crisp.conversations; FETCH 3 FROM c; CLOSE c");
$session->query(
	'SAVEPOINT s; DECLARE d CURSOR FOR SELECT session_id FROM crisp.conversations; FETCH 3 FROM d; ROLLBACK TO s');
my $one = (split /\n/, $read)[5];
$sandbox->clear;
$session->query("UPDATE crisp.conversations SET state = 'resolved' WHERE session_id = '$one'; COMMIT");
is(scalar(grep { $_->{path} =~ m{/conversations/} } $sandbox->requests),
	0, 'cursors that are gone are not read');

# What is read for the sake of others, and fails, is an error for who writes, and for who reads on.
$expected = resolve();
$session->query("BEGIN; DECLARE c CURSOR FOR SELECT session_id $resolved; FETCH 3 FROM c; SAVEPOINT s");
$sandbox->answer_with('*/conversations/3' => { status => 403 });
$sandbox->clear;
my $failed = $session->run("UPDATE crisp.conversations SET state = 'pending' WHERE session_id = '$one'");
is(scalar @{ $failed->{errors} }, 1, 'a list that cannot be read to its end: the change fails');
is_deeply([ written_lines() ], [], 'before it is sent');
$sandbox->control({ answers => [] });
$session->query('ROLLBACK TO s');
my $rows = $session->query('FETCH 30 FROM c');
cmp_ok(scalar(split /\n/, $rows), '>=', 17, 'what was read can be had');
my ($error) = @{ $session->run('FETCH ALL FROM c')->{errors} };
is($error->{sqlstate}, '55000', 'the rest cannot');
$session->query('ROLLBACK');

# A scan that stops early is read as far as its LIMIT goes.
sub list_requests { return scalar grep { $_->{path} =~ m{/conversations/} } $sandbox->requests }

resolve();
$session->query(
	"DO \$\$ DECLARE r record; BEGIN FOR r IN SELECT session_id FROM crisp.conversations ORDER BY updated_at DESC "
		. "LIMIT 15 LOOP PERFORM change(r.session_id, 'pending'); END LOOP; END \$\$"
);
is(scalar(my @changes = written()), 15, 'the newest: as many changes as LIMIT says');
is(list_requests(), 1, 'and as many pages');

resolve();
$session->query(
	"DO \$\$ DECLARE r record; BEGIN FOR r IN SELECT session_id $resolved LIMIT 15 LOOP "
		. "PERFORM change(r.session_id, 'pending'); END LOOP; END \$\$"
);
is(scalar(@changes = written()), 15, 'with a filter: as many changes as LIMIT says');
cmp_ok(list_requests(), '<=', 2, 'and as many pages');

resolve();
$session->query(
	"SELECT change('$one', 'pending') WHERE EXISTS (SELECT FROM crisp.conversations WHERE length(session_id) > 3)");
is(scalar(@changes = written()), 1, 'a change that depends on another query');
is(list_requests(), 1, 'which is not read on once it has told');

# A subquery that is run for each row of another table stops early each time, at other rows.
foreach my $order ('', ' ORDER BY updated_at DESC')
{
	$expected = resolve();
	$session->query("CREATE TABLE of_now AS SELECT session_id AS id $resolved ORDER BY updated_at DESC");
	is( sorted(
			$session->query(
				"SELECT found FROM (SELECT (SELECT session_id $resolved AND session_id || '' = id$order LIMIT 1) "
					. "AS found, change(id, 'pending') FROM of_now OFFSET 0) x"
			)),
		$expected,
		"a subquery with other values in each pass$order");
	$session->query('DROP TABLE of_now');
}

# A statement that an error has ended within a function of SQL: its memory stays, and it isn't read on.
$session->query(
	"CREATE FUNCTION dies() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1 / (length(session_id) - length(session_id)) "
		. "FROM crisp.conversations'"
);
$session->query("SET work_mem = '64kB'");
$sandbox->clear;
$session->run('SELECT dies()');
my $pages = list_requests();
resolve();
$session->query(<<"END");
DO \$\$
DECLARE
	nothing int;
BEGIN
	BEGIN
		nothing := dies();
	EXCEPTION WHEN division_by_zero THEN
		NULL;
	END;
	PERFORM change('$one', 'pending');
END \$\$
END
is(scalar(@changes = written()), 1, 'a change after a query of a function that has failed');
is(list_requests(), $pages, 'which is not read on');

$session->quit;
$node->stop;
done_testing();
