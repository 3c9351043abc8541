=pod

=head1 NAME

CrispListener - a port on which a test itself is the server

=head1 SYNOPSIS

  use CrispListener;

  my $listener = CrispListener->new;
  $listener->port;
  $session->send('SELECT …');
  my $request = $listener->answer("HTTP/1.1 200 Teapot\r\n…");    # what was received
  my $result = $session->wait;

  ok(!$listener->was_called, 'nobody came');

=head1 DESCRIPTION

For what the sandbox, which speaks HTTP and means it, does not do: answers
that aren't HTTP, servers that say nothing at all, ports on which nobody answers
a call, and ports that nobody must call.  Nothing runs in the background: the
kernel accepts connections, and the test answers one when it says so.

=cut

package CrispListener;

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;

my $LONGEST_WAIT = 30;    # seconds

=pod

=head1 METHODS

=over

=item CrispListener->new([backlog])

Listen on a free port of 127.0.0.1.

=cut

sub new
{
	my ($class, $backlog) = @_;
	my $socket = IO::Socket::INET->new(
		LocalAddr => '127.0.0.1',
		LocalPort => 0,
		Proto => 'tcp',
		Listen => $backlog // 16
	) or die "cannot listen: $!\n";

	return bless { socket => $socket, callers => [] }, $class;
}

=pod

=item $listener->port

=item $listener->was_called

Whether somebody has connected and got no answer yet.

=cut

sub port { return $_[0]->{socket}->sockport }

sub was_called
{
	my ($self) = @_;

	return scalar IO::Select->new($self->{socket})->can_read(0);
}

=pod

=item $listener->answer(text, or a function of the request)

Wait for a request without body, answer with this text, verbatim, and close the
connection.  Returns the request.

=cut

sub answer
{
	my ($self, $answer) = @_;

	local $SIG{PIPE} = 'IGNORE';    # who asked may have gone

	IO::Select->new($self->{socket})->can_read($LONGEST_WAIT) or die "no request came\n";
	my $caller = $self->{socket}->accept or die "cannot accept: $!\n";
	my $request = '';

	while ($request !~ /\r\n\r\n$/)
	{
		IO::Select->new($caller)->can_read($LONGEST_WAIT) or die "no whole request came\n";
		sysread($caller, $request, 65536, length $request) or die "no whole request came\n";
	}
	syswrite($caller, ref $answer ? $answer->($request) : $answer);
	close $caller;
	return $request;
}

=pod

=item $listener->fill

Connect until the kernel accepts no more, so that who calls next gets no answer,
not even a refusal.  Returns false when that can't be brought about.

=back

=cut

sub fill
{
	my ($self) = @_;

	for (1 .. 64)
	{
		my $caller = IO::Socket::INET->new(
			PeerAddr => '127.0.0.1',
			PeerPort => $self->port,
			Proto => 'tcp',
			Timeout => 0.3
		) or return 1;
		push @{ $self->{callers} }, $caller;
	}
	return 0;
}

1;
