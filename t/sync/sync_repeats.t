# crisp_sync() of messages whose fingerprints repeat: a copy has each as often as Crisp has it, and
# is written to only where
# something is new; and copies with a unique key, as earlier versions made them.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use Test::More;

my ($node, $sandbox) = start_crisp(data => 'ugly', conversations => 80, people => 30, visitors => 3, operators => 3);
my $session = CrispSession->start($node);

sync_with($session, $sandbox);
$session->query('ALTER SERVER support OPTIONS (ADD updatable \'true\')');
my $repeats = q(SELECT count(*) FROM (SELECT FROM %s GROUP BY session_id, fingerprint HAVING count(*) > 1) r);
my $shared = $session->query(
	'SELECT session_id FROM crisp.messages GROUP BY session_id, fingerprint HAVING count(*) > 2 ORDER BY 1 LIMIT 1');

cmp_ok($session->query(sprintf $repeats, 'crisp.messages'), '>', 5, 'fingerprints repeat');

#
# A copy that is new
#

my $messages = q('crisp.messages', 'public.messages');
sync("$messages, max_requests => NULL");
is_copy('crisp.messages', 'public.messages', 'each message is there as often as at Crisp');
is($session->query(sprintf $repeats, 'messages'), $session->query(sprintf $repeats, 'crisp.messages'),
	'those with the same fingerprint among them');
like(sync("$messages, mode => 'full', max_requests => NULL")->{notices}, qr/ new: 0, changed: 0, gone: 0;/,
	'a full load finds nothing else');
my $versions = $session->query(q(SELECT string_agg(ctid::text, ' ' ORDER BY ctid) FROM messages));

# One more with the same fingerprint, alike in all but its time; one that is edited; and rows that the copy alone has.
my $fingerprint = $session->query(
	"SELECT fingerprint FROM messages WHERE session_id = '$shared' GROUP BY 1 HAVING count(*) > 2 LIMIT 1");
$session->query('ALTER TABLE messages ADD note text DEFAULT \'none\'');
$session->query("UPDATE messages SET note = 'mine' WHERE session_id = '$shared'");
$session->query(
	"INSERT INTO crisp.messages (session_id, type, \"from\", origin, content, fingerprint) VALUES "
		. "('$shared', 'text', 'operator', 'chat', 'one more', $fingerprint)");
$sandbox->data([ { op => 'touch', key => $shared } ]);
like(sync($messages)->{notices}, qr/ new: 1, changed: 0, gone: 0;/,
	'one more with that fingerprint is one that is new');
is_copy('crisp.messages', 'public.messages', 'and is there besides the others');

# What Crisp doesn't have any more, of several alike; and what the copy has twice.
my $alike = $session->query("SELECT ctid FROM messages WHERE session_id = '$shared' ORDER BY ctid LIMIT 1");
$session->query("INSERT INTO messages SELECT * FROM messages WHERE session_id = '$shared' AND ctid = '$alike'");
$session->query(
	"UPDATE messages SET content = 'wrong' WHERE ctid = (SELECT ctid FROM messages WHERE session_id = '$shared' "
		. "AND content IS NOT NULL ORDER BY ctid LIMIT 1)");
$session->query(
	"DELETE FROM messages WHERE ctid = (SELECT max(ctid) FROM messages WHERE session_id = '$shared' "
		. "AND fingerprint = $fingerprint AND content <> 'wrong')");
$sandbox->data([ { op => 'touch', key => $shared } ]);
my $run = sync($messages);
is_copy('crisp.messages', 'public.messages', 'rows too many, too few and wrong are made right');
is(eval { $run->{notices} =~ / new: (\d+), changed: (\d+), gone: (\d+);/; $1 + $2 + $3 } <= 3, 1,
	"by changes of those alone: $run->{notices}");
cmp_ok($session->query("SELECT count(*) FROM messages WHERE session_id = '$shared' AND note = 'mine'"), '>=',
	$session->query("SELECT count(*) - 3 FROM messages WHERE session_id = '$shared'"),
		'columns of the target alone stay as they are');

# Marked, and back again.
$session->query('ALTER TABLE messages ADD _deleted_at timestamptz');
my $gone = $session->query(
	"SELECT fingerprint FROM messages m WHERE session_id = '$shared' AND (SELECT count(*) FROM messages o "
		. "WHERE o.session_id = m.session_id AND o.fingerprint = m.fingerprint) = 1 LIMIT 1");
$session->query("DELETE FROM crisp.messages WHERE session_id = '$shared' AND fingerprint = $gone");
$sandbox->data([ { op => 'touch', key => $shared } ]);
like(sync("$messages, deleted => 'mark'")->{notices}, qr/ new: 0, changed: 0, gone: 1;/,
	'a message that is gone is marked');
$sandbox->data([ { op => 'touch', key => $shared } ]);
like(sync("$messages, deleted => 'mark'")->{notices}, qr/ new: 0, changed: 0, gone: 0;/, 'once');
is($session->query('SELECT string_agg(fingerprint::text, \' \') FROM messages WHERE _deleted_at IS NOT NULL'), $gone,
	'and no other');

# Of types without equality, and those that round.
$session->query(
	'CREATE TABLE odd ("timestamp" timestamptz(0), session_id char(60), fingerprint bigint, properties json, preview '
		. 'json, content varchar(4000), type name); CREATE INDEX ON odd (session_id, fingerprint)');
sync(q('crisp.messages', 'odd', max_requests => NULL));
like(sync(q('crisp.messages', 'odd', mode => 'full', max_requests => NULL))->{notices},
	qr/ new: 0, changed: 0, gone: 0;/, 'types that round, and types without equality');
is($session->query('SELECT count(*) FROM odd'), $session->query('SELECT count(*) FROM crisp.messages'),
	'all are there');

# Conversations that are gone go with a full load, with all that they had.
my $dead = $session->query("SELECT session_id FROM crisp.conversations ORDER BY updated_at DESC OFFSET 30 LIMIT 1");
$sandbox->data([ { op => 'delete', key => $dead } ]);
sync(q('crisp.messages', 'odd', mode => 'full', max_requests => NULL));
is($session->query("SELECT count(*) FROM odd WHERE session_id = '$dead'"), 0,
	'messages of a conversation that is gone go');
is($session->query('SELECT count(*) FROM odd'), $session->query('SELECT count(*) FROM crisp.messages'),
	'and no others');

#
# Copies with a unique key
#

$session->query(
	'CREATE TABLE earlier (LIKE messages); ALTER TABLE earlier DROP note, DROP _deleted_at, ADD PRIMARY KEY '
		. '(session_id, fingerprint)');
my $conversations = $session->query(
	q(SELECT quote_literal(updated_at) FROM crisp.conversations c WHERE NOT EXISTS )
		. q{(SELECT FROM crisp.messages m JOIN crisp.conversations d USING (session_id) }
		. q{WHERE d.updated_at >= c.updated_at GROUP BY m.session_id, fingerprint HAVING count(*) > 1) ORDER }
		. q{BY updated_at LIMIT 1});
SKIP: {
	skip 'the newest conversation has some that repeat', 1 unless $conversations;
	sync("'crisp.messages', 'earlier', reference => $conversations");
	cmp_ok($session->query('SELECT count(*) FROM earlier'), '>', 0, 'it works where nothing repeats');
}
my $error = $session->run(
	q(CALL crisp_sync('crisp.messages', 'earlier', max_requests => NULL, reference => '2000-01-01')))->{errors}->[0];
is($error->{sqlstate}, '23505', 'where fingerprints repeat, it is an error');
like($error->{message}, qr/^table public\.earlier can hold one row of each key, and Crisp has several$/,
	'that says what is wrong');
is($error->{hint},
	'Let it hold them all: ALTER TABLE public.earlier DROP CONSTRAINT earlier_pkey; CREATE INDEX ON public.earlier '
		. '(session_id, fingerprint);', 'and what to do');
$session->query($error->{hint} =~ s/^[^:]*: //r);
sync(q('crisp.messages', 'earlier', max_requests => NULL, reference => '2000-01-01'));
is_copy('crisp.messages', 'earlier', 'that done, it has all messages');

$session->query('CREATE TABLE no_index (session_id text, fingerprint bigint)');
sync_fails(q('crisp.messages', 'no_index'),
	{ sqlstate => '42P16', hint => 'CREATE INDEX ON public.no_index (session_id, fingerprint);' },
		'a target without an index on conversations');

done_testing();
