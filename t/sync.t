# crisp_sync(): local copies that stay fresh, and what each run asks of Crisp.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 700, people => 300, visitors => 30, operators => 12);
my $session = CrispSession->start($node);

# Run a sync; returns its notices, and how many requests it made.
sub sync
{
	my ($arguments) = @_;

	$sandbox->clear;
	my $result = $session->run("CALL crisp_sync($arguments)");
	die "$_->{message}\nin: crisp_sync($arguments)\n" foreach @{ $result->{errors} };
	return (join("\n", map { $_->{message} } @{ $result->{notices} }), $sandbox->count);
}

# One test: a copy has just the rows that Crisp has.
sub is_copy
{
	my ($source, $target, $name) = @_;
	my $columns = $session->query(<<"END");
SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
WHERE attrelid = '$source'::regclass AND attnum > 0 AND attname <> 'search_query'
END

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(
		$session->query(<<"END"), 'f|0|0', $name);
CREATE TEMP TABLE at_crisp AS SELECT $columns FROM $source;
SELECT count(*) = 0, (SELECT count(*) FROM (TABLE at_crisp EXCEPT SELECT $columns FROM $target) m),
	(SELECT count(*) FROM (SELECT $columns FROM $target EXCEPT TABLE at_crisp) m) FROM at_crisp;
DROP TABLE at_crisp;
END
}

my ($notices, $requests) = sync(q('crisp.conversations', 'public.conversations'));
is_copy('crisp.conversations', 'public.conversations', 'the first run fetches all');
like($notices, qr/created table public\.conversations/, 'it creates the target');

(undef, $requests) = sync(q('crisp.conversations', 'public.conversations'));
is($requests, 1, 'the second run fetches one page');
$sandbox->data([ { op => 'touch', resource => 'conversations', index => 300 } ]);
(undef, $requests) = sync(q('crisp.conversations', 'public.conversations'));
is($requests, 1, 'a change is one page, too');
is_copy('crisp.conversations', 'public.conversations', 'and is in the copy');

sync(q('crisp.people_profiles', 'people'));
is_copy('crisp.people_profiles', 'people', 'profiles');

done_testing();
