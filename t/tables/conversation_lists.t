# Events, pages and files of conversations: every row, every column, and what is asked.

use strict;
use warnings;

use CrispBelow;
use CrispCluster;
use CrispStatement;
use JSON::PP;
use POSIX qw(ceil);
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 90, people => 20);

run_statements($node, $sandbox);

my $website       = $sandbox->website_id;
my @conversations = $sandbox->rows('conversations');
my @sessions      = map { $_->{session_id} } @conversations;
my $listing       = ceil(@sessions / 50);

# What rows have of the row that they lie below.
sub inherited { return (session_id => $_[0]) }

sub time_of { return "to_timestamp($_[0] / 1000.0)" }

foreach my $name (qw(events pages files))
{
	my $table = "conversation_$name";
	my $below = below_of($sandbox, $table, session_id => \@sessions);
	my $all   = $listing + pages_below($below);

	# A long one without two equal rows at the edge of a page, which would take a request more.
	my ($long) = sort { @{ $below->{$b} } <=> @{ $below->{$a} } || $a cmp $b }
	  grep { pages_below($below, $_) == (ceil(@{ $below->{$_} } / 20) || 1) } @sessions;
	my ($short) = sort grep { @{ $below->{$_} } > 1 && @{ $below->{$_} } < 20 } @sessions;
	my ($none)  = sort grep { !@{ $below->{$_} } } @sessions;
	my $warm    = "SELECT count(*) FROM crisp.$table WHERE session_id = '$long'";
	my $twice   = join "\n", element_rows($table, $below, undef, \&inherited);

	cmp_ok(pages_below($below, $long), '>', 1, "$name: a conversation with pages of them");
	ok($none, "$name: one without");
	like($twice, qr/^(.+)\n\1$/m, "$name: two that are the same in everything");
	is(sql($warm), scalar @{ $below->{$long} }, "$name: count");

	#
	# All, one, some.
	#
	is(table_rows($table), element_rows($table, $below, undef, \&inherited), "$name: every row, every column");
	is(costs($all, "SELECT count(*) FROM crisp.$table", "$name, all"),
		scalar(split /\n/, element_rows($table, $below, undef, \&inherited)), "$name, all: count");
	$sandbox->clear;
	is(table_rows($table, "session_id = '$long'"), element_rows($table, $below, $long, \&inherited), "$name of one");
	is_deeply(
		[ map { $_->{path} } $sandbox->requests ],
		[ map { "/v1/website/$website/conversation/$long/$name/$_" } 1 .. pages_below($below, $long) ],
		"$name of one: requests");
	is(pages_below($below, $long), ceil(@{ $below->{$long} } / 20), "$name of one: each page once");
	foreach my $condition (
		"session_id IN ('$long', '$short', '$none', '$short')",
		"session_id = ANY ('{$short,$long,$none}'::text[])",
		"session_id = ANY (SELECT unnest(array['$long', '$short', '$none', '$short']))",
		"session_id IN (VALUES ('$long'), ('$short'), ('$none'))")
	{
		is(costs(pages_below($below, $long, $short, $none), "SELECT count(*) FROM crisp.$table WHERE $condition",
				"$name, $condition"),
			@{ $below->{$long} } + @{ $below->{$short} }, "$name, $condition: rows");
	}
	foreach my $mode ('force_custom_plan', 'force_generic_plan')
	{
		is(costs(pages_below($below, $long, $none),
				"SET plan_cache_mode = $mode; "
					. "PREPARE p(text) AS SELECT count(*) FROM crisp.$table WHERE session_id = \$1; "
					. "EXECUTE p ('$long'); EXECUTE p ('$none'); EXECUTE p (NULL)",
				"$name, \$1, $mode"),
			@{ $below->{$long} } . "\n0\n0", "$name, \$1, $mode: rows");
	}
	my $nobody = 'session_00000000-0000-4000-8000-000000000000';
	is(costs(1, "SELECT count(*) FROM crisp.$table WHERE session_id = '$nobody'", "$name, gone"), 0,
		"$name, a conversation that is gone has none");
	is(costs(1, "SELECT count(*) FROM crisp.$table WHERE session_id = upper('$long')", "$name, capitals"), 0,
		"$name, an id in capitals is another");
	is(costs(0, "SELECT count(*) FROM crisp.$table WHERE session_id = ''", "$name, no id"), 0, "$name, no id");
	is(costs(1, "SELECT count(*) FROM (SELECT FROM crisp.$table WHERE session_id = '$long' LIMIT 5) x", "$name, LIMIT"),
		5, "$name, LIMIT: rows");

	#
	# Of conversations that changed.
	#
	my @new   = @conversations[ 0 .. 4 ];
	my $since = time_of($new[-1]->{updated_at});
	my @changed = map { $_->{session_id} } @new;
	my $rows  = 0;

	$rows += @{ $below->{$_} } foreach @changed;
	foreach my $from (
		"crisp.conversations c JOIN crisp.$table t USING (session_id) WHERE c.updated_at >= $since",
		"crisp.$table t WHERE session_id IN (SELECT session_id FROM crisp.conversations WHERE updated_at >= $since)",
		"crisp.conversations c, LATERAL (SELECT * FROM crisp.$table t WHERE t.session_id = c.session_id OFFSET 0) t "
			. "WHERE c.updated_at >= $since")
	{
		is(costs(1 + pages_below($below, @changed), "SELECT count(*) FROM $from", "$name, $from"), $rows,
			"$name, $from: rows");
	}
	is(costs(1 + pages_below($below, @changed),
			"SELECT count(*), count(t.session_id) FROM crisp.conversations c "
				. "LEFT JOIN crisp.$table t USING (session_id) WHERE c.updated_at >= $since",
			"$name, LEFT JOIN"),
		($rows + grep({ !@{ $below->{$_} } } @changed)) . "|$rows", "$name, LEFT JOIN: rows");

	# By its own time, which may be later than the conversation's update: all conversations are asked.
	my @late = grep { $_->{timestamp} && $_->{timestamp} >= $new[-1]->{updated_at} } map { @{$_} } values %{$below};
	my ($printed, @requests) = requests_of("SELECT count(*) FROM crisp.$table WHERE \"timestamp\" >= $since");
	is($printed, scalar @late, "$name, by time: rows");
	is(scalar @requests, $all, "$name, by time: requests");

	#
	# EXPLAIN, ANALYZE.
	#
	my $plan = sql("EXPLAIN (COSTS OFF) SELECT * FROM crisp.$table");
	like($plan, qr{Crisp Request: GET website/$website/conversations/1\?}, "$name, EXPLAIN: the conversations");
	like($plan, qr{Crisp Request For Each Row: GET website/$website/conversation/\{session_id\}/$name/1$}m,
		"$name, EXPLAIN: the lists");
	like(sql("EXPLAIN (COSTS OFF) SELECT * FROM crisp.$table WHERE session_id = '$long'"),
		qr{Crisp Request: GET website/$website/conversation/$long/$name/1$}m, "$name, EXPLAIN: one list");
	$node->psql('postgres', "ANALYZE crisp.$table", stderr => \my $stderr);
	like($stderr, qr/WARNING:  skipping "$table" --- cannot analyze this foreign table/, "$name, ANALYZE");

	# Several lists at a time.
	sql(q(ALTER SERVER support OPTIONS (SET prefetch '8')));
	is(table_rows($table), element_rows($table, $below, undef, \&inherited), "$name, prefetch 8: every row");
	is(costs($all, "SELECT count(*) FROM crisp.$table", "$name, prefetch 8"),
		scalar(split /\n/, element_rows($table, $below, undef, \&inherited)), "$name, prefetch 8: count");
	sql(q(ALTER SERVER support OPTIONS (SET prefetch '1')));

	# Those of the conversations of one inbox.
	my ($inbox) = map { $_->{inbox_id} // () } @conversations;
	my @inside  = map { $_->{session_id} } grep { ($_->{inbox_id} // '') eq $inbox } @conversations;
	my ($outside) = grep { @{ $below->{$_} } } map { $_->{session_id} } grep { ($_->{inbox_id} // '') ne $inbox }
	  @conversations;
	sql("ALTER FOREIGN TABLE crisp.$table OPTIONS (ADD inbox '$inbox')");
	is(table_rows($table), element_rows($table, $below, \@inside, \&inherited), "$name, one inbox");
	is(sql("SELECT count(*) FROM crisp.$table WHERE session_id = '$outside'"), 0, "$name, another inbox");
	sql("ALTER FOREIGN TABLE crisp.$table OPTIONS (DROP inbox)");

	# Those of conversations without a message, which are in the list where the option says so: of the server, or of
	# the table.
	my @with_empty = $sandbox->column('conversations', 'session_id', undef, include_empty => 1);
	my $of_all = below_of($sandbox, $table, session_id => \@with_empty);
	foreach my $object ('SERVER support', "FOREIGN TABLE crisp.$table")
	{
		sql("ALTER $object OPTIONS (ADD include_empty 'true')");
		is(table_rows($table), element_rows($table, $of_all, undef, \&inherited), "$name, empty ones, by $object");
		is( costs(
				ceil(@with_empty / 50) + pages_below($of_all),
				"SELECT count(*) FROM crisp.$table",
				"$name, with them"),
			scalar(split /\n/, element_rows($table, $of_all, undef, \&inherited)), "$name, with them: count");
		sql("ALTER $object OPTIONS (DROP include_empty)");
	}
	cmp_ok(scalar @with_empty, '>', scalar @sessions, "$name: there are some such");

	#
	# What Crisp leaves open.
	#
	foreach my $setting (
		{ past_end => 'not_found' },
		{ full_last_page => 206 },
		{ past_end => 'not_found', full_last_page => 206 },
		{ list_per_page => 3 },
		{ list_per_page => 50 },
		{ below_order => 'oldest' },
		{ default_order => 'created' },
		{ honour_order => JSON::PP::false },
		{ honour_dates => JSON::PP::false },
		{ data => 'tidy' })
	{
		my $words = JSON::PP->new->canonical->encode($setting);

		$sandbox->reset;
		$sandbox->control($setting);
		my $now = below_of($sandbox, $table, session_id => \@sessions);
		is(table_rows($table), element_rows($table, $now, undef, \&inherited), "$name, $words: every row");
		is(table_rows($table, "session_id IN ('$long', '$short')"),
			element_rows($table, $now, [ $long, $short ], \&inherited), "$name, $words: of two");
	}
	$sandbox->reset;

	# A value that doesn't fit names the conversation.
	$sandbox->data([ { op => 'insert', resource => $table, session_id => $short,
		row => { timestamp => 'soon' } } ]);
	$node->psql('postgres', "SELECT * FROM crisp.$table WHERE session_id = '$short'", stderr => \$stderr);
	like($stderr, qr/ERROR:  .*\nCONTEXT:  column "timestamp" of foreign table "$table".*row "$short"/s,
		"$name: an error names column and conversation");
	$sandbox->reset;
}

done_testing();
