#!/usr/bin/perl
#
# Name the lines that are too long: of C more than 100 columns, of all else more than 120, a tab being four.
# A pattern has no place to break at, so a line of Perl with one may be longer.
#
#   tools/lines.pl FILE…    exit status 1 if there is any
use strict;
use warnings;
use open qw(:std :encoding(UTF-8));

my $found = 0;

foreach my $path (@ARGV)
{
	my $longest = $path =~ /\.[ch]$/ ? 100 : 120;

	open(my $file, '<', $path) or die "$path: $!\n";
	while (my $line = <$file>)
	{
		chomp $line;
		next if $path =~ /\.(?:t|pm|pl)$/ && $line =~ /\bqr\W|[=!]~/;
		1 while $line =~ s/\t/' ' x (4 - length($`) % 4)/e;
		next if length $line <= $longest;
		printf "%s:%d: %d columns, more than %d\n", $path, $., length $line, $longest;
		$found = 1;
	}
}
exit $found;
