# The recheck, and what the times of rows tell: changes that are listed late, rows from the future, many changes in
# one millisecond, and so many that the list moves by more than a page.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use POSIX qw(ceil);
use Test::More;
use Time::HiRes ();

# The far future, Unix milliseconds.
use constant FUTURE => 4_102_444_800_000;

my ($node, $sandbox) = start_crisp(conversations => 1200, people => 1000);
my $website = $sandbox->website_id;
my $list    = "website/$website/conversations";
my $session = CrispSession->start($node);

$sandbox->show_rechecks(1);
my @keys   = keys_now();
my ($newest) = $sandbox->column('conversations', 'updated_at');
my $pages  = ceil(@keys / 50);

sub keys_now { return $sandbox->column('conversations', 'session_id') }

# Operations that come with the nth request for the list.
sub at
{
	my ($nth, @operations) = @_;

	$sandbox->data([ map { { %{$_}, at_request => { path => "$list/*", nth => $nth } } } @operations ]);
	return;
}

# Touch these rows of the list, at that time and the milliseconds that follow it.
sub touches
{
	my ($time, @indexes) = @_;

	return map { { op => 'touch', key => $keys[$_], updated_at => $time++ } } @indexes;
}

# Scan the list.  Returns the requests for looks, after testing that no row is lost or doubled.
sub scan
{
	my ($name) = @_;
	my %times;

	$sandbox->clear;
	$times{$_}++ foreach split /\n/, $session->query('SELECT session_id FROM crisp.conversations');
	is_deeply(
		[ grep { ($times{$_} // 0) != 1 } keys_now() ],
		[], "$name: each row that is there has come, once");
	return grep { $_->{query} =~ /filter_date_start/ } $sandbox->requests;
}

sub now { return int(Time::HiRes::time() * 1000) }

foreach my $case ([ 'fast', 1 ], [ 'fast', 4 ], [ 'exact', 1 ])
{
	my ($mode, $prefetch) = @{$case};
	my $name = "$mode, prefetch $prefetch";
	my @looks;

	$session->query(
		"SET crisp_fdw.scan_mode = $mode; ALTER SERVER support OPTIONS (SET prefetch '$prefetch')");

	# A row comes to the front after others that were updated later.
	foreach my $late (1, 40, 900, 9000)
	{
		$sandbox->reset;
		at(5, touches($newest - $late, 1000));
		@looks = scan("$name: $late ms late");
		is(scalar @looks, 1, "$name: $late ms late: one request");
	}

	# After many changes at once, a look takes no more than a page, since it begins with half of one.
	$sandbox->reset;
	$sandbox->data([ { op => 'touch_random', count => 300, seed => 7 } ]);
	@looks = scan("$name: 300 changes before");
	is(scalar @looks, 1, "$name: 300 changes before: one request");
	cmp_ok($looks[0]->{rows}, '<=', 27, "$name: 300 changes before: half a page of rows");

	# What claims to be from the future tells nothing of when the scan began.
	foreach my $count (1, 30, 120)
	{
		$sandbox->reset;
		$sandbox->data([ touches(FUTURE, 100 .. 99 + $count) ]);
		at(5, touches(now(), 1000 .. 1009));
		@looks = scan("$name: $count rows from the future");
		cmp_ok(scalar @looks, '<=', 2 * ceil(($count + 36) / 45), "$name: $count rows from the future: requests");
	}

	# The newest row is deleted, which doesn't turn the sandbox's clock back.
	$sandbox->reset;
	at(5, { op => 'delete', index => 0 }, map { { op => 'touch', key => $keys[$_] } } 1000 .. 1009);
	scan("$name: the newest row goes");

	# Crisp's clock is behind by two weeks, or tells nothing.
	foreach my $date ('Thu, 01 Jan 2026 00:00:00 GMT', 'nobody knows')
	{
		$sandbox->reset;
		$sandbox->control({ answers => [ { match => { path => '*' }, headers => { Date => $date } } ] });
		at(5, touches($newest + 1, 1000 .. 1009));
		@looks = scan("$name: Date: $date");
		cmp_ok(scalar @looks, '<=', 10, "$name: Date: $date: requests");
		is(scalar @looks, 1, "$name: Date: $date: one request") if $date =~ /knows/;
	}

	# More changes than a page holds, all in the millisecond of the newest row; and some of them
	# again while they are looked at.
	$sandbox->reset;
	at(5, map { touches($newest, $_) } 1000 .. 1119);
	$sandbox->data(
		[   map {
				{   op         => 'touch',
					key        => $keys[$_],
					at_request => { path => "$list/*", query => 'filter_date_start', nth => 2 } }
			} 1000,
			1060,
			1119 ]);
	@looks = scan("$name: changes in one millisecond");
	cmp_ok(scalar @looks, '<=', 20, "$name: changes in one millisecond: requests");
}
$session->query("RESET crisp_fdw.scan_mode; ALTER SERVER support OPTIONS (SET prefetch '1')");

# When more rows than a page are put in front of a list between two pages, the second begins with
# rows that are later than those of the first.  That doesn't disprove the order for the rest of the session.
foreach my $case (
	[   'conversations', $list, 'order_date_updated=1', 2,
		'SELECT session_id FROM crisp.conversations ORDER BY updated_at DESC NULLS LAST LIMIT 100' ],
	[   'people',
		"website/$website/people/profiles",
		'sort_field=updated_at',
		7,
		'SELECT people_id FROM crisp.people_profiles WHERE updated_at >= '
		  . "(SELECT to_timestamp(${\( profile_time(290) )} / 1000.0))" ])
{
	my ($resource, $path, $order, $number, $query) = @{$case};
	my $rows_of = sub { return join ',', sort split /\n/, $session->query($query) };

	$sandbox->reset;
	my $rows = $rows_of->();
	$sandbox->clear;
	is($rows_of->(), $rows, "$resource: the same rows again");
	my $requests = $sandbox->count;
	cmp_ok($requests, '<=', $number, "$resource: requests in order");

	$sandbox->data(
		[   {   op         => 'touch_random',
				resource   => $resource,
				count      => 120,
				seed       => 3,
				at_request => { path => "$path/2", query => $order } } ]);
	$sandbox->clear;
	$rows_of->();
	cmp_ok($sandbox->count, '>', $requests + 5, "$resource: rows out of order make it read all");

	$sandbox->reset;
	is($rows_of->(), $rows, "$resource: rows after that");
	is($sandbox->count, $requests, "$resource: the order is asked for, and relied on, as before");
}

# The time of update of the profile that has so many before it.
sub profile_time
{
	my ($index) = @_;

	return (sort { $b <=> $a } grep { defined } $sandbox->column('people', 'updated_at'))[$index];
}

$session->quit;
$node->stop;
done_testing();
