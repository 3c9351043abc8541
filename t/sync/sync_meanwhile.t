# crisp_sync(): what others do to its tables while it runs.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 600, people => 30, operators => 5);
my $session = CrispSession->start($node);
my $other = CrispSession->start($node);
my $number = 0;

sync_with($session, $sandbox);
$session->query(
	'CREATE FOREIGN TABLE crisp.short_lived (session_id text, updated_at timestamptz) SERVER support OPTIONS '
		. '(resource \'conversations\')');

# Run a sync into a new target, and a statement of another session between its second window and its third. Returns the
# target, and the run as CrispSession->wait() does.
sub sync_while
{
	my ($statement, %with) = @_;
	my $runner = $with{session} // $session;
	my $target = 'copy' . ++$number;

	$session->query($with{before} =~ s/TARGET/$target/gr) if $with{before};
	$sandbox->clear;
	$sandbox->control({ answers => [ { match => { path => 'website/*/conversations/*', nth => $with{nth} // 8 },
		hang => JSON::PP::true } ] });
	$runner->send('CALL crisp_sync(\'' . ($with{source} // 'crisp.conversations') . "', 'public.$target')");
	$sandbox->wait_for_requests($with{nth} // 8);
	$other->send($statement =~ s/TARGET/$target/gr);
	if ($with{blocks} // 1)
	{
		$node->poll_query_until('postgres',
			'SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND pid = ' . $other->pid)
		  or die "the statement does not wait\n";
	}
	else
	{
		$other->wait;
	}
	$sandbox->reset;
	$other->wait if $with{blocks} // 1;
	return ($target, $runner->wait);
}

# That such a run fails in this way.
sub fails_while
{
	my ($statement, $expected, $name, %with) = @_;
	my ($target, $result) = sync_while($statement, %with);

	foreach my $field (sort keys %{$expected})
	{
		like($result->{errors}->[0]->{$field} // '', $expected->{$field}, "$name: $field");
	}
	unlike(join("\n", map { $_->{message} } @{ $result->{errors} }, @{ $result->{notices} }),
		qr/"\d+"/, "$name: whatever is gone is called by its name");
	is($other->query(q(SELECT count(*) FROM pg_locks WHERE objsubid = 17235)), 0, "$name: no lock is left behind");
	return $target;
}

# The next window waits for a lock by a name that is gone by then.
fails_while('DROP TABLE TARGET', { sqlstate => qr/^42P01$/, message => qr/^the target of the sync was dropped while it ran$/ },
	'a target that is dropped');
fails_while('DROP FOREIGN TABLE crisp.short_lived',
	{ sqlstate => qr/^42P01$/, message => qr/^the source of the sync was dropped while it ran$/,
		detail => qr/^It was "crisp\.short_lived"\.$/ },
	'a source that is dropped', source => 'crisp.short_lived');
$session->query('CREATE FOREIGN TABLE crisp.short_lived (session_id text, updated_at timestamptz) SERVER support '
	. "OPTIONS (resource 'conversations')");
fails_while('DROP FOREIGN TABLE crisp.short_lived', { sqlstate => qr/^42P01$/ },
	'a source that is dropped in the first window, which is told', source => 'crisp.short_lived', nth => 3);
{
	my ($target, $result) = sync_while('ALTER TABLE TARGET RENAME TO renamed');

	is_deeply($result->{errors}, [], 'a target that is renamed stays the target');
	is_copy('crisp.conversations', 'renamed', 'and is filled under its new name');
	is($session->query("SELECT to_regclass('$target')"), '', 'alone');
	$session->query('DROP TABLE renamed');
}
is($session->query('SELECT count(*) FROM crisp_sync_internal.crisp_sync_job'), 1,
	'one job is left, and of the other nothing');
{
	my $target = fails_while('TRUNCATE TARGET',
		{ sqlstate => qr/^55000$/, message => qr/^table "public\.copy\d+" was emptied while it was filled$/ },
			'a target that is emptied');

	is($session->query('SELECT count(*) FROM crisp_sync_internal.crisp_sync_job'), 1,
		'the next run clears away what is left');
	sync("'crisp.conversations', '$target'");
	is_copy('crisp.conversations', $target, 'a target that was emptied is filled by the next run');
}
{
	my $target = fails_while('ALTER TABLE TARGET DROP COLUMN topic', { sqlstate => qr/^42703$/ },
		'a column that is dropped');

	is(last_run('state'), 'failed', 'the run has failed');
	like(sync("'crisp.conversations', '$target'")->{notices}, qr/has no column for topic$/m,
		'the next run does without it');
	is_copy('crisp.conversations', $target, 'and goes on');
}
# A source that shows other rows from then on.
{
	my $website = $sandbox->website_id(1);

	$session->query(
		'CREATE FOREIGN TABLE crisp.moved (session_id text, updated_at timestamptz) SERVER support OPTIONS '
			. '(resource \'conversations\')');
	fails_while("ALTER FOREIGN TABLE crisp.moved OPTIONS (ADD website_id '$website')",
		{ sqlstate => qr/^55000$/,
			message => qr/^the source of the sync became that of another website or inbox while it ran$/ },
		'a source that becomes that of another website', source => 'crisp.moved');
	$session->query('DROP FOREIGN TABLE crisp.moved');
}
# A job that goes.
$session->query(<<'END');
CREATE TABLE jobless (session_id text PRIMARY KEY, updated_at timestamptz);
CREATE FUNCTION drop_job() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE
	FROM crisp_sync_internal.crisp_sync_my_job WHERE target = TG_RELID; RETURN NULL; END $$;
CREATE TRIGGER drop_job AFTER INSERT ON jobless EXECUTE FUNCTION drop_job();
END
$sandbox->clear;
sync_fails(q('crisp.conversations', 'jobless'),
	{ sqlstate => '42704',
		message => 'the sync of "crisp.conversations" into "public.jobless" was dropped while it ran' },
			'a job that is deleted');
cmp_ok($sandbox->count, '<=', 6, 'ends its run');

# Rights that are taken away.
$session->query(
	'CREATE ROLE ann LOGIN; GRANT USAGE ON SCHEMA crisp TO ann; GRANT SELECT ON crisp.conversations TO ann');
$session->query('CREATE USER MAPPING FOR ann SERVER support OPTIONS (' . credential_options($sandbox, 'website') . ')');
{
	my $target = fails_while(
		'REVOKE ALL ON TARGET FROM ann',
		{ sqlstate => qr/^42501$/,
			message => qr/^permission denied (to sync into "public\.copy\d+"|for table copy\d+)$/ },
		'rights that are revoked',
		blocks => 0,
		session => CrispSession->start($node, user => 'ann'),
		before => 'CREATE TABLE TARGET (session_id text PRIMARY KEY, updated_at timestamptz); GRANT SELECT, INSERT, '
			. 'UPDATE, DELETE ON TARGET TO ann');

	sync("'crisp.conversations', '$target'");
	is_copy('crisp.conversations', $target, 'somebody who has them goes on');
}

# Sources that were dropped and imported again.
sync(q('crisp.conversations', 'kept'));
$session->query(
	'DROP FOREIGN TABLE crisp.conversations; IMPORT FOREIGN SCHEMA crisp LIMIT TO (conversations) FROM SERVER support '
		. 'INTO crisp');
sync(q('crisp.conversations', 'kept', mode => 'full'));
is_copy('crisp.conversations', 'kept', 'the job of a source that was dropped is not in the way of a full load');
is($session->query(q(SELECT count(*) FROM crisp_sync_internal.crisp_sync_job j WHERE target = 'kept'::regclass)),
	1, 'and is gone');

# Rows whose source was dropped are not deleted by the full load of another source: of two websites,
# whatever the resource.
connect_crisp($node, $sandbox, server => 'other', schema => 'other', website => 1);

# A full load of a source into a target is refused before the first request, and changes nothing.
sub refused_for
{
	my ($source, $target, $origin, $name) = @_;
	my $rows = $session->query("SELECT count(*) FROM $target");

	$sandbox->clear;
	sync_fails("'$source', '$target', mode => 'full'",
		{
			sqlstate => '55000',
			message => "cannot replace \"public.$target\": it holds rows of another origin",
			detail => qr/^It holds $origin\. They would look as if they were gone from Crisp\.$/,
			hint => "Use mode incremental. Or delete these rows, or let the full load do so, after "
				. "SELECT crisp_sync_forget_origins('public.$target')." },
		$name);
	is($sandbox->count, 0, "$name: before the first request");
	is($session->query("SELECT count(*) FROM $target"), $rows, "$name: all rows stay");
	return;
}

sub rows_of { return $session->query("SELECT count(*) FROM $_[0]") }

my ($first, $second) = map { $sandbox->website_id($_) } 0, 1;
my @shared = ([ 'conversations', 'session_id' ], [ 'people_profiles', 'people_id' ], [ 'messages', 'session_id' ]);
$session->query('CREATE SCHEMA keys');
foreach my $case (@shared)
{
	my ($resource, $key) = @{$case};
	my $limit = $resource eq 'messages' ? ', max_requests => 12' : '';
	my $target = "shared_$resource";

	sync("'crisp.$resource', '$target'$limit");
	$session->query("CREATE TABLE keys.$resource AS SELECT $key FROM $target");
	sync("'other.$resource', '$target'$limit");
	cmp_ok(rows_of($target), '>', rows_of("keys.$resource"), "$resource: a target of two websites");
}
sync(q('crisp.operators', 'staff'));
sync(q('crisp.operators', 'emptied'));
$session->query('DROP SCHEMA crisp CASCADE; CREATE SCHEMA crisp');

# The sync of any table clears away what is known of the jobs.
sync(q('other.visitors', 'visitors'));
is($session->query('SELECT count(*) FROM crisp_sync_status WHERE source::text !~ \'^other\''), 0,
	'jobs whose source was dropped are not shown');
is($session->query('SELECT count(*) FROM crisp_sync_internal.crisp_sync_job WHERE source::text !~ \'^other\''), 0, 'and gone');
foreach my $case (@shared)
{
	my ($resource, $key) = @{$case};

	refused_for("other.$resource", "shared_$resource",
		qr/$resource of website $first at http\S+, from "crisp\.$resource"/, "$resource: another website");
	is($session->query(
		"SELECT count(*) FROM keys.$resource k WHERE NOT EXISTS (SELECT FROM shared_$resource t "
			. "WHERE t.$key = k.$key)"), 0,
		"$resource: none is missing");
	sync("'other.$resource', 'shared_$resource', max_requests => 12");
}
refused_for('other.operators', 'staff', qr/operators of website $first at http\S+, from "crisp\.operators"/,
	'a short list');

# Dumped before any sync has cleared the job away, too.
{
	my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';

	$session->query(
		'CREATE SCHEMA gone; IMPORT FOREIGN SCHEMA crisp LIMIT TO (operators) FROM SERVER support INTO gone; CREATE '
			. 'TABLE in_dump (LIKE staff INCLUDING ALL)');
	sync(q('gone.operators', 'in_dump'));
	$session->query('DROP SCHEMA gone CASCADE');
	$node->command_ok([ 'pg_dump', '-Fc', '-d', $node->connstr('postgres'), '-f', $dump ], 'pg_dump');
	$session->query('CREATE DATABASE restored TEMPLATE template0');
	$node->command_ok([ 'pg_restore', '-e', '-d', $node->connstr('restored'), $dump ], 'pg_restore');
	my $here = $session;
	$session = CrispSession->start($node, dbname => 'restored');
	sync_with($session, $sandbox);
	refused_for('other.operators', 'in_dump', qr/operators of website $first at http\S+, from "gone\.operators"/,
		'a job that a dump has left out');
	$session->quit;
	$session = $here;
	sync_with($session, $sandbox);
}

# An empty target holds nothing of anybody's.
$session->query('TRUNCATE emptied');
sync(q('other.operators', 'emptied', mode => 'full'));
is_copy('other.operators', 'emptied', 'a full load into a target that was emptied');

# Imported again, in another place, it's the same origin.
$session->query('IMPORT FOREIGN SCHEMA crisp FROM SERVER support INTO crisp');
sync(q('crisp.operators', 'staff', mode => 'full'));
is_copy('crisp.operators', 'staff', 'a source that is imported again goes on without ado');
sync_fails(q('crisp.people_profiles', 'shared_people_profiles', mode => 'full'), { sqlstate => '55006' },
	'but not with what another one feeds');

# Of a part of the list, all others would be gone.
$session->query(
	'CREATE SCHEMA part; IMPORT FOREIGN SCHEMA crisp LIMIT TO (conversations) FROM SERVER support INTO part');
sync(q('part.conversations', 'part'));
$session->query(
	'DROP FOREIGN TABLE part.conversations; IMPORT FOREIGN SCHEMA crisp LIMIT TO (conversations) FROM SERVER support '
		. 'INTO part');
$session->query("ALTER FOREIGN TABLE part.conversations OPTIONS (ADD inbox '$first')");
refused_for('part.conversations', 'part', qr/conversations of website $first at http\S+, from "part\.conversations"/,
	'one inbox, after all of them');
$session->query("ALTER FOREIGN TABLE part.conversations OPTIONS (DROP inbox)");
sync(q('part.conversations', 'part', mode => 'full'));
is_copy('part.conversations', 'part', 'all of them again');

# Asked for, its rows go.
is($session->query(q(SELECT crisp_sync_forget_origins('staff'))), '', 'to forget origins');
$session->query('DROP FOREIGN TABLE crisp.operators');
refused_for('other.operators', 'staff', qr/operators of .*/, 'leaves those of sources that are there');
$session->query(q(SELECT crisp_sync_forget_origins('staff')));
sync(q('other.operators', 'staff', mode => 'full'));
is_copy('other.operators', 'staff', 'origins that were forgotten are not in the way');
$session->query(q(SELECT crisp_sync_drop('other.operators', 'staff')));
$session->query('IMPORT FOREIGN SCHEMA crisp LIMIT TO (operators) FROM SERVER support INTO crisp');
sync(q('crisp.operators', 'staff', mode => 'full'));
is_copy('crisp.operators', 'staff', 'nor is a job that was dropped by hand');
CrispSession->start($node, user => 'ann')->fails(q(SELECT public.crisp_sync_forget_origins('public.staff')),
	{ sqlstate => '42501' }, 'who may not write may not let others delete');

# A server that becomes that of another website: the copy gets its rows, and keeps those that it has.
$session->query("ALTER SERVER support OPTIONS (SET website_id '$second')");
$session->query('ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS ('
	. join(', ', map { "SET $_" } split /, /, credential_options($sandbox, 'website', 1)) . ')');
refused_for('crisp.operators', 'staff', qr/operators of website $first at .*/,
	'a server that is of another website now');
my $kept = rows_of('staff');
like(sync(q('crisp.operators', 'staff'))->{notices},
	qr/^"crisp\.operators" is of another website or inbox than before, so all is fetched again$/m,
		'all of it is fetched');
cmp_ok(rows_of('staff'), '>', $kept, 'beside the rows that were there');
is((compare_copy('crisp.operators', 'staff'))[1], 0, 'and none is missing');
refused_for('crisp.operators', 'staff', qr/operators of website $first at .*/, 'from then on, too');
$session->query(q(SELECT crisp_sync_forget_origins('staff')));
sync(q('crisp.operators', 'staff', mode => 'full'));
is_copy('crisp.operators', 'staff', 'until they are forgotten');

# Another address of the same server is no other website.
$session->query('ALTER SERVER support OPTIONS (SET base_url \'' . ($sandbox->url =~ s/127\.0\.0\.1/localhost/r)
	. '\')');
unlike(sync(q('crisp.operators', 'staff', mode => 'full'))->{notices}, qr/than before/,
	'a server that is reached by another address');
$session->query('ALTER SERVER support OPTIONS (SET base_url \'' . $sandbox->url . "', SET website_id '$first')");
$session->query('ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS ('
	. join(', ', map { "SET $_" } split /, /, credential_options($sandbox, 'website')) . ')');

# The settings of a run that finds another one running end with it.
$sandbox->clear;
$sandbox->control({ answers => [ { match => { path => 'website/*/conversations/*', nth => 3 },
	hang => JSON::PP::true } ] });
$session->send(q(CALL crisp_sync('crisp.conversations', 'busy')));
$sandbox->wait_for_requests(3);
$other->query('CREATE TABLE paths (path text)');
$other->query(
	q(DO $$ BEGIN CALL crisp_sync('crisp.conversations', 'busy'); INSERT INTO paths VALUES )
		. q((current_setting('search_path')); END $$));
is($other->query('TABLE paths'), $other->query('SHOW search_path'),
	'a run that finds another one running leaves the search_path as it was');
$sandbox->reset;
is_deeply($session->wait->{errors}, [], 'and the other one as it is');

done_testing();
