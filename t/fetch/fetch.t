# Fetching: pages ahead of need, lookups together, connections that are kept,
# several scans under one Append at the same time; and what becomes of requests
# that are under way when a scan ends.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use CrispStatement;
use JSON::PP;
use List::Util qw(max min uniq);
use POSIX      qw(ceil);
use Test::More;
use Time::HiRes qw(sleep);

my ($true, $false) = (JSON::PP::true, JSON::PP::false);

my $sandbox = CrispSandbox->start(
	conversations => 4000,
	people        => 400,
	websites      => 4,
	visitors      => 1,
	operators     => 3,
	campaigns     => 1);
my $node = start_node();

connect_crisp($node, $sandbox, tier => 'plugin', options => "prefetch '4'");
$sandbox->show_rechecks(1);
run_statements($node, $sandbox);

my $admin = CrispSession->start($node);

# A list of conversations with these options of the table, made when it's first asked for.
my %tables;

sub table
{
	my (%option) = @_;
	my $website  = delete $option{website} // 0;
	my $server   = delete $option{server}  // 'support';
	my $name     = join '_', 'c', $server, $website, map { "$_$option{$_}" } sort keys %option;
	my %set      = (
		resource   => 'conversations',
		website_id => $sandbox->website_id($website),
		%option);
	my $options = join ', ', map { "$_ '$set{$_}'" } sort keys %set;

	sql(<<"END") unless $tables{$name}++;
CREATE FOREIGN TABLE $name (session_id text, website_id text, people_id text, state text, created_at timestamptz,
	updated_at timestamptz)
	SERVER $server OPTIONS ($options)
END
	return $name;
}

my @shown =
  map { scalar(my @rows = $sandbox->raw_rows('conversations', $sandbox->website_id($_))) } 0 .. 2;

cmp_ok($shown[0], '>', 3500, 'there are some pages');

# The numbers of the pages that were asked for, in order.
sub page_numbers
{
	return map { $_->{path} =~ m{/conversations/(\d+)$} } @_;
}

# Wait until so many requests have come, and a moment longer: that is all of them.
sub wait_for_requests
{
	my ($number) = @_;

	$sandbox->wait_for_requests($number);
	sleep 0.1;
	return $sandbox->requests;
}

sub cancel
{
	my ($session) = @_;

	$admin->query('SELECT pg_cancel_backend(' . $session->pid . ')');
	return $session->wait;
}

# With the connections that it keeps closed, a session has no more descriptors than it began with,
# but for one that is always
# readable, by which an Append ends a wait.
sub closes_all
{
	my ($session, $idle, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($session->query("SELECT crisp_fdw_disconnect('support')"), 't', "$name: connections are kept");
	cmp_ok($session->descriptors, '<=', $idle + 1, "$name: no other descriptor is left");
	return;
}

# Answers from now on, to pages of these numbers.
sub answer_pages
{
	my ($answer, @pages) = @_;

	$sandbox->reset;
	$sandbox->control(
		{ answers => [ map { { match => { path => "*/conversations/$_" }, %{$answer} } } @pages ] }
	);
	return;
}

#
# Pages ahead of need
#

# The window opens in rounds of 1, 2, 6, 18 pages, twice as many as have come, and is open after a full one:
# while a page is not answered, no round begins, and then no more than prefetch are under way.
# No page is beyond the end: a page that tells of it keeps those after it from being asked for.
{
	my $session = CrispSession->start($node);
	my $idle    = $session->descriptors;

	foreach my $case (
		[ 1,  32, 1 ],
		[ 2,  32, 3 ],
		[ 3,  32, 3 ],
		[ 4,  32, 9 ],
		[ 10, 32, 27 ],
		[ 28, 32, 59 ],
		[ 30, 16, 45 ],
		[ 1,  4,  1 ],
		[ 2,  4,  3 ],
		[ 4,  4,  7 ],
		[ 8,  4,  11 ],
		[ 4,  8,  9 ],
		[ 10, 8,  17 ],
		[ 20, 8,  27 ],
		[ 5,  1,  5 ],
		[ 2,  2,  3 ],
		[ 9,  2,  10 ])
	{
		my ($silent, $prefetch, $expected) = @{$case};
		my $table = table(prefetch => $prefetch);

		answer_pages({ hang => $true }, $silent);
		$session->send("SELECT count(session_id) FROM $table");
		my @pages = page_numbers(wait_for_requests($expected));
		is_deeply(
			[ sort { $a <=> $b } @pages ],
			[ 1 .. $expected ],
			"prefetch $prefetch, page $silent is silent: those asked for");
		is(cancel($session)->{errors}->[0]->{sqlstate}, '57014',
			'... and cancelled, they are gone');
	}
	$sandbox->reset;
	is($session->query('SELECT count(session_id) FROM ' . table(prefetch => 8)),
		$shown[0], 'the next statement gets all rows');
	closes_all($session, $idle, 'pages that were cancelled');
	$session->quit;
}

# They are under way at the same time: also where a backend takes long to make so many.
foreach my $case ([ 1, 250 ], [ 2, 500 ], [ 4, 1000 ], [ 8, 2000 ], [ 32, $shown[0] ])
{
	my ($prefetch, $rows) = @{$case};
	my $list = table(prefetch => $prefetch) . ($rows < $shown[0] ? " LIMIT $rows" : '');

	$sandbox->control({ quiet_ms => 100 });
	my ($printed, @requests) = requests_of("SELECT count(session_id) FROM (SELECT session_id FROM $list) l");

	is($printed, $rows, "prefetch $prefetch: all rows");
	is(CrispSandbox::together(@requests), $prefetch, "prefetch $prefetch: requests under way together");
}
$sandbox->reset;

# What happens to pages past the end is nobody's business.
{
	my @times = sort { $b <=> $a } grep { defined } $sandbox->column('conversations', 'updated_at');
	my $last = ceil(@times / 50);
	foreach
	  my $answer ({ status => 404 }, { reset => $true }, { body => 'nonsense' }, { hang => $true })
	{
		answer_pages($answer, $last + 1 .. $last + 40);
		run_statements($node, $sandbox);
		is(sql('SELECT count(session_id) FROM ' . table(prefetch => 32)),
			$shown[0], 'pages past the end may be answered by ' . (keys %{$answer})[0]);
	}
	$sandbox->reset;
}

# LIMIT asks for no page that it does not need.
foreach my $case (
	[ 0,    0 ],
	[ 1,    1 ],
	[ 50,   1 ],
	[ 51,   2 ],
	[ 100,  2 ],
	[ 101,  3 ],
	[ 390,  8 ],
	[ 1000, 20 ],
	[ 1001, 21 ])
{
	my ($limit, $requests) = @{$case};

	foreach my $prefetch (1, 4, 32)
	{
		my $name    = "LIMIT $limit, prefetch $prefetch";
		my $printed = costs($requests,
			'SELECT session_id FROM ' . table(prefetch => $prefetch) . " LIMIT $limit", $name);

		is(scalar(uniq split /\n/, $printed), $limit, "$name: rows");
	}
}
is( scalar(
		split /\n/,
		costs(
			9,
			'SELECT session_id FROM ' . table(prefetch => 32) . ' OFFSET 400 LIMIT 20',
			'LIMIT and OFFSET')),
	20,
	'LIMIT and OFFSET: rows');

#
# Requests that are under way when the scan has had enough
#

{
	my $session = CrispSession->start($node);
	my $idle    = $session->descriptors;
	my $table   = table(prefetch => 8);
	my $found   = "length(session_id) > 10";
	my $last    = ceil($shown[0] / 50);

	$session->query(<<"END");
CREATE FUNCTION boom(n bigint) RETURNS bigint LANGUAGE plpgsql AS
	'BEGIN IF n = 130 THEN RAISE division_by_zero; END IF; RETURN n; END';
CREATE FUNCTION tried() RETURNS text LANGUAGE plpgsql AS
	'DECLARE r record; n int := 0;
	BEGIN
		FOR r IN SELECT session_id FROM $table LOOP
			n := n + 1;
			IF n = 130 THEN RAISE division_by_zero; END IF;
		END LOOP;
		RETURN n;
	EXCEPTION WHEN division_by_zero THEN
		RETURN (SELECT ''then '' || count(session_id) FROM $table);
	END';
CREATE FUNCTION left_early() RETURNS int LANGUAGE plpgsql AS
	'DECLARE r record; n int := 0;
	BEGIN
		FOR r IN SELECT session_id FROM $table LOOP n := n + 1; EXIT WHEN n = 130; END LOOP;
		RETURN n;
	END';
CREATE FUNCTION rolled_back() RETURNS text LANGUAGE plpgsql AS
	'DECLARE n int;
	BEGIN
		SELECT count(boom(r)) INTO n FROM (SELECT row_number() OVER () AS r FROM $table) s;
		RETURN n;
	EXCEPTION WHEN division_by_zero THEN
		RETURN ''caught'';
	END';
END
	my %cases = (
		'a cursor closed' => [
			"BEGIN; DECLARE c CURSOR FOR SELECT session_id FROM $table; MOVE 130 IN c; CLOSE c; COMMIT",
			'' ],
		'a cursor and a rollback' => [
			"BEGIN; DECLARE c CURSOR FOR SELECT session_id FROM $table; MOVE 130 IN c; ROLLBACK",
			'' ],
		'a cursor opened in a savepoint' => [
			"BEGIN; SAVEPOINT s; DECLARE c CURSOR FOR SELECT session_id FROM $table; MOVE 130 IN c; ROLLBACK TO s; "
				. "SELECT 1; COMMIT",
			'1' ],
		'two cursors, by turns' => [
			"BEGIN; DECLARE c CURSOR FOR SELECT session_id FROM $table; DECLARE d CURSOR FOR SELECT session_id "
				. "FROM $table; "
			  . 'MOVE 130 IN c; MOVE 60 IN d; MOVE 40 IN c; CLOSE c; MOVE 100 IN d; CLOSE d; COMMIT',
			'' ],
		'LIMIT above a condition of our own' =>
		  [ "SELECT count(*) FROM (SELECT 1 FROM $table WHERE $found LIMIT 130) s", '130' ],
		'EXISTS' => [ "SELECT EXISTS (SELECT FROM $table WHERE $found OFFSET 129)", 't' ],
		'a loop left early'       => [ 'SELECT left_early()',  '130' ],
		'an exception in a loop'  => [ 'SELECT tried()',       "then $shown[0]" ],
		'an exception in a query' => [ 'SELECT rolled_back()', 'caught' ]);

	# Once, to have all caches full, then many times.
	my @requests;
	foreach my $name (sort keys %cases)
	{
		$sandbox->clear;
		is($session->query($cases{$name}->[0]), $cases{$name}->[1], $name);
		@requests = $sandbox->requests;
		cmp_ok(scalar @requests, '>', 3,  "$name: pages were under way");
		cmp_ok(scalar @requests, '<=', 30, "$name: and not all of the list")
		  unless $name =~ /in a loop/;
	}
	$session->fails(
		"SELECT count(boom(r)) FROM (SELECT row_number() OVER () AS r FROM $table) s",
		{ sqlstate => '22012' },
		'an error elsewhere in the plan');

	my $memory = $session->memory;
	foreach (1 .. 15)
	{
		$session->run($cases{$_}->[0]) foreach grep { !/in a loop/ } sort keys %cases;
		$session->run(
			"SELECT count(boom(r)) FROM (SELECT row_number() OVER () AS r FROM $table) s");
	}
	closes_all($session, $idle, 'after 135 of these');
	cmp_ok(
		$session->memory - $memory,
		'<',
		3 * 1024 * 1024,
		'after 135 of these: no memory is left');

	# A page that can't be had, while others are under way.  Where nobody wants its rows, nobody minds.
	foreach my $page (2, 3, 5, $last)
	{
		answer_pages({ status => 403 }, $page);
		$session->fails(
			"CREATE TABLE taken AS SELECT session_id FROM $table",
			{ sqlstate => '42501', detail => qr{/conversations/$page\?} },
			"page $page is refused");
		$session->fails(
			'SELECT FROM taken',
			{ sqlstate => '42P01' },
			"page $page is refused: nothing is taken for all");
		is( $session->query(
					"BEGIN; DECLARE c CURSOR FOR SELECT session_id FROM $table; MOVE "
				  . 50 * ($page - 1)
				  . ' IN c; CLOSE c; COMMIT'),
			'',
			"page $page is refused: a cursor that doesn't get there");
		$sandbox->reset;
		is($session->query("SELECT count(session_id) FROM $table"),
			$shown[0], "page $page is refused: the next statement");
	}

	# Of two, the first in the list's order is told.
	$sandbox->control(
		{   answers => [
				{ match => { path => '*/conversations/6' }, status => 403, delay_ms => 100 },
				{ match => { path => '*/conversations/7' }, status => 402 } ] });
	$session->fails(
		"SELECT count(session_id) FROM $table",
		{ detail => qr{/conversations/6\?} },
		'two pages are refused');
	$sandbox->reset;

	# Answers that come in the wrong order.
	$sandbox->control(
		{   answers =>
			  [ map { { match => { path => "*/conversations/*$_" }, delay_ms => 30 } } 2, 4, 5 ] });
	my @keys = split /\n/, $session->query("SELECT session_id FROM $table");
	is_deeply(
		\@keys,
		[ $sandbox->column('conversations', 'session_id') ],
		'rows come in the order of the list, whatever page is answered first');
	$sandbox->reset;
	$session->quit;
}

#
# Lookups
#

{
	my @keys  = $sandbox->column('conversations', 'session_id');
	my @asked = map { $keys[ $_ * 20 ] } 0 .. 29;
	my $array = "ARRAY['" . join("', '", @asked, $asked[3], 'session_none') . "']";

	$sandbox->control({ quiet_ms => 60 });
	foreach my $prefetch (1, 4, 16)
	{
		my $table = table(prefetch => $prefetch);
		my ($printed, @requests) =
		  requests_of("SELECT session_id FROM $table WHERE session_id = ANY ($array)");

		is_deeply([ sort split /\n/, $printed ], [ sort @asked ], "prefetch $prefetch: looked up");
		is(scalar @requests,    31,        "prefetch $prefetch: one request a key");
		is(CrispSandbox::together(@requests), $prefetch, "prefetch $prefetch: lookups under way together");
	}
	$sandbox->reset;

	# LIMIT does not know how many keys there are rows for; but nothing is asked twice.
	my $table = table(prefetch => 4);
	my ($printed, @requests) =
	  requests_of("SELECT session_id FROM $table WHERE session_id = ANY ($array) LIMIT 3");
	is(scalar(split /\n/, $printed), 3, 'LIMIT of lookups: rows');
	cmp_ok(scalar @requests, '<=', 3 + 4, 'LIMIT of lookups: requests');

	# One that fails, while others are under way.
	$sandbox->control(
		{ answers => [ { match => { path => "*/conversation/$asked[7]" }, status => 403 } ] });
	my $session = CrispSession->start($node);
	$session->fails(
		"SELECT session_id FROM $table WHERE session_id = ANY ($array)",
		{ sqlstate => '42501', detail => qr/$asked[7]/ },
		'a lookup that is refused');
	$sandbox->control(
		{ answers => [ { match => { path => "*/conversation/$asked[7]" }, hang => $true } ] });
	$sandbox->clear;
	$session->send("SELECT session_id FROM $table WHERE session_id = ANY ($array)");
	wait_for_requests(5);
	is(cancel($session)->{errors}->[0]->{sqlstate}, '57014', 'lookups that are cancelled');
	$sandbox->reset;
	is( scalar(
			split /\n/,
			$session->query("SELECT session_id FROM $table WHERE session_id = ANY ($array)")),
		30,
		'and looked up again');
	$session->quit;
}

#
# Connections
#

{
	my $session = CrispSession->start($node);
	my $other   = CrispSession->start($node);
	my $query   = 'SELECT session_id FROM ' . table(prefetch => 4) . ' LIMIT 400';
	my $used    = sub {
		$sandbox->clear;
		(shift // $session)->query($query);
		return uniq sort { $a <=> $b } map { $_->{connection} } $sandbox->requests;
	};
	my $right = credential_options($sandbox, 'plugin') =~ s/(tier|identifier|key) /SET $1 /gr;
	my $idle  = $session->descriptors;
	my @first = $used->();

	cmp_ok(scalar @first, '<=', 4, 'as many connections as requests under way');
	my @all = uniq @first, map { $used->() } 1 .. 5;
	cmp_ok(scalar @all, '<=', 4, 'connections are kept across statements');
	is_deeply(
		[   grep {
				my $c = $_;
				grep { $_ == $c } @all
			} $used->($other) ],
		[],
		'another session has its own');
	foreach my $change (
		[ 'ALTER SERVER', "ALTER SERVER support OPTIONS (ADD connect_timeout '5s')" ],
		[   'ALTER USER MAPPING',
			"ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS ($right)" ])
	{
		my ($name, $statement) = @{$change};
		my @before = $used->();
		my $open   = $session->descriptors;

		cmp_ok($open, '>', $idle, "before $name: connections are open");
		$admin->query($statement);
		$session->query('SELECT count(*) FROM pg_foreign_server');
		cmp_ok($session->descriptors, '<=', $idle, "after $name: they are closed");
		my @after = $used->();
		is_deeply(
			[   grep {
					my $c = $_;
					grep { $_ == $c } @before
				} @after ],
			[],
			"after $name: others are made");
	}

	# In the middle of a scan, it goes on with those that it has.
	$session->query("BEGIN; DECLARE c CURSOR FOR $query; MOVE 120 IN c");
	$admin->query("ALTER SERVER support OPTIONS (DROP connect_timeout)");
	is(scalar(split /\n/, $session->query('FETCH ALL FROM c; COMMIT')),
		280, 'ALTER SERVER in the middle of a scan');
	$session->query('SELECT count(*) FROM pg_foreign_server');
	cmp_ok($session->descriptors, '<=', $idle, '... after which its connections are closed, too');

	$used->();
	is($session->query("SELECT crisp_fdw_disconnect('support')"), 't', 'crisp_fdw_disconnect()');
	cmp_ok($session->descriptors, '<=', $idle, '... closes them');
	is($session->query("SELECT crisp_fdw_disconnect('support')"), 'f', '... once');
	$_->quit foreach $session, $other;
}

#
# Several scans under one Append
#

# Sets the same tables apart: a table partitioned by website, and a view of the first website twice and the second.
my $another = CrispSandbox->start(
	conversations => 700,
	people        => 10,
	websites      => 1,
	visitors      => 1,
	operators     => 1,
	campaigns     => 1);
connect_crisp($node, $another, server => 'another', schema => 'another', tier => 'plugin', options => "prefetch '4'");
$another->show_rechecks(1);
{
	my $elsewhere = $another->website_id;
	my $copy      = join ', ',
	  map { "('$_')" }
	  $another->column('conversations', 'session_id');
	my @websites = map { $sandbox->website_id($_) } 0 .. 2;

	sql('CREATE TABLE everything (session_id text, website_id text, people_id text, state text, created_at '
		. 'timestamptz, updated_at timestamptz) PARTITION BY LIST (website_id)'
	);
	sql("CREATE FOREIGN TABLE part_$_ PARTITION OF everything FOR VALUES IN ('$websites[$_]') SERVER support OPTIONS "
		. "(resource 'conversations', website_id '$websites[$_]')"
	) foreach 0 .. 2;
	sql("CREATE TABLE local_part PARTITION OF everything DEFAULT; INSERT INTO local_part VALUES ('here', 'local', "
		. "NULL, 'pending', now(), now())"
	);
	sql("CREATE FOREIGN TABLE elsewhere (session_id text, website_id text, state text, updated_at timestamptz) "
		. "SERVER another OPTIONS (resource 'conversations')"
	);
}

my ($first, $second, $third) = @shown;
my $everything = $first + $second + $third + 1;

# What switches asynchronous execution.
sub async { return "SET enable_async_append = $_[0];" }

# A statement's rows, sorted.
sub rows_of
{
	my ($statement, $async) = @_;

	return [ sort split /\n/, sql(async($async) . $statement) ];
}

# How many pairs of requests for two websites, for pages that there are, were under way at the
# same time.
sub overlaps
{
	my ($one, $two, @requests) = @_;
	my @of_one = grep { $_->{rows} > 0 && index($_->{path}, $one) >= 0 } @requests;
	my @of_two = grep { $_->{rows} > 0 && index($_->{path}, $two) >= 0 } @requests;
	my $number = 0;

	foreach my $request (@of_one)
	{
		$number +=
		  grep { $_->{at_ms} < CrispSandbox::done($request) && CrispSandbox::done($_) > $request->{at_ms} } @of_two;
	}
	return $number;
}

{
	my @websites = map { $sandbox->website_id($_) } 0 .. 2;
	my $union =
	  'SELECT session_id FROM part_1 UNION ALL SELECT session_id FROM part_2 UNION ALL SELECT session_id FROM part_1';
	my $plan = sql('EXPLAIN (COSTS OFF) SELECT session_id FROM everything');

	is(scalar(() = $plan =~ /Async Foreign Scan on part_/g), 3, 'the plan: partitions')
	  or diag($plan);
	is(scalar(() = sql("EXPLAIN (COSTS OFF) $union") =~ /Async Foreign Scan/g),
		3, 'the plan: UNION ALL');
	unlike(sql("SET enable_async_append = off; EXPLAIN (COSTS OFF) $union"),
		qr/Async/, 'the plan: switched off');
	unlike(
		sql('EXPLAIN (COSTS OFF) SELECT session_id FROM part_1 ORDER BY updated_at DESC LIMIT 3'),
		qr/Async/, 'the plan: one table');

	# At the same time, and so in less time.
	$sandbox->control({ quiet_ms => 50 });
	my ($printed, @requests) =
	  requests_of('SELECT count(session_id), count(DISTINCT session_id) FROM everything');
	is($printed, "$everything|$everything", 'partitions: all rows');
	cmp_ok(overlaps($websites[0], $websites[1], @requests),
		'>', 0, 'partitions: the first two at the same time');
	cmp_ok(overlaps($websites[1], $websites[2], @requests),
		'>', 0, 'partitions: the last two at the same time');
	cmp_ok(CrispSandbox::together(@requests), '>', 4, 'partitions: more under way together than one scan has');
	($printed, @requests) =
	  requests_of('SET enable_async_append = off; SELECT count(session_id) FROM everything');
	is(overlaps($websites[1], $websites[2], @requests), 0, 'switched off: one after the other');

	# In an order that whoever stops early would get page by page, too.
	my $ordered = 'SELECT session_id FROM everything ORDER BY updated_at DESC NULLS LAST';
	my $nobody  = sql("SELECT count(*), md5(string_agg(session_id, ',' ORDER BY updated_at DESC, session_id)) "
		  . 'FROM everything');
	($printed, @requests) = requests_of("EXPLAIN (COSTS OFF) $ordered");
	like($printed, qr/Merge Append/, 'merged: the plan');
	foreach my $off (0, 1)
	{
		my $text = $off ? 'merged, switched off' : 'merged';

		($printed, @requests) =
		  requests_of(($off ? 'SET enable_async_append = off; ' : '')
			. "SELECT count(*), md5(string_agg(session_id, ',' ORDER BY updated_at DESC, session_id)) "
			  . 'FROM (SELECT session_id, updated_at FROM everything ORDER BY updated_at DESC NULLS LAST OFFSET 0) x');
		is($printed, $nobody, "$text: all rows");
		foreach my $pair ([ 0, 1 ], [ 1, 2 ])
		{
			my $overlaps = overlaps($websites[ $pair->[0] ], $websites[ $pair->[1] ], @requests);

			cmp_ok($overlaps, $off ? '==' : '>', 0, "$text: websites @{$pair}");
		}

		# Who stops early waits for the first pages together.
		($printed, @requests) =
		  requests_of(($off ? 'SET enable_async_append = off; ' : '')
			. 'SELECT count(*) FROM (SELECT row_number() OVER (ORDER BY updated_at DESC NULLS LAST) n FROM '
			. 'everything) x WHERE n <= 5');
		is($printed, 5, "$text, the first rows");
		cmp_ok(scalar @requests, '<=', 4, "$text, the first rows: requests");
		foreach my $pair ([ 0, 1 ], [ 1, 2 ])
		{
			my $overlaps = overlaps($websites[ $pair->[0] ], $websites[ $pair->[1] ], @requests);

			cmp_ok($overlaps, $off ? '==' : '>', 0, "$text, the first rows: websites @{$pair}");
		}
	}
	($printed, @requests) = requests_of("SELECT count(*) FROM ($union) u");
	is($printed, 2 * $second + $third, 'UNION ALL: all rows');
	cmp_ok(overlaps($websites[1], $websites[2], @requests), '>', 0, 'UNION ALL: at the same time');

	# Crisp may refuse an order to scans that have asked for it together.
	my $profiles = sql('SELECT count(people_id) FROM crisp.people_profiles');
	$sandbox->control({ honour_sort => 'refused', quiet_ms => 50 });
	is( sql('SELECT count(*) FROM (SELECT people_id FROM crisp.people_profiles UNION ALL '
			  . 'SELECT people_id FROM crisp.people_profiles) u'),
		2 * $profiles, 'UNION ALL: an order that is refused');

	# Two servers, each with its own pool.
	$another->control({ quiet_ms => 30 });
	$another->clear;
	($printed, @requests) = requests_of(
		'SELECT count(*) FROM (SELECT session_id FROM part_1 UNION ALL SELECT session_id FROM elsewhere) u'
	);
	is($printed, $second + sql('SELECT count(session_id) FROM elsewhere'), 'two servers: all rows');
	cmp_ok($another->count, '>', 5, 'two servers: both were asked');
	$another->reset;
	$sandbox->reset;
}

# The same rows as without, whatever is made of them.  What says LIMIT takes rows that it comes by, so they are counted.
foreach my $case (
	[ 'all', 'SELECT session_id, website_id, state FROM everything' ],
	[   'a condition',
		"SELECT session_id FROM everything WHERE state = 'resolved' AND updated_at > '2025-06-01'"
	],
	[   'one partition',
		"SELECT session_id FROM everything WHERE website_id = '" . $sandbox->website_id(1) . q(') ],
	[   'pruned while it runs',
		"SELECT count(*) FROM everything WHERE website_id = (SELECT max(website_id) FROM part_1)" ],
	[   'grouped',
		'SELECT website_id, state, count(*), min(updated_at) FROM everything GROUP BY 1, 2' ],
	[   'ordered',
		'SELECT session_id FROM everything ORDER BY updated_at DESC, session_id LIMIT 70' ],
	[ 'LIMIT',   'SELECT count(*) FROM (SELECT session_id FROM everything LIMIT 333) l' ],
	[ 'LIMIT 0', 'SELECT session_id FROM everything LIMIT 0' ],
	[   'LIMIT beyond all',
		'SELECT count(*) FROM (SELECT session_id FROM everything LIMIT 100000) l' ],
	[   'two servers',
		'SELECT session_id FROM elsewhere UNION ALL SELECT session_id FROM part_2 UNION ALL SELECT session_id '
			. 'FROM elsewhere'
	],
	[   'a list and a lookup',
		"SELECT session_id FROM part_1 UNION ALL SELECT session_id FROM part_2 WHERE session_id = ANY "
			. "(ARRAY(SELECT session_id FROM part_2 LIMIT 7))"
	],
	[   'a list that ends by date',
		"SELECT session_id FROM part_1 UNION ALL SELECT session_id FROM part_2 WHERE updated_at > '2030-01-01' UNION "
			. "ALL SELECT session_id FROM part_2 WHERE updated_at > 'infinity'"
	],
	[   'the newest',
		'(SELECT session_id FROM part_1 ORDER BY updated_at DESC LIMIT 5) UNION ALL SELECT session_id FROM part_2'
	],
	[   'exact',
		'SELECT session_id FROM '
		  . table(website => 1, scan_mode => 'exact')
		  . ' UNION ALL SELECT session_id FROM '
		  . table(website => 2, scan_mode => 'exact') ],
	[   'scans that are run again',
		'SELECT v.x, count(*) FROM (VALUES (1), (2), (3)) v (x), LATERAL (SELECT session_id FROM everything e '
			. 'WHERE length(e.session_id) > v.x) l GROUP BY 1'
	],
	[   'scans that are run again with other values',
		q(SELECT v.x, count(*) FROM (VALUES ('2025-01-01'::timestamptz), ('2025-06-01'), ('2025-09-01')) v (x), )
			. q(LATERAL (SELECT session_id FROM everything e WHERE e.updated_at > v.x OFFSET 0) l GROUP BY 1)
	],
	[   'scans that are run again, and left early',
		'SELECT v.x, (SELECT count(*) FROM (SELECT session_id FROM everything e WHERE length(e.session_id) > v.x '
			. 'LIMIT 99) l) FROM (VALUES (1), (2), (3)) v (x)'
	],
	[   'a join with itself',
		'SELECT count(*) FROM everything a JOIN everything b USING (session_id)' ],
	[   'a correlated subquery',
		'SELECT v.x, EXISTS (SELECT FROM everything e WHERE e.session_id = v.x) FROM (SELECT session_id AS x '
			. 'FROM part_2 LIMIT 2) v'
	],
	[ 'rows that are locked', 'SELECT session_id FROM everything FOR UPDATE' ],
	[   'a prepared statement',
		"PREPARE p (timestamptz) AS SELECT session_id FROM everything WHERE updated_at > \$1; "
			. "SET plan_cache_mode = force_generic_plan; EXECUTE p ('2025-09-01'); EXECUTE p ('2025-10-01'); EXECUTE p "
			. "(NULL)"
	],
	[   'a cursor',
		'BEGIN; DECLARE c SCROLL CURSOR FOR SELECT count(*) OVER () FROM everything; FETCH 2 FROM c; FETCH BACKWARD 1 '
			. 'FROM c; COMMIT'
	])
{
	my ($name, $statement) = @{$case};
	my $rows = rows_of($statement, 'on');

	is_deeply($rows, rows_of($statement, 'off'), "as without asynchronous execution: $name");
	cmp_ok(scalar @{$rows}, '>', 0, "as without asynchronous execution: $name: there are rows")
	  if $name ne 'LIMIT 0';
}

# What ends early, or badly.
{
	my $session = CrispSession->start($node);
	my $idle    = $session->descriptors;
	my $count   = 'SELECT count(session_id) FROM everything';
	my $refused = 'website/' . $sandbox->website_id(1) . '/conversations/3';

	is($session->query($count), $everything, 'before anything happens');
	$session->query("SELECT count(*) FROM (SELECT session_id FROM everything LIMIT 400) l");
	my $memory = $session->memory;
	foreach my $time (1 .. 6)
	{
		$sandbox->control({ answers => [ { match => { path => $refused }, status => 403 } ] });
		$session->fails(
			$count,
			{ sqlstate => '42501', detail => qr{/conversations/3} },
			'an error in one of the branches');
		$sandbox->reset;
		$sandbox->control({ answers => [ { match => { path => $refused }, hang => $true } ] });
		$session->send($count);
		$sandbox->wait_for_hang;
		is(cancel($session)->{errors}->[0]->{sqlstate},
			'57014', 'cancelled while one of the branches waits');
		$sandbox->reset;
		is( $session->query("SELECT count(*) FROM (SELECT session_id FROM everything LIMIT 400) l"),
			400, 'LIMIT');
		is( $session->query(
				"SELECT EXISTS (SELECT FROM everything WHERE length(session_id) > 10 OFFSET 99)"),
			't', 'EXISTS');
		$session->query(
			"BEGIN; DECLARE c CURSOR FOR SELECT session_id FROM everything; MOVE 333 IN c; CLOSE c; COMMIT"
		);
		is($session->query($count), $everything, 'and all rows');
	}
	closes_all($session, $idle, 'what ended early, or badly');
	cmp_ok($session->memory - $memory, '<',  3 * 1024 * 1024,  'no memory is left');
	$session->quit;
}

# Rows are checked again after the row that they were joined with has changed.
{
	my $session = CrispSession->start($node);
	my $key     = sql('SELECT min(session_id) FROM part_2');

	sql("CREATE TABLE notes (session_id text, note int); INSERT INTO notes VALUES ('$key', 1)");
	my $select =
	  "SET enable_hashjoin = off; SET enable_mergejoin = off; SELECT n.note, e.session_id FROM notes n "
	  	. "JOIN everything e ON e.session_id = n.session_id WHERE n.note < 10 FOR UPDATE OF n";
	like(
		sql("SET enable_hashjoin = off; SET enable_mergejoin = off; EXPLAIN (COSTS OFF) "
			  . ($select =~ s/.*; //r)),
		qr/Append/,
		'the plan has an Append');
	$admin->query("BEGIN; UPDATE notes SET note = 2");
	$session->send($select);
	$node->poll_query_until('postgres',
		'SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = \'Lock\' AND pid = '
		  . $session->pid)
	  or die;
	$admin->query('COMMIT');
	is($session->wait->{output}, "2|$key", 'a row that was changed meanwhile');
	$admin->query("BEGIN; UPDATE notes SET note = 20");
	$session->send($select);
	$node->poll_query_until('postgres',
		'SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = \'Lock\' AND pid = '
		  . $session->pid)
	  or die;
	$admin->query('COMMIT');
	is($session->wait->{output}, '', 'a row that satisfies the condition no more');
	$session->quit;
}

# Many scans of one pool, again and again: none waits for what another has received.
{
	my $session = CrispSession->start($node);
	my $union   = join ' UNION ALL ', map {
		my $t = table(website => $_ % 2 + 1, prefetch => 1 + $_ % 3);
		"SELECT session_id FROM $t WHERE updated_at > '2025-11-01'"
	} 1 .. 24;
	my $expected = $session->query(async('off') . "SELECT count(session_id) FROM ($union) u");

	$session->query(async('on') . "SET statement_timeout = '20s'");
	is(scalar(() = $session->query("EXPLAIN $union") =~ /Async Foreign Scan/g),
		24, '24 scans at the same time: the plan');
	foreach my $latency (0, 0, 1, 2, 5)
	{
		$sandbox->control({ latency_ms => $latency });
		is($session->query("SELECT count(session_id) FROM ($union) u"),
			$expected, "24 scans at the same time, latency $latency ms")
		  foreach 1 .. 6;
	}
	$sandbox->reset;
	$session->quit;
}

#
# Memory
#

{
	my $large = CrispSandbox->start(
		conversations => 53300,
		people        => 10,
		visitors      => 1,
		operators     => 1,
		websites      => 1,
		'no-log'      => undef);
	connect_crisp($node, $large, server => 'large', schema => 'large', options => "prefetch '4'");
	my $session = CrispSession->start($node);
	my $since   = sql('SELECT updated_at FROM large.conversations OFFSET 1999 LIMIT 1');
	my $scan    = sub {
		return $session->query(
			"SELECT count(*) FROM large.conversations c WHERE length(c::text) > 0 AND $_[0]");
	};

	foreach my $prefetch (4, 32)
	{
		$session->query("ALTER SERVER large OPTIONS (SET prefetch '$prefetch')");
		cmp_ok($scan->("updated_at >= '$since'"),
			'<', 2100, "prefetch $prefetch: two thousand rows");
		my $memory = $session->memory;
		cmp_ok($scan->('true'), '>', 50000, "prefetch $prefetch: fifty thousand rows");
		cmp_ok(
			$session->memory - $memory,
			'<',
			$prefetch * 2 * 1024 * 1024,
			"prefetch $prefetch: memory of the backend is that of pages under way, and not of the list");
		note(sprintf 'prefetch %d: %d kB more', $prefetch, ($session->memory - $memory) / 1024);
	}

	# What is kept for a page must go with it.  The keys that were seen have a limit of their own.
	my $kept = sub {
		my ($rows) = @_;

		$session->query("MOVE $rows IN c");
		return $session->query(
			q{SELECT sum(used_bytes) FROM pg_backend_memory_contexts WHERE name ~ }
				. q{'^(crisp_fdw|ExecutorState|PortalContext)'}
			  . q{ AND name !~ '(seen keys|page|call)$'});
	};

	$session->query('BEGIN; DECLARE c CURSOR FOR SELECT * FROM large.conversations');
	my $early = $kept->(5000);
	my $later = $kept->(40000);
	cmp_ok($later - $early, '<', 16 * 1024, 'nothing is kept of 800 pages');
	note("$early bytes after 5,000 rows, $later after 45,000");
	$session->query('COMMIT');
	$session->quit;
}

$admin->quit;
$node->stop;
done_testing();
