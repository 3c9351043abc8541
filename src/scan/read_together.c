/*-------------------------------------------------------------------------
 *
 * read_together.c
 *		Read lists that are merged in an order at the same time.
 *
 * A MergeAppend asks its first child for a row, then its second one, and so on.  A scan that has to
 * sort all rows of its list reads all of it for that first row, so the lists would be read one
 * after the other, where an Append has them read together.  So the first one that is asked takes
 * the rows of all of them, as they come; each sorts its own when it's asked.  Of lists that are
 * streamed, it asks for the first pages.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "utils/memutils.h"

#include "plan/plan.h"
#include "plan/plan_aggregate.h"
#include "scan/need.h"
#include "scan/read_together.h"
#include "scan/scan_fetch.h"
#include "scan/scan_source.h"

/* The search for the MergeAppend that a node is a child of. */
typedef struct MergeSearch
{
	const PlanState		   *child;
	const MergeAppendState *result; /* NULL before it's found */
} MergeSearch;

static bool
find_merge(PlanState *tree, void *context)
{
	MergeSearch			   *search = context;
	const MergeAppendState *merge = (const MergeAppendState *) tree;

	if (IsA(tree, MergeAppendState))
		for (int i = 0; i < merge->ms_nplans; i++)
			if (merge->mergeplans[i] == search->child)
				search->result = merge;
	return search->result != NULL || planstate_tree_walker(tree, find_merge, context);
}

/*
 * Say whether a node is a scan that may give a list in an order, and is yet to begin a run with the
 * parameters that it has now.
 */
static bool
is_to_begin(const PlanState *node, FdwRoutine *routine)
{
	const ForeignScanState *foreign = (const ForeignScanState *) node;
	const CrispScan		   *scan;

	if (!IsA(node, ForeignScanState) || node->chgParam != NULL ||
		foreign->fdwroutine->IterateForeignScan != routine->IterateForeignScan ||
		plan_is_aggregate((const ForeignScan *) node->plan))
		return false;
	scan = foreign->fdw_state;
	return scan_method(scan, METHOD_KIND) == SCAN_STREAM && !scan->started &&
		   !scan->parameters_changed;
}

/*
 * Begin a run of a scan.  Returns whether it is to sort all rows of a list that Crisp is asked for.
 * Of a list that is streamed, only the first page is asked for: the first row of each is wanted.
 */
static bool
begin(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;

	scan_start(node);
	if (scan->reader == NULL || scan->top_n == NULL || scan->reads_wider)
		return false;
	if (scan->streams)
	{
		(void) row_reader_get_ready(scan->reader);
		return false;
	}
	scan->ahead = row_store_create(scan->request_context, scan_row_desc(node));
	scan->busy = true;
	return true;
}

/*
 * Take a row of a scan, waiting for it if need be.  Returns false at the end.
 */
static bool
take_row(ForeignScanState *node, MemoryContext row_context)
{
	CrispScan	   *scan = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	MemoryContext	old_context = MemoryContextSwitchTo(row_context);
	FetchedRow		row;
	bool			found = scan_source_read(scan, slot, &row);

	if (found)
	{
		row_store_put(scan->ahead, slot);
		ExecClearTuple(slot);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(row_context);
	return found;
}

/*
 * Take the rows of a scan that have come.  Returns false at the end.
 */
static bool
take_rows(ForeignScanState *node, MemoryContext row_context, int64 *count)
{
	RowReader *reader = ((CrispScan *) node->fdw_state)->reader;

	while (row_reader_get_ready(reader))
	{
		CHECK_FOR_INTERRUPTS();
		if (!take_row(node, row_context))
			return false;
		(*count)++;
	}
	return true;
}

/*
 * Take the rows of scans as they come, until no more than one of them has any left, which needn't
 * mind others.
 */
static void
take_all(List *scans, MemoryContext row_context)
{
	while (list_length(scans) > 1)
	{
		ListCell *lc;
		int64	  count = 0;

		foreach(lc, scans)
			if (!take_rows(lfirst(lc), row_context, &count))
			{
				scans = foreach_delete_current(scans, lc);
				count++;
			}

		/* While one is waited for, the answers to others come, too. */
		if (count == 0 && !take_row(linitial(scans), row_context))
			scans = list_delete_first(scans);
	}
}

/*
 * List the scans that a MergeAppend is about to begin.
 */
static List *
list_scans(const MergeAppendState *merge, FdwRoutine *routine)
{
	List *scans = NIL;
	int	  i = -1;

	while ((i = bms_next_member(merge->ms_valid_subplans, i)) >= 0)
		if (is_to_begin(merge->mergeplans[i], routine))
			scans = lappend(scans, merge->mergeplans[i]);
	return scans;
}

void
read_together(ForeignScanState *node)
{
	MergeSearch		 search = {.child = &node->ss.ps};
	List			*scans;
	List			*begun = NIL;
	MemoryContext	 row_context;
	const PlanState *root;
	ListCell		*lc;

	if (!enable_async_append || !is_to_begin(&node->ss.ps, node->fdwroutine))
		return;
	root = need_root(&node->ss.ps);
	if (root == NULL || !find_merge(unconstify(PlanState *, root), &search))
		return;
	scans = list_scans(search.result, node->fdwroutine);
	if (list_length(scans) < 2)
		return;

	foreach(lc, scans)
		if (begin(lfirst(lc)))
			begun = lappend(begun, lfirst(lc));
	row_context = AllocSetContextCreate(((CrispScan *) node->fdw_state)->request_context,
										"crisp_fdw row", ALLOCSET_DEFAULT_SIZES);
	take_all(list_copy(begun), row_context);
	MemoryContextDelete(row_context);

	/* The one that has called this is still at work. */
	foreach(lc, begun)
		((CrispScan *) ((ForeignScanState *) lfirst(lc))->fdw_state)->busy = lfirst(lc) == node;
}
