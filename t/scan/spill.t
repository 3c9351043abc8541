# Rows that are kept beyond work_mem: whatever node reads them twice, in whatever order, they are those of a local copy.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use CrispWrites;
use Test::More;

my $sandbox = CrispSandbox->start(conversations => 400, people => 120, campaigns => 40);
my $node = start_node();

connect_crisp($node, $sandbox, options => "updatable 'true', max_retries '0'");

my $session = CrispSession->start($node);
watch_writes($session, $sandbox);

# Few rows fit into memory: those of one page don't.
$session->query(
	"SET TimeZone = 'UTC'; SET work_mem = '64kB'; SET enable_material = off; SET enable_memoize = off");
$session->query("CREATE SCHEMA local");
$session->query("CREATE TABLE local.$_ AS SELECT * FROM crisp.$_")
  foreach qw(conversations people_profiles campaigns);
$session->query(
	"CREATE TABLE local.messages AS SELECT * FROM crisp.messages WHERE session_id IN (SELECT session_id "
		. "FROM local.conversations ORDER BY updated_at DESC LIMIT 40)"
);
my ($total, $wide) = split /\|/,
  $session->query('SELECT count(*), sum(length(c::text)) FROM local.conversations c');
is($total, scalar($sandbox->rows('conversations')), 'the copy is whole');
cmp_ok($wide, '>', 4 * 65536, 'and much wider than memory');

# Statements give the same of the foreign tables as of their copies.
my %statement = (
	'the newest rows' =>
	  'SELECT count(*), sum(length(x::text)) FROM (SELECT * FROM S.conversations ORDER BY updated_at DESC LIMIT 200) x',
	'the newest rows, one by one' =>
	  'SELECT session_id, md5(x::text) FROM S.conversations x ORDER BY updated_at DESC LIMIT 380',
	'the newest rows with a local condition' =>
	  q(SELECT session_id, md5(x::text) FROM S.conversations x WHERE length(x::text) % 3 > 0 ORDER BY updated_at DESC )
	  	. q(LIMIT 150),
	'the rest of the list after the newest' =>
	  'SELECT count(*), md5(string_agg(x::text, NULL ORDER BY session_id)) FROM (SELECT * FROM S.conversations ORDER '
	  	. 'BY updated_at DESC LIMIT 1000) x',
	'rows that a nested loop reads for each of others' =>
	  'SELECT v.x, count(*), sum(length(c::text)) FROM (VALUES (900), (1100), (1300)) v (x) LEFT '
	  	. 'JOIN S.conversations c ON length(c::text) > v.x GROUP BY 1 ORDER BY 1',
	'a table joined with itself' =>
	  'SELECT count(*), sum(length(a::text)) FROM S.campaigns a JOIN S.campaigns b ON a.campaign_id > b.campaign_id',
	'the newest rows for each of others' =>
	  'SELECT v.x, count(*), max(length(l.t)), md5(string_agg(l.t, NULL ORDER BY l.t)) FROM (VALUES (1), (20), '
	  	. '(900)) v (x), LATERAL (SELECT c::text AS t FROM S.conversations c WHERE length(c::text) > v.x ORDER '
	  	. 'BY updated_at DESC LIMIT 150) l GROUP BY 1 ORDER BY 1',
	'a correlated subquery' =>
	  q{SELECT v.x, (SELECT md5(string_agg(c::text, NULL ORDER BY session_id)) FROM S.conversations c }
	  	. q{WHERE length(c.session_id) > v.x) FROM generate_series(1, 3) v (x)},
	'a subquery that is asked twice' =>
	  q{SELECT v.x, (SELECT md5(string_agg(t, NULL)) FROM (SELECT c::text AS t FROM S.conversations c ORDER }
	  	. q{BY updated_at DESC LIMIT 90) s WHERE length(t) > v.x) FROM generate_series(1, 3) v (x)},
	'EXISTS' =>
	  'SELECT v.x FROM generate_series(600, 4000, 100) v (x) WHERE EXISTS (SELECT FROM S.conversations c '
	  	. 'WHERE length(c::text) > v.x)',
	'rows that a merge join goes back to' =>
	  q(SELECT count(*), sum(length(a::text) + length(b::text)) FROM S.conversations a JOIN S.conversations b USING )
	  	. q((state, meta_device_geolocation_country)),
	'two lists that are merged' =>
	  q(SELECT md5(string_agg(t, NULL)) FROM )
	  	. q{(SELECT * FROM (SELECT x::text AS t, updated_at FROM S.conversations x UNION ALL }
	  	. q{SELECT x::text, updated_at FROM S.conversations x WHERE state = 'resolved') u ORDER BY updated_at DESC, t }
	  	. q{LIMIT 220) s},
	'a recursive query' =>
	  q(WITH RECURSIVE r (n, t) AS )
	  	. q{(SELECT 0, '' UNION ALL SELECT n + 1, (SELECT md5(string_agg(c::text, NULL ORDER BY session_id)) }
	  	. q{FROM S.conversations c WHERE length(c::text) > r.n * 500) FROM r WHERE n < 3) SELECT * FROM r},
	'a query that is named, and used twice' =>
	  'WITH c AS MATERIALIZED (SELECT * FROM S.conversations) SELECT count(*), md5(string_agg(a::text, NULL ORDER '
	  	. 'BY session_id)) FROM c a JOIN c b USING (session_id)',
	'details of the rows of a list' =>
	  'SELECT v.x, md5(string_agg(c::text, NULL ORDER BY campaign_id)) FROM (VALUES (1), (2)) v (x) JOIN S.campaigns c '
	  	. 'ON length(c.campaign_id) > v.x GROUP BY 1 ORDER BY 1',
	'the lists below rows of another' =>
	  q(SELECT v.x, count(*), md5(string_agg(m::text, NULL ORDER BY m::text)) FROM (VALUES (1), (2)) v (x) )
	  	. q(JOIN S.messages m ON length(m.session_id) > v.x WHERE m.session_id = ANY )
	  	. q((ARRAY(SELECT session_id FROM local.conversations ORDER BY updated_at DESC LIMIT 40)) GROUP BY 1 )
	  	. q(ORDER BY 1),
	'rows that are looked up again' =>
	  q(SELECT v.x, count(*), md5(string_agg(c::text, NULL ORDER BY session_id)) FROM (VALUES (1), (2), (3)) v (x) )
	  	. q(JOIN S.conversations c ON length(c.session_id) > v.x WHERE c.session_id = ANY )
	  	. q((ARRAY(SELECT session_id FROM local.conversations ORDER BY updated_at LIMIT 70)) GROUP BY 1 ORDER BY 1),
	'an anti join' =>
	  q(SELECT count(*) FROM local.conversations l WHERE NOT EXISTS )
	  	. q((SELECT FROM S.conversations c WHERE length(c::text) > length(l::text))),
);

foreach my $name (sort keys %statement)
{
	foreach my $joins ([], [ 'hashjoin', 'mergejoin' ], [ 'hashjoin', 'nestloop' ])
	{
		my $settings = join '', map { "SET enable_$_ = off; " } @{$joins};
		my ($foreign, $local) =
		  map { $session->query("$settings$statement{$name}" =~ s/\bS\./$_./gr) } qw(crisp local);

		$session->query('RESET enable_hashjoin; RESET enable_mergejoin; RESET enable_nestloop');
		is($foreign, $local, "$name" . (@{$joins} ? " without @{$joins}" : ''));
	}
}

# Cursors that scroll.
foreach my $query (
	'SELECT x::text FROM S.conversations x ORDER BY updated_at DESC LIMIT 200',
	'SELECT x::text FROM S.conversations x WHERE length(x::text) > 5 ORDER BY session_id',
	'SELECT x::text FROM S.campaigns x ORDER BY campaign_id')
{
	my @read;

	foreach my $schema (qw(crisp local))
	{
		$session->query('BEGIN; DECLARE c SCROLL CURSOR FOR ' . $query =~ s/\bS\./$schema./r);
		push @read, join "\n", map { $session->query("FETCH $_ FROM c") }
		  ('30', 'BACKWARD 10', 'FORWARD 25', 'ABSOLUTE 1', 'LAST', 'BACKWARD ALL', 'ALL', 'RELATIVE -7');
		$session->query('COMMIT');
	}
	is($read[0], $read[1], "a cursor that scrolls: $query");
}

# What the session writes goes on while rows are kept.
sub ids
{
	return [ split /\n/, $session->query($_[0]) ];
}

my $newest = ids('SELECT session_id FROM local.conversations ORDER BY updated_at DESC LIMIT 60');
$sandbox->clear;
$session->query(
	q(INSERT INTO crisp.messages (session_id, type, "from", content) SELECT session_id, 'text', 'operator', 'x' )
		. q(FROM crisp.conversations WHERE length(session_id) > 3 ORDER BY updated_at DESC LIMIT 60)
);
is_deeply([ map { $_->[1] =~ s{/.*}{}r } written() ], $newest, 'INSERT of the newest rows: one each');
is(scalar(grep { $_->{method} eq 'GET' } $sandbox->requests), 2, 'which takes two pages');

# The conversations that were changed, each as often as it was, be it alone or with others.
sub changed_rows
{
	return map { $_->[2] && $_->[2]->{sessions} ? @{ $_->[2]->{sessions} } : $_->[1] =~ s{/.*}{}r } written();
}

my $resolved = $session->query("SELECT count(*) FROM crisp.conversations WHERE state = 'resolved'");
$sandbox->clear;
$session->query(
	q(UPDATE crisp.conversations SET state = 'pending' WHERE session_id IN )
		. q((SELECT session_id FROM crisp.conversations WHERE length(session_id) > 3 ORDER BY updated_at DESC LIMIT 70))
);
is(scalar(my @changed = written()), 70, 'UPDATE of rows that a subquery names');
$sandbox->clear;
$session->query(
	q(UPDATE crisp.conversations c SET state = 'unresolved' FROM (VALUES (3), (4)) v (x), LATERAL )
		. q{(SELECT session_id FROM crisp.conversations n WHERE length(n.session_id) > v.x ORDER BY updated_at DESC }
		. q{LIMIT 80) l WHERE c.session_id = l.session_id}
);
is(scalar(@changed = changed_rows()), 80, 'UPDATE of rows that a lateral subquery names, once each');
$sandbox->clear;
$session->query(
	q(SELECT setseed(0.5); UPDATE crisp.conversations c SET state = 'resolved' WHERE length(c::text) > 1 )
		. q(AND updated_at > '2020-01-01' AND random() < 0.3)
);
my %once = map { $_ => 1 } @changed = changed_rows();
cmp_ok(scalar @changed, '>', 60, 'UPDATE of rows by chance');
is(scalar keys %once, scalar @changed, 'once each');

# What rows of other tables have besides their columns.
is( $session->query(
		q(SELECT DISTINCT xmin, xmax, cmin, cmax, ctid, tableoid::regclass FROM crisp.conversations)),
	'0|0|0|0|(4294967295,0)|crisp.conversations',
	'system columns');
is( $session->query(
		q(SELECT count(*), count(DISTINCT x.session_id) FROM )
			. q{(SELECT xmin, session_id, campaign.ctid FROM crisp.conversations, (SELECT ctid FROM crisp.campaigns }
			. q{WHERE xmin::text = '0' LIMIT 1) campaign WHERE xmin::text = '0' }
			. q{AND tableoid = 'crisp.conversations'::regclass ORDER BY updated_at DESC LIMIT 100) x}
	),
	'100|100',
	'system columns in conditions');
is( $session->query(
		q(SELECT count(*) FROM (VALUES (1), (2)) v (x) JOIN crisp.campaigns c ON length(c.name) > v.x )
			. q(AND c.xmin::text = '0' AND c.ctid IS NOT NULL)
	),
	$session->query('SELECT count(*) FROM (VALUES (1), (2)) v (x) JOIN local.campaigns c ON length(c.name) > v.x'),
	'system columns of rows that are kept');

is( $session->query(
		q(UPDATE crisp.conversations SET state = 'pending' WHERE session_id = )
			. q((SELECT min(session_id) FROM local.conversations) RETURNING xmin, xmax, cmin, ctid, )
			. q(tableoid::regclass, state)
	),
	'0|0|0|(4294967295,0)|crisp.conversations|pending',
	'system columns of a row that was changed');

is( $session->query(
		q(INSERT INTO crisp.messages (session_id, type, "from", content) )
			. q(SELECT min(session_id), 'text', 'operator', 'y' FROM local.conversations )
			. q(RETURNING xmin, cmax, ctid, content)
	),
	'0|0|(4294967295,0)|y',
	'... and of one that was made');

$session->quit;
$node->stop;
done_testing();
