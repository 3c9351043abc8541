--
-- crisp_push: what is known of each job
--

-- The mirror of crisp_sync: rows of a table or view of the database are brought to Crisp.
--
-- What was told to Crisp of each row is kept in a table of the job's own, crisp_push_rows_N, since it holds what the
-- source holds.  It belongs to the role that has called crisp_push first, which alone may run the job: nobody else sees
-- it, and pg_dump takes it along as that role's.  Its states:
--
--   pending    it differs from what Crisp was told: wanted is to be sent, or, if is_gone, the row is to be removed
--   sending    an insert of it is about to be sent; when a run finds that, it was broken off, and what became of the
--              insert isn't known
--   changing   likewise, a change of it, or its removal
--   pushed     Crisp has what pushed says
--   refused    Crisp did not take wanted, or it can't be sent; error says why.  Without wanted: a value can't be had
--   uncertain  an insert of it may have been made, and can't be looked for: someone has to decide
--
-- is_there says whether Crisp has the row, as far as is known; also that it may have it, since an insert was broken
-- off: so it's changed before it's inserted once more.  name is what Crisp calls the row in routes, where that isn't
-- the key, and was asked for.
--
-- Crisp may take keys for the same that differ in case only, or by spaces around them.  So where it knows rows by the
-- key, these are one row: key is folded (crisp_push_fold), and spelling is what the source has, if that's another text.
--
-- phase says when a row that is pending is sent, see crisp_push_next_phase(); doubtful ones go by when they were tried.
--
-- pushed promises: each of its fields had this value at Crisp when it was last written from here.  A field that it
-- lacks may have any: what may have been written is taken out, when it isn't known whether it was.  That a row is to be
-- sent says nothing of this.  Only requests do: a row that may be told to Crisp is sending or changing before, and that
-- is committed.  Likewise pushed_at: when something of the row was last written, or may have been.  Where it's NULL,
-- nothing was, so that the row is not for us to remove.
SET LOCAL search_path = crisp_sync_internal, @extschema:own@;

CREATE SEQUENCE crisp_push_job_seq;
CREATE SEQUENCE crisp_push_run_seq;

CREATE TABLE crisp_push_job (
    job_id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('crisp_push_job_seq'::pg_catalog.regclass),
    role name NOT NULL DEFAULT current_user,
    source regclass NOT NULL,
    source_name text,
    target regclass NOT NULL,
    key text NOT NULL,
    key_type text,
    missing text NOT NULL DEFAULT 'ignore',
    origin text[],
    fields text[] NOT NULL DEFAULT '{}',
    told_columns text[] NOT NULL DEFAULT '{}',
    finds_rows boolean NOT NULL DEFAULT true,
    rows_known bigint NOT NULL DEFAULT 0,
    rows_pending bigint NOT NULL DEFAULT 0,
    rows_refused bigint NOT NULL DEFAULT 0,
    rows_uncertain bigint NOT NULL DEFAULT 0,
    rows_pushed bigint NOT NULL DEFAULT 0,
    requests bigint NOT NULL DEFAULT 0,
    last_run_id bigint,
    last_success timestamptz,
    UNIQUE (source, target)
);

COMMENT ON TABLE crisp_push_job IS 'the jobs of crisp_push()';
COMMENT ON COLUMN crisp_push_job.role IS 'who has made the job; whose it is now tells the owner of its table of rows';
COMMENT ON COLUMN crisp_push_job.source_name IS
    'as the last run has found it: where the source is dropped and made anew, it is known by that';
COMMENT ON COLUMN crisp_push_job.key IS 'column of the source that names a row';
COMMENT ON COLUMN crisp_push_job.key_type IS
    'its type, as the last run has found it: what is kept of rows is found by the text of that';
COMMENT ON COLUMN crisp_push_job.origin IS 'whose rows are written, as crisp_push_target() has them';
COMMENT ON COLUMN crisp_push_job.fields IS 'columns that were pushed by the last run';
COMMENT ON COLUMN crisp_push_job.told_columns IS 'columns of the source that are not pushed, of which a run has told';
COMMENT ON COLUMN crisp_push_job.finds_rows IS
    'of rows that were never pushed, Crisp had the last one: the next is changed first, not inserted';
COMMENT ON COLUMN crisp_push_job.rows_known IS
    'rows of which something was told to Crisp, or is to be told; as the other numbers, from before the last run';
COMMENT ON COLUMN crisp_push_job.rows_pushed IS 'rows that were written, by all runs before the last';

CREATE TABLE crisp_push_log (
    run_id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('crisp_push_run_seq'::pg_catalog.regclass),
    job_id bigint NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    outcome text CHECK (outcome IN ('finished', 'partial', 'failed')),
    requests bigint NOT NULL DEFAULT 0,
    rows_inserted bigint NOT NULL DEFAULT 0,
    rows_updated bigint NOT NULL DEFAULT 0,
    rows_deleted bigint NOT NULL DEFAULT 0,
    rows_refused bigint NOT NULL DEFAULT 0,
    rows_uncertain bigint NOT NULL DEFAULT 0,
    rows_empty bigint NOT NULL DEFAULT 0,
    progress_at timestamptz
);

CREATE INDEX crisp_push_log_job ON crisp_push_log (job_id, run_id);

COMMENT ON TABLE crisp_push_log IS 'the runs of crisp_push(); crisp_push_run shows them';
COMMENT ON COLUMN crisp_push_log.rows_empty IS 'rows that were pending, and of which there was nothing to send';

-- An error may quote a row, so not everybody may see it.
CREATE TABLE crisp_push_error (
    run_id bigint PRIMARY KEY REFERENCES crisp_push_log ON DELETE CASCADE,
    sqlstate text NOT NULL,
    message text NOT NULL,
    detail text,
    hint text,
    context text
);

COMMENT ON TABLE crisp_push_error IS 'why runs of crisp_push() have failed; crisp_push_run shows it to whose job it is';

-- As for crisp_sync_job, see there.
SELECT pg_catalog.pg_extension_config_dump('crisp_push_job',
    'WHERE source::oid IN (SELECT oid FROM pg_catalog.pg_class) '
    'AND target::oid IN (SELECT oid FROM pg_catalog.pg_class)');
SELECT pg_catalog.pg_extension_config_dump('crisp_push_log', '');
SELECT pg_catalog.pg_extension_config_dump('crisp_push_job_seq', '');
SELECT pg_catalog.pg_extension_config_dump('crisp_push_run_seq', '');

-- The table of a job's rows, and as an SQL name.
CREATE FUNCTION crisp_push_rows_of(job_id bigint)
RETURNS regclass
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT to_regclass('@extschema@.crisp_push_rows_' || job_id)
$$;

-- Whose job it is.
CREATE FUNCTION crisp_push_owner(job_id bigint)
RETURNS oid
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT c.relowner FROM pg_class c WHERE c.oid = @extschema@.crisp_push_rows_of(job_id)
$$;

-- Whether a role may have jobs of a source and a target.
CREATE FUNCTION crisp_push_may(role name, source regclass, target regclass)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT coalesce(has_any_column_privilege(role, source, 'SELECT')
                AND has_any_column_privilege(role, target, 'INSERT, UPDATE'), false)
$$;

-- Make the table of a job's rows.  After a restore it is there before the job.
CREATE FUNCTION crisp_push_create_rows()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    name CONSTANT text := 'crisp_push_rows_' || NEW.job_id;
BEGIN
    IF @extschema@.crisp_push_rows_of(NEW.job_id) IS NOT NULL THEN
        RETURN NULL;
    ELSIF NOT @extschema@.crisp_push_may(NEW.role, NEW.source, NEW.target) THEN
        RAISE EXCEPTION 'permission denied to push "%" into "%"', @extschema@.crisp_sync_name(NEW.source),
            @extschema@.crisp_sync_name(NEW.target) USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE format($sql$
        CREATE TABLE @extschema@.%1$I (
            key text COLLATE "C" PRIMARY KEY,
            spelling text COLLATE "C",
            name text,
            state text NOT NULL CHECK (state IN ('pending', 'sending', 'changing', 'pushed', 'refused', 'uncertain')),
            wanted jsonb,
            pushed jsonb,
            is_there boolean,
            is_gone boolean NOT NULL DEFAULT false,
            sqlstate text,
            error text,
            tried_at timestamptz,
            pushed_at timestamptz,
            phase text GENERATED ALWAYS AS (
                CASE WHEN state <> 'pending' THEN NULL
                     WHEN error IS NOT NULL THEN 'doubtful'
                     WHEN is_gone THEN 'removals'
                     WHEN is_there THEN 'changes'
                     WHEN is_there IS NULL THEN 'unknown'
                     ELSE 'inserts' END) STORED);
        CREATE INDEX ON @extschema@.%1$I (phase, length(key), key) WHERE phase IS NOT NULL;
        CREATE INDEX ON @extschema@.%1$I (tried_at, length(key), key) WHERE phase = 'doubtful';
        REVOKE ALL ON @extschema@.%1$I FROM PUBLIC;
        ALTER TABLE @extschema@.%1$I OWNER TO %2$I
        $sql$, name, NEW.role);
    RETURN NULL;
END
$$;

-- Or else anybody could have it run for a table of theirs.
REVOKE ALL ON FUNCTION crisp_push_create_rows() FROM PUBLIC;

CREATE TRIGGER crisp_push_create_rows AFTER INSERT ON crisp_push_job
FOR EACH ROW EXECUTE FUNCTION crisp_push_create_rows();

-- What is known of a job goes with it.
CREATE FUNCTION crisp_push_drop_rows()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM @extschema@.crisp_push_log l WHERE l.job_id = OLD.job_id;
    -- It may have gone with its owner.
    IF @extschema@.crisp_push_rows_of(OLD.job_id) IS NOT NULL THEN
        EXECUTE format('DROP TABLE %s', @extschema@.crisp_push_rows_of(OLD.job_id));
    END IF;
    RETURN NULL;
END
$$;

REVOKE ALL ON FUNCTION crisp_push_drop_rows() FROM PUBLIC;

CREATE TRIGGER crisp_push_drop_rows AFTER DELETE ON crisp_push_job
FOR EACH ROW EXECUTE FUNCTION crisp_push_drop_rows();

-- Whether a job is that of the caller, or of a role that the caller may act for; whose it is shows when it's made.
CREATE FUNCTION crisp_push_is_mine(job_id bigint)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT coalesce((SELECT pg_has_role(c.relowner, 'USAGE') FROM pg_class c
                 WHERE c.relname = 'crisp_push_rows_' || job_id
                   AND c.relnamespace = '@extschema@'::regnamespace), true)
$$;

CREATE VIEW crisp_push_my_job AS
SELECT * FROM crisp_push_job WHERE crisp_push_is_mine(job_id)
WITH CASCADED CHECK OPTION;

CREATE VIEW crisp_push_my_log AS
SELECT * FROM crisp_push_log l
WHERE EXISTS (SELECT FROM crisp_push_job j WHERE j.job_id = l.job_id AND crisp_push_is_mine(j.job_id))
WITH CASCADED CHECK OPTION;

CREATE VIEW crisp_push_my_error WITH (security_barrier) AS
SELECT * FROM crisp_push_error e
WHERE EXISTS (SELECT FROM crisp_push_log l JOIN crisp_push_job j ON j.job_id = l.job_id
              WHERE l.run_id = e.run_id AND crisp_push_is_mine(j.job_id))
WITH CASCADED CHECK OPTION;

-- The numbers of a job as they are now.  A run changes those of its own line alone.
CREATE VIEW crisp_push_numbers AS
SELECT j.job_id, j.rows_known - coalesce(l.rows_deleted, 0) AS rows_known,
       j.rows_pending - coalesce(l.rows_inserted + l.rows_updated + l.rows_deleted + l.rows_refused
                                 + l.rows_uncertain + l.rows_empty, 0) AS rows_pending,
       j.rows_refused + coalesce(l.rows_refused, 0) AS rows_refused,
       j.rows_uncertain + coalesce(l.rows_uncertain, 0) AS rows_uncertain,
       j.rows_pushed + coalesce(l.rows_inserted + l.rows_updated + l.rows_deleted, 0) AS rows_pushed,
       j.requests + coalesce(l.requests, 0) AS requests
FROM crisp_push_job j LEFT JOIN crisp_push_log l ON l.run_id = j.last_run_id;

-- Jobs whose target or rows were dropped, or whose source wasn't made anew for a month.  Anybody may clear them away.
CREATE VIEW crisp_push_orphan AS
SELECT job_id, source, target FROM crisp_push_job j
WHERE (NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = j.source)
       AND (j.last_success > pg_catalog.now() - interval '1 month') IS NOT TRUE)
   OR NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = j.target)
   OR crisp_push_rows_of(job_id) IS NULL;

-- Runs whose job a dump has left out.
CREATE VIEW crisp_push_orphan_run AS
SELECT run_id FROM crisp_push_log l
WHERE NOT EXISTS (SELECT FROM crisp_push_job j WHERE j.job_id = l.job_id);

-- Whoever may dump the database must be able to read what is dumped.  Who has made a job can't be made up.
GRANT SELECT ON crisp_push_job, crisp_push_log, crisp_push_numbers, crisp_push_job_seq, crisp_push_run_seq TO PUBLIC;
GRANT SELECT, DELETE ON crisp_push_my_job, crisp_push_my_log, crisp_push_my_error, crisp_push_orphan,
    crisp_push_orphan_run TO PUBLIC;
GRANT INSERT (source, target, key),
      UPDATE (source, source_name, key_type, missing, origin, fields, told_columns, finds_rows, rows_known,
              rows_pending, rows_refused, rows_uncertain, rows_pushed, requests, last_run_id, last_success)
ON crisp_push_my_job TO PUBLIC;
GRANT INSERT (job_id, started_at),
      UPDATE (ended_at, outcome, requests, rows_inserted, rows_updated, rows_deleted, rows_refused,
              rows_uncertain, rows_empty, progress_at)
ON crisp_push_my_log TO PUBLIC;
GRANT INSERT ON crisp_push_my_error TO PUBLIC;
GRANT USAGE ON crisp_push_job_seq, crisp_push_run_seq TO PUBLIC;

-- What PL/pgSQL can't do by itself.
CREATE FUNCTION crisp_push_target(
    target regclass,
    OUT resource text,
    OUT origin text[],
    OUT noun text,
    OUT parent text,
    OUT names text[],
    OUT has_key boolean,
    OUT inserts boolean,
    OUT insert_takes text[],
    OUT updates boolean,
    OUT update_takes text[],
    OUT merged text[],
    OUT removes boolean,
    OUT prefetch integer)
RETURNS record
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT STABLE;

COMMENT ON FUNCTION crisp_push_target(regclass) IS
    'what the catalog says of writing to a foreign table, in names of its columns';

CREATE FUNCTION crisp_push_send(
    target regclass,
    operation text,
    key text,
    keys text[],
    names text[],
    wanted jsonb[],
    pushed jsonb[],
    is_whole boolean[])
RETURNS TABLE (
    number integer,
    outcome text,
    name text,
    sqlstate text,
    message text,
    detail text,
    hint text,
    is_anew boolean,
    written text[],
    perhaps text[],
    needs integer)
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE ROWS 4;

COMMENT ON FUNCTION crisp_push_send(regclass, text, text, text[], text[], jsonb[], jsonb[], boolean[]) IS
    'write rows to Crisp, several at a time, and say what became of each';

CREATE FUNCTION crisp_push_begun(forget boolean)
RETURNS integer[]
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE;

COMMENT ON FUNCTION crisp_push_begun(boolean) IS
    'the rows, by number, that the latest call of crisp_push_send() has begun to write, also where it has failed';

CREATE FUNCTION crisp_push_fold(key text)
RETURNS text
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION crisp_push_fold(text) IS 'a key without what Crisp may not tell apart';

CREATE FUNCTION crisp_push_lock(source oid, target oid)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE;

CREATE FUNCTION crisp_push_lock_briefly(source oid, target oid)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE;

CREATE FUNCTION crisp_push_unlock(source oid, target oid)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE;

COMMENT ON FUNCTION crisp_push_lock(oid, oid) IS
    'take the lock of a push, until it is given back, a transaction fails, or the session ends';
COMMENT ON FUNCTION crisp_push_lock_briefly(oid, oid) IS 'take the lock of a push until the transaction ends';

-- The session that runs a job, as its lock tells; NULL when none does.
CREATE FUNCTION crisp_push_pid(source regclass, target regclass)
RETURNS integer
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT l.pid FROM pg_locks l
WHERE l.locktype = 'object' AND l.objsubid = 17236 AND l.granted
  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
  AND l.classid = source::oid AND l.objid = target::oid
$$;
