/*-------------------------------------------------------------------------
 *
 * oldest.c
 *		Find the dates of the oldest rows of a list, by some of its pages.
 *
 * Crisp gives the newest rows first, and can be told not to give those that are later than a date.
 * So what is asked for goes back in time, four times as far with each step, until there are too few
 * rows; then the range between that and what is too much is halved.  Each answer holds all rows up
 * to its date, or it shows that there are more: in whatever order they come.  Once that has cost as
 * much as to read the list, that's read instead.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "utils/memutils.h"

#include "base/epoch.h"
#include "fetch/list_cost.h"
#include "fetch/oldest.h"
#include "fetch/order.h"
#include "fetch/page_estimate.h"
#include "fetch/page_slips.h"
#include "fetch/pager.h"

/* Pages that are looked at; then reading the whole list is no worse. */
#define MAX_PROBES 32

/* The first step back in time, milliseconds, where a page tells of none. */
#define FIRST_STEP 3600000

/* How much further each step goes than the one before. */
#define STEP_FACTOR 4

/* The search; times are Unix milliseconds. */
typedef struct Search
{
	int64 few;	/* too few rows are no later; PG_INT64_MIN before that is known */
	int64 many; /* rows that are no later may be too many */
	int64 step; /* how far to go back from there, as long as few isn't known */
} Search;

/* What a page shows of the rows that are no later than some time. */
typedef struct Probe
{
	bool	  keeps_dates; /* Crisp does */
	bool	  is_all;	   /* there are no others */
	PageTimes times;
} Probe;

/*
 * Look at the first page of a request.
 */
static Probe
look(const ListRequest *request)
{
	const CrispColumn *dates = crisp_resource_dates(request->options->resource);
	Pager			  *pager = pager_begin(request, NULL);
	Probe			   probe = {0};

	(void) pager_go_to(pager, 1);
	probe.keeps_dates = page_keeps_dates(pager_page(pager), request);
	probe.is_all = pager_on_last_page(pager);
	probe.times = order_page_times(pager_page(pager), dates->path);
	pager_end(pager);
	return probe;
}

/*
 * Choose the time up to which to look next.  Returns false where there is nothing left to halve.
 */
static bool
next_time(Search *search, int64 *time)
{
	if (search->few != PG_INT64_MIN)
	{
		*time = search->few / 2 + search->many / 2 + (search->few % 2 + search->many % 2) / 2;
		return *time > search->few && *time < search->many;
	}
	*time = time_shift(search->many, -search->step);
	if (search->step < PG_INT64_MAX / STEP_FACTOR)
		search->step *= STEP_FACTOR;
	return *time < search->many;
}

/*
 * Say whether the search has cost as much as reading the list would, as far as that can be told.
 */
static bool
has_cost_as_much(ListCost *cost, int64 before)
{
	cost->spent = cost->request->options->counts->requests - before - cost->probes;
	list_cost_find(cost, HUGE_VAL);
	return list_cost_is_reached(cost, 0);
}

/*
 * Search for the time, by probes.  Returns false where it isn't found, or that costs more than to
 * read the list.
 */
static bool
find_time(ListRequest *probed, Search *search, ListCost *cost, int wanted, int64 *time)
{
	int64 before = probed->options->counts->requests;

	for (int i = 0; i < MAX_PROBES; i++)
	{
		Probe probe;

		if (i > 0 && has_cost_as_much(cost, before))
			return false;
		probe = look(probed);
		if (!probe.keeps_dates)
			return false;
		if (i > 0 && probe.is_all && probe.times.count >= wanted)
			return true;
		if (i == 0)
		{
			if (probe.is_all || probe.times.count == 0)
				return false;
			search->step = Max(probe.times.latest / 2 - probe.times.earliest / 2, FIRST_STEP);
			search->many = probe.times.earliest;
		}
		else if (probe.is_all)
			search->few = *time;
		else if (probe.times.count == 0 || probe.times.earliest > *time)
			search->many = *time;
		else
			search->many = probe.times.earliest;
		if (!next_time(search, time))
			return false;
		probed->dates.upper = time_from_unix_ms(*time);
	}
	return false;
}

/*
 * Say whether the list had better be read.
 */
static bool
is_short(ListRequest *request, int pages)
{
	bool ended;
	int	 known = page_estimate_recall(request, &ended);

	if (known > 0 && ended)
		return known <= CRISP_OLDEST_REQUESTS;
	return pages > 0 && list_cost_is_short(request, pages, true);
}

bool
oldest_narrow(ListRequest *request, int wanted, int pages)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw oldest",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	ListRequest	  probed = *request;
	ListRequest	  all = *request;
	ListCost	  cost = list_cost_create(pages);
	Search		  search = {.few = PG_INT64_MIN};
	int64		  time = 0;
	bool		  found = false;

	if (!time_range_lower(request->dates, &search.few))
		search.few = PG_INT64_MIN;
	probed.pages_wanted = 1;

	if (!is_short(request, pages))
	{
		list_cost_begin(&cost, &all);
		found = find_time(&probed, &search, &cost, wanted, &time);
	}
	if (found)
		request->dates.upper = probed.dates.upper;
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	return found;
}
