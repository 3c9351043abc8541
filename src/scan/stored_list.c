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
#include "fetch/list_reader.h"
#include "fetch/page_estimate.h"
#include "scan/stored_list.h"
#include "scan/scan_source.h"

/* A list that turns out to be so many times as long as it was said to be isn't read on. */
#define MAX_EXCESS 2

/*
 * Say whether a list has more pages than that, as its reader is about to ask for another one.
 */
static bool
is_outgrown(const RowReader *reader, int64 most)
{
	ReaderCounts counts;

	if (row_reader_at_hand(reader))
		return false;
	counts = row_reader_counts(reader);
	return counts.pages - counts.rechecks > most;
}

/*
 * Keep the rows of the list that the scan's reader gives, with what that takes in context.
 * Somebody may still use the latest row that was given, in the scan's slot.  Returns false where
 * the list has more pages than that.
 */
static bool
keep_rows(ForeignScanState *node, RowStore *rows, GivenRows *given, int64 most,
		  MemoryContext context)
{
	CrispScan	   *scan = node->fdw_state;
	MemoryContext	old_context = MemoryContextSwitchTo(context);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(scan_row_desc(node), &TTSOpsHeapTuple);
	MemoryContext	row_context = AllocSetContextCreate(context, "crisp_fdw row",
														ALLOCSET_DEFAULT_SIZES);
	FetchedRow		row;
	bool			outgrown = false;

	/* Not in the caller's memory, which may be that of a tuple. */
	MemoryContextSwitchTo(old_context);
	scan_source_begin_list(scan);
	if (row_reader_minds_need(scan->reader))
		row_reader_expect(scan->reader, HUGE_VAL);
	if (given != NULL)
		given_rows_begin_list(given);
	old_context = MemoryContextSwitchTo(row_context);
	for (int place = 0; !outgrown && scan_source_read(scan, slot, &row); place++)
	{
		row_store_put(rows, slot);
		ExecClearTuple(slot);
		if (given != NULL)
			given_rows_note_place(given, row.row, place);
		MemoryContextReset(row_context);
		outgrown = is_outgrown(scan->reader, most);
	}
	MemoryContextSwitchTo(old_context);
	ExecDropSingleTupleTableSlot(slot);
	scan_source_end(scan);
	return !outgrown;
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
				 ListCost *cost)
{
	CrispScan	 *scan = node->fdw_state;
	CrispRequest *own = scan->request;
	MemoryContext old_context = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(node->ss.ps.state->es_query_cxt,
												  "crisp_fdw list rows", ALLOCSET_SMALL_SIZES);
	bool		  has_rows = cost->least > 0 || given != NULL;
	int64		  most = PG_INT64_MAX;
	volatile bool is_read = false;

	/* Read by date, it takes more pages than it has. */
	if (!list_reader_is_exact(&request->as.list))
		most = (int64) cost->pages * MAX_EXCESS;
	request->as.list.pages_expected = cost->pages;
	request->as.list.expects_rows = true;
	scan->request = request;
	PG_TRY();
	{
		if (keep_rows(node, rows, given, most, context))
			is_read = !has_rows || row_store_has_next(rows);
		else
		{
			list_cost_note_least(cost, (int) Min(most + 1, PG_INT32_MAX / 4));
			page_estimate_remember(&request->as.list, (int) Min(most, PG_INT32_MAX / 4), false);
		}
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
