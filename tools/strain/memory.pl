# Thousands of statements of each kind in one backend, whose memory is measured after the first tenth of them and in the
# end: PostgreSQL's memory contexts, what the kernel says of private memory, and open descriptors.  `make memory` runs
# this; STATEMENTS says how many of each kind, KINDS which kinds.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use Test::More;

my $statements = $ENV{STATEMENTS} || 10_000;
my $KILOBYTE = 1024;

# How much more there may be in the end.  Of contexts, what caches of PostgreSQL itself take now and then; of
# private memory, what malloc doesn't give back.
my $MOST_CONTEXTS = 128 * $KILOBYTE;
my $MOST_PRIVATE = 1024 * $KILOBYTE;

# Few rows, so that there are many statements in little time.
my $sandbox = CrispSandbox->start(
	conversations => 60, people => 60, visitors => 2, operators => 3, websites => 1, 'no-log' => undef);
my $node = start_node("log_statement = 'none'", "log_min_messages = 'fatal'", "autovacuum = off");

connect_crisp($node, $sandbox,
	options => "per_page '50', max_retries '1', retry_delay '1ms', updatable 'true', include_empty 'true'");
my $session = CrispSession->start($node);
my @conversations = $sandbox->column('conversations', 'session_id');
my @people = $sandbox->column('people', 'people_id');

$session->query(<<"END");
CREATE TABLE keys AS SELECT session_id, people_id FROM crisp.conversations LIMIT 20;
CREATE TABLE customers AS SELECT email, 'x'::text AS person_nickname FROM crisp.people_profiles
	WHERE email IS NOT NULL LIMIT 3;
CREATE TABLE gone (session_id text);
END

# The statement of a kind with a number.
my %kinds = (
	scan => sub { 'SELECT count(state) FROM crisp.conversations;' },
	lookup => sub { "SELECT state FROM crisp.conversations WHERE session_id = '$conversations[$_[0] % 40]';" },
	join => sub { 'SELECT count(p.email) FROM keys k JOIN crisp.people_profiles p USING (people_id) WHERE '
		. 'k.session_id < '
			. "'$conversations[$_[0] % 40]';" },
	below => sub { "SELECT count(*) FROM crisp.messages WHERE session_id = '$conversations[$_[0] % 40]';" },
	sorted => sub { 'SELECT session_id FROM crisp.conversations ORDER BY updated_at DESC LIMIT 3;' },
	prepared => sub { ($_[0] % 500 == 1 ? 'DEALLOCATE ALL; PREPARE q (text) AS SELECT people_id, email FROM '
			. 'crisp.people_profiles WHERE people_id = $1;' : '') . "EXECUTE q ('$people[$_[0] % 40]');" },
	write => sub { "UPDATE crisp.people_profiles SET notepad = 'n$_[0]' WHERE people_id = '$people[$_[0] % 40]';" },
	inserted => sub { "INSERT INTO crisp.messages (session_id, type, content) VALUES "
			. "('$conversations[$_[0] % 40]', 'text', 'n$_[0]') RETURNING fingerprint;" },
	batch => sub { q(UPDATE crisp.conversations SET state = ') . ('pending', 'resolved', 'unresolved')[ $_[0] % 3 ]
			. "' WHERE session_id IN ('$conversations[0]', '$conversations[1]', '$conversations[2]');" },
	sync => sub { q(CALL crisp_sync('crisp.operators', 'public.operators');) },
	changes => sub { q(CALL crisp_sync('crisp.conversations', 'public.conversations');) },
	push => sub { "UPDATE customers SET person_nickname = 'n$_[0]' WHERE email = (SELECT min(email) FROM customers); "
			. q(CALL crisp_push('public.customers', 'crisp.people_profiles', key => 'email');) },
	caught => sub { q(BEGIN; SAVEPOINT a; SELECT 1 / (length(state) - length(state)) FROM crisp.conversations; )
			. 'ROLLBACK TO a; COMMIT;' },
	refused => sub { q(BEGIN; SAVEPOINT a; SELECT count(*) FROM crisp.operators; ROLLBACK TO a; COMMIT;) },
	cancelled => sub { q(SET statement_timeout = 2; SELECT count(state) FROM crisp.conversations; )
			. 'SET statement_timeout = 0;' },
	cursor => sub { 'BEGIN; DECLARE c CURSOR FOR SELECT * FROM crisp.conversations; FETCH 1 IN c; '
			. ('COMMIT;', 'ROLLBACK;')[ $_[0] % 2 ] },
	held => sub { 'BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT session_id FROM crisp.conversations; FETCH 1 IN '
		. 'c; COMMIT; FETCH 2 IN c; CLOSE c;' },
	loop => sub { 'DO $$ DECLARE r record; BEGIN FOR r IN SELECT session_id FROM crisp.conversations LOOP BEGIN '
			. 'PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN EXIT; END; END LOOP; END $$;' },
	explained => sub { 'EXPLAIN (ANALYZE, VERBOSE) SELECT state FROM crisp.conversations WHERE created_at > '
			. "'2025-01-01Z';" },
	disconnected => sub { q(SELECT crisp_fdw_disconnect('support'); SELECT count(*) FROM crisp.operators;) });

# What the sandbox does meanwhile.
my %answers = (
	refused => [ { match => { path => '*/operators/list' }, status => 503 } ],
	cancelled => [ { match => {}, delay_ms => 20 } ]);

# Memory contexts of the backend, its private memory, and its descriptors.
sub measure
{
	my $contexts = $session->query('SELECT sum(used_bytes), sum(total_bytes) FROM pg_backend_memory_contexts');
	my ($used, $total) = split /\|/, $contexts;

	return (used => $used, contexts => $total, private => $session->status_of('RssAnon'),
		descriptors => $session->descriptors);
}

# Run those from one number to another, a hundred at a time.  How many failed is told by their errors.
sub run_some
{
	my ($kind, $from, $to) = @_;
	my $failed = 0;

	for (my $number = $from; $number <= $to; $number += 100)
	{
		my $last = $number + 99 < $to ? $number + 99 : $to;
		my $result = $session->run(join ' ', map { $kinds{$kind}->($_) } $number .. $last);

		die "the backend died: $kind\n" if $result->{lost};
		$failed += @{ $result->{errors} };
	}
	return $failed;
}

my @wanted = split ' ', $ENV{KINDS} // '';

$session->run('SET client_min_messages = error');
foreach my $kind (@wanted ? @wanted : sort keys %kinds)
{
	my $number = $statements;
	my $tenth = $number / 10;

	die "there is no kind $kind\n" unless $kinds{$kind};
	$sandbox->control({ answers => $answers{$kind} // [] });
	my $failed = run_some($kind, 1, $tenth);
	my %first = measure();
	$failed += run_some($kind, $tenth + 1, $number);
	$sandbox->control({ answers => [] });
	my %last = measure();

	diag(sprintf "%-12s %6d statements, %d errors; from %d to %d: contexts %+.0f kB (used %+.0f), private memory "
			. '%+.0f kB of %.0f, descriptors %+d',
		$kind, $number, $failed, $tenth, $number,
		(map { ($last{$_} - $first{$_}) / $KILOBYTE } qw(contexts used private)), $last{private} / $KILOBYTE,
		$last{descriptors} - $first{descriptors});
	cmp_ok($last{contexts} - $first{contexts}, '<', $MOST_CONTEXTS, "$kind: memory contexts");
	cmp_ok($last{private} - $first{private}, '<', $MOST_PRIVATE, "$kind: private memory");
	cmp_ok($last{descriptors}, '<=', $first{descriptors} + 2, "$kind: descriptors");

	# Those that are to fail do, and no others.
	my $fails = $kind =~ /caught|refused|cancelled/;
	ok($fails ? $failed >= $number * 0.8 : $failed == 0, "$kind: $failed failed");
	$session->run('ROLLBACK; CLOSE ALL');
}

$session->quit;
$node->stop;
done_testing();
