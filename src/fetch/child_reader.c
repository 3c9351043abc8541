/*-------------------------------------------------------------------------
 *
 * child_reader.c
 *		Read the list below one row of another resource.
 *
 * There may be as many lists as the parent has rows, most of them short.  So a list is read one
 * answer after the other, and several lists at a time.
 *
 * What changes may move to the front of a list with numbered pages while one reads.  Where that
 * took several pages, its first pages are looked at again in the end, up to one that has nothing
 * new.  Rows without a key are not told from each other, and a page that has some of the one before
 * waits until that was looked at again (page_shift.c).
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "fetch/child_reader.h"
#include "fetch/time_cursor.h"
#include "api/server_facts.h"
#include "json/json_make.h"
#include "json/json_path.h"
#include "fetch/last_page.h"
#include "fetch/page_shift.h"
#include "base/key_set.h"
#include "api/pipeline.h"

struct ChildReader
{
	const ChildrenRequest *request;
	AnswerCache			  *cache;
	MemoryContext		   context;
	const char			  *argument;
	const char			  *word; /* or NULL */
	const JsonNode		  *base;
	const JsonPath		  *key;
	Pipeline			  *pipeline; /* holds what is under way: one request at most */
	char *target;	 /* of that, or of what the cache has; NULL when nothing was asked for */
	char *cache_key; /* what the cache knows that by */
	bool  is_cached;

	/* What comes next. */
	int			next;	/* page from 1 */
	TimeCursor *cursor; /* NULL where pages have numbers */
	PageShift  *shift;	/* NULL where there are none, or rows have a key */
	bool		has_begun;
	bool		rechecks;  /* all pages were read, and now those that may have changed since, */
	int			last_page; /* no more than there were */
	bool		at_end;
	bool		said_more;	  /* the latest page did, by its status */
	int			doubts;		  /* empty pages that were asked for again ... */
	bool		is_doubted;	  /* ... as the one that's next is */
	bool		without_link; /* Crisp has nothing by what joins tell, or refuses that */

	/* The answer at hand. */
	MemoryContext	 answer_context;
	const JsonNode **rows;
	size_t			 nrows;
	size_t			 next_row;

	/* An answer that waits for another, with its rows; or NULL. */
	MemoryContext	 held_context;
	const JsonNode **held_rows;
	size_t			 nheld_rows;
	bool			 held_is_last;

	Names	 *names;	 /* get to know the rows' names; or NULL */
	NameList *name_list; /* of the rows so far; NULL without names, and after the end */

	KeySet *seen;	 /* NULL until a second page is needed */
	bool	has_new; /* the page at hand, a row whose key had not come, or unlike all others */
	size_t	largest_page;

	PageProgress progress; /* until all pages were read */

	ReaderCounts counts;
};

/*
 * Say whether a request leaves out none of the rows below a parent's row that have names.
 */
static bool
asks_for_all(const ChildrenRequest *request)
{
	return crisp_resource_name(request->options->resource) != NULL &&
		   request->times.lower == PG_INT64_MIN && request->times.upper == PG_INT64_MAX;
}

ChildReader *
child_begin(const ChildrenRequest *request, const char *argument, const char *word,
			const JsonNode *base, AnswerCache *cache, Names *names)
{
	const CrispColumn *key = crisp_resource_key(request->options->resource);
	MemoryContext	   context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw child",
													   ALLOCSET_SMALL_SIZES);
	MemoryContext	   old_context = MemoryContextSwitchTo(context);
	ChildReader		  *child = palloc0(sizeof(ChildReader));

	child->request = request;
	child->cache = cache;
	child->context = context;
	child->argument = pstrdup(argument);
	child->word = word ? pstrdup(word) : NULL;
	child->base = json_copy(context, base);
	if (key != NULL)
		child->key = json_path_of(key->path);
	child->pipeline = pipeline_create(context, request->options);
	child->next = 1;
	if (request->options->resource->cursor != NULL)
		child->cursor = time_cursor_create(request);
	else if (key == NULL &&
			 crisp_resource_is_paged(request->options->resource, request->options->tier))
		child->shift = page_shift_create();
	if (names != NULL && asks_for_all(request))
	{
		child->names = names;
		child->name_list = names_begin_list(request->options->resource);
	}
	MemoryContextSwitchTo(old_context);
	return child;
}

/*----------
 * Asking
 *----------
 */

/*
 * Say whether what joins tell of the rows is asked for.
 */
static bool
uses_link(const ChildReader *child)
{
	return child->request->link != NULL && !child->without_link;
}

/*
 * Return what to ask for next.
 */
static char *
next_target(const ChildReader *child)
{
	const ChildrenRequest *request = child->request;
	char				  *query = NULL;
	char				  *target;

	if (child->cursor != NULL)
		query = time_cursor_query(child->cursor);
	else if (uses_link(child))
		query = pstrdup(request->link);
	target = request_child_target(request, child->argument, child->word, child->next, query);
	if (query != NULL)
		pfree(query);
	return target;
}

/*
 * Return how often pages were asked for that are asked for again.
 */
static int
count_retries(const ChildReader *child)
{
	if (child->cursor != NULL)
		return time_cursor_retries(child->cursor);
	return child->shift != NULL ? page_shift_checks(child->shift) : child->rechecks;
}

void
child_ask(ChildReader *child)
{
	MemoryContext old_context;

	if (child->target != NULL)
		return;
	Assert(!child->at_end);
	old_context = MemoryContextSwitchTo(child->context);
	child->target = next_target(child);
	child->cache_key = psprintf("%s %d %d", child->target, count_retries(child), child->doubts);
	child->is_cached = child->cache != NULL && answer_cache_has(child->cache, child->cache_key);
	if (!child->is_cached)
		pipeline_start(child->pipeline, child->target);
	MemoryContextSwitchTo(old_context);
}

bool
child_get_ready(ChildReader *child)
{
	return child->is_cached || pipeline_get_ready(child->pipeline);
}

bool
child_is_ready(const ChildReader *child)
{
	return child->is_cached || pipeline_is_ready(child->pipeline);
}

pgsocket
child_socket(const ChildReader *child)
{
	return pipeline_socket(child->pipeline);
}

/*----------
 * Answers
 *----------
 */

/*
 * Say whether what is asked for is a row, and no list of them.
 */
static bool
is_one_row(const ChildReader *child)
{
	return child->request->options->resource->one_row;
}

/*
 * Return where the keys come from that are asked for.  A list that has begun may go, but its
 * argument doesn't become one that can be none.
 */
static ApiKey
key_source(const ChildReader *child)
{
	const CrispWords *words = child->request->options->resource->parent->words;

	if (uses_link(child) && !child->has_begun)
		return API_KEY_GIVEN;
	if (child->cursor == NULL && child->next > 1)
		return API_PAGE;

	/* Of a list with conditions, it may be these that Crisp refuses. */
	if (child->has_begun || request_children_have_conditions(child->request))
		return API_KEY_TOLD;

	/*
	 * Were a word refused that the catalog has, all rows would be missing, and nobody would hear.
	 */
	if (words != NULL && words->open)
		return child->request->words_named ? API_KEY_GIVEN : API_KEY_TOLD;
	return child->request->parent == NULL ? API_KEY_GIVEN : API_KEY_TOLD;
}

/*
 * Get the answer to what was asked for, in a context of its own.  Return false when Crisp has none.
 */
static bool
get_answer(ChildReader *child, ApiAnswer *answer)
{
	bool found;

	if (child->is_cached)
	{
		child->answer_context = AllocSetContextCreate(child->context, "crisp_fdw page",
													  ALLOCSET_DEFAULT_SIZES);
		return answer_cache_get(child->cache, child->cache_key, child->answer_context, answer);
	}

	(void) pipeline_receive(child->pipeline);
	child->answer_context = pipeline_answer(child->pipeline,
											is_one_row(child) ? API_OBJECT : API_LIST,
											key_source(child), answer, &found);
	if (child->cache != NULL)
		answer_cache_add(child->cache, child->cache_key, answer, found);
	return found;
}

/*
 * Say whether an element can be the value of a column.
 */
static bool
is_scalar(const JsonNode *element)
{
	JsonNodeKind kind = json_node_kind(element);

	return kind == JSON_NODE_STRING || kind == JSON_NODE_NUMBER || kind == JSON_NODE_BOOLEAN;
}

/*
 * Make an object of an element that is the value of a column; NULL where it can't be one.
 */
static const JsonNode *
scalar_row(const ChildReader *child, const JsonNode *element)
{
	JsonMember member = {.path = child->request->options->resource->scalar_path, .value = element};

	return is_scalar(element) ? json_make_object(child->answer_context, &member, 1) : NULL;
}

/*
 * Say whether a row is to be returned: its key wasn't before.  One without a key is, but for pages
 * that are looked at again: there it must be unlike all others.  Only such a one tells that the
 * list goes on.
 */
static bool
is_unseen(ChildReader *child, const JsonNode *row)
{
	const JsonNode *key = json_path_get(row, child->key);
	bool			has_key = json_node_kind(key) != JSON_NODE_NULL;
	size_t			length;
	const char	   *text = json_text(has_key ? key : row, &length);
	bool			is_new = key_set_add(child->seen, text, length);

	child->has_new = child->has_new || is_new;
	return is_new || (!has_key && !child->rechecks);
}

/*
 * Leave of the rows those that were not returned before.
 */
static void
drop_seen(ChildReader *child)
{
	size_t kept = 0;

	child->has_new = false;
	if (child->key == NULL)
		return;

	/* Of a list that fits a page there is nothing to remember. */
	if (child->seen == NULL && !child->at_end)
	{
		MemoryContext old_context = MemoryContextSwitchTo(child->context);

		child->seen = key_set_create((Size) work_mem * 1024 / CRISP_MAX_PREFETCH);
		MemoryContextSwitchTo(old_context);
	}
	for (size_t i = 0; child->seen != NULL && i < child->nrows; i++)
		if (is_unseen(child, child->rows[i]))
			child->rows[kept++] = child->rows[i];
	if (child->seen != NULL)
		child->nrows = kept;
}

/*
 * Begin to look again after the last page, where there was more than one.
 */
static void
end_numbered_pages(ChildReader *child)
{
	child->at_end = true;
	if (child->rechecks || child->seen == NULL)
		return;
	child->rechecks = true;
	child->last_page = child->next - 1;
	child->at_end = false;
	child->next = 1;
}

/*
 * Exchange the answer at hand, whose context is the current one, for the one that was held.
 */
static void
take_held(ChildReader *child)
{
	MemoryContext looked_at = child->answer_context;

	child->answer_context = child->held_context;
	MemoryContextSwitchTo(child->answer_context);
	MemoryContextDelete(looked_at);
	child->rows = child->held_rows;
	child->nrows = child->nheld_rows;
	child->held_context = NULL;
}

/*
 * Let go of the answer that was held, if any; with keep, hold the one at hand.
 */
static void
hold_answer(ChildReader *child, bool keep, bool is_last)
{
	if (child->held_context != NULL)
		MemoryContextDelete(child->held_context);
	child->held_context = keep ? child->answer_context : NULL;
	child->held_rows = child->rows;
	child->nheld_rows = child->nrows;
	child->held_is_last = is_last;
	if (keep)
		child->answer_context = NULL;
	child->rows = NULL;
	child->nrows = 0;
}

/*
 * Leave of the rows of a page, which have no key, those that were not there before.  Return false
 * where another page has to be looked at first.  *is_last becomes what's true of the page that is
 * taken.
 */
static bool
drop_shifted(ChildReader *child, bool *is_last)
{
	const CrispOptions *options = child->request->options;
	size_t				skip;
	ShiftVerdict		verdict;
	MemoryContext		old_context = MemoryContextSwitchTo(child->context);

	verdict = page_shift_look(child->shift, child->rows, child->nrows, *is_last, &child->next,
							  &skip);
	MemoryContextSwitchTo(old_context);
	switch (verdict)
	{
		case SHIFT_HOLD:
		case SHIFT_DROP:
			hold_answer(child, verdict == SHIFT_HOLD, *is_last);
			return false;
		case SHIFT_LOST:
			ereport(ERROR,
					(errcode(ERRCODE_FDW_ERROR),
					 errmsg("cannot read all rows of a list of \"%s\", server \"%s\"",
							options->resource->name, options->server_name),
					 errdetail("GET %s: Its rows have no key, and they have moved while it was "
							   "read so that it can't be told which were read before.",
							   child->target),
					 errhint("Try again.")));
		case SHIFT_TAKE_HELD:
			take_held(child);
			*is_last = child->held_is_last;
			break;
		case SHIFT_TAKE:
			break;
	}
	child->rows += skip;
	child->nrows -= skip;
	return true;
}

/*
 * Say whether the page that was taken brings the list nearer to its end: not with the same rows
 * again, as where its number is ignored.
 */
static bool
is_progress(const ChildReader *child)
{
	if (child->key != NULL)
		return child->has_new;
	return child->nrows > 0 && (child->shift == NULL || !page_shift_repeats(child->shift));
}

/*
 * Take a page with a number, or all there is.  How many elements a full page has is the server's
 * choice, but never less than Crisp's smallest pages: most lists are short here, and to ask for a
 * second page of each would double the requests.
 */
static void
take_numbered_page(ChildReader *child, const ApiAnswer *answer)
{
	const CrispOptions *options = child->request->options;
	size_t				nelements = json_node_length(answer->data);
	bool				scalars = options->resource->scalar_path != NULL;
	bool				is_last;

	for (size_t i = 0; i < nelements; i++)
	{
		const JsonNode *row = json_node_element(answer->data, i);

		if (scalars)
			row = scalar_row(child, row);
		if (json_node_kind(row) == JSON_NODE_OBJECT)
			child->rows[child->nrows++] = row;
	}
	child->largest_page = Max(child->largest_page, nelements);
	is_last = !crisp_resource_is_paged(options->resource, options->tier) ||
			  page_is_last(options, nelements, Max(child->largest_page, CRISP_MIN_PER_PAGE),
						   answer->more);
	if (child->shift != NULL && !drop_shifted(child, &is_last))
		return;
	child->at_end = is_last;
	child->next++;
	drop_seen(child);

	if (child->rechecks)
		child->at_end = child->at_end || child->nrows == 0 || child->next > child->last_page;
	else if (child->at_end)
		end_numbered_pages(child);
	else
		page_note_progress(&child->progress, options, is_progress(child), child->target);
}

/*
 * Say in the server's log that elements of a list are no rows.
 */
static void
log_skipped(const ChildReader *child, const JsonNode *elements)
{
	const CrispOptions *options = child->request->options;
	bool				scalars = options->resource->scalar_path != NULL;

	for (size_t i = 0; i < json_node_length(elements); i++)
	{
		const JsonNode *element = json_node_element(elements, i);

		if (scalars ? !is_scalar(element) : json_node_kind(element) != JSON_NODE_OBJECT)
		{
			api_log_skipped(options, child->target, i + 1);
			return;
		}
	}
}

/*
 * Note the names of the rows at hand, and in the end that these are all.
 */
static void
note_names(ChildReader *child)
{
	if (child->name_list == NULL)
		return;
	for (size_t i = 0; i < child->nrows; i++)
		names_add(child->name_list, child->rows[i]);
	if (!child->at_end)
		return;
	names_keep_list(child->names, child->request->options->server_name,
					request_child_target(child->request, child->argument, child->word, 1, NULL),
					child->name_list);
	child->name_list = NULL;
}

/*
 * Say whether a page without an element, or one that Crisp doesn't know (answer: NULL), is to be
 * asked for once more: others are said to follow, or a row should be on it.
 */
static bool
is_doubtful(const ChildReader *child, const ApiAnswer *answer)
{
	const CrispOptions *options = child->request->options;

	if (child->is_doubted || (answer != NULL && json_node_length(answer->data) > 0))
		return false;
	if (child->cursor != NULL && time_cursor_expects_rows(child->cursor))
		return true;
	return (child->cursor != NULL || crisp_resource_is_paged(options->resource, options->tier)) &&
		   page_announces_more(options, child->said_more, answer && answer->more);
}

/*
 * Take a page of a list.
 */
static void
take_page(ChildReader *child, const ApiAnswer *answer)
{
	size_t nelements = json_node_length(answer->data);

	log_skipped(child, answer->data);
	if (child->is_doubted && nelements == 0)
		page_note_end(child->request->options, child->said_more, answer->more);
	child->said_more = answer->more;
	child->rows = MemoryContextAlloc(child->answer_context, sizeof(JsonNode *) * Max(nelements, 1));
	child->counts.rows += (int64) nelements;
	if (child->cursor != NULL)
	{
		child->nrows = time_cursor_take_page(child->cursor, answer->data, answer->more,
											 child->target, child->rows);
		child->at_end = time_cursor_at_end(child->cursor);
		note_names(child);
	}
	else
		take_numbered_page(child, answer);
	child->counts.duplicates += (int64) (nelements - child->nrows);
}

/*
 * Take the one row that an answer is.
 */
static void
take_single(ChildReader *child, const ApiAnswer *answer)
{
	child->counts.rows++;
	child->rows = palloc(sizeof(JsonNode *));
	child->rows[child->nrows++] = answer->data;
}

void
child_take(ChildReader *child)
{
	MemoryContext old_context = MemoryContextSwitchTo(child->context);
	ApiAnswer	  answer = {0};
	bool		  asks_again = false; /* for the same, without what may have been refused, */
	bool		  doubts = false;	  /* or once more */
	bool		  found;

	if (child->answer_context != NULL)
		MemoryContextDelete(child->answer_context);
	child->answer_context = NULL;
	child->rows = NULL;
	child->nrows = 0;
	child->next_row = 0;

	found = get_answer(child, &answer);
	MemoryContextSwitchTo(child->answer_context);
	if (!child->is_cached)
		child->counts.pages++;
	if (is_one_row(child))
	{
		if (found)
			take_single(child, &answer);
		child->at_end = true;
	}
	else if (is_doubtful(child, found ? &answer : NULL))
	{
		doubts = true;
		child->doubts++;
	}
	else if (found)
	{
		if (child->without_link && !child->has_begun)
			server_fact_remember(child->request->options, FACT_LINK, false);
		take_page(child, &answer);
	}
	else if (uses_link(child) && !child->has_begun)
		asks_again = child->without_link = true;
	else
		end_numbered_pages(child);
	child->is_doubted = doubts;
	if (!doubts)
		child->has_begun = !asks_again;
	pfree(child->target);
	pfree(child->cache_key);
	child->target = NULL;
	MemoryContextSwitchTo(old_context);
}

/*----------
 * Rows
 *----------
 */

bool
child_at_hand(const ChildReader *child)
{
	return child->next_row < child->nrows;
}

bool
child_at_end(const ChildReader *child)
{
	return child->at_end && !child_at_hand(child);
}

const JsonNode *
child_next(ChildReader *child)
{
	return child_at_hand(child) ? child->rows[child->next_row++] : NULL;
}

const JsonNode *
child_base(const ChildReader *child)
{
	return child->base;
}

ReaderCounts
child_counts(const ChildReader *child)
{
	return child->counts;
}

void
child_end(ChildReader *child)
{
	if (child->seen != NULL)
		key_set_free(child->seen);
	if (child->name_list != NULL)
		names_drop_list(child->name_list);
	MemoryContextDelete(child->context);
}
