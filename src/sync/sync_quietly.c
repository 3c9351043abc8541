/*-------------------------------------------------------------------------
 *
 * sync_quietly.c
 *		Run statements of crisp_sync() and crisp_push() whose errors don't show them.
 *
 * PL/pgSQL adds to an error each statement and function that has led to it: pages of what is
 * nobody's business.  An error that ends the session can't be caught to take that away, so it isn't
 * put there.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "base/extension_version.h"
#include "sync/sync_call.h"
#include "sync/sync_rows.h"

PG_FUNCTION_INFO_V1(crisp_sync_quietly);

/* Arguments of crisp_sync_quietly(). */
enum
{
	QUIETLY_SHAPE,
	QUIETLY_STATEMENT,
	QUIETLY_PARAMETERS
};

/*
 * Take the fields of a row as parameters of a statement.
 */
static SyncParameters
read_parameters(HeapTupleHeader row)
{
	TupleDesc	   tupdesc = lookup_rowtype_tupdesc_copy(HeapTupleHeaderGetTypeId(row),
														 HeapTupleHeaderGetTypMod(row));
	SyncParameters parameters;
	HeapTupleData  tuple;
	bool		  *isnull = palloc(sizeof(bool) * Max(tupdesc->natts, 1));
	char		  *nulls = palloc(tupdesc->natts + 1);

	parameters.count = tupdesc->natts;
	parameters.types = palloc(sizeof(Oid) * Max(tupdesc->natts, 1));
	parameters.values = palloc(sizeof(Datum) * Max(tupdesc->natts, 1));
	parameters.nulls = nulls;
	tuple.t_len = HeapTupleHeaderGetDatumLength(row);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = row;
	heap_deform_tuple(&tuple, tupdesc, parameters.values, isnull);
	for (int i = 0; i < tupdesc->natts; i++)
	{
		parameters.types[i] = TupleDescAttr(tupdesc, i)->atttypid;
		nulls[i] = isnull[i] ? 'n' : ' ';
	}
	return parameters;
}

/*
 * Run a statement, and return the value in its first row, which must be of a type; NULL where there
 * is no row.  The value is made in the memory context given.
 */
static Datum
run(const char *statement, const SyncParameters *parameters, Oid type, MemoryContext context,
	bool *isnull)
{
	SyncRows	   *rows = sync_rows_run(statement, parameters);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(rows->tupdesc, &TTSOpsMinimalTuple);
	Datum			value = (Datum) 0;

	if (rows->tupdesc->natts != 1 || TupleDescAttr(rows->tupdesc, 0)->atttypid != type)
		elog(ERROR, "crisp_fdw: a statement does not give the type \"%s\"", format_type_be(type));
	*isnull = true;
	if (tuplestore_gettupleslot(rows->store, true, false, slot))
		value = slot_getattr(slot, 1, isnull);
	if (!*isnull)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		int16		  length;
		bool		  by_value;

		get_typlenbyval(type, &length, &by_value);
		value = datumCopy(value, by_value, length);
		MemoryContextSwitchTo(old);
	}
	ExecDropSingleTupleTableSlot(slot);
	sync_rows_free(rows);
	return value;
}

/*
 * Run a statement, whose parameters are the fields of a row, and return its only value, of the type
 * of the first argument.  The CONTEXT of an error has neither the statement nor who called, and is
 * kept for crisp_sync_context().
 *
 * SQL: crisp_sync_quietly(shape, statement, parameters).
 */
Datum
crisp_sync_quietly(PG_FUNCTION_ARGS)
{
	MemoryContext		  caller = CurrentMemoryContext;
	ErrorContextCallback *outer = error_context_stack;
	Datum				  value = (Datum) 0;
	bool				  isnull = true;

	extension_version_check();
	sync_call_begin();
	error_context_stack = NULL;
	PG_TRY();
	{
		static const int needed[] = {QUIETLY_STATEMENT, QUIETLY_PARAMETERS};
		SyncParameters	 parameters;

		sync_call_check_given(fcinfo, needed, lengthof(needed));
		SPI_connect();
		parameters = read_parameters(PG_GETARG_HEAPTUPLEHEADER(QUIETLY_PARAMETERS));
		value = run(sync_call_text(fcinfo, QUIETLY_STATEMENT), &parameters,
					get_fn_expr_argtype(fcinfo->flinfo, QUIETLY_SHAPE), caller, &isnull);
		SPI_finish();
	}
	PG_CATCH();
	{
		sync_call_failed(caller);
		PG_RE_THROW();
	}
	PG_END_TRY();
	error_context_stack = outer;
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(value);
}
