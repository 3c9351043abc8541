/*-------------------------------------------------------------------------
 *
 * answer_cache.h
 *		Keep answers that a scan may need again.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_ANSWER_CACHE_H
#define CRISP_ANSWER_CACHE_H

#include "api/api_answer.h"

/*
 * What requests were answered, so that a join that comes back to a key asks for
 * it once.
 */
typedef struct AnswerCache AnswerCache;

/*
 * Make an empty cache, in a child of parent.  It keeps about memory_limit bytes at most, and
 * forgets nothing: what comes later isn't kept.
 */
extern AnswerCache *answer_cache_create(MemoryContext parent, Size memory_limit);

/*
 * Keep the answer to a request for target, while there is room; with found false, keep that there
 * is none.
 */
extern void answer_cache_add(AnswerCache *cache, const char *target, const ApiAnswer *answer,
							 bool found);

/* Say whether another answer of some size will be kept. */
extern bool answer_cache_has_room(const AnswerCache *cache);

/* Say whether the answer to a request for target was kept. */
extern bool answer_cache_has(const AnswerCache *cache, const char *target);

/*
 * Get an answer that was kept; its tree belongs to owner.  Return what found was; without an
 * answer, *answer is all zeros.
 */
extern bool answer_cache_get(const AnswerCache *cache, const char *target, MemoryContext owner,
							 ApiAnswer *answer);

#endif /* CRISP_ANSWER_CACHE_H */
