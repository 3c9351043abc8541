# Campaigns: what Crisp is asked, and the details that its list lacks.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispStatement;
use Test::More;

my ($node, $sandbox) = start_crisp(
	campaigns     => 45,
	conversations => 10,
	people        => 10);

run_statements($node, $sandbox);

my @campaigns = $sandbox->rows('campaigns');
my $website   = $sandbox->website_id;
my $list      = "website/$website/campaigns/list";

# Sorted lines of ids.
sub ids { return join "\n", sort map { $_->{campaign_id} } @_ }

#
# The list.
#
is(sql('SELECT count(*) FROM crisp.campaigns'), 45, 'all campaigns');
is(costs(3, 'SELECT campaign_id FROM crisp.campaigns ORDER BY 1', 'the list'),
	ids(@campaigns), 'the list: every campaign');
is( costs(
		3,
		'SELECT sum(targets), sum(reached), count(*) FILTER (WHERE ready), count(dispatched_at) FROM crisp.campaigns',
		'fields of the list'),
	join('|',
		sum(map { $_->{targets} // 0 } @campaigns),
		sum(map { $_->{reached} // 0 } @campaigns),
		scalar(grep { $_->{ready} } @campaigns),
		scalar(grep { defined $_->{dispatched_at} } @campaigns)),
	'fields of the list: their values');

sub sum { my $sum = 0; $sum += $_ foreach @_; return $sum }

#
# Filters.
#
sub filtered
{
	my ($condition, $belongs, $pages, @parameters) = @_;
	my @expected = grep { $belongs->($_) } @campaigns;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($printed, @requests) =
	  requests_of("SELECT campaign_id FROM crisp.campaigns WHERE $condition ORDER BY 1");
	is($printed, ids(@expected), "$condition: rows");
	isnt(scalar(@expected), 0, "$condition: there are some");
	is(scalar(@requests), $pages // pages(scalar @expected, 20), "$condition: requests");
	is_deeply(parameters($requests[0]), {@parameters}, "$condition: parameters");
	return;
}

filtered(q(type = 'automated'), sub { $_[0]->{type} eq 'automated' },
	undef, filter_type_automated => 1);
filtered(q(type = 'one_shot'), sub { $_[0]->{type} eq 'one_shot' }, undef,
	filter_type_one_shot => 1);
filtered(q(type <> 'one_shot'), sub { $_[0]->{type} ne 'one_shot' }, 3);
filtered(q(type IN ('automated', 'one_shot')), sub { 1 }, 3);
filtered(q(tag = 'promo'), sub { ($_[0]->{tag} // '') eq 'promo' }, undef,
	filter_tag => 'promo');
filtered(q(tag = 'größe'), sub { ($_[0]->{tag} // '') eq "gr\x{f6}\x{df}e" },
	undef, filter_tag => "gr\x{c3}\x{b6}\x{c3}\x{9f}e");
filtered(q(name = 'Welcome message'), sub { $_[0]->{name} eq 'Welcome message' },
	undef, search_name => 'Welcome message');
filtered(
	q(name = 'Welcome message' AND tag = 'news'),
	sub { $_[0]->{name} eq 'Welcome message' && ($_[0]->{tag} // '') eq 'news' },
	undef, search_name => 'Welcome message', filter_tag => 'news');

filtered(q(name = 'Release notes, "v2"'), sub { $_[0]->{name} eq 'Release notes, "v2"' },
	undef, search_name => 'Release notes, "v2"');

# A name that the search doesn't find is looked for in the list: who knows what it searches for.
foreach my $name (' Welcome', 'Welcome ', 'nothing', 'welcome message')
{
	is(costs(
			1 + 3, "SELECT count(*) FROM crisp.campaigns WHERE name = '$name'", "name '$name'"),
		0, "name '$name': no row");
	like(queries(), qr/^search_name=\S+   $/, "name '$name' is searched for, then looked for");
}
costs(3, q(SELECT count(*) FROM crisp.campaigns WHERE name = ''), 'an empty name is not searched for');
my @welcome = grep { $_->{name} eq 'Welcome message' } @campaigns;
my ($other) = grep { $_->{name} ne 'Welcome message' } @campaigns;
foreach my $found ('', JSON::PP->new->utf8->encode($other))
{
	$sandbox->control({
		answers => [
			{
				match => { path => '*/campaigns/list/*', query => 'search_name=' },
				body  => qq({"error":false,"reason":"listed","data":[$found]})
			}
		]
	});
	is( sql(q(SELECT campaign_id FROM crisp.campaigns WHERE name = 'Welcome message' ORDER BY 1)),
		ids(@welcome), 'a search that misses a name loses no row: it found ' . (length $found ? 'another' : 'none'));
	is( sql(q(SELECT count(message) FROM crisp.campaigns WHERE name = 'Welcome message')),
		scalar(@welcome), 'nor with details');
	is( sql(q(SELECT count(*) FROM crisp.campaigns WHERE name = 'Welcome message' AND type = 'one_shot')),
		scalar(grep { $_->{type} eq 'one_shot' } @welcome),
		'nor with another filter, which stays');
	like(queries(), qr/filter_type_one_shot=1&search_name=Welcome%20message (?:filter_type_one_shot=1 ?)+$/,
		'nor with another filter: parameters');
	$sandbox->reset;
}

is(sql(q(SELECT string_agg(DISTINCT resource, ' ') FROM crisp_fdw_columns() WHERE found_in = 'details')),
	'campaign_templates campaigns websites', 'what lists lack');
is(sql('SELECT column_name FROM crisp_fdw_columns() WHERE found_in IS NULL'),
	'stealth', 'what is for sending alone');

# Columns of types of the user's choice.
{
	sql(<<'END');
CREATE TYPE status AS ENUM ('not_configured', 'ready', 'paused', 'sending', 'done');
CREATE FOREIGN TABLE typed_campaigns (campaign_id text, filter_status status, type text)
	SERVER support OPTIONS (resource 'campaigns');
CREATE FOREIGN TABLE numbered_campaigns (campaign_id text, tag bigint)
	SERVER support OPTIONS (resource 'campaigns');
END
	my $done = sql(q(SELECT campaign_id FROM crisp.campaigns WHERE filter_status = 'done' ORDER BY 1));

	isnt($done, '', 'campaigns that are done');
	is(sql(q(SELECT campaign_id FROM typed_campaigns WHERE filter_status = 'done' ORDER BY 1)),
		$done, 'a status of an enumerated type');
	is(sql(q(SELECT DISTINCT filter_status FROM typed_campaigns WHERE filter_status = 'done' AND type = 'one_shot')),
		'done', '... reads what was asked for');

	# Texts that differ are the same number.
	$sandbox->data([
			map {
				{ op => 'patch', resource => 'campaigns', key => $campaigns[$_]->{campaign_id},
				  set => { tag => ('7', '007', '8')[ $_ % 3 ] } }
			} 0 .. $#campaigns ]);
	is(sql('SELECT count(*) FROM numbered_campaigns WHERE tag = 7'),
		30, 'a text that is read as a number is not compared as text');
	is(sql(q(SELECT count(*) FROM crisp.campaigns WHERE tag = '7')), 15, 'but one that is read as text is');
	$sandbox->reset;
}

# A search that takes names for something else costs rows nothing.
{
	$sandbox->control({ honour_filters => JSON::PP::false });
	is( sql(q(SELECT count(*) FROM crisp.campaigns WHERE name = 'Welcome message' AND type = 'one_shot')),
		scalar(grep { $_->{name} eq 'Welcome message' && $_->{type} eq 'one_shot' } @campaigns),
		'filters that are ignored lose and add nothing');
	$sandbox->reset;
}

#
# The status, which is in Crisp's words.
#
my %with_status;
foreach my $status (qw(not_configured ready paused sending done))
{
	my ($printed, @requests) = requests_of(
		"SELECT campaign_id FROM crisp.campaigns WHERE filter_status = '$status' ORDER BY 1");

	is_deeply(
		parameters($requests[0]),
		{ "filter_status_$status" => 1 },
		"status $status: parameters");
	$with_status{$_}++ foreach split /\n/, $printed;
}
is_deeply(
	\%with_status,
	{ map { $_->{campaign_id} => 1 } @campaigns },
	'each campaign has one status');
is( sql(q(SELECT DISTINCT filter_status FROM crisp.campaigns WHERE filter_status = 'done')),
	'done', 'the column reads what was asked for');
is(sql('SELECT count(filter_status) FROM crisp.campaigns'), 0, 'and nothing where nothing was');
is( costs(
		1,
		q(PREPARE s AS SELECT count(*) FROM crisp.campaigns WHERE filter_status = $1; EXECUTE s ('paused')),
		'a parameter'),
	scalar(grep { $_->{dispatched} && !$_->{running} && $_->{progress} < 100 } @campaigns),
	'a parameter: rows');
like(
	sql(q(EXPLAIN (COSTS OFF) SELECT name FROM crisp.campaigns WHERE filter_status = 'done')),
	qr{Crisp Request: GET \Q$list\E/1\?filter_status_done=1$}m,
	'EXPLAIN shows the flag');

foreach my $case (
	[ q(filter_status = 'gone'), '22023', q(Crisp cannot be asked for "filter_status" = "gone") ],
	[ q(filter_status IN ('done', 'ready')), '0A000', 'Crisp cannot be asked for several texts at once' ],
	[ q(filter_status <> 'done'), '0A000', 'Crisp cannot be asked for what "filter_status" is compared with' ],
	[ q(filter_status LIKE 'd%'), '0A000', 'Crisp cannot be asked for what "filter_status" is compared with' ])
{
	my ($condition, $state, $message) = @{$case};

	like(error("SELECT 1 FROM crisp.campaigns WHERE $condition"),
		qr/$state: \Q$message\E/, "$condition: error");
}

sub error
{
	my ($statement) = @_;
	my ($status, $printed, $message) =
	  $node->psql('postgres', "\\set VERBOSITY verbose\n$statement");

	return $message;
}

like(
	error(q(SELECT 1 FROM crisp.campaigns WHERE filter_status = 'gone')),
	qr/HINT:  Valid values are: not_configured, ready, paused, sending, done/,
	'and the hint lists what can be asked for');

# A lookup would not ask for the status.
my $id = $campaigns[7]->{campaign_id};
is( sql(
		"SELECT count(*) FROM crisp.campaigns WHERE campaign_id = '$id' AND filter_status = 'ready'"),
	($campaigns[7]->{ready} && !$campaigns[7]->{dispatched}) ? 1 : 0,
	'status and key: what Crisp says of the status');
like(queries(), qr/filter_status_ready/, 'status and key: asks for the status');

#
# One campaign, with its details.
#
my $json    = JSON::PP->new->utf8;
my %details = map { $_->{campaign_id} => details_of($_->{campaign_id}) } @campaigns;

sub details_of
{
	my ($key) = @_;
	my $credentials = $sandbox->credentials;
	my $url = $sandbox->url =~ s{//}{//$credentials->{identifier}:$credentials->{key}\@}r;
	my $response = HTTP::Tiny->new->get("$url/website/$website/campaign/$key",
		{ headers => { 'X-Crisp-Tier' => 'website' } });

	return $json->decode($response->{content})->{data};
}

my $detail_columns =
  'sender_user_id, recipients_type, cardinality(recipients_people), recipients_filter IS NULL, '
  . 'flow_launch_event, flow_assert_delay, flow_deliver_once, message, options_tracking, '
  . 'statistics_opened, statistics_clicked, statistics_unsubscribed';

sub detail_line
{
	my ($campaign) = @_;
	my $bool = sub { return defined $_[0] ? ($_[0] ? 't' : 'f') : '' };
	my $line = join '|', map { $_ // '' } $campaign->{sender}->{user_id},
	  $campaign->{recipients}->{type}, scalar(@{ $campaign->{recipients}->{people} }),
	  $bool->(!defined $campaign->{recipients}->{filter}),
	  $campaign->{flow}->{launch_event}, $campaign->{flow}->{assert_delay},
	  $bool->($campaign->{flow}->{deliver_once}), $campaign->{message},
	  $bool->($campaign->{options}->{tracking}), @{ $campaign->{statistics} }{qw(opened clicked unsubscribed)};

	utf8::encode($line);
	return $line;
}

is( costs(
		1, "SELECT $detail_columns FROM crisp.campaigns WHERE campaign_id = '$id'",
		'one campaign'),
	detail_line($details{$id}),
	'one campaign: its details');
is_deeply(
	[ $sandbox->targets ],
	["GET /v1/website/$website/campaign/$id"],
	'one campaign: by its route');
is( costs(1, q(SELECT count(*) FROM crisp.campaigns WHERE campaign_id = 'none'), 'no such campaign'),
	0, 'no such campaign: no row');

#
# The details of all.
#
is( costs(
		3 + 45, "SELECT campaign_id, $detail_columns FROM crisp.campaigns ORDER BY 1",
		'all details'),
	join("\n", map { "$_|" . detail_line($details{$_}) } sort keys %details),
	'all details: their values');
is( costs(
		3 + 45,
		'SELECT count(*), sum(length(c::text)) > 0 FROM crisp.campaigns c',
		'whole rows'),
	'45|t',
	'whole rows: they have details');
costs(3, 'SELECT count(*) FROM crisp.campaigns', 'a count asks for no details');

# What no row of the result needs isn't asked for.
my @automated = grep { $_->{type} eq 'automated' } @campaigns;
is( costs(
		1 + @automated,
		q(SELECT count(message) FROM crisp.campaigns WHERE type = 'automated'),
		'details of a filtered list'),
	scalar(@automated),
	'details of a filtered list: rows');
my @large = grep { ($_->{targets} // 0) > 4000 } @campaigns;
isnt(scalar(@large), 0, 'there are large campaigns');
is( costs(
		3 + @large,
		q(SELECT sum(statistics_opened) FROM crisp.campaigns WHERE targets > 4000 AND statistics_opened >= 0),
		'conditions on the list are checked before details'),
	sum(map { $details{ $_->{campaign_id} }->{statistics}->{opened} } @large),
	'conditions on the list are checked before details: the sum');
is(sql('SELECT count(*) FROM crisp.campaigns WHERE statistics_opened >= 300'),
	scalar(grep { $_->{statistics}->{opened} >= 300 } values %details),
	'a condition on details');
costs(1 + 2, 'SELECT message FROM crisp.campaigns LIMIT 2', 'LIMIT');
costs(0, 'SELECT message FROM crisp.campaigns WHERE false', 'nothing');

# Several at a time, and still no more than a LIMIT needs.
sql(q(ALTER FOREIGN TABLE crisp.campaigns OPTIONS (ADD prefetch '8')));
is( sql("SELECT campaign_id, $detail_columns FROM crisp.campaigns ORDER BY 1"),
	join("\n", map { "$_|" . detail_line($details{$_}) } sort keys %details),
	'details under way together: their values');
costs(1 + 5, 'SELECT message FROM crisp.campaigns LIMIT 5', 'LIMIT, with prefetch');
my $sixth = (split /\n/, sql('SELECT campaign_id FROM crisp.campaigns'))[5];
foreach my $exists ('EXISTS', 'NOT EXISTS')
{
	costs(
		1 + 6,
		'SET enable_hashjoin = off; SET enable_mergejoin = off; '
		  . "SELECT n FROM generate_series(1, 1) n WHERE $exists (SELECT FROM crisp.campaigns "
		  . "WHERE left(message, 0) || campaign_id = right(n::text, 0) || '$sixth')",
		"$exists, which a row decides");
}
costs(
	1 + 6,
	'WITH c AS MATERIALIZED (SELECT message FROM crisp.campaigns) '
	  . 'SELECT message FROM generate_series(1, 0), c UNION ALL (SELECT message FROM c LIMIT 6)',
	'a common table expression, of which one reader is never run');
$sandbox->control({ latency_ms => 20 });
sql('SELECT message FROM crisp.campaigns');
my ($most, %done) = (0);
foreach my $request (grep { $_->{path} =~ m{/campaign/} } $sandbox->requests)
{
	my $under_way = grep { $_ > $request->{at_ms} } values %done;
	$done{ $request->{seq} } = $request->{done_ms};
	$most = $under_way + 1 if $under_way + 1 > $most;
}
is($most, 8, 'as many under way as prefetch allows');
$sandbox->reset;
sql(q(ALTER FOREIGN TABLE crisp.campaigns OPTIONS (SET prefetch '1')));

#
# Rescans.
#
is( costs(
		3 + 45,
		'SET enable_material = off; SET enable_hashjoin = off; SET enable_mergejoin = off; '
		  . 'SELECT sum((SELECT sum(statistics_opened) FROM crisp.campaigns WHERE targets > n)) '
		  . 'FROM generate_series(0, 4000, 2000) n',
		'a correlated subquery'),
	sum(map {
		my $bound = $_;
		map { $details{ $_->{campaign_id} }->{statistics}->{opened} }
		  grep { ($_->{targets} // 0) > $bound } @campaigns
	} 0, 2000, 4000),
	'a correlated subquery: each pass sees all of its rows');

# Columns that the catalog doesn't know may stand in the details alone.
$node->safe_psql('postgres', <<'END');
CREATE FOREIGN TABLE crisp.mine (
	id text OPTIONS (json_path 'campaign_id'),
	recipients jsonb,
	statistics_opened integer,
	opened integer OPTIONS (json_path 'statistics."opened"'),
	nothing text) SERVER support OPTIONS (resource 'campaigns');
END
foreach my $column (qw(recipients statistics_opened opened nothing))
{
	my ($count, @requests) = requests_of("SELECT count($column) FROM crisp.mine");

	is(scalar(@requests), 48, "column $column of an own table: requests");
	is($count, $column eq 'nothing' ? 0 : 45, "column $column of an own table: values");
}
costs(3, 'SELECT count(id) FROM crisp.mine', 'an own column that the list has');

# EXPLAIN.
like(
	sql('EXPLAIN SELECT message FROM crisp.campaigns'),
	qr{
		Crisp\ Request:\ GET\ \Q$list\E/1\n
		\s+Crisp\ Request\ For\ Each\ Row:\ GET\ website/\Q$website\E/campaign/\{key\}\n
		\s+Expected\ Requests:\ 46$}xm,
	'EXPLAIN shows the requests for details, and reckons with them');
unlike(sql('EXPLAIN SELECT name FROM crisp.campaigns'), qr/Each Row/, 'and no others');
unlike(sql("EXPLAIN SELECT message FROM crisp.campaigns WHERE campaign_id = '$id'"),
	qr/Each Row/, 'nor for a lookup');
like(
	sql('EXPLAIN (ANALYZE, TIMING OFF) SELECT message FROM crisp.campaigns WHERE targets > 4000'),
	qr/Rows Removed by Filter: @{[ 45 - @large ]}\n.*Requests: @{[ 3 + @large ]}\n/s,
	'EXPLAIN ANALYZE counts them, and the rows that need none');

# A join of few keys looks campaigns up; the planner reckons with details.
is( costs(
		2,
		"SELECT sum(statistics_opened) FROM (VALUES ('$campaigns[0]->{campaign_id}'), "
			. "('$campaigns[1]->{campaign_id}')) AS v (campaign_id) JOIN crisp.campaigns USING (campaign_id)",
		'a join'),
	sum(map { $details{ $_->{campaign_id} }->{statistics}->{opened} } @campaigns[ 0, 1 ]),
	'a join: the sum');

#
# A security barrier holds: a leaky function doesn't see what it may not.
#
$node->safe_psql('postgres', <<'END');
CREATE FUNCTION leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001
	AS $$BEGIN RAISE NOTICE 'seen %', $1; RETURN true; END$$;
CREATE VIEW crisp.barred WITH (security_barrier) AS
	SELECT name FROM crisp.campaigns WHERE statistics_opened < 0;
END
my ($status, $printed, $notices) =
  $node->psql('postgres', 'SELECT count(*) FROM crisp.barred WHERE leak(name)');
is("$printed$notices", '0', 'a security barrier that needs details');

#
# Campaigns that go, and answers that are none.
#
$sandbox->control({
	answers => [
		{
			match => { path => "*/campaign/$id" },
			status => 404
		}
	]
});
is( sql('SELECT count(message) FROM crisp.campaigns'),
	44, 'a campaign that is gone before its details came is left out');
$sandbox->control({
	answers => [
		{
			match => { path => "*/campaign/$id" },
			body  => '{"error":false,"reason":"resolved","data":[]}'
		}
	]
});
like(
	error('SELECT message FROM crisp.campaigns'),
	qr/08P01: unexpected answer from Crisp, server "support"/,
	'details that are no object');
foreach my $statement ('SELECT message FROM crisp.campaigns', 'ANALYZE crisp.campaigns')
{
	$sandbox->control({
		answers => [
			{
				match => { path => '*/campaign/*' },
				status => 400,
				body => '{"error":true,"reason":"invalid_data","data":{}}'
			}
		]
	});
	like(
		error($statement),
		qr/HV000: Crisp refused the request, server "support"/,
		"details that Crisp says can be none: $statement");
}
$sandbox->control({
	answers => [ { match => { path => "*/campaign/$id" }, status => 403 } ]
});
like(
	error('SELECT message FROM crisp.campaigns'),
	qr/42501: the Crisp token does not allow this/,
	'details that are refused: an error, not NULL');
is(sql('SELECT count(*) FROM crisp.campaigns'), 45, 'and no matter where nobody wants them');
$sandbox->reset;
$sandbox->data([
	{
		op       => 'patch',
		resource => 'campaigns',
		index    => 3,
		unset    => ['campaign_id']
	}
]);
like(
	error('SELECT message FROM crisp.campaigns'),
	qr/08P01: unexpected answer .*An element of the list of "campaigns" has no campaign_id/s,
	'an element without a key has no details');
is(sql('SELECT count(*) FROM crisp.campaigns WHERE campaign_id IS NULL OR true'),
	45, 'but is a row of the list');
$sandbox->reset;

#
# Under an Append, several scans fetch at the same time.
#
$node->safe_psql('postgres', <<'END');
CREATE TABLE crisp.parts (campaign_id text, message text, statistics_opened bigint);
END
foreach my $part (1, 2)
{
	$node->safe_psql('postgres',
		"CREATE FOREIGN TABLE crisp.part$part () INHERITS (crisp.parts) SERVER support OPTIONS "
			. "(resource 'campaigns', prefetch '4')"
	);
}
is( sql('SELECT count(message), sum(statistics_opened) FROM crisp.parts'),
	'90|' . 2 * sum(map { $_->{statistics}->{opened} } values %details),
	'two scans with details under an Append');

#
# ANALYZE asks for details, too, with half of its requests, and keeps the rows that have them.
#
sub null_share
{
	my ($column) = @_;

	return sql(
		"SELECT round(null_frac::numeric, 4)::real FROM pg_stats WHERE schemaname = 'crisp' "
			. "AND tablename = 'campaigns' AND attname = '$column'"
	);
}
costs(20, 'ANALYZE crisp.campaigns', 'ANALYZE');
is(sql(q(SELECT reltuples FROM pg_class WHERE oid = 'crisp.campaigns'::regclass)),
	45, 'ANALYZE: all rows are counted');
is(null_share($_), 0, "ANALYZE: $_ is known not to be NULL")
  foreach qw(name message statistics_opened);
sql(q(ALTER FOREIGN TABLE crisp.campaigns OPTIONS (ADD analyze_pages '100')));
my (undef, @requests) = requests_of('ANALYZE crisp.campaigns');
is(scalar(grep { $_->{path} =~ m{/campaign/} } @requests), 45, 'ANALYZE of all details: each once');
is(null_share('flow_launch_event'),
	sql('SELECT round((count(*) - count(flow_launch_event))::numeric / count(*), 4)::real FROM crisp.campaigns'),
	'ANALYZE of all details: what is NULL');

$node->stop;
done_testing();
