# What belongs to a website besides conversations and people: sub-inboxes,
# segments, the count of visitors, and the websites themselves.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispStatement;
use Test::More;

my ($node, $sandbox) = start_crisp(
	conversations => 400,
	people        => 120,
	visitors      => 33,
	websites      => 5);

run_statements($node, $sandbox);

my $website = $sandbox->website_id;

sub error
{
	my ($statement, @parameters) = @_;
	my ($status, $printed, $message) =
	  $node->psql('postgres', "\\set VERBOSITY verbose\n$statement", @parameters);

	return $message;
}

# Of these lists, the page size is Crisp's choice, so where one page has all rows, and nobody
# has seen that the server tells its last pages, it takes a second request to know.
my $one_page = 2;

#
# Sub-inboxes.
#
my @inboxes = $sandbox->rows('inboxes');
is( costs(
		$one_page,
		'SELECT inbox_id, "order", cardinality(operators), cardinality(teams), cardinality(team_operators), '
		  . 'jsonb_array_length(conditions), operator, extract(epoch FROM created_at) * 1000 FROM crisp.inboxes ORDER '
		  . 'BY "order"',
		'inboxes'),
	join(
		"\n",
		map {
			join '|', map { $_ // '' } $_->{inbox_id}, $_->{order},
			  scalar @{ $_->{operators} }, scalar @{ $_->{teams} },
			  scalar @{ $_->{team_operators} }, scalar @{ $_->{conditions} }, $_->{operator},
			  "$_->{created_at}.000000"
		} sort { $a->{order} <=> $b->{order} } @inboxes),
	'inboxes: their fields');
is( sql(
		'SELECT count(*) > 0, bool_and(i.inbox_id IS NOT NULL) FROM crisp.conversations c '
		  . 'LEFT JOIN crisp.inboxes i USING (inbox_id) WHERE c.inbox_id <> \'_internal:agent\''),
	't|t',
	'conversations lie in inboxes');

#
# Segments, and how often they are used, also by conversations without a message.
#
sql(q(ALTER FOREIGN TABLE crisp.conversations OPTIONS (ADD include_empty 'true')));
is( costs(
		$one_page,
		'SELECT segment, count FROM crisp.conversation_segments ORDER BY segment COLLATE "C"',
		'segments of conversations'),
	sql('SELECT s, count(*) FROM crisp.conversations, unnest(meta_segments) s GROUP BY 1 ORDER BY s COLLATE "C"'
	),
	'segments of conversations: as the conversations have them');
is( costs(
		$one_page,
		'SELECT segment, count FROM crisp.people_segments ORDER BY segment COLLATE "C"',
		'segments of people'),
	sql('SELECT s, count(*) FROM crisp.people_profiles, unnest(segments) s GROUP BY 1 ORDER BY s COLLATE "C"'),
	'segments of people: as the profiles have them');
$sandbox->data([
	{
		op       => 'patch',
		resource => 'people',
		index    => 0,
		set      => { segments => [ map { "segment $_" } 1 .. 50 ] }
	}
]);
my ($segments) = requests_of('SELECT count(*) FROM crisp.people_segments');
cmp_ok($segments, '>', 50, 'segments on several pages');
is( scalar(my @pages = $sandbox->requests),
	pages($segments, 20),
	'segments on several pages: requests');
$sandbox->reset;

#
# The count of visitors: one row.
#
my @visitors = $sandbox->rows('visitors');
my $active   = grep { $_->{active} } @visitors;
is(costs(1, 'SELECT count, active, limited FROM crisp.visitors_count', 'visitors_count'),
	"33|$active|f", 'visitors_count: one row');
is_deeply(
	[ $sandbox->targets ],
	["GET /v1/website/$website/visitors/count"],
	'visitors_count: one request');
is(costs(1, 'SELECT count(*), sum(count) FROM crisp.visitors_count WHERE active >= 0', 'its sum'),
	'1|33', 'visitors_count: as any other table');
is(costs(1, 'SELECT 1 FROM crisp.visitors_count WHERE count > 33', 'a condition'),
	'', 'visitors_count: conditions are checked');
$sandbox->control({ visitors_limited => JSON::PP::true });
is(sql('SELECT count, limited FROM crisp.visitors_count'), '20|t', 'a count that is cut off says so');
$sandbox->reset;
is(sql('ANALYZE crisp.visitors_count; SELECT reltuples FROM pg_class WHERE oid = \'crisp.visitors_count\'::regclass'),
	1, 'ANALYZE of one row');
foreach my $answer ('[]', '[{"count":1}]', 'null', '"x"')
{
	$sandbox->control({
		answers => [
			{
				match => { path => '*/visitors/count' },
				body  => qq({"error":false,"reason":"resolved","data":$answer})
			}
		]
	});
	like(
		error('SELECT * FROM crisp.visitors_count'),
		qr/08P01: unexpected answer from Crisp.*"data" is not an object/s,
		"visitors_count: $answer is no row");
}
$sandbox->control({
	answers => [
		{
			match => { path => '*/operators/list' },
			body  => '{"error":false,"reason":"resolved","data":{}}'
		}
	]
});
like(
	error('SELECT * FROM crisp.operators'),
	qr/"data" is not an array/,
	'and a list is no row');
$sandbox->reset;

#
# The website of a website's token.
#
my @websites = @{ $sandbox->info->{websites} };
utf8::encode($_->{name}) foreach @websites;
is( costs(
		1, 'SELECT website_id, name, domain, price IS NULL FROM crisp.websites',
		'the website'),
	"$website|$websites[0]->{name}|$websites[0]->{domain}|t",
	'the website');
is_deeply([ $sandbox->targets ], ["GET /v1/website/$website"], 'the website: by its route');
unlike(sql('EXPLAIN SELECT name FROM crisp.websites'), qr/Each Row/, 'its route has its name');

#
# Those of a plugin, for which nobody sets a website_id.
#
my $base_url   = $sandbox->url;
my $credentials = credential_options($sandbox, 'plugin');
$node->safe_psql('postgres', <<"END");
CREATE SERVER plugin FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url '$base_url', prefetch '1');
CREATE USER MAPPING FOR CURRENT_USER SERVER plugin OPTIONS ($credentials);
CREATE SCHEMA plugin;
IMPORT FOREIGN SCHEMA crisp LIMIT TO (websites, operators) FROM SERVER plugin INTO plugin;
END
my @installed = grep { $_->{has_plugin} } @websites;
is( costs($one_page, 'SELECT website_id FROM plugin.websites ORDER BY 1', 'websites of a plugin'),
	join("\n", sort map { $_->{website_id} } @installed),
	'websites of a plugin');
is_deeply(
	[ $sandbox->targets ],
	[
		map { "GET /v1/plugin/connect/websites/all/$_?filter_configured=0&include_plan=1" } 1 .. 2
	],
	'websites of a plugin: by the route of plugins');
is( sql('SELECT count(*), count(price), count(token), count(settings), count(plan_name), count(plan_trialing) '
	. 'FROM plugin.websites'),
	join('|', (scalar @installed) x 6),
	'websites of a plugin: what it knows of them');
is( costs(
		$one_page + @installed,
		'SELECT website_id, name, domain, plan_id IS NOT NULL FROM plugin.websites ORDER BY name',
		'names of a plugin\'s websites'),
	join("\n",
		map { "$_->{website_id}|$_->{name}|$_->{domain}|t" }
		sort { $a->{name} cmp $b->{name} } @installed),
	'names and domains come from the websites');
is( costs(
		$one_page + 1,
		"SELECT name FROM plugin.websites WHERE website_id = '$installed[1]->{website_id}'",
		'one website of a plugin'),
	$installed[1]->{name},
	'one website of a plugin');
like(
	sql('EXPLAIN SELECT name FROM plugin.websites'),
	qr{Crisp Request: GET plugin/connect/websites/all/1\?.*\n +Crisp Request For Each Row: GET website/\{key\}\n},
	'EXPLAIN knows the tier');
like(
	error('SELECT * FROM plugin.operators'),
	qr/HV002: option "website_id" is required for foreign table "operators"/,
	'other tables of a plugin need a website');

# A token of another tier needs one, too.
$node->safe_psql('postgres', <<'END');
CREATE ROLE somebody;
GRANT USAGE ON SCHEMA plugin TO somebody;
GRANT SELECT ON plugin.websites TO somebody;
END
like(
	error('SET ROLE somebody; EXPLAIN SELECT * FROM plugin.websites'),
	qr/42704: user mapping not found for user "somebody"/,
	'whose websites they are depends on the mapping');
$credentials = credential_options($sandbox, 'website');
$node->safe_psql('postgres',
	"CREATE USER MAPPING FOR somebody SERVER plugin OPTIONS ($credentials)");
foreach my $statement ('EXPLAIN SELECT * FROM plugin.websites', 'SELECT name FROM plugin.websites')
{
	like(
		error("SET ROLE somebody; $statement"),
		qr/HV002: option "website_id" is required for foreign table "websites"/,
		"$statement: with a website's token");
}
$node->safe_psql('postgres', "ALTER SERVER plugin OPTIONS (ADD website_id '$website')");
is($node->safe_psql('postgres', 'SET ROLE somebody; SELECT name FROM plugin.websites'),
	$websites[0]->{name}, 'a server with a website_id, a website\'s token: that website');
is( sql('SELECT count(*) FROM plugin.websites'),
	scalar(@installed), 'a server with a website_id, a plugin\'s token: all of them');

# A view's owner counts.
$node->safe_psql('postgres', <<'END');
CREATE VIEW plugin.mine AS SELECT name FROM plugin.websites;
GRANT SELECT ON plugin.mine TO somebody;
END
is( $node->safe_psql('postgres', 'SET ROLE somebody; SELECT count(*) FROM plugin.mine'),
	scalar(@installed), 'a view shows the websites of its owner');

$node->stop;
done_testing();
