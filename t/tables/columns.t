# Columns that are renamed, and names that IMPORT doesn't know; what is imported NOT NULL is never NULL.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 60, people => 30, visitors => 10, operators => 12, websites => 1);
my $session = CrispSession->start($node);

#
# A column stays what it is when it is renamed: every column of every table.
#
$session->query('CREATE SCHEMA other; IMPORT FOREIGN SCHEMA crisp FROM SERVER support INTO other');
my @tables = split /\n/,
  $session->query(q{SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'other'::regnamespace ORDER BY 1});
cmp_ok(scalar @tables, '>', 10, 'tables');
foreach my $table (@tables)
{
	$session->query(<<"END");
DO \$\$
DECLARE
	name name;
	number int := 0;
BEGIN
	FOR name IN SELECT attname FROM pg_attribute WHERE attrelid = 'other.$table'::regclass AND attnum > 0 ORDER
	BY attnum
	LOOP
		number := number + 1;
		EXECUTE format('ALTER FOREIGN TABLE other.$table RENAME %I TO "Column %s"', name, number);
	END LOOP;
END \$\$
END
	next if $table eq 'plugin_subscriptions';    # takes a token of another tier
	my $count = $session->query("SELECT count(*) FROM crisp.$table");
	is( $session->query(
			"SELECT count(*) FROM (SELECT x::text FROM (SELECT * FROM crisp.$table) x EXCEPT ALL SELECT y::text FROM "
				. "(SELECT * FROM other.$table) y) d"
		),
		0,
		"$table: the same $count rows under other names");

	# PostgreSQL trusts NOT NULL: rows without the value would be lost to conditions, and counted as if they had it.
	is( $session->query(
			"SELECT string_agg(DISTINCT e.key, ' ') FROM crisp.$table x, jsonb_each(to_jsonb(x)) e "
				. "JOIN pg_attribute a ON a.attname = e.key AND a.attrelid = 'crisp.$table'::regclass "
				. "AND a.attnotnull WHERE e.value = 'null'"),
		'', "$table: no value is missing that is imported NOT NULL");
}
is( $session->query(
		'SELECT count(*) - count(user_id), count(*) FILTER (WHERE user_id IS NULL) FROM crisp.operators'),
	'1|1', 'an operator who was invited has none, and is found by that');

# Conditions, orders and lookups go on to be asked of Crisp.
my $key = $session->query('SELECT min(session_id) FROM crisp.conversations');
my ($id, $updated) = map {
	$session->query(
		"SELECT a.attname FROM pg_attribute a WHERE a.attrelid = 'other.conversations'::regclass "
			. "AND 'column_name=$_' = ANY (a.attfdwoptions)"
	)
} qw(session_id updated_at);
like($id, qr/^Column \d+$/, 'the option names the column');
$sandbox->clear;
is($session->query(qq{SELECT "$id" FROM other.conversations WHERE "$id" = '$key'}), $key, 'a lookup');
is(scalar(my @requests = $sandbox->requests), 1, 'is one request');
is( $session->query(
	qq{SELECT string_agg("$id", ',') FROM (SELECT "$id" FROM other.conversations ORDER BY "$updated" DESC LIMIT 5) x}),
	$session->query(
		q{SELECT string_agg(session_id, ',') FROM (SELECT session_id FROM crisp.conversations ORDER BY updated_at DESC }
			. q{LIMIT 5) x}),
	'an order');

# Writing does, too.
$session->query(q{ALTER SERVER support OPTIONS (ADD updatable 'true')});
my ($state) = $session->query(
	q{SELECT a.attname FROM pg_attribute a WHERE a.attrelid = 'other.conversations'::regclass }
		. q{AND 'column_name=state' = ANY (a.attfdwoptions)});
$session->query(qq{UPDATE other.conversations SET "$state" = 'pending' WHERE "$id" = '$key'});
is($session->query(qq{SELECT state FROM crisp.conversations WHERE session_id = '$key'}), 'pending', 'an UPDATE');

# The option by hand.
$session->query(
	q{CREATE FOREIGN TABLE mine (id text OPTIONS (column_name 'session_id'),
	what text OPTIONS (column_name 'meta_data_plan'),
	nothing text OPTIONS (column_name 'no_such_thing')) SERVER support OPTIONS (resource 'conversations')});
is( $session->query('SELECT count(*), count(id), count(nothing) FROM mine'),
	$session->query('SELECT count(*), count(session_id), 0 FROM crisp.conversations'),
	'names of my own');
is( $session->query('SELECT string_agg(what, \',\' ORDER BY id) FROM mine'),
	$session->query(q{SELECT string_agg(meta_data->>'plan', ',' ORDER BY session_id) FROM crisp.conversations}),
	'found by the flattening rule');
$session->fails(
	q{ALTER FOREIGN TABLE mine ALTER id OPTIONS (SET column_name '')},
	{ sqlstate => '22023', message => 'invalid value for option "column_name": ""' },
	'an empty name');

#
# Names that Crisp doesn't have.
#
foreach my $clause ('LIMIT TO (nosuch, operators)', 'EXCEPT (nosuch, visitors)', 'LIMIT TO ("No ""such")')
{
	my ($status, $out, $err) = $node->psql('postgres',
		"CREATE SCHEMA few; IMPORT FOREIGN SCHEMA crisp $clause FROM SERVER support INTO few; DROP SCHEMA few CASCADE");
	is($status, 0, "$clause: imports");
	like($err, qr/^psql:<stdin>:1: WARNING:  there is no Crisp resource "(nosuch|No "such)" to import\n.*HINT:  Crisp's resources are: .*conversations/m,
		"$clause: a warning");
	unlike($err, qr/resource "(operators|visitors)"/, "$clause: of nothing else");
}

done_testing();
