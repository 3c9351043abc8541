--
-- crisp_sync: what a user sees
--

-- The runs of jobs.  OFFSET 0: the error of a run is looked up, however many rows are expected.
CREATE VIEW @extschema@.crisp_sync_job_run AS
SELECT l.run_id, j.source, j.target, l.mode, l.started_at, l.ended_at,
       CASE WHEN l.outcome IS NOT NULL THEN l.outcome
            WHEN l.run_id = j.last_run_id AND p.pid IS NOT NULL THEN 'running'
            ELSE 'interrupted' END AS state,
       CASE WHEN l.outcome IS NULL AND l.run_id = j.last_run_id THEN p.pid END AS pid,
       l.requests, l.windows, l.rows_fetched, l.rows_inserted, l.rows_updated, l.rows_deleted, l.progress_at,
       e.sqlstate, e.message AS error, e.detail AS error_detail, e.context AS error_context
FROM crisp_sync_log l
JOIN crisp_sync_job j ON j.job_id = l.job_id
LEFT JOIN LATERAL (SELECT * FROM crisp_sync_my_error m WHERE m.run_id = l.run_id OFFSET 0) e ON true
LEFT JOIN LATERAL crisp_sync_pid(j.source, j.target) p (pid) ON l.outcome IS NULL;

-- Calls that failed before they had a job; of the error, what the reader may see.
CREATE VIEW @extschema@.crisp_sync_call_run AS
SELECT f.run_id, f.source, coalesce(f.target, crisp_sync_relation(f.target_name)) AS target, f.target_name, f.mode,
       f.started_at, f.ended_at, e.sqlstate, e.message AS error, e.detail AS error_detail, e.context AS error_context
FROM crisp_sync_failed_call f
LEFT JOIN LATERAL (SELECT * FROM crisp_sync_my_failed_call m WHERE m.run_id = f.run_id OFFSET 0) e ON true
WHERE NOT EXISTS (SELECT FROM crisp_sync_orphan_failed_call o WHERE o.run_id = f.run_id);

CREATE VIEW crisp_sync_run AS
SELECT * FROM crisp_sync_job_run
UNION ALL
SELECT c.run_id, c.source, c.target, c.mode, c.started_at, c.ended_at, 'failed', NULL, 0, 0, 0, 0, 0, 0, c.ended_at,
       c.sqlstate, c.error, c.error_detail, c.error_context
FROM crisp_sync_call_run c;

CREATE VIEW crisp_sync_status AS
SELECT j.source, j.target, j.mode, j.sync_field, j.watermark,
       CASE WHEN r.state IN ('running', 'failed') THEN r.state
            WHEN j.stalled THEN 'stalled'
            WHEN g.is_left THEN 'unfinished'
            ELSE 'up to date' END AS state,
       r.pid,
       CASE WHEN g.gaps <> '{}' THEN g.newest_end
            WHEN j.selected <> '{}' AND j.due IS DISTINCT FROM '-infinity'
            THEN coalesce((SELECT lower(s.range) FROM unnest(j.selected) s (range) ORDER BY s.range DESC LIMIT 1),
                          '-infinity') END AS reaches_back_to,
       CASE WHEN NOT g.is_left AND NOT j.stalled THEN 1
            WHEN g.gaps <> '{}' AND j.expected_rows > 0 AND j.pass_reference IS NULL
            THEN round(least(j.pass_rows::numeric / j.expected_rows, 0.999), 3) END AS share_done,
       CASE WHEN g.gaps <> '{}' THEN e.requests_left
            WHEN NOT g.is_left AND NOT j.stalled THEN 0 END AS requests_left,
       CASE WHEN g.gaps <> '{}' THEN round(e.requests_left / j.daily_quota, 2)
            WHEN NOT g.is_left AND NOT j.stalled THEN 0 END AS days_left,
       j.rows_fetched, j.rows_inserted, j.rows_updated, j.rows_deleted, j.requests,
       j.last_success, f.ended_at AS last_error_at, f.error AS last_error,
       g.gaps, j.full_since,
       pg_catalog.format('%I.%I', tn.nspname, tc.relname) AS target_name, f.sqlstate AS last_sqlstate
FROM crisp_sync_job j
JOIN pg_catalog.pg_class sc ON sc.oid = j.source
JOIN pg_catalog.pg_class tc ON tc.oid = j.target
JOIN pg_catalog.pg_namespace tn ON tn.oid = tc.relnamespace
CROSS JOIN LATERAL (
    -- Nothing is selected after crisp_sync_reset() alone: the next run fetches all.
    SELECT j.wanted - j.covered AS gaps,
           j.wanted - j.covered <> '{}' OR j.full_since IS NOT NULL OR j.due IS NOT NULL
               OR j.selected = '{}' AS is_left,
           (SELECT upper(u.range) FROM unnest(j.wanted - j.covered) u (range)
            ORDER BY u.range DESC LIMIT 1) AS newest_end) g
LEFT JOIN crisp_sync_job_run r ON r.run_id = j.last_run_id
LEFT JOIN LATERAL (
    SELECT ceil(greatest(j.expected_rows - j.pass_rows, 1)::numeric / j.rows_per_request) AS requests_left
    WHERE j.expected_rows IS NOT NULL AND j.pass_reference IS NULL) e ON true
LEFT JOIN LATERAL (
    SELECT l.ended_at, e.sqlstate, e.message || coalesce(E'\n' || e.context, '') AS error
    FROM crisp_sync_log l
         LEFT JOIN LATERAL (SELECT * FROM crisp_sync_my_error m WHERE m.run_id = l.run_id OFFSET 0) e ON true
    WHERE l.job_id = j.job_id AND l.outcome = 'failed'
    ORDER BY l.run_id DESC LIMIT 1) f ON true
UNION ALL
SELECT c.source, c.target, c.mode, NULL, NULL, 'failed', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0,
       NULL, c.ended_at, c.error || coalesce(E'\n' || c.error_context, ''), NULL, NULL, c.target_name, c.sqlstate
FROM crisp_sync_call_run c;

COMMENT ON VIEW crisp_sync_run IS 'the runs of crisp_sync(), a line each';
COMMENT ON VIEW crisp_sync_status IS 'the jobs of crisp_sync(): how far each of them is';

GRANT SELECT ON crisp_sync_run, crisp_sync_status TO PUBLIC;
