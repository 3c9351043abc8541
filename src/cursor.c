/*-------------------------------------------------------------------------
 *
 * cursor.c
 *		A list whose pages follow each other by time, newest first.
 *
 * The next page is asked for by the oldest time on the page at hand plus a
 * millisecond, so that rows which share that time come again together with those that
 * the page had no room for; the former are dropped by their keys.  Where a
 * page holds nothing but rows of the one millisecond that it was asked for, asking
 * again would bring the same.  Then those at the other end of that millisecond are
 * asked for: if they meet the others, all are there; if they don't, the API has no way to get at
 * those between, which is an error.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "compat.h"
#include "cursor.h"
#include "lastpage.h"
#include "order.h"

/* The key of a row that may come again. */
typedef struct EdgeKey
{
	int64 time; /* PG_INT64_MIN where the row has none */
	char *text;
} EdgeKey;

struct Cursor
{
	const CrispRequest *request;
	MemoryContext		context;
	const char		   *time_path; /* text */
	const JsonPath	   *time;
	const JsonPath	   *key;

	bool  at_end;
	bool  moved;   /* a page was read, and the next one is asked for by it */
	bool  bounded; /* the next page is asked for ... */
	int64 before;  /* ... of what is older than this, Unix milliseconds; */
	bool  turned;  /* or rather of what is newer than this, from the other end of a millisecond: */
	int64 after;
	int64 moment; /* the one that was turned to last; PG_INT64_MAX before the first */

	bool  stops; /* what is older than this is of no use */
	int64 stop_before;

	List *edge; /* EdgeKey *, of rows that the next page may bring again */
};

/* A new row on a page. */
typedef struct PageRow
{
	const JsonNode *node;
	int64			time; /* PG_INT64_MIN where it has none */
	size_t			place;
} PageRow;

Cursor *
cursor_create(const CrispRequest *request)
{
	const CrispResource *resource = request->options->resource;
	const CrispColumn	*key = crisp_resource_key(resource);
	Cursor				*cursor = palloc0(sizeof(Cursor));
	const char			*error;
	int64				 upper;

	cursor->request = request;
	cursor->context = CurrentMemoryContext;
	cursor->moment = PG_INT64_MAX;
	cursor->time_path = resource->cursor->path;
	cursor->time = json_path_parse(resource->cursor->path, &error);
	cursor->key = key ? json_path_parse(key->path, &error) : NULL;
	cursor->stops = time_range_lower(request->times, &cursor->stop_before);

	/* What is before the epoch can't be said. */
	if (time_range_upper(request->times, &upper) && upper >= 0)
	{
		cursor->bounded = true;
		cursor->before = upper + 1;
	}
	return cursor;
}

bool
cursor_at_end(const Cursor *cursor)
{
	return cursor->at_end;
}

char *
cursor_query(const Cursor *cursor)
{
	const CrispCursor *params = cursor->request->options->resource->cursor;

	if (!cursor->bounded)
		return pstrdup("");
	if (cursor->turned)
		return psprintf("%s=" INT64_FORMAT, params->after_param, cursor->after);
	return psprintf("%s=" INT64_FORMAT, params->before_param, cursor->before);
}

/*----------
 * Rows that come again
 *----------
 */

/*
 * The text of a row's key, or NULL.
 */
static const char *
key_text(const Cursor *cursor, const JsonNode *row)
{
	const JsonNode *key = cursor->key ? json_path_get(row, cursor->key) : NULL;
	size_t			length;

	return key == NULL ? NULL : json_text(key, &length);
}

/*
 * Whether a row is among those that may come again.
 */
static bool
is_on_edge(const Cursor *cursor, const JsonNode *row)
{
	const char *text = key_text(cursor, row);
	ListCell   *lc;

	if (text == NULL)
		return false;
	foreach(lc, cursor->edge)
		if (strcmp(((EdgeKey *) lfirst(lc))->text, text) == 0)
			return true;
	return false;
}

/*
 * Forget the rows that are too new to come again.
 */
static void
trim_edge(Cursor *cursor, int64 newest)
{
	ListCell *lc;

	foreach(lc, cursor->edge)
	{
		EdgeKey *key = lfirst(lc);

		if (key->time <= newest)
			continue;
		cursor->edge = foreach_delete_current(cursor->edge, lc);
		pfree(key->text);
		pfree(key);
	}
}

/*
 * Remember the new rows that may come again: those that aren't newer than that.
 */
static void
extend_edge(Cursor *cursor, const PageRow *rows, size_t nrows, int64 newest)
{
	for (size_t i = 0; i < nrows; i++)
	{
		const char	 *text = key_text(cursor, rows[i].node);
		MemoryContext old_context;
		EdgeKey		 *key;

		if (text == NULL || rows[i].time > newest)
			continue;
		old_context = MemoryContextSwitchTo(cursor->context);
		key = palloc(sizeof(EdgeKey));
		key->time = rows[i].time;
		key->text = pstrdup(text);
		cursor->edge = lappend(cursor->edge, key);
		MemoryContextSwitchTo(old_context);
	}
}

/*----------
 * Pages
 *----------
 */

static int
compare_rows(const void *a, const void *b)
{
	const PageRow *row_a = a;
	const PageRow *row_b = b;

	if (row_a->time != row_b->time)
		return row_a->time > row_b->time ? -1 : 1;
	return row_a->place < row_b->place ? -1 : 1;
}

/*
 * The rows of a page that were not on an earlier one, newest first; *nrows gets how many.
 */
static PageRow *
new_rows(const Cursor *cursor, const JsonNode *page, size_t *nrows)
{
	size_t	 nelements = json_node_length(page);
	PageRow *rows = palloc(sizeof(PageRow) * Max(nelements, 1));

	*nrows = 0;
	for (size_t i = 0; i < nelements; i++)
	{
		PageRow *row = &rows[*nrows];

		row->node = json_node_element(page, i);
		row->place = i;
		if (json_node_kind(row->node) != JSON_NODE_OBJECT || is_on_edge(cursor, row->node))
			continue;
		if (!order_row_time(row->node, cursor->time, &row->time))
			row->time = PG_INT64_MIN;
		(*nrows)++;
	}
	qsort(rows, *nrows, sizeof(PageRow), compare_rows);
	return rows;
}

pg_noreturn static void
raise_unreadable(const Cursor *cursor, const char *target, const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_FDW_ERROR),
					errmsg("cannot read all rows of a list of \"%s\", server \"%s\"",
						   cursor->request->options->resource->name,
						   cursor->request->options->server_name),
					errdetail("GET %s: %s", target, detail)));
}

/*
 * Raise an error where a page has rows that are newer than what was asked for.
 */
static void
check_times(const Cursor *cursor, PageTimes times, const char *target)
{
	if (cursor->bounded && times.count > 0 && times.latest > cursor->before)
		raise_unreadable(cursor, target, "Rows are newer than those that were asked for.");
}

/*
 * After a page: where the next one begins, given the page's times.  Should the
 * API count the moment that was asked for as older than itself, rows of that
 * moment show it, and there is no need to step over it.
 */
static void
move_on(Cursor *cursor, PageTimes times, const char *target)
{
	if (times.count == 0)
		raise_unreadable(cursor, target, "Pages follow, but no row has a time.");
	check_times(cursor, times, target);
	if (!cursor->bounded || times.earliest + 1 < cursor->before)
		cursor->before = times.earliest + 1;
	else if (times.earliest < cursor->before && times.latest == cursor->before)
		cursor->before = times.earliest;
	else if (times.earliest == cursor->moment)
		cursor->before--;
	else
	{
		cursor->turned = true;
		cursor->moment = times.earliest;
		cursor->after = cursor->moment - 1;
	}
	cursor->bounded = true;
	cursor->moved = true;
}

/*
 * After a page from the other end of a millisecond: whether it meets what is
 * known of that already.  Leaves of rows those of that millisecond.  *older
 * tells whether the page has rows from before it.
 */
static bool
meets_known_rows(Cursor *cursor, const JsonNode *page, PageRow *rows, size_t *nrows, bool *older)
{
	int64  moment = cursor->moment;
	size_t nelements = json_node_length(page);
	size_t kept = 0;
	bool   known = false;
	bool   newer = false;

	*older = false;
	for (size_t i = 0; i < nelements; i++)
	{
		const JsonNode *row = json_node_element(page, i);
		int64			time;

		if (!order_row_time(row, cursor->time, &time))
			continue;
		newer = newer || time > moment;
		*older = *older || time < moment;
		known = known || (time == moment && is_on_edge(cursor, row));
	}
	for (size_t i = 0; i < *nrows; i++)
		if (rows[i].time == moment)
			rows[kept++] = rows[i];
	*nrows = kept;
	return known || newer;
}

/*
 * Take a page from the other end of a millisecond.  Should the API count the
 * moment that was asked for as newer than itself, the millisecond is asked for
 * once more, without the one before.
 */
static void
take_turned_page(Cursor *cursor, const JsonNode *page, bool more, const char *target, PageRow *rows,
				 size_t *nrows)
{
	bool older;
	bool all = meets_known_rows(cursor, page, rows, nrows, &older) || !more;

	extend_edge(cursor, rows, *nrows, cursor->before);
	if (!all && older && cursor->after < cursor->moment)
	{
		cursor->after = cursor->moment;
		return;
	}
	if (!all)
		raise_unreadable(cursor, target,
						 "More rows share one millisecond than the list shows from either end.");

	/* Now to what is older than that millisecond. */
	cursor->turned = false;
	cursor->before = cursor->moment;
}

size_t
cursor_take_page(Cursor *cursor, const JsonNode *page, bool more, const char *target,
				 const JsonNode **rows)
{
	PageTimes times = order_page_times(page, cursor->time_path);
	size_t	  nrows;
	PageRow	 *page_rows = new_rows(cursor, page, &nrows);

	/* The first page may begin where it likes: whoever asked checks that. */
	if (cursor->moved && !cursor->turned)
		check_times(cursor, times, target);
	if (cursor->turned)
		take_turned_page(cursor, page, more, target, page_rows, &nrows);
	else if (page_is_last(cursor->request->options, json_node_length(page), CRISP_MIN_PER_PAGE,
						  more) ||
			 (cursor->stops && times.count > 0 && times.earliest < cursor->stop_before))
		cursor->at_end = true;
	else
	{
		move_on(cursor, times, target);
		trim_edge(cursor, cursor->before);
		extend_edge(cursor, page_rows, nrows, cursor->before);
	}
	for (size_t i = 0; i < nrows; i++)
		rows[i] = page_rows[i].node;
	pfree(page_rows);
	return nrows;
}
