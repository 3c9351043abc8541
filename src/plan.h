/*-------------------------------------------------------------------------
 *
 * plan.h
 *		Sizes, costs, paths and plans of scans.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PLAN_H
#define CRISP_PLAN_H

#include "foreign/fdwapi.h"

/*
 * What the plan hands to the executor: the members of ForeignScan.fdw_private.
 * The values of the conditions are in fdw_exprs, in the same order.
 */
enum ScanPrivate
{
	SCAN_PRIVATE_COLUMNS,	/* integer List: attribute numbers that the query uses */
	SCAN_PRIVATE_CONDITIONS /* Pushdown.conditions */
};

/* Planner callbacks of the FdwRoutine.  They make no request. */
extern void			crisp_get_rel_size(PlannerInfo *root, RelOptInfo *baserel, Oid foreigntableid);
extern void			crisp_get_paths(PlannerInfo *root, RelOptInfo *baserel, Oid foreigntableid);
extern ForeignScan *crisp_get_plan(PlannerInfo *root, RelOptInfo *baserel, Oid foreigntableid,
								   ForeignPath *best_path, List *tlist, List *scan_clauses,
								   Plan *outer_plan);

#endif /* CRISP_PLAN_H */
