# Nested loops that look up rows by the keys of another table: several at a time, in what order
# rows come, and that nothing is asked for in vain.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use CrispStatement;
use JSON::PP;
use List::Util qw(uniq);
use Test::More;

my $sandbox = CrispSandbox->start(conversations => 4000, people => 2500);
my $node = start_node();

connect_crisp($node, $sandbox, options => "prefetch '8'");
run_statements($node, $sandbox);
$sandbox->show_rechecks(1);

my @rows = $sandbox->rows('conversations');
my @listed = @rows;
my @keys = map { $_->{session_id} } @rows;
my %state = map { $_->{session_id} => $_->{state} } @rows;

# A table with these keys, numbered.
sub keys_table
{
	my ($name, @of) = @_;
	my $n = 0;
	my $values = join ', ', map { '(' . ++$n . ', ' . (defined $_ ? "'$_'" : 'NULL') . ')' } @of;

	sql("CREATE TABLE $name (n int, session_id text); INSERT INTO $name VALUES $values; ANALYZE $name"
	);
	return;
}

# Rows as psql prints them, made of a key's number and its conversation's state.
sub expected
{
	my ($outer, @of) = @_;
	my $n = 0;

	return join "\n",
	  map { "$_->[0]|" . (defined $_->[1] ? $state{ $_->[1] } // '' : '') }
	  grep { $outer || (defined $_->[1] && exists $state{ $_->[1] }) } map { [ ++$n, $_ ] } @of;
}

my @some = @keys[ map { 20 * $_ } 0 .. 39 ];
my @odd = (@some[ 0 .. 4 ], undef, 'session_none', @some[ 3 .. 9 ], '', @some[ 0 .. 2 ], undef);

keys_table('ticket', @some);
keys_table('odd', @odd);
my $join = 'SELECT k.n, c.state FROM %s k JOIN crisp.conversations c USING (session_id)';

# ---- Together

# From then on, the session knows that the list is longer than what looking so many rows up costs:
# see t/fetch/whole_list.t.
sql('SELECT (SELECT c.state FROM crisp.conversations c WHERE c.session_id = k.session_id) FROM ticket k, '
	. 'generate_series(1, 3)');

foreach my $case ([ 1, 1 ], [ 2, 2 ], [ 4, 4 ], [ 8, 8 ], [ 32, 18 ])
{
	my ($prefetch, $together) = @{$case};

	# The more requests begin together, the longer a busy machine may pause amid them.
	$sandbox->control({ quiet_ms => 50 + 25 * $prefetch });
	sql("ALTER SERVER support OPTIONS (SET prefetch '$prefetch')");
	my $printed = costs(40, sprintf($join, 'ticket'), "prefetch $prefetch");
	is($printed, expected(0, @some), "prefetch $prefetch: rows, in the order of the outer ones");
	is(CrispSandbox::together($sandbox->requests),
		$together, "prefetch $prefetch: lookups under way together");
}
sql("ALTER SERVER support OPTIONS (SET prefetch '8')");
$sandbox->control({ quiet_ms => 150 });

foreach my $case (
	[ 'SELECT count(*) FROM crisp.conversations WHERE session_id IN (SELECT session_id FROM ticket)', 40 ],
	[ 'SELECT count(c.session_id) FROM ticket k LEFT JOIN crisp.conversations c USING (session_id)', 40 ],
	[ 'SELECT count(*) FROM ticket k WHERE EXISTS (SELECT FROM crisp.conversations c '
		. 'WHERE c.session_id = k.session_id)', 40 ],
	[ 'SELECT count(*) FROM ticket k WHERE NOT EXISTS (SELECT FROM crisp.conversations c '
		. 'WHERE c.session_id = k.session_id)', 0 ],
	[ 'SELECT count(*) FROM ticket k, LATERAL (SELECT c.state FROM crisp.conversations c '
		. 'WHERE c.session_id = k.session_id) l', 40 ],
	[ 'SELECT count(*) FROM (SELECT session_id, min(n) FROM ticket GROUP BY 1) k JOIN crisp.conversations c USING '
		. '(session_id)', 40 ],
	[ 'SELECT count(k.ctid) + count(k.tableoid) - count(k) FROM ticket k JOIN crisp.conversations c USING (session_id)',
		40 ],
	[ 'CREATE TEMP TABLE made AS ' . sprintf($join, 'ticket') . '; SELECT count(*) FROM made', 40 ],
	[ 'CREATE TEMP TABLE filled (n int, state text); INSERT INTO filled ' . sprintf($join, 'ticket')
		. '; SELECT count(*) FROM filled', 40 ],
	[ 'PREPARE p(int) AS SELECT count(*) FROM ticket k JOIN crisp.conversations c USING (session_id) WHERE n <= $1; '
		. 'SET plan_cache_mode = force_generic_plan; EXECUTE p(40)', 40 ])
{
	my ($statement, $expected) = @{$case};

	is(costs(40, $statement, $statement), $expected, $statement);
	is(CrispSandbox::together($sandbox->requests), 8, '... looked up together');
}

# By an address, and on through a second join.
my $chain = 'SET enable_hashjoin = off; SET enable_mergejoin = off; SELECT count(*), count(p.people_id), '
	. 'count(DISTINCT c.people_id) FROM ticket k JOIN crisp.conversations c USING (session_id) LEFT '
	. 'JOIN crisp.people_profiles p USING (people_id)';
my %people = map { $_ => 1 } $sandbox->column('people', 'people_id');
my @of_some = grep { defined } map { my $key = $_; (grep { $_->{session_id} eq $key } @rows)[0]->{people_id} } @some;
my ($printed, @requests) = requests_of($chain);
is($printed, join('|', 40, scalar(grep { $people{$_} } @of_some), scalar uniq(@of_some)), 'two joins: rows');
is(scalar(grep { $_->{path} =~ m{/people/profile/} } @requests), scalar uniq(@of_some),
	'... a request for each profile');
cmp_ok(CrispSandbox::together(@requests), '>', 8, '... which are asked for together, as the conversations are');
$sandbox->reset;

# ---- Nothing in vain

is(costs(11, sprintf($join, 'odd') . ' ORDER BY n', 'keys twice, none, and not there'), expected(0, @odd), '... rows');
is( costs(
		11,
		'SELECT k.n, c.state FROM odd k LEFT JOIN crisp.conversations c USING (session_id) ORDER BY n',
		'the same in an outer join'),
	expected(1, @odd),
	'... rows');
foreach my $limit (1, 2, 3, 10, 39)
{
	my $printed = costs($limit, sprintf($join, 'ticket') . " LIMIT $limit", "LIMIT $limit");
	is($printed, expected(0, @some[ 0 .. $limit - 1 ]), "LIMIT $limit: rows");
}
is(costs(40, sprintf($join, 'ticket') . ' ORDER BY n DESC LIMIT 2', 'ORDER BY … LIMIT'),
	join("\n", reverse((split /\n/, expected(0, @some))[ 38, 39 ])), '... rows');
cmp_ok(
	scalar(requests_of('BEGIN; DECLARE c CURSOR FOR ' . sprintf($join, 'ticket') . '; FETCH 3 FROM c; COMMIT')) - 1,
	'<=', 3 + 7, 'a cursor: at most prefetch - 1 requests for rows that are not fetched');

# A nested loop whose other side has been read, and has no row, doesn't go on with the list: neither as it comes, nor in
# an order.  A run that finds rows there has all of the list, also where one before it had enough with its beginning.
{
	my $nested = 'SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_sort = off;';
	my $none = 'crisp.conversations c JOIN (SELECT n FROM ticket WHERE n > %s OFFSET 0) f ON length(c.state) > f.n';

	foreach my $case (
		[ 'the newest', 'SELECT c.session_id FROM ' . sprintf($none, 1000) . ' ORDER BY c.updated_at DESC LIMIT 3' ],
		[ 'a semijoin', 'SELECT count(*) FROM crisp.conversations c WHERE EXISTS (SELECT FROM ticket f WHERE f.n > '
				. '1000 AND length(c.state) > f.n)' ])
	{
		my ($about, $statement) = @{$case};
		my $plan = sql("$nested EXPLAIN (COSTS OFF) $statement");

		like($plan, qr/Nested Loop.*Foreign Scan on conversations.*Materialize/s, "$about: the plan");
		my ($printed, @requests) = requests_of("$nested $statement");
		is($printed, $about =~ /newest/ ? '' : 0, '... rows');
		cmp_ok(scalar @requests, '<=', 1 + 8, '... and what was asked for together with the second page, of 80');
	}
	my $runs = 'SELECT v.x, s.count FROM (VALUES (1000), (38), (1000), (39), (0)) v (x), LATERAL (SELECT count(*) '
	  . 'FROM ' . sprintf($none =~ s/length\(c.state\) >/length(c.state) <>/r, 'v.x') . ') s';
	like(sql("$nested EXPLAIN (COSTS OFF) $runs"), qr/Nested Loop.*Foreign Scan on conversations.*Materialize/s,
		'runs of which some find nothing: the plan');
	my @lengths = map { length } grep { defined } map { $_->{state} } @listed;
	my $different = sub { my ($than) = @_; return scalar grep { $_ != $than } @lengths };
	my $count = sub {
		my ($x) = @_;
		my $sum = 0;
		$sum += $different->($_) foreach $x + 1 .. 40;
		return $sum;
	};
	is(sql("$nested $runs"), join("\n", map { "$_|" . $count->($_) } 1000, 38, 1000, 39, 0), '... rows');
	is( sql("$nested BEGIN; DECLARE c SCROLL CURSOR FOR $runs; MOVE ALL FROM c; MOVE ABSOLUTE 0 FROM c; FETCH 2 FROM c"
			. '; COMMIT'),
		join("\n", map { "$_|" . $count->($_) } 1000, 38), '... of a cursor that goes back');

	# Below other nodes, too, but for such as keep rows for another pass: they would keep a part.
	my $union = 'SELECT u.session_id FROM (SELECT session_id, state FROM crisp.conversations UNION ALL '
	  . "SELECT 'x', 'y') u, nobody f WHERE f.n > length(u.state)";
	sql('CREATE TABLE nobody (n int) WITH (autovacuum_enabled = off)');
	like(sql("$nested EXPLAIN (COSTS OFF) $union"), qr/Nested Loop.*Append.*Foreign Scan.*Materialize/s,
		'an Append: the plan');
	my ($printed, @requests) = requests_of("$nested $union");
	is($printed, '', '... rows');
	cmp_ok(scalar @requests, '<=', 1 + 2 * 8, '... requests');
	sql('CREATE TABLE listed AS SELECT session_id, state FROM crisp.conversations; ANALYZE listed');
	my $kept = 'SELECT v.x, s.count FROM (VALUES (1000), (38), (1000), (39)) v (x), LATERAL (SELECT count(*) FROM '
	  . '(ticket g LEFT JOIN %s c ON length(c.state) > g.n AND g.n < 3) JOIN (SELECT n FROM ticket WHERE n > v.x '
	  . 'OFFSET 0) f ON coalesce(length(c.state), 0) <> f.n) s';
	my $local = sql("$nested " . sprintf($kept, 'listed'));
	foreach my $sets ('SET enable_memoize = off', 'SET enable_material = on', 'SET join_collapse_limit = 1',
		'SET enable_hashjoin = on')
	{
		is(sql("$nested $sets; " . sprintf($kept, 'crisp.conversations')), $local, "below Materialize, $sets: rows");
	}
}

# ---- Once more

# A nested loop within another: what was read ahead is of no use any more, but is not asked for again.
is( costs(
		39,
		'SELECT count(*), count(l.session_id) FROM generate_series(1, 5) g, LATERAL (SELECT c.session_id FROM ticket k '
			. 'JOIN crisp.conversations c USING (session_id) WHERE k.n > g LIMIT 100) l',
		'a join that runs five times'),
	39 + 38 + 37 + 36 + 35 . '|' . (39 + 38 + 37 + 36 + 35),
	'... rows');
is( sql('SELECT g, (SELECT min(n) || state FROM (SELECT k.n, c.state FROM ticket k JOIN crisp.conversations c USING '
	. '(session_id) WHERE k.n > 10 * g LIMIT 1) l GROUP BY state) FROM generate_series(0, 3) g'),
	join("\n", map { "$_|" . (10 * $_ + 1) . $state{ $some[ 10 * $_ ] } } 0 .. 3),
	'a join that is left early, and runs again');

# A LIMIT that is not known beforehand leaves lookups behind that nobody takes: they make way for others.
{
	my ($printed, @requests) = requests_of(
		'SELECT g, (SELECT n || state FROM (SELECT k.n, c.state FROM ticket k JOIN crisp.conversations c USING '
			. '(session_id) WHERE k.n > 3 * g LIMIT (SELECT 2)) l OFFSET 1) FROM generate_series(0, 12) g'
	);
	is( $printed,
		join("\n", map { my $n = 3 * $_ + 2;
		defined $state{ $some[ $n - 1 ] } ? "$_|$n$state{ $some[ $n - 1 ] }" : "$_|" } 0 .. 12),
		'a join that is left early, and does not know when');
	is(scalar(uniq map { $_->{path} } @requests), scalar @requests, '... and asks for no row twice');
	cmp_ok(scalar @requests, '<=', 40, '... at most for each once');
}

# With no room for answers, nothing is asked for ahead, and each row once.
is(costs(40, "SET work_mem = '64kB'; " . sprintf($join, 'ticket'), 'little memory'), expected(0, @some), '... rows');

# ---- Locked rows, and changed ones

is(sql('SELECT count(*) FROM (' . sprintf($join, 'ticket') . ' FOR UPDATE OF k) l'), 40, 'FOR UPDATE: rows');
is( sql('BEGIN; UPDATE ticket k SET n = -n FROM crisp.conversations c WHERE c.session_id = k.session_id; '
	. 'SELECT count(*) FROM ticket WHERE n < 0; ROLLBACK'
	),
	40,
	'UPDATE: rows');

# ---- Failures

my $session = CrispSession->start($node);
$sandbox->control(
	{ answers => [ { match => { path => "*/conversation/$some[6]" }, status => 403 } ] });
$session->fails(
	sprintf($join, 'ticket'),
	{ detail => qr{website/[^/]+/conversation/\Q$some[6]\E} },
	'a lookup that is refused');
is($session->query(sprintf($join, 'ticket') . ' LIMIT 3'), expected(0, @some[ 0 .. 2 ]),
	'... is no matter if it is not wanted');
$sandbox->reset;
is($session->query(sprintf($join, 'ticket')), expected(0, @some), 'the next statement');

$sandbox->control(
	{ answers => [ { match => { path => "*/conversation/$some[5]" }, hang => JSON::PP::true } ] });
$session->send(sprintf($join, 'ticket'));
for (1 .. 600)
{
	last if grep { $_->{path} =~ m{/\Q$some[5]\E$} } $sandbox->requests;
	select(undef, undef, undef, 0.02);
}
$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $session->pid . ')');
is($session->wait->{errors}->[0]->{sqlstate}, '57014', 'cancelled while a lookup is silent');
$sandbox->reset;
is($session->query(sprintf($join, 'ticket')), expected(0, @some), 'the statement after that');
$session->quit;

$node->stop;
done_testing();
