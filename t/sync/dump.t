# What pg_dump, pg_restore and pg_upgrade do with foreign tables, with materialized views over them, and with
# copies that crisp_sync() keeps.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = CrispSandbox->start(conversations => 130, people => 60, operators => 5);
my $node = start_node('wal_level = replica', 'max_wal_senders = 4');
my $directory = PostgreSQL::Test::Utils::tempdir();
my @credentials = @{ $sandbox->credentials }{qw(identifier key)};

connect_crisp($node, $sandbox, options => "max_retries '0'");

sub query
{
	my ($sql, $database) = @_;

	return $node->safe_psql($database // 'postgres', $sql);
}

sub requests
{
	return join ' ', map { s{^GET .*?website/[^/]+/}{}r } $sandbox->targets;
}

# Dump the database to a file with these options, and return its name.
sub dump_with
{
	my (@options) = @_;
	my $file = "$directory/dump" . ++our $dumps;

	$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $file, @options ],
		"pg_dump @options");
	return $file;
}

# Restore a dump in plain text into a new database on a server.
sub restore
{
	my ($file, $database, $on) = @_;

	$on //= $node;
	$on->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0");
	return $on->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $on->connstr($database), '-f', $file ],
		"restore of $database");
}

# The definitions in a database, one a line.  pg_dump sorts options.
sub definitions
{
	my ($database) = @_;
	my $options = "(SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(%s) AS o)";

	return [ split /\n/, query(sprintf(<<"END", qw(srvoptions umoptions ftoptions attfdwoptions)), $database) ];
SELECT concat_ws(' ', 'server', srvname, $options) FROM pg_foreign_server
UNION ALL SELECT concat_ws(' ', 'mapping', srvname, usename, $options) FROM pg_user_mappings
UNION ALL SELECT concat_ws(' ', 'table', ftrelid::regclass, $options) FROM pg_foreign_table
UNION ALL SELECT concat_ws(' ', 'column', attrelid::regclass, attname, atttypid::regtype, attnotnull, $options)
	FROM pg_attribute JOIN pg_foreign_table ON ftrelid = attrelid WHERE attnum > 0
ORDER BY 1
END
}

#
# Definitions and views.
#

query(<<'END');
ALTER FOREIGN TABLE crisp.conversations OPTIONS (ADD per_page '40');
ALTER FOREIGN TABLE crisp.conversations ADD COLUMN plan text OPTIONS (json_path 'meta.data.plan');
CREATE VIEW waiting AS SELECT * FROM crisp.conversations WHERE waiting_since IS NOT NULL;
CREATE MATERIALIZED VIEW staff AS SELECT user_id, first_name FROM crisp.operators;
CREATE UNIQUE INDEX ON staff (user_id);
END
my $defined = definitions();
my $staff = 'SELECT count(*) FROM staff';

cmp_ok(scalar(@{$defined}), '>', 150, 'there is something to compare');

$sandbox->clear;
my $dump = dump_with();
is(requests(), '', 'pg_dump asks Crisp for nothing');
restore($dump, 'restored');
is_deeply(definitions('restored'), $defined, 'servers, mappings, tables and columns are restored');
is(requests(), 'operators/list', 'a restore refreshes each materialized view that had been filled');
is(query($staff, 'restored'), query($staff), 'and that is how it has its rows');

like(slurp_file($dump), qr/\Q$_\E/, 'the dump has the credentials of user mappings') foreach @credentials;

# Without the rows of the views, a restore asks for nothing.
$dump = dump_with('--exclude-table-data=staff');
$sandbox->clear;
restore($dump, 'unasked');
is(requests(), '', 'a restore without the rows of views asks Crisp for nothing');
like(($node->psql('unasked', $staff))[2], qr/materialized view "staff" has not been populated/, 'such a view is empty');
query('REFRESH MATERIALIZED VIEW staff', 'unasked');
is(query($staff, 'unasked'), query($staff), 'until it is refreshed');

# Or by the list of pg_restore.
$dump = dump_with('-Fc');
my ($list) = run_command([ 'pg_restore', '-l', $dump ]);
$list = join "\n", map { / MATERIALIZED VIEW DATA / ? ";$_" : $_ } split /\n/, $list;
append_to_file("$dump.list", "$list\n");
query('CREATE DATABASE listed TEMPLATE template0');
$sandbox->clear;
$node->command_ok([ 'pg_restore', '-e', '-L', "$dump.list", '-d', $node->connstr('listed'), $dump ],
	'pg_restore without MATERIALIZED VIEW DATA');
is(requests(), '', 'asks for nothing');
is_deeply(definitions('listed'), $defined, 'and restores the same definitions');

# A restore where Crisp cannot be asked.
$sandbox->control({ answers => [ { match => { path => '*' }, status => 401 } ] });
query('CREATE DATABASE refused TEMPLATE template0');
my ($status, undef, $error) = $node->psql('refused', slurp_file(dump_with()), on_error_stop => 0);
like($error, qr/ERROR:  Crisp rejected the credentials/, 'a refresh that fails during a restore');
is_deeply(definitions('refused'), $defined, 'the rest is restored');
$sandbox->control({ answers => [] });

# The rows of foreign tables, when they are asked for.
$sandbox->clear;
$dump = dump_with('--include-foreign-data=support', '--table=crisp.operators');
is(requests(), 'operators/list', 'with --include-foreign-data, pg_dump asks Crisp');
like(slurp_file($dump), qr/^COPY crisp\.operators /m, 'and has the rows');

# A role that may not see the options of a mapping.
query(<<'END');
CREATE ROLE clerk LOGIN;
GRANT USAGE ON SCHEMA crisp TO clerk;
GRANT SELECT ON ALL TABLES IN SCHEMA crisp, public TO clerk;
END
$dump = dump_with('-U', 'clerk');
unlike(slurp_file($dump), qr/\Q$_\E/, 'who may not see credentials does not dump them') foreach @credentials;

#
# Copies, and what is known of them: one that is up to date, and one whose load has just begun.
#

my $sync = q{CALL crisp_sync('crisp.conversations', 'public.conversations')};
my $load = q{CALL crisp_sync('crisp.conversations', 'public.begun', max_requests => 2)};
my $state = <<'END';
SELECT source, target, state, watermark, rows_inserted, requests FROM crisp_sync_status ORDER BY target::text
END
my $copies = q{SELECT count(*), md5(string_agg(to_jsonb(c)::text, ',' ORDER BY session_id)) FROM conversations c};

# One test: syncing goes on in this database from where it was.
sub goes_on
{
	my ($database, $where) = @_;
	my $last_run = 'SELECT max(run_id) FROM crisp_sync_run';
	my $run = query($last_run, $database);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	subtest "syncing goes on $where" => sub {
		$sandbox->clear;
		query($sync, $database);
		is(requests() =~ s/\?\S*//r, 'conversations/1', 'one page for what has changed');
		is( query('SELECT count(*) FROM conversations', $database),
			query('SELECT count(*) FROM crisp.conversations', $database),
			'all conversations');
		is(query($last_run, $database), $run + 1, 'runs are numbered on');
		for (1 .. 10)
		{
			last if query($state, $database) !~ /begun\|unfinished/;
			query($load, $database);
		}
		is( query('SELECT count(*) FROM begun', $database),
			query('SELECT count(*) FROM crisp.conversations', $database),
			'a load that had begun comes to its end');
	};
	return;
}

query($sync);
query($load);
my $known = query($state);
my $copied = query($copies);
like($known, qr/\|(?:public\.)?begun\|unfinished\|.*conversations\|up to date\|/s, 'one is up to date, one has begun');

$dump = dump_with('--exclude-table-data=staff');
$sandbox->data([ { op => 'touch', index => 70 } ]);
$sandbox->clear;
restore($dump, 'copied');
is(query($state, 'copied'), $known, 'a dump carries what is known of the copies');
is(query($copies, 'copied'), $copied, 'and the copies');
is(requests(), '', 'to restore them asks Crisp for nothing');
goes_on('copied', 'in another database');

my $other = init_node('other');
$other->start;
$other->safe_psql('postgres', 'CREATE ROLE clerk');
restore($dump, 'copied', $other);
is($other->safe_psql('copied', $state), $known, 'on another server as well');
is($other->safe_psql('copied', $copies), $copied, 'with the copies');
$other->stop;

query('DROP EXTENSION crisp_fdw CASCADE', 'copied');
is( query(q{SELECT count(*) FILTER (WHERE relkind = 'f'), count(*) FILTER (WHERE relname IN ('conversations', 'begun'))
	FROM pg_class WHERE relkind IN ('f', 'r')}, 'copied'),
	'0|2', 'DROP EXTENSION takes the foreign tables, and leaves the copies');

#
# A standby can be asked, and asks, but writes nothing.
#

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
is($standby->safe_psql('postgres', $copies), $copied, 'a standby has the copies');
is($standby->safe_psql('postgres', $state), $known, 'and what is known of them');
is( $standby->safe_psql('postgres', 'SELECT count(*) FROM crisp.conversations'),
	query('SELECT count(*) FROM crisp.conversations'),
	'it can ask Crisp');
like(
	($standby->psql('postgres', $sync))[2],
	qr/ERROR:  cannot execute .* in a read-only transaction|ERROR:  cannot .* during recovery/,
	'and cannot sync');
foreach my $call (map { "crisp_sync_$_" } qw(reset drop))
{
	like(
		($standby->psql('postgres', "SELECT $call('crisp.conversations', 'pg_class')"))[2],
		qr/ERROR:  cannot execute $call during recovery/,
		"nor can $call");
}
$standby->stop;

#
# pg_upgrade moves the files of tables and views.
#

query("DROP DATABASE $_") foreach qw(restored unasked listed refused copied);
my $expected = query($staff);
my $upgraded = init_node('upgraded');
$node->stop;
$sandbox->clear;
chdir $directory or die "cannot use $directory: $!\n";
chomp(my $bin = `pg_config --bindir`);
command_ok(
	[
		'pg_upgrade', '-d', $node->data_dir, '-D', $upgraded->data_dir, '-b', $bin, '-B', $bin,
		'-s', $upgraded->host, '-p', $node->port, '-P', $upgraded->port
	],
	'pg_upgrade');
$upgraded->start;
$node = $upgraded;
is_deeply(definitions(), $defined, 'servers, mappings, tables and columns are there again');
is(query($staff), $expected, 'and so are the rows of materialized views');
is(query($state), $known, 'what is known of the copies');
is(query($copies), $copied, 'and the copies');
is(requests(), '', 'Crisp has not been asked for anything');
goes_on('postgres', 'after pg_upgrade');

$node->stop;
done_testing();
