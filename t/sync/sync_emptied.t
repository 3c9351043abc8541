# crisp_sync(): a copy that somebody empties while a run fills it.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use JSON::PP;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 1300, people => 60, operators => 4);
my $session = CrispSession->start($node);
my $other = CrispSession->start($node);
my $number = 0;

sync_with($session, $sandbox);

# From now on, let the nth request for a page of conversations hang.
sub hang_at
{
	my ($nth) = @_;

	$sandbox->clear;
	$sandbox->control({ answers => [ { match => { path => 'website/*/conversations/*', nth => $nth },
		hang => JSON::PP::true } ] });
	return;
}

# Run a sync, and a statement of another session while the nth request is under way.
sub sync_while
{
	my ($arguments, $nth, $statement) = @_;

	hang_at($nth);
	$session->send("CALL crisp_sync($arguments)");
	$sandbox->wait_for_requests($nth);
	$other->query($statement);
	$sandbox->reset;
	return $session->wait;
}

# That a run has failed, since its target was emptied, and that the calls after it leave nothing out.
sub noticed
{
	my ($result, $target, $name, %with) = @_;
	my $error = $result->{errors}->[0] // {};
	my $source = $with{source} // 'crisp.conversations';

	is($error->{sqlstate}, '55000', "$name: the run fails");
	is($error->{message}, "table \"public.$target\" was emptied while it was filled", "$name: and says why");
	is($error->{hint}, 'The next run fetches all again.', "$name: and what comes of it");
	goes_on($target, $source, $name);
	return;
}

# That the next run notices it, and leaves nothing out.
sub goes_on
{
	my ($target, $source, $name) = @_;

	like(sync("'$source', '$target', max_requests => NULL")->{notices}, qr/so all is fetched again$/m,
		"$name: the next one notices");
	is_copy($source, $target, $name);
	return;
}

#
# In whatever window, of five requests each
#

foreach my $nth (3, 7, 12, 17, 22)
{
	my $target = 'filled' . ++$number;
	my $result = sync_while("'crisp.conversations', '$target'", $nth, "DELETE FROM $target");

	if ($nth <= 5)
	{
		is_deeply($result->{errors}, [], 'before the first window was written, there is nothing to notice');
		is_copy('crisp.conversations', $target, 'and nothing is missing');
		next;
	}
	noticed($result, $target, "a first load that is emptied at request $nth");
}
foreach my $nth (3, 12, 27)
{
	my $target = 'full' . ++$number;

	sync("'crisp.conversations', '$target'");
	noticed(sync_while("'crisp.conversations', '$target', mode => 'full'", $nth, "DELETE FROM $target"), $target,
		"a full load that is emptied at request $nth");
}

# Windows that read several gaps at a time.
{
	$session->query(q(ALTER SERVER support OPTIONS (SET prefetch '4')));
	noticed(sync_while(q('crisp.conversations', 'at_once'), 20, 'DELETE FROM at_once'), 'at_once',
		'windows of several gaps');
	$session->query(q(ALTER SERVER support OPTIONS (SET prefetch '1')));
}

# What lies below rows, and is deleted and written by the parent.
sync(q('crisp.messages', 'messages', max_requests => 60));
{
	my $result;

	$sandbox->clear;
	$sandbox->control({ answers => [ { match => { path => 'website/*/conversation/*/messages', nth => 20 },
		hang => JSON::PP::true } ] });
	$session->send(q(CALL crisp_sync('crisp.messages', 'messages', max_requests => 60)));
	$sandbox->wait_for_requests(20);
	$other->query('DELETE FROM messages');
	$sandbox->reset;
	$result = $session->wait;
	is($result->{errors}->[0]->{message}, 'table "public.messages" was emptied while it was filled', 'messages');
	like(sync(q('crisp.messages', 'messages', max_requests => 60))->{notices}, qr/so all is fetched again$/m,
		'messages: the next run notices');
}

#
# By a DELETE that takes its time
#

# It doesn't see the rows of windows that are written before it's committed: here, of the second, while the third waits
# for a trigger. The oldest row, with which the second begins, would let that one wait.
my $all_but_oldest = 'DELETE FROM %1$s WHERE updated_at > (SELECT min(updated_at) FROM %1$s)';
{
	$session->query(<<'END');
CREATE TABLE slowly (session_id text PRIMARY KEY, updated_at timestamptz);
CREATE SEQUENCE windows;
CREATE FUNCTION wait_in_third() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF nextval('public.windows') = 3 THEN PERFORM pg_advisory_xact_lock_shared(7); END IF; RETURN NULL; END $$;
CREATE TRIGGER wait_in_third BEFORE INSERT ON slowly EXECUTE FUNCTION wait_in_third();
END
	hang_at(7);
	$session->send(q(CALL crisp_sync('crisp.conversations', 'slowly')));
	$sandbox->wait_for_requests(7);
	$other->query('SELECT pg_advisory_lock(7); BEGIN; ' . sprintf($all_but_oldest, 'slowly'));
	my $rows = $node->safe_psql('postgres', 'SELECT count(*) FROM slowly');
	$sandbox->reset;
	$node->poll_query_until('postgres',
		q(SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'))
	  or die "the third window does not wait\n";
	cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM slowly'), '>', $rows, 'a window is written meanwhile');
	$other->query('COMMIT; SELECT pg_advisory_unlock(7)');
	noticed($session->wait, 'slowly', 'a DELETE during several windows');
}
# Nor that of the last one.
{
	hang_at(7);
	$session->send(q(CALL crisp_sync('crisp.conversations', 'later')));
	$sandbox->wait_for_requests(7);
	$other->query('BEGIN; ' . sprintf($all_but_oldest, 'later'));
	$sandbox->reset;
	is_deeply($session->wait->{errors}, [], 'a DELETE that is not committed is nothing to notice');
	$other->query('COMMIT');
	cmp_ok($session->query('SELECT count(*) FROM later'), '>', 800, 'the rows of later windows are there');
	goes_on('later', 'crisp.conversations', 'a DELETE that is committed after the run');
}
# What it has deleted is written again, when it is committed: that the run puts back the rows by which it would notice
# doesn't make it believe that the others are there.
{
	sync(q('crisp.conversations', 'put_back'));
	my $reference = $session->query('SELECT updated_at FROM put_back ORDER BY updated_at DESC OFFSET 100 LIMIT 1');
	hang_at(2);
	$session->send("CALL crisp_sync('crisp.conversations', 'put_back', reference => '$reference')");
	$sandbox->wait_for_requests(2);
	$other->query('BEGIN; DELETE FROM put_back');
	$sandbox->reset;
	$node->poll_query_until('postgres',
		q(SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'))
	  or die "the run does not wait\n";
	$other->query('COMMIT');
	noticed($session->wait, 'put_back', 'rows that the run has put back');
}

#
# What is no reason
#

# A few rows; or those of old, whose places come last in a load.
{
	my $result = sync_while(q('crisp.conversations', 'weeded'), 12, <<'END');
WITH newest AS (SELECT session_id FROM weeded ORDER BY updated_at DESC LIMIT 8),
	oldest AS (SELECT session_id FROM weeded ORDER BY updated_at OFFSET 1 LIMIT 200)
DELETE FROM weeded WHERE session_id IN (TABLE newest UNION ALL TABLE oldest)
END
	is_deeply($result->{errors}, [], 'a run goes on when some rows are deleted');
	my ($rows, $missing, $extra) = compare_copy('crisp.conversations', 'weeded');
	is($missing, 208, 'these stay away');
	$session->query('DELETE FROM weeded WHERE updated_at < '
		. '(SELECT percentile_disc(0.7) WITHIN GROUP (ORDER BY updated_at) FROM weeded)');
	unlike(sync(q('crisp.conversations', 'weeded'))->{notices}, qr/fetched again/, 'as all do that are old');
}
# What a full load finds to be gone, though it's most of the rows that the job keeps in mind.
foreach my $resource (qw(conversations messages))
{
	my $of_both = $resource eq 'messages' ? ', max_requests => NULL' : '';
	my $reference = $node->safe_psql('postgres', 'SELECT max(updated_at) FROM crisp.conversations');

	$sandbox->data([ { op => 'insert_random', count => 40, seed => 5 } ]);
	my @newest = split /,/, $node->safe_psql('postgres',
		"SELECT string_agg(session_id, ',') FROM crisp.conversations WHERE updated_at > '$reference'");
	my $target = "gone_$resource";
	sync("'crisp.$resource', '$target', reference => '$reference'");
	$sandbox->data([ map { { op => 'delete', key => $_ } } @newest ]);
	my $of_them = 'session_id IN (' . join(', ', map { "'$_'" } @newest) . ')';
	cmp_ok($session->query("SELECT count(*) FROM $target WHERE $of_them"), '>', 20, "$resource: rows to be gone");
	foreach my $call (1 .. 2)
	{
		unlike(sync("'crisp.$resource', '$target', " . ($call == 1 ? q(mode => 'full') : q(max_requests => 5))
				. ($call == 1 ? $of_both : ''))->{notices}, qr/fetched again/, "$resource: call $call");
		is($session->query("SELECT count(*) FROM $target WHERE $of_them"), 0, "$resource: they are gone: call $call");
	}
}

done_testing();
