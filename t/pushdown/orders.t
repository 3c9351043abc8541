# Orders: rows are right when Crisp does something else than it was asked, and an
# order is relied on only as far as it is proved.

use strict;
use warnings;

use CrispCluster;
use CrispCopy;
use CrispSandbox;
use CrispStatement;
use JSON::PP;
use POSIX qw(ceil);
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 2000, people => 1000);
my ($true, $false)   = (JSON::PP::true, JSON::PP::false);

run_statements($node, $sandbox);
make_copies();

my $conversations = 'crisp.conversations';
my $people        = 'crisp.people_profiles';
my $all           = pages_of('conversations',   'true');
my $all_people    = pages_of('people_profiles', 'true');
my $l             = "timestamptz '" . lonely_time('DESC') . "'";
my $resolved      = "state IS NOT DISTINCT FROM 'resolved'";
my $changed       = "timestamptz '"
  . sql('SELECT updated_at FROM copy.people_profiles ORDER BY 1 DESC OFFSET 130 LIMIT 1') . "'";

# Rows are right, whether orders, sorts and filters are honoured or not, and whatever order a list has by itself.
my @asked = (
	[ "SELECT updated_at FROM $conversations ORDER BY updated_at DESC LIMIT 3",  1 ],
	[ "SELECT created_at FROM $conversations ORDER BY created_at DESC LIMIT 60", 2 ],
	[   "SELECT created_at FROM $conversations WHERE updated_at < $l ORDER BY created_at DESC LIMIT 1",
		1 ],
	[   "SELECT waiting_since FROM $conversations ORDER BY waiting_since DESC NULLS LAST LIMIT 3",
		$all ],
	[   "SELECT waiting_since FROM $conversations WHERE waiting_since IS NOT NULL ORDER BY waiting_since DESC LIMIT 3",
		1 ],
	[ "SELECT max(created_at) FROM $conversations",                      1 ],
	[ "SELECT updated_at FROM $people ORDER BY updated_at DESC LIMIT 3", 1 ],
	[   "SELECT people_id FROM $people WHERE updated_at > $changed",
		pages_of('people_profiles', "updated_at > $changed") ],
	[   "SELECT session_id FROM $conversations WHERE state = 'resolved' AND updated_at > $l",
		pages_of('conversations', "$resolved AND updated_at > $l") ]);

foreach my $default_order ('updated', 'created', 'none')
{
	foreach my $setting (
		{},
		{ honour_order   => $false },
		{ honour_sort    => $false },
		{ honour_filters => $false },
		{ honour_order   => $false, honour_sort => $false, honour_filters => $false })
	{
		my $name = join ', ', "default order $default_order", map { "no $_" } sort keys %{$setting};

		$sandbox->control(
			{   honour_order   => $true,
				honour_sort    => $true,
				honour_filters => $true,
				default_order  => $default_order,
				waiting_order  => 'newest',
				waiting_order_filters => 'nothing',
				%{$setting} });
		run_statements($node, $sandbox);
		foreach my $case (@asked)
		{
			my ($statement, $requests) = @{$case};

			is(sorted(sql($statement)), sorted(sql(local_of($statement))), "$name: $statement");
			next if %{$setting};

			# The second time, a session has proved what it can.
			is(scalar(() = requests_of($statement)) - 1, $requests, "$name: requests");
		}
	}
}
$sandbox->reset;

# An order that is disproved is relied on no more: the list is read in whole pages, and in its own order.
$sandbox->control({ honour_order => $false, honour_sort => $false, default_order => 'created' });
run_statements($node, $sandbox);
sql("SELECT updated_at FROM $conversations ORDER BY updated_at DESC LIMIT 3");
check(
	'after disproof', $all,
	"SELECT updated_at FROM $conversations ORDER BY updated_at DESC LIMIT 3",
	asked   => qr/\?per_page=50&order_date_updated=1$/,
	ordered => 1);
check(
	'another order is judged by itself',
	1,
	"SELECT created_at FROM $conversations ORDER BY created_at DESC LIMIT 3",
	ordered => 1);
check(
	'an order that can not be proved',
	$all_people + 2,
	"SELECT people_id FROM $people WHERE updated_at > $changed");
check(
	'an order that could not be proved',
	$all_people,
	"SELECT people_id FROM $people WHERE updated_at > $changed",
	asked => qr/\?per_page=50&sort_field=created_at&sort_order=descending$/);
check(
	'nor is it for LIMIT', $all_people,
	"SELECT updated_at FROM $people ORDER BY updated_at DESC LIMIT 3",
	asked   => qr/\?per_page=50&sort_field=created_at&sort_order=descending$/,
	ordered => 1);
check(
	'columns of other types are sorted here', $all,
	'SELECT updated_at FROM as_text ORDER BY updated_at DESC LIMIT 3',
	ordered => 1,
	before  =>
	  "SET client_min_messages = warning; CREATE FOREIGN TABLE IF NOT EXISTS as_text (updated_at text) SERVER support "
	  	. "OPTIONS (resource 'conversations')",
	local =>
	  'SELECT (extract(epoch FROM updated_at) * 1000)::bigint FROM copy.conversations ORDER BY 1 DESC LIMIT 3'
);
$sandbox->reset;

# Rows without the column come last, where they come at all, and disprove nothing.
$sandbox->control({ waiting_order => 'newest', waiting_order_filters => 'nothing' });
run_statements($node, $sandbox);
check(
	'the end of the rows that have the column',
	$all,
	"SELECT waiting_since FROM $conversations WHERE waiting_since IS NOT NULL AND meta_email = 'nobody' ORDER "
		. "BY waiting_since DESC LIMIT 5",
	none => 1);
check(
	'and the order holds',
	1,
	"SELECT waiting_since FROM $conversations WHERE waiting_since IS NOT NULL ORDER BY waiting_since DESC LIMIT 5",
	ordered => 1);

#
# Who waits
#

# Crisp's order by it leaves out who doesn't, and may begin at either end, or not be kept at all:
# rows are right, whatever
# it does, and cheap where a condition rules out who doesn't wait, and rows show the order.
my $waits   = 'waiting_since IS NOT NULL';
my $waiting = count('conversations', $waits);
my $middle  = "timestamptz '"
	. sql("SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY waiting_since) FROM copy.conversations") . "'";
my @who     = (
	'SELECT waiting_since FROM [c] ORDER BY waiting_since DESC NULLS LAST LIMIT ' . ($waiting + 30),
	'SELECT waiting_since FROM [c] ORDER BY waiting_since DESC LIMIT 30',
	'SELECT waiting_since FROM [c] ORDER BY waiting_since NULLS FIRST LIMIT 30',
	'SELECT waiting_since FROM [c] ORDER BY waiting_since LIMIT 30',
	"SELECT waiting_since FROM [c] WHERE state = 'resolved' ORDER BY waiting_since DESC NULLS LAST LIMIT 5",
	"SELECT waiting_since FROM [c] WHERE state = 'resolved' AND $waits ORDER BY waiting_since LIMIT 5",
	"SELECT waiting_since FROM [c] WHERE $waits ORDER BY waiting_since DESC LIMIT 7",
	"SELECT waiting_since FROM [c] WHERE $waits ORDER BY waiting_since DESC LIMIT " . ($waiting + 7),
	"SELECT waiting_since FROM [c] WHERE $waits ORDER BY waiting_since LIMIT " . ($waiting + 7),
	"SELECT waiting_since FROM [c] WHERE $waits AND meta_nickname > 'M' ORDER BY waiting_since LIMIT 70",
	"SELECT waiting_since FROM [c] WHERE waiting_since > $middle ORDER BY waiting_since LIMIT 7",
	"SELECT waiting_since FROM [c] WHERE waiting_since < $middle ORDER BY waiting_since DESC LIMIT 7",
	"SELECT waiting_since FROM [c] WHERE $waits OR topic = 'x' ORDER BY waiting_since NULLS LAST LIMIT 7",
	'SELECT max(waiting_since), min(waiting_since) FROM [c]',
	'SELECT max(waiting_since) FROM [c]',
	'SELECT min(waiting_since) FROM [c]',
	"SELECT min(waiting_since) FROM [c] WHERE state <> 'resolved' AND updated_at > $l",
	"SELECT max(waiting_since) FROM [c] WHERE meta_nickname > 'M'",
	"SELECT max(waiting_since) FROM [c] WHERE topic = 'nothing'");
my $first = "SELECT waiting_since FROM [c] WHERE $waits ORDER BY waiting_since LIMIT 7";
my $last  = $first =~ s/LIMIT/DESC LIMIT/r;
my %expected = map { $_ => sql(s/\[c\]/copy.conversations/r) } @who, $first, $last;

cmp_ok($waiting, '>', 100, 'there are some who wait');
cmp_ok($waiting + 100, '<', count('conversations', 'true'), 'and some who do not');
foreach my $order ('longest', 'newest')
{
	foreach my $filters ('waiting', 'nothing')
	{
		foreach my $honoured ($true, $false)
		{
			foreach my $mode ($filters eq 'waiting' ? ('fast', 'exact') : 'fast')
			{
				my $name = "$order first, of $filters, " . ($honoured ? 'kept' : 'ignored') . ", $mode";

				$sandbox->reset;
				$sandbox->control(
					{   waiting_order         => $order,
						waiting_order_filters => $filters,
						honour_order          => $honoured,
						default_order         => $honoured ? 'state' : 'created' });
				run_statements($node, $sandbox);
				sql("SET crisp_fdw.scan_mode = $mode");
				foreach my $statement (@who, $first, $last)
				{
					my ($printed) = requests_of("SET crisp_fdw.scan_mode = $mode; "
						. $statement =~ s/\[c\]/$conversations/r);

					is($printed, $expected{$statement}, "$name: $statement");
				}

				# By now, the session knows which end comes first.
				next unless $honoured;
				foreach my $case ([ $first, 'longest' ], [ $last, 'newest' ])
				{
					my ($statement, $end) = @{$case};
					my ($printed, @requests) = requests_of("SET crisp_fdw.scan_mode = $mode; "
						. $statement =~ s/\[c\]/$conversations/r);
					my $most = $end eq $order ? 1 : $filters eq 'waiting' && $mode eq 'fast'
						? pages_of('conversations', $waits) : $all + 5;

					cmp_ok(scalar @requests, '<=', $most, "$name: requests of $statement");
				}
			}
		}
	}
}
$sandbox->reset;

# The first time, it's the catalog that tells which end comes first.
foreach my $case ([ $first, 'longest', 1 ], [ $last, 'newest', 1 ],
	[ $last, 'longest', pages_of('conversations', $waits) ])
{
	my ($statement, $order, $most) = @{$case};

	$sandbox->control({ waiting_order => $order, waiting_order_filters => 'waiting' });
	run_statements($node, $sandbox);
	my ($printed, @requests) = requests_of($statement =~ s/\[c\]/$conversations/r);
	is($printed, $expected{$statement}, "$order first, for the first time: $statement");
	is(scalar @requests, $most, "$order first, for the first time: requests");
}
$sandbox->reset;

# Equal times prove no order: a page of one time may be from either end.
foreach my $count (1, 19, 20, 60)
{
	foreach my $order ('longest', 'newest')
	{
		my @times = ((1_700_000_000_000) x $count, map { 1_700_000_000_000 + 1000 * $_ } 1 .. 70);
		my @rows  = map {
			my $time = $order eq 'newest' ? 1_700_001_000_000 - $times[$_] + 1_700_000_000_000 : $times[$_];
			{ session_id => "session_w$_", created_at => 1_700_000_000_000, updated_at => 1_700_002_000_000 + $_,
				waiting_since => $time } } 0 .. $#times;

		$sandbox->reset;
		$sandbox->control({ waiting_order => $order, waiting_order_filters => 'waiting' });
		$sandbox->data(
			[   { op => 'clear' },
				map {
					{   op         => 'insert_raw',
						created_at => $_->{created_at},
						updated_at => $_->{updated_at},
						text       => JSON::PP->new->encode($_) } } @rows ]);
		my @sorted = sort { $a <=> $b } map { $_->{waiting_since} } @rows;
		run_statements($node, $sandbox);
		foreach my $direction ('', ' DESC')
		{
			my ($printed) = requests_of(
				"SELECT (extract(epoch FROM waiting_since) * 1000)::bigint FROM $conversations WHERE $waits ORDER "
					. "BY waiting_since$direction LIMIT 3");

			is($printed, join("\n", $direction ? @sorted[ -1, -2, -3 ] : @sorted[ 0 .. 2 ]),
				"$count of one time, $order first,$direction");
		}
	}
}
$sandbox->reset;
run_statements($node, $sandbox);

#
# Messages
#

# Some have no time, where the column may be NULL, or one that is no number: the order is right whatever limit there is.
{
	my $json = JSON::PP->new->canonical;
	my $base = 1_700_000_000_000;
	my $row  = sub { { fingerprint => $_[0], type => 'text', from => 'user', content => "$_[0]",
		($_[1] ? (timestamp => $_[1]) : ()) } };
	my @rows = map { $row->($_, $base + 1000 * $_) } reverse 1 .. 45;
	my $page = sub {
		my ($query, $status, @messages) = @_;

		return { match => { path => "*/messages", ($query ? (query => $query) : ()) }, status => $status,
			body => $json->encode({ error => $false, reason => 'listed', data => \@messages }) };
	};
	my $odd = $row->(101, 0);

	sql(q(SET client_min_messages = warning; CREATE FOREIGN TABLE IF NOT EXISTS nullable_messages )
		. q((session_id text, fingerprint bigint, "timestamp" timestamptz) SERVER support OPTIONS )
		. q((resource 'messages')));
	foreach my $kind ('no time', 'null', 'text')
	{
		my @extra = map { $row->($_, 0) } 101, 102;

		$_->{timestamp} = $kind eq 'null' ? undef : '2001-01-01T00:00:00Z' foreach $kind eq 'no time' ? () : @extra;
		$sandbox->control(
			{   answers => [
					$page->('timestamp_before=' . ($base + 7001), 200, @rows[ 38 .. 44 ]),
					$page->('timestamp_before=' . ($base + 26001), 206, @rows[ 19 .. 38 ], $extra[1]),
					$page->('', 206, @rows[ 0 .. 19 ], $extra[0]) ] });
		foreach my $limit (3, 20, 21, 30, 44, 45, 46, 47, 60)
		{
			my @expected = ((reverse 1 .. 45), 'odd', 'odd');
			my ($printed, @requests) = requests_of(
				qq(SELECT CASE WHEN fingerprint > 100 THEN 'odd' ELSE fingerprint::text END FROM nullable_messages )
					. qq(WHERE session_id = 'session_x' ORDER BY "timestamp" DESC NULLS LAST LIMIT $limit));

			is($printed, join("\n", splice @expected, 0, $limit), "messages, $kind: LIMIT $limit");
			cmp_ok(scalar @requests, '<=', 3, "messages, $kind: LIMIT $limit: requests");
		}
		my ($printed) = requests_of(
			qq(SELECT CASE WHEN fingerprint > 100 THEN 'odd' ELSE fingerprint::text END FROM nullable_messages )
				. qq(WHERE session_id = 'session_x' ORDER BY "timestamp" DESC NULLS FIRST LIMIT 3));
		is($printed, $kind eq 'text' ? "45\n44\n43" : "odd\nodd\n45", "messages, $kind: NULLS FIRST");
		($printed) = requests_of(
			q(SELECT max("timestamp") = timestamptz 'epoch' + interval '1 ms' * 1700000045000 FROM nullable_messages )
				. q(WHERE session_id = 'session_x'));
		is($printed, 't', "messages, $kind: max");
	}
	$sandbox->reset;
}

# Profiles that were never updated are sorted by both times: that proves nothing.  Nor does a list by the wrong time,
# or one whose pages are sorted, each by itself.  A time that rows lack sorts nothing.  Of less than two pages, the
# first one and that of the opposite order have rows in common.
foreach my $case ('sorted by both times', 'sorted by the wrong time', 'each page is sorted', 'sorted as asked',
	'as asked, nobody was active', 'as asked, one was active')
{
	foreach my $number ($case =~ /active/ ? 260 : (260, 99, 70, 51))
	{
		check_profiles($case, $number);
	}
}

sub check_profiles
{
	my ($case, $number) = @_;
	my $small  = CrispSandbox->start(conversations => 1, people => 0, visitors => 1, websites => 1);
	my $schema = "$case $number" =~ s/\W/_/gr;
	my $json   = JSON::PP->new->canonical;
	my $pages  = ceil($number / 50);
	my @profiles = map {
		my $created = 1_700_000_000_000 + $_ * 1_000_000;
		my $updated = $case =~ /both/ ? $created : 1_700_300_000_000 + $_ * 7919 % $number * 1_000_000;
		{   people_id  => "p$_",
			created_at => $created,
			updated_at => $updated,
			active     =>
			  { $case =~ /nobody/ || ($case =~ /one/ && $_ != 3) ? () : (last => 1_700_000_000_000 + $_ * 6007 % 260) }
		}
	} 0 .. $number - 1;
	my @answers;

	connect_crisp($node, $small, server => $schema, schema => $schema);
	$small->data(
		[   { op => 'clear', resource => 'people' },
			map {
				{   op         => 'insert_raw',
					resource   => 'people',
					text       => $json->encode($_),
					created_at => $_->{created_at},
					updated_at => $_->{updated_at} }
			} @profiles ]);
	if ($case =~ /wrong|each/)
	{
		foreach my $order ('ascending', 'descending')
		{
			my @sorted = $case =~ /wrong/ && $order eq 'descending' ? reverse @profiles : @profiles;

			foreach my $page (1 .. $pages)
			{
				my @rows = splice @sorted, 0, 50;

				@rows = sort { $a->{updated_at} <=> $b->{updated_at} } @rows if $case =~ /each/;
				@rows = reverse @rows if $case =~ /each/ && $order eq 'descending';
				push @answers,
				  { match  => { path => "*/people/profiles/$page", query => "sort_order=$order" },
					status => $page < $pages ? 206 : 200,
					body   => $json->encode({ error => $false, reason => 'listed', data => \@rows }) };
			}
		}
		$small->control({ answers => \@answers });
	}
	run_statements($node, $small);

	my $since    = (sort { $b <=> $a } map { $_->{updated_at} } @profiles)[40];
	my $where    = "updated_at > timestamptz 'epoch' + interval '1 ms' * $since";
	my @expected = sort map { $_->{people_id} } grep { $_->{updated_at} > $since } @profiles;
	foreach my $proof (2, 0)
	{
		my ($rows, @requests) =
		  requests_of("SELECT people_id FROM $schema.people_profiles WHERE $where");

		is(sorted($rows), join("\n", @expected), "$case, $number: rows");
		is(scalar @requests, $proof + ($case =~ /asked/ ? 1 : $pages), "$case, $number: requests");
	}
	$small->stop;
	return;
}

$node->stop;
done_testing();
