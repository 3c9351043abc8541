/*-------------------------------------------------------------------------
 *
 * scan_fetch.c
 *		Fetch the rows of a scan, as its request and its order have them.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "executor/executor.h"
#include "utils/memutils.h"

#include "fetch/list_cost.h"
#include "fetch/oldest.h"
#include "fetch/page_estimate.h"
#include "fetch/recheck.h"
#include "plan/plan.h"
#include "scan/need.h"
#include "scan/run_values.h"
#include "scan/scan_fetch.h"
#include "scan/scan_order.h"
#include "scan/scan_request.h"
#include "scan/scan_source.h"
#include "scan/wider_list.h"

/*----------
 * Requests
 *----------
 */

/*
 * Keep a scan with a limit of requests from making one ahead of need that may turn out to have been
 * in vain: others would lack it.
 */
static void
spare_requests(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;

	if (api_max_requests > 0 && scan->errand == NULL && isfinite(need_rows(&node->ss.ps)))
		scan->options->prefetch = 1;
}

void
scan_expect_rows(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;
	double	   rows;

	if (scan->reader == NULL || !row_reader_minds_need(scan->reader))
		return;
	rows = need_rows(&node->ss.ps);
	if (scan->top_n != NULL)
		rows = Max(rows, scan_method(scan, METHOD_ROWS_WANTED));
	row_reader_expect(scan->reader, rows);
}

/*
 * Say whether rows had better be given as they come, in an order that may be relied on.  Where all
 * of them are certain to be asked for, the list is read as one that may move, and sorted; so it is
 * where a stream has failed, as a statement that is run again should come through.
 */
static bool
is_worth_streaming(ForeignScanState *node)
{
	CrispScan		   *scan = node->fdw_state;
	const CrispOptions *options = scan->options;
	const CrispOrder   *order;

	if (scan_method(scan, METHOD_KIND) != SCAN_STREAM)
		return false;
	order = &options->resource->orders[scan_method(scan, METHOD_ORDER)];
	scan->shuns_failure = order_has_failed(options, order);
	return !scan->shuns_failure && !options->exact_scan &&
		   order_rises(options, order) == (scan_method(scan, METHOD_ASCENDING) != 0) &&
		   isfinite(need_rows(&node->ss.ps));
}

/*
 * Make the request, with what the plan and the statement tell of it; NULL when no row can match.
 */
static CrispRequest *
make_request(ForeignScanState *node)
{
	CrispScan	 *scan = node->fdw_state;
	CrispRequest *request = scan_request_create(node, scan->options, scan->value_states, NIL,
												scan->streams);
	ListRequest	 *list = request ? request_list(request) : NULL;

	if (list != NULL)
		list->newest_first = scan->errand == NULL && need_is_limited(&node->ss.ps);
	if (list != NULL && request->kind == REQUEST_LIST)
		list->errand = scan->errand;
	if (request != NULL && request->kind == REQUEST_KEYS)
		request->as.keys.needed = (int) Min(need_rows(&node->ss.ps), PG_INT32_MAX);
	return request;
}

/*
 * Read the whole list that stands in for lookups, or go back to its first row where that was done
 * for an earlier pass.
 */
static void
read_kept_list(ForeignScanState *node)
{
	CrispScan	   *scan = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	FetchedRow		row;

	if (kept_rows_begin_list(scan->kept, request_list_target(&scan->request->as.list, 1)))
	{
		MemoryContext row_context = AllocSetContextCreate(scan->request_context, "crisp_fdw row",
														  ALLOCSET_DEFAULT_SIZES);

		scan_source_begin(node);
		MemoryContextSwitchTo(row_context);
		while (scan_source_next(scan, slot, &row))
		{
			kept_rows_put_listed(scan->kept, slot);
			ExecClearTuple(slot);
			MemoryContextReset(row_context);
		}
		MemoryContextSwitchTo(scan->request_context);
		MemoryContextDelete(row_context);
		kept_rows_end_list(scan->kept);
	}
	kept_rows_rewind_list(scan->kept);
	scan->reads_kept_list = true;
}

/*
 * Return how many pages the list had when somebody looked, if it's to stop early, or to come in an
 * order, only if it has grown since, as this wouldn't be worth it; otherwise 0.
 */
static int
short_pages(const CrispScan *scan, const ListRequest *list)
{
	int pages = scan_method(scan, METHOD_LIST_REQUESTS);

	/* An order that is documented costs nothing, nor does one that was proved. */
	if (list->order->opposite == NULL || order_is_proved(list) || pages > CRISP_SHORT_LIST ||
		scan_method(scan, METHOD_KIND) == SCAN_STREAM || scan_method(scan, METHOD_REQUESTS) < pages)
		return 0;
	return pages;
}

/*
 * Have the list come in whichever order.  One that was to stop early is then read in whole, and
 * serves runs that would have stopped elsewhere.
 */
static void
give_up_order(CrispScan *scan)
{
	scan_give_up_order(scan);
	if (scan->has_run_key && scan->wider != NULL && scan_method(scan, METHOD_KIND) == SCAN_LIST)
		scan->run_key = past_runs_list_key(scan->request);
}

/*
 * Take the rows of a page ahead, from a reader that begins.
 */
static void
take_page(ForeignScanState *node)
{
	CrispScan	   *scan = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	MemoryContext	row_context = AllocSetContextCreate(scan->request_context, "crisp_fdw row",
														ALLOCSET_DEFAULT_SIZES);
	MemoryContext	old_context = MemoryContextSwitchTo(row_context);
	FetchedRow		row;

	scan->ahead = row_store_create(scan->request_context, scan_row_desc(node));
	while (scan_source_read(scan, slot, &row))
	{
		row_store_put(scan->ahead, slot);
		ExecClearTuple(slot);
		MemoryContextReset(row_context);
		if (!row_reader_at_hand(scan->reader))
			break;
	}
	row_store_rewind(scan->ahead);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(row_context);
}

/*
 * Say whether the first page of a list, which had so many when somebody looked, can tell that there
 * are no others, and is likely to.  A scan that doesn't wait can't do so first.
 */
static bool
first_page_tells(const ForeignScanState *node, const ListRequest *whole, int pages)
{
	const CrispScan *scan = node->fdw_state;
	bool			 ended;
	int				 seen = page_estimate_recall(whole, &ended);

	return (seen > 0 ? seen == 1 && ended : pages == 1) && scan->early_filter == NULL &&
		   !node->ss.ps.async_capable && !scan->options->exact_scan &&
		   whole->proof.query_without == NULL;
}

/*
 * Say whether a list that was short, and needs no order then, is so still.  Where its first page
 * tells, and has all rows, these are taken ahead, without an order.
 */
static bool
remains_short(ForeignScanState *node)
{
	CrispScan  *scan = node->fdw_state;
	ListRequest asked = scan->request->as.list;
	ListRequest whole = asked;
	int			pages = short_pages(scan, &asked);

	if (pages == 0)
		return false;
	whole.order = NULL;
	whole.stops = false;
	whole.per_page = scan->options->per_page;
	if (!first_page_tells(node, &whole, pages))
		return list_cost_is_short(&whole, pages, scan_method(scan, METHOD_NO_STATISTICS) == 0);
	scan_give_up_order(scan);
	scan_source_begin(node);
	take_page(node);
	if (row_reader_at_end(scan->reader))
		return true;
	scan_source_end(scan);
	page_estimate_remember(&whole, 1, false);
	scan->request->as.list = asked;
	return false;
}

/*
 * Begin to read a list, in an order that may be relied on, or in whichever.
 */
static void
begin_list(ForeignScanState *node)
{
	CrispScan	*scan = node->fdw_state;
	ListRequest *list = &scan->request->as.list;
	ScanMethod	 kind = (ScanMethod) scan_method(scan, METHOD_KIND);
	bool		 is_sorted = scan_method_sorts(kind);
	bool is_trusted = list->order != NULL && (is_sorted || list->stops) && !remains_short(node) &&
					  order_is_trusted(list);

	/* Of more than a page, rows may have moved before the next one came. */
	if (is_trusted)
		list->streamed = scan->streams ||
						 (kind == SCAN_TOP_N && list->pages_wanted != 1 &&
						  list->proof.query_without == NULL && recheck_can_tell(list));
	else
		give_up_order(scan);
	if (kind == SCAN_OLDEST)
		scan->narrowed = oldest_narrow(list, scan_method(scan, METHOD_ROWS_WANTED),
									   scan_method(scan, METHOD_REQUESTS) < CRISP_OLDEST_REQUESTS
										   ? scan_method(scan, METHOD_REQUESTS)
										   : 0);
	if (scan->reader == NULL)
		scan_source_begin(node);
	if (is_sorted)
		scan_begin_top_n(node, is_trusted);
	scan_expect_rows(node);
}

/*
 * Say whether a run is for so many of the first rows in an order, which it gives.
 */
static bool
gives_first_rows(const CrispScan *scan)
{
	return scan_method_sorts((ScanMethod) scan_method(scan, METHOD_KIND)) &&
		   scan_method(scan, METHOD_ROWS_WANTED) > 0;
}

/*
 * Find out what tells the run from others, where another one that gives the same may get its rows:
 * those of its list, as they come, or the first ones in an order.
 */
static void
name_run(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;

	scan->has_run_key = false;
	if (scan->past_runs == NULL || scan->errand != NULL || scan->request->kind != REQUEST_LIST)
		return;
	if (gives_first_rows(scan))
		scan->has_run_key = run_values_key(node, &scan->run_key);
	else if (scan_method(scan, METHOD_KIND) == SCAN_LIST)
	{
		scan->run_key = past_runs_list_key(&scan->asked);
		scan->has_run_key = true;
	}
}

/*
 * Say whether a run before has given the same: then the rows come from there.
 */
static bool
recall_run(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;

	name_run(node);
	scan->reads_past = scan->has_run_key &&
					   past_runs_recall(scan->past_runs, scan->run_key, kept_rows_rest(scan->kept));
	return scan->reads_past;
}

/*
 * Keep the list of the run that is dropped for runs that go through it with other conditions, if
 * it was read to its end for the first rows in an order.
 */
static void
keep_list(const CrispScan *scan)
{
	RowStore *rows = scan->top_n ? top_n_whole_list(scan->top_n) : NULL;
	TextKey	  key;

	/* One that ends at a bound of which Crisp isn't told isn't read to its end. */
	if (rows != NULL && scan->request->kind == REQUEST_LIST && scan->request->as.list.stops)
		return;
	if (rows != NULL && scan->past_runs != NULL && !scan->cut_off && !scan->narrowed &&
		!scan->reads_wider && wider_list_own_key(scan->wider, &key))
		past_runs_keep(scan->past_runs, key, rows);
}

/*
 * Keep the rows of the run that ends, if it has given all that it's to give.
 */
static void
keep_run(CrispScan *scan)
{
	bool is_complete = scan->at_end || (gives_first_rows(scan) &&
										scan->matched >= scan_method(scan, METHOD_ROWS_WANTED));

	if (scan->past_runs != NULL && scan->started && scan->has_run_key && is_complete &&
		!scan->cut_off && !scan->reads_past && !scan->reads_wider)
		past_runs_keep(scan->past_runs, scan->run_key, kept_rows_rest(scan->kept));
}

/*
 * Begin a run that the list of all runs serves.
 */
static void
begin_wider(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;

	scan->reads_wider = true;
	if (scan_method_sorts((ScanMethod) scan_method(scan, METHOD_KIND)))
		scan_begin_sort(node, wider_list_fetch);
}

/*
 * Make the request for a list one for keys, where these can't be looked up, but the list that
 * serves others tells of them.
 */
static void
use_whole_list(CrispScan *scan)
{
	const ListRequest  *list = &scan->request->as.list;
	const CrispOptions *options = list->options;
	CrispRequest	   *request;

	if (scan->request->kind != REQUEST_LIST || list->keep_path == NULL || scan->whole_list == NULL)
		return;
	request = palloc(sizeof(CrispRequest));
	*request = *scan->request;
	request->kind = REQUEST_KEYS;
	request->as.keys = (KeysRequest){
		.options = options,
		.lookup = crisp_resource_lookup(options->resource, list->keep_path),
		.keys = list->keep,
		.inbox = list->inbox,
	};
	if (whole_list_tells_of(scan->whole_list, &request->as.keys))
		scan->request = request;
}

void
scan_start(ForeignScanState *node)
{
	CrispScan	 *scan = node->fdw_state;
	MemoryContext old_context = MemoryContextSwitchTo(scan->request_context);
	CrispRequest *request;

	spare_requests(node);
	scan->streams = is_worth_streaming(node);
	request = scan->request = make_request(node);
	scan->started = true;
	if (request != NULL)
		scan->asked = *request;
	tuple_maker_set_search(scan->maker, request ? request->search : NULL);
	if (scan->prefetch != NULL)
		lookup_prefetch_confirm(scan->prefetch, request != NULL);
	if (request != NULL)
	{
		use_whole_list(scan);
		request = scan->request;
	}
	if (request == NULL)
		scan->at_end = true;
	else if (request->kind == REQUEST_CHILDREN)
	{
		scan_source_begin(node);
		if (scan_method(scan, METHOD_SORT_COLUMN) > 0)
			scan_begin_top_n(node, true);
	}
	else if (request->kind == REQUEST_KEYS)
		scan_source_begin(node);
	else if (kept_rows_are_for_lookups(scan->kept))
		read_kept_list(node);
	else if (recall_run(node))
		; /* nothing to ask for */
	else if (wider_list_serves(node))
		begin_wider(node);
	else
		begin_list(node);
	MemoryContextSwitchTo(old_context);
}

void
scan_sort_again(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;

	keep_run(scan);
	name_run(node);
	top_n_again(scan->top_n);
	kept_rows_clear(scan->kept);
	scan->at_end = false;
	scan->matched = 0;
}

void
scan_drop_request(CrispScan *scan)
{
	keep_run(scan);
	keep_list(scan);
	if (scan->top_n != NULL)
		top_n_end(scan->top_n);
	scan->top_n = NULL;
	scan_source_end(scan);
	scan->request = NULL;
	scan->started = false;
	scan->at_end = false;
	scan->reads_kept_list = false;
	scan->reads_wider = false;
	scan->reads_past = false;
	scan->has_run_key = false;
	scan->cut_off = false;
	scan->narrowed = false;
	scan->matched = 0;
	MemoryContextReset(scan->request_context);
	kept_rows_clear(scan->kept);
}

/*----------
 * Rows
 *----------
 */

bool
scan_satisfies_conditions(ForeignScanState *node, TupleTableSlot *slot)
{
	CrispScan *scan = node->fdw_state;
	bool	   result;

	/* The first rows in an order are gathered by them. */
	if (scan->top_n != NULL || node->ss.ps.qual == NULL)
		return true;
	if (scan->econtext == NULL)
		scan->econtext = CreateExprContext(node->ss.ps.state);
	scan->econtext->ecxt_scantuple = slot;
	result = ExecQual(node->ss.ps.qual, scan->econtext);
	ResetExprContext(scan->econtext);
	return result;
}

bool
scan_fetch(ForeignScanState *node, TupleTableSlot *slot)
{
	CrispScan *scan = node->fdw_state;
	FetchedRow row;
	bool	   found;

	if (!scan->started)
		scan_start(node);
	if (scan->at_end)
		return false;

	if (scan->top_n == NULL && scan->reader != NULL && wider_list_takes_over(node))
		scan->reads_wider = true;
	if (scan->top_n != NULL)
		found = top_n_next(scan->top_n, slot);
	else if (scan->reads_past)
		found = kept_rows_get(scan->kept, slot);
	else if (scan->reads_wider)
		found = wider_list_get(scan->wider, slot);
	else if (scan->reads_kept_list)
		found = kept_rows_get_listed(scan->kept, slot);
	else
	{
		found = scan_source_next(scan, slot, &row);

		/* Of a list whose rows were taken ahead, there are no others. */
		if (found && row.row != NULL)
			wider_list_note_given(scan, &row);
	}
	scan->at_end = !found;
	if (found && scan_method(scan, METHOD_ROWS_WANTED) > 0 && scan_satisfies_conditions(node, slot))
		scan->matched++;
	return found;
}
