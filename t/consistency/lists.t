# Lists that move while they are read, that hold what is no row, and that are
# longer than memory should be.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use CrispStatement;
use JSON::PP;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 230, people => 10);

run_statements($node, $sandbox);

my $conversations = $sandbox->rows('conversations');

#
# Lists that change while they are read.
#
my $select = 'SELECT session_id FROM crisp.conversations';

foreach my $case (
	[
		'touched rows',
		map { { op => 'touch', resource => 'conversations', index => 60 + $_ } } 0 .. 4
	],
	[
		'a touched row of a page that was read',
		{ op => 'touch', resource => 'conversations', index => 20 }
	],
	[
		'inserted rows',
		{ op => 'insert_random', resource => 'conversations', count => 7, seed => 1 }
	],
	[
		'a page of inserted rows',
		{ op => 'insert_random', resource => 'conversations', count => 50, seed => 2 }
	],
	[
		'deleted rows',
		map { { op => 'delete', resource => 'conversations', index => 2 * $_ } } 0 .. 4
	])
{
	my ($name, @operations) = @{$case};

	foreach my $page (2, 4)
	{
		my @before = split /\n/, sql($select);

		$sandbox->data(
			[
				map {
					{
						%{$_}, at_request =>
						  { path => '*/conversations/' . $page, nth => 1, when => 'before' }
					}
				} @operations
			]);
		$sandbox->clear;
		my @keys = split /\n/, sql($select);
		my %times;
		$times{$_}++ foreach @keys;
		my @after = split /\n/, sql($select);

		isnt("@after", "@before", "$name before page $page: the list has changed");
		is_deeply([ grep { $times{$_} > 1 } keys %times ],
			[], "$name before page $page: no key twice");
		is_deeply([ grep { !$times{$_} } @before ], [], "$name before page $page: no row is lost")
		  if $name =~ /inserted/;
		$sandbox->reset;
	}
}

#
# What is no row.
#
{
	my $at  = 1_900_000_000_000;
	my $log = -s $node->logfile;

	$sandbox->data(
		[
			map {
				{
					op         => 'insert_raw',
					resource   => 'conversations',
					text       => $_,
					created_at => $at,
					updated_at => $at
				}
			} 'null',
			'"x"', '1', '[]',
			'true'
		]);
	is( costs(
			pages($conversations + 5),
			'SELECT count(*), count(session_id) FROM crisp.conversations',
			'elements that are no rows'),
		"$conversations|$conversations",
		'elements that are no rows: all rows come');

	open(my $file, '<', $node->logfile) or die $!;
	seek $file, $log, 0;
	my @lines = grep { /skipped elements/ } readline $file;
	close $file;
	is(scalar @lines, 2, 'one line in the log for a page, and for the same page in the recheck');
	like(
		$lines[0],
		qr/LOG:  skipped elements of a Crisp list that are no rows, server "support"/,
		'and its words');
	$sandbox->reset;
}

#
# A long list.  The keys that were returned don't fit into work_mem, and some come again.
#
my $large = CrispSandbox->start(
	conversations => 21000,
	people        => 10,
	visitors      => 1,
	websites      => 1,
	'no-log'      => undef);
connect_crisp($node, $large, server => 'large', schema => 'large');
{
	my $listed = $large->info->{websites}->[0]->{counts}->{conversations_with_messages};
	my $shift = sub {
		my ($page, $count) = @_;

		$large->data([
			{
				op         => 'insert_random',
				resource   => 'conversations',
				count      => $count,
				seed       => $page,
				at_request => { path => "*/conversations/$page", nth => 1, when => 'before' }
			}
		]);
	};

	$shift->(150, 70);
	$shift->(390, 30);
	is( sql(
			"SET work_mem = '64kB'; SELECT count(*), count(DISTINCT session_id) FROM large.conversations"
		),
		join('|', ($listed + 100) x 2),
		'no key twice, no row lost, and those that came meanwhile, beyond work_mem');
	$large->reset;

	# The keys go to a file in the middle of a subtransaction, and are needed after it.
	$shift->(300, 70);
	is( sql(
			"SET work_mem = '64kB'; BEGIN; CREATE TEMP TABLE fetched (session_id text); "
			  . "DECLARE c CURSOR FOR SELECT session_id FROM large.conversations; "
			  . 'MOVE 10 IN c; SAVEPOINT s; MOVE 9000 IN c; ROLLBACK TO s; '
			  . 'SAVEPOINT s; MOVE 3000 IN c; RELEASE s; '
			  . q(DO $$DECLARE c refcursor := 'c'; r record; BEGIN LOOP FETCH c INTO r; EXIT WHEN NOT FOUND;)
			  . q( INSERT INTO fetched VALUES (r.session_id); END LOOP; END$$; COMMIT;)
			  . ' SELECT count(*), count(DISTINCT session_id) FROM fetched'),
		join('|', ($listed - 12010 + 70) x 2),
		'the same for a cursor across subtransactions');
	$large->reset;
}

#
# A list of these rows without end, in a session that doesn't know yet what 200 means, or does: it's given up.  A
# statement ends by itself, and soon.
#
sub is_given_up
{
	my ($session, $answer, $table, $statement, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$sandbox->control({ answers => [ { match => { path => $answer->{path} }, status => $answer->{status} // 206,
		body => '{"error": false, "reason": "listed", "data": [' . join(', ', ($answer->{row} // '{}') x 50) . ']}' } ]
	});
	$sandbox->clear;
	$session->fails("SET statement_timeout = '60s'; SET crisp_fdw.max_requests = 200; $statement",
		$answer->{error} // { sqlstate => 'HV000', message => qr/^cannot read all rows of a list of "$table"/ }, $name);
	cmp_ok(scalar($sandbox->logged), '<', $answer->{most} // 60, '... is given up');
	$sandbox->reset;
	return;
}

{
	my $fresh = CrispSession->start($node);

	is_given_up($fresh, { path => '*/helpdesk/locales/*', status => 200, most => 40 }, 'helpdesk_locales',
		'SELECT count(*) FROM crisp.helpdesk_locales', 'pages without end, of rows without a key');
	$fresh->quit;
}

#
# The same of lists that have dates, however they are read.  Rows that have come before, or since the scan began, among
# them make no difference.
#
{
	my $fresh = CrispSession->start($node);
	my $undated = '{}';
	my $dated = '{"created_at": 1700000000000, "updated_at": 1700000000000}';
	# From 19 on, a count of a column alone that is NOT NULL is count(*), for which the list needn't be read.
	my @statements = (
		[ 'a scan', 'SELECT count(updated_at::text) FROM crisp.%s' ],
		[ 'since a date', q(SELECT count(*) FROM crisp.%s WHERE updated_at > '2020-01-01') ],
		[ 'sorted', 'SELECT count(*) FROM (SELECT * FROM crisp.%s ORDER BY updated_at DESC LIMIT 100000) x' ],
		[ 'a loop', 'DO $$ DECLARE r record; '
			. 'BEGIN FOR r IN SELECT * FROM crisp.%s ORDER BY created_at DESC LOOP END LOOP; END $$' ],
		[ 'the oldest', 'SELECT min(updated_at) FROM crisp.%s' ],
		[ 'by date', 'SET crisp_fdw.scan_mode = exact; SELECT count(updated_at::text) FROM crisp.%s' ]);

	foreach my $list ([ conversations => 'conversations' ], [ people_profiles => 'people/profiles' ])
	{
		my ($table, $path) = @{$list};

		foreach my $row ($undated, $dated)
		{
			foreach my $case (@statements)
			{
				my ($name, $statement) = @{$case};
				# Rows of one date, whatever dates are asked for: ranges show that at once.
				my %error = $name eq 'by date' && $row eq $dated
				  ? (error => { sqlstate => 'CS003', message => qr/^cannot read "$table" exactly/ }) : ();

				is_given_up($fresh, { path => "*/$path/*", row => $row, %error }, $table, sprintf($statement, $table),
					"$table of $row without end: $name");
				$fresh->query('RESET crisp_fdw.scan_mode');
			}
		}
	}
	$fresh->quit;
}

#
# The same of lists below a row.
#
foreach my $list (
	[ campaign_recipients => 'campaign/*/recipients/*', 'campaign_id', 'campaigns' ],
	[ people_campaigns => 'people/campaigns/*', 'people_id', 'people_profiles' ])
{
	my ($table, $path, $column, $parent) = @{$list};
	my $fresh = CrispSession->start($node);
	my $parent_key = $fresh->query("SELECT min($column) FROM crisp.$parent");

	is_given_up($fresh, { path => "*/$path" }, $table, "SELECT count(*) FROM crisp.$table WHERE $column = "
			. "'$parent_key'", "$table of rows without keys, without end");
	$fresh->quit;
}

#
# A list that grows by a page with each request, where Crisp ignores dates: there's no end, and no other way to read it.
#
{
	my $fresh = CrispSession->start($node);
	my $date = 'Thu, 15 Jan 2026 12:00:00 GMT';

	foreach my $case ([ 50, '' ], [ 60, '' ], [ 60, q(WHERE updated_at > '2025-12-01') ])
	{
		my ($rate, $where) = @{$case};
		my $name = "$rate new rows with each request, and no dates $where";

		$sandbox->control({ honour_dates => JSON::PP::false,
			answers => [ { match => { path => '*' }, headers => { Date => $date } } ] });
		$sandbox->data([ map { { op => 'insert_random', count => $rate, seed => $_,
			at_request => { path => '*/conversations/*', nth => $_ } } } 1 .. 400 ]);
		$sandbox->clear;
		$fresh->query("SET statement_timeout = '60s'; SET crisp_fdw.max_requests = 390");
		my $result = $fresh->run("SELECT count(*) FROM crisp.conversations $where");
		my @errors = map { $_->{sqlstate} } @{ $result->{errors} };
		like("@errors", qr/^(|HV000|CS003)$/, "$name: it ends");
		cmp_ok($result->{output}, '>=', 200, '... with all that there was') if !@errors && $where eq '';
		cmp_ok(scalar($sandbox->logged), '<', 200, '... soon');
		$sandbox->reset;
	}
	$fresh->quit;
}

#
# Memory is that of a page, whatever the size of the list.
#
SKIP:
{
	skip 'this system has no /proc', 4 unless -e "/proc/$$/status";

	my $reader = CrispSession->start($node);
	my $contexts = sub {
		return $reader->query('SELECT sum(total_bytes) / 1024 FROM pg_backend_memory_contexts');
	};
	my $scan = sub {
		my ($condition) = @_;

		return $reader->query(
			"SELECT count(*) FROM large.conversations c WHERE length(c::text) > 0 AND $condition");
	};
	my $since = sql('SELECT updated_at FROM large.conversations OFFSET 1999 LIMIT 1');

	cmp_ok($scan->("updated_at >= '$since'"), '<', 2100, 'two thousand rows');
	my $rss   = $reader->status_of('RssAnon');
	my $total = $contexts->();
	cmp_ok($scan->('true'), '>', 19000, 'ten times as many');
	cmp_ok($reader->status_of('RssAnon') - $rss, '<', 4096 * 1024, 'memory of the process');
	cmp_ok($contexts->() - $total, '<', 512, 'memory contexts, kB');
}

$node->stop;
done_testing();
