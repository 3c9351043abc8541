# Messages: what is sent of a row, and how often; what is refused before; what RETURNING tells; and
# what an error says when a message may have been sent.

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
my $node = start_node('max_prepared_transactions = 2');
my $website_id = $sandbox->website_id;

connect_crisp($node, $sandbox, options => "per_page '20', max_retries '0', updatable 'true'");

my $session = CrispSession->start($node);
watch_writes($session, $sandbox);
my $utf8 = JSON::PP->new->utf8->allow_nonref;
my ($id, $other) = map { $_->{session_id} } $sandbox->rows('conversations');
my $insert = 'INSERT INTO crisp.messages (session_id, type, content)';

# The messages of a conversation as Crisp has them, the newest first.
sub messages
{
	my ($session_id) = @_;

	return map { $utf8->decode($_) } split /\n/,
	  $sandbox->ask('GET', "/_rows?resource=messages&session_id=$session_id");
}

# One test: what a statement returns, and the messages that it sends.
sub sends
{
	my ($sql, $output, $bodies, $name) = @_;

	$sandbox->clear;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($session->query($sql), $output, "$name: the result");
	is_deeply([ map { $_->[2] } written() ], $bodies, "$name: what was sent")
	  or diag(explain([ written() ]));
	return;
}

sub text
{
	my ($content, %more) = @_;

	return { type => 'text', from => 'operator', origin => 'chat', content => $content, %more };
}

subtest 'a message' => sub {
	my $before = () = messages($id);
	my $fingerprint =
	  $session->query("$insert VALUES ('$id', 'text', 'Hello, Zoë!') RETURNING fingerprint");

	like($fingerprint, qr/^\d{10,}$/, 'RETURNING gives the fingerprint');
	is_deeply(
		[ written() ],
		[ [ 'POST', "$id/message", text("Hello, Zo\x{eb}!") ] ],
		'one request, with the defaults for sender and origin');
	is($sandbox->count, 1, 'and nothing else');
	my ($new) = messages($id);
	is($new->{fingerprint}, $fingerprint, 'it is the message that Crisp has');
	is($new->{content}, "Hello, Zo\x{eb}!", 'with the content');
	is(scalar(my @all = messages($id)), $before + 1, 'once');

	is_deeply(
		[ @{ ($sandbox->requests)[0]->{headers} }{qw(content-type x-crisp-tier)} ],
		[ 'application/json', 'website' ],
		'as JSON, with the tier');
	$sandbox->reset;
};

subtest 'every field that can be sent' => sub {
	sends(<<"END", '', [ text("a \"quoted\"\nline \\ and 100%", from => 'user', origin => 'email') ], 'characters');
INSERT INTO crisp.messages (session_id, type, "from", origin, content)
VALUES ('$id', 'text', 'user', 'email', E'a "quoted"\\nline \\\\ and 100%')
END
	sends(
		<<"END", '1234567890123', [
INSERT INTO crisp.messages (session_id, website_id, type, "from", origin, content, mentions, fingerprint, "timestamp",
	user_type, user_user_id, user_nickname, user_avatar, "references", original_original_id, properties,
	translated, automated, stealth)
VALUES ('$id', '$website_id', 'note', 'operator', 'urn:test', 'all of it', '{a,"b c"}', 1234567890123,
	'2026-01-15 12:00:00.1239+00',
	'participant', 'u1', 'Jane', 'https://example.com/j.png', '[{"type": "link"}]', 'o1', '{"plan": "pro", "seats": 3}',
	false, true, true)
RETURNING fingerprint
END
			{
				type => 'note',
				from => 'operator',
				origin => 'urn:test',
				content => 'all of it',
				mentions => [ 'a', 'b c' ],
				fingerprint => 1234567890123,
				timestamp => 1768478400123,
				user => {
					type => 'participant',
					user_id => 'u1',
					nickname => 'Jane',
					avatar => 'https://example.com/j.png'
				},
				references => [ { type => 'link' } ],
				original => { original_id => 'o1' },
				properties => { plan => 'pro', seats => 3 },
				translated => JSON::PP::false,
				automated => JSON::PP::true,
				stealth => JSON::PP::true
			}
		],
		'all fields');
	foreach my $type (qw(file animation audio picker field carousel event))
	{
		sends(
			"INSERT INTO crisp.messages (session_id, type, content_json) VALUES "
				. "('$id', '$type', '{\"text\": \"x\", \"n\": [1, 2.50, null]}')",
			'',
			[ { %{ text(undef) }, type => $type, content => { text => 'x', n => [ 1, 2.50, undef ] } } ],
			"type $type");
	}
	$sandbox->reset;
};

subtest 'what is refused before anything is sent' => sub {
	my $takes = 'Crisp takes: text, note, file, animation, audio, picker, field, carousel, event';

	refused_unasked(
		"$insert VALUES ('$id', 'sms', 'x')",
		{
			sqlstate => '22023',
			message => 'invalid value for column "type" of foreign table "messages": "sms"',
			hint => $takes
		},
		'an unknown type');
	refused_unasked(
		"INSERT INTO crisp.messages (session_id, content) VALUES ('$id', 'x')",
		{
			sqlstate => '23502',
			message => 'null value in column "type" of foreign table "messages"',
			detail => 'Crisp needs it in every message.'
		},
		'no type');
	refused_unasked(
		"INSERT INTO crisp.messages (session_id, type) VALUES ('$id', 'text')",
		{
			sqlstate => '23502',
			message => 'null value in column "content" of foreign table "messages"',
			detail => 'Crisp needs it in every message where "type" is "text".'
		},
		'no content');
	refused_unasked(
		"INSERT INTO crisp.messages (session_id, type) VALUES ('$id', 'picker')",
		{
			sqlstate => '23502',
			message => 'null value in column "content_json" of foreign table "messages"',
			detail => 'Crisp needs it in every message where "type" is "picker".'
		},
		'no object');
	refused_unasked(
		"$insert VALUES ('$id', 'picker', 'x')",
		{
			sqlstate => '22023',
			message =>
			  'column "content" of foreign table "messages" cannot be given where "type" is "picker"',
			hint => 'It goes with: text, note'
		},
		'text where an object is needed');
	refused_unasked(
		"INSERT INTO crisp.messages (session_id, type, content, content_json) VALUES ('$id', 'text', 'x', '{}')",
		{ sqlstate => '22023', message => qr/^column "content_json"/, hint => qr/^It goes with: file,/ },
		'both kinds of content');
	foreach my $value ('[1]', '"x"', 'null')
	{
		refused_unasked(
			"INSERT INTO crisp.messages (session_id, type, content_json) VALUES ('$id', 'file', '$value')",
			{
				sqlstate => '22023',
				message => qr/^invalid value for column "content_json" of foreign table "messages":/,
				hint => 'Crisp takes a JSON object.'
			},
			"content that is no object: $value");
	}
	refused_unasked(
		"INSERT INTO crisp.messages (session_id, type, content_json) VALUES "
			. "('$id', 'file', to_jsonb(array_fill('e'::text, ARRAY[100])))",
		{ sqlstate => '22023', message => qr/"messages": "\["[^:]{90,100}\.\.\."$/ },
		'a long value is shown in part');
	refused_unasked(
		"INSERT INTO crisp.messages (session_id, type, \"from\", content) VALUES ('$id', 'text', 'bot', 'x')",
		{
			sqlstate => '22023',
			message => 'invalid value for column "from" of foreign table "messages": "bot"',
			hint => 'Crisp takes: operator, user'
		},
		'an unknown sender');
	refused_unasked(
		"$insert VALUES (NULL, 'text', 'x')",
		{ sqlstate => '23502', message => 'null value in column "session_id" of foreign table "messages"' },
		'no conversation');
	foreach my $wrong ('', '.', '..')
	{
		refused_unasked(
			"$insert VALUES ('$wrong', 'text', 'x')",
			{
				sqlstate => '22023',
				message => qq(invalid value for column "session_id" of foreign table "messages": "$wrong")
			},
			"a conversation that can be none: '$wrong'");
	}
	refused_unasked(
		"INSERT INTO crisp.messages (session_id, type, content, edited) VALUES ('$id', 'text', 'x', false)",
		{
			sqlstate => '0A000',
			message => 'column "edited" of foreign table "messages" cannot be sent to Crisp',
			hint => qr/^Columns that can be: session_id, type, from, origin, content, content_json, mentions,/
		},
		'a column that cannot be sent');
	refused_unasked(
		"INSERT INTO crisp.messages (session_id, website_id, type, content) VALUES ('$id', 'x', 'text', 'x')",
		{
			sqlstate => '22023',
			message => 'invalid value for column "website_id" of foreign table "messages": "x"',
			hint => "The table's website is $website_id."
		},
		'another website');
	refused_unasked(
		"INSERT INTO crisp.messages (session_id, type, content, \"timestamp\") VALUES ('$id', 'text', 'x', 'infinity')",
		{ sqlstate => '22008', message => 'an infinite time cannot be sent to Crisp' },
		'an infinite time');
	refused_unasked(
		"$insert VALUES ('$id', 'text', 'x') ON CONFLICT DO NOTHING",
		{ sqlstate => '0A000', message => qr/^INSERT with ON CONFLICT is not supported/ },
		'ON CONFLICT');
	refused_unasked(
		"$insert VALUES ('$id', 'text', 'good'), ('$id', 'sms', 'bad'), ('$id', 'text', 'good')",
		{ sqlstate => '22023' },
		'several rows, of which the second is wrong');
	refused_unasked("BEGIN READ ONLY;\n$insert VALUES ('$id', 'text', 'x');\nROLLBACK",
		{ sqlstate => '25006' }, 'a read-only transaction');
	$session->query(q(ALTER FOREIGN TABLE crisp.messages OPTIONS (ADD updatable 'false')));
	refused_unasked(
		"$insert VALUES ('$id', 'text', 'x')",
		{
			sqlstate => '55000',
			message => 'foreign table "messages" does not allow inserts',
			hint =>
			  'Set option updatable to true on the foreign table, or on server "support". What is written goes to '
			  	. 'Crisp at once, and cannot be rolled back.'
		},
		'a table that is read-only');
	$session->query('ALTER FOREIGN TABLE crisp.messages OPTIONS (DROP updatable)');
};

subtest 'RETURNING' => sub {
	sends(
		"INSERT INTO crisp.messages (session_id, type, content, \"timestamp\") VALUES "
			. "('$id', 'text', 'x', '2026-01-15 13:00:00.1239+00') RETURNING type, \"from\", origin, content, "
			. "website_id = '$website_id', extract(milliseconds FROM \"timestamp\")",
		'text|operator|chat|x|t|123.000',
		[ text('x', timestamp => 1768482000123) ],
		'what was sent, as it was sent');
	is($sandbox->count, 1, 'costs no further request');

	sends(
		"$insert VALUES ('$id', 'text', 'x') RETURNING session_id = '$id', \"timestamp\" IS NOT "
			. "NULL, stamped, edited, read IS NULL",
		't|t|t|f|t', [ text('x') ], 'what only Crisp knows');
	is_deeply(
		[ map { $_->{method} } $sandbox->requests ],
		[ 'POST', 'GET' ],
		'costs a request to read the message');
	sends(
		"$insert VALUES ('$id', 'text', 'x') RETURNING content, content_json",
		'x|', [ text('x') ], 'the kind of content that it has not is NULL');
	sends(
		"INSERT INTO crisp.messages (session_id, type, content_json) VALUES ('$id', 'file', '{\"a\": 1}') "
			. "RETURNING content, content_json",
		'|{"a": 1}', [ { %{ text({ a => 1 }) }, type => 'file' } ], 'the same of an object');
	sends(
		"INSERT INTO crisp.messages (session_id, type, content, stealth) VALUES ('$id', 'text', 'x', true) "
			. "RETURNING stealth, stamped",
		't|t', [ text('x', stealth => JSON::PP::true) ], 'what was sent, and Crisp does not tell');

	$sandbox->control(
		{ answers => [ { match => { method => 'GET', path => '*/message/*' }, status => 404 } ] });
	$sandbox->clear;
	my $result = $session->run("$insert VALUES ('$id', 'text', 'y') RETURNING content, \"timestamp\"");
	is($result->{output}, 'y|', 'a message that cannot be read back: what is known');
	is($result->{notices}->[0]->{severity}, 'WARNING', 'and a warning');
	is(
		$result->{notices}->[0]->{message},
		'the message was sent, but could not be read back, server "support"',
		'which says so');
	is(scalar(written()), 1, 'it was sent once');
	$sandbox->reset;
};

subtest 'several rows' => sub {
	my @texts = map { "number $_" } 1 .. 250;

	sends("$insert SELECT '$id', 'text', 'number ' || i FROM generate_series(1, 250) i",
		'', [ map { text($_) } @texts ], 'in their order');
	my $found = join ',', map { $_->{content} } grep { $_->{content} =~ /^number/ } reverse messages($id);
	is($found, join(',', @texts), 'Crisp has them all');
	$sandbox->reset;

	my @fingerprints = split /\n/,
	  $session->query("$insert VALUES ('$id', 'text', 'a'), ('$other', 'text', 'b') RETURNING fingerprint");
	is(scalar @fingerprints, 2, 'RETURNING gives one each');
	is_deeply(
		[ map { "$_->[1] $_->[2]->{content}" } written() ],
		[ "$id/message a", "$other/message b" ],
		'to the conversation of each row');
	$sandbox->reset;

	$session->query(
		"PREPARE say(text, text) AS $insert VALUES (\$1, 'text', \$2) RETURNING content");
	foreach my $i (1 .. 7)
	{
		sends("EXECUTE say('$id', 'prepared $i')",
			"prepared $i", [ text("prepared $i") ], "a prepared statement, $i");
	}
	$session->query('DEALLOCATE say');
	$sandbox->reset;

	sends(
		"$insert SELECT session_id, 'note', 'moved' FROM crisp.conversations",
		'',
		[ map { { %{ text('moved') }, type => 'note' } } $sandbox->rows('conversations') ],
		'for each row of a list that this moves');
	my %times;
	$times{ $_->[1] }++ foreach written();
	is_deeply([ grep { $_ != 1 } values %times ], [], 'once each');
	$sandbox->reset;
};

# The text messages of a conversation, sent by operators.
sub texts
{
	my ($session_id) = @_;

	return grep { $_->{type} eq 'text' } messages($session_id);
}

subtest 'UPDATE' => sub {
	my $fingerprint = $session->query("$insert VALUES ('$id', 'text', 'tpyo') RETURNING fingerprint");
	my $where = "WHERE session_id = '$id' AND fingerprint = $fingerprint";

	sends(
		"UPDATE crisp.messages SET content = 'typo' $where RETURNING content, fingerprint = $fingerprint",
		'typo|t', [ { content => 'typo' } ], 'the content');
	is_deeply(
		[ map { "$_->{method} " . ($_->{path} =~ s{.*/conversation/}{}r) } $sandbox->requests ],
		[ "GET $id/messages", "PATCH $id/message/$fingerprint" ],
		'one request to find the message, one to change it');
	is((messages($id))[0]->{content}, 'typo', 'Crisp has the new content');
	ok((messages($id))[0]->{edited}, 'and knows that it was edited');

	my $file = $session->query(
		"INSERT INTO crisp.messages (session_id, type, content_json) VALUES ('$id', 'file', '{\"url\": \"a\"}') "
			. "RETURNING fingerprint"
	);
	my $its = "WHERE session_id = '$id' AND fingerprint = $file";
	sends("UPDATE crisp.messages SET content_json = content_json || '{\"name\": \"n\"}' $its",
		'', [ { content => { url => 'a', name => 'n' } } ], 'the content of other types');

	foreach my $case (
		[ "content = 'x' $its", '22023', qr/^column "content" .* cannot be given where "type" is "file"/ ],
		[ "content_json = '{}' $where", '22023', qr/^column "content_json"/ ],
		[ "content_json = '[]' $its", '22023', qr/^invalid value for column "content_json"/ ],
		[ "content = NULL $where", '23502', qr/^null value in column "content"/ ])
	{
		my ($set, $sqlstate, $message) = @{$case};

		$sandbox->clear;
		$session->fails("UPDATE crisp.messages SET $set",
			{ sqlstate => $sqlstate, message => $message }, "refused: $set");
		is_deeply([ written() ], [], 'nothing was written');
	}
	sends("UPDATE crisp.messages SET content = 'y', content_json = NULL $where",
		'', [ { content => 'y' } ], 'the kind that it has not may be NULL');
	foreach my $column (qw(type "from" session_id fingerprint stealth "timestamp"))
	{
		refused_unasked(
			"UPDATE crisp.messages SET $column = NULL $where",
			{
				sqlstate => '0A000',
				message => qr/^column \Q"@{[ $column =~ tr{"}{}dr ]}"\E of foreign table "messages" cannot be changed/,
				hint => 'Columns that can be: content, content_json'
			},
			"column $column");
	}

	$sandbox->reset;
	my @texts = texts($id);
	$sandbox->clear;
	$session->query(
		"UPDATE crisp.messages m SET content = m.content || '!' FROM (VALUES ('$id')) c(id) WHERE m.session_id = c.id "
			. "AND type = 'text'"
	);
	is_deeply(
		[ sort map { $_->[1] } written() ],
		[ sort map { "$id/message/$_->{fingerprint}" } @texts ],
		'all texts of a conversation, each once');
	is_deeply(
		[ map { $_->{content} } texts($id) ],
		[ map { "$_->{content}!" } @texts ],
		'and Crisp has them all');
	$sandbox->reset;
};

subtest 'DELETE' => sub {
	my @fingerprints = split /\n/,
	  $session->query(
	  	"$insert VALUES ('$id', 'text', 'a'), ('$id', 'text', 'b'), ('$id', 'text', 'c') RETURNING fingerprint");
	my $count = () = messages($id);

	$sandbox->clear;
	is(
		$session->query(
			"DELETE FROM crisp.messages WHERE session_id = '$id' AND fingerprint = $fingerprints[1] "
				. "RETURNING content, type, \"from\""
		),
		'b|text|operator',
		'RETURNING tells what was removed');
	is_deeply([ written() ], [ [ 'DELETE', "$id/message/$fingerprints[1]", undef ] ], 'one request, without a body');
	is(scalar(my @left = messages($id)), $count - 1, 'it is gone');
	$session->query(
		"DELETE FROM crisp.messages WHERE session_id = '$id' AND content IN ('a', 'c')");
	is(scalar(@left = messages($id)), $count - 3, 'the others, too');

	# Gone before it is its turn: by somebody else, or by an attempt whose answer was lost.
	my $own = $session->query("$insert VALUES ('$id', 'text', 'd') RETURNING fingerprint");
	my $delete = "DELETE FROM crisp.messages WHERE session_id = '$id' AND fingerprint = $own";
	$sandbox->control({ answers => [ { match => { method => 'DELETE' }, status => 404, act => JSON::PP::false } ] });
	is($session->query("$delete RETURNING 1"), '', 'a message that is gone is not counted');
	$session->query(q(ALTER SERVER support OPTIONS (SET max_retries '3', ADD retry_delay '1ms')));
	$sandbox->control({ answers => [ { match => { method => 'DELETE', nth => 1 }, status => 503 } ] });
	my $result = $session->run("BEGIN;\n$delete RETURNING 1;\nROLLBACK");
	is($result->{output}, '1', 'one that the first attempt removed is');
	is(
		$result->{notices}->[0]->{message},
		'what was written to Crisp cannot be rolled back: 1 row',
		'and a rollback warns of it, too');
	$session->query(q(ALTER SERVER support OPTIONS (SET max_retries '0', DROP retry_delay)));
	$sandbox->reset;
};

subtest 'COPY, triggers, views, partitions' => sub {
	my $file = $node->basedir . '/rows';
	my $copy = "COPY crisp.messages (session_id, type, content) FROM '$file'";

	append_to_file($file, "$id\ttext\tone\n$other\ttext\ttwo\n");
	sends($copy, '', [ text('one'), text('two') ], 'COPY FROM');
	append_to_file($file, "$id\tsms\tthree\n");
	$sandbox->clear;
	$session->fails($copy, { sqlstate => '22023', context => qr/COPY messages/ },
		'COPY FROM, with a bad row');
	cmp_ok(scalar(written()), '<=', 2, 'which is not sent');

	$session->query(<<'END');
CREATE TABLE sent (what text, content text, fingerprint bigint, at timestamptz);
CREATE FUNCTION sign() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.content := NEW.content || ' -- Jane';
	RETURN NEW;
END $$;
CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO sent VALUES (TG_WHEN || ' ' || TG_OP, NEW.content, NEW.fingerprint, NEW."timestamp");
	RETURN NULL;
END $$;
CREATE TRIGGER sign BEFORE INSERT ON crisp.messages FOR EACH ROW EXECUTE FUNCTION sign();
CREATE TRIGGER note AFTER INSERT ON crisp.messages FOR EACH ROW EXECUTE FUNCTION note();
END
	sends(
		"$insert VALUES ('$id', 'text', 'x') RETURNING content",
		'x -- Jane', [ text('x -- Jane') ], 'a BEFORE trigger changes what is sent');
	is(
		$session->query(
			'SELECT what, content, fingerprint IS NOT NULL, at IS NOT NULL FROM sent'),
		'AFTER INSERT|x -- Jane|t|t',
		'an AFTER trigger sees the message as Crisp has it');
	$session->query(
		'DROP TRIGGER note ON crisp.messages; DROP TRIGGER sign ON crisp.messages; CREATE TRIGGER skip BEFORE INSERT '
			. 'ON crisp.messages FOR EACH ROW EXECUTE FUNCTION skip()'
	);
	sends("$insert VALUES ('$id', 'text', 'x')", '', [], 'a trigger that keeps the row back');
	$session->query('DROP FUNCTION sign(), skip(), note() CASCADE; DROP TABLE sent');

	$session->query(<<'END');
CREATE ROLE agent LOGIN;
CREATE VIEW notes AS SELECT session_id, type, content, fingerprint, origin FROM crisp.messages
	WHERE type = 'note' AND origin = 'chat' WITH CHECK OPTION;
GRANT INSERT, SELECT ON notes TO agent;
END
	my $agent = CrispSession->start($node, user => 'agent');
	$sandbox->clear;
	like(
		$agent->query(
			"INSERT INTO notes (session_id, type, content) VALUES ('$id', 'note', 'x') RETURNING fingerprint"
		),
		qr/^\d+$/,
		'a view, with the mapping of its owner');
	is_deeply([ map { $_->[2] } written() ], [ { %{ text('x') }, type => 'note' } ], 'sends a note');
	is($sandbox->count, 1, 'in one request');
	$sandbox->clear;
	$agent->fails("INSERT INTO notes (session_id, type, content) VALUES ('$id', 'text', 'x')",
		{ sqlstate => '44000' }, 'WITH CHECK OPTION');
	is($sandbox->count, 0, 'is checked before anything is sent');
	$agent->quit;
	$session->query('DROP VIEW notes; DROP OWNED BY agent; DROP ROLE agent');

	$session->query(<<"END");
CREATE TABLE said (website_id text, content text, type text DEFAULT 'text', session_id text, fingerprint bigint)
	PARTITION BY LIST (website_id);
CREATE FOREIGN TABLE said_here (fingerprint bigint, session_id text, extra text, type text, content text, website_id
	text)
	SERVER support OPTIONS (resource 'messages');
ALTER FOREIGN TABLE said_here DROP COLUMN extra;
ALTER TABLE said ATTACH PARTITION said_here FOR VALUES IN ('$website_id');
CREATE TABLE said_elsewhere PARTITION OF said DEFAULT;
END
	sends(
		"INSERT INTO said (website_id, content, session_id) VALUES ('$website_id', 'a', '$id'), ('x', 'b', 'y'), "
			. "('$website_id', 'c', '$other') RETURNING content, fingerprint IS NOT NULL",
		"a|t\nb|f\nc|t",
		[ text('a'), text('c') ],
		'rows that are routed to partitions');
	is(
		$session->query(
			"DELETE FROM said USING (VALUES ('$id'), ('y')) v(id) WHERE session_id = v.id AND content IN ('a', 'b') "
				. "RETURNING content, type, session_id = v.id"
		),
		"a|text|t\nb|text|t",
		'rows that are removed from partitions, by a join');
	is(
		$session->query(
			"UPDATE said SET content = 'd' WHERE session_id = '$other' AND content = 'c' "
				. "RETURNING content, fingerprint IS NOT NULL, website_id = '$website_id'"),
		'd|t|t',
		'and changed there');
	$session->query('DROP TABLE said');

	$session->query(<<'END');
CREATE TYPE kind AS ENUM ('text', 'note', 'letter');
CREATE FOREIGN TABLE typed (session_id varchar, type kind DEFAULT 'text', words text OPTIONS (json_path 'content'),
	tags jsonb OPTIONS (json_path 'mentions'), sent bigint OPTIONS (json_path 'timestamp'), automated text,
	loud text GENERATED ALWAYS AS (upper(words)) STORED, fingerprint text)
	SERVER support OPTIONS (resource 'messages');
END
	sends(
		"INSERT INTO typed (session_id, words, tags, sent, automated) VALUES "
			. "('$id', 'x', '[\"a\"]', 1768482000123, 'yes') RETURNING type, words, loud, sent, fingerprint ~ "
			. "'^[0-9]+\$'",
		'text|x|X|1768482000123|t',
		[ text('x', mentions => ['a'], timestamp => 1768482000123, automated => JSON::PP::true) ],
		'columns of other names and types');
	foreach my $case (
		[ "sent", "'-infinity'::timestamptz::text::bigint", '22P02' ],
		[ "automated", "'maybe'", '22023' ],
		[ "type", "'letter'", '22023' ])
	{
		my ($column, $value, $sqlstate) = @{$case};
		refused_unasked(
			"INSERT INTO typed (session_id, words, $column) VALUES ('$id', 'x', $value)",
			{ sqlstate => $sqlstate },
			"$column that cannot be sent");
	}
	$session->query('DROP FOREIGN TABLE typed; DROP TYPE kind');

	$session->query(<<'END');
CREATE FOREIGN TABLE holds (session_id text, type text, payload jsonb OPTIONS (json_path 'content'))
	SERVER support OPTIONS (resource 'messages');
END
	sends(
		"INSERT INTO holds VALUES ('$id', 'file', '{\"url\": \"x\"}') RETURNING payload",
		'{"url": "x"}', [ { %{ text({ url => 'x' }) }, type => 'file' } ],
		'an object, by its path');
	$session->query('DROP FOREIGN TABLE holds');
	$sandbox->reset;
};

subtest 'at most once' => sub {
	my $sql = "$insert VALUES ('$id', 'text', 'once')";
	my $may = qr/\nThe message may or may not have been sent\. It was not sent again\.$/;
	my $not = qr/\nThe message was not sent\./;
	my $look = qr/^Before sending it again, look for it: SELECT \* FROM crisp\.messages WHERE session_id = '$id'$/;

	# Even where retries are allowed.
	$session->query(
		q(ALTER SERVER support OPTIONS (SET max_retries '5', ADD retry_delay '1ms', ADD request_timeout '5s')));
	foreach my $case (
		[ 'reset after it was acted on', { reset => JSON::PP::true }, 'HV00M', 1 ],
		[ 'closed after it was acted on', { close => JSON::PP::true }, 'HV00M', 1 ],
		[ 'an answer that is cut', { cut_after => 10 }, 'HV00M', 1 ],
		[ 'no answer in time', { hang => JSON::PP::true }, 'HV00M', 1 ],
		[ 'status 500', { status => 500 }, 'HV00M', 1 ],
		[ 'status 408', { status => 408 }, 'HV00M', 1 ],
		[ 'status 408, not acted on', { status => 408, act => JSON::PP::false }, 'HV00M', 0 ],
		[ 'status 503, not acted on', { status => 503, act => JSON::PP::false }, 'HV00M', 0 ],
		[ 'status 502, and no JSON', { status => 502, body => '<html>' }, 'HV00M', 1 ],
		[ 'a success that is no JSON', { body => '<html>hello</html>' }, '08P01', 1 ],
		[ 'a success that is cut JSON', { body => '{"error":false,' }, '08P01', 1 ],
		[ 'a success that is an error', { body => '{"error":true,"reason":"odd","data":{}}' }, '38000|HV000', 1 ],
		[ 'reset before it was acted on', { reset => JSON::PP::true, act => JSON::PP::false }, 'HV00M', 0 ])
	{
		my ($name, $answer, $sqlstate, $arrived) = @{$case};

		$sandbox->reset;
		$sandbox->control({ answers => [ { match => { method => 'POST' }, %{$answer} } ] });
		$session->fails($sql,
			{ sqlstate => qr/^($sqlstate)$/, detail => qr/^POST .*$may/s, hint => $look }, $name);
		is(scalar(written()), 1, "$name: sent once");
		is(scalar(grep { $_->{content} eq 'once' } messages($id)),
			$arrived, "$name: and Crisp has it $arrived times");
	}

	foreach my $status (420, 422, 423, 429)
	{
		$sandbox->reset;
		$sandbox->control({
			answers => [
				{ match => { method => 'POST' }, times => 2, status => $status, act => JSON::PP::false }
			]
		});
		$session->query($sql);
		is(scalar(written()), 3, "$status: it is sent again, for it was refused");
		is(scalar(grep { $_->{content} eq 'once' } messages($id)), 1, "$status: Crisp has it once");
	}

	$sandbox->reset;
	$sandbox->control({ answers => [ { match => { method => 'POST' }, status => 429, act => JSON::PP::false } ] });
	$session->fails($sql, { sqlstate => '53400', detail => qr/Gave up after 6 attempts.*$not/s },
		'refused until the end');
	foreach my $status (400, 402, 403)
	{
		$sandbox->reset;
		$sandbox->control(
			{ answers => [ { match => { method => 'POST' }, status => $status, act => JSON::PP::false } ] });
		$session->fails($sql, { detail => qr/answered HTTP $status.*$not/s }, "refused with $status");
		is(scalar(written()), 1, 'once');
	}
	$sandbox->reset;
	$session->fails(
		"$insert VALUES ('session_none', 'text', 'x')",
		{
			sqlstate => '23503',
			message => 'there is no such conversation at Crisp, server "support"',
			detail =>
			  qr{^POST website/$website_id/conversation/session_none/message answered HTTP 404, reason "not_found": This conversation does not exist\.$not}
		},
		'a conversation that does not exist');

	# A kept connection that has died is no reason to send twice: libcurl would, if it were used.
	$sandbox->reset;
	$session->query("SELECT count(*) FROM crisp.conversations WHERE session_id = '$id'");
	$sandbox->control({ answers => [ { match => { method => 'POST' }, close => JSON::PP::true } ] });
	$session->fails($sql, { sqlstate => 'HV00M' }, 'after a connection was kept');
	is(scalar(written()), 1, 'sent once');

	# Nobody there: nothing can have been sent.
	$session->query(<<"END");
CREATE SERVER nowhere FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url 'http://127.0.0.1:1/v1', website_id
	'$website_id', updatable 'true', max_retries '2', retry_delay '1ms');
CREATE USER MAPPING FOR CURRENT_USER SERVER nowhere OPTIONS (identifier 'a', key 'b');
CREATE FOREIGN TABLE unheard (session_id text, type text, content text) SERVER nowhere OPTIONS (resource 'messages');
END
	$session->fails("INSERT INTO unheard VALUES ('$id', 'text', 'x')",
		{ sqlstate => 'HV00N', detail => qr/Gave up after 3 attempts.*$not/s },
		'nobody there');
	$session->query('DROP SERVER nowhere CASCADE');
	$session->query(q(ALTER SERVER support OPTIONS (SET max_retries '0', DROP retry_delay, DROP request_timeout)));
	$sandbox->reset;
};

subtest 'one of several fails' => sub {
	$sandbox->reset;
	$sandbox->control({ answers => [ { match => { method => 'POST', nth => 3 }, status => 500 } ] });
	my $error = $session->fails(
		"$insert SELECT '$id', 'text', 'number ' || i FROM generate_series(1, 5) i",
		{
			sqlstate => 'HV00M',
			detail => qr/The message may or may not have been sent\. It was not sent again\.$/,
			context =>
			  qr/^foreign table "messages": before that, 2 messages were sent, and cannot be rolled back: $id \d+, $id \d+$/m
		},
		'the error names those that were sent');
	my @named = $error->{context} =~ /$id (\d+)/g;
	is_deeply(
		[ map { $_->{content} } grep { my $f = $_->{fingerprint}; grep { $f == $_ } @named } reverse messages($id) ],
		[ 'number 1', 'number 2' ],
		'by their fingerprints');
	is(scalar(written()), 3, 'nothing is sent after it');

	$sandbox->reset;
	$session->fails(
		"$insert SELECT '$id', 'text', CASE WHEN i = 103 THEN NULL ELSE i::text END FROM generate_series(1, 300) i",
		{
			sqlstate => '23502',
			context => qr/before that, 100 messages were sent, and cannot be rolled back: \.\.\., (?:$id \d+, ){9}$id \d+$/m
		},
		'a row that is wrong, after a hundred');

	$sandbox->reset;
	$session->query('SET crisp_fdw.max_requests = 2');
	$session->fails(
		"$insert SELECT '$id', 'text', i::text FROM generate_series(1, 5) i",
		{
			sqlstate => 'CS002',
			message => 'statement needs more than 2 requests to Crisp, server "support"',
			detail => qr{^The next one would be POST .*, attempt 1\.\nThe message was not sent\.$},
			context => qr/before that, 2 messages were sent/
		},
		'the limit of requests');
	is($sandbox->count, 2, 'is kept');
	$session->query('RESET crisp_fdw.max_requests');
	$sandbox->reset;
};

subtest 'cancelled while a message is under way' => sub {
	$sandbox->reset;
	$sandbox->control({ answers => [ { match => { method => 'POST', nth => 2 }, hang => JSON::PP::true } ] });
	$session->send("$insert VALUES ('$id', 'text', 'first'), ('$id', 'text', 'second'), ('$id', 'text', 'third')");
	my @hanging;
	do { @hanging = written() } until @hanging == 2;
	$node->safe_psql('postgres', "SELECT pg_cancel_backend(@{[ $session->pid ]})");
	my $error = $session->wait->{errors}->[0];
	is($error->{sqlstate}, '57014', 'the SQLSTATE is that of a cancel');
	is($error->{message}, 'canceling statement due to user request', 'and the message, too');
	like(
		$error->{context},
		qr{^POST website/$website_id/conversation/$id/message was under way: the message may or may not have been sent\nforeign table "messages": before that, 1 message was sent},
		'the context says what may have been sent');
	is(scalar(written()), 2, 'nothing is sent after it');
	$sandbox->reset;
	sends("$insert VALUES ('$id', 'text', 'x')", '', [ text('x') ], 'the session goes on');
	$sandbox->reset;
};

subtest 'transactions' => sub {
	my $warning = 'what was written to Crisp cannot be rolled back:';
	my $result = $session->run(<<"END");
BEGIN;
$insert VALUES ('$id', 'text', 'kept');
SAVEPOINT s;
$insert VALUES ('$id', 'text', 'kept, too');
SAVEPOINT t;
$insert VALUES ('$id', 'text', 'and this');
RELEASE t;
ROLLBACK TO s;
ROLLBACK;
END
	is_deeply(
		[ map { $_->[2]->{content} } written() ],
		[ 'kept', 'kept, too', 'and this' ],
		'what was sent stays sent, and nothing is sent at the end');
	is_deeply(
		[ map { "$_->{severity} $_->{message}" } @{ $result->{notices} } ],
		[ "WARNING $warning 2 rows", "WARNING $warning 1 row" ],
		'warnings say so');
	$result = $session->run("BEGIN;\n$insert VALUES ('$id', 'text', 'x');\nSELECT 1/0;\nROLLBACK");
	is_deeply([ map { $_->{message} } @{ $result->{notices} } ],
		["$warning 1 row"], 'also when it is an error that ends the transaction');
	$result = $session->run("BEGIN;\nSAVEPOINT s;\n$insert VALUES ('$id', 'text', 'x');\nCOMMIT;\nBEGIN;\nROLLBACK");
	is_deeply($result->{notices}, [], 'and none where nothing is rolled back');
	$sandbox->reset;

	my $plan = $session->query("EXPLAIN (COSTS OFF) $insert VALUES ('$id', 'text', 'x')");
	like($plan, qr{Crisp Request: POST website/$website_id/conversation/\{session_id\}/message\n},
		'EXPLAIN shows the route');
	is($sandbox->count, 0, 'and sends nothing');
	$plan = $session->query(
		"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) $insert VALUES ('$id', 'text', 'x'), "
			. "('$id', 'text', 'y')");
	like($plan, qr{message\n\s+Requests: 2\n}, 'ANALYZE sends, and counts');
	is(scalar(written()), 2, 'two messages');
	$sandbox->reset;
};

subtest 'two phases' => sub {
	my $fingerprint = $session->query("$insert VALUES ('$id', 'text', 'a') RETURNING fingerprint");
	my $message = "session_id = '$id' AND fingerprint = $fingerprint";
	my $write = "$insert VALUES ('$other', 'text', 'b')";

	$session->query("CREATE TABLE kept (x int)");
	foreach my $writes (
		$write,
		"UPDATE crisp.messages SET content = 'c' WHERE $message",
		"SAVEPOINT s; $write; RELEASE s",
		"SAVEPOINT s; $write; ROLLBACK TO s; $write",
		"DO \$\$ BEGIN BEGIN $write; EXCEPTION WHEN division_by_zero THEN NULL; END; END \$\$",
		"DELETE FROM crisp.messages WHERE $message")
	{
		my $result = $session->run("BEGIN;\nINSERT INTO kept VALUES (1);\n$writes;\nPREPARE TRANSACTION 'one';");

		is($result->{errors}->[0]->{sqlstate}, '0A000', "$writes: cannot be prepared");
		is($result->{errors}->[0]->{message},
			'cannot PREPARE a transaction that has written to crisp_fdw foreign tables', '... as the error says');
		like($result->{notices}->[-1]->{message}, qr/^what was written to Crisp cannot be rolled back: 1 row$/,
			'... and what Crisp keeps');
		$session->query('ROLLBACK');
	}
	is($session->query('SELECT count(*) FROM kept'), 0, 'nothing of it is kept here');
	is($session->query('SELECT count(*) FROM pg_prepared_xacts'), 0, 'and nothing prepared');

	# What only reads, or has not reached Crisp, may be prepared.
	foreach my $reads (
		'SELECT count(*) > 0 FROM crisp.conversations',
		"DELETE FROM crisp.messages WHERE session_id = '$id' AND fingerprint = 1",
		"UPDATE crisp.messages SET content = 'c' WHERE session_id = '$id' AND content = 'no such' AND fingerprint = 2")
	{
		$session->query("BEGIN; INSERT INTO kept VALUES (2); $reads; PREPARE TRANSACTION 'two'");
		is($session->query("SELECT count(*) FROM pg_prepared_xacts"), 1, "$reads: can be prepared");
		$session->query("COMMIT PREPARED 'two'");
	}
	is($session->query('SELECT sum(x) FROM kept'), 6, 'and committed');
	$session->query('DROP TABLE kept');
	$sandbox->reset;
};

subtest 'another encoding' => sub {
	$node->safe_psql('postgres',
		"CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
	$node->safe_psql('latin', <<"END");
CREATE EXTENSION crisp_fdw;
CREATE SERVER support FOREIGN DATA WRAPPER crisp_fdw
	OPTIONS (base_url '@{[ $sandbox->url ]}', website_id '$website_id', updatable 'true');
CREATE USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (@{[ credential_options($sandbox, 'website') ]});
CREATE FOREIGN TABLE messages (session_id text, type text, content text, user_nickname text) SERVER support;
END
	my $latin = CrispSession->start($node, dbname => 'latin');

	$sandbox->clear;
	is(
		$latin->query(
			"INSERT INTO messages VALUES ('$id', 'text', 'Gr' || chr(252) || chr(223) || 'e', chr(201)) "
				. "RETURNING ascii(user_nickname), content = 'Gr' || chr(252) || chr(223) || 'e'"
		),
		'201|t',
		'RETURNING is in the encoding of the database');
	is_deeply(
		[ map { $_->[2] } written() ],
		[ text("Gr\x{fc}\x{df}e", user => { nickname => "\x{c9}" }) ],
		'what is sent is UTF-8');
	$latin->quit;
	$sandbox->reset;
};

subtest 'many rows take no more memory than few' => sub {
	my $many = sub {
		my ($count) = @_;

		$session->query(
			"$insert SELECT '$id', 'text', repeat('x', 1000) FROM generate_series(1, $count) i");
		return $session->memory;
	};
	my $few = $many->(300);

	my $more = $many->(3000) - $few;

	note "$more bytes more";
	cmp_ok($more, '<', 3 * 512 * 1024, 'less than 1.5 MB for 3 MB of text');
	$sandbox->reset;
};

done_testing();
