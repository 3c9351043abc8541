# What a query costs in requests: every line of the table in docs/pushdown.md,
# on 10,000 conversations and 5,000 profiles, with the rows compared to those of
# a local copy.

use strict;
use warnings;

use CrispCluster;
use CrispCopy;
use CrispSession;
use CrispStatement;
use Encode qw(decode_utf8);
use JSON::PP;
use POSIX qw(ceil);
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 10000, people => 5000);

run_statements($node, $sandbox);
make_copies();

my $conversations = 'crisp.conversations';
my $people        = 'crisp.people_profiles';
my $all           = pages_of('conversations',   'true');
my $all_people    = pages_of('people_profiles', 'true');

#
# Whole lists.
#

check('all conversations', $all,        "SELECT session_id, updated_at, state FROM $conversations");
check('all profiles',      $all_people, "SELECT people_id, email, updated_at FROM $people");
is(count('people_profiles', 'true') % 50, 0, 'the last page of profiles is full, and says 200');

# Only a session that has seen no 206 looks behind a full page.
{
	my $fifty = "updated_at >= '"
	  . sql('SELECT updated_at FROM copy.conversations ORDER BY 1 DESC OFFSET 49 LIMIT 1') . "'";

	is(count('conversations', $fifty), 50, 'fifty rows');
	check('a full page that is the last', 1, "SELECT session_id FROM $conversations WHERE $fifty");
	run_statements($node, $sandbox);
	check('a full page, 206 not seen', 2, "SELECT session_id FROM $conversations WHERE $fifty");
	sql("SELECT count(updated_at) FROM $conversations");
	check('a full page, 206 seen', 1, "SELECT session_id FROM $conversations WHERE $fifty");
}

#
# updated_at of conversations, compared with anything.
#

my ($early, $late) = map { lonely_time($_) } 'ASC', 'DESC';
my ($early_ms, $late_ms) =
  map { sql("SELECT (extract(epoch FROM timestamptz '$_') * 1000)::bigint") } $early, $late;
my ($e, $l) = map { "timestamptz '$_'" } $early, $late;

sql("CREATE TABLE copy.nothing (at timestamptz); CREATE TABLE bound AS SELECT $e AS early, $l "
	. "AS late, ${early_ms}::bigint AS early_ms, ${late_ms}::bigint AS late_ms; ANALYZE bound"
);
foreach my $operator ('>', '>=', '<', '<=', '=')
{
	my $time   = $operator =~ /</ ? $early    : $late;
	my $ms     = $operator =~ /</ ? $early_ms : $late_ms;
	my $which  = $operator =~ /</ ? 'early'   : 'late';
	my $t      = "timestamptz '$time'";
	my $day    = sql("SELECT ${t}::date");
	my $select = "SELECT session_id FROM $conversations WHERE updated_at $operator";
	my $expect = pages_of('conversations', "updated_at $operator $t");
	my $nested = 'SET enable_hashjoin = off; SET enable_mergejoin = off';

	check("$operator timestamptz", $expect, "$select $t");
	check("$operator timestamp",
		$expect, "$select timestamp '" . sql("SELECT ${t}::timestamp") . "'");
	check(
		"$operator timestamp elsewhere",
		$expect,
		"$select timestamp '" . sql("SET TimeZone = 'Asia/Tokyo'; SELECT ${t}::timestamp") . "'",
		before => "SET TimeZone = 'Asia/Tokyo'");
	check(
		"$operator date",
		pages_of('conversations', "updated_at $operator date '$day'"),
		"$select date '$day'",
		none => $operator eq '=');
	check("$operator now()",    $expect, "$select now() - (now() - $t)");
	check("$operator InitPlan", $expect, "$select (SELECT max($which) FROM bound)");
	check(
		"$operator outer column",
		$expect,
		"SELECT c.session_id FROM bound b JOIN $conversations c ON c.updated_at $operator b.$which",
		before => $nested);
	check(
		"$operator LATERAL",
		$expect,
		"SELECT c.* FROM bound b, LATERAL (SELECT session_id FROM $conversations WHERE updated_at $operator b.$which "
			. "OFFSET 0) c"
	);
	check(
		"$operator, operands turned",
		$expect,
		"SELECT session_id FROM $conversations WHERE $t "
		  . ($operator =~ tr/<>/></r)
		  . ' updated_at');
	check(
		"$operator bigint",
		$expect,
		"SELECT session_id FROM ms.conversations WHERE updated_at $operator $ms",
		local => "$select $t" =~ s/crisp/copy/r);
	check(
		"$operator bigint of a table",
		$expect,
		"SELECT session_id FROM ms.conversations WHERE updated_at $operator (SELECT max(${which}_ms) FROM bound)",
		local => "$select $t" =~ s/crisp/copy/r);

	foreach my $mode ('force_custom_plan', 'force_generic_plan')
	{
		my $prepare = "SET plan_cache_mode = $mode; PREPARE p(timestamptz) AS $select \$1";

		check("$operator \$1, $mode", $expect, "$prepare; EXECUTE p ('$time')");
		check("$operator \$1, NULL, $mode", 0, "$prepare; EXECUTE p (NULL)", none => 1);
	}
}
{
	my $later  = sql("SELECT $e + interval '20 days'");
	my $expect = pages_of('conversations', "updated_at BETWEEN $e AND '$later'");

	check('BETWEEN', $expect,
		"SELECT session_id FROM $conversations WHERE updated_at BETWEEN $e AND '$later'");
	check(
		'BETWEEN of milliseconds',
		$expect,
		"SELECT session_id FROM ms.conversations WHERE updated_at BETWEEN $early_ms AND "
		  . "$early_ms + 20::bigint * 86400000",
		local =>
		  "SELECT session_id FROM copy.conversations WHERE updated_at BETWEEN $e AND '$later'");
	check(
		'a range without rows',
		1, "SELECT session_id FROM $conversations WHERE updated_at > '2100-01-01'",
		none => 1);
}

# What no row can satisfy.
foreach my $condition (
	"updated_at > $l AND updated_at < $e",
	"updated_at = $l AND updated_at = $e",
	"updated_at > $l AND updated_at < (SELECT early FROM bound)",
	'updated_at > NULL',
	"updated_at BETWEEN $e AND NULL",
	'updated_at > (SELECT max(at) FROM copy.nothing)',
	'updated_at > NULL::timestamptz OR false',
	'session_id = NULL',
	'session_id = (SELECT NULL::text)',
	'session_id = ANY (NULL::text[])',
	q(session_id = ANY ('{}'::text[])),
	q(session_id = ANY ('{NULL}'::text[])),
	'assigned_user_id = (SELECT NULL::text)',
	"created_at > $l AND created_at < $e",
	'search_query = (SELECT NULL::text)',
	'false',
	"state = 'pending' AND 1 = 0")
{
	check(
		"nothing: $condition",
		0, "SELECT session_id FROM $conversations WHERE $condition",
		none => 1);
}
check(
	'nothing of profiles',
	0,
	"SELECT people_id FROM $people WHERE updated_at > $l AND updated_at < (SELECT early FROM bound)",
	none => 1);
check(
	'nothing in segments',
	0, "SELECT people_id FROM $people WHERE segments @> (SELECT ARRAY[NULL])",
	none => 1);
check(
	'a join with an empty table', 0,
	"SELECT c.session_id FROM copy.nothing n JOIN $conversations c ON c.updated_at = n.at",
	none   => 1,
	before => 'SET enable_hashjoin = off; SET enable_mergejoin = off');

#
# The other times of conversations, and the times of profiles.
#

foreach my $column ('created_at', 'waiting_since')
{
	my $select = "SELECT session_id FROM $conversations WHERE $column";
	my $since  = pages_of('conversations', "updated_at >= $l");

	check("$column >",       $since, "$select > $l", asked => qr/filter_date_start=/);
	check("$column >=",      $since, "$select >= $l");
	check("$column between", $since, "$select BETWEEN $l AND $l + interval '1 day'");
	check(
		"$column =",
		$since,
		"$select = (SELECT max($column) FROM copy.conversations WHERE $column <= $l + interval '1 hour')",
		none => 1) if count('conversations', "$column > $l AND $column <= $l + interval '1 hour'");
	check("$column <", $all, "$select < $e");
}
foreach my $condition (
	"> now() - (now() - $l)",
	"< $e",
	"BETWEEN $e AND $e + interval '30 days'",
	'> (SELECT late FROM bound)',
	"= (SELECT max(created_at) FROM copy.people_profiles)")
{
	check(
		"created_at $condition on profiles",
		pages_of('people_profiles', "created_at $condition"),
		"SELECT people_id FROM $people WHERE created_at $condition");
}
check(
	'created_at of profiles in milliseconds',
	pages_of('people_profiles', "created_at > $l"),
	"SELECT people_id FROM ms.people_profiles WHERE created_at > $late_ms",
	local => "SELECT people_id FROM copy.people_profiles WHERE created_at > $l");

# updated_at of profiles: two requests prove the order, once a session.
my $changed = "timestamptz '"
  . sql('SELECT updated_at FROM copy.people_profiles ORDER BY 1 DESC OFFSET 130 LIMIT 1') . "'";

run_statements($node, $sandbox);
foreach my $proof (2, 0)
{
	my $rows = count('people_profiles', "updated_at > $changed");

	cmp_ok($rows, '>', 100, 'more than two pages');
	isnt($rows % 50, 0, 'the row after them is on their last page');
	check(
		"updated_at > of profiles, proof $proof",
		pages($rows) + $proof,
		"SELECT people_id FROM $people WHERE updated_at > $changed",
		asked => qr/sort_field=updated_at&sort_order=/);
}
is((grep { /sort_order=ascending/ } $sandbox->targets),
	0, 'the opposite order is asked for in the proof alone');
foreach my $condition (
	"> $changed",
	">= $changed",
	"BETWEEN $changed AND $changed + interval '1 day'",
	"> (SELECT max(early) + ($changed - $e) FROM bound)",
	"> now() - (now() - $changed)")
{
	check(
		"updated_at $condition on profiles",
		pages_of('people_profiles', "updated_at >= $changed"),
		"SELECT people_id FROM $people WHERE updated_at $condition");
}
check(
	'the newest profile of all',
	1,
	"SELECT people_id FROM $people WHERE updated_at = (SELECT max(updated_at) FROM copy.people_profiles)"
);
check(
	'an early stop at the edge of a page',
	2 + 1,
	"SELECT people_id FROM $people WHERE updated_at >= (SELECT updated_at FROM copy.people_profiles ORDER BY 1 DESC "
		. "OFFSET 99 LIMIT 1)"
);
check('updated_at < of profiles',
	$all_people, "SELECT people_id FROM $people WHERE updated_at < $e");
check(
	'an early stop with milliseconds',
	pages_of('people_profiles', "updated_at > $changed"),
	"SELECT people_id FROM ms.people_profiles WHERE updated_at > (SELECT extract(epoch FROM $changed) * 1000)::bigint",
	local => "SELECT people_id FROM copy.people_profiles WHERE updated_at > $changed");
check(
	'an early stop within a range',
	pages_of('people_profiles', "updated_at >= $changed AND created_at < $l"),
	"SELECT people_id FROM $people WHERE updated_at > $changed AND created_at < $l",
	asked => qr/filter_date_end=/);

#
# Keys.
#

my %keyed = (
	session_id => [ $conversations, keys_of('conversations',   'session_id', 400) ],
	people_id  => [ $people,        keys_of('people_profiles', 'people_id',  400) ],
	email      => [ $people,        keys_of('people_profiles', 'email',      400) ]);

foreach my $column (sort keys %keyed)
{
	my ($table, @keys) = @{ $keyed{$column} };
	my $select = "SELECT $column, updated_at FROM $table WHERE $column";
	my $list   = $table eq $people  ? $all_people              : $all;
	my $absent = $column eq 'email' ? 'nobody@nowhere.invalid' : 'nothing';
	my $three  = quoted(@keys[ 0 .. 2 ]);

	check(
		"$column =", 1,
		"$select = " . quoted($keys[0]),
		asked => qr{/(conversation|people/profile)/[^/]+$});
	check("$column = InitPlan", 1, "$select = (SELECT " . quoted($keys[1]) . '::text)');
	check("$column = and a range",
		1,
		"$select = " . quoted($keys[0]) . " AND updated_at > '2000-01-01' AND created_at < now()");
	check(
		"$column = and another condition",
		1, "$select = " . quoted($keys[0]) . ' AND length(created_at::text) = 0',
		none => 1);
	check("$column, varchar",             1, "$select = " . quoted($keys[0]) . '::varchar');
	check("$column, absent",              1, "$select = '$absent'", none => 1);
	# Of what is searched for together, what isn't found is looked up; t/pushdown/keys.t.
	my $together = $column eq 'email';
	check("$column IN",                   $together ? 1 : 3, "$select IN ($three)");
	check("$column IN, doubles and NULL", $together ? 1 : 3, "$select IN ($three, NULL, $three, NULL)");
	check("$column IN, some absent",      $together ? 2 : 4, "$select IN ($three, '$absent')");
	check("$column IN values of a table", $together ? 2 : 3, "$select IN (SELECT unnest(ARRAY[$three]))");

	foreach my $mode ('force_custom_plan', 'force_generic_plan')
	{
		my $prepare =
		  "SET plan_cache_mode = $mode; PREPARE p(text[]) AS $select = ANY (\$1); PREPARE q(text) AS $select = \$1";

		check("$column = ANY (\$1), $mode", $together ? 1 : 3, "$prepare; EXECUTE p (ARRAY[$three, NULL, $three])");
		check("$column = ANY (NULL), $mode", 0, "$prepare; EXECUTE p (NULL)", none => 1);
		check("$column = \$1, $mode",        1, "$prepare; EXECUTE q (" . quoted($keys[2]) . ')');
		check("$column = NULL, $mode",       0, "$prepare; EXECUTE q (NULL)", none => 1);
	}
	# The first time, the session looks whether the list is shorter.
	sql("$select IN (" . quoted(@keys[ 0 .. 59 ]) . ')');
	check("$column IN a hundred", $together ? 2 : 60, "$select IN (" . quoted(@keys[ 0 .. 59 ]) . ')');
	# It's read by date, as it shows that way which keys there aren't: a key, the count, and two more pages; and
	# the first time in a session, two requests for the order.
	my $proof = $column eq 'people_id' ? 4 : 0;
	check("$column IN so many that the list is shorter",
		$together ? 8 : $proof ? $list + $proof + 2 : $list, "$select IN (" . quoted(@keys[ 0 .. 299 ]) . ')');

	# Joins: as many keys as differ, or the list.
	sql("CREATE TABLE few_$column (k text, n int); INSERT INTO few_$column SELECT k, n FROM unnest(ARRAY["
		  . quoted(@keys[ 0 .. 6 ])
		  . ", '$absent', NULL]) k, generate_series(1, 3) n; ANALYZE few_$column; "
		  . "CREATE TABLE many_$column AS SELECT k FROM unnest(ARRAY["
		  . quoted(@keys)
		  . "]) k; ANALYZE many_$column");
	my $different = $together ? 3 : 8;
	check("join on $column",
		$different, "SELECT k, n, updated_at FROM few_$column JOIN $table ON $column = k");
	check("left join on $column",
		$different, "SELECT k, n, updated_at FROM few_$column LEFT JOIN $table ON $column = k");
	check("$column in a table",
		$different, "SELECT $column FROM $table WHERE $column IN (SELECT k FROM few_$column)");
	check("$column exists",
		$different, "SELECT k FROM few_$column f WHERE EXISTS (SELECT FROM $table WHERE $column = f.k)");
	check("$column of a row",
		8, "SELECT k, (SELECT updated_at FROM $table WHERE $column = k) FROM few_$column");
	check("join of many on $column",
		$together ? 14 : $list + $proof, "SELECT k, updated_at FROM many_$column JOIN $table ON $column = k");
}

# Keys of any form are asked for as they are, or not at all.
foreach my $case (
	[ q('')                     => 0 ],
	[ q('.')                    => 0 ],
	[ q('..')                   => 0 ],
	[ q('a/b')                  => 1 ],
	[ q('%')                    => 1 ],
	[ q('%2e%2e')               => 1 ],
	[ q('a?b=c&d#e')            => 1 ],
	[ q('it''s "quoted"')       => 1 ],
	[ q(' ')                    => 1 ],
	[ q(E'tab\tand\nnewline')   => 1 ],
	[ q(U&'\00fc\4f60\+01f600') => 1 ],
	[ q(repeat('x', 900))       => 1 ],
	[ q(repeat('x', 100000))    => 0 ],
	[ q('1')                    => 1 ])
{
	my ($key, $requests) = @{$case};

	check("the key $key", $requests,
		"SELECT session_id FROM $conversations WHERE session_id = $key",
		none => 1);
	check(
		"the key $key of profiles",
		$requests, "SELECT people_id FROM $people WHERE people_id = $key",
		none => 1);
}
{
	my @odd = sort 'a/b', '100%', 'q?x=1&y#z', q(it's "here"), "Gr\xc3\xbc\xc3\x9fe",
	  '../conversations/1';
	my $at   = 1_700_000_000_000;
	my $json = JSON::PP->new->latin1;

	$sandbox->data(
		[   map {
				{   op         => 'insert_raw',
					resource   => 'conversations',
					created_at => $at,
					updated_at => $at,
					text       => $json->encode(
						{ session_id => decode_utf8($_), created_at => $at, updated_at => $at }) }
			} @odd ]);
	my ($printed, @requests) =
	  requests_of("SELECT session_id FROM $conversations WHERE session_id = ANY (ARRAY["
		  . quoted(@odd)
		  . '])');
	is(sorted($printed), join("\n", @odd), 'odd keys are found');
	is(scalar @requests, scalar @odd,      'odd keys: requests');
	$sandbox->reset;
}

# A text without @ could be taken for the identifier of a profile: e-mail addresses alone are looked up.
check(
	'an e-mail address that is none',
	$all_people, "SELECT people_id FROM $people WHERE email = '" . $keyed{people_id}->[1] . "'",
	none => 1);
foreach my $text (q(''), q('.'), q('..'), q(repeat('x', 1100)), q(repeat('x', 1100) || '@x.com'))
{
	my $id = $keyed{people_id}->[1];

	$sandbox->data([ { op => 'patch', resource => 'people', key => $id, set => { email => sql("SELECT $text") } } ]);
	my ($printed, @requests) = requests_of("SELECT people_id FROM $people WHERE email = $text");
	is($printed, $id, "the e-mail address $text is found");
	cmp_ok(scalar @requests, '>=', $all_people, '... in the list: Crisp cannot be asked for it');
	is( sql("SELECT people_id FROM $people WHERE email IN ($text, 'nobody\@example.com')"),
		$id, '... also among others');
	$sandbox->reset;
	is(scalar(@{ [ requests_of("SELECT people_id FROM $people WHERE people_id = $text") ] }) - 1,
		0, "the key $text costs nothing") if $text !~ /@/;
}
{
	my ($id, $email) = split /\|/, sql(
		'SELECT people_id, email FROM copy.people_profiles WHERE email IS NOT NULL LIMIT 1');

	# In a join, the list that has to be read for these is read once, and serves others, too.  It's read by date, so
	# that pages share rows; one request tells how many there are.
	sql("CREATE TABLE mails AS SELECT n, CASE n % 3 WHEN 0 THEN '$email' WHEN 1 THEN '' ELSE 'nobody ' || n END "
		. "AS email "
		  . 'FROM generate_series(1, 30) n; ANALYZE mails');
	check(
		'a join by what may be no e-mail address',
		$all_people + 5,
		"SELECT n, people_id FROM mails LEFT JOIN $people USING (email)",
		before => 'SET enable_memoize = off; SET enable_hashjoin = off; SET enable_mergejoin = off; '
			. 'SET enable_material = off');
	$sandbox->data([ { op => 'patch', resource => 'people', key => $id, set => { email => 'nobody 5' } } ]);
	is( sql("SELECT n, people_id FROM mails JOIN $people USING (email)"),
		"5|$id", 'and finds the profile whose e-mail address is none');
	is( sql("SELECT n, people_id FROM mails JOIN $people USING (email) WHERE people_id = '$id' LIMIT 1"),
		"5|$id", '... as does a limit');
	$sandbox->reset;
}

#
# Filters.
#

my $assigned = sql(
	'SELECT assigned_user_id FROM copy.conversations WHERE assigned_user_id IS NOT NULL GROUP BY 1 ORDER '
		. 'BY count(*), 1 LIMIT 1'
);
my $inbox = sql(
	'SELECT inbox_id FROM copy.conversations WHERE inbox_id IS NOT NULL GROUP BY 1 ORDER BY count(*), 1 LIMIT 1'
);

# What Crisp counts as resolved, or not: rows without the field, too.
my $resolved = "state IS NOT DISTINCT FROM 'resolved'";
my $open     = "state IS DISTINCT FROM 'resolved'";
my $range    = "updated_at BETWEEN $l - interval '60 days' AND $l";

foreach my $case (
	["state = 'resolved'"],
	["'resolved' = state"],
	["state IN ('resolved')"],
	[ "state <> 'resolved'",                                $open ],
	[ "NOT (state = 'resolved')",                           $open ],
	[ "state IN ('pending', 'unresolved')",                 $open ],
	[ "state = ANY (ARRAY['pending', 'unresolved', NULL])", $open ],
	[ "state = 'pending'",                                  $open ],
	[ 'status = 2',                                         $resolved ],
	[ 'status <> 2',                                        $open ],
	[ 'status IN (0, 1)',                                   $open ],
	["assigned_user_id = '$assigned'"],
	["assigned_user_id IN ('$assigned', '$assigned')"],
	["assigned_user_id = (SELECT '$assigned'::text)"],
	["assigned_user_id = 'nobody'"],
	['assigned_user_id IS NULL'],
	["inbox_id = '$inbox'"],
	["inbox_id = 'nothing'"])
{
	my ($condition, $counted) = @{$case};
	my %with = (
		none  => $condition =~ /nothing|nobody/,
		asked => qr/[?&]filter_(not_)?(resolved|assigned|unassigned|inbox_id)=/);

	$counted //= $condition;
	check(
		$condition,
		pages_of('conversations', $counted),
		"SELECT session_id FROM $conversations WHERE $condition", %with);
	check(
		"$condition, with a range",
		pages_of('conversations', "$counted AND $range"),
		"SELECT session_id FROM $conversations WHERE $condition AND $range", %with);
	like($_, qr/filter_date_start=.*filter_date_end=/, "$condition, with a range: both")
	  foreach $sandbox->targets;
}
check(
	'filters together',
	pages_of('conversations', "$open AND assigned_user_id = '$assigned' AND inbox_id = '$inbox'"),
	"SELECT session_id FROM $conversations WHERE state <> 'resolved' AND assigned_user_id = '$assigned' "
		. "AND inbox_id = '$inbox'",
	none => 1);
check(
	'what the filters have no words for',
	$all,
	"SELECT session_id FROM $conversations WHERE state IS NOT NULL AND (state = 'resolved' OR inbox_id = '$inbox') "
		. "AND assigned_user_id IS NOT NULL"
);
foreach my $condition (
	q(unread_operator > 0),
	q(mentions <> '{}'),
	q(lower(state) = 'resolved'),
	q(state COLLATE "C" LIKE 'res%'))
{
	check(
		"local: $condition", $all, "SELECT session_id FROM $conversations WHERE $condition",
		none  => 1,
		asked => qr/conversations\/\d+\?per_page=50(?:&order_date_updated=1)?$/);
}

foreach my $condition (
	q(segments @> ARRAY['vip']),
	q('vip' = ANY (segments)),
	q(ARRAY['vip'] <@ segments),
	q(segments @> (SELECT ARRAY['vip'])))
{
	check(
		"$condition",
		pages_of('people_profiles', $condition),
		"SELECT people_id FROM $people WHERE $condition",
		asked => qr/search_filter=/);
	check(
		"$condition, with a range",
		pages_of('people_profiles', "$condition AND created_at > $l - interval '90 days'"),
		"SELECT people_id FROM $people WHERE $condition AND created_at > $l - interval '90 days'",
		asked => qr/filter_date_start=/);
}
{
	my ($other) = grep { $_ ne 'vip' } split /\n/,
	  sql(
		q(SELECT s FROM copy.people_profiles, unnest(segments) s WHERE 'vip' = ANY (segments) GROUP BY 1 ORDER )
			. q(BY count(*) DESC, 1)
	  );

	check(
		'two segments',
		pages_of('people_profiles', "segments @> ARRAY['vip', '$other']"),
		"SELECT people_id FROM $people WHERE segments @> ARRAY['vip', '$other']");
	check(
		'two conditions on segments',
		pages_of('people_profiles', "segments @> ARRAY['vip', '$other']"),
		"SELECT people_id FROM $people WHERE 'vip' = ANY (segments) AND segments @> ARRAY['$other']"
	);
	check('either of two segments',
		$all_people, "SELECT people_id FROM $people WHERE segments && ARRAY['vip', '$other']");
}
# Segments of conversations. What is proved once a session was, before.
foreach my $case (
	["meta_segments @> ARRAY['vip']"],
	["'vip' = ANY (meta_segments)"],
	["meta_segments && ARRAY['vip', NULL]"],
	["ARRAY['vip'] <@ meta_segments"],
	["meta_segments @> (SELECT ARRAY['vip', 'trial'])"],
	["'vip' = ANY (meta_segments) AND state = 'resolved'"],
	["meta_segments @> ARRAY['vip'] AND $range"],
	["meta_segments @> ARRAY['vip'] AND NOT 'trial' = ANY (meta_segments)", "meta_segments @> ARRAY['vip']"],
	[ "'vip' <> ALL (meta_segments)",              "('vip' = ANY (meta_segments)) IS NOT TRUE",         qr/neq/ ],
	[ "NOT 'vip' = ANY (meta_segments)",           "('vip' = ANY (meta_segments)) IS NOT TRUE",         qr/neq/ ],
	[ "NOT meta_segments @> ARRAY['vip']",         "('vip' = ANY (meta_segments)) IS NOT TRUE",         qr/neq/ ],
	[ "NOT meta_segments && ARRAY['vip', 'lead']", "(meta_segments && ARRAY['vip', 'lead']) IS NOT TRUE",
		qr/neq.*neq/ ])
{
	my ($condition, $asked_for, $asked) = @{$case};

	# Rows that tell no segments lack each of them, for the sandbox.
	check(
		$condition,
		pages_of('conversations', $asked_for // $condition),
		"SELECT session_id FROM $conversations WHERE $condition",
		asked => $asked // qr/search_type=filter&search_query=%5B%7B[^&]+&search_operator=and/);
}
check(
	'a segment that there is none of',
	1,
	"SELECT session_id FROM $conversations WHERE 'no such' = ANY (meta_segments)",
	none => 1);
check(
	'the newest with a segment',
	1,
	"SELECT session_id FROM $conversations WHERE 'vip' = ANY (meta_segments) ORDER BY updated_at DESC LIMIT 20");
check(
	'either of two segments of conversations',
	$all, "SELECT session_id FROM $conversations WHERE meta_segments && ARRAY['vip', 'trial']");

check(
	'more segments than a URL has room for',
	1,
	"SELECT people_id FROM $people WHERE segments @> (SELECT array_agg('segment ' || n) "
		. "FROM generate_series(1, 3000) n)",
	none  => 1,
	asked => qr/search_filter=.{2000,8000}$/);
check(
	'a segment with quotes',
	1, q(SELECT people_id FROM crisp.people_profiles WHERE segments @> ARRAY['"}],\\ü']),
	none => 1);

# Full-text search: its meaning is the server's, which in the sandbox is that the text occurs.
{
	my $found =
	  q{position('refund' IN lower(concat_ws(chr(1), last_message, topic, preview_message_excerpt, meta_nickname, }
	  	. q{meta_email, meta_phone, meta_subject))) > 0};
	my $rows   = pages_of('conversations', $found);
	my $select = "SELECT session_id, search_query FROM $conversations WHERE search_query";
	my $local  = "SELECT session_id, 'refund' FROM copy.conversations WHERE $found";

	check('search', $rows, "$select = 'refund'", local => $local, asked => qr/search_query=refund/);
	check(
		'search and a range',
		pages_of('conversations', "$found AND updated_at > $l"),
		"$select = 'refund' AND updated_at > $l",
		local => "$local AND updated_at > $l");
	check(
		'search and a filter',
		pages_of('conversations', "$found AND state = 'resolved'"),
		"$select = 'refund' AND state = 'resolved'",
		local => "$local AND state = 'resolved'");
	check(
		'search for a value of a table',
		$rows,
		"$select = (SELECT 'refund'::text)",
		local => $local);

	foreach my $mode ('force_custom_plan', 'force_generic_plan')
	{
		check(
			"search for \$1, $mode",
			$rows,
			"SET plan_cache_mode = $mode; PREPARE p(text) AS $select = \$1; EXECUTE p('refund')",
			local => $local);
	}
	check(
		'a joined search',
		$rows,
		"SELECT session_id, search_query FROM (VALUES ('refund')) v (word) JOIN $conversations ON search_query = word",
		local => $local);
	check(
		'joined searches', $rows + 1,
		"SELECT session_id, word FROM word JOIN $conversations ON search_query = word",
		local  => $local,
		before =>
		  "CREATE TEMP TABLE word AS SELECT unnest(ARRAY['refund', 'no such word anywhere']) AS word; ANALYZE word"
	);
	check(
		'search of profiles', 1,
		"SELECT people_id, search_query FROM $people WHERE search_query = '$keyed{email}->[1]'",
		local =>
		  "SELECT people_id, email FROM copy.people_profiles WHERE email = '$keyed{email}->[1]'",
		asked => qr/search_text=/);
	check(
		'a search for nothing',
		$all,
		"SELECT count(*) FROM $conversations WHERE search_query = ''",
		local => 'SELECT count(*) FROM copy.conversations');
	CrispSession->start($node)->fails(
		"SELECT session_id FROM $conversations WHERE search_query = repeat('x', 1001)",
		{ sqlstate => '54000', message => 'text to search Crisp for is too long' },
		'a text that is too long to search for');
	check(
		'no search',
		$all,
		"SELECT count(search_query), count(*) FROM $conversations WHERE updated_at > '2000-01-01'");
}

#
# The newest rows.
#

# As documented: who waits longest comes first, and who doesn't wait isn't in that list.
$sandbox->control({ waiting_order => 'longest', waiting_order_filters => 'waiting' });
my $waits = pages_of('conversations', 'waiting_since IS NOT NULL');
foreach my $case (
	[ 1,   20 ],
	[ 20,  20 ],
	[ 21,  21 ],
	[ 50,  50 ],
	[ 51,  26 ],
	[ 60,  30 ],
	[ 100, 50 ],
	[ 101, 34 ],
	[ 120, 40 ])
{
	my ($limit, $per_page) = @{$case};
	my $requests = ceil($limit / 50);
	my %with     = (asked => qr/\?per_page=$per_page\b/, ordered => 1);

	foreach my $order ('updated_at DESC', 'created_at DESC', 'waiting_since')
	{
		my ($column) = split / /, $order;
		my $where = $column eq 'waiting_since' ? 'WHERE waiting_since IS NOT NULL' : '';

		check("ORDER BY $order LIMIT $limit",
			$requests, "SELECT $column FROM $conversations $where ORDER BY $order LIMIT $limit", %with);
	}
	check("LIMIT $limit", $requests,
		"SELECT count(*) FROM (SELECT session_id FROM $conversations LIMIT $limit) s", %with);
	check("LIMIT $limit of profiles",
		$requests, "SELECT count(*) FROM (SELECT people_id FROM $people LIMIT $limit) s", %with);
}
foreach my $case (

	# What is known to rule NULL out.
	[ 1,      'WHERE waiting_since IS NOT NULL ORDER BY waiting_since LIMIT 7' ],
	[ 1,      "WHERE waiting_since < $l ORDER BY waiting_since LIMIT 7" ],
	[ 1,      "WHERE waiting_since > $l ORDER BY waiting_since LIMIT 7" ],
	[ 1,      "WHERE waiting_since > $l ORDER BY waiting_since DESC LIMIT 7" ],
	[ $waits, 'WHERE waiting_since IS NOT NULL ORDER BY waiting_since DESC LIMIT 7' ],
	[ $all,   'ORDER BY waiting_since DESC NULLS LAST LIMIT 7' ],
	[ pages_of('conversations', $resolved), "WHERE state = 'resolved' ORDER BY waiting_since DESC NULLS LAST LIMIT 7" ],
	[ 1,    'ORDER BY updated_at DESC NULLS FIRST LIMIT 7' ],
	[ 1,    'ORDER BY updated_at DESC NULLS LAST LIMIT 7' ],
	[ $all, 'ORDER BY waiting_since DESC LIMIT 7' ],
	[   $all,
		'WHERE created_at IS NOT NULL OR waiting_since IS NOT NULL ORDER BY waiting_since DESC LIMIT 7'
	],

	# Crisp gives no list oldest first; a few rows are found by dates (oldest.t), more are sorted here.
	[ $all, 'ORDER BY updated_at LIMIT 30' ],
	[ $all, 'ORDER BY waiting_since NULLS LAST LIMIT 7' ],

	# Conditions.
	[ 1, "WHERE state = 'resolved' ORDER BY updated_at DESC LIMIT 7" ],
	[ 1, "WHERE updated_at < $l ORDER BY updated_at DESC LIMIT 7" ],
	[ 1, "WHERE updated_at < $l ORDER BY created_at DESC LIMIT 7" ],
	[   1,
		"WHERE assigned_user_id IS NULL AND state <> 'resolved' ORDER BY created_at DESC LIMIT 7" ],
	[ 3, "WHERE updated_at > $l ORDER BY updated_at DESC LIMIT 1000" ],
	[ 1, "WHERE updated_at = $l ORDER BY updated_at DESC LIMIT 7" ],

	# OFFSET, known and not.
	[ 1, 'ORDER BY updated_at DESC LIMIT 7 OFFSET 5' ],
	[ 2, 'ORDER BY updated_at DESC LIMIT 7 OFFSET 50' ],
	[ 1, 'ORDER BY updated_at DESC LIMIT 0' ])
{
	my ($requests, $clauses) = @{$case};
	my ($column) = $clauses =~ /BY (\w+)/;

	check(
		$clauses, $clauses =~ /LIMIT 0/ ? 0 : $requests,
		"SELECT $column FROM $conversations $clauses",
		ordered => 1,
		none    => $clauses =~ /LIMIT 0/);
}
foreach my $mode ('force_custom_plan', 'force_generic_plan')
{
	my $prepare =
	  "SET plan_cache_mode = $mode; PREPARE p AS SELECT updated_at FROM $conversations ORDER BY updated_at "
	  	. "DESC LIMIT 7";

	check("ORDER BY … LIMIT, $mode", 1, "$prepare; EXECUTE p", ordered => 1);
}

# The newest row for each of many values that Crisp can't be asked for: the list is gone through
# once, as far as it takes.
sql("CREATE TABLE person AS (SELECT meta_email FROM copy.conversations WHERE meta_email IS NOT NULL ORDER "
	. "BY updated_at DESC LIMIT 40 OFFSET 200) "
	  . "UNION ALL VALUES ('nobody'), (NULL); ANALYZE person");
my $deepest = sql(
	'SELECT min(newest) FROM (SELECT max(updated_at) AS newest FROM copy.conversations JOIN person USING (meta_email) '
		. 'GROUP BY meta_email) s'
);
foreach my $case (
	[ $all, "SELECT p.meta_email, s.* FROM person p, LATERAL (SELECT c.updated_at, c.state FROM $conversations c "
		  . 'WHERE c.meta_email = p.meta_email ORDER BY c.updated_at DESC LIMIT 1) s' ],
	[ $all, "SELECT p.meta_email, (SELECT max(c.updated_at) FROM $conversations c WHERE c.meta_email = p.meta_email) "
		. "FROM person p" ],
	[ $all, "SELECT p.meta_email, s.* FROM person p LEFT JOIN LATERAL (SELECT c.updated_at FROM $conversations c "
		  . 'WHERE c.meta_email > p.meta_email ORDER BY c.updated_at DESC LIMIT 3 OFFSET 2) s ON true' ],
	[ pages_of('conversations', "updated_at >= '$deepest'"),
		"SELECT p.meta_email, s.* FROM person p, LATERAL (SELECT c.updated_at FROM $conversations c "
		  . "WHERE c.meta_email = p.meta_email ORDER BY c.updated_at DESC LIMIT 1) s WHERE p.meta_email <> 'nobody'" ])
{
	my ($requests, $statement) = @{$case};

	foreach my $honest (1, 0)
	{
		my $expected = local_of($statement);

		run_statements($node, $sandbox);
		$sandbox->control({ honour_order => $honest ? JSON::PP::true : JSON::PP::false, default_order => 'created' });
		my ($printed, @requests) = requests_of($statement);
		is(sorted($printed), sorted(sql($expected)),
			"the newest for each, order " . ($honest ? 'kept' : 'ignored') . ": $statement");
		cmp_ok(scalar @requests, '<=', ($honest ? $requests : $all + 6), '... requests');
	}
	$sandbox->reset;
}
run_statements($node, $sandbox);

# A limit that is none: what programs write that want all rows.
foreach my $limit (2_147_483_647, 2_147_483_600, '9223372036854775807')
{
	my %with = (asked => qr/\?per_page=50\b/);

	check("LIMIT $limit", $all, "SELECT session_id FROM $conversations LIMIT $limit", %with);
	check("ORDER BY updated_at DESC LIMIT $limit",
		$all, "SELECT updated_at FROM $conversations ORDER BY updated_at DESC LIMIT $limit", ordered => 1, %with);
}

# An operator that sorts times by something else than time.
sql(<<'END');
CREATE FUNCTION minute_of(timestamptz) RETURNS int IMMUTABLE LANGUAGE sql AS $$SELECT extract(minute FROM $1 AT TIME
	ZONE 'UTC')::int$$;
CREATE FUNCTION minute_lt(timestamptz, timestamptz) RETURNS bool IMMUTABLE LANGUAGE sql
	AS 'SELECT minute_of($1) < minute_of($2)';
CREATE FUNCTION minute_gt(timestamptz, timestamptz) RETURNS bool IMMUTABLE LANGUAGE sql
	AS 'SELECT minute_of($1) > minute_of($2)';
CREATE FUNCTION minute_eq(timestamptz, timestamptz) RETURNS bool IMMUTABLE LANGUAGE sql
	AS 'SELECT minute_of($1) = minute_of($2)';
CREATE FUNCTION minute_cmp(timestamptz, timestamptz) RETURNS int IMMUTABLE LANGUAGE sql
	AS 'SELECT minute_of($1) - minute_of($2)';
CREATE OPERATOR <~ (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = minute_lt, COMMUTATOR = >~);
CREATE OPERATOR >~ (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = minute_gt, COMMUTATOR = <~);
CREATE OPERATOR =~ (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = minute_eq, COMMUTATOR = =~);
CREATE OPERATOR CLASS by_minute FOR TYPE timestamptz USING btree AS
	OPERATOR 1 <~, OPERATOR 3 =~, OPERATOR 5 >~, FUNCTION 1 minute_cmp(timestamptz, timestamptz);
END
check(
	'ORDER BY … USING an operator of another order',
	$all, "SELECT minute_of(updated_at) FROM $conversations ORDER BY updated_at USING >~ LIMIT 300",
	ordered => 1);

# A volatile condition is checked once for each row.
{
	my ($printed, @requests) = requests_of(
		"CREATE TEMP SEQUENCE rows_seen; SELECT count(*) FROM (SELECT updated_at FROM $conversations "
		  . "WHERE nextval('rows_seen') > 0 ORDER BY updated_at DESC LIMIT 5) s; SELECT last_value FROM rows_seen");

	is($printed, "5\n" . count('conversations', 'true'), 'a volatile condition is checked once for each row');
	is(scalar @requests, $all, '... of the whole list');
}

# Profiles: the order is proved once a session.
run_statements($node, $sandbox);
check(
	"ORDER BY updated_at DESC LIMIT on profiles, proof $_",
	1 + $_,
	"SELECT updated_at FROM $people ORDER BY updated_at DESC LIMIT 7",
	ordered => 1) foreach 2, 0;
check(
	'ORDER BY updated_at DESC LIMIT, more than there are',
	pages_of('people_profiles', "updated_at >= $changed"),
	"SELECT updated_at FROM $people WHERE updated_at > $changed ORDER BY updated_at DESC LIMIT 1000",
	ordered => 1);

# Where something stands between the limit and the scan, rows are right, whatever they cost.
foreach my $query (
	'SELECT DISTINCT updated_at FROM [c] ORDER BY updated_at DESC LIMIT 60',
	'SELECT DISTINCT state FROM [c] WHERE state IS NOT NULL LIMIT 5',
	'SELECT DISTINCT ON (assigned_user_id) assigned_user_id, updated_at FROM [c] ORDER BY assigned_user_id, updated_at '
		. 'DESC LIMIT 5',
	'SELECT state, count(*) FROM [c] GROUP BY 1 ORDER BY 1 LIMIT 2',
	'SELECT updated_at, count(*) FROM [c] GROUP BY 1 ORDER BY 1 DESC LIMIT 5',
	'SELECT updated_at, count(*) OVER () FROM [c] ORDER BY updated_at DESC LIMIT 5',
	'SELECT updated_at, row_number() OVER (ORDER BY updated_at) FROM [c] ORDER BY updated_at DESC LIMIT 5',
	'SELECT updated_at FROM [c] ORDER BY updated_at DESC FETCH FIRST 38 ROWS WITH TIES',
	'SELECT updated_at FROM [c] ORDER BY updated_at DESC LIMIT 5 FOR UPDATE',
	'SELECT updated_at FROM [c] ORDER BY updated_at DESC LIMIT (SELECT 5)',
	'SELECT updated_at FROM [c] ORDER BY updated_at DESC LIMIT 5 OFFSET (SELECT 3)',
	'SELECT updated_at FROM [c] ORDER BY updated_at DESC LIMIT ALL OFFSET 9000',
	'SELECT updated_at, session_id FROM [c] ORDER BY updated_at DESC, session_id LIMIT 60',
	'SELECT created_at FROM [c] ORDER BY created_at DESC NULLS FIRST LIMIT 60',
	'SELECT updated_at, generate_series(1, 3) FROM [c] ORDER BY updated_at DESC LIMIT 5',
	'SELECT c.updated_at FROM [c] c JOIN copy.people_profiles p USING (people_id) ORDER BY c.updated_at DESC LIMIT 5',
	'SELECT c.updated_at FROM [c] c LEFT JOIN copy.people_profiles p ON p.people_id = c.people_id ORDER '
		. 'BY c.updated_at DESC LIMIT 5',
	q(SELECT count(*) FROM (SELECT state FROM [c] ORDER BY updated_at DESC LIMIT 30) s WHERE state = 'resolved'),
	q(SELECT max(updated_at) FROM [c] WHERE state = 'pending'),
	'SELECT min(updated_at), max(updated_at) FROM [c]',
	'SELECT max(waiting_since), max(created_at) FROM [c]',
	'SELECT updated_at FROM (SELECT updated_at FROM [c] UNION ALL SELECT updated_at FROM [p]) u ORDER BY updated_at '
		. 'DESC LIMIT 30',
	'(SELECT updated_at FROM [c] ORDER BY 1 DESC LIMIT 3) UNION ALL (SELECT updated_at FROM [p] ORDER BY 1 DESC '
		. 'LIMIT 3)',
	'SELECT updated_at FROM [c] EXCEPT SELECT updated_at FROM [p] ORDER BY 1 DESC LIMIT 5',
	'WITH c AS MATERIALIZED (SELECT * FROM [c]) SELECT updated_at FROM c ORDER BY updated_at DESC LIMIT 5',
	'WITH c AS (SELECT * FROM [c]) SELECT updated_at FROM c ORDER BY updated_at DESC LIMIT 5',
	'SELECT x, (SELECT updated_at FROM [c] WHERE length(session_id) > x ORDER BY updated_at DESC LIMIT 1) '
		. 'FROM generate_series(1, 3) x',
	'SELECT x, s.* FROM generate_series(1, 3) x, LATERAL (SELECT updated_at FROM [c] WHERE extract(month '
		. 'FROM updated_at) = x ORDER BY updated_at DESC LIMIT 2) s',
	'SELECT b.late, s.* FROM bound b, LATERAL (SELECT updated_at FROM [c] WHERE updated_at < b.late ORDER '
		. 'BY updated_at DESC LIMIT 2) s',
	'SELECT updated_at FROM [c] WHERE session_id IN (SELECT session_id FROM copy.conversations ORDER BY updated_at '
		. 'LIMIT 3) ORDER BY updated_at DESC LIMIT 2',
	'SELECT updated_at FROM [c] WHERE EXISTS (SELECT FROM copy.people_profiles p WHERE p.updated_at > $e) ORDER '
		. 'BY updated_at DESC LIMIT 2',
	'SELECT updated_at FROM [p] WHERE segments IS NOT NULL ORDER BY updated_at DESC LIMIT 60',
	'SELECT extract(year FROM updated_at) FROM [p] ORDER BY 1 DESC LIMIT 6')
{
	my $statement = $query =~ s/\[c\]/$conversations/gr =~ s/\[p\]/$people/gr =~ s/\$e/$e/gr;
	my ($printed) = requests_of($statement);

	is($printed, sql(local_of($statement)), "rows: $query");
}

check('max(updated_at)', 1, "SELECT max(updated_at) FROM $conversations");
check(
	'max(updated_at) with milliseconds',
	1,
	'SELECT max(updated_at) FROM ms.conversations',
	local => 'SELECT (extract(epoch FROM max(updated_at)) * 1000)::bigint FROM copy.conversations');
check('max(created_at)',             1, "SELECT max(created_at) FROM $conversations");
check('max(updated_at) of profiles', 1, "SELECT max(updated_at) FROM $people");
$sandbox->control({ waiting_order => 'longest', waiting_order_filters => 'waiting' });
run_statements($node, $sandbox);
check('max(waiting_since)',          $waits, "SELECT max(waiting_since) FROM $conversations");
check('min(waiting_since)',          1, "SELECT min(waiting_since) FROM $conversations");
check(
	'what came since the copy was made',
	1,
	"SELECT session_id FROM $conversations WHERE updated_at > (SELECT max(updated_at) - interval '1 hour' "
		. "FROM copy.conversations)"
);

#
# Scans that are run again, and queries that are not run.
#

{
	my $settings =
	  'SET enable_material = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_memoize = off';
	my $join =
	  "FROM generate_series(1, 1000) x LEFT JOIN $conversations c ON c.updated_at > $l "
	  	. "AND length(c.session_id) > x * 20";

	like(
		plan_of("SELECT count(*) $join", before => $settings),
		qr/Nested Loop Left Join/,
		'a nested loop');
	check(
		'a thousand scans without parameters',
		pages_of('conversations', "updated_at > $l"),
		"SELECT count(*), count(c.session_id), max(c.updated_at) $join",
		before => $settings);
	check(
		'a thousand scans of keys',
		2,
		"SELECT x, (SELECT updated_at FROM $conversations WHERE session_id = CASE x % 2 WHEN 0 THEN "
		  . "'$keyed{session_id}->[1]' ELSE '$keyed{session_id}->[2]' END) FROM generate_series(1, 1000) x",
		before => $settings);
}
{
	my ($printed, @requests) = requests_of(
		"PREPARE p(timestamptz, text) AS SELECT * FROM $conversations WHERE updated_at > \$1 OR session_id = \$2; "
		  . "PREPARE q AS SELECT max(updated_at) FROM $people; EXPLAIN EXECUTE q; EXPLAIN EXECUTE p (now(), 'x')"
	);
	is(scalar @requests, 0, 'PREPARE makes no request');
}
foreach my $statement (
	"SELECT * FROM $conversations WHERE session_id = 'x'",
	"SELECT * FROM $people WHERE updated_at > now() ORDER BY updated_at DESC LIMIT 1",
	"SELECT max(updated_at) FROM $conversations",
	"SELECT * FROM $conversations c JOIN $people p USING (people_id) WHERE p.email = 'x'",
	"INSERT INTO copy.conversations SELECT * FROM $conversations",
	"DECLARE c CURSOR FOR SELECT * FROM $people")
{
	plan_of($statement);
}

$node->stop;
done_testing();
