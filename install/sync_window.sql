--
-- crisp_sync: windows
--

-- What a statement has brought.
CREATE TYPE crisp_sync_batch AS (
    listed bigint,              -- rows of the list
    fetched bigint,             -- rows of the source that are to be kept
    inserted bigint,
    updated bigint,
    deleted bigint,
    oldest timestamptz,         -- of dates_field
    newest timestamptz,
    median timestamptz,
    newest_change timestamptz,  -- of sync_field
    first_date timestamptz,     -- of the row that came first: all others were read then or later
    page_change timestamptz,    -- newest of sync_field, of rows that came with the first, where no row is left out
    in_order boolean,           -- of dates_field, newest first
    keyless timestamptz[],      -- rows without a key, which can't be kept, by their dates_field; NULL: none
    versions text[],            -- sync_field and key of each row of the list, which tell one version of it from another
    sample jsonb,               -- keys of some rows that were stored
    covered tstzmultirange,     -- parts that were asked for of which all rows have come; NULL: the list has no order
    witnesses jsonb,            -- keys of rows stored before that are still there; NULL: none, or not looked for
    lost boolean                -- most of them have gone meanwhile
);

-- What a list above the source has shown.
CREATE TYPE crisp_sync_listing AS (
    keys text[],
    parents text[],             -- of these, those whose rows are to be kept
    batch crisp_sync_batch
);

CREATE FUNCTION crisp_sync_exchange(
    source oid, target oid, query text, summary text, lower timestamptz, upper timestamptz, parents text[],
    columns text[], keys text[], argument text, guard text, is_full boolean, mark boolean, kept text,
    parts timestamptz[], pages bigint, pages_before bigint, witnesses jsonb)
RETURNS crisp_sync_batch
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE;

-- How many requests the run has left; NULL for any number.
CREATE FUNCTION crisp_sync_requests_left(call crisp_sync_call)
RETURNS bigint
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT call.last_request - @extschema@.crisp_sync_requests()
$$;

-- Keys of rows that a job has stored, which tell whether its copy is still there.
CREATE FUNCTION crisp_sync_witnesses(copy crisp_sync_copy)
RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT j.witnesses FROM @extschema@.crisp_sync_my_job j WHERE j.source = copy.source AND j.target = copy.target
$$;

-- Raise an error where a copy was emptied while rows were fetched for it: those before them would be missing for good.
CREATE FUNCTION crisp_sync_check_kept(copy crisp_sync_copy, is_lost boolean)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF is_lost THEN
        RAISE EXCEPTION 'table "%" was emptied while it was filled', copy.target_name
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'The next run fetches all again.';
    END IF;
END
$$;

-- The settings of a transaction of the run.  Windows that go by an order must not lose a row to a deletion.  What
-- is repeated until nothing new comes, or fits a page, can do without that.  A list without dates comes whole, and an
-- answer that has no row would delete all: that it has none is made sure of.
CREATE FUNCTION crisp_sync_settings(copy crisp_sync_copy, call crisp_sync_call, run crisp_sync_progress)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM set_config('crisp_fdw.max_requests', coalesce(call.last_request, 0)::text, true);
    PERFORM set_config('crisp_fdw.scan_mode',
                       CASE WHEN copy.dates_field IS NOT NULL AND (run.by_date OR run.phase = 'changes') THEN 'fast'
                            ELSE 'exact' END, true);
    -- What a timestamp or a text holds of a time must not depend on who calls.
    PERFORM set_config('TimeZone', 'UTC', true);
    PERFORM set_config('DateStyle', 'ISO', true);
    -- A long list costs the planner so much that each window would be compiled, which takes longer than to run it.
    PERFORM set_config('jit', 'off', true);
END
$$;

-- Fetch rows of the source, and store them.  Parameters: bounds $1 and $2, rows of the parent $4.  What those
-- parents had before, and no longer have, is dropped.  With parts (lower and upper ends of ranges of dates_field, the
-- newest first), rows of these are read, so many pages, several at a time; pages_before have been read before.
CREATE FUNCTION crisp_sync_store(
    copy crisp_sync_copy, run crisp_sync_progress, condition text, row_limit bigint, lower timestamptz,
    upper timestamptz, parents text[], full_since timestamptz, deleted text,
    parts timestamptz[] DEFAULT NULL, pages bigint DEFAULT NULL, pages_before bigint DEFAULT NULL)
RETURNS crisp_sync_batch
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    batch @extschema@.crisp_sync_batch;
    copied text[] := array_remove(copy.columns, '_synced_at');
    -- The source's own times; those of a parent have been looked at before.
    dates text := CASE WHEN copy.argument IS NULL
                       THEN @extschema@.crisp_sync_time(copy.source, copy.dates_field, 'f.') END;
    changes text := CASE WHEN copy.argument IS NULL
                         THEN @extschema@.crisp_sync_time(copy.source, copy.sync_field, 'f.') END;
    -- Of rows below a parent, several may have the same key, or none.  A row without one that comes with two pages
    -- can't be recognized by it.
    present text := (SELECT string_agg(format('f.%I IS NOT NULL', k.name), ' AND ')
                     FROM unnest(CASE WHEN copy.keys_repeat THEN ARRAY[copy.argument] ELSE copy.keys END) k (name));
    kept text := CASE WHEN copy.argument IS NULL THEN format(run.kept, changes) END;
    fetched text := @extschema@.crisp_sync_list(ARRAY(
        SELECT c.name FROM unnest(copied || copy.keys || CASE WHEN dates IS NOT NULL THEN ARRAY[copy.dates_field] END
                                  || CASE WHEN changes IS NOT NULL THEN ARRAY[copy.sync_field] END)
                    WITH ORDINALITY c (name, number)
        GROUP BY c.name ORDER BY min(c.number)), 's.');
    witness text := (SELECT format('jsonb_build_object(%s)', string_agg(format('%L, f.%I', k.name, k.name), ', '))
                     FROM unnest(copy.keys) k (name));
    -- Below parents, of as many of these as there are: one that somebody deletes is not all of the copy.
    spread text := CASE WHEN copy.argument IS NULL THEN ''
                        ELSE format('ORDER BY row_number() OVER (PARTITION BY f.%I)', copy.argument) END;
BEGIN
    batch := @extschema@.crisp_sync_exchange(copy.source, copy.target,
        format('SELECT %s FROM %s s WHERE %s LIMIT %s', fetched, copy.source, condition,
               coalesce(row_limit::text, 'ALL')),
        format($sql$
            SELECT ROW(count(*), count(*) FILTER (WHERE x.kept), 0, 0, 0, min(x.date), max(x.date),
                       percentile_disc(0.5) WITHIN GROUP (ORDER BY x.date), max(x.change),
                       max(x.date) FILTER (WHERE x.number = 1), max(x.change) FILTER (WHERE x.number <= 20),
                       coalesce(bool_and(x.date <= x.previous), true),
                       (SELECT array_agg(k.date)
                        FROM (SELECT DISTINCT ROW(f.*)::text AS image, %1$s AS date FROM fetched f
                              WHERE NOT (%3$s)) k),
                       array_agg(concat(extract(epoch FROM x.change), '|', md5(x.key))),
                       (SELECT jsonb_agg(w.witness)
                        FROM (SELECT %6$s AS witness FROM fetched f WHERE %3$s AND %4$s %7$s LIMIT 20) w),
                       NULL, NULL, NULL)::@extschema@.crisp_sync_batch
            FROM (SELECT l.*, lag(l.date) OVER () AS previous, row_number() OVER () AS number
                  FROM (SELECT %1$s AS date, %2$s AS change, %4$s AS kept, ROW(%5$s)::text AS key
                        FROM fetched f) l) x
            $sql$, coalesce(dates, 'NULL::timestamptz'), coalesce(changes, 'NULL::timestamptz'), present,
            coalesce('(' || kept || ')', 'true'),
            @extschema@.crisp_sync_list(copy.keys, 'f.'), witness, spread),
        lower, upper, parents, copied, copy.keys, copy.argument, copy.guard, full_since IS NOT NULL, deleted = 'mark',
        kept, parts, pages, pages_before, @extschema@.crisp_sync_witnesses(copy));
    PERFORM @extschema@.crisp_sync_check_kept(copy, batch.lost);
    RETURN batch;
END
$$;

-- Fetch what lies below rows of the parent, and drop what is no longer there.  Where there are more rows than the
-- limit, the newest of these that aren't taken tells how far the others reach: nothing below them need be fetched
-- again.  In the batch, oldest is its date then, and otherwise NULL.  The request brings a page, whatever the limit is:
-- that the rows of all of it are in order tells whether what didn't come is older.
CREATE FUNCTION crisp_sync_store_children(
    copy crisp_sync_copy, call crisp_sync_call, run crisp_sync_progress, condition text, row_limit bigint,
    lower timestamptz, upper timestamptz, full_since timestamptz, deleted text,
    OUT batch crisp_sync_batch)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    listing @extschema@.crisp_sync_listing;
    parents text[];             -- those whose rows are to be kept
    below @extschema@.crisp_sync_batch;
    list_pages bigint;
    seen CONSTANT bigint := CASE WHEN row_limit IS NOT NULL THEN greatest(row_limit + 1, copy.per_page - 2) END;
    first_page CONSTANT bigint := @extschema@.crisp_sync_pages();
BEGIN
    listing := @extschema@.crisp_sync_quietly(NULL::@extschema@.crisp_sync_listing, format($sql$
        SELECT ROW(
               array_agg(x.key ORDER BY x.date DESC NULLS LAST),
               array_agg(x.key ORDER BY x.date DESC NULLS LAST) FILTER (WHERE %7$s),
               ROW(count(*), NULL, NULL, NULL, NULL,
                   coalesce((array_agg(x.date ORDER BY x.date DESC NULLS LAST))[%8$s], min(x.date)), max(x.date),
                   percentile_disc(0.5) WITHIN GROUP (ORDER BY x.date), max(x.change),
                   max(x.date) FILTER (WHERE x.number = 1),
                   max(x.change) FILTER (WHERE x.number <= 20),
                   coalesce(bool_and(x.date <= x.previous), true) OR count(*) < %6$s, NULL,
                   array_agg(concat(extract(epoch FROM x.change), '|', md5(x.key))), NULL, NULL, NULL, NULL)
               )::@extschema@.crisp_sync_listing
        FROM (SELECT l.*, lag(l.date) OVER () AS previous, row_number() OVER () AS number
              FROM (SELECT s.%1$I::text AS key, %2$s AS date, %3$s AS change FROM %4$s s WHERE %5$s LIMIT %6$s) l) x
        $sql$,
        copy.list_key, coalesce(@extschema@.crisp_sync_time(copy.list, copy.dates_field, 's.'), 'NULL::timestamptz'),
        coalesce(@extschema@.crisp_sync_time(copy.list, copy.sync_field, 's.'), 'NULL::timestamptz'),
        copy.list, condition, coalesce(seen::text, 'NULL'), coalesce(format(run.kept, 'x.change'), 'true'),
        coalesce((row_limit + 1)::text, 'NULL')),
        ROW(lower, upper));
    batch := listing.batch;
    parents := listing.parents;

    list_pages := @extschema@.crisp_sync_pages() - first_page;
    PERFORM @extschema@.crisp_sync_settings(copy, call, run);
    IF run.by_date AND run.phase = 'history' AND row_limit IS NOT NULL
       AND (batch.listed > row_limit OR list_pages > 1) THEN
        -- More than one window can be of: before anything below them is asked for.
        batch.listed := row_limit + 1;
        parents := NULL;
    ELSIF batch.listed > row_limit AND NOT run.by_date AND NOT batch.in_order THEN
        RAISE EXCEPTION 'cannot read "%" exactly', copy.list_name USING ERRCODE = 'CS003';
    ELSIF batch.listed > row_limit THEN
        parents := ARRAY(SELECT p.key FROM unnest(parents) p (key) WHERE p.key = ANY (listing.keys[1:row_limit]));
        batch.listed := row_limit;
    ELSE
        batch.oldest := NULL;
    END IF;
    IF cardinality(parents) > 0 THEN
        below := @extschema@.crisp_sync_store(copy, run, format('s.%I = ANY ($4)', copy.argument), NULL, lower, upper,
                                              parents, full_since, deleted);
    END IF;
    batch.fetched := below.fetched;
    batch.inserted := below.inserted;
    batch.updated := below.updated;
    batch.deleted := below.deleted;
    batch.keyless := below.keyless;
    batch.sample := below.sample;
    batch.witnesses := below.witnesses;
END
$$;

-- Fetch what satisfies a condition, of the source or, where that lies below another table, of what changed there.
CREATE FUNCTION crisp_sync_fetch(
    copy crisp_sync_copy, call crisp_sync_call, run crisp_sync_progress, condition text, row_limit bigint,
    lower timestamptz, upper timestamptz, job crisp_sync_job)
RETURNS crisp_sync_batch
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF copy.argument IS NULL THEN
        RETURN @extschema@.crisp_sync_store(copy, run, condition, row_limit, lower, upper, NULL, job.full_since,
                                            job.deleted);
    END IF;
    RETURN @extschema@.crisp_sync_store_children(copy, call, run, condition, row_limit, lower, upper, job.full_since,
                                                 job.deleted);
END
$$;

-- Rows of the list that a window asks for: those of some full pages of the source, each of which may repeat a
-- row or two of the one before, and at whose end there may be a recheck; or up to a page of the parent, each row
-- of which takes a request, and some take more.  What the estimate will take is left over.
CREATE FUNCTION crisp_sync_window_rows(copy crisp_sync_copy, call crisp_sync_call, run crisp_sync_progress)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    remaining bigint := coalesce(@extschema@.crisp_sync_requests_left(call) - run.probes, 1000000);
BEGIN
    IF copy.argument IS NOT NULL THEN
        RETURN greatest(1, least(copy.per_page - 1, (remaining - 1) * 2 / 3, run.window_rows));
    END IF;
    RETURN least((copy.per_page - 2) * greatest(1, least(5, remaining - 1)), run.window_rows);
END
$$;

-- The newest part of a range, read in the order of its dates.  What is covered then ends at the oldest date that was
-- seen, and without that moment: rows of it may be missing.
CREATE FUNCTION crisp_sync_window_in_order(
    copy crisp_sync_copy, call crisp_sync_call, run crisp_sync_progress, job crisp_sync_job, range tstzrange,
    OUT batch crisp_sync_batch, OUT done tstzrange)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    condition text := @extschema@.crisp_sync_within(copy.list, copy.dates_field, range);
    row_limit bigint := @extschema@.crisp_sync_window_rows(copy, call, run);
BEGIN
    LOOP
        batch := @extschema@.crisp_sync_fetch(copy, call, run, condition, row_limit, lower(range), upper(range), job);
        -- All of the range, in whatever order: a recheck brings newer rows after older ones.
        IF batch.listed < row_limit OR batch.oldest IS NULL THEN
            done := range;
            RETURN;
        END IF;
        IF NOT batch.in_order THEN
            RAISE EXCEPTION 'cannot read "%" exactly', copy.list_name USING ERRCODE = 'CS003';
        END IF;
        done := range * tstzrange(batch.oldest, NULL, '()');
        EXIT WHEN NOT isempty(done);
        -- All that came is of one moment: there must be more to get past it.
        row_limit := row_limit * 4;
    END LOOP;
END
$$;

-- How many pages a window may ask for that reads several gaps at a time, or several parts of one; NULL where it can't
-- be such a one.  Each part ends with a page that isn't full, so they had better be long, and go on with the next
-- window.
--
-- What is newer than the watermark comes from one request after the other: up to where that is covered tells the
-- first of them.  Nor can a column tell where a part ends if it rounds its times.
CREATE FUNCTION crisp_sync_window_pages(
    copy crisp_sync_copy, call crisp_sync_call, run crisp_sync_progress, job crisp_sync_job, gaps tstzmultirange)
RETURNS bigint
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT p.pages
FROM (SELECT least(copy.prefetch * 12, @extschema@.crisp_sync_requests_left(call) - run.probes - 1,
                   run.window_rows / (copy.per_page - 2)) AS pages) p
WHERE copy.prefetch > 1 AND p.pages >= copy.prefetch * 4 AND copy.argument IS NULL AND NOT run.by_date
  AND job.watermark IS NOT NULL AND (copy.way = 'order' OR upper(gaps) <= job.watermark)
  AND (SELECT k.step FROM @extschema@.crisp_sync_kind(copy.list, copy.dates_field) k) < interval '1 second'
$$;

-- The newest parts of gaps, read from all of them at a time.
CREATE FUNCTION crisp_sync_window_of_gaps(
    copy crisp_sync_copy, run crisp_sync_progress, job crisp_sync_job, gaps tstzmultirange, pages bigint,
    OUT batch crisp_sync_batch, OUT done tstzmultirange)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    range CONSTANT tstzrange := range_merge(gaps);
    parts CONSTANT timestamptz[] := (
        SELECT array_agg(e.bound ORDER BY g.range DESC, e.number)
        FROM unnest(gaps) g (range),
             unnest(ARRAY[coalesce(lower(g.range), '-infinity'), coalesce(upper(g.range), 'infinity')])
                 WITH ORDINALITY e (bound, number));
BEGIN
    LOOP
        batch := @extschema@.crisp_sync_store(copy, run,
                                              @extschema@.crisp_sync_within(copy.list, copy.dates_field, range), NULL,
                                              lower(range), upper(range), NULL, job.full_since, job.deleted, parts,
                                              pages, job.pass_rows / copy.per_page);
        IF batch.covered IS NULL THEN
            RAISE EXCEPTION 'cannot read "%" exactly', copy.list_name USING ERRCODE = 'CS003';
        END IF;
        done := batch.covered * gaps;
        EXIT WHEN done <> '{}';
        -- All that came is of a few moments: there must be more to get past them.
        pages := pages * 4;
    END LOOP;
END
$$;

-- Whether Crisp gives a list of several pages without regard to the dates that it is asked for: of a day that no row is
-- of, there's more than a page then.  NULL where no request is left to ask.
CREATE FUNCTION crisp_sync_ignores_dates(copy crisp_sync_copy, call crisp_sync_call)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    nowhen CONSTANT tstzrange := '[1990-01-01 00:00:00+00,1990-01-02 00:00:00+00)';
BEGIN
    IF @extschema@.crisp_sync_requests_left(call) < 1 THEN
        RETURN NULL;
    END IF;
    PERFORM set_config('crisp_fdw.max_requests', (@extschema@.crisp_sync_requests() + 1)::text, true);
    PERFORM @extschema@.crisp_sync_quietly(
        false, format('SELECT false FROM %s s WHERE %s', copy.list,
                      @extschema@.crisp_sync_within(copy.list, copy.dates_field, nowhen)),
        ROW(lower(nowhen), upper(nowhen)));
    RETURN false;
EXCEPTION WHEN SQLSTATE 'CS002' THEN
    RETURN true;
END
$$;

-- Where to part a range of dates of which there are more rows than one request brings: at the median of those that
-- came, so that each part has fewer; or around the newest of them, where half of them have one date; or in the middle
-- of the time, where none came, or medians don't lead on.  What is returned lies within the range, which is to be
-- longer than shortest.
CREATE FUNCTION crisp_sync_cut(
    call crisp_sync_call, run crisp_sync_progress, range tstzrange, batch crisp_sync_batch, shortest interval)
RETURNS timestamptz[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT coalesce(array_agg(c.moment) FILTER (WHERE c.moment IS NOT NULL), ARRAY[m.middle])
FROM (SELECT e.oldest + (e.newest - e.oldest) / 2 AS middle
      FROM (SELECT coalesce(lower(range), least('2000-01-01', upper(range) - interval '10 years')) AS oldest,
                   coalesce(upper(range), greatest(call.started_at, lower(range) + interval '1 day')) AS newest) e) m
LEFT JOIN LATERAL unnest(ARRAY[
    CASE WHEN batch.median < batch.newest THEN batch.median ELSE batch.newest END,
    CASE WHEN batch.median = batch.newest THEN batch.newest - shortest END,
    CASE WHEN run.cuts > 8 THEN m.middle END]) c (moment) ON tstzrange(lower(range), upper(range), '()') @> c.moment
GROUP BY m.middle
$$;

-- Where the window after one that has fit may end: with as many rows as fill most of a page, if they lie as close
-- together as these.  NULL where another cut or the end of the range comes before that; a cut tells more than a few
-- rows do.  In seconds, since an interval may be longer than a timestamp can go back.
CREATE FUNCTION crisp_sync_next_cut(
    call crisp_sync_call, range tstzrange, done tstzrange, batch crisp_sync_batch, cuts timestamptz[], fits bigint)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    cut CONSTANT timestamptz := (SELECT max(c.moment) FROM unnest(cuts) c (moment) WHERE c.moment < lower(done));
    earliest CONSTANT timestamptz := greatest('2000-01-01', lower(range), cut);
    oldest CONSTANT numeric := extract(epoch FROM lower(done));
    newest CONSTANT numeric := extract(epoch FROM coalesce(upper(done), batch.newest, call.started_at));
    factor CONSTANT numeric := least(CASE WHEN batch.listed = 0 THEN 1000 ELSE 8 END,
                                     fits * 0.7 / greatest(batch.listed, 0.01));
    next numeric := oldest - greatest(newest - oldest, 0.001) * factor;
BEGIN
    IF batch.listed = 0 THEN
        -- What would be later than now isn't there, as a rule.
        next := least(next, extract(epoch FROM call.started_at));
    END IF;
    IF (cut IS NULL OR batch.listed * 5 >= fits) AND next > extract(epoch FROM earliest) AND next < oldest THEN
        RETURN to_timestamp(next);
    END IF;
    RETURN NULL;
END
$$;

-- Fetch a part of a list that comes in no order, or, unless it's to be whole, one row more than fits; from how many
-- pages that came.  Where the first answer has no row, it takes a second one to be believed, or that the part is later
-- than what was seen: each run reads that again, until it has a row.
CREATE FUNCTION crisp_sync_fetch_part(
    copy crisp_sync_copy, call crisp_sync_call, run crisp_sync_progress, job crisp_sync_job, part tstzrange,
    is_whole boolean, fits bigint,
    OUT batch crisp_sync_batch, OUT pages bigint, OUT is_believed boolean)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    condition CONSTANT text := @extschema@.crisp_sync_within(copy.list, copy.dates_field, part);
    first_request CONSTANT bigint := @extschema@.crisp_sync_requests();
    first_page bigint;
    is_parent CONSTANT boolean := copy.argument IS NOT NULL;
    is_last boolean := coalesce(copy.way <> 'order' AND lower(part) >= lower(@extschema@.crisp_sync_look(job)), false);
BEGIN
    LOOP
        IF NOT is_whole THEN
            PERFORM set_config('crisp_fdw.max_requests',
                               least(call.last_request, @extschema@.crisp_sync_requests() + 2)::text, true);
        END IF;
        first_page := @extschema@.crisp_sync_pages();
        -- One row too many tells that there are more; of the parent, one more is asked for anyway.
        batch := @extschema@.crisp_sync_fetch(copy, call, run, condition,
                                              CASE WHEN is_whole THEN NULL WHEN is_parent THEN fits ELSE fits + 1 END,
                                              lower(part), upper(part), job);
        pages := CASE WHEN is_parent THEN 1 ELSE @extschema@.crisp_sync_pages() - first_page END;
        is_believed := is_last OR batch.listed > 0;
        EXIT WHEN is_believed OR @extschema@.crisp_sync_requests_left(call) < 1;
        is_last := true;
    END LOOP;
EXCEPTION WHEN SQLSTATE 'CS002' THEN
    -- What lies below rows of the parent is asked for with all that the run has left.
    IF is_whole OR @extschema@.crisp_sync_requests() = first_request
       OR (is_parent AND @extschema@.crisp_sync_requests_left(call) < 1) THEN
        RAISE;
    END IF;
    pages := 2;
    is_believed := true;
END
$$;

-- The newest part of a range, of a list that comes in no order: what fits one page, which nothing can slip off.
-- Where there is more, it is parted, and nothing is done with; what came is kept.
CREATE FUNCTION crisp_sync_window_by_date(
    copy crisp_sync_copy, call crisp_sync_call, INOUT run crisp_sync_progress, INOUT job crisp_sync_job,
    range tstzrange,
    OUT batch crisp_sync_batch, OUT done tstzrange)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- In less than that, a column shows rows of other moments, too.
    shortest CONSTANT interval := (SELECT k.step * 2 FROM @extschema@.crisp_sync_kind(copy.list, copy.dates_field) k);
    fits CONSTANT bigint := CASE WHEN copy.argument IS NOT NULL THEN @extschema@.crisp_sync_window_rows(copy, call, run)
                                 ELSE copy.per_page - 1 END;
    cuts CONSTANT timestamptz[] := ARRAY(
        SELECT c.moment FROM unnest(job.cuts) c (moment)
        WHERE isfinite(c.moment) AND tstzrange(lower(range), upper(range), '()') @> c.moment);
    cut CONSTANT timestamptz := (SELECT max(c.moment) FROM unnest(cuts) c (moment));
    is_whole boolean;
    fetched record;
    pages bigint;
BEGIN
    done := CASE WHEN cut IS NULL OR run.unbounded THEN range ELSE range * tstzrange(cut, NULL, '()') END;
    is_whole := run.unbounded IS TRUE OR coalesce(upper(done) - lower(done) <= shortest, false);
    fetched := @extschema@.crisp_sync_fetch_part(copy, call, run, job, done, is_whole, fits);
    batch := fetched.batch;
    pages := fetched.pages;
    PERFORM @extschema@.crisp_sync_settings(copy, call, run);
    IF pages > 1 AND NOT is_whole AND run.unbounded IS NULL THEN
        run.unbounded := @extschema@.crisp_sync_ignores_dates(copy, call);
        PERFORM @extschema@.crisp_sync_settings(copy, call, run);
    END IF;

    IF NOT fetched.is_believed AND (run.cuts > 0 OR NOT EXISTS (SELECT FROM unnest(run.found) f (gap)
                                                                WHERE f.gap = range)) THEN
        -- The next run comes to this part with more requests.  One that began with the same gap would not, and
        -- believes what it's told.
        done := 'empty';
        RETURN;
    ELSIF is_whole THEN
        RETURN;
    ELSIF pages > 1 OR batch.listed > fits THEN
        job.cuts := job.cuts || CASE WHEN run.unbounded IS NOT TRUE
                                     THEN @extschema@.crisp_sync_cut(call, run, done, batch, shortest) END;
        run.cuts := run.cuts + 1;
        run.adapted := true;
        done := 'empty';
        RETURN;
    END IF;
    run.cuts := 0;
    job.cuts := job.cuts || @extschema@.crisp_sync_next_cut(call, range, done, batch, cuts, fits);
END
$$;
