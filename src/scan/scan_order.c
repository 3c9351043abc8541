/*-------------------------------------------------------------------------
 *
 * scan_order.c
 *		Scans whose rows are wanted in an order.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "plan/plan.h"
#include "scan/scan_state.h"

static void restart_list(ForeignScanState *node, bool reversed);

/*
 * Ask for the list as one that is read in whole.
 */
static void
ask_for_all(CrispScan *scan)
{
	scan->request->as.list.per_page = scan->options->per_page;
	scan->request->as.list.pages_wanted = 0;
}

/*
 * Ask for the list in an order that nobody relies on.  Where its newest rows were wanted, all of it
 * has to be read.
 */
void
scan_give_up_order(CrispScan *scan)
{
	scan->request->as.list.order = NULL;
	scan->request->as.list.stops = false;
	if (scan_method(scan, METHOD_KIND) == SCAN_NEWEST)
		ask_for_all(scan);
}

/*
 * Look at the order of a row that has come.  A value of the column that is no number, as Crisp's
 * times are, has a place of its own.
 */
void
scan_judge_row(ForeignScanState *node, const JsonNode *row, const TupleTableSlot *slot)
{
	CrispScan	*scan = node->fdw_state;
	OrderJudge	*judge = &scan->judge;
	OrderVerdict before = order_judge_verdict(judge);
	OrderVerdict after;
	int64		 time = 0;
	bool		 has_time = order_row_time(row, scan->order_path, &time);

	if (slot->tts_isnull[scan_method(scan, METHOD_SORT_COLUMN) - 1] == has_time)
		judge->broken = true;

	/* Crisp may have refused it, since it isn't documented. */
	if (!judge->has_row && scan->list != NULL && judge->trusts_ties &&
		order_is_disproved(&scan->request->as.list))
		judge->broken = true;
	order_judge_row(judge, has_time, time);
	after = order_judge_verdict(judge);
	if (after == before || scan->list == NULL)
		return;
	if (after == ORDER_BROKEN)
		order_check_page(&scan->request->as.list, list_reader_page(scan->list));
	else if (judge->either_end && after != ORDER_OPEN)
		order_note_direction(scan->options, scan->request->as.list.order, judge->goes_up);
}

static bool
row_at_hand(ForeignScanState *node)
{
	const CrispScan *scan = node->fdw_state;

	return scan->walk != NULL ? children_at_hand(scan->walk) : list_reader_at_hand(scan->list);
}

static bool
list_ended(ForeignScanState *node)
{
	const CrispScan *scan = node->fdw_state;

	return scan->walk == NULL && list_reader_ended(scan->list);
}

static OrderVerdict
judged(ForeignScanState *node)
{
	return order_judge_verdict(&((CrispScan *) node->fdw_state)->judge);
}

/*
 * Get ready to give the rows of the list in the order that is wanted.
 */
void
scan_begin_newest(ForeignScanState *node, bool trusted)
{
	CrispScan		   *scan = node->fdw_state;
	const CrispRequest *request = scan->request;
	TopNSource			source = {
				 .fetch = scan_fetch_from_list,
				 .at_hand = row_at_hand,
				 .verdict = judged,
				 .ended = list_ended,
				 .restart = scan->walk != NULL ? NULL : restart_list,
				 .attnum = (AttrNumber) scan_method(scan, METHOD_SORT_COLUMN),
				 .ascending = scan_method(scan, METHOD_ASCENDING) != 0,
				 .nulls_first = scan_method(scan, METHOD_NULLS_FIRST) != 0,
				 .full_pages = request->kind == REQUEST_LIST && request->as.list.pages_wanted == 0,
				 .wanted = scan_method(scan, METHOD_ROWS_WANTED),
	 };
	const char *error;

	memset(&scan->judge, 0, sizeof(scan->judge));
	scan->order_path = NULL;
	if (scan->walk != NULL)
	{
		scan->judge.trusts_ties = true;
		scan->order_path = json_path_parse(scan->options->resource->cursor->path, &error);
	}
	else if (trusted)
	{
		const CrispOrder *order = request->as.list.order;

		scan->judge.rising = source.ascending;
		scan->judge.either_end = order->filters;
		scan->judge.trusts_ties = order->opposite != NULL;
		scan->order_path = json_path_parse(order->path, &error);
	}
	scan->newest = top_n_begin(scan->request_context, node, &source, trusted, scan->store != NULL);
}

/*
 * The list does not come in the order that it was asked for: read it from the start, page by
 * full page.  Where it came from the other end, that order still leaves out what isn't wanted.
 */
static void
restart_list(ForeignScanState *node, bool reversed)
{
	CrispScan	 *scan = node->fdw_state;
	MemoryContext old_context = MemoryContextSwitchTo(scan->request_context);

	scan->pager_counts = scan_sum_counts(scan);
	list_reader_end(scan->list);
	if (reversed && !scan->options->exact_scan)
		ask_for_all(scan);
	else
		scan_give_up_order(scan);
	scan->order_path = NULL;
	scan->list = list_reader_begin(&scan->request->as.list);
	if (scan->details != NULL)
		details_begin(scan->details, scan->list);
	MemoryContextSwitchTo(old_context);
}
