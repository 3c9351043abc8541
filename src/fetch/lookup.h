/*-------------------------------------------------------------------------
 *
 * lookup.h
 *		Single rows, by their keys.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_LOOKUP_H
#define CRISP_LOOKUP_H

#include "fetch/lookup_prefetch.h"
#include "request/request.h"

typedef struct Lookup Lookup;

/*
 * Begin to look up the keys of a request.  Makes no request yet.  What was asked for ahead, with
 * the same cache, is not asked for again; ahead may be NULL.  So may whole_list, from which keys
 * are served once they have cost as much.  The lookup lives in a child of parent; the arguments
 * must live as long.
 */
extern Lookup *lookup_begin(MemoryContext parent, const KeysRequest *request, AnswerCache *cache,
							LookupPrefetch *ahead, WholeList *whole_list);

/*
 * The next row that was found: a JSON object that stays valid until the next
 * call, or NULL after the last key.  Raises what api_finish() raises, and
 * 08P01 when an answer isn't a row.
 */
extern const JsonNode *lookup_next(Lookup *lookup);

/*
 * Whether lookup_next() can return without waiting for Crisp; if not, what it
 * would wait for has been asked.  Raises what api_start() raises.
 */
extern bool lookup_is_ready(Lookup *lookup);

/* Whether what lookup_is_ready() said to wait for has come since; see pager_is_settled(). */
extern bool lookup_is_settled(const Lookup *lookup);

/* A descriptor that becomes readable when it's worth asking lookup_is_ready() again. */
extern pgsocket lookup_socket(const Lookup *lookup);

/* Release everything; aborts what is under way. */
extern void lookup_end(Lookup *lookup);

#endif /* CRISP_LOOKUP_H */
