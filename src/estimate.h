/*-------------------------------------------------------------------------
 *
 * estimate.h
 *		How many rows a list has, and how many conditions leave of it.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_ESTIMATE_H
#define CRISP_ESTIMATE_H

#include "nodes/pathnodes.h"

#include "condition.h"

/*
 * Set the sizes of the base relation rel: from statistics where ANALYZE was
 * run, from what is usual otherwise.
 */
extern void estimate_size(PlannerInfo *root, RelOptInfo *rel, const CrispOptions *options,
						  const Conditions *conditions);

/* The number of rows that Crisp sends of the relation's list when it is told the conditions. */
extern double estimate_list_rows(PlannerInfo *root, RelOptInfo *rel, const CrispOptions *options,
								 const Conditions *conditions);

#endif /* CRISP_ESTIMATE_H */
