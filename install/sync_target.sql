--
-- crisp_sync: the target of a job
--

-- Column names as SQL, with a prefix, separated by commas.
CREATE FUNCTION crisp_sync_list(columns text[], prefix text DEFAULT '')
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT string_agg(prefix || quote_ident(c.name), ', ' ORDER BY c.number)
FROM unnest(columns) WITH ORDINALITY c (name, number)
$$;

-- The columns of a relation, in order; insertable: without those that compute their values.
CREATE FUNCTION crisp_sync_columns(relation regclass)
RETURNS TABLE (name text, type text, number smallint, insertable boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT a.attname::text,
       format_type(a.atttypid, a.atttypmod) ||
       CASE WHEN a.attcollation <> t.typcollation
            THEN (SELECT format(' COLLATE %I.%I', n.nspname, c.collname)
                  FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
                  WHERE c.oid = a.attcollation)
            ELSE '' END,
       a.attnum,
       a.attgenerated = '' AND a.attidentity <> 'a'
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
$$;

-- Create a target: the columns of the source but for those that hold nothing of Crisp's, the key as
-- primary key, and when a row was written.  Another session may be doing the same: then is_new is false.
CREATE FUNCTION crisp_sync_create_target(
    source regclass, target text, schema_name text, keys text[], asked text[], mark boolean,
    OUT created regclass, OUT is_new boolean)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    parts text[] := parse_ident(target);
    name text := parts[cardinality(parts)];
    schema text := coalesce(parts[cardinality(parts) - 1], schema_name);
    columns text;
BEGIN
    IF schema IS NULL THEN
        RAISE EXCEPTION 'no schema has been selected to create "%" in', name
            USING ERRCODE = 'invalid_schema_name', HINT = 'Name the schema of the target, too.';
    END IF;
    SELECT string_agg(format('%I %s', c.name, c.type), ', ' ORDER BY c.number) INTO columns
    FROM @extschema@.crisp_sync_columns(source) c
    WHERE c.name <> ALL (asked);

    is_new := true;
    BEGIN
        EXECUTE format('CREATE TABLE %I.%I (%s, _synced_at timestamp with time zone NOT NULL DEFAULT now()%s, PRIMARY KEY (%s))',
            schema, name, columns, CASE WHEN mark THEN ', _deleted_at timestamp with time zone' ELSE '' END,
            @extschema@.crisp_sync_list(keys));
        RAISE NOTICE 'created table %.%', quote_ident(schema), quote_ident(name);
    EXCEPTION WHEN duplicate_table OR unique_violation THEN
        is_new := false;
    END;
    created := to_regclass(format('%I.%I', schema, name));
END
$$;

-- Raise an error unless a relation can be a target.
CREATE FUNCTION crisp_sync_check_target(target regclass, keys text[])
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    what text;
    kind "char";
    persistence "char";
    missing text[];
BEGIN
    SELECT c.relkind, c.relpersistence INTO kind, persistence FROM pg_class c WHERE c.oid = target;
    what := CASE kind
        WHEN 'r' THEN CASE WHEN persistence = 't' THEN 'a temporary table' END
        WHEN 'f' THEN 'a foreign table'
        WHEN 'p' THEN 'a partitioned table'
        WHEN 'v' THEN 'a view'
        WHEN 'm' THEN 'a materialized view'
        ELSE 'not a table' END;
    IF what IS NOT NULL THEN
        RAISE EXCEPTION 'cannot sync into "%": it is %', target, what
            USING ERRCODE = 'wrong_object_type',
                HINT = 'The target is an ordinary table; one that does not exist is created.';
    END IF;
    IF NOT @extschema@.crisp_sync_may_write(target) THEN
        RAISE EXCEPTION 'permission denied to sync into "%"', target
            USING ERRCODE = 'insufficient_privilege',
                HINT = 'It takes the rights to SELECT, INSERT, UPDATE and DELETE.';
    ELSIF row_security_active(target) THEN
        RAISE EXCEPTION 'cannot sync into "%": it has row-level security, which holds for "%"', target, current_user
            USING ERRCODE = 'insufficient_privilege',
                DETAIL = 'Rows that it hides could be neither changed nor deleted.',
                HINT = 'Call crisp_sync as the owner of the table, or as a role with BYPASSRLS.';
    END IF;

    IF EXISTS (SELECT FROM @extschema@.crisp_sync_columns(target) c WHERE c.name = ANY (keys) AND NOT c.insertable) THEN
        RAISE EXCEPTION 'cannot sync into "%": its key (%) is generated', target, @extschema@.crisp_sync_list(keys)
            USING ERRCODE = 'invalid_table_definition', DETAIL = 'It must hold the key that rows have at Crisp.';
    END IF;
    missing := ARRAY(SELECT k.key FROM unnest(keys) k (key)
                     WHERE k.key NOT IN (SELECT c.name FROM @extschema@.crisp_sync_columns(target) c));
    IF cardinality(missing) = 0 AND EXISTS (
        SELECT FROM pg_index i
        WHERE i.indrelid = target AND i.indisunique AND i.indisvalid AND i.indimmediate
          AND i.indpred IS NULL AND i.indexprs IS NULL
          AND ARRAY(SELECT a.attname::text
                    FROM generate_series(0, i.indnkeyatts - 1) n
                    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[n]
                    ORDER BY 1)
            = ARRAY(SELECT k.key FROM unnest(keys) k (key) ORDER BY 1)) THEN
        RETURN;
    END IF;
    RAISE EXCEPTION 'cannot sync into "%": it has no unique key on (%)', target,
        @extschema@.crisp_sync_list(keys)
        USING ERRCODE = 'invalid_table_definition',
            DETAIL = 'Rows that change at Crisp are found again by that key.',
            HINT = format('ALTER TABLE %s ADD UNIQUE (%s);', target, @extschema@.crisp_sync_list(keys));
END
$$;

-- The columns that source and target have in common.  What the target lacks is told with the
-- ALTER TABLE that adds it.
CREATE FUNCTION crisp_sync_match_columns(source regclass, target regclass, asked text[])
RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    matched text[];
    missing text[];
    adding text;
BEGIN
    SELECT array_agg(s.name ORDER BY s.number) FILTER (WHERE t.insertable),
           array_agg(s.name ORDER BY s.number) FILTER (WHERE t.name IS NULL),
           string_agg(format('ADD COLUMN %I %s', s.name, s.type), ', ' ORDER BY s.number)
               FILTER (WHERE t.name IS NULL)
    INTO matched, missing, adding
    FROM (SELECT c.name, c.type, c.number FROM @extschema@.crisp_sync_columns(source) c
          WHERE c.name <> ALL (asked)
          UNION ALL SELECT '_synced_at', 'timestamp with time zone', 32767) s
    LEFT JOIN @extschema@.crisp_sync_columns(target) t ON t.name = s.name;

    IF missing IS NOT NULL THEN
        RAISE NOTICE 'table "%" has no column for %', target, @extschema@.crisp_sync_list(missing)
            USING DETAIL = 'What these columns of the source hold is not copied.',
                HINT = format('ALTER TABLE %s %s;', target, adding);
    END IF;
    RETURN matched;
END
$$;

-- Raise an error when a full load would drop what another job has brought.
CREATE FUNCTION crisp_sync_check_shared(source regclass, target regclass)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    other regclass;
BEGIN
    SELECT j.source INTO other FROM @extschema@.crisp_sync_job j
    WHERE j.target = crisp_sync_check_shared.target AND j.source <> crisp_sync_check_shared.source;
    IF FOUND THEN
        RAISE EXCEPTION 'cannot replace "%": it is the target of "%", too', target, other
            USING ERRCODE = 'object_in_use',
                DETAIL = 'Rows of the other source would look as if they were gone from Crisp.',
                HINT = 'Use a target of its own, or mode incremental.';
    END IF;
END
$$;

-- Raise an error unless the target has some columns for times.
CREATE FUNCTION crisp_sync_check_columns(target regclass, wanted text[])
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    missing text[];
    adding text;
BEGIN
    SELECT array_agg(w.name), string_agg(format('ADD COLUMN %I timestamp with time zone', w.name), ', ')
    INTO missing, adding
    FROM unnest(wanted) w (name)
    WHERE w.name NOT IN (SELECT c.name FROM @extschema@.crisp_sync_columns(target) c);
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'table "%" has no column %', target, @extschema@.crisp_sync_list(missing)
            USING ERRCODE = 'undefined_column',
                DETAIL = 'It takes that to tell which rows are gone from Crisp.',
                HINT = format('ALTER TABLE %s %s;', target, adding);
    END IF;
END
$$;
