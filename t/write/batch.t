# Many rows, few requests: which rows of an UPDATE travel together, that all of them are sent before
# the statement ends, and what is said when it fails, whatever Crisp makes of batch requests.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = CrispSandbox->start(
	conversations => 1200, people => 120, visitors => 2, operators => 4, data => 'tidy');
my $node = start_node();
my $website_id = $sandbox->website_id;

connect_crisp($node, $sandbox,
	options => "per_page '50', prefetch '8', max_retries '0', updatable 'true'");

my $session = CrispSession->start($node);
my $json = JSON::PP->new->canonical;
my @operators = map { $_->{details}->{user_id} } $sandbox->rows('operators');
my @ids = map { $_->{session_id} } $sandbox->rows('conversations');

# The requests that change something: [operation or route, number of sessions or undef, body].
sub sent
{
	return map {
		my $body = length($_->{body} // '') ? $json->decode($_->{body}) : undef;

		[
			$_->{path} =~ s{.*/website/\Q$website_id\E/}{}r =~ s{session_[^/]*}{S}r,
			$body->{sessions} ? scalar @{ $body->{sessions} } : undef, $body
		]
	} grep { $_->{method} ne 'GET' } $sandbox->requests;
}

# The same in a few words: "batch/resolve 50", or "conversation/S/state".
sub sent_lines
{
	return map { $_->[0] . (defined $_->[1] ? " $_->[1]" : '') } sent();
}

# Run a statement on data as at the start; return its tag.
sub tag_of
{
	my ($sql, $in) = @_;

	$sandbox->clear;
	return ($in // $session)->query("\\set QUIET off\n$sql;\n\\set QUIET on");
}

sub in
{
	return join ', ', map { "'$_'" } @_;
}

# The values of a member of these conversations as they are now.
sub values_of
{
	my ($member, @wanted) = @_;
	my %rows = map { $_->{session_id} => $_ } $sandbox->rows('conversations');

	return map { $member eq 'assigned' ? $_->{assigned}->{user_id} : $_->{$member} } @rows{@wanted};
}

# A session that has learnt nothing yet.
sub new_session
{
	return CrispSession->start($node);
}

my @thousand = @ids[ 0 .. 999 ];
my $thousand = "session_id = ANY (ARRAY[@{[ in(@thousand) ]}])";
$session->query("CREATE TABLE chosen AS SELECT id FROM unnest(ARRAY[@{[ in(@thousand) ]}]) id");
my $chosen = 'session_id IN (SELECT id FROM chosen)';

subtest 'a thousand conversations are twenty requests' => sub {
	is(tag_of("UPDATE crisp.conversations SET state = 'resolved' WHERE $chosen"),
		'UPDATE 1000', 'a thousand rows');
	is_deeply([ sent_lines() ], [ ('batch/resolve 50') x 20 ], 'twenty requests');
	is_deeply([ sort map { @{ $_->[2]->{sessions} } } sent() ],
		[ sort @thousand ], 'each row is in one of them');
	is_deeply([ keys %{ (sent())[0]->[2] } ], ['sessions'], 'and nothing else is');
	is(scalar(grep { $_ ne 'resolved' } values_of(state => @thousand)), 0, 'Crisp has the new state');

	$sandbox->reset;
	is(
		tag_of("UPDATE crisp.conversations SET assigned_user_id = '$operators[1]' WHERE $chosen"),
		'UPDATE 1000', 'an assignment');
	is_deeply([ sent_lines() ], [ ('batch/routing 50') x 20 ], '... goes the same way');
	is(scalar(grep { ($_ // '') ne $operators[1] } values_of(assigned => @thousand)),
		0, 'Crisp has the operator');
	$sandbox->reset;
};

subtest 'rows whose new values differ' => sub {
	my @some = @ids[ 0 .. 89 ];
	my $case = "CASE ascii(substr(session_id, 9)) % 3 WHEN 0 THEN 'pending' WHEN 1 THEN 'resolved' "
	  . "ELSE 'unresolved' END";
	my %expected = map { $_ => (qw(pending resolved unresolved))[ ord(substr($_, 8)) % 3 ] } @some;
	my %count;

	$count{$_}++ foreach values %expected;
	is(tag_of("UPDATE crisp.conversations SET state = $case WHERE session_id IN (@{[ in(@some) ]})"),
		'UPDATE 90', 'three states');
	is_deeply([ values_of(state => @some) ], [ @expected{@some} ], 'each row has its own');
	my %lines;
	$lines{ $_->[0] } += $_->[1] // 1 foreach sent();
	is_deeply(
		\%lines,
		{
			'conversation/S/state' => $count{pending},
			'batch/resolve' => $count{resolved},
			'batch/unresolve' => $count{unresolved}
		},
		'there is no batch route for "pending"');
	$sandbox->reset;

	is(
		tag_of("UPDATE crisp.conversations SET state = 'resolved', assigned_user_id = NULL "
			. "WHERE session_id IN (@{[ in(@some) ]})"),
		'UPDATE 90', 'two columns');
	is_deeply(
		[ sent_lines() ],
		[ 'batch/resolve 50', 'batch/resolve 40', 'batch/routing 50', 'batch/routing 40' ],
		'one after the other');
	is(scalar(grep { defined } values_of(assigned => @some)), 0, 'nobody is in charge');
	is(scalar(grep { $_ ne 'resolved' } values_of(state => @some)), 0, 'and all are resolved');
	$sandbox->reset;
};

subtest 'what goes row by row' => sub {
	my $one = "WHERE session_id = '$ids[0]'";
	my $two = "WHERE session_id IN ('$ids[0]', '$ids[1]')";
	my $update = q(UPDATE crisp.conversations SET state = 'resolved');
	my $explain = 'EXPLAIN (COSTS OFF)';

	tag_of("$update $one");
	is_deeply([ sent_lines() ], ['conversation/S/state'], 'a single row');
	tag_of("$update $two");
	is_deeply([ sent_lines() ], ['batch/resolve 2'], 'two of them');
	tag_of("$update $two RETURNING 1");
	is_deeply([ sent_lines() ], [ ('conversation/S/state') x 2 ], 'RETURNING');
	like($session->query("$explain $update $two RETURNING 1"),
		qr/Crisp Row by Row: RETURNING\n/, '... which EXPLAIN shows');

	$session->query(<<'END');
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER watch AFTER UPDATE ON crisp.conversations FOR EACH ROW EXECUTE FUNCTION watch();
END
	tag_of("$update $two");
	is_deeply([ sent_lines() ], [ ('conversation/S/state') x 2 ], 'a row trigger');
	like($session->query("$explain $update $two"),
		qr/Crisp Row by Row: row triggers\n/, '... which EXPLAIN shows');
	$session->query('DROP FUNCTION watch() CASCADE');

	like(
		$session->query("$explain $update $two"),
		qr{Crisp Batch: PATCH website/$website_id/batch/resolve \(50 rows a request\), PATCH website/$website_id/batch/unresolve \(50 rows a request\)\n\s+Crisp Under Way: 8\n},
		'EXPLAIN shows batch routes');
	$sandbox->clear;
	like(
		$session->query("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) $update WHERE $chosen"),
		qr/Requests: 20\n\s+Batches: 20\n/,
		'ANALYZE counts them');
	is(scalar(sent()), 20, 'as they were made');
	$sandbox->reset;
};

done_testing();
