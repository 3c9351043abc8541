/*-------------------------------------------------------------------------
 *
 * page_shift.h
 *		Find where a page lies by now, of a list whose rows have no key.
 *
 * A row that comes to the front of a list moves all others one place back, so that the next page
 * begins with what was on the one before.  Rows that are the same in everything may be two, so that
 * nothing may be dropped for that alone.  Whether the list has moved is told by the page before,
 * which is asked for again.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PAGE_SHIFT_H
#define CRISP_PAGE_SHIFT_H

#include "json/json.h"

typedef struct PageShift PageShift;

/* What is to become of a page. */
typedef enum ShiftVerdict
{
	SHIFT_TAKE,		 /* its rows follow those that were taken, */
	SHIFT_TAKE_HELD, /* or those of the page that was held do */
	SHIFT_HOLD, /* it's to be held until another page, which is to be asked for, was looked at */
	SHIFT_DROP, /* it has done its duty, as has what was held, and another is to be asked for */
	SHIFT_LOST	/* it can't be told which rows follow those that were taken */
} ShiftVerdict;

/* Create it for a list of which no page was taken.  Lives in CurrentMemoryContext. */
extern PageShift *page_shift_create(void);

/*
 * Look at a page: its number, its rows (objects), and whether no other follows.  With SHIFT_TAKE
 * and SHIFT_TAKE_HELD *number becomes that of the page that is taken, and the first *skip of its
 * rows are known; with SHIFT_HOLD and SHIFT_DROP *number becomes that of the page to ask for.
 */
extern ShiftVerdict page_shift_look(PageShift *shift, const JsonNode **rows, size_t nrows,
									bool is_last, int *number, size_t *skip);

/* Say whether the page that was taken last has the same rows as the one that was before it. */
extern bool page_shift_repeats(const PageShift *shift);

/* Count the pages that were held or dropped so far. */
extern int page_shift_checks(const PageShift *shift);

#endif /* CRISP_PAGE_SHIFT_H */
