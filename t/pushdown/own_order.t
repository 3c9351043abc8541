# The order that Crisp has by itself is never read in: conversations that are resolved while a list
# is read hide no others.
# And an order that it refuses is done without.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 1000, people => 300);
my $website = $sandbox->website_id;

sub keys_now
{
	my ($name, $key) = @_;

	return $sandbox->column($name, $key);
}

foreach my $case ([ 'fast', 1 ], [ 'fast', 4 ], [ 'exact', 1 ])
{
	my ($mode, $prefetch) = @{$case};
	my $session = CrispSession->start($node);

	$session->query("SET crisp_fdw.scan_mode = $mode");
	$session->query('ALTER SERVER support OPTIONS ('
		  . ($session->query("SELECT count(*) FROM pg_foreign_server WHERE srvoptions::text LIKE '%prefetch%'") ? 'SET'
		  : 'ADD')
		  . " prefetch '$prefetch')");
	foreach my $seed (1 .. 5)
	{
		foreach my $query ('', q( WHERE updated_at > '2020-01-01'))
		{
			my $name = "$mode, prefetch $prefetch, seed $seed$query";

			srand $seed;
			$sandbox->reset;
			$sandbox->control({ default_order => 'state' });
			my @keys = keys_now('conversations', 'session_id');
			$sandbox->data(
				[   map {
						my $key = $keys[ rand @keys ];
						my $at = { path => "website/$website/conversations/*", nth => $_ };
						({ op => 'patch', key => $key, set => { state => 'resolved' }, at_request => $at },
							{ op => 'touch', key => $key, at_request => $at })
					} 2 .. 15 ]);
			$sandbox->clear;
			my %times;
			$times{$_}++ foreach split /\n/, $session->query("SELECT session_id FROM crisp.conversations$query");

			is(scalar(grep { !$times{$_} } @keys), 0, "$name: none is lost");
			is(scalar(grep { $_ > 1 } values %times), 0, "$name: none comes twice");
			is(scalar(grep { $_->{query} !~ /order_date_updated=1/ } $sandbox->requests), 0,
				"$name: the order that is asked for");
		}
	}

	# Profiles, where Crisp refuses to sort by dates.
	$sandbox->reset;
	$sandbox->control({ honour_sort => 'refused' });
	my @people = sort +keys_now('people', 'people_id');
	foreach my $query (
		'',
		q( WHERE updated_at > '2000-01-01'),
		q( WHERE created_at > '2000-01-01'),
		' ORDER BY updated_at DESC LIMIT 1000',
		' ORDER BY created_at DESC LIMIT 1000')
	{
		foreach my $time ('first', 'second')
		{
			is(join(',', sort split /\n/, $session->query("SELECT people_id FROM crisp.people_profiles$query")),
				join(',', @people), "refused orders, $mode, prefetch $prefetch, $time time:$query");
		}
	}
	my ($newest) = sort { $b <=> $a } grep { defined } $sandbox->column('people', 'updated_at');
	is($session->query(q(SELECT (extract(epoch FROM max(updated_at)) * 1000)::bigint FROM crisp.people_profiles)),
		$newest, "refused orders, $mode, prefetch $prefetch: max");
	$session->quit;
}

$node->stop;
done_testing();
