# Copies that pg_cron keeps fresh: crisp_sync() in background workers.

use strict;
use warnings;

use CrispCluster;
use CrispCron;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

plan_without_cron();

my $sandbox =
  CrispSandbox->start(conversations => 230, people => 160, operators => 5, now => 'current');
my $node = start_node(cron_settings());

connect_crisp($node, $sandbox, options => "max_retries '0'");
query('CREATE EXTENSION pg_cron');

my $call = q{CALL crisp_sync('crisp.conversations', 'public.conversations')};

sub query
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql);
}

# The requests since the last clear, without the website and without parameters.
sub requests
{
	return join ' ', map { s{^GET .*?website/[^/]+/}{}r =~ s/\?.*//r } $sandbox->targets;
}

# What the status says of the job.
sub status
{
	my ($columns) = @_;

	return query("SELECT $columns FROM crisp_sync_status WHERE target = 'public.conversations'::regclass");
}

# One test: the copy is what Crisp has.
sub is_equal
{
	my ($name) = @_;
	my $copy = query(
		'SELECT count(*), md5(string_agg((to_jsonb(c) - \'_synced_at\')::text, \',\' ORDER BY session_id)) '
			. 'FROM conversations c');
	my $crisp = query(
		q{SELECT count(*), md5(string_agg((to_jsonb(c) - 'search_query')::text, ',' ORDER BY session_id)) }
			. q{FROM crisp.conversations c});

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($copy, $crisp, $name);
	$sandbox->clear;
	return;
}

#
# The first run, and the next.
#

my $run = run_by_cron($node, $call);
is($run->{status}, 'succeeded', 'pg_cron runs a sync, which commits as it goes');
is($run->{message}, 'CALL', 'what it reports');
is(status('state, rows_inserted > 100'), 'up to date|t', 'the status');
is_equal('the copy is what Crisp has');

$run = run_by_cron($node, $call);
is(requests(), 'conversations/1', 'when nothing has changed, a run asks for one page');

my ($first) = map { $_->{session_id} } $sandbox->rows('conversations');
my $before = query('SELECT max(_synced_at) FROM conversations');
$sandbox->data(
	[
		{ op => 'touch', index => 150 },
		{ op => 'patch', key => $first, set => { state => 'resolved' } },
		{ op => 'touch', key => $first },
		{ op => 'insert_random', count => 1, seed => 3 }
	]);
$sandbox->clear;
$run = run_by_cron($node, $call);
is($run->{status}, 'succeeded', 'the next run');
is(requests(), 'conversations/1', 'asks for what has changed');
is_equal('the copy has the changes');
is(query('SELECT rows_inserted, rows_updated FROM crisp_sync_run ORDER BY run_id DESC LIMIT 1'),
	'1|2', 'what is known of the run');

#
# Two at once.
#

$sandbox->data([ { op => 'touch', index => 30 } ]);
$sandbox->answer_with('*/conversations/*' => { hang => JSON::PP::true });
$sandbox->clear;
$run = start_by_cron($node, $call);
for (1 .. 600)
{
	last if $sandbox->count;
	sleep 0.05;
}
is(status('state, pid'), "running|$run->{pid}", 'the status shows who runs it');
{
	my $session = CrispSession->start($node);
	my $result = $session->run($call);

	is(scalar @{ $result->{errors} }, 0, 'a second run raises no error');
	like(
		join('|', map { $_->{message} } @{ $result->{notices} }),
		qr/^the sync of "crisp\.conversations" into "(?:public\.)?conversations" is running already, in process $run->{pid}$/,
		'it says that there is another');
	is($sandbox->count, 1, 'and asks for nothing');
	$session->quit;
}

# The first is cancelled; the next goes on from there.
query("SELECT pg_cancel_backend($run->{pid})");
$run = end_of_run($node, $run);
is($run->{status}, 'failed', 'a run that is cancelled');
like($run->{message}, qr/^ERROR: canceling statement due to user request/, 'the error');
$sandbox->control({ answers => [] });
$run = run_by_cron($node, $call);
is($run->{status}, 'succeeded', 'the next run');
is_equal('the copy has what the cancelled run missed');

#
# A run that fails.
#

$sandbox->data([ { op => 'touch', index => 40 } ]);
$sandbox->answer_with('*/conversations/*' => { status => 401 });
$run = run_by_cron($node, $call);
is($run->{status}, 'failed', 'credentials that are refused');
like($run->{message}, qr/^ERROR: Crisp rejected the credentials, server "support"\n/, 'the error');
like($run->{message}, qr/^HINT: Check identifier, key and tier in the user mapping/m, 'its hint');
like(status('last_error'), qr/^Crisp rejected the credentials/, 'the status shows it, too');
is( query(q{SELECT count(*) FROM crisp_sync_status WHERE last_error_at > coalesce(last_success, '-infinity')}),
	1, 'a query for alerts finds the job');
$sandbox->control({ answers => [] });
$run = run_by_cron($node, $call);
is($run->{status}, 'succeeded', 'the next run');
is( query(q{SELECT count(*) FROM crisp_sync_status WHERE last_error_at > coalesce(last_success, '-infinity')}),
	0, 'now it finds none');
is_equal('the copy has what the failed run missed');

#
# A quota that is spent: the run fails, and the next one has as little to ask for as this one had.  Profiles
# are fetched in another way than conversations.
#

my $people = q{CALL crisp_sync('crisp.people_profiles', 'public.people')};
query($people);
$sandbox->data([ map { { op => 'touch', resource => $_, index => 20 } } qw(conversations people) ]);
$sandbox->control(
	{ answers => [ { match => {}, status => 429, headers => { 'Retry-After' => '3600' } } ] });
foreach my $statement ($call, $people)
{
	$run = run_by_cron($node, $statement);
	is($run->{status}, 'failed', "a quota that is spent: $statement");
	like($run->{message}, qr/^ERROR: Crisp's rate limit or request quota is reached, server "support"\n/, 'the error');
	like($run->{message}, qr/^HINT: Wait before trying again/m, 'its hint');
}
is( query('SELECT DISTINCT last_error FROM crisp_sync_status'),
	q{Crisp's rate limit or request quota is reached, server "support"},
	'the status shows it');
$sandbox->control({ answers => [] });
$sandbox->clear;
$run = run_by_cron($node, $call);
is(requests(), 'conversations/1', 'the next run asks for what has changed');
$sandbox->clear;
$run = run_by_cron($node, $people);

# Two requests prove the order of the list, to a session that is new with each run.  Having taken more than
# one, a run that found something looks again.
is(requests(), join(' ', ('people/profiles/1') x 4), 'so it does for profiles, once the order of the list is known');
is_equal('the copy has what the failed run missed');
is( query('SELECT count(*), max(updated_at) FROM people'),
	query('SELECT count(*), max(updated_at) FROM crisp.people_profiles'),
	'and so has that of profiles');

#
# Within a quota: a role that may spend so much, and a load that takes several runs.
#

my $website = credential_options($sandbox, 'website');

query(<<"END");
CREATE ROLE loader LOGIN;
GRANT USAGE ON SCHEMA cron, crisp TO loader;
GRANT SELECT ON ALL TABLES IN SCHEMA crisp TO loader;
CREATE USER MAPPING FOR loader SERVER support OPTIONS ($website);
CREATE SCHEMA loaded AUTHORIZATION loader;
ALTER ROLE loader SET crisp_fdw.max_requests = 3;
ALTER ROLE loader SET client_min_messages = warning;
END
my $load = q{CALL crisp_sync('crisp.conversations', 'loaded.conversations')};
my $runs = 0;
for (1 .. 10)
{
	$sandbox->clear;
	$run = run_by_cron($node, $load, 'loader');
	$runs++;
	is($run->{status}, 'succeeded', "run $runs of a load");
	cmp_ok($sandbox->count, '<=', 3, 'stays within the limit of its role');
	last
	  if query(q{SELECT state FROM crisp_sync_status WHERE target = 'loaded.conversations'::regclass}) eq
	  'up to date';
}
cmp_ok($runs, '>', 1, 'it takes several');
is( query('SELECT count(*), count(DISTINCT session_id) FROM loaded.conversations'),
	query('SELECT count(*), count(*) FROM crisp.conversations'),
	'and is complete then');
is( query('SELECT tableowner FROM pg_tables WHERE schemaname = \'loaded\''),
	'loader', 'the table is that of the role');

#
# On a schedule.
#

$sandbox->data([ { op => 'touch', index => 10 } ]);
my $schedule = shortest_schedule($node);
my $job = query("SELECT cron.schedule('crisp', '$schedule', \$\$$call\$\$)");
$run = end_of_next_run($node, $job);
is($run->{status}, 'succeeded', "pg_cron runs the sync by the schedule $schedule");
query("SELECT cron.unschedule('crisp')");
is_equal('the copy has the change');

$node->stop;
done_testing();
