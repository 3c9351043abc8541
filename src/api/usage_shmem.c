/*-------------------------------------------------------------------------
 *
 * usage_shmem.c
 *		Count what all sessions of the cluster have spent, in shared memory.
 *
 * A table of fixed size under one lock, which is held for a few copies only,
 * once per answer: next to the time that an answer takes, that is nothing.  When the
 * table is full, the server that wasn't used for the longest time makes room.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

#include "storage/ipc.h"
#include "storage/shmem.h"

#include "api/usage_shmem.h"
#include "base/compat.h"

/* Servers of all databases that are told apart. */
#define SHARED_SERVERS 128

/* Changes with the layout: sessions of two versions of this library don't share memory. */
#define SHARED_NAME "crisp_fdw usage 1"

#define TRANCHE_NAME "CrispUsage"

typedef struct SharedEntry
{
	TimestampTz last_used;
	Usage		usage;
} SharedEntry;

typedef struct SharedUsage
{
	LWLock		lock; /* protects the rest */
	int			count;
	SharedEntry entries[SHARED_SERVERS];
} SharedUsage;

static SharedUsage *shared = NULL;

static void
initialize_shared(COMPAT_INITIALIZE_PARAMETERS)
{
	SharedUsage *fresh = memory;

	LWLockInitialize(&fresh->lock, compat_lock_tranche(TRANCHE_NAME));
	fresh->count = 0;
}

#if COMPAT_HAS_DSM_REGISTRY

void
usage_shmem_init(void)
{
}

bool
usage_shmem_get(void)
{
	bool found;

	if (shared == NULL && IsUnderPostmaster)
	{
		shared = compat_named_segment(SHARED_NAME, sizeof(SharedUsage), initialize_shared, &found);
		compat_register_tranche(shared->lock.tranche, TRANCHE_NAME);
	}
	return shared != NULL;
}

#else

static shmem_startup_hook_type previous_startup_hook = NULL;
static shmem_request_hook_type previous_request_hook = NULL;

static void
startup_shared(void)
{
	bool found;

	if (previous_startup_hook)
		previous_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct(SHARED_NAME, sizeof(SharedUsage), &found);
	if (!found)
		initialize_shared(shared);
	LWLockRelease(AddinShmemInitLock);
	compat_register_tranche(shared->lock.tranche, TRANCHE_NAME);
}

static void
request_shared(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(SharedUsage)));
}

void
usage_shmem_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;

	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_shared;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup_shared;
}

bool
usage_shmem_get(void)
{
	return shared != NULL;
}

#endif /* before 17 */

bool
usage_shmem_attached(void)
{
	return shared != NULL;
}

/*
 * Return the entry of a session's server, made if need be.  The lock is held.
 */
static SharedEntry *
find_entry(const Usage *session)
{
	SharedEntry *entry = NULL;
	SharedEntry *oldest = &shared->entries[0];

	for (int i = 0; i < shared->count; i++)
	{
		SharedEntry *candidate = &shared->entries[i];

		if (candidate->usage.server == session->server &&
			candidate->usage.database == session->database)
			return candidate;
		if (candidate->last_used < oldest->last_used)
			oldest = candidate;
	}

	entry = shared->count < SHARED_SERVERS ? &shared->entries[shared->count++] : oldest;
	memset(entry, 0, sizeof(*entry));
	entry->usage.database = session->database;
	entry->usage.server = session->server;
	entry->usage.since = GetCurrentTimestamp();
	return entry;
}

static void
add_counts(UsageCounts *sum, const UsageCounts *added)
{
	sum->requests += added->requests;
	sum->retries += added->retries;
	for (int i = 0; i < USAGE_OUTCOMES; i++)
		sum->outcomes[i] += added->outcomes[i];
	sum->rows += added->rows;
	sum->bytes += added->bytes;
	sum->wait_ms += added->wait_ms;
}

void
usage_shmem_add(const Usage *session, UsageCounts added, const UsageError *error)
{
	SharedEntry *entry;

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	entry = find_entry(session);
	entry->last_used = GetCurrentTimestamp();
	entry->usage.server_name = session->server_name;
	add_counts(&entry->usage.counts, &added);
	if (error != NULL)
		entry->usage.error = *error;
	LWLockRelease(&shared->lock);
}

void
usage_shmem_visit(UsageVisitor visit, void *arg)
{
	SharedEntry *copy;
	int			 count;

	if (!usage_shmem_get())
		return;

	/* Visitors may take their time, and raise errors. */
	copy = palloc(sizeof(shared->entries));
	LWLockAcquire(&shared->lock, LW_SHARED);
	count = shared->count;
	memcpy(copy, shared->entries, sizeof(SharedEntry) * count);
	LWLockRelease(&shared->lock);

	for (int i = 0; i < count; i++)
		visit(&copy[i].usage, arg);
	pfree(copy);
}

bool
usage_shmem_reset(void)
{
	if (!usage_shmem_get())
		return false;

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	shared->count = 0;
	LWLockRelease(&shared->lock);
	return true;
}
