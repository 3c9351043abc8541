/*-------------------------------------------------------------------------
 *
 * list_end.h
 *		Find where a list ends, by some of its pages.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_LIST_END_H
#define CRISP_LIST_END_H

/* With fewer requests than this, a list is read from its beginning, and its end found by chance. */
#define LIST_END_MIN_PAGES 8

/* The last page that the search looks at. */
#define LIST_END_LAST_PAGE (1 << 24)

/* What is known of a list.  All zero before the first page, but for first_missing. */
typedef struct ListEnd
{
	int	   last_found;		/* largest number of a page that has rows */
	int	   last_found_rows; /* on that page */
	int	   first_missing; /* smallest number of a page that has none; INT_MAX where none is known */
	int	   full_pages;	  /* pages read that others follow */
	double full_page_rows; /* on those */
} ListEnd;

/*
 * Note what a page that was read tells: its number (from 1), its rows and all its elements, and
 * whether it's known that none follows.
 */
extern void list_end_note_page(ListEnd *end, int number, int nrows, size_t nelements, bool is_last);

/*
 * Say whether the end is known well enough, where so many requests are allowed in all: that of a
 * list which might be read as a whole has to be known exactly.
 */
extern bool list_end_is_known(const ListEnd *end, int allowed);

/* Return the number of the page that tells most about where the list ends. */
extern int list_end_next_page(const ListEnd *end, int allowed);

/* Return how many rows the list has, where so many are expected before anybody has looked. */
extern double list_end_rows(const ListEnd *end, double expected);

#endif /* CRISP_LIST_END_H */
