=pod

=head1 NAME

CrispFront - the sandbox behind TLS, as Crisp is

=head1 SYNOPSIS

  use CrispFront;

  my $ca    = CrispFront::authority();
  my $front = CrispFront->start($sandbox, $ca);

  connect_crisp($node, $sandbox, url => $front->url, options => "sslrootcert '$ca->{certificate}'");
  my @requests = $front->requests;

=head1 DESCRIPTION

B<nghttpx> takes requests over TLS, in HTTP/2 or HTTP/1.1, and hands them on to the
sandbox. Its certificate is one that the test has made.

=cut

package CrispFront;

use strict;
use warnings;

use IO::Socket::INET ();
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

my $LONGEST_WAIT = 30;    # seconds

# A command that must not fail; what it prints is of no interest.
sub run_quietly
{
	my ($command, $input) = @_;
	my ($output, $errors);

	IPC::Run::run($command, '<', \($input // ''), '>', \$output, '2>', \$errors)
	  or die "$command->[0] $command->[1] failed: $errors\n";
	return;
}

=pod

=head1 FUNCTIONS

=over

=item authority()

A certificate authority that nobody knows yet: a hash of the paths C<certificate> and C<key>.

=cut

sub authority
{
	my $directory = PostgreSQL::Test::Utils::tempdir();
	my %ca = (certificate => "$directory/ca.pem", key => "$directory/ca.key");

	run_quietly(
		[   qw(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2),
			'-subj' => '/CN=an authority for tests',
			'-keyout' => $ca{key},
			'-out' => $ca{certificate} ]);
	return \%ca;
}

# The name of the option that says what to speak: it has changed.
sub protocol_option
{
	my $help;

	IPC::Run::run([qw(nghttpx --help)], '>', \$help) or die "there is no nghttpx\n";
	return $help =~ /--alpn-list/ ? '--alpn-list' : '--npn-list';
}

# A certificate of this authority for a name, such as IP:127.0.0.1.
sub certificate
{
	my ($ca, $name) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir();
	my %own = (certificate => "$directory/server.pem", key => "$directory/server.key");

	run_quietly(
		[   qw(openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=server),
			'-keyout' => $own{key},
			'-out' => "$directory/server.csr" ]);
	append_to_file("$directory/names", "subjectAltName=$name\n");
	run_quietly(
		[   qw(openssl x509 -req -days 2),
			'-in' => "$directory/server.csr",
			'-CA' => $ca->{certificate},
			'-CAkey' => $ca->{key},
			'-set_serial' => 1,
			'-extfile' => "$directory/names",
			'-out' => $own{certificate} ]);
	return \%own;
}

=pod

=item CrispFront->start($sandbox, $ca, [name => value, ...])

Listen on 127.0.0.1 with a certificate of that authority.  Parameters: C<port> (a free one), C<name>
(IP:127.0.0.1, whom the certificate is for), C<protocol> (h2 or http/1.1; by default, the caller has the
choice), C<arguments> (more of nghttpx, as an array).

=cut

sub start
{
	my ($class, $sandbox, $ca, %parameter) = @_;
	my $own = certificate($ca, $parameter{name} // 'IP:127.0.0.1');
	my $port = $parameter{port} // PostgreSQL::Test::Cluster::get_free_port();
	my $log = PostgreSQL::Test::Utils::tempdir() . '/access.log';
	my @arguments = @{ $parameter{arguments} // [] };
	push @arguments, protocol_option() . "=$parameter{protocol}" if defined $parameter{protocol};
	my ($backend) = $sandbox->url =~ m{^http://([\d.]+:\d+)/};
	my $self = bless { port => $port, log => $log, said => '' }, $class;

	$self->{process} = IPC::Run::start(
		[   qw(nghttpx --conf=/dev/null --workers=1 --no-ocsp --log-level=NOTICE),
			"--frontend=127.0.0.1,$port",
			'--backend=' . ($backend =~ tr/:/,/r),
			"--accesslog-file=$log",
			'--accesslog-format=$alpn $remote_port $status $request',
			@arguments,
			$own->{key},
			$own->{certificate} ],
		'<',
		\undef,
		'>&',
		\$self->{said},
		IPC::Run::timeout(600));
	$self->wait_until_it_listens;
	return $self;
}

sub wait_until_it_listens
{
	my ($self) = @_;

	for (my $end = time + $LONGEST_WAIT; time < $end; select(undef, undef, undef, 0.05))
	{
		die "nghttpx ended: $self->{said}\n" unless $self->{process}->pumpable;
		return if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port});
		$self->{process}->pump_nb;
	}
	die "nghttpx does not listen: $self->{said}\n";
}

=pod

=item $front->url, ->port

The base URL of the API, and the port.

=item $front->requests

What was asked since the last call: hashes of C<protocol> (h2, http/1.1), C<connection> (the same for
requests that came over the same one), C<status> and C<line> (of the request).

=item $front->stop

End it, and all of its connections.

=item $front->leave

Take no more connections, and no more requests on those that there are.

=back

=cut

sub port { return $_[0]->{port} }

sub url { return "https://127.0.0.1:$_[0]->{port}/v1" }

sub requests
{
	my ($self) = @_;
	my $text = slurp_file($self->{log}, $self->{read} // 0);
	my @requests;

	$self->{read} += length $text;
	while ($text =~ /^(\S+) (\d+) (\d+) (.*)$/mg)
	{
		push @requests, { protocol => $1, connection => $2, status => $3, line => $4 };
	}
	return @requests;
}

sub stop
{
	my ($self) = @_;
	my $process = delete $self->{process} or return;

	$process->kill_kill;
	return;
}

sub leave
{
	my ($self) = @_;

	$self->{process}->signal('QUIT');
	for (my $end = time + $LONGEST_WAIT; time < $end; select(undef, undef, undef, 0.05))
	{
		return unless IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port});
	}
	die "nghttpx goes on listening\n";
}

sub DESTROY
{
	my ($self) = @_;

	local ($?, $@, $!);
	$self->stop;
	return;
}

1;
