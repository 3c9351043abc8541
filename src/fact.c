/*-------------------------------------------------------------------------
 *
 * fact.c
 *		What a session has learnt of how a server behaves.
 *
 * There are a few facts for each foreign table, so a list does.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "utils/memutils.h"

#include "fact.h"

typedef struct Fact
{
	dlist_node node;
	bool	   holds;
	char	   name[FLEXIBLE_ARRAY_MEMBER];
} Fact;

static dlist_head facts = DLIST_STATIC_INIT(facts);

/*
 * The name under which a fact is kept; palloc'd.
 */
static char *
full_name(const CrispOptions *options, const char *name)
{
	return psprintf("%s %s %s %s", options->base_url,
					options->website_id ? options->website_id : "", options->resource->name, name);
}

static Fact *
find_fact(const char *name)
{
	dlist_iter iter;

	dlist_foreach(iter, &facts)
	{
		Fact *fact = dlist_container(Fact, node, iter.cur);

		if (strcmp(fact->name, name) == 0)
			return fact;
	}
	return NULL;
}

FactState
fact_recall(const CrispOptions *options, const char *name)
{
	char	   *key = full_name(options, name);
	const Fact *fact = find_fact(key);

	pfree(key);
	if (fact == NULL)
		return FACT_UNKNOWN;
	return fact->holds ? FACT_TRUE : FACT_FALSE;
}

void
fact_remember(const CrispOptions *options, const char *name, bool holds)
{
	char *key = full_name(options, name);
	Fact *fact = find_fact(key);

	if (fact == NULL)
	{
		size_t size = strlen(key) + 1;

		fact = MemoryContextAlloc(TopMemoryContext, offsetof(Fact, name) + size);
		memcpy(fact->name, key, size);
		dlist_push_head(&facts, &fact->node);
	}
	fact->holds = holds;
	pfree(key);
}
