# crisp_sync() of lists that Crisp gives in no order, which are read in parts by date: one answer that wrongly has no
# row, to any of the requests that a load takes, costs no row of the copy.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use JSON::PP;
use Test::More;

my ($node, $sandbox) = start_crisp(
	conversations => 120, people => 120, visitors => 1, operators => 1, campaigns => 1, websites => 1);
my $session = CrispSession->start($node);
my $empty = '{"error":false,"reason":"resolved","data":[]}';
my %path = (
	conversations => 'website/*/conversations/*',
	people_profiles => 'website/*/people/profiles/*',
	messages => 'website/*/conversations/*');

sync_with($session, $sandbox);

# Calls until a load has ended; how many requests for the list they took.
sub load
{
	my ($source, $target, $arguments) = @_;
	my ($pages, $calls) = (0, 0);

	do
	{
		sync("'crisp.$source', '$target', $arguments");
		$pages += grep { $_->{path} =~ m{/(?:conversations|profiles)/\d+$} } $sandbox->requests;
	} until last_run('state') eq 'finished' || ++$calls > 20;
	return $pages;
}

foreach my $case (
	[ 'conversations', 'incremental', 'NULL', 200 ],
	[ 'conversations', 'full', 6, 206 ],
	[ 'people_profiles', 'full', 40, 200 ],
	[ 'messages', 'incremental', 'NULL', 200 ])
{
	my ($source, $mode, $limit, $status) = @{$case};
	my $name = "$source, $mode, status $status, max_requests $limit";
	my $arguments = "mode => '$mode', max_requests => $limit";
	my $rows = $session->query("SELECT count(*) FROM crisp.$source");
	my ($most, $nth, $wrong) = (0, 0, '');

	$sandbox->control({ honour_order => JSON::PP::false, honour_sort => JSON::PP::false,
			default_order => 'insertion', answers => [] });
	$most = load($source, 'copy', $arguments);
	is_copy("crisp.$source", 'copy', "$name: all answers are right");
	cmp_ok($most, '>', 6, "$name: there are parts");
	while (++$nth <= $most)
	{
		$session->query('DROP TABLE copy');
		$sandbox->control({ answers => [ { match => { path => $path{$source}, nth => $nth }, status => $status,
					body => $empty } ] });
		load($source, 'copy', $arguments);
		$sandbox->control({ answers => [] });
		my $there = $session->query('SELECT count(*) FROM copy');
		$wrong .= " $nth: $there" if $there != $rows;
	}
	is($wrong, '', "$name: one empty answer costs no row of $rows");
	$session->query('DROP TABLE copy');
}

done_testing();
