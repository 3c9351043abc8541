# Walking from the rows of one list to the lists below them: how many requests are
# under way together, lists that change meanwhile, errors, and whatever the executor does.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use CrispStatement;
use JSON::PP;
use List::Util qw(max sum);
use Test::More;

my $sandbox = CrispSandbox->start(conversations => 130, people => 30);
my $node    = start_node();

connect_crisp($node, $sandbox, options => "prefetch '1', max_retries '0'");
connect_crisp(
	$node, $sandbox,
	server  => 'wide',
	schema  => 'wide',
	options => "prefetch '4', max_retries '0'");
run_statements($node, $sandbox);

my $website       = $sandbox->website_id;
my @conversations = map { $_->{session_id} } $sandbox->rows('conversations');
my %count         = map {
	$_ => scalar(my @rows = split /\n/,
		$sandbox->ask('GET', "/_rows?resource=messages&session_id=$_"))
} @conversations;
my $total = sum(values %count);
my ($long) = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;

sub is_messages { return $_[0]->{path} =~ m{/messages$} }

# How many requests were under way together, at most.
sub together
{
	my (@requests) = @_;

	return max(
		map {
			my $request = $_;
			scalar grep {
				$_->{at_ms} <= $request->{at_ms} && ($_->{done_ms} // 9**15) > $request->{at_ms}
			} @requests
		} @requests);
}

# The error of a statement.
sub error_of
{
	my ($statement) = @_;

	$node->psql('postgres', "\\set VERBOSITY verbose\n$statement", stderr => \my $stderr);
	return $stderr;
}

#
# Requests under way together.
#
{
	$sandbox->control({ quiet_ms => 30 });
	my ($printed, @requests) = requests_of('SELECT count(*) FROM crisp.messages');
	is($printed,             $total, 'prefetch 1: rows');
	is(together(@requests), 1,      'prefetch 1: one at a time');

	my ($wide, @wide_requests) = requests_of('SELECT count(*) FROM wide.messages');
	is($wide,                    $total,            'prefetch 4: rows');
	is(together(@wide_requests), 4,                 'prefetch 4: four at a time');
	is(scalar @wide_requests,    scalar @requests, 'prefetch 4: the same requests');
	is_deeply(
		[ sort map { "$_->{path}?" . ($_->{query} // '') } @wide_requests ],
		[ sort map { "$_->{path}?" . ($_->{query} // '') } @requests ],
		'prefetch 4: just the same');

	my $keys = join ',', map { "'$_'" } @conversations[ 0 .. 19 ];
	my ($some, @some_requests) =
	  requests_of("SELECT count(*) FROM wide.messages WHERE session_id IN ($keys)");
	is($some, sum(@count{ @conversations[ 0 .. 19 ] }), 'prefetch 4, keys: rows');
	is(together(@some_requests), 4, 'prefetch 4, keys: four at a time');
	$sandbox->control({ quiet_ms => 0 });
}
is(costs(2, 'SELECT count(*) FROM (SELECT * FROM wide.messages LIMIT 1) m', 'prefetch 4, LIMIT 1'),
	1, 'prefetch 4, LIMIT 1: rows');
is(costs(0, 'SELECT count(*) FROM (SELECT * FROM wide.messages LIMIT 0) m', 'LIMIT 0'), 0, 'LIMIT 0: rows');
is( costs(
		0,
		'SELECT count(*) FROM wide.messages m WHERE session_id IN (SELECT session_id FROM wide.conversations '
			. 'WHERE false)',
		'never executed'),
	0, 'never executed: rows');

#
# Lists of the parent that change meanwhile.
#
foreach my $table ('crisp.messages', 'wide.messages')
{
	foreach my $case (
		[ 'conversations that are updated', map { { op => 'touch', index => 129 - 3 * $_ } } 0 .. 4 ],
		[ 'a conversation that is deleted', { op => 'delete', key => $conversations[70] } ],
		[ 'conversations that come', { op => 'insert_many', count => 3, at => 1_800_000_000_000 } ])
	{
		my ($name, @operations) = @{$case};

		$sandbox->reset;
		$sandbox->data(
			[
				map {
					{
						%{$_},
						  at_request => {
							path => "*/conversation/$conversations[60]/messages",
							when => 'before'
						  }
					}
				} @operations
			]);
		my $mode = $name =~ /deleted/ ? 'exact' : 'fast';
		my %times;
		$times{ (split /\|/)[0] }++
		  foreach split /\n/,
		  sql("SET crisp_fdw.scan_mode = '$mode'; SELECT session_id, fingerprint FROM $table");
		is_deeply(
			[ grep { ($times{$_} // 0) != $count{$_} && $_ ne $conversations[70] } @conversations ],
			[], "$table, $name: all messages of all others, once");
	}
}
$sandbox->reset;
is(sql("SET crisp_fdw.scan_mode = 'exact'; SELECT count(*) FROM wide.messages"), $total, 'an exact scan');

#
# Errors.
#
sub answer_with
{
	my ($path, $answer) = @_;

	$sandbox->control({ answers => [ { match => { path => $path }, %{$answer} } ] });
	return;
}

foreach my $key ('', '..')
{
	answer_with('*/conversations/*',
		{ replace => [ { from => qq("session_id":"$conversations[5]"), to => qq("session_id":"$key") } ] });
	$sandbox->clear;
	is(sql('SELECT count(*) FROM crisp.messages'), $total - $count{ $conversations[5] },
		"a conversation without a key: '$key'");
	is_deeply(
		[ grep { m{/conversation/(?:\.\.)?/} } map { $_->{path} } $sandbox->requests ],
		[], 'asks for nothing below it');
}
answer_with("*/conversation/$conversations[5]/messages", { status => 500 });
like(
	error_of('SELECT count(*) FROM crisp.messages'),
	qr/ERROR:  \w+: .*server "support"\nDETAIL:  GET .*$conversations[5]/,
	'a list that fails');
answer_with(
	"*/conversation/$conversations[5]/messages",
	{ status => 404, body => '{"error":true,"reason":"website_not_found","data":{}}' });
like(error_of('SELECT count(*) FROM crisp.messages'), qr/ERROR: .*\n.*website_not_found/, 'a website that is gone');
answer_with(
	"*/conversation/$conversations[5]/messages",
	{ status => 404, body => '{"error":true,"reason":"not_found","data":{}}' });
is(sql('SELECT count(*) FROM wide.messages'), $total - $count{ $conversations[5] }, 'a conversation that is gone');
$sandbox->control(
	{
		answers => [
			{
				match  => { path => "*/conversation/$long/messages", query => 'timestamp_before' },
				status => 400,
				body   => '{"error":true,"reason":"invalid_data","data":{}}'
			}
		]
	});
like(
	error_of("SELECT count(*) FROM crisp.messages WHERE session_id = '$long'"),
	qr/ERROR:  HV000: Crisp refused the request, server "support"\nDETAIL:  GET .*timestamp_before=\d+ answered HTTP 400/,
	'a list that cannot be gone on with');

# A key that a user gives may be none; one that Crisp has told is one.
answer_with("*/conversation/$conversations[5]/messages",
	{ status => 400, body => '{"error":true,"reason":"invalid_data","data":{}}' });
is(sql("SELECT count(*) FROM crisp.messages WHERE session_id = '$conversations[5]'"),
	0, 'what Crisp says can be no key');
like(
	error_of('SELECT count(*) FROM crisp.messages'),
	qr/ERROR:  HV000: Crisp refused the request, server "support"\nDETAIL:  GET .*$conversations[5]\/messages answered HTTP 400/,
	'unless it has told the key itself');
answer_with("*/conversation/$conversations[5]/messages", { body => '{"error":false,"reason":"","data":{}}' });
like(
	error_of('SELECT count(*) FROM crisp.messages'),
	qr/ERROR:  08P01: unexpected answer.*\nDETAIL:  GET .*"data" is not an array/,
	'an answer that is no list');

# A server that has no ear for the cursor.
$sandbox->control(
	{
		answers => [
			{
				match   => { path => "*/conversation/$long/messages", query => 'timestamp_before' },
				status  => 206,
				replace => [ { from => '"timestamp":1', to => '"timestamp":9' } ]
			}
		]
	});
like(
	error_of("SELECT count(*) FROM crisp.messages WHERE session_id = '$long'"),
	qr/ERROR:  HV000: cannot read all rows .*\nDETAIL:  GET .*newer than those that were asked for/,
	'a cursor that is not kept to');
$sandbox->control(
	{
		answers => [
			{
				match   => { path => "*/conversation/$long/messages" },
				replace => [ { from => '"timestamp":1', to => '"time":1' } ]
			}
		]
	});
like(
	error_of("SELECT count(*) FROM crisp.messages WHERE session_id = '$long'"),
	qr/ERROR:  HV000: cannot read all rows .*\nDETAIL:  GET .*no row has a time/,
	'rows without times');
$sandbox->control({ answers => [] });

{
	$sandbox->clear;
	like(
		error_of('SET crisp_fdw.max_requests = 20; SELECT count(*) FROM wide.messages'),
		qr/ERROR:  \w+: .*20/, 'max_requests');
	is($sandbox->count, 20, 'max_requests: no more than that');
}

# Cancelling.
answer_with("*/conversation/$conversations[9]/messages", { hang => JSON::PP::true });
foreach my $schema ('crisp', 'wide')
{
	like(
		error_of("SET statement_timeout = '300ms'; SELECT count(*) FROM $schema.messages"),
		qr/ERROR:  57014:/, "$schema: a walk that is cancelled");
}
$sandbox->reset;
is(sql('SELECT count(*) FROM wide.messages'), $total, 'the next statement');

#
# The executor.
#
{
	my $keys = join ',', map { "'$_'" } @conversations[ 0 .. 3 ];
	my $session = CrispSession->start($node);
	my $select = "SELECT fingerprint FROM wide.messages WHERE session_id IN ($keys) ORDER BY session_id, fingerprint";
	my $expected = $session->query($select);
	my @expected = split /\n/, $expected;

	is( $session->query(
		"BEGIN; DECLARE c SCROLL CURSOR FOR SELECT fingerprint FROM wide.messages WHERE session_id IN ($keys); "
			  . 'FETCH 2 FROM c; FETCH ALL FROM c'),
		$session->query('FETCH ABSOLUTE 0 FROM c; FETCH ALL FROM c'),
		'a cursor that goes back');
	$sandbox->clear;
	is(scalar(my @again = split /\n/, $session->query('FETCH ABSOLUTE 0 FROM c; FETCH ALL FROM c')),
		scalar @expected, 'and back again');
	is($sandbox->count, 0, 'which costs nothing');
	$session->query('COMMIT');

	$session->query('BEGIN; DECLARE c CURSOR FOR SELECT * FROM wide.messages; FETCH 700 FROM c');
	cmp_ok(
		$session->query(
			q(SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'crisp_fdw child')),
		'<=', 4, 'no more lists are open than may be asked for together');
	$session->query('COMMIT');
	is( $session->query(
			q(SELECT count(*) FROM pg_backend_memory_contexts WHERE name LIKE 'crisp_fdw child')),
		0, 'and none in the end');
}
is(sql('SELECT count(m) FROM crisp.messages m'), $total, 'whole rows');
is(sql("SELECT DISTINCT tableoid::regclass FROM crisp.messages WHERE session_id = '$long'"),
	'crisp.messages', 'tableoid');
sql(<<'END');
CREATE FOREIGN TABLE odd (gone text, "timestamp" bigint, session_id varchar(60), text text
	OPTIONS (json_path 'content'),
	fingerprint numeric, user_nickname text) SERVER support OPTIONS (resource 'messages');
ALTER FOREIGN TABLE odd DROP COLUMN gone;
END
is( sql("SELECT count(*), count(DISTINCT fingerprint), count(text), min(length(session_id)) FROM odd "
	. "WHERE session_id = '$long'"),
	"$count{$long}|$count{$long}|$count{$long}|44",
	'a table with columns of its own');
{
	my $bound =
	  sql("SELECT max(\"timestamp\") - 1 FROM odd WHERE session_id = '$conversations[2]'");
	my ($printed, @requests) = requests_of("SELECT count(*) FROM odd WHERE \"timestamp\" > $bound");

	cmp_ok($printed, '>=', 1, 'milliseconds: rows');
	cmp_ok(scalar @requests, '<=', 1 + 4 * 2, 'milliseconds: requests');
	is($printed, sql("SELECT count(*) FROM odd WHERE \"timestamp\" + 0 > $bound"), 'milliseconds: all rows');
}

# Several walks under one Append.
{
	my $append = "SELECT count(*) FROM (SELECT session_id FROM crisp.messages UNION ALL SELECT session_id "
		. "FROM wide.messages WHERE session_id = '$long') m";

	is(sql($append), $total + $count{$long}, 'two walks under one Append');
	is(sql("SET enable_async_append = off; $append"), $total + $count{$long}, 'one after the other');
}

# EXPLAIN shows both, and asks for nothing.
{
	my ($printed, @requests) =
	  requests_of('EXPLAIN (COSTS OFF) SELECT * FROM crisp.messages WHERE "timestamp" > \'2026-01-10\' '
	  	. 'AND "timestamp" < \'2026-01-12\'');

	is(scalar @requests, 0, 'EXPLAIN asks for nothing');
	like(
		$printed,
		qr{Crisp Request: GET website/$website/conversations/1\?per_page=50&filter_date_start=2026-01-09T23:59:59.999Z&order_date_updated=1\n.*Crisp Request For Each Row: GET website/$website/conversation/\{session_id\}/messages\?timestamp_before=\d+},
		'EXPLAIN shows what is asked');
	like(
		sql("EXPLAIN (ANALYZE, TIMING OFF) SELECT * FROM crisp.messages"),
		qr/Expected Requests: \d+\n.*Requests: \d+\n(.*\n)*.*Lists: @{[scalar @conversations]}\n/,
		'EXPLAIN ANALYZE counts');
}

done_testing();
