/*-------------------------------------------------------------------------
 *
 * list_reader.c
 *		All rows of a list, while it moves.
 *
 * A row that is updated moves to the front of a list that is sorted by update,
 * and every row that is deleted lets those behind it slide one place forward.
 * Page numbers alone would lose rows to both.
 *
 * A fast scan reads pages, several at a time.  Where it took more than one, it ends with a
 * last look: the list of what was updated since it began, which holds the
 * rows that moved to the front.  That list moves as well: a look that took more than one page is
 * followed by another, at what was updated since that look began.  What was made since the scan began is no
 * reason for another.
 *
 * A list that grows as fast as it is read doesn't end by page numbers: the rest of it is read by date.
 *
 * An exact scan reads by date (exact_reader.c).  Where rows are is then no matter of how many
 * stand before them.  It ends with the same last look, read in the same way.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "request/criteria.h"
#include "fetch/exact_reader.h"
#include "request/inbox.h"
#include "fetch/list_reader.h"
#include "fetch/order.h"
#include "request/time_range.h"

/*
 * A change may be seen some time after the moment that it bears: a row that was updated just before the first page
 * was answered, and isn't on it, may come to the front later, behind newer ones.  So the first look goes back by so
 * many milliseconds more, but not beyond half of the first page, which leaves room on a page for what has changed.
 */
#define LATE_MS 10000

/* Looks of several pages in a row that bring nothing older than the scan, after which there is no other. */
#define IDLE_LOOKS 2

/*
 * Looks that took no fewer pages than what they looked after, after which there is no other.  The list changes as
 * fast as it can be read, or Crisp doesn't keep to dates, so that each look is the whole list again.
 */
#define LARGE_LOOKS 3

/* Most looks after a list.  They halve again and again, unless something else is wrong. */
#define MAX_LOOKS 32

struct ListReader
{
	const ListRequest *request;
	MemoryContext	   context;
	const ListRequest *step;   /* what is asked for now: request, or a look */
	Pager			  *pager;  /* page by page; NULL at the end, */
	ExactReader		  *exact;  /* or by date */
	KeySet			  *seen;   /* NULL where rows have no key */
	PagerCounts		   counts; /* of earlier steps */
	bool			   found;  /* the value that was searched for */
	RowAge			   age;	   /* what was there when the scan began */

	/* For the last look.  Times are Unix milliseconds, of the column that tells changes. */
	const CrispColumn *column; /* NULL where there is none */
	const JsonPath	  *column_path;
	int64			   pages_before; /* of counts, when the list or the look began */
	bool			   has_first;	 /* the first page since has come */
	int64			   since;		 /* of the look; PG_INT64_MIN for the list itself */
	int64			   next_since; /* of the next look: no change since this step began is older, */
	int64			   next_start; /* but the look had better begin there */
	int64			   latest;	   /* of all rows so far, but for those of the future */
	int64			   clock;	   /* Crisp's, on the first page; PG_INT64_MAX if it isn't told */
	int64			   last_time;  /* of the row before, in this step */
	bool			   sorted;	   /* all rows so far came newest change first */
	bool			   brought;	   /* there were rows in this step, */
	bool			   brought_old; /* and some that may be older than the scan */
	int				   idle_looks;	/* looks in a row without such, */
	int				   looks;		/* and looks in all */
	int64			   step_pages;	/* pages of the step before this one */
	int				   large_looks; /* looks that took no fewer than what came before them */

	/* A last look that was asked for ahead of need; no pager where there is none. */
	ListRequest *look;
	Pager		*look_pager;
	int64		 look_retries; /* requests that had been made again by then */
	int			 page_checked; /* of pager: whether it's time for that */
};

/*----------
 * Steps
 *----------
 */

/*
 * The column by which a row that changes moves to the front of what is asked
 * for; NULL where there is none, or none that could be asked for.
 */
static const CrispColumn *
change_column(const ListRequest *request)
{
	if (request->stops)
		return request->stop_column;
	if (request->order != NULL || !request->options->resource->dates_follow_changes)
		return NULL;
	return crisp_resource_dates(request->options->resource);
}

bool
list_reader_is_exact(const ListRequest *request)
{
	return request->options->exact_scan && exact_is_possible(request);
}

/*
 * What reads a request by page numbers, as long as that leads to an end.
 */
static Pager *
begin_pager(ListReader *reader, const ListRequest *request)
{
	Pager *pager = pager_begin(request, reader->seen);

	if (crisp_resource_dates(request->options->resource) != NULL && reader->age.created != NULL &&
		reader->seen != NULL)
		pager_watch(pager, &reader->age);
	return pager;
}

/*
 * Start to read what step asks for.
 */
static void
begin_step(ListReader *reader)
{
	MemoryContext old_context = MemoryContextSwitchTo(reader->context);

	if (list_reader_is_exact(reader->request))
		reader->exact = exact_begin(reader->step, reader->seen, &reader->age);
	else
		reader->pager = begin_pager(reader, reader->step);
	MemoryContextSwitchTo(old_context);
}

PagerCounts
list_reader_counts(const ListReader *reader)
{
	PagerCounts sum = reader->counts;

	if (reader->pager != NULL)
		pager_add_counts(&sum, pager_counts(reader->pager));
	if (reader->exact != NULL)
		pager_add_counts(&sum, exact_counts(reader->exact));
	if (reader->since != PG_INT64_MIN && (reader->pager != NULL || reader->exact != NULL))
		sum.looks += sum.pages - reader->pages_before;
	return sum;
}

static void
end_step(ListReader *reader)
{
	reader->counts = list_reader_counts(reader);
	if (reader->pager != NULL)
		pager_end(reader->pager);
	if (reader->exact != NULL)
		exact_end(reader->exact);
	reader->pager = NULL;
	reader->exact = NULL;
}

ListRequest
list_reader_first_request(const ListRequest *request)
{
	return list_reader_is_exact(request) ? exact_first_request(request) : *request;
}

ListReader *
list_reader_begin(const ListRequest *request)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw list",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	ListReader	 *reader = palloc0(sizeof(ListReader));
	const char	 *error;

	reader->request = request;
	reader->context = context;
	reader->step = request;
	reader->column = change_column(request);
	if (reader->column != NULL)
		reader->column_path = json_path_parse(reader->column->path, &error);
	reader->since = reader->next_since = reader->next_start = reader->latest = PG_INT64_MIN;
	reader->last_time = PG_INT64_MAX;
	reader->clock = PG_INT64_MAX;
	reader->sorted = true;
	reader->age.began = PG_INT64_MIN;
	if (request->options->resource->created_path != NULL)
		reader->age.created = json_path_parse(request->options->resource->created_path, &error);
	if (crisp_resource_key(request->options->resource) != NULL)
		reader->seen = key_set_create((Size) work_mem * 1024);
	MemoryContextSwitchTo(old_context);

	begin_step(reader);
	return reader;
}

/*----------
 * The last look
 *----------
 */

/*
 * Take the time of a row for that of a change, unless Crisp's clock has yet to come to it: what will change
 * would be earlier.
 */
static void
note_time(ListReader *reader, int64 time)
{
	if (time <= reader->clock)
		reader->latest = Max(reader->latest, time);
}

static int
compare_times(const void *a, const void *b)
{
	int64 left = *(const int64 *) a;
	int64 right = *(const int64 *) b;

	return left < right ? -1 : left > right ? 1 : 0;
}

/*
 * Note when the scan began, by its first page.  The latest change tells that where the list comes by it; elsewhere
 * it's Crisp's clock, which may go before that of its rows.
 */
static void
note_beginning(ListReader *reader, const JsonNode *page)
{
	PageTimes times = {0};

	if (reader->age.began != PG_INT64_MIN)
		return;
	if (reader->column != NULL)
		times = order_page_times(page, reader->column->path);
	reader->age.began = times.falling && times.count > 0 && times.latest <= reader->clock
							? times.latest
							: reader->clock;
}

/*
 * Look at the times of a step's first page.  What changes after that was answered changes no
 * earlier than any row that came with it or before it; see above for by how much that may be wrong.
 */
static void
note_first_page(ListReader *reader)
{
	const JsonNode *page = list_reader_page(reader);
	size_t			nrows = json_node_length(page);
	size_t			ntimes = 0;
	int64		   *times;
	int64			date;

	if (reader->has_first || page == NULL)
		return;
	date = reader->exact ? exact_page_date(reader->exact) : pager_page_date(reader->pager);
	reader->has_first = true;
	reader->clock = date > 0 ? Min(date, PG_INT64_MAX / 2000) * 1000 + 999 : PG_INT64_MAX;
	note_beginning(reader, page);
	if (reader->column == NULL)
		return;
	times = palloc(sizeof(int64) * Max(nrows, 1));
	for (size_t i = 0; i < nrows; i++)
		if (order_row_time(json_node_element(page, i), reader->column_path, &times[ntimes]))
			note_time(reader, times[ntimes++]);
	if (ntimes > 0 && reader->latest == PG_INT64_MIN)
		reader->latest = reader->clock;
	reader->next_since = reader->next_start = reader->latest;
	if (ntimes > 0 && reader->since == PG_INT64_MIN)
	{
		qsort(times, ntimes, sizeof(int64), compare_times);
		reader->next_start = time_shift(reader->latest, -LATE_MS);
		if (times[ntimes / 2] <= reader->latest)
			reader->next_start = Max(reader->next_start, times[ntimes / 2]);
	}
	pfree(times);
}

/*
 * Whether a row has the value that was searched for, or proves that Crisp keeps to criteria.
 */
static bool
has_value(const ListRequest *request, const JsonNode *row)
{
	const char *error;
	JsonPath   *path;
	const char *value;

	if (request->proof.criteria != NULL)
		return criteria_are_proved_by(request, row);
	path = json_path_parse(request->proof.path, &error);
	value = json_node_string(json_path_get(row, path), NULL);
	return value != NULL && strcmp(value, request->proof.value) == 0;
}

/*
 * Look at the value and the time of a row that is returned.  Those that come twice are no evidence of how the list is
 * sorted: they come again when others were put in front of them.
 */
static void
note_row(ListReader *reader, const JsonNode *row)
{
	int64 time;

	reader->brought = true;
	reader->brought_old = reader->brought_old || row_is_old(&reader->age, row);
	if (reader->request->proof.query_without != NULL && !reader->found)
		reader->found = has_value(reader->request, row);
	if (reader->column == NULL || !order_row_time(row, reader->column_path, &time))
		return;
	if (time > reader->last_time)
		reader->sorted = false;
	reader->last_time = time;
	note_time(reader, time);
}

/*
 * Looks in a row, that at hand among them, which have brought nothing that was there when the scan began.
 */
static int
idle_looks(const ListReader *reader)
{
	if (reader->since == PG_INT64_MIN || reader->brought_old)
		return 0;
	return reader->idle_looks + 1;
}

/*
 * Looks that took no fewer pages than what they looked after, that at hand among them, of so many pages.
 */
static int
large_looks(const ListReader *reader, int64 pages)
{
	bool is_large = reader->since != PG_INT64_MIN && pages >= reader->step_pages;

	return reader->large_looks + (is_large ? 1 : 0);
}

/*
 * Whether a last look has a use, after so many pages of the list, or of a look at it.  What fits a
 * page has not moved while it was read.  A look of more pages is followed by another unless it has brought nothing,
 * and shown no later change, or two in a row have brought nothing that was there when the scan began, or
 * looks don't get smaller.  Where the
 * order proved wrong that a look would be in, there is none.
 */
static bool
look_is_due(const ListReader *reader, int64 pages)
{
	const ListRequest *request = reader->request;

	if (request->errand != NULL ||
		(request->stops && request->order != NULL && order_is_disproved(request)))
		return false;
	return pages > 1 && reader->next_since != PG_INT64_MIN && idle_looks(reader) < IDLE_LOOKS &&
		   reader->looks < MAX_LOOKS && large_looks(reader, pages) < LARGE_LOOKS &&
		   (reader->next_since > reader->since || reader->brought) &&
		   (request->stops || time_range_from_unix_ms(reader->next_start) <= request->dates.upper);
}

/*
 * What a last look asks for.
 *
 * Where the list has come newest change first, a look is over at the first row that is older than what it's for: Crisp
 * leaves the date out of account then, and the rest is the list again.
 */
static ListRequest *
make_look(const ListReader *reader)
{
	const ListRequest *request = reader->request;
	ListRequest		  *look = MemoryContextAlloc(reader->context, sizeof(ListRequest));

	*look = *request;
	look->pages_wanted = 0;
	look->pages_expected = 1;
	if (request->stops)
	{
		look->stop_before = Max(reader->next_start, request->stop_before);
		return look;
	}
	look->dates.lower = Max(time_range_from_unix_ms(reader->next_start), request->dates.lower);
	if (reader->sorted && reader->exact == NULL)
	{
		/* Bounds go out a millisecond wider than they are. */
		look->stops = true;
		look->stop_column = reader->column;
		look->stop_before = time_shift(reader->next_start, -1);
	}
	return look;
}

static void
drop_look(ListReader *reader)
{
	if (reader->look_pager != NULL)
		pager_end(reader->look_pager);
	reader->look_pager = NULL;
}

/*
 * When all pages of the list, or of a look, have been answered, the next look may be asked for, although
 * their rows are yet to be read.
 */
static void
look_ahead(ListReader *reader)
{
	int			  page = pager_page_number(reader->pager);
	int			  npages;
	MemoryContext old_context;

	if (page == reader->page_checked)
		return;
	reader->page_checked = page;
	if (reader->look_pager != NULL || reader->request->options->prefetch == 1 ||
		reader->step->pages_wanted > 0 || reader->request->stops ||
		!pager_has_all(reader->pager, &npages) || !look_is_due(reader, npages))
		return;

	reader->look = make_look(reader);
	reader->look_retries = reader->request->options->counts->retries;
	old_context = MemoryContextSwitchTo(reader->context);
	reader->look_pager = begin_pager(reader, reader->look);
	MemoryContextSwitchTo(old_context);
	(void) pager_is_ready(reader->look_pager);
}

/*
 * After the list, or a look at it: begin a last look, if there is a use for it.  One that was asked for ahead of
 * need is good unless a page was asked for again since, or its rows have shown another order.
 */
static void
begin_last_look(ListReader *reader)
{
	int64		 pages = list_reader_counts(reader).pages - reader->pages_before;
	bool		 is_due = look_is_due(reader, pages);
	ListRequest *look = is_due ? make_look(reader) : NULL;
	Pager		*pager = NULL;

	if (is_due && reader->look_pager != NULL && reader->look->stops == look->stops &&
		reader->look_retries == reader->request->options->counts->retries)
	{
		look = reader->look;
		pager = reader->look_pager;
		reader->look_pager = NULL;
	}
	drop_look(reader);
	end_step(reader);
	if (!is_due)
		return;

	reader->idle_looks = idle_looks(reader);
	reader->large_looks = large_looks(reader, pages);
	reader->step_pages = pages;
	reader->looks++;
	reader->since = reader->next_since;
	reader->pages_before = reader->counts.pages;
	reader->has_first = false;
	reader->brought = false;
	reader->brought_old = false;
	reader->last_time = PG_INT64_MAX;
	reader->page_checked = 0;
	reader->step = look;
	if (pager != NULL)
		reader->pager = pager;
	else
		begin_step(reader);
}

/*----------
 * The whole
 *----------
 */

/*
 * After a search for a value: read the list without it, unless it found the value.  How Crisp makes words of a text
 * isn't known, but a search that finds one of the rows that have the same text finds all of them.  The same
 * where criteria weren't kept to.
 */
static bool
begin_without_search(ListReader *reader)
{
	ListRequest *without;

	if (reader->request->proof.query_without == NULL ||
		(reader->request->proof.criteria != NULL
			 ? criteria_were_kept(reader->request, reader->found)
			 : reader->found))
		return false;

	without = MemoryContextAlloc(reader->context, sizeof(ListRequest));
	*without = *reader->request;
	without->query = without->proof.query_without;
	without->proof = (QueryProof){0};
	drop_look(reader);
	end_step(reader);
	reader->request = without;
	reader->step = without;

	/* It's another list, of which nothing has come yet. */
	reader->since = reader->next_since = reader->next_start = PG_INT64_MIN;
	reader->pages_before = reader->counts.pages;
	reader->has_first = false;
	reader->age.began = PG_INT64_MIN;
	reader->brought = false;
	reader->brought_old = false;
	reader->idle_looks = 0;
	reader->looks = 0;
	reader->sorted = true;
	reader->last_time = PG_INT64_MAX;
	reader->page_checked = 0;
	begin_step(reader);
	return true;
}

/*
 * Whether the rows of the page at hand are within the dates that were asked for.
 */
static bool
keeps_dates(const ListReader *reader)
{
	const CrispColumn *dates = crisp_resource_dates(reader->request->options->resource);
	PageTimes		   times = order_page_times(pager_page(reader->pager), dates->path);

	return times.count == 0 ||
		   (time_range_from_unix_ms(time_shift(times.earliest, 1)) >= reader->step->dates.lower &&
			time_range_from_unix_ms(time_shift(times.latest, -1)) <= reader->step->dates.upper);
}

/*
 * Where the list grows as fast as it is read: read what is left of the step by date, whatever its order.  Rows that have
 * come are dropped by their keys.  Returns false where it doesn't.
 */
static bool
go_on_by_date(ListReader *reader)
{
	ListRequest	 *by_date;
	MemoryContext old_context;

	if (reader->pager == NULL || !pager_is_stalled(reader->pager))
		return false;
	if (!keeps_dates(reader))
	{
		pager_watch(reader->pager, NULL);
		return true;
	}
	by_date = MemoryContextAlloc(reader->context, sizeof(ListRequest));
	*by_date = *reader->step;
	by_date->order = NULL;
	by_date->stops = false;
	by_date->pages_wanted = 0;
	drop_look(reader);
	pager_add_counts(&reader->counts, pager_counts(reader->pager));
	pager_end(reader->pager);
	reader->pager = NULL;
	reader->sorted = false;
	reader->step = by_date;
	old_context = MemoryContextSwitchTo(reader->context);
	reader->exact = exact_begin(by_date, reader->seen, &reader->age);
	MemoryContextSwitchTo(old_context);
	return true;
}

static void
begin_next_step(ListReader *reader)
{
	if (go_on_by_date(reader))
		return;
	if (!begin_without_search(reader))
		begin_last_look(reader);
}

const JsonNode *
list_reader_next(ListReader *reader)
{
	while (reader->pager != NULL || reader->exact != NULL)
	{
		const JsonNode *row = reader->exact ? exact_next(reader->exact) : pager_next(reader->pager);

		note_first_page(reader);
		if (row != NULL)
		{
			note_row(reader, row);
			if (reader->pager != NULL && reader->column != NULL)
				look_ahead(reader);
			if (inbox_admits(reader->request->options, reader->request->inbox, row))
				return row;
		}
		else
			begin_next_step(reader);
	}
	return NULL;
}

const JsonNode *
list_reader_page(const ListReader *reader)
{
	if (reader->exact != NULL)
		return exact_page(reader->exact);
	return reader->pager ? pager_page(reader->pager) : NULL;
}

bool
list_reader_at_hand(const ListReader *reader)
{
	if (reader->exact != NULL)
		return exact_at_hand(reader->exact);
	return reader->pager != NULL && pager_at_hand(reader->pager);
}

bool
list_reader_ended(const ListReader *reader)
{
	return reader->exact == NULL && reader->request->proof.query_without == NULL &&
		   (reader->pager == NULL || (reader->column == NULL && !pager_at_hand(reader->pager) &&
									  pager_on_last_page(reader->pager)));
}

bool
list_reader_is_ready(ListReader *reader)
{
	/* So that the last look is under way, too. */
	while (reader->pager != NULL && !pager_at_hand(reader->pager) &&
		   (pager_on_last_page(reader->pager) || pager_is_stalled(reader->pager)))
		begin_next_step(reader);

	if (reader->exact != NULL)
		return exact_is_ready(reader->exact);
	return reader->pager == NULL || pager_is_ready(reader->pager);
}

bool
list_reader_is_settled(const ListReader *reader)
{
	if (reader->exact != NULL)
		return exact_is_settled(reader->exact);
	return reader->pager == NULL || pager_is_settled(reader->pager);
}

pgsocket
list_reader_socket(const ListReader *reader)
{
	return reader->exact ? exact_socket(reader->exact) : pager_socket(reader->pager);
}

void
list_reader_end(ListReader *reader)
{
	drop_look(reader);
	end_step(reader);
	if (reader->seen != NULL)
		key_set_free(reader->seen);
	MemoryContextDelete(reader->context);
}
