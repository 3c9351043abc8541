/*-------------------------------------------------------------------------
 *
 * aggregate.c
 *		Count a whole list by asking Crisp, for count(*).
 *
 * A resource may have a route that says how many rows its list has.  One request then stands for
 * all pages of the list.  Should the answer be no exact number, the list is read and counted after
 * all.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"

#include "scan/aggregate.h"
#include "fetch/count.h"
#include "fetch/list_reader.h"
#include "scan/scan.h"
#include "scan/scan_request.h"

/* A running count, in ForeignScanState.fdw_state; lives in the query's memory. */
typedef struct CountScan
{
	CrispOptions *options;
	bool		  known; /* rows is: Crisp was asked */
	int64		  rows;
	bool		  returned; /* the one row that there is */
	ReaderCounts  reader_counts;
} CountScan;

/*----------
 * Execution
 *----------
 */

Index
aggregate_relation(ForeignScanState *node)
{
	return (Index) bms_next_member(((ForeignScan *) node->ss.ps.plan)->fs_relids, -1);
}

void
aggregate_begin(ForeignScanState *node, int eflags)
{
	const RangeTblEntry *rte = exec_rt_fetch(aggregate_relation(node), node->ss.ps.state);
	CountScan			*scan = palloc0(sizeof(CountScan));

	node->fdw_state = scan;

	/* Options are read now, not at planning: a cached plan must see what has changed. */
	scan->options = options_of_table(rte->relid);
	if ((eflags & EXEC_FLAG_EXPLAIN_ONLY) == 0)
		option_add_credentials(scan->options, crisp_mapping_user(node, aggregate_relation(node)));
}

/*
 * Read the list as any scan does, and count its rows.
 */
static int64
count_list(CountScan *scan)
{
	ListRequest request = request_whole_list(scan->options);
	RowReader  *list = list_reader_begin(&request);
	FetchedRow	row;
	int64		rows = 0;

	while (row_reader_next(list, &row))
		rows++;
	scan->reader_counts = row_reader_counts(list);
	row_reader_end(list);
	return rows;
}

TupleTableSlot *
aggregate_iterate(ForeignScanState *node)
{
	CountScan	   *scan = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;

	ExecClearTuple(slot);
	if (scan->returned)
		return slot;

	if (!scan->known)
	{
		if (!count_ask(scan->options, &scan->rows))
			scan->rows = count_list(scan);
		scan->known = true;
	}
	for (int i = 0; i < slot->tts_tupleDescriptor->natts; i++)
	{
		slot->tts_values[i] = Int64GetDatum(scan->rows);
		slot->tts_isnull[i] = false;
	}
	scan->returned = true;
	return ExecStoreVirtualTuple(slot);
}

void
aggregate_rescan(ForeignScanState *node)
{
	((CountScan *) node->fdw_state)->returned = false;
}

/*----------
 * For EXPLAIN
 *----------
 */

char *
aggregate_target(ForeignScanState *node)
{
	const CountScan *scan = node->fdw_state;

	return count_target(scan->options);
}

ScanCounts
aggregate_counts(ForeignScanState *node)
{
	const CountScan *scan = node->fdw_state;
	ScanCounts		 counts = {.api = *scan->options->counts, .reader = scan->reader_counts};

	return counts;
}
