# E-mail addresses: another way to conversations of one, which EXPLAIN names; and an address that Crisp has in other
# letters, of which a NOTICE tells.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 400, people => 100);
my $session = CrispSession->start($node);

sub plan_of
{
	my ($condition) = @_;

	return $session->query("EXPLAIN (COSTS OFF) SELECT * FROM crisp.conversations WHERE $condition");
}

# The address of a profile that has conversations.
my ($email) = split /\n/, $session->query(<<'END');
SELECT p.email FROM crisp.people_profiles p JOIN crisp.conversations c ON c.people_id = p.people_id
WHERE p.email ~ '^[a-z]' AND c.meta_email = p.email ORDER BY 1 LIMIT 1
END
ok($email, 'a profile with an address and conversations');

#
# Another way
#

my $advice = qr/^ *Cheaper: session_id IN \(SELECT session_id FROM people_conversations WHERE email = /m;
like(plan_of("meta_email = '$email'"), $advice, 'an address: EXPLAIN says what to write instead');
like(plan_of("meta_email IN ('$email', 'x\@example.com')"), $advice, 'some addresses');
like(plan_of("meta_email = '$email' AND state = 'resolved'"), $advice, 'beside another condition');
unlike(plan_of("meta_email LIKE 'a%'"), $advice, 'a pattern: there is no other way');
unlike(plan_of("meta_email <> '$email'"), $advice, 'nor to all others');
unlike(plan_of("meta_email = '$email' AND session_id = 'session_x'"), $advice, 'a key is the shorter way');
unlike(plan_of("meta_nickname = '$email'"), $advice, 'another column');
$session->query(q(CREATE FOREIGN TABLE named (id text OPTIONS (column_name 'session_id'),
	address text OPTIONS (json_path 'meta.email')) SERVER support OPTIONS (resource 'conversations')));
like($session->query("EXPLAIN (COSTS OFF) SELECT id FROM named WHERE address = '$email'"), $advice,
	'a column of another name');

my $order = 'ORDER BY session_id';
my $all = $session->query("SELECT session_id FROM crisp.conversations WHERE meta_email = '$email' "
	. "AND people_id IS NOT NULL $order");
$sandbox->clear;
my $fewer = $session->query("SELECT session_id FROM crisp.conversations WHERE session_id IN (SELECT session_id FROM "
	. "crisp.people_conversations WHERE email = '$email') $order");
cmp_ok($sandbox->count, '<=', 2 + (split /\n/, $fewer), 'which takes few requests');
my %found = map { $_ => 1 } split /\n/, $fewer;
is_deeply([ grep { !$found{$_} } split /\n/, $all ], [], 'and brings all that belong to the profile');

#
# Other letters
#

my $capitals = ucfirst $email;
my $result = $session->run("SELECT email FROM crisp.people_profiles WHERE email = '$capitals'");
is($result->{output}, '', 'an address in another case: no row');
is_deeply([ map { $_->{message} } @{ $result->{notices} } ],
	[ qq("email" of "people_profiles" is compared exactly, and Crisp has it in another case: "$email") ],
	'and a NOTICE says why');
$result = $session->run("SELECT email FROM crisp.people_profiles WHERE email = ANY (ARRAY['$capitals', '" . uc($email)
	. "', '$email'])");
is($result->{output}, $email, 'several: the one that Crisp has');
cmp_ok(scalar @{ $result->{notices} }, '<=', 1, 'one NOTICE at most');
$result = $session->run("SELECT email FROM crisp.people_profiles WHERE email = '$email'");
is_deeply([ $result->{output}, @{ $result->{notices} } ], [$email], 'in its own letters: no NOTICE');
$result = $session->run(q(SELECT email FROM crisp.people_profiles WHERE email = 'No.One@example.com'));
is_deeply([ $result->{output}, @{ $result->{notices} } ], [''], 'one that Crisp does not have: no NOTICE');

done_testing();
