/*-------------------------------------------------------------------------
 *
 * request_value.h
 *		The values of conditions: what they are, and whether Crisp can be asked for them.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_REQUEST_VALUE_H
#define CRISP_REQUEST_VALUE_H

#include "request/condition.h"
#include "request/request.h"

/* A value too long for a URL stays with PostgreSQL, bytes. */
#define MAX_VALUE_BYTES 1000

/* A condition, read from its integer List. */
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

/* Whether a condition bounds a time. */
extern bool condition_is_time(const Condition *condition);

/*
 * Read the value of a condition, which is known, as texts; those of times are left as they are.
 * Returns false when no row can satisfy the condition.  Palloc'd.
 */
extern bool condition_read_texts(Condition *condition);

/*
 * Whether every value that the condition leaves to its column is, or (is false) is not, the
 * constant.
 */
extern bool condition_implies(const Condition *condition, const char *constant, bool is);

/* The one value that the condition leaves to its column; NULL where there are several. */
extern const char *condition_only_value(const Condition *condition);

/*
 * Whether a value can stand in a URL as a filter: an empty one might count as no filter, which
 * is right, or as something else.
 */
extern bool value_fits_url(const char *value);

/*
 * Whether Crisp can be asked for a value: it is what Crisp has in each row whose column shows it,
 * and fits a URL.  Of what should be a string and isn't, columns show the JSON text.
 */
extern bool condition_can_send(const Condition *condition, const char *value);

/*
 * Whether a value of the condition may be what a column shows instead of text that the database
 * can't keep: then Crisp has something else, and can't be asked for it.
 */
extern bool condition_may_be_replaced(const CrispOptions *options, const Condition *condition);

/*
 * Whether rows may show one of the condition's values and have another, by which they would be
 * looked up.  What identifies a row is neither cut nor anything but a string.
 */
extern bool condition_may_differ(const Condition *condition);

#endif /* CRISP_REQUEST_VALUE_H */
