# crisp_sync() of what lies below rows of a list, of which a call takes but a few, since it may make few requests: where
# Crisp gives that list in no order, those that a call takes tell nothing of the others.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use JSON::PP;
use Test::More;

my $false = JSON::PP::false;
my ($node, $sandbox) = start_crisp(
	conversations => 27, people => 30, visitors => 1, operators => 1, campaigns => 1, websites => 1);
my $session = CrispSession->start($node);

sync_with($session, $sandbox);

# Calls with these limits in turn, the last of them until a load has ended; what their notices have said.
sub load
{
	my ($source, $target, $mode, @limits) = @_;
	my $notices = '';

	foreach my $call (1 .. 80)
	{
		my $limit = $limits[ $call <= @limits ? $call - 1 : -1 ];

		$notices .= sync("'crisp.$source', '$target', mode => '$mode', max_requests => $limit")->{notices};
		last if last_run('state') eq 'finished';
	}
	return $notices;
}

# The rows that a source has, and, of each list in no order, what it has more of than a page.
foreach my $people (30, 70)
{
	foreach my $source ('people_data', 'people_subscriptions', 'messages')
	{
		my $settings = $source eq 'messages' ? { honour_order => $false, default_order => 'created' }
		  : { honour_sort => $false };

		next if $source ne 'people_data' && $people > 30;
		$sandbox->reset;
		$sandbox->data([ { op => 'insert_random', resource => 'people', count => $people - 30 } ]) if $people > 30;
		$sandbox->control($settings);
		foreach my $limits ([ 1, 'NULL' ], [ 1, 2, 'NULL' ], [ 5, 'NULL' ], [ 10, 10, 'NULL' ], [20])
		{
			my $name = "$source, $people people, limits @{$limits}";

			# Messages of a conversation may take more than these.
			next if $source eq 'messages' && @{$limits} == 1;
			load($source, 'copy', 'incremental', @{$limits});
			is_copy("crisp.$source", 'copy', "$name: all rows");
			$session->query("SELECT crisp_sync_reset('crisp.$source', 'copy')");
			unlike(load($source, 'copy', 'full', @{$limits}), qr/gone: [1-9]/, "$name: a full load deletes none");
			is_copy("crisp.$source", 'copy', "$name: all rows, after a full load");
			$session->query('DROP TABLE copy');
		}
	}
}

done_testing();
