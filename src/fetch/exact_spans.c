/*-------------------------------------------------------------------------
 *
 * exact_spans.c
 *		Read all rows of a list that comes in no order, by spans of dates.
 *
 * What fits a page is a snapshot of its span, in whatever order it comes.  A span that holds more
 * is split, so that each part is asked for again.  Where Crisp says of each page that more follow,
 * one that isn't full is a snapshot if the page after it is empty.
 *
 * A millisecond of more rows than that is read by page number, once it's a span of its own.  Bounds
 * go out a millisecond wider than they are, so all of its rows would come with each span that
 * begins or ends beside it: spans are split two milliseconds from where many rows were seen.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/compat.h"
#include "fetch/exact_spans.h"
#include "fetch/last_page.h"
#include "fetch/order.h"
#include "base/sqlstate.h"

/* How often that may happen: a server that goes on so can't be relied on. */
#define MAX_WIDENED 3

/* A span that is to be read. */
typedef struct SpanLeft
{
	Span span;
	bool has_row; /* one that was seen is in it, */
	Span wider;	  /* and more of them in this one: */
	int	 rows;	  /* so many */
} SpanLeft;

struct ExactSpans
{
	ExactStep		  *step;
	const CrispColumn *dates;
	SpanLeft		  *spans; /* the last one is being read */
	int				   nspans;
	int				   max_spans; /* room for so many */
	int				   widened;	  /* how often a page lacked a row that was seen */
	bool			   at_end;	  /* the page at hand, or asked for, is to show that none follows */
};

/* The times of a page's rows, the earliest first. */
typedef struct SortedTimes
{
	int64 *times;
	int	   count;
} SortedTimes;

/* Those of them within a span. */
typedef struct SpanTimes
{
	int64 least;
	int64 median;
	int64 greatest;
	int	  count;
} SpanTimes;

pg_noreturn static void
raise_no_dates(const ExactSpans *spans)
{
	ereport(ERROR, (errcode(ERRCODE_CRISP_NOT_EXACT),
					errmsg("cannot read \"%s\" exactly, server \"%s\"",
						   spans->step->request->options->resource->name,
						   spans->step->request->options->server_name),
					errdetail("Crisp does not keep to the dates (%s) that it was asked for.",
							  spans->dates->path),
					errhint("Set scan_mode to fast.")));
}

/*
 * Return the times of the rows at hand, which were asked for by a span.  Bounds go out a
 * millisecond wider than they are; a row beyond that raises an error.
 */
static SortedTimes
times_at_hand(const ExactSpans *spans, Span span)
{
	const JsonNode *rows = pager_page(spans->step->pager);
	size_t			nrows = json_node_length(rows);
	SortedTimes		sorted = {.times = palloc(sizeof(int64) * Max(nrows, 1))};
	JsonPath	   *path = json_path_of(spans->dates->path);

	for (size_t i = 0; i < nrows; i++)
	{
		int64 time;

		if (!order_row_time(json_node_element(rows, i), path, &time))
			continue;
		if ((span.lower != PG_INT64_MIN && time < time_shift(span.lower, -1)) ||
			(span.upper != PG_INT64_MAX && time > time_shift(span.upper, 1)))
			raise_no_dates(spans);
		sorted.times[sorted.count++] = time;
	}
	order_sort_times(sorted.times, sorted.count);
	return sorted;
}

static SpanTimes
times_within(const SortedTimes *sorted, Span span)
{
	SpanTimes result = {0};
	int		  first = 0;
	int		  end = sorted->count;

	while (first < end && sorted->times[first] < span.lower)
		first++;
	while (end > first && sorted->times[end - 1] > span.upper)
		end--;
	result.count = end - first;
	if (result.count > 0)
	{
		result.least = sorted->times[first];
		result.median = sorted->times[first + result.count / 2];
		result.greatest = sorted->times[end - 1];
	}
	return result;
}

/*
 * Say whether half of the times or more are the same, and which that is.
 */
static bool
find_group(const SortedTimes *sorted, int64 *group)
{
	int half = (sorted->count + 1) / 2;

	for (int i = 0; half > 0 && i + half <= sorted->count; i++)
		if (sorted->times[i] == sorted->times[i + half - 1])
		{
			*group = sorted->times[i];
			return true;
		}
	return false;
}

/*
 * Say whether a span is so short that what doesn't fit a page is read by page number: a millisecond
 * and those beside it, which come with it in any case.
 */
static bool
is_shortest(Span span)
{
	return span.lower != PG_INT64_MIN && span.upper != PG_INT64_MAX &&
		   time_shift(span.lower, 2) >= span.upper;
}

/*
 * Cut a millisecond of many rows out of a span.  As bounds go out a millisecond, what is on either
 * side of it ends two from it: all of its rows would come with that, too.  A side of which no row
 * was seen is left with it, where the other side is cut off: nothing would show whether an answer
 * without a row is true.
 */
static int
cut_around(int64 group, Span span, const SortedTimes *sorted, Span *parts)
{
	Span middle = {Max(span.lower, time_shift(group, -1)), Min(span.upper, time_shift(group, 1))};
	int	 nparts = 0;

	if (middle.lower > span.lower && middle.upper < span.upper)
	{
		bool has_earlier = sorted->times[0] < middle.lower;
		bool has_later = sorted->times[sorted->count - 1] > middle.upper;

		if (has_earlier && !has_later)
			middle.upper = span.upper;
		else if (has_later && !has_earlier)
			middle.lower = span.lower;
	}
	if (middle.upper < span.upper)
		parts[nparts++] = (Span){time_shift(middle.upper, 1), span.upper};
	parts[nparts++] = middle;
	if (middle.lower > span.lower)
		parts[nparts++] = (Span){span.lower, time_shift(middle.lower, -1)};
	return nparts;
}

/*
 * Cut a span into parts, the latest first, and return how many there are, three at most.  The page
 * at hand shows how the list is sorted, by chance or not: then what it holds is cut off, or else
 * the span is halved at the rows' median.  That is done a millisecond beside a row, whose own may
 * have many, lest all of these come with both parts.
 */
static int
cut(const ExactSpans *spans, Span span, const SortedTimes *sorted, Span *parts)
{
	PageTimes order = order_page_times(pager_page(spans->step->pager), spans->dates->path);
	SpanTimes times = times_within(sorted, span);
	int64	  group;
	int64	  point;

	if (find_group(sorted, &group))
		return cut_around(group, span, sorted, parts);
	if (order.falling)
		point = time_shift(times.least, 1);
	else if (order.rising)
		point = time_shift(times.greatest, -2);
	else
		point = time_shift(times.median, 1);

	/* There should be rows on both sides. */
	point = Max(Min(point, times.greatest - 1), times.least);
	point = Min(Max(point, span.lower), span.upper - 1);
	parts[0] = (Span){time_shift(point, 1), span.upper};
	parts[1] = (Span){span.lower, point};
	return 2;
}

static void
push_span(ExactSpans *spans, SpanLeft left)
{
	if (spans->nspans == spans->max_spans)
	{
		spans->max_spans *= 2;
		spans->spans = repalloc(spans->spans, sizeof(SpanLeft) * spans->max_spans);
	}
	spans->spans[spans->nspans++] = left;
}

/*
 * Split a span, of which the page at hand has shown rows with these times.
 */
static void
split(ExactSpans *spans, Span span, const SortedTimes *sorted)
{
	SpanTimes seen = times_within(sorted, span);
	Span	  parts[3];
	int		  nparts = cut(spans, span, sorted, parts);

	for (int i = 0; i < nparts; i++)
		push_span(spans, (SpanLeft){.span = parts[i],
									.has_row = times_within(sorted, parts[i]).count > 0,
									.wider = {Min(parts[i].lower, seen.least),
											  Max(parts[i].upper, seen.greatest)},
									.rows = seen.count});
}

bool
exact_spans_ask(ExactSpans *spans)
{
	if (spans->nspans == 0)
		return false;
	exact_step_bound(spans->step, spans->spans[spans->nspans - 1].span);
	exact_step_ask(spans->step,
				   spans->spans[spans->nspans - 1].has_row ? EXACT_HAS_ROW : EXACT_UNKNOWN);
	return true;
}

/*
 * Where the page of a span has no row, although one that was seen should be on it, ask for the
 * wider span: many rows can't all be gone by now.  Returns false where the page isn't such, or they
 * may be.
 */
static bool
ask_wider(ExactSpans *spans)
{
	SpanLeft *left = &spans->spans[spans->nspans - 1];
	bool is_wide = left->span.lower == left->wider.lower && left->span.upper == left->wider.upper;

	if (!left->has_row || spans->step->page_number > 1 ||
		json_node_length(pager_page(spans->step->pager)) > 0)
		return false;
	if (is_wide && left->rows < EXACT_SURE_ROWS)
		return false;
	if (is_wide || ++spans->widened > MAX_WIDENED)
		page_raise_lacking(&spans->step->asked);
	left->span = left->wider;
	return exact_spans_ask(spans);
}

/*
 * After the first page of a span was read, which says that more follow: ask for the next one where
 * that may show that none do.  Returns false where it can't.
 */
static bool
ask_for_end(ExactSpans *spans)
{
	ExactStep *step = spans->step;

	spans->at_end = !spans->at_end && step->page_number == 1 && pager_page_is_short(step->pager);
	if (spans->at_end)
		exact_step_ask_next_page(step);
	return spans->at_end;
}

/*
 * Go on, as exact_spans_next() does, after a page of these times.
 */
static bool
go_on(ExactSpans *spans, Span span, const SortedTimes *sorted)
{
	bool is_last = pager_on_last_page(spans->step->pager);

	if (ask_wider(spans))
		return true;
	if (is_last && (spans->step->page_number == 1 ||
					(spans->at_end && pager_came_at_once(spans->step->pager))))
	{
		spans->at_end = false;
		spans->nspans--;
		return exact_spans_ask(spans);
	}
	if (ask_for_end(spans))
		return true;
	if (is_shortest(span) || sorted->count == 0)
	{
		if (exact_step_next_of_group(
				spans->step, (int64) json_node_length(pager_page(spans->step->pager)), is_last))
			return true;
		spans->nspans--;
		return exact_spans_ask(spans);
	}

	/*
	 * The latest, where the list grows, comes last; whatever still moves there is the recheck's.
	 */
	spans->nspans--;
	if (spans->nspans > 0)
		spans->step->idle = 0;
	else if (!exact_step_gains(spans->step))
		return false;
	split(spans, span, sorted);
	return exact_spans_ask(spans);
}

bool
exact_spans_next(ExactSpans *spans)
{
	Span		span = spans->spans[spans->nspans - 1].span;
	SortedTimes sorted = times_at_hand(spans, span);
	bool		more = go_on(spans, span, &sorted);

	pfree(sorted.times);
	return more;
}

ExactSpans *
exact_spans_begin(ExactStep *step, const CrispColumn *dates)
{
	ExactSpans *spans = MemoryContextAllocZero(step->context, sizeof(ExactSpans));
	Span		all = {PG_INT64_MIN, PG_INT64_MAX};
	int64		bound;

	step->asked.order = NULL;
	step->asked.any_order = true;
	spans->step = step;
	spans->dates = dates;
	spans->max_spans = 16;
	spans->spans = MemoryContextAlloc(step->context, sizeof(SpanLeft) * spans->max_spans);
	if (time_range_lower(step->request->dates, &bound))
		all.lower = bound;
	if (time_range_upper(step->request->dates, &bound))
		all.upper = bound;
	push_span(spans, (SpanLeft){.span = all});
	return spans;
}
