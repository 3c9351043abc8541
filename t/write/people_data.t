# Custom data of people, and their events: which keys are sent, when all of the data is, what values are refused, and
# what Crisp has afterwards, also where others change it meanwhile.

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
  CrispSandbox->start(conversations => 20, people => 60, visitors => 2, operators => 4);
my $node = start_node();
my $website_id = $sandbox->website_id;

connect_crisp($node, $sandbox,
	options => "per_page '50', max_retries '0', retry_delay '1ms', updatable 'true'");

my $session = CrispSession->start($node);
watch_writes($session, $sandbox);
my ($ann, $bob) = grep { ($_->{email} // '') =~ /@/ } $sandbox->rows('people');
my $where = "WHERE people_id = '$ann->{people_id}'";
my $path = "people/data/$ann->{people_id}";

# One test: what a statement prints, and what it writes.
sub writes
{
	my ($sql, $printed, $written, $name) = @_;

	$sandbox->clear;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $output = $session->query($sql);
	ref $printed ? like($output, $printed, "$name: the result") : is($output, $printed, "$name: the result");
	is_deeply([ written_lines() ], $written, "$name: the requests");
	return;
}

# Ann's data, as Crisp has it, is this from now on.
sub let_data_be
{
	my ($data) = @_;

	$sandbox->reset;
	$sandbox->call('PUT', $path, { data => $data });
	return;
}

# Ann's data, as Crisp has it now.
sub data
{
	return $sandbox->call('GET', $path)->{data};
}

subtest 'UPDATE of the object' => sub {
	let_data_be({ plan => 'free', seats => 3, trial => JSON::PP::true });
	writes(q(UPDATE crisp.people_data SET data = data || '{"plan": "pro"}' ) . "$where RETURNING data->>'plan'",
		'pro', [qq(PATCH $path {"data":{"plan":"pro"}})], 'a key that changes is sent alone');
	is($sandbox->count, 3, 'with two requests to read the row, and the address of its profile');
	is_deeply(data(), { plan => 'pro', seats => 3, trial => JSON::PP::true }, 'Crisp has it');

	writes(q(UPDATE crisp.people_data SET data = data || '{"plan": "pro", "a.b": 1.50, "on": false}' ) . $where,
		'', [qq(PATCH $path {"data":{"a.b":"1.50","on":false}}) =~ s/"1.50"/1.5/r], 'keys that differ, with dots');
	is(data()->{'a.b'}, 1.5, 'Crisp has it under its whole name');
	writes("UPDATE crisp.people_data SET data = data $where", '', [], 'nothing that differs');
	is($session->query("UPDATE crisp.people_data SET data = data $where RETURNING 1"), 1, 'and yet the row counts');

	writes(
		"UPDATE crisp.people_data SET data = data - 'seats' $where",
		'', [qq(PUT $path {"data":{"a.b":1.5,"on":false,"plan":"pro","trial":true}})],
			'a key that goes: all of the data');
	is($sandbox->count, 3, 'which is read just before');
	ok(!exists data()->{seats}, 'it is gone');

	let_data_be({ a => 1, b => 2 });
	$session->query("UPDATE crisp.people_data SET data = '{}' $where");
	is_deeply(data(), {}, 'all keys go');

	let_data_be({ a => 1 });
	foreach my $case (
		[ 'null', q({"a": null}), qr/^Crisp takes strings, numbers and booleans\. To remove a key, leave it out\.$/ ],
		[ 'an object', q({"x": {"y": 1}}) ],
		[ 'an array', q({"x": [1]}) ])
	{
		my ($name, $value, $hint) = @{$case};
		my ($key) = $value =~ /"(\w)"/;

		refused("UPDATE crisp.people_data SET data = '$value' $where",
			{
				sqlstate => '22023',
				message => qr/^invalid value for key "$key" in column "data" of foreign table "people_data": /,
				hint => $hint // 'Crisp takes strings, numbers and booleans.'
			},
			$name);
	}
	refused("UPDATE crisp.people_data SET data = NULL $where",
		{ sqlstate => '23502', message => 'null value in column "data" of foreign table "people_data"',
			detail => 'To remove all keys, write {}.' }, 'NULL');
	refused("UPDATE crisp.people_data SET data = '[]' $where",
		{ sqlstate => '22023', hint => 'Crisp takes a JSON object.' }, 'an array in place of the object');
	refused_unasked("UPDATE crisp.people_data SET email = 'x' $where",
		{ sqlstate => '0A000', hint => 'Columns that can be: data' }, 'another column');
	refused_unasked("DELETE FROM crisp.people_data $where",
		{ sqlstate => '55000', hint => 'What can be done: INSERT, UPDATE. Columns that UPDATE can change: data' },
			'DELETE');
	$sandbox->reset;
};

subtest 'the address of the profile' => sub {
	my $profile = qr{/people/profile/};
	my $set = "data = data || '{\"n\": 1}'";

	$session->query(<<'END');
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE 'address %', NEW.email;
	RETURN NEW;
END $$;
CREATE FUNCTION shown(crisp.people_data) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1.email';
CREATE FOREIGN TABLE generated (people_id text, email text, data jsonb,
	loud text GENERATED ALWAYS AS (upper(email)) STORED)
	SERVER support OPTIONS (resource 'people_data');
CREATE VIEW mine AS SELECT * FROM crisp.people_data WHERE email LIKE '%@%' WITH CHECK OPTION;
END
	foreach my $case (
		[ 0, "UPDATE crisp.people_data SET $set $where", '' ],
		[ 1, "UPDATE crisp.people_data SET $set $where RETURNING email", $ann->{email} ],
		[ 1, "UPDATE crisp.people_data d SET $set $where RETURNING shown(d)", $ann->{email} ],
		[ 0, "UPDATE crisp.people_data d SET $set FROM (VALUES ('$ann->{people_id}')) v(id) WHERE people_id = id",
			'' ],
		[ 1, "UPDATE crisp.people_data d SET data = data || jsonb_build_object('e', email) $where", '' ],
		[ 1, "UPDATE crisp.people_data d SET data = data || jsonb_build_object('f', shown(d)) $where", '' ],
		[ 1, "UPDATE crisp.people_data d SET $set $where AND d IS DISTINCT FROM NULL", '' ],
		[ 1, "UPDATE crisp.people_data d SET $set $where AND shown(d) = '$ann->{email}'", '' ],
		[ 1, "UPDATE generated SET $set $where", '' ],
		[ 1, "UPDATE mine SET $set $where", '' ])
	{
		my ($asked, $sql, $printed) = @{$case};

		let_data_be({ a => 1 });
		$sandbox->clear;
		is($session->query($sql), $printed, $sql);
		is(scalar(grep { $_->{path} =~ $profile } $sandbox->requests), $asked, 'requests for the profile');
		my $now = data();
		is_deeply(
			{ %{$now}, n => 1 },
			{ a => 1, n => 1, map { exists $now->{$_} ? ($_ => $ann->{email}) : () } qw(e f) }, 'the data');
	}
	$session->query('CREATE TRIGGER look BEFORE UPDATE ON crisp.people_data FOR EACH ROW EXECUTE FUNCTION look()');
	is($session->run("UPDATE crisp.people_data SET $set $where")->{notices}->[0]->{message}, "address $ann->{email}",
		'a trigger sees it');
	$session->query('DROP FUNCTION look() CASCADE; DROP FUNCTION shown(crisp.people_data); DROP FOREIGN TABLE '
		. 'generated; '
			. 'DROP VIEW mine');
	$sandbox->reset;
};

subtest 'what others change meanwhile' => sub {
	let_data_be({ a => 1, b => 2 });
	# Between the read and the change, by a function that the statement runs.
	$session->query("CREATE FOREIGN TABLE other_data (people_id text, data jsonb) SERVER support OPTIONS "
		. "(resource 'people_data')");
	$session->query(<<"END");
CREATE FUNCTION meanwhile(jsonb) RETURNS jsonb LANGUAGE plpgsql VOLATILE AS \$\$
BEGIN
	UPDATE other_data SET data = data || '{"theirs": "x"}' $where;
	RETURN \$1;
END \$\$;
END
	$session->query("UPDATE crisp.people_data SET data = meanwhile(data || '{\"a\": 5}') $where");
	is_deeply(data(), { a => 5, b => 2, theirs => 'x' }, 'a PATCH leaves it');
	let_data_be({ a => 1, b => 2 });
	$session->query("UPDATE crisp.people_data SET data = meanwhile(data - 'b') $where");
	is_deeply(data(), { a => 1, theirs => 'x' }, 'and a PUT has it');
	$session->query('DROP FUNCTION meanwhile(jsonb); DROP FOREIGN TABLE other_data');
	$sandbox->reset;
};

subtest 'columns of keys' => sub {
	let_data_be({ plan => 'free', seats => 3, code => 12 });
	$session->query(<<'END');
CREATE FOREIGN TABLE keys (people_id text, data_plan text, data_seats bigint, on_trial boolean OPTIONS (json_path
	'data.trial'), code text OPTIONS (json_path 'data.code'), since date OPTIONS (json_path 'data.since'),
	any_value jsonb
	OPTIONS (json_path 'data."any.value"')) SERVER support OPTIONS (resource 'people_data');
CREATE FOREIGN TABLE keys_and_all (people_id text, data jsonb, data_plan text, code text
	OPTIONS (json_path 'data.code'),
	again text OPTIONS (json_path 'data.code')) SERVER support OPTIONS (resource 'people_data');
END
	writes("UPDATE keys SET data_plan = 'pro', data_seats = 4, on_trial = false $where RETURNING data_plan, "
		. "data_seats, on_trial",
		'pro|4|f', [qq(PATCH $path {"data":{"plan":"pro","seats":4,"trial":false}})],
			'several of a row are one request');
	is_deeply(data(), { plan => 'pro', seats => 4, code => 12, trial => JSON::PP::false }, 'Crisp has them');
	writes(q(UPDATE keys SET any_value = '"x"' ) . $where, '', [qq(PATCH $path {"data":{"any.value":"x"}})],
		'a key with a dot');
	refused(q(UPDATE keys SET any_value = '{}' ) . $where,
		{ sqlstate => '22023', message => qr/^invalid value for key "any\.value" in column "any_value"/ }, 'an object');
	refused_unasked("UPDATE keys SET since = '2026-01-01' $where",
		{ sqlstate => '0A000', message => qr/^column "since"/ }, 'a time, which may be a number or a text');

	writes("UPDATE keys SET data_seats = NULL $where",
		'', [qq(PUT $path {"data":{"any.value":"x","code":12,"plan":"pro","trial":false}})], 'NULL removes a key');
	writes("UPDATE keys SET data_seats = NULL $where", '', [], 'if it is there');

	writes("UPDATE keys_and_all SET data_plan = 'pro', code = '12' $where", '', [], 'what the columns show already');
	writes("UPDATE keys_and_all SET data_plan = 'free', code = '12' $where",
		'', [qq(PATCH $path {"data":{"plan":"free"}})], 'what differs of it');
	refused("UPDATE keys_and_all SET data_plan = 'x', data = '{}' $where",
		{ sqlstate => '22023', message => 'column "data_plan" of foreign table "keys_and_all" cannot be given '
			. 'together with another',
			detail => 'Both would be "data" at Crisp.' }, 'a key and all of the data');
	refused_unasked("UPDATE keys_and_all SET again = 'x' $where",
		{ sqlstate => '0A000', detail => 'Column "code" stands for the same at Crisp, and is the one to write.' },
			'two columns for a key');
	$session->query('DROP FOREIGN TABLE keys, keys_and_all');

	$session->query(<<'END');
CREATE SCHEMA columns;
IMPORT FOREIGN SCHEMA crisp LIMIT TO (people_data) FROM SERVER support INTO columns OPTIONS (custom_data 'columns');
END
	my ($column, $key) = split /\|/, $session->query(<<'END');
SELECT attname, regexp_replace(attfdwoptions::text, '.*json_path=data\.(\w+).*', '\1') FROM pg_attribute
WHERE attrelid = 'columns.people_data'::regclass AND attfdwoptions::text LIKE '%json\_path=data.%'
	AND atttypid = 'text'::regtype LIMIT 1
END
	writes("UPDATE columns.people_data SET $column = 'new' $where", '', [qq(PATCH $path {"data":{"$key":"new"}})],
		'columns that IMPORT made');
	$session->query('DROP SCHEMA columns CASCADE');
	$sandbox->reset;
};

subtest 'INSERT' => sub {
	let_data_be({});
	my $insert = 'INSERT INTO crisp.people_data (people_id, data)';

	writes("$insert VALUES ('$ann->{people_id}', '{\"plan\": \"pro\"}') RETURNING data",
		'{"plan": "pro"}', [qq(PATCH $path {"data":{"plan":"pro"}})], 'of a profile that has none');
	is($sandbox->count, 2, 'which is looked at first');
	my $exists = {
		sqlstate => '23505',
		message => 'a data record with this "people_id" exists at Crisp already, server "support"',
		detail => "GET website/$website_id/people/data/$ann->{people_id} answers some. Nothing was sent."
	};
	refused("$insert VALUES ('$ann->{people_id}', '{\"plan\": \"pro\"}')", $exists, 'of one that has some');
	writes("$insert VALUES ('$ann->{people_id}', '{\"plan\": \"x\"}') ON CONFLICT DO NOTHING RETURNING 1", '', [],
		'ON CONFLICT DO NOTHING');
	refused("$insert VALUES ('$website_id', '{}')",
		{ sqlstate => '23503', message => 'there is no such profile at Crisp, server "support"' }, 'no such profile');
	refused_unasked("$insert VALUES ('$ann->{people_id}', '{\"a\": []}')", { sqlstate => '22023', message => qr/key "a"/ }, 'a bad value');
	refused_unasked("INSERT INTO crisp.people_data (people_id) VALUES ('$ann->{people_id}')",
		{ sqlstate => '23502', message => qr/column "data"/ }, 'no data');

	let_data_be({});
	writes("INSERT INTO crisp.people_data (email, data) VALUES ('$ann->{email}', '{\"n\": 1}') RETURNING "
		. "people_id, email",
		"$ann->{people_id}|$ann->{email}", [qq(PATCH $path {"data":{"n":1}})], 'by address');
	refused("INSERT INTO crisp.people_data (email, data) VALUES ('nobody\@example.com', '{\"n\": 1}')",
		{ sqlstate => '23503' }, 'by an address that nobody has');
	refused_unasked("INSERT INTO crisp.people_data (email, data) VALUES ('nobody', '{\"n\": 1}')",
		{ sqlstate => '22023' }, 'by what is no address');
	$session->query("CREATE FOREIGN TABLE by_address (email text, data jsonb, data_n int) SERVER support OPTIONS "
		. "(resource 'people_data')");
	writes("UPDATE by_address SET data_n = 2 WHERE email = '$ann->{email}' RETURNING data_n",
		'2', [qq(PATCH $path {"data":{"n":2}})], 'UPDATE by address alone');
	$session->query('DROP FOREIGN TABLE by_address');

	$session->query("UPDATE crisp.people_data SET data = '{}' WHERE people_id IN ('$ann->{people_id}', "
		. "'$bob->{people_id}')");
	$session->query("CREATE TABLE plans AS SELECT * FROM (VALUES ('$ann->{email}', '{\"p\": 1}'::jsonb), "
		. "('$bob->{email}', '{\"p\": 2}')) v(email, data)");
	$session->query('INSERT INTO crisp.people_data (email, data) SELECT email, data FROM plans');
	is_deeply(data(), { p => 1 }, 'several');
	$session->query('DROP TABLE plans');
	$sandbox->reset;
};

subtest 'failures' => sub {
	let_data_be({ a => 1 });
	$session->query(q(ALTER SERVER support OPTIONS (SET max_retries '2', ADD request_timeout '5s')));
	$sandbox->clear;
	$sandbox->control({ answers => [ { match => { method => 'PATCH' }, times => 1, status => 500 } ] });
	$session->query("UPDATE crisp.people_data SET data = data || '{\"a\": 2}' $where");
	is(scalar(written()), 2, 'a change is tried again');
	$sandbox->control({ answers => [ { match => { method => 'PUT' }, hang => JSON::PP::true } ] });
	$session->fails("UPDATE crisp.people_data SET data = '{\"b\": 2}' $where",
		{ sqlstate => 'HV00M', detail => qr/\nThe data record may or may not have been changed\./ }, 'no answer in time');
	$sandbox->reset;
	let_data_be({ a => 1 });
	$sandbox->clear;
	$sandbox->control({ answers => [ { match => { method => 'GET', path => '*/people/data/*', nth => 2 },
		status => 403 } ] });
	refused("UPDATE crisp.people_data SET data = '{\"b\": 2}' $where", { sqlstate => '42501' },
		'the data cannot be read before a PUT');
	$session->query(q(ALTER SERVER support OPTIONS (SET max_retries '0', DROP request_timeout)));
	$sandbox->reset;

	foreach my $odd ('[1,{"a":2}]', '"a"', '{"a":null,"b":{"c":1}}')
	{
		$sandbox->reset;
		$sandbox->control({
			answers => [ {
				match => { method => 'GET', path => '*/people/data/*' },
				body => qq({"error":false,"reason":"resolved","data":{"data":$odd}})
			} ]
		});
		writes("UPDATE crisp.people_data SET data = '{\"x\": 1, \"b\": {\"c\": 1}}' $where", '',
			[qq(PATCH $path {"data":{"x":1}})], "data with what Crisp does not take: $odd")
		  if $odd =~ /^\{/;
		writes("UPDATE crisp.people_data SET data = '{\"x\": 1}' $where", '',
			[$odd =~ /^\{/ ? qq(PUT $path {"data":{"x":1}}) : qq(PATCH $path {"data":{"x":1}})], "data that is odd: $odd");
	}
	$sandbox->reset;
};

subtest 'events' => sub {
	my $insert = 'INSERT INTO crisp.people_events';
	my $post = "POST people/events/$ann->{people_id}";
	my $count = $session->query("SELECT count(*) FROM crisp.people_events $where");

	writes("$insert (people_id, text, data, color) VALUES ('$ann->{people_id}', 'paid', '{\"sum\": 9.90, \"of\": "
		. "[1]}', 'green') RETURNING text, data->'of'",
		'paid|[1]', [qq($post {"color":"green","data":{"of":[1],"sum":9.9},"text":"paid"}) =~ s/9\.9/9.90/r =~ s/9\.90/9.9/r], 'an event');
	is($sandbox->count, 1, 'takes one request');
	is($session->query("SELECT count(*) FROM crisp.people_events $where"), $count + 1, 'Crisp has it');
	like($session->query("$insert (people_id, text) VALUES ('$ann->{people_id}', 'again') RETURNING text, "
		. "\"timestamp\""),
		qr/^again\|2\d\d\d-/, 'RETURNING of what only Crisp knows');
	writes("$insert (people_id, text, \"timestamp\") VALUES ('$ann->{people_id}', 'then', '2026-01-01 "
		. "00:00:00.123+00')",
		'', [qq($post {"text":"then","timestamp":1767225600123})], 'with a time');
	is($session->query("SELECT count(*) FROM crisp.people_events $where AND \"timestamp\" = '2026-01-01 "
		. "00:00:00.123+00'"), 1, 'that Crisp takes');
	$sandbox->control({ event_timestamp => 'ignored' });
	$session->query("$insert (people_id, text, \"timestamp\") VALUES ('$ann->{people_id}', 'later', '2026-01-02 "
		. "00:00:00.123+00')");
	is($session->query("SELECT count(*) FROM crisp.people_events $where AND text = 'later'"), 1, 'or does not');
	refused_unasked("$insert (people_id, color) VALUES ('$ann->{people_id}', 'red')", { sqlstate => '23502', message => qr/column "text"/ }, 'no text');
	$session->fails("$insert (people_id, text) VALUES ('$website_id', 'x')",
		{ sqlstate => '23503', message => 'there is no such profile at Crisp, server "support"' }, 'no such profile');
	$session->query(q(ALTER SERVER support OPTIONS (SET max_retries '3')));
	$sandbox->clear;
	$sandbox->control({ answers => [ { match => { method => 'POST' }, status => 502 } ] });
	$session->fails("$insert (people_id, text) VALUES ('$ann->{people_id}', 'once')",
		{ sqlstate => 'HV00M', detail => qr/may or may not have been sent\. It was not sent again\.$/,
			hint => "Before sending it again, look for it: SELECT * FROM crisp.people_events WHERE people_id = "
				. "'$ann->{people_id}'" }, 'at most once');
	is(scalar(written()), 1, 'sent once');
	$session->query(q(ALTER SERVER support OPTIONS (SET max_retries '0')));
	$sandbox->reset;
};

subtest 'subscriptions' => sub {
	my $route = "people/subscription/$ann->{people_id}";

	foreach my $value ('false', 'true')
	{
		writes("UPDATE crisp.people_subscriptions SET email = $value $where RETURNING people_id",
			$ann->{people_id}, [qq(PATCH $route {"email":$value})], "email $value");
		is(JSON::PP->new->encode($sandbox->call('GET', $route)), qq({"email":$value}), 'Crisp has it');
	}
	writes("UPDATE crisp.people_subscriptions SET email = false WHERE profile_email = '$ann->{email}'",
		'', [qq(PATCH $route {"email":false})], 'by address');
	$session->query("CREATE FOREIGN TABLE by_address (profile_email text, email bool) SERVER support OPTIONS "
		. "(resource 'people_subscriptions')");
	writes("UPDATE by_address SET email = true WHERE profile_email = '$ann->{email}'",
		'', [qq(PATCH $route {"email":true})], 'in a table without the id');
	$session->query('DROP FOREIGN TABLE by_address');
	refused("UPDATE crisp.people_subscriptions SET email = NULL $where", { sqlstate => '23502' }, 'NULL');
	foreach my $statement ("INSERT INTO crisp.people_subscriptions (people_id, email) VALUES "
		. "('$ann->{people_id}', true)",
		"DELETE FROM crisp.people_subscriptions $where")
	{
		refused_unasked($statement, { sqlstate => '55000', hint => 'What can be done: UPDATE. Columns that UPDATE '
			. 'can change: email' },
			$statement =~ s/ .*//r);
	}
	$sandbox->reset;
};

$session->quit;
done_testing;
