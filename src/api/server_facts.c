/*-------------------------------------------------------------------------
 *
 * server_facts.c
 *		Remember what a session has learnt of how a server behaves.
 *
 * There are a few facts for each foreign table, so a list does.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/time.h>

#include "lib/ilist.h"
#include "utils/memutils.h"

#include "api/server_facts.h"

typedef struct Fact
{
	dlist_node node;
	bool	   holds;
	char	   name[FLEXIBLE_ARRAY_MEMBER];
} Fact;

static dlist_head facts = DLIST_STATIC_INIT(facts);

/* How far this machine's clock is ahead of a server's. */
typedef struct ClockLead
{
	dlist_node node;
	int64	   lead; /* milliseconds */
	char	   base_url[FLEXIBLE_ARRAY_MEMBER];
} ClockLead;

static dlist_head clock_leads = DLIST_STATIC_INIT(clock_leads);

/*
 * Return the name under which a fact is kept; palloc'd.
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
server_fact_recall(const CrispOptions *options, const char *name)
{
	char	   *key = full_name(options, name);
	const Fact *fact = find_fact(key);

	pfree(key);
	if (fact == NULL)
		return FACT_UNKNOWN;
	return fact->holds ? FACT_TRUE : FACT_FALSE;
}

void
server_fact_remember(const CrispOptions *options, const char *name, bool holds)
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

static ClockLead *
find_clock_lead(const CrispOptions *options)
{
	dlist_iter iter;

	dlist_foreach(iter, &clock_leads)
	{
		ClockLead *clock = dlist_container(ClockLead, node, iter.cur);

		if (strcmp(clock->base_url, options->base_url) == 0)
			return clock;
	}
	return NULL;
}

void
server_fact_note_clock(const CrispOptions *options, int64 unix_seconds)
{
	ClockLead	  *clock = find_clock_lead(options);
	struct timeval now;

	gettimeofday(&now, NULL);
	if (clock == NULL)
	{
		size_t size = strlen(options->base_url) + 1;

		clock = MemoryContextAlloc(TopMemoryContext, offsetof(ClockLead, base_url) + size);
		memcpy(clock->base_url, options->base_url, size);
		dlist_push_head(&clock_leads, &clock->node);
	}

	/* The server cuts off what is less than a second. */
	clock->lead = ((int64) now.tv_sec - unix_seconds - 1) * 1000 + now.tv_usec / 1000;
}

int64
server_fact_clock_lead(const CrispOptions *options)
{
	const ClockLead *clock = find_clock_lead(options);

	return clock ? clock->lead : 0;
}
