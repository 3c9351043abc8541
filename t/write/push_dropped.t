# crisp_push() of a target that another session drops while it runs: the error says so, in the status, too, and the rest
# is left as it is.

use strict;
use warnings;

use CrispCluster;
use CrispPush;
use CrispSandbox;
use CrispSession;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 20, people => 20, visitors => 1, operators => 1);
my $session = CrispSession->start($node);
my $other = CrispSession->start($node);
my $other_pid = $other->pid;

push_with($session, $sandbox);
$session->query(q(CREATE TABLE customers AS SELECT 'c' || n || '@x.org' AS email, 'Name' || n AS person_nickname
	FROM generate_series(1, 9) n));

foreach my $drop ('DROP FOREIGN TABLE gone.people_profiles', 'DROP SERVER gone CASCADE')
{
	foreach my $nth (1, 2, 5)
	{
		my $about = "$drop, request $nth";

		connect_crisp($node, $sandbox, server => 'gone', schema => 'gone', options => "updatable 'true', prefetch '1'");
		$sandbox->clear;
		$sandbox->control({ answers => [ { match => { path => 'website/*/people/profile*', nth => $nth },
			delay_ms => 1500 } ] });
		$session->send(q(CALL crisp_push('customers', 'gone.people_profiles', key => 'email')));
		$sandbox->wait_for_requests($nth);
		$other->send($drop);
		$node->poll_query_until('postgres',
			"SELECT wait_event_type FROM pg_stat_activity WHERE pid = $other_pid", 'Lock') or die 'no lock';
		my ($error) = @{ $session->wait->{errors} };
		is($error->{sqlstate}, '42P01', "$about: sqlstate");
		is($error->{message}, 'the target of the push was dropped while it ran', '... message');
		like($error->{detail}, qr/^It was "gone\.people_profiles"\.$/, '... detail');
		$other->wait;
		is($session->query('SELECT state, sqlstate, error FROM crisp_push_run ORDER BY started_at DESC LIMIT 1'),
			'failed|42P01|the target of the push was dropped while it ran', '... run');
		$session->query('DROP SERVER IF EXISTS gone CASCADE; DROP SCHEMA IF EXISTS gone CASCADE');
	}
}

$node->stop;
done_testing();
