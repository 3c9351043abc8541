# IMPORT FOREIGN SCHEMA with custom_data 'columns': a column for each key.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispStatement;
use Test::More;

# Names of columns that are cut within UTF-8.
delete $ENV{CRISP_ENCODING};

my ($node, $sandbox) = start_crisp(conversations => 300, people => 40);

run_statements($node, $sandbox);

my $website = $sandbox->website_id;

# Import conversations with these options; returns the notices.
sub import_with
{
	my ($options, $limit) = @_;

	$limit //= 'LIMIT TO (conversations)';
	$node->safe_psql('postgres', 'DROP SCHEMA IF EXISTS own CASCADE; CREATE SCHEMA own');
	$sandbox->clear;
	my ($status, $printed, $messages) = $node->psql('postgres',
		"\\set VERBOSITY verbose\nIMPORT FOREIGN SCHEMA crisp $limit FROM SERVER support INTO own OPTIONS ($options)"
	);
	return $messages =~ s/^LOCATION:.*\n?//mgr;
}

# The columns beyond the catalog's: name, type and json_path.
sub own_columns
{
	return sql( q(SELECT attname, format_type(atttypid, atttypmod), )
		. q((SELECT option_value FROM pg_options_to_table(attfdwoptions)) )
		  . q(FROM pg_attribute WHERE attrelid = 'own.conversations'::regclass AND attnum > )
		  . q((SELECT count(*) FROM crisp_fdw_columns() WHERE resource = 'conversations') ORDER BY attnum)
	);
}

#
# The sandbox's own keys.
#
is(import_with(q(custom_data 'jsonb')), '', 'custom_data jsonb, the default');
is($sandbox->count, 0, 'custom_data jsonb: no request');
is(own_columns(), '', 'custom_data jsonb: the columns of the catalog');

is(import_with(q(custom_data 'columns')), '', 'custom_data columns');
is_deeply(
	[ $sandbox->targets ],
	[
		"GET /v1/website/$website/conversations/suggest/data/1",
		"GET /v1/website/$website/conversations/suggest/data/2",
		"GET /v1/website/$website/conversations/1?per_page=50&order_date_updated=1"
	],
	'custom_data columns: which keys there are, and a page of values');

my @conversations = $sandbox->rows('conversations');

# The type that fits all values of a key in these conversations.
sub fitting_type
{
	my ($key, @rows) = @_;
	my %kinds;

	foreach my $value (grep { defined } map { $_->{meta}->{data}->{$key} } @rows)
	{
		my $text = JSON::PP->new->allow_nonref->encode($value);

		$kinds{ $text =~ /^"/ ? 'text'
			: $text =~ /^[tf]/ ? 'boolean'
			: $text =~ /[.eE]/ ? 'number'
			: 'integer' } = 1;
	}
	return {
		'boolean'        => 'boolean',
		'integer'        => 'bigint',
		'number'         => 'double precision',
		'integer number' => 'double precision'
	}->{ join ' ', sort keys %kinds } // 'text';
}

my @imported = map { [ split /\|/ ] } split /\n/, own_columns();
my %all_keys = map { $_ => 1 } map { keys %{ $_->{meta}->{data} // {} } } @conversations;
cmp_ok(scalar(@imported), '>=', scalar(keys %all_keys), 'a column for each key');
foreach my $column (@imported)
{
	my ($name, $type, $path) = @{$column};
	my $key = $path =~ s/^meta\.data\.//r;

	$key = ($1 =~ s/""/"/gr) if $key =~ /^"(.*)"$/;
	utf8::decode(my $decoded = $key);
	is($name, "meta_data_$key", "name of the column of $key");
	is($type, fitting_type($decoded, @conversations[ 0 .. 49 ]), "type of the column of $key");

	# Where a page was too little to tell.
	if ($type ne fitting_type($decoded, @conversations))
	{
		$column->[1] = 'text';
		$node->safe_psql('postgres',
			qq(ALTER FOREIGN TABLE own.conversations ALTER COLUMN "@{[ $name =~ s/"/""/gr ]}" TYPE text)
		);
	}
}

# All values come as they are in the jsonb.
my @comparisons = map {
	my ($name, $type, $path) = @{$_};
	my $quoted  = '"' . ($name =~ s/"/""/gr) . '"';
	my $literal = "'" . ($name =~ s/^meta_data_//r =~ s/'/''/gr) . "'";

	$type eq 'text'
	  ? "count(*) FILTER (WHERE $quoted IS DISTINCT FROM meta_data ->> $literal)"
	  : "count(*) FILTER (WHERE to_jsonb($quoted) IS DISTINCT FROM nullif(meta_data -> $literal, 'null'))"
} @imported;
is( sql('SELECT ' . join(' + ', @comparisons) . ', count(*) > 0 FROM own.conversations'),
	'0|t',
	'all values of all keys');
is( sql('SELECT count(meta_data_order_count), sum(meta_data_order_count) FROM own.conversations'),
	join('|',
		scalar(grep { defined $_->{meta}->{data}->{order_count} } @conversations),
		sum(map { $_->{meta}->{data}->{order_count} // 0 } @conversations)),
	'numbers are numbers');

sub sum { my $sum = 0; $sum += $_ foreach @_; return $sum }

#
# Only tables with custom data are asked about, and only those that are imported.
#
import_with(q(custom_data 'columns'), 'LIMIT TO (operators, visitors)');
is($sandbox->count, 0, 'tables without custom data: no request');
import_with(q(custom_data 'columns'), 'EXCEPT (conversations, people_data)');
is($sandbox->count, 0, 'tables with custom data that are excluded: no request');
import_with(q(custom_data 'columns', timestamp_type 'bigint', array_type 'text'));
is( sql(q(SELECT format_type(atttypid, -1) FROM pg_attribute WHERE attrelid = 'own.conversations'::regclass )
	. q(AND attname IN ('updated_at', 'meta_data', 'meta_data_order_count') ORDER BY attnum)
	),
	"bigint\ntext\nbigint",
	'together with the other options');

#
# Custom data of people takes a request for each row, so some rows are looked at.
#
is(import_with(q(custom_data 'columns'), 'LIMIT TO (people_data)'), '', 'people_data');
my @targets = $sandbox->targets;
is_deeply(
	[ grep { !m{/people/data/} } @targets ],
	[
		( map { "GET /v1/website/$website/people/suggest/data/$_" } 1 .. 2 ),
		"GET /v1/website/$website/people/profiles/1?per_page=50&sort_field=created_at&sort_order=descending"
	],
	'people_data: which keys there are, and a page of profiles');
is(scalar(grep { m{/people/data/} } @targets), 20, 'people_data: and the data of twenty of them');
is( sql(q(SELECT attname, format_type(atttypid, -1), (SELECT option_value FROM pg_options_to_table(attfdwoptions)) )
	. q(FROM pg_attribute WHERE attrelid = 'own.people_data'::regclass AND attname IN )
	. q(('data', 'data_plan', 'data_order_count', 'data_is_vip', 'data_cart.total') ORDER BY 1)
	),
	join("\n",
		'data|jsonb|data',
		'data_cart.total|double precision|data."cart.total"',
		'data_is_vip|boolean|data.is_vip',
		'data_order_count|bigint|data.order_count',
		'data_plan|text|data.plan'),
	'people_data: its columns');
is( sql(
		q{SELECT count(*), count(*) FILTER (WHERE data_plan IS DISTINCT FROM data ->> 'plan'}
		  . q{ OR data_is_vip IS DISTINCT FROM (data ->> 'is_vip')::boolean}
		  . q{ OR data_order_count IS DISTINCT FROM (data ->> 'order_count')::bigint)}
		  . ' FROM own.people_data'),
	'40|0',
	'people_data: its values');

#
# Keys of all kinds.
#
my $at    = 1_900_000_000_000;
my $count = 0;

# Replace all conversations by some with this custom data, as JSON text.
sub conversations_with
{
	my (@data) = @_;

	$sandbox->reset;
	$sandbox->data([
		{ op => 'clear', resource => 'conversations' },
		map {
			$count++;
			{
				op         => 'insert_raw',
				resource   => 'conversations',
				text       => sprintf(
					'{"session_id":"session_%d","updated_at":%d,"created_at":%d,"meta":{"data":%s}}',
					$count, $at + $count, $at, $_),
				created_at => $at,
				updated_at => $at + $count
			}
		} @data
	]);
	return;
}

foreach my $case (
	[ 'integers', 'bigint', '1', '-9223372036854775808', '9223372036854775807', 'null' ],
	[ 'numbers', 'double precision', '1.5', '-2', '1e3' ],
	[ 'only fractions', 'double precision', '0.25' ],
	[ 'booleans', 'boolean', 'true', 'false' ],
	[ 'texts', 'text', '"a"', '""' ],
	[ 'numbers and texts', 'text', '1', '"1"' ],
	[ 'numbers and booleans', 'text', '1', 'true' ],
	[ 'integers beyond bigint', 'text', '1', '9223372036854775808' ],
	[ 'objects', 'text', '{"a":1}', '[1]' ],
	[ 'nulls', 'text', 'null' ])
{
	my ($name, $type, @values) = @{$case};

	conversations_with(map { "{\"k\":$_}" } @values);
	import_with(q(custom_data 'columns'));
	is(own_columns(), "meta_data_k|$type|meta.data.k", "$name: $type");
	is( sql('SELECT count(*) FROM own.conversations WHERE meta_data_k::text IS NOT NULL'),
		scalar(grep { $_ ne 'null' } @values),
		"$name: values");
}

conversations_with('{"a.b":1,"A b":2,"q\"q":3,"a":{"b":9},"":4,"plan":5,"Plan":6,"it\'s":7,"a_b":8}');
is(import_with(q(custom_data 'columns')), '', 'odd keys');
is( join("\n", sort split /\n/, own_columns()),
	join(
		"\n", sort 'meta_data_a.b|bigint|meta.data."a.b"', 'meta_data_A b|bigint|meta.data.A b',
		'meta_data_q"q|bigint|meta.data."q""q"',         'meta_data_a|text|meta.data.a',
		'meta_data_|bigint|meta.data.""',               'meta_data_plan|bigint|meta.data.plan',
		'meta_data_Plan|bigint|meta.data.Plan',         q(meta_data_it's|bigint|meta.data.it's),
		'meta_data_a_b|bigint|meta.data.a_b'),
	'odd keys: columns');
is( sql(
		q(SELECT "meta_data_a.b", "meta_data_A b", "meta_data_q""q", "meta_data_", meta_data_plan, "meta_data_Plan", )
			. q("meta_data_it's", meta_data_a_b FROM own.conversations)
	),
	'1|2|3|4|5|6|7|8',
	'odd keys: values');

# Names that are too long, and the same once they are cut.
my ($long_a, $long_b) = map { 'x' x 60 . $_ } qw(a b);
conversations_with(sprintf '{"%s":1,"%s":2,"%s":3}', $long_a, $long_b, '\u00e9' x 40);
my $notices = import_with(q(custom_data 'columns'));
my @notices = $notices =~ /NOTICE: .*$/mg;
is(scalar(@notices), 3, 'long keys: a notice each');
like(
	$notices,
	qr/NOTICE: .*custom data "\Q$long_b\E" of "conversations" is imported as column "meta_data_x{51}_2"/,
	'long keys: which tells the column');
like($notices, qr/as column "meta_data_(?:é){26}"/, 'long keys: cut between characters');
is( sql('SELECT ' . join(', ', map { qq("meta_data_$_") } 'x' x 53, 'x' x 51 . '_2', 'é' x 26)
	. ' FROM own.conversations'),
	'1|2|3',
	'long keys: values');

# More keys than a table has columns.
conversations_with('{' . join(',', map { sprintf '"key %04d":%d', $_, $_ } 1 .. 1700) . '}');
$notices = import_with(q(custom_data 'columns'));
like(
	$notices,
	qr/NOTICE: .*not all keys of custom data of "conversations" are imported\nDETAIL:  A table has 1600 columns at most\./,
	'too many keys: a notice');
is( sql(q(SELECT count(*) FROM pg_attribute WHERE attrelid = 'own.conversations'::regclass AND attnum > 0)),
	1600,
	'too many keys: as many as there is room for');
is(sql('SELECT "meta_data_key 0001" + "meta_data_key 1500" FROM own.conversations'),
	1501, 'too many keys: values');

# No keys, and no rows.
conversations_with('{}');
is(import_with(q(custom_data 'columns')) . own_columns(), '', 'no keys: no columns');
is(scalar(grep { $_->{path} =~ m{/conversations/1$} } $sandbox->requests),
	0, 'no keys: no page of values');

# Keys that are no text, or none that a name can hold.
$sandbox->reset;
$sandbox->control({
	answers => [
		{
			match => { path => '*/suggest/data/1' },
			body  =>
			  '{"error":false,"reason":"listed","data":[{"key":"good","count":2},'
			  . '{"key":7},{"count":1},{"key":"nul\u0000"},{"key":"good","count":1}]}'
		}
	]
});
$notices = import_with(q(custom_data 'columns'));
is(scalar(() = $notices =~ /a key of custom data that is no text is not imported/g),
	3, 'keys that are no text');
is(own_columns(), 'meta_data_good|text|meta.data.good', 'a key that comes twice is one column');
$sandbox->reset;

#
# A value that doesn't fit its column's type any more.
#
conversations_with('{"plan":1}');
import_with(q(custom_data 'columns'));
conversations_with('{"plan":1}', '{"plan":"gold"}');
my ($status, $printed, $message) =
  $node->psql('postgres', 'SELECT meta_data_plan FROM own.conversations');
like(
	$message,
	qr/ERROR:  invalid input syntax for type bigint: "gold"\nCONTEXT:  column "meta_data_plan" of foreign table "conversations", JSON path "meta\.data\.plan", value "gold", row "session_[^"]+"/,
	'a value of another type is an error that names it');
$node->safe_psql('postgres',
	'ALTER FOREIGN TABLE own.conversations ALTER COLUMN meta_data_plan TYPE text');
is(sql('SELECT meta_data_plan FROM own.conversations ORDER BY 1'), "1\ngold", 'and ALTER helps');
$sandbox->reset;

#
# Errors.
#
like(
	import_with(q(custom_data 'text')),
	qr/22023: invalid value for option "custom_data": "text"\nHINT:  Valid values are: jsonb, columns/,
	'another value of the option');
$sandbox->control({ answers => [ { match => { path => '*/suggest/data/*' }, status => 403 } ] });
like(
	import_with(q(custom_data 'columns')),
	qr/42501: the Crisp token does not allow this/,
	'Crisp refuses to tell the keys');
is(sql(q(SELECT count(*) FROM pg_class WHERE relnamespace = 'own'::regnamespace)),
	0, 'and nothing is imported');
$sandbox->reset;
$node->safe_psql('postgres', <<'END');
CREATE ROLE importer;
GRANT USAGE ON FOREIGN SERVER support TO importer;
CREATE SCHEMA AUTHORIZATION importer;
END
($status, $printed, $message) = $node->psql('postgres',
	q(SET ROLE importer; IMPORT FOREIGN SCHEMA crisp FROM SERVER support INTO importer OPTIONS (custom_data 'columns'))
);
like($message, qr/user mapping not found for user "importer"/, 'the mapping of the current user');
is($sandbox->count, 0, 'without one: no request');

# Encodings that lack a character of a key.
{
	my $credentials = credential_options($sandbox, 'website');
	my $url         = $sandbox->url;

	$node->safe_psql('postgres',
		"CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
	conversations_with('{"cl\u00e9":1,"\u65e5\u672c":2}');
	($status, $printed, $message) = $node->psql('latin', <<"END");
CREATE EXTENSION crisp_fdw;
CREATE SERVER support FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url '$url', website_id '$website');
CREATE USER MAPPING FOR CURRENT_USER SERVER support OPTIONS ($credentials);
IMPORT FOREIGN SCHEMA crisp LIMIT TO (conversations) FROM SERVER support INTO public OPTIONS (custom_data 'columns');
SET client_encoding = 'UTF8';
SELECT "meta_data_clé" FROM conversations;
END
	like(
		$message,
		qr/a key of custom data of "conversations" is not imported\nDETAIL:  The database's encoding has not all of its characters\./,
		'a key that the encoding cannot hold');
	is($printed, '1', 'the others are imported');
}

$node->stop;
done_testing();
