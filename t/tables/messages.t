# Messages: every field, what is asked of Crisp and no more, and pages whose
# edges cut through rows of one millisecond.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispStatement;
use JSON::PP;
use POSIX qw(ceil strftime);
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 120, people => 20);

run_statements($node, $sandbox);

my $website = $sandbox->website_id;
my $exact   = JSON::PP->new->utf8->allow_nonref->canonical->allow_bignum;

# The messages of a conversation, newest first.
sub messages_of
{
	my ($session_id) = @_;
	my $text = $sandbox->ask('GET', "/_rows?resource=messages&session_id=$session_id");

	return sort { $b->{timestamp} <=> $a->{timestamp} } map { $exact->decode($_) } split /\n/, $text;
}

# How many pages of 20 it takes to read rows with these times, newest first, up to one that is
# older than the bound: each page begins with what shares the last one's oldest time.
sub message_pages
{
	my ($times, $bound) = @_;
	my ($pages, $first) = (0, 0);

	for (;;)
	{
		my $last = $first + 19;

		$pages++;
		return $pages if $last >= $#{$times} || defined $bound && $times->[$last] < $bound;
		($first) = grep { $times->[$_] == $times->[$last] } 0 .. $#{$times};
	}
	return;
}

my @conversations = $sandbox->rows('conversations');
my %messages      = map { $_->{session_id} => [ messages_of($_->{session_id}) ] } @conversations;
my %times         = map { $_ => [ map { $_->{timestamp} } @{ $messages{$_} } ] } keys %messages;
my %pages         = map { $_ => message_pages($times{$_}) } keys %times;

sub sum { my $sum = 0; $sum += $_ foreach @_; return $sum }
sub listing { return ceil($_[0] / 50) }

sub fingerprints { return join "\n", sort map { $_->{fingerprint} } @_ }

# Timestamps as SQL.
sub sql_time { return "to_timestamp($_[0] / 1000.0)" }

my $all = listing(scalar @conversations) + sum(values %pages);

# A conversation that takes some pages, one that takes one, and one of few messages.
my ($long)  = sort { $pages{$b} <=> $pages{$a} || $a cmp $b } keys %pages;
my ($short) = sort grep { $pages{$_} == 1 && @{ $messages{$_} } > 3 } keys %pages;
cmp_ok($pages{$long}, '>', 3, 'a long conversation');

# Have the server say 206, so that a 200 is the end from now on.
sub in_session { return sql("SELECT count(*) FROM crisp.messages WHERE session_id = '$long'") }

#
# Every row, every column.
#
my @columns = map { decode_json($_) } split /\n/,
  sql("SELECT row_to_json(c) FROM crisp_fdw_columns() c WHERE resource = 'messages'");

sub value_at
{
	my ($value, $path) = @_;

	$value = ref $value eq 'HASH' ? $value->{$_} : undef foreach split /\./, $path;
	return $value;
}

sub expected_value
{
	my ($element, $column) = @_;
	my $value = value_at($element, $column->{json_path});

	return $website if $column->{column_name} eq 'website_id';
	return ref $value ? undef : $value if $column->{column_name} eq 'content';
	return ref $value ? $value : undef if $column->{column_name} eq 'content_json';
	return $value unless $column->{data_type} eq 'timestamp with time zone';

	my $fraction = sprintf('.%03d', $value % 1000) =~ s/\.?0*$//r;
	return strftime('%Y-%m-%dT%H:%M:%S', gmtime($value / 1000)) . "$fraction+00:00";
}

in_session();
{
	my ($printed, @requests) = requests_of('SELECT to_jsonb(m) FROM crisp.messages m');
	my @rows     = map { $exact->decode($_) } split /\n/, $printed;
	my @elements = map { @{$_} } values %messages;
	my (@wrong, %content, %expected);

	# Several messages may have one fingerprint, so that all that they are tells them apart.
	foreach my $element (@elements)
	{
		$expected{ join ' ', map { $exact->encode(expected_value($element, $_)) } @columns }++;
	}

	is(scalar @requests, $all,                  'all messages: requests');
	is(scalar @rows,     scalar @elements, 'all messages: number of rows');
	foreach my $row (@rows)
	{
		my $got = join ' ', map { $exact->encode($row->{ $_->{column_name} }) } @columns;

		push @wrong, "$got: there is none, or not so many" unless $expected{$got};
		push @wrong, "$got: columns" unless keys %{$row} == @columns;
		$expected{$got}--;
		$content{ $row->{type} }{ defined $row->{content} ? 'text' : 'json' }++;
	}
	is_deeply(\@wrong, [], 'all messages: every column');
	is_deeply(
		{
			map { $_ => join ' ', keys %{ $content{$_} } } keys %content
		},
		{
			text     => 'text',
			note     => 'text',
			map { $_ => 'json' } qw(file animation audio picker field carousel event)
		},
		'content or content_json, by type');
}
is(sql('SELECT count(*) FROM crisp.messages'),
	sum(map { scalar @{$_} } values %messages), 'count(*) counts them');

#
# One conversation, and some.
#
is( costs(
		$pages{$long} * 2,
		"SELECT fingerprint FROM crisp.messages WHERE session_id = '$long' ORDER BY 1; "
		  . "SELECT fingerprint FROM crisp.messages WHERE '$long' = session_id AND type <> '' ORDER BY 1",
		'one conversation, twice'),
	join("\n", (fingerprints(@{ $messages{$long} })) x 2),
	'one conversation: its messages');
{
	my @got = map { (split /\|/)[1] } split /\n/,
	  sql("SELECT fingerprint, \"timestamp\" FROM crisp.messages WHERE session_id = '$long'");

	is_deeply(\@got, [ reverse sort @got ], 'newest first');
}
foreach my $condition (
	"session_id IN ('$long', '$short', 'session_none', '$short')",
	"session_id = ANY ('{$short,$long,session_none}'::text[])",
	"session_id = ANY (SELECT unnest(array['$long', '$short', 'session_none', '$short']))",
	"session_id IN (VALUES ('$long'), ('$short'), ('session_none'))")
{
	is( costs(
			$pages{$long} + $pages{$short} + 1,
			"SELECT fingerprint FROM crisp.messages WHERE $condition ORDER BY 1", $condition),
		fingerprints(@{ $messages{$long} }, @{ $messages{$short} }),
		"$condition: rows");
}
foreach my $mode ('force_custom_plan', 'force_generic_plan')
{
	is( costs(
			$pages{$long} + 1,
			"SET plan_cache_mode = $mode; "
			  . 'PREPARE p(text) AS SELECT fingerprint FROM crisp.messages WHERE session_id = $1 ORDER BY 1; '
			  . "EXECUTE p ('$long'); EXECUTE p ('$short'); EXECUTE p (NULL)",
			"\$1, $mode"),
		fingerprints(@{ $messages{$long} }) . "\n" . fingerprints(@{ $messages{$short} }),
		"\$1, $mode: rows");
}
is(costs(1, "SELECT * FROM crisp.messages WHERE session_id = 'session_none'", 'unknown session'),
	'', 'a conversation that does not exist has no messages');
is(costs(0, "SELECT * FROM crisp.messages WHERE session_id = ''", 'empty session'),
	'', 'nor has one without a name');

#
# Joins.
#
foreach my $share (5, 60)
{
	my @new   = @conversations[ 0 .. $share - 1 ];
	my $since = $new[-1]->{updated_at};

	is( costs(
			listing(scalar @new) + sum(map { $pages{ $_->{session_id} } } @new),
			'SELECT fingerprint FROM crisp.conversations c JOIN crisp.messages m USING (session_id) '
			  . 'WHERE c.updated_at >= '
			  . sql_time($since)
			  . ' ORDER BY 1',
			"join with $share conversations"),
		fingerprints(map { @{ $messages{ $_->{session_id} } } } @new),
		"join with $share conversations: rows");
}
is( costs(
		$all,
		'SELECT count(*) FROM crisp.conversations c JOIN crisp.messages m USING (session_id)',
		'join with all conversations'),
	sum(map { scalar @{$_} } values %messages),
	'join with all conversations: rows');
is( costs(
		1 + $pages{$long},
		"SELECT count(*) FROM crisp.conversations c LEFT JOIN crisp.messages m USING (session_id) "
			. "WHERE session_id = '$long'",
		'left join'),
	scalar @{ $messages{$long} },
	'left join: rows');
# What earlier runs have read is kept in work_mem.
is( costs(
		$pages{$long} + $pages{$short},
		"SET enable_memoize = off; SET work_mem = '4MB'; "
		  . "SELECT count(*) FROM (VALUES ('$long'), ('$short'), ('$long'), ('$short')) v (id), "
		  . 'LATERAL (SELECT * FROM crisp.messages WHERE session_id = id OFFSET 0) m',
		'LATERAL, keys that come again'),
	2 * (@{ $messages{$long} } + @{ $messages{$short} }),
	'LATERAL, keys that come again: rows');
is( costs(
		2,
		"SELECT count(*) FROM (VALUES ('$long'), ('$short')) v (id), "
		  . 'LATERAL (SELECT * FROM crisp.messages WHERE session_id = id LIMIT 3) m',
		'LATERAL LIMIT'),
	6, 'LATERAL LIMIT: rows');

#
# LIMIT, and a single message.
#
is(costs(1, "SELECT count(*) FROM (SELECT * FROM crisp.messages WHERE session_id = '$long' LIMIT 20) m",
	'LIMIT a page'),
	20, 'LIMIT a page: rows');
is(costs(2, "SELECT count(*) FROM (SELECT * FROM crisp.messages WHERE session_id = '$long' LIMIT 21) m",
	'LIMIT two pages'),
	21, 'LIMIT two pages: rows');
is(costs(2, 'SELECT count(*) FROM (SELECT * FROM crisp.messages LIMIT 1) m', 'LIMIT of all'),
	1, 'LIMIT of all: rows');
foreach my $limit (5, 20, 21, 45)
{
	my @newest = map { $_->{timestamp} } @{ $messages{$long} }[ 0 .. $limit - 1 ];

	is( costs(
			message_pages([ @{ $times{$long} }[ 0 .. $limit - 1 ] ]),
			'SELECT (extract(epoch FROM "timestamp") * 1000)::bigint FROM crisp.messages '
			  . "WHERE session_id = '$long' ORDER BY \"timestamp\" DESC LIMIT $limit",
			"the newest $limit"),
		join("\n", @newest),
		"the newest $limit: rows");
}
is( costs(
		$pages{$long},
		"SELECT fingerprint FROM crisp.messages WHERE session_id = '$long' ORDER BY \"timestamp\", fingerprint LIMIT 1",
		'the oldest'),
	(sort { $a->{timestamp} <=> $b->{timestamp} || $a->{fingerprint} <=> $b->{fingerprint} }
		  @{ $messages{$long} })[0]->{fingerprint},
	'the oldest: rows');
is( costs(
		1 + 10,
		'SELECT count(*), sum((m.sent = n.sent)::int) FROM (SELECT session_id FROM crisp.conversations ORDER '
			. 'BY updated_at DESC LIMIT 10) c, '
		  . 'LATERAL (SELECT "timestamp" AS sent FROM crisp.messages WHERE session_id = c.session_id ORDER '
		  . 'BY "timestamp" DESC LIMIT 1) m, '
		  . 'LATERAL (VALUES ('
		  . join('), (', map { "'$_->{session_id}', "
		  . sql_time($times{ $_->{session_id} }[0]) } @conversations[ 0 .. 9 ])
		  . ')) n (id, sent) WHERE id = c.session_id',
		'the last message of each of ten'),
	'10|10',
	'the last message of each of ten: rows');
{
	my ($first, $second) = map { $_->{fingerprint} } @{ $messages{$long} };
	my ($printed, @requests) = requests_of(
		"SELECT fingerprint FROM crisp.messages WHERE session_id = '$long' AND fingerprint = $second");

	is($printed, $second, 'one message');
	is_deeply(
		[ map { $_->{path} } @requests ],
		[ ("/v1/website/$website/conversation/$long/messages") x $pages{$long} ],
		'one message: the pages of its conversation, as others may have the fingerprint, too');
	is( costs(
			$pages{$long},
			"SELECT fingerprint FROM crisp.messages WHERE session_id = '$long' AND fingerprint IN ($first, $second, 7) "
				. "ORDER BY 1",
			'some messages'),
		join("\n", sort $first, $second),
		'some messages: rows');
	is(costs(1, "SELECT * FROM crisp.messages WHERE session_id = '$short' AND fingerprint = $first",
		'another conversation'),
		'', 'a message of another conversation');
	is(costs(1, "SELECT * FROM crisp.messages WHERE session_id = 'session_none' AND fingerprint = $first",
		'no conversation'),
		'', 'a message of no conversation');
	is( costs(
			2 * $pages{$long},
			"PREPARE p(text, bigint) AS SELECT fingerprint FROM crisp.messages WHERE session_id = \$1 "
				. "AND fingerprint = \$2; "
			  . "SET plan_cache_mode = force_generic_plan; EXECUTE p ('$long', $first); EXECUTE p ('$long', $second)",
			'one message, $1 and $2'),
		"$first\n$second",
		'one message, $1 and $2: rows');
}

#
# Times.
#
my @t = @{ $times{$long} };
foreach my $case (
	[ '>', 45 ], [ '>=', 45 ], [ '=', 45 ], [ '>', 10 ], [ '>=', 19 ], [ '>', 0 ],
	[ '<', 30 ], [ '<=', 30 ], [ '<', $#t ])
{
	my ($operator, $place) = @{$case};
	my $bound = $t[$place];
	my %test  = (
		'>'  => sub { $_[0] > $bound },
		'>=' => sub { $_[0] >= $bound },
		'='  => sub { $_[0] == $bound },
		'<'  => sub { $_[0] < $bound },
		'<=' => sub { $_[0] <= $bound });
	my @before   = $operator =~ /</ ? ($operator eq '<' ? $bound : $bound + 1) : ();
	my @expected = grep { $test{$operator}->($_->{timestamp}) } @{ $messages{$long} };
	my @times    = $operator =~ /[<=]$/ && $operator ne '>=' ? (grep { $_ <= $bound } @t) : @t;
	@times = grep { $_ < $bound } @t if $operator eq '<';
	my ($printed, @requests) = requests_of(
		"SELECT fingerprint FROM crisp.messages WHERE session_id = '$long' AND \"timestamp\" $operator "
		  . sql_time($bound)
		  . ' ORDER BY 1');

	is($printed, fingerprints(@expected), "timestamp $operator place $place: rows");
	is( scalar @requests,
		message_pages(\@times, $operator =~ />|^=/ ? $bound : undef),
		"timestamp $operator place $place: requests");
	if ($operator =~ /</)
	{
		my $asked = parameters($requests[0])->{timestamp_before};

		cmp_ok($asked, '<=', $bound + 1, "timestamp $operator place $place: where it begins");
	}
}
foreach my $end ('infinity', '200000-01-01')
{
	my ($printed, @requests) = requests_of(
		"SELECT fingerprint FROM crisp.messages WHERE session_id = '$long' AND \"timestamp\" < '$end' ORDER BY 1");

	is($printed, fingerprints(@{ $messages{$long} }), "timestamp < '$end': rows");
	is(parameters($requests[0])->{timestamp_before}, undef, "timestamp < '$end' is no bound");
}
foreach my $newest (3, 70)
{
	my $since = $conversations[$newest]->{updated_at};
	my @new   = grep { $_->{updated_at} >= $since } @conversations;
	my @found = grep { $_->{timestamp} > $since } map { @{$_} } values %messages;

	is( costs(
			listing(scalar @new)
			  + sum(map { message_pages($times{ $_->{session_id} }, $since) } @new),
			'SELECT fingerprint FROM crisp.messages WHERE "timestamp" > ' . sql_time($since) . ' ORDER BY 1',
			"timestamp > that of $newest conversations"),
		fingerprints(@found),
		"timestamp > that of $newest conversations: rows");
}
is(costs(1, q(SELECT * FROM crisp.messages WHERE "timestamp" > '2100-01-01'), 'the future'), '',
	'no messages of the future');
is(costs(0, q(SELECT * FROM crisp.messages WHERE "timestamp" > '2025-01-01' AND "timestamp" < '2024-01-01'),
	'contradiction'),
	'', 'contradiction: rows');

#
# Rows of one millisecond at the edges of pages.
#
sub fill
{
	my ($session_id, @groups) = @_;
	my $number = 1_000;

	$sandbox->data(
		[
			{ op => 'clear', resource => 'messages', session_id => $session_id },
			map {
				my ($time, $count) = @{$_};

				map {
					{
						op         => 'insert',
						resource   => 'messages',
						session_id => $session_id,
						row        => {
							session_id  => $session_id,
							website_id  => $website,
							type        => 'text',
							from        => 'user',
							origin      => 'chat',
							content     => 'Hello',
							fingerprint => $number++,
							timestamp   => $time
						}
					}
				} 1 .. $count;
			} @groups
		]);
	return;
}

my $base = 1_700_000_000_000;

foreach my $case (
	[ 'one page', [ 0, 20 ] ],
	[ 'one row', [ 0, 1 ] ],
	[ 'edges that cut pairs', map { [ $_, 2 ] } 1 .. 45 ],
	[ 'edges that cut triples', map { [ $_, 3 ] } 1 .. 33 ],
	[ 'neighbours of different size', map { [ $_, 1 + $_ % 7 ] } 1 .. 40 ],
	[ 'a page of one time between others', [ 1, 5 ], [ 2, 20 ], [ 3, 7 ] ],
	[ 'the newest page of one time',       [ 1, 31 ], [ 2, 20 ] ],
	[ 'the oldest page of one time',       [ 1, 20 ], [ 2, 31 ] ],
	[ 'more than a page of one time',      [ 1, 15 ], [ 2, 33 ], [ 3, 15 ] ],
	[ 'pages of one time each',            map { [ $_, 20 ] } 1 .. 5 ],
	[ 'more than a page of each time',     map { [ $_, 20 + 4 * $_ ] } 1 .. 4 ],
	[ 'nearly two pages of one time',      [ 1, 9 ], [ 2, 39 ], [ 3, 9 ] ],
	[ 'times that lie apart',              map { [ $_ * 1_000, 27 ] } 1 .. 6 ])
{
	my ($name, @groups) = @{$case};

	fill($short, map { [ $base + $_->[0], $_->[1] ] } @groups);
	foreach my $case ([ 200, 'exclusive' ], [ 206, 'exclusive' ], [ 200, 'inclusive' ], [ 206, 'inclusive' ])
	{
		my ($full_page, $bounds) = @{$case};

		$sandbox->control({ full_last_page => $full_page, message_bounds => $bounds });
		is( sql("SELECT fingerprint FROM crisp.messages WHERE session_id = '$short' ORDER BY 1"),
			join("\n", sort 1_000 .. 999 + sum(map { $_->[1] } @groups)),
			"$name, $full_page, $bounds: rows");
		is( sql("SELECT count(*) FROM crisp.messages WHERE session_id = '$short' AND \"timestamp\" = "
				  . sql_time($base + $_->[0])),
			$_->[1],
			"$name, $full_page, $bounds: those of one time") foreach @groups[ 0, -1 ];
	}
}
$sandbox->control({ full_last_page => 200, message_bounds => 'exclusive' });

fill($short, [ $base, 100 ]);
$node->psql(
	'postgres',
	"SELECT count(*) FROM crisp.messages WHERE session_id = '$short'",
	stderr => \my $stderr);
like(
	$stderr,
	qr/ERROR:  cannot read all rows of a list of "messages", server "support"\nDETAIL:  GET .*More rows share one millisecond/,
	'what no cursor gets at is an error');

# A message that comes, or goes, between two pages.
foreach my $case (
	[ 'a new message', { op => 'insert',
		row => { session_id => $short, fingerprint => 1, timestamp => $base + 100 } } ],
	[ 'a message that is deleted', { op => 'delete', index => 0 } ])
{
	my ($name, $operation) = @{$case};

	fill($short, map { [ $base + $_, 2 ] } 1 .. 50);
	$sandbox->clear;
	$sandbox->data(
		[
			{
				%{$operation},
				resource   => 'messages',
				session_id => $short,
				at_request =>
				  { path => "*/conversation/$short/messages", nth => 3, when => 'before' }
			}
		]);
	my @got = split /\n/,
	  sql("SELECT fingerprint FROM crisp.messages WHERE session_id = '$short' ORDER BY 1");

	is_deeply([ grep { $_ != 1 } @got ], [ sort 1_000 .. 1_099 ], "$name: all others, once");
}

# A conversation that goes while it is read.
fill($short, map { [ $base + $_, 1 ] } 1 .. 50);
$sandbox->clear;
$sandbox->data(
	[
		{
			op         => 'delete',
			key        => $short,
			at_request => { path => "*/conversation/$short/messages", nth => 2, when => 'before' }
		}
	]);
is(sql("SELECT count(*) FROM crisp.messages WHERE session_id = '$short'"),
	20, 'a conversation that goes while it is read');

# Those of conversations that are new, of which some are as long as others: no millisecond has more than can be read.
$sandbox->reset;
my @all  = ('conversations', 'session_id', undef, include_empty => 1);
my %were = map { $_ => 1 } $sandbox->column(@all);
$sandbox->data([ { op => 'insert_random', resource => 'conversations', count => 300, seed => 5 } ]);
my @new = grep { !$were{$_} } $sandbox->column(@all);
is(scalar @new, 300, 'new conversations');
my $listed = join ', ', map { "'$_'" } @new;
is(sql("SELECT max(n) <= 20 AND count(*) > 20 FROM (SELECT count(*) AS n FROM crisp.messages WHERE session_id IN "
	. qq{($listed) GROUP BY session_id, "timestamp") m}), 't', '... can be read');

done_testing();
