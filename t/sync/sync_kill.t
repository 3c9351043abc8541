# crisp_sync() is stopped at random moments, in every way there is, while the data at Crisp moves.
# What is left behind is a state from which the next run goes on, and in the end source and copy
# are equal.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use CrispSync;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep);

my $KILLS = 20;
my $LONGEST_WAIT = 60;    # seconds

my $seed = $ENV{SYNC_SEED} // int rand 1_000_000;
srand $seed;
diag("seed: SYNC_SEED=$seed");

my $sandbox = CrispSandbox->start(
	conversations => 1600,
	people => 400,
	visitors => 1,
	operators => 3,
	campaigns => 1,
	websites => 1);
my $node = start_node('max_connections = 20', 'restart_after_crash = on');
$node->append_conf('postgresql.conf', "client_connection_check_interval = '50ms'\n");
$node->restart;
connect_crisp($node, $sandbox, options => "max_retries '1', retry_delay '1ms', retry_budget '1s'");

my %lists = (
	'crisp.conversations' => [ 'conversations', 'conversations' ],
	'crisp.people_profiles' => [ 'people', 'people/profiles' ]);
my ($session, $victim);

sub new_session
{
	$session = CrispSession->start($node);
	sync_with($session, $sandbox);
	return;
}

#
# What happens at Crisp
#

# Changes to random rows, at random moments of the next requests for a list.
sub move_data
{
	my ($source) = @_;
	my ($resource, $path) = @{ $lists{$source} };
	my @operations = qw(touch_random touch_random insert_random delete_random);

	$sandbox->data(
		[   map {
				{   op         => $operations[ rand @operations ],
					resource   => $resource,
					count      => 1 + int rand 8,
					seed       => int rand 1_000_000,
					at_request => {
						path => "website/*/$path/*",
						nth  => 1 + int rand 25,
						when => rand() < 0.5 ? 'before' : 'after' } }
			} 1 .. 6 ]);
	return;
}

#
# Ways to stop a run
#

sub faults
{
	$sandbox->control({ answers => [@_] });
	return;
}

# Returns once the sandbox has had so many requests, or the victim has nothing more to do.
sub wait_for_requests
{
	my ($number) = @_;
	my $pid = $victim->pid;

	for (1 .. $LONGEST_WAIT * 100)
	{
		return if $sandbox->count >= $number;
		return if $session->query("SELECT state FROM pg_stat_activity WHERE pid = $pid") eq 'idle';
		sleep 0.01;
	}
	die "the sync neither goes on nor ends\n";
}

sub admin
{
	my ($function) = @_;

	$session->query("SELECT $function(" . $victim->pid . ')');
	return $victim->wait;
}

# The server ends all sessions when one of its processes was killed, and comes up again.
sub kill_backend
{
	my $result;

	kill 'KILL', $victim->pid;
	$result = $victim->wait;
	for (1 .. $LONGEST_WAIT * 10)
	{
		last if $session->run('SELECT 1')->{lost};
		sleep 0.1;
	}
	$node->poll_query_until('postgres', 'SELECT true') or die "the server does not come up again\n";
	new_session();
	return $result;
}

sub stop_server
{
	my $result;

	$node->stop('immediate');
	$result = $victim->wait;
	$node->start;
	new_session();
	return $result;
}

# What the backend does then is its own affair; it's over when this returns.
sub leave
{
	my $pid = $victim->pid;

	$victim->kill_client;
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid")
	  or die "the backend does not end\n";
	return { lost => 1 };
}

my %ways = (
	'cancel' => sub { admin('pg_cancel_backend') },
	'terminate' => sub { admin('pg_terminate_backend') },
	'kill -9 of the backend' => \&kill_backend,
	'immediate stop of the server' => \&stop_server,
	'client that is gone' => \&leave);
my %failures = (
	'spent quota' => { status => 429, headers => { 'Retry-After' => '3600' } },
	'server error' => { status => 503 },
	'connection that is reset' => { reset => JSON::PP::true },
	'answer that is cut' => { cut_after => 700 });
my @kinds = ((sort keys %ways) x 2, sort keys %failures);

# Run a sync, and stop it in that way at a random request.  Returns whether it was.
sub interrupt
{
	my ($source, $arguments, $kind) = @_;
	my $path = "website/*/$lists{$source}->[1]/*";
	my $many = $arguments =~ /full/ || $session->query(
		"SELECT count(*) FROM crisp_sync_status WHERE source = '$source'::regclass AND gaps <> '{}'");
	my $nth = 1 + int rand($many ? 9 : 2);
	my $silent = rand() < 0.5;
	my $result;

	$sandbox->clear;
	move_data($source);
	if ($failures{$kind})
	{
		faults({ match => { path => $path, nth => $nth }, times => 10, %{ $failures{$kind} } });
		$result = $session->run("CALL crisp_sync($arguments)");
	}
	else
	{
		# While Crisp is silent, or wherever it is.
		faults(
			$silent
			? { match => { path => $path, nth => $nth }, hang => JSON::PP::true }
			: { match => { path => $path }, delay_ms => 2 });
		$victim = CrispSession->start($node);
		$victim->send("CALL crisp_sync($arguments)");
		wait_for_requests($nth);
		$result = $ways{$kind}->();
	}
	faults();
	return $result->{lost} || @{ $result->{errors} } > 0;
}

# A run that nothing stops; and then all of them, until there is nothing more to do.
sub finish
{
	my ($arguments) = @_;

	my $run;

	for (1 .. 50)
	{
		$run = sync($arguments);
		return if last_run('state') eq 'finished';
	}
	die "crisp_sync($arguments) does not come to an end:\n$run->{notices}\n"
	  . $session->query('TABLE crisp_sync_internal.crisp_sync_job');
}

#
# The test
#

# The sandbox's changes are a millisecond apart, so this is long enough; a minute would be all of them.
my $overlap = "overlap => '20 ms'";
my %targets = ('crisp.conversations' => 'public.conversations', 'crisp.people_profiles' => 'public.people');
my %stopped = map { $_ => 0 } keys %ways, keys %failures;
my $number = 0;

# So that a row which is deleted doesn't take the newest time with it: Crisp's clock would not go back.
$sandbox->data([ map { { op => 'touch_random', resource => $_, count => 60, seed => 1 } } qw(conversations people) ]);
new_session();
for (1 .. 5 * $KILLS)
{
	my $kind = $kinds[ $number % @kinds ];
	my $source = rand() < 0.7 ? 'crisp.conversations' : 'crisp.people_profiles';
	my $mode = rand() < 0.3 ? 'full' : 'incremental';
	my $arguments =
	  "'$source', '$targets{$source}', mode => '$mode', $overlap, max_requests => " . (10 + int rand 30);

	if (interrupt($source, $arguments, $kind))
	{
		note "$kind: $arguments";
		$stopped{$kind}++;
		$number++;
	}
	last if $number == $KILLS;
}
is($number, $KILLS, "stopped $KILLS times");
cmp_ok($stopped{$_}, '>', 0, "$_: $stopped{$_} times") foreach sort(keys %ways, keys %failures);
is($session->query("SELECT count(*) FROM pg_locks WHERE objsubid = 17235"), 0, 'no lock is left behind');
is($session->query("SELECT count(*) FROM crisp_sync_run WHERE state = 'running'"), 0, 'no run seems to be running');
cmp_ok($session->query("SELECT count(*) FROM crisp_sync_run WHERE state = 'interrupted'"), '>', 0,
	'some were interrupted');
cmp_ok($session->query("SELECT count(*) FROM crisp_sync_run WHERE state = 'failed' AND error IS NOT NULL"),
	'>', 0, 'some have failed');

foreach my $source (sort keys %targets)
{
	my $target = $targets{$source};
	my $key = $source =~ /people/ ? 'people_id' : 'session_id';

	# What was to happen at later requests happens now.
	$sandbox->clear;
	$session->query("SELECT count($key || '') FROM $source") while $sandbox->count < 50;
	finish("'$source', '$target', $overlap, max_requests => 15");
	my ($rows, $missing, $extra) = compare_copy($source, $target);
	is($missing, 0, "$source: no row of $rows is missing, or another than at Crisp");
	is($extra,
		$session->query("SELECT count(*) FROM $target WHERE $key NOT IN (SELECT $key FROM $source)"),
		"$source: the copy has more rows only where they were deleted at Crisp");

	finish("'$source', '$target', mode => 'full', $overlap, max_requests => 15");
	is_copy($source, $target, "$source: after a full load, the same");
	is(status('gaps', $target), '{}', "$source: there are no gaps");
}

done_testing();
