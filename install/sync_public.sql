--
-- crisp_sync: what users call and see lies in the extension's schema
--

ALTER PROCEDURE crisp_sync_internal.crisp_sync SET SCHEMA @extschema:own@;
ALTER FUNCTION crisp_sync_internal.crisp_sync_reset SET SCHEMA @extschema:own@;
ALTER FUNCTION crisp_sync_internal.crisp_sync_drop SET SCHEMA @extschema:own@;
ALTER FUNCTION crisp_sync_internal.crisp_sync_forget_origins SET SCHEMA @extschema:own@;
ALTER FUNCTION crisp_sync_internal.crisp_sync_forget_failed SET SCHEMA @extschema:own@;

CREATE FUNCTION @extschema:own@.crisp_sync_add_columns(source regclass, target regclass)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT @extschema@.crisp_sync_add_columns(source, target)
$$;

COMMENT ON FUNCTION @extschema:own@.crisp_sync_add_columns(regclass, regclass) IS
    'an ALTER TABLE that adds the columns of a source that a target lacks';

SET LOCAL search_path = @extschema:own@, crisp_sync_internal;
