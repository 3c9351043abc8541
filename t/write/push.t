# crisp_push(): which requests a run makes, of which rows, and what is known of them afterwards.

use strict;
use warnings;

use CrispCluster;
use CrispPush;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use Test::More;

my $sandbox = CrispSandbox->start(conversations => 40, people => 60, visitors => 1, operators => 3);
my $node = start_node();

connect_crisp($node, $sandbox, options => "max_retries '0', updatable 'true', prefetch '4'");
my $session = CrispSession->start($node);
push_with($session, $sandbox);

my $call = q('public.customers', 'crisp.people_profiles', key => 'email');
my @listed = sort { $a->{email} cmp $b->{email} } grep { length($_->{email} // '') } $sandbox->rows('people');
my @there = map { $_->{email} } @listed[ 0 .. 3 ];

# A profile as Crisp has it now.
sub profile
{
	my ($email) = @_;

	return (grep { ($_->{email} // '') eq $email } $sandbox->rows('people'))[0];
}

sub query { return $session->query(@_) }

# Answers of the sandbox to come.
sub answer
{
	$sandbox->control({ answers => [@_] });
	return;
}

#
# The first run, and the next
#

query(<<"END");
CREATE TABLE customers (id int, email text PRIMARY KEY, person_nickname text, notepad text, segments text[]);
INSERT INTO customers VALUES
	(1, 'new1\@example.com', 'One', 'a', '{s,t}'), (2, 'new2\@example.com', 'Two', NULL, NULL),
	(3, 'new3\@example.com', 'Three', NULL, NULL);
END
my $run = push_rows($call);
is_deeply(
	$run->{requests},
	[
		'PATCH people/profile/new1@example.com {"notepad":"a","person":{"nickname":"One"},"segments":["s","t"]}',
		'POST people/profile {"email":"new2@example.com","person":{"nickname":"Two"}}',
		'POST people/profile {"email":"new3@example.com","person":{"nickname":"Three"}}',
		'POST people/profile {"email":"new1@example.com","notepad":"a","person":{"nickname":"One"},'
			. '"segments":["s","t"]}'
	],
	'one change shows that Crisp lacks the rows; the others are inserted');
like($run->{notices}, qr/^table "crisp\.people_profiles" has no column that can be written for id$/m,
	'columns that are not pushed are told');
like($run->{notices}, qr/^"public\.customers": new: 3, changed: 0, gone: 0, refused: 0; requests: 4$/m,
	'what was done');
is(profile('new1@example.com')->{notepad}, 'a', 'Crisp has it');
is(push_status('state, rows_known, rows_pending, rows_pushed, requests, role = current_user'),
	'up to date|3|0|3|4|t', 'the status');
is(query('SELECT state, requests, rows_inserted, rows_updated, rows_deleted, rows_refused, error FROM crisp_push_run'),
	'finished|4|3|0|0|0|', 'the run');

$run = push_rows($call);
is_deeply($run->{requests}, [], 'when nothing has changed, a run makes no request');
unlike($run->{notices}, qr/no column/, 'and tells of columns no more');

query(q(UPDATE customers SET notepad = 'b', segments = segments WHERE id = 1));
query(q(UPDATE customers SET notepad = 'c', person_nickname = 'Zwei' WHERE id = 2));
is_deeply(
	[ sort @{ push_rows($call)->{requests} } ],
	[
		'PATCH people/profile/new1@example.com {"notepad":"b"}',
		'PATCH people/profile/new2@example.com {"notepad":"c","person":{"nickname":"Zwei"}}'
	],
	'only what differs is sent');
query(q(UPDATE customers SET notepad = NULL WHERE id = 1));
is_deeply(push_rows($call)->{requests}, ['PATCH people/profile/new1@example.com {"notepad":null}'],
	'a value that has become NULL goes');

#
# Profiles that Crisp has already
#

query("INSERT INTO customers SELECT 10 + n, e, 'P' || n, NULL FROM unnest('{" . join(',', @there)
		. "}'::text[]) WITH ORDINALITY u (e, n)");
$run = push_rows($call);
is(scalar(grep { /^PATCH/ } @{ $run->{requests} }), 4, 'profiles that Crisp has are changed');
is(scalar(grep { /^POST/ } @{ $run->{requests} }), 1, 'once an insert has shown that they are there');
is(profile($there[1])->{person}->{nickname}, 'P2', 'to what the source has');
is(profile($there[1])->{company}->{name} // '', $listed[1]->{company}->{name} // '', 'and keep what it does not have');
is(push_status('rows_known, rows_pending'), '7|0', 'all are known');
query("DELETE FROM customers WHERE id > 10");
push_rows($call);
query("INSERT INTO customers SELECT 20 + n, e, 'Q' || n, NULL FROM unnest('{"
		. join(',', map { $_->{email} } @listed[ 10 .. 15 ])
		. "}'::text[]) WITH ORDINALITY u (e, n)");
$run = push_rows($call);
is_deeply([ map { /^(\w+)/ } @{ $run->{requests} } ], [ ('PATCH') x 6 ],
	'the next unknown rows are changed at once, as the last ones were there');

# One that is deleted at Crisp is made anew, whole.
$sandbox->data([ { op => 'delete', resource => 'people', key => profile('new1@example.com')->{people_id} } ]);
query(q(UPDATE customers SET notepad = 'again' WHERE id = 1));
is_deeply(
	push_rows($call)->{requests},
	[
		'PATCH people/profile/new1@example.com {"notepad":"again"}',
		'POST people/profile {"email":"new1@example.com","notepad":"again","person":{"nickname":"One"},'
			. '"segments":["s","t"]}'
	],
	'a profile that is gone is made anew');

#
# Rows that Crisp doesn't take
#

query(q(INSERT INTO customers VALUES (40, 'no nickname@example.com', NULL, 'x'), (41, 'no address', 'x', 'x'),
	(42, 'bad@example.com', 'Bad', 'x'), (43, 'good@example.com', 'Good', 'x')));
answer({ match => { method => 'POST', path => '*/people/profile', nth => 1 }, times => 1, status => 400,
	act => JSON::PP::false });
$run = push_rows($call);
is_deeply([ push_problems('customers', 'crisp.people_profiles') ],
	[ 'bad@example.com|refused|HV000', 'no address|refused|22023', 'no nickname@example.com|refused|23502' ],
	'rows that Crisp does not take are kept, with their errors');
ok(profile('good@example.com'), 'and do not stop the others');
like($run->{notices}, qr/refused: 3; requests/, 'the run tells of them');
like($run->{hints}, qr/SELECT \* FROM crisp_push_problems\('(public\.)?customers', 'crisp\.people_profiles'\);/,
	'and where to look');
is(push_status('state, rows_pending, rows_refused'), 'refused|0|3', 'so does the status');
is_deeply(push_rows($call)->{requests}, [], 'they are not tried again');
query(q(UPDATE customers SET notepad = 'y' WHERE id = 42));
is_deeply([ map { s/ .*people/ people/r } @{ push_rows($call)->{requests} } ],
	['POST people/profile {"email":"bad@example.com","notepad":"y","person":{"nickname":"Bad"}}']
	=> 'until they change');
query(q(UPDATE customers SET person_nickname = 'Now' WHERE id = 40));
answer({ match => { method => 'POST' }, status => 400, act => JSON::PP::false });
push_rows($call);
is(push_status('rows_refused'), 2, 'refused again');
answer();
is_deeply(push_rows($call)->{requests}, [], 'not tried again');
$run = push_rows("$call, retry => true");
is(scalar @{ $run->{requests} }, 1, 'but when that is asked for, if it can be sent');
is_deeply([ push_problems('customers', 'crisp.people_profiles') ], ['no address|refused|22023'], 'what is left');
query(q(DELETE FROM customers WHERE id = 41));
push_rows($call);
is(push_status('state, rows_refused'), 'up to date|0', 'a row that is gone from the source is no problem any more');

# A new profile needs a nickname; one that is there doesn't.
query("CREATE TABLE notes AS SELECT e AS email, n AS person_nickname, 'x' AS notepad
	FROM (VALUES ('n\@example.com', 'N'), ('nn\@example.com', NULL), ('$listed[16]->{email}', NULL)) v (e, n)");
my $notes = q('notes', 'crisp.people_profiles', key => 'email');
is_deeply([ map { s/ \{.*//r } @{ push_rows($notes)->{requests} } ],
	[
		'PATCH people/profile/n@example.com',
		'PATCH people/profile/nn@example.com',
		"PATCH people/profile/$listed[16]->{email}",
		'POST people/profile'
	],
	'rows without what an insert needs are changed');
is_deeply([ push_problems('notes', 'crisp.people_profiles') ], ['nn@example.com|refused|23502'], 'or refused');
query(q(SELECT crisp_push_drop('notes', 'crisp.people_profiles')));

#
# A conflict, although the address is not known
#

query(q(INSERT INTO customers VALUES (50, 'clash@example.com', 'Clash')));
answer(
	{ match => { method => 'POST' }, status => 409, act => JSON::PP::false,
		body => '{"error":true,"reason":"people_exists","data":{}}' },
	{ match => { method => 'PATCH', path => '*clash*' }, status => 404, act => JSON::PP::false,
		body => '{"error":true,"reason":"not_found","data":{}}' });
$run = push_rows($call);
is(scalar(@{ $run->{requests} }), 2, 'Crisp says that it has a profile, and that it has not: it is not asked for ever');
is_deeply([ push_problems('customers', 'crisp.people_profiles') ], ['clash@example.com|refused|P0002'],
	'the row is refused');
answer();
push_rows("$call, retry => true");
is(push_status('state'), 'up to date', 'the next time it is taken');

#
# What was under way, and is wanted no more
#

query(q(UPDATE customers SET notepad = 'wanted' WHERE id = 2));
answer({ match => { method => 'PATCH' }, close => JSON::PP::true });
push_fails($call, { sqlstate => 'HV00M' }, 'a change that was made, and not answered');
answer();
is(profile('new2@example.com')->{notepad}, 'wanted', 'it was made');
is(push_status('state, rows_pending'), 'failed|1', 'that is not known');
query(q(UPDATE customers SET notepad = 'c' WHERE id = 2));
is_deeply(push_rows($call)->{requests}, ['PATCH people/profile/new2@example.com {"notepad":"c"}'],
	'so what was pushed before is sent again when the source goes back to it');
is(profile('new2@example.com')->{notepad}, 'c', 'and Crisp has what the source has');

#
# What is refused before the first request
#

push_unasked(q('public.nosuch', 'crisp.people_profiles'), { sqlstate => '42P01' }, 'no source');
push_unasked(q('public.customers', 'public.customers'), { sqlstate => '42809', message => qr/not a foreign table/ },
	'no foreign table');
push_unasked(q('public.customers', 'crisp.visitors'), { sqlstate => '55000', hint => qr/no way to write/ },
	'not writable');
push_unasked(q('public.customers', 'crisp.messages', key => 'id'), { sqlstate => '0A000' }, 'messages');
push_unasked(q('public.customers', 'crisp.people_profiles', key => 'id'),
	{ sqlstate => '22023', hint => qr{^Columns that can be the key: people_id, email\.} }, 'a key that is none');
push_unasked(q('public.customers', 'crisp.people_profiles', key => 'people_id'),
	{ sqlstate => '42703', message => 'the source "public.customers" has no column "people_id"' },
		'a key that is missing');
push_unasked("$call, max_requests => 0", { sqlstate => '22023' }, 'no requests');
push_unasked("$call, missing => 'x'", { sqlstate => '22023', hint => 'Valid values are: ignore, delete, delete_all' },
	'missing');
push_unasked('NULL, NULL', { sqlstate => '22004' }, 'NULL');
query(q(CREATE VIEW no_columns AS SELECT email, id FROM customers;
	CREATE VIEW wrong_type AS SELECT email, '{}'::jsonb AS person_nickname, 'x'::text AS person_timezone FROM customers;
	CREATE VIEW twice AS SELECT email, person_nickname FROM customers UNION ALL SELECT 'Good@Example.com', 'G';
	CREATE VIEW same AS SELECT email, person_nickname FROM customers UNION ALL SELECT 'good@example.com', 'G';
	CREATE VIEW without AS SELECT nullif(email, 'good@example.com') AS email, person_nickname FROM customers));
push_unasked(q('public.no_columns', 'crisp.people_profiles', key => 'email'),
	{ sqlstate => '42703', message => qr/^nothing of "public\.no_columns" can be pushed/,
		hint => qr/^Columns that can be: person_nickname/ },
	'no columns');
push_unasked(q('public.wrong_type', 'crisp.people_profiles', key => 'email'),
	{ sqlstate => '42804',
		message => qr/column "person_timezone" is of type bigint, and that of the source of type text/ },
			'a wrong type');
push_unasked(q('public.twice', 'crisp.people_profiles', key => 'email'),
	{ sqlstate => '23505', detail => qr/Whether Crisp tells capitals apart is not known/ },
		'a key that is there twice, but for capitals');
push_unasked(q('public.same', 'crisp.people_profiles', key => 'email'),
	{ sqlstate => '23505', message => 'several rows of "public.same" have the same key "email"',
		detail => qr/^One of the keys is "good\@example\.com"\./ },
		'a key that is there twice');
push_unasked(q('public.without', 'crisp.people_profiles', key => 'email'),
	{ sqlstate => '23502', message => '1 row of "public.without" has a NULL in the key "email"' },
		'a key that is NULL');
query(q(ALTER SERVER support OPTIONS (SET updatable 'false')));
push_unasked($call, { sqlstate => '55000', hint => qr/Set option updatable/ }, 'not updatable');
query(q(ALTER SERVER support OPTIONS (SET updatable 'true')));
my $result = $session->run("BEGIN; CALL crisp_push($call)");
is($result->{errors}->[0]->{sqlstate}, '25001', 'in a transaction');
like($result->{errors}->[0]->{hint}, qr/CALL it by itself/, 'it says what to do');
query('ROLLBACK');
query(q(CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
	CREATE TRIGGER t BEFORE UPDATE ON crisp.people_profiles FOR EACH ROW EXECUTE FUNCTION t()));
push_unasked($call, { sqlstate => '42809', message => qr/it has triggers/ }, 'triggers');
query('DROP TRIGGER t ON crisp.people_profiles');
is(query(q(SELECT string_agg(r.sqlstate, ' ' ORDER BY r.run_id) FROM crisp_push_run r
	JOIN crisp_push_status s ON s.source = r.source AND s.target = r.target AND s.last_success IS NOT NULL
	WHERE r.state = 'failed')),
	'HV00M 22023 42703 22023 22023 55000 42809', 'runs that could not begin are told');
is(query(q(SELECT string_agg(concat_ws(' ', source, target, last_sqlstate), ', ' ORDER BY last_run)
	FROM crisp_push_status WHERE last_success IS NULL)),
	'customers customers 42809, customers crisp.visitors 55000, customers crisp.messages 0A000, '
		. 'no_columns crisp.people_profiles 42703, wrong_type crisp.people_profiles 42804, '
		. 'twice crisp.people_profiles 23505, same crisp.people_profiles 23505, '
		. 'without crisp.people_profiles 23502', 'those that have no job, too');
query('SELECT crisp_push_forget_failed()');
is_deeply(push_rows($call)->{requests}, [], 'nothing has come of that');
query(q(INSERT INTO customers VALUES (60, 'NEW1@example.com', 'x')));
push_unasked($call, { sqlstate => '23505' }, 'a key that comes to be there twice');
is(push_status('last_error IS NOT NULL'), 't', 'is a run that has failed');
query(q(DELETE FROM customers WHERE id = 60));

#
# Columns come and go
#

query(q(ALTER TABLE customers ADD person_phone text; ALTER TABLE customers ADD age int));
is_deeply(push_rows($call)->{requests}, [], 'a new column without values changes nothing');
query(q(UPDATE customers SET person_phone = '+49 1' WHERE id = 3));
is_deeply(push_rows($call)->{requests}, ['PATCH people/profile/new3@example.com {"person":{"phone":"+49 1"}}'],
	'its values are pushed');
query(q(ALTER TABLE customers DROP person_phone));
is_deeply(push_rows($call)->{requests}, [], 'nor does one that is dropped');
is(profile('new3@example.com')->{person}->{phone}, '+49 1', 'which stays at Crisp');

#
# Rows that leave the source
#

query(q(DELETE FROM customers WHERE id IN (2, 3)));
is_deeply(push_rows($call)->{requests}, [], 'nothing becomes of rows that leave the source');
query(q(INSERT INTO customers VALUES (2, 'new2@example.com', 'Zwei', 'c')));
is_deeply(push_rows($call)->{requests}, [], 'one that comes back is known');
is_deeply(
	[ sort @{ push_rows("$call, missing => 'delete'")->{requests} } ],
	[ sort 'DELETE people/profile/new3@example.com', map { "DELETE people/profile/$_" } @there ],
	'but when it is asked for, they are deleted');
ok(!profile('new3@example.com'), 'at Crisp');
is_deeply(push_rows("$call, missing => 'delete'")->{requests}, [], 'once');
query(q(INSERT INTO customers VALUES (3, 'new3@example.com', 'Three')));
is_deeply([ map { /^(\w+)/ } @{ push_rows("$call, missing => 'delete'")->{requests} } ], ['POST'],
	'one that comes back is new');
query(q(INSERT INTO customers VALUES (70, 'brief@example.com', 'Brief')));
answer({ match => { method => 'POST' }, close => JSON::PP::true });
push_fails($call, { sqlstate => 'HV00M' }, 'one that was inserted, which is not known');
answer();
ok(profile('brief@example.com')->{people_id}, 'Crisp has it');
query(q(DELETE FROM customers WHERE id = 70));
is_deeply(push_rows("$call, missing => 'delete'")->{requests}, ['DELETE people/profile/brief@example.com'],
	'is deleted, too, when it leaves the source then');
query(q(INSERT INTO customers VALUES (70, 'brief@example.com', 'Brief'), (71, 'brief2@example.com', 'Brief')));
answer({ match => { method => 'POST', nth => 1 }, times => 1, close => JSON::PP::true });
push_fails($call, { sqlstate => 'HV00M' }, 'another');
answer();
is_deeply([ map { s/ \{.*//r } @{ push_rows($call)->{requests} } ],
	[ 'POST people/profile', 'PATCH people/profile/brief@example.com' ], 'is looked for by a change, last of all');
my $victim = CrispSession->start($node);
query(q(INSERT INTO customers VALUES (72, 'brief3@example.com', 'Brief')));
answer({ match => { method => 'POST' }, hang => JSON::PP::true });
$victim->send("CALL crisp_push($call)");
$victim->wait_until_waiting;
for (1 .. 600)
{
	last if profile('brief3@example.com')->{people_id};
	select undef, undef, undef, 0.05;
}
query('SELECT pg_terminate_backend(' . $victim->pid . ')');
$victim->wait;
answer();
is(push_status('state'), 'unfinished', 'a run that was killed while it has inserted a row');
is_deeply([ push_problems('customers', 'crisp.people_profiles') ], ['brief3@example.com|sending|'], 'which is told');
is_deeply(push_rows($call)->{requests}, ['PATCH people/profile/brief3@example.com {"person":{"nickname":"Brief"}}'],
	'looks for it by a change, and inserts nothing');
query(q(DELETE FROM customers WHERE id = 72));
query(q(DELETE FROM customers WHERE id IN (70, 71)));
push_rows("$call, missing => 'delete'");
query(q(CREATE TABLE kept AS TABLE customers; TRUNCATE customers));
push_unasked("$call, missing => 'delete'",
	{ sqlstate => '55000', message => qr/rows that were pushed are gone from "public\.customers"/,
		hint => qr/delete_all/ },
	'a source that is empty');
is_deeply(push_rows($call)->{requests}, [], 'which is no matter otherwise');
query(q(INSERT INTO customers SELECT * FROM kept WHERE id < 3));
push_unasked("$call, missing => 'delete'", { sqlstate => '55000' }, 'or has lost most of its rows');
cmp_ok(scalar @{ push_rows("$call, missing => 'delete_all'")->{requests} }, '>', 5, 'unless that is meant');
is(push_status('rows_known, rows_pending'), '2|0', 'the others are left');

#
# Custom data, key by key
#

query("CREATE TABLE plans (email text PRIMARY KEY, data jsonb);
	INSERT INTO plans VALUES ('$there[0]', '{}'), ('$listed[20]->{email}', '{\"plan\": \"pro\", \"seats\": 3}'),
	('nobody\@example.com', '{\"plan\": \"x\"}')");
my $plans = q('public.plans', 'crisp.people_data', key => 'email');
my $id = $listed[20]->{people_id};
is_deeply([ grep { /^P/ } @{ push_rows($plans)->{requests} } ],
	[qq(PATCH people/data/$id {"data":{"plan":"pro","seats":3}})], 'custom data');
is_deeply([ push_problems('plans', 'crisp.people_data') ], ['nobody@example.com|refused|23503'],
	'of a profile that is not there');
query(q(UPDATE plans SET data = data || '{"seats": 4}' WHERE data ? 'seats'));
is_deeply(push_rows($plans)->{requests}, [qq(PATCH people/data/$id {"data":{"seats":4}})],
	'keys that differ, by the id that is known now');
query(q(UPDATE plans SET data = data - 'seats' WHERE data ? 'seats'));
is_deeply([ map { s/ \{.*//r } @{ push_rows($plans)->{requests} } ], [ "GET people/data/$id", "PUT people/data/$id" ],
	'a key that goes');
$sandbox->clear;
my $data = query("SELECT data FROM crisp.people_data WHERE people_id = '$id'");
like($data, qr/"plan": "pro"/, 'the others are there');
unlike($data, qr/seats/, 'and that is gone');

# A key that may be there, since a run was broken off, and is wanted no more.
query(q(UPDATE plans SET data = data || '{"trial": true, "seats": 5}' WHERE data ->> 'plan' = 'pro'));
answer({ match => { method => 'PATCH' }, close => JSON::PP::true });
push_fails($plans, { sqlstate => 'HV00M' }, 'keys that were set, which is not known');
answer();
query(q(UPDATE plans SET data = data - 'trial' || '{"seats": 6}' WHERE data ->> 'plan' = 'pro'));
is_deeply([ map { s/ \{.*//r } @{ push_rows($plans)->{requests} } ], [ "GET people/data/$id", "PUT people/data/$id" ],
	'one of them goes');
$data = query("SELECT data FROM crisp.people_data WHERE people_id = '$id'");
like($data, qr/"seats": 6/, 'the other has its value');
unlike($data, qr/trial/, 'and that is gone');

# Cancelled while the object is asked for: no transaction is left open.
query(q(UPDATE plans SET data = data - 'seats' WHERE data ->> 'plan' = 'pro'));
answer({ match => { method => 'GET' }, hang => JSON::PP::true });
query(q(SET statement_timeout = '300ms'));
push_fails($plans, { sqlstate => '57014' }, 'a run that is cancelled there');
query('RESET statement_timeout');
is(query(q(SELECT count(*) FROM pg_locks WHERE objsubid = 17236)), 0, 'lets its lock go');
answer();
push_rows($plans);

#
# Events: inserted once, whatever becomes of their rows
#

my $person = $listed[21]->{people_id};
query("CREATE TABLE events (id int PRIMARY KEY, people_id text, text text, color text);
	INSERT INTO events VALUES (1, '$person', 'signup', 'red'), (2, '$person', 'upgrade', NULL)");
my $events = q('public.events', 'crisp.people_events', key => 'id');
is_deeply(
	push_rows($events)->{requests},
	[
		qq(POST people/events/$person {"color":"red","text":"signup"}),
		qq(POST people/events/$person {"text":"upgrade"})
	],
	'events');
query(q(UPDATE events SET text = 'x'));
is_deeply(push_rows($events)->{requests}, [], 'are sent once');
query("INSERT INTO events SELECT n, '$person', 'n' || n FROM generate_series(12, 8, -1) n");
is(join(' ', map { /"(n\d+)"/ } @{ push_rows($events)->{requests} }), 'n8 n9 n10 n11 n12',
	'in the order of their numbers');
query("INSERT INTO events VALUES (3, '$person', 'third'), (4, '$person', 'fourth')");
answer({ match => { method => 'POST', nth => 1 }, times => 1, close => JSON::PP::true });
push_fails($events, { sqlstate => 'HV00M' }, 'one of which nobody knows whether it was made');
is(push_status('state, rows_pending, rows_uncertain', 'events'), 'failed|1|1', 'is uncertain');
$run = push_rows($events);
is_deeply($run->{requests}, [qq(POST people/events/$person {"text":"fourth"})], 'and not sent again');
is(push_status('state', 'events'), 'undecided', 'until somebody decides');
is_deeply([ push_problems('events', 'crisp.people_events') ], ['3|uncertain|HV00M'], 'which one');
is(query(q(SELECT crisp_push_decide('events', 'crisp.people_events', false))), 1, 'it was not made, somebody says');
is_deeply(push_rows($events)->{requests}, [qq(POST people/events/$person {"text":"third"})], 'so it is sent');
is(push_status('state', 'events'), 'up to date', 'all is said');

#
# Conversations, by session_id alone
#

my @conversations = sort map { $_->{session_id} }
  grep { ($_->{state} // '') ne 'resolved' } $sandbox->rows('conversations');
query("CREATE TABLE states (session_id text PRIMARY KEY, state text);
	INSERT INTO states VALUES ('$conversations[0]', 'resolved'), ('session_12345678-1234-1234-1234-123456789012',
		'resolved')");
my $states = q('public.states', 'crisp.conversations');
is_deeply([ sort @{ push_rows($states)->{requests} } ],
	[ sort map { "PATCH conversation/$_/state {\"state\":\"resolved\"}" } $conversations[0],
		'session_12345678-1234-1234-1234-123456789012' ],
	'conversations; the key is that of Crisp when none is named');
is(push_status('key, rows_refused', 'states'), 'session_id|1', 'one that is not there is refused');

#
# Loops
#

query(q(CALL crisp_sync('crisp.people_profiles', 'public.copied')));
query(q(CREATE VIEW of_copy AS SELECT c.email, c.person_nickname FROM copied c JOIN customers USING (email);
	CREATE VIEW of_crisp AS SELECT email, person_nickname FROM crisp.people_profiles));
push_unasked(q('public.copied', 'crisp.people_profiles', key => 'email'),
	{ sqlstate => '42P17', message => qr/that would push what was synced from there/,
		hint => qr/does not read that copy/ }, 'a copy');
push_unasked(q('public.of_copy', 'crisp.people_profiles', key => 'email'), { sqlstate => '42P17' }, 'a view over one');
push_unasked(q('public.of_crisp', 'crisp.people_profiles', key => 'email'),
	{ sqlstate => '42P17', message => qr/that would push what is read from there/ }, 'a view of Crisp itself');
query(q(CREATE VIEW data_of_copy AS SELECT people_id, '{"a": 1}'::jsonb AS data FROM copied LIMIT 1));
is(scalar(@{ push_rows(q('public.data_of_copy', 'crisp.people_data', key => 'people_id'))->{requests} }), 1,
	'other resources may be pushed by it');

#
# Reset, drop, and tables that go
#

query('SELECT crisp_push_forget_failed()');
query(q(SELECT crisp_push_reset('customers', 'crisp.people_profiles')));
is(push_status('state, rows_known', 'customers'), 'unfinished|0', 'a push that was reset');
is_deeply([ map { /^(\w+)/ } @{ push_rows($call)->{requests} } ], [ 'PATCH', 'PATCH' ], 'pushes all again');
query(q(SELECT crisp_push_drop('customers', 'crisp.people_profiles')));
is(push_status('count(*)', 'customers'), 0, 'one that was dropped is gone');
$session->fails(q(SELECT crisp_push_drop('customers', 'crisp.people_profiles')), { sqlstate => '42704' },
	'and cannot be dropped again');

# A source that is made anew, as tools that build tables do it.
query(q(CREATE TABLE rebuilt AS TABLE events; DROP TABLE events; ALTER TABLE rebuilt RENAME TO events));
query("INSERT INTO events VALUES (99, '$person', 'later')");
is(push_status('count(*)', 'events'), 0, 'a source that was dropped has no line');
$run = push_rows($events);
is_deeply($run->{requests}, [qq(POST people/events/$person {"text":"later"})], 'one that is made anew goes on');
like($run->{notices}, qr/^"public\.events" was made anew: what was pushed of it is known$/m, 'and says so');
is_deeply(push_rows($events)->{requests}, [], 'no event is sent twice');
query(q(DROP TABLE states));
push_rows($events);
is(query('SELECT count(*) FROM crisp_sync_internal.crisp_push_job'), 4,
	'what is known of a table that was dropped is kept');
query(q(UPDATE crisp_sync_internal.crisp_push_job SET last_success = now() - interval '2 months'));
push_rows($events);
is(query('SELECT count(*) FROM crisp_sync_internal.crisp_push_job'), 3, 'for a month');
is(query("SELECT count(*) FROM pg_class WHERE relname LIKE 'crisp_push_rows_%' AND relkind = 'r'"), 3,
	'and goes with its rows');

#
# The target turns to another website
#

my $second = $sandbox->website_id(1);
query(q(CREATE TABLE two AS SELECT * FROM kept WHERE id < 3));
my $two = q('public.two', 'crisp.people_profiles', key => 'email');
push_rows($two);
query("ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (SET identifier '"
		. $sandbox->credentials('website', 1)->{identifier} . "', SET key '" . $sandbox->credentials('website',
			1)->{key} . "');
	ALTER SERVER support OPTIONS (SET website_id '$second')");
$run = push_rows($two);
like($run->{notices}, qr/"crisp\.people_profiles" is of another website than before, so all rows are pushed/,
	'another website');
is(scalar(grep { /^POST/ } @{ $run->{requests} }), 2, 'gets all rows');

$node->stop;
done_testing();
