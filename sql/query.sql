--
-- Queries against the sandbox: plans, and what comes back.
--
SET TimeZone = 'UTC';
SET search_path = crisp, public;

SELECT count(*) FROM conversations;
SELECT count(*) FROM people_profiles;
SELECT count(*) FROM visitors;
SELECT count(*) FROM operators;

SELECT session_id, meta_nickname, state, unread_operator, created_at, updated_at
  FROM conversations ORDER BY updated_at DESC, session_id LIMIT 5;
SELECT user_id, first_name, last_name, type, has_token FROM operators ORDER BY email;
SELECT o.first_name, count(*) FROM conversations c JOIN operators o ON o.user_id = c.assigned_user_id
 GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 3;
CREATE MATERIALIZED VIEW people AS SELECT * FROM people_profiles;
SELECT count(*), count(DISTINCT people_id), min(created_at), max(updated_at) FROM people;
DROP MATERIALIZED VIEW people;

-- what Crisp is asked for
EXPLAIN (COSTS OFF) SELECT * FROM conversations;
EXPLAIN (COSTS OFF) SELECT count(*) FROM visitors v, operators o;
EXPLAIN (COSTS OFF) SELECT session_id FROM conversations WHERE updated_at > '2026-01-10';
EXPLAIN (COSTS OFF) SELECT session_id FROM conversations
 WHERE updated_at BETWEEN '2026-01-10' AND '2026-01-11 12:34:56.789';
EXPLAIN (COSTS OFF) SELECT session_id FROM conversations
 WHERE '2026-01-10' <= updated_at AND updated_at < date '2026-01-12';
EXPLAIN (COSTS OFF) SELECT session_id FROM conversations WHERE updated_at = timestamptz '2026-01-10 00:00:00.0005+00';
EXPLAIN (COSTS OFF) SELECT people_id FROM people_profiles
 WHERE created_at >= '2026-01-10' AND created_at < '2026-01-12';
EXPLAIN (COSTS OFF) SELECT session_id FROM conversations WHERE updated_at > '2026-01-10' AND updated_at < '2026-01-09';
SELECT plan_of('SELECT session_id FROM conversations WHERE updated_at > NULL::timestamptz');
EXPLAIN (COSTS OFF) SELECT session_id FROM conversations WHERE updated_at > '-infinity' AND updated_at < '20000-01-01';
EXPLAIN (COSTS OFF) SELECT session_id FROM conversations WHERE updated_at > '2026-01-10' OR created_at > '2026-01-10';
EXPLAIN (COSTS OFF) SELECT session_id FROM conversations WHERE updated_at > created_at;
EXPLAIN (COSTS OFF) SELECT session_id FROM conversations WHERE updated_at > clock_timestamp();
-- as JSON, without what depends on the version of PostgreSQL
CREATE FUNCTION explained(query text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  explanation jsonb;
BEGIN
  EXECUTE 'EXPLAIN (COSTS OFF, FORMAT JSON) ' || query INTO explanation;
  RETURN (explanation #> '{0,Plan}') - ARRAY['Async Capable', 'Disabled'];
END $$;
SELECT jsonb_pretty(explained($$SELECT session_id FROM conversations WHERE updated_at > '2026-01-10'$$));
DROP FUNCTION explained(text);
PREPARE newer(timestamptz) AS SELECT count(*) FROM conversations WHERE updated_at > $1;
EXPLAIN (COSTS OFF) EXECUTE newer('2026-01-10');
EXECUTE newer('2026-01-10');
EXECUTE newer(NULL);
DEALLOCATE newer;

-- columns declared by hand
CREATE FOREIGN TABLE by_hand (
  "when" timestamp OPTIONS (json_path 'updated_at'),
  day date OPTIONS (json_path 'updated_at'),
  ms bigint OPTIONS (json_path 'updated_at'),
  session_id varchar(60),
  os text OPTIONS (json_path 'meta.device.system.os.name'),
  meta_device jsonb,
  nonsense integer
) SERVER sandbox OPTIONS (resource 'conversations');
EXPLAIN (COSTS OFF) SELECT * FROM by_hand WHERE "when" > '2026-01-14 12:00';
EXPLAIN (COSTS OFF) SELECT * FROM by_hand WHERE day = '2026-01-14';
EXPLAIN (COSTS OFF) SELECT * FROM by_hand WHERE day > '2026-01-14';
EXPLAIN (COSTS OFF) SELECT * FROM by_hand WHERE ms >= 1768392000000 AND ms < 1768395600000;
SELECT "when", day, ms, session_id, os, meta_device->'system'->'os'->>'name' AS same, nonsense
  FROM by_hand WHERE ms >= 1767744000000 ORDER BY ms DESC LIMIT 3;
DROP FOREIGN TABLE by_hand;

-- a value that does not fit
CREATE FOREIGN TABLE misfit (session_id text, state bigint, meta_nickname varchar(2))
  SERVER sandbox OPTIONS (resource 'conversations');
SELECT count(*) FROM misfit;
SELECT state FROM misfit;
SELECT meta_nickname FROM misfit;
DROP FOREIGN TABLE misfit;
