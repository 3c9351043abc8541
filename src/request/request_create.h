/*-------------------------------------------------------------------------
 *
 * request_create.h
 *		Make a request of conditions and their values.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_REQUEST_CREATE_H
#define CRISP_REQUEST_CREATE_H

#include "request/condition.h"
#include "request/request.h"

/*
 * Work out the request for conditions (of the form in condition.h), given an array with a value for
 * each.  It asks for a superset of the rows that satisfy them.  lookup_condition is the index of
 * the condition whose values are looked up as keys, -1 for a list; where they can't be looked up,
 * the request is for a list, too.  order is what the list is asked to be sorted by, or NULL; if
 * early_stop is set, it ends where the conditions on the order's column end.
 *
 * Values that aren't known show up in the query as "parameter={expression}".
 *
 * Returns NULL when no row can satisfy the conditions, so that there is nothing to ask.  The result
 * is palloc'd in CurrentMemoryContext.
 */
extern CrispRequest *request_create(const CrispOptions *options, List *conditions,
									const ConditionValue *values, int lookup_condition,
									const CrispOrder *order, bool early_stop);

#endif /* CRISP_REQUEST_CREATE_H */
