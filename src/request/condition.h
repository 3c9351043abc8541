/*-------------------------------------------------------------------------
 *
 * condition.h
 *		Which conditions of a query the API can help to answer.
 *
 * At planning time, clauses are matched with the catalog and become
 * conditions; request.c turns those into a request at execution, when their
 * values are known.  In between they travel as a node tree, so that a plan can
 * be copied and cached.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_CONDITION_H
#define CRISP_CONDITION_H

#include "access/stratnum.h"
#include "nodes/pathnodes.h"

#include "options/options.h"

/* How a condition compares its column with its value. */
typedef enum ConditionOperator
{
	CONDITION_LESS = BTLessStrategyNumber,
	CONDITION_LESS_EQUAL = BTLessEqualStrategyNumber,
	CONDITION_EQUAL = BTEqualStrategyNumber,
	CONDITION_GREATER_EQUAL = BTGreaterEqualStrategyNumber,
	CONDITION_GREATER = BTGreaterStrategyNumber,
	CONDITION_NOT_EQUAL,
	CONDITION_ANY,			/* column = ANY (value), an array */
	CONDITION_IS_NULL,		/* no value */
	CONDITION_CONTAINS,		/* column, an array, holds value */
	CONDITION_CONTAINS_ALL, /* ... holds all of value, an array */
	CONDITION_OVERLAPS,		/* ... holds any of value, an array */
	CONDITION_LACKS,		/* ... does not hold value, and is not NULL */
	CONDITION_LACKS_ONE,	/* ... does not hold all of value, an array, and is not NULL */
	CONDITION_LACKS_ALL		/* ... holds none of value, an array, and is not NULL */
} ConditionOperator;

/* The form of a condition: an integer List. */
enum ConditionField
{
	CONDITION_COLUMN,	   /* index of the column in the catalog's resource */
	CONDITION_OPERATOR,	   /* ConditionOperator */
	CONDITION_COLUMN_TYPE, /* base type of the table's column; of an array, of its elements */
	CONDITION_VALUE_TYPE,  /* base type of the value; with ANY, of its elements */
	CONDITION_TYPMOD	   /* modifier of the column's type, be it a domain's; -1 for none */
};

/* Conditions that the API helps to answer, beside PostgreSQL, which checks them all again. */
typedef struct Conditions
{
	List *conditions; /* integer Lists of the form above */
	List *values;	  /* for each, the expression compared with; a NULL constant for IS NULL */
	List *clauses;	  /* for each, the RestrictInfo that it comes from */
} Conditions;

/*
 * Find those of clauses (RestrictInfos on the base relation rel, foreign table
 * relid) that the API can help with.  Values may refer to other relations, as
 * those of a parameterized path do.  Palloc'd.
 */
extern Conditions *conditions_match(RelOptInfo *rel, Oid relid, const CrispOptions *options,
									List *clauses);

/* Whether the API helps to find the rows in which a column equals a value. */
extern bool condition_takes_equality(const CrispResource *resource, const CrispColumn *column);

/*
 * Whether a condition can find rows in Crisp, other than by the website that the table has
 * anyway.
 */
extern bool condition_finds_rows(const CrispResource *resource, List *condition);

/* Whether a condition makes the list shorter that Crisp sends, if its value allows it. */
extern bool condition_narrows_list(const CrispResource *resource, List *condition);

/* Whether conditions say that rows are those below one row of the parent, whatever its argument. */
extern bool condition_names_parent(const CrispResource *resource, const Conditions *conditions);

/* What the API can do for conditions on a column, for users; NULL for nothing.  Palloc'd. */
extern char *condition_describe(const CrispResource *resource, const CrispColumn *column);

#endif /* CRISP_CONDITION_H */
