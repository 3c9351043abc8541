# crisp_sync() and the owners of its targets: what they let run when a table is written to runs as they, not as who
# calls; and who calls gets no more rights from it, either.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 130, people => 30, visitors => 5, operators => 6);
my $session = CrispSession->start($node);
my $options = credential_options($sandbox, 'website');

sync_with($session, $sandbox);
$session->query(
	"CREATE ROLE $_ LOGIN; GRANT USAGE ON SCHEMA crisp TO $_; GRANT SELECT ON ALL TABLES IN SCHEMA crisp TO $_; CREATE "
		. "USER MAPPING FOR $_ SERVER support OPTIONS ($options)")
  foreach qw(mallory writer);
$session->query(
	'CREATE SCHEMA hers AUTHORIZATION mallory; GRANT USAGE ON SCHEMA hers TO writer; GRANT CREATE ON SCHEMA public '
		. 'TO writer');
my %as = map { $_ => CrispSession->start($node, user => $_) } qw(mallory writer);

# All that runs when a table is written to, and says as whom it did.
$as{mallory}->query(<<'END');
CREATE TABLE hers.ran (what text, who name);
GRANT INSERT ON hers.ran TO PUBLIC;
CREATE FUNCTION hers.note(what text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RETURN true;
END $$;
CREATE FUNCTION hers.try(statement text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	INSERT INTO hers.ran VALUES ('escaped: ' || statement, current_user);
EXCEPTION WHEN OTHERS THEN
	NULL;
END $$;
CREATE FUNCTION hers.ran(what text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO hers.ran VALUES (what, current_user);
	PERFORM hers.try('ALTER ROLE mallory SUPERUSER');
	PERFORM hers.try('RESET ROLE; ALTER ROLE mallory SUPERUSER');
	PERFORM hers.try('SET SESSION AUTHORIZATION DEFAULT');
	PERFORM hers.try('SET ROLE postgres');
	PERFORM hers.try('CREATE TEMP TABLE pg_temp.left_behind (a int)');
	PERFORM set_config('search_path', 'hers', false), set_config('application_name', 'hers', false);
	RETURN true;
END $$;
CREATE FUNCTION hers.is_fine(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN hers.ran('check');
	END $$;
CREATE FUNCTION hers.computed(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM hers.ran('generated');
	RETURN $1; END $$;
CREATE FUNCTION hers.indexed(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM hers.ran('index');
	RETURN $1; END $$;
CREATE FUNCTION hers.by_default() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM hers.ran('default'); RETURN 'x';
	END $$;
CREATE FUNCTION hers.triggered() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM hers.ran(TG_NAME); RETURN
	CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END; END $$;
CREATE DOMAIN hers.checked AS text CHECK (hers.ran('domain'));
CREATE DOMAIN hers.key AS text CHECK (hers.ran('key'));
CREATE TABLE hers.copy (
	session_id hers.key PRIMARY KEY, updated_at timestamptz, state text
	CHECK (hers.is_fine(state)), meta_email hers.checked,
	copied text GENERATED ALWAYS AS (hers.computed(state)) STORED, note text
	DEFAULT hers.by_default(), _synced_at timestamptz);
CREATE INDEX ON hers.copy (hers.indexed(state));
CREATE TRIGGER before_row BEFORE INSERT OR UPDATE OR DELETE ON hers.copy FOR EACH ROW EXECUTE FUNCTION hers.triggered();
CREATE TRIGGER after_row AFTER INSERT OR UPDATE OR DELETE ON hers.copy FOR EACH ROW EXECUTE FUNCTION hers.triggered();
CREATE TRIGGER after_statement AFTER INSERT OR UPDATE OR DELETE ON hers.copy FOR EACH STATEMENT EXECUTE
	FUNCTION hers.triggered();
CREATE CONSTRAINT TRIGGER deferred AFTER INSERT OR UPDATE OR DELETE ON hers.copy DEFERRABLE INITIALLY DEFERRED FOR EACH
	ROW EXECUTE FUNCTION hers.triggered();
END

# As whom it ran, by a sync.
sub ran
{
	my $ran = $session->query(
		'SELECT string_agg(DISTINCT who, \' \'), string_agg(DISTINCT what, \' \' ORDER BY what) FROM hers.ran');

	$session->query('TRUNCATE hers.ran');
	return $ran;
}

my $all = 'after_row after_statement before_row check default deferred domain generated index key';

sync(q('crisp.conversations', 'hers.copy'));
is(ran(), "mallory|$all", 'all that runs when rows are inserted runs as the owner, though a superuser syncs');
is($session->query(q(SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory')), 'f', 'who is no superuser by it');
is($session->query('SHOW search_path') . $session->query('SHOW application_name'), '"$user", publicsync_owner.t',
	'settings that it makes end with it');
is_copy('crisp.conversations', 'hers.copy', 'the copy is right');

my $row = $session->query('SELECT session_id FROM crisp.conversations ORDER BY updated_at OFFSET 20 LIMIT 1');
$sandbox->data([ { op => 'touch', key => $row }, { op => 'delete', index => 60 } ]);
sync(q('crisp.conversations', 'hers.copy', mode => 'full'));
is(ran(), "mallory|$all", 'so it does when rows change, and when they go');
is_copy('crisp.conversations', 'hers.copy', 'the copy is right');

# What is below rows of another table is written in another way.
$session->query('TRUNCATE hers.ran');
$as{mallory}->query(<<'END');
CREATE TABLE hers.messages (session_id text, fingerprint bigint, content hers.checked, _synced_at timestamptz);
CREATE INDEX ON hers.messages (session_id);
CREATE TRIGGER before_row BEFORE INSERT OR UPDATE OR DELETE ON hers.messages FOR EACH ROW EXECUTE
	FUNCTION hers.triggered();
CREATE CONSTRAINT TRIGGER deferred AFTER INSERT OR UPDATE OR DELETE ON hers.messages DEFERRABLE INITIALLY DEFERRED FOR
	EACH ROW EXECUTE FUNCTION hers.triggered();
END
sync(q('crisp.messages', 'hers.messages', max_requests => 60));
is(ran(), 'mallory|before_row deferred domain', 'and for messages');
is($session->query(q(SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory')), 'f', 'still no superuser');

# Its owner, and others who may write.
sync_with($as{mallory}, $sandbox);
$session->query('TRUNCATE hers.copy');
sync(q('crisp.conversations', 'hers.copy'));
like(ran(), qr/^mallory\|(?!.*ALTER ROLE)/, 'the owner syncs itself');
$as{mallory}->query('GRANT SELECT, INSERT, UPDATE, DELETE ON hers.copy TO writer');
$session->query('TRUNCATE hers.copy, hers.ran');
sync_with($as{writer}, $sandbox);
sync(q('crisp.conversations', 'hers.copy'));
is(ran(), "mallory|$all", 'another role that may write doesn\'t run the owner\'s code as itself, either');

# What a superuser owns runs as who calls: who can write to it can have that with an INSERT, too.
sync_with($session, $sandbox);
$session->query(<<'END');
CREATE TABLE official (session_id text PRIMARY KEY, updated_at timestamptz);
CREATE TABLE official_ran (who name);
CREATE FUNCTION official() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.official_ran
	VALUES (current_user); RETURN NULL; END $$;
CREATE TRIGGER official AFTER INSERT ON official FOR EACH STATEMENT EXECUTE FUNCTION official();
GRANT SELECT, INSERT, UPDATE, DELETE ON official, official_ran TO writer;
END
sync_with($as{writer}, $sandbox);
sync(q('crisp.conversations', 'official'));
is($session->query('SELECT DISTINCT who FROM official_ran'), 'writer',
	'triggers of a superuser\'s table run as who calls');

# Nor does the owner's place lend itself to who calls: a cast of the caller's does not run as the owner.
$session->query('GRANT USAGE ON FOREIGN SERVER support TO writer');
$as{writer}->query(<<'END');
CREATE TYPE public.state AS ENUM ('pending', 'unresolved', 'resolved');
CREATE FUNCTION public.state_text(public.state) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO hers.ran
	VALUES ('cast', current_user); RETURN 'x'; END $$;
CREATE CAST (public.state AS text) WITH FUNCTION public.state_text AS ASSIGNMENT;
CREATE FOREIGN TABLE public.mine (session_id text, updated_at timestamptz, state public.state) SERVER support
	OPTIONS (resource 'conversations');
END
$session->query('TRUNCATE hers.ran');
sync_fails(q('public.mine', 'hers.copy'),
	{ sqlstate => '42501', message => 'cannot convert public.state to text as the owner of the target' },
		'a cast of the caller');
is($session->query(q(SELECT count(*) FROM hers.ran WHERE what = 'cast')), 0, 'does not run');
$as{writer}->query('CREATE TABLE public.own (session_id text PRIMARY KEY, updated_at timestamptz, state text)');
sync(q('public.mine', 'public.own'));
is($session->query('SELECT DISTINCT state FROM public.own'), 'x', 'but into a table of one\'s own');

# Functions that are the sync's own give nobody the owner's rights.
my $exchange = q[SELECT crisp_sync_internal.crisp_sync_exchange('crisp.conversations'::regclass, ]
	. q['hers.copy'::regclass, 'SELECT 1', 'SELECT 1', NULL, NULL, NULL, '{}', '{}', NULL, NULL, false, false, NULL, ]
	. q[NULL, NULL, NULL, NULL)];
$as{mallory}->query('REVOKE DELETE ON hers.copy FROM writer');
$as{writer}->fails($exchange, { sqlstate => '42501', message => 'permission denied for table copy' },
	'who may not delete may not use them');
$as{writer}->fails(
	q[SELECT crisp_sync_internal.crisp_sync_remove('crisp.conversations'::regclass, 'hers.copy'::regclass, '{}', '{}', ]
		. q[NULL, NULL, false, NULL)], { sqlstate => '42501' }, 'nor remove');
$as{writer}->fails(
	q[SELECT crisp_sync_internal.crisp_sync_unseen('crisp.conversations'::regclass, 'hers.copy'::regclass, '{}', '{}', ]
		. q[NULL, NULL, false, 10)], { sqlstate => '42501' }, 'nor look for what was not seen');
$as{writer}->fails('SELECT * FROM crisp_sync_internal.crisp_sync_seen', { sqlstate => '42501' },
	'and keys are for nobody to see');
$as{mallory}->query('GRANT DELETE ON hers.copy TO writer');

# Nor can anybody end more than a statement with them, whatever they are given.
my %last = (crisp_sync_remove => q('{x}'), crisp_sync_unseen => 10);
sub exchange
{
	my ($query, $summary) = @_;

	return
	  "SELECT crisp_sync_internal.crisp_sync_exchange('crisp.conversations'::regclass, 'public.own'::regclass, "
		. "$query, $summary, NULL, NULL, NULL, '{session_id}', '{session_id}', NULL, NULL, "
		. 'false, false, NULL, NULL, NULL, NULL, NULL)';
}
$as{writer}->fails(exchange(q('SELECT 1'), $_),
	{ sqlstate => '42804', message => 'a summary must be one value of type crisp_sync_internal.crisp_sync_batch' },
		"a summary that is none: $_")
  foreach q('SELECT 1'), q('SELECT ROW(1, 2)'), q('SELECT NULL::crisp_sync_internal.crisp_sync_batch'),
  q($$SELECT 'x'::text$$), q('CREATE TABLE public.t ()'), q('SELECT WHERE false');
$as{writer}->fails(exchange('NULL', q('SELECT 1')), { sqlstate => '22004' }, 'no query');
$as{writer}->fails(exchange(q('SELECT 1'), 'NULL'), { sqlstate => '22004' }, 'no summary');
$as{writer}->fails(
	q[SELECT crisp_sync_internal.crisp_sync_exchange('crisp.conversations'::regclass, 'public.own'::regclass, $$SELECT ]
		. q['x' AS session_id$$, 'SELECT ]
		. q[ROW(1,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL)]
		. q[::crisp_sync_internal.crisp_sync_batch', NULL, NULL, '{a,b}', '{session_id}', '{session_id}', NULL, NULL, ]
		. q[false, false, NULL, NULL, NULL, NULL, NULL)],
	{ sqlstate => '22023' }, 'parents that no column names');
$as{writer}->fails("SELECT crisp_sync_internal.$_", { sqlstate => '22004' }, "nothing at all: $_")
  foreach 'crisp_sync_exchange(' . join(', ', ('NULL') x 18) . ')',
  'crisp_sync_remove(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)',
  'crisp_sync_unseen(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)';
$as{writer}->fails(
	"SELECT crisp_sync_internal.$_('public.mine'::regclass, 'public.own'::regclass, '{session_id}', '{}', NULL, NULL, "
		. "false, $last{$_})", { sqlstate => '22023' }, "$_ without a key") foreach sort keys %last;
$as{writer}->query(q(SELECT crisp_sync_drop('public.mine', 'hers.copy')));
$as{writer}->query('SET search_path = public, pg_catalog');
$as{writer}->query(
	q(CREATE FUNCTION public.format(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO hers.ran VALUES )
		. q(('format', current_user); RETURN $2; END $$));
$session->query('TRUNCATE hers.ran');
sync(q('crisp.conversations', 'hers.copy', mode => 'full'));
is($session->query(q(SELECT count(*) FROM hers.ran WHERE what = 'format')), 0,
	'nor do functions of the caller that have a common name');

# An owner may have subjected itself to row-level security.
sync_with($session, $sandbox);
$as{mallory}->query('ALTER TABLE hers.copy ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY');
$sandbox->clear;
sync_fails(q('crisp.conversations', 'hers.copy'),
	{ sqlstate => '42501',
		message => 'cannot sync into "hers.copy": it has row-level security, which holds for "mallory"' },
			'row-level security that holds for the owner');
is($sandbox->count, 0, 'is found before the first request');

done_testing();
