/*-------------------------------------------------------------------------
 *
 * list_rows.c
 *		Remember how many rows lists had that the session has read.
 *
 * The planner takes a list for that long where there are no statistics.  The latest lists are kept,
 * and of each, how many rows it had, and how many since a date.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "fetch/list_rows.h"

/* How many lists are remembered. */
#define MAX_REMEMBERED 64

typedef struct SeenRows
{
	dlist_node node;
	ListRows   rows;
	char	   name[FLEXIBLE_ARRAY_MEMBER];
} SeenRows;

/* The latest last. */
static dlist_head seen_rows = DLIST_STATIC_INIT(seen_rows);
static int		  nseen_rows = 0;

/*
 * Return the name under which a request's list is remembered, whatever its dates and its order;
 * palloc'd.
 */
static char *
list_name(const ListRequest *request)
{
	ListRequest list = *request;

	list.per_page = CRISP_MIN_PER_PAGE;
	list.dates = (TimeRange) TIME_RANGE_ALL;
	list.order = NULL;
	list.any_order = true;
	return psprintf("%s %s", list.options->base_url, request_list_target(&list, 1));
}

static SeenRows *
find_rows(const char *name)
{
	dlist_iter iter;

	dlist_foreach(iter, &seen_rows)
	{
		SeenRows *seen = dlist_container(SeenRows, node, iter.cur);

		if (strcmp(seen->name, name) == 0)
			return seen;
	}
	return NULL;
}

/*
 * Return what is remembered of a list, to be changed.
 */
static ListRows *
remember(const ListRequest *request)
{
	char	 *name = list_name(request);
	SeenRows *seen = find_rows(name);

	if (seen != NULL)
		dlist_delete(&seen->node);
	else
	{
		size_t size = strlen(name) + 1;

		/* What may raise comes before anything is changed. */
		seen = MemoryContextAllocZero(TopMemoryContext, offsetof(SeenRows, name) + size);
		memcpy(seen->name, name, size);
		seen->rows.whole = -1;
		if (nseen_rows == MAX_REMEMBERED)
			pfree(dlist_container(SeenRows, node, dlist_pop_head_node(&seen_rows)));
		else
			nseen_rows++;
	}
	dlist_push_tail(&seen_rows, &seen->node);
	pfree(name);
	return &seen->rows;
}

void
list_rows_note(const ListRequest *request, double rows)
{
	ListRows *seen;

	if (request->query[0] != '\0' || request->stops || request->pages_wanted > 0 ||
		request->errand != NULL || request->keep_path != NULL ||
		request->dates.upper != PG_INT64_MAX || (request->order != NULL && request->order->filters))
		return;
	seen = remember(request);
	if (request->dates.lower == PG_INT64_MIN)
		seen->whole = rows;
	else
	{
		seen->since = rows;
		seen->lower = request->dates.lower;
		seen->at = GetCurrentTimestamp();
	}
}

void
list_rows_note_count(const CrispOptions *options, double rows)
{
	ListRequest request = request_whole_list(options);

	remember(&request)->whole = rows;
}

ListRows
list_rows_recall(const CrispOptions *options)
{
	ListRequest		request = request_whole_list(options);
	char		   *name = list_name(&request);
	const SeenRows *seen = find_rows(name);

	pfree(name);
	return seen ? seen->rows : (ListRows){.whole = -1};
}
