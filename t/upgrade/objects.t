# An update from 1.0 leads to what a fresh installation has, whatever schema it is in, and keeps what users have
# granted; it waits for no sync, and takes nothing away that others depend on.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 60, people => 5);

# All that belongs to the extension, and all that lies in its inner schema: a line each.
my $all_objects = <<'END';
WITH member AS (
	SELECT d.classid, d.objid, i.type, i.identity
	FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'crisp_fdw'
	CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) i
	WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'),
line (line) AS (
	SELECT concat_ws(' ', 'member', m.type, m.identity, obj_description(m.objid, m.classid::regclass::name))
	FROM member m
	UNION ALL
	SELECT concat_ws(' ', 'function', m.identity, CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END,
		p.proacl, p.probin, p.prosrc, p.proowner::regrole)
	FROM member m JOIN pg_proc p ON p.oid = m.objid AND m.classid = 'pg_proc'::regclass
	UNION ALL
	SELECT concat_ws(' ', 'relation', m.identity, c.relkind, c.relpersistence, c.reloptions, c.relacl,
		c.relowner::regrole, c.relrowsecurity, CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END)
	FROM member m JOIN pg_class c ON c.oid = m.objid AND m.classid = 'pg_class'::regclass
	UNION ALL
	SELECT concat_ws(' ', 'column', m.identity, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
		a.attacl, a.attcollation, pg_get_expr(f.adbin, f.adrelid), col_description(c.oid, a.attnum))
	FROM member m
	JOIN pg_class c ON (c.oid = m.objid AND m.classid = 'pg_class'::regclass)
		OR (c.reltype = m.objid AND m.classid = 'pg_type'::regclass)
	JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
	LEFT JOIN pg_attrdef f ON f.adrelid = c.oid AND f.adnum = a.attnum
	UNION ALL
	SELECT concat_ws(' ', 'constraint', m.identity, o.conname, pg_get_constraintdef(o.oid))
	FROM member m JOIN pg_constraint o ON o.conrelid = m.objid AND m.classid = 'pg_class'::regclass
	UNION ALL
	SELECT concat_ws(' ', 'index', m.identity, pg_get_indexdef(x.indexrelid))
	FROM member m JOIN pg_index x ON x.indrelid = m.objid AND m.classid = 'pg_class'::regclass
	UNION ALL
	SELECT concat_ws(' ', 'trigger', m.identity, t.tgname, pg_get_triggerdef(t.oid), t.tgenabled)
	FROM member m JOIN pg_trigger t ON t.tgrelid = m.objid AND m.classid = 'pg_class'::regclass AND NOT t.tgisinternal
	UNION ALL
	SELECT concat_ws(' ', 'event trigger', t.evtname, t.evtevent, t.evttags, t.evtenabled, t.evtfoid::regprocedure)
	FROM member m JOIN pg_event_trigger t ON t.oid = m.objid AND m.classid = 'pg_event_trigger'::regclass
	UNION ALL
	SELECT concat_ws(' ', 'sequence', m.identity, s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqcycle)
	FROM member m JOIN pg_sequence s ON s.seqrelid = m.objid AND m.classid = 'pg_class'::regclass
	UNION ALL
	SELECT concat_ws(' ', 'schema', n.nspname, n.nspacl, n.nspowner::regrole)
	FROM member m JOIN pg_namespace n ON n.oid = m.objid AND m.classid = 'pg_namespace'::regclass
	UNION ALL
	SELECT concat_ws(' ', 'initially', m.type, m.identity, i.objsubid, i.privtype, i.initprivs)
	FROM member m JOIN pg_init_privs i ON i.objoid = m.objid AND i.classoid = m.classid
	UNION ALL
	SELECT concat_ws(' ', 'dumped', u.number, u.relation::regclass, e.extcondition[u.number])
	FROM pg_extension e CROSS JOIN LATERAL unnest(e.extconfig) WITH ORDINALITY u (relation, number)
	WHERE e.extname = 'crisp_fdw'
	UNION ALL
	SELECT concat_ws(' ', 'extension', e.extversion, n.nspname, e.extrelocatable)
	FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'crisp_fdw'
	UNION ALL
	SELECT 'in crisp_sync_internal: ' || i.type || ' ' || i.identity
	FROM pg_depend d CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) i
	WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = 'crisp_sync_internal'::regnamespace)
SELECT replace(line, chr(10), ' / ') FROM line ORDER BY line COLLATE "C"
END

# Compare two databases.
sub is_same
{
	my ($database, $fresh, $name, $except) = @_;
	my %lines;

	$lines{$_} = { map { $_ => 1 } split /\n/, $node->safe_psql($_, $all_objects) }
	  foreach $database, $fresh;
	my @more = grep { !$lines{$fresh}{$_}    && !($except && /$except/) } sort keys %{ $lines{$database} };
	my @less = grep { !$lines{$database}{$_} && !($except && /$except/) } sort keys %{ $lines{$fresh} };

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	cmp_ok(scalar keys %{ $lines{$fresh} }, '>', 300, "$name: objects are compared");
	is(join("\n", @more), '', "$name: nothing more");
	is(join("\n", @less), '', "$name: nothing less");
	return;
}

# database(name, statements, [statements after the extension is there])
sub database
{
	my ($name, @statements) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, $_) foreach @statements;
	return CrispSession->start($node, dbname => $name);
}

my $in_public = q(CREATE EXTENSION crisp_fdw VERSION '1.0');
my $in_tools = q(CREATE SCHEMA old; CREATE EXTENSION crisp_fdw SCHEMA old VERSION '1.0';)
	. q(ALTER SCHEMA old RENAME TO "The Tools");

#
# What is there after an update
#

database('fresh', 'CREATE EXTENSION crisp_fdw');
database('updated', $in_public, 'ALTER EXTENSION crisp_fdw UPDATE');
is_same('updated', 'fresh', 'an update');

database('fresh_tools', 'CREATE SCHEMA "The Tools"; CREATE EXTENSION crisp_fdw SCHEMA "The Tools"');
database('updated_tools', $in_tools, 'ALTER EXTENSION crisp_fdw UPDATE');
is_same('updated_tools', 'fresh_tools', 'an update in a schema that was renamed');

database('quoted', $in_public, 'SET quote_all_identifiers = on; ALTER EXTENSION crisp_fdw UPDATE');
is_same('quoted', 'fresh', 'where all identifiers are quoted');

#
# What users have made and granted
#

$node->safe_psql('postgres', 'CREATE ROLE watcher; CREATE ROLE runner');
my $session = database('granted', $in_public, <<'END');
GRANT SELECT ON crisp_sync_status TO watcher WITH GRANT OPTION;
REVOKE SELECT ON crisp_sync_run FROM PUBLIC;
GRANT SELECT ON crisp_sync_run TO watcher;
GRANT SELECT (source, target, state) ON crisp_sync_run TO runner WITH GRANT OPTION;
GRANT SELECT (target) ON crisp_sync_run TO PUBLIC;
REVOKE EXECUTE ON PROCEDURE crisp_sync FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE crisp_sync TO runner;
GRANT EXECUTE ON FUNCTION crisp_fdw_usage_reset_cluster() TO runner;
REVOKE EXECUTE ON FUNCTION crisp_fdw_resources() FROM PUBLIC;
CREATE VIEW spent AS SELECT server, requests FROM crisp_fdw_usage;
CREATE SERVER support FOREIGN DATA WRAPPER crisp_fdw
OPTIONS (base_url 'http://127.0.0.1:1', website_id '8c842203-7ed8-4e29-a608-7cf78a7d2fcc');
CREATE USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (identifier 'i', key 'k');
GRANT USAGE ON FOREIGN SERVER support TO runner;
CREATE FOREIGN TABLE mine (session_id text, updated_at timestamptz) SERVER support OPTIONS (resource 'conversations');
GRANT SELECT ON mine TO watcher;
END
my $of_users = <<'END';
SELECT 'mapping', usename, umoptions::text FROM pg_user_mappings
UNION ALL SELECT 'server', srvname, concat_ws(' ', srvacl, srvoptions) FROM pg_foreign_server
UNION ALL SELECT 'table', ftrelid::regclass::text,
	concat_ws(' ', ftoptions, (SELECT relacl FROM pg_class WHERE oid = ftrelid))
	FROM pg_foreign_table
UNION ALL SELECT 'view', relname, concat_ws(' ', oid, pg_get_viewdef(oid)) FROM pg_class WHERE relname = 'spent'
UNION ALL SELECT 'relation', relname, relacl::text FROM pg_class
	WHERE relname IN ('crisp_sync_status', 'crisp_sync_run')
UNION ALL SELECT 'column', attrelid::regclass::text || '.' || attname, attacl::text FROM pg_attribute
	WHERE attrelid IN ('crisp_sync_status'::regclass, 'crisp_sync_run'::regclass) AND attacl IS NOT NULL
UNION ALL SELECT 'function', proname, proacl::text FROM pg_proc
	WHERE proname IN ('crisp_sync', 'crisp_fdw_usage_reset_cluster', 'crisp_fdw_resources')
ORDER BY 1, 2
END
my $before = $session->query($of_users);
$session->query('ALTER EXTENSION crisp_fdw UPDATE');
is($session->query($of_users), $before, 'mappings, servers, tables and grants are as they were');
is_same('granted', 'fresh', 'with grants',
	qr/^(?:initially|(?:relation|column)\spublic\.crisp_sync_(?:status|run)\s|
		function\spublic\.crisp_(?:sync|fdw_usage_reset_cluster|fdw_resources)\()/x);

$session = database('depends', $in_public, 'CREATE VIEW mine AS SELECT target, state FROM crisp_sync_status');
$session->fails('ALTER EXTENSION crisp_fdw UPDATE',
	{ sqlstate => '2BP01', detail => qr/view mine depends on view crisp_sync_status/ }, 'what is made of an old view');
is($session->query(q(SELECT extversion FROM pg_extension WHERE extname = 'crisp_fdw')), '1.0',
	'then all is as before');
$session->query('DROP VIEW mine; ALTER EXTENSION crisp_fdw UPDATE');

#
# While a step of a sync runs (the lock that 1.0 holds from one step to the next is of a kind that SQL can't take)
#

$session = database('running', $in_public);
my $other = CrispSession->start($node, dbname => 'running');
$other->query('BEGIN; LOCK TABLE crisp_sync_job IN ROW EXCLUSIVE MODE');
$session->send('ALTER EXTENSION crisp_fdw UPDATE');
$node->poll_query_until('postgres',
	"SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = " . $session->pid)
  or die "it doesn't wait\n";
$other->query('COMMIT');
is_deeply($session->wait->{errors}, [], 'an update waits for what uses the tables');

#
# A library that meets the objects of another version
#

my $mixed = database('mixed', $in_public);
my %refused = (sqlstate => '55000', message => 'library and extension crisp_fdw are of different versions',
	detail => 'The library is of version 1.1, the extension in this database of 1.0.');
foreach my $call (
	split /\n/, $mixed->query(<<'END'))
SELECT format('SELECT %s(%s)', p.oid::regproc,
	(SELECT string_agg(CASE t.typname WHEN 'regclass' THEN '''pg_class''' WHEN 'name' THEN '''x''' ELSE '1' END
			|| '::' || t.oid::regtype, ', ' ORDER BY a.number)
		FROM unnest(p.proargtypes) WITH ORDINALITY a (type, number) JOIN pg_type t ON t.oid = a.type))
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang AND l.lanname = 'c'
JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e'
JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'crisp_fdw'
WHERE p.prorettype <> 'fdw_handler'::regtype AND p.proname <> 'crisp_fdw_validator'
END
{
	$mixed->fails($call, \%refused, "of 1.0: $call");
}
$mixed->query(<<'END');
CREATE SERVER support FOREIGN DATA WRAPPER crisp_fdw
OPTIONS (base_url 'http://127.0.0.1:1', website_id '8c842203-7ed8-4e29-a608-7cf78a7d2fcc');
CREATE FOREIGN TABLE mine (session_id text OPTIONS (json_path 'session_id'))
SERVER support OPTIONS (resource 'conversations');
END
$mixed->fails(q(ALTER SERVER support OPTIONS (SET base_url 'x')), { sqlstate => '22023' }, 'the validator works');
cmp_ok($mixed->query('SELECT count(*) FROM information_schema.columns'), '>', 100, 'so does the information schema');
foreach my $statement ('TABLE mine', 'EXPLAIN TABLE mine', 'DELETE FROM mine', 'ANALYZE mine',
	'IMPORT FOREIGN SCHEMA crisp FROM SERVER support INTO public')
{
	$mixed->fails($statement, \%refused, "with the objects of 1.0: $statement");
}

# A session that has used one version notices another, which another session has come to have.
$session = CrispSession->start($node, dbname => 'postgres');
cmp_ok($session->query('SELECT count(*) FROM crisp.conversations'), '>', 10, 'the versions are the same');
$session->query('PREPARE rows AS SELECT count(*) FROM crisp.conversations; EXECUTE rows');
$node->safe_psql('postgres', <<'END');
BEGIN;
UPDATE pg_extension SET extversion = '1.2' WHERE extname = 'crisp_fdw';
COMMENT ON FUNCTION crisp_fdw_columns() IS 'as an update does it';
CREATE OR REPLACE FUNCTION crisp_fdw_disconnect(server_name name) RETURNS boolean
AS '$libdir/crisp_fdw' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMIT;
END
$refused{detail} = 'The library is of version 1.1, the extension in this database of 1.2.';
$session->fails($_, \%refused, "after an update: $_") foreach 'EXECUTE rows', 'SELECT * FROM crisp_fdw_columns()';

# What both versions have by one name takes and returns the same.
$mixed->query('ALTER EXTENSION crisp_fdw UPDATE');
my $symbols = <<'END';
SELECT p.prosrc, p.oid::regprocedure, pg_get_function_result(p.oid) FROM pg_proc p
JOIN pg_language l ON l.oid = p.prolang AND l.lanname = 'c' WHERE p.proname LIKE 'crisp%'
END
my %new = map { /^(\w+)\|(.*)/ } split /\n/, $node->safe_psql('fresh', $symbols);
database('old', $in_public);
my %old = map { /^(\w+)\|(.*)/ } split /\n/, $node->safe_psql('old', $symbols);
is_deeply([ grep { exists $new{$_} && $new{$_} =~ s/crisp_sync_internal\.//r ne $old{$_} } sort keys %old ], [],
	'functions that have changed have another name in C');

$node->stop;
done_testing();
