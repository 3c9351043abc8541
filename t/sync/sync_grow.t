# crisp_sync(): lists that come in no order, and grow and change with each request, of a server that says of each page
# that more follow, or only of those of which that is true: a run comes to its end, for requests that what the list had
# when it began decides, and all of that is in the copy.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use JSON::PP;
use POSIX qw(ceil);
use Test::More;

my $false = JSON::PP::false;
my ($node, $sandbox) = start_crisp(
	conversations => 300, people => 300, visitors => 1, operators => 1, campaigns => 1, websites => 1);
my $session = CrispSession->start($node);
my $website = $sandbox->website_id;
my %list = (
	conversations => [ 'conversations', 'session_id', "website/$website/conversations/*" ],
	people_profiles => [ 'people', 'people_id', "website/$website/people/profiles/*" ]);

sync_with($session, $sandbox);

# A list in no order, each page of which is answered with that status, if one is given, and of which a row comes in
# and another changes with each request, if it grows.
sub behave
{
	my ($source, $status, $grows) = @_;
	my ($resource, undef, $path) = @{ $list{$source} };
	my @operations;

	$sandbox->reset;
	$sandbox->control(
		{   honour_order => $false,
			honour_sort => $false,
			default_order => 'insertion',
			answers => [ $status ? { match => { path => $path }, status => $status } : () ] });
	foreach my $nth (1 .. ($grows ? 1000 : 0))
	{
		push @operations, map {
			{ op => $_, resource => $resource, count => 1, seed => $nth, at_request => { path => $path, nth => $nth } }
		} qw(insert_random touch_random);
	}
	$sandbox->data(\@operations) if @operations;
	return;
}

# The keys that a list has now.
sub keys_of { return $sandbox->column($list{ $_[0] }->[0], $list{ $_[0] }->[1]) }

# The rows that a list has now: when each of them changed last, by its key.
sub rows_of
{
	my ($source) = @_;
	my @keys = keys_of($source);
	my @changes = $sandbox->column($list{$source}->[0], 'updated_at');

	return map { $keys[$_] => $changes[$_] } 0 .. $#keys;
}

# That a copy has all of these rows, but for those that have changed meanwhile, later than its watermark: these come
# with the next run.
sub has_rows
{
	my ($source, $target, $before, $name) = @_;
	my %there = map { $_ => 1 } split /\n/, $session->query("SELECT $list{$source}->[1] FROM $target");
	my %now = rows_of($source);
	my @missing = grep { !$there{$_} } keys %{$before};
	my $watermark = status('extract(epoch FROM watermark) * 1000', $target);

	is(scalar(grep { $now{$_} == $before->{$_} || $now{$_} <= $watermark } @missing),
		0, "$name: what was there is in the copy, or yet to come");
	is(scalar(@missing), 0, "$name: of a full load, all of it") if status('mode', $target) eq 'full';
	return;
}

# Requests for a page's worth of rows.  Where the order that was asked for isn't kept, the first window is read twice,
# spans hold half a page or more, and finding them takes as many requests as reading them.  Where each page says that
# more follow, an empty page has to show the end of each.
my %most = (0 => 8, 206 => 12);

foreach my $source (sort keys %list)
{
	foreach my $status (0, 206)
	{
		foreach my $grows (0, 1)
		{
			foreach my $mode (qw(incremental full))
			{
				# The last look of a full load is one statement, for which a call must be able to ask enough.
				foreach my $limit ('NULL', $mode eq 'full' && $grows ? 100 : 40)
				{
					my $target = join '_', 'copy', $source, $status, $grows, $mode, $limit;
					my $name = "$source, status $status" . ($grows ? ', growing' : '') . ", $mode, max_requests $limit";
					my ($requests, $calls) = (0, 0);

					behave($source, $status, $grows);
					my %before = rows_of($source);
					my $most = $most{$status} * ceil(keys(%before) / 50) * ($grows ? 2 : 1);

					# Nothing is left to do when it has ended; where it may not make more requests, it ends all the
					# same.
					$session->query('SET crisp_fdw.max_requests = ' . 4 * $most);
					do
					{
						$requests +=
						  sync("'crisp.$source', '$target', mode => '$mode', max_requests => $limit")->{requests};
					} until last_run('state') eq 'finished' || ++$calls > 6;
					$session->query('RESET crisp_fdw.max_requests');
					is(last_run('state'), 'finished', "$name: it ends");
					cmp_ok($requests, '<=', $most, "$name: requests for " . keys(%before) . ' rows');
					has_rows($source, $target, \%before, $name);
					next if $grows;
					is_copy("crisp.$source", $target, $name);
				}
			}
		}
	}
}

# So does a scan that reads such a list exactly.
$session->query('SET crisp_fdw.scan_mode = exact');
foreach my $source (sort keys %list)
{
	foreach my $status (0, 206)
	{
		my ($resource, $key) = @{ $list{$source} };

		behave($source, $status, 1);
		my %before = map { $_ => 1 } keys_of($source);
		$sandbox->clear;
		my @keys = grep { $before{$_} } split /\n/, $session->query("SELECT $key FROM crisp.$source");
		is(scalar(@keys), scalar(keys %before), "$source, status $status, growing: an exact scan has each row once");
		cmp_ok($sandbox->count, '<=', $most{$status} * ceil(keys(%before) / 50), 'and it ends');
	}
}

done_testing();
