# Several accounts: websites, tokens and roles at once, each with requests of its own.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use CrispStatement;
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use Test::More;

my $sandbox = CrispSandbox->start(
	conversations => 1200,
	people => 600,
	visitors => 60,
	operators => 6,
	websites => 4);
my $node = start_node();
my @website = map { $sandbox->website_id($_) } 0 .. 3;

# What the sandbox calls a resource, and all ids of its rows on a website.
my %listed_as = (people_profiles => 'people');

sub ids_of
{
	my ($resource, $number) = @_;
	my @rows = $sandbox->rows($listed_as{$resource} // $resource, $website[$number]);

	return map { $_->{session_id} // $_->{people_id} // $_->{details}->{user_id} } @rows;
}

# The numbers of the websites that were asked.
sub websites_asked
{
	my %asked = map { ($_->{path} =~ m{website/([^/]+)})[0] => 1 } $sandbox->requests;

	return join ' ', grep { $asked{ $website[$_] } } 0 .. $#website;
}

sub authorization
{
	my ($tier, $number) = @_;
	my $credentials = $sandbox->credentials($tier, $number);

	return 'Basic ' . encode_base64("$credentials->{identifier}:$credentials->{key}", '');
}

connect_crisp($node, $sandbox, server => 'one', schema => 'one');
connect_crisp($node, $sandbox, server => 'two', schema => 'two', website => 1);
connect_crisp($node, $sandbox, server => 'all_of_them', schema => 'plugin', tier => 'plugin');
run_statements($node, $sandbox);

#
# A column that says which website.
#

my %key = (
	conversations => 'session_id',
	people_profiles => 'people_id',
	visitors => 'session_id',
	operators => 'user_id');
foreach my $resource (
	sort(keys %key), qw(campaigns inboxes conversation_segments people_segments visitors_count))
{
	is(sql("SELECT DISTINCT website_id FROM one.$resource"), $website[0], "$resource say where they are");
	is(sql("SELECT DISTINCT website_id FROM two.$resource"), $website[1], '... and so do others');
	is(costs(0, "SELECT * FROM one.$resource WHERE website_id = '$website[1]'", $resource),
		'', '... and nobody asks one for those of another');
	is(costs(0, "SELECT * FROM one.$resource WHERE website_id IN ('$website[1]', 'x')", $resource),
		'', '... nor for those of two others');
	is(costs(0, "SELECT * FROM one.$resource WHERE website_id = NULL::text", $resource),
		'', '... nor for those of none');
	is( sql("SELECT count(*) FROM one.$resource WHERE website_id IN ('$website[1]', '$website[0]')"),
		sql("SELECT count(*) FROM one.$resource WHERE website_id IS NOT NULL"),
		'... but for its own');
}
is(sql("SELECT count(*) FROM one.people_profiles WHERE website_id <> '$website[1]'"),
	600, 'what no request can say is checked here');
is(sql("SELECT count(*) FROM one.people_profiles WHERE website_id COLLATE \"C\" = upper('$website[0]')"),
	0, 'letters count');

# The planner knows that a list has one website, and doesn't fetch it for each row of another table.
sub expected_rows
{
	return (sql("EXPLAIN SELECT * FROM one.people_profiles $_[0]") =~ /^Foreign Scan.* rows=(\d+)/)[0];
}
is(expected_rows("WHERE website_id = '$website[0]'"),
	expected_rows(''), 'a condition on the website leaves all rows to expect');
is( costs(
		pages(600),
		"CREATE TEMPORARY TABLE w AS SELECT unnest(ARRAY['$website[0]', '$website[0]', '$website[1]']) AS website_id; "
			. "SELECT count(*) FROM w JOIN one.people_profiles USING (website_id)",
		'a join on the website'),
	1200,
	'a join on the website reads the list once');

# An option in capitals stands for the same website.
my $capitals = uc $website[0];
sql(<<"END");
CREATE FOREIGN TABLE typed (id uuid OPTIONS (json_path 'website_id'), website_id varchar(40), user_id text)
	SERVER two OPTIONS (resource 'operators', website_id '$capitals');
END
sql(sprintf 'ALTER USER MAPPING FOR CURRENT_USER SERVER two OPTIONS (SET tier %s, SET identifier %s, SET key %s)',
	map { "'$sandbox->{info}->{plugin}->{$_}'" } qw(tier identifier key));
is(costs(1, "SELECT DISTINCT id, website_id FROM typed WHERE id = '$capitals'", 'a uuid'),
	"$website[0]|$website[0]", 'a column of another type, and name');
is(costs(0, "SELECT * FROM typed WHERE id = '$website[1]'", 'another uuid'),
	'', '... which nobody asks about for another website');
is(costs(0, "SELECT * FROM typed WHERE website_id = '$capitals'", 'capitals'),
	'', 'a text that is written differently is another one');
sql(sprintf 'ALTER USER MAPPING FOR CURRENT_USER SERVER two OPTIONS (%s)',
	credential_options($sandbox, 'website', 1) =~ s/(?=\b(tier|identifier|key) )/SET /gr);

#
# One table for all websites of a token, partitioned by website.
#

sub partition
{
	my ($parent, $number, $options) = @_;
	my $resource = $parent =~ s/.*\.//r;

	return "CREATE FOREIGN TABLE every.${resource}_$number PARTITION OF $parent\n"
	  . "FOR VALUES IN ('$website[$number]') SERVER all_of_them\n"
	  . "OPTIONS (resource '$resource', website_id '$website[$number]'" . ($options // '') . ');';
}

sql('CREATE SCHEMA every');
foreach my $resource (sort keys %key)
{
	sql("CREATE TABLE every.$resource (LIKE plugin.$resource) PARTITION BY LIST (website_id)");
	sql(partition("every.$resource", $_)) foreach 0 .. 2;

	my $all = "SELECT website_id, $key{$resource} FROM every.$resource";
	my @expected = map {
		my $number = $_;
		map { "$website[$number]|$_" } ids_of($resource, $number)
	} 0 .. 2;
	is_deeply([ sort split /\n/, sql($all) ], [ sort @expected ], "$resource of three websites");
	is(websites_asked(), '0 1 2', '... come from all three');

	$sandbox->clear;
	is_deeply(
		[ sort split /\n/, sql("SELECT $key{$resource} FROM every.$resource WHERE website_id = '$website[1]'") ],
		[ sort(ids_of($resource, 1)) ],
		'... and those of one');
	is(websites_asked(), '1', '... come from that one');
}

# Each of these asks two of three websites or one, and the rest is never looked at.
sub asks
{
	my ($expected, $statement, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $printed = sql($statement);
	is(websites_asked(), $expected, "$name: websites");
	$sandbox->clear;
	return $printed;
}

my $people = 'SELECT count(*) FROM every.people_profiles WHERE';
my $generic = 'SET plan_cache_mode = force_generic_plan; PREPARE of_website (text) AS';
$sandbox->clear;
is(asks('1 2', "$people website_id IN ('$website[2]', '$website[1]')", 'a list'), 120, 'people of two');
is(asks('', "$people website_id = '$website[3]'", 'none'), 0, 'people of a website without a table');
is(asks('2', "$generic $people website_id = \$1; EXECUTE of_website('$website[2]')", 'a parameter'),
	60, 'people by a parameter');
is(asks('2', "$people website_id = (SELECT '$website[2]')", 'a subquery'), 60, 'people by a subquery');
is( asks(
		'1',
		"SET crisp.website = '$website[1]'; $people website_id = current_setting('crisp.website')",
		'a stable function'),
	60,
	'people by a stable function');
is( asks(
		'0 1',
		"SELECT count(*) FROM (VALUES ('$website[0]'), ('$website[1]')) w(id), LATERAL (SELECT FROM every.operators "
			. "WHERE website_id = w.id OFFSET 0) o",
		'a row of another table'),
	9,
	'operators by rows of another table');
is( asks('1',
	"SELECT count(*) FROM every.conversations JOIN every.people_profiles USING (website_id, people_id) "
		. "WHERE website_id = '$website[1]'", 'a join'),
	sql("SELECT count(*) FROM two.conversations JOIN two.people_profiles USING (people_id)"),
	'a join within a website stays there');
$sandbox->clear;
asks('2', "SELECT * FROM every.conversations WHERE website_id = '$website[2]' ORDER BY updated_at DESC LIMIT 5",
	'the newest');
is( asks('0 1 2',
	"SELECT count(*) FROM every.conversations WHERE session_id = (SELECT session_id FROM two.conversations LIMIT 1)",
		'a key'),
	1, 'a key is looked up on each website');

# All partitions of one server are asked at the same time, and no more than it takes.
{
	my $plan = sql('EXPLAIN (COSTS OFF) SELECT session_id FROM every.conversations');

	like($plan, qr/(Async Foreign Scan on .*){3}/s, 'partitions are scanned asynchronously');
	$sandbox->clear;
	$sandbox->control({ answers => [ { match => { path => "website/$website[0]/*" }, hang => JSON::PP::true } ] });
	my $session = CrispSession->start($node);
	$session->send('SELECT count(*) FROM every.people_profiles');
	for (1 .. 600)
	{
		last if websites_asked() eq '0 1 2';
		select undef, undef, undef, 0.05;
	}
	is(websites_asked(), '0 1 2', 'while the first one is silent, the others are asked');
	sql('SELECT pg_cancel_backend(' . $session->pid . ')');
	is($session->wait->{errors}->[0]->{sqlstate}, '57014', '... and cancelling ends it');
	$session->quit;
	$sandbox->reset;
}

# A partition whose website is another one than its bounds say would hide rows: it's an error.
sql(partition('every.operators', 3) =~ s/website_id '$website[3]'/website_id '$website[0]'/r);
my $session = CrispSession->start($node);
$sandbox->clear;
$session->fails(
	'SELECT count(*) FROM every.operators',
	{
		sqlstate => 'HV024',
		message => 'website of foreign table "operators_3" is not within the bounds of its partition',
		detail => "Its rows are those of website \"$website[0]\".",
		hint =>
		  'Set the table\'s option website_id to the website of the bounds, which Crisp writes in lower case.'
	},
	'a website outside of the bounds');
is($sandbox->count, 0, '... for which nobody is asked');
is($session->query("SELECT count(*) FROM every.operators WHERE website_id = '$website[1]'"),
	3, '... but the other partitions go on');
$session->query('DROP FOREIGN TABLE every.operators_3');
$session->query(<<"END");
CREATE TABLE every.nested (LIKE plugin.conversations) PARTITION BY LIST (website_id);
CREATE TABLE every.nested_1 PARTITION OF every.nested FOR VALUES IN ('$website[1]') PARTITION BY RANGE (created_at);
CREATE FOREIGN TABLE every.nested_1_all PARTITION OF every.nested_1 FOR VALUES FROM (MINVALUE) TO (MAXVALUE)
	SERVER all_of_them OPTIONS (resource 'conversations', website_id '$website[1]');
CREATE FOREIGN TABLE every.nested_rest PARTITION OF every.nested DEFAULT
	SERVER all_of_them OPTIONS (resource 'conversations', website_id '$website[2]');
END
is( $session->query('SELECT count(*) FROM every.nested'),
	(my @one = ids_of('conversations', 1)) + (my @two = ids_of('conversations', 2)),
	'partitions of partitions, and a default one');
$session->query("ALTER FOREIGN TABLE every.nested_rest OPTIONS (SET website_id '$website[1]')");
$session->fails(
	'SELECT count(*) FROM every.nested',
	{ sqlstate => 'HV024', message => qr/"nested_rest"/ },
	'a default partition for a website that has its own');
$session->query("ALTER FOREIGN TABLE every.nested_1_all OPTIONS (SET website_id '$website[2]')");
$session->fails(
	"SELECT count(*) FROM every.nested WHERE website_id = '$website[1]'",
	{ sqlstate => 'HV024', message => qr/"nested_1_all"/ },
	'the bounds of a parent count, too');

# The way to make them that docs/accounts.md shows.
my $make_partitions = <<'END';
SELECT format('CREATE FOREIGN TABLE made.%1$I PARTITION OF made.%2$I FOR VALUES IN (%3$L)
                 SERVER all_of_them OPTIONS (resource %2$L, website_id %3$L)',
              t.name || '_' || w.website_id, t.name, w.website_id)
  FROM plugin.websites w, unnest(ARRAY['conversations', 'people_profiles']) AS t (name)
 WHERE to_regclass(format('made.%I', t.name || '_' || w.website_id)) IS NULL
\gexec
END
$session->query(<<"END");
CREATE SCHEMA made;
CREATE TABLE made.conversations (LIKE plugin.conversations) PARTITION BY LIST (website_id);
CREATE TABLE made.people_profiles (LIKE plugin.people_profiles) PARTITION BY LIST (website_id);
END
foreach my $time ('first', 'second')
{
	$session->query($make_partitions);
	is($session->query("SELECT count(*) FROM pg_inherits WHERE inhparent::regclass::text LIKE 'made.%'"),
		6, "a table for each website of the plugin, the $time time");
}
is($session->query('SELECT count(*) FROM made.people_profiles'), 600 + 60 + 60, '... with all rows');

# What is written through the parent goes to the website that the row names.
$session->query('CREATE TABLE made.messages (LIKE plugin.messages) PARTITION BY LIST (website_id)');
$session->query(
	partition('made.messages', $_, ", updatable 'true'") =~ s/TABLE every\./TABLE made./r)
  foreach 0 .. 2;
my ($conversation) = ids_of('conversations', 1);
$sandbox->clear;
my $fingerprint = $session->query(<<"END");
INSERT INTO made.messages (website_id, session_id, type, "from", origin, content)
VALUES ('$website[1]', '$conversation', 'note', 'operator', 'chat', 'to the second') RETURNING fingerprint
END
like($fingerprint, qr/^\d+$/, 'a message for a website');
is_deeply(
	[ map { "$_->{method} $_->{path}" } grep { $_->{method} ne 'GET' } $sandbox->requests ],
	["POST /v1/website/$website[1]/conversation/$conversation/message"],
	'... is sent there');
$sandbox->clear;
is( $session->run(
	"INSERT INTO made.messages_0 (website_id, session_id, content) VALUES ('$website[1]', '$conversation', 'x')")
	->{errors}->[0]->{sqlstate} =~ /^(23514|22023)$/ ? 1 : 0, 1, 'a partition takes no message for another website');
is($sandbox->count, 0, '... and asks nobody');

# What is below other rows, too.
is($session->query("SELECT count(*) FROM made.messages_0 WHERE website_id = '$website[1]'"),
	0, 'messages of another website');
is($session->query("SELECT count(*) FROM made.messages WHERE website_id = '$website[3]'"),
	0, 'messages of a website without a table');
is($sandbox->count, 0, '... need no walk');
is( $session->query(
		"SELECT DISTINCT website_id FROM made.messages WHERE website_id <> '$website[0]' "
			. "AND session_id = '$conversation'"
	),
	$website[1],
	'messages of a conversation say where they are');
$sandbox->clear;
is( $session->query(
		"SELECT count(*) FROM made.conversations c JOIN made.messages m USING (website_id, session_id) "
			. "WHERE website_id = '$website[1]' AND session_id = '$conversation'"
	),
	$session->query("SELECT count(*) FROM made.messages_1 WHERE session_id = '$conversation'"),
	'a join with its conversation');
is(websites_asked(), '1', '... stays on its website');

#
# Several servers and roles at once.
#

# Which credentials were sent for which website, as names.
my %name_of = (
	(map { (authorization('website', $_) => "website $_") } 0 .. 3),
	authorization('plugin') => 'plugin',
	authorization('user') => 'user');

sub sent
{
	my %sent;

	foreach my $request ($sandbox->requests)
	{
		my ($id) = $request->{path} =~ m{website/([^/]+)};
		my ($number) = grep { $website[$_] eq $id } 0 .. $#website;

		$sent{"$number: " . ($name_of{ $request->{headers}->{authorization} } // 'unknown')} = 1;
	}
	return join ', ', sort keys %sent;
}

# No connection ever carries two credentials.
sub mixed_connections
{
	my %seen;

	$seen{ $_->{connection} }->{ $_->{headers}->{authorization} } = 1 foreach $sandbox->requests;
	return scalar grep { keys %{$_} > 1 } values %seen;
}

$session->query(<<"END");
CREATE SERVER by_user FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url '@{[ $sandbox->url ]}', website_id '$website[3]',
	prefetch '1');
CREATE USER MAPPING FOR CURRENT_USER SERVER by_user OPTIONS (@{[ credential_options($sandbox, 'user') ]});
CREATE SCHEMA by_user;
IMPORT FOREIGN SCHEMA crisp FROM SERVER by_user INTO by_user;
END
$sandbox->clear;
is( $session->query(<<"END"), 2, 'a join of four servers');
SELECT count(DISTINCT o.user_id) FROM one.operators o, two.operators t, by_user.operators u, every.operators e
 WHERE e.website_id IN ('$website[0]', '$website[1]') AND o.type = 'operator' AND o.user_id IN (SELECT user_id
 FROM one.operators WHERE type = 'operator' ORDER BY user_id LIMIT 2)
END
is(sent(), '0: plugin, 0: website 0, 1: plugin, 1: website 1, 3: user', '... sends to each what is its own');
is(mixed_connections(), 0, '... over connections of its own');

# One partitioned table over several servers, with a token each.
$session->query(<<"END");
CREATE TABLE every.tokens (LIKE plugin.people_profiles) PARTITION BY LIST (website_id);
CREATE FOREIGN TABLE every.tokens_0 PARTITION OF every.tokens FOR VALUES IN ('$website[0]') SERVER one
	OPTIONS (resource 'people_profiles');
CREATE FOREIGN TABLE every.tokens_1 PARTITION OF every.tokens FOR VALUES IN ('$website[1]') SERVER two
	OPTIONS (resource 'people_profiles');
CREATE FOREIGN TABLE every.tokens_2 PARTITION OF every.tokens FOR VALUES IN ('$website[2]') SERVER all_of_them
	OPTIONS (resource 'people_profiles', website_id '$website[2]');
CREATE FOREIGN TABLE every.tokens_3 PARTITION OF every.tokens FOR VALUES IN ('$website[3]') SERVER by_user
	OPTIONS (resource 'people_profiles');
END
my $of_each = 'SELECT string_agg(website_id || count, \',\' ORDER BY count, website_id) FROM '
	. '(SELECT website_id, count(*) FROM every.tokens GROUP BY 1) c';
my $expected = join ',', (map { $_ . 60 } sort @website[ 1 .. 3 ]), $website[0] . 600;
$sandbox->clear;
is($session->query($of_each), $expected, 'four servers under one table');
is(sent(), '0: website 0, 1: website 1, 2: plugin, 3: user', '... each with its token');
is(mixed_connections(), 0, '... over connections of its own');
$sandbox->clear;
is($session->query("SELECT count(*) FROM every.tokens WHERE website_id = '$website[3]'"), 60, 'one of them');
is(sent(), '3: user', '... alone');

# Two roles in one session.
$session->query(<<"END");
CREATE ROLE anna; CREATE ROLE ben;
GRANT USAGE ON SCHEMA one, two, every, by_user TO anna, ben;
GRANT SELECT ON ALL TABLES IN SCHEMA one, two, every, by_user TO anna, ben;
CREATE USER MAPPING FOR anna SERVER one OPTIONS (@{[ credential_options($sandbox, 'plugin') ]});
CREATE USER MAPPING FOR ben SERVER one OPTIONS (@{[ credential_options($sandbox, 'user') ]});
CREATE USER MAPPING FOR anna SERVER two OPTIONS (@{[ credential_options($sandbox, 'user') ]});
CREATE VIEW one.of_superuser AS SELECT people_id FROM one.people_profiles;
CREATE VIEW one.of_anna AS SELECT people_id FROM one.people_profiles;
ALTER VIEW one.of_anna OWNER TO anna;
GRANT SELECT ON one.of_superuser, one.of_anna TO anna, ben;
PREPARE people AS SELECT count(*) FROM one.people_profiles WHERE people_id IS NOT NULL;
END
foreach my $turn (1 .. 2)
{
	foreach (
		[ 'RESET ROLE', '0: website 0' ],
		[ 'SET ROLE anna', '0: plugin' ],
		[ 'SET ROLE ben', '0: user' ])
	{
		my ($role, $expected) = @{$_};

		$sandbox->clear;
		is($session->query("$role; EXECUTE people"), 600, "$role, turn $turn");
		is(sent(), $expected, '... sends what is its own');
	}
}
$sandbox->clear;
$session->query('SET ROLE ben');
is( $session->query(
		'SELECT count(*) FROM one.of_superuser JOIN one.of_anna USING (people_id) JOIN one.people_profiles USING '
			. '(people_id)'
	),
	600,
	'views of others and a table of one\'s own in one statement');
is(sent(), '0: plugin, 0: user, 0: website 0', '... send what is of their owners');
is(mixed_connections(), 0, '... over connections of their own');
$sandbox->clear;
$session->query('SET ROLE anna');
is($session->query("SELECT count(*) FROM every.tokens WHERE website_id IN ('$website[0]', '$website[1]')"),
	660, 'partitions on two servers');
is(sent(), '0: plugin, 1: user', '... send what the role has for each');
$session->query('RESET ROLE');

# A mapping that changes in the middle of a session.
my $website_token = credential_options($sandbox, 'website') =~ s/(?=\b(tier|identifier|key) )/SET /gr;
my $user_token = credential_options($sandbox, 'user') =~ s/(?=\b(tier|identifier|key) )/SET /gr;
my $admin = CrispSession->start($node);
foreach my $changer ($session, $admin)
{
	foreach ([ $user_token, '0: user' ], [ $website_token, '0: website 0' ])
	{
		my ($options, $expected) = @{$_};

		$changer->query("ALTER USER MAPPING FOR CURRENT_USER SERVER one OPTIONS ($options)");
		$sandbox->clear;
		is($session->query('EXECUTE people'), 600, 'a prepared statement after the mapping changed');
		is(sent(), $expected, '... sends the new credentials');
		is(mixed_connections(), 0, '... over a connection of their own');
	}
}
$session->query('BEGIN; DECLARE people CURSOR FOR SELECT people_id FROM one.people_profiles');
$session->query('FETCH 10 FROM people');
$sandbox->clear;
$session->query("ALTER USER MAPPING FOR CURRENT_USER SERVER one OPTIONS ($user_token)");
is($session->query('EXECUTE people'), 600, 'beside a cursor that is older than the change');
is(scalar(my @rest = split /\n/, $session->query('FETCH ALL FROM people')), 590, '... which goes on');
is(sent(), '0: user, 0: website 0', '... with the credentials that it began with');
is(mixed_connections(), 0, '... which share no connection with the new ones');
$session->query('ROLLBACK');

$admin->quit;
$session->quit;
done_testing();
