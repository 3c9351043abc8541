# Many keys a request: profiles that are looked up by their e-mail addresses are searched for together.
# Whatever Crisp makes of several values in a filter, the rows are those that lookups bring.

use strict;
use warnings;
use utf8;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use Encode qw(encode_utf8);
use JSON::PP;
use Test::More;

# Characters of all scripts.
delete $ENV{CRISP_ENCODING};

my $node = start_node();
my $sandbox = CrispSandbox->start(people => 3000, conversations => 60);
my $session;

connect_crisp($node, $sandbox, options => "max_retries '0'");

# ---- Addresses, plain and odd

my %odd = (
	10 => 'Ada.Case@Example.com',
	20 => q(o'neil "the\\quote" & co, [x]{y}@example.com),
	30 => 'jürgen.ł@exämple.de',
	40 => ('x' x 700) . '@example.com',
	50 => 'twice@example.com',
	60 => 'twice@example.com',
	70 => 'per%cent+plus?a=b#c/d@example.com',
	80 => "\t<b>&amp;\x{1F600}\"\@example.com");
$sandbox->data([ map { { op => 'patch', resource => 'people', index => $_, set => { email => $odd{$_} } } }
		sort { $a <=> $b } keys %odd ]);

my @people = $sandbox->rows('people');
my %times;
$times{$_}++ foreach grep { defined && length } map { $_->{email} } @people;
my @plain = sort grep { $times{$_} == 1 && /^[a-z0-9.@]+$/ } keys %times;
cmp_ok(scalar @plain, '>', 2000, 'addresses');

my $literal = sub { my $text = shift; return 'NULL' unless defined $text; $text =~ s/'/''/g; return "'$text'" };

# A table of addresses, numbered, that nobody analyzes.
sub keys_table
{
	my ($name, @of) = @_;
	my $n = 0;
	my $values = join ', ', map { '(' . $n++ . ', ' . $literal->($_) . ')' } @of;

	$node->safe_psql('postgres', encode_utf8(
		"CREATE TABLE $name (n int, email text) WITH (autovacuum_enabled = off); INSERT INTO $name VALUES "
			. "$values"));
	return;
}

# What a statement prints in a session that knows nothing yet, or in the same one, and the requests: lookups of
# single keys, searches, and others.
sub again
{
	my ($statement) = @_;

	$sandbox->clear;
	my $printed = $session->query(encode_utf8($statement));
	my @requests = $sandbox->requests;
	my $lookups = grep { $_->{path} =~ m{/people/profile/} } @requests;
	my $searches = grep { ($_->{query} // '') =~ /search_filter=/ } @requests;
	return ($printed, $lookups, $searches, @requests - $lookups - $searches);
}

sub fresh
{
	my ($statement, $before) = @_;

	$session->quit if $session;
	$session = CrispSession->start($node);
	$session->query($before) if defined $before;
	return again($statement);
}

# The numbers of keys that a profile has: one of two at least, if they share it.
sub found
{
	my (@of) = @_;

	return join "\n", grep { defined $of[$_] && $times{ $of[$_] } } 0 .. $#of;
}

my @forty = @plain[ map { 50 * $_ } 0 .. 39 ];
my @mixed = (
	@plain[ 0 .. 9 ], 'none@example.com', undef, @plain[ 3 .. 5 ], (map { $odd{$_} } sort keys %odd),
	lc $odd{10}, uc $plain[20], 'nobody@example.com', 'z@');
my @unfit = (@mixed, '', 'no address', ('y' x 1100) . '@example.com');
keys_table('customer', @forty);
keys_table('mixed', @mixed);
keys_table('unfit', @unfit);
keys_table('many', @plain[ 0 .. 599 ]);
keys_table('others', map { "nobody$_\@example.com" } 1 .. 30);

my $found = found(@mixed);
my @found = split /\n/, $found;
my $distinct = do { my %seen; scalar grep { !$seen{ $mixed[$_] }++ } @found };
my @none = grep { my $n = $_; !grep { $_ == $n } @found } 0 .. $#mixed;

# ---- One request for many

my $join = 'SELECT k.n FROM %s k JOIN crisp.people_profiles p ON p.email = k.email ORDER BY k.n';
my ($printed, $lookups, $searches, $others) = fresh(sprintf($join, 'customer'));
is($printed, join("\n", 0 .. 39), '40 customers, joined: rows');
is("$lookups|$searches|$others", '1|1|0', '... two requests');
($printed, $lookups, $searches, $others) = fresh(
	'SELECT count(*) FROM crisp.people_profiles WHERE email = ANY (ARRAY (SELECT email FROM customer))');
is("$printed|$lookups|$searches|$others", '40|0|1|0', 'an array: one request');
($printed, $lookups, $searches, $others) = fresh(
	'SELECT count(*) FROM crisp.people_profiles WHERE email IN (' . join(', ',
		map { $literal->($_) } @forty) . ')');
is("$printed|$lookups|$searches|$others", '40|0|1|0', 'IN: likewise');
($printed, $lookups, $searches, $others) = again(
	'SELECT count(*) FROM crisp.people_profiles WHERE email IN (SELECT email FROM customer)');
is("$printed|$lookups|$searches|$others", '40|1|1|0', 'IN (SELECT …)');
($printed, $lookups, $searches, $others) = again(sprintf($join, 'customer') . ' LIMIT 1');
is("$printed|$lookups|$searches|$others", '0|1|1|0', 'below a sort, all are needed');
($printed, $lookups, $searches, $others) = again(
	'SELECT k.n FROM customer k JOIN crisp.people_profiles p ON p.email = k.email LIMIT 5');
is("$printed|$lookups|$searches|$others", "0\n1\n2\n3\n4|1|1|0", 'a LIMIT');
($printed, $lookups, $searches, $others) = again(
	'BEGIN; DECLARE c CURSOR FOR ' . sprintf($join, 'customer') . '; CLOSE c; COMMIT');
is("$lookups|$searches|$others", '0|0|0', 'a cursor that nobody reads');
my ($filter) = map { $_->{query} =~ /search_filter=([^&]*)/ ? $1 : () } do {
	again('SELECT FROM crisp.people_profiles WHERE email IN (' . join(', ', map { $literal->($_) } @forty[ 0, 1 ])
		. ')');
	$sandbox->requests;
};
$filter =~ s/%([[:xdigit:]]{2})/chr hex $1/ge;
is_deeply(decode_json($filter),
	[ { model => 'people', criterion => 'email', operator => 'eq', query => [ sort @forty[ 0, 1 ] ] } ],
	'what is asked for');

# Several batches, of which none makes a URL longer than 4 kB.
($printed, $lookups, $searches, $others) = fresh(
	'SELECT count(*), count(DISTINCT p.people_id) FROM many k JOIN crisp.people_profiles p USING (email)',
	'SET enable_hashjoin = off; SET enable_mergejoin = off');
is($printed, '600|600', 'hundreds: rows');
cmp_ok($lookups + $searches + $others, '<=', 24, "... $lookups lookups, $searches searches, $others more");
my @long = grep { length($_->{path} . '?' . ($_->{query} // '')) > 4096 - 30 } $sandbox->requests;
is(scalar @long, 0, '... none with a long URL');
like($session->query(
	'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT FROM customer k JOIN crisp.people_profiles p '
		. 'USING (email)'),
	qr/Keys Searched For Together: 39, Found: 39, Requests: 1$/m, 'EXPLAIN ANALYZE');
my $json = $session->query('EXPLAIN (ANALYZE, FORMAT JSON) SELECT FROM crisp.people_profiles WHERE email = ANY (ARRAY '
	. '(SELECT email FROM customer))');
like($json, qr/"Keys Found Together": 40/, '... in JSON');

# ---- Whatever Crisp does

my @statements = (
	[ 'join', sprintf($join, 'mixed'), $found ],
	[ 'left join', 'SELECT k.n, p.people_id IS NOT NULL FROM mixed k LEFT JOIN crisp.people_profiles p ON '
		. 'p.email = k.email ORDER BY k.n',
		join("\n", map { my $n = $_; "$n|" . ((grep { $_ == $n } @found) ? 't' : 'f') } 0 .. $#mixed) ],
	[ 'semi join', 'SELECT k.n FROM mixed k WHERE EXISTS (SELECT FROM crisp.people_profiles p WHERE p.email = '
		. 'k.email) ORDER BY k.n', $found ],
	[ 'anti join', 'SELECT k.n FROM mixed k WHERE NOT EXISTS (SELECT FROM crisp.people_profiles p WHERE p.email = '
		. 'k.email) ORDER BY k.n', join("\n", @none) ],
	[ 'LATERAL', 'SELECT k.n FROM mixed k, LATERAL (SELECT FROM crisp.people_profiles p WHERE p.email = k.email '
		. 'OFFSET 0) l ORDER BY k.n', $found ],
	[ 'correlated subquery', 'SELECT k.n FROM mixed k WHERE (SELECT p.email FROM crisp.people_profiles p WHERE '
		. 'p.email = k.email) IS NOT NULL ORDER BY k.n', $found ],
	[ 'three passes', 'SELECT count(*) FROM generate_series(1, 3), LATERAL (SELECT k.n FROM mixed k JOIN '
		. 'crisp.people_profiles p ON p.email = k.email OFFSET 0) l', 3 * @found ],
	[ 'array', 'SELECT count(DISTINCT email) FROM crisp.people_profiles WHERE email = ANY (ARRAY (SELECT email '
		. 'FROM '
		. "mixed WHERE email LIKE '%\@%'))", $distinct ]);
my $lookups_only = 'SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off; '
	. 'SET enable_seqscan = on';

foreach my $settings (
	{}, { filter_values => 'all' }, { filter_values => 'first' }, { filter_values => 'refused' },
	{ honour_search => JSON::PP::false }, { full_last_page => 206, past_end => 'not_found' },
	{ filter_values => 'refused', honour_sort => 'refused' })
{
	my $name = join(', ', map { "$_ $settings->{$_}" } sort keys %{$settings}) || 'any';

	$sandbox->control($settings);
	foreach my $mode ('fast', $name eq 'any' ? 'exact' : ())
	{
		foreach my $case (@statements)
		{
			my ($kind, $statement, $expected) = @{$case};

			($printed, $lookups, $searches, $others) = fresh($statement,
				"$lookups_only; SET crisp_fdw.scan_mode = '$mode'");
			is($printed, $expected, "$name, $mode, $kind: rows");
			cmp_ok($lookups + $searches + $others, '<=', @mixed + 3,
				"... $lookups lookups, $searches searches, $others more");
		}
	}

	# Keys that no lookup takes need the list.
	($printed) = fresh(sprintf($join, 'unfit'), $lookups_only);
	is($printed, found(@unfit), "$name, keys that are none: rows");

	# It is noticed once.
	($printed, $lookups, $searches, $others) = fresh(sprintf($join, 'customer'), $lookups_only);
	is($printed, join("\n", 0 .. 39), "$name: forty");
	my $any = $name eq 'any' || $name =~ /full_last_page/;
	cmp_ok($lookups + $searches + $others, '<=', $any ? 4 : 44, '... requests');
	($printed, $lookups, $searches, $others) = again(sprintf($join, 'customer'));
	is($printed, join("\n", 0 .. 39), '... once more');
	is($searches, $any ? 1 : 0, '... searches');
	$sandbox->reset;
	$sandbox->data([ map { { op => 'patch', resource => 'people', index => $_, set => { email => $odd{$_} } } }
			sort { $a <=> $b } keys %odd ]);
}

# ---- Absence is for lookups to tell

($printed, $lookups, $searches, $others) = fresh(
	'SELECT count(*) FROM crisp.people_profiles WHERE email = ANY (ARRAY (SELECT email FROM others))');
is("$printed|$lookups|$searches", '0|30|1', 'thirty that Crisp has not');
$sandbox->control({ answers => [ { match => { path => '*/people/profiles/*', query => 'search_filter' },
	status => 200, body => '{"error": false, "reason": "listed", "data": []}' } ] });
($printed, $lookups, $searches, $others) = fresh(sprintf($join, 'customer'), $lookups_only);
is($printed, join("\n", 0 .. 39), 'an index that lags: rows');
$sandbox->control({ answers => [] });

# ---- Failures of what is done ahead of need

foreach my $answer ({ status => 500 }, { status => 403 }, { status => 414 }, { status => 200, body => 'x' },
	{ status => 200, body => '{"error": false, "reason": "listed", "data": [1, {}, {"email": 3}]}' },
	{ reset => JSON::PP::true })
{
	$sandbox->control({ answers => [ { match => { path => '*/people/profiles/*' , query => 'search_filter' },
		%{$answer} } ] });
	($printed) = fresh(sprintf($join, 'customer'), "$lookups_only; SET work_mem = '64kB'");
	is($printed, join("\n", 0 .. 39), 'a search that fails with ' . join(' ', map { $_ // '' } %{$answer}) . ': '
		. 'rows');
}
$sandbox->control({ answers => [ { match => { path => '*/people/profile/*', nth => 1 }, status => 403 } ] });
$session->fails('SELECT count(*) FROM crisp.people_profiles WHERE email = ANY (ARRAY (SELECT email FROM others))',
	{ sqlstate => '42501' }, 'a lookup that fails');
$sandbox->control({ answers => [] });
is((again(sprintf($join, 'customer')))[0], join("\n", 0 .. 39), '... and the next statement');

# Pages that have nothing to do with the keys, or go on.
my $page = encode_json({ error => JSON::PP::false, reason => 'listed',
	data => [ map { { people_id => "p$_", email => "stranger$_\@example.com" } } 1 .. 50 ] });
$sandbox->control({ answers => [ { match => { path => '*/people/profiles/*', query => 'search_filter' },
	status => 206, body => $page } ] });
($printed, $lookups, $searches, $others) = fresh(sprintf($join, 'customer'), $lookups_only);
is("$printed|$searches", join("\n", 0 .. 39) . '|1', 'rows that nobody asked for: a page of them');
my $same = encode_json({ error => JSON::PP::false, reason => 'listed',
	data => [ map { { people_id => "p$_", email => uc $forty[5] } } 1 .. 50 ] });
$sandbox->control({ answers => [ { match => { path => '*/people/profiles/*', query => 'search_filter' },
	status => 206, body => $same } ] });
($printed, $lookups, $searches, $others) = fresh(sprintf($join, 'customer'), $lookups_only);
is($printed, join("\n", 0 .. 39), 'pages that go on: rows');
cmp_ok($searches, '<=', 4, '... and an end');
$sandbox->control({ answers => [] });

# ---- A limit of requests

foreach my $limit (40, 41, 60)
{
	($printed) = fresh(sprintf($join, 'customer'), "$lookups_only; SET crisp_fdw.max_requests = $limit");
	is($printed, join("\n", 0 .. 39), "forty keys, $limit requests");
	$sandbox->control({ filter_values => 'all' });
	($printed) = fresh('SELECT count(*) FROM crisp.people_profiles WHERE email = ANY (ARRAY (SELECT email FROM '
		. 'customer))', "SET crisp_fdw.max_requests = $limit");
	is($printed, 40, '... that are all needed');
	$sandbox->control({ filter_values => 'any' });
}

# ---- Memory, and an end in the middle

($printed) = fresh(
	'SELECT count(*), count(DISTINCT p.people_id) FROM many k JOIN crisp.people_profiles p USING (email)',
	"$lookups_only; SET work_mem = '64kB'");
is($printed, '600|600', 'a small work_mem: rows');
my $searched = grep { ($_->{query} // '') =~ /search_filter=/ } $sandbox->requests;
cmp_ok($sandbox->count, '<=', 40, "... in few requests, $searched of them searches");
$sandbox->control({ answers => [ { match => { path => '*/people/profiles/*' }, hang => JSON::PP::true } ] });
$session->query("SET statement_timeout = '500ms'");
$session->fails(sprintf($join, 'customer'), { sqlstate => '57014' }, 'a search that does not come');
$session->query('RESET statement_timeout');
$sandbox->control({ answers => [] });
is((again(sprintf($join, 'customer')))[0], join("\n", 0 .. 39), '... and the next statement');

# ---- LATIN1

$node->safe_psql('postgres', q(CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'));
my $credentials = credential_options($sandbox);
$node->safe_psql('latin', encode_utf8("SET client_encoding = 'UTF8'; CREATE EXTENSION crisp_fdw;
	CREATE SERVER support FOREIGN DATA WRAPPER crisp_fdw
		OPTIONS (base_url '" . $sandbox->url . "', website_id '" . $sandbox->website_id . "');
	CREATE USER MAPPING FOR CURRENT_USER SERVER support OPTIONS ($credentials);
	CREATE SCHEMA crisp; IMPORT FOREIGN SCHEMA crisp LIMIT TO (people_profiles) FROM SERVER support INTO crisp;
	CREATE TABLE k (email text); INSERT INTO k VALUES ('jürgen\@exämple.de'), ('$plain[1]'), ('$plain[2]')"));
$sandbox->data([ { op => 'patch', resource => 'people', index => 30, set => { email => 'jürgen@exämple.de' } } ]);
is($node->safe_psql('latin', 'SELECT count(*) FROM crisp.people_profiles WHERE email = ANY (ARRAY (SELECT email FROM '
	. 'k)); SELECT count(*) FROM k JOIN crisp.people_profiles p USING (email)'), "3\n3", 'LATIN1');


# ---- Keys that a short list lacks: it's read once, and then tells that they aren't there

$session->quit;
undef $session;
$sandbox = CrispSandbox->start(people => 400, conversations => 400);
$node->safe_psql('postgres', 'DROP SCHEMA crisp CASCADE');
$node->safe_psql('postgres', "ALTER SERVER support OPTIONS (SET base_url '" . $sandbox->url
	. "'); CREATE SCHEMA crisp; IMPORT FOREIGN SCHEMA crisp FROM SERVER support INTO crisp");
@people = $sandbox->rows('people');
%times = ();
$times{$_}++ foreach grep { defined && length } map { $_->{email} } @people;
my %id = map { $_->{people_id} => 1 } @people;
my @emails = ((sort keys %times), map { "nobody$_\@example.com" } 1 .. 300);
my @ids = ((sort keys %id), map { sprintf '00000000-0000-4000-8000-%012d', $_ } 1 .. 300);

keys_table('emails', @emails);
$node->safe_psql('postgres', 'CREATE TABLE ids (n int, people_id text) WITH (autovacuum_enabled = off); INSERT INTO '
	. 'ids '
	. 'VALUES ' . join(', ', map { "($_, '$ids[$_]')" } 0 .. $#ids));

my @kinds = (
	[ 'emails', 'email', scalar(keys %times) ],
	[ 'ids', 'people_id', scalar(keys %id) ]);
foreach my $settings ({}, { filter_values => 'refused' }, { honour_sort => JSON::PP::false },
	{ honour_sort => 'refused' }, { honour_dates => JSON::PP::false }, { past_end => 'not_found' })
{
	my $name = join(', ', map { "$_ $settings->{$_}" } sort keys %{$settings}) || 'as documented';
	my $proves = $name !~ /honour/;

	$sandbox->control($settings);
	foreach my $case (@kinds)
	{
		my ($table, $column, $expected) = @{$case};

		foreach my $statement (
			"SELECT count(*), count(p.people_id) FROM $table k LEFT JOIN crisp.people_profiles p USING "
				. "($column)",
			"SELECT count(*), count((SELECT people_id FROM crisp.people_profiles p WHERE p.$column = "
				. "k.$column)) "
				. "FROM $table k",
			"SELECT count(*) FILTER (WHERE found), count(*) FILTER (WHERE NOT found) FROM (SELECT EXISTS "
				. "(SELECT FROM "
				. "crisp.people_profiles p WHERE p.$column = k.$column) AS found FROM $table k OFFSET "
				. "0) k")
		{
			($printed, $lookups, $searches, $others) = fresh($statement, $lookups_only);
			my $all = $table eq 'emails' ? @emails : @ids;
			is($printed, $statement =~ /FILTER/ ? "$expected|300" : "$all|$expected", "$name, by $column: "
				. "rows");
			cmp_ok($lookups + $searches + $others, '<=', $proves ? 2 * 8 + 16 : 2 * 8 + 16 + 300 + 40,
				"... $lookups lookups, $searches searches, $others more");
		}
		($printed, $lookups, $searches, $others) = fresh(
			"SELECT count(*) FROM crisp.people_profiles WHERE $column = ANY (ARRAY (SELECT $column FROM "
				. "$table))",
			"$lookups_only; SET work_mem = '64kB'");
		is($printed, $expected, "$name, array by $column: rows");
		cmp_ok($lookups + $searches + $others, '<=', $proves ? 2 * 8 + 16 : 2 * 8 + 16 + 300 + 40,
			"... $lookups lookups, $searches searches, $others more");
	}
	$sandbox->reset;
}
like(
	$session->query("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT FROM ids k LEFT JOIN "
		. 'crisp.people_profiles p USING (people_id)'),
	qr/Keys Looked Up: \d+, From The Whole List: \d+, Not In It: \d+$/m,
	'EXPLAIN ANALYZE');

# A profile that lacks the date by which the list is read isn't in it, and is found all the same: whoever counts them
# counts it, too.
$sandbox->data([ { op => 'patch', resource => 'people', key => (sort keys %id)[0], unset => ['created_at'] } ]);
foreach my $counts (1, 0)
{
	$sandbox->control({ answers => [ { match => { path => '*/people/stats' }, status => 500 } ] }) unless $counts;
	($printed) = fresh(
		'SELECT count(*), count(p.people_id) FROM ids k LEFT JOIN crisp.people_profiles p USING (people_id)',
		$lookups_only);
	is( $printed,
		@ids . '|' . keys(%id),
		'one that the list cannot have' . ($counts ? '' : ', and no count') . ': rows');
	($printed) = fresh(
		'SELECT count(*) FROM crisp.people_profiles WHERE people_id = ANY (ARRAY (SELECT people_id FROM ids))',
		$lookups_only);
	is($printed, scalar keys %id, '... of an array');
}
$sandbox->reset;

# What fails while the list is read is no error: lookups go on.
foreach my $answer ({ status => 403 }, { status => 500 }, { status => 200, body => 'x' },
	{ status => 200, body => '{"error": false, "reason": "listed", "data": {}}' })
{
	foreach my $nth (1, 2, 4, 6)
	{
		$sandbox->control({ answers => [ { match => { path => '*/people/profiles/*', nth => $nth },
			times => 1000,
			%{$answer} } ] });
		($printed) = fresh('SELECT count(*), count(p.people_id) FROM ids k LEFT JOIN crisp.people_profiles p '
			. 'USING '
			. '(people_id)', $lookups_only);
		is($printed, @ids . '|' . keys(%id), "the list fails from request $nth on: rows");
	}
}
$sandbox->reset;

# Profiles that are there all the time are found, whatever others do meanwhile.
$sandbox->control({ latency_ms => 20 });
foreach my $round (1 .. 3)
{
	my @now = sort map { $_->{people_id} } $sandbox->rows('people');
	my %gone;

	$session->quit;
	$session = CrispSession->start($node);
	$session->query($lookups_only);
	$sandbox->clear;
	$session->send('SELECT k.people_id FROM ids k JOIN crisp.people_profiles p USING (people_id)');
	foreach my $number (4, 6, 8, 10, 12)
	{
		$sandbox->wait_for_requests($number);
		my @victims = map { $now[ ($round * 131 + $number * 7 + $_) % @now ] } 1 .. 3;
		$sandbox->data([ map { { op => 'delete', resource => 'people',
			key => $_ } } grep { !$gone{$_} } @victims ]);
		$gone{$_} = 1 foreach @victims;
	}
	my %seen = map { $_ => 1 } split /\n/, $session->wait->{output};
	is_deeply([ grep { !$seen{$_} && !$gone{$_} } @now ], [], "deletions meanwhile, $round: none is lost");
}
$sandbox->reset;

# Of conversations, a list may leave some out, also one that was asked for all.
my @sessions = $sandbox->rows('conversations', undef, include_empty => 1);
my @keys = ((map { $_->{session_id} } @sessions), map { sprintf 'session_00000000-0000-4000-8000-%012d', $_ } 1 .. 200);
$node->safe_psql('postgres', 'CREATE TABLE sessions (session_id text) WITH (autovacuum_enabled = off); INSERT INTO '
	. 'sessions VALUES ' . join(', ', map { "('$_')" } @keys));
$node->safe_psql('postgres', 'CREATE SCHEMA every; IMPORT FOREIGN SCHEMA crisp LIMIT TO (conversations) FROM SERVER '
	. "support INTO every; ALTER FOREIGN TABLE every.conversations OPTIONS (ADD include_empty 'true', ADD inbox "
	. "'all')");
foreach my $case ([ 'crisp', 200, 700 ], [ 'every', 200, 700 ])
{
	my ($schema, $least, $most) = @{$case};

	foreach my $mode ('fast', 'exact')
	{
		($printed) = fresh("SELECT count(*), count(c.session_id) FROM sessions k LEFT JOIN "
			. "$schema.conversations c USING "
			. '(session_id)', "$lookups_only; SET crisp_fdw.scan_mode = '$mode'");
		is($printed, @keys . '|' . @sessions, "conversations of $schema, $mode: rows");
		my $requests = $sandbox->count;
		cmp_ok($requests, '>=', $least, '... requests');
		cmp_ok($requests, '<=', $most, '... at most');
	}
}

# ---- Keys of which Crisp can't be asked, among others: the list that is read for them serves all

$sandbox->reset;
$sandbox->data([
	{ op => 'patch', resource => 'people', index => 7, set => { email => 'no address' } },
	{ op => 'patch', resource => 'people', index => 300, set => { email => 'twice, and no address' } },
	{ op => 'patch', resource => 'people', index => 301, set => { email => 'twice, and no address' } } ]);
@people = $sandbox->rows('people');
%times = ();
$times{$_}++ foreach grep { defined && length } map { $_->{email} } @people;
my @with_address = grep { /@/ } sort keys %times;
my @no_addresses = ('no address', 'none', '', 'none either', 'no address');
keys_table('odd_first', @no_addresses, @with_address[ 0 .. 99 ], map { "nobody$_\@example.com" } 1 .. 20);
keys_table('odd_last', @with_address[ 0 .. 5 ], 'nobody1@example.com', @no_addresses, @with_address[ 6 .. 99 ]);
keys_table('odd_twice', @with_address[ 0 .. 5 ], 'twice, and no address', @no_addresses);

foreach my $settings ({}, { filter_values => 'refused' }, { past_end => 'not_found' },
	{ honour_sort => JSON::PP::false }, { honour_sort => 'refused' }, { honour_dates => JSON::PP::false })
{
	my $name = join(', ', map { "$_ $settings->{$_}" } sort keys %{$settings}) || 'as documented';

	$sandbox->control($settings);
	foreach my $case ([ 'odd_first', 102 ], [ 'odd_last', 102 ], [ 'odd_twice', 10 ])
	{
		my ($table, $rows) = @{$case};

		# By date, there is no reading where Crisp ignores dates.
		foreach my $mode ('fast', $name =~ /dates/ ? () : 'exact')
		{
			my $sets = "$lookups_only; SET enable_memoize = off; SET crisp_fdw.scan_mode = '$mode'";
			($printed, $lookups, $searches, $others) =
			  fresh("SELECT count(p.people_id) FROM $table k LEFT JOIN crisp.people_profiles p USING (email)", $sets);
			is($printed, $rows, "$table, $name, $mode: rows");

			# 8 pages; what tells whether the order holds, and how many rows there are; a search by addresses.
			cmp_ok($lookups + $searches + $others, '<=', 2 * 8 + 8, "... $lookups lookups, $searches searches, "
				. "$others more")
			  if $name !~ /honour/ && $table ne 'odd_twice';
		}
	}
}
$sandbox->reset;

# ---- Keys that are counted ahead: no more than the better of lookups and list, whatever the planner believed

$session->quit;
undef $session;
$sandbox = CrispSandbox->start(people => 1000, conversations => 2000);
$node->safe_psql('postgres', 'DROP SCHEMA crisp CASCADE');
$node->safe_psql('postgres', "ALTER SERVER support OPTIONS (SET base_url '" . $sandbox->url . "', SET prefetch '4'); "
	. 'CREATE SCHEMA crisp; IMPORT FOREIGN SCHEMA crisp FROM SERVER support INTO crisp');
my @profiles = sort map { $_->{people_id} } $sandbox->rows('people');
my @listed = sort map { $_->{session_id} } $sandbox->rows('conversations');
my $rows_of = sub { join ', ', map { "('$_')" } @_ };

foreach my $table ([ 'ticket', 'session_id', @listed[ 0 .. 18 ] ], [ 'few', 'people_id', @profiles[ 0 .. 14 ] ],
	[ 'lots', 'people_id', @profiles[ 0 .. 299 ] ])
{
	my ($name, $column, @of) = @{$table};

	$node->safe_psql('postgres', "CREATE TABLE $name ($column text) WITH (autovacuum_enabled = off); INSERT INTO "
		. "$name "
		. 'VALUES ' . $rows_of->(@of));
}
$node->safe_psql('postgres', 'CREATE TABLE lots_twice AS SELECT people_id, n, repeat(people_id, 20) AS wide FROM lots, '
	. 'generate_series(1, 10) n ORDER BY n, people_id; CREATE FUNCTION some_people() RETURNS SETOF text LANGUAGE '
	. 'plpgsql '
	. "AS 'BEGIN RETURN QUERY SELECT people_id FROM public.few; END'");

foreach my $analyzed (0, 1)
{
	my $name = $analyzed ? 'analyzed' : 'not analyzed';

	$node->safe_psql('postgres', 'ANALYZE crisp.conversations; ANALYZE crisp.people_profiles') if $analyzed;
	foreach my $case (
		[ 'SELECT count(*) FROM ticket JOIN crisp.conversations c USING (session_id)', 19, 19 ],
		[ 'SELECT count(*) FROM ticket LEFT JOIN crisp.conversations c USING (session_id)', 19, 19 ],
		[ 'SELECT count(*) FROM crisp.conversations c WHERE session_id IN (SELECT session_id FROM ticket)', 19,
			19 ],
		[ 'SELECT count(*) FROM ticket t WHERE NOT EXISTS (SELECT FROM crisp.conversations c WHERE '
			. 'c.session_id = '
			. 't.session_id)', 0, 19 ],
		[ 'SELECT count(*) FROM few JOIN crisp.people_profiles p USING (people_id)', 15, 15 ],
		[ 'SELECT count(*) FROM some_people() k JOIN crisp.people_profiles p ON people_id = k', 15, 15 + 1 ],
		[ 'SELECT count(*) FROM lots JOIN crisp.people_profiles p USING (people_id)', 300, 20 + 6 + 8 ],
		[ 'SELECT count(*) FROM generate_series(1, 3), LATERAL (SELECT people_id FROM lots JOIN '
			. 'crisp.people_profiles p '
			. 'USING (people_id) OFFSET 0) l', 900, 20 + 6 + 8 ])
	{
		my ($statement, $expected, $most) = @{$case};

		($printed, $lookups, $searches, $others) = fresh($statement);
		is($printed, $expected, "$name, $statement: rows");

		# The planner may have taken the list, where it knows that that isn't twice as long.
		cmp_ok($lookups + $others, '<=', $analyzed ? 2 * $most : $most, "... $lookups lookups, $others more");
	}

	# Rows that spill while they are counted.
	($printed, $lookups, $searches, $others) = fresh(
		"SELECT string_agg(n || ' ' || k.people_id || length(wide), ',' ORDER BY n, k.people_id) = (SELECT "
			. "string_agg(n "
			. "|| ' ' || people_id || length(wide), ',' ORDER BY n, people_id) FROM lots_twice) FROM "
			. "lots_twice k JOIN "
			. 'crisp.people_profiles p USING (people_id)',
		"$lookups_only; SET work_mem = '64kB'");
	is($printed, 't', "$name, rows that spill: each");
	cmp_ok($lookups + $others, '<=', 20 + 6 + 8, "... $lookups lookups, $others more");

	# What an unknown bound leaves.
	foreach my $share (0.01, 0.03, 0.2)
	{
		my $bound = $node->safe_psql('postgres', 'SELECT updated_at FROM crisp.conversations ORDER BY '
			. 'updated_at DESC '
			. 'OFFSET ' . int(@listed * $share) . ' LIMIT 1');
		my $recent = "FROM crisp.conversations WHERE updated_at > (SELECT timestamptz '$bound' OFFSET 0)";

		($printed) = fresh("SELECT count(*), count(DISTINCT people_id) $recent");
		my ($conversations, $people) = split /\|/, $printed;
		my $best = int($conversations / 50) + 1 + ($people < 20 ? $people : 20);

		($printed, $lookups, $searches, $others) = fresh(
			"SELECT count(*) FROM crisp.people_profiles p WHERE p.people_id IN (SELECT people_id $recent)");
		my $expected = $node->safe_psql('postgres', 'SET enable_nestloop = off; SELECT count(*) FROM '
			. "crisp.people_profiles p WHERE p.people_id IN (SELECT people_id $recent)");
		is($printed, $expected, "$name, people of $conversations conversations: rows");
		cmp_ok($lookups + $others, '<=', 2 * $best + 8, "... $lookups lookups, $others more, $best at best");
	}
}

# Rows that nobody may ask for aren't counted.
($printed, $lookups, $searches, $others) = fresh(
	'SELECT count(*) FROM (SELECT people_id FROM lots JOIN crisp.people_profiles p USING (people_id) LIMIT 5) l',
	$lookups_only);
is("$printed|$lookups|$others", '5|5|0', 'a LIMIT');
$sandbox->control({ answers => [ { match => { path => '*/people/profiles/*' }, hang => JSON::PP::true } ] });
$session->query("SET statement_timeout = '500ms'");
$session->fails('SELECT count(*) FROM lots JOIN crisp.people_profiles p USING (people_id)', { sqlstate => '57014' },
	'a list that does not come');
$session->query('RESET statement_timeout');
$sandbox->control({ answers => [] });
is((again('SELECT count(*) FROM lots JOIN crisp.people_profiles p USING (people_id)'))[0], 300,
	'... and the next statement');

# Keys of which Crisp can't be asked are told of by the list, if it has every row.  Where that can't be shown, as Crisp
# refuses what it takes, it's tried once a statement, and not for each key.
keys_table('unasked', map { "nobody $_" } 1 .. 5);
$sandbox->control({ answers => [ { match => { path => '*/people/profiles/*', query => 'filter_date_end' },
	status => 403 } ] });
($printed) = fresh('SELECT count(*), count(people_id) FROM unasked LEFT JOIN crisp.people_profiles p USING (email)',
	'SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off; SET enable_memoize = off');
is($printed, '5|0', 'keys that are no addresses: rows');
is(scalar(grep { ($_->{query} // '') =~ /filter_date_end/ } $sandbox->requests), 1, '... one try to prove the list');
is(scalar(grep { $_->{path} =~ m{/profiles/2$} } $sandbox->requests), 1, '... and one list');
$sandbox->control({ answers => [] });

$session->quit;
$node->stop;
done_testing();
