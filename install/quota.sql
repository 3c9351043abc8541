--
-- Requests by day
--

CREATE FUNCTION crisp_fdw_quota(
    days integer DEFAULT 1,
    OUT server text,
    OUT token text,
    OUT day date,
    OUT requests bigint,
    OUT token_requests bigint,
    OUT documented_quota bigint,
    OUT daily_requests bigint,
    OUT reserved_requests bigint,
    OUT requests_left bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION crisp_fdw_quota(integer) IS
'requests to Crisp by server, token and day (UTC), for so many days, and what is left of the quota';

CREATE VIEW crisp_fdw_quota AS
SELECT * FROM crisp_fdw_quota();

COMMENT ON VIEW crisp_fdw_quota IS 'today''s requests to Crisp, by server and token, and what is left of the quota';

GRANT SELECT ON crisp_fdw_quota TO PUBLIC;
