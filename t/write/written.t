# Rows that are written: which columns can be, by which statement; what becomes of their values in JSON; which of
# the rows that a join finds twice is written; and what policies, check options and triggers see
# before anything is sent.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use CrispWrites;
use FindBin;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox =
  CrispSandbox->start(conversations => 60, people => 20, visitors => 2, operators => 4);
my $node = start_node();
my $website_id = $sandbox->website_id;

connect_crisp($node, $sandbox, options => "per_page '20', max_retries '0', updatable 'true'");

my $session = CrispSession->start($node);
watch_writes($session, $sandbox);
my ($id, $other) = map { $_->{session_id} } $sandbox->rows('conversations');

# One test: what a statement prints, and what it writes.
sub writes
{
	my ($sql, $printed, $written, $name) = @_;

	$sandbox->clear;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($session->query($sql), $printed, "$name: the result");
	is_deeply([ written_lines() ], $written, "$name: the requests");
	return;
}

# The request that sends a text.
sub text
{
	my ($content, $more) = @_;

	return qq(POST $id/message {"content":"$content","from":"operator",)
	  . ($more // '')
	  . '"origin":"chat","type":"text"}';
}

# A foreign table of messages or conversations.
sub foreign_table
{
	my ($resource, $name, $columns) = @_;

	$session->query(
		"CREATE FOREIGN TABLE $name ($columns) SERVER support OPTIONS (resource '$resource')");
	return;
}

# A value of a type, which only a column that can't be written makes wrong before any other.
my %value = (
	'text' => "'x'",
	'bigint' => '1',
	'boolean' => 'true',
	'jsonb' => q('{}'),
	'text[]' => q('{}'),
	'double precision' => '1',
	'timestamp with time zone' => 'now()'
);

subtest 'crisp_fdw_columns() says which columns can be written' => sub {
	my @columns = map { decode_json($_) } split /\n/, $session->query(<<'END');
SELECT row_to_json(c) FROM crisp_fdw_columns() c WHERE resource IN
	(SELECT resource FROM crisp_fdw_resources() WHERE written_by IS NOT NULL)
END
	my (@said, @so);

	# What can be sent is refused by Crisp then.
	$sandbox->control({
		answers => [ map { { match => { method => $_ }, status => 403,
			act => JSON::PP::false } } qw(POST PATCH PUT DELETE) ] });
	foreach my $column (grep { $_->{column_name} ne 'website_id' } @columns)
	{
		my ($table, $name) = ("crisp.$column->{resource}", qq("$column->{column_name}"));
		my @by;

		$session->query(
			"PREPARE p AS INSERT INTO $table ($name) VALUES ($value{$column->{data_type}})")
		  if $column->{resource} ne 'people_subscriptions';
		push @by, 'INSERT'
		  unless $column->{resource} eq 'people_subscriptions'
		  || $session->run('EXECUTE p')->{errors}->[0]->{sqlstate} =~ /^(?:0A000|55000)$/;
		$session->query('DEALLOCATE p') if $column->{resource} ne 'people_subscriptions';
		push @by, 'UPDATE' unless @{ $session->run("EXPLAIN UPDATE $table SET $name = $name")->{errors} };
		push @said, "$table $name " . ($column->{written_by} // '');
		push @so, "$table $name " . join(', ', @by);
	}
	cmp_ok(scalar @so, '>', 150, 'all columns were tried');
	is_deeply(\@said, \@so, 'and it is so');
	is(
		$session->query(
			'SELECT count(*) FROM crisp_fdw_columns() JOIN crisp_fdw_resources() r USING (resource) '
				. 'WHERE (crisp_fdw_columns.written_by IS NOT NULL) > (r.written_by IS NOT NULL)'
		),
		0,
		'no other resource can be written');

	foreach my $table (split /\n/, $session->query('SELECT resource FROM crisp_fdw_resources()'))
	{
		my ($said) = $session->query("SELECT written_by FROM crisp_fdw_resources() WHERE resource = '$table'");
		my $so = join ', ',
		  map { $_->[1] } grep { $session->query("SELECT pg_relation_is_updatable('crisp.$table'::regclass, "
			. "false) & $_->[0]") }
		  ([ 8, 'INSERT' ], [ 4, 'UPDATE' ], [ 16, 'DELETE' ]);

		is($said, $so, "statements that can write $table") if $table ne 'websites';
	}

	open(my $page, '<', "$FindBin::RealBin/../../docs/writing.md") or die "docs/writing.md: $!\n";
	my $section = '';
	my %documented;
	while (<$page>)
	{
		$section = $1 if /^## (.*)/;
		next unless /^\| (`[^|]*) \| ([^|]*) \|/ && $2 ne 'nowhere';
		push @{ $documented{$section} }, $1 =~ /`([a-z_]+)`/g;
	}
	close $page;
	foreach my $case (
		[ 'Send a message', 'messages', 'INSERT' ],
		[ 'Write profiles of people', 'people_profiles', 'UPDATE' ],
		[ 'Write custom data of people', 'people_data', 'INSERT' ],
		[ 'Add an event to a profile', 'people_events', 'INSERT' ],
		[ 'Change a subscription', 'people_subscriptions', 'UPDATE' ],
		[ 'Change a conversation', 'conversations', 'UPDATE' ])
	{
		my ($heading, $resource, $by) = @{$case};
		my @wanted = map { $_->{column_name} }
		  grep { $_->{resource} eq $resource && ($_->{written_by} // '') =~ /$by/ } @columns;

		is_deeply([ sort @{ $documented{$heading} // [] } ], [ sort @wanted ], "docs/writing.md: $heading");
	}
	$sandbox->reset;
};

subtest 'two columns for one field' => sub {
	my $detail = 'Column "%s" stands for the same at Crisp, and is the one to write.';

	foreign_table('conversations', 'twice',
		q(session_id text, state text, again text OPTIONS (json_path 'state')));
	refused(
		"UPDATE twice SET again = 'pending' WHERE session_id = '$id'",
		{
			sqlstate => '0A000',
			message => 'column "again" of foreign table "twice" cannot be changed',
			detail => sprintf($detail, 'state')
		},
		'UPDATE');
	writes("UPDATE twice SET state = 'pending' WHERE session_id = '$id' RETURNING again",
		'unresolved', [qq(PATCH $id/state {"state":"pending"})], 'the first');

	foreign_table('messages', 'said_twice',
		q(session_id text, type text, content text, body text OPTIONS (json_path 'content')));
	refused_unasked(
		"INSERT INTO said_twice (session_id, type, content, body) VALUES ('$id', 'text', 'x', 'y')",
		{
			sqlstate => '0A000',
			message => 'column "body" of foreign table "said_twice" cannot be sent to Crisp',
			detail => sprintf($detail, 'content')
		},
		'INSERT');
	writes("INSERT INTO said_twice VALUES ('$id', 'text', 'x') RETURNING content, body",
		'x|x', [ text('x') ], 'RETURNING has both');
	$session->query('DROP FOREIGN TABLE twice, said_twice');
	$sandbox->reset;
};

subtest 'values' => sub {
	foreign_table('messages', 'odd',
		q(session_id jsonb, type json, content jsonb, mentions text[], fingerprint jsonb)
	);

	# What a column of another type reads can be written again, and stays what it was.
	writes(
		qq(INSERT INTO odd VALUES ('"$id"', '"text"', '"a \\"b\\""') RETURNING session_id = '"$id"', type, content),
		't|"text"|"a \"b\""', [ text('a \"b\"') ], 'JSON strings for text');
	writes(
		qq(UPDATE odd SET content = content WHERE session_id = '"$id"' AND content = '"a \\"b\\""'),
		'', [ map { "PATCH $_->[1] " . '{"content":"a \"b\""}' } written_before() ],
		'which stay as they are');
	foreach my $wrong ('5', 'null', '{}', '["x"]')
	{
		refused_unasked(
			qq(INSERT INTO odd VALUES ('"$id"', '"text"', '$wrong')),
			{
				sqlstate => '22023',
				message => qq(value cannot be sent to Crisp: "$wrong"),
				detail => 'Crisp takes text here.'
			},
			"other JSON for text: $wrong");
	}
	refused_unasked(
		qq(INSERT INTO odd (session_id, type, content, mentions) VALUES ('"$id"', '"text"', '"x"', '{{a,b},{c,d}}')),
		{
			sqlstate => '22023',
			message => 'value cannot be sent to Crisp: "{{a,b},{c,d}}"',
			detail => 'Crisp takes an array of one dimension here.'
		},
		'an array of arrays');
	$session->query('DROP FOREIGN TABLE odd');
	$sandbox->reset;
};

# The messages that the last statement has sent, as [method, path].
sub written_before
{
	my $fingerprint = $session->query("SELECT max(fingerprint) FROM crisp.messages WHERE session_id = '$id'");

	return [ 'PATCH', "$id/message/$fingerprint" ];
}

subtest 'what cannot be returned is not sent' => sub {
	foreign_table('messages', 'strict',
		q(session_id text, type text DEFAULT 'text', content text, automated float8, content_json json));
	writes("INSERT INTO strict (session_id, content, automated) VALUES ('$id', 'x', 1)",
		'', [ text('x') =~ s/\{/{"automated":true,/r ], 'a number for a boolean');
	refused_unasked(
		"INSERT INTO strict (session_id, content, automated) VALUES ('$id', 'x', 1) RETURNING automated",
		{ sqlstate => '22P02', context => qr/^column "automated" of foreign table "strict"/ },
		'but RETURNING has no such number');
	my $deep = qq('{"a":' || repeat('[', 300) || repeat(']', 300) || '}');
	refused_unasked(
		"INSERT INTO strict (session_id, type, content_json) VALUES ('$id', 'file', ($deep)::json) "
			. "RETURNING content_json",
		{
			sqlstate => '54000',
			message => 'row of foreign table "strict" cannot be returned',
			detail => qr/^Its JSON cannot be read: nesting too deep at byte \d+\.$/
		},
		'JSON that is too deep');
	$session->query(<<'END');
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER look AFTER INSERT ON strict FOR EACH ROW EXECUTE FUNCTION look();
END
	refused_unasked(
		"INSERT INTO strict (session_id, content, automated) VALUES ('$id', 'x', 1)",
		{ sqlstate => '22P02' },
		'nor has an AFTER trigger');
	$session->query('DROP FOREIGN TABLE strict; DROP FUNCTION look()');

	# An answer that is no message.
	foreach my $data ('null', '[]', '"x"')
	{
		$sandbox->control({
			answers => [ {
				match => { method => 'GET', path => '*/message/*' },
				body => qq({"error":false,"reason":"resolved","data":$data})
			} ]
		});
		my $result = $session->run(
			"INSERT INTO crisp.messages (session_id, type, content) VALUES ('$id', 'text', 'y') "
				. "RETURNING content, stamped IS NULL"
		);
		is($result->{output}, 'y|t', "read back as $data: what is known");
		is(
			$result->{notices}->[0]->{message},
			'the message was sent, but could not be read back, server "support"',
			'and a warning');
	}
	$sandbox->reset;
};

subtest 'rows that a join finds twice' => sub {
	writes(
		<<"END", 'resolved', [qq(PATCH $id/state {"state":"resolved"})], 'UPDATE: the first counts');
UPDATE crisp.conversations c SET state = v.s FROM (VALUES ('$id', 'resolved'), ('$id', 'pending')) v(id, s)
WHERE c.session_id = v.id RETURNING c.state
END
	writes(
		<<"END", '', [ map { qq(PATCH $_/state {"state":"pending"}) } sort $id, $other ], 'of two');
UPDATE crisp.conversations c SET state = 'pending' FROM generate_series(1, 3)
WHERE c.session_id IN ('$id', '$other')
END
	my $fingerprint = $session->query(
		"INSERT INTO crisp.messages (session_id, type, content) VALUES ('$id', 'text', 'x') RETURNING fingerprint"
	);
	my $sql =
	  "DELETE FROM crisp.messages USING generate_series(1, 2) i WHERE session_id = '$id' AND content = 'x' "
	  	. "RETURNING fingerprint";
	writes($sql, $fingerprint, ["DELETE $id/message/$fingerprint"], 'DELETE');

	# Doubles that are far from each other.
	my @ids = map { $_->{session_id} } $sandbox->rows('conversations');
	$sandbox->clear;
	is(
		$session->query(
			"WITH u AS (UPDATE crisp.conversations SET state = 'resolved' FROM generate_series(1, 5) RETURNING 1) "
				. "SELECT count(*) FROM u"
		),
		scalar @ids,
		'all conversations, five times');
	is_deeply(
		[ sort map { $_->[1] } written() ],
		[ sort map { "$_/state" } @ids ],
		'are changed once each');
	$sandbox->reset;
};

subtest 'generated columns' => sub {
	foreign_table('conversations', 'handled',
		"session_id text, assigned_user_id text, state text GENERATED ALWAYS AS (CASE WHEN assigned_user_id IS NULL "
			. "THEN 'pending' ELSE 'resolved' END) STORED, length int GENERATED ALWAYS AS (length(assigned_user_id)) "
			. "STORED"
	);
	writes(
		"UPDATE handled SET assigned_user_id = NULL WHERE session_id = '$id' RETURNING state, length",
		'pending|',
		[
			qq(PATCH $id/state {"state":"pending"}),
			qq(PATCH $id/routing {"assigned":{"user_id":null}})
		],
		'UPDATE sends what it makes of them');
	foreign_table('messages', 'greetings',
		"session_id text, type text DEFAULT 'text', name text OPTIONS (json_path 'user.nickname'), content text "
			. "GENERATED ALWAYS AS ('Dear ' || name) STORED"
	);
	writes("INSERT INTO greetings (session_id, name) VALUES ('$id', 'Zoe') RETURNING content",
		'Dear Zoe', [ text('Dear Zoe') =~ s/\}$/,"user":{"nickname":"Zoe"}}/r ], 'so does INSERT');
	$session->query('DROP FOREIGN TABLE handled, greetings');
	$sandbox->reset;
};

subtest 'policies, MERGE, check options' => sub {
	my $policy = 'new row violates row-level security policy for table "said"';

	$session->query(<<"END");
CREATE TABLE said (website_id text, content text, type text DEFAULT 'text', session_id text, fingerprint bigint)
	PARTITION BY LIST (website_id);
CREATE FOREIGN TABLE said_here PARTITION OF said FOR VALUES IN ('$website_id') SERVER support
	OPTIONS (resource 'messages');
CREATE TABLE said_elsewhere PARTITION OF said DEFAULT;
ALTER TABLE said ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE ROLE agent LOGIN;
GRANT ALL ON said TO agent;
CREATE USER MAPPING FOR agent SERVER support OPTIONS (@{[ credential_options($sandbox, 'website') ]});
CREATE POLICY see ON said FOR SELECT USING (true);
CREATE POLICY say ON said FOR INSERT WITH CHECK (content LIKE 'good%');
CREATE POLICY mend ON said FOR UPDATE USING (content NOT LIKE '%fixed') WITH CHECK (content LIKE 'better%');
SET ROLE agent;
END
	my $insert = 'INSERT INTO said (website_id, session_id, content) VALUES';
	refused("$insert ('$website_id', '$id', 'bad')",
		{ sqlstate => '42501', message => $policy }, 'an INSERT that a policy forbids');
	writes("$insert ('$website_id', '$id', 'good') RETURNING content",
		'good', [ text('good') ], 'one that it allows');
	my $where = "WHERE session_id = '$id' AND content LIKE 'good%'";
	refused("UPDATE said SET content = 'good enough' $where",
		{ sqlstate => '42501', message => $policy }, 'an UPDATE that a policy forbids');
	$sandbox->clear;
	is($session->query("UPDATE said SET content = 'better' $where RETURNING content"),
		'better', 'one that it allows');
	is_deeply([ map { $_->[2] } written() ], [ { content => 'better' } ], 'is made');

	# A row that moves into the partition is checked as what the statement is.
	$session->query("$insert ('x', '$id', 'good day')");
	my $move = "UPDATE said SET website_id = '$website_id'";
	refused("$move WHERE website_id = 'x'", { sqlstate => '42501', message => $policy },
		'a move that a policy forbids');
	writes("$move, content = 'better day' WHERE website_id = 'x' RETURNING content",
		'better day', [ text('better day') ], 'one that it allows');
	$session->query('RESET ROLE');

	refused(
		"MERGE INTO said s USING (VALUES ('$id')) v(id) ON s.session_id = v.id AND s.website_id = 'x' WHEN NOT "
			. "MATCHED "
			. "THEN INSERT (website_id, session_id, content) VALUES ('$website_id', '$id', 'good')",
		{
			sqlstate => '0A000',
			message => 'MERGE is not supported for foreign table "said_here"'
		},
		'MERGE into a partition');
	$session->query('DROP TABLE said; DROP OWNED BY agent; DROP ROLE agent');

	$session->query(<<'END');
CREATE VIEW by_table AS SELECT * FROM crisp.messages WHERE tableoid = 'crisp.messages'::regclass WITH CHECK OPTION;
END
	writes(
		"INSERT INTO by_table (session_id, type, content) VALUES ('$id', 'text', 'x') RETURNING content",
		'x', [ text('x') ], 'a check option that asks for the table: INSERT');
	$sandbox->clear;
	$session->query("UPDATE by_table SET content = 'y' WHERE session_id = '$id' AND content = 'x'");
	is_deeply([ map { $_->[2] } written() ], [ { content => 'y' } ], 'and UPDATE');
	$session->query('DROP VIEW by_table');
	$sandbox->reset;
};

subtest 'an UPDATE that has nothing to send' => sub {
	my $sent = $session->query(<<"END");
INSERT INTO crisp.messages (session_id, type, content) VALUES ('$id', 'text', 'x');
INSERT INTO crisp.messages (session_id, type, content_json) VALUES ('$id', 'file', '{"a": 1}') RETURNING fingerprint;
END
	my $update = "UPDATE crisp.messages SET content = NULL WHERE session_id = '$id'";

	# The text that a file doesn't have is NULL already.
	writes("$update AND fingerprint = $sent RETURNING content_json", '{"a": 1}', [], 'makes no request');
	my $error = $session->fails(
		"$update AND (content = 'x' OR fingerprint = $sent)",
		{ sqlstate => '23502', message => 'null value in column "content" of foreign table "messages"' },
		'and one that fails after it');
	is($error->{context}, undef, 'claims no change');
	$sandbox->reset;
};

# Minor versions of PostgreSQL before February 2026 look for a ctid where there is nothing to do.
subtest 'partitions that conditions rule out' => sub {
	$session->query(<<"END");
CREATE TABLE ruled (website_id text, session_id text NOT NULL, state text CHECK (state <> 'x')) PARTITION BY
	LIST (website_id);
CREATE FOREIGN TABLE ruled_out PARTITION OF ruled FOR VALUES IN ('$website_id') SERVER support
	OPTIONS (resource 'conversations');
END
	foreach my $condition ("state = 'x'", 'session_id IS NULL', "website_id = 'other'", 'false')
	{
		my $update = "UPDATE ruled SET state = 'resolved' WHERE $condition";

		$sandbox->clear;
		is($session->query("$update RETURNING session_id"), '', "nothing where $condition");
		is($sandbox->count, 0, '... without a request');
		like($session->query("EXPLAIN (VERBOSE, COSTS OFF) $update"), qr/ctid|NULL::tid/, '... with a ctid');
	}
};

done_testing();
