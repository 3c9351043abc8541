/*-------------------------------------------------------------------------
 *
 * lookup.c
 *		Look up single rows, by their keys.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "base/server_text.h"
#include "request/inbox.h"
#include "json/json_path.h"
#include "fetch/lookup.h"
#include "api/pipeline.h"

typedef struct Lookup
{
	RowReader		   reader;
	const KeysRequest *request;
	AnswerCache		  *cache;
	LookupPrefetch	  *prefetch;
	WholeList		  *whole_list;
	KeySearch		  *search;
	MemoryContext	   context;		/* of the lookup */
	Pipeline		  *pipeline;	/* the keys that are under way */
	bool			  *is_asked;	/* for each key before next_ask: it was asked for, not cached */
	int				   next_ask;	/* the first key that was not looked at */
	int				   search_end;	/* the first key that was not searched for */
	MemoryContext	   row_context; /* of the row at hand; NULL when there is none */
	JsonPath		  *path;		/* of the value that keys are compared with */
	int				   next_key;
	ReaderCounts	   counts;
} Lookup;

/*
 * Say whether a key was asked for by a join's prefetch.  Of several, each is asked for here: those
 * that come ahead of others might not be in the cache any more when it's their turn.
 */
static bool
is_prefetched(const Lookup *lookup, const char *target)
{
	return lookup->prefetch != NULL && list_length(lookup->request->keys) == 1 &&
		   lookup_prefetch_has(lookup->prefetch, target);
}

/*
 * Say whether the row with a key is here, or on its way, or that there is none.
 */
static bool
is_at_hand(const Lookup *lookup, const char *key, const char *target)
{
	return answer_cache_has(lookup->cache, target) || is_prefetched(lookup, target) ||
		   key_search_has(lookup->search, key) || whole_list_has(lookup->whole_list, key) ||
		   whole_list_lacks(lookup->whole_list, key);
}

/*
 * Search for the next keys together, as many as fit a batch, once those of the batch before are
 * through.
 */
static void
search_ahead(Lookup *lookup)
{
	const KeysRequest *request = lookup->request;
	int				   nkeys = list_length(request->keys);

	if (lookup->search_end > lookup->next_key || lookup->next_ask >= nkeys)
		return;
	lookup->search_end = nkeys;
	if (nkeys == 1 || !key_search_is_possible(lookup->search, request->lookup))
		return;
	key_search_finish(lookup->search);
	key_search_begin(lookup->search, request->lookup);
	for (int i = lookup->next_ask; i < nkeys; i++)
	{
		const char *key = list_nth(request->keys, i);
		char	   *target = request_lookup_target(request, key);
		bool		fits = is_at_hand(lookup, key, target) || key_search_add(lookup->search, key);

		pfree(target);
		if (fits)
			continue;

		/* One that fits no batch is looked up. */
		lookup->search_end = Max(i, lookup->next_ask + 1);
		break;
	}
	key_search_start(lookup->search);
}

/*
 * Say whether the next key has to wait for a search.
 */
static bool
awaits_search(const Lookup *lookup)
{
	const List *keys = lookup->request->keys;

	return lookup->next_ask < Min(list_length(keys), lookup->search_end) &&
		   key_search_awaits(lookup->search, list_nth(keys, lookup->next_ask));
}

/*
 * Ask for the next keys that aren't at hand, as many as the pipeline has room for.
 */
static void
ask_ahead(Lookup *lookup)
{
	const KeysRequest *request = lookup->request;

	search_ahead(lookup);
	pipeline_open(lookup->pipeline);
	while (lookup->next_ask < lookup->search_end && !awaits_search(lookup) &&
		   pipeline_has_room(lookup->pipeline))
	{
		const char *key = list_nth(request->keys, lookup->next_ask);
		char	   *target = request_lookup_target(request, key);
		bool		is_asked = !is_at_hand(lookup, key, target);

		lookup->is_asked[lookup->next_ask++] = is_asked;
		if (is_asked)
		{
			pipeline_start(lookup->pipeline, target);
			whole_list_note_asked(lookup->whole_list);
			key_search_note_asked(lookup->search, key);
		}
		pfree(target);
	}
}

/*
 * Ask for the next keys, unless it's time to read the list that has all of them.
 */
static void
begin_next(Lookup *lookup)
{
	int nkeys = list_length(lookup->request->keys);

	if (lookup->next_ask < nkeys)
		whole_list_consider(lookup->whole_list, lookup->request, nkeys - lookup->next_ask);
	ask_ahead(lookup);
}

/*
 * Take the answer for a key that was asked for; NULL when there is no row.
 */
static const JsonNode *
take_answer(Lookup *lookup, const char *target)
{
	ApiAnswer answer = {0};
	bool	  found;

	(void) pipeline_receive(lookup->pipeline);
	lookup->row_context = pipeline_answer(lookup->pipeline, API_OBJECT, API_KEY_GIVEN, &answer,
										  &found);
	answer_cache_add(lookup->cache, target, &answer, found);
	whole_list_note_answer(lookup->whole_list, found);
	return answer.data;
}

/*
 * Return the row for a key that was asked for earlier; NULL when there is none.
 */
static const JsonNode *
take_earlier(Lookup *lookup, const char *key, const char *target)
{
	ApiAnswer answer = {0};
	bool	  found;

	if (is_prefetched(lookup, target))
	{
		lookup->row_context = lookup_prefetch_take(lookup->prefetch, target, &answer, &found);
		whole_list_note_answer(lookup->whole_list, found);
		return answer.data;
	}
	lookup->row_context = AllocSetContextCreate(lookup->context, "crisp_fdw row",
												ALLOCSET_DEFAULT_SIZES);
	if (answer_cache_has(lookup->cache, target))
	{
		(void) answer_cache_get(lookup->cache, target, lookup->row_context, &answer);
		return answer.data;
	}
	if (key_search_has(lookup->search, key))
		return key_search_get(lookup->search, key, lookup->row_context);
	if (whole_list_has(lookup->whole_list, key))
		return whole_list_get(lookup->whole_list, key, lookup->row_context);
	whole_list_note_absent(lookup->whole_list);
	return NULL;
}

/*
 * Say whether a row has the key that it was looked up by.  Crisp may be less exact (about an e-mail
 * address, say), so that two keys lead to one row; it comes for the one that it has.
 */
static bool
has_key(const Lookup *lookup, const JsonNode *row, const char *key)
{
	const JsonNode *value = json_path_get(row, lookup->path);
	size_t			length;

	if (value == NULL)
		return false;
	if (json_node_kind(value) == JSON_NODE_STRING)
		return strcmp(json_node_string(value, NULL), key) == 0;
	return strcmp(json_text(value, &length), key) == 0;
}

/*
 * Tell, once a statement, where Crisp has answered for a key with a row that has it in other
 * letters: to Crisp capitals make no difference then, and to PostgreSQL they do.
 */
static void
tell_of_letters(const Lookup *lookup, const JsonNode *row, const char *key)
{
	static TimestampTz	told_by = 0;
	size_t				length;
	const CrispOptions *options = lookup->request->options;
	const char		   *value = json_node_string(json_path_get(row, lookup->path), &length);

	if (value == NULL || pg_strcasecmp(value, key) != 0 ||
		told_by == GetCurrentStatementStartTimestamp())
		return;
	told_by = GetCurrentStatementStartTimestamp();
	ereport(
		NOTICE,
		(errmsg("\"%s\" of \"%s\" is compared exactly, and Crisp has it in another case: \"%s\"",
				lookup->request->lookup->path, options->table_name,
				server_text(value, &length, INVALID_TEXT_REPLACE)),
		 errhint("Crisp ignores case here. Write it as Crisp has it.")));
}

/*
 * Say whether a row that came for a key has it; tell of one that has it in other letters.  Raises
 * 08P01 for one that has none: what was asked for may be there.
 */
static bool
is_wanted(const Lookup *lookup, const JsonNode *row, const char *key, const char *target)
{
	const CrispOptions *options = lookup->request->options;

	if (has_key(lookup, row, key))
		return true;
	if (json_node_kind(json_path_get(row, lookup->path)) == JSON_NODE_NULL)
		ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION),
						errmsg("unexpected answer from Crisp, server \"%s\"", options->server_name),
						errdetail("The answer to GET %s has no \"%s\".", target,
								  lookup->request->lookup->path)));
	tell_of_letters(lookup, row, key);
	return false;
}

/*----------
 * The reader's methods; see row_reader.h
 *----------
 */

static bool
next(RowReader *reader, FetchedRow *found)
{
	Lookup			  *lookup = (Lookup *) reader;
	const KeysRequest *request = lookup->request;
	MemoryContext	   old_context = MemoryContextSwitchTo(lookup->context);
	const JsonNode	  *row = NULL;

	while (row == NULL && lookup->next_key < list_length(request->keys))
	{
		int			index = lookup->next_key;
		const char *key = list_nth(request->keys, index);
		char	   *target = request_lookup_target(request, key);

		begin_next(lookup);
		if (lookup->next_ask <= index)
		{
			key_search_finish(lookup->search);
			ask_ahead(lookup);
		}
		if (lookup->row_context != NULL)
			MemoryContextDelete(lookup->row_context);
		lookup->row_context = NULL;
		lookup->next_key++;
		row = lookup->is_asked[index] ? take_answer(lookup, target)
									  : take_earlier(lookup, key, target);
		if (row != NULL && !is_wanted(lookup, row, key, target))
			row = NULL;
		pfree(target);
		if (row != NULL && !inbox_admits(request->options, request->inbox, row))
			row = NULL;
		if (row != NULL)
			key_search_note_exists(lookup->search, key);
	}
	MemoryContextSwitchTo(old_context);
	if (row == NULL)
		return false;
	lookup->counts.rows++;
	*found = (FetchedRow){.row = row};
	return true;
}

static bool
get_ready(RowReader *reader)
{
	Lookup		 *lookup = (Lookup *) reader;
	MemoryContext old_context;
	bool		  searched;

	if (lookup->next_key >= list_length(lookup->request->keys))
		return true;
	old_context = MemoryContextSwitchTo(lookup->context);

	/* To read the list takes waiting, but just once. */
	begin_next(lookup);
	searched = lookup->next_ask > lookup->next_key || key_search_get_ready(lookup->search);
	if (searched)
		ask_ahead(lookup);
	MemoryContextSwitchTo(old_context);
	return searched &&
		   (!lookup->is_asked[lookup->next_key] || pipeline_get_ready(lookup->pipeline));
}

/*
 * Say whether what the next row waits for is a search.
 */
static bool
is_searching(const Lookup *lookup)
{
	return lookup->next_ask <= lookup->next_key && awaits_search(lookup);
}

static bool
is_ready(const RowReader *reader)
{
	const Lookup *lookup = (const Lookup *) reader;

	return is_searching(lookup) ? key_search_is_ready(lookup->search)
								: pipeline_is_ready(lookup->pipeline);
}

static pgsocket
get_socket(const RowReader *reader)
{
	const Lookup *lookup = (const Lookup *) reader;

	return is_searching(lookup) ? key_search_socket(lookup->search)
								: pipeline_socket(lookup->pipeline);
}

static ReaderCounts
counts(const RowReader *reader)
{
	return ((const Lookup *) reader)->counts;
}

static void
end(RowReader *reader)
{
	MemoryContextDelete(((Lookup *) reader)->context);
}

static const RowReaderMethods lookup_methods = {
	.next = next,
	.get_ready = get_ready,
	.is_ready = is_ready,
	.socket = get_socket,
	.at_hand = row_reader_is_not,
	.at_end = row_reader_is_not,
	.page = row_reader_no_page,
	.counts = counts,
	.end = end,
};

/*
 * Tell the list how many keys will be looked up in any case.
 */
static void
foresee_keys(const Lookup *lookup)
{
	const KeysRequest *request = lookup->request;
	int				   certain = Min(list_length(request->keys), request->needed);
	int				   count = 0;

	if (lookup->whole_list == NULL || certain <= 1 ||
		key_search_is_possible(lookup->search, request->lookup))
		return;
	for (int i = 0; i < certain; i++)
	{
		char *target = request_lookup_target(request, list_nth(request->keys, i));

		count += !answer_cache_has(lookup->cache, target);
		pfree(target);
	}
	whole_list_foresee(lookup->whole_list, count, false);
}

RowReader *
lookup_begin(const KeysRequest *request, AnswerCache *cache, LookupPrefetch *prefetch,
			 WholeList *whole_list, KeySearch *search)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw lookup",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	Lookup		 *lookup = palloc0(sizeof(Lookup));

	lookup->reader.methods = &lookup_methods;
	lookup->request = request;
	lookup->cache = cache;
	lookup->prefetch = prefetch;
	lookup->whole_list = whole_list;
	lookup->search = search;
	lookup->context = context;
	lookup->pipeline = pipeline_create(context, request->options);
	lookup->is_asked = palloc(sizeof(bool) * Max(list_length(request->keys), 1));
	lookup->path = json_path_of(request->lookup->path);
	foresee_keys(lookup);
	MemoryContextSwitchTo(old_context);
	return &lookup->reader;
}
