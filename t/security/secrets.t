# Credentials go where they belong, and show up nowhere else.

use strict;
use warnings;

use CrispCluster;
use CrispListener;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = CrispSandbox->start(
	conversations => 60,
	people => 30,
	visitors => 5,
	operators => 3,
	websites => 2);
my $other_sandbox = CrispSandbox->start(
	conversations => 10,
	people => 5,
	visitors => 5,
	operators => 3,
	websites => 1);

# What libcurl would take from the environment of the server, if it were let:
# a proxy to hand its requests to, and other credentials to use.
my $proxy = CrispListener->new;
my $home = PostgreSQL::Test::Utils::tempdir();
append_to_file("$home/.netrc", "machine 127.0.0.1 login netrc-login password netrc-password\n");
local $ENV{HOME} = $home;
local @ENV{qw(http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY)} =
  ('http://127.0.0.1:' . $proxy->port) x 6;
local @ENV{qw(no_proxy NO_PROXY)} = ('', '');

my $node = start_node('log_min_messages = debug5', 'log_min_error_statement = panic',
	'log_statement = none');
delete @ENV{qw(http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY no_proxy NO_PROXY)
};

connect_crisp($node, $sandbox, options => "per_page '20', prefetch '1', max_retries '0'");
my $session = CrispSession->start($node);
my $website_id = $sandbox->website_id;
my $count = 'SELECT count(*) FROM crisp.conversations';

# ---- What must not be seen

# identifier and key of each mapping that there ever is.
my %token = (
	owner => $sandbox->credentials('website'),
	alice => { identifier => '0a11ce00-1111-4111-8111-111111111111', key => 'a11ce' . '1' x 59 },
	bob => { identifier => '00000b0b-2222-4222-8222-222222222222', key => 'b0b' . '2' x 61 },
	public => { identifier => '33333333-3333-4333-8333-333333333333', key => '3' x 64 },
	changed => { identifier => '44444444-4444-4444-8444-444444444444', key => '4' x 64 },
	elsewhere => { identifier => '55555555-5555-4555-8555-555555555555', key => '5' x 64 },
);

sub authorization
{
	my ($name) = @_;

	return 'Basic ' . encode_base64("$token{$name}->{identifier}:$token{$name}->{key}", '');
}

# The beginnings of all that is secret.  A cut credential is one as well.
sub secrets
{
	return map {
		substr($token{$_}->{identifier}, 0, 18), substr($token{$_}->{key}, 0, 24),
		  substr(authorization($_), 6, 24)
	} keys %token;
}

my $secret = join '|', map { quotemeta } secrets();

# Asserts that there is a text with what it should have, and nothing of these in it.
sub no_secret
{
	my ($text, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	subtest $name => sub {
		like($text, $expected, 'says what it should');
		unlike($text, qr/$secret/i, 'holds no credential');
	};
	return;
}

# All that a client gets to see of a result.
sub everything
{
	my ($result) = @_;

	return JSON::PP->new->canonical->pretty->encode($result);
}

# The Authorization headers that the sandbox got, without doubles.
sub authorizations
{
	my ($asked) = @_;
	my %seen;

	return [ grep { !$seen{$_}++ } map { $_->{headers}->{authorization} } $asked->requests ];
}

cmp_ok($session->query($count), '>', 40, 'a scan works');
is_deeply(
	authorizations($sandbox),
	[ authorization('owner') ],
	'the credentials of the mapping are sent, and not those of .netrc');
is_deeply(
	[ map { $_->{headers}->{'x-crisp-tier'} } $sandbox->requests ],
	[ ('website') x $sandbox->count ],
	'and so is the tier');
ok(!$proxy->was_called, 'the proxy of the environment gets nothing that goes to loopback');

# ---- Error messages, whatever the server sends back

my $owner = $token{owner};
my $header = authorization('owner');
my $base64 = $header =~ s/^Basic //r;
my %echoes = (
	'the header' => "Authorization: $header",
	'the header in lower case' => 'authorization: basic ' . $base64,
	'the Base64' => $base64,
	'the Base64 in the middle' => "token=$base64;",
	'the key' => "no such key: $owner->{key}",
	'the key in capitals' => 'KEY ' . uc $owner->{key},
	'the identifier' => "unknown: $owner->{identifier}",
	'the identifier in capitals' => 'unknown: ' . uc $owner->{identifier},
	'both' => "$owner->{identifier}:$owner->{key}",
	'the header after much else' => ('x' x 110) . " $header",
	'the header, cut' => substr($header, 0, 40),
	'the key, cut' => substr($owner->{key}, 0, 30) . '...',
	'the key after much else' => ('x' x 100) . $owner->{key},
);
my %carriers = (
	'the message' => sub {
		return {
			status => 401,
			body => encode_json(
				{
					error => JSON::PP::true,
					reason => 'invalid_session',
					data => { message => $_[0] }
				})
		};
	},
	'the reason' => sub {
		return {
			status => 403,
			body => encode_json({ error => JSON::PP::true, reason => $_[0], data => {} })
		};
	},
	'the message of a 200' => sub {
		return {
			status => 200,
			body => encode_json(
				{ error => JSON::PP::true, reason => 'no', data => { message => $_[0] } })
		};
	},
	'HTML' => sub {
		return {
			status => 200,
			headers => { 'Content-Type' => 'text/html' },
			body => "<html>$_[0]</html>"
		};
	},
	'JSON that lacks data' => sub {
		return { status => 200, body => encode_json({ you_sent => $_[0] }) };
	},
	'broken JSON' => sub {
		return { status => 200, body => qq({"error":false,"data":[{"you_sent":"$_[0]) };
	},
	'Content-Type' => sub {
		return {
			status => 200,
			headers => { 'Content-Type' => "text/plain; echo=\"$_[0]\"" },
			body => 'no'
		};
	},
	'Retry-After' => sub {
		return { status => 429, headers => { 'Retry-After' => $_[0] }, body => '' };
	},
	'Location' => sub {
		return {
			status => 302,
			headers => { Location => "http://127.0.0.1/?" . $_[0] },
			body => ''
		};
	},
);

foreach my $carrier (sort keys %carriers)
{
	my $seen = '';

	foreach my $echo (sort keys %echoes)
	{
		$sandbox->reset;
		$sandbox->control(
			{
				answers => [
					{
						match => { path => '*/conversations/1' },
						%{ $carriers{$carrier}->($echoes{$echo}) }
					} ]
			});
		my $result = $session->run($count);
		is(scalar @{ $result->{errors} }, 1, "$echo in $carrier: an error");
		$seen .= "$echo: " . everything($result);
	}
	no_secret(
		$seen,
		qr/website\/\Q$website_id\E\/conversations\/1/,
		"credentials that come back in $carrier");
}

# A server that isn't the sandbox can say it in places of its own.
my $listener = CrispListener->new;
my $odd_url = 'http://127.0.0.1:' . $listener->port . '/v1';
$session->query(<<"END");
CREATE SERVER odd FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url '$odd_url', website_id '$website_id', max_retries
	'0');
CREATE USER MAPPING FOR CURRENT_USER SERVER odd
	OPTIONS (identifier '$token{elsewhere}->{identifier}', key '$token{elsewhere}->{key}');
CREATE FOREIGN TABLE odd (session_id text) SERVER odd OPTIONS (resource 'conversations');
END
my %odd_echoes = (
	'the status line' => sub { "HTTP/1.1 401 $_[0]\r\nContent-Length: 0\r\n\r\n" },
	'a redirect' => sub { "HTTP/1.1 302 No\r\nLocation: /?$_[0]\r\nContent-Length: 0\r\n\r\n" },
	'a header' => sub { "HTTP/1.1 500 No\r\nX-Echo: $_[0]\r\nContent-Length: 0\r\n\r\n" },
	'a status line that is none' => sub { "HTTP/9.9 $_[0]\r\n\r\n" },
	'no HTTP' => sub { "$_[0]\r\n\r\n" },
	'a length' => sub { "HTTP/1.1 200 OK\r\nContent-Length: $_[0]\r\n\r\n" },
	'an encoding' =>
	  sub { "HTTP/1.1 200 OK\r\nContent-Encoding: $_[0]\r\nContent-Length: 2\r\n\r\n{}" },
	'a body without a head' => sub { "HTTP/1.1 200 OK\r\n$_[0]" },
	'an upgrade' => sub { "HTTP/1.1 101 Switching\r\nUpgrade: $_[0]\r\n\r\n" },
	'a challenge' =>
	  sub { "HTTP/1.1 401 No\r\nWWW-Authenticate: $_[0]\r\nContent-Length: 0\r\n\r\n" },
	'a cookie' => sub { "HTTP/1.1 200 OK\r\nSet-Cookie: a=$_[0]\r\nContent-Length: 2\r\n\r\n[]" },
);
foreach my $place (sort keys %odd_echoes)
{
	my $sent;

	$session->send('SELECT * FROM odd');
	$listener->answer(
		sub {
			($sent) = $_[0] =~ /^Authorization: (.*?)\r$/mi;
			return $odd_echoes{$place}->($sent);
		});
	my $result = $session->wait;
	is( $sent,
		authorization('elsewhere'),
		"an odd server gets what is meant for it, and echoes it in $place");
	no_secret(everything($result), qr/server \\"odd\\"/, "credentials that come back in $place");
}

# ---- What goes only to the server's own address

$sandbox->reset;
$other_sandbox->reset;
$sandbox->control(
	{
		answers => [
			{
				match => { path => '*/conversations/1' },
				status => 307,
				headers =>
				  { Location => $other_sandbox->url . "/website/$website_id/conversations/1" },
				body => ''
			} ]
	});
is($session->run($count)->{errors}->[0]->{sqlstate}, 'HV000', 'a redirect to another address');
is($other_sandbox->count, 0, '... is not followed');
is($sandbox->count, 1, '... nor is it asked for again');

$session->query('ALTER SERVER support OPTIONS (SET base_url \'' . $other_sandbox->url . '\')');
$sandbox->reset;
$session->run($count);
is($sandbox->count, 0, 'after ALTER SERVER, the old address gets nothing');
cmp_ok($other_sandbox->count, '>', 0, '... and the new one does');
$session->query('ALTER SERVER support OPTIONS (SET base_url \'' . $sandbox->url . '\')');

# ---- What a statement leaves in sight

sub explain_of
{
	my ($options) = @_;

	return $session->query(
		"EXPLAIN ($options) SELECT * FROM crisp.conversations WHERE updated_at > now() - interval '1 year'"
	);
}

$sandbox->reset;
foreach my $format (qw(text json xml yaml))
{
	foreach my $options (
		"format $format",
		"format $format, verbose",
		"format $format, verbose, settings, analyze")
	{
		no_secret(
			explain_of($options),
			qr{Crisp.Request.*GET website/\Q$website_id\E/conversations/1}s,
			"EXPLAIN ($options)");
	}
}

$session->query("PREPARE scan AS $count");
$session->query('EXECUTE scan');
no_secret(
	$session->query('SELECT row_to_json(p) FROM pg_prepared_statements p'),
	qr/PREPARE scan/,
	'pg_prepared_statements');

$session->query(
	'SET debug_print_parse = on; SET debug_print_rewritten = on; SET debug_print_plan = on');
my $log_position = -s $node->logfile;
$session->query(
	'SELECT session_id FROM crisp.conversations WHERE updated_at > now() - interval \'1 year\'');
$session->query('RESET debug_print_parse; RESET debug_print_rewritten; RESET debug_print_plan');
no_secret(substr(slurp_file($node->logfile), $log_position),
	qr/:fdw_private/, 'the plan, as debug_print_plan shows it');

# While a scan waits, seen from another session.
my $admin = CrispSession->start($node);
$sandbox->control(
	{ answers => [ { match => { path => '*/conversations/1' }, hang => JSON::PP::true } ] });
$session->send($count);
$node->poll_query_until('postgres',
	"SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = " . $session->pid)
  or die "the scan does not wait\n";
no_secret(
	$admin->query('SELECT row_to_json(a) FROM pg_stat_activity a WHERE pid = ' . $session->pid),
	qr/crisp\.conversations/, 'pg_stat_activity');
no_secret(slurp_file('/proc/' . $session->pid . '/cmdline'), qr/postgres/, "the backend's title");
if ($admin->query(q{SELECT to_regprocedure('pg_log_backend_memory_contexts(integer)') IS NOT NULL})
	eq 't')
{
	$log_position = -s $node->logfile;
	$admin->query('SELECT pg_log_backend_memory_contexts(' . $session->pid . ')');
	for (1 .. 100)
	{
		last if substr(slurp_file($node->logfile), $log_position) =~ /Grand total/;
		select undef, undef, undef, 0.05;
	}
	no_secret(
		substr(slurp_file($node->logfile), $log_position),
		qr/crisp_fdw pager/,
		"the names of the backend's memory contexts");
}
$admin->query('SELECT pg_cancel_backend(' . $session->pid . ')');
no_secret(everything($session->wait), qr/57014/, 'the error of a cancelled scan');
$sandbox->reset;

# ---- Statements that get credentials wrong don't repeat them

my %wrong = (
	'a key with a blank' =>
	  "CREATE USER MAPPING FOR PUBLIC SERVER support OPTIONS (identifier 'x', key '$token{public}->{key} ')",
	'an identifier with a colon' =>
	  "CREATE USER MAPPING FOR PUBLIC SERVER support OPTIONS (identifier '$token{public}->{identifier}:', key 'x')",
	'a key in the wrong place' => "ALTER SERVER support OPTIONS (ADD key '$token{public}->{key}')",
	'a key under a wrong name' =>
	  "CREATE USER MAPPING FOR PUBLIC SERVER support OPTIONS (password '$token{public}->{key}')",
	'credentials in the address' =>
	  "ALTER SERVER support OPTIONS (SET base_url "
	  	. "'https://$token{public}->{identifier}:$token{public}->{key}\@api.crisp.chat/v1')",
);
foreach my $name (sort keys %wrong)
{
	no_secret(everything($session->run($wrong{$name})), qr/invalid (value for )?option/, $name);
}

# ---- Whose credentials

sub mapping_options
{
	my ($name) = @_;

	return "tier 'website', identifier '$token{$name}->{identifier}', key '$token{$name}->{key}'";
}

$session->query(<<"END");
CREATE ROLE alice LOGIN;
CREATE ROLE bob LOGIN;
CREATE ROLE carol LOGIN;
GRANT USAGE, CREATE ON SCHEMA crisp TO alice, bob, carol;
GRANT SELECT ON ALL TABLES IN SCHEMA crisp TO alice, bob, carol;
GRANT USAGE ON FOREIGN SERVER support TO alice, bob, carol;
CREATE USER MAPPING FOR alice SERVER support OPTIONS (@{[ mapping_options('alice') ]});
CREATE USER MAPPING FOR bob SERVER support OPTIONS (@{[ mapping_options('bob') ]});
CREATE USER MAPPING FOR PUBLIC SERVER support OPTIONS (@{[ mapping_options('public') ]});

CREATE FUNCTION crisp.as_definer() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
	AS 'BEGIN RETURN (SELECT count(*) FROM crisp.conversations); END';
CREATE FUNCTION crisp.as_invoker() RETURNS bigint LANGUAGE plpgsql
	AS 'BEGIN RETURN (SELECT count(*) FROM crisp.conversations); END';
CREATE VIEW crisp.view_of_alice AS SELECT session_id FROM crisp.conversations;
CREATE VIEW crisp.view_of_bob AS SELECT session_id FROM crisp.view_of_alice;
CREATE VIEW crisp.view_of_function AS SELECT crisp.as_invoker() AS n;
ALTER FUNCTION crisp.as_definer() OWNER TO alice;
ALTER VIEW crisp.view_of_alice OWNER TO alice;
ALTER VIEW crisp.view_of_bob OWNER TO bob;
ALTER VIEW crisp.view_of_function OWNER TO alice;
GRANT SELECT ON ALL TABLES IN SCHEMA crisp TO alice, bob, carol;
END

# Run as each of these, the statement sends the credentials of each of those.  All of them but the
# owner's are unknown to the sandbox, so the statement fails, but not before it was sent.
sub sends
{
	my ($sql, %expected) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	foreach my $role (sort keys %expected)
	{
		$sandbox->clear;
		$session->query($role eq 'owner' ? 'RESET ROLE' : "SET ROLE $role");
		my $result = $session->run($sql);
		$session->query('RESET ROLE');
		is_deeply(
			authorizations($sandbox),
			[ authorization($expected{$role}) ],
			"$role sends the credentials of $expected{$role}: $sql");
		is( $result->{errors}->[0]->{sqlstate},
			$expected{$role} eq 'owner' ? undef : '28000',
			'... with what comes of it');
		unlike(everything($result), qr/$secret/i, '... which shows none of them');
	}
	return;
}

$sandbox->reset;
sends($count, owner => 'owner', alice => 'alice', bob => 'bob', carol => 'public');
sends('EXECUTE scan', owner => 'owner', alice => 'alice', bob => 'bob', carol => 'public');
sends(
	'SELECT crisp.as_definer()',
	owner => 'alice',
	alice => 'alice',
	bob => 'alice',
	carol => 'alice');
sends(
	'SELECT crisp.as_invoker()',
	owner => 'owner',
	alice => 'alice',
	bob => 'bob',
	carol => 'public');
sends('SELECT * FROM crisp.view_of_alice', owner => 'alice', bob => 'alice', carol => 'alice');
sends('SELECT * FROM crisp.view_of_bob', owner => 'alice', bob => 'alice', carol => 'alice');
sends('SELECT * FROM crisp.view_of_function', alice => 'alice', bob => 'bob', carol => 'public');

$session->query('ALTER VIEW crisp.view_of_alice SET (security_invoker = true)');
sends('SELECT * FROM crisp.view_of_alice', owner => 'owner', bob => 'bob', carol => 'public');

# As PostgreSQL documents it: also within a view that is not the invoker's.
sends('SELECT * FROM crisp.view_of_bob', owner => 'owner', alice => 'alice', carol => 'public');
$session->query('ALTER VIEW crisp.view_of_alice RESET (security_invoker)');

# In one statement, each scan has its own.
$sandbox->clear;
$session->query(
	'CREATE VIEW crisp.people_of_owner AS SELECT people_id FROM crisp.people_profiles; GRANT SELECT '
		. 'ON crisp.people_of_owner TO bob'
);
$session->query('SET ROLE bob');
$session->run(
	'SELECT (SELECT count(*) FROM crisp.people_of_owner), (SELECT count(*) FROM crisp.conversations)'
);
$session->query('RESET ROLE');
my %used = map { ($_->{path} =~ m{/(people|conversations)/})[0] => $_->{headers}->{authorization} }
  $sandbox->requests;
is_deeply(
	\%used,
	{ people => authorization('owner'), conversations => authorization('bob') },
	"a view's scan and one's own in a single statement");

# Connections are not shared between mappings.
$sandbox->reset;
foreach my $role (qw(owner alice bob owner alice bob))
{
	$session->query($role eq 'owner' ? 'RESET ROLE' : "SET ROLE $role");
	$session->run($count);
}
$session->query('RESET ROLE');
my %connections;
$connections{ $_->{connection} }->{ $_->{headers}->{authorization} } = 1 foreach $sandbox->requests;
is_deeply([ grep { keys %{$_} > 1 } values %connections ],
	[], 'no connection carries two credentials');

# A changed key is used at once, also by a plan that is older.
$sandbox->clear;
my $changed = "SET identifier '$token{changed}->{identifier}', SET key '$token{changed}->{key}'";
$session->query("ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS ($changed)");
is($session->run('EXECUTE scan')->{errors}->[0]->{sqlstate},
	'28000', 'a prepared statement after the key changed');
is_deeply(authorizations($sandbox), [ authorization('changed') ], '... sends the new one');
$sandbox->clear;
$changed = "SET identifier '$owner->{identifier}', SET key '$owner->{key}'";
$admin->query("ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS ($changed)");
cmp_ok($session->query('EXECUTE scan'), '>', 40, '... and when it was changed by another session');
is_deeply(authorizations($sandbox), [ authorization('owner') ], '... that one');

# A scan that is under way goes on as it began, and a change that is rolled back never was.
$sandbox->clear;
$session->query('BEGIN; DECLARE rows CURSOR FOR SELECT session_id FROM crisp.conversations');
$session->query('FETCH 10 FROM rows');
$session->query("ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (SET key '0')");
$session->query('ALTER SERVER support OPTIONS (SET base_url \'' . $other_sandbox->url . '\')');
cmp_ok(scalar(my @rest = split /\n/, $session->query('FETCH ALL FROM rows')),
	'>', 30, 'a cursor outlives a change of key and address');
cmp_ok($sandbox->count, '>', 2, '... and gets its later pages where it got the first');
is_deeply(
	authorizations($sandbox),
	[ authorization('owner') ],
	'... with the credentials that it began with');
$sandbox->clear;
is($session->run($count)->{errors}->[0]->{sqlstate}, '28000', 'a new scan uses the new ones');
is($sandbox->count, 0, '... at the new address');
$session->query('ROLLBACK');
cmp_ok($session->query($count), '>', 40, 'and the old ones after a rollback');
is_deeply(authorizations($sandbox), [ authorization('owner') ], '... at the old address');

# Nobody sees the credentials of others.
foreach my $role (qw(alice carol))
{
	my $stranger = CrispSession->start($node, user => $role);
	my %visible = map { /^(.*?)\|(.*)$/ } split /\n/,
	  $stranger->query(
		q{SELECT usename, umoptions FROM pg_user_mappings WHERE srvname = 'support' AND umoptions IS NOT NULL}
	  );

	is_deeply(
		[ keys %visible ],
		[ $role eq 'alice' ? 'alice' : () ],
		"$role sees no mapping but her own");
	is($stranger->query(q{SELECT count(*) FROM pg_user_mappings WHERE srvname = 'support'}),
		4, '... of four');
	is($stranger->run('SELECT umoptions FROM pg_user_mapping')->{errors}->[0]->{sqlstate},
		'42501', '... and not the catalog');
	$sandbox->clear;
	is($stranger->run($count)->{errors}->[0]->{sqlstate}, '28000', "$role, logged in,");
	is_deeply(
		authorizations($sandbox),
		[ authorization($role eq 'alice' ? 'alice' : 'public') ],
		'... sends her own');
	no_secret(
		everything($stranger->run("EXPLAIN (VERBOSE) $count")),
		qr/Crisp Request/,
		"EXPLAIN for $role");
	$stranger->quit;
}

# ---- The server's log, at its most talkative

$session->quit;
$admin->quit;
$node->stop;
my $log = slurp_file($node->logfile);
like($log, qr/DEBUG:\s+crisp_fdw: GET website/, 'the log holds debugging messages of ours');
like($log, qr/DEBUG:\s+CommitTransaction/, '... and of PostgreSQL');
like($log, qr/ERROR:\s+Crisp rejected the credentials/, '... and errors');
unlike($log, qr/$secret/i, '... but no credential');
ok(!$proxy->was_called, 'the proxy of the environment was never called');

done_testing();
