# What was spent: by a session, by all of them, and who may see it.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $PER_PAGE = 20;
my $SHARED_SERVERS = 128;    # told apart in shared memory

my $sandbox = CrispSandbox->start(
	conversations => 50,
	people => 30,
	visitors => 5,
	operators => 3,
	websites => 1);
my $node = start_node();
connect_crisp($node, $sandbox,
	options => "per_page '$PER_PAGE', prefetch '1', retry_delay '1ms', max_retries '1'");

my $session = CrispSession->start($node);
my $read = 'SELECT count(session_id) FROM crisp.conversations';
my $operators = 'SELECT count(user_id) FROM crisp.operators';
my @outcomes =
  qw(answered rate_limited refused server_errors unreachable timed_out broken_off unusable abandoned);

sub answer_with
{
	my ($answer) = @_;

	$sandbox->reset;
	$sandbox->control({ answers => [ { match => { path => '*/operators/list' }, %{$answer} } ] });
	return;
}

# A row of crisp_fdw_usage, as a hash; undef when there is none.
sub usage
{
	my ($whose, $scope, $server) = @_;

	$server //= 'support';
	my $row = $whose->query(
		"SELECT row_to_json(u) FROM crisp_fdw_usage u WHERE scope = '$scope' AND server = '$server'");
	return $row eq '' ? undef : decode_json($row);
}

# What a statement adds to the session's usage: the counts that aren't zero.
sub spent_by
{
	my ($sql) = @_;
	my $result;

	$session->query('SELECT crisp_fdw_usage_reset()');
	$result = $session->run($sql);
	my $usage = usage($session, 'session') // {};
	return {
		map { $_ => $usage->{$_} }
		grep { $usage->{$_} } qw(requests retries rows),
		@outcomes
	};
}

# ---- A session of its own

is($session->query('SELECT count(*) FROM crisp_fdw_usage'), 0, 'nothing was spent yet');
is($session->query('SELECT count(*) FROM crisp_fdw_usage()'), 0, '... as the function says');

answer_with({ delay_ms => 20 });
is_deeply(spent_by($operators), { requests => 1, answered => 1, rows => 3 }, 'a request');
my $usage = usage($session, 'session');
is($usage->{database}, 'postgres', 'the database');
cmp_ok($usage->{bytes}, '>', 100, 'bytes are counted');
cmp_ok($usage->{wait_time}, '>', 10, 'and so are the milliseconds spent waiting');
is($usage->{last_error}, undef, 'no error');
is($usage->{last_error_at}, undef, '... at no time');
is( $session->query(
		q{SELECT bool_and(since BETWEEN now() - interval '1 minute' AND clock_timestamp()) FROM crisp_fdw_usage}),
	't',
	'counted since a moment ago');

$sandbox->show_rechecks(1);
$sandbox->reset;
my $rows = $session->query($read);
my $requests = $sandbox->count;
is_deeply(
	spent_by($read),
	{
		requests => $requests,
		answered => $requests,
		rows => usage($session, 'session')->{rows}
	},
	'a list');
cmp_ok(usage($session, 'session')->{rows}, '>=', $rows, 'all rows received are counted');

$session->query('EXPLAIN SELECT * FROM crisp.conversations');
is(usage($session, 'session')->{requests}, $requests, 'EXPLAIN spends nothing');

is_deeply(
	spent_by('SELECT * FROM crisp.visitors_count'),
	{ requests => 1, answered => 1, rows => 1 },
	'a list that is one row');

# How requests end.  With two attempts each: the second counts as a retry.
my %endings = (
	'status 429' => [ { status => 429 }, 'rate_limited', 2 ],
	'status 420' => [ { status => 420 }, 'rate_limited', 2 ],
	'status 422' => [ { status => 422 }, 'rate_limited', 2 ],
	'status 423' => [ { status => 423, body => '{"error":true,"reason":"quota_limit_exceeded","data":{}}' },
		'rate_limited', 2 ],
	'status 408' => [ { status => 408 }, 'timed_out', 2 ],
	'status 401' => [ { status => 401 }, 'refused', 1 ],
	'status 402' => [ { status => 402 }, 'refused', 1 ],
	'status 404' => [ { status => 404 }, 'refused', 1 ],
	'a redirect' => [ { status => 302, headers => { Location => '/v2' } }, 'refused', 1 ],
	'status 500' => [ { status => 500 }, 'server_errors', 2 ],
	'status 503' => [ { status => 503 }, 'server_errors', 2 ],
	'a cut' => [ { cut_after => 100 }, 'broken_off', 2 ],
	'HTML' => [ { status => 200, body => '<html>' }, 'unusable', 1 ],
	'cut JSON' => [ { status => 200, body => '{"error":false,"da' }, 'unusable', 2 ],
	'no data' => [ { status => 200, body => '{"error":false}' }, 'unusable', 1 ],
	'data that is no list' => [ { status => 200, body => '{"error":false,"data":5}' }, 'unusable', 1 ],
	'status 204' => [ { status => 204 }, 'unusable', 1 ],
	'a refusal that looks like a success' =>
	  [ { status => 200, body => '{"error":true,"reason":"no"}' }, 'unusable', 1 ],
);
foreach my $name (sort keys %endings)
{
	my ($answer, $outcome, $attempts) = @{ $endings{$name} };

	answer_with($answer);
	is_deeply(
		spent_by($operators),
		{
			requests => $attempts,
			$outcome => $attempts,
			$attempts > 1 ? (retries => 1) : ()
		},
		"$name counts as $outcome");
	like(usage($session, 'session')->{last_error}, qr{/operators/list}, '... and is told');
}

answer_with({ status => 503, times => 1 });
is_deeply(
	spent_by($operators),
	{ requests => 2, retries => 1, server_errors => 1, answered => 1, rows => 3 },
	'what passes');
like(
	usage($session, 'session')->{last_error},
	qr{^Crisp failed to answer: GET website/.*/operators/list answered HTTP 503, reason "server_error"\.$},
	'... is told all the same');

answer_with({ hang => JSON::PP::true });
is_deeply(
	spent_by("SET statement_timeout = '3s';\n$operators;\nRESET statement_timeout"),
	{ requests => 1, abandoned => 1 },
	'a cancelled request counts as abandoned');
cmp_ok(usage($session, 'session')->{wait_time}, '>', 300, '... and the time that was spent on it, too');
$session->query(q{ALTER SERVER support OPTIONS (ADD request_timeout '100ms')});
is_deeply(
	spent_by($operators),
	{ requests => 2, retries => 1, timed_out => 2 },
	'one that takes too long as timed out');
$session->query('ALTER SERVER support OPTIONS (DROP request_timeout)');
$session->query(q{ALTER SERVER support OPTIONS (SET base_url 'http://127.0.0.1:1/v1')});
is_deeply(
	spent_by($operators),
	{ requests => 2, retries => 1, unreachable => 2 },
	'one that finds nobody as unreachable');
$session->query("ALTER SERVER support OPTIONS (SET base_url '@{[ $sandbox->url ]}')");

# One wait for two scans is one wait.
{
	my $both =
	  'SELECT user_id FROM crisp.operators UNION ALL SELECT inbox_id FROM crisp.inboxes';

	like($session->query("EXPLAIN (COSTS OFF) $both"),
		qr/Async Foreign Scan.*Async Foreign Scan/s, 'two scans under way together');
	$sandbox->reset;
	$sandbox->control({ latency_ms => 200 });
	spent_by($both);
	cmp_ok(usage($session, 'session')->{wait_time}, '>', 190, '... count the time that they wait');
	my @shown = $session->query("EXPLAIN (ANALYZE, COSTS OFF) $both") =~ /Waiting Time: ([\d.]+) ms/g;
	cmp_ok($shown[0] + $shown[1], '>', 190, '... which EXPLAIN shows as well');

	answer_with({ hang => JSON::PP::true });
	spent_by("SET statement_timeout = '100ms';\n$both;\nRESET statement_timeout");
	$sandbox->reset;
	my $before = usage($session, 'session')->{wait_time};
	my $since = time;
	$session->query($operators);
	cmp_ok(usage($session, 'session')->{wait_time} - $before,
		'<=', 1 + 1000 * (time - $since),
		'a wait that was cancelled does not go on');
}

$sandbox->reset;
is_deeply(
	spent_by(
		q{SELECT * FROM crisp.conversations WHERE session_id = 'session_00000000-0000-4000-8000-000000000000'}
	),
	{ requests => 1, answered => 1 },
	'a key that does not exist is an answer, without a row');
is_deeply(
	spent_by("SET crisp_fdw.max_requests = 1;\n$read;\nRESET crisp_fdw.max_requests"),
	{ requests => 1, answered => 1, rows => $PER_PAGE },
	'what may not be asked for does not count');

# What fails counts although its transaction is gone.
answer_with({ status => 401 });
is_deeply(
	spent_by("BEGIN;\n$operators;\nROLLBACK"),
	{ requests => 1, refused => 1 },
	'a transaction that fails');

# Credentials stay where they are, also when a server sends them back.
my $credentials = $sandbox->credentials('website');
answer_with(
	{
		status => 403,
		body => encode_json(
			{
				error => JSON::PP::true,
				reason => 'not_allowed',
				data => { message => "bad key $credentials->{key} of $credentials->{identifier}" }
			})
	});
$session->run($operators);
my $everything = $session->query('SELECT * FROM crisp_fdw_usage');
like($everything, qr/ answered HTTP 403/, 'an error with credentials in it is told');
foreach my $secret (
	$credentials->{key},
	$credentials->{identifier},
	encode_base64("$credentials->{identifier}:$credentials->{key}", ''))
{
	ok(index($everything, $secret) < 0, '... without them');
}
$sandbox->reset;

# ---- Who may see, and reset, what

$session->query(<<'END');
CREATE ROLE visitor;
CREATE ROLE auditor;
GRANT pg_read_all_stats TO auditor;
END
foreach my $role (qw(visitor auditor))
{
	my $sees = $role eq 'auditor' ? 't' : 'f';

	$session->query("SET ROLE $role");
	is($session->query('SELECT DISTINCT last_error IS NOT NULL FROM crisp_fdw_usage'),
		$sees, "whether the $role sees what went wrong for others");
	is($session->query('SELECT DISTINCT last_error_at IS NOT NULL FROM crisp_fdw_usage'),
		't', '... when, anybody may see');
	$session->fails('SELECT crisp_fdw_usage_reset_cluster()',
		{ sqlstate => '42501' }, "the $role may not reset what was counted for all");
	$session->query('RESET ROLE');
}
is($session->query('SET ROLE visitor; SELECT crisp_fdw_usage_reset()'),
	'', 'anybody may begin anew with his session');
$session->query('RESET ROLE');
is(usage($session, 'session'), undef, '... which then has spent nothing');

# ---- The cluster

if ($node->pg_version < 17)
{
	is($session->query(q{SELECT count(*) FROM crisp_fdw_usage WHERE scope = 'cluster'}),
		0, 'without preloading, there is nothing on the cluster');
	is($session->query('SELECT crisp_fdw_usage_reset_cluster()'), 'f', '... to be reset');
	$session->quit;
	$node->append_conf('postgresql.conf', 'shared_preload_libraries = crisp_fdw');
	$node->restart;
	$session = CrispSession->start($node);
}

my $other = CrispSession->start($node);
$session->query('SELECT crisp_fdw_usage_reset(), crisp_fdw_usage_reset_cluster()');
$session->query($operators) for 1 .. 3;
$other->query($operators) for 1 .. 4;
is(usage($session, 'session')->{requests}, 3, 'what the session has spent');
is(usage($other, 'session')->{requests}, 4, '... and another one');
is(usage($_, 'cluster')->{requests}, 7, 'what all have spent') foreach $session, $other;
is(usage($session, 'cluster')->{rows}, 21, '... and got for it');

$other->query('SELECT crisp_fdw_usage_reset()');
$other->query($operators);
is(usage($other, 'session')->{requests}, 1, 'a session that has begun anew');
is(usage($session, 'cluster')->{requests}, 8, '... takes nothing from the cluster');

answer_with({ hang => JSON::PP::true });
$other->query(q{SET statement_timeout = '1s'});
$other->run($operators);
$usage = usage($session, 'cluster');
is($usage->{requests}, 9, 'a cancelled request of the other session');
is($usage->{abandoned}, 1, '... counts when its transaction has ended');
$other->query('RESET statement_timeout');

answer_with({ status => 401 });
$other->run($operators);
like(usage($session, 'cluster')->{last_error}, qr/ answered HTTP 401/,
	'the last error of any session');
is(usage($session, 'session')->{last_error}, undef, '... is not that of this one');
$sandbox->reset;

$other->query($operators);
$other->query('SELECT pg_backend_pid()');
$other->quit;
is(usage($session, 'cluster')->{requests}, 11, 'what a session has spent outlives it');

# Another database has servers of its own, maybe of the same name.
$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
my $elsewhere = CrispSession->start($node, dbname => 'elsewhere');
$elsewhere->query(<<"END");
CREATE EXTENSION crisp_fdw;
CREATE SERVER support FOREIGN DATA WRAPPER crisp_fdw
	OPTIONS (base_url '@{[ $sandbox->url ]}', website_id '@{[ $sandbox->website_id ]}');
CREATE USER MAPPING FOR CURRENT_USER SERVER support
	OPTIONS (@{[ credential_options($sandbox, 'website') ]});
CREATE FOREIGN TABLE operators (user_id text) SERVER support;
END
$elsewhere->query('SELECT count(user_id) FROM operators');
is( $session->query(
		q{SELECT database, requests FROM crisp_fdw_usage WHERE scope = 'cluster' ORDER BY database}),
	"elsewhere|1\npostgres|11",
	'databases are told apart');
$elsewhere->quit;
$session->query('DROP DATABASE elsewhere');
is( $session->query(
		q{SELECT count(*), min(requests) FROM crisp_fdw_usage WHERE scope = 'cluster' AND database IS NULL}),
	'1|1',
	'what was spent in a database outlives it, too');

# The table is of fixed size: who has not been there for the longest time makes room.
$session->query(<<"END");
DO \$\$
BEGIN
	FOR i IN 1 .. $SHARED_SERVERS LOOP
		EXECUTE format('CREATE SERVER %I FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url %L, website_id %L)',
			'server' || i, '@{[ $sandbox->url ]}', '@{[ $sandbox->website_id ]}');
		EXECUTE format('CREATE USER MAPPING FOR CURRENT_USER SERVER %I OPTIONS (@{[ credential_options($sandbox, 'website') =~ s/'/''/gr ]})',
			'server' || i);
		EXECUTE format('CREATE FOREIGN TABLE operators%s (user_id text) SERVER %I OPTIONS (resource ''operators'')',
			i, 'server' || i);
		EXECUTE format('SELECT count(user_id) FROM operators%s', i);
		PERFORM crisp_fdw_disconnect('server' || i);
	END LOOP;
END \$\$;
END
is( $session->query(
		q{SELECT scope, count(*), sum(requests) FROM crisp_fdw_usage GROUP BY scope ORDER BY scope}),
	"cluster|$SHARED_SERVERS|$SHARED_SERVERS\nsession|" . ($SHARED_SERVERS + 1) . '|' . ($SHARED_SERVERS + 3),
	'more servers than there is room for');

is($session->query('SELECT crisp_fdw_usage_reset_cluster()'), 't', 'the cluster begins anew');
is($session->query(q{SELECT count(*) FROM crisp_fdw_usage WHERE scope = 'cluster'}),
	0, '... with nothing');
$session->query($operators);
is(usage($session, 'cluster')->{requests}, 1, '... and goes on from there');

# After a crash, too.
$session->quit;
$node->stop('immediate');
$node->start;
$session = CrispSession->start($node);
is($session->query('SELECT count(*) FROM crisp_fdw_usage'), 0, 'a crash forgets all');
$session->query($operators);
is( $session->query('SELECT scope, requests FROM crisp_fdw_usage ORDER BY scope'),
	"cluster|1\nsession|1",
	'... and counting begins anew');

unlike(slurp_file($node->logfile),
	qr/PANIC|TRAP|terminated by signal|leak/, 'the log knows of nothing odd');
done_testing();
