# crisp_sync(): by which time, newer or older than what.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use POSIX qw(ceil);
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 900, people => 400, visitors => 3, operators => 3);
my $session = CrispSession->start($node);
my $number = 0;

sync_with($session, $sandbox);
$session->query("SET TimeZone = 'Asia/Kolkata'; SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'sql_standard'");

# A time that so many rows of the source are newer than.
sub time_of
{
	my ($column, $rows, $source) = @_;

	$source //= 'crisp.conversations';
	return $session->query(
		"SELECT to_char($column AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') || '+00' FROM $source WHERE $column IS "
			. "NOT NULL ORDER BY $column DESC OFFSET $rows LIMIT 1"
	);
}

sub new_target { return 'copy' . ++$number }

# One test: what a call with these arguments copies into a new target, and that a second call makes few requests.
sub copies
{
	my ($source, $arguments, $condition, $most_requests, $name) = @_;
	my $target = new_target();
	my $run = sync("'$source', '$target', $arguments");

	is_copy($source, $target, $name, $condition);
	cmp_ok($run->{requests}, '<=', $most_requests, "$name: requests");
	return $target;
}

my $rows = $session->query('SELECT count(*) FROM crisp.conversations');
my ($recent, $older) = (time_of('updated_at', 100), time_of('updated_at', $rows - 150));

#
# Reference and condition
#

copies('crisp.conversations', "reference => '$recent'", "updated_at > '$recent'", 4, 'newer than a time');
copies('crisp.conversations', "reference => '$older', condition => 'older'", "updated_at < '$older'", 5,
	'older than a time');
copies('crisp.people_profiles', "sync_field => 'created_at', reference => '"
	. time_of('created_at', 60, 'crisp.people_profiles') . q('),
	"created_at > '" . time_of('created_at', 60, 'crisp.people_profiles') . q('), 5, 'profiles created after a time');
copies('crisp.people_profiles', "reference => '" . time_of('updated_at', 30, 'crisp.people_profiles') . q('),
	"updated_at > '" . time_of('updated_at', 30, 'crisp.people_profiles') . q('), 5, 'profiles updated after a time');
copies('crisp.people_profiles', "condition => 'older', reference => '"
	. time_of('updated_at', 300, 'crisp.people_profiles') . q('),
	"updated_at < '" . time_of('updated_at', 300, 'crisp.people_profiles') . q('), 25,
		'profiles updated before a time');

# Any value of the caller's.
$session->query(
	q(CREATE FUNCTION my_reference() RETURNS timestamptz LANGUAGE sql AS 'SELECT max(updated_at) - interval ''3 days'' )
		. q(FROM crisp.conversations'));
copies('crisp.conversations', 'reference => my_reference()', 'updated_at > my_reference()', 20,
	'newer than what a function gives');

# A job that has begun at a time goes on from there, and does not reach further back.
{
	my $target = copies('crisp.conversations', "reference => '$recent'", "updated_at > '$recent'", 4,
		'a job that begins at a time');

	is(status("reaches_back_to = '$recent'", $target), 't', 'status tells so');
	$sandbox->data([ { op => 'touch', index => 400 } ]);
	is(sync("'crisp.conversations', '$target'")->{requests}, 1, 'its next run is of what is new');
	is_copy('crisp.conversations', $target, 'and no more', "updated_at > '$recent'");

	# The same range again is fetched again, whatever was fetched before.
	$session->query("UPDATE $target SET topic = 'wrong'");
	sync("'crisp.conversations', '$target', reference => '$recent'");
	is_copy('crisp.conversations', $target, 'a reference fetches all after it again', "updated_at > '$recent'");

	# What lies between the watermark and a later reference is not forgotten.
	$sandbox->data([ { op => 'touch_random', count => 30, seed => 9 } ]);
	my $later = time_of('updated_at', 10);
	sync("'crisp.conversations', '$target', overlap => '0', reference => '$later'");
	is((compare_copy('crisp.conversations', $target, "updated_at > '$later'"))[1], 0,
		'a reference after the watermark');
	cmp_ok((compare_copy('crisp.conversations', $target, "updated_at > '$recent'"))[1], '>', 0,
		'leaves out what is between');
	sync("'crisp.conversations', '$target', overlap => '0'");
	is((compare_copy('crisp.conversations', $target, "updated_at > '$recent'"))[1], 0, 'for the next run');
}

# So does one that has been reset; a reference further back moves where it begins.
{
	my $target = new_target();

	sync("'crisp.conversations', '$target'");
	$session->query(
		"SELECT crisp_sync_reset('crisp.conversations', '$target'); DELETE FROM $target WHERE updated_at <= '$recent'");
	sync("'crisp.conversations', '$target', reference => '$recent'");
	is(status("reaches_back_to = '$recent'", $target), 't', 'after a reset, a job begins at a time, too');
	sync("'crisp.conversations', '$target', reference => '$older'");
	is(status("reaches_back_to = '$older'", $target), 't', 'a reference further back lets it reach further');
	is_copy('crisp.conversations', $target, 'which it does', "updated_at > '$older'");
	sync("'crisp.conversations', '$target', condition => 'older', reference => '$recent'");
	is(status("reaches_back_to", $target), '-infinity', 'all that is older lets it reach back to the beginning');
	is_copy('crisp.conversations', $target, 'which it does, too');
}

# The archive first, then the rest.
{
	my $target = copies('crisp.conversations', "condition => 'older', reference => '$older'", "updated_at < '$older'",
		5, 'the archive');

	sync("'crisp.conversations', '$target'");
	is_copy('crisp.conversations', $target, 'then the rest');
}

# Calls with references on either side of some rows, or of the one with just that time.  The next call without one
# brings them, and until then status doesn't say that the copy has them.
foreach my $source ('crisp.conversations', 'crisp.people_profiles')
{
	my ($late, $early) = (time_of('updated_at', 60, $source), time_of('updated_at', 90, $source));

	foreach my $until ($early, $late)
	{
		foreach my $field ('updated_at', 'created_at')
		{
			my $target = new_target();
			my @calls = ("condition => 'newer', reference => '$late'", "condition => 'older', reference => '$until'");
			my $name = "$source by $field" . ($until eq $late ? ', all but a moment' : ', all but a span');

			@calls = reverse @calls if $field eq 'created_at';
			sync("'$source', '$target', sync_field => '$field', $_") foreach @calls;
			is(status("reaches_back_to = '$late' OR state = 'unfinished'", $target), 't', "$name: status");
			sync("'$source', '$target', sync_field => '$field'");
			is(status("concat_ws(' ', reaches_back_to, state)", $target),
				'-infinity up to date', "$name: then the rest");
			is_copy($source, $target, "$name: all rows are there");
		}
	}
}

# In several calls, of which each names the reference again.
{
	my $target = new_target();
	my $calls = 0;

	do
	{
		sync("'crisp.conversations', '$target', overlap => '0', condition => 'older', reference => '$recent', "
			. "max_requests => 6");
		$calls++;
	} until last_run('state') eq 'finished' || $calls > 20;
	is_copy('crisp.conversations', $target, "older than a time, in $calls calls", "updated_at < '$recent'");
	cmp_ok($calls, '<=', ceil(($rows - 100) / 48 / 5) + 2, 'each goes on where the one before has ended');

	$calls = 0;
	$target = new_target();
	do
	{
		sync("'crisp.conversations', '$target', overlap => '0', reference => '$older', max_requests => 6");
		$calls++;
	} until last_run('state') eq 'finished' || $calls > 20;
	is_copy('crisp.conversations', $target, "newer than a time, in $calls calls", "updated_at > '$older'");
	cmp_ok($calls, '<=', ceil($rows / 48 / 4) + 2, 'each goes on where the one before has ended');
}

#
# sync_field
#

foreach my $field (qw(created_at waiting_since active_last))
{
	my $target = new_target();

	sync("'crisp.conversations', '$target', sync_field => '$field'");
	is_copy('crisp.conversations', $target, "by $field: the first run fetches all");
	is(status('sync_field', $target) =~ s/\./_/r, $field, "by $field: status");
}
{
	my $target = new_target();

	sync("'crisp.conversations', '$target', sync_field => 'created_at'") for 1 .. 2;
	$sandbox->data([ { op => 'insert_random', count => 5, seed => 1 },
		{ op => 'patch', index => 200, set => { topic => 'changed' } }, { op => 'touch', index => 200 } ]);
	my $run = sync("'crisp.conversations', '$target', sync_field => 'created_at'");
	is($run->{requests}, 1, 'by created_at: a page');
	is($session->query(
		"SELECT count(*) FROM crisp.conversations WHERE session_id NOT IN (SELECT session_id FROM $target)"), 0,
			'of what is new');
	is($session->query("SELECT count(*) FROM $target WHERE topic = 'changed'"), 0, 'and not of what has changed');
	sync_fails("'crisp.conversations', '$target'",
		{ sqlstate => '55000',
			message => "the sync of \"crisp.conversations\" into \"public.$target\" goes by \"created_at\", not by "
				. "\"updated_at\"", hint => qr/crisp_sync_reset/ },
		'another sync_field');
	$session->query("SELECT crisp_sync_reset('crisp.conversations', '$target')");
	sync("'crisp.conversations', '$target'");
	is_copy('crisp.conversations', $target, 'after a reset it is possible');
}

#
# Columns of other names and types
#

$session->query(<<'END');
CREATE FOREIGN TABLE crisp.renamed (
	id text OPTIONS (json_path 'session_id'), changed timestamptz OPTIONS (json_path 'updated_at'), begun timestamptz
	OPTIONS (json_path 'created_at'),
	topic text)
	SERVER support OPTIONS (resource 'conversations');
CREATE FOREIGN TABLE crisp.in_utc (session_id text, updated_at timestamp, topic text) SERVER support
	OPTIONS (resource 'conversations');
CREATE SCHEMA ms;
IMPORT FOREIGN SCHEMA crisp LIMIT TO (conversations, people_profiles) FROM SERVER support INTO ms
	OPTIONS (timestamp_type 'bigint', array_type 'text');
END
foreach my $source (qw(crisp.renamed crisp.in_utc ms.conversations ms.people_profiles))
{
	my $target = new_target();
	my $resource = $source =~ /people/ ? 'people' : 'conversations';

	sync("'$source', '$target', max_requests => 9");
	sync("'$source', '$target'");
	is_copy($source, $target, $source);
	$sandbox->data([ { op => 'patch', resource => $resource, index => 150,
		set => { topic => "$source", 'person.nickname' => $source } },
			{ op => 'touch', resource => $resource, index => 150 } ]);
	cmp_ok(sync("'$source', '$target'")->{requests}, '<=', $source =~ /people/ ? 4 : 1, "$source: a change is a page");
	is_copy($source, $target, "$source: after a change");
}
{
	my $target = new_target();

	sync("'crisp.renamed', '$target'");
	$session->query(
		"ALTER FOREIGN TABLE crisp.renamed RENAME changed TO modified; ALTER TABLE $target RENAME changed TO modified; "
			. "ALTER TABLE $target RENAME TO other_name");
	is(sync("'crisp.renamed', 'other_name'")->{requests}, 1, 'columns and tables that are renamed later');
	sync_fails("'crisp.renamed', 'other_name', sync_field => 'nothing_at'",
		{ sqlstate => '42703', hint => 'Columns that do: modified, begun' },
		'a sync_field that is not there');
}

done_testing();
