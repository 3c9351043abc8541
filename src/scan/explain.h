/*-------------------------------------------------------------------------
 *
 * explain.h
 *		Scans in EXPLAIN.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_EXPLAIN_H
#define CRISP_EXPLAIN_H

#include "foreign/fdwapi.h"

/*
 * FdwRoutine callback: the request that the scan would make, without making
 * it, and without credentials; with ANALYZE, what was spent.  The second is
 * for a node that counts rows, as in aggregate.h.
 */
extern void crisp_explain_scan(ForeignScanState *node, struct ExplainState *es);
extern void crisp_explain_aggregate(ForeignScanState *node, struct ExplainState *es);

#endif /* CRISP_EXPLAIN_H */
