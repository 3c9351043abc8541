# Conditions lose no row, whatever type a column has, whatever JSON stands where, and whatever Crisp
# makes of them: every statement is compared with the same on a local copy.

use strict;
use warnings;

use CrispCluster;
use CrispStatement;
use JSON::PP;
use Test::More;

# Characters of all scripts.
delete $ENV{CRISP_ENCODING};

my ($node, $sandbox) = start_crisp(conversations => 160, people => 60);

run_statements($node, $sandbox);
sql(q(CREATE SCHEMA f; CREATE SCHEMA l;
	CREATE DOMAIN second AS timestamptz(0); CREATE DOMAIN stamp AS second NOT NULL;
	CREATE DOMAIN three AS varchar(3); CREATE DOMAIN deep AS three));

# A foreign table f.NAME with these columns, and its copy l.NAME.
my $made = 0;

sub table
{
	my ($resource, @columns) = @_;
	my $name = 't' . ++$made;

	sql("CREATE FOREIGN TABLE f.$name (" . join(', ', @columns)
		  . ") SERVER support OPTIONS (resource '$resource'); CREATE TABLE l.$name AS SELECT * FROM f.$name");
	return $name;
}

# The rows of a statement on both, and what was asked of Crisp.
sub same
{
	my ($name, $statement, $test, %option) = @_;
	my ($expected) = sql($statement =~ s/\bT\b/l.$name/gr);

	$sandbox->clear;
	my $got = sql(($option{before} // '') . ($statement =~ s/\bT\b/f.$name/gr));
	my @requests = $sandbox->requests;

	is($got, $expected, $test);
	like(join("\n", map { $_->{query} } @requests), $option{asked}, "$test: asked") if $option{asked};
	unlike(join("\n", map { $_->{query} } @requests), $option{not_asked}, "$test: not asked")
	  if $option{not_asked};
	cmp_ok(scalar @requests, '<=', $option{requests}, "$test: requests") if $option{requests};
	return;
}

#
# Times that a column shows coarser than they are.
#
foreach my $type (
	'timestamptz', 'timestamptz(0)', 'timestamptz(1)', 'timestamptz(2)', 'timestamptz(3)', 'timestamp',
	'timestamp(0)', 'timestamp(1)', 'date', 'bigint', 'second', 'stamp')
{
	my $name = table('conversations', 'session_id text', "updated_at $type", "created_at $type");
	my $cast = $type =~ /^(?:second|stamp)$/ ? 'timestamptz' : $type =~ s/\(.*//r;

	# Of each place of the second the values of some rows.
	my @values = split /\n/, sql("SELECT updated_at FROM l.$name ORDER BY md5(session_id) LIMIT 6");
	my (@got, @expected);

	foreach my $value (@values)
	{
		foreach my $operator ('=', '<', '<=', '>', '>=')
		{
			foreach my $zone ('UTC', 'Asia/Kolkata')
			{
				my $literal =
				  $type eq 'bigint'
				  ? "bigint '$value'"
				  : "($cast '$value')";
				my $query =
				  "SET TimeZone = '$zone'; SELECT count(*), md5(string_agg(session_id, ',' ORDER BY session_id)) "
				  	. "FROM T WHERE updated_at $operator $literal";

				push @got,      "$operator $value $zone: " . sql($query =~ s/T WHERE/f.$name WHERE/r);
				push @expected, "$operator $value $zone: " . sql($query =~ s/T WHERE/l.$name WHERE/r);
			}
		}
	}
	is_deeply(\@got, \@expected, "$type: comparisons");

	my $first  = $type eq 'bigint' ? "bigint '$values[0]'" : "$cast '$values[0]'";
	my $nested = 'SET enable_hashjoin = off; SET enable_mergejoin = off; ';

	same($name, "SELECT count(*) FROM T WHERE updated_at BETWEEN $first AND $first",
		"$type: BETWEEN", asked => qr/filter_date_start=.*filter_date_end=/);
	same($name, "SELECT count(*) FROM T WHERE created_at >= $first", "$type: created_at");
	same($name, 'SELECT min(updated_at), max(updated_at), max(created_at) FROM T', "$type: min, max");
	same($name, 'SELECT array_agg(updated_at) FROM (SELECT updated_at FROM T ORDER BY updated_at DESC LIMIT 25) x',
		"$type: the newest");
	same($name,
		"SELECT array_agg(updated_at) FROM (SELECT updated_at FROM T WHERE updated_at <= $first ORDER BY updated_at "
			. "DESC LIMIT 5) x",
		"$type: the newest up to a bound");
	my $prepare = "PREPARE p AS SELECT count(*) FROM f.$name WHERE updated_at = \$1; "
		. "SET plan_cache_mode = force_generic_plan;";

	foreach my $value (@values[ 0 .. 3 ])
	{
		is( sql("$prepare EXECUTE p('$value')"),
			sql("SELECT count(*) FROM l.$name WHERE updated_at = '$value'"),
			"$type: a parameter");
	}
	is(sql("$prepare EXECUTE p(NULL)"), 0, "$type: NULL");
	sql("CREATE TABLE keys_$name AS SELECT updated_at AS at FROM l.$name ORDER BY md5(session_id) LIMIT 7; "
		. "ANALYZE keys_$name");
	same(
		$name,
		"SELECT count(*), count(DISTINCT session_id) FROM keys_$name JOIN T ON updated_at = at",
		"$type: a join",
		before => $nested);
}

# Messages: bounds reach their conversations, too.
foreach my $type ('second', 'date')
{
	my $name = table('messages', 'session_id text', 'fingerprint bigint', "\"timestamp\" $type");

	foreach my $value (split /\n/, sql(
		"SELECT \"timestamp\" FROM l.$name ORDER BY md5(session_id), fingerprint LIMIT 4"))
	{
		same($name, "SELECT count(*) FROM T WHERE \"timestamp\" $_ '$value'", "messages, $type $_ $value")
		  foreach '=', '<=', '>=', '>', '<';
	}
	same($name,
		"SELECT count(*) FROM T WHERE \"timestamp\" >= (SELECT max(\"timestamp\") FROM l.$name)",
		"messages, $type: the latest");
}

# Profiles: an early stop in the order of updates.
foreach my $type ('timestamptz(0)', 'stamp', 'date', 'timestamp(2)')
{
	my $name = table('people_profiles', 'people_id text', "updated_at $type", "created_at $type");

	foreach my $value (split /\n/, sql("SELECT updated_at FROM l.$name ORDER BY updated_at DESC LIMIT 6"))
	{
		same($name, "SELECT count(*) FROM T WHERE updated_at $_ '$value'", "profiles, $type $_ $value")
		  foreach '=', '>=', '>';
	}
	same($name, "SELECT count(*) FROM T WHERE created_at = (SELECT min(created_at) FROM l.$name)",
		"profiles, $type: created_at");
}

#
# Texts that a column cuts, JSON that is no string.
#
my @operators = split /\n/,
  sql('SELECT DISTINCT assigned_user_id FROM crisp.conversations WHERE assigned_user_id IS NOT NULL ORDER '
  	. 'BY 1 LIMIT 1');
my @unexpected = (
	'resolved  ', 'abc', 'abc ', 'abc  ', '', ' ', 5, 5.0, '5', JSON::PP::true, 'true', {}, { id => 5 }, [],
	['resolved'], undef, $operators[0]);
my @patches;

foreach my $i (0 .. $#unexpected)
{
	push @patches,
	  { op => 'patch', index => $i, set => { $_ => $unexpected[$i] } }
	  foreach 'state', 'assigned.user_id', 'inbox_id', 'meta.segments';
}

# An array of text shows nothing that isn't one, so segments get lists.
$_->{set}->{'meta.segments'} = [ $_->{set}->{'meta.segments'} ]
  foreach grep { exists $_->{set}->{'meta.segments'} } @patches;
push @patches, { op => 'patch', index => 20, set => { assigned => {} } },
  { op => 'patch', index => 21, set   => { assigned => undef } },
  { op => 'patch', index => 22, set   => { assigned => [] } },
  { op => 'patch', index => 23, set => { 'assigned' => 'x' } },
  { op => 'patch', index => 23, unset => ['assigned'] },
  { op => 'patch', index => 24, set => { 'state' => 'x' } },
  { op => 'patch', index => 24, unset => ['state'] },
  { op => 'patch', index => 25, set => { 'inbox_id' => 'x' } },
  { op => 'patch', index => 25, unset => ['inbox_id'] },
  { op => 'patch', index => 26, set => { 'meta.segments' => 'x' } },
  { op => 'patch', index => 26, unset => ['meta.segments'] },
  { op => 'patch', index => 27, set   => { 'meta.segments' => [] } },
  { op => 'patch', index => 28, set   => { 'meta.segments' => undef } },
  { op => 'patch', index => 29, set   => { 'meta.segments' => [ 'vip', undef ] } },
  { op => 'patch', index => 30, set   => { 'meta.segments' => [ q(a "quoted", \\ one), "caf\x{e9} \x{2615}",
  	'x' x 600 ] } };
$sandbox->data([$_]) foreach @patches;

my @literals = ('resolved', 'resolved  ', 'abc', 'abc ', '5', '5.0', 'true', '', ' ', '{}', '{"id":5}', '[]',
	$operators[0]);

foreach my $type ('text', 'varchar', 'varchar(40)', 'char(40)', 'name', 'jsonb')
{
	my @columns = ('assigned_user_id', 'state');
	my $name = table('conversations', 'session_id text', map { "$_ $type" } @columns);

	foreach my $column (@columns)
	{
		my (@got, @expected);
		my @cases = (
			"$column IS NULL",
			"$column IS NOT NULL",
			map {
				my $l = $type eq 'jsonb' ? "to_jsonb('$_'::text)" : "'$_'";
				(   "$column = $l",
					"$column <> $l",
					$type eq 'jsonb' ? () : ("$column IN ($l, 'none')", "$column = ANY (ARRAY[$l]::text[])",
						"NOT $column = $l"))
			} @literals);

		foreach my $case (@cases)
		{
			my $query = "SELECT count(*), md5(string_agg(session_id, ',' ORDER BY session_id)) FROM T WHERE $case";

			push @got,      "$case: " . sql($query =~ s/T WHERE/f.$name WHERE/r);
			push @expected, "$case: " . sql($query =~ s/T WHERE/l.$name WHERE/r);
		}
		is_deeply(\@got, \@expected, "$column $type");
	}
}
{
	my $name = table('conversations', 'session_id text', 'inbox_id text', 'meta_segments text[]',
		q(more varchar[] OPTIONS (json_path 'meta.segments')));

	foreach my $literal (@literals, 'vip', q(a "quoted", \\ one), "caf\x{e9} \x{2615}", 'x' x 600, 'x' x 1200)
	{
		my $l = "'$literal'";

		same($name, "SELECT count(*), min(session_id) FROM T WHERE $_", "$_" =~ s/x{30,}/x…/gr)
		  foreach "inbox_id = $l", "$l = ANY (meta_segments)", "meta_segments @> ARRAY[$l]",
		  "meta_segments && ARRAY[$l]", "ARRAY[$l] <@ meta_segments", "NOT $l = ANY (meta_segments)",
		  "$l <> ALL (meta_segments)", "NOT meta_segments @> ARRAY[$l]", "NOT meta_segments && ARRAY[$l]",
		  "$l = ANY (more)", "more @> ARRAY[$l]::varchar[]", "$l <> ALL (more)",
		  "meta_segments @> ARRAY[$l, 'vip']", "NOT meta_segments @> ARRAY[$l, 'vip']",
		  "NOT meta_segments && ARRAY[$l, 'vip']", "meta_segments && ARRAY[$l, 'vip']",
		  "'vip' = ANY (meta_segments) AND $l <> ALL (meta_segments)";
	}
	same($name, "SELECT count(*) FROM T WHERE $_", $_)
	  foreach 'inbox_id IS NULL', 'meta_segments IS NULL', 'NULL = ANY (meta_segments)',
	  'NULL <> ALL (meta_segments)', 'meta_segments @> NULL', 'NOT meta_segments @> NULL',
	  'meta_segments @> ARRAY[NULL]::text[]', 'NOT meta_segments @> ARRAY[NULL]::text[]',
	  "meta_segments @> ARRAY['vip', NULL]", "NOT meta_segments @> ARRAY['vip', NULL]",
	  "meta_segments && ARRAY['vip', NULL]", "NOT meta_segments && ARRAY['vip', NULL]",
	  "meta_segments @> '{}'", "NOT meta_segments @> '{}'", "meta_segments && '{}'", "NOT meta_segments && '{}'",
	  "(SELECT NULL::text) <> ALL (meta_segments)", "(SELECT 'vip') = ANY (meta_segments)",
	  "NOT (SELECT ARRAY['vip', NULL]) <@ meta_segments",
	  "'vip' = ANY (meta_segments) IS NOT TRUE", "('vip' = ANY (meta_segments)) IS NULL";
}

# A varchar(n) leaves out blanks.
$sandbox->reset;
$sandbox->data([ { op => 'clear' } ]);
foreach my $text ('abc', 'abc ', 'abc    ', 'ab', 'ab ', 'ab   ', '')
{
	$sandbox->data(
		[   {   op  => 'insert',
				row => {
					session_id => 'session_' . ($made++),
					created_at => 1768470000000 + $made, updated_at => 1768470000000 + $made,
					state => $text, inbox_id => $text, assigned => { user_id => $text },
					meta => { segments => [$text] }
				} } ]);
}
foreach my $type ('varchar(3)', 'three', 'deep', 'char(3)', 'text', 'bpchar')
{
	my $name = table('conversations', 'session_id text', "state $type", "inbox_id $type", "assigned_user_id $type",
		$type eq 'text' ? 'meta_segments text[]' : $type eq 'bpchar' ? 'meta_segments varchar[]'
			: "meta_segments $type\[]");

	foreach my $literal ('abc', 'ab', 'ab ', 'abc ', '')
	{
		same($name, "SELECT count(*), min(session_id) FROM T WHERE $_", "$type: $_")
		  foreach "inbox_id = '$literal'", "assigned_user_id = '$literal'", "assigned_user_id IN ('$literal')",
		  "inbox_id <> '$literal'", "state = '$literal'", "'$literal'::text = ANY (meta_segments)",
		  "'$literal'::text <> ALL (meta_segments)", "meta_segments::text[] @> ARRAY['$literal']",
		  "NOT meta_segments::text[] @> ARRAY['$literal']";
	}
}

# Keys: an address that a column cuts is none to look up; an identifier that is a number is one.
$sandbox->data([ { op => 'clear', resource => 'people' } ]);
foreach my $mail ('a@b.c', 'a@b.c  ', 'd@e.f', 'd@e.f ', 'x@y')
{
	my $id = sprintf '00000000-0000-4000-8000-%012d', ++$made;

	$sandbox->data(
		[   {   op => 'insert', resource => 'people',
				row => { people_id => $id, email => $mail, created_at => 1768470000000 + $made,
					updated_at => 1768470000000 + $made }
			} ]);
}
foreach my $type ('text', 'varchar(5)', 'varchar(6)', 'varchar(9)', 'char(5)')
{
	foreach my $resource ('people_profiles', 'people_data')
	{
		my $name = table($resource, 'people_id text', "email $type");

		same($name, "SELECT string_agg(people_id, ' ' ORDER BY people_id) FROM T WHERE $_", "$resource, $type: $_")
		  foreach map { ("email = '$_'", "email IN ('$_', 'x\@y')") } 'a@b.c', 'd@e.f', 'd@e.f ', 'x@y';
		same($name,
			"SELECT string_agg(people_id, ' ' ORDER BY people_id) FROM (VALUES ('a\@b.c'), ('d\@e.f'), ('x\@y')) v (m) "
				. "JOIN T ON email = m",
			"$resource, $type: a join", before => 'SET enable_hashjoin = off; SET enable_mergejoin = off; ');
	}
}
$sandbox->data(
	[ { op => 'insert_raw',
		text => '{"session_id": 123, "state": "pending", "created_at": 1768470001000, "updated_at": 1768470001000}',
		created_at => 1768470001000, updated_at => 1768470001000 } ]);
same(table('conversations', 'session_id text', 'state text'), "SELECT state FROM T WHERE session_id = '123'",
	'a number for an identifier');

# A type whose text is another than Crisp's.
sql(q(CREATE TYPE lower;
	CREATE FUNCTION lower_in(cstring, oid, int) RETURNS lower IMMUTABLE STRICT LANGUAGE internal AS 'varcharin';
	CREATE FUNCTION lower_out(lower) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'varcharout';
	CREATE TYPE lower (INPUT = lower_in, OUTPUT = lower_out, LIKE = text, TYPMOD_IN = varchartypmodin, TYPMOD_OUT =
	varchartypmodout);
	CREATE CAST (lower AS text) WITHOUT FUNCTION));
{
	my $name = table('conversations', 'session_id text', 'inbox_id lower(3)');

	same($name, "SELECT count(*) FROM T WHERE inbox_id::text = 'abc'", 'a type of one\'s own is none of Crisp\'s');
}

#
# Segments: what is asked, and servers that don't know the filter.
#
$sandbox->reset;
sql('DROP SCHEMA l CASCADE; CREATE SCHEMA l');

my $segments = do
{
	my $n = 'segments';
	sql("CREATE FOREIGN TABLE f.$n (session_id text, state text, updated_at timestamptz, meta_segments text[],
			search_query text) SERVER support OPTIONS (resource 'conversations');
		CREATE TABLE l.$n AS SELECT * FROM f.$n");
	$n;
};
my $vip   = "SELECT count(*) FROM T WHERE 'vip' = ANY (meta_segments)";
my $lacks = "SELECT count(*) FROM T WHERE 'vip' <> ALL (meta_segments)";
my $none  = "SELECT count(*) FROM T WHERE 'none such' = ANY (meta_segments)";
my $eq    = qr/search_type=filter&search_query=%5B%7B[^&]*%22eq%22[^&]*&search_operator=and/;
my $neq   = qr/search_type=filter&search_query=%5B%7B[^&]*%22neq%22[^&]*&search_operator=and/;
my $pages = int((sql("SELECT count(*) FROM l.$segments") + 49) / 50);

sub afresh { run_statements($node, $sandbox); return }

afresh();
same($segments, $vip, 'a segment', asked => $eq, requests => int(sql($vip =~ s/\bT\b/l.$segments/r) / 50) + 2);
same($segments, "$vip AND state = 'resolved' AND updated_at > '2025-06-01'",
	'with other filters', asked => qr/filter_date_start=.*filter_resolved=1.*$eq/);
same($segments, $none, 'no such segment', asked => $eq, requests => 1);
same($segments, $lacks, 'what lacks a segment', asked => $neq);
same($segments, $lacks =~ s/count.*FROM/array_agg(session_id) FROM (SELECT * FROM/r
	. ' ORDER BY updated_at DESC LIMIT 4) x',
	'the newest that lack a segment', asked => $neq);
is(sql("SELECT count(*) FROM f.$segments WHERE 'vip' = ANY (meta_segments) AND search_query = 'refund'"),
	sql("SELECT count(*) FROM (SELECT * FROM f.$segments WHERE search_query = 'refund') x JOIN l.$segments l USING "
		. "(session_id) WHERE 'vip' = ANY (l.meta_segments)"),
	'with a search');
same($segments, "$vip AND 'lead' <> ALL (meta_segments)", 'a segment and not another', asked => $eq, not_asked => $neq);

afresh();
same($segments, $none, 'no such segment, in a new session', asked => $neq, requests => 2);
same($segments, $none, 'no such segment, again', requests => 1);

afresh();
same($segments, $lacks =~ s/count.*FROM/array_agg(session_id) FROM (SELECT * FROM/r
	. ' ORDER BY updated_at DESC LIMIT 4) x',
	'the newest that lack a segment, unproved');

# Refused.
foreach my $status (400)
{
	afresh();
	$sandbox->control({ answers => [ { match => { query => 'search_type=filter' }, status => $status,
					body => '{"error":true,"reason":"invalid_data","data":{}}' } ] });
	same($segments, $vip, "refused: a segment", requests => $pages + 3);
	same($segments, $vip, "refused: once", not_asked => qr/search_type/);
	same($segments, $lacks, "refused: what lacks a segment");
	same($segments, $lacks, "refused: once, too", not_asked => qr/search_type/);
	afresh();
	same($segments, $_, "refused, exact: $_", before => "SET crisp_fdw.scan_mode = 'exact'; ")
		foreach $vip, $lacks, $none;
	$sandbox->control({ answers => [] });
}

# Taken for words to search for: nothing is found.
foreach my $mode ('fast', 'exact')
{
	$sandbox->control({ answers => [ { match => { query => 'search_type=filter' },
					body => '{"error":false,"reason":"listed","data":[]}' } ] });
	foreach my $query ($vip, $lacks, $none, "$vip AND state = 'resolved'",
		$vip =~ s/count.*FROM/array_agg(session_id) FROM (SELECT * FROM/r . ' ORDER BY updated_at DESC LIMIT 4) x')
	{
		afresh();
		my $before = "SET crisp_fdw.scan_mode = '$mode'; ";

		same($segments, $query, "searched for as words, $mode: $query", before => $before);
		same($segments, $query, "known, $mode: $query", before => $before, not_asked => qr/search_type/);
	}
	$sandbox->control({ answers => [] });
}

# Whatever a server does with filters, orders and dates.
{
	my @settings = (
		{ segments_filter => 'ignored' },
		{ segments_filter => 'refused' },
		{ honour_search => JSON::PP::false },
		{ filter_values => 'first', default_order => 'state' },
		{ filter_values => 'all', default_order => 'random', honour_order => JSON::PP::true },
		{ date_bounds => 'exclusive', past_end => 'not_found', full_last_page => 206 },
		{ honour_dates => JSON::PP::false, honour_order => JSON::PP::false, default_order => 'created' },
		{ segments_filter => 'refused', honour_order => JSON::PP::false, default_order => 'updated' });

	foreach my $settings (@settings)
	{
		$sandbox->control($settings);
		foreach my $mode ('fast', 'exact')
		{
			next if $mode eq 'exact' && exists $settings->{honour_dates};
			afresh();
			same($segments, $_, "$mode, " . join(' ', map { "$_ $settings->{$_}" } sort keys %{$settings}) . ": $_",
				before => "SET crisp_fdw.scan_mode = '$mode'; ")
			  foreach $vip, $lacks, $none, "$vip AND state = 'resolved'", "$lacks AND updated_at < '2025-12-01'",
			  "$vip AND 'lead' <> ALL (meta_segments) AND updated_at > '2025-06-01'",
			  'SELECT max(updated_at) FROM T WHERE meta_segments @> ARRAY[$$vip$$]',
			  'SELECT max(updated_at) FROM T WHERE NOT meta_segments && ARRAY[$$vip$$, $$lead$$]',
			  $lacks =~ s/count.*FROM/array_agg(session_id) FROM (SELECT * FROM/r
			  	. ' ORDER BY updated_at DESC LIMIT 4) x';
		}
		$sandbox->reset;
	}
}

# A list without the filter.
afresh();
$sandbox->control({ honour_filters => JSON::PP::false });
same($segments, $_, "ignored: $_") foreach $vip, $lacks, $none;
$sandbox->control({ honour_filters => JSON::PP::true });

done_testing();
