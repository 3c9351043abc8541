=pod

=head1 NAME

CrispPush - runs of crisp_push(), and what they have sent

=head1 SYNOPSIS

  use CrispPush;

  push_with($session, $sandbox);

  my $run = push_rows(q('public.customers', 'crisp.people_profiles', key => 'email'));
  is_deeply($run->{requests}, ['PATCH people/profile/a@b.c {"notepad":"x"}'], 'one request');
  push_fails(q('public.customers', 'crisp.visitors'), { sqlstate => '55000' }, 'visitors');

=cut

package CrispPush;

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP;
use Test::More;

our @EXPORT = qw(push_with push_rows push_fails push_unasked push_status push_problems sent);

my ($session, $sandbox);
my $json = JSON::PP->new->canonical->allow_nonref;

=pod

=head1 FUNCTIONS

=over

=item push_with($session, $sandbox)

From now on, run pushes in this session, and look at the requests to this sandbox.

=cut

sub push_with
{
	($session, $sandbox) = @_;
	return;
}

=pod

=item sent()

The requests since the sandbox's log was cleared, as lines: method, path below the website, and the
body, if there is one.

=cut

sub sent
{
	return map {
		my $path = $_->{path} =~ s{^.*?website/[^/]+/}{}r =~ s/%40/@/gr;

		"$_->{method} $path" . (length($_->{body} // '') ? ' ' . $json->encode($json->decode($_->{body})) : '')
	} $sandbox->requests;
}

=pod

=item push_rows(arguments)

Run crisp_push() with these arguments, as SQL.  Returns a hash: C<notices>, all messages of its
notices in one string, and C<requests>, the lines that C<sent> gives.

=cut

sub push_rows
{
	my ($arguments) = @_;

	$sandbox->clear;
	my $result = $session->run("CALL crisp_push($arguments)");
	die "the connection was lost in crisp_push($arguments)\n" if $result->{lost};
	die "$_->{sqlstate}: $_->{message}\n" . ($_->{detail} // '') . "\nin: crisp_push($arguments)\n"
	  foreach @{ $result->{errors} };
	return {
		notices => join("\n", map { $_->{message} } @{ $result->{notices} }),
		hints => join("\n", map { $_->{hint} // () } @{ $result->{notices} }),
		requests => [sent()]
	};
}

=pod

=item push_fails(arguments, { field => expected, ... }, name)

A test that it fails in this way, see L<CrispSession>.

=item push_unasked(arguments, { field => expected, ... }, name)

Likewise, and it makes no request.

=cut

sub push_fails
{
	my ($arguments, $expected, $name) = @_;

	$sandbox->clear;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return $session->fails("CALL crisp_push($arguments)", $expected, $name);
}

sub push_unasked
{
	my ($arguments, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	push_fails($arguments, $expected, $name);
	return is($sandbox->count, 0, "$name: no request");
}

=pod

=item push_status(expression, [source])

An expression over the line of crisp_push_status, of a source if there are several.

=item push_problems(source, target)

The lines of crisp_push_problems(): key, state and SQLSTATE of each.

=back

=cut

sub push_status
{
	my ($expression, $source) = @_;
	my $where = defined $source ? "WHERE source = '$source'::regclass" : '';

	return $session->query("SELECT $expression FROM crisp_push_status $where");
}

sub push_problems
{
	my ($source, $target) = @_;

	return split /\n/, $session->query("SELECT key, state, sqlstate FROM crisp_push_problems('$source', '$target')");
}

1;
