/*-------------------------------------------------------------------------
 *
 * explain.h
 *		Show scans in EXPLAIN.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_EXPLAIN_H
#define CRISP_EXPLAIN_H

#include "foreign/fdwapi.h"

/*
 * Explain a node that scans a table, or one that counts its rows: the request that it would make,
 * without making it, and without credentials; with ANALYZE, what was spent.
 */
extern void explain_scan(ForeignScanState *node, struct ExplainState *es);
extern void explain_aggregate(ForeignScanState *node, struct ExplainState *es);

#endif /* CRISP_EXPLAIN_H */
