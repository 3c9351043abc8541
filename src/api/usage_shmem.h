/*-------------------------------------------------------------------------
 *
 * usage_shmem.h
 *		Count what all sessions of the cluster have spent, in shared memory.
 *
 * From PostgreSQL 17 on, the first session that needs it makes it; before,
 * there is some only where crisp_fdw is in shared_preload_libraries.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_USAGE_SHMEM_H
#define CRISP_USAGE_SHMEM_H

#include "api/usage_counts.h"

/* Ask for shared memory where that has to be done early; to be called by _PG_init(). */
extern void usage_shmem_init(void);

/*
 * Get at the shared memory.  Return false when there is none.  Raises what PostgreSQL does when
 * there is not enough of it (17+, and the first time in a session only).
 */
extern bool usage_shmem_get(void);

/* Say whether usage_shmem_get() has succeeded before. */
extern bool usage_shmem_attached(void);

/*
 * Add to the cluster's usage of a session's server.  error is its new last one, or NULL.  The
 * shared memory must be attached.  Raises nothing.
 */
extern void usage_shmem_add(const Usage *session, UsageCounts added, const UsageError *error);

/* Visit a copy of all entries, if there is shared memory.  Raises what usage_shmem_get() does. */
extern void usage_shmem_visit(UsageVisitor visit, void *arg);

/* Begin anew with the cluster's counts.  Return whether there are any. */
extern bool usage_shmem_reset(void);

#endif /* CRISP_USAGE_SHMEM_H */
