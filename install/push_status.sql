--
-- crisp_push: what a user sees
--

-- The runs of jobs.
CREATE VIEW @extschema@.crisp_push_job_run AS
SELECT l.run_id, j.source, j.target, l.started_at, l.ended_at,
       CASE WHEN l.outcome IS NOT NULL THEN l.outcome
            WHEN l.run_id = j.last_run_id AND p.pid IS NOT NULL THEN 'running'
            ELSE 'interrupted' END AS state,
       CASE WHEN l.outcome IS NULL AND l.run_id = j.last_run_id THEN p.pid END AS pid,
       l.requests, l.rows_inserted, l.rows_updated, l.rows_deleted, l.rows_refused, l.rows_uncertain,
       l.progress_at,
       e.sqlstate, e.message AS error, e.detail AS error_detail
FROM crisp_push_log l
JOIN crisp_push_job j ON j.job_id = l.job_id
LEFT JOIN LATERAL (SELECT * FROM crisp_push_my_error m WHERE m.run_id = l.run_id OFFSET 0) e ON true
LEFT JOIN LATERAL crisp_push_pid(j.source, j.target) p (pid) ON l.outcome IS NULL;

-- Calls that failed before they had a job; of the error, what the reader may see.
CREATE VIEW @extschema@.crisp_push_call_run AS
SELECT f.run_id, f.source, f.target, f.key, pg_catalog.pg_get_userbyid(f.role) AS role, f.missing, f.started_at,
       f.ended_at, e.sqlstate, e.message AS error, e.detail AS error_detail
FROM crisp_push_failed_call f
LEFT JOIN LATERAL (SELECT * FROM crisp_push_my_failed_call m WHERE m.run_id = f.run_id OFFSET 0) e ON true
WHERE NOT EXISTS (SELECT FROM crisp_push_orphan_failed_call o WHERE o.run_id = f.run_id);

CREATE VIEW crisp_push_run AS
SELECT * FROM crisp_push_job_run
UNION ALL
SELECT c.run_id, c.source, c.target, c.started_at, c.ended_at, 'failed', NULL, 0, 0, 0, 0, 0, 0, c.ended_at,
       c.sqlstate, c.error, c.error_detail
FROM crisp_push_call_run c;

CREATE VIEW crisp_push_status AS
SELECT j.source, j.target, j.key, pg_catalog.pg_get_userbyid(crisp_push_owner(j.job_id)) AS role, j.missing,
       CASE WHEN r.state IN ('running', 'failed') THEN r.state
            WHEN j.last_run_id IS NULL OR n.rows_pending > 0 OR j.fields = '{}' THEN 'unfinished'
            WHEN n.rows_uncertain > 0 THEN 'undecided'
            WHEN n.rows_refused > 0 THEN 'refused'
            ELSE 'up to date' END AS state,
       r.pid, n.rows_known, n.rows_pending, n.rows_refused, n.rows_uncertain, n.rows_pushed, n.requests,
       r.started_at AS last_run, j.last_success, f.ended_at AS last_error_at, f.error AS last_error,
       f.sqlstate AS last_sqlstate
FROM crisp_push_job j
JOIN crisp_push_numbers n ON n.job_id = j.job_id
JOIN pg_catalog.pg_class sc ON sc.oid = j.source
JOIN pg_catalog.pg_class tc ON tc.oid = j.target
LEFT JOIN crisp_push_job_run r ON r.run_id = j.last_run_id
LEFT JOIN LATERAL (
    SELECT l.ended_at, e.sqlstate, e.message || coalesce(E'\n' || e.detail, '') AS error
    FROM crisp_push_log l
         LEFT JOIN LATERAL (SELECT * FROM crisp_push_my_error m WHERE m.run_id = l.run_id OFFSET 0) e ON true
    WHERE l.job_id = j.job_id AND l.outcome = 'failed'
    ORDER BY l.run_id DESC LIMIT 1) f ON true
UNION ALL
SELECT c.source, c.target, c.key, c.role, c.missing, 'failed', NULL, 0, 0, 0, 0, 0, 0, c.started_at, NULL, c.ended_at,
       c.error || coalesce(E'\n' || c.error_detail, ''), c.sqlstate
FROM crisp_push_call_run c;

COMMENT ON VIEW crisp_push_run IS 'the runs of crisp_push(), a line each';
COMMENT ON VIEW crisp_push_status IS 'the jobs of crisp_push(): how far each of them is';

GRANT SELECT ON crisp_push_run, crisp_push_status TO PUBLIC;
