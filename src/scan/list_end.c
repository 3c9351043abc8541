/*-------------------------------------------------------------------------
 *
 * list_end.c
 *		Find where a list ends, by some of its pages.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>
#include <math.h>

#include "scan/list_end.h"

/* How far the search for the end of a list goes in one step. */
#define SEARCH_STEP 8

/* The end of a long list is close enough when it is known up to this factor. */
#define CLOSE_ENOUGH 1.1

void
list_end_note_page(ListEnd *end, int number, int nrows, size_t nelements, bool is_last)
{
	if (nelements == 0)
	{
		end->first_missing = Min(end->first_missing, number);
		return;
	}
	if (number > end->last_found)
	{
		end->last_found = number;
		end->last_found_rows = nrows;
	}
	if (is_last)
		end->first_missing = Min(end->first_missing, number + 1);
	else
	{
		end->full_pages++;
		end->full_page_rows += nrows;
	}
}

bool
list_end_is_known(const ListEnd *end, int allowed)
{
	if (end->first_missing <= end->last_found + 1)
		return true;
	return end->last_found > allowed && end->first_missing <= end->last_found * CLOSE_ENOUGH;
}

int
list_end_next_page(const ListEnd *end, int allowed)
{
	double middle;

	if (allowed < LIST_END_MIN_PAGES)
		return end->last_found + 1;
	if (end->first_missing == INT_MAX)
	{
		if (end->last_found <= allowed && end->last_found * SEARCH_STEP > allowed)
			return allowed + 1;
		return end->last_found * SEARCH_STEP;
	}
	middle = floor(sqrt((double) end->last_found * end->first_missing));
	return Max(end->last_found + 1, (int) middle);
}

double
list_end_rows(const ListEnd *end, double expected)
{
	double full_page = end->full_page_rows / Max(end->full_pages, 1);
	double npages;

	if (end->first_missing == INT_MAX)
		return Max(expected, 2 * full_page * end->last_found);
	if (end->first_missing <= end->last_found + 1)
		return full_page * (end->last_found - 1) + end->last_found_rows;

	/* The last page is somewhere between these, and half full. */
	npages = sqrt((double) end->last_found * (end->first_missing - 1));
	return rint(full_page * (npages - 0.5));
}
