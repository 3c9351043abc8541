# Messages whose fingerprints repeat: senders choose them, so that several messages of a conversation
# have the same.  Whatever the size of pages and whatever repeats at their edges, each message comes
# once, or an error says that not all can be had.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use List::Util qw(max shuffle);
use Test::More;

my $seed   = $ENV{PROPERTY_SEED}    || (time ^ $$ << 12) % 1_000_000_000;
my $rounds = $ENV{PROPERTY_QUERIES} || 60;

srand $seed;
diag("seed $seed: repeat with PROPERTY_SEED=$seed PROPERTY_QUERIES=$rounds");

my ($node, $sandbox) = start_crisp(conversations => 6, people => 5);
my $website = $sandbox->website_id;
my $session = CrispSession->start($node);
my $exact   = JSON::PP->new->canonical->allow_nonref->allow_bignum;
my ($id, $other, @rest) = map { $_->{session_id} } $sandbox->rows('conversations', undef, include_empty => 1);
my $base    = 1_700_000_000_000;
my $unreadable = 'HV000 cannot read all rows of a list of "messages", server "support"';

$session->query(
	"SET TimeZone = 'UTC'; CREATE TABLE named (session_id text); INSERT INTO named VALUES ('$id'), ('$other')");

sub pick { return $_[ rand @_ ] }

sub message
{
	my ($session_id, %message) = @_;

	return {
		session_id => $session_id,
		website_id => $website,
		type       => 'text',
		from       => 'user',
		origin     => 'chat',
		read       => '',
		%message
	};
}

# Let a conversation have these messages.
sub fill
{
	my ($session_id, @messages) = @_;

	$sandbox->data(
		[
			{ op => 'clear', resource => 'messages', session_id => $session_id },
			map {
				{ op => 'insert', resource => 'messages', session_id => $session_id, row => $_ }
			} @messages
		]);
	return;
}

# Messages whose fingerprints are few; $contents is how many contents they have, 0 for one of its own each, as have
# those of a millisecond of more than $size messages.
sub random_messages
{
	my ($session_id, $count, $moments, $contents, $size) = @_;
	my @fingerprints = (0, -1_078_189_900, -5, 7, 176_952_205_247_870, 9_007_199_254_740_993);

	my @times = map { $base + int rand $moments } 1 .. $count;
	my %crowd;

	$crowd{$_}++ foreach @times;
	return map {
		message(
			$session_id,
			fingerprint => pick(@fingerprints),
			timestamp   => $times[ $_ - 1 ],
			content     => $contents && $crowd{ $times[ $_ - 1 ] } <= $size ? 'text ' . int rand $contents : "text $_")
	} 1 .. $count;
}

# What a query gives of each message, and what of it the sandbox has.
my $columns =
  q(session_id || ' ' || fingerprint || ' ' || (extract(epoch FROM "timestamp") * 1000)::bigint || ' ' || content);

sub line { my ($row) = @_; return join ' ', @{$row}{qw(session_id fingerprint timestamp content)} }

sub truth
{
	my (@sessions) = @_;

	return map {
		map { $exact->decode($_) }
		  grep { length } split /\n/, $sandbox->ask('GET', "/_rows?resource=messages&session_id=$_")
	} @sessions;
}

# Whether what these messages are can be told from pages of that size: by the time alone one gets at a
# page of each millisecond from either end.
sub can_be_told
{
	my ($size, @messages) = @_;
	my %moments;

	push @{ $moments{"$_->{session_id} $_->{timestamp}"} }, line($_) foreach @messages;
	foreach my $lines (values %moments)
	{
		my %count;

		$count{$_}++ foreach @{$lines};
		return 0 if @{$lines} > $size || (@{$lines} == $size && max(values %count) > 1);
	}
	return 1;
}

# One test: the rows of a query, or the error that they can't be had, where they can't.
sub finds
{
	my ($sql, $size, $read, $wanted, $name) = @_;
	my $result = $session->run($sql);
	my $error = $result->{errors}->[0];

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	if ($error && !can_be_told($size, @{$read}))
	{
		is("$error->{sqlstate} $error->{message}", $unreadable, "$name: an error");
		return;
	}
	is($error ? $error->{message} . $error->{detail} : join("\n", sort split /\n/, $result->{output}),
		join("\n", sort map { line($_) } @{$wanted}), "$name: rows")
	  or diag("seed $seed\n$sql");
	return;
}

#
# Conversations that stay as they are.
#
my %told;

foreach my $size (1, 2, 3, 20)
{
	foreach my $bounds ('exclusive', 'inclusive')
	{
		foreach my $round (1 .. 4)
		{
			my $full = pick(200, 206);
			my $name = "$size a page, $bounds, $full, round $round";

			$sandbox->control(
				{ messages_per_page => $size, message_bounds => $bounds, full_last_page => $full });
			foreach my $session_id ($id, $other)
			{
				my ($count, $moments) =
				  $round % 2
				  ? (3 * $size + int rand 2 * $size, 20 + 6 * $size)
				  : (int rand pick(3, 12, 4 * $size + 2), 1 + int rand pick(2, 6));

				fill($session_id,
					random_messages($session_id, $count, $moments, pick(0, 1, 2), $size));
			}
			fill($_, random_messages($_, 2, 1000, 0)) foreach @rest;

			my @mine = truth($id);
			my @both = (@mine, truth($other));
			my @all  = (@both, truth(@rest));
			my $messages = 'crisp.messages';
			my $moment = $base + int rand 4;
			my $some = @mine ? pick(@mine)->{fingerprint} : 1;

			$told{$size} += can_be_told($size, @mine) && @mine > $size;
			finds("SELECT $columns FROM $messages WHERE session_id = '$id'", $size, \@mine, \@mine,
				"$name, one conversation");
			finds("SELECT $columns FROM $messages WHERE session_id IN ('$id', '$other')", $size, \@both, \@both,
				"$name, two");
			finds("SELECT $columns FROM named JOIN $messages USING (session_id)", $size, \@both, \@both,
				"$name, a join");
			finds("SELECT $columns FROM $messages", $size, \@all, \@all, "$name, all");
			finds("SELECT $columns FROM $messages WHERE session_id = '$id' AND fingerprint = $some",
				$size, \@mine, [ grep { $_->{fingerprint} == $some } @mine ], "$name, a fingerprint");
			finds("SELECT $columns FROM $messages WHERE fingerprint IN ($some, 0)",
				$size, \@all, [ grep { $_->{fingerprint} == $some || $_->{fingerprint} == 0 } @all ],
					"$name, fingerprints");
			finds("PREPARE p(text, bigint) AS SELECT $columns FROM $messages WHERE session_id = \$1 "
				. "AND fingerprint = \$2; EXECUTE p('$id', $some); DEALLOCATE p",
				$size, \@mine, [ grep { $_->{fingerprint} == $some } @mine ], "$name, parameters");
			finds("SELECT $columns FROM $messages WHERE session_id = '$id' AND \"timestamp\" <= to_timestamp($moment / "
				. "1000.0)",
				$size, \@mine, [ grep { $_->{timestamp} <= $moment } @mine ], "$name, up to a moment");
			finds("SELECT $columns FROM $messages WHERE session_id = '$id' AND \"timestamp\" = to_timestamp($moment / "
				. "1000.0)",
				$size, \@mine, [ grep { $_->{timestamp} == $moment } @mine ], "$name, a moment");
			finds("SELECT $columns FROM (VALUES (1), (2)) v (n), LATERAL (SELECT * FROM $messages "
				. "WHERE session_id = '$id' AND n > 0 OFFSET 0) m",
				$size, \@mine, [ @mine, @mine ], "$name, a rescan");

			my $limit = 1 + int rand(@mine + 2);
			my $result = $session->run(
				"SELECT string_agg((extract(epoch FROM \"timestamp\") * 1000)::bigint::text, ' ') FROM "
					. "(SELECT \"timestamp\" FROM $messages WHERE session_id = '$id' ORDER BY \"timestamp\" DESC "
					. "LIMIT $limit) m");
			my @newest = reverse sort map { $_->{timestamp} } @mine;
			is($result->{output}, join(' ', splice @newest, 0, $limit), "$name, the newest $limit")
			  unless @{ $result->{errors} } && !can_be_told($size, @mine);
		}
	}
}
cmp_ok($told{$_}, '>', 0, "$_ a page: some conversations of several pages can be told") foreach sort keys %told;

#
# Messages that are the same in everything.
#
foreach my $case (
	[ 'two',                       3, 1, [ 0, 2 ] ],
	[ 'between others',            3, 1, [ 1, 1 ], [ 2, 2 ], [ 3, 1 ] ],
	[ 'at an edge',                3, 1, [ 1, 2 ], [ 2, 2 ], [ 3, 2 ], [ 4, 1 ] ],
	[ 'in each millisecond',       4, 1, map { [ $_, 3 ] } 1 .. 9 ],
	[ 'in all of a page',          20, 1, [ 1, 5 ], [ 2, 19 ], [ 3, 5 ] ],
	[ 'as many as a page has',     3, 0, [ 1, 1 ], [ 2, 3 ], [ 3, 1 ] ],
	[ 'one more than a page has',  3, 0, [ 1, 1 ], [ 2, 4 ], [ 3, 1 ] ],
	[ 'many more',                 3, 0, [ 1, 1 ], [ 2, 40 ], [ 3, 1 ] ])
{
	my ($name, $size, $told, @groups) = @{$case};

	foreach my $bounds ('exclusive', 'inclusive')
	{
		$sandbox->control({ messages_per_page => $size, message_bounds => $bounds, full_last_page => 200 });
		fill($id, map { (message($id, fingerprint => -1_078_189_900, content => 'Hello',
			timestamp => $base + $_->[0])) x $_->[1] } @groups);
		my @mine = truth($id);

		is(can_be_told($size, @mine), $told, "the same, $name: whether they can be told");
		finds("SELECT $columns FROM crisp.messages WHERE session_id = '$id'", $size, \@mine, \@mine,
			"the same, $name, $bounds");
		is($session->query(
			"SELECT count(*) FROM crisp.messages WHERE session_id = '$id' AND fingerprint = -1078189900"), scalar @mine,
				"the same, $name, $bounds: count")
		  if $told;
	}
}

# Whether two pages overlap isn't told by a message that may have a twin.
$sandbox->control({ messages_per_page => 3, message_bounds => 'exclusive' });
foreach my $case (
	[ 'with fingerprints of their own', [ 11 .. 15 ], 5 ],
	[ 'that end where others begin that are the same', [ 11, 12, 0, 0, 13, 14 ], undef ],
	[ 'of which two have a fingerprint', [ 0, 11, 12, 13, 0 ], undef ])
{
	my ($name, $fingerprints, $count) = @{$case};
	my $number = 0;

	fill($id, map { message($id, fingerprint => $_, content => 'Hello', timestamp => $base) } @{$fingerprints});
	my $result = $session->run("SELECT count(*) FROM crisp.messages WHERE session_id = '$id'");
	is($result->{output}, $count // '', "more than a page of one millisecond, $name");
	is(scalar @{ $result->{errors} }, defined $count ? 0 : 1, "more than a page of one millisecond, $name: errors");
}

#
# Messages that come, go and change while a conversation is read.  Each says something else, so that it
# can be told whether it came.
#
my $new = 0;

# A change of one of $count messages, or a new one of one of $moments milliseconds.
sub random_change
{
	my ($count, $moments) = @_;

	return pick(
		{ op => 'delete', index => int rand $count },
		{ op => 'patch', index => int rand $count, set => { read => 'chat', stamped => JSON::PP::true } },
		{
			op    => 'patch',
			index => int rand $count,
			set   => { content => 'new ' . ++$new, edited => JSON::PP::true }
		},
		{
			op  => 'insert',
			row => message(
				$id,
				fingerprint => pick(0, 1001 + $new),
				content     => 'new ' . ++$new,
				timestamp   => $base + int rand $moments)
		});
}

# Three changes, each before a request for a page of the conversation.
sub random_changes
{
	my ($count, $moments) = @_;

	return sort { $a->{at_request}->{nth} <=> $b->{at_request}->{nth} } map {
		{
			resource   => 'messages',
			session_id => $id,
			%{ random_change($count, $moments) },
			at_request => { path => "*/conversation/$id/messages", nth => 2 + int rand 4, when => 'before' }
		}
	} 1 .. 3;
}

# What the conversation was after each of the changes that so many requests have brought: they are made
# again, to the same messages, one by one.
sub states_of
{
	my ($messages, $requests, @changes) = @_;

	fill($id, @{$messages});
	my @states = [ truth($id) ];
	foreach my $change (@changes)
	{
		my %now = %{$change};

		next if delete($now{at_request})->{nth} > $requests;
		next if ($now{index} // 0) >= @{ $states[-1] };    # no such message
		$sandbox->data([ \%now ]);
		push @states, [ truth($id) ];
	}
	return @states;
}

my %rounds = (read => 0, error => 0);

foreach my $round (1 .. $rounds)
{
	my $of_round = $seed + $round;

	srand $of_round;
	my $size = pick(2, 3, 4, 20);
	my $name = "while it changes, seed $of_round";
	my @messages;

	# Spread, or as crowded as pages can tell.
	my ($count, $moments) = @{ pick([ 2 * $size + int rand 3 * $size, 8 ], [ $size + 1 + int rand $size, 3 ]) };
	do { @messages = random_messages($id, $count, $moments, 0) } until can_be_told($size, @messages);
	my @changes = random_changes($count, $moments);

	$sandbox->reset;
	$sandbox->control(
		{ messages_per_page => $size, message_bounds => pick('exclusive', 'inclusive'), full_last_page => 200 });
	fill($id, @messages);
	my @before = truth($id);
	$sandbox->clear;
	$sandbox->data(\@changes);
	my $result   = $session->run("SELECT $columns FROM crisp.messages WHERE session_id = '$id'");
	my $requests = grep { $_->{path} =~ m{/conversation/$id/messages$} } $sandbox->requests;
	my %came;
	my @after  = map { line($_) } truth($id);
	my %stayed = map { $_ => 1 } @after;
	my @wanted = grep { $stayed{$_} } map { line($_) } @before;
	my @states = states_of(\@messages, $requests, @changes);

	is_deeply([ sort map { line($_) } @{ $states[-1] } ], [ sort @after ], "$name: the changes are known");
	$came{$_}++ foreach split /\n/, $result->{output};
	if (my $error = $result->{errors}->[0])
	{
		$rounds{error}++;
		is("$error->{sqlstate} $error->{message}", $unreadable, "$name: an error");
		ok(scalar(grep { !can_be_told($size, @{$_}) } @states), "$name: no error without a reason")
		  or diag($error->{detail});
		next;
	}
	$rounds{read}++;
	is_deeply([ grep { ($came{$_} // 0) != 1 } @wanted ], [], "$name: all that stayed, once");
	is_deeply([ grep { $came{$_} > 1 } keys %came ], [], "$name: nothing twice");
}
cmp_ok($rounds{read}, '>', $rounds / 2, "while it changes: $rounds{read} of $rounds conversations were read")
  or diag("$rounds{error} could not be");

#
# A millisecond that fills a page, of which a message comes or goes just between the requests for its ends.
# They are asked for again, but not for ever.
#
sub of_crowd { return message($id, fingerprint => 0, content => 'new ' . ++$new, timestamp => $base + 2) }

my $goes  = { op => 'delete', index => 2 };
my $comes = { op => 'insert' };

foreach my $case (
	[ 'one goes',                     { 3 => [$goes] }, 5 ],
	[ 'one goes and another comes',   { 3 => [ $goes, $comes ] }, 6 ],
	[ 'one comes',                    { 3 => [$comes] }, 4 ],
	[ 'they come and go all the time', { map { $_ => [ $goes, $comes ] } 3 .. 40 }, undef ])
{
	my ($what, $changes, $requests) = @{$case};
	my $name = "at the ends of a millisecond, $what";

	$sandbox->reset;
	$sandbox->control({ messages_per_page => 3, message_bounds => 'exclusive', full_last_page => 200 });
	fill(
		$id,
		map({ message($id, fingerprint => 0, content => "text $_", timestamp => $base + $_) } 0, 1, 8, 9),
		map { of_crowd() } 1 .. 3);
	my @before = map { line($_) } truth($id);
	$sandbox->data(
		[
			map {
				my $nth = $_;
				map {
					{
						%{$_},
						$_ == $comes ? (row => of_crowd()) : (),
						resource   => 'messages',
						session_id => $id,
						at_request => { path => "*/conversation/$id/messages", nth => $nth, when => 'before' }
					}
				} @{ $changes->{$nth} }
			} sort { $a <=> $b } keys %{$changes}
		]);
	$sandbox->clear;
	my $result = $session->run("SELECT $columns FROM crisp.messages WHERE session_id = '$id'");
	my $error  = $result->{errors}->[0];
	my %after  = map { line($_) => 1 } truth($id);
	my %came;

	$came{$_}++ foreach split /\n/, $result->{output};
	is($sandbox->count, $requests // 13, "$name: requests");
	if (!defined $requests)
	{
		is("$error->{sqlstate} $error->{message}", $unreadable, "$name: an error");
		next;
	}
	is($error, undef, "$name: no error");
	is_deeply([ grep { $after{$_} && ($came{$_} // 0) != 1 } @before ], [], "$name: all that stayed, once");
}
$sandbox->reset;

#
# Changes.  Crisp knows a message by its fingerprint alone: one of several is not changed.
#
$session->query("ALTER SERVER support OPTIONS (ADD updatable 'true', ADD max_retries '0')");

sub methods
{
	return map { $_->{method} . ' ' . ($_->{path} =~ s{.*/conversation/}{}r) } $sandbox->requests;
}

sub written { return grep { !/^GET/ } methods() }

my $pages = 0;

# Two messages have fingerprint 0, three that of a trigger, each other one of its own; 25 in all.
sub begin_changes
{
	my (%control) = @_;
	my $number = 0;

	$sandbox->reset;
	$sandbox->control({ messages_per_page => 20, %control });
	fill($id, map { message($id, fingerprint => $_, content => "text $number", timestamp => $base + 10 * $number++) }
		  0, 11, 0, -1_078_189_900, 12, -1_078_189_900, 13, -1_078_189_900, 9_007_199_254_740_993, -5, 101 .. 115);
	$session->query("SELECT count(*) FROM crisp.messages WHERE session_id = '$id'");
	$sandbox->clear;
	$session->query("SELECT count(*) FROM crisp.messages WHERE session_id = '$id'");
	$pages = $sandbox->count;
	$sandbox->clear;
	return;
}

sub refuses
{
	my ($sql, $count, $fingerprint, $requests, $name) = @_;
	my $result = $session->run($sql);
	my $error = $result->{errors}->[0] // {};

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($error->{sqlstate}, '21000', "$name: SQLSTATE");
	like($error->{message} // '',
		qr/^cannot (?:update|delete) one of $count messages that have the same "fingerprint" in foreign table "\w+"$/,
			"$name: how many");
	like($error->{detail} // '',
		qr/"session_id", which is $id, and "fingerprint", which is $fingerprint\. Nothing was sent for it\.$/,
			"$name: which");
	is_deeply([ written() ], [], "$name: nothing was sent");
	is($sandbox->count, $requests, "$name: requests");
	$sandbox->clear;
	return;
}

begin_changes();
is($pages, 2, 'two pages');
my $mine = "session_id = '$id'";

foreach my $case (
	[ "UPDATE crisp.messages SET content = 'x' WHERE $mine AND fingerprint = 0", 2, 0, 1, 'UPDATE' ],
	[ "DELETE FROM crisp.messages WHERE $mine AND fingerprint = 0", 2, 0, 1, 'DELETE' ],
	[ "DELETE FROM crisp.messages WHERE $mine AND fingerprint = -1078189900 RETURNING *", 3, -1_078_189_900, 1,
		'a negative one' ],
	[ "UPDATE crisp.messages SET content = 'x' WHERE $mine AND content = 'text 2'", 2, 0, 1,
		'a condition that leaves one of them' ],
	[ "UPDATE crisp.messages SET content = 'x' WHERE $mine AND \"timestamp\" <= to_timestamp(${base}::bigint / 1000.0)",
		2, 0, 1.5, 'a time that leaves one of them' ],
	[ "DELETE FROM crisp.messages WHERE $mine AND \"timestamp\" > to_timestamp(($base + 69) / 1000.0) "
		. "AND fingerprint < -1000", 3, -1_078_189_900, 1.5, 'a time that bounds the pages' ],
	[ "PREPARE w(text, bigint) AS DELETE FROM crisp.messages WHERE session_id = \$1 AND fingerprint = \$2; "
		. "EXECUTE w('$id', 0)", 2, 0, 1, 'prepared' ],
	[ "SET plan_cache_mode = force_generic_plan; EXECUTE w('$id', 0)", 2, 0, 1, 'prepared, a generic plan' ],
	[ "DEALLOCATE w; RESET plan_cache_mode; UPDATE crisp.messages m SET content = 'x' FROM (VALUES "
		. "('$id', 'text 5')) v (s, c) WHERE m.session_id = v.s AND m.content = v.c", 3, -1_078_189_900, 1, 'a join' ],
	[ "DELETE FROM crisp.messages m USING named WHERE m.session_id = named.session_id AND named.session_id = '$id' "
		. "AND content = 'text 0'", 2, 0, 1, 'a join with a table' ],
	[ "DELETE FROM crisp.messages WHERE $mine", 3, -1_078_189_900, 1,
		'all messages, of which the first has its fingerprint alone' ],
	[ "UPDATE crisp.messages SET content = content || '!' WHERE $mine AND content <> 'text 0' AND content <> 'text 2'",
		3, -1_078_189_900, 1, 'some messages' ],
	[ "SET work_mem = '64kB'; DELETE FROM crisp.messages WHERE $mine", 3, -1_078_189_900, 1,
		'all messages, in a file' ],
	[ "RESET work_mem; WITH w AS (DELETE FROM crisp.messages WHERE $mine AND fingerprint = 0 RETURNING 1) "
		. "SELECT count(*) FROM w", 2, 0, 1, 'WITH' ])
{
	my ($sql, $count, $fingerprint, $times, $name) = @{$case};

	refuses($sql, $count, $fingerprint, $times * $pages, $name);
}

# Others of the conversation can be changed, and cost no more than it takes to find them.
foreach my $case ([ 11, 2 ], [ -5, 2 ], [ '9007199254740993', 2 ])
{
	my ($fingerprint, $requests) = @{$case};

	$session->query("UPDATE crisp.messages SET content = 'new' WHERE $mine AND fingerprint = $fingerprint");
	is_deeply([ methods() ], [ ("GET $id/messages") x $pages, "PATCH $id/message/$fingerprint" ],
		"UPDATE of $fingerprint");
	is((grep { "$_->{fingerprint}" eq $fingerprint } truth($id))[0]->{content}, 'new',
		"UPDATE of $fingerprint: Crisp has it");
	$sandbox->clear;
}
$session->query("DELETE FROM crisp.messages WHERE $mine AND fingerprint BETWEEN 101 AND 103");
is_deeply([ methods() ], [ ("GET $id/messages") x $pages, map { "DELETE $id/message/$_" } 103, 102, 101 ],
	'DELETE of some: the conversation is read once');
$sandbox->clear;
$session->query("DELETE FROM crisp.messages WHERE $mine AND \"timestamp\" >= to_timestamp(($base + 240) / 1000.0)");
is_deeply([ methods() ], [ ("GET $id/messages") x 3, "DELETE $id/message/115" ],
	'where a time bounds the pages, they are read once more');

# In a join, messages are looked at one by one, and sent when the last one was: so nothing is.
begin_changes();
{
	my $result = $session->run(
		"UPDATE crisp.messages m SET content = 'x' FROM named WHERE m.session_id = named.session_id "
			. "AND named.session_id = '$id' AND fingerprint IN (101, 0)");

	is($result->{errors}->[0]->{sqlstate}, '21000', 'a join: SQLSTATE');
	is_deeply([ written() ], [], 'a join: nothing was sent');
	is($result->{errors}->[0]->{context}, undef, 'a join: so the error tells of nothing');
}

# Names that are no bigint, and tables that show them otherwise.
begin_changes();
$session->query(
	q(CREATE FOREIGN TABLE odd )
		. q((session_id text, name text OPTIONS (json_path 'fingerprint'), words text OPTIONS (json_path 'content')) )
		. q(SERVER support OPTIONS (resource 'messages')));
fill($id, map { message($id, %{$_}) } { fingerprint => 1.5, timestamp => $base, content => 'a' },
	{ fingerprint => 1.5, timestamp => $base + 1, content => 'b' },
	{ fingerprint => 'own', timestamp => $base + 2, content => 'c' },
		{ fingerprint => 'own', timestamp => $base + 3, content => 'd' },
		{ fingerprint => 7, timestamp => $base + 4, content => 'e' });
foreach my $case ([ 'a', '1.5' ], [ 'd', 'own' ])
{
	my ($content, $fingerprint) = @{$case};

	my $result = $session->run("DELETE FROM odd WHERE session_id = '$id' AND words = '$content'");
	is($result->{errors}->[0]->{sqlstate}, '21000', "a fingerprint that is $fingerprint");
	like($result->{errors}->[0]->{message}, qr/one of 2 messages that have the same "name" in foreign table "odd"/,
		"a fingerprint that is $fingerprint: how many");
}
is_deeply([ written() ], [], 'nothing was sent');
$session->query("DELETE FROM odd WHERE session_id = '$id' AND words = 'e'");
is_deeply([ written() ], ["DELETE $id/message/7"], 'the one that is unlike others');

# What is sent with a fingerprint has it.
begin_changes();
is($session->query(
	"INSERT INTO crisp.messages (session_id, type, content, fingerprint) VALUES ('$id', 'text', 'again', 0) "
		. "RETURNING fingerprint"), 0, 'INSERT of a fingerprint that others have');
$sandbox->clear;
foreach my $chosen ('newest', 'oldest')
{
	$sandbox->control({ message_chosen => $chosen });
	foreach my $time ('NULL', "to_timestamp(($base + 15) / 1000.0)")
	{
		my $row = $session->query(
			"INSERT INTO crisp.messages (session_id, type, content, fingerprint, \"timestamp\") VALUES "
				. "('$id', 'text', 'once more', 12, $time) RETURNING content, stamped, edited, fingerprint, "
				. "\"timestamp\" = $time");

		is($row, 'once more|t|f|12|' . ($time eq 'NULL' ? '' : 't'),
			"RETURNING the message that was sent, $chosen, $time");
		is(scalar(grep { /^GET/ } methods()), 1,
			"RETURNING the message that was sent, $chosen, $time: one request more");
		$sandbox->clear;
	}
}
$sandbox->clear;
refuses("DELETE FROM crisp.messages WHERE $mine AND content = 'again'", 3, 0, $pages,
	'INSERT of a fingerprint that others have');

done_testing();
