-- The part of docs/reference.md that is written from the catalog, as Markdown.
-- Run it with psql -XAtq, where the extension is installed; tools/reference.sh
-- puts the result into its place.
\pset format unaligned
\pset tuples_only on
\pset null ''

-- Text as a cell of a table, in which | would end it.
CREATE FUNCTION pg_temp.cell(text, code boolean DEFAULT true) RETURNS text IMMUTABLE LANGUAGE sql AS
$$SELECT CASE WHEN $1 IS NULL THEN ''
              WHEN code THEN '`' || replace($1, '|', '\|') || '`'
              ELSE replace($1, '|', '\|') END$$;

WITH resources AS (
    SELECT *, row_number() OVER () AS place FROM crisp_fdw_resources()
),
columns AS (
    SELECT *, row_number() OVER () AS place FROM crisp_fdw_columns()
),
writes AS (
    SELECT resource,
           string_agg(pg_temp.cell(column_name), ', ' ORDER BY place) FILTER (WHERE written_by ~ 'INSERT') AS inserted,
           string_agg(pg_temp.cell(column_name), ', ' ORDER BY place) FILTER (WHERE written_by ~ 'UPDATE') AS updated
      FROM columns WHERE written_by IS NOT NULL GROUP BY resource
),
lines AS (
    SELECT place, 0 AS column_place,
           format(E'\n### %s\n\n%s. From `GET %s`%s%s%s.%s%s%s\n\n', resource,
                  upper(left(description, 1)) || substr(description, 2), list_route,
                  ', with a token of tier `plugin` from `GET ' || plugin_route || '`',
                  ', columns marked ¹ from `GET ' || detail_route || '`',
                  ', `count(*)` from `GET ' || count_route || '`',
                  ' `INSERT` can give ' || inserted || '.', ' `UPDATE` can change ' || updated || '.',
                  CASE WHEN written_by ~ 'DELETE' THEN ' `DELETE` removes rows.' END)
           || E'| column | type | JSON path | meaning | asked of Crisp |\n|---|---|---|---|---|' AS line
      FROM resources LEFT JOIN writes USING (resource)
    UNION ALL
    SELECT r.place, c.place,
           format('| %s%s%s | %s | %s | %s | %s |', pg_temp.cell(column_name),
                  CASE WHEN is_key THEN ' (key)' WHEN is_required THEN ' (not null)' ELSE '' END,
                  CASE found_in WHEN 'details' THEN ' ¹' ELSE '' END,
                  pg_temp.cell(data_type), pg_temp.cell(json_path),
                  pg_temp.cell(c.description, false), pg_temp.cell(pushdown, false))
      FROM columns c JOIN resources r USING (resource)
)
SELECT line FROM lines ORDER BY place, column_place;
