# Plans: how EXPLAIN shows them, and what the executor and other parts of
# PostgreSQL do with scans that Crisp was told conditions of.

use strict;
use warnings;

use CrispCluster;
use CrispCopy;
use CrispSession;
use CrispStatement;
use JSON::PP;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 2000, people => 1000);
my $website = $sandbox->website_id;

run_statements($node, $sandbox);
make_copies();

my $conversations = 'crisp.conversations';
my $people        = 'crisp.people_profiles';
my ($early, $late) = map { lonely_time($_) } 'ASC', 'DESC';
my ($e, $l) = map { "timestamptz '$_'" } $early, $late;
my @keys     = keys_of('conversations', 'session_id', 30);
my $resolved = "state IS NOT DISTINCT FROM 'resolved'";
my $changed  = "timestamptz '"
  . sql('SELECT updated_at FROM copy.people_profiles ORDER BY 1 DESC OFFSET 130 LIMIT 1') . "'";

sql(<<"END");
CREATE TABLE bound AS SELECT $e AS early, $l AS late;
CREATE TABLE few (k text, n int);
INSERT INTO few SELECT k, n FROM unnest(ARRAY[${\ quoted(@keys[ 0 .. 6 ]) }, 'absent',
	NULL]) k, generate_series(1, 3) n;
ANALYZE bound, few;
END

#
# EXPLAIN.
#

{
	my $base      = "GET website/$website/conversations/1?per_page=50";
	my $condition = "updated_at > $l AND state = 'resolved' AND meta_nickname <> 'x'";
	my $select    = "SELECT session_id FROM $conversations WHERE $condition";
	my $start     = sql(
		qq(SELECT to_char(($l - interval '1 ms') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
	);
	my $request = "$base&filter_date_start=$start&filter_resolved=1&order_date_updated=1";
	my $plan    = plan_of($select, options => 'VERBOSE');

	like(
		$plan,
		qr/^ *Filter: (?=.*updated_at > )(?=.*state = ).*meta_nickname <> /m,
		'EXPLAIN: the local filter has all conditions');
	like($plan, qr/^ *Crisp Request: \Q$request\E$/m, 'EXPLAIN: request');
	like(
		$plan,
		qr/^ *Asked of Crisp: .*updated_at > .* AND .*state = 'resolved'/m,
		'EXPLAIN VERBOSE: asked');
	unlike($plan, qr/^ *Asked of Crisp: .*meta_nickname/m, 'EXPLAIN VERBOSE: not asked');
	like($plan, qr/^ *Checked Locally Only: .*meta_nickname <> 'x'/m, 'EXPLAIN VERBOSE: local');
	unlike(plan_of($select), qr/Asked of Crisp|Checked Locally/, 'EXPLAIN without VERBOSE');
	unlike(plan_of($select), qr/Requests/,                       'EXPLAIN without COSTS');

	like(
		plan_of($select, options => 'COSTS'),
		qr/^ *Expected Requests: [1-9][0-9]*$/m,
		'EXPLAIN: expected requests');
	like(
		plan_of(
			"SELECT * FROM $conversations WHERE session_id IN ('b', 'a', 'b')",
			options => 'COSTS'),
		qr{Crisp Request: GET website/$website/conversation/a, GET website/$website/conversation/b\n *Expected Requests: [23]$}m,
		'EXPLAIN: keys');
	like(
		plan_of("SELECT * FROM $conversations WHERE session_id = ANY (ARRAY(SELECT k FROM few))"),
		qr{Crisp Request: GET website/$website/conversation/\{key\}$}m,
		'EXPLAIN: keys that are not known yet');
	like(
		plan_of("SELECT * FROM $conversations WHERE updated_at > (SELECT late FROM bound)"),
		qr/Crisp Request: \Q$base\E&filter_date_start=\{.+\}&order_date_updated=1$/m,
		'EXPLAIN: a value that is not known yet');
	like(
		plan_of("SELECT * FROM $conversations ORDER BY updated_at DESC LIMIT 5"),
		qr/Crisp Request: \S+ \S+per_page=20&order_date_updated=1\n *Early Stop: 5 rows$/m,
		'EXPLAIN: the newest rows');
	like(
		plan_of("SELECT * FROM $people WHERE updated_at > $l"),
		qr/Crisp Request: \S+ \S+sort_field=updated_at&sort_order=descending\n *Early Stop: in the order of updated_at/m,
		'EXPLAIN: an early stop');
	like(
		plan_of(
			"SELECT * FROM $conversations WHERE updated_at > $l AND updated_at < $e",
			options => 'COSTS'),
		qr/Crisp Request: none.*\n *Expected Requests: 0$/m,
		'EXPLAIN: nothing to ask');

	my ($startup, $total) =
	  plan_of("SELECT * FROM $conversations WHERE session_id = ANY ('{}')", options => 'COSTS') =~
	  /cost=([0-9.]+)\.\.([0-9.]+)/;
	cmp_ok($total, '>=', $startup, 'EXPLAIN: the costs of no keys');

	# What a newest scan drops counts, too.
	like(
		sql("EXPLAIN (ANALYZE, COSTS OFF) SELECT session_id FROM $conversations WHERE meta_nickname = 'nobody' ORDER "
			. "BY updated_at DESC LIMIT 5"),
		qr/^ *Rows Removed by Filter: @{[ count('conversations', 'true') ]}$/m,
		'EXPLAIN ANALYZE: rows that the newest are looked for in');

	my $json = decode_json(plan_of($select, options => 'FORMAT JSON, VERBOSE'))->[0]->{Plan};
	is($json->{'Crisp Request'}, $request, 'JSON: request');
	like($json->{'Filter'},         qr/meta_nickname/, 'JSON: filter');
	like($json->{'Asked of Crisp'}, qr/state/,         'JSON: asked');
	cmp_ok($json->{'Expected Requests'}, '>', 0, 'JSON: expected requests');
	my $newest = decode_json(
		plan_of(
			"SELECT * FROM $conversations ORDER BY updated_at DESC LIMIT 5",
			options => 'FORMAT JSON'))->[0]->{Plan};
	is($newest->{Plans}->[0]->{'Early Stop'}, 5, 'JSON: early stop');
	my $yaml = plan_of($select, options => 'FORMAT YAML, VERBOSE');
	like($yaml, qr/^ *Crisp Request: "\Q$request\E"$/m, 'YAML: request');
	like($yaml, qr/^ *Expected Requests: [1-9]/m,       'YAML: expected requests');
	my $xml = plan_of($select, options => 'FORMAT XML, VERBOSE');
	like($xml, qr{<Crisp-Request>\Q@{[ $request =~ s/&/&amp;/gr ]}\E</Crisp-Request>},
		'XML: request');
	like($xml, qr{<Expected-Requests>[1-9][0-9]*</Expected-Requests>}, 'XML: expected requests');

	# Parameters that have no values.
  SKIP:
	{
		skip 'EXPLAIN (GENERIC_PLAN) came with PostgreSQL 16', 2
		  if sql('SHOW server_version_num') < 160000;
		like(
			plan_of("SELECT * FROM $conversations WHERE updated_at > \$1 AND state = 'resolved'",
				options => 'GENERIC_PLAN'),
			qr/^ *Crisp Request: \Q$base\E&filter_date_start=\{\$1\}&filter_resolved=1&order_date_updated=1$/m,
			'GENERIC_PLAN: a bound');
		like(
			plan_of("SELECT * FROM $conversations WHERE session_id = \$1", options => 'GENERIC_PLAN'),
			qr{^ *Crisp Request: GET website/$website/conversation/\{key\}$}m,
			'GENERIC_PLAN: a key');
	}

	# ANALYZE tells what it was.
	my $rows = count('conversations', "updated_at >= $l AND $resolved");
	$sandbox->control({ latency_ms => 20 });
	$sandbox->show_rechecks(1);
	my ($analyzed, @requests) = requests_of("EXPLAIN (ANALYZE, FORMAT JSON) $select");
	$sandbox->show_rechecks(0);
	$sandbox->control({ latency_ms => 0 });
	$json = decode_json($analyzed)->[0]->{Plan};
	is($json->{'Requests'},        scalar @requests, 'ANALYZE: requests');
	is($json->{'Pages'},           scalar @requests, 'ANALYZE: pages');
	is($json->{'Rows Received'} - $json->{'Duplicates Removed'}, $rows, 'ANALYZE: rows received');
	is($json->{'Duplicates Removed'}, 1, 'ANALYZE: duplicates: the newest row, in the recheck');
	is($json->{'Recheck Requests'}, 1, 'ANALYZE: requests for rechecks');
	cmp_ok($json->{'Received'},     '>', 500 * $rows, 'ANALYZE: bytes');
	cmp_ok($json->{'Waiting Time'}, '>', 15,          'ANALYZE: time spent waiting');
	$sandbox->data(
		[   map {
				{   op         => 'insert_random',
					resource   => 'conversations',
					count      => 3,
					seed       => 1,
					at_request => { path => '*/conversations/2', when => 'before' } }
			} 1 ]);
	my $read = sql(
		"EXPLAIN (ANALYZE, COSTS OFF) SELECT session_id FROM $conversations WHERE updated_at > $e AND state IS NOT NULL"
	);
	like($read, qr/^ *Duplicates Removed: 4$/m, 'ANALYZE: rows that came twice, and that of the recheck');
	like($read, qr/^ *Recheck Requests: 1$/m, 'ANALYZE: the recheck');
	unlike(
		sql("EXPLAIN (ANALYZE, COSTS OFF) SELECT session_id FROM $conversations LIMIT 30"),
		qr/Recheck/,
		'ANALYZE: no recheck');
	like(
		$read,
		qr/^ *Received: [1-9][0-9]* bytes\n *Waiting Time: [0-9.]+ ms$/m,
		'ANALYZE: bytes and time');
	$sandbox->reset;
	my $lookups = decode_json(
		sql("EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) SELECT * FROM $conversations WHERE session_id IN "
			. "('$keys[0]', 'x')"
		))->[0]->{Plan};
	is($lookups->{'Requests'}, 2, 'ANALYZE: lookups');
	ok(!exists $lookups->{'Waiting Time'}, 'ANALYZE, TIMING OFF');
	unlike(
		plan_of("SELECT * FROM $conversations", options => 'ANALYZE OFF, VERBOSE')
		  . $analyzed
		  . $read,
		qr/@{[ $sandbox->credentials->{key} ]}|@{[ $sandbox->credentials->{identifier} ]}/,
		'EXPLAIN tells no credentials');
}

#
# What the executor, and others, do with such scans: as with local tables.
#

foreach my $query (
	'SELECT a.session_id, b.updated_at FROM [c] a JOIN [c] b USING (session_id) WHERE a.session_id IN (<keys>)',
	'SELECT p.people_id, c.session_id FROM [p] p JOIN [c] c USING (people_id) WHERE p.created_at > <late> '
		. 'AND c.updated_at > <late>',
	'SELECT p.people_id, c.session_id FROM [c] c LEFT JOIN [p] p USING (people_id) WHERE c.session_id IN (<keys>)',
	'SELECT coalesce(c.session_id, p.people_id) FROM [c] c FULL JOIN [p] p USING (people_id) '
		. 'WHERE c.updated_at > <late> OR p.updated_at > <late>',
	'SELECT session_id FROM [c] WHERE updated_at > <late> AND people_id NOT IN (SELECT people_id FROM [p] '
		. 'WHERE updated_at > <late>)',
	'SELECT session_id FROM [c] WHERE session_id IN (<keys>) UNION SELECT people_id FROM [p] WHERE updated_at > <late>',
	'SELECT session_id FROM [c] WHERE session_id IN (<keys>) INTERSECT SELECT session_id FROM [c] '
		. 'WHERE updated_at > <early>',
	'WITH RECURSIVE r(k, n) AS (SELECT <key>, 1 UNION ALL SELECT c.session_id, n + 1 FROM r JOIN [c] c '
		. 'ON c.session_id = r.k WHERE n < 4) SELECT * FROM r',
	'WITH k AS MATERIALIZED (SELECT unnest(ARRAY[<keys>]) AS k) SELECT session_id, updated_at FROM k JOIN [c] '
		. 'ON session_id = k',
	'SELECT session_id, updated_at FROM [c] WHERE session_id = <key> FOR UPDATE',
	'SELECT c.session_id, f.n FROM few f JOIN [c] c ON c.session_id = f.k FOR UPDATE OF c',
	'SELECT k, (SELECT array_agg(updated_at) FROM [c] WHERE session_id = f.k OR session_id = <key>) FROM few f '
		. 'WHERE n = 1',
	'SELECT f.k, s.* FROM few f LEFT JOIN LATERAL (SELECT updated_at, f.n FROM [c] WHERE session_id = f.k LIMIT 1) s '
		. 'ON true',
	'SELECT f.k, s.* FROM few f CROSS JOIN LATERAL (SELECT max(updated_at) FROM [c] WHERE updated_at > <late> '
		. 'AND session_id <> f.k) s',
	'SELECT count(*) FROM [c] a, [c] b WHERE a.updated_at > <late> AND b.session_id = a.session_id '
		. 'AND b.updated_at >= a.updated_at',
	'SELECT state, count(*), grouping(state) FROM [c] WHERE updated_at > <late> GROUP BY ROLLUP (state)',
	'SELECT session_id, lag(session_id) OVER (ORDER BY updated_at, session_id) FROM [c] WHERE updated_at > <late>'
  )
{
	my ($first, @rest) = map { "'$_'" } @keys[ 0 .. 4 ];
	my $keys = join ', ', $first, @rest, "'absent'", $first;
	my $text =
	  $query =~ s/<keys>/$keys/r =~ s/<key>/$first/gr =~ s/<late>/$l/gr =~ s/<early>/$e/gr =~
	  s/\[c\]/$conversations/gr =~ s/\[p\]/$people/gr;

	is(sorted((requests_of($text))[0]), sorted(sql(local_of($text))), "rows: $query");
}
foreach my $schema ('crisp', 'copy')
{
	sql(<<"END");
CREATE SCHEMA over_$schema;
SET search_path = over_$schema;
CREATE TABLE whole (session_id text, state text, updated_at timestamptz, origin text) PARTITION BY LIST (origin);
CREATE TABLE local PARTITION OF whole FOR VALUES IN ('local');
INSERT INTO local SELECT session_id || ' archived', state, updated_at - interval '1 h', 'local' FROM copy.conversations;
ANALYZE local;
CREATE TABLE parent (session_id text, updated_at timestamptz);
INSERT INTO parent VALUES ('session_parent', $l);
CREATE VIEW guarded WITH (security_barrier) AS SELECT session_id, meta_email, updated_at FROM $schema.conversations
	WHERE state = 'resolved';
CREATE FUNCTION tell(text) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql
	AS 'BEGIN RAISE NOTICE ''%'', \$1; RETURN true; END';
END
}
sql(<<"END");
CREATE FOREIGN TABLE over_crisp.remote (junk int, updated_at timestamptz NOT NULL, origin text
	OPTIONS (json_path 'website_id'), session_id text, state text)
	SERVER support OPTIONS (resource 'conversations');
ALTER FOREIGN TABLE over_crisp.remote DROP COLUMN junk;
ANALYZE over_crisp.remote;
ALTER TABLE over_crisp.whole ATTACH PARTITION over_crisp.remote FOR VALUES IN ('$website');
CREATE FOREIGN TABLE over_crisp.child (updated_at timestamptz NOT NULL, session_id text) SERVER support
	OPTIONS (resource 'conversations');
ALTER FOREIGN TABLE over_crisp.child INHERIT over_crisp.parent;
CREATE TABLE over_copy.remote PARTITION OF over_copy.whole FOR VALUES IN ('$website');
INSERT INTO over_copy.remote SELECT session_id, state, updated_at, website_id FROM copy.conversations;
CREATE TABLE over_copy.child () INHERITS (over_copy.parent);
INSERT INTO over_copy.child SELECT session_id, updated_at FROM copy.conversations;
END
{
	my $key = $keys[0];

	foreach my $case (
		[ 1, 'SELECT updated_at FROM whole ORDER BY updated_at DESC LIMIT 9' ],
		[   1,
			"SELECT updated_at FROM whole WHERE state = 'resolved' ORDER BY updated_at DESC LIMIT 9"
		],
		[   2,
			"SELECT session_id, updated_at FROM whole WHERE session_id IN ('$key', '$key archived')"
		],
		[   pages_of('conversations', "updated_at > $l"),
			"SELECT session_id, origin FROM whole WHERE updated_at > $l" ],
		[ 0, "SELECT count(*) FROM whole WHERE origin = 'local'" ],
		[ 1, 'SELECT max(updated_at) FROM whole' ],
		[ 1, 'SELECT updated_at FROM parent ORDER BY updated_at DESC LIMIT 9' ],
		[ 1, "SELECT session_id, updated_at FROM parent WHERE session_id = '$key'" ],
		[ 8, 'SELECT f.k, w.updated_at FROM public.few f JOIN parent w ON w.session_id = f.k' ],
		[   1,
			"SELECT tableoid::regclass::text = 'child', updated_at FROM parent WHERE session_id = '$key'"
		],
		[ 1, "SELECT meta_email FROM guarded WHERE session_id = '$key'" ],

		# A limit does not pass the barrier.
		[   pages_of('conversations', "state = 'resolved'"),
			'SELECT updated_at FROM guarded ORDER BY updated_at DESC LIMIT 9' ])
	{
		my ($requests, $statement) = @{$case};

		check(
			$statement, $requests, $statement,
			none   => 1,
			before => 'SET search_path = over_crisp',
			local  => "SET search_path = over_copy; $statement");
	}

	# A function of the user sees no row that the view hides, although the key is asked for.
	my $session = CrispSession->start($node);
	my $hidden =
	  sql("SELECT session_id FROM copy.conversations WHERE state = 'pending' ORDER BY 1 LIMIT 1");
	foreach my $schema ('crisp', 'copy')
	{
		my $result = $session->run(
			"SET search_path = over_$schema; SELECT session_id FROM guarded WHERE tell(session_id) "
				. "AND session_id = '$hidden'; "
			  . "SELECT count(*) FROM (SELECT * FROM guarded WHERE tell(session_id) ORDER BY updated_at DESC LIMIT 5) s"
		);
		my %seen = map { $_->{message} => 1 } @{ $result->{notices} };
		my $keys = join ', ', map { "'$_'" } keys %seen;

		is($result->{output}, 5, "security barrier, $schema: rows");
		is( sql("SELECT count(*) FROM copy.conversations WHERE session_id IN ($keys) AND state IS DISTINCT "
			. "FROM 'resolved'"
			),
			0,
			"security barrier, $schema: what the function saw");
		cmp_ok(scalar keys %seen, '>=', 5, "security barrier, $schema: it saw some");
	}
	$session->quit;

	# Row security is that of the partitioned table.
	my $credentials = credential_options($sandbox);
	sql("CREATE ROLE agent; CREATE USER MAPPING FOR agent SERVER support OPTIONS ($credentials)");
	foreach my $schema ('over_crisp', 'over_copy')
	{
		sql("GRANT USAGE ON SCHEMA $schema TO agent; GRANT SELECT ON $schema.whole TO agent; ALTER TABLE $schema.whole "
			. "ENABLE ROW LEVEL SECURITY; "
			  . "CREATE POLICY p ON $schema.whole TO agent USING (state = 'resolved')");
	}
	foreach my $statement (
		"SELECT updated_at FROM whole ORDER BY updated_at DESC LIMIT 9",
		"SELECT session_id FROM whole WHERE session_id = '$hidden'",
		"SELECT session_id FROM whole WHERE updated_at > $l")
	{
		is( sorted(sql("SET search_path = over_crisp; SET ROLE agent; $statement")),
			sorted(sql("SET search_path = over_copy; SET ROLE agent; $statement")),
			"row security: $statement");
	}
}

# Cursors, forward and back, over each kind of scan; and loops that are left early.
foreach my $query (
	'SELECT updated_at FROM [c] ORDER BY updated_at DESC LIMIT 70',
	'SELECT updated_at FROM [p] WHERE updated_at > CHANGED ORDER BY updated_at DESC LIMIT 500',
	'SELECT session_id FROM [c] WHERE session_id IN (KEYS) ORDER BY 1')
{
	my $keys = quoted(@keys);
	my $text = $query =~ s/KEYS/$keys/r =~ s/CHANGED/$changed/r =~ s/\[c\]/$conversations/gr =~
	  s/\[p\]/$people/gr;
	my $moves =
	  'FETCH 7 FROM c; FETCH BACKWARD 3 FROM c; FETCH LAST FROM c; FETCH FIRST FROM c; FETCH ABSOLUTE 20 FROM c; '
	  . 'FETCH RELATIVE -5 FROM c; FETCH ABSOLUTE -2 FROM c; MOVE ABSOLUTE 0 IN c; FETCH 3 FROM c; CLOSE c; COMMIT';
	my $loop =
	  'DO $do$ DECLARE r record; n int := 0; BEGIN FOR r IN %s LOOP n := n + 1; EXIT WHEN n = 3; END LOOP; '
	  . 'IF n <> 3 THEN RAISE \'%%\', n; END IF; END $do$';
	my ($fetched, @requests) = requests_of("BEGIN; DECLARE c SCROLL CURSOR FOR $text; $moves");

	is( $fetched,
		sql("BEGIN; DECLARE c SCROLL CURSOR FOR " . local_of($text) . "; $moves"),
		"a cursor that scrolls: $query");
	my %times;
	$times{$_}++ foreach $sandbox->targets;
	is_deeply([ grep { $times{$_} > 1 } keys %times ], [], 'and nothing is asked for twice');
	is( sql(sprintf $loop, $text) . sql("SELECT count(*) FROM ($text) s"),
		sql("SELECT count(*) FROM (" . local_of($text) . ') s'),
		"a loop left early: $query");
}
{
	my (undef, @requests) = requests_of(
		"BEGIN; DECLARE c CURSOR FOR SELECT session_id FROM $conversations WHERE session_id IN ("
		  . quoted(@keys)
		  . '); FETCH 4 FROM c; COMMIT');

	is(scalar @requests, 4, 'a cursor over keys asks for no more than it fetches');
	check(
		'COPY',
		pages_of('conversations', "updated_at > $l"),
		"COPY (SELECT session_id FROM $conversations WHERE updated_at > $l) TO STDOUT");
	check(
		'INSERT … SELECT',
		1,
		"CREATE TEMP TABLE got (at timestamptz); INSERT INTO got SELECT updated_at FROM $conversations ORDER "
			. "BY updated_at DESC LIMIT 9; TABLE got"
	);
}

# Plans that are kept see what has changed.
foreach my $mode ('force_custom_plan', 'force_generic_plan')
{
	my $session = CrispSession->start($node);
	my $key     = $keys[0];
	my $right   = credential_options($sandbox) =~ s/(tier|identifier|key) /SET $1 /gr;

	$session->query(
		"SET plan_cache_mode = $mode; PREPARE key(text) AS SELECT session_id FROM $conversations "
			. "WHERE session_id = \$1; "
		  . "PREPARE newest AS SELECT count(*) FROM (SELECT FROM $conversations ORDER BY updated_at DESC LIMIT 90) s"
	);
	is($session->query("EXECUTE key('$key')"), $key, "$mode: a key");
	is($session->query('EXECUTE newest'),      90,   "$mode: the newest");
	sql(q(ALTER SERVER support OPTIONS (ADD per_page '30')));
	$sandbox->clear;
	is($session->query('EXECUTE newest'), 90, "$mode: the newest, after ALTER SERVER");
	is(join(' ', map { parameters($_)->{per_page} } $sandbox->requests),
		'30 30 30', "$mode: the new page size");
	sql('ALTER SERVER support OPTIONS (DROP per_page)');
	sql(q(ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (SET key 'not-the-key')));
	$session->fails(
		"EXECUTE key('$key')",
		{ sqlstate => '28000' },
		"$mode: a key, after ALTER USER MAPPING");
	$session->fails(
		'EXECUTE newest',
		{ sqlstate => '28000' },
		"$mode: the newest, after ALTER USER MAPPING");
	sql("ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS ($right)");
	is($session->query("EXECUTE key('$key')"), $key, "$mode: a key, after it was put right");
	$session->quit;
}

$node->stop;
done_testing();
