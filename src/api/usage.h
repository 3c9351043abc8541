/*-------------------------------------------------------------------------
 *
 * usage.h
 *		Count what was spent: requests, and what came of them, by server.
 *
 * Counted for this session, and for the whole cluster where there is shared
 * memory for it (see usage_shmem.h).
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_USAGE_H
#define CRISP_USAGE_H

#include "api/usage_counts.h"

/*
 * Return the session's usage of a server, made if need be.  It is valid until the process ends; to
 * count is to add to its members.  Raises only for memory.
 */
extern Usage *usage_of_server(Oid server_id, const char *server_name);

/* Keep a failure as the last one; text is cut if need be.  Raises nothing. */
extern void usage_set_error(Usage *usage, const char *text);

/*
 * Make what the session has counted visible to other sessions, where there is shared memory for it.
 * That happens at the end of each transaction by itself.  Raises what usage_shmem_get() raises.
 */
extern void usage_publish(void);

extern void usage_visit_session(UsageVisitor visit, void *arg);

/* Begin anew with the session's counts. */
extern void usage_reset_session(void);

#endif /* CRISP_USAGE_H */
