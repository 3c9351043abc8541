--
-- crisp_sync: the job of a run
--

-- Note what a step has brought, for the job and for the run.
CREATE FUNCTION crisp_sync_note(copy crisp_sync_copy, call crisp_sync_call, batch crisp_sync_batch)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    has_rows boolean;
    is_first boolean;           -- rows of the run
BEGIN
    -- Options of a server are nobody's to hold: what came may be of those that it has now.
    PERFORM @extschema@.crisp_sync_check_unchanged(copy);
    SELECT l.rows_fetched = 0 INTO is_first FROM @extschema@.crisp_sync_my_log l WHERE l.run_id = call.run_id;
    UPDATE @extschema@.crisp_sync_my_log l
    SET windows = l.windows + 1,
        rows_fetched = l.rows_fetched + coalesce(batch.fetched, 0),
        rows_inserted = l.rows_inserted + coalesce(batch.inserted, 0),
        rows_updated = l.rows_updated + coalesce(batch.updated, 0),
        rows_deleted = l.rows_deleted + coalesce(batch.deleted, 0)
    WHERE l.run_id = call.run_id;
    UPDATE @extschema@.crisp_sync_my_job j
    SET rows_fetched = j.rows_fetched + coalesce(batch.fetched, 0),
        rows_inserted = j.rows_inserted + coalesce(batch.inserted, 0),
        rows_updated = j.rows_updated + coalesce(batch.updated, 0),
        rows_deleted = j.rows_deleted + coalesce(batch.deleted, 0),
        keyless = j.keyless + coalesce(cardinality(batch.keyless), 0),
        witnesses = @extschema@.crisp_sync_new_witnesses(copy, coalesce(batch.witnesses, j.witnesses), batch.sample,
                                                         is_first)
    WHERE j.job_id = call.job_id
    RETURNING j.rows_inserted + j.rows_updated > 0 OR j.witnesses <> '[]' INTO has_rows;
    INSERT INTO @extschema@.crisp_sync_my_origin (target, origin, source)
    SELECT copy.target, copy.origin, copy.source_name
    WHERE has_rows AND NOT EXISTS (SELECT FROM @extschema@.crisp_sync_my_origin o
                                   WHERE o.target = copy.target AND o.origin = copy.origin)
    ON CONFLICT DO NOTHING;
    PERFORM @extschema@.crisp_sync_note_run(call, NULL);
END
$$;

-- How many windows a run has read so far.
CREATE FUNCTION crisp_sync_windows(call crisp_sync_call)
RETURNS bigint
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT coalesce((SELECT l.windows FROM @extschema@.crisp_sync_my_log l WHERE l.run_id = call.run_id), 0)
$$;

-- Bring the line of the run, and the requests of the job, up to date.
CREATE FUNCTION crisp_sync_note_run(call crisp_sync_call, outcome text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    spent bigint := @extschema@.crisp_sync_requests() - call.first_request;
BEGIN
    UPDATE @extschema@.crisp_sync_my_job j
    SET requests = j.requests + spent - l.requests,
        last_success = CASE WHEN crisp_sync_note_run.outcome IN ('finished', 'partial') THEN clock_timestamp()
                           ELSE j.last_success END
    FROM @extschema@.crisp_sync_my_log l
    WHERE j.job_id = call.job_id AND l.run_id = call.run_id;
    UPDATE @extschema@.crisp_sync_my_log l
    SET requests = spent, progress_at = clock_timestamp(),
        outcome = crisp_sync_note_run.outcome,
        ended_at = CASE WHEN crisp_sync_note_run.outcome IS NOT NULL THEN clock_timestamp() END
    WHERE l.run_id = call.run_id;
END
$$;

-- Forget what a job has fetched.
CREATE FUNCTION crisp_sync_forget_state(job bigint)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
SELECT @extschema@.crisp_sync_end_full(j.source, j.target)
FROM @extschema@.crisp_sync_my_job j WHERE j.job_id = job AND j.full_since IS NOT NULL;
UPDATE @extschema@.crisp_sync_my_job j
SET sync_field = NULL, selected = '{}', wanted = '{}', covered = '{}', watermark = NULL, watermark_at = NULL,
    settled = NULL, unlooked = NULL, overlap = NULL, caught_up = false, looked = false, due = NULL,
    pass_condition = NULL, pass_reference = NULL, pass_rows = 0,
    full_since = NULL, by_date = false, cuts = '{}', window_rows = NULL, pages_found = NULL, pages_missing = NULL,
    expected_rows = NULL, witnesses = '[]', stalled = false
WHERE j.job_id = job
$$;

-- Of the rows with these keys, twenty at most, and the first, that are in a target; hold: and stay there until the
-- transaction ends.
CREATE FUNCTION crisp_sync_find_witnesses(target oid, keys text[], witnesses jsonb, hold boolean)
RETURNS jsonb
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE;

CREATE FUNCTION crisp_sync_surviving(target regclass, keys text[], witnesses jsonb, hold boolean DEFAULT false)
RETURNS jsonb
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
SELECT @extschema@.crisp_sync_find_witnesses(target,
    ARRAY(SELECT c.name FROM @extschema@.crisp_sync_columns(target) c WHERE c.name = ANY (keys)), witnesses, hold)
WHERE witnesses <> '[]'
UNION ALL SELECT '[]' WHERE witnesses = '[]'
$$;

-- The rows that a job keeps in mind, after some were stored.  All of those from before are as old as the run, or are
-- of its first window: whoever empties the table while it's filled deletes them, with whatever of the later windows.
-- So new ones come among them with the first rows of a run only, and as the lesser part, or else those would seem to be
-- most of the copy that have come while a DELETE was under way.
CREATE FUNCTION crisp_sync_new_witnesses(copy crisp_sync_copy, witnesses jsonb, sample jsonb, is_first boolean)
RETURNS jsonb
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
SELECT CASE WHEN sample IS NULL OR (witnesses <> '[]' AND NOT is_first) THEN witnesses
    ELSE @extschema@.crisp_sync_surviving(copy.target, copy.keys, coalesce((
        SELECT jsonb_agg(e.witness ORDER BY e.number)
        FROM jsonb_array_elements(@extschema@.crisp_sync_surviving(copy.target, copy.keys, sample))
             WITH ORDINALITY e (witness, number)
        WHERE witnesses = '[]' OR e.number <= greatest(1, least(9, jsonb_array_length(witnesses) - 1))), '[]')
        || witnesses) END
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
CREATE FUNCTION crisp_sync_move_origin(copy crisp_sync_copy, old_origin text[])
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
WITH moved AS (
    DELETE FROM @extschema@.crisp_sync_my_origin o WHERE o.target = copy.target AND o.origin = old_origin
    RETURNING o.source)
INSERT INTO @extschema@.crisp_sync_my_origin (target, origin, source)
SELECT copy.target, copy.origin, m.source FROM moved m
ON CONFLICT DO NOTHING
$$;

-- Find the job of a run, or make it.
CREATE FUNCTION crisp_sync_find_job(copy crisp_sync_copy, resource text)
RETURNS crisp_sync_job
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job @extschema@.crisp_sync_job;
    field text := @extschema@.crisp_sync_path(copy.list, copy.sync_field);
BEGIN
    SELECT * INTO job FROM @extschema@.crisp_sync_my_job j
    WHERE j.source = copy.source AND j.target = copy.target FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO @extschema@.crisp_sync_my_job (source, target, resource)
        VALUES (copy.source, copy.target, crisp_sync_find_job.resource)
        RETURNING * INTO job;
    ELSIF job.origin[1:3] <> copy.origin[1:3] THEN
        RAISE NOTICE '"%" is of another website or inbox than before, so all is fetched again',
            copy.source_name;
        PERFORM @extschema@.crisp_sync_forget_state(job.job_id);
        SELECT * INTO job FROM @extschema@.crisp_sync_my_job j WHERE j.source = copy.source AND j.target = copy.target;
    ELSIF job.scope <> copy.scope THEN
        -- What was covered are other rows.
        RAISE NOTICE '"%" shows other rows than before, so all is fetched again',
            copy.list_name;
        PERFORM @extschema@.crisp_sync_forget_state(job.job_id);
        SELECT * INTO job FROM @extschema@.crisp_sync_my_job j WHERE j.source = copy.source AND j.target = copy.target;
    ELSIF job.sync_field <> field THEN
        RAISE EXCEPTION 'the sync of "%" into "%" goes by "%", not by "%"', copy.source_name,
            copy.target_name, job.sync_field, field
            USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = format('SELECT crisp_sync_reset(%L, %L) forgets that, and the next run fetches all again.',
                              copy.source, copy.target);
    ELSIF @extschema@.crisp_sync_lost(copy.target, copy.keys, job.witnesses) THEN
        IF @extschema@.crisp_sync_is_empty(copy.target) THEN
            RAISE NOTICE 'table "%" is empty, so all is fetched again', copy.target_name;
        ELSE
            RAISE NOTICE 'rows of "%" are gone from "%", so all is fetched again',
                copy.source_name, copy.target_name;
        END IF;
        PERFORM @extschema@.crisp_sync_forget_state(job.job_id);
        SELECT * INTO job FROM @extschema@.crisp_sync_my_job j WHERE j.source = copy.source AND j.target = copy.target;
    ELSIF (job.dates_field IS NULL) <> (copy.dates_field IS NULL) AND job.selected <> '{}' THEN
        -- What was covered was by a date that the table had then, or hasn't any more.
        job.wanted := CASE WHEN copy.dates_field IS NULL THEN '{}' ELSE '{(,)}' END;
        job.covered := '{}';
        job.watermark := NULL;
        job.settled := NULL;
        job.due := CASE WHEN copy.dates_field IS NULL THEN '-infinity'::timestamptz END;
    END IF;
    IF job.origin <> copy.origin AND job.origin[1:3] = copy.origin[1:3] THEN
        PERFORM @extschema@.crisp_sync_move_origin(copy, job.origin);
    END IF;
    job.sync_field := field;
    RETURN job;
END
$$;

-- Raise an error where source or list have become those of other rows than those that the run is about, or a table
-- lacks a column that it had when the run began.
CREATE FUNCTION crisp_sync_check_unchanged(copy crisp_sync_copy)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    gone record;
BEGIN
    SELECT c.name, c.relation INTO gone
    FROM (SELECT unnest(array_remove(copy.columns, '_synced_at') || copy.keys), copy.source, copy.source_name
          UNION ALL
          SELECT unnest(ARRAY[copy.list_key, copy.dates_field, copy.sync_field]), copy.list, copy.list_name
          UNION ALL
          SELECT unnest(copy.columns || copy.keys), copy.target, copy.target_name) c (name, oid, relation)
    WHERE c.name IS NOT NULL
      AND NOT EXISTS (SELECT FROM pg_attribute a
                      WHERE a.attrelid = c.oid AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'column "%" of "%" was dropped or renamed while the sync ran', gone.name, gone.relation
            USING ERRCODE = 'undefined_column', HINT = 'The next run goes by the columns that are there then.';
    END IF;
    SELECT c.name INTO gone
    FROM unnest(ARRAY[copy.dates_field, copy.sync_field]) c (name)
    WHERE c.name IS NOT NULL AND @extschema@.crisp_sync_time(copy.list, c.name, '') IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'column "%" of "%" came to hold no time while the sync ran', gone.name, copy.list_name
            USING ERRCODE = 'datatype_mismatch';
    ELSIF (@extschema@.crisp_sync_origin_of(copy.source))[1:3] <> copy.origin[1:3] THEN
        RAISE EXCEPTION 'the source of the sync became that of another website or inbox while it ran'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'The next run fetches all again.';
    ELSIF @extschema@.crisp_sync_scope_of(copy.list) <> copy.scope THEN
        RAISE EXCEPTION '"%" came to show other rows while the sync ran', copy.list_name
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'The next run fetches all again.';
    END IF;
END
$$;

-- Keep a table as it is until the transaction ends.  Raises an error if it was dropped.  Whoever drops or renames it
-- may do so while the lock is awaited, which is by its name: then what it is called now tells.
CREATE FUNCTION crisp_sync_hold(relation regclass, what text, known_as text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    name text;
BEGIN
    FOR attempt IN 1 .. 10 LOOP
        name := relation;
        -- What was dropped has its number for a name, and is found by that from PostgreSQL 16 on.
        EXIT WHEN name = relation::oid::text;
        CONTINUE WHEN to_regclass(name) IS DISTINCT FROM relation;
        BEGIN
            PERFORM @extschema@.crisp_sync_quietly(false, format('SELECT false FROM %s LIMIT 0', name), ROW());
            RETURN;
        EXCEPTION WHEN undefined_table OR invalid_schema_name THEN
            RAISE DEBUG 'table % was dropped or renamed', name;
        END;
    END LOOP;
    RAISE EXCEPTION 'the % of the sync was dropped while it ran', what
        USING ERRCODE = 'undefined_table', DETAIL = format('It was "%s".', known_as);
END
$$;

-- The job of a run that is under way.  Meanwhile, others may have done anything to its tables.
CREATE FUNCTION crisp_sync_this_job(copy crisp_sync_copy, call crisp_sync_call)
RETURNS crisp_sync_job
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job @extschema@.crisp_sync_job;
BEGIN
    PERFORM @extschema@.crisp_sync_hold(copy.source, 'source', copy.source_name),
            @extschema@.crisp_sync_hold(copy.list, 'parent', copy.list_name),
            @extschema@.crisp_sync_hold(copy.target, 'target', copy.target_name);
    PERFORM @extschema@.crisp_sync_check_unchanged(copy);
    SELECT * INTO job FROM @extschema@.crisp_sync_my_job j WHERE j.job_id = call.job_id FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM @extschema@.crisp_sync_check_target(copy.target);
        RAISE EXCEPTION 'the sync of "%" into "%" was dropped while it ran', copy.source_name,
            copy.target_name USING ERRCODE = 'undefined_object';
    END IF;
    PERFORM @extschema@.crisp_sync_check_kept(
        copy, @extschema@.crisp_sync_lost(copy.target, copy.keys, job.witnesses));
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
SELECT CASE WHEN job.unlooked IS NOT NULL
            THEN tstzrange(least(job.unlooked, date_trunc('milliseconds', job.watermark - job.overlap)), NULL)
            WHEN job.settled >= job.watermark - job.overlap THEN tstzrange(job.settled, NULL, '()')
            WHEN job.watermark IS NOT NULL
            THEN tstzrange(date_trunc('milliseconds', job.watermark - job.overlap), NULL) END
$$;

-- Where rows may be by the date, that are in these ranges by sync_field.
CREATE FUNCTION crisp_sync_places(copy crisp_sync_copy, ranges tstzmultirange)
RETURNS tstzmultirange
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT CASE WHEN copy.dates_field IS NULL THEN '{}'
            WHEN copy.sync_field = copy.dates_field OR isempty(ranges) THEN ranges
            WHEN copy.way = 'dates'
            THEN tstzmultirange(tstzrange(lower(ranges), NULL, CASE WHEN lower_inc(ranges) THEN '[)' ELSE '()' END))
            ELSE '{(,)}' END
$$;

-- What a call wants, on top of what earlier ones have left, where windows find it.
CREATE FUNCTION crisp_sync_want_dates(
    copy crisp_sync_copy, call crisp_sync_call, INOUT run crisp_sync_progress, INOUT job crisp_sync_job, part tstzrange,
    look tstzrange, grows boolean, settles boolean)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET DateStyle = 'ISO'
SET TimeZone = 'UTC'
AS $$
DECLARE
    gaps CONSTANT tstzmultirange := @extschema@.crisp_sync_gaps(job);
    places CONSTANT tstzmultirange := @extschema@.crisp_sync_places(copy, tstzmultirange(part));
    is_same CONSTANT boolean := copy.sync_field = copy.dates_field;
    -- The range of an earlier call with that reference is not yet done.
    continues boolean := coalesce(part IS NULL OR (job.pass_condition = call.condition AND
        CASE call.condition WHEN 'newer' THEN job.pass_reference <= call.reference
            ELSE job.pass_reference >= call.reference END), false);
BEGIN
    IF copy.way = 'all' THEN
        -- Begin anew when all was read.
        continues := continues AND gaps <> '{}' AND NOT grows;
        job.wanted := '{(,)}';
        job.covered := CASE WHEN continues THEN job.covered ELSE '{}' END;
    ELSIF part IS NULL THEN
        IF NOT grows AND NOT is_same AND gaps = '{}' AND job.full_since IS NULL AND look IS NOT NULL
           AND job.caught_up AND job.unlooked IS NULL THEN
            -- All that there was is there, so what comes is what has begun since, say, and not what has changed.
            job.looked := true;
            run.kept := concat_ws(' AND ', run.kept, format('%%1$s >= %L::timestamptz', lower(look)));
        END IF;
        job.wanted := job.wanted + @extschema@.crisp_sync_places(copy, job.selected);
        job.covered := CASE WHEN grows AND NOT is_same THEN '{}' ELSE job.covered END;
    ELSE
        continues := continues AND gaps && places;
        job.wanted := job.wanted + CASE WHEN call.condition = 'older' THEN places
                                       ELSE @extschema@.crisp_sync_places(copy, job.selected) END;
        job.covered := CASE WHEN continues THEN job.covered ELSE job.covered - places END;
        run.range := range_merge(places);
        IF call.condition = 'newer' AND call.reference <= job.watermark THEN
            -- Nothing that the run would look back at is stepped over.
            run.range := range_merge(run.range, look);
        END IF;
    END IF;
    IF part IS NOT NULL AND NOT continues THEN
        job.pass_condition := call.condition;
        job.pass_reference := call.reference;
    END IF;
    IF look IS NULL OR NOT upper_inf(run.range) THEN
        RETURN;
    ELSIF part IS NULL AND (run.found <> '{}' OR job.full_since IS NOT NULL) AND NOT settles THEN
        -- What changes within an overlap may be more than a call can ask for, so what is left comes before it.
        job.unlooked := lower(look);
    ELSE
        job.covered := job.covered - tstzmultirange(look);
        job.unlooked := NULL;
    END IF;
END
$$;

-- The same where changes are read by sync_field.
CREATE FUNCTION crisp_sync_want_changes(
    copy crisp_sync_copy, call crisp_sync_call, INOUT run crisp_sync_progress, INOUT job crisp_sync_job, part tstzrange,
    look tstzrange, grows boolean)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_dated CONSTANT boolean := copy.dates_field IS NOT NULL;
    has_gaps CONSTANT boolean := @extschema@.crisp_sync_gaps(job) <> '{}';
    since timestamptz := CASE WHEN lower_inc(look) THEN lower(look) ELSE lower(look) + interval '1 microsecond' END;
BEGIN
    IF is_dated AND call.condition = 'older' AND part IS NOT NULL THEN
        IF NOT coalesce(has_gaps AND job.pass_condition = 'older' AND job.pass_reference >= call.reference, false) THEN
            job.covered := '{}';
            job.pass_condition := call.condition;
            job.pass_reference := call.reference;
        END IF;
        job.wanted := '{(,)}';
        RETURN;
    ELSIF is_dated AND has_gaps AND job.pass_condition = 'all' THEN
        -- Changes are more than a call may ask for, and come after all was read again.
        job.covered := CASE WHEN grows THEN '{}' ELSE job.covered END;
        RETURN;
    ELSIF is_dated AND part IS NULL
          AND (grows OR (job.watermark IS NULL AND (job.due IS NULL OR job.covered <> '{}') AND NOT has_gaps)) THEN
        job.wanted := '{(,)}';
        job.covered := '{}';
    ELSIF NOT is_dated AND (copy.way = 'all' OR job.full_since IS NOT NULL OR call.condition = 'older'
                            OR (part IS NULL AND (grows OR look IS NULL))) THEN
        since := coalesce(CASE WHEN part IS NULL THEN lower(job.selected) END, '-infinity');
    END IF;
    IF part IS NOT NULL AND call.condition = 'newer' AND since IS DISTINCT FROM '-infinity' THEN
        since := CASE WHEN call.reference <= job.watermark THEN least(call.reference, since) ELSE call.reference END;
    END IF;
    job.due := least(job.due, since);
    IF job.due IS NOT NULL THEN
        run.changes := tstzrange(job.due, NULL);
    END IF;
END
$$;

-- What a call wants.
CREATE FUNCTION crisp_sync_want(
    copy crisp_sync_copy, call crisp_sync_call, INOUT run crisp_sync_progress, INOUT job crisp_sync_job)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET DateStyle = 'ISO'
SET TimeZone = 'UTC'
AS $$
DECLARE
    part CONSTANT tstzrange := CASE WHEN call.reference IS NULL THEN NULL
                                    WHEN call.condition = 'older' THEN tstzrange(NULL, call.reference, '()')
                                    ELSE tstzrange(call.reference, NULL, '()') END;
    look tstzrange;
    before tstzmultirange := job.selected;
    step interval := coalesce((SELECT k.step
                               FROM @extschema@.crisp_sync_kind(copy.list,
                                                                coalesce(copy.dates_field, copy.sync_field)) k), '0');
    -- A look that begins when overlap has passed since the watermark was seen finds all that came late.
    settles CONSTANT boolean := coalesce(job.watermark_at + call.overlap + step <= call.started_at, false);
    settled timestamptz;
    result record;
BEGIN
    IF call.overlap > job.overlap THEN
        job.settled := NULL;
    END IF;
    job.overlap := call.overlap;
    look := @extschema@.crisp_sync_look(job);

    job.selected := CASE WHEN part IS NOT NULL THEN job.selected + tstzmultirange(part)
                         -- What lies between the references of earlier calls isn't left out.
                         WHEN upper_inf(job.selected) THEN tstzmultirange(range_merge(job.selected))
                         ELSE '{(,)}' END;
    IF call.mode = 'full' AND job.full_since IS NULL THEN
        job.full_since := clock_timestamp();
        job.selected := '{(,)}';
        job.wanted := CASE WHEN copy.dates_field IS NULL THEN '{}' ELSE '{(,)}' END;
        job.covered := '{}';
        job.pass_condition := NULL;
        job.pass_reference := NULL;
        job.pass_rows := 0;
        job.expected_rows := NULL;
        job.pages_found := NULL;
        job.pages_missing := NULL;
        job.caught_up := false;
        job.looked := false;
        job.unlooked := NULL;
        before := '{(,)}';
    END IF;
    run.found := @extschema@.crisp_sync_gaps(job);
    IF run.found = '{}' AND job.full_since IS NULL THEN
        job.looked := false;
    END IF;
    run.range := tstzrange(NULL, NULL);
    IF job.selected <> '{(,)}' AND copy.sync_field IS DISTINCT FROM copy.dates_field THEN
        run.kept := format('%%1$s <@ %L::tstzmultirange', job.selected);
    END IF;

    IF copy.dates_field IS NULL OR copy.way = 'order' THEN
        result := @extschema@.crisp_sync_want_changes(copy, call, run, job, part, look, NOT job.selected <@ before);
    ELSE
        result := @extschema@.crisp_sync_want_dates(copy, call, run, job, part, look, NOT job.selected <@ before,
                                                    settles);
    END IF;
    run := result.run;
    job := result.job;
    run.whole := job.covered = '{}';

    -- What it is to read is uncovered, or due, so that the next one need not go back behind the watermark.  Otherwise
    -- many changes of one moment would be read in every run.
    IF part IS NULL AND settles AND (copy.way <> 'order' OR run.changes IS NOT NULL) THEN
        settled := job.watermark;
        run.adapted := coalesce(settled > coalesce(job.settled, '-infinity'), false);
        job.settled := greatest(settled, job.settled);
    END IF;
    IF part IS NOT NULL THEN
        run.found := '{}';
    END IF;
    run.phase := CASE WHEN run.changes IS NOT NULL THEN 'changes' ELSE 'history' END;
END
$$;

-- Names of columns, of which some stand for many.
CREATE FUNCTION crisp_sync_some_columns(columns text[], most integer)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT CASE WHEN cardinality(columns) > most
            THEN format('%s, and %s more', @extschema@.crisp_sync_list(columns[1:most - 2]),
                        cardinality(columns) - most + 2)
            ELSE @extschema@.crisp_sync_list(columns) END
$$;

-- Tell of columns that are not copied, when there are others than before.
CREATE FUNCTION crisp_sync_tell_columns(copy crisp_sync_copy, told text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    most CONSTANT integer := 5;
    detail CONSTANT text := 'What these columns of the source hold is not copied.';
    generated CONSTANT text[] := ARRAY(SELECT t.name FROM @extschema@.crisp_sync_columns(copy.target) t
                                       WHERE t.name = ANY (copy.missing) ORDER BY t.number);
    lacking CONSTANT text[] := ARRAY(SELECT m.name FROM unnest(copy.missing) WITH ORDINALITY m (name, number)
                                     WHERE m.name <> ALL (generated) AND m.name <> '_synced_at' ORDER BY m.number);
BEGIN
    IF NOT lacking <@ told THEN
        RAISE NOTICE 'table "%" has no column for %', copy.target_name,
            @extschema@.crisp_sync_some_columns(lacking, most)
            USING DETAIL = detail,
                HINT = CASE WHEN cardinality(lacking) > most
                            THEN format('SELECT crisp_sync_add_columns(%L, %L) writes the ALTER TABLE that adds them.',
                                        copy.source::text, copy.target::text)
                            ELSE @extschema@.crisp_sync_add_columns(copy.source, copy.target) END;
    END IF;
    IF NOT generated <@ told THEN
        RAISE NOTICE 'table "%" generates %', copy.target_name,
            @extschema@.crisp_sync_some_columns(generated, most)
            USING DETAIL = detail,
                HINT = coalesce((
                    SELECT format('ALTER TABLE %s %s;', copy.target, string_agg(
                               format('ALTER COLUMN %I DROP %s', a.attname,
                                      CASE WHEN a.attidentity <> '' THEN 'IDENTITY' ELSE 'EXPRESSION' END),
                               ', ' ORDER BY a.attnum))
                    FROM pg_attribute a
                    WHERE a.attrelid = copy.target AND a.attname = ANY (generated) AND a.attgenerated <> 'v'
                    HAVING count(*) > 0), 'To copy them, rename or drop those of the table.');
    END IF;
END
$$;

-- Begin a run: find its job, and lay down what is to be fetched.
CREATE FUNCTION crisp_sync_open(
    copy crisp_sync_copy, INOUT call crisp_sync_call, deleted text, daily_quota integer, OUT run crisp_sync_progress)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    catalog record := @extschema@.crisp_sync_source(copy.source);
    job @extschema@.crisp_sync_job;
    result record;
    was_full boolean;
BEGIN
    IF call.reference IS NOT NULL AND copy.sync_field IS NULL THEN
        RAISE EXCEPTION 'a sync of % takes no reference', catalog.resource
            USING ERRCODE = 'invalid_parameter_value', DETAIL = 'They have no times: each run reads all of them.';
    END IF;
    job := @extschema@.crisp_sync_find_job(copy, catalog.resource);
    PERFORM @extschema@.crisp_sync_forget_failed_calls(copy.source, copy.target);
    PERFORM @extschema@.crisp_sync_tell_columns(copy, job.told_columns);
    IF job.full_since IS NOT NULL AND NOT @extschema@.crisp_sync_is_full(copy.source, copy.target) THEN
        -- What it has seen isn't known any more, as after a restore: it begins anew.
        job.full_since := NULL;
        deleted := job.deleted;
        call.mode := 'full';
        call.reference := NULL;
        call.condition := 'newer';
    END IF;
    was_full := job.full_since IS NOT NULL;
    run.passes := 0;
    run.has_budget := true;
    run.versions := '{}';
    run.adapted := false;
    run.probes := 0;
    run.cuts := 0;
    run.by_date := job.by_date;
    run.window_rows := job.window_rows;
    run.first_window_rows := job.window_rows;
    result := @extschema@.crisp_sync_want(copy, call, run, job);
    run := result.run;
    job := result.job;
    -- Of an incremental run, what has moved comes with the next one, which finds all changes, or is not narrowed.
    job.looked := job.looked OR copy.dates_field IS NULL OR copy.way = 'order'
                  OR (job.full_since IS NULL AND (copy.way <> 'dates' OR copy.sync_field = copy.dates_field));
    run.probes := @extschema@.crisp_sync_probes(call, job);

    INSERT INTO @extschema@.crisp_sync_my_log (job_id, mode, started_at)
    VALUES (job.job_id, call.mode, call.started_at)
    RETURNING job_id, run_id INTO call.job_id, call.run_id;
    IF job.full_since IS NOT NULL AND NOT was_full THEN
        PERFORM @extschema@.crisp_sync_begin_full(copy.source, copy.target);
    END IF;
    UPDATE @extschema@.crisp_sync_my_job j
    SET sync_field = job.sync_field, dates_field = copy.dates_field, mode = call.mode, origin = copy.origin,
        scope = copy.scope, parent = nullif(copy.list, copy.source),
        daily_quota = coalesce(crisp_sync_open.daily_quota, catalog.daily_quota),
        rows_per_request = CASE WHEN copy.argument IS NULL THEN greatest(1, copy.per_page - 1) ELSE 1 END,
        deleted = CASE WHEN call.mode = 'full' OR job.full_since IS NULL THEN crisp_sync_open.deleted
                      ELSE job.deleted END,
        full_since = job.full_since, selected = job.selected, wanted = job.wanted, covered = job.covered, due = job.due,
        pass_condition = job.pass_condition, pass_reference = job.pass_reference, pass_rows = job.pass_rows,
        watermark = job.watermark,
        settled = job.settled, unlooked = job.unlooked, overlap = job.overlap, caught_up = job.caught_up,
        looked = job.looked, expected_rows = job.expected_rows, pages_found = job.pages_found,
        pages_missing = job.pages_missing, told_columns = copy.missing, stalled = false, last_run_id = call.run_id
    WHERE j.job_id = call.job_id;
    PERFORM @extschema@.crisp_sync_prune(call.job_id);
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
  AND l.run_id <= (SELECT o.run_id FROM @extschema@.crisp_sync_my_log o WHERE o.job_id = job
                   ORDER BY o.run_id DESC OFFSET 10000 LIMIT 1)
  AND l.run_id <> coalesce((SELECT max(f.run_id) FROM @extschema@.crisp_sync_my_log f
                            WHERE f.job_id = job AND f.outcome = 'failed'), 0)
$$;
