/*-------------------------------------------------------------------------
 *
 * key_set.h
 *		Keep the keys that a scan has returned, in bounded memory.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_KEY_SET_H
#define CRISP_KEY_SET_H

typedef struct KeySet KeySet;

/*
 * Make an empty set, palloc'd in a child of CurrentMemoryContext.  It takes about memory_limit
 * bytes of memory (work_mem is a fit value, in bytes) and spills to temporary files beyond that.
 * These belong to CurrentResourceOwner, which in an executor node is the portal's.
 */
extern KeySet *key_set_create(Size memory_limit);

/*
 * Add a key (length bytes).  Return true when it was not in the set before.  Two different keys are
 * never taken for one, short of a collision of SHA-256.  Raises what temporary files raise.
 */
extern bool key_set_add(KeySet *set, const char *key, size_t length);

/* Say whether a key (length bytes) was added, likewise. */
extern bool key_set_has(KeySet *set, const char *key, size_t length);

/* Say whether no key was added yet. */
extern bool key_set_is_empty(const KeySet *set);

/*
 * Release memory and temporary files.  After an error that is done by the memory context and the
 * resource owner; in all other cases it has to be called before the context goes.
 */
extern void key_set_free(KeySet *set);

#endif /* CRISP_KEY_SET_H */
