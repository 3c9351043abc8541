/*-------------------------------------------------------------------------
 *
 * children.c
 *		Read the lists below many rows of another resource.
 *
 * The rows of the parent come one by one, from its list or by their keys, and the list below each
 * is opened while others are under way: at most so many requests at a time as the option prefetch
 * allows, those for the parent among them.  Nothing is asked for as long as an answer at hand has
 * rows.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "fetch/child_reader.h"
#include "json/json_make.h"
#include "json/json_path.h"
#include "fetch/list_reader.h"
#include "fetch/lookup.h"
#include "http/url.h"
#include "fetch/children.h"

typedef struct Children
{
	RowReader			   reader;
	const ChildrenRequest *request;
	AnswerCache			  *cache;
	Names				  *names;
	MemoryContext		   context;
	MemoryContext		   scratch; /* reset after each use */

	RowReader
		*parents; /* where the parent's rows come from; NULL: the request's arguments will do */
	int	 next_argument;

	/* The row of the parent whose lists are opened; no argument where all of its are. */
	const char	   *argument;
	const JsonNode *parent; /* valid until the parents' reader goes on; NULL where it isn't known */
	int				next_word;

	bool	  parents_asked; /* a request for them is under way */
	bool	  parents_end;
	int64	  nlists; /* opened */
	JsonPath *argument_path;
	JsonPath *keep_path; /* of ListRequest.keep; or NULL */

	/* The lists that are open; each waits for an answer, or has one at hand. */
	ChildReader *open[CRISP_MAX_PREFETCH];
	int			 nopen;
	int			 room;	/* how many may be open now; grows with each answer */
	int64		 nrows; /* returned */

	ReaderCounts counts; /* of lists that are closed */
} Children;

/*----------
 * Rows of the parent
 *----------
 */

/*
 * Make an object of what elements of the next list have in common: the argument, the word by which
 * the list is asked for (or NULL), and what else of the parent's row is a column of theirs.  In
 * CurrentMemoryContext.
 */
static const JsonNode *
make_base(const Children *children, const char *word)
{
	const CrispResource *resource = children->request->options->resource;
	JsonMember			*members = palloc(sizeof(JsonMember) * (resource->ncolumns + 2));
	int					 nmembers = 0;

	members[nmembers++] = (JsonMember){
		.path = resource->parent->path,
		.value = json_make_string(CurrentMemoryContext, children->argument)};
	if (word != NULL)
		members[nmembers++] = (JsonMember){.path = crisp_resource_word(resource)->path,
										   .value = json_make_string(CurrentMemoryContext, word)};
	for (int i = 0; children->parent != NULL && i < resource->ncolumns; i++)
	{
		const CrispColumn *column = &resource->columns[i];

		if ((column->flags & CRISP_INHERITED) != 0 &&
			strcmp(column->path, resource->parent->path) != 0)
			members[nmembers++] = (JsonMember){
				.path = column->path,
				.value = json_node_member(children->parent, crisp_column_parent_path(column))};
	}
	return json_make_object(CurrentMemoryContext, members, nmembers);
}

/*
 * Open the next list below the row of the parent.
 */
static void
open_child(Children *children)
{
	const List	   *words = children->request->words;
	const char	   *word = words ? list_nth(words, children->next_word) : NULL;
	MemoryContext	old_context = MemoryContextSwitchTo(children->scratch);
	const JsonNode *base = make_base(children, word);

	MemoryContextSwitchTo(old_context);
	children->open[children->nopen] = child_begin(children->request, children->argument, word, base,
												  children->cache, children->names);
	children->nopen++;
	children->nlists++;
	if (++children->next_word >= list_length(words))
		children->argument = NULL;
	MemoryContextReset(children->scratch);
}

/*
 * Begin with the lists below a row of the parent; parent is NULL where it isn't known.
 */
static void
begin_parent(Children *children, const char *argument, const JsonNode *parent)
{
	children->argument = argument;
	children->parent = parent;
	children->next_word = 0;
	open_child(children);
}

/*
 * Say whether a row of the parent can have rows below it that are wanted.
 */
static bool
is_wanted(const Children *children, const JsonNode *parent)
{
	const JsonNode *node;
	const char	   *value;
	ListCell	   *lc;

	if (children->keep_path == NULL)
		return true;
	node = json_path_get(parent, children->keep_path);
	if (node == NULL)
		return false;
	value = json_node_string(node, NULL);
	if (value == NULL)
		return true;
	foreach(lc, children->request->parent->as.list.keep)
		if (strcmp(lfirst(lc), value) == 0)
			return true;
	return false;
}

/*
 * Open the next list: below the row of the parent that was taken last, or the next one, waiting for
 * it if need be.  Note it when there is none.
 */
static void
open_next(Children *children)
{
	FetchedRow	row;
	const char *argument;

	if (children->argument != NULL)
	{
		open_child(children);
		return;
	}
	children->parents_asked = false;
	if (children->parents == NULL)
	{
		List *arguments = children->request->arguments;

		if (children->next_argument < list_length(arguments))
			begin_parent(children, list_nth(arguments, children->next_argument++), NULL);
		else
			children->parents_end = true;
		return;
	}

	if (!row_reader_next(children->parents, &row))
	{
		children->parents_end = true;
		return;
	}

	/* A row without a key has nothing that could be asked for. */
	argument = json_node_string(json_path_get(row.row, children->argument_path), NULL);
	if (argument != NULL && url_can_be_segment(argument) && is_wanted(children, row.row))
		begin_parent(children, argument, row.row);
}

/*
 * Say whether open_next() needs no waiting; if it does, what it would wait for is asked for.
 */
static bool
next_is_ready(Children *children)
{
	bool ready;

	if (children->parents == NULL || children->argument != NULL)
		return true;
	ready = row_reader_get_ready(children->parents);
	children->parents_asked = !ready;
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
close_children(Children *children)
{
	int nopen = 0;

	for (int i = 0; i < children->nopen; i++)
	{
		ChildReader *child = children->open[i];

		if (child_at_end(child))
		{
			row_reader_add_counts(&children->counts, child_counts(child));
			child_end(child);
		}
		else
			children->open[nopen++] = child;
	}
	children->nopen = nopen;
}

/*
 * Return how many lists may be open: no more than the query is likely to want rows of.
 */
static int
room_for_children(const Children *children)
{
	int64 wanted = children->request->rows_wanted - children->nrows;

	if (children->request->rows_wanted > 0 && wanted < children->room)
		return (int) Max(wanted, 1);
	return children->room;
}

/*
 * Ask for all that there is room for.
 */
static void
ask_ahead(Children *children)
{
	for (;;)
	{
		for (int i = 0; i < children->nopen; i++)
			child_ask(children->open[i]);
		if (children->parents_end || children->nopen >= room_for_children(children) ||
			!next_is_ready(children))
			return;
		open_next(children);
	}
}

/*
 * Take an answer.
 */
static void
take_answer(Children *children, ChildReader *child)
{
	child_take(child);
	children->room = Min(children->room + 1, children->request->options->prefetch);
}

/*
 * Take the answers that have come; return whether any has.
 */
static bool
take_answers(Children *children)
{
	bool any = false;

	for (int i = 0; i < children->nopen; i++)
		if (child_get_ready(children->open[i]))
		{
			take_answer(children, children->open[i]);
			any = true;
		}
	return any;
}

/*
 * Return an open list with rows at hand; NULL where there is none.
 */
static ChildReader *
child_with_rows(const Children *children)
{
	for (int i = 0; i < children->nopen; i++)
		if (child_at_hand(children->open[i]))
			return children->open[i];
	return NULL;
}

/*----------
 * The whole
 *----------
 */

/*
 * Get on as far as that is possible without waiting.  Return whether rows are at hand, or the end
 * is reached.
 */
static bool
advance(Children *children)
{
	do
	{
		if (child_with_rows(children) != NULL)
			return true;
		close_children(children);
		ask_ahead(children);
		if (children->nopen == 0)
			return children->parents_end;
	} while (take_answers(children));
	return false;
}

/*----------
 * The reader's methods; see row_reader.h
 *----------
 */

static bool
next(RowReader *reader, FetchedRow *row)
{
	Children	 *children = (Children *) reader;
	MemoryContext old_context = MemoryContextSwitchTo(children->context);
	ChildReader	 *current;

	while (!advance(children))
	{
		if (children->nopen > 0)
			take_answer(children, children->open[0]);
		else
			open_next(children);
	}
	current = child_with_rows(children);
	if (current != NULL)
	{
		*row = (FetchedRow){.row = child_next(current), .base = child_base(current)};
		children->nrows++;
	}
	MemoryContextSwitchTo(old_context);
	return current != NULL;
}

static bool
get_ready(RowReader *reader)
{
	Children	 *children = (Children *) reader;
	MemoryContext old_context = MemoryContextSwitchTo(children->context);
	bool		  ready = advance(children);

	MemoryContextSwitchTo(old_context);
	return ready;
}

static bool
is_ready(const RowReader *reader)
{
	const Children *children = (const Children *) reader;

	for (int i = 0; i < children->nopen; i++)
		if (child_is_ready(children->open[i]))
			return true;
	return children->parents_asked && row_reader_is_ready(children->parents);
}

static pgsocket
get_socket(const RowReader *reader)
{
	const Children *children = (const Children *) reader;

	return children->nopen > 0 ? child_socket(children->open[0])
							   : row_reader_socket(children->parents);
}

static bool
at_hand(const RowReader *reader)
{
	return child_with_rows((const Children *) reader) != NULL;
}

/*
 * Count what was received.  Rows of the parent that were looked up by their keys are none of a
 * list.
 */
static ReaderCounts
counts(const RowReader *reader)
{
	const Children *children = (const Children *) reader;
	ReaderCounts	sum = children->counts;

	for (int i = 0; i < children->nopen; i++)
		row_reader_add_counts(&sum, child_counts(children->open[i]));
	if (children->parents != NULL && children->request->parent->kind == REQUEST_LIST)
		row_reader_add_counts(&sum, row_reader_counts(children->parents));
	sum.lists = children->nlists;
	return sum;
}

static void
end(RowReader *reader)
{
	Children *children = (Children *) reader;

	for (int i = 0; i < children->nopen; i++)
		child_end(children->open[i]);
	if (children->parents != NULL)
		row_reader_end(children->parents);
	MemoryContextDelete(children->context);
}

static const RowReaderMethods children_methods = {
	.next = next,
	.get_ready = get_ready,
	.is_ready = is_ready,
	.socket = get_socket,
	.at_hand = at_hand,
	.at_end = row_reader_is_not,
	.page = row_reader_no_page,
	.counts = counts,
	.end = end,
};

/*
 * Begin the reader that brings the rows of the parent; NULL where the request names them.
 */
static RowReader *
begin_parents(const CrispRequest *parent, AnswerCache *cache)
{
	if (parent == NULL)
		return NULL;
	if (parent->kind == REQUEST_LIST)
		return list_reader_begin(&parent->as.list);
	if (cache == NULL)
		cache = answer_cache_create(CurrentMemoryContext, 0);
	return lookup_begin(&parent->as.keys, cache, NULL, NULL, NULL);
}

RowReader *
children_begin(const ChildrenRequest *request, AnswerCache *cache, Names *names)
{
	MemoryContext		context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw children",
														ALLOCSET_DEFAULT_SIZES);
	MemoryContext		old_context = MemoryContextSwitchTo(context);
	const CrispRequest *parent = request->parent;
	Children		   *children = palloc0(sizeof(Children));

	children->reader.methods = &children_methods;
	children->request = request;
	children->cache = cache;
	children->names = names;
	children->context = context;
	children->scratch = AllocSetContextCreate(context, "crisp_fdw scratch", ALLOCSET_SMALL_SIZES);
	children->room = 1;
	children->argument_path = json_path_of(request->options->resource->parent->path);
	if (parent != NULL && parent->kind == REQUEST_LIST && parent->as.list.keep_path != NULL)
		children->keep_path = json_path_of(parent->as.list.keep_path);
	children->parents = begin_parents(parent, cache);
	MemoryContextSwitchTo(old_context);
	return &children->reader;
}
