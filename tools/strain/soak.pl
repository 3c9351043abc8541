# Twenty sessions for half an hour: they read, join, leave cursors, write, sync, push, cancel and administer,
# beside jobs
# of pg_cron, while requests fail, lists move, and the sandboxes and PostgreSQL are stopped and started.  In the end,
# copies equal their sources, and no backend has grown: in memory, descriptors or locks.  `make soak` runs this; MINUTES
# says how long.

use strict;
use warnings;

use CrispCluster;
use CrispCron;
use CrispQueries;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $minutes = $ENV{MINUTES} || 30;
my $seed = $ENV{STATEMENT_SEED} // int(rand(2**31));
my $KILOBYTE = 1024;
my ($true, $false) = (JSON::PP::true, JSON::PP::false);

diag("$minutes minutes, STATEMENT_SEED=$seed");
srand $seed;

#
# What there is: a shelf of rows that stand still, and that may be taken away and brought back, and a desk where rows
# move and are written to, which may fall silent.
#

my %small = (visitors => 5, operators => 8, websites => 1, 'no-log' => undef);
my $shelf_port = PostgreSQL::Test::Cluster::get_free_port();
my %shelf = (conversations => 400, people => 300, port => $shelf_port, %small);
my $shelf = CrispSandbox->start(%shelf);
my $desk = CrispSandbox->start(conversations => 500, people => 400, %small);
my $cron = -e `pg_config --sharedir` =~ s/\s+$//r . '/extension/pg_cron.control';
my @settings = ('max_connections = 60', "log_error_verbosity = verbose", "log_statement = 'none'",
	'log_lock_waits = on', 'deadlock_timeout = 20s', 'autovacuum_naptime = 5s',
	'log_duration = off', 'log_connections = off', 'log_disconnections = off');
my @preload = $cron ? map { s/'pg_cron'/'pg_cron, crisp_fdw'/r } cron_settings()
	: "shared_preload_libraries = 'crisp_fdw'";

# Let malloc() give back what is freed, as far as it can: what a backend then has is what it uses.
$ENV{MALLOC_MMAP_THRESHOLD_} = 32 * $KILOBYTE;
$ENV{MALLOC_TRIM_THRESHOLD_} = 32 * $KILOBYTE;
my $node = start_node(@preload, @settings);
my $patient = "max_retries '3', retry_delay '20ms', request_timeout '3s', connect_timeout '2s', "
	. "include_empty 'true'";

connect_crisp($node, $shelf, options => "$patient, prefetch '4'");
connect_crisp($node, $desk, server => 'desk', schema => 'desk',
	options => "$patient, prefetch '4', updatable 'true', per_page '50'");

my $admin = CrispSession->start($node);
my @read = qw(conversations people_profiles people_data people_conversations conversation_events messages);

$admin->query('CREATE SCHEMA copy;' . join ' ',
	map { "CREATE TABLE copy.$_ AS SELECT * FROM crisp.$_; ANALYZE copy.$_;" }
		@read);
$admin->query(<<'END');
CREATE INDEX ON copy.messages (session_id);
CREATE INDEX ON copy.conversations (session_id);
CREATE TABLE probe AS SELECT row_number() OVER (ORDER BY c.session_id) AS n, c.session_id, c.people_id, p.email
	FROM copy.conversations c JOIN copy.people_profiles p USING (people_id) ORDER BY c.session_id LIMIT 40;
ANALYZE probe;
CREATE TABLE customers AS SELECT email, 'new'::text AS person_nickname FROM desk.people_profiles
	WHERE email IS NOT NULL ORDER BY people_id LIMIT 60;
CREATE UNIQUE INDEX ON customers (email);
END
learn_values($admin, 'copy');

# What is synced, by sessions and by pg_cron, and what is compared in the end.
my %synced = (
	conversations => 'session_id, state, updated_at, meta_nickname',
	people_profiles => 'people_id, email, updated_at, notepad',
	messages => 'session_id, fingerprint, type, content',
	operators => 'user_id, email',
	campaigns => 'campaign_id, name, updated_at');

sub sync_of
{
	my ($table, $more) = @_;

	return "CALL crisp_sync('desk.$table', 'public.$table'" . ($more // '') . ')';
}

my $pushed = q(CALL crisp_push('public.customers', 'desk.people_profiles', key => 'email'));

if ($cron)
{
	$admin->query('CREATE EXTENSION pg_cron');
	my $schedule = shortest_schedule($node);
	$admin->query("SELECT cron.schedule('$_', '$schedule', \$\$@{[ sync_of($_) ]}\$\$)") foreach sort keys %synced;
	$admin->query("SELECT cron.schedule('push', '$schedule', \$\$$pushed\$\$)");
}

my $scratch = $node->basedir;
my ($figures, $stop) = ("$scratch/figures", "$scratch/stop");
my $end = time + $minutes * 60;

#
# The sessions.  Each is a process of its own, with a psql.
#

my @people = $desk->column('people', 'people_id');
my @conversations = $desk->column('conversations', 'session_id');

# Errors that come of what is done to them; all others are findings.
my $expected = qr/^(?:HV00[MNR]|HV000|08P01|53400|CS002|40001|57014|P0002|55006|22012|23503|25P02|3B001|34000)$/;

sub one_of { return "'" . pick(@_) . "'" }

# A share of rows for each writer, so that none waits for another.
sub share
{
	my ($number, @keys) = @_;

	return "'" . pick(map { $keys[$_] } grep { $_ % 4 == $number } 0 .. $#keys) . "'";
}

my %roles = (
	compare => sub {
		my $query = draw_query();
		return { sql => 'SELECT s::text COLLATE "C" FROM (' . text_of($query, 'crisp') . ') s ORDER BY 1',
			local => 'SELECT s::text COLLATE "C" FROM (' . text_of($query, 'copy') . ') s ORDER BY 1' };
	},
	moving => sub { { sql => text_of(draw_steady_query(), 'desk') } },
	cursors => sub {
		my $query = text_of(draw_query(), pick('crisp', 'desk'));
		return { sql => 'BEGIN; DECLARE c ' . pick('CURSOR', 'CURSOR WITH HOLD', 'SCROLL CURSOR')
			. " FOR $query; FETCH 3 IN c; "
				. 'SAVEPOINT a; SELECT 1 / 0; ROLLBACK TO a; FETCH 5 IN c; ' . pick('COMMIT', 'ROLLBACK')
				. '; CLOSE ALL' };
	},
	cancel => sub {
		return { sql => 'SET statement_timeout = ' . (1 + int rand 400) . '; ' . text_of(draw_query(), pick('crisp',
			'desk'))
				. '; SET statement_timeout = 0' };
	},
	write => sub {
		my ($number) = @_;
		my ($session, $person) = (share($number, @conversations), share($number, @people));
		return { sql => pick(
				"UPDATE desk.conversations SET state = " . one_of(qw(pending resolved unresolved))
					. ", meta_nickname = 'n" . int(rand 1e6) . "' WHERE session_id = $session",
				"UPDATE desk.people_profiles SET notepad = 'n" . int(rand 1e6) . "' WHERE people_id = $person",
				"INSERT INTO desk.messages (session_id, type, content) SELECT $session, 'text', 'm' || n FROM "
					. 'generate_series(1, ' . pick(1, 3) . ') n RETURNING fingerprint',
				"BEGIN; UPDATE desk.people_profiles SET notepad = 'x' WHERE people_id = $person; ROLLBACK",
				# Not so many that what is left of half an hour is to read lists.
				chance(0.05) ? "INSERT INTO desk.conversations (state, meta_nickname) VALUES ('pending', 'new') "
					. 'RETURNING session_id' : (),
				"UPDATE desk.conversations SET state = 'resolved' WHERE session_id IN ($session, "
					. share($number, @conversations) . ', ' . share($number, @conversations) . ')') };
	},
	sync => sub {
		return { sql => sync_of(pick(keys %synced), chance(0.05) ? q(, mode => 'full') : ''), pause => 0.2 };
	},
	push => sub {
		return { sql => "UPDATE customers SET person_nickname = 'c" . int(rand 1e6) . "' WHERE email = (SELECT email "
				. "FROM customers ORDER BY random() LIMIT 1); $pushed", pause => 0.2 };
	},
	admin => sub {
		my $schema = 'imported_' . int rand 1e6;
		return { pause => 0.1, sql => pick(
				'SELECT count(*) FROM crisp_fdw_usage()',
				q(SELECT crisp_fdw_disconnect('support')),
				q(SELECT crisp_fdw_disconnect('desk')),
				q(SELECT count(*) FROM crisp_fdw_check('desk')),
				'SELECT count(*) FROM crisp_sync_status; SELECT count(*) FROM crisp_push_status',
				'SELECT count(*) FROM crisp_fdw_missing_columns()',
				"ALTER SERVER support OPTIONS (SET prefetch '" . pick(1, 4, 8) . "')",
				'ANALYZE crisp.operators',
				"CREATE SCHEMA $schema; IMPORT FOREIGN SCHEMA crisp LIMIT TO (operators, teams) FROM SERVER "
					. "support INTO $schema; SELECT count(*) FROM $schema.operators; DROP SCHEMA $schema CASCADE",
				'EXPLAIN (ANALYZE, VERBOSE) ' . text_of(draw_query(), 'crisp')) };
	});
my @crew = (('compare') x 6, ('moving') x 3, ('cursors') x 2, ('write') x 4, ('sync') x 2, 'push', 'cancel', 'admin');

sub note_down
{
	my ($line) = @_;

	open(my $file, '>>', $figures) or die "cannot write $figures: $!\n";
	print $file "$line\n";
	close $file;
	return;
}

# What a backend takes: contexts, private memory, descriptors.  Connections are kept for the next statement, as many
# as were of use at a time; what is left without them is to stay the same.
sub measure
{
	my ($session, $role, $done) = @_;
	my $result = $session->run(q(DO $$BEGIN PERFORM crisp_fdw_disconnect(srvname) FROM pg_foreign_server; END$$; )
		. 'SELECT sum(used_bytes) FROM pg_backend_memory_contexts');

	return if $result->{lost} || @{ $result->{errors} };
	my ($private, $descriptors) = eval { ($session->memory, $session->descriptors) } or return;
	note_down("figure $role " . $session->pid . " $done $result->{output} $private $descriptors");
	return;
}

# What came of a step; a line for each finding.
sub judge
{
	my ($role, $step, $result, $session) = @_;
	my @strange = grep { ($_->{sqlstate} // 'none') !~ $expected } @{ $result->{errors} };

	note_down("finding $role: $_->{sqlstate} $_->{message} | " . $step->{sql} =~ s/\n/ /gr)
		foreach grep { ($_->{severity} ne 'FATAL') } @strange;
	return 'failed' if @{ $result->{errors} };
	return 'done' unless $step->{local};
	my $local = $session->run($step->{local});
	return 'failed' if $local->{lost} || @{ $local->{errors} };
	note_down("finding $role: rows differ | $step->{sql}") if $local->{output} ne $result->{output};
	return 'done';
}

sub work
{
	my ($index) = @_;
	my $role = $crew[$index];
	my $number = grep { $_ eq $role } @crew[ 0 .. $index - 1 ];
	my ($session, $done, %count);

	srand $seed + $index;
	until (-e $stop)
	{
		if (!$session)
		{
			$session = eval { CrispSession->start($node) };
			$done = 0;
			sleep 0.5 unless $session;
			next;
		}
		my $step = $roles{$role}->($number);
		my $result = eval { $session->run("SET client_min_messages = error; $step->{sql}") } // { lost => 1 };
		if ($result->{lost})
		{
			$count{lost}++;
			undef $session;
			next;
		}
		$count{ judge($role, $step, $result, $session) }++;
		$session->run('ROLLBACK; SET statement_timeout = 0') if @{ $result->{errors} };
		measure($session, $role, $done) if ++$done % 10 == 0;
		sleep $step->{pause} if $step->{pause};
	}
	note_down("count $role " . ($count{done} // 0) . ' ' . ($count{failed} // 0) . ' ' . ($count{lost} // 0));
	return;
}

my @workers;
foreach my $index (0 .. $#crew)
{
	my $pid = fork // die "cannot fork: $!\n";

	if ($pid == 0)
	{
		eval { work($index) };
		note_down("finding $crew[$index]: $@") if $@;
		POSIX::_exit(0);
	}
	push @workers, $pid;
}

#
# What happens to them
#

sub draw_faults
{
	my @kinds = (
		{ status => 503, act => $false },
		{ status => 429, act => $false, headers => { 'Retry-After' => '0' } },
		{ status => 500 },
		{ reset => $true },
		{ close => $true },
		{ cut_after => int rand 3000 },
		{ delay_ms => 50 + int rand 200 },
		(chance(0.2) ? { hang => $true } : ()));

	return [ map { { match => { nth => 1 + int rand 50 }, times => 1 + int rand 4,
		%{ pick(@kinds) } } } 1 .. int rand 5 ];
}

sub draw_moves
{
	return [
		map { {
				op => pick('touch_random', 'touch_random', 'touch_random', 'insert_random', 'delete_random'),
				resource => pick('conversations', 'people'), count => 1 + int rand 3,
					seed => int rand 1e6 } } 1 .. int rand 4
	];
}

# Take the shelf away, and bring it back with the same rows.
sub restart_shelf
{
	$shelf->stop;
	sleep 2;
	$shelf = CrispSandbox->start(%shelf);
	return;
}

# The desk falls silent: connections stay, answers don't come.
sub silence_desk
{
	kill 'STOP', $desk->pid;
	sleep 4;
	kill 'CONT', $desk->pid;
	return;
}

my %events;

# PostgreSQL is stopped as an administrator does, or as by a crash.
sub restart_postgres
{
	my ($mode) = @_;

	$admin->quit;
	$node->stop($mode);
	$node->start;
	$admin = CrispSession->start($node);
	$events{"restarts of PostgreSQL ($mode)"}++;
	return;
}

my @restarts = map { [ $end - $minutes * 60 * $_->[0], $_->[1] ] } [ 0.75, 'fast' ], [ 0.5, 'immediate' ];
my $next = time + 20;
my ($most_locks, $most_files) = (0, 0);

while (time < $end)
{
	if (@restarts && time > $restarts[0]->[0])
	{
		restart_postgres((shift @restarts)->[1]);
	}
	$desk->data(draw_moves());
	$events{moves}++;
	if (chance(0.3))
	{
		$_->control({ answers => draw_faults() }) foreach $shelf, $desk;
		$events{faults}++;
	}
	if (time > $next)
	{
		my $event = pick('restarts of the sandbox', 'silences');

		$event eq 'silences' ? silence_desk() : restart_shelf();
		$events{$event}++;
		$next = time + $minutes * 60 / 20;
	}
	my $locks = $admin->query('SELECT count(*) FROM pg_locks');
	$most_locks = $locks if $locks > $most_locks;
	sleep 1;
}

#
# The end
#

append_to_file($stop, '');
$_->control({ answers => [] }) foreach $shelf, $desk;
waitpid $_, 0 foreach @workers;
$admin->run('SELECT cron.unschedule(jobid) FROM cron.job') if $cron;

# Nobody is left but this session, the one that asks here, and the launcher of pg_cron.
my $others = q(backend_type IN ('client backend',
	'parallel worker') OR backend_type ~ 'cron' AND backend_type !~ 'launcher');
$node->poll_query_until('postgres', "SELECT count(*) <= 2 FROM pg_stat_activity WHERE $others")
	or diag('sessions are left: ', $admin->query("SELECT backend_type, query FROM pg_stat_activity WHERE $others"));

my @lines = split /\n/, slurp_file($figures);
my @findings = grep { /^finding/ } @lines;

diag(join ', ', map { "$events{$_} $_" } sort keys %events);
is(scalar @findings, 0, 'rows and errors are as expected') or diag(map { substr($_, 0, 1500) . "\n" } @findings);
diag("$_->[0]: $_->[1]") foreach map { /^count (\w+) (\d+) (\d+) (\d+)/ ? [ $1, "$2 done, $3 failed, $4 times without "
		. 'their session' ] : () } sort @lines;

is($admin->query(q(SELECT l.locktype, l.relation::regclass,
	a.backend_type FROM pg_locks l JOIN pg_stat_activity a USING (pid)
	WHERE pid <> pg_backend_pid() AND a.backend_type !~ 'autovacuum')), '', 'no lock is left');
is($admin->query(q(SELECT count(*) FROM pg_ls_tmpdir())), 0, 'no temporary file is left');
diag("at most $most_locks locks at a time");

# A run finds what has changed; a full load what the runs before have missed, which is to be nothing but what was
# deleted.
sub sync_to_its_end
{
	my ($table, $more) = @_;

	for (1 .. 200)
	{
		$admin->query(sync_of($table, $more));
		last if $admin->query("SELECT state FROM crisp_sync_status WHERE target = 'public.$table'::regclass") eq
		  'up to date';
	}
	return;
}

foreach my $table (sort keys %synced)
{
	# Messages take more requests than one call makes, and what has changed while one was made comes with the next.
	sync_to_its_end($table) foreach 1 .. 2;
	my $columns = $synced{$table};
	my $where = $table eq 'operators' ? 'WHERE user_id IS NOT NULL' : '';
	my $sources = "(SELECT $columns FROM desk.$table $where)";
	my $copies = "(SELECT $columns FROM public.$table)";
	my $wrong = $admin->query("SELECT count(*) FROM ($sources EXCEPT ALL $copies) d");

	is($wrong, 0, "$table: runs have brought all rows as they are ("
		. $admin->query("SELECT count(*) FROM public.$table")
		. ')');
	# A load that had begun before keeps what has gone since.
	sync_to_its_end($table, q(, mode => 'full')) foreach 1 .. 2;
	is($admin->query("SELECT count(*) FROM (($sources EXCEPT ALL $copies) UNION ALL ($copies EXCEPT ALL "
		. "$sources)) d"), 0,
		"$table: a full load makes it equal");
}
$admin->query('UPDATE customers SET person_nickname = person_nickname');
$admin->query($pushed);
is($admin->query('SELECT count(*) FROM customers c JOIN desk.people_profiles p USING (email) WHERE '
	. 'c.person_nickname <> p.person_nickname'), 0, 'what was pushed is at Crisp');

# How each backend has grown from the second third of its figures, when it has seen some of everything, to the last: the
# least of these, as malloc() keeps what one statement has freed until another one happens to let it go.
sub least
{
	my ($which, @figures) = @_;
	my ($least) = sort { $a <=> $b } map { $_->[$which] } @figures;

	return $least;
}

my %life;
foreach my $line (grep { /^figure/ } @lines)
{
	my (undef, $role, $pid, @figures) = split / /, $line;
	push @{ $life{"$role $pid"} }, \@figures;
}
my (%grown, $backends);
foreach my $backend (sort keys %life)
{
	my @figures = @{ $life{$backend} };
	next if @figures < 6;
	my $third = int(@figures / 3);
	my @second = @figures[ $third .. 2 * $third - 1 ];
	my @last = @figures[ 2 * $third .. $#figures ];
	my ($role) = split / /, $backend;

	$backends++;
	foreach my $which (1, 2, 3)
	{
		my $more = least($which, @last) - least($which, @second);
		$grown{$role}->[$which] = $more if !defined $grown{$role}->[$which] || $more > $grown{$role}->[$which];
	}
	$grown{$role}->[0] += $figures[-1]->[0];
}
diag(sprintf '%-8s statements of measured backends %6d; one has grown, at most, by %+6.0f kB in contexts, %+6.0f kB of '
	. 'private memory, %+d descriptors', $_, $grown{$_}->[0], $grown{$_}->[1] / $KILOBYTE, $grown{$_}->[2] / $KILOBYTE,
	$grown{$_}->[3]) foreach sort keys %grown;
cmp_ok($backends // 0, '>', 10, 'backends were measured') if $minutes >= 10;
foreach my $role (sort keys %grown)
{
	cmp_ok($grown{$role}->[1], '<', 1024 * $KILOBYTE, "$role: memory contexts");
	cmp_ok($grown{$role}->[2], '<', 4096 * $KILOBYTE, "$role: private memory");
	cmp_ok($grown{$role}->[3], '<', 12, "$role: descriptors");
}
unlike(slurp_file($node->logfile), qr/XX\d\d\d|TRAP:|PANIC|terminated by signal (?!9)/, 'no internal error in the log');
$admin->quit;
$node->stop;
done_testing();
