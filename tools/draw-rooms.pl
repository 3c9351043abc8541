#!/usr/bin/perl
#
# Draw the rooms of src/ as docs/rooms.svg, from what their files include, and list the files of each
# room in docs/architecture.md, from the line that each file has about itself at its head.
#
#   tools/draw-rooms.pl            write both
#   tools/draw-rooms.pl --check    say which of them is stale; exit status 1 if any is
use strict;
use warnings;
use open qw(:std :encoding(UTF-8));
use utf8;
use FindBin;

chdir "$FindBin::Bin/.." or die "$0: no source tree: $!\n";

# What each room is for, and how far from the middle it stands in the picture.
my %rooms = (
	functions => [ 'functions that SQL calls',        1 ],
	sync      => [ 'copies that are kept fresh',      -1 ],
	push      => [ 'tables that are pushed',         -1 ],
	write     => [ 'INSERT, UPDATE and DELETE',       0 ],
	scan      => [ "the executor's callbacks",        0 ],
	plan      => [ 'costs, paths, plans',             0 ],
	fetch     => [ 'which page, key or list is next', 0 ],
	request   => [ 'what is asked of Crisp',          0 ],
	api       => [ 'answers, errors, retries, usage', 0 ],
	row       => [ 'JSON to columns',                 1 ],
	options   => [ 'options and credentials',         0 ],
	http      => [ 'transfers by libcurl',            0 ],
	json      => [ 'JSON, read and written',          1 ],
	resource  => [ 'the catalog of what Crisp has', -1 ],
	base      => [ 'what all may use',                0 ]);

my ($box_width, $box_height, $across, $down, $margin) = (216, 46, 264, 84, 16);

my ($picture, $page) = ('docs/rooms.svg', 'docs/architecture.md');

# The rooms from top to bottom, and for each those that its files include headers of.
my (@order, %needs);

open(my $edges, '-|', "$^X tools/rooms.pl --edges 2>/dev/null") or die "tools/rooms.pl: $!\n";
while (<$edges>)
{
	my ($room, @needed) = /\w+/g;

	die "$0 doesn't know what the room $room is for\n" unless $rooms{$room};
	push @order, $room;
	$needs{$room} = { map { $_ => 1 } @needed };
}
close $edges;

# Whether a room needs another one by way of others, too: then an arrow between them tells nothing new.
sub is_implied
{
	my ($room, $needed) = @_;
	my %seen;
	my @todo = grep { $_ ne $needed } keys %{ $needs{$room} };

	while (defined(my $between = shift @todo))
	{
		next if $seen{$between}++;
		return 1 if $needs{$between}{$needed};
		push @todo, keys %{ $needs{$between} };
	}
	return 0;
}

# On which floor a room stands, counted from the ground: one above all that it needs.  Who is needed by no
# other stands at the top.
my %floor;

foreach my $room (reverse @order)
{
	$floor{$room} = 0;
	foreach my $needed (keys %{ $needs{$room} })
	{
		$floor{$room} = $floor{$needed} + 1 if $floor{$needed} >= $floor{$room};
	}
}
my ($top) = sort { $b <=> $a } values %floor;
foreach my $room (@order)
{
	$floor{$room} = $top unless grep { $needs{$_}{$room} } @order;
}

# The middle of a room from side to side, and its upper edge.
sub x_of { return $margin + $box_width / 2 + $across * (1 + $rooms{ $_[0] }[1]) }
sub y_of { return $margin + $down * ($top - $floor{ $_[0] }) }

# An arrow from a room to another one, around those between: from one that stands further out it leads down and
# into the side, to one that stands further out it leads out of the side and down.
sub arrow
{
	my ($from, $to) = @_;
	my ($x1, $x2)   = (x_of($from), x_of($to));
	my ($y1, $y2)   = (y_of($from) + $box_height, y_of($to) - 4);
	my $side = $box_width / 2 * ($x2 <=> $x1);

	if ($x1 == $x2)
	{
		my $between = grep { $floor{$_} < $floor{$from} && $floor{$_} > $floor{$to} && x_of($_) == $x1 } @order;
		my $around = $x1 + $across / 2;

		return "M$x1,$y1 L$x2,$y2" unless $between;
		return "M$x1,$y1 C$around," . ($y1 + 30) . " $around," . ($y2 - 30) . " $x2,$y2";
	}
	if (abs($rooms{$to}[1]) > abs($rooms{$from}[1]))
	{
		my ($x, $y, $x3) = ($x1 + $side, $y1 - $box_height / 2 + 9, $x2 - 12 * ($x2 <=> $x1));

		return "M$x,$y C$x3,$y $x3,$y $x3,$y2";
	}
	my ($x, $y) = ($x2 - $side - 4 * ($x2 <=> $x1), $y2 + 4 + $box_height / 2 - 9);

	return "M$x1,$y1 C$x1,$y $x1,$y $x,$y";
}

sub draw
{
	my $width  = 2 * $margin + 2 * $across + $box_width;
	my $height = 2 * $margin + $down * $top + $box_height;
	my $svg    = <<"END";
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 $width $height"
	width="$width" height="$height" font-family="sans-serif">
<title>The rooms of src/: an arrow leads from a room to one that it needs</title>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0,0 L8,4 L0,8 z" fill="#555"/></marker></defs>
<rect width="$width" height="$height" fill="#fff"/>
END

	foreach my $room (@order)
	{
		foreach my $needed (grep { $needs{$room}{$_} && !is_implied($room, $_) } @order)
		{
			my $path = arrow($room, $needed);

			$svg .= qq(<path d="$path" fill="none" stroke="#555" stroke-width="1.4" marker-end="url(#tip)"/>\n);
		}
	}
	foreach my $room (@order)
	{
		my ($left, $x, $y) = (x_of($room) - $box_width / 2, x_of($room), y_of($room));
		my ($name_y, $purpose_y) = ($y + 20, $y + 37);

		$svg .= qq(<rect x="$left" y="$y" width="$box_width" height="$box_height" rx="5" )
		  . qq(fill="#f4f7fb" stroke="#336791"/>\n)
		  . qq(<text x="$x" y="$name_y" text-anchor="middle" font-size="15" font-weight="bold">$room</text>\n)
		  . qq(<text x="$x" y="$purpose_y" text-anchor="middle" font-size="12">$rooms{$room}[0]</text>\n);
	}
	return "$svg</svg>\n";
}

# What a file says of itself at its head.
sub purpose_of
{
	my ($path) = @_;
	my ($name) = $path =~ m{([^/]+)$};
	my $text = read_file($path);

	$text =~ m{\A/\*-+\n \*\n \* \Q$name\E\n \*\t\t(.*?)\n \*\n}s
	  or die "$path doesn't begin with its name and what it is for\n";
	return $1 =~ s/\n \*\s*/ /gr;
}

# A table of the files in each room; a header and the source of the same name are one.
sub list_files
{
	my $lists = '';

	foreach my $room (@order)
	{
		my %purpose;

		foreach my $path (glob("src/$room/*.c"), glob("src/$room/*.h"))
		{
			my ($name) = $path =~ m{(\w+)\.[ch]$};

			$purpose{$name} = purpose_of($path);
		}
		$lists .= "\n### `src/$room/`: $rooms{$room}[0]\n\n| file | what it is for |\n|---|---|\n";
		$lists .= "| `$_` | $purpose{$_} |\n" foreach sort keys %purpose;
	}
	return $lists;
}

sub read_file
{
	my ($path) = @_;

	open(my $file, '<', $path) or return '';
	local $/ = undef;
	return <$file>;
}

my $text = read_file($page);
$text =~ s{(<!-- files: tools/draw-rooms.pl -->\n).*(\n<!-- end of files -->)}{$1 . list_files() . $2}se
  or die "$page has no place for the files\n";
my %wanted = ($picture => draw(), $page => $text);
my $stale  = 0;

foreach my $path (sort keys %wanted)
{
	next if read_file($path) eq $wanted{$path};
	if (@ARGV && $ARGV[0] eq '--check')
	{
		print STDERR "$path is stale: run tools/draw-rooms.pl\n";
		$stale = 1;
		next;
	}
	open(my $file, '>', $path) or die "$path: $!\n";
	print {$file} $wanted{$path};
	close $file or die "$path: $!\n";
}
exit $stale;
