=pod

=head1 NAME

CrispCron - statements that pg_cron runs

=head1 SYNOPSIS

  use CrispCron;

  plan_without_cron();
  my $node = start_node(cron_settings());
  $node->safe_psql('postgres', 'CREATE EXTENSION pg_cron');

  my $run = run_by_cron($node, 'REFRESH MATERIALIZED VIEW report');
  is($run->{status}, 'succeeded', 'refreshed');

  $run = start_by_cron($node, 'REFRESH MATERIALIZED VIEW report');
  # … something happens …
  $run = end_of_run($node, $run);

=head1 DESCRIPTION

The runs are those of pg_cron itself: its launcher starts them, in processes of their own.  A schedule
has a minute to wait for, as a rule; so a statement that is to run once is scheduled for
the start of the server (C<@reboot>), and the server is started anew.  B<Sessions end with that.>

=cut

package CrispCron;

use strict;
use warnings;

use Exporter qw(import);
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT =
  qw(plan_without_cron cron_settings run_by_cron start_by_cron end_of_run end_of_next_run
  shortest_schedule);

my $separator = "\x1f";

=pod

=head1 FUNCTIONS

=over

=item plan_without_cron()

Leave the whole test out where pg_cron is not installed, which C<make test> counts as skipped.

=cut

sub plan_without_cron
{
	my ($version) = `pg_config --version` =~ /(\d+)/;
	chomp(my $directory = `pg_config --sharedir`);

	plan(skip_all => "there is no pg_cron for PostgreSQL $version (Debian: postgresql-$version-cron)")
	  unless -e "$directory/extension/pg_cron.control";
	return;
}

=pod

=item cron_settings([setting, ...])

The lines of F<postgresql.conf> with which pg_cron runs jobs in background workers; further
lines may follow.

=cut

sub cron_settings
{
	my (@settings) = @_;

	return (
		"shared_preload_libraries = 'pg_cron'",
		"cron.database_name = 'postgres'",
		'cron.use_background_workers = on', @settings);
}

=pod

=item start_by_cron($node, statement, [user])

Have pg_cron run the statement as this user, by default the one who runs the test, once.  Returns when
it runs, or is through already: a hash with C<job> and C<pid>.

=cut

sub start_by_cron
{
	my ($node, $statement, $user) = @_;
	my $job = schedule($node, '@reboot', $statement, $user);

	$node->restart;
	$node->poll_query_until('postgres',
		"SELECT EXISTS (SELECT FROM cron.job_run_details WHERE jobid = $job AND job_pid IS NOT NULL)")
	  or die "pg_cron did not start the job\n";
	my $pid = $node->safe_psql('postgres',
		"SELECT job_pid FROM cron.job_run_details WHERE jobid = $job");
	return { job => $job, pid => $pid };
}

# Give a job to pg_cron; returns its number.  Each has a name of its own.
sub schedule
{
	my ($node, $schedule, $statement, $user) = @_;
	my $as = defined $user ? "SET ROLE $user;" : '';

	return $node->safe_psql('postgres',
		"$as SELECT cron.schedule(md5(random()::text), '$schedule', \$statement\$$statement\$statement\$)");
}

=pod

=item end_of_run($node, $run)

Wait for the end of this run, and forget the job.  Returns a hash with C<job>, C<pid>, C<status> (succeeded or
failed) and C<message>.

=cut

sub end_of_run
{
	my ($node, $run) = @_;

	$node->poll_query_until('postgres',
		"SELECT EXISTS (SELECT FROM cron.job_run_details WHERE jobid = $run->{job} AND end_time IS NOT NULL)"
	) or die "the job of pg_cron did not end\n";
	$run = last_run($node, $run->{job});
	$node->safe_psql('postgres', "SELECT cron.unschedule($run->{job})");
	return $run;
}

# The last run of a job.
sub last_run
{
	my ($node, $job) = @_;
	my %run;

	@run{qw(job pid status message)} = split /$separator/, $node->safe_psql('postgres', <<"END");
SELECT concat_ws(chr(31), jobid, coalesce(job_pid, 0), status, return_message)
FROM cron.job_run_details WHERE jobid = $job AND end_time IS NOT NULL ORDER BY runid DESC LIMIT 1
END
	return \%run;
}

=pod

=item run_by_cron($node, statement, [user])

Both in one.

=cut

sub run_by_cron
{
	my ($node, $statement, $user) = @_;

	return end_of_run($node, start_by_cron($node, $statement, $user));
}

=pod

=item shortest_schedule($node)

How often pg_cron can run a job, at most: each second since its release 1.5, else each minute.

=item end_of_next_run($node, job)

Wait for the end of a run that begins after this, of a job that has a schedule, and return it as
C<end_of_run> does.

=back

=cut

sub shortest_schedule
{
	my ($node) = @_;
	my ($major, $minor) = split /\D/,
	  $node->safe_psql('postgres', q(SELECT extversion FROM pg_extension WHERE extname = 'pg_cron'));

	return $major > 1 || $minor >= 5 ? '1 second' : '* * * * *';
}

sub end_of_next_run
{
	my ($node, $job) = @_;
	my $now = $node->safe_psql('postgres', 'SELECT clock_timestamp()');

	$node->poll_query_until('postgres', <<"END") or die "pg_cron did not run the job\n";
SELECT EXISTS (SELECT FROM cron.job_run_details
	WHERE jobid = $job AND start_time > '$now' AND end_time IS NOT NULL)
END
	return last_run($node, $job);
}

1;
