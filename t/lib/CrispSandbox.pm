=pod

=head1 NAME

CrispSandbox - a sandbox of the Crisp API for a TAP test

=head1 SYNOPSIS

  use CrispSandbox;

  my $sandbox = CrispSandbox->start(conversations => 1000, people => 200);

  $sandbox->url                       # http://127.0.0.1:PORT/v1
  $sandbox->website_id                # of the first website, or ->website_id(1)
  $sandbox->credentials('website')    # { tier, identifier, key }

  $sandbox->clear;                    # forget the requests so far
  is($sandbox->count, 3, 'three pages');
  is($_->{query}, 'per_page=50', 'full pages') foreach $sandbox->requests;

  $sandbox->control({ answers => [ { match => { path => '*/conversations/2' }, status => 500 } ] });
  $sandbox->data([ { op => 'touch', resource => 'conversations', index => 40 } ]);
  my @rows = $sandbox->rows('conversations');
  $sandbox->reset;                    # log, settings and data as at the start

=head1 DESCRIPTION

The program is the one that the environment variable CRISP_SANDBOX names.  It
is stopped when the object goes out of scope, and at the latest with the test.
Whatever the sandbox does not accept makes the test die.

=cut

package CrispSandbox;

use strict;
use warnings;

use HTTP::Tiny;
use JSON::PP ();
use JSON::XS ();
use MIME::Base64 qw(encode_base64);
use Time::HiRes qw(sleep);

my $LONGEST_WAIT = 60;    # seconds

# Sandboxes that run, by process id, to be stopped at the end.
my %running;

# Rows and requests are megabytes of JSON, which JSON::PP takes a minute for.
my $reader = JSON::XS->new->utf8->allow_nonref;

# A number stays one, also where a test has printed it.
my $json = JSON::PP->new->utf8->allow_nonref;

=pod

=head1 METHODS

=over

=item CrispSandbox->start(option => value, ...)

Start a sandbox.  The options are those of its command line, without the
dashes: C<< latency_ms => 20 >> or C<< 'latency-ms' => 20 >>.  An option without
a value, such as C<no-log>, gets C<undef>.

Where the environment variable CRISP_ENCODING names the encoding of databases (see L<CrispCluster>),
its texts have only characters that this encoding has, unless C<characters> says otherwise.

=cut

sub start
{
	my ($class, %option) = @_;
	my $program = $ENV{CRISP_SANDBOX}
	  or die "CRISP_SANDBOX does not say where the sandbox is\n";
	my @command = ($program, '--exit-with-parent');

	%option = (port => 0, seed => 42, %option);
	$option{characters} //= $ENV{CRISP_ENCODING} =~ tr/_/-/r if $ENV{CRISP_ENCODING};
	foreach my $name (sort keys %option)
	{
		push @command, '--' . ($name =~ tr/_/-/r);
		push @command, $option{$name} if defined $option{$name};
	}

	my $pid = open(my $output, '-|', @command) or die "cannot start $program: $!\n";
	my $line = readline($output) // 'nothing';
	my ($url) = $line =~ m{^crisp-sandbox: listening on (http://\S+/v1)$}
	  or die "the sandbox said: $line\n";

	my $self = bless {
		pid => $pid,
		output => $output,
		url => $url,
		origin => $url =~ s{/v1$}{}r,
		http => HTTP::Tiny->new(timeout => 180)
	}, $class;
	$running{$pid} = $self->{output};
	$self->{info} = $reader->decode($self->ask('GET', '/_info'));
	return $self;
}

=pod

=item $sandbox->url, ->pid, ->info

The base URL of the API, the process id, and what C<GET /_info> says.

=cut

sub url { return $_[0]->{url} }

sub pid { return $_[0]->{pid} }

sub info { return $_[0]->{info} }

=pod

=item $sandbox->website_id([number])

The id of a website, by default of the first, which is number 0.

=cut

sub website_id
{
	my ($self, $number) = @_;

	return $self->{info}->{websites}->[ $number // 0 ]->{website_id}
	  // die "the sandbox has no website $number\n";
}

=pod

=item $sandbox->credentials([tier], [website number])

The credentials of a tier as a hash of tier, identifier and key.  The tier C<website>, the
default, has others for each website.

=cut

sub credentials
{
	my ($self, $tier, $number) = @_;

	$tier //= 'website';
	return $self->{info}->{$tier} // die "the sandbox has no tier $tier\n" if $tier ne 'website';
	$self->website_id($number);
	return $self->{info}->{websites}->[ $number // 0 ]->{token};
}

=pod

=item $sandbox->requests

The requests to the API since the start or the last C<reset> or C<clear>: a list of
hashes with seq, at_ms, method, path, query, headers, connection, status, rows
and body.  The rechecks of scans are left out, as how many they are hangs on the moment.

=item $sandbox->show_rechecks(bool)

Whether C<requests> and C<count> are to show rechecks, too.

=cut

sub requests
{
	my ($self) = @_;
	my @requests = $self->logged;

	return @requests if $self->{rechecks};

	my (%previous, %rechecks, @shown);
	foreach my $request (@requests)
	{
		# A recheck may take several pages, and requests for other lists may stand between.
		my $list = (list_and_page($request))[0] // '';
		my $previous = $previous{$list};

		$rechecks{$list} =
		  is_recheck($request, $previous) || ($rechecks{$list} && follows($request, $previous));
		push @shown, $request unless $rechecks{$list};
		$previous{$list} = $request;
	}
	return @shown;
}

# All requests since the last clear.
sub logged
{
	my ($self) = @_;
	my $log = $reader->decode($self->ask('GET', '/_log?since=' . ($self->{since} // 0)));

	return @{ $log->{requests} };
}

# Whether a request is the recheck of the scan that made the request before it: the first page
# of the list of which that was a later one, now only of what has changed since.
sub is_recheck
{
	my ($request, $previous) = @_;
	my ($list,          $page)          = list_and_page($request)  or return 0;
	my ($previous_list, $previous_page) = list_and_page($previous) or return 0;
	my ($query,         $previous_query) = map { $_->{query} // '' } $request, $previous;

	return 0 unless $page == 1 && $previous_page > 1 && $list eq $previous_list;
	return $query eq $previous_query if $query =~ /sort_field=updated_at/;
	return $query =~ /filter_date_start=/ && without_start($query) eq without_start($previous_query);
}

# Whether a request is for the next page of the same list.
sub follows
{
	my ($request, $previous) = @_;
	my ($list,          $page)          = list_and_page($request)  or return 0;
	my ($previous_list, $previous_page) = list_and_page($previous) or return 0;

	return $list eq $previous_list
	  && $page == $previous_page + 1
	  && ($request->{query} // '') eq ($previous->{query} // '');
}

sub list_and_page
{
	my ($request) = @_;

	return defined $request ? $request->{path} =~ m{^(.*)/(\d+)$} : ();
}

sub without_start
{
	my ($query) = @_;

	return join '&', grep { !/^filter_date_start=/ } split /&/, $query;
}

sub show_rechecks
{
	my ($self, $show) = @_;

	$self->{rechecks} = $show;
	return;
}

=pod

=item $sandbox->count

How many requests these are.

=cut

sub count
{
	my ($self) = @_;

	return scalar(my @all = $self->requests);
}

=pod

=item CrispSandbox::together(request, ...), CrispSandbox::done(request)

How many of these requests were under way together, at most; when one was answered, in the same milliseconds as its
at_ms: one that is under way will be.

=cut

sub done { return $_[0]->{done_ms} // 9**15 }

sub together
{
	my (@requests) = @_;
	my $most = 0;

	foreach my $request (@requests)
	{
		my $number = grep {
			$_->{at_ms} <= $request->{at_ms}
			  && done($_) > $request->{at_ms}
		} @requests;
		$most = $number if $number > $most;
	}
	return $most;
}

=pod

=item $sandbox->targets

What was asked for by each of these requests, as C<GET path?query>: the words in which
EXPLAIN shows a request.

=cut

sub targets
{
	my ($self) = @_;

	return map {
		"$_->{method} $_->{path}" . (length($_->{query} // '') ? "?$_->{query}" : '')
	} $self->requests;
}

=pod

=item $sandbox->clear

Forget the requests so far, and leave settings and data as they are.

=cut

sub clear
{
	my ($self) = @_;
	my @all = $self->logged;

	$self->{since} = $all[-1]->{seq} if @all;
	return;
}

=pod

=item $sandbox->reset

Bring log, settings and data back to what they were at the start.

=cut

sub reset    ## no critic (the sandbox calls it so)
{
	my ($self) = @_;

	$self->ask('POST', '/_reset');
	delete $self->{since};
	return;
}

=pod

=item $sandbox->control({ setting => value, ... })

=item $sandbox->data([ operation, ... ])

Change how the sandbox answers, or its data; see F<sandbox/README.md>.  Numbers must
be numbers, and true and false C<JSON::PP::true> and C<JSON::PP::false>.  Where programs are slow,
C<CRISP_QUIET_MORE> says how many milliseconds C<quiet_ms> gets on top.

=cut

sub control
{
	my ($self, $settings) = @_;
	my %settings = %$settings;

	$settings{quiet_ms} += $ENV{CRISP_QUIET_MORE} // 0 if $settings{quiet_ms};
	$self->ask('POST', '/_control', \%settings);
	return;
}

sub data
{
	my ($self, $operations) = @_;

	$self->ask('POST', '/_data', $operations);
	return;
}

=pod

=item $sandbox->answer_with(path => { what to do }, ...)

Answer requests for these paths so from now on, and no others: see I<Faults> in F<sandbox/README.md>.

=cut

sub answer_with
{
	my ($self, @pairs) = @_;
	my @answers;

	while (my ($path, $answer) = splice @pairs, 0, 2)
	{
		push @answers, { match => { path => $path }, %{$answer} };
	}
	$self->control({ answers => \@answers });
	return;
}

=pod

=item $sandbox->wait_for_requests(number), $sandbox->wait_for_requests(number, method)

Wait until so many were made, and die when they don't come.

=cut

sub wait_for_requests
{
	my ($self, $number, $method) = @_;
	my $came = 0;

	for (1 .. $LONGEST_WAIT * 100)
	{
		$came = grep { !defined $method || $_->{method} eq $method } $self->requests;
		return if $came >= $number;
		sleep 0.01;
	}
	die "$came requests came, not $number\n";
}

=pod

=item $sandbox->wait_for_hang

Wait until a request was not answered for a while, and die when all are.

=cut

sub wait_for_hang
{
	my ($self) = @_;
	my ($oldest, $seen) = (0, 0);

	for (1 .. $LONGEST_WAIT * 20)
	{
		my ($open) = map { $_->{seq} } grep { !defined $_->{done_ms} } $self->requests;

		$seen = defined $open && $open == $oldest ? $seen + 1 : 0;
		$oldest = $open // 0;
		return if $seen == 6;
		sleep 0.05;
	}
	die "no request hangs\n";
}

=pod

=item $sandbox->rows(resource, [website_id], [parameter => value, ...])

The current rows of a list, as the API would give them: decoded, all of them whatever the settings.
The parameters are those of C<GET /_rows>, such as session_id, include_empty, plain and fields.

=item $sandbox->column(resource, field, [website_id], [parameter => value, ...])

One field of these rows, in their order; undef where a row lacks it.

=item $sandbox->raw_rows(resource, [website_id], [parameter => value, ...])

Their JSON text, for what no decoder accepts and for what must be exact.

=cut

sub rows
{
	my ($self, @arguments) = @_;

	return map { $reader->decode($_) } $self->raw_rows(@arguments);
}

sub column
{
	my ($self, $resource, $field, $website_id, %more) = @_;

	return map { $_->{$field} } $self->rows($resource, $website_id, %more, fields => $field);
}

sub raw_rows
{
	my ($self, $resource, $website_id, %more) = @_;

	$website_id //= $self->website_id;
	return split /\n/,
	  $self->ask('GET',
		join '&', "/_rows?resource=$resource", "website_id=$website_id", map { "$_=$more{$_}" } sort keys %more);
}

=pod

=item $sandbox->ask(method, path, [body])

One request to the sandbox's own interface; returns the answer's text.

=cut

sub ask
{
	my ($self, $method, $path, $body) = @_;
	my %content = defined $body ? (content => $json->encode($body)) : ();
	my $response = $self->{http}->request($method, "$self->{origin}$path", \%content);

	die "$method $path: $response->{status} $response->{content}\n" unless $response->{success};
	return $response->{content};
}

=pod

=item $sandbox->call(method, route, [body])

What somebody else asks of the API: a request for what lies below the first website, with its token. Returns the data
of the answer, or dies.

=cut

sub call
{
	my ($self, $method, $route, $body) = @_;
	my ($tier, $identifier, $key) = map { $self->info->{websites}->[0]->{token}->{$_} } qw(tier identifier key);
	my %content = defined $body ? (content => $json->encode($body)) : ();
	my $response = $self->{http}->request($method, "$self->{origin}/v1/website/" . $self->website_id . "/$route",
		{ headers => { 'X-Crisp-Tier' => $tier, Authorization => 'Basic ' . encode_base64("$identifier:$key",
			'') }, %content });

	die "$method $route: $response->{status} $response->{content}\n" unless $response->{success};
	return $reader->decode($response->{content})->{data};
}

=pod

=item $sandbox->stop

Stop it, and return its exit status.

=back

=cut

sub stop
{
	my ($self) = @_;

	return stop_process($self->{pid});
}

# Stop a sandbox by its process id, once.
sub stop_process
{
	my ($pid) = @_;
	my $output = delete $running{$pid} or return;

	kill 'TERM', $pid;
	close $output;    # waits for it
	return $? >> 8;
}

sub DESTROY
{
	my ($self) = @_;

	local ($?, $@, $!);
	$self->stop;
	return;
}

END
{
	# The exit status of the test is in $?, and closing a pipe changes that.
	my $status = $?;

	stop_process($_) foreach keys %running;
	$? = $status;
}

1;
