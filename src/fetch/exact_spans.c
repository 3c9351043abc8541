/*-------------------------------------------------------------------------
 *
 * exact_spans.c
 *		Read all rows of a list that comes in no order, by spans of dates.
 *
 * What fits a page is a snapshot of its span, in whatever order it comes.  A span that holds more
 * is split, so that each part is asked for again.  Where Crisp says of each page that more follow,
 * one that isn't full is a snapshot if the page after it is empty.
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

/* The times of a page's rows within a span. */
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
 * Return the times of the rows at hand that are within a span.  Bounds go out a millisecond wider
 * than they are; a row beyond that raises an error.
 */
static SpanTimes
times_within(const ExactSpans *spans, Span span)
{
	const JsonNode *rows = pager_page(spans->step->pager);
	size_t			nrows = json_node_length(rows);
	int64		   *times = palloc(sizeof(int64) * Max(nrows, 1));
	SpanTimes		result = {0};
	JsonPath	   *path = json_path_of(spans->dates->path);

	for (size_t i = 0; i < nrows; i++)
	{
		int64 time;

		if (!order_row_time(json_node_element(rows, i), path, &time))
			continue;
		if ((span.lower != PG_INT64_MIN && time < time_shift(span.lower, -1)) ||
			(span.upper != PG_INT64_MAX && time > time_shift(span.upper, 1)))
			raise_no_dates(spans);
		if (time >= span.lower && time <= span.upper)
			times[result.count++] = time;
	}
	if (result.count > 0)
	{
		order_sort_times(times, result.count);
		result.least = times[0];
		result.median = times[result.count / 2];
		result.greatest = times[result.count - 1];
	}
	pfree(times);
	return result;
}

/*
 * Choose where to split a span: the last millisecond of its earlier part.  The page at hand shows
 * how the list is sorted, by chance or not: then what it holds is cut off, or else the span is
 * halved at the rows' median.
 */
static int64
split_point(const ExactSpans *spans, Span span, SpanTimes times)
{
	PageTimes order = order_page_times(pager_page(spans->step->pager), spans->dates->path);
	int64	  point = times.median;

	if (order.falling)
		point = times.least;
	else if (order.rising)
		point = time_shift(times.greatest, -1);
	return Min(Max(point, span.lower), span.upper - 1);
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
split(ExactSpans *spans, Span span, SpanTimes times)
{
	int64 point = split_point(spans, span, times);

	push_span(spans, (SpanLeft){.span = {time_shift(point, 1), span.upper},
								.has_row = times.greatest > point,
								.wider = {times.least, span.upper},
								.rows = times.count});
	push_span(spans, (SpanLeft){.span = {span.lower, point},
								.has_row = times.least <= point,
								.wider = {span.lower, times.greatest},
								.rows = times.count});
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

bool
exact_spans_next(ExactSpans *spans)
{
	Span	  span = spans->spans[spans->nspans - 1].span;
	bool	  is_last = pager_on_last_page(spans->step->pager);
	SpanTimes times = times_within(spans, span);

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
	if (span.lower == span.upper || times.count == 0)
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
	split(spans, span, times);
	return exact_spans_ask(spans);
}

ExactSpans *
exact_spans_begin(ExactStep *step, const CrispColumn *dates)
{
	ExactSpans *spans = MemoryContextAllocZero(step->context, sizeof(ExactSpans));

	step->asked.order = NULL;
	step->asked.any_order = true;
	spans->step = step;
	spans->dates = dates;
	spans->max_spans = 16;
	spans->spans = MemoryContextAlloc(step->context, sizeof(SpanLeft) * spans->max_spans);
	push_span(spans, (SpanLeft){.span = {PG_INT64_MIN, PG_INT64_MAX}});
	return spans;
}
