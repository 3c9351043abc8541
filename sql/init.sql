--
-- The extension, and a server that stands for the sandbox, which the other
-- tests use.  Identifier and key are those of the sandbox's first website.
--

\set url `echo "$CRISP_SANDBOX_URL"`
CREATE EXTENSION crisp_fdw;
CREATE SERVER sandbox FOREIGN DATA WRAPPER crisp_fdw
  OPTIONS (base_url :'url', website_id '8c842203-7ed8-4e29-a608-7cf78a7d2fcc');
CREATE USER MAPPING FOR CURRENT_USER SERVER sandbox
  OPTIONS (tier 'website',
           identifier '56a80adf-1630-4103-963a-7cbb0279fc13',
           key '87c37bf5799850486a7b9a691832a36c9c97dd8291bbb4f2bb6686e8f2278848');
CREATE SCHEMA crisp;
IMPORT FOREIGN SCHEMA crisp FROM SERVER sandbox INTO crisp;

-- A server that is never asked: for tests of options.
CREATE SERVER sandbox2 FOREIGN DATA WRAPPER crisp_fdw;
SELECT fdwname, fdwhandler::regproc, fdwvalidator::regproc FROM pg_foreign_data_wrapper WHERE fdwname = 'crisp_fdw';

-- A plan as all versions of PostgreSQL would print it: 16 puts a column first, 17 knows what can't be NULL, 17 and 19
-- name an InitPlan otherwise, and 19 tells what a Result stands for.
CREATE FUNCTION plan_of(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || statement LOOP
    CONTINUE WHEN line ~ '^ +(Replaces: |Filter: \(\w+ IS NOT NULL\)$)';
    line := regexp_replace(line, 'InitPlan .*', 'InitPlan');
    RETURN NEXT regexp_replace(line, '\((\w+) = (local\.id)\)', '(\2 = \1)');
  END LOOP;
END
$$;
