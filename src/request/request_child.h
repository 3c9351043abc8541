/*-------------------------------------------------------------------------
 *
 * request_child.h
 *		Make requests for a resource whose lists lie below rows of another.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_REQUEST_CHILD_H
#define CRISP_REQUEST_CHILD_H

#include "request/condition.h"
#include "request/request.h"

/*
 * Work out the request for the lists below rows of another resource, as request_create() does, with
 * the rows of that, the parent, below which to ask.  inherits tells whether those are needed for
 * what they hand down, even where the conditions name them.
 */
extern CrispRequest *request_create_child(const CrispOptions *options, List *conditions,
										  const ConditionValue *values, bool inherits);

#endif /* CRISP_REQUEST_CHILD_H */
