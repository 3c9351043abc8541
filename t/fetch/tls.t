# Crisp as it is out there: behind TLS, in HTTP/2 or HTTP/1.1.  Who is trusted, and that requests
# which are under way together share a connection.

use strict;
use warnings;

use CrispCluster;
use CrispFront;
use CrispSandbox;
use CrispSession;
use List::Util qw(uniq);
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = CrispSandbox->start(conversations => 1990, people => 10);
my $node = start_node();
my $ca = CrispFront::authority();
my $front = CrispFront->start($sandbox, $ca);
my $port = $front->port;
my $website = $sandbox->website_id;
my @rows = $sandbox->column('conversations', 'session_id');
my $count = 'SELECT count(session_id) FROM crisp.conversations';

$sandbox->show_rechecks(1);
connect_crisp(
	$node, $sandbox,
	url => $front->url,
	options => "sslrootcert '$ca->{certificate}', prefetch '8', updatable 'true', retry_delay '10ms'");
my $session = CrispSession->start($node);

# Let the session read the list, and return what the front has seen of it.
sub read_all
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$front->requests;
	$sandbox->clear;
	is($session->query($count), scalar @rows, "$name: all rows");
	return $front->requests;
}

sub connections { return scalar uniq map { $_->{connection} } @_ }
sub protocols { return join ' ', sort(uniq(map { $_->{protocol} } @_)) }

# Put another front in the place of the one that was there.
sub restart_front
{
	my (%parameter) = @_;

	$front->stop;
	$front = CrispFront->start($sandbox, $ca, port => $port, %parameter);
	return;
}

# ---- HTTP/2

my @first = read_all('HTTP/2');
cmp_ok(scalar @first, '>', 30, '... in many requests');
is(protocols(@first), 'h2', '... of that protocol');
is(connections(@first), 1, '... over one connection');

$sandbox->control({ quiet_ms => 100 });
my @again = read_all('HTTP/2, slowly');
is(CrispSandbox::together($sandbox->requests), 8, '... eight requests under way together');
is(connections(@again), 1, '... over one connection');
is($again[0]->{connection}, $first[0]->{connection}, '... the one of the statement before');
$sandbox->reset;

$session->query("SELECT crisp_fdw_disconnect('support')");
my @new = read_all('HTTP/2, after a disconnect');
isnt($new[0]->{connection}, $first[0]->{connection}, '... over another connection');

# Lookups by several keys.
my @keys = @rows[ 0 .. 29 ];
$front->requests;
is( $session->query(
		'SELECT count(*) FROM crisp.conversations WHERE session_id IN (' . (join ', ', map { "'$_'" } @keys) . ')'),
	30,
	'HTTP/2: lookups');
my @lookups = $front->requests;
is(scalar @lookups, 30, '... a request each');
is(connections(@lookups), 1, '... over one connection');

# What is written goes over a connection of its own, once.
$session->query(
	"INSERT INTO crisp.messages (session_id, type, \"from\", origin, content) VALUES "
		. "('$keys[0]', 'text', 'operator', 'chat', 'over TLS')");
my @posts = $front->requests;
is(scalar @posts, 1, 'HTTP/2: a message is sent once');
like($posts[0]->{line}, qr{^POST /v1/website/\Q$website\E/conversation/\Q$keys[0]\E/message HTTP/2}, '... in HTTP/2');
is($session->query("SELECT content FROM crisp.messages WHERE session_id = '$keys[0]' ORDER BY timestamp DESC LIMIT 1"),
	'over TLS', '... and is there');
@rows = $sandbox->column('conversations', 'session_id');

# Cancelled with requests under way, and on with the next statement.
$sandbox->control(
	{ answers => [ { match => { path => '*/conversations/7' }, hang => JSON::PP::true } ] });
$session->send($count);
for (1 .. 600)
{
	last if grep { $_->{path} =~ m{/conversations/7$} } $sandbox->requests;
	select(undef, undef, undef, 0.02);
}
$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $session->pid . ')');
is($session->wait->{errors}->[0]->{sqlstate}, '57014', 'HTTP/2: cancelled while a page is silent');
$sandbox->reset;
read_all('HTTP/2, after that');

# A kept connection that was closed meanwhile.
restart_front();
my @reopened = read_all('HTTP/2, after the server has closed the connection');
is(scalar(grep { $_->{status} >= 400 } @reopened), 0, '... of which no request failed');

# It's closed gracefully while pages are read: those that were not answered are asked for again.
$session->query("BEGIN; DECLARE c CURSOR FOR SELECT session_id FROM crisp.conversations");
is(scalar(split /\n/, $session->query('FETCH 200 FROM c')), 200, 'HTTP/2: the first pages');
$front->leave;
my $leaving = $front;
$front = CrispFront->start($sandbox, $ca, port => $port);
is(scalar(split /\n/, $session->query('FETCH ALL FROM c; COMMIT')),
	@rows - 200, '... and the others, after the server was replaced by another');

# A server that lets fewer requests share a connection.
restart_front(arguments => ['--frontend-http2-max-concurrent-streams=3']);
$sandbox->control({ quiet_ms => 60 });
read_all('HTTP/2, three requests a connection');
is(CrispSandbox::together($sandbox->requests), 8, '... eight requests under way together');
$sandbox->reset;

# An answer that ends in the middle.
$sandbox->control(
	{   answers => [
			{ match => { path => '*/conversations/5' }, times => 1, cut_after => 700 } ] });
read_all('HTTP/2, an answer that breaks off once');
$sandbox->reset;

# ---- HTTP/1.1

restart_front(protocol => 'http/1.1');
@first = read_all('HTTP/1.1');
is(protocols(@first), 'http/1.1', '... of that protocol');
$sandbox->control({ quiet_ms => 100 });
@again = read_all('HTTP/1.1, slowly');
is(CrispSandbox::together($sandbox->requests), 8, '... eight requests under way together');
is(connections(@again), 8, '... over a connection each');
$sandbox->reset;
@again = read_all('HTTP/1.1, again');
cmp_ok(connections(@again), '<=', 8, '... over those that were kept');

# ---- Who is trusted

sub fails_untrusted
{
	my ($detail, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$sandbox->clear;
	$session->fails(
		$count,
		{   sqlstate => 'HV00N',
			message => 'could not establish a secure connection to Crisp, server "support"',
			detail => $detail,
			hint =>
			  "Check the server's options base_url and sslrootcert, and the certificate authorities that this machine "
			  	. "trusts."
		},
		$name);
	is($sandbox->count, 0, '... and nothing was asked');
	return;
}

sub trust
{
	my ($file) = @_;

	$session->query(
		"ALTER SERVER support OPTIONS (" . (defined $file ? "SET sslrootcert '$file'" : 'DROP sslrootcert') . ')');
	return;
}

restart_front();
read_all('the right authority');
my $other = CrispFront::authority();
trust($other->{certificate});
fails_untrusted(qr/certificate/, 'another authority');
trust($ca->{certificate});
read_all('the right authority again');
trust("$ca->{certificate}.gone");
fails_untrusted(qr/certificate|trust anchors/, 'a file that is not there');
my $text = PostgreSQL::Test::Utils::tempdir() . '/text';
append_to_file($text, "no certificate\n");
trust($text);
fails_untrusted(qr/certificate|trust anchors/, 'a file without a certificate');
trust($ca->{certificate});
restart_front(name => 'DNS:crisp.invalid');
fails_untrusted(qr/127\.0\.0\.1/, 'a certificate for another host');
restart_front();
read_all('the right host again');
$session->query("ALTER SERVER support OPTIONS (DROP sslrootcert)");
fails_untrusted(qr/certificate/, 'the authorities of the machine');

# ---- The option

$session->fails(
	"ALTER SERVER support OPTIONS (ADD sslrootcert 'ca.pem')",
	{   sqlstate => '22023',
		message => 'invalid value for option "sslrootcert": "ca.pem"',
		detail => 'An absolute path is expected.'
	},
	'a relative path');
$session->query(
	'CREATE ROLE owner; GRANT USAGE ON FOREIGN DATA WRAPPER crisp_fdw TO owner; ALTER SERVER support OWNER TO owner; '
		. 'SET ROLE owner'
);
$session->fails(
	"ALTER SERVER support OPTIONS (ADD sslrootcert '$ca->{certificate}')",
	{   sqlstate => '42501',
		message => 'only a superuser may set option "sslrootcert"',
		detail => 'The server reads the file with rights of its own.'
	},
	'an owner who is no superuser');

$session->quit;
$node->stop;
$front->stop;
done_testing();
