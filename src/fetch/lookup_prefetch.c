/*-------------------------------------------------------------------------
 *
 * lookup_prefetch.c
 *		Ask for single rows before a scan comes to their keys.
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
	KeySearch			 *search;
	MemoryContext		  context;
	MemoryContextCallback callback;
	bool				  is_tried; /* a request was made */
	bool			   is_good; /* the scan has looked a key up, so it's going to look up others */
	bool			   is_gathering; /* keys that are to be searched for together */
	const CrispLookup *lookup;		 /* of the latest key; NULL before the first */
	Pipeline		  *pipeline;
	int				   oldest; /* index in targets, a ring: what the pipeline's requests are for */
	char			  *targets[CRISP_MAX_PREFETCH];
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
					   KeySearch *search, const EState *estate, int id)
{
	MemoryContext context = AllocSetContextCreate(estate->es_query_cxt, "crisp_fdw lookup prefetch",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	LookupPrefetch *prefetch = palloc0(sizeof(LookupPrefetch));

	prefetch->estate = estate;
	prefetch->id = id;
	prefetch->options = options;
	prefetch->cache = cache;
	prefetch->whole_list = whole_list;
	prefetch->search = search;
	prefetch->context = context;
	prefetch->pipeline = pipeline_create(context, options);
	MemoryContextSwitchTo(old_context);

	dlist_push_head(&all, &prefetch->node);
	prefetch->callback.func = forget;
	prefetch->callback.arg = prefetch;
	MemoryContextRegisterResetCallback(context, &prefetch->callback);
	return prefetch;
}

LookupPrefetch *
lookup_prefetch_find(const EState *estate, int id)
{
	dlist_iter iter;

	dlist_foreach(iter, &all)
	{
		LookupPrefetch *prefetch = dlist_container(LookupPrefetch, node, iter.cur);

		if (prefetch->estate == estate && prefetch->id == id)
			return prefetch;
	}
	return NULL;
}

static char **
nth_target(LookupPrefetch *prefetch, int n)
{
	return &prefetch->targets[(prefetch->oldest + n) % CRISP_MAX_PREFETCH];
}

/*
 * Forget what the pipeline's oldest request was for, as it has left the pipeline.
 */
static void
forget_target(LookupPrefetch *prefetch)
{
	pfree(*nth_target(prefetch, 0));
	prefetch->oldest = (prefetch->oldest + 1) % CRISP_MAX_PREFETCH;
}

/*
 * Take the oldest request out of the pipeline, although nobody has asked for its answer: that goes
 * to the cache if it's one.  Otherwise it is as if there had been no request: the scan makes it,
 * should it come to that key.
 */
static void
drop_oldest(LookupPrefetch *prefetch)
{
	MemoryContext context;
	ApiAnswer	  answer;
	bool		  found;

	if (pipeline_try_answer(prefetch->pipeline, API_OBJECT, &context, &answer, &found))
	{
		answer_cache_add(prefetch->cache, *nth_target(prefetch, 0), &answer, found);
		MemoryContextDelete(context);
	}
	forget_target(prefetch);
}

bool
lookup_prefetch_has_room(LookupPrefetch *prefetch, bool make_room)
{
	/*
	 * The first request shows whether the scan asks for keys at all: other conditions may rule
	 * out all rows.
	 */
	if ((prefetch->is_tried && !prefetch->is_good) || !answer_cache_has_room(prefetch->cache))
		return false;
	pipeline_open(prefetch->pipeline);
	if (make_room && !pipeline_has_room(prefetch->pipeline) &&
		pipeline_count(prefetch->pipeline) > 0)
	{
		drop_oldest(prefetch);
		pipeline_open(prefetch->pipeline);
	}
	return pipeline_has_room(prefetch->pipeline);
}

bool
lookup_prefetch_has(const LookupPrefetch *prefetch, const char *target)
{
	for (int i = 0; i < pipeline_count(prefetch->pipeline); i++)
		if (strcmp(prefetch->targets[(prefetch->oldest + i) % CRISP_MAX_PREFETCH], target) == 0)
			return true;
	return false;
}

/*
 * Ask for a key by itself.
 */
static void
ask_by_itself(LookupPrefetch *prefetch, const char *key, const char *target)
{
	MemoryContext old_context = MemoryContextSwitchTo(prefetch->context);

	*nth_target(prefetch, pipeline_count(prefetch->pipeline)) = pstrdup(target);
	pipeline_start(prefetch->pipeline, target);
	prefetch->is_tried = true;
	whole_list_note_asked(prefetch->whole_list);
	key_search_note_asked(prefetch->search, key);
	MemoryContextSwitchTo(old_context);
}

/*
 * Return the key (UTF-8) that a value of the condition is looked up by, and *target for it; NULL
 * for one that can't be looked up, which is left to the scan.
 */
static const char *
read_key(LookupPrefetch *prefetch, List *condition, Datum key, char **target)
{
	ConditionValue value = {.known = true, .value = key};
	CrispRequest  *request = request_create(prefetch->options, list_make1(condition), &value, 0,
											NULL, false);
	const char	  *text;

	if (request == NULL || request->kind != REQUEST_KEYS || list_length(request->as.keys.keys) != 1)
		return NULL;
	text = linitial(request->as.keys.keys);
	*target = request_lookup_target(&request->as.keys, text);
	prefetch->lookup = request->as.keys.lookup;
	return text;
}

/*
 * Say whether the answer for a key is here, or on its way.
 */
static bool
is_at_hand(const LookupPrefetch *prefetch, const char *key, const char *target)
{
	return answer_cache_has(prefetch->cache, target) || lookup_prefetch_has(prefetch, target) ||
		   key_search_has(prefetch->search, key) || whole_list_has(prefetch->whole_list, key) ||
		   whole_list_lacks(prefetch->whole_list, key);
}

bool
lookup_prefetch_ask(LookupPrefetch *prefetch, List *condition, Datum key)
{
	char	   *target;
	const char *text = read_key(prefetch, condition, key, &target);

	if (text == NULL || is_at_hand(prefetch, text, target))
		return true;
	if (prefetch->is_gathering)
		return key_search_add(prefetch->search, text);
	ask_by_itself(prefetch, text, target);
	return true;
}

bool
lookup_prefetch_is_good(const LookupPrefetch *prefetch)
{
	return prefetch->is_good && prefetch->lookup != NULL;
}

int
lookup_prefetch_foresight(LookupPrefetch *prefetch, int counted)
{
	if (lookup_prefetch_searches(prefetch))
		return 0;
	return whole_list_foresight(prefetch->whole_list, prefetch->lookup, counted);
}

bool
lookup_prefetch_is_new(LookupPrefetch *prefetch, List *condition, Datum key, KeySet *keys)
{
	char	   *target;
	const char *text = read_key(prefetch, condition, key, &target);

	return text != NULL && !is_at_hand(prefetch, text, target) &&
		   key_set_add(keys, text, strlen(text));
}

void
lookup_prefetch_foresee(LookupPrefetch *prefetch, int keys, bool all)
{
	const KeysRequest request = {.options = prefetch->options, .lookup = prefetch->lookup};

	whole_list_foresee(prefetch->whole_list, keys, all);
	whole_list_consider(prefetch->whole_list, &request, keys);
}

bool
lookup_prefetch_searches(const LookupPrefetch *prefetch)
{
	return lookup_prefetch_is_good(prefetch) &&
		   key_search_is_possible(prefetch->search, prefetch->lookup);
}

void
lookup_prefetch_gather(LookupPrefetch *prefetch)
{
	key_search_finish(prefetch->search);
	key_search_begin(prefetch->search, prefetch->lookup);
	prefetch->is_gathering = true;
}

void
lookup_prefetch_search(LookupPrefetch *prefetch)
{
	prefetch->is_gathering = false;
	key_search_start(prefetch->search);
}

void
lookup_prefetch_ask_missed(LookupPrefetch *prefetch)
{
	const char *key;

	while (lookup_prefetch_has_room(prefetch, false) &&
		   (key = key_search_next_missed(prefetch->search)) != NULL)
	{
		const KeysRequest request = {.options = prefetch->options, .lookup = prefetch->lookup};
		char			 *target = request_lookup_target(&request, key);

		if (!is_at_hand(prefetch, key, target))
			ask_by_itself(prefetch, key, target);
		pfree(target);
	}
}

MemoryContext
lookup_prefetch_take(LookupPrefetch *prefetch, const char *target, ApiAnswer *answer, bool *found)
{
	MemoryContext result;

	Assert(lookup_prefetch_has(prefetch, target));
	while (strcmp(*nth_target(prefetch, 0), target) != 0)
		drop_oldest(prefetch);
	(void) pipeline_receive(prefetch->pipeline);
	result = pipeline_answer(prefetch->pipeline, API_OBJECT, API_KEY_GIVEN, answer, found);
	answer_cache_add(prefetch->cache, target, answer, *found);
	forget_target(prefetch);
	return result;
}

void
lookup_prefetch_confirm(LookupPrefetch *prefetch, bool is_good)
{
	prefetch->is_good = is_good;
}

void
lookup_prefetch_end(LookupPrefetch *prefetch)
{
	MemoryContextDelete(prefetch->context);
}
