/*-------------------------------------------------------------------------
 *
 * scan_rest.c
 *		Read rows of a scan before they are given, as a change is about to be made.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "plan/plan.h"
#include "scan/scan_fetch.h"
#include "scan/scan_rest.h"

/*
 * Return how many of the rows that satisfy the conditions the statement may want; 0 for all.  A
 * LIMIT says that of one pass over the rows, and with other values of the conditions another pass
 * wants others.
 */
static int
rows_wanted(const ForeignScanState *node)
{
	const CrispScan *scan = node->fdw_state;

	if (kept_rows_are_for_passes(scan->kept) && !bms_is_empty(node->ss.ps.plan->extParam))
		return 0;
	return scan_method(scan, METHOD_ROWS_WANTED);
}

/*
 * Fetch the rows that are still to come, as many as the statement may want, and keep them.
 */
static void
keep_rest(ForeignScanState *node, RowStore *store, MemoryContext row_context)
{
	CrispScan	 *scan = node->fdw_state;
	int			  wanted = rows_wanted(node);
	int64		  position = row_store_position(store);
	MemoryContext old_context = MemoryContextSwitchTo(row_context);

	while ((wanted <= 0 || scan->matched < wanted) && scan_fetch(node, scan->rest_slot))
	{
		row_store_put(store, scan->rest_slot);
		ExecClearTuple(scan->rest_slot);
		MemoryContextReset(row_context);
	}
	MemoryContextSwitchTo(old_context);
	row_store_seek(store, position);
}

/*
 * Read what is left of a scan, for an OpenScan.  Somebody may still use the latest row, so neither
 * its slot nor its memory is touched.
 */
void
scan_read_rest(ForeignScanState *node)
{
	CrispScan	 *scan = node->fdw_state;
	MemoryContext context = node->ss.ps.state->es_query_cxt;
	MemoryContext old_context;
	MemoryContext row_context;
	RowStore	 *store;

	if (!scan->started || scan->at_end || scan->busy || scan->cut_off || scan->reads_kept_list ||
		scan->reads_wider || scan->reads_past)
		return;

	old_context = MemoryContextSwitchTo(context);
	if (scan->rest_slot == NULL)
		scan->rest_slot = ExecInitExtraTupleSlot(node->ss.ps.state, scan_row_desc(node),
												 &TTSOpsHeapTuple);
	store = kept_rows_rest(scan->kept);
	row_context = AllocSetContextCreate(context, "crisp_fdw row", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(old_context);

	/* What raises here may be caught by who wanted to make the change, while the scan goes on. */
	scan->cut_off = true;
	keep_rest(node, store, row_context);
	scan->cut_off = false;
	MemoryContextDelete(row_context);
}

void
scan_look_ahead(ForeignScanState *node, void (*look)(void *arg, TupleTableSlot *slot), void *arg)
{
	CrispScan	   *scan = node->fdw_state;
	RowStore	   *store = kept_rows_store(scan->kept);
	TupleTableSlot *slot;
	int64			position;

	if (store == NULL)
		return;
	slot = MakeSingleTupleTableSlot(scan_row_desc(node), &TTSOpsHeapTuple);
	position = row_store_position(store);
	while (row_store_get(store, slot))
		if (scan_satisfies_conditions(node, slot))
			look(arg, slot);
	row_store_seek(store, position);
	ExecDropSingleTupleTableSlot(slot);
}

void
scan_raise_cut_off(const ForeignScanState *node)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot read more rows of foreign table \"%s\"",
					RelationGetRelationName(node->ss.ss_currentRelation)),
			 errdetail("Its rows were to be read before a change was made, and that failed."),
			 errhint("Run the query again.")));
}
