/*-------------------------------------------------------------------------
 *
 * scan_order.c
 *		Give the rows of a scan in the order that is wanted.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "plan/plan.h"
#include "scan/scan_order.h"
#include "scan/scan_source.h"
#include "scan/wider_list.h"

/*
 * Ask for the list as one that is read in whole.
 */
static void
ask_for_all(CrispScan *scan)
{
	scan->request->as.list.per_page = scan->options->per_page;
	scan->request->as.list.pages_wanted = 0;
}

void
scan_give_up_order(CrispScan *scan)
{
	scan->request->as.list.order = NULL;
	scan->request->as.list.streamed = false;
	scan->request->as.list.stops = false;
	if (scan_method(scan, METHOD_KIND) == SCAN_TOP_N)
		ask_for_all(scan);
}

/*
 * Look at the order of a row that has come, and is in the slot.  A value of the column that is no
 * number, as Crisp's times are, has a place of its own.
 */
static void
judge_row(CrispScan *scan, const JsonNode *row, const TupleTableSlot *slot)
{
	const ListRequest *list = scan->request->kind == REQUEST_LIST ? &scan->request->as.list : NULL;
	OrderJudge		  *judge = &scan->judge;
	OrderVerdict	   before = order_judge_verdict(judge);
	OrderVerdict	   after;
	int64			   time = 0;
	bool			   has_time = order_row_time(row, scan->order_path, &time);
	bool			   is_stream = list != NULL && list->streamed &&
					 scan_method(scan, METHOD_KIND) == SCAN_STREAM;
	bool is_null = slot->tts_isnull[scan_method(scan, METHOD_SORT_COLUMN) - 1];

	/* A row without a time comes last, where it was promised not to come, or to come first. */
	if (is_null == has_time || (!has_time && is_stream && !list->order->filters &&
								scan_method(scan, METHOD_NULLS_FIRST) != 0))
	{
		judge->broken = true;
		if (is_stream)
			order_disprove(list);
	}

	/* Crisp may have refused it, since it isn't documented. */
	if (!judge->has_row && list != NULL && judge->trusts_ties && order_is_disproved(list))
		judge->broken = true;
	order_judge_row(judge, has_time, time);
	after = order_judge_verdict(judge);
	if (after == before || list == NULL)
		return;
	if (after == ORDER_BROKEN)
		order_check_page(list, row_reader_page(scan->reader));
	else if (judge->either_end && after != ORDER_OPEN)
		order_note_direction(scan->options, list->order, judge->goes_up);
}

/*----------
 * What the rows are sorted from; see TopNSource
 *----------
 */

static bool
fetch(ForeignScanState *node, TupleTableSlot *slot, bool *late)
{
	CrispScan *scan = node->fdw_state;
	FetchedRow row;

	if (scan->reads_wider)
		return wider_list_fetch(node, slot, late);
	if (!scan_source_next(scan, slot, &row))
		return false;
	*late = row.late;
	if (!row.late && scan->order_path != NULL)
		judge_row(scan, row.row, slot);
	return true;
}

static bool
at_hand(ForeignScanState *node)
{
	return row_reader_at_hand(((const CrispScan *) node->fdw_state)->reader);
}

static bool
at_end(ForeignScanState *node)
{
	return row_reader_at_end(((const CrispScan *) node->fdw_state)->reader);
}

static OrderVerdict
verdict(ForeignScanState *node)
{
	return order_judge_verdict(&((const CrispScan *) node->fdw_state)->judge);
}

/*
 * Note that a statement fails, so that the next one does without the order.
 */
static void
note_failure(ForeignScanState *node, bool unsorted)
{
	const CrispScan *scan = node->fdw_state;

	order_note_failure(&scan->request->as.list, unsorted);
}

/*
 * Say whether Crisp is known not to keep the order: a page has shown it, and not just that rows
 * have moved from one page to another.
 */
static bool
disproved(ForeignScanState *node)
{
	return order_is_disproved(&((const CrispScan *) node->fdw_state)->request->as.list);
}

/*
 * Read a list that does not come in the order that it was asked for from the start, page by full
 * page.  Where it came from the other end, that order still leaves out what isn't wanted.
 */
static void
restart(ForeignScanState *node, bool reversed)
{
	CrispScan	 *scan = node->fdw_state;
	MemoryContext old_context = MemoryContextSwitchTo(scan->request_context);

	scan_source_end(scan);
	if (reversed && !scan->options->exact_scan)
		ask_for_all(scan);
	else
		scan_give_up_order(scan);
	scan->order_path = NULL;
	scan_source_begin_list(scan);
	MemoryContextSwitchTo(old_context);
}

/*
 * Have the list of all runs give the rows, if these runs have cost as much.
 */
static bool
replace(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;

	if (!wider_list_is_due(node) || !wider_list_takes_all(node))
		return false;
	scan->reads_wider = true;
	scan->narrowed = false;
	scan->order_path = NULL;
	return true;
}

/*
 * Read the whole list instead of its oldest rows.
 */
static bool
widen(ForeignScanState *node)
{
	CrispScan	 *scan = node->fdw_state;
	MemoryContext old_context;

	if (!scan->narrowed)
		return false;
	old_context = MemoryContextSwitchTo(scan->request_context);
	scan->narrowed = false;
	scan_source_end(scan);
	scan->request->as.list.dates = scan->asked.as.list.dates;
	scan_source_begin_list(scan);
	MemoryContextSwitchTo(old_context);
	return true;
}

/*
 * Describe rows of the scan that are to be sorted.
 */
static TopNSource
describe_source(const CrispScan *scan, TopNFetch function)
{
	return (TopNSource){
		.fetch = function,
		.at_hand = at_hand,
		.verdict = verdict,
		.ended = at_end,
		.attnum = (AttrNumber) scan_method(scan, METHOD_SORT_COLUMN),
		.ascending = scan_method(scan, METHOD_ASCENDING) != 0,
		.nulls_first = scan_method(scan, METHOD_NULLS_FIRST) != 0,
		.wanted = Max(scan_method(scan, METHOD_ROWS_WANTED), 1),
	};
}

void
scan_begin_sort(ForeignScanState *node, TopNFetch function)
{
	CrispScan *scan = node->fdw_state;
	TopNSource source = describe_source(scan, function);

	memset(&scan->judge, 0, sizeof(scan->judge));
	scan->order_path = NULL;
	scan->top_n = top_n_begin(scan->request_context, node, &source, false, false);
}

void
scan_begin_top_n(ForeignScanState *node, bool trusted)
{
	CrispScan		  *scan = node->fdw_state;
	const ListRequest *list = scan->request->kind == REQUEST_LIST ? &scan->request->as.list : NULL;
	TopNSource		   source = describe_source(scan, fetch);

	if (list != NULL)
	{
		source.restart = restart;
		source.replace = replace;
		source.widen = widen;
		source.disproved = disproved;
		source.relied = trusted ? &scan->relied : NULL;
		source.full_pages = list->pages_wanted == 0;
		if (trusted && scan_method(scan, METHOD_KIND) == SCAN_STREAM)
			source.note_failure = note_failure;
	}

	memset(&scan->judge, 0, sizeof(scan->judge));
	scan->order_path = NULL;
	if (list == NULL)
	{
		scan->judge.trusts_ties = true;
		scan->order_path = json_path_of(scan->options->resource->cursor->path);
	}
	else if (trusted)
	{
		scan->judge.rising = source.ascending;
		scan->judge.either_end = list->order->filters;
		scan->judge.trusts_ties = list->order->opposite != NULL;
		scan->order_path = json_path_of(list->order->path);
	}
	scan->top_n = top_n_begin(scan->request_context, node, &source, trusted,
							  kept_rows_are_for_passes(scan->kept));
}
