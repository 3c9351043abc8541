# Settings: the rows are right under every value of every setting of the sandbox, and under some of them together, drawn
# at random.  What they are compared with is what GET /_rows tells, which no setting changes.
#
# PROPERTY_SEED repeats the draws, SETTINGS_DRAWS makes them more.

use strict;
use warnings;

use CrispCluster;
use CrispSession;
use Encode qw(decode_utf8 encode_utf8);
use JSON::PP;
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;

my $seed  = $ENV{PROPERTY_SEED} || (time ^ $$ << 12) % 1_000_000_000;
my $draws = $ENV{SETTINGS_DRAWS} // 8;

srand $seed;
diag("seed $seed: repeat with PROPERTY_SEED=$seed SETTINGS_DRAWS=$draws");

my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my ($node, $sandbox) =
  start_crisp(conversations => 110, people => 110, visitors => 30, operators => 12, campaigns => 25, websites => 1);

#
# The settings, by name, each with its values.
#

my %values = (
	data                   => [ 'ugly', 'tidy' ],
	default_order          => [qw(state updated created insertion random)],
	waiting_order          => [qw(longest newest)],
	waiting_order_filters  => [qw(waiting nothing)],
	date_bounds            => [qw(inclusive exclusive start end)],
	past_end               => [qw(empty not_found)],
	full_last_page         => [ 200, 206 ],
	list_per_page          => [ 20, 7, 1 ],
	visitors_per_page      => [ 20, 7 ],
	visitors_limited       => [ $false, $true ],
	plain_inbox            => [qw(all main)],
	inbox_all              => [qw(known unknown ignored refused)],
	unassign_body          => [qw(either user_id assigned neither)],
	honour_order           => [ $true, $false ],
	honour_sort            => [ $true, $false, 'refused' ],
	honour_filters         => [ $true, $false, 'dates' ],
	honour_dates           => [ $true, $false ],
	honour_search          => [ $true, $false ],
	segments_filter        => [qw(honoured ignored refused)],
	filter_values          => [qw(any all first refused)],
	email_case             => [qw(ignored kept)],
	below_order            => [qw(newest oldest)],
	unknown_statistics     => [qw(refused not_found empty)],
	honour_statistics_size => [ $true, $false ],
	blocked                => [qw(list object)],
	subscriptions          => [qw(all own)],
	messages_per_page      => [ 20, 50, 3, 2, 1 ],
	message_bounds         => [qw(exclusive inclusive)],
	message_chosen         => [qw(newest oldest)],
	gzip                   => [ $false, $true ]);

# Those that change no rows, and have tests of their own: of waiting, of refusals, and of writes.
my %left_out = map { $_ => 1 } qw(latency_ms quiet_ms answers quota quota_status write_success failure_data
  email_reuse nulls meta_data unknown_inbox event_timestamp batch_limit batch_gone batch_adds batch_unassign_body);

my $defaults = JSON::PP->new->utf8->decode($sandbox->ask('GET', '/_control'));
is_deeply([ sort grep { !$left_out{$_} } keys %{$defaults} ], [ sort keys %values ], 'these are all settings');

# No client can read a list that is shuffled at each request, but by an order that Crisp keeps to.
sub can_be_read
{
	my ($setting) = @_;
	my %all = (%{$defaults}, %{$setting});

	return $all{default_order} ne 'random' || ($all{honour_order} && $all{honour_sort} eq '1');
}

sub name_of
{
	my ($setting) = @_;
	my $json = JSON::PP->new->canonical->allow_nonref;

	return join(', ', map { "$_ " . $json->encode($setting->{$_}) } sort keys %{$setting}) || 'the defaults';
}

#
# What is true: local tables of what GET /_rows tells.
#

my @tables =
  qw(conversations people_profiles messages people_conversations operators visitors campaigns inboxes
  teams campaign_templates conversation_spams helpdesk_redirections helpdesk_locales
	conversation_events conversation_files campaign_statistics);

$node->safe_psql('postgres', <<'END');
ALTER SERVER support OPTIONS (ADD per_page '20');
CREATE SCHEMA truth;
CREATE FUNCTION truth.moment(text) RETURNS timestamptz LANGUAGE sql IMMUTABLE
	RETURN to_timestamp(0) + $1::bigint * interval '1 ms';
CREATE FUNCTION truth.texts(jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE
	RETURN CASE WHEN jsonb_typeof($1) = 'array' THEN ARRAY(SELECT jsonb_array_elements_text($1)) END;
CREATE TABLE truth.rows (resource text, session_id text, row jsonb);
CREATE VIEW truth.conversations AS SELECT row->>'session_id' AS session_id, row->>'state' AS state, row->>'inbox_id'
	AS inbox_id,
	row->>'people_id' AS people_id, row#>>'{assigned,user_id}' AS assigned_user_id,
	(row#>>'{unread,operator}')::bigint AS unread_operator, truth.texts(row#>'{meta,segments}') AS meta_segments,
	row#>>'{meta,email}' AS meta_email, row#>>'{meta,device,timezone}' AS timezone, truth.moment(row#>>'{active,last}')
	AS active_last,
	truth.moment(row->>'created_at') AS created_at, truth.moment(row->>'updated_at') AS updated_at,
	truth.moment(row->>'waiting_since') AS waiting_since
	FROM truth.rows WHERE resource = 'conversations';
CREATE VIEW truth.people_profiles AS SELECT row->>'people_id' AS people_id, row->>'email' AS email,
	row#>>'{company,name}' AS company_name, truth.texts(row->'segments') AS segments,
	truth.moment(row->>'created_at') AS created_at, truth.moment(row->>'updated_at') AS updated_at
	FROM truth.rows WHERE resource = 'people';
CREATE VIEW truth.messages AS SELECT session_id, (row->>'fingerprint')::bigint AS fingerprint, row->>'type' AS type,
	row->>'from' AS "from", row->>'content' AS content, truth.moment(row->>'timestamp') AS "timestamp"
	FROM truth.rows WHERE resource = 'messages';
CREATE VIEW truth.people_conversations AS SELECT p.people_id, p.email, c.session_id
	FROM truth.conversations c JOIN truth.people_profiles p USING (people_id);
CREATE VIEW truth.operators AS SELECT row->>'type' AS type, row#>>'{details,user_id}'
	AS user_id, row#>>'{details,email}' AS email
	FROM truth.rows WHERE resource = 'operators';
CREATE VIEW truth.visitors AS SELECT row->>'session_id' AS session_id, row->>'nickname' AS nickname FROM truth.rows
	WHERE resource = 'visitors';
CREATE VIEW truth.campaigns AS SELECT row->>'campaign_id' AS campaign_id, row->>'name' AS name, row->>'tag' AS tag,
	truth.moment(row->>'updated_at') AS updated_at FROM truth.rows WHERE resource = 'campaigns';
CREATE VIEW truth.conversation_events AS SELECT session_id, row->>'text' AS text, nullif(row->'data', 'null') AS data,
	truth.moment(row->>'timestamp') AS "timestamp" FROM truth.rows WHERE resource = 'conversation_events';
CREATE VIEW truth.conversation_files AS SELECT session_id, row->>'url' AS url, truth.moment(row->>'timestamp')
	AS "timestamp" FROM truth.rows WHERE resource = 'conversation_files';
CREATE VIEW truth.campaign_statistics AS SELECT split_part(session_id, ' ', 1) AS campaign_id,
	split_part(session_id, ' ', 2) AS type, row#>>'{profile,people_id}' AS profile_people_id,
	truth.moment(row->>'created_at') AS created_at FROM truth.rows WHERE resource = 'campaign_statistics';
CREATE VIEW truth.inboxes AS SELECT row->>'inbox_id' AS inbox_id, row->>'name' AS name FROM truth.rows
	WHERE resource = 'inboxes';
CREATE VIEW truth.teams AS SELECT row->>'team_id' AS team_id, truth.texts(row->'operators') AS operators,
	truth.moment(row->>'updated_at') AS updated_at FROM truth.rows WHERE resource = 'teams';
CREATE VIEW truth.campaign_templates AS SELECT row->>'template_id' AS template_id, row->>'type' AS type,
	row->>'name' AS name FROM truth.rows WHERE resource = 'templates';
CREATE VIEW truth.conversation_spams AS SELECT row->>'spam_id' AS spam_id, row->>'type' AS type,
	nullif(row->'headers', 'null') AS headers, truth.moment(row->>'timestamp') AS "timestamp"
	FROM truth.rows WHERE resource = 'spams';
CREATE VIEW truth.helpdesk_redirections AS SELECT row->>'redirection_id' AS redirection_id, row->>'path' AS path,
	row->>'target' AS target FROM truth.rows WHERE resource = 'redirections';
CREATE VIEW truth.helpdesk_locales AS SELECT row->>'locale' AS locale, (row#>>'{statistics,guides,entries}')::bigint
	AS statistics_guides_entries FROM truth.rows WHERE resource = 'locales';
END

# Load the rows as they are now.  people_conversations has the empty conversations, too.
sub load_truth
{
	my $sql = 'TRUNCATE truth.rows;';
	my $add = sub {
		my ($resource, $session_id, @rows) = @_;
		$sql .= "INSERT INTO truth.rows VALUES ('$resource', $session_id, \$row\$$_\$row\$::jsonb);\n" foreach @rows;
	};

	$add->($_, 'NULL', map { decode_utf8($_) } $sandbox->raw_rows($_))
	  foreach qw(conversations people operators visitors campaigns inboxes teams templates spams redirections locales);
	foreach my $row ($sandbox->rows('conversations'))
	{
		foreach my $below (qw(messages conversation_events conversation_files))
		{
			$add->(
				$below, "'$row->{session_id}'",
				map { decode_utf8($_) } $sandbox->raw_rows($below, undef, session_id => $row->{session_id}));
		}
	}
	foreach my $id ($sandbox->column('campaigns', 'campaign_id'))
	{
		foreach my $type (qw(opened clicked unsubscribed))
		{
			$add->('campaign_statistics', "'$id $type'", map { decode_utf8($_) }
				$sandbox->raw_rows('campaign_statistics', undef, campaign_id => $id, type => $type));
		}
	}
	$node->safe_psql('postgres', encode_utf8($sql));
	$node->safe_psql('postgres',
		"DROP SCHEMA IF EXISTS now CASCADE; CREATE SCHEMA now;" . join ' ',
		map { "CREATE TABLE now.$_ AS SELECT * FROM truth.$_;" } @tables);
	return;
}

# The data of a variant, with more rows in one millisecond than a page holds.
my %loaded = (data => '');

sub use_data
{
	my ($setting) = @_;
	my $data = $setting->{data} // $defaults->{data};

	return if $loaded{data} eq $data;
	$loaded{data} = $data;
	$sandbox->reset;
	$sandbox->control({ data => $data });
	$sandbox->data([ map { { op => 'insert_many', resource => $_, count => 23,
		at => 1_750_000_000_000 } } qw(conversations people) ]);
	load_truth();
	return;
}

sub value_of { return $node->safe_psql('postgres', "SELECT $_[0]") }

#
# Queries.  Each names its tables as [table]: crisp's on one side, now's on the other.
#

# What depends on the data: ids and times that occur.
sub facts
{
	my %fact = (
		state_time => value_of(
			q(quote_literal(percentile_disc(0.7) WITHIN GROUP (ORDER BY updated_at)) FROM now.conversations)),
		old_time   => value_of(
			q(quote_literal(percentile_disc(0.3) WITHIN GROUP (ORDER BY updated_at)) FROM now.conversations)),
		made       => value_of(
			q(quote_literal(percentile_disc(0.5) WITHIN GROUP (ORDER BY created_at)) FROM now.people_profiles)),
		user       => value_of(
			q(quote_literal(mode() WITHIN GROUP (ORDER BY assigned_user_id)) FROM now.conversations)),
		inbox      => value_of(
			q(quote_literal(mode() WITHIN GROUP (ORDER BY inbox_id)) FROM now.conversations WHERE inbox_id NOT )
				. q(LIKE '\_%')),
		sessions   => value_of(
			q(string_agg(quote_literal(session_id), ', ') FROM (SELECT session_id FROM now.messages GROUP BY 1
			ORDER BY count(*) FILTER (WHERE fingerprint <= 0) DESC, count(*) DESC, session_id LIMIT 4) s)),
		long       => value_of(
			q(string_agg(quote_literal(session_id), ', ') FROM (SELECT session_id FROM now.messages GROUP BY 1
			ORDER BY count(*) DESC, session_id LIMIT 2) s)),
		email      => value_of(q(quote_literal(mode() WITHIN GROUP (ORDER BY email)) FROM now.people_conversations)),
		campaign   => value_of(
			q(quote_literal(mode() WITHIN GROUP (ORDER BY campaign_id)) FROM now.campaign_statistics)),
		person     => value_of(
			q(quote_literal(mode() WITHIN GROUP (ORDER BY people_id)) FROM now.people_conversations)));
	return \%fact;
}

# Newest or oldest first, with a limit: what comes is right where it has the right times, and is a row that there is.
sub ordered
{
	my ($table, $key, $column, $order, $limit, $where) = @_;
	my $rows = "SELECT $column AS x, $key AS id FROM [$table] WHERE $where";

	return {
		sql  => "SELECT row_number() OVER () AS n, s.* FROM ($rows ORDER BY $column $order LIMIT $limit) s",
		keys => 'n, x',
		all  => $rows };
}

# Queries of a list as a whole, which holds with the plain list as it is.
sub list_queries
{
	my ($fact) = @_;
	my $c      = 'session_id, state, updated_at, created_at, waiting_since, active_last, inbox_id, assigned_user_id';
	my $vip    = q('vip' = ANY (meta_segments));
	my @where  = (
		'true',
		q(state = 'resolved'),
		q(state <> 'resolved'),
		q(state IN ('pending', 'unresolved') AND unread_operator > 0),
		"assigned_user_id = $fact->{user}",
		'assigned_user_id IS NULL',
		"updated_at > $fact->{old_time} AND updated_at <= $fact->{state_time}",
		"updated_at = $fact->{state_time}",
		"created_at >= $fact->{state_time} AND state = 'resolved'",
		'waiting_since IS NOT NULL',
		"waiting_since < $fact->{state_time}",
		$vip,
		"NOT ($vip)",
		q(meta_segments @> ARRAY['vip', 'lead']),
		qq($vip AND state <> 'resolved' AND updated_at > $fact->{old_time}));
	my @queries = map { { sql => "SELECT $c FROM [conversations] WHERE $_" } } @where;

	foreach my $column (qw(updated_at created_at waiting_since))
	{
		push @queries,
		  map { ordered('conversations', 'session_id', $column, $_, (3, 30)[ rand 2 ], 'true') } 'DESC',
		  'DESC NULLS LAST',
		  'ASC', 'ASC NULLS FIRST';
		push @queries, ordered('conversations', 'session_id', $column, ('DESC', 'ASC')[ rand 2 ] . ' NULLS LAST', 4,
			$where[ rand @where ]);
		push @queries,
			map { { sql => "SELECT $_($column) FROM [conversations] WHERE $where[(0, rand @where)[rand 2]]" } } 'max',
			'min';
	}
	push @queries, ordered('conversations', 'session_id', 'waiting_since', $_, 4, 'waiting_since IS NOT NULL')
		foreach 'DESC', 'ASC';
	push @queries, map { { sql => $_ } }
	  qq(SELECT session_id, url, "timestamp" FROM [conversation_files] WHERE "timestamp" > $fact->{state_time}),
	  'SELECT f.url FROM [conversations] c JOIN [conversation_files] f USING (session_id) '
	  . "WHERE c.updated_at > $fact->{state_time}";
	return @queries;
}

sub people_queries
{
	my ($fact) = @_;
	my $p      = 'people_id, email, segments, company_name, created_at, updated_at';
	my @where  = (
		'true', "email = $fact->{email}", q('vip' = ANY (segments)), q(segments @> ARRAY['vip', 'lead']),
		"created_at > $fact->{made}", "updated_at > $fact->{made} AND updated_at < $fact->{state_time}");
	my @queries = map { { sql => "SELECT $p FROM [people_profiles] WHERE $_" } } @where;

	foreach my $column (qw(updated_at created_at))
	{
		push @queries, map { ordered('people_profiles', 'people_id', $column, $_, (3, 30)[ rand 2 ], 'true') } 'DESC',
			'ASC';
		push @queries, map { { sql => "SELECT $_($column) FROM [people_profiles] WHERE $where[rand @where]" } } 'max',
			'min';
	}
	return (@queries, { sql => 'SELECT count(*) FROM [people_profiles]' });
}

# What is asked of single rows and of the lists below them: the plain list's inboxes don't matter.
sub other_queries
{
	my ($fact) = @_;
	my $m      = q(m.session_id, m.fingerprint, m."timestamp", m.type, CASE WHEN m.type IN ('text', 'note') )
		. q(THEN m.content END AS content);

	return map { ref $_ ? $_ : { sql => $_ } } (
		"SELECT session_id, state, inbox_id FROM [conversations] WHERE session_id IN ($fact->{sessions}, 'absent')",
		"SELECT people_id, company_name FROM [people_profiles] WHERE people_id = $fact->{person}",
		{ sql => "SELECT session_id FROM [conversations] WHERE inbox_id = $fact->{inbox}", inbox => 1 },
		{ sql => q(SELECT session_id FROM [conversations] WHERE inbox_id = '_internal:agent' AND state <> 'resolved'),
			inbox => 1 },
		"SELECT $m FROM [messages] m WHERE session_id IN ($fact->{sessions})",
		"SELECT $m FROM [messages] m WHERE session_id IN ($fact->{sessions}) AND fingerprint IN (0, -1078189900)",
		"SELECT $m FROM [messages] m WHERE session_id IN ($fact->{sessions}) AND fingerprint = 0",
		qq(SELECT $m FROM [messages] m WHERE session_id IN ($fact->{long}) AND fingerprint = )
			. qq((SELECT max(fingerprint) FROM [messages] WHERE session_id IN ($fact->{long}))),
		qq(SELECT $m FROM [messages] m WHERE session_id IN ($fact->{long}) AND "timestamp" > $fact->{old_time}),
		qq(SELECT x, row_number() OVER () FROM )
			. qq|(SELECT "timestamp" AS x FROM [messages] m WHERE session_id IN ($fact->{long}) ORDER BY 1 DESC |
			. qq|LIMIT 5) s|,
		"SELECT $m FROM [conversations] c JOIN [messages] m USING (session_id) WHERE c.session_id IN ($fact->{long}) "
			. "AND m.type = 'text'",
		"SELECT session_id FROM [people_conversations] WHERE people_id = $fact->{person}",
		"SELECT session_id FROM [people_conversations] WHERE email = $fact->{email}",
		"SELECT c.session_id, c.state FROM [people_conversations] JOIN [conversations] c USING (session_id) "
			. "WHERE email = $fact->{email} AND c.state <> 'resolved'",
		qq(SELECT session_id, text, data, "timestamp" FROM [conversation_events] WHERE session_id IN )
			. "($fact->{sessions})",
		"SELECT type, profile_people_id, created_at FROM [campaign_statistics] WHERE campaign_id = $fact->{campaign}",
		"SELECT type, profile_people_id FROM [campaign_statistics] WHERE campaign_id = $fact->{campaign} "
			. "AND type IN ('clicked', 'applauded')",
		"SELECT campaign_id, profile_people_id FROM [campaign_statistics] WHERE type = 'opened'",
		'SELECT type, email FROM [operators]',
		'SELECT session_id, nickname FROM [visitors]',
		'SELECT campaign_id, name, updated_at FROM [campaigns]',
		q(SELECT campaign_id FROM [campaigns] WHERE tag = 'promo'),
		'SELECT inbox_id, name FROM [inboxes]',
		'SELECT team_id, operators, updated_at FROM [teams]',
		'SELECT template_id, type, name FROM [campaign_templates]',
		q(SELECT template_id FROM [campaign_templates] WHERE type = 'static'),
		q(SELECT template_id FROM [campaign_templates] WHERE type = 'custom' AND name = 'Plain'),
		'SELECT spam_id, headers, "timestamp" FROM [conversation_spams]',
		q(SELECT spam_id FROM [conversation_spams] WHERE type = 'chat'),
		q(SELECT spam_id FROM [conversation_spams] WHERE type = 'none'),
		'SELECT redirection_id, path, target FROM [helpdesk_redirections]',
		'SELECT locale, statistics_guides_entries FROM [helpdesk_locales]',
		q(SELECT locale FROM [helpdesk_locales] WHERE locale IN ('en', 'xx')));
}

#
# Both sides.
#

# The errors of docs/errors.md that some settings leave no way around, by SQLSTATE.
my $errors = slurp_file(($INC{'CrispCluster.pm'} =~ s{t/lib/.*}{}r) . 'docs/errors.md');
my ($not_exactly) = $errors =~ /^\| `(\w+)` \| cannot read "…" exactly/m        or die 'no error of exact scans';
my ($not_all)     = $errors =~ /^\| `(\w+)` \| cannot read all rows of a list/m or die 'no error of full milliseconds';

# Whether a setting leaves no way around an error: an exact scan needs dates, and messages are read
# by their times, so that
# a page must hold all of one millisecond.
sub is_allowed
{
	my ($wrong, $mode, $query, $setting) = @_;

	return $wrong =~ /^$not_exactly cannot read / && $mode eq 'exact'
		&& !($setting->{honour_dates} && $setting->{honour_filters})
	  || $wrong =~ /^$not_all cannot read / && $query->{sql} =~ /messages/ && $setting->{messages_per_page} == 1;
}

# The text of a query for one side.
sub in_schema
{
	my ($sql, $schema) = @_;

	return $sql =~ s/\[(\w+)\]/$schema.$1/gr;
}

# What is wrong with a query's rows, or ''.
sub wrong
{
	my ($session, $query, $local) = @_;
	my $keys = $query->{keys} // '*';
	my $sql  = 'WITH f AS MATERIALIZED (' . in_schema($query->{sql}, 'crisp') . '), l AS MATERIALIZED ('
		. in_schema($query->{sql}, $local) . ') '
	  . "SELECT (SELECT count(*) FROM (SELECT $keys FROM f EXCEPT ALL SELECT $keys FROM l) d), "
	  . "(SELECT count(*) FROM (SELECT $keys FROM l EXCEPT ALL SELECT $keys FROM f) d), "
	  . (
		$query->{all}
		? '(SELECT count(*) FROM (SELECT x, id FROM f EXCEPT ALL (' . in_schema($query->{all}, $local) . ')) d), '
		: '0, ') . '(SELECT count(*) FROM l)';
	my $result = $session->run($sql);

	return join ' / ', map { "$_->{sqlstate} $_->{message}" } @{ $result->{errors} } if @{ $result->{errors} };
	my ($more, $less, $strange, $rows) = split /\|/, $result->{output};
	return $more || $less || $strange ? "of $rows rows: $more too many, $less too few, $strange that there are not"
		: '';
}

my ($number, $allowed) = (0, 0);

# Make all queries under a setting, and tell what was wrong.
sub check
{
	my ($setting) = @_;
	my %all = (%{$defaults}, %{$setting});
	my @wrong;

	# Other inboxes than the plain list's can be asked for where filters are obeyed.
	my $inboxes = $all{honour_filters} eq '1';

	use_data($setting);
	$sandbox->control(\%all);
	$node->safe_psql('postgres', 'DROP SCHEMA IF EXISTS plain CASCADE; CREATE SCHEMA plain; '
		  . 'CREATE VIEW plain.conversations AS SELECT * FROM now.conversations WHERE '
		  . ($all{plain_inbox} eq 'main' ? 'inbox_id IS NULL' : 'true')
		  . '; CREATE VIEW plain.conversation_files AS SELECT * FROM now.conversation_files '
		  . 'WHERE session_id IN (SELECT session_id FROM plain.conversations)');
	my $fact    = facts();
	my $session = CrispSession->start($node);
	foreach my $mode ('fast', 'exact')
	{
		$session->run("SET crisp_fdw.scan_mode = '$mode'; SET client_min_messages = warning");

		# Who refuses, or ignores, the order that profiles are asked for leaves a fast scan with its own.
		my $sorts  = $all{honour_sort} && $all{honour_sort} ne 'refused';
		my @people = $mode eq 'fast' && $all{default_order} eq 'random' && !$sorts ? () : people_queries($fact);
		my @queries = (
			(map { [ $_, 'plain' ] } list_queries($fact)),
			(map { [ $_, $_->{inbox} && !$inboxes ? 'plain' : 'now' ] } @people, other_queries($fact)));
		@queries = grep { rand() < 0.4 } @queries if $mode eq 'exact';
		foreach (@queries)
		{
			my ($query, $schema) = @{$_};
			my $wrong = wrong($session, $query, $schema);

			$number++;
			if ($wrong && is_allowed($wrong, $mode, $query, \%all))
			{
				$allowed++;
				next;
			}
			push @wrong, "$mode: $query->{sql}\n    $wrong" if $wrong;
		}
	}
	$session->quit;
	ok(!@wrong, name_of($setting)) or diag(encode_utf8(join "\n", "seed $seed", @wrong));
	return;
}

check({});
foreach my $name (sort keys %values)
{
	foreach my $value (@{ $values{$name} })
	{
		check({ $name => $value }) if $value ne ($defaults->{$name} // '') && can_be_read({ $name => $value });
	}
}
foreach (1 .. $draws)
{
	my $setting;

	do
	{
		$setting = { map { $_ => $values{$_}->[ rand @{ $values{$_} } ] } keys %values };
	} until can_be_read($setting);
	check($setting);
}
note("$number queries; $allowed of them said that they cannot be answered");

$node->stop;
done_testing();
