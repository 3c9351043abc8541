# Wrong input, and what it gets: an error with an SQLSTATE that fits, that says
# what to do, and that leaves the session ready for the next statement.  What is
# tried again is the matter of t/faults/faults.t; here nothing is, and one request is
# under way at a time.

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
use Time::HiRes qw(time);

my $PER_PAGE = 20;
my $FILLER = '0' x 64;    # a key that no sandbox knows

my $sandbox = CrispSandbox->start(
	conversations => 150,
	people => 60,
	visitors => 5,
	operators => 3,
	websites => 2);
my $node = start_node();
connect_crisp($node, $sandbox, options => "per_page '$PER_PAGE', prefetch '1', max_retries '0'");

my $session = CrispSession->start($node);
my $website_id = $sandbox->website_id;
my $target = "website/$website_id/conversations/1?per_page=$PER_PAGE&order_date_updated=1";
my $count = 'SELECT count(*) FROM crisp.conversations';
my $total = $session->query($count);

cmp_ok($total, '>', 4 * $PER_PAGE, 'there are some pages to fail on');

# The sandbox, from now on, gives this answer where the path is like that.
sub answer_with
{
	$sandbox->reset;
	$sandbox->answer_with(@_);
	return;
}

# With this answer to the first page, the error looks like that.  Nothing is
# asked again, and once the sandbox answers as usual, so does the table.
sub answer_fails
{
	my ($name, $answer, $expected) = @_;

	answer_with('*/conversations/1', $answer);
	$session->fails($count, $expected, $name);
	is_deeply(
		[ map { $_->{path} =~ s{.*/website/}{website/}r } $sandbox->requests ],
		[ $target =~ s/\?.*//r ],
		"$name: one request");
	$sandbox->reset;
	is($session->query($count), $total, "$name: and then all rows");
	return;
}

# A server of its own with a table of its name, in front of an odd address.
sub connect_odd
{
	my ($name, $base_url, $options) = @_;

	$session->query(<<"END");
CREATE SERVER $name FOREIGN DATA WRAPPER crisp_fdw
	OPTIONS (base_url '$base_url', website_id '$website_id', max_retries '0', $options);
CREATE USER MAPPING FOR CURRENT_USER SERVER $name
	OPTIONS (identifier '00000000-0000-4000-8000-000000000000', key '$FILLER');
CREATE FOREIGN TABLE $name (session_id text) SERVER $name OPTIONS (resource 'conversations');
END
	return "SELECT count(*) FROM $name";
}

# Calls a function and returns how long that took, in seconds.
sub seconds
{
	my ($function) = @_;
	my $start = time;

	$function->();
	return time - $start;
}

sub envelope
{
	return JSON::PP->new->canonical->encode({@_});
}

# ---- Set-up: no request is made without all that one needs

$sandbox->reset;
$session->query(<<'END');
CREATE ROLE stranger;
GRANT USAGE ON SCHEMA crisp TO stranger;
GRANT SELECT ON ALL TABLES IN SCHEMA crisp TO stranger;
END
$session->query('SET ROLE stranger');
$session->fails(
	$count,
	{
		sqlstate => '42704',
		message => 'user mapping not found for user "stranger", server "support"',
		hint => qr/^Use CREATE USER MAPPING/
	},
	'no user mapping');
$session->query('RESET ROLE');

foreach my $lacking (qw(identifier key))
{
	my $present = $lacking eq 'key' ? "identifier 'someone'" : "key '$FILLER'";

	$session->query("CREATE USER MAPPING FOR stranger SERVER support OPTIONS ($present)");
	$session->query('SET ROLE stranger');
	$session->fails(
		$count,
		{
			sqlstate => 'HV002',
			message => "option \"$lacking\" is required in the user mapping for server \"support\"",
			hint => qr/^Use ALTER USER MAPPING/
		},
		"no $lacking");
	$session->query('RESET ROLE; DROP USER MAPPING FOR stranger SERVER support');
}

my $resources = $session->query(
	q(SELECT string_agg(resource, ', ' ORDER BY place) FROM )
	  . '(SELECT resource, min(ordinality) FROM crisp_fdw_columns() WITH ORDINALITY GROUP BY 1) r (resource, place)'
);
$session->fails(
	"CREATE FOREIGN TABLE tickets (id text) SERVER support OPTIONS (resource 'tickets')",
	{
		sqlstate => '22023',
		message => 'invalid value for option "resource": "tickets"',
		detail => 'Crisp has no resource of that name.',
		hint => "Valid resources are: $resources"
	},
	'a resource that does not exist');

$session->query('CREATE FOREIGN TABLE tickets (id text) SERVER support');
$session->fails(
	'SELECT * FROM tickets',
	{
		sqlstate => 'HV00R',
		message => 'foreign table "tickets" does not say which Crisp resource it stands for',
		hint => "Set its option resource to one of: $resources"
	},
	'a table without a resource');

$session->query(<<"END");
CREATE SERVER nowhere FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url '@{[ $sandbox->url ]}');
CREATE USER MAPPING FOR CURRENT_USER SERVER nowhere OPTIONS (identifier 'x', key 'x');
CREATE FOREIGN TABLE homeless (session_id text) SERVER nowhere OPTIONS (resource 'conversations');
END
$session->fails(
	'SELECT * FROM homeless',
	{
		sqlstate => 'HV002',
		message => 'option "website_id" is required for foreign table "homeless"',
		hint => 'Set it on server "nowhere", or on the table.'
	},
	'no website');

is($sandbox->count, 0, 'none of these made a request');

# ---- Refusals that the sandbox, like Crisp, comes to by itself

my $credentials = $sandbox->credentials('website');

$session->query("ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (SET key '$FILLER')");
$session->fails(
	$count,
	{
		sqlstate => '28000',
		message => 'Crisp rejected the credentials, server "support"',
		detail => qr/^GET \Q$target\E answered HTTP 401, reason "invalid_session"/,
		hint => 'Check identifier, key and tier in the user mapping.'
	},
	'a wrong key');
$session->query(
	"ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (SET key '$credentials->{key}', SET tier 'plugin')"
);
$session->fails($count, { sqlstate => '28000', detail => qr/ answered HTTP 401, / },
	'a wrong tier');
$session->query("ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (SET tier 'website')");
is($session->query($count), $total, 'the right key and tier again');

my $foreign = $sandbox->website_id(1);
$session->query(<<"END");
CREATE FOREIGN TABLE foreign_website (session_id text) SERVER support
	OPTIONS (resource 'conversations', website_id '$foreign');
CREATE FOREIGN TABLE no_website (session_id text) SERVER support
	OPTIONS (resource 'conversations', website_id '00000000-0000-4000-8000-000000000000');
END
$session->fails(
	'SELECT * FROM foreign_website',
	{
		sqlstate => '42501',
		message => 'the Crisp token does not allow this, server "support"',
		detail =>
		  qr{^GET website/\Q$foreign\E/conversations/1\?per_page=20\S* answered HTTP 403, reason "not_allowed"},
		hint => qr/covers the website/
	},
	"a website of somebody else's");
$session->fails(
	'SELECT * FROM no_website',
	{
		sqlstate => 'HV00R',
		message => 'Crisp does not know what was asked for, server "support"',
		detail => qr{ answered HTTP 404, reason "website_not_found"},
		hint => qr/^Check option website_id/
	},
	'a website that does not exist');

# Nor is it taken for a row that does not exist.
my $lookup = q{SELECT session_id FROM crisp.conversations WHERE session_id = }
	. q{'session_00000000-0000-4000-8000-000000000000'};
is($session->query($lookup), '', 'a conversation that does not exist');
foreach my $case (
	[ 404, 'website_not_found', 'no such website' ],
	[ 404, 'route_not_found', 'there is no such route' ],
	[ 404, 'not_found', 'the route does not exist' ],
	[ 400, 'too_old', 'this version has gone' ])
{
	my ($status, $reason, $message) = @{$case};

	answer_with('*/conversation/*',
		{ status => $status, body => envelope(error => JSON::PP::true, reason => $reason,
			data => { message => $message }) });
	$session->fails(
		$lookup,
		{
			sqlstate => $status == 404 ? 'HV00R' : 'HV000',
			detail => qr/ answered HTTP $status, reason "$reason": $message\.$/
		},
		"a lookup that gets $status: $message");
}
answer_with('*/conversation/*',
	{ status => 400, body => envelope(error => JSON::PP::true, reason => 'invalid_session', data => {}) });
is($session->query($lookup), '', 'a key that cannot be one');

# ---- Statuses

my %QUOTA = (
	sqlstate => '53400',
	message => 'Crisp\'s rate limit or request quota is reached, server "support"',
	hint => qr/^Wait before trying again/);
my %DOWN = (
	sqlstate => 'HV00M',
	message => 'Crisp failed to answer, server "support"',
	hint => 'Try again later.');

answer_fails(
	'status 402',
	{
		status => 402,
		body => envelope(
			error => JSON::PP::true,
			reason => 'subscription_required',
			data => { message => 'Upgrade first' })
	},
	{
		sqlstate => 'HV000',
		message => 'the website\'s Crisp plan does not include this, server "support"',
		detail => "GET $target answered HTTP 402, reason \"subscription_required\": Upgrade first.",
		hint => qr/higher plan/
	});
answer_fails(
	'status 429 with Retry-After',
	{
		status => 429,
		headers => { 'Retry-After' => '120' },
		body => envelope(error => JSON::PP::true, reason => 'rate_limited', data => {})
	},
	{
		%QUOTA,
		detail => "GET $target answered HTTP 429, reason \"rate_limited\", Retry-After: 120."
	});
answer_fails(
	'status 420',
	{
		status => 420,
		body => envelope(error => JSON::PP::true, reason => 'quota_limit_exceeded', data => {})
	},
	{ %QUOTA, detail => "GET $target answered HTTP 420, reason \"quota_limit_exceeded\"." });
answer_fails(
	'status 423',
	{
		status => 423,
		body => envelope(error => JSON::PP::true, reason => 'quota_limit_exceeded', data => {})
	},
	{
		%QUOTA,
		message => 'Crisp\'s request quota is spent, server "support"',
		detail => "GET $target answered HTTP 423, reason \"quota_limit_exceeded\"."
	});
answer_fails(
	'status 422',
	{
		status => 422,
		body => envelope(error => JSON::PP::true, reason => 'invalid_data', data => { message => 'No such thing' })
	},
	{
		%QUOTA,
		detail => "GET $target answered HTTP 422, reason \"invalid_data\": No such thing.",
		hint => qr/^Wait before trying again; .* Crisp may not take what was sent: see its reason\. Requests/
	});
answer_fails(
	'status 408',
	{ status => 408, body => '' },
	{
		sqlstate => 'HV00M',
		message => 'Crisp did not wait for the request, server "support"',
		detail => "GET $target answered HTTP 408.",
		hint => 'Try again.'
	});
answer_fails(
	'status 500 with HTML',
	{ status => 500, headers => { 'Content-Type' => 'text/html' }, body => '<h1>Oh no</h1>' },
	{ %DOWN, detail => "GET $target answered HTTP 500." });
answer_fails(
	'status 503 without a body',
	{ status => 503, body => '' },
	{ %DOWN, detail => "GET $target answered HTTP 503." });
answer_fails(
	'status 400',
	{
		status => 400,
		body => envelope(error => JSON::PP::true, reason => 'invalid_data', data => {})
	},
	{
		sqlstate => 'HV000',
		message => 'Crisp refused the request, server "support"',
		detail => "GET $target answered HTTP 400, reason \"invalid_data\".",
		hint => undef
	});
answer_fails(
	'a reason that is not one',
	{
		status => 401,
		body => envelope(error => JSON::PP::true, reason => [1], data => { message => { a => 1 } })
	},
	{ sqlstate => '28000', detail => "GET $target answered HTTP 401." });
answer_fails(
	'a refusal with status 200',
	{
		status => 200,
		body => envelope(
			error => JSON::PP::true,
			reason => 'not_allowed',
			data => { message => 'Not you' })
	},
	{
		sqlstate => 'HV000',
		message => 'Crisp refused the request, server "support"',
		detail => "GET $target answered HTTP 200, reason \"not_allowed\": Not you."
	});
answer_fails(
	'a refusal with status 200, and no data',
	{ status => 200, body => envelope(error => JSON::PP::true, reason => 'not_allowed') },
	{
		sqlstate => 'HV000',
		message => 'Crisp refused the request, server "support"',
		detail => "GET $target answered HTTP 200, reason \"not_allowed\"."
	});
answer_fails(
	'a refusal with status 200 that gives no reason',
	{ status => 200, body => '{"error":true,"data":[]}' },
	{ sqlstate => 'HV000', detail => "GET $target answered HTTP 200, \"error\" other than false." });
answer_fails(
	'a refusal with status 206, and a list',
	{ status => 206, body => '{"error":true,"reason":"degraded","data":[]}' },
	{ sqlstate => 'HV000', detail => "GET $target answered HTTP 206, reason \"degraded\"." });
foreach my $flag ('"yes"', 1, '{}')
{
	answer_fails(
		"an error that is $flag",
		{ status => 200, body => qq({"error":$flag,"reason":"odd","data":[]}) },
		{ sqlstate => 'HV000', detail => "GET $target answered HTTP 200, reason \"odd\"." });
}
answer_fails(
	'a message of several lines, and control characters',
	{
		status => 403,
		body => '{"error":true,"reason":"not\nallowed","data":{"message":"one\ttwo\u001bthree"}}'
	},
	{
		sqlstate => '42501',
		detail => "GET $target answered HTTP 403, reason \"not allowed\": one two three."
	});
answer_fails(
	'a message with a control sequence of eight bits',
	{
		status => 403,
		body => '{"error":true,"reason":"no","data":{"message":"one\u009b31mtwo \u00e9"}}'
	},
	{
		sqlstate => '42501',
		detail =>
		  "GET $target answered HTTP 403, reason \"no\": one  31mtwo \xC3\xA9."
	});
answer_fails(
	'a long message',
	{
		status => 403,
		body =>
		  envelope(error => JSON::PP::true, reason => 'no', data => { message => 'long ' x 1000 })
	},
	{
		sqlstate => '42501',
		detail => qr/^GET \Q$target\E answered HTTP 403, reason "no": (long ){24}\.\.\.\.$/
	});

my $long_message =
  '{"error":true,"reason":"no","data":{"message":"x' . '\u00e9' x 100 . '"}}';
answer_fails(
	'a long message, not in ASCII',
	{ status => 403, body => $long_message },
	{
		sqlstate => '42501',
		detail => "GET $target answered HTTP 403, reason \"no\": x" . "\xC3\xA9" x 59 . '....'
	});

# A database's messages are in its encoding, whatever the network brings.
$session->query(
	q{CREATE DATABASE latin1 TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'});
my $latin1 = CrispSession->start($node, dbname => 'latin1');
$latin1->query(<<"END");
CREATE EXTENSION crisp_fdw;
CREATE SERVER support FOREIGN DATA WRAPPER crisp_fdw
	OPTIONS (base_url '@{[ $sandbox->url ]}', website_id '$website_id');
CREATE USER MAPPING FOR CURRENT_USER SERVER support
	OPTIONS (@{[ credential_options($sandbox, 'website') ]});
CREATE FOREIGN TABLE conversations (session_id text) SERVER support;
END
answer_with('*/conversations/1',
	{ status => 403, body => $long_message });
$latin1->fails(
	'SELECT * FROM conversations',
	{ sqlstate => '42501', detail => qr/ reason "no": x\?{118}\.\.\.\.$/ },
	'a long message, in a database whose encoding is another');
$latin1->quit;

# Redirects, to this or another address, are not followed.
my $elsewhere = CrispListener->new;
foreach my $status (301, 302, 303, 307, 308)
{
	foreach
	  my $location ("http://127.0.0.1:" . $elsewhere->port . '/v1', $sandbox->url . "/$target")
	{
		answer_fails(
			"$status to " . ($location =~ /\?/ ? 'itself' : 'another address'),
			{ status => $status, headers => { Location => $location }, body => '' },
			{
				sqlstate => 'HV000',
				message => 'Crisp redirects to another address, server "support"',
				detail => "GET $target answered HTTP $status, Location: "
				  . (length $location > 120 ? substr($location, 0, 120) . '...' : $location) . '.',
				hint => qr/^Redirects are not followed/
			});
	}
}
ok(!$elsewhere->was_called, 'the address that was redirected to is never called');

# ---- Bodies

my %UNEXPECTED = (
	sqlstate => '08P01',
	message => 'unexpected answer from Crisp, server "support"',
	hint => qr/base_url/);
my %JSON_TYPE = ('Content-Type' => 'application/json');

answer_fails(
	'HTML',
	{
		status => 200,
		headers => { 'Content-Type' => 'text/html; charset=utf-8' },
		body => "<html>\n<b>Maintenance</b>"
	},
	{
		%UNEXPECTED,
		detail =>
		  qr{^GET \Q$target\E answered HTTP 200, content type "text/html; charset=utf-8": It is not JSON: .* The body begins: <html> <b>Maintenance</b>$}
	});

answer_fails(
	'HTML that is not UTF-8',
	{
		status => 200,
		headers => { 'Content-Type' => 'text/html' },
		body_base64 => encode_base64("<html>caf\xE9 \xC3\xA9", '')
	},
	{ %UNEXPECTED, detail => qr/The body begins: <html>caf\? \?\?$/ });

# Neither 200, the end of a list, nor 206.
foreach my $status (201, 202)
{
	answer_fails(
		"status $status",
		{ status => $status, headers => \%JSON_TYPE, body => '{"error":false,"data":[]}' },
		{
			%UNEXPECTED,
			detail =>
			  qq(GET $target answered HTTP $status, content type "application/json": 200 or 206 was to be expected. )
			  	. qq(The body begins: {"error":false,"data":[]})
		});
}
answer_fails('status 204', { status => 204 }, { %UNEXPECTED, detail => qr/ answered HTTP 204, .* It is empty\.$/ });

my %malformed = (
	'an empty body' => [ '', qr/: It is empty\.$/ ],
	'blanks' => [ "  \n ", qr/It is not JSON/ ],
	'cut JSON' =>
	  [ '{"error":false,"reason":"listed","data":[{"session_id":"ses', qr/It is not JSON/ ],
	'cut JSON, without its last brace' =>
	  [ '{"error":false,"reason":"listed","data":[]', qr/It is not JSON/ ],
	'something after the JSON' =>
	  [ '{"error":false,"reason":"listed","data":[]} []', qr/It is not JSON/ ],
	'JSON5' => [ "{'error':false,reason:'listed',data:[],}", qr/It is not JSON/ ],
	'NaN' => [ '{"error":false,"reason":"listed","data":[{"score":NaN}]}', qr/It is not JSON/ ],
	'a NUL byte' =>
	  [ qq({"error":false,"reason":"listed","data":[{"session_id":"a\0b"}]}), qr/It is not JSON/ ],
	'an array' => [ '[{"session_id":"x"}]', qr/It has no "data"/ ],
	'null' => [ 'null', qr/It has no "data"/ ],
	'a string' => [ '"listed"', qr/It has no "data"/ ],
	'a number' => [ '42', qr/It has no "data"/ ],
	'an envelope without data' => [ '{"error":false,"reason":"listed"}', qr/It has no "data"/ ],
	'data that is null' => [
		'{"error":false,"reason":"listed","data":null}',
		qr/ answered HTTP 200, content type "application\/json": Its "data" is not an array\. The body begins: \{"error"/
	],
	'data that is a string' =>
	  [ '{"error":false,"reason":"listed","data":"none"}', qr/"data" is not an array/ ],
	'data that is an object' => [
		'{"error":false,"reason":"listed","data":{"0":{"session_id":"x"}}}',
		qr/"data" is not an array/ ],
	'too many levels' => [
		'{"error":false,"reason":"listed","data":' . '[' x 300 . ']' x 300 . '}',
		qr/It is not JSON: .*(nest|depth|deep)/ ],
	'a hundred thousand levels' => [
		'{"error":false,"reason":"listed","data":' . '[' x 100_000,
		qr/It is not JSON: .*(nest|depth|deep)/ ],
);
foreach my $name (sort keys %malformed)
{
	my ($body, $detail) = @{ $malformed{$name} };

	answer_fails(
		$name,
		{ status => 200, headers => \%JSON_TYPE, body_base64 => encode_base64($body, '') },
		{ %UNEXPECTED, detail => qr/^GET \Q$target\E\b.*$detail/s });
}

# Depth alone is no error.
answer_with(
	'*/conversations/1',
	{
		status => 200,
		headers => \%JSON_TYPE,
		body =>
		  '{"error":false,"reason":"listed","data":[{"session_id":"deep","topic":"down there","meta":{"data":'
		  . '[' x 200
		  . ']' x 200 . '}}]}'
	});
is( $session->query('SELECT session_id, topic FROM crisp.conversations'),
	'deep|down there',
	'two hundred levels are read');

answer_fails(
	'a body over 64 MiB',
	{
		status => 200,
		headers => \%JSON_TYPE,
		body_repeat => { text => ' ' x 1_048_576, times => 65 }
	},
	{
		sqlstate => '54000',
		message => 'answer of Crisp is too large, server "support"',
		detail => qr{^GET \Q@{[ $sandbox->url ]}/$target\E: .+\.$},
		hint => "The server's option max_response_size allows 67108864 bytes."
	});

# ---- Connections

my %BROKEN = (
	sqlstate => 'HV00M',
	message => 'connection to Crisp broke off, server "support"',
	detail => qr{^GET \Q@{[ $sandbox->url ]}/$target\E: .+\.$});
my %UNREACHABLE = (
	sqlstate => 'HV00N',
	hint =>
	  "Check the server's option base_url, and that this machine can reach that address within connect_timeout."
);

foreach my $bytes (1, 100, 1000)
{
	answer_fails("an answer cut after $bytes bytes", { cut_after => $bytes }, \%BROKEN);
}

# On a connection that was kept, libcurl tries once more, as browsers do: the server may
# have closed it before it got the request.
answer_with('*/conversations/1', { reset => JSON::PP::true });
$session->fails($count, \%BROKEN, 'a connection that is closed without an answer');
cmp_ok($sandbox->count, '<=', 2, 'closed without an answer: at most one more request');
$sandbox->reset;
is($session->query($count), $total, 'closed without an answer: and then all rows');

my $listener = CrispListener->new;
my $odd =
  connect_odd('odd', 'http://127.0.0.1:' . $listener->port . '/v1', "request_timeout '20s'");
my @odd_answers = (
	[   'a head that is cut',
		"HTTP/1.1 200 OK\r\nContent-Ty",
		{ sqlstate => 'HV00M', message => 'connection to Crisp broke off, server "odd"' } ],
	[   'no answer at all',
		'', { sqlstate => 'HV00M', message => 'connection to Crisp broke off, server "odd"' } ],
	[   'an answer that is not HTTP',
		"SSH-2.0-OpenSSH_9.2\r\n",
		{ sqlstate => '08P01', message => 'unexpected answer from Crisp, server "odd"' } ],
	[   'a body that is not what its encoding says',
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
		{ sqlstate => '08P01', message => 'unexpected answer from Crisp, server "odd"' } ],
	[   'a body in an encoding that nobody knows',
		"HTTP/1.1 200 OK\r\nContent-Encoding: zork\r\nContent-Length: 4\r\n\r\nnope",
		{ sqlstate => '08P01', message => 'unexpected answer from Crisp, server "odd"' } ],
	[   'JSON that ends with the connection',
		"HTTP/1.1 200 OK\r\n\r\n{\"error\":false,\"data\":[{}",
		{ sqlstate => '08P01', message => 'unexpected answer from Crisp, server "odd"' } ],
	[   'chunks without an end',
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"err",
		{ sqlstate => 'HV00M', message => 'connection to Crisp broke off, server "odd"' } ],
);

foreach my $case (@odd_answers)
{
	my ($name, $answer, $expected) = @{$case};

	$session->send($odd);
	$listener->answer($answer);
	my $result = $session->wait;
	is_deeply(
		[ map { { sqlstate => $_->{sqlstate}, message => $_->{message} } } @{ $result->{errors} } ],
		[$expected], $name);
	like($result->{errors}->[0]->{detail}, qr/[^.]\.$|The body begins: /, '... in a sentence');
}
ok(!$listener->was_called, 'a fresh connection is not tried again');

my $closed = CrispListener->new;
my $closed_port = $closed->port;
undef $closed;
$session->fails(
	connect_odd('closed', "http://127.0.0.1:$closed_port/v1", "connect_timeout '20s'"),
	{
		%UNREACHABLE,
		message => 'could not connect to Crisp, server "closed"',
		detail => qr/^GET http:\S+ .*connect/
	},
	'a port on which nobody listens');
$session->fails(
	connect_odd('unknown', 'https://api.crisp.invalid/v1', "connect_timeout '5s'"),
	{
		%UNREACHABLE,
		message => 'could not connect to Crisp, server "unknown"',
		detail => qr/^GET https:/
	},
	'a host that does not exist');

# ---- Time

my %LATE = (
	sqlstate => 'HV00M',
	hint =>
	  "The server's option request_timeout allows 400 ms, and low_speed_time 30000 ms with less than 100 bytes a "
	  	. "second."
);

$session->query("ALTER SERVER support OPTIONS (ADD request_timeout '400ms')");
foreach my $silence ([ 'hangs', { hang => JSON::PP::true } ],
	[ 'drips', { drip => { bytes => 1, every_ms => 100 } } ])
{
	my ($name, $answer) = @{$silence};
	my $seconds = seconds(
		sub {
			answer_fails("a server that $name",
				$answer, { %LATE, message => 'Crisp did not answer in time, server "support"' });
		});

	cmp_ok($seconds, '<', 10, "request_timeout ends the wait for a server that $name");
}
$session->query("ALTER SERVER support OPTIONS (ADD low_speed_limit '0')");
answer_fails(
	'a server that hangs, when there is no limit of speed',
	{ hang => JSON::PP::true },
	{ %LATE, hint => "The server's option request_timeout allows 400 ms." });
$session->query("ALTER SERVER support OPTIONS (DROP low_speed_limit, SET request_timeout '20s')");
answer_with('*/conversations/1', { delay_ms => 600 });
is($session->query($count), $total, 'within request_timeout, an answer may take its time');
$session->query('ALTER SERVER support OPTIONS (DROP request_timeout)');

my $silent = CrispListener->new;
my $seconds = seconds(
	sub {
		$session->fails(
			connect_odd(
				'handshake',
				'https://127.0.0.1:' . $silent->port . '/v1',
				"connect_timeout '400ms'"),
			{ %UNREACHABLE, message => 'could not connect to Crisp, server "handshake"' },
			'a server that never says hello');
	});
cmp_ok($seconds, '<', 10, 'connect_timeout ends the wait for a TLS handshake');

my $full = CrispListener->new(1);
SKIP:
{
	skip 'this kernel accepts connections without end', 2 unless $full->fill;

	my $full_seconds = seconds(
		sub {
			$session->fails(
				connect_odd(
					'crowded',
					'http://127.0.0.1:' . $full->port . '/v1',
					"connect_timeout '400ms'"),
				{ %UNREACHABLE, message => 'could not connect to Crisp, server "crowded"' },
				'a server that does not pick up');
		});
	cmp_ok($full_seconds, '<', 10, 'connect_timeout ends the wait for a connection');
}

# ---- TLS

my %INSECURE = (
	sqlstate => 'HV00N',
	hint => qr/certificate authorities that this machine trusts/);

$session->fails(
	connect_odd('plain', $sandbox->url =~ s/^http:/https:/r, "connect_timeout '20s'"),
	{ %INSECURE, message => 'could not establish a secure connection to Crisp, server "plain"' },
	'https to a server that speaks plain HTTP');

{
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $directory = PostgreSQL::Test::Utils::tempdir();
	my ($input, $output, $errors) = ('', '', '');
	IPC::Run::run(
		[   qw(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2),
			qw(-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1),
			'-keyout' => "$directory/key.pem",
			'-out' => "$directory/certificate.pem" ],
		'2>',
		\$errors) or die "openssl req failed: $errors\n";
	my $server = IPC::Run::start(
		[   qw(openssl s_server),
			'-accept' => "127.0.0.1:$port",
			'-key' => "$directory/key.pem",
			'-cert' => "$directory/certificate.pem" ],
		'<',
		\$input,
		'>',
		\$output,
		'2>',
		\$errors,
		IPC::Run::timeout(60));
	$server->pump until $output =~ /ACCEPT/;

	$session->fails(
		connect_odd('self_signed', "https://127.0.0.1:$port/v1", "connect_timeout '20s'"),
		{
			%INSECURE,
			message => 'could not establish a secure connection to Crisp, server "self_signed"',
			detail => qr/certificate/i
		},
		'a certificate that nobody vouches for');
	$server->pump_nb;
	$server->kill_kill;
	unlike($output, qr/GET|Authorization/i, 'such a server gets to see nothing of the request');
}

# ---- A list that fails on a later page fails as a whole

my @failures = (
	[ 'a 500', 'HV00M', { status => 500, body => '' } ],
	[   'a 404', 'HV00R',
		{
			status => 404,
			body => envelope(error => JSON::PP::true, reason => 'not_found', data => {})
		} ],
	[ 'a 429', '53400', { status => 429, body => '' } ],
	[ 'HTML', '08P01', { status => 200, body => '<html>' } ],
	[   'data that is null',
		'08P01', { status => 200, body => '{"error":false,"reason":"listed","data":null}' } ],
	[ 'a cut answer', 'HV00M', { cut_after => 700 } ],
);
$session->query('CREATE TABLE kept (session_id text)');
$session->query('CREATE MATERIALIZED VIEW copy AS SELECT session_id FROM crisp.conversations');
foreach my $failure (@failures)
{
	my ($name, $sqlstate, $answer) = @{$failure};
	my %expected = (sqlstate => $sqlstate, detail => qr{website/\Q$website_id\E/conversations/3\?});

	answer_with('*/conversations/3', $answer);
	my $result = $session->run('SELECT session_id FROM crisp.conversations');
	is($result->{output}, '', "$name on page 3: no rows pretend to be all");
	is($result->{errors}->[0]->{sqlstate}, $sqlstate, "$name on page 3: an error");
	is($sandbox->count, $name eq 'a 404' ? 5 : 3, "$name on page 3: no more than these requests");

	$session->fails('CREATE TABLE pretended AS SELECT session_id FROM crisp.conversations',
		\%expected, "$name on page 3: CREATE TABLE AS");
	is($session->query(q{SELECT to_regclass('pretended')}), '', "$name on page 3: no table");
	$session->fails('INSERT INTO kept SELECT session_id FROM crisp.conversations',
		\%expected, "$name on page 3: INSERT");
	is($session->query('SELECT count(*) FROM kept'), 0, "$name on page 3: nothing inserted");
	$session->fails('REFRESH MATERIALIZED VIEW copy', \%expected, "$name on page 3: REFRESH");
	is($session->query('SELECT count(*) FROM copy'), $total, "$name on page 3: the old copy stays");

	is( $session->query(
			"SELECT count(*) FROM (SELECT FROM crisp.conversations LIMIT 2 * $PER_PAGE) AS rows"),
		2 * $PER_PAGE,
		"$name on page 3: who needs two pages gets two");
}
$sandbox->reset;
is($session->query($count), $total, 'and then all rows');

# The other lists go the same way.
foreach my $list (
	[ people_profiles => 'people/profiles/1' ],
	[ visitors => 'visitors/list/1' ],
	[ operators => 'operators/list' ])
{
	my ($table, $route) = @{$list};

	answer_with("*/$route", { status => 503, body => '' });
	$session->fails(
		"SELECT * FROM crisp.$table",
		{ %DOWN, detail => qr{^GET website/\Q$website_id/$route\E\S* answered HTTP 503\.$} },
		"503 for $table");
	$sandbox->reset;
	cmp_ok($session->query("SELECT count(*) FROM crisp.$table"), '>', 0, "and then $table");
}

# ---- Values: an error when they are asked for and can't be given, and only then

my $NOW = 1_768_478_400_000;

sub insert_raw
{
	my ($text) = @_;

	$sandbox->reset;
	$sandbox->data(
		[   {
				op => 'insert_raw',
				resource => 'conversations',
				text_base64 => encode_base64($text, ''),
				created_at => $NOW,
				updated_at => $NOW + 1000
			} ]);
	return;
}

$session->query(<<'END');
CREATE FOREIGN TABLE customers (
	session_id text,
	plan bigint OPTIONS (json_path 'meta.data.plan'),
	topic text,
	topic_as_sent json OPTIONS (json_path 'topic'),
	nowhere text
) SERVER support OPTIONS (resource 'conversations');
END

insert_raw('{"session_id":"session_odd","meta":{"data":{"plan":"gold"}},"topic":"plans"}');
$session->fails(
	'SELECT plan FROM customers',
	{
		sqlstate => '22P02',
		message => 'invalid input syntax for type bigint: "gold"',
		context =>
		  'column "plan" of foreign table "customers", JSON path "meta.data.plan", value "gold", row "session_odd"'
	},
	'a value that does not fit its column');
$session->fails(
	q{SELECT session_id FROM customers WHERE plan > 1},
	{ sqlstate => '22P02' },
	'such a value in a condition');
is($session->query(q{SELECT topic FROM customers WHERE session_id = 'session_odd'}),
	'plans', 'the other columns of that row');

insert_raw('{"session_id":"session_odd","topic":"a\u0000b"}');
$session->fails(
	'SELECT topic FROM customers',
	{
		sqlstate => '22P05',
		context => qr/^column "topic" of foreign table "customers", JSON path "topic", value "a/
	},
	'\u0000 in a string');
is($session->query(q{SELECT topic_as_sent FROM customers WHERE session_id = 'session_odd'}),
	'"a\u0000b"', '\u0000 in a column of type json');

insert_raw(qq({"session_id":"session_odd","topic":"caf\xE9"}));
$session->fails(
	'SELECT topic FROM customers',
	{
		sqlstate => '22021',
		context => qr/^column "topic" of foreign table "customers", JSON path "topic", value "caf/
	},
	'bytes that are not UTF-8');
is($session->query('SELECT count(*) FROM customers'), $total + 1, 'nobody asked for these');

is( $session->query(q{SELECT count(*), count(nowhere) FROM customers}),
	$total + 1 . '|0',
	'a name that no row has is NULL');

# ---- Nothing is left behind

my @kinds = (
	[ { status => 500, body => '' } ],
	[ { status => 401, body => envelope(error => JSON::PP::true, reason => 'no', data => {}) } ],
	[ { status => 200, body => '<html>' } ],
	[ { status => 200, body => '{"error":false,"reason":"listed","data":[{"session_id":' } ],
	[ { cut_after => 500 } ],
	[ { reset => JSON::PP::true } ],
	[ { hang => JSON::PP::true }, 'SET statement_timeout = 20' ],
	[ { replace => [ { from => '"session_id":"', to => '"topic":"\u0000","session_id":"' } ] } ],
);

sub fail_often
{
	my ($times) = @_;
	my $failed = 0;

	foreach my $kind (@kinds)
	{
		my ($answer, $setting) = @{$kind};

		answer_with('*/conversations/2', $answer);
		$session->query($setting // 'RESET statement_timeout');
		my $result =
		  $session->run(join ";\n", ('SELECT count(topic) FROM crisp.conversations') x $times);
		$failed += @{ $result->{errors} };
		$session->query('RESET statement_timeout');
	}
	foreach my $table (qw(closed plain))
	{
		$failed +=
		  @{ $session->run(join ";\n", ("SELECT count(*) FROM $table") x $times)->{errors} };
	}
	$sandbox->reset;
	return $failed;
}

fail_often(5);
$session->query($count);
my ($descriptors, $memory) = ($session->descriptors, $session->memory);

is(fail_often(20), 20 * (@kinds + 2), 'two hundred statements failed');
is($session->query($count), $total, 'and then all rows');
cmp_ok($session->descriptors, '<=', $descriptors, 'no descriptor is left behind');
cmp_ok($session->memory - $memory, '<', 2 * 1024 * 1024, 'no memory is left behind');
note 'grown by ', $session->memory - $memory, ' bytes';

$session->quit;
done_testing();
