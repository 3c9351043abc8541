# EXPLAIN says at the first scan of a statement what all its scans come to.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use JSON::PP;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 330, people => 200, operators => 4);
my $session = CrispSession->start($node);

$session->query(<<'END');
ANALYZE crisp.conversations, crisp.people_profiles, crisp.operators;
CREATE TABLE listed AS SELECT session_id AS key FROM crisp.conversations LIMIT 3;
ANALYZE listed;
END

# The lines of a plan that speak of requests, without spaces before them.
sub lines
{
	my ($options, $sql) = @_;

	return map { s/^\s+//r } grep { /Requests/ && !/Past The End|Recheck/ }
	  split /\n/, $session->query("EXPLAIN ($options) $sql");
}

sub total { return map { /^Expected Requests Of The Statement: (\d+) in all$/ ? $1 : () } @_ }

# One scan needs no sum.
my @lines = lines('COSTS', 'SELECT * FROM crisp.conversations');
is(scalar @lines, 1, 'one scan: one line');
my ($list) = $lines[0] =~ /^Expected Requests: (\d+)$/;

# A LIMIT is likely to end it before all of that.
foreach my $limited ('SELECT session_id FROM crisp.conversations LIMIT 3',
	"SELECT session_id FROM crisp.conversations WHERE topic = 'x' LIMIT 3")
{
	is((lines('COSTS', $limited))[0], "Expected Requests: 1 for the first rows, $list for all", $limited);
}
is((lines('COSTS', 'SELECT session_id FROM crisp.conversations WHERE random() < 2 LIMIT 3'))[0],
	"Expected Requests: $list", '... unless nobody may check conditions ahead of time');

# Several.
@lines = lines('COSTS',
	'SELECT session_id FROM crisp.conversations UNION ALL SELECT people_id FROM crisp.people_profiles');
my @each = map { /^Expected Requests: (\d+)$/ ? $1 : () } @lines;
is(scalar @each, 2, 'two scans');
is_deeply([ total(@lines) ], [ $each[0] + $each[1] ], 'and one sum');
like($lines[1], qr/Of The Statement/, 'at the first of them');

# Loops count.
my $join = 'SELECT c.state, o.email FROM listed k JOIN crisp.conversations c ON c.session_id = k.key '
  . 'CROSS JOIN crisp.operators o';
$session->query('SET enable_hashjoin = off; SET enable_mergejoin = off');
@lines = lines('COSTS', $join);
my $made;
my ($loops) = map { /a loop, (\d+) in all/ ? $1 : () } @lines;
is($loops, 3, 'a scan for each row of another');
is_deeply([ total(@lines) ], [4], 'the sum has all its runs');

# A LIMIT is one on loops, too, unless all rows are needed first.
my $limited = 'SELECT p.email FROM crisp.conversations c LEFT JOIN crisp.people_profiles p USING (people_id)';
is(scalar(grep { /a loop, 5 in all$/ } lines('COSTS', "$limited ORDER BY c.updated_at DESC LIMIT 5")), 1, 'a LIMIT');
is(scalar(grep { /a loop, 5 in all$/ } lines('COSTS', "$limited ORDER BY p.score LIMIT 5")), 0, '... above a sort');

# And on pages of a stream, if all between hands rows on; what is skipped is read.
foreach my $case (
	[ "$limited ORDER BY c.updated_at DESC LIMIT 5",          1 + 5 ],
	# Twice the pages of profiles, at most: the list takes over from so many keys.
	[ "$limited ORDER BY c.updated_at DESC LIMIT 5 OFFSET 60", 2 + 2 * 4 ],
	[ "SELECT * FROM ($limited ORDER BY c.updated_at DESC OFFSET 0) s LIMIT 5", 1 + 5 ],
	[ 'SELECT * FROM (SELECT row_number() OVER (ORDER BY c.updated_at DESC), p.email FROM crisp.conversations c LEFT '
			. 'JOIN crisp.people_profiles p USING (people_id)) s LIMIT 5', 1 + 5 ],
	[ 'SELECT updated_at FROM crisp.conversations UNION ALL SELECT updated_at FROM crisp.conversations ORDER BY 1 DESC '
			. 'LIMIT 5', 1 + 1 ],
	[ 'SELECT session_id FROM crisp.conversations UNION ALL SELECT people_id FROM crisp.people_profiles LIMIT 5',
		1 + 1 ])
{
	my ($statement, $expected) = @{$case};

	is_deeply([ total(lines('COSTS', $statement)) ], [$expected], $statement);
}
($made) = total(lines('COSTS', "$limited ORDER BY c.updated_at DESC"));
cmp_ok($made, '>=', $list, '... without a LIMIT, all pages');
($made) = total(lines('COSTS', 'SELECT * FROM (SELECT count(*) OVER (), c.updated_at, p.email FROM '
	. 'crisp.conversations c LEFT JOIN crisp.people_profiles p USING (people_id) ORDER BY c.updated_at DESC) s '
	. 'LIMIT 5'));
cmp_ok($made, '>=', $list, '... nor where all rows are counted first');

# Of a stream in a loop, what a run needs at least, what it needs for all, and what all runs do.
like((lines('COSTS', "SELECT key, s.* FROM listed, LATERAL (SELECT session_id FROM crisp.conversations WHERE "
	. "updated_at < timestamptz '2100-01-01' - length(key) * interval '1 day' "
	. 'ORDER BY updated_at DESC, session_id LIMIT 3) s'))[0],
	qr/^Expected Requests: 1 a loop for the first rows, \d+ a loop for all, \d+ in all$/, 'a stream in a loop');

# Runs cost no more than twice the list, of which a table that was never analyzed is taken to have 10,000 rows.
$session->query('CREATE FOREIGN TABLE unknown (session_id text, state text, updated_at timestamptz) SERVER support '
	. "OPTIONS (resource 'conversations')");
foreach my $case ([ crisp => 'crisp.conversations', 2 * $list ], [ unknown => 'unknown', 400 ])
{
	my ($name, $table, $most) = @{$case};

	foreach my $value (
		"SELECT count(*) FROM $table c WHERE c.updated_at > timestamptz '2020-01-01' + n * interval '1 day'",
		"SELECT state FROM $table c WHERE c.session_id = n::text")
	{
		like((lines('COSTS', "SELECT ($value) FROM generate_series(1, 2000) n"))[0], qr/ a loop, $most in all$/,
			"runs without end: $value");
	}
}

# So do those of initplans within subplans, at any depth; an initplan that depends on no row is run once.
foreach my $case (
	[ '(SELECT max(updated_at) FROM crisp.conversations WHERE assigned_user_id = key)', '1 a loop, 3 in all' ],
	[ '(SELECT count(*) FROM listed l WHERE l.key > (SELECT min(state) FROM (SELECT state FROM crisp.conversations '
			. 'WHERE assigned_user_id = k.key ORDER BY updated_at DESC LIMIT 1) s))', '1 a loop, 3 in all' ],
	[ '(SELECT (SELECT max(updated_at) FROM crisp.conversations WHERE assigned_user_id = l.key || k.key) FROM listed l '
			. 'WHERE l.key > k.key LIMIT 1)', '1 a loop, 3 in all' ],
	[ '(SELECT max(updated_at) FROM crisp.conversations)', '1' ])
{
	my ($value, $expected) = @{$case};

	@lines = lines('COSTS', "SELECT $value FROM listed k");
	like($lines[0], qr/^Expected Requests: \Q$expected\E$/, $value);
}

# Subplans of all kinds.
foreach my $sql ('SELECT (SELECT count(*) FROM crisp.operators), (SELECT max(updated_at) FROM crisp.conversations)',
	'WITH o AS MATERIALIZED (SELECT * FROM crisp.operators) SELECT * FROM o, crisp.people_profiles p',
	'SELECT key, (SELECT state FROM crisp.conversations WHERE session_id = key), '
	  . '(SELECT email FROM crisp.operators LIMIT 1) FROM listed',
	'SELECT (SELECT count(*) FROM crisp.people_profiles), (SELECT count(*) FROM crisp.operators)')
{
	is(scalar(total(lines('COSTS', $sql))), 1, "$sql: one sum");
}

# What was made.
$sandbox->clear;
$sandbox->show_rechecks(1);
@lines = lines('ANALYZE, COSTS OFF', $join);
($made) = map { /^Requests Of The Statement: (\d+)$/ ? $1 : () } @lines;
is($made, $sandbox->count, 'ANALYZE says what was made');
is_deeply([ total(@lines) ], [], 'COSTS OFF leaves out what was expected');
is_deeply([ lines('COSTS OFF', $join) ], [], 'without both, nothing is said');

# In JSON, a number.
my $plan = decode_json($session->query("EXPLAIN (FORMAT JSON) $join"))->[0]->{Plan};
my @found;
my @nodes = $plan;
while (my $one = shift @nodes)
{
	push @found, $one->{'Expected Requests Of The Statement'} // ();
	push @nodes, @{ $one->{Plans} // [] };
}
is_deeply(\@found, [4], 'JSON: once, as a number');

done_testing();
