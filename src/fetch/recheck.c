/*-------------------------------------------------------------------------
 *
 * recheck.c
 *		Recheck what has changed in a list while it was read.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fetch/order.h"
#include "fetch/recheck.h"
#include "request/time_range.h"

/*
 * A change may be seen some time after the moment that it bears: a row that was updated just before
 * the first page was answered, and isn't on it, may come to the front later, behind newer ones.  So
 * a recheck goes back by so many milliseconds more, but not beyond half of the list's first page,
 * which leaves room on a page for what has changed: many rows may have changed at once.
 */
#define LATE_MS 10000

/*
 * Rechecks of several pages in a row that bring nothing older than the scan, after which there is
 * no other.
 */
#define MAX_IDLE 2

/*
 * Rechecks that took no fewer pages than what they followed, after which there is no other.  The
 * list changes as fast as it can be read, or Crisp doesn't keep to dates, so that each recheck is
 * the whole list again.
 */
#define MAX_LARGE 3

/* Most rechecks of a list.  They halve again and again, unless something else is wrong. */
#define MAX_RECHECKS 32

bool
recheck_can_tell(const ListRequest *request)
{
	const CrispResource *resource = request->options->resource;
	const CrispOrder	*order = request_list_order(request);

	return resource->dates_follow_changes && order != NULL &&
		   strcmp(order->path, resource->dates_path) == 0;
}

/*
 * Return the column by which a row that changes moves to the front of what is asked for; NULL where
 * there is none, or none that could be asked for.
 */
static const CrispColumn *
change_column(const ListRequest *request)
{
	const CrispColumn *dates = crisp_resource_dates(request->options->resource);

	if (request->stops)
		return request->stop_column;
	if (request->streamed)
		return recheck_can_tell(request) ? dates : NULL;
	if (request->order != NULL || !request->options->resource->dates_follow_changes)
		return NULL;
	return dates;
}

void
recheck_init(Recheck *recheck, const ListRequest *request)
{
	const char *created = request->options->resource->created_path;

	memset(recheck, 0, sizeof(Recheck));
	recheck->column = change_column(request);
	if (recheck->column != NULL)
		recheck->column_path = json_path_of(recheck->column->path);
	if (created != NULL)
		recheck->age.created = json_path_of(created);
	recheck->latest = PG_INT64_MIN;
	recheck->clock = PG_INT64_MAX;
	recheck_restart(recheck, request);
}

void
recheck_restart(Recheck *recheck, const ListRequest *request)
{
	recheck->request = request;
	recheck->since = recheck->next_since = recheck->next_start = PG_INT64_MIN;
	recheck->half = PG_INT64_MIN;
	recheck->age.began = PG_INT64_MIN;
	recheck->last_time = PG_INT64_MAX;
	recheck->has_first = false;
	recheck->sorted = true;
	recheck->brought = false;
	recheck->brought_old = false;
	recheck->idle = 0;
	recheck->count = 0;
}

/*----------
 * Pages and rows
 *----------
 */

/*
 * Take the time of a row for that of a change, unless Crisp's clock has yet to come to it: what
 * will change would be earlier.
 */
static void
note_time(Recheck *recheck, int64 time)
{
	if (time <= recheck->clock)
		recheck->latest = Max(recheck->latest, time);
}

/*
 * Note when the scan began, by its first page.  The latest change tells that where the list comes
 * by it; elsewhere it's Crisp's clock, which may go before that of its rows.
 */
static void
note_beginning(Recheck *recheck, const JsonNode *page)
{
	PageTimes times = {0};

	if (recheck->age.began != PG_INT64_MIN)
		return;
	if (recheck->column != NULL)
		times = order_page_times(page, recheck->column->path);
	recheck->age.began = times.falling && times.count > 0 && times.latest <= recheck->clock
							 ? times.latest
							 : recheck->clock;
}

/*
 * Have the next recheck begin earlier than with what has come since this step began: see LATE_MS.
 */
static void
go_back(Recheck *recheck)
{
	recheck->next_start = Max(time_shift(recheck->next_since, -LATE_MS), recheck->half);
}

/*
 * Note what is known when a page has come: what changes after the first page of a step was answered
 * changes no earlier than any row that came with it or before it; see LATE_MS for by how much that
 * may be wrong.
 */
void
recheck_note_page(Recheck *recheck, const JsonNode *page, int64 date)
{
	size_t nrows = json_node_length(page);
	size_t ntimes = 0;
	int64 *times;

	if (recheck->has_first || page == NULL)
		return;
	recheck->has_first = true;
	recheck->clock = date > 0 ? Min(date, PG_INT64_MAX / 2000) * 1000 + 999 : PG_INT64_MAX;
	note_beginning(recheck, page);
	if (recheck->column == NULL)
		return;
	times = palloc(sizeof(int64) * Max(nrows, 1));
	for (size_t i = 0; i < nrows; i++)
		if (order_row_time(json_node_element(page, i), recheck->column_path, &times[ntimes]))
			note_time(recheck, times[ntimes++]);
	if (ntimes > 0 && recheck->latest == PG_INT64_MIN)
		recheck->latest = recheck->clock;
	recheck->next_since = recheck->next_start = recheck->latest;
	if (ntimes > 0 && !recheck_is_running(recheck))
	{
		order_sort_times(times, ntimes);
		if (times[ntimes / 2] <= recheck->latest)
			recheck->half = times[ntimes / 2];
		go_back(recheck);
	}
	pfree(times);
}

void
recheck_note_row(Recheck *recheck, const JsonNode *row)
{
	int64 time;

	recheck->brought = true;
	recheck->brought_old = recheck->brought_old || row_is_old(&recheck->age, row);
	if (recheck->column == NULL || !order_row_time(row, recheck->column_path, &time))
		return;
	if (time > recheck->last_time)
		recheck->sorted = false;
	recheck->last_time = time;
	note_time(recheck, time);
}

void
recheck_note_gap(Recheck *recheck)
{
	recheck->last_time = PG_INT64_MAX;
}

void
recheck_note_unsorted(Recheck *recheck)
{
	recheck->sorted = false;
}

/*----------
 * Steps
 *----------
 */

bool
recheck_is_running(const Recheck *recheck)
{
	return recheck->since != PG_INT64_MIN;
}

/*
 * Count the rechecks in a row, this step among them, which have brought nothing that was there when
 * the scan began.
 */
static int
count_idle(const Recheck *recheck)
{
	if (!recheck_is_running(recheck) || recheck->brought_old)
		return 0;
	return recheck->idle + 1;
}

/*
 * Count the rechecks that took no fewer pages than what they followed, this step of so many pages
 * among them.
 */
static int
count_large(const Recheck *recheck, int64 pages)
{
	bool is_large = recheck_is_running(recheck) && pages >= recheck->step_pages;

	return recheck->large + (is_large ? 1 : 0);
}

/*
 * Say whether another recheck is due.  What fits a page has not moved while it was read.  A recheck
 * of more pages is followed by another unless it has brought nothing, and shown no later change, or
 * two in a row have brought nothing that was there when the scan began, or they don't get smaller.
 * Where the order proved wrong that it would be in, there is none.
 */
bool
recheck_is_due(const Recheck *recheck, int64 pages)
{
	const ListRequest *request = recheck->request;

	if (request->errand != NULL ||
		(request->stops && request->order != NULL && order_is_disproved(request)))
		return false;
	return pages > 1 && recheck->next_since != PG_INT64_MIN && count_idle(recheck) < MAX_IDLE &&
		   recheck->count < MAX_RECHECKS && count_large(recheck, pages) < MAX_LARGE &&
		   (recheck->next_since > recheck->since || recheck->brought) &&
		   (request->stops || time_from_unix_ms(recheck->next_start) <= request->dates.upper);
}

/*
 * Make the request for a recheck.  Where the list has come newest change first, it is over at the
 * first row that is older than what it's for: Crisp leaves the date out of account then, and the
 * rest is the list again.
 */
ListRequest *
recheck_make_request(const Recheck *recheck, bool by_date)
{
	const ListRequest *request = recheck->request;
	ListRequest		  *result = palloc(sizeof(ListRequest));

	*result = *request;
	result->pages_wanted = 0;
	result->pages_expected = 1;
	result->streamed = false;
	result->expects_rows = recheck->half != PG_INT64_MIN && recheck->next_start <= recheck->latest;
	if (request->stops)
	{
		result->stop_before = Max(recheck->next_start, request->stop_before);
		return result;
	}
	result->dates.lower = Max(time_from_unix_ms(recheck->next_start), request->dates.lower);
	if (recheck->sorted && !by_date)
	{
		/* Bounds go out a millisecond wider than they are. */
		result->stops = true;
		result->stop_column = recheck->column;
		result->stop_before = time_shift(recheck->next_start, -1);
	}
	return result;
}

ListRequest *
recheck_narrow(const Recheck *recheck, ListRequest *request, const JsonNode *row)
{
	int64 time;

	if (!order_row_time(row, recheck->column_path, &time))
		return request;

	/* Bounds go out a millisecond wider than they are. */
	request->dates.lower = Max(request->dates.lower, time_from_unix_ms(time_shift(time, 1)));
	request->stop_before = Max(request->stop_before, time_shift(time, 1));
	return request;
}

bool
recheck_row_is_old(const Recheck *recheck, const JsonNode *row)
{
	int64 created;
	int64 changed;

	return row_is_old(&recheck->age, row) || recheck->column == NULL ||
		   !order_row_time(row, recheck->age.created, &created) ||
		   !order_row_time(row, recheck->column_path, &changed) || created > changed;
}

void
recheck_pause(Recheck *recheck)
{
	recheck->since = PG_INT64_MIN;
	go_back(recheck);
	recheck->last_time = PG_INT64_MAX;
	recheck->has_first = true;
	recheck->idle = 0;
	recheck->large = 0;
	recheck->count = 0;
}

void
recheck_begin(Recheck *recheck, int64 pages)
{
	recheck->idle = count_idle(recheck);
	recheck->large = count_large(recheck, pages);
	recheck->step_pages = pages;
	recheck->count++;
	recheck->since = recheck->next_since;
	recheck->has_first = false;
	recheck->brought = false;
	recheck->brought_old = false;
	recheck->last_time = PG_INT64_MAX;
}
