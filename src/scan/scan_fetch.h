/*-------------------------------------------------------------------------
 *
 * scan_fetch.h
 *		Fetch the rows of a scan, as its request and its order have them.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SCAN_FETCH_H
#define CRISP_SCAN_FETCH_H

#include "scan/scan_state.h"

/* Evaluate what is asked for, and get ready to ask.  Raises what making the request raises. */
extern void scan_start(ForeignScanState *node);

/* Find out for how many rows anything is worth asking ahead, as they will be wanted in any case. */
extern void scan_expect_rows(ForeignScanState *node);

/*
 * Fill slot with the next row of the scan, in CurrentMemoryContext; returns false at the end.
 * Raises what requests raise.
 */
extern bool scan_fetch(ForeignScanState *node, TupleTableSlot *slot);

/*
 * Say whether a row satisfies the scan's conditions, where these are known to have no say in
 * anything else.
 */
extern bool scan_satisfies_conditions(ForeignScanState *node, TupleTableSlot *slot);

/*
 * Give the first rows in an order of the list that has come, once more: conditions of which Crisp
 * isn't told have other values now.  Raises what keeping the rows of the run before raises.
 */
extern void scan_sort_again(ForeignScanState *node);

/* Forget the request that is running, and all that it fetched. */
extern void scan_drop_request(CrispScan *scan);

#endif /* CRISP_SCAN_FETCH_H */
