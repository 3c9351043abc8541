/*-------------------------------------------------------------------------
 *
 * children.c
 *		The lists below many rows of another resource.
 *
 * The rows of the parent come one by one, from its list or by their keys, and
 * the list below each is opened while others are under way: at most so many
 * requests at a time as the option prefetch allows, those for the parent among
 * them.  Nothing is asked for as long as an answer at hand has rows.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/json.h"
#include "utils/memutils.h"

#include "fetch/child_reader.h"
#include "json/json_path.h"
#include "fetch/list_reader.h"
#include "fetch/lookup.h"
#include "http/url.h"
#include "fetch/children.h"

struct ChildrenReader
{
	const ChildrenRequest *request;
	AnswerCache			  *cache;
	Names				  *names;
	MemoryContext		   context;
	MemoryContext		   scratch; /* reset after each use */

	/* Where the parent's rows come from: one of these, or the request's arguments. */
	ListReader *list;
	Lookup	   *lookup;
	int			next_argument;
	bool		parents_asked; /* a request for them is under way */
	bool		parents_end;
	int64		nparents;
	JsonPath   *argument_path;
	JsonPath   *keep_path; /* of ListRequest.keep; or NULL */

	/* The lists that are open; each waits for an answer, or has one at hand. */
	ChildReader *children[CRISP_MAX_PREFETCH];
	int			 nchildren;
	int			 room;	  /* how many may be open now; grows with each answer */
	ChildReader *current; /* that the latest row is of */
	int64		 nrows;	  /* returned */

	PagerCounts counts; /* of lists that are closed */
};

ChildrenReader *
children_begin(const ChildrenRequest *request, AnswerCache *cache, Names *names)
{
	MemoryContext		context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw walk",
														ALLOCSET_DEFAULT_SIZES);
	MemoryContext		old_context = MemoryContextSwitchTo(context);
	const CrispRequest *parent = request->parent;
	ChildrenReader	   *walk = palloc0(sizeof(ChildrenReader));
	const char		   *error;

	walk->request = request;
	walk->cache = cache;
	walk->names = names;
	walk->context = context;
	walk->scratch = AllocSetContextCreate(context, "crisp_fdw scratch", ALLOCSET_SMALL_SIZES);
	walk->room = 1;
	walk->argument_path = json_path_parse(request->options->resource->parent->path, &error);
	if (parent != NULL && parent->kind == REQUEST_KEYS)
	{
		if (cache == NULL)
			cache = answer_cache_create(context, 0);
		walk->lookup = lookup_begin(context, &parent->as.keys, cache, NULL, NULL);
	}
	else if (parent != NULL)
	{
		if (parent->as.list.keep_path != NULL)
			walk->keep_path = json_path_parse(parent->as.list.keep_path, &error);
		walk->list = list_reader_begin(&parent->as.list);
	}
	MemoryContextSwitchTo(old_context);
	return walk;
}

/*----------
 * Rows of the parent
 *----------
 */

/*
 * Add "key":value to an object in the making; value is JSON.
 */
static void
add_member(StringInfo object, const char *key, const char *value, size_t length)
{
	appendStringInfoChar(object, object->len == 0 ? '{' : ',');
	escape_json(object, key);
	appendStringInfoChar(object, ':');
	appendBinaryStringInfo(object, value, (int) length);
}

/*
 * What elements of a list inherit, as JSON: the argument, and what else of the
 * parent's row (NULL when it isn't known) is a column of theirs.
 */
static char *
base_text(const ChildrenReader *walk, const char *argument, const JsonNode *parent)
{
	const CrispResource *resource = walk->request->options->resource;
	StringInfoData		 object;
	StringInfoData		 value;

	initStringInfo(&object);
	initStringInfo(&value);
	escape_json(&value, argument);
	add_member(&object, resource->parent->path, value.data, value.len);
	for (int i = 0; parent != NULL && i < resource->ncolumns; i++)
	{
		const char *path = resource->columns[i].path;
		size_t		length;
		const char *text;

		if ((resource->columns[i].flags & CRISP_INHERITED) == 0 ||
			strcmp(path, resource->parent->path) == 0)
			continue;
		text = json_text(json_node_member(parent, path), &length);
		add_member(&object, path, text, length);
	}
	appendStringInfoChar(&object, '}');
	return object.data;
}

/*
 * Open the list below a row of the parent.
 */
static void
open_child(ChildrenReader *walk, const char *argument, const JsonNode *parent)
{
	MemoryContext old_context = MemoryContextSwitchTo(walk->scratch);
	const char	 *base = base_text(walk, argument, parent);

	MemoryContextSwitchTo(old_context);
	walk->children[walk->nchildren] = child_begin(walk->request, argument, base, walk->cache,
												  walk->names);
	walk->nchildren++;
	walk->nparents++;
	MemoryContextReset(walk->scratch);
}

/*
 * Whether a row of the parent can have rows below it that are wanted.
 */
static bool
is_wanted(const ChildrenReader *walk, const JsonNode *parent)
{
	const JsonNode *node;
	const char	   *value;
	ListCell	   *lc;

	if (walk->keep_path == NULL)
		return true;
	node = json_path_get(parent, walk->keep_path);
	if (node == NULL)
		return false;
	value = json_node_string(node, NULL);
	if (value == NULL)
		return true;
	foreach(lc, walk->request->parent->as.list.keep)
		if (strcmp(lfirst(lc), value) == 0)
			return true;
	return false;
}

/*
 * Take the next row of the parent, or note that there is none; waits for it if need be.
 */
static void
take_parent(ChildrenReader *walk)
{
	const JsonNode *row;
	const char	   *argument;

	walk->parents_asked = false;
	if (walk->request->parent == NULL)
	{
		List *arguments = walk->request->arguments;

		if (walk->next_argument < list_length(arguments))
			open_child(walk, list_nth(arguments, walk->next_argument++), NULL);
		else
			walk->parents_end = true;
		return;
	}

	row = walk->lookup ? lookup_next(walk->lookup) : list_reader_next(walk->list);
	if (row == NULL)
	{
		walk->parents_end = true;
		return;
	}

	/* A row without a key has nothing that could be asked for. */
	argument = json_node_string(json_path_get(row, walk->argument_path), NULL);
	if (argument != NULL && url_can_be_segment(argument) && is_wanted(walk, row))
		open_child(walk, argument, row);
}

/*
 * Whether take_parent() needs no waiting; if it does, what it would wait for is asked for.
 */
static bool
parent_is_ready(ChildrenReader *walk)
{
	bool ready;

	if (walk->request->parent == NULL)
		return true;
	ready = walk->lookup ? lookup_is_ready(walk->lookup) : list_reader_is_ready(walk->list);
	walk->parents_asked = !ready;
	return ready;
}

/*----------
 * Lists
 *----------
 */

/*
 * Close the lists that have been read to their ends.
 */
static void
close_children(ChildrenReader *walk)
{
	int open = 0;

	for (int i = 0; i < walk->nchildren; i++)
	{
		ChildReader *child = walk->children[i];

		if (child_at_end(child))
		{
			pager_add_counts(&walk->counts, child_counts(child));
			child_end(child);
		}
		else
			walk->children[open++] = child;
	}
	walk->nchildren = open;
}

/*
 * How many lists may be open: no more than the query is likely to want rows of.
 */
static int
room_for_children(const ChildrenReader *walk)
{
	int64 wanted = walk->request->rows_wanted - walk->nrows;

	if (walk->request->rows_wanted > 0 && wanted < walk->room)
		return (int) Max(wanted, 1);
	return walk->room;
}

/*
 * Ask for all that there is room for.
 */
static void
ask_ahead(ChildrenReader *walk)
{
	for (;;)
	{
		for (int i = 0; i < walk->nchildren; i++)
			child_ask(walk->children[i]);
		if (walk->parents_end || walk->nchildren >= room_for_children(walk) ||
			!parent_is_ready(walk))
			return;
		take_parent(walk);
	}
}

/*
 * Take an answer.
 */
static void
take_answer(ChildrenReader *walk, ChildReader *child)
{
	child_take(child);
	walk->room = Min(walk->room + 1, walk->request->options->prefetch);
}

/*
 * Take the answers that have come; returns whether any has.
 */
static bool
take_answers(ChildrenReader *walk)
{
	bool any = false;

	for (int i = 0; i < walk->nchildren; i++)
		if (child_is_ready(walk->children[i]))
		{
			take_answer(walk, walk->children[i]);
			any = true;
		}
	return any;
}

/*
 * An open list with rows at hand; NULL where there is none.
 */
static ChildReader *
child_with_rows(const ChildrenReader *walk)
{
	for (int i = 0; i < walk->nchildren; i++)
		if (child_at_hand(walk->children[i]))
			return walk->children[i];
	return NULL;
}

/*----------
 * The whole
 *----------
 */

/*
 * Get on as far as that is possible without waiting.  Returns whether rows are at hand,
 * or the end is reached.
 */
static bool
advance(ChildrenReader *walk)
{
	do
	{
		if (child_with_rows(walk) != NULL)
			return true;
		close_children(walk);
		ask_ahead(walk);
		if (walk->nchildren == 0)
			return walk->parents_end;
	} while (take_answers(walk));
	return false;
}

const JsonNode *
children_next(ChildrenReader *walk)
{
	MemoryContext	old_context = MemoryContextSwitchTo(walk->context);
	const JsonNode *row = NULL;

	while (!advance(walk))
	{
		if (walk->nchildren > 0)
			take_answer(walk, walk->children[0]);
		else
			take_parent(walk);
	}
	walk->current = child_with_rows(walk);
	if (walk->current != NULL)
	{
		row = child_next(walk->current);
		walk->nrows++;
	}
	MemoryContextSwitchTo(old_context);
	return row;
}

const JsonNode *
children_base(const ChildrenReader *walk)
{
	return child_base(walk->current);
}

bool
children_at_hand(const ChildrenReader *walk)
{
	return child_with_rows(walk) != NULL;
}

bool
children_is_ready(ChildrenReader *walk)
{
	MemoryContext old_context = MemoryContextSwitchTo(walk->context);
	bool		  ready = advance(walk);

	MemoryContextSwitchTo(old_context);
	return ready;
}

bool
children_is_settled(const ChildrenReader *walk)
{
	for (int i = 0; i < walk->nchildren; i++)
		if (child_is_settled(walk->children[i]))
			return true;
	if (!walk->parents_asked)
		return false;
	return walk->lookup ? lookup_is_settled(walk->lookup) : list_reader_is_settled(walk->list);
}

pgsocket
children_socket(const ChildrenReader *walk)
{
	if (walk->nchildren > 0)
		return child_socket(walk->children[0]);
	return walk->lookup ? lookup_socket(walk->lookup) : list_reader_socket(walk->list);
}

PagerCounts
children_counts(const ChildrenReader *walk)
{
	PagerCounts sum = walk->counts;

	for (int i = 0; i < walk->nchildren; i++)
		pager_add_counts(&sum, child_counts(walk->children[i]));
	if (walk->list != NULL)
		pager_add_counts(&sum, list_reader_counts(walk->list));
	sum.parents = walk->nparents;
	return sum;
}

void
children_end(ChildrenReader *walk)
{
	for (int i = 0; i < walk->nchildren; i++)
		child_end(walk->children[i]);
	if (walk->list != NULL)
		list_reader_end(walk->list);
	if (walk->lookup != NULL)
		lookup_end(walk->lookup);
	MemoryContextDelete(walk->context);
}
