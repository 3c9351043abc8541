# What crisp_sync_status and crisp_push_status say after runs that failed, be it before the first request; and
# the parent that a job keeps.

use strict;
use warnings;

use CrispCluster;
use CrispPush;
use CrispSession;
use CrispSync;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 60, people => 20, visitors => 2, operators => 2);
my $session = CrispSession->start($node);

sync_with($session, $sandbox);
push_with($session, $sandbox);

# The job of a target fails with this error, which its status has; no request is made.
sub fails_unasked
{
	my ($arguments, $target, $expected, $name) = @_;
	my $runs = $session->query('SELECT count(*) FROM crisp_sync_run');

	$sandbox->clear;
	my $error = sync_fails($arguments, $expected, $name);
	is($sandbox->count, 0, "$name: no request");
	is(status('state', $target), 'failed', "$name: the state");
	is(status('split_part(last_error, chr(10), 1)', $target), $error->{message}, "$name: the error");
	is($session->query('SELECT count(*) FROM crisp_sync_run'), $runs + 1, "$name: a run");
	is(last_run('state, sqlstate, target'), "failed|$error->{sqlstate}|$target", "$name: of that job");
	return;
}

#
# Copies
#

my $conversations = q('crisp.conversations', 'conversations');
sync($conversations);
is(status('state', 'conversations'), 'up to date', 'a run that did not fail');

$sandbox->control({ answers => [ { match => { path => 'website/*/conversations/*' }, status => 401 } ] });
sync_fails($conversations, { sqlstate => qr/./ }, 'credentials that are refused');
$sandbox->control({ answers => [] });
is(status('state', 'conversations'), 'failed', 'the state is that of the last run');
sync($conversations);
is(status('state, last_error IS NOT NULL', 'conversations'), 'up to date|t', 'which the next one has mended');

my $mapping = credential_options($sandbox, 'website');
$session->query('DROP USER MAPPING FOR CURRENT_USER SERVER support');
fails_unasked($conversations, 'conversations', { message => qr/user mapping/ }, 'a mapping that is gone');
$session->query("CREATE USER MAPPING FOR CURRENT_USER SERVER support OPTIONS ($mapping)");
sync($conversations);
is(status('state', 'conversations'), 'up to date', 'and is there again');

$session->query('ALTER TABLE conversations DROP CONSTRAINT conversations_pkey');
fails_unasked($conversations, 'conversations', { sqlstate => '42P16' }, 'a target without its key');
$session->query('ALTER TABLE conversations ADD PRIMARY KEY (session_id)');
fails_unasked(qq($conversations, sync_field => 'created_at'), 'conversations', { sqlstate => '55000' },
	'another field than before');
sync($conversations);
is(status('state', 'conversations'), 'up to date', 'the next run goes on');
is_copy('crisp.conversations', 'conversations', 'with what it had');

# While another session runs the job, a call that fails isn't told instead.
my $other = CrispSession->start($node);
$sandbox->data([ { op => 'touch', index => 3 } ]);
$sandbox->control({ answers => [ { match => { path => 'website/*/conversations/*' }, delay_ms => 60_000 } ] });
$sandbox->clear;
$other->send("CALL crisp_sync($conversations)");
$sandbox->wait_for_requests(1);
sync_fails(qq($conversations, mode => 'full', deleted => 'mark'), { sqlstate => '42703' }, 'a call beside a run');
is(status('state', 'conversations'), 'running', 'leaves it be');
$session->query('SELECT pg_cancel_backend(' . $other->pid . ')');
$other->wait;
$sandbox->control({ answers => [] });

#
# The parent of a job
#

$session->query(<<'END');
CREATE SCHEMA hand;
CREATE FOREIGN TABLE hand.messages (session_id text, fingerprint bigint, content text) SERVER support;
CREATE FOREIGN TABLE hand.mine (session_id text, updated_at timestamptz) SERVER support
	OPTIONS (resource 'conversations');
END
my $messages = q('hand.messages', 'messages', max_requests => 1000);
sync($messages);
is(status('state', 'messages'), 'up to date', 'messages of the conversations of a table with another name');
$session->query(<<'END');
CREATE FOREIGN TABLE hand.yours (session_id text, updated_at timestamptz) SERVER support
	OPTIONS (resource 'conversations');
END
my $run = sync($messages);
unlike($run->{notices}, qr/fetched again/, 'a second table of conversations: the job goes on');
is(status('state', 'messages'), 'up to date', 'with the one that it had');
sync_fails(q('hand.messages', 'others'), { sqlstate => '42P01', detail => qr/there are 2/ }, 'a new job must be told');
$session->query('DROP FOREIGN TABLE hand.mine');
sync($messages);
is(status('state', 'messages'), 'up to date', 'when it is gone, the job takes the other');
$session->query(<<'END');
CREATE FOREIGN TABLE hand.theirs (session_id text, updated_at timestamptz) SERVER support
	OPTIONS (resource 'conversations');
DROP FOREIGN TABLE hand.yours;
CREATE FOREIGN TABLE hand.ours (session_id text, updated_at timestamptz) SERVER support
	OPTIONS (resource 'conversations');
END
fails_unasked($messages, 'messages', { sqlstate => '42P01' }, 'two that could be it');
sync("$messages, parent => 'hand.ours'");
sync($messages);
is(status('state', 'messages'), 'up to date', 'one that a call has named is kept');

#
# Pushes
#

$session->query(<<'END');
ALTER SERVER support OPTIONS (ADD updatable 'true');
CREATE TABLE customers (email text PRIMARY KEY, person_nickname text);
INSERT INTO customers VALUES ('a@example.com', 'A'), ('b@example.com', 'B');
END
my $customers = q('customers', 'crisp.people_profiles', key => 'email');
push_rows($customers);
is(push_status('state'), 'up to date', 'a push that did not fail');
$session->query('ALTER TABLE customers RENAME person_nickname TO something');
push_unasked($customers, { sqlstate => '42703' }, 'a source without columns to push');
is(push_status('state, split_part(last_error, chr(10), 1)'),
	'failed|nothing of "public.customers" can be pushed into "crisp.people_profiles"',
	'the status tells');
$session->query('ALTER TABLE customers RENAME something TO person_nickname');
push_rows($customers);
is(push_status('state'), 'up to date', 'and what has mended it');
$session->query('DROP USER MAPPING FOR CURRENT_USER SERVER support');
push_unasked($customers, { message => qr/user mapping/ }, 'a mapping that is gone');
is(push_status('state, last_error ~ $$user mapping$$'), 'failed|t', 'is told, too');

done_testing();
