--
-- IMPORT FOREIGN SCHEMA, and the catalog that it is written from.
--

SELECT resource, count(*), min(column_name) FILTER (WHERE pushdown IS NOT NULL) AS pushed_down
  FROM crisp_fdw_columns() GROUP BY 1 ORDER BY 1;

-- every column of every resource
\pset format unaligned
SELECT resource, column_name, data_type, json_path, pushdown FROM crisp_fdw_columns();
\pset format aligned
SELECT resource, column_name FROM crisp_fdw_columns() WHERE description = '' OR description IS NULL;
-- the names are made by the flattening rule (content has two columns), and are unique
SELECT resource, column_name, json_path FROM crisp_fdw_columns()
 WHERE column_name <> replace(json_path, '.', '_');
SELECT resource, column_name, count(*) FROM crisp_fdw_columns() GROUP BY 1, 2 HAVING count(*) > 1;
-- what belongs to a website says to which
SELECT resource FROM crisp_fdw_columns() GROUP BY 1 HAVING NOT bool_or(column_name = 'website_id');

-- the default
CREATE SCHEMA imported;
IMPORT FOREIGN SCHEMA crisp FROM SERVER sandbox2 INTO imported;
SELECT c.relname, count(*) AS columns, t.ftoptions
  FROM pg_class c JOIN pg_foreign_table t ON t.ftrelid = c.oid
       JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
 WHERE c.relnamespace = 'imported'::regnamespace GROUP BY 1, 3 ORDER BY 1;
SELECT attrelid::regclass, attname, format_type(atttypid, atttypmod)
  FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
 WHERE c.relnamespace = 'imported'::regnamespace AND attnum > 0 AND attnotnull ORDER BY 1, attnum;
-- what the function says is what is imported
(SELECT resource, column_name, data_type FROM crisp_fdw_columns()
 EXCEPT SELECT c.relname, a.attname, format_type(atttypid, atttypmod)
          FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
         WHERE c.relnamespace = 'imported'::regnamespace AND attnum > 0)
UNION ALL
(SELECT c.relname, a.attname, format_type(atttypid, atttypmod) FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
  WHERE c.relnamespace = 'imported'::regnamespace AND attnum > 0
 EXCEPT SELECT resource, column_name, data_type FROM crisp_fdw_columns());
\d imported.conversations
DROP SCHEMA imported CASCADE;

-- LIMIT TO and EXCEPT
CREATE SCHEMA imported;
IMPORT FOREIGN SCHEMA crisp LIMIT TO (operators, visitors) FROM SERVER sandbox2 INTO imported;
SELECT relname FROM pg_class WHERE relnamespace = 'imported'::regnamespace ORDER BY 1;
IMPORT FOREIGN SCHEMA crisp EXCEPT (operators, visitors, conversations) FROM SERVER sandbox2 INTO imported;
SELECT relname FROM pg_class WHERE relnamespace = 'imported'::regnamespace ORDER BY 1;
DROP SCHEMA imported CASCADE;

-- types
CREATE SCHEMA imported;
IMPORT FOREIGN SCHEMA crisp LIMIT TO (conversations, people_profiles) FROM SERVER sandbox2 INTO imported
  OPTIONS (timestamp_type 'bigint', array_type 'text');
SELECT attrelid::regclass, attname, format_type(atttypid, atttypmod)
  FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
 WHERE c.relnamespace = 'imported'::regnamespace AND attnum > 0
   AND attname IN ('created_at', 'updated_at', 'active_last', 'meta_segments', 'meta_data', 'participants',
                   'segments', 'person_profiles', 'meta_device_timezone')
 ORDER BY 1, attnum;
DROP SCHEMA imported CASCADE;

-- wrong input
CREATE SCHEMA imported;
IMPORT FOREIGN SCHEMA public FROM SERVER sandbox2 INTO imported;
IMPORT FOREIGN SCHEMA crisp FROM SERVER sandbox2 INTO imported OPTIONS (types 'bigint');
IMPORT FOREIGN SCHEMA crisp FROM SERVER sandbox2 INTO imported OPTIONS (timestamp_type 'date');
IMPORT FOREIGN SCHEMA crisp FROM SERVER sandbox2 INTO imported OPTIONS (array_type 'jsonb');
SELECT count(*) FROM pg_class WHERE relnamespace = 'imported'::regnamespace;

-- names that need quotes
CREATE SERVER "Sand ""box" FOREIGN DATA WRAPPER crisp_fdw;
CREATE SCHEMA "Imported tables";
IMPORT FOREIGN SCHEMA crisp LIMIT TO (operators) FROM SERVER "Sand ""box" INTO "Imported tables";
SELECT ftrelid::regclass FROM pg_foreign_table t JOIN pg_foreign_server s ON s.oid = ftserver
 WHERE srvname = 'Sand "box';
DROP SCHEMA "Imported tables" CASCADE;
DROP SERVER "Sand ""box";
DROP SCHEMA imported;
