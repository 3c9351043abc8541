# Full-text search: a condition on search_query asks Crisp for it, and what
# can't be asked is an error, never a list that looks empty.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispStatement;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 1000, people => 500);

run_statements($node, $sandbox);

# What a statement fails with: its message and SQLSTATE.
sub failure
{
	my ($statement) = @_;
	my (undef, undef, $stderr) =
	  $node->psql('postgres', "\\set VERBOSITY verbose\n$statement");

	return $stderr =~ /ERROR:  (\w{5}): (.*)/ ? "$1 $2" : "no error: $stderr";
}

# Search and count on the sandbox, as its own list says it.
my %found;
foreach my $text ('refund', 'invoice', 'no such text')
{
	my ($count, @requests) =
	  requests_of("SELECT count(*) FROM crisp.conversations WHERE search_query = '$text'");

	$found{$text} = $count;
	is(parameters($requests[0])->{search_query}, $text =~ s/ /%20/gr =~ s/%20/ /gr, "$text: asked");
	is(scalar @requests, pages($count), "$text: no more requests than the rows need");
	is( sql("SELECT DISTINCT search_query FROM crisp.conversations WHERE search_query = '$text'"),
		$count > 0 ? $text : '', "$text: reads what was asked for");
}
cmp_ok($found{refund}, '>', 0, 'something is found');
cmp_ok($found{refund}, '<', 1000, 'and not everything');
is($found{'no such text'}, 0, 'or nothing');

my ($people, @people_requests) =
  requests_of("SELECT count(*) FROM crisp.people_profiles WHERE search_query = 'a'");
cmp_ok($people, '>', 0, 'profiles are found');
is(parameters($people_requests[0])->{search_text}, 'a', 'by their own parameter');

# Where the text comes from.
is( sql("PREPARE s(text) AS SELECT count(*) FROM crisp.conversations WHERE search_query = \$1;
         SET plan_cache_mode = force_generic_plan; EXECUTE s('refund')"),
	$found{refund}, 'a parameter');
is(costs(0, "PREPARE n(text) AS SELECT count(*) FROM crisp.conversations WHERE search_query = \$1;
             EXECUTE n(NULL)", 'NULL'), 0, 'finds nothing, and asks for nothing');
is( sql("SELECT count(*) FROM crisp.conversations WHERE search_query = (SELECT 'ref' || 'und')"),
	$found{refund}, 'a sub-select');
is( sql("SELECT count(*) FROM crisp.conversations WHERE search_query IN ('refund', 'refund')"),
	$found{refund}, 'a list of one text');

# A join asks for each text of the other side, however many there are.
sql('CREATE TABLE words (word text)');
sql("INSERT INTO words SELECT 'word' || n FROM generate_series(1, 60) n");
sql("INSERT INTO words VALUES ('refund'), ('invoice'); ANALYZE words");
is( sql("SELECT word, count(*) FROM words JOIN crisp.conversations ON search_query = word
         WHERE word IN ('refund', 'invoice') GROUP BY 1 ORDER BY 1"),
	join("\n", map { "$_|$found{$_}" } grep { $found{$_} > 0 } qw(invoice refund)),
	'a join with some texts');
is( sql("SELECT count(*) FROM words JOIN crisp.conversations ON search_query = word
         WHERE word = 'refund'"),
	$found{refund}, 'a join with one');
like(
	sql('EXPLAIN SELECT * FROM words JOIN crisp.conversations ON search_query = word'),
	qr/Nested Loop.*search_query=\{/s,
	'a join with many is a nested loop, too');
is( sql("SELECT count(*) FROM words WHERE word = 'refund' AND EXISTS
         (SELECT 1 FROM crisp.conversations WHERE search_query = word)"),
	1, 'a semi-join');

# What can't be asked for.
my $several = '0A000 Crisp cannot be asked for several texts at once';
my $nothing = '0A000 Crisp cannot be asked for what "search_query" is compared with';

is(failure("SELECT count(*) FROM crisp.conversations WHERE search_query IN ('a', 'b')"),
	$several, 'several texts');
foreach my $condition (
	"search_query = 'a' OR state = 'resolved'",
	"lower(search_query) = 'a'",
	"search_query LIKE 'a%'",
	"search_query <> 'a'",
	'search_query = state',
	"NOT search_query = 'a'")
{
	$sandbox->clear;
	is(failure("SELECT count(*) FROM crisp.conversations WHERE $condition"), $nothing, $condition);
	is($sandbox->count, 0, "$condition: no request");
}
is( failure('SELECT count(*) FROM words FULL JOIN crisp.conversations ON search_query = word'),
	$nothing, 'a full join');
is( failure("SELECT count(*) FROM crisp.conversations WHERE search_query = repeat('x', 1001)"),
	'54000 text to search Crisp for is too long', 'a text that is too long');

# Without a search, the column is NULL, and all rows come.
my $all = sql('SELECT count(*) FROM crisp.conversations');
is(sql('SELECT count(*), count(search_query) FROM crisp.conversations'), "$all|0", 'no search');
is(sql('SELECT count(*) FROM crisp.conversations WHERE search_query IS NULL'), $all, 'IS NULL');

done_testing();
