/*-------------------------------------------------------------------------
 *
 * exact_stretch.c
 *		Read a stretch of dates, newest first, by one request after the other.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fetch/exact_stretch.h"
#include "fetch/last_page.h"
#include "fetch/order.h"

/*
 * Of a stretch that is parted: pages that must have been read of it, and the fewest that are
 * expected in each part.
 */
#define PAGES_READ 3
#define PART_PAGES 12

bool
stretch_may_ask(const StretchScan *scan)
{
	return scan->asked < scan->max_pages;
}

/*
 * Note that a request of a stretch is under way.
 */
static void
note_asked(StretchScan *scan, Stretch *stretch)
{
	stretch->decided = true;
	stretch->turn = ++scan->asked;
}

/*
 * Ask for the first page of what is left of a stretch, unless no more is wanted.
 */
static void
ask(StretchScan *scan, Stretch *stretch)
{
	Span left = {stretch->span.lower, stretch->oldest};

	stretch->decided = true;
	if (left.upper < left.lower)
		stretch->ended = true;
	else if (!stretch_may_ask(scan))
		stretch->stopped = true;
	else
	{
		exact_step_bound(&stretch->step, left);
		exact_step_ask(&stretch->step, stretch->has_row							 ? EXACT_HAS_ROW
									   : stretch->is_part && stretch->pages == 0 ? EXACT_IS_PART
																				 : EXACT_UNKNOWN);
		stretch->asked_lower = left.lower;
		note_asked(scan, stretch);
	}
}

Stretch *
stretch_begin(StretchScan *scan, const ListRequest *asked, Span span, bool is_part)
{
	Stretch *stretch = MemoryContextAllocZero(scan->context, sizeof(Stretch));

	exact_step_init(&stretch->step, scan->request, scan->seen, scan->age, scan->context);
	stretch->step.asked = *asked;
	stretch->span = span;
	stretch->oldest = stretch->read_to = span.upper;
	stretch->widened_at = stretch->floor = PG_INT64_MIN;
	stretch->is_part = is_part;
	ask(scan, stretch);
	return stretch;
}

bool
stretch_is_active(const Stretch *stretch)
{
	return !stretch->ended && !stretch->stopped;
}

/*----------
 * What comes next
 *----------
 */

/*
 * Say whether the page at hand is in the order, and within the bound, that was asked for.
 */
static bool
is_in_order(const Stretch *stretch, PageTimes times)
{
	const ListRequest *asked = &stretch->step.asked;
	bool in_order = times.falling && (times.count == 0 || stretch->oldest == PG_INT64_MAX ||
									  times.first <= time_shift(stretch->oldest, 1));

	if (!in_order)
		order_disprove(asked);
	return in_order && order_is_trusted(asked);
}

/*
 * Return how many elements of the page at hand are not older than the bound.
 */
static int64
count_group(const StretchScan *scan, const Stretch *stretch)
{
	const JsonNode *rows = pager_page(stretch->step.pager);
	size_t			nrows = json_node_length(rows);
	int64			count = 0;
	JsonPath	   *path = json_path_of(scan->dates->path);

	for (size_t i = 0; i < nrows; i++)
	{
		int64 time;

		if (!order_row_time(json_node_element(rows, i), path, &time) || time >= stretch->oldest)
			count++;
	}
	return count;
}

/*
 * Read rows by page number where the page at hand is one of rows that share one millisecond with
 * the bound, and don't fit a page, or of rows without a date, which come last.  Return whether a
 * page of them has been asked for, or would have been.
 */
static bool
go_on_in_group(StretchScan *scan, Stretch *stretch, PageTimes times, bool is_last)
{
	bool ends = is_last || (times.count > 0 && times.last < stretch->oldest);

	if (!stretch_may_ask(scan))
	{
		stretch->decided = stretch->stopped = true;
		return true;
	}
	if (!exact_step_next_of_group(&stretch->step, count_group(scan, stretch), ends))
		return false;
	note_asked(scan, stretch);
	return true;
}

/*
 * Begin to look whether the first page, which is full and has shown nothing of the order, is all
 * that there is.  Return false where there is no reason to.
 */
static bool
begin_to_seek_end(Stretch *stretch)
{
	if (stretch->step.asked.order == NULL || stretch->oldest != PG_INT64_MAX ||
		stretch->sought_end || !order_shows_nothing(&stretch->step.asked))
		return false;
	stretch->seeks_end = stretch->sought_end = true;
	return true;
}

/*
 * Look whether no page follows the first one, twice, as a row may slip by between the two.  If one
 * does, the order can be proved by now, and the stretch begins anew.
 */
static void
seek_end(StretchScan *scan, Stretch *stretch)
{
	ExactStep *step = &stretch->step;
	int64	   nrows = (int64) json_node_length(pager_page(step->pager));

	stretch->decided = true;
	if (step->page_number > 1 && nrows > 0)
	{
		order_note_longer(&step->asked);
		stretch->seeks_end = false;
		ask(scan, stretch);
	}
	else if (!stretch_may_ask(scan))
		stretch->stopped = true;
	else if (exact_step_next_of_group(step, nrows, step->page_number > 1))
		note_asked(scan, stretch);
	else
		stretch->ended = true;
}

/*
 * Where the page at hand has no row, although one that was seen should be on it, ask for what a
 * page before had, too: many rows can't all be gone by now.  Returns false where the page isn't
 * such, or they may be.
 */
static bool
ask_wider(StretchScan *scan, Stretch *stretch)
{
	bool is_wide = stretch->oldest == stretch->newest;

	if (!stretch->has_row || stretch->step.page_number > 1 ||
		json_node_length(pager_page(stretch->step.pager)) > 0)
		return false;
	if (is_wide && stretch->newest_rows < EXACT_SURE_ROWS)
		return false;
	if (is_wide || stretch->oldest == stretch->widened_at)
		page_raise_lacking(&stretch->step.asked);
	stretch->widened_at = stretch->oldest;
	stretch->oldest = stretch->newest;
	ask(scan, stretch);
	return true;
}

/*
 * Go on where a request has ended that was for less than the stretch has by now.
 */
static void
ask_lower(StretchScan *scan, Stretch *stretch, PageTimes times)
{
	if (times.count > 0 && times.last < stretch->oldest)
	{
		stretch->oldest = times.last;
		stretch->has_row = true;
	}
	ask(scan, stretch);
}

/*
 * Say whether the first page has rows of one time alone, so that it leaves open whether the list
 * comes in its order: newer ones may follow.  Who wants the newest, or ranges that somebody has
 * named, relies on what Crisp documents.
 */
static bool
shows_one_time(const StretchScan *scan, const Stretch *stretch, PageTimes times)
{
	return stretch->oldest == PG_INT64_MAX && stretch->step.page_number == 1 && times.count > 1 &&
		   times.first == times.last && scan->request->errand == NULL &&
		   !scan->request->newest_first;
}

bool
stretch_decide(StretchScan *scan, Stretch *stretch, bool is_read)
{
	ExactStep *step = &stretch->step;
	PageTimes  times = order_page_times(pager_page(step->pager), scan->dates->path);
	bool	   is_last = pager_on_last_page(step->pager);
	bool	   in_group;

	/* What fits a page is in whatever order. */
	if (is_last && stretch->oldest == PG_INT64_MAX && !stretch->seeks_end)
	{
		stretch->decided = stretch->ended = true;
		return true;
	}
	if (!stretch->seeks_end && (step->asked.order == NULL || !is_in_order(stretch, times)) &&
		!begin_to_seek_end(stretch))
		return false;
	if (stretch->seeks_end)
	{
		if (is_read)
			seek_end(scan, stretch);
		return true;
	}

	if (shows_one_time(scan, stretch, times))
		return false;
	if (ask_wider(scan, stretch))
		return true;
	if (is_last && stretch->asked_lower > stretch->span.lower)
	{
		ask_lower(scan, stretch, times);
		return true;
	}

	in_group = step->page_number > 1 ||
			   (!is_last && (times.count == 0 || times.last >= stretch->oldest));
	if (in_group && !is_read)
		return true;
	if (in_group && go_on_in_group(scan, stretch, times, is_last))
		return true;
	if (is_last || times.count == 0)
	{
		stretch->decided = stretch->ended = true;
		return true;
	}

	/* Rows of one time may come in as fast as they are read. */
	stretch->has_row = times.last < stretch->oldest;
	stretch->oldest = times.last >= stretch->oldest ? time_shift(stretch->oldest, -1) : times.last;
	ask(scan, stretch);
	return true;
}

/*----------
 * Parts
 *----------
 */

/*
 * Note what the page that was taken tells of how many rows come in what time.
 */
static void
measure(const StretchScan *scan, Stretch *stretch)
{
	PageTimes times = order_page_times(pager_page(stretch->step.pager), scan->dates->path);

	stretch->pages++;
	if (times.count == 0)
		return;
	if (stretch->newest_rows == 0 || times.count >= EXACT_SURE_ROWS)
	{
		stretch->newest = times.first;
		stretch->newest_rows = times.count;
	}
	if (stretch->pages == 1)
		stretch->begins = times.first;
	stretch->page_span = Max((double) times.first - (double) times.last,
							 ((double) stretch->begins - (double) times.last) /
								 (double) stretch->pages);
}

void
stretch_take(const StretchScan *scan, Stretch *stretch)
{
	exact_step_take(&stretch->step);
	stretch->decided = false;
	measure(scan, stretch);
}

/*
 * Estimate how many pages are left.  There may be no rows down to where it ends, or where it has no
 * end: so no more are expected before that time than have been read in all, and as many after it.
 */
double
stretch_pages_left(const StretchScan *scan, const Stretch *stretch, int64 pages, int64 *middle)
{
	int64  lower = Max(stretch->span.lower, stretch->floor);
	int64  from_request;
	double upper_part;

	*middle = PG_INT64_MIN;
	if (!stretch_is_active(stretch) || stretch->pages < PAGES_READ || stretch->page_span < 1 ||
		stretch->oldest == PG_INT64_MAX)
		return 0;
	if (lower == PG_INT64_MIN && time_range_lower(scan->request->dates, &from_request))
		lower = from_request;
	upper_part = Max((double) pages, PART_PAGES);
	if (lower != PG_INT64_MIN)
		upper_part = Min(upper_part,
						 ((double) stretch->oldest - (double) lower) / stretch->page_span / 2);
	if (upper_part * stretch->page_span < (double) (PG_INT64_MAX / 4))
		*middle = time_shift(stretch->oldest, -(int64) (upper_part * stretch->page_span));
	return *middle == PG_INT64_MIN || upper_part < PART_PAGES ? 0 : upper_part * 2;
}

Span
stretch_part(Stretch *stretch, int64 middle)
{
	Span lower_part = {.lower = stretch->span.lower, .upper = middle};

	stretch->span.lower = time_shift(middle, 1);
	return lower_part;
}

bool
stretch_is_empty_part(const Stretch *stretch)
{
	return stretch->is_part && stretch->pages == 1 &&
		   json_node_length(pager_page(stretch->step.pager)) == 0;
}

void
stretch_give_back(StretchScan *scan, Stretch *part, Stretch *above)
{
	above->span.lower = part->span.lower;
	above->floor = part->span.upper;
	part->decided = part->ended = part->given_back = true;
	if (above->ended)
	{
		above->ended = false;
		ask(scan, above);
	}
}
