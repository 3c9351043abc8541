--
-- crisp_push: calls that failed before their runs began
--

-- The mirror of crisp_sync_failed_call: calls that failed, and have no job of which that could be told: none was made
-- yet, or it is another role's.  Of each role, source and target, the last such call is kept.  It isn't dumped, as
-- errors of runs aren't.
CREATE TABLE crisp_push_failed_call (
    run_id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('crisp_push_run_seq'::pg_catalog.regclass),
    role oid NOT NULL DEFAULT CAST(pg_catalog.quote_ident(CURRENT_USER) AS pg_catalog.regrole),
    source regclass NOT NULL,
    target regclass NOT NULL,
    key text,
    missing text,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    sqlstate text NOT NULL,
    message text NOT NULL,
    detail text,
    UNIQUE (role, source, target)
);

COMMENT ON TABLE crisp_push_failed_call IS
    'calls of crisp_push() that failed before they had a job; crisp_push_status and crisp_push_run show them';
COMMENT ON COLUMN crisp_push_failed_call.key IS 'as the call has named it; NULL when it did not';
COMMENT ON COLUMN crisp_push_failed_call.missing IS 'as the call has had it, whether there is such a value or not';

-- Those that a role may see: its own.
CREATE VIEW crisp_push_my_failed_call WITH (security_barrier) AS
SELECT * FROM crisp_push_failed_call f
WHERE pg_has_role(f.role, 'USAGE')
WITH CASCADED CHECK OPTION;

-- Those that a role may clear away besides, once the push runs: calls of others about a job of its own.
CREATE VIEW crisp_push_overtaken_call AS
SELECT run_id, source, target FROM crisp_push_failed_call f
WHERE EXISTS (SELECT FROM crisp_push_job j
              WHERE j.source = f.source AND j.target = f.target AND crisp_push_is_mine(j.job_id));

-- Calls whose source, target or role was dropped.  Anybody may clear them away.
CREATE VIEW crisp_push_orphan_failed_call AS
SELECT run_id FROM crisp_push_failed_call f
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = f.source)
   OR NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = f.target)
   OR NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = f.role);

-- The role is always that of the caller.
GRANT SELECT, DELETE ON crisp_push_my_failed_call, crisp_push_overtaken_call, crisp_push_orphan_failed_call TO PUBLIC;
GRANT INSERT (source, target, key, missing, started_at, ended_at, sqlstate, message, detail)
ON crisp_push_my_failed_call TO PUBLIC;

-- Note a call that has no job.  Of each role, the newest hundred are kept.
CREATE FUNCTION crisp_push_note_failed_call(
    source regclass, target regclass, key text, missing text, started_at timestamptz, failure crisp_sync_failure)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
DELETE FROM @extschema@.crisp_push_my_failed_call f
WHERE f.role = quote_ident(CURRENT_USER)::regrole AND f.source = crisp_push_note_failed_call.source
  AND f.target = crisp_push_note_failed_call.target;
INSERT INTO @extschema@.crisp_push_my_failed_call
    (source, target, key, missing, started_at, ended_at, sqlstate, message, detail)
VALUES (source, target, key::name::text, missing::name::text, started_at, clock_timestamp(), failure.code,
        failure.message, nullif(failure.detail, ''))
ON CONFLICT DO NOTHING;
DELETE FROM @extschema@.crisp_push_my_failed_call f
WHERE f.role = quote_ident(CURRENT_USER)::regrole
  AND f.run_id <= (SELECT o.run_id FROM @extschema@.crisp_push_my_failed_call o
                   WHERE o.role = quote_ident(CURRENT_USER)::regrole
                   ORDER BY o.run_id DESC OFFSET 100 LIMIT 1)
$$;

-- Forget calls that failed, of a source and a target: a run has begun, or the job is dropped.  Returns whether there
-- were any of the caller's.
CREATE FUNCTION crisp_push_forget_failed_calls(source regclass, target regclass)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM @extschema@.crisp_push_overtaken_call f
    WHERE f.source = crisp_push_forget_failed_calls.source AND f.target = crisp_push_forget_failed_calls.target;
    DELETE FROM @extschema@.crisp_push_my_failed_call f
    WHERE f.source = crisp_push_forget_failed_calls.source AND f.target = crisp_push_forget_failed_calls.target;
    RETURN FOUND;
END
$$;
