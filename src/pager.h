/*-------------------------------------------------------------------------
 *
 * pager.h
 *		The rows of a list, page by page.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PAGER_H
#define CRISP_PAGER_H

#include "api.h"

typedef struct Pager Pager;

/*
 * Begin to read the list of the options' resource with these query
 * parameters (a List of ApiParam pointers).  Makes no request yet.  The pager
 * lives in a child of CurrentMemoryContext; options and params must live as long.
 */
extern Pager *pager_begin(const CrispOptions *options, List *params);

/*
 * The next row: a JSON object that stays valid until the next call, or NULL
 * at the end of the list.  A key is returned once, whatever the list does
 * meanwhile.  Raises what api_finish() raises, and 08P01 when a page isn't a list.
 */
extern json_object *pager_next(Pager *pager);

/* Requests made so far. */
extern int64 pager_requests(const Pager *pager);

/* Release everything; aborts what is under way. */
extern void pager_end(Pager *pager);

#endif /* CRISP_PAGER_H */
