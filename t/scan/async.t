# Scans under one Append that is rescanned while an answer is under way: what the pass before had begun is dropped.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 6000, people => 300, websites => 2);
my $session = CrispSession->start($node);

connect_crisp($node, $sandbox, server => 'other', schema => 'other', website => 1, options => "prefetch '1'");
$session->query('CREATE TABLE mine AS SELECT session_id, updated_at FROM crisp.conversations; '
	. 'CREATE TABLE theirs AS SELECT session_id, updated_at FROM other.conversations');

# The other website answers later.
my $other = 'website/' . $sandbox->website_id(1) . '/*';
$sandbox->control({ answers => [ { match => { path => $other }, delay_ms => 100 } ] });
my $now = '(SELECT max(updated_at) FROM mine)';
foreach my $case (
	[ "(1, $now - interval '60 days'), (2, NULL)", 31, 2 ],
	[ "(1, $now - interval '60 days'), (2, $now - interval '30 days')", 60, 4 ],
	[ "(1, timestamptz 'infinity'), (2, NULL), (3, $now - interval '90 days')", 61, 4 ],
	[ "(1, NULL), (2, $now - interval '60 days')", 31, 2 ])
{
	my ($values, $rows, $most) = @{$case};
	my $statement = 'SELECT count(*), count(updated_at), bool_and(updated_at < t OR updated_at IS NULL) FROM (VALUES '
	  . "$values) o (n, t) LEFT JOIN LATERAL (SELECT updated_at FROM (SELECT updated_at FROM %s UNION ALL SELECT "
	  . 'updated_at FROM %s) u WHERE updated_at < o.t LIMIT 30) x ON true';

	foreach my $prefetch (1, 4)
	{
		$session->query("ALTER SERVER other OPTIONS (SET prefetch '$prefetch')");
		$sandbox->clear;
		is($session->query(sprintf($statement, 'crisp.conversations', 'other.conversations')),
			$session->query(sprintf($statement, 'mine', 'theirs')), "$values, prefetch $prefetch: rows");
		is((split /\|/, $session->query(sprintf($statement, 'mine', 'theirs')))[0], $rows, '... as many');
		cmp_ok($sandbox->count, '<=', $most, '... requests');
	}
}

# Below such an Append, keys are looked up until they have cost as much as the lists, as elsewhere.
$sandbox->control({ answers => [] });
connect_crisp($node, $sandbox, server => 'again', schema => 'again');
$session->query('CREATE TABLE profiles AS SELECT people_id, email FROM crisp.people_profiles');
$session->query('CREATE TABLE wanted AS SELECT people_id, n FROM profiles, generate_series(1, 2) n LIMIT 500');
foreach my $join (
	'(SELECT count(*), count(p.people_id), max(p.email) FROM wanted w LEFT JOIN (%s) p USING (people_id))',
	'(SELECT count(*), count((SELECT max(p.email) FROM (%s) p WHERE p.people_id = w.people_id)), NULL FROM wanted w)',
	'(SELECT count(*), count(x.email), NULL FROM wanted w, LATERAL '
	. '(SELECT * FROM (%s) p WHERE p.people_id = w.people_id OFFSET 0) x)')
{
	my $of = sub { join ' UNION ALL ', map { "SELECT people_id, email FROM $_" } @_ };
	my $expected = $session->query(sprintf $join, $of->('profiles', 'profiles'));
	my %requests;

	foreach my $async ('on', 'off')
	{
		$session->query("SET enable_async_append = $async; SET enable_hashjoin = off; SET enable_mergejoin = off");
		$sandbox->clear;
		is($session->query(sprintf $join, $of->('crisp.people_profiles', 'again.people_profiles')),
			$expected, "keys, async $async: rows");
		$requests{$async} = $sandbox->count;
	}
	cmp_ok($requests{on}, '<=', 40, '... requests, for two lists of six pages');
	cmp_ok($requests{off}, '<=', 40, '... and without');
	note "$requests{on} $requests{off}";
}

$session->quit;
$node->stop;
done_testing();
