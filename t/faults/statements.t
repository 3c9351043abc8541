# Statements drawn at random, of all shapes that there are: cursors that are held, turned back, half read and left;
# savepoints with errors in between; prepared statements, loops that catch errors, INSERT … SELECT, partitions, writes.
# Requests fail meanwhile, answers are wrong, statements are cancelled, lists move.  Rows are those of local copies, or,
# of lists that move, all that were there throughout, and each once; errors are such as docs/errors.md has.
#
# STATEMENT_SEED draws again what a run has drawn; STATEMENTS tells how many.

use strict;
use warnings;

use CrispCluster;
use CrispQueries;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{STATEMENT_SEED} // int(rand(2**31));
my $statements = $ENV{STATEMENTS} // 120;

diag("STATEMENT_SEED=$seed STATEMENTS=$statements");
srand $seed;

my ($true, $false) = (JSON::PP::true, JSON::PP::false);

# One website that stands still, one whose lists move, and one that is written to.
my %sandbox = (
	crisp => CrispSandbox->start(conversations => 130, people => 110, visitors => 3, operators => 5, websites => 2),
	moving => CrispSandbox->start(conversations => 130, people => 110, visitors => 3, operators => 5, websites => 1),
	office => CrispSandbox->start(conversations => 40, people => 40, visitors => 3, operators => 5, websites => 1));
my $node = start_node('log_error_verbosity = verbose');
my $retries = "per_page '20', max_retries '2', retry_delay '1ms', request_timeout '60s', "
	. "include_empty 'true'";

connect_crisp($node, $sandbox{crisp}, options => "$retries, prefetch '4'");
connect_crisp($node, $sandbox{moving}, server => 'moving', schema => 'moving', options => $retries);
connect_crisp($node, $sandbox{office},
	server => 'office', schema => 'office', options => "$retries, updatable 'true'");

#
# Copies
#

my @read = qw(conversations people_profiles people_data people_conversations conversation_events messages);
my @websites = map { $sandbox{crisp}->website_id($_) } 0, 1;
my $url = $sandbox{crisp}->url;
my $second = credential_options($sandbox{crisp}, 'website', 1);
my $parts = 'website_id text, session_id text, state text, people_id text, created_at timestamptz';
my $local = CrispSession->start($node);

$local->query("CREATE SCHEMA copy; CREATE SCHEMA known; CREATE SCHEMA low; CREATE SCHEMA high; CREATE SCHEMA here;"
	. join ' ', map { "CREATE TABLE copy.$_ AS SELECT * FROM crisp.$_; ANALYZE copy.$_;" } @read);
$local->query(<<"END");
CREATE INDEX ON copy.messages (session_id);
CREATE INDEX ON copy.conversations (session_id);
CREATE TABLE probe AS
	SELECT n, CASE n % 5 WHEN 0 THEN 'absent ' || n WHEN 1 THEN NULL ELSE c.session_id END AS session_id,
		CASE n % 4 WHEN 0 THEN NULL ELSE c.people_id END AS people_id,
		CASE n % 4 WHEN 0 THEN 'nobody\@' || n ELSE p.email END AS email
	FROM generate_series(0, 29) n
	JOIN (SELECT row_number() OVER (ORDER BY session_id) / 2 AS n, * FROM copy.conversations) c USING (n)
	JOIN (SELECT row_number() OVER (ORDER BY people_id) / 2 AS n, email FROM copy.people_profiles) p USING (n);
ANALYZE probe;
CREATE SERVER other FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url '$url', $retries);
CREATE USER MAPPING FOR CURRENT_USER SERVER other OPTIONS ($second);
CREATE TABLE crisp.parts ($parts) PARTITION BY LIST (website_id);
CREATE FOREIGN TABLE crisp.part_0 PARTITION OF crisp.parts FOR VALUES IN ('$websites[0]') SERVER support
	OPTIONS (resource 'conversations', website_id '$websites[0]');
CREATE FOREIGN TABLE crisp.part_1 PARTITION OF crisp.parts FOR VALUES IN ('$websites[1]') SERVER other
	OPTIONS (resource 'conversations', website_id '$websites[1]');
CREATE TABLE crisp.part_here PARTITION OF crisp.parts DEFAULT;
INSERT INTO crisp.parts VALUES ('here', 'session_here', 'pending', NULL, '2025-01-01Z');
CREATE TABLE copy.parts AS SELECT * FROM crisp.parts;
END

# Of lists that move, all rows that there have been since the statement began.
foreach my $table (qw(conversations people_profiles))
{
	$local->query("CREATE TABLE known.$table AS SELECT *, 'there' AS fate FROM moving.$table; "
		. "CREATE VIEW low.$table AS SELECT * FROM known.$table WHERE fate = 'there'; "
		. "CREATE VIEW high.$table AS SELECT * FROM known.$table;");
}

# What is compared of the tables that are written to.
my %written = (
	people_profiles => 'people_id, email, person_nickname, person_timezone, segments, notepad',
	people_data => 'people_id, data',
	conversations => 'session_id, state, meta_nickname, meta_segments, meta_data, is_blocked',
	messages => 'session_id, type, content');
my %key = (people_profiles => 'people_id', people_data => 'people_id', conversations => 'session_id');

sub copy_office
{
	$sandbox{office}->control({ answers => [] });
	$local->query("DROP TABLE IF EXISTS here.$_; CREATE TABLE here.$_ AS SELECT $written{$_} FROM office.$_")
		foreach sort keys %written;
	$local->query(q(UPDATE here.people_data SET data = '{}' WHERE data IS NULL));
	return;
}

copy_office();
learn_values($local, 'copy');

#
# What goes wrong
#

# These are about requests alone: what comes in the end is what Crisp has.
sub draw_faults
{
	my @kinds = (
		{ status => 503, act => $false },
		{ status => 429, act => $false, headers => { 'Retry-After' => '0' } },
		{ status => 420, act => $false },
		{ status => 500 },
		{ status => 408 },
		{ reset => $true },
		{ close => $true },
		{ cut_after => int rand 3000 },
		{ cut_after => int rand 300, reset => $true },
		{ delay_ms => 1 + int rand 30 },
		{ drip => { bytes => 700, every_ms => 1 } });

	return map { {
			match => { nth => 1 + int rand 6, chance(0.3) ? (method => pick('GET', 'PATCH', 'POST')) : () },
			times => 1 + int rand 3, %{ pick(@kinds) } } } 1 .. pick(1, 1, 2, 4);
}

# Answers that are wrong: no rows can be right then, but nothing may break.
sub draw_lies
{
	my $bytes = join '', map { chr int rand 128 } 1 .. 60;
	my @kinds = (
		(map { { replace => [$_] } }
			{ from => '}', to => ']' }, { from => 'session_', to => 'se\\u0000ssion_' },
			{ from => '"updated_at":1', to => '"updated_at":-9e99' }, { from => '"created_at":1',
				to => '"created_at":"x' },
			{ from => '"session_id"', to => '"sessionid"' }, { from => '"people_id":"', to => '"people_id":["' },
			{ from => '{"', to => '{"data":{"' }, { from => '"data":[', to => '"data":[null,7,"x",' },
			{ from => '"data":[', to => '"data":[{},' }, { from => '"data":', to => '"date":' },
			{ from => '"timestamp":1', to => '"timestamp":9' }, { from => 'pending', to => "p\xc3\xa9nding" },
			{ from => '"error":false', to => '"error":true' }, { from => '"', to => '' }),
		(map { { body => $_ } } '', '{', '[]', 'null', '{"error":false,"reason":"x","data":[]}', $bytes,
			'{"error":false,"reason":"x","data":{"total":-1}}', '{"data":' . '[' x 9000),
		{ body_repeat => { text => '[{"a":', times => 20_000 } },
		(map { { status => $_ } } 204, 206, 302, 400, 404),
		{ headers => { 'Content-Encoding' => 'gzip' } },
		{ headers => { 'Content-Encoding' => 'br' } },
		{ headers => { 'Retry-After' => '1e99' }, status => 429, act => $false });

	return map { { match => { nth => 1 + int rand 5 }, times => 1 + int rand 3, %{ pick(@kinds) } } } 1 .. pick(1, 2);
}

# What docs/errors.md says of requests, and of a statement that is cancelled or bounded.
my $of_requests = qr/^(?:HV00[MNR]|HV000|08P01|53400|CS002)$/;
my $of_cancel = qr/^57014$/;

# Of answers that are wrong, whatever tells of a value or of a list that can't be; never an internal error.
my $of_lies = qr/^(?:HV0..|08P01|53400|54000|22...|21000|23...|40001|42501|28000|CS...|P0002|55000|0A000)$/;

# What follows from another error: the rest of a transaction, and what wasn't made in it.
my $follows = qr/^(?:25P02|34000|26000|42P01|3B001|24000|55000)$/;

# Whether the errors of a script are those that it has on copies (the SQLSTATEs), or such as may come.
sub verdict
{
	my ($result, $expected, $allowed) = @_;
	my @states = map { $_->{sqlstate} // 'none' } @{ $result->{errors} };
	my @leaks = grep { $_->{message} =~ /leak|not closed|still referenced|alloc set/ } @{ $result->{notices} };

	return 'the connection was lost' if $result->{lost};
	return "$leaks[0]->{message}" if @leaks;
	return 'same' if "@states" eq "@{$expected}";
	my %expected = map { $_ => 1 } @{$expected};
	my $first = 0;
	foreach my $index (0 .. $#states)
	{
		next if $expected{ $states[$index] };
		next if $first && $states[$index] =~ $follows;
		if (defined $allowed && $states[$index] =~ $allowed)
		{
			$first = 1;
			next;
		}
		return "$states[$index] $result->{errors}->[$index]->{message}";
	}
	return $first ? 'failed' : "errors @states, and not @{$expected}";
}

#
# Shapes of statements: each a function that takes a schema, and returns statements.
#

my $count = 0;

sub ordered { return "SELECT s::text COLLATE \"C\" FROM ($_[0]) s ORDER BY 1" }

sub steps
{
	return map {
		pick('FETCH 1', 'FETCH 7', 'FETCH FORWARD 25', 'FETCH NEXT', 'MOVE 3', 'MOVE FORWARD ALL', 'FETCH ALL', @_)
			. ' IN c;'
	} 1 .. 1 + int rand 5;
}

my @backward = ('FETCH PRIOR', 'FETCH BACKWARD 4', 'FETCH FIRST', 'FETCH LAST', 'FETCH ABSOLUTE 3', 'FETCH RELATIVE -2',
	'MOVE ABSOLUTE 0', 'FETCH BACKWARD ALL');

# What goes wrong on purpose, and takes the rest of its subtransaction along.
sub mishap
{
	my ($query) = @_;

	return pick('SELECT 1 / 0;', "SELECT 'x'::int;", 'SELECT * FROM crisp.absent;',
		sub { 'SELECT 1 / (count(*) - count(*)) FROM (' . text_of($query, $_[0]) . ') s;' });
}

sub in_schema
{
	my ($statement, $schema) = @_;

	return ref $statement ? $statement->($schema) : $statement;
}

my %shapes = (
	plain => sub {
		my $query = draw_query();
		return { unordered => 1, script => sub { text_of($query, $_[0]) . ';' } };
	},
	collected => sub {
		my $query = draw_query();
		my $how = pick('CREATE TEMP TABLE got AS SELECT s::text AS x FROM (%s) s;',
			'CREATE TEMP TABLE got (x text); INSERT INTO got SELECT s::text FROM (%s) s;',
			'CREATE TEMP TABLE got (x text UNIQUE); INSERT INTO got SELECT s::text FROM (%s) s ON CONFLICT DO NOTHING;',
			'CREATE MATERIALIZED VIEW got AS SELECT s::text AS x FROM (%s) s WITH NO DATA; REFRESH MATERIALIZED '
				. 'VIEW got;');
		my $drop = 'DROP ' . ($how =~ /MATERIALIZED/ ? 'MATERIALIZED VIEW' : 'TABLE') . ' IF EXISTS got;';
		return {
			unordered => 1, after => $drop,
			script => sub { sprintf($how, text_of($query, $_[0])) . ' TABLE got;' } };
	},
	copied => sub {
		my $query = draw_query();
		return { unordered => 1, script => sub { 'COPY (' . text_of($query, $_[0]) . ') TO STDOUT;' } };
	},
	cursor => sub {
		my $query = draw_query();
		my $scroll = chance(0.5);
		my $hold = chance(0.4);
		my @steps = steps($scroll ? @backward : ());
		my @later = $hold ? steps($scroll ? @backward : ()) : ();
		my $end = pick('CLOSE c;', 'CLOSE ALL;', '');
		my $declare = ($scroll ? 'SCROLL ' : pick('', 'NO SCROLL ')) . 'CURSOR ' . ($hold ? 'WITH HOLD' : '');
		return {
			after => 'ROLLBACK; CLOSE ALL;',
			script => sub {
				join ' ', "BEGIN; DECLARE c $declare FOR ", ordered(text_of($query, $_[0])) . ';', @steps,
					$hold ? ('COMMIT;', @later, $end) : ($end, 'COMMIT;')
			} };
	},

	# Left half read, by the end of its transaction or of the session's patience.
	left => sub {
		my $query = draw_query();
		my $how = pick('', 'WITH HOLD');
		my $end = pick('ROLLBACK;', 'COMMIT;', 'DISCARD ALL;', 'COMMIT; DISCARD ALL;');
		$end = 'ROLLBACK;' if $end =~ /^DISCARD/;
		my $limit = pick(1, 3, 21);
		return {
			uncompared => 1, after => 'ROLLBACK; CLOSE ALL;',
			script => sub { "BEGIN; DECLARE c CURSOR $how FOR " . text_of($query, $_[0])
				. "; FETCH $limit IN c; $end" } };
	},
	cursors => sub {
		my @queries = map { draw_query() } 0 .. 2;
		my @steps = map { 'FETCH ' . pick(1, 5, 30, 'ALL') . ' IN c' . int(rand 3) . ';' } 1 .. 8;
		return {
			after => 'ROLLBACK; CLOSE ALL;',
			script => sub {
				my ($schema) = @_;
				join ' ', 'BEGIN;',
					(map { "DECLARE c$_ CURSOR FOR " . ordered(text_of($queries[$_], $schema)) . ';' } 0 .. 2), @steps,
					'COMMIT;';
			} };
	},
	savepoints => sub {
		my ($query, $inner) = (draw_query(), draw_query());
		my @mishaps = map { mishap($inner) } 1 .. 3;
		my @steps = map { 'FETCH ' . pick(1, 4, 22) . ' IN c;' } 1 .. 4;
		my $inside = chance(0.4);
		return {
			after => 'ROLLBACK; CLOSE ALL;',
			script => sub {
				my ($schema) = @_;
				my $open = 'DECLARE c CURSOR FOR ' . ordered(text_of($query, $schema)) . ';';
				my ($one, $two, $three) = map { in_schema($_, $schema) } @mishaps;
				join ' ', 'BEGIN;', $inside ? ('SAVEPOINT a;', $open) : ($open, 'SAVEPOINT a;'), $steps[0], $one,
					'ROLLBACK TO a;', $inside ? $open : '', $steps[1], 'SAVEPOINT b;', ordered(text_of($inner,
						$schema)) . ';',
					$two, 'ROLLBACK TO b;', $steps[2], 'RELEASE b;', 'SAVEPOINT a;', $steps[3], $three,
						'ROLLBACK TO a;',
					'COMMIT;';
			} };
	},
	prepared => sub {
		my $query = draw_query();
		my $name = 'p' . ++$count;
		my $mode = pick('auto', 'force_generic_plan', 'force_custom_plan');
		my $times = pick(1, 2, 7);
		my $change = chance(0.3) ? pick('ANALYZE public.probe;', 'DISCARD PLANS;', 'SET enable_nestloop = off;',
			'ALTER SERVER other OPTIONS (SET retry_delay \'2ms\');') : '';
		return {
			unordered => 1,
			script => sub {
				my ($types, $values, $text) = prepared_parts($query, $_[0]);
				"SET plan_cache_mode = $mode; PREPARE $name $types AS $text; "
					. join($change, map { "EXECUTE $name $values;" } 1 .. $times)
			} };
	},

	# A loop that catches what it raises itself, at each third row.
	loop => sub {
		my $query = draw_query();
		my $exit = pick('', '', 'EXIT WHEN n >= 5;');
		my $inner = draw_query();
		return {
			after => 'DROP TABLE IF EXISTS got;',
			script => sub {
				my ($outer, $within) = map { text_of($_, $_[0]) } $query, $inner;
				my $sorted = $exit ? ordered($outer) : $outer;
				"CREATE TEMP TABLE got (x text); DO \$do\$ DECLARE r record; n int := 0; BEGIN FOR r IN $sorted LOOP "
					. 'n := n + 1; BEGIN INSERT INTO got VALUES (r::text); IF n % 3 = 0 THEN '
					. "PERFORM 1 / 0; ELSIF n = 4 THEN PERFORM count(*) FROM ($within) s; END IF; "
					. "EXCEPTION WHEN division_by_zero THEN NULL; END; $exit END LOOP; END \$do\$; "
					. 'SELECT count(*) FROM got;'
			} };
	},
	parts => sub {
		my $b = chance(0.5);
		my $where = pick('true', "x.website_id = '$websites[0]'", "x.website_id IN ('$websites[1]', 'here')",
			q(x.state = 'resolved'), 'x.session_id = ' . value_of('conversations', 'session_id'),
			'x.created_at > ' . value_of('conversations', 'created_at') . '::timestamptz');
		my $from = pick('[parts] x', '[parts] x JOIN public.probe b USING (session_id)',
			'public.probe b LEFT JOIN [parts] x ON x.session_id = b.session_id',
			'[parts] x JOIN [people_profiles] p ON p.people_id = x.people_id',
			'public.probe b, LATERAL (SELECT * FROM [parts] y WHERE y.people_id = b.people_id OFFSET 0) x');
		my $what = pick('x.session_id, x.website_id', 'x.state, count(*)', 'max(x.created_at), count(*)');
		my $group = $what =~ /state/ ? 'GROUP BY 1' : '';
		my $end = $what =~ /session/ && chance(0.3) ? 'ORDER BY x.session_id, x.website_id LIMIT 7' : '';
		return {
			unordered => 1,
			script => sub {
				my ($schema) = @_;
				"SELECT $what FROM $from WHERE $where $group $end;" =~ s/\[(\w+)\]/$schema.$1/gr;
			} };
	},
	explained => sub {
		my $query = draw_query();
		return { uncompared => 1, script => sub { 'EXPLAIN (ANALYZE, VERBOSE) ' . text_of($query, $_[0]) . ';' } };
	});


#
# Statements on lists that stand still
#

my @sessions = map { CrispSession->start($node) } 0, 1;
my (%tally, $failed);

# A NULL is an empty line, also where it's the last one.
sub sorted { return join "\n", sort split /\n/, $_[0], -1 }

sub wrong
{
	my ($what, $text) = @_;

	$failed = 1;
	fail("statement $tally{statements}") or diag("STATEMENT_SEED=$seed\n$what\n$text");
	return;
}

# Who is cancelled, or may make few requests, fails in another way than whose requests fail.
sub draw_trouble
{
	return weighted(
		45, sub { ('none', [], '', undef) },
		30, sub { ('faults', [ draw_faults() ], '', $of_requests) },
		11, sub { ('lies', [ draw_lies() ], '', $of_lies) },
		8,  sub { ('cancel', [ { match => {}, delay_ms => 3 } ], 'SET statement_timeout = ' . (5 + int rand 40) . ';',
				$of_cancel) },
		6,  sub { ('bound', [], 'SET crisp_fdw.max_requests = ' . (1 + int rand 20) . ';', qr/^CS002$/) })->();
}

sub read_step
{
	my $name = pick(sort keys %shapes);
	my $shape = $shapes{$name}->();
	my ($trouble, $answers, $setting, $allowed) = draw_trouble();
	my $before = "RESET ALL; SET TimeZone = 'UTC'; SET client_min_messages = warning; " . draw_settings() . " $setting";
	my $after = $shape->{after} // '';
	my $script = $shape->{script}->('crisp');
	my $session = pick(@sessions);

	my $expected = $local->run("SET TimeZone = 'UTC'; SET client_min_messages = warning; "
		. $shape->{script}->('copy'));
	my @states = map { $_->{sqlstate} } @{ $expected->{errors} };
	$local->run("RESET ALL; $after SET TimeZone = 'UTC'");

	$sandbox{crisp}->control({ answers => $answers });
	my $result = $session->run("$before $script");
	$sandbox{crisp}->control({ answers => [] });
	my $verdict = verdict($result, \@states, $allowed);
	my $text = "$before\n$script\nanswers: " . JSON::PP->new->canonical->encode($answers);

	$tally{"$name"}++;
	return wrong("$name, $trouble: $verdict", $text) unless $verdict =~ /^(same|failed)$/;
	$session->run("RESET ALL; $after SET client_min_messages = warning");
	$tally{"$trouble $verdict"}++;
	return if $verdict eq 'failed' || $trouble eq 'lies' || $shape->{uncompared};

	my ($got, $wanted) = map { $shape->{unordered} ? sorted($_->{output}) : $_->{output} } $result, $expected;
	return wrong("$name, $trouble: rows\n--- got\n$got\n--- of the copies\n$wanted", $text) if $got ne $wanted;
	$tally{rows}++ if $wanted =~ /\S/;
	return;
}

#
# Statements on lists that move
#

# What happens to the lists while a statement reads them.  Only exact scans promise all rows when some are deleted.
sub draw_moves
{
	my ($exact) = @_;
	my @comes = $exact && chance(0.5) ? 'delete_random' : 'insert_random';

	return map {
		my $resource = pick('conversations', 'conversations', 'people');
		my $path = $resource eq 'people' ? 'website/*/people/profiles/*' : 'website/*/conversations/*';

		{   op => pick('touch_random', 'touch_random', @comes),
			resource => $resource, count => 1 + int rand 3, seed => int rand 1e6,
			at_request => { path => $path, nth => 1 + int rand 7, when => pick('before', 'after') } }
	} 1 .. 1 + int rand 4;
}

# Let come what still waits for a request.
sub end_moves
{
	foreach my $route ('conversations/1', 'people/profiles/1')
	{
		$sandbox{moving}->call('GET', $route) foreach 1 .. 8;
	}
	return;
}

sub moving_keys
{
	return (
		conversations => {
			map { $_ => 1 } $sandbox{moving}->column('conversations', 'session_id', undef, include_empty => 1) },
		people_profiles => { map { $_ => 1 } $sandbox{moving}->column('people', 'people_id') });
}

# Note what has come and gone, by the keys before and after.
sub note_moves
{
	my ($before, $after) = @_;

	foreach my $table (sort keys %{$before})
	{
		my @gone = grep { !$after->{$table}->{$_} } sort keys %{ $before->{$table} };
		my @come = grep { !$before->{$table}->{$_} } sort keys %{ $after->{$table} };
		my ($gone, $come) = map { join ', ', map { "'$_'" } @{$_} } \@gone, \@come;

		$local->query("UPDATE known.$table SET fate = 'gone' WHERE $key{$table} IN ($gone)") if @gone;
		$local->query("INSERT INTO known.$table SELECT *, 'come' FROM moving.$table WHERE $key{$table} IN ($come)")
			if @come;
		$tally{moves} += @gone + @come;
	}
	return;
}

sub moving_step
{
	my $query = draw_steady_query();
	my $exact = chance(0.5);
	my $how = pick('%s;', '%s;', 'BEGIN; DECLARE c CURSOR FOR %s; FETCH 3 IN c; FETCH 40 IN c; FETCH ALL IN c; COMMIT;',
		'CREATE TEMP TABLE got AS %s; TABLE got;', 'PREPARE p AS %s; EXECUTE p;');
	my $before = "RESET ALL; SET TimeZone = 'UTC'; SET client_min_messages = warning; "
		. draw_settings() =~ s/SET crisp_fdw.scan_mode = 'exact';//r
		. ($exact ? " SET crisp_fdw.scan_mode = 'exact';" : '');
	my $prefetch = $exact ? pick(1, 4, 8) : 1;
	my $moves = [ draw_moves($exact) ];
	my $answers = chance(0.25) ? [ draw_faults() ] : [];
	my $script = sprintf $how, text_of($query, 'moving');
	my $text = "$before\n$script\nprefetch $prefetch, moves: " . encode_json($moves) . "\nanswers: "
		. encode_json($answers);
	my $session = pick(@sessions);

	$local->query("ALTER SERVER moving OPTIONS (SET prefetch '$prefetch')");
	my %first = moving_keys();
	$sandbox{moving}->data($moves);
	$sandbox{moving}->control({ answers => $answers });
	my $result = $session->run("$before $script");
	$sandbox{moving}->control({ answers => [] });
	my $verdict = verdict($result, [], @{$answers} ? qr/$of_requests|^40001$/ : qr/^40001$/);

	$session->run('ROLLBACK; RESET ALL; DEALLOCATE ALL; DROP TABLE IF EXISTS got; SET client_min_messages = warning');
	end_moves();
	my %last = moving_keys();
	note_moves(\%first, \%last);
	$tally{"moving $verdict"}++ if $verdict =~ /^(same|failed)$/;
	if ($verdict eq 'same')
	{
		my $rows = join ', ', 'NULL', map { "\$x\$$_\$x\$" } split /\n/, $result->{output};
		$local->query("CREATE TEMP TABLE got AS SELECT x FROM unnest(ARRAY[$rows]::text[]) x WHERE x IS NOT NULL");
		my ($low, $high) = map { text_of($query, $_) } 'low', 'high';
		my ($lost, $more) = map { $local->query($_) }
			"SELECT count(*), min(x) FROM ((SELECT " . psql_line($query)
				. " AS x FROM ($low) s) EXCEPT ALL TABLE got) d",
			"SELECT count(*), min(x) FROM (TABLE got EXCEPT ALL (SELECT " . psql_line($query)
				. " AS x FROM ($high) s)) d";

		$local->query('DROP TABLE got');
		wrong("on a list that moves: lost $lost; doubled, or never there: $more", $text)
			if "$lost $more" ne '0| 0|';
	}
	elsif ($verdict ne 'failed')
	{
		wrong("on a list that moves: $verdict", $text);
	}
	foreach my $table (qw(conversations people_profiles))
	{
		$local->query("DELETE FROM known.$table WHERE fate = 'gone'; UPDATE known.$table SET fate = 'there' "
			. q(WHERE fate = 'come'));
	}
	return;
}

# A row as psql prints it, of a query whose columns are x0, x1, … or one alone.
sub psql_line
{
	my ($query) = @_;
	my %names = map { $_ => 1 } $query->{sql} =~ /\bAS (x\d+)\b/g;

	return %names
		? join q( || '|' || ), map { "coalesce($_\::text, '')" } sort keys %names
		: 's.session_id';
}

#
# Writes
#

sub some_value
{
	my ($column) = @_;

	return pick('NULL', '60', '-330') if $column eq 'person_timezone';
	return pick("'{}'", "'{a}'", q('{"b c",d}'), "coalesce(t.$column, '{}') || '{x}'") if $column =~ /segments/;
	return pick("'pending'", "'unresolved'", "'resolved'") if $column eq 'state';
	return pick('true', 'false') if $column =~ /^is_/;
	return pick(q(coalesce(t.%s, '{}') || '{"plan": "x"}'), q('{"seats": 2}'), q(coalesce(t.%s, '{}') - 'plan'))
		=~ s/%s/$column/gr if $column =~ /data$/;
	return "'" . pick('a', 'Zoé', q(it''s), '"x" \\ {}') . int(rand 100) . "'";
}

# A change of rows that are there: a function of the schema.
sub draw_change
{
	my $table = pick(sort keys %key);
	my @fields = grep { $_ !~ /^(people_id|session_id|email)$/ } split /, /, $written{$table};
	my %set = map { $_ => some_value($_) } map { pick(@fields) } 0 .. int rand 2;
	my $set = join ', ', map { "$_ = $set{$_}" } sort keys %set;
	my @keys = map { "'$_'" } split /\n/,
		$local->query("SELECT $key{$table} FROM here.$table ORDER BY md5($key{$table} || '" . int(rand 1e6)
			. "') LIMIT 3");
	my ($one, $few) = ($keys[0], join ', ', @keys);
	my ($k, $shown) = ("t.$key{$table}", join ', ', map { "t.$_" } sort keys %set);
	my $delete = $table ne 'people_data';

	return { table => $table, script => weighted(
		25, "UPDATE [$table] t SET $set WHERE $k = $one RETURNING $k, $shown;",
		15, "UPDATE [$table] t SET $set WHERE $k IN ($few);",
		12, "UPDATE [$table] t SET $set FROM (VALUES ($keys[0]), ($keys[1])) v (id) WHERE $k = v.id RETURNING v.id;",
		10, "WITH w AS (UPDATE [$table] t SET $set WHERE $k IN ($few) RETURNING $k AS id) SELECT id FROM w ORDER BY 1;",
		10, "PREPARE w (text) AS UPDATE [$table] t SET $set WHERE $k = \$1 RETURNING $k; EXECUTE w ($keys[0]); "
			. "EXECUTE w ($keys[1]); EXECUTE w ('absent'); DEALLOCATE w;",
		8,
			 "DO \$do\$ DECLARE i text; BEGIN FOREACH i IN ARRAY ARRAY[$few] LOOP UPDATE [$table] t SET $set "
				. "WHERE $k = i; "
			. 'END LOOP; END $do$;',
		5,  "UPDATE [$table] t SET $set WHERE $k = (SELECT min(x.$key{$table}) FROM [$table] x);",
		$delete ? (8, "DELETE FROM [$table] t WHERE $k = $one RETURNING $k;",
			4, "DELETE FROM [$table] t USING (VALUES ($keys[0]), ($keys[1])) v (id) WHERE $k = v.id;") : (),
		8, "INSERT INTO [messages] (session_id, type, content) SELECT session_id, 'text', 'n' || "
			. int(rand 1e6) . " FROM (SELECT session_id FROM [conversations] ORDER BY session_id LIMIT 2) s;") };
}

# What goes on around it; the copy sees the change alone, since nothing is rolled back at Crisp.
sub surrounded
{
	my ($script) = @_;

	return $script if $script =~ /PREPARE|^DO/;
	return weighted(
		55, $script,
		10, "BEGIN; $script COMMIT;",
		10, "BEGIN; SAVEPOINT a; $script ROLLBACK TO a; COMMIT;",
		10, "BEGIN; DECLARE c CURSOR FOR SELECT session_id FROM office.conversations; FETCH 3 IN c; $script "
			. 'MOVE ALL IN c; COMMIT;',
		5, "BEGIN; $script ROLLBACK;");
}

sub write_step
{
	my $change = draw_change();
	my $around = surrounded($change->{script});
	my $there = $around =~ s/\[(\w+)\]/office.$1/gr;
	my $here = $change->{script} =~ s/\[(\w+)\]/here.$1/gr;
	my $answers = chance(0.35) ? [ draw_faults() ] : [];
	my $session = pick(@sessions);

	$sandbox{office}->control({ answers => $answers });
	my $result = $session->run("SET client_min_messages = error; $there");
	$sandbox{office}->control({ answers => [] });
	$session->run('ROLLBACK; DEALLOCATE ALL; RESET ALL; SET client_min_messages = warning');
	my $text = "$there\nanswers: " . encode_json($answers);
	my $verdict = verdict($result, [], @{$answers} ? qr/$of_requests|^P0002$/ : undef);
	return wrong("write: $verdict", $text) unless $verdict =~ /^(same|failed)$/;
	$tally{"write $verdict"}++;
	if ($verdict eq 'failed')
	{
		copy_office();
		return;
	}
	my $output = $local->query($here);
	my $got = $result->{output};

	# What the cursor shows is no business of the write.
	$got =~ s/^session_\S+\n?//gm if $around =~ /DECLARE c/;
	$output =~ s/^session_\S+\n?//gm if $around =~ /DECLARE c/;
	return wrong("write: RETURNING\n--- got\n$got\n--- of the copy\n$output", $text) if sorted($got) ne sorted($output);
	$local->query('DELETE FROM here.people_data WHERE people_id NOT IN (SELECT people_id FROM here.people_profiles); '
		. 'DELETE FROM here.messages WHERE session_id NOT IN (SELECT session_id FROM here.conversations)');
	compare_office($text);
	return;
}

sub compare_office
{
	my ($text) = @_;

	foreach my $table (sort keys %written)
	{
		next if $table =~ /messages|people_data/ && chance(0.7);
		my $columns = $written{$table} =~ s/(?<!_)\bdata\b|meta_data/coalesce($&, '{}')/r;
		my ($lost, $more) = map {
			$local->query("SELECT count(*), min(d::text) FROM (SELECT $columns FROM $_->[0].$table EXCEPT ALL SELECT "
				. "$columns FROM $_->[1].$table) d")
		} [ 'here', 'office' ], [ 'office', 'here' ];

		next if "$lost $more" eq '0| 0|';
		wrong("$table after a write: Crisp lacks $lost, and has $more", $text);
		copy_office();
		return;
	}
	return;
}

#
# All of them
#

while (++$tally{statements} <= $statements)
{
	weighted(60, \&read_step, 22, \&moving_step, 18, \&write_step)->();
	last if $failed && !$ENV{STATEMENTS};
}
$tally{statements}--;

ok(!$failed, "$tally{statements} statements");
note(join ', ', map { "$_ $tally{$_}" } sort keys %tally);
foreach my $session (@sessions)
{
	is($session->query('SELECT pg_backend_pid()'), $session->pid, 'the session goes on');
	cmp_ok($session->descriptors, '<', 60, 'few descriptors are open');
}

# What failed proves nothing: most must have had their way.
cmp_ok($tally{'none same'}, '>', 0, 'some were to go well');
cmp_ok($tally{rows}, '>', $statements / 6, 'and had rows');
unlike(slurp_file($node->logfile), qr/XX\d\d\d|TRAP|PANIC|terminated by signal/, 'no internal error in the log');
$_->quit foreach @sessions, $local;
$node->stop;
done_testing();
