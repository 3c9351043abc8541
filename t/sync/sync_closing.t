# crisp_sync() in mode full, of a list that grows and changes with each request: what a load has not seen is asked for
# by key, so that nothing goes from the copy that Crisp has, and all that is gone does, in as many calls as it takes.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use JSON::PP;
use Test::More;

my $GONE = 30;

my ($node, $sandbox) = start_crisp(
	conversations => 300, people => 30, visitors => 1, operators => 1, campaigns => 1, websites => 1);
my $website = $sandbox->website_id;
my $path = "website/$website/conversations/*";
my ($session, $number);

$node->safe_psql('postgres',
	q(CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'));

# Two rows come in and two change with each request, of a list that is in the order that was asked for, or in none.
sub let_it_move
{
	my ($in_order) = @_;
	my @operations;

	foreach my $nth (1 .. 700)
	{
		push @operations,
		  map { { op => $_, count => 2, seed => $nth, at_request => { path => $path, nth => $nth } } }
		  qw(insert_random touch_random);
	}
	$sandbox->control({ honour_order => JSON::PP::false, default_order => 'insertion' }) unless $in_order;
	$sandbox->data(\@operations);
	return;
}

# The keys that a query gives, as those of a hash.
sub keys_of { return map { $_ => 1 } split /\n/, $session->query($_[0]) }

foreach my $way ('delete', 'mark', 'a trigger keeps them')
{
	foreach my $in_order (0, 1)
	{
		foreach my $limit ('NULL', 12, 40)
		{
			my $target = 'copy' . ++$number;
			my $name = "$way, " . ($in_order ? 'in order' : 'in no order') . ", max_requests $limit";
			my $arguments = "'crisp.conversations', '$target', mode => 'full', deleted => '"
			  . ($way eq 'mark' ? 'mark' : 'delete') . "', max_requests => $limit";
			my $calls = 0;

			# Whether Crisp keeps an order is known to a session.
			$session->quit if $session;
			$session = CrispSession->start($node);
			sync_with($session, $sandbox);
			$sandbox->reset;
			sync($arguments =~ s/max_requests => \w+/max_requests => NULL/r);
			$session->query("CREATE TRIGGER keep BEFORE DELETE ON $target FOR EACH ROW EXECUTE FUNCTION keep()")
			  if $way =~ /trigger/;
			my %before = keys_of("SELECT session_id FROM $target");
			$sandbox->data([ { op => 'delete_random', count => $GONE, seed => 3 } ]);
			let_it_move($in_order);

			# All of what moves meanwhile would take more.
			$session->query('SET crisp_fdw.max_requests = 300');
			do { sync($arguments) } until last_run('state') eq 'finished' || ++$calls > 12;
			is(status('state', $target), 'up to date', "$name: it ends");
			my %now = map { $_ => 1 } $sandbox->column('conversations', 'session_id');
			my %there = keys_of("SELECT session_id FROM $target"
				. ($way eq 'mark' ? ' WHERE _deleted_at IS NULL' : ''));
			is(scalar(grep { $now{$_} && !$there{$_} } keys %before), 0, "$name: what Crisp has stays");
			is(scalar(grep { !$now{$_} } keys %there), $way =~ /trigger/ ? $GONE : 0, "$name: what is gone goes");
			is(status('rows_deleted', $target), $way =~ /trigger/ ? 0 : $GONE, "$name: and is counted");
		}
	}
}

is($session->query('SELECT count(*) FROM crisp_sync_internal.crisp_sync_seen'), 0, 'no keys are kept');

done_testing();
