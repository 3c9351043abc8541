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

#include "json.h"
#include "request.h"

typedef struct Pager Pager;

/*
 * Begin to read the list that a request asks for.  Makes no request yet.  The
 * pager lives in a child of CurrentMemoryContext; request must live as long.
 * If the request has an order that can't be trusted, the caller must have
 * taken its stop away.
 */
extern Pager *pager_begin(const CrispRequest *request);

/*
 * The next row: a JSON object that stays valid until the next call, or NULL
 * at the end of the list.  A key is returned once, whatever the list does
 * meanwhile.  Raises what api_finish() raises, and 08P01 when a page isn't a list.
 */
extern json_object *pager_next(Pager *pager);

/*
 * To read some pages of a list only: fetch the page of a number, from 1, and return how many
 * elements it has, which is 0 for a page beyond the list's end.  Its rows come from
 * pager_next_on_page(), as from pager_next(), but NULL follows the page's last
 * one.  pager_on_last_page() tells whether the list is known to end with that page, if not before.
 */
extern size_t		pager_go_to(Pager *pager, int page_number);
extern json_object *pager_next_on_page(Pager *pager);
extern bool			pager_on_last_page(const Pager *pager);

/* Whether the page at hand has rows left, so that pager_next() is likely to need no request. */
extern bool pager_at_hand(const Pager *pager);

/* What a pager has received so far: pages, rows, and those dropped since their key was returned before. */
typedef struct PagerCounts
{
	int64 pages;
	int64 rows;
	int64 doubles;
} PagerCounts;

extern PagerCounts pager_counts(const Pager *pager);

/* Release everything; aborts what is under way. */
extern void pager_end(Pager *pager);

#endif /* CRISP_PAGER_H */
