# crisp_sync() of what lies below rows of another table: the messages of conversations that have changed.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use POSIX qw(ceil);
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 130, people => 60, visitors => 3, operators => 3);
my $session = CrispSession->start($node);
my $messages = q('crisp.messages', 'public.messages');

sync_with($session, $sandbox);
$session->query('ALTER SERVER support OPTIONS (ADD updatable \'true\')');
my $conversations = $session->query('SELECT count(*) FROM crisp.conversations');

# The conversation that has so many newer ones.
sub conversation
{
	my ($number) = @_;

	return $session->query(
		"SELECT session_id FROM crisp.conversations ORDER BY updated_at DESC OFFSET $number LIMIT 1");
}

# The conversations that messages were asked of.
sub asked
{
	my %asked = map { $_->{path} =~ m{/conversation/([^/]+)/messages$} ? ($1 => 1) : () } $sandbox->requests;

	my @asked = sort keys %asked;
	return @asked;
}

#
# All, then what has changed
#

my $run = sync("$messages, max_requests => NULL");
my $rows = $session->query('SELECT count(*) FROM messages');
is_copy('crisp.messages', 'public.messages', 'the first run fetches all messages');
is(scalar(asked()), $conversations, 'of every conversation');
is($session->query(
	q{SELECT string_agg(regexp_replace(indexdef, '^.* USING ', CASE WHEN indexdef ~ 'UNIQUE' THEN 'unique ' ELSE '' }
		. q{END), '; ') FROM pg_indexes WHERE tablename = 'messages'}),
	'btree (session_id, fingerprint)', 'messages are found by conversation and fingerprint, which several may share');
cmp_ok($run->{requests} - ceil($conversations / 50) - 2, '<=',
	$session->query('SELECT sum(ceil((n + 1) / 19.0)) FROM (SELECT count(*) AS n FROM messages GROUP BY session_id) m'),
	'requests: pages of messages, and the list of conversations');

$run = sync($messages);
is_deeply([ asked() ], [ conversation(0) ],
	'the second run asks for those of the newest conversation alone, by the overlap');
like($run->{notices}, qr/ new: 0, changed: 0, gone: 0;/, 'and finds nothing new');

my ($one, $two) = (conversation(40), conversation(90));
$session->query(
	"INSERT INTO crisp.messages (session_id, type, content) VALUES ('$one', 'text', 'hello'), "
		. "('$one', 'text', 'again')");
$session->query(
	"UPDATE crisp.messages SET content = 'edited' WHERE session_id = '$two' AND fingerprint = (SELECT max(fingerprint) "
		. "FROM messages WHERE session_id = '$two' AND type = 'text')");
$sandbox->data([ { op => 'touch', key => $two } ]);
$run = sync($messages);
my @asked = asked();
is_copy('crisp.messages', 'public.messages', 'messages that are new, and one that was edited');
is($session->query("SELECT count(*) FROM messages WHERE content IN ('hello', 'again', 'edited')"), 3, 'they are there');
cmp_ok(scalar(@asked), '<=', 3, 'only conversations that have changed were asked');
cmp_ok($run->{requests}, '<', 12, 'which takes few requests');

my $gone = $session->query("SELECT fingerprint FROM messages WHERE session_id = '$one' AND content = 'hello'");
$session->query("DELETE FROM crisp.messages WHERE session_id = '$one' AND fingerprint = $gone");
$sandbox->data([ { op => 'touch', key => $one } ]);
$run = sync($messages);
like($run->{notices}, qr/ new: 0, changed: 0, gone: 1;/, 'a message that is deleted goes from the copy');
is_copy('crisp.messages', 'public.messages', 'and no other');

#
# Conversations that are gone
#

my $dead = conversation(20);
$sandbox->data([ { op => 'delete', key => $dead } ]);
sync($messages);
cmp_ok($session->query("SELECT count(*) FROM messages WHERE session_id = '$dead'"), '>', 0,
	'messages of a conversation that is deleted stay');
sync("$messages, mode => 'full', max_requests => NULL");
is_copy('crisp.messages', 'public.messages', 'until a full load');

$session->query('ALTER TABLE messages ADD _deleted_at timestamptz');
my $kept = $session->query("SELECT max(fingerprint) FROM messages WHERE session_id = '$one'");
$session->query("DELETE FROM crisp.messages WHERE session_id = '$one' AND fingerprint = $kept");
$sandbox->data([ { op => 'touch', key => $one } ]);
sync("$messages, deleted => 'mark'");
is($session->query('SELECT string_agg(fingerprint::text, \' \') FROM messages WHERE _deleted_at IS NOT NULL'), $kept,
	'messages can be marked, too');

#
# In parts
#

my $calls = 0;
do
{
	$run = sync(q('crisp.messages', 'in_parts', max_requests => 40));
	cmp_ok($run->{requests}, '<=', 40, 'no more requests than it may make');
	$sandbox->data([ { op => 'touch', index => 100 } ]);
} until last_run('state') eq 'finished' || ++$calls > 40;
sync(q('crisp.messages', 'in_parts'));
is_copy('crisp.messages', 'in_parts', "in $calls calls, while conversations move");

sync(q('crisp.messages', 'recent', reference => )
	. $session->query(
	"SELECT quote_literal(updated_at) FROM crisp.conversations ORDER BY updated_at DESC OFFSET 10 LIMIT 1"));
is($session->query('SELECT count(DISTINCT session_id) FROM recent'), 10, 'of conversations that changed after a time');

#
# Which conversations
#

$session->query(<<'END');
CREATE SCHEMA alone;
IMPORT FOREIGN SCHEMA crisp LIMIT TO (messages) FROM SERVER support INTO alone;
CREATE SCHEMA two;
IMPORT FOREIGN SCHEMA crisp LIMIT TO (messages, conversations) FROM SERVER support INTO two;
CREATE FOREIGN TABLE two.others (id text OPTIONS (json_path 'session_id'), updated_at timestamptz) SERVER support
	OPTIONS (resource 'conversations');
END
sync_fails(q('alone.messages', 'copy'),
	{ sqlstate => '42P01', message => 'cannot tell the table of conversations that belongs to "alone.messages"',
		detail => qr/there are 0/, hint => qr/parent =>/ },
	'no table of conversations');
sync(q('two.messages', 'chosen', reference => )
	. $session->query(
	"SELECT quote_literal(updated_at) FROM crisp.conversations ORDER BY updated_at DESC OFFSET 10 LIMIT 1"));
is($session->query('SELECT count(DISTINCT session_id) FROM chosen'), 10,
	'of two, the one that is called conversations');
$session->query('ALTER FOREIGN TABLE two.conversations RENAME TO first');
sync_fails(q('two.messages', 'copy'), { sqlstate => '42P01', detail => qr/there are 2/ }, 'two of them');
sync_fails(q('two.messages', 'copy', parent => 'crisp.people_profiles'),
	{ sqlstate => '42809',
		message => 'the parent of "two.messages" is a table of conversations, not of people_profiles' },
			'another table');
sync(q('two.messages', 'copy', parent => 'two.others'));
is_copy('crisp.messages', 'copy', 'one that is named');

#
# Other tables below others
#

sync(q('crisp.people_data', 'people_data', max_requests => NULL));
is_copy('crisp.people_data', 'people_data', 'custom data of profiles');
sync(q('crisp.people_conversations', 'people_conversations', max_requests => NULL));
is_copy('crisp.people_conversations', 'people_conversations', 'conversations of profiles');
sync(q('crisp.people_events', 'people_events', max_requests => NULL));
is_copy('crisp.people_events', 'people_events', 'events of profiles, which have no key');

done_testing();
