/*-------------------------------------------------------------------------
 *
 * quota_status.c
 *		Show what was spent of Crisp's quotas: crisp_fdw_quota().
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/tuplestore.h"

#include "base/extension_version.h"
#include "api/quota.h"

PG_FUNCTION_INFO_V1(crisp_fdw_quota);

enum QuotaColumn
{
	QUOTA_COLUMN_SERVER,
	QUOTA_COLUMN_TOKEN,
	QUOTA_COLUMN_DAY,
	QUOTA_COLUMN_REQUESTS,
	QUOTA_COLUMN_TOKEN_REQUESTS,
	QUOTA_COLUMN_DOCUMENTED,
	QUOTA_COLUMN_DAILY,
	QUOTA_COLUMN_RESERVED,
	QUOTA_COLUMN_LEFT,
	QUOTA_COLUMN_COUNT
};

/*
 * Set a column to a number, or to NULL where there is no limit.
 */
static void
set_limit(Datum *values, bool *nulls, int column, int64 limit)
{
	nulls[column] = limit == 0;
	values[column] = Int64GetDatum(limit);
}

/*
 * Add a row to the result; a QuotaVisitor.
 */
static void
put_use(const QuotaUse *use, void *arg)
{
	ReturnSetInfo	   *result = arg;
	ForeignServer	   *server;
	const CrispOptions *options;
	int64				limit;
	Datum				values[QUOTA_COLUMN_COUNT] = {0};
	bool				nulls[QUOTA_COLUMN_COUNT] = {false};

	if (use->database != MyDatabaseId)
		return;
	server = GetForeignServerExtended(use->server, FSV_MISSING_OK);
	if (server == NULL)
		return;

	options = options_of_server(use->server);
	limit = options->daily_requests ? options->daily_requests : use->documented;
	values[QUOTA_COLUMN_SERVER] = CStringGetTextDatum(server->servername);
	values[QUOTA_COLUMN_TOKEN] = CStringGetTextDatum(psprintf("%08x", (uint32) use->token));
	values[QUOTA_COLUMN_DAY] = DateADTGetDatum(use->day + UNIX_EPOCH_JDATE - POSTGRES_EPOCH_JDATE);
	values[QUOTA_COLUMN_REQUESTS] = Int64GetDatum(use->requests);
	values[QUOTA_COLUMN_TOKEN_REQUESTS] = Int64GetDatum(use->token_requests);
	set_limit(values, nulls, QUOTA_COLUMN_DOCUMENTED, use->documented);
	set_limit(values, nulls, QUOTA_COLUMN_DAILY, options->daily_requests);
	set_limit(values, nulls, QUOTA_COLUMN_RESERVED, options->reserved_requests);
	nulls[QUOTA_COLUMN_LEFT] = limit == 0;
	values[QUOTA_COLUMN_LEFT] = Int64GetDatum(Max(limit - use->token_requests, 0));
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * Tell what was spent through the servers of this database, by token and day.
 *
 * SQL: crisp_fdw_quota(days).
 */
Datum
crisp_fdw_quota(PG_FUNCTION_ARGS)
{
	int days = PG_GETARG_INT32(0);

	extension_version_check();
	if (days < 1 || days > QUOTA_DAYS)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("days must be between 1 and %d", QUOTA_DAYS)));
	InitMaterializedSRF(fcinfo, 0);
	quota_visit(quota_today() - days + 1, put_use, fcinfo->resultinfo);
	return (Datum) 0;
}
