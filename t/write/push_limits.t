# crisp_push() within limits: of requests a call, of a quota, of what a kill may repeat; and what ends a run.

use strict;
use warnings;

use CrispCluster;
use CrispPush;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use Test::More;

my $sandbox = CrispSandbox->start(conversations => 5, people => 40, visitors => 1, operators => 1, websites => 1);
my $node = start_node();

connect_crisp($node, $sandbox, options => "max_retries '0', updatable 'true', prefetch '4'");
my $session = CrispSession->start($node);
push_with($session, $sandbox);

my $call = q('public.customers', 'crisp.people_profiles', key => 'email');
my @there = map { $_->{email} } grep { length($_->{email} // '') } $sandbox->rows('people');

sub query { return $session->query(@_) }

sub answer
{
	$sandbox->control({ answers => [@_] });
	return;
}

sub addresses
{
	return [ sort map { m{people/profile/(\S+)} ? $1 : () } @_ ];
}

query('CREATE TABLE customers (email text PRIMARY KEY, notepad text)');
query("INSERT INTO customers SELECT e, 'a' FROM unnest('{" . join(',', @there[ 0 .. 19 ]) . "}'::text[]) e");

#
# Requests a call
#

my $run = push_rows("$call, max_requests => 6");
is(scalar @{ $run->{requests} }, 6, 'as many requests as a call may make');
like($run->{notices}, qr/requests: 6; 14 rows next time/, 'the rest next time');
is(push_status('state, rows_known, rows_pending'), 'unfinished|20|14', 'the status');
is(query('SELECT state FROM crisp_push_run'), 'partial', 'the run');
my %sent = map { $_ => 1 } @{ addresses(@{ $run->{requests} }) };
query('SET crisp_fdw.max_requests = 5');
$run = push_rows($call);
is(scalar @{ $run->{requests} }, 5, 'so does the setting');
query('RESET crisp_fdw.max_requests');
$sent{$_}++ foreach @{ addresses(@{ $run->{requests} }) };
$run = push_rows("$call, max_requests => NULL");
$sent{$_}++ foreach @{ addresses(@{ $run->{requests} }) };
is(join(' ', grep { $sent{$_} != 1 } keys %sent) . keys %sent, 20, 'in the end, each row was sent once');
is(push_status('state, rows_pending, requests'), 'up to date|0|20', 'all are there');

# A call of one request gets on, too.
query("CREATE TABLE slow AS SELECT e AS email, 'x' AS person_nickname
	FROM unnest('{new\@example.com,$there[30]}'::text[]) e");
for (1 .. 6)
{
	push_rows(q('slow', 'crisp.people_profiles', key => 'email', max_requests => 1));
	last if push_status('state', 'slow') eq 'up to date';
}
is(push_status('state, requests <= 5', 'slow'), 'up to date|t', 'one request a call');
query(q(SELECT crisp_push_drop('slow', 'crisp.people_profiles')));

# Attempts that fail take requests, too.  The run is over then, but hasn't failed; the row comes last from now on, so
# that it doesn't keep the others, however few requests a call has.
query(q(ALTER SERVER support OPTIONS (SET max_retries '5', ADD retry_delay '1ms')));
my $worst = query('SELECT email FROM customers ORDER BY length(email), email COLLATE "C" LIMIT 1');
foreach my $failure ([ 503, 'a failure of Crisp' ], [ 429, 'a quota' ], [ 422, 'what may be either' ])
{
	my ($status, $name) = @{$failure};

	query("UPDATE customers SET notepad = 'a$status'");
	answer({ match => { path => "*/people/profile/$worst" }, status => $status, act => JSON::PP::false });
	my @counts = map { scalar @{ push_rows("$call, max_requests => 3")->{requests} } } 1 .. 12;
	is(join(' ', grep { $_ > 3 } @counts), '', "$name, tried again: no more requests than a call may make");
	is(query("SELECT string_agg(DISTINCT state, ' ') FROM (SELECT state FROM crisp_push_run
		ORDER BY run_id DESC LIMIT 12) l"),
		'partial', "$name: the runs are partial");
	is_deeply([ push_problems('customers', 'crisp.people_profiles') ],
		["$worst|pending|CS002"], "$name: the row is named");
	is(push_status('state, rows_pending'), 'unfinished|1', "$name: the others are there");
	answer();
	is(query('SELECT count(*) FROM crisp.people_profiles p JOIN customers c USING (email)
		WHERE p.notepad = c.notepad'),
		19, "$name: at Crisp, too");
	is(scalar @{ push_rows("$call, max_requests => 3")->{requests} }, 1, "$name: the next run goes on");
	is(push_status('state, rows_pending'), 'up to date|0', "$name: all are there");
}

# So it is where something has to be asked first, and with what may be sent once alone.
query("CREATE TABLE plans AS SELECT '$there[5]' AS email, '{\"plan\": \"pro\"}'::jsonb AS data;
	CREATE TABLE events AS SELECT 1 AS id, people_id, 'limited' AS text FROM crisp.people_profiles
	WHERE email = '$there[5]'");
foreach my $push (
	[ 'plans', q('plans', 'crisp.people_data', key => 'email', max_requests => 2), 'GET', 503 ],
	[ 'events', q('events', 'crisp.people_events', key => 'id', max_requests => 2), 'POST', 429 ])
{
	my ($source, $arguments, $method, $status) = @{$push};

	answer({ match => { method => $method }, status => $status, act => JSON::PP::false });
	is(scalar @{ push_rows($arguments)->{requests} }, 2, "$source: two attempts");
	is(push_status('state, rows_pending', $source), 'unfinished|1', "$source: the run is partial");
	answer();
	push_rows($arguments);
	is(push_status('state', $source), 'up to date', "$source: the next one goes on");
}
is(query("SELECT count(*) FROM crisp.people_events
	WHERE text = 'limited' AND people_id = (SELECT people_id FROM events)"),
	1, 'an event is there once');
query(q(SELECT crisp_push_drop('plans', 'crisp.people_data'), crisp_push_drop('events', 'crisp.people_events')));
query(q(ALTER SERVER support OPTIONS (SET max_retries '0')));

#
# Keys that no index can hold
#

query(q(CREATE TABLE long (id text, people_id text, text text);
	INSERT INTO long SELECT (SELECT string_agg(md5((n * k)::text), '') FROM generate_series(1, 300) k),
		(SELECT people_id FROM crisp.people_profiles LIMIT 1), 'long ' || n FROM generate_series(1, 2) n;
	INSERT INTO long SELECT repeat('k', n), people_id, 'fits ' || n FROM long, generate_series(2499, 2501) n
	WHERE text = 'long 1'));
my $long = q('long', 'crisp.people_events', key => 'id');
$run = push_rows($long);
is(join(' ', map { m/"text":"([^"]*)"/ } @{ $run->{requests} }),
	'fits 2499 fits 2500', 'rows with other keys are sent');
like($run->{notices},
	qr/new: 2, changed: 0, gone: 0, refused: 3; requests: 2/, 'those with keys that are too long are refused');
is(query(q{SELECT count(*), bool_and(error ~ '^the key has (9600|2501) bytes, of at most 2500$' AND length(key) < 200
		AND state = 'refused' AND sqlstate = '54000')
	FROM crisp_push_problems('long', 'crisp.people_events')}),
	'3|t', 'each of them is named');
is(push_status('state, rows_known, rows_pending, rows_refused', 'long'), 'refused|5|0|3', 'the status');
is_deeply(push_rows("$long, retry => $_")->{requests}, [], "retry => $_: nothing is sent of them")
  foreach qw(false true);
is(push_status('state, rows_known, rows_pending, rows_refused', 'long'), 'refused|5|0|3', 'the status is the same');
query(q(UPDATE long SET id = 'short ' || text WHERE length(id) = 9600; DELETE FROM long WHERE length(id) = 2501));
is(scalar @{ push_rows($long)->{requests} }, 2, 'with shorter keys they are sent');
is(push_status('state, rows_known, rows_pending, rows_refused', 'long'), 'up to date|4|0|0', 'and all is well');
query(q(SELECT crisp_push_drop('long', 'crisp.people_events')));

#
# A row of several requests
#

query(q(CREATE TABLE tickets AS SELECT session_id, 'resolved' AS state, 'x' AS meta_subject, true AS is_blocked,
	true AS is_verified FROM crisp.conversations LIMIT 4));
my $tickets = q('tickets', 'crisp.conversations');
my @all;
for (1 .. 20)
{
	push @all, @{ push_rows("$tickets, max_requests => 1")->{requests} };
	last if push_status('state', 'tickets') eq 'up to date';
}
my %once = map { $_ => 1 } @all;
is(scalar(@all) . ' ' . keys %once, '16 16', 'one request a call: each is made once');
is(push_status('state, rows_pending, rows_pushed', 'tickets'), 'up to date|0|4', 'until all are there');
is(query(q(SELECT count(*) FROM crisp.conversations c JOIN tickets t USING (session_id) WHERE c.state = t.state
	AND c.meta_subject = t.meta_subject AND c.is_blocked AND c.is_verified)), 4, 'at Crisp, too');

# What was carried out before another request of the row has failed isn't sent again.
query(q(UPDATE tickets SET meta_subject = 'y', is_blocked = false, is_verified = false));
answer({ match => { path => '*/verify' }, status => 403, act => JSON::PP::false });
push_fails($tickets, { sqlstate => '42501' }, 'a token that may not do all');
answer();
@all = (sent(), @{ push_rows($tickets)->{requests} });
is(scalar(grep { !m{/verify} } @all), 8, 'what was carried out before is not sent again');
is(push_status('state', 'tickets'), 'up to date', 'the rest is, by the next run');
query(q(SELECT crisp_push_drop('tickets', 'crisp.conversations')));

#
# Rows of which nothing was sent
#

query("CREATE TABLE notes (email text, notepad text);
	INSERT INTO notes VALUES ('$there[21]', NULL), ('$there[22]', 'n'), ('$there[23]', 'n'), ('$there[24]', 'n')");
my $notes = q('notes', 'crisp.people_profiles', key => 'email');
is(scalar @{ push_rows($notes)->{requests} }, 3, 'a row of NULLs takes no request');
is(push_status('state, rows_known, rows_pending', 'notes'), 'up to date|4|0', 'and is known');
query("DELETE FROM notes WHERE email IN ('$there[21]', '$there[22]')");
is_deeply(push_rows("$notes, missing => 'delete'")->{requests}, ["DELETE people/profile/$there[22]"],
	'what was not written is not deleted');
is(push_status('state, rows_known', 'notes'), 'up to date|2', 'but forgotten');
query("INSERT INTO notes VALUES ('$there[21]', 'now')");
is_deeply(push_rows($notes)->{requests},
	["PATCH people/profile/$there[21] {\"notepad\":\"now\"}"], 'until it has a value');
query("DELETE FROM notes WHERE email = '$there[21]'");
is_deeply(push_rows("$notes, missing => 'delete'")->{requests}, ["DELETE people/profile/$there[21]"], 'then it is');
query(q(SELECT crisp_push_drop('notes', 'crisp.people_profiles')));

#
# Values that the target's column can't have
#

query("CREATE TABLE zones (email text, person_timezone numeric, notepad text);
	INSERT INTO zones SELECT e, n * 60, 'z' FROM unnest('{$there[25],$there[26],$there[27]}'::text[])
		WITH ORDINALITY u (e, n)");
my $zones = q('zones', 'crisp.people_profiles', key => 'email');
push_rows($zones);
query("UPDATE zones SET notepad = 'y'; UPDATE zones SET person_timezone = 1e30 WHERE email = '$there[26]'");
$run = push_rows($zones);
is(scalar @{ $run->{requests} }, 2, 'a number that is too large does not keep other rows');
like($run->{notices}, qr/refused: 1;/, 'its row is refused');
is(query(q(SELECT key, state, sqlstate, error FROM crisp_push_problems('zones', 'crisp.people_profiles'))),
	"$there[26]|refused|22003|column \"person_timezone\": bigint out of range", 'and named');
is(push_status('state, rows_known, rows_pending, rows_refused', 'zones'), 'refused|3|0|1', 'the status');
is_deeply(push_rows("$zones, retry => $_")->{requests}, [], "retry => $_: nothing is sent of it")
  foreach qw(false true);
query("UPDATE zones SET person_timezone = 90 WHERE email = '$there[26]'");
is_deeply(push_rows($zones)->{requests},
	["PATCH people/profile/$there[26] {\"notepad\":\"y\",\"person\":{\"timezone\":90}}"],
	'changed, what differs is sent');
query("UPDATE zones SET person_timezone = 1e30; INSERT INTO zones VALUES ('none\@example.com', 1e30, 'z')");
is_deeply(push_rows($zones)->{requests}, [], 'if none can be sent, none is');
is(push_status('state, rows_refused', 'zones'), 'refused|4', 'and all are named');
query("DELETE FROM zones WHERE email = '$there[25]' OR email LIKE 'none%'");
is_deeply(push_rows("$zones, missing => 'delete'")->{requests}, ["DELETE people/profile/$there[25]"],
	'one that leaves is removed, if it was written');
query(q(SELECT crisp_push_drop('zones', 'crisp.people_profiles')));

query(qq(DROP TABLE plans; CREATE TABLE plans AS SELECT people_id, '{"plan": "pro"}'::json AS data
	FROM crisp.people_profiles WHERE email IN ('$there[28]', '$there[29]');
	UPDATE plans SET data = '{"plan": "\\u0000"}' WHERE people_id = (SELECT min(people_id) FROM plans)));
$run = push_rows(q('plans', 'crisp.people_data'));
is(scalar @{ $run->{requests} }, 1, 'so it is with custom data');
is(query(q(SELECT key = (SELECT min(people_id) FROM plans), sqlstate, error
	FROM crisp_push_problems('plans', 'crisp.people_data'))),
	't|22P05|column "data": unsupported Unicode escape sequence', 'that cannot be read');
query(q(SELECT crisp_push_drop('plans', 'crisp.people_data'); DROP TABLE plans));

# An event that was sent stays so, whatever becomes of its row.
query(q(CREATE TABLE stories AS SELECT 1 AS id, people_id, 'story' AS text, '{}'::json AS data
	FROM crisp.people_profiles LIMIT 1));
my $stories = q('stories', 'crisp.people_events', key => 'id');
push_rows($stories);
foreach my $change (q(UPDATE stories SET data = '{"x": "\u0000"}'),
	q(CREATE TABLE kept AS TABLE stories; DELETE FROM stories), q(INSERT INTO stories SELECT * FROM kept),
	q(UPDATE stories SET data = '{}'))
{
	query($change);
	is_deeply(push_rows($stories)->{requests}, [], "an event that was sent: $change");
	is(push_status('state, rows_refused', 'stories'), 'up to date|0', 'all is well');
}
query(q(SELECT crisp_push_drop('stories', 'crisp.people_events')));

#
# Several at a time
#

query(q(UPDATE customers SET notepad = 'b'));
$sandbox->control({ quiet_ms => 50 });
push_rows($call);
is(CrispSandbox::together($sandbox->requests), 4, 'as many are under way as the option prefetch allows');
$sandbox->control({ quiet_ms => 0 });

# Killed while four are under way, of which Crisp has done two: these are sent again, and no others.
query(q(UPDATE customers SET notepad = 'c'));
answer({ match => { method => 'PATCH', nth => 11 }, times => 100, hang => JSON::PP::true });
my $victim = CrispSession->start($node);
$sandbox->clear;
$victim->send("CALL crisp_push($call)");
$node->poll_query_until('postgres', "SELECT rows_pending = 12 FROM crisp_push_status") or die "no progress\n";
for (1 .. 600)
{
	last if $sandbox->count >= 12;
	select undef, undef, undef, 0.05;
}
my @first = sent();
query("SELECT pg_terminate_backend(" . $victim->pid . ')');
$victim->wait;
answer();
$sandbox->clear;
my @second = @{ push_rows($call)->{requests} };
my %twice = map { $_ => 1 } @{ addresses(@first) };
is(scalar @first, 12, 'a run that is killed');
is(scalar(grep { $twice{$_} } @{ addresses(@second) }), 4, 'sends again what was under way');
is(scalar @second, 12, 'and what it has not come to');
is(query(q(SELECT count(*) FROM crisp.people_profiles p JOIN customers c USING (email) WHERE p.notepad = 'c')), 20,
	'all are there');

#
# What ends a run
#

foreach my $failure (
	[ 'a spent quota', { status => 429 }, '53400' ],
	[ 'another', { status => 423 }, '53400' ],
	[ 'refused credentials', { status => 401 }, '28000' ],
	[ 'a token without the scope', { status => 403 }, '42501' ],
	[ 'a plan that is too low', { status => 402 }, 'HV000' ],
	[ 'a failure of Crisp', { status => 503 }, 'HV00M' ],
	[ 'a website that is not known', { status => 404, body => '{"error":true,"reason":"website_not_found","data":{}}' },
		'HV00R' ],
	[ 'no answer of Crisp', { status => 200, body => 'hello', headers => { 'Content-Type' => 'text/html' } }, '08P01' ],
	[ 'a connection that is closed', { close => JSON::PP::true }, 'HV00M' ])
{
	my ($name, $what, $code) = @{$failure};

	query("UPDATE customers SET notepad = 'd$code$name'");
	answer({ match => { method => 'PATCH' }, act => JSON::PP::false, %{$what} });
	push_fails($call, { sqlstate => $code }, "$name ends a run");
	# libcurl itself asks again where a connection that it had kept is closed.
	cmp_ok($sandbox->count, '<=', $what->{close} ? 8 : 4, 'before it asks for more');
	is(query('SELECT state, sqlstate FROM crisp_push_run ORDER BY run_id DESC LIMIT 1'), "failed|$code",
		'the run has failed');
	is(push_status('state, rows_pending, rows_refused'), 'failed|20|0', 'no row is to blame');
	like(push_status('last_error'), qr/\w/, 'the status shows the error');
	answer();
	push_rows($call);
	is(push_status('state, last_success > last_error_at'), 'up to date|t', 'the next run goes on');
}

# What Crisp answers of one row alone is the row's; 422 is when it takes others.
foreach my $refusal ([ 400, 'HV000' ], [ 409, '23505' ], [ 413, 'HV000' ], [ 422, '53400' ])
{
	my ($status, $code) = @{$refusal};

	query("UPDATE customers SET notepad = 'e$status'");
	answer({ match => { path => "*/people/profile/$there[7]" }, status => $status, act => JSON::PP::false });
	$run = push_rows($call);
	is_deeply([ push_problems('customers', 'crisp.people_profiles') ], ["$there[7]|refused|$code"],
		"$status is the row's");
	is(query("SELECT count(*) FROM crisp.people_profiles p JOIN customers c USING (email)
		WHERE p.notepad = 'e$status'"),
		19, 'the others are there');
	answer();
	push_rows("$call, retry => true");
	is(push_status('state'), 'up to date', 'and it, too, when it is tried again');
}

# A row that makes Crisp fail doesn't keep the others: the next run takes it last.
query(q(UPDATE customers SET notepad = 'f'));
answer({ match => { path => "*/people/profile/$there[3]" }, status => 500, act => JSON::PP::false });
push_fails($call, { sqlstate => 'HV00M' }, 'a row that makes Crisp fail');
push_fails($call, { sqlstate => 'HV00M' }, 'fails again');
is(push_status('rows_pending'), 1, 'when all others are there');
answer();
push_rows($call);

# Rows that are new to Crisp, and have brought a run to its end before anybody knew: the next run makes them all, also
# where there are no others.
foreach my $count (1, 2, 5)
{
	foreach my $failure ([ { status => 401 }, '28000' ], [ { status => 500 }, 'HV00M' ], [ { status => 429 }, '53400' ])
	{
		my ($what, $code) = @{$failure};
		my $new = qq('public.fresh', 'crisp.people_profiles', key => 'email');

		query("CREATE TABLE fresh AS SELECT 'fresh' || n || '$code\@count$count.example' AS email, 'n' AS "
			. "person_nickname FROM generate_series(1, $count) n");
		answer({ match => { path => '*/people/profile/*' }, act => JSON::PP::false, %{$what} });
		push_fails($new, { sqlstate => $code }, "$count new rows, $code: the run fails");
		answer();
		$run = push_rows($new);
		like($run->{notices}, qr/new: $count, changed: 0, gone: 0, refused: 0; requests: \d+$/m, '... the next makes all');
		is(push_status('state, rows_pending', 'fresh'), 'up to date|0', '... and nothing is left');
		is(query("SELECT count(*) FROM crisp.people_profiles WHERE email ~ '$code\@count$count'"), $count,
			'... at Crisp');
		cmp_ok(scalar @{ $run->{requests} }, '<=', 2 * $count + 1, '... requests');
		query(q(SELECT crisp_push_drop('fresh', 'crisp.people_profiles'); DROP TABLE fresh));
	}
}

#
# What fails here
#

query(q(CREATE VIEW divided AS SELECT email, (1 / (length(email) - 5))::text AS notepad FROM customers;
	INSERT INTO customers VALUES ('a@b.c', 'x')));
push_unasked(q('public.divided', 'crisp.people_profiles', key => 'email'), { sqlstate => '22012' },
	'a view that fails');
query(q(DELETE FROM customers WHERE email = 'a@b.c'));
push_rows(q('public.divided', 'crisp.people_profiles', key => 'email'));
query(q(UPDATE customers SET notepad = 'g'));
answer({ match => { method => 'PATCH' }, hang => JSON::PP::true });
query(q(SET statement_timeout = '3s'));
push_fails($call, { sqlstate => '57014' }, 'a timeout');
query('RESET statement_timeout');
is(query('SELECT state FROM crisp_push_run ORDER BY run_id DESC LIMIT 1'), 'interrupted',
	'a run that it has interrupted');

# Two at once.
$victim = CrispSession->start($node);
$victim->send("CALL crisp_push($call)");
$victim->wait_until_waiting;
my $pid = $victim->pid;
is(push_status('state, pid', 'customers'), "running|$pid", 'the status shows who runs it');
$run = push_rows($call);
like($run->{notices},
	qr/^the push of "public\.customers" into "crisp\.people_profiles" is running already, in process $pid$/,
		'a second run says so');
is_deeply($run->{requests}, [], 'and leaves');
$session->fails(q(SELECT crisp_push_drop('customers', 'crisp.people_profiles')), { sqlstate => '55006' },
	'nor can it be dropped meanwhile');
query("SELECT pg_cancel_backend($pid)");
is($victim->wait->{errors}->[0]->{sqlstate}, '57014', 'it is cancelled');
answer();

# Dropped and altered while it runs.
answer({ match => { method => 'PATCH' }, delay_ms => 400 });
$victim->send("CALL crisp_push($call)");
$victim->wait_until_waiting;
query(q(DROP TABLE customers CASCADE));
my $result = $victim->wait;
is(scalar @{ $result->{errors} }, 0, 'a source that is dropped: what was found in it is pushed all the same');
query("CREATE TABLE customers AS SELECT e AS email, 'h' AS notepad FROM unnest('{" . join(',',
	@there[ 0 .. 19 ]) . "}'::text[]) e");
$victim->send("CALL crisp_push($call)");
$victim->wait_until_waiting;
query(q(ALTER FOREIGN TABLE crisp.people_profiles DROP COLUMN notepad));
$result = $victim->wait;
is($result->{errors}->[0]->{sqlstate}, '42703', 'a column of the target that is dropped: the run fails');
answer();

$node->stop;
done_testing();
