/*-------------------------------------------------------------------------
 *
 * list_cost.c
 *		Tell whether a list costs no more requests than were made instead of it.
 *
 * Where nobody knows how long the list is, Crisp may have the number of rows.  Otherwise a request
 * for a page that the list has only if it's twice as long as what was spent tells whether it's far
 * from that, whenever twice as much was spent.  If it isn't, a few more pages tell how long it is,
 * but for an eighth: what is spent too much by then is little.  What statistics say is believed
 * once the list is seen to have half as many pages.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "api/api_answer.h"
#include "fetch/count.h"
#include "fetch/last_page.h"
#include "fetch/list_cost.h"
#include "fetch/page_estimate.h"

/*
 * Requests before somebody asks how long the list is, and where conditions leave a part of it: that
 * may be far shorter.
 */
#define FIRST_PROBE 16
#define FIRST_PROBE_OF_PART 4

/* How many times as long as statistics say a list may be, and still be read for what it serves. */
#define MAX_GROWTH 2

/* How near to its length is near enough, as a share of what was spent. */
#define SHARE_OF_SPENT 8

ListCost
list_cost_create(int pages)
{
	return (ListCost){.pages = pages,
					  .next = FIRST_PROBE,
					  .is_believed = pages > FIRST_PROBE,
					  .is_unbounded = pages > 0,
					  .rows = -1};
}

ListCost
list_cost_create_part(void)
{
	return (ListCost){.next = FIRST_PROBE_OF_PART, .rows = -1};
}

bool
list_cost_is_whole(const ListRequest *request)
{
	return request->query[0] == '\0' && request->inbox == NULL &&
		   request->dates.lower == PG_INT64_MIN && request->dates.upper == PG_INT64_MAX;
}

void
list_cost_note_least(ListCost *cost, int pages)
{
	cost->least = Max(cost->least, pages);
	if (cost->pages < cost->least)
		cost->pages = 0;
	if (cost->pages == 0)
		cost->is_unbounded = false;
	if (cost->pages / 2 <= cost->least)
		cost->is_believed = false;
	while (cost->next <= cost->least / 2 && cost->next <= PG_INT32_MAX / 4)
		cost->next *= 2;
}

void
list_cost_begin(ListCost *cost, ListRequest *request)
{
	bool ended;
	int	 pages = page_estimate_recall(request, &ended);

	cost->request = request;
	if (ended)
	{
		cost->pages = Max(pages, 1);
		cost->is_believed = cost->is_unbounded = false;
	}
	else if (pages > 0)
		list_cost_note_least(cost, pages + 1);
}

/*
 * Wait for an answer that nobody depends on.  Returns whether there is one; if not, *absent tells
 * whether Crisp says that there is nothing.
 */
static bool
await(ApiCall *call, ApiData wanted, ApiAnswer *answer, bool *absent)
{
	ApiFailure failure = {0};
	bool	   given;

	api_wait(call);
	given = api_try_finish(call, wanted, answer, &failure);
	*absent = !given && failure.absent;
	return given;
}

/*
 * Remember for the session what a count tells of the list's length, unless its end was seen.
 */
static void
remember_count(const ListCost *cost)
{
	bool ended;

	(void) page_estimate_recall(cost->request, &ended);
	if (!ended && cost->pages > 1)
		page_estimate_remember(cost->request, cost->pages - 1, false);
}

/*
 * Ask Crisp how many rows there are, and set what the list costs if it tells.
 */
static void
ask_count(ListCost *cost)
{
	const CrispOptions *options = cost->request->options;
	int64				per_page = cost->request->per_page;
	ApiAnswer			answer;
	int64				rows;
	bool				absent;

	cost->probes++;
	if (!await(api_start(options, count_target(options), CurrentMemoryContext), API_OBJECT, &answer,
			   &absent) ||
		!count_read(options, answer.data, &rows))
		return;
	cost->rows = rows;
	cost->is_believed = cost->is_unbounded = false;
	cost->pages = (int) Max(Min((rows + per_page - 1) / per_page, PG_INT32_MAX / 4), 1);
	remember_count(cost);
}

/*
 * Ask for a page.  Returns whether there is one that isn't the last; if there is, or it can't be
 * told, the cost says so.
 */
static bool
ask_page(ListCost *cost, int page)
{
	char	 *target = request_list_target(cost->request, page);
	ApiAnswer answer = {0};
	bool	  absent;
	bool	  given;

	cost->probes++;
	given = await(api_start(cost->request->options, target, CurrentMemoryContext), API_LIST,
				  &answer, &absent);
	if (!given && !absent)
		cost->given_up = true;
	if (!given || json_node_length(answer.data) == 0)
		return false;
	if (page_is_last(cost->request->options, json_node_length(answer.data), CRISP_MIN_PER_PAGE,
					 answer.more))
	{
		cost->pages = page;
		return false;
	}
	cost->least = Max(cost->least, page + 1);
	page_estimate_remember(cost->request, page, false);
	return true;
}

/*
 * Find out how long a list is that hasn't got that page.
 */
static void
bisect(ListCost *cost, int absent)
{
	int near = Max(cost->next / SHARE_OF_SPENT, 1);
	int page = (int) Min(cost->spent, absent - 1);

	/* First whether it's time to read it. */
	while (cost->pages == 0 && !cost->given_up)
	{
		if (cost->spent + 1 >= absent || absent - cost->least <= near)
		{
			cost->pages = absent - 1;
			break;
		}
		if (page < cost->least)
			page = cost->least + (absent - cost->least) / 2;
		if (!ask_page(cost, page))
			absent = page;
		page = 0;
	}
}

/*
 * Find out whether the list is as long as statistics say, or half of it; if not, how long it is.
 */
static void
verify(ListCost *cost)
{
	int pages = cost->pages;

	cost->is_believed = false;
	cost->pages = 0;
	if (ask_page(cost, pages / 2))
		cost->pages = pages;
	else
		bisect(cost, pages / 2);
}

/*
 * Ask for pages until they tell how long the list is, or that it's far longer than what was spent.
 */
static void
ask_pages(ListCost *cost)
{
	while (cost->next <= cost->spent / 2)
		cost->next *= 2;
	if (!ask_page(cost, cost->next * 2))
		bisect(cost, cost->next * 2);
	cost->next *= 2;
}

/*
 * Call a function that asks Crisp, in memory of its own.
 */
static void
ask(ListCost *cost, void (*function)(ListCost *cost))
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw probe",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);

	function(cost);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
}

void
list_cost_count(ListCost *cost)
{
	if (cost->counted || cost->request->options->resource->count == NULL ||
		!list_cost_is_whole(cost->request))
		return;
	cost->counted = true;
	ask(cost, ask_count);
}

/*
 * Ask for a page that the list has only if it's far longer than statistics say.
 */
static void
ask_beyond(ListCost *cost)
{
	int page = (int) Min((int64) cost->pages * MAX_GROWTH, PG_INT32_MAX / 8);

	cost->is_unbounded = false;
	if (ask_page(cost, page))
		list_cost_note_least(cost, page + 1);
}

void
list_cost_confirm(ListCost *cost)
{
	if (!cost->is_unbounded || cost->given_up ||
		(api_max_requests > 0 && cost->pages >= api_max_requests - api_statement_requests()))
		return;
	list_cost_count(cost);
	if (cost->is_unbounded)
		ask(cost, ask_beyond);
}

bool
list_cost_is_short(ListRequest *request, int pages, bool confirm)
{
	ListCost cost = list_cost_create(pages);

	list_cost_begin(&cost, request);
	if (confirm)
		list_cost_confirm(&cost);
	return cost.pages > 0 && cost.pages <= pages * MAX_GROWTH;
}

bool
list_cost_is_reached(ListCost *cost, int64 forgiven)
{
	if (cost->pages == 0 || cost->spent < cost->pages + forgiven)
		return false;
	list_cost_confirm(cost);
	return cost->pages > 0 && cost->spent >= cost->pages + forgiven;
}

void
list_cost_find(ListCost *cost, double left)
{
	/* A limit of requests is for what is needed. */
	if ((cost->pages > 0 && !cost->is_believed) || cost->spent < cost->next ||
		api_max_requests > 0 || left <= cost->next || cost->given_up ||
		cost->next > PG_INT32_MAX / 8)
		return;
	list_cost_count(cost);
	if (cost->pages == 0)
		ask(cost, ask_pages);
	else if (cost->is_believed)
		ask(cost, verify);
}
