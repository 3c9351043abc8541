/*-------------------------------------------------------------------------
 *
 * plan_children.h
 *		Plan scans of the lists below rows of another resource.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PLAN_CHILDREN_H
#define CRISP_PLAN_CHILDREN_H

#include "plan/plan_path.h"

/*
 * Lower the relation's estimate where its own conditions name rows of the parent: there are no more
 * rows than these have below them.
 */
extern void plan_limit_walk_rows(PlannerInfo *root, RelOptInfo *baserel);

/*
 * Offer to read the lists below the rows of the parent that the conditions leave.  draft is of kind
 * SCAN_CHILDREN, and has its rows and its parameterization.
 */
extern void plan_offer_walk(PlannerInfo *root, RelOptInfo *baserel, PathDraft *draft,
							const Conditions *conditions);

#endif /* CRISP_PLAN_CHILDREN_H */
