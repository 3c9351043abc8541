# Lists with numbered pages whose rows have no key, and grow while they are read: what was there comes once, and as
# often as it is there.

use strict;
use warnings;

use CrispBelow;
use CrispCluster;
use CrispStatement;
use JSON::PP;
use Test::More;

my $seed = $ENV{PROPERTY_SEED} // int rand 2**31;
srand $seed;
diag("seed $seed: repeat with PROPERTY_SEED=$seed");

my ($node, $sandbox) = start_crisp(conversations => 30, people => 10, campaigns => 5);

run_statements($node, $sandbox);

my ($session) = map { $_->{session_id} } $sandbox->rows('conversations');
my $table  = 'conversation_pages';
my $select = qq(SELECT coalesce(page_url, '-') FROM crisp.$table WHERE session_id = '$session');
my $path   = "*/conversation/$session/pages";
my $new    = 1_700_000_500_000;
my @moves;

# Make the list one of these rows, in this order, newest first. Each is the name of a page, with a time of its own;
# those that follow each other and have one name are the same in everything.
sub fill
{
	my (@names) = @_;
	my ($time, $before, @rows) = (1_700_000_100_000, '');

	@moves = ();
	$sandbox->reset;
	foreach my $name (@names)
	{
		$time-- if $name ne $before;
		push @rows, row_of($name, $time);
		$before = $name;
	}
	$sandbox->data([ { op => 'clear', resource => $table, session_id => $session }, @rows ]);
	return;
}

sub row_of
{
	my ($name, $time, %more) = @_;

	return { op => 'insert_raw', resource => $table, session_id => $session, created_at => $time, updated_at => $time,
		text => qq({"page_url":"$name","timestamp":$time}), %more };
}

# New rows at the front, before (or after) the k-th request for a page is answered.
sub grow
{
	my ($page, $count, %moment) = @_;

	push @moves, join ' ', $count, map({ "$_ $moment{$_}" } sort keys %moment), "page $page";
	$sandbox->data([ map { row_of('new', $new++, at_request => { path => "$path/$page", when => 'before', %moment }) }
		1 .. $count ]);
	return;
}

sub counted
{
	my %times;

	$times{$_}++ foreach @_;
	delete $times{new};
	return \%times;
}

# One test: the query brings all that was there, each as often as that, and no new row twice.
sub brings
{
	my ($name, $most_new, @names) = @_;
	$sandbox->clear;
	my @got = split /\n/, sql($select);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply(counted(@got), counted(@names), "$name: each row as often as it's there")
	  or diag("@names\n@got\n", join(', ', @moves), "\n", join ' ',
		map { $_->{path} =~ m{(\d+)$} && "$1:$_->{rows}:$_->{status}" } $sandbox->requests);
	cmp_ok(scalar(grep { $_ eq 'new' } @got), '<=', $most_new, "$name: no new row twice");
	return;
}

my @plain = map { "p$_" } 1 .. 55;

# Nothing moves.
fill(@plain);
sql($select);
$sandbox->clear;
brings('still', 0, @plain);
is($sandbox->count, 3, 'still: three pages');

# Two that are the same on both sides of an edge; whole pages of the same.
my @twins = map { $_ == 20 || $_ == 21 ? 'twin' : "p$_" } 1 .. 55;
fill(@twins);
$sandbox->clear;
brings('twins at an edge', 0, @twins);
is_deeply([ map { $_->{path} =~ m{(\d+)$} } $sandbox->requests ], [ 1, 2, 1, 3 ], 'twins at an edge: the page before is looked at again');
my @same = ('same') x 50;
fill(@same);
$sandbox->clear;
brings('all the same', 0, @same);
is($sandbox->count, 3 + 2, 'all the same: requests');

# It grows.
foreach my $count (1, 3, 19)
{
	foreach my $page (2, 3)
	{
		fill(@plain);
		grow($page, $count);
		$sandbox->clear;
		brings("$count more before page $page", $count, @plain);
	}
	fill(@twins);
	grow(2, $count);
	brings("$count more, twins at an edge", $count, @twins);
}
fill(@plain);
grow(2, 1);
$sandbox->clear;
sql($select);
is_deeply([ map { $_->{path} =~ m{(\d+)$} } $sandbox->requests ], [ 1, 2, 1, 2, 1, 3 ],
	'one more: page 1 is looked at, then page 2 comes anew, and page 1 tells that it stood still');

# By pages, and while it's looked at.
foreach my $case ([ 20, 2 ], [ 25, 2 ], [ 39, 2 ], [ 20, 3 ], [ 37, 3 ])
{
	my ($count, $page) = @{$case};

	fill(@plain);
	grow($page, $count);
	brings("$count more before page $page", $count, @plain);
}
fill(@plain);
grow(2, 1);
grow(1, 1, nth => 2);
grow(2, 1, nth => 2);
grow(1, 1, nth => 3);
grow(3, 2);
brings('it grows with each request', 6, @plain);

# Rows that change go to the front, from the edge of a page as well, while others come.
foreach my $gone ([20], [ 19, 20 ], [7], [ 3, 20 ])
{
	fill(@plain);
	$sandbox->data([ map { {
		op => 'delete', resource => $table, session_id => $session, key => "@{[1_700_000_100_000 - $_]}",
		at_request => { path => "$path/2", when => 'before' } } } @{$gone} ]);
	grow(2, @{$gone} + 2);
	my %gone = map { ("p$_" => 1) } @{$gone};
	my @got  = split /\n/, sql($select);
	my $times = counted(@got);
	is_deeply([ grep { $times->{$_} != 1 } @plain ], [], "rows @{$gone} go to the front: each once");
}

# It grows by more than a page between two requests, and what is the same in everything lies at an edge: some of the
# rows that were taken are on the next page, others on the one after that.
foreach my $case ([ 'at the first edge', qw(t t t p7 p8 p9 p10) ], [ 'at both edges', qw(t t t p7 p8 u u) ],
	[ 'over the second edge', qw(t t t p7 u u u u) ])
{
	my ($name, @middle) = @{$case};
	my @names = (qw(p1 p2 p3), @middle, map { "q$_" } 1 .. 12);

	fill(@names);
	$sandbox->control({ list_per_page => 5 });
	grow(3, 3);
	grow(2, 3, nth => 2);
	brings("more than a page, twins $name", 6, @names);
}

# It grows with each request, for good: an error, and no rows that came twice.
fill(@plain);
grow('*', 1, nth => $_) foreach 2 .. 40;
$node->psql('postgres', $select, stderr => \my $stderr);
like($stderr, qr/ERROR:  cannot read all rows of a list of "$table", server "support"\nDETAIL:  .*have no key/,
	'it grows with each request, for good');

# Whatever page is asked for, it's the same.
fill(@plain);
$sandbox->answer_with("$path/*" => { status => 206,
	body => '{"error":false,"reason":"listed","data":[{"page_url":"a"},{"page_url":"b"}]}' });
$node->psql('postgres', $select, stderr => \$stderr);
like($stderr, qr/ERROR:  cannot read all rows of a list of "$table", server "support"\nDETAIL:  .*Page after page/,
	'pages whose number is ignored');

# Oldest first, it grows at its end, which moves nothing.
fill(@plain);
$sandbox->control({ below_order => 'oldest' });
grow(2, 3);
$sandbox->clear;
brings('oldest first', 3, @plain);
is($sandbox->count, 3, 'oldest first: three pages');

# At random, with pages of several sizes, and rows of which many are the same.
foreach my $round (1 .. 25)
{
	my $size = (5, 7, 20, 25)[ rand 4 ];
	my $rows = 10 + int rand 60;
	my ($total, @names) = (0);

	# Up to four in a row are the same.
	push @names, ("p$_") x (rand() < 0.4 ? 1 + rand 4 : 1) foreach 1 .. $rows;
	fill(@names);
	$sandbox->control({ list_per_page => $size });
	my @growth = map { {
		page => 1 + int(rand(@names / $size + 1)), count => 1 + int rand 3, nth => 1 + int rand 2,
		when => ('after', 'before')[ rand 2 ] } } 1 .. 1 + rand 3;

	# What comes later has a later time: as far as can be told, a page is asked for again after the next one.
	foreach my $more (sort { $a->{page} + 1.5 * $a->{nth} <=> $b->{page} + 1.5 * $b->{nth} or
		$b->{when} cmp $a->{when} } @growth)
	{
		grow($more->{page}, $more->{count}, nth => $more->{nth}, when => $more->{when});
		$total += $more->{count};
	}
	brings("round $round: " . @names . " rows, $size a page", $total, @names);
}

# A rescan of the same, and a cursor that takes its time.
fill(@twins);
grow(2, 2);
is(sql("SELECT string_agg(n::text, ' ') FROM (VALUES (1), (2)) v (x), LATERAL (SELECT count(*) AS n FROM "
		. "crisp.$table WHERE session_id = '$session' AND x > 0 AND page_url <> 'new') t"),
	'55 55', 'a rescan has the same rows');

done_testing();
