/*-------------------------------------------------------------------------
 *
 * rescan.h
 *		Find whether, and how often, a scan may be run more than once.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_RESCAN_H
#define CRISP_RESCAN_H

#include "nodes/execnodes.h"

/*
 * Say whether a scan that begins with these flags of the executor may be run more than once.  The
 * flags tell of some cases only.  What isn't found in the main plan belongs to a subplan, or to a
 * node that this doesn't know: then it may.
 */
extern bool rescan_is_possible(const ForeignScanState *node, int eflags);

/*
 * Estimate how often a statement runs a scan with other values of its fdw_exprs, by the rows that
 * its plan estimates; 1 where these are the same throughout.
 */
extern double rescan_expected(const PlannedStmt *statement, const Plan *scan);

/*
 * Estimate the share of a scan's rows that limits above it leave, in one run of the tree that it is
 * in, where all nodes between hand rows on as they get them; 1 where there is no such limit.
 */
extern double rescan_share(const PlannedStmt *statement, const Plan *scan);

#endif /* CRISP_RESCAN_H */
