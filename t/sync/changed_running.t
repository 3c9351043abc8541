# Tables that are dropped or altered, and a mapping that goes, while a run goes on: its next step says so, whatever it
# was about to do, and no statement of ours.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use JSON::PP ();
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 600, people => 30, visitors => 1, operators => 1);
my $make = q(
	ALTER SERVER support OPTIONS (ADD updatable 'true');
	DROP TABLE IF EXISTS public.copy, public.customers;
	CREATE TABLE public.customers AS SELECT n || '@x.org' AS email, 'Name' || n AS person_nickname
		FROM generate_series(1, 40) n);
my $sync = q(CALL crisp_sync('crisp.conversations', 'public.copy'));
my $messages = q(CALL crisp_sync('crisp.messages', 'public.copy'));
my $push = q(CALL crisp_push('public.customers', 'crisp.people_profiles', key => 'email'));
my $list = { path => 'website/*/conversations/*', nth => 8 };
my $below = { path => 'website/*/conversation/*', nth => 3 };
my $profiles = { path => 'website/*/people/profile*', nth => 3 };

foreach my $case (
	[ $sync, $list, 'DROP TABLE public.copy', '42P01', qr/^the target of the sync was dropped while it ran$/ ],
	[ $sync, $list, 'DROP FOREIGN TABLE crisp.conversations', '42P01', qr/^the source of the sync was dropped/ ],
	[ $messages, $below, 'DROP FOREIGN TABLE crisp.conversations', '42P01', qr/^the parent of the sync was dropped/ ],
	[ $sync, $list, 'ALTER FOREIGN TABLE crisp.conversations DROP COLUMN topic', '42703',
		qr/^column "topic" of "crisp.conversations" was dropped or renamed while the sync ran$/ ],
	[ $sync, $list, 'ALTER FOREIGN TABLE crisp.conversations DROP COLUMN updated_at', '42703',
		qr/^column "updated_at" of "crisp.conversations" was dropped/ ],
	[ $sync, $list, 'ALTER FOREIGN TABLE crisp.conversations ALTER updated_at TYPE json', '42804',
		qr/^column "updated_at" of "crisp.conversations" came to hold no time while the sync ran$/ ],
	[ $sync, $list, 'ALTER TABLE public.copy RENAME topic TO subject', '42703',
		qr/^column "topic" of "public.copy" was dropped or renamed/ ],
	[ $sync, $list, 'DROP USER MAPPING FOR CURRENT_USER SERVER support', '42704', qr/^user mapping not found/ ],
	[ $push, $profiles, 'DROP FOREIGN TABLE crisp.people_profiles', '42P01',
		qr/^the target of the push was dropped while it ran$/ ])
{
	my ($call, $under_way, $change, $sqlstate, $message) = @{$case};
	# A push can't tell of a request that is broken off whether it was acted on, so that one is answered, if late.
	my $slow = $call eq $push ? { delay_ms => 2000 } : { hang => JSON::PP::true };
	my $session = CrispSession->start($node);
	my $runner = CrispSession->start($node);

	$session->query($make);
	$sandbox->clear;
	$sandbox->control({ answers => [ { match => $under_way, %{$slow} } ] });
	$runner->send($call);
	$sandbox->wait_for_hang;
	$session->send($change);
	# Whether it waits for the run's step, or not, it's there for the next one.
	$node->poll_query_until('postgres', q(SELECT wait_event_type IS NOT NULL FROM pg_stat_activity
		WHERE query ~ '^(DROP|ALTER) ' AND pid = ) . $session->pid) or die "the change neither waits nor is done\n";
	$sandbox->reset if $call ne $push;
	my $error = $runner->wait->{errors}->[0] // {};
	is($error->{sqlstate}, $sqlstate, "$change: SQLSTATE");
	like($error->{message}, $message, '... message');
	unlike($error->{context} // '', qr/crisp_sync_internal|SELECT/, '... no statement of ours');
	$session->wait;
	is($session->run('SELECT 1')->{output}, '1', '... and the change was made');
	$session->query('DROP EXTENSION crisp_fdw CASCADE; DROP SCHEMA crisp CASCADE; CREATE EXTENSION crisp_fdw');
	connect_crisp($node, $sandbox);
	$runner->quit;
	$session->quit;
}

$node->stop;
done_testing();
