/*-------------------------------------------------------------------------
 *
 * estimate.h
 *		Estimate how many rows a list has, and how many conditions leave of it.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_ESTIMATE_H
#define CRISP_ESTIMATE_H

#include "nodes/pathnodes.h"

#include "plan/match.h"

/* Say whether the planner knows by statistics how many rows a list has: rel->tuples. */
extern bool estimate_is_known(const RelOptInfo *rel);

/*
 * Set the sizes of the base relation rel: from statistics where ANALYZE was run, otherwise from
 * what the session has seen of the list, from its copy, or from what is usual.  Returns whether
 * rel->tuples is more than that: what the list has had at some time.
 */
extern bool estimate_size(PlannerInfo *root, RelOptInfo *rel, const CrispOptions *options,
						  const Conditions *conditions);

/*
 * Estimate the number of rows that Crisp sends of the relation's list when it is told the
 * conditions.
 */
extern double estimate_list_rows(PlannerInfo *root, RelOptInfo *rel, const CrispOptions *options,
								 const Conditions *conditions);

/* Estimate the number of values that a condition with = or = ANY has. */
extern double estimate_values(PlannerInfo *root, List *condition, Node *value);

/* What reading lists below rows of another resource comes to. */
typedef struct WalkEstimate
{
	double parents;			/* rows below which lists are read */
	double parent_requests; /* to get those */
	double requests;		/* in all */
	double received;		/* rows that Crisp sends, without the parent's */
	bool   named;			/* the conditions say which they are */
} WalkEstimate;

/* Estimate that for conditions on the relation; inherits as in request_create_child(). */
extern WalkEstimate estimate_walk(PlannerInfo *root, RelOptInfo *rel, const CrispOptions *options,
								  const Conditions *conditions, bool inherits);

#endif /* CRISP_ESTIMATE_H */
