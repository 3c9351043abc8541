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
        -- Rows without the date by which it goes through the source can't be seen, and stay.
        batch.deleted := @extschema@.crisp_sync_remove(work.source, work.target, array_remove(work.columns, '_synced_at'), work.keys, work.argument,
            CASE WHEN work.argument IS NULL AND work.dates_field = ANY (work.columns) THEN work.dates_field END, job.deleted = 'mark');
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
    hint text,
    context text                -- of errors of values, and those that triggers raise; NULL for others
);

-- Raise it again, as it was.
CREATE FUNCTION crisp_sync_throw(code text, message text, detail text, hint text, context text)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE;
-- Judge why a step has failed: whether the run goes on in another way, ends for now, or has failed.
CREATE FUNCTION crisp_sync_after_failure(INOUT work crisp_sync_work, failure crisp_sync_failure)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    shortest CONSTANT interval := '2 milliseconds';
BEGIN
    IF failure.code IN ('CS001', 'CS002') THEN
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
    ELSIF failure.code = 'CS003' AND work.phase = 'changes' AND work.exact_changes THEN
        work.exact_changes := false;
    ELSIF failure.code = 'CS003' AND NOT work.by_date THEN
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
        INSERT INTO @extschema@.crisp_sync_my_error (run_id, sqlstate, message, detail, hint, context)
        SELECT l.run_id, failure.code, failure.message, nullif(failure.detail, ''), nullif(failure.hint, ''), failure.context
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
    caller_path pg_catalog.text := pg_catalog.current_setting('search_path');
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
    work := @extschema@.crisp_sync_plan(source, target, target_table, schema_name, caller_path, mode, sync_field, condition, reference, overlap, deleted, parent);
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
            failure.context := @extschema@.crisp_sync_context();
        END;
        IF failure.code IS NOT NULL THEN
            work := @extschema@.crisp_sync_after_failure(work, failure);
            COMMIT;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            EXIT WHEN work.phase = 'exhausted';
            IF work.phase = 'failed' THEN
                PERFORM @extschema@.crisp_sync_throw(failure.code, failure.message, failure.detail, failure.hint, failure.context);
            END IF;
        ELSE
            COMMIT;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            PERFORM @extschema@.crisp_sync_tell(work);
        END IF;
    END LOOP;
    PERFORM @extschema@.crisp_sync_finish(work);
    COMMIT;
    PERFORM @extschema@.crisp_sync_unlock(work.source, work.target);
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
    IF NOT @extschema@.crisp_sync_lock_briefly(source, target) THEN
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
