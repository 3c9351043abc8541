/*-------------------------------------------------------------------------
 *
 * key_search.c
 *		Search for the rows of many keys together.
 *
 * A criterion of the search filter takes several values.  Whether Crisp finds the rows that have
 * any of them isn't documented, nor how soon it finds a new one.  So nothing depends on it: rows
 * that come are taken, and keys without one are looked up by themselves.
 *
 * What a Crisp does that understands it otherwise shows: it refuses, it brings rows that nobody
 * asked for, or lookups bring rows that it should have found.  It isn't asked again then, for the
 * session.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "api/api_answer.h"
#include "api/server_facts.h"
#include "fetch/key_search.h"
#include "fetch/last_page.h"
#include "http/url.h"
#include "json/json_make.h"
#include "json/json_path.h"
#include "request/criteria.h"

/* The fact that a criterion with several values finds the rows that have any of them. */
#define FACT_SEVERAL "several values in a criterion"

/* What a URL may have in all, bytes: nothing on the way has to take more. */
#define MAX_URL_BYTES 4096

/* A batch of fewer keys isn't worth a search, and there are never more in one. */
#define MIN_KEYS 2
#define MAX_KEYS 128

/*
 * The share of a request that a key costs: a page brings fifty rows, and some keys turn out not to
 * be found.  If many do, the whole list is read when they have cost as much.
 */
#define SHARE_OF_KEY 0.04

typedef enum KeyState
{
	KEY_WANTED,	  /* before the search is over */
	KEY_FOUND,	  /* it has brought the one row */
	KEY_MISSED,	  /* it hasn't, and should have if there is one */
	KEY_UNCERTAIN /* it wasn't made, has failed, or has brought several rows */
} KeyState;

typedef struct SearchedKey
{
	const char	   *key;
	const JsonNode *row; /* NULL unless it was found */
	KeyState		state;
	bool			is_asked; /* by itself, since */
} SearchedKey;

struct KeySearch
{
	MemoryContext		context;
	const CrispOptions *options;
	AnswerCache		   *cache;
	WholeList		   *whole_list;
	bool				given_up; /* a search has failed */
	KeySearchCounts		counts;
	int64				missed; /* rows that lookups have brought, and searches have not */

	/* The batch. */
	MemoryContext	   batch_context;
	const CrispLookup *lookup; /* NULL before the first */
	size_t			   url_bytes;
	int				   count;
	int				   next_missed; /* where to look for one */
	SearchedKey		   keys[MAX_KEYS];

	/* The search for it. */
	ListRequest request;
	int			page; /* that was asked for last */
	ApiCall	   *call; /* NULL where none is under way */
};

KeySearch *
key_search_create(MemoryContext parent, const CrispOptions *options, AnswerCache *cache,
				  WholeList *whole_list)
{
	MemoryContext context = AllocSetContextCreate(parent, "crisp_fdw key search",
												  ALLOCSET_SMALL_SIZES);
	KeySearch	 *search = MemoryContextAllocZero(context, sizeof(KeySearch));

	search->context = context;
	search->options = options;
	search->cache = cache;
	search->whole_list = whole_list;
	search->batch_context = AllocSetContextCreate(context, "crisp_fdw batch",
												  ALLOCSET_DEFAULT_SIZES);
	return search;
}

/*
 * Say whether a lookup's keys can be searched for, as far as the session knows.
 */
static bool
is_known_way(const CrispOptions *options, const CrispLookup *lookup)
{
	return lookup->criterion != NULL && options->resource->search_filter != NULL &&
		   server_fact_recall(options, FACT_SEVERAL) != FACT_FALSE;
}

bool
key_search_is_possible(const KeySearch *search, const CrispLookup *lookup)
{
	return search != NULL && !search->given_up && is_known_way(search->options, lookup);
}

double
key_search_share(const CrispOptions *options, const CrispLookup *lookup)
{
	return is_known_way(options, lookup) ? SHARE_OF_KEY : 1;
}

/*----------
 * A batch
 *----------
 */

/*
 * Write the request for the batch.
 */
static ListRequest
make_request(const KeySearch *search)
{
	ListRequest	 request = request_whole_list(search->options);
	const char **values = palloc(sizeof(char *) * Max(search->count, 1));

	for (int i = 0; i < search->count; i++)
		values[i] = search->keys[i].key;
	request.any_order = true;
	request.query = criteria_query_any(search->options->resource->search_filter,
									   search->lookup->criterion, values, search->count);
	return request;
}

void
key_search_begin(KeySearch *search, const CrispLookup *lookup)
{
	MemoryContext old_context;
	ListRequest	  request;

	Assert(search->call == NULL);
	MemoryContextReset(search->batch_context);
	search->count = 0;
	search->next_missed = 0;
	search->lookup = lookup;
	old_context = MemoryContextSwitchTo(search->batch_context);
	request = make_request(search);
	search->url_bytes = strlen(search->options->base_url) +
						strlen(request_list_target(&request, PG_INT32_MAX));
	MemoryContextSwitchTo(old_context);
}

static SearchedKey *
find_key(const KeySearch *search, const char *key)
{
	if (search == NULL)
		return NULL;
	for (int i = 0; i < search->count; i++)
		if (strcmp(search->keys[i].key, key) == 0)
			return unconstify(SearchedKey *, &search->keys[i]);
	return NULL;
}

/*
 * Count the bytes that a key takes in the URL: a string of JSON, and a comma.
 */
static size_t
bytes_in_url(const char *key)
{
	StringInfoData url;
	size_t		   length;

	initStringInfo(&url);
	url_append_value(&url, json_text(json_make_string(CurrentMemoryContext, key), &length));
	url_append_value(&url, ",");
	return (size_t) url.len;
}

bool
key_search_add(KeySearch *search, const char *key)
{
	MemoryContext old_context;
	size_t		  bytes;

	if (find_key(search, key) != NULL)
		return true;
	old_context = MemoryContextSwitchTo(search->batch_context);
	bytes = bytes_in_url(key);
	if (search->count < MAX_KEYS && search->url_bytes + bytes <= MAX_URL_BYTES)
	{
		search->url_bytes += bytes;
		search->keys[search->count++] = (SearchedKey){.key = pstrdup(key), .state = KEY_WANTED};
		bytes = 0;
	}
	MemoryContextSwitchTo(old_context);
	return bytes == 0;
}

/*----------
 * The search
 *----------
 */

static void
ask_page(KeySearch *search, int page)
{
	MemoryContext old_context = MemoryContextSwitchTo(search->batch_context);

	search->page = page;
	search->call = api_start(search->options, request_list_target(&search->request, page),
							 search->batch_context);
	search->counts.searches++;
	whole_list_note_search(search->whole_list);
	MemoryContextSwitchTo(old_context);
}

/*
 * Give keys that are wanted the state that the end of the search leaves them in.
 */
static void
settle(KeySearch *search, KeyState state)
{
	search->call = NULL;
	for (int i = 0; i < search->count; i++)
		if (search->keys[i].state == KEY_WANTED)
			search->keys[i].state = state;
}

/*
 * Say whether a search may be made: with a limit of requests, lookups of all the keys may need just
 * as many as are left.
 */
static bool
can_spare(const KeySearch *search)
{
	return api_max_requests == 0 ||
		   server_fact_recall(search->options, FACT_SEVERAL) == FACT_TRUE ||
		   api_max_requests - api_statement_requests() != search->count;
}

void
key_search_start(KeySearch *search)
{
	MemoryContext old_context;

	if (search->count < MIN_KEYS || !can_spare(search))
	{
		settle(search, KEY_UNCERTAIN);
		return;
	}
	old_context = MemoryContextSwitchTo(search->batch_context);
	search->request = make_request(search);
	MemoryContextSwitchTo(old_context);
	search->counts.keys += search->count;
	ask_page(search, 1);
}

/*
 * Say whether any key is still wanted.
 */
static bool
wants_more(const KeySearch *search)
{
	for (int i = 0; i < search->count; i++)
		if (search->keys[i].state == KEY_WANTED)
			return true;
	return false;
}

/*
 * Say whether a value is one of the keys, if case doesn't count: Crisp may know an address in
 * other letters, too.
 */
static bool
is_asked_for(const KeySearch *search, const char *value)
{
	for (int i = 0; i < search->count; i++)
		if (pg_strcasecmp(search->keys[i].key, value) == 0)
			return true;
	return false;
}

/*
 * Note that one row has a key.  Of several, only a lookup tells which one Crisp means by it.
 */
static void
take_row(KeySearch *search, SearchedKey *key, const JsonNode *row)
{
	if (key->state == KEY_FOUND || key->state == KEY_UNCERTAIN)
	{
		search->counts.found -= key->state == KEY_FOUND;
		key->state = KEY_UNCERTAIN;
		return;
	}
	key->state = KEY_FOUND;
	key->row = row;
	search->counts.found++;
}

/*
 * Take the rows of a page.  Returns false where it has some that nobody asked for.
 */
static bool
take_rows(KeySearch *search, const JsonNode *page)
{
	JsonPath *path = json_path_of(search->lookup->path);
	bool	  all_wanted = true;

	for (const JsonNode *row = json_node_first(page); row != NULL; row = json_node_next(page, row))
	{
		const JsonNode *value = json_path_get(row, path);
		const char	   *text = json_node_string(value, NULL);
		SearchedKey	   *key = text != NULL ? find_key(search, text) : NULL;

		search->counts.rows++;
		if (key != NULL)
			take_row(search, key, row);
		else if (text == NULL || !is_asked_for(search, text))
			all_wanted = false;
	}
	return all_wanted;
}

/*
 * Put what was found into the cache, as if it had been looked up.
 */
static void
keep_found(KeySearch *search)
{
	const KeysRequest request = {.options = search->options, .lookup = search->lookup};

	for (int i = 0; i < search->count; i++)
	{
		const SearchedKey *key = &search->keys[i];
		ApiAnswer		   answer = {.data = key->row};
		char			  *target;

		if (key->state != KEY_FOUND)
			continue;
		target = request_lookup_target(&request, key->key);
		if (answer_cache_has_room(search->cache) && !answer_cache_has(search->cache, target))
			answer_cache_add(search->cache, target, &answer, true);
		pfree(target);
	}
}

/*
 * End a search whose pages have come, as far as they are wanted.  *honest tells whether they were
 * about the keys alone.
 */
static void
conclude(KeySearch *search, bool honest)
{
	int found = 0;

	for (int i = 0; i < search->count; i++)
		found += search->keys[i].state == KEY_FOUND;
	if (!honest)
		server_fact_remember(search->options, FACT_SEVERAL, false);
	else if (found >= MIN_KEYS)
		server_fact_remember(search->options, FACT_SEVERAL, true);
	settle(search, honest ? KEY_MISSED : KEY_UNCERTAIN);
	keep_found(search);
}

/*
 * Take the page that has come; ask for the next one where there is one, and keys that may be on it.
 */
static void
take_page(KeySearch *search)
{
	MemoryContext old_context = MemoryContextSwitchTo(search->batch_context);
	ApiAnswer	  answer = {0};
	ApiFailure	  failure = {0};
	size_t		  nrows;

	if (!api_try_finish(search->call, API_LIST, &answer, &failure))
	{
		search->given_up = true;
		if (failure.unfit && search->page == 1)
			server_fact_remember(search->options, FACT_SEVERAL, false);
		settle(search, KEY_UNCERTAIN);
		keep_found(search);
	}
	else if (!take_rows(search, answer.data))
		conclude(search, false);
	else
	{
		nrows = json_node_length(answer.data);
		if (!wants_more(search) ||
			page_is_last(search->options, nrows, (size_t) search->request.per_page, answer.more))
			conclude(search, true);

		/* There aren't more rows than keys, but for a few that differ in case. */
		else if ((search->page - 1) * CRISP_MIN_PER_PAGE > search->count)
			conclude(search, false);
		else
			ask_page(search, search->page + 1);
	}
	MemoryContextSwitchTo(old_context);
}

bool
key_search_awaits(const KeySearch *search, const char *key)
{
	return search != NULL && search->call != NULL && find_key(search, key) != NULL;
}

bool
key_search_get_ready(KeySearch *search)
{
	while (search != NULL && search->call != NULL)
	{
		if (!api_get_ready(search->call))
			return false;
		take_page(search);
	}
	return true;
}

bool
key_search_is_ready(const KeySearch *search)
{
	return search->call == NULL || api_is_ready(search->call);
}

pgsocket
key_search_socket(const KeySearch *search)
{
	return api_socket(search->call);
}

void
key_search_finish(KeySearch *search)
{
	while (search != NULL && search->call != NULL)
		take_page(search);
}

/*----------
 * What it has brought
 *----------
 */

bool
key_search_has(const KeySearch *search, const char *key)
{
	const SearchedKey *searched = find_key(search, key);

	return searched != NULL && searched->state == KEY_FOUND;
}

const JsonNode *
key_search_get(const KeySearch *search, const char *key, MemoryContext owner)
{
	const SearchedKey *searched = find_key(search, key);

	Assert(searched != NULL && searched->state == KEY_FOUND);
	return json_copy(owner, searched->row);
}

void
key_search_note_asked(KeySearch *search, const char *key)
{
	SearchedKey *searched = find_key(search, key);

	if (searched != NULL)
		searched->is_asked = true;
}

const char *
key_search_next_missed(KeySearch *search)
{
	if (search == NULL || search->call != NULL)
		return NULL;
	for (; search->next_missed < search->count; search->next_missed++)
	{
		SearchedKey *key = &search->keys[search->next_missed];

		if (key->state != KEY_MISSED && key->state != KEY_UNCERTAIN)
			continue;
		if (key->is_asked)
			continue;
		key->is_asked = true;
		return key->key;
	}
	return NULL;
}

void
key_search_note_exists(KeySearch *search, const char *key)
{
	SearchedKey *searched = find_key(search, key);

	if (searched == NULL || searched->state != KEY_MISSED)
		return;
	searched->state = KEY_UNCERTAIN;
	search->missed++;

	/* A row that is new may be missed where others are found. */
	if (search->missed > search->counts.found &&
		server_fact_recall(search->options, FACT_SEVERAL) != FACT_TRUE)
		server_fact_remember(search->options, FACT_SEVERAL, false);
}

KeySearchCounts
key_search_counts(const KeySearch *search)
{
	return search != NULL ? search->counts : (KeySearchCounts){0};
}

void
key_search_end(KeySearch *search)
{
	if (search != NULL)
		MemoryContextDelete(search->context);
}
