/*-------------------------------------------------------------------------
 *
 * lookup_prefetch.h
 *		Ask for single rows before a scan comes to their keys.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_LOOKUP_PREFETCH_H
#define CRISP_LOOKUP_PREFETCH_H

#include "nodes/execnodes.h"

#include "api/answer_cache.h"
#include "base/key_set.h"
#include "fetch/key_search.h"
#include "fetch/whole_list.h"

/*
 * Requests of a scan for what somebody else knows that it will look up next: who reads the outer
 * rows of a nested loop.  Their answers go to the scan's cache when it comes to them.
 */
typedef struct LookupPrefetch LookupPrefetch;

/*
 * Create it without requests, in a child of the statement's memory.  options must hold credentials
 * and live as long, as must cache and whole_list, which say what needn't be asked for, and search.
 * Others find it by the statement and the scan's id in its plan.
 */
extern LookupPrefetch *lookup_prefetch_create(const CrispOptions *options, AnswerCache *cache,
											  WholeList *whole_list, KeySearch *search,
											  const EState *estate, int id);

/* Return what the scan with that id has; NULL when there is none. */
extern LookupPrefetch *lookup_prefetch_find(const EState *estate, int id);

/*
 * Say whether one more request is welcome: the pipeline has room for it, and the cache for its
 * answer.  With make_room, which is for when the scan isn't going to take any, the oldest answer
 * makes way.
 */
extern bool lookup_prefetch_has_room(LookupPrefetch *prefetch, bool make_room);

/*
 * Ask for the row with that key, a value of the condition (of the form in condition.h), unless it
 * was asked for before; returns at once.  While keys are gathered, it joins them: false says that
 * there is no room for it.  To be called in short-lived memory.  Raises what api_start() raises.
 */
extern bool lookup_prefetch_ask(LookupPrefetch *prefetch, List *condition, Datum key);

/* Say whether the scan has looked up a key, so that it's going to look up others. */
extern bool lookup_prefetch_is_good(const LookupPrefetch *prefetch);

/*
 * Of such a scan, return how many different keys are worth counting ahead, where so many were
 * counted so far; see whole_list_foresight().  Say whether a key is one that has to be looked up,
 * and isn't in the set yet, to which it's added; in short-lived memory.  And tell what they came
 * to, which reads the list if they are too many: see whole_list_consider().
 */
extern int	lookup_prefetch_foresight(LookupPrefetch *prefetch, int counted);
extern bool lookup_prefetch_is_new(LookupPrefetch *prefetch, List *condition, Datum key,
								   KeySet *keys);
extern void lookup_prefetch_foresee(LookupPrefetch *prefetch, int keys, bool all);

/* Say whether keys are better gathered, and searched for together. */
extern bool lookup_prefetch_searches(const LookupPrefetch *prefetch);

/*
 * Gather the keys that are asked for from now on; and search for them.  To be called when the scan
 * has looked up what was gathered before.  Raises what key_search_finish() and key_search_start()
 * raise.
 */
extern void lookup_prefetch_gather(LookupPrefetch *prefetch);
extern void lookup_prefetch_search(LookupPrefetch *prefetch);

/*
 * Ask for keys that a search has missed, while there is room.  Raises what api_start() raises.
 */
extern void lookup_prefetch_ask_missed(LookupPrefetch *prefetch);

/* Tell whether the scan looks keys up, or has nothing to ask for, whatever the key. */
extern void lookup_prefetch_confirm(LookupPrefetch *prefetch, bool is_good);

/* Say whether the answer for target is on its way. */
extern bool lookup_prefetch_has(const LookupPrefetch *prefetch, const char *target);

/*
 * Wait for the answer for target, which must be on its way, and put it into the cache.  Returns the
 * memory context that holds it, a child of CurrentMemoryContext; *found tells whether there is
 * anything, without which *answer is all zeros.  Raises what api_finish() raises.
 */
extern MemoryContext lookup_prefetch_take(LookupPrefetch *prefetch, const char *target,
										  ApiAnswer *answer, bool *found);

/* Abort what is under way, and release everything. */
extern void lookup_prefetch_end(LookupPrefetch *prefetch);

#endif /* CRISP_LOOKUP_PREFETCH_H */
