--
-- crisp_sync: runs
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
SET sync_field = NULL, watermark = NULL, gaps = '{}', reaches_to = '-infinity', pass_condition = NULL, pass_reference = NULL,
    pass_rows = 0, full_since = NULL, by_date = false, span = NULL, expected_rows = NULL
WHERE j.job_id = job
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
    is_empty boolean;
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
    ELSE
        -- Somebody has emptied the copy, so what is known of it isn't true any more.
        EXECUTE format('SELECT NOT EXISTS (SELECT FROM %s)', work.target) INTO is_empty;
        IF is_empty AND job.watermark IS NOT NULL AND job.rows_fetched > 0 THEN
            RAISE NOTICE 'table "%" is empty, so all is fetched again', work.target;
            PERFORM @extschema@.crisp_sync_forget_state(job.job_id);
            SELECT * INTO job FROM @extschema@.crisp_sync_my_job j WHERE j.source = work.source AND j.target = work.target;
        END IF;
    END IF;
    job.sync_field := field;
    RETURN job;
END
$$;

-- What a run is to fetch by its sync_field, besides what is left of earlier ones; NULL for nothing.
CREATE FUNCTION crisp_sync_wanted(work crisp_sync_work, INOUT job crisp_sync_job, OUT wanted tstzrange)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_new boolean := job.watermark IS NULL AND job.gaps = '{}';
    since timestamptz := greatest(date_trunc('milliseconds', job.watermark - work.overlap), job.reaches_to);
    -- The range of an earlier call with that reference is not yet done.
    continues boolean := coalesce(job.gaps <> '{}' AND job.pass_condition = work.condition AND
        CASE work.condition WHEN 'newer' THEN job.pass_reference <= work.reference ELSE job.pass_reference >= work.reference END, false);
BEGIN
    wanted := tstzrange(nullif(since, '-infinity'), NULL, '(]');
    IF work.mode = 'full' AND job.full_since IS NULL THEN
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
            wanted := tstzrange(date_trunc('milliseconds', work.reference), NULL, '(]');
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
    job @extschema@.crisp_sync_job;
    wanted tstzrange;
    result record;
BEGIN
    IF work.reference IS NOT NULL AND work.sync_field IS NULL THEN
        RAISE EXCEPTION 'a sync of % takes no reference', catalog.resource
            USING ERRCODE = 'invalid_parameter_value', DETAIL = 'They have no times: each run reads all of them.';
    END IF;
    job := @extschema@.crisp_sync_find_job(work, catalog.resource);
    result := @extschema@.crisp_sync_wanted(work, job);
    job := result.job;
    wanted := result.wanted;
    work.by_date := job.by_date;
    work.span := job.span;

    IF work.dates_field IS NULL THEN
        work.changes := CASE WHEN job.full_since IS NULL AND work.sync_field IS NOT NULL THEN wanted ELSE tstzrange(NULL, NULL) END;
    ELSIF work.sync_field = work.dates_field THEN
        job.gaps := @extschema@.crisp_sync_merge(job.gaps || wanted);
    ELSIF job.watermark IS NULL AND work.reference IS NULL THEN
        job.gaps := @extschema@.crisp_sync_merge(job.gaps || tstzrange(NULL, NULL));
    ELSIF job.gaps = '{}' OR job.pass_condition IS DISTINCT FROM 'all' THEN
        work.changes := wanted;
    END IF;     -- else changes take more than a call may ask for, and come after all was read again

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
        last_run_id = work.run_id
    WHERE j.job_id = work.job_id;
END
$$;

-- Changes by a time that windows don't go by, or a list without dates: one statement, and another until one
-- has brought nothing new, since rows may slip from page to page meanwhile, or change after they were read.
-- The newest date was then known before the last of them began.
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
    SELECT * INTO job FROM @extschema@.crisp_sync_my_job j WHERE j.job_id = work.job_id FOR UPDATE;
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
            EXIT WHEN at_once OR batch.inserted + batch.updated = 0;
        END LOOP;
        IF newest IS NOT NULL AND upper_inf(work.changes)
           AND (job.watermark IS NULL OR lower_inf(work.changes) OR lower(work.changes) <= job.watermark) THEN
            job.watermark := greatest(job.watermark, least(newest, work.started_at));
        END IF;
        UPDATE @extschema@.crisp_sync_my_job j
        SET watermark = coalesce(job.watermark, lower(work.changes))
        WHERE j.job_id = work.job_id;
    END IF;
    work.changes := NULL;
    work.phase := CASE WHEN work.dates_field IS NULL THEN 'closing' ELSE 'history' END;
END
$$;

-- Find out how many rows there are, for the estimates of crisp_sync_status: from ANALYZE, which costs some
-- requests, so only where a call won't get to the end anyway.  Returns whether they were made: what came of
-- them is committed before the next window, which may well fail for want of requests.
CREATE FUNCTION crisp_sync_expect(work crisp_sync_work, job crisp_sync_job)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    cost CONSTANT integer := 20;
    window_cost CONSTANT integer := CASE WHEN work.argument IS NULL THEN 10 ELSE 60 END;
    remaining bigint := @extschema@.crisp_sync_requests_left(work);
    expected real;
    may_analyze boolean;
    analyzed boolean := false;
BEGIN
    IF job.expected_rows IS NOT NULL OR NOT lower_inf(job.gaps[cardinality(job.gaps)]) THEN
        RETURN false;
    END IF;
    SELECT c.reltuples, pg_has_role(c.relowner, 'USAGE') INTO expected, may_analyze
    FROM pg_class c WHERE c.oid = work.list;
    IF expected <= 0 AND may_analyze AND work.windows > 0
       AND (remaining BETWEEN cost AND cost + window_cost OR (remaining IS NULL AND work.windows = 40)) THEN
        EXECUTE format('ANALYZE %s', work.list);
        SELECT c.reltuples INTO expected FROM pg_class c WHERE c.oid = work.list;
        analyzed := expected > 0;
    END IF;
    IF expected > 0 THEN
        UPDATE @extschema@.crisp_sync_my_job j SET expected_rows = expected WHERE j.job_id = work.job_id;
    END IF;
    RETURN analyzed;
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
BEGIN
    SELECT * INTO job FROM @extschema@.crisp_sync_my_job j WHERE j.job_id = work.job_id FOR UPDATE;
    IF job.gaps = '{}' THEN
        work := @extschema@.crisp_sync_closing(work);
        RETURN;
    END IF;
    IF @extschema@.crisp_sync_expect(work, job) THEN
        RETURN;
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
    newest := CASE WHEN work.sync_field <> work.dates_field THEN batch.page_change
                   WHEN work.by_date AND NOT work.unbounded THEN batch.newest
                   ELSE batch.first_date END;
    IF work.top AND newest IS NOT NULL THEN
        work.top := false;
        IF job.watermark IS NULL OR (work.sync_field = work.dates_field AND (lower_inf(range) OR lower(range) <= job.watermark)) THEN
            job.watermark := greatest(job.watermark, least(newest, work.started_at));
        END IF;
    END IF;
    UPDATE @extschema@.crisp_sync_my_job j
    SET gaps = @extschema@.crisp_sync_merge(j.gaps[2:] || result.remaining), watermark = job.watermark,
        span = work.span, pass_rows = j.pass_rows + batch.listed
    WHERE j.job_id = work.job_id
    RETURNING * INTO job;
    IF job.gaps = '{}' AND job.full_since IS NULL THEN
        work := @extschema@.crisp_sync_closing(work);
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
    SELECT * INTO job FROM @extschema@.crisp_sync_my_job j WHERE j.job_id = work.job_id FOR UPDATE;
    IF job.full_since IS NOT NULL THEN
        IF work.sync_field = work.dates_field THEN
            since := date_trunc('milliseconds', job.watermark - work.overlap);
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
            UPDATE @extschema@.crisp_sync_my_job j SET span = work.span WHERE j.job_id = work.job_id;
            IF coalesce(@extschema@.crisp_sync_requests_left(work), 1) > 0 THEN
                RETURN;
            END IF;
        END IF;
        IF work.phase = 'changes' AND work.dates_field IS NOT NULL AND work.reference IS NULL THEN
            -- One statement is too much for a call, so windows have to do.
            RAISE NOTICE 'what has changed in "%" takes more than % requests', work.list, work.last_request - work.first_request
                USING DETAIL = 'The next calls read all of it again, part by part.', HINT = 'Raise max_requests to read changes alone.';
            UPDATE @extschema@.crisp_sync_my_job j
            SET gaps = ARRAY[tstzrange(NULL, NULL)], watermark = NULL, pass_condition = 'all', pass_reference = NULL, pass_rows = 0
            WHERE j.job_id = work.job_id;
        END IF;
        work.phase := 'exhausted';
    ELSIF failure.code = 'HV000' AND failure.message LIKE 'cannot read "%" exactly%' AND NOT work.by_date THEN
        RAISE NOTICE 'Crisp does not give "%" in the order that it is asked for', work.list
            USING DETAIL = 'It is read by spans of time instead, which takes more requests.',
                HINT = 'What was read in that order before is read again.';
        work.by_date := true;
        UPDATE @extschema@.crisp_sync_my_job j
        SET by_date = true, gaps = ARRAY[tstzrange(CASE WHEN isfinite(j.reaches_to) THEN j.reaches_to END, NULL, '(]')]
        WHERE j.job_id = work.job_id;
    ELSE
        INSERT INTO @extschema@.crisp_sync_my_error (run_id, sqlstate, message, detail, hint)
        VALUES (work.run_id, failure.code, failure.message, nullif(failure.detail, ''), nullif(failure.hint, ''));
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
    SELECT * INTO job FROM @extschema@.crisp_sync_job j WHERE j.job_id = work.job_id;
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
        RETURN;
    END IF;
    work.started_at := date_trunc('milliseconds', clock_timestamp());
    work.first_request := @extschema@.crisp_sync_requests();
    work.last_request := least(work.first_request + max_requests,
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
