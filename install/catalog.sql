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
), heirs AS (
    -- What inherits from a table: a column comes to all of these.
    WITH RECURSIVE h AS (
        SELECT r.oid AS ancestor, i.inhrelid AS heir FROM relation r JOIN pg_inherits i ON i.inhparent = r.oid
        UNION
        SELECT h.ancestor, i.inhrelid FROM h JOIN pg_inherits i ON i.inhparent = h.heir)
    SELECT ancestor, heir FROM h
), chosen AS (
    -- The options with which it was imported, as its columns tell; NULL where they don't.
    SELECT r.oid, r.relnamespace, r.ftserver, r.resource,
           bool_and(c.type = 'bigint'::regtype) FILTER (WHERE c.data_type = 'timestamp with time zone') AS times,
           bool_and(c.type = 'text'::regtype) FILTER (WHERE c.data_type IN ('text[]', 'jsonb')) AS arrays
    FROM relation r JOIN catalog c ON c.oid = r.oid
    GROUP BY r.oid, r.relnamespace, r.ftserver, r.resource
), lacking AS (
    -- A column's name may be taken, also in a table that it would come to by inheritance, if it's something else there.
    SELECT DISTINCT h.oid, c.column_name, w.data_type, c.is_required, c.number
    FROM chosen h
         JOIN catalog c ON c.oid = h.oid AND c.type IS NULL
         CROSS JOIN LATERAL (
             SELECT CASE WHEN h.times AND c.data_type = 'timestamp with time zone' THEN 'bigint'
                         WHEN h.arrays AND c.data_type IN ('text[]', 'jsonb') THEN 'text'
                         ELSE c.data_type END AS data_type) w
    WHERE NOT EXISTS (SELECT FROM shown s WHERE s.oid = h.oid AND s.name = c.column_name)
      AND NOT EXISTS (
        SELECT FROM heirs i
             JOIN pg_attribute a ON a.attrelid = i.heir AND a.attname = c.column_name AND NOT a.attisdropped
        WHERE i.ancestor = h.oid
          AND (format_type(a.atttypid, a.atttypmod) <> w.data_type
               OR a.attcollation NOT IN (0, 'pg_catalog."default"'::regcollation)
               OR EXISTS (SELECT FROM pg_options_to_table(a.attfdwoptions) o
                          WHERE o.option_name = 'json_path'
                             OR o.option_name = 'column_name' AND o.option_value <> c.column_name)))
), creatable AS (
    -- A table's name may be taken, too, also by a type: one of these would fail the IMPORT as a whole.  If a schema has
    -- tables of several servers, the one that most of them are of gets the name.
    SELECT g.relnamespace, s.srvname, g.times, g.arrays, r.resource, r.number,
           row_number() OVER (PARTITION BY g.relnamespace, r.resource
                              ORDER BY cardinality(g.resources) DESC, s.srvname) AS place
    FROM (SELECT h.relnamespace, h.ftserver, bool_and(h.times) AS times, bool_and(h.arrays) AS arrays,
                 array_agg(h.resource) AS resources
          FROM chosen h WHERE name IS NULL OR to_regclass(name) IS NULL
          GROUP BY h.relnamespace, h.ftserver) g
         JOIN pg_foreign_server s ON s.oid = g.ftserver
         JOIN crisp_fdw_resources() WITH ORDINALITY
             r (resource, description, list_route, plugin_route, detail_route, count_route, written_by, number)
             ON r.resource <> ALL (g.resources)
    WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = g.relnamespace AND c.relname = r.resource)
      AND NOT EXISTS (SELECT FROM pg_type t WHERE t.typnamespace = g.relnamespace AND t.typname = r.resource)
)
SELECT l.oid::regclass, array_agg(l.column_name ORDER BY l.number),
       format(E'ALTER FOREIGN TABLE %s\n  %s;', l.oid::regclass,
              string_agg(format('ADD COLUMN %I %s OPTIONS (column_name %L)%s', l.column_name, l.data_type,
                                l.column_name, CASE WHEN l.is_required AND NOT n.are_stored THEN ' NOT NULL' END),
                         E',\n  ' ORDER BY l.number))
FROM lacking l
     -- Rows that a child has stored have no value yet.
     CROSS JOIN LATERAL (
         SELECT EXISTS (SELECT FROM heirs i JOIN pg_class k ON k.oid = i.heir AND k.relkind <> 'f'
                        WHERE i.ancestor = l.oid) AS are_stored) n
-- What a parent gets comes to its children; of two parents of a child, the first one's type counts.
WHERE NOT EXISTS (SELECT FROM heirs i JOIN lacking p ON p.oid = i.ancestor AND p.column_name = l.column_name
                  WHERE i.heir = l.oid)
  AND NOT EXISTS (SELECT FROM heirs i
                       JOIN heirs j ON j.heir = i.heir AND j.ancestor < i.ancestor
                       JOIN lacking p ON p.oid = j.ancestor AND p.column_name = l.column_name
                                     AND p.data_type <> l.data_type
                  WHERE i.ancestor = l.oid)
GROUP BY l.oid
UNION ALL
SELECT NULL, array_agg(c.resource ORDER BY c.number),
       format('IMPORT FOREIGN SCHEMA crisp LIMIT TO (%s) FROM SERVER %I INTO %s%s;',
              string_agg(quote_ident(c.resource), ', ' ORDER BY c.number), c.srvname, c.relnamespace::regnamespace,
              CASE WHEN c.times OR c.arrays
                   THEN format(' OPTIONS (%s)', concat_ws(', ',
                               CASE WHEN c.times THEN $q$timestamp_type 'bigint'$q$ END,
                               CASE WHEN c.arrays THEN $q$array_type 'text'$q$ END)) END)
FROM creatable c
WHERE c.place = 1
GROUP BY c.relnamespace, c.times, c.arrays, c.srvname
ORDER BY 3;
END;

COMMENT ON FUNCTION crisp_fdw_missing_columns(text) IS
'columns and tables that IMPORT FOREIGN SCHEMA would bring, and imported tables lack, with the statements that add '
'them: of a table, of a schema, or of all';
