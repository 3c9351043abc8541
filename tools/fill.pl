#!/usr/bin/perl
#
# Fill the paragraphs of pages in Markdown to 100 columns.  Code, tables, headings and HTML stay as they are.
#
#   tools/fill.pl FILE…            rewrite them
#   tools/fill.pl --check FILE…    name those that aren't filled; exit status 1 if any
use strict;
use warnings;
use open qw(:std :encoding(UTF-8));
use utf8;

my $COLUMNS = 100;

# fill INDENT, HANGING, TEXT: the lines of a paragraph, the first one behind an indent of its own.
sub fill
{
	my ($indent, $hanging, $text) = @_;
	my @lines = ($indent);
	my $empty = 1;

	# Code within a line stays on one.
	foreach my $word ($text =~ /(?:`[^`]*`|[^\s`]|`)+/g)
	{
		$word =~ s/\s+/ /g;

		# A word that would begin a list, a heading, a table or a quotation can't begin a line.
		my $sticks = $word =~ /^(?:[-+*>|]|#+|\d+[.)])$|^[|#>]/;

		if (!$empty && length("$lines[-1] $word") > $COLUMNS && !$sticks)
		{
			push @lines, $hanging;
			$empty = 1;
		}
		$lines[-1] .= $empty ? $word : " $word";
		$empty = 0;
	}
	return map { "$_\n" } @lines;
}

sub filled
{
	my ($text) = @_;
	my ($result, $paragraph, $indent, $hanging) = ('', '', '', '');
	my $fence;
	my $flush = sub {
		$result .= join '', fill($indent, $hanging, $paragraph) if length $paragraph;
		($paragraph, $indent, $hanging) = ('', '', '');
	};

	foreach my $line (split /^/, $text)
	{
		if (defined $fence || $line =~ /^\s*(```+|~~~+)/)
		{
			$flush->();
			$result .= $line;
			$fence = !defined $fence ? $1 : $line =~ /^\s*\Q$fence\E\s*$/ ? undef : $fence;
		}
		elsif ($line =~ /^\s*$|^\s*[|<#]/ || ($line =~ /^(?:    |\t)/ && !length $paragraph))
		{
			$flush->();
			$result .= $line;
		}
		elsif ($line =~ /^(\s*(?:[-*+]|\d+[.)]) +)(.*)/ || $line =~ /^(> ?)(.*)/)
		{
			my ($start, $rest) = ($1, $2);

			if ($start =~ /^>/ && $indent =~ /^>/)
			{
				$paragraph .= " $rest";
				next;
			}
			$flush->();
			($indent, $hanging, $paragraph) = ($start, $start =~ /^>/ ? $start : ' ' x length $start, $rest);
		}
		else
		{
			$line =~ /^(\s*)/;
			($indent, $hanging) = ($1, $1) unless length $paragraph;
			chomp $line;
			$paragraph .= " $line";
		}
	}
	$flush->();
	return $result;
}

my $check = @ARGV && $ARGV[0] eq '--check' ? shift @ARGV : undef;
my $found = 0;

foreach my $path (@ARGV)
{
	open(my $file, '<', $path) or die "$path: $!\n";
	my $text   = do { local $/ = undef; <$file> };
	my $filled = filled($text);

	next if $filled eq $text;
	if ($check)
	{
		print "$path: paragraphs aren't filled to $COLUMNS columns: run tools/fill.pl $path\n";
		$found = 1;
		next;
	}
	open($file, '>', $path) or die "$path: $!\n";
	print {$file} $filled;
	close $file or die "$path: $!\n";
}
exit $found;
