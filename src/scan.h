/*-------------------------------------------------------------------------
 *
 * scan.h
 *		Executing scans, and showing them in EXPLAIN.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SCAN_H
#define CRISP_SCAN_H

#include "foreign/fdwapi.h"

/*
 * Executor callbacks of the FdwRoutine.  The first request is made by the
 * first Iterate; EXPLAIN without ANALYZE makes none.
 */
extern void			   crisp_begin_scan(ForeignScanState *node, int eflags);
extern TupleTableSlot *crisp_iterate_scan(ForeignScanState *node);
extern void			   crisp_rescan(ForeignScanState *node);
extern void			   crisp_end_scan(ForeignScanState *node);
extern void			   crisp_explain_scan(ForeignScanState *node, struct ExplainState *es);

#endif /* CRISP_SCAN_H */
