=pod

=head1 NAME

CrispSession - a session of psql whose errors are taken apart

=head1 SYNOPSIS

  use CrispSession;

  my $session = CrispSession->start($node);            # or ($node, user => 'alice')

  is($session->query('SELECT 1'), '1', 'one');         # dies when it fails
  my $result = $session->run('SELECT 1/0');            # { output, errors, notices }
  is($result->{errors}->[0]->{sqlstate}, '22012', 'no');

  $session->fails(
    'SELECT 1/0',
    { sqlstate => '22012', message => 'division by zero', hint => undef },
    'dividing by zero');                               # and the session goes on

  $session->send('SELECT pg_sleep(10)');
  # … something happens …
  $result = $session->wait;

=head1 DESCRIPTION

One psql, with one backend, for as many statements as a test has.  Whatever
takes longer than two minutes makes the test die.

=cut

package CrispSession;

use strict;
use warnings;

use IPC::Run ();
use Test::More;

# In seconds; where the server is a slow one, the environment says so.
my $LONGEST_WAIT = $ENV{PG_TEST_TIMEOUT_DEFAULT} // 120;

# What an error may have.
my %has_field = map { $_ => 1 } qw(severity sqlstate message detail hint context location query line);

=pod

=head1 METHODS

=over

=item CrispSession->start($node, [dbname => ..., user => ...])

=cut

sub start
{
	my ($class, $node, %parameter) = @_;
	my $connection = $node->connstr($parameter{dbname} // 'postgres');
	my $self = bless { node => $node, stdin => '', stdout => '', stderr => '', count => 0 }, $class;

	$connection .= " user=$parameter{user}" if defined $parameter{user};
	$self->{timer} = IPC::Run::timeout($LONGEST_WAIT);
	$self->{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $connection, '-f', '-' ],
		'<', \$self->{stdin}, '>', \$self->{stdout}, '2>', \$self->{stderr}, $self->{timer});
	$self->{pid} = $self->query('SELECT pg_backend_pid()');
	return $self;
}

=pod

=item CrispSession->start_nested($node, settings)

A session whose joins are nested loops, each run of whose inner side asks anew; then statements of its own.

=cut

sub start_nested
{
	my ($class, $node, $settings) = @_;
	my $self = $class->start($node);

	$self->query("SET client_min_messages = warning; SET TimeZone = 'UTC'; SET enable_hashjoin = off; "
		. 'SET enable_mergejoin = off; SET enable_material = off; SET enable_memoize = off;' . ($settings // ''));
	return $self;
}

=pod

=item $session->pid

The process id of the backend.

=cut

sub pid { return $_[0]->{pid} }

=pod

=item $session->run(sql)

Run statements and return what came of them: a hash with C<output>, as psql prints
rows without alignment, C<errors> and C<notices>.  The latter are lists of hashes with
severity, sqlstate, message, detail, hint and context, each undefined when absent.
C<lost> is true when the connection is gone.

=item $session->send(sql), $session->wait

The same in two steps.  The statements are under way when C<send> returns.

=cut

sub run
{
	my ($self, $sql) = @_;

	$self->send($sql);
	return $self->wait;
}

sub send    ## no critic (the name is that of what it does)
{
	my ($self, $sql) = @_;
	my $mark = $self->mark(++$self->{count});

	$self->{timer}->start($LONGEST_WAIT);
	$self->{stdin} .= "$sql\n;\n\\echo '$mark'\n\\warn '$mark'\n";
	$self->{run}->pump_nb while length $self->{stdin} && $self->{run}->pumpable;
	return;
}

sub wait    ## no critic
{
	my ($self) = @_;
	my $mark = $self->mark($self->{count});

	$self->{run}->pump
	  until $self->ended($mark) || !$self->{run}->pumpable;

	my %result = (output => $self->{stdout}, lost => !$self->ended($mark));
	my @messages = parse_messages($self->{stderr} =~ s/^\Q$mark\E\n//mr);
	$result{output} =~ s/^\Q$mark\E\n//m;
	chomp $result{output};
	$result{errors} = [ grep { $_->{severity} =~ /^(ERROR|FATAL|PANIC)$/ } @messages ];
	$result{notices} = [ grep { $_->{severity} !~ /^(ERROR|FATAL|PANIC)$/ } @messages ];
	$self->{stdout} = $self->{stderr} = '';
	$self->{run}->finish if $result{lost};
	return \%result;
}

sub mark
{
	my ($self, $number) = @_;

	return "-- end of $number";
}

sub ended
{
	my ($self, $mark) = @_;

	return $self->{stdout} =~ /^\Q$mark\E\n/m && $self->{stderr} =~ /^\Q$mark\E\n/m;
}

# Take what psql writes to standard error apart.
sub parse_messages
{
	my ($text) = @_;
	my @messages;
	my $field;

	foreach my $line (split /\n/, $text)
	{
		if ($line =~ /^(?:psql:<stdin>:\d+: )?([A-Z]+[0-9]?):  (?:([0-9A-Z]{5}): )?(.*)/
			&& $1 !~ /^(DETAIL|HINT|CONTEXT|LOCATION|QUERY|STATEMENT|LINE)$/)
		{
			push @messages, { severity => $1, sqlstate => $2, message => $3 };
			$field = 'message';
		}
		elsif (@messages && $line =~ /^(DETAIL|HINT|CONTEXT|LOCATION|QUERY):  (.*)/)
		{
			$field = lc $1;
			$messages[-1]->{$field} = $2;
		}
		elsif (@messages && $line =~ /^LINE \d+: /)
		{
			$field = 'line';
			$messages[-1]->{line} = $line;
		}
		elsif (@messages)
		{
			$messages[-1]->{$field} .= "\n$line";
		}
	}
	return @messages;
}

=pod

=item $session->query(sql)

The output of statements of which none may fail.

=cut

sub query
{
	my ($self, $sql) = @_;
	my $result = $self->run($sql);

	die "the connection was lost in: $sql\n" if $result->{lost};
	die "$_->{sqlstate}: $_->{message}\n" . ($_->{detail} // '') . "\nin: $sql\n"
	  foreach @{ $result->{errors} };
	return $result->{output};
}

=pod

=item $session->fails(sql, { field => expected, ... }, name)

One test: the statement raises just one error, which has these fields (a string
for all of it, a regular expression for a part, undef for none), and the same
backend then runs the next statement.  Returns the error.

=cut

sub fails
{
	my ($self, $sql, $expected, $name) = @_;
	my $result = $self->run($sql);
	my $error = $result->{errors}->[0];

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	subtest $name => sub {
		is(scalar @{ $result->{errors} }, 1, 'one error') or diag(explain($result));
		is_error($error, $expected);
		is($self->run('SELECT pg_backend_pid()')->{output}, $self->pid, 'the session goes on');
	};
	return $error;
}

# Tests within fails().
sub is_error
{
	my ($error, $expected) = @_;

	foreach my $field (sort keys %{$expected})
	{
		die "errors have no $field\n" unless $has_field{$field};
		if (ref $expected->{$field} eq 'Regexp')
		{
			like($error->{$field} // '', $expected->{$field}, $field);
		}
		else
		{
			is($error->{$field}, $expected->{$field}, $field);
		}
	}
	return;
}

=pod

=item $session->wait_until_waiting

Wait until the backend itself waits: for the network, or for the scans of an Append node.

=cut

sub wait_until_waiting
{
	my ($self) = @_;

	$self->{node}->poll_query_until('postgres', <<"END") or die "the backend does not wait\n";
SELECT state = 'active' AND (wait_event_type = 'Extension' OR wait_event = 'AppendReady')
FROM pg_stat_activity WHERE pid = $self->{pid}
END
	return;
}

=pod

=item $session->descriptors, $session->memory, $session->peak_memory

How many sockets, pipes, epoll descriptors and temporary files the backend has open,
and how much memory it has resident, in bytes: of its own now, and in all, at most, since it was started.
What it shares with others, buffers and libraries, comes in page by page as it is first touched, and is no growth.
The files of tables don't count: a backend keeps them open as it likes.
Where C<CRISP_MEMORY_FACTOR> says that PostgreSQL was built so that it takes so many times the memory
(C<make sanitize>), it's divided by that, and tests have the same bounds as ever.

=cut

sub descriptors
{
	my ($self) = @_;
	my $directory = "/proc/$self->{pid}/fd";

	opendir(my $handle, $directory) or die "cannot look at the backend: $!\n";
	return scalar grep { m{^(socket|pipe|anon_inode):|/pgsql_tmp} }
	  map { readlink("$directory/$_") // '' } readdir $handle;
}

sub memory { return $_[0]->kernel_of(smaps_rollup => 'Anonymous') }

sub peak_memory { return $_[0]->status_of('VmHWM') }

# What the kernel says of the backend, in bytes, and to some hundred kilobytes exactly.
sub status_of
{
	my ($self, $name) = @_;

	return $self->kernel_of(status => $name);
}

# The same, from any of the kernel's files; the one of mappings is exact.
sub kernel_of
{
	my ($self, $file, $name) = @_;

	open(my $status, '<', "/proc/$self->{pid}/$file") or die "cannot look at the backend: $!\n";
	my ($kilobytes) = map { /^$name:\s+(\d+) kB/ } <$status>;
	close $status;
	return $kilobytes * 1024 / ($ENV{CRISP_MEMORY_FACTOR} // 1);
}

=pod

=item $session->kill_client

End psql at once, so that the backend finds its client gone, now or later.

=cut

sub kill_client
{
	my ($self) = @_;

	$self->{run}->signal('KILL');
	$self->{run}->finish;
	return;
}

=pod

=item $session->quit

End the session.

=back

=cut

sub quit
{
	my ($self) = @_;

	$self->{stdin} .= "\\q\n";
	$self->{run}->finish;
	return;
}

1;
