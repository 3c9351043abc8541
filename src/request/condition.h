/*-------------------------------------------------------------------------
 *
 * condition.h
 *		Describe conditions on a table's columns, and their values.
 *
 * At planning time, clauses are matched with the catalog and become conditions (plan/match.h);
 * these become a request at execution, when their values are known (request_create.h).  In between
 * they travel as a node tree, so that a plan can be copied and cached.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_CONDITION_H
#define CRISP_CONDITION_H

#include "access/stratnum.h"
#include "nodes/pg_list.h"

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

/* Return the catalog's column that a condition is on. */
static inline const CrispColumn *
condition_column(const CrispResource *resource, const List *condition)
{
	return &resource->columns[list_nth_int(condition, CONDITION_COLUMN)];
}

static inline ConditionOperator
condition_operator(const List *condition)
{
	return (ConditionOperator) list_nth_int(condition, CONDITION_OPERATOR);
}

/* The value of a condition at the time of a request. */
typedef struct ConditionValue
{
	bool		known; /* false: can't be told before execution */
	bool		isnull;
	Datum		value;
	const char *text; /* when not known: the expression, for EXPLAIN */
} ConditionValue;

/* A value too long for a URL stays with PostgreSQL, bytes. */
#define MAX_VALUE_BYTES 1000

/* A condition, read from its integer List, with its value. */
typedef struct Condition
{
	const CrispColumn	 *column;
	ConditionOperator	  op;
	Oid					  column_type;
	int32				  typmod; /* of that */
	Oid					  value_type;
	const ConditionValue *value;
	List *texts; /* its value, or those of its array, as char *; of known ones but times */
} Condition;

/* Say whether a condition bounds a time. */
extern bool condition_is_time(const Condition *condition);

/*
 * Read the value of a condition, which is known, as texts; those of times are left as they are.
 * Returns false when no row can satisfy the condition.  Palloc'd.
 */
extern bool condition_read_texts(Condition *condition);

/*
 * Say whether every value that the condition leaves to its column is, or (is false) is not, the
 * constant.
 */
extern bool condition_implies(const Condition *condition, const char *constant, bool is);

/* Return the one value that the condition leaves to its column; NULL where there are several. */
extern const char *condition_only_value(const Condition *condition);

/*
 * Say whether a value can stand in a URL as a filter: an empty one might count as no filter, which
 * is right, or as something else.
 */
extern bool value_fits_url(const char *value);

/*
 * Say whether Crisp can be asked for a value: it is what Crisp has in each row whose column shows
 * it, and fits a URL.  Of what should be a string and isn't, columns show the JSON text.
 */
extern bool condition_can_send(const Condition *condition, const char *value);

/*
 * Say whether a value of the condition may be what a column shows instead of text that the database
 * can't keep: then Crisp has something else, and can't be asked for it.
 */
extern bool condition_may_be_replaced(const CrispOptions *options, const Condition *condition);

/*
 * Say whether rows may show one of the condition's values and have another, by which they would be
 * looked up.  What identifies a row is neither cut nor anything but a string.
 */
extern bool condition_may_differ(const Condition *condition);

#endif /* CRISP_CONDITION_H */
