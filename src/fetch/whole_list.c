/*-------------------------------------------------------------------------
 *
 * whole_list.c
 *		Read the list that serves the keys of a scan, once these have cost as much.
 *
 * How many keys a nested loop will bring, nobody knows for certain.  So they are looked up one by
 * one until that has cost as many requests as the list would; if there are more, the list is read:
 * that is twice the requests that would have been needed, at worst.
 *
 * Where the list can be read so that it lacks no row (proved_list.c), and has as many as Crisp
 * counts, a key that it doesn't have is one that Crisp doesn't have.  Elsewhere such a key is looked up by itself, as before; then it's
 * no matter whether rows are lost while the list moves.  Nor is it whether the list can be had at
 * all: nothing here raises for what Crisp does.
 *
 * Who knows of enough keys that will follow in any case tells so: then the list is read at once.
 *
 * Where nobody knows how long the list is, a request for one of its pages tells whether it's longer
 * than what was spent.  There is one whenever twice as much was spent.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "api/api_answer.h"
#include "fetch/count.h"
#include "fetch/page_estimate.h"
#include "json/json_path.h"
#include "fetch/keyed_rows.h"
#include "fetch/last_page.h"
#include "fetch/proved_list.h"
#include "fetch/whole_list.h"
#include "api/pipeline.h"

/* Lookups before somebody asks how long the list is. */
#define FIRST_PROBE 16

/* Keys that are worth knowing of where that isn't known. */
#define FORESIGHT 64

/* A list that turns out to be so many times as long as it was said to be isn't read on. */
#define MAX_EXCESS 2

struct WholeList
{
	MemoryContext	context;
	ResourceOwner	owner; /* of temporary files */
	CrispOptions   *options;
	WholeListPlan	plan;
	ListRequest	   *request;	  /* for all rows; NULL until it's needed */
	int				cost;		  /* pages; 0 where that isn't known */
	int64			spent;		  /* requests for keys */
	int64			foreseen;	  /* what these come to with all keys that are known to follow */
	bool			foresees_all; /* of this pass */
	int				probe; /* lookups after which to ask how long the list is; that page, too */
	bool			given_up;
	bool			counted;   /* Crisp was asked for the number of rows */
	int64			told;	   /* and has told this; -1 where it hasn't */
	int64			found;	   /* keys that were answered with a row, */
	int64			missing;   /* or without */
	KeyedRows	   *rows;	   /* NULL before the list is read */
	bool			is_key;	   /* what rows are found by identifies them */
	bool			is_proved; /* the list lacks no row that there is */
	JsonPath	   *path;	   /* of what rows are found by */
	size_t			full_page; /* rows of the fullest page, as far as is known */
	WholeListCounts counts;
};

WholeList *
whole_list_create(MemoryContext parent, const CrispOptions *options, WholeListPlan plan)
{
	MemoryContext context = AllocSetContextCreate(parent, "crisp_fdw whole list",
												  ALLOCSET_SMALL_SIZES);
	WholeList	 *list = MemoryContextAllocZero(context, sizeof(WholeList));

	list->context = context;
	list->owner = CurrentResourceOwner;
	list->options = unconstify(CrispOptions *, options);
	list->plan = plan;
	list->cost = plan.pages;
	list->probe = FIRST_PROBE;
	list->told = -1;
	return list;
}

void
whole_list_note_asked(WholeList *list)
{
	if (list == NULL)
		return;
	list->counts.lookups++;
	list->spent++;
}

void
whole_list_note_search(WholeList *list)
{
	if (list != NULL)
		list->spent++;
}

void
whole_list_note_answer(WholeList *list, bool found)
{
	if (list == NULL)
		return;
	if (found)
		list->found++;
	else
		list->missing++;
}

/*
 * Make the request for all rows, and see what the session knows of its list.
 */
static void
begin_request(WholeList *list)
{
	MemoryContext old_context = MemoryContextSwitchTo(list->context);
	int			  pages;
	bool		  ended;

	list->request = palloc(sizeof(ListRequest));
	*list->request = request_whole_list(list->options);
	pages = page_estimate_recall(list->request, &ended);
	if (ended)
		list->cost = pages;
	else
	{
		if (list->cost <= pages)
			list->cost = 0;
		while (list->probe <= pages && list->probe <= PG_INT32_MAX / 2)
			list->probe *= 2;
	}
	MemoryContextSwitchTo(old_context);
}

/*
 * Say whether so many requests may be made although lookups may turn out not to need them: with a
 * limit, these mustn't lack any.
 */
static bool
can_spare(const WholeList *list, int requests, int keys_left)
{
	int64 left = api_max_requests - api_statement_requests();

	if (api_max_requests == 0)
		return true;
	if (!list->plan.repeats && keys_left <= left)
		return requests + keys_left <= left;

	/* Keys that Crisp doesn't have, no list spares. */
	return requests <= left / 2 && list->found >= 3 * list->missing;
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
 * Ask Crisp how many rows there are, and set the cost.  Returns whether it tells.
 */
static bool
ask_count(WholeList *list)
{
	ApiAnswer answer;
	int64	  rows;
	bool	  absent;

	list->counts.probes++;
	if (!await(api_start(list->options, count_target(list->options), CurrentMemoryContext),
			   API_OBJECT, &answer, &absent) ||
		!count_read(list->options, answer.data, &rows))
		return false;
	list->told = rows;
	list->cost = (int) Max(Min((rows + list->request->per_page - 1) / list->request->per_page,
							   PG_INT32_MAX / MAX_EXCESS - 1),
						   1);
	return true;
}

/*
 * Do so for the first time; there is none after it.
 */
static bool
try_count(WholeList *list)
{
	MemoryContext context = AllocSetContextCreate(list->context, "crisp_fdw count",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	bool		  result = ask_count(list);

	list->counted = true;
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	return result;
}

/*
 * Ask for the page that the list doesn't have if it's no longer than what was spent, and set the
 * cost if so.
 */
static void
ask_page(WholeList *list)
{
	char	 *target = request_list_target(list->request, list->probe);
	ApiAnswer answer = {0};
	bool	  absent;
	bool	  given;

	list->counts.probes++;
	given = await(api_start(list->options, target, CurrentMemoryContext), API_LIST, &answer,
				  &absent);
	if (!given && !absent)
		list->given_up = true;
	else if (absent || page_is_last(list->options, json_node_length(answer.data),
									CRISP_MIN_PER_PAGE, answer.more))
		list->cost = list->probe;
	else
	{
		page_estimate_remember(list->request, list->probe, false);
		list->probe *= 2;
	}
}

/*
 * Find out how long the list is, if it's time to, and there is reason to think that it's worth it.
 */
static void
find_cost(WholeList *list, double left)
{
	MemoryContext context;
	MemoryContext old_context;
	double		  expected = list->plan.lookups - (double) list->spent;

	/* A limit of requests is for what is needed. */
	if (list->spent < list->probe || api_max_requests > 0 || left <= list->probe ||
		(expected > 0 && expected <= list->probe) || list->probe > PG_INT32_MAX / 4)
		return;
	while (list->probe <= list->spent / 2)
		list->probe *= 2;
	if (list->counted || list->options->resource->count == NULL || !try_count(list))
	{
		context = AllocSetContextCreate(list->context, "crisp_fdw probe", ALLOCSET_DEFAULT_SIZES);
		old_context = MemoryContextSwitchTo(context);
		ask_page(list);
		MemoryContextSwitchTo(old_context);
		MemoryContextDelete(context);
	}
}

/*
 * Keep a row of the list under its key.
 */
static void
keep_row(void *arg, const JsonNode *row)
{
	WholeList	   *list = arg;
	const JsonNode *value = json_path_get(row, list->path);
	size_t			length;

	if (value != NULL)
		keyed_rows_add(list->rows,
					   json_node_kind(value) == JSON_NODE_STRING ? json_node_string(value, NULL)
																 : json_text(value, &length),
					   row);
	list->counts.rows++;
}

/*
 * Read a page that was asked for.  Returns false where the list ends, or there is no going on.
 */
static bool
read_page(WholeList *list, Pipeline *pipeline)
{
	MemoryContext context;
	ApiAnswer	  answer;
	bool		  found;
	bool		  ended = true;

	if (!pipeline_wait_answer(pipeline, API_LIST, &context, &answer, &found))
		return false;
	if (found)
	{
		size_t nrows = json_node_length(answer.data);

		for (const JsonNode *row = json_node_first(answer.data); row != NULL;
			 row = json_node_next(answer.data, row))
			keep_row(list, row);
		list->counts.pages++;
		list->full_page = Max(list->full_page, nrows);
		ended = page_is_last(list->options, nrows, list->full_page, answer.more);
	}
	else
		list->counts.past_end++;
	if (ended)
		page_estimate_remember(list->request, (int) Max(list->counts.pages, 1), true);
	MemoryContextDelete(context);
	return !ended;
}

/*
 * Read the list page by page, as far as it can be had.
 */
static void
read_pages(WholeList *list)
{
	Pipeline   *pipeline = pipeline_create(CurrentMemoryContext, list->options);
	ListRequest request = *list->request;
	int			next = 1;

	/* Crisp may refuse an order that it doesn't document. */
	request.any_order = true;
	list->full_page = CRISP_MIN_PER_PAGE;
	do
	{
		pipeline_open(pipeline);
		while (pipeline_has_room(pipeline) && next <= list->cost * MAX_EXCESS + 1 &&
			   (next <= list->cost || pipeline_count(pipeline) == 0) &&
			   !pipeline_says_end(pipeline) && !pipeline_is_past_end(pipeline))
		{
			char *target = request_list_target(&request, next++);

			pipeline_start(pipeline, target);
			pfree(target);
		}
	} while (pipeline_count(pipeline) > 0 && read_page(list, pipeline));
	list->counts.past_end += pipeline_drop(pipeline);
}

/*
 * Keep no rows, as yet.
 */
static void
create_rows(WholeList *list)
{
	if (list->rows != NULL)
		keyed_rows_end(list->rows);
	list->rows = keyed_rows_create(list->context, (Size) work_mem * 1024, list->owner);
	list->counts.rows = 0;
}

/*
 * Read the list by date, so that it lacks no row.  Returns false where that didn't work out.
 */
static bool
read_proved(WholeList *list)
{
	ReaderCounts counts = {0};

	list->is_proved = proved_list_read(list->options, keep_row, list, &counts);
	list->counts.pages += counts.pages;
	list->counts.past_end += counts.past_end;
	if (list->is_proved)
		page_estimate_remember(list->request,
							   (int) ((list->counts.rows - 1) / list->request->per_page + 1), true);
	return list->is_proved;
}

/*
 * Read the list, as far as it can be had.
 */
static void
read_list(WholeList *list, const CrispLookup *lookup)
{
	const CrispResource *resource = list->options->resource;
	MemoryContext		 context = AllocSetContextCreate(list->context, "crisp_fdw list",
														 ALLOCSET_DEFAULT_SIZES);
	MemoryContext		 old_context = MemoryContextSwitchTo(context);

	list->is_key = (crisp_column_by_path(resource, lookup->path)->flags & CRISP_KEY) != 0;
	list->path = json_path_of(lookup->path);
	create_rows(list);
	if (!proved_list_is_possible(list->options) || !read_proved(list))
	{
		create_rows(list);
		read_pages(list);
	}
	keyed_rows_index(list->rows);
	list->counts.is_read = true;
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
}

/*
 * Say whether keys of a lookup may yet be served from the list.
 */
static bool
may_be_read(const WholeList *list, const CrispLookup *lookup)
{
	return list != NULL && list->rows == NULL && !list->given_up && lookup->is_listed;
}

int
whole_list_foresight(WholeList *list, const CrispLookup *lookup, int counted)
{
	if (!may_be_read(list, lookup))
		return 0;
	if (list->request == NULL)
		begin_request(list);
	if (list->cost == 0 && counted >= FIRST_PROBE && !list->counted && api_max_requests == 0 &&
		list->options->resource->count != NULL)
		try_count(list);
	return list->cost > 0 ? list->cost + 1 : FORESIGHT;
}

void
whole_list_foresee(WholeList *list, int keys, bool all)
{
	list->foreseen = list->spent + keys;
	list->foresees_all = all;
}

void
whole_list_consider(WholeList *list, const KeysRequest *request, int keys_left)
{
	double left;
	double certain;

	if (!may_be_read(list, request->lookup) || list->spent == 0)
		return;
	left = list->plan.repeats ? HUGE_VAL : keys_left;
	certain = Max(list->foreseen - list->spent, 0);
	if (list->foresees_all && list->spent <= list->foreseen)
		left = certain;
	if (list->request == NULL)
		begin_request(list);
	if (list->cost == 0)
		find_cost(list, left);
	if (list->cost > 0 && (list->spent >= list->cost || certain > list->cost) &&
		left > list->cost &&
		can_spare(list, (proved_list_is_possible(list->options) ? 2 : 1) * list->cost, keys_left))
		read_list(list, request->lookup);
}

bool
whole_list_has(WholeList *list, const char *key)
{
	/*
	 * A row that comes again has moved while the list was read.  Which of several rows Crisp means
	 * by what doesn't identify them, a lookup tells.
	 */
	return list != NULL && list->counts.is_read && keyed_rows_has(list->rows, key, !list->is_key);
}

/*
 * Say whether the list has as many rows as Crisp counts.  It was read by date, and a row that lacks
 * that is in no answer.
 */
static bool
is_complete(WholeList *list)
{
	/* A limit of requests is for what is needed. */
	if (!list->counted && list->options->resource->count != NULL && api_max_requests == 0)
		(void) try_count(list);
	return list->told >= 0 && list->counts.rows >= list->told;
}

bool
whole_list_lacks(WholeList *list, const char *key)
{
	return list != NULL && list->counts.is_read && list->is_proved &&
		   !keyed_rows_has(list->rows, key, false) && is_complete(list);
}

void
whole_list_note_absent(WholeList *list)
{
	list->counts.absent++;
}

const JsonNode *
whole_list_get(WholeList *list, const char *key, MemoryContext owner)
{
	const JsonNode *row = keyed_rows_get(list->rows, key, owner);

	Assert(row != NULL);
	list->counts.served++;
	return row;
}

WholeListCounts
whole_list_counts(const WholeList *list)
{
	return list != NULL ? list->counts : (WholeListCounts){0};
}

void
whole_list_end(WholeList *list)
{
	if (list == NULL)
		return;
	if (list->rows != NULL)
		keyed_rows_end(list->rows);
	MemoryContextDelete(list->context);
}
