/*-------------------------------------------------------------------------
 *
 * scan.h
 *		Execute scans.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SCAN_H
#define CRISP_SCAN_H

#include "nodes/execnodes.h"

#include "fetch/exact_reader.h"
#include "fetch/key_search.h"
#include "fetch/row_reader.h"
#include "fetch/whole_list.h"
#include "request/request.h"
#include "scan/wider_list.h"

/* Do what the executor's callbacks do, for a node that scans a table; see callbacks.h. */
extern void			   scan_begin(ForeignScanState *node, int eflags);
extern TupleTableSlot *scan_iterate(ForeignScanState *node);
extern void			   scan_rescan(ForeignScanState *node);
extern void			   scan_end(ForeignScanState *node);

/*
 * Return the request that a scan would make, or makes: NULL when no row can match.  For EXPLAIN:
 * values that only a running plan knows are left as text, deparsed in that context.  Palloc'd in
 * CurrentMemoryContext.
 */
extern CrispRequest *scan_request(ForeignScanState *node, List *deparse_context);

/*
 * Return the request for details that the scan makes for each row of its list, with {key} for the
 * row's; NULL when it makes none.  Palloc'd.
 */
extern char *scan_detail_target(ForeignScanState *node);

/*
 * Have a scan that hasn't begun do no more than an errand, for who runs a statement in this
 * process.  The errand must be palloc'd and live as long as the scan.  What it tells is there at
 * the scan's end.
 */
extern void scan_set_errand(ForeignScanState *node, ExactErrand *errand);

/* What a scan has done so far, over all its rescans. */
typedef struct ScanCounts
{
	ApiCounts		api;
	ReaderCounts	reader;
	WholeListCounts whole_list; /* of lookups */
	KeySearchCounts key_search; /* likewise */
	WiderListCounts wider_list; /* of runs by other conditions */
	int64			past_runs;	/* that were given again what others had asked for */
} ScanCounts;

/* Say whether the scan, of a list that would be streamed, has read it whole and sorted it. */
extern bool scan_has_sorted(ForeignScanState *node);

extern ScanCounts scan_counts(ForeignScanState *node);

#endif /* CRISP_SCAN_H */
