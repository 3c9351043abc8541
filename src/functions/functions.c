/*-------------------------------------------------------------------------
 *
 * functions.c
 *		Define functions that SQL calls.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/extension_version.h"
#include "request/pushdown.h"
#include "http/http.h"
#include "functions/import.h"
#include "resource/writable.h"
#include "api/usage.h"
#include "api/usage_shmem.h"
#include "base/compat.h"

PG_FUNCTION_INFO_V1(crisp_fdw_resources_1_1);
PG_FUNCTION_INFO_V1(crisp_fdw_columns);
PG_FUNCTION_INFO_V1(crisp_fdw_usage);
PG_FUNCTION_INFO_V1(crisp_fdw_usage_reset);
PG_FUNCTION_INFO_V1(crisp_fdw_usage_reset_cluster);
PG_FUNCTION_INFO_V1(crisp_fdw_disconnect);

/* Result columns of crisp_fdw_resources(). */
enum
{
	RESOURCES_NAME,
	RESOURCES_DESCRIPTION,
	RESOURCES_LIST_ROUTE,
	RESOURCES_PLUGIN_ROUTE,
	RESOURCES_DETAIL_ROUTE,
	RESOURCES_COUNT_ROUTE,
	RESOURCES_WRITTEN_BY,
	RESOURCES_COUNT
};

/* Result columns of crisp_fdw_columns(). */
enum
{
	COLUMNS_RESOURCE,
	COLUMNS_NAME,
	COLUMNS_TYPE,
	COLUMNS_JSON_PATH,
	COLUMNS_DESCRIPTION,
	COLUMNS_PUSHDOWN,
	COLUMNS_IS_KEY,
	COLUMNS_IS_REQUIRED,
	COLUMNS_FOUND_IN,
	COLUMNS_LOOKUP_ROUTE,
	COLUMNS_WRITTEN_BY,
	COLUMNS_COUNT
};

/*
 * Begin the result of a set-returning function in materialize mode.
 */
static Tuplestorestate *
begin_result_set(FunctionCallInfo fcinfo, TupleDesc *tupdesc)
{
	ReturnSetInfo	*rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext	 old_context;
	Tuplestorestate *store;

	extension_version_check();
	if (rsinfo == NULL || !IsA(rsinfo, ReturnSetInfo) || !(rsinfo->allowedModes & SFRM_Materialize))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("set-valued function called in context that cannot accept a set")));
	if (get_call_result_type(fcinfo, NULL, tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	old_context = MemoryContextSwitchTo(rsinfo->econtext->ecxt_per_query_memory);
	*tupdesc = CreateTupleDescCopy(*tupdesc);
	store = tuplestore_begin_heap((rsinfo->allowedModes & SFRM_Materialize_Random) != 0, false,
								  work_mem);
	rsinfo->returnMode = SFRM_Materialize;
	rsinfo->setResult = store;
	rsinfo->setDesc = *tupdesc;
	MemoryContextSwitchTo(old_context);
	return store;
}

/*
 * Set a result column to a text, or to NULL.
 */
static void
set_text(Datum *values, bool *nulls, int column, const char *text)
{
	nulls[column] = text == NULL;
	values[column] = text ? CStringGetTextDatum(text) : (Datum) 0;
}

/*
 * List the resources of the catalog, for users.
 *
 * SQL: crisp_fdw_resources().
 */
Datum
crisp_fdw_resources_1_1(PG_FUNCTION_ARGS)
{
	TupleDesc		 tupdesc;
	Tuplestorestate *store = begin_result_set(fcinfo, &tupdesc);

	for (int i = 0; i < crisp_nresources; i++)
	{
		const CrispResource *resource = crisp_resources[i];
		Datum				 values[RESOURCES_COUNT];
		bool				 nulls[RESOURCES_COUNT];

		set_text(values, nulls, RESOURCES_NAME, resource->name);
		set_text(values, nulls, RESOURCES_DESCRIPTION, resource->description);
		set_text(values, nulls, RESOURCES_LIST_ROUTE, resource->list_route);
		set_text(values, nulls, RESOURCES_PLUGIN_ROUTE, resource->plugin_route);
		set_text(values, nulls, RESOURCES_DETAIL_ROUTE, resource->detail_route);
		set_text(values, nulls, RESOURCES_COUNT_ROUTE,
				 resource->count ? resource->count->route : NULL);
		set_text(values, nulls, RESOURCES_WRITTEN_BY, crisp_statements(resource->changes));
		tuplestore_putvalues(store, tupdesc, values, nulls);
	}
	return (Datum) 0;
}

/* Columns that read what the request asked for, and no field of Crisp's. */
static const int no_field = CRISP_ASKED | CRISP_WEBSITE | CRISP_WORD;

/*
 * Say where a column's value comes from, for users; NULL where it's never read.
 */
static const char *
found_in(const CrispColumn *column)
{
	if (column->flags & CRISP_SENT)
		return NULL;
	if (column->flags & no_field)
		return "request";
	return (column->flags & CRISP_DETAIL) ? "details" : "list";
}

/*
 * List the catalog's columns, for users; types as IMPORT has them by default.
 *
 * SQL: crisp_fdw_columns().
 */
Datum
crisp_fdw_columns(PG_FUNCTION_ARGS)
{
	TupleDesc		 tupdesc;
	Tuplestorestate *store = begin_result_set(fcinfo, &tupdesc);
	ImportTypes		 types = {false, false};

	for (int r = 0; r < crisp_nresources; r++)
	{
		const CrispResource *resource = crisp_resources[r];

		for (int c = 0; c < resource->ncolumns; c++)
		{
			const CrispColumn *column = &resource->columns[c];
			const CrispLookup *lookup = crisp_resource_lookup(resource, column->path);
			const char		  *name = crisp_column_name(resource, column);
			bool			   asked = (column->flags & no_field) != 0;
			Datum			   values[COLUMNS_COUNT];
			bool			   nulls[COLUMNS_COUNT] = {false};

			set_text(values, nulls, COLUMNS_RESOURCE, resource->name);
			set_text(values, nulls, COLUMNS_NAME, name);
			set_text(values, nulls, COLUMNS_TYPE, import_type_name(column->type, types));
			set_text(values, nulls, COLUMNS_JSON_PATH, asked ? NULL : column->path);
			set_text(values, nulls, COLUMNS_DESCRIPTION, column->description);
			set_text(values, nulls, COLUMNS_PUSHDOWN, pushdown_describe(resource, column));
			values[COLUMNS_IS_KEY] = BoolGetDatum((column->flags & CRISP_KEY) != 0);
			values[COLUMNS_IS_REQUIRED] = BoolGetDatum((column->flags & CRISP_REQUIRED) != 0);
			set_text(values, nulls, COLUMNS_FOUND_IN, found_in(column));
			set_text(values, nulls, COLUMNS_LOOKUP_ROUTE, lookup ? lookup->route : NULL);
			set_text(values, nulls, COLUMNS_WRITTEN_BY, crisp_written_by(resource->changes, name));
			tuplestore_putvalues(store, tupdesc, values, nulls);
		}
	}
	return (Datum) 0;
}

/* Result columns of crisp_fdw_usage(). */
enum
{
	USAGE_COLUMN_SCOPE,
	USAGE_COLUMN_DATABASE,
	USAGE_COLUMN_SERVER,
	USAGE_COLUMN_SINCE,
	USAGE_COLUMN_REQUESTS,
	USAGE_COLUMN_RETRIES,
	USAGE_COLUMN_OUTCOMES, /* the first of USAGE_OUTCOMES columns, in that order */
	USAGE_COLUMN_ROWS = USAGE_COLUMN_OUTCOMES + USAGE_OUTCOMES,
	USAGE_COLUMN_BYTES,
	USAGE_COLUMN_WAIT_TIME,
	USAGE_COLUMN_LAST_ERROR,
	USAGE_COLUMN_LAST_ERROR_AT,
	USAGE_COLUMN_COUNT
};

/* The result of crisp_fdw_usage() in the making. */
typedef struct UsageResult
{
	Tuplestorestate *store;
	TupleDesc		 tupdesc;
	const char		*scope;
} UsageResult;

/*
 * Convert a text whose encoding may be another database's to this one's.
 */
static char *
foreign_text(const char *text, Oid database)
{
	char *result = pstrdup(text);

	for (char *c = result; *c != '\0' && database != MyDatabaseId; c++)
		if ((unsigned char) *c > 127)
			*c = '?';
	return result;
}

/*
 * Say whether the current user may see what went wrong for a role: it names what was asked for.
 */
static bool
may_see_error(const UsageError *error)
{
	return error->at != 0 && (has_privs_of_role(GetUserId(), error->role) ||
							  has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS));
}

/*
 * Add a row to the result of crisp_fdw_usage(); a UsageVisitor.
 */
static void
put_usage(const Usage *usage, void *arg)
{
	UsageResult		  *result = arg;
	const UsageCounts *counts = &usage->counts;
	char			  *database = get_database_name(usage->database);
	Datum			   values[USAGE_COLUMN_COUNT] = {0};
	bool			   nulls[USAGE_COLUMN_COUNT] = {false};

	values[USAGE_COLUMN_SCOPE] = CStringGetTextDatum(result->scope);
	nulls[USAGE_COLUMN_DATABASE] = database == NULL;
	values[USAGE_COLUMN_DATABASE] = database ? CStringGetTextDatum(database) : (Datum) 0;
	values[USAGE_COLUMN_SERVER] = CStringGetTextDatum(
		foreign_text(NameStr(usage->server_name), usage->database));
	values[USAGE_COLUMN_SINCE] = TimestampTzGetDatum(usage->since);
	values[USAGE_COLUMN_REQUESTS] = Int64GetDatum(counts->requests);
	values[USAGE_COLUMN_RETRIES] = Int64GetDatum(counts->retries);
	for (int i = 0; i < USAGE_OUTCOMES; i++)
		values[USAGE_COLUMN_OUTCOMES + i] = Int64GetDatum(counts->outcomes[i]);
	values[USAGE_COLUMN_ROWS] = Int64GetDatum(counts->rows);
	values[USAGE_COLUMN_BYTES] = Int64GetDatum(counts->bytes);
	values[USAGE_COLUMN_WAIT_TIME] = Float8GetDatum(counts->wait_ms);
	nulls[USAGE_COLUMN_LAST_ERROR] = !may_see_error(&usage->error);
	values[USAGE_COLUMN_LAST_ERROR] = CStringGetTextDatum(
		foreign_text(usage->error.text, usage->database));
	nulls[USAGE_COLUMN_LAST_ERROR_AT] = usage->error.at == 0;
	values[USAGE_COLUMN_LAST_ERROR_AT] = TimestampTzGetDatum(usage->error.at);
	tuplestore_putvalues(result->store, result->tupdesc, values, nulls);
}

/*
 * Tell what was spent, by server: by this session, and by the whole cluster where that's known.
 *
 * SQL: crisp_fdw_usage().
 */
Datum
crisp_fdw_usage(PG_FUNCTION_ARGS)
{
	UsageResult result = {.scope = "session"};

	result.store = begin_result_set(fcinfo, &result.tupdesc);
	usage_visit_session(put_usage, &result);

	usage_publish();
	result.scope = "cluster";
	usage_shmem_visit(put_usage, &result);
	return (Datum) 0;
}

/*
 * Begin anew with the session's counts.
 *
 * SQL: crisp_fdw_usage_reset().
 */
Datum
crisp_fdw_usage_reset(PG_FUNCTION_ARGS)
{
	extension_version_check();
	usage_reset_session();
	PG_RETURN_VOID();
}

/*
 * Begin anew with the cluster's counts.  Return whether there are any.  Who may call it is a matter
 * of GRANT.
 *
 * SQL: crisp_fdw_usage_reset_cluster().
 */
Datum
crisp_fdw_usage_reset_cluster(PG_FUNCTION_ARGS)
{
	extension_version_check();
	usage_publish();
	PG_RETURN_BOOL(usage_shmem_reset());
}

/*
 * Close the session's idle connections to a server.  Those in use are closed when they no longer
 * are.  Return whether there were any.
 *
 * SQL: crisp_fdw_disconnect(server).
 */
Datum
crisp_fdw_disconnect(PG_FUNCTION_ARGS)
{
	ForeignServer *server;

	extension_version_check();
	server = GetForeignServerByName(NameStr(*PG_GETARG_NAME(0)), false);
	PG_RETURN_BOOL(http_pool_close(server->serverid));
}
