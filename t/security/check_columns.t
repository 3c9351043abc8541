# crisp_fdw_check() tells of columns that show nothing, as where their name or path is misspelt.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 60, people => 20, operators => 3, websites => 3);
my $session = CrispSession->start($node);
my $foreign = $sandbox->website_id(2);

$session->query(<<'END');
CREATE FOREIGN TABLE own (session_id text, stat text, meta_nickname text, meta_nickname_first text,
	city text OPTIONS (json_path 'meta.device.geolocation.city'),
	town text OPTIONS (json_path 'meta.device.geolocation.town'),
	mail text OPTIONS (json_path 'meta.emial'), country text OPTIONS (json_path 'geolocation.country'), email text,
	customer text OPTIONS (column_name 'meta_nikname'), xyz text) SERVER support OPTIONS (resource 'conversations');
CREATE FOREIGN TABLE staff (email text, nam text) SERVER support OPTIONS (resource 'operators');
CREATE FOREIGN TABLE below (session_id text, contents text) SERVER support OPTIONS (resource 'messages');
CREATE FOREIGN TABLE known (session_id text, state text) SERVER support OPTIONS (resource 'conversations');
CREATE ROLE checker;
GRANT USAGE ON FOREIGN SERVER support TO checker;
END
$sandbox->clear;
my $result = $session->run(q(SELECT status, requests FROM crisp_fdw_check('support')));
is($result->{output}, 'ok|3', 'tables with columns of their own are asked for, too');
is($sandbox->count, 3, 'for a page each');
is_deeply(
	[ sort map { $_->{message} } @{ $result->{notices} } ],
	[   'no row of the first page of "public.own" has a value for column "country"',
		'no row of the first page of "public.own" has a value for column "customer"',
		'no row of the first page of "public.own" has a value for column "email"',
		'no row of the first page of "public.own" has a value for column "mail"',
		'no row of the first page of "public.own" has a value for column "meta_nickname_first"',
		'no row of the first page of "public.own" has a value for column "stat"',
		'no row of the first page of "public.own" has a value for column "town"',
		'no row of the first page of "public.own" has a value for column "xyz"',
		'no row of the first page of "public.staff" has a value for column "nam"'
	],
	'columns that show nothing');
my ($town) = grep { $_->{message} =~ /town/ } @{ $result->{notices} };
like($town->{detail}, qr/^Looked for JSON path "meta\.device\.geolocation\.town" in \d+ rows\.$/, 'where it has looked');

# What may have been meant: one that is like it, or the only one that ends so.
my %meant = map { $_->{message} =~ /column "(\w+)"/, $_->{hint} =~ /^Perhaps you meant the (.+)\. crisp_fdw_columns/ }
  grep { $_->{hint} =~ /^Perhaps/ } @{ $result->{notices} };
is_deeply(
	\%meant,
	{
		stat     => 'column "state"',
		customer => 'column "meta_nickname"',
		email    => 'column "meta_email"',
		mail     => 'JSON path "meta.email"',
		country  => 'JSON path "meta.device.geolocation.country"'
	},
	'columns with names and paths like theirs');

# Tables that the role may not read, and those that can't be read, are passed over.
$session->query("ALTER FOREIGN TABLE own OPTIONS (ADD website_id '$foreign')");
$result = $session->run(q(SELECT status FROM crisp_fdw_check('support')));
is($result->{output}, 'ok', 'a table of a website that the token does not open is no finding');
is_deeply([ map { $_->{message} =~ /\.(\w+)" has/ } @{ $result->{notices} } ], ['staff'], 'and others are looked at');
$session->query('CREATE USER MAPPING FOR checker SERVER support OPTIONS (' . credential_options($sandbox, 'website')
	. '); SET ROLE checker');
$sandbox->clear;
$result = $session->run(q(SELECT status, requests FROM crisp_fdw_check('support')));
is_deeply([ $result->{output}, scalar @{ $result->{notices} } ], [ 'ok|1', 0 ], 'nor at tables that one may not read');
$session->query('RESET ROLE');

done_testing();
