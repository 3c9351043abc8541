# The list that takes over from a run of a scan, as runs have cost as much, can't be had at first, or turns out to be
# far longer than it was: no row that the run has yet to give is taken for one that it has given, nor the other way
# round.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 1500, people => 600);
my %faults = (
	'refused'       => { status => 403, times => 1 },
	'refused twice' => { status => 403, times => 2 },
	'cut off'       => { cut_after => 300, times => 4 });
my %lists = (
	conversations => [ 'crisp.conversations', 'session_id', 'updated_at' ],
	people => [ 'crisp.people_profiles', 'people_id', 'updated_at' ]);
my %ends;

$node->safe_psql('postgres', <<'END');
ALTER SERVER support OPTIONS (ADD max_retries '1', ADD retry_delay '1ms');
CREATE TABLE copy_conversations AS SELECT session_id, updated_at FROM crisp.conversations;
CREATE TABLE copy_people_profiles AS SELECT people_id, updated_at FROM crisp.people_profiles;
CREATE TABLE moment AS SELECT n, '2026-01-15'::timestamptz - (1 + 400 * (n - 1)) * interval '1 day' AS at
	FROM generate_series(1, 3) n;
ANALYZE moment;
END

foreach my $resource (sort keys %lists)
{
	my ($table, $key, $date) = @{ $lists{$resource} };
	my ($copy) = $table =~ s/crisp\./copy_/r;
	my $statement = "SELECT n, $key FROM moment m, LATERAL (SELECT $key FROM [t] WHERE $date > m.at OFFSET 0) t";
	my $expected = join "\n", sort split /\n/, $node->safe_psql('postgres', $statement =~ s/\[t\]/$copy/r);

	foreach my $was (1, 120)
	{
		foreach my $fault (undef, sort keys %faults)
		{
			foreach my $nth ($fault ? (map { 3 * $_ } 1 .. 12) : 1)
			{
				my $session = CrispSession->start($node);
				my $name    = "$resource, $was rows at first, " . ($fault ? "$fault at request $nth" : 'no fault');

				$sandbox->data([ { op => 'clear', resource => $resource },
					{ op => 'insert_random', resource => $resource, count => $was } ]);
				$session->query("SELECT count($date) FROM $table");
				$sandbox->reset;
				$sandbox->control({ answers => [ { match => { path => "*/$resource/*", nth => $nth },
					%{ $faults{$fault} } } ] }) if $fault;
				$session->send($statement =~ s/\[t\]/$table/r);

				my $result = $session->wait;
				my $rows   = join "\n", sort split /\n/, $result->{output};

				# Where it fails, that's what there is to say.
				$ends{ @{ $result->{errors} } ? 'failed' : 'ended' }++;
				ok(@{ $result->{errors} } || $rows eq $expected, $name);
				$session->quit;
				$sandbox->reset;
			}
		}
	}
}
cmp_ok($ends{ended} // 0, '>', 15, 'statements whose own requests are answered end well');

$node->stop;
done_testing();
