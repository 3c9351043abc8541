# A list that has grown since it was analyzed: what keys, or spans of time, ask for costs no more than twice the better
# of these and the list, and what it takes to find out how long that is.

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
CREATE TABLE $copy AS SELECT $key, $name, created_at, updated_at FROM $table;
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

#
# A new session, which has seen nothing of what the list has become.
#

# What may come on top: requests for its length, and for the proof that it lacks no row.
my $on_top = 8;

# The sandbox's data as it began, after it was analyzed with so many rows.
sub analyze_with
{
	my ($resource, $was) = @_;

	$sandbox->data([ { op => 'clear', resource => $resource }, { op => 'insert_random', resource => $resource,
		count => $was } ]);
	$node->safe_psql('postgres', "ANALYZE $lists{$resource}->[0]");
	$sandbox->reset;
	return;
}

sub check_fresh
{
	my ($name, $table, $copy, $statement, $bound) = @_;
	my ($rows, $made) = fresh($statement =~ s/\[t\]/$table/gr);

	is(sorted($rows), sorted($node->safe_psql('postgres', $statement =~ s/\[t\]/$copy/gr)), "$name: rows");
	cmp_ok($made, '<=', $bound, "$name: requests");
	return;
}

$node->safe_psql('postgres', <<'END');
CREATE TABLE span AS SELECT n, '2026-01-15'::timestamptz - n * interval '9 days' AS began FROM generate_series(1, 60) n;
ANALYZE span;
END

foreach my $resource (sort keys %lists)
{
	my ($table, $key, $name) = @{ $lists{$resource} };
	my ($copy) = $table =~ s/crisp\./copy_/r;
	my $date  = $resource eq 'people' ? 'created_at' : 'updated_at';
	my $pages = int(($node->safe_psql('postgres', "SELECT count(*) FROM $copy") + 49) / 50);

	$node->safe_psql('postgres', "CREATE TABLE keys_of_$resource AS SELECT $key, row_number() OVER (ORDER BY "
		. "md5($key)) AS n FROM $copy; ANALYZE keys_of_$resource");
	foreach my $was (30, 400)
	{
		analyze_with($resource, $was);
		foreach my $count (1, 3, 12, 60, 300)
		{
			my $some = "(SELECT * FROM keys_of_$resource WHERE n <= $count)";
			my $best = $count < $pages ? $count : $pages;
			my @keys = split /\n/, $node->safe_psql('postgres', "SELECT $key FROM $some k");
			my $list = join ',', map { "'$_'" } @keys;
			my %forms = (
				'in'        => "SELECT $key, $name FROM [t] WHERE $key IN ($list)",
				'any'       => "SELECT $key, $name FROM [t] WHERE $key = ANY "
					. "((SELECT array_agg($key) FROM $some k)::text[])",
				'join'      => "SELECT $key, t.$name FROM $some k JOIN [t] t USING ($key)",
				'semi join' => "SELECT t.$key FROM [t] t WHERE $key IN (SELECT $key FROM $some k)",
				'anti join' => "SELECT $key FROM $some k WHERE NOT EXISTS (SELECT FROM [t] t WHERE t.$key = k.$key)",
				'narrowed'  => "SELECT $key, t.$name FROM $some k JOIN [t] t USING ($key) "
					. "WHERE t.created_at > '2025-01-01'",
				'lateral'   => "SELECT $key, x.* FROM $some k, "
					. "LATERAL (SELECT $name FROM [t] t WHERE t.$key = k.$key OFFSET 0) x");

			check_fresh("$resource, analyzed with $was, $count keys, $_", $table, $copy, $forms{$_},
				($count <= 12 ? $count + 1 : 2 * $best + $on_top)) foreach sort keys %forms;
		}
		foreach my $count (3, 12, 40)
		{
			my $bounds = "t.$date >= began AND t.$date < began + interval '1 day'";
			my %forms = (
				'spans'          => "SELECT n, t.$key FROM span JOIN [t] t ON $bounds WHERE n <= $count",
				'lateral spans'  => "SELECT n, t.$key FROM span, LATERAL (SELECT $key FROM [t] t WHERE $bounds) t "
					. "WHERE n <= $count",
				'counts of spans' => "SELECT n, (SELECT count($key) FROM [t] t WHERE $bounds) FROM span "
					. "WHERE n <= $count");

			check_fresh("$resource, analyzed with $was, $count $_", $table, $copy, $forms{$_},
				($count <= 12 ? $count + 1 : 2 * $pages + $on_top)) foreach sort keys %forms;
		}
	}
}

#
# What a list that has grown is read for in part
#

foreach my $was (30, 120, 400)
{
	analyze_with($_, $was) foreach sort keys %lists;
	foreach my $case (
		[ conversations => 'SELECT min(updated_at) FROM [t]',                                      18 ],
		[ conversations => 'SELECT session_id FROM [t] ORDER BY updated_at LIMIT 10',              18 ],
		[ people        => 'SELECT min(created_at) FROM [t]',                                      18 ],
		[ people        => 'SELECT max(created_at) FROM [t]',                                      4 ],
		[ people        => 'SELECT people_id FROM [t] ORDER BY updated_at DESC LIMIT 5',           4 ],
		[ people => "SELECT people_id FROM [t] WHERE updated_at > (SELECT max(updated_at) FROM copy_people_profiles) - "
			. "interval '3 days'", 9 ])
	{
		my ($resource, $statement, $bound) = @{$case};
		my ($copy) = $lists{$resource}->[0] =~ s/crisp\./copy_/r;

		check_fresh("analyzed with $was, $statement", $lists{$resource}->[0], $copy, $statement, $bound);
	}
}

# One that is as short as it was then costs a request more, at most.
{
	my $small = CrispSandbox->start(conversations => 140, people => 90);

	connect_crisp($node, $small, server => 'small', schema => 'small');
	$node->safe_psql('postgres', <<'END');
ANALYZE small.people_profiles, small.conversations;
CREATE TABLE small.copy AS SELECT * FROM small.people_profiles;
CREATE TABLE small.moment AS SELECT n, '2026-01-15'::timestamptz - n * interval '5 days' AS began FROM
	generate_series(1, 31) n;
ANALYZE small.moment;
END
	foreach my $case (
		[ 'SELECT min(created_at) FROM [t]',                                 3 ],
		[ 'SELECT people_id FROM [t] ORDER BY updated_at DESC LIMIT 5',       3 ],
		[ "SELECT people_id FROM [t] WHERE updated_at > '2026-01-10'",        3 ],
		[ 'SELECT n, people_id FROM small.moment, LATERAL (SELECT people_id FROM [t] t WHERE t.created_at >= began AND '
			. "t.created_at < began + interval '5 days' OFFSET 0) t",        2 * 2 + 15 + $on_top ])
	{
		my ($statement, $bound) = @{$case};
		my ($rows, $since) = ($node->safe_psql('postgres', $statement =~ s/\[t\]/small.copy/gr));

		$small->clear;
		is(sorted($node->safe_psql('postgres', $statement =~ s/\[t\]/small.people_profiles/gr)), sorted($rows),
			"short still, $statement: rows");
		cmp_ok($small->count, '<=', $bound, "short still, $statement: requests");
	}
	$small->stop;
}

# Whether it has grown is asked once, and not by each run.
{
	$node->safe_psql('postgres', "INSERT INTO span SELECT -n, '2026-01-15'::timestamptz - n * interval '1 hour' FROM "
		. 'generate_series(1, 12) n');
	analyze_with(people => 30);
	check_fresh('people, analyzed with 30, what has changed since twelve times', 'crisp.people_profiles',
		'copy_people_profiles', 'SELECT n, (SELECT count(*) FROM [t] WHERE updated_at > began) FROM span WHERE n < 0',
		12 + 4);
	$node->safe_psql('postgres', 'DELETE FROM span WHERE n < 0');
}

# One that has shrunk to a page, as the session has seen, serves all runs after a few.
{
	my $session = CrispSession->start($node);

	analyze_with(people => 400);
	$sandbox->data([ { op => 'clear', resource => 'people' }, { op => 'insert_random', resource => 'people',
		count => 20 } ]);
	$session->query('SELECT count(email) FROM crisp.people_profiles');
	foreach my $time (1 .. 2)
	{
		$sandbox->clear;
		$session->query('SELECT (SELECT count(*) FROM crisp.people_profiles WHERE updated_at > began) FROM span');
		cmp_ok($sandbox->count, '<=', 5, "a list of one page, sixty dates, time $time");
	}
	$session->quit;
	$sandbox->reset;
}

#
# The other side has fewer rows than PostgreSQL thinks
#

{
	my $days = "generate_series('2026-01-01'::timestamptz, '2026-01-14', '1 day') d";

	analyze_with($_, 30) foreach sort keys %lists;
	foreach my $resource (sort keys %lists)
	{
		my ($table, $key, $name) = @{ $lists{$resource} };
		my ($copy) = $table =~ s/crisp\./copy_/r;
		my $date = $resource eq 'people' ? 'created_at' : 'updated_at';

		# In sessions of their own, so that all of it is counted.
		$node->safe_psql('postgres', $_)
		  foreach "CREATE TABLE gone_$resource WITH (autovacuum_enabled = off) AS SELECT 'x' || g AS key FROM "
		  . 'generate_series(1, 3000) g', "ANALYZE gone_$resource", "DELETE FROM gone_$resource",
		  "INSERT INTO gone_$resource SELECT $key FROM keys_of_$resource WHERE n <= 5";
		foreach my $was (30, 'all')
		{
			$was eq 'all' ? $node->safe_psql('postgres', "ANALYZE $table") : analyze_with($resource, $was);
			foreach my $more ('', ' FOR UPDATE OF k')
			{
				check_fresh("$resource, analyzed with $was, few left$more", $table, $copy,
					"SELECT key, $name FROM gone_$resource k JOIN [t] ON $key = key$more", 6);
			}
			check_fresh("$resource, analyzed with $was, days", $table, $copy,
				"SELECT d, count(t.$key) FROM $days LEFT JOIN [t] t ON t.$date >= d AND t.$date < d + interval '1 day' "
					. 'GROUP BY 1', 14 + 2);
		}
	}
}

#
# Lookups in partitions, for a table that was never analyzed
#

{
	my ($account, $other) = ($sandbox->website_id(0), $sandbox->website_id(1));

	connect_crisp($node, $sandbox, server => 'other', schema => 'other', website => 1);
	$node->safe_psql('postgres', <<"END");
CREATE TABLE every (website_id text, people_id text, person_nickname text) PARTITION BY LIST (website_id);
CREATE FOREIGN TABLE every_1 PARTITION OF every FOR VALUES IN ('$account') SERVER support
	OPTIONS (resource 'people_profiles');
CREATE FOREIGN TABLE every_2 PARTITION OF every FOR VALUES IN ('$other') SERVER other
	OPTIONS (resource 'people_profiles');
CREATE TABLE copy_every AS SELECT * FROM every;
CREATE TABLE unknown AS SELECT people_id FROM copy_every ORDER BY md5(people_id) LIMIT 30;
END
	foreach my $join ('JOIN', 'LEFT JOIN')
	{
		check_fresh("partitions, $join", 'every', 'copy_every',
			"SELECT people_id, person_nickname FROM unknown $join [t] t USING (people_id)", 2 * 30 + $on_top);
	}
}

$node->stop;
done_testing();
