/*-------------------------------------------------------------------------
 *
 * spent_lists.h
 *		Remember what runs of a scan have cost, for each list that would have served them.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SPENT_LISTS_H
#define CRISP_SPENT_LISTS_H

#include "base/text_key.h"
#include "fetch/list_cost.h"

/* What was spent on runs, and is known, of a list. */
typedef struct SpentList
{
	TextKey	 key;	/* as of past_runs.h */
	ListCost cost;	/* without a request, and without probes */
	int64	 lists; /* that runs have asked for in its stead */
} SpentList;

/* Such lists, each by its key. */
typedef struct SpentLists SpentLists;

/* Create it without lists, in context. */
extern SpentLists *spent_lists_create(MemoryContext context);

/* Remember a list, or what has become of it since it was remembered.  Raises for memory. */
extern void spent_lists_put(SpentLists *lists, const SpentList *list);

/*
 * Count requests of a run for a list that conditions leave a part of; one that wasn't remembered
 * is, as one of whose length nobody knows.  Raises for memory.
 */
extern void spent_lists_add(SpentLists *lists, TextKey key, int64 requests);

/* Return a list, which lives until it's put again; NULL where it wasn't. */
extern const SpentList *spent_lists_get(SpentLists *lists, TextKey key);

#endif /* CRISP_SPENT_LISTS_H */
