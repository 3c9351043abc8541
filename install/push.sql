--
-- crisp_push: runs
--

-- How many requests the run has left; NULL for any number.
CREATE FUNCTION crisp_push_requests_left(run crisp_push_run_state)
RETURNS bigint
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT run.last_request - @extschema@.crisp_sync_requests()
$$;

-- The settings of a transaction of the run: what a value is as text must not depend on who calls.
CREATE FUNCTION crisp_push_settings(run crisp_push_run_state)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM set_config('crisp_fdw.max_requests', coalesce(run.last_request, 0)::text, true),
            set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO', true),
            set_config('IntervalStyle', 'postgres', true), set_config('extra_float_digits', '1', true),
            set_config('bytea_output', 'hex', true), set_config('jit', 'off', true);
END
$$;

-- Bring what is known of rows in line with the columns that are pushed now: one that is new counts as NULL at Crisp,
-- of one that is gone nothing is known any more.
CREATE FUNCTION crisp_push_adapt(plan crisp_push_plan, job crisp_push_job)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    gone CONSTANT text[] := ARRAY(SELECT unnest(job.fields) EXCEPT SELECT unnest(plan.fields));
    new CONSTANT jsonb := @extschema@.crisp_push_nothing(plan, ARRAY(
        SELECT unnest(plan.fields) EXCEPT SELECT unnest(job.fields)));
BEGIN
    IF job.fields = '{}' OR (gone = '{}' AND new IS NULL) THEN
        RETURN;
    END IF;
    EXECUTE format($sql$
        UPDATE %s SET pushed = (pushed - $1) || coalesce($2, '{}'), wanted = (wanted - $1) || coalesce($2, '{}')
        $sql$, @extschema@.crisp_push_rows_of(job.job_id)) USING gone, new;
END
$$;

-- Look into what became of rows that were under way when a run was broken off: each may have been written.  An insert
-- that can be looked for by its key is tried as a change first, which tells whether it was made.
CREATE FUNCTION crisp_push_recover(plan crisp_push_plan, job bigint)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format($sql$
        UPDATE %s SET state = CASE WHEN $1 THEN 'pending' ELSE 'uncertain' END,
            is_there = CASE WHEN state = 'changing' THEN is_there WHEN $1 THEN true END,
            pushed = CASE WHEN is_gone THEN @extschema@.crisp_push_doubt(pushed)
                          WHEN $1 THEN @extschema@.crisp_push_unsure(pushed, wanted)
                          ELSE pushed END,
            pushed_at = coalesce(pushed_at, clock_timestamp())
        WHERE state IN ('sending', 'changing')
        $sql$, @extschema@.crisp_push_rows_of(job)) USING plan.names_rows;
END
$$;

-- Forget what was told to Crisp: the target has come to be that of another website, or the user wants it.
CREATE FUNCTION crisp_push_forget_state(job bigint)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('DELETE FROM %s', @extschema@.crisp_push_rows_of(job));
    UPDATE @extschema@.crisp_push_my_job j SET finds_rows = true, fields = '{}' WHERE j.job_id = job;
    PERFORM @extschema@.crisp_push_count(job);
END
$$;

-- Find the job of a source that was dropped and made anew, as tools that build tables do it: what Crisp was told of its
-- rows holds on, or events would be sent once more.
CREATE FUNCTION crisp_push_adopt(plan crisp_push_plan)
RETURNS crisp_push_job
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job @extschema@.crisp_push_job;
BEGIN
    UPDATE @extschema@.crisp_push_my_job j SET source = plan.source
    WHERE j.source_name = plan.source::text AND j.target = plan.target AND j.key = plan.key
      AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = j.source)
      AND j.job_id = (SELECT max(o.job_id) FROM @extschema@.crisp_push_my_job o
                      WHERE o.source_name = j.source_name AND o.target = j.target AND o.key = j.key)
    RETURNING * INTO job;
    IF FOUND THEN
        RAISE NOTICE '"%" was made anew: what was pushed of it is known', plan.source_name;
    END IF;
    RETURN job;
END
$$;

-- Find the job of a run, or make it.
CREATE FUNCTION crisp_push_find_job(plan crisp_push_plan)
RETURNS crisp_push_job
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job @extschema@.crisp_push_job;
    owner oid;
BEGIN
    SELECT * INTO job FROM @extschema@.crisp_push_job j WHERE j.source = plan.source AND j.target = plan.target;
    IF NOT FOUND THEN
        job := @extschema@.crisp_push_adopt(plan);
    END IF;
    IF job.job_id IS NULL THEN
        INSERT INTO @extschema@.crisp_push_my_job (source, target, key)
        VALUES (plan.source, plan.target, plan.key)
        RETURNING * INTO job;
        RETURN job;
    END IF;
    owner := @extschema@.crisp_push_owner(job.job_id);
    IF owner <> (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user) THEN
        RAISE EXCEPTION 'the push of "%" into "%" belongs to role "%"', plan.source_name,
            plan.target_name, pg_get_userbyid(owner)
            USING ERRCODE = 'insufficient_privilege', DETAIL = 'Who has made it runs it.',
                HINT = format('SET ROLE %I;', pg_get_userbyid(owner));
    ELSIF job.key <> plan.key THEN
        RAISE EXCEPTION 'the push of "%" into "%" goes by "%", not by "%"', plan.source_name,
            plan.target_name, job.key, plan.key
            USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = format('SELECT crisp_push_drop(%L, %L) forgets that, and the next run pushes all rows again.',
                              plan.source, plan.target);
    ELSIF job.origin[1:2] <> plan.origin[1:2] THEN
        RAISE NOTICE '"%" is of another website than before, so all rows are pushed',
            plan.target_name;
        PERFORM @extschema@.crisp_push_forget_state(job.job_id);
        SELECT * INTO job FROM @extschema@.crisp_push_my_job j WHERE j.job_id = job.job_id;
    END IF;
    RETURN job;
END
$$;

-- Tell of columns that are not pushed, when there are others than before.
CREATE FUNCTION crisp_push_tell_columns(plan crisp_push_plan, told text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    most CONSTANT integer := 5;
    number CONSTANT integer := cardinality(plan.others);
BEGIN
    IF plan.others <@ told THEN
        RETURN;
    END IF;
    RAISE NOTICE 'table "%" has no column that can be written for %', plan.target_name,
        @extschema@.crisp_sync_list(plan.others[1:CASE WHEN number > most THEN most - 2 ELSE most END])
        || CASE WHEN number > most THEN format(', and %s more', number - most + 2) ELSE '' END
        USING DETAIL = 'What these columns of the source hold is not pushed.',
            HINT = format('crisp_fdw_columns() tells which columns of %s can be written.', plan.resource);
END
$$;

-- What a run has found in the source.
CREATE TYPE crisp_push_found AS (
    rows bigint,                -- of the source
    without_key bigint,
    double_key text,            -- a key that several rows have; or NULL
    double_spelling text,       -- how another of these spells it
    pushed bigint,              -- rows that were pushed so far
    lost bigint,                -- known rows whose keys aren't there; asked where these have changed their type
    gone bigint,                -- of these, those that are to be deleted at Crisp
    refused bigint              -- rows that are refused before anything is sent
);

-- Whether keys that are the same may read otherwise than in the last run, so that rows wouldn't be known again.  Where
-- Crisp knows rows by the key, that does no harm.  Types that hold all that the last one did, as it read, are exempt.
CREATE FUNCTION crisp_push_key_changed(plan crisp_push_plan, job crisp_push_job)
RETURNS boolean
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT NOT plan.names_rows AND job.key_type <> plan.key_type
   AND NOT (job.key_type IN ('smallint', 'integer', 'bigint')
            AND plan.key_type IN ('smallint', 'integer', 'bigint', 'numeric'))
   AND NOT (job.key_type ~ '^(text|character varying|character|name)([(][0-9]+[)])?$'
            AND plan.key_type IN ('text', 'character varying'))
$$;

-- The most bytes of a key: PostgreSQL's indexes hold no more than some 2,700.
CREATE FUNCTION crisp_push_longest_key()
RETURNS integer
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT 2500
$$;

-- Compare the source with what Crisp was told, and note what differs.  One statement, whatever the size: sorted or
-- hashed within work_mem, it writes only rows that differ.  Misfits, and rows whose key is too long for an index, are
-- refused; such a key is known by its beginning and a hash of all of it.
--
-- Of a row whose key is spelled otherwise than before, Crisp may have what was pushed, or nothing, or what was pushed
-- under that spelling earlier: all of it is sent, as a change first.  Of a new row that is NULL but for its key,
-- nothing is.
CREATE FUNCTION crisp_push_compare(
    plan crisp_push_plan, job crisp_push_job, retry boolean, misfits crisp_push_misfits)
RETURNS crisp_push_found
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN @extschema@.crisp_sync_quietly(NULL::@extschema@.crisp_push_found, format($sql$
        WITH source AS MATERIALIZED (
            SELECT CASE WHEN octet_length(g.spelling) <= $5 THEN g.key
                        ELSE left(g.key, 100) || '... '
                             || encode(sha256(convert_to(g.key, getdatabaseencoding())), 'hex') END AS key,
                   CASE WHEN octet_length(g.spelling) <= $5 THEN nullif(g.spelling, g.key) END AS spelling, g.wanted,
                   CASE WHEN octet_length(g.spelling) > $5 THEN '54000' ELSE m.code END AS code,
                   CASE WHEN octet_length(g.spelling) > $5
                        THEN format('the key has %%s bytes, of at most %%s', octet_length(g.spelling), $5)
                        ELSE m.message END AS message
            FROM (%1$s) g LEFT JOIN unnest($1, $6, $7) m (key, code, message)
                                  ON m.key COLLATE "C" = g.spelling),
        doubled AS MATERIALIZED (
            SELECT min(coalesce(spelling, key)) AS key, max(coalesce(spelling, key)) AS spelling
            FROM source WHERE key IS NOT NULL GROUP BY source.key HAVING count(*) > 1 LIMIT 1),
        compared AS (
            SELECT coalesce(s.key, r.key) AS key, s.key IS NOT NULL AS is_present, s.code, s.message, s.wanted,
                   CASE WHEN s.key IS NOT NULL THEN s.spelling ELSE r.spelling END AS spelling,
                   s.key IS NOT NULL AND r.key IS NOT NULL AND s.spelling IS DISTINCT FROM r.spelling AS is_respelled,
                   r.key IS NULL AS is_new, r.state, r.pushed, r.is_there, r.is_gone,
                   r.name, r.sqlstate, r.error,
                   r.pushed IS NOT NULL AND (NOT $4 OR r.pushed_at IS NOT NULL) AS was_written
            FROM source s FULL JOIN %2$s r ON r.key = s.key
            WHERE CASE
                WHEN r.key IS NULL THEN s.key IS NOT NULL
                WHEN r.state IN ('sending', 'changing', 'uncertain') THEN false
                WHEN s.key IS NULL AND r.is_gone THEN r.state = CASE WHEN $2 THEN 'pushed' ELSE 'pending' END
                                                      OR ($3 AND r.state = 'refused')
                WHEN s.key IS NULL THEN true
                WHEN r.is_gone THEN true
                WHEN r.state = 'pushed' THEN $4 AND (s.wanted, s.spelling) IS DISTINCT FROM (r.pushed, r.spelling)
                ELSE (s.wanted, s.spelling) IS DISTINCT FROM (r.wanted, r.spelling)
                     OR ($3 AND r.state = 'refused') END),
        noted AS (
            SELECT c.key, c.spelling, c.is_respelled, CASE WHEN NOT c.is_respelled THEN c.name END AS name, CASE
                    WHEN c.is_present AND c.is_gone AND c.state = 'pushed' AND NOT c.is_respelled
                         AND (NOT $4 OR (c.pushed = c.wanted
                              -- A null in what was pushed may be a key with any value, not one that is wanted as null.
                              AND NOT jsonb_path_exists(c.pushed, '$.*.* ? (@ == null)')))
                    THEN 'pushed'
                    WHEN c.code IS NOT NULL THEN 'refused'
                    WHEN c.is_new AND $4 AND c.wanted = $9 THEN 'pushed'
                    WHEN c.is_present OR $2 THEN 'pending'
                    ELSE 'pushed' END AS state,
                CASE WHEN c.is_present THEN c.wanted END AS wanted,
                CASE WHEN c.is_new AND $4 AND c.code IS NULL AND c.wanted = $9 THEN c.wanted
                     ELSE c.pushed END AS pushed,
                c.is_respelled OR c.is_there AS is_there, NOT c.is_present AS is_gone,
                -- One that has failed still comes last when it changes: it may fail again.
                CASE WHEN c.code IS NOT NULL THEN c.code WHEN c.state = 'pending' THEN c.sqlstate END AS sqlstate,
                CASE WHEN c.code IS NOT NULL THEN c.message WHEN c.state = 'pending' THEN c.error END AS error,
                -- What was never written isn't removed.
                NOT c.is_present AND NOT c.was_written AND NOT c.is_gone AS is_forgotten,
                NOT c.is_present AND c.was_written AND $2 AND NOT (c.is_gone AND c.state = 'refused') AS is_removed
            FROM compared c),
        written AS (
            INSERT INTO %2$s AS r
                (key, spelling, name, state, wanted, pushed, is_there, is_gone, sqlstate, error, tried_at)
            SELECT n.key, n.spelling, n.name, n.state, CASE WHEN n.state <> 'pushed' THEN n.wanted END,
                   CASE WHEN n.is_respelled THEN @extschema@.crisp_push_doubt(n.pushed) ELSE n.pushed END,
                   n.is_there, n.is_gone,
                   CASE WHEN n.state <> 'pushed' THEN n.sqlstate END, CASE WHEN n.state <> 'pushed' THEN n.error END,
                   CASE WHEN n.state = 'refused' THEN clock_timestamp() END
            FROM noted n WHERE NOT n.is_forgotten AND NOT EXISTS (SELECT FROM doubled)
            ON CONFLICT (key) DO UPDATE
            SET spelling = EXCLUDED.spelling, name = EXCLUDED.name, state = EXCLUDED.state, wanted = EXCLUDED.wanted,
                pushed = EXCLUDED.pushed, is_there = EXCLUDED.is_there, is_gone = EXCLUDED.is_gone,
                sqlstate = EXCLUDED.sqlstate, error = EXCLUDED.error,
                tried_at = coalesce(EXCLUDED.tried_at, r.tried_at)),
        forgotten AS (
            DELETE FROM %2$s r USING noted n WHERE n.is_forgotten AND r.key = n.key)
        SELECT ROW(
               (SELECT count(*) FROM source), (SELECT count(*) FROM source WHERE key IS NULL),
               (SELECT key FROM doubled), (SELECT spelling FROM doubled),
               (SELECT count(*) FROM %2$s r WHERE r.pushed IS NOT NULL AND (NOT $4 OR r.pushed_at IS NOT NULL)),
               CASE WHEN $8 THEN (SELECT count(*) FROM %2$s r
                                  WHERE NOT r.is_gone AND NOT EXISTS (SELECT FROM source s WHERE s.key = r.key)) END,
               (SELECT count(*) FROM noted n WHERE n.is_removed),
               (SELECT count(*) FROM noted n WHERE n.state = 'refused')
               )::@extschema@.crisp_push_found
        $sql$, @extschema@.crisp_push_query(plan), @extschema@.crisp_push_rows_of(job.job_id)),
        ROW(coalesce(misfits.keys, '{}'), plan.missing <> 'ignore', retry, plan.names_rows,
            @extschema@.crisp_push_longest_key(), coalesce(misfits.codes, '{}'), coalesce(misfits.messages, '{}'),
            coalesce(@extschema@.crisp_push_key_changed(plan, job), false),
            @extschema@.crisp_push_nothing(plan, plan.fields)));
END
$$;

-- Compare, and where that fails by the values of a row, once more without that row, and others like it.
CREATE FUNCTION crisp_push_look(plan crisp_push_plan, job crisp_push_job, retry boolean)
RETURNS crisp_push_found
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    misfits @extschema@.crisp_push_misfits;
BEGIN
    RETURN @extschema@.crisp_push_compare(plan, job, retry, misfits);
EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded THEN
    misfits := @extschema@.crisp_push_find_misfits(plan);
    IF misfits.keys IS NULL THEN
        RAISE;
    END IF;
    RETURN @extschema@.crisp_push_compare(plan, job, retry, misfits);
END
$$;

-- Raise an error where the source is not fit to be pushed.
CREATE FUNCTION crisp_push_check_found(plan crisp_push_plan, job crisp_push_job, found crisp_push_found)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF found.without_key > 0 THEN
        RAISE EXCEPTION '% of "%" % a NULL in the key "%"',
            CASE found.without_key WHEN 1 THEN '1 row' ELSE found.without_key || ' rows' END,
            plan.source_name, CASE found.without_key WHEN 1 THEN 'has' ELSE 'have' END, plan.key
            USING ERRCODE = 'not_null_violation', HINT = 'Push from a view that leaves such rows out.';
    ELSIF found.double_key IS NOT NULL THEN
        RAISE EXCEPTION 'several rows of "%" have the same key "%"', plan.source_name, plan.key
            USING ERRCODE = 'unique_violation',
                DETAIL = format('One of the keys is "%s".', found.double_key)
                         || CASE WHEN found.double_key <> found.double_spelling
                                THEN format(' Another is "%s".', found.double_spelling)
                                     || ' Whether Crisp tells capitals apart is not known.'
                                ELSE '' END,
                HINT = 'Push from a view that has one row for each key.';
    ELSIF found.lost > 0 THEN
        RAISE EXCEPTION 'the key "%" of "%" is of type %, and was of type %', plan.key,
            plan.source_name, plan.key_type, job.key_type
            USING ERRCODE = 'object_not_in_prerequisite_state',
                DETAIL = format('%s of the rows that were pushed are not found by their keys as these read now, '
                                'and would be inserted once more.', found.lost),
                HINT = format('Give it the type that it had. SELECT crisp_push_reset(%L, %L) has all rows inserted '
                              'once more.', plan.source, plan.target);
    ELSIF plan.missing = 'delete' AND found.gone > 0 AND (found.rows = 0 OR found.gone * 2 > found.pushed) THEN
        RAISE EXCEPTION '% of % rows that were pushed are gone from "%"', found.gone, found.pushed,
            plan.source_name
            USING ERRCODE = 'object_not_in_prerequisite_state',
                DETAIL = 'They would be deleted at Crisp. Nothing was sent.',
                HINT = 'If that is meant: missing => ''delete_all''.';
    END IF;
END
$$;

-- Count the rows of a job by their states, as they are now: what the last run has done is told by its own line.
CREATE FUNCTION crisp_push_count(job bigint)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    counts record;
BEGIN
    EXECUTE format($sql$
        SELECT count(*) AS known, count(*) FILTER (WHERE state IN ('pending', 'sending')) AS pending,
               count(*) FILTER (WHERE state = 'refused') AS refused,
               count(*) FILTER (WHERE state = 'uncertain') AS uncertain
        FROM %s
        $sql$, @extschema@.crisp_push_rows_of(job)) INTO counts;
    UPDATE @extschema@.crisp_push_my_job j
    SET rows_known = j.rows_known + counts.known - n.rows_known,
        rows_pending = j.rows_pending + counts.pending - n.rows_pending,
        rows_refused = j.rows_refused + counts.refused - n.rows_refused,
        rows_uncertain = j.rows_uncertain + counts.uncertain - n.rows_uncertain
    FROM @extschema@.crisp_push_numbers n
    WHERE j.job_id = job AND n.job_id = job;
END
$$;

-- Make a run the last one of its job, whose numbers then have what the one before has done.
CREATE FUNCTION crisp_push_turn(run crisp_push_run_state)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
UPDATE @extschema@.crisp_push_my_job j
SET last_run_id = run.run_id, rows_known = n.rows_known, rows_pending = n.rows_pending,
    rows_refused = n.rows_refused, rows_uncertain = n.rows_uncertain, rows_pushed = n.rows_pushed,
    requests = n.requests
FROM @extschema@.crisp_push_numbers n
WHERE j.job_id = run.job_id AND n.job_id = run.job_id
$$;

-- Begin a run: find its job, and note what there is to push.
CREATE FUNCTION crisp_push_open(plan crisp_push_plan, retry boolean, INOUT run crisp_push_run_state)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job @extschema@.crisp_push_job := @extschema@.crisp_push_find_job(plan);
    found @extschema@.crisp_push_found;
BEGIN
    PERFORM @extschema@.crisp_push_settings(run);
    PERFORM @extschema@.crisp_push_forget_failed_calls(plan.source, plan.target);
    INSERT INTO @extschema@.crisp_push_my_log (job_id, started_at)
    VALUES (job.job_id, run.started_at)
    RETURNING job_id, run_id INTO run.job_id, run.run_id;
    run.finds_rows := job.finds_rows;
    run.found := 0;
    run.sent := 0;
    run.phase := 'changes';
    PERFORM @extschema@.crisp_push_recover(plan, job.job_id);
    PERFORM @extschema@.crisp_push_adapt(plan, job);
    found := @extschema@.crisp_push_look(plan, job, retry);
    PERFORM @extschema@.crisp_push_check_found(plan, job, found);
    PERFORM @extschema@.crisp_push_tell_columns(plan, job.told_columns);
    UPDATE @extschema@.crisp_push_my_job j
    SET source_name = plan.source::text, key_type = plan.key_type, missing = plan.missing, origin = plan.origin,
        fields = plan.fields, told_columns = plan.others
    WHERE j.job_id = job.job_id;
    PERFORM @extschema@.crisp_push_turn(run);
    UPDATE @extschema@.crisp_push_my_log l SET rows_refused = found.refused
    WHERE l.run_id = run.run_id AND found.refused > 0;
    PERFORM @extschema@.crisp_push_count(job.job_id);
    PERFORM @extschema@.crisp_push_prune(job.job_id);
END
$$;

-- Keep the newest runs of a job, and the last that failed.
CREATE FUNCTION crisp_push_prune(job bigint)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
DELETE FROM @extschema@.crisp_push_orphan_run;
DELETE FROM @extschema@.crisp_push_my_log l
WHERE l.job_id = job
  AND l.run_id <= (SELECT o.run_id FROM @extschema@.crisp_push_my_log o WHERE o.job_id = job
                   ORDER BY o.run_id DESC OFFSET 10000 LIMIT 1)
  AND l.run_id <> coalesce((SELECT max(f.run_id) FROM @extschema@.crisp_push_my_log f
                            WHERE f.job_id = job AND f.outcome = 'failed'), 0)
$$;
