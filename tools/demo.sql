-- What `make demo` shows: Crisp's lists as tables.  CRISP_SANDBOX_URL is the API,
-- and CRISP_REQUESTS a program that tells what each query has cost.
\set url `echo "$CRISP_SANDBOX_URL"`
\pset null '-'
\pset footer off
\! "$CRISP_REQUESTS" start

\echo
\echo Set up: a server, who we are to it, and all tables at once
\echo
\set ECHO queries
CREATE EXTENSION crisp_fdw;

CREATE SERVER support FOREIGN DATA WRAPPER crisp_fdw
    OPTIONS (base_url :'url', website_id '8c842203-7ed8-4e29-a608-7cf78a7d2fcc');

CREATE USER MAPPING FOR CURRENT_USER SERVER support
    OPTIONS (tier 'website', identifier '56a80adf-1630-4103-963a-7cbb0279fc13',
             key '87c37bf5799850486a7b9a691832a36c9c97dd8291bbb4f2bb6686e8f2278848');

CREATE SCHEMA crisp;

IMPORT FOREIGN SCHEMA crisp FROM SERVER support INTO crisp;

\set ECHO none
\! "$CRISP_REQUESTS"

\echo 1. The latest conversations: LIMIT stops after the first page
\echo
\set ECHO queries
SELECT left(meta_nickname, 24) AS customer, state, unread_operator AS unread, left(last_message, 36) AS last_message
FROM crisp.conversations
LIMIT 5;
\set ECHO none
\! "$CRISP_REQUESTS"

\echo 2. Who is waiting, in conversations of the last three days?  Crisp filters by the date of update
\echo
\set ECHO queries
SELECT left(meta_nickname, 24) AS customer, meta_device_geolocation_country AS country,
       date_trunc('minute', now() - waiting_since) AS waits
FROM crisp.conversations
WHERE updated_at > now() - interval '3 days' AND state <> 'resolved' AND waiting_since IS NOT NULL
ORDER BY waiting_since
LIMIT 5;
\set ECHO none
\! "$CRISP_REQUESTS"

\echo 3. The request behind a query, without making it
\echo
\set ECHO queries
EXPLAIN (COSTS OFF)
SELECT session_id FROM crisp.conversations
WHERE updated_at BETWEEN '2025-06-01 00:00+00' AND '2025-06-02 00:00+00';
\set ECHO none
\! "$CRISP_REQUESTS"

\echo 4. How much has each operator to do?  A join of two Crisp tables
\echo
\set ECHO queries
SELECT o.first_name, o.availability, count(*) AS conversations, sum(c.unread_operator) AS unread
FROM crisp.conversations c
JOIN crisp.operators o ON o.user_id = c.assigned_user_id
WHERE c.updated_at > now() - interval '30 days'
GROUP BY o.first_name, o.availability
ORDER BY conversations DESC, o.first_name
LIMIT 5;
\set ECHO none
\! "$CRISP_REQUESTS"

\echo 5. Who is on the web site right now, and where?
\echo
\set ECHO queries
SELECT geolocation_country AS country, count(*) AS visitors, count(*) FILTER (WHERE initiated) AS chatting
FROM crisp.visitors
GROUP BY country
ORDER BY visitors DESC, country
LIMIT 5;
\set ECHO none
\! "$CRISP_REQUESTS"

\echo 6. Custom data has any keys: it is jsonb
\echo
\set ECHO queries
SELECT key, jsonb_typeof(value) AS type, count(*)
FROM crisp.conversations, jsonb_each(meta_data)
WHERE updated_at > now() - interval '7 days'
GROUP BY key, type
ORDER BY count DESC, key, type
LIMIT 6;
\set ECHO none
\! "$CRISP_REQUESTS"

\echo 7. A copy in PostgreSQL, to ask as often as you like
\echo
\set ECHO queries
CREATE MATERIALIZED VIEW profiles AS SELECT * FROM crisp.people_profiles;

SELECT count(*) AS people, count(DISTINCT company_name) AS companies, max(created_at)::date AS newest FROM profiles;
\set ECHO none
\! "$CRISP_REQUESTS"

\echo 8. And later only what is new: the newest date in the copy goes into the request
\echo
\set ECHO queries
SELECT count(*) AS new_people
FROM crisp.people_profiles
WHERE created_at > (SELECT max(created_at) FROM profiles);
\set ECHO none
\! "$CRISP_REQUESTS"

\echo 9. A copy of all conversations, fetched in windows that are committed one by one
\echo
\set ECHO queries
CALL crisp_sync('crisp.conversations', 'public.conversations');

SELECT count(*) AS conversations FROM conversations;
\set ECHO none
\! "$CRISP_REQUESTS"

\echo 10. Somebody resolves an old conversation in Crisp.  The next run fetches one page
\echo
\! "$CRISP_CHANGE"
\set ECHO queries
CALL crisp_sync('crisp.conversations', 'public.conversations');

SELECT left(meta_nickname, 24) AS customer, state, topic, _synced_at::time(0) AS copied
FROM conversations
ORDER BY updated_at DESC
LIMIT 3;

SELECT source, state, reaches_back_to, rows_inserted, rows_updated, requests FROM crisp_sync_status;
\set ECHO none
\! "$CRISP_REQUESTS"

\echo 11. The other way: what your database knows of customers, to their profiles; at first all rows, later what differs
\echo
\set ECHO queries
ALTER SERVER support OPTIONS (ADD updatable 'true');

CREATE TABLE customers (email text PRIMARY KEY, person_nickname text, segments text[]);

INSERT INTO customers VALUES ('ada@example.org', 'Ada', '{trial}'), ('grace@example.org', 'Grace', '{paying}');

CALL crisp_push('public.customers', 'crisp.people_profiles', key => 'email');

UPDATE customers SET segments = '{paying}' WHERE email = 'ada@example.org';

CALL crisp_push('public.customers', 'crisp.people_profiles', key => 'email');

SELECT source, target, state, rows_known, rows_pushed, requests FROM crisp_push_status;
\set ECHO none
\! "$CRISP_REQUESTS" writes

\echo 12. Resolve what nobody has touched for a month: fifty conversations a request
\echo
\set ECHO queries
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
UPDATE crisp.conversations SET state = 'resolved'
WHERE state = 'unresolved' AND updated_at < now() - interval '30 days';
\set ECHO none
\! "$CRISP_REQUESTS" writes
