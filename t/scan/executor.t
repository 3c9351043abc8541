# What the executor does with scans: limits, rescans, cursors, joins, statements
# that take all rows, plans that are kept, and whose credentials count.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispStatement;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 230, people => 160, operators => 12);

run_statements($node, $sandbox);

my @conversations = $sandbox->rows('conversations');
my @operators     = $sandbox->rows('operators');
my $conversations = @conversations;

sql(q(CREATE FOREIGN TABLE small (session_id text) SERVER support OPTIONS (resource 'conversations', per_page '20'))
);

my $select = 'SELECT session_id FROM crisp.conversations';
my $all    = pages($conversations);

# LIMIT stops asking.
foreach my $case ([ 0, 0 ], [ 1, 1 ], [ 50, 1 ], [ 51, 2 ], [ 100, 2 ])
{
	my ($limit, $requests) = @{$case};

	is(scalar(split /\n/, costs($requests, "$select LIMIT $limit", "LIMIT $limit")),
		$limit, "LIMIT $limit: rows");
}
costs(2,    "$select OFFSET 60 LIMIT 5",           'OFFSET');
costs($all, "$select ORDER BY meta_email LIMIT 5", 'LIMIT after a sort');
is(scalar(split /\n/, sql("$select WHERE state = 'resolved' LIMIT 5")),
	5, 'LIMIT counts the rows that match');

# A scan that is run again is served from what it has fetched.
{
	my $settings =
	  'SET enable_material = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_memoize = off;';
	my $join =
	  'FROM (VALUES (1), (2), (3)) v (x) LEFT JOIN crisp.conversations c ON length(c.session_id) > v.x';
	my $plan = sql("$settings EXPLAIN (COSTS OFF) SELECT * $join");

	like($plan, qr/Nested Loop Left Join/, 'the plan scans again');
	unlike($plan, qr/Material|Memoize/, 'and nothing else keeps the rows');
	is( costs(
			$all,
			"$settings SELECT count(*), count(DISTINCT session_id), min(n), max(n) FROM (SELECT c.session_id, count(*) "
				. "AS n $join GROUP BY 1) s",
			'three scans'),
		"$conversations|$conversations|3|3",
		'three scans: rows');
	is( costs(
			1,
			"$settings SELECT x, (SELECT count(*) FROM (SELECT session_id FROM crisp.conversations LIMIT 30) c "
				. "WHERE length(c.session_id) > v.x) FROM (VALUES (1), (2)) v (x)",
			'a part that is scanned again'),
		"1|30\n2|30",
		'a part that is scanned again: rows');
	is( costs(
			$all,
			"$settings SELECT count(*) FROM crisp.conversations a JOIN crisp.conversations b "
				. "ON a.session_id > b.session_id WHERE length(a.session_id) = 0",
			'an outer side without rows'),
		0,
		'an outer side without rows');
	is( costs(
			2 * $all,
			"$settings SELECT count(*) FROM crisp.conversations a JOIN crisp.conversations b "
				. "ON a.session_id > b.session_id",
			'a table joined with itself'),
		$conversations * ($conversations - 1) / 2,
		'a table joined with itself: rows');
	my $named = grep { ($_->{details}->{first_name} // '') ne '' } @operators;
	is( costs(
			1,
			"SELECT x, (SELECT count(*) FROM crisp.operators o WHERE o.first_name > v.x) FROM (VALUES (''), (NULL), "
				. "(' ')) v (x)",
			'a condition with a parameter that stays local'),
		"|$named\n|0\n |$named",
		'a condition with a parameter that stays local: rows');

	# A bound that does change is asked for anew, and only then.
	my ($newest, $thirtieth) =
	  split /\n/, sql('SELECT updated_at FROM crisp.conversations LIMIT 1; '
		  . 'SELECT updated_at FROM crisp.conversations OFFSET 29 LIMIT 1');
	my $counted = 'SELECT count(*) FROM crisp.conversations c WHERE c.updated_at >=';
	is( costs(
			2,
			"SELECT ($counted v.x) FROM (VALUES "
			  . "(timestamptz '$newest'), ('$newest'), ('$thirtieth'), ('$thirtieth')) v (x)",
			'a bound that changes'),
		join("\n", map { (sql("$counted '$_'")) x 2 } $newest, $thirtieth),
		'a bound that changes: rows');
}

# Cursors.
is( scalar(
		split /\n/,
		costs(
			1,
			"BEGIN; DECLARE c CURSOR FOR $select; FETCH 10 FROM c; FETCH 40 FROM c; CLOSE c; COMMIT",
			'a cursor closed half way')),
	50,
	'a cursor closed half way: rows');
{
	my @order   = split /\n/, sql($select);
	my @fetched = split /\n/,
	  costs(
		2,
		"BEGIN; DECLARE c SCROLL CURSOR FOR $select; FETCH 60 FROM c; FETCH BACKWARD 5 FROM c; "
		  . 'FETCH ABSOLUTE 1 FROM c; FETCH FIRST FROM c; MOVE ABSOLUTE 30 IN c; FETCH 2 FROM c; CLOSE c; COMMIT',
		'SCROLL');

	is_deeply(\@fetched, [ @order[ 0 .. 59 ], reverse(@order[ 54 .. 58 ]), @order[ 0, 0, 30, 31 ] ],
		'SCROLL: rows');

	@fetched = split /\n/,
	  costs(
		$all,
		"BEGIN; DECLARE c CURSOR WITH HOLD FOR $select; FETCH 3 FROM c; COMMIT; FETCH 3 FROM c; "
		  . 'MOVE FORWARD ALL IN c; FETCH 1 FROM c; CLOSE c',
		'WITH HOLD');
	is_deeply(\@fetched, [ @order[ 0 .. 5 ] ], 'WITH HOLD: rows');

	@fetched = split /\n/,
	  costs(
		2,
		"BEGIN; DECLARE c NO SCROLL CURSOR FOR $select; FETCH 49 FROM c; SAVEPOINT s; FETCH 3 FROM c; RELEASE s; "
			. "FETCH 3 FROM c; COMMIT",
		'a savepoint');
	is_deeply(\@fetched, [ @order[ 0 .. 54 ] ], 'a cursor read across savepoints');

	@fetched = split /\n/,
	  costs(
		4,
		"BEGIN; DECLARE a CURSOR FOR $select; DECLARE b CURSOR FOR $select; "
		  . 'FETCH 50 FROM a; FETCH 50 FROM b; FETCH 1 FROM a; FETCH 1 FROM b; COMMIT',
		'two cursors at once');
	is_deeply(
		\@fetched,
		[ @order[ 0 .. 49 ], @order[ 0 .. 49 ], @order[ 50, 50 ] ],
		'two cursors at once: rows');
}
is( costs(
		1,
		"DO \$\$ DECLARE r record; n int := 0; BEGIN FOR r IN $select LOOP n := n + 1; EXIT WHEN n = 5; END LOOP; "
		  . "IF n <> 5 THEN RAISE 'n is %', n; END IF; END \$\$",
		'a loop left early'),
	'',
	'a loop left early');

# Statements that take all rows.
costs($all, 'COPY (SELECT * FROM crisp.conversations) TO STDOUT', 'COPY');
is(scalar(split /\n/, sql("COPY ($select) TO STDOUT")), $conversations, 'COPY: rows');
is( costs(
		$all,
		'CREATE TABLE taken AS SELECT * FROM crisp.conversations; SELECT count(*) FROM taken',
		'CREATE TABLE AS'),
	$conversations,
	'CREATE TABLE AS: rows');
is( costs(
		$all, 'INSERT INTO taken SELECT * FROM crisp.conversations; SELECT count(*) FROM taken',
		'INSERT'),
	2 * $conversations,
	'INSERT: rows');
costs(
	$all,
	'CREATE MATERIALIZED VIEW kept AS SELECT * FROM crisp.conversations',
	'CREATE MATERIALIZED VIEW');
is(costs(0, 'SELECT count(*) FROM kept', 'reading it'), $conversations, 'reading it');
$sandbox->data([ { op => 'delete', resource => 'conversations', index => 3 } ]);
my $left = sql('SELECT count(*) FROM crisp.conversations');
is(costs(pages($left), 'REFRESH MATERIALIZED VIEW kept; SELECT count(*) FROM kept', 'REFRESH'),
	$left, 'REFRESH: rows');
is( costs(
		pages($left),
		'CREATE UNIQUE INDEX ON kept (session_id); REFRESH MATERIALIZED VIEW CONCURRENTLY kept; SELECT count(*) '
			. 'FROM kept',
		'REFRESH CONCURRENTLY'),
	$left,
	'REFRESH CONCURRENTLY: rows');
$sandbox->reset;

is( costs(
		2,
		'SELECT count(*) FROM (SELECT user_id FROM crisp.operators UNION ALL SELECT user_id FROM crisp.operators) u',
		'UNION ALL'),
	24,
	'UNION ALL: rows');
is( costs(
		1,
		'WITH o AS MATERIALIZED (SELECT * FROM crisp.operators) SELECT count(*) FROM o a JOIN o b USING (email)',
		'CTE'),
	12,
	'CTE: rows');
is( costs(
		1,
		'SELECT max(n) FROM (SELECT row_number() OVER (ORDER BY user_id) AS n FROM crisp.operators) w',
		'a window function'),
	12,
	'a window function: rows');
is(costs(1, "SELECT EXISTS ($select)",                   'EXISTS'), 't', 'EXISTS');
is(costs(0, "SELECT 1 WHERE false AND EXISTS ($select)", 'a branch that is never run'),
	'', 'a branch that is never run');
is( costs(
		1,
		"SELECT CASE WHEN count(*) > 0 THEN 'some' ELSE (SELECT max(session_id) FROM crisp.conversations) END "
			. "FROM crisp.operators",
		'CASE'),
	'some',
	'CASE: the other branch is not run');
is( sql('SELECT count(*) FROM crisp.conversations c JOIN crisp.operators o ON o.user_id = c.assigned_user_id'
	),
	scalar(grep { defined(($_->{assigned} // {})->{user_id}) } @conversations),
	'a join of two resources');

# Rows that are locked, or that an UPDATE joins with, are fetched as a whole.
is( costs(
		1,
		"SELECT string_agg(t, ',') FROM (SELECT type AS t FROM crisp.operators WHERE first_name > '' LIMIT 2 FOR "
			. "UPDATE) s",
		'FOR UPDATE'),
	sql("SELECT string_agg(type, ',') FROM (SELECT type FROM crisp.operators WHERE first_name > '' LIMIT 2) s"
	),
	'FOR UPDATE: rows');
is( costs(
		1,
		'CREATE TABLE desk AS SELECT user_id, NULL::text AS name FROM crisp.operators WHERE false; '
		  . 'INSERT INTO desk SELECT user_id FROM crisp.operators; ',
		'a local table'),
	'',
	'a local table');
is( costs(
		1,
		'UPDATE desk d SET name = o.email FROM crisp.operators o WHERE o.user_id = d.user_id; SELECT count(name) '
			. 'FROM desk',
		'UPDATE from a foreign table'),
	scalar(grep { defined $_->{details}->{user_id} } @operators),
	'UPDATE from a foreign table: rows');

#
# Plans that are kept see what has changed.
#
{
	my $other = CrispSession->start($node);
	my $query = sub {
		my ($statement) = @_;

		$sandbox->clear;
		return $other->query($statement);
	};
	my $right = credential_options($sandbox, 'website') =~ s/(tier|identifier|key) /SET $1 /gr;
	my $key   = sql(
		'SELECT session_id FROM crisp.conversations ORDER BY length(meta_nickname) DESC NULLS LAST LIMIT 1'
	);
	my ($state, $nickname) =
	  split /\|/,
	  sql("SELECT state, meta_nickname FROM crisp.conversations WHERE session_id = '$key'");

	sql(q(CREATE FOREIGN TABLE asked (session_id text, who text OPTIONS (json_path 'state'))
	      SERVER support OPTIONS (resource 'conversations')));
	foreach my $mode ('force_custom_plan', 'force_generic_plan')
	{
		$other->query("DEALLOCATE ALL; SET plan_cache_mode = $mode");
		$other->query('PREPARE counted AS SELECT count(*) FROM small');
		$other->query('PREPARE asked(text) AS SELECT who FROM asked WHERE session_id = $1');
		is($query->('EXECUTE counted'), $conversations,            "$mode: prepared");
		is($sandbox->count,             pages($conversations, 20), "$mode: prepared: requests");

		sql(q(ALTER FOREIGN TABLE small OPTIONS (SET per_page '30')));
		is($query->('EXECUTE counted'), $conversations, "$mode: after ALTER FOREIGN TABLE");
		like(queries(), qr/^(per_page=30&order_date_updated=1 ?)+$/, "$mode: after ALTER FOREIGN TABLE: requests");

		sql(q(ALTER FOREIGN TABLE small OPTIONS (DROP per_page); ALTER SERVER support OPTIONS (ADD per_page '40'))
		);
		is($query->('EXECUTE counted'), $conversations, "$mode: after ALTER SERVER");
		like(queries(), qr/^(per_page=40&order_date_updated=1 ?)+$/, "$mode: after ALTER SERVER: requests");
		sql('ALTER SERVER support OPTIONS (DROP per_page)');

		sql(q(ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (SET key 'not-the-key')));
		$sandbox->clear;
		$other->fails(
			'EXECUTE counted',
			{ sqlstate => '28000', message => qr/^Crisp rejected the credentials/ },
			"$mode: after ALTER USER MAPPING");
		is($sandbox->count, 1, "$mode: after ALTER USER MAPPING: requests");
		sql("ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS ($right)");
		is($query->('EXECUTE counted'), $conversations, "$mode: after it was put right");

		is($query->("EXECUTE asked('$key')"), $state, "$mode: a column");
		sql(q(ALTER FOREIGN TABLE asked ALTER COLUMN who OPTIONS (SET json_path 'meta.nickname')));
		is($query->("EXECUTE asked('$key')"), $nickname, "$mode: after its json_path changed");
		sql(q(ALTER FOREIGN TABLE asked ALTER COLUMN who OPTIONS (SET json_path 'state')));

		sql(q(ALTER FOREIGN TABLE small OPTIONS (SET resource 'people_profiles')));
		is($query->('EXECUTE counted'), 160, "$mode: after the resource changed");
		sql(q(ALTER FOREIGN TABLE small OPTIONS (SET resource 'conversations', ADD per_page '20')));
	}
}

#
# Whose credentials a view uses.
#
{
	my $plugin = credential_options($sandbox, 'plugin');
	my $as     = sub {
		my ($role, $statement) = @_;

		$sandbox->clear;
		my $rows  = sql("SET ROLE $role; $statement");
		my %tiers = map { $_->{headers}->{'x-crisp-tier'} => 1 } $sandbox->requests;
		return join ' ', $rows, sort keys %tiers;
	};

	sql(<<"END");
CREATE ROLE reader;
CREATE ROLE owner;
GRANT USAGE ON SCHEMA crisp TO owner, reader;
GRANT SELECT ON ALL TABLES IN SCHEMA crisp TO owner;
GRANT CREATE ON SCHEMA public TO owner;
CREATE USER MAPPING FOR owner SERVER support OPTIONS ($plugin);
SET ROLE owner;
CREATE VIEW staff_of_owner AS SELECT user_id FROM crisp.operators;
CREATE FUNCTION staff_of_definer() RETURNS bigint LANGUAGE sql SECURITY DEFINER
	AS 'SELECT count(*) FROM crisp.operators';
GRANT SELECT ON staff_of_owner TO reader;
RESET ROLE;
CREATE VIEW staff_of_superuser AS SELECT user_id FROM crisp.operators;
GRANT SELECT ON staff_of_superuser TO reader, owner;
END
	is($as->('owner',  'SELECT count(*) FROM crisp.operators'), '12 plugin', 'a table');
	is($as->('reader', 'SELECT count(*) FROM staff_of_owner'),
		'12 plugin', "the mapping of a view's owner");
	is($as->('reader', 'SELECT count(*) FROM staff_of_superuser'),
		'12 website', "the mapping of a view's owner");
	is($as->('owner', 'SELECT count(*) FROM staff_of_superuser'),
		'12 website', 'not that of who looks');
	is($as->('reader', 'SELECT staff_of_definer()'),
		'12 plugin', "the mapping of a function's owner");
	is( $as->(
			'none',
			"PREPARE p AS SELECT count(*) FROM crisp.operators; EXECUTE p; SET ROLE owner; EXECUTE p"
		),
		"12\n12 plugin website",
		'a plan kept while the role changes');
}

$node->stop;
done_testing();
