--
-- crisp_sync: the end of a full load
--

-- Whether a row that a full load has not seen may be at Crisp all the same, now that it has read all: one that moved
-- on before each window, or came late into what was read.
CREATE FUNCTION crisp_sync_may_miss(copy crisp_sync_copy, job crisp_sync_job)
RETURNS boolean
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT copy.dates_field IS NOT NULL AND copy.way <> 'order' AND NOT (job.caught_up AND job.unlooked IS NULL)
$$;

-- The rows of the copy that a full load has not seen, by their keys, or by those of their parents; so many at most.
-- Rows without the date by which it goes through the source can't be seen, and stay.
CREATE FUNCTION crisp_sync_unseen_keys(copy crisp_sync_copy, job crisp_sync_job, most integer)
RETURNS text[]
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT @extschema@.crisp_sync_unseen(
    copy.source, copy.target, array_remove(copy.columns, '_synced_at'), copy.keys, copy.argument,
    CASE WHEN copy.argument IS NULL AND copy.dates_field = ANY (copy.columns) THEN copy.dates_field END,
    job.deleted = 'mark', most)
$$;

-- Drop them: those that are gone from Crisp; or all, which ends the load.
CREATE FUNCTION crisp_sync_drop_unseen(
    copy crisp_sync_copy, call crisp_sync_call, job crisp_sync_job, gone text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    batch @extschema@.crisp_sync_batch;
    witnesses CONSTANT jsonb := @extschema@.crisp_sync_witnesses(copy);
    held CONSTANT jsonb := @extschema@.crisp_sync_surviving(copy.target, copy.keys, witnesses, true);
BEGIN
    -- What it doesn't find afterwards, it has dropped itself: nobody else can meanwhile.
    PERFORM @extschema@.crisp_sync_check_kept(copy, jsonb_array_length(held) * 2 < jsonb_array_length(witnesses));
    batch.deleted := @extschema@.crisp_sync_remove(
        copy.source, copy.target, array_remove(copy.columns, '_synced_at'), copy.keys, copy.argument,
        CASE WHEN copy.argument IS NULL AND copy.dates_field = ANY (copy.columns) THEN copy.dates_field END,
        job.deleted = 'mark', gone);
    batch.witnesses := @extschema@.crisp_sync_surviving(copy.target, copy.keys, held);
    PERFORM @extschema@.crisp_sync_note(copy, call, batch);
END
$$;

-- Read at once what has come since the watermark, so that whatever a full load has then not seen is gone.  False where
-- that takes more than so many requests; nothing of it is kept then.
CREATE FUNCTION crisp_sync_catch_up(
    copy crisp_sync_copy, call crisp_sync_call, run crisp_sync_progress, job crisp_sync_job, most bigint)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    look CONSTANT tstzrange := @extschema@.crisp_sync_look(job);
    batch @extschema@.crisp_sync_batch;
BEGIN
    PERFORM set_config('crisp_fdw.max_requests', (@extschema@.crisp_sync_requests() + most)::text, true);
    batch := @extschema@.crisp_sync_fetch(copy, call, run,
                                          @extschema@.crisp_sync_within(copy.list, copy.dates_field, look), NULL,
                                          lower(look), NULL, job);
    batch.keyless := NULL;      -- windows have counted them, or the next run will
    PERFORM @extschema@.crisp_sync_note(copy, call, batch);
    RETURN true;
EXCEPTION WHEN SQLSTATE 'CS002' THEN
    PERFORM @extschema@.crisp_sync_context();   -- is not that of the next error
    RETURN false;
END
$$;

-- Ask for rows that a full load has not seen, or for their parents, one by one: each is seen then, or gone.
CREATE FUNCTION crisp_sync_ask_for(
    copy crisp_sync_copy, call crisp_sync_call, run crisp_sync_progress, job crisp_sync_job, keys text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_there boolean;
    asked text;
    batch @extschema@.crisp_sync_batch;
    gone text[] := '{}';
BEGIN
    FOREACH asked IN ARRAY keys LOOP
        IF copy.argument IS NULL THEN
            batch := @extschema@.crisp_sync_store(copy, run, format('s.%I = %L', copy.keys[1], asked), NULL, NULL, NULL,
                                                  NULL, job.full_since, job.deleted);
            is_there := batch.listed > 0;
        ELSE
            is_there := @extschema@.crisp_sync_quietly(false, format('SELECT EXISTS (SELECT FROM %s s WHERE s.%I = %L)',
                                                                     copy.list, copy.list_key, asked), ROW());
            IF is_there THEN
                batch := @extschema@.crisp_sync_store(copy, run, format('s.%I = ANY ($4)', copy.argument), NULL, NULL,
                                                      NULL, ARRAY[asked], job.full_since, job.deleted);
            END IF;
        END IF;
        IF is_there THEN
            PERFORM @extschema@.crisp_sync_note(copy, call, batch);
        ELSE
            gone := gone || asked;
        END IF;
    END LOOP;
    PERFORM @extschema@.crisp_sync_drop_unseen(copy, call, job, gone);
END
$$;

-- All was read, and a full load drops what it has not seen; but first it makes sure that this is not at Crisp.
CREATE FUNCTION crisp_sync_closing(copy crisp_sync_copy, call crisp_sync_call, INOUT run crisp_sync_progress)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at_a_time CONSTANT integer := 20;
    most_counted CONSTANT integer := 10000;
    job @extschema@.crisp_sync_job := @extschema@.crisp_sync_this_job(copy, call);
    unseen text[] := '{}';
    remaining bigint;           -- requests; NULL for any number
    most bigint;                -- of these, to read at once what has moved
BEGIN
    IF @extschema@.crisp_sync_may_miss(copy, job) THEN
        unseen := @extschema@.crisp_sync_unseen_keys(copy, job, most_counted);
    END IF;
    IF unseen <> '{}' AND run.moves IS NULL THEN
        most := least(greatest(3, cardinality(unseen)), @extschema@.crisp_sync_requests_left(call) / 2);
        run.moves := run.by_date OR most < 1 OR job.watermark IS NULL
                     OR NOT @extschema@.crisp_sync_catch_up(copy, call, run, job, most);
        PERFORM @extschema@.crisp_sync_settings(copy, call, run);
    END IF;
    remaining := @extschema@.crisp_sync_requests_left(call);
    IF unseen <> '{}' AND run.moves AND (remaining < 1) IS NOT TRUE THEN
        PERFORM @extschema@.crisp_sync_ask_for(copy, call, run, job, unseen[1:least(at_a_time, remaining)]);
        run.adapted := true;
    END IF;
    IF unseen <> '{}' AND run.moves THEN
        RETURN;
    END IF;
    PERFORM @extschema@.crisp_sync_drop_unseen(copy, call, job, NULL);
    UPDATE @extschema@.crisp_sync_my_job j
    SET full_since = NULL, pass_condition = NULL, pass_reference = NULL, pass_rows = 0
    WHERE j.job_id = call.job_id;
    run.phase := 'end';
END
$$;
