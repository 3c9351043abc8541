/*-------------------------------------------------------------------------
 *
 * old_row.h
 *		Find what a row was before it's changed or removed.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_OLD_ROW_H
#define CRISP_OLD_ROW_H

#include "executor/tuptable.h"

#include "write/change.h"

/*
 * In these, place is the attribute number of the whole row in the rows of the plan, 0 where they
 * don't have it; tupdesc is the table's.
 */

/*
 * Get the row as it was before, if the plan has it.  Return false when it hasn't.  The tuple points
 * into the slot.
 */
extern bool old_row_get(AttrNumber place, TupleTableSlot *plan_slot, HeapTuple tuple);

/*
 * Return the custom data that a row had in a column of the table, as far as the plan has it, and if
 * columns, a set of attribute numbers, change that.  Palloc'd in CurrentMemoryContext.
 */
extern DataBefore old_row_data(const ChangeTable *table, AttrNumber place, AttrNumber data,
							   const Bitmapset *columns, TupleDesc tupdesc,
							   TupleTableSlot *plan_slot);

/*
 * Keep requests (ChangeRequest) that change a row from batch routes which may add to what the row
 * has, if it has anything.  Of custom data, it comes to the same: all of it is sent.
 */
extern void old_row_check_batches(const ChangeTable *table, AttrNumber place, List *requests,
								  TupleDesc tupdesc, TupleTableSlot *plan_slot);

#endif /* CRISP_OLD_ROW_H */
