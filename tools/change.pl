#!/usr/bin/perl
#
# Change a conversation at the sandbox at CRISP_SANDBOX_URL, as somebody would who
# resolves it in Crisp's inbox: it's updated now, and comes first.
use strict;
use warnings;

use HTTP::Tiny;
use JSON::PP qw(encode_json);

my ($origin) = ($ENV{CRISP_SANDBOX_URL} // '') =~ m{^(http://[^/]+)};
die "CRISP_SANDBOX_URL does not say where the sandbox is\n" unless defined $origin;

my @changes = (
	{ op => 'patch', index => 4321, set => { state => 'resolved', status => 2, topic => 'solved today' } },
	{ op => 'touch', index => 4321 });
my $response = HTTP::Tiny->new(timeout => 10)->post("$origin/_data", { content => encode_json(\@changes) });
die "$response->{status} $response->{reason} from the sandbox\n" unless $response->{success};
