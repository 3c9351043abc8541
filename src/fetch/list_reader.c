/*-------------------------------------------------------------------------
 *
 * list_reader.c
 *		Read all rows of a list, while it moves.
 *
 * A row that is updated moves to the front of a list that is sorted by update, and every row that
 * is deleted lets those behind it slide one place forward.  Page numbers alone would lose rows to
 * both.
 *
 * A fast scan reads pages, several at a time, and ends with a recheck of what has changed meanwhile
 * (recheck.c).  Rows that may have slipped by between pages which were answered out of their order
 * (page_slips.c) are asked for by date, before the first recheck and after the last.
 *
 * A list that grows as fast as it is read doesn't end by page numbers: the rest of it is read by
 * date.
 *
 * A list that is streamed gives its rows in its order as they come, and a row that moves to the
 * front can't have its place any more.  So what has moved is looked for (stream_watch.c), before
 * any other row is given.
 *
 * An exact scan reads by date (exact_reader.c).  Where rows are is then no matter of how many stand
 * before them.  It ends with the same recheck, read in the same way.
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
#include "fetch/list_rows.h"
#include "fetch/page_slips.h"
#include "fetch/recheck.h"
#include "fetch/stream_watch.h"
#include "request/time_range.h"

typedef struct ListReader
{
	RowReader		   reader;
	const ListRequest *request;
	MemoryContext	   context;
	const ListRequest *step;		 /* what is asked for now: request, or a recheck */
	Pager			  *pager;		 /* page by page; NULL at the end, */
	ExactReader		  *exact;		 /* or by date */
	KeySet			  *seen;		 /* NULL where rows have no key */
	ReaderCounts	   counts;		 /* of earlier steps */
	int64			   pages_before; /* of counts, when the step began */
	bool			   found;		 /* the value that was searched for */
	Recheck			   recheck;

	/* For rows that slip by between pages that are answered out of their order. */
	PageSlips *slips;		/* NULL where nothing tells of them */
	bool	   in_slip;		/* step asks for such rows */
	int64	   slip_before; /* of pages, when it began */
	int64	   found_later; /* rows that rechecks and these steps have brought */

	/* While a list is streamed: */
	Pager		   *paused; /* of the list, while what has moved is looked for; else NULL */
	const JsonNode *held;	/* its next row; NULL where none waits */
	StreamWatch		watch;	/* of its pages */

	/* A recheck that was asked for ahead of need; no pager where there is none. */
	ListRequest *next_step;
	Pager		*next_pager;
	int64		 next_retries; /* requests that had been made again by then */
	int			 page_checked; /* of pager: whether it's time for that */
} ListReader;

/* What list_reader_pages() returns. */
static int64 session_pages = 0;

/*----------
 * Steps
 *----------
 */

bool
list_reader_is_exact(const ListRequest *request)
{
	return request->options->exact_scan && exact_is_possible(request);
}

/*
 * Begin to read a request by page numbers, as long as that leads to an end.
 */
static Pager *
begin_pager(ListReader *list, const ListRequest *request)
{
	Pager *pager = pager_begin(request, list->seen);

	if (crisp_resource_dates(request->options->resource) != NULL &&
		list->recheck.age.created != NULL && list->seen != NULL)
		pager_watch(pager, &list->recheck.age);
	return pager;
}

/*
 * Start to read what step asks for.
 */
static void
begin_step(ListReader *list)
{
	MemoryContext old_context = MemoryContextSwitchTo(list->context);

	if (list_reader_is_exact(list->request))
		list->exact = exact_begin(list->step, list->seen, &list->recheck.age);
	else
		list->pager = begin_pager(list, list->step);
	MemoryContextSwitchTo(old_context);
}

/*
 * Start to read a list of which nothing has come yet.
 */
static void
begin_list(ListReader *list, const ListRequest *request)
{
	MemoryContext old_context;

	list->request = list->step = request;
	list->pages_before = list->counts.pages;
	list->page_checked = 0;
	list->found_later = 0;
	list->watch = (StreamWatch){0};
	begin_step(list);

	old_context = MemoryContextSwitchTo(list->context);
	list->slips = list->pager && !request->streamed && page_slips_can_be_asked_for(request)
					  ? page_slips_begin(request, list->recheck.column)
					  : NULL;
	if (list->slips != NULL)
		pager_note_slips(list->pager, list->slips);
	else if (list->pager != NULL && request_list_order(request) != NULL &&
			 page_slips_matter(request))
		pager_mind_slips(list->pager);
	MemoryContextSwitchTo(old_context);
}

static bool
is_over(const ListReader *list)
{
	return list->pager == NULL && list->exact == NULL;
}

/*
 * Count the empty pages that only had to show that what is asked for now has come at once.
 */
static int64
empty_end(const ListReader *list)
{
	return list->pager && pager_came_at_once(list->pager) ? pager_counts(list->pager).pages - 1 : 0;
}

/*
 * Count the pages that what is asked for now has taken so far, without such.
 */
static int64
pages_of_step(const ListReader *list)
{
	if (list->pager != NULL)
		return pager_counts(list->pager).pages - empty_end(list);
	return list->exact ? exact_counts(list->exact).pages : 0;
}

int64
list_reader_pages(void)
{
	return session_pages;
}

/*
 * Return what was received so far.
 */
static ReaderCounts
sum_counts(const ListReader *list)
{
	ReaderCounts sum = list->counts;

	if (list->pager != NULL)
		row_reader_add_counts(&sum, pager_counts(list->pager));
	if (list->exact != NULL)
		row_reader_add_counts(&sum, exact_counts(list->exact));
	if (list->in_slip)
		sum.rechecks += sum.pages - list->slip_before;
	else if (recheck_is_running(&list->recheck) && !is_over(list))
		sum.rechecks += sum.pages - list->pages_before;
	return sum;
}

static void
end_step(ListReader *list)
{
	session_pages += pages_of_step(list);
	list->counts = sum_counts(list);
	if (list->pager != NULL)
		pager_end(list->pager);
	if (list->exact != NULL)
		exact_end(list->exact);
	list->pager = NULL;
	list->exact = NULL;
	list->in_slip = false;
}

ListRequest
list_reader_first_request(const ListRequest *request)
{
	return list_reader_is_exact(request) ? exact_first_request(request) : *request;
}

static const JsonNode *
page_at_hand(const ListReader *list)
{
	if (list->exact != NULL)
		return exact_page(list->exact);
	return list->pager ? pager_page(list->pager) : NULL;
}

static bool
row_at_hand(const ListReader *list)
{
	if (list->exact != NULL)
		return exact_at_hand(list->exact);
	return list->pager != NULL && pager_at_hand(list->pager);
}

/*----------
 * Rechecks
 *----------
 */

static void
drop_next_step(ListReader *list)
{
	if (list->next_pager != NULL)
		pager_end(list->next_pager);
	list->next_pager = NULL;
}

static ListRequest *
make_recheck(ListReader *list)
{
	MemoryContext old_context = MemoryContextSwitchTo(list->context);
	ListRequest	 *request = recheck_make_request(&list->recheck, list->exact != NULL);

	MemoryContextSwitchTo(old_context);
	return request;
}

/*
 * Ask for rows that may have slipped by between two pages, if there may be such: for what lies
 * between their dates.  With -1, before the first recheck, the rows on both sides tell; after the
 * last one, the number of rows that have moved does, too.  A recheck that was asked for ahead of
 * need would be too early: what changes meanwhile is for the next one.  Returns false where there
 * is nothing to ask for.
 */
static bool
begin_slip(ListReader *list, int64 moved)
{
	const ListRequest *slip = list->slips ? page_slips_next(list->slips, moved) : NULL;

	if (slip == NULL)
		return false;
	drop_next_step(list);
	end_step(list);
	list->in_slip = true;
	list->slip_before = list->counts.pages;
	list->step = slip;
	recheck_note_gap(&list->recheck);
	begin_step(list);
	return true;
}

/*
 * Ask for the recheck ahead of need, when all pages of this step have been answered, although their
 * rows are yet to be read.
 */
static void
ask_ahead(ListReader *list)
{
	int			  page = pager_page_number(list->pager);
	int			  npages;
	MemoryContext old_context;

	if (page == list->page_checked)
		return;
	list->page_checked = page;
	if (list->next_pager != NULL || list->request->options->prefetch == 1 ||
		list->request->streamed || list->step->pages_wanted > 0 || list->request->stops ||
		!pager_has_all(list->pager, &npages) || !recheck_is_due(&list->recheck, npages))
		return;

	list->next_step = make_recheck(list);
	list->next_retries = list->request->options->counts->retries;
	old_context = MemoryContextSwitchTo(list->context);
	list->next_pager = begin_pager(list, list->next_step);
	MemoryContextSwitchTo(old_context);
	(void) pager_get_ready(list->next_pager);
}

/*
 * Say whether the step at hand is that of a streamed list, and not of what has moved in it.
 */
static bool
is_streaming(const ListReader *list)
{
	return list->request->streamed && list->pager != NULL && list->paused == NULL &&
		   !recheck_is_running(&list->recheck);
}

/*
 * Look for what has moved to the front of a streamed list, if it's time to.  A row is held back
 * meanwhile: what has moved may have a place before it.
 */
static bool
begin_look(ListReader *list, const JsonNode *row)
{
	ListRequest *look;

	if (!is_streaming(list) || !stream_watch_is_due(&list->watch, list->request, list->pager) ||
		!recheck_is_due(&list->recheck, pager_page_number(list->pager)))
		return false;
	look = recheck_narrow(&list->recheck, make_recheck(list), row);
	if (time_range_is_empty(look->dates))
		return false;
	list->held = row;
	list->paused = list->pager;
	list->step = look;
	list->pages_before = list->counts.pages;
	recheck_begin(&list->recheck, pager_page_number(list->paused));
	begin_step(list);
	return true;
}

/*
 * Go on with a streamed list, after what has moved in it has come.
 */
static void
resume(ListReader *list)
{
	list->pager = list->paused;
	list->paused = NULL;
	pfree(unconstify(ListRequest *, list->step));
	list->step = list->request;
	list->pages_before = list->counts.pages;
	recheck_pause(&list->recheck);
}

/*
 * Begin the recheck after a step, if there is a use for it.  One that was asked for ahead of need
 * is good unless a page was asked for again since, or its rows have shown another order.
 */
static void
begin_recheck(ListReader *list)
{
	ReaderCounts sum = sum_counts(list);
	int64		 pages = sum.pages - list->pages_before - empty_end(list);
	bool		 is_due = recheck_is_due(&list->recheck, pages);
	ListRequest *step = is_due ? make_recheck(list) : NULL;
	Pager		*pager = NULL;

	if (is_due && list->next_pager != NULL && list->next_step->stops == step->stops &&
		list->next_retries == list->request->options->counts->retries)
	{
		step = list->next_step;
		pager = list->next_pager;
		list->next_pager = NULL;
	}
	drop_next_step(list);
	if (list->step == list->request)
		list_rows_note(list->request, (double) (sum.rows - sum.duplicates));
	end_step(list);
	if (!is_due && list->paused != NULL)
	{
		resume(list);
		return;
	}
	if (!is_due)
	{
		(void) begin_slip(list, list->found_later);
		return;
	}

	recheck_begin(&list->recheck, pages);
	list->pages_before = list->counts.pages;
	list->page_checked = 0;
	list->step = step;
	if (pager != NULL)
		list->pager = pager;
	else
		begin_step(list);
}

/*----------
 * What a list turns out to be
 *----------
 */

/*
 * Say whether a row has the value that was searched for, or proves that Crisp keeps to criteria.
 */
static bool
has_value(const ListRequest *request, const JsonNode *row)
{
	JsonPath   *path;
	const char *value;

	if (request->proof.criteria != NULL)
		return criteria_are_proved_by(request, row);
	path = json_path_of(request->proof.path);
	value = json_node_string(json_path_get(row, path), NULL);
	return value != NULL && strcmp(value, request->proof.value) == 0;
}

/*
 * Read the list without a search for a value, unless that found the value.  How Crisp makes words
 * of a text isn't known, but a search that finds one of the rows that have the same text finds all
 * of them.  Do the same where criteria weren't kept to.
 */
static bool
begin_without_search(ListReader *list)
{
	ListRequest *without;

	if (list->request->proof.query_without == NULL ||
		(list->request->proof.criteria != NULL ? criteria_were_kept(list->request, list->found)
											   : list->found))
		return false;

	without = MemoryContextAlloc(list->context, sizeof(ListRequest));
	*without = *list->request;
	without->query = without->proof.query_without;
	without->proof = (QueryProof){0};
	drop_next_step(list);
	end_step(list);
	recheck_restart(&list->recheck, without);
	begin_list(list, without);
	return true;
}

/*
 * Read what is left of the step by date, whatever its order, where the list grows as fast as it is
 * read.  Rows that have come are dropped by their keys.  Return false where it doesn't.
 */
static bool
go_on_by_date(ListReader *list)
{
	ListRequest	 *by_date;
	MemoryContext old_context;

	if (list->pager == NULL || !pager_is_stalled(list->pager))
		return false;
	if (!page_keeps_dates(pager_page(list->pager), list->step))
	{
		pager_go_on(list->pager);
		return true;
	}
	by_date = MemoryContextAlloc(list->context, sizeof(ListRequest));
	*by_date = *list->step;
	by_date->order = NULL;
	by_date->stops = false;
	by_date->pages_wanted = 0;
	drop_next_step(list);
	row_reader_add_counts(&list->counts, pager_counts(list->pager));
	pager_end(list->pager);
	list->pager = NULL;
	recheck_note_unsorted(&list->recheck);
	list->step = by_date;
	old_context = MemoryContextSwitchTo(list->context);
	list->exact = exact_begin(by_date, list->seen, &list->recheck.age);
	MemoryContextSwitchTo(old_context);
	return true;
}

static void
begin_next_step(ListReader *list)
{
	if (go_on_by_date(list) || (list->paused == NULL && begin_without_search(list)))
		return;
	if (list->slips != NULL)
		page_slips_end(list->slips);
	if (recheck_is_running(&list->recheck) || !begin_slip(list, -1))
		begin_recheck(list);
}

/*
 * Look at a row that came with the page at hand.
 */
static void
note_row(ListReader *list, const JsonNode *row)
{
	recheck_note_row(&list->recheck, row);
	if (list->in_slip || recheck_is_running(&list->recheck))
		list->found_later++;
	if (list->request->proof.query_without != NULL && !list->found)
		list->found = has_value(list->request, row);
	if (list->pager != NULL && list->recheck.column != NULL && !list->in_slip)
		ask_ahead(list);
}

/*
 * Say whether a row that has come is given.  What was made after a streamed list was begun has no
 * place in it, and needn't come.
 */
static bool
is_given(const ListReader *list, const JsonNode *row, bool late)
{
	return inbox_admits(list->request->options, list->request->inbox, row) &&
		   (!late || recheck_row_is_old(&list->recheck, row));
}

static void
note_first_page(ListReader *list)
{
	if (!list->recheck.has_first)
		recheck_note_page(&list->recheck, page_at_hand(list),
						  list->exact ? exact_page_date(list->exact)
									  : pager_page_date(list->pager));
}

static const JsonNode *
next_of_step(ListReader *list)
{
	const JsonNode *row;
	bool			keeps_dates;

	if (list->held != NULL && list->paused == NULL)
	{
		row = list->held;
		list->held = NULL;
		return row;
	}
	if (list->exact != NULL)
		return exact_next(list->exact);
	if (!list->in_slip)
		return pager_next(list->pager);
	row = pager_next_within_dates(list->pager, &keeps_dates);
	if (!keeps_dates)
	{
		list->slips = NULL;
		page_slips_note_ignored_dates(list->request);
	}
	return row;
}

/*----------
 * The reader's methods; see row_reader.h
 *----------
 */

static bool
next(RowReader *reader, FetchedRow *row)
{
	ListReader *list = (ListReader *) reader;

	while (!is_over(list))
	{
		const JsonNode *found = next_of_step(list);

		note_first_page(list);
		if (found == NULL)
			begin_next_step(list);
		else if (!begin_look(list, found))
		{
			bool late = list->request->streamed && recheck_is_running(&list->recheck);

			note_row(list, found);
			if (is_given(list, found, late))
			{
				*row = (FetchedRow){.row = found, .late = late};
				return true;
			}
		}
	}
	return false;
}

static bool
get_ready(RowReader *reader)
{
	ListReader *list = (ListReader *) reader;

	/* So that the recheck is under way, too. */
	while (list->pager != NULL && !pager_at_hand(list->pager) &&
		   (pager_on_last_page(list->pager) || pager_is_stalled(list->pager)))
		begin_next_step(list);

	if (list->exact != NULL)
		return exact_get_ready(list->exact);
	return list->pager == NULL || pager_get_ready(list->pager);
}

static bool
is_ready(const RowReader *reader)
{
	const ListReader *list = (const ListReader *) reader;

	if (is_over(list) || row_at_hand(list))
		return true;
	if (list->exact != NULL)
		return exact_is_ready(list->exact);
	return pager_on_last_page(list->pager) || pager_is_stalled(list->pager) ||
		   pager_is_ready(list->pager);
}

static pgsocket
get_socket(const RowReader *reader)
{
	const ListReader *list = (const ListReader *) reader;

	return list->exact ? exact_socket(list->exact) : pager_socket(list->pager);
}

static bool
at_hand(const RowReader *reader)
{
	return row_at_hand((const ListReader *) reader) || ((const ListReader *) reader)->held != NULL;
}

static bool
at_end(const RowReader *reader)
{
	const ListReader *list = (const ListReader *) reader;

	return list->exact == NULL && list->request->proof.query_without == NULL &&
		   (list->pager == NULL ||
			((list->recheck.column == NULL || pager_came_at_once(list->pager)) &&
			 !row_at_hand(list) && pager_on_last_page(list->pager)));
}

static const JsonNode *
page(const RowReader *reader)
{
	return page_at_hand((const ListReader *) reader);
}

static ReaderCounts
counts(const RowReader *reader)
{
	const ListReader *list = (const ListReader *) reader;
	ReaderCounts	  sum = sum_counts(list);

	if (list->paused != NULL)
		row_reader_add_counts(&sum, pager_counts(list->paused));
	return sum;
}

static void
end(RowReader *reader)
{
	ListReader *list = (ListReader *) reader;

	drop_next_step(list);
	end_step(list);
	if (list->paused != NULL)
		pager_end(list->paused);
	if (list->seen != NULL)
		key_set_free(list->seen);
	MemoryContextDelete(list->context);
}

static const RowReaderMethods list_methods = {
	.next = next,
	.get_ready = get_ready,
	.is_ready = is_ready,
	.socket = get_socket,
	.at_hand = at_hand,
	.at_end = at_end,
	.page = page,
	.counts = counts,
	.end = end,
};

RowReader *
list_reader_begin(const ListRequest *request)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw list",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	ListReader	 *list = palloc0(sizeof(ListReader));

	list->reader.methods = &list_methods;
	list->context = context;
	recheck_init(&list->recheck, request);
	if (crisp_resource_key(request->options->resource) != NULL)
		list->seen = key_set_create((Size) work_mem * 1024);
	MemoryContextSwitchTo(old_context);

	begin_list(list, request);
	return &list->reader;
}
