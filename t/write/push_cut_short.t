# Runs of crisp_push() that are cancelled, and sources that are dropped meanwhile: what is told of it.

use strict;
use warnings;

use CrispCluster;
use CrispPush;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use Test::More;

my $sandbox = CrispSandbox->start(conversations => 4, people => 20, visitors => 1, operators => 1);
my $node = start_node();

connect_crisp($node, $sandbox, options => "max_retries '0', updatable 'true', prefetch '4'");
my $session = CrispSession->start($node);
push_with($session, $sandbox);

sub query { return $session->query(@_) }

sub answer
{
	$sandbox->control({ answers => [@_] });
	return;
}

#
# Cancelled
#

query(q(CREATE TABLE customers AS SELECT n || '@x.org' AS email, n AS person_nickname FROM unnest('{a,b,c}'::text[]) n;
	CREATE VIEW slow AS SELECT email, person_nickname || pg_sleep(30) AS person_nickname FROM customers));
my $customers = q('customers', 'crisp.people_profiles', key => 'email');

# What a run tells that is cancelled.
sub cancelled
{
	my ($arguments) = @_;

	query(q(SET statement_timeout = '500ms'));
	my $error = $session->run("CALL crisp_push($arguments)")->{errors}->[0];
	query('RESET statement_timeout');
	answer();
	delete $error->{location};
	return $error;
}

my $error = { severity => 'ERROR', sqlstate => '57014', message => 'canceling statement due to statement timeout' };
is_deeply(cancelled(q('slow', 'crisp.people_profiles', key => 'email')),
	$error, 'a run that is cancelled while the source is read: the error has no CONTEXT');
is(query('SELECT count(*) FROM crisp_push_status'), 0, 'no job was made');
answer({ match => { method => 'PATCH' }, hang => JSON::PP::true });
is_deeply(cancelled($customers), $error, 'while a change is under way');
is(push_status('state, rows_pending', 'customers'), 'unfinished|3', 'the rows are pending');
is(query('SELECT state, error FROM crisp_push_run'), 'interrupted|', 'and the run was interrupted');
answer({ match => { method => 'POST' }, hang => JSON::PP::true });
is_deeply(cancelled($customers), $error, 'while an insert is under way');
is_deeply([ push_problems('customers', 'crisp.people_profiles') ], ['b@x.org|sending|'], 'it is known as that');
is(query(q(SELECT count(*) FROM pg_locks WHERE objsubid = 17236)), 0, 'no lock is left');
push_rows($customers);
is(push_status('state, rows_known', 'customers'), 'up to date|3', 'the next run goes on');

#
# A source that is dropped while it is pushed
#

query(q(CREATE TABLE dropped AS SELECT n || '@x.org' AS email, n AS person_nickname FROM unnest('{d,e}'::text[]) n;
	INSERT INTO dropped VALUES ('no address', 'x')));
answer({ match => { method => 'PATCH' }, times => 1, delay_ms => 3000 });
my $runner = CrispSession->start($node);
$runner->send(q(CALL crisp_push('dropped', 'crisp.people_profiles', key => 'email')));
$runner->wait_until_waiting;
query('DROP TABLE dropped');
my @notices = @{ $runner->wait->{notices} };
like($notices[0]->{message}, qr/^"public\.dropped": new: 2, /, 'a run ends with the name that its source had');
like($notices[1]->{message}, qr/^1 row of "public\.dropped" is not at Crisp/, 'so does the warning');
is($notices[1]->{hint}, 'The source was dropped while it was pushed.', 'which says where to look no more');
answer();

$node->stop;
done_testing();
