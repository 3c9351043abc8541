# sqlsmith writes statements that nobody would write, against imported tables, partitions that are such tables, and the
# functions of the extension, while requests fail and lists move.  Whatever they say, the server goes on, and no error
# is an internal one.  `make sqlsmith` runs this; MINUTES says how long, SQLSMITH_SEED draws again what a run has drawn.

use strict;
use warnings;

use CrispCluster;
use CrispQueries;
use CrispSandbox;
use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $minutes = $ENV{MINUTES} || 10;
my $seed = $ENV{SQLSMITH_SEED} // 1 + int(rand(2**30));
my $false = JSON::PP::false;

diag("$minutes minutes, SQLSMITH_SEED=$seed");
srand $seed;

my $sandbox = CrispSandbox->start(
	conversations => 60, people => 60, visitors => 3, operators => 5, websites => 1, 'no-log' => undef);
my $node = start_node("log_error_verbosity = verbose", "log_line_prefix = '%m [%p] <%e> '", "log_statement = 'none'",
	'max_connections = 20', 'jit = off');

connect_crisp($node, $sandbox, options => "max_retries '1', retry_delay '1ms', request_timeout '1s', updatable 'true'");

# Who may do what a user may: read, write, call.  As a superuser, sqlsmith would write files and end sessions.  It takes
# what is a base table for a target of writes, as a partitioned table is.
my $credentials = credential_options($sandbox, 'website');
my @partitioned = qw(conversations people_profiles people_data messages people_events);

$node->safe_psql('postgres', <<"END");
CREATE ROLE smith LOGIN;
GRANT USAGE ON FOREIGN SERVER support TO smith;
CREATE USER MAPPING FOR smith SERVER support OPTIONS ($credentials);
GRANT USAGE ON SCHEMA crisp TO smith;
GRANT ALL ON ALL TABLES IN SCHEMA crisp TO smith;
GRANT CREATE ON SCHEMA public TO smith;
ALTER ROLE smith SET statement_timeout = '2s';
ALTER ROLE smith SET crisp_fdw.max_requests = 200;
CREATE TABLE keys AS SELECT session_id, people_id, meta_email, updated_at,
	meta_segments FROM crisp.conversations LIMIT 20;
GRANT ALL ON keys TO smith;
END
foreach my $table (@partitioned)
{
	$node->safe_psql('postgres', <<"END");
DO \$do\$ BEGIN EXECUTE (SELECT 'CREATE TABLE parts_$table (' || string_agg(quote_ident(attname) || ' '
	|| format_type(atttypid, atttypmod), ', ' ORDER BY attnum) || ') PARTITION BY RANGE ('
	|| quote_ident((array_agg(attname ORDER BY attnum))[1]) || ')'
	FROM pg_attribute WHERE attrelid = 'crisp.$table'::regclass AND attnum > 0 AND NOT attisdropped); END \$do\$;
ALTER TABLE parts_$table ATTACH PARTITION crisp.$table DEFAULT;
GRANT ALL ON parts_$table TO smith;
END
}
$node->safe_psql('postgres', q(SET ROLE smith; CALL crisp_sync('crisp.operators', 'public.operators')));

# Requests fail, and lists move, as long as it runs.
sub disturb
{
	my @faults = map { {
			match => { nth => 1 + int rand 200 }, times => 1 + int rand 5,
			%{ pick({ status => 503 }, { status => 429, act => $false }, { reset => JSON::PP::true },
				{ cut_after => int rand 2000 }, { replace => [ { from => '"created_at":1',
					to => '"created_at":"x' } ] },
				{ body => '{"error":false,"reason":"x","data":[]}' }, { status => 404 }, { delay_ms => 100 }) } } }
	  1 .. int rand 4;

	# Statements delete what they find, so there are new ones.
	my @changes = map {
		my $resource = $_;

		map { { op => "${_}_random", resource => $resource, count => 1 + int rand 2, seed => int rand 1e6 } } 'insert',
			pick('touch', 'delete')
	} 'conversations', 'people';

	# At times there is no row to touch, and on a busy machine no answer in time.
	eval {
		$sandbox->control({ answers => \@faults });
		$sandbox->data(\@changes) if chance(0.3);
		1;
	} or diag("not disturbed: $@");
	return;
}

my $end = time + $minutes * 60;
my $output = $node->basedir . '/sqlsmith.out';
my ($runs, $died) = (0, 0);

while (time < $end)
{
	my $pid = fork // die "cannot fork: $!\n";

	if ($pid == 0)
	{
		open(STDOUT, '>>', $output);
		open(STDERR, '>&', \*STDOUT);
		exec('timeout', 1 + int($end - time), 'sqlsmith', '--target=' . $node->connstr('postgres') . ' user=smith',
			'--exclude-catalog', '--verbose', '--seed=' . ($seed + $runs));
	}
	$runs++;
	while (waitpid($pid, POSIX::WNOHANG()) == 0)
	{
		disturb();
		sleep 1;
	}
	$died++ if ($? >> 8) != 124;
	last if $died > 20;
}
$sandbox->control({ answers => [] });

my %states;
my $log = slurp_file($node->logfile);
$states{$_}++ foreach $log =~ /<(\w{5})> (?:ERROR|FATAL|PANIC)/g;
my ($queries) = sort { $b <=> $a } slurp_file($output) =~ /queries: (\d+)/g;

diag("$runs runs of sqlsmith, ", $node->safe_psql('postgres',
		q(SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'postgres')),
	' transactions, ', $node->safe_psql('postgres', 'SELECT sum(requests) FROM crisp_fdw_usage()') || 'some',
	' requests of this session');
diag('errors: ', join ', ', map { "$states{$_} $_" } sort { $states{$b} <=> $states{$a} } keys %states);

# An internal error is PostgreSQL's own if it's raised outside of the extension's sources, and where that statement
# reads local copies instead of foreign tables, too.
my %ours = map { s{.*/}{}r => 1 } glob '../src/src/*.[ch] ../src/src/*/*.[ch]';

# Functions of PostgreSQL that are known to raise one for what they are given.  What a row had at that time may be gone
# when the statement is run again, so those that can be called in SQL count as known, too.
my %known = map { $_ => 1 } qw(coerce_type intervaltypmodleastfield), split /\n/,
  $node->safe_psql('postgres', q(SELECT DISTINCT prosrc FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
	WHERE l.lanname = 'internal' AND p.prosrc <> ''));

# copy_tables: what the statements read, as tables of the schema "copies".
my $copied = 0;

sub copy_tables
{
	return if $copied++;
	$node->safe_psql('postgres', <<"END");
CREATE SCHEMA copies;
DO \$do\$ DECLARE source regclass; target text; BEGIN
	FOR source IN SELECT oid FROM pg_class WHERE relkind = 'f' OR relkind = 'p' AND relname LIKE 'parts\\_%' LOOP
		target := (SELECT format('copies.%I', relname) FROM pg_class WHERE oid = source);
		EXECUTE format('CREATE TABLE %s (LIKE %s)', target, source);
		BEGIN
			EXECUTE format('INSERT INTO %s SELECT * FROM %s LIMIT 100', target, source);
		EXCEPTION WHEN OTHERS THEN
			RAISE LOG 'no rows for %: %', target, SQLERRM;
		END;
	END LOOP;
END \$do\$;
GRANT USAGE ON SCHEMA copies TO smith;
GRANT ALL ON ALL TABLES IN SCHEMA copies TO smith;
END
	return;
}

# is_of_postgres ENTRY: is the internal error of this entry of the log PostgreSQL's own?
sub is_of_postgres
{
	my ($entry) = @_;
	my ($function, $file) = $entry =~ /LOCATION: +(\w+), ([\w.]+):/ or return 0;
	my ($statement) = $entry =~ /STATEMENT:  (.*?)(?=^\d{4}-\d\d-\d\d |\z)/ms or return 0;

	return 0 if $ours{$file};
	return 1 if $known{$function};
	copy_tables();
	$statement =~ s/\b(?:crisp\.|public\.(?=parts_))/copies./g;

	# PostgreSQL takes a sample of a table, and all rows of a foreign partition.
	$statement =~ s/\btablesample\s+\w+\s*\([^()]*\)(?:\s*repeatable\s*\([^()]*\))?//gi;
	foreach my $try (1 .. 3)
	{
		my $stderr = '';

		$node->psql('postgres', "\\set VERBOSITY verbose\n$statement;", stderr => \$stderr, on_error_stop => 0,
			extra_params => [ '-U', 'smith' ]);
		return 1 if $stderr =~ /^(?:psql:.*)?ERROR: +XX.*^LOCATION: +\Q$function\E, \Q$file\E:/ms;
	}
	return 0;
}

# Internal errors, by where they are raised, each with the first statement that has raised it.
my ($internal, %raised) = (0);

foreach my $entry (split /^(?=.*<\w{5}> (?:LOG|WARNING|ERROR|FATAL|PANIC): )/m, $log)
{
	next if $entry !~ /<XX\w{3}> (?:ERROR|FATAL):/ || is_of_postgres($entry);
	my ($where) = $entry =~ /LOCATION: +(.*)/;

	$internal++;
	$raised{ $where // 'somewhere' } //= substr $entry, 0, 5000;
}
is($internal, 0, 'no internal error but those of PostgreSQL itself')
  or diag((map { "$_\n$raised{$_}\n" } sort keys %raised), 'raised in: ', join '; ', sort keys %raised);
unlike($log, qr/TRAP:|PANIC|terminated by signal/, 'no crash');
cmp_ok($runs, '<', 10, 'sqlsmith ran on') or diag(substr(slurp_file($output), -3000));
is($node->safe_psql('postgres', 'SELECT count(*) > 0 FROM crisp.operators'), 't', 'the server goes on');
$node->stop;
done_testing();
