
=pod

=head1 NAME

CrispStatement - what SQL statements print, and the requests that they cost

=head1 SYNOPSIS

  use CrispStatement;

  run_statements($node, $sandbox);

  is(costs(1, 'SELECT count(*) FROM crisp.operators', 'count'), 12, 'all of them');
  my ($printed, @requests) = requests_of('SELECT ...');
  is(parameters($requests[0])->{per_page}, 50, 'full pages');

=head1 DESCRIPTION

All statements run in one backend, but each of them in a session without a past:
settings, roles, prepared statements and temporary tables are gone, and the
time zone is UTC.

=cut

package CrispStatement;

use strict;
use warnings;

use CrispSession;
use Exporter qw(import);
use POSIX    qw(ceil);
use Test::More;

our @EXPORT = qw(run_statements sql requests_of costs queries parameters pages);

my ($session, $sandbox);

=pod

=head1 FUNCTIONS

=over

=item run_statements($node, $sandbox)

From now on, run statements on this server, and look at the requests to this sandbox.

=cut

sub run_statements
{
	my $node = shift;

	$sandbox = shift;
	$session = CrispSession->start($node);
	return;
}

=pod

=item sql(statement)

What psql prints for it.

=cut

sub sql
{
	my ($statement) = @_;

	return $session->query("DISCARD ALL; SET TimeZone = 'UTC'; $statement");
}

=pod

=item requests_of(statement)

The same, and the requests that it made, as the sandbox logs them.

=cut

sub requests_of
{
	my ($statement) = @_;

	$sandbox->clear;
	my $printed = sql($statement);
	return ($printed, $sandbox->requests);
}

=pod

=item costs(number, statement, name)

What psql prints, and a test of how many requests the statement makes.

=cut

sub costs
{
	my ($number, $statement, $name) = @_;
	my ($printed, @requests) = requests_of($statement);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(scalar @requests, $number, "$name: requests");
	return $printed;
}

=pod

=item queries()

The query strings of the requests of the last statement, with blanks between them.

=cut

sub queries
{
	return join ' ', map { $_->{query} } $sandbox->requests;
}

=pod

=item parameters(request)

The query parameters of a request: a hash.

=cut

sub parameters
{
	my ($request) = @_;
	my %parameter = map { split /=/, $_, 2 } split /&/, $request->{query} // '';

	s/%([[:xdigit:]]{2})/chr hex $1/ge foreach values %parameter;
	return \%parameter;
}

=pod

=item pages(rows, [per_page])

How many requests a list of so many rows costs, once the backend has seen that the server
tells pages that are not the last by status 206.

=back

=cut

sub pages
{
	my ($rows, $per_page) = @_;

	return ceil($rows / ($per_page // 50)) || 1;
}

1;
