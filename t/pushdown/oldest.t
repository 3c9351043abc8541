# The oldest rows, by the date that Crisp filters by: those of a local copy, whatever Crisp does, and found by a dozen
# requests.

use strict;
use warnings;

use CrispCluster;
use CrispCopy;
use CrispSandbox;
use CrispStatement;
use JSON::PP;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 3000, people => 1500);
my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my $c = 'crisp.conversations';
my $p = 'crisp.people_profiles';

run_statements($node, $sandbox);
make_copies();
my $all        = pages_of('conversations',   'true');
my $all_people = pages_of('people_profiles', 'true');

# Statement, most requests.
my @statements = (
	[ "SELECT min(updated_at) FROM $c",                                                   16 ],
	[ "SELECT min(updated_at), max(updated_at) FROM $c",                                  17 ],
	[ "SELECT updated_at FROM $c ORDER BY updated_at LIMIT 5",                            16 ],
	[ "SELECT updated_at FROM $c ORDER BY updated_at LIMIT 25",                           18 ],
	[ "SELECT updated_at FROM $c ORDER BY updated_at NULLS FIRST LIMIT 2",                16 ],
	[ "SELECT updated_at FROM $c ORDER BY updated_at OFFSET 3 LIMIT 4",                   16 ],
	[ "SELECT min(updated_at) FROM $c WHERE updated_at > '2024-06-01'",                   16 ],
	[ "SELECT min(updated_at) FROM $c WHERE updated_at BETWEEN '2024-06-01' AND '2025-11-01'", $all ],
	[ "SELECT min(updated_at) FROM $c WHERE updated_at < '2000-01-01'",                   2 ],
	[ "SELECT min(updated_at) FROM $c WHERE state = 'resolved'",                          16 ],
	[ "SELECT updated_at FROM $c WHERE state = 'resolved' ORDER BY updated_at LIMIT 7",   16 ],
	[ "SELECT min(created_at) FROM $p",                                                   18 ],
	[ "SELECT created_at FROM $p ORDER BY created_at LIMIT 3",                            18 ],
	[ "SELECT min(updated_at) FROM $c WHERE meta_nickname > 'M'",                         $all + 1 ],
	[ "SELECT updated_at FROM $c ORDER BY updated_at LIMIT 60",                           $all + 1 ],
	[ "SELECT s.state, (SELECT min(updated_at) FROM $c c WHERE c.state = s.state) FROM (VALUES ('resolved'), "
		. "('pending')) s (state)",                                                       32 ]);
my %expected = map { $_->[0] => sql(local_of($_->[0])) } @statements;

foreach my $setting (
	{},
	{ date_bounds  => 'exclusive', past_end => 'not_found' },
	{ honour_order => $false,      default_order => 'insertion', honour_sort => $false },
	{ honour_order => $false,      default_order => 'created' },
	{ honour_dates => $false },
	{ honour_filters => $false },
	{ full_last_page => 206 })
{
	foreach my $mode ('fast', 'exact')
	{
		my $name = join ', ', $mode, map { "$_ $setting->{$_}" } sort keys %{$setting};

		# That is an error of exact mode by itself.
		next if $mode eq 'exact' && grep { exists $setting->{$_} } 'honour_dates', 'honour_filters';
		$sandbox->control($setting);
		run_statements($node, $sandbox);
		foreach my $case (@statements)
		{
			my ($statement, $most) = @{$case};
			my ($printed, @requests) = requests_of("SET crisp_fdw.scan_mode = $mode; $statement");

			is($printed, $expected{$statement}, "$name: $statement");
			cmp_ok(scalar @requests, '<=', $most, "$name: $statement: requests")
			  if !%{$setting} && $mode eq 'fast';
		}
		$sandbox->reset;
	}
}

# Rows that go away after they were found, and rows of one millisecond.
run_statements($node, $sandbox);
my @times = sort { $a <=> $b } $sandbox->column('conversations', 'updated_at');
my $min   = "SELECT (extract(epoch FROM min(updated_at)) * 1000)::bigint FROM $c";
my (undef, @requests) = requests_of($min);
my $found = @requests;
my @oldest = map { $_->{session_id} } sort { $a->{updated_at} <=> $b->{updated_at} }
  $sandbox->rows('conversations', undef, fields => 'session_id,updated_at');
$sandbox->data(
	[   map { { op => 'touch', key => $oldest[$_], at_request => { path => '*/conversations/*', nth => $found } } }
		  0 .. 59 ]);
is((requests_of($min))[0], $times[60], 'rows that have moved since they were found');
$sandbox->reset;
foreach my $count (10, 49, 51, 200)
{
	$sandbox->data([ { op => 'insert_many', count => $count, at => $times[0] - 1000 } ]);
	is((requests_of($min))[0], $times[0] - 1000, "$count rows of one millisecond");
	is((requests_of("SELECT count(DISTINCT u), count(*) FROM (SELECT updated_at u FROM $c ORDER BY 1 LIMIT 12) s"))[0],
		$count > 12 ? '1|12' : '3|12', "$count rows of one millisecond: the first twelve");
	$sandbox->reset;
}

# Nor does it cost more than twice the list to look for what can't be found: more rows than a page in one millisecond
# near the end, or a list that is one full page.
foreach my $case ([ 50, 0 ], [ 100, 0 ], [ 200, 70 ], [ 600, 70 ], [ 1000, 120 ])
{
	my ($count, $together) = @{$case};

	$sandbox->data([ { op => 'clear' }, { op => 'insert_random', count => $count, seed => 7 } ]);
	my @few = sort { $a <=> $b } $sandbox->column('conversations', 'updated_at');
	$sandbox->data([ { op => 'insert_many', count => $together, at => $few[5] + 1 } ]) if $together;
	@few = sort { $a <=> $b } $sandbox->column('conversations', 'updated_at');
	my $pages = int((@few + 49) / 50);
	my $first = "SELECT (extract(epoch FROM updated_at) * 1000)::bigint FROM $c ORDER BY updated_at LIMIT 15";

	run_statements($node, $sandbox);
	foreach my $time (1 .. 3)
	{
		my ($rows, @made) = requests_of($first);

		is($rows, join("\n", @few[ 0 .. 14 ]), "$count rows and $together of one millisecond, time $time");

		# As long as nobody has seen its end, 16 requests are made before anybody asks, and some tell how long it is.
		cmp_ok(scalar @made, '<=', 2 * $pages + ($time == 1 ? 16 + 6 : 2), '... requests');
	}
	$sandbox->reset;
}

# A list that is known to be short is read.
$sandbox->data([ { op => 'clear' }, { op => 'insert_random', count => 120, seed => 3 } ]);
run_statements($node, $sandbox);
sql("SELECT count(*) FROM $c");
my ($printed, @few) = requests_of($min);
is($printed, (sort { $a <=> $b } $sandbox->column('conversations', 'updated_at'))[0], 'a short list');
cmp_ok(scalar @few, '<=', 4, 'a short list: requests');
$sandbox->data([ { op => 'clear' } ]);
is((requests_of($min))[0], '', 'an empty list');

$node->stop;
done_testing();
