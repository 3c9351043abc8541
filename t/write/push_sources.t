# Sources of crisp_push() of all kinds, types and encodings, and large ones.

use strict;
use warnings;
use utf8;

use CrispCluster;
use CrispPush;
use CrispSandbox;
use CrispSession;
use Encode;
use JSON::PP;
use Test::More;

my $sandbox = CrispSandbox->start(conversations => 30, people => 40, visitors => 1, operators => 3);
my $node = start_node('shared_buffers = 8MB');

connect_crisp($node, $sandbox, options => "max_retries '0', updatable 'true', prefetch '8'");
my $session = CrispSession->start($node);
push_with($session, $sandbox);

my @listed = sort { $a->{email} cmp $b->{email} } grep { length($_->{email} // '') } $sandbox->rows('people');

sub query { return $session->query(@_) }

sub profile
{
	my ($email) = @_;

	return (grep { ($_->{email} // '') eq $email } $sandbox->rows('people'))[0] // {};
}

# Push into people_profiles by the e-mail address, and return the requests.
sub pushed
{
	my ($source) = @_;

	return push_rows("'$source', 'crisp.people_profiles', key => 'email'")->{requests};
}

#
# Kinds of relations
#

query(<<"END");
CREATE SCHEMA "The Shop";
CREATE TABLE "The Shop"."Cust'omers" (email varchar(40), "person_nickname" varchar(20), "we ""ird" int)
	PARTITION BY LIST (email);
CREATE TABLE "The Shop".p PARTITION OF "The Shop"."Cust'omers" DEFAULT;
INSERT INTO "The Shop"."Cust'omers" VALUES ('part\@example.com', 'Part''ed "x"', 1);
CREATE MATERIALIZED VIEW kept AS SELECT 'mat\@example.com'::text AS email, 'Mat' AS person_nickname;
CREATE VIEW seen AS SELECT lower('VIEW\@example.com') AS email, 'View'::name AS person_nickname;
CREATE TABLE parent (email text, person_nickname text);
CREATE TABLE child () INHERITS (parent);
INSERT INTO child VALUES ('child\@example.com', 'Child');
CREATE SEQUENCE numbers;
END
is(scalar @{ pushed(q("The Shop"."Cust''omers")) }, 2, 'a partitioned table with odd names');
is(profile('part@example.com')->{person}->{nickname}, q(Part'ed "x"), 'its values');
is(scalar @{ pushed(q("The Shop"."Cust''omers")) }, 0, 'once');
pushed($_) foreach qw(kept seen parent);
is(join(' ', map { profile("$_\@example.com")->{person}->{nickname} // '-' } qw(mat view child)), 'Mat View Child',
	'a materialized view, a view, a table with children');
push_unasked(q('numbers', 'crisp.people_profiles', key => 'email'), { sqlstate => '42809' }, 'a sequence is none');
is(push_status('source::text', '"The Shop"."Cust\'\'omers"'), q("The Shop"."Cust'omers"), 'the status has its name');

#
# Types
#

query(encode('UTF-8', <<'END'));
CREATE DOMAIN address AS text CHECK (VALUE LIKE '%@%');
CREATE TABLE typed (email address, person_nickname char(10), person_timezone smallint, company_metrics_arr numeric(12,
	2),
	company_metrics_employees int, person_profiles json, segments varchar(5)[], person_locales text[],
	person_geolocation_coordinates_latitude real, notepad text);
INSERT INTO typed VALUES ('typed@example.com', 'Ty', -60, 12345678.90, 7, '[{"type": "x", "handle": "h"}]', '{a,"b c"}',
	'{}', 1.5,
	E'line\n"quoted" \\ ☕');
END
is(scalar @{ pushed('typed') }, 2, 'types that an INSERT could convert');
my $typed = profile('typed@example.com');
is_deeply(
	[
		$typed->{person}->{nickname}, $typed->{person}->{timezone} + 0, $typed->{company}->{metrics}->{arr} + 0,
		$typed->{company}->{metrics}->{employees} + 0, $typed->{person}->{profiles}->[0]->{handle},
		$typed->{segments}, $typed->{person}->{locales}, $typed->{person}->{geolocation}->{coordinates}->{latitude} + 0,
		$typed->{notepad}
	],
	[ 'Ty', -60, 12345678.9, 7, 'h', [ 'a', 'b c' ], [], 1.5, "line\n\"quoted\" \\ ☕" ],
	'their values');
is_deeply(pushed('typed'), [], 'they are the same the next time');
query(q(SET extra_float_digits = 0; SET DateStyle = 'SQL, DMY';
	SET bytea_output = escape; SET IntervalStyle = sql_standard));
is_deeply(pushed('typed'), [], 'whatever the settings');
query(q(UPDATE typed SET person_profiles = '[ {"handle":"h","type":"x"} ]'));
is_deeply(pushed('typed'), [], 'JSON that says the same is the same');
query(q(UPDATE typed SET segments = '{a,NULL}'));
is_deeply(pushed('typed'), [], 'what cannot be sent');
is_deeply([ push_problems('typed', 'crisp.people_profiles') ], ['typed@example.com|refused|22023'], 'is refused');
query(q(UPDATE typed SET segments = '{a}'));
is_deeply(pushed('typed'), ['PATCH people/profile/typed@example.com {"segments":["a"]}'], 'until it can');
query(q(UPDATE typed SET segments = '{a,b}'));
$sandbox->control({ answers => [ { match => { method => 'PATCH' }, status => 503, act => JSON::PP::false } ] });
push_fails(q('typed', 'crisp.people_profiles', key => 'email'), { sqlstate => 'HV00M' }, 'a run that fails');
$sandbox->control({ answers => [] });
query(q(UPDATE typed SET segments = '{a,b}'));
is(scalar @{ pushed('typed') }, 1, 'and the next');

# By id, the address among the rest.
query("CREATE TABLE moved AS SELECT '$listed[3]->{people_id}'::uuid AS people_id, 'moved\@example.com' AS email");
is_deeply(push_rows(q('moved', 'crisp.people_profiles'))->{requests},
	["PATCH people/profile/$listed[3]->{people_id} {\"email\":\"moved\@example.com\"}"],
		'a profile gets another address');

# Subscriptions, by id.
query("CREATE TABLE consent AS SELECT '$listed[4]->{people_id}' AS people_id, true AS email");
is_deeply(push_rows(q('consent', 'crisp.people_subscriptions'))->{requests},
	["PATCH people/subscription/$listed[4]->{people_id} {\"email\":true}"], 'a subscription');
query('UPDATE consent SET email = false');
is_deeply(push_rows(q('consent', 'crisp.people_subscriptions'))->{requests},
	["PATCH people/subscription/$listed[4]->{people_id} {\"email\":false}"], 'that changes');

# By the address of the profile, which has another name there.
query("CREATE TABLE consent_of AS SELECT '$listed[7]->{email}' AS profile_email, false AS email");
is_deeply(push_rows(q('consent_of', 'crisp.people_subscriptions', key => 'profile_email'))->{requests},
	["GET people/profile/$listed[7]->{email}", "PATCH people/subscription/$listed[7]->{people_id} {\"email\":false}"],
	'a subscription by the address');

# Conversations, of which columns go by several routes.
my ($first, $second) = sort map { $_->{session_id} } $sandbox->rows('conversations');
query("CREATE TABLE tickets AS SELECT s AS session_id, 'resolved' AS state, 'Subject' AS meta_subject,
	'{a,b}'::text[] AS meta_segments,
	true AS is_verified, '{\"order\": 7}'::jsonb AS meta_data FROM unnest('{$first,$second}'::text[]) s");
my $tickets = q('tickets', 'crisp.conversations', key => 'session_id');
my @changes = grep { /^P/ } @{ push_rows($tickets)->{requests} };
is_deeply([ map { s/ \{.*//r } grep { /$first/ } @changes ],
	[ map { "PATCH conversation/$first/$_" } qw(state meta verify) ], 'a conversation, route by route');
like((grep { m{$first/meta} } @changes)[0], qr/"order":7.*"segments":\["a","b"\],"subject":"Subject"/,
	'what goes together');
is_deeply(push_rows($tickets)->{requests}, [], 'all of it is known');
query("UPDATE tickets SET meta_subject = 'Other', is_verified = false WHERE session_id = '$first'");
$sandbox->control({ answers => [ { match => { path => '*/verify' }, status => 400, act => JSON::PP::false } ] });
push_rows($tickets);
is_deeply([ push_problems('tickets', 'crisp.conversations') ], ["$first|refused|HV000"], 'one part is refused');
like(query(q(SELECT error FROM crisp_push_problems('tickets', 'crisp.conversations'))),
	qr{\nOf the same row, PATCH website/[^/]+/conversation/$first/meta was carried out before\.},
		'and which was not is told');
$sandbox->control({ answers => [] });
query("UPDATE tickets SET is_verified = true WHERE session_id = '$first'");
is_deeply(push_rows($tickets)->{requests}, [],
	'when it goes back, nothing is sent: what was refused has changed nothing');
is(query("SELECT meta_subject, is_verified FROM crisp.conversations WHERE session_id = '$first'"), 'Other|t',
	'and is there');

# Whether a conversation's data is merged or replaced is open: a key that stays at Crisp is told.
query("UPDATE tickets SET meta_data = '{\"order\": 7, \"gift\": true}'");
push_rows($tickets);
$sandbox->control({ meta_data => 'merged' });
query("UPDATE tickets SET meta_data = '{\"order\": 8}' WHERE session_id = '$second'");
push_rows($tickets);
is_deeply([ push_problems('tickets', 'crisp.conversations') ], ["$second|refused|HV000"], 'a key that Crisp keeps');
like(query(q(SELECT error FROM crisp_push_problems('tickets', 'crisp.conversations'))), qr/Crisp has kept keys/,
	'is told');
is_deeply(push_rows($tickets)->{requests}, [], 'once');
$sandbox->control({ meta_data => 'replaced' });
push_rows("$tickets, retry => true");
is(push_status('state', 'tickets'), 'up to date', 'and goes where Crisp lets it');

# Columns for keys of custom data.
query(q(CREATE FOREIGN TABLE crisp.seats (people_id text, email text, plan text OPTIONS (json_path 'data.plan'),
	seats int OPTIONS (json_path 'data.seats')) SERVER support OPTIONS (resource 'people_data')));
query("CREATE TABLE licences AS SELECT '$listed[5]->{people_id}' AS people_id, 'pro' AS plan, 3 AS seats");
my $licences = q('licences', 'crisp.seats', key => 'people_id');
is_deeply(push_rows($licences)->{requests},
	["PATCH people/data/$listed[5]->{people_id} {\"data\":{\"plan\":\"pro\",\"seats\":3}}"], 'keys that have columns');
query('UPDATE licences SET seats = 4');
is_deeply(push_rows($licences)->{requests}, ["PATCH people/data/$listed[5]->{people_id} {\"data\":{\"seats\":4}}"],
	'of which one changes');
query('UPDATE licences SET plan = NULL');
is_deeply([ map { /^(\w+)/ } @{ push_rows($licences)->{requests} } ], [ 'GET', 'PUT' ], 'and one goes');
unlike(query("SELECT data FROM crisp.people_data WHERE people_id = '$listed[5]->{people_id}'"), qr/plan/, 'it is gone');

# What sends rows can be called by itself, with anything.
sub call
{
	my ($target, $operation, $key, $keys, $wanted, $pushed, $whole) = @_;
	my $names = join ',', map { 'NULL' } split /,/, $keys;

	return "SELECT string_agg(outcome, ',') FROM crisp_sync_internal.crisp_push_send('$target', '$operation', $key,
		'{$keys}', '{$names}', ARRAY[$wanted]::jsonb[], ARRAY[$pushed]::jsonb[], '{$whole}')";
}

is( query(call('crisp.people_data', 'insert', "'email'", "$listed[8]->{email},$listed[9]->{email},x\@y.z",
			q('{"data": {"k": 1}}', '[]', '3'), q('[1]', '7', NULL), 't,f,NULL')) =~ tr/,//,
	2, 'inserts of several rows');
is( query(call('crisp.people_profiles', 'update', "'people_id'", qq($listed[8]->{people_id},""),
			q('{"notepad": "x"}', '{"notepad": 3}'), q('[]', '"x"'), 't,f')),
	'done,refused', 'changes');
$session->fails(call('crisp.people_events', 'update', 'NULL', 'a', q('{}'), 'NULL', 't'),
	{ sqlstate => '55000' }, 'what cannot be changed');
$session->fails(call('crisp.people_profiles', 'update', "'notepad'", 'a', q('{}'), 'NULL', 't'),
	{ sqlstate => '42703' }, 'a key that is none');
$session->fails(call('crisp.people_profiles', 'update', "'email'", 'a', q('{"x": 1}'), 'NULL', 't'),
	{ sqlstate => '42703' }, 'a column that is none');
$session->fails(call('crisp.people_profiles', 'update', "'email'", 'a', '', '', ''),
	{ sqlstate => 'XX000' }, 'too little');

#
# Keys whose text changes, though they stay the same
#

query(<<"END");
CREATE TABLE visits (id int, people_id text, text text);
INSERT INTO visits SELECT g, '$listed[10]->{people_id}', 'visit ' || g FROM generate_series(1, 3) g;
END
my $visits = q('public.visits', 'crisp.people_events', key => 'id');
is(scalar @{ push_rows($visits)->{requests} }, 3, 'events by numbers');
query('ALTER TABLE visits ALTER id TYPE numeric(8, 2)');
is_deeply(push_rows($visits)->{requests}, [], 'numbers of another scale are the same');
query('ALTER TABLE visits ALTER id TYPE numeric; UPDATE visits SET id = 1.0 WHERE id = 1');
is_deeply(push_rows($visits)->{requests}, [], 'so are those written otherwise');
query('ALTER TABLE visits ALTER id TYPE text USING trim_scale(id)::text');
is_deeply(push_rows($visits)->{requests}, [], 'keys of another type that read as before are known');
query(q(ALTER TABLE visits ALTER id TYPE date USING date '2026-01-01' + id::int));
push_fails(
	$visits,
	{
		sqlstate => '55000',
		message => 'the key "id" of "public.visits" is of type date, and was of type text',
		detail => qr/^3 of the rows that were pushed are not found by their keys/
	},
	'keys that read otherwise insert nothing once more');
query(q(ALTER TABLE visits ALTER id TYPE text USING (id - date '2026-01-01')::text; DELETE FROM visits WHERE id = '2'));
is_deeply(push_rows($visits)->{requests}, [], 'with the former type, the push goes on');

# Types of one family may lose a part of the key all the same.
foreach (
	[ 'text', q('ab '), q('cd'), 'character(10)' ],
	[ 'text', q('abcdef'), q('cd'), 'character varying(3)', 'left(k, 3)' ],
	[ 'character varying(9)', q('abcdef'), q('cd'), 'character varying(3)', 'left(k, 3)' ],
	[ 'timestamptz', q('2026-01-01 00:00:00.75+00'), q('2026-01-01 00:00:07+00'), 'timestamp(0) with time zone' ],
	[ 'numeric', '1.25', '2', 'numeric(10,1)' ],
	[ 'numeric', '1.25', '2', 'integer' ],
	[ 'interval', q('1.25 s'), q('2 s'), 'interval(0)' ])
{
	my ($type, $first, $second, $later, $using) = @{$_};
	my $entries = q('public.entries', 'crisp.people_events', key => 'k');

	query("CREATE TABLE entries (k $type, people_id text, text text); INSERT INTO entries
		SELECT k, '$listed[10]->{people_id}', 'entry' FROM (VALUES ($first\::$type), ($second)) v (k)");
	is(scalar @{ push_rows($entries)->{requests} }, 2, "events by a key of type $type");
	query("ALTER TABLE entries ALTER k TYPE $later" . ($using ? " USING $using" : ''));
	push_fails($entries, { sqlstate => '55000', detail => qr/^1 of the rows/ }, "... $later: none is sent again");
	query(q(SELECT crisp_push_drop('public.entries', 'crisp.people_events'); DROP TABLE entries));
}
query("CREATE TABLE entries (k character varying(9), people_id text, text text); INSERT INTO entries VALUES
	('abcdef', '$listed[10]->{people_id}', 'entry')");
my $entries = q('public.entries', 'crisp.people_events', key => 'k');
push_rows($entries);
foreach my $wider ('character varying(20)', 'character varying', 'text')
{
	query("ALTER TABLE entries ALTER k TYPE $wider");
	is_deeply(push_rows($entries)->{requests}, [], "$wider holds what it was");
}

#
# Many rows
#

query(q(CREATE TABLE many AS SELECT 'm' || n || '@example.com' AS email, 'N' || n AS person_nickname, repeat('x', 200)
	AS notepad	FROM generate_series(1, 60000) n));
$session = CrispSession->start($node);
push_with($session, $sandbox);
query(q(SET work_mem = '1MB'));
query("CALL crisp_push('many', 'crisp.people_profiles', key => 'email', max_requests => 3)");
is(push_status('rows_known, rows_pending', 'many'), '60000|59998', 'many rows');
query("UPDATE crisp_sync_internal.crisp_push_rows_" . query(
		q(SELECT job_id FROM crisp_sync_internal.crisp_push_job WHERE source = 'many'::regclass))
		. q( SET state = 'pushed', pushed = wanted, wanted = NULL, is_there = true WHERE state = 'pending'));
$session = CrispSession->start($node);
push_with($session, $sandbox);
query(q(SET work_mem = '1MB'));
query('SELECT count(*) FROM many WHERE length(notepad) > 1');

# The code that it takes, and what any push takes, are in memory by then.
push_rows($entries);
my $memory = $session->peak_memory;
is_deeply(pushed('many'), [], 'of which none has changed');
cmp_ok($session->peak_memory - $memory, '<', 12 * 1024 * 1024, 'take no memory of their size');
query(q(UPDATE many SET notepad = 'y' WHERE email = 'm777@example.com'));
$sandbox->control({ answers => [ { match => { path => '*m777*' }, status => 200,
	body => '{"error":false,"reason":"updated","data":{}}' } ] });
is(scalar @{ pushed('many') }, 1, 'and one that has changed is found');
$sandbox->control({ answers => [] });

#
# A database in another encoding
#

query(q(CREATE DATABASE latin ENCODING LATIN1 LOCALE 'C' TEMPLATE template0));
$session = CrispSession->start($node, dbname => 'latin');
push_with($session, $sandbox);
query(encode('UTF-8', join "\n",
	"SET client_encoding = 'UTF8'; CREATE EXTENSION crisp_fdw;",
	'CREATE SERVER support FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url \'' . $sandbox->url . "', website_id '"
	  . $sandbox->website_id . "', updatable 'true', invalid_text 'replace');",
	'CREATE USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (' . credential_options($sandbox, 'website') . ');',
	'CREATE SCHEMA crisp; IMPORT FOREIGN SCHEMA crisp FROM SERVER support INTO crisp;',
	'CREATE TABLE kunden (email text, person_nickname text, notepad text);',
	"INSERT INTO kunden VALUES ('jürgen\@example.de', 'Jürgen', 'schön');",
	"CREATE TABLE daten AS SELECT '$listed[6]->{people_id}' AS people_id, '{\"größe\": \"groß\"}'::jsonb AS data;"));
is(scalar @{ pushed('kunden') }, 2, 'LATIN1: a row');
is(profile('jürgen@example.de')->{person}->{nickname}, 'Jürgen', 'Crisp has it in UTF-8');
query(encode('UTF-8', "UPDATE kunden SET notepad = 'größer'"));
pushed('kunden');
is(profile('jürgen@example.de')->{notepad}, 'größer', 'and what changes');
push_rows(q('daten', 'crisp.people_data'));
query(encode('UTF-8', q(UPDATE daten SET data = data || '{"ä": 1}')));
is_deeply([ map { s/.*\{"data"/{"data"/r } @{ push_rows(q('daten', 'crisp.people_data'))->{requests} } ],
	['{"data":{"ä":1}}'],
	'custom data, too');
query(encode('UTF-8', q(UPDATE daten SET data = data - 'größe')));
is_deeply([ map { /^(\w+)/ } @{ push_rows(q('daten', 'crisp.people_data'))->{requests} } ], [ 'GET', 'PUT' ],
	'and a key that goes');

$node->stop;
done_testing();
