# Short lists of a website: spam, who is there, teams, templates, names of events, blocked visitors, and what a
# plugin sees of subscriptions.  Values of every column, in whichever way Crisp answers, and what is asked.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispStatement;
use CrispTruth;
use JSON::PP;
use POSIX qw(ceil);
use Test::More;

my ($node, $sandbox) = start_crisp(people => 30, conversations => 20, operators => 12, websites => 3);

run_statements($node, $sandbox);

my $website = $sandbox->website_id;
my $own     = CrispTruth->new($sandbox, 'website');
my $plugin  = CrispTruth->new($sandbox, 'plugin');
my $at      = "website/$website";
my ($true, $false) = (JSON::PP::true, JSON::PP::false);

sub afresh { run_statements($node, $sandbox); return }

# What Crisp has.  Lists that come all at once, and the one row, have no pages.
my %elements = (
	conversation_spams     => [ $own->list("$at/conversations/spams") ],
	operators_active       => ($own->ask("$at/operators/active"))[0],
	operators_availability => ($own->ask("$at/availability/operators"))[0],
	website_availability   => [ ($own->ask("$at/availability/status"))[0] ],
	teams                  => [ $own->list("$at/teams/list") ],
	campaign_templates     => [ map { ($own->ask("$at/campaigns/template/$_->{template_id}"))[0] }
		  $own->list("$at/campaigns/templates") ],
	people_event_names     => [ $own->list("$at/people/suggest/events") ],
	visitors_blocked       => ($own->ask("$at/visitors/blocked"))[0]);
my %truth = map { $_ => truth_text($_, { website_id => $website }, @{ $elements{$_} }) } keys %elements;
my %paged = map { $_ => 1 } qw(conversation_spams teams campaign_templates people_event_names);

cmp_ok(scalar @{ $elements{conversation_spams} }, '>', 40, 'spam takes pages');
cmp_ok(scalar @{ $elements{teams} }, '>', 20, 'teams take pages');
cmp_ok(scalar @{ $elements{campaign_templates} }, '>', 40, 'templates take pages');
cmp_ok(scalar @{ $elements{$_} }, '>', 3, "$_ has rows") foreach qw(operators_active people_event_names);

#
# Every column of every row, in all the ways in which Crisp may answer.
#
foreach my $case (
	{},
	{ past_end       => 'not_found' },
	{ full_last_page => 206 },
	{ full_last_page => 206, past_end => 'not_found', list_per_page => 5 },
	{ list_per_page  => 7 },
	{ list_per_page  => 25 },
	{ default_order  => 'created' },
	{ default_order  => 'insertion' },
	{ default_order  => 'random' },
	{ honour_filters => $false },
	{ gzip           => $true })
{
	my $name = join ', ', map { "$_ $case->{$_}" } sort keys %{$case};

	$sandbox->reset;
	$sandbox->control($case);
	afresh();
	is(rows_text("crisp.$_", $_), $truth{$_}, "$_: every column, $name") foreach sort keys %truth;
	foreach my $query (
		[ conversation_spams => q(type = 'chat'),            sub { ($_[0]->{type} // '') eq 'chat' } ],
		[ conversation_spams => q(type = 'nothing'),         sub { 0 } ],
		[ conversation_spams => q(type = ''),                sub { defined $_[0]->{type} && $_[0]->{type} eq '' } ],
		[ conversation_spams => q(type IS NULL),             sub { !defined $_[0]->{type} } ],
		[ conversation_spams => q(type IN ('chat', 'email')), sub { ($_[0]->{type} // '') =~ /^(?:chat|email)$/ } ],
		[ campaign_templates => q(type = 'static'),          sub { ($_[0]->{type} // '') eq 'static' } ],
		[ campaign_templates => q(type = 'custom'),          sub { ($_[0]->{type} // '') eq 'custom' } ],
		[ campaign_templates => q(type <> 'custom'),         sub { ($_[0]->{type} // 'custom') ne 'custom' } ],
		[ campaign_templates => q(name = 'Plain'),           sub { $_[0]->{name} eq 'Plain' } ],
		[ campaign_templates => q(name = 'plain'),           sub { 0 } ],
		[ campaign_templates => q(name = 'Plain' AND type = 'custom'),
			sub { $_[0]->{name} eq 'Plain' && ($_[0]->{type} // '') eq 'custom' } ])
	{
		my ($resource, $condition, $belongs) = @{$query};

		is( rows_text("crisp.$resource", $resource, "WHERE $condition"),
			truth_text($resource, { website_id => $website }, grep { $belongs->($_) } @{ $elements{$resource} }),
			"$resource, $condition, $name");
	}
}
$sandbox->reset;
afresh();

#
# What is asked.
#
sql('SELECT count(*) FROM crisp.conversation_spams');    # a session that has seen a 206
foreach my $case (
	[ conversation_spams     => "$at/conversations/spams/" ],
	[ teams                  => "$at/teams/list/" ],
	[ people_event_names     => "$at/people/suggest/events/" ],
	[ operators_active       => "$at/operators/active" ],
	[ operators_availability => "$at/availability/operators" ],
	[ website_availability   => "$at/availability/status" ],
	[ visitors_blocked       => "$at/visitors/blocked" ])
{
	my ($resource, $route) = @{$case};
	my $rows = @{ $elements{$resource} };
	my $pages = $paged{$resource} ? ceil($rows / 20) : 1;
	my ($printed, @requests) = requests_of("SELECT count(*) FROM crisp.$resource");

	# Of a first page that isn't full, nothing tells that it's the last, until the list has said 206.
	$pages++ if $resource eq 'people_event_names';

	is($printed, $rows, "$resource: rows");
	is_deeply(
		[ map { $_->{path} } @requests ],
		[ map { "/v1/$route" . ($paged{$resource} ? $_ : '') } 1 .. $pages ],
		"$resource: requests");
	is(costs(1, "SELECT count(*) FROM (SELECT * FROM crisp.$resource LIMIT 3) x", "$resource, LIMIT"),
		$rows < 3 ? $rows : 3, "$resource, LIMIT: rows");
	like(sql("EXPLAIN SELECT * FROM crisp.$resource"), qr{Crisp Request: GET \Q$route\E}, "$resource: EXPLAIN");
	is(costs(0, "SELECT count(*) FROM crisp.$resource WHERE website_id = '$at'", "$resource, another website"),
		0, "$resource, another website: rows");
}

# Details of templates: for those that the query needs, and not where the list has all.
{
	my $rows = @{ $elements{campaign_templates} };
	my $pages = ceil($rows / 20);
	my @static = grep { ($_->{type} // '') eq 'static' } @{ $elements{campaign_templates} };
	my ($one) = grep { defined $_->{content} && length $_->{content} } @{ $elements{campaign_templates} };

	is(costs($pages, 'SELECT count(name) FROM crisp.campaign_templates', 'no details'), $rows, 'no details: rows');
	is(costs($pages + $rows, 'SELECT count(*) FROM crisp.campaign_templates WHERE content IS NULL', 'all details'),
		scalar(grep { !defined $_->{content} } @{ $elements{campaign_templates} }), 'all details: rows');
	costs(ceil(@static / 20) + @static, q(SELECT content FROM crisp.campaign_templates WHERE type = 'static'),
		'details of some');
	is( costs(1, "SELECT content FROM crisp.campaign_templates WHERE template_id = '$one->{template_id}'", 'by key'),
		do { my $text = $one->{content}; utf8::encode($text); $text }, 'by key: content');
	like(sql('EXPLAIN SELECT content FROM crisp.campaign_templates'),
		qr{Crisp Request For Each Row: GET \Q$at\E/campaigns/template/},
		'EXPLAIN shows what details cost');
}
foreach my $case (
	[ q(type = 'static'), 'filter_type_static=1' ],
	[ q(type = 'custom'), 'filter_type_custom=1' ],
	[ q(type = 'other'),  '' ],
	[ q(type <> 'custom'), '' ],
	[ q(name = 'Plain'),  'search_name=Plain' ],
	[ q(name = 'Plain' AND type = 'static'), 'filter_type_static=1&search_name=Plain' ],
	[ q(name LIKE 'Pl%'), '' ])
{
	my ($condition, $query) = @{$case};
	my ($printed, @requests) = requests_of("SELECT name FROM crisp.campaign_templates WHERE $condition");

	is($requests[0]->{query}, $query, "templates, $condition: parameters");
}
{
	my @chat = grep { ($_->{type} // '') eq 'chat' } @{ $elements{conversation_spams} };

	is(costs(ceil(@chat / 20), q(SELECT count(*) FROM crisp.conversation_spams WHERE type = 'chat'), 'spam by type'),
		scalar @chat, 'spam by type: rows');
	is(queries(), 'filter_type=chat', 'spam by type: parameter');
	costs(1 + ceil(@{ $elements{conversation_spams} } / 20),
		q(SELECT * FROM crisp.conversation_spams WHERE type = 'x'), 'a type that no spam has is looked for');
}

#
# Teams by key, and joined.
#
{
	my ($team, $other) = @{ $elements{teams} };
	my $gone = '00000000-0000-4000-8000-000000000000';

	is(costs(1, "SELECT team_id FROM crisp.teams WHERE team_id = '$team->{team_id}'", 'a team by key'),
		$team->{team_id}, 'a team by key: row');
	is(costs(2, "SELECT count(*) FROM crisp.teams WHERE team_id IN ('$team->{team_id}', '$other->{team_id}', "
			. "'$team->{team_id}')", 'teams by key'), 2, 'teams by key: rows');
	is(costs(1, "SELECT count(*) FROM crisp.teams WHERE team_id = '$gone'", 'a team that is gone'), 0,
		'a team that is gone: no row');
	is(costs(0, q(SELECT count(*) FROM crisp.teams WHERE team_id = ''), 'no key'), 0, 'no key: no row');
	is( costs(2, "SELECT count(*) FROM (VALUES ('$team->{team_id}'), ('$gone'), ('$team->{team_id}')) v (t) "
			. 'JOIN crisp.teams ON team_id = t', 'teams joined'),
		2, 'teams joined: rows');
	like(sql("EXPLAIN SELECT * FROM crisp.teams WHERE team_id = '$gone'"), qr{GET \Q$at\E/team/$gone}, 'EXPLAIN of a key');

	my ($staffed) = grep { @{ $_->{operators} // [] } > 0 } @{ $elements{teams} };
	my %members = map { $_ => 1 } @{ $staffed->{operators} };
	is(sql("SELECT count(*) FROM crisp.teams t JOIN crisp.operators o ON o.user_id = ANY (t.operators) "
		. "WHERE t.team_id = '$staffed->{team_id}'"), scalar keys %members, 'operators of a team');
}

#
# Two rows that are equal are both rows, where there is no key.
#
is(sql('SELECT max(n) FROM (SELECT count(*) AS n FROM crisp.visitors_blocked GROUP BY rule, blocked) g'),
	2, 'equal rules');

#
# Rules may be one object.
$sandbox->control({ blocked => 'object' });
is(rows_text('crisp.visitors_blocked', 'visitors_blocked'),
	truth_text('visitors_blocked', { website_id => $website }, $elements{visitors_blocked}->[0]),
	'rules that are an object');
sql('ANALYZE crisp.visitors_blocked');
is(sql(q(SELECT reltuples FROM pg_class WHERE relname = 'visitors_blocked')), 1, '... are one row for ANALYZE, too');
$sandbox->answer_with('*/visitors/blocked' => { body => '{"error":false,"reason":"listed","data":7}' });
isnt(($node->psql('postgres', 'SELECT * FROM crisp.visitors_blocked'))[0], 0,
	'rules that are a number are an error');
$sandbox->reset;

#
# What changes while a list is read: rows that slip to another page come once.
#
$sandbox->data([ { op => 'insert', resource => 'teams',
	row => { team_id => 'new', name => 'New', updated_at => 1900000000000 },
	at_request => { path => '*/teams/list/1', when => 'after' } } ]);
is(sql(q(SELECT count(*), count(DISTINCT team_id) FROM crisp.teams WHERE team_id <> 'new')),
	join('|', (scalar @{ $elements{teams} }) x 2), 'a team that is new doesn\'t double another');

# Odd elements.
$sandbox->reset;
$sandbox->data([
	{ op => 'raw', resource => 'teams', index => 0, text => '"no object"' },
	{ op => 'raw', resource => 'teams', index => 1, text => '{"name":7,"operators":"x","updated_at":null}' },
	{ op => 'raw', resource => 'blocked', index => 0, text => '{"rule":[1,null,"a"],"blocked":9007199254740993}' },
	{ op => 'raw', resource => 'blocked', index => 1, text => '{}' } ]);
is(sql(q(SELECT count(*) FROM crisp.teams)), @{ $elements{teams} } - 1, 'what is no object is no team');
# team_id is NOT NULL, so PostgreSQL answers IS NULL by itself from 17 on.
is(sql(q(SELECT name, team_id FROM crisp.teams WHERE name = '7')), '7|', 'a team without a key');
is(sql(q(SELECT rule, blocked FROM crisp.visitors_blocked LIMIT 2)), "{1,NULL,a}|9007199254740993\n|",
	'odd rules');

# Empty lists, and no answer at all.
$sandbox->reset;
$sandbox->data([ map { { op => 'clear', resource => $_ } } qw(spams teams templates blocked subscriptions operators) ]);
afresh();
is(costs(1, "SELECT count(*) FROM crisp.$_", "$_, empty"), 0, "$_, empty: rows")
	foreach qw(conversation_spams teams campaign_templates visitors_blocked operators_active operators_availability);
$sandbox->reset;
$sandbox->answer_with('*/availability/status' =>
	{ body => '{"error":false,"reason":"resolved","data":{}}' });
is(sql('SELECT status IS NULL, since IS NULL FROM crisp.website_availability'), 't|t',
	'availability without fields is a row');
$sandbox->reset;

#
# Plugin subscriptions: of one website, or of all.
#
my @websites = map { $sandbox->website_id($_) } 0 .. 2;
{
	my ($code, $out, $err) = $node->psql('postgres', 'SELECT * FROM crisp.plugin_subscriptions',
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	like($err, qr/42501/, 'subscriptions of a website token: refused');
	like($err, qr/HINT:  Crisp gives "plugin_subscriptions" to tokens of tier plugin alone, .* tier website\./,
		'... with a hint');
	$sandbox->answer_with('*/teams/list/*' => { status => 403 });
	($code, $out, $err) = $node->psql('postgres', 'SELECT * FROM crisp.teams',
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	like($err, qr/HINT:  Check that the token/, 'other refusals have the hint that they had');
	$sandbox->reset;
}
connect_crisp($node, $sandbox, server => 'plugin', schema => 'p', tier => 'plugin');
{
	my ($url, $credentials) = ($sandbox->url, credential_options($sandbox, 'plugin'));

	sql(<<"END");
CREATE SERVER everywhere FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url '$url');
CREATE USER MAPPING FOR CURRENT_USER SERVER everywhere OPTIONS ($credentials);
CREATE SCHEMA e;
IMPORT FOREIGN SCHEMA crisp LIMIT TO (plugin_subscriptions) FROM SERVER everywhere INTO e;
CREATE FOREIGN TABLE e.second (id text, website_id text) SERVER everywhere
	OPTIONS (resource 'plugin_subscriptions', website_id '$websites[1]');
END
}
foreach my $seen ('all', 'own')
{
	$sandbox->control({ subscriptions => $seen });
	afresh();
	my ($first) = $plugin->ask("plugins/subscription/$websites[0]");
	my ($all)   = $plugin->ask('plugins/subscription');

	cmp_ok(scalar @{$all}, '>', scalar @{$first}, "$seen: all are more than one website's");
	is(rows_text('p.plugin_subscriptions', 'plugin_subscriptions'),
		truth_text('plugin_subscriptions', { website_id => $websites[0] }, @{$first}),
		"$seen: of one website, every column");
	is(rows_text('e.plugin_subscriptions', 'plugin_subscriptions'),
		truth_text('plugin_subscriptions', {}, @{$all}), "$seen: of all, every column");
	is(sql("SELECT count(*) FROM e.second WHERE website_id = '$websites[1]'"),
		scalar @{ ($plugin->ask("plugins/subscription/$websites[1]"))[0] }, "$seen: of the table's website");
	is( sql("SELECT count(*) FROM e.plugin_subscriptions WHERE website_id = '$websites[1]'"),
		scalar(grep { ($_->{website_id} // '') eq $websites[1] } @{$all}),
		"$seen: a condition on the website leaves its own");
	is( sql("SELECT count(*) FROM e.plugin_subscriptions WHERE website_id = ANY (ARRAY['$websites[1]', NULL, 'x'])"),
		scalar(grep { ($_->{website_id} // '') eq $websites[1] } @{$all}),
		"$seen: ... also one of several");
}
$sandbox->reset;
afresh();
{
	my ($printed, @requests) = requests_of('SELECT * FROM p.plugin_subscriptions');

	is_deeply([ map { $_->{path} } @requests ], ["/v1/plugins/subscription/$websites[0]"], 'of one: request');
	($printed, @requests) = requests_of('SELECT * FROM e.plugin_subscriptions');
	is_deeply([ map { $_->{path} } @requests ], ['/v1/plugins/subscription'], 'of all: request');
	($printed, @requests) = requests_of('SELECT DISTINCT website_id FROM e.second');
	is_deeply([ map { $_->{path} } @requests ], ["/v1/plugins/subscription/$websites[1]"], 'of the table\'s: request');
	is($printed, $websites[1], 'of the table\'s: the website');
	is(costs(0, "SELECT * FROM e.second WHERE website_id = '$websites[0]'", 'of the table\'s, another website'), '',
		'of the table\'s, another website: no row');
	like(sql('EXPLAIN SELECT * FROM e.plugin_subscriptions'), qr{Crisp Request: GET plugins/subscription$}m, 'EXPLAIN, all');
	like(sql('EXPLAIN SELECT * FROM e.second'), qr{GET plugins/subscription/$websites[1]$}m, 'EXPLAIN, one');
}
is(sql(q(SELECT pg_typeof(since), count(*) > 1 FROM e.plugin_subscriptions GROUP BY 1)), 'text|t', 'since is a text');
cmp_ok(sql('SELECT count(*) FROM e.plugin_subscriptions a JOIN e.plugin_subscriptions b '
	. 'ON a.id = b.id AND a.website_id <> b.website_id'), '>', 0, 'several websites have the same plugin');
{
	my ($code, $out, $err) = $node->psql('postgres',
		"ALTER USER MAPPING FOR CURRENT_USER SERVER everywhere OPTIONS (SET tier 'website', SET identifier '"
		. $sandbox->credentials('website')->{identifier} . "', SET key '" . $sandbox->credentials('website')->{key}
		. "'); SELECT * FROM e.plugin_subscriptions", extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	like($err, qr/42501.*HINT:  Crisp gives "plugin_subscriptions"/s, 'a website token, without a website');
}

#
# ANALYZE, and what IMPORT makes of them.
#
foreach my $resource (sort keys %elements)
{
	sql("ANALYZE crisp.$resource");
	is(sql("SELECT reltuples FROM pg_class WHERE oid = 'crisp.$resource'::regclass"), scalar @{ $elements{$resource} },
		"ANALYZE $resource");
}
sql('ALTER USER MAPPING FOR CURRENT_USER SERVER everywhere OPTIONS (SET tier \'plugin\', SET identifier '
	. "'$sandbox->{info}->{plugin}->{identifier}', SET key '$sandbox->{info}->{plugin}->{key}')");
is(costs(1, 'ANALYZE e.plugin_subscriptions', 'ANALYZE subscriptions'), '', 'ANALYZE subscriptions of all');
my $names = join ',', sort(keys %elements), 'plugin_subscriptions';
is( sql(<<"END"),
SELECT string_agg(c.relname || '.' || a.attname, ' ' ORDER BY c.relname, a.attname)
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 WHERE a.attnum > 0 AND a.attnotnull AND a.attname <> 'website_id' AND c.relnamespace = 'crisp'::regnamespace
   AND c.relname = ANY ('{$names}')
END
	'campaign_templates.template_id conversation_spams.spam_id operators_active.user_id operators_availability.user_id '
	. 'people_event_names.text teams.team_id', 'columns that are never NULL');

done_testing();
