# Time bounds: what a condition on conversations.updated_at, or on
# people_profiles.created_at, asks of Crisp, and that the rows are those of a
# local copy whatever is asked.

use strict;
use warnings;

use CrispCluster;
use CrispStatement;
use JSON::PP;
use Test::More;

# Three and a bit pages of each.
my ($node, $sandbox) = start_crisp(conversations => 190, people => 170);
my $website = $sandbox->website_id;

run_statements($node, $sandbox);

# What can be bounded: table, its time column, its key, the request.
my %list = (
	conversations => {
		table  => 'conversations',
		column => 'updated_at',
		key    => 'session_id',
		target => "website/$website/conversations"
	},
	people => {
		table  => 'people_profiles',
		column => 'created_at',
		key    => 'people_id',
		target => "website/$website/people/profiles"
	});

# The statement that gives a time, itself SQL, as the API wants it.
sub iso
{
	my ($time) = @_;

	return "SELECT ''" unless defined $time;
	return qq(SELECT to_char(($time) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'));
}

# All that a case must hold for one condition.
#
# condition is SQL with the column as %C.  start and end say, as SQL, which
# bounds the requests must have; undef stands for none.  The rows must be those of
# the same condition on the local copy, or of `local`, where the copy's types
# need other words.
sub check
{
	my ($name, $condition, $start, $end, %option) = @_;
	my $list    = $list{ $option{list} // 'conversations' };
	my $table   = $option{table}  // "crisp.$list->{table}";
	my $before  = $option{before} // '';
	my $column  = $option{column} // $list->{column};
	my $select  = "SELECT coalesce(string_agg($list->{key}, ' ' ORDER BY $list->{key}), '') FROM";
	my $foreign = $condition                     =~ s/%C/$column/gr;
	my $local   = ($option{local} // $condition) =~ s/%C/$list->{column}/gr;
	my $listed =
		"SELECT count(*) FROM copy.$list->{table} WHERE true"
	  . (defined $start ? " AND $list->{column} >= $start" : '')
	  . (defined $end   ? " AND $list->{column} <= $end"   : '');
	$listed = "SELECT count(*) FROM copy.$list->{table}" if $option{ignored};

	# The bounds are reckoned in UTC, whatever the statement's time zone is.
	my ($printed, @requests) = requests_of(
		join ';', iso($start), iso($end), $listed,
		"$select copy.$list->{table}",
		"$before $select copy.$list->{table} WHERE $local",
		"$select $table WHERE $foreign");
	my ($from, $to, $count, $every, $copy, $rows) = split /\n/, $printed, -1;

	return subtest $name => sub {
		is($rows, $copy, 'rows');
		if ($option{some})
		{
			isnt($rows, '',     'there are some');
			isnt($rows, $every, 'and not all');
		}

		# Exclusive bounds may spare a request, and other filters some.
		cmp_ok(scalar @requests, '>=', 1,             'at least one request');
		cmp_ok(scalar @requests, '<=', pages($count), 'no more requests than the rows need');
		is(scalar @requests, pages($count), 'as many requests as the rows need')
		  unless $option{exclusive} || $option{filtered};
		foreach my $number (1 .. @requests)
		{
			my $request = $requests[ $number - 1 ];
			my $got     = parameters($request);

			like($request->{path}, qr{/\Q$list->{target}\E/$number$}, "page $number");
			is($got->{filter_date_start} // '', $from, 'start');
			is($got->{filter_date_end}   // '', $to,   'end');
			is($got->{per_page}, 50, 'per_page');
		}
	};
}

# Neither rows nor requests.
sub check_none
{
	my ($name,    $statement) = @_;
	my ($printed, @requests)  = requests_of($statement);

	is($printed,         '', "$name: no rows");
	is(scalar @requests, 0,  "$name: no request");
	return;
}

# The plan of a statement, for which no request may be made.
sub plan_of
{
	my ($statement, %option) = @_;
	my $options = join ', ', 'COSTS OFF', $option{options} // ();
	my ($printed, @requests) =
	  requests_of(($option{before} // '') . "EXPLAIN ($options) $statement");

	is(scalar @requests, 0, "EXPLAIN makes no request: $statement");
	return $printed;
}

# What a plan shows of the request.
sub planned_request
{
	my ($request) = plan_of(@_) =~ /Crisp Request: (.*)/;

	return $request;
}

# The copies.
sql(<<'END');
CREATE SCHEMA copy;
CREATE TABLE copy.conversations AS SELECT * FROM crisp.conversations;
CREATE TABLE copy.people_profiles AS SELECT * FROM crisp.people_profiles;
CREATE TABLE copy.empty (at timestamptz);
END

# A time of some row in the middle, for each list; one that several rows share,
# made so; and one between two rows.
my %time;
foreach my $name (keys %list)
{
	my ($table, $column) = @{ $list{$name} }{qw(table column)};

	$time{$name} =
	  [ map { sql("SELECT $column FROM copy.$table ORDER BY $column DESC OFFSET $_ LIMIT 1") }
		  (120, 60) ];
}
my ($early, $late) = @{ $time{conversations} };
my $ms = "interval '1 millisecond'";
my $E  = "timestamptz '$early'";
my $L  = "timestamptz '$late'";

cmp_ok(sql('SELECT count(*) FROM copy.conversations'), '>', 150, 'there is more than three pages');
isnt($early, $late, 'and more than one time');

# Operators, both lists, both orders of the operands.
foreach my $list (sort keys %list)
{
	my ($e, $l) = map { "timestamptz '$_'" } @{ $time{$list} };
	my @with = (list => $list, some => 1);

	check("$list >",                    "%C > $e",              "$e - $ms", undef,      @with);
	check("$list >=",                   "%C >= $e",             "$e - $ms", undef,      @with);
	check("$list <",                    "%C < $l",              undef,      "$l + $ms", @with);
	check("$list <=",                   "%C <= $l",             undef,      "$l + $ms", @with);
	check("$list =",                    "%C = $e",              "$e - $ms", "$e + $ms", @with);
	check("$list BETWEEN",              "%C BETWEEN $e AND $l", "$e - $ms", "$l + $ms", @with);
	check("$list, operands turned: <",  "$e < %C",              "$e - $ms", undef,      @with);
	check("$list, operands turned: <=", "$e <= %C",             "$e - $ms", undef,      @with);
	check("$list, operands turned: >",  "$l > %C",              undef,      "$l + $ms", @with);
	check("$list, operands turned: >=", "$l >= %C",             undef,      "$l + $ms", @with);
	check("$list, operands turned: =",  "$e = %C",              "$e - $ms", "$e + $ms", @with);
}
check(
	'the narrowest of several bounds',
	"%C > $E - interval '1 year' AND %C >= $E AND %C < $L + interval '1 h' AND %C <= $L",
	"$E - $ms", "$L + $ms", some => 1);
check(
	'a bound and another condition',
	"%C > $E AND state = 'resolved'",
	"$E - $ms", undef,
	some     => 1,
	filtered => 1);
check('no bound', 'true', undef, undef);

# Microseconds are rounded outward before the bounds are widened.
check('microseconds below', "%C >= $E + interval '123 us'", "$E - $ms", undef,          some => 1);
check('microseconds above', "%C <= $E + interval '123 us'", undef,      "$E + 2 * $ms", some => 1);
check(
	'microseconds before the year 2000',
	"%C > '1999-01-01 00:00:00.0005Z'",
	"timestamptz '1998-12-31 23:59:59.999Z'", undef);
check(
	'microseconds before 1970',
	"%C >= '1969-07-20 20:17:40.1239Z'",
	"timestamptz '1969-07-20 20:17:40.122Z'", undef);
check(
	'an end before the year 2000',
	"%C < '1999-01-01 00:00:00.0005Z'",
	undef, "timestamptz '1999-01-01 00:00:00.002Z'");
check('a microsecond before', "%C > $E - interval '1 us'", "$E - $ms", undef, some => 1);

# Constants of other types.  A timestamp and a date mean the session's time zone.
foreach my $zone ('UTC', 'Asia/Kolkata', 'America/St_Johns')
{
	my $set   = "SET TimeZone = '$zone';";
	my $local = sql("$set SELECT ${E}::timestamp");
	my $day   = sql("$set SELECT ${E}::date");
	my $midnight =
	  "timestamptz '" . sql("$set SELECT date '$day'::timestamptz AT TIME ZONE 'UTC'") . "+00'";

	check(
		"timestamp in $zone", "%C >= timestamp '$local'",
		"$E - $ms",           undef,
		before => $set,
		some   => 1);
	check("date in $zone", "%C < date '$day'", undef, "$midnight + $ms", before => $set, some => 1);
	check(
		"date first, in $zone", "date '$day' <= %C",
		"$midnight - $ms",      undef,
		before => $set,
		some   => 1);
}

# Values that aren't constants.
check('now() - interval', "%C > now() - (now() - $E)", "$E - $ms", undef, some => 1);
check(
	'the newest of a local table',
	"%C > (SELECT max(updated_at) FROM copy.conversations WHERE updated_at <= $E)",
	"$E - $ms", undef, some => 1);
check(
	'two sub-selects',
	"%C BETWEEN (SELECT $E) AND (SELECT $L)",
	"$E - $ms", "$L + $ms", some => 1);
{
	my ($rows, @requests) = requests_of("SELECT count(*) FROM crisp.conversations "
		  . "WHERE updated_at > now() - interval '100 years'");
	my $start = parameters($requests[0])->{filter_date_start};

	is($rows, sql('SELECT count(*) FROM copy.conversations'), 'now() - interval: rows');
	like($start, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'now() - interval: form');
	is( sql("SELECT now() - interval '100 years' - '$start'::timestamptz BETWEEN '0' AND '1 min'"),
		't', 'now() - interval: start');
	is($_, $start, 'now() - interval: the same on every page')
	  foreach map { parameters($_)->{filter_date_start} } @requests;
}

# Prepared statements, with a plan for the value and with one for any value.
foreach my $mode ('force_custom_plan', 'force_generic_plan')
{
	my $prepare = <<"END";
SET plan_cache_mode = $mode;
PREPARE newer(timestamptz) AS SELECT count(*) FROM crisp.conversations WHERE updated_at > \$1;
PREPARE between_them(timestamptz, date) AS
  SELECT session_id FROM crisp.conversations WHERE updated_at BETWEEN \$1 AND \$2;
END
	my ($printed, @requests) =
	  requests_of("$prepare EXECUTE newer('$late'); EXECUTE newer('$early')");

	is( $printed,
		sql(    "SELECT count(*) FROM copy.conversations WHERE updated_at > $L; "
			  . "SELECT count(*) FROM copy.conversations WHERE updated_at > $E"),
		"$mode: rows");
	is_deeply(
		[ map { parameters($_)->{filter_date_start} } @requests ],
		[ (sql(iso("$L - $ms"))) x 2, (sql(iso("$E - $ms"))) x 3 ],
		"$mode: requests");
	check_none("$mode: NULL",          "$prepare EXECUTE between_them(NULL, '2020-01-01')");
	check_none("$mode: NULL",          "$prepare EXECUTE between_them('$early', NULL)");
	check_none("$mode: contradiction", "$prepare EXECUTE between_them('$early', '2001-01-01')");
}

# PL/pgSQL variables are parameters, too.
{
	my ($rows, @requests) = requests_of(<<"END");
CREATE FUNCTION pg_temp.newer(since timestamptz) RETURNS bigint LANGUAGE plpgsql AS
\$\$BEGIN RETURN (SELECT count(*) FROM crisp.conversations WHERE updated_at >= since); END\$\$;
SELECT pg_temp.newer('$late');
END
	is( $rows,
		sql("SELECT count(*) FROM copy.conversations WHERE updated_at >= $L"),
		'PL/pgSQL: rows');
	is(parameters($requests[0])->{filter_date_start}, sql(iso("$L - $ms")), 'PL/pgSQL: request');
}

# Columns of other types.
sql(<<"END");
CREATE SCHEMA ms;
IMPORT FOREIGN SCHEMA crisp LIMIT TO (conversations, people_profiles) FROM SERVER support INTO ms
	OPTIONS (timestamp_type 'bigint');
CREATE DOMAIN moment AS timestamptz CHECK (value > '2000-01-01');
CREATE FOREIGN TABLE as_timestamp (session_id text, updated_at timestamp)
	SERVER support OPTIONS (resource 'conversations');
CREATE FOREIGN TABLE as_date (session_id text, updated_at date)
	SERVER support OPTIONS (resource 'conversations');
CREATE FOREIGN TABLE as_domain (session_id text, updated_at moment)
	SERVER support OPTIONS (resource 'conversations');
CREATE FOREIGN TABLE renamed (created_at text OPTIONS (json_path 'state'), session_id text,
	changed timestamptz OPTIONS (json_path 'updated_at'), updated_at timestamptz OPTIONS (json_path 'created_at'))
	SERVER support OPTIONS (resource 'conversations');
CREATE FOREIGN TABLE as_text (session_id text, updated_at text)
	SERVER support OPTIONS (resource 'conversations');
END

my $e_ms = sql("SELECT (extract(epoch FROM $E) * 1000)::bigint");
my $l_ms = sql("SELECT (extract(epoch FROM $L) * 1000)::bigint");
my @ms   = (table => 'ms.conversations', some => 1);

check('bigint >',                "%C > $e_ms",  $E,         undef,      @ms, local => "%C > $E");
check('bigint >=',               "%C >= $e_ms", "$E - $ms", undef,      @ms, local => "%C >= $E");
check('bigint <',                "%C < $l_ms",  undef,      $L,         @ms, local => "%C < $L");
check('bigint <=',               "%C <= $l_ms", undef,      "$L + $ms", @ms, local => "%C <= $L");
check('bigint =',                "%C = $e_ms",  "$E - $ms", "$E + $ms", @ms, local => "%C = $E");
check('bigint, operands turned', "$l_ms > %C",  undef,      $L,         @ms, local => "%C < $L");
check(
	'bigint BETWEEN',
	"%C BETWEEN $e_ms AND $l_ms",
	"$E - $ms", "$L + $ms", @ms, local => "%C BETWEEN $E AND $L");
check(
	'bigint and the newest of a local table',
	"%C > (SELECT max(extract(epoch FROM updated_at) * 1000)::bigint FROM copy.conversations WHERE updated_at <= $E)",
	$E,
	undef,
	@ms,
	local => "%C > $E");
check(
	'bigint and integer', '%C > 2000000000', "timestamptz '1970-01-24 03:33:20Z'",
	undef,
	table => 'ms.conversations',
	local => 'true');
check(
	'bigint and smallint', "%C >= 7::smallint", "timestamptz '1970-01-01 00:00:00.006Z'",
	undef,
	table => 'ms.conversations',
	local => 'true');
check(
	'bigint and the largest', '%C < 9223372036854775807', undef,
	undef,
	table => 'ms.conversations',
	local => 'true');
check(
	'bigint and the smallest', '%C > -9223372036854775808', undef,
	undef,
	table => 'ms.conversations',
	local => 'true');
check('bigint and numeric', "%C > $e_ms.5", undef, undef, @ms, local => "%C > $E");
{
	my ($pe) = map { "timestamptz '$_'" } @{ $time{people} };
	my $pe_ms = sql("SELECT (extract(epoch FROM $pe) * 1000)::bigint");

	check(
		'bigint of people', "%C > $pe_ms", $pe, undef,
		list  => 'people',
		table => 'ms.people_profiles',
		some  => 1,
		local => "%C > $pe");
}

foreach my $zone ('UTC', 'Asia/Tokyo')
{
	my $set   = "SET TimeZone = '$zone';";
	my $utc   = sql("SELECT $E AT TIME ZONE 'UTC'");
	my $day   = sql("SELECT ($E AT TIME ZONE 'UTC')::date");
	my $D     = "timestamptz '$day 00:00Z'";
	my @stamp = (table => 'as_timestamp', before => $set, some => 1);
	my @date  = (table => 'as_date',      before => $set, some => 1);
	my $copy  = "(%C AT TIME ZONE 'UTC')";

	check(
		"timestamp column, $zone",
		"%C > timestamp '$utc'",
		"$E - $ms", undef, @stamp, local => "%C > $E");
	check(
		"timestamp column and date, $zone",
		"%C <= date '$day'",
		undef, "$D + $ms", @stamp, local => "%C <= $D");
	check(
		"date column >, $zone",
		"%C > date '$day'",
		"$D + interval '1 day' - $ms",
		undef, @date, local => "${copy}::date > '$day'");
	check(
		"date column >=, $zone",
		"%C >= date '$day'",
		"$D - $ms", undef, @date, local => "${copy}::date >= '$day'");
	check(
		"date column <, $zone",
		"%C < date '$day'",
		undef, "$D + $ms", @date, local => "${copy}::date < '$day'");
	check(
		"date column <=, $zone",
		"%C <= date '$day'",
		undef, "$D + interval '1 day' + $ms",
		@date, local => "${copy}::date <= '$day'");
	check(
		"date column =, $zone",
		"%C = date '$day'",
		"$D - $ms", "$D + interval '1 day' + $ms",
		@date,      local => "${copy}::date = '$day'");

	# These compare in the session's time zone, which the API can't know of.
	check("timestamp column and timestamptz, $zone",
		"%C > $E", undef, undef, @stamp, local => "$copy > $E");
	check("date column and timestamptz, $zone",
		"%C > $E", undef, undef, @date, local => "${copy}::date > $E");
}
check('a domain', "%C >= $E", "$E - $ms", undef, table => 'as_domain', some => 1);
check(
	'a renamed column', "changed >= $E",
	"$E - $ms",         undef,
	table => 'renamed',
	some  => 1,
	local => "%C >= $E");
check(
	'a column that only has the name', "updated_at >= $E",
	"$E - $ms",                        undef,
	table => 'renamed',
	some  => 1,
	local => "created_at >= $E");
check('a text column', "%C > '1'", undef, undef, table => 'as_text', local => 'true');

# Whatever the API makes of its bounds.
$sandbox->control({ date_bounds => 'exclusive' });
check('exclusive: >=',       "%C >= $E",   "$E - $ms", undef,      some => 1, exclusive => 1);
check('exclusive: <=',       "%C <= $L",   undef,      "$L + $ms", some => 1, exclusive => 1);
check('exclusive: =',        "%C = $E",    "$E - $ms", "$E + $ms", some => 1, exclusive => 1);
check('exclusive: bigint >', "%C > $e_ms", $E,    undef, @ms, local => "%C > $E", exclusive => 1);
check('exclusive: bigint <', "%C < $l_ms", undef, $L,    @ms, local => "%C < $L", exclusive => 1);
$sandbox->control({ date_bounds => 'inclusive', honour_filters => JSON::PP::false });
check('ignored: >=', "%C >= $E", "$E - $ms", undef,      some => 1, ignored => 1);
check('ignored: =',  "%C = $E",  "$E - $ms", "$E + $ms", some => 1, ignored => 1);
$sandbox->control({ honour_filters => JSON::PP::true });

# Rows that share the bound's millisecond.
$sandbox->data(
	[ { op => 'insert_many', resource => 'conversations', count => 60, at => $e_ms + 0 } ]);
sql('TRUNCATE copy.conversations; INSERT INTO copy.conversations SELECT * FROM crisp.conversations'
);
cmp_ok(sql("SELECT count(*) FROM copy.conversations WHERE updated_at = $E"),
	'>', 50, 'more than a page in one millisecond');
foreach my $bounds ('inclusive', 'exclusive')
{
	my @with = (some => 1, exclusive => $bounds eq 'exclusive');

	$sandbox->control({ date_bounds => $bounds });
	check("shared millisecond, $bounds: >",  "%C > $E",  "$E - $ms", undef,      @with);
	check("shared millisecond, $bounds: >=", "%C >= $E", "$E - $ms", undef,      @with);
	check("shared millisecond, $bounds: <",  "%C < $E",  undef,      "$E + $ms", @with);
	check("shared millisecond, $bounds: <=", "%C <= $E", undef,      "$E + $ms", @with);
	check("shared millisecond, $bounds: =",  "%C = $E",  "$E - $ms", "$E + $ms", @with);
}
$sandbox->control({ date_bounds => 'inclusive' });

# No row can match.
my $keys = 'SELECT session_id FROM crisp.conversations WHERE updated_at';
check_none('contradiction',                      "$keys > $L AND updated_at < $E");
check_none('contradiction within a millisecond', "$keys > $E AND updated_at < $E");
check_none('NULL',                               "$keys > NULL::timestamptz");
check_none('NULL of a sub-select',               "$keys > (SELECT max(at) FROM copy.empty)");
check_none('NULL beside a bound',   "$keys > $E AND updated_at < (SELECT max(at) FROM copy.empty)");
check_none('after the end of time', "$keys > 'infinity' AND updated_at < $E");
check_none(
	'a bigint contradiction',
	"SELECT session_id FROM ms.conversations "
	  . "WHERE updated_at > $e_ms AND updated_at < $e_ms + 1");

# Times that ISO 8601 can't say, or that aren't times.
foreach my $case (
	[ q(%C < 'infinity'),                      undef, undef ],
	[ q(%C <= 'infinity'),                     undef, undef ],
	[ q(%C > '-infinity'),                     undef, undef ],
	[ q(%C >= '-infinity'),                    undef, undef ],
	[ q(%C > '0044-03-15 BC'),                 undef, undef ],
	[ q(%C >= '4713-01-01 00:00Z BC'),         undef, undef ],
	[ q(%C < '20000-01-01'),                   undef, undef ],
	[ q(%C < '294276-12-31 23:59:59.999999Z'), undef, undef ],
	[ q(%C < date 'infinity'),                 undef, undef ],
	[ q(%C > date '-infinity'),                undef, undef ],
	[ q(%C < '9999-12-31 23:59:59Z'),          undef, q(timestamptz '9999-12-31 23:59:59.001Z') ],
	[ q(%C > '0001-01-01 00:00:01Z'),          q(timestamptz '0001-01-01 00:00:00.999Z'), undef ])
{
	my ($condition, $start, $end) = @{$case};

	check("$condition matches all", $condition, $start, $end);
}
foreach my $condition (
	q(> 'infinity'),
	q(= 'infinity'),
	q(< '-infinity'),
	q(= '-infinity'),
	q(< '0044-03-15 BC'),
	q(> '20000-01-01'),
	q(= '20000-01-01'),
	q(= '0044-03-15 BC'),
	q(> date 'infinity'),
	q(< date '-infinity'))
{
	my ($rows, @requests) = requests_of("$keys $condition");

	is($rows, '', "$condition matches nothing");
	cmp_ok(scalar @requests, '<=', 1, "$condition costs a request at most");
}
{
	# A date beyond the range of timestamps.
	my ($rows) = requests_of(
		"SELECT count(*) FROM crisp.conversations WHERE updated_at < date '5874897-12-31'");
	is($rows, sql('SELECT count(*) FROM copy.conversations'), 'a date after all timestamps');
}

# A row of the far future, and one of the far past, are found by the bounds that the API can't take.
$sandbox->data(
	[
		map {
			{
				op         => 'insert_raw',
				resource   => 'conversations',
				created_at => $_->[1],
				updated_at => $_->[1],
				text       => qq({"session_id":"$_->[0]","created_at":$_->[1],"updated_at":$_->[1]})
			}
		} ([ 'future', 571000000000000 ], [ 'past', -63555000000000 ])
	]);
is(sql("$keys > '20000-01-01 00:00Z'"), 'future', 'a row of the year 20000');
is(sql("$keys < '0001-01-01 00:00Z'"),  'past',   'a row before Christ');
is(sql("$keys < '1900-01-01 00:00Z'"),  'past',   'a row before Christ, and an end');
is(sql("$keys > '2900-01-01 00:00Z'"),  'future', 'a row of the year 20000, and a start');
$sandbox->data(
	[ map { { op => 'delete', resource => 'conversations', key => $_ } } 'future', 'past' ]);

# What stays with PostgreSQL.
sql(<<'END');
CREATE SCHEMA odd;
CREATE FUNCTION odd.reversed(timestamptz, timestamptz) RETURNS boolean
	LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 < $2; END';
CREATE OPERATOR odd.> (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = odd.reversed);
CREATE FUNCTION odd.moment() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS
	$$BEGIN RETURN timestamptz '2000-01-01'; END$$;
END
foreach my $condition (
	"%C > $L OR state = 'resolved'",
	"NOT (%C > $E AND state = 'resolved')",
	"%C <> $E",
	"%C IN ($E, $L)",
	"%C NOT IN ($E, $L)",
	"%C = ANY (ARRAY[$E, $L])",
	"%C > waiting_since",
	"%C >= created_at + interval '1 day'",
	"%C + interval '1 day' > $L",
	"date_trunc('day', %C) > $L",
	"%C::date = ${E}::date",
	"%C::text > '$early'",
	"extract(year FROM %C) >= 1990",
	"%C > odd.moment()",
	"%C < clock_timestamp() - random() * interval '1 us'",
	"%C IS NOT NULL",
	"%C OPERATOR(odd.>) $E",
	"(SELECT $E OPERATOR(odd.>) %C)",
	"%C IS DISTINCT FROM $E")
{
	check("local: $condition", $condition, undef, undef);
}
check('a condition that PostgreSQL turns round', "NOT (%C > $E)", undef,   "$E + $ms", some => 1);
check('a list of one',                           "%C IN ($E)", "$E - $ms", "$E + $ms", some => 1);
check(
	'a bound beside what stays local',
	"%C > $E AND %C <> $L AND %C < created_at + interval '10 years'",
	"$E - $ms", undef, some => 1);
check('another time column', "created_at < $E", undef, undef, some => 1);

# A bound inside an outer join's condition, a sub-select and a view holds for its scan alone.
{
	my $from = sql(iso("$L - $ms"));
	my ($rows, @requests) =
	  requests_of("SELECT count(*), count(c.session_id) FROM copy.conversations l "
		  . "LEFT JOIN crisp.conversations c ON c.session_id = l.session_id AND c.updated_at >= $L"
	  );

	is( $rows,
		sql("SELECT count(*), count(*) FILTER (WHERE updated_at >= $L) FROM copy.conversations"),
		'outer join: rows');
	is(parameters($requests[0])->{filter_date_start}, $from, 'outer join: request');

	($rows, @requests) = requests_of(
			"CREATE TEMP VIEW recent AS SELECT * FROM crisp.conversations WHERE updated_at >= $E; "
		  . "SELECT count(*) FROM recent WHERE updated_at >= $L");
	is($rows, sql("SELECT count(*) FROM copy.conversations WHERE updated_at >= $L"), 'view: rows');
	is(parameters($requests[0])->{filter_date_start}, $from, 'view: request');

	($rows, @requests) = requests_of(
		"SELECT count(*) FROM (SELECT * FROM crisp.conversations LIMIT 10) s WHERE updated_at > $E"
	);
	is(scalar @requests,                              1,     'outside of a LIMIT: requests');
	is(parameters($requests[0])->{filter_date_start}, undef, 'outside of a LIMIT: no bound');
}

# EXPLAIN.
my $all    = "GET website/$website/conversations/1?per_page=50";
my $order  = '&order_date_updated=1';
my $select = 'SELECT session_id FROM crisp.conversations';
my $newest = '(SELECT max(updated_at) FROM copy.conversations)';
my $from   = sql(iso("$E - $ms"));
my $to     = sql(iso("$E + $ms"));

is(planned_request($select), "$all$order", 'EXPLAIN: no bound');
is( planned_request("$select WHERE updated_at > $E"),
	"$all&filter_date_start=$from$order",
	'EXPLAIN: a constant');
is( planned_request("$select WHERE updated_at = $E"),
	"$all&filter_date_start=$from&filter_date_end=$to$order",
	'EXPLAIN: equality');
is( planned_request("$select WHERE updated_at > now() - (now() - $E)"),
	"$all&filter_date_start=$from$order",
	'EXPLAIN: now()');
is( planned_request("SELECT people_id FROM crisp.people_profiles WHERE created_at > $E"),
	"GET website/$website/people/profiles/1?per_page=50&filter_date_start=$from"
	  . '&sort_field=created_at&sort_order=descending',
	'EXPLAIN: people');
is( planned_request('SELECT user_id FROM crisp.operators'),
	"GET website/$website/operators/list",
	'EXPLAIN: operators');
is( planned_request('SELECT session_id FROM crisp.visitors'),
	"GET website/$website/visitors/list/1",
	'EXPLAIN: visitors');
like(
	planned_request("$select WHERE updated_at > $newest"),
	qr/^\Q$all\E&filter_date_start=\{\S.*\}\Q$order\E$/,
	'EXPLAIN: a value that only execution knows');
like(
	planned_request("$select WHERE updated_at > $newest AND updated_at <= $E"),
	qr/^\Q$all&filter_date_end=$to\E&filter_date_start=\{\S.*\}\Q$order\E$/,
	'EXPLAIN: one value of two is known');
like(planned_request("$select WHERE updated_at > $L AND updated_at < $E"),
	qr/^none\b/, 'EXPLAIN: a contradiction');

foreach my $mode ('force_custom_plan', 'force_generic_plan')
{
	my $before =
	  "SET plan_cache_mode = $mode; PREPARE p(timestamptz) AS $select WHERE updated_at > \$1; ";

	is( planned_request("EXECUTE p($E)", before => $before),
		"$all&filter_date_start=$from$order",
		"EXPLAIN EXECUTE: $mode");

	# A plan for this value alone has no scan.
	next if $mode eq 'force_custom_plan';
	like(planned_request('EXECUTE p(NULL)', before => $before),
		qr/^none\b/, 'EXPLAIN EXECUTE of NULL');
}
{
	my $plan = decode_json(plan_of("$select WHERE updated_at > $E", options => 'FORMAT JSON'));

	is($plan->[0]->{Plan}->{'Crisp Request'}, "$all&filter_date_start=$from$order", 'EXPLAIN: JSON');
	like(
		plan_of("$select WHERE updated_at > $E", options => 'FORMAT YAML'),
		qr/Crisp Request: "\Q$all&filter_date_start=$from$order\E"/,
		'EXPLAIN: YAML');
	like(
		plan_of("$select WHERE updated_at > $E", options => 'VERBOSE'),
		qr/Filter: .*updated_at > .*Crisp Request: \Q$all&filter_date_start=$from\E/s,
		'EXPLAIN: the condition is checked again');

	my ($printed, @requests) =
	  requests_of("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) $select WHERE updated_at >= $L");
	like(
		$printed,
		qr/Crisp Request: \Q$all&filter_date_start=\E/,
		'EXPLAIN ANALYZE: shows the request');
	cmp_ok(scalar @requests, '>=', 1, 'EXPLAIN ANALYZE: makes it');
}

$node->stop;
done_testing();
