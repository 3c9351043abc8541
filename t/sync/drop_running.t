# DROP EXTENSION crisp_fdw CASCADE while runs are under way: it waits for what they have begun, and neither ends in a
# deadlock, whichever tables they come to.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use JSON::PP ();
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 600, people => 30, visitors => 1, operators => 1);
my $session = CrispSession->start($node);
my $make = q(
	ALTER SERVER support OPTIONS (ADD updatable 'true');
	DROP TABLE IF EXISTS public.copy, public.customers;
	CREATE TABLE public.customers AS SELECT n || '@x.org' AS email, 'Name' || n AS person_nickname
		FROM generate_series(1, 9) n);
my $sync = q(CALL crisp_sync('crisp.conversations', 'public.copy'%s));
my $list = 'website/*/conversations/*';
my @cases = (
	[ 'the first window', sprintf($sync, ''), { path => $list, nth => 2 }, 'sync' ],
	[ 'a later window', sprintf($sync, ''), { path => $list, nth => 8 }, 'sync' ],
	[ 'between windows', sprintf($sync, ''), { path => $list, nth => 8 }, 'sync', 'crisp.operators' ],
	[ 'a full load', sprintf($sync, q(, mode => 'full')), { path => $list, nth => 7 }, 'sync' ],
	[ 'messages', q(CALL crisp_sync('crisp.messages', 'public.copy', max_requests => 30)),
		{ path => 'website/*/conversation/*', nth => 3 }, 'sync' ],
	[ 'a push', q(CALL crisp_push('public.customers', 'crisp.people_profiles', key => 'email')),
		{ path => 'website/*/people/profile*', nth => 3 }, 'push' ]);

$node->append_conf('postgresql.conf', "deadlock_timeout = '10ms'");
$node->reload;
foreach my $case (@cases)
{
	my ($name, $call, $under_way, $what, $held) = @{$case};
	my $runner = CrispSession->start($node);
	my $holder = CrispSession->start($node);
	my $result;

	$session->query($make);
	$sandbox->clear;
	$sandbox->control({ answers => [ { match => $under_way, hang => JSON::PP::true } ] });
	$runner->send($call);
	$sandbox->wait_for_hang;
	$session->send('DROP EXTENSION crisp_fdw CASCADE');
	$node->poll_query_until('postgres',
		'SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND pid = ' . $session->pid)
	  or die "the statement does not wait\n";
	# Whoever holds a table that is dropped keeps that from getting through before the next window begins.
	$holder->query("BEGIN; SELECT FROM $held LIMIT 0") if $held;
	$sandbox->reset;
	if ($held)
	{
		my $pids = $session->pid . ', ' . $runner->pid;

		$node->poll_query_until('postgres',
			"SELECT count(DISTINCT pid) = 2 FROM pg_locks WHERE NOT granted AND pid IN ($pids)")
		  or die "the run does not come to its next window\n";
	}
	$holder->quit;
	$result = $session->wait;
	is_deeply($result->{errors}, [], "$name: the extension is dropped");
	$result = $runner->wait;
	is($result->{errors}->[0]->{sqlstate}, '42704', "$name: the run ends");
	is($result->{errors}->[0]->{message},
		qq(extension "crisp_fdw" was dropped while the $what ran), "$name: and says why");
	$runner->quit;
	$session->query('DROP SCHEMA crisp CASCADE; CREATE EXTENSION crisp_fdw');
	connect_crisp($node, $sandbox);
}

$session->quit;
$node->stop;
done_testing();
