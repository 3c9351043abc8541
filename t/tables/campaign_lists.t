# Recipients and statistics of campaigns: every row, every column, and what is asked.

use strict;
use warnings;

use CrispBelow;
use CrispCluster;
use CrispStatement;
use JSON::PP;
use POSIX qw(ceil);
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 30, people => 140, campaigns => 21);

run_statements($node, $sandbox);

my $website = $sandbox->website_id;
my @ids     = map { $_->{campaign_id} } $sandbox->rows('campaigns');
my $listing = ceil(@ids / 20);
my $nobody  = '00000000-0000-4000-8000-000000000000';

sub code_of
{
	my ($statement) = @_;

	$node->psql('postgres', $statement, extra_params => [ '-v', 'VERBOSITY=sqlstate' ], stderr => \my $stderr);
	return $stderr;
}

# Lists below a row that take several pages: their front is looked at again.
sub long_ones { my ($below, $size) = @_; return scalar grep { @{$_} > $size } values %{$below} }

#
# Recipients.
#
{
	my $table  = 'campaign_recipients';
	my $below  = below_of($sandbox, $table, campaign_id => \@ids);
	my $common = sub { return (campaign_id => $_[0]) };
	my $count  = "SELECT count(*) FROM crisp.$table";
	my ($long) = sort { @{ $below->{$b} } <=> @{ $below->{$a} } || $a cmp $b } @ids;
	my ($none) = sort grep { !@{ $below->{$_} } } @ids;

	cmp_ok(pages_below($below, $long), '>', 2, 'a campaign with pages of recipients');
	ok($none, 'one without');
	is(sql("$count WHERE campaign_id = '$long'"), scalar @{ $below->{$long} }, 'recipients of one: count');
	is(table_rows($table), element_rows($table, $below, undef, $common), 'recipients: every row, every column');
	$sandbox->clear;
	sql($count);
	is($sandbox->count, $listing + pages_below($below) + long_ones($below, 20), 'recipients: requests');
	foreach my $case (
		[ 'one',      1 + pages_below($below, $long), "campaign_id = '$long'",                   $long ],
		[ 'none',     1,                              "campaign_id = '$none'" ],
		[ 'some',     2 + pages_below($below, $long), "campaign_id IN ('$long', '$none')",       $long ],
		[ 'gone',     1,                              "campaign_id = '$nobody'" ],
		[ 'no id',    1,                              "campaign_id = 'none'" ],
		[ 'capitals', 1,                              "campaign_id = upper('$long')" ],
		[ 'NULL',     0,                              'campaign_id = NULL' ],
		[ 'a join',   $listing + 1 + pages_below($below, $long),
			"campaign_id IN (SELECT campaign_id FROM crisp.campaigns WHERE updated_at IS NOT NULL) "
				. "AND campaign_id = '$long'", $long ])
	{
		my ($name, $requests, $condition, @found) = @{$case};
		my $rows = 0;

		$rows += @{ $below->{$_} } foreach @found;
		my ($printed, @requests) = requests_of("$count WHERE $condition");
		is($printed, $rows, "recipients, $name: rows");
		cmp_ok(scalar @requests, '<=', $requests, "recipients, $name: requests");
	}
	is(sql("$count JOIN crisp.people_profiles p USING (people_id) WHERE campaign_id = '$long'"),
		scalar @{ $below->{$long} }, 'recipients and their profiles');

	# A list that grows at its front meanwhile.
	$sandbox->data([ { op => 'insert', resource => $table, campaign_id => $long, row => { people_id => $nobody },
		at_request => { path => "*/campaign/$long/recipients/3", when => 'before' } } ]);
	my %times;
	$times{$_}++ foreach split /\n/, sql("SELECT people_id FROM crisp.$table WHERE campaign_id = '$long'");
	is_deeply([ grep { $times{ $_->{people_id} } != 1 } @{ $below->{$long} } ], [], 'recipients, one comes: each once');
	$sandbox->reset;

	# A row that lacks its key, and two of them.
	$sandbox->data([ map { { op => 'insert', resource => $table, campaign_id => $none,
		row => { email => "$_\@example.com" } } } 1, 2 ]);
	is(sql("SELECT count(*), count(people_id) FROM crisp.$table WHERE campaign_id = '$none'"), '2|0',
		'recipients without people_id');

	# Of a list whose front is looked at again, they come once, and two that are the same twice.
	$sandbox->reset;
	$sandbox->control({ below_order => 'oldest' });
	$sandbox->data([ map { { op => 'insert', resource => $table, campaign_id => $long,
		row => { email => "$_\@example.com", people_id => undef } } } 1, 2, 2 ]);
	is(sql("SELECT count(*), count(people_id) FROM crisp.$table WHERE campaign_id = '$long'"),
		@{ $below->{$long} } + 3 . '|' . @{ $below->{$long} }, 'recipients without people_id, among pages of others');
	$sandbox->data([ { op => 'insert', resource => $table, campaign_id => $long, row => { email => 'x@example.com' },
		at_request => { path => "*/campaign/$long/recipients/3", when => 'before' } } ]);
	is(sql("SELECT count(*), count(people_id) FROM crisp.$table WHERE campaign_id = '$long'"),
		@{ $below->{$long} } + 4 . '|' . @{ $below->{$long} }, 'and one that comes meanwhile');
	$sandbox->reset;

	foreach my $setting (
		{ past_end => 'not_found', full_last_page => 206 },
		{ list_per_page => 3 },
		{ below_order => 'oldest' },
		{ default_order => 'insertion' },
		{ data => 'tidy' })
	{
		my $words = JSON::PP->new->canonical->encode($setting);

		$sandbox->control($setting);
		is(table_rows($table), element_rows($table, below_of($sandbox, $table, campaign_id => \@ids), undef, $common),
			"recipients, $words: every row");
		$sandbox->reset;
	}
}

#
# Statistics.
#
my @types = qw(opened clicked unsubscribed);
my $table = 'campaign_statistics';
my $count = "SELECT count(*) FROM crisp.$table";

# What there is, by campaign and type.
sub statistics
{
	return map { $_ => below_of($sandbox, $table, campaign_id => \@ids, type => $_) } @types;
}

sub expected
{
	my ($below, $types, $keys) = @_;

	return join "\n", sort map { split /\n/ } map {
		my $type = $_;
		element_rows($table, $below->{$type}, $keys, sub { return (campaign_id => $_[0], type => $type) })
	} @{$types};
}

{
	my %below = statistics();
	my ($long) = sort { @{ $below{opened}{$b} } <=> @{ $below{opened}{$a} } || $a cmp $b } @ids;
	my ($none) = sort grep { !@{ $below{opened}{$_} } && !@{ $below{clicked}{$_} } } @ids;
	my $all    = expected(\%below, \@types);
	my $lines  = () = $all =~ /^./mg;

	like($all, qr/^(.+)\n\1$/m, 'statistics: two that are the same in everything');
	ok((grep { !defined $_->{type} } map { @{$_} } values %{ $below{opened} }), 'statistics: some lack their type');
	ok((grep { ($_->{type} // '') =~ /:/ } map { @{$_} } values %{ $below{opened} }), 'statistics: some have another');
	ok($none, 'statistics: a campaign without');
	cmp_ok(sql("$count WHERE campaign_id = '$long' AND type = 'opened'"), '>', 50, 'statistics: pages of them');
	is(table_rows($table), $all, 'statistics: every row, every column');
	my ($printed, @requests) = requests_of($count);
	is($printed, $lines, 'statistics: count');
	my $pages = 0;
	foreach my $type (@types)
	{
		$pages += pages_of_list($_, 50) foreach values %{ $below{$type} };
	}
	is(scalar @requests, $listing + $pages, 'statistics: requests, in full pages');
	is_deeply([ grep { $_->{path} =~ /statistics/ && $_->{query} ne 'per_page=50' } @requests ], [],
		'statistics: per_page');

	foreach my $case (
		[ 'of a campaign',            "campaign_id = '$long'",                                 $long, @types ],
		[ 'of a type',                "campaign_id = '$long' AND type = 'clicked'",            $long, 'clicked' ],
		[ 'of types', "campaign_id = '$long' AND type IN ('clicked', 'opened')", $long, 'clicked', 'opened' ],
		[ 'of a type, in two ways',   "campaign_id = '$long' AND type = 'clicked' AND type = 'opened'" ],
		[ 'of other types',           "campaign_id = '$long' AND type <> 'opened'",            $long, 'clicked',
			'unsubscribed' ],
		[ 'of a type nobody knows',   "campaign_id = '$long' AND type = 'applauded'" ],
		[ 'of such a type, too',      "campaign_id = '$long' AND type IN ('applauded', 'opened')", $long, 'opened' ],
		[ 'of no type',               "campaign_id = '$long' AND type = NULL" ],
		[ 'of a type that is none',   "campaign_id = '$long' AND type = ''" ],
		[ 'of a type like a path',    "campaign_id = '$long' AND type = '../1'" ],
		[ 'of another type\'s word',  "campaign_id = '$long' AND type = 'campaign:action'" ],
		[ 'of a campaign that is gone', "campaign_id = '$nobody'" ],
		[ 'of what is no campaign',   "campaign_id = 'none' AND type = 'opened'" ],
		[ 'of a type, of all',        "type = 'unsubscribed'",                                 undef, 'unsubscribed' ])
	{
		my ($name, $condition, $key, @of) = @{$case};
		my $wanted = @of ? expected(\%below, \@of, $key ? [$key] : undef) : '';

		is(table_rows($table, $condition), $wanted, "statistics, $name: rows");
	}
	foreach my $case (
		[ 'of a type', pages_of_list($below{clicked}{$long}, 50), "campaign_id = '$long' AND type = 'clicked'" ],
		[ 'of a type, joined', pages_of_list($below{clicked}{$long}, 50),
			"campaign_id = '$long' AND type IN (VALUES ('clicked'))" ],
		[ 'of two types, and none', 3, "campaign_id = '$none' AND type IN ('clicked', 'opened', 'applauded')" ],
		[ 'of a type, of all', $listing + @ids, "type = 'unsubscribed'" ])
	{
		my ($name, $number, $condition) = @{$case};

		costs($number, "$count WHERE $condition", "statistics, $name");
	}
	foreach my $mode ('force_custom_plan', 'force_generic_plan')
	{
		is(sql("SET plan_cache_mode = $mode; PREPARE p(text, text) AS $count WHERE campaign_id = \$1 AND type = \$2; "
				. "EXECUTE p ('$long', 'opened'); EXECUTE p ('$long', 'clicked'); EXECUTE p ('$long', NULL)"),
			@{ $below{opened}{$long} } . "\n" . @{ $below{clicked}{$long} } . "\n0",
			"statistics, \$1, \$2, $mode: rows");
	}
	is(sql("SELECT w, count(s.created_at) FROM (VALUES ('opened'), ('clicked'), ('applauded')) v (w) "
			. "LEFT JOIN crisp.$table s ON s.type = w AND s.campaign_id = '$long' GROUP BY w ORDER BY w"),
		"applauded|0\nclicked|" . @{ $below{clicked}{$long} } . "\nopened|" . @{ $below{opened}{$long} },
		'statistics, joined by type: rows');

	sql(q(ALTER SERVER support OPTIONS (SET prefetch '8')));
	is(table_rows($table), $all, 'statistics, prefetch 8: every row');
	is(table_rows($table, "type IN ('clicked', 'opened')"), expected(\%below, [ 'clicked', 'opened' ]),
		'statistics, prefetch 8: of types');
	sql(q(ALTER SERVER support OPTIONS (SET prefetch '1')));

	# What campaigns count, by their own details.
	is(sql("SELECT DISTINCT type FROM crisp.$table ORDER BY 1"), "clicked\nopened\nunsubscribed", 'statistics: types');

	# EXPLAIN, ANALYZE.
	my $plan = sql("EXPLAIN (COSTS OFF) SELECT * FROM crisp.$table WHERE campaign_id = '$long'");
	like($plan, qr{GET website/$website/campaign/$long/statistics/opened/1\?per_page=50, GET .*/clicked/1.*/unsubscribed/1},
		'statistics: EXPLAIN');
	like(sql("EXPLAIN (COSTS OFF) SELECT * FROM crisp.$table WHERE type = 'opened'"),
		qr{Crisp Request For Each Row: GET website/$website/campaign/\{campaign_id\}/statistics/opened/1}, 'and of one type');
	$node->psql('postgres', "ANALYZE crisp.$table", stderr => \my $stderr);
	like($stderr, qr/WARNING:  skipping "$table" --- cannot analyze this foreign table/, 'statistics: ANALYZE');

	# A word that the catalog has, and Crisp not: all rows would be missing, so it's an error.
	$sandbox->answer_with('*/statistics/clicked/*' =>
		{ status => 400, body => '{"error":true,"reason":"invalid_data","data":{}}' });
	like(code_of("$count WHERE campaign_id = '$long'"), qr/HV000/, 'statistics: a type of ours that is refused');
	like(code_of($count), qr/HV000/, 'statistics: and of all campaigns');
	is(sql("$count WHERE campaign_id = '$long' AND type IN ('opened', 'unsubscribed')"),
		@{ $below{opened}{$long} } + @{ $below{unsubscribed}{$long} }, 'statistics: the other types can be named');
	is(sql("$count WHERE campaign_id = '$long' AND type = 'clicked'"), 0, 'statistics: a named one has no rows');
	$sandbox->reset;
}

foreach my $setting (
	{ past_end => 'not_found', full_last_page => 206 },
	{ list_per_page => 3, honour_statistics_size => JSON::PP::false },
	{ list_per_page => 50 },
	{ honour_statistics_size => JSON::PP::false },
	{ unknown_statistics => 'not_found' },
	{ unknown_statistics => 'empty' },
	{ below_order => 'oldest' },
	{ default_order => 'created' },
	{ data => 'tidy' })
{
	my $words = JSON::PP->new->canonical->encode($setting);

	$sandbox->control($setting);
	my %below = statistics();
	my ($long) = sort { @{ $below{opened}{$b} } <=> @{ $below{opened}{$a} } || $a cmp $b } @ids;
	is(table_rows($table), expected(\%below, \@types), "statistics, $words: every row");
	is(table_rows($table, "campaign_id = '$long' AND type IN ('opened', 'applauded')"),
		expected(\%below, ['opened'], [$long]), "statistics, $words: a word nobody knows has no rows");
	$sandbox->reset;
}

done_testing();
