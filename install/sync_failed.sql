--
-- crisp_sync: calls that failed before their runs began
--

-- An error that was caught.
CREATE TYPE crisp_sync_failure AS (
    code text,
    message text,
    detail text,
    hint text,
    context text                -- of errors of values, and those that triggers raise; NULL for others
);

-- Raise it again, as it was.
CREATE FUNCTION crisp_sync_throw(code text, message text, detail text, hint text, context text)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE;

-- What a run has failed by, where a table that it is about is gone: that, and not what came of it.  What was not there
-- when it began has its number for a name.
CREATE FUNCTION crisp_sync_true_failure(
    what text, source oid, source_name text, target oid, target_name text, failure crisp_sync_failure)
RETURNS crisp_sync_failure
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- Unlike a query, this sees tables as they are now, whatever the transaction's isolation.
    gone CONSTANT text := CASE
        WHEN source::text <> source_name AND pg_table_is_visible(source) IS NULL THEN 'source'
        WHEN target::text <> target_name AND pg_table_is_visible(target) IS NULL THEN 'target' END;
BEGIN
    IF gone IS NOT NULL AND failure.code NOT LIKE '57%' THEN
        failure.code := '42P01';
        failure.message := format('the %s of the %s was dropped while it ran', gone, what);
        failure.detail := format('It was "%s".', CASE gone WHEN 'source' THEN source_name ELSE target_name END);
        failure.hint := NULL;
        failure.context := NULL;
    END IF;
    RETURN failure;
END
$$;

-- Calls that failed, and have no job of which that could be told: none was made yet, or the role may not write to its
-- target.  Of each role, source and target, the last such call is kept.  It isn't dumped, as errors of runs aren't.
CREATE TABLE crisp_sync_failed_call (
    run_id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('crisp_sync_run_seq'::pg_catalog.regclass),
    role oid NOT NULL DEFAULT CAST(pg_catalog.quote_ident(CURRENT_USER) AS pg_catalog.regrole),
    source regclass NOT NULL,
    target regclass,
    target_name text NOT NULL,
    mode text NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    sqlstate text NOT NULL,
    message text NOT NULL,
    detail text,
    context text,
    UNIQUE (role, source, target_name)
);

COMMENT ON TABLE crisp_sync_failed_call IS
    'calls of crisp_sync() that failed before they had a job; crisp_sync_status and crisp_sync_run show them';
COMMENT ON COLUMN crisp_sync_failed_call.target IS 'the target, if there was one when the call failed';
COMMENT ON COLUMN crisp_sync_failed_call.target_name IS
    'its name, with its schema; as the call has named it, where that is no name of a table';

-- The relation of a name that was written down with its schema; NULL when there is none.  Unlike to_regclass(), this
-- raises no error, whatever the text, and whoever asks.  Names are compared as texts, and so must not depend on who
-- calls.
CREATE FUNCTION crisp_sync_relation(name text)
RETURNS regclass
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
AS $$
SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE format('%I.%I', n.nspname, c.relname) = name
$$;

-- The name of a target with its schema, be it there or not.
CREATE FUNCTION crisp_sync_full_name(target_table regclass, target text, schema_name text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
AS $$
DECLARE
    most CONSTANT integer := 300;       -- characters: two names with quotes, and what an index can hold
    parts text[];
    name text;
BEGIN
    SELECT format('%I.%I', n.nspname, c.relname) INTO name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = target_table;
    IF name IS NULL THEN
        parts := parse_ident(target);
        IF cardinality(parts) = 1 AND schema_name IS NOT NULL THEN
            name := format('%I.%I', schema_name, parts[1]::name);
        ELSIF cardinality(parts) = 2 THEN
            name := format('%I.%I', parts[1]::name, parts[2]::name);
        END IF;
    END IF;
    RETURN left(coalesce(name, target), most);
EXCEPTION WHEN invalid_parameter_value THEN
    -- It is no name.
    RETURN left(target, most);
END
$$;

-- Those that a role may see and forget: its own, and those about a target that it may write to, as of jobs.
CREATE VIEW crisp_sync_my_failed_call WITH (security_barrier) AS
SELECT * FROM crisp_sync_failed_call f
WHERE pg_has_role(f.role, 'USAGE')
   OR crisp_sync_may_write(coalesce(f.target, crisp_sync_relation(f.target_name)))
WITH CASCADED CHECK OPTION;

-- Calls whose source, target or role was dropped.  Anybody may clear them away.
CREATE VIEW crisp_sync_orphan_failed_call AS
SELECT run_id FROM crisp_sync_failed_call f
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = f.source)
   OR NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = f.role)
   OR (f.target IS NOT NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = f.target));

-- The role is always that of the caller.
GRANT SELECT, DELETE ON crisp_sync_my_failed_call, crisp_sync_orphan_failed_call TO PUBLIC;
GRANT INSERT (source, target, target_name, mode, started_at, ended_at, sqlstate, message, detail, context)
ON crisp_sync_my_failed_call TO PUBLIC;

-- Note a call that has no job.  Of each role, the newest hundred are kept: programs may make up names of targets.
CREATE FUNCTION crisp_sync_note_failed_call(
    source regclass, target regclass, target_name text, mode text, started_at timestamptz, failure crisp_sync_failure)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
DELETE FROM @extschema@.crisp_sync_my_failed_call f
WHERE f.role = quote_ident(CURRENT_USER)::regrole AND f.source = crisp_sync_note_failed_call.source
  AND f.target_name = crisp_sync_note_failed_call.target_name;
INSERT INTO @extschema@.crisp_sync_my_failed_call
    (source, target, target_name, mode, started_at, ended_at, sqlstate, message, detail, context)
VALUES (source, target, target_name, mode, started_at, clock_timestamp(), failure.code, failure.message,
        nullif(failure.detail, ''), failure.context)
ON CONFLICT DO NOTHING;
DELETE FROM @extschema@.crisp_sync_my_failed_call f
WHERE f.role = quote_ident(CURRENT_USER)::regrole
  AND f.run_id <= (SELECT o.run_id FROM @extschema@.crisp_sync_my_failed_call o
                   WHERE o.role = quote_ident(CURRENT_USER)::regrole
                   ORDER BY o.run_id DESC OFFSET 100 LIMIT 1)
$$;

-- Note that a run has failed before it had begun, for its job, if there is one.  While another session runs it, the job
-- tells of that: the caller has the job's lock, or gets it here.
CREATE FUNCTION crisp_sync_note_failure(
    source regclass, target regclass, target_name text, has_lock boolean, mode text, started_at timestamptz,
    failure crisp_sync_failure)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job bigint := (SELECT j.job_id FROM @extschema@.crisp_sync_my_job j
                   WHERE j.source = crisp_sync_note_failure.source AND j.target = crisp_sync_note_failure.target);
    run bigint;
BEGIN
    mode := coalesce(mode::name::text, 'incremental');
    IF job IS NULL THEN
        PERFORM @extschema@.crisp_sync_note_failed_call(source, target, target_name, mode, started_at, failure);
        RETURN;
    ELSIF NOT has_lock THEN
        IF NOT @extschema@.crisp_sync_lock_briefly(source, target) THEN
            RETURN;
        END IF;
    END IF;
    INSERT INTO @extschema@.crisp_sync_my_log (job_id, mode, started_at) VALUES (job, mode, started_at)
    RETURNING run_id INTO run;
    UPDATE @extschema@.crisp_sync_my_log l SET outcome = 'failed', ended_at = clock_timestamp() WHERE l.run_id = run;
    INSERT INTO @extschema@.crisp_sync_my_error (run_id, sqlstate, message, detail, hint, context)
    VALUES (run, failure.code, failure.message, nullif(failure.detail, ''), nullif(failure.hint, ''), failure.context);
    UPDATE @extschema@.crisp_sync_my_job j SET last_run_id = run WHERE j.job_id = job;
    PERFORM @extschema@.crisp_sync_prune(job);
END
$$;

-- Forget calls that failed, of a source and a target: a run has begun, or the job is dropped.  Returns whether there
-- were any.
CREATE FUNCTION crisp_sync_forget_failed_calls(source regclass, target regclass)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM @extschema@.crisp_sync_my_failed_call f
    WHERE f.source = crisp_sync_forget_failed_calls.source
      AND coalesce(f.target, @extschema@.crisp_sync_relation(f.target_name)) = crisp_sync_forget_failed_calls.target;
    RETURN FOUND;
END
$$;
