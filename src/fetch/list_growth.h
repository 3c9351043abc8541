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

#include "fetch/row_age.h"

/* What pages in a row have brought.  All zero, but for age, before the first. */
typedef struct ListGrowth
{
	const RowAge *age;		/* NULL where nobody asks */
	int			  pages;	/* since that was judged last */
	size_t		  rows;		/* on those */
	size_t		  old_rows; /* of these, rows returned that may be older than the scan */
} ListGrowth;

/* Note a row that is returned. */
extern void list_growth_note_row(ListGrowth *growth, const JsonNode *row);

/*
 * Note a page of so many rows that was read, where up to prefetch pages are under way together.
 * Returns true when many pages in a row have brought little that was there when the scan began.
 */
extern bool list_growth_note_page(ListGrowth *growth, size_t nrows, int prefetch);

#endif /* CRISP_LIST_GROWTH_H */
