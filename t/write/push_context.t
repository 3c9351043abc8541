# crisp_push() and crisp_sync(): what an error's CONTEXT has where a run is stopped, or fails: what was under way at
# Crisp, and what the user's own functions were at, but nothing of how the extension comes by it.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use JSON::PP ();
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 120, people => 20, visitors => 3, operators => 3);
my $session = CrispSession->start($node);
my $inside = qr{crisp_sync_internal|crisp_push_|SQL statement "(?!SELECT pg_sleep)|PL/pgSQL function (?:public\.)?crisp_};

sub query { return $session->query(@_) }

query(<<'END');
ALTER SERVER support OPTIONS (ADD updatable 'true');
CREATE TABLE customers (email text, person_nickname text);
INSERT INTO customers SELECT n || '@x.org', 'Name' || n FROM generate_series(1, 5) n;
CREATE FUNCTION slow(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN $1; END $$;
CREATE FUNCTION wrong(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no name'; END $$;
CREATE VIEW slow_customers AS SELECT email, public.slow(person_nickname) AS person_nickname FROM customers;
CREATE VIEW wrong_customers AS SELECT email, public.wrong(person_nickname) AS person_nickname FROM customers;
CALL crisp_sync('crisp.conversations', 'public.conversations');
END

my $wait = JSON::PP::true;
my @cases = (
	[ 'push: a source that is slow', q('slow_customers', 'crisp.people_profiles', key => 'email'),
		undef, qr/^PL\/pgSQL function public\.slow\(text\) line 1 at PERFORM$/m ],
	[ 'push: a change', q('customers', 'crisp.people_profiles', key => 'email'),
		{ method => 'PATCH' }, qr/^PATCH \S+ was under way: the profile may or may not have been changed$/ ],
	[ 'push: an insert', q('customers', 'crisp.people_profiles', key => 'email'),
		{ method => 'POST' }, qr/^POST \S+ was under way: the profile may or may not have been sent$/ ],
	[ 'sync: a list', q('crisp.conversations', 'public.conversations'), { path => 'website/*/conversations/1' }, qr/^$/ ],
	[ 'sync: a list of parents', q('crisp.messages', 'public.messages'), { path => 'website/*/conversations/*' }, qr/^$/ ],
	[ 'sync: below parents', q('crisp.messages', 'public.messages'), { path => 'website/*/conversation/*' }, qr/^$/ ]);

# Stop a call while it waits, and return its error.
sub stop
{
	my ($function, $call, $under_way) = @_;
	my $victim = CrispSession->start($node);
	my $error;

	$sandbox->clear;
	$sandbox->control({ answers => [ $under_way ? { match => $under_way, hang => $wait } : () ] });
	$victim->send($call);
	if ($under_way)
	{
		$victim->wait_until_waiting;
	}
	else
	{
		$node->poll_query_until('postgres',
			'SELECT wait_event FROM pg_stat_activity WHERE pid = ' . $victim->pid, 'PgSleep')
		  or die "the source isn't slow\n";
	}
	query("SELECT $function(" . $victim->pid . ')');
	$error = $victim->wait->{errors}->[0];
	$victim->quit if $function eq 'pg_cancel_backend';
	$sandbox->control({ answers => [] });
	return $error;
}

foreach my $case (@cases)
{
	my ($name, $arguments, $under_way, $context) = @{$case};
	my $procedure = $name =~ /^push/ ? 'crisp_push' : 'crisp_sync';
	my $error = stop('pg_terminate_backend', "CALL $procedure($arguments)", $under_way);

	is($error->{sqlstate}, '57P01', "$name, terminated");
	like($error->{context} // '', $context, "$name: what it was at");
	unlike($error->{context} // '', $inside, "$name: and nothing else");
	$error = stop('pg_cancel_backend', "CALL $procedure($arguments)", $under_way);
	is($error->{sqlstate}, '57014', "$name, cancelled");
	unlike($error->{context} // '', $inside, "$name: nothing of ours");
}

# A lock of somebody else's.
my $other = CrispSession->start($node);
$other->query('BEGIN; LOCK TABLE public.conversations, public.customers');
foreach my $call (q(crisp_sync('crisp.conversations', 'public.conversations')),
	q(crisp_push('customers', 'crisp.people_profiles', key => 'email')))
{
	query(q(SET lock_timeout = '300ms'));
	my $error = $session->run("CALL $call")->{errors}->[0];
	query('RESET lock_timeout');

	is($error->{sqlstate}, '55P03', "$call: a lock");
	unlike($error->{context} // '', $inside, "$call: nothing of ours");
}
$other->quit;

# What the user's functions raise.
$session->fails(
	q(CALL crisp_push('wrong_customers', 'crisp.people_profiles', key => 'email')),
	{ message => qr/^no name$/, context => qr{^PL/pgSQL function public\.wrong\(text\) line 1 at RAISE$} },
	'an error of the source');
is($session->run(q(CALL crisp_push('customers', 'crisp.people_profiles', key => 'none')))->{errors}->[0]->{context},
	undef, 'the next error has no CONTEXT of it');

# What is refused before it begins, and by functions.
foreach my $call (q(CALL crisp_sync(NULL, 'x')), q(CALL crisp_push(NULL, 'crisp.people_profiles')),
	q(BEGIN; CALL crisp_sync('crisp.operators', 'x')), q(BEGIN; CALL crisp_push('customers', 'crisp.people_profiles')),
	q(BEGIN READ ONLY; CALL crisp_sync('crisp.operators', 'x')),
	q(SELECT crisp_sync_reset('crisp.operators', 'customers')),
	q(SELECT crisp_push_reset('wrong_customers', 'crisp.people_profiles')),
	q(SELECT crisp_push_decide('wrong_customers', 'crisp.people_profiles', true)),
	q(SELECT crisp_push_decide('wrong_customers', 'crisp.people_profiles', NULL)))
{
	my $error = $session->run($call)->{errors}->[0];

	ok($error->{message}, "$call: an error");
	unlike($error->{context} // '', $inside, "$call: nothing of ours");
	query('ROLLBACK') if $call =~ /^BEGIN/;
}

$session->quit;
$node->stop;
done_testing();
