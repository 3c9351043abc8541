/*-------------------------------------------------------------------------
 *
 * plan_lookups.h
 *		Plan joins that look rows up, where the planner would reckon with too many.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PLAN_LOOKUPS_H
#define CRISP_PLAN_LOOKUPS_H

#include "nodes/pathnodes.h"

/*
 * Return the scan on the inner side of a nested loop that looks up a row for each key, where path
 * is one; else NULL.
 */
extern ForeignPath *plan_inner_lookup(Path *path);

/*
 * Offer nested loops that look rows up of innerrel for each row of outerrel, where that has fewer
 * rows than the planner thinks, or may have, or fewer keys.  is_counted tells whether the join will
 * count keys before it looks them up.  The other arguments are those of a set_join_pathlist_hook.
 */
extern void plan_offer_lookup_joins(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outerrel,
									RelOptInfo *innerrel, JoinType jointype,
									JoinPathExtraData *extra, bool is_counted);

#endif /* CRISP_PLAN_LOOKUPS_H */
