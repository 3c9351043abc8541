# crisp_push() is stopped at random moments, in every way there is, while both the source and the data at Crisp move.
# What is left behind is a state from which the next run goes on: in the end Crisp has what the source has, and nothing
# was inserted twice.

use strict;
use warnings;

use CrispCluster;
use CrispPush;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep);

my $KILLS = $ENV{PUSH_KILLS} // 20;
my $PREFETCH = $ENV{PUSH_PREFETCH} // 4;
my $LONGEST_WAIT = 60;    # seconds

my $seed = $ENV{PUSH_SEED} // int rand 1_000_000;
srand $seed;
diag("seed: PUSH_SEED=$seed");

my $sandbox = CrispSandbox->start(
	conversations => 12, people => 60, visitors => 1, operators => 1, campaigns => 1, websites => 1);
my $node = start_node('max_connections = 20', 'restart_after_crash = on');
$node->append_conf('postgresql.conf', "client_connection_check_interval = '50ms'\n");
$node->restart;
connect_crisp($node, $sandbox, options =>
	  "max_retries '1', retry_delay '1ms', retry_budget '1s', updatable 'true', prefetch '$PREFETCH'");

my %calls = (
	# A run may be stopped when all that it has pushed is one row, which leaves the table next.
	customers => q('public.customers', 'crisp.people_profiles', key => 'email', missing => 'delete_all'),
	events => q('public.events', 'crisp.people_events', key => 'id'),
	plans => q('public.plans', 'crisp.people_data', key => 'people_id'),
	tickets => q('public.tickets', 'crisp.conversations'));
my %targets = (
	customers => 'crisp.people_profiles',
	events => 'crisp.people_events',
	plans => 'crisp.people_data',
	tickets => 'crisp.conversations');
my @listed = $sandbox->rows('people');
my @with_address = grep { length($_->{email} // '') } @listed;
my ($person, @planned) = map { $_->{people_id} } @with_address[ 20 .. 32 ];
my ($session, $victim);

sub new_session
{
	$session = CrispSession->start($node);
	push_with($session, $sandbox);
	return;
}

# What Crisp leaves open makes no difference.
sub one_of { return $_[ rand @_ ] }

my %open = (
	write_success => one_of(qw(usual accepted partial)),
	failure_data => one_of(qw(message empty)),
	email_case => one_of(qw(ignored kept)),
	email_reuse => one_of(qw(refused taken)));
$sandbox->control(\%open);
diag(join ' ', map { "$_=$open{$_}" } sort keys %open);

new_session();
$session->query(<<'END');
CREATE TABLE customers (n int, email text PRIMARY KEY, person_nickname text, notepad text, segments text[]);
CREATE TABLE events (id text PRIMARY KEY, people_id text, text text);
CREATE TABLE plans (people_id text PRIMARY KEY, data jsonb);
CREATE TABLE tickets AS SELECT session_id, state, 'subject' AS meta_subject, false AS is_verified,
	'{}'::text[] AS meta_segments FROM crisp.conversations;
END
$session->query(
	sprintf q(INSERT INTO customers 
	SELECT n, 'c' || n || '@example.com', 'Name ' || n, NULL, '{s}' FROM generate_series(1, 40) n;
	INSERT INTO customers SELECT 100 + n, e, 'Known ' || n FROM unnest('{%s}'::text[]) WITH ORDINALITY u (e, n);
	INSERT INTO plans SELECT p, '{"plan": "pro", "seats": 1}' FROM unnest('{%s}'::text[]) p),
	join(',', map { $_->{email} } @with_address[ 0 .. 9 ]),
	join(',', @planned));

#
# What happens here, and at Crisp
#

my ($events, $customers) = (0, 200);
my (%deleted, @gone);

sub move
{
	my $value = int rand 1_000_000;
	my @profiles = grep { ($_->{email} // '') =~ /^c\d+\@example/ } $sandbox->rows('people');

	$session->query("UPDATE customers SET notepad = 'v$value' WHERE n % 7 = $value % 7;
		UPDATE customers SET segments = CASE WHEN segments IS NULL THEN '{t}'::text[] END WHERE n % 11 = $value % 11;
		UPDATE plans SET data = CASE WHEN data ? 'seats' THEN data - 'seats' ELSE data || '{\"seats\": $value}' END
		WHERE people_id IN (SELECT people_id FROM plans ORDER BY md5(people_id || '$value') LIMIT 3)");
	$session->query("UPDATE tickets SET meta_subject = 's$value', is_verified = $value % 2 = 0,
			state = (ARRAY['pending', 'unresolved', 'resolved'])[1 + $value % 3]
		WHERE session_id IN (SELECT session_id FROM tickets ORDER BY md5(session_id || '$value') LIMIT 3);
		UPDATE tickets SET meta_segments = ARRAY['t$value']
		WHERE session_id = (SELECT session_id FROM tickets ORDER BY md5(session_id || '$value') DESC LIMIT 1)");
	for (1 .. 4)
	{
		$customers++;
		$session->query("INSERT INTO customers VALUES ($customers, 'c$customers\@example.com', 'Name $customers')");
	}
	$session->query("DELETE FROM customers
		WHERE n = (SELECT n FROM customers WHERE n < 100 ORDER BY random() LIMIT 1)");
	for (1 .. 3)
	{
		$events++;
		$session->query(sprintf "INSERT INTO events VALUES ('%05d', '$person', 'event %d')", $events, $events);
	}

	# Somebody deletes a profile, which changes here; and changes what isn't pushed of another.
	$sandbox->data([ { op => 'patch', index => int rand 12, set => { 'meta.phone' => "$value" } } ]);
	return if @profiles < 10;
	my ($victim, $other) = @profiles[ int rand 5, 5 + int rand(@profiles - 5) ];
	$sandbox->data(
		[
			{ op => 'delete', resource => 'people', key => $victim->{people_id} },
			{ op => 'patch', resource => 'people', key => $other->{people_id},
				set => { company => { name => "by others $value" } } }
		]);
	$deleted{ $victim->{email} }++;
	$session->query("UPDATE customers SET person_nickname = 'Again $value' WHERE email = '$victim->{email}'");
	return;
}

#
# Ways to stop a run
#

sub faults
{
	$sandbox->control({ answers => [@_] });
	return;
}

sub wait_for_requests
{
	my ($number) = @_;
	my $pid = $victim->pid;

	for (1 .. $LONGEST_WAIT * 100)
	{
		return if $sandbox->count >= $number;
		return if $session->query("SELECT state FROM pg_stat_activity WHERE pid = $pid") eq 'idle';
		sleep 0.01;
	}
	die "the push neither goes on nor ends\n";
}

sub admin
{
	my ($function) = @_;

	$session->query("SELECT $function(" . $victim->pid . ')');
	return $victim->wait;
}

# The server ends all sessions when one of its processes was killed, and comes up again.
sub kill_backend
{
	kill 'KILL', $victim->pid;
	my $result = $victim->wait;
	for (1 .. $LONGEST_WAIT * 10)
	{
		last if $session->run('SELECT 1')->{lost};
		sleep 0.1;
	}
	$node->poll_query_until('postgres', 'SELECT true') or die "the server does not come up again\n";
	new_session();
	return $result;
}

sub stop_server
{
	$node->stop('immediate');
	my $result = $victim->wait;
	$node->start;
	new_session();
	return $result;
}

sub leave
{
	my $pid = $victim->pid;

	$victim->kill_client;
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid")
	  or die "the backend does not end\n";
	return { lost => 1 };
}

my %ways = (
	'cancel' => sub { admin('pg_cancel_backend') },
	'terminate' => sub { admin('pg_terminate_backend') },
	'kill -9 of the backend' => \&kill_backend,
	'immediate stop of the server' => \&stop_server,
	'client that is gone' => \&leave);
my %failures = (
	'spent quota' => { status => 429, headers => { 'Retry-After' => '3600' }, act => JSON::PP::false },
	'server error after the change' => { status => 503 },
	'connection that is reset' => { reset => JSON::PP::true },
	'connection that is closed' => { close => JSON::PP::true });
my @kinds = $ENV{PUSH_KIND} ? $ENV{PUSH_KIND} : ((sort keys %ways) x 2, sort keys %failures);

# Run a push, and stop it in that way at a random request.  Returns whether it was.
sub interrupt
{
	my ($source, $kind) = @_;
	my $nth = 1 + int rand 8;
	my $silent = rand() < 0.5;
	my $result;

	move();
	$sandbox->clear;
	if ($failures{$kind})
	{
		faults({ match => { path => 'website/*', nth => $nth }, times => 10, %{ $failures{$kind} } });
		$result = $session->run("CALL crisp_push($calls{$source}, max_requests => 60)");
	}
	else
	{
		# While Crisp is silent, having done what it was asked for, or wherever the run is.
		faults(
			$silent
			? { match => { path => 'website/*', nth => $nth }, hang => JSON::PP::true }
			: { match => { path => 'website/*' }, delay_ms => 2 });
		$victim = CrispSession->start($node);
		$victim->send("CALL crisp_push($calls{$source}, max_requests => 60)");
		wait_for_requests($nth);
		$result = $ways{$kind}->();
	}
	faults();
	return $result->{lost} || @{ $result->{errors} } > 0;
}

# Say of events that may have been sent whether they were, having looked.
sub decide
{
	my $uncertain = $session->query(
		"SELECT string_agg(key, ',') FROM crisp_push_problems('events', 'crisp.people_events')
		WHERE state = 'uncertain'");

	foreach my $key (split /,/, $uncertain)
	{
		my $there = $session->query("SELECT count(*) > 0 FROM crisp.people_events
			WHERE people_id = '$person' AND text = (SELECT text FROM events WHERE id = '$key')");

		$session->query("SELECT crisp_push_decide('events', 'crisp.people_events', '$there', '$key')");
	}
	return length $uncertain ? scalar(my @keys = split /,/, $uncertain) : 0;
}

my %stopped;
my ($number, $decided) = (0, 0);
for my $attempt (0 .. 10 * $KILLS)
{
	my $kind = $kinds[ $number % @kinds ];
	my $source = (qw(customers tickets customers events plans))[ $attempt % 5 ];

	if (interrupt($source, $kind))
	{
		note "$kind: $source";
		$stopped{$kind}++;
		$number++;
	}
	$decided += decide() if $source eq 'events';
	last if $number == $KILLS;
}
is($number, $KILLS, "stopped $KILLS times");
cmp_ok($stopped{$_} // 0, '>', 0, "$_: stopped") foreach sort @kinds;
is($session->query('SELECT count(*) FROM pg_locks WHERE objsubid = 17236'), 0, 'no lock is left behind')
  or diag($session->query('SELECT l.pid, a.state, a.wait_event, a.query, now() - a.query_start FROM pg_locks l
	LEFT JOIN pg_stat_activity a USING (pid) WHERE objsubid = 17236'));
is($session->query("SELECT count(*) FROM crisp_push_run WHERE state = 'running'"), 0, 'no run seems to be running');
cmp_ok($session->query("SELECT count(*) FROM crisp_push_run WHERE state = '$_'"), '>', 0, "some were $_")
  foreach ('interrupted', $ENV{PUSH_KIND} ? () : 'failed');

#
# In the end
#

foreach my $source (sort keys %calls)
{
	for (1 .. 40)
	{
		push_rows("$calls{$source}, max_requests => 60");
		$decided += decide() if $source eq 'events';
		last if push_status('state', $source) eq 'up to date';
	}
	is(push_status('state', $source), 'up to date', "$source: up to date");
	is_deeply(push_rows($calls{$source})->{requests}, [], "$source: nothing is left to be sent");
}

# People as the source has them, and as Crisp has them.
my %wanted = map { (split /\|/)[0] => $_ } split /\n/,
  $session->query(q(SELECT email, person_nickname, coalesce(notepad, ''), coalesce(array_to_string(segments, ','), '')
	FROM customers));
my %have;
foreach my $profile (grep { defined $_->{email} && ($wanted{ $_->{email} } || $_->{email} =~ /^c\d+\@example/) } $sandbox->rows('people'))
{
	push @{ $have{ $profile->{email} } }, $profile;
}
is(join(' ', grep { @{ $have{$_} } > 1 } sort keys %have), '', 'no profile is there twice');
my %known = map { $_->{email} => $_ } @with_address[ 0 .. 9 ];
my @differ;
foreach my $email (sort keys %wanted)
{
	my $profile = $have{$email}->[0] // {};
	my (undef, @values) = split /\|/, $wanted{$email}, -1;
	my @theirs = ($profile->{person}->{nickname} // '', $profile->{notepad} // '', join(',',
		@{ $profile->{segments} // [] }));

	# What was NULL from the beginning isn't touched.
	$values[1] = $theirs[1] if $known{$email} && $values[1] eq '' && ($known{$email}->{notepad} // '') eq $theirs[1];
	$values[2] = $theirs[2] if $known{$email} && $values[2] eq '' && join(',',
		@{ $known{$email}->{segments} // [] }) eq $theirs[2];
	push @differ, "$email: @values, but @theirs" if "@values" ne "@theirs";
}
is(join("\n", @differ), '', 'Crisp has ' . keys(%wanted) . ' profiles as the source has them');
my @requests = do { local $sandbox->{since} = 0; $sandbox->logged };
my %posted;
$posted{ JSON::PP->new->decode($_->{body})->{email} }++
  foreach grep { $_->{method} eq 'POST' && $_->{path} =~ m{people/profile$} && ($_->{status} // 0) =~ /^20/ } @requests;
is(join(' ', grep { $posted{$_} > 1 + ($deleted{$_} // 0) } sort keys %posted), '', 'no profile was inserted twice');

# What may be made twice was, of no more rows than were under way when a run was stopped.
my (%before, %again);
foreach my $request (grep { $_->{method} =~ /^P(ATCH|UT)/ && ($_->{status} // 0) =~ /^20/ } @requests)
{
	my $is_again = ($before{ $request->{path} } // '') eq $request->{body};

	$before{ $request->{path} } = $request->{body};
	$again{ $request->{path} =~ m{(people/profile|people/data|conversation)/} ? $1 : 'others' }++ if $is_again;
}
my $again = 0;
$again += $_ foreach values %again;
cmp_ok($again, '<=', $PREFETCH * $KILLS, 'few changes were made again');
diag(join ', ', map { "$_: $again{$_} again" } sort keys %again);

# Nor was it tried, before Crisp had said that it has none.
my (%tried, @blind);
foreach my $request (@requests)
{
	if ($request->{method} eq 'POST' && $request->{path} =~ m{people/profile$})
	{
		my $email = JSON::PP->new->decode($request->{body})->{email};

		push @blind, $email if $tried{$email}++;
		delete $tried{$email} if ($request->{status} // 0) == 429;
	}
	elsif ($request->{path} =~ m{people/profile/(.*)$})
	{
		delete $tried{ $1 =~ s/%40/@/r } if ($request->{status} // 0) == 404 || $request->{method} eq 'DELETE';
	}
}
is("@blind", '', 'or tried again without having looked');
is($session->query("SELECT count(*), count(DISTINCT text) FROM crisp.people_events
	WHERE people_id = '$person' AND text LIKE 'event %'"),
	"$events|$events", 'each event is there once');
is(join(' ',
	map { $_->{status} // () } grep { $_->{method} eq 'POST' && $_->{path} =~ /events/ && ($_->{status} // 0) == 404 } @requests),
	'', 'none was for nobody');
is($session->query(q(SELECT count(*) FROM tickets t LEFT JOIN crisp.conversations c USING (session_id)
	WHERE (t.state, t.meta_subject, t.is_verified, t.meta_segments)
	IS DISTINCT FROM (c.state, c.meta_subject, coalesce(c.is_verified, false), coalesce(c.meta_segments, '{}')))),
	0, 'conversations are as the source has them');
is($session->query(q(SELECT count(*) FROM plans p JOIN crisp.people_data d USING (people_id)
	WHERE d.data ->> 'plan' IS DISTINCT FROM p.data ->> 'plan'
	OR d.data -> 'seats' IS DISTINCT FROM p.data -> 'seats')),
	0, 'custom data is what the source has');
note "$decided events were decided";

$node->stop;
done_testing();
