/*-------------------------------------------------------------------------
 *
 * plan.h
 *		Plan scans: their sizes, costs, paths and plans.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PLAN_H
#define CRISP_PLAN_H

#include "foreign/fdwapi.h"

#include "plan/scan_method.h"

/* Plan a scan (planner callbacks of the FdwRoutine).  They make no request. */
extern void crispGetForeignRelSize(PlannerInfo *root, RelOptInfo *baserel, Oid foreigntableid);
extern void crispGetForeignPaths(PlannerInfo *root, RelOptInfo *baserel, Oid foreigntableid);
extern ForeignScan *crispGetForeignPlan(PlannerInfo *root, RelOptInfo *rel, Oid foreigntableid,
										ForeignPath *best_path, List *tlist, List *scan_clauses,
										Plan *outer_plan);

#endif /* CRISP_PLAN_H */
