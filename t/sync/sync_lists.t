# crisp_sync() of short lists, which have no date to ask for: each run reads all, and the copy has what the list shows.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use JSON::PP;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 20, people => 20, operators => 12);
my $session = CrispSession->start($node);

sync_with($session, $sandbox);

# Each table, what a call has to name as its sync_field, the list in the sandbox, and what changes in a row.
my @synced = (
	[ teams                  => '',           teams        => { name => 'Changed', updated_at => 1900000000000 } ],
	[ campaign_templates     => '',           templates    =>
		  { name => 'Changed', content => 'new', updated_at => 1900000000000 } ],
	[ helpdesk_redirections  => '',           redirections => { target => 'https://changed.example.com/' } ],
	[ conversation_spams     => 'timestamp',  spams        => { reason => 'changed' } ],
	[ helpdesk_locales       => '',           locales      => { url => 'https://changed.example.com/' } ],
	[ helpdesk_pages         => '',           pages        => { title => 'Changed' } ],
	[ helpdesk_feedback      => '',           feedback     => { comment => 'Changed' } ],
	[ people_event_names     => '' ],
	[ operators_active       => 'timestamp' ],
	[ operators_availability => 'time_since' ]);

foreach my $case (@synced)
{
	my ($resource, $field, $list, $change) = @{$case};
	my $call = "'crisp.$resource', 'copy_$resource'" . ($field ? ", sync_field => '$field'" : '');

	$sandbox->reset;
	sync($call);
	is_copy("crisp.$resource", "copy_$resource", "$resource: the first run copies all");
	is(status(q(state = 'up to date'), "copy_$resource"), 't', "$resource: up to date");

	my $again = sync($call);
	like($again->{notices}, qr/ new: 0, changed: 0, gone: 0;/, "$resource: a run without changes changes nothing");
	next unless $list;

	# Changes come with the next run, also of rows whose time stays what it was.
	$sandbox->data([ { op => 'patch', resource => $list, index => 1, set => $change } ]);
	like(sync($call)->{notices}, qr/ new: 0, changed: 1, gone: 0;/, "$resource: a row that changed");
	is_copy("crisp.$resource", "copy_$resource", "$resource: ... is there as it is now");

	# What is gone goes with a full load, and what comes back comes.
	$sandbox->data([ { op => 'delete', resource => $list, index => 2 } ]);
	sync("$call, mode => 'full'");
	is_copy("crisp.$resource", "copy_$resource", "$resource: a full load takes away what is gone");
	$sandbox->reset;
	sync("$call, mode => 'full'");
	is_copy("crisp.$resource", "copy_$resource", "$resource: what comes back is there again");

	# An empty list empties the copy, with a full load alone.
	$sandbox->data([ { op => 'clear', resource => $list } ]);
	sync($call);
	isnt($session->query("SELECT count(*) FROM copy_$resource"), 0, "$resource: an empty list empties no copy")
	  unless $list =~ /pages|feedback/;    # below a locale, the list is known to be empty
	sync("$call, mode => 'full'");
	is($session->query("SELECT count(*) FROM copy_$resource"), 0, "$resource: ... but by a full load");
}
$sandbox->reset;

# Pages have no key of their own: locale and content type belong to it.
is($session->query(q(SELECT pg_get_constraintdef(oid) FROM pg_constraint
	WHERE conrelid = 'copy_helpdesk_pages'::regclass AND contype = 'p')), 'PRIMARY KEY (locale, content_type, '
		. 'entity_id)', 'the key of pages');
sync(q('crisp.helpdesk_pages', 'copy_helpdesk_pages'));
$sandbox->data([ { op => 'delete', resource => 'locales', key => 'de' } ]);
sync(q('crisp.helpdesk_pages', 'copy_helpdesk_pages', mode => 'full'));
is($session->query("SELECT string_agg(DISTINCT locale, ' ' ORDER BY locale) FROM copy_helpdesk_pages"), 'en pt-br',
	'a locale that is gone takes its pages along');
$sandbox->reset;

# Few requests a call: several calls come to the same.
foreach my $resource (qw(teams helpdesk_pages))
{
	$session->query("DROP TABLE copy_$resource");
	foreach my $call (1 .. 40)
	{
		sync("'crisp.$resource', 'copy_$resource', max_requests => 30");
		last if status(q(state = 'up to date'), "copy_$resource") eq 't';
	}
	is_copy("crisp.$resource", "copy_$resource", "$resource: calls of 30 requests");
}

# A row that slips from page to page, as one before it is deleted meanwhile, is no row that is gone: a full load reads
# the list once more before it drops or marks what it hasn't seen; the next run does, if requests don't suffice.
my @slipping = (
	[ teams                 => 'team_id',     teams        => 'teams/list' ],
	[ campaign_templates    => 'template_id', templates    => 'campaigns/templates' ],
	[ campaigns             => 'campaign_id', campaigns    => 'campaigns/list' ],
	[ helpdesk_redirections => 'redirection_id', redirections => 'helpdesk/redirections' ],
	[ conversation_spams    => 'spam_id',     spams        => 'conversations/spams', "sync_field => 'timestamp'" ],
	[ visitors              => 'session_id',  visitors     => 'visitors/list' ]);

foreach my $case (@slipping)
{
	my ($resource, $key, $list, $path, $field) = @{$case};

	foreach my $options ('', q(deleted => 'mark'), 'max_requests => [n]')
	{
		my $call = "'crisp.$resource', 'slip_$resource'" . join('', map { $_ ? ", $_" : () } $field, $options);

		$session->query("DROP TABLE IF EXISTS slip_$resource");
		$sandbox->reset;
		sync($call =~ s/\[n\]/1000/r);
		$sandbox->clear;
		sync("$call, mode => 'full'" =~ s/\[n\]/1000/r);
		my $pass = $sandbox->count;
		$sandbox->data([ { op => 'delete', resource => $list, index => 1,
					at_request => { path => "website/*/$path/1", nth => 1, when => 'after' } } ]);
		sync("$call, mode => 'full'" =~ s/\[n\]/$pass/r);
		my $there = $session->query("SELECT array_agg($key) FROM crisp.$resource");
		my $marked = $options =~ /mark/ ? 'AND _deleted_at IS NULL' : '';
		my $kept = "SELECT count(*) FROM unnest('$there'::text[]) k (key) WHERE NOT EXISTS (SELECT FROM "
		  . "slip_$resource s WHERE s.$key = k.key $marked)";

		is($session->query($kept), 0, "$resource, $options: rows that slip past a full load are kept");
		# What is gone goes in the end.
		sync("$call, mode => 'full'" =~ s/\[n\]/$pass/r) for 1 .. 4;
		is($session->query($kept), 0, '... and after the next');
		is($session->query("SELECT count(*) FROM slip_$resource s WHERE $key <> ALL ('$there'::text[]) $marked"), 0,
			'... which take away what is gone');
		is(status(q(state = 'up to date'), "slip_$resource"), 't', '... and come to their end');
	}
}
$sandbox->reset;

# A table without a key can't be synced, and says what else there is.
foreach my $resource (qw(visitors_blocked website_availability plugin_subscriptions))
{
	sync_fails("'crisp.$resource', 'none'", { sqlstate => '42703', hint => qr/Copy them into a materialized view/ },
		$resource);
}

# Those that lack the field that is the default name the ones that there are.
sync_fails(q('crisp.conversation_spams', 'none'), { sqlstate => '42703', hint => qr/Columns that do: "timestamp"/ },
	'no updated_at');

done_testing();
