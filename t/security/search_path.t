# The procedures commit, so that they can't have a SET search_path: whatever the caller's finds, they use the operators
# and types of pg_catalog alone.

use strict;
use warnings;

use CrispCluster;
use CrispPush;
use CrispSession;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 3, people => 30, operators => 2);
my $session = CrispSession->start($node);

push_with($session, $sandbox);
$session->query(<<'END');
ALTER SERVER support OPTIONS (ADD updatable 'true');
CREATE TABLE people AS SELECT 'p' || n || '@example.com' AS email, 'P' || n AS person_nickname
	FROM generate_series(1, 9) n;
CREATE SCHEMA other;
CREATE FUNCTION other.fails() RETURNS boolean LANGUAGE plpgsql AS $$
	BEGIN RAISE EXCEPTION 'an operator of another schema'; END $$;
END
foreach my $type (qw(text bigint integer boolean regclass timestamptz interval jsonb name))
{
	foreach my $operator (qw(= <> < > <= >= + - || ~), '->')
	{
		my $name = 'f' . join '_', map { ord } split //, $operator;

		$session->query("CREATE FUNCTION other.$name($type, $type) RETURNS boolean
			LANGUAGE sql AS 'SELECT other.fails()';
			CREATE OPERATOR other.$operator (LEFTARG = $type, RIGHTARG = $type, FUNCTION = other.$name)");
	}
}
$session->query("CREATE DOMAIN other.$_ AS pg_catalog.int4 CHECK (false)")
  foreach qw(text regclass timestamptz jsonb name int8 int4 bool interval record);

# Each in a session of its own, where nothing is compiled yet.
foreach my $call (
	[ 'crisp_push that fails', q(CALL public.crisp_push('public.people', 'crisp.people_profiles', 'x')), '42703' ],
	[ 'crisp_push', q(CALL public.crisp_push('public.people', 'crisp.people_profiles', max_requests => 4)) ],
	[ 'crisp_push, again', q(CALL public.crisp_push('public.people', 'crisp.people_profiles')) ],
	[ 'crisp_sync', q(CALL public.crisp_sync('crisp.conversations', 'public.copy', max_requests => 2)) ],
	[ 'crisp_sync, again', q(CALL public.crisp_sync('crisp.conversations', 'public.copy')) ],
	[ 'crisp_sync that fails', q(CALL public.crisp_sync('crisp.conversations', 'public.copy', 'x')), '22023' ])
{
	my ($name, $statement, $code) = @{$call};
	my $caller = CrispSession->start($node);

	$caller->query('SET search_path = other, pg_catalog, public');
	my $error = $caller->run($statement)->{errors}->[0];
	is($error ? "$error->{sqlstate}: $error->{message}" =~ s/^(\w+):.*/$1/sr : '', $code // '', $name)
	  or diag($error->{message});
}
is(push_status('state, rows_pushed', 'people'), 'up to date|9', 'what is pushed is there');
is($session->query('SELECT count(*) FROM copy'), 3, 'and what is copied');

$node->stop;
done_testing();
