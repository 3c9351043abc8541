# Campaigns that people received, and whether they want any: every row, every column, and what is asked.

use strict;
use warnings;

use CrispBelow;
use CrispCluster;
use CrispStatement;
use HTTP::Tiny;
use JSON::PP;
use MIME::Base64 ();
use POSIX qw(ceil);
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 30, people => 70, campaigns => 30);

run_statements($node, $sandbox);

my $website = $sandbox->website_id;
my @people  = $sandbox->rows('people');
my @ids     = map { $_->{people_id} } @people;
my %email   = map { $_->{people_id} => $_->{email} } @people;
my $listing = ceil(@ids / 50);
my $http    = HTTP::Tiny->new(
	default_headers => {
		'X-Crisp-Tier'  => 'website',
		'Authorization' => 'Basic '
		  . MIME::Base64::encode_base64(join(':', @{ $sandbox->credentials }{qw(identifier key)}), '')
	});

# Somebody with an address that nobody else has, and another.
my ($person) = grep { ($email{$_} // '') =~ /^[a-z0-9.]+@/ } @ids;
my ($other)  = grep { $_ ne $person } @ids;
my $nobody   = '00000000-0000-4000-8000-000000000000';

#
# Campaigns.
#
{
	my $below = below_of($sandbox, 'people_campaigns', people_id => \@ids);
	my ($long) = sort { @{ $below->{$b} } <=> @{ $below->{$a} } || $a cmp $b } @ids;
	my ($none) = sort grep { !@{ $below->{$_} } } @ids;
	my $common = sub { return (people_id => $_[0], email => $email{ $_[0] }) };
	my $count  = 'SELECT count(*) FROM crisp.people_campaigns';

	cmp_ok(pages_below($below, $long), '>', 1, 'somebody has pages of campaigns');
	ok($none, 'somebody has none');
	is(sql("$count WHERE people_id = '$long'"), scalar @{ $below->{$long} }, 'campaigns of one: count');
	is(table_rows('people_campaigns'), element_rows('people_campaigns', $below, undef, $common),
		'campaigns: every row, every column');
	$sandbox->clear;
	sql($count);
	is($sandbox->count, $listing + pages_below($below) + grep({ pages_below($below, $_) > 1 } @ids),
		'campaigns: requests, one for the front of each list that takes several');

	# Without the address the profile need not be asked for.
	my ($printed, @requests) = requests_of("SELECT campaign_id FROM crisp.people_campaigns WHERE people_id = '$long'");
	is_deeply([ split /\n/, $printed ], [ map { $_->{campaign_id} } @{ $below->{$long} } ],
		'campaigns of one, in order');
	is_deeply(
		[ map { $_->{path} } @requests ],
		[ map { "/v1/website/$website/people/campaigns/$long/list/$_" } 1, 2, 1 ],
		'campaigns of one: requests');
	foreach my $case (
		[ 'some',          4,           "people_id IN ('$long', '$none')",              $long, $none ],
		[ 'an array',      4,           "people_id = ANY ('{$none,$long}'::text[])",    $long, $none ],
		[ 'an e-mail',     2,           "email = '$email{$person}'",                    $person ],
		[ 'e-mails',       3,           "email IN ('$email{$person}', 'a\@b.c')",       $person ],
		[ 'both',          2,           "email = '$email{$person}' AND people_id = '$person'", $person ],
		[ 'both, another', 2,           "email = '$email{$person}' AND people_id = '$other'" ],
		[ 'nobody',        1,           "people_id = '$nobody'" ],
		[ 'an e-mail for an id', 1,     "people_id = '$email{$person}'" ],
		[ 'capitals',      1,           "people_id = upper('$person')" ],
		[ 'NULL',          0,           'people_id = NULL' ],
		[ 'a join',        2,
			"people_id = (SELECT people_id FROM crisp.people_profiles WHERE email = '$email{$person}')", $person ])
	{
		my ($name, $requests, $condition, @found) = @{$case};
		my $rows = 0;

		$rows += @{ $below->{$_} } foreach @found;
		is(costs($requests, "$count WHERE $condition", "campaigns, $name"), $rows, "campaigns, $name: rows");
	}
	is(costs(2, "SELECT count(*) FROM (VALUES ('$email{$person}')) v (e) JOIN crisp.people_campaigns ON email = e",
			'campaigns, joined by e-mail'),
		scalar @{ $below->{$person} }, 'campaigns, joined by e-mail: rows');
	is(sql("$count c JOIN crisp.campaigns USING (campaign_id, name) WHERE people_id = '$long'"),
		scalar @{ $below->{$long} }, 'campaigns, joined with what they are');
	is(sql("$count p JOIN crisp.campaign_recipients r USING (campaign_id, people_id)"), sql($count),
		'who received a campaign is among its recipients');

	# A list that grows at its front while it's read.
	foreach my $path ("*/people/campaigns/$long/list/2", "*/people/campaigns/$long/list/1")
	{
		my $old = $below->{$long};

		$sandbox->data([ { op => 'insert', resource => 'people_campaigns', people_id => $long,
			row => { campaign_id => $nobody, occurred_at => 1_800_000_000_000 },
			at_request => { path => $path, when => $path =~ /2$/ ? 'before' : 'after' } } ]);
		my %times;
		$times{$_}++
		  foreach split /\n/, sql("SELECT campaign_id FROM crisp.people_campaigns WHERE people_id = '$long'");
		is_deeply([ map { $times{ $_->{campaign_id} } } @{$old} ], [ (1) x @{$old} ], "growing at $path: each once");
		is($times{$nobody}, 1, "growing at $path: the new one");
		$sandbox->reset;
	}

	foreach my $setting (
		{ past_end => 'not_found', full_last_page => 206 },
		{ list_per_page => 3 },
		{ below_order => 'oldest' },
		{ honour_sort => JSON::PP::false, default_order => 'created' },
		{ data => 'tidy' })
	{
		my $words = JSON::PP->new->canonical->encode($setting);

		$sandbox->control($setting);
		%email = map { $_->{people_id} => $_->{email} } $sandbox->rows('people');
		is(table_rows('people_campaigns'),
			element_rows(
				'people_campaigns', below_of($sandbox, 'people_campaigns', people_id => \@ids), undef, $common),
			"campaigns, $words: every row");
		$sandbox->reset;
	}
	%email = map { $_->{people_id} => $_->{email} } @people;
	like(sql("EXPLAIN (COSTS OFF) SELECT * FROM crisp.people_campaigns WHERE email = 'a\@b.c'"),
		qr{Crisp Request: GET website/$website/people/profile/a\@b\.c\n.*Crisp Request For Each Row: GET website/$website/people/campaigns/\{people_id\}/list/1},
		'campaigns: EXPLAIN');
}

#
# Subscriptions.
#
{
	my %subscription;

	foreach my $id (@ids)
	{
		my $response = $http->get($sandbox->url . "/website/$website/people/subscription/$id");
		$subscription{$id} = [ decode_json($response->{content})->{data} ];
	}
	my $common = sub { return (people_id => $_[0], profile_email => $email{ $_[0] }) };
	my ($yes)  = grep { $subscription{$_}->[0]->{email} } @ids;
	my ($no)   = grep { defined $subscription{$_}->[0]->{email} && !$subscription{$_}->[0]->{email} } @ids;
	my ($unknown) = grep { !defined $subscription{$_}->[0]->{email} } @ids;

	is(table_rows('people_subscriptions'), element_rows('people_subscriptions', \%subscription, undef, $common),
		'subscriptions: every row, every column');
	is(costs($listing + @ids, 'SELECT count(*) FROM crisp.people_subscriptions', 'subscriptions'), scalar @ids,
		'subscriptions: rows');
	my ($printed, @requests) = requests_of("SELECT email FROM crisp.people_subscriptions WHERE people_id = '$yes'");
	is($printed, 't', 'a subscription by id');
	is_deeply([ map { $_->{path} } @requests ], ["/v1/website/$website/people/subscription/$yes"],
		'a subscription by id: request');
	foreach my $case (
		[ 'no',        1, "email FROM crisp.people_subscriptions WHERE people_id = '$no'",      'f' ],
		[ 'unknown',   1, "email IS NULL FROM crisp.people_subscriptions WHERE people_id = '$unknown'", 't' ],
		[ 'an e-mail', 2, "people_id FROM crisp.people_subscriptions WHERE profile_email = '$email{$person}'",
			$person ],
		[ 'its e-mail', 2, "profile_email FROM crisp.people_subscriptions WHERE people_id = '$person'",
			$email{$person} ],
		[ 'an e-mail that nobody has', 1,
			"count(*) FROM crisp.people_subscriptions WHERE profile_email = 'nobody\@example.com'", 0 ],
		[ 'what is no e-mail', $listing, "count(*) FROM crisp.people_subscriptions WHERE profile_email = 'nobody'", 0 ],
		[ 'gone',      1, "count(*) FROM crisp.people_subscriptions WHERE people_id = '$nobody'", 0 ],
		[ 'some',      2, "count(*) FROM crisp.people_subscriptions WHERE people_id IN ('$yes', '$no')", 2 ],
		[ 'a join',    2, "s.people_id FROM crisp.people_profiles p "
			. "JOIN crisp.people_subscriptions s USING (people_id) WHERE p.email = '$email{$person}'", $person ],
		[ 'those who want none', $listing + @ids, 'count(*) FROM crisp.people_subscriptions WHERE NOT email',
			scalar grep { defined $subscription{$_}->[0]->{email} && !$subscription{$_}->[0]->{email} } @ids ])
	{
		my ($name, $number, $select, $expected) = @{$case};

		is(costs($number, "SELECT $select", "subscriptions, $name"), $expected, "subscriptions, $name: rows");
	}
	$sandbox->answer_with("website/*/people/subscription/$yes" =>
		{ status => 404, body => '{"error":true,"reason":"not_subscribed","data":{}}' });
	is(sql("SELECT count(*) FROM crisp.people_subscriptions WHERE people_id = '$yes'"), 0, 'subscriptions, 404: none');
	$sandbox->reset;
}
foreach my $table (qw(people_campaigns people_subscriptions))
{
	$node->psql('postgres', "ANALYZE crisp.$table", stderr => \my $stderr);
	like($stderr, qr/WARNING:  skipping "$table" --- cannot analyze this foreign table/, "ANALYZE $table");
}

done_testing();
