# A statement that waits for a request to be made again says so, once, and only where that takes long.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 130);
my $session = CrispSession->start($node);
my $other   = CrispSession->start($node);
my $all     = 'SELECT count(*) FROM crisp.conversations';
my $rows    = $session->query($all);

$session->query('SET log_min_messages = notice');

# Run a statement, cancel it as soon as the log has a NOTICE, and return what it has told.
sub notices_until_told
{
	my ($sql) = @_;
	my $offset = -s $node->logfile;

	$session->send($sql);
	$node->wait_for_log(qr/NOTICE: .* is made again in/, $offset);
	$other->query('SELECT pg_cancel_backend(' . $session->pid . ')');
	return $session->wait;
}

# What Crisp wants is known at once, and so is how long that takes.
$sandbox->answer_with('*/conversations/2', { status => 429, headers => { 'Retry-After' => '40' } });
my $result = notices_until_told($all);
is($result->{errors}->[0]->{sqlstate}, '57014', 'a statement that waits is cancelled');
is(scalar @{ $result->{notices} }, 1, 'it has told that it waits');
like($result->{notices}->[0]->{message}, qr/^a request to server "support" is made again in 4[0-9] s$/, 'how long');
like($result->{notices}->[0]->{detail}, qr{conversations/2\?.* answered HTTP 429, .*Retry-After: 40}, 'and why');
like($result->{notices}->[0]->{hint}, qr/Cancel the statement to give up/, 'and what can be done');

# A page that is asked for ahead of need tells of itself when it's needed.
$session->query(q(ALTER SERVER support OPTIONS (SET prefetch '4')));
$result = notices_until_told($all);
is(scalar @{ $result->{notices} }, 1, 'pages ahead of need: one NOTICE');

# Several requests of a statement wait together: one tells.
$sandbox->answer_with('*/conversations/1', { status => 503, headers => { 'Retry-After' => '40' } });
$result = notices_until_told("$all UNION ALL $all");
is(scalar @{ $result->{notices} }, 1, 'several scans: one NOTICE');

# Others wait for them, too: an Append for its foreign scans.
my $append = 'SELECT session_id FROM crisp.conversations UNION ALL SELECT people_id FROM crisp.people_profiles';
like($session->query("EXPLAIN (COSTS OFF) $append"), qr/Async Foreign Scan/, 'scans that an Append waits for');
$sandbox->answer_with(
	'*/conversations/1' => { status => 503, headers => { 'Retry-After' => '40' } },
	'*/people/profiles/1' => { status => 503, headers => { 'Retry-After' => '40' } });
$result = notices_until_told($append);
is(scalar @{ $result->{notices} }, 1, 'one NOTICE');
$sandbox->answer_with('*/conversations/1', { status => 503, headers => { 'Retry-After' => '40' } });

# The next statement tells again.
$result = notices_until_told($all);
is(scalar @{ $result->{notices} }, 1, 'the next statement tells again');

# What is soon over isn't worth a word.
$sandbox->answer_with('*/conversations/1', { status => 503, times => 1 });
$result = $session->run($all);
is($result->{output}, $rows, 'a retry that comes soon: all rows');
is_deeply($result->{notices}, [], 'and no word of it');

done_testing();
