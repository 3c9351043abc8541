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

# A list in no order, each page of which is answered with that status, if one is given, and of which with each request
# so many rows come in, and so many change.
sub behave
{
	my ($source, $status, $new, $changed) = @_;
	my ($resource, undef, $path) = @{ $list{$source} };
	my %count = (insert_random => $new, touch_random => $changed);
	my @operations;

	$sandbox->control(
		{   honour_order => $false,
			honour_sort => $false,
			default_order => 'insertion',
			answers => [ $status ? { match => { path => $path }, status => $status } : () ] });
	foreach my $nth (1 .. 1000)
	{
		push @operations, map {
			{ op => $_, resource => $resource, count => $count{$_}, seed => $nth,
				at_request => { path => $path, nth => $nth } }
		} grep { $count{$_} } sort keys %count;
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
# with the next run.  What it has of others is as it was before, or is now.
sub has_rows
{
	my ($source, $target, $before, $name) = @_;
	my %there = map { split /\|/ } split /\n/,
	  $session->query("SELECT $list{$source}->[1], round(extract(epoch FROM updated_at) * 1000) FROM $target");
	my %now = rows_of($source);
	my $watermark = status('extract(epoch FROM watermark) * 1000', $target);
	my @missing = grep { !exists $there{$_} && ($now{$_} == $before->{$_} || $now{$_} < $watermark) } keys %{$before};

	is(scalar(@missing), 0, "$name: what was there is in the copy, or yet to come");
	is(scalar(grep { exists $there{$_} && $there{$_} < $before->{$_} } keys %{$before}), 0,
		"$name: and none is older than it was");
	is(scalar(grep { !exists $now{$_} } keys %there), 0, "$name: nor is what is gone")
	  if status('mode', $target) eq 'full';
	return;
}

# That a copy which had all of these rows still has them, wherever they have moved.
sub keeps_rows
{
	my ($source, $target, $before, $name) = @_;
	my %there = map { $_ => 1 } split /\n/, $session->query("SELECT DISTINCT $list{$source}->[1] FROM $target");
	my %now = map { $_ => 1 } keys_of($source);

	is(scalar(grep { $now{$_} && !$there{$_} } keys %{$before}), 0, "$name: nothing that Crisp has has gone");
	return;
}

# Calls until a load has ended; how many requests they took.
sub load
{
	my ($source, $target, $arguments, $most) = @_;
	my ($requests, $calls) = (0, 0);

	# Nothing is left to do when it has ended; where it may not make more requests, it ends all the same.
	$session->query("SET crisp_fdw.max_requests = $most");
	do { $requests += sync("'crisp.$source', '$target', $arguments")->{requests} }
	  until last_run('state') eq 'finished' || ++$calls > 12;
	$session->query('RESET crisp_fdw.max_requests');
	return $requests;
}

# Requests for a page's worth of rows.  Where the order that was asked for isn't kept, the first window is read twice,
# spans hold half a page or more, and finding them takes as many requests as reading them.  Where each page says that
# more follow, an empty page has to show the end of each.
my %most = (0 => 8, 206 => 12);

my $number = 0;
foreach my $source (sort keys %list)
{
	foreach my $field ('updated_at', 'created_at')
	{
		foreach my $case ([ 0, 0, 0 ], [ 206, 0, 0 ], [ 206, 1, 1 ], [ 206, 3, 3 ], [ 0, 0, 6 ], [ 0, 4, 0 ])
		{
			my ($status, $new, $changed) = @{$case};
			my $at_once = $source eq 'people_profiles' && $field eq 'updated_at';

			foreach my $load ('incremental', 'full', 'another full')
			{
				foreach my $limit ('NULL', 40, 100)
				{
					my $target = 'copy' . ++$number;
					my $mode = $load =~ /full/ ? 'full' : $load;
					my $name = "$source by $field, status $status, +$new ~$changed, $load, max_requests $limit";

					# Where little moves, a limit makes no difference, nor does the field where the other has shown it.
					next if $new + $changed < 6 && $limit eq '100' && !$at_once;
					next if $new != $changed && $field eq 'created_at';
					# A call must be able to ask for all of a list that it can't ask for by date, and is in no order.
					next if $at_once && $new + $changed && ($new + $changed > 2 || $limit eq '40');
					$sandbox->reset;
					if ($load =~ /another/)
					{
						sync("'crisp.$source', '$target', sync_field => '$field', max_requests => NULL");
						$sandbox->data([ { op => 'delete_random', resource => $list{$source}->[0], count => 3,
							seed => $number } ]);
					}
					behave($source, $status, $new, $changed);
					my %before = rows_of($source);
					# What changes with a request is read by a part of another one, once by the list and once at the
					# end; a call begins with what has changed since the last one.  A part without a row takes two.
					my $most = $most{$status} * ceil(keys(%before) / 50) * (1 + ($new + $changed) / 2) + 2;
					my $requests = load($source, $target,
						"sync_field => '$field', mode => '$mode', max_requests => $limit", $most * 4);

					is(last_run('state') . ', ' . status('state', $target), 'finished, up to date', "$name: it ends");
					cmp_ok($requests, '<=', $most, "$name: requests for " . keys(%before) . ' rows');
					has_rows($source, $target, \%before, $name);
					keeps_rows($source, $target, \%before, $name) if $load =~ /another/;
					is_copy("crisp.$source", $target, $name) if $new + $changed == 0;
					$session->query("DROP TABLE $target");
				}
			}
		}
	}
}

# Messages go with their conversations, which move while these are read: rows that were not seen are asked for.
{
	my ($key) = $list{conversations}->[1];

	$sandbox->reset;
	$list{messages} = $list{conversations};
	sync(q('crisp.messages', 'messages', max_requests => NULL));
	my %has_messages = map { $_ => 1 } split /\n/, $session->query("SELECT DISTINCT $key FROM messages");
	$sandbox->data([ { op => 'delete_random', count => 3, seed => 5 } ]);
	behave('conversations', 206, 3, 3);
	my %before = map { $_ => 1 } grep { $has_messages{$_} } keys_of('conversations');
	$session->query('SET crisp_fdw.max_requests = 4000');
	sync(q('crisp.messages', 'messages', mode => 'full', max_requests => NULL));
	$session->query('RESET crisp_fdw.max_requests');
	is(status('state', 'messages'), 'up to date', 'messages: it ends');
	keeps_rows('messages', 'messages', \%before, 'messages');
	my %now = map { $_ => 1 } keys_of('conversations');
	is(scalar(grep { !$now{$_} } split /\n/, $session->query("SELECT DISTINCT $key FROM messages")), 0,
		'messages: those of conversations that are gone are, too');
	delete $list{messages};
}

# So does a scan that reads such a list exactly.
$session->query('SET crisp_fdw.scan_mode = exact');
foreach my $source (sort keys %list)
{
	foreach my $status (0, 206)
	{
		my ($resource, $key) = @{ $list{$source} };

		$sandbox->reset;
		behave($source, $status, 1, 1);
		my %before = map { $_ => 1 } keys_of($source);
		$sandbox->clear;
		my @keys = grep { $before{$_} } split /\n/, $session->query("SELECT $key FROM crisp.$source");
		is(scalar(@keys), scalar(keys %before), "$source, status $status, growing: an exact scan has each row once");
		cmp_ok($sandbox->count, '<=', $most{$status} * ceil(keys(%before) / 50), 'and it ends');
	}
}

done_testing();
