# Statements drawn at random write people, their data and conversations at Crisp, and a local copy alike, while
# requests fail and are tried again: in the end, both hold the same.  WRITE_SEED draws again what a run has drawn;
# WRITE_STATEMENTS tells how many.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{WRITE_SEED} // int(rand(2**31));
my $statements = $ENV{WRITE_STATEMENTS} // 80;
note "WRITE_SEED=$seed";
srand($seed);

my $sandbox =
  CrispSandbox->start(
	conversations => 30, people => 30, visitors => 2, operators => 4, seed => $seed % 1000);
my $node = start_node();

connect_crisp($node, $sandbox,
	options => "per_page '50', max_retries '4', retry_delay '1ms', request_timeout '60s', updatable 'true', "
	  . "include_empty 'true'");

my $session = CrispSession->start($node);
my @inboxes = map { $_->{inbox_id} } $sandbox->rows('inboxes');

# What is compared, of Crisp's tables and of their copies.
my %columns = (
	people_profiles => 'people_id, email, person_nickname, person_phone, person_timezone, company_name, '
	  . 'company_metrics_arr, segments, person_locales, notepad',
	people_data => 'people_id, data',
	conversations => 'session_id, state, meta_nickname, meta_email, meta_segments, meta_data, inbox_id, '
	  . 'is_blocked, is_verified, participants');
my %key = (people_profiles => 'people_id', people_data => 'people_id', conversations => 'session_id');

foreach my $table (sort keys %columns)
{
	$session->query("CREATE TABLE $table AS SELECT $columns{$table} FROM crisp.$table");
}
$session->query(q(UPDATE people_data SET data = '{}' WHERE data IS NULL));

sub pick { return $_[ int rand @_ ] }

sub text { return pick("''", "'x'", "'Zo' || U&'\\00E9'", q('"quoted" \ {}'), "'" . int(rand(100)) . "'", 'NULL') }

# A value for a column.
sub value
{
	my ($column) = @_;

	return pick('NULL', '60', '-330', '0') if $column eq 'person_timezone';
	return pick('NULL', '12.50', '1e3', '0') if $column eq 'company_metrics_arr';
	return pick("'{}'", "'{a}'", q('{"b c",d}'), "coalesce($column, '{}') || '{x}'") if $column =~ /segments|locales/;
	return "'p" . int(rand(10**9)) . "\@example.com'" if $column eq 'email';
	return pick("'pending'", "'unresolved'", "'resolved'") if $column eq 'state';
	return pick('NULL', map { "'$_'" } @inboxes) if $column eq 'inbox_id';
	return pick('true', 'false') if $column =~ /^is_/;
	return pick(q('[]'), q('[{"type": "email", "target": "x@y.z"}]')) if $column eq 'participants';
	return data_value($column) if $column =~ /data$/;
	return text();
}

# A change of custom data.
sub data_value
{
	my ($column) = @_;
	my $key = pick('plan', 'seats', 'a.b', "gr\xc3\xbcn");
	my $value = pick('1', '"x"', 'true', '2.50', '"1"');

	return pick(
		"coalesce($column, '{}') || '{\"$key\": $value}'",
		"coalesce($column, '{}') || '{\"$key\": $value, \"z\": 0}'",
		"coalesce($column, '{}') - '$key'",
		"'{\"$key\": $value}'", "coalesce($column, '{}')", "'{}'");
}

# A statement, with TABLE in the place of the table; and whether it may be made more than once.
sub draw
{
	my $table = pick(sort keys %columns);
	my @fields = grep { $_ ne $key{$table} } split /, /, $columns{$table};
	my $salt = int(rand(10**6));
	my $chosen = $session->query(
		"SELECT quote_literal($key{$table}) FROM $table ORDER BY md5($key{$table} || '$salt') LIMIT 1");
	my $several = int(rand 3) == 0 && $table ne 'people_profiles';

	if ($table ne 'people_data' && int(rand 8) == 0)
	{
		return ($table, "DELETE FROM TABLE WHERE $key{$table} = $chosen");
	}
	my %set = map { $_ => value($_) } map { pick(@fields) } 0 .. int(rand 3);
	my $set = join ', ', map { "$_ = $set{$_}" } sort keys %set;
	return ($table, "UPDATE TABLE SET $set WHERE " . ($several ? "$key{$table} < $chosen" : "$key{$table} = "
		. "$chosen"));
}

my @faults = (
	{ status => 500 },
	{ status => 503, act => JSON::PP::false },
	{ status => 429, act => JSON::PP::false },
	{ reset => JSON::PP::true },
	{ cut_after => 5 });

# Make a row at Crisp, and the same in the copies.
sub make_row
{
	my ($table) = @_;
	my ($number) = int(rand(10**9));
	my ($given, $values) =
	  $table eq 'conversations'
	  ? ('state, meta_nickname, meta_data', "'pending', 'n$number', '{\"n\": $number}'")
	  : ('email, person_nickname, segments', "'n$number\@example.com', 'n$number', '{new}'");

	$session->query("INSERT INTO $table SELECT $columns{$table} FROM crisp.$table WHERE $key{$table} = '"
		  . $session->query("INSERT INTO crisp.$table ($given) VALUES ($values) RETURNING $key{$table}") . "'");
	is($session->query("SELECT count(*) FROM $table WHERE " . ($table eq 'conversations'
			? "meta_nickname = 'n$number' AND meta_data = '{\"n\": $number}'" : "email = 'n$number\@example.com'")),
		1, "a new row of $table");
	$session->query(q(INSERT INTO people_data SELECT people_id, '{}' FROM people_profiles WHERE email = )
		  . "'n$number\@example.com'") if $table eq 'people_profiles';
	return;
}

foreach my $number (1 .. $statements)
{
	my ($table, $sql) = draw();

	if ($sql =~ /^DELETE/)
	{
		$sandbox->control({
			answers => [ { match => { method => 'POST' }, times => 1 + int(rand 2), status => 429,
				act => JSON::PP::false } ] })
		  if int(rand 2);
		make_row($table) foreach 1 .. int(rand 3);
	}

	# A change that is made and yet fails is made again: of a row that is removed, that says that it's gone.
	$sandbox->control({
		write_success => pick('usual', 'accepted', 'partial'),
		failure_data => pick('message', 'empty'),
		answers => [
			map { { match => { method => pick('PATCH', 'PUT', 'DELETE', 'GET'), nth => 1 + int(rand 3) }, times => 1,
					%{ pick(@faults) } } } 1 .. int(rand 3)
		]
	});
	my $there = $session->run($sql =~ s/TABLE/crisp.$table/r);
	my $here = $session->run($sql =~ s/TABLE/$table/r);
	is_deeply([ map { "$_->{sqlstate} $_->{message} " . ($_->{detail} // '') } @{ $there->{errors} } ], [],
		"$number: $sql")
	  or last;
	$session->query("DELETE FROM people_data WHERE people_id NOT IN (SELECT people_id FROM people_profiles)");
}

$sandbox->control({ answers => [] });
foreach my $table (sort keys %columns)
{
	cmp_ok($session->query("SELECT count(*) FROM $table"), '>', 5, "$table: rows are left");

	# No data is the same as data without keys.
	my @rows = map {
		my $all = $session->query(
			"SELECT row_to_json(t) FROM (SELECT $columns{$table} FROM $_) t ORDER BY t.$key{$table}");

		[ split /\n/, $all =~ s/data":null/data":{}/gr ]
	} ("crisp.$table", $table);

	is_deeply($rows[0], $rows[1], "$table: Crisp has the same");
}

$session->quit;
done_testing;
