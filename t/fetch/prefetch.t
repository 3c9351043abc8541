# What is done ahead of need changes nothing but time: no error in what nobody needs, no request
# that another one lacks, no
# expression of a row that nobody asks for.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use Test::More;

my $sandbox = CrispSandbox->start(conversations => 2000, people => 30, campaigns => 40);
my $node    = start_node();

connect_crisp($node, $sandbox, options => "per_page '20', prefetch '8', max_retries '0'");

my $session = CrispSession->start($node);
my @ids = map { $_->{session_id} } $sandbox->rows('conversations');

# Keys in the order of the table, which a plan reads row by row.
$session->query('CREATE TABLE ticket (n int, session_id text)');
$session->query("INSERT INTO ticket VALUES "
	  . join(', ', map { "($_, '$ids[$_]')" } 0 .. 39)
	  . '; ANALYZE ticket; SET enable_hashjoin = off; SET enable_mergejoin = off');

sub refuse { $sandbox->control({ answers => [ map { { match => { path => "*$_" }, status => 403 } } @_ ] }); return }

sub obey { $sandbox->control({ answers => [] }); $sandbox->clear; return }

sub lookups { return grep { $_->{path} =~ m{/conversation/} } $sandbox->requests }

my $join = 'FROM ticket k JOIN crisp.conversations c USING (session_id)';

like($session->query("EXPLAIN (COSTS OFF) SELECT * $join"), qr/CrispReadAhead/, 'the plan reads ahead');

# ---- A limit of requests

$session->query('SET crisp_fdw.max_requests = 3');
is($session->query("SELECT EXISTS (SELECT $join WHERE n + length(c.session_id) = 2 + length(k.session_id))"),
	't', 'EXISTS that needs as many lookups as there may be');
is($session->query("SELECT n $join LIMIT 3"), "0\n1\n2", 'a LIMIT');
is($session->query("BEGIN; DECLARE c CURSOR FOR SELECT n $join; FETCH 3 FROM c; COMMIT"), "0\n1\n2", 'a cursor');
is( $session->query(
	"SELECT EXISTS (SELECT FROM crisp.conversations WHERE length(session_id) > 3), EXISTS (SELECT $join "
		. "WHERE n + length(c.session_id) = 1 + length(k.session_id))"),
	't|t',
	'a list and lookups that share the limit');
is( $session->query(
	'SELECT count(length(coalesce(message, campaign_id))) FROM (SELECT campaign_id, message FROM crisp.campaigns '
		. 'LIMIT 2) x'),
	2, 'a list and its details');
$session->query('RESET crisp_fdw.max_requests');

# Lists whose end isn't known: no page behind it takes the place of a request that is needed.
# From 19 on, a count of a column alone that is NOT NULL is count(*), which Crisp answers.
$sandbox->show_rechecks(1);
foreach my $query (
	"SELECT count(*) FROM crisp.conversations WHERE state = 'pending'",
	"SELECT count(*) FROM crisp.conversations WHERE state <> 'resolved'",
	'SELECT count(session_id) FROM crisp.conversations',
	q(SELECT count(people_id || '') FROM crisp.people_profiles),
	'SELECT count(*) FROM crisp.visitors',
	'SELECT (SELECT count(*) FROM crisp.visitors), count(topic) FROM crisp.conversations')
{
	my %rows;
	my $needed;

	foreach my $prefetch (1, 3, 8, 32)
	{
		$session->query("ALTER SERVER support OPTIONS (SET prefetch '$prefetch')");
		$session->query('SET crisp_fdw.max_requests = ' . ($needed // 0));
		$sandbox->clear;
		my $result = $session->run($query);
		$needed //= $sandbox->count;
		$rows{ @{ $result->{errors} } ? $result->{errors}->[0]->{message} : $result->{output} } = 1;
		$session->query('RESET crisp_fdw.max_requests');
	}
	$session->query("ALTER SERVER support OPTIONS (SET prefetch '8')");
	is(scalar(keys %rows), 1, "as many requests as it takes without prefetch, $needed, do with it: $query")
		or diag(join "\n", keys %rows);
}
$sandbox->show_rechecks(0);

# ---- Errors of what nobody needs

refuse(@ids[ 3 .. 8 ]);
is($session->query("SELECT EXISTS (SELECT $join WHERE c.session_id IS NOT NULL)"), 't', 'EXISTS that stops before');
is($session->query("SELECT n $join LIMIT 3"), "0\n1\n2", 'a LIMIT that stops before');
is($session->query("SELECT n $join LIMIT (SELECT 3)"), "0\n1\n2", 'one that is computed');
is($session->query("SELECT (SELECT n $join OFFSET 1 LIMIT 1)"), 1, 'a subquery');
is($session->query("BEGIN; DECLARE c CURSOR FOR SELECT n $join; FETCH 3 FROM c; COMMIT"), "0\n1\n2",
	'a cursor that stops before');
is( $session->query(
		"DO \$\$ DECLARE r record; BEGIN FOR r IN SELECT n $join LOOP EXIT; END LOOP; END \$\$; SELECT count(*) FROM "
			. "(SELECT n $join LIMIT 2) x"),
	2,
	'... and others');
is( $session->query(
	"SELECT v.x, l.n FROM generate_series(1, 2) v (x), LATERAL (SELECT n $join WHERE n >= v.x LIMIT 1) l"),
	"1|1\n2|2", 'a LIMIT of each of several passes');

# A hash join asks for the first row of one side before it looks at the other, which has none.
$session->query("CREATE TABLE late (session_id text); INSERT INTO late VALUES ('session_none'), "
	  . join(', ', map { "('$_')" } @ids[ 0, 3 .. 8 ])
	  . '; ANALYZE late; SET enable_hashjoin = on');
is( $session->query(
		q(SELECT count(*) FROM (SELECT c.state FROM late k JOIN crisp.conversations c USING (session_id) OFFSET 0) o )
			. q(WHERE state IN (SELECT g::text FROM generate_series(1, 200000) g WHERE g % 2 = 7))
	),
	0,
	'a hash join whose other side is empty');
$session->query('SET enable_hashjoin = off');
$session->fails("SELECT n $join LIMIT 4", { detail => qr/\Q$ids[3]\E/ }, 'one that is needed');
$session->fails("SELECT n $join", { detail => qr/\Q$ids[3]\E/ }, 'one of all');
obey();

# ---- Expressions of rows that nobody needs

my $late = 'FROM (SELECT session_id, n, 1 / (n - 3) AS q FROM ticket OFFSET 0) k JOIN crisp.conversations c USING '
	. '(session_id)';
is($session->query("SELECT EXISTS (SELECT $late WHERE q IS NOT NULL)"), 't', 'EXISTS: a row that fails comes later');
is($session->query("SELECT n, q $late LIMIT 3"), "0|0\n1|0\n2|-1", 'LIMIT: likewise');
is($session->query("BEGIN; DECLARE c CURSOR FOR SELECT n $late; FETCH 3 FROM c; COMMIT"), "0\n1\n2",
	'a cursor: likewise');
$session->fails("SELECT n, q $late LIMIT 4", { sqlstate => '22012' }, 'a row that is needed fails');
$session->query('CREATE SEQUENCE s');
is($session->query(
	"SELECT q FROM (SELECT session_id, nextval('s') AS q FROM ticket OFFSET 0) k JOIN crisp.conversations c USING "
		. "(session_id) LIMIT 3"),
	"1\n2\n3", 'a function with effects');
is($session->query('SELECT last_value FROM s'), 3, 'is called for rows that are needed');

# ---- Requests that nobody needs

$sandbox->clear;
$session->query(
	"SELECT count(*) FROM ticket k JOIN crisp.conversations c ON c.session_id = k.session_id "
		. "AND c.created_at > '2025-06-01' AND c.created_at < '2024-06-01'");
my @asked = lookups();
cmp_ok(scalar @asked, '<=', 1, 'conditions that rule out all rows');

# ---- Details

my @campaigns = map { $_->{campaign_id} } $sandbox->rows('campaigns');
# As above: a coalesce() that can't be NULL needn't be computed.
my $detailed =
  'SELECT count(length(coalesce(message, campaign_id))) FROM (SELECT campaign_id, message FROM crisp.campaigns';
refuse("/campaign/$campaigns[2]");
is($session->query("$detailed LIMIT 2) x"), 2, 'details of a row behind a LIMIT are refused');
is($session->query("SELECT EXISTS (SELECT FROM crisp.campaigns WHERE message IS NULL OR message IS NOT NULL)"), 't',
	'... behind an EXISTS');
is($session->query("$detailed WHERE length(campaign_id) > 3 AND (message IS NULL OR message IS NOT NULL) LIMIT 2) x"),
	2, '... with conditions');
$session->fails("$detailed LIMIT 3) x", { detail => qr/\Q$campaigns[2]\E/ }, '... of a row that is needed');
obey();
is($session->query("$detailed WHERE 1 / (CASE WHEN campaign_id = '$campaigns[3]' THEN 0 ELSE 1 END) = 1 LIMIT 2) x"),
	2, 'a condition fails on a row behind a LIMIT');
$session->fails("$detailed WHERE 1 / (CASE WHEN campaign_id = '$campaigns[3]' THEN 0 ELSE 1 END) = 1) x",
	{ sqlstate => '22012' }, 'on one that is needed');

# ---- It is still done where rows are needed

$sandbox->control({ quiet_ms => 50 });
foreach my $case (
	[ "SELECT count(c.state) $join", 40 ],
	[ "SELECT n, row_number() OVER (), c.state $join", 40 ],
	[ "SELECT n $join LIMIT 16", 16 ],
	[ "SELECT n $join OFFSET 4 LIMIT 12", 16 ],
	[ "SELECT n $join LIMIT (SELECT 16)", 16 ],
	[ "BEGIN; DECLARE c CURSOR FOR SELECT n $join; FETCH 8 FROM c; FETCH 8 FROM c; COMMIT", 16 ],
	[ "SELECT * FROM (SELECT n, c.state $join ORDER BY n DESC) x LIMIT 1", 40 ],
	[ "WITH w AS MATERIALIZED (SELECT n $join) SELECT count(*) FROM w", 40 ],
	[ "CREATE TEMP TABLE made AS SELECT n, c.state $join", 40 ])
{
	my ($statement, $number) = @{$case};

	$sandbox->clear;
	$session->query($statement);
	my @requests = lookups();
	is(scalar @requests, $number, "requests: $statement");
	cmp_ok(CrispSandbox::together(@requests), '>=', 4, '... together');
}
$sandbox->clear;
$session->query("$detailed) x");
cmp_ok(CrispSandbox::together(grep { $_->{path} =~ m{/campaign/} } $sandbox->requests), '>=', 4, 'details, together');
$sandbox->clear;
$session->query("$detailed WHERE message IS NULL OR message IS NOT NULL LIMIT 12) x");
@asked = grep { $_->{path} =~ m{/campaign/} } $sandbox->requests;
is(scalar @asked, 12, 'details of as many rows as LIMIT says');
cmp_ok(CrispSandbox::together(@asked), '>=', 4, '... together');

$session->quit;
$node->stop;
done_testing();
