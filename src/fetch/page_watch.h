/*-------------------------------------------------------------------------
 *
 * page_watch.h
 *		See what the rows of pages bring: whether a list comes nearer to its end.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PAGE_WATCH_H
#define CRISP_PAGE_WATCH_H

#include "fetch/last_page.h"
#include "fetch/list_growth.h"
#include "fetch/row_age.h"

/* All zero before the first page, but for is_first. */
typedef struct PageWatch
{
	const RowAge *age;		 /* NULL where nobody tells which rows are older than the scan */
	ListGrowth	  growth;	 /* of keyed rows, while the list may stall */
	bool		  may_stall; /* somebody reads it in another way then */
	bool		  stalled;	 /* it grows as fast as it's read */

	/* Whether it comes to an end at all, where its keys are no others' too. */
	bool		 is_first;	/* no key had come before it */
	bool		 has_new;	/* the page at hand, a row whose key had not come before, */
	bool		 has_old;	/* and that may be older than the scan, */
	bool		 has_known; /* and one whose key had */
	PageProgress progress;
} PageWatch;

/* Begin with a page. */
extern void page_watch_begin(PageWatch *watch);

/* Note a row of it whose key had not come before, or one whose key had. */
extern void page_watch_note_new(PageWatch *watch, const JsonNode *row);
extern void page_watch_note_known(PageWatch *watch);

/* Say whether it has rows that had come before, and no others. */
extern bool page_watch_repeats(const PageWatch *watch);

/*
 * Judge, after a page of a request that isn't the last, whether the list ends; by_keys: by nothing
 * but whether its rows had keys.  Leaves something in CurrentMemoryContext.  Raises HV000 where
 * page after page has none, or nothing new.
 */
extern void page_watch_end(PageWatch *watch, const ListRequest *request, int page, bool by_keys);

#endif /* CRISP_PAGE_WATCH_H */
