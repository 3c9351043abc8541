# What a backend takes of memory, whatever a server sends: measured, for each shape of a lie.

use strict;
use warnings;

use CrispCluster;
use CrispListener;
use CrispSession;
use JSON::PP;
use Test::More;

# What is freed goes back to the system, so that what is left can be told from what malloc keeps for later.
BEGIN { $ENV{MALLOC_MMAP_THRESHOLD_} = 128 * 1024 }

my $MEGABYTE = 1024 * 1024;
my $LIMIT = 32 * $MEGABYTE;    # max_response_size
my ($node, $sandbox) = start_crisp(conversations => 60, people => 20, visitors => 2, operators => 3);
my $listener = CrispListener->new;
my $port = $listener->port;

$node->safe_psql('postgres', <<"END");
CREATE SERVER liar FOREIGN DATA WRAPPER crisp_fdw
	OPTIONS (base_url 'http://127.0.0.1:$port/v1', website_id '@{[ $sandbox->website_id ]}', prefetch '1', max_retries
	'0', retry_delay '1ms',
		max_response_size '32MB');
CREATE USER MAPPING FOR CURRENT_USER SERVER liar OPTIONS (@{[ credential_options($sandbox, 'website') ]});
CREATE FOREIGN TABLE conversations (session_id text, topic text, n numeric, meta_data jsonb, meta_segments text[],
	updated_at timestamptz) SERVER liar;
CREATE FOREIGN TABLE operators (user_id text, email text) SERVER liar;
END

sub answer
{
	my ($status, $body, %headers) = @_;

	return join "\r\n", "HTTP/1.1 $status X", 'Content-Type: application/json', 'Content-Length: ' . length $body,
	  (map { "$_: $headers{$_}" } sort keys %headers), 'Connection: close', '', $body;
}

# The elements of a list, as often as they fit the largest answer.
sub list_of
{
	my ($element) = @_;
	my $times = int(($LIMIT - 1000) / (1 + length $element));

	return '{"error":false,"reason":"listed","data":[' . join(',', ($element) x $times) . ']}';
}

# One row with a value that is as large as an answer can be.
sub row_with
{
	my ($before, $piece, $after) = @_;
	my $times = int(($LIMIT - 1000) / length $piece);

	return '{"error":false,"reason":"listed","data":[{"session_id":"x","updated_at":1,' . $before . $piece x $times
		. $after . '}]}';
}

# Run a statement in a session of its own, which gets these answers one after the other.  It ends as is expected: with a
# result, or with an error.  It must not have taken more than so many times the largest answer.
sub takes
{
	my ($sql, $answers, $expected, $times, $name) = @_;
	my $session = CrispSession->start($node);

	# Catalogs, and libcurl, are loaded.
	$session->query('SELECT count(*) FROM crisp.operators');
	my $before = $session->peak_memory;

	$session->send($sql);
	$listener->answer($_) foreach @{$answers};
	my $result = $session->wait;
	my $taken = ($session->peak_memory - $before) / $LIMIT;
	my $error = $result->{errors}->[0];

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	like($error ? "$error->{sqlstate} $error->{message}" : $result->{output}, $expected, "$name: how it ends");
	cmp_ok($taken, '<', $times, "$name: how much it takes");
	diag sprintf '%s: %.1f times the largest answer', $name, $taken if $ENV{SHOW_MEMORY};

	# What is left is no part of it.
	cmp_ok($session->memory - $before, '<', 8 * $MEGABYTE, "$name: and afterwards");
	$session->quit;
	return;
}

my $count = 'SELECT count(*) FROM conversations';
my $too_large = qr/^54000 answer of Crisp is too large/;

# Many small values: one text of brackets and commas has more of them than an answer may have.
foreach my $element ('1', '[]', '{}', '""', 'null', 'true', '[1]', '{"":1}', '[' x 100 . ']' x 100)
{
	takes($count, [ answer(200, list_of($element)) ], $too_large, 3.6,
		'a list of ' . (length $element > 20 ? 'deep arrays' : $element));
}
takes(
	$count,
	[ answer(200, row_with('"meta":{"data":{', '"a":1,', '"b":2}}')) ],
	$too_large, 3.6, 'a row with many members');

# Few large ones are what they are.
my $topic = 'SELECT length(topic) FROM conversations';
takes($topic, [ answer(200, row_with('"topic":"', 'y', '"')) ], qr/^33\d{6}$/, 4.5, 'a long string');
takes($topic, [ answer(200, row_with('"topic":"', '\u0041', '"')) ], qr/^5\d{6}$/, 4.5, 'a string of escapes');
takes($count, [ answer(200, row_with('"', 'k', '":1')) ], qr/^1$/, 3.6, 'a long key');
takes($count, [ answer(200, row_with('"', '\u00e9', '":1')) ], qr/^1$/, 3.6, 'a long key of escapes');
takes($count, [ answer(200, row_with('"n":', '9', '')) ], qr/^1$/, 3.6, 'a long number that nobody wants');
takes(
	'SELECT n FROM conversations',
	[ answer(200, row_with('"n":', '9', '')) ],
	qr/^22003 value overflows numeric format/,
	4.5, 'a long number');
takes(
	'SELECT length(updated_at::text) FROM conversations',
	[ answer(200, row_with('"x":[', '"abcdefghijklmnopqrstuvwxyz",',
		'""]') =~ s/"updated_at":1/"updated_at":9e999999999/r) ],
	qr/^22008 /,
	3.6, 'a time that is too large');
takes(
	'SELECT jsonb_array_length(meta_data) FROM conversations',
	[ answer(200, row_with('"meta":{"data":[', '"abcdefghijklmnopqrstuvwxyz",', '""]}')) ],
	qr/^\d+$/, 9, 'jsonb');
takes(
	'SELECT cardinality(meta_segments) FROM conversations',
	[ answer(200, row_with('"meta":{"segments":[', '"abcdefghijklmnopqrstuvwxyz",', '""]}')) ],
	qr/^\d+$/, 9, 'an array');
takes($count, [ answer(200, '[' x ($LIMIT - 10)) ], qr/^08P01 /, 3.6, 'nothing but nesting');
takes($count, [ answer(200, ' ' x ($LIMIT - 10)) ], qr/^08P01 /, 3.6, 'nothing at all');
takes($count, [ answer(200, 'x' x ($LIMIT + 10)) ], $too_large, 3.6, 'more than an answer may have');

# Attempts that fail, one after the other: the answer to one is gone when the next one comes.
$node->safe_psql('postgres', q(ALTER SERVER liar OPTIONS (SET max_retries '5')));
my $fat = '{"error":true,"reason":"no","data":{"message":"no","x":['
	. join(',', ('"abcdefghijklmnopqrstuvwxyz"') x ($LIMIT / 30)) . ']}}';
takes($count, [ (answer(503, $fat)) x 6 ], qr/^HV00M Crisp failed to answer/, 4.5, 'six failures');
takes($count, [ (answer(423, $fat)) x 6 ], qr/^53400 /, 4.5, 'six times a quota that is spent');
takes(
	$count,
	[ (answer(503, $fat)) x 5, answer(200, '{"error":false,"reason":"listed","data":[]}') ],
	qr/^0$/, 4.5, 'five failures and a success');
takes($count, [ (answer(503, list_of('1'))) x 6 ], qr/^HV00M /, 4.5, 'six failures of many values');
takes($count, [ (answer(200, substr list_of('"abcdefghijklmnopqrstuvwxyz"'), 0, -1)) x 2 ], qr/^08P01 /, 4.5,
	'an answer that is cut, twice');
takes(
	"SELECT count(*) FROM conversations WHERE session_id = 'session_a'",
	[ (answer(503, $fat)) x 5, answer(404,
		'{"error":true,"reason":"not_found","data":{"x":['
			. join(',', ('"abcdefghijklmnopqrstuvwxyz"') x ($LIMIT / 30)) . ']}}') ],
	qr/^0$/, 4.5, 'a lookup');

# Heads have no end, either.
my $head = sub { return join '', map { "$_[0]\r\n" } 1 .. $_[1] };
takes($count, [ ("HTTP/1.1 200 OK\r\n" . $head->('X-A: ' . 'a' x 1000, 32 * 1024)) x 2 ], qr/^08P01 /, 1,
	'a head of 32 MB');
takes($count, [ ("HTTP/1.1 200 OK\r\n" . $head->('A:', 4_000_000)) x 2 ], qr/^08P01 /, 1, 'a head of many lines');
takes($count, [ ($head->("HTTP/1.1 100 Continue\r\n", 500_000)) x 2 ], qr/^08P01 /, 1, 'interim answers without end');
takes(
	$count,
	[ ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" . $head->('X-A: ' . 'a' x 1000, 32 * 1024)) x 2 ],
	qr/^(08P01|HV00M) /,
	1, 'trailers without end');

# Not every libcurl has an error for this that is tried again.
$node->safe_psql('postgres', q(ALTER SERVER liar OPTIONS (SET max_retries '0')));
takes($count, [ ("HTTP/1.1 200 OK\r\nX-A: " . 'a' x 32_000_000 . "\r\n\r\n") x 1 ], qr/^(08P01|HV000|HV00M) /, 1,
	'a header of 32 MB');

done_testing();
