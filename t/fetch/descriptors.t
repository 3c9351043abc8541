# More servers in one statement than the backend may have connections to: all rows come, whatever the plan is.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use Test::More;

my $SERVERS = 26;
my $sandbox = CrispSandbox->start(conversations => 130, people => 20, visitors => 2, operators => 3);

# Room for about four servers at a time.
my $node = start_node('max_files_per_process = 130');
my $website_id = $sandbox->website_id;
my $credentials = credential_options($sandbox, 'website');

connect_crisp($node, $sandbox);
$node->safe_psql('postgres', join "\n",
	'CREATE TABLE every (session_id text, updated_at timestamptz, state text, meta_nickname text, number int) '
		. 'PARTITION BY LIST (number);',
	map { <<"END" } 1 .. $SERVERS);
CREATE SERVER s$_ FOREIGN DATA WRAPPER crisp_fdw
	OPTIONS (base_url '@{[ $sandbox->url ]}', website_id '$website_id', per_page '20', prefetch '4', retry_delay '1ms');
CREATE USER MAPPING FOR CURRENT_USER SERVER s$_ OPTIONS ($credentials);
CREATE FOREIGN TABLE c$_ (session_id text, updated_at timestamptz, state text, meta_nickname text) SERVER s$_
	OPTIONS (resource 'conversations');
CREATE FOREIGN TABLE o$_ (user_id text) SERVER s$_ OPTIONS (resource 'operators');
END

my $rows = $node->safe_psql('postgres', 'SELECT count(*) FROM crisp.conversations');
my $newest = $node->safe_psql('postgres', 'SELECT max(updated_at) FROM crisp.conversations');
my $union = join ' UNION ALL ', map { "SELECT $_ AS number, * FROM c$_" } 1 .. $SERVERS;
my $operators = join ' UNION ALL ', map { "SELECT $_ AS number, * FROM o$_" } 1 .. $SERVERS;
my $session;

foreach my $async (qw(on off))
{
	$session = CrispSession->start($node);
	$session->query("SET enable_async_append = $async");
	my $before = $session->descriptors;

	foreach my $latency (5)
	{
		$sandbox->reset;
		$sandbox->control({ latency_ms => $latency });
		my $name = "async $async, $latency ms";

		is( $session->query(
			"SELECT count(*), count(DISTINCT (number, session_id)), count(DISTINCT number) FROM ($union) u"),
			join('|', $SERVERS * $rows, $SERVERS * $rows, $SERVERS), "$name: an Append");
		is( $session->query("SELECT count(*) FROM ($operators) u"),
			$SERVERS * 3, "$name: an Append of lists of one page");
		is( $session->query(
			"SELECT bool_and(updated_at = '$newest') FROM (SELECT * FROM ($union) u ORDER BY updated_at DESC "
				. "LIMIT $SERVERS) x"),
			't', "$name: the newest of all");
		is( $session->query('SELECT count(*) FROM ' . join ' NATURAL JOIN ',
			map { "(SELECT session_id FROM c$_) c$_" } 1 .. 8),
			$rows, "$name: a join");
		is( $session->query('SELECT ' . join ' + ', map { "(SELECT count(*) FROM o$_)" } 1 .. $SERVERS),
			$SERVERS * 3, "$name: subqueries");

		# Each is read in turn with others open.
		$session->query('BEGIN; ' . join '; ',
			map { "DECLARE k$_ CURSOR FOR SELECT session_id FROM c$_" } 1 .. $SERVERS);
		foreach my $round (1 .. 2)
		{
			foreach my $number (1 .. $SERVERS)
			{
				is(scalar(my @fetched = split /\n/, $session->query("FETCH 30 FROM k$number")), 30,
					"$name: cursor $number")
				  if $number % 13 == 0;
				$session->query("FETCH 30 FROM k$number") if $number % 13;
			}
		}
		$session->query('COMMIT');

		# What fails is tried again, and others' waits don't take its time.
		$sandbox->control({ answers => [
			map { +{ match => { path => '*/conversations/*', nth => $_ * 7 },
				status => $_ % 2 ? 503 : 429 } } 1 .. 20 ] });
		is( $session->query("SELECT count(*), count(DISTINCT (number, session_id)) FROM ($union) u"),
			join('|', $SERVERS * $rows, $SERVERS * $rows), "$name: an Append, with failures");
	}

	# Files of PostgreSQL's own are still to be had, and nothing is left of it.
	$session->query('CREATE TEMP TABLE t AS SELECT generate_series(1, 1000) x; SELECT count(*) FROM pg_class, t');
	$session->query("SELECT crisp_fdw_disconnect('s' || i) FROM generate_series(1, $SERVERS) i");
	cmp_ok($session->descriptors, '<=', $before + 1, "async $async: no descriptor is left");

	# Cancelled, while it waits for room.
	$sandbox->control({ answers => [ { match => { path => '*/conversations/*' }, hang => JSON::PP::true } ] });
	$session->query("SET statement_timeout = '500ms'");
	$session->fails("SELECT count(*) FROM ($union) u", { sqlstate => '57014' }, "async $async: cancelled");
	$session->query('RESET statement_timeout');
	$sandbox->reset;
	is($session->query("SELECT count(*) FROM ($operators) u"), $SERVERS * 3, 'and then all is well');
	$session->quit;
}

# One server with more requests under way than there is room for.
$node->safe_psql('postgres', q(ALTER SERVER s1 OPTIONS (SET prefetch '32')));
$session = CrispSession->start($node);
$sandbox->control({ latency_ms => 5 });
is($session->query("SELECT count(*) FROM c1, o1, (SELECT count(*) FROM c2) x"), 3 * $rows,
	'a window wider than there is room for');
$session->quit;

done_testing();
