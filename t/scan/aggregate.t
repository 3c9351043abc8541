# count(*) of a whole table, answered by Crisp: when one request does, when rows are
# counted here after all, and that the number is right in either case.

use strict;
use warnings;

use CrispCluster;
use CrispStatement;
use JSON::PP;
use Test::More;

my ($node, $sandbox) =
  start_crisp(conversations => 60, people => 160, visitors => 40, operators => 12);

run_statements($node, $sandbox);

my $website = $sandbox->website_id;
my $stats   = "GET /v1/website/$website/people/stats";
my $list    = "GET /v1/website/$website/people/profiles";
my $online  = "GET /v1/website/$website/visitors/count";
my $people  = 'crisp.people_profiles';

# What requests asked for, without the parameters of a list.
sub asked
{
	return map { "$_->{method} $_->{path}" } @_;
}

# The statement prints this, and asks for the number of profiles so many times and for nothing else.
sub is_counted
{
	my ($statement, $expected, $times, $name) = @_;
	my ($printed, @requests) = requests_of($statement);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($printed, $expected, $name);
	is_deeply([ asked(@requests) ], [ ($stats) x $times ], "$name: requests");
	return;
}

# The statement prints this, and reads all of the list, so many times.
sub is_listed
{
	my ($statement, $expected, $times, $name) = @_;
	my ($printed, @requests) = requests_of($statement);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($printed, $expected, $name);
	is_deeply([ asked(@requests) ], [ (map { "$list/$_" } 1 .. 4) x $times ], "$name: requests");
	return;
}

#
# One request.
#

is(scalar(my @all = $sandbox->rows('people')), 160, 'there are 160 profiles');

foreach my $case (
	[ 'count(*)',                                                     160 ],
	[ 'count(1)',                                                     160 ],
	[ q(count('every row'::text)),                                    160 ],
	[ 'count(*), count(1)',                                           '160|160' ],
	[ 'count(*), count(*)',                                           '160|160' ],
	[ 'count(*) * 2 + 1',                                             321 ],
	[ q('rows: ' || count(*)),                                        'rows: 160' ],
	[ 'count(*), now() IS NOT NULL',                                  '160|t' ],
	[ 'count(*), random() < 2',                                       '160|t' ],
	[ 'count(*), (SELECT max(x) FROM generate_series(1, 3) x)',       '160|3' ],
	[ 'CASE WHEN count(*) > 100 THEN count(1) ELSE -count(*) END',    160 ],
	[ 'sum(count(*)) OVER (), row_number() OVER (ORDER BY count(*))', '160|1' ],
	[ 'DISTINCT count(*)',                                            160 ],
	[ 'generate_series(count(*), 1 + count(*))',                      "160\n161" ])
{
	is_counted("SELECT $case->[0] FROM $people", $case->[1], 1, $case->[0]);
}

foreach my $case (
	[ "SELECT count(*) FROM $people WHERE true",                160, 'WHERE true' ],
	[ "SELECT count(*) FROM ONLY $people AS p",                 160, 'an alias' ],
	[ "SELECT count(*) FROM $people ORDER BY count(*) LIMIT 1", 160, 'LIMIT 1' ],
	[ "SELECT n + 1 FROM (SELECT count(*) FROM $people) s (n)", 161, 'a subquery' ],
	[ "SELECT (SELECT count(*) FROM $people) / 2",              80,  'a scalar subquery' ],
	[   "WITH c AS MATERIALIZED (SELECT count(*) AS n FROM $people) SELECT a.n + b.n FROM c a, c b",
		320,
		'a CTE that is used twice' ],
	[ "SELECT EXISTS (SELECT count(*) FROM $people)",         't', 'EXISTS' ],
	[ "SELECT 1 WHERE 160 IN (SELECT count(*) FROM $people)", 1,   'IN' ],
	[   "SELECT x FROM generate_series(159, 161) x WHERE x = (SELECT count(*) FROM $people)",
		160, 'an InitPlan' ],
	[   "SELECT x, (SELECT count(*) + x FROM $people) FROM generate_series(1, 3) x",
		"1|161\n2|162\n3|163", 'a subplan that is run again' ],
	[   "SELECT x, n FROM generate_series(1, 2) x, LATERAL (SELECT x * count(*) AS n FROM $people) s",
		"1|160\n2|320",
		'LATERAL' ],
	[   "SELECT count(*) FROM $people p LEFT JOIN (SELECT DISTINCT x FROM generate_series(1, 3) x) s "
		. "ON s.x = p.person_timezone",
		160,
		'a join that the planner removes' ],
	[   "PREPARE n AS SELECT count(*) FROM $people; SET plan_cache_mode = force_generic_plan; EXECUTE n",
		160,
		'a prepared statement' ],
	[   "CREATE TEMPORARY TABLE t AS SELECT count(*) AS n FROM $people; SELECT * FROM t",
		160, 'CREATE TABLE AS' ],
	[   "CREATE TEMPORARY TABLE t (n integer); INSERT INTO t SELECT count(*) FROM $people RETURNING n",
		160,
		'INSERT' ],
	[ "COPY (SELECT count(*) FROM $people) TO STDOUT", 160, 'COPY' ],
	[   "BEGIN; DECLARE c SCROLL CURSOR FOR SELECT count(*) FROM $people; FETCH ALL FROM c; "
		  . 'FETCH BACKWARD ALL FROM c; FETCH FIRST FROM c; COMMIT',
		"160\n160\n160",
		'a cursor that scrolls' ],
	[   "DO \$\$ DECLARE n bigint; BEGIN SELECT count(*) INTO n FROM $people; ASSERT n = 160; END \$\$",
		'',
		'PL/pgSQL' ])
{
	is_counted($case->[0], $case->[1], 1, $case->[2]);
}

is_counted("SELECT count(*) FROM $people UNION ALL SELECT count(*) + 1 FROM $people",
	"160\n161", 2, 'UNION ALL');
is_counted("SELECT count(*) FROM $people LIMIT 0",           '', 0, 'LIMIT 0');
is_counted("SELECT count(*) FROM $people WHERE false",       0,  0, 'WHERE false');
is_counted("SELECT count(*) FROM $people OFFSET 1",          '', 1, 'OFFSET 1');
is_counted("SELECT 1 FROM (SELECT count(*) FROM $people) s", 1, 0, 'a number that nobody looks at');

{
	my ($printed, @requests) = requests_of('SELECT count(*) FROM crisp.visitors');

	is($printed, 40, 'visitors');
	is_deeply([ asked(@requests) ], [$online], 'visitors: requests');
}

# The count route is asked even where the list is known to fit on a page, and costs nothing more.
is_counted(
	"ALTER SERVER support OPTIONS (ADD startup_cost '0', ADD tuple_cost '0'); SELECT count(*) FROM $people;"
	  . 'ALTER SERVER support OPTIONS (DROP startup_cost, DROP tuple_cost)',
	160, 1, 'requests that cost nothing');
is_counted(
	"ALTER SERVER support OPTIONS (ADD include_empty 'true'); SELECT count(*) FROM $people;"
	  . 'ALTER SERVER support OPTIONS (DROP include_empty)',
	160, 1, 'an option that is not about profiles');

#
# Counted here.
#

my $with_email = grep { defined $_->{email} } $sandbox->rows('people');

foreach my $case (
	[ 'count(email)',                          $with_email ],
	[ 'count(p)',                              160 ],
	[ 'count(NULL)',                           0 ],
	[ 'count(*) FILTER (WHERE email IS NULL)', 160 - $with_email ],
	[ 'count(*) FILTER (WHERE true)',          160 ],
	[ 'count(DISTINCT 1)',                     1 ],
	[ 'count(1 ORDER BY email)',               160 ],
	[ 'count(random())',                       160 ],
	[ 'sum(1)',                                160 ],
	[ 'count(*), count(email)',                "160|$with_email" ],
	[ 'count(*), max(people_id) IS NULL',      '160|f' ])
{
	is_listed("SELECT $case->[0] FROM $people p", $case->[1], 1, $case->[0]);
}

# From 19 on, count(*) is what the planner makes of this, for a column that is NOT NULL.
if (sql('SHOW server_version_num') < 190000)
{
	is_listed("SELECT count(people_id) FROM $people", 160, 1, 'count(people_id)');
}
else
{
	is_counted("SELECT count(people_id) FROM $people", 160, 1, 'count(people_id)');
	is_listed("SELECT count(DISTINCT people_id) FROM $people", 160, 1, 'count(DISTINCT people_id)');
}

foreach my $case (
	[ "SELECT count(*) FROM $people WHERE length(people_id) > 0", 160, 'a condition' ],
	[ "SELECT count(*) FROM $people WHERE random() < 2",             160, 'a volatile condition' ],
	[ "SELECT count(*) FROM $people HAVING count(*) > 160",          '',  'HAVING that fails' ],
	[ "SELECT count(*) FROM $people HAVING count(*) = 160",          160, 'HAVING' ],
	[ "SELECT count(*) FROM $people HAVING max(email) IS NULL",      '',  'HAVING on a column' ],
	[ "SELECT tableoid::regclass, count(*) FROM $people GROUP BY 1", "$people|160", 'tableoid' ],
	[ "SELECT count(*) FROM $people GROUP BY ()",                    160,           'GROUP BY ()' ],
	[ "SELECT count(*) FROM $people GROUP BY GROUPING SETS ((), ())", "160\n160", 'GROUPING SETS' ],
	[ "SELECT 'x' AS g, count(*) FROM $people GROUP BY g",       'x|160', 'GROUP BY a constant' ],
	[ "SELECT count(*) FROM $people GROUP BY people_id IS NULL", 160,     'GROUP BY' ],
	[ "SELECT count(*) FROM $people ORDER BY max(email)", 160, 'an order by something else' ],
	[   "SELECT count(*) FROM (SELECT * FROM $people OFFSET 0) p", 160,
		'a subquery that is a fence' ],
	[ "SELECT count(*) FROM $people, generate_series(1, 2)", 320, 'a join' ])
{
	is_listed($case->[0], $case->[1], 1, $case->[2]);
}
is_listed("SET enable_async_append = off; SELECT count(*) FROM (TABLE $people UNION ALL TABLE $people) u",
	320, 2, 'the sum of two lists');
is(costs(8, "SELECT count(*) FROM $people a CROSS JOIN $people b", 'a join of two lists'),
	25600, 'a join of two lists');
is_listed("SELECT count(*) OVER () FROM $people LIMIT 1", 160, 1, 'a window function');
is(costs(1, "SELECT count(*) FROM (SELECT 1 FROM $people LIMIT 5) p", 'rows within a limit'),
	5, 'rows within a limit');
is( costs(
		0,
		"SELECT count(*) FROM $people WHERE created_at < created_at - interval '1 day' AND false",
		'never'),
	0, 'never');

# These can't be counted by Crisp.
foreach my $resource ('conversations', 'operators')
{
	my @rows = $sandbox->rows($resource);

	is(costs(pages(scalar @rows), "SELECT count(*) FROM crisp.$resource", $resource),
		scalar @rows, "$resource: rows");
}

#
# Views, inheritance and partitions.
#

sql(<<"END");
CREATE VIEW everyone AS SELECT * FROM $people;
CREATE VIEW everyone_apart WITH (security_barrier) AS SELECT * FROM $people;
CREATE VIEW with_email WITH (security_barrier) AS SELECT * FROM $people WHERE email IS NOT NULL;
CREATE TABLE parent (people_id text, email text);
CREATE FOREIGN TABLE child (people_id text, email text) INHERITS (parent) SERVER support
	OPTIONS (resource 'people_profiles');
INSERT INTO parent VALUES ('a', 'b'), ('c', 'd');
CREATE FOREIGN TABLE foreign_parent (people_id text, email text) SERVER support OPTIONS (resource 'people_profiles');
CREATE TABLE local_child () INHERITS (foreign_parent);
INSERT INTO local_child VALUES ('e', 'f');
CREATE TABLE divided (people_id text, email text) PARTITION BY LIST (email);
CREATE FOREIGN TABLE foreign_part PARTITION OF divided DEFAULT SERVER support OPTIONS (resource 'people_profiles');
CREATE TABLE local_part PARTITION OF divided FOR VALUES IN ('here');
INSERT INTO local_part VALUES ('g', 'here');
CREATE TABLE guarded (people_id text, email text);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY with_email ON guarded USING (email IS NOT NULL);
CREATE FOREIGN TABLE guarded_child () INHERITS (guarded) SERVER support OPTIONS (resource 'people_profiles');
CREATE ROLE reader;
GRANT SELECT ON guarded, with_email TO reader;
END

is_counted('SELECT count(*) FROM everyone', 160, 1, 'a view');
is_listed('SELECT count(*) FROM everyone_apart', 160, 1, 'a barrier, which stays a subquery');
is_listed('SELECT count(*) FROM with_email',     $with_email, 1, 'a barrier with a condition');
is_listed('SELECT count(*) FROM parent',         162,         1, 'a parent');
is_counted('SELECT count(*) FROM child', 160, 1, 'a child');
is_listed('SELECT count(people_id) FROM child', 160, 1, 'a column that may be NULL');
is_listed('SELECT count(*) FROM foreign_parent', 161, 1, 'a foreign parent');
is_counted('SELECT count(*) FROM ONLY foreign_parent', 160, 1, 'a foreign parent alone');
is_listed('SELECT count(*) FROM divided', 161, 1, 'partitions');
is_listed('SET enable_partitionwise_aggregate = on; SELECT count(*) FROM divided',
	161, 1, 'partitions that are counted apart');
is_counted('SELECT count(*) FROM foreign_part', 160, 1, 'a partition');
is_listed('SELECT count(*) FROM guarded', 160, 1, 'row security, for its owner');

my $credentials = credential_options($sandbox, 'plugin');
sql("CREATE USER MAPPING FOR reader SERVER support OPTIONS ($credentials)");
is_listed('SET ROLE reader; SELECT count(*) FROM guarded', $with_email, 1, 'row security');

#
# Answers that are no number.
#

# What one statement prints and asks for when the count is answered so.
sub with_answer
{
	my ($table, $path, $answer) = @_;

	$sandbox->control({ answers => [ { match => { path => $path }, %{$answer} } ] });
	my ($printed, @requests) = requests_of("SELECT count(*) FROM $table");
	$sandbox->control({ answers => [] });
	return ($printed, asked(@requests));
}

foreach my $data (
	'null',           '{}',            '[]',            '7',
	'{"total":null}', '{"total":"7"}', '{"total":7.5}', '{"total":-7}',
	'{"total":true}', '{"total":{}}')
{
	my ($printed, @targets) =
	  with_answer($people, '*/people/stats',
		{ status => 200, body => qq({"error":false,"reason":"resolved","data":$data}) });

	is($printed, 160, "data $data: rows are counted");
	is_deeply(\@targets, [ $stats, map { "$list/$_" } 1 .. 4 ], "data $data: requests");
}
foreach my $limited ('true', '1', '"yes"')
{
	my ($printed, @targets) = with_answer(
		'crisp.visitors',
		'*/visitors/count',
		{   status => 200,
			body   =>
			  qq({"error":false,"reason":"resolved","data":{"count":3,"active":1,"limited":$limited}})
		});

	is($printed,       40,      "limited $limited: rows are counted");
	is(shift @targets, $online, "limited $limited: first request");
	like($_, qr{/visitors/list/}, "limited $limited: the list") foreach @targets;
}
foreach my $members ('"count":40', '"count":40,"limited":false', '"count":40,"limited":null')
{
	my ($printed, @targets) = with_answer('crisp.visitors', '*/visitors/count',
		{ status => 200, body => qq({"error":false,"reason":"resolved","data":{$members}}) });

	is("$printed @targets", "40 $online", "visitors: $members");
}

$sandbox->control({ visitors_limited => JSON::PP::true, visitors_per_page => 20 });
{
	my ($printed, @requests) =
	  requests_of(
		'SELECT x, (SELECT count(*) + x FROM crisp.visitors) FROM generate_series(1, 2) x');

	is($printed, "1|41\n2|42", 'more visitors than Crisp counts');
	is_deeply(
		[ asked(@requests) ],
		[ $online, map { "GET /v1/website/$website/visitors/list/$_" } 1 .. 2 ],
		'more visitors than Crisp counts: requests, which a second run does not repeat');
	like(
		sql('EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM crisp.visitors'),
		qr/ Requests: 3\n(?:.*\n)*.*Pages: 2\n.*Rows Received: 40\n/,
		'more visitors than Crisp counts: EXPLAIN ANALYZE');
}
$sandbox->reset;

# Errors are none of these.
my $session = CrispSession->start($node);
foreach my $case (
	[ 401, '28000' ],
	[ 402, 'HV000' ],
	[ 403, '42501' ],
	[ 404, 'HV00R' ],
	[ 429, '53400' ],
	[ 500, 'HV00M' ])
{
	my ($status, $sqlstate) = @{$case};

	$sandbox->control(
		{ answers => [ { match => { path => '*/people/stats' }, status => $status } ] });
	$sandbox->clear;
	$session->fails(
		"SELECT count(*) FROM $people",
		{   sqlstate => $sqlstate,
			detail   => qr{GET website/$website/people/stats answered HTTP $status} },
		"status $status");
	is_deeply([ grep { $_ ne $stats } asked($sandbox->requests) ],
		[], "status $status: the list is not asked");
}
$sandbox->control(
	{ answers => [ { match => { path => '*/people/stats' }, hang => JSON::PP::true } ] });
$session->fails(
	"SET statement_timeout = '300ms'; SELECT count(*) FROM $people",
	{ sqlstate => '57014' },
	'no answer at all');
$session->query('RESET statement_timeout');
$sandbox->reset;
is($session->query("SELECT count(*) FROM $people"), 160, 'and after that');

#
# EXPLAIN.
#

sub explained
{
	my ($options, $statement) = @_;

	return costs(0, "EXPLAIN ($options) $statement", "EXPLAIN ($options)");
}

my $target = "website/$website/people/stats";
is(explained('COSTS OFF', "SELECT count(*) * 2 FROM $people"), <<"END" =~ s/\n\z//r, 'EXPLAIN');
Foreign Scan
  Relations: Aggregate on (people_profiles)
  Crisp Request: GET $target
END
is(explained('VERBOSE, COSTS OFF', "SELECT count(*) * 2 FROM $people p"),
	<<"END" =~ s/\n\z//r, 'VERBOSE');
Foreign Scan
  Output: ((count(*)) * 2)
  Relations: Aggregate on (crisp.people_profiles p)
  Crisp Request: GET $target
END
like(explained('COSTS ON', "SELECT count(*) FROM $people"),
	qr/^Foreign Scan  \(cost=100\.00\.\.100\.\d+ rows=1 width=8\)\n.*Expected Requests: 1$/s,
	'costs');
{
	my $node_of =
	  decode_json(explained('FORMAT JSON', "SELECT count(*) FROM $people"))->[0]->{Plan};

	is($node_of->{'Crisp Request'},     "GET $target",                    'JSON: request');
	is($node_of->{'Expected Requests'}, 1,                                'JSON: requests');
	is($node_of->{Relations},           'Aggregate on (people_profiles)', 'JSON: relation');
}
{
	my $analyzed = costs(
		1,
		"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM $people",
		'EXPLAIN ANALYZE');

	like($analyzed, qr/ Requests: 1\n(?:.*\n)*.*Pages: 0\n/,     'EXPLAIN ANALYZE: what it cost');
	like($analyzed, qr/^Foreign Scan \(actual rows=1/, 'EXPLAIN ANALYZE: the row');
}
like(explained('COSTS OFF', 'SELECT count(*) FROM crisp.conversations'),
	qr/^Aggregate\n/, 'no route for that');
is(costs(0, "PREPARE n AS SELECT count(*) FROM $people", 'PREPARE'), '',
	'PREPARE asks for nothing');

#
# Plans that are kept.
#

foreach my $mode ('force_custom_plan', 'force_generic_plan')
{
	my $other   = $sandbox->website_id(1);
	my $theirs  = $sandbox->rows('people', $other);
	my $key     = $sandbox->credentials('website')->{key};
	my $counted = sub {
		return $session->query('EXECUTE n');
	};

	$session->query(
		"CREATE FOREIGN TABLE counted (people_id text) SERVER support OPTIONS (resource 'people_profiles');"
		  . "SET plan_cache_mode = $mode; PREPARE n AS SELECT count(*) FROM counted");
	is($counted->(), 160, "$mode: first");

	sql("ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (SET key 'wrong')");
	$session->fails('EXECUTE n', { sqlstate => '28000' }, "$mode: a key that changed");
	sql("ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (SET key '$key')");
	is($counted->(), 160, "$mode: a key that is right again");

	my %plugin = %{ $sandbox->credentials('plugin') };
	sql("ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (SET tier 'plugin', "
		. "SET identifier '$plugin{identifier}', SET key '$plugin{key}');"
		  . "ALTER SERVER support OPTIONS (SET website_id '$other')");
	is($counted->(), $theirs, "$mode: another website on the server");
	sql("ALTER FOREIGN TABLE counted OPTIONS (ADD website_id '$website')");
	is($counted->(), 160, "$mode: another website on the table");
	sql("ALTER SERVER support OPTIONS (SET website_id '$website')");

	foreach my $resource ('operators', 'visitors')
	{
		sql("ALTER FOREIGN TABLE counted OPTIONS (SET resource '$resource')");
		is($counted->(), scalar(my @rows = $sandbox->rows($resource)), "$mode: now $resource");
	}
	sql('ALTER FOREIGN TABLE counted OPTIONS (SET resource \'people_profiles\')');
	sql('CREATE TABLE counted_child () INHERITS (counted); INSERT INTO counted_child VALUES (1)');
	is($counted->(), 161, "$mode: a child that came later");

	my %first = %{ $sandbox->credentials('website') };
	sql("ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (SET tier 'website', "
		. "SET identifier '$first{identifier}', SET key '$first{key}')"
	);
	$session->query('DEALLOCATE n; DROP FOREIGN TABLE counted CASCADE');
}

#
# Whose credentials are used.
#

sub tiers
{
	my ($statement) = @_;
	my ($printed, @requests) = requests_of($statement);

	return join ' ', $printed,
	  map { "$_->{path} $_->{headers}->{'x-crisp-tier'}" =~ s{.*/}{}r } @requests;
}

sql(<<"END");
CREATE ROLE owner;
CREATE ROLE stranger;
GRANT USAGE ON SCHEMA crisp TO owner, reader, stranger;
GRANT CREATE ON SCHEMA public TO owner;
GRANT SELECT ON $people TO owner, stranger;
GRANT SELECT (email) ON $people TO reader;
GRANT SELECT ON everyone TO reader, stranger;
CREATE USER MAPPING FOR owner SERVER support OPTIONS ($credentials);
SET ROLE owner;
CREATE VIEW of_owner AS SELECT * FROM $people;
CREATE FUNCTION by_owner() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM $people';
GRANT SELECT ON of_owner TO stranger;
END

is( tiers("SET ROLE reader; SELECT count(*) FROM $people"),
	'160 stats plugin',
	'a role with a mapping');
is( tiers('SET ROLE stranger; SELECT count(*) FROM everyone'),
	'160 stats website',
	"a view of the superuser's");
is( tiers('SET ROLE stranger; SELECT count(*) FROM of_owner'),
	'160 stats plugin',
	"a view of another's");
is(tiers('SET ROLE stranger; SELECT by_owner()'), '160 stats plugin', "a function of another's");
is( tiers(
			'SET ROLE stranger; SELECT a.count, b.count, by_owner() '
		  . 'FROM (SELECT count(*) FROM of_owner) a, (SELECT count(*) FROM everyone) b'),
	'160|160|160 stats plugin stats website stats plugin',
	'three roles in one statement');
$session->query('SET ROLE stranger');
$sandbox->clear;
$session->fails(
	"SELECT count(*) FROM $people",
	{ sqlstate => '42704', message => qr/"stranger"/ },
	'a role without a mapping');
$session->fails(
	'SELECT count(*) FROM guarded',
	{ sqlstate => '42501' },
	'a role without the right to look');
is($sandbox->count, 0, 'none of them asks Crisp');

$node->stop;
done_testing();
