# Pushes that pg_cron runs, in background workers, as the role that has scheduled them.

use strict;
use warnings;

use CrispCluster;
use CrispCron;
use CrispSandbox;
use JSON::PP;
use Test::More;

plan_without_cron();

my $sandbox = CrispSandbox->start(conversations => 3, people => 20, operators => 2);
my $node = start_node(cron_settings());

connect_crisp($node, $sandbox, options => "max_retries '0', updatable 'true'");

sub query { return $node->safe_psql('postgres', $_[0]) }

my $website = credential_options($sandbox, 'website');

query(<<"END");
CREATE EXTENSION pg_cron;
CREATE ROLE clerk LOGIN;
GRANT USAGE ON SCHEMA cron, crisp TO clerk;
GRANT INSERT, UPDATE ON crisp.people_profiles TO clerk;
CREATE USER MAPPING FOR clerk SERVER support OPTIONS ($website);
CREATE SCHEMA shop AUTHORIZATION clerk;
SET ROLE clerk;
CREATE TABLE shop.customers (email text PRIMARY KEY, person_nickname text);
INSERT INTO shop.customers SELECT 'c' || n || '\@example.com', 'C' || n FROM generate_series(1, 5) n;
END

my $call = q(CALL crisp_push('shop.customers', 'crisp.people_profiles', key => 'email'));
my $run = run_by_cron($node, $call, 'clerk');
is($run->{status}, 'succeeded', 'pg_cron runs a push, which commits as it goes');
is(query('SELECT state, role, rows_known FROM crisp_push_status'), 'up to date|clerk|5', 'as who has scheduled it');
$sandbox->clear;
$run = run_by_cron($node, $call, 'clerk');
is($sandbox->count, 0, 'without a change it asks for nothing');
$run = run_by_cron($node, $call);
is($run->{status}, 'failed', 'another role, a superuser too,');
like($run->{message}, qr/^ERROR: the push of .* belongs to role "clerk"/, 'does not run it');

query(q(UPDATE shop.customers SET person_nickname = 'x'));
$sandbox->control({ answers => [ { match => {}, status => 401 } ] });
$run = run_by_cron($node, $call, 'clerk');
is($run->{status}, 'failed', 'credentials that are refused');
like($run->{message}, qr/^ERROR: Crisp rejected the credentials, server "support"\n/, 'the error');
is( query(q(SELECT count(*) FROM crisp_push_status WHERE last_error_at > coalesce(last_success, '-infinity'))),
	1, 'a query for alerts finds the job');
$sandbox->control({ answers => [] });
$run = run_by_cron($node, $call, 'clerk');
is($run->{status}, 'succeeded', 'the next run');
is(query('SELECT state FROM crisp_push_status'), 'up to date', 'goes on');

query(q(UPDATE shop.customers SET person_nickname = 'y'));
my $job = query("SET ROLE clerk; SELECT cron.schedule('push', '" . shortest_schedule($node) . "', \$\$$call\$\$)");
$run = end_of_next_run($node, $job);
is($run->{status}, 'succeeded', 'on a schedule');
query("SET ROLE clerk; SELECT cron.unschedule('push')");
is(query(q(SELECT count(*) FROM crisp.people_profiles WHERE person_nickname = 'y')), 5, 'Crisp has the change');

$node->stop;
done_testing();
