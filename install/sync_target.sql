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

-- What messages call a relation, between double quotes of their own, as PostgreSQL's do: with its schema where its name
-- alone would not find it.  That is for the caller's search_path to tell, so this has none.
CREATE FUNCTION crisp_sync_name(relation regclass)
RETURNS text
LANGUAGE sql STABLE
AS $$
SELECT coalesce(
    (SELECT CASE WHEN pg_catalog.pg_table_is_visible(c.oid) THEN c.relname::pg_catalog.text
                 ELSE pg_catalog.concat(n.nspname, '.', c.relname) END
     FROM pg_catalog.pg_class c
     JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
     WHERE c.oid OPERATOR(pg_catalog.=) relation),
    relation::pg_catalog.text)
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
-- primary key, or as an index where several rows may have the same, and when a row was written.  Another session may be
-- doing the same: then is_new is false.  Event triggers find what the caller's search_path lets them find.
CREATE FUNCTION crisp_sync_create_target(
    source regclass, target text, schema_name text, caller_path text, keys text[], keys_repeat boolean, asked text[],
    mark boolean,
    OUT created regclass, OUT is_new boolean)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    parts text[];
    name text;
    schema text;
    columns text;
    statement text;
    index text;
BEGIN
    BEGIN
        parts := parse_ident(target);
    EXCEPTION WHEN invalid_parameter_value THEN
        -- Before 16, to_regclass() has raised this already.
        RAISE EXCEPTION '%', SQLERRM USING ERRCODE = 'invalid_name';
    END;
    name := parts[cardinality(parts)];
    schema := coalesce(parts[cardinality(parts) - 1], schema_name);
    IF schema IS NULL THEN
        RAISE EXCEPTION 'no schema has been selected to create "%" in', name
            USING ERRCODE = 'invalid_schema_name', HINT = 'Name the schema of the target, too.';
    END IF;
    SELECT string_agg(format('%I %s', c.name, c.type), ', ' ORDER BY c.number) INTO columns
    FROM @extschema@.crisp_sync_columns(source) c
    WHERE c.name <> ALL (asked || ARRAY['_synced_at', '_deleted_at']);

    is_new := true;
    BEGIN
        statement := format(
            'CREATE TABLE %I.%I (%s, _synced_at timestamp with time zone NOT NULL DEFAULT pg_catalog.now()%s%s)',
            schema, name, columns, CASE WHEN mark THEN ', _deleted_at timestamp with time zone' ELSE '' END,
            CASE WHEN NOT keys_repeat THEN format(', PRIMARY KEY (%s)', @extschema@.crisp_sync_list(keys)) ELSE '' END);
        index := CASE WHEN keys_repeat
                      THEN format('CREATE INDEX ON %I.%I (%s)', schema, name, @extschema@.crisp_sync_list(keys)) END;
        -- Event triggers have the caller's; types of columns are ours all the same.
        PERFORM set_config('search_path', CASE WHEN caller_path LIKE '%pg_catalog%' THEN 'pg_catalog, ' ELSE '' END
                                          || caller_path, true);
        EXECUTE statement;
        IF index IS NOT NULL THEN
            EXECUTE index;
        END IF;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        RAISE NOTICE 'created table %.%', quote_ident(schema), quote_ident(name);
    EXCEPTION WHEN duplicate_table OR unique_violation THEN
        -- The search_path is what it was before the block.
        is_new := false;
    END;
    IF NOT is_new THEN
        -- Names are looked up without a lock, by what this session has heard of so far.  To lock the table is to hear
        -- of it, and runs nothing of its owner's, as to plan a query of a view would; that it can't be is told later.
        BEGIN
            EXECUTE format('LOCK TABLE ONLY %I.%I IN ACCESS SHARE MODE', schema, name);
        EXCEPTION WHEN OTHERS THEN
            RAISE DEBUG 'table %.% cannot be locked: %', schema, name, SQLERRM;
        END;
    END IF;
    created := to_regclass(format('%I.%I', schema, name));
END
$$;

-- Raise an error unless a relation can be a target.
CREATE FUNCTION crisp_sync_check_target(target regclass)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    what text;
    kind "char";
    persistence "char";
    owner oid;
    secured name;
BEGIN
    SELECT c.relkind, c.relpersistence, c.relowner INTO kind, persistence, owner FROM pg_class c WHERE c.oid = target;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the target of the sync does not exist any more' USING ERRCODE = 'undefined_table';
    END IF;
    what := CASE kind
        WHEN 'r' THEN CASE WHEN persistence = 't' THEN 'a temporary table' END
        WHEN 'f' THEN 'a foreign table'
        WHEN 'p' THEN 'a partitioned table'
        WHEN 'v' THEN 'a view'
        WHEN 'm' THEN 'a materialized view'
        ELSE 'not a table' END;
    IF what IS NOT NULL THEN
        RAISE EXCEPTION 'cannot sync into "%": it is %', @extschema@.crisp_sync_name(target), what
            USING ERRCODE = 'wrong_object_type',
                HINT = 'The target is an ordinary table; one that does not exist is created.';
    END IF;
    IF NOT @extschema@.crisp_sync_may_write(target) THEN
        RAISE EXCEPTION 'permission denied to sync into "%"', @extschema@.crisp_sync_name(target)
            USING ERRCODE = 'insufficient_privilege',
                HINT = 'It takes the rights to SELECT, INSERT, UPDATE and DELETE.';
    END IF;
    -- Rows are written as the owner, who may have subjected himself to it.
    secured := CASE WHEN row_security_active(target) THEN current_user
                    WHEN EXISTS (SELECT FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
                                 WHERE c.oid = target AND c.relrowsecurity AND c.relforcerowsecurity AND NOT r.rolsuper
                                   AND NOT r.rolbypassrls)
                    THEN pg_get_userbyid(owner) END;
    IF secured IS NOT NULL THEN
        RAISE EXCEPTION 'cannot sync into "%": it has row-level security, which holds for "%"',
            @extschema@.crisp_sync_name(target), secured
            USING ERRCODE = 'insufficient_privilege',
                DETAIL = 'Rows that it hides could be neither changed nor deleted.',
                HINT = CASE WHEN secured = current_user
                           THEN 'Call crisp_sync as the owner of the table, or as a role with BYPASSRLS.'
                            ELSE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY;', target) END;
    ELSIF EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = target AND r.ev_enabled <> 'D') THEN
        RAISE EXCEPTION 'cannot sync into "%": it has rules', @extschema@.crisp_sync_name(target)
            USING ERRCODE = 'wrong_object_type', DETAIL = 'They would change what is done to its rows.',
                HINT = 'Use triggers instead.';
    END IF;
END
$$;

-- Raise an error unless rows of a target can be found again by their key, or by that of their parent where
-- several may have the same key.
CREATE FUNCTION crisp_sync_check_keys(target regclass, keys text[], argument text, keys_repeat boolean)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    needed text[] := CASE WHEN keys_repeat THEN ARRAY[argument] ELSE keys END;
    absent text[] := ARRAY(SELECT n.name FROM unnest(needed) WITH ORDINALITY n (name, number)
                           WHERE n.name NOT IN (SELECT c.name FROM @extschema@.crisp_sync_columns(target) c)
                           ORDER BY n.number);
BEGIN
    IF absent <> '{}' THEN
        RAISE EXCEPTION 'cannot sync into "%": it has no column for the key (%)', @extschema@.crisp_sync_name(target),
            @extschema@.crisp_sync_list(absent)
            USING ERRCODE = 'undefined_column',
                DETAIL = 'Columns are matched by name, and rows that change at Crisp are found again by their key.',
                HINT = 'Rename the target''s column that is meant, or declare another foreign table whose columns have '
                       'the target''s names, and sync from there.';
    ELSIF EXISTS (SELECT FROM @extschema@.crisp_sync_columns(target) c
                  WHERE c.name = ANY (keys) AND NOT c.insertable) THEN
        RAISE EXCEPTION 'cannot sync into "%": its key (%) is generated', @extschema@.crisp_sync_name(target),
            @extschema@.crisp_sync_list(keys)
            USING ERRCODE = 'invalid_table_definition', DETAIL = 'It must hold the key that rows have at Crisp.';
    ELSIF EXISTS (
        SELECT FROM pg_index i
        CROSS JOIN LATERAL (
            SELECT array_agg(a.attname::text ORDER BY n) AS columns
            FROM generate_series(0, i.indnkeyatts - 1) n
                 LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[n]) x
        WHERE i.indrelid = target AND i.indisvalid AND i.indpred IS NULL
          AND CASE WHEN keys_repeat THEN x.columns[1] = argument
                   ELSE i.indisunique AND i.indimmediate AND i.indexprs IS NULL
                        AND x.columns @> keys AND x.columns <@ keys END) THEN
        RETURN;
    ELSIF keys_repeat THEN
        RAISE EXCEPTION 'cannot sync into "%": it has no index on (%)', @extschema@.crisp_sync_name(target),
            @extschema@.crisp_sync_list(needed)
            USING ERRCODE = 'invalid_table_definition',
                DETAIL = 'Rows are found again by that.',
                HINT = format('CREATE INDEX ON %s (%s);', target, @extschema@.crisp_sync_list(keys));
    END IF;
    RAISE EXCEPTION 'cannot sync into "%": it has no unique key on (%)', @extschema@.crisp_sync_name(target),
        @extschema@.crisp_sync_list(keys)
        USING ERRCODE = 'invalid_table_definition',
            DETAIL = 'Rows that change at Crisp are found again by that key.',
            HINT = format('ALTER TABLE %s ADD UNIQUE (%s);', target, @extschema@.crisp_sync_list(keys));
END
$$;

-- Raise an error unless each copied column can take what the source has, and all that a row needs is there.
CREATE FUNCTION crisp_sync_check_types(source regclass, target regclass, columns text[])
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bad record;
BEGIN
    SELECT t.attname, format_type(t.atttypid, t.atttypmod) AS target_type,
        format_type(s.atttypid, s.atttypmod) AS source_type INTO bad
    FROM unnest(columns) WITH ORDINALITY c (name, number)
    JOIN pg_attribute s ON s.attrelid = source AND s.attname = c.name
    JOIN pg_attribute t ON t.attrelid = target AND t.attname = c.name
    WHERE c.name <> '_synced_at' AND NOT @extschema@.crisp_sync_can_assign(s.atttypid, t.atttypid)
    ORDER BY c.number LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'cannot sync into "%": column "%" is of type %, and that of the source of type %',
            @extschema@.crisp_sync_name(target), bad.attname,
            bad.target_type, bad.source_type
            USING ERRCODE = 'datatype_mismatch',
                HINT = format('Give the target''s column the type %s. To keep %s, declare another foreign table whose '
                              'column has that type, and sync from there: to alter this one would break its other '
                              'copies and queries.', bad.source_type, bad.target_type);
    END IF;
    -- A trigger may fill a column that has nothing else to fill it.
    SELECT a.attname INTO bad FROM pg_attribute a
    WHERE a.attrelid = target AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull AND NOT a.atthasdef
      AND a.attidentity = ''
      AND a.attname <> ALL (columns) AND a.attname <> ALL (ARRAY['_synced_at', '_deleted_at'])
      AND NOT EXISTS (SELECT FROM pg_type d WHERE d.oid = a.atttypid AND d.typdefault IS NOT NULL)
      AND NOT EXISTS (SELECT FROM pg_trigger g
                      WHERE g.tgrelid = target AND NOT g.tgisinternal AND g.tgtype::integer & 7 = 7)
    ORDER BY a.attnum LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'cannot sync into "%": column "%" must not be NULL, and nothing fills it',
            @extschema@.crisp_sync_name(target), bad.attname
            USING ERRCODE = 'invalid_table_definition',
                DETAIL = 'The source has no column of that name, and it has no default.',
                HINT = format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL; or give it a default.', target,
                              bad.attname);
    END IF;
END
$$;

-- The columns that source and target have in common.
CREATE FUNCTION crisp_sync_match_columns(source regclass, target regclass, asked text[])
RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT array_agg(s.name ORDER BY s.number)
FROM (SELECT c.name, c.number FROM @extschema@.crisp_sync_columns(source) c
      WHERE c.name <> ALL (asked || ARRAY['_synced_at', '_deleted_at'])
      UNION ALL SELECT '_synced_at', 32767) s
JOIN @extschema@.crisp_sync_columns(target) t ON t.name = s.name AND t.insertable
$$;

-- Those that the target lacks.
CREATE FUNCTION crisp_sync_missing_columns(source regclass, target regclass, asked text[])
RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT ARRAY(SELECT s.name
             FROM (SELECT c.name, c.number FROM @extschema@.crisp_sync_columns(source) c
                   WHERE c.name <> ALL (asked || ARRAY['_synced_at', '_deleted_at'])
                   UNION ALL SELECT '_synced_at', 32767) s
             WHERE s.name NOT IN (SELECT t.name FROM @extschema@.crisp_sync_columns(target) t)
             ORDER BY s.number)
$$;

-- Those that the target has, and fills by itself.
CREATE FUNCTION crisp_sync_generated_columns(source regclass, target regclass, asked text[])
RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT ARRAY(SELECT s.name FROM @extschema@.crisp_sync_columns(source) s
             JOIN @extschema@.crisp_sync_columns(target) t ON t.name = s.name AND NOT t.insertable
             WHERE s.name <> ALL (asked || ARRAY['_synced_at', '_deleted_at'])
             ORDER BY s.number)
$$;

-- The ALTER TABLE that adds those that the target lacks; NULL where there are none.
CREATE FUNCTION crisp_sync_add_columns(source regclass, target regclass)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT format('ALTER TABLE %s %s;', target,
              string_agg(format('ADD COLUMN %I %s', m.name, coalesce(c.type, 'timestamp with time zone')), ', '
                         ORDER BY m.number))
FROM @extschema@.crisp_sync_source(source) s
CROSS JOIN unnest(@extschema@.crisp_sync_missing_columns(source, target, s.asked)) WITH ORDINALITY m (name, number)
LEFT JOIN @extschema@.crisp_sync_columns(source) c ON c.name = m.name
HAVING count(*) > 0
$$;

COMMENT ON FUNCTION crisp_sync_add_columns(regclass, regclass) IS
    'an ALTER TABLE that adds the columns of a source that a target lacks';

-- Raise an error when another job brings rows that those of this one would replace, since they have the same keys, or
-- delete, since they aren't among what is fetched below a row of the parent.  Identifiers of Crisp's differ from
-- website to website; names, languages and operators don't.
CREATE FUNCTION crisp_sync_check_keys_differ(
    source regclass, target regclass, resource text, parent text, origin text[])
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    other record;
BEGIN
    SELECT j.source, j.resource <> crisp_sync_check_keys_differ.resource
                     AND (j.parent IS NOT NULL OR crisp_sync_check_keys_differ.parent IS NOT NULL) AS is_deleted
    INTO other FROM @extschema@.crisp_sync_job j
    WHERE j.target = crisp_sync_check_keys_differ.target AND j.source <> crisp_sync_check_keys_differ.source
      AND CASE WHEN j.resource <> crisp_sync_check_keys_differ.resource
               THEN j.parent IS NOT NULL OR crisp_sync_check_keys_differ.parent IS NOT NULL
                    OR @extschema@.crisp_sync_keys_name(j.resource)
                       = @extschema@.crisp_sync_keys_name(crisp_sync_check_keys_differ.resource)
               ELSE j.origin[2] <> crisp_sync_check_keys_differ.origin[2]
                    AND @extschema@.crisp_sync_keys_recur(j.resource) END
    ORDER BY j.job_id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'cannot sync into "%": it is the target of "%", too', @extschema@.crisp_sync_name(target),
            @extschema@.crisp_sync_name(other.source)
            USING ERRCODE = 'object_in_use',
                DETAIL = CASE WHEN other.is_deleted
                              THEN 'A sync deletes what it does not find below a row, as it would rows of the other '
                                   'source.'
                              ELSE 'Rows of both sources may have the same keys, and would replace each other.' END,
                HINT = format('Use a separate target. Or give up the other sync, SELECT crisp_sync_drop(%L, %L), and '
                              'empty the table.', other.source::text, target::text);
    END IF;
END
$$;

-- Raise an error when a full load would drop what another job has brought: this one or one that isn't finished, of
-- either job.
CREATE FUNCTION crisp_sync_check_shared(source regclass, target regclass, mode text)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    other record;
BEGIN
    SELECT j.source, j.full_since IS NOT NULL AS is_full INTO other FROM @extschema@.crisp_sync_job j
    WHERE j.target = crisp_sync_check_shared.target AND j.source <> crisp_sync_check_shared.source
    ORDER BY j.full_since IS NOT NULL DESC LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF mode = 'full' OR EXISTS (SELECT FROM @extschema@.crisp_sync_job j
                                WHERE j.target = crisp_sync_check_shared.target
                                  AND j.source = crisp_sync_check_shared.source
                                  AND j.full_since IS NOT NULL) THEN
        RAISE EXCEPTION 'cannot replace "%": it is the target of "%", too', @extschema@.crisp_sync_name(target),
            @extschema@.crisp_sync_name(other.source)
            USING ERRCODE = 'object_in_use',
                DETAIL = 'Rows of the other source would look as if they were gone from Crisp.',
                HINT = 'Use a separate target, or mode incremental.';
    ELSIF other.is_full THEN
        RAISE EXCEPTION 'cannot sync into "%": a full load of "%" is not finished', @extschema@.crisp_sync_name(target),
            @extschema@.crisp_sync_name(other.source)
            USING ERRCODE = 'object_in_use',
                DETAIL = 'It would delete the rows of another source, as if they were gone from Crisp.',
                HINT = format('Let it finish: CALL crisp_sync(%L, %L); or give it up with crisp_sync_reset.',
                              other.source::text, target::text);
    END IF;
END
$$;

-- Raise an error when a full load would drop rows of another origin, whose source was dropped or is of another
-- website by now.
CREATE FUNCTION crisp_sync_check_origins(source regclass, target regclass, origin text[], mode text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job record;
    others text;
BEGIN
    SELECT * INTO job FROM @extschema@.crisp_sync_job j
    WHERE j.source = crisp_sync_check_origins.source AND j.target = crisp_sync_check_origins.target;
    -- The same server may have come to be reached by another address.
    SELECT string_agg(format('%s of %s, from "%s"', o.origin[1],
                             concat_ws(' at ', 'website ' || o.origin[2], 'inbox ' || o.origin[3], o.origin[4]),
                             o.source), '; ' ORDER BY o.origin)
    INTO others
    FROM @extschema@.crisp_sync_my_origin o
    WHERE o.target = crisp_sync_check_origins.target AND o.origin <> crisp_sync_check_origins.origin
      AND NOT coalesce(o.origin = job.origin AND o.origin[1:3] = crisp_sync_check_origins.origin[1:3], false);
    IF others IS NULL THEN
        RETURN;
    ELSIF @extschema@.crisp_sync_is_empty(target) THEN
        DELETE FROM @extschema@.crisp_sync_my_origin o WHERE o.target = crisp_sync_check_origins.target;
    ELSIF mode = 'full' OR job.full_since IS NOT NULL THEN
        RAISE EXCEPTION 'cannot replace "%": it holds rows of another origin', @extschema@.crisp_sync_name(target)
            USING ERRCODE = 'object_not_in_prerequisite_state',
                DETAIL = format('It holds %s. They would look as if they were gone from Crisp.', others),
                HINT = format('Use mode incremental. Or delete these rows, or let the full load do so, after '
                              'SELECT crisp_sync_forget_origins(%L).', target::text);
    END IF;
END
$$;

-- Raise an error where a column that we fill ourselves can't be filled, or lacks although it's needed.
CREATE FUNCTION crisp_sync_check_marks(target regclass, needs_mark boolean)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    a pg_attribute;
    problem text;
BEGIN
    FOR a IN SELECT * FROM pg_attribute WHERE attrelid = target AND attname IN ('_synced_at', '_deleted_at')
        AND NOT attisdropped ORDER BY attname LOOP
        problem := CASE
            WHEN a.attgenerated <> '' THEN 'it is generated'
            WHEN a.attidentity <> '' THEN 'it is an identity column'
            WHEN NOT @extschema@.crisp_sync_can_assign('timestamptz'::regtype, a.atttypid)
                THEN format('it is of type %s', format_type(a.atttypid, a.atttypmod))
            WHEN a.attname = '_deleted_at'
                 AND (a.attnotnull OR (SELECT t.typnotnull FROM pg_type t WHERE t.oid = a.atttypid))
                THEN 'it must not be NULL, which says that a row is there' END;
        IF problem IS NOT NULL THEN
            RAISE EXCEPTION 'cannot sync into "%": its column % cannot hold a time: %',
                @extschema@.crisp_sync_name(target), a.attname, problem
                USING ERRCODE = 'invalid_table_definition',
                    DETAIL = 'A sync writes to a column of that name ' ||
                        CASE a.attname WHEN '_synced_at' THEN 'when a row was written.'
                            ELSE 'when a row was found to be gone.' END,
                    HINT = 'Give it type timestamp with time zone, or another name.';
        END IF;
    END LOOP;
    IF needs_mark
       AND NOT EXISTS (SELECT FROM @extschema@.crisp_sync_columns(target) c WHERE c.name = '_deleted_at') THEN
        RAISE EXCEPTION 'table "%" has no column _deleted_at', @extschema@.crisp_sync_name(target)
            USING ERRCODE = 'undefined_column',
                DETAIL = 'It takes that to tell which rows are gone from Crisp.',
                HINT = format('ALTER TABLE %s ADD COLUMN _deleted_at timestamp with time zone;', target);
    END IF;
END
$$;
