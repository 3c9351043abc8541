# A list that has grown since it was analyzed: keys are looked up, and the whole of it isn't read for them.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 1000, people => 800);
my %lists = (
	people        => [ 'crisp.people_profiles', 'people_id',  'person_nickname' ],
	conversations => [ 'crisp.conversations',   'session_id', 'meta_nickname' ]);

# What a statement prints in a new session, after another statement, and how many requests it makes.
sub fresh
{
	my ($statement, $before) = @_;
	my $session = CrispSession->start($node);

	$session->query($before) if $before;
	$sandbox->clear;
	my $printed = $session->query($statement);
	my $made    = $sandbox->count;
	$session->quit;
	return ($printed, $made);
}

sub sorted { return join "\n", sort split /\n/, $_[0] }

foreach my $resource (sort keys %lists)
{
	my ($table, $key, $name) = @{ $lists{$resource} };
	my ($copy) = $table =~ s/crisp\./copy_/r;

	$node->safe_psql('postgres', <<"END");
CREATE TABLE $copy AS SELECT $key, $name FROM $table;
CREATE TABLE some_$resource AS (SELECT $key FROM $copy ORDER BY md5($key) LIMIT 5) UNION ALL SELECT 'nobody';
ANALYZE some_$resource;
END
	my ($one) = split /\n/, $node->safe_psql('postgres', "SELECT $key FROM some_$resource LIMIT 1");
	my %forms = (
		"SELECT $name FROM [t] WHERE $key = '$one'"                                             => 1,
		"SELECT $key, $name FROM [t] WHERE $key IN ('$one', 'nobody')"                          => 2,
		"SELECT k.$key, t.$name FROM some_$resource k JOIN [t] t USING ($key)"                  => 6,
		"SELECT k.$key, t.$name FROM some_$resource k LEFT JOIN [t] t USING ($key)"             => 6,
		"SELECT t.$key FROM [t] t WHERE t.$key IN (SELECT $key FROM some_$resource)"            => 6,
		"SELECT $key FROM some_$resource k WHERE NOT EXISTS (SELECT FROM [t] t WHERE t.$key = k.$key)" => 6);

	# Analyzed while it had no row; and while it had a few, by a session that has seen it since.
	foreach my $was (0, 30)
	{
		$sandbox->data([ { op => 'clear', resource => $resource } ]);
		$sandbox->data([ { op => 'insert_random', resource => $resource, count => $was } ]) if $was;
		$node->safe_psql('postgres', "ANALYZE $table");
		$sandbox->reset;
		foreach my $form (sort keys %forms)
		{
			my ($rows, $made) = fresh($form =~ s/\[t\]/$table/r, $was ? "SELECT count($name) FROM $table" : undef);

			is(sorted($rows), sorted($node->safe_psql('postgres', $form =~ s/\[t\]/$copy/r)),
				"$resource, analyzed with $was: $form");
			cmp_ok($made, '<=', $forms{$form}, "... $made requests");
		}
	}
	like($node->safe_psql('postgres', "ANALYZE $table; EXPLAIN SELECT FROM $table"), qr/ rows=\d{3} /,
		'analyzed again');
	$sandbox->data([ { op => 'clear', resource => $resource } ]);
	like($node->safe_psql('postgres', "ANALYZE $table; EXPLAIN SELECT FROM $table"),
		qr/ rows=10000 .*Estimated Without Statistics: true/s, 'an empty one tells nothing');
	$sandbox->reset;
}

$node->stop;
done_testing();
