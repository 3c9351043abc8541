# What crisp_push() takes for told to Crisp: rows for which a request was made that may have been acted on, and no
# others.  Rows that were refused, or have waited for their turn, aren't deleted or wiped at Crisp.

use strict;
use warnings;

use CrispCluster;
use CrispPush;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use Test::More;

my $sandbox = CrispSandbox->start(conversations => 12, people => 200, visitors => 1, operators => 1);
my $node = start_node();

connect_crisp($node, $sandbox, options => "max_retries '0', updatable 'true', prefetch '4'");
my $session = CrispSession->start($node);
push_with($session, $sandbox);

sub query { return $session->query(@_) }

sub answer
{
	$sandbox->control({ answers => [@_] });
	return;
}

# What Crisp has of profiles, whatever was to be done with them.
sub profiles
{
	my %there = map { $_->{email} => $_ } grep { length($_->{email} // '') } $sandbox->rows('people');

	return \%there;
}

# Addresses of profiles that no other part of this test uses, with notes and a company that others have written.
my @free = sort keys %{ profiles() };

sub theirs
{
	my ($count) = @_;
	my @emails = splice @free, 0, $count;

	die "there are too few profiles\n" if @emails < $count;
	query(sprintf q(UPDATE crisp.people_profiles SET notepad = 'theirs', company_name = 'Their Ltd'
		WHERE email = ANY ('{%s}')), join ',', @emails);
	return @emails;
}

# A source of these columns, with a row for each address.
sub source
{
	my ($name, $columns, $values, @emails) = @_;

	query(sprintf q(CREATE TABLE %s (email text PRIMARY KEY, %s);
		INSERT INTO %s SELECT e, %s FROM unnest('{%s}'::text[]) e), $name, $columns, $name, $values, join ',', @emails);
	return "'$name', 'crisp.people_profiles', key => 'email'";
}

sub drop
{
	my ($name, $target) = @_;

	query(sprintf q(SELECT crisp_push_drop('%s', '%s'); DROP TABLE %s),
		$name, $target // 'crisp.people_profiles', $name);
	return;
}

sub methods { return join ' ', map { /^(\w+)/ } @_ }

# The notes that Crisp has of profiles.
sub notes
{
	my $there = profiles();

	return join ' ', map { $there->{$_} ? $there->{$_}->{notepad} // '(none)' : '(gone)' } @_;
}

# Rows leave their source, of which Crisp was told nothing: they are forgotten, and Crisp keeps them.
sub leave
{
	my ($name, $push, @emails) = @_;

	query(sprintf q(DELETE FROM %s WHERE email = ANY ('{%s}')), $push =~ /^'(\w+)'/, join ',', @emails);
	is_deeply(push_rows("$push, missing => 'delete_all'")->{requests}, [], "$name, and leave: no request");
	is(notes(@emails), join(' ', ('theirs') x @emails), '... Crisp has what others have written');
	is(push_status('state, rows_known, rows_refused'), 'up to date|0|0', '... and they are forgotten');
	drop($push =~ /^'(\w+)'/);
	return;
}

#
# Rows that leave without having been sent
#

my @emails = theirs(2);
my $push = source('r', 'notepad text, segments text[]', "'mine', '{NULL}'", @emails);
push_rows($push);
foreach my $notes ('mine 2', 'mine 3')
{
	query("UPDATE r SET notepad = '$notes'");
	is_deeply(push_rows("$push, retry => true")->{requests}, [], "$notes: refused here");
	is(push_status('state, rows_refused'), 'refused|2', '... rows are refused');
}
leave('rows that were refused here', $push, @emails);

foreach my $status (400, 409, 422, 403, 401, 429)
{
	my $case = "rows that Crisp has answered with $status";

	@emails = theirs(2);
	$push = source('r', 'notepad text', "'mine'", @emails);
	answer({ match => { method => 'PATCH' }, status => $status, act => JSON::PP::false });
	foreach my $notes ('mine 2', 'mine 3')
	{
		$session->run("CALL crisp_push($push)");
		query("UPDATE r SET notepad = '$notes'");
	}
	answer();
	leave($case, $push, @emails);
}

@emails = theirs(1);
$push = source('r', 'notepad text, segments text[]', 'NULL, NULL', @emails);
push_rows($push);
query(q(UPDATE r SET segments = '{NULL}'));
push_rows($push);
leave('a row of NULLs, which was refused here', $push, @emails);

@emails = theirs(1);
$push = source('r', 'notepad text', 'NULL', @emails);
push_rows($push);
answer({ match => { method => 'PATCH' }, status => 400, act => JSON::PP::false });
query(q(UPDATE r SET notepad = 'mine'));
push_rows($push);
answer();
leave('a row of NULLs, which Crisp has refused', $push, @emails);

# Rows that wait: for requests, and behind rows that have brought a run to its end.
@emails = theirs(6);
$push = source('r', 'notepad text', "'mine'", @emails);
my %sent = map { (split ' ')[1] =~ s{.*/}{}r => 1 } @{ push_rows("$push, max_requests => 5")->{requests} };
my ($waiting) = grep { !$sent{$_} } @emails;
is(keys(%sent) . ' ' . defined $waiting, '5 1', 'one row waits');
query(q(UPDATE r SET notepad = 'mine 2'));
is(methods(@{ push_rows("$push, max_requests => 1")->{requests} }), 'PATCH', 'it still does when all rows change');
query("DELETE FROM r WHERE email = '$waiting'");
my $run = push_rows("$push, missing => 'delete'");
is(methods(@{ $run->{requests} }), 'PATCH PATCH PATCH PATCH', 'and leaves: it is not deleted');
is(notes($waiting), 'theirs', 'Crisp has what others have written');
is(push_status('state, rows_known'), 'up to date|5', 'it is forgotten');
query(q(DELETE FROM r));
is(methods(@{ push_rows("$push, missing => 'delete_all'")->{requests} }), 'DELETE DELETE DELETE DELETE DELETE',
	'those that were written are deleted');
is(notes(@emails), join(' ', map { $_ eq $waiting ? 'theirs' : '(gone)' } @emails), 'at Crisp');
drop('r');

foreach my $status (403, 503)
{
	@emails = theirs(6);
	$push = source('r', 'notepad text', "'mine'", @emails);
	answer({ match => { method => 'PATCH', nth => 4 }, times => 10, status => $status, act => JSON::PP::false });
	$sandbox->clear;
	$session->run("CALL crisp_push($push)");
	answer();
	my @told = map { (split ' ')[1] =~ s{.*/}{}r } sent();
	my %told = map { $_ => 1 } @told[ 0 .. ($status == 403 ? 2 : $#told) ];
	query(q(UPDATE r SET notepad = 'mine 2'; CREATE TABLE kept AS TABLE r; DELETE FROM r));
	is(scalar @{ push_rows("$push, missing => 'delete_all'")->{requests} }, scalar keys %told,
		"$status: as many rows are deleted as may have been written");
	is(notes(@emails), join(' ', map { $told{$_} ? '(gone)' : 'theirs' } @emails), '... and no others');
	query('DROP TABLE kept');
	drop('r');
}

# A row that can't be sent never stays behind.
$push = source('r', 'notepad text', "'x'", 'notanaddress');
push_rows($push);
query(q(UPDATE r SET notepad = 'y'));
push_rows($push);
is_deeply([ push_problems('r', 'crisp.people_profiles') ], ['notanaddress|refused|22023'], 'a key that is no address');
query('DELETE FROM r');
push_rows("$push, missing => 'delete'");
is(push_status('state, rows_known, rows_refused'), 'up to date|0|0', 'leaves without a trace');
drop('r');

# Conversations.
query(q(CREATE TABLE r AS SELECT session_id, 'nosuchstate' AS state FROM crisp.conversations
	ORDER BY session_id LIMIT 2));
$push = q('r', 'crisp.conversations');
push_rows($push);
query(q(UPDATE r SET state = 'another'));
push_rows($push);
is(push_status('state, rows_refused'), 'refused|2', 'conversations that are refused');
query('CREATE TABLE kept AS TABLE r; DELETE FROM r');
is_deeply(push_rows("$push, missing => 'delete_all'")->{requests}, [], 'and leave: no request');
is(query('SELECT count(*) FROM crisp.conversations JOIN kept USING (session_id)'), 2, 'they are at Crisp');
query('DROP TABLE kept');
drop('r', 'crisp.conversations');

# Rows that wait, and leave, count as gone, too.
@emails = theirs(3);
$push = source('r', 'notepad text', "'mine'", @emails);
push_rows($push);
query(q(UPDATE r SET notepad = 'mine 2'));
answer({ match => { method => 'PATCH' }, status => 403, act => JSON::PP::false });
$session->run("CALL crisp_push($push)");
answer();
query('DELETE FROM r');
push_unasked("$push, missing => 'delete'", { sqlstate => '55000' }, 'a source that is empty while rows wait');
is(notes(@emails), 'mine mine mine', 'no profile is deleted');
drop('r');

#
# What others have written stays
#

sub nothing_is_wiped
{
	my ($name, $first) = @_;

	@emails = theirs(4);
	$push = source('r', 'notepad text, company_name text, segments text[]', q('mine', 'Mine Ltd', NULL), @emails);
	my %told = map { $_ => 1 } $first->();
	answer();
	query(q(UPDATE r SET notepad = NULL, segments = '{a}'));
	push_rows("$push, retry => true");
	is(notes(@emails), join(' ', map { $told{$_} ? '(none)' : 'theirs' } @emails), "$name: notes of others stay");
	is(push_status('state'), 'up to date', '... all are there');
	is(query(q(SELECT count(*) FROM crisp.people_profiles JOIN r USING (email, company_name, segments))), 4,
		'... at Crisp, too');
	drop('r');
	return;
}

# The first so many that were asked for.
sub told
{
	my ($count) = @_;

	return (map { (split ' ')[1] =~ s{.*/}{}r } sent())[ 0 .. $count - 1 ];
}

nothing_is_wiped('rows that wait', sub { push_rows("$push, max_requests => 1"); return told(1) });
nothing_is_wiped('rows that are refused here',
	sub { query(q(UPDATE r SET segments = '{NULL}')); push_rows($push); return });
foreach my $status (400, 401, 403, 422, 429)
{
	nothing_is_wiped(
		"rows that Crisp has answered with $status",
		sub {
			answer({ match => { method => 'PATCH', nth => 2 }, times => 10, status => $status,
				act => JSON::PP::false });
			$sandbox->clear;
			$session->run("CALL crisp_push($push)");
			return told(1);
		});
}
nothing_is_wiped(
	'a run that is cancelled',
	sub {
		answer({ match => { method => 'PATCH', nth => 2 }, hang => JSON::PP::true });
		query(q(SET statement_timeout = '700ms'));
		$sandbox->clear;
		$session->run("CALL crisp_push($push)");
		query('RESET statement_timeout');
		return told($sandbox->count);
	});

# Custom data.
my @plans = splice @free, 0, 4;
query(sprintf q(UPDATE crisp.people_data SET data = '{"plan": "theirs"}' WHERE email = ANY ('{%s}')), join ',', @plans);
query(sprintf q(CREATE TABLE p AS SELECT people_id, '{"plan": "mine", "x": 1}'::jsonb AS data
	FROM crisp.people_profiles WHERE email = ANY ('{%s}')), join ',', @plans);
$push = q('p', 'crisp.people_data');
push_rows("$push, max_requests => 1");
my ($first) = map { (split ' ')[1] =~ s{.*/}{}r } sent();
query(q(UPDATE p SET data = '{"x": 2}'));
$run = push_rows($push);
is(join(' ', sort map { /^(\w+)/ } @{ $run->{requests} }), 'GET PATCH PATCH PATCH PUT',
	'custom data that was never sent is changed');
is(query("SELECT string_agg(DISTINCT l, ', ' ORDER BY l)
	FROM crisp.people_data d JOIN p USING (people_id), concat_ws(' ', people_id = '$first', d.data) l"),
	'f {"x": 2, "plan": "theirs"}, t {"x": 2}', 'keys of others stay');

# What may be at Crisp of a key doesn't pass for a null in the source, which is refused.
query(q(UPDATE p SET data = '{"x": 3}'));
answer({ match => { method => 'PATCH' }, status => 503, act => JSON::PP::false });
push_fails($push, { sqlstate => 'HV00M' }, 'custom data that may have been written');
answer();
query(q(UPDATE p SET data = '{"x": null}'));
is_deeply(push_rows($push)->{requests}, [], 'and becomes null');
is(push_status('state, rows_refused', 'p'), 'refused|4', '... is refused');
query(q(CREATE TABLE kept AS TABLE p; UPDATE p SET data = '{"x": 3}'));
answer({ match => { method => 'PATCH' }, status => 503, act => JSON::PP::false });
$session->run("CALL crisp_push($push)");
answer();
query('DELETE FROM p');
push_rows($push);
query('INSERT INTO p TABLE kept; DROP TABLE kept');
is_deeply(push_rows($push)->{requests}, [], 'also of a row that left meanwhile');
is(push_status('state, rows_refused', 'p'), 'refused|4', '... is refused');
drop('p', 'crisp.people_data');

#
# Nothing is sent without need
#

query(q(CREATE TABLE c AS SELECT session_id, 'n2' AS meta_nickname FROM crisp.conversations
	ORDER BY session_id LIMIT 6));
$push = q('c', 'crisp.conversations');
push_rows($push);
query(q(UPDATE c SET meta_nickname = 'n3'));
my @told = map { (split ' ')[1] } @{ push_rows("$push, max_requests => 3")->{requests} };
query(q(UPDATE c SET meta_nickname = 'n2'));
is_deeply([ sort map { (split ' ')[1] } @{ push_rows($push)->{requests} } ], [ sort @told ],
	'values that change back are sent of rows that were told others');
is(query(q(SELECT count(*) FROM c JOIN crisp.conversations USING (session_id, meta_nickname))), 6, 'Crisp has all');

# Of a row of several requests, those that come after one that has failed were not sent.
query(q(ALTER TABLE c ADD is_verified boolean; UPDATE c SET meta_nickname = 'n4', is_verified = false;
	DELETE FROM c WHERE session_id <> (SELECT min(session_id) FROM c)));
push_rows($push);
query(q(UPDATE c SET meta_nickname = 'n5', is_verified = true));
foreach my $failure ([ '*/meta', 503, 'meta' ], [ '*/verify', 503, 'meta verify' ], [ '*/verify', 403, 'meta' ])
{
	my ($path, $status, $again) = @{$failure};

	query(q(UPDATE c SET meta_nickname = 'n5', is_verified = true));
	answer({ match => { path => $path }, status => $status, act => JSON::PP::false });
	$session->run("CALL crisp_push($push)");
	answer();
	query(q(UPDATE c SET meta_nickname = 'n4', is_verified = false));
	my @requests = @{ push_rows($push)->{requests} };
	my $requests = join ' ', map { m{/(meta|verify)} } @requests;
	is($requests, $again, "$path, $status: what may have been written is sent again, and no more");
	is(query(q(SELECT count(*) FROM c JOIN crisp.conversations USING (session_id, meta_nickname, is_verified))), 1,
		'... Crisp has it');
	is(push_status('state', 'c'), 'up to date', '... and all is well');
}

#
# What may have been written is known, also when the server dies
#

@emails = theirs(8);
$push = source('k', 'notepad text', "'mine'", @emails);
push_rows($push);
query(q(UPDATE k SET notepad = 'mine 2'));
answer({ match => { method => 'PATCH' }, hang => JSON::PP::true });
my $victim = CrispSession->start($node);
$sandbox->clear;
$victim->send("CALL crisp_push($push)");
for (1 .. 600)
{
	last if $sandbox->count >= 4;
	select undef, undef, undef, 0.05;
}
my %under_way = map { (split ' ')[1] =~ s{.*/}{}r => 1 } sent();
query('SELECT pg_terminate_backend(' . $victim->pid . ')');
$victim->wait;
answer();
is(push_status('state, rows_pending', 'k'), 'unfinished|8', 'a run that is killed');
is_deeply([ push_problems('k', 'crisp.people_profiles') ], [], 'no row is a problem');
query(q(UPDATE k SET notepad = 'mine'));
is_deeply([ sort map { (split ' ')[1] =~ s{.*/}{}r } @{ push_rows($push)->{requests} } ], [ sort keys %under_way ],
	'exactly those rows are sent again that were under way');
is(notes(@emails), join(' ', ('mine') x 8), 'Crisp has what the source has');

$node->stop;
done_testing();
