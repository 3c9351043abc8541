--
-- crisp_sync: how much is left
--

-- Whether it is known how long the list is: to a tenth.
CREATE FUNCTION crisp_sync_is_known(pages_found integer, pages_missing integer)
RETURNS boolean
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT coalesce(pages_missing <= pages_found * 1.1 + 1, false)
$$;

-- How many requests a run keeps for the estimate of what is left: two of five, ten at most, and none where enough is
-- known.
CREATE FUNCTION crisp_sync_probes(call crisp_sync_call, job crisp_sync_job)
RETURNS integer
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT CASE WHEN NOT lower_inf(@extschema@.crisp_sync_gaps(job)) OR job.pass_reference IS NOT NULL
            OR (job.expected_rows IS NOT NULL AND job.pages_missing IS NULL)
                 OR @extschema@.crisp_sync_is_known(job.pages_found, job.pages_missing) THEN 0
            ELSE least(10, coalesce(call.last_request - call.first_request, 25) * 2 / 5) END
$$;

-- Find out how many rows the list has: from ANALYZE, if somebody has run it; from Crisp, where it counts them; or
-- from pages that it has, and others that it doesn't have, closer with each call.
CREATE FUNCTION crisp_sync_expect(
    copy crisp_sync_copy, call crisp_sync_call, run crisp_sync_progress, job crisp_sync_job)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    last_page CONSTANT integer := 16777216;
    found integer := greatest(job.pages_found, job.pass_rows / copy.per_page, 1);
    missing integer := CASE WHEN job.pages_missing > found THEN job.pages_missing END;
    expected bigint := (SELECT c.reltuples FROM pg_class c WHERE c.oid = copy.list AND c.reltuples > job.pass_rows);
    number integer;
    page record;
BEGIN
    expected := coalesce(expected, @extschema@.crisp_sync_count(copy.list));
    IF expected IS NULL THEN
        FOR attempt IN 1 .. least(run.probes, @extschema@.crisp_sync_requests_left(call)) LOOP
            EXIT WHEN @extschema@.crisp_sync_is_known(found, missing) OR found >= last_page;
            -- Most lists have less than 10,000 rows.
            number := least(last_page, CASE
                WHEN missing IS NULL THEN greatest(10000 / copy.per_page, found * 16::bigint)
                                            ELSE greatest(found + 1, floor(sqrt(found::float8 * missing))) END);
            page := @extschema@.crisp_sync_page(copy.list, number);
            IF page.rows > 0 THEN
                found := number;
            END IF;
            IF page.rows = 0 OR page.is_last THEN
                missing := number + CASE WHEN page.rows > 0 THEN 1 ELSE 0 END;
            END IF;
        END LOOP;
        -- The last page is somewhere between these, and half full.
        expected := (copy.per_page * (sqrt(found::float8 * (missing - 1)) - 0.5))::bigint;
        UPDATE @extschema@.crisp_sync_my_job j SET pages_found = found, pages_missing = missing
        WHERE j.job_id = call.job_id;
    END IF;
    UPDATE @extschema@.crisp_sync_my_job j SET expected_rows = expected WHERE j.job_id = call.job_id;
END
$$;

-- After a window, when the requests that are left are those for the estimate: make it.  A list that was read to its end
-- before needs none.
CREATE FUNCTION crisp_sync_estimate(
    copy crisp_sync_copy, call crisp_sync_call, INOUT run crisp_sync_progress, job crisp_sync_job)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF run.probes = 0 OR NOT lower_inf(@extschema@.crisp_sync_gaps(job))
       OR (@extschema@.crisp_sync_requests_left(call) - run.probes < 2) IS FALSE
       OR (@extschema@.crisp_sync_requests_left(call) IS NULL
           AND @extschema@.crisp_sync_requests() - call.first_request < 250) THEN
        RETURN;
    END IF;
    BEGIN
        PERFORM @extschema@.crisp_sync_expect(copy, call, run, job);
    EXCEPTION WHEN OTHERS THEN
        -- Rows matter more than a guess of how many are left.
        RAISE DEBUG 'no estimate of what is left of "%": %', copy.list_name, SQLERRM;
    END;
    run.probes := 0;
    PERFORM @extschema@.crisp_sync_note_run(call, NULL);
END
$$;
