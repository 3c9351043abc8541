/*-------------------------------------------------------------------------
 *
 * scan_source.h
 *		Choose where the rows of a scan come from.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SCAN_SOURCE_H
#define CRISP_SCAN_SOURCE_H

#include "scan/scan_state.h"

/*
 * Begin to read what the scan's request asks for, in whichever way its plan and the request say.
 * Makes no request yet.
 */
extern void scan_source_begin(ForeignScanState *node);

/*
 * Begin to read what a request for a list asks for, likewise: with the details of its rows, where
 * the scan uses any.
 */
extern void scan_source_begin_list(CrispScan *scan);

/*
 * Fill slot with the next row that Crisp has, in CurrentMemoryContext; returns false at the end.
 * *row gets what it was made of, which is valid until the next call; nothing where rows were taken
 * ahead, whose order doesn't matter.  Raises what the reader raises.
 */
extern bool scan_source_next(CrispScan *scan, TupleTableSlot *slot, FetchedRow *row);

/* Do so without those that were taken ahead: for who takes them. */
extern bool scan_source_read(CrispScan *scan, TupleTableSlot *slot, FetchedRow *row);

/* Return what all readers of the scan have received. */
extern ReaderCounts scan_source_counts(const CrispScan *scan);

/* Abort what is under way, and forget the reader. */
extern void scan_source_end(CrispScan *scan);

#endif /* CRISP_SCAN_SOURCE_H */
