# crisp_sync() of campaigns, each of which takes a request for what the list lacks.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use Test::More;

my $campaigns = 40;
my ($node, $sandbox) =
  start_crisp(conversations => 10, people => 10, operators => 1, campaigns => $campaigns, websites => 1);
my $session = CrispSession->start($node);

sync_with($session, $sandbox);
$session->query(q(ALTER SERVER support OPTIONS (ADD retry_delay '5ms')));

# Every so many requests, one fails, and is made again.
sub fail_every
{
	my ($number) = @_;

	$sandbox->control(
		{ answers => [ map { { match => { path => '*', nth => $_ * $number }, status => 503 } } 1 .. 40 ] });
	return;
}

# Each call brings some, whether requests are repeated or not, and ends within its limit.
foreach my $case ([ 0, 13, 6 ], [ 3, 13, 3 ], [ 2, 20, 1 ])
{
	my ($every, $most, $least) = @{$case};
	my $name = $every ? "every ${every}th request fails" : 'no request fails';
	my $target = "every$every";
	my $calls = 0;
	my $rows = 0;

	$session->query("CREATE TABLE $target (LIKE crisp.campaigns, PRIMARY KEY (campaign_id))");
	for (; $rows < $campaigns && $calls < 60; $calls++)
	{
		$every ? fail_every($every) : $sandbox->control({ answers => [] });
		my $run = sync("'crisp.campaigns', '$target', max_requests => $most");
		my $now = $session->query("SELECT count(*) FROM $target");
		my $progress = $now - $rows;
		cmp_ok($run->{requests}, '<=', $most, "$name: no more requests than allowed") if $run->{requests} > $most;
		if ($progress == 0)
		{
			unlike($run->{notices}, qr/gets no further/, "$name: a call that brings nothing lets the next one ask for less");
			fail_every($every);
			sync("'crisp.campaigns', '$target', max_requests => $most");
			$now = $session->query("SELECT count(*) FROM $target");
			cmp_ok($now, '>', $rows, "$name: which brings some");
		}
		$rows = $now;
	}
	is($rows, $campaigns, "$name: all of them after $calls calls");
	cmp_ok($calls, '<=', $campaigns / $least + 2, "$name: not too many");
	$sandbox->control({ answers => [] });
	sync("'crisp.campaigns', '$target'");
	is_copy('crisp.campaigns', $target, $name);
}

# Where nothing fails, no more is asked for than before.
{
	my $run = sync(q('crisp.campaigns', 'at_once'));

	cmp_ok($run->{requests}, '<=', $campaigns + 6, 'a request for each, and the list');
	is_copy('crisp.campaigns', 'at_once', 'all of them at once');
}

# One whose details are gone by the time that they are asked for is left out, as one that the list lacks.
my $broken = $session->query('SELECT campaign_id FROM crisp.campaigns ORDER BY 1 OFFSET 7 LIMIT 1');

sub answer_for_one
{
	my ($status) = @_;

	$sandbox->control({ answers => [ { match => { path => "*/campaign/$broken" }, status => $status } ] });
	return;
}
answer_for_one(404);
is($session->query('SELECT count(message) FROM crisp.campaigns'), $campaigns - 1, 'gone: a scan leaves it out');
sync(q('crisp.campaigns', 'without'));
is($session->query('SELECT count(*) FROM without'), $campaigns - 1, 'gone: so does a sync');

# One that Crisp fails to give is an error, which says which one it is, and what to do.
answer_for_one(500);
my %failure = (
	sqlstate => 'HV00M',
	message  => qr/^Crisp failed to answer, server "support"$/,
	detail   => qr{^GET website/\S+/campaign/\Q$broken\E answered HTTP 500},
	hint     => qr/^Try again later\. If this row fails each time, use none of the columns .*, such as "sender_user_id"\.$/);
$session->fails('SELECT message FROM crisp.campaigns', \%failure, 'a campaign that fails: a scan');
sync_fails(q('crisp.campaigns', 'failing'), \%failure, 'a campaign that fails: a sync');
like(status('last_error', 'failing'), qr/^Crisp failed to answer/, 'as the status has it');
is($session->query('SELECT count(name) FROM crisp.campaigns'), $campaigns, 'without its details');
$session->query('CREATE TABLE lists_only (campaign_id text PRIMARY KEY, name text, updated_at timestamptz)');
sync(q('crisp.campaigns', 'lists_only'));
is($session->query('SELECT count(name) FROM lists_only'), $campaigns, 'a sync without them');
$sandbox->control({ answers => [ { match => { path => '*/campaigns/list/*' }, status => 500 } ] });
is($session->run('SELECT name FROM crisp.campaigns')->{errors}->[0]->{hint}, 'Try again later.', 'a list that fails');

done_testing();
