--
-- crisp_sync: what a run is to do
--

-- What is copied from where to where: the same all through a run.
CREATE TYPE crisp_sync_copy AS (
    source regclass,
    target regclass,
    origin text[],              -- whose rows they are, see crisp_sync_origin_of()
    keys text[],
    columns text[],             -- those that are copied
    guard text,                 -- the one that tells which of two versions of a row is the newer; or NULL
    argument text,              -- the one that names a row of the parent; or NULL
    keys_repeat boolean,        -- several rows below a parent may have the same key
    list regclass,              -- the table that windows go over: the source, or the parent
    scope text[],               -- which rows it shows, see crisp_sync_scope_of()
    list_key text,              -- of the parent; or NULL
    sync_field text,            -- column of the list by which changes are found; or NULL
    dates_field text,           -- column of the list that windows go by; or NULL
    way text,                   -- how changes are found: dates, as they are later than all that was covered; order, by
                                -- sync_field from the newest on; all, where each run reads all
    details text[],             -- columns that a request for each row brings, if the list is read for others first
    missing text[],             -- columns of the source that the target lacks, or fills by itself
    per_page integer,
    prefetch integer,           -- requests of the list that may be under way together
    source_name text,           -- names when the run began: what is dropped meanwhile has none
    target_name text,
    list_name text
);

-- The call that a run is of: the same all through the run, once that has begun.
CREATE TYPE crisp_sync_call AS (
    job_id bigint,
    run_id bigint,
    mode text,
    condition text,
    reference timestamptz,
    overlap interval,
    started_at timestamptz,     -- before the first request
    first_request bigint,       -- requests of the statement when the run began
    last_request bigint,        -- most that it may have made in the end; NULL for any number
    limited_by text            -- what is to be raised for more
);

-- How far a run is, handed from one step to the next.
CREATE TYPE crisp_sync_progress AS (
    phase text,                 -- changes, history, closing; in the end: end, exhausted, failed
    range tstzrange,            -- of dates_field, that the call is about
    changes tstzrange,          -- to be read besides windows: changes by sync_field, or a list without dates; or NULL
    has_budget boolean,         -- for which the run has all of its requests,
    passes integer,             -- over these changes, so far,
    versions text[],            -- what they have brought,
    keyless integer,            -- how many rows without a key among that,
    newest timestamptz,         -- what was newest before the last of them began; of sync_field
    pass_requests bigint,       -- and what that has taken
    kept text,                  -- condition for rows that the copy is to have, over the alias f; NULL for all
    whole boolean,              -- what is covered was read by this run alone
    moves boolean,              -- what has moved while a full load read all is too much to be read at once
    by_date boolean,            -- the list isn't in the order that was asked for: read it by time spans
    found tstzmultirange,       -- what earlier runs had left
    in_vain boolean,            -- the next run will have as much to do
    adapted boolean,            -- the next run has another way to go on, after a failure of this one
    probes integer,             -- requests that are kept for the estimate of what is left
    window_rows integer,        -- rows of the parent that a window asks for at most; NULL: as many as usual
    first_window_rows integer,  -- when the run began
    cuts integer,               -- that were made one after the other, of windows with more rows than one request brings
    unbounded boolean          -- the list isn't limited to the dates asked for: read it as a whole; NULL: not known
);

-- What a column holds a time as: timestamp with or without time zone, or bigint, whatever domain or precision; NULL
-- where it can't.  Step: what two times may differ by, and yet look the same.
CREATE FUNCTION crisp_sync_kind(relation regclass, name text, OUT kind text, OUT step interval)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
WITH RECURSIVE base (type, typmod) AS (
    SELECT a.atttypid, a.atttypmod FROM pg_attribute a
    WHERE a.attrelid = relation AND a.attname = crisp_sync_kind.name AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT t.typbasetype, t.typtypmod FROM base b JOIN pg_type t ON t.oid = b.type AND t.typtype = 'd')
SELECT CASE b.type WHEN 'timestamptz'::regtype THEN 'timestamp with time zone'
                   WHEN 'timestamp'::regtype THEN 'timestamp without time zone'
                   WHEN 'bigint'::regtype THEN 'bigint' END,
       CASE WHEN b.typmod BETWEEN 0 AND 2 THEN interval '1 second' ELSE interval '1 millisecond' END
FROM base b JOIN pg_type t ON t.oid = b.type AND t.typtype <> 'd'
$$;

-- A time column of a relation as a timestamptz: an expression; NULL if it holds no times.
CREATE FUNCTION crisp_sync_time(relation regclass, name text, prefix text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT CASE k.kind
    WHEN 'timestamp with time zone' THEN prefix || quote_ident(name)
    WHEN 'timestamp without time zone' THEN format('(%s%I AT TIME ZONE ''UTC'')', prefix, name)
    WHEN 'bigint' THEN format('(''1970-01-01 00:00:00+00''::timestamptz + %s%I * interval ''1 millisecond'')',
                                prefix, name)
    END
FROM @extschema@.crisp_sync_kind(relation, name) k
$$;

-- The condition that a time column is in a range, whose bounds are the parameters $1 and $2; a bound
-- that isn't finite is left out.  What else it says is always true, but only PostgreSQL knows: so pages are as
-- large as they can be, and not fitted to a LIMIT.
CREATE FUNCTION crisp_sync_within(relation regclass, name text, range tstzrange)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kind text := (SELECT k.kind FROM @extschema@.crisp_sync_kind(relation, name) k);
    bound text := CASE kind
        WHEN 'timestamp with time zone' THEN '%s'
        WHEN 'timestamp without time zone' THEN '(%s AT TIME ZONE ''UTC'')'
        WHEN 'bigint' THEN '(extract(epoch FROM %s) * 1000)'
        END;
    lower text := format(CASE WHEN kind <> 'bigint' THEN bound
                              WHEN lower_inc(range) THEN 'ceil' || bound || '::bigint'
                              ELSE 'floor' || bound || '::bigint' END, '$1');
    upper text := format(CASE WHEN kind <> 'bigint' THEN bound
                              WHEN upper_inc(range) THEN 'floor' || bound || '::bigint'
                              ELSE 'ceil' || bound || '::bigint' END, '$2');
    conditions text[] := ARRAY['s.tableoid <> 0'];
BEGIN
    IF isfinite(lower(range)) THEN
        conditions := conditions
            || format('s.%I %s %s', name, CASE WHEN lower_inc(range) THEN '>=' ELSE '>' END, lower);
    END IF;
    IF isfinite(upper(range)) THEN
        conditions := conditions
            || format('s.%I %s %s', name, CASE WHEN upper_inc(range) THEN '<=' ELSE '<' END, upper);
    END IF;
    RETURN array_to_string(conditions, ' AND ');
END
$$;

-- The column that a sync_field means: one of that name, or one that shows that time of Crisp's under another
-- name.  NULL for a table without times, which is read as a whole.
CREATE FUNCTION crisp_sync_find_field(list regclass, times text[], time_paths text[], has_times boolean, field text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    candidates text[] := ARRAY(
        SELECT c.name FROM @extschema@.crisp_sync_columns(list) c
        WHERE @extschema@.crisp_sync_time(list, c.name, '') IS NOT NULL
          AND ((SELECT k.kind FROM @extschema@.crisp_sync_kind(list, c.name) k) <> 'bigint' OR c.name = ANY (times)));
    found text := times[array_position(time_paths, field)];
BEGIN
    IF field = ANY (candidates) THEN
        RETURN field;
    ELSIF found = ANY (candidates) THEN
        RETURN found;
    ELSIF NOT has_times AND coalesce(field, 'updated_at') = 'updated_at' THEN
        -- That's what a call has which names none.
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'sync_field "%" is not a column of "%" that holds a time', field, @extschema@.crisp_sync_name(list)
        USING ERRCODE = 'undefined_column',
            HINT = CASE WHEN has_times
                        THEN format('Columns that do: %s', coalesce(@extschema@.crisp_sync_list(candidates), 'none'))
                        ELSE 'It needs none: each run reads all rows. Leave sync_field out.' END;
END
$$;

-- What a job remembers of its sync_field: the path of that time of Crisp's, which outlives another name of the column.
CREATE FUNCTION crisp_sync_path(list regclass, field text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT coalesce(s.time_paths[array_position(s.times, field)], field) FROM @extschema@.crisp_sync_source(list) s
$$;

-- Raise an error for a parameter that can't be.
CREATE FUNCTION crisp_sync_check_call(
    mode text, condition text, reference timestamptz, max_requests integer, overlap interval, deleted text,
    daily_quota integer)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem text;
    hint text;
BEGIN
    IF mode IS NULL OR mode NOT IN ('incremental', 'full') THEN
        problem := format('invalid mode "%s"', mode);
        hint := 'Valid values are: incremental, full';
    ELSIF condition IS NULL OR condition NOT IN ('newer', 'older') THEN
        problem := format('invalid condition "%s"', condition);
        hint := 'Valid values are: newer, older';
    ELSIF condition = 'older' AND reference IS NULL THEN
        problem := 'condition "older" needs a reference';
        hint := 'All runs before the last one were of rows that are older than it; name a time.';
    ELSIF reference IS NOT NULL AND NOT isfinite(reference) THEN
        problem := 'reference must be finite';
    ELSIF mode = 'full' AND reference IS NOT NULL THEN
        problem := 'a full load takes no reference';
        hint := 'It is of all rows. Leave out reference and condition, or use mode incremental.';
    ELSIF max_requests < 1 THEN
        problem := 'max_requests must be at least 1';
        hint := 'NULL means no limit.';
    ELSIF overlap IS NULL OR overlap < interval '0' THEN
        problem := 'overlap must not be negative';
    ELSIF overlap > interval '1000 years' THEN
        problem := 'overlap must not be more than 1000 years';
    ELSIF deleted IS NULL OR deleted NOT IN ('delete', 'mark') THEN
        problem := format('invalid value for deleted: "%s"', deleted);
        hint := 'Valid values are: delete, mark';
    ELSIF daily_quota < 1 THEN
        problem := 'daily_quota must be at least 1';
    ELSE
        RETURN;
    END IF;
    IF hint IS NULL THEN
        RAISE EXCEPTION '%', problem USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RAISE EXCEPTION '%', problem USING ERRCODE = 'invalid_parameter_value', HINT = hint;
END
$$;

-- The table over which the windows of a run go, and by what: the source itself, or the table of its parent.
CREATE FUNCTION crisp_sync_find_list(
    INOUT copy crisp_sync_copy, resource text, parent_resource text, parent regclass, kept regclass)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    catalog record;
BEGIN
    copy.list := copy.source;
    IF parent_resource IS NOT NULL THEN
        copy.list := @extschema@.crisp_sync_find_parent(copy.source, parent_resource,
                                                         coalesce(parent, kept));
        catalog := @extschema@.crisp_sync_source(copy.list);
        IF catalog.resource <> parent_resource THEN
            RAISE EXCEPTION 'the parent of "%" is a table of %, not of %', @extschema@.crisp_sync_name(copy.source),
                parent_resource, catalog.resource
                USING ERRCODE = 'wrong_object_type';
        ELSIF (@extschema@.crisp_sync_scope_of(copy.list))[1] IS DISTINCT FROM copy.origin[2] THEN
            RAISE EXCEPTION 'the parent of "%" is a table of another website', @extschema@.crisp_sync_name(copy.source)
                USING ERRCODE = 'object_not_in_prerequisite_state',
                    DETAIL = format('It is "%s".', @extschema@.crisp_sync_name(copy.list));
        END IF;
        copy.list_key := catalog.keys[1];
        IF copy.list_key IS NULL THEN
            RAISE EXCEPTION 'table "%" lacks its key', @extschema@.crisp_sync_name(copy.list)
                USING ERRCODE = 'undefined_column',
                    HINT = format('SELECT column_name, json_path FROM crisp_fdw_columns() WHERE resource = %L AND '
                                  'is_key has what it is called, and where it lies.', catalog.resource);
        END IF;
    ELSIF parent IS NOT NULL THEN
        RAISE EXCEPTION '% have no parent', resource
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave the parameter parent out.';
    ELSE
        catalog := @extschema@.crisp_sync_source(copy.list);
    END IF;
    copy.scope := @extschema@.crisp_sync_scope_of(copy.list);
    copy.per_page := catalog.per_page;
    copy.prefetch := catalog.prefetch;
    copy.sync_field := @extschema@.crisp_sync_find_field(copy.list, catalog.times, catalog.time_paths,
                                                         catalog.has_times,
                                                           copy.sync_field);
    IF copy.sync_field IS NOT NULL THEN
        copy.dates_field := catalog.dates[1];
        IF copy.dates_field IS NOT NULL AND @extschema@.crisp_sync_time(copy.list, copy.dates_field, '') IS NULL THEN
            copy.dates_field := NULL;
        END IF;
    END IF;
    copy.way := CASE WHEN copy.sync_field IS NULL THEN 'all'
                     WHEN copy.sync_field = ANY (catalog.bounded)
                     THEN CASE WHEN copy.dates_field IS NULL THEN 'order' ELSE 'dates' END
                     WHEN copy.sync_field = ANY (catalog.ordered) THEN 'order'
                     ELSE 'all' END;
    -- Rows that change without their time come with the list, for no request more; their details don't.
    IF copy.list = copy.source AND copy.sync_field IS NOT NULL AND copy.way = 'all' AND copy.dates_field IS NULL
       AND catalog.has_details THEN
        copy.details := ARRAY(SELECT c.name FROM @extschema@.crisp_sync_columns(copy.source) c
                              WHERE c.name <> ALL (catalog.listed));
        IF copy.details = '{}' OR NOT catalog.keys <@ catalog.listed OR copy.sync_field <> ALL (catalog.listed) THEN
            copy.details := NULL;
        END IF;
    END IF;
END
$$;

-- The table of parents that a job has used so far, if it is still one, on the server and of the website of the source;
-- or NULL.  One that somebody makes beside it is no reason to look for another.
CREATE FUNCTION crisp_sync_kept_parent(copy crisp_sync_copy, target regclass, parent_resource text)
RETURNS regclass
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT j.parent
FROM @extschema@.crisp_sync_job j
JOIN pg_foreign_table f ON f.ftrelid = j.parent
JOIN pg_foreign_table sf ON sf.ftrelid = j.source AND sf.ftserver = f.ftserver
JOIN pg_class c ON c.oid = j.parent
WHERE j.source = copy.source AND j.target = crisp_sync_kept_parent.target
  -- In this order: what was dropped, or is another table by now, has no scope.
  AND CASE WHEN coalesce((SELECT o.option_value FROM pg_options_to_table(f.ftoptions) o
                          WHERE o.option_name = 'resource'), c.relname) = parent_resource
           THEN (@extschema@.crisp_sync_scope_of(j.parent))[1] IS NOT DISTINCT FROM copy.origin[2]
           ELSE false END
$$;

-- The foreign table of a resource on the server of another one, in its schema: of several, the one that has the
-- resource's name.
CREATE FUNCTION crisp_sync_find_parent(source regclass, parent_resource text, parent regclass)
RETURNS regclass
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found regclass[];
BEGIN
    IF parent IS NOT NULL THEN
        RETURN parent;
    END IF;
    -- A table without the option resource is named after it.
    found := ARRAY(
        SELECT c.oid::regclass
        FROM pg_class c JOIN pg_foreign_table f ON f.ftrelid = c.oid
        JOIN pg_class sc ON sc.oid = source AND sc.relnamespace = c.relnamespace
        JOIN pg_foreign_table sf ON sf.ftrelid = sc.oid AND sf.ftserver = f.ftserver
        WHERE coalesce((SELECT o.option_value FROM pg_options_to_table(f.ftoptions) o WHERE o.option_name = 'resource'),
                       c.relname) = parent_resource
          AND (SELECT o.option_value FROM pg_options_to_table(f.ftoptions) o WHERE o.option_name = 'website_id')
              IS NOT DISTINCT FROM
              (SELECT o.option_value FROM pg_options_to_table(sf.ftoptions) o WHERE o.option_name = 'website_id')
          AND (SELECT o.option_value FROM pg_options_to_table(f.ftoptions) o WHERE o.option_name = 'inbox')
              IS NOT DISTINCT FROM
              (SELECT o.option_value FROM pg_options_to_table(sf.ftoptions) o WHERE o.option_name = 'inbox')
        ORDER BY c.relname <> parent_resource);
    IF cardinality(found) = 1 OR (SELECT c.relname = parent_resource FROM pg_class c WHERE c.oid = found[1]) THEN
        RETURN found[1];
    END IF;
    RAISE EXCEPTION 'cannot tell the table of % that belongs to "%"', parent_resource,
        @extschema@.crisp_sync_name(source)
        USING ERRCODE = 'undefined_table',
            DETAIL = format('On its server, in its schema, for its website and inbox, there are %s of them.',
                            cardinality(found)),
            HINT = 'Name it: parent => ''schema.table''';
END
$$;

-- Look at source and target, create the latter when it's absent, and say what is copied.
CREATE FUNCTION crisp_sync_plan(
    source regclass, target text, target_table regclass, schema_name text, caller_path text, mode text, sync_field text,
    deleted text,
    parent regclass)
RETURNS crisp_sync_copy
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    copy @extschema@.crisp_sync_copy;
    catalog record;
    made record;
BEGIN
    DELETE FROM @extschema@.crisp_sync_orphan;
    DELETE FROM @extschema@.crisp_sync_orphan_origin;
    DELETE FROM @extschema@.crisp_sync_orphan_failed_call;
    catalog := @extschema@.crisp_sync_source(source);
    copy.source := source;
    copy.origin := @extschema@.crisp_sync_origin_of(source);
    copy.keys := catalog.keys;
    IF catalog.key_length = 0 THEN
        RAISE EXCEPTION 'rows of % have no key', catalog.resource
            USING ERRCODE = 'undefined_column', DETAIL = 'One that changes could not be found again.',
                HINT = 'Copy them into a materialized view.';
    ELSIF cardinality(catalog.keys) < catalog.key_length THEN
        RAISE EXCEPTION 'table "%" lacks its key', @extschema@.crisp_sync_name(source)
            USING ERRCODE = 'undefined_column', DETAIL = 'Without it, a row that changes could not be found again.',
                HINT = format('SELECT column_name, json_path FROM crisp_fdw_columns() WHERE resource = %L AND is_key '
                              'has what it is called, and where it lies.', catalog.resource);
    END IF;
    copy.argument := catalog.argument[1];
    copy.keys_repeat := catalog.keys_repeat;
    IF EXISTS (SELECT FROM pg_attribute a
               WHERE a.attrelid = source AND a.attname = copy.argument AND a.attnum > 0
                 AND a.atttypid NOT IN ('text'::regtype, 'varchar'::regtype)) THEN
        RAISE EXCEPTION 'column "%" of "%" is not of type text', copy.argument, @extschema@.crisp_sync_name(source)
            USING ERRCODE = 'datatype_mismatch', DETAIL = 'Crisp is asked for its rows by that.';
    END IF;
    copy.sync_field := sync_field;
    copy := @extschema@.crisp_sync_find_list(
        copy, catalog.resource, catalog.parent, parent,
        @extschema@.crisp_sync_kept_parent(copy, target_table, catalog.parent));

    IF target_table IS NULL THEN
        made := @extschema@.crisp_sync_create_target(source, target, schema_name, caller_path, catalog.keys,
                                                     catalog.keys_repeat,
                                                              catalog.asked, deleted = 'mark');
        target_table := made.created;
        -- What is known of a table that had its OID before is not true of it.
        DELETE FROM @extschema@.crisp_sync_my_job j
        WHERE made.is_new AND j.source = crisp_sync_plan.source AND j.target = target_table;
        DELETE FROM @extschema@.crisp_sync_my_origin o WHERE made.is_new AND o.target = target_table;
    END IF;
    PERFORM @extschema@.crisp_sync_check_target(target_table);
    PERFORM @extschema@.crisp_sync_check_keys(target_table, catalog.keys, copy.argument, copy.keys_repeat);
    PERFORM @extschema@.crisp_sync_check_marks(target_table,
                                               deleted = 'mark' AND (mode = 'full' OR copy.argument IS NOT NULL));
    PERFORM @extschema@.crisp_sync_check_keys_differ(source, target_table, catalog.resource, catalog.parent,
                                                     copy.origin);
    PERFORM @extschema@.crisp_sync_check_shared(source, target_table, mode);
    PERFORM @extschema@.crisp_sync_check_origins(source, target_table, copy.origin, mode);
    copy.target := target_table;
    copy.columns := @extschema@.crisp_sync_match_columns(source, target_table, catalog.asked);
    copy.missing := @extschema@.crisp_sync_missing_columns(source, target_table, catalog.asked)
                    || @extschema@.crisp_sync_generated_columns(source, target_table, catalog.asked);
    PERFORM @extschema@.crisp_sync_check_types(source, target_table, copy.columns);
    IF catalog.changed[1] = ANY (copy.columns) THEN
        copy.guard := catalog.changed[1];
    END IF;
    copy.source_name := @extschema@.crisp_sync_name(copy.source);
    copy.target_name := @extschema@.crisp_sync_name(copy.target);
    copy.list_name := @extschema@.crisp_sync_name(copy.list);
    RETURN copy;
END
$$;
