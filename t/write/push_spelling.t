# Keys of crisp_push() that differ in case only, which Crisp may take for the same: no row is lost by that.

use strict;
use warnings;
use utf8;

use CrispCluster;
use CrispPush;
use CrispSandbox;
use CrispSession;
use Encode;
use Test::More;

my $sandbox = CrispSandbox->start(conversations => 4, people => 20, visitors => 1, operators => 1);
my $node = start_node();

connect_crisp($node, $sandbox, options => "max_retries '0', updatable 'true', prefetch '4'");
my $session = CrispSession->start($node);
push_with($session, $sandbox);

sub query { return $session->query(@_) }

# What profiles Crisp has whose address begins so, case aside: address and nickname.
sub profiles
{
	my ($begin) = @_;

	return join ' ', sort map { "$_->{email}=$_->{person}->{nickname}" }
	  grep { ($_->{email} // '') =~ /^\Q$begin\E/i } $sandbox->rows('people');
}

query(q(CREATE TABLE cased (email text, person_nickname text, notepad text)));
my $call = q('cased', 'crisp.people_profiles', missing => 'delete');

foreach my $setting (qw(ignored kept))
{
	my $kept = $setting eq 'kept';

	$sandbox->control({ email_case => $setting });
	query(qq(TRUNCATE cased; INSERT INTO cased SELECT n || '\@$setting.org', upper(n), 'x' FROM
		unnest('{case,caseb,casec,cased}'::text[]) n));
	push_rows(q('cased', 'crisp.people_profiles', missing => 'delete_all'));
	is(profiles("case\@$setting"), "case\@$setting.org=CASE", "$setting: pushed");

	query(qq(UPDATE cased SET email = 'Case\@$setting.org' WHERE email = 'case\@$setting.org'));
	is_deeply(
		push_rows($call)->{requests},
		[
			qq(PATCH people/profile/Case\@$setting.org {"notepad":"x","person":{"nickname":"CASE"}}),
			$kept
			? qq(POST people/profile {"email":"Case\@$setting.org","notepad":"x","person":{"nickname":"CASE"}})
			: ()
		],
		"$setting: a key that is spelled otherwise is changed, and the old one is not deleted");
	is(profiles("case\@$setting"),
		$kept ? "Case\@$setting.org=CASE case\@$setting.org=CASE" : "case\@$setting.org=CASE",
		"$setting: Crisp has it");
	is_deeply(push_rows($call)->{requests}, [], "$setting: nor later");
	is(push_status('state, rows_known', 'cased'), 'up to date|4', "$setting: the row is known");

	# Back again, with what was pushed under that spelling.
	query(qq(UPDATE cased SET person_nickname = 'Z', notepad = NULL WHERE email = 'Case\@$setting.org'));
	push_rows($call);
	like(profiles("case\@$setting"), $kept ? qr/^Case\S+=Z case/ : qr/^case\S+=Z/, "$setting: another value");
	query(qq(UPDATE cased SET email = 'case\@$setting.org', person_nickname = 'CASE' WHERE person_nickname = 'Z'));
	is_deeply(push_rows($call)->{requests},
		[qq(PATCH people/profile/case\@$setting.org {"person":{"nickname":"CASE"}})],
		"$setting: a value that is changed back with the spelling is sent");
	like(profiles("case\@$setting"), qr/case\@$setting.org=CASE$/, "$setting: Crisp has it");
	is_deeply(push_rows($call)->{requests}, [], "$setting: once");

	# One that is gone under every spelling is deleted.
	query(qq(DELETE FROM cased WHERE email = 'caseb\@$setting.org'));
	is_deeply(push_rows($call)->{requests}, ["DELETE people/profile/caseb\@$setting.org"],
		"$setting: what is gone goes");
	query(qq(DELETE FROM cased WHERE email = 'casec\@$setting.org'));
	$sandbox->control({ answers => [ { match => { method => 'DELETE' }, status => 503 } ] });
	push_fails($call, { sqlstate => 'HV00M' }, "$setting: a deletion that was perhaps made");
	$sandbox->control({ answers => [] });
	query(qq(INSERT INTO cased VALUES ('CaseC\@$setting.org', 'Again')));
	ok(!(grep { /^DELETE/ } @{ push_rows($call)->{requests} }), "$setting: is not made of a row that is back");
	like(profiles("casec\@$setting"), qr/=Again/, "$setting: Crisp has it");
}

# With missing => 'ignore', rows that were away come back under another spelling.
$sandbox->control({ email_case => 'ignored' });
query(q(CREATE TABLE back AS SELECT 'back@a.org' AS email, 'A' AS person_nickname));
my $back = q('back', 'crisp.people_profiles');
push_rows($back);
query('TRUNCATE back');
push_rows($back);
query(q(INSERT INTO back VALUES ('Back@a.org', 'A')));
is_deeply(push_rows($back)->{requests}, ['PATCH people/profile/Back@a.org {"person":{"nickname":"A"}}'],
	'a row that comes back under another spelling is sent');

# Letters of other alphabets, spaces around, and two at a time.
query(encode('UTF-8', q(CREATE TABLE letters AS SELECT 'ÉCOLE@ПОЧТА.example' AS email, 'E' AS person_nickname)));
my $letters = q('letters', 'crisp.people_profiles', missing => 'delete_all');
push_rows($letters);
query(encode('UTF-8', q(UPDATE letters SET email = ' école@почта.example')));
ok(!(grep { /^DELETE/ } @{ push_rows($letters)->{requests} }), 'letters beyond ASCII, and a space');
query(encode('UTF-8', q(INSERT INTO letters VALUES ('École@почта.example', 'F'))));
push_unasked($letters, { sqlstate => '23505', detail => qr/^One of the keys is ".*"\. Another is ".*"\. Whether Crisp/ },
	'two spellings in one run');
is(query(encode('UTF-8', q(SELECT count(DISTINCT crisp_sync_internal.crisp_push_fold(k)) FROM
	unnest('{Straße,STRAẞE,straße,ΣΟΦΟΣ,σοφος,σοφοσ,ΆΈΉΊΌΎΏ,άέήίόύώ,Ÿ,ÿ,ŽŁĘ,žłę,ҐЁ,ґё,Ա,ա}'::text[]) k))),
	7, 'spellings of seven words');

# Ids.
my ($person) = sort map { $_->{people_id} } $sandbox->rows('people');
query("CREATE TABLE ids AS SELECT '$person' AS people_id, 'by id' AS notepad");
my $ids = q('ids', 'crisp.people_profiles', missing => 'delete_all');
push_rows($ids);
query('UPDATE ids SET people_id = upper(people_id)');
ok(!(grep { /^DELETE/ } @{ push_rows($ids)->{requests} }), 'an id in capitals deletes nothing');
query('UPDATE ids SET people_id = lower(people_id)');
is_deeply(push_rows($ids)->{requests}, ["PATCH people/profile/$person {\"notepad\":\"by id\"}"],
	'nor does the way back');

# Custom data by the address: the id is asked for again.
my ($address) = sort grep { /^[a-z]+\d+@/ } map { $_->{email} // '' } $sandbox->rows('people');
query("CREATE TABLE extra AS SELECT '$address' AS email, '{\"a\": 1, \"b\": 2}'::jsonb AS data");
my $extra = q('extra', 'crisp.people_data', key => 'email');
push_rows($extra);
query("UPDATE extra SET email = upper(left(email, 1)) || substr(email, 2)");
is_deeply([ map { s/^(\w+).*?( \{|$)/$1$2/r } @{ push_rows($extra)->{requests} } ],
	[ 'GET', 'PATCH {"data":{"a":1,"b":2}}' ], 'custom data under another spelling is sent as a whole');

# Events are told apart by whatever their keys are.
query("CREATE TABLE visits AS SELECT k AS key, '$person' AS people_id, 'x' AS text FROM unnest('{a,A}'::text[]) k");
is(scalar @{ push_rows(q('visits', 'crisp.people_events', key => 'key'))->{requests} }, 2,
	'keys that Crisp does not see may differ in case');

$node->stop;
done_testing();
