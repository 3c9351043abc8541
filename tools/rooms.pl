#!/usr/bin/perl
#
# Hold the rooms of src/ to their order, by what their files include.
#
#   tools/rooms.pl            say what is wrong; exit status 1 if anything is
#   tools/rooms.pl --edges    the rooms, and which includes headers of which
#
# No include points upward, and no two files need each other, be it by way of
# others: a file here is a header together with the source of the same name.
# What a header declares is defined in that source, and nowhere else.
use strict;
use warnings;
use FindBin;

chdir "$FindBin::Bin/.." or die "$0: no source tree: $!\n";

# From the door down to the ground.
my @rooms = qw(functions sync push write scan plan fetch request api row options http json resource base);
my %level = map { $rooms[$_] => $_ } 0 .. $#rooms;

my %needs;       # file => { file => 1 }
my %room_needs;  # room => { room => number of includes }
my @problems;

foreach my $room (map { s{^src/}{}r } glob 'src/*')
{
	push @problems, "src/$room is not among the rooms of $0" unless exists $level{$room};
}
foreach my $path (glob 'src/*/*.[ch]')
{
	my ($room, $name) = $path =~ m{^src/(\w+)/(\w+)\.[ch]$} or next;

	open my $source, '<', $path or die "$path: $!\n";
	while (<$source>)
	{
		next unless m{^#include "(\w+)/(\w+)\.h"} && exists $level{$1} && -e "src/$1/$2.h";
		my ($included_room, $included) = ($1, $2);

		push @problems, "$path:$.: includes $included_room/$included.h, which is above it"
		  if ($level{$room} // 0) > $level{$included_room};
		$room_needs{$room}{$included_room}++ if $room ne $included_room;
		$needs{$name}{$included} = 1 if $name ne $included;
	}
}

# visit FILE, PATH…: find the cycles that go through a file.
my %visited;

sub visit
{
	my ($file, @path) = @_;

	if (grep { $_ eq $file } @path)
	{
		shift @path while $path[0] ne $file;
		push @problems, 'files that need each other: ' . join ' → ', @path, $file;
		return;
	}
	return if $visited{$file};
	visit($_, @path, $file) foreach sort keys %{ $needs{$file} };
	$visited{$file} = 1;
}

visit($_) foreach sort keys %needs;

# code FILE: its text without comments and what preprocessors read.
sub code
{
	my ($path) = @_;

	open my $file, '<', $path or die "$path: $!\n";
	local $/;
	my $text = <$file>;
	$text =~ s{/\*.*?\*/}{}gs;
	$text =~ s/^#(?:.*\\\n)*.*\n//gm;
	return $text;
}

# What each source defines for others: functions and variables that aren't static, at the left margin.
my %defined_in;  # name => { source => 1 }

foreach my $path (glob 'src/*/*.c')
{
	my $text = code($path);

	$defined_in{$1}{$path} = 1 while $text =~ /^(\w+)\([^;{}]*\)\n\{/gm;
	$defined_in{$1}{$path} = 1
	  while $text =~ /^(?!static\b|extern\b|typedef\b)\w[\w \t*]*[ \t*](\w+)(?:\[\])?(?: = |;)/gm;
}
foreach my $path (glob 'src/*/*.h')
{
	my $own = $path =~ s/h$/c/r;
	my $text = code($path);

	while ($text =~ /\bextern ([^;]*);/g)
	{
		my ($name) = $1 =~ /(\w+)(?:\(.*|\[\w*\])?$/s;
		my @sources = sort keys %{ $defined_in{$name} // {} };

		push @problems, "$path: declares $name, which is defined in " . (join(', ', @sources) || 'no source')
		  unless @sources == 1 && $sources[0] eq $own;
	}
}

if (@ARGV && $ARGV[0] eq '--edges')
{
	foreach my $room (@rooms)
	{
		print "$room: ", join(' ', grep { $room_needs{$room}{$_} } @rooms), "\n";
	}
}
print STDERR "$_\n" foreach @problems;
exit(@problems ? 1 : 0);
