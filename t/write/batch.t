# Many rows, few requests: which rows of an UPDATE travel together, that all of them are sent before
# the statement ends, and what is said when it fails, whatever Crisp makes of batch requests.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = CrispSandbox->start(
	conversations => 1200, people => 120, visitors => 2, operators => 4, data => 'tidy');
# Where the changes that are kept fill work_mem, all are sent, also those that don't fill a batch.
my $node = start_node("work_mem = '4MB'");
my $website_id = $sandbox->website_id;

connect_crisp($node, $sandbox,
	options => "per_page '50', prefetch '8', max_retries '0', updatable 'true'");

my $session = CrispSession->start($node);
my $json = JSON::PP->new->canonical;
my @operators = map { $_->{details}->{user_id} } $sandbox->rows('operators');
my @rows = $sandbox->rows('conversations');
my @ids = map { $_->{session_id} } @rows;
my @updated = map { $_->{updated_at} } @rows;

# The requests that change something: [operation or route, number of sessions or undef, body].
sub sent
{
	return map {
		my $body = length($_->{body} // '') ? $json->decode($_->{body}) : undef;

		[
			$_->{path} =~ s{.*/website/\Q$website_id\E/}{}r =~ s{session_[^/]*}{S}r,
			$body->{sessions} ? scalar @{ $body->{sessions} } : undef, $body
		]
	} grep { $_->{method} ne 'GET' } $sandbox->requests;
}

# The same in a few words: "batch/resolve 50", or "conversation/S/state".
sub sent_lines
{
	return map { $_->[0] . (defined $_->[1] ? " $_->[1]" : '') } sent();
}

# Run a statement on data as at the start; return its tag.
sub tag_of
{
	my ($sql, $in) = @_;

	$sandbox->clear;
	return ($in // $session)->query("\\set QUIET off\n$sql;\n\\set QUIET on");
}

sub in
{
	return join ', ', map { "'$_'" } @_;
}

# Conversations as they are now, by key, with these members alone.
sub rows_with
{
	my (@members) = @_;
	my $fields = join ',', 'session_id', @members;

	return map { $_->{session_id} => $_ } $sandbox->rows('conversations', undef, fields => $fields);
}

# The values of a member of these conversations as they are now.
sub values_of
{
	my ($member, @wanted) = @_;
	my %rows = rows_with($member);

	return map { $member eq 'assigned' ? $_->{assigned}->{user_id} : $_->{$member} } @rows{@wanted};
}

# A session that has learnt nothing yet.
sub new_session
{
	return CrispSession->start($node);
}

# For patterns, in which an index may be taken for a set of characters.
sub id { return $ids[ $_[0] ] }

# The newest conversations, so many, as a condition; they come in the order of @ids.
sub newest
{
	my ($number) = @_;

	my $oldest = $updated[ $number - 1 ];
	my @more = grep { $updated[$_] == $oldest } $number .. $#ids;

	return "updated_at >= to_timestamp($oldest / 1000.0)"
	  . (@more ? " AND session_id NOT IN (@{[ in(@ids[@more]) ]})" : '');
}

my @thousand = @ids[ 0 .. 999 ];
my $chosen = newest(1000);

subtest 'a thousand conversations are twenty requests' => sub {
	is(tag_of("UPDATE crisp.conversations SET state = 'resolved' WHERE $chosen"),
		'UPDATE 1000', 'a thousand rows');
	is_deeply([ sent_lines() ], [ ('batch/resolve 50') x 20 ], 'twenty requests');
	is_deeply([ sort map { @{ $_->[2]->{sessions} } } sent() ],
		[ sort @thousand ], 'each row is in one of them');
	is_deeply([ keys %{ (sent())[0]->[2] } ], ['sessions'], 'and nothing else is');
	is(scalar(grep { $_ ne 'resolved' } values_of(state => @thousand)), 0, 'Crisp has the new state');

	$sandbox->reset;
	is(
		tag_of("UPDATE crisp.conversations SET assigned_user_id = '$operators[1]' WHERE $chosen"),
		'UPDATE 1000', 'an assignment');
	is_deeply([ sent_lines() ], [ ('batch/routing 50') x 20 ], '... goes the same way');
	is(scalar(grep { ($_ // '') ne $operators[1] } values_of(assigned => @thousand)),
		0, 'Crisp has the operator');
	$sandbox->reset;
};

subtest 'rows whose new values differ' => sub {
	my @some = @ids[ 0 .. 89 ];
	my $case = "CASE ascii(substr(session_id, 9)) % 3 WHEN 0 THEN 'pending' WHEN 1 THEN 'resolved' "
	  . "ELSE 'unresolved' END";
	my %expected = map { $_ => (qw(pending resolved unresolved))[ ord(substr($_, 8)) % 3 ] } @some;
	my %count;

	$count{$_}++ foreach values %expected;
	is(tag_of("UPDATE crisp.conversations SET state = $case WHERE " . newest(90)),
		'UPDATE 90', 'three states');
	is_deeply([ values_of(state => @some) ], [ @expected{@some} ], 'each row has its own');
	my %lines;
	$lines{ $_->[0] } += $_->[1] // 1 foreach sent();
	is_deeply(
		\%lines,
		{
			'conversation/S/state' => $count{pending},
			'batch/resolve' => $count{resolved},
			'batch/unresolve' => $count{unresolved}
		},
		'there is no batch route for "pending"');
	$sandbox->reset;

	is(
		tag_of("UPDATE crisp.conversations SET state = 'resolved', assigned_user_id = NULL "
			. "WHERE " . newest(90)),
		'UPDATE 90', 'two columns');
	is_deeply(
		[ sent_lines() ],
		[ 'batch/resolve 50', 'batch/resolve 40', 'batch/routing 50', 'batch/routing 40' ],
		'one after the other');
	is(scalar(grep { defined } values_of(assigned => @some)), 0, 'nobody is in charge');
	is(scalar(grep { $_ ne 'resolved' } values_of(state => @some)), 0, 'and all are resolved');
	$sandbox->reset;
};

subtest 'what goes row by row' => sub {
	my $one = "WHERE session_id = '$ids[0]'";
	my $two = "WHERE session_id IN ('$ids[0]', '$ids[1]')";
	my $update = q(UPDATE crisp.conversations SET state = 'resolved');
	my $explain = 'EXPLAIN (COSTS OFF)';

	tag_of("$update $one");
	is_deeply([ sent_lines() ], ['conversation/S/state'], 'a single row');
	tag_of("$update $two");
	is_deeply([ sent_lines() ], ['batch/resolve 2'], 'two of them');
	tag_of("$update $two RETURNING 1");
	is_deeply([ sent_lines() ], [ ('conversation/S/state') x 2 ], 'RETURNING');
	like($session->query("$explain $update $two RETURNING 1"),
		qr/Crisp Row by Row: RETURNING\n/, '... which EXPLAIN shows');

	$session->query(<<'END');
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER watch AFTER UPDATE ON crisp.conversations FOR EACH ROW EXECUTE FUNCTION watch();
END
	tag_of("$update $two");
	is_deeply([ sent_lines() ], [ ('conversation/S/state') x 2 ], 'a row trigger');
	like($session->query("$explain $update $two"),
		qr/Crisp Row by Row: row triggers\n/, '... which EXPLAIN shows');
	$session->query('DROP FUNCTION watch() CASCADE');

	my $batch = sub { "PATCH website/$website_id/batch/$_[0] (50 rows a request)" };
	my ($unresolved, $resolved) = map { "'$_'" } qw(unresolved resolved);
	foreach my $case (
		[ "state = $resolved", 'resolve' ],
		[ "state = $unresolved", 'unresolve' ],
		[ q(state = 'pending') ],
		[ "state = CASE WHEN is_blocked THEN $resolved ELSE $unresolved END", 'resolve', 'unresolve' ],
		[ "assigned_user_id = NULL, state = $resolved", 'resolve', 'routing' ],
		[ q(meta_segments = '{a}'), 'segments' ],
		[ 'meta_segments = NULL' ],
		[ q(meta_segments = '{a}', meta_nickname = 'x') ],
		[ q(meta_nickname = 'x') ],
		[ 'is_blocked = true, is_verified = true', 'block' ])
	{
		my ($set, @operations) = @{$case};
		my $plan = $session->query("$explain UPDATE crisp.conversations SET $set $two");
		my ($shown) = $plan =~ /Crisp Batch: (.*)/;

		is($shown // '', join(', ', map { $batch->($_) } @operations), "EXPLAIN: $set");
		like($plan, qr/\n\s+Crisp Under Way: 8\n/, '... and how many requests are under way');
	}
	$sandbox->clear;
	like(
		$session->query("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) $update WHERE $chosen"),
		qr/Requests: 20\n\s+Batches: 20\n/,
		'ANALYZE counts them');
	is(scalar(sent()), 20, 'as they were made');
	$sandbox->reset;
};


# A statement that resolves the newest conversations.
sub resolve
{
	my ($number) = @_;

	return "UPDATE crisp.conversations SET state = 'resolved' WHERE " . newest($number);
}

sub unresolved
{
	my ($number) = @_;

	return scalar(grep { ($_ // '') ne 'resolved' } values_of(state => @ids[ 0 .. $number - 1 ]));
}

subtest 'the first request goes alone, then up to prefetch' => sub {
	my $own = new_session();

	$sandbox->control({ quiet_ms => 50 });
	tag_of(resolve(600), $own);
	my @requests = grep { $_->{method} eq 'PATCH' } $sandbox->requests;
	is(scalar(@requests), 12, 'twelve requests');
	ok(CrispSandbox::done($requests[0]) <= $requests[1]->{at_ms}, 'the first shows how many rows may go');
	is(CrispSandbox::together(@requests[ 1 .. 11 ]), 8, 'then there are eight under way');
	$sandbox->reset;
	$sandbox->control({ quiet_ms => 50 });
	tag_of(resolve(400), $own);
	@requests = grep { $_->{method} eq 'PATCH' } $sandbox->requests;
	is(CrispSandbox::together(@requests), 8, 'the next statement knows');

	$own->query(q(ALTER SERVER support OPTIONS (SET prefetch '1')));
	$sandbox->reset;
	tag_of(resolve(200), $own);
	@requests = grep { $_->{method} eq 'PATCH' } $sandbox->requests;
	is_deeply(
		[ scalar(@requests), CrispSandbox::together(@requests) ],
		[ 4, 1 ], 'with prefetch 1, one after the other');
	$own->query(q(ALTER SERVER support OPTIONS (SET prefetch '8')));
	$own->quit;
	$sandbox->reset;
};

subtest 'a limit of rows that Crisp does not tell' => sub {
	my $own = new_session();

	$sandbox->control({ batch_limit => 20 });
	is(tag_of(resolve(200), $own), 'UPDATE 200', 'all rows are changed');
	my @sizes = map { $_->[1] // 1 } sent();
	# Once a size has passed, several requests are under way, in any order.
	is_deeply(
		[ @sizes[ 0 .. 2 ], sort { $b <=> $a } @sizes[ 3 .. $#sizes ] ],
		[ 50, 25, 12, 13, (12) x 14, 6, 1 ],
		'halved until it fits, and that is remembered') or diag("@sizes");
	is(unresolved(200), 0, 'Crisp has them all');
	$sandbox->reset;
	$sandbox->control({ batch_limit => 20 });
	is(tag_of(resolve(120), $own), 'UPDATE 120', 'another statement');
	is_deeply([ map { $_->[1] } sent() ], [ (12) x 10 ], 'does not ask again');
	like(
		$own->query('EXPLAIN ' . resolve(120)),
		qr{batch/resolve \(12 rows a request\)}, 'EXPLAIN knows');
	$sandbox->reset;
	tag_of("UPDATE crisp.conversations SET assigned_user_id = '$operators[0]' WHERE " . newest(50), $own);
	is((sent())[0]->[1], 50, 'another route may have another limit');

	my $third = new_session();
	$sandbox->reset;
	$sandbox->control({ batch_limit => 1 });
	is(tag_of(resolve(60), $third), 'UPDATE 60', 'a limit of one');
	is(unresolved(60), 0, 'Crisp has them all');
	@sizes = map { $_->[1] // 1 } sent();
	cmp_ok(scalar(@sizes), '<=', 60 + 8, 'costs few requests more than the rows') or diag("@sizes");
	$sandbox->reset;
	tag_of(resolve(60), $third);
	is_deeply([ sent_lines() ], [ ('conversation/S/state') x 60 ], 'and then single routes are used');
	unlike($third->query('EXPLAIN ' . resolve(60)), qr{batch/resolve}, 'EXPLAIN knows');
	$_->quit foreach ($own, $third);
	$sandbox->reset;
};

subtest 'rows that are gone' => sub {
	my $delete = sub {
		[ map { +{ op => 'delete', key => $_, at_request => { path => '*/batch/*', when => 'before' } } }
			  @_ ]
	};

	foreach my $limit (undef, 7)
	{
		my $own = new_session();
		my @gone = @ids[ 3, 70, 71 ];

		$sandbox->reset;
		$sandbox->control({ batch_gone => 'not_found', batch_limit => $limit });
		$sandbox->data($delete->(@gone));
		is(tag_of(resolve(120), $own), 'UPDATE 117', 'rows that are gone do not count');
		cmp_ok(scalar(sent()), '<', $limit ? 70 : 45, 'halves find them');
		my %there = rows_with('state');
		is(
			scalar(grep { exists $there{$_} && $there{$_}->{state} ne 'resolved' } @ids[ 0 .. 119 ]),
			0, 'all others are changed');
		$own->quit;
	}

	# Two parts of which the first finds that the row is gone.
	$sandbox->reset;
	$sandbox->control({ batch_gone => 'not_found' });
	$sandbox->data($delete->($ids[2]));
	is(
		tag_of("UPDATE crisp.conversations SET state = 'resolved', assigned_user_id = '$operators[0]' WHERE "
			  . newest(10)),
		'UPDATE 9', 'of two columns');
	is((sent())[-1]->[1], 9, 'the second is not asked for');

	# Left out in silence: Crisp doesn't say it of any.
	$sandbox->reset;
	$sandbox->data($delete->($ids[2]));
	is(tag_of(resolve(10)), 'UPDATE 10', 'where Crisp leaves them out, nobody knows');
	is_deeply([ sent_lines() ], ['batch/resolve 10'], 'with one request');

	# Single routes tell by themselves.
	$sandbox->reset;
	$sandbox->data([ { op => 'delete', key => $ids[4], at_request => { path => '*/state', when => 'before' } } ]);
	is(tag_of("UPDATE crisp.conversations SET state = 'pending' WHERE " . newest(10)),
		'UPDATE 9', 'single routes, eight at a time');
	$sandbox->reset;
};

subtest 'batch routes that do not work' => sub {
	foreach my $status (402, 403, 404, 405)
	{
		my $own = new_session();

		$sandbox->reset;
		$sandbox->control({ answers => [ { match => { path => '*/batch/*' }, status => $status,
			act => JSON::PP::false, body => '{"error": true, "reason": "route_not_found", "data": {}}' } ] });
		is(tag_of(resolve(60), $own), 'UPDATE 60', "HTTP $status: all rows are changed");
		is_deeply([ sent_lines() ], [ 'batch/resolve 50', ('conversation/S/state') x 60 ],
			'... by single routes, after one request');
		is(unresolved(60), 0, 'Crisp has them');
		$sandbox->reset;
		tag_of(resolve(60), $own);
		is(scalar(grep { /batch/ } sent_lines()), 0, 'the session remembers');
		$own->quit;
	}

	# Neither a row that is gone, nor the number of rows: halves show that.
	foreach my $status (404, 413)
	{
		my $own = new_session();

		$sandbox->reset;
		$sandbox->control({ answers => [ { match => { path => '*/batch/*' }, status => $status,
			act => JSON::PP::false, body => '{"error": true, "reason": "not_found", "data": {}}' } ] });
		is(tag_of(resolve(200), $own), 'UPDATE 200', "HTTP $status, of any rows: all rows are changed");
		cmp_ok(scalar(grep { /batch/ } sent_lines()), '<=', 7, '... after few requests');
		is(scalar(grep { !/batch/ } sent_lines()), 200, '... by single routes');
		is(unresolved(200), 0, 'Crisp has them');
		$sandbox->reset;
		tag_of(resolve(60), $own);
		is(scalar(grep { /batch/ } sent_lines()), 0, 'the session remembers');
		$own->quit;
	}

	# A success that isn't Crisp's: nobody knows whether anything was done.
	foreach my $body ('[]', '{}', '{"data": {}}', 'null', '"ok"')
	{
		my $own = new_session();

		$sandbox->reset;
		$sandbox->control({ answers => [ { match => { path => '*/batch/*' }, status => 200, act => JSON::PP::false,
			body => $body } ] });
		$own->fails(resolve(60), { sqlstate => '08P01', detail => qr/50 conversations may or may not have been changed/ },
			"an answer without an envelope: $body");
		is(scalar(sent()), 1, '... is the last');
		$own->quit;
	}

	# What no route takes is an error, after few requests.
	my $own = new_session();
	$sandbox->reset;
	$own->fails(
		"UPDATE crisp.conversations SET assigned_user_id = 'nobody' WHERE " . newest(100),
		{
			sqlstate => 'HV000',
			message => 'Crisp refused the request, server "support"',
			detail => qr{^PATCH \S+/conversation/${\id(0)}/routing answered HTTP 400, .*\nThe conversation was not changed\.$}
		},
		'a value that Crisp does not take');
	is_deeply([ map { $_->[1] // 1 } sent() ], [ 50, 25, 12, 6, 3, 1 ], 'few requests');
	tag_of(resolve(100), $own);
	is_deeply([ map { $_->[1] } sent() ], [ 50, 50 ], 'and nothing wrong is remembered');
	$own->quit;
	$sandbox->reset;
};

subtest 'unassigning many, whichever body Crisp takes' => sub {
	foreach my $case (
		[ either => [ 'user_id', 'user_id' ] ],
		[ user_id => [ 'user_id', 'user_id' ] ],
		[ assigned => [ 'user_id', 'assigned', 'assigned' ] ])
	{
		my ($setting, $bodies) = @{$case};
		my $own = new_session();

		$sandbox->reset;
		tag_of("UPDATE crisp.conversations SET assigned_user_id = '$operators[0]' WHERE " . newest(100));
		my $sql = 'UPDATE crisp.conversations SET assigned_user_id = NULL WHERE session_id IN '
		  . "(@{[ in(@ids[ 0 .. 99 ]) ]})";
		$sandbox->control({ batch_unassign_body => $setting });
		is(tag_of($sql, $own), 'UPDATE 100', "$setting: unassigned");
		is_deeply([ map { defined $_->[2]->{assigned} ? 'user_id' : 'assigned' } sent() ],
			$bodies, '... by these bodies');
		is(scalar(grep { defined } values_of(assigned => @ids[ 0 .. 99 ])), 0, 'nobody is in charge');
		$own->quit;
	}

	my $own = new_session();
	$sandbox->reset;
	$sandbox->control({ batch_unassign_body => 'neither' });
	is(tag_of("UPDATE crisp.conversations SET assigned_user_id = NULL WHERE " . newest(100), $own),
		'UPDATE 100', 'neither: single routes take it');
	is(scalar(grep { defined } values_of(assigned => @ids[ 0 .. 99 ])), 0, 'nobody is in charge');
	is(
		tag_of("UPDATE crisp.conversations SET assigned_user_id = '$operators[0]' WHERE session_id IN "
			  . "(@{[ in(@ids[ 0 .. 99 ]) ]})", $own),
		'UPDATE 100',
		'who is assigned by a batch route');
	is_deeply([ sent_lines() ], [ ('batch/routing 50') x 2 ], '... goes that way all the same');
	$sandbox->control({ unassign_body => 'neither' });
	$own->fails(
		"UPDATE crisp.conversations SET assigned_user_id = NULL WHERE session_id IN (@{[ in(@ids[ 0 .. 9 ]) ]})",
		{ message => 'Crisp does not take a NULL for column "assigned_user_id", server "support"' },
		'or they do not');
	$own->quit;
	$sandbox->reset;
};


subtest 'every operation' => sub {
	my ($inbox) = map { $_->{inbox_id} } $sandbox->rows('inboxes');

	foreach my $case (
		[ "inbox_id = '$inbox'", 'batch/inbox', inbox_id => $inbox ],
		[ 'inbox_id = NULL', 'batch/inbox', inbox_id => undef ],
		[ 'is_blocked = true', 'batch/block', is_blocked => JSON::PP::true ],
		[ q(state = 'unresolved'), 'batch/unresolve', state => 'unresolved' ])
	{
		my ($set, $operation, $member, $value) = @{$case};

		$sandbox->reset;
		is(tag_of("UPDATE crisp.conversations SET $set WHERE " . newest(60)), 'UPDATE 60', $set);
		is_deeply([ sent_lines() ], [ "$operation 50", "$operation 10" ], '... the requests');
		is_deeply([ values_of($member => @ids[ 0 .. 59 ]) ], [ ($value) x 60 ], '... what Crisp has');
	}

	# What may be added, or put in the place of what is there, comes to the same.
	foreach my $adds (JSON::PP::false, JSON::PP::true)
	{
		my %meta = map { $_->{session_id} => $_->{meta} // {} } @rows;
		my @wanted = @ids[ 0 .. 99 ];
		my @empty = grep { !@{ $meta{$_}->{segments} // [] } } @wanted;

		$sandbox->reset;
		$sandbox->control({ batch_adds => $adds });
		is(tag_of(q(UPDATE crisp.conversations SET meta_segments = '{"late"}' WHERE ) . newest(100)),
			'UPDATE 100', 'segments');
		is_deeply([ map { $_->{segments} } values_of(meta => @wanted) ],
			[ ([ 'late' ]) x 100 ], '... each has those alone');
		is_deeply(
			[ sort map { @{ $_->[2]->{sessions} // [] } } sent() ],
			[ sort @empty ], '... by a batch route where there was none');

		$sandbox->reset;
		$sandbox->control({ batch_adds => $adds });
		is(
			tag_of(q(UPDATE crisp.conversations SET meta_data = coalesce(meta_data, '{}') || '{"plan": "x"}' )
				  . 'WHERE '
				  . newest(100)),
			'UPDATE 100', 'data');
		is_deeply(
			[ map { $_->{data} } values_of(meta => @wanted) ],
			[ map { +{ %{ $meta{$_}->{data} // {} }, plan => 'x' } } @wanted ],
			'... each has its own, and one more');
		cmp_ok(scalar(grep { $_->[0] eq 'batch/data' } sent()), '>', 0, '... some by a batch route');
	}

	$sandbox->reset;
	is(tag_of('DELETE FROM crisp.conversations WHERE ' . newest(120)), 'DELETE 120', 'DELETE');
	is_deeply([ sent_lines() ], [ 'batch/remove 50', 'batch/remove 50', 'batch/remove 20' ],
		'... the requests');
	is_deeply([ map { join ' ', sort keys %{ $_->[2] } } sent() ],
		[ ('sessions') x 3 ], '... which name conversations alone');
	is_deeply([ sort $sandbox->column('conversations', 'session_id') ],
		[ sort @ids[ 120 .. $#ids ] ], '... these are gone');
	like(
		$session->query('EXPLAIN DELETE FROM crisp.conversations WHERE ' . newest(120)),
		qr{Crisp Batch: PATCH \S+/batch/remove \(50 rows a request\)\n}, '... EXPLAIN shows it');

	# What an attempt that has failed may have removed, and is gone at the next, was removed by that.
	$session->query(q(ALTER SERVER support OPTIONS (SET max_retries '3', ADD retry_delay '1ms')));
	foreach my $gone ('not_found', 'left_out')
	{
		$sandbox->reset;
		$sandbox->control({
			batch_gone => $gone,
			answers => [ { match => { method => 'PATCH', nth => 1 }, status => 503 } ]
		});
		is(tag_of('DELETE FROM crisp.conversations WHERE ' . newest(7)),
			'DELETE 7', 'removed by a request that seemed to fail');
	}
	$session->query(q(ALTER SERVER support OPTIONS (SET max_retries '0', DROP retry_delay)));
	$sandbox->reset;
};

# Faults of requests for several rows, and of single ones.
sub answer
{
	my ($path, %fault) = @_;
	my $match = { method => 'PATCH', path => "*/$path" };

	$match->{nth} = delete $fault{nth} if $fault{nth};
	return { answers => [ { match => $match, act => JSON::PP::false, %fault } ] };
}

subtest 'failures' => sub {
	my $own = new_session();

	tag_of(resolve(50), $own);
	foreach my $case (
		[ { status => 503 }, 'HV00M', 'Crisp failed to answer', 'may or may not have been' ],
		[ { status => 429 }, '53400', qr/^Crisp's rate limit/, 'were not' ],
		[
			{ cut_after => 5, act => JSON::PP::true },
			'HV00M',
			'connection to Crisp broke off',
			'may or may not have been'
		],
		[ { hang => JSON::PP::true }, 'HV00M', 'Crisp did not answer in time', 'may or may not have been' ],
		[ { status => 401 }, '28000', qr/^Crisp rejected/, 'was not' ])
	{
		my ($fault, $sqlstate, $message, $fate) = @{$case};

		$sandbox->reset;
		$own->query(q(ALTER SERVER support OPTIONS (SET prefetch '1')));
		$own->query("ALTER SERVER support OPTIONS (ADD request_timeout '5s')") if $fault->{hang};
		$sandbox->control(answer('batch/*', %{$fault}, nth => 3, times => 2));
		$sandbox->control(answer('*', %{$fault}, nth => 3, times => 2)) if $fate eq 'was not';
		my $result = $own->run(resolve(200));
		my $error = $result->{errors}->[0];
		my $what = $json->encode($fault);
		$own->query('ALTER SERVER support OPTIONS (DROP request_timeout)') if $fault->{hang};
		is($error->{sqlstate}, $sqlstate, "$what: SQLSTATE");
		$message = qr/^\Q$message\E, server "support"$/ unless ref $message;
		like($error->{message}, $message, '... message');
		like(
			$error->{detail},
			$fate eq 'was not'
			? qr/\nThe conversation was not changed\.$/
			: qr/\nThe 50 conversations $fate changed\. They are: ${\id(100)}, .*, ${\id(109)} and 40 more\.$/,
			'... which rows are in doubt');
		like(
			$error->{context},
			qr/foreign table "conversations": before that, 100 conversations were changed, and cannot be rolled back: \.\.\., ${\id(90)}, .*, ${\id(99)}/,
			'... and which were done');
		is($result->{notices}->[0]->{message},
			'what was written to Crisp cannot be rolled back: 100 rows', '... as the rollback says');
		cmp_ok(scalar(sent()), '<=', 4, 'nothing is sent after it');
		is(unresolved(100), 0, 'Crisp has what was done');
	}

	# What is under way with what fails is waited for.
	$own->query(q(ALTER SERVER support OPTIONS (SET prefetch '8')));
	$sandbox->reset;
	$sandbox->control({
		%{ answer('batch/*', nth => 2, status => 500) },
		quiet_ms => 50
	});
	my $result = $own->run(resolve(1000));
	my ($done) = $result->{errors}->[0]->{context} =~ /before that, (\d+) conversations were changed/;
	is(scalar(sent()), $done / 50 + 1, 'all that was under way beside what has failed is told as done');
	cmp_ok(scalar(sent()), '<', 16, 'and no more are sent');

	# Requests that fail together.
	$sandbox->reset;
	$sandbox->control(answer('state', status => 500));
	$result = $own->run("UPDATE crisp.conversations SET state = 'pending' WHERE " . newest(20));
	like(
		$result->{errors}->[0]->{context},
		qr{^these requests have failed, too: (PATCH \S+/state \(may have been carried out\)(, )?){7}$}m,
		'all that have failed are told');
	is(scalar(sent()), 8, 'nothing is sent after them');

	# One of two columns.
	$sandbox->reset;
	$sandbox->control(answer('batch/routing', status => 500));
	$own->fails(
		"UPDATE crisp.conversations SET state = 'resolved', assigned_user_id = NULL WHERE " . newest(30),
		{
			sqlstate => 'HV00M',
			context =>
			  qr{of each of 30 conversations, some columns were changed, and others not: ${\id(0)}, .* and 20 more}
		},
		'rows of which only a part was changed');

	# What may pass is tried again.
	$own->query(q(ALTER SERVER support OPTIONS (SET max_retries '3', ADD retry_delay '1ms')));
	$sandbox->reset;
	$sandbox->control({
		answers => [
			{ match => { method => 'PATCH', nth => 2 }, status => 503 },
			{ match => { method => 'PATCH', nth => 4 }, status => 429 },
			{ match => { method => 'PATCH', nth => 5 }, reset => JSON::PP::true }
		]
	});
	is(tag_of(resolve(300), $own), 'UPDATE 300', 'retries');
	is(unresolved(300), 0, 'Crisp has them all');
	$own->query(q(ALTER SERVER support OPTIONS (SET max_retries '0', DROP retry_delay)));

	$sandbox->reset;
	$own->query('SET crisp_fdw.max_requests = 30');
	$own->fails(resolve(1000),
		{ sqlstate => 'CS002', context => qr/before that, \d+ conversations were changed/ },
		'the limit of requests');
	cmp_ok($sandbox->count, '<=', 30, 'not one more');
	$own->query('RESET crisp_fdw.max_requests');
	$own->quit;
	$sandbox->reset;
};

subtest 'cancelled' => sub {
	my $own = new_session();

	tag_of(resolve(50), $own);
	$sandbox->reset;
	$sandbox->control({
		answers => [ { match => { path => '*/batch/*', nth => 2 }, times => 99, hang => JSON::PP::true } ]
	});
	$own->send(resolve(200));
	$sandbox->wait_for_requests(4, 'PATCH');
	$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $own->pid . ')');
	my $result = $own->wait;
	my $error = $result->{errors}->[0];
	is($error->{sqlstate}, '57014', 'at once');
	like(
		$error->{context},
		qr{^3 requests were under way: the conversations may or may not have been changed: PATCH \S+/batch/resolve \(50 conversations: ${\id(50)}, .* and 40 more\), PATCH .*\n.*before that, 50 conversations were changed},
		'the error tells what was under way, and what was done');
	$sandbox->reset;
	is(tag_of(resolve(50), $own), 'UPDATE 50', 'the session goes on');
	is(scalar(sent()), 1, 'and nothing of the other statement is sent later');
	$own->quit;
	$sandbox->reset;
};

subtest 'what else is in the statement' => sub {
	$session->query(<<"END" =~ s/ID/$ids[99]/gr);
CREATE TABLE noted (at text, state text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
	INSERT INTO noted SELECT TG_WHEN, state FROM crisp.conversations WHERE session_id = TG_ARGV[0];
	RETURN NULL;
END \$\$;
CREATE TRIGGER first BEFORE UPDATE ON crisp.conversations EXECUTE FUNCTION note('ID');
CREATE TRIGGER last AFTER UPDATE ON crisp.conversations EXECUTE FUNCTION note('ID');
END
	is(tag_of(resolve(100)), 'UPDATE 100', 'triggers for the statement');
	is_deeply([ sent_lines() ], [ ('batch/resolve 50') x 2 ], 'do not keep rows from travelling together');
	is($session->query("SELECT state FROM noted WHERE at = 'AFTER'"),
		'resolved', 'all is sent before AFTER triggers run');
	$session->query('TRUNCATE noted');
	$sandbox->control(answer('batch/*', status => 403));
	$sandbox->control(answer('*', status => 403));
	$session->fails(resolve(100), { sqlstate => '42501' }, 'a failure');
	is($session->query("SELECT count(*) FROM noted WHERE at = 'AFTER'"), '0', 'does not let them run');
	$session->query('DROP FUNCTION note() CASCADE');
	$sandbox->reset;

	# What the query itself does wrong.
	$session->fails(
		'UPDATE crisp.conversations SET state = (ARRAY[$$resolved$$])[1 + 0 / (strpos(session_id, '
			. "'$ids[60]') - 1)] WHERE " . newest(100),
		{ sqlstate => '22012' },
		'an error of the query');
	is(scalar(sent()), 0, 'before anything is sent');

	# A savepoint that is rolled back leaves nothing behind.
	$session->query(<<"END");
DO \$\$ BEGIN
	BEGIN
		@{[ resolve(20) ]} AND 1 / (CASE WHEN session_id = '$ids[10]' THEN 0 ELSE 1 END) = 1;
	EXCEPTION WHEN division_by_zero THEN NULL;
	END;
END \$\$
END
	is(scalar(sent()), 0, 'nor is it when that is caught');

	my $found = $session->query(<<"END");
CREATE FUNCTION resolve() RETURNS bigint LANGUAGE plpgsql AS \$\$
DECLARE n bigint;
BEGIN
	@{[ resolve(70) ]};
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END \$\$;
SELECT resolve()
END
	is($found, '70', 'in PL/pgSQL');
	is_deeply([ sent_lines() ], [ 'batch/resolve 50', 'batch/resolve 20' ], '... it goes the same way');
	$session->query('DROP FUNCTION resolve()');
	$sandbox->reset;

	# Joins that find rows more than once; common table expressions.
	is(
		tag_of("UPDATE crisp.conversations c SET state = s FROM (VALUES ('resolved'), ('pending')) v(s) WHERE "
			  . newest(30)),
		'UPDATE 30', 'a row that is found twice is changed once');
	is(scalar(@{ [ map { @{ $_->[2]->{sessions} // ['x'] } } sent() ] }), 30, 'sent once, too');
	$sandbox->reset;
	$sandbox->clear;
	is(
		$session->query('WITH u AS (' . resolve(100) . ') SELECT count(*) FROM generate_series(1, 3)'),
		'3', 'in WITH');
	is_deeply([ sent_lines() ], [ ('batch/resolve 50') x 2 ], '... rows are sent, too');
	is(unresolved(100), 0, 'Crisp has them');
	$sandbox->reset;
	is(
		$session->query('WITH u AS (' . resolve(100) . "), v AS (UPDATE crisp.conversations SET "
			  . "assigned_user_id = NULL WHERE session_id = '$ids[50]') SELECT 1 LIMIT 0"),
		'', 'two of them, of which nobody wants anything');
	is(scalar(sent()), 3, 'are sent both') or diag(explain([ sent_lines() ]));
	$sandbox->reset;

	# Open cursors have read what they need before.
	$session->query("BEGIN;\nDECLARE c CURSOR FOR SELECT session_id FROM crisp.conversations;\nFETCH 5 FROM c");
	tag_of(resolve(100));
	my @fetched = split /\n/, $session->query("FETCH ALL FROM c;\nCOMMIT");
	is(scalar(@fetched), @ids - 5, 'a cursor loses no row');
	my @methods = map { $_->{method} } $sandbox->requests;
	is_deeply(\@methods, [ sort @methods ], 'what was open was read before the first change');
	$sandbox->reset;
};

subtest 'little memory' => sub {
	$session->query("SET work_mem = '64kB'");
	is(tag_of("UPDATE crisp.conversations SET state = 'resolved'"),
		'UPDATE ' . @ids, 'more rows than work_mem holds');
	is_deeply([ sort map { @{ $_->[2]->{sessions} } } sent() ], [ sort @ids ], 'each is sent once');
	cmp_ok(scalar(sent()), '<', @ids / 50 + 10, 'and they still travel together');
	$session->query('RESET work_mem');
	$sandbox->reset;
};

subtest 'partitions' => sub {
	$session->query(<<"END");
CREATE TABLE everywhere (website_id text, session_id text, state text, assigned_user_id text) PARTITION BY
	LIST (website_id);
CREATE FOREIGN TABLE here (state text, session_id text, website_id text, assigned_user_id text)
	SERVER support OPTIONS (resource 'conversations');
ALTER TABLE everywhere ATTACH PARTITION here FOR VALUES IN ('$website_id');
CREATE TABLE elsewhere PARTITION OF everywhere DEFAULT;
INSERT INTO elsewhere SELECT 'other', 'x', 'pending' FROM generate_series(1, 10);
END
	my $total = @ids + 10;
	is(tag_of("UPDATE everywhere SET state = 'resolved'"), "UPDATE $total", 'local rows, and those of Crisp');
	is_deeply([ sort map { @{ $_->[2]->{sessions} } } sent() ], [ sort @ids ], 'each is sent once');
	is($session->query("SELECT count(*) FROM elsewhere WHERE state = 'resolved'"), '10', 'or stored');
	$session->query('DROP TABLE everywhere');
	$sandbox->reset;
};

subtest 'profiles fly together' => sub {
	my $own = new_session();
	my @people = map { $_->{people_id} } $sandbox->rows('people');

	$sandbox->control({ quiet_ms => 50 });
	is(tag_of("UPDATE crisp.people_profiles SET notepad = 'of ' || people_id", $own),
		'UPDATE ' . @people, 'all profiles');
	my @requests = grep { $_->{method} eq 'PATCH' } $sandbox->requests;
	is(scalar(@requests), scalar(@people), 'a request for each');
	is(CrispSandbox::together(@requests), 8, 'eight under way');
	is_deeply([ sort map { $_->{notepad} } $sandbox->rows('people') ],
		[ sort map { "of $_" } @people ], 'each has its own');
	like(
		$own->query("EXPLAIN UPDATE crisp.people_profiles SET notepad = 'of ' || people_id"),
		qr/Crisp Under Way: 8\n/, 'EXPLAIN shows it');

	# Segments of those that have none, and removal, have batch routes.
	foreach my $adds (JSON::PP::false, JSON::PP::true)
	{
		$sandbox->reset;
		$sandbox->control({ batch_adds => $adds });
		my %segments = map { $_->{people_id} => $_->{segments} // [] } $sandbox->rows('people');
		is(tag_of(q(UPDATE crisp.people_profiles SET segments = '{"late"}'), $own),
			'UPDATE ' . @people, 'segments');
		is_deeply([ map { $_->{segments} } $sandbox->rows('people') ],
			[ ([ 'late' ]) x @people ], '... each has those alone');
		is_deeply(
			[ sort map { @{ $_->[2]->{people}->{profiles} // [] } } sent() ],
			[ sort grep { !@{ $segments{$_} } } @people ],
			'... by a batch route where there was none');
	}
	$sandbox->reset;
	my @removed = @people[ 0 .. 69 ];
	is(tag_of("DELETE FROM crisp.people_profiles WHERE people_id IN (@{[ in(@removed) ]})", $own),
		'DELETE 70', 'removal');
	is_deeply(
		[ map { [ $_->[0], sort keys %{ $_->[2] } ] } sent() ],
		[ ([ 'batch/remove', 'people' ]) x 2 ],
		'... by two requests, for people alone');
	is_deeply([ sort $sandbox->column('people', 'people_id') ],
		[ sort @people[ 70 .. $#people ] ], '... these are gone');
	$sandbox->reset;
	$own->query(<<'END');
CREATE FOREIGN TABLE by_address (email text, segments text[]) SERVER support OPTIONS (resource 'people_profiles')
END
	my @addresses = grep { length($_ // '') } $sandbox->column('people', 'email');
	is(tag_of("DELETE FROM by_address WHERE email IN (@{[ in(@addresses[ 0 .. 4 ]) ]})", $own),
		'DELETE 5', 'a table without ids');
	is(scalar(grep { $_->[0] =~ /batch/ } sent()), 0, '... uses the routes of single rows');
	$own->query('DROP FOREIGN TABLE by_address');

	$sandbox->reset;
	$sandbox->control({ %{ answer('*', nth => 20, status => 500) }, latency_ms => 5 });
	my $result = $own->run("UPDATE crisp.people_profiles SET notepad = 'of ' || people_id");
	my ($done) = $result->{errors}->[0]->{context} =~ /before that, (\d+) profiles were changed/;
	is(scalar(sent()), $done + 1, 'what is under way beside a failure is waited for');
	is(scalar(grep { ($_->{notepad} // '') =~ /^of / } $sandbox->rows('people')), $done, 'and counted');
	$own->quit;
	$sandbox->reset;
};

subtest 'messages fly together' => sub {
	my $own = new_session();
	my %texts;

	foreach my $id (@ids[ 0 .. 9 ])
	{
		my @texts = grep { $_->{type} eq 'text' } $sandbox->rows('messages', undef, session_id => $id);
		$texts{$id} = scalar @texts;
	}
	my $total = 0;
	$total += $_ foreach values %texts;
	my $which = "FROM crisp.messages WHERE type = 'text' AND session_id IN (@{[ in(@ids[ 0 .. 9 ]) ]})";
	cmp_ok($total, '>', 20, 'there are some');
	$sandbox->control({ quiet_ms => 50 });
	is(tag_of("UPDATE crisp.messages SET content = 'changed' " . ($which =~ s/.*?WHERE/WHERE/r), $own),
		"UPDATE $total", 'all texts are changed');
	my @requests = grep { $_->{method} eq 'PATCH' } $sandbox->requests;
	is_deeply([ scalar(@requests), CrispSandbox::together(@requests) ], [ $total, 8 ], '... eight at a time');
	is($own->query("SELECT DISTINCT content $which"), 'changed', '... each of them');
	is(tag_of("DELETE $which", $own), "DELETE $total", 'all texts are removed');
	@requests = grep { $_->{method} eq 'DELETE' } $sandbox->requests;
	is_deeply([ scalar(@requests), CrispSandbox::together(@requests) ], [ $total, 8 ], '... likewise');
	is($own->query("SELECT count(*) $which"), '0', '... each of them');
	$own->quit;
	$sandbox->reset;
};

subtest 'transactions and views' => sub {
	my $result = $session->run("BEGIN;\n" . resolve(70) . ";\nROLLBACK");
	is($result->{notices}->[0]->{message},
		'what was written to Crisp cannot be rolled back: 70 rows', 'a rollback tells how many rows stay');
	$sandbox->reset;
	$result = $session->run("BEGIN;\n"
		  . "UPDATE crisp.conversations SET state = 'pending' WHERE session_id = '$ids[0]';\n"
		  . "SAVEPOINT s;\n"
		  . resolve(60)
		  . ";\nROLLBACK TO s;\nCOMMIT");
	is_deeply([ map { $_->{message} } @{ $result->{notices} } ],
		['what was written to Crisp cannot be rolled back: 60 rows'], 'so does one to a savepoint');
	$sandbox->reset;

	# What a view doesn't allow of any row is found before any is sent.
	$session->query("CREATE VIEW but_one AS SELECT session_id, state, updated_at FROM crisp.conversations "
		  . "WHERE state <> 'resolved' OR session_id <> '$ids[40]' WITH CHECK OPTION");
	$session->query("CREATE VIEW all_of_them AS SELECT session_id, state, updated_at FROM crisp.conversations "
		  . "WHERE session_id <> '' WITH CHECK OPTION");
	$sandbox->data([ { op => 'patch', key => $ids[40],
		set => { state => 'pending', updated_at => $updated[40] } } ]);
	$sandbox->clear;
	$session->fails("UPDATE but_one SET state = 'resolved' WHERE " . newest(60),
		{ sqlstate => '44000' }, 'WITH CHECK OPTION');
	is(scalar(sent()), 0, 'nothing is sent');
	is(tag_of("UPDATE all_of_them SET state = 'resolved' WHERE " . newest(60)),
		'UPDATE 60', 'where it holds');
	is_deeply([ sent_lines() ], [ 'batch/resolve 50', 'batch/resolve 10' ], 'rows travel together');
	$session->query('DROP VIEW but_one, all_of_them');
	$sandbox->reset;
};

# Whatever Crisp makes of batch requests, and whatever happens meanwhile, rows that are there in the
# end have their new values, and others their old ones.
subtest 'drawn at random' => sub {
	my $seed = $ENV{BATCH_SEED} // int(rand(1_000_000));
	my $draws = $ENV{BATCH_DRAWS} // 8;

	note("BATCH_SEED=$seed");
	srand($seed);
	my $one_of = sub { $_[ int(rand(@_)) ] };
	$session->query(q(ALTER SERVER support OPTIONS (SET max_retries '5', ADD retry_delay '1ms')));
	foreach my $draw (1 .. $draws)
	{
		my $own = new_session();
		my %setting = (
			batch_limit => $one_of->(undef, undef, 1, 2, 7, 20, 49),
			batch_gone => $one_of->(qw(left_out not_found)),
			batch_adds => $one_of->(JSON::PP::true, JSON::PP::false),
			batch_unassign_body => $one_of->(qw(either user_id assigned neither)),
			unassign_body => $one_of->(qw(either user_id assigned)),
			answers => [
				map { +{ match => { method => 'PATCH', nth => 1 + int(rand(12)) },
						status => $one_of->(429, 500, 503), act => $one_of->(JSON::PP::true, JSON::PP::false) } }
				  1 .. int(rand(3)) ]);
		my $prefetch = $one_of->(1, 2, 8);
		my $work_mem = $one_of->('64kB', '4MB');
		my $number = $one_of->(1, 3, 60, 170, 400);
		my $state = $one_of->(q('resolved'), q('pending'),
			q(CASE ascii(substr(session_id, 9)) % 2 WHEN 0 THEN 'unresolved' ELSE 'resolved' END));
		my $operator = $one_of->(undef, @operators[ 0, 1 ]);
		my @gone = map { $ids[ int(rand($number)) ] } 1 .. int(rand(3));
		my $set = "state = $state"
		  . $one_of->('', ', assigned_user_id = ' . (defined $operator ? "'$operator'" : 'NULL'));
		my $what = $json->encode({ %setting, prefetch => $prefetch, work_mem => $work_mem, gone => \@gone })
		  . " $number: $set";

		$sandbox->reset;
		my %before = rows_with('state', 'assigned');
		$sandbox->control(\%setting);
		$sandbox->data([ map { +{ op => 'delete', key => $_,
			at_request => { method => 'PATCH', path => '*', nth => 1 + int(rand(4)), when => 'before' } } }
			keys %{ { map { $_ => 1 } @gone } } ]);
		$own->query("ALTER SERVER support OPTIONS (SET prefetch '$prefetch')");
		$own->query("SET work_mem = '$work_mem'");
		my ($tag) = tag_of("UPDATE crisp.conversations SET $set WHERE " . newest($number), $own) =~ /^UPDATE (\d+)$/;
		my %after = rows_with('state', 'assigned');
		my %changed = map { $_ => 1 } @ids[ 0 .. $number - 1 ];
		my $wrong = 0;

		foreach my $id (keys %after)
		{
			my ($old, $new) = ($before{$id}, $after{$id});
			my $expected =
			    !$changed{$id} ? $old->{state}
			  : $state =~ /^'(.*)'$/ ? $1
			  : ord(substr($id, 8)) % 2 ? 'resolved'
			  :                           'unresolved';
			my $assigned = $changed{$id} && $set =~ /assigned/ ? $operator : $old->{assigned}->{user_id};

			$wrong++ if ($new->{state} // '') ne ($expected // '')
			  || ($new->{assigned}->{user_id} // '') ne ($assigned // '');
		}
		is($wrong, 0, "draw $draw: each row has what it should") or diag($what);
		my $missing = @ids - keys %after;
		ok($tag <= $number && $tag >= $number - $missing, '... and is counted') or diag("UPDATE $tag; $what");
		$own->quit;
	}
	$session->query(
		q(ALTER SERVER support OPTIONS (SET max_retries '0', DROP retry_delay, SET prefetch '8')));
	$sandbox->reset;
};

done_testing();
