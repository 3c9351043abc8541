
=pod

=head1 NAME

CrispTruth - the rows that a table should have, column by column

=head1 SYNOPSIS

  use CrispTruth;

  my $asker = CrispTruth->new($node, $sandbox, 'website');
  my ($data, $status) = $asker->ask("website/$id/teams/list/1");
  my @elements = $asker->list("website/$id/teams/list");      # all pages

  is(rows_text('crisp.teams', 'teams'), truth_text('teams', {}, @elements), 'every column');

=head1 DESCRIPTION

The catalog says which columns there are, of which type, and where in the JSON they are; what they
should have is looked up in what the API answers, by Perl.  Rows are texts, sorted, one a line.

=cut

package CrispTruth;

use strict;
use warnings;

use CrispStatement;
use Exporter qw(import);
use HTTP::Tiny;
use JSON::PP;
use MIME::Base64 ();

our @EXPORT = qw(rows_text truth_text catalog_columns);

my $json = JSON::PP->new->utf8->allow_nonref->canonical->allow_bignum;

=pod

=head1 FUNCTIONS

=over

=item CrispTruth->new($sandbox, tier)

What asks the sandbox with the credentials of a tier.

=item $asker->ask(route), ->list(route)

The data and the status of an answer; the elements of all pages of a list.

=cut

sub new
{
	my ($class, $sandbox, $tier) = @_;
	my $credentials = $sandbox->credentials($tier);
	my $basic = MIME::Base64::encode_base64(join(':', @{$credentials}{qw(identifier key)}), '');
	my $http = HTTP::Tiny->new(default_headers => { 'X-Crisp-Tier' => $tier, 'Authorization' => "Basic $basic" });

	return bless { http => $http, url => $sandbox->url }, $class;
}

sub ask
{
	my ($self, $route) = @_;
	my $response = $self->{http}->get("$self->{url}/$route");

	die "$route: $response->{status}\n" unless $response->{success};
	return ($json->decode($response->{content})->{data}, $response->{status});
}

sub list
{
	my ($self, $route) = @_;
	my @elements;

	for (my $page = 1; ; $page++)
	{
		my ($data, $status) = $self->ask("$route/$page");

		push @elements, @{$data};
		return @elements if $status == 200;
	}
}

=pod

=item catalog_columns(resource)

The columns of a resource: a list of hashes with name, type and path, which is undef for what is no field.

=cut

my %columns;

sub catalog_columns
{
	my ($resource) = @_;

	$columns{$resource} //= [
		map {
			my ($name, $type, $path) = split /\|/, $_, 3;
			{ name => $name, type => $type, path => length $path ? $path : undef }
		} split /\n/,
		sql("SELECT column_name, data_type, json_path FROM crisp_fdw_columns() WHERE resource = '$resource'") ];
	return @{ $columns{$resource} };
}

# Scalars as texts; numbers in one spelling.
sub plain
{
	my ($value) = @_;

	return undef unless defined $value;    ## no critic (NULL is a value here)
	return [ map { plain($_) } @{$value} ] if ref $value eq 'ARRAY';
	return { map { $_ => plain($value->{$_}) } keys %{$value} } if ref $value eq 'HASH';
	return $value ? 'true' : 'false' if JSON::PP::is_bool($value);
	$value = "$value";
	return $value =~ /^-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?$/ ? 0 + $value : $value;
}

sub lines
{
	return join "\n", sort map { $json->encode(plain($_)) } @_;
}

=pod

=item rows_text(table, resource, [rest of the statement])

The rows of a table, all columns that the catalog has of the resource.  Times are Unix milliseconds.

=cut

sub rows_text
{
	my ($table, $resource, $rest) = @_;
	my $columns = join ', ', map {
		$_->{type} =~ /^timestamp/
		  ? qq((extract(epoch FROM t."$_->{name}") * 1000)::bigint)
		  : qq(t."$_->{name}")
	} catalog_columns($resource);

	return lines(map { $json->decode($_) } split /\n/, sql("SELECT json_build_array($columns) FROM $table t "
		. ($rest // '')));
}

=pod

=item truth_text(resource, { column => value, ... }, element, ...)

The same of elements as the API has them.  The hash has what columns read that are no fields.

=back

=cut

sub value_at
{
	my ($element, $path) = @_;

	foreach my $key (split /\./, $path)
	{
		return unless ref $element eq 'HASH';
		$element = $element->{$key};
	}
	return $element;
}

sub truth_text
{
	my ($resource, $given, @elements) = @_;
	my @columns = catalog_columns($resource);

	return lines(
		map {
			my $element = $_;
			[
				map {
					my $value = value_at($element, $_->{path} // $_->{name});
					exists $given->{ $_->{name} } ? $given->{ $_->{name} } : $value
				} @columns
			]
		} @elements);
}

1;
