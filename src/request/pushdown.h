/*-------------------------------------------------------------------------
 *
 * pushdown.h
 *		Tell what the API can do for conditions on a column.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PUSHDOWN_H
#define CRISP_PUSHDOWN_H

#include "request/condition.h"

/*
 * Say whether the API helps with comparisons of a time column: it takes bounds, or an order in
 * which a scan can stop early.
 */
extern bool pushdown_takes_range(const CrispResource *resource, const CrispColumn *column);

/* Say whether the API helps with an operator other than a comparison of times. */
extern bool pushdown_takes_operator(const CrispResource *resource, const CrispColumn *column,
									ConditionOperator op);

/* Say whether the API helps to find the rows in which a column equals a value. */
extern bool pushdown_takes_equality(const CrispResource *resource, const CrispColumn *column);

/*
 * Say whether a condition can find rows in Crisp, other than by the website that the table has
 * anyway.
 */
extern bool pushdown_finds_rows(const CrispResource *resource, const List *condition);

/* Say whether a condition makes the list shorter that Crisp sends, if its value allows it. */
extern bool pushdown_narrows_list(const CrispResource *resource, const List *condition);

/* Describe to users what the API can do for conditions on a column; NULL for nothing.  Palloc'd. */
extern char *pushdown_describe(const CrispResource *resource, const CrispColumn *column);

#endif /* CRISP_PUSHDOWN_H */
