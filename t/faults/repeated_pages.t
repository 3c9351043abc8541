# A page that comes in place of the one that was asked for, once, as from a cache that is mixed up: what a statement
# returns is right, or it fails. It is asked for again.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use JSON::PP;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 380, people => 60);

$node->safe_psql('postgres',
	'CREATE SCHEMA copy; CREATE TABLE copy.conversations AS SELECT * FROM crisp.conversations');

# Pages as Crisp sends them in the order by update.
my @pages = map {
	JSON::PP->new->encode({ error => JSON::PP::false, reason => 'listed',
		data => $sandbox->call('GET', "conversations/$_?per_page=50&order_date_updated=1") })
} 1 .. 7;
my $loop = <<'END';
CREATE TEMPORARY TABLE taken (session_id text);
DO $$
DECLARE
	r record;
	n int := 0;
BEGIN
	FOR r IN SELECT session_id FROM %1$s.conversations ORDER BY updated_at DESC LOOP
		n := n + 1;
		INSERT INTO taken VALUES (r.session_id);
		EXIT WHEN n = 290;
	END LOOP;
END $$;
SELECT session_id FROM taken; DROP TABLE taken
END
my %statements = (
	'a list' => 'SELECT session_id FROM %s.conversations',
	'a top N' => 'SELECT session_id FROM %s.conversations ORDER BY updated_at DESC LIMIT 250',
	'a window' => 'SELECT session_id FROM (SELECT session_id, row_number() OVER (ORDER BY updated_at DESC) AS n '
		. 'FROM %s.conversations) s WHERE n <= 290',
	'a cursor' => 'BEGIN; DECLARE c CURSOR FOR SELECT session_id FROM %s.conversations ORDER BY updated_at DESC; '
		. 'FETCH 290 FROM c; COMMIT',
	'a loop' => $loop);

foreach my $name (sort keys %statements)
{
	foreach my $prefetch (1, 4)
	{
		my (%ends, $right);

		$node->safe_psql('postgres', "ALTER SERVER support OPTIONS (SET prefetch '$prefetch')");
		foreach my $page (2 .. 6)
		{
			foreach my $instead ($page - 1, $page > 2 ? 1 : ())
			{
				my $fresh = CrispSession->start($node);
				my $result;

				$right //= join ' ', sort split /\n/, $fresh->query(sprintf $statements{$name}, 'copy');
				$sandbox->control({ answers => [ { match => { path => "website/*/conversations/$page" }, times => 1,
							status => 206, body => $pages[ $instead - 1 ] } ] });
				$result = $fresh->run(sprintf $statements{$name}, 'crisp');
				$fresh->quit;

				# An error is no wrong row.
				my $got = @{ $result->{errors} } ? $result->{errors}->[0]->{sqlstate}
				  : join(' ', sort split /\n/, $result->{output}) eq $right ? 'right' : "wrong: $instead for $page";
				$ends{$got}++;
			}
		}
		is_deeply([ grep { !/^(?:right|HV00R|40001)$/ } sort keys %ends ], [], "$name, prefetch $prefetch: rows")
		  or diag(explain(\%ends));
		cmp_ok($ends{right} // 0, '>', 4, '... which come, as a rule');
	}
}
$sandbox->control({ answers => [] });

$node->stop;
done_testing();
