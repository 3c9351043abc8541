# Websites spread over several servers: each copies its own, and one coordinator reads all of
# them through partitions that are foreign tables of postgres_fdw.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = CrispSandbox->start(conversations => 500, people => 60, websites => 3);
my @websites = map { $sandbox->website_id($_) } 0 .. 2;

# Two servers that ask Crisp, each for websites of its own.
my %node = map { $_ => start_named_node($_, 'wal_level = logical', 'max_wal_senders = 4') } qw(north south);
my %copies = (
	north => { conversations => 'crisp' },
	south => { conversations => 'crisp', more_conversations => 'second' });

connect_crisp($node{north}, $sandbox, website => 0);
connect_crisp($node{south}, $sandbox, website => 1);
connect_crisp($node{south}, $sandbox, website => 2, server => 'second', schema => 'second');

# The one that is asked has no crisp_fdw, and no credentials of Crisp.
my $hub = init_node('hub');
$hub->start;

sub ask
{
	my ($sql) = @_;

	return $hub->safe_psql('postgres', $sql);
}

sub plan_of
{
	my ($sql) = @_;

	return ask("EXPLAIN (VERBOSE, COSTS OFF) $sql");
}

# Bring the copies of a server up to date.
sub copy_to
{
	my ($name) = @_;

	foreach my $table (sort keys %{ $copies{$name} })
	{
		$node{$name}->safe_psql('postgres',
			"CALL crisp_sync('$copies{$name}->{$table}.conversations', 'public.$table')");
	}
	return;
}

# What the coordinator has of a website, and what Crisp has.
my $row = q{concat_ws('|', session_id, (extract(epoch FROM updated_at) * 1000)::bigint)};

sub rows_at_hub
{
	my ($condition) = @_;

	return ask("SELECT $row FROM conversations WHERE $condition ORDER BY 1");
}

sub rows_at_crisp
{
	my (@of) = @_;

	return join "\n",
	  sort map { "$_->{session_id}|$_->{updated_at}" } map { $sandbox->rows('conversations', $_) } @of;
}

copy_to($_) foreach sort keys %node;
my $asked = $sandbox->count;

#
# The coordinator: a partition for each website.
#

ask('CREATE EXTENSION postgres_fdw');
foreach my $name (sort keys %node)
{
	my ($host, $port) = ($node{$name}->host, $node{$name}->port);

	ask(<<"END");
CREATE SERVER $name FOREIGN DATA WRAPPER postgres_fdw
	OPTIONS (host '$host', port '$port', dbname 'postgres', fetch_size '1000', async_capable 'true');
CREATE USER MAPPING FOR CURRENT_USER SERVER $name;
CREATE SCHEMA $name;
IMPORT FOREIGN SCHEMA public LIMIT TO (conversations, more_conversations) FROM SERVER $name INTO $name;
END
}
ask(<<"END");
CREATE TABLE conversations (LIKE north.conversations) PARTITION BY LIST (website_id);
ALTER TABLE conversations ATTACH PARTITION north.conversations FOR VALUES IN ('$websites[0]');
ALTER TABLE conversations ATTACH PARTITION south.conversations FOR VALUES IN ('$websites[1]');
ALTER TABLE conversations ATTACH PARTITION south.more_conversations FOR VALUES IN ('$websites[2]');
END

is(rows_at_hub('true'), rows_at_crisp(@websites), 'the coordinator has the rows of all websites');
foreach my $number (0 .. 2)
{
	isnt(rows_at_crisp($websites[$number]), '', "there are rows of website $number");
	is( rows_at_hub("website_id = '$websites[$number]'"),
		rows_at_crisp($websites[$number]),
		"the coordinator has those of website $number");
}

#
# What the servers do for it.
#

my $all = q{SELECT session_id FROM conversations WHERE state = 'resolved' AND updated_at > '2025-12-01'};
my $plan = plan_of($all);

is(scalar(() = $plan =~ /Async Foreign Scan on/g), 3, 'the servers work at the same time')
  or diag($plan);
is(scalar(grep { /Remote SQL: .* WHERE / && /state = 'resolved'/ && /updated_at > / } split /\n/, $plan),
	3, 'each filters its rows')
  or diag($plan);
is(ask("SELECT count(*) FROM ($all) a"),
	$node{north}->safe_psql('postgres', "SELECT count(*) FROM ($all) a") +
	$node{south}->safe_psql('postgres', "SELECT count(*) FROM ($all) a") +
	$node{south}->safe_psql('postgres', 'SELECT count(*) FROM (' . $all =~ s/conversations/more_$&/r . ') a'),
	'the rows of all three');

$plan = plan_of("SELECT session_id FROM conversations WHERE website_id = '$websites[1]'");
like($plan, qr/\A *(?:Async )?Foreign Scan on south\.conversations/, 'one website asks one server')
  or diag($plan);
is(scalar(() = $plan =~ /Foreign Scan/g), 1, 'and no other');

my $by_website = 'SELECT website_id, count(*), max(updated_at) FROM conversations GROUP BY website_id';
$plan = plan_of("$by_website ORDER BY 1");
unlike($plan, qr/Remote SQL: .*count/, 'by default the coordinator aggregates');
my $settings = 'SET enable_partitionwise_aggregate = on; ';
$plan = ask("${settings}EXPLAIN (VERBOSE, COSTS OFF) $by_website");
is(scalar(() = $plan =~ /Remote SQL: SELECT website_id, count\(\*\), max\(updated_at\) .* GROUP BY 1/g),
	3, 'each server aggregates its website')
  or diag($plan);
is( ask("${settings}SELECT string_agg(concat_ws('|', website_id, count), ',' ORDER BY website_id) FROM "
	. "($by_website) w"),
	join(',', map { "$_|" . scalar($sandbox->rows('conversations', $_)) } sort @websites),
	'and the counts are right');

is($sandbox->count, $asked, 'none of this asks Crisp');

#
# A change at one website.
#

$sandbox->clear;
$sandbox->data([ { op => 'touch', index => 20, website_id => $websites[1] } ]);
isnt(rows_at_hub('true'), rows_at_crisp(@websites), 'a change that no server has copied');
copy_to('south');
is(rows_at_hub('true'), rows_at_crisp(@websites), 'the coordinator has what a server copies');
is( join(' ', map { m{website/([^/]+)} } $sandbox->targets),
	"$websites[1] $websites[2]",
	'a request for each website of that server');

#
# A server that is down.
#

$node{south}->stop;
is(rows_at_hub("website_id = '$websites[0]'"),
	rows_at_crisp($websites[0]), 'a query for the websites of the others goes on');
my ($status, undef, $error) = $hub->psql('postgres', $all);
is($status, 3, 'a query for all fails');
like($error, qr/ERROR:  could not connect to server "south"/, 'and says which server is missing');
$node{south}->start;
is(rows_at_hub('true'), rows_at_crisp(@websites), 'it is there again');

#
# A copy that is replicated, to where nobody asks Crisp.
#

my $replicated = q{SELECT string_agg(c::text, ',' ORDER BY session_id) FROM %s c};
my ($host, $port) = ($node{south}->host, $node{south}->port);

$node{south}->safe_psql('postgres', 'CREATE PUBLICATION copies FOR TABLE more_conversations');
ask('CREATE TABLE more_conversations (LIKE south.more_conversations)');
ask('ALTER TABLE more_conversations ADD PRIMARY KEY (session_id)');
$hub->append_conf('postgresql.conf', "wal_retrieve_retry_interval = '100ms'");
$hub->reload;
ask("CREATE SUBSCRIPTION copies CONNECTION 'host=$host port=$port dbname=postgres' PUBLICATION copies");

sub is_replicated
{
	my ($name) = @_;
	my $expected = $node{south}->safe_psql('postgres', sprintf $replicated, 'more_conversations');

	$hub->poll_query_until('postgres', sprintf($replicated, 'more_conversations'), $expected);
	is(ask(sprintf $replicated, 'more_conversations'), $expected, $name);
	return;
}

is_replicated('a copy is replicated');
my $count = ask('SELECT count(*) FROM more_conversations');
$sandbox->data(
	[
		{ op => 'touch', index => 5, website_id => $websites[2] },
		{ op => 'insert_random', count => 1, seed => 3, website_id => $websites[2] }
	]);
copy_to('south');
is_replicated('so is what a sync brings');
is(ask('SELECT count(*) FROM more_conversations'), $count + 1, 'with the new row');
ask('DROP SUBSCRIPTION copies');

#
# A list may be so long that the planner has statements compiled.  That takes longer than a window does.
#

{
	my $session = CrispSession->start($node{north});
	my $plans = sub {
		my ($statement, $part) = @_;

		return grep { / plan:\n.*\Q$part\E/s } map { $_->{message} } @{ $session->run($statement)->{notices} };
	};

	$session->query(q{LOAD 'auto_explain'; SET jit = on; SET jit_above_cost = 0; SET client_min_messages = log;
		SET auto_explain.log_min_duration = 0; SET auto_explain.log_analyze = on;
		SET auto_explain.log_nested_statements = on});
	my @windows = $plans->(q{CALL crisp_sync('crisp.conversations', 'public.compiled')},
		'FROM crisp.conversations s WHERE');
	my ($query) = $plans->('SELECT count(*) FROM crisp.conversations', 'count(*)');
	cmp_ok(scalar @windows, '>', 0, 'there are windows');
	is(scalar(grep { /^JIT:/m } @windows), 0, 'none of them is compiled');
	is( $query =~ /^JIT:/m ? 't' : 'f',
		$session->query('SELECT pg_jit_available()'),
		'as other statements are');
	$session->quit;
}

$_->stop foreach $hub, values %node;
done_testing();
