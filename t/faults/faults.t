# Faults: what may pass is tried again, what can't get better fails at once, and
# either way there are all rows or an error that says what to do.

use strict;
use warnings;

use CrispCluster;
use CrispListener;
use CrispSandbox;
use CrispSession;
use IO::Compress::Gzip ();
use JSON::PP;
use List::Util qw(uniq);
use MIME::Base64 qw(encode_base64);
use POSIX qw(ceil setlocale strftime LC_TIME);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $PER_PAGE = 20;
my $ATTEMPTS = 6;    # with the default of max_retries

my $sandbox = CrispSandbox->start(
	conversations => 150,
	people => 60,
	visitors => 5,
	operators => 3,
	websites => 1);
my $node = start_node(
	'log_min_messages = debug5',
	'log_min_error_statement = panic',
	'log_statement = none');
connect_crisp($node, $sandbox, options => "per_page '$PER_PAGE', retry_delay '5ms', prefetch '4'");

my $session = CrispSession->start($node);
my $website_id = $sandbox->website_id;
my $count = 'SELECT count(*) FROM crisp.conversations';
my $all = q{SELECT string_agg(session_id, ',' ORDER BY session_id) FROM crisp.conversations};
my $rows = $session->query($all);
my $total = $session->query($count);

cmp_ok($total, '>', 5 * $PER_PAGE, 'there are some pages to fail on');

sub gzip
{
	my ($text) = @_;
	my $packed;

	IO::Compress::Gzip::gzip(\$text => \$packed) or die 'cannot pack';
	return $packed;
}

# A moment as HTTP writes it.
sub http_date
{
	my ($seconds) = @_;

	setlocale(LC_TIME, 'C');
	return strftime('%a, %d %b %Y %H:%M:%S GMT', gmtime $seconds);
}

# The sandbox, from now on, gives these answers: pairs of a path and an answer.
sub answer_with
{
	my (@pairs) = @_;
	my @answers;

	while (my ($path, $answer) = splice @pairs, 0, 2)
	{
		push @answers, { match => { path => $path }, %{$answer} };
	}
	$sandbox->reset;
	$sandbox->control({ answers => \@answers });
	return;
}

# The requests for this page; the recheck of what has changed is none.
sub asked
{
	my ($page) = @_;

	return
	  grep { $_->{path} =~ m{/conversations/$page$} && $_->{query} !~ /filter_date/ }
	  $sandbox->requests;
}

# Set options of the server, which are as before when the function is through.
sub with_options
{
	my ($options, $function) = @_;
	my %option = %{$options};
	my @known = split /,/,
	  $session->query(
		q{SELECT string_agg(split_part(o, '=', 1), ',') FROM pg_foreign_server, unnest(srvoptions) o
		  WHERE srvname = 'support'});
	my %before = map { $_ => 1 } @known;
	my %value = map {
		$_ => $session->query(
			"SELECT substr(o, length('$_') + 2) FROM pg_foreign_server, unnest(srvoptions) o
			WHERE srvname = 'support' AND o LIKE '$_=%'")
	} grep { $before{$_} } keys %option;

	$session->query('ALTER SERVER support OPTIONS ('
		  . join(', ',
			map { ($before{$_} ? 'SET' : 'ADD') . " $_ '$option{$_}'" } sort keys %option)
		  . ')');
	$function->();
	$session->query('ALTER SERVER support OPTIONS ('
		  . join(', ',
			map { $before{$_} ? "SET $_ '$value{$_}'" : "DROP $_" } sort keys %option)
		  . ')');
	return;
}

sub seconds
{
	my ($function) = @_;
	my $start = time;

	$function->();
	return time - $start;
}

# ---- What may pass

my %gzip_header = ('Content-Encoding' => 'gzip');
my $cut_json = '{"error":false,"reason":"listed","data":[{"session_id":"ses';
my $packed_page = gzip(qq({"error":false,"reason":"listed","data":[{"session_id":"x"}]}));

# Name, answer, SQLSTATE when it does not pass, attempts made then.
my @passing = (
	(   map { [ "status $_", { status => $_ }, 'HV00M', $ATTEMPTS ] }
		  (408, 500, 501, 502, 503, 504, 520)
	),
	(map { [ "status $_", { status => $_ }, '53400', $ATTEMPTS ] } (420, 422, 423, 429)),
	[   'status 502 with HTML',
		{ status => 502, headers => { 'Content-Type' => 'text/html' }, body => '<h1>Oh no</h1>' },
		'HV00M', $ATTEMPTS ],
	[ 'a cut at once', { cut_after => 0 }, 'HV00M', $ATTEMPTS ],
	[ 'a cut in the body', { cut_after => 900 }, 'HV00M', $ATTEMPTS ],
	[   'a reset in the body',
		{ cut_after => 900, reset => JSON::PP::true },
		'HV00M', $ATTEMPTS ],
	[   'JSON that is cut, in a whole answer',
		{ status => 206, body => $cut_json },
		'08P01', 2 ],
	[ 'an empty body', { status => 200, body => '' }, '08P01', 2 ],
	[   'a packed body that is cut, in a whole answer',
		{
			status => 206,
			headers => \%gzip_header,
			body_base64 => encode_base64(substr($packed_page, 0, -20), '')
		},
		'08P01', 2 ],
	[   'a body that is not packed as it says',
		{ status => 206, headers => \%gzip_header, body => 'nope, nope, nope' },
		'08P01', 2 ],
);

foreach my $packed (JSON::PP::false, JSON::PP::true)
{
	my $how = $packed ? ', packed' : '';

	foreach my $fault (@passing)
	{
		my ($name, $answer, $sqlstate, $attempts) = @{$fault};

		foreach my $page (1, 3)
		{
			answer_with("*/conversations/$page", { times => 1, %{$answer} });
			$sandbox->control({ gzip => $packed });
			is($session->query($all), $rows, "$name on page $page, once$how: all rows");
			is(scalar(asked($page)), 2, '... after another request for that page');
		}
		is(scalar(asked(2)), 1, "... and none of another page");

		answer_with('*/conversations/3', { times => $attempts - 1, %{$answer} });
		$sandbox->control({ gzip => $packed });
		is($session->query($all), $rows, "$name, as often as it may$how: all rows");

		answer_with('*/conversations/3', $answer);
		$sandbox->control({ gzip => $packed });
		$session->fails(
			$all,
			{
				sqlstate => $sqlstate,
				detail =>
				  qr{^GET .*conversations/3\b.*\nGave up after $attempts attempts in \d+\.\d s\.$}s
			},
			"$name, always$how");
		is(scalar(asked(3)), $attempts, "... after $attempts requests");
	}
}

# A connection that is closed without an answer may have been closed before the
# request came, and libcurl itself tries another then.
foreach my $fault ([ 'a reset', { reset => JSON::PP::true } ],
	[ 'a close', { close => JSON::PP::true } ])
{
	my ($name, $answer) = @{$fault};

	answer_with('*/conversations/2', { times => 2, %{$answer} });
	is($session->query($all), $rows, "$name without an answer: all rows");
	answer_with('*/conversations/2', $answer);
	$session->fails(
		$all,
		{
			sqlstate => 'HV00M',
			message => 'connection to Crisp broke off, server "support"',
			detail => qr/\nGave up after $ATTEMPTS attempts in /
		},
		"$name without an answer, always");
}

# Lookups and counts are tried again, too; what does not exist is not.
my ($key) = split /,/, $rows;
answer_with('*/conversation/session*', { times => 1, status => 503 });
is($session->query("SELECT session_id FROM crisp.conversations WHERE session_id = '$key'"),
	$key, 'a lookup is tried again');
is($sandbox->count, 2, '... once');
$sandbox->reset;
is( $session->query(
		q{SELECT count(*) FROM crisp.conversations WHERE session_id = 'session_00000000-0000-4000-8000-000000000000'}
	),
	0,
	'a lookup that finds nothing');
is($sandbox->count, 1, '... is not tried again');

# That there is nothing has to be said by a whole answer: the reason of an earlier one does not count.
answer_with('*/conversation/session*', { times => 1, status => 503 },
	'*/conversation/session*', { status => 404, cut_after => 10 });
$session->fails(
	"SELECT session_id FROM crisp.conversations WHERE session_id = '$key'",
	{ sqlstate => 'HV00M', message => 'connection to Crisp broke off, server "support"' },
	'a 404 that breaks off, after another refusal');
is($sandbox->count, $ATTEMPTS, '... is tried again');

# So it has, where a proxy has cut the body, and its transfer is whole; what is none of Crisp's is as good as none.
my $by_key = "SELECT count(*) FROM crisp.conversations WHERE session_id = '$key'";

foreach my $refusal ([ 404, 'not_found' ], [ 400, 'invalid_session' ])
{
	my ($status, $reason) = @{$refusal};
	my $whole = qq({"error":true,"reason":"$reason","data":{"message":"There is no such thing"}});
	my @whole = (status => $status, body => $whole);
	my @half  = (status => $status, body => substr $whole, 0, length($whole) / 2);

	answer_with('*/conversation/session*', {@whole});
	is($session->query($by_key), 0, "a lookup, HTTP $status");
	is($sandbox->count, 1, '... is an answer');
	answer_with('*/conversation/session*', { times => 1, @half });
	is($session->query($by_key), 1, "a lookup, HTTP $status with half a body, once");
	is($sandbox->count, 2, '... is tried again');
	answer_with('*/conversation/session*', { times => 1, @half }, '*/conversation/session*', {@whole});
	is($session->query($by_key), 0, "a lookup, HTTP $status with half a body, then a whole one");
	answer_with('*/conversation/session*', {@half});
	$session->fails(
		$by_key,
		{
			sqlstate => '08P01',
			message => 'unexpected answer from Crisp, server "support"',
			detail =>
			  qr/ answered HTTP $status, .*It is not JSON: .* The body begins: \{"error".*\nGave up after 2 attempts in /s,
			hint => "Check the server's option base_url, and what is between this machine and Crisp."
		},
		"a lookup, HTTP $status with half a body, always");
	is($sandbox->count, 2, '... is tried again');
}
foreach my $body ('<html><body>no', '', ' ', 'nope')
{
	answer_with('*/conversation/session*', { status => 404, body => $body });
	$session->fails($by_key, { sqlstate => 'HV00R' }, "a 404 with the body \"$body\"");
	is($sandbox->count, 1, '... is not tried again');
}

# Behind the last page of a list, too.
my $last_page = ceil(scalar(split /,/, $rows) / $PER_PAGE);
my $past_end  = $last_page + 1;

answer_with(
	"*/conversations/$last_page", { status => 206 },
	"*/conversations/$past_end", { times => 1, status => 404, body => '{"error":true,"rea' });
$sandbox->control({ past_end => 'not_found' });
is($session->query($all), $rows, 'the end of a list, said by half a body: all rows');
is(scalar(asked($past_end)), 3, '... after another request, and one more as the last page has announced it');
$sandbox->reset;
answer_with('*/people/stats', { times => 2, status => 500 });
is($session->query('SELECT count(*) FROM crisp.people_profiles'), 60, 'a count is tried again');
is($sandbox->count, 3, '... twice');

# The table has a say of its own.
$session->query(q{ALTER FOREIGN TABLE crisp.conversations OPTIONS (ADD max_retries '1')});
answer_with('*/conversations/1', { status => 503 });
$session->fails(
	$count,
	{ sqlstate => 'HV00M', detail => qr/\nGave up after 2 attempts/ },
	'max_retries of a table');
$session->query(q{ALTER FOREIGN TABLE crisp.conversations OPTIONS (SET max_retries '0')});
$session->fails($count, { sqlstate => 'HV00M', detail => qr/answered HTTP 503[^\n]*\.$/ },
	'max_retries 0 of a table');
$session->query('ALTER FOREIGN TABLE crisp.conversations OPTIONS (DROP max_retries)');

# One may hide behind another.
answer_with('*/conversations/2', { times => 1, status => 503 },
	'*/conversations/2', { status => 401 });
$session->fails(
	$count,
	{
		sqlstate => '28000',
		detail => qr/ answered HTTP 401\b.*\nGave up after 2 attempts in \d+\.\d s\.$/s
	},
	'a hopeless answer to the second attempt');

# ---- Time

with_options(
	{ request_timeout => '3s' },
	sub {
		foreach my $silence (
			[ 'hangs', { hang => JSON::PP::true } ],
			[ 'takes its time', { delay_ms => 60_000 } ],
			[ 'drips', { drip => { bytes => 10, every_ms => 50 } } ],
			[ 'stops in the body', { drip => { bytes => 3000, every_ms => 60_000 } } ])
		{
			my ($name, $answer) = @{$silence};

			answer_with('*/conversations/2', { times => 1, %{$answer} });
			is($session->query($all), $rows, "a server that $name, once: all rows");
			is(scalar(asked(2)), 2, '... after another request for that page');
		}
	});

with_options(
	{ low_speed_time => '1s', request_timeout => '10min' },
	sub {
		foreach my $silence (
			[ 'hangs', { hang => JSON::PP::true } ],
			[ 'stops in the body', { drip => { bytes => 3000, every_ms => 600_000 } } ])
		{
			my ($name, $answer) = @{$silence};

			answer_with('*/conversations/2', { times => 1, %{$answer} });
			is($session->query($all), $rows,
				"a server that $name, with low_speed_time: all rows");
			is(scalar(asked(2)), 2, '... after another request for that page');
		}
	});

# Time that goes by while nobody asks for rows is not the server's: what it has sent meanwhile is there.
with_options(
	{
		request_timeout => '6s',
		low_speed_time => '6s',
		low_speed_limit => '100kB',
		max_retries => '0'
	},
	sub {
		my $declare = 'BEGIN; DECLARE c CURSOR FOR SELECT session_id FROM crisp.conversations';
		my $first = 2 * $PER_PAGE + 1;
		my $rest = $total - $first;
		my $late = q{SELECT timed_out FROM crisp_fdw_usage WHERE scope = 'session'};
		my $were_late = $session->query($late);

		$sandbox->reset;
		$session->query("$declare; FETCH $first FROM c");
		cmp_ok($sandbox->count, '>', 3, 'a cursor: pages are asked for ahead of need');
		$session->query('SELECT pg_sleep(7)');
		is(scalar(my @later = split /\n/, $session->query('FETCH ALL FROM c')),
			$rest, '... and are there after a break longer than request_timeout');
		my @pages = map { $_->{path} =~ m{/conversations/(\d+)$} } $sandbox->requests;
		is_deeply(\@pages, [ uniq @pages ], '... and not asked for again');
		is($session->query($late), $were_late, '... nor late');
		$session->query('ROLLBACK');

		# Who is silent all the time is late, all the same: as seen from when somebody waits.
		answer_with('*/conversations/4', { hang => JSON::PP::true });
		$session->query("$declare; FETCH $first FROM c");
		$session->query('SELECT pg_sleep(7)');
		my $error = $session->run('FETCH ALL FROM c')->{errors}->[0];
		is($error->{sqlstate}, 'HV00M', 'a page that never comes, after a break');
		like(
			$error->{detail},
			qr{/conversations/4\?.* timed out after \d+ milliseconds},
			'... was waited for');
		$session->query('ROLLBACK');

		# So it is for scans that are waited for together.
		answer_with('*/conversations/2', { hang => JSON::PP::true });
		$session->fails(
			"SELECT count(session_id) FROM (SELECT session_id FROM crisp.conversations UNION ALL SELECT session_id "
				. "FROM crisp.visitors) x",
			{ sqlstate => 'HV00M', detail => qr{/conversations/2\?.* timed out after \d+ milliseconds} },
			'a page that never comes, to one of two scans');
	});

# ---- A server that is not there, until it is

my $closed = CrispListener->new;
my $closed_port = $closed->port;
undef $closed;
connect_crisp(
	$node, $sandbox,
	server => 'late',
	schema => 'late',
	options => "per_page '$PER_PAGE', max_retries '2', retry_delay '1ms'");
$session->query("ALTER SERVER late OPTIONS (SET base_url 'http://127.0.0.1:$closed_port/v1')");
$session->fails(
	'SELECT count(*) FROM late.conversations',
	{
		sqlstate => 'HV00N',
		message => 'could not connect to Crisp, server "late"',
		detail => qr/^GET http:.*\nGave up after 3 attempts in \d+\.\d s\.$/s
	},
	'a port on which nobody listens');
$session->query(q{ALTER SERVER late OPTIONS (SET max_retries '100', SET retry_delay '300ms')});
$session->send('SELECT count(*) FROM late.conversations');
$node->poll_query_until('postgres',
	q{SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = } . $session->pid)
  or die "the backend does not wait\n";
my $late = CrispSandbox->start(
	port => $closed_port,
	conversations => 150,
	people => 60,
	visitors => 5,
	operators => 3,
	websites => 1);
is_deeply(
	$session->wait,
	{ output => $total, lost => !1, errors => [], notices => [] },
	'a server that comes up meanwhile');
$late->stop;

# ---- Retry-After

sub time_of_retry
{
	my ($page) = @_;
	my ($first, $second) = asked($page);

	return $second->{at_ms} - $first->{at_ms};
}

foreach my $status (429, 423, 422, 420, 503)
{
	answer_with('*/conversations/3',
		{ times => 1, status => $status, headers => { 'Retry-After' => '1' } });
	is($session->query($all), $rows, "$status with Retry-After: all rows");
	cmp_ok(time_of_retry(3), '>=', 1000, '... which is obeyed');
	my ($turned_away) = asked(3);
	is_deeply(
		[   grep { $_ > $turned_away->{at_ms} + 200 && $_ < $turned_away->{at_ms} + 1000 }
			map { $_->{at_ms} } $sandbox->requests ],
		[],
		'... and meanwhile, nothing else is asked for');
}

answer_with('*/conversations/3',
	{ times => 1, status => 429, headers => { 'Retry-After' => http_date(time + 6) } });
is($session->query($all), $rows, 'Retry-After as a date: all rows');
cmp_ok(time_of_retry(3), '>=', 1000, '... which is obeyed');

# A date is by the clock of the server.
my $slow_clock = time - 86_400;
answer_with(
	'*/conversations/3',
	{
		times => 1,
		status => 429,
		headers => { Date => http_date($slow_clock), 'Retry-After' => http_date($slow_clock + 1) }
	});
is($session->query($all), $rows, 'Retry-After as a date by a clock that is slow: all rows');
cmp_ok(time_of_retry(3), '>=', 1000, '... which is obeyed');

foreach my $soon ('0.1', '1.0', '00001')
{
	answer_with('*/conversations/3',
		{ times => 1, status => 429, headers => { 'Retry-After' => $soon } });
	is($session->query($all), $rows, "Retry-After: $soon: all rows");
	cmp_ok(time_of_retry(3), '>=', 1000, '... which is obeyed');
	cmp_ok(time_of_retry(3), '<', 5000, '... as one second');
}

foreach my $now ('0', '0.0', 'soon', '-5', '-99999999999999999999', '1e9', '60 seconds', '0x10', '.',
	http_date(time - 3600), 'Mon, 01 Jan 0001 00:00:00 GMT', '')
{
	answer_with('*/conversations/3',
		{ times => 1, status => 429, headers => { 'Retry-After' => $now } });
	is($session->query($all), $rows, "Retry-After: $now: all rows");
	cmp_ok(time_of_retry(3), '<', 1000, '... at once');
}

foreach my $far (
	'3600', '9999999999', '3600.5', '9223372036854775807', '9223372036854775808',
	'99999999999999999999', '9' x 1000, http_date(time + 86_400), 'Fri, 31 Dec 9999 23:59:59 GMT')
{
	my $told = length $far > 120 ? substr($far, 0, 120) . '...' : $far;

	foreach my $status (429, 420)
	{
		answer_with('*/conversations/1',
			{ status => $status, headers => { 'Retry-After' => $far } });
		$session->fails(
			$count,
			{
				sqlstate => '53400',
				message => 'Crisp\'s rate limit or request quota is reached, server "support"',
				detail => qr/ answered HTTP $status, reason "rate_limited", Retry-After: \Q$told\E\.$/,
				hint =>
				  'Wait before trying again; quotas are reset daily. Requests made by this statement: 1.'
			},
			"$status with Retry-After: $far");
		is($sandbox->count, 1, '... fails at once');
	}
}
foreach my $case (
	[ 423, qr/^Crisp's request quota is spent, server "support"$/ ],
	[ 422, qr/^Crisp's rate limit or request quota is reached, server "support"$/ ])
{
	my ($status, $message) = @{$case};

	answer_with('*/conversations/1',
		{ status => $status, headers => { 'Retry-After' => '3600' } });
	$session->fails(
		$count,
		{
			sqlstate => '53400',
			message => $message,
			hint => qr/^Wait before trying again; quotas are reset daily\..* Requests made by this statement: 1\.$/
		},
		"$status with Retry-After: 3600");
	is($sandbox->count, 1, '... fails at once');
}

# Without it, who asked too often waits for longer than after another failure, and so does all that
# is not yet under way.
foreach my $status (420, 422, 423, 429)
{
	with_options(
		{ retry_delay => '300ms', prefetch => '2' },
		sub {
			answer_with('*/conversations/2', { times => 1, status => $status });
			is($session->query($all), $rows, "$status without Retry-After: all rows");
			my $waited = time_of_retry(2);
			cmp_ok($waited, '>=', 750, '... after a wait that no other failure has');
			cmp_ok($waited, '<', 30_000, '... but not for ever');
			my ($turned_away) = asked(2);
			is_deeply(
				[   grep { $_ > $turned_away->{at_ms} + 200 && $_ < $turned_away->{at_ms} + 700 }
					map { $_->{at_ms} } $sandbox->requests ],
				[],
				'... and meanwhile, nothing else is asked for');
		});
}

answer_with('*/conversations/3', { status => 429 });
$session->fails(
	$count,
	{ sqlstate => '53400', hint => qr/ quotas are reset daily\. Requests made by this statement: \d+\.$/ },
	'429 without Retry-After');
my ($told) = $session->run($count)->{errors}->[0]->{hint} =~ /(\d+)\.$/;
answer_with('*/conversations/3', { status => 429 });
($told) = $session->run($count)->{errors}->[0]->{hint} =~ /(\d+)\.$/;
is($told, $sandbox->count, '... tells how many requests the statement has made');

# ---- retry_budget

with_options(
	{ retry_budget => '3s', retry_delay => '100ms', max_retries => 100 },
	sub {
		my $error;

		answer_with('*/conversations/1', { status => 503 });
		my $seconds = seconds(
			sub {
				$error = $session->fails($count,
					{ sqlstate => 'HV00M', detail => qr/\nGave up after \d+ attempts in \d+\.\d s\.$/ },
					'retry_budget');
			});
		my ($attempts) = $error->{detail} =~ /after (\d+) attempts/;
		is($sandbox->count, $attempts, '... says how many attempts there were');
		cmp_ok($attempts, '>', 1, '... more than one');
		cmp_ok($seconds, '<', 60, '... and then no more');

		answer_with('*/conversations/1',
			{ status => 429, headers => { 'Retry-After' => '30' } });
		$session->fails($count, { sqlstate => '53400' }, 'Retry-After beyond retry_budget');
		is($sandbox->count, 1, '... fails at once');
	});
with_options(
	{ retry_budget => '0' },
	sub {
		answer_with('*/conversations/1', { status => 503 });
		$session->fails($count, { sqlstate => 'HV00M', detail => qr/^[^\n]*$/ }, 'no retry_budget');
		is($sandbox->count, 1, '... means one attempt');
	});

# ---- Others in flight go on

answer_with('*/conversations/2', { times => 1, delay_ms => 5000 },
	'*/conversations/3', { times => 1, status => 503 });
is($session->query($all), $rows, 'a slow page, and one that fails: all rows');
my ($slow) = asked(2);
my ($failed, $again) = asked(3);
cmp_ok($again->{at_ms}, '<', $slow->{done_ms}, 'a page is asked for again while another is awaited');

# ---- What can't get better

my %hopeless = (
	'status 400' => [ 'HV000', { status => 400 } ],
	'status 401' => [ '28000', { status => 401 } ],
	'status 402' => [ 'HV000', { status => 402 } ],
	'status 403' => [ '42501', { status => 403 } ],
	'status 404' => [ 'HV00R', { status => 404 } ],
	'status 410' => [ 'HV000', { status => 410 } ],
	'a redirect to another origin' => [
		'HV000',
		{ status => 302, headers => { Location => 'http://127.0.0.2:1/v1' }, body => '' } ],
	'HTML' => [ '08P01', { status => 200, body => '<html>' } ],
	'an array' => [ '08P01', { status => 200, body => '[]' } ],
	'data that is null' => [ '08P01', { status => 200, body => '{"error":false,"data":null}' } ],
	'deep JSON' =>
	  [ '08P01', { status => 200, body_repeat => { text => '[' x 1000, times => 1000 } } ],
	'garbage' => [
		'08P01', { status => 200, body_base64 => encode_base64(pack('C*', 128 .. 255), '') } ],
	'a body of 300 MB' =>
	  [ '54000', { status => 200, body_repeat => { text => ' ' x 1_048_576, times => 300 } } ],
	'a body of 100 MB, packed' => [
		'54000',
		{
			status => 200,
			headers => \%gzip_header,
			body_base64 => encode_base64(gzip(' ' x 100_000_000), '')
		}
	],
);
my $before = $session->memory;
foreach my $name (sort keys %hopeless)
{
	my ($sqlstate, $answer) = @{ $hopeless{$name} };

	answer_with('*/conversations/1', $answer);
	$session->fails($count, { sqlstate => $sqlstate, detail => qr/^(?!.*Gave up)/s }, $name);
	is($sandbox->count, 1, "$name: one request");
	$sandbox->reset;
	is($session->query($all), $rows, "$name: and then all rows");
}
cmp_ok($session->memory - $before, '<', 16 * 1024 * 1024, 'large bodies leave no memory behind');

with_options(
	{ max_response_size => '20kB' },
	sub {
		$sandbox->reset;
		$session->fails(
			$count,
			{
				sqlstate => '54000',
				message => 'answer of Crisp is too large, server "support"',
				hint => "The server's option max_response_size allows 20480 bytes."
			},
			'max_response_size');
	});

# ---- crisp_fdw.max_requests

my %SPENT = (
	sqlstate => 'CS002',
	hint => 'Ask for less, or raise the setting crisp_fdw.max_requests.');

$sandbox->reset;
$session->query('SET crisp_fdw.max_requests = 3');
$session->fails(
	$count,
	{
		%SPENT,
		message => 'statement needs more than 3 requests to Crisp, server "support"',
		detail => qr{^The next one would be GET website/.*/conversations/4\?\S+, attempt 1\.$}
	},
	'a statement that needs more requests than it may make');
is($sandbox->count, 3, '... makes so many, and no more');
$sandbox->reset;
is($session->query('SELECT count(*) FROM (SELECT FROM crisp.conversations LIMIT 50) AS part'),
	50, 'one that needs so many');
is($sandbox->count, 3, '... goes through');
is($session->query('SELECT count(*) FROM crisp.operators'), 3, 'the next one may make its own');

$sandbox->reset;
$session->query('BEGIN; DECLARE part CURSOR FOR SELECT session_id FROM crisp.conversations');
is(scalar(my @three = split /\n/, $session->query('FETCH 50 FROM part')),
	50, 'what might be asked for ahead of need is no error');
is($sandbox->count, 3, '... and not asked for beyond the limit');
is(scalar(@three = split /\n/, $session->query('FETCH 30 FROM part')),
	30, 'the next statement asks for it');
$session->query('COMMIT; SET crisp_fdw.max_requests = 20');
$session->query("PREPARE list AS $count");
is($session->query("EXECUTE list; EXECUTE list; $count"),
	join("\n", ($total) x 3), 'each statement of the client begins anew');

$session->query(<<'END');
SET crisp_fdw.max_requests = 5;
CREATE FUNCTION in_turn(OUT first text, OUT second text, OUT third text) AS $$
BEGIN
	SELECT string_agg(user_id, '') IS NOT NULL INTO first FROM crisp.operators;
	BEGIN
		SELECT count(*) INTO second FROM crisp.conversations;
	EXCEPTION WHEN SQLSTATE 'CS002' THEN
		second := SQLSTATE;
	END;
	BEGIN
		SELECT string_agg(user_id, '') INTO third FROM crisp.operators;
	EXCEPTION WHEN SQLSTATE 'CS002' THEN
		third := SQLSTATE;
	END;
END $$ LANGUAGE plpgsql;
END
$sandbox->reset;
is($session->query('SELECT * FROM in_turn()'),
	'true|CS002|CS002', 'all that a function does counts for the statement that calls it');
is($sandbox->count, 5, '... so many requests');

$sandbox->reset;
$session->query(<<'END');
SET crisp_fdw.max_requests = 4;
BEGIN;
DECLARE part CURSOR FOR SELECT session_id FROM crisp.conversations;
END
for my $fetch (1 .. 3)
{
	is(scalar(my @fetched = split /\n/, $session->query('FETCH 40 FROM part')),
		40, "fetch $fetch from a cursor begins anew");
}
$session->query('COMMIT');

# What it might not ask for ahead of need goes before what lies further ahead.
$sandbox->reset;
$session->query(<<'END');
SET crisp_fdw.max_requests = 2;
BEGIN;
DECLARE part CURSOR FOR SELECT session_id FROM crisp.conversations;
END
for my $fetch (1 .. 3)
{
	is(scalar(my @fetched = split /\n/, $session->query('FETCH 40 FROM part')),
		40, "fetch $fetch from a cursor, with two requests for two pages");
	is_deeply(
		[ map { $_->{path} =~ m{/(\d+)$} } $sandbox->requests ],
		[ 1 .. 2 * $fetch ],
		'... which are asked for in turn');
}
$session->query('COMMIT');

$session->query('SET crisp_fdw.max_requests = 2');
answer_with('*/conversations/1', { status => 503 });
$session->fails(
	$count,
	{ %SPENT, detail => qr{/conversations/1\?\S+, attempt 3\.$} },
	'another attempt is another request');
is($sandbox->count, 2, '... and not made');
$session->fails('SET crisp_fdw.max_requests = -1', { sqlstate => '22023' }, 'less than none');
$session->fails('SET crisp_fdw.max_request = 1', { sqlstate => qr/^42/ }, 'another name')
  if $node->pg_version >= 15;
$session->query('RESET crisp_fdw.max_requests');
$sandbox->reset;
is($session->query($all), $rows, 'no limit: all rows');

# ---- While waiting to ask again

my %WAIT = (status => 429, headers => { 'Retry-After' => '50' });
my $AT_ONCE = 25;    # seconds, for machines that have much to do; none waits for less than 50

# Returns once the backend waits for its next attempt.
sub wait_for_backoff
{
	my ($waiting) = @_;
	my $condition = q{state = 'active' AND wait_event_type = 'Extension'};

	$condition .= q{ AND wait_event = 'CrispRetry'} if $node->pg_version >= 17;
	for (1 .. 600)
	{
		last if asked(2);
		sleep 0.05;
	}
	$node->poll_query_until('postgres',
		"SELECT $condition FROM pg_stat_activity WHERE pid = " . $waiting->pid)
	  or die "the backend does not wait\n";
	return;
}

# What the kernel knows of a process: its state and so on; nothing when it's gone.
sub process_state
{
	my ($process) = @_;

	open(my $stat, '<', "/proc/$process/stat") or return;
	my $line = readline($stat) // '';
	close $stat;
	return split / /, $line =~ s/^.*\) //r;
}

# Processor time of a backend so far, in seconds.
sub processor_time
{
	my ($process) = @_;
	my @field = process_state($process);

	return ($field[11] + $field[12]) / 100;
}

# Not when it has ended, and only nobody has looked after it yet.
sub is_running
{
	my ($process) = @_;
	my ($state) = process_state($process);

	return defined $state && $state ne 'Z';
}

# Descriptors that are open while no connection is kept.
sub idle_descriptors
{
	$session->query(q{SELECT crisp_fdw_disconnect('support')});
	return $session->descriptors;
}

my $admin = CrispSession->start($node);
my $descriptors = idle_descriptors();

for my $round (1 .. 3)
{
	answer_with('*/conversations/2', \%WAIT);
	$session->send($all);
	wait_for_backoff($session);
	if ($round == 1)
	{
		my $spent = processor_time($session->pid);
		sleep 1;
		cmp_ok(processor_time($session->pid) - $spent,
			'<=', 0.02, 'who waits does not use the processor');
	}
	my $start = time;
	$admin->query('SELECT pg_cancel_backend(' . $session->pid . ')');
	is($session->wait->{errors}->[0]->{sqlstate}, '57014', 'cancelled while waiting to ask again');
	my $time = time - $start;
	cmp_ok($time, '<', $AT_ONCE, '... at once');
	note sprintf 'cancelled within %.0f ms', $time * 1000;
	$sandbox->reset;
	is($session->query($all), $rows, '... and the next statement waits for nothing');
}
is(idle_descriptors(), $descriptors, '... and no descriptor is left behind');

answer_with('*/conversations/2', \%WAIT);
$session->query(q{SET statement_timeout = '300ms'});
my $waited = seconds(
	sub { $session->fails($all, { sqlstate => '57014' }, 'statement_timeout while waiting to ask again') });
cmp_ok($waited, '<', $AT_ONCE, '... in time');
$session->query('RESET statement_timeout');

my $victim = CrispSession->start($node);
answer_with('*/conversations/2', \%WAIT);
$victim->send($all);
wait_for_backoff($victim);
my $start = time;
$admin->query('SELECT pg_terminate_backend(' . $victim->pid . ')');
is($victim->wait->{errors}->[0]->{sqlstate}, '57P01', 'terminated while waiting to ask again');
cmp_ok(time - $start, '<', $AT_ONCE, '... at once');

# Cursors and exception handlers: an attempt to come is forgotten with its scan.
answer_with('*/conversations/2', \%WAIT);
$session->query('BEGIN; DECLARE part CURSOR FOR SELECT session_id FROM crisp.conversations');
is(scalar(my @fetched = split /\n/, $session->query('FETCH 5 FROM part')),
	5, 'rows of the first page, while the second is to be asked for again');
$session->query('CLOSE part');
$sandbox->reset;
is($session->query($all), $rows, 'closing the cursor forgets about that');
$session->query('COMMIT');

# ---- Closing connections

is($session->query(q{SELECT crisp_fdw_disconnect('support')}), 't', 'disconnect');
is($session->query(q{SELECT crisp_fdw_disconnect('support')}), 'f', '... once');
$sandbox->reset;
is($session->query($all), $rows, '... and then all rows');
$session->fails(q{SELECT crisp_fdw_disconnect('nobody')},
	{ sqlstate => '42704' }, '... and from no server');
$session->query('BEGIN; DECLARE part CURSOR FOR SELECT session_id FROM crisp.conversations; FETCH 5 FROM part');
is($session->query(q{SELECT crisp_fdw_disconnect('support')}), 't', 'disconnect within a scan');
is(scalar(@fetched = split /\n/, $session->query('FETCH ALL FROM part')),
	$total - 5, '... which goes on all the same');
$session->query('COMMIT');

# ---- A thousand failing statements leave nothing behind

$session->query(q{ALTER SERVER support OPTIONS (SET retry_delay '1ms', ADD max_retries '1')});
my @kinds = (
	[ { status => 503 } ],
	[ { status => 429 } ],
	[ { status => 429, headers => { 'Retry-After' => '3600' } } ],
	[ { status => 401 } ],
	[ { status => 200, body => '<html>' } ],
	[ { status => 206, body => $cut_json } ],
	[ { status => 206, headers => \%gzip_header, body => 'nope, nope, nope' } ],
	[ { cut_after => 500 } ],
	[ { reset => JSON::PP::true } ],
	[ \%WAIT, 'SET statement_timeout = 15' ],
);

sub fail_often
{
	my ($times) = @_;
	my $failures = 0;

	foreach my $kind (@kinds)
	{
		my ($answer, $setting) = @{$kind};

		answer_with('*/conversations/2', $answer);
		$session->query($setting // 'RESET statement_timeout');
		$failures += @{ $session->run(join ";\n", ($all) x $times)->{errors} };
		$session->query('RESET statement_timeout');
	}
	$sandbox->reset;
	return $failures;
}

fail_often(10);
$session->query($all);
$descriptors = idle_descriptors();
my $memory = $session->memory;
is(fail_often(100), 100 * @kinds, 'a thousand statements failed');
is($session->query($all), $rows, 'and then all rows');
is(idle_descriptors(), $descriptors, 'no descriptor is left behind');
cmp_ok($session->memory - $memory, '<', 2 * 1024 * 1024, 'no memory is left behind');
note 'grown by ', $session->memory - $memory, ' bytes';

# ---- The end

answer_with('*/conversations/2', { status => 429, headers => { 'Retry-After' => '50' } });
$session->send($all);
wait_for_backoff($session);
my $pid = $session->pid;
$start = time;
$node->kill9;
for (1 .. 500)
{
	last unless is_running($pid);
	sleep 0.02;
}
ok(!is_running($pid), 'without a postmaster, nobody waits to ask again');
cmp_ok(time - $start, '<', $AT_ONCE, '... but ends at once');

my $log = slurp_file($node->logfile);
my $credentials = $sandbox->credentials('website');
foreach my $secret (
	$credentials->{identifier},
	$credentials->{key},
	encode_base64("$credentials->{identifier}:$credentials->{key}", ''))
{
	ok(index($log, $secret) < 0, 'no credential in the log at DEBUG5');
}
like($log, qr/crisp_fdw: GET /, 'which tells of requests');
unlike($log, qr/PANIC|terminated by signal|\bleak/, '... and of nothing odd');

done_testing();
