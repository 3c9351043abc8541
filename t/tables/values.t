# Untidy values: what every type of column makes of every kind of JSON value,
# that no digit is lost, and what an error says.

use strict;
use warnings;
use utf8;

use CrispCluster;
use Encode qw(encode_utf8 decode_utf8);
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use Test::More;

# Characters of all scripts.
delete $ENV{CRISP_ENCODING};

local $ENV{PGCLIENTENCODING} = 'UTF8';

my $sandbox    = CrispSandbox->start(conversations => 1, people => 1);
my $node       = start_node();
my $updated_at = 1_700_000_000_123;
my $key        = 'session_00000000-0000-4000-8000-000000000001';

$node->safe_psql('postgres',
	"CREATE DATABASE $_ ENCODING '\U$_\E' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
  foreach 'utf8', 'latin1';
foreach my $database ('utf8', 'latin1')
{
	my ($url, $website_id) = ($sandbox->url, $sandbox->website_id);
	my $credentials = credential_options($sandbox, 'website');

	$node->safe_psql($database, <<"END");
CREATE EXTENSION crisp_fdw;
CREATE SERVER support FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url '$url', website_id '$website_id');
CREATE USER MAPPING FOR CURRENT_USER SERVER support OPTIONS ($credentials);
CREATE TYPE mood AS ENUM ('happy', 'so so');
CREATE TYPE point3 AS (x int, y text);
CREATE DOMAIN percent AS integer CHECK (value BETWEEN 0 AND 100);
CREATE DOMAIN present AS text NOT NULL;
CREATE DOMAIN short AS varchar(5);
CREATE DOMAIN percents AS percent[];
END
}

# Run SQL in a database, and give what is printed.
sub sql
{
	my ($statement, $database) = @_;

	return decode_utf8($node->safe_psql($database // 'utf8', encode_utf8($statement)));
}

# Serve these elements, verbatim JSON texts, as the only conversations.  Bytes
# that are no text are given as a reference to them.
sub serve
{
	my (@texts) = @_;
	my $at = $updated_at;

	$sandbox->data(
		[
			{ op => 'clear', resource => 'conversations' },
			map {
				{
					op          => 'insert_raw',
					resource    => 'conversations',
					created_at  => 1_600_000_000_000,
					updated_at  => $at--,
					text_base64 => encode_base64(ref $_ ? ${$_} : encode_utf8($_), '')
				}
			} @texts
		]);
	return;
}

# An element with these values in its custom data.
sub element
{
	my ($data, $number) = @_;
	my $session_id = sprintf 'session_00000000-0000-4000-8000-%012d', $number // 1;

	return qq({"session_id":"$session_id","created_at":1600000000000,)
	  . qq("updated_at":$updated_at,"meta":{"data":{$data}}});
}

# The errors of statements that run in one session, each as the text that psql
# prints in verbose form; nothing for a statement that went well.
sub errors_of
{
	my ($database, @statements) = @_;
	my $script = "\\set VERBOSITY verbose\n\\set SHOW_CONTEXT always\n";

	$script .= "\\warn <<<\n\\o /dev/null\n$_;\n\\o\n" foreach @statements;
	$script .= "SELECT 'still here';\n";

	my ($status, $printed, $errors) =
	  $node->psql($database, encode_utf8($script), on_error_stop => 0);
	is($printed, 'still here', 'the session goes on');

	my (undef, @errors) = split /<<<\n?/, decode_utf8($errors), -1;
	s/^psql:<stdin>:\d+: //mg foreach @errors;
	return @errors;
}

#
# Values that fit: type, JSON, and the value as SQL's text, or undef for NULL.
#
my @fitting = (
	[ 'text', '"plain"',                  'plain' ],
	[ 'text', '""',                       '' ],
	[ 'text', '"null"',                   'null' ],
	[ 'text', 'null',                     undef ],
	[ 'text', 'true',                     'true' ],
	[ 'text', '9007199254740993',         '9007199254740993' ],
	[ 'text', '12345678901234567890123',  '12345678901234567890123' ],
	[ 'text', '-12345678901234567890123', '-12345678901234567890123' ],
	[ 'text', '18446744073709551615',     '18446744073709551615' ],
	[ 'text', '18446744073709551616',     '18446744073709551616' ],
	[ 'text', '9223372036854775808',      '9223372036854775808' ],
	[ 'text', '0.1000000000000000055',    '0.1000000000000000055' ],
	[ 'text', '1e400',                    '1e400' ],
	[ 'text', '-0',                      '-0' ],
	[ 'text', '-0.0',                     '-0.0' ],
	[ 'text', '1.10',                     '1.10' ],
	[ 'text', '1E+2',                     '1E+2' ],
	[ 'text', '[]',                       '[]' ],
	[ 'text', '{}',                       '{}' ],
	[ 'text', '{"a":[1,{"b":null}]}',     '{"a":[1,{"b":null}]}' ],
	[
		'text',
		'["12345678901234567890123",12345678901234567890123,1.10]',
		'["12345678901234567890123",12345678901234567890123,1.10]'
	],
	[ 'text', '"a\\/b\\\\c\\"d\\te"',               "a/b\\c\"d\te" ],
	[ 'text', '"{\"a\": 99999999999999999999999}"', '{"a": 99999999999999999999999}' ],
	[ 'text', '"\u00e9\u0416\u6f22 \ud83d\ude00"',  "\x{e9}\x{416}\x{6f22} \x{1f600}" ],
	[
		'text',
		"\"\x{e9}\x{416}\x{6f22} \x{1f600} \x{5e9}\x{200f}\"",
		"\x{e9}\x{416}\x{6f22} \x{1f600} \x{5e9}\x{200f}"
	],
	[ 'varchar',          '"anything"',                      'anything' ],
	[ 'varchar(5)',       '"12345"',                         '12345' ],
	[ 'varchar(5)',       '"12345   "',                      '12345' ],
	[ 'varchar(5)',       '12345',                           '12345' ],
	[ 'varchar(3)',       "\"\x{1f600}\x{1f600}\x{1f600}\"", "\x{1f600}\x{1f600}\x{1f600}" ],
	[ 'char(4)',          '"ab"',                            'ab  ' ],
	[ 'name',             '"ab"',                            'ab' ],
	[ 'bigint',           '9007199254740993',                '9007199254740993' ],
	[ 'bigint',           '9223372036854775807',             '9223372036854775807' ],
	[ 'bigint',           '-9223372036854775808',            '-9223372036854775808' ],
	[ 'bigint',           '"9007199254740993"',              '9007199254740993' ],
	[ 'bigint',           '-0',                              '0' ],
	[ 'bigint',           '12.0',                            '12' ],
	[ 'bigint',           '1e3',                             '1000' ],
	[ 'bigint',           '9007199254740993.0',              '9007199254740993' ],
	[ 'bigint',           'null',                            undef ],
	[ 'integer',          '-2147483648',                     '-2147483648' ],
	[ 'integer',          '2147483647',                      '2147483647' ],
	[ 'integer',          '" 42 "',                          '42' ],
	[ 'smallint',         '-32768',                          '-32768' ],
	[ 'smallint',         '32767',                           '32767' ],
	[ 'numeric',          '9007199254740993',                '9007199254740993' ],
	[ 'numeric',          '12345678901234567890123',         '12345678901234567890123' ],
	[ 'numeric',          '0.1000000000000000055',           '0.1000000000000000055' ],
	[ 'numeric',          '1.10',                            '1.10' ],
	[ 'numeric',          '"1.10"',                          '1.10' ],
	[ 'numeric',          '-0',                              '0' ],
	[ 'numeric',          '123456789.123456789123456789e-3', '123456.789123456789123456789' ],
	[ 'numeric(6,2)',     '1234.567',                        '1234.57' ],
	[ 'double precision', '0.1',                             '0.1' ],
	[ 'double precision', '0.1000000000000000055',           '0.1' ],
	[ 'double precision', '9007199254740993',                '9.007199254740992e+15' ],
	[ 'double precision', '12345678901234567890123',         '1.2345678901234568e+22' ],
	[ 'double precision', '-0.0',                            '-0' ],
	[ 'double precision', '"NaN"',                           'NaN' ],
	[ 'double precision', '"-1.5e3"',                        '-1500' ],
	[ 'double precision', '5e-324',                          '5e-324' ],
	[ 'real',             '0.1',                             '0.1' ],
	[ 'real',             '16777217',                        '1.6777216e+07' ],
	[ 'boolean',          'true',                            't' ],
	[ 'boolean',          'false',                           'f' ],
	[ 'boolean',          '"yes"',                           't' ],
	[ 'boolean',          '0',                               'f' ],
	[ 'boolean',          'null',                            undef ],
	[ 'timestamptz',      '1700000000123',                   '2023-11-14 22:13:20.123+00' ],
	[ 'timestamptz',      '1700000000123.456',               '2023-11-14 22:13:20.123456+00' ],
	[ 'timestamptz',      '1.700000000123e12',               '2023-11-14 22:13:20.123+00' ],
	[ 'timestamptz',      '0',                               '1970-01-01 00:00:00+00' ],
	[ 'timestamptz',      '-1',                              '1969-12-31 23:59:59.999+00' ],
	[ 'timestamptz',      '-14182940000',                    '1969-07-20 20:17:40+00' ],
	[ 'timestamptz',      '253402300800000',                 '10000-01-01 00:00:00+00' ],
	[ 'timestamptz',      '9224318015999999',                '294276-12-31 23:59:59.999+00' ],
	[ 'timestamptz',      '-210866803200000',                '4714-11-24 00:00:00+00 BC' ],
	[ 'timestamptz',      '"2024-02-29T12:00:00.5+02:00"',   '2024-02-29 10:00:00.5+00' ],
	[ 'timestamptz',      '"infinity"',                      'infinity' ],
	[ 'timestamptz(0)',   '1700000000623',                   '2023-11-14 22:13:21+00' ],
	[ 'timestamp',        '1700000000123',                   '2023-11-14 22:13:20.123' ],
	[ 'timestamp',        '-1',                              '1969-12-31 23:59:59.999' ],
	[ 'timestamp',        '"2024-02-29 12:00"',              '2024-02-29 12:00:00' ],
	[ 'date',             '1700000000123',                   '2023-11-14' ],
	[ 'date',             '-1',                              '1969-12-31' ],
	[ 'date',             '-86400000',                       '1969-12-31' ],
	[ 'date',             '-86400001',                       '1969-12-30' ],
	[ 'date',             '"2024-02-29"',                    '2024-02-29' ],
	[ 'jsonb',            '"a string"',                      '"a string"' ],
	[ 'jsonb',            '"null"',                          '"null"' ],
	[ 'jsonb',            'null',                            undef ],
	[ 'jsonb',            '1.10',                            '1.10' ],
	[ 'jsonb',            '12345678901234567890123',         '12345678901234567890123' ],
	[ 'jsonb',            '0.1000000000000000055',           '0.1000000000000000055' ],
	[ 'jsonb',            '[1,"x",null,{"a":true}]',         '[1, "x", null, {"a": true}]' ],
	[ 'jsonb',            '{"b":9007199254740993,"a":1e2}',  '{"a": 100, "b": 9007199254740993}' ],
	[ 'jsonb',            '"\ud83d\ude00"',                  "\"\x{1f600}\"" ],
	[ 'jsonb',            '{}',                              '{}' ],
	[ 'json',             '{"b":1.10,"a":[]}',               '{"b":1.10,"a":[]}' ],
	[ 'json',             '"x"',                             '"x"' ],
	[ 'json',             'true',                            'true' ],
	[ 'json',             '12345678901234567890123',         '12345678901234567890123' ],
	[ 'json',             '1e400',                           '1e400' ],
	[ 'json',             '"a\u0000b"',                      '"a\u0000b"' ],
	[ 'json',             '{"k":["a\u0000b"]}',              '{"k":["a\u0000b"]}' ],
	[
		'text[]',
		'["a","b c",null,"","null",1.10,true,{"a":1},[2]]',
		'{a,"b c",NULL,"","null",1.10,true,"{\"a\":1}",[2]}'
	],
	[ 'text[]',        '[]',                             '{}' ],
	[ 'text[]',        'null',                           undef ],
	[ 'text[]',        '"{a,b}"',                        '{a,b}' ],
	[ 'integer[]',     '[1,null,"3",4.0]',               '{1,NULL,3,4}' ],
	[ 'bigint[]',      '[9007199254740993]',             '{9007199254740993}' ],
	[ 'numeric[]',     '[1.10,12345678901234567890123]', '{1.10,12345678901234567890123}' ],
	[ 'varchar(3)[]',  '["abc"]',                        '{abc}' ],
	[ 'timestamptz[]', '[1700000000123]',                '{"2023-11-14 22:13:20.123+00"}' ],
	[
		'uuid[]', '["8c842203-7ed8-4e29-a608-7cf78a7d2fcc"]',
		'{8c842203-7ed8-4e29-a608-7cf78a7d2fcc}'
	],
	[ 'jsonb[]',  '["x",{"a":1}]',                      '{"\"x\"","{\"a\": 1}"}' ],
	[ 'percents', '[0,100]',                            '{0,100}' ],
	[ 'uuid', '"8C842203-7ED8-4E29-A608-7CF78A7D2FCC"', '8c842203-7ed8-4e29-a608-7cf78a7d2fcc' ],
	[ 'inet', '"203.0.113.7"',                          '203.0.113.7' ],
	[ 'inet', '"2001:db8::1"',                          '2001:db8::1' ],
	[ 'mood', '"so so"',                                'so so' ],
	[ 'interval',  '"1 day 02:00"',                     '1 day 02:00:00' ],
	[ 'interval',  '"90"',                              '00:01:30' ],
	[ 'bytea',     '"\\\\x00ff"',                       '\x00ff' ],
	[ 'percent',   '100',                               '100' ],
	[ 'percent',   'null',                              undef ],
	[ 'present',   '""',                                '' ],
	[ 'short',     '"12345"',                           '12345' ],
	[ 'point3',    '"(1,two)"',                         '(1,two)' ],
	[ 'int4range', '"[1,5)"',                           '[1,5)' ]);

# Values that make the parser look closer do so for a whole page, so they
# are served apart from the others, and long integers each on a page of its own.
my @integers = (
	'9223372036854775807',  '9223372036854775808',
	'-9223372036854775808', '-9223372036854775809',
	'18446744073709551615', '18446744073709551616',
	'12345678901234567890123');
my @pages = (
	[ grep { $_->[1] !~ /u0000/ } @fitting ],
	[ grep { $_->[1] =~ /u0000/ } @fitting ],
	map {
		my $integer = $_;
		[ map { [ $_, $integer, $integer ] } 'text', 'numeric', 'json', 'jsonb' ]
	} @integers);

foreach my $page (0 .. $#pages)
{
	my @cases   = @{ $pages[$page] };
	my $number  = 0;
	my $data    = join ',', map { '"v' . ++$number . '":' . $_->[1] } @cases;
	my $columns = join ', ',
	  map { qq(v$_ $cases[ $_ - 1 ]->[0] OPTIONS (json_path 'meta.data.v$_')) } 1 .. @cases;

	# By the type's output function; a cast to text is something else for some types.
	my $texts = join ', ',
	  map { "CASE WHEN num_nonnulls(v$_) = 1 THEN format('%s', v$_) END" } 1 .. @cases;

	serve(element($data));
	my $printed =
	  sql(  "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; "
		  . "CREATE FOREIGN TABLE fitting$page ($columns) SERVER support OPTIONS (resource 'conversations'); "
		  . "SELECT to_json(ARRAY[$texts]) FROM fitting$page");
	my $values = JSON::PP->new->decode($printed);
	is(scalar @{$values}, scalar @cases, 'one value of each column');
	foreach my $i (0 .. $#cases)
	{
		my ($type, $json, $expected) = @{ $cases[$i] };

		is($values->[$i], $expected, encode_utf8("$type of $json"));
	}
}

#
# Values that don't: type, JSON, SQLSTATE, message, and the start of the value
# in the context where that isn't the JSON itself.
#
# What errors say about text that the database can't keep.
my $replace_hint = qr/^HINT:  Set option invalid_text of the server or of the foreign table to "replace" to have such /m;

my @unfitting = (
	[ 'bigint', '"gold"', '22P02', 'invalid input syntax for type bigint: "gold"', 'gold' ],
	[ 'bigint', '""',     '22P02', 'invalid input syntax for type bigint: ""',     '' ],
	[ 'bigint', '"null"', '22P02', 'invalid input syntax for type bigint: "null"', 'null' ],
	[ 'bigint', '1.5',    '22P02', 'invalid input syntax for type bigint: "1.5"' ],
	[ 'bigint', 'true',   '22P02', 'invalid input syntax for type bigint: "true"' ],
	[
		'bigint', '9223372036854775808',
		'22003',  'value "9223372036854775808" is out of range for type bigint'
	],
	[
		'bigint', '12345678901234567890123',
		'22003',  'value "12345678901234567890123" is out of range for type bigint'
	],
	[ 'bigint',  '1e400',      '22003', 'bigint out of range' ],
	[ 'bigint',  '[]',         '22P02', 'invalid input syntax for type bigint: "[]"' ],
	[ 'bigint',  '{"a":1}',    '22P02', qq(invalid input syntax for type bigint: "{"a":1}") ],
	[ 'integer', '2147483648', '22003', 'value "2147483648" is out of range for type integer' ],
	[
		'integer', '9007199254740993',
		'22003',   'value "9007199254740993" is out of range for type integer'
	],
	[ 'integer',  '"1.0"',  '22P02', 'invalid input syntax for type integer: "1.0"', '1.0' ],
	[ 'smallint', '-32769', '22003', 'value "-32769" is out of range for type smallint' ],
	[ 'numeric',  '"much"', '22P02', 'invalid input syntax for type numeric: "much"', 'much' ],
	[ 'numeric',          'false', '22P02', 'invalid input syntax for type numeric: "false"' ],
	[ 'numeric(4,2)',     '100',   '22003', 'numeric field overflow' ],
	[ 'double precision', '1e400', '22003', '"1e400" is out of range for type double precision' ],
	[
		'double precision',
		'"1,5"', '22P02', 'invalid input syntax for type double precision: "1,5"', '1,5'
	],
	[ 'real',    '1e39',    '22003', '"1e39" is out of range for type real' ],
	[ 'boolean', '"maybe"', '22P02', 'invalid input syntax for type boolean: "maybe"', 'maybe' ],
	[ 'boolean', '2',       '22P02', 'invalid input syntax for type boolean: "2"' ],
	[ 'boolean', '[true]',  '22P02', 'invalid input syntax for type boolean: "[true]"' ],
	[ 'timestamptz', '9224318016000000',        '22008', 'timestamp out of range' ],
	[ 'timestamptz', '-210866803200001',        '22008', 'timestamp out of range' ],
	[ 'timestamptz', '12345678901234567890123', '22008', 'timestamp out of range' ],
	[ 'timestamptz', '1e400',                   '22008', 'timestamp out of range' ],
	[
		'timestamptz', '"yesteryear"', '22007',
		'invalid input syntax for type timestamp with time zone: "yesteryear"', 'yesteryear'
	],
	[
		'timestamptz', '""', '22007', 'invalid input syntax for type timestamp with time zone: ""',
		''
	],
	[
		'timestamptz', 'true',
		'22007',       'invalid input syntax for type timestamp with time zone: "true"'
	],
	[ 'timestamp', '1e300', '22008', 'timestamp out of range' ],
	[ 'date',      '1e300', '22008', 'date out of range' ],
	[
		'date', '"2023-02-30"', '22008', 'date/time field value out of range: "2023-02-30"',
		'2023-02-30'
	],
	[ 'jsonb',      '"a\u0000b"',       '22P05', 'unsupported Unicode escape sequence', 'a\x00b' ],
	[ 'jsonb',      '{"k":"a\u0000b"}', '22P05', 'unsupported Unicode escape sequence' ],
	[ 'jsonb',      '1e400000',         '22003', 'value overflows numeric format' ],
	[ 'text',       '"a\u0000b"',       '22P05', 'unsupported Unicode escape sequence',  'a\x00b' ],
	[ 'varchar(9)', '"a\u0000b"',       '22P05', 'unsupported Unicode escape sequence',  'a\x00b' ],
	[ 'bigint',     '"1\u0000"',        '22P05', 'unsupported Unicode escape sequence',  '1\x00' ],
	[ 'varchar(5)', '"123456"', '22001', 'value too long for type character varying(5)', '123456' ],
	[ 'char(1)',    '"ab"',     '22001', 'value too long for type character(1)',         'ab' ],
	[ 'text[]',     '"a,b"',    '22P02', 'malformed array literal: "a,b"',               'a,b' ],
	[ 'text[]',     '5',         '22P02', 'malformed array literal: "5"' ],
	[ 'text[]',     '{"a":"b"}', '22P02', qq(malformed array literal: "{"a":"b"}") ],
	[ 'uuid', '"8c842203"', '22P02', 'invalid input syntax for type uuid: "8c842203"', '8c842203' ],
	[ 'uuid', '7',          '22P02', 'invalid input syntax for type uuid: "7"' ],
	[
		'inet', '"203.0.113.256"', '22P02', 'invalid input syntax for type inet: "203.0.113.256"',
		'203.0.113.256'
	],
	[ 'mood',     '"angry"',   '22P02', 'invalid input value for enum mood: "angry"',     'angry' ],
	[ 'interval', '"soon"',    '22007', 'invalid input syntax for type interval: "soon"', 'soon' ],
	[ 'bytea',    '"\\\\xfg"', '22023', 'invalid hexadecimal digit: "g"',                 '\xfg' ],
	[
		'percent', '101',
		'23514',   'value for domain percent violates check constraint "percent_check"'
	],
	[ 'percent', '"x"',      '22P02', 'invalid input syntax for type integer: "x"',   'x' ],
	[ 'short',   '"123456"', '22001', 'value too long for type character varying(5)', '123456' ],
	[ 'point3',  '"(1"',     '22P02', 'malformed record literal: "(1"',               '(1' ]);

# The same for elements of arrays, whose number the path tells, and for a value that isn't there.
my @unfitting_elements = (
	[
		'integer[]', '[1,"two"]', '22P02', 'invalid input syntax for type integer: "two"',
		'[1]',       'two'
	],
	[ 'bigint[]', '[null,[]]', '22P02', 'invalid input syntax for type bigint: "[]"', '[1]', '[]' ],
	[
		'varchar(3)[]', '["abcd"]', '22001', 'value too long for type character varying(3)',
		'[0]',          'abcd'
	],
	[
		'percents', '[1,2,-3]', '23514',
		'value for domain percent violates check constraint "percent_check"',
		'[2]', '-3'
	],
	[ 'text[]', '["a","\u0000"]', '22P05', 'unsupported Unicode escape sequence', '[1]', '\x00' ]);

{
	my @cases =
	  ((map { [ @{$_}[ 0 .. 3 ], '', $_->[4] // $_->[1] ] } @unfitting), @unfitting_elements);
	my $data    = join ',', map { qq("w$_":$cases[$_]->[1]) } 0 .. $#cases;
	my $columns = join ', ',
	  map { qq(w$_ $cases[$_]->[0] OPTIONS (json_path 'meta.data.w$_')) } 0 .. $#cases;

	serve(element("$data,\"good\":7,\"missing\":null"));
	sql("CREATE FOREIGN TABLE unfitting (good int OPTIONS (json_path 'meta.data.good'), session_id text, "
		  . "missing present OPTIONS (json_path 'meta.data.missing'), nowhere present, $columns) "
		  . "SERVER support OPTIONS (resource 'conversations')");

	my @errors = errors_of(
		'utf8',
		(map { "SELECT w$_ FROM unfitting" } 0 .. $#cases),
		'SELECT missing FROM unfitting',
		'SELECT nowhere FROM unfitting');
	foreach my $i (0 .. $#cases)
	{
		my ($type, $json, $sqlstate, $message, $index, $value) = @{ $cases[$i] };

		if ($message =~ /^unsupported Unicode/)
		{
			like($errors[$i], $replace_hint, "$type: what to do about $json");
		}
		else
		{
			unlike($errors[$i], qr/invalid_text/, "$type: $json is another matter");
		}

		like($errors[$i], qr/^ERROR:  \Q$sqlstate: $message\E$/m, "$type of $json: message");
		like(
			$errors[$i],
			qr/^CONTEXT:  (?:.*\n)*?column "w$i" of foreign table "unfitting", JSON path "meta\.data\.w$i\Q$index\E", value "\Q$value\E", row "[^"]+"$/m,
			"$type of $json: context");
	}
	foreach my $column ('missing', 'nowhere')
	{
		my $error = $errors[ $column eq 'missing' ? -2 : -1 ];
		my $path  = $column eq 'missing' ? 'meta.data.missing' : 'nowhere';

		like(
			$error,
			qr/^ERROR:  23502: domain present does not allow null values$/m,
			"$column: message");
		like(
			$error,
			qr/column "$column" of foreign table "unfitting", JSON path "\Q$path\E", no value, row "[^"]+"$/m,
			"$column: context");
	}

	# None of them matters to who doesn't ask for them.
	is(sql('SELECT good, session_id FROM unfitting'), "7|$key", 'columns beside unfitting ones');
	is(sql('SELECT count(*) FROM unfitting'),         1,        'count(*) of unfitting values');
	$sandbox->clear;
	my ($status) = $node->psql('utf8', 'SELECT good FROM unfitting WHERE w0 > 5');
	is($status,         3, 'a column that only a condition uses is asked for');
	is($sandbox->count, 1, 'at the cost of a request');
}

#
# A column in the middle of a list: rows before the bad one came out, but
# the statement fails, and leaves nothing.
#
{
	serve(map { element('"plan":' . ($_ == 70 ? '"gold"' : $_), $_) } 1 .. 80);
	sql(q(CREATE FOREIGN TABLE plans (session_id text, meta_data_plan int)
	      SERVER support OPTIONS (resource 'conversations')));
	my ($error, $absent) =
	  errors_of('utf8', 'CREATE TABLE copied AS SELECT * FROM plans', 'SELECT * FROM copied');
	like($error, qr/^ERROR:  22P02: /m, 'a bad value on the second page');
	like(
		$error,
		qr/column "meta_data_plan" of foreign table "plans", JSON path "meta\.data\.plan", value "gold", row "[^"]+"$/m,
		'names the path that the flattening rule found');
	like($absent, qr/^ERROR:  42P01: /m, 'and no rows stay');
	is(sql('SELECT sum(meta_data_plan) FROM (SELECT * FROM plans LIMIT 69) s'),
		69 * 35, 'rows before it');
}

#
# Long values are cut on a character's boundary.
#
{
	my $smile = "\x{1f600}";
	my %value = (
		ascii  => 'x' x 5000,
		wide   => $smile x 5000,
		odd    => 'x' . $smile x 5000,
		object => undef);
	my $data = join ',',
	  map { qq("$_":) . (defined $value{$_} ? qq("$value{$_}") : '{"a":"' . 'y' x 5000 . '"}') }
	  sort keys %value;

	serve(element($data));
	sql(    'CREATE FOREIGN TABLE long ('
		  . (join ', ', map { "$_ uuid OPTIONS (json_path 'meta.data.$_')" } sort keys %value)
		  . ") SERVER support OPTIONS (resource 'conversations')");
	my %error;
	@error{ sort keys %value } = errors_of('utf8', map { "SELECT $_ FROM long" } sort keys %value);
	like($error{ascii},  qr/value "x{64}\.\.\.", row "[^"]+"$/m,         'a long value is cut');
	like($error{wide},   qr/value "${smile}{16}\.\.\.", row "[^"]+"$/m,  'between characters');
	like($error{odd},    qr/value "x${smile}{15}\.\.\.", row "[^"]+"$/m, 'not inside of one');
	like($error{object}, qr/value "\{"a":"y{58}\.\.\.", row "[^"]+"$/m,  'an object as JSON');
}

#
# Bytes that are no UTF-8, in strings and in keys.
#
{
	my $bad      = element('"bad":"a' . "\x00" . 'b","good":"fine"')       =~ s/\x00/\xff\xc3/r;
	my $overlong = element('"overlong":"' . "\x01" . '","good":"fine"', 2) =~ s/\x01/\xc0\x80/r;

	serve(\$bad, \$overlong);
	sql(q(CREATE FOREIGN TABLE bytes (session_id text, meta_data_good text, meta_data_bad text, meta_data_overlong text,
	      meta_data jsonb, as_json json OPTIONS (json_path 'meta.data'))
	      SERVER support OPTIONS (resource 'conversations')));
	is(sql('SELECT meta_data_good FROM bytes'),
		"fine\nfine", 'other columns of a row with bad bytes');
	is(sql('SELECT count(*) FROM bytes'), 2, 'count(*) of rows with bad bytes');

	my ($string, $overlong_string, $object, $json) = errors_of(
		'utf8',
		'SELECT meta_data_bad FROM bytes',
		'SELECT meta_data_overlong FROM bytes',
		'SELECT meta_data FROM bytes',
		'SELECT as_json FROM bytes');
	like($string, qr/^ERROR:  22021: invalid byte sequence for encoding "UTF8": 0xff$/m,
		'bad bytes');
	like($_, $replace_hint, 'bad bytes: what to do about it') foreach $string, $overlong_string, $object, $json;
	like(
		$string,
		qr/column "meta_data_bad" of foreign table "bytes", JSON path "meta\.data\.bad", value "a\\xff\\xc3b", row "[^"]+"$/m,
		'bad bytes: context');
	like($overlong_string,
		qr/^ERROR:  22021: invalid byte sequence for encoding "UTF8": 0xc0 0x80$/m,
		'overlong NUL');
	like($object, qr/^ERROR:  22021: /m, 'bad bytes into jsonb');
	like($json,   qr/^ERROR:  22021: /m, 'bad bytes into json');
}

#
# Another encoding.
#
{
	serve(
		element(
			"\"a\":\"caf\x{e9} na\x{ef}ve\",\"b\":\"caf\\u00e9\",\"gr\x{f6}\x{df}e\":\"\x{dc}\","
			  . "\"obj\":{\"\x{e9}\":[\"\x{fc}\"]}"
		),
		element("\"a\":\"\x{416}\x{6f22}\",\"b\":\"\\ud83d\\ude00\",\"c\":1", 2));

	my $columns =
	  "session_id text, meta_data_a text, meta_data_b varchar(20), \"meta_data_gr\x{f6}\x{df}e\" text, "
	  . "size text OPTIONS (json_path 'meta.data.gr\x{f6}\x{df}e'), meta_data_obj json, as_jsonb jsonb OPTIONS "
	  . "(json_path 'meta.data.obj'), "
	  . "list text[] OPTIONS (json_path 'meta.data.obj.\x{e9}')";
	my $expected =
	  "caf\x{e9} na\x{ef}ve|caf\x{e9}|\x{dc}|\x{dc}|{\"\x{e9}\":[\"\x{fc}\"]}|{\"\x{e9}\": [\"\x{fc}\"]}|{\x{fc}}";
	my $select =
	  "SELECT meta_data_a, meta_data_b, \"meta_data_gr\x{f6}\x{df}e\", size, meta_data_obj, as_jsonb, list FROM words "
	  	. "LIMIT 1";

	foreach my $database ('utf8', 'latin1')
	{
		sql("CREATE FOREIGN TABLE words ($columns) SERVER support OPTIONS (resource 'conversations')",
			$database);
		is(sql($select, $database), $expected, "text in $database");
		is( sql("SELECT length(meta_data_b), octet_length(meta_data_b) FROM words LIMIT 1",
				$database),
			$database eq 'utf8' ? '4|5' : '4|4',
			"converted to $database");
	}
	is(sql("SELECT meta_data_a, meta_data_b FROM words WHERE session_id LIKE '%2'"),
		"\x{416}\x{6f22}|\x{1f600}", 'characters beyond LATIN1 in UTF8');
	is( sql("SELECT session_id FROM words WHERE session_id LIKE '%2'", 'latin1'),
		'session_00000000-0000-4000-8000-000000000002',
		'they do no harm in LATIN1 when nobody asks');

	my ($raw, $escaped) =
	  errors_of('latin1', 'SELECT meta_data_a FROM words', 'SELECT meta_data_b FROM words');
	like(
		$raw,
		qr/^ERROR:  22P05: character with byte sequence 0xd0 0x96 in encoding "UTF8" has no equivalent in encoding "LATIN1"$/m,
		'a character that LATIN1 lacks');
	like($_, $replace_hint, 'what to do about it') foreach $raw, $escaped;
	like(
		$raw,
		qr/column "meta_data_a" of foreign table "words", JSON path "meta\.data\.a", value "(\\x[[:xdigit:]]{2})+", row "[^"]+"$/m,
		'its context');
	like(
		$escaped,
		qr/^ERROR:  22P05: character with byte sequence 0xf0 0x9f 0x98 0x80 /m,
		'the same from an escape');
	like($escaped,
		qr/column "meta_data_b" of foreign table "words", JSON path "meta\.data\.b", value /m,
		'its context');
}

#
# Text that can't be kept, and is to be replaced.
#
{
	my $bad = ["a\xffb\xc3", "caf\xc3\xa9 \xe6\xbc\xa2!", "\xed\xa0\x80", 'plain'];
	my $row = '{"session_id":"session_%s","created_at":1600000000000,"updated_at":%d,'
	  . '"assigned":{"user_id":"%s"},"topic":"n\u0000l","meta":{"segments":["x%s","ok"],"data":{"k%s":{"%s":"%s"}}}}';
	my @rows = map { my $text = $_; \sprintf $row, 'r', $updated_at, ($text) x 5 } @{$bad};

	${ $rows[$_] } =~ s/session_r/session_$_/ foreach 0 .. $#rows;
	serve(@rows);
	my $columns = 'session_id text, assigned_user_id varchar, topic text, segments text[] OPTIONS '
		. '(json_path \'meta.segments\'), '
	  . 'data jsonb OPTIONS (json_path \'meta.data\'), data_json json OPTIONS (json_path \'meta.data\')';

	foreach my $database ('utf8', 'latin1')
	{
		my $mark = $database eq 'utf8' ? "\x{fffd}" : '?';
		my $wide = $database eq 'utf8' ? "\x{6f22}" : '?';
		my @shown = ("a${mark}b$mark", "caf\x{e9} $wide!", $mark x 3, 'plain');

		sql("CREATE FOREIGN TABLE marked ($columns) SERVER support OPTIONS "
			. "(resource 'conversations', invalid_text 'replace')",
			$database);
		is( sql(q{SELECT string_agg(assigned_user_id, '|' ORDER BY session_id) FROM marked}, $database),
			join('|', @shown), "$database: text");
		is(sql(q{SELECT DISTINCT topic FROM marked}, $database), "n${mark}l", "$database: a NUL");
		is( sql(q{SELECT string_agg(segments::text, '|' ORDER BY session_id) FROM marked}, $database),
			join('|', map { my $t = "x$_"; $t = qq("$t") if $t =~ / /; "{$t,ok}" } @shown),
			"$database: elements of arrays");
		is( sql(q{SELECT string_agg(data::text, '|' ORDER BY session_id) FROM marked}, $database),
			join('|', map { qq({"k$_": {"$_": "$_"}}) } @shown), "$database: keys and strings of jsonb");
		is( sql(q{SELECT string_agg(data_json::text, '|' ORDER BY session_id) FROM marked}, $database),
			join('|', map { qq({"k$_":{"$_":"$_"}}) } @shown), "$database: json");

		# What is shown isn't what Crisp has.
		foreach my $i (0 .. $#shown)
		{
			is( sql("SELECT session_id FROM marked WHERE assigned_user_id = '$shown[$i]'", $database),
				"session_$i", "$database: found by what is shown, $i");
			is( sql("SELECT session_id FROM marked WHERE 'x$shown[$i]' = ANY (segments)", $database),
				"session_$i", "$database: found by an element that is shown, $i");
		}
		sql('DROP FOREIGN TABLE marked', $database);
	}

	# A long text of which nothing can be kept is replaced in a time that grows with its length.
	serve(\sprintf '{"session_id":"session_long","updated_at":1,"topic":"%s"}', "\xe6\xbc\xa2" x 1_000_000);
	sql("CREATE FOREIGN TABLE marked (topic text) SERVER support OPTIONS "
		. "(resource 'conversations', invalid_text 'replace')", 'latin1');
	is(sql(q{SELECT length(topic), topic = repeat('?', 1000000) FROM marked}, 'latin1'), '1000000|t', 'a long text');
	sql('DROP FOREIGN TABLE marked', 'latin1');

	foreach my $value ('', 'Replace', 'ignore')
	{
		my ($error) = errors_of('utf8', "ALTER SERVER support OPTIONS (ADD invalid_text '$value')");
		like($error, qr/^ERROR:  22023: invalid value for option "invalid_text": "$value"$/m, "invalid_text '$value'");
	}
}

#
# Times.
#
{
	my $plain = '{"session_id":"session_%s","created_at":%s,"updated_at":%s}';

	serve(
		sprintf($plain, 'a', '1700000000123', '1700000000123'),
		sprintf($plain, 'b', '1700000000123', '1700000000123'),
		sprintf($plain, 'c', '1699999999999', '1700000000123'),
		'{"session_id":"session_d","created_at":1700000000123}',
		'{"session_id":"session_e","created_at":null,"updated_at":null}',
		'{"session_id":"session_f"}');
	sql('CREATE SCHEMA crisp; IMPORT FOREIGN SCHEMA crisp FROM SERVER support INTO crisp');
	sql(q(CREATE FOREIGN TABLE times (session_id text, updated_at timestamptz,
	        stamp timestamp OPTIONS (json_path 'updated_at'), day date OPTIONS (json_path 'updated_at'))
	      SERVER support OPTIONS (resource 'conversations')));

	is( sql(q(SET TimeZone = 'UTC'; SELECT session_id, updated_at, created_at FROM crisp.conversations ORDER BY 1)
		),
		join("\n",
			(map { "session_$_|2023-11-14 22:13:20.123+00|2023-11-14 22:13:20.123+00" } 'a', 'b'),
			'session_c|2023-11-14 22:13:20.123+00|2023-11-14 22:13:19.999+00',
			'session_d||2023-11-14 22:13:20.123+00',
			'session_e||',
			'session_f||'),
		'rows of one millisecond, and rows that lack a time that is NOT NULL');
	# It's NOT NULL: from 19 on, a count of the column alone would be count(*).
	is(sql('SELECT count(*), count(updated_at::text) FROM crisp.conversations'), '6|3', 'counted');
	foreach my $zone (
		[ 'UTC',                '2023-11-14 22:13:20.123+00' ],
		[ 'Asia/Kolkata',       '2023-11-15 03:43:20.123+05:30' ],
		[ 'Pacific/Kiritimati', '2023-11-15 12:13:20.123+14' ],
		[ 'America/New_York',   '2023-11-14 17:13:20.123-05' ])
	{
		is( sql("SET TimeZone = '$zone->[0]'; SELECT updated_at, stamp, day FROM times LIMIT 1"),
			"$zone->[1]|2023-11-14 22:13:20.123|2023-11-14",
			"in $zone->[0]");
	}
}

#
# What is no row is passed over, and a row without a key is one.
#
{
	serve(
		'null',                '"x"',
		'{"session_id":"a"}',  '1',
		'[]',                  '{}',
		'{"state":"pending"}', '{"session_id":null}',
		'true',                '{"session_id":"a","state":"double"}',
		'{"session_id":7}',    '1.5',
		'[{"session_id":"inside"}]');
	is( sql(q(SELECT session_id, coalesce(state, '-') FROM crisp.conversations ORDER BY session_id )
		. q(COLLATE "C", state)
		),
		"7|-\na|-\n|pending\n|-\n|-",
		'objects of a list are its rows, and nothing else');
}

$node->stop;
done_testing();
