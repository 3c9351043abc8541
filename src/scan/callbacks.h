/*-------------------------------------------------------------------------
 *
 * callbacks.h
 *		Hand the executor's callbacks to what runs the node.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_CALLBACKS_H
#define CRISP_CALLBACKS_H

#include "foreign/fdwapi.h"

/*
 * Run a ForeignScan (executor callbacks of the FdwRoutine).  The first request is made by the first
 * Iterate; EXPLAIN without ANALYZE makes none.
 */
extern void			   crispBeginForeignScan(ForeignScanState *node, int eflags);
extern TupleTableSlot *crispIterateForeignScan(ForeignScanState *node);
extern void			   crispReScanForeignScan(ForeignScanState *node);
extern void			   crispEndForeignScan(ForeignScanState *node);
extern void			   crispExplainForeignScan(ForeignScanState *node, struct ExplainState *es);

#endif /* CRISP_CALLBACKS_H */
