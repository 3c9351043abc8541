# Credentials in a file: what it must be, when it is read, and who may use it.

use strict;
use warnings;

use CrispCluster;
use CrispListener;
use CrispSandbox;
use CrispSession;
use MIME::Base64 qw(encode_base64);
use PostgreSQL::Test::Utils;
use Test::More;

my ($node, $sandbox) =
  start_crisp(conversations => 60, people => 30, visitors => 5, operators => 3, websites => 2);
my $session = CrispSession->start($node);
my $count = 'SELECT count(*) FROM crisp.people_profiles WHERE people_id IS NOT NULL';
my $directory = PostgreSQL::Test::Utils::tempdir();
my $file = "$directory/token";
my %good = %{ $sandbox->credentials('website') };
my %plugin = %{ $sandbox->credentials('plugin') };

# Write the file, as a whole new one, with this text and mode.
sub write_file
{
	my ($text, $mode) = @_;

	unlink $file;
	open(my $handle, '>', $file) or die "cannot write $file: $!\n";
	print $handle $text;
	close $handle;
	chmod $mode // 0600, $file;
	return;
}

sub file_of
{
	my ($token) = @_;

	return "identifier = $token->{identifier}\nkey = $token->{key}\n";
}

# The tokens that were sent, by the names of their tiers.
sub sent
{
	my %name = map {
		my $token = $sandbox->credentials($_);
		('Basic ' . encode_base64("$token->{identifier}:$token->{key}", '') => $_)
	} qw(website plugin user);
	my %sent = map { ($name{ $_->{headers}->{authorization} } // 'unknown') => 1 } $sandbox->requests;

	$sandbox->clear;
	return join ' ', sort keys %sent;
}

my $mapping = 'USER MAPPING FOR CURRENT_USER SERVER support';
my $secrets = join '|', map { quotemeta } map { @{$_}{qw(identifier key)} } \%good, \%plugin;

$session->query("DROP $mapping");
$session->query("CREATE $mapping OPTIONS (credentials_file '$file')");

#
# What the file must be.
#

write_file(file_of(\%good));
is($session->query($count), 30, 'a file');
is(sent(), 'website', '... whose token is sent');

my %fine = (
	'no blanks' => "identifier=$good{identifier}\nkey=$good{key}",
	'many blanks' => "\n \t identifier  =\t$good{identifier}  \n\n\n  key =$good{key}\t\n",
	'comments' => "# key = x\n#\nkey = $good{key}\n   # identifier = y\nidentifier = $good{identifier}\n# end",
	'lines of another system' => "identifier = $good{identifier}\r\nkey = $good{key}\r\n",
	'as large as it may be' => file_of(\%good) . '#' x (4096 - length file_of(\%good)),
);
foreach my $name (sort keys %fine)
{
	write_file($fine{$name});
	is($session->query($count), 30, "a file with $name") if $name !~ /^as/;
	is($session->query($count), 30, "a file $name") if $name =~ /^as/;
}

my $ours = "credentials file \"$file\"";
my %wrong = (
	'nothing in it' => [ '', "$ours has no identifier" ],
	'comments only' => [ "# key = $good{key}\n", "$ours has no identifier" ],
	'no key' => [ "identifier = $good{identifier}\n", "$ours has no key" ],
	'no identifier' => [ "key = $good{key}\n", "$ours has no identifier" ],
	'a key that is empty' => [
		"identifier = $good{identifier}\nkey =\n",
		"invalid line 2 in $ours",
		'It must not be empty.'
	],
	'a key with a blank' => [
		"identifier = $good{identifier}\nkey = $good{key} $good{key}\n",
		"invalid line 2 in $ours",
		'It must not hold blanks, control characters or non-ASCII characters.'
	],
	'an identifier with a colon' => [
		"key = $good{key}\n\nidentifier = $good{identifier}:$good{key}",
		"invalid line 3 in $ours",
		'It must not hold a colon.'
	],
	'an unknown setting' => [
		file_of(\%good) . "tier = website\n",
		"invalid line 3 in $ours",
		'It sets neither identifier nor key.'
	],
	'a name in capitals' =>
	  [ "KEY = $good{key}\n", "invalid line 1 in $ours", 'It sets neither identifier nor key.' ],
	'a secret in place of a name' =>
	  [ "$good{key} = key\n", "invalid line 1 in $ours", 'It sets neither identifier nor key.' ],
	'a line that is no setting' => [
		"$good{identifier}:$good{key}\n",
		"invalid line 1 in $ours",
		'It is neither a setting nor a comment.'
	],
	'JSON' => [
		"{\"identifier\": \"$good{identifier}\", \"key\": \"$good{key}\"}",
		"invalid line 1 in $ours",
		'It is neither a setting nor a comment.'
	],
	'a key twice' => [
		file_of(\%good) . "key = $good{key}\n",
		"invalid line 3 in $ours",
		'It sets again what an earlier line has set.'
	],
	'a NUL' => [ file_of(\%good) . "\0key = x\n", "$ours is not a text of at most 4096 bytes" ],
	'a byte too many' => [
		file_of(\%good) . '#' x (4097 - length file_of(\%good)),
		"$ours is too large",
		'It may have 4096 bytes.'
	],
);
foreach my $name (sort keys %wrong)
{
	my ($text, $message, $detail) = @{ $wrong{$name} };

	write_file($text);
	my $error = $session->fails(
		$count,
		{ sqlstate => 'F0000', message => $message, detail => $detail, hint => undef },
		"a file with $name");
	unlike(join('', map { $_ // '' } values %{$error}), qr/$secrets/, '... which is not shown');
}

# Who else may look at it.
my $is_root = $> == 0;
foreach my $mode (0600, 0400)
{
	write_file(file_of(\%good), $mode);
	is($session->query($count), 30, sprintf 'mode %04o', $mode);
}
foreach my $mode (0640, 0604, 0644, 0620, 0602, 0610, 0601, 0777)
{
	write_file(file_of(\%good), $mode);
	$session->fails(
		$count,
		{
			sqlstate => 'F0000',
			message => "others have access to $ours",
			detail => 'Its mode must be 0600 or less, or, if it belongs to root, 0640 or less.'
		},
		sprintf 'mode %04o', $mode);
}
SKIP:
{
	skip 'root reads everything', 1 if $is_root;
	write_file(file_of(\%good), 0000);
	$session->fails(
		$count,
		{ sqlstate => '42501', message => "could not open $ours: Permission denied" },
		'a file that the server may not read');
}
unlink $file;
$session->fails(
	$count,
	{ sqlstate => '58P01', message => "could not open $ours: No such file or directory" },
	'no file');

# What is no file.  Nothing waits for the other end of a pipe.
my %no_file = (
	'a directory' => sub { mkdir $file, 0700 },
	'a pipe' => sub { require POSIX; POSIX::mkfifo($file, 0600) },
	'a device' => sub { symlink '/dev/zero', $file });
foreach my $name (sort keys %no_file)
{
	$no_file{$name}->() or die "cannot make $name: $!\n";
	$session->fails(
		$count,
		{ sqlstate => 'F0000', message => "$ours is not a regular file" },
		$name);
	-d $file ? rmdir $file : unlink $file;
}
SKIP:
{
	my $root_file = '/etc/passwd';

	skip 'there is no file of root', 1
		unless -f $root_file && !-l $root_file && (stat $root_file)[4] == 0 && (stat _)[2] & 0004;
	$session->query("ALTER $mapping OPTIONS (SET credentials_file '$root_file')");
	$session->fails(
		$count,
		{ sqlstate => 'F0000', message => "others have access to credentials file \"$root_file\"" },
		'a file of root that everybody reads');
	$session->query("ALTER $mapping OPTIONS (SET credentials_file '$file')");
}

# As secrets are mounted: a link to a link, of which one changes.
mkdir "$directory/$_" foreach qw(first second);
foreach ([ first => \%good ], [ second => \%plugin ])
{
	my ($name, $token) = @{$_};

	write_file(file_of($token));
	rename $file, "$directory/$name/token" or die "cannot move: $!\n";
}
symlink 'first', "$directory/now" or die "cannot link: $!\n";
symlink 'now/token', $file or die "cannot link: $!\n";
$sandbox->clear;
is($session->query($count), 30, 'a link');
is(sent(), 'website', '... whose token is sent');
is($session->query("SELECT status FROM crisp_fdw_check('support')"), 'ok', 'a check reads it');
symlink 'second', "$directory/next" or die "cannot link: $!\n";
rename "$directory/next", "$directory/now" or die "cannot move: $!\n";
$sandbox->clear;
like($session->query("SELECT status FROM crisp_fdw_check('support')"), qr/rejected/,
	'... now with the token of another tier');
$session->query("ALTER $mapping OPTIONS (ADD tier 'plugin')");
$sandbox->clear;
is($session->query($count), 30, '... which the mapping says');
is(sent(), 'plugin', '... and it is sent');
$session->query("ALTER $mapping OPTIONS (DROP tier)");
unlink $file;

#
# A secret that changes.
#

write_file(file_of(\%good));
$session->query("PREPARE people AS $count");
is($session->query('EXECUTE people'), 30, 'a prepared statement');
my ($connection) = map { $_->{connection} } $sandbox->requests;
$sandbox->clear;
is($session->query('EXECUTE people'), 30, '... again');
is(($sandbox->requests)[0]->{connection}, $connection, '... over the same connection');
$sandbox->clear;

write_file("identifier = $good{identifier}\nkey = rotated\n");
$session->fails('EXECUTE people', { sqlstate => '28000' }, '... with another key, which the sandbox does not know');
isnt(($sandbox->requests)[0]->{connection}, $connection, '... over another connection');
is(sent(), 'unknown', '... sends the new one');
my $sockets = $session->descriptors;
foreach my $round (1 .. 20)
{
	write_file("identifier = $good{identifier}\nkey = rotated$round\n");
	$session->run('EXECUTE people');
}
is($session->descriptors, $sockets, 'connections of keys that have changed are closed');

# A scan that is under way goes on as it began.
write_file(file_of(\%good));
$session->query('BEGIN; DECLARE people CURSOR FOR SELECT session_id FROM crisp.conversations');
$session->query("ALTER SERVER support OPTIONS (ADD per_page '20')");
$session->query('CLOSE people; DECLARE people CURSOR FOR SELECT session_id FROM crisp.conversations');
$session->query('FETCH 5 FROM people');
write_file("identifier = $good{identifier}\nkey = rotated\n");
$sandbox->clear;
cmp_ok(scalar(my @rows = split /\n/, $session->query('FETCH ALL FROM people')), '>', 30, 'a cursor');
is(sent(), 'website', '... keeps the key that it began with');
$session->query('ROLLBACK');
write_file(file_of(\%good));
is($session->query('EXECUTE people'), 30, 'the old key again');

#
# Who may name a file.
#

my $no_superuser = 'only a superuser may set option "credentials_file"';
$session->query(<<"END");
CREATE ROLE eve LOGIN;
CREATE ROLE owner LOGIN;
GRANT USAGE ON FOREIGN DATA WRAPPER crisp_fdw TO owner;
GRANT USAGE ON SCHEMA crisp TO eve, owner;
GRANT SELECT ON ALL TABLES IN SCHEMA crisp TO eve, owner;
GRANT USAGE ON FOREIGN SERVER support TO eve;
END
$session->fails(
	"ALTER $mapping OPTIONS (ADD key 'x')",
	{
		sqlstate => 'HV00D',
		message => 'option "credentials_file" excludes "identifier" and "key"'
	},
	'a file and a key');
$session->fails(
	"CREATE USER MAPPING FOR eve SERVER support OPTIONS (credentials_file 'token')",
	{
		sqlstate => '22023',
		message => 'invalid value for option "credentials_file": "token"',
		detail => 'An absolute path is expected.'
	},
	'a relative path');
my $eve = CrispSession->start($node, user => 'eve');
$eve->fails(
	"CREATE $mapping OPTIONS (credentials_file '$file')",
	{ sqlstate => '42501', message => $no_superuser },
	'a role names a file for herself');
$eve->query("CREATE $mapping OPTIONS (tier 'website')");
$eve->fails(
	"ALTER $mapping OPTIONS (ADD credentials_file '$file')",
	{ sqlstate => '42501', message => $no_superuser },
	'... and in a mapping that there is');
$eve->fails(
	$count,
	{ sqlstate => 'HV002', message => 'option "identifier" is required in the user mapping for server "support"' },
	'a mapping without credentials of its own is of no use');
is($sandbox->clear // 0, 0, '... to anybody');

$session->query("ALTER USER MAPPING FOR eve SERVER support OPTIONS (ADD credentials_file '$file')");
$sandbox->clear;
is($eve->query($count), 30, 'what a superuser has named for her she may use');
is(sent(), 'website', '... with the token of the file');
foreach my $change ("SET tier 'plugin'", "SET credentials_file '/etc/passwd'", 'DROP tier')
{
	$eve->fails(
		"ALTER $mapping OPTIONS ($change)",
		{ sqlstate => '42501', message => $no_superuser },
		"... but not change: $change");
}
$eve->query("ALTER $mapping OPTIONS (DROP credentials_file, ADD identifier 'a', ADD key 'b')");
$eve->fails($count, { sqlstate => '28000' }, '... only give up for her own');

# The file of PUBLIC is what the superuser has set for all.
$eve->query("DROP $mapping");
$eve->fails($count, { sqlstate => '42704', message => qr/^user mapping not found/ }, 'no mapping');
$session->query("CREATE USER MAPPING FOR PUBLIC SERVER support OPTIONS (credentials_file '$file')");
$sandbox->clear;
is($eve->query($count), 30, 'a file for everybody');
is(sent(), 'website', '... is for her, too');
is($eve->query("SELECT string_agg(umoptions::text, '') FROM pg_user_mappings WHERE srvname = 'support'"),
	'', '... though she is not told where it is');

# The set-up that docs/security.md shows.
$session->query(<<"END");
CREATE ROLE crisp_reader NOLOGIN; CREATE ROLE analyst;
CREATE USER MAPPING FOR crisp_reader SERVER support OPTIONS (credentials_file '$file');
GRANT USAGE ON SCHEMA crisp TO crisp_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA crisp TO crisp_reader;
CREATE SCHEMA reports;
CREATE VIEW reports.open_conversations AS
  SELECT session_id, state, assigned_user_id, updated_at FROM crisp.conversations WHERE state <> 'resolved';
ALTER VIEW reports.open_conversations OWNER TO crisp_reader;
GRANT USAGE ON SCHEMA reports TO analyst;
GRANT SELECT ON reports.open_conversations TO analyst;
DROP USER MAPPING FOR PUBLIC SERVER support;
SET ROLE analyst;
END
$sandbox->clear;
cmp_ok($session->query('SELECT count(*) FROM reports.open_conversations'), '>', 5, 'a view of a role that has a file');
is(sent(), 'website', '... sends its token');
foreach my $forbidden (
	$count,
	"SELECT * FROM crisp_fdw_check('support')",
	"CREATE USER MAPPING FOR analyst SERVER support OPTIONS (identifier 'a', key 'b')")
{
	$session->fails($forbidden, { sqlstate => '42501' }, "... and that is all there is: $forbidden");
}
$session->query("RESET ROLE; CREATE USER MAPPING FOR PUBLIC SERVER support OPTIONS (credentials_file '$file')");

# A server's owner decides where credentials go, so a file is for servers of superusers.
my $listener = CrispListener->new;
my $elsewhere = 'http://127.0.0.1:' . $listener->port . '/v1';
my $refused = {
	sqlstate => '42501',
	message => 'credentials file cannot be used for server "support"',
	detail => 'The server\'s owner is not a superuser, and decides where credentials go.',
	hint => 'Have a superuser own the server, or put identifier and key into the user mapping.'
};
$session->query('ALTER SERVER support OWNER TO owner');
my $owner = CrispSession->start($node, user => 'owner');
$owner->query("ALTER SERVER support OPTIONS (SET base_url '$elsewhere')");
$owner->fails(
	"CREATE USER MAPPING FOR owner SERVER support OPTIONS (credentials_file '$file')",
	{ sqlstate => '42501', message => $no_superuser },
	'the owner of a server names a file');
$sandbox->clear;
foreach ([ eve => $eve ], [ owner => $owner ], [ superuser => $session ])
{
	my ($name, $who) = @{$_};

	$who->fails($count, $refused, "a file for a server of somebody else's: $name");
	is( $who->query("SELECT status FROM crisp_fdw_check('support')"),
		$refused->{message}, '... which a check says, too');
}
ok(!$listener->was_called, 'nothing was sent where the owner wants it');
is($sandbox->count, 0, '... or elsewhere');
$session->query("ALTER SERVER support OPTIONS (SET base_url '@{[ $sandbox->url ]}')");
$session->fails($count, $refused, '... wherever it would go');
$session->query('ALTER SERVER support OWNER TO CURRENT_USER');
is($session->query($count), 30, 'a superuser\'s server again');

# The owner may put credentials into mappings, as they are his, and see none of others.
$session->query('ALTER SERVER support OWNER TO owner');
$session->query("DROP $mapping; CREATE $mapping OPTIONS (@{[ credential_options($sandbox, 'website') ]})");
is( $owner->query(
		"SELECT count(*) FROM pg_user_mappings WHERE srvname = 'support' AND umuser <> 0 AND umoptions IS NOT NULL"
	),
	0,
	'the owner of a server does not see the mappings of others');
$owner->query(
	"ALTER USER MAPPING FOR PUBLIC SERVER support OPTIONS (DROP credentials_file, ADD identifier 'a', ADD key 'b')");
$eve->fails($count, { sqlstate => '28000' }, 'but may change them');

$_->quit foreach $eve, $owner, $session;
$node->stop;
unlike(slurp_file($node->logfile) =~ s/^.*(STATEMENT|LOG):.*\n//gmr, qr/$good{key}|$plugin{key}/,
	'no message in the log holds a key');
done_testing();
