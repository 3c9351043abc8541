# `make uninstall` leaves nothing of what `make install` has installed.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Copy qw(copy);
use File::Find qw(find);
use File::Path qw(make_path);
use FindBin;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $tree = abs_path("$FindBin::RealBin/../..");
my $make_for = $ENV{PG_CONFIG} // 'pg_config';
my $copy = PostgreSQL::Test::Utils::tempdir();
my $build = PostgreSQL::Test::Utils::tempdir();

# Where the server of the tests has things, and where make thinks that it has.
sub directory
{
	my ($pg_config, $option) = @_;

	chomp(my $directory = `$pg_config --$option`);
	return $directory;
}

sub files
{
	my ($top) = @_;
	my @found;

	find({ no_chdir => 1, wanted => sub { push @found, $_ if -f && m{crisp[^/]*$} } }, $top) if -d $top;
	return sort @found;
}

foreach my $option ('sharedir', 'pkglibdir', 'docdir')
{
	my $from = directory('pg_config', $option);
	my $to = $copy . directory($make_for, $option);

	foreach my $file (files($from))
	{
		my $target = $to . substr($file, length $from);

		make_path(dirname($target));
		copy($file, $target) or die "cannot copy $file: $!\n";
	}
}
my @installed = files($copy);
cmp_ok(scalar @installed, '>=', 4, 'a library, a control file, and scripts are installed');
my $output = '';
ok( IPC::Run::run(
		[ 'make', '-C', $build, '-f', "$tree/Makefile", 'uninstall', "DESTDIR=$copy", "PG_CONFIG=$make_for" ],
		'>&', \$output),
	'make uninstall') or diag $output;
is_deeply([ files($copy) ], [], 'nothing is left');
IPC::Run::run([ 'make', '-C', $build, '-f', "$tree/Makefile", 'help' ], '>', \$output);
like($output, qr/^\s*make uninstall /m, 'make help has it');

done_testing();
