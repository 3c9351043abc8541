--
-- Update from 1.0: bring over what is known of jobs
--

SET LOCAL search_path = crisp_sync_internal, @extschema:own@;

INSERT INTO crisp_sync_job (
    job_id, source, target, resource, sync_field, dates_field, mode, overlap, full_since, deleted, by_date,
    window_rows, pages_found, pages_missing, expected_rows, rows_per_request, daily_quota, rows_fetched, rows_inserted,
    rows_updated, rows_deleted, requests, stalled, last_run_id, last_success)
SELECT job_id, source, target, resource, sync_field, dates_field, mode, overlap, full_since, deleted, by_date,
       window_rows, pages_found, pages_missing, expected_rows, rows_per_request, daily_quota, rows_fetched,
       rows_inserted, rows_updated, rows_deleted, requests, stalled, last_run_id, last_success
FROM @extschema:own@.crisp_sync_job_1_0;

INSERT INTO crisp_sync_log (
    run_id, job_id, mode, started_at, ended_at, outcome, requests, windows, rows_fetched, rows_inserted, rows_updated,
    rows_deleted, progress_at)
SELECT run_id, job_id, mode, started_at, ended_at, outcome, requests, windows, rows_fetched, rows_inserted,
       rows_updated, rows_deleted, progress_at
FROM @extschema:own@.crisp_sync_log_1_0;

INSERT INTO crisp_sync_error (run_id, sqlstate, message, detail, hint)
SELECT run_id, sqlstate, message, detail, hint FROM @extschema:own@.crisp_sync_error_1_0;

SELECT pg_catalog.setval('crisp_sync_job_seq', last_value, is_called) FROM @extschema:own@.crisp_sync_job_seq_1_0;
SELECT pg_catalog.setval('crisp_sync_run_seq', last_value, is_called) FROM @extschema:own@.crisp_sync_run_seq_1_0;

-- As crisp_sync_source(), for a role that need have no user mapping.
CREATE FUNCTION upgrade_source(
    source regclass,
    OUT resource text,
    OUT keys text[],
    OUT key_length integer,
    OUT asked text[],
    OUT dates text[],
    OUT dates_follow_changes boolean,
    OUT bounded text[],
    OUT ordered text[],
    OUT listed text[],
    OUT has_details boolean,
    OUT changed text[],
    OUT times text[],
    OUT time_paths text[],
    OUT has_times boolean,
    OUT parent text,
    OUT argument text[],
    OUT keys_repeat boolean,
    OUT per_page integer,
    OUT prefetch integer,
    OUT daily_quota integer)
RETURNS record
AS 'MODULE_PATHNAME', 'crisp_sync_source_unmapped'
LANGUAGE C STRICT STABLE;

-- What the update has to know of a job, as the catalog says it now.
CREATE TYPE upgrade_facts AS (
    keys text[],
    list regclass,              -- NULL where it can't be told, since a call has named it
    way text,                   -- as in crisp_sync_copy; NULL where it can't be told
    is_same boolean,            -- sync_field is what windows go by
    origin text[],
    scope text[]
);

CREATE FUNCTION upgrade_look_up(job crisp_sync_job)
RETURNS upgrade_facts
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    facts @extschema@.upgrade_facts;
    catalog record;
    field text;                 -- of the list: job.sync_field is its path
BEGIN
    catalog := @extschema@.upgrade_source(job.source);
    facts.keys := catalog.keys;
    facts.list := job.source;
    facts.origin := @extschema@.crisp_sync_origin_of(job.source);
    IF catalog.parent IS NOT NULL THEN
        facts.list := NULL;
        facts.list := @extschema@.crisp_sync_find_parent(job.source, catalog.parent, NULL);
        catalog := @extschema@.upgrade_source(facts.list);
    END IF;
    facts.scope := @extschema@.crisp_sync_scope_of(facts.list);
    field := coalesce(catalog.times[array_position(catalog.time_paths, job.sync_field)], job.sync_field);
    facts.is_same := field = job.dates_field AND job.dates_field = catalog.dates[1];
    facts.way := CASE WHEN field IS NULL OR job.dates_field IS DISTINCT FROM catalog.dates[1] THEN 'all'
                      WHEN field = ANY (catalog.bounded) THEN 'dates'
                      WHEN field = ANY (catalog.ordered) THEN 'order'
                      ELSE 'all' END;
    RETURN facts;
EXCEPTION WHEN OTHERS THEN
    -- A source that can't be read any more says so to who calls crisp_sync().
    RAISE DEBUG 'cannot tell of %: %', job.source, SQLERRM;
    RETURN facts;
END
$$;

-- Some rows of a target, for crisp_sync_lost().  Types that aren't PostgreSQL's would call functions of others.
CREATE FUNCTION upgrade_witnesses(target regclass, keys text[])
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    members text;
    witnesses jsonb;
BEGIN
    SELECT string_agg(format('%L, t.%I', a.attname, a.attname), ', ') INTO members
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r' AND c.relpersistence <> 't'
    WHERE a.attrelid = target AND a.attname = ANY (keys) AND NOT a.attisdropped
      AND a.atttypid = ANY ('{text, varchar, bigint, integer, uuid}'::regtype[])
    HAVING count(*) = cardinality(keys);
    IF members IS NULL THEN
        RETURN '[]';
    END IF;
    EXECUTE format('SELECT jsonb_agg(jsonb_build_object(%s)) FROM (SELECT * FROM ONLY %s LIMIT 20) t', members, target)
        INTO witnesses;
    RETURN coalesce(witnesses, '[]');
END
$$;

-- What of a job's copy is as 1.1 promises it (install/sync_state.sql).  1.0 knew what was still to be fetched (gaps, by
-- the date), of what was there up to the watermark; and how far back the copy was to reach.  Where that proves too
-- little, all is uncovered: that costs requests, and no rows.  So it is where the order wasn't kept; below a parent,
-- since rows with the same key replaced each other; where changes are found in neither way, or were more than a call
-- might ask for; where nothing tells that the copy is still there; and in a full load, which begins anew, as nobody
-- has kept what it has seen.
--
-- 1.0 took its own clock for Crisp's, so the last hour is read again, or the last overlap.
CREATE FUNCTION upgrade_state(INOUT job crisp_sync_job, old @extschema:own@.crisp_sync_job_1_0, facts upgrade_facts)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    gaps CONSTANT tstzmultirange := (SELECT coalesce(range_agg(g.range), '{}') FROM unnest(old.gaps) g (range));
    sure CONSTANT timestamptz := least(old.watermark, now()) - greatest(old.overlap, interval '1 hour');
    is_part CONSTANT boolean := old.reaches_to > '-infinity';
    proves boolean;
BEGIN
    IF old.gaps = '{}' AND old.watermark IS NULL AND (old.dates_field IS NOT NULL OR old.last_success IS NULL) THEN
        RETURN;                 -- nothing was fetched, or it is forgotten
    END IF;
    job.selected := tstzmultirange(tstzrange(nullif(old.reaches_to, '-infinity'), NULL, '()'));
    job.witnesses := @extschema@.upgrade_witnesses(job.target, facts.keys);
    proves := job.dates_field IS NOT NULL AND facts.list = job.source AND NOT old.by_date AND old.full_since IS NULL
              AND old.watermark IS NOT NULL AND (job.witnesses <> '[]' OR old.rows_fetched = 0)
              AND ((facts.way = 'dates' AND facts.is_same)
                   OR (facts.way = 'order' AND old.pass_condition IS DISTINCT FROM 'all'
                       AND NOT (is_part AND gaps <> '{}')));
    IF proves IS NOT TRUE THEN
        job.witnesses := '[]';
        job.due := CASE WHEN job.dates_field IS NULL THEN '-infinity'::timestamptz END;
        job.wanted := CASE WHEN job.dates_field IS NULL THEN '{}'
                           WHEN facts.way = 'dates' THEN job.selected
                           ELSE '{(,)}' END;
        RETURN;
    END IF;
    job.watermark := old.watermark;
    job.watermark_at := old.watermark_at;
    job.pass_rows := old.pass_rows;
    IF facts.way = 'order' THEN
        -- Changes come by sync_field.  A copy of a part has come by it altogether.
        job.due := CASE WHEN is_part THEN greatest(sure, old.reaches_to) ELSE sure END;
        job.wanted := CASE WHEN is_part THEN '{}' ELSE '{(,)}' END;
        job.covered := job.wanted - gaps;
        RETURN;
    END IF;
    job.pass_condition := old.pass_condition;
    job.pass_reference := old.pass_reference;
    job.selected := job.selected + gaps * tstzmultirange(tstzrange(NULL, old.watermark));
    job.wanted := job.selected * tstzmultirange(tstzrange(NULL, old.watermark, '[]')) + gaps;
    job.covered := job.wanted * tstzmultirange(tstzrange(NULL, sure, '()')) - gaps;
END
$$;

-- Bring over the state of a job, and whose rows it has brought.
CREATE FUNCTION upgrade_job(old @extschema:own@.crisp_sync_job_1_0)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job @extschema@.crisp_sync_job;
    facts @extschema@.upgrade_facts;
BEGIN
    SELECT * INTO job FROM @extschema@.crisp_sync_job j WHERE j.job_id = old.job_id;
    facts := @extschema@.upgrade_look_up(job);
    job := @extschema@.upgrade_state(job, old, facts);
    UPDATE @extschema@.crisp_sync_job j
    SET selected = job.selected, wanted = job.wanted, covered = job.covered, watermark = job.watermark,
        watermark_at = job.watermark_at, due = job.due, pass_condition = job.pass_condition,
        pass_reference = job.pass_reference, pass_rows = job.pass_rows, witnesses = job.witnesses,
        origin = facts.origin, scope = facts.scope
    WHERE j.job_id = old.job_id;
    INSERT INTO @extschema@.crisp_sync_origin (target, origin, source)
    SELECT old.target, facts.origin, @extschema@.crisp_sync_name(old.source)
    WHERE facts.origin IS NOT NULL AND old.rows_inserted + old.rows_updated > 0
      AND EXISTS (SELECT FROM pg_class c WHERE c.oid = old.target)
    ON CONFLICT DO NOTHING;
END
$$;

SELECT upgrade_job(j) FROM @extschema:own@.crisp_sync_job_1_0 j;

DROP FUNCTION upgrade_job, upgrade_state, upgrade_witnesses, upgrade_look_up, upgrade_source;
DROP TYPE upgrade_facts;
DROP TABLE @extschema:own@.crisp_sync_error_1_0, @extschema:own@.crisp_sync_log_1_0, @extschema:own@.crisp_sync_job_1_0;
DROP SEQUENCE @extschema:own@.crisp_sync_job_seq_1_0, @extschema:own@.crisp_sync_run_seq_1_0;

-- Who may use what was made again.
DO $$
DECLARE
    statement text;
BEGIN
    FOR statement IN
        SELECT format('REVOKE ALL ON %s FROM PUBLIC', o.object)
        FROM unnest(ARRAY['TABLE crisp_sync_run', 'TABLE crisp_sync_status', 'FUNCTION crisp_fdw_resources()'])
                 o (object)
        WHERE NOT EXISTS (SELECT FROM @extschema@.upgrade_grants g
                          WHERE g.object = o.object AND g.grantee = 0 AND g.privilege_type NOT LIKE '% (%')
        UNION ALL
        SELECT format('GRANT %s ON %s TO %s%s', g.privilege_type, g.object,
                      CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END,
                      CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' END)
        FROM @extschema@.upgrade_grants g WHERE g.grantee <> 0 OR g.privilege_type LIKE '% (%'
    LOOP
        EXECUTE statement;
    END LOOP;
END
$$;
DROP TABLE upgrade_grants;

SET LOCAL search_path = @extschema:own@, crisp_sync_internal;
