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

my $advice = qr/^ *Cheaper: session_id IN \(SELECT session_id FROM crisp\.people_conversations WHERE email = /m;
like(plan_of("meta_email = '$email'"), $advice, 'an address: EXPLAIN says what to write instead');
like(plan_of("meta_email IN ('$email', 'x\@example.com')"), $advice, 'some addresses');
like(plan_of("meta_email = '$email' AND state = 'resolved'"), $advice, 'beside another condition');
unlike(plan_of("meta_email LIKE 'a%'"), $advice, 'a pattern: there is no other way');
unlike(plan_of("meta_email <> '$email'"), $advice, 'nor to all others');
unlike(plan_of("meta_email = '$email' AND session_id = 'session_x'"), $advice, 'a key is the shorter way');
unlike(plan_of("meta_nickname = '$email'"), $advice, 'another column');
$session->query(q(CREATE FOREIGN TABLE named (id text OPTIONS (column_name 'session_id'),
	address text OPTIONS (json_path 'meta.email')) SERVER support OPTIONS (resource 'conversations')));
like($session->query("EXPLAIN (COSTS OFF) SELECT id FROM named WHERE address = '$email'"),
	qr/^ *Cheaper: session_id IN \(SELECT session_id FROM people_conversations WHERE email = /m,
	'a column of another name; and no table for it in the schema');

# The table as it is called, where it is; not one of another website or server, or that the role may not read.
$session->query(<<'END');
CREATE SCHEMA "My Crisp";
CREATE FOREIGN TABLE "My Crisp".c (session_id text, meta_email text) SERVER support OPTIONS (resource 'conversations');
CREATE SERVER elsewhere FOREIGN DATA WRAPPER crisp_fdw OPTIONS (website_id '00000000-0000-4000-8000-000000000000');
CREATE FOREIGN TABLE "My Crisp".a (session_id text, email text) SERVER elsewhere
	OPTIONS (resource 'people_conversations');
CREATE FOREIGN TABLE "My Crisp".b (session_id text, email text) SERVER support
	OPTIONS (resource 'people_conversations', website_id '00000000-0000-4000-8000-000000000000');
END
my $explain = q(EXPLAIN (COSTS OFF) SELECT * FROM "My Crisp".c WHERE meta_email = 'x@example.com');

like($session->query($explain), qr/^ *Cheaper: .* FROM people_conversations WHERE/m,
	'tables of other websites do not count');
$session->query(q(CREATE FOREIGN TABLE "My Crisp"."People's" (session_id text, email text) SERVER support
	OPTIONS (resource 'people_conversations')));
my $plan = $session->query($explain);
like($plan, qr/^ *Cheaper: session_id IN \(SELECT session_id FROM "My Crisp"\."People's" WHERE email = /m,
	'a table of another name');
my ($copied) = $plan =~ /^ *Cheaper: (session_id IN \(.*?\)) asks/m;
$copied =~ s/'\.\.\.'/'$email'/;
is($session->query(qq(SELECT count(*) > 0 FROM "My Crisp".c WHERE $copied)), 't', '... which may be copied');
$session->query(q(CREATE ROLE reader; GRANT USAGE ON SCHEMA "My Crisp" TO reader; GRANT SELECT ON "My Crisp".c TO
	reader; CREATE USER MAPPING FOR reader SERVER support OPTIONS (tier 'website', identifier 'x', key 'y')));
like($session->query("SET ROLE reader; $explain"), qr/^ *Cheaper: .* FROM people_conversations WHERE/m,
	'a table that the role may not read does not count');
$session->query('RESET ROLE');

# A function of a column that Crisp looks up by.
sub people_plan
{
	my ($condition) = @_;

	return $session->query("EXPLAIN (COSTS OFF) SELECT people_id FROM crisp.people_profiles WHERE $condition");
}

my $as_it_is = qr/^ *Cheaper: email = \.\.\. asks for such rows alone, and leaves out those where only the function /m;
like(people_plan("lower(email) = '$email'"),                $as_it_is, 'a function of a key');
like(people_plan("'$email' = lower(email)"),                $as_it_is, '... on the other side');
like(people_plan("lower(trim(email)) IN ('$email', 'x')"),  $as_it_is, '... some functions, some values');
like(people_plan("lower(email) = '$email' AND updated_at > '2020-01-01'"), $as_it_is, '... beside another condition');
unlike(people_plan("email = '$email'"),                     qr/Cheaper/, 'the key itself');
unlike(people_plan("lower(email) <> '$email'"),             qr/Cheaper/, 'other comparisons');
unlike(people_plan("lower(person_nickname) = '$email'"),    qr/Cheaper/, 'a function of another column');
unlike(people_plan("concat(email, person_nickname) = 'x'"), qr/Cheaper/, 'a function of several columns');

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
