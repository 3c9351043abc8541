# The JSON parser: what it takes, what it refuses and where, and that it agrees
# with PostgreSQL's own, about documents that are cut, mangled, deep or odd.

use strict;
use warnings;
use utf8;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use Encode qw(encode_utf8);
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use Test::More;

# Characters of all scripts.
delete $ENV{CRISP_ENCODING};

local $ENV{PGCLIENTENCODING} = 'UTF8';

my $MAX_DEPTH = 256;
my $MUTATIONS = 400;
my $SEED      = 20260115;

my $sandbox = CrispSandbox->start(conversations => 1, people => 1);
my $node    = start_node();
connect_crisp($node, $sandbox, options => q(max_retries '1', retry_delay '1ms'));
my $session = CrispSession->start($node);

$session->query(<<'END');
CREATE FOREIGN TABLE t (session_id text, data jsonb OPTIONS (json_path 'meta.data'),
	as_json json OPTIONS (json_path 'meta.data'), as_text text OPTIONS (json_path 'meta.data'),
	a text OPTIONS (json_path 'meta.data.a'), real float8 OPTIONS (json_path 'meta.data.real'),
	small int OPTIONS (json_path 'meta.data.small'), exact numeric OPTIONS (json_path 'meta.data.exact'),
	odd_key text OPTIONS (json_path 'meta.data."a""b\c/d"'), wide_key text OPTIONS (json_path 'meta.data.ключ'),
	nul_key text OPTIONS (json_path 'meta.data."a\u0000"'), list int[] OPTIONS (json_path 'meta.data.list'))
	SERVER support OPTIONS (resource 'conversations');
END

# The sandbox, from now on, has these bytes for a list of conversations.
sub serve
{
	my ($bytes) = @_;

	$sandbox->reset;
	$sandbox->control(
		{
			answers => [
				{
					match   => { path => '*/conversations/1' },
					status  => 200,
					headers => { 'Content-Type' => 'application/json' },
					body_base64 => encode_base64($bytes, '')
				}
			]
		});
	return;
}

# A list of one conversation with this custom data.
sub list
{
	my ($data) = @_;

	return
	  qq({"error":false,"reason":"listed","data":[{"session_id":"s","meta":{"data":$data}}]});
}

# What a column is, of a conversation with this custom data.
sub value
{
	my ($column, $data) = @_;

	serve(encode_utf8(list($data)));
	my $value = $session->query("SELECT $column FROM t");
	utf8::decode($value);
	return $value;
}

# The bytes are no JSON, which is found at this byte (from 1).
sub refused
{
	my ($name, $bytes, $problem, $at, $attempts) = @_;

	serve($bytes);
	$session->fails(
		'SELECT data FROM t',
		{ sqlstate => '08P01', detail => qr/: It is not JSON: $problem at byte $at\. / },
		$name);
	is($sandbox->count, $attempts // 1, "$name: requests");
	return;
}

#
# Strings and keys.
#
is(value('a', '{"a":"\"\\\\\/\b\f\n\r\t"}'), qq("\\/\b\f\n\r\t), 'all short escapes');
is(value('a', '{"a":"\u00E9\u00e9\u20ac\uD83D\ude00."}'), 'éé€😀.', 'all widths of \u');
is(value('a', '{"a":"\ud800"}'), "\x{fffd}", 'half a surrogate pair');
is(value('a', '{"a":"\ude00\ud83d"}'), "\x{fffd}\x{fffd}", 'two halves in the wrong order');
is(value('a', '{"a":"\ud83d\ud83d\ude00"}'), "\x{fffd}😀", 'a half before a pair');
is(value('a', '{"a":"\ud83dx\n"}'), "\x{fffd}x\n", 'a half before something else');
is(value('a', '{"\u0061":"by escape"}'), 'by escape', 'a key with an escape');
is(value('odd_key', '{"a\"b\\\\c\/d":"odd"}'), 'odd', 'a key with all that needs one');
is(value('wide_key', '{"\u043a\u043B\u044e\u0447":"wide"}'), 'wide', 'a key of escapes alone');
is(value('wide_key', '{"ключ":"wide"}'), 'wide', 'and without');
is(value('a', '{"a\u0000":"no","\u0000a":"no"}'), '', 'a key with a NUL is another one');
is(value('nul_key', '{"a\u0000":"no"}'), '', 'by whatever name');
is(value('nul_key', '{"a\\\\u0000":"yes"}'), 'yes', 'a key that only looks so');
is(value('a', '{"a":1,"b":2,"a":3}'), '3', 'of a key that comes twice the last one counts');
is(value('a', '{"a":1,"\u0061":null}'), '', 'even if it is null');
is(value('a', '{"a":{"x":1},"a":"y"}'), 'y', 'or of another kind');
is(value('data', '{"a":{"x":1},"a":{"y":2}}'), '{"a": {"y": 2}}', 'for jsonb, too');

#
# Numbers.
#
is(value('a', "{\"a\":$_}"), $_, "text of $_")
  foreach '-0', '0', '1.50', '1E5', '-1e-5', '9223372036854775808', '1' . '0' x 400;
is(value('real', '{"real":-0}'), '-0', 'negative zero, where there is one');
is(value('small', '{"small":-0}'), '0', 'and where there is none');
is(value('small, exact', '{"small":1e3,"exact":1.000000000000000000000000000000000001}'),
	'1000|1.000000000000000000000000000000000001', 'all digits');

#
# Text of arrays and objects depends on nothing but what they hold.
#
my $compact = '{"b":[1.0,"x y",{},[]],"a":"\n\u0001\"é/"}';
my $spacious =
  qq( { "b"\t: [ 1.0 ,\r\n "x y", { }\n, [ ] ] ,"\\u0061" : "\\u000a\\u0001\\u0022\\u00e9\\/" } );
is(value('as_text', $_), $compact, 'an object as text') foreach $compact, $spacious;
is(value('as_json', $_), $compact, 'an object as json') foreach $compact, $spacious;
is(value('as_json', '"\ud83d\u0000\u001f"'), "\"\x{fffd}\\u0000\\u001f\"", 'a string as json');
is(value('data', $spacious), '{"a": "\n\u0001\"é/", "b": [1.0, "x y", {}, []]}', 'as jsonb');
is(value('data', '[null,[],[{}],true,-1.50e1,""]'), '[null, [], [{}], true, -15.0, ""]', 'a list');
is(value('list', '{"list":[1,null,3]}'), '{1,NULL,3}', 'an array');

#
# Depth.  Around the custom data are four levels.
#
{
	my $levels = $MAX_DEPTH - 4;
	my $before = length list('') =~ s/\}\}\]\}$//r;

	is(value('data', '[' x $levels . ']' x $levels),
		'[' x $levels . ']' x $levels, "$MAX_DEPTH levels");
	is(length value('as_text', '{"a":' x $levels . '0' . '}' x $levels),
		$levels * 6 + 1, "$MAX_DEPTH levels of objects");
	$levels++;
	refused(
		'a level more',
		list('[' x $levels . ']' x $levels),
		'nesting too deep',
		$before + $levels);
	refused('a million levels', '[' x 1_000_000, 'nesting too deep', $MAX_DEPTH + 1);
}

#
# What JSON is not.
#
my %refused = (
	'{"a":01}' => 6,
	'{"a":.5}' => 6,
	'{"a":1.}' => 6,
	'{"a":+1}' => 6,
	'{"a":1e}' => 6,
	'{"a":0x1}' => 6,
	'{"a":-}' => 6,
	'{"a":NaN}' => 6,
	'{"a":Infinity}' => 6,
	'{"a":True}' => 6,
	'{"a":"\x"}' => 8,
	'{"a":"\u12"}' => 6,
	"{\"a\":\"\n\"}" => 6,
	"{\"a\":\"\x01\"}" => 6,
	"{'a':1}" => 2,
	'{a:1}' => 2,
	'{"a"}' => 5,
	'{"a":}' => 6,
	'{"a":1,}' => 8,
	'{"a":1 "b":2}' => 8,
	'{"a":1]' => 7,
	'{,}' => 2,
	'[1,]' => 4,
	'[,1]' => 2,
	'[1 2]' => 4,
	'[1}' => 3,
	'[1:2]' => 3,
	'{1:2}' => 2,
	'{"a":1}}' => 8,
	'[]]' => 3,
	'1 2' => 3,
	'/* */ 1' => 1,
	'1 // one' => 3,
	"1\0" => 2,
	"\xef\xbb\xbf1" => 1,
	',' => 1,
	'}' => 1,
);
foreach my $text (sort keys %refused)
{
	refused("<$text>", $text, '(invalid|unexpected) token', $refused{$text});
}

#
# A document that is cut anywhere is one that was cut: it is asked for again, once.
#
{
	my $whole = encode_utf8(list('{"a":"\ud83d\ude00é\n","b":[-1.5e+3,true,false,null,{}]}'));
	my $refused = 0;
	my $again   = 0;

	foreach my $length (0 .. length($whole) - 1)
	{
		serve(substr $whole, 0, $length);
		my $error = $session->run('SELECT data FROM t')->{errors}->[0];
		my $problem = $length ? 'It is not JSON: unexpected end at byte ' . ($length + 1) : 'It is empty';

		if (   $error
			&& $error->{sqlstate} eq '08P01'
			&& $error->{detail} =~ /: $problem\./)
		{
			$refused++;
		}
		else
		{
			diag("cut after $length bytes: " . ($error ? $error->{detail} : 'taken'));
		}
		$again++ if $sandbox->count == 2;
	}
	is($refused, length $whole, 'cut at every byte');
	is($again,   length $whole, 'asked for again each time');
	serve("$whole \r\n\t");
	is( $session->query('SELECT data FROM t'),
		encode_utf8('{"a": "😀é\n", "b": [-1500, true, false, null, {}]}'),
		'and whole, with white space behind it');
}

#
# What is mangled is taken or refused as PostgreSQL does it, and means the same.
#
$session->query(<<'SQL');
CREATE FUNCTION expected(body text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	envelope jsonb;
BEGIN
	BEGIN
		PERFORM body::json;
	EXCEPTION WHEN data_exception THEN
		RETURN 'not JSON';
	END;
	BEGIN
		envelope := body::jsonb;
	EXCEPTION WHEN data_exception THEN
		RETURN 'anything';
	END;
	IF jsonb_typeof(envelope) <> 'object' OR NOT envelope ? 'data' THEN
		RETURN CASE WHEN jsonb_typeof(envelope) = 'object' AND envelope->'error' = 'true' THEN 'refused' ELSE 'no data'
		END;
	ELSIF envelope->'error' = 'true' THEN
		RETURN 'refused';
	ELSIF jsonb_typeof(envelope->'data') <> 'array' THEN
		RETURN 'no list';
	END IF;
	RETURN (SELECT coalesce(jsonb_agg(CASE WHEN jsonb_typeof(row) = 'object' AND jsonb_typeof(row->'meta') = 'object'
			THEN nullif(row->'meta'->'data', 'null') END), '[]')
		FROM jsonb_array_elements(envelope->'data') row WHERE jsonb_typeof(row) = 'object');
END
$$;
SQL
{
	my @pieces = (
		split(//, '{}[]:,"\\ 0123456789-+.eEtfnua/'),
		"\t", "\n", "\x01", '\\u', '\\ud83d', '\\u0000', '""', 'null', 'true', '1e5', '{}', '[]', ',"a":');
	my %taken;

	# Any change of one place, or of several.
	my $mutate = sub {
		my ($text) = @_;

		foreach (1 .. 1 + int rand 2)
		{
			my $at = int rand length $text;
			my $choice = int rand 4;

			if ($choice == 0)
			{
				substr($text, $at, 1 + int rand 3) = '';
			}
			elsif ($choice == 1)
			{
				substr($text, $at, 0) = $pieces[ rand @pieces ];
			}
			elsif ($choice == 2)
			{
				substr($text, $at, 1) = $pieces[ rand @pieces ];
			}
			else
			{
				substr($text, int rand length $text, 0) = substr $text, $at, 1 + int rand 8;
			}
		}
		return $text;
	};
	my @outcomes = (
		[ qr/: It is not JSON: /     => 'not JSON' ],
		[ qr/It has no "data"/       => 'no data' ],
		[ qr/"data" is not an array/ => 'no list' ],
		[ qr/answered HTTP 200\b/    => 'refused' ]);
	my $original = list('{"a":"x\u00e9\n\ud83d\ude00","b":[-1.50,12,{},[ ] ,null],"c" : {"d":true,"e":{"":0e1}}}');
	my $differing = 0;

	note("the seed is $SEED");
	srand $SEED;
	foreach my $number (1 .. $MUTATIONS)
	{
		my $text = $mutate->($original);
		my $expected = $session->query("SELECT expected(\$body\$$text\$body\$)");

		serve($text);
		my $result = $session->run(q(SELECT coalesce(jsonb_agg(data), '[]') FROM t));
		my $error = $result->{errors}->[0];
		my $found = $result->{output};

		if ($error)
		{
			my ($outcome) = grep { ($error->{detail} // '') =~ $_->[0] } @outcomes;
			$found = $outcome ? $outcome->[1] : $error->{message};
		}
		$taken{ $error ? $found : 'taken' }++;
		next if $found eq $expected || ($expected eq 'anything' && $found ne 'not JSON');
		$differing++;
		diag("number $number, $text: found $found, expected $expected");
	}
	is($differing, 0, "$MUTATIONS mangled documents mean what they mean to PostgreSQL");
	cmp_ok($taken{$_} // 0, '>', $MUTATIONS / 10, "many of them are $_") foreach 'taken', 'not JSON';
}

#
# Bytes that are no UTF-8.
#
{
	my $bad = encode_utf8(list('{"a":"BAD","BAD":1,"small":7}')) =~ s/BAD/\xe2\x28\xa1/gr;

	serve($bad);
	is($session->query('SELECT small, session_id FROM t'), '7|s', 'harm only what they are in');
	$session->fails('SELECT a FROM t', { sqlstate => '22021' }, 'a string');
	$session->fails('SELECT data FROM t', { sqlstate => '22021' }, 'jsonb');
	serve(encode_utf8(list('{}')) =~ s/reason/\xff/r);
	is($session->query('SELECT data FROM t'), '{}', 'a key that nobody asks for');
	refused('outside of strings', "{\"a\":\xff}", 'invalid token', 6);
}

$session->quit;
$node->stop;
done_testing();
