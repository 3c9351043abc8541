# What everyday queries cost: queries as people write them, on two sizes, with statistics and without, each in a
# session that knows nothing.  Rows are those of a local copy; requests are few, as compared with the best that
# the API allows.  docs/pushdown.md shows the table.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use POSIX qw(ceil);
use Test::More;

my $node = start_node();
my ($sandbox, %pages, %count);

# A query for the copies.
sub local_of { return $_[0] =~ s/\bcrisp\./copy./gr }

# What a statement prints in a new session, and how many requests it makes.
sub fresh
{
	my ($statement) = @_;
	my $session = CrispSession->start($node);

	$sandbox->clear;
	my $printed  = $session->query("SET TimeZone = 'UTC'; SET client_min_messages = warning; $statement");
	my @requests = $sandbox->requests;
	$session->quit;
	return ($printed, scalar @requests);
}

# Of pages: a list, and what ends it (a recheck, and for the first list of a session, the page after a full one).
sub list { return $_[0] + 2 }

# The shorter way of so many keys and the list, and what it may cost at most: twice that, and what tells the list's
# length, or proves its order.
sub shorter { return $_[0] < $_[1] ? $_[0] : $_[1] }
sub twice   { return 2 * shorter(@_) + 8 }

my $c = 'crisp.conversations';
my $p = 'crisp.people_profiles';
my $newest   = 'ORDER BY c.updated_at DESC';
my $lately   = "(SELECT max(updated_at) - interval '30 days' FROM copy.conversations)";
my $cursor   = sub { "BEGIN; DECLARE q CURSOR FOR $_[0]; FETCH $_[1] FROM q; COMMIT" };
my $prepared = sub {
	"SET plan_cache_mode = force_generic_plan; PREPARE q (timestamptz) AS $_[0]; EXECUTE q ('$_[1]')"
};

# Name, statement, the best that the API allows, and the most that it may cost (undef: the best, and what ends a list).
sub queries
{
	my ($c_all, $p_all) = ($pages{conversations}, $pages{profiles});
	my ($new, $since) = @count{qw(new since)};
	my $since_pages = ceil($new / 50) || 1;
	my $few = 4;

	return (
		# Joins.
		[ 'newest, with their profiles', "SELECT c.session_id, p.email FROM $c c LEFT JOIN $p p USING "
			. "(people_id) $newest "
			. 'LIMIT 20', 2, 21 ],
		[ 'newest, with their operators',
			"SELECT c.session_id, o.email FROM $c c JOIN crisp.operators o ON o.user_id = "
			. "c.assigned_user_id $newest LIMIT 10", 2, 4 ],
		[ 'customers of a local table, by e-mail',
			"SELECT k.email, p.people_id FROM customer k JOIN $p p USING (email)",
			1, $few ],
		[ '... from the other side', "SELECT p.people_id, k.n FROM $p p JOIN customer k ON k.email = p.email", 1,
			$few ],
		[ '... those who are customers', "SELECT p.people_id FROM $p p WHERE p.email IN (SELECT email FROM customer)",
			1,
			$few ],
		[ '... those whom Crisp lacks', "SELECT k.n FROM customer k WHERE NOT EXISTS (SELECT FROM $p p WHERE p.email = "
			. 'k.email)', 1, $few ],
		[ 'tickets of a local table', "SELECT t.n, c.state FROM ticket t JOIN $c c USING (session_id)",
			shorter(30, $c_all), shorter(31, list($c_all)) + ($c_all < 30 ? 16 : 0) ],
		[ '... from the other side', "SELECT t.n, c.state FROM $c c JOIN ticket t ON t.session_id = c.session_id",
			shorter(30, $c_all), shorter(31, list($c_all)) + ($c_all < 30 ? 16 : 0) ],
		[ '... all of them', "SELECT t.n, c.state FROM ticket t LEFT JOIN $c c USING (session_id)", shorter(30, $c_all),
			shorter(31, list($c_all)) + ($c_all < 30 ? 16 : 0) ],
		[ '... in a subquery for each', "SELECT t.n, (SELECT c.state FROM $c c WHERE c.session_id = t.session_id) FROM "
			. 'ticket t', shorter(30, $c_all), twice(30, $c_all) ],
		[ 'who wrote lately', "SELECT p.email FROM $p p WHERE p.people_id IN (SELECT people_id FROM $c WHERE "
			. "updated_at > "
			. "'$since')", $since_pages + shorter($count{new_people}, $p_all),
			$since_pages + 1 + twice($count{new_people}, $p_all) ],
		[ '... by EXISTS', "SELECT p.email FROM $p p WHERE EXISTS (SELECT FROM $c c WHERE c.people_id = "
			. "p.people_id AND "
			. "c.updated_at > '$since')", $since_pages + shorter($count{new_people}, $p_all),
			$since_pages + 1 + twice($count{new_people}, $p_all) ],
		[ 'who never wrote', "SELECT count(*) FROM $p p WHERE p.people_id NOT IN (SELECT people_id FROM $c "
			. "WHERE people_id "
			. 'IS NOT NULL)', $c_all + $p_all, list($c_all) + list($p_all) ],
		[ 'the profile of each conversation', "SELECT c.session_id, p.email FROM $c c JOIN $p p USING (people_id)",
			$c_all + $p_all, list($c_all) + list($p_all) + 2 ],
		[ 'LATERAL: the latest of each', "SELECT k.n, l.session_id FROM customer k, LATERAL (SELECT c.session_id, "
			. "c.updated_at FROM $c c WHERE c.meta_email = k.email $newest LIMIT 1) l", $c_all, list($c_all) + 2 ],

		# Filters that change from row to row: each list once, until these have cost as much as the whole list, and
		# an eighth of that for pages that aren't full.
		[ 'a count for each row', "SELECT n, (SELECT count(*) FROM $c c WHERE c.assigned_user_id = s.user_id) FROM "
			. '(SELECT n, (SELECT array_agg(DISTINCT assigned_user_id) FROM copy.conversations)[1 + n % 4] AS user_id '
			. 'FROM generate_series(1, 60) n) s', shorter($count{by_operator}, $c_all), $count{by_operator} + 5 ],
		[ '... of what is newer', "SELECT n, (SELECT count(*) FROM $c c WHERE c.updated_at > s.at) FROM (SELECT n, "
			. "timestamptz '$since' - interval '10 days' * n AS at FROM generate_series(1, 40) n) s",
			ceil($count{oldest} / 50), twice(480, $c_all) + int($c_all / 8) ],

		# What is new.
		[ 'what is new', "SELECT session_id, state FROM $c WHERE updated_at > '$since'", $since_pages,
			$since_pages + 1 ],
		[ '... as a subquery says', "SELECT session_id FROM $c WHERE updated_at > $lately", $since_pages,
			$since_pages + 1 ],
		[ '... prepared', $prepared->("SELECT session_id FROM $c WHERE updated_at > \$1", $since), $since_pages,
			$since_pages + 1 ],
		[ '... in a view', "SELECT session_id FROM crisp.open WHERE updated_at > '$since'", 1, $since_pages + 1 ],
		[ '... in a CTE, used twice', "WITH n AS (SELECT * FROM $c WHERE updated_at > '$since') SELECT "
			. "count(*), (SELECT "
			. 'count(DISTINCT people_id) FROM n) FROM n', $since_pages, $since_pages + 1 ],
		[ '... of both', "SELECT session_id FROM $c WHERE updated_at > '$since' UNION ALL SELECT people_id FROM $p "
			. "WHERE created_at > '$since'", $since_pages + (ceil($count{new_profiles} / 50) || 1),
			$since_pages + (ceil($count{new_profiles} / 50) || 1) + 2 ],
		[ '... by day', "SELECT date_trunc('day', updated_at), count(*) FROM $c WHERE updated_at > '$since' GROUP BY 1",
			$since_pages, $since_pages + 1 ],
		[ 'of a month', "SELECT count(*) FROM $c WHERE updated_at >= '2025-10-01' AND updated_at < '2025-11-01'",
			ceil($count{october} / 50) || 1, (ceil($count{october} / 50) || 1) + 1 ],

		# Orders.
		[ 'the newest', "SELECT session_id FROM $c c $newest LIMIT 10", 1, 1 ],
		[ '... a page of them', "SELECT session_id FROM $c c $newest LIMIT 20 OFFSET 20", 1, 1 ],
		[ 'row numbers', "SELECT session_id FROM (SELECT session_id, row_number() OVER (ORDER BY updated_at "
			. "DESC) n FROM $c) "
			. 's WHERE n <= 10', 1, 3 ],
		[ 'DISTINCT ON', "SELECT DISTINCT ON (updated_at) session_id FROM $c ORDER BY updated_at DESC LIMIT 10", 1, 3 ],
		[ 'the latest of each customer', "SELECT DISTINCT ON (people_id) people_id, session_id FROM $c ORDER BY "
			. "people_id, "
			. 'updated_at DESC', $c_all, list($c_all) ],
		[ 'a cursor of which 30 rows are taken', $cursor->("SELECT session_id FROM $c c $newest", 30), 1, 3 ],
		[ 'a loop of PL/pgSQL that is left', 'SELECT first_pending()', 1, 3 ],
		[ 'the earliest', "SELECT min(updated_at) FROM $c", 1, shorter(16, list($c_all)) ],
		[ 'the latest', "SELECT max(updated_at), max(created_at) FROM $c", 2, 2 ],

		# Counts.
		[ 'how many profiles', "SELECT count(*) FROM $p", 1, 1 ],
		[ 'how many by state', "SELECT state, count(*) FROM $c GROUP BY state", $c_all, list($c_all) ],
		[ 'LIMIT', "SELECT count(*) FROM (SELECT FROM $c LIMIT 5) s", 1, 1 ]);
}

my @table;

foreach my $size ([ 600, 300 ], [ 6000, 3000 ])
{
	$sandbox = CrispSandbox->start(conversations => $size->[0], people => $size->[1]);
	connect_crisp($node, $sandbox);
	$node->safe_psql('postgres', <<'END');
CREATE SCHEMA copy;
CREATE TABLE copy.conversations AS SELECT * FROM crisp.conversations;
CREATE TABLE copy.people_profiles AS SELECT * FROM crisp.people_profiles;
CREATE TABLE copy.operators AS SELECT * FROM crisp.operators;
CREATE VIEW crisp.open AS SELECT * FROM crisp.conversations WHERE state <> 'resolved';
CREATE VIEW copy.open AS SELECT * FROM copy.conversations WHERE state <> 'resolved';
ANALYZE copy.conversations, copy.people_profiles;
CREATE TABLE customer WITH (autovacuum_enabled = off) AS SELECT row_number() OVER () AS n, email FROM (
	SELECT email FROM copy.people_profiles WHERE email <> '' GROUP BY 1 HAVING count(*) = 1 ORDER BY md5(email)
	LIMIT 40) s;
CREATE TABLE ticket WITH (autovacuum_enabled = off) AS SELECT row_number() OVER () AS n, session_id FROM (
	SELECT session_id FROM copy.conversations ORDER BY md5(session_id) LIMIT 30) s;
CREATE FUNCTION crisp.first_pending() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT session_id, state FROM crisp.conversations ORDER BY updated_at DESC LOOP
		EXIT WHEN r.state = 'pending';
	END LOOP;
	RETURN r.session_id;
END $$;
END
	my $function = $node->safe_psql('postgres', "SELECT pg_get_functiondef('crisp.first_pending'::regproc)");
	$node->safe_psql('postgres', local_of($function));
	$pages{conversations} = ceil($node->safe_psql('postgres', 'SELECT count(*) FROM copy.conversations') / 50);
	$pages{profiles}      = ceil($node->safe_psql('postgres', 'SELECT count(*) FROM copy.people_profiles') / 50);
	$count{since}         = $node->safe_psql('postgres', "SET TimeZone = 'UTC'; SELECT $lately");
	my $is_new = "updated_at > '$count{since}'";
	$count{new} = $node->safe_psql('postgres', "SELECT count(*) FROM copy.conversations WHERE $is_new");
	$count{oldest} = $node->safe_psql('postgres', 'SELECT count(*) FROM copy.conversations WHERE updated_at > '
		. "timestamptz '$count{since}' - interval '10 days' * 40");
	$count{new_people} = $node->safe_psql('postgres', "SELECT count(DISTINCT people_id) FROM copy.conversations WHERE "
		. $is_new);
	$count{new_profiles} = $node->safe_psql('postgres', 'SELECT count(*) FROM copy.people_profiles WHERE created_at > '
		. "'$count{since}'");
	$count{by_operator} = $node->safe_psql('postgres', 'SELECT sum(ceil(count / 50.0)) FROM (SELECT count(*) FROM '
		. 'copy.conversations WHERE assigned_user_id IS NOT NULL GROUP BY assigned_user_id '
		. 'ORDER BY assigned_user_id LIMIT 4'
		. ') s');
	$count{october} = $node->safe_psql('postgres', "SELECT count(*) FROM copy.conversations WHERE updated_at >= "
		. "'2025-10-01' AND updated_at < '2025-11-01'");

	my @queries = queries();
	my $local   = CrispSession->start($node);
	my @rows    = map {
		my $statement = $_->[1] =~ s/first_pending/crisp.first_pending/r;
		$local->query("DISCARD ALL; SET TimeZone = 'UTC'; " . local_of($statement))
	} @queries;
	$local->quit;
	foreach my $analyzed (0, 1)
	{
		$node->safe_psql('postgres', "ANALYZE $c, $p, crisp.operators; ANALYZE customer, ticket") if $analyzed;
		foreach my $i (0 .. $#queries)
		{
			my ($name, $statement, $best, $most) = @{ $queries[$i] };
			my ($printed, $requests) = fresh($statement =~ s/first_pending/crisp.first_pending/r);
			my @both = map { join "\n", sort split /\n/, $_ } $printed, $rows[$i];
			my $about = "$size->[0] conversations" . ($analyzed ? ', analyzed' : '') . ", $name";

			is($both[0], $both[1], "$about: rows");
			cmp_ok($requests, '>=', $best, "... $requests requests");
			cmp_ok($requests, '<=', $most, "... no more than $most, of which $best are the best")
			  or diag((fresh($statement =~ /^(SELECT|WITH)/ ? "EXPLAIN ANALYZE $statement" : 'SELECT 1'))[0]);
			push @{ $table[$i] }, $requests;
			push @{ $table[$i] }, $best if $analyzed;
		}
	}
	$node->safe_psql('postgres', 'SET client_min_messages = warning; DROP SERVER support CASCADE; '
		. 'DROP SCHEMA crisp, copy CASCADE; DROP TABLE customer, ticket');
	$sandbox->stop;
}

my @names = map { $_->[0] } queries();
note(join ' | ', 'query', '600/300: never analyzed', 'analyzed', 'best', '6,000/3,000: never analyzed', 'analyzed',
	'best');
note(join ' | ', $names[$_], @{ $table[$_] }) foreach 0 .. $#table;

$node->stop;
done_testing();
