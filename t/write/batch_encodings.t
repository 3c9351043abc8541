# Changes of many rows from databases that aren't in UTF-8: what is sent together is what each row is to have, also
# where the database can't hold what Crisp has of it.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = CrispSandbox->start(conversations => 200, people => 110, websites => 1, data => 'tidy');
my $node = start_node();
my $json = JSON::PP->new->canonical->utf8(0);

# Of each encoding: a word that it has, as an SQL expression and as characters; and one that it lacks.
my %encodings = (
	LATIN1 => {
		has => "convert_from('\\xc3a4c39f', 'UTF8')",
		word => "\x{e4}\x{df}",
		lacks => [ "\x{6f22}", "\x{1f600}" ]
	},
	EUC_JP => {
		has => "convert_from('\\xe6bca2e5ad97', 'UTF8')",
		word => "\x{6f22}\x{5b57}",
		lacks => [ "\x{2615}", "\x{1f600}" ]
	});

# Requests that change something, in a few words, and their bodies.
sub sent
{
	return map {
		my $body = $json->decode($_->{body} || '{}');
		my $rows = delete $body->{sessions} // (ref $body->{people} ? $body->{people}->{profiles} : undef);
		{ line => $_->{path} =~ s{.*/website/[^/]*/}{}r =~ s{session_[^/]*}{S}r . ($rows ? ' ' . @{$rows} : ''),
			body => $body }
	} grep { $_->{method} ne 'GET' } $sandbox->requests;
}

sub lines { return join ', ', map { $_->{line} } sent() }

sub rows_of
{
	return map { $_->{session_id} => $_ } $sandbox->rows('conversations');
}

# How many of these rows have something else in a member of meta: the value, or what a function says for each.
sub others
{
	my ($member, $wanted, @ids) = @_;
	my %rows = rows_of();

	return scalar grep {
		my $value = ref $wanted eq 'CODE' ? $wanted->($_) : $wanted;

		$json->encode([ $rows{$_}->{meta}->{$member} ]) ne $json->encode([$value])
	} @ids;
}

# Give rows what a function says in members of meta.
sub set
{
	my ($members, @ids) = @_;
	my @operations;

	foreach my $id (@ids)
	{
		my $meta = $members->($id);
		push @operations, { op => 'patch', key => $id, set => { map { ("meta.$_" => $meta->{$_}) } keys %{$meta} } };
	}
	$sandbox->data(\@operations);
	return;
}

foreach my $encoding (sort keys %encodings)
{
	my ($has, $word, $lacks) = @{ $encodings{$encoding} }{qw(has word lacks)};
	my $database = lc $encoding;

	$node->safe_psql('postgres',
		"CREATE DATABASE $database ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
	$node->safe_psql($database, <<"END");
CREATE EXTENSION crisp_fdw;
CREATE SERVER support FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url '@{[ $sandbox->url ]}',
	website_id '@{[ $sandbox->website_id ]}', updatable 'true', max_retries '0', prefetch '4');
CREATE USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (@{[ credential_options($sandbox, 'website') ]});
CREATE SCHEMA crisp;
IMPORT FOREIGN SCHEMA crisp FROM SERVER support INTO crisp;
CREATE SCHEMA shown;
IMPORT FOREIGN SCHEMA crisp LIMIT TO (conversations, people_profiles) FROM SERVER support INTO shown;
ALTER FOREIGN TABLE shown.conversations OPTIONS (ADD invalid_text 'replace');
ALTER FOREIGN TABLE shown.people_profiles OPTIONS (ADD invalid_text 'replace');
END
	my $session = CrispSession->start($node, dbname => $database);
	my @ids = sort map { $_->{session_id} } $sandbox->rows('conversations');
	my @some = @ids[ 0 .. 119 ];
	my $some = join ', ', map { "'$_'" } @some;

	$session->query(q(SET work_mem = '64kB'));
	foreach my $size (undef, 50, 7)
	{
		subtest "$encoding, " . ($size // 'any number of') . ' rows a request' => sub {
			$sandbox->reset;
			$sandbox->control({ batch_limit => $size });
			set(sub { return { segments => [], data => {} } }, @some);
			$session = CrispSession->start($node, dbname => $database);
			$session->query(q(SET work_mem = '64kB'));

			$sandbox->clear;
			$session->query("UPDATE crisp.conversations SET meta_segments = ARRAY[$has, 'a\"b\\c']
				WHERE session_id IN ($some)");
			cmp_ok(scalar(grep { $_->{line} !~ m{^batch/segments} } sent()), '<', 3, 'segments: by batches');
			is(others(segments => [ $word, 'a"b\\c' ], @some), 0, 'each row has them');

			$sandbox->clear;
			$session->query("UPDATE crisp.conversations SET meta_data = jsonb_build_object($has, $has)
				WHERE session_id IN ($some)");
			cmp_ok(scalar(grep { $_->{line} !~ m{^batch/data} } sent()), '<', 3, 'data: by batches');
			is(others(data => { $word => $word }, @some), 0, 'each row has it');
		};
	}

	subtest "$encoding: what the database can't hold" => sub {
		my @values = ("x$lacks->[0]", "x$lacks->[1]", "x\x{0}");
		my %before;

		$sandbox->reset;
		$session = CrispSession->start($node, dbname => $database);
		$session->query(q(SET work_mem = '64kB'));
		for my $n (0 .. $#some)
		{
			$before{ $some[$n] } = $values[ $n % @values ];
		}
		set(sub { return { data => { a => $before{ $_[0] } }, nickname => $before{ $_[0] }, segments => [] } }, @some);

		$sandbox->clear;
		$session->query("UPDATE crisp.conversations SET state = 'resolved' WHERE session_id IN ($some)");
		is(lines(), join(', ', ('batch/resolve 50') x 2, 'batch/resolve 20'), 'does no harm when nobody asks');
		$sandbox->clear;
		my $update = "UPDATE crisp.conversations SET meta_data = meta_data || '{\"k\": 1}' WHERE session_id IN ($some)";
		$session->fails($update, { sqlstate => '22P05' }, 'and else is an error');
		is(lines(), '', 'before anything is sent');

		$sandbox->clear;
		$session->query($update =~ s/crisp\./shown./r);
		is(others(data => sub { return { a => $before{ $_[0] }, k => 1 } }, @some),
			0, 'replaced, each row goes back as Crisp has it')
		  or diag(lines());
		$session->query("UPDATE shown.conversations SET meta_segments = ARRAY[meta_nickname]
			WHERE session_id IN ($some)");
		is(others(nickname => sub { return $before{ $_[0] } }, @some), 0, 'what is not sent stays');
	};

	subtest "$encoding: keys that the database can't hold" => sub {
		$sandbox->reset;
		my ($template) = $sandbox->rows('conversations');
		my @keys = ("session_$lacks->[0]", 'session_?', "session_$lacks->[1]", "session_\x{fffd}");
		$sandbox->data([ map { { op => 'insert', row => { %{$template}, session_id => $_, state => 'pending',
			topic => 'odd' } } } @keys ]);
		my $there = sub {
			my %rows = rows_of();

			return join ' ', map { $rows{$_} ? $rows{$_}->{state} : 'gone' } @keys;
		};
		is($there->(), 'pending pending pending pending', 'four rows');
		foreach my $table (qw(crisp shown))
		{
			foreach my $statement ("UPDATE $table.conversations SET state = 'resolved' WHERE topic = 'odd'",
				"DELETE FROM $table.conversations WHERE topic = 'odd'")
			{
				$sandbox->clear;
				$session->fails($statement, { sqlstate => '22P05' }, $statement);
				is(lines(), '', 'nothing is sent');
				is($there->(), 'pending pending pending pending', 'no other row is changed');
			}
		}
	};
}

done_testing();
