# The messages that docs/troubleshooting.md shows are those that its symptoms bring.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use FindBin;
use PostgreSQL::Test::Utils;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 130, people => 30);
my $session = CrispSession->start($node);
my $website = $sandbox->website_id;
my $mapping = credential_options($sandbox, 'website');
my %seen;

# Run statements, and note what they tell.
sub run
{
	my (@statements) = @_;

	foreach my $sql (@statements)
	{
		my $result = $session->run($sql);

		die "the connection was lost in: $sql\n" if $result->{lost};
		$seen{"$_->{severity}:  $_->{message}"} = 1 foreach @{ $result->{notices} }, @{ $result->{errors} };
	}
	return;
}

run('CREATE ROLE analyst', 'SET ROLE analyst', 'SELECT count(*) FROM crisp.operators', 'RESET ROLE',
	'GRANT USAGE ON SCHEMA crisp TO analyst', 'GRANT SELECT ON ALL TABLES IN SCHEMA crisp TO analyst',
	'SET ROLE analyst', 'SELECT count(*) FROM crisp.operators', 'RESET ROLE');
run(q(CREATE USER MAPPING FOR analyst SERVER support OPTIONS (identifier 'x')), 'SET ROLE analyst',
	'SELECT count(*) FROM crisp.operators', 'RESET ROLE',
	q(ALTER USER MAPPING FOR analyst SERVER support OPTIONS (ADD key 'x')), 'SET ROLE analyst',
	'SELECT count(*) FROM crisp.operators', 'RESET ROLE',
	q(ALTER USER MAPPING FOR analyst SERVER support OPTIONS (key 'x')));
$sandbox->answer_with('*/operators/list', { status => 403 });
run('SELECT count(*) FROM crisp.operators');
$sandbox->answer_with('*/operators/list', { status => 429, headers => { 'Retry-After' => '9000' } });
run('SELECT count(*) FROM crisp.operators');
$sandbox->answer_with('*/campaign/*', { status => 500 });
run(q(ALTER SERVER support OPTIONS (ADD max_retries '0')), 'SELECT count(message) FROM crisp.campaigns',
	'ALTER SERVER support OPTIONS (DROP max_retries)');
$sandbox->control({ answers => [] });
run("CREATE SERVER nowhere FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url 'http://127.0.0.1:9/v1', "
	  . "website_id '$website', max_retries '0')",
	"CREATE USER MAPPING FOR CURRENT_USER SERVER nowhere OPTIONS ($mapping)",
	q(CREATE FOREIGN TABLE nobody (email text) SERVER nowhere OPTIONS (resource 'operators')),
	'SELECT count(*) FROM nobody');
run(q(ALTER SERVER support OPTIONS (ADD daily_requests '1')), 'SELECT count(*) FROM crisp.messages',
	'ALTER SERVER support OPTIONS (DROP daily_requests)');
run('SET crisp_fdw.max_requests = 3', 'SELECT count(*) FROM crisp.messages', 'RESET crisp_fdw.max_requests');
run(q(UPDATE crisp.conversations SET state = 'resolved' WHERE session_id = 'x'));
run('CREATE TABLE ms (session_id text PRIMARY KEY, updated_at bigint)',
	'INSERT INTO ms SELECT session_id, updated_at FROM crisp.conversations',
	q(CALL crisp_sync('crisp.conversations', 'ms')),
	'CREATE TABLE mine (session_id text, updated_at timestamptz)', q(CALL crisp_sync('crisp.conversations', 'mine')),
	'CREATE TABLE own_names (id text PRIMARY KEY)', q(CALL crisp_sync('crisp.conversations', 'own_names')),
	'BEGIN', q(CALL crisp_sync('crisp.operators', 'o')), 'ROLLBACK',
	'CREATE SCHEMA hand', 'CREATE FOREIGN TABLE hand.messages (session_id text, fingerprint bigint) SERVER support',
	q(CALL crisp_sync('hand.messages', 'hm')));
run(q(CREATE FOREIGN TABLE plans (session_id text, plan text OPTIONS (json_path 'meta.data.paln')) SERVER support
	OPTIONS (resource 'conversations')), q(SELECT status FROM crisp_fdw_check('support')),
	q(CREATE FOREIGN TABLE numbers (session_id text, state integer) SERVER support OPTIONS (resource 'conversations')),
	'SELECT count(state) FROM numbers');
my ($email) = split /\n/, $session->query(q(SELECT email FROM crisp.people_profiles WHERE email ~ '^[a-z]' LIMIT 1));
run("SELECT email FROM crisp.people_profiles WHERE email = '" . ucfirst($email) . q('));

# What differs from case to case.
sub general
{
	my ($text) = @_;

	$text =~ s/server "\w+"$/server …/;
	$text =~ s/(type integer: |Crisp has )"[^"]+"/$1"…"/;
	$text =~ s/in \d+ s$/in … s/;
	$text =~ s/the \d+ requests? of the day (?:is|are)/the … requests of the day are/;
	return $text;
}

my $page = slurp_file("$FindBin::RealBin/../../docs/troubleshooting.md");
my @shown = $page =~ /^((?:ERROR|NOTICE|WARNING):  .*)$/mg;
my %told = map { general($_) => 1 } keys %seen;

cmp_ok(scalar @shown, '>', 15, 'there are messages');
# t/faults/retry_notice.t has that of a wait.
ok($told{ general($_) }, $_) foreach grep { !/is made again in/ } @shown;

done_testing();
