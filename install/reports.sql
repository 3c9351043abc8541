--
-- Reports: views over conversations and what belongs to them, be it copies or foreign tables
--

-- The views, in the order in which they need each other.  {copies} stands for the schema of the tables that they read,
-- {reports} for that of the views.  A message of an operator that only operators see (a note), that a machine has sent
-- (automated), or that tells of an event is no answer.  An episode begins with what a person writes, and ends with the
-- event that says so; a person who writes again begins another one.
CREATE FUNCTION @extschema@.crisp_report_queries(OUT name text, OUT description text, OUT query text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
VALUES
('episodes', 'conversations, from a question to its resolution: a conversation that was reopened has several', $q$
WITH message AS (
    SELECT session_id, "timestamp" AS sent_at, user_user_id,
           "from" = 'user' AND type <> 'event' AND automated IS NOT TRUE AS is_question,
           "from" = 'operator' AND type NOT IN ('note', 'event') AND automated IS NOT TRUE AS is_answer,
           type = 'event' AND content_json ->> 'namespace' = 'state:resolved' AS is_resolution,
           1 + count(*) FILTER (WHERE type = 'event' AND content_json ->> 'namespace' = 'state:resolved') OVER earlier
               AS episode
    FROM {copies}.messages
    WINDOW earlier AS (PARTITION BY session_id ORDER BY "timestamp" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
), opened AS (
    SELECT message.*, min(sent_at) FILTER (WHERE is_question) OVER (PARTITION BY session_id, episode) AS opened_at,
           episode = max(episode) OVER (PARTITION BY session_id) AS is_last
    FROM message
), episode AS (
    SELECT session_id, episode, opened_at, is_last, max(sent_at) AS last_at,
           min(sent_at) FILTER (WHERE is_answer AND sent_at >= opened_at) AS answered_at,

                     (array_agg(user_user_id ORDER BY sent_at) FILTER (WHERE is_answer AND sent_at >= opened_at))[1]
               AS answered_by,
           min(sent_at) FILTER (WHERE is_resolution) AS resolved_at
    FROM opened
    WHERE opened_at IS NOT NULL
    GROUP BY session_id, episode, opened_at, is_last
)
SELECT e.session_id, e.episode, e.opened_at, e.answered_at, e.answered_at - e.opened_at AS response_time, e.answered_by,
       r.resolved_at, r.resolved_at - e.opened_at AS resolution_time, c.state, c.assigned_user_id,
       nullif(c.meta_device_geolocation_country, '') AS country
FROM episode e
LEFT JOIN {copies}.conversations c ON c.session_id = e.session_id
CROSS JOIN LATERAL (
    -- Not all that resolves a conversation leaves a message: then it was when the conversation changed last.
    SELECT coalesce(e.resolved_at,
                    CASE WHEN e.is_last AND c.state = 'resolved' THEN greatest(c.updated_at, e.last_at) END)
           AS resolved_at) r
$q$),
('response_times', 'how long people wait for the first answer to a question, by who gave it', $q$
SELECT e.answered_by AS user_id, nullif(btrim(concat_ws(' ', o.first_name, o.last_name)), '') AS operator,
       count(*) AS answers,
       justify_hours(date_trunc('second', percentile_cont(0.5) WITHIN GROUP (ORDER BY e.response_time))) AS median,
       justify_hours(date_trunc('second', percentile_cont(0.9) WITHIN GROUP (ORDER BY e.response_time)))
           AS percentile_90
FROM {reports}.episodes e LEFT JOIN {copies}.operators o ON o.user_id = e.answered_by
WHERE e.answered_at IS NOT NULL
GROUP BY 1, 2
$q$),
('response_times_by_hour', 'the same, by the hour of the question, in the time zone of the session', $q$
SELECT extract(hour FROM opened_at)::integer AS hour, count(*) AS questions, count(answered_at) AS answered,
       justify_hours(date_trunc('second', percentile_cont(0.5) WITHIN GROUP (ORDER BY response_time))) AS median,
       justify_hours(date_trunc('second', percentile_cont(0.9) WITHIN GROUP (ORDER BY response_time))) AS percentile_90
FROM {reports}.episodes
GROUP BY 1
$q$),
('response_times_by_country', 'the same, by the country of the person', $q$
SELECT country, count(*) AS questions, count(answered_at) AS answered,
       justify_hours(date_trunc('second', percentile_cont(0.5) WITHIN GROUP (ORDER BY response_time))) AS median,
       justify_hours(date_trunc('second', percentile_cont(0.9) WITHIN GROUP (ORDER BY response_time))) AS percentile_90
FROM {reports}.episodes
GROUP BY 1
$q$),
('resolution_times', 'how long it takes until a question is resolved, by the week of the resolution', $q$
SELECT date_trunc('week', resolved_at)::date AS week, count(*) AS resolved,
       justify_hours(date_trunc('second', percentile_cont(0.5) WITHIN GROUP (ORDER BY resolution_time))) AS median,
       justify_hours(date_trunc('second', percentile_cont(0.9) WITHIN GROUP (ORDER BY resolution_time)))
           AS percentile_90
FROM {reports}.episodes
WHERE resolved_at IS NOT NULL
GROUP BY 1
$q$),
('backlog_by_day', 'questions that were opened and resolved on a day, and those that are open at its end', $q$
SELECT day, opened, resolved, sum(opened - resolved) OVER (ORDER BY day)::bigint AS open
FROM (SELECT d.day::date AS day, count(*) FILTER (WHERE n.change > 0) AS opened,
             count(*) FILTER (WHERE n.change < 0) AS resolved
      FROM (SELECT generate_series(min(date_trunc('day', opened_at)),
                                   max(date_trunc('day', greatest(opened_at, resolved_at))), '1 day')
            FROM {reports}.episodes) d (day)
      LEFT JOIN (SELECT date_trunc('day', opened_at), 1 FROM {reports}.episodes
                 UNION ALL
                 SELECT date_trunc('day', resolved_at), -1 FROM {reports}.episodes WHERE resolved_at IS NOT NULL)
           n (day, change) ON n.day = d.day
      GROUP BY 1) s
$q$),
('load_by_hour', 'what people write, by day of the week (1 is Monday) and hour, in the time zone of the session', $q$
SELECT extract(isodow FROM "timestamp")::integer AS weekday, extract(hour FROM "timestamp")::integer AS hour,
       count(*) AS messages, count(DISTINCT session_id) AS conversations
FROM {copies}.messages
WHERE "from" = 'user' AND type <> 'event' AND automated IS NOT TRUE
GROUP BY 1, 2
$q$),
('reopened', 'conversations in which a person wrote again after they were resolved', $q$
SELECT e.session_id, p.resolved_at, e.opened_at AS reopened_at, e.episode - 1 AS times, e.state
FROM {reports}.episodes e
JOIN LATERAL (SELECT max(resolved_at) AS resolved_at FROM {reports}.episodes b
              WHERE b.session_id = e.session_id AND b.episode < e.episode) p ON true
WHERE e.episode > 1
$q$),
('unanswered', 'conversations that are not resolved and whose latest question nobody has answered', $q$
SELECT c.session_id, c.meta_nickname, c.meta_email, c.assigned_user_id, m.waiting_since, m.questions
FROM {copies}.conversations c
JOIN (SELECT q.session_id, min(q."timestamp") AS waiting_since, count(*) AS questions
      FROM {copies}.messages q
      LEFT JOIN (SELECT session_id, max("timestamp") AS answered_at
                 FROM {copies}.messages
                 WHERE "from" = 'operator' AND type NOT IN ('note', 'event') AND automated IS NOT TRUE
                 GROUP BY session_id) a USING (session_id)
      WHERE q."from" = 'user' AND q.type <> 'event' AND q.automated IS NOT TRUE
        AND (a.answered_at IS NULL OR q."timestamp" > a.answered_at)
      GROUP BY q.session_id) m ON m.session_id = c.session_id
WHERE c.state IS DISTINCT FROM 'resolved'
$q$),
('segments', 'how much each segment asks', $q$
SELECT s.segment, count(DISTINCT c.session_id) AS conversations,
       count(DISTINCT c.session_id) FILTER (WHERE c.state IS DISTINCT FROM 'resolved') AS open,
       justify_hours(date_trunc('second', percentile_cont(0.5) WITHIN GROUP (ORDER BY e.response_time)))
           AS median_response
FROM {copies}.conversations c
CROSS JOIN LATERAL unnest(c.meta_segments) s (segment)
LEFT JOIN {reports}.episodes e ON e.session_id = c.session_id
GROUP BY 1
$q$),
('waiting_by_plan', 'customers by their custom data "plan", and how long they wait', $q$
SELECT nullif(c.meta_data ->> 'plan', '') AS plan, count(DISTINCT c.people_id) AS customers,
       count(DISTINCT c.session_id) AS conversations,
       count(DISTINCT c.session_id) FILTER (WHERE c.state IS DISTINCT FROM 'resolved') AS open,
       justify_hours(date_trunc('second', percentile_cont(0.5) WITHIN GROUP (ORDER BY e.response_time)))
           AS median_response
FROM {copies}.conversations c LEFT JOIN {reports}.episodes e ON e.session_id = c.session_id
GROUP BY 1
$q$),
('campaign_reach', 'whom campaigns have reached', $q$
SELECT campaign_id, name, type, dispatched_at, targets, reached, round(reached::numeric / nullif(targets, 0),
       3) AS share
FROM {copies}.campaigns
WHERE dispatched
$q$),
('campaign_responses', 'what people did with a campaign', $q$
SELECT c.campaign_id, c.name, s.type, count(*) AS responses,
       round(count(*)::numeric / nullif(c.reached, 0), 3) AS share_of_reached
FROM {copies}.campaigns c JOIN {copies}.campaign_statistics s ON s.campaign_id = c.campaign_id
GROUP BY c.campaign_id, c.name, s.type, c.reached
$q$),
('pages_asked_from', 'the pages that people had open when they began to write', $q$
SELECT page_url, max(page_title) AS page_title, count(*) AS questions
FROM (SELECT DISTINCT ON (e.session_id, e.episode) p.page_url, p.page_title
      FROM {reports}.episodes e
      JOIN {copies}.conversation_pages p ON p.session_id = e.session_id AND p."timestamp" <= e.opened_at
      ORDER BY e.session_id, e.episode, p."timestamp" DESC) p
GROUP BY 1
$q$),
('helpdesk_ratings', 'what readers think of the pages of the helpdesk', $q$
SELECT article_url, max(article_title) AS article_title, count(*) FILTER (WHERE rating = 'helpful') AS helpful,
       count(*) FILTER (WHERE rating = 'unhelpful') AS unhelpful,
       (array_agg(comment ORDER BY created_at DESC) FILTER (WHERE rating = 'unhelpful' AND comment <> ''))[1]
           AS latest_complaint
FROM {copies}.helpdesk_feedback
GROUP BY 1
$q$)
$$;

CREATE FUNCTION @extschema:own@.crisp_fdw_create_reports(reports name, copies name)
RETURNS SETOF name
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    report record;
BEGIN
    IF reports IS NULL OR copies IS NULL THEN
        RAISE EXCEPTION 'names of schemas must not be null' USING ERRCODE = 'null_value_not_allowed';
    ELSIF to_regnamespace(quote_ident(copies)) IS NULL THEN
        RAISE EXCEPTION 'schema "%" does not exist', copies
            USING ERRCODE = 'invalid_schema_name', HINT = 'Name the schema of the tables that the reports are about.';
    END IF;
    IF to_regnamespace(quote_ident(reports)) IS NULL THEN
        EXECUTE format('CREATE SCHEMA %I', reports);
    END IF;
    FOR report IN SELECT * FROM @extschema@.crisp_report_queries() LOOP
        BEGIN
            EXECUTE format('CREATE OR REPLACE VIEW %I.%I AS %s', reports, report.name,
                           replace(replace(report.query, '{copies}', quote_ident(copies)),
                                   '{reports}', quote_ident(reports)));
            EXECUTE format('COMMENT ON VIEW %I.%I IS %L', reports, report.name, report.description);
            RETURN NEXT report.name;
        EXCEPTION WHEN undefined_table OR undefined_column THEN
            RAISE NOTICE 'report "%" was left out', report.name
                USING DETAIL = SQLERRM,
                    HINT = 'Run crisp_fdw_create_reports() again when the table has it.';
        WHEN undefined_function OR datatype_mismatch OR cannot_coerce THEN
            RAISE NOTICE 'report "%" was left out', report.name
                USING DETAIL = SQLERRM,
                    HINT = 'It takes columns of the types that IMPORT FOREIGN SCHEMA gives them by default.';
        END;
    END LOOP;
END
$$;

COMMENT ON FUNCTION @extschema:own@.crisp_fdw_create_reports(name, name) IS
    'create views that answer the questions of support teams, over the tables of another schema';
