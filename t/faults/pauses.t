# A reader may take its time between two rows, while several scans or connections are under way: timeouts
# count the time that a statement waits for Crisp, and no other.

use strict;
use warnings;

use CrispCluster;
use CrispListener;
use CrispSandbox;
use CrispSession;
use IO::Select;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

my $PER_PAGE = 20;
my $PAGES    = 9;

# What Crisp may take, and what the reader takes; seconds.
my $TIMEOUT = 1;
my $PAUSE   = 2.5;

my ($node, $sandbox) = start_crisp(conversations => 330, websites => 2);
my $session = CrispSession->start($node);

connect_crisp(
	$node, $sandbox,
	server  => 'other',
	schema  => 'other',
	website => 1,
	options => "prefetch '4'");
$session->query("ALTER SERVER support OPTIONS (SET prefetch '4')");
$session->query(
	"ALTER SERVER $_ OPTIONS (ADD per_page '$PER_PAGE', ADD max_retries '0', ADD request_timeout '600s')"
) foreach 'support', 'other';

my $union = 'SELECT session_id FROM crisp.conversations UNION ALL SELECT session_id FROM other.conversations';
my $rows  = split /\n/, $session->query($union);

cmp_ok($rows, '>', 10 * $PER_PAGE, 'there are some pages');
$sandbox->clear;
$session->query($union);
my $asked = $sandbox->count;

# Both servers get this option; without one, the default.
sub set_option
{
	my ($option, $value) = @_;

	$session->query(
		"ALTER SERVER $_ OPTIONS (" . (defined $value ? "SET $option '$value'" : "DROP $option") . ')')
	  foreach 'support', 'other';
	return;
}

$session->query("ALTER SERVER $_ OPTIONS (ADD low_speed_time '600s', ADD connect_timeout '600s')")
  foreach 'support', 'other';

# ---- Cursors over an Append that nobody fetches from for a while

foreach my $option ('request_timeout', 'low_speed_time', 'connect_timeout')
{
	set_option($option, "${TIMEOUT}s");
	$sandbox->reset;
	$sandbox->control(
		{ answers => [ { match => { path => '*/conversations/2' }, times => 1, delay_ms => 2000 } ] });
	$session->query('SELECT crisp_fdw_disconnect(srvname) FROM pg_foreign_server');

	# The first pages of both, and the second page that isn't the first to be asked for.
	$session->query("BEGIN; DECLARE c CURSOR FOR $union");
	my $first = split /\n/, $session->query("FETCH @{[ 2 * $PER_PAGE + 1 ]} FROM c");
	my @second = grep { $_->{path} =~ m{/conversations/2$} } $sandbox->requests;
	is(scalar(grep { !defined $_->{done_ms} } @second), 1, "$option: a page is under way");
	sleep $PAUSE;
	is($first + (split /\n/, $session->query('FETCH ALL FROM c; COMMIT')), $rows, "$option: all rows after a pause");
	is($sandbox->count, $asked, "$option: no page is asked for again");
	set_option($option, '600s');
}
is( $session->query('SELECT sum(retries), sum(timed_out) FROM crisp_fdw_usage'),
	'0|0', 'nothing has timed out');

# ---- An Append that waits does lose its patience

foreach my $option ('request_timeout', 'low_speed_time')
{
	set_option($option, "${TIMEOUT}s");
	foreach my $rest ('', ' UNION ALL SELECT g::text FROM generate_series(1, 100) g')
	{
		my $name = "$option, under an Append" . ($rest ? ' with other rows' : '');

		$sandbox->reset;
		$sandbox->control(
			{ answers => [ { match => { path => '*/conversations/2' }, hang => JSON::PP::true } ] });
		my $time = time;
		$session->fails(
			"$union$rest",
			{   sqlstate => 'HV00M',
				detail   => $option eq 'request_timeout' ? qr/timed out after \d+ milliseconds/ : qr/Operation too slow/
			},
			$name);
		cmp_ok(time - $time, '>=', $TIMEOUT, "$name: not before its time");
	}
	set_option($option, '600s');
}
$sandbox->reset;
is(scalar(split /\n/, $session->query($union)), $rows, 'the next statement');

# ---- What an Append has waited for is over with it

set_option('request_timeout', "${TIMEOUT}s");
$sandbox->control(
	{ answers => [ { match => { path => '*/conversations/*' }, hang => JSON::PP::true } ] });
is( $session->run("SET statement_timeout = '200ms'; $union")->{errors}->[0]->{sqlstate},
	'57014', 'a statement that is cancelled while an Append waits');
$session->query('RESET statement_timeout');
$sandbox->reset;
sleep $PAUSE;
$sandbox->control({ latency_ms => 20 });
is(scalar(split /\n/, $session->query($union)), $rows, '... later, an answer is not late');
set_option('request_timeout', '600s');

# ---- A connection that comes about while nobody looks

# Answers with $PAGES pages of 20 rows, on connections that are kept, until a request like that is answered.
# Who calls meanwhile has to wait, unless calls are taken.
my $listener    = CrispListener->new(1);
my @connections = ();

sub serve
{
	my ($last, $takes_calls) = @_;
	my $socket = $listener->{socket};

	while (1)
	{
		my @ready = IO::Select->new($takes_calls ? $socket : (), @connections)->can_read(10) or return;
		foreach my $ready (@ready)
		{
			if ($ready == $socket)
			{
				push @connections, $socket->accept;
				next;
			}
			my $request = '';
			if (!sysread($ready, $request, 65536))
			{
				@connections = grep { $_ != $ready } @connections;
				next;
			}
			my ($page) = $request =~ m{^GET \S+/conversations/(\d+)\?};
			my @page = map { { session_id => "session_$page-$_", updated_at => 1 } } 1 .. $PER_PAGE;

			# Nothing has changed: a row that came before is the latest.
			my $is_recheck = $request =~ /filter_date_start/;
			@page = $is_recheck ? $page[0] : () if $page > $PAGES || $is_recheck;
			my $body   = encode_json({ error => JSON::PP::false, reason => 'listed', data => \@page });
			my $status = $page < $PAGES && @page && !$is_recheck ? '206 Partial Content' : '200 OK';
			syswrite($ready,
				"HTTP/1.1 $status\r\nContent-Type: application/json\r\nContent-Length: "
				  . length($body)
				  . "\r\n\r\n$body");
			return if $request =~ $last;
		}
	}
}

$session->query(<<"END");
CREATE SERVER slow FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url 'http://127.0.0.1:@{[ $listener->port ]}/v1',
	website_id '@{[ $sandbox->website_id ]}', connect_timeout '${TIMEOUT}s', max_retries '0', per_page '$PER_PAGE');
CREATE USER MAPPING FOR CURRENT_USER SERVER slow OPTIONS (identifier 'x', key 'x');
CREATE FOREIGN TABLE slow (session_id text, updated_at timestamptz) SERVER slow OPTIONS (resource 'conversations');
BEGIN;
DECLARE c CURSOR FOR SELECT session_id FROM slow;
END
$session->send("FETCH $PER_PAGE FROM c");
serve(qr{/1\?}, 1);
is(scalar(split /\n/, $session->wait->{output}), $PER_PAGE, 'the first page, on a connection that is kept');
SKIP:
{
	skip 'this kernel accepts connections without end', 3 unless $listener->fill;

	# Pages come on that connection, until there's another under way.
	my $idle = $session->descriptors;
	my $page = 1;
	while ($session->descriptors <= $idle && $page < 6)
	{
		$page++;
		$session->send("FETCH $PER_PAGE FROM c");
		serve(qr{/$page\?});
		$session->wait;
	}
	cmp_ok($session->descriptors, '>', $idle, 'another connection is under way');
	sleep $PAUSE;
	$listener->{callers} = [];
	$listener->{socket}->listen(64);
	$session->send('FETCH ALL FROM c');
	serve(qr/filter_date_start/, 1);
	my $result = $session->wait;
	is_deeply($result->{errors}, [], 'a connection that took long, while nobody waited for it');
	is(scalar(split /\n/, $result->{output}), ($PAGES - $page) * $PER_PAGE, '... brings the rest');
}
$session->query('ROLLBACK');

$session->quit;
$node->stop;
done_testing();
