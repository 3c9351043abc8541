/*-------------------------------------------------------------------------
 *
 * pending.c
 *		Keep rows that are to be changed, until they're sent together.
 *
 * Of a row there is little more than its name: what is sent of it is kept once for all rows that
 * have it in common.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "write/pending.h"

/* Groups whose requests have the same hash. */
typedef struct Bucket
{
	uint64		  hash;
	PendingGroup *first;
} Bucket;

Pending *
pending_create(const ChangeTable *table)
{
	Pending *pending = palloc0(sizeof(Pending));

	pending->table = table;
	pending->parent = CurrentMemoryContext;
	return pending;
}

/*
 * Make room for what is going to be pending.
 */
static void
begin(Pending *pending)
{
	HASHCTL control = {.keysize = sizeof(uint64), .entrysize = sizeof(Bucket)};

	pending->context = AllocSetContextCreate(pending->parent, "crisp_fdw pending rows",
											 ALLOCSET_DEFAULT_SIZES);
	control.hcxt = pending->context;
	pending->buckets = hash_create("crisp_fdw pending rows", 64, &control,
								   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	pending->room = 64;
	pending->rows = MemoryContextAlloc(pending->context, sizeof(PendingRow) * pending->room);
}

/*
 * Keep a row's name.  Return its place.
 */
static int
add_row(Pending *pending, const ChangeKeys *keys, int nparts)
{
	PendingRow *row;

	if (pending->nrows == pending->room)
	{
		pending->room *= 2;
		pending->rows = repalloc_huge(pending->rows, sizeof(PendingRow) * pending->room);
	}
	row = &pending->rows[pending->nrows];
	*row = (PendingRow){.keys = *keys, .nparts = nparts};
	for (int i = 0; i < keys->count; i++)
	{
		row->keys.values[i] = MemoryContextStrdup(pending->context, keys->values[i]);
		pending->bytes += strlen(keys->values[i]) + sizeof(void *);
	}
	pending->bytes += sizeof(PendingRow);
	pending->nparts = Max(pending->nparts, nparts);
	return pending->nrows++;
}

static bool
are_alike(const ChangeRequest *one, const ChangeRequest *other)
{
	return one->change == other->change && one->batch == other->batch &&
		   one->api.body_length == other->api.body_length &&
		   (one->api.body_length == 0 ||
			memcmp(one->api.body, other->api.body, one->api.body_length) == 0);
}

/*
 * Return the group of a request; make it if there is none, with *is_new set.
 */
static PendingGroup *
get_group(Pending *pending, const ChangeRequest *request, int part, bool *is_new)
{
	uint64		  hash = hash_bytes_extended((const unsigned char *) request->api.body,
											 (int) request->api.body_length, part);
	Bucket		 *bucket;
	PendingGroup *group;
	bool		  found;

	bucket = hash_search(pending->buckets, &hash, HASH_ENTER, &found);
	if (!found)
		bucket->first = NULL;
	for (group = bucket->first; group != NULL; group = group->next)
		if (group->part == part && are_alike(group->model, request))
			return group;

	group = palloc0(sizeof(PendingGroup));
	group->model = request;
	group->part = part;
	group->room = 1;
	group->rows = palloc(sizeof(int));
	group->next = bucket->first;
	bucket->first = group;
	pending->groups = lappend(pending->groups, group);
	pending->bytes += sizeof(PendingGroup) + sizeof(Bucket);
	*is_new = true;
	return group;
}

bool
pending_add(Pending *pending, List *requests, const ChangeKeys *keys, MemoryContext context)
{
	MemoryContext old_context;
	bool		  is_kept = false;
	int			  place;

	if (pending->context == NULL)
		begin(pending);
	old_context = MemoryContextSwitchTo(pending->context);
	place = add_row(pending, keys, list_length(requests));
	for (int part = 0; part < list_length(requests); part++)
	{
		PendingGroup *group = get_group(pending, list_nth(requests, part), part, &is_kept);

		if (group->nrows == group->room)
		{
			group->room *= 2;
			group->rows = repalloc_huge(group->rows, sizeof(int) * group->room);
		}
		group->rows[group->nrows++] = place;
		pending->bytes += 2 * sizeof(int);
	}
	if (is_kept)
	{
		MemoryContextSetParent(context, pending->context);
		pending->bytes += MemoryContextMemAllocated(context, true);
	}
	MemoryContextSwitchTo(old_context);
	return is_kept;
}

bool
pending_is_full(const Pending *pending)
{
	return pending->bytes > (Size) work_mem * 1024;
}

void
pending_clear(Pending *pending)
{
	MemoryContext context = pending->context;

	*pending = (Pending){.table = pending->table, .parent = pending->parent};
	if (context != NULL)
		MemoryContextDelete(context);
}
