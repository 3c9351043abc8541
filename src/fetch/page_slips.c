/*-------------------------------------------------------------------------
 *
 * page_slips.c
 *		Find between which pages of a list a row may have slipped by.
 *
 * A row that moves to the front from behind a page puts all rows before its place one place back.
 * Pages that were answered before have them in their old places, pages that were answered since
 * have them in the new ones.  So the first row of a page comes twice where the page before it was
 * answered before the move and it itself since; and the last row of a page slips by where that page
 * was answered since and the next one before.
 *
 * Only pages that are under way together can be answered out of their order.  Hence a row that
 * slips by has rows that come twice in front of it, no more pages away than that, and behind it,
 * unless the row that moved stood there, or the list ends.  An edge without such rows near it needs
 * no second look, and a list that stands still has none at all.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/pg_list.h"

#include "api/server_facts.h"
#include "fetch/order.h"
#include "fetch/page_slips.h"
#include "request/time_range.h"

/* An edge between two pages over which rows may have slipped. */
typedef struct Slip
{
	int	  page; /* behind the edge */
	int64 earliest;
	int64 latest;
	bool  is_enclosed; /* rows came twice before it and behind, or the list ended there */
	bool  is_told;
} Slip;

struct PageSlips
{
	MemoryContext	   context;
	const ListRequest *request;
	ListRequest		   next;  /* what was told last */
	const char		  *path;  /* of the date by which the list comes */
	int				   reach; /* pages from an edge within which rows that come twice count */
	int				   page;  /* noted last, from 1 */
	PageTimes		   times; /* of its rows */
	PageTimes		   times_before;	/* and of those of the page before it */
	int				   page_duplicates; /* rows of it that had come before */
	int64			   duplicates;		/* such rows in all */
	int				   duplicates_page; /* the last page that had some; 0 for none */
	List			  *slips;			/* of Slip, by page */
	bool			   ended;
};

PageSlips *
page_slips_begin(const ListRequest *request, const CrispColumn *column)
{
	PageSlips *slips;

	if (column == NULL || request->stops || request->errand != NULL ||
		request->options->prefetch == 1)
		return NULL;
	slips = palloc0(sizeof(PageSlips));
	slips->context = CurrentMemoryContext;
	slips->request = request;
	slips->path = column->path;
	slips->reach = request->options->prefetch;
	return slips;
}

/*
 * Take the edges that are near a page for enclosed.
 */
static void
enclose(PageSlips *slips, int page)
{
	for (int i = list_length(slips->slips) - 1; i >= 0; i--)
	{
		Slip *slip = list_nth(slips->slips, i);

		if (slip->page + slips->reach < page)
			break;
		slip->is_enclosed = true;
	}
}

/*
 * Judge the edge in front of the page at hand, all of whose rows were read.
 */
static void
judge_edge(PageSlips *slips)
{
	const PageTimes *before = &slips->times_before;
	const PageTimes *behind = &slips->times;
	MemoryContext	 old_context;
	Slip			*slip;

	if (slips->page_duplicates > 0)
	{
		enclose(slips, slips->page);
		slips->duplicates_page = slips->page;
		return;
	}
	if (slips->duplicates_page == 0 || slips->page - slips->duplicates_page > slips->reach ||
		before->count == 0 || !before->falling ||
		(behind->count > 0 && (!behind->falling || before->earliest < behind->latest)))
		return;

	old_context = MemoryContextSwitchTo(slips->context);
	slip = palloc0(sizeof(Slip));
	slip->page = slips->page;
	/* A page past the end, as it was then, may hide all that has slipped behind the last one. */
	slip->earliest = behind->count > 0 ? behind->latest : PG_INT64_MIN;
	slip->latest = before->earliest;
	slips->slips = lappend(slips->slips, slip);
	MemoryContextSwitchTo(old_context);
}

void
page_slips_note_page(PageSlips *slips, const JsonNode *rows)
{
	if (slips->ended)
		return;
	if (slips->page > 0)
		judge_edge(slips);
	slips->page++;
	slips->page_duplicates = 0;
	slips->times_before = slips->times;
	slips->times = order_page_times(rows, slips->path);
}

void
page_slips_note_duplicate(PageSlips *slips)
{
	slips->page_duplicates++;
	slips->duplicates++;
}

void
page_slips_end(PageSlips *slips)
{
	if (slips->ended || slips->page == 0)
		return;
	judge_edge(slips);
	enclose(slips, slips->page + 1);
	slips->ended = true;
}

/*
 * Ask for what lies between two dates, within those that the list was asked for by.
 */
static const ListRequest *
make_request(PageSlips *slips, const Slip *slip)
{
	const ListRequest *request = slips->request;
	ListRequest		  *next = &slips->next;

	*next = *request;
	next->pages_wanted = 0;
	next->pages_expected = 1;
	if (slip->earliest != PG_INT64_MIN)
		next->dates.lower = Max(time_from_unix_ms(slip->earliest), request->dates.lower);
	next->dates.upper = Min(time_from_unix_ms(slip->latest), request->dates.upper);
	return next;
}

const ListRequest *
page_slips_next(PageSlips *slips, int64 moved)
{
	ListCell *lc;

	foreach(lc, slips->slips)
	{
		Slip *slip = lfirst(lc);

		if (slip->is_told || (!slip->is_enclosed && (moved < 0 || slips->duplicates <= moved)))
			continue;
		slip->is_told = true;
		return make_request(slips, slip);
	}
	return NULL;
}

bool
page_keeps_dates(const JsonNode *rows, const ListRequest *request)
{
	const CrispColumn *dates = crisp_resource_dates(request->options->resource);
	PageTimes		   times = order_page_times(rows, dates->path);

	return times.count == 0 ||
		   (time_from_unix_ms(time_shift(times.earliest, 1)) >= request->dates.lower &&
			time_from_unix_ms(time_shift(times.latest, -1)) <= request->dates.upper);
}

/* The fact that rows which slip by can be asked for. */
#define KEEPS_DATES "rows between two dates"

bool
page_slips_can_be_asked_for(const ListRequest *request)
{
	return server_fact_recall(request->options, KEEPS_DATES) != FACT_FALSE;
}

void
page_slips_note_ignored_dates(const ListRequest *request)
{
	server_fact_remember(request->options, KEEPS_DATES, false);
}

bool
page_slips_matter(const ListRequest *request)
{
	return request->streamed || request->stops || request->pages_wanted > 0 ||
		   !page_slips_can_be_asked_for(request);
}
