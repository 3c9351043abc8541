# crisp_sync() with quote_all_identifiers, in a session or another: what is quoted is for statements, and decides
# nothing.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 20, people => 20, campaigns => 5, visitors => 3, operators => 3);
my $session = CrispSession->start($node);
my @tables = qw(conversations messages conversation_events people_profiles people_data campaigns operators);

sync_with($session, $sandbox);

# A key with a collation of its own, of rows whose details are asked for one by one.
$session->query(q(ALTER FOREIGN TABLE crisp.campaigns ALTER campaign_id TYPE text COLLATE "C"));
foreach my $setting ('on', 'off', 'on')
{
	$session->query("SET quote_all_identifiers = $setting");
	foreach my $table (@tables)
	{
		sync("'crisp.$table', 'copy_$table', max_requests => NULL");
		is_copy("crisp.$table", "copy_$table", "$table: $setting");
	}
	sync_fails(q('crisp.conversations', 'nowhere.copy'),
		{ sqlstate => '3F000' }, "a schema that isn't there: $setting");
	sync_fails(q('crisp.conversations', '"Odd".copy'), { sqlstate => '3F000' }, "... and takes quotes: $setting");
}
is(status(q(string_agg(target_name, ' ' ORDER BY target_name) FILTER (WHERE target IS NULL))),
	'"Odd".copy nowhere.copy', 'a call that fails is known by one name');

# What has failed is known to be the table that is there by now.
$session->query('CREATE SCHEMA nowhere');
$session->query(q(SET quote_all_identifiers = on; CREATE TABLE nowhere.copy (LIKE copy_conversations INCLUDING ALL)));
sync(q('crisp.conversations', 'nowhere.copy'));
is($session->query(q(SELECT count(*) FROM crisp_sync_status WHERE state = 'failed')), 1, 'and forgotten when it works');

$session->quit;
$node->stop;
done_testing();
