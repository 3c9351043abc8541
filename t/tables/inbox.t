# Conversations of other inboxes: the option inbox of server and table, on servers that list them in one way or another.

use strict;
use warnings;

use CrispCluster;
use CrispStatement;
use JSON::PP;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 220, people => 20, data => 'ugly');
my $agent = '_internal:agent';

sub afresh { run_statements($node, $sandbox); return }
sub lines  { return join "\n", sort @_ }

afresh();

my @rows = $sandbox->rows('conversations');
my ($first) = grep { defined && $_ ne $agent } map { $_->{inbox_id} } @rows;
my %inbox;

push @{ $inbox{ $_->{inbox_id} // '' } }, $_->{session_id} foreach @rows;
cmp_ok(scalar @{ $inbox{$_} // [] }, '>', 2, "conversations in inbox '$_'") foreach '', $agent, $first;

sql(qq(CREATE SCHEMA f;
	CREATE FOREIGN TABLE f.plain (session_id text, inbox_id text, state text, updated_at timestamptz) SERVER support
	OPTIONS (resource 'conversations');
	CREATE FOREIGN TABLE f.every (session_id text, inbox_id text, state text, updated_at timestamptz) SERVER support
	OPTIONS (resource 'conversations', inbox 'all');
	CREATE FOREIGN TABLE f.agent (session_id text, state text, updated_at timestamptz, inbox_id text) SERVER support
	OPTIONS (resource 'conversations', inbox '$agent');
	CREATE FOREIGN TABLE f.messages (session_id text, content text, fingerprint bigint) SERVER support
	OPTIONS (resource 'messages', inbox '$agent');
	CREATE TABLE keys AS SELECT * FROM (VALUES ('$inbox{''}[0]'), ('$inbox{$agent}[0]'), ('$inbox{$agent}[1]'),
	('$inbox{$first}[0]')) v (key);
	CREATE TABLE boxes AS SELECT * FROM (VALUES ('$agent'), ('$first')) v (box); ANALYZE keys, boxes));

my $nested = 'SET enable_hashjoin = off; SET enable_mergejoin = off;';
my $hashed = 'SET enable_nestloop = off;';

foreach my $plain ('all', 'main')
{
	my @plain = map { $_->{session_id} } grep { $plain eq 'all' || !defined $_->{inbox_id} } @rows;

	$sandbox->control({ plain_inbox => $plain });
	foreach my $known ('known', 'unknown', 'refused', 'ignored')
	{
		my $name = "plain list $plain, all $known";

		afresh();
		$sandbox->control({ inbox_all => $known });
		is(lines(split /\n/, sql('SELECT session_id FROM f.plain')), lines(@plain), "$name: no option");
		is_deeply([ grep { /inbox/ } map { $_->{query} } (requests_of('SELECT count(*) FROM f.plain'))[ 1, 2 ] ],
			[], "$name: no inbox asked for");

		my @all = $known eq 'known' ? map { $_->{session_id} } @rows : @plain;

		foreach my $statement ('SELECT session_id FROM f.every',
			"SELECT session_id FROM f.every WHERE state IS NOT NULL",
			"SET crisp_fdw.scan_mode = 'exact'; SELECT session_id FROM f.every",
			'SELECT session_id FROM f.every ORDER BY updated_at DESC LIMIT 1000')
		{
			if ($known eq 'unknown' || $known eq 'refused')
			{
				like(sql("DO \$\$ BEGIN PERFORM count(*) FROM (" . ($statement =~ s/^SET.*?; //r)
					  . ") x; RAISE EXCEPTION 'no error'; EXCEPTION WHEN SQLSTATE 'HV024' THEN NULL; "
					  . "END \$\$; SELECT 1"),
					qr/1$/, "$name: an error, $statement");
				next;
			}
			is(lines(split /\n/, sql($statement)),
				lines($statement =~ /state/ ?
					grep { my $id = $_; grep { $_->{session_id} eq $id && defined $_->{state} } @rows } @all : @all),
				"$name: $statement");
		}
		is(sql("SELECT count(*) FROM f.every WHERE inbox_id = '$agent'"), scalar @{ $inbox{$agent} },
			"$name: a condition goes before all");
		is(sql("SELECT count(*) FROM f.every WHERE session_id = '$inbox{$agent}[0]'"), 1, "$name: a lookup in all");
		if ($known eq 'known')
		{
			is(sql("SELECT count(*) FROM f.every WHERE state = 'no such'"), 0, "$name: nothing, and no error");
		}

		is(lines(split /\n/, sql('SELECT session_id FROM f.agent')), lines(@{ $inbox{$agent} }), "$name: one inbox");
		is(sql("SELECT count(*) FROM f.plain WHERE inbox_id = '$agent'"), scalar @{ $inbox{$agent} },
			"$name: a condition");
		is(sql("SELECT count(*) FROM f.agent WHERE inbox_id = '$first'"), scalar @{ $inbox{$first} },
			"$name: a condition goes before the option");
		is(sql("SELECT count(*) FROM f.agent WHERE session_id = '$inbox{$agent}[0]'"), 1, "$name: a lookup");
		is(sql("SELECT count(*) FROM f.agent WHERE session_id = '$inbox{$first}[0]'"), 0,
			"$name: a lookup in another inbox");
		is(sql("SELECT count(*) FROM f.agent WHERE session_id = '$inbox{$first}[0]' AND inbox_id = '$first'"), 1,
			"$name: a lookup with a condition");
		is(sql("$nested SELECT count(*) FROM keys JOIN f.agent ON session_id = key"), 2, "$name: joined by lookups");
		is(sql("$hashed SELECT count(*) FROM keys JOIN f.agent ON session_id = key"), 2, "$name: joined with the list");
		is( sql("$nested SELECT count(*) FROM boxes JOIN f.agent ON inbox_id = box"),
			sql("$hashed SELECT count(*) FROM boxes JOIN f.agent ON inbox_id = box"),
			"$name: joined by inbox");
		is( sql("$nested SELECT count(*) FROM boxes JOIN f.plain ON inbox_id = box"),
			sql("$hashed SELECT count(*) FROM boxes JOIN f.plain ON inbox_id = box"),
			"$name: the plain list, joined by inbox");
	}
}

# Messages are those of the inbox's conversations.
{
	my $n = sql("SELECT count(*) FROM crisp.messages WHERE session_id = '$inbox{$agent}[0]'");

	cmp_ok($n, '>', 0, 'a conversation of the inbox has messages');
	is(sql("SELECT count(*) FROM f.messages WHERE session_id = '$inbox{$agent}[0]'"), $n,
		'messages of a conversation in the inbox');
	is(sql("SELECT count(*) FROM f.messages WHERE session_id = '$inbox{$first}[0]'"), 0, 'messages of another inbox');
	is(sql('SELECT string_agg(DISTINCT session_id, chr(10) ORDER BY session_id) FROM f.messages'),
		join("\n", sort
			grep { sql("SELECT count(*) FROM crisp.messages WHERE session_id = '$_'") > 0 } @{ $inbox{$agent} }),
		'all messages');
}

# Copies hold what their sources do.
{
	my ($code, $out, $err) = $node->psql('postgres', q(
		CALL crisp_sync('f.agent', 'copied', mode => 'full');
		CALL crisp_sync('f.messages', 'said');
		CALL crisp_sync('f.messages', 'said')));

	is($code, 0, 'copies of one inbox') or diag($err);
	is(sql('SELECT session_id FROM copied ORDER BY 1'), lines(@{ $inbox{$agent} }), 'a copy of one inbox');
	is(sql('SELECT count(*), count(DISTINCT session_id) FROM said'),
		sql('SELECT count(*), count(DISTINCT session_id) FROM f.messages'), 'a copy of its messages');
}

# A server that ignores the filter.
$sandbox->control({ honour_filters => JSON::PP::false, plain_inbox => 'all' });
afresh();
is(lines(split /\n/, sql('SELECT session_id FROM f.agent')), lines(@{ $inbox{$agent} }), 'one inbox, filters ignored');
is(lines(split /\n/, sql('SELECT session_id FROM f.agent ORDER BY updated_at DESC LIMIT 5')),
	lines((map { $_->{session_id} } sort { $b->{updated_at} <=> $a->{updated_at} }
		grep { ($_->{inbox_id} // '') eq $agent } @rows)[ 0 .. 4 ]),
	'the newest of one inbox, filters ignored');
$sandbox->control({ honour_filters => JSON::PP::true });

# No conversations at all are no error.
$sandbox->data([ { op => 'clear' } ]);
afresh();
is(sql('SELECT count(*) FROM f.every'), 0, 'nothing in all inboxes');
$sandbox->reset;

# The option of the server, and its values.
sql("ALTER SERVER support OPTIONS (ADD inbox '$agent')");
is(sql('SELECT count(*) FROM f.plain'), scalar @{ $inbox{$agent} }, 'the server\'s option');
sql("ALTER FOREIGN TABLE f.plain OPTIONS (ADD inbox '$first')");
is(sql('SELECT count(*) FROM f.plain'), scalar @{ $inbox{$first} }, 'the table\'s option');
is(sql('SELECT count(*) > 0 FROM crisp.people_profiles'), 't', 'profiles lie in no inbox');
sql('ALTER SERVER support OPTIONS (DROP inbox)');

foreach my $value ('', ' ', 'a b', "a\nb", 'ALL', 'All', 'x' x 300)
{
	my ($code, $out, $err) = $node->psql('postgres', "ALTER SERVER support OPTIONS (ADD inbox '$value')",
		extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);

	like($err, qr/22023/, 'refused: "' . substr($value, 0, 10) . '"');
}
foreach my $resource ('people_profiles', 'people_data', 'visitors')
{
	my ($code, $out, $err) = $node->psql('postgres',
		"CREATE FOREIGN TABLE bad (session_id text) SERVER support OPTIONS (resource '$resource', inbox 'all')",
			extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);

	like($err, qr/HV00D/, "no inbox of $resource");
}

# What the error says.
$sandbox->control({ inbox_all => 'unknown', plain_inbox => 'all' });
{
	my ($code, $out, $err) = $node->psql('postgres', 'SELECT count(*) FROM f.every',
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	like($err, qr/HV024.*Crisp does not know inbox "all".*HINT/s, 'unknown: error and hint');
	$sandbox->control({ inbox_all => 'refused' });
	($code, $out, $err) = $node->psql('postgres', 'SELECT count(*) FROM f.every',
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	like($err, qr/HV024.*Crisp does not know inbox "all".*HINT/s, 'refused: error and hint');
}

done_testing();
