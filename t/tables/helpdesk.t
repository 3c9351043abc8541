# The helpdesk: locales, redirections, and what lies below a locale and a content type, pages and feedback.  Values of
# every column, in whichever way Crisp answers, and what is asked.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispStatement;
use CrispTruth;
use JSON::PP;
use POSIX qw(ceil);
use Test::More;

my ($node, $sandbox) = start_crisp(people => 30, conversations => 20, operators => 5);

run_statements($node, $sandbox);

my $website = $sandbox->website_id;
my $asker   = CrispTruth->new($sandbox, 'website');
my $at      = "website/$website/helpdesk";
my @types   = qw(articles guides references news);
my @locales = map { $_->{locale} } my @locale_rows = $asker->list("$at/locales");
my ($true, $false) = (JSON::PP::true, JSON::PP::false);

sub afresh { run_statements($node, $sandbox); return }

sub lines { return join "\n", sort @_ }

# What Crisp has below each locale and content type: lists of [locale, content type, elements].
my %route = (helpdesk_pages => "$at/page/list", helpdesk_feedback => "$at/feedback/list");
my %below = map {
	my $resource = $_;
	$resource => [
		map {
			my $locale = $_;
			map { [ $locale, $_, [ $asker->list("$route{$resource}/$locale/$_") ] ] } @types
		} @locales
	]
} keys %route;

# The text of the elements that pass a test, which gets locale, content type and element.
sub truth_below
{
	my ($resource, $belongs) = @_;

	return lines(
		map {
			my ($locale, $type, $elements) = @{$_};
			my @passing = grep { !$belongs || $belongs->($locale, $type, $_) } @{$elements};
			@passing
			  ? split /\n/, truth_text($resource, { website_id => $website, locale => $locale, content_type => $type },
				@passing)
			  : ()
		} @{ $below{$resource} });
}

sub count_requests
{
	my ($resource, $locale, $type) = @_;
	my $count = 0;

	foreach my $list (@{ $below{$resource} })
	{
		next if (defined $locale && $list->[0] ne $locale) || (defined $type && $list->[1] ne $type);
		my $pages = ceil(@{ $list->[2] } / 20) || 1;

		# Where rows have a key, a list of several pages is looked at again in the end.
		$count += $pages + ($pages > 1 && $resource eq 'helpdesk_pages' ? 1 : 0);
	}
	return $count;
}

# The pages that are asked for of a list below the locale en.
sub pages_of
{
	my ($resource, $type) = @_;
	my ($list) = grep { $_->[0] eq 'en' && $_->[1] eq $type } @{ $below{$resource} };
	my $pages = ceil(@{ $list->[2] } / 20) || 1;

	return (1 .. $pages, ($pages > 1 && $resource eq 'helpdesk_pages' ? 1 : ()));
}

sub size { my $sum = 0; $sum += @{ $_->[2] } foreach @{ $below{ $_[0] } }; return $sum }

is(scalar @locales, 4, 'there are locales');
cmp_ok(count_requests('helpdesk_pages', 'en', 'articles'), '>', 3, 'one list of pages takes pages');
is(count_requests('helpdesk_pages', 'ja'), 4, 'a locale has nothing');

#
# Every column of every row, and conditions, in all the ways in which Crisp may answer.
#
my @feedback = map { @{ $_->[2] } } @{ $below{helpdesk_feedback} };
my @times    = sort { $a <=> $b } map { $_->{created_at} // () } @feedback;
my ($first, $middle, $late, $last) = @times[ 0, @times / 3, @times * 2 / 3, -1 ];

sub at_ms { return "to_timestamp($_[0] / 1000.0)" }

sub created
{
	my ($from, $to) = @_;
	return sub { defined $_[2]->{created_at} && $_[2]->{created_at} >= $from && $_[2]->{created_at} <= $to };
}

my @queries = (
	[ helpdesk_pages => q(locale = 'en'),              sub { $_[0] eq 'en' } ],
	[ helpdesk_pages => q(locale IN ('de', 'xx')),     sub { $_[0] eq 'de' } ],
	[ helpdesk_pages => q(locale = 'EN'),              sub { 0 } ],
	[ helpdesk_pages => q(locale = ''),                sub { 0 } ],
	[ helpdesk_pages => q(content_type = 'guides'),    sub { $_[1] eq 'guides' } ],
	[ helpdesk_pages => q(content_type IN ('news', 'guides', 'guides', NULL)), sub { $_[1] eq 'guides' } ],
	[ helpdesk_pages => q(content_type <> 'articles'), sub { $_[1] ne 'articles' } ],
	[ helpdesk_pages => q(content_type LIKE '%s' AND locale = 'en'), sub { $_[0] eq 'en' } ],
	[ helpdesk_pages => q(content_type = 'guides' AND content_type <> 'news' AND locale = 'en'),
		sub { $_[0] eq 'en' && $_[1] eq 'guides' } ],
	[ helpdesk_pages => q(content_type = 'Guides'),    sub { 0 } ],
	[ helpdesk_pages => q(content_type = 'guides' AND content_type = 'news'), sub { 0 } ],
	[ helpdesk_feedback => q(content_type = 'articles' AND locale = 'en' AND rating = 'unhelpful'),
		sub { $_[0] eq 'en' && $_[1] eq 'articles' && ($_[2]->{rating} // '') eq 'unhelpful' } ],
	[ helpdesk_feedback => 'created_at >= ' . at_ms($middle),  created($middle, $last) ],
	[ helpdesk_feedback => 'created_at > ' . at_ms($middle),   created($middle + 1, $last) ],
	[ helpdesk_feedback => 'created_at <= ' . at_ms($middle),  created($first, $middle) ],
	[ helpdesk_feedback => 'created_at < ' . at_ms($middle),   created($first, $middle - 1) ],
	[ helpdesk_feedback => 'created_at = ' . at_ms($middle),   created($middle, $middle) ],
	[ helpdesk_feedback => 'created_at BETWEEN ' . at_ms($middle) . ' AND ' . at_ms($late), created($middle, $late) ],
	[ helpdesk_feedback => 'created_at > ' . at_ms($last),     sub { 0 } ],
	[ helpdesk_feedback => 'created_at IS NULL',               sub { !defined $_[2]->{created_at} } ],
	[ helpdesk_feedback => 'created_at < ' . at_ms($late) . ' OR created_at IS NULL',
		sub { !defined $_[2]->{created_at} || $_[2]->{created_at} < $late } ],
	[ helpdesk_feedback => "locale = 'en' AND content_type = 'articles' AND created_at >= " . at_ms($late),
		sub { $_[0] eq 'en' && $_[1] eq 'articles' && created($late, $last)->(@_) } ]);

foreach my $case (
	{},
	{ past_end       => 'not_found' },
	{ full_last_page => 206 },
	{ full_last_page => 206, past_end => 'not_found', list_per_page => 5 },
	{ list_per_page  => 7 },
	{ list_per_page  => 25 },
	{ date_bounds    => 'exclusive' },
	{ date_bounds    => 'start' },
	{ date_bounds    => 'end' },
	{ honour_dates   => $false },
	{ honour_filters => $false },
	{ default_order  => 'created' },
	{ default_order  => 'random' })
{
	my $name = join ', ', map { "$_ $case->{$_}" } sort keys %{$case};

	$sandbox->reset;
	$sandbox->control($case);
	afresh();
	is(rows_text('crisp.helpdesk_locales', 'helpdesk_locales'),
		truth_text('helpdesk_locales', { website_id => $website }, @locale_rows), "locales, $name");
	is(rows_text('crisp.helpdesk_redirections', 'helpdesk_redirections'),
		truth_text('helpdesk_redirections', { website_id => $website }, $sandbox->rows('redirections')),
		"redirections, $name");
	is(rows_text("crisp.$_", $_), truth_below($_), "$_: every column, $name") foreach sort keys %below;
	foreach my $query (@queries)
	{
		my ($resource, $condition, $belongs) = @{$query};

		is(rows_text("crisp.$resource", $resource, "WHERE $condition"), truth_below($resource, $belongs),
			"$condition, $name");
	}
}
$sandbox->reset;
afresh();

#
# What is asked.  First a session that has seen a 206.
#
sql("SELECT count(*) FROM crisp.$_") foreach qw(helpdesk_pages helpdesk_feedback helpdesk_redirections);
is(costs(3, 'SELECT count(*) FROM crisp.helpdesk_redirections', 'redirections'), 42, 'redirections: rows');
foreach my $resource (sort keys %below)
{
	is(costs(1 + 1 + count_requests($resource), "SELECT count(*) FROM crisp.$resource", $resource), size($resource),
		"$resource: rows");    # a page of locales that isn't full is followed by another
	foreach my $locale (@locales)
	{
		# Whether a locale with a capital is another one, nobody knows.
		costs(count_requests($resource, $locale), "SELECT * FROM crisp.$resource WHERE locale = '$locale'",
			"$resource, $locale");
	}
	foreach my $type (@types)
	{
		my ($printed, @requests) =
		  requests_of("SELECT * FROM crisp.$resource WHERE locale = 'en' AND content_type = '$type'");

		is_deeply(
			[ map { $_->{path} } @requests ],
			[ map { "/v1/$route{$resource}/en/$type/$_" } pages_of($resource, $type) ],
			"$resource, en, $type: requests");
		costs(2 + count_requests($resource, undef, $type), "SELECT * FROM crisp.$resource WHERE content_type = '$type'",
			"$resource, $type");
	}
	costs(0, "SELECT * FROM crisp.$resource WHERE content_type = 'other'", "$resource, what is no content type");
	costs(0, "SELECT * FROM crisp.$resource WHERE content_type = NULL", "$resource, NULL");
	costs(1, "SELECT * FROM crisp.$resource WHERE locale = 'xx' AND content_type = 'news'", "$resource, no locale");
	costs(1, "SELECT * FROM crisp.$resource WHERE locale = 'XX'", "$resource, another spelling is looked up");
	costs(count_requests($resource, 'en', 'articles') + count_requests($resource, 'en', 'guides'),
		"SELECT * FROM crisp.$resource WHERE locale = 'en' AND content_type IN ('guides', 'articles', 'other')",
		"$resource, two content types");
	costs(1, "SELECT count(*) FROM (SELECT * FROM crisp.$resource WHERE locale = 'en' LIMIT 5) x", "$resource, LIMIT");
	costs(0, "SELECT * FROM crisp.$resource WHERE website_id = 'x'", "$resource, another website");
}

# Joins, and values that only a running plan knows.
is( costs(count_requests('helpdesk_pages', 'de', 'guides'),
		"PREPARE p AS SELECT count(*) FROM crisp.helpdesk_pages WHERE content_type = \$1 AND locale = \$2; "
		. "SET plan_cache_mode = force_generic_plan; EXECUTE p ('guides', 'de')", 'prepared'),
	4, 'prepared: rows');
is( costs(0, "PREPARE p AS SELECT count(*) FROM crisp.helpdesk_pages WHERE content_type = \$1; "
		. "SET plan_cache_mode = force_generic_plan; EXECUTE p ('x')", 'prepared, no such type'), 0, 'prepared: none');
is( costs(count_requests('helpdesk_pages', 'en', 'articles') + count_requests('helpdesk_pages', 'en', 'guides'),
		"SELECT content_type, count(*) FROM (VALUES ('guides'), ('articles'), ('other'), ('guides')) v (t) "
		. "JOIN crisp.helpdesk_pages ON content_type = t AND locale = 'en' GROUP BY 1 ORDER BY 1",
		'joined by content type'),
	"articles|63\nguides|22", 'joined by content type: rows');
is( costs(count_requests('helpdesk_pages', 'en') + 1,
		"SELECT count(*) FROM crisp.helpdesk_locales l JOIN crisp.helpdesk_pages USING (locale) WHERE l.locale = 'en'",
		'joined with its locale'),
	scalar(my @en = map { $_->[0] eq 'en' ? @{ $_->[2] } : () } @{ $below{helpdesk_pages} }),
	'joined with its locale: rows');
is(sql("SELECT count(*) FROM crisp.helpdesk_pages p JOIN crisp.helpdesk_feedback f "
	. 'ON f.article_article_id = p.entity_id AND f.locale = p.locale AND f.content_type = p.content_type '
	. "WHERE p.locale = 'en'") > 0, 1, 'feedback and its pages');
is(sql("SELECT (SELECT count(*) FROM crisp.helpdesk_pages p WHERE p.locale = v.l AND p.content_type = v.t) "
	. "FROM (VALUES ('en', 'guides'), ('de', 'news'), ('de', 'articles')) v (l, t)"), "11\n0\n22", 'a subquery');

# Dates are asked for below each locale.
{
	my ($printed, @requests) = requests_of("SELECT count(*) FROM crisp.helpdesk_feedback WHERE locale = 'en' AND "
		. "content_type = 'articles' AND created_at >= '2025-11-01' AND created_at < '2025-12-01'");

	is($requests[0]->{query}, 'filter_date_start=2025-10-31T23:59:59.999Z&filter_date_end=2025-12-01T00:00:00.001Z',
		'dates, a millisecond more');
	($printed, @requests) =
	  requests_of("SELECT count(*) FROM crisp.helpdesk_feedback WHERE created_at >= '2025-11-01'");
	is_deeply([ grep { $_ !~ /^filter_date_start=2025-10-31T23:59:59.999Z$/ }
			map { $_->{path} =~ /feedback/ ? $_->{query} : () } @requests ], [], 'dates of every list');
	costs(0, "SELECT * FROM crisp.helpdesk_feedback WHERE created_at > '2026-01-02' AND created_at < '2026-01-01'",
		'dates that contradict each other');
	like(sql("EXPLAIN SELECT * FROM crisp.helpdesk_feedback WHERE locale = 'en' AND content_type = 'news' AND "
			. "created_at > '2025-11-01'"),
		qr{GET \Q$at\E/feedback/list/en/news/1\?filter_date_start=2025-10-31T23:59:59.999Z$}m, 'EXPLAIN, dates');

	# Of conditions that Crisp refuses, nothing is lost in silence.
	$sandbox->control({ answers => [ { match => { path => '*/feedback/list/*', query => 'filter_date' }, status => 400,
		body => '{"error":true,"reason":"invalid_data","data":{}}' } ] });
	my ($code) = $node->psql('postgres',
		"SELECT * FROM crisp.helpdesk_feedback WHERE locale = 'en' AND created_at > '2025-11-01'");
	isnt($code, 0, 'dates that are refused are an error');
	$sandbox->reset;
}

# Feedback has no key: what is given twice is there twice.
{
	my %count;
	my $twice = grep { $count{ JSON::PP->new->canonical->allow_bignum->encode($_) }++ } @feedback;

	cmp_ok($twice, '>', 3, 'some feedback is given twice');
	cmp_ok(sql('SELECT sum(n - 1) FROM (SELECT count(*) AS n FROM crisp.helpdesk_feedback f GROUP BY created_at, '
			. 'rating, comment, article_article_id, session_session_id HAVING count(*) > 1) g'), '>=', $twice,
		'and is so in the table');
}

# Feedback that is given while a list is read moves the rest: one may come twice, and none is lost.
{
	my $before = sql(q(SELECT count(*) FROM crisp.helpdesk_feedback WHERE locale = 'en' AND content_type = 'articles'));

	sql('CREATE TABLE feedback AS SELECT * FROM crisp.helpdesk_feedback WHERE locale = \'en\'');
	$sandbox->data([ { op => 'insert', resource => 'feedback',
		row => { rating => 'helpful', comment => 'new', created_at => 1900000000000 },
		at_request => { path => '*/feedback/list/en/articles/1', when => 'after' } } ]);
	is(sql(q(SELECT count(*) FROM crisp.helpdesk_feedback WHERE locale = 'en' AND content_type = 'articles')),
		$before + 1, 'what moves over the edge of a page comes twice, as it may be two');
	is(sql(q(SELECT count(*) FROM (SELECT * FROM feedback EXCEPT ALL
		SELECT * FROM crisp.helpdesk_feedback WHERE locale = 'en') lost)), 0, '... and loses nothing');
	$sandbox->reset;
}

#
# EXPLAIN, the catalog, ANALYZE.
#
like(sql("EXPLAIN SELECT * FROM crisp.helpdesk_pages"),
	qr{Crisp\ Request:\ GET\ \Q$at\E/locales/1\n
	\s+Crisp\ Request\ For\ Each\ Row:\ GET\ \Q$at\E/page/list/\{locale\}/articles/1,
	\ GET\ \S+/guides/1,\ GET\ \S+/references/1,\ \.\.\.\ \(4\ lists\)\n}x, 'EXPLAIN names lists');
like(sql("EXPLAIN (VERBOSE) SELECT * FROM crisp.helpdesk_pages WHERE content_type = 'news'"),
	qr/Asked of Crisp: \(helpdesk_pages.content_type = 'news'::text\)/, 'EXPLAIN tells what is asked for');
like(sql("EXPLAIN SELECT * FROM crisp.helpdesk_pages WHERE locale IN ('en', 'de') "
		. "AND content_type IN ('news', 'guides')"),
	qr{list/de/guides/1, GET \S+list/de/news/1, GET \S+list/en/guides/1, \.\.\. \(4 lists\)}, 'EXPLAIN, locales and types');
like(sql("EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) SELECT * FROM crisp.helpdesk_pages WHERE locale = 'ja'"),
	qr/Lists: 4$/m, 'EXPLAIN ANALYZE counts lists');
sub expected { return (sql("EXPLAIN SELECT * FROM crisp.helpdesk_pages $_[0]") =~ /Expected Requests: (\d+)/)[0] }
cmp_ok(expected("WHERE content_type = 'news'"), '<', expected(''), 'one content type is expected to cost less');
cmp_ok(expected("WHERE content_type IN ('news', 'guides')"), '>', expected("WHERE content_type = 'news'"),
	'... and two more');
is(sql(q(SELECT found_in, json_path IS NULL, pushdown FROM crisp_fdw_columns()
	WHERE resource = 'helpdesk_pages' AND column_name = 'content_type')),
	'request|t|=, IN, = ANY, join: only the lists of these', 'the catalog tells of the content type');
costs(0, 'ANALYZE crisp.helpdesk_pages', 'ANALYZE passes over pages');
sql('ANALYZE crisp.helpdesk_locales; ANALYZE crisp.helpdesk_redirections');
is(sql(q(SELECT string_agg(reltuples::text, ' ' ORDER BY relname) FROM pg_class WHERE relname IN
	('helpdesk_locales', 'helpdesk_redirections'))), '4 42', 'ANALYZE of lists of their own');

# A locale by its key, which is in the list as it is by itself.
is(costs(1, "SELECT url FROM crisp.helpdesk_locales WHERE locale = 'en'", 'a locale'), $locale_rows[0]->{url},
	'a locale: row');
is(costs(1, "SELECT count(*) FROM crisp.helpdesk_locales WHERE locale = 'EN'", 'a locale in capitals'), 0,
	'a locale in capitals: a row of another spelling is none');
is(costs(2, "SELECT count(*) FROM crisp.helpdesk_locales WHERE locale IN ('en', 'xx')", 'locales'), 1, 'locales: row');

#
# Columns of the user's choice.
#
sql(<<'END');
CREATE TYPE kind AS ENUM ('articles', 'guides', 'references', 'news', 'other');
CREATE DOMAIN short AS varchar(6);
CREATE FOREIGN TABLE typed (locale varchar(10), content_type kind, entity_id text)
	SERVER support OPTIONS (resource 'helpdesk_pages');
CREATE FOREIGN TABLE named (l text OPTIONS (column_name 'locale'), k varchar(10) OPTIONS (json_path 'content_type'),
	id text OPTIONS (json_path 'entity_id')) SERVER support OPTIONS (resource 'helpdesk_pages');
CREATE FOREIGN TABLE bare (title text) SERVER support OPTIONS (resource 'helpdesk_pages');
END
is(costs(1, "SELECT count(*) FROM typed WHERE locale = 'en' AND content_type = 'guides'", 'an enum'), 11, 'an enum');
is(costs(0, "SELECT count(*) FROM typed WHERE content_type = 'other'", 'an enum, no list'), 0, 'an enum, no list');
is(costs(count_requests('helpdesk_pages', 'en'), "SELECT count(*) FROM named WHERE l = 'en' AND k = 'references'",
	'a varchar that may have been cut'), 4, 'a varchar that may have been cut: rows');
is(costs(1, "SELECT DISTINCT k FROM named WHERE l = 'en' AND k = 'guides'", 'names'), 'guides', 'names: rows');
is(sql('SELECT count(*) FROM bare'), size('helpdesk_pages'), 'without locale and content type');
is(sql('SELECT count(*) FROM crisp.helpdesk_pages'), size('helpdesk_pages'), 'no columns');

# The content type is the list's, whatever an element says.
$sandbox->data([
	{ op => 'patch', resource => 'pages', index => 0, set => { content_type => 'news', locale => 'xx' } },
	{ op => 'raw', resource => 'pages', index => 1, text => '[]' } ]);
is(sql('SELECT content_type, count(*) FROM crisp.helpdesk_pages GROUP BY 1 ORDER BY 1'),
	"articles|107\nguides|18\nreferences|4", 'an element with a content type of its own');
is(sql("SELECT count(*) FROM crisp.helpdesk_pages WHERE content_type = 'news'"), 0, '... is in no other list');
$sandbox->reset;

#
# Locales that go, are new, or odd.
#
my $locales_of_pages = "SELECT string_agg(DISTINCT locale, ' ' ORDER BY locale) FROM crisp.helpdesk_pages";
$sandbox->data([ { op => 'delete', resource => 'locales', key => 'pt-br',
	at_request => { path => '*/locales/1', when => 'after' } } ]);
is(sql($locales_of_pages), 'de en', 'a locale that goes meanwhile');
$sandbox->reset;
$sandbox->data([
	{ op => 'raw', resource => 'locales', index => 1, text => '{"locale":"","url":"x"}' },
	{ op => 'raw', resource => 'locales', index => 2, text => '{"locale":"..","url":"x"}' },
	{ op => 'insert_raw', resource => 'locales', text => '{"url":"x"}' } ]);
is(sql($locales_of_pages), 'en', 'locales that are no names');
is(sql('SELECT count(*) FROM crisp.helpdesk_locales'), 5, '... are locales');
$sandbox->reset;
$sandbox->data([ map { { op => 'clear', resource => $_ } } qw(locales redirections) ]);
afresh();
is(costs(1, "SELECT count(*) FROM crisp.$_", "$_, empty"), 0, "$_, empty: rows")
	foreach qw(helpdesk_locales helpdesk_pages helpdesk_feedback helpdesk_redirections);
$sandbox->reset;

# A list that fails is an error, not a short result.
afresh();
foreach my $answer (
	{ status => 400, body => '{"error":true,"reason":"invalid_data","data":{}}' },
	{ status => 403 })
{
	$sandbox->answer_with('*/page/list/en/guides/*' => $answer);
	my ($code) =
	  $node->psql('postgres', 'SET crisp_fdw.max_requests = 30; SELECT count(*) FROM crisp.helpdesk_pages');

	isnt($code, 0, "a list that answers $answer->{status} is an error");
}
$sandbox->reset;

# Several lists are under way together, and rows are the same.
sql("ALTER SERVER support OPTIONS (SET prefetch '4')");
afresh();
foreach my $resource (sort keys %below)
{
	is(rows_text("crisp.$resource", $resource), truth_below($resource), "$resource, four at a time");
}
$sandbox->control({ quiet_ms => 50 });
{
	my ($printed, @requests) = requests_of('SELECT count(*) FROM crisp.helpdesk_pages');

	is($printed, size('helpdesk_pages'), 'four at a time: rows');
	is(CrispSandbox::together(@requests), 4, 'four at a time');
}

done_testing();
