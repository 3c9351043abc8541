# crisp_sync(): keys that Crisp tells apart, and the target doesn't, since the encoding of the database lacks
# their characters, or their type sees no difference.

use strict;
use warnings;
use utf8;

use CrispCluster;
use CrispSession;
use CrispSync;
use Test::More;

# Characters of all scripts.
delete $ENV{CRISP_ENCODING};

my ($node, $sandbox) = start_crisp(conversations => 60, people => 30, operators => 3, campaigns => 1, websites => 1);
my $session = CrispSession->start($node);

sync_with($session, $sandbox);

# Segments of one conversation, besides those that others have.
sub name_segments
{
	$sandbox->data([ { op => 'patch', index => 0, set => { 'meta.segments' => [@_] } } ]);
	return;
}

#
# A type
#

name_segments('vip', 'vip ', 'other');
sync(q('crisp.conversation_segments', 'segments'));
is_copy('crisp.conversation_segments', 'segments', 'names that differ by a space, as text');
$session->query('CREATE TABLE padded (segment char(40) PRIMARY KEY, count bigint)');
my $error = {
	sqlstate => '23505',
	message  => q(table public.padded does not tell all rows of Crisp's apart),
	detail   => qr/^\("?vip *"?\) is the key of 2 rows there\.$/,
	hint     => 'It takes a type, a collation and an encoding of the database in which the keys differ.' };
sync_fails(q('crisp.conversation_segments', 'padded'), $error, 'as a type that pads them');
is(status(q(split_part(last_error, E'\n', 1)), 'padded'), $error->{message}, 'which the status tells');
is($session->query('SELECT count(*) FROM padded'), 0, 'nothing is written by chance');
$session->query('ALTER TABLE padded ALTER segment TYPE text');
sync(q('crisp.conversation_segments', 'padded'));
is_copy('crisp.conversation_segments', 'padded', 'and once the type tells them apart');

#
# An encoding
#

$node->safe_psql('postgres', q(CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0));
my $base_url = $sandbox->url;
my $website_id = $sandbox->website_id;
my $credentials = credential_options($sandbox, 'website');
$session->quit;
$session = CrispSession->start($node, dbname => 'latin');
sync_with($session, $sandbox);
$session->query(<<"END");
CREATE EXTENSION crisp_fdw;
CREATE SERVER support FOREIGN DATA WRAPPER crisp_fdw
	OPTIONS (base_url '$base_url', website_id '$website_id', invalid_text 'replace');
CREATE USER MAPPING FOR CURRENT_USER SERVER support OPTIONS ($credentials);
CREATE SCHEMA crisp;
IMPORT FOREIGN SCHEMA crisp FROM SERVER support INTO crisp;
END
name_segments("caf\x{e9}", "\x{2615}");
sync(q('crisp.conversation_segments', 'segments'));
is_copy('crisp.conversation_segments', 'segments', 'one name that the encoding lacks');
name_segments("caf\x{e9}", "\x{2615}", "\x{2603}");
$error->{message} =~ s/padded/segments/;
$error->{detail} = '(?) is the key of 2 rows there.';
sync_fails(q('crisp.conversation_segments', 'segments'), $error, 'two of them');
is($session->query(q(SELECT count(*) FROM segments WHERE segment = '?')), 1, 'what was there stays');
name_segments("caf\x{e9}", "\x{2603}");
sync(q('crisp.conversation_segments', 'segments', mode => 'full'));
is_copy('crisp.conversation_segments', 'segments', 'one again');

done_testing();
