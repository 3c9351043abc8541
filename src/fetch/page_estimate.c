/*-------------------------------------------------------------------------
 *
 * page_estimate.c
 *		Estimate how many pages a list has.
 *
 * A page past the end of a list costs a request, and Crisp doesn't say where the end is.  So the
 * session remembers the lists that it has read to their end, the latest of them; and of a list that
 * Crisp counts, it asks for the number of rows.  The planner's estimate comes last.  None of this
 * is relied on: a list that is longer is read on, one that is shorter ends where it ends.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "utils/memutils.h"

#include "api/api_answer.h"
#include "fetch/count.h"
#include "fetch/page_estimate.h"

/* How many lists are remembered. */
#define MAX_REMEMBERED 64

/*
 * Fewer requests than this under way together go no further past an end than a
 * request that asks for the number of rows would cost.
 */
#define MIN_PREFETCH_TO_ASK 3

/* A list that was read to its end, or beyond a page. */
typedef struct SeenList
{
	dlist_node node;
	int		   pages; /* of it; if not ended, that there are at least */
	bool	   ended;
	char	   name[FLEXIBLE_ARRAY_MEMBER];
} SeenList;

struct PageEstimate
{
	const ListRequest *request;
	CrispOptions	   options; /* for the count: as the request's, without retries */
	bool			   known;	/* pages is what the session has seen */
	int				   pages;	/* expected; 0 for unknown */
	int				   least;	/* pages that there are, and one more */
	ApiCall			  *count;	/* that was asked for, until its answer is read */
	size_t			   page_rows;
};

/* The latest last. */
static dlist_head seen_lists = DLIST_STATIC_INIT(seen_lists);
static int		  nseen_lists = 0;

/*
 * Return the name under which a list is remembered; palloc'd.
 */
static char *
list_name(const ListRequest *request)
{
	char *target = request_list_target(request, 1);
	char *name = request->stops ? psprintf("%s %s " INT64_FORMAT, request->options->base_url,
										   target, request->stop_before)
								: psprintf("%s %s", request->options->base_url, target);

	pfree(target);
	return name;
}

static SeenList *
find_list(const char *name)
{
	dlist_iter iter;

	dlist_foreach(iter, &seen_lists)
	{
		SeenList *list = dlist_container(SeenList, node, iter.cur);

		if (strcmp(list->name, name) == 0)
			return list;
	}
	return NULL;
}

PageEstimate *
page_estimate_begin(const ListRequest *request)
{
	PageEstimate *estimate = palloc0(sizeof(PageEstimate));
	int			  pages = page_estimate_recall(request, &estimate->known);

	estimate->request = request;
	estimate->pages = estimate->known ? pages : request->pages_expected;
	return estimate;
}

/*
 * Say whether the request is for all rows of its resource, so that Crisp's count is about them.
 */
static bool
is_whole_list(const ListRequest *request)
{
	return request->dates.lower == PG_INT64_MIN && request->dates.upper == PG_INT64_MAX &&
		   request->query[0] == '\0' && !request->stops && request->pages_wanted == 0;
}

bool
page_estimate_ask(PageEstimate *estimate, size_t page_rows)
{
	const ListRequest *request = estimate->request;

	if (estimate->known || estimate->count != NULL || page_rows == 0 ||
		request->options->resource->count == NULL ||
		request->options->prefetch < MIN_PREFETCH_TO_ASK || !is_whole_list(request))
		return false;

	estimate->options = *request->options;
	estimate->options.max_retries = 0;
	estimate->page_rows = page_rows;
	estimate->count = api_start(&estimate->options, count_target(&estimate->options),
								CurrentMemoryContext);
	estimate->known = true;
	return true;
}

bool
page_estimate_is_pending(PageEstimate *estimate)
{
	return estimate->count != NULL && !api_get_ready(estimate->count);
}

int
page_estimate_pages(PageEstimate *estimate)
{
	ApiAnswer  answer;
	ApiFailure failure;
	int64	   rows;

	if (estimate->count != NULL && api_is_ready(estimate->count))
	{
		if (api_try_finish(estimate->count, API_OBJECT, &answer, &failure) &&
			count_read(estimate->request->options, answer.data, &rows))
		{
			int64 pages = (rows + (int64) estimate->page_rows - 1) / (int64) estimate->page_rows;

			estimate->pages = pages < estimate->least ? 0 : (int) Min(pages, PG_INT32_MAX);
		}
		estimate->count = NULL;
	}
	return estimate->pages;
}

void
page_estimate_exceed(PageEstimate *estimate, int pages)
{
	estimate->least = pages + 1;
	if (estimate->pages < estimate->least)
		estimate->pages = 0;
}

void
page_estimate_remember(const ListRequest *request, int pages, bool ended)
{
	char	 *name = list_name(request);
	SeenList *list = find_list(name);

	if (list != NULL)
		dlist_delete(&list->node);
	else
	{
		size_t size = strlen(name) + 1;

		/* What may raise comes before anything is changed. */
		list = MemoryContextAlloc(TopMemoryContext, offsetof(SeenList, name) + size);
		memcpy(list->name, name, size);
		if (nseen_lists == MAX_REMEMBERED)
			pfree(dlist_container(SeenList, node, dlist_pop_head_node(&seen_lists)));
		else
			nseen_lists++;
	}
	list->pages = pages;
	list->ended = ended;
	dlist_push_tail(&seen_lists, &list->node);
	pfree(name);
}

int
page_estimate_recall(const ListRequest *request, bool *ended)
{
	char		   *name = list_name(request);
	const SeenList *list = find_list(name);

	pfree(name);
	*ended = list != NULL && list->ended;
	return list ? list->pages : 0;
}

void
page_estimate_end(PageEstimate *estimate, int pages)
{
	if (pages > 1 || is_whole_list(estimate->request))
		page_estimate_remember(estimate->request, pages, true);
}
