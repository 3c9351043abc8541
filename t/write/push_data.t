# crisp_push() of custom data, and of what else Crisp has below profiles: what is known by the profile's address, and
# values that are no objects.

use strict;
use warnings;

use CrispCluster;
use CrispPush;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use Test::More;

my $sandbox = CrispSandbox->start(conversations => 4, people => 20, visitors => 1, operators => 1);
my $node = start_node();

connect_crisp($node, $sandbox, options => "max_retries '0', updatable 'true', prefetch '4'");
my $session = CrispSession->start($node);
push_with($session, $sandbox);

sub query { return $session->query(@_) }

# Requests without what tells profiles apart.
sub requests
{
	my ($arguments) = @_;

	return [ map { s{ people/(\w+)/\S+}{ $1}r } @{ push_rows($arguments)->{requests} } ];
}

sub answer
{
	$sandbox->control({ answers => [@_] });
	return;
}

# Delete a profile at Crisp, and make it again.
sub make_anew
{
	my ($email) = @_;

	query("DELETE FROM crisp.people_profiles WHERE email = '$email';
		INSERT INTO crisp.people_profiles (email, person_nickname) VALUES ('$email', 'anew')");
	return;
}

sub data_of { return query("SELECT data FROM crisp.people_data WHERE email = '$_[0]'") }

#
# A profile that was made anew at Crisp
#

query(q(INSERT INTO crisp.people_profiles (email, person_nickname) VALUES ('a@x.org', 'A'), ('b@x.org', 'B')));
query(q(CREATE TABLE extra (email text, data jsonb);
	INSERT INTO extra VALUES ('a@x.org', '{"k": 1, "l": 2, "m": 3}')));
my $extra = q('extra', 'crisp.people_data', key => 'email');
push_rows($extra);
make_anew('a@x.org');
query(q(UPDATE extra SET data = data || '{"k": 2}'));
is_deeply(
	requests($extra),
	[ 'PATCH data {"data":{"k":2}}', 'GET profile', 'PATCH data {"data":{"k":2,"l":2,"m":3}}' ],
	'custom data of a new profile is sent as a whole');
is(data_of('a@x.org'), '{"k": 2, "l": 2, "m": 3}', 'Crisp has all of it');
query(q(UPDATE extra SET data = data || '{"k": 3}'));
is_deeply(requests($extra), ['PATCH data {"data":{"k":3}}'], 'once');

# A run that gets no further than the name doesn't forget this.
foreach my $case (
	[ 'no request is left', q(, max_requests => 2), [ 'PATCH', 'GET' ] ],
	[
		'the change fails', '',
		[ 'PATCH', 'GET', 'PATCH' ],
		{ match => { method => 'PATCH', nth => 2 }, status => 503 }
	],
	[ 'there is no profile', '', [ 'PATCH', 'GET' ], { match => { method => 'GET' }, status => 404,
			body => '{"error":true,"reason":"not_found","data":{}}' } ])
{
	my ($name, $arguments, $requests, $answer) = @{$case};

	make_anew('a@x.org');
	query(q(UPDATE extra SET data = data || jsonb_build_object('k', (data ->> 'k')::int + 1)));
	answer($answer) if $answer;
	$sandbox->clear;
	$session->run("CALL crisp_push($extra$arguments)");
	is_deeply([ map { /^(\w+)/ } sent() ], $requests, "$name: requests");
	answer();
	is((requests("$extra, retry => true"))->[-1] =~ s/"k":\d/"k":0/r, 'PATCH data {"data":{"k":0,"l":2,"m":3}}',
		"$name: the next run sends all");
	is(data_of('a@x.org'), query('SELECT data FROM extra'), "$name: Crisp has it");
}

# What leaves the row at the same time.
make_anew('a@x.org');
query(q(UPDATE extra SET data = data - 'l' || '{"k": 0}'));
push_rows($extra);
is(data_of('a@x.org'), '{"k": 0, "m": 3}', 'a key that goes at the same time');

# By the id, it is refused, and sent as a whole should it be there again.
my $id = query(q(SELECT people_id FROM crisp.people_profiles WHERE email = 'b@x.org'));
query("CREATE TABLE by_id AS SELECT '$id' AS people_id, '{\"k\": 1, \"l\": 2}'::jsonb AS data");
my $by_id = q('by_id', 'crisp.people_data');
push_rows($by_id);
query(q(UPDATE by_id SET data = data || '{"k": 2}'));
answer({ match => { method => 'PATCH' }, status => 404, act => JSON::PP::false,
	body => '{"error":true,"reason":"not_found","data":{}}' });
push_rows($by_id);
answer();
is_deeply([ push_problems('by_id', 'crisp.people_data') ], ["$id|refused|23503"], 'a profile that is gone');
is_deeply(requests("$by_id, retry => true"), ['PATCH data {"data":{"k":2,"l":2}}'], 'and is back');

# A subscription.
query(q(CREATE TABLE consent AS SELECT 'b@x.org' AS profile_email, false AS email));
my $consent = q('consent', 'crisp.people_subscriptions', key => 'profile_email');
push_rows($consent);
make_anew('b@x.org');
query(q(UPDATE consent SET email = true));
is_deeply(
	requests($consent),
	[ 'PATCH subscription {"email":true}', 'GET profile', 'PATCH subscription {"email":true}' ],
	'the subscription of a new profile');

#
# Values that are no objects go the way that a direct write goes
#

my $kept = data_of('a@x.org');

foreach my $value ('"{\"z\": 1}"', '"x"', '5', 'true', '[1]', 'null')
{
	my $direct = $session->run("UPDATE crisp.people_data SET data = '$value' WHERE email = 'a\@x.org'")->{errors}->[0];

	is($direct->{sqlstate}, '22023', "$value: refused when it is written");
	query("UPDATE extra SET data = '$value'");
	push_rows($extra);
	is_deeply([ push_problems('extra', 'crisp.people_data') ], ['a@x.org|refused|22023'],
		"$value: and when it is pushed");
	is(query(q(SELECT split_part(error, E'\n', 1) FROM crisp_push_problems('extra', 'crisp.people_data'))),
		$direct->{message}, "$value: for the same reason");
	is(data_of('a@x.org'), $kept, "$value: nothing was written");
}
query(q(UPDATE extra SET data = '{"m": 3}'));
push_rows($extra);
is(data_of('a@x.org'), '{"m": 3}', 'what was pushed before is still known: a key that goes');
query(q(INSERT INTO extra VALUES ('b@x.org', 'null')));
push_rows($extra);
is_deeply([ push_problems('extra', 'crisp.people_data') ], ['b@x.org|refused|22023'], 'a null of JSON in a new row');

#
# Custom data of conversations is one object, which a change may replace: keys that others have set stay, and those that
# were pushed before
#

my ($conversation) = query('SELECT session_id FROM crisp.conversations ORDER BY session_id LIMIT 1');
query(q(CREATE FOREIGN TABLE crisp.plans (session_id text, plan text OPTIONS (json_path 'meta.data.plan'),
	seats int OPTIONS (json_path 'meta.data.seats')) SERVER support OPTIONS (resource 'conversations');
	CREATE FOREIGN TABLE crisp.objects (session_id text, meta_data jsonb) SERVER support
	OPTIONS (resource 'conversations')));

sub set_data { return query("UPDATE crisp.objects SET meta_data = '$_[0]' WHERE session_id = '$conversation'") }

sub conversation_data
{
	return query("SELECT meta_data FROM crisp.objects WHERE session_id = '$conversation'");
}

foreach my $way ('merged', 'replaced')
{
	$sandbox->control({ answers => [], meta_data => 'replaced' });
	set_data('{"plan": "gold", "by_operator": "keep me", "größere": 1.50}');
	$sandbox->control({ meta_data => $way });
	query(q(SELECT crisp_push_drop(source, target) FROM crisp_push_status WHERE target = 'crisp.plans'::regclass;
		DROP TABLE IF EXISTS contract));
	query("CREATE TABLE contract AS SELECT '$conversation' AS session_id, 'silver' AS plan, 5 AS seats");

	my $contract = q('contract', 'crisp.plans', key => 'session_id');
	my $run = push_rows($contract);
	is(conversation_data(),
		'{"plan": "silver", "seats": 5, "größere": 1.50, "by_operator": "keep me"}',
		"$way, columns of keys: the first push leaves the keys of others");
	like($run->{requests}->[0], qr{^GET conversation/}, '... which are asked for');
	query(q(UPDATE contract SET plan = 'bronze'));
	push_rows($contract);
	is(conversation_data(),
		'{"plan": "bronze", "seats": 5, "größere": 1.50, "by_operator": "keep me"}',
		'... a change those that were pushed before');
	next if $way eq 'merged';
	query('UPDATE contract SET seats = NULL');
	push_rows($contract);
	is(conversation_data(), '{"plan": "bronze", "größere": 1.50, "by_operator": "keep me"}',
		'... a NULL takes its key alone');
	is_deeply(push_rows($contract)->{requests}, [], '... and then nothing is sent');

	query('DROP TABLE IF EXISTS documents');
	query(qq(CREATE TABLE documents AS SELECT '$conversation' AS session_id, '{"a": 1, "b": 2}'::jsonb AS meta_data));
	my $documents = q('documents', 'crisp.objects', key => 'session_id');
	push_rows($documents);
	is(conversation_data(),
		'{"a": 1, "b": 2, "plan": "bronze", "größere": 1.50, "by_operator": "keep me"}',
		'the whole object: the first push leaves the keys of others');
	query(q(UPDATE documents SET meta_data = '{"a": 3}'));
	push_rows($documents);
	is(conversation_data(), '{"a": 3, "plan": "bronze", "größere": 1.50, "by_operator": "keep me"}',
		'... and a key that leaves the row goes alone');
}

# Two at once, of conversations that somebody else changes in between.
query('DROP TABLE contract');
query("CREATE TABLE contract AS SELECT session_id, 'p' || row_number() OVER () AS plan, 1 AS seats "
	. 'FROM crisp.conversations');
push_rows(q('contract', 'crisp.plans', key => 'session_id'));
query('UPDATE crisp.objects SET meta_data = meta_data || \'{"later": true}\'');
query('UPDATE contract SET seats = 2');
push_rows(q('contract', 'crisp.plans', key => 'session_id'));
is(query(q(SELECT count(*) FROM crisp.objects o JOIN contract c USING (session_id)
	WHERE o.meta_data @> jsonb_build_object('plan', c.plan, 'seats', 2, 'later', true))),
	query('SELECT count(*) FROM contract'), 'many rows, whose data others have changed between two runs');

$node->stop;
done_testing();
