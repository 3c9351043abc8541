/*-------------------------------------------------------------------------
 *
 * list_growth.c
 *		Tell whether a list grows as fast as it is read, so that its end comes no nearer.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fetch/list_growth.h"

/*
 * A list is taken to grow as fast as it's read when so many pages, and as many as may be under way
 * together, bring less than a quarter of their rows.
 */
#define STALLED_PAGES 8
#define STALLED_SHARE 4

void
list_growth_note_row(ListGrowth *growth, bool is_old)
{
	growth->rows++;
	growth->old_rows += is_old;
}

bool
list_growth_note_page(ListGrowth *growth, int prefetch)
{
	bool is_stalled;

	growth->pages++;
	if (growth->pages < STALLED_PAGES + prefetch)
		return false;
	is_stalled = growth->old_rows * STALLED_SHARE < growth->rows;
	*growth = (ListGrowth){0};
	return is_stalled;
}
