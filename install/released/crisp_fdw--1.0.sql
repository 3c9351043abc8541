/* crisp_fdw--1.0.sql: made from the files in install */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION crisp_fdw" to load this file. \quit

CREATE FUNCTION crisp_fdw_handler()
RETURNS fdw_handler
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT;

CREATE FUNCTION crisp_fdw_validator(text[], oid)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT;

CREATE FOREIGN DATA WRAPPER crisp_fdw
  HANDLER crisp_fdw_handler
  VALIDATOR crisp_fdw_validator;

CREATE FUNCTION crisp_fdw_resources(
    OUT resource text,
    OUT description text,
    OUT list_route text,
    OUT plugin_route text,
    OUT detail_route text,
    OUT count_route text)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT STABLE PARALLEL SAFE;

COMMENT ON FUNCTION crisp_fdw_resources() IS
'the Crisp resources that a foreign table can stand for, and the routes of the API that they come from';

CREATE FUNCTION crisp_fdw_columns(
    OUT resource text,
    OUT column_name text,
    OUT data_type text,
    OUT json_path text,
    OUT description text,
    OUT pushdown text,
    OUT is_key boolean,
    OUT is_required boolean,
    OUT found_in text,
    OUT lookup_route text,
    OUT written_by text)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT STABLE PARALLEL SAFE;

COMMENT ON FUNCTION crisp_fdw_columns() IS
'the columns of every Crisp resource: type as imported, JSON path, meaning, and what of a condition on it Crisp is asked, and what can write it';

CREATE FUNCTION crisp_fdw_usage(
    OUT scope text,
    OUT database text,
    OUT server text,
    OUT since timestamptz,
    OUT requests bigint,
    OUT retries bigint,
    OUT answered bigint,
    OUT rate_limited bigint,
    OUT refused bigint,
    OUT server_errors bigint,
    OUT unreachable bigint,
    OUT timed_out bigint,
    OUT broken_off bigint,
    OUT unusable bigint,
    OUT abandoned bigint,
    OUT rows bigint,
    OUT bytes bigint,
    OUT wait_time double precision,
    OUT last_error text,
    OUT last_error_at timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION crisp_fdw_usage() IS
'requests to Crisp and what came of them, by server: of this session, and of the whole cluster where that is known';

CREATE VIEW crisp_fdw_usage AS
SELECT * FROM crisp_fdw_usage();

GRANT SELECT ON crisp_fdw_usage TO PUBLIC;

CREATE FUNCTION crisp_fdw_usage_reset()
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION crisp_fdw_usage_reset() IS
'begin anew with what crisp_fdw_usage() counts for this session';

CREATE FUNCTION crisp_fdw_usage_reset_cluster()
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;

REVOKE ALL ON FUNCTION crisp_fdw_usage_reset_cluster() FROM PUBLIC;

COMMENT ON FUNCTION crisp_fdw_usage_reset_cluster() IS
'begin anew with what crisp_fdw_usage() counts for the whole cluster; false where that is not known';

CREATE FUNCTION crisp_fdw_disconnect(server_name name)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION crisp_fdw_disconnect(name) IS
'close the connections that this session keeps to a server; false when there are none';

CREATE FUNCTION crisp_fdw_check(
    server_name name,
    OUT tier text,
    OUT website_id text,
    OUT website_name text,
    OUT website_domain text,
    OUT account_id text,
    OUT account_name text,
    OUT latency double precision,
    OUT requests bigint,
    OUT status text,
    OUT detail text,
    OUT hint text)
RETURNS record
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE;

COMMENT ON FUNCTION crisp_fdw_check(name) IS
'whether the credentials of the current user for a server are good, and for what; or what is wrong';
--
-- crisp_sync: what is known of each job
--

CREATE SEQUENCE crisp_sync_job_seq;
CREATE SEQUENCE crisp_sync_run_seq;

-- Everything that was updated up to the watermark is in the target, but for the gaps.
CREATE TABLE crisp_sync_job (
    job_id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('@extschema@.crisp_sync_job_seq'::pg_catalog.regclass),
    source regclass NOT NULL,
    target regclass NOT NULL,
    resource text NOT NULL,
    sync_field text,
    dates_field text,
    mode text NOT NULL DEFAULT 'incremental',
    watermark timestamptz,
    watermark_at timestamptz,
    settled timestamptz,
    overlap interval,
    gaps tstzrange[] NOT NULL DEFAULT '{}',
    reaches_to timestamptz NOT NULL DEFAULT '-infinity',
    pass_condition text,
    pass_reference timestamptz,
    pass_rows bigint NOT NULL DEFAULT 0,
    full_since timestamptz,
    deleted text,
    by_date boolean NOT NULL DEFAULT false,
    span interval,
    window_rows integer,
    pages_found integer,
    pages_missing integer,
    expected_rows bigint,
    rows_per_request integer NOT NULL DEFAULT 49,
    daily_quota integer,
    rows_fetched bigint NOT NULL DEFAULT 0,
    rows_inserted bigint NOT NULL DEFAULT 0,
    rows_updated bigint NOT NULL DEFAULT 0,
    rows_deleted bigint NOT NULL DEFAULT 0,
    requests bigint NOT NULL DEFAULT 0,
    stalled boolean NOT NULL DEFAULT false,
    last_run_id bigint,
    last_success timestamptz,
    UNIQUE (source, target)
);

COMMENT ON TABLE crisp_sync_job IS 'the jobs of crisp_sync(), and what each of them has still to fetch';
COMMENT ON COLUMN crisp_sync_job.sync_field IS 'column of the source by which changes are found; NULL: there is none, and each run reads all';
COMMENT ON COLUMN crisp_sync_job.dates_field IS 'column of the source that the gaps are about; NULL: the source is not read in windows';
COMMENT ON COLUMN crisp_sync_job.watermark IS 'all changes up to here, by sync_field, are in the target or in the gaps';
COMMENT ON COLUMN crisp_sync_job.watermark_at IS 'by our clock: when Crisp was first seen to have got that far';
COMMENT ON COLUMN crisp_sync_job.settled IS 'all rows with a date up to here are in the target or in the gaps, also those that came into the index late';
COMMENT ON COLUMN crisp_sync_job.overlap IS 'how far the last run looked back, which is what settled goes by';
COMMENT ON COLUMN crisp_sync_job.gaps IS 'what is still to be fetched, by dates_field: lower bounds excluded, upper bounds included; newest first';
COMMENT ON COLUMN crisp_sync_job.reaches_to IS 'how far back the target is to reach';
COMMENT ON COLUMN crisp_sync_job.pass_condition IS 'condition of the call whose range is still in the gaps; all: changes took more than one may ask for';
COMMENT ON COLUMN crisp_sync_job.pass_rows IS 'rows fetched since the gaps were last empty';
COMMENT ON COLUMN crisp_sync_job.full_since IS 'start of a full load that is not finished';
COMMENT ON COLUMN crisp_sync_job.deleted IS 'what it does with rows that are gone: delete or mark';
COMMENT ON COLUMN crisp_sync_job.by_date IS 'Crisp did not keep the order that it was asked for, so the source is read by spans of time';
COMMENT ON COLUMN crisp_sync_job.span IS 'such a span that fits a page, as a rule';
COMMENT ON COLUMN crisp_sync_job.window_rows IS 'rows of the parent that a window may ask for, since more took too many requests; NULL: as usual';
COMMENT ON COLUMN crisp_sync_job.pages_found IS 'the list has a page of this number ...';
COMMENT ON COLUMN crisp_sync_job.pages_missing IS '... and none of this one';
COMMENT ON COLUMN crisp_sync_job.stalled IS 'the last run has not come further: its requests did not suffice';
COMMENT ON COLUMN crisp_sync_job.expected_rows IS 'rows that the source has, as far as is known';

CREATE TABLE crisp_sync_log (
    run_id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('@extschema@.crisp_sync_run_seq'::pg_catalog.regclass),
    job_id bigint NOT NULL REFERENCES crisp_sync_job ON DELETE CASCADE,
    mode text NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    outcome text CHECK (outcome IN ('finished', 'partial', 'failed')),
    requests bigint NOT NULL DEFAULT 0,
    windows bigint NOT NULL DEFAULT 0,
    rows_fetched bigint NOT NULL DEFAULT 0,
    rows_inserted bigint NOT NULL DEFAULT 0,
    rows_updated bigint NOT NULL DEFAULT 0,
    rows_deleted bigint NOT NULL DEFAULT 0,
    progress_at timestamptz
);

CREATE INDEX crisp_sync_log_job ON crisp_sync_log (job_id, run_id);

COMMENT ON TABLE crisp_sync_log IS 'the runs of crisp_sync(); crisp_sync_run shows them';

-- An error may quote a row, so not everybody may see it.
CREATE TABLE crisp_sync_error (
    run_id bigint PRIMARY KEY REFERENCES crisp_sync_log ON DELETE CASCADE,
    sqlstate text NOT NULL,
    message text NOT NULL,
    detail text,
    hint text
);

COMMENT ON TABLE crisp_sync_error IS 'why runs of crisp_sync() have failed; crisp_sync_run shows it to those who may write to the target';

-- pg_dump carries the state along, but not that of tables which were dropped.
SELECT pg_catalog.pg_extension_config_dump('crisp_sync_job',
    'WHERE source::oid IN (SELECT oid FROM pg_catalog.pg_class) AND target::oid IN (SELECT oid FROM pg_catalog.pg_class)');
SELECT pg_catalog.pg_extension_config_dump('crisp_sync_log',
    'WHERE job_id IN (SELECT job_id FROM @extschema@.crisp_sync_job WHERE source::oid IN (SELECT oid FROM pg_catalog.pg_class) AND target::oid IN (SELECT oid FROM pg_catalog.pg_class))');
SELECT pg_catalog.pg_extension_config_dump('crisp_sync_job_seq', '');
SELECT pg_catalog.pg_extension_config_dump('crisp_sync_run_seq', '');

-- Who may change the target may change what is known of it.  The state is written through views that
-- show nothing else, so crisp_sync() needs no more rights than its caller has.
CREATE FUNCTION crisp_sync_may_write(target regclass)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT coalesce(has_table_privilege(target, 'SELECT') AND has_table_privilege(target, 'INSERT') AND
                has_table_privilege(target, 'UPDATE') AND has_table_privilege(target, 'DELETE'), false)
$$;

CREATE VIEW crisp_sync_my_job AS
SELECT * FROM crisp_sync_job WHERE crisp_sync_may_write(target)
WITH CASCADED CHECK OPTION;

CREATE VIEW crisp_sync_my_log AS
SELECT * FROM crisp_sync_log l
WHERE EXISTS (SELECT FROM crisp_sync_job j WHERE j.job_id = l.job_id AND crisp_sync_may_write(j.target))
WITH CASCADED CHECK OPTION;

-- A barrier, or else a function in the WHERE of a query may see rows that the view doesn't show.
CREATE VIEW crisp_sync_my_error WITH (security_barrier) AS
SELECT * FROM crisp_sync_error e
WHERE EXISTS (SELECT FROM crisp_sync_log l JOIN crisp_sync_job j ON j.job_id = l.job_id
              WHERE l.run_id = e.run_id AND crisp_sync_may_write(j.target))
WITH CASCADED CHECK OPTION;

-- Jobs whose source or target was dropped.  Anybody may clear them away.
CREATE VIEW crisp_sync_orphan AS
SELECT job_id, source, target FROM crisp_sync_job j
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = j.source)
   OR NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = j.target);

-- Whoever may dump the database must be able to read what is dumped.
GRANT SELECT ON crisp_sync_job, crisp_sync_log, crisp_sync_job_seq, crisp_sync_run_seq TO PUBLIC;
-- Numbers are given out by the sequences alone: one that is made up would be in the way of others.
GRANT SELECT, DELETE ON crisp_sync_my_job, crisp_sync_my_log, crisp_sync_my_error, crisp_sync_orphan TO PUBLIC;
GRANT INSERT (source, target, resource),
      UPDATE (sync_field, dates_field, mode, watermark, watermark_at, settled, overlap, gaps, reaches_to, pass_condition, pass_reference,
              pass_rows, full_since, deleted, by_date, span, window_rows, pages_found, pages_missing, expected_rows, rows_per_request,
              daily_quota, rows_fetched, rows_inserted, rows_updated, rows_deleted, requests, stalled, last_run_id, last_success)
ON crisp_sync_my_job TO PUBLIC;
GRANT INSERT (job_id, mode, started_at),
      UPDATE (ended_at, outcome, requests, windows, rows_fetched, rows_inserted, rows_updated, rows_deleted, progress_at)
ON crisp_sync_my_log TO PUBLIC;
GRANT INSERT ON crisp_sync_my_error TO PUBLIC;
GRANT USAGE ON crisp_sync_job_seq, crisp_sync_run_seq TO PUBLIC;

-- What PL/pgSQL can't do by itself.
CREATE FUNCTION crisp_sync_source(
    source regclass,
    OUT resource text,
    OUT keys text[],
    OUT key_length integer,
    OUT asked text[],
    OUT dates text[],
    OUT dates_follow_changes boolean,
    OUT changed text[],
    OUT times text[],
    OUT time_paths text[],
    OUT has_times boolean,
    OUT parent text,
    OUT argument text[],
    OUT per_page integer,
    OUT daily_quota integer)
RETURNS record
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT STABLE;

CREATE FUNCTION crisp_sync_lock(source oid, target oid)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE;

CREATE FUNCTION crisp_sync_unlock()
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE;

CREATE FUNCTION crisp_sync_may_commit()
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE;

CREATE FUNCTION crisp_sync_count(list regclass)
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE;

CREATE FUNCTION crisp_sync_page(list regclass, page_number integer, OUT rows integer, OUT is_last boolean)
RETURNS record
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE;

CREATE FUNCTION crisp_sync_requests()
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE;

COMMENT ON FUNCTION crisp_sync_source(regclass) IS 'what the catalog says of the source of a sync, in names of its columns';
COMMENT ON FUNCTION crisp_sync_lock(oid, oid) IS 'take the lock of a job, until it is given back, a transaction fails, or the session ends';
COMMENT ON FUNCTION crisp_sync_count(regclass) IS 'how many rows a list has, for one request; NULL where Crisp does not count them';
COMMENT ON FUNCTION crisp_sync_page(regclass, integer) IS 'how many rows a page of a list has, and whether the list ends with it, for one request';
COMMENT ON FUNCTION crisp_sync_requests() IS 'requests that the statement at hand has made';

-- The session that runs a job, as its lock tells; NULL when none does.
CREATE FUNCTION crisp_sync_pid(source regclass, target regclass)
RETURNS integer
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT l.pid FROM pg_locks l
WHERE l.locktype = 'advisory' AND l.objsubid = 17235 AND l.granted
  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
  AND l.classid = source::oid AND l.objid = target::oid
$$;
--
-- crisp_sync: the target of a job
--

-- Column names as SQL, with a prefix, separated by commas.
CREATE FUNCTION crisp_sync_list(columns text[], prefix text DEFAULT '')
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT string_agg(prefix || quote_ident(c.name), ', ' ORDER BY c.number)
FROM unnest(columns) WITH ORDINALITY c (name, number)
$$;

-- The columns of a relation, in order; insertable: without those that compute their values.
CREATE FUNCTION crisp_sync_columns(relation regclass)
RETURNS TABLE (name text, type text, number smallint, insertable boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT a.attname::text,
       format_type(a.atttypid, a.atttypmod) ||
       CASE WHEN a.attcollation <> t.typcollation
            THEN (SELECT format(' COLLATE %I.%I', n.nspname, c.collname)
                  FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
                  WHERE c.oid = a.attcollation)
            ELSE '' END,
       a.attnum,
       a.attgenerated = '' AND a.attidentity <> 'a'
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
$$;

-- Create a target: the columns of the source but for those that hold nothing of Crisp's, the key as
-- primary key, and when a row was written.  Another session may be doing the same: then is_new is false.
CREATE FUNCTION crisp_sync_create_target(
    source regclass, target text, schema_name text, keys text[], asked text[], mark boolean,
    OUT created regclass, OUT is_new boolean)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    parts text[] := parse_ident(target);
    name text := parts[cardinality(parts)];
    schema text := coalesce(parts[cardinality(parts) - 1], schema_name);
    columns text;
BEGIN
    IF schema IS NULL THEN
        RAISE EXCEPTION 'no schema has been selected to create "%" in', name
            USING ERRCODE = 'invalid_schema_name', HINT = 'Name the schema of the target, too.';
    END IF;
    SELECT string_agg(format('%I %s', c.name, c.type), ', ' ORDER BY c.number) INTO columns
    FROM @extschema@.crisp_sync_columns(source) c
    WHERE c.name <> ALL (asked);

    is_new := true;
    BEGIN
        EXECUTE format('CREATE TABLE %I.%I (%s, _synced_at timestamp with time zone NOT NULL DEFAULT now()%s, PRIMARY KEY (%s))',
            schema, name, columns, CASE WHEN mark THEN ', _deleted_at timestamp with time zone' ELSE '' END,
            @extschema@.crisp_sync_list(keys));
        RAISE NOTICE 'created table %.%', quote_ident(schema), quote_ident(name);
    EXCEPTION WHEN duplicate_table OR unique_violation THEN
        is_new := false;
    END;
    created := to_regclass(format('%I.%I', schema, name));
END
$$;

-- Raise an error unless a relation can be a target.
CREATE FUNCTION crisp_sync_check_target(target regclass, keys text[])
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    what text;
    kind "char";
    persistence "char";
    missing text[];
BEGIN
    SELECT c.relkind, c.relpersistence INTO kind, persistence FROM pg_class c WHERE c.oid = target;
    what := CASE kind
        WHEN 'r' THEN CASE WHEN persistence = 't' THEN 'a temporary table' END
        WHEN 'f' THEN 'a foreign table'
        WHEN 'p' THEN 'a partitioned table'
        WHEN 'v' THEN 'a view'
        WHEN 'm' THEN 'a materialized view'
        ELSE 'not a table' END;
    IF what IS NOT NULL THEN
        RAISE EXCEPTION 'cannot sync into "%": it is %', target, what
            USING ERRCODE = 'wrong_object_type',
                HINT = 'The target is an ordinary table; one that does not exist is created.';
    END IF;
    IF NOT @extschema@.crisp_sync_may_write(target) THEN
        RAISE EXCEPTION 'permission denied to sync into "%"', target
            USING ERRCODE = 'insufficient_privilege',
                HINT = 'It takes the rights to SELECT, INSERT, UPDATE and DELETE.';
    ELSIF row_security_active(target) THEN
        RAISE EXCEPTION 'cannot sync into "%": it has row-level security, which holds for "%"', target, current_user
            USING ERRCODE = 'insufficient_privilege',
                DETAIL = 'Rows that it hides could be neither changed nor deleted.',
                HINT = 'Call crisp_sync as the owner of the table, or as a role with BYPASSRLS.';
    END IF;

    IF EXISTS (SELECT FROM @extschema@.crisp_sync_columns(target) c WHERE c.name = ANY (keys) AND NOT c.insertable) THEN
        RAISE EXCEPTION 'cannot sync into "%": its key (%) is generated', target, @extschema@.crisp_sync_list(keys)
            USING ERRCODE = 'invalid_table_definition', DETAIL = 'It must hold the key that rows have at Crisp.';
    END IF;
    missing := ARRAY(SELECT k.key FROM unnest(keys) k (key)
                     WHERE k.key NOT IN (SELECT c.name FROM @extschema@.crisp_sync_columns(target) c));
    IF cardinality(missing) = 0 AND EXISTS (
        SELECT FROM pg_index i
        WHERE i.indrelid = target AND i.indisunique AND i.indisvalid AND i.indimmediate
          AND i.indpred IS NULL AND i.indexprs IS NULL
          AND ARRAY(SELECT a.attname::text
                    FROM generate_series(0, i.indnkeyatts - 1) n
                    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[n]
                    ORDER BY 1)
            = ARRAY(SELECT k.key FROM unnest(keys) k (key) ORDER BY 1)) THEN
        RETURN;
    END IF;
    RAISE EXCEPTION 'cannot sync into "%": it has no unique key on (%)', target,
        @extschema@.crisp_sync_list(keys)
        USING ERRCODE = 'invalid_table_definition',
            DETAIL = 'Rows that change at Crisp are found again by that key.',
            HINT = format('ALTER TABLE %s ADD UNIQUE (%s);', target, @extschema@.crisp_sync_list(keys));
END
$$;

-- The columns that source and target have in common.  What the target lacks is told with the
-- ALTER TABLE that adds it.
CREATE FUNCTION crisp_sync_match_columns(source regclass, target regclass, asked text[])
RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    matched text[];
    missing text[];
    adding text;
BEGIN
    SELECT array_agg(s.name ORDER BY s.number) FILTER (WHERE t.insertable),
           array_agg(s.name ORDER BY s.number) FILTER (WHERE t.name IS NULL),
           string_agg(format('ADD COLUMN %I %s', s.name, s.type), ', ' ORDER BY s.number)
               FILTER (WHERE t.name IS NULL)
    INTO matched, missing, adding
    FROM (SELECT c.name, c.type, c.number FROM @extschema@.crisp_sync_columns(source) c
          WHERE c.name <> ALL (asked)
          UNION ALL SELECT '_synced_at', 'timestamp with time zone', 32767) s
    LEFT JOIN @extschema@.crisp_sync_columns(target) t ON t.name = s.name;

    IF missing IS NOT NULL THEN
        RAISE NOTICE 'table "%" has no column for %', target, @extschema@.crisp_sync_list(missing)
            USING DETAIL = 'What these columns of the source hold is not copied.',
                HINT = format('ALTER TABLE %s %s;', target, adding);
    END IF;
    RETURN matched;
END
$$;

-- Raise an error when a full load would drop what another job has brought.
CREATE FUNCTION crisp_sync_check_shared(source regclass, target regclass)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    other regclass;
BEGIN
    SELECT j.source INTO other FROM @extschema@.crisp_sync_job j
    WHERE j.target = crisp_sync_check_shared.target AND j.source <> crisp_sync_check_shared.source;
    IF FOUND THEN
        RAISE EXCEPTION 'cannot replace "%": it is the target of "%", too', target, other
            USING ERRCODE = 'object_in_use',
                DETAIL = 'Rows of the other source would look as if they were gone from Crisp.',
                HINT = 'Use a target of its own, or mode incremental.';
    END IF;
END
$$;

-- Raise an error unless the target has some columns for times.
CREATE FUNCTION crisp_sync_check_columns(target regclass, wanted text[])
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    missing text[];
    adding text;
BEGIN
    SELECT array_agg(w.name), string_agg(format('ADD COLUMN %I timestamp with time zone', w.name), ', ')
    INTO missing, adding
    FROM unnest(wanted) w (name)
    WHERE w.name NOT IN (SELECT c.name FROM @extschema@.crisp_sync_columns(target) c);
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'table "%" has no column %', target, @extschema@.crisp_sync_list(missing)
            USING ERRCODE = 'undefined_column',
                DETAIL = 'It takes that to tell which rows are gone from Crisp.',
                HINT = format('ALTER TABLE %s %s;', target, adding);
    END IF;
END
$$;
--
-- crisp_sync: what a run is to do
--

-- A run under way, handed from one step to the next.
CREATE TYPE crisp_sync_work AS (
    job_id bigint,
    run_id bigint,
    source regclass,
    target regclass,
    keys text[],
    columns text[],             -- those that are copied
    guard text,                 -- the one that tells which of two versions of a row is the newer; or NULL
    argument text,              -- the one that names a row of the parent; or NULL
    list regclass,              -- the table that windows go over: the source, or the parent
    list_key text,              -- of the parent; or NULL
    sync_field text,            -- column of the list by which changes are found; or NULL
    dates_field text,           -- column of the list that windows go by; or NULL
    per_page integer,
    mode text,
    condition text,
    reference timestamptz,
    overlap interval,
    started_at timestamptz,     -- before the first request
    first_request bigint,       -- requests of the statement when the run began
    last_request bigint,        -- most that it may have made in the end; NULL for any number
    phase text,                 -- changes, history, closing; in the end: end, exhausted, failed
    top boolean,                -- nothing has been seen yet that could become the watermark
    changes tstzrange,          -- of sync_field, where that isn't what windows go by; NULL for none
    by_date boolean,            -- the list isn't in the order that was asked for: read it by time spans
    exact_changes boolean,      -- changes come by dates, so that none is lost and one statement does
    settling timestamptz,       -- what is settled when changes have been read; NULL for nothing
    found_gaps tstzrange[],     -- what earlier runs had left
    adapted boolean,            -- the next run has another way to go on, after a failure of this one
    probes integer,             -- requests that are kept for the estimate of what is left
    window_rows integer,        -- rows of the parent that a window asks for at most; NULL: as many as usual
    first_window_rows integer,  -- when the run began
    span interval,              -- such a span; NULL for all that is new
    unbounded boolean,          -- the list isn't limited to the dates that were asked for: read it as a whole
    windows bigint,
    fetched bigint,
    inserted bigint,
    updated bigint,
    deleted bigint
);

-- How a time column of a relation is read, as a timestamptz: an expression in which % is the column.
CREATE FUNCTION crisp_sync_time(relation regclass, name text, prefix text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    type text := (SELECT c.type FROM @extschema@.crisp_sync_columns(relation) c WHERE c.name = crisp_sync_time.name);
    reference text := prefix || quote_ident(name);
BEGIN
    RETURN CASE type
        WHEN 'timestamp with time zone' THEN reference
        WHEN 'timestamp without time zone' THEN format('(%s AT TIME ZONE ''UTC'')', reference)
        WHEN 'bigint' THEN format('(''1970-01-01 00:00:00+00''::timestamptz + %s * interval ''1 millisecond'')', reference)
        END;
END
$$;

-- The condition that a time column is in (lower, upper], whose bounds are the parameters $1 and $2; a bound
-- that isn't finite is left out.  What else it says is always true, but only PostgreSQL knows: so pages are as
-- large as they can be, and not fitted to a LIMIT.
CREATE FUNCTION crisp_sync_within(relation regclass, name text, lower timestamptz, upper timestamptz)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    type text := (SELECT c.type FROM @extschema@.crisp_sync_columns(relation) c WHERE c.name = crisp_sync_within.name);
    bound text := CASE type
        WHEN 'timestamp with time zone' THEN '%s'
        WHEN 'timestamp without time zone' THEN '(%s AT TIME ZONE ''UTC'')'
        WHEN 'bigint' THEN 'round(date_part(''epoch'', %s) * 1000)::bigint'
        END;
    conditions text[] := ARRAY['s.tableoid <> 0'];
BEGIN
    IF isfinite(lower) THEN
        conditions := conditions || format('s.%I > ' || bound, name, '$1');
    END IF;
    IF isfinite(upper) THEN
        conditions := conditions || format('s.%I <= ' || bound, name, '$2');
    END IF;
    RETURN array_to_string(conditions, ' AND ');
END
$$;

-- The column that a sync_field means: one of that name, or one that shows that time of Crisp's under another
-- name.  NULL for a table without times, which is read as a whole.
CREATE FUNCTION crisp_sync_find_field(list regclass, times text[], time_paths text[], has_times boolean, field text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    candidates text[] := ARRAY(
        SELECT c.name FROM @extschema@.crisp_sync_columns(list) c
        WHERE @extschema@.crisp_sync_time(list, c.name, '') IS NOT NULL
          AND (c.type <> 'bigint' OR c.name = ANY (times)));
    found text := times[array_position(time_paths, field)];
BEGIN
    IF field = ANY (candidates) THEN
        RETURN field;
    ELSIF found = ANY (candidates) THEN
        RETURN found;
    ELSIF NOT has_times THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'sync_field "%" is not a column of "%" that holds a time', field, list
        USING ERRCODE = 'undefined_column',
            HINT = format('Columns that do: %s', coalesce(@extschema@.crisp_sync_list(candidates), 'none'));
END
$$;

-- What a job remembers of its sync_field: the path of that time of Crisp's, which outlives another name of the column.
CREATE FUNCTION crisp_sync_path(list regclass, field text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT coalesce(s.time_paths[array_position(s.times, field)], field) FROM @extschema@.crisp_sync_source(list) s
$$;

-- Raise an error for a parameter that can't be.
CREATE FUNCTION crisp_sync_check_call(
    mode text, condition text, reference timestamptz, max_requests integer, overlap interval, deleted text, daily_quota integer)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem text;
    hint text;
BEGIN
    IF mode IS NULL OR mode NOT IN ('incremental', 'full') THEN
        problem := format('invalid mode "%s"', mode);
        hint := 'Valid values are: incremental, full';
    ELSIF condition IS NULL OR condition NOT IN ('newer', 'older') THEN
        problem := format('invalid condition "%s"', condition);
        hint := 'Valid values are: newer, older';
    ELSIF condition = 'older' AND reference IS NULL THEN
        problem := 'condition "older" needs a reference';
        hint := 'All runs before the last one were of rows that are older than it; name a time.';
    ELSIF reference IS NOT NULL AND NOT isfinite(reference) THEN
        problem := 'reference must be finite';
    ELSIF mode = 'full' AND reference IS NOT NULL THEN
        problem := 'a full load takes no reference';
        hint := 'It is of all rows. Leave out reference and condition, or use mode incremental.';
    ELSIF max_requests < 1 THEN
        problem := 'max_requests must be at least 1';
        hint := 'NULL means no limit.';
    ELSIF overlap IS NULL OR overlap < interval '0' THEN
        problem := 'overlap must not be negative';
    ELSIF deleted IS NULL OR deleted NOT IN ('delete', 'mark') THEN
        problem := format('invalid value for deleted: "%s"', deleted);
        hint := 'Valid values are: delete, mark';
    ELSIF daily_quota < 1 THEN
        problem := 'daily_quota must be at least 1';
    ELSE
        RETURN;
    END IF;
    IF hint IS NULL THEN
        RAISE EXCEPTION '%', problem USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RAISE EXCEPTION '%', problem USING ERRCODE = 'invalid_parameter_value', HINT = hint;
END
$$;

-- The table over which the windows of a run go, and by what: the source itself, or the table of its parent.
CREATE FUNCTION crisp_sync_find_list(INOUT work crisp_sync_work, resource text, parent_resource text, parent regclass)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    catalog record;
BEGIN
    work.list := work.source;
    IF parent_resource IS NOT NULL THEN
        work.list := @extschema@.crisp_sync_find_parent(work.source, parent_resource, parent);
        catalog := @extschema@.crisp_sync_source(work.list);
        IF catalog.resource <> parent_resource THEN
            RAISE EXCEPTION 'the parent of "%" is a table of %, not of %', work.source, parent_resource, catalog.resource
                USING ERRCODE = 'wrong_object_type';
        END IF;
        work.list_key := catalog.keys[1];
        IF work.list_key IS NULL THEN
            RAISE EXCEPTION 'table "%" lacks its key', work.list USING ERRCODE = 'undefined_column';
        END IF;
    ELSIF parent IS NOT NULL THEN
        RAISE EXCEPTION '% have no parent', resource
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave the parameter parent out.';
    ELSE
        catalog := @extschema@.crisp_sync_source(work.list);
    END IF;
    work.per_page := catalog.per_page;
    work.sync_field := @extschema@.crisp_sync_find_field(work.list, catalog.times, catalog.time_paths, catalog.has_times,
                                                           work.sync_field);
    IF work.sync_field IS NOT NULL THEN
        work.dates_field := catalog.dates[1];
        IF work.dates_field IS NOT NULL AND @extschema@.crisp_sync_time(work.list, work.dates_field, '') IS NULL THEN
            work.dates_field := NULL;
        END IF;
    END IF;
END
$$;

-- The one foreign table of a resource on the server of another one, in its schema.
CREATE FUNCTION crisp_sync_find_parent(source regclass, parent_resource text, parent regclass)
RETURNS regclass
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found regclass[];
BEGIN
    IF parent IS NOT NULL THEN
        RETURN parent;
    END IF;
    -- A table without the option resource is named after it.
    found := ARRAY(
        SELECT c.oid::regclass
        FROM pg_class c JOIN pg_foreign_table f ON f.ftrelid = c.oid
        JOIN pg_class sc ON sc.oid = source AND sc.relnamespace = c.relnamespace
        JOIN pg_foreign_table sf ON sf.ftrelid = sc.oid AND sf.ftserver = f.ftserver
        WHERE coalesce((SELECT o.option_value FROM pg_options_to_table(f.ftoptions) o WHERE o.option_name = 'resource'), c.relname) = parent_resource
          AND (SELECT o.option_value FROM pg_options_to_table(f.ftoptions) o WHERE o.option_name = 'website_id')
              IS NOT DISTINCT FROM
              (SELECT o.option_value FROM pg_options_to_table(sf.ftoptions) o WHERE o.option_name = 'website_id'));
    IF cardinality(found) = 1 THEN
        RETURN found[1];
    END IF;
    RAISE EXCEPTION 'cannot tell the table of % that belongs to "%"', parent_resource, source
        USING ERRCODE = 'undefined_table',
            DETAIL = format('On its server, in its schema and for its website, there are %s of them.', cardinality(found)),
            HINT = 'Name it: parent => ''schema.table''';
END
$$;

-- Look at source and target, create the latter when it's absent, and say what a run is to do.
CREATE FUNCTION crisp_sync_plan(
    source regclass, target text, target_table regclass, schema_name text, mode text, sync_field text, condition text,
    reference timestamptz, overlap interval, deleted text, parent regclass)
RETURNS crisp_sync_work
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    work @extschema@.crisp_sync_work;
    catalog record;
    made record;
BEGIN
    DELETE FROM @extschema@.crisp_sync_orphan;
    catalog := @extschema@.crisp_sync_source(source);
    work.source := source;
    work.keys := catalog.keys;
    IF catalog.key_length = 0 THEN
        RAISE EXCEPTION 'rows of % have no key', catalog.resource
            USING ERRCODE = 'undefined_column', DETAIL = 'One that changes could not be found again.',
                HINT = 'Copy them into a materialized view.';
    ELSIF cardinality(catalog.keys) < catalog.key_length THEN
        RAISE EXCEPTION 'table "%" lacks its key', source
            USING ERRCODE = 'undefined_column', DETAIL = 'Without it, a row that changes could not be found again.';
    END IF;
    work.argument := catalog.argument[1];
    IF EXISTS (SELECT FROM @extschema@.crisp_sync_columns(source) c WHERE c.name = work.argument AND c.type !~ '^(text|character varying)') THEN
        RAISE EXCEPTION 'column "%" of "%" is not of type text', work.argument, source
            USING ERRCODE = 'datatype_mismatch', DETAIL = 'Crisp is asked for its rows by that.';
    END IF;
    work.sync_field := sync_field;
    work := @extschema@.crisp_sync_find_list(work, catalog.resource, catalog.parent, parent);

    IF target_table IS NULL THEN
        made := @extschema@.crisp_sync_create_target(source, target, schema_name, catalog.keys, catalog.asked, deleted = 'mark');
        target_table := made.created;
        -- What is known of a table that had its OID before is not true of it.
        DELETE FROM @extschema@.crisp_sync_my_job j
        WHERE made.is_new AND j.source = crisp_sync_plan.source AND j.target = target_table;
    END IF;
    PERFORM @extschema@.crisp_sync_check_target(target_table, catalog.keys);
    IF mode = 'full' THEN
        PERFORM @extschema@.crisp_sync_check_shared(source, target_table);
        PERFORM @extschema@.crisp_sync_check_columns(target_table, ARRAY['_synced_at']);
    END IF;
    IF deleted = 'mark' AND (mode = 'full' OR work.argument IS NOT NULL) THEN
        PERFORM @extschema@.crisp_sync_check_columns(target_table, ARRAY['_deleted_at']);
    END IF;
    work.target := target_table;
    work.columns := @extschema@.crisp_sync_match_columns(source, target_table, catalog.asked);
    IF catalog.changed[1] = ANY (work.columns) THEN
        work.guard := catalog.changed[1];
    END IF;

    work.mode := mode;
    work.condition := condition;
    work.reference := reference;
    work.overlap := overlap;
    work.phase := 'changes';
    work.top := true;
    work.by_date := false;
    work.adapted := false;
    work.exact_changes := false;
    work.probes := 0;
    work.unbounded := false;
    work.windows := 0;
    work.fetched := 0;
    work.inserted := 0;
    work.updated := 0;
    work.deleted := 0;
    RETURN work;
END
$$;
--
-- crisp_sync: windows
--

-- What a statement has brought.
CREATE TYPE crisp_sync_batch AS (
    listed bigint,              -- rows of the list
    fetched bigint,             -- rows of the source
    inserted bigint,
    updated bigint,
    deleted bigint,
    oldest timestamptz,         -- of dates_field
    newest timestamptz,
    newest_change timestamptz,  -- of sync_field
    first_date timestamptz,     -- of the row that came first: all others were read then or later
    page_change timestamptz,    -- newest of sync_field, of rows that came with the first, where no row is left out
    in_order boolean,           -- of dates_field, newest first
    keyless bigint              -- rows without a key, which can't be kept
);

-- Ranges of time without overlaps, newest first.
CREATE FUNCTION crisp_sync_merge(ranges tstzrange[])
RETURNS tstzrange[]
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    merged tstzrange[] := '{}';
    next tstzrange;
BEGIN
    FOR next IN SELECT r.range FROM unnest(ranges) r (range) WHERE NOT isempty(r.range) ORDER BY r.range LOOP
        IF merged[1] && next OR merged[1] -|- next THEN
            merged[1] := merged[1] + next;
        ELSE
            merged := next || merged;
        END IF;
    END LOOP;
    RETURN merged;
END
$$;

-- How many requests the run has left; NULL for any number.
CREATE FUNCTION crisp_sync_requests_left(work crisp_sync_work)
RETURNS bigint
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT work.last_request - @extschema@.crisp_sync_requests()
$$;

-- The settings of a transaction of the run.  Windows that go by an order must not lose a row to a deletion.  What
-- is repeated until nothing new comes, or fits a page, can do without that.
CREATE FUNCTION crisp_sync_settings(work crisp_sync_work)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM set_config('crisp_fdw.max_requests', coalesce(work.last_request, 0)::text, true);
    PERFORM set_config('crisp_fdw.scan_mode', CASE WHEN work.by_date OR (work.phase = 'changes' AND NOT work.exact_changes)
                                                   THEN 'fast' ELSE 'exact' END, true);
    -- What a timestamp or a text holds of a time must not depend on who calls.
    PERFORM set_config('TimeZone', 'UTC', true);
    PERFORM set_config('DateStyle', 'ISO', true);
    -- A long list costs the planner so much that each window would be compiled, which takes longer than to run it.
    PERFORM set_config('jit', 'off', true);
END
$$;

-- What the statement that stores rows does with one that is there already.
CREATE FUNCTION crisp_sync_on_conflict(work crisp_sync_work)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    has_deleted boolean := EXISTS (SELECT FROM @extschema@.crisp_sync_columns(work.target) c WHERE c.name = '_deleted_at');
    copied text[] := array_remove(work.columns, '_synced_at');
    assignments text;
    differs text;
BEGIN
    SELECT string_agg(format('%1$I = excluded.%1$I', c.name), ', ') INTO assignments
    FROM unnest(work.columns) c (name);
    IF has_deleted THEN
        assignments := assignments || ', _deleted_at = NULL';
    END IF;

    -- Compared as stored, which every type can be.
    differs := format('record_image_ne(ROW(%s), ROW(%s))', @extschema@.crisp_sync_list(copied, 't.'),
                      @extschema@.crisp_sync_list(copied, 'excluded.'));
    IF has_deleted THEN
        differs := format('(%s OR t._deleted_at IS NOT NULL)', differs);
    END IF;
    -- Crisp may answer from a cache, and another job may have brought what is newer.
    IF work.guard IS NOT NULL THEN
        differs := format('%1$s AND (t.%2$I <= excluded.%2$I) IS NOT FALSE', differs, work.guard);
    END IF;
    -- A full load marks all that it sees, and takes what it sees for true.
    RETURN format('ON CONFLICT (%s) DO UPDATE SET %s WHERE ($5 IS NULL AND %s)%s',
        @extschema@.crisp_sync_list(work.keys), assignments, differs,
        CASE WHEN '_synced_at' = ANY (work.columns)
             THEN format(' OR ($5 IS NOT NULL AND (t._synced_at IS NULL OR t._synced_at < $5 OR record_image_ne(ROW(%s), ROW(%s))))',
                         @extschema@.crisp_sync_list(copied, 't.'), @extschema@.crisp_sync_list(copied, 'excluded.'))
             ELSE '' END);
END
$$;

-- Fetch rows of the source, and store them.  Parameters: bounds $1 and $2, when it is $3, rows of the
-- parent $4, start of the full load $5.  What those parents had before, and no longer have, is dropped.
CREATE FUNCTION crisp_sync_store(
    work crisp_sync_work, condition text, row_limit bigint, lower timestamptz, upper timestamptz, parents text[], full_since timestamptz, deleted text)
RETURNS crisp_sync_batch
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    batch @extschema@.crisp_sync_batch;
    copied text[] := array_remove(work.columns, '_synced_at');
    -- The source's own times; those of a parent have been looked at before.
    dates text := CASE WHEN work.argument IS NULL THEN @extschema@.crisp_sync_time(work.source, work.dates_field, 'f.') END;
    changes text := CASE WHEN work.argument IS NULL THEN @extschema@.crisp_sync_time(work.source, work.sync_field, 'f.') END;
    present text := (SELECT string_agg(format('f.%I IS NOT NULL', k.name), ' AND ') FROM unnest(work.keys) k (name));
    gone text := CASE WHEN parents IS NOT NULL THEN format(
        CASE WHEN deleted = 'mark' THEN 'UPDATE ONLY %1$s t SET _deleted_at = $3 WHERE t._deleted_at IS NULL AND' ELSE 'DELETE FROM ONLY %1$s t WHERE' END
        || ' t.%2$I = ANY ($4) AND NOT EXISTS (SELECT FROM fetched f WHERE %3$s) RETURNING 1',
        work.target, work.argument,
        (SELECT string_agg(format('f.%1$I = t.%1$I', k.name), ' AND ') FROM unnest(work.keys) k (name))) END;
    now timestamptz := greatest(clock_timestamp(), full_since);
BEGIN
    EXECUTE format($sql$
        WITH fetched AS MATERIALIZED (
            SELECT %1$s FROM %2$s s WHERE %3$s LIMIT %4$s
        ), stored AS (
            INSERT INTO %5$s AS t (%6$s%7$s)
            SELECT %8$s%9$s FROM fetched f WHERE %10$s
            %11$s
            RETURNING t.xmax::text = '0' AS is_new
        ), gone AS (
            %14$s
        )
        SELECT count(*), count(*), (SELECT count(*) FROM stored st WHERE st.is_new), (SELECT count(*) FROM stored st WHERE NOT st.is_new),
               (SELECT count(*) FROM gone), min(x.date), max(x.date), max(x.change), max(x.date) FILTER (WHERE x.number = 1),
               max(x.change) FILTER (WHERE x.number <= 20),
               coalesce(bool_and(x.date <= x.previous), true), count(*) FILTER (WHERE NOT x.present)
        FROM (SELECT l.*, lag(l.date) OVER () AS previous, row_number() OVER () AS number
              FROM (SELECT %12$s AS date, %13$s AS change, %10$s AS present FROM fetched f) l) x
        $sql$,
        @extschema@.crisp_sync_list(ARRAY(
            SELECT c.name FROM unnest(copied || work.keys || CASE WHEN dates IS NOT NULL THEN ARRAY[work.dates_field] END
                                      || CASE WHEN changes IS NOT NULL THEN ARRAY[work.sync_field] END) WITH ORDINALITY c (name, number)
            GROUP BY c.name ORDER BY min(c.number)), 's.'),
        work.source, condition, coalesce(row_limit::text, 'ALL'), work.target,
        @extschema@.crisp_sync_list(copied), CASE WHEN '_synced_at' = ANY (work.columns) THEN ', _synced_at' ELSE '' END,
        @extschema@.crisp_sync_list(copied, 'f.'), CASE WHEN '_synced_at' = ANY (work.columns) THEN ', $3' ELSE '' END,
        present, @extschema@.crisp_sync_on_conflict(work), coalesce(dates, 'NULL::timestamptz'), coalesce(changes, 'NULL::timestamptz'),
        coalesce(gone, 'SELECT WHERE false'))
    INTO batch
    USING lower, upper, now, parents, full_since;

    IF batch.keyless > 0 THEN
        RAISE WARNING '% rows of "%" lack their key, and were left out', batch.keyless, work.source;
    END IF;
    RETURN batch;
END
$$;

-- Fetch what lies below rows of the parent, and drop what is no longer there.  Where there is one row more than the
-- limit, it tells how far the others reach: nothing below them need be fetched again.  In the batch, oldest is its
-- date then, and otherwise NULL.
CREATE FUNCTION crisp_sync_store_children(
    work crisp_sync_work, condition text, row_limit bigint, lower timestamptz, upper timestamptz, full_since timestamptz, deleted text)
RETURNS crisp_sync_batch
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    parents text[];
    listed @extschema@.crisp_sync_batch;
    batch @extschema@.crisp_sync_batch;
BEGIN
    EXECUTE format($sql$
        SELECT array_agg(x.key ORDER BY x.date DESC NULLS LAST), count(*), min(x.date), max(x.date), max(x.change), max(x.date) FILTER (WHERE x.number = 1),
               max(x.change) FILTER (WHERE x.number <= 20),
               coalesce(bool_and(x.date <= x.previous), true)
        FROM (SELECT l.*, lag(l.date) OVER () AS previous, row_number() OVER () AS number
              FROM (SELECT s.%1$I::text AS key, %2$s AS date, %3$s AS change FROM %4$s s WHERE %5$s LIMIT %6$s) l) x
        $sql$,
        work.list_key, coalesce(@extschema@.crisp_sync_time(work.list, work.dates_field, 's.'), 'NULL::timestamptz'),
        coalesce(@extschema@.crisp_sync_time(work.list, work.sync_field, 's.'), 'NULL::timestamptz'),
        work.list, condition, coalesce((row_limit + 1)::text, 'ALL'))
    INTO parents, listed.listed, listed.oldest, listed.newest, listed.newest_change, listed.first_date, listed.page_change, listed.in_order
    USING lower, upper;

    IF listed.listed > row_limit THEN
        parents := parents[1:row_limit];
        listed.listed := row_limit;
    ELSE
        listed.oldest := NULL;
    END IF;
    IF listed.listed > 0 THEN
        batch := @extschema@.crisp_sync_store(work, format('s.%I = ANY ($4)', work.argument), NULL, lower, upper, parents,
                                              full_since, deleted);
    END IF;
    batch.listed := listed.listed;
    batch.oldest := listed.oldest;
    batch.newest := listed.newest;
    batch.newest_change := listed.newest_change;
    batch.first_date := listed.first_date;
    batch.page_change := listed.page_change;
    batch.in_order := listed.in_order;
    RETURN batch;
END
$$;

-- Delete, or mark as deleted, the rows of the target that a full load has not seen.  Those without the date
-- by which it goes through the source are left alone.  Returns their number.
CREATE FUNCTION crisp_sync_remove(work crisp_sync_work, full_since timestamptz, deleted text)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    count bigint;
    dated text := CASE WHEN work.argument IS NULL AND work.dates_field = ANY (work.columns)
                       THEN format(' AND t.%I IS NOT NULL', work.dates_field) ELSE '' END;
BEGIN
    EXECUTE format(
        CASE WHEN deleted = 'mark' THEN 'UPDATE ONLY %s t SET _deleted_at = clock_timestamp() WHERE t._deleted_at IS NULL AND'
        ELSE 'DELETE FROM ONLY %s t WHERE' END || ' (t._synced_at < $1) IS NOT FALSE%s', work.target, dated)
    USING full_since;
    GET DIAGNOSTICS count = ROW_COUNT;
    RETURN count;
END
$$;

-- Fetch what satisfies a condition, of the source or, where that lies below another table, of what changed there.
CREATE FUNCTION crisp_sync_fetch(
    work crisp_sync_work, condition text, row_limit bigint, lower timestamptz, upper timestamptz, job crisp_sync_job)
RETURNS crisp_sync_batch
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF work.argument IS NULL THEN
        RETURN @extschema@.crisp_sync_store(work, condition, row_limit, lower, upper, NULL, job.full_since, job.deleted);
    END IF;
    RETURN @extschema@.crisp_sync_store_children(work, condition, row_limit, lower, upper, job.full_since, job.deleted);
END
$$;

-- Rows of the list that a window asks for: those of some full pages of the source, each of which may repeat a
-- row or two of the one before, and at whose end there may be a last look; or up to a page of the parent, each row
-- of which takes a request, and some take more.  What the estimate will take is left over.
CREATE FUNCTION crisp_sync_window_rows(work crisp_sync_work)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    remaining bigint := coalesce(@extschema@.crisp_sync_requests_left(work) - work.probes, 1000000);
BEGIN
    IF work.argument IS NOT NULL THEN
        RETURN greatest(1, least(work.per_page - 1, (remaining - 1) * 2 / 3, work.window_rows));
    END IF;
    RETURN (work.per_page - 2) * greatest(1, least(5, remaining - 1));
END
$$;

-- The newest part of a range, read in the order of its dates.  What is left ends at the oldest date that was
-- seen: rows of that very moment may be missing.
CREATE FUNCTION crisp_sync_window_in_order(
    work crisp_sync_work, job crisp_sync_job, range tstzrange, OUT batch crisp_sync_batch, OUT remaining tstzrange)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    condition text := @extschema@.crisp_sync_within(work.list, work.dates_field, lower(range), upper(range));
    row_limit bigint := @extschema@.crisp_sync_window_rows(work);
BEGIN
    LOOP
        batch := @extschema@.crisp_sync_fetch(work, condition, row_limit, lower(range), upper(range), job);
        -- All of the range, in whatever order: a last look brings newer rows after older ones.
        IF batch.listed < row_limit OR batch.oldest IS NULL THEN
            remaining := 'empty';
            RETURN;
        END IF;
        IF NOT batch.in_order THEN
            RAISE EXCEPTION 'cannot read "%" exactly', work.list USING ERRCODE = 'fdw_error';
        END IF;
        remaining := tstzrange(lower(range), batch.oldest, '(]');
        EXIT WHEN upper_inf(range) OR batch.oldest < upper(range);
        -- All that came is of one moment: there must be more to get past it.
        row_limit := row_limit * 4;
    END LOOP;
END
$$;

-- The newest part of a range, of a list that comes in no order: a span that fits one page, which nothing can
-- slip off.  One that doesn't is rolled back, for a shorter one.
CREATE FUNCTION crisp_sync_window_by_date(
    INOUT work crisp_sync_work, job crisp_sync_job, range tstzrange, OUT batch crisp_sync_batch, OUT remaining tstzrange)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    shortest CONSTANT interval := '2 milliseconds';
    first_request bigint := @extschema@.crisp_sync_requests();
    top timestamptz := coalesce(upper(range), work.started_at);
    span interval := coalesce(work.span, CASE WHEN lower_inf(range) THEN interval '1 day' ELSE top - lower(range) END);
    bottom timestamptz := CASE WHEN work.unbounded THEN lower(range) ELSE greatest(lower(range), top - span) END;
    is_parent CONSTANT boolean := work.argument IS NOT NULL;
    -- One row of the parent too many tells as well, and doesn't take a page more.
    page_limit bigint := CASE WHEN is_parent THEN work.per_page + 1 ELSE work.per_page * 2 END;
    requests bigint;
BEGIN
    IF bottom < '2000-01-01' THEN
        bottom := lower(range);
    END IF;
    IF work.unbounded OR span <= shortest THEN
        page_limit := NULL;
    ELSIF NOT is_parent THEN
        PERFORM set_config('crisp_fdw.max_requests', least(work.last_request, first_request + 4)::text, true);
    END IF;
    batch := @extschema@.crisp_sync_fetch(work, @extschema@.crisp_sync_within(work.list, work.dates_field, bottom, upper(range)),
                                          page_limit, bottom, upper(range), job);
    PERFORM @extschema@.crisp_sync_settings(work);
    requests := CASE WHEN is_parent THEN 1 ELSE @extschema@.crisp_sync_requests() - first_request END;

    IF page_limit IS NOT NULL AND (requests > 1 OR (is_parent AND batch.listed >= page_limit)) THEN
        -- Rolls back what came: rows may have slipped from one page to the other meanwhile.
        RAISE EXCEPTION 'more than one page of "%"', work.list USING ERRCODE = 'CS001';
    END IF;
    work.unbounded := work.unbounded OR requests > 4 + batch.listed / work.per_page;
    work.span := greatest(shortest, span * least(8, work.per_page * 0.7 / greatest(batch.listed, 1)));
    remaining := CASE WHEN bottom IS NOT DISTINCT FROM lower(range) THEN 'empty' ELSE tstzrange(lower(range), bottom, '(]') END;
END
$$;
--
-- crisp_sync: the job of a run
--

-- Note what a step has brought, for the job and for the run.
CREATE FUNCTION crisp_sync_note(INOUT work crisp_sync_work, batch crisp_sync_batch)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    work.windows := work.windows + 1;
    work.fetched := work.fetched + coalesce(batch.fetched, 0);
    work.inserted := work.inserted + coalesce(batch.inserted, 0);
    work.updated := work.updated + coalesce(batch.updated, 0);
    work.deleted := work.deleted + coalesce(batch.deleted, 0);
    UPDATE @extschema@.crisp_sync_my_job j
    SET rows_fetched = j.rows_fetched + coalesce(batch.fetched, 0),
        rows_inserted = j.rows_inserted + coalesce(batch.inserted, 0),
        rows_updated = j.rows_updated + coalesce(batch.updated, 0),
        rows_deleted = j.rows_deleted + coalesce(batch.deleted, 0)
    WHERE j.job_id = work.job_id;
    PERFORM @extschema@.crisp_sync_note_run(work, NULL);
END
$$;

-- Bring the line of the run, and the requests of the job, up to date.
CREATE FUNCTION crisp_sync_note_run(work crisp_sync_work, outcome text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    spent bigint := @extschema@.crisp_sync_requests() - work.first_request;
BEGIN
    UPDATE @extschema@.crisp_sync_my_job j
    SET requests = j.requests + spent - l.requests,
        last_success = CASE WHEN crisp_sync_note_run.outcome IN ('finished', 'partial') THEN clock_timestamp() ELSE j.last_success END
    FROM @extschema@.crisp_sync_my_log l
    WHERE j.job_id = work.job_id AND l.run_id = work.run_id;
    UPDATE @extschema@.crisp_sync_my_log l
    SET requests = spent, windows = work.windows, rows_fetched = work.fetched, rows_inserted = work.inserted,
        rows_updated = work.updated, rows_deleted = work.deleted, progress_at = clock_timestamp(),
        outcome = crisp_sync_note_run.outcome,
        ended_at = CASE WHEN crisp_sync_note_run.outcome IS NOT NULL THEN clock_timestamp() END
    WHERE l.run_id = work.run_id;
END
$$;

-- Forget what a job has fetched.
CREATE FUNCTION crisp_sync_forget_state(job bigint)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
UPDATE @extschema@.crisp_sync_my_job j
SET sync_field = NULL, watermark = NULL, watermark_at = NULL, settled = NULL, overlap = NULL, gaps = '{}', reaches_to = '-infinity',
    pass_condition = NULL, pass_reference = NULL, pass_rows = 0, full_since = NULL, by_date = false, span = NULL, window_rows = NULL,
    pages_found = NULL, pages_missing = NULL, expected_rows = NULL, stalled = false
WHERE j.job_id = job
$$;

-- Whether a target has no rows; those of tables that inherit from it don't count.
CREATE FUNCTION crisp_sync_is_empty(target regclass)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_empty boolean;
BEGIN
    EXECUTE format('SELECT NOT EXISTS (SELECT FROM ONLY %s)', target) INTO is_empty;
    RETURN is_empty;
END
$$;

-- Find the job of a run, or make it.
CREATE FUNCTION crisp_sync_find_job(work crisp_sync_work, resource text)
RETURNS crisp_sync_job
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job @extschema@.crisp_sync_job;
    field text := @extschema@.crisp_sync_path(work.list, work.sync_field);
BEGIN
    SELECT * INTO job FROM @extschema@.crisp_sync_my_job j WHERE j.source = work.source AND j.target = work.target FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO @extschema@.crisp_sync_my_job (source, target, resource)
        VALUES (work.source, work.target, crisp_sync_find_job.resource)
        RETURNING * INTO job;
    ELSIF job.sync_field <> field THEN
        RAISE EXCEPTION 'the sync of "%" into "%" goes by "%", not by "%"', work.source, work.target, job.sync_field, field
            USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = format('SELECT crisp_sync_reset(%L, %L) forgets that, and the next run fetches all again.', work.source, work.target);
    ELSIF job.watermark IS NOT NULL AND job.rows_fetched > 0 AND @extschema@.crisp_sync_is_empty(work.target) THEN
        -- Somebody has emptied the copy, so what is known of it isn't true any more.
        RAISE NOTICE 'table "%" is empty, so all is fetched again', work.target;
        PERFORM @extschema@.crisp_sync_forget_state(job.job_id);
        SELECT * INTO job FROM @extschema@.crisp_sync_my_job j WHERE j.source = work.source AND j.target = work.target;
    END IF;
    job.sync_field := field;
    RETURN job;
END
$$;

-- Keep a table as it is until the transaction ends.  Raises an error if it was dropped.
CREATE FUNCTION crisp_sync_hold(relation regclass, what text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    name CONSTANT text := relation;
BEGIN
    -- What was dropped has its number for a name, and is found by that from PostgreSQL 16 on.
    IF name = relation::oid::text OR to_regclass(name) IS DISTINCT FROM relation THEN
        RAISE EXCEPTION 'the % of the sync was dropped while it ran', what USING ERRCODE = 'undefined_table';
    END IF;
    EXECUTE format('SELECT FROM %s LIMIT 0', name);
END
$$;

-- The job of a run that is under way.  Meanwhile, others may have done anything to its tables.
CREATE FUNCTION crisp_sync_this_job(work crisp_sync_work)
RETURNS crisp_sync_job
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job @extschema@.crisp_sync_job;
BEGIN
    PERFORM @extschema@.crisp_sync_hold(work.source, 'source'), @extschema@.crisp_sync_hold(work.list, 'parent'),
            @extschema@.crisp_sync_hold(work.target, 'target');
    SELECT * INTO job FROM @extschema@.crisp_sync_my_job j WHERE j.job_id = work.job_id FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM @extschema@.crisp_sync_check_target(work.target, work.keys);
        RAISE EXCEPTION 'the sync of "%" into "%" was dropped while it ran', work.source, work.target USING ERRCODE = 'undefined_object';
    ELSIF work.inserted > 0 AND @extschema@.crisp_sync_is_empty(work.target) THEN
        RAISE EXCEPTION 'table "%" was emptied while it was filled', work.target
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'The next run fetches all again.';
    END IF;
    RETURN job;
END
$$;

-- What a run is to fetch by its sync_field, besides what is left of earlier ones; NULL for nothing.
--
-- It looks back by overlap, as a row may come into Crisp's index that much later than its date says.  A look that
-- begins when that time has passed since the watermark was seen finds them all: what it is to read is in the gaps, or read in
-- this run, so that the next look need not go back behind the watermark.  Otherwise many changes of one moment would be read in every run.
CREATE FUNCTION crisp_sync_wanted(work crisp_sync_work, INOUT job crisp_sync_job, OUT wanted tstzrange)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_new boolean := job.watermark IS NULL AND job.gaps = '{}';
    since timestamptz;
    -- The range of an earlier call with that reference is not yet done.
    continues boolean := coalesce(job.gaps <> '{}' AND job.pass_condition = work.condition AND
        CASE work.condition WHEN 'newer' THEN job.pass_reference <= work.reference ELSE job.pass_reference >= work.reference END, false);
BEGIN
    IF work.overlap > job.overlap THEN
        job.settled := NULL;
    END IF;
    job.overlap := work.overlap;
    since := greatest(date_trunc('milliseconds', job.watermark - work.overlap), job.settled, job.reaches_to);
    wanted := tstzrange(nullif(since, '-infinity'), NULL, '(]');
    IF work.mode = 'full' AND job.full_since IS NULL THEN
        job.expected_rows := NULL;
        job.pages_found := NULL;
        job.pages_missing := NULL;
        job.full_since := clock_timestamp();
        job.reaches_to := '-infinity';
        job.pass_condition := NULL;
        job.pass_reference := NULL;
        job.pass_rows := 0;
        job.gaps := CASE WHEN work.dates_field IS NOT NULL THEN ARRAY[tstzrange(NULL, NULL)] ELSE '{}' END;
    END IF;
    IF work.reference IS NULL THEN
        RETURN;
    END IF;

    IF work.condition = 'older' THEN
        wanted := CASE WHEN NOT continues
                       THEN tstzrange(NULL, date_trunc('milliseconds', work.reference - interval '1 microsecond'), '(]') END;
        job.watermark := coalesce(job.watermark, least(work.reference, work.started_at));
        IF work.reference >= job.reaches_to THEN
            job.reaches_to := '-infinity';
        END IF;
    ELSE
        IF NOT continues THEN
            -- A reference just before the watermark must not let the run step over what it would look back at.
            wanted := tstzrange(CASE WHEN work.reference <= job.watermark THEN least(date_trunc('milliseconds', work.reference), since)
                                     ELSE date_trunc('milliseconds', work.reference) END, NULL, '(]');
        END IF;
        job.reaches_to := CASE WHEN is_new THEN work.reference ELSE least(job.reaches_to, work.reference) END;
    END IF;
    IF NOT continues THEN
        job.pass_condition := work.condition;
        job.pass_reference := work.reference;
    END IF;
END
$$;

-- Begin a run: find its job, and lay down what is to be fetched.
CREATE FUNCTION crisp_sync_open(INOUT work crisp_sync_work, deleted text, daily_quota integer)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    catalog record := @extschema@.crisp_sync_source(work.source);
    list record := @extschema@.crisp_sync_source(work.list);
    job @extschema@.crisp_sync_job;
    wanted tstzrange;
    result record;
    settling timestamptz;
    was_full boolean;
BEGIN
    IF work.reference IS NOT NULL AND work.sync_field IS NULL THEN
        RAISE EXCEPTION 'a sync of % takes no reference', catalog.resource
            USING ERRCODE = 'invalid_parameter_value', DETAIL = 'They have no times: each run reads all of them.';
    END IF;
    job := @extschema@.crisp_sync_find_job(work, catalog.resource);
    work.found_gaps := job.gaps;
    was_full := job.full_since IS NOT NULL;
    IF work.reference IS NULL AND job.watermark_at + work.overlap <= work.started_at THEN
        settling := job.watermark;
    END IF;
    result := @extschema@.crisp_sync_wanted(work, job);
    job := result.job;
    wanted := result.wanted;
    work.by_date := job.by_date;
    work.span := job.span;
    work.window_rows := job.window_rows;
    work.first_window_rows := job.window_rows;
    IF work.reference IS NOT NULL OR (job.full_since IS NOT NULL AND NOT was_full) THEN
        work.found_gaps := '{}';
    END IF;

    IF work.dates_field IS NULL THEN
        work.changes := CASE WHEN job.full_since IS NULL AND work.sync_field IS NOT NULL THEN wanted ELSE tstzrange(NULL, NULL) END;
    ELSIF work.sync_field = work.dates_field THEN
        -- What is settled with this run is not read again in the next one, which then gets further.
        work.adapted := coalesce(settling > coalesce(job.settled, '-infinity'), false)
            AND EXISTS (SELECT FROM unnest(work.found_gaps) g (range) WHERE g.range && wanted);
        job.gaps := @extschema@.crisp_sync_merge(job.gaps || wanted);
        job.settled := coalesce(settling, job.settled);
    ELSIF job.watermark IS NULL AND work.reference IS NULL THEN
        job.gaps := @extschema@.crisp_sync_merge(job.gaps || tstzrange(NULL, NULL));
    ELSIF job.gaps = '{}' OR job.pass_condition IS DISTINCT FROM 'all' THEN
        work.changes := wanted;
    END IF;     -- else changes take more than a call may ask for, and come after all was read again
    work.probes := @extschema@.crisp_sync_probes(work, job);
    IF work.changes IS NOT NULL THEN
        work.settling := settling;
        -- All of a list, or what the dates of the API bound anyway, costs no more when it's read by date.
        work.exact_changes := work.dates_field IS NOT NULL AND NOT work.by_date AND (list.dates_follow_changes OR lower_inf(work.changes));
    END IF;

    INSERT INTO @extschema@.crisp_sync_my_log (job_id, mode, started_at)
    VALUES (job.job_id, work.mode, work.started_at)
    RETURNING job_id, run_id INTO work.job_id, work.run_id;
    UPDATE @extschema@.crisp_sync_my_job j
    SET sync_field = job.sync_field, dates_field = work.dates_field, mode = work.mode,
        daily_quota = coalesce(crisp_sync_open.daily_quota, catalog.daily_quota),
        rows_per_request = CASE WHEN work.argument IS NULL THEN greatest(1, work.per_page - 1) ELSE 1 END,
        deleted = CASE WHEN work.mode = 'full' OR job.full_since IS NULL THEN crisp_sync_open.deleted ELSE job.deleted END,
        full_since = job.full_since, reaches_to = job.reaches_to, pass_condition = job.pass_condition,
        pass_reference = job.pass_reference, pass_rows = job.pass_rows, gaps = job.gaps, watermark = job.watermark,
        settled = job.settled, overlap = job.overlap, expected_rows = job.expected_rows, pages_found = job.pages_found,
        pages_missing = job.pages_missing, stalled = false, last_run_id = work.run_id
    WHERE j.job_id = work.job_id;
    PERFORM @extschema@.crisp_sync_prune(work.job_id);
END
$$;

-- Keep the newest runs of a job, and the last that failed.
CREATE FUNCTION crisp_sync_prune(job bigint)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
DELETE FROM @extschema@.crisp_sync_my_log l
WHERE l.job_id = job
  AND l.run_id <= (SELECT o.run_id FROM @extschema@.crisp_sync_my_log o WHERE o.job_id = job ORDER BY o.run_id DESC OFFSET 10000 LIMIT 1)
  AND l.run_id <> coalesce((SELECT max(f.run_id) FROM @extschema@.crisp_sync_my_log f WHERE f.job_id = job AND f.outcome = 'failed'), 0)
$$;

-- The watermark of a job when a range was read in which a date is the newest (NULL: it had no rows): that date, or the
-- start of the run by the clock that's behind, unless something lies between the range and what was read before.
CREATE FUNCTION crisp_sync_advance(work crisp_sync_work, job crisp_sync_job, range tstzrange, newest timestamptz)
RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT CASE WHEN newest IS NOT NULL
                 AND (job.watermark IS NULL OR (upper_inf(range) AND (lower_inf(range) OR lower(range) <= greatest(job.watermark, job.settled))))
            THEN greatest(job.watermark, least(newest, work.started_at)) ELSE job.watermark END
$$;
--
-- crisp_sync: how much is left
--

-- Whether it is known how long the list is: to a tenth.
CREATE FUNCTION crisp_sync_is_known(pages_found integer, pages_missing integer)
RETURNS boolean
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT coalesce(pages_missing <= pages_found * 1.1 + 1, false)
$$;

-- How many requests a run keeps for the estimate of what is left: two of five, ten at most, and none where enough is known.
CREATE FUNCTION crisp_sync_probes(work crisp_sync_work, job crisp_sync_job)
RETURNS integer
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT CASE WHEN job.gaps = '{}' OR job.pass_reference IS NOT NULL OR NOT lower_inf(job.gaps[cardinality(job.gaps)]) OR (job.expected_rows IS NOT NULL AND job.pages_missing IS NULL)
                 OR @extschema@.crisp_sync_is_known(job.pages_found, job.pages_missing) THEN 0
            ELSE least(10, coalesce(work.last_request - work.first_request, 25) * 2 / 5) END
$$;

-- Find out how many rows the list has: from ANALYZE, if somebody has run it; from Crisp, where it counts them; or
-- from pages that it has, and others that it doesn't have, closer with each call.
CREATE FUNCTION crisp_sync_expect(work crisp_sync_work, job crisp_sync_job)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    last_page CONSTANT integer := 16777216;
    found integer := greatest(job.pages_found, job.pass_rows / work.per_page, 1);
    missing integer := CASE WHEN job.pages_missing > found THEN job.pages_missing END;
    expected bigint := (SELECT c.reltuples FROM pg_class c WHERE c.oid = work.list AND c.reltuples > job.pass_rows);
    number integer;
    page record;
BEGIN
    expected := coalesce(expected, @extschema@.crisp_sync_count(work.list));
    IF expected IS NULL THEN
        FOR attempt IN 1 .. least(work.probes, @extschema@.crisp_sync_requests_left(work)) LOOP
            EXIT WHEN @extschema@.crisp_sync_is_known(found, missing) OR found >= last_page;
            -- Most lists have less than 10,000 rows.
            number := least(last_page, CASE WHEN missing IS NULL THEN greatest(10000 / work.per_page, found * 16::bigint)
                                            ELSE greatest(found + 1, floor(sqrt(found::float8 * missing))) END);
            page := @extschema@.crisp_sync_page(work.list, number);
            IF page.rows > 0 THEN
                found := number;
            END IF;
            IF page.rows = 0 OR page.is_last THEN
                missing := number + CASE WHEN page.rows > 0 THEN 1 ELSE 0 END;
            END IF;
        END LOOP;
        -- The last page is somewhere between these, and half full.
        expected := (work.per_page * (sqrt(found::float8 * (missing - 1)) - 0.5))::bigint;
        UPDATE @extschema@.crisp_sync_my_job j SET pages_found = found, pages_missing = missing WHERE j.job_id = work.job_id;
    END IF;
    UPDATE @extschema@.crisp_sync_my_job j SET expected_rows = expected WHERE j.job_id = work.job_id;
END
$$;

-- After a window, when the requests that are left are those for the estimate: make it.  A list that was read to its end
-- before needs none.
CREATE FUNCTION crisp_sync_estimate(INOUT work crisp_sync_work, job crisp_sync_job)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF work.probes = 0 OR job.gaps = '{}' OR NOT lower_inf(job.gaps[cardinality(job.gaps)])
       OR (@extschema@.crisp_sync_requests_left(work) - work.probes < 2) IS FALSE
       OR (@extschema@.crisp_sync_requests_left(work) IS NULL AND work.windows <> 40) THEN
        RETURN;
    END IF;
    BEGIN
        PERFORM @extschema@.crisp_sync_expect(work, job);
    EXCEPTION WHEN OTHERS THEN
        -- Rows matter more than a guess of how many are left.
        RAISE DEBUG 'no estimate of what is left of "%": %', work.list, SQLERRM;
    END;
    work.probes := 0;
    PERFORM @extschema@.crisp_sync_note_run(work, NULL);
END
$$;
--
-- crisp_sync: runs
--

-- Changes by a time that windows don't go by, or a list without dates: one statement, and another until one
-- has brought nothing new, since rows may slip from page to page meanwhile, or change after they were read.
-- The newest date was then known before the last of them began.  Where the list can be read exactly, once will do.
CREATE FUNCTION crisp_sync_changes(INOUT work crisp_sync_work)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job @extschema@.crisp_sync_job;
    batch @extschema@.crisp_sync_batch;
    newest timestamptz;
    first_request bigint;
    at_once boolean;
    condition text := 'true';
BEGIN
    job := @extschema@.crisp_sync_this_job(work);
    IF work.changes IS NOT NULL THEN
        IF work.sync_field IS NOT NULL THEN
            condition := @extschema@.crisp_sync_within(work.list, work.sync_field, lower(work.changes), upper(work.changes));
        END IF;
        LOOP
            first_request := @extschema@.crisp_sync_requests();
            batch := @extschema@.crisp_sync_fetch(work, condition, NULL, lower(work.changes), upper(work.changes), job);
            at_once := @extschema@.crisp_sync_requests() - first_request <= 1;
            newest := greatest(newest, batch.newest_change);
            work := @extschema@.crisp_sync_note(work, batch);
            EXIT WHEN at_once OR work.exact_changes OR batch.inserted + batch.updated = 0;
        END LOOP;
        job.watermark := coalesce(@extschema@.crisp_sync_advance(work, job, work.changes, newest), lower(work.changes));
        UPDATE @extschema@.crisp_sync_my_job j
        SET watermark = job.watermark, settled = coalesce(work.settling, j.settled),
            watermark_at = CASE WHEN j.watermark IS DISTINCT FROM job.watermark THEN clock_timestamp() ELSE j.watermark_at END
        WHERE j.job_id = work.job_id;
    END IF;
    work.changes := NULL;
    work.phase := CASE WHEN work.dates_field IS NULL THEN 'closing' ELSE 'history' END;
END
$$;

-- The newest sync_field of the list, for a pass over all of it that goes by other dates: whatever changed until then
-- comes with that pass.  NULL where it can't be had for the few requests that it takes when Crisp sorts by it.
CREATE FUNCTION crisp_sync_newest(work crisp_sync_work)
RETURNS timestamptz
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    newest timestamptz;
BEGIN
    PERFORM set_config('crisp_fdw.max_requests', least(work.last_request, @extschema@.crisp_sync_requests() + 3)::text, true);
    EXECUTE format('SELECT %s FROM %s s WHERE s.%I IS NOT NULL ORDER BY s.%I DESC LIMIT 1',
                   @extschema@.crisp_sync_time(work.list, work.sync_field, 's.'), work.list, work.sync_field, work.sync_field) INTO newest;
    RETURN newest;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$$;

-- One window of what is still to be fetched, the newest.
CREATE FUNCTION crisp_sync_history(INOUT work crisp_sync_work)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job @extschema@.crisp_sync_job;
    range tstzrange;
    result record;
    batch @extschema@.crisp_sync_batch;
    newest timestamptz;
    newest_change timestamptz;
BEGIN
    job := @extschema@.crisp_sync_this_job(work);
    IF job.gaps = '{}' THEN
        work := @extschema@.crisp_sync_closing(work);
        RETURN;
    END IF;
    IF job.watermark IS NULL AND job.pass_condition = 'all' THEN
        newest_change := @extschema@.crisp_sync_newest(work);
        PERFORM @extschema@.crisp_sync_settings(work);
    END IF;
    range := job.gaps[1];
    IF work.by_date THEN
        result := @extschema@.crisp_sync_window_by_date(work, job, range);
        work := result.work;
    ELSE
        result := @extschema@.crisp_sync_window_in_order(work, job, range);
    END IF;
    batch := result.batch;
    work := @extschema@.crisp_sync_note(work, batch);

    -- The watermark is what was newest at Crisp when the first row was read, by the clock that's behind: a row
    -- that changed since may have been read before that.  What fits a page was read at once, and 20 rows do.
    newest := CASE WHEN work.sync_field <> work.dates_field THEN coalesce(newest_change, batch.page_change)
                   WHEN work.by_date AND NOT work.unbounded THEN batch.newest
                   ELSE batch.first_date END;
    IF work.top AND newest IS NOT NULL THEN
        work.top := false;
        IF job.watermark IS NULL OR work.sync_field = work.dates_field THEN
            job.watermark := @extschema@.crisp_sync_advance(work, job, range, newest);
        END IF;
    END IF;
    IF batch.listed >= work.window_rows THEN
        work.window_rows := CASE WHEN work.window_rows < work.per_page THEN work.window_rows * 2 END;
    END IF;
    UPDATE @extschema@.crisp_sync_my_job j
    SET gaps = @extschema@.crisp_sync_merge(j.gaps[2:] || result.remaining), watermark = job.watermark,
        watermark_at = CASE WHEN j.watermark IS DISTINCT FROM job.watermark THEN clock_timestamp() ELSE j.watermark_at END,
        span = work.span, window_rows = work.window_rows, pass_rows = j.pass_rows + batch.listed
    WHERE j.job_id = work.job_id
    RETURNING * INTO job;
    IF job.gaps = '{}' AND job.full_since IS NULL THEN
        work := @extschema@.crisp_sync_closing(work);
    ELSE
        work := @extschema@.crisp_sync_estimate(work, job);
    END IF;
END
$$;

-- All is there.  After a full load, drop what it has not seen; but first look at what has changed since the
-- run began, for a row that was updated meanwhile has left its place before that was read.
CREATE FUNCTION crisp_sync_closing(INOUT work crisp_sync_work)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job @extschema@.crisp_sync_job;
    batch @extschema@.crisp_sync_batch;
    since timestamptz;
BEGIN
    job := @extschema@.crisp_sync_this_job(work);
    IF job.full_since IS NOT NULL THEN
        IF work.sync_field = work.dates_field THEN
            since := greatest(date_trunc('milliseconds', job.watermark - work.overlap), job.settled);
            LOOP
                batch := @extschema@.crisp_sync_fetch(work, @extschema@.crisp_sync_within(work.list, work.dates_field, since, NULL),
                                                      NULL, since, NULL, job);
                work := @extschema@.crisp_sync_note(work, batch);
                EXIT WHEN NOT work.by_date OR batch.listed <= job.rows_per_request OR batch.inserted + batch.updated = 0;
            END LOOP;
        END IF;
        batch := NULL;
        batch.deleted := @extschema@.crisp_sync_remove(work, job.full_since, job.deleted);
        work := @extschema@.crisp_sync_note(work, batch);
    END IF;
    UPDATE @extschema@.crisp_sync_my_job j
    SET full_since = NULL, pass_condition = NULL, pass_reference = NULL, pass_rows = 0
    WHERE j.job_id = work.job_id;
    work.phase := 'end';
END
$$;

-- One step of a run: what one transaction does.
CREATE FUNCTION crisp_sync_step(INOUT work crisp_sync_work)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM @extschema@.crisp_sync_settings(work);
    work := CASE work.phase
        WHEN 'changes' THEN @extschema@.crisp_sync_changes(work)
        WHEN 'history' THEN @extschema@.crisp_sync_history(work)
        ELSE @extschema@.crisp_sync_closing(work) END;
END
$$;

-- An error that was caught.
CREATE TYPE crisp_sync_failure AS (
    code text,
    message text,
    detail text,
    hint text
);

-- Raise it again, as it was.
CREATE FUNCTION crisp_sync_raise(failure crisp_sync_failure)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF failure.detail <> '' AND failure.hint <> '' THEN
        RAISE EXCEPTION USING ERRCODE = failure.code, MESSAGE = failure.message, DETAIL = failure.detail, HINT = failure.hint;
    ELSIF failure.detail <> '' THEN
        RAISE EXCEPTION USING ERRCODE = failure.code, MESSAGE = failure.message, DETAIL = failure.detail;
    ELSIF failure.hint <> '' THEN
        RAISE EXCEPTION USING ERRCODE = failure.code, MESSAGE = failure.message, HINT = failure.hint;
    END IF;
    RAISE EXCEPTION USING ERRCODE = failure.code, MESSAGE = failure.message;
END
$$;

-- Judge why a step has failed: whether the run goes on in another way, ends for now, or has failed.
CREATE FUNCTION crisp_sync_after_failure(INOUT work crisp_sync_work, failure crisp_sync_failure)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    shortest CONSTANT interval := '2 milliseconds';
    -- By our own setting; a quota at Crisp that is spent has the same code.
    limited boolean := failure.code = '53400' AND failure.message LIKE 'statement needs more than % requests to Crisp%';
BEGIN
    IF limited OR failure.code = 'CS001' THEN
        IF work.by_date AND work.phase = 'history' AND (work.span > shortest OR work.span IS NULL) THEN
            work.span := greatest(shortest, coalesce(work.span, interval '4 days') / 4);
            work.adapted := true;
            UPDATE @extschema@.crisp_sync_my_job j SET span = work.span WHERE j.job_id = work.job_id;
            IF coalesce(@extschema@.crisp_sync_requests_left(work), 1) > 0 THEN
                RETURN;
            END IF;
        END IF;
        IF work.phase = 'changes' AND work.dates_field IS NOT NULL AND work.reference IS NULL THEN
            -- One statement is too much for a call, so windows have to do.
            RAISE NOTICE 'what has changed in "%" takes more than % requests', work.list, work.last_request - work.first_request
                USING DETAIL = 'The next calls read all of it again, part by part.', HINT = 'Raise max_requests to read changes alone.';
            work.adapted := true;
            UPDATE @extschema@.crisp_sync_my_job j
            SET gaps = ARRAY[tstzrange(NULL, NULL)], watermark = NULL, settled = coalesce(work.settling, j.settled),
                pass_condition = 'all', pass_reference = NULL, pass_rows = 0
            WHERE j.job_id = work.job_id;
        ELSIF work.phase = 'history' AND work.argument IS NOT NULL AND NOT work.by_date THEN
            -- Some rows of the parent take many requests each: the next window is to have fewer of them.
            work.window_rows := greatest(1, coalesce(work.window_rows,
                least(work.per_page, (work.last_request - work.first_request - work.probes - 1) * 2 / 3)) / 2);
            work.adapted := work.first_window_rows IS NULL OR work.window_rows < work.first_window_rows;
            UPDATE @extschema@.crisp_sync_my_job j SET window_rows = work.window_rows WHERE j.job_id = work.job_id;
        END IF;
        work.phase := 'exhausted';
    ELSIF failure.code = 'HV000' AND failure.message LIKE 'cannot read "%" exactly%' AND work.phase = 'changes' AND work.exact_changes THEN
        work.exact_changes := false;
    ELSIF failure.code = 'HV000' AND failure.message LIKE 'cannot read "%" exactly%' AND NOT work.by_date THEN
        RAISE NOTICE 'Crisp does not give "%" in the order that it is asked for', work.list
            USING DETAIL = 'It is read by spans of time instead, which takes more requests.',
                HINT = 'What was read in that order before is read again.';
        work.by_date := true;
        work.adapted := true;
        UPDATE @extschema@.crisp_sync_my_job j
        SET by_date = true, gaps = ARRAY[tstzrange(CASE WHEN isfinite(j.reaches_to) THEN j.reaches_to END, NULL, '(]')]
        WHERE j.job_id = work.job_id;
    ELSE
        -- Nothing is kept of a job that is out of reach by now.
        INSERT INTO @extschema@.crisp_sync_my_error (run_id, sqlstate, message, detail, hint)
        SELECT l.run_id, failure.code, failure.message, nullif(failure.detail, ''), nullif(failure.hint, '')
        FROM @extschema@.crisp_sync_my_log l WHERE l.run_id = work.run_id;
        PERFORM @extschema@.crisp_sync_note_run(work, 'failed');
        work.phase := 'failed';
    END IF;
END
$$;

-- Tell the session how far the run is, now and then.
CREATE FUNCTION crisp_sync_tell(work crisp_sync_work)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    reached timestamptz;
BEGIN
    IF work.phase = 'history' AND work.windows > 0 AND (work.windows = 1 OR work.windows % 10 = 0) THEN
        SELECT upper(j.gaps[1]) INTO reached FROM @extschema@.crisp_sync_job j WHERE j.job_id = work.job_id;
        IF reached IS NOT NULL THEN
            RAISE NOTICE '"%": back to %; rows: %; requests: %', work.source, reached, work.fetched,
                @extschema@.crisp_sync_requests() - work.first_request;
        END IF;
    END IF;
END
$$;

-- Whether a run that has made its requests has come no further with what there was to do, so that the next one won't, either.
CREATE FUNCTION crisp_sync_is_stalled(work crisp_sync_work, job crisp_sync_job)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT work.phase <> 'end' AND NOT work.adapted
   AND CASE WHEN work.found_gaps = '{}' THEN work.windows = 0
            ELSE NOT EXISTS (SELECT FROM unnest(work.found_gaps) f (range)
                             WHERE NOT EXISTS (SELECT FROM unnest(job.gaps) g (range) WHERE g.range @> f.range)) END
$$;

-- End a run, and tell what it has done.
CREATE FUNCTION crisp_sync_finish(work crisp_sync_work)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job @extschema@.crisp_sync_job;
BEGIN
    PERFORM @extschema@.crisp_sync_note_run(work, CASE WHEN work.phase = 'end' THEN 'finished' ELSE 'partial' END);
    SELECT * INTO job FROM @extschema@.crisp_sync_my_job j WHERE j.job_id = work.job_id;
    IF @extschema@.crisp_sync_is_stalled(work, job) THEN
        UPDATE @extschema@.crisp_sync_my_job j SET stalled = true WHERE j.job_id = work.job_id;
        RAISE WARNING 'the sync of "%" into "%" gets no further with a limit of %', work.source, work.target,
            work.last_request - work.first_request
            USING DETAIL = 'What comes next takes more requests.', HINT = 'Raise max_requests.';
    END IF;
    RAISE NOTICE '"%": rows fetched: %, new: %, changed: %, gone: %; requests: %', work.source, work.fetched, work.inserted,
        work.updated, work.deleted,
        @extschema@.crisp_sync_requests() - work.first_request || CASE WHEN work.phase = 'end' THEN '' ELSE '; the rest next time' END;
END
$$;

CREATE PROCEDURE crisp_sync(
    source regclass,
    target text,
    mode text DEFAULT 'incremental',
    sync_field text DEFAULT 'updated_at',
    condition text DEFAULT 'newer',
    reference timestamptz DEFAULT NULL,
    max_requests integer DEFAULT 1000,
    overlap interval DEFAULT '1 minute',
    deleted text DEFAULT 'delete',
    parent regclass DEFAULT NULL,
    daily_quota integer DEFAULT NULL)
LANGUAGE plpgsql
AS $$
DECLARE
    work @extschema@.crisp_sync_work;
    -- By the caller's search_path; everything else is found by ours.
    target_table pg_catalog.regclass := pg_catalog.to_regclass(target);
    schema_name pg_catalog.text := pg_catalog.current_schema();
    failure @extschema@.crisp_sync_failure;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    IF NOT @extschema@.crisp_sync_may_commit() THEN
        RAISE EXCEPTION 'crisp_sync cannot run inside a transaction block'
            USING ERRCODE = 'active_sql_transaction',
                DETAIL = 'It commits each part of its work together with what is known of it.',
                HINT = 'CALL it by itself, outside of BEGIN and COMMIT and of functions.';
    END IF;
    PERFORM @extschema@.crisp_sync_check_call(mode, condition, reference, max_requests, overlap, deleted, daily_quota);
    work := @extschema@.crisp_sync_plan(source, target, target_table, schema_name, mode, sync_field, condition, reference, overlap, deleted, parent);
    IF NOT @extschema@.crisp_sync_lock(work.source, work.target) THEN
        RAISE NOTICE 'the sync of "%" into "%" is running already, in process %', work.source, work.target,
            @extschema@.crisp_sync_pid(work.source, work.target);
        COMMIT;     -- of settings, too
        RETURN;
    END IF;
    work.started_at := date_trunc('milliseconds', clock_timestamp());
    work.first_request := @extschema@.crisp_sync_requests();
    work.last_request := least(work.first_request + max_requests, CASE WHEN max_requests IS NOT NULL THEN 2147483647 END,
                               nullif(pg_catalog.current_setting('crisp_fdw.max_requests')::bigint, 0));
    work := @extschema@.crisp_sync_open(work, deleted, daily_quota);
    COMMIT;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);

    WHILE work.phase <> 'end' LOOP
        EXIT WHEN @extschema@.crisp_sync_requests_left(work) < 1;
        failure := NULL;
        BEGIN
            work := @extschema@.crisp_sync_step(work);
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS failure.code = RETURNED_SQLSTATE, failure.message = MESSAGE_TEXT,
                failure.detail = PG_EXCEPTION_DETAIL, failure.hint = PG_EXCEPTION_HINT;
        END;
        IF failure.code IS NOT NULL THEN
            work := @extschema@.crisp_sync_after_failure(work, failure);
            COMMIT;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            EXIT WHEN work.phase = 'exhausted';
            IF work.phase = 'failed' THEN
                PERFORM @extschema@.crisp_sync_raise(failure);
            END IF;
        ELSE
            COMMIT;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            PERFORM @extschema@.crisp_sync_tell(work);
        END IF;
    END LOOP;
    PERFORM @extschema@.crisp_sync_finish(work);
    COMMIT;
    PERFORM @extschema@.crisp_sync_unlock();
END
$$;

COMMENT ON PROCEDURE crisp_sync(regclass, text, text, text, text, timestamptz, integer, interval, text, regclass, integer) IS
'fetch what is new from a table of Crisp''s into a local one';

-- Forget what a job has fetched, or the job itself.
CREATE FUNCTION crisp_sync_forget(source regclass, target regclass, whole boolean)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT @extschema@.crisp_sync_lock(source, target) THEN
        RAISE EXCEPTION 'the sync of "%" into "%" is running, in process %', source, target, @extschema@.crisp_sync_pid(source, target)
            USING ERRCODE = 'object_in_use';
    END IF;
    IF whole THEN
        DELETE FROM @extschema@.crisp_sync_my_job j
        WHERE j.source = crisp_sync_forget.source AND j.target = crisp_sync_forget.target;
    ELSE
        PERFORM @extschema@.crisp_sync_forget_state(j.job_id) FROM @extschema@.crisp_sync_my_job j
        WHERE j.source = crisp_sync_forget.source AND j.target = crisp_sync_forget.target;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no sync of "%" into "%"', source, target USING ERRCODE = 'undefined_object';
    END IF;
    PERFORM @extschema@.crisp_sync_unlock();
END
$$;

CREATE FUNCTION crisp_sync_reset(source regclass, target regclass)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
SELECT @extschema@.crisp_sync_forget(source, target, false)
$$;

CREATE FUNCTION crisp_sync_drop(source regclass, target regclass)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
SELECT @extschema@.crisp_sync_forget(source, target, true)
$$;

COMMENT ON FUNCTION crisp_sync_reset(regclass, regclass) IS 'let the next run of a sync fetch all again; the copy stays';
COMMENT ON FUNCTION crisp_sync_drop(regclass, regclass) IS 'forget a sync; the copy stays';
--
-- crisp_sync: what a user sees
--

CREATE VIEW crisp_sync_run AS
SELECT l.run_id, j.source, j.target, l.mode, l.started_at, l.ended_at,
       CASE WHEN l.outcome IS NOT NULL THEN l.outcome
            WHEN l.run_id = j.last_run_id AND p.pid IS NOT NULL THEN 'running'
            ELSE 'interrupted' END AS state,
       CASE WHEN l.outcome IS NULL AND l.run_id = j.last_run_id THEN p.pid END AS pid,
       l.requests, l.windows, l.rows_fetched, l.rows_inserted, l.rows_updated, l.rows_deleted, l.progress_at,
       e.sqlstate, e.message AS error, e.detail AS error_detail
FROM crisp_sync_log l
JOIN crisp_sync_job j ON j.job_id = l.job_id
LEFT JOIN crisp_sync_my_error e ON e.run_id = l.run_id
LEFT JOIN LATERAL crisp_sync_pid(j.source, j.target) p (pid) ON l.outcome IS NULL;

CREATE VIEW crisp_sync_status AS
SELECT j.source, j.target, j.mode, j.sync_field, j.watermark,
       CASE WHEN r.state = 'running' THEN 'running'
            WHEN j.stalled THEN 'stalled'
            WHEN j.gaps <> '{}' OR j.full_since IS NOT NULL THEN 'unfinished'
            ELSE 'up to date' END AS state,
       r.pid,
       CASE WHEN j.gaps = '{}' THEN j.reaches_to ELSE upper(j.gaps[1]) END AS reaches_back_to,
       CASE WHEN j.gaps = '{}' AND NOT j.stalled THEN 1
            WHEN j.gaps <> '{}' AND j.expected_rows > 0 AND j.pass_reference IS NULL THEN round(least(j.pass_rows::numeric / j.expected_rows, 0.999), 3) END AS share_done,
       CASE WHEN j.gaps <> '{}' THEN e.requests_left
            WHEN NOT j.stalled THEN 0 END AS requests_left,
       CASE WHEN j.gaps <> '{}' THEN round(e.requests_left / j.daily_quota, 2)
            WHEN NOT j.stalled THEN 0 END AS days_left,
       j.rows_fetched, j.rows_inserted, j.rows_updated, j.rows_deleted, j.requests,
       j.last_success, f.ended_at AS last_error_at, f.error AS last_error,
       j.gaps, j.full_since
FROM crisp_sync_job j
JOIN pg_catalog.pg_class sc ON sc.oid = j.source
JOIN pg_catalog.pg_class tc ON tc.oid = j.target
LEFT JOIN crisp_sync_run r ON r.run_id = j.last_run_id
LEFT JOIN LATERAL (
    SELECT ceil(greatest(j.expected_rows - j.pass_rows, 1)::numeric / j.rows_per_request) AS requests_left
    WHERE j.expected_rows IS NOT NULL AND j.pass_reference IS NULL) e ON true
LEFT JOIN LATERAL (
    SELECT l.ended_at, e.message AS error
    FROM crisp_sync_log l LEFT JOIN crisp_sync_my_error e ON e.run_id = l.run_id
    WHERE l.job_id = j.job_id AND l.outcome = 'failed'
    ORDER BY l.run_id DESC LIMIT 1) f ON true;

COMMENT ON VIEW crisp_sync_run IS 'the runs of crisp_sync(), a line each';
COMMENT ON VIEW crisp_sync_status IS 'the jobs of crisp_sync(): how far each of them is';

GRANT SELECT ON crisp_sync_run, crisp_sync_status TO PUBLIC;
