/*-------------------------------------------------------------------------
 *
 * spent_lists.c
 *		Remember what runs of a scan have cost, for each list that would have served them.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "scan/spent_lists.h"

struct SpentLists
{
	MemoryContext context;
	HTAB		 *table; /* SpentLists; NULL before the first */
};

SpentLists *
spent_lists_create(MemoryContext context)
{
	SpentLists *lists = MemoryContextAllocZero(context, sizeof(SpentLists));

	lists->context = context;
	return lists;
}

void
spent_lists_put(SpentLists *lists, const SpentList *list)
{
	SpentList *entry;

	if (lists->table == NULL)
		lists->table = text_key_table("crisp_fdw spent lists", lists->context, sizeof(SpentList));
	entry = hash_search(lists->table, &list->key, HASH_ENTER, NULL);
	*entry = *list;
	entry->cost.request = NULL;
	entry->cost.probes = 0;
}

void
spent_lists_add(SpentLists *lists, TextKey key, int64 requests)
{
	const SpentList *entry = spent_lists_get(lists, key);
	SpentList		 list = {.key = key, .cost = list_cost_create_part()};

	if (entry != NULL)
		list = *entry;
	list.cost.spent += requests;
	list.lists++;
	spent_lists_put(lists, &list);
}

const SpentList *
spent_lists_get(SpentLists *lists, TextKey key)
{
	if (lists->table == NULL)
		return NULL;
	return hash_search(lists->table, &key, HASH_FIND, NULL);
}
