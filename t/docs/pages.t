# Every statement of README.md and of the pages in docs/ can be pasted into psql, one after the other, and
# gives what the page shows, with as many requests as its comment says ("-- 3 requests", "-- some 190 requests":
# within a fifth).  The pages show the sandbox's data that ends at noon on 2026-01-15, so that is when now() is:
# who runs the sandbox with --now current has data that ends now.

use strict;
use warnings;

use CrispCluster;
use CrispSandbox;
use CrispSession;
use FindBin;
use PostgreSQL::Test::Utils;
use Test::More;

my $tree    = "$FindBin::RealBin/../..";
my $node    = start_node();
my $sandbox = CrispSandbox->start;
my $major   = $node->safe_psql('postgres', "SELECT current_setting('server_version_num')::int / 10000");

# The moment at which the sandbox's data ends.
my $now = q(timestamptz '2026-01-15 12:00:00+00');

# What a page takes for granted.
my %before = (
	'docs/security.md' => 'CREATE ROLE analyst',
	'docs/writing.md'  => 'CREATE SCHEMA shop; IMPORT FOREIGN SCHEMA crisp LIMIT TO (messages) FROM SERVER support '
		. 'INTO shop');

# What it shows of a history that a test doesn't have.
my %history = ('docs/local-copies.md' => 1);

# The blocks of code on a page: for each its language, its lines, and whether it follows another one at once.
sub blocks_of
{
	my ($page) = @_;
	my (@blocks, $open, $follows);

	open(my $file, '<', "$tree/$page") or die "$page: $!\n";
	while (my $line = readline $file)
	{
		chomp $line;
		if (!$open)
		{
			$follows = 0 if $line =~ /\S/ && $line !~ /^ *```/;
			$open = { language => $2, lines => [], follows => $follows, indent => $1 } if $line =~ /^( *)```(\w*)$/;
		}
		elsif ($line =~ /^ *```$/)
		{
			push @blocks, $open;
			($open, $follows) = (undef, 1);
		}
		else
		{
			push @{ $open->{lines} }, $line =~ s/^$open->{indent}//r;
		}
	}
	close $file;
	return @blocks;
}

# The statements of a block, each with what is shown below it.
sub statements_of
{
	my ($block) = @_;
	my $prompt = qr/^(?:postgres=#|=>) /;
	my ($open, @statements);

	return if $block->{language} ne 'sql' && !grep { $_ =~ $prompt } @{ $block->{lines} };
	foreach my $line (@{ $block->{lines} })
	{
		my $prompted = $line =~ s/$prompt//;

		if ($open)
		{
			$statements[-1]->{sql} .= "\n$line";
		}
		elsif ($prompted || $block->{language} eq 'sql')
		{
			push @statements, { sql => $line, shown => [] };
		}
		else
		{
			push @{ $statements[-1]->{shown} }, $line;
			next;
		}
		$open = $line !~ /(?:;|\\gx|\\gexec)\s*(?:--.*)?$/;
	}
	return grep { $_->{sql} =~ /\S/ } @statements;
}

# All statements of a page.  What a block of SQL gives may stand in the next one.
sub page_of
{
	my ($page) = @_;
	my ($previous, @statements);

	foreach my $block (blocks_of($page))
	{
		my @found = statements_of($block);

		if ($previous && $block->{follows} && !$block->{language} && !@found && !$history{$page})
		{
			$previous->[0]->{shown} = $block->{lines};
		}
		$previous = $block->{language} eq 'sql' && @found ? \@found : undef;
		push @statements, @found;
	}
	return @statements;
}

# The same on the sandbox, with credentials where the page has none.
my %website_of;

sub on_sandbox
{
	my ($sql) = @_;
	my $url = $sandbox->url;

	$sql =~ s/base_url '[^']*', //;
	$sql =~ s/\bnow\(\)/$now/g;
	$website_of{$1} = $2 if $sql =~ /CREATE SERVER (\w+) .*website_id '([^']+)'/s;
	$sql =~ s/(FOREIGN DATA WRAPPER crisp_fdw\s+OPTIONS \()/$1base_url '$url', /;
	$sql =~ s/(FOREIGN DATA WRAPPER crisp_fdw);/$1 OPTIONS (base_url '$url');/;
	if ($sql =~ /SERVER (\w+)\s+OPTIONS \(.*identifier '\x{e2}\x{80}\x{a6}', key/s)
	{
		my $website = $website_of{$1} // '';
		my ($number) = grep { $sandbox->website_id($_) eq $website } 0 .. 2;
		my $options = credential_options($sandbox, $sql =~ /tier 'plugin'/ ? 'plugin' : 'website', $number);

		$sql =~ s/OPTIONS \(.*\)/OPTIONS ($options)/s;
	}
	return $sql;
}

# What psql shows, as a pattern for what it prints without alignment, and the messages among it.
sub expected
{
	my ($shown) = @_;
	my (@rows, @messages);

	foreach my $line (@{$shown})
	{
		if ($line =~ /^(?:NOTICE|INFO|DETAIL|HINT):  /)
		{
			push @messages, $line =~ s/^\w+:  //r;
		}
		elsif ($line =~ /^ERROR:  /)
		{
			next;
		}
		elsif ($line =~ /^[-+]{3,}$/)
		{
			@rows = ();
		}
		elsif ($line !~ /^(?:-\[ RECORD .*|\(\d+ rows?\)|CALL|CREATE INDEX|ANALYZE|SET|SELECT \d+|\s*)$/)
		{
			push @rows, $line;
		}
	}
	my @patterns = map { pattern_of($_) } @rows;
	return (join("\n", @patterns), @messages);
}

# A line's pattern: neither alignment nor times matter, and an ellipsis stands for anything.
sub pattern_of
{
	my ($line) = @_;

	return '(?s:.*)' if $line =~ /^\s*\x{e2}\x{80}\x{a6}$/;
	my $pattern = quotemeta(join '|', map { s/^\s+|\s+$//gr } split /\|/, $line, -1);
	$pattern =~ s/(?:\\\x{e2}\\\x{80}\\\x{a6})/.*/g;
	$pattern =~ s/actual\\ time\\=[\d\\.]+/actual\\ time=[\\d.]+/;
	$pattern =~ s/Waiting\\ Time\\:\\ [\d\\.]+/Waiting\\ Time: [\\d.]+/;
	$pattern =~ s/^(latency|last_success)\\\|.*/$1\\|.+/;
	return $pattern;
}

sub printed
{
	my ($output) = @_;

	return join "\n", map {
		join '|', map { s/^\s+|\s+$//gr } split /\|/, $_, -1
	} split /\n/, $output;
}

# What a message says in these fields; details and hints only where the page shows some.
sub told
{
	my ($message, $statement, @fields) = @_;
	my $shown = join "\n", @{ $statement->{shown} };

	return map { $message->{$_} // () } grep { $_ eq 'message' || $shown =~ /^\U$_\E:  /m } @fields;
}

# One statement: it runs, and gives what is shown, as far as all versions of PostgreSQL would.
sub try_statement
{
	my ($session, $page, $statement) = @_;
	my $sql = on_sandbox($statement->{sql});
	my ($name) = $statement->{sql} =~ /^((?:.*\n?){1,2})/;
	my ($roughly, $wanted) = $statement->{sql} =~ /-- (some )?(\d+) requests?\b/;
	$sandbox->clear;
	my $result = $session->run($sql);
	my $made   = $sandbox->count;
	my @told = map { told($_, $statement, qw(message detail hint)) } @{ $result->{notices} };
	push @told, map { told($_, $statement, qw(detail hint)) } @{ $result->{errors} };
	my ($rows, @messages) = expected($statement->{shown});

	# PostgreSQL 18 has more to say in the end.
	splice @told, scalar @messages if $sql =~ /^ANALYZE/;

	subtest "$page: $name" => sub {
		my $error = join "\n", map { /^ERROR:  (.*)/ ? pattern_of($1) : () } @{ $statement->{shown} };
		like(join("\n", map { $_->{message} } @{ $result->{errors} }), qr/^$error$/, 'the error, or none');
		like(printed($result->{output}), qr/^$rows$/, 'what it gives')
			if length $rows && ($major == 15 || $sql !~ /EXPLAIN/);
		is($made, $wanted, 'the requests that it makes') if defined $wanted && !$roughly;
		cmp_ok(abs($made - $wanted), '<=', $wanted / 5, "some $wanted requests: $made") if $roughly;
		my $patterns = join "\n", map { pattern_of($_) } @messages;
		like(join("\n", @told), qr/^$patterns$/, 'what it tells') if @messages;
	};
	return;
}

# What the charts of docs/reports.md were drawn from is what its views give.
sub compare_charts
{
	my ($session) = @_;
	my %columns_of = (
		backlog => q(day, open FROM reports.backlog_by_day WHERE day >= '2025-12-01'),
		load    => q(weekday, hour, messages FROM reports.load_by_hour));

	foreach my $chart (sort keys %columns_of)
	{
		is($session->query("SELECT $columns_of{$chart} ORDER BY 1, 2") =~ tr/|/\t/r . "\n",
			slurp_file("$tree/docs/reports-$chart.tsv"), "docs/reports-$chart.tsv");
	}
	return;
}

my @pages = ('README.md', map { s{^\Q$tree/\E}{}r } sort glob "$tree/docs/*.md");
my ($ran, $compared) = (0, 0);
my ($setup) = grep { "@{ $_->{lines} }" =~ /CREATE EXTENSION crisp_fdw/ } blocks_of('README.md');
my @setup = statements_of($setup);

# docs/security.md sets up on its own; docs/scaling.md, which takes several servers, has t/sync/scaling.t.
foreach my $page (grep { $_ ne 'docs/scaling.md' } @pages)
{
	my $database   = $page =~ s/\W+/_/gr;
	my @statements = page_of($page);
	my @first      = grep { $page ne 'docs/security.md' || $_->{sql} =~ /EXTENSION/ } @setup;
	my %is_first   = map { $_->{sql} => 1 } @first;

	next unless @statements;
	$node->safe_psql('postgres', qq(CREATE DATABASE "$database"));
	$node->safe_psql('postgres', qq(ALTER DATABASE "$database" SET timezone = 'UTC'));
	my $session = CrispSession->start($node, dbname => $database);
	$session->query(on_sandbox($_->{sql})) foreach @first;
	$session->query($before{$page}) if $before{$page};
	foreach my $statement (grep { !$is_first{ $_->{sql} } } @statements)
	{
		# t/sync/cron.t has what pg_cron runs; an error of Crisp's takes a Crisp that fails.
		next if $statement->{sql} =~ /\bcron\.|EXTENSION pg_cron/;
		next if "@{ $statement->{shown} }" =~ /Operation timed out|answered HTTP/;

		try_statement($session, $page, $statement);
		$ran++;
		$compared++ if @{ $statement->{shown} };
	}
	compare_charts($session) if $page eq 'docs/reports.md';
	$session->quit;
	$sandbox->reset;
}
cmp_ok($ran, '>', 110, 'there are statements');
cmp_ok($compared, '>', 25, '... of which something is shown');

done_testing();
