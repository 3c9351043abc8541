# Orders that Crisp documents come page by page for whoever may stop: rows are those of a local copy, whatever Crisp
# does, and requests no more than the rows that were wanted fill.

use strict;
use warnings;

use CrispCluster;
use CrispCopy;
use CrispSandbox;
use CrispSession;
use CrispStatement;
use JSON::PP;
use POSIX qw(ceil);
use Test::More;

my ($true, $false) = (JSON::PP::true, JSON::PP::false);

# A statement that reads a cursor: rows that are fetched step by step.
sub cursor
{
	my ($query, @steps) = @_;

	return "BEGIN; DECLARE c CURSOR FOR $query; " . join(' ', map { "FETCH $_ FROM c;" } @steps) . ' COMMIT';
}

# A function that leaves its loop after so many rows, and returns the last.
my $leave = <<'END';
SET client_min_messages = warning;
CREATE OR REPLACE FUNCTION leave_loop(query text, n int) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE r record;
BEGIN
	FOR r IN EXECUTE query LOOP n := n - 1; EXIT WHEN n = 0; END LOOP;
	RETURN r.updated_at;
END $$;
CREATE OR REPLACE FUNCTION leave_static_loop(n int) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE r record;
BEGIN
	FOR r IN SELECT updated_at FROM crisp.conversations ORDER BY updated_at DESC LOOP n := n - 1; EXIT WHEN n = 0;
	END LOOP;
	RETURN r.updated_at;
END $$;
END

my $c     = 'crisp.conversations';
my $p     = 'crisp.people_profiles';
my $order = 'ORDER BY c.updated_at DESC';

# Name, statement, fewest and most requests (undef for all pages and a recheck), where it isn't the same on the copy:
# the statement for that.
my @statements = (
	[   'a join with profiles',
		"SELECT c.updated_at, p.email FROM $c c LEFT JOIN $p p USING (people_id) $order LIMIT 20", 2, 21 ],
	[   'a join with operators',
		"SELECT c.updated_at, o.email FROM $c c JOIN crisp.operators o ON o.user_id = c.assigned_user_id $order "
		  . 'LIMIT 10',
		2, 4, 'SELECT c.updated_at, o.email FROM copy.conversations c JOIN copy.operators o ON '
		. "o.user_id = c.assigned_user_id $order LIMIT 10" ],
	[   'a join with a local table',
		"SELECT c.updated_at, n.note FROM $c c JOIN note n ON n.state = c.state $order LIMIT 30", 1, 1 ],
	[   'row numbers',
		"SELECT updated_at FROM (SELECT updated_at, row_number() OVER (ORDER BY updated_at DESC) n FROM $c) s "
		  . 'WHERE n <= 10', 1, 1 ],
	[   'ranks',
		"SELECT updated_at FROM (SELECT updated_at, rank() OVER (ORDER BY updated_at DESC) n FROM $c) s WHERE n < 60",
		2, 2 ],
	[ 'DISTINCT ON', "SELECT DISTINCT ON (updated_at) updated_at FROM $c ORDER BY updated_at DESC LIMIT 10", 1, 1 ],
	[ 'DISTINCT', "SELECT DISTINCT updated_at FROM $c ORDER BY updated_at DESC LIMIT 10", 1, 1 ],
	[   'groups', "SELECT updated_at, count(*) FROM $c GROUP BY updated_at ORDER BY updated_at DESC LIMIT 10", 1, 1 ],
	[   'a merge join',
		'SET enable_hashjoin = off; SET enable_nestloop = off; '
		  . "SELECT c.updated_at FROM $c c JOIN moment m ON m.t = c.updated_at $order LIMIT 10", 1, 3 ],
	[ 'ties', "SELECT updated_at, session_id FROM $c ORDER BY updated_at DESC, session_id LIMIT 30", 1, 1 ],
	[ 'creation', "SELECT c.created_at, n.note FROM $c c JOIN note n ON n.state = c.state ORDER BY c.created_at DESC "
		. 'LIMIT 30', 1, 1 ],
	[ 'a cursor',                 cursor("SELECT updated_at FROM $c ORDER BY updated_at DESC", 10, 20),      1, 1 ],
	[ 'a cursor, three pages',    cursor("SELECT updated_at FROM $c ORDER BY updated_at DESC", 40, 80),      3, 3 ],
	[ 'a cursor, seven pages',    cursor("SELECT created_at FROM $c ORDER BY created_at DESC", 40, 80, 220), 7, 10 ],
	[ 'a cursor that goes on',    cursor("SELECT updated_at FROM $c ORDER BY updated_at DESC", 40, 'ALL') ],
	[ 'a cursor of all',          cursor("SELECT updated_at FROM $c ORDER BY updated_at DESC", 'ALL') ],
	[   'a cursor that goes back',
		'BEGIN; DECLARE c SCROLL CURSOR FOR SELECT updated_at FROM '
		  . "$c ORDER BY updated_at DESC; FETCH 30 FROM c; FETCH BACKWARD 20 FROM c; FETCH 30 FROM c; "
		  . 'FETCH FIRST FROM c; COMMIT', 1, 1 ],
	[   'a held cursor',
		"BEGIN; DECLARE h CURSOR WITH HOLD FOR SELECT updated_at FROM $c ORDER BY updated_at DESC; FETCH 3 FROM h; "
		  . 'COMMIT; FETCH 3 FROM h; CLOSE h' ],
	[   'a loop that is left',
		"SELECT leave_loop('SELECT updated_at FROM $c ORDER BY updated_at DESC', 30)", 1, 3 ],
	[   'a loop that is left, of a plan that is kept',
		'SELECT leave_static_loop(30)', 1, 3,
		"SELECT leave_loop('SELECT updated_at FROM $c ORDER BY updated_at DESC', 30)" ],
	[   'conditions that Crisp is told',
		"SELECT c.updated_at, n.note FROM $c c JOIN note n ON n.state = c.state WHERE c.state = 'resolved' $order "
		  . 'LIMIT 30',
		1, 1 ],
	# How many pages that takes depends on the characters of names, and so on the encoding.
	[   'conditions that Crisp is not told',
		"SELECT c.updated_at, n.note FROM $c c JOIN note n ON n.state = c.state WHERE c.topic IS NULL AND "
		  . "c.meta_nickname > 'D' $order, n.note LIMIT 30", 5, 20 ],
	[   'a segment',
		"SELECT c.updated_at, n.note FROM $c c JOIN note n ON n.state = c.state WHERE meta_segments @> ARRAY['vip'] "
		  . "$order LIMIT 10", 1, 1 ],
	[   'no segment',
		"SELECT c.updated_at, n.note FROM $c c JOIN note n ON n.state = c.state WHERE NOT meta_segments @> "
		  . "ARRAY['vip'] $order LIMIT 10", 1, 1 ],
	[   'a segment that there is none of',
		"SELECT count(*) FROM (SELECT 1 FROM $c c JOIN note n ON n.state = c.state WHERE meta_segments @> "
		  . "ARRAY['nosuch'] $order LIMIT 10) s", 1, 2 ],
	[   'rows that are locked',
		"SELECT c.updated_at, n.note FROM $c c JOIN note n ON n.state = c.state $order LIMIT 30 FOR "
		  . 'UPDATE OF n', 1, 1 ],
	[   'a subquery for each row',
		"SELECT n.note, s.updated_at FROM note n, LATERAL (SELECT c.updated_at FROM $c c JOIN moment m ON m.t = "
		  . "c.updated_at WHERE c.state = n.state $order LIMIT 2) s ORDER BY 1, 2 DESC", 2, 30 ],
	[   'who waits',
		"SELECT c.waiting_since, n.note FROM $c c JOIN note n ON n.state = c.state WHERE waiting_since IS NOT NULL "
		  . 'ORDER BY 1 LIMIT 30', 1, 1 ],
	[   'partitions',
		'SELECT w.updated_at, n.note FROM websites w LEFT JOIN note n USING (state) ORDER BY 1 DESC LIMIT 30', 2, 3,
		'SELECT w.updated_at, n.note FROM copy.websites w LEFT JOIN note n USING (state) ORDER BY 1 DESC LIMIT 30' ],
	[   'row numbers, partitions',
		'SELECT updated_at FROM (SELECT updated_at, row_number() OVER (ORDER BY updated_at DESC) n FROM websites) s '
		  . 'WHERE n <= 10', 2, 3,
		'SELECT updated_at FROM copy.websites ORDER BY updated_at DESC LIMIT 10' ],
	[   'row numbers, UNION ALL',
		'SELECT updated_at FROM (SELECT updated_at, row_number() OVER (ORDER BY updated_at DESC) n FROM '
		  . "(SELECT updated_at FROM $c UNION ALL SELECT updated_at FROM $c) u) s WHERE n <= 10", 2, 3 ],
	[   'a loop that is left, partitions',
		"SELECT leave_loop('SELECT updated_at FROM websites ORDER BY updated_at DESC', 30)", 2, 4,
		"SELECT leave_loop('SELECT updated_at FROM copy.websites ORDER BY updated_at DESC', 30)" ],
	[   'a loop that is left, UNION ALL',
		"SELECT leave_loop('SELECT updated_at FROM $c UNION ALL SELECT updated_at FROM $c ORDER BY updated_at DESC', "
		  . '30)', 2, 4 ],
	[   'a subquery for each row, partitions',
		'SELECT n.note, s.updated_at FROM note n, LATERAL (SELECT updated_at, row_number() OVER (ORDER BY updated_at '
		  . 'DESC) i FROM websites w WHERE w.state = n.state) s WHERE i <= 2 ORDER BY 1, 2 DESC', 4, 60,
		'SELECT n.note, s.updated_at FROM note n, LATERAL (SELECT updated_at FROM copy.websites w WHERE w.state = '
		  . 'n.state ORDER BY 1 DESC LIMIT 2) s ORDER BY 1, 2 DESC' ],
	[ 'an aggregate of all', "SELECT array_agg(updated_at ORDER BY updated_at DESC) FROM $c" ],
	[ 'all rows', "SELECT updated_at FROM $c ORDER BY updated_at DESC" ],
	[ 'a window over all', "SELECT updated_at, row_number() OVER (ORDER BY updated_at DESC) FROM $c" ],
);

my $node = start_node();

foreach my $size ([ 2000, 1000 ], [ 6000, 3000 ])
{
	my $sandbox = CrispSandbox->start(conversations => $size->[0], people => $size->[1]);

	connect_crisp($node, $sandbox);
	connect_crisp($node, $sandbox, website => 1, server => 'other', schema => 'other');
	run_statements($node, $sandbox);
	make_copies();
	sql("$leave CREATE TABLE copy.operators AS SELECT * FROM crisp.operators;"
		  . "CREATE TABLE note (state text, note text);"
		  . "INSERT INTO note VALUES ('pending', 'p'), ('unresolved', 'u'), ('resolved', 'r');"
		  . 'CREATE TABLE websites (website_id text, state text, updated_at timestamptz NOT NULL) PARTITION BY LIST '
		  . "(website_id); CREATE FOREIGN TABLE website_0 PARTITION OF websites FOR VALUES IN ('"
		  . $sandbox->website_id(0) . "') SERVER support OPTIONS (resource 'conversations'); "
		  . "CREATE FOREIGN TABLE website_1 PARTITION OF websites FOR VALUES IN ('" . $sandbox->website_id(1)
		  . "') SERVER other OPTIONS (resource 'conversations'); CREATE TABLE copy.websites AS SELECT * FROM websites;"
		  . 'CREATE TABLE moment AS SELECT DISTINCT updated_at AS t FROM copy.conversations');
	my $all = pages_of('conversations', 'true') + 1;

	# One that is left early, so that the session knows how pages end.
	sql("SELECT count(*) FROM $c");
	foreach my $analyzed (0, 1)
	{
		sql("ANALYZE $c, $p; ANALYZE note, moment") if $analyzed;
		foreach my $case (@statements)
		{
			my ($name, $statement, $fewest, $most, $local) = @{$case};
			my $rows = sql(local_of($local // $statement));

			$sandbox->show_rechecks(1);
			my ($printed, @requests) = requests_of($statement);
			$sandbox->show_rechecks(0);
			$name = "$size->[0] conversations, " . ($analyzed ? 'analyzed, ' : '') . $name;
			isnt($rows, '', "$name: there are rows");
			is($printed, $rows, "$name: rows");
			cmp_ok(scalar @requests, '>=', $fewest // $all,      "$name: requests");
			cmp_ok(scalar @requests, '<=', $most   // $all + 8, "$name: requests are few");
		}
	}

	# Who wants all rows of partitions pays no more than without an order, and gets them all.
	foreach my $analyzed (0, 1)
	{
		sql('ANALYZE website_0, website_1') if $analyzed;
		my $name = "$size->[0] conversations, " . ($analyzed ? 'analyzed, ' : '') . 'all rows of partitions';
		my ($all_rows, @of_all) = requests_of('SELECT updated_at FROM websites');
		my ($sorted, @of_sorted) = requests_of('SELECT updated_at FROM websites ORDER BY updated_at DESC');

		is(join("\n", sort split /\n/, $sorted), join("\n", sort split /\n/, $all_rows), "$name: rows");
		is($sorted, sql('SELECT updated_at FROM copy.websites ORDER BY updated_at DESC'), "$name: order");
		is(scalar @of_sorted, scalar @of_all, "$name: requests");
		is( sql('SELECT n.note, s.updated_at FROM note n, LATERAL (SELECT updated_at FROM websites w WHERE w.state = '
				  . 'n.state ORDER BY 1 DESC OFFSET 0) s ORDER BY 1, 2'),
			sql('SELECT n.note, w.updated_at FROM note n JOIN copy.websites w USING (state) ORDER BY 1, 2'),
			"$name: for each row of another table");
	}

	# Of pages ahead of need, no more than half as many as were read; and memory doesn't grow.
	sql("ALTER SERVER support OPTIONS (SET prefetch '8')");
	foreach my $case (grep { $_->[0] =~ /^a cursor, / } @statements)
	{
		my ($name, $statement, undef, $most) = @{$case};
		my ($printed, @requests) = requests_of($statement);

		is($printed, sql(local_of($statement)), "$size->[0] conversations, prefetch 8, $name: rows");
		cmp_ok(scalar @requests, '<=', ceil($most * 1.5), "$size->[0] conversations, prefetch 8, $name: requests");
	}
	sql("ALTER SERVER support OPTIONS (SET prefetch '1')");
	if ($size->[0] > 2000)
	{
		my $session = CrispSession->start($node);
		my @memory;

		$session->query("BEGIN; DECLARE c CURSOR FOR SELECT * FROM $c ORDER BY updated_at DESC");
		foreach my $step (1 .. 100)
		{
			$session->query('MOVE 50 FROM c');
			push @memory, $session->memory if $step % 20 == 0;
		}
		cmp_ok($memory[-1] - $memory[0], '<', 2 * 1024 * 1024, 'memory of a stream that goes on') or diag("@memory");
		$session->quit;
	}

	# Whatever Crisp does, rows are right: in sessions that know nothing, and in those that do.
	foreach my $setting (
		(map { { honour_order => $false, default_order => $_ } } 'state', 'created', 'updated', 'insertion'),
		{ honour_filters => $false },
		{ segments_filter => 'ignored' },
		{ segments_filter => 'refused' },
		{ date_bounds => 'exclusive', full_last_page => 206, past_end => 'not_found' })
	{
		next if $size->[0] > 2000;
		my $text = join ', ', map { "$_ $setting->{$_}" } sort keys %{$setting};

		foreach my $case (@statements)
		{
			my ($name, $statement, undef, undef, $local) = @{$case};
			my $rows    = sql(local_of($local // $statement));
			my $session = CrispSession->start($node);

			$sandbox->control($setting);
			is($session->query("SET TimeZone = 'UTC'; $statement"), $rows, "$text: $name, $_")
			  foreach 'the first time', 'the second time';
			$session->quit;
			$sandbox->reset;
		}
	}
	sql('SET client_min_messages = warning; DROP SERVER support, other CASCADE; DROP SCHEMA crisp, copy, ms, other '
		  . 'CASCADE; DROP TABLE note, moment, websites');
	$sandbox->stop;
}

# Many rows that have changed at once aren't asked for again with each look for rows that have moved.
{
	my $sandbox = CrispSandbox->start(conversations => 1500);

	connect_crisp($node, $sandbox);
	$sandbox->data([ { op => 'touch_random', count => 900, seed => 3 } ]);
	my $session = CrispSession->start($node);
	$sandbox->clear;
	$session->query("BEGIN; DECLARE c CURSOR FOR SELECT session_id FROM $c ORDER BY updated_at DESC");
	$session->query("MOVE $_ IN c") foreach 120, 280, 500;
	cmp_ok($sandbox->count, '<=', 900 / 50 + 4, 'a cursor after a burst of changes');
	$session->query('COMMIT');
	my $window = "SELECT session_id, row_number() OVER (ORDER BY updated_at DESC) n FROM $c";
	is($session->query("SELECT count(*) FROM ($window) x WHERE n <= 700"), 700, '... and a window: rows');
	$session->quit;
	$sandbox->stop;
	sql('SET client_min_messages = warning; DROP SERVER support CASCADE; DROP SCHEMA crisp');
}

# First rows that were given on trust in an order which a later run disproves: an error, and the next time all is right.
{
	my $sandbox = CrispSandbox->start(conversations => 6000);
	my $session;

	connect_crisp($node, $sandbox);
	sql("CREATE TABLE local AS SELECT * FROM $c");
	$sandbox->control({ honour_order => $false, default_order => 'state' });

	# Those on the first page, which looks sorted, and one who isn't there.
	sql("CREATE TABLE people AS SELECT row_number() OVER () n, people_id FROM (SELECT people_id FROM $c LIMIT 9) p "
			. "WHERE people_id IS NOT NULL UNION ALL SELECT 21, 'nobody'");
	my $latest = 'SELECT n, (SELECT max(updated_at) FROM %s c WHERE c.people_id = w.people_id) FROM people w';
	my $right = sql(sprintf($latest, 'local'));
	$session = CrispSession->start($node);
	$session->fails(sprintf($latest, $c), { sqlstate => '40001', hint => qr/Run the statement again/ },
		'an order that a later run disproves');
	is($session->query(sprintf($latest, $c)), $right, '... and the same statement again');
	$session->quit;
	$sandbox->stop;
}

$node->stop;
done_testing();
