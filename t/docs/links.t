# Links between the pages lead to files and headings that there are, README.md leads to every page, and pictures are
# those that their scripts draw.

use strict;
use warnings;

use FindBin;
use IPC::Run ();
use Test::More;

my $tree = "$FindBin::RealBin/../..";
my @pages = map { s{^\Q$tree/\E}{}r } glob("$tree/*.md"), glob("$tree/docs/*.md"), glob("$tree/*/README.md");
my %anchors_of;

# What a page says, without its code.
sub prose_of
{
	my ($page) = @_;

	open(my $file, '<:encoding(UTF-8)', "$tree/$page") or die "$page: $!\n";
	local $/ = undef;
	my $text = readline $file;
	close $file;
	return $text =~ s/^ *```.*?^ *```$//gmsr;
}

# The anchor of a heading, as GitHub makes it.
sub anchor_of
{
	my ($heading) = @_;

	return lc($heading =~ s/[`*]//gr) =~ s/[^\w\- ]//gr =~ tr/ /-/r;
}

foreach my $page (@pages)
{
	$anchors_of{$page} = { map { anchor_of($_) => 1 } prose_of($page) =~ /^#+ (.*)$/mg };
}

my $links = 0;
foreach my $page (@pages)
{
	my ($folder) = $page =~ m{^(.*/)};
	my @dead;

	foreach my $link (prose_of($page) =~ /\]\(\s*([^)\s]+)\s*\)/g)
	{
		next if $link =~ /^https?:/;
		my ($path, $anchor) = $link =~ /^([^#]*)#?(.*)$/;
		my $target = length $path ? ($folder // '') . $path : $page;

		1 while $target =~ s{[^/]+/\.\./}{};
		push @dead, $link unless -e "$tree/$target" && (!length $anchor || $anchors_of{$target}{$anchor});
		$links++;
	}
	is("@dead", '', "$page: links");
}
cmp_ok($links, '>', 150, 'there are links');

my $readme = prose_of('README.md');
is(join(' ', grep { $readme !~ /\]\(\Q$_\E\)/ } grep { m{^docs/} } @pages), '', 'README.md leads to every page');

my $output = '';
ok(IPC::Run::run([ $^X, "$tree/tools/draw-pictures.pl", '--check' ], '>&', \$output),
	'pictures are those of tools/draw-pictures.pl') or diag $output;

done_testing();
