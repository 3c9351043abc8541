# Scans: every row and every column as the API has them, with the requests
# that this takes and no more, whatever the executor does with a scan.

use strict;
use warnings;

use CrispCluster;
use CrispStatement;
use HTTP::Tiny;
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use POSIX        qw(ceil strftime);
use Test::More;

my ($node, $sandbox) =
  start_crisp(conversations => 230, people => 160, visitors => 40, operators => 12);
my $website = $sandbox->website_id;
run_statements($node, $sandbox);
my @resources = qw(conversations people_profiles visitors operators);

# What the sandbox calls a resource.
my %listed_as = (people_profiles => 'people');

my $exact = JSON::PP->new->utf8->allow_nonref->canonical->allow_bignum;

# Serve so many conversations, and none else.
sub serve
{
	my ($count) = @_;

	$sandbox->data(
		[
			{ op => 'clear', resource => 'conversations' },
			{
				op       => 'insert_many',
				resource => 'conversations',
				count    => $count,
				at       => 1_700_000_000_000
			}
		]);
	return;
}

#
# Every row, every column.
#

my %columns;
foreach (split /\n/, sql('SELECT row_to_json(c) FROM crisp_fdw_columns() c'))
{
	my $column = decode_json($_);

	# Crisp sends it with some elements; elements_of() adds it to the others.
	$column->{json_path} = 'website_id' if $column->{column_name} eq 'website_id';
	push @{ $columns{ $column->{resource} } }, $column;
}
is_deeply([ grep { !exists $columns{$_} } @resources ], [], 'the catalog has the resources');

# The value at a path of an element, or undef.
sub value_at
{
	my ($value, $path) = @_;

	# A column without a path reads what the query asked for.
	return undef unless defined $path;
	foreach my $key (split /\./, $path)
	{
		return undef unless ref $value eq 'HASH';
		$value = $value->{$key};
	}
	return $value;
}

# What a column must hold, as the JSON that to_jsonb() gives.  Times are epoch milliseconds, or
# else as ISO 8601 in UTC with as few digits as they need.
sub expected_value
{
	my ($value, $type, $bigint_times) = @_;

	return $value if !defined $value;
	if ($type eq 'timestamp with time zone' && !$bigint_times)
	{
		my $fraction = sprintf('.%03d', $value % 1000) =~ s/\.?0*$//r;

		return strftime('%Y-%m-%dT%H:%M:%S', gmtime($value / 1000)) . "$fraction+00:00";
	}
	return $value if $type ne 'text' || !ref $value;
	return $exact->encode($value);
}

# The paths of an element's leaves: of all that is neither null, nor an object that has members.
sub leaf_paths
{
	my ($value, $prefix) = @_;

	return ()        if !defined $value;
	return ($prefix) if ref $value ne 'HASH';
	return map { leaf_paths($value->{$_}, defined $prefix ? "$prefix.$_" : $_) } keys %{$value};
}

# Whether a path leads to a column, or into one that holds all there is below.
sub has_column
{
	my ($path, $columns) = @_;

	return scalar grep {
			 $path eq $_->{json_path}
		  || $_->{data_type} =~ /^(jsonb|text\[\])$/ && index($path, "$_->{json_path}.") == 0
	} grep { defined $_->{json_path} } @{$columns};
}

# Compare all rows of a table with the elements of the API's list.
sub compare_rows
{
	my ($table, $resource, $elements, $bigint_times, $name) = @_;
	my $columns = $columns{$resource};
	my ($key)   = grep { $_ eq 'session_id' || $_ eq 'people_id' || $_ eq 'user_id' }
	  map { $_->{column_name} } @{$columns};
	my $path     = $resource eq 'operators' ? "details.$key" : $key;
	my %expected = map { value_at($_, $path) => $_ } @{$elements};
	my @rows     = map { $exact->decode($_) } split /\n/, sql("SELECT to_jsonb(t) FROM $table t");
	is(scalar @rows,          scalar @{$elements}, "$name: number of rows");
	is(scalar keys %expected, scalar @{$elements}, "$name: keys differ");
	my @got  = map { $_->{$key} } @rows;
	my @want = map { value_at($_, $path) } @{$elements};
	if ($resource eq 'people_profiles')
	{
		# They are asked for by their creation, and some have the same.
		my @made = map { $expected{$_}->{created_at} } grep { $expected{$_} } @got;

		is_deeply(\@made, [ sort { $b <=> $a } @made ], "$name: newest first");
		@got  = sort @got;
		@want = sort @want;
	}
	is_deeply(\@got, \@want, "$name: rows in the order of the API") or return;

	my @wrong;
	foreach my $row (@rows)
	{
		my $element = $expected{ $row->{$key} };

		push @wrong, "$row->{$key}: columns" unless keys %{$row} == @{$columns};
		foreach my $column (@{$columns})
		{
			my $expected = $exact->encode(
				expected_value(
					value_at($element, $column->{json_path}), $column->{data_type},
					$bigint_times));
			my $got = $exact->encode($row->{ $column->{column_name} });

			push @wrong, "$row->{$key}, $column->{column_name}: $got, not $expected"
			  if $got ne $expected;
		}
	}
	is_deeply(\@wrong, [], "$name: every column of every row");
	return;
}

# The elements of a list, as the sandbox has them, each with its website.
sub elements_of
{
	my ($resource, $website_id) = @_;

	return
	  map { { website_id => $website_id // $website, %{ $exact->decode($_) } } }
	  $sandbox->raw_rows($listed_as{$resource} // $resource, $website_id);
}

sql(<<'END');
CREATE SCHEMA ms;
IMPORT FOREIGN SCHEMA crisp FROM SERVER support INTO ms OPTIONS (timestamp_type 'bigint');
END

# A list of conversations by a client other than the one that is tested.
sub listed
{
	my ($query)       = @_;
	my $credentials   = $sandbox->credentials('website');
	my $authorization = encode_base64("$credentials->{identifier}:$credentials->{key}", '');
	my @listed;

	for (my $page = 1;; $page++)
	{
		my $response = HTTP::Tiny->new->get(
			$sandbox->url . "/website/$website/conversations/$page?$query",
			{ headers => { Authorization => "Basic $authorization", 'X-Crisp-Tier' => 'website' } }
		);
		my $rows = decode_json($response->{content})->{data};

		return @listed unless @{$rows};
		push @listed, map { $_->{session_id} } @{$rows};
	}
	return;
}

my %elements      = map { $_ => [ elements_of($_) ] } @resources;
my $conversations = @{ $elements{conversations} };
my $total         = () = listed('per_page=37&include_empty=1');

is_deeply(
	[ listed('per_page=20&order_date_updated=1') ],
	[ map { $_->{session_id} } @{ $elements{conversations} } ],
	'the list without empty conversations');
cmp_ok($conversations, '>', 200,            'there are five pages');
cmp_ok($total,         '>', $conversations, 'and some empty ones');

foreach my $resource (@resources)
{
	my @elements = @{ $elements{$resource} };

	$sandbox->clear;
	compare_rows("crisp.$resource", $resource, \@elements, 0, $resource);
	my @requests = $sandbox->requests;
	my $per_page = $resource =~ /conversations|people/ ? 'per_page=50' : '';
	$per_page .= '&order_date_updated=1' if $resource eq 'conversations';
	$per_page .= '&sort_field=created_at&sort_order=descending' if $resource eq 'people_profiles';
	my $pages =
		$resource eq 'operators' ? 1
	  : $resource eq 'visitors'  ? undef
	  :                            pages(scalar @elements);

	is(scalar @requests,  $pages,    "$resource: requests") if defined $pages;
	is($_->{query} // '', $per_page, "$resource: query") foreach @requests;
	is_deeply(
		[ map { ($_->{path} =~ m{/(\d+)$})[0] } @requests ],
		[ 1 .. @requests ],
		"$resource: pages in their order, each once") if $resource ne 'operators';

	compare_rows("ms.$resource", $resource, \@elements, 1, "$resource in milliseconds");
}

# Nothing of Crisp's is left out, and nothing is invented.  Rare fields may need all websites.
foreach my $resource (@resources)
{
	my %seen;

	foreach my $number (0 .. $#{ $sandbox->info->{websites} })
	{
		$seen{$_}++
		  foreach map { leaf_paths($_) } elements_of($resource, $sandbox->website_id($number));
	}
	is_deeply([ grep { !has_column($_, $columns{$resource}) } sort keys %seen ],
		[], "$resource: every field has a column");
	is_deeply(
		[
			grep {
				my $path = $_;
				!grep { $_ eq $path || index($_, "$path.") == 0 } keys %seen
			} grep { defined } map { $_->{json_path} } @{ $columns{$resource} }
		],
		[],
		"$resource: every column has data");
}

#
# Pages, and the end of a list.
#

serve(70);
is(costs(2, 'SELECT count(*) FROM crisp.conversations', 'a short 200 ends'), 70, 'all rows');
foreach my $rows (0, 1, 49, 51)
{
	serve($rows);
	is(costs(pages($rows), 'SELECT count(*) FROM crisp.conversations', "$rows rows"),
		$rows, 'all rows');
}
serve(100);

# Rows were announced that an empty page doesn't have: it's asked for again, and the one after it, once a session.
foreach my $case ([ 200, 50, 50 ], [ 206, 50, 50, 0, 0, 0 ], [ 206, 50, 50, 0 ])
{
	my ($status, @pages) = @{$case};

	$sandbox->control({ full_last_page => $status });

	is( costs(
			scalar @pages, 'SELECT count(*) FROM crisp.conversations',
			"a full last page with status $status"),
		100,
		'all rows');
	is_deeply([ map { $_->{rows} } $sandbox->requests ],
		\@pages, 'only where 206 says so is there one more');
}
$sandbox->control({ full_last_page => 200 });

# A backend that has not seen status 206 does not take a full page with status 200 for the last.
serve(50);
$sandbox->clear;
is($node->safe_psql('postgres', 'SELECT count(*) FROM crisp.conversations'),
	50, 'a full first page in a new session: all rows');
is_deeply([ map { $_->{rows} } $sandbox->requests ], [ 50, 0 ], 'and one more request');
serve(120);
{
	my @rows = $sandbox->raw_rows('conversations');
	my $body = '{"error":false,"reason":"listed","data":[' . join(',', @rows[ 0 .. 9 ]) . ']}';

	$sandbox->control(
		{
			answers =>
			  [ { match => { path => '*/conversations/1' }, status => 206, body => $body } ]
		});
	is(costs(3, 'SELECT count(*) FROM crisp.conversations', 'a short 206 goes on'), 80, 'all rows');
	my %empty = (body => '{"error":false,"reason":"listed","data":[]}');

	# One that announces another is asked for again, and then that one is looked at.
	foreach my $case ([ 200, 2 ], [ 206, 4 ])
	{
		my ($status, $requests) = @{$case};

		$sandbox->control(
			{ answers => [ map { { match => { path => "*/conversations/$_" }, status => $status, %empty } } 2, 3 ] });
		is(costs($requests, 'SELECT count(*) FROM crisp.conversations', "an empty $status ends"),
			50, 'all rows');
	}
}
$sandbox->reset;

# Visitors come in pages whose size is the server's choice.
foreach my $size (1, 10, 13, 40, 100)
{
	$sandbox->control({ visitors_per_page => $size });
	$sandbox->clear;
	is(sql('SELECT count(*), count(DISTINCT session_id) FROM crisp.visitors'),
		'40|40', "visitors by $size");
	cmp_ok($sandbox->count, '<=', ceil(40 / $size) + 1, "visitors by $size: requests");
	cmp_ok($sandbox->count, '>=', ceil(40 / $size),     "visitors by $size: requests");
}
$sandbox->data([ { op => 'clear', resource => 'visitors' } ]);
is(costs(1, 'SELECT count(*) FROM crisp.visitors', 'no visitors'), 0, 'no visitors');
$sandbox->reset;

#
# Options of server and table.
#

sql(<<"END");
CREATE FOREIGN TABLE small (session_id text) SERVER support OPTIONS (resource 'conversations', per_page '20');
CREATE FOREIGN TABLE with_empty (session_id text) SERVER support
	OPTIONS (resource 'conversations', include_empty 'true');
CREATE FOREIGN TABLE without_empty (session_id text) SERVER support
	OPTIONS (resource 'conversations', include_empty 'off');
END
costs(pages($conversations, 20), 'SELECT * FROM small', 'per_page of a table');
is(queries(), join(' ', ('per_page=20&order_date_updated=1') x pages($conversations, 20)), 'per_page of a table');
is(costs(pages($total), 'SELECT count(*) FROM with_empty', 'include_empty of a table'),
	$total, 'include_empty: rows');
is_deeply(parameters($_), { per_page => 50, include_empty => 1, order_date_updated => 1 }, 'include_empty: request')
  foreach $sandbox->requests;
is( sql('SELECT count(*) FROM with_empty e WHERE NOT EXISTS (SELECT FROM crisp.conversations c '
	. 'WHERE c.session_id = e.session_id)'
	),
	$total - $conversations,
	'include_empty adds rows, and loses none');

sql(q(ALTER SERVER support OPTIONS (ADD per_page '25', ADD include_empty 'true')));
is(costs(pages($total, 25), 'SELECT count(*) FROM crisp.conversations', 'options of the server'),
	$total, 'options of the server: rows');
is_deeply(parameters($_), { per_page => 25, include_empty => 1, order_date_updated => 1 },
	'options of the server: request')
  foreach $sandbox->requests;
is(costs(pages($total, 20), 'SELECT count(*) FROM small', "a table's option comes first"),
	$total, 'rows');
is( costs(
		pages($conversations, 25),
		'SELECT count(*) FROM without_empty',
		"a table's option comes first"),
	$conversations,
	'rows');
is_deeply(parameters($_), { per_page => 25, order_date_updated => 1 }, 'no include_empty in the request')
  foreach $sandbox->requests;
costs(ceil(161 / 25), 'SELECT FROM crisp.people_profiles', 'people have no empty ones');
is_deeply(parameters($_), { per_page => 25, sort_field => 'created_at', sort_order => 'descending' },
	'people are not asked for them')
  foreach $sandbox->requests;
sql('ALTER SERVER support OPTIONS (DROP per_page, DROP include_empty)');

# Websites: that of the server, another one on a table, both in one query.
connect_crisp($node, $sandbox, server => 'plugin', schema => 'plugin', tier    => 'plugin');
connect_crisp($node, $sandbox, server => 'other',  schema => 'other',  website => 1);
{
	my $second = $sandbox->website_id(1);
	my @second = elements_of('people_profiles', $second);

	sql(<<"END");
CREATE SCHEMA second;
IMPORT FOREIGN SCHEMA crisp LIMIT TO (people_profiles) FROM SERVER plugin INTO second;
ALTER FOREIGN TABLE second.people_profiles OPTIONS (ADD website_id '$second');
END
	cmp_ok(scalar @second, '>', 0, 'the second website has people');
	compare_rows('second.people_profiles', 'people_profiles', \@second, 0, 'website_id of a table');
	compare_rows('other.people_profiles', 'people_profiles', \@second, 0,
		'website_id of the server');
	compare_rows('plugin.people_profiles', 'people_profiles', $elements{people_profiles},
		0, 'the plugin tier');

	costs(
		pages(scalar @second) + pages(160),
		'SELECT count(*) FROM second.people_profiles, plugin.people_profiles',
		'two websites in one query');
	my %websites = map { ($_->{path} =~ m{website/([^/]+)})[0] => 1 } $sandbox->requests;
	is_deeply([ sort keys %websites ], [ sort $website, $second ], 'two websites in one query');
	is($_->{headers}->{'x-crisp-tier'}, 'plugin', 'tier') foreach $sandbox->requests;
}

#
# Columns.
#

my $extra = 0;

# Add a conversation with these further members.
sub insert_conversation
{
	my ($members)  = @_;
	my $at         = 1_800_000_000_000 + ++$extra;
	my $session_id = sprintf 'session_00000000-0000-4000-8000-%012d', $extra;

	$sandbox->data(
		[
			{
				op         => 'insert_raw',
				resource   => 'conversations',
				created_at => $at,
				updated_at => $at,
				text => qq({"session_id":"$session_id","created_at":$at,"updated_at":$at,$members})
			}
		]);
	return $session_id;
}

sub named
{
	my ($columns, $session_id) = @_;

	sql("SET client_min_messages = warning; DROP FOREIGN TABLE IF EXISTS named; CREATE FOREIGN TABLE named "
		. "(session_id text, $columns) "
		  . "SERVER support OPTIONS (resource 'conversations')");
	return sql(
		"SELECT row_to_json(n)::jsonb - 'session_id' FROM named n WHERE session_id = '$session_id'"
	);
}

serve(60);
{
	my $session_id = insert_conversation(
		'"meta":{"nickname":"Ann","data":{"plan":"gold","a_b":1,"a":{"b":2,"c_d":3,"c":{"d":4}},'
		  . '"b_":5,"_x":6,"deep":{"er":{"than":{"that":7}}},"list":[1,{"k":2}],"A":"upper"}},'
		  . '"meta_data":{"other":8},"meta_data_whole":9,"top":"10"');

	is( named(
			'meta_data_plan text, meta_data_a_b int, meta_data_a_c_d int, meta_data_b_ int, meta_data__x int, '
			  . 'meta_data_deep_er_than_that int, meta_data_deep_er jsonb, meta_data_other int, meta_data_whole int, '
			  . 'top int, "meta_data_A" text, meta_data_list jsonb',
			$session_id),
		sql(q(SELECT '{"meta_data_plan":"gold","meta_data_a_b":1,"meta_data_a_c_d":3,"meta_data_b_":5,"meta_data__x":6,)
			  . q("meta_data_deep_er_than_that":7,"meta_data_deep_er":{"than":{"that":7}},"meta_data_other":8,)
			  . q("meta_data_whole":9,)
			  . q("top":10,"meta_data_A":"upper","meta_data_list":[1,{"k":2}]}'::jsonb)),
		'the flattening rule, longest key first');
	is( named(
			q(who text OPTIONS (json_path 'meta.nickname'), state text OPTIONS (json_path 'meta.data.plan'), )
			  . q(b int OPTIONS (json_path 'meta.data.a.b'), again text OPTIONS (json_path 'meta.nickname'), )
			  . q(whole jsonb OPTIONS (json_path 'meta.data.a')),
			$session_id),
		sql(q(SELECT '{"who":"Ann","state":"gold","b":2,"again":"Ann","whole":{"b":2,"c_d":3,"c":{"d":4}}}'::jsonb)
		),
		'renamed columns');
	is( named(
			q(nothing text, meta_nothing int, meta_data_plan_x text, session_id_x text, nickname text, )
			  . q(absent text OPTIONS (json_path 'meta.nothing.at.all'), plan text OPTIONS )
			  . q((json_path 'meta_data.plan'), )
			  . q(index int OPTIONS (json_path 'meta.data.list.0')),
			$session_id),
		sql(q(SELECT '{"nothing":null,"meta_nothing":null,"meta_data_plan_x":null,"session_id_x":null,"nickname":null,)
			  . q("absent":null,"plan":null,"index":null}'::jsonb)),
		'names that no row has are NULL');
	is(sql('SELECT count(*), count(nothing) FROM named'), '61|0', 'NULL in every row');
}
{
	my $session_id = insert_conversation(
		'"meta":{"data":{"a.b":1,"c d":2,"e/f":3,"say '
			. '\"hi\"":4,"":5,"it\'s":6,"\u00fc":7,"tab\there":8,"a":{"b":9},"\\\\":10,"x.y":{"z w":11}}}'
	);

	is( named(
			q(k1 int OPTIONS (json_path 'meta.data."a.b"'), k2 int OPTIONS (json_path 'meta.data."c d"'), )
			  . q(k2b int OPTIONS (json_path 'meta.data.c d'), k3 int OPTIONS (json_path 'meta.data.e/f'), )
			  . q(k4 int OPTIONS (json_path 'meta.data."say ""hi"""'), k5 int OPTIONS (json_path 'meta.data.""'), )
			  . q(k6 int OPTIONS (json_path 'meta.data.it''s'), k7 int OPTIONS (json_path U&'meta.data.\00fc'), )
			  . q(k8 int OPTIONS (json_path E'meta.data.tab\there'), k9 int OPTIONS (json_path 'meta.data.a.b'), )
			  . q(k10 int OPTIONS (json_path 'meta.data.\\'), k11 int OPTIONS (json_path '"meta"."data"."x.y"."z w"'), )
			  . q("meta_data_a.b" int, "meta_data_c d" int, "meta_data_e/f" int),
			$session_id),
		sql(q(SELECT '{"k1":1,"k2":2,"k2b":2,"k3":3,"k4":4,"k5":5,"k6":6,"k7":7,"k8":8,"k9":9,"k10":10,"k11":11,)
			  . q("meta_data_a.b":1,"meta_data_c d":2,"meta_data_e/f":3}'::jsonb)),
		'keys with dots, blanks, slashes and quotes');
}
$sandbox->reset;

# The envelope of operators is no part of the names, but may be written.
is( sql(q(CREATE FOREIGN TABLE staff (id text OPTIONS (json_path 'details.user_id'), user_id text,
	      details_user_id text, type text, details jsonb)
	      SERVER support OPTIONS (resource 'operators');
	      SELECT count(*), count(*) FILTER (WHERE (id, id, id) IS NOT DISTINCT
	      FROM (user_id, details_user_id, details ->> 'user_id') AND type <> ''), count(id) FROM staff)
	),
	'12|12|11',
	'columns of an envelope');

is(costs(pages($conversations), 'SELECT count(*) FROM crisp.conversations', 'count(*)'),
	$conversations, 'count(*)');
is(costs(1, 'SELECT count(*) FROM crisp.operators', 'count(*) of operators'),
	12, 'count(*) of operators');
is(costs(0, 'SELECT count(*) FROM crisp.operators WHERE false', 'a condition that is false'),
	0, 'a condition that is false');
is(costs(1, 'SELECT 1 FROM crisp.operators LIMIT 2', 'constants'), "1\n1", 'constants');

# Whole rows, system columns, conditions on columns that aren't selected.
is( sql('SELECT count(o), count(*) FILTER (WHERE (o).email = o.email), min(length(o::text)) > 40 FROM crisp.operators o'
	),
	'12|12|t',
	'whole rows');
is(sql('SELECT DISTINCT tableoid::regclass FROM crisp.operators'), 'crisp.operators', 'tableoid');
is( sql('SELECT DISTINCT tableoid::regclass, (o IS NOT NULL OR o IS NULL OR true) FROM crisp.operators o'
	),
	'crisp.operators|t',
	'tableoid and a whole row');
is( sql("SELECT count(*) FROM crisp.conversations WHERE state = 'resolved'"),
	scalar(grep { ($_->{state} // '') eq 'resolved' } @{ $elements{conversations} }),
	'a condition on a column that is not selected');
is( sql("SELECT string_agg(session_id, ',') FROM crisp.conversations WHERE meta_nickname IS NULL "
	. "AND created_at > '2000-01-01'"
	),
	join(',',
		map  { $_->{session_id} }
		grep { !defined value_at($_, 'meta.nickname') } @{ $elements{conversations} }),
	'conditions on two columns that are not selected');

# Dropped, added and reordered columns.
sql(<<'END');
CREATE SCHEMA changed;
IMPORT FOREIGN SCHEMA crisp LIMIT TO (conversations) FROM SERVER support INTO changed;
ALTER FOREIGN TABLE changed.conversations DROP COLUMN session_id, DROP COLUMN meta_data, DROP COLUMN state,
	ADD COLUMN key text OPTIONS (json_path 'session_id'), ADD COLUMN state text;
CREATE FOREIGN TABLE reordered (updated_at timestamptz, meta_email text, state text, session_id text, created_at bigint)
	SERVER support OPTIONS (resource 'conversations');
END
is( sql(q{SELECT md5(string_agg((to_jsonb(c) - 'key' || jsonb_build_object('session_id', key))::text, ',' ORDER }
	. q{BY key)) FROM changed.conversations c}
	),
	sql(q(SELECT md5(string_agg((to_jsonb(c) - 'meta_data')::text, ',' ORDER BY session_id)) FROM crisp.conversations c)
	),
	'dropped and added columns');
is( sql('SELECT md5(string_agg(concat_ws(chr(1), session_id, state, meta_email, updated_at, created_at), chr(2))) '
	. 'FROM reordered'
	),
	sql(    'SELECT md5(string_agg(concat_ws(chr(1), session_id, state, meta_email, updated_at, '
		  . '(extract(epoch FROM created_at) * 1000)::bigint), chr(2))) FROM crisp.conversations'),
	'columns in another order');

# Children of other tables, with their columns in another order.
sql(<<"END");
CREATE TABLE everywhere (session_id text, website_id text, state text, updated_at timestamptz) PARTITION BY
	LIST (website_id);
CREATE FOREIGN TABLE everywhere_here (updated_at timestamptz, junk int, state text, website_id text, session_id text)
	SERVER support OPTIONS (resource 'conversations');
ALTER FOREIGN TABLE everywhere_here DROP COLUMN junk;
ALTER TABLE everywhere ATTACH PARTITION everywhere_here FOR VALUES IN ('$website');
CREATE TABLE everywhere_else PARTITION OF everywhere DEFAULT;
INSERT INTO everywhere VALUES ('session_local', 'local', 'pending', '2000-01-01');
CREATE TABLE parent (state text, session_id text);
INSERT INTO parent VALUES ('local', 'session_parent');
CREATE FOREIGN TABLE child (session_id text, extra bigint OPTIONS (json_path 'updated_at'), state text)
	INHERITS (parent) SERVER support OPTIONS (resource 'conversations');
CREATE FOREIGN TABLE late_child (session_id text, updated_at bigint, state text)
	SERVER support OPTIONS (resource 'conversations');
ALTER FOREIGN TABLE late_child INHERIT parent;
END
my $states =
  'SELECT md5(string_agg(concat_ws(chr(1), session_id, state), chr(2) ORDER BY session_id)) FROM';
is( sql("$states everywhere WHERE website_id <> 'local'"),
	sql("$states crisp.conversations"),
	'a partition');
is( costs(
		0,
		"SELECT session_id FROM everywhere WHERE website_id = 'local'",
		'a partition that is pruned'),
	'session_local',
	'a partition that is pruned');
{
	my $newest = sql('SELECT max(updated_at) FROM crisp.conversations');
	my $rows   = costs(
		1,
		"SELECT count(*) FROM everywhere WHERE updated_at >= '$newest'",
		'a bound on a partitioned table');

	is( $rows,
		sql("SELECT count(*) FROM crisp.conversations WHERE updated_at >= '$newest'"),
		'a bound on a partitioned table');
	like(queries(), qr/filter_date_start=/, 'a bound on a partitioned table goes to the partition');
}
is(sql("$states child"), sql("$states crisp.conversations"), 'a child');
is( sql('SELECT count(*), count(DISTINCT session_id) FROM parent'),
	(2 * $conversations + 1) . '|' . ($conversations + 1),
	'a parent');
is( sql("SELECT count(*) FROM parent WHERE state = 'resolved'"),
	2 * sql("SELECT count(*) FROM crisp.conversations WHERE state = 'resolved'"),
	'a condition on a parent');
is(sql('SELECT count(*) FROM late_child WHERE updated_at > 1000'),
	$conversations, 'a child that came later');

$node->stop;
done_testing();
