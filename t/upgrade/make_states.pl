# Leave jobs of every kind in the middle of their work, with crisp_fdw 1.0, and dump the database; make-states.sh
# runs this.  The rows of the copies aren't dumped: jobs.t fills them by what is known of them.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = CrispSandbox->start(conversations => 1000, people => 400, operators => 5, campaigns => 30);
my $node = PostgreSQL::Test::Cluster->new('old');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE SCHEMA tools; CREATE EXTENSION crisp_fdw SCHEMA tools; CREATE SCHEMA copies');
connect_crisp($node, $sandbox);
connect_crisp($node, $sandbox, server => 'plain', schema => 'plain', import => q(timestamp_type 'bigint'));

# call(source, target, [arguments], [times]): a target is made in the schema copies.
sub call
{
	my ($source, $target, $arguments, $times) = @_;

	for (1 .. $times // 1)
	{
		my ($status, $output, $errors) = $node->psql('postgres',
			"CALL tools.crisp_sync('$source', 'copies.$target'" . ($arguments ? ", $arguments" : '') . ')');

		note "$source, $target: $errors";
	}
	return;
}

my $half = q(reference => '2025-10-01');

call('crisp.conversations', 'done');
call('plain.conversations', 'done_bigint');
call('crisp.conversations', 'begun', 'max_requests => 8');
call('plain.conversations', 'begun_bigint', 'max_requests => 8', 2);
call('crisp.conversations', 'newer', $half);
call('crisp.conversations', 'newer_begun', "$half, max_requests => 2");
call('crisp.conversations', 'older_begun', "$half, condition => 'older', max_requests => 4");
call('crisp.conversations', 'by_creation', "sync_field => 'created_at'");
call('crisp.conversations', 'loaded');
call('crisp.conversations', 'loaded', q(mode => 'full', max_requests => 6));
call('crisp.conversations', 'first_load', q(mode => 'full', max_requests => 6));
call('crisp.conversations', 'forgotten');
$node->safe_psql('postgres', q(SELECT tools.crisp_sync_reset('crisp.conversations', 'copies.forgotten')));
call('crisp.conversations', 'failed', 'max_requests => 6');
$node->safe_psql('postgres', 'ALTER TABLE copies.failed ADD CONSTRAINT too_late CHECK (false) NOT VALID');
call('crisp.conversations', 'failed', 'max_requests => 6');
call('crisp.conversations', 'emptied');
$node->safe_psql('postgres', 'TRUNCATE copies.emptied');
call('crisp.people_profiles', 'people');
call('crisp.people_profiles', 'people_begun', 'max_requests => 5');
call('plain.people_profiles', 'people_bigint', 'max_requests => 6');
call('crisp.people_profiles', 'people_newer', $half);
call('crisp.messages', 'messages', 'max_requests => 80');
call('crisp.messages', 'messages_small', 'max_requests => 6', 4);
call('crisp.operators', 'operators');
call('crisp.campaigns', 'campaigns');
$sandbox->control({ honour_order => JSON::PP::false, default_order => 'none' });
call('crisp.conversations', 'spans', 'max_requests => 30', 2);
$sandbox->control({ honour_order => JSON::PP::true });

note $node->safe_psql('postgres',
	'SELECT target, state, mode, watermark, reaches_back_to, requests_left FROM tools.crisp_sync_status ORDER BY 1');
is($node->safe_psql('postgres', q(SELECT extversion FROM pg_extension WHERE extname = 'crisp_fdw')), '1.0',
	'it is 1.0 that has made them');
$node->command_ok([ 'pg_dump', '--no-owner', '--exclude-table-data=copies.*', '-d', $node->connstr('postgres'),
		'-f', "$ENV{STATES}.new" ], 'pg_dump');
my $dump = slurp_file("$ENV{STATES}.new");
unlink "$ENV{STATES}.new";
# A token of the sandbox is no secret, but no dump should have one.
$dump =~ s/(\bkey ')[^']*/$1-/g;
# An older psql doesn't know these, which newer ones need for dumps of others alone.
$dump =~ s/^\\(?:un)?restrict .*\n//mg;
append_to_file("$ENV{STATES}.made", $dump);
rename "$ENV{STATES}.made", $ENV{STATES} or die "cannot write $ENV{STATES}: $!\n";
$node->stop;
done_testing();
