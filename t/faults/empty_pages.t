# A page that comes without a row, once, although it or the page before it says that more rows follow, or a row that was
# seen should be on it: no row is lost for that in silence, and no copy loses rows.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use JSON::PP ();
use Test::More;

my $empty = '{"error":false,"reason":"resolved","data":[]}';
my ($node, $sandbox) = start_crisp(conversations => 230, people => 170);

connect_crisp($node, $sandbox, server => 'plain', schema => 'plain', options => "prefetch '1'");

my $session = CrispSession->start($node);
my %truth;

# What is read, and the path of its pages.
my %statements = (
	'SELECT session_id FROM %s.conversations' => 'website/*/conversations/*',
	"SELECT session_id FROM %s.conversations WHERE state = 'resolved'" => 'website/*/conversations/*',
	'SELECT session_id FROM %s.conversations ORDER BY updated_at DESC LIMIT 120' => 'website/*/conversations/*',
	'SELECT min(updated_at) FROM %s.conversations' => 'website/*/conversations/*',
	'SELECT people_id FROM %s.people_profiles' => 'website/*/people/profiles/*',
	'SELECT fingerprint FROM %s.messages WHERE session_id = (SELECT session_id FROM conversation)' =>
	  'website/*/conversation/*/messages*',
	'SELECT text FROM %s.people_events WHERE people_id = (SELECT people_id FROM person)' => 'website/*/people/events/*',
);

$session->query('CREATE TABLE conversation AS SELECT session_id FROM crisp.messages GROUP BY 1 ORDER BY count(*) DESC '
	. 'LIMIT 1; '
	. 'CREATE TABLE person AS SELECT people_id FROM crisp.people_events GROUP BY 1 ORDER BY count(*) DESC LIMIT 1');

# Return the rows of a statement, sorted, in a session that knows nothing of the server; or the SQLSTATE.
sub rows
{
	my ($mode, $statement) = @_;
	my $fresh = CrispSession->start($node);
	my $result;

	$fresh->query("SET crisp_fdw.scan_mode = '$mode'");
	$result = $fresh->run($statement);
	$fresh->quit;
	return $result->{errors}->[0]->{sqlstate} if @{ $result->{errors} };
	return join ' ', sort split /\n/, $result->{output};
}

foreach my $statement (sort keys %statements)
{
	my $path = $statements{$statement};

	foreach my $mode ('fast', 'exact')
	{
		foreach my $schema ('plain', 'crisp')
		{
			my $text = sprintf $statement, $schema;
			my ($right, $requests, %ends);

			$sandbox->control({ answers => [] });
			$sandbox->clear;
			$right = rows($mode, $text);
			$requests = scalar grep { $_->{path} =~ m{/(?:conversations/\d|profiles/\d|messages|events)} } $sandbox->requests;
			cmp_ok(length $right, '>', 20, "$mode, $text: there are rows");
			foreach my $nth (1 .. $requests)
			{
				foreach my $status (206, 200)
				{
					my $got;

					# An empty first page that says that it's the last is the truth, as far as anybody can tell.
					next if $status == 200 && $nth == 1;
					$sandbox->control({ answers => [ { match => { path => $path, nth => $nth }, status => $status,
								body => $empty } ] });
					$got = rows($mode, $text);
					$ends{ $got eq $right ? 'right' : $got =~ /^\w{5}$/ ? $got : "wrong: $nth, $status" }++;
				}
			}
			is_deeply([ grep { !/^right$/ } sort keys %ends ], [], '... and no empty page changes them')
			  or diag(explain(\%ends));
		}
	}
}

# A long list is read in parts, of which one that is empty is not taken for the end of all; nor is the first page.
my $long = CrispSandbox->start(conversations => 1500, websites => 1);

connect_crisp($node, $long, server => 'long', schema => 'long');
{
	my $text = 'SELECT session_id FROM long.conversations';
	my $right = rows('exact', $text);
	my ($requests, %ends) = ($long->count);

	cmp_ok($requests, '>', 20, 'a long list');
	foreach my $nth (1 .. $requests)
	{
		$long->control({ answers => [ { match => { path => 'website/*/conversations/*', nth => $nth }, status => 200,
					body => $empty } ] });
		$ends{ rows('exact', $text) eq $right ? 'right' : "wrong: $nth" }++;
	}
	is_deeply([ grep { !/^right$/ } sort keys %ends ], [], '... in parts, of which one is empty');
}

# What contradicts rows that were seen is not believed when it comes twice, either: others are asked for beside them.
foreach my $setting ({}, { honour_order => JSON::PP::false })
{
	my $text = 'SELECT session_id FROM long.conversations';
	my (%ends, $right, %queries);

	$long->control({ answers => [], %{$setting} });
	$long->clear;
	$right = rows('exact', $text);
	$queries{ $_->{query} }++ foreach $long->requests;
	foreach my $query (sort grep { /filter_date_end/ } keys %queries)
	{
		$long->control({ answers => [ { match => { path => 'website/*/conversations/1', query => $query }, times => 2,
					status => 200, body => $empty } ] });
		my $got = rows('exact', $text);
		$ends{ $got eq $right ? 'right' : $got =~ /^\w{5}$/ ? $got : "wrong: $query" }++;
	}
	is_deeply([ grep { !/^(?:right|HV00R)$/ } sort keys %ends ], [],
		'... twice, ' . (%{$setting} ? 'in no order' : 'in order')) or diag(explain(\%ends));
	cmp_ok($ends{right}, '>', 15, '... and most rows come all the same');
	$long->control({ answers => [], honour_order => JSON::PP::true });
}

# The list that serves many runs in their stead: where it's said to be empty, or not to exist, they go on.
{
	my $text = 'SELECT n, (SELECT count(*) FROM %s.conversations c WHERE c.updated_at > at) FROM '
	  . '(SELECT n, (SELECT percentile_disc(n / 41.0) WITHIN GROUP (ORDER BY updated_at) FROM copied.conversations) AS '
	  . 'at '
	  . 'FROM generate_series(1, 40) n) bound';
	$session->query('CREATE SCHEMA copied; CREATE TABLE copied.conversations AS SELECT * FROM long.conversations');
	my $right = rows('fast', sprintf $text, 'copied');
	my %most;

	foreach my $answer ({ status => 200, body => $empty }, { status => 404 })
	{
		foreach my $times (1, 2, 99)
		{
			foreach my $mode ('fast', 'exact')
			{
				$long->control({ answers => [ { match => { path => 'website/*/conversations/1',
							query => 'per_page=50&order_date_updated=1' }, times => $times, %{$answer} } ] });
				$long->clear;
				is(rows($mode, sprintf $text, 'long'), $right,
					"$mode, a list that serves runs, $answer->{status}, $times times: rows");
				$most{$times}->{$answer->{status}} = $long->count if $mode eq 'fast';
			}
		}
	}
	$long->control({ answers => [] });
	cmp_ok($most{1}->{404}, '<', $most{99}->{404} / 2, 'after a 404 the list is tried once more');
}

# The next messages of a conversation may be a 404, once.
$sandbox->control({ answers => [] });
{
	my $text = 'SELECT fingerprint FROM crisp.messages WHERE session_id = (SELECT session_id FROM conversation)';
	my $right = rows('fast', $text);

	$sandbox->control({ answers => [ { match => { path => '*/messages', query => 'timestamp_before', nth => 1 },
				status => 404 } ] });
	is(rows('fast', $text), $right, 'messages: a 404 in the middle');
}

# Syncs delete what they don't find.
foreach my $source ('conversations', 'people_profiles', 'messages')
{
	$sandbox->control({ answers => [] });
	$session->query("CALL crisp_sync('crisp.$source', 'public.copy_$source')");
	my $count = $session->query("SELECT count(*) FROM copy_$source");

	cmp_ok($count, '>', 100, "$source: a copy");
	foreach my $nth (1 .. 8)
	{
		my $path = $source eq 'messages' ? 'website/*/conversation/*/messages*'
		  : $source eq 'conversations' ? 'website/*/conversations/*' : 'website/*/people/profiles/*';

		# What says that a list below a row is empty, or gone, is believed; but not that it ends where it went on.
		my @next = $source eq 'messages' && $nth % 2 == 0 ? (query => 'timestamp_before') : ();
		my $answer = $nth % 2 ? { status => 206, body => $empty }
		  : @next ? { status => 404 } : { status => 200, body => $empty };

		$sandbox->control({ answers => [ { match => { path => $path, nth => $nth, @next }, %{$answer} } ] });
		my $fresh = CrispSession->start($node);
		$fresh->run("CALL crisp_sync('crisp.$source', 'public.copy_$source', mode => 'full')");
		$fresh->quit;
		is($session->query("SELECT count(*) FROM copy_$source"), $count, "$source: a full load, page $nth was empty");
	}
}

# What has changed isn't missed for one empty answer, by whatever route it's found.
$sandbox->control({ answers => [] });
foreach my $source (['conversations', 'website/*/conversations/*', 'meta_nickname', 'session_id'],
	['people_profiles', 'website/*/people/profiles/*', 'person_nickname', 'people_id'])
{
	my ($table, $path, $column, $key) = @{$source};

	$session->query("DROP TABLE IF EXISTS copy_$table; CALL crisp_sync('crisp.$table', 'public.copy_$table')");
	foreach my $nth (1, 2)
	{
		my $name = "changed $nth";

		$sandbox->control({ answers => [] });
		$session->query("CALL crisp_sync('crisp.$table', 'public.copy_$table')");
		$session->query("ALTER SERVER support OPTIONS (ADD updatable 'true')")
		  if $table eq 'conversations' && $nth == 1;
		$session->query("UPDATE crisp.$table SET $column = '$name' WHERE $key = (SELECT $key FROM copy_$table "
			. 'ORDER BY updated_at LIMIT 1)');
		$sandbox->clear;
		$sandbox->control({ answers => [ { match => { path => $path, nth => $nth }, status => 200,
			body => $empty } ] });
		$session->query("CALL crisp_sync('crisp.$table', 'public.copy_$table')");
		is($session->query("SELECT count(*) FROM copy_$table WHERE $column = '$name'"), 1,
			"$table: a run finds what has changed, request $nth was empty");
	}
}

# What lies below a row isn't deleted for one answer without a row, either, nor for one 404; but it is for two.
foreach my $source (['messages', 'website/*/conversation/*/messages*'], ['people_events', 'website/*/people/events/*'])
{
	my ($table, $path) = @{$source};

	$sandbox->control({ answers => [] });
	$session->query("DROP TABLE IF EXISTS copy_$table; CALL crisp_sync('crisp.$table', 'public.copy_$table', "
		. "max_requests => NULL)");
	my $count = $session->query("SELECT count(*) FROM copy_$table");

	foreach my $answer ({ status => 200, body => $empty }, { status => 404 })
	{
		foreach my $nth (1 .. 3)
		{
			$sandbox->control({ answers => [ { match => { path => $path, nth => 5 * $nth }, %{$answer} } ] });
			$session->query("CALL crisp_sync('crisp.$table', 'public.copy_$table', mode => 'full', "
				. 'max_requests => NULL)');
			is($session->query("SELECT count(*) FROM copy_$table"), $count,
				"$table: a full load, request ${\(5 * $nth)} below a row, $answer->{status}");
		}
	}
	$sandbox->control({ answers => [ { match => { path => $path }, status => 200, body => $empty } ] });
	$session->query("CALL crisp_sync('crisp.$table', 'public.copy_$table', mode => 'full', max_requests => NULL)");
	is($session->query("SELECT count(*) FROM copy_$table"), 0, "$table: what is empty each time is believed");
}

# So do those of lists without dates, which are full loads: a first page that is empty is asked for again.
foreach my $source ('operators', 'campaigns', 'people_segments')
{
	$sandbox->control({ answers => [] });
	$session->query("CALL crisp_sync('crisp.$source', 'public.copy_$source')");
	my $count = $session->query("SELECT count(*) FROM copy_$source");

	cmp_ok($count, '>', 1, "$source: a copy");
	foreach my $mode ('default', 'full')
	{
		my $argument = $mode eq 'full' ? ", mode => 'full'" : '';

		$sandbox->clear;
		$sandbox->control({ answers => [ { match => { path => 'website/*', nth => 1 }, status => 200,
			body => $empty } ] });
		my $result = $session->run("CALL crisp_sync('crisp.$source', 'public.copy_$source'$argument)");
		is_deeply($result->{errors}, [], "$source, $mode: a run whose first answer was empty");
		is($session->query("SELECT count(*) FROM copy_$source"), $count, '... deletes nothing');
		my ($first, $second) = map { "$_->{path}?$_->{query}" } $sandbox->requests;
		is($second, $first, '... but asks again');
	}
}

$session->quit;
$node->stop;
done_testing();
