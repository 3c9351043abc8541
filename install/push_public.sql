--
-- crisp_push: what users call lies in the extension's schema
--

ALTER PROCEDURE crisp_sync_internal.crisp_push SET SCHEMA @extschema:own@;
ALTER FUNCTION crisp_sync_internal.crisp_push_reset SET SCHEMA @extschema:own@;
ALTER FUNCTION crisp_sync_internal.crisp_push_drop SET SCHEMA @extschema:own@;
ALTER FUNCTION crisp_sync_internal.crisp_push_forget_failed SET SCHEMA @extschema:own@;
ALTER FUNCTION crisp_sync_internal.crisp_push_decide SET SCHEMA @extschema:own@;
ALTER FUNCTION crisp_sync_internal.crisp_push_problems SET SCHEMA @extschema:own@;

SET LOCAL search_path = @extschema:own@, crisp_sync_internal;
