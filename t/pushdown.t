# What a query costs in requests: every line of the table in docs/pushdown.md,
# on 10,000 conversations and 5,000 profiles, with the rows compared to those of
# a local copy; and that rows are right when Crisp does not do what it was asked.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSandbox;
use CrispStatement;
use Encode qw(decode_utf8);
use JSON::PP;
use POSIX qw(ceil);
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 10000, people => 5000);
my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my $website = $sandbox->website_id;

run_statements($node, $sandbox);

# The schemas of the same tables: crisp, ms with times in milliseconds, and the copies.
sql(<<'END');
CREATE SCHEMA ms;
IMPORT FOREIGN SCHEMA crisp LIMIT TO (conversations, people_profiles) FROM SERVER support INTO ms
	OPTIONS (timestamp_type 'bigint');
CREATE SCHEMA copy;
CREATE TABLE copy.conversations AS SELECT * FROM crisp.conversations;
CREATE TABLE copy.people_profiles AS SELECT * FROM crisp.people_profiles;
CREATE INDEX ON copy.conversations (session_id);
CREATE INDEX ON copy.conversations (updated_at);
CREATE INDEX ON copy.people_profiles (people_id);
CREATE INDEX ON copy.people_profiles (email);
ANALYZE copy.conversations, copy.people_profiles;
CREATE TABLE copy.nothing (at timestamptz);
END

my $conversations = 'crisp.conversations';
my $people        = 'crisp.people_profiles';
my $all           = pages(sql('SELECT count(*) FROM copy.conversations'));
my $all_people    = pages(sql('SELECT count(*) FROM copy.people_profiles'));

# A statement on the foreign tables becomes one on their copies.
sub local_of
{
	return $_[0] =~ s/\b(?:crisp|ms)\.(?=conversations|people_profiles)/copy./gr;
}

sub sorted { return join "\n", sort split /\n/, $_[0] }

# A statement costs so many requests, and gives the rows that it gives on the
# copies: in any order, unless `ordered` is set.  `local` is the statement for the
# copies, where it differs; `before` goes first on both sides; `asked` is what every request must
# match.  Returns what was printed.
sub check
{
	my ($name, $requests, $statement, %option) = @_;
	my $before = $option{before} // '';
	my $local  = sql("$before; " . ($option{local} // local_of($statement)));
	my ($foreign, @requests) = requests_of("$before; $statement");

	subtest $name => sub {
		is( $option{ordered} ? $foreign : sorted($foreign),
			$option{ordered} ? $local   : sorted($local),
			'rows');
		is(scalar @requests, $requests, 'requests') or diag($statement);
		isnt($foreign, '', 'there are some') unless $option{none};
		if ($option{asked})
		{
			like($_, $option{asked}, 'asked') foreach $sandbox->targets;
		}
	};
	return $foreign;
}

# How many rows of a copy satisfy a condition; and the requests that a list of them costs.
sub count
{
	my ($table, $condition) = @_;

	return sql("SELECT count(*) FROM copy.$table WHERE $condition");
}

sub pages_of { return pages(count(@_)) }

# The plan of a statement, for which no request may be made.
sub plan_of
{
	my ($statement, %option) = @_;
	my $options = $option{options} // 'COSTS OFF';
	my ($plan, @requests) = requests_of(($option{before} // '') . "; EXPLAIN ($options) $statement");

	is(scalar @requests, 0, "no request for EXPLAIN $statement");
	return $plan;
}

#
# Whole lists.
#

check('all conversations', $all, "SELECT session_id, updated_at, state FROM $conversations");
check('all profiles', $all_people, "SELECT people_id, email, updated_at FROM $people");
is(count('people_profiles', 'true') % 50, 0, 'the last page of profiles is full, and says 200');

# Only a session that has seen no 206 looks behind a full page.
{
	my $fifty = "updated_at >= '" . sql('SELECT updated_at FROM copy.conversations ORDER BY 1 DESC OFFSET 49 LIMIT 1') . "'";

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

# A time that a few pages of rows are before, and one that a few are after: far from all others.
my ($early, $late) = map {
	sql(<<"END")
SELECT updated_at FROM copy.conversations c WHERE NOT EXISTS (SELECT FROM copy.conversations d
	WHERE d.session_id <> c.session_id AND d.updated_at BETWEEN c.updated_at - interval '3 ms' AND c.updated_at + interval '3 ms')
ORDER BY updated_at $_ OFFSET 130 LIMIT 1
END
} 'ASC', 'DESC';
my ($early_ms, $late_ms) = map { sql("SELECT (extract(epoch FROM timestamptz '$_') * 1000)::bigint") } $early, $late;
my ($e, $l) = map { "timestamptz '$_'" } $early, $late;

sql("CREATE TABLE bound AS SELECT $e AS early, $l AS late, ${early_ms}::bigint AS early_ms, ${late_ms}::bigint AS late_ms; ANALYZE bound");
foreach my $operator ('>', '>=', '<', '<=', '=')
{
	my $time   = $operator =~ /</ ? $early : $late;
	my $ms     = $operator =~ /</ ? $early_ms : $late_ms;
	my $which  = $operator =~ /</ ? 'early' : 'late';
	my $t      = "timestamptz '$time'";
	my $day    = sql("SELECT ${t}::date");
	my $select = "SELECT session_id FROM $conversations WHERE updated_at $operator";
	my $expect = pages_of('conversations', "updated_at $operator $t");
	my $nested = 'SET enable_hashjoin = off; SET enable_mergejoin = off';

	check("$operator timestamptz", $expect, "$select $t");
	check("$operator timestamp", $expect, "$select timestamp '" . sql("SELECT ${t}::timestamp") . "'");
	check("$operator timestamp elsewhere", $expect, "$select timestamp '" . sql("SET TimeZone = 'Asia/Tokyo'; SELECT ${t}::timestamp") . "'",
		before => "SET TimeZone = 'Asia/Tokyo'");
	check("$operator date", pages_of('conversations', "updated_at $operator date '$day'"),
		"$select date '$day'", none => $operator eq '=');
	check("$operator now()", $expect, "$select now() - (now() - $t)");
	check("$operator InitPlan", $expect, "$select (SELECT max($which) FROM bound)");
	check("$operator outer column", $expect,
		"SELECT c.session_id FROM bound b JOIN $conversations c ON c.updated_at $operator b.$which", before => $nested);
	check("$operator LATERAL", $expect,
		"SELECT c.* FROM bound b, LATERAL (SELECT session_id FROM $conversations WHERE updated_at $operator b.$which OFFSET 0) c");
	check("$operator, operands turned", $expect, "SELECT session_id FROM $conversations WHERE $t "
		  . ($operator =~ tr/<>/></r) . ' updated_at');
	check("$operator bigint", $expect, "SELECT session_id FROM ms.conversations WHERE updated_at $operator $ms", local => "$select $t" =~ s/crisp/copy/r);
	check("$operator bigint of a table", $expect,
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
	my $later = sql("SELECT $e + interval '20 days'");
	my $expect = pages_of('conversations', "updated_at BETWEEN $e AND '$later'");

	check('BETWEEN', $expect, "SELECT session_id FROM $conversations WHERE updated_at BETWEEN $e AND '$later'");
	check('BETWEEN of milliseconds', $expect, "SELECT session_id FROM ms.conversations WHERE updated_at BETWEEN $early_ms AND "
		  . "$early_ms + 20::bigint * 86400000", local => "SELECT session_id FROM copy.conversations WHERE updated_at BETWEEN $e AND '$later'");
	check('a range without rows', 1,
		"SELECT session_id FROM $conversations WHERE updated_at > '2100-01-01'", none => 1);
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
	check("nothing: $condition", 0, "SELECT session_id FROM $conversations WHERE $condition", none => 1);
}
check('nothing of profiles', 0,
	"SELECT people_id FROM $people WHERE updated_at > $l AND updated_at < (SELECT early FROM bound)", none => 1);
check('nothing in segments', 0, "SELECT people_id FROM $people WHERE segments @> (SELECT ARRAY[NULL])", none => 1);
check('a join with an empty table', 0,
	"SELECT c.session_id FROM copy.nothing n JOIN $conversations c ON c.updated_at = n.at", none => 1,
	before => 'SET enable_hashjoin = off; SET enable_mergejoin = off');

#
# The other times of conversations, and the times of profiles.
#

foreach my $column ('created_at', 'waiting_since')
{
	my $select = "SELECT session_id FROM $conversations WHERE $column";
	my $since  = pages_of('conversations', "updated_at >= $l");

	check("$column >", $since, "$select > $l", asked => qr/filter_date_start=/);
	check("$column >=", $since, "$select >= $l");
	check("$column between", $since, "$select BETWEEN $l AND $l + interval '1 day'");
	check("$column =", $since, "$select = (SELECT max($column) FROM copy.conversations WHERE $column <= $l + interval '1 hour')",
		none => 1)
	  if count('conversations', "$column > $l AND $column <= $l + interval '1 hour'");
	check("$column <", $all, "$select < $e");
}
foreach my $condition (
	"> now() - (now() - $l)", "< $e", "BETWEEN $e AND $e + interval '30 days'",
	'> (SELECT late FROM bound)', "= (SELECT max(created_at) FROM copy.people_profiles)")
{
	check("created_at $condition on profiles", pages_of('people_profiles', "created_at $condition"),
		"SELECT people_id FROM $people WHERE created_at $condition");
}
check('created_at of profiles in milliseconds', pages_of('people_profiles', "created_at > $l"),
	"SELECT people_id FROM ms.people_profiles WHERE created_at > $late_ms", local => "SELECT people_id FROM copy.people_profiles WHERE created_at > $l");

# updated_at of profiles: two requests prove the order, once a session.
my $changed = "timestamptz '" . sql('SELECT updated_at FROM copy.people_profiles ORDER BY 1 DESC OFFSET 130 LIMIT 1') . "'";

run_statements($node, $sandbox);
foreach my $proof (2, 0)
{
	my $rows = count('people_profiles', "updated_at > $changed");

	cmp_ok($rows, '>', 100, 'more than two pages');
	isnt($rows % 50, 0, 'the row after them is on their last page');
	check("updated_at > of profiles, proof $proof", pages($rows) + $proof, "SELECT people_id FROM $people WHERE updated_at > $changed",
		asked => qr/sort_field=updated_at&sort_order=/);
}
is((grep { /sort_order=ascending/ } $sandbox->targets), 0, 'the opposite order is asked for in the proof alone');
foreach my $condition ("> $changed", ">= $changed", "BETWEEN $changed AND $changed + interval '1 day'",
	"> (SELECT max(early) + ($changed - $e) FROM bound)", "> now() - (now() - $changed)")
{
	check("updated_at $condition on profiles", pages_of('people_profiles', "updated_at >= $changed"),
		"SELECT people_id FROM $people WHERE updated_at $condition");
}
check('the newest profile of all', 1, "SELECT people_id FROM $people WHERE updated_at = (SELECT max(updated_at) FROM copy.people_profiles)");
check('an early stop at the edge of a page', 2 + 1,
	"SELECT people_id FROM $people WHERE updated_at >= (SELECT updated_at FROM copy.people_profiles ORDER BY 1 DESC OFFSET 99 LIMIT 1)");
check('updated_at < of profiles', $all_people, "SELECT people_id FROM $people WHERE updated_at < $e");
check('an early stop with milliseconds', pages_of('people_profiles', "updated_at > $changed"),
	"SELECT people_id FROM ms.people_profiles WHERE updated_at > (SELECT extract(epoch FROM $changed) * 1000)::bigint", local => "SELECT people_id FROM copy.people_profiles WHERE updated_at > $changed");
check('an early stop within a range', pages_of('people_profiles', "updated_at >= $changed AND created_at < $l"),
	"SELECT people_id FROM $people WHERE updated_at > $changed AND created_at < $l",
	asked => qr/filter_date_end=/);

#
# Keys.
#

# Some keys that occur, each once.
sub keys_of
{
	my ($table, $column, $number) = @_;

	return split /\n/, sql("SELECT $column FROM copy.$table WHERE $column IS NOT NULL ORDER BY md5($column) LIMIT $number");
}

sub quoted
{
	return join ', ', map { "'" . s/'/''/gr . "'" } @_;
}

my %keyed = (
	session_id => [ $conversations, keys_of('conversations', 'session_id', 400) ],
	people_id => [ $people, keys_of('people_profiles', 'people_id', 400) ],
	email => [ $people, keys_of('people_profiles', 'email', 400) ]);

foreach my $column (sort keys %keyed)
{
	my ($table, @keys) = @{ $keyed{$column} };
	my $select = "SELECT $column, updated_at FROM $table WHERE $column";
	my $list   = $table eq $people ? $all_people : $all;
	my $absent = $column eq 'email' ? 'nobody@nowhere.invalid' : 'nothing';
	my $three  = quoted(@keys[ 0 .. 2 ]);

	check("$column =", 1, "$select = " . quoted($keys[0]), asked => qr{/(conversation|people/profile)/[^/]+$});
	check("$column = InitPlan", 1, "$select = (SELECT " . quoted($keys[1]) . '::text)');
	check("$column = and a range", 1, "$select = " . quoted($keys[0]) . " AND updated_at > '2000-01-01' AND created_at < now()");
	check("$column = and another condition", 1, "$select = " . quoted($keys[0]) . ' AND updated_at IS NULL', none => 1);
	check("$column, varchar", 1, "$select = " . quoted($keys[0]) . '::varchar');
	check("$column, absent", 1, "$select = '$absent'", none => 1);
	check("$column IN", 3, "$select IN ($three)");
	check("$column IN, doubles and NULL", 3, "$select IN ($three, NULL, $three, NULL)");
	check("$column IN, some absent", 4, "$select IN ($three, '$absent')");
	check("$column IN values of a table", 3, "$select IN (SELECT unnest(ARRAY[$three]))");
	foreach my $mode ('force_custom_plan', 'force_generic_plan')
	{
		my $prepare = "SET plan_cache_mode = $mode; PREPARE p(text[]) AS $select = ANY (\$1); PREPARE q(text) AS $select = \$1";

		check("$column = ANY (\$1), $mode", 3, "$prepare; EXECUTE p (ARRAY[$three, NULL, $three])");
		check("$column = ANY (NULL), $mode", 0, "$prepare; EXECUTE p (NULL)", none => 1);
		check("$column = \$1, $mode", 1, "$prepare; EXECUTE q (" . quoted($keys[2]) . ')');
		check("$column = NULL, $mode", 0, "$prepare; EXECUTE q (NULL)", none => 1);
	}
	check("$column IN a hundred", 60, "$select IN (" . quoted(@keys[ 0 .. 59 ]) . ')');
	check("$column IN so many that the list is shorter", $list, "$select IN (" . quoted(@keys[ 0 .. 299 ]) . ')');

	# Joins: as many keys as differ, or the list.
	sql("CREATE TABLE few_$column (k text, n int); INSERT INTO few_$column SELECT k, n FROM unnest(ARRAY["
		  . quoted(@keys[ 0 .. 6 ]) . ", '$absent', NULL]) k, generate_series(1, 3) n; ANALYZE few_$column; "
		  . "CREATE TABLE many_$column AS SELECT k FROM unnest(ARRAY[" . quoted(@keys) . "]) k; ANALYZE many_$column");
	check("join on $column", 8, "SELECT k, n, updated_at FROM few_$column JOIN $table ON $column = k");
	check("left join on $column", 8, "SELECT k, n, updated_at FROM few_$column LEFT JOIN $table ON $column = k");
	check("$column in a table", 8, "SELECT $column FROM $table WHERE $column IN (SELECT k FROM few_$column)");
	check("$column exists", 8, "SELECT k FROM few_$column f WHERE EXISTS (SELECT FROM $table WHERE $column = f.k)");
	check("$column of a row", 8, "SELECT k, (SELECT updated_at FROM $table WHERE $column = k) FROM few_$column");
	check("join of many on $column", $list, "SELECT k, updated_at FROM many_$column JOIN $table ON $column = k");
}

# Keys of any form are asked for as they are, or not at all.
foreach my $case (
	[ q('') => 0 ], [ q('.') => 0 ], [ q('..') => 0 ], [ q('a/b') => 1 ], [ q('%') => 1 ], [ q('%2e%2e') => 1 ],
	[ q('a?b=c&d#e') => 1 ], [ q('it''s "quoted"') => 1 ], [ q(' ') => 1 ], [ q(E'tab\tand\nnewline') => 1 ],
	[ q(U&'\00fc\4f60\+01f600') => 1 ], [ q(repeat('x', 900)) => 1 ], [ q(repeat('x', 100000)) => 0 ], [ q('1') => 1 ])
{
	my ($key, $requests) = @{$case};

	check("the key $key", $requests, "SELECT session_id FROM $conversations WHERE session_id = $key", none => 1);
	check("the key $key of profiles", $requests, "SELECT people_id FROM $people WHERE people_id = $key", none => 1);
}
{
	my @odd  = sort 'a/b', '100%', 'q?x=1&y#z', q(it's "here"), "Gr\xc3\xbc\xc3\x9fe", '../conversations/1';
	my $at   = 1_700_000_000_000;
	my $json = JSON::PP->new->latin1;

	$sandbox->data([
		map {
			{
				op => 'insert_raw', resource => 'conversations', created_at => $at, updated_at => $at,
				text => $json->encode({ session_id => decode_utf8($_), created_at => $at, updated_at => $at })
			}
		} @odd ]);
	my ($printed, @requests) =
	  requests_of("SELECT session_id FROM $conversations WHERE session_id = ANY (ARRAY[" . quoted(@odd) . '])');
	is(sorted($printed), join("\n", @odd), 'odd keys are found');
	is(scalar @requests, scalar @odd, 'odd keys: requests');
	$sandbox->reset;
}

# A text without @ could be taken for the identifier of a profile: e-mail addresses alone are looked up.
check('an e-mail address that is none', $all_people, "SELECT people_id FROM $people WHERE email = '" . $keyed{people_id}->[1] . "'", none => 1);

#
# Filters.
#

my $assigned = sql('SELECT assigned_user_id FROM copy.conversations WHERE assigned_user_id IS NOT NULL GROUP BY 1 ORDER BY count(*), 1 LIMIT 1');
my $inbox    = sql('SELECT inbox_id FROM copy.conversations WHERE inbox_id IS NOT NULL GROUP BY 1 ORDER BY count(*), 1 LIMIT 1');

# What Crisp counts as resolved, or not: rows without the field, too.
my $resolved = "state IS NOT DISTINCT FROM 'resolved'";
my $open     = "state IS DISTINCT FROM 'resolved'";
my $range    = "updated_at BETWEEN $l - interval '60 days' AND $l";

foreach my $case (
	[ "state = 'resolved'" ],
	[ "'resolved' = state" ],
	[ "state IN ('resolved')" ],
	[ "state <> 'resolved'", $open ],
	[ "NOT (state = 'resolved')", $open ],
	[ "state IN ('pending', 'unresolved')", $open ],
	[ "state = ANY (ARRAY['pending', 'unresolved', NULL])", $open ],
	[ "state = 'pending'", $open ],
	[ 'status = 2', $resolved ],
	[ 'status <> 2', $open ],
	[ 'status IN (0, 1)', $open ],
	[ "assigned_user_id = '$assigned'" ],
	[ "assigned_user_id IN ('$assigned', '$assigned')" ],
	[ "assigned_user_id = (SELECT '$assigned'::text)" ],
	[ "assigned_user_id = 'nobody'" ],
	[ 'assigned_user_id IS NULL' ],
	[ "inbox_id = '$inbox'" ],
	[ "inbox_id = 'nothing'" ])
{
	my ($condition, $counted) = @{$case};
	my %with = (none => $condition =~ /nothing|nobody/, asked => qr/[?&]filter_(not_)?(resolved|assigned|unassigned|inbox_id)=/);

	$counted //= $condition;
	check($condition, pages_of('conversations', $counted), "SELECT session_id FROM $conversations WHERE $condition", %with);
	check("$condition, with a range", pages_of('conversations', "$counted AND $range"),
		"SELECT session_id FROM $conversations WHERE $condition AND $range", %with);
	like($_, qr/filter_date_start=.*filter_date_end=/, "$condition, with a range: both") foreach $sandbox->targets;
}
check('filters together', pages_of('conversations', "$open AND assigned_user_id = '$assigned' AND inbox_id = '$inbox'"),
	"SELECT session_id FROM $conversations WHERE state <> 'resolved' AND assigned_user_id = '$assigned' AND inbox_id = '$inbox'", none => 1);
check('what the filters have no words for', $all,
	"SELECT session_id FROM $conversations WHERE state IS NOT NULL AND (state = 'resolved' OR inbox_id = '$inbox') AND assigned_user_id IS NOT NULL");
foreach my $condition (q(unread_operator > 0), q(mentions <> '{}'), q(lower(state) = 'resolved'), q(state COLLATE "C" LIKE 'res%'))
{
	check("local: $condition", $all, "SELECT session_id FROM $conversations WHERE $condition", none => 1, asked => qr/conversations\/\d+\?per_page=50$/);
}

foreach my $condition (q(segments @> ARRAY['vip']), q('vip' = ANY (segments)), q(ARRAY['vip'] <@ segments), q(segments @> (SELECT ARRAY['vip'])))
{
	check("$condition", pages_of('people_profiles', $condition), "SELECT people_id FROM $people WHERE $condition", asked => qr/search_filter=/);
	check("$condition, with a range", pages_of('people_profiles', "$condition AND created_at > $l - interval '90 days'"),
		"SELECT people_id FROM $people WHERE $condition AND created_at > $l - interval '90 days'", asked => qr/filter_date_start=/);
}
{
	my ($other) = grep { $_ ne 'vip' } split /\n/,
	  sql(q(SELECT s FROM copy.people_profiles, unnest(segments) s WHERE 'vip' = ANY (segments) GROUP BY 1 ORDER BY count(*) DESC, 1));

	check('two segments', pages_of('people_profiles', "segments @> ARRAY['vip', '$other']"), "SELECT people_id FROM $people WHERE segments @> ARRAY['vip', '$other']");
	check('two conditions on segments', pages_of('people_profiles', "segments @> ARRAY['vip', '$other']"),
		"SELECT people_id FROM $people WHERE 'vip' = ANY (segments) AND segments @> ARRAY['$other']");
	check('either of two segments', $all_people, "SELECT people_id FROM $people WHERE segments && ARRAY['vip', '$other']");
}
check('a segment with quotes', 1, q(SELECT people_id FROM crisp.people_profiles WHERE segments @> ARRAY['"}],\\ü']), none => 1);

# Full-text search: its meaning is the server's, which in the sandbox is that the text occurs.
{
	my $found = q(position('refund' IN lower(concat_ws(chr(1), last_message, topic, preview_message_excerpt, meta_nickname, meta_email, meta_phone, meta_subject))) > 0);
	my $rows  = pages_of('conversations', $found);
	my $select = "SELECT session_id, search_query FROM $conversations WHERE search_query";
	my $local  = "SELECT session_id, 'refund' FROM copy.conversations WHERE $found";

	check('search', $rows, "$select = 'refund'", local => $local, asked => qr/search_query=refund/);
	check('search and a range', pages_of('conversations', "$found AND updated_at > $l"), "$select = 'refund' AND updated_at > $l", local => "$local AND updated_at > $l");
	check('search and a filter', pages_of('conversations', "$found AND state = 'resolved'"), "$select = 'refund' AND state = 'resolved'", local => "$local AND state = 'resolved'");
	check('search for a value of a table', $rows, "$select = (SELECT 'refund'::text)", local => $local);
	foreach my $mode ('force_custom_plan', 'force_generic_plan')
	{
		check("search for \$1, $mode", $rows, "SET plan_cache_mode = $mode; PREPARE p(text) AS $select = \$1; EXECUTE p('refund')", local => $local);
	}
	check('a joined search', $rows, "SELECT session_id, search_query FROM (VALUES ('refund')) v (word) JOIN $conversations ON search_query = word", local => $local);
	check('joined searches', $rows + 1, "SELECT session_id, word FROM word JOIN $conversations ON search_query = word", local => $local,
		before => "CREATE TEMP TABLE word AS SELECT unnest(ARRAY['refund', 'no such word anywhere']) AS word; ANALYZE word");
	check('search of profiles', 1, "SELECT people_id, search_query FROM $people WHERE search_query = '$keyed{email}->[1]'",
		local => "SELECT people_id, email FROM copy.people_profiles WHERE email = '$keyed{email}->[1]'", asked => qr/search_text=/);
	check('a search for nothing', $all, "SELECT count(*) FROM $conversations WHERE search_query = ''",
		local => 'SELECT count(*) FROM copy.conversations');
	CrispSession->start($node)->fails("SELECT session_id FROM $conversations WHERE search_query = repeat('x', 1001)",
		{ sqlstate => '54000', message => 'text to search Crisp for is too long' }, 'a text that is too long to search for');
	check('no search', $all, "SELECT count(search_query), count(*) FROM $conversations WHERE updated_at > '2000-01-01'");
}

#
# The newest rows.
#

foreach my $case ([ 1, 20 ], [ 20, 20 ], [ 21, 21 ], [ 50, 50 ], [ 51, 26 ], [ 60, 30 ], [ 100, 50 ], [ 101, 34 ], [ 120, 40 ])
{
	my ($limit, $per_page) = @{$case};
	my $requests = ceil($limit / 50);
	my %with     = (asked => qr/\?per_page=$per_page\b/, ordered => 1);

	foreach my $order ('updated_at DESC', 'created_at DESC', 'waiting_since DESC NULLS LAST')
	{
		my ($column) = split / /, $order;

		check("ORDER BY $order LIMIT $limit", $requests, "SELECT $column FROM $conversations ORDER BY $order LIMIT $limit", %with);
	}
	check("LIMIT $limit", $requests, "SELECT count(*) FROM (SELECT session_id FROM $conversations LIMIT $limit) s", %with);
	check("LIMIT $limit of profiles", $requests, "SELECT count(*) FROM (SELECT people_id FROM $people LIMIT $limit) s", %with);
}
foreach my $case (
	# What is known to rule NULL out.
	[ 1, 'WHERE waiting_since IS NOT NULL ORDER BY waiting_since DESC LIMIT 7' ],
	[ 1, "WHERE waiting_since > $l ORDER BY waiting_since DESC LIMIT 7" ],
	[ 1, 'ORDER BY updated_at DESC NULLS FIRST LIMIT 7' ],
	[ 1, 'ORDER BY updated_at DESC NULLS LAST LIMIT 7' ],
	[ $all, 'ORDER BY waiting_since DESC LIMIT 7' ],
	[ $all, 'WHERE created_at IS NOT NULL OR waiting_since IS NOT NULL ORDER BY waiting_since DESC LIMIT 7' ],

	# Crisp gives no list oldest first.
	[ $all, 'ORDER BY updated_at LIMIT 7' ],
	[ $all, 'ORDER BY waiting_since NULLS LAST LIMIT 7' ],

	# Conditions.
	[ 1, "WHERE state = 'resolved' ORDER BY updated_at DESC LIMIT 7" ],
	[ 1, "WHERE updated_at < $l ORDER BY updated_at DESC LIMIT 7" ],
	[ 1, "WHERE updated_at < $l ORDER BY created_at DESC LIMIT 7" ],
	[ 1, "WHERE assigned_user_id IS NULL AND state <> 'resolved' ORDER BY created_at DESC LIMIT 7" ],
	[ 3, "WHERE updated_at > $l ORDER BY updated_at DESC LIMIT 1000" ],
	[ 1, "WHERE updated_at = $l ORDER BY updated_at DESC LIMIT 7" ],

	# OFFSET, known and not.
	[ 1, 'ORDER BY updated_at DESC LIMIT 7 OFFSET 5' ],
	[ 2, 'ORDER BY updated_at DESC LIMIT 7 OFFSET 50' ],
	[ 1, 'ORDER BY updated_at DESC LIMIT 0' ] )
{
	my ($requests, $clauses) = @{$case};
	my ($column) = $clauses =~ /BY (\w+)/;

	check($clauses, $clauses =~ /LIMIT 0/ ? 0 : $requests, "SELECT $column FROM $conversations $clauses",
		ordered => 1, none => $clauses =~ /LIMIT 0/);
}
foreach my $mode ('force_custom_plan', 'force_generic_plan')
{
	my $prepare = "SET plan_cache_mode = $mode; PREPARE p AS SELECT updated_at FROM $conversations ORDER BY updated_at DESC LIMIT 7";

	check("ORDER BY … LIMIT, $mode", 1, "$prepare; EXECUTE p", ordered => 1);
}

# Profiles: the order is proved once a session.
run_statements($node, $sandbox);
check("ORDER BY updated_at DESC LIMIT on profiles, proof $_", 1 + $_,
	"SELECT updated_at FROM $people ORDER BY updated_at DESC LIMIT 7", ordered => 1)
  foreach 2, 0;
check('ORDER BY updated_at DESC LIMIT, more than there are', pages_of('people_profiles', "updated_at >= $changed"),
	"SELECT updated_at FROM $people WHERE updated_at > $changed ORDER BY updated_at DESC LIMIT 1000", ordered => 1);

# Where something stands between the limit and the scan, rows are right, whatever they cost.
foreach my $query (
	'SELECT DISTINCT updated_at FROM [c] ORDER BY updated_at DESC LIMIT 60',
	'SELECT DISTINCT state FROM [c] WHERE state IS NOT NULL LIMIT 5',
	'SELECT DISTINCT ON (assigned_user_id) assigned_user_id, updated_at FROM [c] ORDER BY assigned_user_id, updated_at DESC LIMIT 5',
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
	'SELECT c.updated_at FROM [c] c LEFT JOIN copy.people_profiles p ON p.people_id = c.people_id ORDER BY c.updated_at DESC LIMIT 5',
	q(SELECT count(*) FROM (SELECT state FROM [c] ORDER BY updated_at DESC LIMIT 30) s WHERE state = 'resolved'),
	q(SELECT max(updated_at) FROM [c] WHERE state = 'pending'),
	'SELECT min(updated_at), max(updated_at) FROM [c]',
	'SELECT max(waiting_since), max(created_at) FROM [c]',
	'SELECT updated_at FROM (SELECT updated_at FROM [c] UNION ALL SELECT updated_at FROM [p]) u ORDER BY updated_at DESC LIMIT 30',
	'(SELECT updated_at FROM [c] ORDER BY 1 DESC LIMIT 3) UNION ALL (SELECT updated_at FROM [p] ORDER BY 1 DESC LIMIT 3)',
	'SELECT updated_at FROM [c] EXCEPT SELECT updated_at FROM [p] ORDER BY 1 DESC LIMIT 5',
	'WITH c AS MATERIALIZED (SELECT * FROM [c]) SELECT updated_at FROM c ORDER BY updated_at DESC LIMIT 5',
	'WITH c AS (SELECT * FROM [c]) SELECT updated_at FROM c ORDER BY updated_at DESC LIMIT 5',
	'SELECT x, (SELECT updated_at FROM [c] WHERE length(session_id) > x ORDER BY updated_at DESC LIMIT 1) FROM generate_series(1, 3) x',
	'SELECT x, s.* FROM generate_series(1, 3) x, LATERAL (SELECT updated_at FROM [c] WHERE extract(month FROM updated_at) = x ORDER BY updated_at DESC LIMIT 2) s',
	'SELECT b.late, s.* FROM bound b, LATERAL (SELECT updated_at FROM [c] WHERE updated_at < b.late ORDER BY updated_at DESC LIMIT 2) s',
	'SELECT updated_at FROM [c] WHERE session_id IN (SELECT session_id FROM copy.conversations ORDER BY updated_at LIMIT 3) ORDER BY updated_at DESC LIMIT 2',
	'SELECT updated_at FROM [c] WHERE EXISTS (SELECT FROM copy.people_profiles p WHERE p.updated_at > $e) ORDER BY updated_at DESC LIMIT 2',
	'SELECT updated_at FROM [p] WHERE segments IS NOT NULL ORDER BY updated_at DESC LIMIT 60',
	'SELECT extract(year FROM updated_at) FROM [p] ORDER BY 1 DESC LIMIT 6')
{
	my $statement = $query =~ s/\[c\]/$conversations/gr =~ s/\[p\]/$people/gr =~ s/\$e/$e/gr;
	my ($printed) = requests_of($statement);

	is($printed, sql(local_of($statement)), "rows: $query");
}

check('max(updated_at)', 1, "SELECT max(updated_at) FROM $conversations");
check('max(updated_at) with milliseconds', 1, 'SELECT max(updated_at) FROM ms.conversations',
	local => 'SELECT (extract(epoch FROM max(updated_at)) * 1000)::bigint FROM copy.conversations');
check('max(created_at)', 1, "SELECT max(created_at) FROM $conversations");
check('max(waiting_since)', 1, "SELECT max(waiting_since) FROM $conversations");
check('max(updated_at) of profiles', 1, "SELECT max(updated_at) FROM $people");
check('what came since the last look', 1,
	"SELECT session_id FROM $conversations WHERE updated_at > (SELECT max(updated_at) - interval '1 hour' FROM copy.conversations)");

#
# Scans that are run again, and queries that are not run.
#

{
	my $settings = 'SET enable_material = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_memoize = off';
	my $join = "FROM generate_series(1, 1000) x LEFT JOIN $conversations c ON c.updated_at > $l AND length(c.session_id) > x * 20";

	like(plan_of("SELECT count(*) $join", before => $settings), qr/Nested Loop Left Join/, 'a nested loop');
	check('a thousand scans without parameters', pages_of('conversations', "updated_at > $l"),
		"SELECT count(*), count(c.session_id), max(c.updated_at) $join", before => $settings);
	check('a thousand scans of keys', 2, "SELECT x, (SELECT updated_at FROM $conversations WHERE session_id = CASE x % 2 WHEN 0 THEN "
		  . "'$keyed{session_id}->[1]' ELSE '$keyed{session_id}->[2]' END) FROM generate_series(1, 1000) x", before => $settings);
}
{
	my ($printed, @requests) = requests_of("PREPARE p(timestamptz, text) AS SELECT * FROM $conversations WHERE updated_at > \$1 OR session_id = \$2; "
		  . "PREPARE q AS SELECT max(updated_at) FROM $people; EXPLAIN EXECUTE q; EXPLAIN EXECUTE p (now(), 'x')");
	is(scalar @requests, 0, 'PREPARE makes no request');
}
foreach my $statement (
	"SELECT * FROM $conversations WHERE session_id = 'x'", "SELECT * FROM $people WHERE updated_at > now() ORDER BY updated_at DESC LIMIT 1",
	"SELECT max(updated_at) FROM $conversations", "SELECT * FROM $conversations c JOIN $people p USING (people_id) WHERE p.email = 'x'",
	"INSERT INTO copy.conversations SELECT * FROM $conversations", "DECLARE c CURSOR FOR SELECT * FROM $people")
{
	plan_of($statement);
}

# EXPLAIN shows what is asked, in all formats.
{
	my $base = "GET website/$website/conversations/1?per_page=50";
	my $condition = "updated_at > $l AND state = 'resolved' AND meta_nickname <> 'x'";
	my $select = "SELECT session_id FROM $conversations WHERE $condition";
	my $start = sql(qq(SELECT to_char(($l - interval '1 ms') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')));
	my $request = "$base&filter_date_start=$start&filter_resolved=1";
	my $plan = plan_of($select, options => 'VERBOSE');

	like($plan, qr/^ *Filter: (?=.*updated_at > )(?=.*state = ).*meta_nickname <> /m, 'EXPLAIN: the local filter has all conditions');
	like($plan, qr/^ *Crisp Request: \Q$request\E$/m, 'EXPLAIN: request');
	like($plan, qr/^ *Asked of Crisp: .*updated_at > .* AND .*state = 'resolved'/m, 'EXPLAIN VERBOSE: asked');
	unlike($plan, qr/^ *Asked of Crisp: .*meta_nickname/m, 'EXPLAIN VERBOSE: not asked');
	like($plan, qr/^ *Checked Locally Only: .*meta_nickname <> 'x'/m, 'EXPLAIN VERBOSE: local');
	unlike(plan_of($select), qr/Asked of Crisp|Checked Locally/, 'EXPLAIN without VERBOSE');
	unlike(plan_of($select), qr/Requests/, 'EXPLAIN without COSTS');

	like(plan_of($select, options => 'COSTS'), qr/^ *Expected Requests: [1-9][0-9]*$/m, 'EXPLAIN: expected requests');
	like(plan_of("SELECT * FROM $conversations WHERE session_id IN ('b', 'a', 'b')", options => 'COSTS'),
		qr{Crisp Request: GET website/$website/conversation/a, GET website/$website/conversation/b\n *Expected Requests: [23]$}m, 'EXPLAIN: keys');
	like(plan_of("SELECT * FROM $conversations WHERE session_id = ANY (ARRAY(SELECT k FROM few_session_id))"),
		qr{Crisp Request: GET website/$website/conversation/\{key\}$}m, 'EXPLAIN: keys that are not known yet');
	like(plan_of("SELECT * FROM $conversations WHERE updated_at > (SELECT late FROM bound)"),
		qr/Crisp Request: \Q$base\E&filter_date_start=\{.+\}$/m, 'EXPLAIN: a value that is not known yet');
	like(plan_of("SELECT * FROM $conversations ORDER BY updated_at DESC LIMIT 5"),
		qr/Crisp Request: \S+ \S+per_page=20&order_date_updated=1\n *Early Stop: 5 rows$/m, 'EXPLAIN: the newest rows');
	like(plan_of("SELECT * FROM $people WHERE updated_at > $l"),
		qr/Crisp Request: \S+ \S+sort_field=updated_at&sort_order=descending\n *Early Stop: in the order of updated_at/m, 'EXPLAIN: an early stop');
	like(plan_of("SELECT * FROM $conversations WHERE updated_at > $l AND updated_at < $e", options => 'COSTS'),
		qr/Crisp Request: none.*\n *Expected Requests: 0$/m, 'EXPLAIN: nothing to ask');

	my $json = decode_json(plan_of($select, options => 'FORMAT JSON, VERBOSE'))->[0]->{Plan};
	is($json->{'Crisp Request'}, $request, 'JSON: request');
	like($json->{'Filter'}, qr/meta_nickname/, 'JSON: filter');
	like($json->{'Asked of Crisp'}, qr/state/, 'JSON: asked');
	cmp_ok($json->{'Expected Requests'}, '>', 0, 'JSON: expected requests');
	my $newest = decode_json(plan_of("SELECT * FROM $conversations ORDER BY updated_at DESC LIMIT 5", options => 'FORMAT JSON'))->[0]->{Plan};
	is($newest->{Plans}->[0]->{'Early Stop'}, 5, 'JSON: early stop');
	my $yaml = plan_of($select, options => 'FORMAT YAML, VERBOSE');
	like($yaml, qr/^ *Crisp Request: "\Q$request\E"$/m, 'YAML: request');
	like($yaml, qr/^ *Expected Requests: [1-9]/m, 'YAML: expected requests');
	my $xml = plan_of($select, options => 'FORMAT XML, VERBOSE');
	like($xml, qr{<Crisp-Request>\Q@{[ $request =~ s/&/&amp;/gr ]}\E</Crisp-Request>}, 'XML: request');
	like($xml, qr{<Expected-Requests>[1-9][0-9]*</Expected-Requests>}, 'XML: expected requests');

	# ANALYZE tells what it was.
	my $rows = count('conversations', "updated_at >= $l AND $resolved");
	$sandbox->control({ latency_ms => 20 });
	my ($analyzed, @requests) = requests_of("EXPLAIN (ANALYZE, FORMAT JSON) $select");
	$sandbox->control({ latency_ms => 0 });
	$json = decode_json($analyzed)->[0]->{Plan};
	is($json->{'Requests'}, scalar @requests, 'ANALYZE: requests');
	is($json->{'Pages'}, scalar @requests, 'ANALYZE: pages');
	is($json->{'Rows Received'}, $rows, 'ANALYZE: rows received');
	is($json->{'Doubles Dropped'}, 0, 'ANALYZE: doubles');
	cmp_ok($json->{'Received'}, '>', 500 * $rows, 'ANALYZE: bytes');
	cmp_ok($json->{'Waiting Time'}, '>', 15, 'ANALYZE: time spent waiting');
	$sandbox->data([
		map { { op => 'insert_random', resource => 'conversations', count => 3, seed => 1, at_request => { path => '*/conversations/2', when => 'before' } } } 1 ]);
	my $read = sql("EXPLAIN (ANALYZE, COSTS OFF) SELECT session_id FROM $conversations WHERE updated_at > $e AND state IS NOT NULL");
	like($read, qr/^ *Doubles Dropped: 3$/m, 'ANALYZE: rows that came twice');
	like($read, qr/^ *Received: [1-9][0-9]* bytes\n *Waiting Time: [0-9.]+ ms$/m, 'ANALYZE: bytes and time');
	$sandbox->reset;
	my $lookups = decode_json(sql("EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) SELECT * FROM $conversations WHERE session_id IN ('$keyed{session_id}->[1]', 'x')"))->[0]->{Plan};
	is($lookups->{'Requests'}, 2, 'ANALYZE: lookups');
	ok(!exists $lookups->{'Waiting Time'}, 'ANALYZE, TIMING OFF');
	unlike(plan_of("SELECT * FROM $conversations", options => 'ANALYZE OFF, VERBOSE') . $analyzed . $read,
		qr/@{[ $sandbox->credentials->{key} ]}|@{[ $sandbox->credentials->{identifier} ]}/, 'EXPLAIN tells no credentials');
}

#
# What the executor, and others, do with such scans: as with local tables.
#

foreach my $query (
	'SELECT a.session_id, b.updated_at FROM [c] a JOIN [c] b USING (session_id) WHERE a.session_id IN (<keys>)',
	'SELECT p.people_id, c.session_id FROM [p] p JOIN [c] c USING (people_id) WHERE p.created_at > <late> AND c.updated_at > <late>',
	'SELECT p.people_id, c.session_id FROM [c] c LEFT JOIN [p] p USING (people_id) WHERE c.session_id IN (<keys>)',
	'SELECT coalesce(c.session_id, p.people_id) FROM [c] c FULL JOIN [p] p USING (people_id) WHERE c.updated_at > <late> OR p.updated_at > <late>',
	'SELECT session_id FROM [c] WHERE updated_at > <late> AND people_id NOT IN (SELECT people_id FROM [p] WHERE updated_at > <late>)',
	'SELECT session_id FROM [c] WHERE session_id IN (<keys>) UNION SELECT people_id FROM [p] WHERE updated_at > <late>',
	'SELECT session_id FROM [c] WHERE session_id IN (<keys>) INTERSECT SELECT session_id FROM [c] WHERE updated_at > <early>',
	'WITH RECURSIVE r(k, n) AS (SELECT <key>, 1 UNION ALL SELECT c.session_id, n + 1 FROM r JOIN [c] c ON c.session_id = r.k WHERE n < 4) SELECT * FROM r',
	'WITH k AS MATERIALIZED (SELECT unnest(ARRAY[<keys>]) AS k) SELECT session_id, updated_at FROM k JOIN [c] ON session_id = k',
	'SELECT session_id, updated_at FROM [c] WHERE session_id = <key> FOR UPDATE',
	'SELECT c.session_id, f.n FROM few_session_id f JOIN [c] c ON c.session_id = f.k FOR UPDATE OF c',
	'SELECT k, (SELECT array_agg(updated_at) FROM [c] WHERE session_id = f.k OR session_id = <key>) FROM few_session_id f WHERE n = 1',
	'SELECT f.k, s.* FROM few_session_id f LEFT JOIN LATERAL (SELECT updated_at, f.n FROM [c] WHERE session_id = f.k LIMIT 1) s ON true',
	'SELECT f.k, s.* FROM few_session_id f CROSS JOIN LATERAL (SELECT max(updated_at) FROM [c] WHERE updated_at > <late> AND session_id <> f.k) s',
	'SELECT count(*) FROM [c] a, [c] b WHERE a.updated_at > <late> AND b.session_id = a.session_id AND b.updated_at >= a.updated_at',
	'SELECT state, count(*), grouping(state) FROM [c] WHERE updated_at > <late> GROUP BY ROLLUP (state)',
	'SELECT session_id, lag(session_id) OVER (ORDER BY updated_at, session_id) FROM [c] WHERE updated_at > <late>')
{
	my ($first, @rest) = map { "'$_'" } @{ $keyed{session_id} }[ 1 .. 5 ];
	my $keys = join ', ', $first, @rest, "'absent'", $first;
	my $text = $query =~ s/<keys>/$keys/r =~ s/<key>/$first/gr =~ s/<late>/$l/gr =~ s/<early>/$e/gr =~ s/\[c\]/$conversations/gr =~ s/\[p\]/$people/gr;

	is(sorted((requests_of($text))[0]), sorted(sql(local_of($text))), "rows: $query");
}
foreach my $schema ('crisp', 'copy')
{
	sql(<<"END");
CREATE SCHEMA over_$schema;
SET search_path = over_$schema;
CREATE TABLE whole (session_id text, state text, updated_at timestamptz, origin text) PARTITION BY LIST (origin);
CREATE TABLE local PARTITION OF whole FOR VALUES IN ('local');
INSERT INTO local SELECT session_id || ' archived', state, updated_at - interval '1 h', 'local' FROM copy.conversations;
ANALYZE local;
CREATE TABLE parent (session_id text, updated_at timestamptz);
INSERT INTO parent VALUES ('session_parent', $l);
CREATE VIEW guarded WITH (security_barrier) AS SELECT session_id, meta_email, updated_at FROM $schema.conversations WHERE state = 'resolved';
CREATE FUNCTION tell(text) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''%'', \$1; RETURN true; END';
END
}
sql(<<"END");
CREATE FOREIGN TABLE over_crisp.remote (junk int, updated_at timestamptz NOT NULL, origin text OPTIONS (json_path 'website_id'), session_id text, state text)
	SERVER support OPTIONS (resource 'conversations');
ALTER FOREIGN TABLE over_crisp.remote DROP COLUMN junk;
ANALYZE over_crisp.remote;
ALTER TABLE over_crisp.whole ATTACH PARTITION over_crisp.remote FOR VALUES IN ('$website');
CREATE FOREIGN TABLE over_crisp.child (updated_at timestamptz NOT NULL, session_id text) SERVER support OPTIONS (resource 'conversations');
ALTER FOREIGN TABLE over_crisp.child INHERIT over_crisp.parent;
CREATE TABLE over_copy.remote PARTITION OF over_copy.whole FOR VALUES IN ('$website');
INSERT INTO over_copy.remote SELECT session_id, state, updated_at, website_id FROM copy.conversations;
CREATE TABLE over_copy.child () INHERITS (over_copy.parent);
INSERT INTO over_copy.child SELECT session_id, updated_at FROM copy.conversations;
END
{
	my $key = $keyed{session_id}->[1];

	foreach my $case (
		[ 1, 'SELECT updated_at FROM whole ORDER BY updated_at DESC LIMIT 9' ],
		[ 1, "SELECT updated_at FROM whole WHERE state = 'resolved' ORDER BY updated_at DESC LIMIT 9" ],
		[ 2, "SELECT session_id, updated_at FROM whole WHERE session_id IN ('$key', '$key archived')" ],
		[ pages_of('conversations', "updated_at > $l"), "SELECT session_id, origin FROM whole WHERE updated_at > $l" ],
		[ 0, "SELECT count(*) FROM whole WHERE origin = 'local'" ],
		[ 1, 'SELECT max(updated_at) FROM whole' ],
		[ 1, 'SELECT updated_at FROM parent ORDER BY updated_at DESC LIMIT 9' ],
		[ 1, "SELECT session_id, updated_at FROM parent WHERE session_id = '$key'" ],
		[ 8, 'SELECT f.k, w.updated_at FROM public.few_session_id f JOIN parent w ON w.session_id = f.k' ],
		[ 1, "SELECT tableoid::regclass::text = 'child', updated_at FROM parent WHERE session_id = '$key'" ],
		[ 1, "SELECT meta_email FROM guarded WHERE session_id = '$key'" ],

		# A limit does not pass the barrier.
		[ pages_of('conversations', "state = 'resolved'"), 'SELECT updated_at FROM guarded ORDER BY updated_at DESC LIMIT 9' ])
	{
		my ($requests, $statement) = @{$case};

		check($statement, $requests, $statement, none => 1, before => 'SET search_path = over_crisp',
			local => "SET search_path = over_copy; $statement");
	}

	# A function of the user sees no row that the view hides, although the key is asked for.
	my $session = CrispSession->start($node);
	my $hidden = sql("SELECT session_id FROM copy.conversations WHERE state = 'pending' ORDER BY 1 LIMIT 1");
	foreach my $schema ('crisp', 'copy')
	{
		my $result = $session->run("SET search_path = over_$schema; SELECT session_id FROM guarded WHERE tell(session_id) AND session_id = '$hidden'; "
			  . "SELECT count(*) FROM (SELECT * FROM guarded WHERE tell(session_id) ORDER BY updated_at DESC LIMIT 5) s");
		my %seen = map { $_->{message} => 1 } @{ $result->{notices} };
		my $keys = join ', ', map { "'$_'" } keys %seen;

		is($result->{output}, 5, "security barrier, $schema: rows");
		is(sql("SELECT count(*) FROM copy.conversations WHERE session_id IN ($keys) AND state IS DISTINCT FROM 'resolved'"),
			0, "security barrier, $schema: what the function saw");
		cmp_ok(scalar keys %seen, '>=', 5, "security barrier, $schema: it saw some");
	}
	$session->quit;

	# Row security is that of the partitioned table.
	my $credentials = credential_options($sandbox);
	sql("CREATE ROLE agent; CREATE USER MAPPING FOR agent SERVER support OPTIONS ($credentials)");
	foreach my $schema ('over_crisp', 'over_copy')
	{
		sql("GRANT USAGE ON SCHEMA $schema TO agent; GRANT SELECT ON $schema.whole TO agent; ALTER TABLE $schema.whole ENABLE ROW LEVEL SECURITY; "
			  . "CREATE POLICY p ON $schema.whole TO agent USING (state = 'resolved')");
	}
	foreach my $statement ("SELECT updated_at FROM whole ORDER BY updated_at DESC LIMIT 9", "SELECT session_id FROM whole WHERE session_id = '$hidden'",
		"SELECT session_id FROM whole WHERE updated_at > $l")
	{
		is(sorted(sql("SET search_path = over_crisp; SET ROLE agent; $statement")), sorted(sql("SET search_path = over_copy; SET ROLE agent; $statement")),
			"row security: $statement");
	}
}

# Cursors, forward and back, over each kind of scan; and loops that are left early.
foreach my $query (
	'SELECT updated_at FROM [c] ORDER BY updated_at DESC LIMIT 70',
	'SELECT updated_at FROM [p] WHERE updated_at > CHANGED ORDER BY updated_at DESC LIMIT 500',
	'SELECT session_id FROM [c] WHERE session_id IN (KEYS) ORDER BY 1')
{
	my $keys = quoted(@{ $keyed{session_id} }[ 1 .. 30 ]);
	my $text = $query =~ s/KEYS/$keys/r =~ s/CHANGED/$changed/r =~ s/\[c\]/$conversations/gr =~ s/\[p\]/$people/gr;
	my $moves = 'FETCH 7 FROM c; FETCH BACKWARD 3 FROM c; FETCH LAST FROM c; FETCH FIRST FROM c; FETCH ABSOLUTE 20 FROM c; '
	  . 'FETCH RELATIVE -5 FROM c; FETCH ABSOLUTE -2 FROM c; MOVE ABSOLUTE 0 IN c; FETCH 3 FROM c; CLOSE c; COMMIT';
	my $loop = 'DO $do$ DECLARE r record; n int := 0; BEGIN FOR r IN %s LOOP n := n + 1; EXIT WHEN n = 3; END LOOP; '
	  . 'IF n <> 3 THEN RAISE \'%%\', n; END IF; END $do$';
	my ($fetched, @requests) = requests_of("BEGIN; DECLARE c SCROLL CURSOR FOR $text; $moves");

	is($fetched, sql("BEGIN; DECLARE c SCROLL CURSOR FOR " . local_of($text) . "; $moves"), "a cursor that scrolls: $query");
	my %times;
	$times{$_}++ foreach $sandbox->targets;
	is_deeply([ grep { $times{$_} > 1 } keys %times ], [], 'and nothing is asked for twice');
	is(sql(sprintf $loop, $text) . sql("SELECT count(*) FROM ($text) s"), sql("SELECT count(*) FROM (" . local_of($text) . ') s'), "a loop left early: $query");
}
{
	my (undef, @requests) = requests_of("BEGIN; DECLARE c CURSOR FOR SELECT session_id FROM $conversations WHERE session_id IN ("
		  . quoted(@{ $keyed{session_id} }[ 1 .. 30 ]) . '); FETCH 4 FROM c; COMMIT');

	is(scalar @requests, 4, 'a cursor over keys asks for no more than it fetches');
	check('COPY', pages_of('conversations', "updated_at > $l"), "COPY (SELECT session_id FROM $conversations WHERE updated_at > $l) TO STDOUT");
	check('INSERT … SELECT', 1, "CREATE TEMP TABLE got (at timestamptz); INSERT INTO got SELECT updated_at FROM $conversations ORDER BY updated_at DESC LIMIT 9; TABLE got");
}

# Plans that are kept see what has changed.
foreach my $mode ('force_custom_plan', 'force_generic_plan')
{
	my $session = CrispSession->start($node);
	my $key     = $keyed{session_id}->[1];
	my $right   = credential_options($sandbox) =~ s/(tier|identifier|key) /SET $1 /gr;

	$session->query("SET plan_cache_mode = $mode; PREPARE key(text) AS SELECT session_id FROM $conversations WHERE session_id = \$1; "
		  . "PREPARE newest AS SELECT count(*) FROM (SELECT FROM $conversations ORDER BY updated_at DESC LIMIT 90) s");
	is($session->query("EXECUTE key('$key')"), $key, "$mode: a key");
	is($session->query('EXECUTE newest'), 90, "$mode: the newest");
	sql(q(ALTER SERVER support OPTIONS (ADD per_page '30')));
	$sandbox->clear;
	is($session->query('EXECUTE newest'), 90, "$mode: the newest, after ALTER SERVER");
	is(join(' ', map { parameters($_)->{per_page} } $sandbox->requests), '30 30 30', "$mode: the new page size");
	sql('ALTER SERVER support OPTIONS (DROP per_page)');
	sql(q(ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (SET key 'not-the-key')));
	$session->fails("EXECUTE key('$key')", { sqlstate => '28000' }, "$mode: a key, after ALTER USER MAPPING");
	$session->fails('EXECUTE newest', { sqlstate => '28000' }, "$mode: the newest, after ALTER USER MAPPING");
	sql("ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS ($right)");
	is($session->query("EXECUTE key('$key')"), $key, "$mode: a key, after it was put right");
	$session->quit;
}

#
# A Crisp that does something else than it was asked.
#

# Rows are right, whether orders, sorts and filters are honoured or not, and whatever order a list has by itself.
my @asked = (
	[ "SELECT updated_at FROM $conversations ORDER BY updated_at DESC LIMIT 3", 1 ],
	[ "SELECT created_at FROM $conversations ORDER BY created_at DESC LIMIT 60", 2 ],
	[ "SELECT created_at FROM $conversations WHERE updated_at < $l ORDER BY created_at DESC LIMIT 1", 1 ],
	[ "SELECT waiting_since FROM $conversations ORDER BY waiting_since DESC NULLS LAST LIMIT 3", 1 ],
	[ "SELECT max(created_at) FROM $conversations", 1 ],
	[ "SELECT updated_at FROM $people ORDER BY updated_at DESC LIMIT 3", 1 ],
	[ "SELECT people_id FROM $people WHERE updated_at > $changed", pages_of('people_profiles', "updated_at > $changed") ],
	[ "SELECT session_id FROM $conversations WHERE state = 'resolved' AND updated_at > $l", pages_of('conversations', "$resolved AND updated_at > $l") ]);

foreach my $default_order ('updated', 'created', 'none')
{
	foreach my $setting (
		{}, { honour_order => $false }, { honour_sort => $false }, { honour_filters => $false },
		{ honour_order => $false, honour_sort => $false, honour_filters => $false })
	{
		my $name = join ', ', "default order $default_order", map { "no $_" } sort keys %{$setting};

		$sandbox->control({ honour_order => $true, honour_sort => $true, honour_filters => $true, default_order => $default_order, %{$setting} });
		run_statements($node, $sandbox);
		foreach my $case (@asked)
		{
			my ($statement, $requests) = @{$case};

			is(sorted(sql($statement)), sorted(sql(local_of($statement))), "$name: $statement");
			next if %{$setting};

			# The second time, a session has proved what it can.
			is(scalar(() = requests_of($statement)) - 1, $requests, "$name: requests");
		}
	}
}
$sandbox->reset;

# An order that is disproved is relied on no more: the list is read in whole pages, and in its own order.
$sandbox->control({ honour_order => $false, honour_sort => $false, default_order => 'created' });
run_statements($node, $sandbox);
sql("SELECT updated_at FROM $conversations ORDER BY updated_at DESC LIMIT 3");
check('after disproof', $all, "SELECT updated_at FROM $conversations ORDER BY updated_at DESC LIMIT 3", asked => qr/\?per_page=50$/, ordered => 1);
check('another order is judged by itself', 1, "SELECT created_at FROM $conversations ORDER BY created_at DESC LIMIT 3", ordered => 1);
check('an order that can not be proved', $all_people + 2, "SELECT people_id FROM $people WHERE updated_at > $changed");
check('an order that could not be proved', $all_people, "SELECT people_id FROM $people WHERE updated_at > $changed", asked => qr/\?per_page=50$/);
check('nor is it for LIMIT', $all_people, "SELECT updated_at FROM $people ORDER BY updated_at DESC LIMIT 3", asked => qr/\?per_page=50$/, ordered => 1);
check('columns of other types are sorted here', $all, 'SELECT updated_at FROM as_text ORDER BY updated_at DESC LIMIT 3', ordered => 1,
	before => "SET client_min_messages = warning; CREATE FOREIGN TABLE IF NOT EXISTS as_text (updated_at text) SERVER support OPTIONS (resource 'conversations')",
	local => 'SELECT (extract(epoch FROM updated_at) * 1000)::bigint FROM copy.conversations ORDER BY 1 DESC LIMIT 3');
$sandbox->reset;

# Rows without the column come last, and disprove nothing.
run_statements($node, $sandbox);
check('the end of the rows that have the column', $all,
	"SELECT waiting_since FROM $conversations WHERE waiting_since IS NOT NULL AND meta_email = 'nobody' ORDER BY waiting_since DESC LIMIT 5", none => 1);
check('and the order holds', 1, "SELECT waiting_since FROM $conversations ORDER BY waiting_since DESC NULLS LAST LIMIT 5", ordered => 1);

# Profiles that were never updated are sorted by both times: that proves nothing.  Nor does a list by the wrong time.
foreach my $case ('sorted by both times', 'sorted by the wrong time', 'sorted as asked')
{
	my $small = CrispSandbox->start(conversations => 1, people => 0, visitors => 1, websites => 1);
	my $schema = $case =~ s/\W/_/gr;
	my $json = JSON::PP->new->canonical;
	my @profiles = map {
		my $created = 1_700_000_000_000 + $_ * 1_000_000;
		my $updated = $case =~ /both/ ? $created : 1_700_300_000_000 + $_ * 7919 % 260 * 1_000_000;
		{ people_id => "p$_", created_at => $created, updated_at => $updated, active => { last => 1_700_000_000_000 + $_ * 6007 % 260 } }
	} 0 .. 259;
	my @answers;

	connect_crisp($node, $small, server => $schema, schema => $schema);
	$small->data([
		{ op => 'clear', resource => 'people' },
		map {
			{
				op => 'insert_raw', resource => 'people', text => $json->encode($_),
				created_at => $_->{created_at}, updated_at => $_->{updated_at}
			}
		} @profiles ]);
	if ($case =~ /wrong/)
	{
		foreach my $order ('ascending', 'descending')
		{
			my @sorted = $order eq 'ascending' ? @profiles : reverse @profiles;

			push @answers, map {
				{
					match => { path => "*/people/profiles/$_", query => "sort_order=$order" },
					status => $_ < 6 ? 206 : 200,
					body => $json->encode({ error => $false, reason => 'listed', data => [ splice @sorted, 0, 50 ] })
				}
			} 1 .. 6;
		}
		$small->control({ answers => \@answers });
	}
	run_statements($node, $small);

	my $since = (sort { $b <=> $a } map { $_->{updated_at} } @profiles)[40];
	my $where = "updated_at > timestamptz 'epoch' + interval '1 ms' * $since";
	my @expected = sort map { $_->{people_id} } grep { $_->{updated_at} > $since } @profiles;
	foreach my $proof (2, 0)
	{
		my ($rows, @requests) = requests_of("SELECT people_id FROM $schema.people_profiles WHERE $where");

		is(sorted($rows), join("\n", @expected), "$case: rows");
		is(scalar @requests, $proof + ($case =~ /asked/ ? 1 : 6), "$case: requests");
	}
	$small->stop;
}

$node->stop;
done_testing();
