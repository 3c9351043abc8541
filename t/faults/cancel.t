# Waiting ends at once when it is told to, wherever it waits, and the next
# statement finds a clean state.

use strict;
use warnings;

use CrispCluster;
use CrispListener;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $PER_PAGE = 20;

# It takes milliseconds; the server would be silent for a minute.
my $AT_ONCE = 12;
my $FAR_OFF_MS = 60_000;

my $sandbox = CrispSandbox->start(
	conversations => 150,
	people => 60,
	visitors => 5,
	operators => 3,
	websites => 1);
my $node = start_node('max_connections = 20');
connect_crisp($node, $sandbox,
	options =>
	  "per_page '$PER_PAGE', prefetch '1', max_retries '0', request_timeout '10min', connect_timeout '10min'"
);

my $session = CrispSession->start($node);
my $admin = CrispSession->start($node);
my $count = 'SELECT count(*) FROM crisp.conversations';
my $total = $session->query($count);
my $requests = $sandbox->count;
my $started = $admin->query('SELECT pg_postmaster_start_time()');

cmp_ok($total, '>', 4 * $PER_PAGE, 'there are some pages to wait for');

# The sandbox, from now on, gives this answer where the path is like that.
sub answer_with
{
	$sandbox->reset;
	$sandbox->answer_with(@_);
	return;
}

# The same, with that many requests made.
sub wait_until_requested
{
	my ($waiting, $number) = @_;

	$sandbox->wait_for_requests($number);
	is($sandbox->count, $number, 'the request is under way');
	$waiting->wait_until_waiting;
	return;
}

# The session works as if nothing had been.
sub works
{
	my ($name) = @_;

	$sandbox->reset;
	is($session->query('SELECT pg_backend_pid()'), $session->pid, "$name: the same backend");
	is($session->query($count), $total, "$name: the next statement gets all rows");
	is($sandbox->count, $requests, "$name: with as many requests as ever");
	return;
}

# ---- While the server is silent

my %silences = (
	'hangs' => [ '*/conversations/1', { hang => JSON::PP::true }, 1 ],
	'hangs on the third page' => [ '*/conversations/3', { hang => JSON::PP::true }, 3 ],
	'drips' => [ '*/conversations/1', { drip => { bytes => 1, every_ms => 200 } }, 1 ],
	'is slow' => [ '*/conversations/1', { delay_ms => $FAR_OFF_MS }, 1 ],
	'stops within the body' =>
	  [ '*/conversations/1', { drip => { bytes => 3000, every_ms => $FAR_OFF_MS } }, 1 ],
);

foreach my $name (sort keys %silences)
{
	my ($path, $answer, $requested) = @{ $silences{$name} };
	my ($result, $time);

	answer_with($path, $answer);
	$session->send($count);
	wait_until_requested($session, $requested);
	$time = time;
	is($admin->query('SELECT pg_cancel_backend(' . $session->pid . ')'),
		't', "cancel while the server $name");
	$result = $session->wait;
	$time = time - $time;
	is($result->{errors}->[0]->{sqlstate}, '57014', "cancelled while the server $name");
	is( $result->{errors}->[0]->{message},
		'canceling statement due to user request',
		"... and it says so");
	cmp_ok($time, '<', $AT_ONCE, "... at once");
	note sprintf 'cancelled within %.0f ms', $time * 1000;
	is($sandbox->count, $requested, '... and nothing is asked again');
	works("cancelled while the server $name");

	answer_with($path, $answer);
	$session->query(q{SET statement_timeout = '300ms'});
	$time = time;
	$session->fails(
		$count,
		{ sqlstate => '57014', message => 'canceling statement due to statement timeout' },
		"statement_timeout while the server $name");
	$time = time - $time;
	cmp_ok($time, '>=', 0.3, '... not before its time');
	cmp_ok($time, '<', 0.3 + $AT_ONCE, '... nor long after');
	$session->query('RESET statement_timeout');
	works("statement_timeout while the server $name");

	my $victim = CrispSession->start($node);
	answer_with($path, $answer);
	$victim->send($count);
	wait_until_requested($victim, $requested);
	$time = time;
	$admin->query('SELECT pg_terminate_backend(' . $victim->pid . ')');
	$result = $victim->wait;
	$time = time - $time;
	is($result->{errors}->[0]->{sqlstate}, '57P01', "terminated while the server $name");
	ok($result->{lost}, '... which ends the connection');
	cmp_ok($time, '<', $AT_ONCE, '... at once');
	is($admin->query('SELECT count(*) FROM pg_stat_activity WHERE pid = ' . $victim->pid),
		0, '... and the backend is gone');
}
is($admin->query('SELECT pg_postmaster_start_time()'), $started, 'no backend crashed');

# ---- Before there is a connection

my $silent = CrispListener->new;
my $full = CrispListener->new(1);
my %addresses = ('a TLS handshake' => 'https://127.0.0.1:' . $silent->port . '/v1');
my $can_fill = $full->fill;

$addresses{'a connection'} = 'http://127.0.0.1:' . $full->port . '/v1' if $can_fill;
SKIP:
{
	skip 'this kernel accepts connections without end', 1 unless $can_fill;
	pass('there is a port on which nobody picks up');
}
foreach my $name (sort keys %addresses)
{
	$session->query(<<"END");
CREATE SERVER odd FOREIGN DATA WRAPPER crisp_fdw
	OPTIONS (base_url '$addresses{$name}', website_id '@{[ $sandbox->website_id ]}', connect_timeout '10min');
CREATE USER MAPPING FOR CURRENT_USER SERVER odd OPTIONS (identifier 'x', key 'x');
CREATE FOREIGN TABLE odd (session_id text) SERVER odd OPTIONS (resource 'conversations');
END
	my $descriptors = $session->descriptors;
	$session->send('SELECT * FROM odd');
	$session->wait_until_waiting;
	my $time = time;
	$admin->query('SELECT pg_cancel_backend(' . $session->pid . ')');
	is($session->wait->{errors}->[0]->{sqlstate}, '57014', "cancelled while waiting for $name");
	cmp_ok(time - $time, '<', $AT_ONCE, '... at once');
	works("cancelled while waiting for $name");
	$session->query('DROP SERVER odd CASCADE');
	$session->query('SELECT 1');
	cmp_ok($session->descriptors, '<=', $descriptors, '... and no descriptor is left behind');
}

# ---- What is no reason to stop waiting

answer_with('*/conversations/2', { delay_ms => 1500 });
$session->send($count);
wait_until_requested($session, 2);
$admin->query('SELECT pg_reload_conf()');
$admin->query('SELECT pg_log_backend_memory_contexts(' . $session->pid . ')')
  if $admin->query(q{SELECT to_regprocedure('pg_log_backend_memory_contexts(integer)') IS NOT NULL})
  eq 't';
kill 'USR1', $session->pid;
is_deeply(
	$session->wait,
	{ output => $total, lost => !1, errors => [], notices => [] },
	'signals that mean nothing to a scan leave it alone');
is($sandbox->count, $requests, '... and no page is asked for twice');

# ---- A client that is gone

SKIP:
{
	skip 'this PostgreSQL does not look after its clients', 1
	  if $admin->query(
		q{SELECT count(*) FROM pg_settings WHERE name = 'client_connection_check_interval'}) == 0;

	my $leaver = CrispSession->start($node);
	$leaver->query(q{SET client_connection_check_interval = '100ms'});
	answer_with('*/conversations/1', { hang => JSON::PP::true });
	$leaver->send($count);
	$leaver->wait_until_waiting;
	$leaver->kill_client;
	ok( $node->poll_query_until(
			'postgres', 'SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = ' . $leaver->pid),
		'a backend whose client is gone does not wait on');
}

# ---- What makes no request at all

$sandbox->reset;
$session->query(<<'END');
CREATE TABLE nobody (id int);
CREATE VIEW seen AS SELECT * FROM crisp.conversations;
PREPARE later(timestamptz) AS SELECT count(*) FROM crisp.conversations WHERE updated_at > $1;
EXPLAIN SELECT * FROM crisp.conversations;
EXPLAIN (VERBOSE, COSTS OFF, FORMAT json) SELECT * FROM crisp.conversations WHERE updated_at > now();
EXPLAIN EXECUTE later(now());
EXPLAIN CREATE TABLE copied AS SELECT * FROM crisp.people_profiles;
BEGIN;
DECLARE idle CURSOR FOR SELECT * FROM crisp.conversations;
CLOSE idle;
DECLARE idle SCROLL CURSOR WITHOUT HOLD FOR SELECT * FROM crisp.conversations;
COMMIT;
SELECT * FROM crisp.conversations LIMIT 0;
SELECT * FROM crisp.conversations WHERE false;
SELECT * FROM crisp.conversations WHERE now() < '2000-01-01';
SELECT (SELECT count(*) FROM crisp.conversations) FROM nobody;
SELECT CASE WHEN now() < '2000-01-01' THEN (SELECT count(*) FROM crisp.conversations) END;
END
is($sandbox->count, 0, 'EXPLAIN, PREPARE, cursors and branches that do not run make no request');
is($session->query(q{EXECUTE later('-infinity')}), $total, 'what was prepared runs');
is($sandbox->count, $requests, '... and only then asks');

# ---- Cursors

$sandbox->reset;
$session->query('BEGIN; DECLARE rows CURSOR FOR SELECT session_id FROM crisp.conversations');
is(scalar(my @ten = split /\n/, $session->query('FETCH 10 FROM rows')), 10, 'ten rows of a cursor');
$session->query('CLOSE rows');
is($session->query('SELECT count(*) FROM crisp.operators'), 3, 'after it was closed half way');
$session->query('COMMIT');
is($sandbox->count, 2, 'a cursor asks for no page that nobody fetches from');

answer_with('*/conversations/2', { hang => JSON::PP::true });
$session->query(<<"END");
BEGIN;
DECLARE rows CURSOR FOR SELECT session_id FROM crisp.conversations;
SAVEPOINT before;
SET LOCAL statement_timeout = '200ms';
END
is(scalar(my @page = split /\n/, $session->query("FETCH $PER_PAGE FROM rows")),
	$PER_PAGE, 'a page of a cursor');
is($session->run('FETCH 1 FROM rows')->{errors}->[0]->{sqlstate},
	'57014', 'the next page does not come, and the fetch is cancelled');
$sandbox->reset;
$session->query('ROLLBACK TO before');
is($session->run('FETCH 1 FROM rows')->{errors}->[0]->{sqlstate},
	'55000', 'a cursor that failed stays failed');
$session->query('ROLLBACK TO before');
is($session->query($count), $total, 'the transaction goes on with other scans');
$session->query('CLOSE rows; COMMIT');
works('after a cursor that failed');

$session->query(<<'END');
BEGIN;
SAVEPOINT before;
DECLARE rows CURSOR FOR SELECT session_id FROM crisp.conversations;
FETCH 30 FROM rows;
ROLLBACK TO before;
END
is($session->run('FETCH 1 FROM rows')->{errors}->[0]->{sqlstate},
	'34000', 'a cursor goes with its subtransaction');
$session->query('ROLLBACK');
works('after a cursor that was rolled back');

# ---- Exception handlers

$session->query(<<'END');
CREATE FUNCTION twice(OUT first_state text, OUT first_rows int, OUT second_rows int) AS $$
BEGIN
	BEGIN
		SELECT count(*) INTO first_rows FROM crisp.conversations;
	EXCEPTION WHEN query_canceled OR OTHERS THEN
		first_state := SQLSTATE;
	END;
	SELECT count(*) INTO second_rows FROM crisp.conversations;
END $$ LANGUAGE plpgsql;

-- An inner scan that fails for each row of an outer scan of the same server.
CREATE FUNCTION nested(OUT outer_rows int, OUT failures int) AS $$
DECLARE
	id text;
BEGIN
	outer_rows := 0;
	failures := 0;
	FOR id IN SELECT session_id FROM crisp.conversations LOOP
		outer_rows := outer_rows + 1;
		BEGIN
			PERFORM people_id FROM crisp.people_profiles;
		EXCEPTION WHEN fdw_unable_to_create_reply THEN
			failures := failures + 1;
		END;
	END LOOP;
END $$ LANGUAGE plpgsql;
END

my %first_failures = (
	'HV00M' => { status => 500 },
	'53400' => { status => 429 },
	'08P01' => { status => 200, body => '[]' },
);
foreach my $state (sort keys %first_failures)
{
	$sandbox->reset;
	$sandbox->control(
		{
			answers => [
				{
					match => { path => '*/conversations/2' },
					times => 1,
					%{ $first_failures{$state} }
				} ]
		});
	is($session->query('SELECT * FROM twice()'),
		"$state||$total", "a function that catches $state scans again");
	is($sandbox->count, 2 + $requests, '... from the start');
}

$sandbox->reset;
$sandbox->control(
	{
		answers =>
		  [ { match => { path => '*/conversations/2' }, times => 1, hang => JSON::PP::true } ]
	});
$session->query(q{SET statement_timeout = '2s'});
is($session->query('SELECT * FROM twice()'),
	"57014||$total", 'a function that catches its cancelling scans again');
$session->query('RESET statement_timeout');

answer_with('*/people/profiles/*', { status => 502 });
is($session->query('SELECT * FROM nested()'),
	"$total|$total", 'an outer scan outlives an inner one that fails');
is($sandbox->count, $requests + $total, '... and neither asks more than it must');

# ---- Many of them

answer_with('*/conversations/2', { hang => JSON::PP::true });
$session->query(q{SET statement_timeout = '15ms'});
$session->run(join ";\n", ($count) x 10);
my ($descriptors, $memory) = ($session->descriptors, $session->memory);
my $result = $session->run(join ";\n", ($count) x 100);
is_deeply(
	[ map { $_->{sqlstate} } @{ $result->{errors} } ],
	[ ('57014') x 100 ],
	'a hundred cancelled statements');

# When the first ten are cancelled, not all connections, and files of catalogs, may be open yet.
cmp_ok($session->descriptors, '<', $descriptors + 10, '... leave no descriptor behind');
cmp_ok($session->memory - $memory, '<', 1024 * 1024, '... and no memory');
note 'grown by ', $session->memory - $memory, ' bytes';
$session->query('RESET statement_timeout');
works('after a hundred cancelled statements');

# ---- Shutting down

answer_with('*/conversations/1', { hang => JSON::PP::true });
$session->send($count);
wait_until_requested($session, 1);
my $time = time;
$admin->quit;
$node->stop('fast');
cmp_ok(time - $time, '<', 2 * $AT_ONCE, 'the server shuts down while a scan waits');
is($session->wait->{errors}->[0]->{sqlstate}, '57P01', '... which is told so');
unlike(
	slurp_file($node->logfile),
	qr/PANIC|terminated by signal|unexpected|leak/,
	'the log knows of nothing odd');

done_testing();
