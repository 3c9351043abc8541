/*-------------------------------------------------------------------------
 *
 * stored_list.c
 *		Read all rows of a list into a store, in place of what a scan is reading.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "executor/executor.h"
#include "utils/memutils.h"

#include "api/api_error.h"
#include "scan/stored_list.h"
#include "scan/scan_source.h"

/*
 * Keep the rows of the list that the scan's reader gives, with what that takes in context.
 * Somebody may still use the latest row that was given, in the scan's slot.
 */
static void
keep_rows(ForeignScanState *node, RowStore *rows, GivenRows *given, MemoryContext context)
{
	CrispScan	   *scan = node->fdw_state;
	MemoryContext	old_context = MemoryContextSwitchTo(context);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(scan_row_desc(node), &TTSOpsHeapTuple);
	MemoryContext	row_context = AllocSetContextCreate(context, "crisp_fdw row",
														ALLOCSET_DEFAULT_SIZES);
	FetchedRow		row;

	/* Not in the caller's memory, which may be that of a tuple. */
	MemoryContextSwitchTo(old_context);
	scan_source_begin_list(scan);
	if (row_reader_minds_need(scan->reader))
		row_reader_expect(scan->reader, HUGE_VAL);
	old_context = MemoryContextSwitchTo(row_context);
	for (int place = 0; scan_source_next(scan, slot, &row); place++)
	{
		row_store_put(rows, slot);
		ExecClearTuple(slot);
		if (given != NULL)
			given_rows_note_place(given, row.row, place);
		MemoryContextReset(row_context);
	}
	MemoryContextSwitchTo(old_context);
	ExecDropSingleTupleTableSlot(slot);
	scan_source_end(scan);
}

RowStore *
stored_list_create(const ForeignScanState *node, MemoryContext parent, ResourceOwner owner)
{
	ResourceOwner old_owner = CurrentResourceOwner;
	RowStore	 *rows;

	CurrentResourceOwner = owner;
	rows = row_store_create(parent, scan_row_desc(node));
	CurrentResourceOwner = old_owner;
	return rows;
}

bool
stored_list_read(ForeignScanState *node, CrispRequest *request, RowStore *rows, GivenRows *given,
				 bool has_rows)
{
	CrispScan	 *scan = node->fdw_state;
	CrispRequest *own = scan->request;
	MemoryContext old_context = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(node->ss.ps.state->es_query_cxt,
												  "crisp_fdw list rows", ALLOCSET_SMALL_SIZES);
	volatile bool is_read = false;

	request->as.list.expects_rows = true;
	scan->request = request;
	PG_TRY();
	{
		keep_rows(node, rows, given, context);
		is_read = !has_rows || row_store_has_next(rows);
	}
	PG_CATCH();
	{
		scan->request = own;
		if (!api_error_is_crisps(geterrcode()))
			PG_RE_THROW();
		MemoryContextSwitchTo(old_context);
		FlushErrorState();
	}
	PG_END_TRY();
	scan->request = own;
	if (!is_read)
		scan_source_end(scan);
	MemoryContextDelete(context);
	return is_read;
}
