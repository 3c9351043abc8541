# Each state in which a statement may wait, and each way in which waiting can be ended:
# it ends at once, with the error that PostgreSQL has for it, and leaves nothing behind.

use strict;
use warnings;

use CrispCluster;
use CrispListener;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

# It takes milliseconds; what is waited for would take minutes.
my $AT_ONCE = 60;
my $TIMEOUT = 0.3;

my $sandbox = CrispSandbox->start(
	conversations => 300,
	people        => 60,
	visitors      => 5,
	operators     => 3,
	websites      => 1);
my $node    = start_node('max_connections = 40', 'restart_after_crash = off');
my $website = $sandbox->website_id;
my $silent  = CrispListener->new;
my $full    = CrispListener->new(1);
my $admin   = CrispSession->start($node);

# Who waits to ask again would do so in ten minutes at most, and at random: nearly always later than
# this test is through.
connect_crisp($node, $sandbox,
	options =>
	  "prefetch '4', retry_delay '600s', retry_budget '3600s', request_timeout '600s', connect_timeout '600s', "
	  	. "low_speed_limit '0'"
);

# A table for each state: its requests are told by their page size.
my %tables = (
	silent  => [ 21, '*', { hang => JSON::PP::true } ],
	drip    => [ 22, '*', { drip => { bytes => 1, every_ms => 200 } } ],
	stalled => [ 23, '*', { drip => { bytes => 3000, every_ms => 600_000 } } ],
	backoff => [ 24, '*', { status => 503 } ],
	quota   => [ 25, '*', { status => 429, headers => { 'Retry-After' => '3000' } } ],
	later   => [ 26, '3', { hang => JSON::PP::true } ],
	looked  => [ 27 ],
	good    => [ 50 ]);
my %states = (
	'a silent server'                    => 'SELECT session_id FROM silent',
	'a slow body'                        => 'SELECT session_id FROM drip',
	'the rest of a body'                 => 'SELECT session_id FROM stalled',
	'a retry'                            => 'SELECT session_id FROM backoff',
	'Retry-After'                        => 'SELECT session_id FROM quota',
	'one page while others have come'    => 'SELECT count(session_id) FROM later',
	'a page of an exact scan'            => 'SELECT session_id FROM exact',
	'a lookup'                           => q{SELECT state FROM good WHERE session_id = 'session_hangs'},
	'a lookup of a join'                 => 'SELECT count(state) FROM wanted JOIN good USING (session_id)',
	'the number of rows'                 => 'SELECT count(*) FROM crisp.people_profiles',
	'the newest rows'                    => 'SELECT session_id FROM silent ORDER BY updated_at DESC LIMIT 21',
	'several scans of an Append'         => 'SELECT session_id FROM silent UNION ALL SELECT session_id FROM backoff '
		. 'UNION ALL SELECT session_id FROM drip',
	'a page, in a function that catches' => 'SELECT patient()',
	'a cursor'                           => 'BEGIN; DECLARE c CURSOR FOR SELECT session_id FROM silent; FETCH 1 FROM c',
	'a TLS handshake'                    => 'SELECT session_id FROM tls',
	'a recheck'                          => 'SELECT count(session_id) FROM looked',
	'messages of a conversation'         => 'SELECT count(content) FROM crisp.messages',
	'data of a profile'                  => 'SELECT count(data) FROM crisp.people_data',
	'a page that ANALYZE wants'          => 'ANALYZE silent',
	'keys that IMPORT wants'             => q{IMPORT FOREIGN SCHEMA crisp LIMIT TO (conversations) FROM SERVER support }
		. q{INTO imported OPTIONS (custom_data 'columns')},
	'an answer to INSERT'                => q{INSERT INTO sent VALUES ('session_x', 'text', 'operator', 'chat', }
		. q{'hello')},
	'a retry of UPDATE'                  => q{UPDATE changed SET state = 'pending' WHERE session_id = 'session_x'},
	'a check'                            => q{SELECT status FROM crisp_fdw_check('support')},
	'a page that crisp_sync() wants'     => q{CALL crisp_sync('silent', 'copied')});

$states{'a connection'} = 'SELECT session_id FROM tcp' if $full->fill;

foreach my $table (sort keys %tables)
{
	$admin->query(
		"CREATE FOREIGN TABLE $table (session_id text, state text, updated_at timestamptz NOT NULL) SERVER support "
			. "OPTIONS (resource 'conversations', per_page '$tables{$table}->[0]')"
	);
}
$admin->query(<<"END");
CREATE FOREIGN TABLE sent (session_id text, type text, "from" text, origin text, content text) SERVER support
	OPTIONS (resource 'messages', updatable 'true');
CREATE FOREIGN TABLE changed (session_id text, state text) SERVER support
	OPTIONS (resource 'conversations', updatable 'true');
CREATE SCHEMA imported;
CREATE TABLE wanted AS SELECT text 'session_hangs' AS session_id;
ANALYZE wanted;
CREATE FOREIGN TABLE exact (session_id text) SERVER support OPTIONS (resource 'conversations', per_page '21', scan_mode
	'exact');
CREATE SERVER tls FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url 'https://127.0.0.1:@{[ $silent->port ]}/v1',
	website_id '$website', connect_timeout '600s');
CREATE USER MAPPING FOR CURRENT_USER SERVER tls OPTIONS (identifier 'x', key 'x');
CREATE FOREIGN TABLE tls (session_id text) SERVER tls OPTIONS (resource 'conversations');
CREATE SERVER tcp FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url 'http://127.0.0.1:@{[ $full->port ]}/v1', website_id
	'$website', connect_timeout '600s');
CREATE USER MAPPING FOR CURRENT_USER SERVER tcp OPTIONS (identifier 'x', key 'x');
CREATE FOREIGN TABLE tcp (session_id text) SERVER tcp OPTIONS (resource 'conversations');
CREATE FUNCTION patient() RETURNS text LANGUAGE plpgsql AS
	'BEGIN PERFORM session_id FROM silent; EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE; END';
END
my $total = $admin->query('SELECT count(session_id) FROM good');

# The conversation that is changed.
my $changed = encode_json({ error => JSON::PP::false, reason => 'resolved',
	data => { session_id => 'session_x', state => 'resolved' } });

# From now on the sandbox answers as it's told above.
sub misbehave
{
	$sandbox->reset;
	$sandbox->control(
		{   answers => [
				(   map {
						my ($per_page, $path, $answer) = @{$_};
						{   match => { path => "website/*/conversations/$path", query => "per_page=$per_page" },
							%{$answer} }
					} grep { $_->[1] } values %tables
				),
				{ match => { method => 'PATCH' }, status => 503 },
				{ match => { path => '*/conversation/session_x' }, status => 200, body => $changed },
				(   map { { match => { path => '*/conversations/*', query => $_ }, hang => JSON::PP::true } }
					  'filter_date_start' ),
				map { { match => { path => $_ }, hang => JSON::PP::true } } '*/conversation/session_hangs',
				'*/people/stats',
				'*/messages', '*/message', '*/people/data/*', '*/conversations/suggest/data/*',
				"website/$website" ] });
	return;
}

# What the kernel knows of a process; nothing when it's gone, or has ended and nobody has looked after it.
sub process_state
{
	my ($process) = @_;

	open(my $stat, '<', "/proc/$process/stat") or return;
	my $line = readline($stat) // '';
	close $stat;
	my @field = split / /, $line =~ s/^.*\) //r;
	return @field && $field[0] ne 'Z' ? @field : ();
}

# Statements that wait, each in a session of its own; by state.
sub start_all
{
	misbehave();
	my %sessions = map { $_ => CrispSession->start($node) } sort keys %states;
	$sessions{$_}->send($states{$_}) foreach sort keys %states;
	$sessions{$_}->wait_until_waiting foreach sort keys %states;
	return %sessions;
}

# The longest that each way of ending has taken, in seconds.
my %longest;

sub took
{
	my ($ending, $time, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	cmp_ok($time, '<', $AT_ONCE, "$name: at once");
	$longest{$ending} = $time if $time > ($longest{$ending} // 0);
	return;
}

# ---- Told to end: the statement, or the session

foreach my $state (sort keys %states)
{
	my $session     = CrispSession->start($node);
	my $descriptors = $session->descriptors;

	foreach my $ending ('cancel', 'statement_timeout', 'terminate')
	{
		my $name = "$ending, while it waits for $state";
		my ($result, $time);

		misbehave();
		if ($ending eq 'statement_timeout')
		{
			$session->query("SET statement_timeout = '${TIMEOUT}s'");
			$time   = time;
			$result = $session->run($states{$state});
			$time   = time - $time - $TIMEOUT;
			cmp_ok($time, '>', -0.01, "$name: not before");
		}
		else
		{
			$session->send($states{$state});
			$session->wait_until_waiting;
			$time = time;
			$admin->query("SELECT pg_${ending}_backend(" . $session->pid . ')');
			$result = $session->wait;
			$time   = time - $time;
		}
		took($ending, $time, $name);
		is( $result->{errors}->[0]->{sqlstate},
			$ending eq 'terminate' ? '57P01' : '57014',
			"$name: the error");
		if ($ending eq 'terminate')
		{
			ok($result->{lost}, "$name: the session is over");
			ok($node->poll_query_until('postgres',
					'SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = ' . $session->pid),
				"$name: the backend is gone");
			next;
		}

		# Nothing is left of it.
		$sandbox->reset;
		$session->run('ROLLBACK');
		$session->query('RESET statement_timeout');
		is($session->query('SELECT count(session_id) FROM good'), $total, "$name: the next statement");
		$session->query("SELECT crisp_fdw_disconnect(srvname) FROM pg_foreign_server");
		cmp_ok($session->descriptors, '<=', $descriptors, "$name: no descriptor is left behind");
	}
}

# ---- Waiting takes no processor time

{
	my %sessions = start_all();
	my %before   = map { $_ => [ process_state($sessions{$_}->pid) ] } keys %sessions;

	sleep 2;
	foreach my $state (sort keys %sessions)
	{
		my @after = process_state($sessions{$state}->pid);
		my $ticks = $after[11] + $after[12] - $before{$state}->[11] - $before{$state}->[12];

		cmp_ok($ticks, '<', 40, "waiting for $state takes no processor time");
		note "$state: $ticks hundredths of a second in two seconds" if $ticks > 0;
	}
	$admin->query('SELECT pg_terminate_backend(' . $_->pid . ')') foreach values %sessions;
	$_->wait foreach values %sessions;
}

# ---- The server ends

foreach my $case (
	[ 'fast shutdown',           'INT' ],
	[ 'immediate shutdown',      'QUIT' ],
	[ 'death of the postmaster', 'KILL' ])
{
	my ($ending, $signal) = @{$case};
	my %sessions = start_all();
	my %pids     = map { $_ => $sessions{$_}->pid } keys %sessions;
	open(my $file, '<', $node->data_dir . '/postmaster.pid') or die "there is no postmaster\n";
	my ($postmaster) = readline($file) =~ /(\d+)/;
	close $file;

	my $time = time;
	kill $signal, $postmaster;
	my %left = %pids;
	my %gone;
	while (%left && time - $time < 4 * $AT_ONCE)
	{
		foreach my $state (grep { !process_state($left{$_}) } keys %left)
		{
			$gone{$state} = time - $time;
			delete $left{$state};
		}
		sleep 0.001;
	}
	foreach my $state (sort keys %pids)
	{
		ok(exists $gone{$state}, "$ending: who waits for $state ends");
		took($ending, $gone{$state} // 1000, "$ending, waiting for $state");
	}
	kill 'KILL', values %left;

	foreach my $state (sort keys %sessions)
	{
		my $result = $sessions{$state}->wait;

		ok($result->{lost}, "$ending: the session that waits for $state is over");
		is($result->{errors}->[0]->{sqlstate}, '57P01', "$ending: ... and told so")
		  if $ending eq 'fast shutdown';
	}
	# The dead one is the last: where nobody looks after ended processes, it would be taken for one that runs.
	if ($signal eq 'KILL')
	{
		$node->kill9;
		last;
	}
	$node->stop('fast', fail_ok => 1);
	$admin->{run}->kill_kill(grace => 1);
	$node->start;
	$admin = CrispSession->start($node);
	$sandbox->reset;
	is($admin->query('SELECT count(session_id) FROM good'), $total, "$ending: the next server");
}

note sprintf '%s: %.0f ms at most, of %d states', $_, $longest{$_} * 1000, scalar keys %states
  foreach sort keys %longest;
done_testing();
