/*-------------------------------------------------------------------------
 *
 * match.h
 *		Match a query's conditions with what the API can help to answer.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_MATCH_H
#define CRISP_MATCH_H

#include "nodes/pathnodes.h"

#include "request/condition.h"

/* Conditions that the API helps to answer, beside PostgreSQL, which checks them all again. */
typedef struct Conditions
{
	List *conditions; /* integer Lists of the form in condition.h */
	List *values;	  /* for each, the expression compared with; a NULL constant for IS NULL */
	List *clauses;	  /* for each, the RestrictInfo that it comes from */
} Conditions;

/*
 * Find those of clauses (RestrictInfos on the base relation rel, foreign table relid) that the API
 * can help with.  Values may refer to other relations, as those of a parameterized path do.
 * Palloc'd.
 */
extern Conditions *match_clauses(RelOptInfo *rel, Oid relid, const CrispOptions *options,
								 List *clauses);

/*
 * Say whether conditions say that rows are those below one row of the parent, whatever its
 * argument.
 */
extern bool match_names_parent(const CrispResource *resource, const Conditions *conditions);

/*
 * Say whether Crisp is asked for no more than rows that satisfy the conditions, as far as is known.
 * Where a parameter only tells one value of a column from all others, it may be.
 */
extern bool match_is_exact(const CrispResource *resource, const Conditions *conditions);

#endif /* CRISP_MATCH_H */
