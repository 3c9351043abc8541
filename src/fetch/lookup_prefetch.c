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
#include "request/request_create.h"
#include "api/pipeline.h"

struct LookupPrefetch
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
	bool	  is_good; /* the scan has looked a key up, so it's going to look up others */
	Pipeline *pipeline;
	int		  oldest; /* index in targets, a ring: what the pipeline's requests are for */
	char	 *targets[CRISP_MAX_PREFETCH];
};

/* Those of all scans that are running. */
static dlist_head all = DLIST_STATIC_INIT(all);

static void
forget(void *arg)
{
	dlist_delete(&((LookupPrefetch *) arg)->node);
}

LookupPrefetch *
lookup_prefetch_create(const CrispOptions *options, AnswerCache *cache, WholeList *whole_list,
					   const EState *estate, int id)
{
	MemoryContext	context = AllocSetContextCreate(estate->es_query_cxt, "crisp_fdw ahead",
													ALLOCSET_SMALL_SIZES);
	MemoryContext	old_context = MemoryContextSwitchTo(context);
	LookupPrefetch *ahead = palloc0(sizeof(LookupPrefetch));

	ahead->estate = estate;
	ahead->id = id;
	ahead->options = options;
	ahead->cache = cache;
	ahead->whole_list = whole_list;
	ahead->context = context;
	ahead->pipeline = pipeline_create(context, options);
	MemoryContextSwitchTo(old_context);

	dlist_push_head(&all, &ahead->node);
	ahead->callback.func = forget;
	ahead->callback.arg = ahead;
	MemoryContextRegisterResetCallback(context, &ahead->callback);
	return ahead;
}

LookupPrefetch *
lookup_prefetch_find(const EState *estate, int id)
{
	dlist_iter iter;

	dlist_foreach(iter, &all)
	{
		LookupPrefetch *ahead = dlist_container(LookupPrefetch, node, iter.cur);

		if (ahead->estate == estate && ahead->id == id)
			return ahead;
	}
	return NULL;
}

static char **
nth_target(LookupPrefetch *ahead, int n)
{
	return &ahead->targets[(ahead->oldest + n) % CRISP_MAX_PREFETCH];
}

/*
 * Forget what the pipeline's oldest request was for, as it has left the pipeline.
 */
static void
forget_target(LookupPrefetch *ahead)
{
	pfree(*nth_target(ahead, 0));
	ahead->oldest = (ahead->oldest + 1) % CRISP_MAX_PREFETCH;
}

/*
 * Take the oldest request out of the pipeline, although nobody has asked for its answer: that goes
 * to the cache if it's one.  Otherwise it is as if there had been no request: the scan makes it,
 * should it come to that key.
 */
static void
drop_oldest(LookupPrefetch *ahead)
{
	MemoryContext context;
	ApiAnswer	  answer;
	bool		  found;

	if (pipeline_try_answer(ahead->pipeline, API_OBJECT, &context, &answer, &found))
	{
		answer_cache_add(ahead->cache, *nth_target(ahead, 0), &answer, found);
		MemoryContextDelete(context);
	}
	forget_target(ahead);
}

bool
lookup_prefetch_has_room(LookupPrefetch *ahead, bool make_room)
{
	/*
	 * The first request shows whether the scan asks for keys at all: other conditions may rule
	 * out all rows.
	 */
	if ((ahead->is_tried && !ahead->is_good) || !answer_cache_has_room(ahead->cache))
		return false;
	pipeline_open(ahead->pipeline);
	if (make_room && !pipeline_has_room(ahead->pipeline) && pipeline_count(ahead->pipeline) > 0)
	{
		drop_oldest(ahead);
		pipeline_open(ahead->pipeline);
	}
	return pipeline_has_room(ahead->pipeline);
}

bool
lookup_prefetch_has(const LookupPrefetch *ahead, const char *target)
{
	for (int i = 0; i < pipeline_count(ahead->pipeline); i++)
		if (strcmp(ahead->targets[(ahead->oldest + i) % CRISP_MAX_PREFETCH], target) == 0)
			return true;
	return false;
}

void
lookup_prefetch_ask(LookupPrefetch *ahead, List *condition, Datum key)
{
	ConditionValue value = {.known = true, .value = key};
	CrispRequest  *request = request_create(ahead->options, list_make1(condition), &value, 0, NULL,
											false);
	const char	  *text;
	char		  *target;
	MemoryContext  old_context;

	/* A key that can't be looked up is left to the scan. */
	if (request == NULL || request->kind != REQUEST_KEYS || list_length(request->as.keys.keys) != 1)
		return;
	text = linitial(request->as.keys.keys);
	target = request_lookup_target(&request->as.keys, text);
	if (answer_cache_has(ahead->cache, target) || lookup_prefetch_has(ahead, target) ||
		whole_list_has(ahead->whole_list, text))
		return;
	old_context = MemoryContextSwitchTo(ahead->context);
	*nth_target(ahead, pipeline_count(ahead->pipeline)) = pstrdup(target);
	pipeline_start(ahead->pipeline, target);
	ahead->is_tried = true;
	whole_list_note_asked(ahead->whole_list);
	MemoryContextSwitchTo(old_context);
}

MemoryContext
lookup_prefetch_take(LookupPrefetch *ahead, const char *target, ApiAnswer *answer, bool *found)
{
	MemoryContext result;

	Assert(lookup_prefetch_has(ahead, target));
	while (strcmp(*nth_target(ahead, 0), target) != 0)
		drop_oldest(ahead);
	(void) pipeline_receive(ahead->pipeline);
	result = pipeline_answer(ahead->pipeline, API_OBJECT, API_KEY_GIVEN, answer, found);
	answer_cache_add(ahead->cache, target, answer, *found);
	forget_target(ahead);
	return result;
}

void
lookup_prefetch_confirm(LookupPrefetch *ahead, bool is_good)
{
	ahead->is_good = is_good;
}

void
lookup_prefetch_end(LookupPrefetch *ahead)
{
	MemoryContextDelete(ahead->context);
}
