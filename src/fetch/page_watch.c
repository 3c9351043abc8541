/*-------------------------------------------------------------------------
 *
 * page_watch.c
 *		See what the rows of pages bring: whether a list comes nearer to its end.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fetch/page_watch.h"

void
page_watch_begin(PageWatch *watch)
{
	watch->has_new = watch->has_old = watch->has_known = false;
}

void
page_watch_note_new(PageWatch *watch, const JsonNode *row)
{
	bool is_old = watch->age == NULL || row_is_old(watch->age, row);

	watch->has_new = true;
	watch->has_old = watch->has_old || is_old;
	list_growth_note_row(&watch->growth, is_old);
}

void
page_watch_note_known(PageWatch *watch)
{
	watch->has_known = true;
	list_growth_note_row(&watch->growth, false);
}

bool
page_watch_repeats(const PageWatch *watch)
{
	return watch->has_known && !watch->has_new;
}

void
page_watch_end(PageWatch *watch, const ListRequest *request, int page, bool by_keys)
{
	bool is_progress = watch->has_new || watch->has_known;

	/* If it's read a second time, no row need be new. */
	if (!by_keys && watch->is_first && !watch->may_stall)
		is_progress = watch->has_old;
	page_note_progress(&watch->progress, request->options, is_progress,
					   request_list_target(request, page));
	if (!by_keys && watch->may_stall)
		watch->stalled = list_growth_note_page(&watch->growth, request->options->prefetch);
}
