# crisp_sync(): whatever calls were made, of whatever range, however they ended, and whatever
# happened at Crisp meanwhile, the copy has
# what Crisp has once its status says so.  Sequences are drawn at random, from a seed that is printed.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use JSON::PP;
use Test::More;

my $SEQUENCES = $ENV{SYNC_SEQUENCES} || 12;
my $MOST_CALLS = 60;    # that it takes to the end

my $seed = $ENV{SYNC_SEED} || int rand 1_000_000;
diag("seed: SYNC_SEED=$seed");

my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my ($node, $sandbox) = start_crisp(conversations => 330, people => 260, visitors => 1, operators => 1, campaigns => 1,
	websites => 1);
my $session = CrispSession->start($node);
my %path = (conversations => 'conversations', people => 'people/profiles');

$session->query(<<'END');
ALTER SERVER support OPTIONS (ADD max_retries '0');
CREATE SCHEMA ms;
IMPORT FOREIGN SCHEMA crisp LIMIT TO (conversations, people_profiles) FROM SERVER support INTO ms
	OPTIONS (timestamp_type 'bigint');
CREATE DOMAIN moment AS timestamptz(3);
CREATE FOREIGN TABLE crisp.domains (session_id text, updated_at moment, created_at timestamp(3), topic text, state text)
	SERVER support OPTIONS (resource 'conversations');
END

sub one_of { return $_[ int rand @_ ] }

# A time of Crisp's as timestamptz.
sub time_of
{
	my ($source, $column) = @_;

	return $source =~ /^ms/ ? "to_timestamp($column / 1000.0)" : $source =~ /domains/ && $column eq 'created_at'
		? "${column} AT TIME ZONE 'UTC'" : "${column}::timestamptz";
}

# Changes to random rows.
sub changes
{
	my ($resource, %when) = @_;
	my @operations = ([ 'touch_random', 1 + int rand 6 ], [ 'touch_random', 1 + int rand 60 ],
		[ 'insert_random', 1 + int rand 5 ], [ 'delete_random', 1 + int rand 3 ]);

	return map { { op => $_->[0], resource => $resource, count => $_->[1], seed => int rand 1_000_000, %when } }
		map { one_of(@operations) } 1 .. 1 + int rand 3;
}

# Settings of the sandbox, which a session learns of.
sub draw_settings
{
	my %settings;

	$settings{date_bounds} = 'exclusive' if rand() < 0.3;
	$settings{full_last_page} = 206 if rand() < 0.3;
	@settings{qw(honour_order honour_sort default_order)} = ($false, $false, one_of('none', 'created')) if rand() < 0.3;
	$sandbox->control(\%settings) if %settings;
	return join ', ', map { "$_ $settings{$_}" } sort keys %settings;
}

# The arguments of a call, and what is selected after it: SQL over the column f.
sub draw_call
{
	my ($source, $field, $selected) = @_;
	my $arguments = sprintf "overlap => '%s', max_requests => %s", one_of('0', '20 ms', '1 minute'),
		one_of(1, 2, 3, 4, 5, 6, 8, 12, 20, 'NULL');
	my $kind = rand();

	return ("$arguments, mode => 'full'", 'true') if $kind < 0.15;
	if ($kind < 0.6)
	{
		my $condition = one_of('newer', 'older');
		my $expression = time_of($source, $field);
		my $reference = $session->query("SELECT quote_literal($expression) FROM $source ORDER BY random() LIMIT 1");
		my $part = $condition eq 'newer' ? "f > $reference" : "f < $reference";

		return ("$arguments, condition => '$condition', reference => $reference",
			defined $selected ? "($selected OR $part)" : $part);
	}
	return ($arguments, selected_by_plain_call($selected));
}

# A call without a reference goes on with what reaches up to now, where nothing else is selected, and wants all else.
sub selected_by_plain_call
{
	my ($selected) = @_;

	return defined $selected && $selected =~ />/ && $selected !~ /</ ? $selected : 'true';
}

# Run a call, which something may end.
sub call
{
	my ($resource, $statement) = @_;
	my @faults = (
		{ status => 403 }, { status => 429, headers => { 'Retry-After' => '3600' } }, { status => 500 },
			{ reset => $true }, { cut_after => 500 });
	my $fails = rand() < 0.3;

	$sandbox->data([ changes($resource,
		at_request => { path => "website/*/$path{$resource}/*", nth => 1 + int rand 8,
			when => one_of('before', 'after') }) ]) if rand() < 0.4;
	$sandbox->control({ answers => [ { match => { path => "website/*/$path{$resource}/*", nth => 1 + int rand 6 },
		times => 20, %{ one_of(@faults) } } ] }) if $fails;
	my $result = $session->run("CALL crisp_sync($statement)");
	$sandbox->control({ answers => [] });
	my @errors = grep { !/Crisp|connection|server/i } map { $_->{message} } @{ $result->{errors} };
	note join ' / ', "CALL crisp_sync($statement)", map({ $_->{message} } @{ $result->{notices} }),
		map({ $_->{message} } @{ $result->{errors} });
	return @errors;
}

sub let_overlap_pass
{
	$session->query("UPDATE crisp_sync_internal.crisp_sync_job SET watermark_at = watermark_at - interval '3 minutes'");
	return;
}

# Calls until the copy is up to date; how many. With few requests a call it gets there, too, or says
# that it doesn't, and then has more.
sub finish
{
	my ($source, $target, $field, @more) = @_;
	my $most = one_of(6, 12, 45, 45);
	my $calls = 0;

	for (;;)
	{
		let_overlap_pass();
		note "$most requests: ", sync(join ', ', "'$source', '$target', sync_field => '$field', max_requests => $most",
			@more)->{notices} =~ s/\n/ | /gr;
		my $state = status('state', $target);
		return $calls if $state eq 'up to date' || ++$calls > $MOST_CALLS;
		$most = 45 if $state eq 'stalled';
	}
}

foreach my $number (0 .. $SEQUENCES - 1)
{
	my $of_sequence = $seed + $number;

	srand $of_sequence;
	my ($source, $resource, $key) = @{
		one_of(
			[ 'crisp.conversations', 'conversations', 'session_id' ],
				[ 'crisp.people_profiles', 'people', 'people_id' ],
			[ 'crisp.conversations', 'conversations', 'session_id' ],
			[ 'crisp.people_profiles', 'people', 'people_id' ],
			[ 'ms.conversations', 'conversations', 'session_id' ], [ 'ms.people_profiles', 'people', 'people_id' ],
			[ 'crisp.domains', 'conversations', 'session_id' ]) };
	my $field = one_of('updated_at', 'updated_at', 'updated_at', 'created_at');
	my $target = "copy$number";
	my ($selected, @errors);

	$sandbox->reset;
	$session->quit;
	# So that a row which is deleted doesn't take the newest time with it: Crisp's clock would not go back.
	$sandbox->data([ { op => 'touch_random', resource => $resource, count => 40, seed => 1 } ]);
	my $settings = draw_settings();
	$session = CrispSession->start($node);
	sync_with($session, $sandbox);
	note "sequence $of_sequence: $source by $field; $settings";

	for (1 .. 2 + int rand 6)
	{
		my ($arguments, $after) = draw_call($source, $field, $selected);

		$selected = $after;
		push @errors, call($resource, "'$source', '$target', sync_field => '$field', $arguments");
		let_overlap_pass() if rand() < 0.3;
		$sandbox->data([ changes($resource) ]) if rand() < 0.5;
	}
	is("@errors", '', "sequence $of_sequence: nothing fails by itself");

	# What was to happen at later requests happens now.
	$sandbox->clear;
	$session->query("SELECT count($key || '') FROM $source") while $sandbox->count < 30;

	# Another thing changes each time, so that the end is one at which all is there.
	my $calls = finish($source, $target, $field);
	$selected = selected_by_plain_call($selected);
	cmp_ok($calls, '<=', $MOST_CALLS, "sequence $of_sequence: it comes to an end");

	my $columns = $session->query(<<"END");
SELECT string_agg(quote_ident(s.attname), ', ' ORDER BY s.attnum)
FROM pg_attribute s JOIN pg_attribute t ON t.attname = s.attname
WHERE s.attrelid = '$source'::regclass AND s.attnum > 0 AND t.attrelid = '$target'::regclass
END
	my $when = time_of($source, $field);
	# By created_at, rows that change later are not read again.
	my $compared = $field eq 'updated_at' ? $columns : $key;
	my $known = $session->query(<<"END");
CREATE TEMP TABLE at_crisp AS SELECT $columns FROM $source;
SELECT (SELECT count(*) FROM (SELECT $compared FROM (SELECT *, $when AS f FROM at_crisp) c WHERE $selected EXCEPT
	SELECT $compared FROM $target) missing)
	|| ' missing, ' || (SELECT count(*) FROM (SELECT *, $when AS f FROM $target) t WHERE NOT ($selected) AND
	EXISTS (SELECT FROM at_crisp c WHERE c.$key = t.$key))
	|| ' not selected'
END
	is($known, '0 missing, 0 not selected', "sequence $of_sequence: the copy has what Crisp has")
		or diag("SYNC_SEED=$of_sequence SYNC_SEQUENCES=1");
	$session->query('DROP TABLE at_crisp');

	# And no more, after a full load.
	$calls = finish($source, $target, $field, "mode => 'full'");
	cmp_ok($calls, '<=', $MOST_CALLS, "sequence $of_sequence: a full load comes to an end");
	is_copy($source, $target, "sequence $of_sequence: after a full load")
		or diag("SYNC_SEED=$of_sequence SYNC_SEQUENCES=1");
	$session->query("DROP TABLE $target");
}

done_testing();
