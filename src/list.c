/*-------------------------------------------------------------------------
 *
 * list.c
 *		All rows of a list, while it moves.
 *
 * A row that is updated moves to the front of a list that is sorted by update,
 * and every row that is deleted lets those behind it slide one place forward.
 * Page numbers alone would lose rows to both.
 *
 * A fast scan reads pages, several at a time.  Where it took more than one, it ends with a
 * last look: the list of what was updated since it began, which holds the
 * rows that moved to the front.  That list moves as well: a look that took more than one page is
 * followed by another, at what was updated since that look began.
 *
 * An exact scan asks for one page at a time, of what is not newer than the
 * oldest row that it has seen.  Where rows are is then no matter of how many
 * stand before them.  It ends with the same last look, read in the same way.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "compat.h"
#include "list.h"
#include "order.h"
#include "timerange.h"

/* How a reader goes through the list, or through what it looks at last. */
typedef enum ReaderPhase
{
	READER_PAGES, /* page by page */
	READER_DATES, /* by date */
	READER_END
} ReaderPhase;

struct ListReader
{
	const CrispRequest *request;
	const CrispColumn  *dates; /* NULL where the API takes none */
	MemoryContext		context;
	ReaderPhase			phase;
	CrispRequest		step; /* what pager asks for */
	Pager			   *pager;
	SeenKeys		   *seen;	/* NULL where rows have no key */
	PagerCounts			counts; /* of earlier pagers */

	/* READER_DATES */
	int	  page_number;	/* of the page at hand, within its bound */
	int64 oldest;		/* Unix milliseconds, the bound */
	int64 group;		/* rows within the bound's millisecond, on the pages so far ... */
	int64 group_before; /* ... and in the pass over them before; -1 for none */

	/* For the last look. */
	int64 pages_before; /* of counts, when the list or the look began */
	bool  has_first;	/* its first page has come, */
	bool  has_news;		/* and has a date, later than all that were seen before: */
	int64 newest;		/* the latest of all, Unix milliseconds */
};

/*----------
 * Steps
 *----------
 */

/*
 * Start to read what step asks for.
 */
static void
begin_step(ListReader *reader)
{
	MemoryContext old_context = MemoryContextSwitchTo(reader->context);

	reader->pager = pager_begin(&reader->step, reader->seen);
	MemoryContextSwitchTo(old_context);
}

static void
add_counts(PagerCounts *sum, PagerCounts counts)
{
	sum->pages += counts.pages;
	sum->rows += counts.rows;
	sum->doubles += counts.doubles;
	sum->past_end += counts.past_end;
}

static void
end_step(ListReader *reader)
{
	add_counts(&reader->counts, pager_counts(reader->pager));
	pager_end(reader->pager);
	reader->pager = NULL;
}

/*----------
 * By date
 *----------
 */

/*
 * Whether the request can be read by date: it is to be exact, and asks for a
 * whole list.
 */
static bool
reads_by_date(const ListReader *reader)
{
	const CrispRequest *request = reader->request;

	return request->options->exact_scan && reader->dates != NULL && request->order == NULL;
}

pg_noreturn static void
raise_no_order(const ListReader *reader)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_FDW_ERROR),
		 errmsg("cannot read \"%s\" exactly, server \"%s\"",
				reader->request->options->resource->name, reader->request->options->server_name),
		 errdetail(
			 "Crisp does not keep to the order by %s, or to the dates, that it was asked for.",
			 reader->dates->path),
		 errhint("Set option scan_mode to fast.")));
}

/*
 * Begin to read by date, from the newest.
 */
static void
begin_dates(ListReader *reader)
{
	reader->step.order = crisp_resource_order(reader->request->options->resource,
											  reader->dates->path);
	reader->oldest = PG_INT64_MAX;
	reader->page_number = 1;
	reader->group = 0;
	reader->group_before = -1;
	begin_step(reader);
	(void) pager_go_to(reader->pager, 1);
}

/*
 * Raise an error unless the page at hand is what was asked for.
 */
static void
check_order(ListReader *reader, PageTimes times)
{
	bool in_order = times.falling && (times.count == 0 || reader->oldest == PG_INT64_MAX ||
									  times.first <= reader->oldest + 1);

	if (!in_order)
		order_disprove(&reader->step);
	if (!in_order || !order_is_trusted(&reader->step))
		raise_no_order(reader);
}

/*
 * How many elements of the page at hand are not older than the bound.
 */
static int64
count_group(const ListReader *reader)
{
	const JsonNode *rows = pager_page(reader->pager);
	size_t			nrows = json_node_length(rows);
	int64			count = 0;
	const char	   *error;
	JsonPath	   *path = json_path_parse(reader->dates->path, &error);

	for (size_t i = 0; i < nrows; i++)
	{
		int64 time;

		if (!order_row_time(json_node_element(rows, i), path, &time) || time >= reader->oldest)
			count++;
	}
	return count;
}

/*
 * After a page that was read by date: get the next.  Returns false when there is none.
 *
 * Rows that share one millisecond with the bound, and don't fit a page, are
 * read by page number; so are rows without a date, which come last.  One that
 * is deleted meanwhile lets another slide onto a page that was read, so they are read
 * until two passes over them have found as many.
 */
static bool
next_by_date(ListReader *reader)
{
	PageTimes times = order_page_times(pager_page(reader->pager), reader->dates->path);
	bool	  last_page = pager_on_last_page(reader->pager);
	bool	  is_bounded = reader->oldest != PG_INT64_MAX;

	/* What fits a page is in whatever order. */
	if (last_page && !is_bounded)
		return false;
	check_order(reader, times);

	reader->group += count_group(reader);
	if (!last_page && (times.count == 0 || times.last >= reader->oldest))
		(void) pager_go_to(reader->pager, ++reader->page_number);
	else if (is_bounded && reader->page_number > 1 && reader->group != reader->group_before)
	{
		reader->group_before = reader->group;
		reader->group = 0;
		reader->page_number = 1;
		(void) pager_go_to(reader->pager, 1);
	}
	else if (last_page)
		return false;
	else
	{
		reader->oldest = times.last;
		reader->step.dates.upper = Min(reader->request->dates.upper,
									   time_range_from_unix_ms(times.last));
		reader->group = 0;
		reader->group_before = -1;
		reader->page_number = 1;
		end_step(reader);
		begin_step(reader);
		(void) pager_go_to(reader->pager, 1);
	}
	return true;
}

/*----------
 * The whole
 *----------
 */

ListReader *
list_reader_begin(const CrispRequest *request)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw list",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	ListReader	 *reader = palloc0(sizeof(ListReader));

	reader->request = request;
	reader->dates = crisp_resource_dates(request->options->resource);
	reader->context = context;
	reader->step = *request;
	reader->newest = PG_INT64_MIN;
	if (crisp_resource_key(request->options->resource) != NULL)
		reader->seen = seen_create((Size) work_mem * 1024);
	MemoryContextSwitchTo(old_context);

	if (reads_by_date(reader))
		reader->phase = READER_DATES;
	else
		begin_step(reader);
	return reader;
}

/*
 * The column by which a row that changes moves to the front of what is asked
 * for; NULL where there is none, or none that could be asked for.
 */
static const CrispColumn *
change_column(const ListReader *reader)
{
	const CrispRequest *request = reader->request;

	if (request->stops)
		return request->stop_column;
	if (request->order != NULL || !request->options->resource->dates_follow_changes)
		return NULL;
	return reader->dates;
}

/*
 * Remember how new the list, or what is looked at, was when it began to be read.
 */
static void
note_first_page(ListReader *reader)
{
	const CrispColumn *column = change_column(reader);
	PageTimes		   times;

	if (column == NULL || reader->has_first || pager_page(reader->pager) == NULL)
		return;
	reader->has_first = true;
	times = order_page_times(pager_page(reader->pager), column->path);
	reader->has_news = times.count > 0 && times.latest > reader->newest;
	if (reader->has_news)
		reader->newest = times.latest;
}

/*
 * After the list, or a look at it: begin a last look, if there is a use for it.  What fits a
 * page has not moved while it was read.
 */
static bool
begin_last_look(ListReader *reader)
{
	const CrispRequest *request = reader->request;
	int64				since = time_range_from_unix_ms(reader->newest);

	if (!reader->has_news || reader->counts.pages - reader->pages_before <= 1 ||
		(!request->stops && since > request->dates.upper))
		return false;

	reader->pages_before = reader->counts.pages;
	reader->has_first = false;
	reader->has_news = false;
	reader->step = *request;
	reader->step.pages_wanted = 0;
	reader->step.pages_expected = 1;
	if (request->stops)
		reader->step.stop_before = Max(reader->newest, request->stop_before);
	else
		reader->step.dates.lower = Max(since, request->dates.lower);
	if (reader->phase == READER_PAGES)
		begin_step(reader);
	return true;
}

/*
 * After the last page of the list, or of a look.
 */
static void
end_list(ListReader *reader)
{
	end_step(reader);
	if (!begin_last_look(reader))
		reader->phase = READER_END;
}

const JsonNode *
list_reader_next(ListReader *reader)
{
	while (reader->phase != READER_END)
	{
		const JsonNode *row;

		if (reader->pager == NULL)
			begin_dates(reader);
		row = reader->phase == READER_DATES ? pager_next_on_page(reader->pager)
											: pager_next(reader->pager);
		note_first_page(reader);
		if (row != NULL)
			return row;
		if (reader->phase != READER_DATES || !next_by_date(reader))
			end_list(reader);
	}
	return NULL;
}

bool
list_reader_at_hand(const ListReader *reader)
{
	return reader->pager != NULL && pager_at_hand(reader->pager);
}

bool
list_reader_is_ready(ListReader *reader)
{
	/* So that the last look is under way, too. */
	while (reader->phase == READER_PAGES && pager_on_last_page(reader->pager) &&
		   !pager_at_hand(reader->pager))
		end_list(reader);

	/* A scan by date asks for one page after the other, and waits for each. */
	return reader->phase != READER_PAGES || pager_is_ready(reader->pager);
}

bool
list_reader_is_settled(const ListReader *reader)
{
	return pager_is_settled(reader->pager);
}

pgsocket
list_reader_socket(const ListReader *reader)
{
	return pager_socket(reader->pager);
}

PagerCounts
list_reader_counts(const ListReader *reader)
{
	PagerCounts sum = reader->counts;

	if (reader->pager != NULL)
		add_counts(&sum, pager_counts(reader->pager));
	return sum;
}

void
list_reader_end(ListReader *reader)
{
	if (reader->pager != NULL)
		pager_end(reader->pager);
	if (reader->seen != NULL)
		seen_free(reader->seen);
	MemoryContextDelete(reader->context);
}
