
=pod

=head1 NAME

CrispCopy - queries on foreign tables, compared with the same on local copies

=head1 SYNOPSIS

  use CrispCopy;
  use CrispStatement;

  run_statements($node, $sandbox);
  make_copies();
  check('resolved ones', pages_of('conversations', "state = 'resolved'"),
    "SELECT session_id FROM crisp.conversations WHERE state = 'resolved'");

=head1 DESCRIPTION

For tests of what a query costs: fewer requests are only worth something with the
same rows.  Statements run as those of L<CrispStatement>.

=cut

package CrispCopy;

use strict;
use warnings;

use CrispStatement;
use Exporter qw(import);
use Test::More;

our @EXPORT =
  qw(make_copies local_of sorted quoted check count pages_of plan_of lonely_time keys_of);

=pod

=head1 FUNCTIONS

=over

=item make_copies()

Copy crisp.conversations and crisp.people_profiles to the schema C<copy>, and import them once
more into C<ms>, with times in milliseconds.

=cut

sub make_copies
{
	sql(<<'END');
CREATE SCHEMA ms;
IMPORT FOREIGN SCHEMA crisp LIMIT TO (conversations, people_profiles) FROM SERVER support INTO ms
	OPTIONS (timestamp_type 'bigint');
CREATE SCHEMA copy;
CREATE TABLE copy.conversations AS SELECT * FROM crisp.conversations;
CREATE TABLE copy.people_profiles AS SELECT * FROM crisp.people_profiles;
CREATE INDEX ON copy.conversations (session_id);
CREATE INDEX ON copy.conversations (updated_at);
CREATE INDEX ON copy.people_profiles (people_id);
CREATE INDEX ON copy.people_profiles (email);
ANALYZE copy.conversations, copy.people_profiles;
END
	return;
}

=pod

=item local_of(statement)

The same statement on the copies.

=item sorted(printed)

The same lines, sorted.

=item quoted(text, ...)

A list of SQL literals.

=cut

sub local_of
{
	return $_[0] =~ s/\b(?:crisp|ms)\.(?=conversations|people_profiles)/copy./gr;
}

sub sorted { return join "\n", sort split /\n/, $_[0] }

sub quoted
{
	return join ', ', map { "'" . s/'/''/gr . "'" } @_;
}

=pod

=item check(name, requests, statement, option => value, ...)

One test: the statement makes so many requests, and gives the rows that it gives on the
copies.  Options: C<ordered> (in this order), C<local> (the statement for the copies, where it is
another), C<before> (statements that go first on both sides), C<asked> (a regular expression for
the target of each request), C<none> (there may be no rows at all).  Returns what was printed.

=cut

sub check
{
	my ($name, $requests, $statement, %option) = @_;
	my $before = defined $option{before} ? "$option{before};" : '';
	my $local  = sql("$before " . ($option{local} // local_of($statement)));
	my ($foreign, @requests) = requests_of("$before $statement");

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	subtest $name => sub {
		is($option{ordered} ? $foreign : sorted($foreign),
			$option{ordered} ? $local : sorted($local), 'rows')
		  or diag($statement);
		is(scalar @requests, $requests, 'requests') or diag($statement);
		isnt($foreign, '', 'there are some') unless $option{none};
		if ($option{asked})
		{
			like("$_->{path}?" . ($_->{query} // ''), $option{asked}, 'asked') foreach @requests;
		}
	};
	return $foreign;
}

=pod

=item count(table, condition), pages_of(table, condition)

How many rows of a copy satisfy a condition, and how many requests a list of them costs.

=cut

sub count
{
	my ($table, $condition) = @_;

	return sql("SELECT count(*) FROM copy.$table WHERE $condition");
}

sub pages_of { return pages(count(@_)) }

=pod

=item plan_of(statement, [before => ..., options => 'COSTS OFF'])

The plan of a statement, and a test that no request was made for it.

=cut

sub plan_of
{
	my ($statement, %option) = @_;
	my $options = $option{options} // 'COSTS OFF';
	my $before  = defined $option{before} ? "$option{before};" : '';
	my ($plan, @requests) = requests_of("$before EXPLAIN ($options) $statement");

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(scalar @requests, 0, "no request for EXPLAIN $statement");
	return $plan;
}

=pod

=item lonely_time('ASC' or 'DESC')

The updated_at of the conversation that has 130 before it in this order, or near: one that no
other conversation shares, not even within the millisecond by which bounds are widened.

=item keys_of(table, column, number)

So many values of a column of a copy.

=back

=cut

sub lonely_time
{
	my ($order) = @_;

	return sql(<<"END");
SELECT updated_at FROM copy.conversations c
WHERE NOT EXISTS (SELECT FROM copy.conversations d WHERE d.session_id <> c.session_id
	AND d.updated_at BETWEEN c.updated_at - interval '3 ms' AND c.updated_at + interval '3 ms')
ORDER BY updated_at $order OFFSET 130 LIMIT 1
END
}

sub keys_of
{
	my ($table, $column, $number) = @_;

	return split /\n/,
	  sql(
		"SELECT $column FROM copy.$table WHERE $column IS NOT NULL ORDER BY md5($column) LIMIT $number"
	  );
}

1;
