#!/usr/bin/perl
#
# Draw the pictures that explain how things work: docs/data-flow.svg, docs/sync.svg and docs/moving-list.svg.
#
#   tools/draw-pictures.pl            write them
#   tools/draw-pictures.pl --check    say which of them is stale; exit status 1 if any is
use strict;
use warnings;
use open qw(:std :encoding(UTF-8));
use utf8;
use FindBin;

chdir "$FindBin::Bin/.." or die "$0: no source tree: $!\n";

my ($blue, $pale, $ink, $grey, $red) = ('#336791', '#f4f7fb', '#222', '#777', '#b3372f');

# Each color of arrows needs a tip.
sub picture
{
	my ($width, $height, $title, @parts) = @_;
	my $tips = join '', map {
		my $id = substr $_, 1;
		qq(<marker id="tip$id" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">)
		  . qq(<path d="M0,0 L8,4 L0,8 z" fill="$_"/></marker>\n)
	} ($ink, $red, $blue);

	return <<"END" . join('', @parts) . "</svg>\n";
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 $width $height"
	width="$width" height="$height" font-family="sans-serif">
<title>$title</title>
<defs>
$tips</defs>
<rect width="$width" height="$height" fill="#fff"/>
END
}

sub text
{
	my ($x, $y, $text, %is) = @_;
	my $anchor = $is{anchor} // 'middle';
	my $size   = $is{size} // 12;
	my $color  = $is{color} // $ink;
	my $weight = $is{bold} ? ' font-weight="bold"' : '';

	return qq(<text x="$x" y="$y" text-anchor="$anchor" font-size="$size" fill="$color"$weight>$text</text>\n);
}

sub rect
{
	my ($x, $y, $width, $height, %is) = @_;
	my $fill   = $is{fill} // $pale;
	my $stroke = $is{stroke} // $blue;
	my $dashes = $is{dashed} ? ' stroke-dasharray="5 4"' : '';

	return qq(<rect x="$x" y="$y" width="$width" height="$height" rx="5" fill="$fill" stroke="$stroke"$dashes/>\n);
}

# A box with its name, and lines below that.
sub box
{
	my ($x, $y, $width, $height, $name, @lines) = @_;
	my $middle = $x + $width / 2;
	my $top    = $y + $height / 2 - 8 * @lines + 5;
	my $number = 0;

	return rect($x, $y, $width, $height) . text($middle, $top, $name, size => 15, bold => 1)
	  . join('', map { text($middle, $top + 2 + 16 * ++$number, $_) } @lines);
}

sub line
{
	my ($x1, $y1, $x2, $y2, %is) = @_;
	my $color  = $is{color} // $ink;
	my $dashes = $is{dashed} ? ' stroke-dasharray="5 4"' : '';
	my $tip    = $is{plain} ? '' : ' marker-end="url(#tip' . substr($color, 1) . ')"';

	return qq(<path d="M$x1,$y1 L$x2,$y2" fill="none" stroke="$color" stroke-width="1.4"$dashes$tip/>\n);
}

# From Crisp to your tables and back.
sub draw_data_flow
{
	return picture(
		830, 284, 'The way of rows between your tables and Crisp',
		rect(8, 8, 558, 268, fill => '#fff', stroke => $grey, dashed => 1),
		text(20, 28, 'your PostgreSQL', anchor => 'start', color => $grey),
		box(24, 40,  200, 62, 'your queries',  'SELECT, joins, reports;', 'INSERT, UPDATE, DELETE'),
		box(24, 118, 200, 62, 'copies',        'ordinary tables, as fresh', 'as their last run'),
		box(24, 196, 200, 62, 'your tables',   'what you know', 'of your customers'),
		box(374, 40, 184, 218, 'foreign tables', 'crisp.conversations,', 'crisp.messages,',
			'crisp.people_profiles, …', 'They store no row.'),
		box(694, 40, 128, 218, 'Crisp', 'its REST API', 'over HTTPS'),
		line(224, 60,  370, 60), text(298, 54, 'conditions, order'),
		line(374, 84,  228, 84), text(298, 99, 'rows, checked again'),
		line(374, 149, 228, 149, color => $blue), text(298, 142, 'crisp_sync', bold => 1),
		text(298, 165, 'what has changed'),
		line(224, 227, 370, 227, color => $blue), text(298, 220, 'crisp_push', bold => 1),
		text(298, 243, 'what differs'),
		line(558, 112, 690, 112), text(630, 88, 'requests:'), text(630, 104, 'dates, states, keys'),
		line(694, 172, 562, 172), text(630, 190, 'pages of JSON,'), text(630, 206, '50 rows each'));
}

# One run of a sync: what was covered before it, and what it fetches, in which order.
sub draw_run
{
	my ($y, $name, $after, $covered, @fetched) = @_;
	my @parts = (
		text(12, $y + 15, $name,  anchor => 'start', bold  => 1, size => 13),
		text(12, $y + 32, $after, anchor => 'start', color => $grey),
		rect(212, $y, 560, 36, fill => '#fff', stroke => $grey, dashed => 1));

	push @parts, rect($covered->[0], $y, $covered->[1] - $covered->[0], 36, fill => '#d5e3f0') if $covered;
	foreach my $part (@fetched)
	{
		my ($from, $to, $number) = @{$part};

		push @parts, rect($from, $y, $to - $from, 36, fill => $blue),
		  text(($from + $to) / 2, $y + 24, $number, color => '#fff', bold => 1, size => 15);
	}
	return @parts;
}

# Three runs of a sync, along the time of updates.
sub draw_sync
{
	return picture(
		900, 336, 'Three runs of a sync: what is new comes first, then history, from new to old',
		text(212, 20, 'old', color => $grey, anchor => 'start'),
		text(492, 20, 'updated_at of the rows', color => $grey),
		text(872, 20, 'new', color => $grey, anchor => 'end'),
		line(212, 30, 872, 30, color => $ink),
		draw_run(48, 'Run 1, at 10:00', 'ends at max_requests', undef, [ 692, 772, '1' ], [ 572, 690, '2' ],
			[ 452, 570, '3' ]),
		text(332, 71, 'a gap: not fetched yet', color => $grey),
		line(772, 40, 772, 178, color => $red, dashed => 1, plain => 1),
		text(780, 71, 'watermark', anchor => 'start', color => $red),
		draw_run(120, 'Run 2, at 10:10', 'fetches new rows, then goes on', [ 452, 772 ], [ 762, 822, '1' ],
			[ 332, 450, '2' ], [ 212, 330, '3' ]),
		text(607, 143, 'covered'),
		line(822, 112, 822, 250, color => $red, dashed => 1, plain => 1),
		draw_run(192, 'Run 3, at 10:20', 'is up to date: one request', [ 212, 822 ], [ 812, 852, '1' ]),
		text(512, 215, 'covered'),
		rect(212, 262, 26, 16, fill => $blue),
		text(246, 275, 'fetched by this run, in the order of the numbers, and committed part by part',
			anchor => 'start'),
		rect(212, 286, 26, 16, fill => '#d5e3f0'),
		text(246, 299, 'covered before: every row that had its date here is in the copy', anchor => 'start'),
		line(212, 318, 238, 318, color => $red, dashed => 1, plain => 1),
		text(246, 322, 'the watermark: the next run begins there, less overlap', anchor => 'start'));
}

# Rows of a list as squares with letters: those whose letters are in MARKED stand out.
sub draw_rows
{
	my ($x, $y, $letters, $marked) = @_;
	my @parts;

	foreach my $letter (split //, $letters)
	{
		my $stands_out = index($marked, $letter) >= 0;

		push @parts, rect($x, $y, 30, 30, fill => $stands_out ? '#fbe3e1' : $pale,
			stroke => $stands_out ? $red : $blue),
		  text($x + 15, $y + 20, $letter, bold => 1, size => 14);
		$x += 34;
	}
	return @parts;
}

# A frame around the four rows of a page.
sub draw_page
{
	my ($x, $y, $name) = @_;

	return rect($x - 4, $y - 4, 138, 38, fill => 'none', stroke => $ink), text($x + 65, $y + 50, $name);
}

# What happens to a scan of two pages when a row moves, and when one goes.
sub draw_moving_list
{
	my ($left, $right) = (24, 464);

	return picture(
		880, 424, 'A list that moves between two requests',
		text($left, 26, 'A row is updated: it moves to the front', anchor => 'start', bold => 1, size => 15),
		text($left, 52, 'First request: page 1', anchor => 'start'),
		draw_rows($left, 64, 'ABCDEFGH', 'G'), draw_page($left, 64, 'A, B, C, D have come'),
		line($left + 219, 98, $left + 219, 130, color => $red), text($left + 250, 118, 'G changes', color => $red,
			anchor => 'start'),
		text($left, 152, 'Second request: page 2', anchor => 'start'),
		draw_rows($left, 164, 'GABCDEFH', 'G'), draw_page($left + 136, 164, 'D comes again: dropped'),
		text($left, 252, 'Recheck: what was updated since the scan began', anchor => 'start'),
		draw_rows($left, 264, 'G', 'G'), rect($left - 4, 260, 38, 38, fill => 'none', stroke => $ink),
		text($left + 48, 284, 'brings G: no row is lost', anchor => 'start'),
		line(440, 14, 440, 410, color => $grey, plain => 1),
		text($right, 26, 'A row is deleted: the rows behind it move up', anchor => 'start', bold => 1, size => 15),
		text($right, 52, 'First request: page 1', anchor => 'start'),
		draw_rows($right, 64, 'ABCDEFGH', 'B'), draw_page($right, 64, 'A, B, C, D have come'),
		line($right + 49, 114 + 6, $right + 49, 134, color => $red),
		text($right + 64, 134, 'B is deleted', color => $red, anchor => 'start'),
		text($right, 164, 'fast asks for page 2:', anchor => 'start', bold => 1),
		draw_rows($right, 176, 'ACDEFGH', 'E'), draw_page($right + 136, 176, 'E is on no page any more'),
		text($right, 256, 'exact asks for what is not newer than D:', anchor => 'start', bold => 1),
		draw_rows($right, 268, 'ACDEFGH', 'E'), draw_page($right + 68, 268, 'D is dropped, E comes'),
		text($left, 376, 'fast, the default: an update loses no row,', anchor => 'start', size => 13),
		text($left, 396, 'a deletion between two pages can lose one.', anchor => 'start', size => 13),
		text($right, 376, 'exact: pages are asked for by date, not by number;', anchor => 'start', size => 13),
		text($right, 396, 'nothing is lost.', anchor => 'start', size => 13));
}

sub read_file
{
	my ($path) = @_;

	open(my $file, '<', $path) or return '';
	local $/ = undef;
	return <$file>;
}

my %wanted = (
	'docs/data-flow.svg'   => draw_data_flow(),
	'docs/sync.svg'        => draw_sync(),
	'docs/moving-list.svg' => draw_moving_list());
my $stale = 0;

foreach my $path (sort keys %wanted)
{
	next if read_file($path) eq $wanted{$path};
	if (@ARGV && $ARGV[0] eq '--check')
	{
		print STDERR "$path is stale: run tools/draw-pictures.pl\n";
		$stale = 1;
		next;
	}
	open(my $file, '>', $path) or die "$path: $!\n";
	print {$file} $wanted{$path};
	close $file or die "$path: $!\n";
}
exit $stale;
