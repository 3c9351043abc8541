/*-------------------------------------------------------------------------
 *
 * old_row.c
 *		Find what a row was before it's changed or removed.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/executor.h"

#include "write/old_row.h"

bool
old_row_get(AttrNumber place, TupleTableSlot *plan_slot, HeapTuple tuple)
{
	bool  isnull = true;
	Datum value = 0;

	if (AttributeNumberIsValid(place))
		value = ExecGetJunkAttribute(plan_slot, place, &isnull);
	if (isnull)
		return false;

	tuple->t_data = DatumGetHeapTupleHeader(value);
	tuple->t_len = HeapTupleHeaderGetDatumLength(tuple->t_data);
	ItemPointerSetInvalid(&tuple->t_self);
	tuple->t_tableOid = InvalidOid;
	return true;
}

DataBefore
old_row_data(const ChangeTable *table, AttrNumber place, AttrNumber data, const Bitmapset *columns,
			 TupleDesc tupdesc, TupleTableSlot *plan_slot)
{
	HeapTupleData old;
	Datum		  value;
	bool		  isnull;

	if (data == InvalidAttrNumber || !change_writes_data(table, columns) ||
		!old_row_get(place, plan_slot, &old))
		return (DataBefore){.known = false};
	value = heap_getattr(&old, data, tupdesc, &isnull);
	return data_before(table, data, value, isnull);
}

/*
 * Say whether a row has nothing in a column, as the plan has it.
 */
static bool
was_empty(const ChangeTable *table, AttrNumber place, const char *catalog_name, TupleDesc tupdesc,
		  TupleTableSlot *plan_slot)
{
	AttrNumber	  attnum = change_attribute(table, catalog_name);
	HeapTupleData old;
	const char	 *text;
	Datum		  value;
	bool		  isnull;

	if (!old_row_get(place, plan_slot, &old))
		return false;
	value = heap_getattr(&old, attnum, tupdesc, &isnull);
	if (isnull)
		return true;
	text = encoder_text(table->columns[attnum - 1].encoder, value);
	return strcmp(text, "{}") == 0 || strcmp(text, "[]") == 0;
}

void
old_row_check_batches(const ChangeTable *table, AttrNumber place, List *requests, TupleDesc tupdesc,
					  TupleTableSlot *plan_slot)
{
	ListCell *lc;

	foreach(lc, requests)
	{
		ChangeRequest *request = lfirst(lc);

		if (request->batch != NULL && request->batch->adds && request->data == NULL &&
			!was_empty(table, place, request->batch->column, tupdesc, plan_slot))
			request->batch = NULL;
	}
}
