/*-------------------------------------------------------------------------
 *
 * answer_cache.c
 *		Keep answers that a scan may need again.
 *
 * Kept as text: a tree of nodes takes several times the memory.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "api/answer_cache.h"
#include "json/json_parse.h"

/* What a target was answered. */
typedef struct CacheEntry
{
	const char *target; /* the hash key */
	const char *text;	/* the answer's data as JSON; NULL when there was none */
	size_t		length;
	bool		more; /* as in ApiAnswer */
} CacheEntry;

struct AnswerCache
{
	MemoryContext context;
	MemoryContext scratch; /* reset after each use */
	HTAB		 *entries;
	Size		  used;
	Size		  limit;
};

static uint32
hash_target(const void *key, Size size)
{
	const char *target = *(const char *const *) key;

	return DatumGetUInt32(hash_any((const unsigned char *) target, (int) strlen(target)));
}

static int
compare_targets(const void *a, const void *b, Size size)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

AnswerCache *
answer_cache_create(MemoryContext parent, Size memory_limit)
{
	MemoryContext context = AllocSetContextCreate(parent, "crisp_fdw answers",
												  ALLOCSET_DEFAULT_SIZES);
	AnswerCache	 *cache = MemoryContextAllocZero(context, sizeof(AnswerCache));
	HASHCTL		  control = {
			  .keysize = sizeof(char *),
			  .entrysize = sizeof(CacheEntry),
			  .hash = hash_target,
			  .match = compare_targets,
			  .hcxt = context,
	  };

	cache->context = context;
	cache->scratch = AllocSetContextCreate(context, "crisp_fdw scratch", ALLOCSET_DEFAULT_SIZES);
	cache->limit = memory_limit;
	cache->entries = hash_create("crisp_fdw answers", 256, &control,
								 HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	return cache;
}

bool
answer_cache_has_room(const AnswerCache *cache)
{
	return cache->used < cache->limit / 2;
}

/*
 * Keep an answer whose data has that text, NULL for none.
 */
static void
add_entry(AnswerCache *cache, const char *target, const char *text, size_t length, bool more)
{
	Size		needed = strlen(target) + length + 2 + sizeof(CacheEntry);
	CacheEntry *entry;
	char	   *copy;
	char	   *data = NULL;
	bool		exists;

	if (cache->used + needed > cache->limit)
		return;

	/* An entry without a text says that there is nothing, so it's made when the text is there. */
	copy = MemoryContextStrdup(cache->context, target);
	if (text != NULL)
	{
		data = MemoryContextAlloc(cache->context, length + 1);
		memcpy(data, text, length + 1);
	}
	entry = hash_search(cache->entries, &copy, HASH_ENTER, &exists);
	entry->target = copy;
	entry->length = length;
	entry->text = data;
	entry->more = more;
	cache->used += needed;
}

void
answer_cache_add(AnswerCache *cache, const char *target, const ApiAnswer *answer, bool found)
{
	MemoryContext old_context = MemoryContextSwitchTo(cache->scratch);
	size_t		  length = 0;
	const char	 *text = found ? json_text(answer->data, &length) : NULL;

	add_entry(cache, target, text, length, found && answer->more);
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(cache->scratch);
}

static const CacheEntry *
find_entry(const AnswerCache *cache, const char *target)
{
	return hash_search(cache->entries, &target, HASH_FIND, NULL);
}

bool
answer_cache_has(const AnswerCache *cache, const char *target)
{
	return find_entry(cache, target) != NULL;
}

bool
answer_cache_get(const AnswerCache *cache, const char *target, MemoryContext owner,
				 ApiAnswer *answer)
{
	const CacheEntry *entry = find_entry(cache, target);
	char			 *problem;

	Assert(entry != NULL);
	*answer = (ApiAnswer){0};
	if (entry->text == NULL)
		return false;
	answer->more = entry->more;
	if (!json_parse(owner, entry->text, entry->length, &answer->data, &problem))
		elog(ERROR, "could not parse an answer that was kept: %s", problem);
	return true;
}
