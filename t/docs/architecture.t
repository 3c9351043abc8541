# docs/architecture.md shows the rooms of src/ as they are, and names what there is.

use strict;
use warnings;

use FindBin;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $tree = "$FindBin::RealBin/../..";

# The picture of the rooms, and the list of files.
my $output = '';
my $status = IPC::Run::run([ $^X, "$tree/tools/draw-rooms.pl", '--check' ], '>&', \$output);
ok($status, 'picture and list are those of the sources') or diag $output;

my $text    = slurp_file("$tree/docs/architecture.md");
my %sources = map { $_ => slurp_file($_) } "$tree/crisp_fdw.c", glob "$tree/src/*/*.[ch]";
my $all     = join '', values %sources;

# Functions, types and files in backticks.
my ($prose) = $text =~ /\A(.*?)^## The files$/ms;
my @names = $prose =~ /`([A-Za-z]\w+)`/g;
cmp_ok(scalar @names, '>', 30, 'there are names in the text');
$all .= slurp_file($_) foreach glob "$tree/install/*.sql";
my @unknown = grep { $all !~ /\b\Q$_\E\b/ && !-e "$tree/src/$_" } @names;
is("@unknown", '', 'and all of them are in the sources');
my @gone = grep { !-e "$tree/$_" && !(() = glob "$tree/src/*/$_") }
  $prose =~ /`([\w\/]+\.(?:[chm]|sql|pl)|[\w\/]+\/)`/g;
is("@gone", '', 'so are all files');
my @missing = grep { $prose !~ /\Q$_\E/ } map { s{^\Q$tree/\E}{}r } glob "$tree/install/*.sql";
is("@missing", '', 'every part of the script is named');

done_testing();
