/*-------------------------------------------------------------------------
 *
 * function.c
 *		SQL-callable functions.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "import.h"
#include "condition.h"
#include "resource.h"

PG_FUNCTION_INFO_V1(crisp_fdw_columns);

/* Result columns of crisp_fdw_columns(). */
enum
{
	COLUMNS_RESOURCE,
	COLUMNS_NAME,
	COLUMNS_TYPE,
	COLUMNS_JSON_PATH,
	COLUMNS_DESCRIPTION,
	COLUMNS_PUSHDOWN,
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
 * crisp_fdw_columns(): the catalog, for users; types as IMPORT has them by default.
 */
Datum
crisp_fdw_columns(PG_FUNCTION_ARGS)
{
	TupleDesc		 tupdesc;
	Tuplestorestate *store = begin_result_set(fcinfo, &tupdesc);
	ImportTypes		 types = {false, false};

	for (int r = 0; r < crisp_nresources; r++)
	{
		const CrispResource *resource = &crisp_resources[r];

		for (int c = 0; c < resource->ncolumns; c++)
		{
			const CrispColumn *column = &resource->columns[c];
			char			  *pushdown = condition_describe(resource, column);
			Datum			   values[COLUMNS_COUNT];
			bool			   nulls[COLUMNS_COUNT] = {false};

			values[COLUMNS_RESOURCE] = CStringGetTextDatum(resource->name);
			values[COLUMNS_NAME] = CStringGetTextDatum(crisp_column_name(resource, column));
			values[COLUMNS_TYPE] = CStringGetTextDatum(import_type_name(column->type, types));
			nulls[COLUMNS_JSON_PATH] = (column->flags & CRISP_ASKED) != 0;
			values[COLUMNS_JSON_PATH] = CStringGetTextDatum(column->path);
			values[COLUMNS_DESCRIPTION] = CStringGetTextDatum(column->description);
			nulls[COLUMNS_PUSHDOWN] = pushdown == NULL;
			values[COLUMNS_PUSHDOWN] = pushdown ? CStringGetTextDatum(pushdown) : (Datum) 0;
			tuplestore_putvalues(store, tupdesc, values, nulls);
		}
	}
	return (Datum) 0;
}
