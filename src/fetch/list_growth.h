/*-------------------------------------------------------------------------
 *
 * list_growth.h
 *		Tell whether a list grows as fast as it is read, so that its end comes no nearer.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_LIST_GROWTH_H
#define CRISP_LIST_GROWTH_H

/* What pages in a row have brought.  All zero before the first. */
typedef struct ListGrowth
{
	int	   pages;	 /* since that was judged last */
	size_t rows;	 /* on those, of which it's known whether they had come before */
	size_t old_rows; /* of these, rows that had not, and may be older than the scan */
} ListGrowth;

/* Note a row, and whether it is such an old one. */
extern void list_growth_note_row(ListGrowth *growth, bool is_old);

/*
 * Note that a page was read, where up to prefetch pages are under way together.  Returns true when
 * many pages in a row have brought little that was there when the scan began.
 */
extern bool list_growth_note_page(ListGrowth *growth, int prefetch);

#endif /* CRISP_LIST_GROWTH_H */
