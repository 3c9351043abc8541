# Which rights crisp_push() takes: those of what it does, column by column.

use strict;
use warnings;

use CrispCluster;
use CrispPush;
use CrispSandbox;
use CrispSession;
use Test::More;

my $sandbox = CrispSandbox->start(conversations => 4, people => 20, visitors => 1, operators => 1);
my $node = start_node();

connect_crisp($node, $sandbox, options => "max_retries '0', updatable 'true'");
my $admin = CrispSession->start($node);
my $website = credential_options($sandbox, 'website');

$admin->query(<<"END");
CREATE ROLE alice LOGIN;
CREATE USER MAPPING FOR alice SERVER support OPTIONS ($website);
CREATE SCHEMA shop AUTHORIZATION alice;
GRANT USAGE ON SCHEMA crisp TO alice;
SET ROLE alice;
CREATE TABLE shop.customers AS SELECT 'a\@example.com' AS email, 'A' AS person_nickname;
END
my $alice = CrispSession->start($node, user => 'alice');
push_with($alice, $sandbox);
my $call = q('shop.customers', 'crisp.people_profiles', key => 'email');

# Have alice these rights alone.
sub grant_only
{
	my ($rights) = @_;

	$admin->query("RESET ROLE; REVOKE ALL ON crisp.people_profiles FROM alice;
		GRANT $rights ON crisp.people_profiles TO alice");
	return;
}

foreach my $case (
	[ 'pg_class', 'table pg_class' ],
	[ 'pg_views', 'view pg_views' ],
	[ 'crisp.people_profiles', 'foreign table people_profiles' ])
{
	my ($target, $what) = @{$case};

	push_unasked("'shop.customers', '$target'", { sqlstate => '42501', message => "permission denied for $what" },
		"$target is told by what it is");
}

# An insert writes the key, too.
grant_only('INSERT (person_nickname), UPDATE (email, person_nickname)');
$alice->fails(q(INSERT INTO crisp.people_profiles (email, person_nickname) VALUES ('new@example.com', 'New')),
	{ sqlstate => '42501' }, 'an insert without the right on the key');
push_unasked($call, { sqlstate => '42501', hint => qr/right to INSERT .* and on the key\.$/ }, 'no push, either');
push_unasked(q('shop.customers', 'crisp.people_profiles', key => 'person_nickname'), { sqlstate => '22023' },
	'a key that is none');

# What sends rows looks itself.  An insert may become a change.
my $send = q(SELECT outcome FROM crisp_sync_internal.crisp_push_send('crisp.people_profiles', 'insert', 'email',
	'{new@example.com}', '{NULL}', ARRAY['{"person_nickname": "New"}'::jsonb], '{NULL}', '{true}'));
$sandbox->clear;
$alice->fails($send, { sqlstate => '42501' }, 'what sends rows takes the right on the key');
grant_only('INSERT (email, person_nickname)');
$alice->fails($send, { sqlstate => '42501' }, 'and that to change what may be there');
is($sandbox->count, 0, 'no request');
grant_only('INSERT (email, person_nickname), UPDATE (person_nickname)');
is($alice->query($send), 'done', 'with these rights, it sends');
is_deeply(
	[ map { s/ \{.*//r } @{ push_rows($call)->{requests} } ],
	[ 'PATCH people/profile/a@example.com', 'POST people/profile' ],
	'and so does a push');

$node->stop;
done_testing();
