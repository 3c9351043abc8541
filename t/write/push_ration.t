# Rows of crisp_push() that take several requests each: a run begins no more of them than it can end.

use strict;
use warnings;

use CrispCluster;
use CrispPush;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use Test::More;

my $sandbox = CrispSandbox->start(conversations => 4, people => 80, visitors => 1, operators => 1);
my $node = start_node();

connect_crisp($node, $sandbox, options => "max_retries '0', updatable 'true', prefetch '4'");
my $session = CrispSession->start($node);
push_with($session, $sandbox);

sub query { return $session->query(@_) }

# The methods of a run's requests, and what its NOTICE counts as changed.
sub run
{
	my ($arguments) = @_;
	my $run = push_rows($arguments);
	my %count;

	$count{$_}++ foreach map { /^(\w+)/ } @{ $run->{requests} };
	return (join(' ', map { "$_=$count{$_}" } sort keys %count), $run->{notices} =~ /changed: (\d+)/, $run);
}

# Run a push until nothing is left.  Returns what each run has changed.
sub run_all
{
	my ($arguments, $source) = @_;
	my @changed;

	for (1 .. 40)
	{
		push @changed, (run($arguments))[1];
		last if push_status('rows_pending', $source) == 0;
	}
	return @changed;
}

#
# Custom data that loses keys: GET, then PUT
#

query(q(CREATE TABLE data AS SELECT people_id, '{"a": 1, "b": 2}'::jsonb AS data
	FROM crisp.people_profiles ORDER BY people_id LIMIT 10));
my $data = q('data', 'crisp.people_data');
push_rows($data);

sub shrink
{
	my ($value) = @_;

	query(qq(UPDATE data SET data = '{"a": $value, "b": 2}'));
	push_rows($data);
	query(qq(UPDATE data SET data = '{"a": $value}'));
	return;
}

# Crisp has keys that others have set, too.
my $wanted = q(SELECT count(*) FROM data w JOIN crisp.people_data d USING (people_id)
	WHERE d.data -> 'a' = w.data -> 'a' AND d.data -> 'b' IS NOT DISTINCT FROM w.data -> 'b');

foreach my $case (
	[ 2, 'GET=1 PUT=1', 10 ],
	[ 3, 'GET=1 PUT=1', 10 ],
	[ 4, 'GET=2 PUT=2', 5 ],
	[ 25, 'GET=10 PUT=10', 1 ])
{
	my ($most, $requests, $runs) = @{$case};

	shrink($most);
	my ($first) = run("$data, max_requests => $most");
	is($first, $requests, "$most requests: rows are begun that can be ended");
	is(query('SELECT state FROM crisp_push_run ORDER BY run_id DESC LIMIT 1'), $runs > 1 ? 'partial' : 'finished',
		'... the run');
	is(scalar run_all("$data, max_requests => $most", 'data'), $runs - 1 || 1, '... as many runs as that takes');
	is(query($wanted), 10, '... Crisp has all');
}

query(q(ALTER SERVER support OPTIONS (SET prefetch '32')));
shrink(32);
is((run("$data, max_requests => 15"))[0], 'GET=7 PUT=7', 'more under way together than requests are left');
run_all("$data, max_requests => 15", 'data');
is(query($wanted), 10, 'Crisp has all');
query(q(ALTER SERVER support OPTIONS (SET prefetch '4')));

# One request is not enough, and it's told; a row that takes no more is sent.
shrink(33);
query(q(UPDATE data SET data = '{"a": 33, "b": 3}' WHERE people_id = (SELECT min(people_id) FROM data)));
my ($requests, $changed, $run) = run("$data, max_requests => 1");
is("$requests $changed", 'PATCH=1 1', 'one request: the row that takes no more');
like($run->{notices}, qr/; 9 rows next time$/m, '... the others next time');
($requests, $changed, $run) = run("$data, max_requests => 1");
is("$requests $changed", ' 0', 'again: no request');
like($run->{notices}, qr/^the push of "public\.data" into "crisp\.people_data" may make too few requests$/m,
	'... a WARNING');
is($run->{hints}, 'Raise max_requests.', '... says what to do');
is(push_status('state, rows_pending', 'data'), 'unfinished|9', '... the status');
query('SET crisp_fdw.max_requests = 1');
like((run($data))[2]->{hints}, qr/^Raise the setting crisp_fdw\.max_requests\.$/m, 'so it is with the setting');
query('RESET crisp_fdw.max_requests');
is(scalar run_all("$data, max_requests => 2", 'data'), 9, 'with two, each run gets on');
is(query($wanted), 10, 'Crisp has all');

# Requests of the day.
shrink(34);
my $today = query(q(SELECT sum(requests) + 3 FROM crisp_fdw_quota));
query("ALTER SERVER support OPTIONS (ADD daily_requests '$today')");
($requests, $changed, $run) = run($data);
is("$requests $changed", 'GET=1 PUT=1 1', 'three requests of the day: a row of two');
like($run->{hints}, qr/^The next day begins at midnight/m, '... why it gets no further');
($requests, $changed) = run($data);
is("$requests $changed", ' 0', 'the last request of the day is not wasted');
query(q(ALTER SERVER support OPTIONS (DROP daily_requests)));
push_rows($data);
is(query($wanted), 10, 'Crisp has all the next day');

#
# By e-mail address: a GET for the id first, which is kept
#

query(q(CREATE TABLE known AS SELECT email, '{"a": 1}'::jsonb AS data FROM crisp.people_profiles
	WHERE email > '' AND people_id > (SELECT max(people_id) FROM data) ORDER BY people_id LIMIT 6));
my $known = q('known', 'crisp.people_data', key => 'email');
is((run("$known, max_requests => 4"))[0], 'GET=2 PATCH=2', 'custom data by e-mail address');
is((run("$known, max_requests => 1"))[0], 'GET=1', 'one request: the id is found');
is((run("$known, max_requests => 1"))[0], 'PATCH=1', '... and kept');
run_all("$known, max_requests => 2", 'known');
is(push_status('state, requests', 'known'), 'up to date|12', 'in the end, two requests for each row');

# Profiles that were deleted and made again: PATCH, GET, PATCH.
sub make_anew
{
	query(q(CREATE TABLE again AS SELECT email FROM known;
		DELETE FROM crisp.people_profiles WHERE email IN (TABLE again);
		INSERT INTO crisp.people_profiles (email, person_nickname) SELECT email, 'anew' FROM again; DROP TABLE again));
	return;
}

foreach my $most (1, 2, 4, 5, 100)
{
	make_anew();
	query(qq(UPDATE known SET data = '{"a": $most, "b": 2}'));
	my $before = push_status('requests', 'known');
	my @changed = run_all("$known, max_requests => $most", 'known');
	note "$most: @changed";
	is(push_status('state', 'known') . ' ' . (push_status('requests', 'known') - $before), 'up to date 18',
		"profiles that were made again, $most requests a call: three requests for each, and no more");
	cmp_ok(scalar @changed, '<=', 18 / ($most > 4 ? 4 : $most) + 1, '... so many calls');
	is(query(q(SELECT count(*) FROM known w JOIN crisp.people_data d USING (email) WHERE d.data = w.data)), 6,
		'... Crisp has all');
}

#
# Conversations: custom data, and other routes
#

query(q(CREATE TABLE tickets AS SELECT session_id, 'resolved' AS state, '{"x": 1, "y": 2}'::jsonb AS meta_data
	FROM crisp.conversations));
my $tickets = q('tickets', 'crisp.conversations');
push_rows($tickets);
query(q(UPDATE tickets SET state = 'pending', meta_data = '{"x": 1}'));
foreach my $most (1 .. 3)
{
	my ($requests, $changed, $run) = run("$tickets, max_requests => $most");

	note "$most: $requests";
	is($changed || $run->{notices} =~ /too few requests/ ? 1 : 0, 1, "$most requests: a row is done, or it is told");
}
run_all("$tickets, max_requests => 4", 'tickets');
is(query(q(SELECT count(*) FROM tickets t JOIN crisp.conversations c USING (session_id, state)
	WHERE c.meta_data @> t.meta_data AND NOT c.meta_data ? 'y')), 4, 'Crisp has all conversations');

$node->stop;
done_testing();
