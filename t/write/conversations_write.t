# Conversations, made, changed and removed: a request for each route, what an error tells of the others, custom data
# that Crisp may merge or replace, and what Crisp has afterwards, whichever way it answers.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use CrispWrites;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox =
  CrispSandbox->start(conversations => 60, people => 20, visitors => 2, operators => 4);
my $node = start_node();
my $website_id = $sandbox->website_id;

connect_crisp($node, $sandbox,
	options => "per_page '50', max_retries '0', retry_delay '1ms', updatable 'true'");

my $session = CrispSession->start($node);
watch_writes($session, $sandbox);
my ($first, $second) = $sandbox->rows('conversations');
my $id = $first->{session_id};
my $where = "WHERE session_id = '$id'";
my ($inbox) = map { $_->{inbox_id} } $sandbox->rows('inboxes');
my ($operator) = map { $_->{details}->{user_id} } grep { $_->{type} eq 'operator' } $sandbox->rows('operators');
my $session_id = qr/session_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;

# One test: what a statement prints, and what it writes.
sub writes
{
	my ($sql, $printed, $written, $name) = @_;

	$sandbox->clear;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $output = $session->query($sql);
	ref $printed ? like($output, $printed, "$name: the result") : is($output, $printed, "$name: the result");
	is_deeply([ written_lines() ], $written, "$name: the requests");
	return $output;
}

# A conversation as Crisp has it.
sub conversation
{
	my ($key) = @_;

	return $sandbox->call('GET', 'conversation/' . ($key // $id));
}

# The custom data of a conversation is this from now on.
sub let_data_be
{
	my ($data) = @_;

	$sandbox->reset;
	$sandbox->data([ { op => 'patch', key => $id, set => { 'meta.data' => $data } } ]);
	return;
}

subtest 'UPDATE' => sub {
	writes("UPDATE crisp.conversations SET meta_nickname = 'Zoe', meta_email = 'z\@example.com', meta_phone = '', "
			. "meta_address = 'a', meta_subject = 's', meta_avatar = 'https://x/', meta_segments = '{vip,b}' $where "
			. "RETURNING meta_nickname",
		'Zoe',
		[qq(PATCH $id/meta {"address":"a","avatar":"https://x/","email":"z\@example.com","nickname":"Zoe","phone":"",)
			. '"segments":["vip","b"],"subject":"s"}'],
		'all fields of meta are one request');
	is($sandbox->count, 2, 'and one reads the row');
	my $meta = conversation()->{meta};
	is($meta->{nickname}, 'Zoe', 'Crisp has it');
	is_deeply($meta->{segments}, [ 'vip', 'b' ], 'segments are replaced');
	cmp_ok(conversation()->{updated_at}, '>', $first->{updated_at}, 'the change moves updated_at');

	writes("UPDATE crisp.conversations SET inbox_id = '$inbox' $where", '',
		[qq(PATCH $id/inbox {"inbox_id":"$inbox"})], 'inbox');
	is(conversation()->{inbox_id}, $inbox, 'Crisp has it');
	writes("UPDATE crisp.conversations SET inbox_id = NULL $where", '', [qq(PATCH $id/inbox {"inbox_id":null})],
		'the main inbox');
	writes("UPDATE crisp.conversations SET is_blocked = true $where", '', [qq(PATCH $id/block {"blocked":true})],
		'block');
	writes("UPDATE crisp.conversations SET is_verified = true $where", '',
		[qq(PATCH $id/verify {"verified":true})], 'verify');
	writes(q(UPDATE crisp.conversations SET participants = '[{"type": "email", "target": "x@y.z"}]' ) . $where,
		'', [qq(PUT $id/participants {"participants":[{"target":"x\@y.z","type":"email"}]})], 'participants');
	my $now = conversation();
	ok($now->{is_blocked} && $now->{is_verified}, 'Crisp has these');
	is_deeply($now->{participants}, [ { type => 'email', target => 'x@y.z' } ], 'and these');

	writes("UPDATE crisp.conversations SET is_blocked = false, state = 'pending', meta_subject = 'x', "
			. "assigned_user_id = '$operator' $where",
		'',
		[
			qq(PATCH $id/state {"state":"pending"}),
			qq(PATCH $id/routing {"assigned":{"user_id":"$operator"}}),
			qq(PATCH $id/meta {"subject":"x"}),
			qq(PATCH $id/block {"blocked":false})
		],
		'a request for each route');

	writes("UPDATE crisp.conversations SET meta_phone = NULL $where", '', [qq(PATCH $id/meta {"phone":null})],
		'NULL');
	ok(!exists conversation()->{meta}->{phone}, 'removes a field');
	foreach my $column (qw(is_blocked is_verified participants meta_data))
	{
		refused("UPDATE crisp.conversations SET $column = NULL $where",
			{ sqlstate => '23502', message => qr/column "$column"/ }, "NULL for $column");
	}
	refused(q(UPDATE crisp.conversations SET participants = '{}' ) . $where,
		{ sqlstate => '22023', hint => 'Crisp takes a JSON array.' }, 'participants that are no array');
	foreach my $column (qw(topic meta_ip meta_origin meta_device_timezone created_at people_id))
	{
		refused_unasked("UPDATE crisp.conversations SET $column = NULL $where",
			{ sqlstate => '0A000', hint => qr/^Columns that can be: state, assigned_user_id, meta_nickname, .*, participants$/ }, "column $column");
	}
	$session->fails("UPDATE crisp.conversations SET inbox_id = 'none' $where",
		{ sqlstate => 'HV000', detail => qr/"invalid_data"/ }, 'an unknown inbox');
	$sandbox->control({ unknown_inbox => 'taken' });
	$session->query("UPDATE crisp.conversations SET inbox_id = 'none' $where");
	is(conversation()->{inbox_id}, 'none', 'where Crisp takes it');
	$sandbox->control({ nulls => 'refused', write_success => 'accepted' });
	$session->fails("UPDATE crisp.conversations SET meta_email = NULL, meta_phone = NULL $where",
		{ sqlstate => 'HV000', hint => 'Crisp may take no NULL for: meta_email, meta_phone.' },
			'nulls that Crisp refuses');
	$session->query("UPDATE crisp.conversations SET meta_subject = 'accepted' $where");
	is(conversation()->{meta}->{subject}, 'accepted', 'any 2xx is a success');
	$sandbox->reset;
};

subtest 'a part that fails' => sub {
	$sandbox->control({ answers => [ { match => { method => 'PATCH', path => '*/meta' }, status => 403 } ] });
	$session->fails("UPDATE crisp.conversations SET state = 'pending', is_blocked = true, meta_subject = 'x', "
		. "inbox_id = NULL, "
			. "assigned_user_id = '$operator' $where",
		{
			sqlstate => '42501',
			detail => qr{^PATCH website/$website_id/conversation/$id/meta answered HTTP 403.*\nThe conversation was not changed\.$}s,
			context => qr{of the same row, PATCH website/$website_id/conversation/$id/state, PATCH website/$website_id/conversation/$id/routing were carried out before$}m
		},
		'in the middle');
	is(scalar(written()), 3, 'nothing was sent after it');
	$sandbox->reset;

	$session->query(q(ALTER SERVER support OPTIONS (SET max_retries '2')));
	$sandbox->control({ answers => [ { match => { path => '*/block' }, times => 2, status => 503 } ] });
	$session->query("UPDATE crisp.conversations SET state = 'pending', is_blocked = true $where");
	ok(conversation()->{is_blocked}, 'a change is tried again');
	$session->query(q(ALTER SERVER support OPTIONS (SET max_retries '0')));
	$sandbox->reset;
};

subtest 'custom data' => sub {
	foreach my $setting ('replaced', 'merged')
	{
		let_data_be({ plan => 'free', seats => 3 });
		$sandbox->control({ meta_data => $setting });
		writes(q(UPDATE crisp.conversations SET meta_data = meta_data || '{"plan": "pro"}', meta_subject = 'x' )
			. $where,
			'', [qq(PATCH $id/meta {"data":{"plan":"pro","seats":3},"subject":"x"})],
				"$setting: the whole object is sent");
		is_deeply(conversation()->{meta}->{data}, { plan => 'pro', seats => 3 }, "$setting: Crisp has it");
		writes("UPDATE crisp.conversations SET meta_data = meta_data, meta_subject = 'y' $where",
			'', [qq(PATCH $id/meta {"subject":"y"})], "$setting: data that stays is not sent");
	}
	refused(q(UPDATE crisp.conversations SET meta_data = '{"x": {}}' ) . $where,
		{ sqlstate => '22023', message => qr/^invalid value for key "x" in column "meta_data"/ }, 'a bad value');

	let_data_be({ plan => 'free', seats => 3 });
	$sandbox->control({ meta_data => 'merged' });
	$session->fails("UPDATE crisp.conversations SET meta_data = meta_data - 'seats' $where",
		{
			sqlstate => 'HV000',
			message => 'Crisp has kept keys of custom data that were to go, server "support"',
			detail => qr{still has: "seats"$},
			context => qr{of the same row, PATCH website/$website_id/conversation/$id/meta was carried out before}
		},
		'merged: a key that stays though it was to go is an error');
	let_data_be({ plan => 'free', seats => 3, x => 1 });
	writes("UPDATE crisp.conversations SET meta_data = meta_data - 'seats' $where",
		'', [qq(PATCH $id/meta {"data":{"plan":"free","x":1}})], 'replaced: a key that goes');
	is($sandbox->count, 3, 'it is looked whether it is gone');
	$sandbox->clear;
	$session->query("UPDATE crisp.conversations SET meta_data = meta_data - 'x' $where");
	is($sandbox->count, 2, 'once a session');
	is_deeply(conversation()->{meta}->{data}, { plan => 'free' }, 'they are gone');

	$session->query(<<'END');
CREATE FOREIGN TABLE keys (session_id text, meta_data_plan text, seats int
	OPTIONS (json_path 'meta.data.seats'), name text OPTIONS
	(json_path 'meta.nickname')) SERVER support OPTIONS (resource 'conversations');
CREATE FOREIGN TABLE keys_and_all (session_id text, meta_data jsonb, seats int OPTIONS (json_path 'meta.data.seats'))
	SERVER support OPTIONS (resource 'conversations');
END
	let_data_be({ plan => 'free', seats => 3, x => 1 });
	writes("UPDATE keys SET meta_data_plan = 'pro', seats = NULL, name = 'N' $where RETURNING meta_data_plan",
		'pro', [qq(PATCH $id/meta {"data":{"plan":"pro","x":1},"nickname":"N"})],
			'keys alone: the rest is asked for');
	is($sandbox->count, 3, 'with one request');
	writes("UPDATE keys_and_all SET seats = 4 "
		. "$where", '', [qq(PATCH $id/meta {"data":{"plan":"pro","seats":4,"x":1}})], 'or known');
	is($sandbox->count, 2, 'without');
	$session->query('DROP FOREIGN TABLE keys, keys_and_all');

	# What the database can't keep was replaced when it was read: Crisp still has it afterwards.
	$session->query(q(CREATE FOREIGN TABLE replaced (session_id text, meta_data jsonb)
		SERVER support OPTIONS (resource 'conversations', invalid_text 'replace')));
	let_data_be({ plan => "a\0b", seats => 3 });
	writes(q(UPDATE replaced SET meta_data = meta_data || '{"x": 1}' ) . $where,
		'', [qq(PATCH $id/meta {"data":{"plan":"a\\u0000b","seats":3,"x":1}})], 'replaced text stays');
	is($sandbox->count, 3, 'with one request more');
	$session->query(q(UPDATE replaced SET meta_data = meta_data - 'plan' ) . $where);
	is_deeply(conversation()->{meta}->{data}, { seats => 3, x => 1 }, 'and goes where it is meant');
	$session->query('DROP FOREIGN TABLE replaced');
	$sandbox->reset;
};

subtest 'INSERT' => sub {
	my $new = writes('INSERT INTO crisp.conversations DEFAULT VALUES RETURNING session_id', qr/^$session_id$/, ['POST conversation'], 'an empty one');
	is($sandbox->count, 1, 'takes one request');
	ok(!length(($sandbox->requests)[0]->{body} // ''), 'without a body');
	ok(conversation($new), 'Crisp has it');

	$sandbox->clear;
	$new = $session->query("INSERT INTO crisp.conversations (state, meta_nickname, meta_data, inbox_id, "
		. "is_verified) VALUES "
			. "('pending', 'N', '{\"plan\": \"pro\"}', '$inbox', true) RETURNING session_id");
	is_deeply([ written_lines() ],
		[
			'POST conversation',
			qq(PATCH $new/state {"state":"pending"}),
			qq(PATCH $new/meta {"data":{"plan":"pro"},"nickname":"N"}),
			qq(PATCH $new/inbox {"inbox_id":"$inbox"}),
			qq(PATCH $new/verify {"verified":true})
		],
		'what is given goes by the routes for it');
	my $now = conversation($new);
	is_deeply([ $now->{state}, $now->{meta}->{nickname}, $now->{meta}->{data}, $now->{inbox_id},
		$now->{is_verified} ],
		[ 'pending', 'N', { plan => 'pro' }, $inbox, JSON::PP::true ], 'Crisp has it');
	like($session->query("INSERT INTO crisp.conversations (meta_subject) VALUES ('s') RETURNING meta_subject, "
		. "state, session_id, created_at"),
		qr/^s\|unresolved\|$session_id\|2\d\d\d-/, 'RETURNING reads back what only Crisp knows');
	$sandbox->clear;
	$session->query("INSERT INTO crisp.conversations (meta_nickname) VALUES ('a'), ('b')");
	is(scalar(written()), 4, 'several');

	refused_unasked("INSERT INTO crisp.conversations (state) VALUES ('odd')", { sqlstate => '22023' }, 'a bad value');
	refused_unasked("INSERT INTO crisp.conversations (topic) VALUES ('x')",
		{ sqlstate => '0A000', hint => qr/^Columns that can be: state, assigned_user_id, meta_nickname,/ }, 'another column');
	refused_unasked("INSERT INTO crisp.conversations (meta_data) VALUES ('{\"a\": null}')",
		{ sqlstate => '22023' }, 'bad data');
	refused_unasked('INSERT INTO crisp.conversations DEFAULT VALUES ON CONFLICT DO NOTHING',
		{ sqlstate => '0A000' }, 'ON CONFLICT');

	$sandbox->reset;
	$sandbox->control({ answers => [ { match => { method => 'PATCH', path => '*/inbox' }, status => 403 } ] });
	$session->fails("INSERT INTO crisp.conversations (state, inbox_id, is_verified) VALUES ('pending', '$inbox', "
		. "true)",
		{
			sqlstate => '42501',
			detail => qr/\nThe conversation was not changed by this request\.$/,
			context => qr{of the same row, POST website/$website_id/conversation \($session_id\), PATCH website/$website_id/conversation/$session_id/state were carried out before}
		},
		'a part that fails');
	is(scalar(written()), 3, 'nothing was sent after it');
	is($session->run("INSERT INTO crisp.conversations (inbox_id) VALUES ('$inbox')")->{notices}->[0]->{message},
		'what was written to Crisp cannot be rolled back: 1 row', 'what was made is told');

	$session->query(q(ALTER SERVER support OPTIONS (SET max_retries '3', ADD request_timeout '5s')));
	foreach my $answer ({ status => 500 }, { hang => JSON::PP::true }, { reset => JSON::PP::true })
	{
		$sandbox->reset;
		$sandbox->control({ answers => [ { match => { method => 'POST' }, %{$answer} } ] });
		$session->fails("INSERT INTO crisp.conversations (state) VALUES ('pending')",
			{
				sqlstate => 'HV00M',
				detail => qr/\nThe conversation may or may not have been sent\. It was not sent again\.$/,
				hint => 'Before sending it again, look for it: SELECT * FROM crisp.conversations ORDER BY '
					. 'created_at DESC LIMIT 10'
			},
			"at most once: @{[ keys %{$answer} ]}");
		is(scalar(written()), 1, 'sent once');
	}
	$session->query(q(ALTER SERVER support OPTIONS (SET max_retries '0', DROP request_timeout)));
	$sandbox->reset;
};

subtest 'odd answers to an INSERT' => sub {
	my $carried = qr{of the same row, POST website/$website_id/conversation\b.* was carried out before}m;

	foreach my $case (
		[ '{}', '08P01', qr/has no "session_id"\.$/ ],
		[ '{"session_id":null}', '08P01', qr/has no "session_id"\.$/ ],
		[ '[]', '08P01', qr/has no "session_id"\.$/ ],
		[ '{"session_id":""}', '22023', undef ],
		[ '{"session_id":".."}', '22023', undef ])
	{
		my ($answered, $sqlstate, $detail) = @{$case};

		$sandbox->reset;
		$sandbox->control({
			answers => [ {
				match => { method => 'POST' },
				body => qq({"error":false,"reason":"added","data":$answered})
			} ]
		});
		$session->fails("INSERT INTO crisp.conversations (state) VALUES ('pending')",
			{ sqlstate => $sqlstate, detail => $detail, context => $carried }, $answered);
		is(scalar(written()), 1, "$answered: sent once");
	}
	$sandbox->control({
		answers => [ { match => { method => 'POST' },
				body => '{"error":false,"reason":"added","data":{"session_id":"a/b?c=%2f"}}' } ]
	});
	$sandbox->clear;
	$session->fails("INSERT INTO crisp.conversations (state) VALUES ('pending')",
		{ sqlstate => 'HV00R', context => qr/\(a\/b\?c=%2f\)/ }, 'an id that needs to be written in a URL');
	is((written_lines())[1], 'PATCH a%2Fb%3Fc%3D%252f/state {"state":"pending"}', 'is');
	$sandbox->reset;
};

subtest 'DELETE' => sub {
	writes("DELETE FROM crisp.conversations $where RETURNING session_id", $id, ["DELETE $id"], 'one');
	$session->query("DELETE FROM crisp.conversations WHERE session_id = '$second->{session_id}'");
	is(scalar(grep { $_->{session_id} eq $id || $_->{session_id} eq $second->{session_id} }
			$sandbox->rows('conversations')),
		0, 'they are gone');
	$sandbox->reset;

	# A kept connection that breaks off once Crisp has acted: libcurl sends it again, and finds the row gone.
	$sandbox->control({ answers => [ { match => { method => 'DELETE', nth => 2 }, reset => JSON::PP::true } ] });
	is($session->query("WITH gone AS (DELETE FROM crisp.conversations WHERE session_id IN "
				. "('$id', '$second->{session_id}') RETURNING session_id) SELECT count(*) FROM gone"),
		2, 'a row that an attempt without an answer has removed is returned');
	is(scalar(grep { $_->{method} eq 'DELETE' } $sandbox->requests), 3, 'it was sent again');
	$sandbox->reset;
};

subtest 'triggers, views and partitions' => sub {
	$session->query(<<"END");
CREATE FUNCTION tidy() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
	NEW.meta_nickname := initcap(NEW.meta_nickname);
	NEW.meta_data := NEW.meta_data || '{"seen": true}';
	RETURN NEW;
END \$\$;
CREATE TRIGGER tidy BEFORE UPDATE ON crisp.conversations FOR EACH ROW EXECUTE FUNCTION tidy();
END
	let_data_be({ plan => 'free' });
	writes("UPDATE crisp.conversations SET meta_nickname = 'ann' $where RETURNING meta_nickname, meta_data",
		'Ann|{"plan": "free", "seen": '
			. 'true}', [qq(PATCH $id/meta {"data":{"plan":"free","seen":true},"nickname":"Ann"})],
			'a BEFORE trigger');
	$session->query('DROP FUNCTION tidy() CASCADE');
	$session->query(<<"END");
CREATE TABLE everywhere (website_id text, session_id text, data jsonb, name text) PARTITION BY LIST (website_id);
CREATE FOREIGN TABLE here (name text OPTIONS (json_path 'meta.nickname'), gone int, data jsonb
	OPTIONS (json_path 'meta.data'), session_id text,
	website_id text) SERVER support OPTIONS (resource 'conversations');
ALTER FOREIGN TABLE here DROP COLUMN gone;
ALTER TABLE everywhere ATTACH PARTITION here FOR VALUES IN ('$website_id');
CREATE TABLE elsewhere PARTITION OF everywhere DEFAULT;
INSERT INTO elsewhere VALUES ('x', '$id', '{}', 'x');
CREATE VIEW pro AS SELECT session_id, meta_data, meta_subject FROM crisp.conversations
	WHERE meta_data->>'plan' = 'pro' WITH CHECK OPTION;
END
	writes("UPDATE everywhere SET data = data || '{\"plan\": \"pro\"}', name = 'N' $where",
		'', [qq(PATCH $id/meta {"data":{"plan":"pro","seen":true},"nickname":"N"})],
			'partitions, with other names and places of columns');
	refused("UPDATE pro SET meta_data = '{\"plan\": \"free\"}' $where", { sqlstate => '44000' }, 'WITH CHECK OPTION');
	$session->query('DROP VIEW pro; DROP TABLE everywhere');
	$sandbox->reset;
};

$session->quit;
done_testing;
