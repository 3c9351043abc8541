
=pod

=head1 NAME

CrispWrites - what statements write to Crisp

=head1 SYNOPSIS

  use CrispWrites;

  watch_writes($session, $sandbox);

  $sandbox->clear;
  $session->query("UPDATE crisp.conversations SET state = 'pending' WHERE ...");
  is_deeply([ written_lines() ], [qq(PATCH $id/state {"state":"pending"})], 'one request');

  refused("UPDATE crisp.conversations SET topic = 'x'", { sqlstate => '0A000' }, 'topic');

=cut

package CrispWrites;

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP;
use Test::More;

our @EXPORT = qw(watch_writes written written_lines refused refused_unasked);

my ($session, $sandbox);
my $json = JSON::PP->new->canonical->allow_nonref;

=pod

=head1 FUNCTIONS

=over

=item watch_writes($session, $sandbox)

From now on, run statements in this session, and look at the requests to this sandbox.

=cut

sub watch_writes
{
	($session, $sandbox) = @_;
	return;
}

=pod

=item written()

The requests that are no GET, since the sandbox's log was cleared: a list of [method, path below
C<conversation/>, or from C<people/> on, decoded body or undef].

=cut

sub written
{
	return map { [
			$_->{method},
			$_->{path} =~ s{.*/conversation/}{}r =~ s{.*/(?=people/|conversation$)}{}r,
			length($_->{body} // '') ? $json->decode($_->{body}) : undef
		] }
	  grep { $_->{method} ne 'GET' } $sandbox->requests;
}

=pod

=item written_lines()

The same, each as a line of text.

=cut

sub written_lines
{
	return map {
		my ($method, $path, $body) = @{$_};

		"$method $path" . (defined $body ? ' ' . $json->encode($body) : '')
	} written();
}

=pod

=item refused(statement, { field => expected, ... }, name)

Tests: the statement fails as C<CrispSession-E<gt>fails> has it, and writes nothing.

=item refused_unasked(statement, { field => expected, ... }, name)

Likewise, and makes no request at all.

=back

=cut

sub refused
{
	my ($sql, $expected, $name) = @_;

	$sandbox->clear;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$session->fails($sql, $expected, $name);
	is_deeply([ written_lines() ], [], "$name: nothing was written");
	return;
}

sub refused_unasked
{
	my ($sql, $expected, $name) = @_;

	$sandbox->clear;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$session->fails($sql, $expected, $name);
	is($sandbox->count, 0, "$name: no request");
	return;
}

1;
