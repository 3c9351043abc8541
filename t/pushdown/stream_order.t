# Lists that don't come in the order that was asked for, as a stream finds when it has given rows: that is an error, not
# a wrong row; run again, the statement comes through, and the session learns.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use Test::More;

use constant BASE => 1_700_000_000_000;
use constant ROWS => 400;

my ($node, $sandbox) = start_crisp(conversations => 1, people => 1);
my $json = JSON::PP->new->canonical;

$node->safe_psql('postgres', 'CREATE TABLE note (n int); INSERT INTO note VALUES (1)');

# What becomes of the update of the i-th row in the order of creation, newest first; undef: it has none.
my %cases = (
	'one row is out of order'         => sub { $_[0] == 120 ? BASE + 9_000_000 : $_[1] },
	'two rows change places'          => sub { $_[1] + ($_[0] == 170 ? 1500 : 0) },
	'each page is in order by itself' => sub { $_[1] + ($_[0] >= 100 && $_[0] < 150 ? 9_000_000 : 0) },
	'a row has no time'               => sub { $_[0] == 120 ? undef : $_[1] },
	'the last rows have no time'      => sub { $_[0] >= ROWS - 3 ? undef : $_[1] },
	'a time is a text'                => sub { $_[0] == 120 ? '2024-01-01T00:00:00Z' : $_[1] },
	'all have one time'               => sub { BASE },
	'a page has one time'             => sub { $_[0] < 60 ? BASE + 9_000_000 : $_[1] },
	'it is in order'                  => sub { $_[1] });

# How often a statement may fail before the session knows, and must.
my %failures = (
	'one row is out of order'         => [ 1, 1 ],
	'two rows change places'          => [ 1, 1 ],
	'each page is in order by itself' => [ 1, 2 ],
	'a row has no time'               => [ 1, 1 ],
	'the last rows have no time'      => [ 1, 1 ],
	'a time is a text'                => [ 1, 1 ]);

foreach my $name (sort keys %cases)
{
	my @rows = map {
		my $created = BASE + 1000 * (ROWS - $_);
		my $updated = $cases{$name}->($_, $created);
		{ session_id => sprintf('session_%03d', $_), state => 'pending', created_at => $created,
			defined $updated ? (updated_at => $updated) : () }
	} 0 .. ROWS - 1;
	my @times = map { ($_->{updated_at} // '') =~ /^\d+$/ ? $_->{updated_at} : undef } @rows;
	my $nulls = grep { !defined } @times;
	my @sorted = ((map { '' } 1 .. $nulls), (sort { $b <=> $a } grep { defined } @times));

	$sandbox->reset;
	$sandbox->control({ honour_order => JSON::PP::false, default_order => 'created' });
	$sandbox->data(
		[   { op => 'clear' },
			map { { op => 'insert_raw', created_at => $_->{created_at}, updated_at => $_->{updated_at} // 0,
					text => $json->encode($_) } } @rows ])
	  if $name ne 'a time is a text';
	if ($name eq 'a time is a text')
	{
		$sandbox->data(
			[   { op => 'clear' },
				map { { op => 'insert_raw', created_at => $_->{created_at}, updated_at => $_->{created_at},
						text => $json->encode($_) } } @rows ]);
		@sorted = ();
	}

	foreach my $prefetch (1, 4)
	{
		my $session = CrispSession->start($node);
		my $ms      = '(extract(epoch FROM updated_at) * 1000)::bigint';
		my @failed;

		$session->query("SET plan_cache_mode = force_generic_plan; ALTER SERVER support OPTIONS (SET prefetch "
			  . "'$prefetch'); PREPARE join_of AS SELECT $ms FROM crisp.conversations c JOIN note n ON n.n = 1 "
			  . 'ORDER BY updated_at DESC LIMIT 350');
		foreach my $run (1 .. 6)
		{
			my @out;
			my $error = '';

			if ($run % 2)
			{
				$session->query("BEGIN; DECLARE c CURSOR FOR SELECT $ms FROM crisp.conversations ORDER BY updated_at "
					  . 'DESC');
				foreach my $step (40, 100, 'FORWARD 300')
				{
					my $result = $error ? { errors => [] } : $session->run("FETCH $step FROM c");

					push @out, split /\n/, $result->{output} // '', -1;
					pop @out if @out && $result->{output} && $result->{output} =~ /\n\z/;
					$error = $result->{errors}->[0]->{sqlstate} if @{ $result->{errors} };
				}
				$session->run($error ? 'ROLLBACK' : 'COMMIT');
			}
			else
			{
				my $result = $session->run('EXECUTE join_of');

				@out   = split /\n/, $result->{output} // '', -1;
				pop @out if @out && $result->{output} =~ /\n\z/;
				$error = $result->{errors}->[0]->{sqlstate} if @{ $result->{errors} };
			}
			push @failed, $run if $error;
			like($error, $name eq 'a time is a text' ? qr/^(?:40001|22\w{3}|)$/ : qr/^(?:40001|)$/,
				"$name, prefetch $prefetch, run $run");
			next if $error || !@sorted;
			is(join(',', @out), join(',', @sorted[ 0 .. ($run % 2 ? ROWS - 1 : 349) ]),
				"$name, prefetch $prefetch, run $run: rows in order");
		}
		my ($least, $most) = @{ $failures{$name} // [ 0, 0 ] };
		next if $name eq 'a time is a text';
		cmp_ok(scalar @failed, '>=', $least, "$name, prefetch $prefetch: it fails");
		cmp_ok(scalar @failed, '<=', $most,  "$name, prefetch $prefetch: the session learns");
		ok(!(grep { $_ > 1 && $failed[0] == $_ - 1 } @failed), "$name, prefetch $prefetch: it comes through then");
		$session->quit;
	}
}

$node->stop;
done_testing();
