# crisp_sync(): the source, or the table of its parents, comes to show other rows than before,
# between runs and while one goes on.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use JSON::PP;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 400, people => 30, operators => 3, campaigns => 1, websites => 2);
my $session = CrispSession->start($node);
my $other = CrispSession->start($node);
my $others = qr/^"crisp\.\w+" shows other rows than before, so all is fetched again$/m;

sync_with($session, $sandbox);
connect_crisp($node, $sandbox, server => 'second', schema => 'second', website => 1);
$session->query(<<'END');
CREATE SCHEMA agent;
CREATE FOREIGN TABLE agent.conversations (session_id text, updated_at timestamptz) SERVER support
	OPTIONS (resource 'conversations', inbox '_internal:agent');
CREATE FOREIGN TABLE agent.again (session_id text, updated_at timestamptz) SERVER support
	OPTIONS (resource 'conversations', inbox '_internal:agent');
END

# Calls until there is no more to do.
sub finish
{
	my ($arguments, $target) = @_;
	my $calls = 0;

	do { sync($arguments) } until status('state', $target) eq 'up to date' || ++$calls > 40;
	cmp_ok($calls, '<=', 40, "$target: it comes to an end");
	return;
}

#
# Conversations without a message
#

my $number = 0;
foreach my $object ('FOREIGN TABLE crisp.conversations', 'SERVER support')
{
	foreach my $limit (3, 1000)
	{
		my $target = 'empty' . ++$number;
		my $arguments = "'crisp.conversations', '$target', max_requests => $limit";

		finish($arguments, $target);
		my $rows = $session->query("SELECT count(*) FROM $target");
		$session->query("ALTER $object OPTIONS (ADD include_empty 'true')");
		like(sync($arguments)->{notices}, $others, "$object, $limit requests: empty ones are shown");
		finish($arguments, $target);
		is_copy('crisp.conversations', $target, "$object, $limit requests: they come");
		cmp_ok($session->query("SELECT count(*) FROM $target"), '>', $rows, 'there are some');
		unlike(sync($arguments)->{notices}, $others, 'the next run does without');

		$session->query("ALTER $object OPTIONS (DROP include_empty)");
		finish("$arguments, mode => 'full'", $target);
		is_copy('crisp.conversations', $target, "$object, $limit requests: a full load of those that are left");
	}
}

# In the middle of a full load.
$session->query(q(ALTER FOREIGN TABLE crisp.conversations OPTIONS (ADD include_empty 'true')));
sync(q('crisp.conversations', 'empty1'));
sync(q('crisp.conversations', 'empty1', mode => 'full', max_requests => 4));
$session->query(q(ALTER FOREIGN TABLE crisp.conversations OPTIONS (DROP include_empty)));
finish(q('crisp.conversations', 'empty1', max_requests => 4, mode => 'full'), 'empty1');
is_copy('crisp.conversations', 'empty1', 'a full load that began with others');

# Lists that have none: nothing changes for them.
finish(q('crisp.people_profiles', 'people'), 'people');
$session->query(q(ALTER SERVER support OPTIONS (ADD include_empty 'true', ADD inbox '_internal:agent')));
my $run = sync(q('crisp.people_profiles', 'people'));
unlike($run->{notices}, qr/fetched again/, 'profiles know neither inboxes nor messages');
sync(q('crisp.people_profiles', 'people', mode => 'full'));
is_copy('crisp.people_profiles', 'people', 'and a full load of them is not refused');
$session->query(q(ALTER SERVER support OPTIONS (DROP include_empty, DROP inbox)));

#
# Messages of other conversations
#

my $messages = q('crisp.messages', 'messages', max_requests => 5000);
sync("$messages, parent => 'agent.conversations'");
my $few = $session->query('SELECT count(DISTINCT session_id) FROM messages');
$run = sync("$messages, parent => 'agent.again'");
unlike($run->{notices}, qr/fetched again/, 'another table of the same parents');
$run = sync("$messages, parent => 'crisp.conversations'");
like($run->{notices}, $others, 'a table of other parents');
is(status('state', 'messages'), 'up to date', 'of which all is read');
is_copy('crisp.messages', 'messages', 'messages of all conversations');
cmp_ok($session->query('SELECT count(DISTINCT session_id) FROM messages'), '>', $few, 'which are more');

my $of_agent = q('crisp.messages', 'of_agent', parent => 'agent.conversations', max_requests => 5000);
sync($of_agent);
$session->query('ALTER FOREIGN TABLE agent.conversations OPTIONS (DROP inbox)');
sync($of_agent);
is_copy('crisp.messages', 'of_agent', 'the table of parents shows others');

$sandbox->clear;
sync_fails("$messages, parent => 'second.conversations'",
	{   sqlstate => '55000',
		message  => 'the parent of "crisp.messages" is a table of another website',
		detail   => 'It is "second.conversations".' },
	'parents of another website');
is($sandbox->count, 0, 'of which nothing is asked');

#
# While a run goes on
#

# Run a sync, and a statement while it waits for a request.  Returns what the run gives.
sub sync_while
{
	my ($arguments, $nth, $statement) = @_;

	$sandbox->clear;
	$sandbox->control(
		{ answers => [ { match => { path => 'website/*/conversation*', nth => $nth }, hang => JSON::PP::true } ] });
	$session->send("CALL crisp_sync($arguments)");
	$sandbox->wait_for_requests($nth);
	$other->query($statement);
	$sandbox->reset;
	return $session->wait;
}

my $show_empty = q(ALTER SERVER support OPTIONS (ADD include_empty 'true'));

# At the first request of a run, in its first window, and in a later one.
foreach my $nth (1, 3, 8)
{
	my $result = sync_while("'crisp.conversations', 'meanwhile$nth'", $nth, $show_empty);

	is($result->{errors}->[0]->{sqlstate}, '55000', "request $nth: an error");
	is( $result->{errors}->[0]->{message},
		'"crisp.conversations" came to show other rows while the sync ran',
		'that says why');
	finish("'crisp.conversations', 'meanwhile$nth'", "meanwhile$nth");
	is_copy('crisp.conversations', "meanwhile$nth", "request $nth: the next run fetches all");
	$session->query('ALTER SERVER support OPTIONS (DROP include_empty)');
}
my $meanwhile = q('crisp.messages', 'meanwhile', max_requests => 5000);
my $result = sync_while($meanwhile, 4, $show_empty);
is($result->{errors}->[0]->{sqlstate}, '55000', 'messages of more parents: an error');
finish($meanwhile, 'meanwhile');
is_copy('crisp.messages', 'meanwhile', 'and the next run fetches all');

done_testing();
