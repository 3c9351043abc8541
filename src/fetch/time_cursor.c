/*-------------------------------------------------------------------------
 *
 * time_cursor.c
 *		Read a list whose pages follow each other by time, newest first.
 *
 * The next page is asked for by the oldest time on the page at hand plus a millisecond, so that
 * rows which share that time come again together with those that the page had no room for; the
 * former are dropped (page_edge.c).  Where a page holds nothing but rows of the one millisecond
 * that it was asked for, asking again would bring the same.  Then those at the other end of that
 * millisecond are asked for: if they meet the others, all are there; if they don't, the API has no
 * way to get at those between, which is an error.
 *
 * That they meet is told by rows that both have.  Where some are the same as others in that
 * millisecond, or are named as others may be, it can't be told: they may be others just like them.
 * Nor can it be where one came or went between the two requests.  So both ends are asked for once
 * more, unless this end shows the same as before.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/compat.h"
#include "fetch/time_cursor.h"
#include "fetch/page_edge.h"
#include "json/json_path.h"
#include "fetch/last_page.h"
#include "fetch/order.h"

/* How often an end of a millisecond is asked for again in a list at most. */
#define MAX_RETRIES 5

/* Rows of a page that share a moment, in the page's order. */
typedef struct MomentRows
{
	List *texts; /* char *; see page_edge_row_text() */
	List *names; /* char *; see page_edge_row_name() */
} MomentRows;

struct TimeCursor
{
	const ChildrenRequest *request;
	MemoryContext		   context;
	const char			  *time_path; /* text */
	const JsonPath		  *time;

	bool  at_end;
	bool  moved;   /* a page was read, and the next one is asked for by it */
	bool  bounded; /* the next page is asked for ... */
	int64 before;  /* ... of what is older than this, Unix milliseconds; */
	bool  turned;  /* or rather of what is newer than this, from the other end of a millisecond: */
	int64 after;
	int64 moment;	  /* the one that was turned to last; PG_INT64_MAX before the first */
	MomentRows front; /* its rows from this end, ... */
	bool	   same;  /* ... which are those that it had when it was turned to before */
	int		   retries;

	bool  stops; /* what is older than this is of no use */
	int64 stop_before;

	PageEdge *edge; /* rows that the next page may bring again */
};

/* A page that was taken. */
typedef struct MessagePage
{
	const char *target;	 /* for messages */
	bool		is_last; /* none follows, as far as the server can be believed */
	PageTimes	times;
	size_t		nelements; /* objects and others */
	size_t		nrows;	   /* objects ... */
	PageRow	   *rows;	   /* ... newest first */
} MessagePage;

TimeCursor *
time_cursor_create(const ChildrenRequest *request)
{
	const CrispResource *resource = request->options->resource;
	TimeCursor			*cursor = palloc0(sizeof(TimeCursor));
	int64				 upper;

	cursor->request = request;
	cursor->context = CurrentMemoryContext;
	cursor->moment = PG_INT64_MAX;
	cursor->time_path = resource->cursor->path;
	cursor->time = json_path_of(resource->cursor->path);
	cursor->edge = page_edge_create(resource);
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
time_cursor_at_end(const TimeCursor *cursor)
{
	return cursor->at_end;
}

bool
time_cursor_expects_rows(const TimeCursor *cursor)
{
	return cursor->moved;
}

char *
time_cursor_query(const TimeCursor *cursor)
{
	const CrispCursor *params = cursor->request->options->resource->cursor;

	if (!cursor->bounded)
		return pstrdup("");
	if (cursor->turned)
		return psprintf("%s=" INT64_FORMAT, params->after_param, cursor->after);
	return psprintf("%s=" INT64_FORMAT, params->before_param, cursor->before);
}

int
time_cursor_retries(const TimeCursor *cursor)
{
	return cursor->retries;
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
 * Look at a page: its rows, and which of them were on an earlier one.
 */
static MessagePage
read_page(TimeCursor *cursor, const JsonNode *elements, bool more, const char *target)
{
	MessagePage page = {.target = target,
						.nelements = json_node_length(elements),
						.times = order_page_times(elements, cursor->time_path)};

	page.is_last = page_is_last(cursor->request->options, page.nelements, CRISP_MIN_PER_PAGE, more);
	page.rows = palloc(sizeof(PageRow) * Max(page.nelements, 1));
	for (size_t i = 0; i < page.nelements; i++)
	{
		PageRow *row = &page.rows[page.nrows];

		row->node = json_node_element(elements, i);
		row->place = i;
		if (json_node_kind(row->node) != JSON_NODE_OBJECT)
			continue;
		if (!order_row_time(row->node, cursor->time, &row->time))
			row->time = PG_INT64_MIN;
		page.nrows++;
	}
	qsort(page.rows, page.nrows, sizeof(PageRow), compare_rows);
	page_edge_find_known(cursor->edge, page.rows, page.nrows);
	return page;
}

pg_noreturn static void
raise_unreadable(const TimeCursor *cursor, const MessagePage *page, const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_FDW_ERROR),
					errmsg("cannot read all rows of a list of \"%s\", server \"%s\"",
						   cursor->request->options->resource->name,
						   cursor->request->options->server_name),
					errdetail("GET %s: %s", page->target, detail)));
}

/*
 * Raise an error where a page has rows that are newer than what was asked for.
 */
static void
check_times(const TimeCursor *cursor, const MessagePage *page)
{
	if (cursor->bounded && page->times.count > 0 && page->times.latest > cursor->before)
		raise_unreadable(cursor, page, "Rows are newer than those that were asked for.");
}

/*----------
 * A millisecond of more rows than a page
 *----------
 */

/*
 * Return a page's rows of the moment that was turned to, as they came.
 */
static MomentRows
moment_rows(const TimeCursor *cursor, const MessagePage *page)
{
	MomentRows result = {NIL, NIL};

	for (size_t i = 0; i < page->nrows; i++)
	{
		const JsonNode *row = page->rows[i].node;

		if (page->rows[i].time != cursor->moment)
			continue;
		result.texts = lappend(result.texts, page_edge_row_text(cursor->edge, row));
		result.names = lappend(result.names, page_edge_row_name(cursor->edge, row));
	}
	return result;
}

static bool
equal_texts(const List *first, const List *second)
{
	if (list_length(first) != list_length(second))
		return false;
	for (int i = 0; i < list_length(first); i++)
		if (strcmp(list_nth(first, i), list_nth(second, i)) != 0)
			return false;
	return true;
}

static List *
copy_texts(const List *texts)
{
	List	 *result = NIL;
	ListCell *lc;

	foreach(lc, texts)
		result = lappend(result, pstrdup(lfirst(lc)));
	return result;
}

/*
 * Ask for the rows of a millisecond from its other end.
 */
static void
turn_to(TimeCursor *cursor, int64 moment, const MessagePage *page)
{
	MemoryContext old_context;
	MomentRows	  rows;

	cursor->turned = true;
	cursor->moment = moment;
	cursor->after = moment - 1;
	rows = moment_rows(cursor, page);
	cursor->same = equal_texts(rows.texts, cursor->front.texts);
	old_context = MemoryContextSwitchTo(cursor->context);
	list_free_deep(cursor->front.texts);
	list_free_deep(cursor->front.names);
	cursor->front.texts = copy_texts(rows.texts);
	cursor->front.names = copy_texts(rows.names);
	MemoryContextSwitchTo(old_context);
}

static int
compare_texts(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

/*
 * Say whether all texts differ from each other.
 */
static bool
all_differ(const List *texts)
{
	List	   *sorted = list_copy(texts);
	const char *previous = NULL;
	ListCell   *lc;

	list_sort(sorted, compare_texts);
	foreach(lc, sorted)
	{
		if (previous != NULL && strcmp(previous, lfirst(lc)) == 0)
			return false;
		previous = lfirst(lc);
	}
	return true;
}

/*
 * Say where the last rows of a page begin that are the first of another, as many as there are; -1
 * where no rows are.
 */
static int
find_overlap(const List *first, const List *second)
{
	for (int i = 0; i < list_length(first); i++)
	{
		int j = 0;

		while (i + j < list_length(first) && j < list_length(second) &&
			   strcmp(list_nth(first, i + j), list_nth(second, j)) == 0)
			j++;
		if (i + j == list_length(first))
			return i;
	}
	return -1;
}

/*
 * Say whether a name is one that a sender is likely to give to one row alone: Crisp's own are
 * positive numbers.
 */
static bool
is_own_name(const char *name)
{
	return name[0] >= '1' && name[0] <= '9';
}

/*
 * Say whether pages overlap, the last rows of one being the first of the other: then there is
 * nothing between them.  Rows that are the same as others prove nothing, nor do those whose senders
 * use a name again.
 */
static bool
runs_on(const MomentRows *first, const MomentRows *second)
{
	int	  start = find_overlap(first->texts, second->texts);
	List *texts = list_copy(first->texts);
	List *names = list_copy(first->names);
	int	  shared = list_length(first->texts) - start;

	if (start < 0)
		return false;
	for (int i = shared; i < list_length(second->texts); i++)
	{
		texts = lappend(texts, list_nth(second->texts, i));
		names = lappend(names, list_nth(second->names, i));
	}
	if (list_length(texts) == shared)
		return all_differ(texts);
	for (int i = 0; i < shared; i++)
		if (!is_own_name(list_nth(second->names, i)))
			return false;
	return all_differ(names);
}

/*
 * Say whether a page from the other end of a millisecond meets the one from this end.  A page may
 * have its rows in either order.
 */
static bool
ends_meet(const MomentRows *front, const MomentRows *back)
{
	/* Of rows that all differ, one alone can be where an overlap begins. */
	if (front->texts == NIL || back->texts == NIL || !all_differ(front->texts) ||
		!all_differ(back->texts))
		return false;
	return runs_on(back, front) || runs_on(front, back);
}

/*
 * Go back to this end, after ends of a millisecond that don't meet.  Raise an error where that has
 * been of no use.
 */
static void
turn_back(TimeCursor *cursor, const MessagePage *page)
{
	if (cursor->same || cursor->retries == MAX_RETRIES)
		raise_unreadable(cursor, page,
						 "More rows share one millisecond than the list shows from either end.");
	cursor->retries++;
	cursor->turned = false;
	cursor->moment = PG_INT64_MAX;
}

/*
 * Take a page from the other end of a millisecond.  All of that is known if the page goes on behind
 * it, or meets what has come from this end.  Should the API count the moment that was asked for as
 * newer than itself, the millisecond is asked for once more, without the one before.
 */
static void
take_turned_page(TimeCursor *cursor, MessagePage *page)
{
	MomentRows back = moment_rows(cursor, page);
	bool	   older = page->times.count > 0 && page->times.earliest < cursor->moment;
	bool	   newer = page->times.count > 0 && page->times.latest > cursor->moment;
	bool	   all = (newer || page->is_last) &&
			   list_length(back.texts) >= list_length(cursor->front.texts);
	size_t kept = 0;

	/* Those of other times come with other pages, or have come. */
	for (size_t i = 0; i < page->nrows; i++)
		if (page->rows[i].time == cursor->moment)
			page->rows[kept++] = page->rows[i];
	page->nrows = kept;

	page_edge_remember(cursor->edge, page->rows, page->nrows, cursor->before);
	all = all || ends_meet(&cursor->front, &back);
	if (all)
	{
		/* Now to what is older than that millisecond. */
		cursor->turned = false;
		cursor->before = cursor->moment;
	}
	else if (older && cursor->after < cursor->moment)
		cursor->after = cursor->moment;
	else
		turn_back(cursor, page);
}

/*----------
 * From page to page
 *----------
 */

/*
 * Set where the next page begins, after a page.  Should the API count the moment that was asked for
 * as older than itself, rows of that moment show it, and there is no need to step over it.
 */
static void
move_on(TimeCursor *cursor, const MessagePage *page)
{
	int64 earliest = page->times.earliest;

	if (page->times.count == 0)
		raise_unreadable(cursor, page, "Pages follow, but no row has a time.");
	check_times(cursor, page);
	if (earliest <= PG_INT64_MIN + 1 || earliest >= PG_INT64_MAX - 1)
		raise_unreadable(cursor, page, "Rows have times that can't be asked for.");
	if (!cursor->bounded || earliest + 1 < cursor->before)
		cursor->before = earliest + 1;
	else if (earliest < cursor->before && page->times.latest == cursor->before)
		cursor->before = earliest;
	else if (earliest == cursor->moment)
		cursor->before--;
	else
		turn_to(cursor, earliest, page);
	cursor->bounded = true;
	cursor->moved = true;
}

size_t
time_cursor_take_page(TimeCursor *cursor, const JsonNode *elements, bool more, const char *target,
					  const JsonNode **rows)
{
	MessagePage page = read_page(cursor, elements, more, target);
	size_t		nrows = 0;

	/* The first page may begin where it likes: whoever asked checks that. */
	if (cursor->moved && !cursor->turned)
		check_times(cursor, &page);
	if (cursor->turned)
		take_turned_page(cursor, &page);
	else if (page.is_last ||
			 (cursor->stops && page.times.count > 0 && page.times.earliest < cursor->stop_before))
		cursor->at_end = true;
	else
	{
		move_on(cursor, &page);
		page_edge_forget(cursor->edge, cursor->before);
		page_edge_remember(cursor->edge, page.rows, page.nrows, cursor->before);
	}
	for (size_t i = 0; i < page.nrows; i++)
		if (!page.rows[i].known)
			rows[nrows++] = page.rows[i].node;
	pfree(page.rows);
	return nrows;
}
