# Lists that grow, or move, with each request, or whose pages are always the same: every scan comes
# to an end, and what was
# there all the time has come, once, or that it can't be had is an error.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use POSIX qw(ceil strftime);
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 800, people => 500);
my $session = CrispSession->start($node);
my $website = $sandbox->website_id;
my %list    = (
	conversations   => { name => 'conversations', key => 'session_id', path => "website/$website/conversations/*" },
	people_profiles => { name => 'people', key => 'people_id', path => "website/$website/people/profiles/*" });

sub keys_now
{
	my ($resource) = @_;

	return $sandbox->column($list{$resource}->{name}, $list{$resource}->{key});
}

# Operations that come with each of so many requests for a list.
sub with_each
{
	my ($resource, $requests, @operations) = @_;
	my @data;

	foreach my $nth (1 .. $requests)
	{
		push @data, map {
			{   resource => $list{$resource}->{name},
				($_->{op} =~ /random/ ? (seed => $nth) : ()),
				%{$_},
				at_request => { path => $list{$resource}->{path}, nth => $nth } } } @operations;
	}
	$sandbox->data([ splice @data, 0, 2000 ]) while @data;
	return;
}

# Scan a list.  Returns how many requests that has taken, after testing that each row that was there throughout has
# come, but for so many, and none twice; that it took no more than so many requests.
sub scan
{
	my ($name, $resource, $most, $lost) = @_;
	my %before = map { $_ => 1 } keys_now($resource);
	my %times;

	$sandbox->clear;
	$session->query("SET crisp_fdw.max_requests = " . (3 * $most + 10));
	$times{$_}++ foreach split /\n/, $session->query("SELECT $list{$resource}->{key} FROM crisp.$resource");
	my @kept = grep { $before{$_} } keys_now($resource);
	my @lost = grep { !$times{$_} } @kept;

	cmp_ok(scalar @lost, '<=', $lost // 0, "$name: of those that were there, lost");
	is(scalar(grep { $_ > 1 } values %times), 0, "$name: no row twice");
	cmp_ok($sandbox->count, '<=', $most, "$name: it ends");
	return $sandbox->count;
}

my %pages = map { $_ => ceil(keys_now($_) / 50) } keys %list;

# Rows that come in at the front, a few, almost a page, and more than a page with each request.
foreach my $case ([ 'fast', 1 ], [ 'fast', 4 ], [ 'exact', 1 ])
{
	my ($mode, $prefetch) = @{$case};

	$session->query("SET crisp_fdw.scan_mode = $mode; ALTER SERVER support OPTIONS ("
		  . ($session->query("SELECT count(*) FROM pg_foreign_server WHERE srvoptions::text LIKE '%prefetch%'") ? 'SET'
		  : 'ADD')
		  . " prefetch '$prefetch')");
	foreach my $rate (3, 45, 60)
	{
		my $name = "$mode, prefetch $prefetch, $rate new rows with each request";

		$sandbox->reset;
		with_each('conversations', 400, { op => 'insert_random', count => $rate });
		scan($name, 'conversations', $rate < 25 ? 4 * $pages{conversations} + 60 : 380);
	}

	# A few, where Crisp keeps to no order and no filter, so that each look is the whole list again.
	if ($mode eq 'fast')
	{
		$sandbox->reset;
		$sandbox->control({ honour_filters => JSON::PP::false, honour_order => JSON::PP::false,
			default_order => 'created' });
		with_each('conversations', 400, { op => 'insert_random', count => 3 });
		scan("$mode, prefetch $prefetch, 3 new rows with each request, no order and no filter", 'conversations',
			6 * $pages{conversations} + 60);
	}

	# The same in one millisecond, that of the newest row, or another.
	my ($newest) = $sandbox->column('conversations', 'updated_at');
	foreach my $at ($newest, $newest - 86_400_000)
	{
		foreach my $rate (3, 30)
		{
			$sandbox->reset;
			with_each('conversations', 400, { op => 'insert_many', count => $rate, at => $at });
			scan("$mode, prefetch $prefetch, $rate rows in one millisecond with each request, $at", 'conversations',
				380);
		}
	}

	# Rows that change, a few or many, so that they move to the front.
	foreach my $rate (1, 20)
	{
		my $name = "$mode, prefetch $prefetch, $rate rows change with each request";

		$sandbox->reset;
		with_each('conversations', 400, { op => 'touch_random', count => $rate });
		scan($name, 'conversations', 6 * $pages{conversations} + 60);
	}
	foreach my $rate (3, 60)
	{
		my $name = "$mode, prefetch $prefetch, $rate new profiles with each request";

		$sandbox->reset;
		$sandbox->control({ answers => [ { match => { path => '*' },
			headers => { Date => 'Thu, 15 Jan 2026 12:00:00 GMT' } } ] });
		with_each('people_profiles', 400, { op => 'insert_random', count => $rate });
		scan($name, 'people_profiles', 300);
	}
}

# A count for which the list has to be read is one of its rows, however these move; and it ends.
foreach my $mode ('fast', 'exact')
{
	$session->query("SET crisp_fdw.scan_mode = $mode; SET crisp_fdw.max_requests = 600");
	foreach my $operation ([ touch_random => 20 ], [ insert_random => 60 ])
	{
		my ($op, $count) = @{$operation};

		$sandbox->reset;
		$sandbox->control({ answers => [ { match => { path => '*/people/stats' }, status => 200,
			body => '{"error":false,"reason":"resolved","data":{}}' },
				$op eq 'insert_random' ? { match => { path => '*' },
					headers => { Date => 'Thu, 15 Jan 2026 12:00:00 GMT' } } : () ] });
		my $rows = keys_now('people_profiles');
		with_each('people_profiles', 400, { op => $op, count => $count });
		my $counted = $session->query('SELECT count(*) FROM crisp.people_profiles');

		# What changes can't be looked at once more here: no date of a profile's goes by that.
		cmp_ok($counted, '>=', $rows, "$mode, $op: all are counted") if $mode eq 'exact' || $op eq 'insert_random';
		cmp_ok($counted, '<=', scalar(keys_now('people_profiles')), "$mode, $op: none twice");
	}
}

# By ranges of dates, since the order is ignored.  Crisp's clock tells what came after the scan began.
$sandbox->reset;
my ($last) = $sandbox->column('conversations', 'updated_at');
my $date = strftime('%a, %d %b %Y %H:%M:%S GMT', gmtime(int($last / 1000)));
$session->query("SET crisp_fdw.scan_mode = exact");
foreach my $rate (3, 30, 80)
{
	$sandbox->reset;
	$sandbox->control({ honour_order => JSON::PP::false, default_order => 'insertion',
			answers => [ { match => { path => '*' }, headers => { Date => $date } } ] });
	with_each('conversations', 1000, { op => 'insert_random', count => $rate });
	scan("by ranges, $rate new rows with each request", 'conversations', 900);
}

# A page after the last one that answers 404 is the end, in every reader; the first page's is an error.
$session->query("RESET crisp_fdw.scan_mode; RESET crisp_fdw.max_requests");
foreach my $count (1, 49, 50, 100, 120)
{
	foreach my $status (200, 206)
	{
		$sandbox->reset;
		$sandbox->control({ past_end => 'not_found', full_last_page => $status });
		$sandbox->data([ { op => 'clear' },
			map { { op => 'insert_many', count => 1, at => 1_700_000_000_000 + 1000 * $_ } } 1 .. $count ]);
		my @keys = sort +keys_now('conversations');
		foreach my $case ([ 'fast', 1 ], [ 'fast', 4 ], [ 'fast', 32 ], [ 'exact', 1 ])
		{
			my ($mode, $prefetch) = @{$case};
			my $name = "$count rows, a full last page is $status, $mode, prefetch $prefetch";
			my $other = CrispSession->start($node);

			$other->query("SET crisp_fdw.scan_mode = $mode; ALTER SERVER support OPTIONS (SET prefetch '$prefetch')");
			is(join(',', sort split /\n/, $other->query('SELECT session_id FROM crisp.conversations')),
				join(',', @keys), "404 past the end: $name") foreach 1, 2;
			is($other->query(
				"SELECT count(DISTINCT session_id) FROM (SELECT session_id FROM crisp.conversations ORDER "
					. "BY updated_at DESC LIMIT 200) s"), $count, "404 past the end: $name, sorted");
			$other->quit;
		}
		$session->query('ANALYZE crisp.conversations');
		is($session->query(q(SELECT reltuples FROM pg_class WHERE oid = 'crisp.conversations'::regclass)), $count,
			"404 past the end: $count rows, $status: ANALYZE");
		is($session->query(q(SELECT rows FROM crisp_sync_page('crisp.conversations', 7))), 0,
			"404 past the end: $count rows, $status: a page")
				if $session->query(q(SELECT to_regproc('crisp_sync_page') IS NOT NULL)) eq 't';
	}
}

# More than a page in one millisecond, and all the other lists.
$sandbox->reset;
my @others = qw(people_profiles visitors campaigns inboxes conversation_segments people_segments teams
  campaign_templates conversation_spams helpdesk_redirections helpdesk_locales helpdesk_pages helpdesk_feedback);
my %others = map { $_ => $session->query("SELECT count(*) FROM crisp.$_") } @others;
my $person = $session->query('SELECT people_id FROM crisp.people_conversations LIMIT 1');
my $theirs = $session->query(
	"SELECT string_agg(session_id, ',' ORDER BY session_id) FROM crisp.people_conversations "
		. "WHERE people_id = '$person'");
$sandbox->control({ past_end => 'not_found', full_last_page => 206 });
is($session->query("SELECT count(*) FROM crisp.$_"), $others{$_}, "404 past the end: $_") foreach @others;
is($session->query(
	"SELECT string_agg(session_id, ',' ORDER BY session_id) FROM crisp.people_conversations "
		. "WHERE people_id = '$person'"), $theirs, '404 past the end: below a profile');
$sandbox->data([ { op => 'clear' }, { op => 'insert_many', count => 150, at => 1_700_000_000_000 } ]);
$session->query('SET crisp_fdw.scan_mode = exact');
is($session->query('SELECT count(*) FROM crisp.conversations'), 150, '404 past the end: 150 rows of one millisecond');

# The first page is no page past the end; nor is one in the middle.
$sandbox->reset;
$session->query('SET crisp_fdw.scan_mode = fast');
foreach my $prefetch (1, 4)
{
	$session->query("ALTER SERVER support OPTIONS (SET prefetch '$prefetch')");
	foreach my $page (1, 3)
	{
		$sandbox->control({ answers => [ { match => { path => "*/conversations/$page" }, status => 404 } ] });
		$session->fails('SELECT session_id FROM crisp.conversations', { sqlstate => 'HV00R' },
			"404 of page $page, prefetch $prefetch");
	}

	# Nor is one without a row, if it announces another.
	foreach my $page (1, 3)
	{
		$sandbox->control({ answers => [ { match => { path => "*/conversations/$page" }, status => 206,
			body => '{"error":false,"reason":"listed","data":[]}' } ] });
		$session->fails('SELECT session_id FROM crisp.conversations',
			{ sqlstate => 'HV00R', message => qr/^Crisp sent an empty page of a list, / },
			"page $page is empty, prefetch $prefetch");
	}
}

# Lists without a date to go on by. Pages that don't go by their number have an end, too, and so has
# a list that grows by
# a page with each request: what brings nothing new for ever is an error, not a scan without end.
$sandbox->reset;
$session->query("SET crisp_fdw.max_requests = 200; ALTER SERVER support OPTIONS (SET prefetch '4')");
my %endless = (
	visitors              => 'website/*/visitors/list/*',
	campaigns             => 'website/*/campaigns/list/*',
	inboxes               => 'website/*/inboxes/list/*',
	conversation_segments => 'website/*/conversations/suggest/segments/*',
	people_segments       => 'website/*/people/suggest/segments/*',
	people_event_names    => 'website/*/people/suggest/events/*',
	teams                 => 'website/*/teams/list/*',
	campaign_templates    => 'website/*/campaigns/templates/*',
	conversation_spams    => 'website/*/conversations/spams/*',
	helpdesk_locales      => 'website/*/helpdesk/locales/*',
	helpdesk_redirections => 'website/*/helpdesk/redirections/*');
my %first_page = (
	visitors              => [ 'session_id',  'session_%s' ],
	campaigns             => [ 'campaign_id', '%s' ],
	inboxes               => [ 'inbox_id',    '%s' ],
	conversation_segments => [ 'segment',     '%s' ],
	people_segments       => [ 'segment',     '%s' ],
	people_event_names    => [ 'text',           '%s' ],
	teams                 => [ 'team_id',        '%s' ],
	campaign_templates    => [ 'template_id',    '%s' ],
	conversation_spams    => [ 'spam_id',        '%s' ],
	helpdesk_locales      => [ 'locale',         '%s' ],
	helpdesk_redirections => [ 'redirection_id', '%s' ]);
foreach my $resource (sort keys %endless)
{
	my ($key, $form) = @{ $first_page{$resource} };
	my @page = map { { $key => sprintf $form, sprintf '8c842203-7ed8-4e29-a608-%012d', $_ } } 1 .. 20;

	# A session that has seen a 206 takes a 200 for the end.
	foreach my $status (200, 206)
	{
		my $other = CrispSession->start($node);

		$sandbox->control({ answers => [ {
				match  => { path => $endless{$resource} },
				status => $status,
				body   => encode_json({ error => JSON::PP::false, reason => 'listed', data => \@page }) } ] });
		$sandbox->clear;
		$other->query('SET crisp_fdw.max_requests = 200');
		$other->fails("SELECT $key FROM crisp.$resource", { sqlstate => 'HV000' },
			"$resource, all pages are one, $status");
		cmp_ok($sandbox->count, '<', 40, "$resource, all pages are one, $status: it ends");
		$other->quit;
	}
}
$sandbox->control({ answers => [ {
		match  => { path => 'website/*/people/conversations/*' },
		status => 206,
		body   => encode_json({ error => JSON::PP::false, reason => 'listed',
			data => [ map { "session_$_" } 1 .. 20 ] }) } ] });
$sandbox->clear;
$session->fails("SELECT session_id FROM crisp.people_conversations WHERE people_id = '$person'",
	{ sqlstate => 'HV000' }, 'below a profile, all pages are one');
cmp_ok($sandbox->count, '<', 40, 'below a profile, all pages are one: it ends');

# As many rows at once at the front as have come by then: the same pages again, and then the rest.
foreach my $prefetch (1, 4)
{
	$sandbox->reset;
	$session->query("ALTER SERVER support OPTIONS (SET prefetch '$prefetch')");
	$sandbox->data([ map { { op => 'insert_many', resource => 'campaigns', count => 10,
		at => 1_700_000_000_000 + 1000 * $_ } } 1 .. 80 ]);
	my @were = $sandbox->column('campaigns', 'campaign_id');
	$sandbox->data([ {
			op         => 'insert_many', resource => 'campaigns', count => 600, at => 1_790_000_000_000,
			at_request => { path => 'website/*/campaigns/list/*', nth => 30 } } ]);
	my %times;
	$times{$_}++ foreach split /\n/, $session->query('SELECT campaign_id FROM crisp.campaigns');
	cmp_ok(scalar @were, '>', 800, "many come at once, prefetch $prefetch: campaigns before");
	is(scalar(grep { ($times{$_} // 0) != 1 } @were), 0, "many come at once, prefetch $prefetch: each has come, once");

	# A page with each request: what was there is always behind.
	$sandbox->reset;
	$sandbox->data([ map { {
				op => 'insert_many', resource => 'campaigns', count => 20, at => 1_790_000_000_000 + $_,
				at_request => { path => 'website/*/campaigns/list/*', nth => $_ } } } 1 .. 400 ]);
	$session->fails('SELECT campaign_id FROM crisp.campaigns', { sqlstate => 'HV000' },
		"campaigns grow by a page with each request, prefetch $prefetch");
}

$session->quit;
$node->stop;
done_testing();
