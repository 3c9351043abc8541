/*-------------------------------------------------------------------------
 *
 * page_estimate.h
 *		How many pages a list is likely to have.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PAGE_ESTIMATE_H
#define CRISP_PAGE_ESTIMATE_H

#include "request/request.h"

/*
 * What is expected of the length of a list.  It keeps pages past the list's end from being asked
 * for ahead of need; where a list ends is for its pages to say.
 */
typedef struct Extent Extent;

/*
 * Expect of a list what this session has seen last of the same, or else what the request's
 * pages_expected says.  In CurrentMemoryContext; request must live as long.
 */
extern Extent *extent_begin(const CrispRequest *request);

/*
 * Ask Crisp how many rows the list has, where it can tell, where that is worth a request, and
 * where the session hasn't seen it.  page_rows is the number of rows on a page.
 * Returns whether a request was started.  Raises what api_start() raises.
 */
extern bool extent_ask(Extent *extent, size_t page_rows);

/* Whether Crisp's answer to that has yet to come.  Raises what api_is_ready() raises. */
extern bool extent_is_pending(Extent *extent);

/* The number of pages that is expected; 0 when nobody knows. */
extern int extent_pages(Extent *extent);

/* The list has that many pages and goes on: expect no less. */
extern void extent_exceed(Extent *extent, int pages);

/* The list ended with that page: remember it for the session. */
extern void extent_end(Extent *extent, int pages);

/*
 * Remember for the session that a request's list has so many pages; or that many at least, if it
 * hasn't ended with the last of them.
 */
extern void extent_remember(const CrispRequest *request, int pages, bool ended);

/* What the session remembers of that; 0 for nothing. */
extern int extent_recall(const CrispRequest *request, bool *ended);

#endif /* CRISP_PAGE_ESTIMATE_H */
