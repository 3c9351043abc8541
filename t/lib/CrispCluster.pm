=pod

=head1 NAME

CrispCluster - a PostgreSQL server with crisp_fdw and a sandbox behind it

=head1 SYNOPSIS

  use CrispCluster;
  use Test::More;

  my ($node, $sandbox) = start_crisp(conversations => 200);

  is($node->safe_psql('postgres', 'SELECT count(*) FROM crisp.conversations'), 200, 'all');

=head1 DESCRIPTION

Each TAP test begins in this way.  The database C<postgres> has the extension, a
foreign server C<support> with a mapping for the current user, and the imported
tables in the schema C<crisp>.

=cut

package CrispCluster;

use strict;
use warnings;

use CrispSandbox;
use Exporter qw(import);
use PostgreSQL::Test::Cluster;

our @EXPORT = qw(start_crisp start_node start_named_node init_node connect_crisp credential_options);

# From PostgreSQL 17 on, what prints the output of tests dies of characters that are no bytes.
{
	no warnings qw(redefine);
	my $print = \&PostgreSQL::Test::SimpleTee::PRINT;

	*PostgreSQL::Test::SimpleTee::PRINT = sub {
		my ($self, @texts) = @_;

		utf8::encode($_) foreach grep { utf8::is_utf8($_) } @texts;
		return $print->($self, @texts);
	};
}

=pod

=head1 FUNCTIONS

=over

=item start_crisp(option => value, ...)

Start a sandbox with these options (see L<CrispSandbox>) and a server, and connect
them.  Returns both.

=cut

sub start_crisp
{
	my (%option) = @_;
	my $sandbox = CrispSandbox->start(%option);
	my $node = start_node();

	connect_crisp($node, $sandbox);
	return ($node, $sandbox);
}

=pod

Where the environment variable CRISP_ENCODING names an encoding, such as LATIN1 or EUC_JP,
databases have that one, and the sandbox has texts that fit.  A test that has to have others
deletes it first.  What psql reads and prints is UTF-8 all the same.

=item start_node([setting, ...])

Start a server with these lines in its F<postgresql.conf>, and create the extension.

=item start_named_node(name, [setting, ...])

The same, for tests of several servers.

=cut

sub start_node
{
	my (@settings) = @_;

	return start_named_node('main', @settings);
}

sub start_named_node
{
	my ($name, @settings) = @_;
	my $node = init_node($name);

	$node->append_conf('postgresql.conf', "$_\n") foreach @settings;
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION crisp_fdw');
	return $node;
}

=pod

=item init_node(name)

A server that isn't started, and has nothing of crisp_fdw.

=cut

sub init_node
{
	my ($name)   = @_;
	my $node     = PostgreSQL::Test::Cluster->new($name);
	my $encoding = $ENV{CRISP_ENCODING};

	$ENV{PGCLIENTENCODING} = 'UTF8' if $encoding;
	$node->init(extra => $encoding ? [ "--encoding=$encoding", '--locale=C' ] : []);

	# What many requests cost lets PostgreSQL compile the expressions of small queries.
	$node->append_conf('postgresql.conf', 'jit = off');
	return $node;
}

=pod

=item connect_crisp($node, $sandbox, [name => value, ...])

Create server, user mapping and tables for a website of this sandbox.  Parameters:
C<server> (support), C<schema> (crisp), C<tier> (website), C<website> (0, the number of the
website), C<options> (more options of the server, as SQL: C<"per_page '20'">; C<prefetch> is 1
unless they say otherwise, so that no request is made past the end of a list), C<import>
(options of IMPORT FOREIGN SCHEMA, as SQL), C<url> (the base URL, if it's not the sandbox's).

=cut

sub connect_crisp
{
	my ($node, $sandbox, %parameter) = @_;
	my $server = $parameter{server} // 'support';
	my $schema = $parameter{schema} // 'crisp';
	my $website_id = $sandbox->website_id($parameter{website});
	my $base_url = $parameter{url} // $sandbox->url;
	my $options = $parameter{options} ? ", $parameter{options}" : '';
	$options .= ", prefetch '1'" unless $options =~ /prefetch/;
	my $import = $parameter{import} ? "OPTIONS ($parameter{import})" : '';
	my $credentials =
	  credential_options($sandbox, $parameter{tier} // 'website', $parameter{website});

	$node->safe_psql('postgres', <<"END");
CREATE SERVER $server FOREIGN DATA WRAPPER crisp_fdw
	OPTIONS (base_url '$base_url', website_id '$website_id'$options);
CREATE USER MAPPING FOR CURRENT_USER SERVER $server OPTIONS ($credentials);
CREATE SCHEMA $schema;
IMPORT FOREIGN SCHEMA crisp FROM SERVER $server INTO $schema $import;
END
	return;
}

=pod

=item credential_options($sandbox, tier, [website number])

The options of a user mapping with the sandbox's credentials, as SQL.

=back

=cut

sub credential_options
{
	my ($sandbox, $tier, $website) = @_;
	my $credentials = $sandbox->credentials($tier, $website);

	return join ', ', map { "$_ '$credentials->{$_}'" } qw(tier identifier key);
}

1;
