# A list that is far shorter than statistics say, or of which conditions that stay the same leave little: it takes the
# place of runs, or of lookups by key, once these have cost as much as it has pages, whatever the planner believed.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use POSIX qw(ceil);
use Test::More;

my $false = JSON::PP::false;
my ($node, $sandbox) = start_crisp(conversations => 1500, people => 700, operators => 7);
my %defaults = %{ decode_json($sandbox->ask('GET', '/_control')) };

$node->safe_psql('postgres', <<'END');
CREATE SCHEMA copy;
CREATE TABLE copy.conversations AS SELECT * FROM crisp.conversations;
CREATE TABLE copy.people_profiles AS SELECT * FROM crisp.people_profiles;
CREATE TABLE copy.found AS SELECT * FROM crisp.conversations WHERE search_query = 'invoice';
CREATE TABLE day WITH (autovacuum_enabled = off) AS SELECT n,
	(SELECT percentile_disc(n / 120.0) WITHIN GROUP (ORDER BY updated_at) FROM copy.conversations) AS at,
	(SELECT percentile_disc(n / 120.0) WITHIN GROUP (ORDER BY created_at) FROM copy.people_profiles) AS born
	FROM generate_series(1, 120) n;
CREATE TABLE key WITH (autovacuum_enabled = off) AS SELECT n, c.session_id, p.people_id FROM
	(SELECT row_number() OVER (ORDER BY md5(session_id)) AS n, session_id FROM copy.conversations) c
	LEFT JOIN (SELECT row_number() OVER (ORDER BY md5(people_id)) AS n, people_id FROM copy.people_profiles) p USING (n)
	WHERE n <= 300;
END

# What a statement prints in a session that knows nothing, and how many requests it makes.
my $session;

sub fresh
{
	my ($statement, $before) = @_;

	$session->quit if $session;
	$session = CrispSession->start_nested($node, $before);
	$sandbox->clear;
	my $printed = $session->query($statement);
	return ($printed, $sandbox->count);
}

sub sorted { return join "\n", sort split /\n/, $_[0] }

# Statistics of a table that has so many times the rows; without a number there are none.
sub believe
{
	my ($table, $times) = @_;

	$node->safe_psql('postgres', "ANALYZE crisp.$table; UPDATE pg_class SET reltuples = reltuples * $times WHERE oid = "
		. "'crisp.$table'::regclass") if $times;
	$node->safe_psql('postgres', "DELETE FROM pg_statistic WHERE starelid = 'crisp.$table'::regclass; UPDATE pg_class "
		. "SET reltuples = -1 WHERE oid = 'crisp.$table'::regclass") unless $times;
}

# Pages of what a condition leaves of a copy.
sub pages_of { return ceil($node->safe_psql('postgres', "SELECT count(*) FROM copy.$_[0]") / 50) || 1 }

# ---- Conditions that stay, beside dates that change

my $of = 'FROM %s c WHERE c.updated_at < day.at AND';
my $inbox = $node->safe_psql('postgres', 'SELECT min(inbox_id) FROM copy.conversations');
my $week = $node->safe_psql('postgres', "SELECT percentile_disc(0.9) WITHIN GROUP (ORDER BY updated_at) FROM "
	. 'copy.conversations');

# Name, statement, copy, and what the list has that serves all runs.
my @parts = (
	[ 'a search', "SELECT n, (SELECT count(*) $of search_query = 'invoice') FROM day", 'found', 'found' ],
	[ 'a search, and a state',
		"SELECT n, (SELECT count(*) $of search_query = 'invoice' AND state <> 'resolved') FROM day",
		'found', "found WHERE state <> 'resolved'" ],
	[ 'rows of a search', "SELECT n, s.* FROM day, LATERAL (SELECT session_id $of search_query = 'invoice' OFFSET 0) s",
		'found', 'found' ],
	[ 'the latest of a search', "SELECT n, (SELECT max(updated_at) $of search_query = 'invoice') FROM day", 'found',
		'found' ],
	[ 'an inbox', "SELECT n, (SELECT count(*) $of inbox_id = '$inbox') FROM day", 'conversations',
		"conversations WHERE inbox_id = '$inbox'" ],
	[ 'recent ones', "SELECT n, (SELECT count(*) $of updated_at > '$week'::timestamptz AND meta_nickname > "
		. 'chr(65 + n % 26)) '
		. 'FROM (SELECT n, at + interval \'999 days\' + n * interval \'1 s\' AS at FROM day) day', 'conversations',
		"conversations WHERE updated_at > '$week'" ]);

foreach my $times (0, 1, 40)
{
	believe('conversations', $times);
	foreach (@parts)
	{
		my ($name, $statement, $copy, $list) = @{$_};
		my $pages = pages_of($list);

		foreach my $setting ({}, $name =~ /inbox/ ? () : { past_end => 'not_found', full_last_page => 206 })
		{
			$sandbox->control({ %defaults, %{$setting} });
			my $about = "$name, statistics $times times as large" . (keys %{$setting} ? ', no page past the end' : '');
			my ($rows, $made) = fresh($statement =~ s/%s/crisp.conversations/r);

			is(sorted($rows), sorted($session->query($statement =~ s/%s/copy.$copy/r)), "$about: rows");

			# Runs and the list, rows that may have moved, what tells its length, and a page in its place.
			cmp_ok($made, '<=', 2 * $pages + ceil($pages / 4) + 8, "... requests, of $pages pages");
		}
		$sandbox->control({%defaults});
	}
}

# ---- Statistics that are too high, and no conditions

foreach my $times (0, 40)
{
	foreach (
		[ 'runs', 'conversations', 'SELECT n, (SELECT count(*) FROM %s.conversations c WHERE '
			. 'c.updated_at < day.at) FROM day' ],
		[ 'runs, profiles', 'people_profiles', 'SELECT n, (SELECT count(*) FROM %s.people_profiles p WHERE '
			. 'p.created_at < day.born) FROM day' ],
		[ 'keys', 'conversations', 'SELECT n, c.state FROM key, LATERAL (SELECT state FROM %s.conversations c WHERE '
			. 'c.session_id = key.session_id OFFSET 0) c' ],
		[ 'keys, profiles', 'people_profiles', 'SELECT n, p.email FROM key LEFT JOIN %s.people_profiles p USING '
			. '(people_id)' ])
	{
		my ($name, $table, $statement) = @{$_};
		my $pages = pages_of($table);

		believe($table, $times);
		foreach my $mode ('fast', 'exact')
		{
			my ($rows, $made) = fresh($statement =~ s/%s/crisp/r, "SET crisp_fdw.scan_mode = '$mode'");

			is(sorted($rows), sorted($session->query($statement =~ s/%s/copy/r)),
				"$name, $mode, statistics $times times as large: rows");

			# Bisecting takes a request for each halving.
			cmp_ok($made, '<=', 2 * $pages + ceil($pages / 4) + 16, "... requests, of $pages pages");
		}
	}
}

# Statistics that are right cost a request at most to see that.
believe('conversations', 1);
my ($rows, $made) = fresh('SELECT n, c.state FROM key, LATERAL (SELECT state FROM crisp.conversations c WHERE '
	. 'c.session_id = key.session_id OFFSET 0) c WHERE n <= 20');
is($rows =~ tr/\n// + 1, 20, 'twenty keys, statistics that are right');
cmp_ok($made, '<=', 21, '... and a request');

# A list of one page comes at once, and lacks nothing: keys that it doesn't have aren't looked up, although no order of
# it can be proved.  If it has fewer rows than Crisp counts, they are.
{
	my $small = CrispSandbox->start(conversations => 20, people => 40, websites => 1);
	my $page = 'website/*/people/profiles/1';
	my $sandbox_before = $sandbox;

	connect_crisp($node, $small, server => 'small', schema => 'small');
	$node->safe_psql('postgres', <<'END');
CREATE TABLE copy.small AS SELECT * FROM small.people_profiles;
CREATE TABLE stranger AS SELECT coalesce(p.people_id, 'nobody' || n) AS people_id,
	coalesce(p.email, n || '@nowhere.example') AS email
	FROM generate_series(1, 200) n LEFT JOIN
		(SELECT row_number() OVER (ORDER BY md5(people_id)) * 7 AS n, people_id, email
		FROM copy.small WHERE email IS NOT NULL) p USING (n);
ANALYZE stranger;
END
	$sandbox = $small;
	foreach my $column ('people_id', 'email')
	{
		foreach my $form (
			"SELECT s.$column, (SELECT p.person_nickname FROM %s p WHERE p.$column = s.$column) FROM stranger s",
			"SELECT s.$column, p.person_nickname FROM stranger s LEFT JOIN %s p USING ($column)",
			"SELECT $column FROM stranger s WHERE NOT EXISTS (SELECT FROM %s p WHERE p.$column = s.$column)")
		{
			$small->control({ answers => [] });
			my ($rows, $made) = fresh(sprintf $form, 'small.people_profiles');
			is(sorted($rows), sorted($session->query(sprintf $form, 'copy.small')), "one page, $column: rows");
			cmp_ok($made, '<=', 25, "... for some requests: $form");

			# Once, the page is said to have no row, and once, to have the first of them alone.
			my $first = encode_json({ error => $false, reason => 'resolved', data => [ ($small->rows('people'))[0] ] });
			foreach my $body ('{"error":false,"reason":"resolved","data":[]}', $first)
			{
				$small->control({ answers => [
						{ match => { path => $page }, times => 1, status => 200, body => $body } ] });
				($rows) = fresh(sprintf $form, 'small.people_profiles');
				is(sorted($rows), sorted($session->query(sprintf $form, 'copy.small')),
					'... rows, where the page lacks some');
			}
		}
	}
	# Where profiles come in no order that is known, absent keys are looked up until it's worth reading them by ranges.
	$small->data([ { op => 'insert_random', resource => 'people', count => 80 } ]);
	$session->query('TRUNCATE copy.small; INSERT INTO copy.small SELECT * FROM small.people_profiles');
	foreach my $sort ($false, 'refused')
	{
		$small->control({ honour_sort => $sort, answers => [] });
		foreach my $column ('people_id', 'email')
		{
			my $form = "SELECT s.$column, (SELECT p.person_nickname FROM %s p WHERE p.$column = s.$column) "
			  . 'FROM stranger s';
			my ($rows, $made) = fresh(sprintf $form, 'small.people_profiles');

			is(sorted($rows), sorted($session->query(sprintf $form, 'copy.small')), "no order, $sort, $column: rows");
			cmp_ok($made, '<=', 16 + 4 + 8 * 3, '... for some requests');
		}
	}

	# One that is deleted after Crisp has counted them makes no difference, but for its own key.
	foreach my $sort (JSON::PP::true, $false)
	{
		my $form = 'SELECT s.people_id, (SELECT p.person_nickname FROM %s p WHERE p.people_id = s.people_id) '
		  . 'FROM stranger s';
		my ($rows, $made, %there);

		$small->control({ honour_sort => $sort, answers => [] });
		$small->data([ { op => 'delete_random', resource => 'people', count => 1, seed => 4,
					at_request => { path => 'website/*/people/profiles/*', nth => 1 } } ]);
		($rows, $made) = fresh(sprintf $form, 'small.people_profiles');
		cmp_ok($made, '<=', 16 + 5 + 8 * 3, 'one is deleted meanwhile: requests');
		$session->query('TRUNCATE copy.small; INSERT INTO copy.small SELECT * FROM small.people_profiles');
		%there = map { $_ => 1 } split /\n/, $rows;
		cmp_ok(scalar(grep { !$there{$_} } split /\n/, $session->query(sprintf $form, 'copy.small')), '<=', 1,
			'... rows');
	}
	$sandbox = $sandbox_before;
	$small->stop;
}

$session->quit;
$node->stop;
done_testing();
