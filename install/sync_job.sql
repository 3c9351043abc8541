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
        PERFORM @extschema@.crisp_sync_check_target(work.target);
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
    IF job.full_since IS NOT NULL AND NOT @extschema@.crisp_sync_is_full(work.source, work.target) THEN
        -- What it has seen isn't known any more, as after a restore: it begins anew.
        job.full_since := NULL;
        deleted := job.deleted;
        work.mode := 'full';
        work.reference := NULL;
        work.condition := 'newer';
    END IF;
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
    IF job.full_since IS NOT NULL AND NOT was_full THEN
        PERFORM @extschema@.crisp_sync_begin_full(work.source, work.target);
    END IF;
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
