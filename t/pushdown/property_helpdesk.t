# Random queries of the helpdesk, where lists lie below a locale and a content type, bring what they bring of a local
# copy, however Crisp answers and the planner joins.  PROPERTY_SEED repeats a run, PROPERTY_QUERIES makes it longer.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use JSON::PP;
use Test::More;

my $seed    = $ENV{PROPERTY_SEED} || (time ^ $$ << 12) % 1_000_000_000;
my $queries = $ENV{PROPERTY_QUERIES} // 120;

srand $seed;
diag("seed $seed: repeat with PROPERTY_SEED=$seed PROPERTY_QUERIES=$queries");

my ($node, $sandbox) = start_crisp(conversations => 20, people => 30, operators => 5);
my $session = CrispSession->start($node);

sub one_of { return $_[ rand @_ ] }

#
# Copies, and keys to join with: some that there are not.
#
my @tables = qw(helpdesk_locales helpdesk_pages helpdesk_feedback);
$session->query("CREATE SCHEMA here; " . join ' ', map { "CREATE TABLE here.$_ AS TABLE crisp.$_;" } @tables);
$session->query("CREATE TABLE keys AS SELECT * FROM (VALUES ('en', 'guides'), ('de', 'articles'), ('xx', 'news'), "
	. "(NULL, 'articles'), ('EN', 'guides'), ('pt-br', NULL), ('en', 'articles')) v (l, t)");
cmp_ok($session->query("SELECT count(*) FROM here.$_"), '>', 3, "$_ has rows") foreach @tables;

my @locales = (
	q(= 'en'), q(IN ('de', 'en')), q(= ANY (ARRAY['pt-br', 'xx', NULL])), q(<> 'en'), q(= 'EN'), q(LIKE '%e%'),
	q(IS NOT NULL), q(= (SELECT max(l) FROM keys WHERE l < 'f')), q(> 'e'));
my @types = (
	q(= 'guides'), q(IN ('guides', 'news')), q(= ANY ('{references,articles,other}')), q(<> 'articles'), q(> 'b'),
	q(IS NULL), q(NOT IN ('guides')), q(= lower('GUIDES')), q(= (SELECT min(t) FROM keys)),
	q(IN (SELECT t FROM keys WHERE l = 'en')));

sub condition
{
	my ($table, $alias) = @_;
	my @parts;

	push @parts, "$alias.locale " . one_of(@locales) if rand() < 0.5;
	push @parts, "$alias.content_type " . one_of(@types) if rand() < 0.6;
	push @parts, "$alias.created_at " . one_of('<', '<=', '>', '>=', '=')
	  . sprintf(q( '2025-%02d-%02d'), 1 + rand 12, 1 + rand 28)
	  if $table eq 'helpdesk_feedback' && rand() < 0.6;
	push @parts, "$alias.created_at = (SELECT created_at FROM here.helpdesk_feedback ORDER BY md5(comment) LIMIT 1)"
	  if $table eq 'helpdesk_feedback' && rand() < 0.1;
	return @parts ? join(one_of(' AND ', ' AND ', ' OR '), @parts) : 'true';
}

# A query whose tables are named as [table].
sub make_query
{
	my $table = one_of('helpdesk_pages', 'helpdesk_feedback');
	my $where = condition($table, 'a');
	my $other = condition('helpdesk_pages', 'b');

	return one_of(
		"SELECT locale, content_type, website_id FROM [$table] a WHERE $where",
		"SELECT a.* FROM [$table] a WHERE $where",
		"SELECT v.t, a.locale FROM keys v JOIN [$table] a ON a.content_type = v.t AND a.locale = v.l WHERE $where",
		"SELECT v.*, a.locale FROM keys v LEFT JOIN [$table] a ON a.content_type = v.t WHERE v.l <> 'x' AND ($where)",
		"SELECT v.l, (SELECT count(*) FROM [$table] a WHERE a.locale = v.l AND ($where)) FROM keys v",
		"SELECT o.url, a.content_type FROM [helpdesk_locales] o JOIN [$table] a USING (locale) WHERE $where",
		"SELECT l FROM keys WHERE NOT EXISTS "
		  . "(SELECT FROM [$table] a WHERE a.locale = l AND a.content_type = t AND ($where))",
		"SELECT a.locale FROM [$table] a WHERE $where "
		  . "UNION ALL SELECT b.content_type FROM [helpdesk_pages] b WHERE $other");
}

sub in_schema
{
	my ($sql, $schema) = @_;

	return $sql =~ s/\[(\w+)\]/$schema.$1/gr;
}

my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my %settings = (
	date_bounds    => [qw(inclusive exclusive start end)],
	past_end       => [qw(empty not_found)],
	full_last_page => [ 200, 206 ],
	list_per_page  => [ 20, 5, 50 ],
	honour_dates   => [ $true, $false ],
	honour_filters => [ $true, $false ]);
my @plans = (
	'RESET ALL', 'SET enable_hashjoin = off; SET enable_mergejoin = off', 'SET enable_nestloop = off',
	'SET enable_material = off; SET enable_hashjoin = off', q(SET crisp_fdw.scan_mode = 'exact'));

foreach my $round (1 .. $queries / 20)
{
	my %setting = map { $_ => one_of(@{ $settings{$_} }) } keys %settings;
	my $prefetch = one_of(1, 4, 16);
	my @wrong;

	$sandbox->control(\%setting);
	$session->query("ALTER SERVER support OPTIONS (SET prefetch '$prefetch')");
	foreach my $number (1 .. 20)
	{
		my $query = make_query();
		my $plan  = one_of(@plans);
		my $sql   = 'WITH f AS MATERIALIZED (' . in_schema($query, 'crisp') . '), l AS MATERIALIZED ('
		  . in_schema($query, 'here') . ') SELECT (SELECT count(*) FROM (TABLE f EXCEPT ALL TABLE l) m), '
		  . '(SELECT count(*) FROM (TABLE l EXCEPT ALL TABLE f) m)';
		my $result = $session->run("RESET ALL; SET client_min_messages = warning; $plan; $sql");
		my $differs = @{ $result->{errors} } ? $result->{errors}->[0]->{message} : $result->{output};

		push @wrong, "$plan; $query: $differs" if $differs ne '0|0';
	}
	is(join("\n", @wrong), '', "round $round, prefetch $prefetch, "
		. join(', ', map { "$_ $setting{$_}" } sort keys %setting));
}

$session->quit;
$node->stop;
done_testing();
