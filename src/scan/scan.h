/*-------------------------------------------------------------------------
 *
 * scan.h
 *		Executing scans.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SCAN_H
#define CRISP_SCAN_H

#include "foreign/fdwapi.h"

#include "fetch/exact_reader.h"
#include "fetch/pager.h"
#include "request/request.h"
#include "fetch/whole_list.h"

/*
 * What the executor's callbacks do for a node that scans a table; see callbacks.h.
 */
extern void			   crisp_begin_scan(ForeignScanState *node, int eflags);
extern TupleTableSlot *crisp_iterate_scan(ForeignScanState *node);
extern void			   crisp_rescan(ForeignScanState *node);
extern void			   crisp_end_scan(ForeignScanState *node);

/*
 * The request that a scan would make, or makes: NULL when no row can match.
 * For EXPLAIN: values that only a running plan knows are left as text, deparsed in that context.
 * Palloc'd in CurrentMemoryContext.
 */
extern CrispRequest *crisp_scan_request(ForeignScanState *node, List *deparse_context);

/*
 * The request for details that the scan makes for each row of its list, with {key} for the row's;
 * NULL when it makes none.  Palloc'd.
 */
extern char *crisp_scan_detail_target(ForeignScanState *node);

/*
 * For asynchronous execution.  Whether the scan's next row, or its end, can be had without waiting for
 * Crisp; if not, what it would wait for has been asked.  Raises what requests raise.
 */
extern bool crisp_scan_is_ready(ForeignScanState *node);

/* Whether the last Iterate gave no row since it would have had to wait. */
extern bool crisp_scan_is_pending(ForeignScanState *node);

/*
 * A descriptor of a pending scan's own that is readable when it's worth asking
 * crisp_scan_is_ready() again, or PGINVALID_SOCKET where it is already; valid until the next call, or the end of the scan.  It's only good for waiting if no
 * request is let go on between this call and the wait.
 * Raises 53000 when there is none to be had.
 */
extern pgsocket crisp_scan_descriptor(ForeignScanState *node);

/*
 * For who is about to change what the scan has found: call look(arg, slot) for each row that is kept and will be
 * given, so far as it satisfies the scan's conditions, which must not be volatile.  The slot is look's for the call.
 */
extern void crisp_scan_look_ahead(ForeignScanState *node,
								  void (*look)(void *arg, TupleTableSlot *slot), void *arg);

/*
 * For who runs a statement in this process: have a scan that hasn't begun do no more than an errand, which must be palloc'd
 * and live as long as the scan.  What the errand tells is there at the scan's end.
 */
extern void crisp_scan_set_errand(ForeignScanState *node, ExactErrand *errand);

/* What a scan has done so far, over all its rescans. */
typedef struct ScanCounts
{
	ApiCounts		api;
	PagerCounts		pager;
	WholeListCounts whole_list; /* of lookups */
} ScanCounts;

extern ScanCounts crisp_scan_counts(ForeignScanState *node);

#endif /* CRISP_SCAN_H */
