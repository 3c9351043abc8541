/*-------------------------------------------------------------------------
 *
 * sync_rows.c
 *		Bring rows from Crisp into a copy.
 *
 * What is fetched with the rights of one role is written with those of
 * another, so rows are kept in between, and shown to the statements that
 * write them as a table of its own, as triggers see transition tables.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/queryenvironment.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/acl.h"

#include "base/compat.h"
#include "fetch/pager.h"
#include "sync/sync_call.h"
#include "sync/sync_rows.h"

/* Rows that are taken from a statement at a time. */
#define BATCH_ROWS 1000

/* How the values of one column are converted. */
typedef struct ColumnConversion
{
	const char *table;
	const char *column;
	ExprState  *state;
} ColumnConversion;

/*
 * Make room for rows, whose description is whole.
 */
SyncRows *
sync_rows_begin(TupleDesc tupdesc)
{
	SyncRows *rows = palloc(sizeof(SyncRows));

	compat_finalize_tupdesc(tupdesc);
	rows->tupdesc = tupdesc;
	rows->store = tuplestore_begin_heap(true, false, work_mem);
	return rows;
}

/*
 * Run a plan by a cursor, and keep its rows.  SPI then adds no text of the statement to errors,
 * which is as long as the table is wide.
 */
static SyncRows *
run_plan(SPIPlanPtr plan, const SyncParameters *parameters, SyncParts *parts, bool before)
{
	Portal	  portal = SPI_cursor_open(NULL, plan, parameters ? parameters->values : NULL,
									   parameters ? parameters->nulls : NULL, before);
	SyncRows *rows;

	sync_call_prepares(false);
	if (parts != NULL && portal->queryDesc != NULL)
		sync_parts_begin(parts, portal->queryDesc);
	rows = sync_rows_begin(CreateTupleDescCopy(portal->tupDesc));
	for (;;)
	{
		SPI_cursor_fetch(portal, true, BATCH_ROWS);
		for (uint64 i = 0; i < SPI_processed; i++)
			tuplestore_puttuple(rows->store, SPI_tuptable->vals[i]);
		SPI_freetuptable(SPI_tuptable);
		if (SPI_processed < BATCH_ROWS)
			break;
	}
	if (parts != NULL)
		sync_parts_end(parts);
	SPI_cursor_close(portal);
	return rows;
}

/*
 * Run a statement, and keep its rows; before: as things were when the function that SQL called
 * began.  An answer without a row is made sure of, whatever the scan mode is: what isn't there will
 * be deleted.
 */
static SyncRows *
run(const char *statement, const SyncParameters *parameters, SyncParts *parts, bool before)
{
	bool	   made_sure = pager_makes_sure;
	SPIPlanPtr plan;
	SyncRows  *rows = NULL;

	sync_call_prepares(true);
	plan = SPI_prepare(statement, parameters ? parameters->count : 0,
					   parameters ? parameters->types : NULL);
	if (plan == NULL)
		elog(ERROR, "could not prepare a statement: %s", SPI_result_code_string(SPI_result));
	pager_makes_sure = true;
	PG_TRY();
	{
		rows = run_plan(plan, parameters, parts, before);
	}
	PG_FINALLY();
	{
		pager_makes_sure = made_sure;
	}
	PG_END_TRY();
	SPI_freeplan(plan);
	return rows;
}

/*
 * Run a statement, and keep its rows.
 */
SyncRows *
sync_rows_run(const char *statement, const SyncParameters *parameters)
{
	return sync_rows_run_parts(statement, parameters, NULL);
}

/*
 * Run a statement, and keep its rows, for parts of a list.
 */
SyncRows *
sync_rows_run_parts(const char *statement, const SyncParameters *parameters, SyncParts *parts)
{
	return run(statement, parameters, parts, false);
}

/*
 * Run a statement that sees what was there before.
 */
SyncRows *
sync_rows_run_before(const char *statement)
{
	return run(statement, NULL, NULL, true);
}

/*
 * Run a statement that gives one row of one number.
 */
int64
sync_rows_number(const char *statement, const SyncParameters *parameters)
{
	SyncRows	   *rows = sync_rows_run(statement, parameters);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(rows->tupdesc, &TTSOpsMinimalTuple);
	int64			number = 0;
	bool			isnull = true;

	if (tuplestore_gettupleslot(rows->store, true, false, slot))
		number = DatumGetInt64(slot_getattr(slot, 1, &isnull));
	ExecDropSingleTupleTableSlot(slot);
	sync_rows_free(rows);
	return isnull ? 0 : number;
}

/*
 * Raise an error where a conversion would run somebody else's function as the owner of the target.
 *
 * Who owns a type may have said how it becomes another one.  As the owner of the target, it may do
 * what PostgreSQL and that owner say, and no more.
 */
static void
check_cast(Oid source, Oid target)
{
	CoercionPathType path;
	Oid				 function = InvalidOid;
	HeapTuple		 tuple;
	Oid				 owner;

	source = getBaseType(source);
	target = getBaseType(target);
	if (source == target)
		return;
	path = find_coercion_pathway(target, source, COERCION_ASSIGNMENT, &function);
	if (path == COERCION_PATH_ARRAYCOERCE)
	{
		check_cast(get_element_type(source), get_element_type(target));
		return;
	}
	if (path != COERCION_PATH_FUNC || function < FirstNormalObjectId)
		return;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	if (owner != GetUserId() && !superuser_arg(owner))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("cannot convert %s to %s as the owner of the target",
							   format_type_be(source), format_type_be(target)),
						errdetail("The cast is a function of another role.")));
}

/*
 * Say which column an error is about.
 */
static void
conversion_error(void *arg)
{
	const ColumnConversion *conversion = arg;

	errcontext("column \"%s\" of table \"%s\"", conversion->column, conversion->table);
}

/*
 * Prepare to convert a column of rows to one of a table, as an INSERT does.
 */
static void
prepare_conversion(ColumnConversion *conversion, EState *estate, TupleDesc rows, int number,
				   Relation table, AttrNumber attnum, bool is_restricted)
{
	Form_pg_attribute from = TupleDescAttr(rows, number - 1);
	Form_pg_attribute to = TupleDescAttr(RelationGetDescr(table), attnum - 1);
	Node *value = (Node *) makeVar(1, number, from->atttypid, from->atttypmod, from->attcollation,
								   0);

	conversion->table = RelationGetRelationName(table);
	conversion->column = NameStr(to->attname);
	if (is_restricted)
		check_cast(from->atttypid, to->atttypid);
	value = coerce_to_target_type(NULL, value, from->atttypid, to->atttypid, to->atttypmod,
								  COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
	if (value == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg(
				 "column \"%s\" of table \"%s\" is of type %s, and that of the source of type %s",
				 conversion->column, conversion->table, format_type_be(to->atttypid),
				 format_type_be(from->atttypid))));
	conversion->state = ExecPrepareExpr((Expr *) value, estate);
}

/*
 * Return the number of the column of rows that has a name.
 */
static int
column_of(TupleDesc rows, const char *name)
{
	for (int i = 0; i < rows->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(rows, i)->attname), name) == 0)
			return i + 1;
	elog(ERROR, "column \"%s\" was not fetched", name);
}

/*
 * Describe a column of rows that is as one of a table.
 */
static void
describe_column(TupleDesc rows, int number, Relation table, AttrNumber attnum)
{
	Form_pg_attribute column = TupleDescAttr(RelationGetDescr(table), attnum - 1);
	char			  name[NAMEDATALEN];

	snprintf(name, sizeof(name), "c%d", number);
	TupleDescInitEntry(rows, (AttrNumber) number, name, column->atttypid, column->atttypmod,
					   column->attndims);
	TupleDescInitEntryCollation(rows, (AttrNumber) number, column->attcollation);
}

/*
 * Convert the values of a row.  Return false if one of the needed ones is NULL.
 */
static bool
convert_row(ColumnConversion *conversions, int ncolumns, const int *needed, int nneeded,
			ExprContext *econtext, Datum *values, bool *nulls)
{
	ErrorContextCallback callback;

	callback.callback = conversion_error;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	for (int i = 0; i < ncolumns; i++)
	{
		callback.arg = &conversions[i];
		values[i] = ExecEvalExprSwitchContext(conversions[i].state, econtext, &nulls[i]);
	}
	error_context_stack = callback.previous;
	for (int i = 0; i < nneeded; i++)
		if (nulls[needed[i]])
			return false;
	return true;
}

/*
 * Convert rows to what the columns of a table hold.
 */
SyncRows *
sync_rows_convert(SyncRows *rows, Relation table, const AttrNumber *attnums, int ncolumns,
				  const int *needed, int nneeded, bool is_restricted)
{
	EState			 *estate = CreateExecutorState();
	ExprContext		 *econtext = GetPerTupleExprContext(estate);
	TupleTableSlot	 *slot = MakeSingleTupleTableSlot(rows->tupdesc, &TTSOpsMinimalTuple);
	TupleDesc		  tupdesc = CreateTemplateTupleDesc(ncolumns + 1);
	ColumnConversion *conversions = palloc0(sizeof(ColumnConversion) * ncolumns);
	Datum			 *values = palloc(sizeof(Datum) * (ncolumns + 1));
	bool			 *nulls = palloc0(sizeof(bool) * (ncolumns + 1));
	SyncRows		 *converted;
	int64			  number = 0;

	for (int i = 0; i < ncolumns; i++)
	{
		const char *name = NameStr(TupleDescAttr(RelationGetDescr(table), attnums[i] - 1)->attname);

		prepare_conversion(&conversions[i], estate, rows->tupdesc, column_of(rows->tupdesc, name),
						   table, attnums[i], is_restricted);
		describe_column(tupdesc, i + 1, table, attnums[i]);
	}
	TupleDescInitEntry(tupdesc, (AttrNumber) (ncolumns + 1), "number", INT8OID, -1, 0);

	converted = sync_rows_begin(tupdesc);
	econtext->ecxt_scantuple = slot;
	tuplestore_select_read_pointer(rows->store, 0);
	tuplestore_rescan(rows->store);
	while (tuplestore_gettupleslot(rows->store, true, false, slot))
	{
		CHECK_FOR_INTERRUPTS();
		ResetExprContext(econtext);
		if (!convert_row(conversions, ncolumns, needed, nneeded, econtext, values, nulls))
			continue;
		values[ncolumns] = Int64GetDatum(++number);
		tuplestore_putvalues(converted->store, tupdesc, values, nulls);
	}
	ExecDropSingleTupleTableSlot(slot);
	FreeExecutorState(estate);
	return converted;
}

/*
 * Convert texts to rows of one column, as a column of a table holds them.
 */
SyncRows *
sync_rows_of_texts(Datum array, Relation table, AttrNumber attnum)
{
	const char *name = NameStr(TupleDescAttr(RelationGetDescr(table), attnum - 1)->attname);
	TupleDesc	tupdesc = CreateTemplateTupleDesc(1);
	Datum	   *texts;
	bool	   *nulls;
	int			count;
	int			first = 0;
	SyncRows   *rows;
	SyncRows   *converted;

	TupleDescInitEntry(tupdesc, 1, name, TEXTOID, -1, 0);
	rows = sync_rows_begin(tupdesc);
	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &texts, &nulls,
					  &count);
	for (int i = 0; i < count; i++)
		tuplestore_putvalues(rows->store, tupdesc, &texts[i], &nulls[i]);
	converted = sync_rows_convert(rows, table, &attnum, 1, &first, 1, false);
	sync_rows_free(rows);
	return converted;
}

/*
 * Let statements see rows as a table.
 */
void
sync_rows_show(SyncRows *rows, const char *name)
{
	EphemeralNamedRelation relation = palloc0(sizeof(EphemeralNamedRelationData));

	relation->md.name = pstrdup(name);
	relation->md.reliddesc = InvalidOid;
	relation->md.tupdesc = rows->tupdesc;
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	relation->md.enrtuples = (double) tuplestore_tuple_count(rows->store);
	relation->reldata = rows->store;
	if (SPI_register_relation(relation) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register \"%s\"", name);
}

/*
 * Let statements see such a table no more.
 */
void
sync_rows_hide(const char *name)
{
	if (SPI_unregister_relation(name) != SPI_OK_REL_UNREGISTER)
		elog(ERROR, "could not unregister \"%s\"", name);
}

/*
 * Let go of rows.
 */
void
sync_rows_free(SyncRows *rows)
{
	tuplestore_end(rows->store);
	FreeTupleDesc(rows->tupdesc);
	pfree(rows);
}
