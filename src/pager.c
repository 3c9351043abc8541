/*-------------------------------------------------------------------------
 *
 * pager.c
 *		The rows of a list, page by page.
 *
 * Which page comes next, when the list ends, and no key twice.  One page is
 * held at a time, in a memory context that is reset when its last row is out.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "api.h"
#include "fact.h"
#include "jsonpath.h"
#include "order.h"
#include "pager.h"
#include "seen.h"

/* The fact that a server tells pages that aren't the last by status 206. */
#define SAYS_MORE "says 206"

struct Pager
{
	const CrispRequest *request;
	MemoryContext		context;	  /* of the pager */
	MemoryContext		page_context; /* of the page that is being read */

	const JsonPath *key;  /* of a row; NULL when the resource has none */
	SeenKeys	   *seen; /* keys returned; NULL before the first */

	json_object *rows; /* the page: a JSON array; NULL before the first */
	size_t		 nrows;
	size_t		 next_row;
	int			 page_number;	  /* of rows; 0 before the first */
	size_t		 largest_page;	  /* most rows seen on one page */
	bool		 last_page;		  /* nothing follows the page at hand */
	int			 skipped_on_page; /* page whose skipped elements were logged last */

	bool  stops;	 /* the order still holds, and ends the list early */
	int64 last_time; /* of the rows so far, by the order's column */
	bool  has_last_time;

	PagerCounts counts;
};

Pager *
pager_begin(const CrispRequest *request)
{
	MemoryContext	   context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw pager",
													   ALLOCSET_SMALL_SIZES);
	MemoryContext	   old_context = MemoryContextSwitchTo(context);
	const CrispColumn *key = crisp_resource_key(request->options->resource);
	const char		  *error;
	Pager			  *pager = palloc0(sizeof(Pager));

	pager->request = request;
	pager->context = context;
	pager->page_context = AllocSetContextCreate(context, "crisp_fdw page", ALLOCSET_DEFAULT_SIZES);
	pager->stops = request->stops;
	if (key != NULL)
		pager->key = json_path_parse(key->path, &error);

	MemoryContextSwitchTo(old_context);
	return pager;
}

/*
 * Whether the list ends with the page at hand.  Status 206 says that more
 * pages follow, 200 that this was the last; but a server is taken at its word
 * only once it has been seen to say 206.  Until then, a 200 ends the list
 * if the page has room for more rows: a request more than needed is better
 * than a row less.  An empty page ends it in any case.
 *
 * Where the page size is the server's choice, the largest page seen stands
 * for it.
 */
static bool
is_last_page(const Pager *pager, bool more)
{
	const CrispOptions *options = pager->request->options;
	size_t				full_page;

	if (!crisp_resource_is_paged(options->resource) || pager->nrows == 0)
		return true;
	if (more)
	{
		fact_remember(options, SAYS_MORE, true);
		return false;
	}
	if (fact_recall(options, SAYS_MORE) == FACT_TRUE)
		return true;
	full_page = options->resource->per_page_param ? (size_t) pager->request->per_page
												  : pager->largest_page;
	return pager->nrows < full_page;
}

/*
 * Get the page of that number.
 */
static void
fetch_page(Pager *pager, int page_number)
{
	const CrispOptions *options = pager->request->options;
	MemoryContext		old_context;
	char			   *target;
	ApiAnswer			answer;

	MemoryContextReset(pager->page_context);
	pager->rows = NULL;
	pager->nrows = 0;
	pager->next_row = 0;
	pager->page_number = page_number;

	old_context = MemoryContextSwitchTo(pager->page_context);
	target = request_list_target(pager->request, page_number);
	pager->counts.pages++;
	api_finish(api_start(options, target, pager->page_context), &answer);
	MemoryContextSwitchTo(old_context);

	if (!json_object_is_type(answer.data, json_type_array))
		ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION),
						errmsg("unexpected answer from Crisp, server \"%s\"", options->server_name),
						errdetail("GET %s: \"data\" is not an array.", target),
						errhint("Check the server's option base_url.")));

	pager->rows = answer.data;
	pager->nrows = json_object_array_length(answer.data);
	pager->largest_page = Max(pager->largest_page, pager->nrows);
	pager->last_page = is_last_page(pager, answer.more);
}

/*
 * Whether a row may be returned: its key has not been before.  A row without
 * a key can't be told from others, and is returned.
 */
static bool
is_new(Pager *pager, json_object *row)
{
	json_object *key = pager->key ? json_path_get(row, pager->key) : NULL;
	const char	*text;
	size_t		 length;

	if (key == NULL)
		return true;

	if (pager->seen == NULL)
	{
		MemoryContext old_context = MemoryContextSwitchTo(pager->context);

		pager->seen = seen_create((Size) work_mem * 1024);
		MemoryContextSwitchTo(old_context);
	}

	if (json_object_is_type(key, json_type_string))
	{
		text = json_object_get_string(key);
		length = json_object_get_string_len(key);
	}
	else
		text = json_text(key, &length);

	if (seen_add(pager->seen, text, length))
		return true;
	pager->counts.doubles++;
	return false;
}

/*
 * Say in the server's log that an element of a list is no row; once a page.
 */
static void
log_skipped(Pager *pager)
{
	if (pager->skipped_on_page == pager->page_number)
		return;
	pager->skipped_on_page = pager->page_number;
	ereport(LOG, (errmsg("skipped elements of a Crisp list that are not objects, server \"%s\"",
						 pager->request->options->server_name),
				  errdetail("Resource \"%s\", page %d, first at element %zu.",
							pager->request->options->resource->name, pager->page_number,
							pager->next_row)));
}

/*
 * Whether a list that comes newest first is of no more use from this row on.
 * A row that is out of order disproves the order: then all of the list is read.
 */
static bool
is_past_stop(Pager *pager, json_object *row)
{
	const CrispRequest *request = pager->request;
	int64				time;

	if (!pager->stops || !order_row_time(row, request->stop_column->path, &time))
		return false;
	if (pager->has_last_time && time > pager->last_time)
	{
		order_disprove(request);
		pager->stops = false;
		return false;
	}
	pager->has_last_time = true;
	pager->last_time = time;
	return time < request->stop_before;
}

json_object *
pager_next_on_page(Pager *pager)
{
	while (pager->next_row < pager->nrows)
	{
		json_object *row = json_object_array_get_idx(pager->rows, pager->next_row++);

		pager->counts.rows++;
		if (!json_object_is_type(row, json_type_object))
			log_skipped(pager);
		else if (is_past_stop(pager, row))
		{
			/* Nothing of this page, and no other, is wanted. */
			pager->next_row = pager->nrows;
			pager->last_page = true;
		}
		else if (is_new(pager, row))
			return row;
	}
	return NULL;
}

json_object *
pager_next(Pager *pager)
{
	for (;;)
	{
		json_object *row = pager_next_on_page(pager);

		if (row != NULL || pager->last_page)
			return row;
		fetch_page(pager, pager->page_number + 1);
	}
}

size_t
pager_go_to(Pager *pager, int page_number)
{
	fetch_page(pager, page_number);
	return pager->nrows;
}

bool
pager_on_last_page(const Pager *pager)
{
	return pager->last_page;
}

bool
pager_at_hand(const Pager *pager)
{
	return pager->next_row < pager->nrows;
}

PagerCounts
pager_counts(const Pager *pager)
{
	return pager->counts;
}

void
pager_end(Pager *pager)
{
	if (pager->seen != NULL)
		seen_free(pager->seen);
	MemoryContextDelete(pager->context);
}
