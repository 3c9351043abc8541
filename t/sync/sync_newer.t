# crisp_sync(): nothing old replaces something new, and nothing keeps something new out: neither a trigger
# that sets the time of a row, nor a column that doesn't order times as they follow each other.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use CrispSync;
use Test::More;

my ($node, $sandbox) = start_crisp(conversations => 60, people => 30, operators => 3, campaigns => 1, websites => 1);
my $session = CrispSession->start($node);

sync_with($session, $sandbox);
$session->query(<<'END');
CREATE FUNCTION now_before() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN NEW.updated_at := clock_timestamp(); RETURN NEW; END $$;
CREATE FUNCTION now_after() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	EXECUTE format('UPDATE public.%I SET updated_at = clock_timestamp() WHERE session_id = $1', TG_TABLE_NAME)
		USING NEW.session_id;
	RETURN NULL;
END $$;
END

# A change of each of some rows, dated at midnight after the data ends: later than all, and at an early time of day.
my $midnight = 1_768_521_600_000;
my @changed = split /\n/, $session->query(q(SELECT session_id FROM crisp.conversations WHERE session_id < 'session_4'));

sub change
{
	my ($topic) = @_;

	$sandbox->data(
		[   map {
				(   { op => 'patch', key => $_, set => { topic => $topic } },
					{ op => 'touch', key => $_, updated_at => ++$midnight })
			} @changed ]);
	return;
}

my %triggers = (
	'BEFORE UPDATE' => 'BEFORE UPDATE ON TARGET FOR EACH ROW EXECUTE FUNCTION now_before()',
	'BEFORE INSERT OR UPDATE' => 'BEFORE INSERT OR UPDATE ON TARGET FOR EACH ROW EXECUTE FUNCTION now_before()',
	'AFTER INSERT OR UPDATE' => 'AFTER INSERT OR UPDATE ON TARGET FOR EACH ROW WHEN (pg_trigger_depth() = 0) '
	  . 'EXECUTE FUNCTION now_after()');
my %cases = (
	'no trigger' => 'SELECT 1',
	(   map { ("type $_" => "ALTER TABLE TARGET ALTER updated_at TYPE $_ USING NULL::text::$_") }
		  ('time', 'time with time zone', 'text', 'date', 'timestamp(0)')),
	(map { ("trigger $_" => "CREATE TRIGGER sets_time $triggers{$_}") } keys %triggers));
my $number = 0;

foreach my $case (sort keys %cases)
{
	my $target = 'copy' . ++$number;

	$session->query("CREATE TABLE $target (session_id text PRIMARY KEY, topic text, updated_at timestamptz)");
	$session->query($cases{$case} =~ s/TARGET/$target/gr);
	sync("'crisp.conversations', '$target'");
	foreach my $topic ("$case, first change", "$case, second change")
	{
		change($topic);
		sync("'crisp.conversations', '$target', overlap => '0'");
		is(status('state', $target), 'up to date', "$topic: up to date");
		is( $session->query("SELECT count(*) FROM $target WHERE topic = '$topic'"),
			scalar @changed,
			"$topic: the copy has it");
	}
}

# Without any of that, a version that is older than the one in the copy is left alone.
$session->query('CREATE TABLE guarded (session_id text PRIMARY KEY, topic text, updated_at timestamptz)');
sync(q('crisp.conversations', 'guarded'));
$session->query(<<'END');
UPDATE guarded SET topic = 'newer', updated_at = '2030-01-01'
WHERE session_id = (SELECT session_id FROM crisp.conversations ORDER BY updated_at DESC LIMIT 1)
END
sync(q('crisp.conversations', 'guarded'));
is($session->query("SELECT count(*) FROM guarded WHERE topic = 'newer'"),
	1, 'an older version does not replace a newer one');
sync(q('crisp.conversations', 'guarded', mode => 'full'));
is($session->query("SELECT count(*) FROM guarded WHERE topic = 'newer'"), 0, 'in a full load it does');

done_testing();
