/*-------------------------------------------------------------------------
 *
 * plan_aggregate.h
 *		Plan count(*) of a whole list, answered by Crisp.
 *
 * Such a plan is a ForeignScan that scans no relation (scanrelid is 0): it gives one row with the
 * counts of its fdw_scan_tlist.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PLAN_AGGREGATE_H
#define CRISP_PLAN_AGGREGATE_H

#include "foreign/fdwapi.h"

/* Offer to count by asking Crisp (planner callback of the FdwRoutine).  Makes no request. */
extern void crispGetForeignUpperPaths(PlannerInfo *root, UpperRelationKind stage,
									  RelOptInfo *input_rel, RelOptInfo *output_rel, void *extra);

/* Make the plan for the path that was offered there, whose relation is an upper one. */
extern ForeignScan *plan_aggregate(List *tlist, Plan *outer_plan);

/* Say whether a plan is one of these. */
extern bool plan_is_aggregate(const ForeignScan *plan);

#endif /* CRISP_PLAN_AGGREGATE_H */
