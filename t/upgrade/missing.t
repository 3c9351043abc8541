# crisp_fdw_missing_columns() says what IMPORT would bring to tables that were imported before, and its statements do.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 60, people => 5);
connect_crisp($node, $sandbox, server => 'plain', schema => 'plain',
	import => q(timestamp_type 'bigint', array_type 'text'));
my $session = CrispSession->start($node);

# What the tables of a schema look like: each column with its type and options.
my $definitions = <<'END';
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attfdwoptions, f.ftoptions, s.srvname
FROM pg_class c JOIN pg_foreign_table f ON f.ftrelid = c.oid JOIN pg_foreign_server s ON s.oid = f.ftserver
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'SCHEMA'::regnamespace ORDER BY 1, 2
END

sub definitions
{
	my ($schema) = @_;

	return $session->query($definitions =~ s/SCHEMA/$schema/r);
}

my %before = map { $_ => definitions($_) } qw(crisp plain);
my $missing = 'SELECT foreign_table, missing, statement FROM crisp_fdw_missing_columns';

is($session->query("$missing()"), '', 'nothing is missing of what was just imported');
$session->query(<<'END');
ALTER FOREIGN TABLE crisp.conversations DROP COLUMN updated_at, DROP COLUMN meta_segments;
ALTER FOREIGN TABLE crisp.conversations RENAME topic TO "The Topic";
ALTER FOREIGN TABLE plain.conversations DROP COLUMN updated_at, DROP COLUMN meta_segments, DROP COLUMN meta_data;
ALTER FOREIGN TABLE crisp.operators DROP COLUMN email;
DROP FOREIGN TABLE crisp.messages, plain.messages, plain.people_data;
END
is($session->query("$missing('crisp.operators')"),
	q(crisp.operators|{email}|ALTER FOREIGN TABLE crisp.operators) . "\n"
	  . q(  ADD COLUMN email text OPTIONS (column_name 'email');), 'of one table');
is($session->query("$missing('crisp.people_profiles')"), '', 'of one that lacks nothing');
is($session->query("SELECT foreign_table, missing FROM crisp_fdw_missing_columns('plain') ORDER BY 1"),
	"plain.conversations|{updated_at,meta_segments,meta_data}\n|{messages,people_data}", 'of a schema');
is($session->query('SELECT count(*) FROM crisp_fdw_missing_columns()'), 5, 'of all');
$session->fails("$missing('crisp.none')", { sqlstate => '42P01' }, 'of what there is not');
$session->query('SET search_path = plain, public');
is($session->query("SELECT foreign_table FROM crisp_fdw_missing_columns('conversations')"), 'conversations',
	'a table is found by the search_path');
$session->query('RESET search_path');

# Custom columns, and columns of one's own name.
is($session->query(<<'END'), '', 'a column of another name, and one that is in the way');
CREATE FOREIGN TABLE mine (id text OPTIONS (json_path 'segment'))
SERVER support OPTIONS (resource 'conversation_segments');
ALTER FOREIGN TABLE crisp.operators ADD COLUMN email text OPTIONS (json_path 'details.email');
SELECT statement FROM crisp_fdw_missing_columns('crisp.operators');
END
$session->query('ALTER FOREIGN TABLE crisp.operators DROP COLUMN email; DROP FOREIGN TABLE mine');

$sandbox->clear;
$session->query($_)
  foreach split /\n(?=ALTER|IMPORT)/, $session->query('SELECT statement FROM crisp_fdw_missing_columns()');
is($sandbox->count, 0, 'the statements ask for nothing');
is($session->query("$missing()"), '', 'after them nothing is missing');
$session->query('ALTER FOREIGN TABLE crisp.conversations RENAME "The Topic" TO topic');
is(definitions($_), $before{$_}, "and $_ is as if it had been imported now") foreach qw(crisp plain);

# Names that are taken: by a table, an index, and a type.  IMPORT would fail as a whole.
$session->query(<<'END');
DROP FOREIGN TABLE plain.messages, plain.operators, plain.campaigns, plain.people_data;
CREATE TABLE plain.messages (id text);
CREATE INDEX operators ON plain.messages (id);
CREATE TYPE plain.campaigns AS ENUM ();
END
is($session->query("SELECT missing FROM crisp_fdw_missing_columns('plain')"), '{people_data}',
	'a table whose name is taken is left out');
$session->query($session->query("SELECT statement FROM crisp_fdw_missing_columns('plain')"));
is($session->query("$missing('plain')"), '', 'and the rest can be imported');
$session->query('DROP TABLE plain.messages; CREATE TABLE public.messages (id text)');
is($session->query("SELECT missing FROM crisp_fdw_missing_columns('plain')"), '{messages,operators}',
	'one of that name in another schema is not in the way');

# Tables that inherit: what the parent gets comes to the child, if that has no column of the name that is another one,
# and has stored no rows.
$session->query(<<'END');
CREATE SCHEMA heirs;
CREATE FOREIGN TABLE heirs.a_parent (user_id text) SERVER support OPTIONS (resource 'operators');
CREATE FOREIGN TABLE heirs.b_child (role int, avatar text OPTIONS (column_name 'email'))
INHERITS (heirs.a_parent) SERVER support OPTIONS (resource 'operators');
CREATE TABLE heirs.c_local (title text, first_name text COLLATE "C") INHERITS (heirs.b_child);
INSERT INTO heirs.c_local (user_id) VALUES ('x');
-- Two parents of one table, which tell times in different ways.
CREATE FOREIGN TABLE heirs.d1 (created_at timestamptz) SERVER support OPTIONS (resource 'conversations');
CREATE FOREIGN TABLE heirs.d2 (updated_at bigint) SERVER support OPTIONS (resource 'conversations');
CREATE FOREIGN TABLE heirs.d3 () INHERITS (heirs.d1, heirs.d2) SERVER support OPTIONS (resource 'conversations');
END
is($session->query(<<'END'), "heirs.a_parent\nheirs.d1\nheirs.d2", 'the parents');
SELECT foreign_table FROM crisp_fdw_missing_columns('heirs') WHERE foreign_table IS NOT NULL ORDER BY 1
END
is($session->query(<<'END'), 'email,title', 'without what is another column in a child');
SELECT string_agg(c.name, ',' ORDER BY c.name) FROM unnest('{role,avatar,first_name,title,email}'::text[]) c (name)
WHERE c.name IN (SELECT unnest(missing) FROM crisp_fdw_missing_columns('heirs.a_parent'))
END
is($session->query("SELECT foreign_table FROM crisp_fdw_missing_columns('heirs.b_child')"), 'heirs.b_child',
	'a child that is named is told of');
$session->query($_)
  foreach split /\n(?=ALTER)/,
  $session->query("SELECT statement FROM crisp_fdw_missing_columns('heirs') WHERE foreign_table IS NOT NULL");
is($session->query("SELECT count(*) FROM crisp_fdw_missing_columns('heirs') WHERE foreign_table IS NOT NULL"), 0,
	'their statements do, and nothing is missing then');
$session->query('DROP SCHEMA heirs CASCADE');

# Tables of several servers in a schema: each name is given once, to that of the most tables.
$session->query(<<'END');
CREATE SCHEMA two;
CREATE SERVER "A.B ö'x" FOREIGN DATA WRAPPER crisp_fdw OPTIONS (website_id '00000000-0000-4000-8000-000000000000');
CREATE FOREIGN TABLE two.mine (user_id text) SERVER support OPTIONS (resource 'operators');
IMPORT FOREIGN SCHEMA crisp LIMIT TO (messages, operators) FROM SERVER "A.B ö'x" INTO two;
END
my @imports = split /\n/, $session->query(
	q(SELECT statement FROM crisp_fdw_missing_columns('two') WHERE foreign_table IS NULL));
is(@imports, 1, 'one IMPORT');
like($imports[0], qr/FROM SERVER "A.B ö'x" INTO two;/, 'of the server that has most of the tables');
$session->query($imports[0]);
is($session->query(q(SELECT count(*) FROM crisp_fdw_missing_columns('two') WHERE foreign_table IS NULL)), 0,
	'and no table is missing then');
$session->query('DROP SCHEMA two CASCADE');

# Whoever the extension's schema belongs to, and whatever it is called.
$session->query('DROP EXTENSION crisp_fdw CASCADE; CREATE SCHEMA a; CREATE EXTENSION crisp_fdw SCHEMA a');
$session->query('ALTER SCHEMA a RENAME TO b');
is($session->query('SELECT count(*) FROM b.crisp_fdw_missing_columns()'), 0, 'after the schema was renamed');

$node->stop;
done_testing();
