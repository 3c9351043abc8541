# crisp_sync(): what a job knows of its copy holds, after references, errors and changes between
# calls, in lists that move with each
# request, and when others take rows away.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use JSON::PP;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 500, people => 400, visitors => 90, operators => 5, campaigns => 6);
my $session = CrispSession->start($node);
my $false = JSON::PP::false;

sync_with($session, $sandbox);
$session->query("ALTER SERVER support OPTIONS (ADD max_retries '0')");

# The value of a time column of a source that so many rows are newer than.
sub time_of
{
	my ($column, $rows, $source) = @_;

	return $session->query("SELECT quote_literal($column) FROM $source ORDER BY $column DESC OFFSET $rows LIMIT 1");
}

# Plain calls until there is no more to do.
sub finish
{
	my ($arguments, $target) = @_;
	my $calls = 0;

	do { sync($arguments) } until status('state', $target) eq 'up to date' || ++$calls > 60;
	cmp_ok($calls, '<=', 60, "$target: it comes to an end");
	return;
}

sub refuse
{
	my ($path, $nth) = @_;

	$sandbox->control({ answers => [ { match => { path => "website/*/$path/*", nth => $nth }, times => 50,
		status => 403 } ] });
	return;
}

sub change_each_request
{
	my ($resource, $path, @operations) = @_;

	$sandbox->data([ map { my $nth = $_;
	map { { %{$_}, resource => $resource, seed => $nth,
		at_request => { path => "website/*/$path/*", nth => $nth, when => 'before' } } } @operations } 1 .. 60 ]);
	return;
}

#
# References, limits, errors
#

foreach my $case ([ 'crisp.people_profiles', 'updated_at' ], [ 'crisp.people_profiles', 'created_at' ],
	[ 'crisp.conversations', 'updated_at' ], [ 'crisp.conversations', 'created_at' ])
{
	my ($source, $field) = @{$case};
	my $path = $source =~ /people/ ? 'people/profiles' : 'conversations';
	my $name = $source =~ s/.*\.//r . '_' . $field;
	my ($early, $late) = (time_of($field, 300, $source), time_of($field, 60, $source));

	sync("'$source', '${name}_older', sync_field => '$field', condition => 'older', reference => $early, max_requests "
		. "=> 3");
	finish("'$source', '${name}_older', sync_field => '$field', max_requests => 12", "${name}_older");
	is_copy($source, "${name}_older", "$source by $field: older, then all");

	refuse($path, 1);
	$session->run(
		"CALL crisp_sync('$source', '${name}_refused', sync_field => '$field', condition => 'older', reference => "
			. "$early)");
	$sandbox->control({ answers => [] });
	finish("'$source', '${name}_refused', sync_field => '$field'", "${name}_refused");
	is_copy($source, "${name}_refused", "$source by $field: an error in the first call");

	sync("'$source', '${name}_newer', sync_field => '$field', reference => $late");
	sync("'$source', '${name}_newer', sync_field => '$field', reference => $early, max_requests => 2");
	finish("'$source', '${name}_newer', sync_field => '$field', max_requests => 12", "${name}_newer");
	is_copy($source, "${name}_newer", "$source by $field: what lies between two references", "$field > $early");

	sync("'$source', '${name}_at', sync_field => '$field', condition => 'older', reference => $late");
	sync("'$source', '${name}_at', sync_field => '$field', overlap => '0'");
	is_copy($source, "${name}_at", "$source by $field: the row at the reference");
}

# Rows that change between the calls of a load by another time.
foreach my $mode (qw(incremental full))
{
	my $arguments = "'crisp.conversations', 'moving_$mode', sync_field => 'created_at', mode => '$mode', max_requests "
		. "=> 4";
	my $calls = 0;

	do
	{
		sync($arguments);
		$sandbox->data([ { op => 'touch', index => 400 }, { op => 'touch', index => 450 } ]) if $calls < 5;
	} until status('state', "moving_$mode") eq 'up to date' || ++$calls > 40;
	is($session->query(
		"SELECT count(*) FROM crisp.conversations c WHERE NOT EXISTS (SELECT FROM moving_$mode m "
			. "WHERE m.session_id = c.session_id)"), 0,
		"$mode, by created_at: rows that move between calls");
}

# One request.
sync(q('crisp.people_profiles', 'one', max_requests => 1)) for 1 .. 3;
isnt(status('state', 'one'), 'up to date', 'profiles, one request a call: no error');
finish(q('crisp.people_profiles', 'one', max_requests => 12), 'one');
is_copy('crisp.people_profiles', 'one', 'more requests let it go on');

#
# Lists that change with each request
#

$sandbox->clear;
change_each_request('visitors', 'visitors/list', { op => 'insert_random', count => 1 });
my $run = sync(q('crisp.visitors', 'visitors', max_requests => 100));
is(last_run('state'), 'finished', 'visitors who keep coming: a run ends');
cmp_ok($run->{requests}, '<=', 30, 'after a few passes');
cmp_ok($session->query('SELECT count(*) FROM visitors'), '>=', 90, 'and keeps what came');

sync(q('crisp.people_profiles', 'people'));
$sandbox->data([ { op => 'touch_random', resource => 'people', count => 120, seed => 5 } ]);
$sandbox->clear;
change_each_request('people', 'people/profiles', { op => 'touch_random', count => 1 });
$run = sync(q('crisp.people_profiles', 'people', overlap => '0'));
is(last_run('state'), 'finished', 'profiles that keep changing: a run ends');
cmp_ok($run->{requests}, '<=', 20, 'after a few passes');
$sandbox->clear;
$session->query('SELECT count(email) FROM crisp.people_profiles') while $sandbox->count < 70;
finish(q('crisp.people_profiles', 'people', overlap => '0'), 'people');
is_copy('crisp.people_profiles', 'people', 'and all is there in the end');

$session->query(<<'END');
CREATE TABLE stamped (LIKE crisp.visitors);
ALTER TABLE stamped ADD PRIMARY KEY (session_id);
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.nickname := clock_timestamp()::text; RETURN
	NEW; END $$;
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON stamped FOR EACH ROW EXECUTE FUNCTION stamp();
END
$run = sync(q('crisp.visitors', 'stamped'));
is(last_run('state'), 'finished', 'a trigger that changes a copied column each time');
cmp_ok($run->{requests}, '<=', 30, 'makes no pass without end');

#
# What the list shows, the copy has
#

sync(q('crisp.campaigns', 'campaigns'));
sync(q('crisp.inboxes', 'inboxes'));
is_copy('crisp.campaigns', 'campaigns', 'campaigns');
$session->query(
	'CREATE FOREIGN TABLE crisp.short_campaigns (campaign_id text, name text, subject text, tag text, reached bigint, '
		. 'targets bigint, progress double precision, created_at timestamptz, updated_at timestamptz) SERVER support '
		. 'OPTIONS (resource \'campaigns\')');
my $campaigns = $session->query('SELECT count(*) FROM crisp.campaigns');
$session->query(
	q(UPDATE crisp_sync_internal.crisp_sync_job SET settled = watermark WHERE target = 'campaigns'::regclass));
$sandbox->data([ { op => 'patch', resource => 'campaigns', index => 2, set => { reached => 4711 } },
	{ op => 'patch', resource => 'inboxes', index => 0, set => { name => 'renamed' } } ]);
$run = sync(q('crisp.campaigns', 'campaigns'));
is($session->query('SELECT count(*) FROM campaigns WHERE reached = 4711'), 1,
	'what changes without its date comes with the list');
cmp_ok($run->{requests}, '<=', $campaigns, 'without the details of all');
is_copy('crisp.short_campaigns', 'campaigns', 'and nothing else changes');
sync(q('crisp.inboxes', 'inboxes'));
is_copy('crisp.inboxes', 'inboxes', 'inboxes, likewise');
$sandbox->data([ { op => 'patch', resource => 'campaigns', index => 1, set => { subject => 'new' } },
	{ op => 'touch', resource => 'campaigns', index => 1 } ]);
sync(q('crisp.campaigns', 'campaigns'));
is_copy('crisp.short_campaigns', 'campaigns', 'a campaign that changes');

#
# Rows that somebody takes away
#

sync(q('crisp.conversations', 'cut', mode => 'full'));
sync(q('crisp.conversations', 'cut', mode => 'full', max_requests => 4));
$session->query('TRUNCATE cut');
finish(q('crisp.conversations', 'cut'), 'cut');
is_copy('crisp.conversations', 'cut', 'a target that is emptied between the calls of a full load');

$session->query(<<'END');
CREATE FOREIGN TABLE crisp.profile_ids (session_id text OPTIONS (json_path 'people_id'), updated_at timestamptz,
	created_at timestamptz, people_id text OPTIONS (json_path 'people_id'))
	SERVER support OPTIONS (resource 'people_profiles');
CREATE TABLE shared (session_id text PRIMARY KEY, updated_at timestamptz);
END
sync(q('crisp.conversations', 'shared'));
sync(q('crisp.profile_ids', 'shared'));
my $shared = $session->query('SELECT count(*) FROM shared');
$session->query('TRUNCATE shared');
sync($_) foreach q('crisp.conversations', 'shared'), q('crisp.profile_ids', 'shared');
is($session->query('SELECT count(*) FROM shared'), $shared, 'a target of two sources that is emptied');
$session->query('DELETE FROM shared WHERE session_id NOT LIKE \'session%\'');
like(sync(q('crisp.profile_ids', 'shared'))->{notices},
	qr/^rows of "crisp\.profile_ids" are gone from "(public\.)?shared", so all is fetched again$/m,
		'the rows of one are gone');
is($session->query('SELECT count(*) FROM shared'), $shared, 'and come again');
$session->query('DELETE FROM shared WHERE session_id IN (SELECT session_id FROM shared ORDER BY session_id LIMIT 2)');
unlike(sync(q('crisp.conversations', 'shared'))->{notices}, qr/fetched again/, 'a row or two are no reason for that');

# A full load that isn't finished, in whatever mode it goes on.
$session->query('CREATE TABLE both_sources (session_id text PRIMARY KEY, updated_at timestamptz)');
sync(q('crisp.conversations', 'both_sources', mode => 'full', max_requests => 4));
sync_fails(q('crisp.profile_ids', 'both_sources'),
	{ sqlstate => '55006',
		message => qr/^cannot sync into ".*both_sources": a full load of "crisp\.conversations" is not finished$/ },
			'a second source while a full load goes on');
is($session->query(q(SELECT source, state FROM crisp_sync_status WHERE target = 'both_sources'::regclass ORDER BY 2)),
	"crisp.profile_ids|failed\ncrisp.conversations|unfinished", 'which the status tells, beside the load');
$session->query(q(SELECT crisp_sync_forget_failed('public.both_sources')));
finish(q('crisp.conversations', 'both_sources'), 'both_sources');
sync(q('crisp.profile_ids', 'both_sources'));
sync_fails(q('crisp.conversations', 'both_sources', mode => 'full'),
	{ sqlstate => '55006', message => qr/^cannot replace/ }, 'nor a full load after it');

#
# Columns of any type that holds a time
#

$session->query(<<'END');
CREATE DOMAIN moment AS timestamptz(3);
CREATE DOMAIN number AS bigint;
CREATE FOREIGN TABLE crisp.of_3 (session_id text, updated_at timestamptz(3), created_at timestamptz(3), topic text)
	SERVER support OPTIONS (resource 'conversations');
CREATE FOREIGN TABLE crisp.of_6 (session_id text, updated_at timestamp(6), created_at timestamp(3), topic text)
	SERVER support OPTIONS (resource 'conversations');
CREATE FOREIGN TABLE crisp.of_0 (session_id text, updated_at timestamptz(0), created_at timestamp(0), topic text)
	SERVER support OPTIONS (resource 'conversations');
CREATE FOREIGN TABLE crisp.of_domain (session_id text, updated_at moment, created_at number, topic text) SERVER support
	OPTIONS (resource 'conversations');
END
foreach my $type (qw(3 6 0 domain))
{
	my $first = sync("'crisp.of_$type', 'of_$type'");

	cmp_ok($first->{requests}, '<=', 13, "type $type: the list is read once");
	sync("'crisp.of_$type', 'of_${type}_created', sync_field => 'created_at', max_requests => 5") for 1 .. 5;
	is_copy("crisp.of_$type", "of_${type}_created", "type $type: by created_at");
	$sandbox->data([ { op => 'patch', index => 100, set => { topic => "of $type" } },
		{ op => 'touch', index => 100 } ]);
	sync("'crisp.of_$type', 'of_$type', overlap => '0'");
	is_copy("crisp.of_$type", "of_$type", "type $type: a change");
}

#
# Windows by date
#

$sandbox->control({ honour_order => $false, default_order => 'none' });
$session->quit;
$session = CrispSession->start($node);
sync_with($session, $sandbox);
sync(q('crisp.conversations', 'spans'));
foreach my $cuts ('-infinity, 4713-01-01 BC, 294276-01-01, infinity', join ', ', map { "2026-01-0$_" } 1 .. 9)
{
	$session->query("UPDATE crisp_sync_internal.crisp_sync_job SET cuts = '{$cuts}' WHERE target = 'spans'::regclass");
	sync(q('crisp.conversations', 'spans')) for 1 .. 3;
	sync(q('crisp.conversations', 'spans', mode => 'full'));
	is_copy('crisp.conversations', 'spans', "cuts at $cuts");
}
$run = sync(q('crisp.conversations', 'spans', overlap => '0')) for 1 .. 12;
is($run->{requests}, 1, 'a quiet run takes one request');
is($session->query("SELECT cuts FROM crisp_sync_internal.crisp_sync_job WHERE target = 'spans'::regclass"), '{}',
	'and no cuts are left, however many there were');
$sandbox->reset;

#
# Changes, when the first spans had no row that tells a moment of Crisp's
#

$sandbox->reset;
$sandbox->control({ honour_sort => $false, honour_order => $false, default_order => 'none' });
$session->quit;
$session = CrispSession->start($node);
sync_with($session, $sandbox);

# A job that is to read all, by spans.  The newest row is months old, and the first span is of a day.
sub begin_by_spans
{
	my ($target) = @_;

	sync("'crisp.people_profiles', '$target', condition => 'older', reference => '2000-01-01', max_requests => 1");
	$session->query(
		q(UPDATE crisp_sync_internal.crisp_sync_job SET by_date = true, cuts = ARRAY[now() - interval '1 day'], )
			. "selected = '{(,)}', wanted = '{(,)}', covered = '{}', watermark = NULL, settled = NULL, due = NULL "
			. "WHERE target = '${target}'::regclass");
	return;
}

foreach my $arguments ("condition => 'older', reference => '2026-02-01', ", "reference => '2026-02-01', ", '')
{
	my ($calls, $target) = (0, 'moment_' . length $arguments);

	begin_by_spans($target);
	do { sync("'crisp.people_profiles', '$target', ${arguments}max_requests => 8") } until $session->query(
		"SELECT count(*) FROM $target") > 0 || ++$calls > 20;
	cmp_ok($calls, '<=', 20, "$target: a span with rows");
	isnt(status('state', $target), 'up to date', 'and others are left');
	$sandbox->data([ map { { op => 'touch', resource => 'people', key => $_ } } split /,/,
		$session->query("SELECT string_agg(people_id, ',') FROM (SELECT people_id FROM $target LIMIT 3) t") ]);
	finish("'crisp.people_profiles', '$target', max_requests => 45", $target);
	is_copy('crisp.people_profiles', $target, "$target: rows that change between the calls of a first load");
}

# Where Crisp doesn't sort profiles, changes take the whole list, twice, and then a full load is closed, for no
# request.  With however many requests, calls come to an end, or say that they don't.
foreach my $most (5, 10, 16 .. 24)
{
	my ($calls, $target, $state) = (0, "unsorted_$most", '');

	for (;;)
	{
		sync("'crisp.people_profiles', '$target', mode => 'full', max_requests => $most");
		$session->query(
			q(UPDATE crisp_sync_internal.crisp_sync_job SET watermark_at = watermark_at - interval '3 minutes' )
				. "WHERE target = '$target'::regclass");
		$state = status('state', $target);
		last if $state =~ /^(?:up to date|stalled)$/ || ++$calls > 30;
	}
	cmp_ok($calls, '<=', 30, "$most requests a call, where Crisp does not sort: $state");
	is($state, 'up to date', "$most requests suffice") if $most >= 20;
	is_copy('crisp.people_profiles', $target, "$most requests a call") if $state eq 'up to date';
}

# No row at all: each call looks at another part, and one comes where an earlier one has looked.
begin_by_spans('no_moment');
$sandbox->data([ { op => 'clear', resource => 'people' } ]);
sync(q('crisp.people_profiles', 'no_moment', max_requests => 1));
is($session->query(
	"SELECT watermark IS NULL AND covered <> '{}' AND covered <> '{(,)}' FROM crisp_sync_internal.crisp_sync_job "
		. "WHERE target = 'no_moment'::regclass"), 't', 'a part without rows');
$sandbox->data([ { op => 'insert', resource => 'people',
	row => { people_id => 'c0ffee00-0000-4000-8000-000000000001',
		map { $_ => (time() - 5) * 1000 } qw(created_at updated_at) } } ]);
finish(q('crisp.people_profiles', 'no_moment', max_requests => 12), 'no_moment');
is_copy('crisp.people_profiles', 'no_moment', 'a row that comes where there was none');
$sandbox->reset;

#
# What it says
#

$session->query('SET default_transaction_read_only = on');
sync_fails(q('crisp.operators', 'nowhere'),
	{ sqlstate => '25006', message => 'cannot execute crisp_sync in a read-only transaction' }, 'a read-only session');
foreach my $call (map { "crisp_sync_$_" } qw(reset drop forget_origins))
{
	my $arguments = $call =~ /origins/ ? q('people') : q('crisp.people_profiles', 'people');

	$session->fails("SELECT $call($arguments)",
		{ sqlstate => '25006', message => "cannot execute $call in a read-only transaction" }, "nor $call");
}
$session->query('RESET default_transaction_read_only');
sync_fails($_, { sqlstate => '22004', message => 'source and target must not be null' }, "arguments: $_")
  foreach q(NULL, 'nowhere'), q('crisp.operators', NULL);
sync_fails(q('1'::regclass, 'nowhere'), { sqlstate => '42P01', message => 'relation with OID 1 does not exist' },
	'a source that was dropped');
$sandbox->data([ { op => 'insert', resource => 'operators',
	row => { type => 'invite', details => { email => 'ann@example.com' } } } ]);
like(sync(q('crisp.operators', 'operators'))->{notices},
	qr/^1 row of "crisp\.operators" lacks its key, and was left out$/m, 'an operator who is invited');
unlike(sync(q('crisp.operators', 'operators'))->{notices}, qr/key/, 'is told of once');

$sandbox->control({ answers => [ { match => { path => 'website/*/conversations/*', nth => 3 },
	hang => JSON::PP::true } ] });
$session->query("SET statement_timeout = '2s'");
my $error = $session->fails(q(CALL crisp_sync('crisp.conversations', 'slow')), { sqlstate => '57014' }, 'a timeout');
cmp_ok(length($error->{context} // ''), '<', 2000, 'has a short CONTEXT');

done_testing();
