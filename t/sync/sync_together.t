# crisp_sync(): several gaps read at a time: as exactly as one after the other, in no more requests.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use CrispSync;
use JSON::PP;
use POSIX qw(ceil);
use Test::More;

my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my ($node, $sandbox) = start_crisp(conversations => 8000, people => 3000);
my $session = CrispSession->start($node);
my $rows = $session->query('SELECT count(*) FROM crisp.conversations');
my $people = $session->query('SELECT count(*) FROM crisp.people_profiles');

sync_with($session, $sandbox);

# Pages of the list of conversations, or of profiles, that the latest sync has asked for.
sub pages
{
	my ($path) = @_;

	return grep { $_->{path} =~ m{/$path/1$} } $sandbox->requests;
}

sub most_together
{
	my ($path) = @_;

	return CrispSandbox::together(pages($path));
}

sub gaps { return $session->query(
	"SELECT count(*) FROM crisp_sync_status s, unnest(s.gaps) WHERE s.target = '$_[0]'::regclass") }

# How many requests it takes, one after the other, is what several at a time may take, but for pages
# that aren't full: of a list
# that isn't long these count for more.
my %alone;
foreach my $prefetch (1, 4, 8, 32)
{
	$session->query("ALTER FOREIGN TABLE crisp.$_ OPTIONS (ADD prefetch '$prefetch')")
		foreach qw(conversations people_profiles);
	foreach my $case ([ 'conversations', 'conversations', $rows ], [ 'people_profiles', 'people/profiles', $people ])
	{
		my ($table, $path, $count) = @{$case};
		my $target = "${table}_$prefetch";

		$sandbox->control({ quiet_ms => 20 });
		my $run = sync("'crisp.$table', '$target', max_requests => NULL");
		my $together = most_together($path);
		$sandbox->control({ quiet_ms => 0 });
		is_copy("crisp.$table", $target, "$table, prefetch $prefetch");
		is(status('state', $target), 'up to date', "$table, prefetch $prefetch: all of it");
		$alone{$table} = $run->{requests} if $prefetch == 1;
		cmp_ok($run->{requests}, '<=', ceil($alone{$table} * ($prefetch > 8 ? 1.1 : 1.04)),
			"$table, prefetch $prefetch: requests");
		cmp_ok($together, '<=', $prefetch, "$table, prefetch $prefetch: so many together, at most");
		cmp_ok($together, '>=', $prefetch > 4 ? 3 : $prefetch / 2, "$table, prefetch $prefetch: several");
		note "$table, prefetch $prefetch: $run->{requests} requests, $together together";
		is($session->query(
			"SELECT count(*) > 0 FROM crisp_sync_run WHERE target = '$target'::regclass "
				. "AND windows <= $count / 48 / 5 + 2"), 't', 'windows');
	}
	$session->query("ALTER FOREIGN TABLE crisp.$_ OPTIONS (DROP prefetch)") foreach qw(conversations people_profiles);
}

$session->query("ALTER SERVER support OPTIONS (SET prefetch '4')");

# In calls that end anywhere.
foreach my $most (23, 60, 75)
{
	my ($calls, $requests) = (0, 0);

	do
	{
		my $run = sync("'crisp.conversations', 'by_$most', max_requests => $most");
		$requests += $run->{requests};
		cmp_ok($run->{requests}, '<=', $most, "$most requests: no more");
	} until last_run('state') eq 'finished' || ++$calls > 20;
	is_copy('crisp.conversations', "by_$most", "at most $most requests a call");
	cmp_ok($requests, '<=', ceil($rows / 48) + 2 * $calls + 14, "at most $most requests a call: in all");
}

# A list that moves: rows that stay are there at the end, and those that moved or came, with the next run.
foreach my $seed (1 .. 6)
{
	my @names = qw(touch_random delete_random insert_random);
	my @disturbances;

	srand $seed;
	for my $number (1 .. 40)
	{
		my $op = $names[ rand 3 ];
		push @disturbances,
		  {
			op => $op, count => 1 + int rand 10, seed => int rand 1_000_000,
			at_request => { path => 'website/*/conversations/*', nth => 1 + int rand 120,
				when => rand() < 0.5 ? 'before' : 'after' } };
	}
	$sandbox->data(\@disturbances);
	sync("'crisp.conversations', 'moving_$seed', overlap => '0'");
	sync("'crisp.conversations', 'moving_$seed', overlap => '0'");
	my ($count, $missing, $extra) = compare_copy('crisp.conversations', "moving_$seed");
	is($missing, 0, "seed $seed: nothing of $count rows is missing");
	sync("'crisp.conversations', 'moving_$seed', mode => 'full'");
	is_copy('crisp.conversations', "moving_$seed", "seed $seed: after a full load");
}

# One of several requests fails: what was noted as done is not fetched again, and nothing is lost.
foreach my $answer ({ status => 403 }, { status => 500 })
{
	my $name = $answer->{status};
	my $target = "failing_$name";

	$session->query("ALTER SERVER support OPTIONS (ADD max_retries '0')");
	$sandbox->control({ answers => [ { match => { path => 'website/*/conversations/1', nth => 90 }, %{$answer} } ] });
	sync_fails("'crisp.conversations', '$target'", { message => qr/./ }, "$name: a run that fails");
	$sandbox->control({ answers => [] });
	$session->query('ALTER SERVER support OPTIONS (DROP max_retries)');
	cmp_ok($session->query("SELECT count(*) FROM $target"), '>', 1500, "$name: what came in earlier windows is there");
	cmp_ok(gaps($target), '>', 1, "$name: several gaps are left");
	my $run = sync("'crisp.conversations', '$target'");
	is_copy('crisp.conversations', $target, "$name: the next run");
	cmp_ok($run->{requests}, '<=', ceil($rows / 48) - 30, "$name: goes on");
}

# Requests that Crisp puts off, and answers later than others.
{
	$session->query("ALTER SERVER support OPTIONS (ADD retry_delay '1')");
	$sandbox->control({ answers => [ map { { match => { path => 'website/*/conversations/1', nth => 20 * $_ },
		status => 429, times => 1 } } 1 .. 6 ] });
	sync(q('crisp.conversations', 'put_off'));
	$sandbox->control({ answers => [] });
	$session->query('ALTER SERVER support OPTIONS (DROP retry_delay)');
	is_copy('crisp.conversations', 'put_off', 'requests that are made again');
}

# A column that rounds its times can't tell where a part ends: its windows are read one after the other.
$session->query(
	q(CREATE SCHEMA coarse; CREATE FOREIGN TABLE coarse.conversations )
		. q((session_id text, state text, updated_at timestamptz(0)) SERVER support));
sync(q('coarse.conversations', 'coarse_copy'));
is(most_together('conversations'), 1, 'a coarse column: one after the other');
is_copy('coarse.conversations', 'coarse_copy', 'a coarse column');
foreach my $type ('timestamp', 'bigint', 'timestamptz(3)')
{
	(my $name = $type) =~ s/\W//g;
	$session->query(
		"CREATE SCHEMA of_$name; CREATE FOREIGN TABLE of_$name.conversations "
			. "(session_id text, state text, updated_at $type) SERVER support");
	sync("'of_$name.conversations', 'of_${name}_copy'");
	is_copy("of_$name.conversations", "of_${name}_copy", "a column of type $type");
}

# More rows of one moment than a window has, in the middle of a gap; and many on both sides.
$sandbox->data([ { op => 'insert_many', count => 2900, at => 1_700_000_000_000 },
	{ op => 'insert_many', count => 60, at => 1_700_000_000_001 } ]);
sync(q('crisp.conversations', 'moment', max_requests => NULL));
is_copy('crisp.conversations', 'moment', 'more rows of one moment than a window has');

# Crisp stops to keep the order in the middle.
$session->quit;
$session = CrispSession->start($node);
sync_with($session, $sandbox);
sync(q('crisp.people_profiles', 'unordered', max_requests => 30));
$sandbox->control({ honour_order => $false, honour_sort => $false, default_order => 'none' });
$session->quit;
$session = CrispSession->start($node);
sync_with($session, $sandbox);
sync(q('crisp.people_profiles', 'unordered', max_requests => NULL));
is_copy('crisp.people_profiles', 'unordered', 'an order that is not kept any more');

# Parts that can't be.
my $exchange = "SELECT crisp_sync_internal.crisp_sync_exchange('crisp.conversations'::regclass, 'moment'::regclass, "
	. "'SELECT 1', 'SELECT 1', NULL, NULL, NULL, '{}', '{}', NULL, NULL, false, false, NULL, %s, %s, 0, NULL)";
$session->fails(sprintf($exchange, @{$_}), { sqlstate => '22023' }, "parts @{$_}")
  foreach [ q('{}'), 1 ], [ q('{2020-01-01}'), 1 ], [ q('{2020-01-01,NULL}'), 1 ], [ q('{2020-01-02,2020-01-01}'), 1 ],
  [ q('{2020-01-01,2020-01-02}'), 0 ];

done_testing();
