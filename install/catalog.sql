--
-- The catalog: what can be imported
--

CREATE FUNCTION crisp_fdw_resources(
    OUT resource text,
    OUT description text,
    OUT list_route text,
    OUT plugin_route text,
    OUT detail_route text,
    OUT count_route text,
    OUT written_by text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'crisp_fdw_resources_1_1'
LANGUAGE C STRICT STABLE PARALLEL SAFE;

COMMENT ON FUNCTION crisp_fdw_resources() IS
'the Crisp resources that a foreign table can stand for, the routes of the API that they come from, and the statements '
'that can write their rows';

-- What IMPORT FOREIGN SCHEMA would bring that isn't there.  A body of its own kind: it finds what it calls whatever
-- becomes of this schema's name, while the parameter is looked up by the caller's search_path.
CREATE FUNCTION crisp_fdw_missing_columns(
    name text DEFAULT NULL,
    OUT foreign_table regclass,
    OUT missing text[],
    OUT statement text)
RETURNS SETOF record
LANGUAGE sql STABLE
BEGIN ATOMIC
WITH relation AS (
    SELECT c.oid, c.relnamespace, f.ftserver,
           coalesce((SELECT o.option_value FROM pg_options_to_table(f.ftoptions) o WHERE o.option_name = 'resource'),
                    c.relname) AS resource
    FROM pg_foreign_table f
         JOIN pg_class c ON c.oid = f.ftrelid
         JOIN pg_foreign_server s ON s.oid = f.ftserver
         JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw AND w.fdwhandler = 'crisp_fdw_handler'::regproc
    WHERE NOT c.relispartition
      AND CASE WHEN name IS NULL THEN true
               WHEN to_regclass(name) IS NOT NULL THEN c.oid = to_regclass(name)
               WHEN EXISTS (SELECT FROM pg_namespace n WHERE name IN (n.nspname, quote_ident(n.nspname)))
               THEN (SELECT name IN (n.nspname, quote_ident(n.nspname)) FROM pg_namespace n
                     WHERE n.oid = c.relnamespace)
               ELSE name::regclass IS NULL END
), shown AS (
    SELECT r.oid, a.attname::text AS name, a.atttypid AS type, coalesce(o.column_name, a.attname) AS column_name,
           o.json_path
    FROM relation r
         JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
         CROSS JOIN LATERAL (
             SELECT max(x.option_value) FILTER (WHERE x.option_name = 'column_name') AS column_name,
                    max(x.option_value) FILTER (WHERE x.option_name = 'json_path') AS json_path
             FROM pg_options_to_table(a.attfdwoptions) x) o
), catalog AS (
    SELECT r.oid, c.column_name, c.data_type, c.is_required, c.number, s.type
    FROM relation r
         JOIN crisp_fdw_columns() WITH ORDINALITY
             c (resource, column_name, data_type, json_path, description, pushdown, is_key, is_required, found_in,
                lookup_route, written_by, number) ON c.resource = r.resource
         LEFT JOIN shown s ON s.oid = r.oid AND CASE WHEN s.json_path IS NULL THEN s.column_name = c.column_name
                                                     ELSE s.json_path = c.json_path END
), chosen AS (
    -- The options with which it was imported, as its columns tell; NULL where they don't.
    SELECT r.oid, r.relnamespace, r.ftserver, r.resource,
           bool_and(c.type = 'bigint'::regtype) FILTER (WHERE c.data_type = 'timestamp with time zone') AS times,
           bool_and(c.type = 'text'::regtype) FILTER (WHERE c.data_type IN ('text[]', 'jsonb')) AS arrays
    FROM relation r JOIN catalog c ON c.oid = r.oid
    GROUP BY r.oid, r.relnamespace, r.ftserver, r.resource
)
SELECT h.oid::regclass, array_agg(c.column_name ORDER BY c.number),
       format(E'ALTER FOREIGN TABLE %s\n  %s;', h.oid::regclass,
              string_agg(format('ADD COLUMN %I %s OPTIONS (column_name %L)%s', c.column_name,
                                CASE WHEN h.times AND c.data_type = 'timestamp with time zone' THEN 'bigint'
                                     WHEN h.arrays AND c.data_type IN ('text[]', 'jsonb') THEN 'text'
                                     ELSE c.data_type END,
                                c.column_name, CASE WHEN c.is_required THEN ' NOT NULL' END),
                         E',\n  ' ORDER BY c.number))
FROM chosen h
     JOIN (SELECT DISTINCT c.oid, c.column_name, c.data_type, c.is_required, c.number FROM catalog c
           WHERE c.type IS NULL
             AND NOT EXISTS (SELECT FROM shown s WHERE s.oid = c.oid AND s.name = c.column_name)) c ON c.oid = h.oid
GROUP BY h.oid, h.times, h.arrays
UNION ALL
SELECT NULL, array_agg(r.resource ORDER BY r.number),
       format('IMPORT FOREIGN SCHEMA crisp LIMIT TO (%s) FROM SERVER %I INTO %s%s;',
              string_agg(quote_ident(r.resource), ', ' ORDER BY r.number), s.srvname, g.relnamespace::regnamespace,
              CASE WHEN g.times OR g.arrays
                   THEN format(' OPTIONS (%s)', concat_ws(', ',
                               CASE WHEN g.times THEN $q$timestamp_type 'bigint'$q$ END,
                               CASE WHEN g.arrays THEN $q$array_type 'text'$q$ END)) END)
FROM (SELECT h.relnamespace, h.ftserver, bool_and(h.times) AS times, bool_and(h.arrays) AS arrays,
             array_agg(h.resource) AS resources
      FROM chosen h WHERE name IS NULL OR to_regclass(name) IS NULL
      GROUP BY h.relnamespace, h.ftserver) g
     JOIN pg_foreign_server s ON s.oid = g.ftserver
     JOIN crisp_fdw_resources() WITH ORDINALITY
         r (resource, description, list_route, plugin_route, detail_route, count_route, written_by, number)
         ON r.resource <> ALL (g.resources)
-- One name that is taken would fail the IMPORT as a whole; a table takes that of a type, too.
WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = g.relnamespace AND c.relname = r.resource)
  AND NOT EXISTS (SELECT FROM pg_type t WHERE t.typnamespace = g.relnamespace AND t.typname = r.resource)
GROUP BY g.relnamespace, g.times, g.arrays, s.srvname
ORDER BY 3;
END;

COMMENT ON FUNCTION crisp_fdw_missing_columns(text) IS
'columns and tables that IMPORT FOREIGN SCHEMA would bring, and imported tables lack, with the statements that add '
'them: of a table, of a schema, or of all';
