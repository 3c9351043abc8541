# Tables of more servers under one Append than the process has descriptors for: some are read
# together, the rest one after
# the other, and all rows come once.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use Test::More;

my $SERVERS = 70;

my $sandbox = CrispSandbox->start(conversations => 50, people => 30);
my $node    = start_node('max_files_per_process = 400');

connect_crisp($node, $sandbox, options => "per_page '20', prefetch '4'");

my $session = CrispSession->start($node);
my $url     = $sandbox->url;
my $website = $sandbox->website_id;
my $credentials = credential_options($sandbox, 'website');

$session->query("CREATE TABLE every (session_id text, state text)");
foreach my $number (1 .. $SERVERS)
{
	$session->query(<<"END");
CREATE SERVER s$number FOREIGN DATA WRAPPER crisp_fdw
	OPTIONS (base_url '$url', website_id '$website', per_page '20', prefetch '4', max_retries '0');
CREATE USER MAPPING FOR CURRENT_USER SERVER s$number OPTIONS ($credentials);
CREATE FOREIGN TABLE every_$number () INHERITS (every) SERVER s$number OPTIONS (resource 'conversations');
END
}

my @rows  = $sandbox->rows('conversations');
my $plan  = $session->query('EXPLAIN (COSTS OFF) SELECT * FROM every');
my $count = $SERVERS * @rows;

like($plan, qr/Async Foreign Scan/, 'the scans may be waited for together');

$sandbox->control({ quiet_ms => 50 });

# The first pass of a session opens all pools, the second finds them.
foreach my $pass ('first', 'second')
{
	$sandbox->clear;
	is( $session->query(
			'SELECT count(*), count(DISTINCT session_id), count(DISTINCT (session_id, tableoid)) FROM every'),
		join('|', $count, scalar @rows, $count),
		"all rows of all servers, the $pass time");
	my @requests = $sandbox->requests;
	cmp_ok(CrispSandbox::together(@requests), '>', 5, 'some are read together');
	cmp_ok(scalar @requests, '<=', $SERVERS * 5, 'no page more than once');
}
$sandbox->control({ quiet_ms => 0 });
$session->query('SET enable_async_append = off');
is($session->query('SELECT count(*) FROM every'), $count, 'all one after the other');
is($session->query('SELECT count(*) FROM (SELECT * FROM every LIMIT 5) x'), 5, 'with a LIMIT');
$session->query('RESET enable_async_append');
is($session->query('SELECT count(*) FROM (SELECT * FROM every LIMIT 5) x'), 5, 'with a LIMIT, together');
is($session->query('SELECT count(*) FROM (SELECT * FROM every ORDER BY session_id LIMIT 500) x'), 500, 'sorted');
is($session->query(
	"BEGIN; DECLARE c CURSOR FOR SELECT * FROM every; MOVE 100 FROM c; SELECT count(*) FROM every; COMMIT"),
	$count, 'while a cursor holds what it has');

$session->quit;
$node->stop;
done_testing();
