# The pages of docs/ say what the extension has: tables and columns, options,
# settings, functions, and errors; no more and no less.

use strict;
use warnings;

use CrispCluster;
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $tree = "$FindBin::RealBin/../..";
my $node = start_node();

sub read_file
{
	my ($name) = @_;

	open(my $file, '<', "$tree/$name") or die "$name: $!\n";
	local $/ = undef;
	my $text = <$file>;
	close $file;
	return $text;
}

# The text of a page below a heading, down to the next one of the same level or a higher one.
sub section
{
	my ($page, $heading) = @_;
	my ($level) = $heading =~ /^(#+)/;
	my ($text)  = $page =~ /^\Q$heading\E\n(.*?)(?=^#{1,${\length $level}} |\z)/ms;

	die "there is no heading $heading\n" unless defined $text;
	return $text;
}

# The names in the first column of the tables of a text: those in backticks.
sub names_in
{
	my ($text) = @_;

	return sort map { /`([a-z_.]+)`/g } map { /^\| *([^|]*)\|/ ? $1 : () } split /\n/, $text;
}

my $reference = read_file('docs/reference.md');

#
# Tables and columns.
#
my ($written) = $reference =~ /^<!-- catalog: begin[^\n]*\n(.*?)\n<!-- catalog: end/ms;
my $catalog = $node->safe_psql('postgres', read_file('tools/reference.sql'));
my @written = grep { length } split /\n/, $written =~ s/(?<=[^|\n])\n(?=[^|\n])/ /gr;    # paragraphs are filled
my @catalog = grep { length } split /\n/, $catalog;
my %written = map { $_ => 1 } @written;
my %catalog = map { $_ => 1 } @catalog;

cmp_ok(scalar(@catalog), '>', 200, 'there is a catalog');
is(join("\n", grep { !$written{$_} } @catalog),
	'', 'docs/reference.md has all of the catalog (tools/reference.sh writes it)');
is(join("\n", grep { !$catalog{$_} } @written),
	'', 'docs/reference.md has nothing of tables that the catalog lacks');
is("@written", "@catalog", 'docs/reference.md has it in its order');

my @tables = $node->safe_psql('postgres', 'SELECT resource FROM crisp_fdw_resources()') =~ /^(\S+)$/mg;
my $readme = section(read_file('README.md'), '## What exists');
is_deeply([ names_in($readme) ], [ sort @tables ], 'README.md has all tables');

#
# Options.  What there are is known from the hint for one that there isn't.
#
sub valid_options
{
	my ($statement) = @_;
	my ($status, $printed, $message) = $node->psql('postgres', $statement);
	my ($valid) = $message =~ /Valid options in this context are: (.*)/;

	return sort split /, /, $valid // $message;
}

$node->safe_psql('postgres', 'CREATE SERVER s FOREIGN DATA WRAPPER crisp_fdw');
foreach my $case (
	[ '### Of a server', "CREATE SERVER t FOREIGN DATA WRAPPER crisp_fdw OPTIONS (x '')" ],
	[ '### Of a user mapping', "CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (x '')" ],
	[ '### Of a foreign table', "CREATE FOREIGN TABLE t () SERVER s OPTIONS (x '')" ],
	[ '### Of a column', "CREATE FOREIGN TABLE t (c int OPTIONS (x '')) SERVER s" ],
	[
		'### Of IMPORT FOREIGN SCHEMA',
		"IMPORT FOREIGN SCHEMA crisp FROM SERVER s INTO public OPTIONS (x '')"
	])
{
	my ($heading, $statement) = @{$case};

	is_deeply([ names_in(section($reference, $heading)) ],
		[ valid_options($statement) ], "options: $heading");
}

#
# What can be written: known from the hints of errors for columns that can't be, too.
#
sub writable_columns
{
	my ($statement) = @_;
	my ($status, $printed, $message) = $node->psql('postgres', $statement);
	my ($columns) = $message =~ /Columns that can be: (.*)/;

	return sort split /, /, $columns // $message;
}

my $writing = read_file('docs/writing.md');
my $website_id = '00000000-0000-4000-8000-000000000000';
$node->safe_psql('postgres', <<"END");
CREATE SERVER w FOREIGN DATA WRAPPER crisp_fdw OPTIONS (website_id '$website_id', updatable 'true');
CREATE USER MAPPING FOR CURRENT_USER SERVER w OPTIONS (identifier 'a', key 'b');
CREATE FOREIGN TABLE messages (session_id text, read text) SERVER w;
CREATE FOREIGN TABLE conversations (session_id text, topic text) SERVER w;
CREATE FOREIGN TABLE people_profiles (people_id text, score text) SERVER w;
CREATE FOREIGN TABLE people_data (people_id text, website_id text, other text) SERVER w;
CREATE FOREIGN TABLE people_events (people_id text, other text) SERVER w;
CREATE FOREIGN TABLE people_subscriptions (people_id text, other text) SERVER w;
END
my %sent = map { $_ => 1 } names_in(section($writing, '## Send a message'));
delete $sent{$_} foreach qw(website_id);    # not sent, but may be given
is_deeply([ sort keys %sent ], [ writable_columns(q(INSERT INTO messages VALUES ('x', 'y'))) ],
	'docs/writing.md has the columns of a message that can be sent');
is_deeply(
	[ names_in(section($writing, '## Change a conversation')) ],
	[ writable_columns(q(UPDATE conversations SET topic = 'x')) ],
	'docs/writing.md has the columns of a conversation that can be changed');
foreach my $case (
	[ 'Write profiles of people', q(UPDATE people_profiles SET score = 'x') ],
	[ 'Write custom data of people', q(INSERT INTO people_data (other) VALUES ('x')) ],
	[ 'Add an event to a profile', q(INSERT INTO people_events VALUES ('x', 'y')) ],
	[ 'Change a subscription', q(UPDATE people_subscriptions SET other = 'x') ])
{
	my ($heading, $statement) = @{$case};

	is_deeply([ names_in(section($writing, "## $heading")) ], [ writable_columns($statement) ],
		"docs/writing.md: $heading");
}

#
# Settings.
#
is_deeply(
	[ names_in(section($reference, '## Settings')) ],
	[
		sort split /\n/,
		$node->safe_psql('postgres',
			q(LOAD 'crisp_fdw'; SELECT name FROM pg_settings WHERE name LIKE 'crisp\_fdw.%'))
	],
	'settings');

#
# What \df and \d show in the extension's schema: each has a heading, whose parentheses tell functions from
# views, tables and sequences.
#
my %headings = map { $_ => 1 } map { /\b(crisp_[a-z_]+(?:\()?)/g }
  section($reference, '## Functions and views') =~ /^### (.*)$/mg;
$node->safe_psql('postgres', 'CREATE DATABASE separate');
$node->safe_psql('separate', 'CREATE SCHEMA own; CREATE EXTENSION crisp_fdw SCHEMA own');
my @objects = split /\n/, $node->safe_psql('separate', <<'END');
SELECT DISTINCT proname || '(' FROM pg_proc WHERE pronamespace = 'own'::regnamespace
UNION
SELECT relname FROM pg_class WHERE relnamespace = 'own'::regnamespace AND relkind <> 'i'
END
is_deeply([ sort keys %headings ], [ sort @objects ], 'functions and views');
is($node->safe_psql('separate', <<'END'), '', 'nothing else is in the schema');
SELECT pg_describe_object(d.classid, d.objid, 0) FROM pg_depend d JOIN pg_namespace n ON d.refobjid = n.oid
 WHERE d.refclassid = 'pg_namespace'::regclass AND n.nspname = 'own'
   AND d.classid NOT IN ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_extension'::regclass)
END
foreach my $function (qw(crisp_fdw_resources crisp_fdw_columns))
{
	my @columns = split /\n/, $node->safe_psql('postgres', <<"END");
SELECT unnest(proargnames) FROM pg_proc WHERE proname = '$function'
END
	my $text = section($reference, "### $function()");

	is_deeply([ grep { $text !~ /`$_`/ } @columns ], [], "$function(): its columns");
}

#
# Errors: docs/errors.md has each message that the C code can raise, with … for what varies.
#
my @error_lines = split /\n/, read_file('docs/errors.md');
my $checked     = 0;
foreach my $path (sort glob "$tree/src/*/*.c")
{
	my ($name) = $path =~ m{([^/]+/[^/]+)$};
	my $source = read_file("src/$name");

	while ($source =~ /ereport\(\s*ERROR,.{0,200}?errmsg\(\s*((?:"(?:[^"\\]|\\.)*"\s*|INT64_FORMAT\s*)+)/gs)
	{
		my $message = join '', map { $_ eq 'INT64_FORMAT' ? '%d' : s/^"|"$//gr =~ s/\\"/"/gr }
		  $1 =~ /("(?:[^"\\]|\\.)*"|INT64_FORMAT)/g;
		my @parts = grep { /\w/ } split /%(?:l*[dsu]|zu|m|c)/, $message =~ s/, server "%s"$//r;
		my $pattern = join '.*', map { quotemeta s/^[\s"]+|[\s"]+$//gr } @parts;

		next unless @parts;
		$checked++;
		ok((grep { /$pattern/ } @error_lines), "docs/errors.md has what $name raises: $message");
	}
}
cmp_ok($checked, '>', 50, 'errors that the code raises were found');

# Those that stand in a table.
foreach my $literals (read_file('src/api/api_error.c') =~ /\bERRCODE_\w+,((?:\s+"[^"]+")+)/g)
{
	my $message = join '', $literals =~ /"([^"]+)"/g;

	ok((grep { /\Q$message\E/ } @error_lines), "docs/errors.md has: $message");
}

# Those that SQL raises.
my $raised = 0;
foreach my $path (sort glob "$tree/install/*.sql")
{
	my ($name) = $path =~ m{([^/]+)$};
	my $source = read_file("install/$name");

	my $raises = qr/RAISE EXCEPTION|crisp_sync_throw\(\s*'\w{5}',(?:\s*format\()?|problem :=(?: format\()?/;

	while ($source =~ /$raises\s*'((?:[^']|'')+)'/g)
	{
		my $message = $1;
		my @parts = grep { /\w/ } split /%s?/, $message;
		my $pattern = join '.*', map { quotemeta s/^[\s"]+|[\s"]+$//gr } @parts;

		# What is caught by crisp_sync() itself.
		next if !@parts || $message =~ /^(cannot read|no request is left for)/;
		$raised++;
		ok((grep { /$pattern/ } @error_lines), "docs/errors.md has what $name raises: $message");
	}
}
cmp_ok($raised, '>', 15, 'errors that SQL raises were found');

$node->stop;
done_testing();
