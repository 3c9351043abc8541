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

#include "jsonpath.h"
#include "pager.h"
#include "seen.h"

struct Pager
{
	const CrispOptions *options;
	List			   *params;
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
	int64		 requests;
	int64		 doubles; /* rows dropped since their key was returned before */
};

Pager *
pager_begin(const CrispOptions *options, List *params)
{
	MemoryContext	   context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw pager",
													   ALLOCSET_SMALL_SIZES);
	MemoryContext	   old_context = MemoryContextSwitchTo(context);
	const CrispColumn *key = crisp_resource_key(options->resource);
	const char		  *error;
	Pager			  *pager = palloc0(sizeof(Pager));

	pager->options = options;
	pager->params = params;
	pager->context = context;
	pager->page_context = AllocSetContextCreate(context, "crisp_fdw page", ALLOCSET_DEFAULT_SIZES);
	if (key != NULL)
		pager->key = json_path_parse(key->path, &error);

	MemoryContextSwitchTo(old_context);
	return pager;
}

/*
 * Whether the list ends with the page at hand.  Section by section what is known of
 * Crisp: 206 says that more follow, 200 that this was the last, but only an
 * empty page, or a 200 with fewer rows than a page can hold, is taken at its
 * word: a request more than needed is better than a row less.
 *
 * Where the page size is the server's choice, the largest page seen stands
 * for it.
 */
static bool
is_last_page(const Pager *pager, bool more)
{
	const CrispResource *resource = pager->options->resource;
	size_t				 full_page;

	if (!crisp_resource_is_paged(resource) || pager->nrows == 0)
		return true;
	if (more)
		return false;
	full_page = resource->per_page_param ? (size_t) pager->options->per_page : pager->largest_page;
	return pager->nrows < full_page;
}

/*
 * Get the next page.
 */
static void
fetch_page(Pager *pager)
{
	const CrispOptions *options = pager->options;
	MemoryContext		old_context;
	char			   *target;
	ApiAnswer			answer;

	MemoryContextReset(pager->page_context);
	pager->rows = NULL;
	pager->nrows = 0;
	pager->next_row = 0;
	pager->page_number++;

	old_context = MemoryContextSwitchTo(pager->page_context);
	target = api_list_target(options, pager->params, pager->page_number);
	pager->requests++;
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
	pager->doubles++;
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
						 pager->options->server_name),
				  errdetail("Resource \"%s\", page %d, first at element %zu.",
							pager->options->resource->name, pager->page_number, pager->next_row)));
}

json_object *
pager_next(Pager *pager)
{
	for (;;)
	{
		json_object *row;

		while (pager->next_row >= pager->nrows)
		{
			if (pager->last_page)
				return NULL;
			fetch_page(pager);
		}

		row = json_object_array_get_idx(pager->rows, pager->next_row++);
		if (!json_object_is_type(row, json_type_object))
			log_skipped(pager);
		else if (is_new(pager, row))
			return row;
	}
}

int64
pager_requests(const Pager *pager)
{
	return pager->requests;
}

void
pager_end(Pager *pager)
{
	if (pager->seen != NULL)
		seen_free(pager->seen);
	MemoryContextDelete(pager->context);
}
