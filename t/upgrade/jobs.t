# Jobs that 1.0 has left in the middle of their work (states_1.0.sql, which make-states.sh makes with 1.0 itself) are
# restored where only this version is installed, updated, and go on to the end: row by row what Crisp has.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use FindBin;
use PostgreSQL::Test::Utils;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 1000, people => 400, operators => 5, campaigns => 30);
connect_crisp($node, $sandbox, server => 'plain', schema => 'plain', import => q(timestamp_type 'bigint'));
my $directory = PostgreSQL::Test::Utils::tempdir();

#
# Restored
#

# restore(file, database, name): a dump of 1.0, as docs/upgrading.md has it.
sub restore
{
	my ($file, $database, $name) = @_;
	my $dump = slurp_file($file);

	$dump =~ s/^(CREATE EXTENSION IF NOT EXISTS crisp_fdw .*);$/$1 VERSION '1.0';/m;
	append_to_file("$directory/$database.sql", $dump);
	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0");
	$sandbox->clear;
	$node->command_ok(
		[ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database), '-f', "$directory/$database.sql" ],
		$name);
	is($sandbox->count, 0, "$name: nothing is asked for");
	return;
}

restore("$FindBin::RealBin/states_1.0.sql", 'restored', 'a dump of 1.0 is restored');
my $session = CrispSession->start($node, dbname => 'restored');
foreach my $server ('support', 'plain')
{
	$session->query(sprintf q(ALTER SERVER %s OPTIONS (SET base_url '%s', SET website_id '%s')),
		$server, $sandbox->url, $sandbox->website_id);
	$session->query(sprintf
		  q(ALTER USER MAPPING FOR CURRENT_USER SERVER %s OPTIONS (SET identifier '%s', SET key '%s')), $server,
		@{ $sandbox->credentials('website') }{qw(identifier key)});
}

#
# The copies, with what 1.0 has proved of them: other rows are absent, or as they were a day earlier
#

my %source = map { /^(\w+)\|(.*)/ } split /\n/,
  $session->query(q(SELECT c.relname, j.source FROM tools.crisp_sync_job j JOIN pg_class c ON c.oid = j.target));
cmp_ok(scalar keys %source, '>=', 22, 'jobs of many kinds');
my %unproved = (
	conversations   => '%1$s <@ ANY (j.gaps) OR %1$s > j.watermark - interval \'30 min\' OR %1$s < j.reaches_to',
	people_profiles => '%2$s <@ ANY (j.gaps) OR %1$s > j.watermark - interval \'30 min\' OR %1$s < j.reaches_to');

foreach my $target (sort keys %source)
{
	my ($schema, $resource) = split /\./, $source{$target};
	my $columns = $session->query(<<"END");
SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
WHERE attrelid = 'copies.$target'::regclass AND attnum > 0 AND attname NOT LIKE '\\_%'
END

	next if $target eq 'emptied';
	# A copy of 1.0 has one message of each fingerprint.
	my $distinct = $resource eq 'messages' ? 'DISTINCT ON (session_id, fingerprint)' : '';

	$node->safe_psql('postgres', "COPY (SELECT $distinct $columns FROM $source{$target}) TO '$directory/rows'");
	$session->query('ALTER TABLE copies.failed DROP CONSTRAINT too_late') if $target eq 'failed';
	$session->query("COPY copies.$target ($columns) FROM '$directory/rows'");
	if (my $unproved = $unproved{$resource})
	{
		my @times = map { $schema eq 'plain' ? "to_timestamp($_ / 1000.0)" : $_ } qw(t.updated_at t.created_at);
		my $day   = $schema eq 'plain' ? 86400000 : q(interval '1 day');
		my $name  = $resource eq 'conversations' ? 'meta_nickname' : 'person_nickname';
		my $key   = $resource eq 'conversations' ? 'session_id'    : 'people_id';
		my $where = "tools.crisp_sync_job j WHERE j.target = 'copies.$target'::regclass AND ("
		  . sprintf($unproved, @times) . ')';

		$session->query("DELETE FROM copies.$target t USING $where AND hashtext(t.$key) % 2 = 0");
		$session->query(
			"UPDATE copies.$target t SET $name = 'stale', updated_at = t.updated_at - $day FROM $where");
		$session->query("DELETE FROM copies.$target t USING tools.crisp_sync_job j WHERE "
			. "j.target = 'copies.$target'::regclass AND $times[0] < j.reaches_to");
	}
	elsif ($resource eq 'messages')
	{
		$session->query("DELETE FROM copies.$target WHERE hashtext(session_id) % 3 <> 0");
	}
	else
	{
		my $name = $resource eq 'operators' ? 'first_name' : 'name';

		$session->query("UPDATE copies.$target SET $name = 'stale'");
	}
}
$session->query(q(UPDATE copies.forgotten SET meta_nickname = 'stale', updated_at = updated_at - interval '1 day'));
# Gone from Crisp: a full load will tell.
foreach my $target ('loaded', 'first_load')
{
	$session->query("INSERT INTO copies.$target (session_id, website_id, created_at, updated_at) "
		. "SELECT 'session_gone', website_id, created_at, updated_at FROM copies.$target LIMIT 1");
}
$session->query(<<'END');
UPDATE tools.crisp_sync_job SET stalled = true WHERE target = 'copies.messages_small'::regclass;
INSERT INTO tools.crisp_sync_error (run_id, sqlstate, message, detail)
SELECT max(run_id), '23514', 'a row of which 1.0 has told', 'more of it' FROM tools.crisp_sync_log
WHERE job_id = (SELECT job_id FROM tools.crisp_sync_job WHERE target = 'copies.failed'::regclass);
END

#
# Restored once more, from a dump that has the rows of the copies, too
#

my $rows = join(' UNION ALL ', map { "SELECT '$_', count(*), sum(hashtext(t::text)) FROM copies.$_ t" } keys %source)
  . ' ORDER BY 1';
my $rows_before = $session->query($rows);
$node->command_ok([ 'pg_dump', '-d', $node->connstr('restored'), '-f', "$directory/with_rows.sql" ],
	'pg_dump of 1.0, by the library of this version');
$session->quit;
restore("$directory/with_rows.sql", 'again', 'a dump of 1.0 with the rows of its copies');
$session = CrispSession->start($node, dbname => 'again');
is($session->query($rows), $rows_before, 'all rows are in it');

# What is seen of runs and jobs.
my $runs = <<'END';
SELECT run_id, source, target, mode, started_at, ended_at, state, requests, windows, rows_fetched, rows_inserted,
	rows_updated, rows_deleted, progress_at, sqlstate, error, error_detail FROM tools.crisp_sync_run ORDER BY run_id
END
my $jobs = <<'END';
SELECT source, target, mode, sync_field, rows_fetched, rows_inserted, rows_updated, rows_deleted, requests,
	last_success, last_error_at, full_since FROM tools.crisp_sync_status ORDER BY target::text
END
my $sequences = <<'END';
SELECT nextval('SCHEMA.crisp_sync_job_seq') IS NOT NULL, currval('SCHEMA.crisp_sync_job_seq'),
	nextval('SCHEMA.crisp_sync_run_seq') IS NOT NULL, currval('SCHEMA.crisp_sync_run_seq')
END
my ($runs_before, $jobs_before) = ($session->query($runs), $session->query($jobs));
my @numbers = split /\|/, $session->query($sequences =~ s/SCHEMA/tools/gr);

#
# Updated
#

$sandbox->clear;
is_deeply($session->run('ALTER EXTENSION crisp_fdw UPDATE')->{errors}, [], 'the update');
is($sandbox->count, 0, 'asks for nothing');
is($session->query($runs), $runs_before, 'all runs are there, with their errors');
is($session->query($jobs), $jobs_before, 'and all jobs');
is_deeply([ (split /\|/, $session->query($sequences =~ s/SCHEMA/crisp_sync_internal/gr))[ 1, 3 ] ],
	[ map { $_ + 1 } @numbers[ 1, 3 ] ], 'numbers go on');
is($session->query(q(SELECT count(*) FROM pg_class WHERE relname LIKE '%1\_0' OR relname LIKE 'upgrade\_%')), 0,
	'nothing of the update is left');
is($session->query(<<'END'), 'begun begun_bigint done done_bigint failed newer newer_begun older_begun people'
SELECT string_agg(c.relname, ' ' ORDER BY c.relname COLLATE "C")
FROM crisp_sync_internal.crisp_sync_job j JOIN pg_class c ON c.oid = j.target WHERE j.witnesses <> '[]'
END
	. ' people_begun people_bigint people_newer', 'what is covered is known of these');
is($session->query(q(SELECT state FROM tools.crisp_sync_status WHERE target = 'copies.messages_small'::regclass)),
	'stalled', 'a stalled job is stalled');

#
# They go on
#

$sandbox->data([
	{ op => 'touch', index => 70 }, { op => 'touch', index => 900 },
	{ op => 'insert_random', count => 3, seed => 1 } ]);
$session->query('SET search_path = tools, public');
sync_with($session, $sandbox);

# Several messages have one fingerprint: docs/sync.md has what a copy with a primary key takes.
sync_fails(q('crisp.messages', 'copies.messages', max_requests => 500), { sqlstate => '23505' },
	'1.0 made a key that several messages have');
$session->query("ALTER TABLE copies.$_ DROP CONSTRAINT ${_}_pkey; CREATE INDEX ON copies.$_ (session_id, fingerprint)")
  foreach 'messages', 'messages_small';

my $half = q(reference => '2025-10-01');
my %arguments = (newer => $half, newer_begun => $half, older_begun => "$half, condition => 'older'",
	by_creation => q(sync_field => 'created_at'), people_newer => $half);
my %rows = (newer => q(updated_at > '2025-10-01'), newer_begun => q(updated_at > '2025-10-01'),
	people_newer => q(updated_at > '2025-10-01'), older_begun => q(updated_at < '2025-10-01'));
# What the state spares: requests of all calls, where reading all would take more.
my %most = (done => 5, done_bigint => 5, people => 8, begun => 18, newer => 8);

foreach my $target (sort keys %source)
{
	my $requests = 0;
	my $state = '';

	for my $attempt (1 .. 60)
	{
		$requests += sync(
			join ', ', "'$source{$target}'", "'copies.$target'", 'max_requests => 300', $arguments{$target} // ()
		)->{requests};
		$state = $session->query("SELECT state FROM crisp_sync_status WHERE target = 'copies.$target'::regclass");
		last if $state eq 'up to date' || ($target eq 'older_begun' && $attempt == 3);
	}
	is($state, 'up to date', "$target: comes to its end") unless $target eq 'older_begun';
	my ($rows, $missing, $extra) = compare_copy($source{$target}, "copies.$target", $rows{$target});
	cmp_ok($rows, '>', 0, "$target: there are rows");
	is($missing, 0, "$target: nothing is missing");
	# Others may have moved on since.
	is($extra, 0, "$target: nothing else is there") unless $target =~ /newer|older/;
	cmp_ok($requests, '<=', $most{$target}, "$target: what was known spares requests") if $most{$target};
	note "$target: $requests requests";
}

#
# Imported tables lack what is new
#

$session->query('SET search_path = public');
$session->query($_) foreach split /\n(?=ALTER|IMPORT)/,
  $session->query(q(SELECT statement FROM tools.crisp_fdw_missing_columns('crisp')));
is($session->query(q(SELECT statement FROM tools.crisp_fdw_missing_columns('crisp'))), '',
	'imported tables can have what is new');

$node->stop;
done_testing();
