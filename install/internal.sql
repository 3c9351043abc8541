--
-- The schema of what users don't call
--

-- What users don't call lies in a schema of its own.  There functions find each other, and all that they use, by
-- a name that stays, whatever becomes of the extension's schema: @extschema@ means this one (see Makefile).
CREATE SCHEMA crisp_sync_internal;
GRANT USAGE ON SCHEMA crisp_sync_internal TO PUBLIC;
