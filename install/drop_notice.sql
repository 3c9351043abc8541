--
-- DROP EXTENSION: tell what stays
--

SET LOCAL search_path = crisp_sync_internal, @extschema:own@;

-- Tell of the tables that syncs have filled, and of jobs of pg_cron that will fail.  An event trigger isn't told which
-- extension is dropped, so the statement's text decides, and what is told is true of this extension in any case.  In
-- PL/pgSQL: a library that is gone must not be in the way of dropping other extensions.  Whatever goes wrong here is
-- no reason not to drop one.
CREATE FUNCTION crisp_sync_tell_what_stays()
RETURNS event_trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    most CONSTANT integer := 20;
    copies text[];
    pushed text[];
    jobs text[];
BEGIN
    IF current_query() !~* '\mcrisp_fdw\M' THEN
        RETURN;
    END IF;
    BEGIN
        -- Runs lock this first in each of their transactions: what is dropped is locked in another order than theirs.
        LOCK TABLE ONLY @extschema@.crisp_sync_job IN ACCESS EXCLUSIVE MODE;
    EXCEPTION WHEN OTHERS THEN
        RAISE DEBUG 'running syncs are not waited for: %', SQLERRM;
    END;
    copies := ARRAY(SELECT DISTINCT j.target::text COLLATE "C" FROM @extschema@.crisp_sync_job j
                    JOIN pg_class c ON c.oid = j.target ORDER BY 1);
    pushed := ARRAY(SELECT DISTINCT j.source::text COLLATE "C" FROM @extschema@.crisp_push_job j
                    JOIN pg_class c ON c.oid = j.source ORDER BY 1);
    BEGIN
        IF EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE n.nspname = 'cron' AND c.relname = 'job' AND has_schema_privilege(n.oid, 'USAGE')
                     AND has_table_privilege(c.oid, 'SELECT')) THEN
            EXECUTE $sql$
                SELECT array_agg(j.jobid::text ORDER BY j.jobid) FROM cron.job j
                WHERE j.database = current_database() AND j.command ~* 'crisp_(sync|push)'
                $sql$ INTO jobs;
        END IF;
    EXCEPTION WHEN OTHERS THEN
        RAISE DEBUG 'jobs of pg_cron cannot be told: %', SQLERRM;
    END;
    IF copies <> '{}' THEN
        RAISE NOTICE 'DROP EXTENSION crisp_fdw leaves the tables that crisp_sync has filled'
            USING DETAIL = format('They are: %s.', @extschema@.crisp_sync_some(copies, most)),
                HINT = 'DROP TABLE those that are not wanted any more.';
    END IF;
    IF pushed <> '{}' THEN
        RAISE NOTICE
            'DROP EXTENSION crisp_fdw leaves at Crisp what crisp_push has written, and forgets which rows those are'
            USING DETAIL = format('Sources: %s.', @extschema@.crisp_sync_some(pushed, most));
    END IF;
    IF jobs <> '{}' THEN
        RAISE NOTICE 'DROP EXTENSION crisp_fdw leaves jobs of pg_cron that call crisp_sync or crisp_push, and fail then'
            USING DETAIL = format('Their numbers: %s.', @extschema@.crisp_sync_some(jobs, most)),
                HINT = 'SELECT cron.unschedule(number) ends one.';
    END IF;
EXCEPTION WHEN OTHERS THEN
    RAISE DEBUG 'what DROP EXTENSION crisp_fdw leaves cannot be told: %', SQLERRM;
END
$$;

-- Names in a list, of which so many are shown at most.
CREATE FUNCTION crisp_sync_some(names text[], most integer)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT array_to_string(names[1:most], ', ')
       || CASE WHEN cardinality(names) > most THEN format(', and %s more', cardinality(names) - most) ELSE '' END
$$;

CREATE EVENT TRIGGER crisp_fdw_drop ON ddl_command_start
WHEN TAG IN ('DROP EXTENSION')
EXECUTE FUNCTION crisp_sync_tell_what_stays();

SET LOCAL search_path = @extschema:own@, crisp_sync_internal;
