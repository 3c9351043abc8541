/*-------------------------------------------------------------------------
 *
 * pushdown.h
 *		What of a query's conditions is asked of the API.
 *
 * At planning time, conditions are matched with the catalog; at execution,
 * their values become query parameters.  In between they travel as a node
 * tree, so that a plan can be copied and cached.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PUSHDOWN_H
#define CRISP_PUSHDOWN_H

#include "nodes/pathnodes.h"

#include "option.h"

/* Conditions that the API answers for, beside PostgreSQL, which checks them all again. */
typedef struct Pushdown
{
	List *conditions; /* a List of integer Lists; pushdown.c knows their form */
	List *values;	  /* the expressions compared with, one for each condition */
	List *clauses;	  /* the RestrictInfos that they come from */
} Pushdown;

/* The value of a condition at the time of a request. */
typedef struct PushdownValue
{
	bool		known; /* false: can't be told before execution */
	bool		isnull;
	Datum		value;
	const char *text; /* when not known: the expression, for EXPLAIN */
} PushdownValue;

/*
 * Find the conditions on the base relation rel (foreign table relid) that can
 * be pushed down.  Palloc'd.
 */
extern Pushdown *pushdown_classify(RelOptInfo *rel, Oid relid, const CrispOptions *options);

/*
 * Turn conditions into query parameters (*params: a List of ApiParam
 * pointers, palloc'd), given an array with a value for each.  They ask for a
 * superset of the rows that satisfy the conditions.
 *
 * *unknown gets "parameter={expression}" strings for values that aren't known; it may be NULL
 * when all are.
 *
 * Returns false when no row can satisfy the conditions, so that there is
 * nothing to ask.
 */
extern bool pushdown_params(const CrispOptions *options, List *conditions,
							const PushdownValue *values, List **params, List **unknown);

/* What the API can do for conditions on a column, for users; NULL for nothing.  Palloc'd. */
extern char *pushdown_describe(const CrispColumn *column);

#endif /* CRISP_PUSHDOWN_H */
