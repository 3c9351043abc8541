/*-------------------------------------------------------------------------
 *
 * last_page.h
 *		Tell whether a list ends with a page.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_LAST_PAGE_H
#define CRISP_LAST_PAGE_H

#include "base/compat.h"
#include "request/request.h"

/*
 * Say whether the list of the options' resource ends with a page of nelements that was answered
 * with status 206 (more) or 200.
 *
 * 206 says that more pages follow, 200 that this was the last; but a server is taken at its word
 * only once it has been seen to say 206 in this session.  Until then, a 200 ends the list if the
 * page has less than full_page elements: a request more than needed is better than a row less.  An
 * empty page ends it in any case.
 */
extern bool page_is_last(const CrispOptions *options, size_t nelements, size_t full_page,
						 bool more);

/*
 * Say so of a page of a list that is read by page numbers.  Where the page size is the server's
 * choice, the largest page seen stands for a full one.
 */
extern bool page_ends_list(const ListRequest *request, size_t nelements, size_t largest_page,
						   bool more);

/*
 * Say whether a server has been seen to say 206 in this session, so that a 200 is the end of a
 * list.
 */
extern bool page_status_is_trusted(const CrispOptions *options);

/* Note that a page which was asked for with per_page has so many elements. */
extern void page_note_size(const CrispOptions *options, size_t nelements, int per_page);

/*
 * Say whether a page of nelements that was asked for with per_page has surely less than Crisp gives
 * at once: less than it is known to give in this session, or than any page that isn't the last.
 */
extern bool page_is_short(const CrispOptions *options, size_t nelements, int per_page);

/*
 * Say whether rows were announced that an empty page doesn't have: by its own status (more), or by
 * that of the page before it (before; false where there is none).  A status announces nothing where
 * empty pages, or last pages, are known to have it, too.
 */
extern bool page_announces_more(const CrispOptions *options, bool before, bool more);

/* Note that an empty page, of which these are the statuses, was past the end of its list. */
extern void page_note_end(const CrispOptions *options, bool before, bool more);

/*
 * Raise HV00R for a page (1-based) that Crisp doesn't know, or that is empty, although there are
 * rows on the one after it.
 */
pg_noreturn extern void page_raise_missing(const ListRequest *request, int page, bool is_empty);

/* Raise HV00R for the first page of a request that lacks rows which have come before. */
pg_noreturn extern void page_raise_lacking(const ListRequest *request);

/* How far the reading of a list with numbered pages has come; all zero before its first page. */
typedef struct PageProgress
{
	int pages; /* that had rows which had not come before */
	int idle;  /* that had none, since the latest of those */
} PageProgress;

/*
 * Note a page that isn't the last: whether it had rows which had not come before, and what was
 * asked for (target).  Raises HV000 when the list can't come to an end: so many pages in a row have
 * had none that these aren't just the pages that came before, moved back by others at the front.
 */
extern void page_note_progress(PageProgress *progress, const CrispOptions *options, bool has_new,
							   const char *target);

#endif /* CRISP_LAST_PAGE_H */
