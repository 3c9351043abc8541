/*-------------------------------------------------------------------------
 *
 * outer_share.h
 *		Estimate what share of the rows that PostgreSQL reckons with there are.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_OUTER_SHARE_H
#define CRISP_OUTER_SHARE_H

#include "nodes/pathnodes.h"

/*
 * Return the share of the rows that the planner takes a base relation for, which may be a subquery,
 * that it seems to have; 1 where nothing tells of fewer.
 */
extern double outer_share(const PlannerInfo *root, const RelOptInfo *rel);

#endif /* CRISP_OUTER_SHARE_H */
