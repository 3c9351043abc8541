# crisp_sync() of rows that have no key, below rows of another table: events, pages and files of conversations that
# have changed; what lies below profiles and campaigns.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use POSIX qw(ceil);
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 90, people => 60, campaigns => 25, visitors => 3, operators => 3);
my $session = CrispSession->start($node);

sync_with($session, $sandbox);
my $conversations = $session->query('SELECT count(*) FROM crisp.conversations');

# The conversation that has so many newer ones.
sub conversation
{
	my ($number) = @_;

	return $session->query(
		"SELECT session_id FROM crisp.conversations ORDER BY updated_at DESC, session_id OFFSET $number LIMIT 1");
}

# The conversations below which something was asked for.
sub asked
{
	my %asked = map { $_->{path} =~ m{/conversation/([^/]+)/\w+/1$} ? ($1 => 1) : () } $sandbox->requests;

	my @asked = sort keys %asked;
	return @asked;
}

foreach my $name (qw(events pages files))
{
	my $table = "conversation_$name";
	my $job   = "'crisp.$table', 'public.$table'";
	my $run   = sync("$job, max_requests => NULL");

	is_copy("crisp.$table", "public.$table", "$name: the first run fetches all");
	is(scalar(asked()), $conversations, "$name: of every conversation");
	is($session->query("SELECT string_agg(regexp_replace(indexdef, '^.* USING ', ''), '; ') FROM pg_indexes "
			. "WHERE tablename = '$table'"),
		'btree (session_id)', "$name: they are found by their conversation");
	cmp_ok($session->query("SELECT count(*) FROM (SELECT FROM $table t GROUP BY t::text HAVING count(*) > 1) x"),
		'>', 0, "$name: some are the same in everything");
	cmp_ok(
		$run->{requests} - ceil($conversations / 50) - 2, '<=',
		$conversations + $session->query("SELECT count(*) / 20 FROM $table"),
		"$name: requests");

	$run = sync($job);
	is_deeply([ asked() ], [ conversation(0) ], 
		"$name: the second run asks for those of the newest conversation alone");
	like($run->{notices}, qr/ new: 0, changed: 0, gone: 0;/, "$name: and finds nothing new");

	# A new one twice, one that goes, one whose twin goes, in conversations that change.
	my ($one, $two, $three) = map { conversation($_) } 20, 50, 70;
	my $row = { timestamp => 1_768_000_000_000, $name eq 'pages' ? (page_url => 'https://a.b/c') : (name => 'x') };
	my @new = map { { op => 'insert', resource => $table, session_id => $_, row => $row } } $one, $one, $two, $three;

	$sandbox->data([ @new, map { { op => 'touch', key => $_ } } $one, $two ]);
	$run = sync($job);
	like($run->{notices}, qr/ new: 3, changed: 0, gone: 0;/, "$name: three new ones, two of which are the same");
	cmp_ok(scalar(asked()), '<=', 3, "$name: only conversations that have changed were asked");
	is($session->query("SELECT count(*) FROM crisp.$table t WHERE session_id = '$three'")
			- $session->query("SELECT count(*) FROM $table WHERE session_id = '$three'"),
		1, "$name: what comes without a change of the conversation isn't there");
	$sandbox->data([ { op => 'touch', key => $three } ]);
	sync($job);
	is_copy("crisp.$table", "public.$table", "$name: until it changes");

	my @gone = map { { op => 'delete', resource => $table, session_id => $_, key => '1768000000000' } } $one, $three;
	$sandbox->data([ @gone, map { { op => 'touch', key => $_ } } $one, $three ]);
	$run = sync($job);
	like($run->{notices}, qr/ new: 0, changed: 0, gone: 2;/, "$name: one of two that are the same goes, and another one");
	is_copy("crisp.$table", "public.$table", "$name: which leaves its twin");

	# Marked.
	$session->query("ALTER TABLE $table ADD _deleted_at timestamptz");
	$sandbox->data([
		{ op => 'delete', resource => $table, session_id => $one, key => '1768000000000' },
		{ op => 'insert', resource => $table, session_id => $one, row => { timestamp => 1_768_000_000_001 } },
		{ op => 'touch', key => $one } ]);
	$run = sync("$job, deleted => 'mark'");
	like($run->{notices}, qr/ new: 1, changed: 0, gone: 1;/, "$name: one comes, and another is marked");
	is($session->query("SELECT count(*) FROM $table WHERE _deleted_at IS NOT NULL AND session_id = '$one'"), 1,
		"$name: it's there with its mark");

	# Conversations that are gone.
	my $dead = conversation(10);
	$sandbox->data([ { op => 'insert', resource => $table, session_id => $dead, row => $row },
		{ op => 'touch', key => $dead } ]);
	sync("$job, deleted => 'mark'");
	$sandbox->data([ { op => 'delete', key => $dead } ]);
	sync("$job, deleted => 'mark'");
	cmp_ok($session->query("SELECT count(*) FROM $table WHERE session_id = '$dead'"), '>', 0,
		"$name: those of a conversation that is deleted stay");
	$session->query("ALTER TABLE $table DROP _deleted_at");
	sync("$job, mode => 'full', deleted => 'delete', max_requests => NULL");
	is_copy("crisp.$table", "public.$table", "$name: until a full load");

	# In parts, while conversations move.
	my $calls = 0;
	do
	{
		$run = sync("'crisp.$table', 'parts_$name', max_requests => 40");
		cmp_ok($run->{requests}, '<=', 40, "$name: no more requests than it may make");
		$sandbox->data([ { op => 'touch', index => 60 } ]);
	} until last_run('state') eq 'finished' || ++$calls > 20;
	sync("'crisp.$table', 'parts_$name'");
	is_copy("crisp.$table", "parts_$name", "$name: in $calls calls, while conversations move");
	$sandbox->reset;
	$session->query("DROP TABLE $table, parts_$name");
}

# Of conversations that changed after a time, and those of a table that's named.
sync(q('crisp.conversation_pages', 'recent', reference => )
	. $session->query(
	'SELECT quote_literal(updated_at) FROM crisp.conversations ORDER BY updated_at DESC OFFSET 10 LIMIT 1'));
is($session->query('SELECT count(*) FROM recent'),
	$session->query(
	'SELECT count(*) FROM crisp.conversation_pages WHERE session_id IN (SELECT session_id FROM crisp.conversations '
		. 'ORDER BY updated_at DESC LIMIT 10)'),
	'pages of conversations that changed after a time');
sync_fails(q('crisp.conversation_pages', 'copy', parent => 'crisp.people_profiles'),
	{ sqlstate => '42809',
		message => 'the parent of "crisp.conversation_pages" is a table of conversations, not of people_profiles' },
	'another parent');

# A target that exists.
$session->query('CREATE TABLE mine (session_id text, page_url varchar(300), "timestamp" timestamptz, note text)');
sync_fails(q('crisp.conversation_pages', 'mine'),
	{ sqlstate => '42P16', message => qr/it has no index on \(session_id\)/, hint => qr/CREATE INDEX ON public.mine \(session_id\)/ },
	'a target without an index');
$session->query('CREATE INDEX ON mine (session_id)');
sync(q('crisp.conversation_pages', 'mine', max_requests => NULL));
is_copy('crisp.conversation_pages', 'mine', 'a target that exists');
$session->query(q(UPDATE mine SET note = 'kept'));
$sandbox->data([ { op => 'touch', key => conversation(3) } ]);
sync(q('crisp.conversation_pages', 'mine'));
is($session->query(q(SELECT count(*) FROM mine WHERE note IS DISTINCT FROM 'kept')), 0,
	'rows that stay are left alone');

#
# Below profiles, and below campaigns.
#
foreach my $table (qw(people_events people_campaigns people_subscriptions campaign_recipients campaign_statistics))
{
	sync("'crisp.$table', 'public.$table', max_requests => NULL");
	is_copy("crisp.$table", "public.$table", $table);
	my $run = sync("'crisp.$table', 'public.$table', max_requests => NULL");
	like($run->{notices}, qr/ new: 0, changed: 0, gone: 0;/, "$table: nothing new");
	sync("'crisp.$table', 'public.$table', mode => 'full', max_requests => NULL");
	is_copy("crisp.$table", "public.$table", "$table: a full load");
}
my ($campaign) = $session->query('SELECT campaign_id FROM crisp.campaigns ORDER BY updated_at LIMIT 1');
$sandbox->data([
	{ op => 'insert', resource => 'campaign_statistics', campaign_id => $campaign, type => 'clicked',
		row => { type => 'clicked', created_at => 1_768_000_000_000 } },
	{ op => 'touch', resource => 'campaigns', key => $campaign } ]);
my $run = sync(q('crisp.campaign_statistics', 'public.campaign_statistics'));
like($run->{notices}, qr/ new: 1, changed: 0, gone: 0;/, 'statistics of a campaign that changed');
is_copy('crisp.campaign_statistics', 'public.campaign_statistics', 'and no others');

done_testing();
