/*-------------------------------------------------------------------------
 *
 * page_edge.c
 *		Recognize rows at the edge of a page, which the next page brings again.
 *
 * Rows have no key: which of them were seen is told by all that they are.  As two may be the same
 * in everything, they are counted: of three on a page of which two were seen, one is new.
 *
 * A row may change between two pages: it is read, say.  So a row is also the one that was seen if
 * the columns agree that never change, and what it says.  That changes, too, but then Crisp says
 * so.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#include "fetch/page_edge.h"
#include "json/json_path.h"

/* What rows are compared by. */
typedef struct EdgeRow
{
	int64	 time;
	char	*fixed;	  /* JSON of the columns that never change */
	char	*content; /* JSON of what the row says */
	char	*whole;	  /* its JSON */
	bool	 alters;  /* of a row of a page: its content may be another one than it was */
	PageRow *row;	  /* likewise: that row */
	bool	 found;
} EdgeRow;

struct PageEdge
{
	MemoryContext context;
	List		 *fixed_paths; /* JsonPath *, of the columns that never change */
	JsonPath	 *name_path;
	JsonPath	 *content_path;
	JsonPath	 *edited_path;
	List		 *rows; /* EdgeRow *, remembered */
	int64		  earliest;
	int64		  latest;
};

PageEdge *
page_edge_create(const CrispResource *resource)
{
	const int not_told = CRISP_CHANGES | CRISP_ASKED | CRISP_WEBSITE | CRISP_SENT;
	PageEdge *edge = palloc0(sizeof(PageEdge));

	edge->context = CurrentMemoryContext;
	edge->content_path = json_path_of(resource->cursor->content_path);
	edge->edited_path = json_path_of(resource->cursor->edited_path);
	edge->name_path = json_path_of(crisp_resource_name(resource)->path);
	for (int i = 0; i < resource->ncolumns; i++)
		if ((resource->columns[i].flags & not_told) == 0)
			edge->fixed_paths = lappend(edge->fixed_paths, json_path_of(resource->columns[i].path));
	return edge;
}

/*----------
 * What rows are compared by
 *----------
 */

static char *
copy_json(const JsonNode *node)
{
	size_t		length;
	const char *text = json_text(node, &length);

	return pnstrdup(text, length);
}

/*
 * Return the columns of a row that never change, as text.
 */
static char *
fixed_text(const PageEdge *edge, const JsonNode *row)
{
	StringInfoData text;
	ListCell	  *lc;

	initStringInfo(&text);
	foreach(lc, edge->fixed_paths)
	{
		size_t		length;
		const char *value = json_text(json_path_get(row, lfirst(lc)), &length);

		appendBinaryStringInfo(&text, value, (int) length);
		appendStringInfoChar(&text, '\n');
	}
	return text.data;
}

char *
page_edge_row_text(const PageEdge *edge, const JsonNode *row)
{
	size_t		length;
	const char *content = json_text(json_path_get(row, edge->content_path), &length);

	return psprintf("%s%s", fixed_text(edge, row), content);
}

char *
page_edge_row_name(const PageEdge *edge, const JsonNode *row)
{
	return copy_json(json_path_get(row, edge->name_path));
}

/*
 * Describe a row; palloc'd in CurrentMemoryContext.
 */
static EdgeRow *
describe_row(const PageEdge *edge, PageRow *row)
{
	const JsonNode *content = json_path_get(row->node, edge->content_path);
	EdgeRow		   *result = palloc0(sizeof(EdgeRow));

	result->time = row->time;
	result->fixed = fixed_text(edge, row->node);
	result->content = copy_json(content);
	result->whole = copy_json(row->node);
	result->alters = json_node_kind(content) != JSON_NODE_STRING ||
					 json_node_boolean(json_path_get(row->node, edge->edited_path));
	result->row = row;
	return result;
}

/*----------
 * Comparing
 *----------
 */

/* How much of two rows must be the same. */
typedef enum Likeness
{
	LIKE_WHOLE,
	LIKE_CONTENT,
	LIKE_FIXED
} Likeness;

static int
compare_texts(const EdgeRow *a, const EdgeRow *b, Likeness likeness)
{
	int result = strcmp(a->fixed, b->fixed);

	if (result == 0 && likeness == LIKE_WHOLE)
		result = strcmp(a->whole, b->whole);
	else if (result == 0 && likeness == LIKE_CONTENT)
		result = strcmp(a->content, b->content);
	return result;
}

static int
compare_by_whole(const ListCell *a, const ListCell *b)
{
	return compare_texts(lfirst(a), lfirst(b), LIKE_WHOLE);
}

static int
compare_by_content(const ListCell *a, const ListCell *b)
{
	return compare_texts(lfirst(a), lfirst(b), LIKE_CONTENT);
}

static int
compare_by_fixed(const ListCell *a, const ListCell *b)
{
	return compare_texts(lfirst(a), lfirst(b), LIKE_FIXED);
}

/*
 * Return the next row of a list, from *place on, that isn't found yet, and may have altered if need
 * be; NULL at the end.
 */
static EdgeRow *
next_left(const List *rows, int *place, bool altered)
{
	for (; *place < list_length(rows); (*place)++)
	{
		EdgeRow *row = list_nth(rows, *place);

		if (!row->found && (!altered || row->alters))
			return row;
	}
	return NULL;
}

/*
 * Note that a row of a page is one that was remembered, and remember it as it is now.  Which one it
 * was isn't sure where its content is another, too: it will be remembered besides those.
 */
static void
note_found(const PageEdge *edge, EdgeRow *remembered, EdgeRow *row)
{
	remembered->found = true;
	row->found = true;
	row->row->known = true;
	row->row->altered = strcmp(remembered->content, row->content) != 0;
	if (row->row->altered || strcmp(remembered->whole, row->whole) == 0)
		return;
	pfree(remembered->whole);
	pfree(remembered->content);
	remembered->whole = MemoryContextStrdup(edge->context, row->whole);
	remembered->content = MemoryContextStrdup(edge->context, row->content);
}

/*
 * Pair the rows that were remembered with those of a page that are as like them, each with one at
 * most.
 */
static void
pair_rows(PageEdge *edge, List *rows, Likeness likeness)
{
	static int (*const comparisons[])(const ListCell *, const ListCell *) = {
		[LIKE_WHOLE] = compare_by_whole,
		[LIKE_CONTENT] = compare_by_content,
		[LIKE_FIXED] = compare_by_fixed,
	};
	int		 place = 0;
	int		 remembered_place = 0;
	EdgeRow *row;
	EdgeRow *remembered;

	list_sort(edge->rows, comparisons[likeness]);
	list_sort(rows, comparisons[likeness]);
	while ((row = next_left(rows, &place, likeness == LIKE_FIXED)) != NULL &&
		   (remembered = next_left(edge->rows, &remembered_place, false)) != NULL)
	{
		int order = compare_texts(remembered, row, likeness);

		if (order == 0)
			note_found(edge, remembered, row);
		if (order >= 0)
			place++;
		if (order <= 0)
			remembered_place++;
	}
}

void
page_edge_find_known(PageEdge *edge, PageRow *rows, size_t nrows)
{
	List	 *candidates = NIL;
	ListCell *lc;

	for (size_t i = 0; i < nrows; i++)
	{
		rows[i].known = rows[i].altered = false;
		if (edge->rows != NIL && rows[i].time >= edge->earliest && rows[i].time <= edge->latest)
			candidates = lappend(candidates, describe_row(edge, &rows[i]));
	}
	if (candidates == NIL)
		return;
	foreach(lc, edge->rows)
		((EdgeRow *) lfirst(lc))->found = false;
	pair_rows(edge, candidates, LIKE_WHOLE);
	pair_rows(edge, candidates, LIKE_CONTENT);
	pair_rows(edge, candidates, LIKE_FIXED);
}

/*----------
 * Remembering
 *----------
 */

/*
 * Note between which times the rows are.
 */
static void
set_times(PageEdge *edge)
{
	ListCell *lc;

	edge->earliest = PG_INT64_MAX;
	edge->latest = PG_INT64_MIN;
	foreach(lc, edge->rows)
	{
		edge->earliest = Min(edge->earliest, ((EdgeRow *) lfirst(lc))->time);
		edge->latest = Max(edge->latest, ((EdgeRow *) lfirst(lc))->time);
	}
}

void
page_edge_remember(PageEdge *edge, const PageRow *rows, size_t nrows, int64 newest)
{
	for (size_t i = 0; i < nrows; i++)
	{
		PageRow		  row = rows[i];
		EdgeRow		 *described;
		EdgeRow		 *remembered;
		MemoryContext old_context;

		if (row.time > newest || (row.known && !row.altered))
			continue;
		described = describe_row(edge, &row);
		old_context = MemoryContextSwitchTo(edge->context);
		remembered = palloc0(sizeof(EdgeRow));
		remembered->time = row.time;
		remembered->fixed = pstrdup(described->fixed);
		remembered->content = pstrdup(described->content);
		remembered->whole = pstrdup(described->whole);
		edge->rows = lappend(edge->rows, remembered);
		MemoryContextSwitchTo(old_context);
	}
	set_times(edge);
}

void
page_edge_forget(PageEdge *edge, int64 newest)
{
	ListCell *lc;

	foreach(lc, edge->rows)
	{
		EdgeRow *row = lfirst(lc);

		if (row->time <= newest)
			continue;
		edge->rows = foreach_delete_current(edge->rows, lc);
		pfree(row->fixed);
		pfree(row->content);
		pfree(row->whole);
		pfree(row);
	}
	set_times(edge);
}
