# A scan that is run for each row of another table, with another value of what Crisp filters by: once its runs have cost
# as much as the list without that filter, the list serves them, and the rows are the same, however Crisp behaves.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use POSIX qw(ceil);
use Test::More;

my $false = JSON::PP::false;
my $seed = $ENV{FILTER_SEED} || (time ^ $$ << 12) % 1_000_000;
diag("FILTER_SEED=$seed");
srand $seed;
my ($node, $sandbox) = start_crisp(conversations => 900, people => 700, operators => 7);
my %defaults = %{ decode_json($sandbox->ask('GET', '/_control')) };

$node->safe_psql('postgres', <<'END');
CREATE SCHEMA copy;
CREATE TABLE copy.conversations AS SELECT * FROM crisp.conversations;
CREATE TABLE copy.people_profiles AS SELECT * FROM crisp.people_profiles;
CREATE TABLE need WITH (autovacuum_enabled = off) AS SELECT n,
	(SELECT array_agg(DISTINCT assigned_user_id) FROM copy.conversations)[1 + n % 8] AS user_id,
	CASE WHEN n % 9 = 0 THEN NULL ELSE (ARRAY['resolved', 'pending', 'unresolved', 'absent'])[1 + n % 4] END AS state,
	(SELECT percentile_disc((n % 13) / 13.0) WITHIN GROUP (ORDER BY updated_at) FROM copy.conversations) AS at,
	(SELECT percentile_disc((n % 13) / 13.0) WITHIN GROUP (ORDER BY created_at) FROM copy.people_profiles) AS born,
	(SELECT array_agg(DISTINCT s) FROM copy.conversations, unnest(meta_segments) s)[1 + n % 4] AS segment
	FROM generate_series(1, 60) n;
END

# Bounds in turn, and a row within the lower one, or none.
$node->safe_psql('postgres', <<'END');
CREATE TABLE bounds AS SELECT n, (SELECT percentile_disc(CASE WHEN n % 2 = 0 THEN 0.1 ELSE 0.98 END) WITHIN GROUP
	(ORDER BY updated_at) FROM copy.people_profiles) AS at, CASE WHEN n % 3 = 0 THEN 'nobody' ELSE (SELECT people_id
	FROM copy.people_profiles ORDER BY updated_at DESC OFFSET 90 + 17 * n LIMIT 1) END AS key
	FROM generate_series(1, 12) n;
END

my %pages = map {
	$_ => ceil($node->safe_psql('postgres', "SELECT count(*) FROM copy.$_") / 50)
} qw(conversations people_profiles);
my $session;

# What a statement prints in a session that knows nothing, and how many requests it makes, but for rechecks.
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

# The same rows, of which there may be too many to print.
sub same_rows
{
	my ($printed, $expected, $about) = @_;
	my %count;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$count{$_}++ foreach split /\n/, $printed;
	$count{$_}-- foreach split /\n/, $expected;
	my @wrong = map { "$_ ($count{$_})" } grep { $count{$_} } sort keys %count;
	return is("@wrong[0 .. (@wrong < 5 ? $#wrong : 4)]", '', $about);
}

my $c = 'crisp.conversations';
my $p = 'crisp.people_profiles';

# Name, statement, and the list that it is about.
my @statements = (
	[ 'a subquery', "SELECT n, (SELECT count(*) FROM $c c WHERE c.assigned_user_id = need.user_id) FROM need",
		'conversations' ],
	[ 'LATERAL',
		"SELECT n, s.session_id FROM need, LATERAL (SELECT session_id FROM $c c WHERE c.state = need.state AND "
			. 'c.updated_at > need.at OFFSET 0) s', 'conversations' ],
	[ 'a join by a filter', "SELECT n, c.session_id FROM need JOIN $c c ON c.assigned_user_id = need.user_id",
		'conversations' ],
	[ 'a join by dates', "SELECT n, c.session_id FROM need JOIN $c c ON c.updated_at >= need.at", 'conversations' ],
	[ 'an outer join', "SELECT n, c.session_id FROM need LEFT JOIN $c c ON c.updated_at >= need.at AND c.state = "
			. 'need.state', 'conversations' ],
	[ 'EXISTS', "SELECT n FROM need WHERE EXISTS (SELECT FROM $c c WHERE c.assigned_user_id = need.user_id AND "
			. "c.meta_nickname LIKE 'A%' OFFSET 0)", 'conversations' ],
	[ 'NOT EXISTS', "SELECT n FROM need WHERE NOT EXISTS (SELECT FROM $c c WHERE c.updated_at > need.at AND "
			. "c.meta_nickname = 'nobody' OFFSET 0)", 'conversations' ],
	[ 'the latest of each', "SELECT n, s.* FROM need, LATERAL (SELECT updated_at FROM $c c WHERE "
			. 'c.assigned_user_id = need.user_id AND c.updated_at < need.at ORDER BY updated_at DESC LIMIT 3) s',
		'conversations' ],
	[ 'the latest', "SELECT n, (SELECT max(updated_at) FROM $c c WHERE c.assigned_user_id = need.user_id) FROM need",
		'conversations' ],
	[ 'the earliest', "SELECT n, (SELECT min(updated_at) FROM $c c WHERE c.state = need.state) FROM need",
		'conversations' ],
	[ 'the latest of nobody', "SELECT n, (SELECT max(updated_at) FROM $c c WHERE c.updated_at > need.at AND "
			. "c.meta_nickname = 'nobody') FROM need", 'conversations' ],
	[ 'seven of each', "SELECT n, s.count FROM need, LATERAL (SELECT count(*) FROM (SELECT FROM $c c WHERE "
			. 'c.assigned_user_id = need.user_id LIMIT 7) x) s', 'conversations' ],
	[ 'segments', "SELECT n, (SELECT count(*) FROM $c c WHERE c.meta_segments \@> ARRAY[need.segment]) FROM need",
		'conversations' ],
	[ 'with a condition that stays', "SELECT n, (SELECT count(*) FROM $c c WHERE c.assigned_user_id = need.user_id AND "
			. "c.state <> 'resolved' AND c.updated_at > '2025-01-01') FROM need", 'conversations' ],
	[ 'with one that changes seldom', "SELECT o.n, need.n, s.count FROM (VALUES (1, 'resolved'), (2, 'pending')) o "
			. "(n, state), LATERAL (SELECT * FROM need WHERE n < 40 OFFSET 0) need, LATERAL (SELECT count(*) FROM $c c "
			. 'WHERE c.state = o.state AND c.assigned_user_id = need.user_id) s', 'conversations' ],
	[ 'profiles by creation', "SELECT n, (SELECT count(*) FROM $p p WHERE p.created_at > need.born) FROM need",
		'people_profiles' ],
	[ 'profiles by segment and update', "SELECT n, (SELECT count(*) FROM $p p WHERE need.segment = ANY (p.segments) "
			. 'AND p.updated_at > need.born) FROM need', 'people_profiles' ]);

my $local = CrispSession->start($node);
my %expected = map {
	$_->[0] => sorted($local->query("SET TimeZone = 'UTC'; " . $_->[1] =~ s/\bcrisp\./copy./gr))
} @statements;
$local->quit;

# ---- Rows, whatever Crisp does, and what they cost

my @settings = (
	{}, { honour_filters => $false }, { honour_filters => 'dates' }, { honour_dates => $false },
	{ honour_order => $false }, { honour_sort => $false }, { honour_sort => 'refused' }, { date_bounds => 'exclusive' },
	{ default_order => 'insertion' }, { full_last_page => 206, past_end => 'not_found' },
	{ segments_filter => 'ignored' }, { segments_filter => 'refused' }, { honour_search => $false });

foreach my $setting (@settings)
{
	my $about = join(' ', map { ref $setting->{$_} ? "$_ false" : "$_ $setting->{$_}" } sort keys %{$setting})
	  || 'as documented';

	$sandbox->control({ %defaults, %{$setting} });
	foreach my $prefetch (keys %{$setting} ? 1 + 3 * int rand 2 : (1, 4))
	{
		$node->safe_psql('postgres', "ALTER SERVER support OPTIONS (SET prefetch '$prefetch')");

		# Not all of them in each setting: that takes long.
		foreach (grep { !keys %{$setting} || rand() < 0.4 } @statements)
		{
			my ($name, $statement, $list) = @{$_};
			my ($printed, $requests) = fresh($statement, $prefetch == 4 ? "SET work_mem = '64kB'" : '');

			same_rows($printed, $expected{$name}, "$about, prefetch $prefetch, $name: rows");

			# Where the order can't be relied on, a run for the latest rows reads its list to the end.
			next if $about =~ /honour_(?:order|dates|filters)/ && $name =~ /latest|earliest/;
			my $most = 2 * $pages{$list} + int($pages{$list} / 8) + 6 + ($name =~ /earliest/ ? 16 : 0) + ($list =~ /people/ ? 2 : 0);
			$most *= 2 if $name =~ /seldom/;
			$most += 2 * ($prefetch - 1) * ($name =~ /seldom/ ? 2 : 1);
			cmp_ok($requests, '<=', $most, "... requests, $pages{$list} pages");
		}
	}
}
$sandbox->control({%defaults});
$node->safe_psql('postgres', "ALTER SERVER support OPTIONS (SET prefetch '1')");

# By date.
foreach (@statements)
{
	my ($name, $statement, $list) = @{$_};
	my ($printed, $requests) = fresh($statement, "SET crisp_fdw.scan_mode = 'exact'");

	same_rows($printed, $expected{$name}, "exact, $name: rows");
	cmp_ok($requests, '<=', (2 * $pages{$list} + 24) * ($name =~ /seldom/ ? 2 : 1), '... requests');
}

# ---- The session knows how long the list is, or statistics do

my ($name, $statement) = @{ $statements[0] };
foreach my $before ("SELECT count(*) FROM (SELECT session_id FROM $c OFFSET 0) s", "ANALYZE $c")
{
	my ($printed, $requests) = fresh($statement, $before);

	same_rows($printed, $expected{$name}, "$before: rows");
	cmp_ok($requests, '<=', 2 * $pages{conversations} + 1, '... requests');

	# Those who have no operator are on no such list, so these are fewer pages than the list's, with one each that
	# isn't full.
	cmp_ok($requests, '<=', $pages{conversations} + 8, '... each list once');
}
$session->query("DELETE FROM pg_statistic WHERE starelid = '$c'::regclass; UPDATE pg_class SET reltuples = -1 WHERE "
	. "oid = '$c'::regclass");

# ---- EXPLAIN ANALYZE

my $printed;
my ($explained) = fresh("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) $statement");
my $again = $session->query('SELECT count(user_id) - count(DISTINCT user_id) FROM need');
like($explained, qr/^ *Loops Served From Earlier Ones: $again$/m, 'EXPLAIN ANALYZE: runs by values that came before');
my $by_dates = "SELECT n, (SELECT count(*) FROM $c c WHERE c.updated_at > need.at) FROM need";
($explained) = fresh("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) $by_dates");
like($explained, qr/^ *Loops Served From One List: [1-9]\d*$/m, '... one list for what is left');
like($explained, qr/^ *Requests For The List's Length: \d$/m, '... and what told how long it is');
my $plan = $session->query("EXPLAIN (ANALYZE, FORMAT JSON) $by_dates");
like($plan, qr/"Loops Served From $_": \d+/, "... in JSON, from $_") foreach 'One List', 'Earlier Ones';

# ---- A list for each value, whatever the number of runs, and whatever the order of values

my $states = "SELECT n, (SELECT count(*) FROM $c c WHERE c.state = need.state) FROM need";
my $of_states = $session->query("SET TimeZone = 'UTC'; " . $states =~ s/\bcrisp\./copy./r);
foreach my $memory ('4MB', '64kB')
{
	my ($counts, $lists) = fresh($states, "SET work_mem = '$memory'; SELECT count(*) FROM (SELECT session_id FROM $c "
		. 'OFFSET 0) s');

	is(sorted($counts), sorted($of_states), "by state, $memory: rows");
	cmp_ok($lists, '<=', $pages{conversations} + 2, '... each list is read once, and the whole list never');
}

# Statistics that make the list a bit shorter than it is don't have it read when others are about to end.
my ($of_short, $made_of_short) = fresh($states,
	"ANALYZE $c; UPDATE pg_class SET reltuples = reltuples * 0.95 WHERE oid = '$c'::regclass");
is(sorted($of_short), sorted($of_states), 'by state, with statistics that are a bit off: rows');
cmp_ok($made_of_short, '<=', $pages{conversations} + 2, '... each list once');
$session->query("DELETE FROM pg_statistic WHERE starelid = '$c'::regclass; UPDATE pg_class SET reltuples = -1 WHERE "
	. "oid = '$c'::regclass");

my ($none, $lists_of_none) = fresh("SELECT n, (SELECT count(*) FROM $c c WHERE c.assigned_user_id = x.u) FROM "
	. "(VALUES (1, NULL), (2, ''), (3, 'no one')) x (n, u)");
is($none, "1|0\n2|0\n3|0", 'values of which Crisp is not asked: rows');
cmp_ok($lists_of_none, '<=', $pages{conversations} + 1, '... the whole list that one run has read serves the next');
my $twice = "SELECT x, s.* FROM generate_series(1, 2) x, LATERAL (SELECT n, (SELECT count(*) FROM $c c WHERE c.state = "
  . 'need.state) FROM need OFFSET 0) s';
($printed) = fresh($twice);
is(sorted($printed =~ s/^\d+\|//gmr), sorted(join "\n", ($of_states) x 2), '... and once more');

# ---- The first rows in an order, for each value once, as long as all values are the same

my $firsts = {
	'the newest' => 'SELECT n, (SELECT max(updated_at) FROM %s c WHERE c.assigned_user_id = need.user_id) FROM need',
	'the oldest' => 'SELECT n, (SELECT min(updated_at) FROM %s c WHERE c.assigned_user_id = need.user_id) FROM need',
	'three'      => 'SELECT n, (SELECT array_agg(updated_at) FROM (SELECT updated_at FROM %s c WHERE '
		. 'c.assigned_user_id = need.user_id ORDER BY updated_at DESC LIMIT 3) s) FROM need',
	'with a condition that Crisp is not asked about' => 'SELECT n, (SELECT max(updated_at) FROM %s c WHERE '
		. "c.assigned_user_id = need.user_id AND c.meta_nickname > chr(65 + (n % 3) * 8)) FROM need",
	'by state' => 'SELECT n, (SELECT max(updated_at) FROM %s c WHERE c.state = need.state) FROM need',
	'within a bound of which Crisp is not told' => 'SELECT n, (SELECT max(updated_at) FROM %2$s p WHERE p.updated_at > '
		. "b.at AND p.people_id || '' = b.key) FROM bounds b",
	'with one that changes alone' => 'SELECT v.*, (SELECT max(updated_at) FROM %s c WHERE c.assigned_user_id = v.u AND '
		. "c.meta_nickname > v.x) FROM (SELECT i, (SELECT (array_agg(DISTINCT user_id))[u] FROM need) AS u, x FROM "
		. "(VALUES (1, 1, 'A'), (2, 2, 'A'), (3, 1, 'A'), (4, 1, 'X'), (5, 1, 'A'), (6, 2, 'X'), (7, 2, 'A'), (8, 2, "
		. "'A'), (9, 1, 'X')) w (i, u, x) OFFSET 0) v",
	'with a limit beyond a page' => 'SELECT n, (SELECT count(*) FROM (SELECT session_id FROM %s c WHERE '
		. 'c.assigned_user_id = need.user_id ORDER BY updated_at DESC LIMIT 70) s) FROM need WHERE n < 30' };
foreach my $setting ({}, { honour_order => $false }, { honour_filters => $false }, { honour_dates => $false },
	{ default_order => 'insertion' }, { past_end => 'not_found', full_last_page => 206 })
{
	my $about = join(', ', map { ref $setting->{$_} ? "$_ false" : "$_ $setting->{$_}" } sort keys %{$setting})
	  || 'as documented';

	$sandbox->control({ %defaults, %{$setting} });
	foreach my $name (sort keys %{$firsts})
	{
		foreach my $mode ('fast', keys %{$setting} ? () : 'exact')
		{
			my ($rows, $made) = fresh(sprintf($firsts->{$name}, $c, $p), "SET crisp_fdw.scan_mode = '$mode'");

			is($rows, $session->query(sprintf($firsts->{$name}, 'copy.conversations', 'copy.people_profiles')),
				"$name, $about, $mode: rows");

			# Seven operators; three letters for each; pages of the list in no order.
			my %most = ('the newest' => 7, 'three' => 7, 'with one that changes alone' => 7, 'by state' => 12);
			cmp_ok($made, '<=', $most{$name}, '... requests') if !keys %{$setting} && $mode eq 'fast' && $most{$name};
		}
	}
}
$sandbox->control({%defaults});
($explained) = fresh('EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' . sprintf($firsts->{'the newest'}, $c));
like($explained, qr/^ *Loops Served From Earlier Ones: $again$/m, 'EXPLAIN ANALYZE: first rows that came before');

# ---- Few runs cost what they need

($printed, my $requests) = fresh("SELECT n, (SELECT max(updated_at) FROM $c c WHERE c.assigned_user_id = need.user_id) "
	. 'FROM need WHERE n < 4');
cmp_ok($requests, '<=', 3, 'three runs: three requests');

# ---- Again, backwards, in pieces

is($session->query("BEGIN; SET LOCAL work_mem = '64kB'; DECLARE c SCROLL CURSOR FOR $statement ORDER BY n; "
	. 'SAVEPOINT s; FETCH 20 FROM c; ROLLBACK TO s; MOVE ABSOLUTE 0 FROM c; FETCH ALL FROM c') =~ tr/\n//, 20 + 60 - 1,
	'a cursor that scrolls, and a subtransaction');
$session->query('COMMIT');
my ($three) = fresh("SELECT x, s.* FROM generate_series(1, 3) x, LATERAL (SELECT n, c.session_id FROM need JOIN $c c "
	. 'ON c.updated_at >= need.at OFFSET 0) s');
same_rows($three, join("\n", map { my $x = $_; map { "$x|$_" } split /\n/, $expected{'a join by dates'} } 1 .. 3),
	'a join that runs three times');

# ---- A run that changes over to the list while rows move

foreach my $nth (12, 17, 22, 27)
{
	my $row = $session->query("SELECT session_id FROM copy.conversations ORDER BY updated_at DESC OFFSET 333 LIMIT 1");

	$sandbox->reset;
	$sandbox->data([ { op => 'touch', key => $row,
		at_request => { path => 'website/*/conversations/*', nth => $nth } } ]);
	my ($moving) = fresh("SELECT n, c.session_id FROM need JOIN $c c ON c.updated_at >= '2000-01-01' AND "
		. 'c.updated_at >= need.at - interval \'9999 days\' WHERE n < 4');
	same_rows($moving, $session->query("SELECT n, session_id FROM need, copy.conversations WHERE n < 4"),
		"a row that moves at request $nth: each comes once");
	$sandbox->reset;
}

# ---- With a limit of requests

my $most = 5 * $pages{conversations};
($printed) = fresh($statement, "SELECT count(*) FROM (SELECT session_id FROM $c OFFSET 0) s; "
	. "SET crisp_fdw.max_requests = $most");
same_rows($printed, $expected{$name}, 'a limit of requests, where the session knows how long the list is');

# ---- The list that can't be had: runs go on

$sandbox->control({ %defaults,
	answers => [ { match => { path => 'website/*/conversations/*',
		query => 'per_page=50&order_date_updated=1' }, status => 403 } ] });
($printed) = fresh($statement);
same_rows($printed, $expected{$name}, 'the list is refused: rows');
foreach my $under_way (@statements[ 1, 10 ])
{
	($printed) = fresh($under_way->[1]);
	same_rows($printed, $expected{ $under_way->[0] }, "... and where a run is under way: $under_way->[0]");
}
$sandbox->reset;
$sandbox->control({%defaults});

# ---- What a list may lack, or can't tell

my $inboxes = "SELECT n, (SELECT count(*) FROM $c c WHERE c.inbox_id = i.inbox_id) FROM (SELECT n, (SELECT "
  . 'array_agg(DISTINCT inbox_id) FILTER (WHERE inbox_id IS NOT NULL) FROM copy.conversations)[1 + n % 3] AS inbox_id '
  . 'FROM generate_series(1, 40) n) i';
my ($all) = fresh($inboxes);
$sandbox->control({ %defaults, plain_inbox => 'main' });
is((fresh($inboxes))[0], $all, 'inboxes whose rows a plain list lacks');
$sandbox->control({%defaults});
my $searched = "SELECT n, (SELECT count(*) FROM $c c WHERE c.search_query = w.word) FROM (SELECT n, (ARRAY['refund', "
  . "'invoice'])[1 + n % 2] AS word FROM generate_series(1, 40) n) w";
my ($words, $searches) = fresh($searched);
my %found = map { (split /\|/)[1] => 1 } split /\n/, $words;
is(scalar(keys %found), 2, 'searches');
my $pages_found = 0;
$pages_found += ceil($_ / 50) || 1 foreach keys %found;
cmp_ok($searches, '<=', $pages_found + 2, '... each of them once');

# ---- A list that no other holds serves runs that differ in what Crisp isn't asked about

my $pairs = "(SELECT n, (SELECT array_agg(DISTINCT inbox_id) FILTER (WHERE inbox_id IS NOT NULL) FROM "
  . 'copy.conversations)[1 + n % 3] AS inbox, (SELECT array_agg(DISTINCT meta_nickname) FROM copy.conversations)[n * '
  . '7] AS nickname FROM generate_series(1, 60) n) w';
my $in_inbox = 'FROM %s c WHERE c.inbox_id = inbox AND meta_nickname';
my %own = (
	'nobody' => "SELECT n, (SELECT max(updated_at) $in_inbox = n::text) FROM $pairs",
	'the latest' => "SELECT n, (SELECT max(updated_at) $in_inbox >= nickname) FROM $pairs",
	'the earliest' => "SELECT n, (SELECT min(updated_at) $in_inbox >= nickname) FROM $pairs",
	'any' => "SELECT n, EXISTS (SELECT $in_inbox = nickname OFFSET 0) FROM $pairs",
	'seven' => "SELECT n, (SELECT count(*) FROM (SELECT session_id $in_inbox >= nickname LIMIT 7) s) FROM $pairs",
	'a stream' => "SELECT n, (SELECT session_id $in_inbox = nickname ORDER BY updated_at DESC, session_id LIMIT 1) "
		. "FROM $pairs",
	'a join' => "SELECT n, s.* FROM $pairs, LATERAL (SELECT session_id $in_inbox = nickname OFFSET 0) s");
my $own_pages = $session->query('SELECT sum(ceil(count / 50.0)) FROM (SELECT count(*) FROM copy.conversations WHERE '
	. 'inbox_id IS NOT NULL GROUP BY inbox_id ORDER BY inbox_id LIMIT 3) s');
foreach my $setting ({}, { honour_order => $false }, { plain_inbox => 'main' }, { honour_filters => $false },
	{ past_end => 'not_found', full_last_page => 206 })
{
	my $about = join(', ', sort keys %{$setting}) || 'as documented';

	$sandbox->control({ %defaults, %{$setting} });
	foreach my $name (sort keys %own)
	{
		my ($rows, $made) = fresh(sprintf($own{$name}, $c), rand() < 0.5 ? "SET work_mem = '64kB'" : '');

		same_rows($rows, $session->query(sprintf($own{$name}, 'copy.conversations')), "own lists, $name, $about: rows");

		# Each list twice, and what tells how long each is.
		cmp_ok($made, '<=', 2 * $own_pages + 12, "... requests: $name, $own_pages pages") if !keys %{$setting};
	}
}
$sandbox->control({%defaults});

# ---- Nor does what changes beside the search or the inbox, of which Crisp is asked, make it another list

$session->query(<<"END");
CREATE TABLE copy.found AS SELECT * FROM $c WHERE search_query = 'refund' UNION ALL SELECT * FROM $c WHERE
	search_query = 'invoice' UNION ALL SELECT * FROM $c WHERE search_query = 'no such text';
CREATE TABLE copy.found_profiles AS SELECT * FROM $p WHERE search_query = 'a' UNION ALL SELECT * FROM $p WHERE
	search_query = 'e';
CREATE TABLE pair WITH (autovacuum_enabled = off) AS SELECT n, CASE WHEN n % 10 = 0 THEN NULL ELSE (ARRAY['refund',
	'invoice', 'no such text'])[1 + n % 3] END AS word, (ARRAY['a', 'e'])[1 + n % 2] AS letter,
	CASE WHEN n % 9 > 0 THEN (SELECT array_agg(DISTINCT inbox_id) FILTER (WHERE inbox_id IS NOT NULL) FROM
	copy.conversations)[1 + n % 3] END AS inbox, CASE WHEN n % 11 > 0 THEN (SELECT percentile_disc((n % 37) / 37.0)
	WITHIN GROUP (ORDER BY updated_at) FROM copy.conversations) END AS at, born, user_id, state, segment,
	chr(65 + n * 7 % 26) AS letters FROM generate_series(1, 90) n LEFT JOIN need USING (n);
END
my $of_search = 'FROM %1$s c WHERE c.search_query = word';
my $of_inbox = 'FROM %2$s c WHERE c.inbox_id = inbox';
my %lists = (
	'a search and a date' => "SELECT n, (SELECT count(*) $of_search AND c.updated_at <= at) FROM pair",
	'a search and a date, by text' => "SELECT n, (SELECT count(*) $of_search AND c.updated_at <= at) FROM (SELECT * "
		. 'FROM pair ORDER BY word, n OFFSET 0) pair',
	'a search and an operator' => "SELECT n, (SELECT count(*) $of_search AND c.assigned_user_id = user_id) FROM pair",
	'a search and all else' => "SELECT n, s.* FROM pair, LATERAL (SELECT session_id, search_query $of_search AND "
		. 'c.updated_at > at AND c.state = pair.state OFFSET 0) s',
	'one of an array' => 'SELECT n, (SELECT count(*) FROM %1$s c WHERE c.search_query = ANY (ARRAY[word]) AND at >= '
		. 'c.updated_at) FROM pair',
	'two texts' => "SELECT n, (SELECT count(*) $of_search AND 'refund' = c.search_query AND c.updated_at > at) "
		. "FROM pair WHERE word = 'refund' OR word IS NULL",
	'the latest found' => "SELECT n, (SELECT max(updated_at) $of_search AND c.updated_at <= at) FROM pair",
	'the latest found of a name' => "SELECT n, (SELECT max(updated_at) $of_search AND c.updated_at <= at AND "
		. "c.meta_nickname >= letters) FROM pair",
	'the earliest found' => "SELECT n, (SELECT min(updated_at) $of_search AND c.updated_at >= at) FROM pair",
	'any found' => "SELECT n FROM pair WHERE EXISTS (SELECT $of_search AND c.updated_at > at AND c.meta_nickname = "
		. "letters OFFSET 0)",
	'five found' => "SELECT n, (SELECT count(*) FROM (SELECT $of_search AND c.updated_at > at LIMIT 5) s) FROM pair",
	'an inbox and a date' => "SELECT n, (SELECT count(*) $of_inbox AND c.updated_at <= at) FROM pair",
	'an inbox and a state' => "SELECT n, (SELECT count(*) $of_inbox AND c.state = pair.state) FROM pair",
	'the latest of an inbox' => "SELECT n, (SELECT max(updated_at) $of_inbox AND c.updated_at <= at) FROM pair",
	'an inbox in a list' => 'SELECT n, c.session_id FROM pair JOIN %2$s c ON c.inbox_id IN (inbox) AND c.updated_at >= '
		. 'at',
	'an inbox, no inbox' => 'SELECT n, (SELECT count(*) FROM %2$s c WHERE c.inbox_id = ANY (ARRAY[inbox, \'x\']) AND '
		. 'c.updated_at >= at) FROM pair',
	'an inbox that changes seldom' => "SELECT n, s.* FROM (SELECT DISTINCT inbox FROM pair) i (box), LATERAL (SELECT "
		. "n, (SELECT count(*) FROM %2\$s c WHERE c.inbox_id = box AND c.updated_at <= at) FROM pair OFFSET "
		. '0) s',
	'a search of an inbox' => "SELECT n, (SELECT count(*) $of_search AND c.inbox_id = inbox AND c.updated_at <= at) "
		. 'FROM pair',
	'profiles' => 'SELECT n, (SELECT count(*) FROM %3$s p WHERE p.search_query = letter AND p.segments @> '
		. 'ARRAY[segment]) FROM pair',
	'profiles by date' => 'SELECT n, (SELECT count(*) FROM %3$s p WHERE p.search_query = letter AND '
		. 'p.created_at > born) FROM pair');

# Each list twice, and what tells how long each is: before four requests nobody asks.
my %all = map {
	$_->[0] => $session->query("SELECT 8 + sum(2 * ceil(count / 50.0) + 6) FROM (SELECT count(*) FROM copy.$_->[1]) s")
} ([ search => 'found GROUP BY search_query' ], [ profiles => 'found_profiles GROUP BY search_query' ],
	[ inbox => "conversations WHERE inbox_id IN (SELECT inbox FROM pair) GROUP BY inbox_id" ],
	[ both => 'found WHERE inbox_id IN (SELECT inbox FROM pair) GROUP BY search_query, inbox_id' ]);
foreach my $setting ({}, { honour_order => $false }, { plain_inbox => 'main' }, { honour_filters => $false },
	{ honour_dates => $false }, { past_end => 'not_found', full_last_page => 206 })
{
	my $about = join(', ', sort keys %{$setting}) || 'as documented';

	$sandbox->control({ %defaults, %{$setting} });
	foreach my $name (sort keys %lists)
	{
		# A stream whose order is broken ends with an error; and a plain list may lack what copies have.
		next if $about eq 'honour_order' && $name eq 'the latest of an inbox';
		next if $about eq 'plain_inbox' && $name !~ /inbox (?:and|that)|of an inbox/;
		my $local = sprintf($lists{$name}, qw(copy.found copy.conversations copy.found_profiles));
		my ($rows, $made) = fresh(sprintf($lists{$name}, $c, $c, $p), rand() < 0.5 ? "SET work_mem = '64kB'" : '');

		same_rows($rows, $session->query($local), "$name, $about: rows");
		next if keys %{$setting};

		my $list = $name =~ /search of an inbox/ ? 'both' : $name =~ /profiles/ ? 'profiles' :
			$name =~ /inbox/ ? 'inbox' : 'search';
		cmp_ok($made, '<=', $name eq 'an inbox, no inbox' ? 2 * $pages{conversations} + 20 : $all{$list},
			'... requests');
	}
}
$sandbox->control({%defaults});

# A parameter of a generic plan, that is set or isn't.
foreach my $value ("'refund'", 'NULL')
{
	my $prepare = 'PREPARE %1$s AS SELECT n, (SELECT count(*) FROM %2$s c WHERE c.search_query = coalesce($1, word) '
	  . 'AND c.updated_at <= at), (SELECT count(*) FROM %2$s c WHERE c.search_query = $1 AND c.updated_at > at) '
	  . "FROM pair; EXECUTE %1\$s ($value)";
	my ($rows, $made) = fresh(sprintf($prepare, 'remote', $c), 'SET plan_cache_mode = force_generic_plan');

	same_rows($rows, $session->query(sprintf($prepare, 'local', 'copy.found')), "a generic plan, $value: rows");
	cmp_ok($made, '<=', 2 * $all{search}, '... requests');
}

# Lists for which there's no room are not read for each run.
my $found = sprintf($lists{'a search and a date'}, $c);
my ($rows, $made) = fresh($found, "SET work_mem = '64kB'; ALTER FOREIGN TABLE $c OPTIONS (ADD per_page '20')");
$session->query("ALTER FOREIGN TABLE $c OPTIONS (DROP per_page)");
same_rows($rows, $session->query(sprintf($lists{'a search and a date'}, 'copy.found')), 'small pages: rows');

# Runs that stop early, and ask Crisp for the same: their own lists are shorter.
my $early = "SELECT n, (SELECT max(updated_at) $of_search AND c.updated_at > (SELECT max(updated_at) FROM "
  . "copy.conversations) - (1 + n %% 2) * interval '3 days' AND c.meta_nickname >= letters) FROM pair "
  . "WHERE word <> 'no such text'";
($rows, $made) = fresh(sprintf($early, $c));
same_rows($rows, $session->query(sprintf($early, 'copy.found')), 'runs that share a short list: rows');
cmp_ok($made, '<=', 4 * (2 + 6), '... requests');

# EXPLAIN ANALYZE counts each run once.
($explained) = fresh("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) $found");
my %loops = $explained =~ /^ *Loops Served From (One List|Earlier Ones): (\d+)$/mg;
cmp_ok($loops{'One List'}, '>', 30, 'EXPLAIN ANALYZE: runs that lists of searches have served');
cmp_ok($loops{'One List'} + ($loops{'Earlier Ones'} // 0), '<=', 90, '... each counts once');

$session->quit;
$node->stop;
done_testing();
