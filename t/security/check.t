# crisp_fdw_check(): one row that says what credentials are good for, or what is wrong.

use strict;
use warnings;

use CrispCluster;
use CrispListener;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use PostgreSQL::Test::Cluster;
use Test::More;

my ($node, $sandbox) =
  start_crisp(conversations => 30, people => 30, visitors => 5, operators => 3, websites => 3);
my $session = CrispSession->start($node);
my ($website, $second, $foreign) = map { $sandbox->website_id($_) } 0 .. 2;
my @columns =
  qw(tier website_id website_name website_domain account_id account_name latency requests status detail hint);

# The one row that the function returns, as a hash.
sub check
{
	my ($server) = @_;
	my @rows = split /\n/, $session->query("SELECT to_json(c) FROM crisp_fdw_check('$server') c");

	is(scalar @rows, 1, 'one row');
	my $row = decode_json($rows[0]);
	is_deeply([ sort keys %{$row} ], [ sort @columns ], 'of these columns');
	return $row;
}

# One test: the row has these columns, and the requests were made for these paths.
sub finds
{
	my ($server, $expected, $paths, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$sandbox->clear;
	subtest $name => sub {
		my $row = check($server);

		foreach my $column (sort keys %{$expected})
		{
			my $value = $expected->{$column};

			ref $value eq 'Regexp'
			  ? like($row->{$column} // '', $value, $column)
			  : is($row->{$column}, $value, $column);
		}
		is_deeply([ map { $_->{path} =~ s{^/v1/}{}r } $sandbox->requests ], $paths, 'requests');
		is($row->{requests}, scalar @{$paths}, '... which it counts') if $server ne 'nowhere';
	};
	return;
}

my %info = map { $_->{website_id} => $_ } @{ $sandbox->info->{websites} };

# The session reads names in UTF-8, decoded once.
sub website_columns
{
	my ($id) = @_;

	return (
		website_id => $id,
		website_name => $info{$id}->{name},
		website_domain => $info{$id}->{domain});
}

my %good = (latency => qr/^\d/, status => 'ok', detail => undef, hint => undef);
my %nothing_known = map { $_ => undef } qw(website_name website_domain account_id account_name);

#
# Each tier.
#

sub tier_options
{
	my ($tier) = @_;

	return credential_options($sandbox, $tier) =~ s/(?=\b(tier|identifier|key) )/SET /gr;
}

sub use_tier
{
	my ($tier) = @_;

	$session->query("ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS ("
		  . tier_options($tier)
		  . ')');
	return;
}

sub use_website
{
	my ($id) = @_;

	$session->query("ALTER SERVER support OPTIONS (SET website_id '$id')");
	return;
}

my $plugin_id = $sandbox->info->{plugin}->{plugin_id};
my $user_id = $sandbox->info->{user}->{user_id};
my @no_website = map { $_ => undef } qw(website_id website_name website_domain);

finds(
	'support',
	{
		%good, website_columns($website),
		tier => 'website',
		account_id => undef,
		account_name => undef
	},
	["website/$website"],
	'a website token');
is($sandbox->count, 1, 'which is one request');
use_website($second);
finds(
	'support',
	{
		%nothing_known,
		tier => 'website',
		website_id => $second,
		status => 'the Crisp token does not allow this, server "support"',
		detail => qr{GET website/$second answered HTTP 403, reason "not_allowed"},
		hint => qr/covers the website/,
		latency => qr/^\d/
	},
	["website/$second"],
	'... on another website');

use_tier('plugin');
finds(
	'support',
	{
		%good, website_columns($second),
		tier => 'plugin',
		account_id => $plugin_id,
		account_name => undef
	},
	[ 'plugin/connect/account', "website/$second" ],
	'a plugin token');

use_website($foreign);
finds(
	'support',
	{
		%nothing_known,
		tier => 'plugin',
		website_id => $foreign,
		account_id => $plugin_id,
		status => 'the plugin is not installed on the website, server "support"',
		detail => qr{GET website/$foreign answered HTTP 403, reason "not_allowed"},
		hint => 'Install it there, or set the server\'s option website_id to one of its websites.'
	},
	[
		'plugin/connect/account', "website/$foreign",
		'plugin/connect/websites/all/1', 'plugin/connect/websites/all/2'
	],
	'... where the plugin is not installed');
use_website($second);
$sandbox->control({ answers => [ { match => { path => 'website/*' }, status => 403 } ] });
finds(
	'support',
	{
		%nothing_known,
		account_id => $plugin_id,
		status => 'the Crisp token does not allow this, server "support"',
		hint => qr/scopes/
	},
	[ 'plugin/connect/account', "website/$second", 'plugin/connect/websites/all/1' ],
	'... where it is, but may not do what it has to');
$sandbox->control(
	{
		answers => [
			{ match => { path => 'website/*' }, status => 403 },
			{ match => { path => '*/websites/all/*' }, status => 500 }
		]
	});
finds(
	'support',
	{ account_id => $plugin_id, status => qr/token does not allow this/ },
	[ 'plugin/connect/account', "website/$second", 'plugin/connect/websites/all/1' ],
	'... where nobody can tell whether it is');
$sandbox->reset;

use_tier('user');
use_website($foreign);
finds(
	'support',
	{
		%good, website_columns($foreign),
		tier => 'user',
		account_id => $user_id,
		account_name => 'owner@example.com'
	},
	[ 'user/account', "website/$foreign" ],
	'a user token');

$session->query('ALTER SERVER support OPTIONS (DROP website_id)');
finds(
	'support',
	{ %good, @no_website, tier => 'user', account_id => $user_id },
	['user/account'],
	'... without a website');
use_tier('plugin');
finds(
	'support',
	{ %good, @no_website, tier => 'plugin', account_id => $plugin_id },
	['plugin/connect/account'],
	'a plugin token without a website');
use_tier('website');
finds(
	'support',
	{
		@no_website,
		tier => 'website',
		status => 'option "website_id" is not set on server "support"',
		detail => 'A token of tier "website" can only be checked with its website.',
		hint => 'Set it on the server.',
		latency => undef
	},
	[],
	'a website token without a website');
$session->query("ALTER SERVER support OPTIONS (ADD website_id '11111111-2222-4333-8444-555555555555')");
finds(
	'support',
	{
		%nothing_known,
		status => 'Crisp does not know what was asked for, server "support"',
		detail => qr/HTTP 404, reason "website_not_found"/,
		hint => qr/website_id/
	},
	['website/11111111-2222-4333-8444-555555555555'],
	'an unknown website');
use_website(uc $website);
finds('support', { %good, website_columns($website) }, ["website/$website"], 'a website in capitals');

#
# What may be wrong: in the words of the error that a query raises.
#

# Run a check and a query; both say the same.
sub agrees
{
	my ($expected, $requests, $name) = @_;
	my $query = $session->run('SELECT count(*) FROM crisp.operators');
	my $error = $query->{errors}->[0];

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$sandbox->clear;
	subtest $name => sub {
		my $row = check('support');
		my @requests = $sandbox->requests;

		is($row->{status}, $error->{message}, 'the message of a query');
		is($row->{hint}, $error->{hint}, 'its hint');
		like($row->{status}, $expected, '... is this');
		ok(length $row->{detail}, 'a detail') unless $name =~ /mapping|identifier|key/;
		is(scalar @requests, $requests, 'as many requests as it takes');
		is($row->{requests}, $requests, '... which it counts');
		if ($requests > 0 && $name !~ /^no answer/)
		{
			like($row->{latency}, qr/^\d/, 'the latency of a refusal');
		}
		else
		{
			is($row->{latency}, undef, 'no latency');
		}
	};
	return;
}

$session->query("ALTER SERVER support OPTIONS (ADD max_retries '0', ADD request_timeout '3s')");
my %fault = (
	'HTTP 401' => [ qr/^Crisp rejected the credentials, server "support"$/, { status => 401 } ],
	'HTTP 402' => [ qr/plan does not include this/, { status => 402 } ],
	'HTTP 403' => [ qr/token does not allow this/, { status => 403 } ],
	'HTTP 404' => [ qr/does not know what was asked for/, { status => 404 } ],
	'HTTP 420' => [ qr/rate limit or request quota/, { status => 420 } ],
	'HTTP 429' =>
	  [ qr/rate limit or request quota/, { status => 429, headers => { 'Retry-After' => '3600' } } ],
	'HTTP 500' => [ qr/failed to answer/, { status => 500 } ],
	'HTTP 503 that would pass' => [ qr/failed to answer/, { status => 503, headers => { 'Retry-After' => '1' } } ],
	'a redirect' => [
		qr/redirects to another address/,
		{ status => 302, headers => { Location => 'https://example.com/' }, body => '' }
	],
	'HTML' => [
		qr/unexpected answer/,
		{ status => 200, headers => { 'Content-Type' => 'text/html' }, body => '<html></html>' }
	],
	'no data' => [ qr/unexpected answer/, { status => 200, body => '{"error":false}' } ],
	'an error in a 200' => [ qr/refused the request/, { status => 200, body => '{"error":true,"reason":"no"}' } ],
	'no answer: silence' => [ qr/did not answer in time/, { hang => JSON::PP::true } ],
	'no answer: a reset' => [ qr/broke off/, { reset => JSON::PP::true } ],
);
foreach my $name (sort keys %fault)
{
	my ($expected, $fault) = @{ $fault{$name} };

	$sandbox->control({ answers => [ { match => { path => '*' }, %{$fault} } ] });
	agrees($expected, 1, $name);
}
$sandbox->reset;

# Only the second request fails: what the first has said is told.
use_tier('plugin');
$sandbox->control({ answers => [ { match => { path => 'website/*' }, status => 402 } ] });
finds(
	'support',
	{
		%nothing_known,
		tier => 'plugin',
		account_id => $plugin_id,
		status => qr/plan does not include this/,
		latency => qr/^\d/
	},
	[ 'plugin/connect/account', "website/$website" ],
	'a plan too low for the website');
$sandbox->reset;
use_tier('website');

# The setting that limits requests.
$session->query('SET crisp_fdw.max_requests = 1');
use_tier('plugin');
finds(
	'support',
	{ account_id => $plugin_id, status => qr/^statement needs more than 1 request to Crisp/, hint => qr/max_requests/ },
	['plugin/connect/account'],
	'more requests than a statement may make');
$session->query('RESET crisp_fdw.max_requests');
use_tier('website');

# Credentials.
$session->query("ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (SET key 'wrong')");
agrees(qr/^Crisp rejected the credentials/, 1, 'a wrong token');

# The token must outlive the steps that a check is made of: memory that was let go is soon another's.
my $fresh = CrispSession->start($node);
foreach my $time (1 .. 3)
{
	is( $fresh->query("SELECT tier, status FROM crisp_fdw_check('support')"),
		'website|Crisp rejected the credentials, server "support"',
		"a wrong token, checked for the $time. time in a session");
}
$fresh->quit;
$session->query('ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (DROP key)');
agrees(qr/^option "key" is required in the user mapping for server "support"$/, 0, 'no key');
$session->query('DROP USER MAPPING FOR CURRENT_USER SERVER support');
agrees(qr/^user mapping not found for user/, 0, 'no mapping');
my $credentials = credential_options($sandbox, 'website');
$session->query("CREATE USER MAPPING FOR CURRENT_USER SERVER support OPTIONS ($credentials)");

# Hosts.
my $listener = CrispListener->new;
my $closed = PostgreSQL::Test::Cluster::get_free_port();
my ($port) = $sandbox->url =~ m{:(\d+)/};
foreach (
	[ "http://127.0.0.1:$closed/v1", qr/^could not connect to Crisp, server "support"$/ ],
	[ 'https://crisp.invalid/v1', qr/^could not connect to Crisp/ ],
	[ "https://127.0.0.1:$port/v1", qr/^could not establish a secure connection to Crisp/ ])
{
	my ($url, $expected) = @{$_};

	$session->query("ALTER SERVER support OPTIONS (SET base_url '$url')");
	my $error = $session->run('SELECT count(*) FROM crisp.operators')->{errors}->[0];
	my $row = check('support');
	like($row->{status}, $expected, $url);
	is($row->{status}, $error->{message}, '... in the words of a query');
	is($row->{hint}, $error->{hint}, '... and its hint');
	is($row->{latency}, undef, '... without a latency');
	is($row->{requests}, 1, '... after one attempt');
}
$session->query(
	"ALTER SERVER support OPTIONS (SET base_url '@{[ $sandbox->url ]}', DROP max_retries, SET request_timeout '30s')");

# Nothing is tried again, though a query would.
$sandbox->control({ answers => [ { match => { path => '*' }, times => 1, status => 503 } ] });
finds('support', { status => qr/failed to answer/ }, ["website/$website"], 'what fails is not tried again');
finds('support', {%good}, ["website/$website"], '... but what has passed is good');

# The latency is that of one request.
$sandbox->control({ latency_ms => 60 });
my $latency = check('support')->{latency};
cmp_ok($latency, '>=', 60, 'latency');
cmp_ok($latency, '<', 30_000, '... in milliseconds');
use_tier('plugin');
cmp_ok(check('support')->{latency}, '>=', 60, 'latency of the second request');
use_tier('website');
$sandbox->reset;

#
# As a function among others.
#

is($session->query("SELECT status FROM crisp_fdw_check('support')"), 'ok', 'in FROM');
is( $session->query(
		"SELECT string_agg(s.srvname || ' ' || (crisp_fdw_check(s.srvname)).status, ',') FROM pg_foreign_server s"
	),
	'support ok',
	'for every server');
is( $session->query(
		"BEGIN READ ONLY; SELECT status FROM crisp_fdw_check('support'); SELECT 1; COMMIT"), "ok\n1",
	'in a read-only transaction');
$sandbox->control({ answers => [ { match => { path => '*' }, status => 402 } ] });
is( $session->query(
		"BEGIN; CREATE TABLE kept (); SELECT status ~ 'plan' FROM crisp_fdw_check('support'); SELECT count(*) "
			. "FROM kept; COMMIT; DROP TABLE kept"
	),
	"t\n0",
	'a problem leaves the transaction as it is');
my $hundred = "DO \$\$ BEGIN FOR i IN 1 .. 100 LOOP PERFORM crisp_fdw_check('support'); END LOOP; END \$\$";
$session->query($hundred);
my $descriptors = $session->descriptors;
$session->query($hundred);
is($session->descriptors, $descriptors, 'a hundred problems leave no descriptor behind');
$sandbox->reset;

#
# What Crisp sends may be no text that the database can hold.  One session goes through all of them.
#
my %encodings = (
	UTF8 => { bad => [ '\u0000', 'Acme\u0000', '\xff', '\xed\xa0\x80' ],
		good => [ "caf\xc3\xa9", "\xe2\x98\x95", '' ] },
	LATIN1 => { bad => [ '\u0000', "\xe2\x98\x95", '\u2615', "\xc3" ], good => [ "caf\xc3\xa9", '' ] },
	EUC_JP => { bad => [ '\u0000', "\xe2\x98\x95", "\xf0\x9f\x98\x80" ], good => [ "\xe6\xbc\xa2", '' ] });

foreach my $encoding (sort keys %encodings)
{
	my $database = lc $encoding;

	$node->safe_psql('postgres', "CREATE DATABASE $database ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	$node->safe_psql($database, <<"END");
CREATE EXTENSION crisp_fdw;
CREATE SERVER support FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url '@{[ $sandbox->url ]}', website_id '$website');
CREATE USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (@{[ credential_options($sandbox, 'website') ]});
CREATE SERVER plugin FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url '@{[ $sandbox->url ]}', website_id '$website');
CREATE USER MAPPING FOR CURRENT_USER SERVER plugin OPTIONS (@{[ credential_options($sandbox, 'plugin') ]});
CREATE SERVER owner FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url '@{[ $sandbox->url ]}', website_id '$website');
CREATE USER MAPPING FOR CURRENT_USER SERVER owner OPTIONS (@{[ credential_options($sandbox, 'user') ]});
END
	my $other = CrispSession->start($node, dbname => $database);

	# Any member of any answer that is shown.
	foreach my $case (
		[ support => "website/$website", 'name' ],
		[ support => "website/$website", 'domain' ],
		[ plugin => 'plugin/connect/account', 'plugin_id' ],
		[ owner => 'user/account', 'email' ])
	{
		my ($server, $path, $member) = @{$case};

		foreach my $kind (qw(bad good))
		{
			foreach my $text (@{ $encodings{$encoding}->{$kind} })
			{
				my $raw = $text =~ s/\\x(..)/chr hex $1/ger;
				my $printable = $raw =~ s/([^ -~])/sprintf '<%02x>', ord $1/ger;

				$sandbox->control({
					answers => [ {
						match => { path => $path },
						body_base64 => encode_base64(qq({"error":false,"reason":"resolved","data":{"$member":"$raw"}}),
							'') } ] });
				my $row = $other->query(
					"SELECT status, detail IS NOT NULL, num_nulls(website_name, website_domain, account_id, "
						. "account_name) < 4 FROM crisp_fdw_check('$server')");
				$kind eq 'good'
				  ? is($row, 'ok|f|t', "$encoding: $member '$printable'")
				  : like($row, qr/^(character|invalid byte sequence|unsupported Unicode escape).*\|t\|/,
					"$encoding: $member '$printable' is told of");
			}
		}
		# As in queries, it may be replaced.
		my $text = $encodings{$encoding}->{bad}->[1] =~ s/\\x(..)/chr hex $1/ger;
		$sandbox->control({
			answers => [ {
				match => { path => $path },
				body_base64 => encode_base64(qq({"error":false,"reason":"resolved","data":{"$member":"a${text}b"}}),
					'') } ] });
		$other->query("ALTER SERVER $server OPTIONS (ADD invalid_text 'replace')");
		like($other->query(
			"SELECT status, coalesce(account_id, account_name, website_name, website_domain) "
				. "FROM crisp_fdw_check('$server')"),
			qr/^ok\|a.+b$/, "$encoding: $member, replaced");
		$other->query("ALTER SERVER $server OPTIONS (DROP invalid_text)");
		$sandbox->reset;
		is($other->query("SELECT status FROM crisp_fdw_check('$server')"), 'ok', "$encoding: and then all is well");
	}
	$other->quit;
}

# A statement that is cancelled is, and so is one that takes too long.
$sandbox->control({ answers => [ { match => { path => '*' }, hang => JSON::PP::true } ] });
my $admin = CrispSession->start($node);
$sandbox->clear;
$session->send("SELECT * FROM crisp_fdw_check('support')");
for (1 .. 600)
{
	last if $sandbox->count > 0;
	select undef, undef, undef, 0.05;
}
$admin->query('SELECT pg_cancel_backend(' . $session->pid . ')');
my $result = $session->wait;
is($result->{errors}->[0]->{sqlstate}, '57014', 'a check can be cancelled');
is($result->{output}, '', '... and says nothing then');
$session->query("SET statement_timeout = '100ms'");
$session->fails(
	"SELECT * FROM crisp_fdw_check('support')",
	{ sqlstate => '57014', message => qr/statement timeout/ },
	'a check that takes too long');
$session->query('RESET statement_timeout');
cmp_ok($session->descriptors, '<=', $descriptors, 'nothing of it is left');
$sandbox->reset;
is($session->query("SELECT status FROM crisp_fdw_check('support')"), 'ok', 'and the next one works');

#
# Bad arguments, and who may.
#

$session->query('CREATE FOREIGN DATA WRAPPER other; CREATE SERVER other FOREIGN DATA WRAPPER other');
$session->fails(
	"SELECT * FROM crisp_fdw_check('nowhere')",
	{ sqlstate => '42704', message => 'server "nowhere" does not exist' },
	'an unknown server');
$session->fails(
	"SELECT * FROM crisp_fdw_check('other')",
	{ sqlstate => '42809', message => 'server "other" does not belong to crisp_fdw' },
	'a server of something else');
$session->fails(
	'SELECT * FROM crisp_fdw_check(NULL)',
	{ sqlstate => '22004', message => 'name of the server must not be null' },
	'no server');
$session->query(
	'CREATE FOREIGN DATA WRAPPER renamed HANDLER crisp_fdw_handler; CREATE SERVER renamed FOREIGN DATA '
		. 'WRAPPER renamed');
finds('renamed', { status => qr/^user mapping not found/ }, [], 'a wrapper of another name, with our handler');

$session->query('CREATE ROLE dora; SET ROLE dora');
$sandbox->clear;
$session->fails(
	"SELECT * FROM crisp_fdw_check('support')",
	{ sqlstate => '42501', message => 'permission denied for foreign server support' },
	'a role without USAGE');
is($sandbox->count, 0, '... asks nothing');
$session->query('RESET ROLE; GRANT USAGE ON FOREIGN SERVER support TO dora; SET ROLE dora');
finds('support', { status => 'user mapping not found for user "dora", server "support"' }, [], 'a role with USAGE');
$session->query("RESET ROLE; CREATE USER MAPPING FOR PUBLIC SERVER support OPTIONS ($credentials); SET ROLE dora");
finds('support', { %good, website_columns($website) }, ["website/$website"], '... and the mapping of PUBLIC');
$session->query('RESET ROLE');

$admin->quit;
$session->quit;
done_testing();
