# Lookups that have cost as much as the list: from then on it is the list that serves keys, and the rows are the same.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use Test::More;

my $node = start_node();
my $sandbox = CrispSandbox->start(conversations => 600, people => 1000);

connect_crisp($node, $sandbox);

my @rows = $sandbox->rows('conversations', undef, include_empty => 1);
my %state = map { $_->{session_id} => $_->{state} } @rows;
my %email = map { $_->{people_id} => $_->{email} } $sandbox->rows('people');
my @keys = sort keys %state;
my %listed = map { $_->{session_id} => 1 } $sandbox->rows('conversations');
my $unlisted = grep { !$listed{$_} } @keys;
my $pages = int((keys(%listed) + 49) / 50);
my $setup = "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off";

cmp_ok($unlisted, '>', 0, 'some conversations are not in the list');

# A table that nobody analyzes, with these keys, numbered.
sub keys_table
{
	my ($name, @of) = @_;
	my $n = 0;
	my $values = join ', ', map { '(' . $n++ . ', ' . (defined $_ ? "'$_'" : 'NULL') . ')' } @of;

	$node->safe_psql('postgres',
		"CREATE TABLE $name (n int, key text) WITH (autovacuum_enabled = off); INSERT INTO $name VALUES $values");
	return;
}

my $session;

# What a statement prints in a session that knows nothing yet, and how many requests it makes: for rows, and for pages.
sub fresh
{
	my ($statement, $before) = @_;

	$session->quit if $session;
	$session = CrispSession->start($node);
	$session->query($setup);
	$session->query($before) if defined $before;
	return again($statement);
}

sub again
{
	my ($statement) = @_;

	$sandbox->clear;
	my $printed = $session->query($statement);
	my @requests = map { $_->{path} } $sandbox->requests;
	return ($printed, scalar(grep { m{/conversation/|/people/profile/} } @requests),
		scalar(grep { m{/conversations/|/people/profiles/} } @requests), scalar @requests);
}

# ---- Each kind of join, in both modes

my @absent = map { "session_none_$_" } 1 .. 3;
my @all = (@keys, undef, @absent, @keys[ 0 .. 20 ], '', uc $keys[0]);
my $found = grep { defined && exists $state{$_} } @all;
my $resolved = grep { defined && ($state{$_} // '') eq 'resolved' } @all;

keys_table('k', @all);
foreach my $mode ('fast', 'exact')
{
	foreach my $case (
		[ 'inner join', 'SELECT k.n, c.state FROM k JOIN crisp.conversations c ON c.session_id = k.key', 0 ],
		[ 'outer join', 'SELECT k.n, c.state FROM k LEFT JOIN crisp.conversations c ON c.session_id = k.key', 1 ],
		[ 'LATERAL', 'SELECT k.n, c.state FROM k LEFT JOIN LATERAL (SELECT state FROM crisp.conversations '
			. 'WHERE session_id = k.key OFFSET 0) c ON true', 1 ],
		[ 'correlated subquery', 'SELECT n, (SELECT state FROM crisp.conversations WHERE session_id = k.key) FROM k',
			1 ])
	{
		my ($name, $statement, $outer) = @{$case};
		my ($printed, $lookups, $list, $requests) = fresh($statement, "SET crisp_fdw.scan_mode = '$mode'");
		my @expected = map { "$_|" . (defined $all[$_] ? $state{ $all[$_] } // '' : '') }
		  grep { $outer || (defined $all[$_] && exists $state{ $all[$_] }) } 0 .. $#all;

		is(join("\n", sort split /\n/, $printed), join("\n", sort @expected), "$name, $mode: rows");
		cmp_ok($requests, '<=', 32 + $pages + $unlisted + @absent + 1 + 2,
			"... requests ($lookups lookups, $list pages)");
	}
	foreach my $case (
		[ 'semi join',
			'SELECT count(*) FROM k WHERE EXISTS (SELECT FROM crisp.conversations c WHERE c.session_id = k.key)',
				$found, scalar(grep { defined && $listed{$_} } @all) ],
		[ 'anti join',
			'SELECT count(*) FROM k WHERE NOT EXISTS (SELECT FROM crisp.conversations c WHERE c.session_id = k.key)',
				@all - $found ],
		[ 'IN (SELECT …)', 'SELECT count(*) FROM crisp.conversations WHERE session_id IN (SELECT key FROM k)',
			scalar(@keys) ],
		[ 'another condition',
			"SELECT count(*) FROM k JOIN crisp.conversations c ON c.session_id = k.key AND c.state = 'resolved'",
				$resolved ],
		[ '= ANY', 'SELECT count(*) FROM crisp.conversations WHERE session_id = ANY (ARRAY (SELECT key FROM k))',
			scalar(@keys) ])
	{
		my ($name, $statement, $expected, $by_list) = @{$case};
		my ($printed, $lookups, $list, $requests) = fresh($statement, "SET crisp_fdw.scan_mode = '$mode'");

		# The planner may have taken the list to begin with.
		is($printed, !$lookups && $by_list ? $by_list : $expected, "$name, $mode: rows");
		cmp_ok($requests, '<=', 32 + $pages + $unlisted + @absent + 1 + 2,
			"... requests ($lookups lookups, $list pages)");
	}
}

# ---- What it costs

my @some = grep { $listed{$_} } @keys;
my $count = 'SELECT count(*), count(c.session_id) FROM %s k JOIN crisp.conversations c ON c.session_id = k.key';

keys_table('listed', @some);
my ($printed, $lookups, $list, $requests) = fresh(sprintf($count, 'listed'));
is($printed, @some . '|' . @some, 'rows of a table that was never analyzed');
cmp_ok($requests, '<', 60, "... in $lookups lookups, $list requests for pages");
cmp_ok($lookups, '<=', 16 + 8, '... no more lookups than tell how long the list is');

# It was read to its end, so the session knows.
($printed, $lookups, $list, $requests) = again(sprintf($count, 'listed'));
is($printed, @some . '|' . @some, 'once more: rows');
cmp_ok($requests, '<=', 2 * $pages + 4, "... in $lookups lookups, $list requests for pages");
is($list, $pages, '... each page once');

# A key that comes again costs nothing, whatever it was served from.
($printed, $lookups, $list, $requests) = again(
	'SELECT count(c.session_id) FROM generate_series(1, 3), LATERAL (SELECT c.session_id FROM listed k '
		. 'JOIN crisp.conversations c ON c.session_id = k.key OFFSET 0) c');
is($printed, 3 * @some, 'a join that runs three times');
cmp_ok($requests, '<=', 2 * $pages + 4, '... costs as much as one');

# Spilled.
foreach my $memory ('64kB', '256kB')
{
	($printed, $lookups, $list, $requests) = fresh(
		"SELECT count(*), count(c.session_id) FROM listed k JOIN crisp.conversations c ON c.session_id = k.key "
			. "AND c.session_id || coalesce(c.state, c.session_id) = k.key || coalesce(c.state, k.key)",
			"SET work_mem = '$memory'");
	is($printed, @some . '|' . @some, "work_mem $memory: rows");
	cmp_ok($requests, '<', 60, '... requests');
	my $states = join "\n", map { $state{$_} // '' } @some;
	($printed) = again('SELECT c.state FROM listed k JOIN crisp.conversations c ON c.session_id = k.key ORDER BY k.n');
	is($printed, $states, '... each with its own');
}
$session->query("SET work_mem = '64kB'");
$session->query(
	'BEGIN; DECLARE c CURSOR FOR SELECT k.n FROM listed k JOIN crisp.conversations c ON c.session_id = k.key; '
		. 'SAVEPOINT s');
is(scalar(split /\n/, $session->query('FETCH 100 FROM c')), 100, 'a cursor, in a subtransaction');
$session->query('ROLLBACK TO s; SAVEPOINT t');
is(scalar(split /\n/, $session->query('FETCH ALL FROM c')), @some - 100, '... and after it');
$session->query('COMMIT');

# In all formats, and in words.
my $explained = $session->query('EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) ' . sprintf($count, 'listed'));
like($explained, qr/Keys Looked Up: (\d+), From The Whole List: (\d+)$/m, 'EXPLAIN ANALYZE');
if ($explained =~ /Keys Looked Up: (\d+), From The Whole List: (\d+)$/m)
{
	is($1 + $2, scalar @some, '... each key is one of these');
}
like($explained, qr/Expected Requests: 1 a loop, \d{3,} in all\n/, '... and what was expected');
unlike($session->query("EXPLAIN SELECT * FROM crisp.conversations WHERE session_id = 'session_x'"), qr/a loop/,
	'a scan that runs once');
like($session->query(
	'EXPLAIN SELECT n, (SELECT state FROM crisp.conversations WHERE session_id = k.key) FROM listed k'),
	qr/Expected Requests: 1 a loop, \d{3,} in all/, 'a subquery that runs for each row');
my $plan = decode_json($session->query('EXPLAIN (FORMAT JSON) ' . sprintf($count, 'listed')))->[0]->{Plan};
my ($inner) = grep { ($_->{Alias} // '') eq 'c' } map { @{ $_->{Plans} // [] } } $plan, @{ $plan->{Plans} };
is($inner->{'Expected Requests'}, 1, 'JSON: of a loop');
cmp_ok($inner->{'Expected Requests In All'}, '>=', 100, '... and in all');

# ---- Profiles, of which Crisp knows the number

keys_table('people', sort keys %email);
($printed, $lookups, $list, $requests) = fresh(
	'SELECT k.key, c.email FROM people k JOIN crisp.people_profiles c ON c.people_id = k.key ORDER BY k.n');
is($printed, join("\n", map { "$_|" . ($email{$_} // '') } sort keys %email), 'profiles: rows');
cmp_ok($requests, '<=', 20 + 20 + 1 + 8, "... in $lookups lookups, $list requests for pages");
cmp_ok($list, '<=', 20 + 4, '... each page once, and what proves the order');

# A list proves nothing where some of its rows have no date: once a date is asked for, rows without one don't come.
my @ids = sort keys %email;
my @undated = map { $ids[ 7 + 131 * $_ ] } 0 .. 6;
my %people_expected = map { $_ => $email{$_} // '' } @ids;
foreach my $case (
	[ 'some rows without a date', map { { op => 'patch', resource => 'people', key => $_, unset => ['created_at'] } }
		@undated ],
	[ 'no row with a date', map { { op => 'patch', resource => 'people', key => $_, unset => ['created_at'] } } @ids ])
{
	my ($name, @operations) = @{$case};

	$sandbox->data([@operations]);
	foreach my $count ('counted', 'not counted')
	{
		# Where statistics tell how long the list is, nobody counts.
		$node->safe_psql('postgres', 'ANALYZE crisp.people_profiles') if $count eq 'not counted';
		foreach my $kind ('JOIN', 'LEFT JOIN')
		{
			($printed, $lookups, $list, $requests) = fresh(
				"SELECT k.key, c.email FROM people k $kind crisp.people_profiles c ON c.people_id = k.key "
				  . 'ORDER BY k.n');
			is($printed, join("\n", map { "$_|$people_expected{$_}" } @ids), "$name, $count, $kind: each is found");
		}
		$session->query("UPDATE pg_class SET reltuples = -1 WHERE oid = 'crisp.people_profiles'::regclass; "
			. "DELETE FROM pg_statistic WHERE starelid = 'crisp.people_profiles'::regclass");
	}
	$sandbox->reset;
}

# ---- A limit of requests

keys_table('ten', @some[ 0 .. 9 ]);
foreach my $number (17, 20, 33, 49, 65)
{
	my @of = @some[ 0 .. $number - 1 ];
	my @none = map { "session_none_$_" } 1 .. $number;
	my $in = join ', ', map { "'$_'" } @of;

	foreach my $known (0, 1)
	{
		my $before = $known ? 'SELECT count(*) FROM crisp.conversations;' : '';
		my $what = 'the list is ' . ($known ? 'known' : 'unknown');

		($printed) = fresh("SELECT count(*) FROM unnest(ARRAY[$in]) k JOIN crisp.conversations c ON c.session_id = k",
			"$before SET crisp_fdw.max_requests = $number");
		is($printed, $number, "$number keys, as many requests, $what");
		($printed) = again(
			"SELECT count(*) FROM crisp.conversations WHERE session_id = ANY (ARRAY[$in] || (SELECT min(key) "
				. "FROM listed WHERE n < 0))");
		is($printed, $number, '... in one scan');
		($printed) = again('SELECT count(*) FROM unnest(ARRAY[' . join(', ', map { "'$_'" } @none)
			. ']) k LEFT JOIN crisp.conversations c ON c.session_id = k');
		is($printed, $number, '... that Crisp does not have');
	}
}
$session->query('SET crisp_fdw.max_requests = 200');
is($session->query(sprintf($count, 'listed')), @some . '|' . @some, 'a limit for which lookups are too many');
($printed, $lookups, $list) = fresh(sprintf($count, 'ten'));
is("$lookups|$list", '10|0', 'ten keys: ten lookups');

# ---- The list that can't be had

foreach my $answer ({ status => 403 }, { status => 200, body => '{"error": false, "reason": "listed", "data": {}}' },
	{ status => 200, body => 'x' })
{
	$sandbox->control({ answers => [ { match => { path => '*/conversations/*' }, %{$answer} } ] });
	($printed, $lookups) = fresh(sprintf($count, 'listed'));
	is($printed, @some . '|' . @some, 'the list cannot be had: rows');
	is($lookups, scalar @some, '... are looked up');
	$sandbox->reset;
}
$session->query('SELECT count(*) FROM crisp.conversations');
$sandbox->control({ answers => [ { match => { path => '*/conversations/5' }, status => 403 } ] });
($printed, $lookups, $list) = again(sprintf($count, 'listed') =~ s{JOIN}{LEFT JOIN}r);
is($printed, @some . '|' . @some, 'a page cannot be had: rows');
cmp_ok($lookups, '<=', @some - 150, '... what came before is used');
$sandbox->reset;

# ---- Where the list ends

foreach my $setting ({ past_end => 'not_found' }, { full_last_page => 206 },
	{ full_last_page => 206, past_end => 'not_found' }, { plain_inbox => 'main' })
{
	$sandbox->control($setting);
	($printed, $lookups) = fresh(sprintf($count, 'listed'));
	is($printed, @some . '|' . @some, join(', ', %{$setting}) . ': rows');
	($printed) = again('SELECT k.n, c.state FROM k LEFT JOIN crisp.conversations c ON c.session_id = k.key ORDER BY n');
	is($printed, join("\n", map { "$_|" . (defined $all[$_] ? $state{ $all[$_] } // '' : '') } 0 .. $#all),
		'... also those that are not listed');
	$sandbox->reset;
}

# ---- A table of one inbox

my ($inbox) = grep { defined } map { $_->{inbox_id} } @rows;
my %in = map { $_->{session_id} => 1 } grep { ($_->{inbox_id} // '') eq $inbox } @rows;

$session->query(
	"IMPORT FOREIGN SCHEMA crisp LIMIT TO (conversations) FROM SERVER support INTO public; ALTER FOREIGN "
		. "TABLE conversations RENAME TO inbox; ALTER FOREIGN TABLE inbox OPTIONS (ADD inbox '$inbox')");
($printed) = fresh('SELECT k.n FROM k JOIN public.inbox c ON c.session_id = k.key ORDER BY n');
is($printed, join("\n", grep { defined $all[$_] && $in{ $all[$_] } } 0 .. $#all), 'one inbox: rows');

# ---- Columns that the catalog doesn't know

$session->query(
	"IMPORT FOREIGN SCHEMA crisp LIMIT TO (conversations) FROM SERVER support INTO public; ALTER FOREIGN "
		. "TABLE conversations ADD nosuch text, ADD meta_data_plan text OPTIONS (json_path 'meta.data.plan')");
($printed, $lookups,
	$list) = fresh(
		'SELECT count(k.n), count(c.nosuch) FROM listed k JOIN public.conversations c ON c.session_id = k.key');
is("$printed|$lookups|$list", @some . '|0|' . @some . '|0', 'the list may lack them: rows are looked up');
($printed, $lookups,
	$list) = fresh(
		'SELECT count(k.n), count(c.meta_data_plan) >= 0 FROM listed k JOIN public.conversations c '
			. 'ON c.session_id = k.key');
is($printed, @some . '|t', 'one that is below a column of the catalog: rows');
cmp_ok($lookups, '<', 60, '... are in the list');

# ---- By statistics

$session->query('ANALYZE crisp.conversations');
($printed, $lookups, $list, $requests) = fresh(
	'SELECT count(*), count((SELECT session_id FROM crisp.conversations WHERE session_id = k.key)) FROM listed k');
is($printed, @some . '|' . @some, 'an analyzed table: rows');
is($list, $pages + 1, '... one request to learn whether it has grown since');
cmp_ok($lookups, '<=', $pages + 3, '... lookups');
$session->quit;

# ---- A long list

my $large = CrispSandbox->start(conversations => 6000);
$sandbox = $large;
$node->safe_psql('postgres', 'DROP SCHEMA crisp CASCADE');
$node->safe_psql('postgres', "ALTER SERVER support OPTIONS (SET base_url '" . $large->url
	. "'); CREATE SCHEMA crisp; IMPORT FOREIGN SCHEMA crisp FROM SERVER support INTO crisp");
my @many = sort map { $_->{session_id} } $large->rows('conversations');
keys_table('tickets', map { $many[ 100 * $_ ] } 0 .. 29);
undef $session;
($printed, $lookups, $list, $requests) = fresh(sprintf($count, 'tickets'));
is("$printed|$lookups", '30|30|30', '30 tickets of a long list');
cmp_ok($list, '<=', 1, '... at most one request more');
keys_table('many', @many[ 0 .. 999 ]);
($printed, $lookups, $list, $requests) = fresh(sprintf($count, 'many'));
is($printed, '1000|1000', 'a thousand: rows');
cmp_ok($requests, '<=', 3 * 128, "... in $lookups lookups, $list requests for pages");
$session->quit;

$node->stop;
done_testing();
