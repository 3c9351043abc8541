/*-------------------------------------------------------------------------
 *
 * aggregate.h
 *		count(*) of a whole list, answered by Crisp.
 *
 * Such a plan is a ForeignScan that scans no relation (scanrelid is 0): it
 * gives one row with the counts of its fdw_scan_tlist.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_AGGREGATE_H
#define CRISP_AGGREGATE_H

#include "foreign/fdwapi.h"

#include "scan/scan.h"

/* Planner callbacks of the FdwRoutine, the latter for an upper relation.  They make no request. */
extern void			crispGetForeignUpperPaths(PlannerInfo *root, UpperRelationKind stage,
											  RelOptInfo *input_rel, RelOptInfo *output_rel, void *extra);
extern ForeignScan *crisp_get_aggregate_plan(List *tlist, Plan *outer_plan);

/* Whether a node runs such a plan; only then the functions below are for it. */
extern bool crisp_is_aggregate(const ForeignScanState *node);

/*
 * Executor callbacks of the FdwRoutine.  Crisp is asked by the first Iterate, and once
 * however often the node is run again.
 */
extern void			   crisp_begin_aggregate(ForeignScanState *node, int eflags);
extern TupleTableSlot *crisp_iterate_aggregate(ForeignScanState *node);
extern void			   crisp_rescan_aggregate(ForeignScanState *node);

/* The range table index of the relation whose rows are counted. */
extern Index crisp_aggregate_relation(ForeignScanState *node);

/* The target that is asked for, relative to the base URL; palloc'd. */
extern char *crisp_aggregate_target(ForeignScanState *node);

/* What the node has done so far. */
extern ScanCounts crisp_aggregate_counts(ForeignScanState *node);

#endif /* CRISP_AGGREGATE_H */
