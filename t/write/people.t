# Profiles of people, made, changed and removed: what is sent, by id and by e-mail address, what becomes of an address
# that is known, and what Crisp has afterwards, whichever way it answers.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use CrispWrites;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox =
  CrispSandbox->start(conversations => 20, people => 60, visitors => 2, operators => 4);
my $node = start_node();
my $website_id = $sandbox->website_id;

connect_crisp($node, $sandbox,
	options => "per_page '50', max_retries '0', retry_delay '1ms', updatable 'true'");

my $session = CrispSession->start($node);
watch_writes($session, $sandbox);
my ($ann, $bob) = grep { ($_->{email} // '') =~ /@/ } $sandbox->rows('people');
my $uuid = qr/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;

# One test: what a statement prints, and what it writes.
sub writes
{
	my ($sql, $printed, $written, $name) = @_;

	$sandbox->clear;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $output = $session->query($sql);
	ref $printed ? like($output, $printed, "$name: the result") : is($output, $printed, "$name: the result");
	is_deeply([ written_lines() ], $written, "$name: the requests");
	return;
}

# A profile as Crisp has it; undef when it has none.
sub profile
{
	my ($key, $value) = @_;
	my ($found) = grep { ($_->{$key} // '') eq $value } $sandbox->rows('people');

	return $found;
}

my $insert = 'INSERT INTO crisp.people_profiles (email, person_nickname)';

subtest 'INSERT' => sub {
	writes(
		"$insert VALUES ('new\@example.com', 'Zoe') RETURNING people_id",
		qr/^$uuid$/,
		['POST people/profile {"email":"new@example.com","person":{"nickname":"Zoe"}}'],
		'a profile');
	is($sandbox->count, 1, 'takes one request');
	is(profile(email => 'new@example.com')->{person}->{nickname}, 'Zoe', 'Crisp has it');

	writes(
		"$insert VALUES ('b\@example.com', 'B') RETURNING email, person_nickname, website_id, score",
		"b\@example.com|B|$website_id|",
		['POST people/profile {"email":"b@example.com","person":{"nickname":"B"}}'],
		'RETURNING of what only Crisp knows');
	is($sandbox->count, 2, 'reads it back');

	writes(
		<<'END',
INSERT INTO crisp.people_profiles (email, person_nickname, person_timezone, person_profiles, person_locales,
	person_employment_title, person_geolocation_coordinates_latitude, company_name, company_metrics_employees,
	company_phones, segments, notepad)
VALUES ('all@example.com', 'A', -120, '[{"type": "github", "handle": "x"}]', '{de,en}', 'CTO', 47.25, 'ACME', 12,
	'{}', '{vip,"two words"}', '')
RETURNING segments, company_metrics_employees
END
		'{vip,"two words"}|12',
		[
			'POST people/profile {"company":{"metrics":{"employees":12},"name":"ACME","phones":[]},'
			  . '"email":"all@example.com","notepad":"","person":{"employment":{"title":"CTO"},"geolocation":'
			  . '{"coordinates":{"latitude":47.25}},"locales":["de","en"],"nickname":"A",'
			  . '"profiles":[{"handle":"x","type":"github"}],"timezone":-120},"segments":["vip","two words"]}'
		],
		'many fields');
	is_deeply(profile(email => 'all@example.com')->{company}->{metrics}, { employees => 12 }, 'nested objects');

	refused_unasked(
		"INSERT INTO crisp.people_profiles (person_nickname) VALUES ('x')",
		{
			sqlstate => '23502',
			message => 'null value in column "email" of foreign table "people_profiles"',
			detail => 'Crisp needs it in every profile.'
		},
		'no address');
	refused_unasked("INSERT INTO crisp.people_profiles (email) VALUES ('x\@y.z')",
		{ sqlstate => '23502', message => qr/^null value in column "person_nickname"/ }, 'no name');
	refused_unasked(
		"INSERT INTO crisp.people_profiles (email, person_nickname, person_profiles) VALUES ('x\@y.z', 'x', '{}')",
		{ sqlstate => '22023', hint => 'Crisp takes a JSON array.' },
		'an object where an array is needed');
	foreach my $column (qw(people_id score created_at active_last active_now))
	{
		my $value = { people_id => "'x'", score => 1, active_now => 'true' }->{$column} // 'now()';

		refused_unasked(
			"INSERT INTO crisp.people_profiles (email, person_nickname, $column) VALUES ('x\@y.z', 'x', $value)",
			{
				sqlstate => '0A000',
				message => qq(column "$column" of foreign table "people_profiles" cannot be sent to Crisp),
				hint => qr/^Columns that can be: email, person_nickname, person_avatar,/
			},
			"column $column");
	}
	$sandbox->reset;
};

subtest 'an address that is known' => sub {
	my $upper = uc $ann->{email};
	my $exists = {
		sqlstate => '23505',
		message => 'a profile with this "email" exists at Crisp already, server "support"',
		detail => qr/^POST website\/$website_id\/people\/profile answered HTTP 409, reason "people_exists".*\nThe profile was not sent\.$/s,
		hint => 'To pass over rows that exist, use INSERT ... ON CONFLICT DO NOTHING.'
	};

	$session->fails("$insert VALUES ('$ann->{email}', 'x')", $exists, 'the same');
	writes("$insert VALUES ('$ann->{email}', 'x') ON CONFLICT DO NOTHING RETURNING people_id",
		'', [qq(POST people/profile {"email":"$ann->{email}","person":{"nickname":"x"}})],
		'ON CONFLICT DO NOTHING passes over it');
	isnt((profile(email => $ann->{email})->{person} // {})->{nickname} // '', 'x', 'and changes nothing');

	foreach my $case ([ 'ignored', '23505', 1 ], [ 'kept', undef, 2 ])
	{
		my ($setting, $sqlstate, $profiles) = @{$case};

		$sandbox->reset;
		$sandbox->control({ email_case => $setting });
		is(($session->run("$insert VALUES ('$upper', 'x')")->{errors}->[0] // {})->{sqlstate},
			$sqlstate, "email_case $setting: in capitals");
		$session->query(
			"$insert VALUES ('$upper', 'x'), ('c\@example.com', 'c'), ('$ann->{email}', 'y') ON CONFLICT DO NOTHING");
		is(scalar(grep { lc($_->{email} // '') eq lc $upper } $sandbox->rows('people')),
			$profiles, "email_case $setting: profiles with the address");
		is(profile(email => 'c@example.com')->{person}->{nickname}, 'c', 'the row between was sent');
	}
	$sandbox->reset;

	$sandbox->control({ failure_data => 'empty' });
	$session->fails("$insert VALUES ('$ann->{email}', 'x')", $exists, 'a failure without a message');

	my $result = $session->run("$insert VALUES ('d\@example.com', 'd'), ('$ann->{email}', 'x'), "
		. "('e\@example.com', 'e')");
	is($result->{errors}->[0]->{sqlstate}, '23505', 'among others');
	like($result->{errors}->[0]->{context}, qr/before that, 1 profile was sent, and cannot be rolled back: $uuid$/m,
		'what was sent before is told');
	ok(!profile(email => 'e@example.com'), 'nothing was sent after it');

	refused_unasked("$insert VALUES ('x\@y.z', 'x') ON CONFLICT (email) DO UPDATE SET notepad = 'x'",
		{ sqlstate => '42P10' }, 'ON CONFLICT DO UPDATE');
	$sandbox->reset;

	my $taken = "UPDATE crisp.people_profiles SET email = '$bob->{email}' WHERE people_id = '$ann->{people_id}'";
	$session->fails($taken,
		{ sqlstate => '23505', detail => qr/"people_exists".*\nThe profile was not changed\.$/s, hint => undef },
		"another's address");
	$sandbox->control({ email_reuse => 'taken' });
	$session->query($taken);
	is(profile(people_id => $ann->{people_id})->{email}, $bob->{email}, 'where Crisp takes it');
	$sandbox->reset;
};

subtest 'UPDATE' => sub {
	my $where = "WHERE people_id = '$ann->{people_id}'";
	my $patch = "PATCH people/profile/$ann->{people_id}";

	writes("UPDATE crisp.people_profiles SET person_nickname = 'Ann', company_name = 'ACME' $where RETURNING "
		. "person_nickname",
		'Ann', [qq($patch {"company":{"name":"ACME"},"person":{"nickname":"Ann"}})], 'nested objects, one request');
	is($sandbox->count, 2, 'and one to find the row');
	my $now = profile(people_id => $ann->{people_id});
	is($now->{company}->{name}, 'ACME', 'Crisp has it');
	is($now->{email}, $ann->{email}, 'and the rest as it was');
	cmp_ok($now->{updated_at}, '>', $ann->{updated_at}, 'the change moves updated_at');

	writes("UPDATE crisp.people_profiles SET segments = '{a}', person_locales = '{}' $where",
		'', [qq($patch {"person":{"locales":[]},"segments":["a"]})], 'arrays');
	is_deeply(profile(people_id => $ann->{people_id})->{segments}, ['a'], 'are replaced as a whole');

	writes("UPDATE crisp.people_profiles SET notepad = NULL, company_name = NULL $where",
		'', [qq($patch {"company":{"name":null},"notepad":null})], 'NULL');
	$now = profile(people_id => $ann->{people_id});
	ok(!exists $now->{notepad} && !exists $now->{company}->{name}, 'removes a field');

	writes("UPDATE crisp.people_profiles SET notepad = 'x' WHERE email = '$ann->{email}'",
		'', [qq($patch {"notepad":"x"})], 'a row that is found by its address');
	writes("UPDATE crisp.people_profiles SET notepad = 'x' WHERE people_id = '$bob->{people_id}' AND notepad = "
		. "'none'",
		'', [], 'no row');

	$sandbox->control({ nulls => 'refused' });
	$session->fails("UPDATE crisp.people_profiles SET notepad = NULL $where",
		{ sqlstate => 'HV000', hint => 'Crisp may take no NULL for: notepad.' }, 'a null that Crisp refuses');
	refused("UPDATE crisp.people_profiles SET score = 1 $where",
		{ sqlstate => '0A000', hint => qr/^Columns that can be: email, person_nickname, / }, 'a column that cannot be changed');
	$sandbox->reset;
};

subtest 'DELETE' => sub {
	writes("DELETE FROM crisp.people_profiles WHERE people_id = '$ann->{people_id}' RETURNING email",
		$ann->{email}, ["DELETE people/profile/$ann->{people_id}"], 'by id');
	ok(!profile(people_id => $ann->{people_id}), 'it is gone');
	writes("DELETE FROM crisp.people_profiles WHERE email = '$bob->{email}'",
		'', ["DELETE people/profile/$bob->{people_id}"], 'by address');
	ok(!profile(people_id => $bob->{people_id}), 'it is gone');
	my ($next) = $sandbox->rows('people');
	$sandbox->data([ { op => 'delete', resource => 'people', key => $next->{people_id},
		at_request => { path => '*/people/profile/*', method => 'DELETE' } } ]);
	writes("DELETE FROM crisp.people_profiles WHERE people_id = '$next->{people_id}' RETURNING 1",
		'', ["DELETE people/profile/$next->{people_id}"], 'one that is gone meanwhile');
	$sandbox->reset;
};

subtest 'tables without the id, or without the address' => sub {
	my $segment = $ann->{email};
	$session->query(<<'END');
CREATE FOREIGN TABLE by_address (email text, name text OPTIONS (json_path 'person.nickname'), nickname2 text
	OPTIONS (json_path 'person.nickname')) SERVER support OPTIONS (resource 'people_profiles');
CREATE FOREIGN TABLE by_id (people_id text, notepad varchar(9)) SERVER support OPTIONS (resource 'people_profiles');
CREATE FOREIGN TABLE nameless (notepad text) SERVER support OPTIONS (resource 'people_profiles');
END
	writes("UPDATE by_address SET name = 'Ann' WHERE email = '$ann->{email}' RETURNING name",
		'Ann', [qq(PATCH people/profile/$segment {"person":{"nickname":"Ann"}})], 'by address alone');
	is(profile(people_id => $ann->{people_id})->{person}->{nickname}, 'Ann', 'Crisp has it');
	writes("UPDATE by_address SET email = 'ann\@example.com' WHERE email = '$ann->{email}'",
		'', [qq(PATCH people/profile/$segment {"email":"ann\@example.com"})], 'a new address, by the old one');
	writes("INSERT INTO by_address (email, name) VALUES ('f\@example.com', 'F') RETURNING email, name",
		'f@example.com|F', ['POST people/profile {"email":"f@example.com","person":{"nickname":"F"}}'], 'INSERT');
	writes("DELETE FROM by_address WHERE email = 'f\@example.com'",
		'', ['DELETE people/profile/f@example.com'], 'DELETE');
	writes("UPDATE by_id SET notepad = 'n' WHERE people_id = '$bob->{people_id}'",
		'', [qq(PATCH people/profile/$bob->{people_id} {"notepad":"n"})], 'by id alone');
	refused_unasked("UPDATE nameless SET notepad = 'n'",
		{ sqlstate => 'HV005', message => 'foreign table "nameless" has no column "people_id"' }, 'neither');
	my ($strange) = grep { !defined $_->{email} } $sandbox->rows('people');
	refused("UPDATE by_address SET name = 'x' WHERE email IS NULL",
		{ sqlstate => '23502', message => 'null value in column "email" of foreign table "by_address"' },
		'a profile without an address') if $strange;
	$session->query(q(ALTER SERVER support OPTIONS (SET max_retries '3')));
	$sandbox->reset;
	$sandbox->control({ answers => [ { match => { method => 'PATCH' }, times => 1, status => 502 } ] });
	$session->fails("UPDATE by_address SET email = 'ann\@example.com' WHERE email = '$ann->{email}'",
		{
			sqlstate => 'HV00M',
			detail => qr/\nThe profile may or may not have been changed\. It was not sent again\.$/,
			hint => 'Before sending it again, look for it: SELECT * FROM public.by_address WHERE email = '
			  . "'$ann->{email}'"
		},
		'a new address, by the old one, is sent at most once');
	is(scalar(written()), 1, 'and was sent once');
	$session->query(q(ALTER SERVER support OPTIONS (SET max_retries '0')));
	$session->query('DROP FOREIGN TABLE by_address, by_id, nameless');
	$sandbox->reset;
};

subtest 'at most once' => sub {
	my $sql = "$insert VALUES ('once\@example.com', 'x')";
	my $may = qr/\nThe profile may or may not have been sent\. It was not sent again\.$/;
	my $look = qr/^Before sending it again, look for it: SELECT \* FROM crisp\.people_profiles WHERE email = 'once\@example\.com'$/;

	$session->query(
		q(ALTER SERVER support OPTIONS (SET max_retries '5', ADD request_timeout '5s')));
	foreach my $case (
		[ 'reset after it was acted on', { reset => JSON::PP::true }, 'HV00M', 1 ],
		[ 'no answer in time', { hang => JSON::PP::true }, 'HV00M', 1 ],
		[ 'status 500', { status => 500 }, 'HV00M', 1 ],
		[ 'status 503, not acted on', { status => 503, act => JSON::PP::false }, 'HV00M', 0 ],
		[ 'a success that is no JSON', { body => '<html>hello</html>' }, '08P01', 1 ])
	{
		my ($name, $answer, $sqlstate, $arrived) = @{$case};

		$sandbox->reset;
		$sandbox->control({ answers => [ { match => { method => 'POST' }, %{$answer} } ] });
		$session->fails($sql, { sqlstate => $sqlstate, detail => qr/^POST .*$may/s, hint => $look }, $name);
		is(scalar(written()), 1, "$name: sent once");
		is(scalar(grep { ($_->{email} // '') eq 'once@example.com' } $sandbox->rows('people')),
			$arrived, "$name: and Crisp has it $arrived times");
	}
	$sandbox->reset;
	$sandbox->control({ answers => [ { match => { method => 'POST' }, times => 2, status => 429,
		act => JSON::PP::false } ] });
	$session->query($sql);
	is(scalar(written()), 3, '429: it is sent again, for it was refused');

	$sandbox->reset;
	$sandbox->control({ answers => [ { match => { method => 'PATCH' }, times => 2, status => 500 } ] });
	$session->query("UPDATE crisp.people_profiles SET notepad = 'n' WHERE people_id = '$ann->{people_id}'");
	is(scalar(written()), 3, 'a change is tried again');
	is(profile(people_id => $ann->{people_id})->{notepad}, 'n', 'and made');
	$sandbox->reset;
	$session->query(q(ALTER SERVER support OPTIONS (SET max_retries '0')));
};

subtest 'other answers' => sub {
	foreach my $success ('accepted', 'partial')
	{
		$sandbox->control({ write_success => $success });
		like($session->query("$insert VALUES ('$success\@example.com', 'x') RETURNING people_id"), qr/^$uuid$/, "INSERT: $success");
		$session->query("UPDATE crisp.people_profiles SET notepad = 'n' WHERE email = '$success\@example.com'");
		is(profile(email => "$success\@example.com")->{notepad}, 'n', "UPDATE: $success");
		$session->query("DELETE FROM crisp.people_profiles WHERE email = '$success\@example.com'");
		ok(!profile(email => "$success\@example.com"), "DELETE: $success");
	}
	$sandbox->reset;
};

$session->quit;
done_testing;
