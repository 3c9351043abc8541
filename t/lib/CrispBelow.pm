
=pod

=head1 NAME

CrispBelow - tables whose lists lie below rows of another, compared with what the sandbox has

=head1 SYNOPSIS

  use CrispBelow;
  use CrispStatement;

  run_statements($node, $sandbox);
  my $events = below_of($sandbox, 'conversation_events', session_id => \@sessions);

  is(table_rows('conversation_events', "session_id = '$one'"), element_rows('conversation_events', $events, $one),
    'the events of one');

=head1 DESCRIPTION

Rows are compared as multisets of all that they are, since such lists may have several rows that are the same in
everything. Statements run as those of L<CrispStatement>.

=cut

package CrispBelow;

use strict;
use warnings;

use CrispStatement;
use Exporter qw(import);
use JSON::PP;
use POSIX qw(ceil strftime);

our @EXPORT = qw(below_of table_rows element_rows pages_below pages_of_list);

my $exact = JSON::PP->new->utf8->allow_nonref->canonical->allow_bignum;
my %columns;

=pod

=head1 FUNCTIONS

=over

=item below_of($sandbox, resource, parent's member => [its keys], [parameter => value, ...])

The elements of all these lists, as the sandbox has them now: a hash of the parents' keys. The parameters are those of
C<GET /_rows>, as C<< type => 'opened' >>.

=cut

sub below_of
{
	my ($sandbox, $resource, $member, $keys, %more) = @_;
	my %elements;

	foreach my $key (@{$keys})
	{
		$elements{$key} =
		  [ map { $exact->decode($_) } $sandbox->raw_rows($resource, undef, $member => $key, %more) ];
	}
	return \%elements;
}

=pod

=item pages_below(elements, [key, ...])

How many requests these lists take, all or those below some rows, in pages of twenty, where 200 tells the last page.
Where a page has a row like one of the page before, that is looked at again.

=item pages_of_list(elements of a list, rows a page)

The same of one list.

=cut

sub pages_of_list
{
	my ($rows, $size) = @_;
	my @texts = map { $exact->encode($_) } @{$rows};
	my $requests = ceil(@texts / $size) || 1;

	for (my $edge = $size; $edge < @texts; $edge += $size)
	{
		my %before = map { $_ => 1 } @texts[ $edge - $size .. $edge - 1 ];
		my $last   = $edge + $size > @texts ? $#texts : $edge + $size - 1;

		$requests++ if grep { $before{$_} } @texts[ $edge .. $last ];
	}
	return $requests;
}

sub pages_below
{
	my ($elements, @keys) = @_;
	my $requests = 0;

	$requests += pages_of_list($elements->{$_}, 20) foreach @keys ? @keys : keys %{$elements};
	return $requests;
}

# The columns of a table, by the catalog, but for those of the website.
sub columns_of
{
	my ($table) = @_;

	$columns{$table} //= [
		grep { $_->{column_name} ne 'website_id' }
		map { $exact->decode($_) } split /\n/,
		sql("SELECT row_to_json(c) FROM crisp_fdw_columns() c WHERE resource = '$table'") ];
	return @{ $columns{$table} };
}

sub text_of
{
	my (@values) = @_;

	return join ' ', map { $exact->encode($_) } @values;
}

=pod

=item table_rows(table, [condition])

What a query of all columns gives: a text, a line a row, sorted.

=cut

sub table_rows
{
	my ($table, $condition) = @_;
	my $where = $condition ? "WHERE $condition" : '';

	return join "\n", sort map {
		my $row = $exact->decode($_);
		text_of(map { $row->{ $_->{column_name} } } columns_of($table))
	} split /\n/, sql("SELECT to_jsonb(t) FROM crisp.$table t $where");
}

sub value_at
{
	my ($value, $path) = @_;

	$value = ref $value eq 'HASH' ? $value->{$_} : undef foreach split /\./, $path;
	return $value;
}

sub shown
{
	my ($value, $type) = @_;

	return $value unless defined $value && $type eq 'timestamp with time zone';

	my $fraction = sprintf('.%03d', $value % 1000) =~ s/\.?0*$//r;
	return strftime('%Y-%m-%dT%H:%M:%S', gmtime($value / 1000)) . "$fraction+00:00";
}

=pod

=item element_rows(table, elements, key or [keys], [common])

What that query is to give, by these elements: of the lists below the rows with these keys, or of all. In common, a
function of a key, all columns are given that elements don't have themselves, or that go before what they have.

=back

=cut

sub element_rows
{
	my ($table, $elements, $keys, $common) = @_;
	my @rows;

	$keys = ref $keys ? $keys : defined $keys ? [$keys] : [ keys %{$elements} ];
	foreach my $key (@{$keys})
	{
		my %common = $common->($key);

		foreach my $element (@{ $elements->{$key} })
		{
			push @rows, text_of(
				map {
					my $path = $_->{json_path} // $_->{column_name};
					shown(exists $common{$path} ? $common{$path} : value_at($element, $path), $_->{data_type})
				} columns_of($table));
		}
	}
	return join "\n", sort @rows;
}

1;
