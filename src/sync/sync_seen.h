/*-------------------------------------------------------------------------
 *
 * sync_seen.h
 *		Keep the keys that a full load of crisp_sync() has seen.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SYNC_SEEN_H
#define CRISP_SYNC_SEEN_H

#include "sync/sync_rows.h"

/* The full load of a job. */
typedef struct SyncSeen
{
	Oid	  table; /* crisp_sync_seen */
	int64 job;
} SyncSeen;

/*
 * Find the full load of the job of a source and a target, for a function of the extension that has
 * this OID.  Takes an SPI connection.  Raises an error if there is no such job that the current
 * user may change.
 */
extern SyncSeen sync_seen_of_job(Oid function, Oid source, Oid target);

/* Say whether such a load has begun, and what it has seen is known.  Takes an SPI connection. */
extern bool sync_seen_is_known(const SyncSeen *seen);

/* Begin such a load, which has seen nothing, or end it.  Takes an SPI connection. */
extern void sync_seen_clear(const SyncSeen *seen, bool begin);

/* Keep keys: rows of one column of type text[].  Takes an SPI connection. */
extern void sync_seen_add(const SyncSeen *seen, SyncRows *keys);

/*
 * Return all keys that were kept, in the same form.  Raises an error where they are not known.
 * Takes an SPI connection.
 */
extern SyncRows *sync_seen_rows(const SyncSeen *seen);

#endif /* CRISP_SYNC_SEEN_H */
