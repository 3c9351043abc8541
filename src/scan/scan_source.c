/*-------------------------------------------------------------------------
 *
 * scan_source.c
 *		Choose where the rows of a scan come from.
 *
 * Here alone it matters of which kind a scan's reader is.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fetch/children.h"
#include "fetch/details.h"
#include "fetch/list_reader.h"
#include "fetch/lookup.h"
#include "plan/plan.h"
#include "scan/scan_source.h"
#include "base/compat.h"

/*
 * Return what gets to know the names of the rows, if the statement may write some of them; else
 * NULL.
 */
static Names *
names_for(ForeignScanState *node)
{
	EState *estate = node->ss.ps.state;

	return compat_statement_writes(estate) ? names_of_statement(estate) : NULL;
}

void
scan_source_begin_list(CrispScan *scan)
{
	scan->reader = list_reader_begin(&scan->request->as.list);
	if (scan->early_filter != NULL)
		scan->reader = details_begin(scan->reader, scan->options, early_filter_passes,
									 scan->early_filter);
}

void
scan_source_begin(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;

	switch (scan->request->kind)
	{
		case REQUEST_LIST:
			scan_source_begin_list(scan);
			break;
		case REQUEST_KEYS:
			scan->reader = lookup_begin(&scan->request->as.keys, scan->cache, scan->prefetch,
										scan->whole_list, scan->search);
			break;
		case REQUEST_CHILDREN:
			scan->reader = children_begin(&scan->request->as.children, scan->cache,
										  names_for(node));
			break;
	}
}

bool
scan_source_read(CrispScan *scan, TupleTableSlot *slot, FetchedRow *row)
{
	if (!row_reader_next(scan->reader, row))
		return false;
	tuple_maker_store(scan->maker, row, slot);
	return true;
}

bool
scan_source_next(CrispScan *scan, TupleTableSlot *slot, FetchedRow *row)
{
	if (scan->ahead != NULL && row_store_get(scan->ahead, slot))
	{
		*row = (FetchedRow){0};
		return true;
	}
	return scan_source_read(scan, slot, row);
}

ReaderCounts
scan_source_counts(const CrispScan *scan)
{
	ReaderCounts sum = scan->counts;

	if (scan->reader != NULL)
		row_reader_add_counts(&sum, row_reader_counts(scan->reader));
	return sum;
}

void
scan_source_end(CrispScan *scan)
{
	if (scan->reader == NULL)
		return;
	scan->counts = scan_source_counts(scan);
	if (scan->ahead != NULL)
		row_store_end(scan->ahead);
	scan->ahead = NULL;
	row_reader_end(scan->reader);
	scan->reader = NULL;
}
