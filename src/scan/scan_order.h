/*-------------------------------------------------------------------------
 *
 * scan_order.h
 *		Give the rows of a scan in the order that is wanted.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SCAN_ORDER_H
#define CRISP_SCAN_ORDER_H

#include "scan/scan_state.h"

/*
 * Ask for the list in an order that nobody relies on.  Where its first rows were wanted, all of it
 * has to be read.
 */
extern void scan_give_up_order(CrispScan *scan);

/*
 * Get ready to give the rows of the reader, which has begun, in the order that is wanted.  trusted
 * tells whether they can be relied on to come in it, until they show something else.
 */
extern void scan_begin_top_n(ForeignScanState *node, bool trusted);

/*
 * Get ready to give rows that are all at hand, in no order, in that which is wanted.
 */
extern void scan_begin_sort(ForeignScanState *node, TopNFetch function);

#endif /* CRISP_SCAN_ORDER_H */
