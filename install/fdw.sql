/* crisp_fdw--1.0.sql: made from the files in install */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION crisp_fdw" to load this file. \quit

-- What is as it was in 1.0: an update leaves it alone, with all that users have made and granted of it.  What changes
-- from here on goes into a part of its own (CONTRIBUTING.md, "A new version").

CREATE FUNCTION crisp_fdw_handler()
RETURNS fdw_handler
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT;

CREATE FUNCTION crisp_fdw_validator(text[], oid)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT;

CREATE FOREIGN DATA WRAPPER crisp_fdw
  HANDLER crisp_fdw_handler
  VALIDATOR crisp_fdw_validator;

CREATE FUNCTION crisp_fdw_columns(
    OUT resource text,
    OUT column_name text,
    OUT data_type text,
    OUT json_path text,
    OUT description text,
    OUT pushdown text,
    OUT is_key boolean,
    OUT is_required boolean,
    OUT found_in text,
    OUT lookup_route text,
    OUT written_by text)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT STABLE PARALLEL SAFE;

COMMENT ON FUNCTION crisp_fdw_columns() IS
'the columns of every Crisp resource: type as imported, JSON path, meaning, and what of a condition on it Crisp is '
'asked, and what can write it';

CREATE FUNCTION crisp_fdw_usage(
    OUT scope text,
    OUT database text,
    OUT server text,
    OUT since timestamptz,
    OUT requests bigint,
    OUT retries bigint,
    OUT answered bigint,
    OUT rate_limited bigint,
    OUT refused bigint,
    OUT server_errors bigint,
    OUT unreachable bigint,
    OUT timed_out bigint,
    OUT broken_off bigint,
    OUT unusable bigint,
    OUT abandoned bigint,
    OUT rows bigint,
    OUT bytes bigint,
    OUT wait_time double precision,
    OUT last_error text,
    OUT last_error_at timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION crisp_fdw_usage() IS
'requests to Crisp and what came of them, by server: of this session, and of the whole cluster where that is known';

CREATE VIEW crisp_fdw_usage AS
SELECT * FROM crisp_fdw_usage();

GRANT SELECT ON crisp_fdw_usage TO PUBLIC;

CREATE FUNCTION crisp_fdw_usage_reset()
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION crisp_fdw_usage_reset() IS
'begin anew with what crisp_fdw_usage() counts for this session';

CREATE FUNCTION crisp_fdw_usage_reset_cluster()
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;

REVOKE ALL ON FUNCTION crisp_fdw_usage_reset_cluster() FROM PUBLIC;

COMMENT ON FUNCTION crisp_fdw_usage_reset_cluster() IS
'begin anew with what crisp_fdw_usage() counts for the whole cluster; false where that is not known';

CREATE FUNCTION crisp_fdw_disconnect(server_name name)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION crisp_fdw_disconnect(name) IS
'close the connections that this session keeps to a server; false when there are none';

CREATE FUNCTION crisp_fdw_check(
    server_name name,
    OUT tier text,
    OUT website_id text,
    OUT website_name text,
    OUT website_domain text,
    OUT account_id text,
    OUT account_name text,
    OUT latency double precision,
    OUT requests bigint,
    OUT status text,
    OUT detail text,
    OUT hint text)
RETURNS record
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE;

COMMENT ON FUNCTION crisp_fdw_check(name) IS
'whether the credentials of the current user for a server are good, and for what; or what is wrong';
