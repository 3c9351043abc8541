/*-------------------------------------------------------------------------
 *
 * lookup.h
 *		Look up single rows, by their keys.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_LOOKUP_H
#define CRISP_LOOKUP_H

#include "fetch/lookup_prefetch.h"
#include "fetch/row_reader.h"
#include "request/request.h"

/*
 * Begin to look up the keys of a request.  What was asked for ahead by prefetch, with the same
 * cache, is not asked for again; prefetch may be NULL.  So may whole_list, from which keys are
 * served once they have cost as much, and search, by which several are found together.  The reader
 * lives in a child of CurrentMemoryContext; the arguments must live as long.  Reading raises what
 * api_finish() raises, and 08P01 when an answer isn't a row.
 */
extern RowReader *lookup_begin(const KeysRequest *request, AnswerCache *cache,
							   LookupPrefetch *prefetch, WholeList *whole_list, KeySearch *search);

#endif /* CRISP_LOOKUP_H */
