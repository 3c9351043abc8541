/*-------------------------------------------------------------------------
 *
 * key_search.h
 *		Search for the rows of many keys together.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_KEY_SEARCH_H
#define CRISP_KEY_SEARCH_H

#include "api/answer_cache.h"
#include "fetch/whole_list.h"

/*
 * Searches of a scan that looks rows up, over all its rescans: one request brings the rows of the
 * keys of a batch.  A row that comes is as good as one that was looked up.  That none comes for a
 * key proves nothing, so such a key is missed, and is looked up by itself.
 *
 * All functions take NULL for a scan that never searches.
 */
typedef struct KeySearch KeySearch;

/*
 * Create it without a batch, in a child of parent, which must be the statement's memory.  options
 * must hold credentials and live as long, as must cache, which gets the rows that are found, and
 * whole_list, which counts the requests.
 */
extern KeySearch *key_search_create(MemoryContext parent, const CrispOptions *options,
									AnswerCache *cache, WholeList *whole_list);

/*
 * Say whether keys of a lookup can be searched for: the catalog knows a criterion, and Crisp hasn't
 * turned out to leave it out of account.
 */
extern bool key_search_is_possible(const KeySearch *search, const CrispLookup *lookup);

/*
 * Begin a batch for a lookup's keys; of the one before, only what is in the cache is kept.  No
 * search may be under way.
 */
extern void key_search_begin(KeySearch *search, const CrispLookup *lookup);

/*
 * Add a key (UTF-8, copied) to the batch, if it isn't there.  Returns false where it has no room
 * for it.
 */
extern bool key_search_add(KeySearch *search, const char *key);

/*
 * Ask for the batch; returns at once.  A batch that isn't worth it, or that takes a request which
 * others may lack, is missed as a whole.  Raises what api_start() raises.
 */
extern void key_search_start(KeySearch *search);

/* Say whether a search is under way that a key belongs to. */
extern bool key_search_awaits(const KeySearch *search, const char *key);

/*
 * Say whether no search is under way any more, without waiting for Crisp; let it go on as far as it
 * can.  Raises what api_get_ready() raises.
 */
extern bool key_search_get_ready(KeySearch *search);

/* Say whether get_ready would get on, without doing anything; what to wait for until it does. */
extern bool		key_search_is_ready(const KeySearch *search);
extern pgsocket key_search_socket(const KeySearch *search);

/*
 * Wait for the end of the search that is under way, if there is one.  Crisp's failures raise
 * nothing: the keys are missed then.  Raises what waiting raises.
 */
extern void key_search_finish(KeySearch *search);

/* Say whether the batch has the row with that key. */
extern bool key_search_has(const KeySearch *search, const char *key);

/* Return that row, which must be there; its copy belongs to owner. */
extern const JsonNode *key_search_get(const KeySearch *search, const char *key,
									  MemoryContext owner);

/* Note that a key is asked for by itself. */
extern void key_search_note_asked(KeySearch *search, const char *key);

/*
 * Return the next key that was missed, and not asked for since, which counts as asked for from then
 * on; NULL where there is none.
 */
extern const char *key_search_next_missed(KeySearch *search);

/*
 * Note that a lookup has brought a row with a key.  Where the search should have found it, that
 * tells of Crisp.
 */
extern void key_search_note_exists(KeySearch *search, const char *key);

/* What searches have come to. */
typedef struct KeySearchCounts
{
	int64 searches; /* requests */
	int64 keys;		/* that were searched for */
	int64 found;	/* of these */
	int64 rows;		/* that came */
} KeySearchCounts;

extern KeySearchCounts key_search_counts(const KeySearch *search);

/* Say what the planner may reckon with for a key of a lookup: a share of a request. */
extern double key_search_share(const CrispOptions *options, const CrispLookup *lookup);

/* Abort what is under way, and release everything. */
extern void key_search_end(KeySearch *search);

#endif /* CRISP_KEY_SEARCH_H */
