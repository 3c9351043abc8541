# crisp_sync(): several sources that feed one target.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 60, people => 30, operators => 4, visitors => 5);
my $session = CrispSession->start($node);

sync_with($session, $sandbox);
connect_crisp($node, $sandbox, server => 'shop', schema => 'shop', website => 1);

# Rows that have keys of their own: neither source touches those of the other.
foreach my $resource (qw(conversations people_profiles messages campaigns))
{
	my $target = "both_$resource";

	sync("'$_.$resource', '$target', max_requests => NULL") foreach qw(crisp shop);
	foreach my $call (1 .. 2)
	{
		foreach my $schema (qw(crisp shop))
		{
			is((compare_copy("$schema.$resource", $target))[1], 0, "$resource of two websites: call $call, $schema");
			sync("'$schema.$resource', '$target', max_requests => NULL");
		}
	}
	is(
		$session->query("SELECT count(*) FROM $target"),
		$session->query("SELECT (SELECT count(*) FROM crisp.$resource) + count(*) FROM shop.$resource"),
		"$resource of two websites: and no others");
}

# A second source is refused before the first request, and changes nothing.
sub refused
{
	my ($first, $second, $target, $detail, $name) = @_;

	sync("'$first', '$target'");
	my $rows = $session->query("SELECT md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM $target t");
	$sandbox->clear;
	foreach my $mode (qw(incremental full))
	{
		sync_fails("'$second', '$target', mode => '$mode'",
			{
				sqlstate => '55006',
				message => qq(cannot sync into "public.$target": it is the target of "$first", too),
				detail => $detail,
				hint => "Use a separate target. Or give up the other sync, SELECT crisp_sync_drop('$first', "
					. "'public.$target'), and empty the table." },
			"$name: $mode");
	}
	is($sandbox->count, 0, "$name: before the first request");
	is($session->query("SELECT md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM $target t"), $rows,
		"$name: all rows stay");
	sync("'$first', '$target'");
	return;
}

my $replaced = 'Rows of both sources may have the same keys, and would replace each other.';
my $deleted = 'A sync deletes what it does not find below a row, as it would rows of the other source.';
foreach my $resource (
	qw(operators conversation_segments people_segments people_event_names helpdesk_locales helpdesk_pages))
{
	refused("crisp.$resource", "shop.$resource", $resource, $replaced, "$resource of two websites");
}
$session->query('CREATE TABLE sessions (LIKE crisp.conversations, PRIMARY KEY (session_id))');
refused('crisp.conversations', 'crisp.visitors', 'sessions', $replaced, 'visitors beside conversations');
$session->query('CREATE TABLE below (LIKE crisp.messages); CREATE INDEX ON below (session_id, fingerprint)');
refused('crisp.messages', 'shop.conversation_events', 'below', $deleted, 'events beside messages');

# What the HINT says.
$session->query(q(SELECT crisp_sync_drop('crisp.operators', 'public.operators'); TRUNCATE operators));
sync(q('shop.operators', 'operators'));
is_copy('shop.operators', 'operators', 'once the first sync is given up, the second one has the table');

# Another server for the same website has the same rows.
connect_crisp($node, $sandbox, server => 'again', schema => 'again');
sync(q('again.operators', 'same'));
sync(q('crisp.operators', 'same'));
is_copy('crisp.operators', 'same', 'two sources of one website');

done_testing();
