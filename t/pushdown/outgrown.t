# A list that has grown since the session has read it, or since it was synced: neither the first statement after
# that nor any other reads it in whole where its order costs less, nor more than once where that can't be proved.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 100, people => 800);
my $pages = 16;

$node->safe_psql('postgres', <<'END');
CREATE TABLE copy AS SELECT people_id, created_at, updated_at FROM crisp.people_profiles;
CREATE TABLE moment AS SELECT n, '2026-01-15'::timestamptz - n * interval '1 day' AS at FROM generate_series(1, 3) n;
ANALYZE moment;
END

my $newest = 'SELECT n, t.people_id FROM moment, LATERAL (SELECT people_id FROM [t] WHERE updated_at > at '
  . 'ORDER BY updated_at DESC, people_id LIMIT 3) t';
my $changed = "SELECT people_id FROM [t] WHERE updated_at > '2026-01-13'";
my $latest = 'SELECT people_id FROM [t] ORDER BY updated_at DESC LIMIT 5';

# What a session is told to run, for a statement; and what prepares it.
my %ways = (
	'each time anew' => sub { (undef, $_[0]) },
	'prepared before' => sub { ("PREPARE again AS $_[0]", 'EXECUTE again') },
	'planned before' => sub { ("PREPARE again AS $_[0]; EXECUTE again", 'EXECUTE again') });

sub sorted { return join "\n", sort split /\n/, $_[0] }

# The list has that many rows, as inserted: its order by one date is that by the other.
sub shorten
{
	my ($count) = @_;

	$sandbox->data([ { op => 'clear', resource => 'people' },
		$count ? { op => 'insert_random', resource => 'people', count => $count } : () ]);
	return;
}

# Three runs of a statement, in a session that has seen the list with so many rows.
sub run_after
{
	my ($name, $was, $way, $statement, $grow, $bound) = @_;
	my $session = CrispSession->start($node);
	my ($before, $run) = $ways{$way}->($statement =~ s/\[t\]/crisp.people_profiles/gr);

	shorten($was);
	$session->query('SELECT count(email) FROM crisp.people_profiles');
	$session->query($before) if $before && $way eq 'planned before';
	$grow->();
	$session->query($before) if $before && $way ne 'planned before';

	my $expected = sorted($node->safe_psql('postgres', $statement =~ s/\[t\]/copy/gr));

	foreach my $time (1 .. 3)
	{
		$sandbox->clear;
		is(sorted($session->query($run)), $expected, "$name, $was rows, $way, time $time: rows");
		cmp_ok($sandbox->count, '<=', $bound->[$time - 1], "$name, $was rows, $way, time $time: requests");
	}
	$session->quit;
	return;
}

#
# Where the order can be proved: two requests for that, one for the list's length
#

# A first page tells whether it's all there is.  Of a list of two, what the session has seen is believed once more.
foreach my $was (1, 30, 70)
{
	foreach my $case ([ 'newest of each', $newest, 4 ], [ 'what has changed', $changed, 2 ],
		[ 'the latest', $latest, 2 ])
	{
		my ($name, $statement, $best) = @{$case};

		run_after($name, $was, $_, $statement, sub { $sandbox->reset },
			$was > 50 ? [ $pages, $best + 1, $best ] : [ $best + 3, $best, $best ])
		  foreach sort keys %ways;
	}
}

#
# Where it can't: all rows were created when they were updated last
#

$node->safe_psql('postgres', 'CREATE TABLE kept AS SELECT * FROM copy; TRUNCATE copy');
foreach my $way (sort keys %ways)
{
	foreach my $case ([ 'newest of each', $newest ], [ 'what has changed', $changed ], [ 'the latest', $latest ])
	{
		run_after($case->[0] . ', in no order', 1, $way, $case->[1], sub {
			shorten(800);
			$node->safe_psql('postgres', 'TRUNCATE copy; INSERT INTO copy SELECT people_id, created_at, updated_at '
				. 'FROM crisp.people_profiles');
		}, [ $pages + 5, $pages + 1, $pages + 1 ]);
	}
}
$node->safe_psql('postgres', 'TRUNCATE copy; INSERT INTO copy SELECT * FROM kept');

#
# A copy tells how many rows there were
#

shorten(30);
$node->safe_psql('postgres', q(CALL crisp_sync('crisp.people_profiles', 'public.synced')));
$sandbox->reset;
foreach my $case ([ 'newest of each', $newest, 7 ], [ 'what has changed', $changed, 5 ], [ 'the latest', $latest, 5 ])
{
	my ($name, $statement, $bound) = @{$case};
	my $session = CrispSession->start($node);

	$sandbox->clear;
	is(sorted($session->query($statement =~ s/\[t\]/crisp.people_profiles/gr)),
		sorted($node->safe_psql('postgres', $statement =~ s/\[t\]/copy/gr)), "synced with 30 rows, $name: rows");
	cmp_ok($sandbox->count, '<=', $bound, "synced with 30 rows, $name: requests");
	$session->quit;
}

# So do statistics, by which all rows have just changed; what the session has proved since is believed first.
foreach my $was (1, 30, 70, 400)
{
	shorten($was);
	$node->safe_psql('postgres', 'ANALYZE crisp.people_profiles');
	$sandbox->reset;
	foreach my $case ([ 'newest of each', $newest, 8, 4 ], [ 'what has changed', $changed, 6, 2 ],
		[ 'the latest', $latest, 6, 2 ], [ 'the first', 'SELECT min(created_at) FROM [t]', $pages + 3, $pages + 3 ])
	{
		my ($name, $statement, @bounds) = @{$case};
		my $session = CrispSession->start($node);

		foreach my $time (1, 2)
		{
			$sandbox->clear;
			is(sorted($session->query($statement =~ s/\[t\]/crisp.people_profiles/gr)),
				sorted($node->safe_psql('postgres', $statement =~ s/\[t\]/copy/gr)),
				"analyzed with $was rows, $name, time $time: rows");
			cmp_ok($sandbox->count, '<=', $bounds[$time - 1], "analyzed with $was rows, $name, time $time: requests");
		}
		$sandbox->clear;
		is(sorted($session->query($changed =~ s/\[t\]/crisp.people_profiles/gr)),
			sorted($node->safe_psql('postgres', $changed =~ s/\[t\]/copy/gr)),
			"analyzed with $was rows, after $name: rows");
		cmp_ok($sandbox->count, '<=', $name eq 'the first' ? 6 : 2, "analyzed with $was rows, after $name: requests");
		$session->quit;
	}
}

# One that is as long as statistics say, and that the session has seen short meanwhile: it isn't read to its end for
# runs that need a page each.
$node->safe_psql('postgres', 'ANALYZE crisp.people_profiles');
run_after('newest of each, analyzed', $_, 'each time anew', $newest, sub { $sandbox->reset }, [ 14, 4, 4 ])
  foreach 0, 30, 70;

$node->stop;
done_testing();
