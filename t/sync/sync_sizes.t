# crisp_sync() of profiles, whose order is proved by two pages: lists around the edges of pages take no more requests
# than others, and nothing is said of their order, which Crisp keeps.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use CrispSync;
use POSIX qw(ceil);
use Test::More;

my ($node, $first) = start_crisp(conversations => 1, people => 1, visitors => 1, operators => 1);

# Requests of a first load, and of a full one: one for each page, and some to look for what moves; two prove the order.
sub most
{
	my ($people, $number) = @_;
	my $is_full = $number > 0;
	my $pages = ceil($people / 50);

	# Whether a full page is the last one, the next one tells, and both are looked at twice.  The first full load can't
	# tell by the first one that the list hasn't grown since, and tries to prove its order.
	return $number == 1 ? 11 : $is_full ? 8 : 6 if $people == 50;
	return $pages == 1 ? ($is_full ? 2 : 1) : $is_full ? 3 * $pages + 1 : $pages + 3;
}

foreach my $people (30, 49, 50, 51, 60, 80, 99, 100, 101, 150)
{
	my $sandbox = CrispSandbox->start(conversations => 1, people => $people, visitors => 1, websites => 1, seed => 12);
	my $session = CrispSession->start($node);
	my $copy    = "copy_$people";

	connect_crisp($node, $sandbox, server => "s$people", schema => "s$people");
	sync_with($session, $sandbox);
	foreach my $number (0 .. 2)
	{
		my $run  = sync("'s$people.people_profiles', '$copy'" . ($number > 0 ? q(, mode => 'full') : ''));
		my $name = "$people profiles, load $number";

		unlike($run->{notices}, qr/in the order/, "$name: the order is kept");
		cmp_ok($run->{requests}, '<=', most($people, $number), "$name: requests");
		is($session->query("SELECT count(*) FROM $copy"), $people, "$name: rows");
	}
	is_copy("s$people.people_profiles", $copy, "$people profiles");
	if ($people == 80)
	{
		my $run = sync("'s$people.people_data', 'data_$people'");

		unlike($run->{notices}, qr/in the order/, 'what lies below profiles: the order is kept');
		cmp_ok($run->{requests}, '<=', 2 * $people + 10, 'requests: two for each profile');
	}
	if ($people == 50 || $people == 49)
	{
		# What has shown nothing of its order before, shows it when it has grown.
		$sandbox->data([ { op => 'insert_random', resource => 'people', count => 21, seed => 3 } ]);
		my $run = sync("'s$people.people_profiles', '$copy', mode => 'full'");

		unlike($run->{notices}, qr/in the order/, "$people profiles and more: the order is kept");
		cmp_ok($run->{requests}, '<=', 11, "$people profiles and more: requests");
		is_copy("s$people.people_profiles", $copy, "$people profiles and more");
		cmp_ok(sync("'s$people.people_profiles', '$copy', mode => 'full'")->{requests}, '<=', 7, 'and once more');
	}
	$session->quit;
	$sandbox->stop;
}

$node->stop;
done_testing();
