# All forms of statements that write people and conversations: COPY, triggers, generated columns, partitions, views,
# policies, other types, another encoding; and what is told of statements that end early.

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
  CrispSandbox->start(conversations => 30, people => 60, visitors => 2, operators => 4);
my $node = start_node();
my $website_id = $sandbox->website_id;

connect_crisp($node, $sandbox,
	options => "per_page '50', max_retries '0', retry_delay '1ms', updatable 'true'");

my $session = CrispSession->start($node);
watch_writes($session, $sandbox);
my ($ann, $bob) = grep { ($_->{email} // '') =~ /@/ } $sandbox->rows('people');
my $where = "WHERE people_id = '$ann->{people_id}'";
my $profile = "people/profile/$ann->{people_id}";
my $data = "people/data/$ann->{people_id}";

# One test: what a statement prints, and what it writes.
sub writes
{
	my ($sql, $printed, $written, $name) = @_;

	$sandbox->clear;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($session->query($sql), $printed, "$name: the result");
	is_deeply([ written_lines() ], $written, "$name: the requests");
	return;
}

# The request that makes a profile.
sub post
{
	my ($email, $nickname) = @_;

	return qq(POST people/profile {"email":"$email","person":{"nickname":"$nickname"}});
}

subtest 'COPY' => sub {
	$session->query("CREATE FOREIGN TABLE short (email text, name text OPTIONS (json_path 'person.nickname')) "
			. "SERVER support OPTIONS (resource 'people_profiles')");
	writes("COPY short FROM STDIN\n;\na\@example.com\tA\nb\@example.com\tB\n\\.\nSELECT 1",
		'1', [ post('a@example.com', 'A'), post('b@example.com', 'B') ], 'rows');
	my $error = $session->run("COPY short FROM "
		. "STDIN\n;\nc\@example.com\tC\na\@example.com\tA\nd\@example.com\tD\n\\.\nSELECT 1")
	  ->{errors}->[0];
	is($error->{sqlstate}, '23505', 'an address that is known');
	like($error->{context}, qr/before that, 1 profile was sent/, 'tells what was sent before');
	$session->query('DROP FOREIGN TABLE short');
	$sandbox->reset;
};

subtest 'triggers and generated columns' => sub {
	$session->query(<<'END');
CREATE TABLE heard (what text, id text, name text);
CREATE FUNCTION tidy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.email := lower(NEW.email);
	NEW.company_name := 'ACME';
	RETURN NEW;
END $$;
CREATE FUNCTION hear() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO heard VALUES (TG_OP, coalesce(NEW.people_id, OLD.people_id), coalesce(NEW.person_nickname,
	OLD.person_nickname));
	RETURN NULL;
END $$;
CREATE TRIGGER tidy BEFORE INSERT OR UPDATE ON crisp.people_profiles FOR EACH ROW EXECUTE FUNCTION tidy();
CREATE TRIGGER hear AFTER INSERT OR UPDATE OR DELETE ON crisp.people_profiles FOR EACH ROW EXECUTE FUNCTION hear();
END
	writes("INSERT INTO crisp.people_profiles (email, person_nickname) VALUES ('New\@Example.com', 'N') RETURNING "
		. "email, company_name",
		'new@example.com|ACME',
		[qq(POST people/profile {"company":{"name":"ACME"},"email":"new\@example.com","person":{"nickname":"N"}})],
		'a BEFORE trigger changes what is sent');
	my $company = JSON::PP->new->canonical->encode({ company => { name => 'ACME' }, person => { nickname => 'A' } });
	writes("UPDATE crisp.people_profiles SET person_nickname = 'A' $where",
		'', [qq(PATCH $profile $company)], 'and what an UPDATE sends');
	$session->query("DELETE FROM crisp.people_profiles $where");
	is($session->query("SELECT what, name, id = '$ann->{people_id}' FROM heard ORDER BY what"),
		"DELETE|A|t\nINSERT|N|f\nUPDATE|A|t", 'AFTER triggers see rows as Crisp has them');
	is($session->query("SELECT count(*) FROM heard WHERE what = 'INSERT' AND id IS NOT NULL"), 1, 'with their ids');
	$session->query('DROP FUNCTION tidy() CASCADE; DROP FUNCTION hear() CASCADE; DROP TABLE heard');
	$sandbox->reset;

	$session->query(<<'END');
CREATE FOREIGN TABLE generated (people_id text, first text OPTIONS (json_path 'person.nickname'),
	notepad text GENERATED ALWAYS AS (upper(first)) STORED) SERVER support OPTIONS (resource 'people_profiles');
CREATE FOREIGN TABLE generated_data (people_id text, data_plan text,
	data_rank int GENERATED ALWAYS AS (length(data_plan)) STORED)
	SERVER support OPTIONS (resource 'people_data');
END
	writes("UPDATE generated SET first = 'ann' $where RETURNING notepad",
		'ANN', [qq(PATCH $profile {"notepad":"ANN","person":{"nickname":"ann"}})], 'a generated column');
	writes("UPDATE generated_data SET data_plan = 'pro' $where",
		'', [qq(PATCH $data {"data":{"plan":"pro","rank":3}})], 'a generated column of a key');
	$session->query('DROP FOREIGN TABLE generated, generated_data');
	$sandbox->reset;
};

subtest 'partitions, policies and views' => sub {
	$session->query(<<"END");
CREATE TABLE people (site text, id text, address text, name text, tags text[]) PARTITION BY LIST (site);
CREATE FOREIGN TABLE people_here (tags text[] OPTIONS (json_path 'segments'), gone int, address text OPTIONS (json_path
	'email'), site text OPTIONS (json_path 'website_id'), name text OPTIONS (json_path 'person.nickname'),
	id text OPTIONS
	(json_path 'people_id')) SERVER support OPTIONS (resource 'people_profiles');
ALTER FOREIGN TABLE people_here DROP COLUMN gone;
ALTER TABLE people ATTACH PARTITION people_here FOR VALUES IN ('$website_id');
CREATE TABLE people_elsewhere PARTITION OF people DEFAULT;
CREATE VIEW vips AS SELECT people_id, segments, notepad FROM crisp.people_profiles
	WHERE segments \@> '{vip}' WITH CHECK OPTION;
END
	writes("INSERT INTO people (site, address, name) VALUES ('$website_id', 'p\@example.com', 'P'), ('x', "
		. "'q\@example.com', 'Q') "
			. "RETURNING name, id IS NOT NULL",
		"P|t\nQ|f", [ post('p@example.com', 'P') ], 'rows that are routed');
	writes("INSERT INTO people (site, address, name) VALUES ('$website_id', 'p\@example.com', 'P'), ('$website_id', "
			. "'r\@example.com', 'R') ON CONFLICT DO NOTHING RETURNING name",
		'R', [ post('p@example.com', 'P'), post('r@example.com', 'R') ],
			'rows that are routed, of which one is known');
	writes("UPDATE people SET tags = '{a,b}' WHERE id = '$ann->{people_id}' RETURNING name IS NOT DISTINCT FROM "
		. "NULL, tags",
		(defined(($ann->{person} // {})->{nickname}) ? 'f' : 't') . '|{a,b}',
			[qq(PATCH $profile {"segments":["a","b"]})], 'a row that is changed');
	writes("DELETE FROM people WHERE address = 'r\@example.com' RETURNING name",
		'R',
		[
			map { "DELETE people/profile/$_->{people_id}" }
			grep { ($_->{email} // '') eq 'r@example.com' } $sandbox->rows('people')
		],
		'and removed');
	$session->query("UPDATE crisp.people_profiles SET segments = '{vip}' $where");
	refused("UPDATE vips SET segments = '{}' $where", { sqlstate => '44000' }, 'WITH CHECK OPTION');
	writes("UPDATE vips SET notepad = 'x' $where", '', [qq(PATCH $profile {"notepad":"x"})], 'a view');
	$session->query('DROP VIEW vips; DROP TABLE people');

	$session->query(<<"END");
CREATE ROLE agent LOGIN;
CREATE TABLE shown (website_id text, people_id text, email text, person_nickname text) PARTITION BY LIST (website_id);
CREATE FOREIGN TABLE shown_here PARTITION OF shown FOR VALUES IN ('$website_id') SERVER support
	OPTIONS (resource 'people_profiles');
ALTER TABLE shown ENABLE ROW LEVEL SECURITY;
CREATE POLICY short ON shown TO agent USING (true) WITH CHECK (length(person_nickname) < 5);
GRANT ALL ON shown TO agent;
GRANT USAGE ON FOREIGN SERVER support TO agent;
CREATE USER MAPPING FOR agent SERVER support OPTIONS (@{[ credential_options($sandbox, 'website') ]});
END
	my $agent = CrispSession->start($node, user => 'agent');
	$sandbox->clear;
	$agent->fails("INSERT INTO shown VALUES ('$website_id', NULL, 'z\@example.com', 'too long')",
		{ sqlstate => '42501' }, 'a policy');
	is(scalar(written()), 0, 'is checked before anything is sent');
	$agent->query("INSERT INTO shown VALUES ('$website_id', NULL, 'z\@example.com', 'good')");
	is_deeply([ written_lines() ], [ post('z@example.com', 'good') ], 'and allows the rest');
	$agent->quit;
	$session->query('DROP TABLE shown; DROP USER MAPPING FOR agent SERVER support; DROP OWNED BY agent; DROP ROLE '
		. 'agent');
	$sandbox->reset;
};

subtest 'columns of other types' => sub {
	$session->query(<<'END');
CREATE TYPE gender AS ENUM ('', 'female', 'male', 'unknown');
CREATE DOMAIN address AS text CHECK (VALUE LIKE '%@%');
CREATE FOREIGN TABLE typed (people_id uuid, mail address OPTIONS (json_path 'email'), gender gender
	OPTIONS (json_path 'person.gender'),
	zone text OPTIONS (json_path 'person.timezone'), tags jsonb OPTIONS (json_path 'segments'), locales varchar(5)[]
	OPTIONS (json_path 'person.locales'), profiles text OPTIONS (json_path 'person.profiles'), employees int OPTIONS
	(json_path 'company.metrics.employees')) SERVER support OPTIONS (resource 'people_profiles');
CREATE FOREIGN TABLE typed_data (people_id uuid, plan varchar(30) OPTIONS (json_path 'data.plan'),
	seats numeric(6,2) OPTIONS (json_path
	'data.seats'), data_on text, doc json OPTIONS (json_path 'data.doc')) SERVER support
	OPTIONS (resource 'people_data');
CREATE FOREIGN TABLE text_data (people_id uuid, data text) SERVER support OPTIONS (resource 'people_data');
END
	writes("UPDATE typed SET gender = 'female', zone = '-60', tags = '[\"x\"]', locales = '{de}', profiles = "
		. "'[{\"type\": \"x\"}]', "
			. "employees = 3 $where",
		'',
		[qq(PATCH $profile {"company":{"metrics":{"employees":3}},"person":{"gender":"female","locales":["de"],)
			. '"profiles":[{"type":"x"}],"timezone":-60},"segments":["x"]}'],
		'profiles');
	$sandbox->call('PUT', $data, { data => {} });
	refused("UPDATE typed SET zone = 'CET' $where", { sqlstate => '22023', context => qr/^column "zone"$/m }, 'no number');
	refused("UPDATE typed SET profiles = 'x' $where", { sqlstate => '22P02' }, 'no JSON');
	writes("UPDATE typed_data SET plan = 'pro', seats = 2.5, data_on = 'yes', doc = '\"d\"' $where",
		'', [qq(PATCH $data {"data":{"doc":"d","on":"yes","plan":"pro","seats":2.5}}) =~ s/2\.5/2.5/r], 'data');
	is($sandbox->call('GET', $data)->{data}->{seats}, 2.5, 'a number is one');
	refused("UPDATE typed_data SET seats = 'NaN' $where", { sqlstate => '22023', context => qr/^column "seats"$/m }, 'NaN');
	$sandbox->call('PUT', $data, { data => { a => 1 } });
	writes("UPDATE text_data SET data = '{\"a\": 1, \"b\": 2}' $where", '', [qq(PATCH $data {"data":{"b":2}})],
		'an object in a text');
	refused("UPDATE text_data SET data = 'x' $where", { sqlstate => '22P02' }, 'a text that is no JSON');
	$session->query('DROP FOREIGN TABLE typed, typed_data, text_data; DROP TYPE gender; DROP DOMAIN address');
	$sandbox->reset;
};

subtest 'another encoding' => sub {
	$node->safe_psql('postgres',
		"CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
	$node->safe_psql('latin', <<"END");
CREATE EXTENSION crisp_fdw;
CREATE SERVER support FOREIGN DATA WRAPPER crisp_fdw
	OPTIONS (base_url '@{[ $sandbox->url ]}', website_id '$website_id', updatable 'true', invalid_text 'replace');
CREATE USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (@{[ credential_options($sandbox, 'website') ]});
CREATE FOREIGN TABLE people_profiles (people_id text, email text, person_nickname text, segments text[]) SERVER support;
CREATE FOREIGN TABLE people_data (people_id text, data jsonb) SERVER support;
END
	$node->safe_psql('latin', "DO \$\$ BEGIN EXECUTE 'CREATE FOREIGN TABLE keys (people_id text, data_gr' || "
		. "chr(252) || 'n text) "
			. "SERVER support OPTIONS (resource ''people_data'')'; END \$\$");
	my $latin = CrispSession->start($node, dbname => 'latin');

	$sandbox->call('PUT', $data, { data => { "gr\x{fc}n" => 'ja' } });
	$sandbox->clear;
	is($latin->query("INSERT INTO people_profiles (email, person_nickname, segments) VALUES ('l\@example.com', "
		. "chr(201), ARRAY[chr(223)]) "
				. 'RETURNING ascii(person_nickname), ascii(segments[1])'), '201|223',
					'RETURNING is in the encoding of the database');
	is_deeply([ map { $_->[2] } written() ],
		[ { email => 'l@example.com', person => { nickname => "\x{c9}" }, segments => ["\x{df}"] } ],
			'what is sent is UTF-8');
	$sandbox->clear;
	$latin->query("UPDATE people_data SET data = data || jsonb_build_object('gr' || chr(252) || 'n', chr(228), "
		. "chr(246), 1) $where");
	is_deeply([ map { $_->[2] } written() ], [ { data => { "gr\x{fc}n" => "\x{e4}", "\x{f6}" => 1 } } ],
		'keys and values of data');
	$sandbox->clear;
	$latin->query("SELECT format('UPDATE keys SET %I = ''x'' WHERE people_id = %L', 'data_gr' || chr(252) || 'n', "
		. "'$ann->{people_id}') \\gexec");
	is_deeply([ map { $_->[2] } written() ], [ { data => { "gr\x{fc}n" => 'x' } } ],
		'a key by the name of its column');
	my $error = $latin->run("UPDATE people_data SET data = jsonb_build_object('gr' || chr(252) || 'n', NULL) "
		. "$where")->{errors}->[0];
	is($error->{sqlstate}, '22023', 'a bad value is refused, by its key');
	$latin->quit;
	$sandbox->reset;
};

subtest 'statements that end early' => sub {
	my $insert = 'INSERT INTO crisp.people_profiles (email, person_nickname)';

	$sandbox->control({ answers => [ { match => { method => 'POST', nth => 2 }, hang => JSON::PP::true } ] });
	$sandbox->clear;
	$session->send("$insert VALUES ('a\@example.com', 'a'), ('b\@example.com', 'b'), ('c\@example.com', 'c')");
	my @hanging;
	do { @hanging = written() } until @hanging == 2;
	$node->safe_psql('postgres', "SELECT pg_cancel_backend(@{[ $session->pid ]})");
	my $error = $session->wait->{errors}->[0];
	is($error->{sqlstate}, '57014', 'a cancel');
	like($error->{context},
		qr{^POST website/$website_id/people/profile was under way: the profile may or may not have been sent\nforeign table "people_profiles": before that, 1 profile was sent},
		'the context says what may have been sent');
	$sandbox->reset;

	$sandbox->clear;
	$sandbox->control({ answers => [ { match => { method => 'PATCH', path => '*/inbox' },
		hang => JSON::PP::true } ] });
	$session->send("INSERT INTO crisp.conversations (state, inbox_id) SELECT 'pending', inbox_id FROM "
		. "crisp.inboxes LIMIT 1");
	do { @hanging = written() } until @hanging == 3;
	$node->safe_psql('postgres', "SELECT pg_cancel_backend(@{[ $session->pid ]})");
	like($session->wait->{errors}->[0]->{context},
		qr{^PATCH \S+/inbox was under way: the conversation may or may not have been changed\nof the same row, POST \S+/conversation \(session_\S+\), PATCH \S+/state were carried out before$}m,
		'a cancel between the parts of a new conversation');
	$sandbox->reset;

	my $result = $session->run("BEGIN;\n$insert VALUES ('x\@example.com', 'x');\nUPDATE crisp.people_data SET "
		. "data = data || '{\"zz\": 1}' $where;\nROLLBACK");
	is_deeply([ map { $_->{message} } @{ $result->{notices} } ],
		['what was written to Crisp cannot be rolled back: 2 rows'], 'a rollback');
	$session->fails("BEGIN;\nUPDATE crisp.people_profiles SET notepad = 'x' $where;\nPREPARE TRANSACTION 'p'",
		{ sqlstate => '0A000' }, 'PREPARE TRANSACTION');
	$session->run('ROLLBACK');
	refused_unasked("BEGIN READ ONLY;\n$insert VALUES ('y\@example.com', 'y');\nROLLBACK",
		{ sqlstate => '25006' }, 'a read-only transaction');
	$session->run('ROLLBACK');
	$session->query('SET crisp_fdw.max_requests = 2');
	$session->fails("$insert VALUES ('1\@example.com', 'x'), ('2\@example.com', 'x'), ('3\@example.com', 'x')",
		{ sqlstate => qr/./, detail => qr/\nThe profile was not sent\.$/, context => qr/before that, 2 profiles were sent/ }, 'crisp_fdw.max_requests');
	$session->query('RESET crisp_fdw.max_requests');
	$sandbox->reset;
};

subtest 'EXPLAIN' => sub {
	foreach my $case (
		[ "INSERT INTO crisp.people_profiles (email, person_nickname) VALUES ('a', 'b')",
			'POST website/ID/people/profile' ],
		[ "UPDATE crisp.people_profiles SET notepad = 'x' $where", 'PATCH website/ID/people/profile/{people_id}' ],
		[ "DELETE FROM crisp.people_profiles $where", 'DELETE website/ID/people/profile/{people_id}' ],
		[ "UPDATE crisp.people_data SET data = '{}' $where", 'PATCH website/ID/people/data/{people_id}' ],
		[ "INSERT INTO crisp.people_events (people_id, text) VALUES ('a', 'b')",
			'POST website/ID/people/events/{people_id}' ],
		[ 'INSERT INTO crisp.conversations DEFAULT VALUES', 'POST website/ID/conversation' ])
	{
		my ($sql, $request) = @{$case};

		$request =~ s/ID/$website_id/;
		$sandbox->clear;
		like($session->query("EXPLAIN $sql"), qr/Crisp Request: \Q$request\E$/m, $sql);
		is($sandbox->count, 0, 'and nothing is asked for');
	}
};

$session->quit;
done_testing;
