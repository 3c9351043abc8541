# The views of crisp_fdw_create_reports(): what they count, on rows that are known, and what becomes of tables or
# columns that are missing.  docs/reports.md, which shows them on the sandbox's data, is tried by t/docs/pages.t.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use FindBin;
use PostgreSQL::Test::Utils;
use Test::More;

my $node    = start_node();
my $session = CrispSession->start($node);

# Four conversations on Monday, 2026-01-05: answered after 10 minutes, resolved and reopened; answered after 30 minutes
# by another operator; one that only a note, a machine and an event followed; and one that an operator began.
$session->query(<<'END');
SET timezone = 'UTC';
CREATE SCHEMA "my copies";
SET search_path = "my copies", public;
CREATE TABLE conversations (session_id text, people_id text, state text, updated_at timestamptz, assigned_user_id text,
	meta_nickname text, meta_email text, meta_segments text[], meta_data jsonb, meta_device_geolocation_country text);
INSERT INTO conversations VALUES
	('one', 'p1', 'unresolved', '2026-01-06 08:00', 'u1', 'Ann', 'a@example.com', '{vip,bug}', '{"plan": "pro"}', 'FR'),
	('two', 'p2', 'resolved', '2026-01-05 15:00', 'u2', 'Bob', NULL, '{bug}', '{"plan": ""}', ''),
	('three', 'p1', 'pending', '2026-01-05 12:10', NULL, 'Ann', 'a@example.com', NULL, '{"plan": "pro"}', 'FR'),
	('four', NULL, 'unresolved', '2026-01-05 09:00', NULL, NULL, NULL, '{}', NULL, NULL);
CREATE TABLE messages (session_id text, "timestamp" timestamptz, "from" text, type text, automated boolean,
	user_user_id text, content_json jsonb);
INSERT INTO messages VALUES
	('one', '2026-01-05 09:00', 'user', 'text', false, NULL, NULL),
	('one', '2026-01-05 09:01', 'user', 'file', NULL, NULL, '{}'),
	('one', '2026-01-05 09:10', 'operator', 'text', false, 'u1', NULL),
	('one', '2026-01-05 10:00', 'operator', 'event', false, 'u1', '{"namespace": "state:resolved"}'),
	('one', '2026-01-06 07:00', 'user', 'text', false, NULL, NULL),
	('one', '2026-01-06 08:00', 'user', 'text', false, NULL, NULL),
	('two', '2026-01-05 14:00', 'user', 'text', false, NULL, NULL),
	('two', '2026-01-05 14:30', 'operator', 'audio', false, 'u2', '{}'),
	('three', '2026-01-05 12:00', 'user', 'text', false, NULL, NULL),
	('three', '2026-01-05 12:01', 'operator', 'note', false, 'u1', NULL),
	('three', '2026-01-05 12:02', 'operator', 'text', true, NULL, NULL),
	('three', '2026-01-05 12:03', 'operator', 'event', false, 'u1', '{"namespace": "user:blocked"}'),
	('four', '2026-01-05 09:00', 'operator', 'text', false, 'u1', NULL);
CREATE TABLE operators (user_id text, first_name text, last_name text);
INSERT INTO operators VALUES ('u1', 'Uma', 'One'), ('u2', NULL, NULL);
CREATE TABLE campaigns (campaign_id text, name text, type text, dispatched boolean, dispatched_at timestamptz,
	targets bigint, reached bigint);
INSERT INTO campaigns VALUES ('c1', 'Sale', 'one_shot', true, '2026-01-01', 200, 50), ('c2', 'Later', 'one_shot', false,
	NULL, 10, 0), ('c3', 'Nobody', 'one_shot', true, '2026-01-02', 0, 0);
CREATE TABLE conversation_pages (session_id text, page_title text, page_url text, "timestamp" timestamptz);
INSERT INTO conversation_pages VALUES ('one', 'Prices', '/prices', '2026-01-05 08:58'),
	('one', 'Contact', '/contact', '2026-01-05 08:59'), ('one', 'Prices', '/prices', '2026-01-05 09:30'),
	('two', 'Contact', '/contact', '2026-01-05 13:00'), ('three', 'Prices', '/prices', '2026-01-05 12:05');
CREATE TABLE helpdesk_feedback (rating text, comment text, article_title text, article_url text,
	created_at timestamptz);
INSERT INTO helpdesk_feedback VALUES ('helpful', NULL, 'How', '/how', '2026-01-01'),
	('unhelpful', 'too long', 'How', '/how', '2026-01-02'), ('unhelpful', '', 'How', '/how', '2026-01-03');
RESET search_path;
END

# What one view holds.
sub holds
{
	my ($query, $rows, $name) = @_;

	is($session->query($query), join("\n", @{$rows}), $name);
	return;
}

my $made = $session->run(q(SELECT count(*) FROM crisp_fdw_create_reports('my reports', 'my copies')));
is($made->{output}, '14', 'views in a schema that is made, over tables in a schema with an odd name');
is(join('|', map { "$_->{message} $_->{detail}" } @{ $made->{notices} }),
	'report "campaign_responses" was left out relation "my copies.campaign_statistics" does not exist',
	'... without the one whose table is missing');

$session->query(q(SET search_path = "my reports"));
holds(
	q(SELECT session_id, episode, opened_at::timestamp(0), response_time, answered_by, resolution_time
	  FROM episodes ORDER BY opened_at),
	[
		'one|1|2026-01-05 09:00:00|00:10:00|u1|01:00:00', 'three|1|2026-01-05 12:00:00|||',
		'two|1|2026-01-05 14:00:00|00:30:00|u2|01:00:00', 'one|2|2026-01-06 07:00:00|||'
	],
	'episodes: from a question to its resolution');
holds(
	'SELECT * FROM response_times ORDER BY user_id',
	[ 'u1|Uma One|1|00:10:00|00:10:00', 'u2||1|00:30:00|00:30:00' ],
	'how long people wait, by operator');
holds(
	'SELECT * FROM response_times_by_hour ORDER BY hour',
	[ '7|1|0||', '9|1|1|00:10:00|00:10:00', '12|1|0||', '14|1|1|00:30:00|00:30:00' ],
	'... by hour');
holds(
	'SELECT * FROM response_times_by_country ORDER BY country',
	[ 'FR|3|1|00:10:00|00:10:00', '|1|1|00:30:00|00:30:00' ],
	'... by country');
holds('SELECT * FROM resolution_times', ['2026-01-05|2|01:00:00|01:00:00'], 'how long until questions are resolved');
holds(
	'SELECT * FROM backlog_by_day ORDER BY day',
	[ '2026-01-05|3|2|1', '2026-01-06|1|0|2' ],
	'what is open at the end of each day');
holds(
	'SELECT * FROM load_by_hour ORDER BY weekday, hour',
	[ '1|9|2|1', '1|12|1|1', '1|14|1|1', '2|7|1|1', '2|8|1|1' ],
	'when people write');
holds(
	'SELECT session_id, resolved_at::timestamp, reopened_at::timestamp, times, state FROM reopened',
	['one|2026-01-05 10:00:00|2026-01-06 07:00:00|1|unresolved'],
	'what was reopened');
holds(
	'SELECT session_id, waiting_since::timestamp, questions FROM unanswered ORDER BY waiting_since',
	[ 'three|2026-01-05 12:00:00|1', 'one|2026-01-06 07:00:00|2' ],
	'what waits for an answer');
holds('SELECT * FROM segments ORDER BY segment', [ 'bug|2|1|00:20:00', 'vip|1|1|00:10:00' ], 'segments');
holds(
	'SELECT * FROM waiting_by_plan ORDER BY plan',
	[ 'pro|1|2|2|00:10:00', '|1|2|1|00:30:00' ],
	'customers by plan');
holds(
	'SELECT name, targets, reached, share FROM campaign_reach ORDER BY name',
	[ 'Nobody|0|0|', 'Sale|200|50|0.250' ],
	'whom campaigns reach');
holds(
	'SELECT * FROM pages_asked_from ORDER BY page_url',
	[ '/contact|Contact|2', '/prices|Prices|1' ],
	'pages that people had open');
holds('SELECT * FROM helpdesk_ratings', ['/how|How|1|2|too long'], 'pages of the helpdesk');
$session->query('RESET search_path');

# Again, with the table that was missing; a view keeps its grants.
$session->query(<<'END');
CREATE ROLE reader;
GRANT SELECT ON "my reports".campaign_reach TO reader;
CREATE TABLE "my copies".campaign_statistics (campaign_id text, type text);
INSERT INTO "my copies".campaign_statistics VALUES ('c1', 'opened'), ('c1', 'opened'), ('c1', 'clicked');
END
$made = $session->run(q(SELECT count(*) FROM crisp_fdw_create_reports('my reports', 'my copies')));
is($made->{output}, '15', 'made again with a further table: all');
holds(
	q(SELECT type, responses, share_of_reached FROM "my reports".campaign_responses ORDER BY type),
	[ 'clicked|1|0.020', 'opened|2|0.040' ],
	'what people did with a campaign');
is($session->query(q(SELECT has_table_privilege('reader', '"my reports".campaign_reach', 'SELECT'))),
	't', 'grants are kept');

# A copy without a column; a copy that is not there; no schema at all.
$session->query(q(CREATE SCHEMA few; CREATE TABLE few.conversations (session_id text);
	CREATE TABLE few.campaigns AS SELECT * FROM "my copies".campaigns));
$made = $session->run(q(SELECT string_agg(v, ',') FROM crisp_fdw_create_reports('few', 'few') v));
is($made->{output}, 'campaign_reach', 'reports in the schema of the tables, of which most are missing');
is(scalar(@{ $made->{notices} }), 14, '... with a notice for each report that was left out');
$session->fails(
	q(SELECT crisp_fdw_create_reports('few', 'nosuch')),
	{ sqlstate => '3F000', message => 'schema "nosuch" does not exist' },
	'a schema that is not there');

# Columns of other types than IMPORT gives them by default; no names.
$session->query(q(CREATE SCHEMA other; CREATE TABLE other.conversations AS SELECT * FROM "my copies".conversations;
	CREATE TABLE other.campaigns AS SELECT * FROM "my copies".campaigns;
	CREATE TABLE other.messages AS SELECT * FROM "my copies".messages;
	ALTER TABLE other.messages ALTER content_json TYPE text));
$made = $session->run(q(SELECT string_agg(v, ',') FROM crisp_fdw_create_reports('other', 'other') v));
is($made->{output}, 'load_by_hour,unanswered,campaign_reach', 'reports that can read the columns are made');
like($made->{notices}[0]{hint}, qr/^It takes columns of the types that IMPORT FOREIGN SCHEMA gives them by default/,
	'... and a notice says why others are not');
for my $names ("NULL, 'few'", "'few', NULL")
{
	$session->fails("SELECT crisp_fdw_create_reports($names)", { sqlstate => '22004' }, "schemas $names");
}

# Whoever makes them needs the right to.
$session->query('GRANT USAGE ON SCHEMA "my copies" TO reader; SET ROLE reader');
$session->fails(
	q(SELECT crisp_fdw_create_reports('my reports', 'my copies')),
	{ sqlstate => '42501' },
	'another role may not make views there');
$session->query('RESET ROLE');

# Dumped and restored as any view: the extension doesn't own them.
is($session->query(q(SELECT count(*) FROM pg_depend d JOIN pg_class c ON c.oid = d.objid
	WHERE d.deptype = 'e' AND c.relnamespace = '"my reports"'::regnamespace)),
	'0', 'the views are no part of the extension');
$session->quit;

done_testing();
