# Lists that move while they are read: nothing lost, nothing doubled.  Each
# scan is compared, row by row, with what was there before and after it, while
# the sandbox touches, inserts and deletes rows at random.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use CrispStatement;
use JSON::PP;
use List::Util qw(sum0);
use POSIX      qw(ceil);
use Test::More;

my ($true, $false) = (JSON::PP::true, JSON::PP::false);

# The first website has some 20,000 conversations, the second a tenth of them.
my $sandbox = CrispSandbox->start(
	conversations => 20600,
	people        => 2200,
	websites      => 3,
	visitors      => 1,
	operators     => 3,
	campaigns     => 1);
my $node     = start_node();
my %websites = (large => $sandbox->website_id(0), small => $sandbox->website_id(1));
my %lists    = (
	conversations   => { key => 'session_id', name => 'conversations', path => 'conversations' },
	people_profiles => { key => 'people_id',  name => 'people',        path => 'people/profiles' });

connect_crisp($node, $sandbox, tier => 'plugin', options => "prefetch '4'");
$sandbox->show_rechecks(1);
run_statements($node, $sandbox);

#
# What is there, and what a scan finds
#

# The rows of a list as they are now: for each key the time of its update, in
# milliseconds, -1 where it has none.
sub present_rows
{
	my ($resource, $website) = @_;
	my $key = $lists{$resource}->{key};
	my %rows;

	foreach my $row ($sandbox->rows($lists{$resource}->{name}, $websites{$website}, fields => "$key,updated_at"))
	{
		$rows{ $row->{$key} } = $row->{updated_at} // -1;
	}
	return \%rows;
}

# The keys of a list as it is now, in its order.
sub present_keys
{
	my ($resource, $website) = @_;

	return $sandbox->column($lists{$resource}->{name}, $lists{$resource}->{key}, $websites{$website});
}

# Rows before any disturbance; asked for once.
my %rows_at_start;

sub rows_at_start
{
	my ($resource, $website) = @_;

	return $rows_at_start{"$resource $website"} //= present_rows($resource, $website);
}

# A table with these options, made when it's first asked for; returns its name.
my %tables;

sub table
{
	my ($resource, $website, %option) = @_;
	my $name    = join '_', $resource, $website, map { $option{$_} } sort keys %option;
	my %set     = (resource => $resource, website_id => $websites{$website}, %option);
	my $options = join ', ', map { "$_ '$set{$_}'" } sort keys %set;

	sql(<<"END") unless $tables{$name}++;
CREATE FOREIGN TABLE $name ($lists{$resource}->{key} text, state text, created_at timestamptz, updated_at timestamptz)
	SERVER support OPTIONS ($options)
END
	return $name;
}

# The query whose rows are compared, each with the time of its update as above.
sub scan_of
{
	my ($table, $condition) = @_;
	my ($resource) = grep { $table =~ /^$_/ } keys %lists;

	return
	  "SELECT $lists{$resource}->{key}, coalesce(round(extract(epoch FROM updated_at) * 1000), -1) FROM $table"
	  . (defined $condition ? " WHERE $condition" : '');
}

#
# Disturbances
#

# Changes to random rows, at random moments of so many requests for a list.
sub disturbances
{
	my ($requests, $number, @operations) = @_;

	return map {
		{   op    => $operations[ rand @operations ],
			count => 1 + int rand 12,
			seed  => int rand 1_000_000,
			nth   => 1 + int rand $requests,
			when  => rand() < 0.5 ? 'before' : 'after' }
	} 1 .. $number;
}

# So many requests, 60 changes, and the seed for these and for what comes after.
sub disturbances_of
{
	my ($seed, $requests, @operations) = @_;

	srand $seed;
	return disturbances($requests, 60, @operations);
}

# Let them come with the requests for that list from now on.
sub disturb
{
	my ($resource, $website, @disturbances) = @_;
	my $list = $lists{$resource};

	$sandbox->data(
		[   map {
				{   op         => "$_->{op}_random",
					resource   => $list->{name},
					website_id => $websites{$website},
					count      => $_->{count},
					seed       => $_->{seed},
					at_request => {
						path => "website/$websites{$website}/$list->{path}/*",
						nth  => $_->{nth},
						when => $_->{when} } }
			} @disturbances ]);
	return;
}

# The most rows that a scan by page numbers can lose: for each change, as many
# as there are borders between pages that the change came between, so that a
# row slid over the border unseen.  A deletion does so when the earlier page was
# answered before it, and the later one after it; what goes to the front, when
# they were answered the other way round.
sub most_lost
{
	my ($requests, @disturbances) = @_;
	my @numbers = map { $_->{path} =~ m{/(\d+)$} } @{$requests};
	my (@lists, $bound);

	foreach my $i (grep { $requests->[$_]->{status} < 300 } 0 .. $#numbers)
	{
		push @lists, {} if $numbers[$i] == 1;
		$lists[-1]->{ $numbers[$i] } = $i + 1;
	}
	foreach my $change (@disturbances)
	{
		my $moment = $change->{nth} + ($change->{when} eq 'after' ? 0.5 : -0.5);

		foreach my $list (@lists)
		{
			foreach my $page (grep { exists $list->{ $_ + 1 } } keys %{$list})
			{
				my ($first, $then) = @{$list}{ $page, $page + 1 };

				($first, $then) = ($then, $first) if $change->{op} ne 'delete';
				$bound += $change->{count} if $first < $moment && $moment < $then;
			}
		}
	}
	return $bound // 0;
}

# Whether the answers came in the order of the pages.
sub in_order
{
	my ($requests) = @_;
	my $previous = 0;

	foreach (@{$requests})
	{
		my ($page) = $_->{path} =~ m{/(\d+)$};

		return 0 if $page != 1 && $page != $previous + 1;
		$previous = $page;
	}
	return 1;
}

# The same as docs/consistency.md tells it.
sub documented_bound
{
	my ($prefetch, $requests, @disturbances) = @_;
	my $edges = in_order($requests) ? 0 : int($prefetch / 2);

	return sum0(map { $_->{count} * ($edges + ($_->{op} eq 'delete')) } @disturbances);
}

# Scan a list while it is disturbed, and compare.  `wanted` tells, given a row's key,
# whether the condition wants it.
sub watch
{
	my ($resource, $website, $table, $disturbances, %option) = @_;
	my $before = rows_at_start($resource, $website);
	my $wanted = $option{wanted} // sub { 1 };
	my %found;

	$sandbox->reset;
	$sandbox->control($option{settings}) if $option{settings};
	disturb($resource, $website, @{$disturbances});
	my ($printed, @requests) = requests_of(scan_of($table, $option{condition}));
	my $after = present_rows($resource, $website);

	foreach (split /\n/, $printed)
	{
		my ($key, $time) = split /\|/;

		push @{ $found{$key} }, $time;
	}
	my @kept  = grep { exists $after->{$_} && $wanted->($_) } keys %{$before};
	my @lost  = grep { !$found{$_} } @kept;
	my @moved = grep { $before->{$_} != $after->{$_} } @kept;

	return {
		requests => \@requests,
		bound    => most_lost(\@requests, @{$disturbances}),
		reordered => in_order(\@requests) ? 0 : 1,
		rows     => scalar keys %found,
		doubles  => scalar(grep { @{$_} > 1 } values %found),
		odd      => scalar(
			grep {
				$found{$_} && ($found{$_}->[0] < $before->{$_} || $found{$_}->[0] > $after->{$_})
			} @kept),
		kept       => scalar @kept,
		lost       => scalar @lost,
		lost_moved => scalar(grep { $before->{$_} != $after->{$_} } @lost),
		moved      => scalar @moved,
		deleted    => scalar(grep { !exists $after->{$_} } keys %{$before}),
		inserted   => scalar(grep { !exists $before->{$_} } keys %{$after}) };
}

sub summary
{
	my ($result) = @_;

	return join ', ', map { "$_ $result->{$_}" } grep { !ref $result->{$_} } sort keys %{$result};
}

# What all of these scans came to, together.
my %sums;

sub add_up
{
	my ($name, $result) = @_;

	$sums{$name}->{$_} += $result->{$_} foreach grep { !ref $result->{$_} } keys %{$result};
	return;
}

#
# Whole lists of conversations, at random
#

# So many requests does a list of these rows cost, when nothing happens.
sub pages_of { return ceil(keys(%{ rows_at_start(@_) }) / 50) }

# A scan in each mode, disturbed in the same way.
sub watch_both
{
	my ($name, $resource, $website, $prefetch, $disturbances, %option) = @_;

	foreach my $mode ('fast', 'exact')
	{
		my $table  = table($resource, $website, scan_mode => $mode, prefetch => $prefetch, %{ $option{options} // {} });
		my $result = watch($resource, $website, $table, $disturbances, %option);
		my $most   = $mode eq 'exact' ? 0 : $result->{bound};

		subtest "$name, $mode" => sub {
			is($result->{doubles}, 0, 'no key twice');
			is($result->{odd},     0, 'each row as it was at some time');
			cmp_ok($result->{lost}, '<=', $most, 'rows lost');
			cmp_ok(
				$most, '<=',
				documented_bound($prefetch, $result->{requests}, @{$disturbances}),
				'as docs/consistency.md has it');
		} or diag(summary($result));
		add_up($option{sums} ? "$option{sums}, $mode" : $mode, $result);
	}
	return;
}

foreach my $seed (1 .. 12)
{
	my $prefetch = (1, 4, 32)[ $seed % 3 ];
	my $pages    = pages_of('conversations', 'small');

	srand $seed;
	watch_both("conversations, seed $seed, prefetch $prefetch",
		'conversations', 'small', $prefetch,
		[ disturbances($pages + 8, 60, qw(touch insert delete)) ]);
}
foreach my $seed (101 .. 102)
{
	srand $seed;
	watch_both(
		"many conversations, seed $seed",
		'conversations', 'large',
		4 * ($seed - 100),
		[ disturbances(pages_of('conversations', 'large') + 12, 150, qw(touch insert delete)) ]);
}
foreach my $mode ('fast', 'exact')
{
	cmp_ok($sums{$mode}->{$_}, '>', 1500, "$mode: $_ rows") foreach qw(moved deleted inserted);
}
cmp_ok($sums{fast}->{lost}, '>', 50, 'this does lose rows by page numbers');
note("$_: ", summary($sums{$_})) foreach sort keys %sums;

# Pages that Crisp answers after later ones, since it refused them at first: rows can slide over the edges between
# them in either direction.  Those that slide back are asked for again, but where changes hide each other.
foreach my $seed (151 .. 156)
{
	my $prefetch = (4, 8, 32)[ $seed % 3 ];
	my $pages    = pages_of('conversations', 'small');
	my $changes  = [ disturbances_of($seed, $pages + 16, $seed < 154 ? qw(touch insert) : qw(touch insert delete)) ];
	my %late     = map { 2 + int rand $pages => 1 } 1 .. 12;
	my $settings = {
		answers => [
			map { { match => { path => "website/$websites{small}/*", nth => 0 + $_ }, status => 503 } } keys %late ] };

	watch_both("answers out of order, seed $seed, prefetch $prefetch",
		'conversations', 'small', $prefetch, $changes,
		settings => $settings,
		sums     => $seed < 154 ? 'out of order, nothing deleted' : 'out of order',
		options  => { retry_delay => '10ms' });
}
foreach my $name ('out of order, nothing deleted', 'out of order')
{
	cmp_ok($sums{"$name, fast"}->{reordered}, '==', 3, "$name: they are");
}
cmp_ok($sums{'out of order, nothing deleted, fast'}->{lost},
	'<=', 2, 'out of order, nothing deleted: hardly a row is lost');
note("$_: ", summary($sums{$_})) foreach grep { /order/ } sort keys %sums;

# Where nothing is deleted and answers come in the order of the pages, a fast scan loses nothing.
foreach my $seed (201 .. 204)
{
	srand $seed;
	my $table  = table('conversations', 'small', scan_mode => 'fast', prefetch => 1);
	my $result = watch('conversations', 'small', $table,
		[ disturbances(pages_of('conversations', 'small') + 8, 80, qw(touch insert)) ]);

	is_deeply(
		[ @{$result}{qw(lost doubles odd)} ],
		[ 0, 0, 0 ],
		"touched and inserted, seed $seed: nothing is lost, and nothing doubled"
	) or diag(summary($result));
	cmp_ok($result->{moved}, '>', 100, "touched and inserted, seed $seed: rows were touched");
}

# Parts of the list: bounds, and a filter that rows don't leave; pages of 20.
{
	my $rows    = rows_at_start('conversations', 'small');
	my @times   = sort { $b <=> $a } values %{$rows};
	my $since   = $times[1500];
	my $until   = $times[200];
	my $seconds = sub { "to_timestamp($_[0] / 1000.0)" };

	foreach my $seed (301 .. 303)
	{
		srand $seed;
		watch_both(
			"the newest, seed $seed",
			'conversations', 'small', 4,
			[ disturbances(36, 40, qw(touch insert delete)) ],
			condition => 'updated_at >= ' . $seconds->($since),
			wanted    => sub { $rows->{ $_[0] } >= $since });
	}
	foreach my $mode ('fast', 'exact')
	{
		srand 311;
		my $table =
		  table('conversations', 'small', scan_mode => $mode, prefetch => 3, per_page => 20);
		my $result = watch(
			'conversations', 'small', $table,
			[ disturbances(70, 40, qw(touch insert delete)) ],
			condition => 'updated_at BETWEEN '
			  . join(' AND ', map { $seconds->($_) } $since, $until),
			wanted => sub { $rows->{ $_[0] } >= $since && $rows->{ $_[0] } <= $until });

		# A row that is touched is beyond the bound, and belongs to the list no more.
		my $lost = $result->{lost} - $result->{lost_moved};
		is($result->{doubles}, 0, "between, $mode: no key twice");
		cmp_ok($result->{moved}, '>', 30, "between, $mode: rows have left it");
		cmp_ok($lost, $mode eq 'exact' ? '==' : '>',
			0, "between, $mode: of those that stayed, rows lost")
		  or diag(summary($result));
		is(scalar(grep { $_->{query} !~ /filter_date_end/ } @{ $result->{requests} }),
			0, "between, $mode: nothing after the bound is looked at");
	}
}

#
# The recheck
#

# The requests of a scan, in short: what was asked for of a list, and which pages.
sub steps
{
	my @steps;

	foreach (@_)
	{
		my ($page)    = $_->{path} =~ m{/(\d+)$};
		my $parameter = parameters($_);
		my $kind = join '-', map { exists $parameter->{"filter_date_$_"} ? $_ : () } 'start', 'end';

		push @steps, "$kind/$page";
	}
	return @steps;
}

# Operations that come when a request does.
sub at
{
	my ($request, @operations) = @_;

	$sandbox->data(
		[ map { { website_id => $websites{small}, %{$_}, at_request => $request } } @operations ]);
	return;
}

my $small = "website/$websites{small}/conversations";

foreach my $mode ('fast', 'exact')
{
	$sandbox->reset;
	my $table = table('conversations', 'small', scan_mode => $mode, prefetch => 1);
	my @keys  = present_keys('conversations', 'small');
	my $pages = ceil(@keys / 50);

	# Nothing happens: one request, which finds what was the newest.
	my ($printed, @requests) = requests_of(scan_of($table));
	is((steps(@requests))[-1], 'start/1', "$mode: a recheck");
	is( $requests[-1]->{rows},
		scalar(grep { $_ >= max_time() - 1 } values %{ rows_at_start('conversations', 'small') }),
		"$mode: ... at the newest");
	is(scalar(grep { /start/ } steps(@requests)), 1,     "$mode: ... that is one request");
	is(scalar(split /\n/, $printed),              @keys, "$mode: all rows");

	# A list of one page needs none.
	my $newest =
		"updated_at > to_timestamp("
	  . (sort { $b <=> $a } values %{ rows_at_start('conversations', 'small') })[30]
	  . ' / 1000.0)';
	($printed, @requests) = requests_of(scan_of($table, $newest));
	is(scalar @requests, 1, "$mode: no recheck of a list of one page");

	# 120 rows are touched while the list is read: three pages to look at.  While these are read, one of the last page
	# is touched again, and two of the first are deleted.
	my @touched = @keys[ 1500 .. 1619 ];
	at({ path => "$small/*", nth => 8 }, map { { op => 'touch', key => $_ } } @touched);
	at( { path => "$small/*", query => 'filter_date_start', nth => 2 },
		{ op   => 'touch',    key   => $touched[3] },
		map { { op => 'delete', key => $touched[$_] } } 115, 116);
	($printed, @requests) = requests_of(scan_of($table));
	my %times;
	$times{ (split /\|/)[0] }++ foreach split /\n/, $printed;
	is( scalar(grep { $times{$_} } @touched),
		120 - ($mode eq 'fast'),
		"$mode: touched rows, while others move");
	ok($times{ $touched[3] }, "$mode: a row that was touched twice");
	is(scalar(grep { $_ > 1 } values %times), 0, "$mode: no key twice");
	my @looks = grep { /start/ } steps(@requests);
	is($looks[-1], 'start/1', "$mode: a look of one page is the last");
	$sandbox->reset;
}

sub max_time
{
	return (sort { $b <=> $a } values %{ rows_at_start('conversations', 'small') })[0];
}

#
# The setting that goes before the option
#

{
	my $session = CrispSession->start($node);
	my %table =
	  map { $_ => table('conversations', 'small', scan_mode => $_, prefetch => 1) } 'fast', 'exact';
	my $mode_of = sub {
		my ($table) = @_;

		$sandbox->reset;
		$session->query(scan_of($table));
		return (grep { $_->{query} =~ /filter_date_end/ } $sandbox->requests) ? 'exact' : 'fast';
	};

	is($mode_of->($table{$_}), $_, "setting: default leaves it to the option, $_") foreach sort keys %table;
	is($session->query('SHOW crisp_fdw.scan_mode'), 'default', 'setting: its default');
	foreach my $mode ('exact', 'fast')
	{
		$session->query("SET crisp_fdw.scan_mode = $mode");
		is($mode_of->($table{$_}), $mode, "setting: $mode goes before the option, $_") foreach sort keys %table;
	}

	# EXPLAIN shows what will be sent.
	$session->query('SET crisp_fdw.scan_mode = exact');
	like($session->query("EXPLAIN (COSTS OFF) SELECT * FROM $table{fast} WHERE updated_at > '2025-06-01'"),
		qr/Crisp Request: GET \S+&order_date_updated=1\n\s*Scan Mode: exact/, 'setting: EXPLAIN of an exact scan');
	my ($walk) = $session->query('EXPLAIN (COSTS OFF) SELECT * FROM crisp.messages');
	like($walk, qr/&order_date_updated=1\n\s*Crisp Request For Each Row: .*\n\s*Scan Mode: exact/,
		'setting: EXPLAIN of messages');
	unlike($session->query("EXPLAIN (COSTS OFF) SELECT * FROM crisp.messages WHERE session_id = 'x'"),
		qr/Scan Mode/, 'setting: ... of one conversation, whose list is not read');
	my $profiles = table('people_profiles', 'large', prefetch => 1);
	my $explain = "EXPLAIN (COSTS OFF) SELECT * FROM $profiles WHERE updated_at > '2026-01-14'";
	my $plan = $session->query($explain);
	like($plan, qr/sort_field=created_at/, 'setting: exact scans of profiles go by the date of creation');
	unlike($plan, qr/Early Stop/, 'setting: ... and stop nowhere early');
	like($session->query("EXPLAIN (COSTS OFF) SELECT * FROM $profiles ORDER BY updated_at DESC NULLS LAST LIMIT 5"),
		qr/sort_field=updated_at/, 'setting: the newest rows are asked for as ever');
	$session->query('SET crisp_fdw.scan_mode = fast');
	$plan = $session->query($explain);
	like($plan, qr/sort_field=updated_at.*Early Stop/s, 'setting: fast scans of profiles stop early');
	unlike($plan, qr/Scan Mode/, 'setting: EXPLAIN of a fast scan');

	# A plan that was made for the one serves the other.
	$session->query(
		"PREPARE late AS SELECT people_id FROM $profiles WHERE updated_at > '2026-01-10'; "
			. "SET plan_cache_mode = force_generic_plan; EXECUTE late");
	my $late = join ',', sort split /\n/, $session->query('EXECUTE late');
	$session->query('SET crisp_fdw.scan_mode = exact');
	$sandbox->clear;
	is(join(',', sort split /\n/, $session->query('EXECUTE late')), $late,
		'setting: a cached plan that stops early, now exact: rows');
	is(scalar(grep { $_->{query} =~ /sort_field=updated_at/ } $sandbox->requests), 0,
		'setting: ... and does not stop early');
	$session->query('SET crisp_fdw.scan_mode = fast');

	# A prepared statement sees what is set when it runs, a cursor what was set when it was opened.
	$session->query(
		"SET plan_cache_mode = force_generic_plan; PREPARE rows AS ${\( scan_of($table{fast}) )}; EXECUTE rows");
	$session->query('SET crisp_fdw.scan_mode = exact');
	$sandbox->reset;
	$session->query('EXECUTE rows');
	like(($sandbox->requests)[1]->{query}, qr/filter_date_end/, 'setting: a cached plan sees it');
	$session->query("BEGIN; DECLARE c CURSOR FOR ${\( scan_of($table{fast}) )}; SET LOCAL crisp_fdw.scan_mode = fast");
	$sandbox->reset;
	$session->query('FETCH 60 FROM c');
	like(($sandbox->requests)[1]->{query}, qr/filter_date_end/, 'setting: a cursor keeps to what was set');
	$session->query('COMMIT; RESET crisp_fdw.scan_mode');
	is($mode_of->($table{fast}), 'fast', 'setting: reset');
	$session->fails('SET crisp_fdw.scan_mode = thorough', { sqlstate => '22023' }, 'setting: no such mode');
	$session->quit;
	$sandbox->reset;
}

#
# Odd lists
#

# The keys that a scan finds, sorted, and the requests that it makes.
sub keys_of
{
	my ($table,   $condition) = @_;
	my ($printed, @requests)  = requests_of(scan_of($table, $condition));

	return ([ sort map { (split /\|/)[0] } split /\n/, $printed ], @requests);
}

# So many rows share a millisecond, in the middle of the list.
foreach my $case ([ 20, 45 ], [ 50, 49 ], [ 50, 50 ], [ 50, 230 ])
{
	my ($per_page, $count) = @{$case};
	my $name = "$count rows in a millisecond, $per_page a page";

	$sandbox->reset;
	my @times  = sort { $b <=> $a } values %{ rows_at_start('conversations', 'small') };
	my $moment = int(($times[700] + $times[701]) / 2);
	my $table  = table('conversations', 'small', scan_mode => 'exact', per_page => $per_page);
	$sandbox->data(
		[ { op => 'insert_many', website_id => $websites{small}, count => $count, at => $moment } ]
	);
	my @keys = present_keys('conversations', 'small');
	my $rows = present_rows('conversations', 'small');
	my @same = grep { $rows->{$_} == $moment } @keys;
	is(scalar @same, $count, "$name: there they are");

	my ($found, @requests) = keys_of($table);
	is_deeply($found, [ sort @keys ], "$name: all rows, once");
	is( scalar(grep { m{end/[2-9]} } steps(@requests)) > 0,
		$count >= $per_page,
		"$name: page numbers where they are needed");

	# Of those that the first page has shown, some are deleted before the second page, and again
	# before the pass that looks for what this has hidden.
	next if $count < $per_page;
	my @gone = @same[ 0 .. 5 ];
	at( { path => "$small/2", query => 'filter_date_end', nth => 1 },
		map { { op => 'delete', key => $_ } } @gone[ 0 .. 2 ]);
	at( { path => "$small/2", query => 'filter_date_end', nth => 2 },
		map { { op => 'delete', key => $_ } } @gone[ 3 .. 5 ]);
	($found, @requests) = keys_of($table);
	my %times;
	$times{$_}++ foreach @{$found};
	is(scalar(grep { $_ != 1 } values %times), 0, "$name: no key twice, while some are deleted");
	is_deeply([ grep { !$times{$_} } present_keys('conversations', 'small') ],
		[], "$name: no row is lost, while some are deleted");
	cmp_ok(scalar(grep { m{end/2} } steps(@requests)), '>=', 3, "$name: until two passes agree")
	  if $count > $per_page + @gone;
}

# Rows without a date come last.  An exact scan can't ask for them, unless the list is one page.
{
	$sandbox->reset;
	my @keys    = present_keys('conversations', 'small');
	my @undated = @keys[ 5, 300, 301, 1200 ];

	$sandbox->data(
		[   map {
				{   op         => 'patch',
					website_id => $websites{small},
					key        => $_,
					unset      => ['updated_at'] }
			} @undated ]);
	my ($found) = keys_of(table('conversations', 'small', scan_mode => 'fast'));
	is_deeply($found, [ sort @keys ], 'rows without a date: fast');
	my %undated = map { $_ => 1 } @undated;
	($found) = keys_of(table('conversations', 'small', scan_mode => 'exact'));
	is_deeply(
		$found,
		[ sort grep { !$undated{$_} } @keys ],
		'rows without a date: exact finds all others');

	$sandbox->data([ { op => 'clear', website_id => $websites{small} } ]);
	$sandbox->data(
		[   {   op         => 'insert_many',
				website_id => $websites{small},
				count      => 30,
				at         => 1_700_000_000_000 },
			(   map {
					{   op         => 'patch',
						website_id => $websites{small},
						index      => $_,
						unset      => ['updated_at'] }
				} 3,
				4) ]);
	($found) = keys_of(table('conversations', 'small', scan_mode => 'exact'));
	is(scalar @{$found}, 30, 'rows without a date: exact, on one page');
}

# Lists of any length, those that end on a full page among them, whatever status that has.
foreach my $per_page (20, 50)
{
	foreach my $status (200, 206)
	{
		run_statements($node, $sandbox);
		foreach
		  my $count (0, 1, $per_page - 1, $per_page, $per_page + 1, 2 * $per_page, 7 * $per_page)
		{
			$sandbox->reset;
			$sandbox->control({ full_last_page => $status });
			my @all = present_keys('conversations', 'small');
			$sandbox->data([ { op => 'clear', website_id => $websites{small} } ]);
			$sandbox->data(
				[   map {
						{   op         => 'insert_many',
							website_id => $websites{small},
							count      => 1,
							at         => 1_700_000_000_000 + 1000 * $_ }
					} 1 .. $count ]);
			my @keys = sort +present_keys('conversations', 'small');
			foreach my $mode ('fast', 'exact')
			{
				my $table = table(
					'conversations', 'small',
					scan_mode => $mode,
					per_page  => $per_page,
					prefetch  => 4);
				my ($found, @requests) = keys_of($table);

				is_deeply($found, \@keys,
					"$count rows, $per_page a page, a full last page is $status: $mode");

				# By date, it's made sure that there are none, nor on the page after it.
				is(scalar @requests, $mode eq 'exact' && $count == 0 ? 3 : 1,
					"$count rows, $per_page a page: $mode: requests")
				  if $count < $per_page;
			}
		}
	}
}

#
# A Crisp that doesn't do what it is asked
#

# Whatever Crisp does, an exact scan gets all rows, or says that it can't: without the order, it
# goes by ranges of dates;
# without the dates, there is nothing to go by.
foreach my $case (
	[ 'no order',               { honour_order => $false, default_order => 'created' } ],
	[ 'no order whatever',      { honour_order => $false, default_order => 'none' } ],
	[ 'no order, dates beside', { honour_order => $false, default_order => 'none', date_bounds => 'exclusive' } ],
	[ 'no dates',               { honour_filters => $false } ],
	[ 'no order and no dates at all', { honour_order => $false, honour_filters => $false, default_order => 'none' } ])
{
	my ($name, $settings) = @{$case};
	my $has_dates = !exists $settings->{honour_filters};

	$sandbox->reset;
	$sandbox->control($settings);
	my $session = CrispSession->start($node);
	my $exact   = table('conversations', 'small', scan_mode => 'exact');
	my @keys    = present_keys('conversations', 'small');
	my $pages   = ceil(@keys / 50);
	foreach my $time ('first', 'next')
	{
		if ($has_dates)
		{
			$sandbox->clear;
			is_deeply(
				[ sort split /\n/, $session->query("SELECT session_id FROM $exact") ],
				[ sort @keys ],
				"$name: the $time exact scan");
			cmp_ok($sandbox->count, '<', 5 * $pages, "$name: ... its requests");
			next;
		}
		my $error = $session->fails(
			"CREATE TABLE taken AS SELECT * FROM $exact",
			{   sqlstate => 'CS003',
				message  => 'cannot read "conversations" exactly, server "support"',
				detail   => 'Crisp does not keep to the dates (updated_at) that it was asked for.',
				hint     => 'Set scan_mode to fast.' },
			"$name: the $time exact scan");
	}

	# What fits a page needs neither.
	is( $session->query(
			"SELECT count(*) > 0 FROM $exact WHERE updated_at > to_timestamp(${\( max_time() - 1 )} / 1000.0)"
		),
		't',
		"$name: a list of one page") if $has_dates;
	$session->quit;

	my ($found, @requests) =
	  keys_of(table('conversations', 'small', scan_mode => 'fast', prefetch => 1));
	is_deeply($found, [ sort @keys ], "$name: a fast scan");

	# A recheck that gets the whole list again is over where its rows are too old, if the list was seen to be sorted.
	is(scalar @requests, $pages + 1, "$name: ... and a look that is one request")
	  if !exists $settings->{default_order};

	# Otherwise, it is not taken again.
	at({ path => "$small/*", nth => 10 }, { op => 'touch_random', count => 5, seed => 1 });
	at( { path => "$small/*",     nth   => $pages + 5 },
		{ op   => 'touch_random', count => 5, seed => 2 });
	($found, @requests) =
	  keys_of(table('conversations', 'small', scan_mode => 'fast', prefetch => 1));
	cmp_ok(scalar @{$found}, '>=', @keys - 10, "$name: a fast scan of a list that moves");
	cmp_ok(scalar @requests, '<=', 3 * $pages + 1, "$name: ... comes to an end");

	# Rows that are touched while the list is read, of which the look has to find those that moved to its front.
	next unless exists $settings->{honour_filters} && !exists $settings->{default_order};
	$sandbox->reset;
	$sandbox->control($settings);
	my @touched = @keys[ map { 1000 + 7 * $_ } 0 .. 19 ];
	at({ path => "$small/*", nth => 8 }, map { { op => 'touch', key => $_ } } @touched);
	($found, @requests) =
	  keys_of(table('conversations', 'small', scan_mode => 'fast', prefetch => 1));
	is_deeply($found, [ sort @keys ], "$name: touched rows are found by the look");
	is(scalar @requests, $pages + 1, "$name: ... which is one request");
}

# By ranges, while rows are touched, inserted and deleted.
foreach my $order ('created', 'none')
{
	foreach my $seed (351 .. 353)
	{
		srand $seed;
		run_statements($node, $sandbox);
		my $table  = table('conversations', 'small', scan_mode => 'exact');
		my $result = watch('conversations', 'small', $table,
			[ disturbances(150, 60, qw(touch insert delete)) ],
			settings => { honour_order => $false, default_order => $order });

		is_deeply([ @{$result}{qw(lost doubles odd)} ],
			[ 0, 0, 0 ], "by ranges, order $order, seed $seed: nothing is lost, and nothing doubled")
		  or diag(summary($result));
		cmp_ok($result->{deleted}, '>', 50, "by ranges, order $order, seed $seed: rows were deleted");
		cmp_ok($result->{moved},   '>', 50, "by ranges, order $order, seed $seed: rows were touched");
	}
}

# A millisecond that holds more than a page, by ranges.
{
	$sandbox->reset;
	run_statements($node, $sandbox);
	my @times  = sort { $b <=> $a } values %{ rows_at_start('conversations', 'small') };
	my $moment = int(($times[700] + $times[701]) / 2);
	$sandbox->data(
		[ { op => 'insert_many', website_id => $websites{small}, count => 230, at => $moment } ]);
	$sandbox->control({ honour_order => $false, default_order => 'none' });
	my ($found) = keys_of(table('conversations', 'small', scan_mode => 'exact'));
	is_deeply($found, [ sort +present_keys('conversations', 'small') ],
		'by ranges: 230 rows in a millisecond');
}
run_statements($node, $sandbox);

#
# Profiles
#

# Scans go by the date of creation, which no change moves: a fast one, which has nothing to look at
# last, since Crisp has
# no filter by date of update, loses no more than what deletions hide.
foreach my $seed (401 .. 404)
{
	my $prefetch = (1, 4, 4)[ $seed % 3 ];

	srand $seed;
	my @disturbances = disturbances(52, 60, qw(touch insert delete));
	foreach my $mode ('fast', 'exact')
	{
		my $table  = table('people_profiles', 'large', scan_mode => $mode, prefetch => $prefetch);
		my $result = watch('people_profiles', 'large', $table, \@disturbances);

		subtest "profiles, seed $seed, prefetch $prefetch, $mode" => sub {
			is_deeply(
				[ @{$result}{qw(doubles odd)} ],
				[ 0, 0 ],
				'no key twice, each row as it was at some time');
			cmp_ok($result->{lost}, '<=', $mode eq 'exact' ? 0 : $result->{bound}, 'rows lost');
			is(scalar(grep { $_->{query} =~ /filter_date_start/
				&& $_->{query} !~ /filter_date_end/ } @{ $result->{requests} }),
				0, 'no recheck');
		} or diag(summary($result));
		add_up("profiles, $mode", $result);
	}
}
cmp_ok($sums{'profiles, exact'}->{$_}, '>', 200, "profiles: $_ rows")
  foreach qw(moved deleted inserted);
note("$_: ", summary($sums{$_})) foreach grep { /profiles/ } sort keys %sums;

# Short lists, of which no order could be proved.
foreach my $count (0, 1, 2, 49)
{
	$sandbox->reset;
	run_statements($node, $sandbox);
	$sandbox->data(
		[   { op => 'clear', resource => 'people' },
			{ op => 'insert_many', resource => 'people', count => $count, at => 1_700_000_000_000 }
		]);
	my ($found, @requests) = keys_of(table('people_profiles', 'large', scan_mode => 'exact'));
	is(scalar @{$found}, $count, "$count profiles: exact");
	is(scalar @requests, $count == 0 ? 3 : 1, "$count profiles: exact: requests");
}

# Where the order can't be proved, it's ranges of dates.
{
	$sandbox->reset;
	run_statements($node, $sandbox);
	$sandbox->control({ honour_sort => $false });
	foreach my $mode ('exact', 'fast')
	{
		my ($found, @requests) = keys_of(table('people_profiles', 'large', scan_mode => $mode));

		is_deeply($found, [ sort +present_keys('people_profiles', 'large') ],
			"profiles in no order: $mode");
		cmp_ok(scalar @requests, '<', 5 * ceil(@{$found} / 50), "profiles in no order: $mode: requests");
	}
	foreach my $seed (451 .. 453)
	{
		srand $seed;
		run_statements($node, $sandbox);
		my $table  = table('people_profiles', 'large', scan_mode => 'exact');
		my $result = watch('people_profiles', 'large', $table,
			[ disturbances(120, 60, qw(touch insert delete)) ],
			settings => { honour_sort => $false });

		is_deeply([ @{$result}{qw(lost doubles odd)} ],
			[ 0, 0, 0 ], "profiles in no order, seed $seed: nothing is lost, and nothing doubled")
		  or diag(summary($result));
	}

	# Several of them under one Append.
	my $exact = table('people_profiles', 'large', scan_mode => 'exact');
	my $small = table('people_profiles', 'small', scan_mode => 'exact');
	$sandbox->reset;
	$sandbox->control({ honour_sort => $false });
	run_statements($node, $sandbox);
	is( sql("SELECT count(*) FROM (SELECT people_id FROM $exact UNION ALL SELECT people_id FROM $small UNION ALL "
		. "SELECT people_id FROM $exact) u"),
		2 * present_keys('people_profiles', 'large') + present_keys('people_profiles', 'small'),
		'profiles in no order, under one Append');
	$sandbox->control({ honour_filters => $false });
	CrispSession->start($node)->fails(
		"SELECT people_id FROM $exact",
		{   sqlstate => 'CS003',
			message  => qr/^cannot read "people_profiles" exactly/,
			detail   => 'Crisp does not keep to the dates (created_at) that it was asked for.' },
		'profiles in no order and without dates');
	$sandbox->reset;
	run_statements($node, $sandbox);
}

# Those that were updated lately are read in the order of updates, up to where the condition ends.
# Rows that are touched
# meanwhile, which move to the front, are looked at last. That goes by page numbers; an exact scan
# reads the whole list by
# the date of creation instead.
{
	my $rows  = rows_at_start('people_profiles', 'large');
	my $since = (sort { $b <=> $a } values %{$rows})[700];

	run_statements($node, $sandbox);
	foreach my $seed (501 .. 504)
	{
		foreach my $operations ([qw(touch insert)], [qw(touch insert delete)])
		{
			my $mode = $seed % 2 ? 'fast' : 'exact';

			srand $seed;
			my $table  = table('people_profiles', 'large', scan_mode => $mode, prefetch => 1);
			my $result = watch(
				'people_profiles', 'large', $table,
				[ disturbances(26, 40, @{$operations}) ],
				condition => "updated_at >= to_timestamp($since / 1000.0)",
				wanted    => sub { $rows->{ $_[0] } >= $since });
			my $name = "profiles updated lately, seed $seed, $mode, @{$operations}";

			is_deeply([ @{$result}{qw(doubles odd)} ], [ 0, 0 ], "$name: no key twice");
			cmp_ok(
				$result->{lost}, '<=',
				$mode eq 'fast' && @{$operations} > 2 ? $result->{bound} : 0,
				"$name: rows lost") or diag(summary($result));
			cmp_ok($result->{moved},                '>', 10, "$name: rows were touched");
			cmp_ok(
				scalar @{ $result->{requests} },
				$mode eq 'fast' ? '<' : '>',
				30, "$name: it ends early, if it's fast");
		}
	}
}

$node->stop;
done_testing();
