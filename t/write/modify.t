# UPDATE of conversations: which requests a statement makes, in which order, what is refused
# before any is made, who may do it, and what a failure says of what was done.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use CrispWrites;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox =
  CrispSandbox->start(conversations => 120, people => 20, visitors => 2, operators => 4);
my $node = start_node();
my $website_id = $sandbox->website_id;

connect_crisp($node, $sandbox, options => "per_page '20', max_retries '0', updatable 'true'");
$node->safe_psql('postgres', <<"END");
CREATE SERVER archive FOREIGN DATA WRAPPER crisp_fdw
	OPTIONS (base_url '@{[ $sandbox->url ]}', website_id '$website_id', prefetch '1');
CREATE USER MAPPING FOR CURRENT_USER SERVER archive
	OPTIONS (@{[ credential_options($sandbox, 'website') ]});
CREATE SCHEMA archive;
IMPORT FOREIGN SCHEMA crisp FROM SERVER archive INTO archive;
END

my $session = CrispSession->start($node);
watch_writes($session, $sandbox);
my $json = JSON::PP->new->canonical->allow_nonref;
my @operators = map { $_->{details}->{user_id} } $sandbox->rows('operators');
my @listed = $sandbox->rows('conversations');

# Conversations that have a state, and that somebody is or isn't in charge of.
sub some
{
	my ($wanted) = @_;

	return (grep { $wanted->($_) } @listed)[0]->{session_id} // die "no such conversation\n";
}

# The row of a conversation as it is now.
sub row
{
	my ($id) = @_;

	return (grep { $_->{session_id} eq $id } $sandbox->rows('conversations'))[0];
}

sub routes
{
	return map { $_->{method} . ' ' . ($_->{path} =~ s{.*/website/\Q$website_id\E/}{}r) }
	  $sandbox->requests;
}

my $open = some(sub { ($_[0]->{state} // "") eq 'unresolved' && !$_[0]->{assigned}->{user_id} });
my $taken = some(sub { $_[0]->{assigned}->{user_id} });

# What a statement writes, and what comes of it.
sub writes
{
	my ($sql, $tag, $written, $name) = @_;

	$sandbox->clear;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($session->query("\\set QUIET off\n$sql;\n\\set QUIET on"), $tag, "$name: the result");
	is_deeply([ written_lines() ], $written, "$name: the requests");
	return;
}

subtest 'one row, one column' => sub {
	writes(
		"UPDATE crisp.conversations SET state = 'resolved' WHERE session_id = '$open'",
		'UPDATE 1', [qq(PATCH $open/state {"state":"resolved"})], 'state');
	is_deeply(
		[ routes() ],
		[ "GET conversation/$open", "PATCH conversation/$open/state" ],
		'one request to find the row, one to change it');
	is(row($open)->{state}, 'resolved', 'Crisp has the new state');
	like(
		($sandbox->requests)[-1]->{headers}->{'content-type'},
		qr{^application/json}, 'the body is announced as JSON');

	writes(
		"UPDATE crisp.conversations SET assigned_user_id = '$operators[1]' WHERE session_id = '$open'",
		'UPDATE 1', [qq(PATCH $open/routing {"assigned":{"user_id":"$operators[1]"}})], 'routing');
	is(row($open)->{assigned}->{user_id}, $operators[1], 'Crisp has the operator');
	writes(
		"UPDATE crisp.conversations SET assigned_user_id = NULL WHERE session_id = '$taken'",
		'UPDATE 1', [qq(PATCH $taken/routing {"assigned":{"user_id":null}})], 'NULL');
	is(row($taken)->{assigned}->{user_id}, undef, 'NULL unassigns');
	$sandbox->reset;
};

subtest 'several columns, several rows' => sub {
	writes(
		"UPDATE crisp.conversations SET assigned_user_id = '$operators[0]', state = 'pending' "
			. "WHERE session_id = '$open'",
		'UPDATE 1',
		[
			qq(PATCH $open/state {"state":"pending"}),
			qq(PATCH $open/routing {"assigned":{"user_id":"$operators[0]"}})
		],
		'a request for each column');
	$sandbox->reset;

	my @ids = sort map { $_->{session_id} } @listed[ 0 .. 2 ];
	my $list = join ', ', map { "'$_'" } @ids;
	writes(
		"UPDATE crisp.conversations SET state = 'pending' WHERE session_id IN ($list)",
		'UPDATE 3', [ map { qq(PATCH $_/state {"state":"pending"}) } @ids ], 'a list of keys');
	$sandbox->reset;

	writes(
		"UPDATE crisp.conversations c SET state = v.s FROM (VALUES ('$ids[0]', 'resolved'), "
			. "('$ids[2]', 'pending')) v(id, s) WHERE c.session_id = v.id",
		'UPDATE 2',
		[
			qq(PATCH $ids[0]/state {"state":"resolved"}),
			qq(PATCH $ids[2]/state {"state":"pending"})
		],
		'a join');
	$sandbox->reset;

	writes("UPDATE crisp.conversations SET state = 'pending' WHERE session_id = 'session_none'",
		'UPDATE 0', [], 'no row');
	writes(
		"UPDATE crisp.conversations SET state = 'pending' WHERE session_id = '$open' AND meta_nickname = 'Nobody'",
		'UPDATE 0', [], 'no row that matches');
};

subtest 'RETURNING, prepared statements, EXPLAIN' => sub {
	writes(
		"UPDATE crisp.conversations SET state = 'resolved' WHERE session_id = '$open' "
			. "RETURNING session_id = '$open', state, meta_nickname IS NULL",
		't|resolved|' . (defined row($open)->{meta}->{nickname} ? 'f' : 't') . "\nUPDATE 1",
		[qq(PATCH $open/state {"state":"resolved"})],
		'RETURNING');
	$sandbox->reset;

	$session->query(
		'PREPARE close(text, text) AS UPDATE crisp.conversations SET state = $2 WHERE session_id = $1');
	foreach my $state (qw(resolved pending unresolved) x 3)
	{
		writes("EXECUTE close('$open', '$state')",
			'UPDATE 1', [qq(PATCH $open/state {"state":"$state"})], "prepared: $state");
	}
	$session->query('DEALLOCATE close');

	my $sql =
	  "UPDATE crisp.conversations SET state = 'pending', assigned_user_id = NULL WHERE session_id = '$open'";
	$sandbox->clear;
	my $plan = $session->query("EXPLAIN (VERBOSE, COSTS OFF) $sql");
	like(
		$plan,
		qr{Update on crisp\.conversations\n\s+Crisp Request: PATCH website/$website_id/conversation/\{session_id\}/state, PATCH website/$website_id/conversation/\{session_id\}/routing\n},
		'EXPLAIN shows the routes');
	is($sandbox->count, 0, 'and asks for nothing');
	$plan = $session->query("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) $sql");
	like($plan, qr{\n\s+Requests: 2\n}, 'ANALYZE counts the requests of the modification');
	is_deeply(
		[ written_lines() ],
		[
			qq(PATCH $open/state {"state":"pending"}),
			qq(PATCH $open/routing {"assigned":{"user_id":null}})
		],
		'which it has made');
	$sandbox->reset;
};

subtest 'what is refused' => sub {
	my $where = "WHERE session_id = '$open'";

	refused(
		"UPDATE archive.conversations SET state = 'resolved' $where",
		{
			sqlstate => '55000',
			message => 'foreign table "conversations" does not allow updates',
			hint => qr/^Set option updatable to true on the foreign table, or on server "archive"\./
		},
		'a table is read-only unless it says otherwise');
	refused(
		"INSERT INTO crisp.conversations (session_id) VALUES ('x')",
		{
			sqlstate => '0A000',
			message => 'column "session_id" of foreign table "conversations" cannot be sent to Crisp',
			hint => qr/^Columns that can be: state, assigned_user_id, meta_nickname,/
		},
		'INSERT of a key, which Crisp chooses');
	refused(
		"DELETE FROM crisp.people_data",
		{
			sqlstate => '55000',
			message => 'foreign table "people_data" does not allow deletes',
			hint => 'What can be done: INSERT, UPDATE. Columns that UPDATE can change: data'
		},
		'DELETE');
	refused(
		"DELETE FROM archive.conversations $where",
		{ sqlstate => '55000', message => 'foreign table "conversations" does not allow deletes' },
		'DELETE from a table that is read-only');
	refused(
		"UPDATE crisp.operators SET role = 'x'",
		{ sqlstate => '55000', hint => 'Crisp has no way to write it.' },
		'a resource that cannot be written');
	foreach my $column (qw(topic session_id status meta_ip))
	{
		refused(
			"UPDATE crisp.conversations SET state = 'resolved', $column = NULL $where",
			{
				sqlstate => '0A000',
				message => qq(column "$column" of foreign table "conversations" cannot be changed),
				hint => qr/^Columns that can be: state, assigned_user_id, meta_nickname,/
			},
			"column $column");
	}
	is($sandbox->count, 0, 'all of these without a single request');

	refused(
		"UPDATE crisp.conversations SET state = 'closed' $where",
		{
			sqlstate => '22023',
			message => 'invalid value for column "state" of foreign table "conversations": "closed"',
			hint => 'Crisp takes: pending, unresolved, resolved'
		},
		'a state that Crisp does not have');
	refused(
		"UPDATE crisp.conversations SET assigned_user_id = '$operators[0]', state = NULL $where",
		{ sqlstate => '23502', message => qr/^null value in column "state"/ },
		'no state at all');
	refused(
		"BEGIN READ ONLY;\nUPDATE crisp.conversations SET state = 'resolved' $where;\nROLLBACK",
		{ sqlstate => '25006' },
		'a read-only transaction');
};

subtest 'the option of the table counts more than that of the server' => sub {
	is(
		$session->query(<<'END'), '28|0|0|0', 'what PostgreSQL is told: 4 is UPDATE, 8 INSERT, 16 DELETE');
SELECT pg_relation_is_updatable('crisp.conversations', false), pg_relation_is_updatable('crisp.operators', false),
	pg_relation_is_updatable('archive.conversations', false),
	pg_relation_is_updatable('archive.operators', false)
END
	$session->query(q(ALTER FOREIGN TABLE archive.conversations OPTIONS (ADD updatable 'true')));
	$session->query(q(ALTER FOREIGN TABLE crisp.conversations OPTIONS (ADD updatable 'false')));
	writes(
		"UPDATE archive.conversations SET state = 'resolved' WHERE session_id = '$open'",
		'UPDATE 1', [qq(PATCH $open/state {"state":"resolved"})], 'true on the table');
	refused(
		"UPDATE crisp.conversations SET state = 'resolved' WHERE session_id = '$open'",
		{ sqlstate => '55000' },
		'false on the table');
	$session->query('ALTER FOREIGN TABLE archive.conversations OPTIONS (DROP updatable)');
	$session->query('ALTER FOREIGN TABLE crisp.conversations OPTIONS (DROP updatable)');

	# A plan that is older than the option.
	$session->query(
		"PREPARE late AS UPDATE crisp.conversations SET state = 'pending' WHERE session_id = '$open'"
	);
	$session->query('EXECUTE late') foreach 1 .. 6;
	$session->query(q(ALTER SERVER support OPTIONS (SET updatable 'false')));
	refused('EXECUTE late', { sqlstate => '55000' }, 'a plan that was made before');
	$session->query(q(ALTER SERVER support OPTIONS (SET updatable 'true')));
	refused(
		q(ALTER SERVER support OPTIONS (SET updatable 'maybe')),
		{ sqlstate => '22023', message => 'invalid value for option "updatable": "maybe"' },
		'neither true nor false');
	refused(
		q(ALTER FOREIGN TABLE crisp.operators OPTIONS (ADD updatable 'true')),
		{ sqlstate => 'HV00D', message => 'option "updatable" has no meaning for resource "operators"' },
		'a table that cannot be written');
	$sandbox->reset;
};

subtest 'what is written does not move what is read' => sub {
	my @unresolved = map { $_->{session_id} } grep { ($_->{state} // 'resolved') ne 'resolved' } @listed;

	cmp_ok(scalar @unresolved, '>', 40, 'more than two pages');
	$sandbox->clear;
	is(
		$session->query(
			"WITH u AS (UPDATE crisp.conversations SET state = 'resolved' WHERE state <> 'resolved' RETURNING 1) "
				. "SELECT count(*) FROM u"
		),
		scalar @unresolved,
		'every row that matches is changed');
	is_deeply(
		[ sort map { s{/.*}{}r =~ s/PATCH //r } written_lines() ],
		[ sort @unresolved ],
		'each of them once');
	is(scalar(grep { ($_->{state} // 'resolved') ne 'resolved' } $sandbox->rows('conversations')),
		0, 'and none is left');
	my @methods = map { $_->{method} } $sandbox->requests;
	is_deeply(\@methods, [ sort @methods ], 'the list was read before the first change');
	$sandbox->reset;

	$sandbox->clear;
	$session->query(<<'END');
UPDATE crisp.conversations SET state = 'pending'
WHERE session_id IN (SELECT session_id FROM crisp.conversations LIMIT 3)
END
	is(scalar(grep { m{GET conversations/} } routes()), 1, 'a LIMIT still ends a list');
	is(scalar(written_lines()), 3, 'and three rows are changed');
	$sandbox->reset;
};

subtest 'triggers' => sub {
	my $where = "WHERE session_id = '$open'";

	$session->query(<<'END');
CREATE TABLE heard (what text, before text, after text);
CREATE FUNCTION hear() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO heard VALUES (TG_WHEN || ' ' || TG_OP, OLD.state, NEW.state);
	RETURN NEW;
END $$;
CREATE FUNCTION take_charge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.assigned_user_id := TG_ARGV[0];
	RETURN NEW;
END $$;
CREATE FUNCTION rename() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.topic := 'Something Else';
	RETURN NEW;
END $$;
CREATE TRIGGER hear_before BEFORE UPDATE ON crisp.conversations FOR EACH ROW EXECUTE FUNCTION hear();
CREATE TRIGGER hear_after AFTER UPDATE ON crisp.conversations FOR EACH ROW EXECUTE FUNCTION hear();
END
	writes("UPDATE crisp.conversations SET state = 'resolved' $where",
		'UPDATE 1', [qq(PATCH $open/state {"state":"resolved"})], 'triggers that watch');
	is(
		$session->query('SELECT * FROM heard'),
		"BEFORE UPDATE|unresolved|resolved\nAFTER UPDATE|unresolved|resolved",
		'see the row before and after');
	$sandbox->reset;

	$session->query(
		"CREATE TRIGGER take BEFORE UPDATE ON crisp.conversations FOR EACH ROW EXECUTE "
			. "FUNCTION take_charge('$operators[2]')"
	);
	writes(
		"UPDATE crisp.conversations SET state = 'resolved' $where",
		'UPDATE 1',
		[
			qq(PATCH $open/state {"state":"resolved"}),
			qq(PATCH $open/routing {"assigned":{"user_id":"$operators[2]"}})
		],
		'what a trigger changes is sent, too');
	$session->query('DROP TRIGGER take ON crisp.conversations');
	$session->query(
		'CREATE TRIGGER odd BEFORE UPDATE ON crisp.conversations FOR EACH ROW EXECUTE FUNCTION rename()'
	);
	refused(
		"UPDATE crisp.conversations SET state = 'resolved' $where",
		{
			sqlstate => '0A000',
			message => 'column "topic" of foreign table "conversations" cannot be changed'
		},
		'a trigger that changes what cannot be');
	$session->query(
		'DROP FUNCTION hear() CASCADE; DROP FUNCTION take_charge() CASCADE; DROP FUNCTION rename() CASCADE; DROP '
			. 'TABLE heard'
	);
	$sandbox->reset;
};

subtest 'views and rights' => sub {
	my $where = "WHERE session_id = '$open'";

	$session->query(<<"END");
CREATE ROLE agent LOGIN;
CREATE ROLE clerk LOGIN;
GRANT USAGE ON SCHEMA crisp TO agent, clerk;
CREATE VIEW open_ones AS SELECT session_id, state FROM crisp.conversations WHERE state <> 'resolved' WITH CHECK OPTION;
GRANT SELECT, UPDATE ON open_ones TO agent;
GRANT SELECT, UPDATE (state) ON crisp.conversations TO clerk;
END
	my $agent = CrispSession->start($node, user => 'agent');
	my $clerk = CrispSession->start($node, user => 'clerk');

	$sandbox->clear;
	$agent->query("UPDATE open_ones SET state = 'pending' $where");
	is_deeply(
		[ written_lines() ],
		[qq(PATCH $open/state {"state":"pending"})],
		'a view is updated with the mapping of its owner');
	$agent->fails("UPDATE crisp.conversations SET state = 'pending' $where",
		{ sqlstate => '42501' }, 'but not the table itself');
	$sandbox->clear;
	$agent->fails(
		"UPDATE open_ones SET state = 'resolved' $where",
		{ sqlstate => '44000', message => qr/violates check option/ },
		'WITH CHECK OPTION');
	is_deeply([ written_lines() ], [], 'is checked before anything is sent');

	$clerk->fails(
		"UPDATE crisp.conversations SET assigned_user_id = NULL $where",
		{ sqlstate => '42501' },
		'a column without the right to change it');
	$clerk->fails(
		"UPDATE crisp.conversations SET state = 'pending' $where",
		{ sqlstate => '42704', message => qr/^user mapping not found for user "clerk"/ },
		'a role needs a mapping of its own');
	is_deeply([ written_lines() ], [], 'nothing was written by these');
	$agent->quit;
	$clerk->quit;
	$session->query('DROP VIEW open_ones; DROP OWNED BY agent, clerk; DROP ROLE agent, clerk');
	$sandbox->reset;
};

subtest 'partitions' => sub {
	$session->query(<<"END");
CREATE TABLE everywhere (website_id text, state text, session_id text, assigned_user_id text) PARTITION BY
	LIST (website_id);
CREATE FOREIGN TABLE here (assigned_user_id text, extra int, session_id text, website_id text, state text)
	SERVER support OPTIONS (resource 'conversations');
ALTER FOREIGN TABLE here DROP COLUMN extra;
ALTER TABLE everywhere ATTACH PARTITION here FOR VALUES IN ('$website_id');
CREATE TABLE elsewhere PARTITION OF everywhere DEFAULT;
INSERT INTO elsewhere VALUES ('other', 'pending', '$open', NULL);
END
	writes(
		"UPDATE everywhere SET state = 'resolved' WHERE session_id = '$open'",
		'UPDATE 2', [qq(PATCH $open/state {"state":"resolved"})], 'local and foreign partitions');
	writes(
		"UPDATE here SET assigned_user_id = '$operators[0]' WHERE session_id = '$open' "
			. "RETURNING state, assigned_user_id",
		"resolved|$operators[0]\nUPDATE 1",
		[qq(PATCH $open/routing {"assigned":{"user_id":"$operators[0]"}})],
		'columns in another order');
	$session->query('DROP TABLE everywhere');
	$sandbox->reset;
};

# Five conversations, in the order in which an UPDATE of them all finds them: row by row, as it has
# RETURNING.
sub five
{
	my $ids = join ', ', map { "'$_->{session_id}'" } @listed[ 0 .. 4 ];

	$sandbox->reset;
	return "UPDATE crisp.conversations SET state = 'pending', assigned_user_id = NULL "
	  . "WHERE session_id IN ($ids) RETURNING 1";
}

subtest 'failures' => sub {
	my $sql = five();

	$session->query($sql);
	my @order = map { m{PATCH (\S+)/state} ? $1 : () } written_lines();
	is(scalar @order, 5, 'five rows');

	five();
	$sandbox->control({
		answers => [ { match => { method => 'PATCH', path => '*/routing', nth => 3 }, status => 403 } ]
	});
	$session->fails(
		$sql,
		{
			sqlstate => '42501',
			message => 'the Crisp token does not allow this, server "support"',
			detail =>
			  qr{^PATCH website/$website_id/conversation/$order[2]/routing answered HTTP 403.*\nThe conversation was not changed by this request\.$}s,
			context =>
			  qr{of the same row, PATCH website/$website_id/conversation/$order[2]/state was carried out before\nforeign table "conversations": before that, 2 conversations were changed, and cannot be rolled back: $order[0], $order[1]}
		},
		'a refusal in the middle');
	is(scalar(written_lines()), 6, 'nothing was sent after it');

	# On a connection that was used before, libcurl itself sends once more what is lost with it.
	my @twice = (match => { method => 'PATCH', nth => 1 }, times => 2);
	foreach my $case (
		[ 1, { match => { method => 'PATCH', nth => 1 }, status => 503 } ],
		[ 1, { match => { method => 'PATCH', nth => 1 }, cut_after => 5 } ],
		[ 2, { @twice, reset => JSON::PP::true } ],
		[ 2, { @twice, close => JSON::PP::true } ])
	{
		my ($sent, $answer) = @{$case};

		five();
		$sandbox->control({ answers => [$answer] });
		$session->fails(
			$sql,
			{
				sqlstate => 'HV00M',
				detail => qr/^PATCH .*\nThe conversation may or may not have been changed\.$/s
			},
			'a failure after which it may have been done: ' . $json->encode($answer));
		is(scalar(written_lines()), $sent, 'it is not tried again');
	}

	# With retries, what may pass does: to set a state twice does no harm.
	$session->query(
		q(ALTER SERVER support OPTIONS (SET max_retries '3', ADD retry_delay '1ms')));
	$sql = five();
	$sandbox->control({
		answers => [
			{ match => { method => 'PATCH', nth => 1 }, status => 503 },
			{ match => { method => 'PATCH', nth => 3 }, reset => JSON::PP::true },
			{ match => { method => 'PATCH', nth => 5 }, status => 429 }
		]
	});
	$sandbox->clear;
	$session->query($sql);
	is(scalar(written_lines()), 13, 'three more requests than without faults');
	$session->query(q(ALTER SERVER support OPTIONS (SET max_retries '0', DROP retry_delay)));

	$sql = five();
	$sandbox->control({ answers => [ { match => { method => 'PATCH', path => "*$order[1]*" }, status => 404 } ] });
	$session->query("\\set QUIET off");
	like($session->query($sql), qr/UPDATE 4$/, 'a row that is gone is not counted');
	$session->query("\\set QUIET on");

	$sql = five();
	$session->query('SET crisp_fdw.max_requests = 10');
	$session->fails(
		$sql,
		{
			sqlstate => 'CS002',
			message => 'statement needs more than 10 requests to Crisp, server "support"',
			detail => qr{^The next one would be PATCH website/\S+, attempt 1\.\nThe conversation was not changed by this request\.$},
			context => qr/before that, 2 conversations were changed/
		},
		'the limit of requests');
	is($sandbox->count, 10, 'not one more');
	$session->query('RESET crisp_fdw.max_requests');
	$sandbox->reset;
};

subtest 'cancelled while a change is under way' => sub {
	$sandbox->reset;
	$sandbox->control({ answers => [ { match => { method => 'PATCH', nth => 1 }, hang => JSON::PP::true } ] });
	$session->fails(
		"SET statement_timeout = '2s';\nUPDATE crisp.conversations SET state = 'resolved' WHERE session_id = '$open'",
		{
			sqlstate => '57014',
			message => 'canceling statement due to statement timeout',
			context =>
			  qr{^PATCH website/$website_id/conversation/$open/state was under way: the conversation may or may not have been changed}
		},
		'the error says so');
	$session->query('RESET statement_timeout');
	is(scalar(written_lines()), 1, 'it was sent once');
	$sandbox->reset;
	writes("UPDATE crisp.conversations SET state = 'resolved' WHERE session_id = '$open'",
		'UPDATE 1', [qq(PATCH $open/state {"state":"resolved"})], 'the session goes on');
	$sandbox->reset;
};

subtest 'what was spent' => sub {
	my $spent = q(SELECT requests, answered, retries FROM crisp_fdw_usage WHERE server = 'support' )
		. q(AND scope = 'session');

	$session->query('SELECT crisp_fdw_usage_reset()');
	$session->query("UPDATE crisp.conversations SET state = 'pending' WHERE session_id = '$open'");
	is($session->query($spent), '2|2|0', 'changes count as other requests do');
	$sandbox->reset;
};

subtest 'unassigning, whichever body Crisp takes' => sub {
	my ($whole, $part) = ({ assigned => undef }, { assigned => { user_id => undef } });
	my @three = (grep { !$_->{assigned}->{user_id} } @listed)[ 0 .. 2 ];
	my $ids = join ', ', map { "'$_->{session_id}'" } @three;
	my $sql =
	  "UPDATE crisp.conversations SET assigned_user_id = NULL WHERE session_id IN ($ids) RETURNING 1";
	my $false = JSON::PP::false;

	foreach my $case (
		[ either => [ ($part) x 3 ], [ ($part) x 3 ] ],
		[ user_id => [ ($part) x 3 ], [ ($part) x 3 ] ],
		# Once it's known, nobody asks again.
		[ assigned => [ $part, ($whole) x 3 ], [ ($whole) x 3 ] ],
		[ neither => [ $part, $whole ], [ $part, $whole ] ])
	{
		my ($setting, @expected) = @{$case};
		my $own = CrispSession->start($node);

		watch_writes($own, $sandbox);
		$sandbox->reset;
		foreach my $bodies (@expected)
		{
			$sandbox->data([ map { +{ op => 'patch', resource => 'conversations', key => $_->{session_id},
				set => { 'assigned.user_id' => $operators[0] } } } @three ]);
			$sandbox->control({ unassign_body => $setting });
			$sandbox->clear;
			if ($setting eq 'neither')
			{
				$own->fails(
					$sql,
					{
						sqlstate => 'HV000',
						message => 'Crisp does not take a NULL for column "assigned_user_id", server "support"',
						detail =>
						  qr/^With a null for "assigned\.user_id": PATCH \S+ answered HTTP 400, .*\nWith a null for "assigned": PATCH \S+ answered HTTP 400, .*\nThe conversation was not changed\.$/,
						hint => 'Write another value, or make this change in Crisp itself.'
					},
					'neither body: an error that says so');
				is(row($three[0]->{session_id})->{assigned}->{user_id}, $operators[0], 'it is as it was');
			}
			else
			{
				$own->query($sql);
				is_deeply([ map { row($_->{session_id})->{assigned}->{user_id} } @three ],
					[ (undef) x 3 ], "$setting: nobody is in charge any more");
			}
			is_deeply([ map { $_->[2] } written() ], $bodies, "$setting: what was sent")
				or diag(explain([ written() ]));
		}

		# What is learnt is forgotten where it's no longer true.
		if ($setting eq 'assigned')
		{
			$sandbox->control({ unassign_body => 'user_id' });
			$sandbox->clear;
			$own->query($sql);
			is_deeply([ map { $_->[2] } written() ], [ $whole, ($part) x 3 ], 'a Crisp that has changed');
		}

		# Others' errors are none of that.
		foreach my $status (403, 404, 423, 500)
		{
			$sandbox->control({ answers => [ { match => { method => 'PATCH' }, status => $status, act => $false } ] });
			$sandbox->clear;
			my $result = $own->run($sql);
			is($result->{output}, '', "$setting: HTTP $status changes nothing");
			is(scalar(written()), $status == 404 ? 3 : 1, '... and no other body is tried');
			unlike($result->{errors}->[0]->{message} // '', qr/NULL/, '... nor does the error speak of it');
		}
		$own->quit;
	}

	# A quota may be spent between the two.
	my $own = CrispSession->start($node);
	watch_writes($own, $sandbox);
	$sandbox->reset;
	$sandbox->control({
		unassign_body => 'assigned',
		answers => [ { match => { method => 'PATCH', nth => 2 }, status => 422, act => $false } ]
	});
	$own->fails($sql, { sqlstate => '53400' }, 'HTTP 400, and then 422');
	$own->query($sql);
	is(row($three[0]->{session_id})->{assigned}->{user_id}, undef, 'the next statement does it');

	# 422 is what a server may say of data that it doesn't take.
	$sandbox->reset;
	$sandbox->control({ answers => [ { match => { method => 'PATCH', nth => 1 }, status => 422, act => $false } ] });
	$sandbox->clear;
	$own->query($sql);
	is_deeply([ map { $_->[2] } written() ], [ $whole, ($part) x 3 ], 'HTTP 422 has the other body tried');
	$own->quit;
	watch_writes($session, $sandbox);
	$sandbox->reset;
};

done_testing();
