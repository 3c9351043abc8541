# What lies below profiles: custom data, events, conversations. Values, and what is asked.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispStatement;
use HTTP::Tiny;
use JSON::PP;
use MIME::Base64 ();
use POSIX qw(ceil);
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 400, people => 70);

run_statements($node, $sandbox);

my $website = $sandbox->website_id;
my $exact   = JSON::PP->new->utf8->allow_nonref->canonical->allow_bignum;
my $http    = HTTP::Tiny->new(
	default_headers => {
		'X-Crisp-Tier' => 'website',
		'Authorization' => 'Basic '
		  . MIME::Base64::encode_base64(
			join(':', @{ $sandbox->credentials }{qw(identifier key)}), '')
	});

# What the API answers: the data of a route.
sub ask
{
	my ($route) = @_;
	my $response = $http->get($sandbox->url . "/website/$website/$route");

	die "$route: $response->{status}\n" unless $response->{success};
	return ($exact->decode($response->{content})->{data}, $response->{status});
}

# All elements of a list, and its number of pages.
sub list
{
	my ($route) = @_;
	my (@elements, $status, $data);
	my $pages = 0;

	do
	{
		($data, $status) = ask("$route/" . ++$pages);
		push @elements, @{$data};
	} while ($status == 206);
	return { elements => \@elements, pages => $pages };
}

my @people = $sandbox->rows('people');
my %data   = map { $_->{people_id} => (ask("people/data/$_->{people_id}"))[0]->{data} } @people;
my %events = map { $_->{people_id} => list("people/events/$_->{people_id}/list") } @people;
my %sessions =
  map { $_->{people_id} => list("people/conversations/$_->{people_id}/list") } @people;
my $listing = ceil(@people / 50);

sub sum   { my $sum = 0; $sum += $_ foreach @_; return $sum }
sub lines { return join "\n", sort @_ }

my ($mail) = grep { defined $_->{email} && $_->{email} =~ /^[a-z0-9.]+@/ && %{ $data{ $_->{people_id} } } } @people;
my ($person, $email) = ($mail->{people_id}, $mail->{email});
my ($other)  = map { $_->{people_id} } grep { $_->{people_id} ne $person } @people;
my ($active) = sort { $events{$b}{pages} <=> $events{$a}{pages} || $a cmp $b } keys %events;
my ($busy)   = sort { @{ $sessions{$b}{elements} } <=> @{ $sessions{$a}{elements} } || $a cmp $b } keys %sessions;

cmp_ok($events{$active}{pages}, '>', 1, 'somebody has pages of events');
cmp_ok(scalar @{ $sessions{$busy}{elements} }, '>', 1, 'somebody has conversations');

# As in a session that has seen a 206.
sub warm { return "SELECT count(*) FROM crisp.people_events WHERE people_id = '$active'" }

#
# Custom data.
#
sub data_of { return $exact->encode($data{ $_[0] }) }

{
	my ($printed, @requests) =
	  requests_of('SELECT json_build_array(people_id, email, data, website_id) FROM crisp.people_data');
	my %got = map { $_->[0] => $_ } map { $exact->decode($_) } split /\n/, $printed;

	is(scalar @requests, $listing + @people, 'all data: requests');
	is(scalar keys %got, scalar @people,     'all data: number of rows');
	is_deeply(
		[ grep {
				my $row = $got{ $_->{people_id} };
				!$row
				  || $exact->encode($row->[1]) ne $exact->encode($_->{email})
				  || $exact->encode($row->[2]) ne data_of($_->{people_id})
				  || $row->[3] ne $website
			} @people
		],
		[],
		'all data: every column');
}
foreach my $case (
	[ 'by people_id',          1, "data FROM crisp.people_data WHERE people_id = '$person'" ],
	[ 'by people_id, e-mail',  2, "data FROM crisp.people_data WHERE people_id = '$person' AND email IS NOT NULL" ],
	[ 'by e-mail',             2, "data FROM crisp.people_data WHERE email = '$email'" ],
	[ 'by both',               2, "data FROM crisp.people_data WHERE email = '$email' AND people_id = '$person'" ],
	[ 'by e-mail and another', 2, "data FROM crisp.people_data WHERE email = '$email' AND people_id = '$other'", 0 ],
	[ 'by an e-mail that nobody has', 1, "data FROM crisp.people_data WHERE email = 'nobody\@example.com'", 0 ],
	[ 'by what is no e-mail', $listing, q(data FROM crisp.people_data WHERE email = 'nobody'), 0 ],
	[ 'an unknown id', 1, "data FROM crisp.people_data WHERE people_id = '00000000-0000-4000-8000-000000000000'", 0 ],
	[ 'an e-mail for an id',   1, "data FROM crisp.people_data WHERE people_id = '$email'", 0 ],
	[ 'an id in capitals',     1, "data FROM crisp.people_data WHERE people_id = upper('$person')", 0 ],
	[ 'an id in capitals among others', 4,
		"data FROM crisp.people_data WHERE people_id = ANY (ARRAY[upper('$person'), '$person', upper('$email')])" ],
	[ 'NULL', 0, 'data FROM crisp.people_data WHERE people_id = NULL', 0 ],
	[ 'a join with profiles', 2,
		"data FROM crisp.people_profiles JOIN crisp.people_data USING (people_id) "
			. "WHERE people_profiles.email = '$email'" ],
	[ 'a join by e-mail', 2,
		"data FROM (VALUES ('$email'), ('$email')) v (e) JOIN crisp.people_data ON email = e GROUP BY data" ])
{
	my ($name, $requests, $select, $none) = @{$case};
	my $printed = costs($requests, "SELECT $select", "data $name");

	is(defined $none ? $printed : $exact->encode($exact->decode($printed)),
		defined $none ? '' : data_of($person), "data $name: rows");
}
is( costs(
		2,
		"SELECT email FROM crisp.people_data WHERE people_id = '$person'",
		'the e-mail of an id'),
	$email,
	'the e-mail of an id is that of the profile');

# A path is the same with quotes that it doesn't need.
sql(<<'END');
CREATE FOREIGN TABLE quoted (id text OPTIONS (json_path '"people_id"'), mail text OPTIONS (json_path '"email"'))
	SERVER support OPTIONS (resource 'people_data');
END
is( costs(2, "SELECT mail FROM quoted WHERE id = '$person'", 'an e-mail address by a path in quotes'),
	$email, 'an e-mail address by a path in quotes');
is( costs(2, "SELECT id FROM quoted WHERE mail = '$email'", 'a search by a path in quotes'),
	$person, 'a search by a path in quotes');
is(costs(2, "SELECT count(*) FROM crisp.people_data WHERE people_id IN ('$person', '$other', '$other')", 'two ids'),
	2, 'two ids: rows');
is(sql("SELECT data ->> (SELECT min(k) FROM jsonb_object_keys(data) k) IS NOT NULL FROM crisp.people_data "
	. "WHERE people_id = '$person'"),
	't', 'data is an object');

#
# Events.
#
sub events_of
{
	return map {
		my $id = $_;
		map { $exact->encode([ $id, @{$_}{qw(text data color timestamp)} ]) }
		  @{ $events{$id}{elements} }
	} @_;
}

sub event_rows
{
	my ($printed) = @_;

	return map { $exact->encode($exact->decode($_)) } split /\n/, $printed;
}

my $event =
  'SELECT json_build_array(people_id, text, data, color, (extract(epoch FROM "timestamp") * 1000)::bigint) '
  	. 'FROM crisp.people_events';

is(sql(warm()), scalar @{ $events{$active}{elements} }, 'events that take pages');
{
	my ($printed, @requests) = requests_of($event);

	is(scalar @requests, $listing + sum(map { $_->{pages} } values %events), 'all events: requests');
	is(lines(event_rows($printed)), lines(events_of(keys %events)), 'all events: rows');
}
{
	my ($printed, @requests) = requests_of("$event WHERE people_id = '$active'");

	is_deeply(
		[ map { $_->{path} } @requests ],
		[
			map { "/v1/website/$website/people/events/$active/list/$_" }
			  1 .. $events{$active}{pages}
		],
		'events of one: requests');
	is_deeply([ event_rows($printed) ], [ events_of($active) ], 'events of one: rows, in their order');
}
is(costs(1, "SELECT count(*) FROM (SELECT * FROM crisp.people_events WHERE people_id = '$active' LIMIT 5) e", 'LIMIT'),
	5, 'LIMIT: rows');
is( costs(
		1 + $events{$person}{pages},
		"SELECT count(*) FROM crisp.people_profiles p LEFT JOIN crisp.people_events e USING (people_id) "
			. "WHERE p.email = '$email'",
		'events of an e-mail'),
	@{ $events{$person}{elements} } || 1,
	'events of an e-mail: rows');

#
# Conversations.
#
{
	my ($printed, @requests) =
	  requests_of('SELECT people_id, session_id FROM crisp.people_conversations');

	is(scalar @requests, $listing + sum(map { $_->{pages} } values %sessions), 'all conversations: requests');
	is( lines(split /\n/, $printed),
		lines(map { my $id = $_; map { "$id|$_" } @{ $sessions{$id}{elements} } } keys %sessions),
		'all conversations: rows');
}
is( costs(
		1,
		"SELECT session_id FROM crisp.people_conversations WHERE people_id = '$busy'",
		'conversations of one'),
	join("\n", @{ $sessions{$busy}{elements} }),
	'conversations of one: rows');
is( costs(
		1 + @{ $sessions{$busy}{elements} },
		"SELECT count(c.created_at) FROM crisp.people_conversations p JOIN crisp.conversations c USING (session_id) "
			. "WHERE p.people_id = '$busy'",
		'conversations of one, and what they are'),
	scalar @{ $sessions{$busy}{elements} },
	'conversations of one, and what they are: rows');

# By e-mail address, by what Crisp is asked for, and with what the conversations are.
{
	my ($with_mail) =
	  sort { @{ $sessions{ $b->{people_id} }{elements} } <=> @{ $sessions{ $a->{people_id} }{elements} } }
	  grep { defined $_->{email} && $_->{email} =~ /^[a-z0-9.]+@/ } @people;
	my ($id, $mail) = @{$with_mail}{qw(people_id email)};
	my @own      = @{ $sessions{$id}{elements} };
	my %row      = map { $_->{session_id} => $_ } $sandbox->rows('conversations');
	my $from     = 'FROM crisp.people_conversations p';
	my $join     = "$from JOIN crisp.conversations c USING (session_id) WHERE p.email = '$mail'";
	my @resolved = grep { ($row{$_}->{state} // '') eq 'resolved' } @own;
	my @other    = grep { ($row{$_}->{state} // '') ne 'resolved' } @own;
	my @unread   = grep { ($row{$_}->{unread}->{operator} // 0) > 0 } @own;

	cmp_ok(scalar @own, '>', 2, 'somebody with an address has conversations');
	is(lines(split /\n/, costs(2, "SELECT session_id $from WHERE email = '$mail'", 'by e-mail')),
		lines(@own), 'by e-mail: rows');
	is(costs(2, "SELECT DISTINCT people_id || email $from WHERE email IN ('$mail')", 'e-mail IN'),
		$id . $mail, 'e-mail IN: row');
	is(costs(1, "SELECT count(*) $from WHERE email = 'nobody\@example.com'", 'an address that nobody has'),
		0, 'an address that nobody has: rows');
	is(costs(2, "SELECT DISTINCT email $from WHERE people_id = '$id'", 'the address of an id'),
		$mail, 'the address of an id: row');
	is( costs(
			2, "SELECT count(*) FROM (VALUES ('$mail')) v (m) JOIN crisp.people_conversations ON email = m",
			'joined by e-mail'),
		scalar @own,
		'joined by e-mail: rows');

	foreach my $case (
		[ 'resolved',     'filter_resolved',     '=',  @resolved ],
		[ 'not_resolved', 'filter_not_resolved', '<>', @other ])
	{
		my ($status, $param, $operator, @expected) = @{$case};
		my ($printed, @requests) = requests_of(
			"SELECT session_id, filter_status $from WHERE people_id = '$id' AND filter_status = '$status'");

		is(lines(split /\n/, $printed), lines(map { "$_|$status" } @expected), "$status: rows");
		is_deeply([ map { $_->{query} } @requests ], ["$param=1"], "$status: request");
		is( lines(
				split /\n/,
				costs(
					2 + @expected,
					"SELECT session_id $join AND p.filter_status = '$status' AND c.state $operator 'resolved'",
					"$status, joined")),
			lines(grep { defined $row{$_}->{state} } @expected),
			"$status, joined: rows");
	}
	is(lines(split /\n/, sql("SELECT session_id $join AND c.unread_operator > 0")),
		lines(@unread), 'unread, through a join');
	is( lines(
			split /\n/,
			sql("SELECT session_id $join AND p.filter_status = 'unread' AND c.unread_operator > 0")),
		lines(@unread),
		'unread, asked of Crisp, through a join');

	# A join that leaves out others tells so.
	foreach my $case (
		[ "c.state = 'resolved'",                  2 + @resolved, grep { $row{$_}->{state} } @resolved ],
		[ "c.state <> 'resolved'",                 2 + @other,    grep { $row{$_}->{state} } @other ],
		[ "c.status = 2",                          2 + @resolved, grep { ($row{$_}->{status} // 9) == 2 } @resolved ],
		[ "c.state IN ('pending', 'unresolved')",  2 + @other,    grep { $row{$_}->{state} } @other ],
		[ "c.state = 'resolved' AND p.filter_status = 'resolved'", 2 + @resolved,
			grep { $row{$_}->{state} } @resolved ],
		[ "c.state = 'resolved' AND p.filter_status = 'not_resolved'", 2 ],
		[ "c.state IS NOT NULL",                   2 + @own,      grep { $row{$_}->{state} } @own ])
	{
		my ($condition, $requests, @expected) = @{$case};

		is(lines(split /\n/, costs($requests, "SELECT session_id $join AND $condition", $condition)),
			lines(@expected), "$condition: rows");
	}
	my $inner = "crisp.conversations c WHERE c.session_id = p.session_id AND c.state = 'resolved'";
	is( lines(split /\n/, costs(2 + @resolved,
		"SELECT session_id $from WHERE email = '$mail' AND EXISTS (SELECT FROM $inner)", 'EXISTS')),
		lines(grep { $row{$_}->{state} } @resolved), 'EXISTS: rows');
	is( lines(split /\n/, costs(2 + @own,
		"SELECT session_id $from WHERE email = '$mail' AND NOT EXISTS (SELECT FROM $inner)", 'NOT EXISTS')),
		lines(@other), 'NOT EXISTS: rows');
	is( costs(
			2 + @own,
			"SELECT count(*), count(c.session_id) $from LEFT JOIN crisp.conversations c ON c.session_id = p.session_id "
				. "AND c.state = 'resolved' WHERE p.email = '$mail'",
			'LEFT JOIN'),
		@own . '|' . @resolved,
		'LEFT JOIN: rows');
	is(sql("SELECT count(p.session_id) FROM crisp.conversations c LEFT JOIN crisp.people_conversations p "
		. "ON c.session_id = p.session_id AND p.people_id = '$id' AND c.state = 'resolved'"),
		scalar @resolved, 'the other side of a LEFT JOIN');
	sql(q(CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)));
	is(sql("SELECT count(*) $from JOIN crisp.conversations c ON p.session_id = c.session_id COLLATE nocase "
		. "WHERE p.people_id = '$id' AND c.state = 'resolved'"),
		scalar @resolved, 'joined by another collation');

	# Refused, and ignored.
	run_statements($node, $sandbox);
	$sandbox->control({ answers => [ { match => { path => '*/people/conversations/*', query => 'filter_resolved' },
		status => 400, body => '{"error":true,"reason":"invalid_data","data":{}}' } ] });
	foreach my $more (1, 0)
	{
		is(lines(split /\n/, costs(2 + $more + @own, "SELECT session_id $join AND c.state = 'resolved'",
			"a join, refused, $more more")),
			lines(grep { $row{$_}->{state} } @resolved), "a join, refused, $more more: rows");
	}
	$sandbox->control({ answers => [], honour_filters => JSON::PP::false });
	run_statements($node, $sandbox);
	is(lines(split /\n/, sql("SELECT session_id $join AND c.state = 'resolved'")),
		lines(grep { $row{$_}->{state} } @resolved), 'a join, ignored');
	$sandbox->control({ honour_filters => JSON::PP::true });
	is(costs(0, "SELECT count(*) $from WHERE people_id = '$id' AND filter_status = NULL", 'no status'),
		0, 'no status: rows');

	my $code_of = sub {
		$node->psql('postgres', "SELECT 1 $from WHERE people_id = '$id' AND $_[0]",
			extra_params => [ '-v', 'VERBOSITY=sqlstate' ], stderr => \my $stderr);
		return $stderr;
	};
	like($code_of->("filter_status = 'pending'"), qr/22023/, 'a status that Crisp doesn\'t know');
	like($code_of->("filter_status IN ('unread', 'resolved')"), qr/0A000/, 'several statuses');

	# A filter that is refused is no profile that there isn't.
	$sandbox->control(
		{
			answers => [
				{
					match  => { query => 'filter_unread' },
					status => 400,
					body   => '{"error":true,"reason":"invalid_data","data":{}}'
				}
			]
		});
	like($code_of->("filter_status = 'unread'"), qr/HV000/, 'a refused filter is an error');
	$sandbox->control({ answers => [] });
}

# A list whose pages move: no conversation comes twice.
{
	my @own = map { { %{$_}, people_id => $busy } } ($sandbox->rows('conversations'))[ 0 .. 59 ];
	my $route = "*/people/conversations/$busy/list";

	$sandbox->data(
		[
			map { { op => 'patch', key => $_->{session_id}, set => { people_id => $busy } } } @own
		]);
	my $now = list("people/conversations/$busy/list");
	cmp_ok($now->{pages}, '>', 2, 'pages of conversations');

	$sandbox->clear;
	$sandbox->data(
		[
			{
				op         => 'touch',
				key        => $now->{elements}[-1],
				at_request => { path => "$route/2", when => 'before' }
			}
		]);
	my @got = split /\n/,
	  sql("SELECT session_id FROM crisp.people_conversations WHERE people_id = '$busy'");
	my %times;
	$times{$_}++ foreach @got;
	is_deeply([ grep { $times{$_} > 1 } keys %times ], [], 'a page that moves: none twice');
	is_deeply([ grep { !$times{$_} } @{ $now->{elements} } ], [], 'a page that moves: all of them');
	is($sandbox->count, $now->{pages} + 2, 'a page that moves: its front is looked at again');
}

#
# What cannot be had.
#
foreach my $table (qw(people_data people_events people_conversations))
{
	$node->psql('postgres', "ANALYZE crisp.$table", stderr => \my $stderr);
	like($stderr, qr/WARNING:  skipping "$table" --- cannot analyze this foreign table/, "ANALYZE $table");
}
$sandbox->control(
	{
		answers => [
			{
				match => { path => "website/*/people/data/$person" },
				body  => '{"error":false,"reason":"resolved","data":[1]}'
			}
		]
	});
$node->psql('postgres', "SELECT * FROM crisp.people_data WHERE people_id = '$person'", stderr => \my $stderr);
like(
	$stderr,
	qr/ERROR:  unexpected answer from Crisp, server "support"\nDETAIL:  GET .*people\/data\/$person answered .*: Its "data" is not an object\./,
	'an answer that is no object');
$sandbox->control(
	{
		answers => [
			{
				match => { path => "website/*/people/conversations/$person/*" },
				body  => '{"error":false,"reason":"listed","data":["session_a", {"b": 1}, 7, null]}'
			}
		]
	});
is(sql("SELECT session_id FROM crisp.people_conversations WHERE people_id = '$person'"),
	"session_a\n7", 'elements that are no strings');
$sandbox->control({ answers => [] });

done_testing();
