/*-------------------------------------------------------------------------
 *
 * page_estimate.h
 *		Estimate how many pages a list has.
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
typedef struct PageEstimate PageEstimate;

/*
 * Expect of a list what this session has seen last of the same, or else what the request's
 * pages_expected says.  In CurrentMemoryContext; request must live as long.
 */
extern PageEstimate *page_estimate_begin(const ListRequest *request);

/*
 * Ask Crisp how many rows the list has, where it can tell, where that is worth a request, and where
 * the session hasn't seen it.  page_rows is the number of rows on a page.  Returns whether a
 * request was started.  Raises what api_start() raises.
 */
extern bool page_estimate_ask(PageEstimate *estimate, size_t page_rows);

/* Say whether Crisp's answer to that has yet to come.  Raises what api_get_ready() raises. */
extern bool page_estimate_is_pending(PageEstimate *estimate);

/* Return the number of pages that is expected; 0 when nobody knows. */
extern int page_estimate_pages(PageEstimate *estimate);

/* Note that the list has that many pages and goes on: expect no less. */
extern void page_estimate_exceed(PageEstimate *estimate, int pages);

/*
 * Note that the list ended with that page: remember it for the session, unless it's one of the many
 * parts of a list that fill no more than a page.
 */
extern void page_estimate_end(PageEstimate *estimate, int pages);

/*
 * Remember for the session that a request's list has so many pages; or that many at least, if it
 * hasn't ended with the last of them.
 */
extern void page_estimate_remember(const ListRequest *request, int pages, bool ended);

/* Return what the session remembers of that; 0 for nothing. */
extern int page_estimate_recall(const ListRequest *request, bool *ended);

#endif /* CRISP_PAGE_ESTIMATE_H */
