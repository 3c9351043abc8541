/*-------------------------------------------------------------------------
 *
 * seen.h
 *		The keys that a scan has returned, in bounded memory.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SEEN_H
#define CRISP_SEEN_H

typedef struct SeenKeys SeenKeys;

/*
 * An empty set, palloc'd in a child of CurrentMemoryContext.  Holds about memory_limit
 * bytes in memory (work_mem is a fit value, in bytes) and spills to temporary files beyond that.
 */
extern SeenKeys *seen_create(Size memory_limit);

/*
 * Add a key (length bytes).  True when it was not in the set before.
 * Exact: never takes two different keys for one.
 * Raises what temporary files raise.
 */
extern bool seen_add(SeenKeys *seen, const char *key, size_t length);

/* Release memory and temporary files. */
extern void seen_free(SeenKeys *seen);

#endif							/* CRISP_SEEN_H */
