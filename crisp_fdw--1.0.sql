/* crisp_fdw--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION crisp_fdw" to load this file. \quit

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
    OUT pushdown text)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT STABLE PARALLEL SAFE;

COMMENT ON FUNCTION crisp_fdw_columns() IS
'the columns of every Crisp resource: type as imported, JSON path, meaning, and what of a condition on it Crisp is asked';
