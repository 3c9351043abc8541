# crisp_sync(): rows that lack their key, as a proxy may send them, are told of once, all together.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use JSON::PP;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 900, people => 500, operators => 3, websites => 1);
my $session = CrispSession->start($node);
my $warning = qr/^(\d+) rows? of "crisp\.\w+" lacks? (?:its|their) key, and (?:was|were) left out$/m;

sync_with($session, $sandbox);
my ($conversations, $people) =
  split /\|/, $session->query('SELECT (SELECT count(*) FROM crisp.conversations), count(*) FROM crisp.people_profiles');

# How many rows a run says to have left out, in each of its warnings.
sub told
{
	my ($notices) = @_;

	return join ' ', $notices =~ /$warning/g;
}

sub strip_keys
{
	my ($resource, $key, @indexes) = @_;

	$sandbox->data([ map { { op => 'patch', resource => $resource, index => $_, unset => [$key] } } @indexes ]);
	return scalar @indexes;
}

# In windows one after the other: more of them in the first than in any other.
my $few = strip_keys('conversations', 'session_id', map { 400 + $_ * 10 } 0 .. ($conversations - 401) / 10);
my $many = strip_keys('conversations', 'session_id', map { $_ * 2 } 5 .. 80);
foreach my $prefetch (1, 4)
{
	my $target = "windows$prefetch";

	$session->query("ALTER SERVER support OPTIONS (SET prefetch '$prefetch')");
	is(told(sync("'crisp.conversations', '$target'")->{notices}), $many + $few,
		"prefetch $prefetch: all windows together");
	is($session->query("SELECT count(*) FROM $target"), $conversations - $many - $few,
		"prefetch $prefetch: all others are there");
	is(told(sync("'crisp.conversations', '$target'")->{notices}), '',
		"prefetch $prefetch: the next run has found none");
	is(told(sync("'crisp.conversations', '$target', mode => 'full'")->{notices}), $many + $few,
		"prefetch $prefetch: a full load comes upon the same ones");
}
$session->query(q(ALTER SERVER support OPTIONS (SET prefetch '1')));

# Of several calls, each tells what it has left out; one that fails, too.
my $sum = 0;
foreach my $call (1 .. 9)
{
	$sandbox->control({ answers => [ { match => { path => 'website/*/conversations/*', nth => 9 }, status => 400 } ] })
	  if $call == 2;
	my $result = $session->run(
		sprintf q(CALL crisp_sync('crisp.conversations', 'calls', max_requests => %s)), $call == 2 ? 20 : 6);
	is(scalar @{ $result->{errors} }, $call == 2 ? 1 : 0, "call $call") if $call <= 2;
	my $told = told(join "\n", map { $_->{message} } @{ $result->{notices} });
	cmp_ok($told || 0, '>', 0, "call $call tells of some") if $call <= 2;
	$sum += $told || 0;
}
is(status('state', 'calls'), 'up to date', 'several calls read all');
is($sum, $many + $few, 'and have told of all, each once');

# By spans of time, some of which are divided.
my $profiles = strip_keys('people', 'people_id', map { $_ * 15 } 1 .. 30);
$sandbox->control({ honour_sort => JSON::PP::false, default_order => 'insertion', answers => [] });
{
	my $run = sync(q('crisp.people_profiles', 'spans'));

	like($run->{notices}, qr/does not give .* in the order/, 'by spans of time');
	is(told($run->{notices}), $profiles, 'all spans together');
	is($session->query('SELECT count(*) FROM spans'), $people - $profiles, 'all others are there');
}

done_testing();
