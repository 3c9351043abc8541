--
-- crisp_sync: runs
--

-- Read all again, window by window, since what has changed is more than a call may ask for at once.  If that was done
-- before, and the changes since are still too many, so will they be the next time, unless less changes.
CREATE FUNCTION crisp_sync_read_all(copy crisp_sync_copy, call crisp_sync_call, INOUT run crisp_sync_progress)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE NOTICE 'what has changed in "%" takes more than %', copy.list_name,
        CASE call.last_request - call.first_request
            WHEN 1 THEN '1 request' ELSE call.last_request - call.first_request || ' requests' END
        USING DETAIL = 'The next calls read all of it again, part by part.',
            HINT = format('Raise %s to read changes alone.', call.limited_by);
    SELECT j.pass_condition = 'all' AND @extschema@.crisp_sync_gaps(j) = '{}' INTO run.in_vain
    FROM @extschema@.crisp_sync_job j WHERE j.job_id = call.job_id;
    UPDATE @extschema@.crisp_sync_my_job j
    SET wanted = '{(,)}', covered = '{}', watermark = NULL, due = NULL, pass_condition = 'all', pass_reference = NULL,
        pass_rows = 0
    WHERE j.job_id = call.job_id;
    run.adapted := true;
END
$$;

-- A list whose rows have details, for a request each: these are fetched of rows that the copy lacks, that have
-- changed since the last run, or have another sync_field there.  Of all others it has what the list shows.  Where
-- requests don't suffice for all details, those of rows that the copy lacks come first, and the rest with the next
-- run (is_cut).  Requests that are repeated may spend what others need.  So no statement asks for more than half of
-- what the requests allow, or for what window_rows says, which is halved where they didn't suffice for that.
CREATE FUNCTION crisp_sync_refresh(
    copy crisp_sync_copy, call crisp_sync_call, INOUT run crisp_sync_progress, job crisp_sync_job,
    OUT batch crisp_sync_batch, OUT is_cut boolean)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    details @extschema@.crisp_sync_batch;
    wanted text[];              -- keys of rows whose details are to be fetched
    remaining bigint;
    number integer;             -- of these, that the next statement is to bring
    done integer := 0;          -- and that others have brought
    is_less boolean := false;   -- the next run asks for fewer at a time
    key CONSTANT text := copy.keys[1];
    listed CONSTANT text[] := ARRAY(SELECT c.name FROM unnest(copy.columns) WITH ORDINALITY c (name, number)
                                    WHERE c.name <> ALL (copy.details || '_synced_at'::text) ORDER BY c.number);
    key_type CONSTANT text := (SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
                               WHERE a.attrelid = copy.source AND a.attname = key AND a.attnum > 0);
    changed CONSTANT text := @extschema@.crisp_sync_time(copy.list, copy.sync_field, 'f.');
    is_kept CONSTANT text := format('f.%I IS NOT NULL AND %s', key,
                                    coalesce('(' || format(run.kept, changed) || ')', 'true'));
    is_there CONSTANT text := format('EXISTS (SELECT FROM ONLY %s t WHERE t.%I::text = f.%I::text%s)',
        copy.target, key, key,
        (SELECT format(' AND t.%1$I IS NOT DISTINCT FROM f.%1$I', t.name)
         FROM @extschema@.crisp_sync_columns(copy.source) s JOIN @extschema@.crisp_sync_columns(copy.target) t
             USING (name, type)
         WHERE s.name = copy.sync_field));
    is_known CONSTANT text := format('%s AND (%s < %L::timestamptz) IS NOT FALSE', is_there, changed,
                                     lower(@extschema@.crisp_sync_look(job)));
BEGIN
    batch := @extschema@.crisp_sync_exchange(copy.source, copy.target,
        format('SELECT %s FROM %s s',
               @extschema@.crisp_sync_list(ARRAY(SELECT DISTINCT c.name
                                                 FROM unnest(listed || key || copy.sync_field) c (name)), 's.'),
               copy.source),
        format($sql$
            SELECT ROW(count(*), count(*) FILTER (WHERE %1$s), 0, 0, 0, NULL, NULL, NULL, max(%2$s), NULL, NULL, true,
                       array_agg(NULL::timestamptz) FILTER (WHERE f.%3$I IS NULL),
                       array_agg(concat(extract(epoch FROM %2$s), '|', md5(f.%3$I::text))),
                       jsonb_agg(f.%3$I ORDER BY %5$s) FILTER (WHERE %1$s AND NOT (%4$s)),
                       NULL, NULL, NULL)::@extschema@.crisp_sync_batch
            FROM fetched f
            $sql$, is_kept, changed, key, is_known, is_there),
        NULL, NULL, NULL, listed, copy.keys, NULL, copy.guard, false, job.deleted = 'mark',
        format('%s AND %s', is_kept, is_known), NULL, NULL, NULL, @extschema@.crisp_sync_witnesses(copy));
    PERFORM @extschema@.crisp_sync_check_kept(copy, batch.lost);
    wanted := ARRAY(SELECT jsonb_array_elements_text(batch.sample));
    batch.sample := NULL;
    is_cut := false;
    WHILE done < cardinality(wanted) AND NOT is_cut LOOP
        remaining := @extschema@.crisp_sync_requests_left(call);
        number := least(ceil(remaining / 2.0), run.window_rows, cardinality(wanted) - done);
        IF remaining < 1 AND done = 0 THEN
            RAISE EXCEPTION 'no request is left for details of "%"', copy.list_name
                USING ERRCODE = 'CS002';
        ELSIF remaining < 1 THEN
            is_cut := true;
            EXIT;
        END IF;
        BEGIN
            details := @extschema@.crisp_sync_store(copy, run,
                format('s.%I = ANY (%L::%s[])', key, wanted[done + 1:done + number], key_type),
                NULL, NULL, NULL, NULL, NULL, job.deleted);
        EXCEPTION WHEN SQLSTATE 'CS002' THEN
            PERFORM @extschema@.crisp_sync_context();   -- is not that of the next error
            is_cut := true;
            run.window_rows := greatest(1, number / 2);
            is_less := number > 1;
        END;
        IF NOT is_cut THEN
            done := done + number;
            batch.inserted := batch.inserted + details.inserted;
            batch.updated := batch.updated + details.updated;
            batch.witnesses := details.witnesses;
            batch.sample := coalesce(batch.sample, details.sample);
            run.window_rows := CASE WHEN run.window_rows < remaining THEN run.window_rows * 2 END;
        END IF;
    END LOOP;
    -- Rows that the copy lacked are there now, or the next run asks for fewer, or else it will have to do the same.
    run.in_vain := is_cut AND NOT is_less AND batch.inserted = 0 AND batch.updated = 0;
    run.adapted := run.adapted OR is_less;
    UPDATE @extschema@.crisp_sync_my_job j SET window_rows = run.window_rows WHERE j.job_id = call.job_id;
END
$$;

-- When, by our clock, Crisp was first seen to have got to a moment: now, unless that was known before.
CREATE FUNCTION crisp_sync_seen_at(watermark timestamptz, watermark_before timestamptz, seen_before timestamptz)
RETURNS timestamptz
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT CASE WHEN watermark IS DISTINCT FROM watermark_before THEN clock_timestamp() ELSE seen_before END
$$;

-- Changes by a time that windows don't go by, or a list without dates: one statement, a transaction of its own, and
-- another until one has shown nothing that was there before and hadn't been seen, since rows may slip from page to
-- page meanwhile.  What comes after the first of them began is no reason to go on, nor are rows that a trigger
-- changes each time.  Before a full load drops what one of them hasn't seen, there is another one, if need be in the
-- next run: pass_rows tells that an earlier one had one.
CREATE FUNCTION crisp_sync_changes(copy crisp_sync_copy, call crisp_sync_call, INOUT run crisp_sync_progress)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    most_passes CONSTANT integer := 4;
    first_request CONSTANT bigint := @extschema@.crisp_sync_requests();
    job @extschema@.crisp_sync_job := @extschema@.crisp_sync_this_job(copy, call);
    condition CONSTANT text := CASE WHEN copy.sync_field IS NULL THEN 'true'
                                    ELSE @extschema@.crisp_sync_within(copy.list, copy.sync_field, run.changes) END;
    result record;
    batch @extschema@.crisp_sync_batch;
    all_seen boolean;
    would_drop boolean := false;
BEGIN
    IF copy.details IS NOT NULL AND job.full_since IS NULL THEN
        result := @extschema@.crisp_sync_refresh(copy, call, run, job);
        batch := result.batch;
        run := result.run;
        IF result.is_cut THEN
            PERFORM @extschema@.crisp_sync_note(copy, call, batch);
            run.phase := 'exhausted';
            RETURN;
        END IF;
    ELSE
        batch := @extschema@.crisp_sync_fetch(copy, call, run, condition, NULL, lower(run.changes), upper(run.changes),
                                              job);
    END IF;
    -- Each pass comes upon the same ones.
    batch.keyless := batch.keyless[CASE run.passes WHEN 0 THEN 0 ELSE run.keyless END + 1:];
    run.keyless := CASE run.passes WHEN 0 THEN 0 ELSE run.keyless END + coalesce(cardinality(batch.keyless), 0);
    PERFORM @extschema@.crisp_sync_note(copy, call, batch);
    run.passes := run.passes + 1;
    run.pass_requests := @extschema@.crisp_sync_requests() - first_request;
    IF run.pass_requests <= 1 THEN
        all_seen := true;
        run.newest := greatest(run.newest, batch.newest_change);
    ELSIF run.passes = 1 THEN
        -- Where each run reads all, the next one finds what may have slipped by.
        would_drop := copy.way = 'all' AND job.full_since IS NOT NULL AND job.pass_rows = 0
                      AND @extschema@.crisp_sync_unseen_keys(copy, job, 1) <> '{}';
        all_seen := copy.way = 'all' AND batch.inserted + batch.updated = 0 AND NOT would_drop;
    ELSE
        all_seen := NOT EXISTS (
            SELECT v.version FROM unnest(batch.versions) v (version)
            WHERE split_part(v.version, '|', 1) = ''
               OR split_part(v.version, '|', 1)::numeric <= extract(epoch FROM run.newest)
            EXCEPT SELECT o.version FROM unnest(run.versions) o (version));
    END IF;
    IF NOT all_seen AND run.passes < most_passes THEN
        IF (@extschema@.crisp_sync_requests_left(call) < run.pass_requests) IS NOT TRUE THEN
            run.versions := run.versions || batch.versions;
            run.newest := greatest(run.newest, batch.newest_change);
            RETURN;
        ELSIF copy.way = 'order' AND copy.dates_field IS NOT NULL AND run.passes = 1 THEN
            -- Two have brought what was there all the time; the next run reads what has slipped by.
            IF run.has_budget AND NOT @extschema@.crisp_sync_awaits_day(copy, call) THEN
                run := @extschema@.crisp_sync_read_all(copy, call, run);
            END IF;
            run.adapted := true;
            run.phase := 'exhausted';
            RETURN;
        ELSIF would_drop THEN
            UPDATE @extschema@.crisp_sync_my_job j SET pass_rows = greatest(batch.listed, 1)
            WHERE j.job_id = call.job_id;
            run.adapted := true;
            run.phase := 'exhausted';
            RETURN;
        END IF;
    END IF;
    PERFORM @extschema@.crisp_sync_changes_read(copy, call, run, job, all_seen);
    run.changes := NULL;
    run.versions := NULL;
    run.phase := 'history';
    IF copy.dates_field IS NULL THEN
        run := @extschema@.crisp_sync_close_if_done(call, run);
    END IF;
END
$$;

-- Note that changes were read: to what they were due, and what that covers.
CREATE FUNCTION crisp_sync_changes_read(
    copy crisp_sync_copy, call crisp_sync_call, run crisp_sync_progress, job crisp_sync_job, all_seen boolean)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
UPDATE @extschema@.crisp_sync_my_job j
SET due = NULL, wanted = CASE WHEN n.has_all THEN '{}' ELSE j.wanted END,
    covered = CASE WHEN n.has_all THEN '{}' ELSE j.covered END,
    watermark = n.watermark,
    watermark_at = @extschema@.crisp_sync_seen_at(n.watermark, j.watermark, j.watermark_at)
FROM (SELECT f.has_all,
             CASE WHEN all_seen
                  AND (f.has_all OR job.covered = '{}' OR lower(run.changes) <= greatest(job.watermark, job.settled))
                  THEN greatest(job.watermark, @extschema@.crisp_sync_reached(copy, call, run.newest))
                  ELSE job.watermark END AS watermark
      FROM (SELECT lower(run.changes) <= coalesce(lower(job.selected), '-infinity') AS has_all) f) n
WHERE j.job_id = call.job_id
$$;

-- The newest sync_field of the list, for a pass over all of it that goes by other dates: whatever changed until then
-- comes with that pass.  NULL where it can't be had for the few requests that it takes when Crisp sorts by it.
CREATE FUNCTION crisp_sync_newest(copy crisp_sync_copy, call crisp_sync_call)
RETURNS timestamptz
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM set_config('crisp_fdw.max_requests',
                       least(call.last_request, @extschema@.crisp_sync_requests() + 3)::text, true);
    RETURN @extschema@.crisp_sync_quietly(
        NULL::timestamptz,
        format('SELECT %s FROM %s s WHERE s.%I IS NOT NULL ORDER BY s.%I DESC LIMIT 1',
               @extschema@.crisp_sync_time(copy.list, copy.sync_field, 's.'), copy.list, copy.sync_field,
               copy.sync_field),
        ROW());
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$$;

-- The moment that Crisp has surely got to when a date was seen there: that date, which may lie in the future, or the
-- start of the run by the clock that's behind, which answers tell.  NULL where there was none.
CREATE FUNCTION crisp_sync_reached(copy crisp_sync_copy, call crisp_sync_call, newest timestamptz)
RETURNS timestamptz
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT CASE WHEN newest IS NOT NULL
            THEN least(newest, call.started_at - @extschema@.crisp_sync_clock_lead(copy.list) - interval '1 second') END
$$;

-- The moment of Crisp's from which on changes come by sync_field, since nothing is covered yet: what was newest then,
-- as the first page has it: what fits a page was read at once, and 20 rows do.  NULL tells none.
CREATE FUNCTION crisp_sync_first_moment(
    copy crisp_sync_copy, call crisp_sync_call, INOUT job crisp_sync_job, newest timestamptz)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    job.watermark := @extschema@.crisp_sync_reached(copy, call, newest);
    IF job.pass_condition = 'all' THEN
        job.due := lower(@extschema@.crisp_sync_look(job))
                   + CASE WHEN job.settled >= job.watermark - call.overlap THEN interval '1 microsecond' ELSE '0' END;
    END IF;
END
$$;

-- One window of what is wanted and uncovered: of the newest, or of several gaps.
CREATE FUNCTION crisp_sync_history(copy crisp_sync_copy, call crisp_sync_call, INOUT run crisp_sync_progress)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job @extschema@.crisp_sync_job := @extschema@.crisp_sync_this_job(copy, call);
    gaps CONSTANT tstzmultirange := @extschema@.crisp_sync_gaps(job) * tstzmultirange(run.range);
    range CONSTANT tstzrange := (SELECT g.range FROM unnest(gaps) g (range) ORDER BY g.range DESC LIMIT 1);
    pages CONSTANT bigint := @extschema@.crisp_sync_window_pages(copy, call, run, job, gaps);
    result record;
    batch @extschema@.crisp_sync_batch;
    newest_change timestamptz;
    done tstzmultirange;
    sure tstzmultirange;
    has_all boolean;
BEGIN
    IF range IS NULL THEN
        run := @extschema@.crisp_sync_close_if_done(call, run);
        RETURN;
    END IF;
    IF job.watermark IS NULL AND job.pass_condition = 'all' AND job.covered = '{}'
       AND @extschema@.crisp_sync_windows(call) = 0 THEN
        newest_change := @extschema@.crisp_sync_newest(copy, call);
        PERFORM @extschema@.crisp_sync_settings(copy, call, run);
        job := @extschema@.crisp_sync_first_moment(copy, call, job, newest_change);
    END IF;
    IF pages IS NOT NULL THEN
        result := @extschema@.crisp_sync_window_of_gaps(copy, run, job, gaps, pages);
        done := result.done;
    ELSIF run.by_date THEN
        result := @extschema@.crisp_sync_window_by_date(copy, call, run, job, range);
        run := result.run;
        job := result.job;
        done := tstzmultirange(result.done);
    ELSE
        result := @extschema@.crisp_sync_window_in_order(copy, call, run, job, range);
        done := tstzmultirange(result.done);
    END IF;
    batch := result.batch;
    IF copy.argument IS NULL THEN
        -- The others come again.
        batch.keyless := ARRAY(SELECT k.date FROM unnest(batch.keyless) k (date)
                               WHERE done @> k.date OR (k.date IS NULL AND done <> '{}'));
    END IF;
    PERFORM @extschema@.crisp_sync_note(copy, call, batch);
    IF done = '{}' THEN
        UPDATE @extschema@.crisp_sync_my_job j
        SET cuts = job.cuts, watermark = job.watermark, due = job.due,
            watermark_at = @extschema@.crisp_sync_seen_at(job.watermark, j.watermark, j.watermark_at)
        WHERE j.job_id = call.job_id;
        RETURN;
    END IF;
    IF batch.listed >= greatest(1, run.window_rows / CASE WHEN run.by_date THEN 2 ELSE 1 END)
       AND NOT upper_inf(range) THEN
        run.window_rows := CASE WHEN run.window_rows < copy.per_page * CASE WHEN copy.argument IS NULL THEN 4 ELSE 1 END
                               THEN run.window_rows * 2 END;
    END IF;

    -- What was asked for as a whole, of a list without an order, may have moved from page to page.
    has_all := upper_inf(range) AND @extschema@.crisp_sync_gaps(job) <@ done AND run.unbounded IS NOT TRUE;
    sure := done;
    IF copy.way = 'order' THEN
        -- Until a row has told a moment, what is covered holds for now only: it is read again after that, since what
        -- came there meanwhile may be earlier than that moment.
        IF job.watermark IS NULL THEN
            job := @extschema@.crisp_sync_first_moment(copy, call, job, batch.page_change);
            IF job.watermark IS NOT NULL THEN
                job.covered := '{}';
            ELSIF NOT run.whole AND @extschema@.crisp_sync_gaps(job) <@ done THEN
                -- No row at all, of parts that several runs have looked at: one run is to.
                job.covered := '{}';
                job.cuts := '{}';
                done := '{}';
                sure := '{}';
                run.whole := true;
                run.adapted := true;
            END IF;
        END IF;
    ELSIF upper_inf(range) OR (upper(range) <= job.watermark) IS NOT TRUE THEN
        -- Up to what was newest at Crisp when the first row was read, by the clock that's behind: a row that changed
        -- since may have been read before that.  What fits a page was read at once.
        job.watermark := greatest(job.watermark, @extschema@.crisp_sync_reached(copy, call,
            CASE WHEN run.by_date AND run.unbounded IS NOT TRUE THEN batch.newest ELSE batch.first_date END));
        sure := CASE WHEN job.watermark IS NULL THEN '{}'
                     ELSE sure * tstzmultirange(
                         tstzrange(NULL, job.watermark, CASE WHEN job.watermark <= job.settled THEN '(]' ELSE '()' END))
                     END;
    END IF;
    UPDATE @extschema@.crisp_sync_my_job j
    SET covered = job.covered + sure, wanted = j.wanted - (done - sure), caught_up = has_all,
        watermark = job.watermark, due = job.due,
        watermark_at = @extschema@.crisp_sync_seen_at(job.watermark, j.watermark, j.watermark_at),
        cuts = ARRAY(SELECT c.moment FROM unnest(job.cuts) c (moment)
                     WHERE (j.wanted - (done - sure) - job.covered - sure) @> c.moment
                       AND (batch.listed = 0 OR c.moment < lower(done) OR c.moment > upper(range))
                     ORDER BY c.moment DESC LIMIT 100),
        window_rows = run.window_rows, pass_rows = j.pass_rows + batch.listed
    WHERE j.job_id = call.job_id
    RETURNING * INTO job;
    IF NOT @extschema@.crisp_sync_gaps(job) && run.range THEN
        run := @extschema@.crisp_sync_close_if_done(call, run);
    ELSE
        run := @extschema@.crisp_sync_estimate(copy, call, run, job);
    END IF;
END
$$;

-- After all that the call is about: go on with changes that are due since all was read again; end; or leave the end
-- of a full load, which makes requests of its own, to the next step.
CREATE FUNCTION crisp_sync_close_if_done(call crisp_sync_call, INOUT run crisp_sync_progress)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job @extschema@.crisp_sync_job;
    look tstzmultirange;
BEGIN
    SELECT * INTO job FROM @extschema@.crisp_sync_my_job j WHERE j.job_id = call.job_id;
    IF NOT job.looked AND NOT job.caught_up AND job.watermark IS NOT NULL
       AND @extschema@.crisp_sync_gaps(job) = '{}' THEN
        -- What has moved while windows were read, to a date after them, is to be there before only what is new will
        -- be read, or what a full load has not seen goes.
        look := CASE WHEN job.full_since IS NOT NULL AND job.unlooked IS NULL
                     THEN tstzmultirange(@extschema@.crisp_sync_look(job))
                     ELSE tstzmultirange(tstzrange(job.watermark, NULL)) END;
        UPDATE @extschema@.crisp_sync_my_job j SET looked = true, wanted = j.wanted + look, covered = j.covered - look
        WHERE j.job_id = call.job_id;
        run.adapted := true;
    ELSIF job.due IS NOT NULL AND call.reference IS NULL THEN
        run.changes := tstzrange(job.due, NULL);
        run.has_budget := false;
        run.passes := 0;
        run.versions := '{}';
        run.newest := NULL;
        run.phase := 'changes';
    ELSIF job.full_since IS NOT NULL AND @extschema@.crisp_sync_gaps(job) = '{}' THEN
        run.phase := 'closing';
    ELSE
        IF @extschema@.crisp_sync_gaps(job) = '{}' THEN
            UPDATE @extschema@.crisp_sync_my_job j SET pass_condition = NULL, pass_reference = NULL, pass_rows = 0
            WHERE j.job_id = call.job_id;
        END IF;
        run.phase := 'end';
    END IF;
END
$$;

-- One step of a run: what one transaction does.
CREATE FUNCTION crisp_sync_step(copy crisp_sync_copy, call crisp_sync_call, INOUT run crisp_sync_progress)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM @extschema@.crisp_sync_settings(copy, call, run);
    run := CASE run.phase
        WHEN 'changes' THEN @extschema@.crisp_sync_changes(copy, call, run)
        WHEN 'history' THEN @extschema@.crisp_sync_history(copy, call, run)
        ELSE @extschema@.crisp_sync_closing(copy, call, run) END;
    -- It may have made requests after it had written.
    PERFORM @extschema@.crisp_sync_check_kept(copy, @extschema@.crisp_sync_lost(
        copy.target, copy.keys, @extschema@.crisp_sync_witnesses(copy)));
END
$$;

-- Whether the next step may make a request.  What needs none goes on when there is none left, or else a run that
-- takes all that it has each time would never come to its end.
CREATE FUNCTION crisp_sync_asks(copy crisp_sync_copy, call crisp_sync_call, run crisp_sync_progress)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT CASE run.phase
    WHEN 'history' THEN EXISTS (SELECT FROM @extschema@.crisp_sync_job j
                                WHERE j.job_id = call.job_id AND @extschema@.crisp_sync_gaps(j) && run.range)
    WHEN 'closing' THEN EXISTS (
        SELECT FROM @extschema@.crisp_sync_job j
        WHERE j.job_id = call.job_id AND @extschema@.crisp_sync_may_miss(copy, j)
          AND @extschema@.crisp_sync_unseen_keys(copy, j, 1) <> '{}')
    ELSE true END
$$;

-- What the server of a foreign table allows a day; no row where it's any number.
CREATE FUNCTION crisp_sync_daily(relation regclass, OUT server name, OUT requests bigint)
RETURNS SETOF record
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT s.srvname, o.option_value::bigint
FROM pg_foreign_table t JOIN pg_foreign_server s ON s.oid = t.ftserver, pg_options_to_table(s.srvoptions) o
WHERE t.ftrelid = relation AND o.option_name = 'daily_requests'
$$;

-- What has limited a run that has not come to its end, of a sync or a push: what its server allows a day, or a setting
-- of the session; NULL where it's max_requests.  Settings are the session's own again by then.
CREATE FUNCTION crisp_sync_limit(
    relation regclass, first_request bigint, last_request bigint, OUT is_day boolean, OUT detail text, OUT hint text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    daily record;
    left_today bigint;
BEGIN
    BEGIN
        left_today := @extschema@.crisp_sync_quota_left(relation);
    EXCEPTION WHEN OTHERS THEN
        -- The server or the mapping is gone, which the next run tells.
        left_today := NULL;
    END;
    is_day := coalesce(left_today <= greatest(last_request - @extschema@.crisp_sync_requests(), 0), left_today = 0,
                       false);
    IF is_day THEN
        SELECT * INTO daily FROM @extschema@.crisp_sync_daily(relation);
        detail := format(CASE WHEN left_today > 0
                              THEN 'Of the %s requests of the day, %s left: what comes next takes more'
                              WHEN daily.requests = 1 THEN 'The %s request of the day is spent'
                              ELSE 'The %s requests of the day are spent' END, daily.requests,
                         CASE left_today WHEN 1 THEN '1 is' ELSE left_today || ' are' END)
                  || format(', server "%s".', daily.server);
        hint := 'The next day begins at midnight, UTC. crisp_fdw_quota shows what was spent; the limit is option '
                'daily_requests of the server.';
    ELSIF last_request = nullif(current_setting('crisp_fdw.max_requests')::bigint, 0) THEN
        detail := format('The setting crisp_fdw.max_requests allows %s.',
                         CASE last_request - first_request WHEN 1 THEN '1 request'
                             ELSE greatest(last_request - first_request, 0) || ' requests' END);
        hint := 'Raise the setting crisp_fdw.max_requests.';
    END IF;
END
$$;

-- Whether a run has met the end of a day of which it had less than a half: what was too much for it need not be
-- too much for the next day.
CREATE FUNCTION crisp_sync_awaits_day(copy crisp_sync_copy, call crisp_sync_call)
RETURNS boolean
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT coalesce((
    SELECT l.is_day AND call.last_request - call.first_request < d.requests / 2
    FROM @extschema@.crisp_sync_limit(copy.source, call.first_request, call.last_request) l,
        @extschema@.crisp_sync_daily(copy.source) d), false)
$$;

-- Tell how many rows were left out since that was told last, for want of a key.  Of a list that each run reads as a
-- whole, they are the same as before, unless there are more.
CREATE FUNCTION crisp_sync_tell_keyless(copy crisp_sync_copy, call crisp_sync_call)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job @extschema@.crisp_sync_job;
BEGIN
    SELECT * INTO job FROM @extschema@.crisp_sync_my_job j WHERE j.job_id = call.job_id;
    IF job.keyless > (CASE WHEN copy.dates_field IS NULL THEN job.told_keyless ELSE 0 END) THEN
        RAISE WARNING '% of "%" % its key, and % left out',
            CASE job.keyless WHEN 1 THEN '1 row' ELSE job.keyless || ' rows' END,
            copy.source_name,
            CASE job.keyless WHEN 1 THEN 'lacks' ELSE 'lack' END,
            CASE job.keyless WHEN 1 THEN 'was' ELSE 'were' END;
    END IF;
    UPDATE @extschema@.crisp_sync_my_job j SET keyless = 0, told_keyless = greatest(j.told_keyless, j.keyless)
    WHERE j.job_id = call.job_id AND j.keyless > 0;
END
$$;

-- Judge why a step has failed: whether the run goes on in another way, ends for now, or has failed.
CREATE FUNCTION crisp_sync_after_failure(
    copy crisp_sync_copy, call crisp_sync_call, INOUT run crisp_sync_progress, failure crisp_sync_failure)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF failure.code = 'CS002' THEN
        -- More than the run may ask for.
        IF @extschema@.crisp_sync_awaits_day(copy, call) THEN
            NULL; -- it's the same again tomorrow
        ELSIF run.phase = 'changes' AND copy.dates_field IS NOT NULL AND run.has_budget THEN
            -- One statement is too much for a call, so windows have to do.
            run := @extschema@.crisp_sync_read_all(copy, call, run);
        ELSIF run.phase = 'history' AND (NOT run.by_date OR copy.argument IS NOT NULL) THEN
            -- Some rows of the parent take many requests each, or the order had to be proved first: the next window
            -- is to be smaller.
            run.window_rows := CASE
                WHEN copy.argument IS NULL THEN
                    greatest(copy.per_page - 2, coalesce(run.window_rows, (copy.per_page - 2) * 5) / 2)
                ELSE
                    greatest(1, coalesce(run.window_rows,
                                         least(copy.per_page, (call.last_request - call.first_request - run.probes - 1)
                                                              * 2 / 3)) / 2) END;
            run.adapted := run.adapted OR run.first_window_rows IS NULL OR run.window_rows < run.first_window_rows;
            UPDATE @extschema@.crisp_sync_my_job j SET window_rows = run.window_rows WHERE j.job_id = call.job_id;
        END IF;
        run.phase := 'exhausted';
    ELSIF failure.code = 'CS003' AND NOT run.by_date THEN
        RAISE NOTICE 'Crisp does not give "%" in the order that it is asked for', copy.list_name
            USING DETAIL = 'It is read by spans of time instead, which takes more requests.',
                HINT = 'What was read in that order before is read again.';
        run.by_date := true;
        run.adapted := true;
        UPDATE @extschema@.crisp_sync_my_job j
        SET by_date = true, covered = '{}'
        WHERE j.job_id = call.job_id;
    ELSE
        -- Nothing is kept of a job that is out of reach by now.
        INSERT INTO @extschema@.crisp_sync_my_error (run_id, sqlstate, message, detail, hint, context)
        SELECT l.run_id, failure.code, failure.message, nullif(failure.detail, ''), nullif(failure.hint, ''),
            failure.context
        FROM @extschema@.crisp_sync_my_log l WHERE l.run_id = call.run_id;
        PERFORM @extschema@.crisp_sync_tell_keyless(copy, call);
        PERFORM @extschema@.crisp_sync_note_run(call, 'failed');
        run.phase := 'failed';
    END IF;
END
$$;

-- Tell the session how far the run is, now and then.
CREATE FUNCTION crisp_sync_tell(copy crisp_sync_copy, call crisp_sync_call, run crisp_sync_progress)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    reached timestamptz;
    windows CONSTANT bigint := @extschema@.crisp_sync_windows(call);
BEGIN
    IF run.phase = 'history' AND windows > 0 AND (windows = 1 OR windows % 10 = 0) THEN
        SELECT upper(g.range) INTO reached
        FROM @extschema@.crisp_sync_job j, unnest(j.wanted - j.covered) g (range)
        WHERE j.job_id = call.job_id ORDER BY g.range DESC LIMIT 1;
        IF reached IS NOT NULL THEN
            RAISE NOTICE '"%": back to %; rows: %; requests: %', copy.source_name, reached,
                (SELECT l.rows_fetched FROM @extschema@.crisp_sync_my_log l WHERE l.run_id = call.run_id),
                @extschema@.crisp_sync_requests() - call.first_request;
        END IF;
    END IF;
END
$$;

-- Whether a run that has made its requests has come no further with what there was to do, so that the next one won't,
-- either.
CREATE FUNCTION crisp_sync_is_stalled(call crisp_sync_call, run crisp_sync_progress, job crisp_sync_job)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT run.in_vain IS TRUE OR (run.phase <> 'end' AND NOT run.adapted
   AND CASE WHEN run.found = '{}' THEN @extschema@.crisp_sync_windows(call) = 0
            OR (job.full_since IS NOT NULL AND call.reference IS NULL)
            ELSE run.found <@ @extschema@.crisp_sync_gaps(job) END)
$$;

-- End a run, and tell what it has done.
CREATE FUNCTION crisp_sync_finish(copy crisp_sync_copy, call crisp_sync_call, run crisp_sync_progress)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job @extschema@.crisp_sync_job;
    counts record;
    reason record;
    told text;
BEGIN
    PERFORM @extschema@.crisp_sync_note_run(call, CASE WHEN run.phase = 'end' THEN 'finished' ELSE 'partial' END);
    PERFORM @extschema@.crisp_sync_tell_keyless(copy, call);
    SELECT * INTO job FROM @extschema@.crisp_sync_my_job j WHERE j.job_id = call.job_id;
    SELECT * INTO reason FROM @extschema@.crisp_sync_limit(copy.source, call.first_request, call.last_request)
    WHERE run.phase <> 'end';
    IF @extschema@.crisp_sync_is_stalled(call, run, job) THEN
        UPDATE @extschema@.crisp_sync_my_job j SET stalled = true WHERE j.job_id = call.job_id;
        RAISE WARNING 'the sync of "%" into "%" gets no further %',
            copy.source_name,
            copy.target_name,
            CASE WHEN reason.is_day THEN 'today'
                 ELSE 'with a limit of ' || greatest(call.last_request - call.first_request, 0) END
            USING DETAIL = CASE WHEN reason.is_day THEN reason.detail ELSE 'What comes next takes more requests.' END,
                HINT = coalesce(reason.hint, 'Raise max_requests.');
        reason.detail := NULL;
    END IF;
    SELECT l.* INTO counts FROM @extschema@.crisp_sync_my_log l WHERE l.run_id = call.run_id;
    told := format('"%s": rows fetched: %s, new: %s, changed: %s, gone: %s; requests: %s%s',
        copy.source_name,
        counts.rows_fetched, counts.rows_inserted, counts.rows_updated, counts.rows_deleted,
        @extschema@.crisp_sync_requests() - call.first_request,
        CASE WHEN run.phase = 'end' THEN '' ELSE '; the rest next time' END);
    IF reason.detail IS NULL THEN
        RAISE NOTICE '%', told;
    ELSE
        RAISE NOTICE '%', told USING DETAIL = reason.detail, HINT = reason.hint;
    END IF;
END
$$;

-- Raise an error where a function of this name can't write.
CREATE FUNCTION crisp_sync_check_writable(name text)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean THEN
        PERFORM @extschema@.crisp_sync_throw(
            '25006', format('cannot execute %s %s', name,
                            CASE WHEN pg_is_in_recovery() THEN 'during recovery' ELSE 'in a read-only transaction' END),
            NULL, NULL, NULL);
    END IF;
END
$$;

-- How many requests a call may make, and what says so.  Before its first step, settings are the session's own.
CREATE FUNCTION crisp_sync_limit_call(copy crisp_sync_copy, INOUT call crisp_sync_call, max_requests integer)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    setting CONSTANT bigint := nullif(current_setting('crisp_fdw.max_requests')::bigint, 0);
    of_day CONSTANT bigint := call.first_request + @extschema@.crisp_sync_quota_left(copy.source);
BEGIN
    call.last_request := least(call.first_request + max_requests,
                               CASE WHEN max_requests IS NOT NULL THEN 2147483647 END, setting, of_day);
    call.limited_by := CASE call.last_request WHEN call.first_request + max_requests THEN 'max_requests'
                           WHEN setting THEN 'the setting crisp_fdw.max_requests'
                           WHEN of_day THEN 'the option daily_requests of the server'
                           ELSE 'max_requests' END;
END
$$;

-- OR REPLACE: an update from 1.0 keeps it, and who may call it.
CREATE OR REPLACE PROCEDURE crisp_sync(
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
    copy @extschema@.crisp_sync_copy;
    call @extschema@.crisp_sync_call;
    run @extschema@.crisp_sync_progress;
    target_table pg_catalog.regclass;
    target_name pg_catalog.text;
    schema_name pg_catalog.text := pg_catalog.current_schema();
    caller_path pg_catalog.text := pg_catalog.current_setting('search_path');
    source_name pg_catalog.text := source;
    has_lock pg_catalog.bool;
    opened pg_catalog.record;
    failure @extschema@.crisp_sync_failure;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM @extschema@.crisp_sync_check_writable('crisp_sync');
    IF source IS NULL OR target IS NULL THEN
        PERFORM @extschema@.crisp_sync_throw('22004', 'source and target must not be null', NULL, NULL, NULL);
    ELSIF NOT @extschema@.crisp_sync_may_commit() THEN
        PERFORM @extschema@.crisp_sync_throw(
            '25001', 'crisp_sync cannot run inside a transaction block',
            'It commits each part of its work together with what is known of it.',
            'CALL it by itself, outside of BEGIN and COMMIT and of functions.', NULL);
    END IF;
    call.started_at := date_trunc('milliseconds', clock_timestamp());
    PERFORM @extschema@.crisp_sync_context();   -- of a call that was cancelled
    -- DROP EXTENSION waits for this, in each transaction before it locks what we use.
    LOCK TABLE ONLY @extschema@.crisp_sync_job IN ACCESS SHARE MODE;
    BEGIN
        -- The target is found by the caller's search_path; everything else by ours.
        PERFORM set_config('search_path', caller_path, true);
        target_table := pg_catalog.to_regclass(target);
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        PERFORM @extschema@.crisp_sync_check_call(mode, condition, reference, max_requests, overlap, deleted,
                                                  daily_quota);
        copy := @extschema@.crisp_sync_plan(source, target, target_table, schema_name, caller_path, mode, sync_field,
                                            deleted, parent);
        has_lock := @extschema@.crisp_sync_lock(copy.source, copy.target);
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS failure.code = RETURNED_SQLSTATE, failure.message = MESSAGE_TEXT,
            failure.detail = PG_EXCEPTION_DETAIL, failure.hint = PG_EXCEPTION_HINT;
        failure.context := @extschema@.crisp_sync_context();
        failure := @extschema@.crisp_sync_true_failure('sync', source, source_name, target_table, target, failure);
    END;
    IF failure.code IS NOT NULL THEN
        target_name := @extschema@.crisp_sync_full_name(target_table, target, schema_name);
        PERFORM @extschema@.crisp_sync_note_failure(source, target_table, target_name, false, mode, call.started_at,
                                                    failure);
        COMMIT;
        PERFORM @extschema@.crisp_sync_throw(failure.code, failure.message, failure.detail, failure.hint,
                                             failure.context);
    ELSIF NOT has_lock THEN
        IF mode = 'full' THEN
            -- Who calls it once a week would not hear of it otherwise.
            RAISE WARNING 'the sync of "%" into "%" is running already, in process %', copy.source_name,
                copy.target_name, @extschema@.crisp_sync_pid(copy.source, copy.target)
                USING DETAIL = 'This full load is left out.', HINT = 'Call it again when that run has ended.';
        ELSE
            RAISE NOTICE 'the sync of "%" into "%" is running already, in process %', copy.source_name,
                copy.target_name, @extschema@.crisp_sync_pid(copy.source, copy.target);
        END IF;
        COMMIT;     -- of settings, too
        RETURN;
    END IF;
    call.mode := mode;
    call.condition := condition;
    call.reference := reference;
    call.overlap := overlap;
    call.first_request := @extschema@.crisp_sync_requests();
    BEGIN
        call := @extschema@.crisp_sync_limit_call(copy, call, max_requests);
        opened := @extschema@.crisp_sync_open(copy, call, deleted, daily_quota);
        call := opened.call;
        run := opened.run;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS failure.code = RETURNED_SQLSTATE, failure.message = MESSAGE_TEXT,
            failure.detail = PG_EXCEPTION_DETAIL, failure.hint = PG_EXCEPTION_HINT;
        failure.context := @extschema@.crisp_sync_context();
        failure := @extschema@.crisp_sync_true_failure('sync', copy.source, copy.source_name, copy.target,
                                                       copy.target_name, failure);
        target_name := @extschema@.crisp_sync_full_name(copy.target, target, schema_name);
        PERFORM @extschema@.crisp_sync_note_failure(copy.source, copy.target, target_name, true, mode, call.started_at,
                                                    failure);
    END;
    COMMIT;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    BEGIN
        LOCK TABLE ONLY @extschema@.crisp_sync_job IN ACCESS SHARE MODE;
    EXCEPTION WHEN undefined_table OR invalid_schema_name THEN
        RAISE EXCEPTION 'extension "crisp_fdw" was dropped while the sync ran'
            USING ERRCODE = 'undefined_object';
    END;
    IF failure.code IS NOT NULL THEN
        PERFORM @extschema@.crisp_sync_throw(failure.code, failure.message, failure.detail, failure.hint,
                                             failure.context);
    END IF;

    WHILE run.phase <> 'end' LOOP
        EXIT WHEN @extschema@.crisp_sync_requests_left(call) < 1 AND @extschema@.crisp_sync_asks(copy, call, run);
        failure := NULL;
        BEGIN
            run := @extschema@.crisp_sync_step(copy, call, run);
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS failure.code = RETURNED_SQLSTATE, failure.message = MESSAGE_TEXT,
                failure.detail = PG_EXCEPTION_DETAIL, failure.hint = PG_EXCEPTION_HINT;
            failure.context := @extschema@.crisp_sync_context();
            failure := @extschema@.crisp_sync_true_failure('sync', copy.source, copy.source_name, copy.target,
                                                           copy.target_name, failure);
        END;
        IF failure.code IS NOT NULL THEN
            run := @extschema@.crisp_sync_after_failure(copy, call, run, failure);
        END IF;
        COMMIT;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        BEGIN
            LOCK TABLE ONLY @extschema@.crisp_sync_job IN ACCESS SHARE MODE;
        EXCEPTION WHEN undefined_table OR invalid_schema_name THEN
            RAISE EXCEPTION 'extension "crisp_fdw" was dropped while the sync ran'
                USING ERRCODE = 'undefined_object';
        END;
        IF run.phase = 'failed' THEN
            PERFORM @extschema@.crisp_sync_throw(failure.code, failure.message, failure.detail, failure.hint,
                                                 failure.context);
        ELSIF failure.code IS NULL THEN
            PERFORM @extschema@.crisp_sync_tell(copy, call, run);
        END IF;
        EXIT WHEN run.phase = 'exhausted';
    END LOOP;
    PERFORM @extschema@.crisp_sync_finish(copy, call, run);
    COMMIT;
    PERFORM @extschema@.crisp_sync_unlock(copy.source, copy.target);
END
$$;

COMMENT ON PROCEDURE crisp_sync(regclass, text, text, text, text, timestamptz, integer, interval, text, regclass,
                                integer) IS
'copy what is new from a foreign table of Crisp''s into a local one';

-- Forget what a job has fetched, or the job itself.
CREATE FUNCTION crisp_sync_forget(source regclass, target regclass, whole boolean)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_known boolean := false;
BEGIN
    PERFORM @extschema@.crisp_sync_check_writable(CASE WHEN whole THEN 'crisp_sync_drop' ELSE 'crisp_sync_reset' END);
    IF NOT @extschema@.crisp_sync_lock_briefly(source, target) THEN
        PERFORM @extschema@.crisp_sync_throw(
            '55006', format('the sync of "%s" into "%s" is running, in process %s', @extschema@.crisp_sync_name(source),
                            @extschema@.crisp_sync_name(target), @extschema@.crisp_sync_pid(source, target)),
            NULL, NULL, NULL);
    END IF;
    IF whole THEN
        is_known := @extschema@.crisp_sync_forget_failed_calls(source, target);
        DELETE FROM @extschema@.crisp_sync_my_job j
        WHERE j.source = crisp_sync_forget.source AND j.target = crisp_sync_forget.target;
    ELSE
        PERFORM @extschema@.crisp_sync_forget_state(j.job_id) FROM @extschema@.crisp_sync_my_job j
        WHERE j.source = crisp_sync_forget.source AND j.target = crisp_sync_forget.target;
    END IF;
    IF NOT FOUND AND NOT is_known THEN
        PERFORM @extschema@.crisp_sync_throw(
            '42704', format('there is no sync of "%s" into "%s"', @extschema@.crisp_sync_name(source),
                            @extschema@.crisp_sync_name(target)), NULL, NULL, NULL);
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION crisp_sync_reset(source regclass, target regclass)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
SELECT @extschema@.crisp_sync_forget(source, target, false)
$$;

CREATE OR REPLACE FUNCTION crisp_sync_drop(source regclass, target regclass)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
SELECT @extschema@.crisp_sync_forget(source, target, true)
$$;

-- Forget whose rows are in a target, but those of sources that still feed it.
CREATE FUNCTION crisp_sync_forget_origins(target regclass)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM @extschema@.crisp_sync_check_writable('crisp_sync_forget_origins');
    IF NOT @extschema@.crisp_sync_may_write(target) THEN
        PERFORM @extschema@.crisp_sync_throw(
            '42501', format('permission denied to sync into "%s"', @extschema@.crisp_sync_name(target)),
            NULL, NULL, NULL);
    END IF;
    DELETE FROM @extschema@.crisp_sync_orphan;
    DELETE FROM @extschema@.crisp_sync_my_origin o
    WHERE o.target = crisp_sync_forget_origins.target
      AND NOT EXISTS (SELECT FROM @extschema@.crisp_sync_job j
                      WHERE j.target = crisp_sync_forget_origins.target
                        AND @extschema@.crisp_sync_origin_of(j.source) = o.origin);
END
$$;

-- Forget calls that failed before they had a job: of one target, whether it exists or not, or of all.
CREATE FUNCTION crisp_sync_forget_failed(target_name text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    forgotten bigint;
BEGIN
    PERFORM @extschema@.crisp_sync_check_writable('crisp_sync_forget_failed');
    DELETE FROM @extschema@.crisp_sync_my_failed_call f
    WHERE crisp_sync_forget_failed.target_name IS NULL OR f.target_name = crisp_sync_forget_failed.target_name;
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END
$$;

COMMENT ON FUNCTION crisp_sync_reset(regclass, regclass) IS
    'let the next run of a sync fetch all again; the copy stays';
COMMENT ON FUNCTION crisp_sync_drop(regclass, regclass) IS 'forget a sync; the copy stays';
COMMENT ON FUNCTION crisp_sync_forget_failed(text) IS
    'forget calls of crisp_sync() that failed before they had a job, as crisp_sync_status names their targets';
COMMENT ON FUNCTION crisp_sync_forget_origins(regclass) IS
    'let a full load delete rows of sources that no longer feed a target';
