/*-------------------------------------------------------------------------
 *
 * aggregate.h
 *		Count a whole list by asking Crisp, for count(*).
 *
 * The functions here are for nodes whose plan is one of plan_aggregate().
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_AGGREGATE_H
#define CRISP_AGGREGATE_H

#include "foreign/fdwapi.h"

#include "scan/scan.h"

/*
 * Do what the executor's callbacks do, for such a node.  Crisp is asked by the first Iterate, and
 * only once however often the node is run again.
 */
extern void			   aggregate_begin(ForeignScanState *node, int eflags);
extern TupleTableSlot *aggregate_iterate(ForeignScanState *node);
extern void			   aggregate_rescan(ForeignScanState *node);

/* Return the range table index of the relation whose rows are counted. */
extern Index aggregate_relation(ForeignScanState *node);

/* Return the target that is asked for, relative to the base URL; palloc'd. */
extern char *aggregate_target(ForeignScanState *node);

/* Return what the node has done so far. */
extern ScanCounts aggregate_counts(ForeignScanState *node);

#endif /* CRISP_AGGREGATE_H */
