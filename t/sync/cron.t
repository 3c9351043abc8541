# Materialized views over foreign tables, refreshed by pg_cron itself in background workers.

use strict;
use warnings;

use CrispCluster;
use CrispCron;
use CrispSandbox;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

plan_without_cron();

my $sandbox = CrispSandbox->start(conversations => 130, people => 60, operators => 5);
my $node = start_node(cron_settings());

connect_crisp($node, $sandbox, options => "max_retries '0'");
query('CREATE EXTENSION pg_cron');

sub query
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql);
}

# The requests of the latest run, without the website, as one line.
sub requests
{
	return join ' ', map { s{^GET .*?website/[^/]+/}{}r } $sandbox->targets;
}

#
# The view.
#

my $view = <<'END';
SELECT c.session_id, c.state, c.updated_at, o.first_name
FROM crisp.conversations c LEFT JOIN crisp.operators o ON o.user_id = c.assigned_user_id
END

query(<<"END");
CREATE MATERIALIZED VIEW assigned AS $view;
CREATE UNIQUE INDEX ON assigned (session_id);
END

my $total = query('SELECT count(*) FROM assigned');
my $contents = q{SELECT string_agg(a::text, ',' ORDER BY session_id) FROM assigned a};
my $refresh = 'REFRESH MATERIALIZED VIEW CONCURRENTLY assigned';

cmp_ok($total, '>', 100, 'the view has several pages of rows');
cmp_ok(query('SELECT count(first_name) FROM assigned'), '>', 10, 'some have an operator');

# Since the view was made one conversation was closed, one has come and one is gone.
my ($first, $second, $gone) =
  map { $_->{session_id} } (grep { ($_->{state} // '') ne 'resolved' } $sandbox->rows('conversations'))[ 0, 1, 2 ];
$sandbox->data(
	[
		{ op => 'patch', key => $first, set => { state => 'resolved' } },
		{ op => 'touch', key => $first },
		{ op => 'insert_random', count => 1, seed => 7 },
		{ op => 'delete', key => $gone }
	]);
isnt(query("SELECT state FROM assigned WHERE session_id = '$first'"),
	'resolved', 'the view is as it was');
query('CREATE TABLE versions AS SELECT session_id, xmin::text AS version FROM assigned');

$sandbox->clear;
my $run = run_by_cron($node, $refresh);
is($run->{status}, 'succeeded', 'pg_cron refreshes the view');
is($run->{message}, 'REFRESH MATERIALIZED VIEW', 'what it reports');
is( requests(),
	'conversations/1?per_page=50&order_date_updated=1 operators/list conversations/2?per_page=50&order_date_updated=1 '
		. 'conversations/3?per_page=50&order_date_updated=1',
	'a refresh asks for the whole list');
is(query("SELECT state FROM assigned WHERE session_id = '$first'"), 'resolved', 'the change');
is(query("SELECT count(*) FROM assigned WHERE session_id = '$gone'"), 0, 'the row that is gone');
is(query('SELECT count(*) FROM assigned'), $total, 'the row that has come');
is( query("SELECT count(*), bool_and(a.session_id = '$first' OR v.session_id IS NULL) FROM assigned a "
		  . 'LEFT JOIN versions v USING (session_id) WHERE v.version IS DISTINCT FROM a.xmin::text'),
	'2|t', 'CONCURRENTLY writes no other row');
is( query($contents),
	query("SELECT string_agg(a::text, ',' ORDER BY session_id) FROM ($view) a"),
	'the view is what Crisp has');
my $fresh = query($contents);

#
# A refresh that fails leaves the view as it was, and tells why.
#

$sandbox->data([ { op => 'touch', key => $second } ]);

$sandbox->answer_with('*/conversations/*' => { status => 401 });
$run = run_by_cron($node, $refresh);
is($run->{status}, 'failed', 'credentials that are refused');
like($run->{message}, qr/^ERROR: Crisp rejected the credentials, server "support"\n/, 'the error');
like($run->{message}, qr/^DETAIL: .*401/m, 'its detail');
like($run->{message}, qr/^HINT: /m, 'its hint');
unlike($run->{message}, qr/\Q$_\E/, 'no credential')
  foreach @{ $sandbox->credentials }{qw(identifier key)};
is(query($contents), $fresh, 'the view is as it was');

# The second page fails when the first has been read.
$sandbox->control(
	{ answers => [ { match => { path => '*/conversations/2' }, status => 503 } ] });
$run = run_by_cron($node, $refresh);
is($run->{status}, 'failed', 'a page that fails');
like($run->{message}, qr/^ERROR: Crisp failed to answer, server "support"\n/, 'the error');
is(query($contents), $fresh, 'the view is as it was');

# A job may have settings of its own: several statements, one transaction.
$sandbox->control({ answers => [] });
$sandbox->clear;
$run = run_by_cron($node, "SET crisp_fdw.max_requests = 2; $refresh");
is($run->{status}, 'failed', 'a limit on its requests');
like($run->{message}, qr/^ERROR: statement needs more than 2 requests to Crisp/, 'the error');
is($sandbox->count, 2, 'the requests');
is(query($contents), $fresh, 'the view is as it was');

#
# A refresh that waits for Crisp can be cancelled.
#

$sandbox->answer_with('*/conversations/*' => { hang => JSON::PP::true });
$sandbox->clear;
$run = start_by_cron($node, $refresh);
for (1 .. 600)
{
	last if $sandbox->count;
	sleep 0.05;
}
is(requests(), 'conversations/1?per_page=50&order_date_updated=1', 'a refresh waits for Crisp');
is(query("SELECT backend_type FROM pg_stat_activity WHERE pid = $run->{pid}"),
	'pg_cron', 'in a background worker');
is(query("SELECT pg_cancel_backend($run->{pid})"), 't', 'it is cancelled');
$run = end_of_run($node, $run);
is($run->{status}, 'failed', 'it ends');
like($run->{message}, qr/^ERROR: canceling statement due to user request/, 'the error');
is(query($contents), $fresh, 'the view is as it was');

$sandbox->control({ answers => [] });
$run = run_by_cron($node, $refresh);
is($run->{status}, 'succeeded', 'the next run finds nothing in its way');
isnt(query($contents), $fresh, 'what it brings');
is( query($contents),
	query("SELECT string_agg(a::text, ',' ORDER BY session_id) FROM ($view) a"),
	'the view is what Crisp has');

#
# A job runs as the user who scheduled it, with that user's mapping.
#

my $plugin = credential_options($sandbox, 'plugin');

query(<<"END");
CREATE ROLE reporter LOGIN;
CREATE ROLE stranger LOGIN;
GRANT USAGE ON SCHEMA cron, crisp TO reporter, stranger;
GRANT SELECT ON ALL TABLES IN SCHEMA crisp TO reporter, stranger;
CREATE USER MAPPING FOR reporter SERVER support OPTIONS ($plugin);
CREATE SCHEMA reports AUTHORIZATION reporter;
SET ROLE reporter;
CREATE MATERIALIZED VIEW reports.staff AS SELECT user_id, first_name FROM crisp.operators WITH NO DATA;
RESET ROLE;
GRANT USAGE ON SCHEMA reports TO stranger;
GRANT SELECT ON reports.staff TO stranger;
END
$sandbox->clear;
$run = run_by_cron($node, 'REFRESH MATERIALIZED VIEW reports.staff', 'reporter');
is($run->{status}, 'succeeded', 'a job of another role');
is(join(' ', map { $_->{headers}->{'x-crisp-tier'} } $sandbox->requests),
	'plugin', 'asks with the credentials of that role');
$run = run_by_cron($node, 'REFRESH MATERIALIZED VIEW reports.staff');
is($run->{status}, 'succeeded', "a superuser's job");
is(join(' ', map { $_->{headers}->{'x-crisp-tier'} } $sandbox->requests),
	'plugin plugin', "asks with the credentials of the view's owner");
$sandbox->clear;
$run = run_by_cron($node, 'SELECT count(*) FROM crisp.operators', 'stranger');
is($run->{status}, 'failed', 'a role without a mapping');
like($run->{message}, qr/^ERROR: user mapping not found for user "stranger", server "support"/, 'the error');
is($sandbox->count, 0, 'no request');

#
# The same through connections of pg_cron to the server.
#

my $host = $node->host;
$node->append_conf('postgresql.conf', "cron.use_background_workers = off\ncron.host = '$host'\n");
$node->restart;
$sandbox->data([ { op => 'touch', key => $first } ]);
$sandbox->clear;
$run = run_by_cron($node, $refresh);
is($run->{status}, 'succeeded', 'a refresh in a session of its own');
is( requests(),
	'conversations/1?per_page=50&order_date_updated=1 operators/list conversations/2?per_page=50&order_date_updated=1 '
		. 'conversations/3?per_page=50&order_date_updated=1',
	'asks for the whole list');
is( query($contents),
	query("SELECT string_agg(a::text, ',' ORDER BY session_id) FROM ($view) a"),
	'the view is what Crisp has');
$sandbox->answer_with('*/conversations/*' => { status => 401 });
$run = run_by_cron($node, $refresh);
is($run->{status}, 'failed', 'a refresh that fails there');
like($run->{message}, qr/^ERROR:  Crisp rejected the credentials/, 'the error');
$sandbox->control({ answers => [] });
$node->append_conf('postgresql.conf', "cron.use_background_workers = on\n");
$node->restart;

#
# On a schedule.
#

$sandbox->data([ { op => 'touch', key => $second } ]);
my $schedule = shortest_schedule($node);
my $job = query("SELECT cron.schedule('refresh', '$schedule', '$refresh')");
$run = end_of_next_run($node, $job);
is($run->{status}, 'succeeded', "pg_cron refreshes the view by the schedule $schedule");
query("SELECT cron.unschedule('refresh')");
is( query($contents),
	query("SELECT string_agg(a::text, ',' ORDER BY session_id) FROM ($view) a"),
	'the view is what Crisp has');

$node->stop;
done_testing();
