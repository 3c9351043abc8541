/*-------------------------------------------------------------------------
 *
 * lookup_prefetch.c
 *		Single rows that are asked for before a scan comes to their keys.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "utils/memutils.h"

#include "fetch/lookup_prefetch.h"
#include "request/request.h"
#include "api/pipeline.h"

struct Ahead
{
	dlist_node			  node;
	const EState		 *estate;
	int					  id;
	const CrispOptions	 *options;
	AnswerCache			 *cache;
	WholeList			 *whole_list;
	MemoryContext		  context;
	MemoryContextCallback callback;
	bool				  is_tried; /* a request was made */
	bool	is_good; /* the scan has looked a key up, so it's going to look up others */
	Window *window;
	int		oldest; /* index in targets, a ring: what the window's requests are for */
	char   *targets[CRISP_MAX_PREFETCH];
};

/* Those of all scans that are running. */
static dlist_head all = DLIST_STATIC_INIT(all);

static void
forget(void *arg)
{
	dlist_delete(&((Ahead *) arg)->node);
}

Ahead *
ahead_create(const CrispOptions *options, AnswerCache *cache, WholeList *whole_list,
			 const EState *estate, int id)
{
	MemoryContext context = AllocSetContextCreate(estate->es_query_cxt, "crisp_fdw ahead",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	Ahead		 *ahead = palloc0(sizeof(Ahead));

	ahead->estate = estate;
	ahead->id = id;
	ahead->options = options;
	ahead->cache = cache;
	ahead->whole_list = whole_list;
	ahead->context = context;
	ahead->window = window_create(context, options);
	MemoryContextSwitchTo(old_context);

	dlist_push_head(&all, &ahead->node);
	ahead->callback.func = forget;
	ahead->callback.arg = ahead;
	MemoryContextRegisterResetCallback(context, &ahead->callback);
	return ahead;
}

Ahead *
ahead_find(const EState *estate, int id)
{
	dlist_iter iter;

	dlist_foreach(iter, &all)
	{
		Ahead *ahead = dlist_container(Ahead, node, iter.cur);

		if (ahead->estate == estate && ahead->id == id)
			return ahead;
	}
	return NULL;
}

static char **
nth_target(Ahead *ahead, int n)
{
	return &ahead->targets[(ahead->oldest + n) % CRISP_MAX_PREFETCH];
}

/*
 * Forget what the window's oldest request was for, as it has left the window.
 */
static void
forget_target(Ahead *ahead)
{
	pfree(*nth_target(ahead, 0));
	ahead->oldest = (ahead->oldest + 1) % CRISP_MAX_PREFETCH;
}

/*
 * Take the oldest request out of the window, although nobody has asked for its answer: that goes
 * to the cache if it's one.  Otherwise it is as if there had been no request: the scan makes it,
 * should it come to that key.
 */
static void
drop_oldest(Ahead *ahead)
{
	MemoryContext context;
	ApiAnswer	  answer;
	bool		  found;

	if (window_try_answer(ahead->window, API_OBJECT, &context, &answer, &found))
	{
		answer_cache_add(ahead->cache, *nth_target(ahead, 0), &answer, found);
		MemoryContextDelete(context);
	}
	forget_target(ahead);
}

bool
ahead_has_room(Ahead *ahead, bool make_room)
{
	/*
	 * The first request shows whether the scan asks for keys at all: other conditions may rule
	 * out all rows.
	 */
	if ((ahead->is_tried && !ahead->is_good) || !answer_cache_has_room(ahead->cache))
		return false;
	window_open(ahead->window);
	if (make_room && !window_has_room(ahead->window) && window_count(ahead->window) > 0)
	{
		drop_oldest(ahead);
		window_open(ahead->window);
	}
	return window_has_room(ahead->window);
}

bool
ahead_has(const Ahead *ahead, const char *target)
{
	for (int i = 0; i < window_count(ahead->window); i++)
		if (strcmp(ahead->targets[(ahead->oldest + i) % CRISP_MAX_PREFETCH], target) == 0)
			return true;
	return false;
}

void
ahead_ask(Ahead *ahead, List *condition, Datum key)
{
	ConditionValue value = {.known = true, .value = key};
	CrispRequest  *request = request_create(ahead->options, list_make1(condition), &value, 0, NULL,
											false);
	char		  *target;
	MemoryContext  old_context;

	/* A key that can't be looked up is left to the scan. */
	if (request == NULL || request->lookup == NULL || list_length(request->keys) != 1)
		return;
	target = request_lookup_target(request, linitial(request->keys));
	if (answer_cache_has(ahead->cache, target) || ahead_has(ahead, target) ||
		whole_list_has(ahead->whole_list, linitial(request->keys)))
		return;
	old_context = MemoryContextSwitchTo(ahead->context);
	*nth_target(ahead, window_count(ahead->window)) = pstrdup(target);
	window_start(ahead->window, target);
	ahead->is_tried = true;
	whole_list_note_asked(ahead->whole_list);
	MemoryContextSwitchTo(old_context);
}

MemoryContext
ahead_take(Ahead *ahead, const char *target, ApiAnswer *answer, bool *found)
{
	MemoryContext result;

	Assert(ahead_has(ahead, target));
	while (strcmp(*nth_target(ahead, 0), target) != 0)
		drop_oldest(ahead);
	(void) window_receive(ahead->window);
	result = window_answer(ahead->window, API_OBJECT, API_KEY_GIVEN, answer, found);
	answer_cache_add(ahead->cache, target, answer, *found);
	forget_target(ahead);
	return result;
}

void
ahead_confirm(Ahead *ahead, bool is_good)
{
	ahead->is_good = is_good;
}

void
ahead_end(Ahead *ahead)
{
	MemoryContextDelete(ahead->context);
}
