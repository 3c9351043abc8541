--
-- crisp_push: what is pushed, and what of it differs from what Crisp was told
--

-- What is pushed from where to where: the same all through a run.
CREATE TYPE crisp_push_plan AS (
    source regclass,
    source_name text,           -- its name when the run began; it may be dropped
    target regclass,
    target_name text,
    resource text,
    noun text,                  -- what a row of it is, in messages
    origin text[],              -- whose rows are written: resource, website, inbox, base_url
    key text,                   -- the column of the source that names a row
    key_type text,              -- of what its values are, before they are text
    names_rows boolean,         -- by which Crisp knows it, too; otherwise rows are inserted once, and never changed
    fields text[],              -- columns that are pushed
    merged text[],              -- those that hold keys of which only some are sent
    others text[],              -- columns of the source that are not
    inserts boolean,            -- rows that Crisp lacks are inserted
    updates boolean,
    missing text,
    prefetch integer            -- requests that may be under way together
);

-- The call that a run is of, and how far that is.
CREATE TYPE crisp_push_run_state AS (
    job_id bigint,
    run_id bigint,
    started_at timestamptz,
    first_request bigint,       -- requests of the statement when the run began
    last_request bigint,        -- most that it may have made in the end; NULL for any number
    phase text,                 -- changes, unknown, inserts, removals, doubtful; in the end: end, exhausted, failed
    after text,                 -- the last key that the phase has come to; or NULL
    keys text[],                -- of rows that come next, now that this is announced; or NULL
    operation text,             -- what is done with these
    finds_rows boolean,         -- Crisp has had the latest of the rows that were never pushed before,
    found integer,              -- and so many, one after the other
    sent bigint,                -- rows that Crisp has taken
    needs integer,              -- requests that a row takes which waits, since fewer were left; or NULL
    code text,                  -- why it has failed
    message text,
    detail text,
    hint text,
    context text                -- of what the source runs; NULL for none
);

-- Raise an error for a parameter that can't be.
CREATE FUNCTION crisp_push_check_call(max_requests integer, missing text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF max_requests < 1 THEN
        RAISE EXCEPTION 'max_requests must be at least 1'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'NULL means no limit.';
    ELSIF missing IS NULL OR missing NOT IN ('ignore', 'delete', 'delete_all') THEN
        RAISE EXCEPTION 'invalid value for missing: "%"', missing
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Valid values are: ignore, delete, delete_all';
    END IF;
END
$$;

-- All relations of which rows may come out of a view, or a table: those that it is made of, and so on.
CREATE FUNCTION crisp_push_feeders(source regclass)
RETURNS SETOF regclass
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
WITH RECURSIVE feeder (relation) AS (
    SELECT source::oid
    UNION
    SELECT o.relation
    FROM feeder f
    CROSS JOIN LATERAL (
        SELECT d.refobjid FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
        WHERE r.ev_class = f.relation AND d.refclassid = 'pg_class'::regclass
        UNION ALL
        SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = f.relation) o (relation))
SELECT relation::regclass FROM feeder
$$;

-- Raise an error where rows of the target would come back to it: where the source holds what was read from there.
CREATE FUNCTION crisp_push_check_loop(plan crisp_push_plan)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    feeder record;
BEGIN
    SELECT f.relation, o.source AS origin INTO feeder
    FROM @extschema@.crisp_push_feeders(plan.source) f (relation)
    JOIN @extschema@.crisp_sync_origin o ON o.target = f.relation
    WHERE o.origin[1:2] = plan.origin[1:2] LIMIT 1;
    IF NOT FOUND THEN
        SELECT f.relation, @extschema@.crisp_sync_name(j.source) AS origin INTO feeder
        FROM @extschema@.crisp_push_feeders(plan.source) f (relation)
        JOIN @extschema@.crisp_sync_job j ON j.target = f.relation
        WHERE j.origin[1:2] = plan.origin[1:2] LIMIT 1;
    END IF;
    IF FOUND THEN
        RAISE EXCEPTION 'cannot push "%" into "%": that would push what was synced from there',
            @extschema@.crisp_sync_name(plan.source), @extschema@.crisp_sync_name(plan.target)
            USING ERRCODE = 'invalid_object_definition',
                DETAIL = format('"%s" is the target of a sync of "%s", so that changes would go in circles.',
                                @extschema@.crisp_sync_name(feeder.relation), feeder.origin),
                HINT = 'Push from a table or view that does not read that copy.';
    END IF;
    FOR feeder IN
        SELECT f.relation
        FROM @extschema@.crisp_push_feeders(plan.source) f (relation)
        JOIN pg_foreign_table t ON t.ftrelid = f.relation
        JOIN pg_foreign_server s ON s.oid = t.ftserver
        WHERE s.srvfdw = (SELECT ts.srvfdw FROM pg_foreign_table tt JOIN pg_foreign_server ts ON ts.oid = tt.ftserver
                          WHERE tt.ftrelid = plan.target)
    LOOP
        IF (@extschema@.crisp_sync_origin_of(feeder.relation))[1:2] = plan.origin[1:2] THEN
            RAISE EXCEPTION 'cannot push "%" into "%": that would push what is read from there',
                @extschema@.crisp_sync_name(plan.source), @extschema@.crisp_sync_name(plan.target)
                USING ERRCODE = 'invalid_object_definition',
                    DETAIL = format('Rows of the source come from "%s".', @extschema@.crisp_sync_name(feeder.relation)),
                    HINT = 'Push from a table or view of your own data.';
        END IF;
    END LOOP;
END
$$;

-- Raise an error unless a relation can be a source.
CREATE FUNCTION crisp_push_check_source(source regclass)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = source AND c.relkind IN ('r', 'p', 'v', 'm', 'f')) THEN
        RAISE EXCEPTION 'cannot push "%": it is not a table or view', @extschema@.crisp_sync_name(source)
            USING ERRCODE = 'wrong_object_type';
    ELSIF NOT has_any_column_privilege(source, 'SELECT') THEN
        RAISE EXCEPTION 'permission denied to push "%"', @extschema@.crisp_sync_name(source)
            USING ERRCODE = 'insufficient_privilege', HINT = 'It takes the right to SELECT.';
    END IF;
END
$$;

-- Raise an error where the caller may not write to the target what is pushed, or triggers want to be asked.
CREATE FUNCTION crisp_push_check_rights(plan crisp_push_plan)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    lacking text;
    trigger_name text;
BEGIN
    SELECT n.privilege INTO lacking
    FROM (VALUES ('UPDATE', plan.updates), ('INSERT', plan.inserts)) n (privilege, is_needed)
    WHERE n.is_needed
      AND EXISTS (SELECT FROM unnest(plan.fields
                                     || CASE WHEN n.privilege = 'INSERT' AND plan.names_rows THEN plan.key END) f (name)
                  WHERE NOT has_column_privilege(plan.target, f.name, n.privilege)) LIMIT 1;
    IF lacking IS NULL AND plan.missing <> 'ignore' AND NOT has_table_privilege(plan.target, 'DELETE') THEN
        lacking := 'DELETE';
    END IF;
    IF lacking IS NOT NULL THEN
        RAISE EXCEPTION 'permission denied to push into "%"', @extschema@.crisp_sync_name(plan.target)
            USING ERRCODE = 'insufficient_privilege',
                HINT = format(CASE lacking
                    WHEN 'DELETE' THEN 'It takes the right to %s.'
                    WHEN 'INSERT' THEN 'It takes the right to %s on the columns that are pushed, and on the key.'
                    ELSE 'It takes the right to %s on the columns that are pushed.' END, lacking);
    END IF;
    SELECT t.tgname INTO trigger_name FROM pg_trigger t
    WHERE t.tgrelid = plan.target AND NOT t.tgisinternal AND t.tgenabled <> 'D' LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'cannot push into "%": it has triggers', @extschema@.crisp_sync_name(plan.target)
            USING ERRCODE = 'wrong_object_type',
                DETAIL = format('A push would pass by "%s".', trigger_name),
                HINT = 'Push into another foreign table of that resource, or let a view do what the trigger does.';
    END IF;
END
$$;

-- The column by which rows are known, and whether Crisp knows them by it.
CREATE FUNCTION crisp_push_find_key(INOUT plan crisp_push_plan, catalog record)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    columns CONSTANT text[] := ARRAY(SELECT c.name FROM @extschema@.crisp_sync_columns(plan.source) c);
    names CONSTANT text[] := catalog.names;
BEGIN
    plan.names_rows := catalog.updates;
    IF plan.key IS NULL AND plan.names_rows THEN
        SELECT n.name INTO plan.key FROM unnest(names) WITH ORDINALITY n (name, number)
        WHERE n.name = ANY (columns) ORDER BY n.number LIMIT 1;
    END IF;
    IF plan.key IS NULL THEN
        RAISE EXCEPTION 'a push into "%" needs a key', @extschema@.crisp_sync_name(plan.target)
            USING ERRCODE = 'invalid_parameter_value',
                HINT = CASE WHEN plan.names_rows
                           THEN format('Name a column of the source by which Crisp knows a row: %s',
                                       @extschema@.crisp_sync_list(names))
                            ELSE 'Name a column of the source that tells a row from all others.' END;
    ELSIF plan.key <> ALL (columns) THEN
        RAISE EXCEPTION 'the source "%" has no column "%"', @extschema@.crisp_sync_name(plan.source), plan.key
            USING ERRCODE = 'undefined_column', DETAIL = 'It was named as the key.';
    ELSIF NOT plan.names_rows THEN
        RETURN;
    ELSIF plan.key <> ALL (names) THEN
        RAISE EXCEPTION 'Crisp does not know a % by "%"', plan.noun, plan.key
            USING ERRCODE = 'invalid_parameter_value',
                HINT = format('Columns that can be the key: %s. Where the source calls it otherwise, push a view that '
                              'renames it.', @extschema@.crisp_sync_list(names));
    END IF;
END
$$;

-- Raise an error unless each pushed column can take what the source has.
CREATE FUNCTION crisp_push_check_types(plan crisp_push_plan)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bad record;
BEGIN
    SELECT t.attname, format_type(t.atttypid, t.atttypmod) AS target_type,
        format_type(s.atttypid, s.atttypmod) AS source_type INTO bad
    FROM unnest(plan.fields || plan.key) WITH ORDINALITY c (name, number)
    JOIN pg_attribute s ON s.attrelid = plan.source AND s.attname = c.name
    JOIN pg_attribute t ON t.attrelid = plan.target AND t.attname = c.name
    WHERE NOT @extschema@.crisp_sync_can_assign(s.atttypid, t.atttypid)
    ORDER BY c.number LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'cannot push into "%": column "%" is of type %, and that of the source of type %',
            @extschema@.crisp_sync_name(plan.target), bad.attname, bad.target_type, bad.source_type
            USING ERRCODE = 'datatype_mismatch', HINT = 'Let a view over the source convert it, and push that.';
    END IF;
END
$$;

-- Look at source and target, and say what is pushed.
CREATE FUNCTION crisp_push_plan(source regclass, target regclass, key text, missing text)
RETURNS crisp_push_plan
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    plan @extschema@.crisp_push_plan;
    catalog record := @extschema@.crisp_push_target(target);
BEGIN
    plan.source := source;
    plan.source_name := @extschema@.crisp_sync_name(source);
    plan.target := target;
    plan.target_name := @extschema@.crisp_sync_name(target);
    plan.resource := catalog.resource;
    plan.noun := catalog.noun;
    plan.origin := catalog.origin;
    plan.key := key;
    plan.missing := missing;
    plan.prefetch := catalog.prefetch;
    plan.merged := catalog.merged;
    PERFORM @extschema@.crisp_push_check_source(source);
    IF (catalog.updates AND catalog.names = '{}') OR (NOT catalog.updates AND catalog.has_key) THEN
        RAISE EXCEPTION 'rows of % cannot be pushed', plan.resource
            USING ERRCODE = 'feature_not_supported',
                DETAIL = 'Crisp does not know them by one column.', HINT = 'Write to the table with SQL.';
    END IF;
    plan := @extschema@.crisp_push_find_key(plan, catalog);
    plan.key_type := @extschema@.crisp_push_type(plan, plan.key);
    -- By an id that Crisp gives, nothing can be inserted.
    plan.inserts := catalog.inserts
        AND (NOT plan.names_rows OR (plan.key = ANY (catalog.insert_takes) AND catalog.parent IS NULL));
    plan.updates := catalog.updates;
    plan.fields := ARRAY(
        SELECT c.name FROM @extschema@.crisp_sync_columns(source) c
        WHERE c.name = ANY (CASE WHEN plan.names_rows THEN catalog.update_takes ELSE catalog.insert_takes END)
          AND NOT (plan.names_rows AND c.name = ANY (catalog.names) AND c.name = plan.key)
        ORDER BY c.number);
    plan.others := ARRAY(
        SELECT c.name FROM @extschema@.crisp_sync_columns(source) c
        WHERE c.name <> ALL (plan.fields) AND c.name <> plan.key ORDER BY c.number);
    IF plan.fields = '{}' THEN
        RAISE EXCEPTION 'nothing of "%" can be pushed into "%"', @extschema@.crisp_sync_name(source),
            @extschema@.crisp_sync_name(target)
            USING ERRCODE = 'undefined_column', DETAIL = 'Columns go by their names.',
                HINT = coalesce('Columns that can be: ' || nullif(@extschema@.crisp_sync_list(
                                    CASE WHEN plan.names_rows THEN array_remove(catalog.update_takes, plan.key)
                                        ELSE catalog.insert_takes END), ''),
                                'The target has no other column that can be written.');
    ELSIF NOT plan.names_rows AND NOT plan.fields && catalog.names THEN
        RAISE EXCEPTION 'the source "%" does not say what a % belongs to', @extschema@.crisp_sync_name(source),
            plan.noun
            USING ERRCODE = 'undefined_column',
                HINT = format('It takes one of these columns: %s', @extschema@.crisp_sync_list(catalog.names));
    ELSIF missing <> 'ignore' AND NOT catalog.removes THEN
        RAISE EXCEPTION 'rows of % cannot be deleted', plan.resource
            USING ERRCODE = 'feature_not_supported', HINT = 'Leave the parameter missing out.';
    ELSIF missing <> 'ignore' AND row_security_active(source) THEN
        RAISE EXCEPTION 'cannot delete what is missing from "%": it has row-level security, which holds for "%"',
            @extschema@.crisp_sync_name(source), current_user
            USING ERRCODE = 'insufficient_privilege', DETAIL = 'Rows that it hides would look as if they were gone.';
    END IF;
    PERFORM @extschema@.crisp_push_check_types(plan);
    PERFORM @extschema@.crisp_push_check_rights(plan);
    PERFORM @extschema@.crisp_push_check_loop(plan);
    RETURN plan;
END
$$;

-- What may be at Crisp of a row of which sent was about to be written, on top of pushed: a field, or a key within one,
-- that had the same value in both has it; a key with another may have any, which null stands for; other fields are not
-- known.  Something else can't have been written to a field with keys.
CREATE FUNCTION crisp_push_unsure(pushed jsonb, sent jsonb)
RETURNS jsonb
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT coalesce(jsonb_object_agg(f.name, CASE
    WHEN jsonb_typeof(f.sent) = 'object'
    THEN (SELECT coalesce(jsonb_object_agg(k.key, CASE WHEN f.sent -> k.key = f.pushed -> k.key THEN f.sent -> k.key
                                                       ELSE 'null' END), '{}')
          FROM (SELECT jsonb_object_keys(f.sent)
                UNION SELECT jsonb_object_keys(CASE WHEN jsonb_typeof(f.pushed) = 'object' THEN f.pushed ELSE '{}' END))
              k (key))
    ELSE f.pushed END), '{}')
FROM (SELECT s.name, s.value AS sent, CASE WHEN crisp_push_unsure.pushed IS NULL THEN 'null'
                                           ELSE crisp_push_unsure.pushed -> s.name END AS pushed
      FROM jsonb_each(crisp_push_unsure.sent) s (name, value)) f
WHERE 'object' IN (jsonb_typeof(f.sent), jsonb_typeof(f.pushed)) OR f.sent = f.pushed
$$;

-- What Crisp is to have of columns that are NULL; NULL for no columns.
CREATE FUNCTION crisp_push_nothing(plan crisp_push_plan, fields text[])
RETURNS jsonb
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT jsonb_object_agg(f.name, CASE WHEN f.name = ANY (plan.merged) THEN '{}'::jsonb ELSE 'null' END)
FROM unnest(fields) f (name)
$$;

-- What may be at Crisp of a row of which it isn't known whether Crisp has what was pushed, on top of that: others than
-- NULLs may have any value, and so may keys within a field.
CREATE FUNCTION crisp_push_doubt(pushed jsonb)
RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
SELECT coalesce(jsonb_object_agg(f.name, CASE
    WHEN jsonb_typeof(f.value) = 'object'
    THEN (SELECT coalesce(jsonb_object_agg(k.key, 'null'::jsonb), '{}') FROM jsonb_object_keys(f.value) k (key))
    ELSE f.value END), '{}')
FROM jsonb_each(pushed) f (name, value)
WHERE jsonb_typeof(f.value) IN ('object', 'null')
$$;

-- A column of the source as the target has it, as text; or, where keys of it are told apart, as JSON.
CREATE FUNCTION crisp_push_expression(plan crisp_push_plan, name text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT format(CASE WHEN name = ANY (plan.merged) THEN 's.%I::jsonb' ELSE '(s.%I%s)::text' END, name, (
    SELECT '::' || format_type(t.atttypid, NULL)
    FROM pg_attribute s JOIN pg_attribute t ON t.attrelid = plan.target AND t.attname = s.attname
    WHERE s.attrelid = plan.source AND s.attname = name AND s.atttypid <> t.atttypid))
$$;

-- The type of what crisp_push_expression() makes text of.
CREATE FUNCTION crisp_push_type(plan crisp_push_plan, name text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT CASE y.typbasetype WHEN 0 THEN format_type(y.oid, coalesce(t.atttypmod, s.atttypmod))
       ELSE format_type(y.typbasetype, y.typtypmod) END
FROM pg_attribute s
LEFT JOIN pg_attribute t ON t.attrelid = plan.target AND t.attname = s.attname
JOIN pg_type y ON y.oid = coalesce(t.atttypid, s.atttypid)
WHERE s.attrelid = plan.source AND s.attname = name
$$;

-- The key as text: numbers that are the same read the same, whatever their scale.
CREATE FUNCTION crisp_push_key_text(plan crisp_push_plan)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT format(CASE WHEN starts_with(plan.key_type, 'numeric') THEN 'trim_scale(%s::numeric)::text' ELSE '%s' END,
              @extschema@.crisp_push_expression(plan, plan.key))
$$;

-- An expression for what Crisp is to have of some columns of a row s of the source.
CREATE FUNCTION crisp_push_wanted(plan crisp_push_plan, fields text[])
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT format('jsonb_object(%L::text[], ARRAY[%s]::text[])%s',
    (SELECT array_agg(f.name ORDER BY f.number) FILTER (WHERE f.name <> ALL (plan.merged)) || '{}'::text[]
     FROM unnest(fields) WITH ORDINALITY f (name, number)),
    (SELECT string_agg(@extschema@.crisp_push_expression(plan, f.name), ', ' ORDER BY f.number)
     FROM unnest(fields) WITH ORDINALITY f (name, number) WHERE f.name <> ALL (plan.merged)),
    (SELECT string_agg(format(' || jsonb_build_object(%L, coalesce(%s, ''{}''))', f.name,
                              @extschema@.crisp_push_expression(plan, f.name)), '' ORDER BY f.number)
     FROM unnest(fields) WITH ORDINALITY f (name, number) WHERE f.name = ANY (plan.merged)))
$$;

-- A query for the rows of the source: key, as the source spells it and as rows are known by it, and wanted, unless that
-- is one of the rows $1 whose values can't be had.
CREATE FUNCTION crisp_push_query(plan crisp_push_plan)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT format('SELECT %1$s COLLATE "C" AS spelling, %4$s COLLATE "C" AS key, '
              'CASE WHEN %1$s COLLATE "C" = ANY ($1) THEN NULL ELSE %2$s END AS wanted FROM %3$s s',
    k.key, @extschema@.crisp_push_wanted(plan, plan.fields), plan.source,
    CASE WHEN plan.names_rows THEN format('@extschema@.crisp_push_fold(%s)', k.key) ELSE k.key END)
FROM @extschema@.crisp_push_key_text(plan) k (key)
$$;

-- Rows of a source of which something can't be had as the target has it.
CREATE TYPE crisp_push_misfits AS (
    keys text[],
    codes text[],               -- SQLSTATEs
    messages text[]
);

-- Find these rows, by one after the other; what is wrong with the source itself is raised.
CREATE FUNCTION crisp_push_find_misfits(plan crisp_push_plan)
RETURNS crisp_push_misfits
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    misfits @extschema@.crisp_push_misfits;
    query CONSTANT text := format('SELECT %s AS key, (s.*)::text AS value FROM %s s',
                                  @extschema@.crisp_push_key_text(plan), plan.source);
    look CONSTANT text := 'SELECT %s FROM (SELECT ($1::%s).*) s';
    name text;
    code text;
    message text;
    row record;
BEGIN
    FOR row IN EXECUTE query LOOP
        BEGIN
            EXECUTE format(look, @extschema@.crisp_push_wanted(plan, plan.fields), plan.source) USING row.value;
            CONTINUE;
        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded THEN
            GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
        END;
        FOREACH name IN ARRAY plan.fields LOOP
            BEGIN
                EXECUTE format(look, @extschema@.crisp_push_wanted(plan, ARRAY[name]), plan.source) USING row.value;
            EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded THEN
                message := format('column "%s": %s', name, message);
                EXIT;
            END;
        END LOOP;
        misfits.keys := misfits.keys || row.key::text;
        misfits.codes := misfits.codes || code;
        misfits.messages := misfits.messages || message;
    END LOOP;
    RETURN misfits;
END
$$;
