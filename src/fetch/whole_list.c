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
 * counts, a key that it doesn't have is one that Crisp doesn't have.  Elsewhere such a key is
 * looked up by itself, as before; then it's no matter whether rows are lost while the list moves.
 * Nor is it whether the list can be had at all: nothing here raises for what Crisp does.
 *
 * Who knows of enough keys that will follow in any case tells so: then the list is read at once.
 *
 * How long the list is may have to be found out (list_cost.c).
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
#include "fetch/page_estimate.h"
#include "json/json_path.h"
#include "fetch/keyed_rows.h"
#include "fetch/last_page.h"
#include "fetch/list_cost.h"
#include "fetch/proved_list.h"
#include "fetch/whole_list.h"
#include "api/pipeline.h"

/*
 * Keys that are worth knowing of where its length isn't known, or by statistics alone, and worth
 * asking for that: more than a first page of rows brings.
 */
#define FORESIGHT 64
#define FORESIGHT_TO_COUNT 21

/*
 * Where the list was read, and proves nothing since it comes in no order, keys that it lacks are
 * looked up until that has cost so many times its pages: then it's read by date all the same, which
 * takes two to four times its pages.
 */
#define WORTH_ANY_ORDER 2

/* A list that turns out to be so many times as long as it was said to be isn't read on. */
#define MAX_EXCESS 2

struct WholeList
{
	MemoryContext	context;
	ResourceOwner	owner; /* of temporary files */
	CrispOptions   *options;
	WholeListPlan	plan;
	ListCost		cost;		  /* spent for keys */
	int64			foreseen;	  /* what these come to with all keys that are known to follow */
	bool			foresees_all; /* of this pass */
	int64			found;		  /* keys that were answered with a row, */
	int64			missing;	  /* or without */
	KeyedRows	   *rows;		  /* NULL before the list is read */
	bool			is_key;		  /* what rows are found by identifies them */
	bool			lacks_key;	  /* some row does, although it's that */
	bool			is_proved;	  /* the list lacks no row that there is */
	bool			is_unproved;  /* it was to be read for that alone, and couldn't */
	bool			is_tried;	  /* it was read by date, in whatever order */
	bool			is_recounted; /* Crisp was asked for its count once more since it was read */
	int64			was_missing;  /* keys that were answered without a row before it was read */
	const char	   *column;		  /* path of what rows are found by, */
	JsonPath	   *path;		  /* and what that stands for, while it's read */
	bool			at_once;	  /* all of its rows came with one answer */
	size_t			full_page;	  /* rows of the fullest page, as far as is known */
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
	list->cost = list_cost_create(plan.pages);
	return list;
}

void
whole_list_note_asked(WholeList *list)
{
	if (list == NULL)
		return;
	list->counts.lookups++;
	list->cost.spent++;
}

void
whole_list_note_search(WholeList *list)
{
	if (list != NULL)
		list->cost.spent++;
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
 * Make the request for all rows, if there is none yet.
 */
static void
begin_request(WholeList *list)
{
	MemoryContext old_context;
	ListRequest	 *request;

	if (list->cost.request != NULL)
		return;
	old_context = MemoryContextSwitchTo(list->context);
	request = palloc(sizeof(ListRequest));
	*request = request_whole_list(list->options);
	list_cost_begin(&list->cost, request);
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
 * Find out how long the list is, if there is reason to think that it's worth it.
 */
static void
find_cost(WholeList *list, double left)
{
	double expected = list->plan.lookups - (double) list->cost.spent;

	if (expected < 0 || expected > list->cost.next)
		list_cost_find(&list->cost, left);
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

	if (json_node_kind(value) == JSON_NODE_NULL)
		list->lacks_key = list->lacks_key || list->is_key;
	else
		keyed_rows_add(list->rows, json_plain_text(value, &length), row);
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
		list->at_once = list->counts.pages == 1 &&
						page_ends_list(list->cost.request, nrows, list->full_page, answer.more);
	}
	else
		list->counts.past_end++;
	if (ended)
		page_estimate_remember(list->cost.request, (int) Max(list->counts.pages, 1), true);
	MemoryContextDelete(context);
	return !ended;
}

/*
 * Read the list page by page, as far as it can be had, or so many pages are read.  What comes at
 * once lacks nothing: no row has moved meanwhile.
 */
static void
read_pages(WholeList *list, int most)
{
	Pipeline   *pipeline = pipeline_create(CurrentMemoryContext, list->options);
	ListRequest request = *list->cost.request;
	int			next = 1;

	/* Crisp may refuse an order that it doesn't document. */
	request.any_order = true;
	list->full_page = CRISP_MIN_PER_PAGE;
	do
	{
		pipeline_open(pipeline);
		while (pipeline_has_room(pipeline) && next <= most &&
			   (next <= list->cost.pages || pipeline_count(pipeline) == 0) &&
			   !pipeline_says_end(pipeline) && !pipeline_is_past_end(pipeline))
		{
			char *target = request_list_target(&request, next++);

			pipeline_start(pipeline, target);
			pfree(target);
		}
	} while (pipeline_count(pipeline) > 0 && read_page(list, pipeline));
	list->counts.past_end += pipeline_drop(pipeline);
	list->is_proved = list->at_once && !list->lacks_key && proved_list_is_possible(list->options);
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
 * Read a list that is expected to fit a page.  Returns false where it doesn't.  No order of such a
 * list can be proved, nor needs it to be.
 */
static bool
read_at_once(WholeList *list)
{
	if (list->cost.pages != 1)
		return false;
	create_rows(list);
	read_pages(list, 1);
	return list->at_once;
}

/*
 * Read the list by date, so that it lacks no row.  Returns false where that didn't work out.  Where
 * rows lack what they would be known by, it may lack others.
 */
static bool
read_proved(WholeList *list, bool in_any_order)
{
	int			  known = list->cost.pages;
	int64		  most = known > 0 ? (int64) known * MAX_EXCESS : PG_INT64_MAX;
	ReaderCounts  counts = {0};
	ProvedListEnd end;

	if (!proved_list_is_possible(list->options))
		return false;
	create_rows(list);
	end = proved_list_read(list->options, in_any_order, most, keep_row, list, &counts);
	list->counts.pages += counts.pages;
	list->counts.past_end += counts.past_end;
	list->is_proved = end == PROVED_LIST_PROVED && !list->lacks_key;
	if (end == PROVED_LIST_PROVED)
		page_estimate_remember(list->cost.request,
							   (int) ((list->counts.rows - 1) / list->cost.request->per_page + 1),
							   true);
	return end != PROVED_LIST_FAILED;
}

/*
 * Say whether the list, of which the first page was read, has more than the one that it had when
 * somebody looked: it may have any number.
 */
static bool
is_outgrown(WholeList *list)
{
	if (list->cost.pages != 1)
		return false;
	list_cost_note_least(&list->cost, list->cost.pages + 1);
	return true;
}

/*
 * Read the list by date, or else, by_pages, as far as it can be had, unless it turns out to be far
 * longer than it was taken for.
 */
static void
read_list(WholeList *list, const CrispLookup *lookup, bool by_pages)
{
	const CrispResource *resource = list->options->resource;
	MemoryContext		 context = AllocSetContextCreate(list->context, "crisp_fdw list",
														 ALLOCSET_DEFAULT_SIZES);
	MemoryContext		 old_context = MemoryContextSwitchTo(context);

	list->is_key = (crisp_column_by_path(resource, lookup->path)->flags & CRISP_KEY) != 0;
	list->column = lookup->path;
	list->path = json_path_of(list->column);
	list->was_missing = list->missing;
	list->counts.is_read = read_at_once(list);
	if (!list->counts.is_read && !(by_pages && is_outgrown(list)))
		list->counts.is_read = read_proved(list, false);
	if (!list->counts.is_read && by_pages && list->cost.pages > 0)
	{
		create_rows(list);
		read_pages(list, list->cost.pages * MAX_EXCESS + 1);
		list->counts.is_read = true;
	}
	if (list->counts.is_read)
		keyed_rows_index(list->rows);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
}

/*
 * Say whether keys of a lookup may yet be served from the list.
 */
static bool
may_be_read(const WholeList *list, const CrispLookup *lookup)
{
	return list != NULL && !list->counts.is_read && !list->cost.given_up && lookup->is_listed;
}

int
whole_list_foresight(WholeList *list, const CrispLookup *lookup, int counted)
{
	if (!may_be_read(list, lookup))
		return 0;
	begin_request(list);
	if ((list->cost.pages == 0 || list->cost.is_unbounded) && counted >= FORESIGHT_TO_COUNT &&
		api_max_requests == 0)
		list_cost_count(&list->cost);
	return list->cost.pages > 0 && !list->cost.is_unbounded ? list->cost.pages + 1
															: Max(list->cost.pages + 1, FORESIGHT);
}

void
whole_list_foresee(WholeList *list, int keys, bool all)
{
	list->foreseen = list->cost.spent + keys;
	list->foresees_all = all;
}

/*
 * Say whether it's time to read the list, as far as is known how long it is.  left is how many keys
 * it may serve yet, and certain, how many it will.
 */
static bool
is_due(const WholeList *list, double left, double certain, int keys_left)
{
	const ListCost *cost = &list->cost;
	int requests = proved_list_is_possible(list->options) ? 2 * cost->pages : cost->pages;

	return cost->pages > 0 && (cost->spent >= cost->pages || certain > cost->pages) &&
		   left > cost->pages &&
		   can_spare(list, requests + (cost->is_unbounded ? 1 : 0), keys_left);
}

void
whole_list_consider(WholeList *list, const KeysRequest *request, int keys_left)
{
	double left;
	double certain;

	if (!may_be_read(list, request->lookup) || list->cost.spent == 0)
		return;
	left = list->plan.repeats ? HUGE_VAL : keys_left;
	certain = Max(list->foreseen - list->cost.spent, 0);
	if (list->foresees_all && list->cost.spent <= list->foreseen)
		left = certain;
	begin_request(list);
	find_cost(list, left);
	if (!is_due(list, left, certain, keys_left))
		return;

	/* Where it's one page, that tells by itself whether it has others. */
	if (list->cost.pages > 1)
		list_cost_confirm(&list->cost);
	if (is_due(list, left, certain, keys_left))
		read_list(list, request->lookup, true);
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
	if (api_max_requests == 0)
		list_cost_count(&list->cost);

	/* Rows may have gone since they were counted. */
	if (api_max_requests == 0 && list->counts.rows < list->cost.rows && !list->is_recounted)
	{
		list->is_recounted = true;
		list->cost.counted = false;
		list_cost_count(&list->cost);
	}
	return list->cost.rows >= 0 && list->counts.rows >= list->cost.rows;
}

/*
 * Read the list once more, by date and in whatever order, once keys that it lacks have cost as much
 * as that may take.  Where that fails, it has what it had.
 */
static void
prove_in_any_order(WholeList *list)
{
	KeyedRows	 *rows = list->rows;
	int64		  nrows = list->counts.rows;
	MemoryContext context;
	MemoryContext old_context;

	if (list->is_tried || api_max_requests != 0 || list->cost.pages == 0 ||
		list->missing - list->was_missing < (int64) WORTH_ANY_ORDER * list->cost.pages)
		return;
	list->is_tried = true;
	list->is_recounted = false;
	context = AllocSetContextCreate(list->context, "crisp_fdw list", ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(context);
	list->path = json_path_of(list->column);
	list->rows = NULL;
	if (read_proved(list, true) && list->is_proved)
	{
		keyed_rows_index(list->rows);
		keyed_rows_end(rows);
	}
	else
	{
		if (list->rows != NULL)
			keyed_rows_end(list->rows);
		list->rows = rows;
		list->counts.rows = nrows;
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
}

bool
whole_list_lacks(WholeList *list, const char *key)
{
	if (list == NULL || !list->counts.is_read || keyed_rows_has(list->rows, key, false))
		return false;
	if (!list->is_proved)
		prove_in_any_order(list);
	return list->is_proved && !keyed_rows_has(list->rows, key, false) && is_complete(list);
}

bool
whole_list_tells_of(WholeList *list, const KeysRequest *request)
{
	ListCell *lc;

	if (may_be_read(list, request->lookup) && !list->is_unproved && list->plan.repeats &&
		api_max_requests == 0 && proved_list_is_possible(list->options))
	{
		begin_request(list);
		read_list(list, request->lookup, false);
		list->is_unproved = !list->counts.is_read;
	}
	if (list == NULL || !list->counts.is_read)
		return false;
	foreach(lc, request->keys)
		if (!whole_list_has(list, lfirst(lc)) && !whole_list_lacks(list, lfirst(lc)))
			return false;
	return true;
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
	WholeListCounts counts = {0};

	if (list != NULL)
	{
		counts = list->counts;
		counts.probes = list->cost.probes;
	}
	return counts;
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
