/*-------------------------------------------------------------------------
 *
 * exact.c
 *		All rows of a list, by date instead of page number.
 *
 * As long as Crisp sorts the list by the date that it takes bounds for, newest first: each request is for
 * what is not newer than the oldest row seen so far.  Where rows are is then
 * no matter of how many stand before them.
 *
 * Where it doesn't, or that can't be proved: by ranges of dates.  What fits a page is
 * a snapshot of its range, in whatever order it comes.  A range that holds more is split, so that each part
 * is asked for again.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "compat.h"
#include "exact.h"
#include "fact.h"
#include "order.h"
#include "sqlstate.h"
#include "timerange.h"

/*
 * Most passes over rows that dates don't tell apart; and most pages in a row that bring nothing older than the scan,
 * of these, or of the latest span.
 */
#define MAX_PASSES 6
#define MAX_IDLE_PAGES 16

/* A closed interval of Unix milliseconds; the extremes of int64 stand for no bound. */
typedef struct Span
{
	int64 lower;
	int64 upper;
} Span;

struct ExactReader
{
	const CrispRequest *request;
	const CrispColumn  *dates;
	MemoryContext		context;
	CrispRequest		step;  /* what pager asks for */
	Pager			   *pager; /* NULL before the first request */
	SeenKeys		   *seen;
	const RowAge	   *age;
	PagerCounts			counts; /* of earlier pagers */
	int					gained; /* rows of the page at hand that may be older than the scan */
	int idle; /* pages in a row, within the bound or at the latest span, that had none */

	int	  page_number;	/* of the page at hand, within its bound or span */
	int64 group;		/* rows that page numbers are needed for, on the pages so far ... */
	int64 group_before; /* ... and in the pass over them before; -1 for none */
	int	  passes;		/* over them, that are done */
	int	  pages_before; /* of the last one */

	/* In order. */
	int64 oldest; /* Unix milliseconds, the bound */

	/* By ranges; the last one is being read. */
	Span *spans;
	int	  nspans;
	int	  max_spans; /* room for so many; 0 while the list is read in order */
};

/* The times of a page's rows within a span. */
typedef struct SpanTimes
{
	int64 least;
	int64 median;
	int64 greatest;
	int	  count;
} SpanTimes;

/*----------
 * Steps
 *----------
 */

bool
exact_is_possible(const CrispRequest *request)
{
	return crisp_resource_dates(request->options->resource) != NULL && request->order == NULL;
}

CrispRequest
exact_first_request(const CrispRequest *request)
{
	const CrispResource *resource = request->options->resource;
	CrispRequest		 first = *request;

	first.order = crisp_resource_order(resource, crisp_resource_dates(resource)->path);
	if (first.order != NULL && order_is_disproved(&first))
		first.order = NULL;
	first.any_order = first.order == NULL;
	return first;
}

ExactReader *
exact_begin(const CrispRequest *request, SeenKeys *seen, const RowAge *age)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw exact",
												  ALLOCSET_SMALL_SIZES);
	ExactReader	 *reader = MemoryContextAllocZero(context, sizeof(ExactReader));

	reader->request = request;
	reader->dates = crisp_resource_dates(request->options->resource);
	reader->context = context;
	reader->seen = seen;
	reader->age = age;
	reader->step = exact_first_request(request);
	reader->oldest = PG_INT64_MAX;
	return reader;
}

/*
 * Ask for the first page of what step says.
 */
static void
begin_step(ExactReader *reader)
{
	MemoryContext old_context = MemoryContextSwitchTo(reader->context);

	reader->page_number = 1;
	reader->group = 0;
	reader->group_before = -1;
	reader->passes = 0;
	reader->pages_before = 0;
	reader->gained = 0;
	if (reader->pager != NULL)
	{
		pager_add_counts(&reader->counts, pager_counts(reader->pager));
		pager_end(reader->pager);
		reader->pager = NULL;
	}
	reader->pager = pager_begin(&reader->step, reader->seen);
	MemoryContextSwitchTo(old_context);
	(void) pager_go_to(reader->pager, 1);
}

/*
 * Note whether the page at hand, which was read, has brought anything older than the scan.  Returns false after too
 * many pages in a row that haven't.
 */
static bool
gains(ExactReader *reader)
{
	reader->idle = reader->gained > 0 ? 0 : reader->idle + 1;
	reader->gained = 0;
	return reader->idle < MAX_IDLE_PAGES;
}

/*
 * Read rows by page number that dates don't tell apart, so many of which are on the page at hand.  One that
 * is deleted meanwhile lets another slide onto a page that was read, so they are read
 * until two passes over them have found as many, or it's for certain that others come in all the time.  Returns false
 * after that.
 */
static bool
next_of_group(ExactReader *reader, int64 rows, bool is_last)
{
	bool gained = gains(reader);

	/* What the pass before has shown is looked through in whole. */
	if (reader->page_number <= reader->pages_before)
	{
		gained = true;
		reader->idle = 0;
	}
	reader->group += rows;
	if (!is_last && gained)
		reader->page_number++;
	else if (reader->page_number == 1 || reader->group == reader->group_before ||
			 ++reader->passes == MAX_PASSES)
		return false;
	else
	{
		reader->group_before = reader->group;
		reader->group = 0;
		reader->pages_before = reader->page_number;
		reader->page_number = 1;
		reader->idle = 0;
	}
	(void) pager_go_to(reader->pager, reader->page_number);
	return true;
}

/*----------
 * By ranges
 *----------
 */

pg_noreturn static void
raise_no_dates(const ExactReader *reader)
{
	ereport(ERROR, (errcode(ERRCODE_CRISP_NOT_EXACT),
					errmsg("cannot read \"%s\" exactly, server \"%s\"",
						   reader->request->options->resource->name,
						   reader->request->options->server_name),
					errdetail("Crisp does not keep to the dates (%s) that it was asked for.",
							  reader->dates->path),
					errhint("Set scan_mode to fast.")));
}

static int
compare_times(const void *a, const void *b)
{
	int64 left = *(const int64 *) a;
	int64 right = *(const int64 *) b;

	return left < right ? -1 : left > right ? 1 : 0;
}

/*
 * The times of the rows at hand that are within a span.  Bounds go out a millisecond wider than
 * they are; a row beyond that raises an error.
 */
static SpanTimes
times_within(const ExactReader *reader, Span span)
{
	const JsonNode *rows = pager_page(reader->pager);
	size_t			nrows = json_node_length(rows);
	int64		   *times = palloc(sizeof(int64) * Max(nrows, 1));
	SpanTimes		result = {0};
	const char	   *error;
	JsonPath	   *path = json_path_parse(reader->dates->path, &error);

	for (size_t i = 0; i < nrows; i++)
	{
		int64 time;

		if (!order_row_time(json_node_element(rows, i), path, &time))
			continue;
		if ((span.lower != PG_INT64_MIN && time < time_shift(span.lower, -1)) ||
			(span.upper != PG_INT64_MAX && time > time_shift(span.upper, 1)))
			raise_no_dates(reader);
		if (time >= span.lower && time <= span.upper)
			times[result.count++] = time;
	}
	if (result.count > 0)
	{
		qsort(times, result.count, sizeof(int64), compare_times);
		result.least = times[0];
		result.median = times[result.count / 2];
		result.greatest = times[result.count - 1];
	}
	pfree(times);
	return result;
}

/*
 * Where to split a span: the last millisecond of its earlier part.  The page at hand shows how the list is
 * sorted, by chance or not: then what it holds is cut off, or else the span is
 * halved at the rows' median.
 */
static int64
split_point(const ExactReader *reader, Span span, SpanTimes times)
{
	PageTimes order = order_page_times(pager_page(reader->pager), reader->dates->path);
	int64	  point = times.median;

	if (order.falling)
		point = times.least;
	else if (order.rising)
		point = time_shift(times.greatest, -1);
	return Min(Max(point, span.lower), span.upper - 1);
}

static void
push_span(ExactReader *reader, int64 lower, int64 upper)
{
	if (reader->nspans == reader->max_spans)
	{
		reader->max_spans *= 2;
		reader->spans = repalloc(reader->spans, sizeof(Span) * reader->max_spans);
	}
	reader->spans[reader->nspans].lower = lower;
	reader->spans[reader->nspans].upper = upper;
	reader->nspans++;
}

/*
 * Ask for the last of the spans; returns false when there is none.
 */
static bool
begin_span(ExactReader *reader)
{
	const TimeRange *dates = &reader->request->dates;
	Span			 span;

	if (reader->nspans == 0)
		return false;
	span = reader->spans[reader->nspans - 1];
	reader->step.dates.lower = Max(dates->lower, time_range_from_unix_ms(span.lower));
	reader->step.dates.upper = Min(dates->upper, time_range_from_unix_ms(span.upper));
	begin_step(reader);
	return true;
}

/*
 * After a page of the last span: get the next page.  Returns false when there is none.
 */
static bool
next_by_range(ExactReader *reader)
{
	Span	  span = reader->spans[reader->nspans - 1];
	bool	  is_last = pager_on_last_page(reader->pager);
	SpanTimes times = times_within(reader, span);
	int64	  point;

	if (is_last && reader->page_number == 1)
	{
		reader->nspans--;
		return begin_span(reader);
	}
	if (span.lower == span.upper || times.count == 0)
	{
		if (next_of_group(reader, (int64) json_node_length(pager_page(reader->pager)), is_last))
			return true;
		reader->nspans--;
		return begin_span(reader);
	}

	/* The latest, where the list grows, comes last; whatever still moves there is the last look's. */
	reader->nspans--;
	if (reader->nspans > 0)
		reader->idle = 0;
	else if (!gains(reader))
		return false;
	point = split_point(reader, span, times);
	push_span(reader, time_shift(point, 1), span.upper);
	push_span(reader, span.lower, point);
	return begin_span(reader);
}

/*
 * Crisp's order can't be relied on: go on by ranges, with the page at hand as the first of all dates.
 */
static bool
begin_ranges(ExactReader *reader)
{
	bool is_first = reader->oldest == PG_INT64_MAX;

	reader->step.order = NULL;
	reader->step.any_order = true;
	reader->max_spans = 16;
	reader->spans = MemoryContextAlloc(reader->context, sizeof(Span) * reader->max_spans);
	push_span(reader, PG_INT64_MIN, PG_INT64_MAX);
	return is_first ? next_by_range(reader) : begin_span(reader);
}

/*----------
 * In order
 *----------
 */

/*
 * Whether the page at hand is in the order, and within the bound, that was asked for.
 */
static bool
is_in_order(ExactReader *reader, PageTimes times)
{
	bool in_order = times.falling && (times.count == 0 || reader->oldest == PG_INT64_MAX ||
									  times.first <= time_shift(reader->oldest, 1));

	if (!in_order)
		order_disprove(&reader->step);
	return in_order && order_is_trusted(&reader->step);
}

/*
 * How many elements of the page at hand are not older than the bound.
 */
static int64
count_group(const ExactReader *reader)
{
	const JsonNode *rows = pager_page(reader->pager);
	size_t			nrows = json_node_length(rows);
	int64			count = 0;
	const char	   *error;
	JsonPath	   *path = json_path_parse(reader->dates->path, &error);

	for (size_t i = 0; i < nrows; i++)
	{
		int64 time;

		if (!order_row_time(json_node_element(rows, i), path, &time) || time >= reader->oldest)
			count++;
	}
	return count;
}

/*
 * After a page in order: get the next.  Returns false when there is none.
 *
 * Rows that share one millisecond with the bound, and don't fit a page, are
 * read by page number; so are rows without a date, which come last.
 */
static bool
next_in_order(ExactReader *reader)
{
	PageTimes times = order_page_times(pager_page(reader->pager), reader->dates->path);
	bool	  is_last = pager_on_last_page(reader->pager);
	bool	  is_bounded = reader->oldest != PG_INT64_MAX;

	/* What fits a page is in whatever order. */
	if (is_last && !is_bounded)
		return false;
	if (!is_in_order(reader, times))
		return begin_ranges(reader);

	if (is_last || times.count == 0 || times.last >= reader->oldest)
	{
		if (next_of_group(reader, count_group(reader), is_last))
			return true;
		if (is_last || times.count == 0)
			return false;

		/* Rows of that time come in as fast as they are read. */
		reader->oldest = time_shift(reader->oldest, -1);
		reader->step.dates.upper = Min(reader->request->dates.upper,
									   time_range_from_unix_ms(reader->oldest));
		begin_step(reader);
		return true;
	}
	if (reader->page_number > 1 && next_of_group(reader, count_group(reader), true))
		return true;

	reader->oldest = times.last;
	reader->step.dates.upper = Min(reader->request->dates.upper,
								   time_range_from_unix_ms(times.last));
	begin_step(reader);
	return true;
}

/*----------
 * The whole
 *----------
 */

/*
 * Get the next page, if there is one.
 */
static bool
next_page(ExactReader *reader)
{
	if (reader->max_spans > 0)
		return next_by_range(reader);
	if (reader->step.order == NULL)
		return pager_on_last_page(reader->pager) ? false : begin_ranges(reader);
	return next_in_order(reader);
}

const JsonNode *
exact_next(ExactReader *reader)
{
	const JsonNode *row = NULL;

	if (reader->pager == NULL)
		begin_step(reader);
	do
		row = pager_next_on_page(reader->pager);
	while (row == NULL && next_page(reader));
	if (row != NULL && row_is_old(reader->age, row))
		reader->gained++;
	return row;
}

const JsonNode *
exact_page(const ExactReader *reader)
{
	return reader->pager ? pager_page(reader->pager) : NULL;
}

int64
exact_page_date(const ExactReader *reader)
{
	return reader->pager ? pager_page_date(reader->pager) : 0;
}

bool
exact_at_hand(const ExactReader *reader)
{
	return reader->pager != NULL && pager_at_hand(reader->pager);
}

PagerCounts
exact_counts(const ExactReader *reader)
{
	PagerCounts sum = reader->counts;

	if (reader->pager != NULL)
		pager_add_counts(&sum, pager_counts(reader->pager));
	return sum;
}

void
exact_end(ExactReader *reader)
{
	if (reader->pager != NULL)
		pager_end(reader->pager);
	MemoryContextDelete(reader->context);
}
