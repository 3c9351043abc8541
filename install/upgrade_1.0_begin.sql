--
-- Update from 1.0: put aside what is known of jobs, and drop what is made anew
--

SET LOCAL search_path = @extschema:own@;

-- A library of 1.0 that was loaded before the new one was installed has none of the new functions.
DO $$
BEGIN
    CREATE FUNCTION crisp_sync_internal.upgrade_probe() RETURNS bigint AS 'MODULE_PATHNAME', 'crisp_sync_pages'
    LANGUAGE C;
    DROP FUNCTION crisp_sync_internal.upgrade_probe;
EXCEPTION WHEN undefined_function THEN
    RAISE EXCEPTION 'this session has loaded the library of another version of crisp_fdw'
        USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Update it in a new session, or restart PostgreSQL if shared_preload_libraries names crisp_fdw.';
END
$$;

-- A sync that is under way goes on by functions that it has found before.  One that begins later waits for the tables.
DO $$
DECLARE
    pids text;
BEGIN
    FOR attempt IN 1 .. 2 LOOP
        SELECT string_agg(DISTINCT l.pid::text, ', ') INTO pids
        FROM pg_catalog.pg_locks l
        WHERE l.locktype = 'advisory' AND l.objsubid = 17235 AND l.granted
          AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database());
        IF pids IS NOT NULL THEN
            RAISE EXCEPTION 'cannot update crisp_fdw while crisp_sync runs'
                USING ERRCODE = 'object_in_use', DETAIL = format('It does in these processes: %s.', pids),
                    HINT = 'Wait for their end, or end them with pg_terminate_backend.';
        END IF;
        LOCK TABLE crisp_sync_job, crisp_sync_log, crisp_sync_error IN ACCESS EXCLUSIVE MODE;
    END LOOP;
END
$$;

-- Who may use what is dropped and made again, where that isn't as it was made.
CREATE TABLE crisp_sync_internal.upgrade_grants AS
SELECT 'TABLE ' || c.relname AS object, x.grantee, x.privilege_type, x.is_grantable
FROM pg_catalog.pg_class c
     CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))) x
WHERE c.oid = ANY (ARRAY['crisp_sync_run', 'crisp_sync_status']::pg_catalog.regclass[]) AND x.grantee <> c.relowner
UNION ALL
SELECT 'FUNCTION crisp_fdw_resources()', x.grantee, x.privilege_type, x.is_grantable
FROM pg_catalog.pg_proc p
     CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) x
WHERE p.oid = 'crisp_fdw_resources()'::pg_catalog.regprocedure AND x.grantee <> p.proowner
UNION ALL
SELECT 'TABLE ' || c.relname, x.grantee, format('%s (%I)', x.privilege_type, a.attname), x.is_grantable
FROM pg_catalog.pg_class c
     JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
     CROSS JOIN LATERAL pg_catalog.aclexplode(a.attacl) x
WHERE c.oid = ANY (ARRAY['crisp_sync_run', 'crisp_sync_status']::pg_catalog.regclass[]) AND x.grantee <> c.relowner;

-- What users call stays what it is: its body is replaced.
ALTER PROCEDURE crisp_sync SET SCHEMA crisp_sync_internal;
ALTER FUNCTION crisp_sync_reset SET SCHEMA crisp_sync_internal;
ALTER FUNCTION crisp_sync_drop SET SCHEMA crisp_sync_internal;

-- These are left until the end, for the rows in them, by names that nothing else goes by.
ALTER EXTENSION crisp_fdw DROP TABLE crisp_sync_job;
ALTER EXTENSION crisp_fdw DROP TABLE crisp_sync_log;
ALTER EXTENSION crisp_fdw DROP TABLE crisp_sync_error;
ALTER EXTENSION crisp_fdw DROP SEQUENCE crisp_sync_job_seq;
ALTER EXTENSION crisp_fdw DROP SEQUENCE crisp_sync_run_seq;
ALTER TABLE crisp_sync_job RENAME TO crisp_sync_job_1_0;
ALTER TABLE crisp_sync_log RENAME TO crisp_sync_log_1_0;
ALTER TABLE crisp_sync_error RENAME TO crisp_sync_error_1_0;
ALTER SEQUENCE crisp_sync_job_seq RENAME TO crisp_sync_job_seq_1_0;
ALTER SEQUENCE crisp_sync_run_seq RENAME TO crisp_sync_run_seq_1_0;

-- All else of syncs goes, by one statement for each kind, since they need each other.  What users have made of it is
-- an error of PostgreSQL's that names it.
DO $$
DECLARE
    kinds CONSTANT text[] := ARRAY['view', 'function', 'composite type'];
    names text;
BEGIN
    FOR i IN 1 .. cardinality(kinds) LOOP
        SELECT string_agg(o.identity, ', ' ORDER BY o.identity) INTO names
        FROM pg_catalog.pg_depend d
             JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'crisp_fdw'
             CROSS JOIN LATERAL (
                 SELECT i.identity,
                        CASE WHEN i.type = 'type' AND EXISTS (
                            SELECT FROM pg_catalog.pg_type t JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
                            WHERE t.oid = d.objid AND c.relkind = 'c') THEN 'composite type' ELSE i.type END AS kind
                 FROM pg_catalog.pg_identify_object(d.classid, d.objid, 0) i
                 WHERE i.schema = '@extschema:own@' OR pg_catalog.quote_ident(i.schema) = '@extschema:own@') o
        WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e' AND o.kind = kinds[i]
          AND (replace(o.identity, '"', '') LIKE '%.crisp\_sync\_%'
               OR replace(o.identity, '"', '') LIKE '%.crisp\_fdw\_resources()');
        EXECUTE format('DROP %s %s', replace(kinds[i], 'composite ', ''), names);
    END LOOP;
END
$$;
