--
-- crisp_sync: what users call and see lies in the extension's schema
--

ALTER PROCEDURE crisp_sync_internal.crisp_sync SET SCHEMA @extschema:own@;
ALTER FUNCTION crisp_sync_internal.crisp_sync_reset SET SCHEMA @extschema:own@;
ALTER FUNCTION crisp_sync_internal.crisp_sync_drop SET SCHEMA @extschema:own@;
SET LOCAL search_path = @extschema:own@, crisp_sync_internal;
