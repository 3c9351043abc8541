--
-- crisp_sync: the job of a run
--

-- Note what a step has brought, for the job and for the run.
CREATE FUNCTION crisp_sync_note(INOUT work crisp_sync_work, batch crisp_sync_batch)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    has_rows boolean;
BEGIN
    -- Options of a server are nobody's to hold: what came may be of those that it has now.
    PERFORM @extschema@.crisp_sync_check_unchanged(work);
    work.windows := work.windows + 1;
    work.fetched := work.fetched + coalesce(batch.fetched, 0);
    work.inserted := work.inserted + coalesce(batch.inserted, 0);
    work.updated := work.updated + coalesce(batch.updated, 0);
    work.deleted := work.deleted + coalesce(batch.deleted, 0);
    IF batch.keyless > (SELECT j.told_keyless FROM @extschema@.crisp_sync_my_job j WHERE j.job_id = work.job_id) THEN
        RAISE WARNING '% of "%" % its key, and % left out', CASE batch.keyless WHEN 1 THEN '1 row' ELSE batch.keyless || ' rows' END,
            @extschema@.crisp_sync_name(work.source),
            CASE batch.keyless WHEN 1 THEN 'lacks' ELSE 'lack' END,
            CASE batch.keyless WHEN 1 THEN 'was' ELSE 'were' END;
    END IF;
    UPDATE @extschema@.crisp_sync_my_job j
    SET rows_fetched = j.rows_fetched + coalesce(batch.fetched, 0),
        rows_inserted = j.rows_inserted + coalesce(batch.inserted, 0),
        rows_updated = j.rows_updated + coalesce(batch.updated, 0),
        rows_deleted = j.rows_deleted + coalesce(batch.deleted, 0),
        told_keyless = greatest(j.told_keyless, batch.keyless),
        witnesses = @extschema@.crisp_sync_surviving(work.target, work.keys, coalesce(batch.sample, '[]') || j.witnesses)
    WHERE j.job_id = work.job_id
    RETURNING j.rows_inserted + j.rows_updated > 0 OR j.witnesses <> '[]' INTO has_rows;
    INSERT INTO @extschema@.crisp_sync_my_origin (target, origin, source)
    SELECT work.target, work.origin, @extschema@.crisp_sync_name(work.source)
    WHERE has_rows AND NOT EXISTS (SELECT FROM @extschema@.crisp_sync_my_origin o WHERE o.target = work.target AND o.origin = work.origin)
    ON CONFLICT DO NOTHING;
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
SELECT @extschema@.crisp_sync_end_full(j.source, j.target) FROM @extschema@.crisp_sync_my_job j WHERE j.job_id = job AND j.full_since IS NOT NULL;
UPDATE @extschema@.crisp_sync_my_job j
SET sync_field = NULL, selected = '{}', wanted = '{}', covered = '{}', watermark = NULL, watermark_at = NULL, settled = NULL, overlap = NULL,
    due = NULL, pass_condition = NULL, pass_reference = NULL, pass_rows = 0, full_since = NULL, by_date = false, cuts = '{}',
    window_rows = NULL, pages_found = NULL, pages_missing = NULL, expected_rows = NULL, witnesses = '[]', stalled = false
WHERE j.job_id = job
$$;

-- Of the rows with these keys, twenty at most, and the first, that are in a target.
CREATE FUNCTION crisp_sync_find_witnesses(target oid, keys text[], witnesses jsonb)
RETURNS jsonb
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE;

CREATE FUNCTION crisp_sync_surviving(target regclass, keys text[], witnesses jsonb)
RETURNS jsonb
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
SELECT coalesce(@extschema@.crisp_sync_find_witnesses(target,
    ARRAY(SELECT c.name FROM @extschema@.crisp_sync_columns(target) c WHERE c.name = ANY (keys)), witnesses), '[]')
WHERE witnesses <> '[]'
UNION ALL SELECT '[]' WHERE witnesses = '[]'
$$;

-- Whether what a job has stored is gone from its target: most of the rows that it has kept in mind.  Rows of others,
-- or some that somebody has deleted, say nothing; nor does their number, since each of several jobs has a part of them.
CREATE FUNCTION crisp_sync_lost(target regclass, keys text[], witnesses jsonb)
RETURNS boolean
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
SELECT jsonb_array_length(@extschema@.crisp_sync_surviving(target, keys, witnesses)) * 2 < jsonb_array_length(witnesses)
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

-- Keep in mind whose rows a job has brought, when its server is reached by another address.
CREATE FUNCTION crisp_sync_move_origin(work crisp_sync_work, old_origin text[])
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
WITH moved AS (
    DELETE FROM @extschema@.crisp_sync_my_origin o WHERE o.target = work.target AND o.origin = old_origin RETURNING o.source)
INSERT INTO @extschema@.crisp_sync_my_origin (target, origin, source)
SELECT work.target, work.origin, m.source FROM moved m
ON CONFLICT DO NOTHING
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
    ELSIF job.origin[1:3] <> work.origin[1:3] THEN
        RAISE NOTICE '"%" is of another website or inbox than before, so all is fetched again', @extschema@.crisp_sync_name(work.source);
        PERFORM @extschema@.crisp_sync_forget_state(job.job_id);
        SELECT * INTO job FROM @extschema@.crisp_sync_my_job j WHERE j.source = work.source AND j.target = work.target;
    ELSIF job.scope <> work.scope THEN
        -- What was covered are other rows.
        RAISE NOTICE '"%" shows other rows than before, so all is fetched again',
            @extschema@.crisp_sync_name(work.list);
        PERFORM @extschema@.crisp_sync_forget_state(job.job_id);
        SELECT * INTO job FROM @extschema@.crisp_sync_my_job j WHERE j.source = work.source AND j.target = work.target;
    ELSIF job.sync_field <> field THEN
        RAISE EXCEPTION 'the sync of "%" into "%" goes by "%", not by "%"', @extschema@.crisp_sync_name(work.source),
            @extschema@.crisp_sync_name(work.target), job.sync_field, field
            USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = format('SELECT crisp_sync_reset(%L, %L) forgets that, and the next run fetches all again.', work.source, work.target);
    ELSIF @extschema@.crisp_sync_lost(work.target, work.keys, job.witnesses) THEN
        IF @extschema@.crisp_sync_is_empty(work.target) THEN
            RAISE NOTICE 'table "%" is empty, so all is fetched again', @extschema@.crisp_sync_name(work.target);
        ELSE
            RAISE NOTICE 'rows of "%" are gone from "%", so all is fetched again', @extschema@.crisp_sync_name(work.source), @extschema@.crisp_sync_name(work.target);
        END IF;
        PERFORM @extschema@.crisp_sync_forget_state(job.job_id);
        SELECT * INTO job FROM @extschema@.crisp_sync_my_job j WHERE j.source = work.source AND j.target = work.target;
    ELSIF (job.dates_field IS NULL) <> (work.dates_field IS NULL) AND job.selected <> '{}' THEN
        -- What was covered was by a date that the table had then, or hasn't any more.
        job.wanted := CASE WHEN work.dates_field IS NULL THEN '{}' ELSE '{(,)}' END;
        job.covered := '{}';
        job.watermark := NULL;
        job.settled := NULL;
        job.due := CASE WHEN work.dates_field IS NULL THEN '-infinity'::timestamptz END;
    END IF;
    IF job.origin <> work.origin AND job.origin[1:3] = work.origin[1:3] THEN
        PERFORM @extschema@.crisp_sync_move_origin(work, job.origin);
    END IF;
    job.sync_field := field;
    RETURN job;
END
$$;

-- Raise an error where source or list have become those of other rows than those that the run is about.
CREATE FUNCTION crisp_sync_check_unchanged(work crisp_sync_work)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (@extschema@.crisp_sync_origin_of(work.source))[1:3] <> work.origin[1:3] THEN
        RAISE EXCEPTION 'the source of the sync became that of another website or inbox while it ran'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'The next run fetches all again.';
    ELSIF @extschema@.crisp_sync_scope_of(work.list) <> work.scope THEN
        RAISE EXCEPTION '"%" came to show other rows while the sync ran', @extschema@.crisp_sync_name(work.list)
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'The next run fetches all again.';
    END IF;
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
    PERFORM @extschema@.crisp_sync_check_unchanged(work);
    SELECT * INTO job FROM @extschema@.crisp_sync_my_job j WHERE j.job_id = work.job_id FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM @extschema@.crisp_sync_check_target(work.target);
        RAISE EXCEPTION 'the sync of "%" into "%" was dropped while it ran', @extschema@.crisp_sync_name(work.source),
            @extschema@.crisp_sync_name(work.target) USING ERRCODE = 'undefined_object';
    ELSIF @extschema@.crisp_sync_lost(work.target, work.keys, job.witnesses) THEN
        RAISE EXCEPTION 'table "%" was emptied while it was filled', @extschema@.crisp_sync_name(work.target)
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'The next run fetches all again.';
    END IF;
    RETURN job;
END
$$;

-- What is uncovered of what is wanted.
CREATE FUNCTION crisp_sync_gaps(job crisp_sync_job)
RETURNS tstzmultirange
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT job.wanted - job.covered
$$;

-- What a run is to look at again, and at what is newer: a row may come into Crisp's index later than its date says,
-- by overlap at most.  NULL when nothing is known yet.
CREATE FUNCTION crisp_sync_look(job crisp_sync_job)
RETURNS tstzrange
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT CASE WHEN job.settled >= job.watermark - job.overlap THEN tstzrange(job.settled, NULL, '()')
            WHEN job.watermark IS NOT NULL THEN tstzrange(date_trunc('milliseconds', job.watermark - job.overlap), NULL) END
$$;

-- Where rows may be by the date, that are in these ranges by sync_field.
CREATE FUNCTION crisp_sync_places(work crisp_sync_work, ranges tstzmultirange)
RETURNS tstzmultirange
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT CASE WHEN work.dates_field IS NULL THEN '{}'
            WHEN work.sync_field = work.dates_field OR isempty(ranges) THEN ranges
            WHEN work.way = 'dates' THEN tstzmultirange(tstzrange(lower(ranges), NULL, CASE WHEN lower_inc(ranges) THEN '[)' ELSE '()' END))
            ELSE '{(,)}' END
$$;

-- What a call wants, on top of what earlier ones have left, where windows find it.
CREATE FUNCTION crisp_sync_want_dates(INOUT work crisp_sync_work, INOUT job crisp_sync_job, part tstzrange, look tstzrange, grows boolean)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET DateStyle = 'ISO'
SET TimeZone = 'UTC'
AS $$
DECLARE
    gaps CONSTANT tstzmultirange := @extschema@.crisp_sync_gaps(job);
    places CONSTANT tstzmultirange := @extschema@.crisp_sync_places(work, tstzmultirange(part));
    is_same CONSTANT boolean := work.sync_field = work.dates_field;
    -- The range of an earlier call with that reference is not yet done.
    continues boolean := coalesce(part IS NULL OR (job.pass_condition = work.condition AND
        CASE work.condition WHEN 'newer' THEN job.pass_reference <= work.reference ELSE job.pass_reference >= work.reference END), false);
BEGIN
    IF work.way = 'all' THEN
        -- Begin anew when all was read.
        continues := continues AND gaps <> '{}' AND NOT grows;
        job.wanted := '{(,)}';
        job.covered := CASE WHEN continues THEN job.covered ELSE '{}' END;
    ELSIF part IS NULL THEN
        IF NOT grows AND NOT is_same AND gaps = '{}' AND job.full_since IS NULL AND look IS NOT NULL THEN
            -- All that there was is there, so what comes is what has begun since, say, and not what has changed.
            work.looked := true;
            work.kept := concat_ws(' AND ', work.kept, format('%%1$s >= %L::timestamptz', lower(look)));
        END IF;
        job.wanted := job.wanted + @extschema@.crisp_sync_places(work, job.selected);
        job.covered := CASE WHEN grows AND NOT is_same THEN '{}' ELSE job.covered END;
    ELSE
        continues := continues AND gaps && places;
        job.wanted := job.wanted + CASE WHEN work.condition = 'older' THEN places ELSE @extschema@.crisp_sync_places(work, job.selected) END;
        job.covered := CASE WHEN continues THEN job.covered ELSE job.covered - places END;
        work.range := range_merge(places);
        IF work.condition = 'newer' AND work.reference <= job.watermark THEN
            -- Nothing that the run would look back at is stepped over.
            work.range := range_merge(work.range, look);
        END IF;
    END IF;
    IF part IS NOT NULL AND NOT continues THEN
        job.pass_condition := work.condition;
        job.pass_reference := work.reference;
    END IF;
    IF look IS NOT NULL AND upper_inf(work.range) THEN
        job.covered := job.covered - tstzmultirange(look);
    END IF;
END
$$;

-- The same where changes are read by sync_field.
CREATE FUNCTION crisp_sync_want_changes(INOUT work crisp_sync_work, INOUT job crisp_sync_job, part tstzrange, look tstzrange, grows boolean)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_dated CONSTANT boolean := work.dates_field IS NOT NULL;
    has_gaps CONSTANT boolean := @extschema@.crisp_sync_gaps(job) <> '{}';
    since timestamptz := CASE WHEN lower_inc(look) THEN lower(look) ELSE lower(look) + interval '1 microsecond' END;
BEGIN
    IF is_dated AND work.condition = 'older' AND part IS NOT NULL THEN
        IF NOT coalesce(has_gaps AND job.pass_condition = 'older' AND job.pass_reference >= work.reference, false) THEN
            job.covered := '{}';
            job.pass_condition := work.condition;
            job.pass_reference := work.reference;
        END IF;
        job.wanted := '{(,)}';
        RETURN;
    ELSIF is_dated AND has_gaps AND job.pass_condition = 'all' THEN
        -- Changes are more than a call may ask for, and come after all was read again.
        job.covered := CASE WHEN grows THEN '{}' ELSE job.covered END;
        RETURN;
    ELSIF is_dated AND part IS NULL AND (grows OR (job.watermark IS NULL AND (job.due IS NULL OR job.covered <> '{}') AND NOT has_gaps)) THEN
        job.wanted := '{(,)}';
        job.covered := '{}';
    ELSIF NOT is_dated AND (work.way = 'all' OR job.full_since IS NOT NULL OR work.condition = 'older' OR (part IS NULL AND (grows OR look IS NULL))) THEN
        since := coalesce(CASE WHEN part IS NULL THEN lower(job.selected) END, '-infinity');
    END IF;
    IF part IS NOT NULL AND work.condition = 'newer' AND since IS DISTINCT FROM '-infinity' THEN
        since := CASE WHEN work.reference <= job.watermark THEN least(work.reference, since) ELSE work.reference END;
    END IF;
    job.due := least(job.due, since);
    IF job.due IS NOT NULL THEN
        work.changes := tstzrange(job.due, NULL);
    END IF;
END
$$;

-- What a call wants.
CREATE FUNCTION crisp_sync_want(INOUT work crisp_sync_work, INOUT job crisp_sync_job)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET DateStyle = 'ISO'
SET TimeZone = 'UTC'
AS $$
DECLARE
    part CONSTANT tstzrange := CASE WHEN work.reference IS NULL THEN NULL
                                    WHEN work.condition = 'older' THEN tstzrange(NULL, work.reference, '()')
                                    ELSE tstzrange(work.reference, NULL, '()') END;
    look tstzrange;
    before tstzmultirange := job.selected;
    step interval := coalesce((SELECT k.step FROM @extschema@.crisp_sync_kind(work.list, coalesce(work.dates_field, work.sync_field)) k), '0');
    settled timestamptz;
    result record;
BEGIN
    IF work.overlap > job.overlap THEN
        job.settled := NULL;
    END IF;
    job.overlap := work.overlap;
    look := @extschema@.crisp_sync_look(job);

    job.selected := CASE WHEN part IS NOT NULL THEN job.selected + tstzmultirange(part)
                         WHEN upper_inf(job.selected) THEN job.selected
                         ELSE '{(,)}' END;
    IF work.mode = 'full' AND job.full_since IS NULL THEN
        job.full_since := clock_timestamp();
        job.selected := '{(,)}';
        job.wanted := CASE WHEN work.dates_field IS NULL THEN '{}' ELSE '{(,)}' END;
        job.covered := '{}';
        job.pass_condition := NULL;
        job.pass_reference := NULL;
        job.pass_rows := 0;
        job.expected_rows := NULL;
        job.pages_found := NULL;
        job.pages_missing := NULL;
        before := '{(,)}';
    END IF;
    work.found := @extschema@.crisp_sync_gaps(job);
    work.range := tstzrange(NULL, NULL);
    IF job.selected <> '{(,)}' AND work.sync_field IS DISTINCT FROM work.dates_field THEN
        work.kept := format('%%1$s <@ %L::tstzmultirange', job.selected);
    END IF;

    IF work.dates_field IS NULL OR work.way = 'order' THEN
        result := @extschema@.crisp_sync_want_changes(work, job, part, look, NOT job.selected <@ before);
    ELSE
        result := @extschema@.crisp_sync_want_dates(work, job, part, look, NOT job.selected <@ before);
    END IF;
    work := result.work;
    job := result.job;
    work.whole := job.covered = '{}';

    -- A look that begins when overlap has passed since the watermark was seen finds all that came late: what it is to
    -- read is uncovered, or due, so that the next one need not go back behind the watermark.  Otherwise many changes
    -- of one moment would be read in every run.
    IF part IS NULL AND job.watermark_at + work.overlap + step <= work.started_at AND (work.way <> 'order' OR work.changes IS NOT NULL) THEN
        settled := job.watermark;
        work.adapted := coalesce(settled > coalesce(job.settled, '-infinity'), false);
        job.settled := greatest(settled, job.settled);
    END IF;
    IF part IS NOT NULL THEN
        work.found := '{}';
    END IF;
    work.phase := CASE WHEN work.changes IS NOT NULL THEN 'changes' ELSE 'history' END;
END
$$;

-- Tell of columns that are not copied, when there are others than before.
CREATE FUNCTION crisp_sync_tell_columns(work crisp_sync_work, told text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    most CONSTANT integer := 5;
    number CONSTANT integer := cardinality(work.missing);
BEGIN
    IF work.missing <@ told THEN
        RETURN;
    END IF;
    RAISE NOTICE 'table "%" has no column for %', @extschema@.crisp_sync_name(work.target),
        @extschema@.crisp_sync_list(work.missing[1:CASE WHEN number > most THEN most - 2 ELSE most END])
        || CASE WHEN number > most THEN format(', and %s more', number - most + 2) ELSE '' END
        USING DETAIL = 'What these columns of the source hold is not copied.',
            HINT = CASE WHEN number > most
                        THEN format('SELECT crisp_sync_add_columns(%L, %L) writes the ALTER TABLE that adds them.', work.source::text, work.target::text)
                        ELSE @extschema@.crisp_sync_add_columns(work.source, work.target) END;
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
    result record;
    was_full boolean;
BEGIN
    IF work.reference IS NOT NULL AND work.sync_field IS NULL THEN
        RAISE EXCEPTION 'a sync of % takes no reference', catalog.resource
            USING ERRCODE = 'invalid_parameter_value', DETAIL = 'They have no times: each run reads all of them.';
    END IF;
    job := @extschema@.crisp_sync_find_job(work, catalog.resource);
    PERFORM @extschema@.crisp_sync_tell_columns(work, job.told_columns);
    IF job.full_since IS NOT NULL AND NOT @extschema@.crisp_sync_is_full(work.source, work.target) THEN
        -- What it has seen isn't known any more, as after a restore: it begins anew.
        job.full_since := NULL;
        deleted := job.deleted;
        work.mode := 'full';
        work.reference := NULL;
        work.condition := 'newer';
    END IF;
    was_full := job.full_since IS NOT NULL;
    work.by_date := job.by_date;
    work.window_rows := job.window_rows;
    work.first_window_rows := job.window_rows;
    result := @extschema@.crisp_sync_want(work, job);
    work := result.work;
    job := result.job;
    work.probes := @extschema@.crisp_sync_probes(work, job);

    INSERT INTO @extschema@.crisp_sync_my_log (job_id, mode, started_at)
    VALUES (job.job_id, work.mode, work.started_at)
    RETURNING job_id, run_id INTO work.job_id, work.run_id;
    IF job.full_since IS NOT NULL AND NOT was_full THEN
        PERFORM @extschema@.crisp_sync_begin_full(work.source, work.target);
    END IF;
    UPDATE @extschema@.crisp_sync_my_job j
    SET sync_field = job.sync_field, dates_field = work.dates_field, mode = work.mode, origin = work.origin,
        scope = work.scope,
        daily_quota = coalesce(crisp_sync_open.daily_quota, catalog.daily_quota),
        rows_per_request = CASE WHEN work.argument IS NULL THEN greatest(1, work.per_page - 1) ELSE 1 END,
        deleted = CASE WHEN work.mode = 'full' OR job.full_since IS NULL THEN crisp_sync_open.deleted ELSE job.deleted END,
        full_since = job.full_since, selected = job.selected, wanted = job.wanted, covered = job.covered, due = job.due,
        pass_condition = job.pass_condition, pass_reference = job.pass_reference, pass_rows = job.pass_rows, watermark = job.watermark,
        settled = job.settled, overlap = job.overlap, expected_rows = job.expected_rows, pages_found = job.pages_found,
        pages_missing = job.pages_missing, told_columns = work.missing, stalled = false, last_run_id = work.run_id
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
DELETE FROM @extschema@.crisp_sync_orphan_run;
DELETE FROM @extschema@.crisp_sync_my_log l
WHERE l.job_id = job
  AND l.run_id <= (SELECT o.run_id FROM @extschema@.crisp_sync_my_log o WHERE o.job_id = job ORDER BY o.run_id DESC OFFSET 10000 LIMIT 1)
  AND l.run_id <> coalesce((SELECT max(f.run_id) FROM @extschema@.crisp_sync_my_log f WHERE f.job_id = job AND f.outcome = 'failed'), 0)
$$;
