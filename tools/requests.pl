#!/usr/bin/perl
#
# Tell what the sandbox at CRISP_SANDBOX_URL was asked since this was last
# called: how many requests, how many rows they brought, and the last one's
# path.  `requests.pl start` begins anew, and tells nothing; `requests.pl writes`
# tells which of them have changed something, and how.
use strict;
use warnings;

use HTTP::Tiny;
use JSON::PP qw(decode_json);

my ($origin) = ($ENV{CRISP_SANDBOX_URL} // '') =~ m{^(http://[^/]+)};
die "CRISP_SANDBOX_URL does not say where the sandbox is\n" unless defined $origin;

my $http = HTTP::Tiny->new(timeout => 10);

if (@ARGV && $ARGV[0] eq 'start')
{
	answer($http->post("$origin/_reset"));
	exit;
}

my @requests = @{ decode_json(answer($http->get("$origin/_log")))->{requests} };
my $rows = 0;
$rows += $_->{rows} // 0 foreach @requests;

printf "-- %d request%s to Crisp, %d row%s\n", scalar @requests, @requests == 1 ? '' : 's',
  $rows, $rows == 1 ? '' : 's';
if (@ARGV && $ARGV[0] eq 'writes')
{
	printf "--   %s %s %s\n", $_->{method}, $_->{path} =~ s{^.*?website/[^/]+/}{}r,
	  ($_->{body} // '') =~ s/^(.{100}).+/$1.../sr
	  foreach grep { $_->{method} ne 'GET' } @requests;
}
print "\n";
answer($http->post("$origin/_reset"));

# answer(response): its body, or the end of the program when there is none.
sub answer
{
	my ($response) = @_;

	die "$response->{status} $response->{reason} from the sandbox\n" unless $response->{success};
	return $response->{content};
}
