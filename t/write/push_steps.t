# Steps of crisp_push(): in which order rows are tried that have failed, what a step reads, and what counts as changed.

use strict;
use warnings;

use CrispCluster;
use CrispPush;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use Test::More;

my $sandbox = CrispSandbox->start(conversations => 4, people => 20, visitors => 1, operators => 1);
my $node = start_node();

connect_crisp($node, $sandbox, options => "max_retries '0', updatable 'true', prefetch '4'");
my $session = CrispSession->start($node);
push_with($session, $sandbox);

sub query { return $session->query(@_) }

# Have Crisp answer 503 to each change of these rows.
sub poison
{
	$sandbox->control({ answers => [ map { { match => { method => 'PATCH', path => "*$_*" }, status => 503 } } @_ ] });
	return;
}

# The rows that a run asks for, which fails, or goes well.
sub tried
{
	my ($arguments) = @_;

	$sandbox->clear;
	$session->run("CALL crisp_push($arguments)");
	return join ' ', map { m{profile/(\w+)@} } sent();
}

#
# Rows that have failed come last, and take turns
#

query(q(CREATE TABLE turns AS SELECT n || '@x.org' AS email, n AS person_nickname, 'a' AS notepad
	FROM unnest('{poi1,poi2,poi3,well1,well2}'::text[]) n;
	INSERT INTO crisp.people_profiles (email, person_nickname) SELECT email, person_nickname FROM turns));
my $turns = q('turns', 'crisp.people_profiles', key => 'email');
push_rows($turns);

query(q(UPDATE turns SET notepad = 'b' WHERE email LIKE 'poi%'));
poison(qw(poi1 poi2 poi3));
is(tried($turns), 'poi1 poi2 poi3', 'rows that all fail');
poison('poi1');
is(join(', ', map { tried($turns) } 1 .. 3), 'poi1, poi2 poi3 poi1, poi1', 'one that always fails lets others pass');
is(push_status('state, rows_pending', 'turns'), 'failed|1', 'one is left');

# With other values, it may fail again, and still comes last.
query(q(UPDATE turns SET notepad = 'c' WHERE email IN ('poi1@x.org', 'well1@x.org')));
is(tried($turns), 'well1 poi1', 'nor does it come first when it changes');
query(q(DELETE FROM turns WHERE email = 'poi1@x.org'));
push_rows($turns);
query(q(UPDATE turns SET notepad = 'd' WHERE email = 'poi2@x.org'));
poison('poi2');
is(tried($turns), 'poi2', 'a row that fails');
query(q(UPDATE turns SET notepad = 'e'));
is(tried("$turns, max_requests => 3"), 'poi3 well1 well2', 'of one that was not tried');
query(q(UPDATE turns SET notepad = 'f'));
is(tried($turns), 'poi3 well1 well2 poi2', 'it is known that it has failed');
poison();
is(tried($turns), 'poi2', 'until it is taken');
is(push_status('state, rows_pending', 'turns'), 'up to date|0', 'nothing is left');

#
# Rows of which there is nothing to send
#

query(q(CREATE TABLE blank AS SELECT 'blank' || n || '@x.org' AS email, NULL AS person_nickname, NULL AS notepad
	FROM generate_series(1, 300) n));
my $blank = q('blank', 'crisp.people_profiles', key => 'email');
my $run = push_rows($blank);
is_deeply($run->{requests}, [], 'rows with nothing but NULLs make no request');
like($run->{notices}, qr/new: 0, changed: 0, gone: 0, refused: 0; requests: 0$/, 'and count as nothing');
is(push_status('state, rows_known, rows_pending, rows_pushed', 'blank'), 'up to date|300|0|0', 'they are known');
query(q(UPDATE blank SET person_nickname = 'Now' WHERE email ~ 'blank[12]@'));
is_deeply(
	[ map { /^(\w+)/ } @{ push_rows($blank)->{requests} } ],
	[qw(PATCH POST POST)],
	'and go the way of new rows once they have a value');
query(q(UPDATE blank SET notepad = 'x' WHERE email ~ 'blank[12]@'));
push_rows("$blank, max_requests => 1");
query(q(ALTER TABLE blank DROP notepad));
$run = push_rows($blank);
like($run->{notices}, qr/new: 0, changed: 0, gone: 0, refused: 0; requests: 0$/, 'what is not pushed any more');
is(push_status('state, rows_known, rows_pending, rows_pushed', 'blank'), 'up to date|300|0|3',
	'is not pending, either');

# A row that was to be deleted, and is back with NULLs: what Crisp may have goes.
query(q(CREATE TABLE away AS SELECT n || '@x.org' AS email, n AS person_nickname, 'x' AS notepad, 'm' AS person_gender
	FROM unnest('{away1,away2,away3}'::text[]) n; UPDATE away SET person_gender = NULL));
my $away = q('away', 'crisp.people_profiles', key => 'email', missing => 'delete_all');
push_rows($away);
query('CREATE TABLE kept AS SELECT * FROM away; TRUNCATE away');
push_rows("$away, max_requests => 1");
query(q(INSERT INTO away SELECT email, person_nickname FROM kept WHERE email ~ 'away[23]'));
is_deeply(
	[ sort map { s/.*people/people/r } @{ push_rows($away)->{requests} } ],
	[ map { qq(people/profile/away$_\@x.org {"notepad":null}) } 2, 3 ],
	'a row that was to go, and is back before that was asked for');
query(q(DELETE FROM away WHERE email ~ 'away[23]'));
$sandbox->control({ answers => [ { match => { method => 'DELETE' }, status => 503, act => JSON::PP::false } ] });
push_fails($away, { sqlstate => 'HV00M' }, 'rows that may have gone');
poison();
query(q(INSERT INTO away SELECT email, person_nickname FROM kept WHERE email ~ 'away[23]'));
is_deeply(
	[ sort map { s/.*people/people/r } @{ push_rows($away)->{requests} } ],
	[ map { qq(people/profile/away$_\@x.org {"person":{"nickname":"away$_"}}) } 2, 3 ],
	'and are back');

#
# What a first push of unlike rows costs: 1 is a row that Crisp has, 0 one that it lacks
#

my $number = 0;
foreach my $case (
	[ '11111111', 0 ],
	[ '00000000', 1 ],
	[ '00001111', 2 ],
	[ '11111000000', 6 ],
	[ '1' x 8 . '0' x 8, 3 ],
	[ '1' x 40 . '0' x 40, 3 ],
	[ '01010101', 8 ])
{
	my ($there, $more) = @{$case};
	my $name = 'cost' . ++$number;

	query(qq(CREATE TABLE $name AS SELECT format('%s-%s\@x.org', '$name', 1000 + n) AS email, 'N' AS person_nickname,
		there FROM string_to_table('$there', NULL) WITH ORDINALITY t (there, n);
		INSERT INTO crisp.people_profiles (email, person_nickname) SELECT email, 'x' FROM $name WHERE there = '1'));
	is(scalar @{ push_rows("'$name', 'crisp.people_profiles', key => 'email'")->{requests} } - length $there, $more,
		"$there: so many requests more than rows");
}

#
# What a step reads doesn't grow with what is pending
#

my $rows = 4000;
query(qq(CREATE TABLE many AS SELECT 'm' || n || '\@x.org' AS email, 'N' AS person_nickname
	FROM generate_series(1, $rows) n));
my $many = q('many', 'crisp.people_profiles', key => 'email', max_requests => 60);
push_rows($many);
my $table = query(q(SELECT crisp_sync_internal.crisp_push_rows_of(job_id) FROM crisp_sync_internal.crisp_push_job
	WHERE source = 'many'::regclass));

# Rows that were read of what is known.
sub rows_read
{
	query('SELECT pg_stat_force_next_flush()');
	return query("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_all_tables WHERE relid = '$table'::regclass");
}

foreach my $name (qw(inserts changes))
{
	my $before = rows_read();

	push_rows($many);
	my $read = rows_read() - $before;
	cmp_ok($read, '<', 8 * $rows, "60 $name, of $rows rows, read $read");
	query(q(UPDATE many SET person_nickname = 'M'));
	query("UPDATE $table SET state = 'pending', is_there = true, wanted = coalesce(wanted, pushed)");
}

$node->stop;
done_testing();
