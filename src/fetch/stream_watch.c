/*-------------------------------------------------------------------------
 *
 * stream_watch.c
 *		Tell when to look for what has moved in a list that is streamed.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fetch/stream_watch.h"

/* The first page before which there is a look in any case. */
#define FIRST_LOOK 4

bool
stream_watch_is_due(StreamWatch *watch, const ListRequest *request, const Pager *pager)
{
	int64 came_again = pager_counts(pager).duplicates;
	int	  page = pager_page_number(pager);
	bool  is_due = request->pages_wanted == 0 && page >= Max(2 * watch->looked_at, FIRST_LOOK);

	if (came_again != watch->came_again)
	{
		is_due = true;
		watch->came_again = came_again;
	}
	if (is_due)
		watch->looked_at = page;
	return is_due;
}
