# What was spent of Crisp's daily quota: counted by token, server and day, across sessions, restarts and crashes of the
# server; and the limit of a server, daily_requests, which no setting lifts.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 1000, people => 300, websites => 2);
my $session = CrispSession->start($node);
my $list    = 'SELECT count(session_id) FROM crisp.conversations';
my $small   = 'SELECT count(*) FROM crisp.operators WHERE user_id IS NOT NULL';

# What crisp_fdw_quota shows of a server, by column.
sub quota
{
	my ($columns, $server) = @_;

	$server //= 'support';
	return $session->query("SELECT $columns FROM crisp_fdw_quota WHERE server = '$server'");
}

is($session->query('SELECT count(*) FROM crisp_fdw_quota'), '0', 'nothing was asked for yet');

$session->query($list);
my $requests = () = $sandbox->logged;
cmp_ok($requests, '>', 15, 'a list of several pages');
is(quota('requests, token_requests, documented_quota, daily_requests, requests_left'),
	"$requests|$requests|10000||" . (10000 - $requests), 'its requests are counted, and what Crisp documents is '
		. 'told');
is(quota(q(day = (now() AT TIME ZONE 'UTC')::date)), 't', '... of today');
unlike(quota('token'), qr/\Q${\$sandbox->credentials('website')->{identifier}}\E/, 'no credential is shown');

#
# Sessions, restarts, a crash of the server, and no look that counts.
#
CrispSession->start($node)->query($small);
$requests++;
is(quota('requests'), $requests, 'another session counts in the same place');
$sandbox->control({ answers => [ { match => { path => '*/operators/list' }, status => 500, times => 2 } ] });
$session->query(q(ALTER SERVER support OPTIONS (ADD retry_delay '1ms')));
$session->query($small);
$requests += 3;
is(quota('requests'), $requests, 'an attempt is a request, whatever comes of it');
$node->restart;
$session = CrispSession->start($node);
is(quota('requests'), $requests, 'a restart forgets nothing');
$session->query($small);
$requests++;
$node->stop('immediate');
$node->start;
$session = CrispSession->start($node);
is(quota('requests'), $requests, 'nor does a crash');

# Two sessions at once lose no count.
my @busy = map { CrispSession->start($node) } 1 .. 4;
foreach my $round (1 .. 5)
{
	$_->send($small) foreach @busy;
	$_->wait foreach @busy;
}
$requests += 20;
is(quota('requests'), $requests, 'four sessions at once');
$_->quit foreach @busy;

#
# Servers that share a token, and one with another.
#
connect_crisp($node, $sandbox, server => 'again', schema => 'again');
$session->query('SELECT count(*) FROM again.operators WHERE user_id IS NOT NULL');
is(quota('requests, token_requests', 'again'), '1|' . ($requests + 1), 'two servers with one token spend one quota');
is(quota('requests, token_requests'), "$requests|" . ($requests + 1), '... as each of them shows');
connect_crisp($node, $sandbox, server => 'other', schema => 'other', website => 1);
$session->query('SELECT count(*) FROM other.operators WHERE user_id IS NOT NULL');
is(quota('requests, token_requests', 'other'), '1|1', 'another token has its own');
connect_crisp($node, $sandbox, server => 'plugin', schema => 'plugin', tier => 'plugin');
$session->query('SELECT count(*) FROM plugin.operators WHERE user_id IS NOT NULL');
is(quota('documented_quota, requests_left', 'plugin'), '5000|4999', "a plugin's token may make fewer");

# Days gone by, and arguments.
is($session->query(q(SELECT count(DISTINCT day) FROM crisp_fdw_quota(32))), '1', 'there were no days before');
foreach my $days (0, -1, 33, 2147483647)
{
	$session->fails("SELECT * FROM crisp_fdw_quota($days)",
		{ sqlstate => '22023', message => 'days must be between 1 and 32' }, "$days days");
}

#
# The limit.
#
my $spent = quota('token_requests', 'other');
$session->query("ALTER SERVER other OPTIONS (ADD daily_requests '" . ($spent + 3) . "')");
$session->query('SELECT count(*) FROM other.operators WHERE user_id IS NOT NULL');
is(quota('daily_requests, requests_left', 'other'), ($spent + 3) . '|2', 'a limit, and what it leaves');
my $before  = () = $sandbox->logged;
my $limited = {
	sqlstate => 'CS002',
	message  => 'the ' . ($spent + 3) . ' requests of the day are spent, server "other"',
	hint     => qr/next day begins at midnight, UTC/ };
$session->fails('SELECT count(session_id) FROM other.conversations', $limited, 'a statement that needs more');
my $made = (() = $sandbox->logged) - $before;
is($made, 2, '... makes what is left, and no more');
$session->query('SET crisp_fdw.max_requests = 0');
$session->fails('SELECT count(*) FROM other.operators WHERE user_id IS NOT NULL', $limited, 'no setting lifts it');
$session->query('RESET crisp_fdw.max_requests');
is((() = $sandbox->logged) - $before, 2, '... and nothing was asked for');
is($session->query('SELECT count(*) FROM again.operators WHERE user_id IS NOT NULL') > 0, 1, 'other servers go on');
like($session->query(q(SELECT status FROM crisp_fdw_check('other'))), qr/^the \d+ requests of the day are spent/,
	'crisp_fdw_check() tells');
$session->query('CREATE ROLE clerk; GRANT USAGE ON FOREIGN SERVER other TO clerk; SET ROLE clerk');
$session->fails(q(ALTER SERVER other OPTIONS (SET daily_requests '0')), { sqlstate => '42501' },
	'who uses a server may not raise its limit');
is($session->query(q(SELECT requests_left FROM crisp_fdw_quota WHERE server = 'other')), '0', '... but may see it');
$session->query('RESET ROLE');

#
# What is reserved for syncs.
#
$spent = quota('token_requests', 'other');
$session->query("ALTER SERVER other OPTIONS (SET daily_requests '" . ($spent + 2) . "', ADD reserved_requests '2')");
$session->fails('SELECT count(*) FROM other.operators WHERE user_id IS NOT NULL',
	{
		sqlstate => 'CS002',
		message  => "the $spent requests of the day are spent, server \"other\"",
		detail   => qr/Another 2 are reserved for syncs and pushes/
	},
	'what is reserved is not for queries');
$session->query(q(CALL crisp_sync('other.operators', 'public.staff')));
cmp_ok($session->query('SELECT count(*) FROM staff'), '>', 0, 'it is for syncs');
$session->fails('SELECT count(*) FROM other.operators WHERE user_id IS NOT NULL', { sqlstate => 'CS002' },
	'... and not for what the session asks afterwards');

# A sync that the day cuts short goes on with the next.
$session->query(q(CALL crisp_sync('other.conversations', 'public.talks')));
is($session->query(q(SELECT state FROM crisp_sync_status WHERE target = 'talks'::regclass)), 'unfinished',
	'a sync takes what is left');
is(quota('requests_left', 'other'), '0', '... all of it');
$session->query(q(CALL crisp_sync('other.conversations', 'public.talks')));
is($session->query(q(SELECT requests FROM crisp_sync_run WHERE target = 'talks'::regclass ORDER BY run_id DESC LIMIT
	1)),
	'0', 'with nothing left it makes no request');

# What a call says of that: the level, the message, the detail and the hint of each notice.
sub told
{
	my ($call) = @_;
	my $result = $session->run($call);

	is(scalar @{ $result->{errors} }, 0, "$call: no error");
	return join("\n",
		map { join('|', map { $_ // '' } @{$_}{qw(severity message detail hint)}) } @{ $result->{notices} });
}

# Let so many requests be left of the day, also for queries.
sub leave
{
	my ($left) = @_;
	my $now = quota('token_requests', 'other') + $left;

	$session->query("ALTER SERVER other OPTIONS (SET daily_requests '$now', SET reserved_requests '0')");
	return $now;
}

my $tomorrow = 'The next day begins at midnight, UTC. crisp_fdw_quota shows what was spent; the limit is option '
	. 'daily_requests of the server.';
my $day = $spent + 2;

# The detail and the hint where all are spent, as a pattern.
sub spent { return quotemeta "The $day requests of the day are spent, server \"other\".|$tomorrow" }

# ... and where a setting allows no more.
sub setting
{
	return quotemeta "The setting crisp_fdw.max_requests allows $_[0].|Raise the setting crisp_fdw.max_requests.";
}

my $sync = q(CALL crisp_sync('other.conversations', 'public.talks'));
is(told($sync),
	'WARNING|the sync of "other.conversations" into "public.talks" gets no further today|'
		. "The $day requests of the day are spent, server \"other\".|$tomorrow\n"
		. 'NOTICE|"other.conversations": rows fetched: 0, new: 0, changed: 0, gone: 0; requests: 0; the rest next '
		. 'time||',
	'a sync that finds none left says so');
is($session->query(q(SELECT state FROM crisp_sync_status WHERE target = 'talks'::regclass)), 'stalled',
	'... its state');
$day = leave(3);
like(told($sync),
	qr/^NOTICE\|"other.conversations": [^|]*; requests: 3; the rest next time\|@{[ spent() ]}$/m,
	'so does one that the day cuts short');
foreach my $left ([ 1, '1 is' ], [ 4, '4 are' ])
{
	$day = leave($left->[0]);
	is($session->query(q(SELECT detail FROM crisp_sync_internal.crisp_sync_limit('other.operators', 0, 4))),
		"Of the $day requests of the day, $left->[1] left: what comes next takes more, server \"other\".",
		"... or of which $left->[1] left");
}
$day = leave(5);
is($session->query(q(SELECT is_day, detail FROM crisp_sync_internal.crisp_sync_limit('other.operators', 0, 4))), 'f|',
	'but not where max_requests are fewer');
$session->query('SET crisp_fdw.max_requests = 2');
$day = leave(50);
like(told(q(CALL crisp_sync('crisp.conversations', 'public.own'))),
	qr/; requests: 2; the rest next time\|@{[ setting('2 requests') ]}$/m,
	'and one that a setting does');
$session->query('SET crisp_fdw.max_requests = 1');
is(told(q(CALL crisp_sync('other.visitors', 'public.visits', max_requests => 2))) =~ s/\nNOTICE.*//sr,
	'NOTICE|created table public.visits||
WARNING|the sync of "other.visitors" into "public.visits" gets no further with a limit of 1|What comes next takes '
		. 'more requests.|Raise the setting crisp_fdw.max_requests.',
	'... which stalls it');
$session->query('SET crisp_fdw.max_requests = 2');
is(told(q(CALL crisp_sync('other.visitors', 'public.visits', max_requests => 1))) =~ s/\nNOTICE.*//sr,
	'WARNING|the sync of "other.visitors" into "public.visits" gets no further with a limit of 1|What comes next takes '
		. 'more requests.|Raise max_requests.',
	'... or max_requests');
$session->query('RESET crisp_fdw.max_requests');
$day = leave(1);
is(told(q(CALL crisp_sync('other.visitors', 'public.visits'))) =~ s/\nNOTICE.*//sr,
	'WARNING|the sync of "other.visitors" into "public.visits" gets no further today|'
		. "The $day requests of the day are spent, server \"other\".|$tomorrow",
	'... or what is left of the day');

# What a day's rest doesn't suffice for may be no matter for the next day: nothing is read again for that.
my $mine = q(CALL crisp_sync('crisp.people_profiles', 'public.mine'));
$session->query($mine) foreach 1 .. 2;
$sandbox->data([ { op => 'touch_random', resource => 'people', count => 200, seed => 7 } ]);
$session->query("ALTER SERVER support OPTIONS (ADD daily_requests '" . (quota('token_requests') + 3) . "')");
my $cut = told($mine);
like($cut, qr/ gets no further today\|(?:The|Of the) \d+ requests of the day/, 'changes are more than a day has left');
unlike($cut, qr/takes more than|Raise/, '... and are all that the next run reads');
$session->query('ALTER SERVER support OPTIONS (DROP daily_requests)');
my ($changes) = told($mine) =~ /rows fetched: .*; requests: (\d+)\|/;
cmp_ok($changes // 99, '<=', 8, '... for no more requests than changes take');
my $apart = join(' UNION ALL ', map { "(SELECT people_id, updated_at, email FROM $_->[0] EXCEPT ALL SELECT people_id, "
		. "updated_at, email FROM $_->[1])" } [qw(crisp.people_profiles mine)], [qw(mine crisp.people_profiles)]);
is($session->query("SELECT count(*) FROM ($apart) d"), '0', '... and the copy is as the list');

# Pushes, too.
$session->query("ALTER SERVER other OPTIONS (ADD updatable 'true'); CREATE TABLE friends AS "
		. q(SELECT 'f' || n || '@example.org' AS email, 'f' AS person_nickname FROM generate_series(1, 4) n));
my $push = q(CALL crisp_push('public.friends', 'other.people_profiles', key => 'email'));
$day = leave(0);
is(told($push),
	'WARNING|the push of "public.friends" into "other.people_profiles" gets no further today|'
		. "The $day requests of the day are spent, server \"other\".|$tomorrow\n"
		. 'NOTICE|"public.friends": new: 0, changed: 0, gone: 0, refused: 0; requests: 0; 4 rows next time||',
	'a push that finds none left says so');
$day = leave(3);
like(told($push),
	qr/^NOTICE\|"public\.friends": [^|]*; requests: 3; \d rows? next time\|@{[ spent() ]}$/,
	'so does one that the day cuts short');
leave(50);
$session->query('SET crisp_fdw.max_requests = 1');
like(told($push),
	qr/; requests: 1; \d rows? next time\|@{[ setting('1 request') ]}$/,
	'and one that a setting does');
$session->query('RESET crisp_fdw.max_requests');
unlike(told($push), qr/today|setting|of the day/, 'what comes to its end says nothing of that');
is($session->query(q(SELECT state, rows_pending FROM crisp_push_status)), 'up to date|0', '... and all is pushed');
$session->query(q(ALTER SERVER other OPTIONS (DROP daily_requests, DROP reserved_requests)));
$session->query(q(CALL crisp_sync('other.conversations', 'public.talks'))) foreach 1 .. 2;
is($session->query('SELECT count(*) FROM talks'), $session->query('SELECT count(*) FROM other.conversations'),
	'and goes on when there is more');

# All of them can't be reserved, whichever of the two options comes last.
my %none_left = (sqlstate => '22023', message => 'option "reserved_requests" must be less than "daily_requests"',
	hint => qr/One ALTER SERVER can set both/);
$session->query("ALTER SERVER other OPTIONS (ADD reserved_requests '5')");
$session->fails("ALTER SERVER other OPTIONS (ADD daily_requests '5')",
	{ %none_left, detail => 'With 5 requests a day and 5 reserved, none would be left for queries.' },
	'as many as there are');
$session->query("ALTER SERVER other OPTIONS (ADD daily_requests '6')");
$session->fails("ALTER SERVER other OPTIONS (SET reserved_requests '7')", \%none_left, 'more');
$session->fails(
	q(CREATE SERVER refused FOREIGN DATA WRAPPER crisp_fdw OPTIONS (reserved_requests '8', daily_requests '8')),
	\%none_left, 'a new server');
$session->query("ALTER SERVER other OPTIONS (SET daily_requests '0', SET reserved_requests '7')");
$session->query('SELECT count(*) FROM other.operators WHERE user_id IS NOT NULL');
is(quota('daily_requests IS NULL, reserved_requests', 'other'), 't|7', '0 is for any number');

# A server that has come to have such options otherwise.
$session->query(q(UPDATE pg_foreign_server SET srvoptions = array_replace(srvoptions, 'daily_requests=0',
	'daily_requests=7') WHERE srvname = 'other'));
$session->fails('SELECT count(*) FROM other.operators WHERE user_id IS NOT NULL',
	{
		sqlstate => 'CS002',
		message  => 'all requests of the day are reserved for syncs and pushes, server "other"',
		detail   => qr/^The next one would be GET \S+ Option daily_requests is 7, and reserved_requests 7\.$/,
		hint     => 'Set option reserved_requests of the server to less than daily_requests.'
	},
	'a query is told why it cannot be');
$session->query("ALTER SERVER other OPTIONS (SET reserved_requests '6')");
$session->fails('SELECT count(*) FROM other.operators WHERE user_id IS NOT NULL',
	{ sqlstate => 'CS002', message => 'the 1 request of the day is spent, server "other"' }, 'one is left, and spent');
$session->query('ALTER SERVER other OPTIONS (DROP daily_requests, DROP reserved_requests)');

foreach my $value ('-1', 'x', '1.5', '')
{
	$session->fails("ALTER SERVER other OPTIONS (ADD daily_requests '$value')", { sqlstate => '22023' },
		"daily_requests '$value'");
}

#
# A file that can't be written, and one of another layout.
#
my $file = $node->data_dir . '/crisp_fdw.quota';
$session->quit;
$node->stop;
append_to_file($file, 'x');
$node->start;
$session = CrispSession->start($node);
is($session->query('SELECT count(*) FROM crisp_fdw_quota'), '0', 'a file of another size is begun anew');
$session->query($small);
is(quota('requests'), '1', '... and counts');
$session->quit;
$node->stop;
unlink $file;
mkdir $file;
$node->start;
$session = CrispSession->start($node);
$session->query($small);
is(quota('requests'), '1', 'without a file the session counts what it makes');
like(
	slurp_file($node->logfile),
	qr/LOG: .*crisp_fdw cannot count requests in file "crisp_fdw.quota"/,
	'... and the log says why');
$session->quit;
rmdir $file;

done_testing();
