=pod

=head1 NAME

CrispSync - runs of crisp_sync(), and copies compared with what Crisp has

=head1 SYNOPSIS

  use CrispSync;

  sync_with($session, $sandbox);

  my $run = sync(q('crisp.conversations', 'public.conversations'));
  is($run->{requests}, 1, 'one page');
  is_copy('crisp.conversations', 'public.conversations', 'nothing is missing');

=cut

package CrispSync;

use strict;
use warnings;

use Exporter qw(import);
use Test::More;

our @EXPORT = qw(sync_with sync sync_fails is_copy compare_copy status last_run);

my ($session, $sandbox);

=pod

=head1 FUNCTIONS

=over

=item sync_with($session, $sandbox)

From now on, run syncs in this session, and look at the requests to this sandbox, rechecks among
them.

=cut

sub sync_with
{
	($session, $sandbox) = @_;
	$sandbox->show_rechecks(1);
	return;
}

=pod

=item sync(arguments)

Run crisp_sync() with these arguments, as SQL.  Returns a hash: C<notices>, all messages
of its notices in one string, C<details>, what stands below them, and C<requests>, the number of
requests that it made.

=cut

sub sync
{
	my ($arguments) = @_;

	$sandbox->clear;
	my $result = $session->run("CALL crisp_sync($arguments)");
	my @notices = @{ $result->{notices} };
	die "the connection was lost in crisp_sync($arguments)\n" if $result->{lost};
	die "$_->{sqlstate}: $_->{message}\n" . ($_->{detail} // '') . "\nin: crisp_sync($arguments)\n"
	  foreach @{ $result->{errors} };
	return {
		notices  => join("\n", map { $_->{message} } @notices),
		details  => join("\n", map { $_->{detail} // (), $_->{hint} // () } @notices),
		requests => $sandbox->count
	};
}

=pod

=item sync_fails(arguments, { field => expected, ... }, name)

A test that it fails in this way, see L<CrispSession>.

=cut

sub sync_fails
{
	my ($arguments, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return $session->fails("CALL crisp_sync($arguments)", $expected, $name);
}

=pod

=item is_copy(source, target, name, [condition])

One test: the target has just the rows that the source has, or those of them that satisfy a
condition.  Of operators these are those with a key, unless the condition says otherwise: who is
invited has none, and is in no copy.

=item compare_copy(source, target, [condition])

How many rows the source has, how many of these are not in the target, and how many of the target
are not in the source: a list.

=cut

sub is_copy
{
	my ($source, $target, $name, $condition) = @_;
	my ($rows, $missing, $extra) = compare_copy($source, $target, $condition);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is("$missing missing, $extra extra", '0 missing, 0 extra', "$name ($rows rows)")
	  && cmp_ok($rows, '>', 0, "$name: there are some");
}

sub compare_copy
{
	my ($source, $target, $condition) = @_;

	$condition //= $source =~ /operators$/ ? 'user_id IS NOT NULL' : 'true';
	my $columns = $session->query(<<"END");
SELECT string_agg(quote_ident(s.attname), ', ' ORDER BY s.attnum)
FROM pg_attribute s JOIN pg_attribute t ON t.attname = s.attname
WHERE s.attrelid = '$source'::regclass AND s.attnum > 0 AND t.attrelid = '$target'::regclass
END
	$session->query("CREATE TEMP TABLE at_crisp AS SELECT $columns FROM $source WHERE $condition");
	my $result = $session->query(<<"END");
SELECT (SELECT count(*) FROM at_crisp),
	(SELECT count(*) FROM (TABLE at_crisp EXCEPT ALL SELECT $columns FROM $target) m),
	(SELECT count(*) FROM (SELECT $columns FROM $target EXCEPT ALL TABLE at_crisp) e)
END
	$session->query('DROP TABLE at_crisp');
	return split /\|/, $result;
}

=pod

=item status(expression, [target])

An expression over the line of crisp_sync_status, of a target if there are several.

=item last_run(expression)

The same of the latest line of crisp_sync_run.

=back

=cut

sub status
{
	my ($expression, $target) = @_;
	my $where = defined $target ? "WHERE target = '$target'::regclass" : '';

	return $session->query("SELECT $expression FROM crisp_sync_status $where");
}

sub last_run
{
	my ($expression) = @_;

	return $session->query("SELECT $expression FROM crisp_sync_run ORDER BY run_id DESC LIMIT 1");
}

1;
