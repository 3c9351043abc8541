# How many pages are asked for ahead of need, where the end of a list is guessed,
# known, or told by Crisp; and that no guess decides which rows come.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use List::Util qw(min);
use Test::More;

my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my $PER_PAGE = 20;

my $sandbox = CrispSandbox->start(
	conversations => 500,
	people        => 500,
	websites      => 2,
	visitors      => 70,
	operators     => 3,
	campaigns     => 1);
my $node = start_node();

connect_crisp($node, $sandbox, options => "prefetch '4', per_page '$PER_PAGE'");
$sandbox->show_rechecks(1);

my $website  = $sandbox->website_id;
my $admin    = CrispSession->start($node);
my %lists    = (conversations => 'conversations', people => 'people_profiles');
my %counters = (conversations => 'nothing', people => "website/$website/people/stats");

# From now on a list has so many rows, each updated a second after the one before.
sub fill
{
	my ($name, $count) = @_;

	$sandbox->reset;
	$sandbox->data(
		[   { op => 'clear', resource => $name },
			map {
				{   op       => 'insert_many',
					resource => $name,
					count    => 1,
					at       => 1_700_000_000_000 + 1000 * $_ }
			} 1 .. $count ]);
	return;
}

sub prefetch
{
	my ($number) = @_;

	$admin->query("ALTER SERVER support OPTIONS (SET prefetch '$number')");
	return;
}

# What a scan costs, and how many rows it has: the plan after it was run.
sub scan
{
	my ($session, $list, $rest) = @_;

	$sandbox->clear;
	return decode_json(
		$session->query("EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM crisp.$list " . ($rest // ''))
	)->[0]->{Plan};
}

# How many requests the sandbox has seen for a path.
sub asked { return scalar(grep { $_->{path} =~ m{/$_[0]$} } $sandbox->requests) }

# The pages past the end of a list that are asked for when nothing is known of its length: a round of
# one, then rounds of twice as many as have come, up to prefetch; then one for each page that comes.
sub past_end
{
	my ($pages, $prefetch) = @_;
	my ($sum, $round) = (1, 1);

	while ($sum < $pages && $round < $prefetch)
	{
		$round = min(2 * $sum, $prefetch);
		$sum += $round;
	}
	return $sum < $pages ? $prefetch - 1 : $sum - $pages;
}

# ---- Nothing is known of the list but what the planner takes lists for; then it has been seen

my $session;

foreach my $pages (1 .. 10)
{
	fill('conversations', $pages * $PER_PAGE - 5);
	foreach my $prefetch (1, 2, 4, 8)
	{
		my $rows = $pages * $PER_PAGE - 5;
		my $most = past_end($pages, $prefetch);
		my $look = $pages > 1 ? 1 : 0;
		my $name = "$pages pages, prefetch $prefetch";

		prefetch($prefetch);
		$session = CrispSession->start($node);
		my $first = scan($session, 'conversations');
		is($first->{'Actual Rows'}, $rows, "$name: rows");
		cmp_ok($first->{'Requests Past The End'}, '<=', $most, "$name: requests past the end");
		cmp_ok($most, '<', $prefetch, "$name: ... are fewer than prefetch");
		is( $first->{Requests},
			$pages + $look + $first->{'Requests Past The End'},
			"$name: requests");
		is($sandbox->count, $first->{Requests}, "$name: as Crisp counts them");

		my $then = scan($session, 'conversations');
		is($then->{'Requests Past The End'}, 0, "$name: none past an end that was seen");
		is($sandbox->count, $pages + $look, "$name: requests for a list that was seen");
		$session->quit;
	}
}

# Requests past the end are there to be seen, where none of a round is answered before all were made.
prefetch(8);
fill('conversations', 4 * $PER_PAGE);
$sandbox->control({ latency_ms => 100 });
$session = CrispSession->start($node);
is(scan($session, 'conversations')->{'Requests Past The End'},
	5, 'a round of six for the last page of a list: five of them past its end');

# ---- What was seen is out of date

fill('conversations', 3 * $PER_PAGE - 1);
is(scan($session, 'conversations')->{'Actual Rows'}, 3 * $PER_PAGE - 1, 'three pages are left');
is(scan($session, 'conversations')->{'Requests Past The End'}, 0, '... which is seen');
foreach my $pages (4, 5, 12)
{
	fill('conversations', $pages * $PER_PAGE - 3);
	is(scan($session, 'conversations')->{'Actual Rows'},
		$pages * $PER_PAGE - 3, "a list that has grown to $pages pages");
	fill('conversations', 3 * $PER_PAGE - 1);
	cmp_ok(scan($session, 'conversations')->{'Requests Past The End'},
		'<', 8, "... and shrinks again: requests past its end");
	is(scan($session, 'conversations')->{'Requests Past The End'}, 0, '... once');
}

# A list whose full last page is not said to be the last ends with an empty one, which is asked for alone.
$sandbox->control({ full_last_page => 206 });
fill('conversations', 5 * $PER_PAGE);
$sandbox->control({ full_last_page => 206 });
scan($session, 'conversations');
my $plan = scan($session, 'conversations');
is($plan->{'Actual Rows'}, 5 * $PER_PAGE, 'a full last page that is not said to be one: rows');
is($plan->{Pages}, 5 + 1 + 1, '... the empty page and the recheck');
is($plan->{'Requests Past The End'}, 0, '... and no more');

# Conditions make another list of it.
fill('conversations', 9 * $PER_PAGE);
is(scan($session, 'conversations', "WHERE state = 'resolved'")->{'Actual Rows'}
	+ scan($session, 'conversations', "WHERE state <> 'resolved' OR state IS NULL")->{'Actual Rows'},
	9 * $PER_PAGE, 'lists with conditions, after one without');
scan($session, 'conversations', "WHERE updated_at > to_timestamp(1700000100)");
is(scan($session, 'conversations', "WHERE updated_at > to_timestamp(1700000100)")->{'Requests Past The End'},
	0, 'a list with conditions that was seen');
$session->quit;

# Many lists are read; the latest of them are remembered, and no memory is used up.
$session = CrispSession->start($node);
fill('conversations', 2 * $PER_PAGE);
my $many = join ";\n",
  map { "SELECT count(*) FROM crisp.conversations WHERE updated_at > to_timestamp(1600000000 + $_)" }
  1 .. 100;
$session->query($many);
my $memory = $session->memory;
$session->query($many =~ s/1600/1500/gr) foreach 1 .. 3;
cmp_ok($session->memory - $memory, '<', 512 * 1024, 'hundreds of lists that were seen: memory');
$session->quit;

# ---- The recheck is asked for when all pages have been answered

foreach my $case ([ 1, 3 ], [ 4, 4 ])
{
	my ($prefetch, $requests) = @{$case};

	fill('conversations', 3 * $PER_PAGE);
	prefetch($prefetch);
	$session = CrispSession->start($node);
	$sandbox->clear;
	$session->query('BEGIN; DECLARE c CURSOR FOR SELECT session_id FROM crisp.conversations; MOVE '
		  . (2 * $PER_PAGE + 1)
		  . ' IN c');
	is($sandbox->count, $requests, "prefetch $prefetch: requests at the first row of the last page");
	is(scalar(my @rest = split /\n/, $session->query('FETCH ALL FROM c; COMMIT')),
		$PER_PAGE - 1, "prefetch $prefetch: the rest");
	is($sandbox->count, 4, "prefetch $prefetch: requests in all");
	$session->quit;
}

# Not if a page was cut, and had to be asked for again: what moved before that answer is for a later look.
foreach my $prefetch (2, 8)
{
	fill('conversations', 7 * $PER_PAGE);
	prefetch($prefetch);
	my @keys = $sandbox->column('conversations', 'session_id');
	$sandbox->control(
		{   answers => [
				{   match  => { path => '*/conversations/7' },
					times  => 1,
					status => 200,
					body   => '{"error":false,"reason":"listed","data":[{"session' } ] });
	$sandbox->data(
		[   {   op         => 'touch',
				key        => $keys[-5],
				at_request => { path => '*/conversations/7', nth => 2 } } ]);
	$session = CrispSession->start($node);
	is( $session->query('SELECT count(DISTINCT session_id) FROM crisp.conversations'),
		scalar @keys,
		"prefetch $prefetch: a row that moves before a page is answered again");
	my @requests = $sandbox->requests;
	is(scalar(grep { $_->{path} =~ m{/7$} } @requests), 2, '... which it was');
	like($requests[-1]->{query}, qr/filter_date_start/, '... with a look after that');
	$session->quit;
}

# ---- Statistics

fill('conversations', 9 * $PER_PAGE);
prefetch(8);
$admin->query('ANALYZE crisp.conversations');
$session = CrispSession->start($node);
$plan = scan($session, 'conversations');
is($plan->{'Actual Rows'}, 9 * $PER_PAGE, 'a list that was analyzed: rows');
is($plan->{'Requests Past The End'}, 0, '... and none past its end');
fill('conversations', 30 * $PER_PAGE - 1);
$session->quit;
$session = CrispSession->start($node);
is(scan($session, 'conversations')->{'Actual Rows'},
	30 * $PER_PAGE - 1, 'a list that was shorter when it was analyzed: rows');
$session->quit;

# ---- Crisp counts profiles

foreach my $pages (1 .. 10, 23)
{
	my $rows = $pages * $PER_PAGE - 7;

	fill('people', $rows);
	foreach my $prefetch (1, 2, 3, 4, 32)
	{
		my $counted = $prefetch > 2 && $pages > 1 ? 1 : 0;
		my $name    = "$pages pages of profiles, prefetch $prefetch";

		prefetch($prefetch);
		$session = CrispSession->start($node);
		my $first = scan($session, 'people_profiles');
		is($first->{'Actual Rows'},   $rows,    "$name: rows");
		is(asked($counters{people}), $counted, "$name: asked how many there are");

		# The count is a request of its own, and may take longer than the second page.
		cmp_ok(
			$first->{'Requests Past The End'},
			'<=',
			$counted ? ($pages < 4 ? 1 : 0) : $prefetch - 1,
			"$name: requests past the end");
		is( $first->{Requests},
			$pages + $counted + $first->{'Requests Past The End'},
			"$name: requests");
		$first = scan($session, 'people_profiles');
		is($sandbox->count,           $pages, "$name: requests for a list that was seen");
		is($first->{'Actual Rows'}, $rows,  "$name: rows of a list that was seen");
		$session->quit;
	}
}

# Nothing is asked where it would tell nothing, or nothing that's needed.
prefetch(4);
fill('people', 9 * $PER_PAGE);
$session = CrispSession->start($node);
foreach my $rest (
	"WHERE created_at > '2001-01-01'",
	"WHERE segments @> ARRAY['vip']",
	'LIMIT 60')
{
	scan($session, 'people_profiles', $rest);
	is(asked($counters{people}), 0, "the number of all profiles is not asked: $rest");
}
$session->query("SET crisp_fdw.scan_mode = exact");
$sandbox->clear;
# A count of the column alone is count(*) from 19 on, since it is NOT NULL.
$session->run(q(SELECT count(people_id || '') FROM crisp.people_profiles));
is(asked($counters{people}), 0, 'the number of all profiles is not asked: exact');
$session->quit;

# Whatever is answered, or nothing at all, the rows are those of the list.
foreach my $answer (
	{ status => 403 },
	{ status => 404 },
	{ status => 429 },
	{ status => 500 },
	{ reset => $true },
	{ hang  => $true },
	{ body  => 'nonsense' },
	{ body  => '{"error":false,"reason":"resolved","data":{"total":"many"}}' },
	{ body  => '{"error":false,"reason":"resolved","data":{"total":-1}}' },
	{ body  => '{"error":false,"reason":"resolved","data":{"total":0}}' },
	{ body  => '{"error":false,"reason":"resolved","data":{"total":61}}' },
	{ body  => '{"error":false,"reason":"resolved","data":{"total":100000000000000000}}' },
	{ body  => '{"error":false,"reason":"resolved","data":null}' })
{
	my $name = join ' ', map { "$_ $answer->{$_}" } sort keys %{$answer};

	$sandbox->reset;
	fill('people', 9 * $PER_PAGE - 1);
	$sandbox->control({ answers => [ { match => { path => '*/people/stats' }, %{$answer} } ] });
	$session = CrispSession->start($node);
	$plan    = scan($session, 'people_profiles');
	is($plan->{'Actual Rows'}, 9 * $PER_PAGE - 1, "the number is answered with $name: rows");

	# On a connection that is reset, libcurl asks again.
	is(asked($counters{people}), $answer->{reset} ? 2 : 1, '... and asked for once');
	cmp_ok($plan->{'Requests Past The End'}, '<=', 3, '... requests past the end');
	$session->quit;
}

# A statement that may make few requests more is not stopped by this one.
fill('people', 5 * $PER_PAGE - 1);
$session = CrispSession->start($node);
is($session->query(q(SET crisp_fdw.max_requests = 6; SELECT count(people_id || '') FROM crisp.people_profiles)),
	5 * $PER_PAGE - 1, 'max_requests that allow the pages and the number');
$session->quit;
$session = CrispSession->start($node);
is($session->query(
	'SET crisp_fdw.max_requests = 1; SELECT count(*) FROM (SELECT people_id FROM crisp.people_profiles OFFSET 0 '
		. 'LIMIT 20) l'),
	$PER_PAGE, 'max_requests that allow one page');
$session->quit;

# Visitors are counted, too; their page size is Crisp's.
$sandbox->reset;
$session = CrispSession->start($node);
$plan = scan($session, 'visitors');
is($plan->{'Actual Rows'}, 70, 'visitors: rows');
is(asked("website/$website/visitors/count"), 1, 'visitors: asked how many there are');
is($plan->{'Requests Past The End'}, 0, 'visitors: none past the end');
$session->quit;

$admin->quit;
$node->stop;
done_testing();
