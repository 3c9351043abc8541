# ANALYZE: how many rows a list has and what they are like, within the requests
# that analyze_pages allows.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use CrispStatement;
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use Test::More;

my ($node, $sandbox) = start_crisp(
	conversations => 10_000,
	people        => 5_000,
	visitors      => 40,
	operators     => 12);

# A table that others inherit from is analyzed with them, by a worker as well, should this take long.
$node->append_conf('postgresql.conf', 'autovacuum = off');
$node->reload;
run_statements($node, $sandbox);

my $website       = $sandbox->website_id;
my $session       = CrispSession->start($node);
my $conversations = () = $sandbox->raw_rows('conversations');

# Analyze a table: what the server says about it, and the paths of the requests.
sub analyze
{
	my ($table, $settings) = @_;

	$sandbox->clear;
	my $result = $session->run(($settings // '') . "ANALYZE VERBOSE $table");
	is_deeply($result->{errors}, [], "ANALYZE $table") or diag(explain($result));
	my ($said) = grep { /rows in sample/ } map { $_->{message} } @{ $result->{notices} };
	my ($sample, $total, $requests) =
	  $said =~ /^"\w+": (\d+) rows in sample, (\d+) estimated total rows, (\d+) requests$/
	  or die "unexpected: $said\n";
	my @paths = map { $_->{path} =~ s{^/v1/website/[^/]*/}{}r } $sandbox->requests;
	my %times;

	$times{$_}++ foreach @paths;
	is(scalar @paths, $requests, "$table: the requests that it tells of");
	is_deeply([ grep { $times{$_} > 1 } keys %times ], [], "$table: none is made twice");
	return { sample => $sample, total => $total, paths => \@paths };
}

sub tuples
{
	my ($table) = @_;

	return $session->query("SELECT reltuples FROM pg_class WHERE oid = '$table'::regclass");
}

sub statistic
{
	my ($field, $table, $column) = @_;

	return $session->query("SELECT $field FROM pg_stats WHERE attname = '$column' AND "
		  . "(quote_ident(schemaname) || '.' || quote_ident(tablename))::regclass = '$table'::regclass"
	);
}

# The rows that the planner expects.
sub expected
{
	my ($query) = @_;
	my ($rows)  = costs(0, "EXPLAIN $query", 'EXPLAIN') =~ /rows=(\d+)/;

	return $rows;
}

sub is_close
{
	my ($got, $true, $share, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	cmp_ok(abs($got - $true), '<=', $share * $true, "$name: $got is close to $true");
	return;
}

# Serve so many conversations, and none else.
sub serve
{
	my ($count) = @_;

	$sandbox->data(
		[   { op => 'clear', resource => 'conversations' },
			{   op       => 'insert_many',
				resource => 'conversations',
				count    => $count,
				at       => 1_700_000_000_000 } ]);
	return;
}

sub analyze_pages
{
	my ($pages) = @_;

	return "ALTER SERVER support OPTIONS (SET analyze_pages '$pages');";
}

#
# The option.
#

foreach my $value ('-1', '10001', 'many', '', '20 pages')
{
	foreach my $object ('SERVER support', 'FOREIGN TABLE crisp.conversations')
	{
		$session->fails(
			"ALTER $object OPTIONS (ADD analyze_pages '$value')",
			{   sqlstate => '22023',
				message  => qq(invalid value for option "analyze_pages": "$value"),
				detail   => 'An integer from 0 to 10000 is expected.' },
			"$object: analyze_pages '$value'");
	}
}
$session->query("ALTER FOREIGN TABLE crisp.operators OPTIONS (ADD analyze_pages '10000')");

#
# A list that Crisp doesn't count.
#

{
	my $analyzed = analyze('crisp.conversations');
	my @pages    = sort { $a <=> $b } map { m{^conversations/(\d+)$} } @{ $analyzed->{paths} };

	cmp_ok(scalar @pages, '<=', 20, 'conversations: 20 requests at most');
	is(scalar @pages, scalar @{ $analyzed->{paths} }, 'conversations: all of them for pages');
	is($pages[0],     1,                              'conversations: from the first page');
	cmp_ok($analyzed->{sample}, '>=', 500, 'conversations: half of the pages are the sample');
	is_close($analyzed->{total}, $conversations, 0.1, 'conversations: rows');
	is(tuples('crisp.conversations'), $analyzed->{total}, 'conversations: reltuples');

	# From all of the list, at even distances.
	my $list = $conversations / 50;
	foreach my $tenth (0 .. 8)
	{
		ok((grep { $_ > $tenth * $list / 10 && $_ <= ($tenth + 1) * $list / 10 + 1 } @pages),
			"conversations: a page of tenth $tenth");
	}
}
{
	my $columns = $session->query(
		q(SELECT count(*) FROM information_schema.columns WHERE table_schema = 'crisp' AND table_name = 'conversations')
	);

	is( $session->query(
			q(SELECT count(*) FROM pg_stats WHERE schemaname = 'crisp' AND tablename = 'conversations')
		),
		$columns,
		'conversations: each column has statistics');
	is(statistic('n_distinct', 'crisp.conversations', 'session_id'), -1, 'a key is unique');
	is(statistic('null_frac',  'crisp.conversations', 'session_id'), 0,  'a key is always there');
	is(statistic('n_distinct', 'crisp.conversations', 'state'),      3,  'there are three states');
	is(statistic('null_frac',  'crisp.conversations', 'search_query'), 1,
		'nothing was searched for');
	like(statistic('histogram_bounds', 'crisp.conversations', 'updated_at'),
		qr/^\{"202\d.*"\}$/, 'times are times');
	like(statistic('most_common_elems', 'crisp.conversations', 'meta_segments'),
		qr/\w/, 'elements of arrays');
}

my $list = 'SELECT * FROM crisp.conversations';
foreach my $where (q(state = 'resolved'), q(state <> 'resolved'), 'assigned_user_id IS NULL')
{
	is_close(
		expected("$list WHERE $where"),
		sql("SELECT count(*) FROM crisp.conversations WHERE $where"),
		0.15, $where);
}
{
	my $median = sql(
		'SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY updated_at) FROM crisp.conversations');

	is_close(expected("$list WHERE updated_at > '$median'"), $conversations / 2, 0.15, 'a bound');
}
is_close(expected($list), $conversations, 0.1, 'all');
like(
	sql("EXPLAIN $list"),
	qr/Expected Requests: 1[789]\d\n?/,
	'the planner counts with the pages that there are');

#
# A list that Crisp counts.
#

{
	my $analyzed = analyze('crisp.people_profiles');

	is($analyzed->{total},              5000, 'people: rows, as Crisp says');
	is(tuples('crisp.people_profiles'), 5000, 'people: reltuples');
	is(scalar(grep { $_ eq 'people/stats' } @{ $analyzed->{paths} }), 1, 'people: asked for once');
	cmp_ok(scalar @{ $analyzed->{paths} }, '<=', 20,  'people: 20 requests at most');
	cmp_ok($analyzed->{sample},            '>=', 900, 'people: the others are the sample');
	is(statistic('n_distinct', 'crisp.people_profiles', 'people_id'), -1,
		'people: a key is unique');
	is_close(
		expected(q(SELECT * FROM crisp.people_profiles WHERE 'vip' = ANY (segments))),
		sql(q(SELECT count(*) FROM crisp.people_profiles WHERE 'vip' = ANY (segments))),
		0.2,
		'people: a segment');
}
$sandbox->control(
	{   answers => [
			{   match  => { path => '*/people/stats' },
				status => 200,
				body   => '{"error":false,"data":{}}' } ] });
is_close(analyze('crisp.people_profiles')->{total},
	5000, 0.1, 'people: the end is looked for where Crisp says nothing');
$sandbox->control({ answers => [] });

foreach my $limited (JSON::PP::false, JSON::PP::true)
{
	foreach my $per_page (20, 50)
	{
		$sandbox->control({ visitors_limited => $limited, visitors_per_page => $per_page });
		my $analyzed = analyze('crisp.visitors');

		is("$analyzed->{sample} $analyzed->{total}", '40 40', 'visitors: all of them');
		is(tuples('crisp.visitors'),                 40,      'visitors: reltuples');
		cmp_ok(scalar @{ $analyzed->{paths} }, '<=', $per_page == 50 ? 2 : 20,
			'visitors: requests');
	}
}
{
	my $analyzed = analyze('crisp.operators');

	is_deeply($analyzed, { sample => 12, total => 12, paths => ['operators/list'] }, 'operators');
	is(tuples('crisp.operators'), 12, 'operators: reltuples');
}

#
# How many requests.
#

sql("ALTER SERVER support OPTIONS (ADD analyze_pages '20')");
foreach my $pages (1 .. 12, 30, 100, 187, 188, 189, 190, 10_000)
{
	my $analyzed = analyze('crisp.conversations', analyze_pages($pages));

	cmp_ok(scalar @{ $analyzed->{paths} }, '<=', $pages, "analyze_pages '$pages': requests");
	cmp_ok(
		$analyzed->{sample}, '>=',
		50 * ($pages < 8 ? $pages : int(($pages < 188 ? $pages : 188) / 2)),
		"analyze_pages '$pages': half of them are the sample");
	is_close($analyzed->{total}, $conversations, 0.06, "analyze_pages '$pages': rows")
	  if $pages >= 30;
	is($analyzed->{total}, $conversations, "analyze_pages '$pages': all rows") if $pages > 188;
}
foreach my $pages (1 .. 4, 19)
{
	my $analyzed = analyze('crisp.people_profiles', analyze_pages($pages));

	cmp_ok(scalar @{ $analyzed->{paths} }, '<=', $pages,
		"people, analyze_pages '$pages': requests");
	cmp_ok($analyzed->{sample}, '>=', 50,
		"people, analyze_pages '$pages': a page of rows at least");
	is($analyzed->{total}, 5000, "people, analyze_pages '$pages': rows") if $pages > 1;
}
{
	$session->query(
		q(ALTER FOREIGN TABLE crisp.conversations OPTIONS (ADD analyze_pages '5', ADD per_page '20'))
	);
	my $analyzed = analyze('crisp.conversations', analyze_pages(3));

	is(scalar @{ $analyzed->{paths} }, 5,   "a table's own option counts");
	is($analyzed->{sample},            100, "a table's own per_page counts, too");
	$session->query('ALTER FOREIGN TABLE crisp.conversations OPTIONS (SET analyze_pages \'25\')');
	is_close(analyze('crisp.conversations')->{total}, $conversations, 0.1, 'pages of 20: rows');
	$session->query(
		'ALTER FOREIGN TABLE crisp.conversations OPTIONS (DROP analyze_pages, DROP per_page)');
}
{
	my $analyzed =
	  analyze('crisp.conversations', analyze_pages(20) . 'SET default_statistics_target = 1;');

	is($analyzed->{sample}, 300, 'the sample is no larger than asked for');
	is_close($analyzed->{total}, $conversations, 0.1, 'a small sample: rows');
	$session->query('RESET default_statistics_target');
}
{
	my $fresh    = CrispSession->start($node);
	my $settings = 'SET default_statistics_target = 1;';

	$fresh->query("$settings ANALYZE crisp.conversations");
	my $before = $fresh->peak_memory;
	$fresh->query(analyze_pages(10_000) . 'ANALYZE crisp.conversations');
	cmp_ok($fresh->peak_memory - $before, '<', 4 * 1024 * 1024, 'a page at a time is in memory');
	$fresh->quit;
}

#
# Lists that are short enough to be read.
#

$session->query(analyze_pages(20));
foreach my $status (200, 206)
{
	$sandbox->control({ full_last_page => $status });
	foreach my $rows (0, 1, 49, 50, 51, 100, 230, 400, 600, 700, 950, 1000)
	{
		serve($rows);
		my $analyzed = analyze('crisp.conversations');

		is($analyzed->{total}, $rows, "$rows rows, full page $status: the exact number");
		cmp_ok($analyzed->{sample}, '>=', $rows / 2,
			"$rows rows, full page $status: a good sample");
		cmp_ok(scalar @{ $analyzed->{paths} }, '<=', 20, "$rows rows, full page $status: requests");
		is(tuples('crisp.conversations'), $rows, "$rows rows, full page $status: reltuples");
	}
}
foreach my $pages (2 .. 9)
{
	serve(50 * $pages - 1);
	my $analyzed = analyze('crisp.conversations', analyze_pages($pages));

	is( $analyzed->{total},
		50 * $pages - 1,
		"$pages pages, analyze_pages '$pages': the exact number");
}
$session->query(analyze_pages(20));
$sandbox->reset;

# A row that moves to the front meanwhile shifts the others, of which one comes again.
serve(120);
$sandbox->data(
	[   {   op         => 'touch',
			resource   => 'conversations',
			index      => 110,
			at_request => { path => '*/conversations/*', nth => 1, when => 'after' } } ]);
{
	my $analyzed = analyze('crisp.conversations');

	is($analyzed->{sample}, 119, 'a row that comes twice counts once');
	is(statistic('n_distinct', 'crisp.conversations', 'session_id'), -1, 'and its key is unique');
}

# What is no row is passed over.
serve(3);
$sandbox->data(
	[ map { { op => 'insert_raw', resource => 'conversations', text => $_ } } 'null', '1', '[]' ]);
is(analyze('crisp.conversations')->{total}, 3, 'elements that are no rows');
$sandbox->reset;

#
# Failures.
#

serve(100);
is(analyze('crisp.conversations')->{total}, 100, 'before failures');
foreach my $case ([ 1, 402, 'HV000' ], [ 1, 404, 'HV00R' ], [ 2, 403, '42501' ], [ 2, 500, 'HV00M' ])
{
	my ($page, $status, $sqlstate) = @{$case};

	$sandbox->control(
		{ answers => [ { match => { path => "*/conversations/$page" }, status => $status } ] });
	$session->fails('ANALYZE crisp.conversations', { sqlstate => $sqlstate },
		"page $page: $status");
}
$sandbox->control({ answers => [ { match => { path => '*/people/stats' }, status => 404 } ] });
$session->fails(
	'ANALYZE crisp.people_profiles',
	{ sqlstate => 'HV00R' },
	'a count that is not there');
$sandbox->control({ answers => [ { match => { path => '*' }, hang => JSON::PP::true } ] });
$session->fails(
	"SET statement_timeout = '300ms'; ANALYZE crisp.conversations",
	{ sqlstate => '57014' },
	'no answer');
$session->query('RESET statement_timeout');
$sandbox->control({ answers => [] });

$session->query(
	'CREATE FOREIGN TABLE odd (session_id text, dropped text, state integer) SERVER support OPTIONS '
		. '(resource \'conversations\')'
);
$session->fails(
	'ANALYZE odd',
	{   sqlstate => '22P02',
		context  => qr/column "state" of foreign table "odd", JSON path "state"/ },
	'a value that does not fit');
is(tuples('crisp.conversations'),           100, 'failures leave the statistics as they were');
is(analyze('crisp.conversations')->{total}, 100, 'and the next one is right');

#
# Tables of other shapes.
#

$session->query(<<'END');
ALTER FOREIGN TABLE odd DROP COLUMN dropped;
ALTER FOREIGN TABLE odd ALTER COLUMN state TYPE varchar(10);
ALTER FOREIGN TABLE odd ADD COLUMN updated bigint OPTIONS (json_path 'updated_at');
CREATE FOREIGN TABLE bare () SERVER support OPTIONS (resource 'conversations');
CREATE TABLE parent (session_id text);
INSERT INTO parent SELECT 'local ' || x FROM generate_series(1, 200) x;
CREATE FOREIGN TABLE child () INHERITS (parent) SERVER support OPTIONS (resource 'conversations');
CREATE TABLE divided (session_id text) PARTITION BY LIST (session_id);
CREATE FOREIGN TABLE part PARTITION OF divided DEFAULT SERVER support OPTIONS (resource 'conversations');
END
is(analyze('odd')->{total},                      100, 'a table of another shape');
is(statistic('n_distinct', 'odd', 'session_id'), -1,  'the column before the dropped one');
is(statistic('n_distinct', 'odd', 'state'),      3,   'the column after it');
is(statistic('n_distinct', 'odd', 'updated'),    1,   'a column by its path');
is(analyze('bare')->{total},                     100, 'no columns');
is(analyze('odd (state)')->{total},              100, 'one column');

is(analyze('child')->{total}, 100, 'a child');
$session->query('ANALYZE parent');
is($session->query(q(SELECT count(*) FROM pg_stats WHERE tablename = 'parent')),
	2, 'a parent, with its child and without');
is($session->query(q(SELECT n_distinct FROM pg_stats WHERE tablename = 'parent' AND inherited)),
	-1, 'rows of both');
is( $session->query(
		q(SELECT (SELECT count(*) FROM unnest(histogram_bounds::text::text[]) b WHERE b LIKE 'session%')
	BETWEEN 20 AND 50 FROM pg_stats WHERE tablename = 'parent' AND inherited)),
	't',
	'each with its share');
$session->query('ANALYZE divided');
is($session->query(q(SELECT n_distinct FROM pg_stats WHERE tablename = 'divided' AND inherited)),
	-1, 'partitions');
is(analyze('part')->{total}, 100, 'a partition');

#
# Whose credentials are used.
#

{
	my $plugin      = credential_options($sandbox, 'plugin');
	my $credentials = $sandbox->credentials('plugin');
	my $authorization =
	  'Basic ' . encode_base64("$credentials->{identifier}:$credentials->{key}", '');

	$session->query(<<"END");
CREATE ROLE owner;
CREATE FOREIGN TABLE owned (session_id text) SERVER support OPTIONS (resource 'conversations');
ALTER FOREIGN TABLE owned OWNER TO owner;
END
	$sandbox->clear;
	$session->fails(
		'ANALYZE owned',
		{ sqlstate => '42704', message => qr/"owner"/ },
		'an owner without a user mapping');
	is($sandbox->count, 0, 'nothing is asked for with the credentials of another');

	$session->query("CREATE USER MAPPING FOR owner SERVER support OPTIONS ($plugin)");
	foreach my $role ('RESET ROLE;', 'SET ROLE owner;')
	{
		is(analyze('owned', $role)->{total}, 100, "$role rows");
		is_deeply(
			[   grep { $_ ne $authorization }
				map  { $_->{headers}->{authorization} } $sandbox->requests ],
			[],
			"$role the owner's credentials");
		is(tuples('owned'), 100, "$role reltuples");
		$session->query('RESET ROLE; UPDATE pg_class SET reltuples = -1 WHERE relname = \'owned\'');
	}
}
$session->quit;
$node->stop;
done_testing();
