--
-- What Crisp is asked: the plan for each kind of query.
--
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SET search_path = crisp, public;

-- filters
EXPLAIN (COSTS OFF) SELECT * FROM conversations WHERE state = 'resolved';
EXPLAIN (COSTS OFF) SELECT * FROM conversations WHERE state <> 'resolved' AND updated_at > '2026-01-10';
EXPLAIN (COSTS OFF) SELECT * FROM conversations WHERE state IN ('pending', 'unresolved');
EXPLAIN (COSTS OFF) SELECT * FROM conversations WHERE state IN ('pending', 'resolved');
EXPLAIN (COSTS OFF) SELECT * FROM conversations WHERE assigned_user_id IS NULL AND inbox_id = 'ü&x=1';
EXPLAIN (COSTS OFF) SELECT * FROM conversations WHERE assigned_user_id = '';
EXPLAIN (COSTS OFF) SELECT * FROM people_profiles WHERE segments @> ARRAY['vip', 'a "b"'];
EXPLAIN (COSTS OFF) SELECT * FROM people_profiles WHERE 'vip' = ANY (segments);
EXPLAIN (COSTS OFF) SELECT * FROM people_profiles WHERE search_query = 'refund policy';
EXPLAIN (COSTS OFF) SELECT * FROM conversations WHERE created_at > '2026-01-10' AND waiting_since < '2026-01-12';
EXPLAIN (COSTS OFF) SELECT * FROM conversations WHERE state = 'resolved' OR updated_at > '2026-01-10';
EXPLAIN (COSTS OFF) SELECT * FROM conversations WHERE state ILIKE 'Resolved';

-- keys
EXPLAIN (COSTS OFF) SELECT * FROM conversations WHERE session_id = 'session_1';
EXPLAIN (COSTS OFF) SELECT * FROM conversations WHERE session_id IN ('a', 'b', 'c', 'd', 'a', NULL);
EXPLAIN (COSTS OFF) SELECT * FROM conversations WHERE session_id = '';
EXPLAIN (COSTS OFF) SELECT * FROM people_profiles WHERE email = 'ada@example.com';
EXPLAIN (COSTS OFF) SELECT * FROM people_profiles WHERE email = 'ada';
CREATE TEMP TABLE local (id text);
INSERT INTO local VALUES ('a'), ('b');
ANALYZE local;
SELECT plan_of('SELECT * FROM local JOIN conversations ON session_id = id');
SELECT plan_of('SELECT * FROM conversations WHERE session_id IN (SELECT id FROM local)');
SELECT plan_of('SELECT * FROM local JOIN people_profiles ON email = id');
SELECT id, session_id FROM local JOIN conversations ON session_id = id;

-- orders and limits
EXPLAIN (COSTS OFF) SELECT session_id FROM conversations ORDER BY updated_at DESC LIMIT 30;
EXPLAIN (COSTS OFF) SELECT session_id FROM conversations ORDER BY updated_at DESC LIMIT 60 OFFSET 10;
EXPLAIN (COSTS OFF) SELECT session_id FROM conversations ORDER BY waiting_since DESC LIMIT 30;
EXPLAIN (COSTS OFF) SELECT session_id FROM conversations ORDER BY waiting_since DESC NULLS LAST LIMIT 30;
EXPLAIN (COSTS OFF) SELECT session_id FROM conversations
 WHERE waiting_since > '2026-01-01' ORDER BY waiting_since DESC LIMIT 30;
EXPLAIN (COSTS OFF) SELECT session_id FROM conversations ORDER BY updated_at LIMIT 30;
EXPLAIN (COSTS OFF) SELECT session_id FROM conversations ORDER BY updated_at DESC, session_id LIMIT 30;
EXPLAIN (COSTS OFF) SELECT session_id FROM conversations LIMIT 30;
SELECT regexp_replace(plan_of('SELECT max(updated_at) FROM conversations'), 'per_page=\d+', 'per_page=N');
EXPLAIN (COSTS OFF) SELECT * FROM people_profiles WHERE updated_at > '2026-01-10';

-- counts
EXPLAIN (COSTS OFF) SELECT count(*) FROM people_profiles;
EXPLAIN (COSTS OFF) SELECT count(*) FROM visitors;
EXPLAIN (COSTS OFF) SELECT count(*) FROM conversations;
EXPLAIN (COSTS OFF) SELECT count(*) FROM people_profiles WHERE email <> '';
SELECT count(*) FROM people_profiles;

-- lists below rows of another table
EXPLAIN (COSTS OFF) SELECT * FROM messages;
EXPLAIN (COSTS OFF) SELECT * FROM messages WHERE "timestamp" > '2026-01-10' AND "timestamp" < '2026-01-12';
EXPLAIN (COSTS OFF) SELECT * FROM messages WHERE session_id IN ('a', 'b', 'a');
EXPLAIN (COSTS OFF) SELECT * FROM messages WHERE session_id = 'a' AND fingerprint = 7;
EXPLAIN (COSTS OFF) SELECT * FROM messages WHERE fingerprint IN (7, 8);
EXPLAIN (COSTS OFF) SELECT * FROM messages WHERE session_id = 'a' ORDER BY "timestamp" DESC LIMIT 1;
EXPLAIN (COSTS OFF) SELECT * FROM messages WHERE session_id = 'a' ORDER BY "timestamp" LIMIT 1;
SELECT plan_of($$SELECT * FROM messages WHERE session_id = 'a' AND session_id = NULL$$);
EXPLAIN (COSTS OFF) SELECT * FROM conversations JOIN messages USING (session_id) WHERE updated_at > '2026-01-10';
EXPLAIN (COSTS OFF) SELECT data FROM people_data WHERE people_id = '01acff40-1afe-405f-b5a5-74393aa992b4';
EXPLAIN (COSTS OFF) SELECT * FROM people_data WHERE people_id = '01acff40-1afe-405f-b5a5-74393aa992b4';
EXPLAIN (COSTS OFF) SELECT data FROM people_data WHERE email = 'ada@example.com';
EXPLAIN (COSTS OFF) SELECT data FROM people_data WHERE email = 'ada';
EXPLAIN (COSTS OFF) SELECT * FROM people_events WHERE people_id = 'ada@example.com';
EXPLAIN (COSTS OFF) SELECT * FROM people_conversations;

-- what went where
EXPLAIN (COSTS OFF, VERBOSE) SELECT session_id FROM conversations WHERE state = 'resolved' AND meta_email LIKE 'a%';
RESET DateStyle;
