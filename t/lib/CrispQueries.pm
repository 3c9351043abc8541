=pod

=head1 NAME

CrispQueries - queries drawn at random, of several tables at once

=head1 SYNOPSIS

  use CrispQueries;

  learn_values($session, 'copy');
  my $query = draw_query();
  my $foreign = text_of($query, 'crisp');    # parameters are literals
  my $local = text_of($query, 'copy');
  my ($types, $values, $text) = prepared_parts($query, 'crisp');

=head1 DESCRIPTION

What a query gives hangs on the rows alone, but for their order: so it's to give the same of foreign tables and of
local copies of them. Chance is that of C<srand>. The schemas have conversations, people_profiles, people_data,
people_conversations, conversation_events and messages, and the local table C<public.probe> has the columns n,
session_id, people_id and email.

=cut

package CrispQueries;

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT = qw(chance pick shuffled weighted learn_values value_of draw_query draw_steady_query text_of prepared_parts
  draw_settings);

# The columns of each table that queries use, by kind.  Those whose values no update at Crisp changes come first.
my %columns = (
	conversations => {
		text => [qw(session_id people_id state assigned_user_id meta_email inbox_id)],
		time => [qw(created_at updated_at waiting_since)],
		number => [qw(unread_operator status)],
		array => [qw(meta_segments)] },
	people_profiles => {
		text => [qw(people_id email company_name)],
		time => [qw(created_at updated_at)],
		number => [qw(score)],
		array => [qw(segments)] },
	messages => { text => [qw(session_id type from)], time => ['timestamp'], number => ['fingerprint'] },
	conversation_events => { text => [qw(session_id text)], time => ['timestamp'] },
	people_data => { text => [qw(people_id email)] },
	people_conversations => { text => [qw(people_id session_id)] },
	probe => { text => [qw(session_id people_id email)], number => ['n'] });

# An alias for each table, and by what pairs of them are joined.
my %alias = (
	c => 'conversations', p => 'people_profiles', m => 'messages', e => 'conversation_events', d => 'people_data',
	r => 'people_conversations', b => 'probe');
my %joined = (
	'c p' => [ 'c.people_id = p.people_id', 'c.meta_email = p.email' ],
	'c m' => ['m.session_id = c.session_id'],
	'c e' => ['e.session_id = c.session_id'],
	'b c' => ['b.session_id = c.session_id'],
	'b p' => [ 'b.people_id = p.people_id', 'b.email = p.email' ],
	'b m' => ['b.session_id = m.session_id'],
	'b d' => [ 'b.people_id = d.people_id', 'b.email = d.email' ],
	'd p' => ['d.people_id = p.people_id'],
	'b r' => ['b.people_id = r.people_id'],
	'p r' => [ 'r.people_id = p.people_id', 'r.email = p.email' ],
	'c r' => ['c.session_id = r.session_id']);

# Tables that are a list of their own; the others are below rows of these, and cost a request each.
my @lists = qw(c p b);

my (%values, @parameters);

=pod

=head1 FUNCTIONS

=over

=item chance(share), pick(value, ...), shuffled(value, ...), weighted(weight, value, ...)

Whether what happens in this share of cases happens now; one of the values; all of them in any order; one of them, by
weights.

=cut

sub chance { return rand() < $_[0] }

sub pick { return $_[ int rand @_ ] }

sub shuffled
{
	my @list = @_;

	return map { splice @list, rand @list, 1 } 1 .. @list;
}

sub weighted
{
	my @pairs = @_;
	my $sum = 0;

	$sum += $pairs[ 2 * $_ ] foreach 0 .. $#pairs / 2;
	my $at = rand $sum;
	while (@pairs > 2)
	{
		return $pairs[1] if ($at -= $pairs[0]) < 0;
		splice @pairs, 0, 2;
	}
	return $pairs[1];
}

=pod

=item learn_values($session, schema)

Look at the copies in this schema: queries compare columns with values that occur.

=item value_of(table, column)

One of these, as a literal of SQL.

=cut

sub learn_values
{
	my ($session, $schema) = @_;

	foreach my $table (keys %columns)
	{
		my $name = $table eq 'probe' ? 'public.probe' : "$schema.$table";

		foreach my $column (map { @{$_} } values %{ $columns{$table} })
		{
			$values{"$table.$column"} = [
				split /\n/,
				$session->query(qq(SELECT DISTINCT quote_literal("$column"::text) COLLATE "C" FROM $name )
					. qq(WHERE "$column" IS NOT NULL AND "$column"::text !~ E'[\\n{]' ORDER BY 1 LIMIT 80)) ];
		}
	}
	return;
}

sub value_of
{
	my ($table, $column) = @_;

	return pick(@{ $values{"$table.$column"} }) // "''";
}

# An expression, as it is or as a parameter.
sub arrive
{
	my ($type, $expression) = @_;

	return "$expression\::$type" if chance(0.5);
	push @parameters, [ $type, "$expression\::$type" ];
	return '{' . @parameters . '}';
}

sub text_condition
{
	my ($table, $column, $name) = @_;
	my $value = sub { arrive('text', chance(0.9) ? value_of($table, $column) : pick("'absent'", "''", 'NULL')) };

	return weighted(
		40, sub { "$name = " . $value->() },
		20, sub { "$name IN (" . join(', ', map { $value->() } 1 .. pick(1, 2, 5)) . ')' },
		10, sub { "$name = ANY (ARRAY[" . join(', ', map { $value->() } 1 .. 3) . '])' },
		10, sub { "$name <> " . $value->() },
		10, sub { "$name > " . $value->() },
		5,  sub { "$name IS NULL" },
		5,  sub { qq{$name IN (SELECT "$column" FROM [$table] WHERE "$column" < } . $value->() . ')' })->();
}

# A condition on a table by its alias; in a steady one, on what no update changes.
sub condition
{
	my ($alias, $steady) = @_;
	my $table = $alias{$alias};
	my @kinds = grep { !$steady || /text|time/ } sort keys %{ $columns{$table} };
	my $kind = pick(@kinds, grep { $_ eq 'text' } @kinds);
	my @columns = @{ $columns{$table}->{$kind} };
	my $column = $steady ? $columns[0] : pick(@columns);
	my $name = qq($alias."$column");

	return text_condition($table, $column, $name) if $kind eq 'text';
	return "$name IS NOT NULL" unless @{ $values{"$table.$column"} };
	return "$name " . pick('<', '>', '<=', '>=', '=') . ' ' . arrive('timestamptz', value_of($table, $column))
	  if $kind eq 'time';
	return "$name " . pick('<', '>', '<>') . ' ' . arrive('numeric', value_of($table, $column)) if $kind eq 'number';
	return "'vip' = ANY ($name)";
}

sub where
{
	my ($alias, $steady) = @_;
	my @conditions = map { condition($alias, $steady) } 1 .. weighted(45, 1, 25, 0, 20, 2, 10, 3);

	return 'true' unless @conditions;
	return '(' . join(chance(0.8) ? ' AND ' : ' OR ', @conditions) . ')';
}

# What a query shows of a table.
sub shown
{
	my ($alias, $steady) = @_;
	my %of = %{ $columns{ $alias{$alias} } };
	my @all = map { @{ $of{$_} } } grep { $_ ne 'array' } sort keys %of;

	return qq($alias."$of{text}->[0]") if $steady || chance(0.4);
	return map { qq($alias."$_") } (shuffled(@all))[ 0 .. (@all > 2 ? int rand 3 : 0) ];
}

sub named { return join ', ', map { "$_[$_] AS x$_" } 0 .. $#_ }

sub from { return $alias{ $_[0] } eq 'probe' ? 'public.probe b' : "[$alias{$_[0]}] $_[0]" }

sub neighbours
{
	my (@have) = @_;
	my %have = map { $_ => 1 } @have;
	my @found;

	foreach my $pair (sort keys %joined)
	{
		my ($one, $other) = split / /, $pair;
		push @found, [ $one, $pair ] if !$have{$one} && $have{$other};
		push @found, [ $other, $pair ] if $have{$one} && !$have{$other};
	}
	return @found;
}

#
# Kinds of queries
#

sub plain
{
	my ($alias, $steady) = @_;

	return 'SELECT ' . named(shown($alias, $steady)) . ' FROM ' . from($alias) . ' WHERE ' . where($alias, $steady);
}

# Two to four tables.  Those below others come with few rows of these.
sub joining
{
	my ($steady) = @_;
	my @have = pick(@lists);
	my $text = from($have[0]);
	my @where = where($have[0], $steady);

	foreach (1 .. weighted(50, 1, 35, 2, 15, 3))
	{
		my @next = grep { !$steady || $_->[0] =~ /^[cpb]$/ } neighbours(@have) or last;
		my ($alias, $pair) = @{ pick(@next) };
		my $on = pick(@{ $joined{$pair} });
		my $kind = $steady ? 'JOIN' : weighted(60, 'JOIN', 30, 'LEFT JOIN', 10, 'FULL JOIN');

		$kind = 'LEFT JOIN' if $kind eq 'FULL JOIN' && $alias !~ /^[cpb]$/;
		$on .= ' AND ' . where($alias, $steady) if chance(0.3) && $kind ne 'FULL JOIN';
		$text .= " $kind " . from($alias) . " ON $on";
		push @where, where($alias, $steady) if $kind eq 'JOIN' && chance(0.5);
		push @have, $alias;
	}
	push @where, "$have[0]." . key_of($have[0]) . ' > ' . arrive('text', value_of($alias{ $have[0] }, key_of($have[0])))
	  if grep { /^[medr]$/ } @have;
	return 'SELECT ' . named(map { shown($_, $steady) } @have) . " FROM $text WHERE " . join(' AND ', @where);
}

sub key_of { return $columns{ $alias{ $_[0] } }->{text}->[0] }

sub lateral
{
	my $few = 'c.session_id IN (' . join(', ', map { value_of('conversations', 'session_id') } 1 .. 4) . ')';
	my ($c, $p, $m, $e) = map { where($_) } qw(c p m e);

	return weighted(
		25, sub { q{SELECT c.session_id, s.* FROM [conversations] c, LATERAL (SELECT m."timestamp" FROM [messages] m }
				. "WHERE m.session_id = c.session_id AND $m ORDER BY 1 DESC LIMIT " . pick(1, 3, 25)
					. ") s WHERE $few" },
		20, sub { 'SELECT b.n, s.* FROM public.probe b LEFT JOIN LATERAL (SELECT count(*), max(c.created_at) FROM '
				. "[conversations] c WHERE c.people_id = b.people_id AND $c) s ON true" },
		15, sub { 'SELECT b.n, s.* FROM public.probe b, LATERAL (SELECT p.people_id, x.* FROM [people_profiles] p, '
				. 'LATERAL (SELECT count(*) FROM [people_conversations] r WHERE r.people_id = p.people_id) x WHERE '
				. "p.people_id = b.people_id AND $p OFFSET 0) s WHERE b.n < 9" },
		20, sub { 'SELECT b.n, s.* FROM public.probe b, LATERAL (SELECT c.session_id FROM [conversations] c WHERE '
				. "c.session_id = b.session_id UNION ALL SELECT e.text FROM [conversation_events] e WHERE e.session_id "
				. "= b.session_id AND $e) s WHERE b.n < 12" },
		20, sub { 'SELECT b.n, (SELECT max(x.updated_at) FROM [people_profiles] x WHERE x.people_id = b.people_id '
				. "AND x.created_at > s.created_at) FROM public.probe b, LATERAL (SELECT c.created_at FROM "
				. "[conversations] c WHERE c.session_id = b.session_id AND $c) s" })->();
}

sub aggregating
{
	my $alias = pick('c', 'c', 'p');
	my $where = where($alias);
	my ($shown) = shown($alias);
	my $time = "$alias." . pick('created_at', 'updated_at');

	return 'SELECT ' . weighted(
		20, "count(*), max($time), min($time) FROM " . from($alias) . " WHERE $where",
		15, "$shown AS x, count(*) FROM " . from($alias) . " WHERE $where GROUP BY 1 HAVING count(*) < 40",
		15, "$shown AS x, rank() OVER (ORDER BY $time) FROM " . from($alias) . " WHERE $where",
		10, "DISTINCT $shown AS x FROM " . from($alias) . " WHERE $where",
		10, "count(DISTINCT $shown) FROM " . from($alias) . " WHERE $where",
		10, "x FROM (SELECT $time AS x FROM " . from($alias) . " WHERE $where ORDER BY 1 DESC LIMIT "
			. pick(1, 7, 20, 30) . ') s',
		10, "date_trunc('month', $time) AS x, count(*) FROM " . from($alias) . " GROUP BY GROUPING SETS ((1), ())",
		10, "sum(length($shown\::text)) FROM " . from($alias) . " WHERE $where");
}

# Sub-selects, sets and recursion: several scans, some of them run again and again, or not at all.
sub composed
{
	my ($steady) = @_;
	my ($c, $other, $p) = (where('c', $steady), where('c', $steady), where('p', $steady));
	my $of = 'FROM [people_profiles] p WHERE p.people_id = c.people_id';

	return 'SELECT c.session_id FROM [conversations] c WHERE ' . weighted(
		20, "$c UNION ALL SELECT c.session_id FROM [conversations] c WHERE $other",
		20, "$c AND EXISTS (SELECT $of AND $p)",
		20, "$c AND c.people_id IN (SELECT p.people_id FROM [people_profiles] p WHERE $p)",
		20, "c.session_id = ANY (ARRAY(SELECT session_id FROM public.probe WHERE n < " . int(rand 30)
			. '))') if $steady;
	return weighted(
		15,
			"SELECT c.session_id AS x FROM [conversations] c WHERE $c EXCEPT SELECT c.session_id FROM "
				. "[conversations] c WHERE $other",
		15, "SELECT c.session_id AS x FROM [conversations] c WHERE $c AND NOT EXISTS (SELECT $of AND $p)",
		10, "SELECT c.session_id AS x, (SELECT p.email $of) FROM [conversations] c WHERE $c",
		10, "SELECT c.session_id AS x FROM [conversations] c WHERE $c OR c.people_id NOT IN (SELECT p.people_id FROM "
			. "[people_profiles] p WHERE $p)",
		10,
			"WITH s AS MATERIALIZED (SELECT * FROM [conversations] c WHERE $c) SELECT a.session_id AS x FROM s a "
				. "JOIN s b USING (people_id) WHERE a.session_id < b.session_id",
		10, "WITH RECURSIVE s (n, id) AS (SELECT 0, min(c.session_id) FROM [conversations] c WHERE $c UNION ALL SELECT "
			. 's.n + 1, (SELECT min(c.session_id) FROM [conversations] c WHERE c.session_id > s.id) FROM s WHERE '
				. 's.n < 4 AND s.id IS NOT NULL) SELECT * FROM s',
		10, "SELECT x, (SELECT count(*) FROM [conversations] c WHERE $c AND c.session_id <> x::text) FROM "
			. 'generate_series(1, 4) x',
		10,
			"SELECT c.session_id AS x FROM [conversations] c WHERE $c UNION ALL SELECT p.people_id FROM "
				. "[people_profiles] p WHERE $p UNION ALL SELECT m.type FROM [messages] m WHERE m.session_id = "
			. value_of('conversations', 'session_id'),
		10, "SELECT CASE WHEN c.state = 'pending' THEN (SELECT count(*) FROM [messages] m WHERE m.session_id = "
			. "c.session_id) END AS x FROM [conversations] c WHERE $c AND c.session_id < "
			. value_of('conversations', 'session_id'));
}

=pod

=item draw_query(), draw_steady_query()

A query. What a steady one gives grows with the rows of its tables, and hangs on nothing that an update changes.

=cut

sub draw_query
{
	@parameters = ();
	my $sql = weighted(
		20, sub { plain(pick(@lists[ 0, 1 ])) },
		30, sub { joining(0) },
		15, sub { lateral() },
		15, sub { aggregating() },
		20, sub { composed(0) })->();
	return { sql => $sql, parameters => [@parameters] };
}

sub draw_steady_query
{
	@parameters = ();
	my $sql = weighted(
		40, sub { plain(pick(@lists[ 0, 1 ]), 1) },
		40, sub { joining(1) },
		20, sub { composed(1) })->();
	return { sql => $sql, parameters => [@parameters] };
}

=pod

=item text_of($query, schema)

The query on the tables of a schema, its parameters as literals.

=item prepared_parts($query, schema)

For PREPARE and EXECUTE: the types in brackets, the values in brackets, and the query with C<$1>, C<$2>, …

=cut

sub in_schema { return $_[0] =~ s/\[(\w+)\]/$1 eq 'probe' ? 'public.probe' : "$_[1].$1"/ger }

sub text_of
{
	my ($query, $schema) = @_;

	return in_schema($query->{sql} =~ s/\{(\d+)\}/$query->{parameters}->[$1 - 1]->[1]/gr, $schema);
}

sub prepared_parts
{
	my ($query, $schema) = @_;
	my @parameters = @{ $query->{parameters} };
	my $text = in_schema($query->{sql} =~ s/\{(\d+)\}/\$$1/gr, $schema);

	return ('', '', $text) unless @parameters;
	return (
		'(' . join(', ', map { $_->[0] } @parameters) . ')',
		'(' . join(', ', map { $_->[1] } @parameters) . ')', $text);
}

=pod

=item draw_settings()

Statements that set what leads to another plan, or to another way to ask; often none.

=back

=cut

sub draw_settings
{
	my @plans = map { "SET enable_$_ = off;" } qw(hashjoin mergejoin memoize material nestloop hashagg sort);
	my @others = (
		'SET work_mem = 64;',
		q(SET crisp_fdw.scan_mode = 'exact';),
		'SET cursor_tuple_fraction = 0.001;',
		'SET cursor_tuple_fraction = 1;',
		'SET enable_async_append = off;',
		'SET join_collapse_limit = 1;',
		'SET plan_cache_mode = force_generic_plan;',
		'SET plan_cache_mode = force_custom_plan;');

	return join ' ', (chance(0.3) ? (pick(@plans), pick(@plans)) : ()), chance(0.4) ? pick(@others) : ();
}

1;
