/*-------------------------------------------------------------------------
 *
 * scan.c
 *		Executing scans.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "options/column_map.h"
#include "scan/detail.h"
#include "row/flatten.h"
#include "fetch/list_reader.h"
#include "fetch/lookup.h"
#include "scan/need.h"
#include "scan/top_n.h"
#include "scan/open_scans.h"
#include "fetch/order.h"
#include "scan/partition.h"
#include "plan/plan.h"
#include "plan/plan_details.h"
#include "scan/rescan.h"
#include "scan/row_store.h"
#include "row/row_source.h"
#include "scan/scan.h"
#include "scan/scan_request.h"
#include "scan/scan_state.h"
#include "fetch/children.h"

/*----------
 * Begin
 *----------
 */

static void store_row(ForeignScanState *node, const JsonNode *row, TupleTableSlot *slot);

/*
 * Prepare to fetch what the elements of the list lack, if the query uses any of it.
 */
static void
begin_details(ForeignScanState *node, List *columns)
{
	CrispScan *scan = node->fdw_state;
	Relation   relation = node->ss.ss_currentRelation;
	List	  *lacking = detail_columns(scan->options, RelationGetRelid(relation), columns);

	if (lacking != NIL)
		scan->details = details_create(node, scan->options, lacking,
									   row_source_begin(scan->options, relation, lacking, NULL),
									   store_row, scan->store != NULL);
}

/*
 * The list that is to serve lookups, once it's worth it; NULL where rows of the list may lack a
 * column that is used.
 */
static WholeList *
make_whole_list(const ForeignScanState *node, int eflags)
{
	const CrispScan	  *scan = node->fdw_state;
	const ForeignScan *plan = (const ForeignScan *) node->ss.ps.plan;
	Oid				   relid = RelationGetRelid(node->ss.ss_currentRelation);
	const PlannedStmt *statement = node->ss.ps.state->es_plannedstmt;
	ListCell		  *lc;

	foreach(lc, (List *) list_nth(plan->fdw_private, SCAN_PRIVATE_COLUMNS))
	{
		const char *path = column_map(scan->options, relid, (AttrNumber) lfirst_int(lc)).path;

		if (path == NULL || !crisp_resource_knows(scan->options->resource, path))
			return NULL;
	}
	return whole_list_create(
		node->ss.ps.state->es_query_cxt, scan->options,
		(WholeListPlan){.pages = scan_method(scan, METHOD_LIST_REQUESTS),
						.lookups = rescan_expected(statement, &plan->scan.plan) *
								   scan_method(scan, METHOD_REQUESTS),
						.repeats = rescan_is_possible(node, eflags)});
}

void
crisp_begin_scan(ForeignScanState *node, int eflags)
{
	ForeignScan	 *plan = (ForeignScan *) node->ss.ps.plan;
	Relation	  relation = node->ss.ss_currentRelation;
	MemoryContext context = node->ss.ps.state->es_query_cxt;
	CrispScan	 *scan = MemoryContextAllocZero(context, sizeof(CrispScan));

	node->fdw_state = scan;
	scan->descriptor = -1;

	/* Options are read now, not at planning: a cached plan must see what has changed. */
	scan->options = options_of_table(RelationGetRelid(relation));
	scan->method = list_nth(plan->fdw_private, SCAN_PRIVATE_METHOD);
	scan->value_states = ExecInitExprList(plan->fdw_exprs, (PlanState *) node);
	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
	{
		option_add_tier(scan->options, crisp_mapping_user(node, plan->scan.scanrelid));
		return;
	}

	option_add_credentials(scan->options, crisp_mapping_user(node, plan->scan.scanrelid));
	partition_check(node, scan->options);
	scan->descriptor_callback.func = scan_close_descriptor;
	scan->descriptor_callback.arg = scan;
	MemoryContextRegisterResetCallback(context, &scan->descriptor_callback);
	scan->flattener = row_source_begin(scan->options, relation,
									   list_nth(plan->fdw_private, SCAN_PRIVATE_COLUMNS),
									   &scan->search_column);
	scan->request_context = AllocSetContextCreate(context, "crisp_fdw request",
												  ALLOCSET_SMALL_SIZES);
	if (scan_method(scan, METHOD_KIND) == SCAN_LOOKUP)
	{
		scan->cache = answer_cache_create(context, (Size) work_mem * 1024);
		scan->whole_list = make_whole_list(node, eflags);
		scan->ahead = lookup_prefetch_create(scan->options, scan->cache, scan->whole_list,
											 node->ss.ps.state, scan_method(scan, METHOD_ID));
	}
	if (rescan_is_possible(node, eflags))
	{
		RowStore *store = row_store_create(context, scan_row_desc(node));

		if (scan->cache != NULL)
			scan->whole = store;
		else
			scan->store = store;
		if (scan_method(scan, METHOD_KIND) == SCAN_WALK)
			scan->cache = answer_cache_create(context, (Size) work_mem * 1024);
	}
	scan->open = (OpenScan){.node = node, .options = scan->options, .read_rest = scan_read_rest};
	open_scans_add(&scan->open);
	if (scan->cache == NULL)
		begin_details(node, list_nth(plan->fdw_private, SCAN_PRIVATE_COLUMNS));
}

/*----------
 * Requests
 *----------
 */

char *
crisp_scan_detail_target(ForeignScanState *node)
{
	const CrispScan	   *scan = node->fdw_state;
	const CrispOptions *options = scan->options;
	const ForeignScan  *plan = (const ForeignScan *) node->ss.ps.plan;
	List			   *columns = list_nth(plan->fdw_private, SCAN_PRIVATE_COLUMNS);

	if (scan_method(scan, METHOD_KIND) == SCAN_LOOKUP ||
		detail_columns(options, RelationGetRelid(node->ss.ss_currentRelation), columns) == NIL)
		return NULL;
	return request_key_target(options,
							  crisp_resource_detail_route(options->resource, options->tier), NULL);
}

CrispRequest *
crisp_scan_request(ForeignScanState *node, List *deparse_context)
{
	const CrispScan *scan = node->fdw_state;

	return scan_request_create(node, scan->options, scan->value_states, deparse_context);
}

static void read_whole(ForeignScanState *node);

/*
 * What was searched for, as the type of the column that reads it.
 */
static Datum
make_search_value(const ForeignScanState *node, AttrNumber attnum, const char *search)
{
	TupleDesc tupdesc = RelationGetDescr(node->ss.ss_currentRelation);
	Oid		  input;
	Oid		  parameter;

	getTypeInputInfo(TupleDescAttr(tupdesc, attnum - 1)->atttypid, &input, &parameter);
	return OidInputFunctionCall(input, pstrdup(search), parameter, -1);
}

/*
 * What gets to know the names of the rows, if the statement may write some of them; else NULL.
 */
static Names *
names_for(ForeignScanState *node)
{
	EState *estate = node->ss.ps.state;

	return estate->es_plannedstmt->resultRelations ? names_of_statement(estate) : NULL;
}

/*
 * With a limit of requests, none is made ahead of need that may turn out to have been in vain:
 * others would lack it.
 */
static void
spare_requests(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;

	if (api_max_requests > 0 && scan->errand == NULL && isfinite(need_rows(&node->ss.ps)))
		scan->options->prefetch = 1;
}

/*
 * Find out for how many rows details will be wanted in any case.
 */
void
scan_expect_rows(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;
	double	   rows;

	if (scan->details == NULL)
		return;
	rows = need_rows(&node->ss.ps);
	if (scan->newest != NULL)
		rows = Max(rows, scan_method(scan, METHOD_ROWS_WANTED));
	details_expect(scan->details, rows);
}

/*
 * Evaluate what is asked for, and get ready to ask.
 */
void
scan_start(ForeignScanState *node)
{
	CrispScan	 *scan = node->fdw_state;
	MemoryContext old_context = MemoryContextSwitchTo(scan->request_context);
	CrispRequest *request;
	bool		  newest = scan_method(scan, METHOD_KIND) == SCAN_NEWEST;

	spare_requests(node);
	request = scan->request = crisp_scan_request(node, NIL);
	scan->started = true;
	if (request != NULL)
	{
		ListRequest *list = request_list(request);

		if (list != NULL)
			list->newest_first = scan->errand == NULL && need_is_limited(&node->ss.ps);
		if (request->kind == REQUEST_LIST)
			list->errand = scan->errand;
		scan->asked = *request;
	}
	if (request != NULL && request->search != NULL && scan->search_column > 0)
		scan->search_value = make_search_value(node, scan->search_column, request->search);
	if (scan->ahead != NULL)
		lookup_prefetch_confirm(scan->ahead, request != NULL);
	if (request == NULL)
		scan->at_end = true;
	else if (request->kind == REQUEST_CHILDREN)
	{
		scan->walk = children_begin(&request->as.children, scan->cache, names_for(node));
		if (scan_method(scan, METHOD_SORT_COLUMN) > 0)
			scan_begin_newest(node, true);
	}
	else if (request->kind == REQUEST_KEYS)
		scan->lookup = lookup_begin(scan->request_context, &request->as.keys, scan->cache,
									scan->ahead, scan->whole_list);
	else if (scan->whole != NULL)
		read_whole(node);
	else
	{
		const ListRequest *list = &request->as.list;
		bool trusted = list->order != NULL && (newest || list->stops) && order_is_trusted(list);

		if (!trusted)
			scan_give_up_order(scan);
		scan->list = list_reader_begin(list);
		if (scan->details != NULL)
			details_begin(scan->details, scan->list);
		if (newest)
			scan_begin_newest(node, trusted);
		scan_expect_rows(node);
	}
	MemoryContextSwitchTo(old_context);
}

/*
 * What all lists of the scan have brought, without that which serves lookups.
 */
static PagerCounts
sum_counts(const CrispScan *scan)
{
	PagerCounts sum = scan->pager_counts;

	if (scan->walk != NULL)
		pager_add_counts(&sum, children_counts(scan->walk));
	else if (scan->list != NULL)
		pager_add_counts(&sum, list_reader_counts(scan->list));
	return sum;
}

PagerCounts
scan_sum_counts(const CrispScan *scan)
{
	PagerCounts		sum = sum_counts(scan);
	WholeListCounts whole = whole_list_counts(scan->whole_list);

	/* Rows that are served from that list came with its pages. */
	sum.pages += whole.pages;
	sum.rows += whole.rows - whole.served;
	sum.past_end += whole.past_end;
	return sum;
}

/*
 * Forget the request that is running, and all that it fetched.
 */
static void
drop_request(CrispScan *scan)
{
	scan->pager_counts = sum_counts(scan);
	if (scan->newest != NULL)
		top_n_end(scan->newest);
	if (scan->details != NULL)
		details_end(scan->details);
	if (scan->list != NULL)
		list_reader_end(scan->list);
	if (scan->lookup != NULL)
		lookup_end(scan->lookup);
	if (scan->walk != NULL)
		children_end(scan->walk);
	scan->walk = NULL;
	scan->newest = NULL;
	scan->list = NULL;
	scan->lookup = NULL;
	scan->request = NULL;
	scan->started = false;
	scan->at_end = false;
	scan->reads_whole = false;
	scan->cut_off = false;
	scan->matched = 0;
	MemoryContextReset(scan->request_context);
	if (scan->store != NULL)
		row_store_clear(scan->store);
	if (scan->rest != NULL)
		row_store_clear(scan->rest);
}

/*----------
 * Rows
 *----------
 */

/*
 * Add what a tuple has besides its columns.
 */
static void
finish_row(const ForeignScanState *node, TupleTableSlot *slot)
{
	const ForeignScan *plan = (const ForeignScan *) node->ss.ps.plan;
	Oid				   relid = RelationGetRelid(node->ss.ss_currentRelation);
	HeapTuple		   tuple;

	/* Only a heap tuple has xmin and its like, which are what they are in other foreign tables. */
	if (plan->fsSystemCol)
	{
		tuple = ExecCopySlotHeapTuple(slot);
		HeapTupleHeaderSetXmax(tuple->t_data, InvalidTransactionId);
		HeapTupleHeaderSetXmin(tuple->t_data, InvalidTransactionId);
		HeapTupleHeaderSetCmin(tuple->t_data, InvalidTransactionId);
		ItemPointerSetInvalid(&tuple->t_self);
		tuple->t_tableOid = relid;
		ExecStoreHeapTuple(tuple, slot, false);
	}

	/* The executor sets it later, but conditions are also checked before. */
	slot->tts_tableOid = relid;
}

/*
 * Turn a row of Crisp's into a tuple; a DetailConvert.
 */
static void
store_row(ForeignScanState *node, const JsonNode *row, TupleTableSlot *slot)
{
	CrispScan *scan = node->fdw_state;

	flatten_row(scan->flattener, row, scan->walk ? children_base(scan->walk) : NULL,
				slot->tts_values, slot->tts_isnull);
	if (scan->search_column > 0 && scan->request->search != NULL)
	{
		slot->tts_values[scan->search_column - 1] = scan->search_value;
		slot->tts_isnull[scan->search_column - 1] = false;
	}
	ExecStoreVirtualTuple(slot);
	finish_row(node, slot);
}

/*
 * Fill slot with the next row that Crisp has; returns false at the end.
 * Called in per-tuple memory.
 */
bool
scan_fetch_from_list(ForeignScanState *node, TupleTableSlot *slot)
{
	CrispScan	   *scan = node->fdw_state;
	const JsonNode *row;

	if (scan->details != NULL)
	{
		if (!details_next(scan->details, slot))
			return false;
		finish_row(node, slot);
		return true;
	}
	if (scan->walk != NULL)
		row = children_next(scan->walk);
	else
		row = scan->lookup ? lookup_next(scan->lookup) : list_reader_next(scan->list);
	if (row == NULL)
		return false;
	if (scan->lookup != NULL)
		scan->pager_counts.rows++;
	store_row(node, row, slot);
	if (scan->newest != NULL && scan->order_path != NULL)
		scan_judge_row(node, row, slot);
	return true;
}

/*
 * Read the whole list, or go back to its first row where that was done for an earlier pass.
 */
static void
read_whole(ForeignScanState *node)
{
	CrispScan	   *scan = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	char		   *target = request_list_target(&scan->request->as.list, 1);

	if (scan->whole_target == NULL || strcmp(scan->whole_target, target) != 0)
	{
		MemoryContext row_context = AllocSetContextCreate(scan->request_context, "crisp_fdw row",
														  ALLOCSET_DEFAULT_SIZES);

		row_store_clear(scan->whole);
		if (scan->whole_target != NULL)
			pfree(scan->whole_target);
		scan->whole_target = NULL;
		scan->list = list_reader_begin(&scan->request->as.list);
		MemoryContextSwitchTo(row_context);
		while (scan_fetch_from_list(node, slot))
		{
			row_store_put(scan->whole, slot);
			ExecClearTuple(slot);
			MemoryContextReset(row_context);
		}
		MemoryContextSwitchTo(scan->request_context);
		MemoryContextDelete(row_context);
		scan->whole_target = MemoryContextStrdup(node->ss.ps.state->es_query_cxt, target);
	}
	row_store_rewind(scan->whole);
	scan->reads_whole = true;
}

/*
 * Fill slot with the next row of the scan; returns false at the end.
 */
bool
scan_fetch(ForeignScanState *node, TupleTableSlot *slot)
{
	CrispScan *scan = node->fdw_state;
	bool	   found;

	if (!scan->started)
		scan_start(node);
	if (scan->at_end)
		return false;

	if (scan->newest != NULL)
		found = top_n_next(scan->newest, slot);
	else if (scan->reads_whole)
		found = row_store_get(scan->whole, slot);
	else
		found = scan_fetch_from_list(node, slot);
	scan->at_end = !found;
	if (found && scan_method(scan, METHOD_ROWS_WANTED) > 0 && scan_satisfies_conditions(node, slot))
		scan->matched++;
	return found;
}

/*
 * After a rescan with other parameters: go on with what was fetched, if they
 * ask for the same.  Which of the newest rows are given depends on conditions that Crisp isn't
 * asked about, too.
 */
static void
check_parameters(ForeignScanState *node)
{
	CrispScan	 *scan = node->fdw_state;
	CrispRequest *request;

	scan->parameters_changed = false;
	if (scan->request != NULL && !scan->cut_off)
	{
		MemoryContext old_context = MemoryContextSwitchTo(
			node->ss.ps.ps_ExprContext->ecxt_per_tuple_memory);

		request = crisp_scan_request(node, NIL);
		MemoryContextSwitchTo(old_context);
		if (request != NULL && request_equal(request, &scan->asked))
		{
			if (scan->newest != NULL)
			{
				top_n_again(scan->newest);
				row_store_clear(scan->store);
				scan->at_end = false;
			}
			row_store_rewind(scan->store);
			return;
		}
	}
	drop_request(scan);
}

/*
 * Fill slot with the scan's next row; leaves it empty at the end, or where that has to be waited
 * for.
 */
static void
iterate(ForeignScanState *node, TupleTableSlot *slot)
{
	CrispScan *scan = node->fdw_state;

	if (scan->parameters_changed)
		check_parameters(node);
	if (scan_fetch_kept(scan, slot))
		return;
	if (scan->cut_off)
		scan_raise_cut_off(node);

	scan->pending = node->ss.ps.async_capable && !crisp_scan_is_ready(node);
	if (scan->pending)
		return;

	if (scan->started)
		scan_expect_rows(node);
	if (scan_fetch(node, slot) && scan->store != NULL)
		row_store_put(scan->store, slot);
}

TupleTableSlot *
crisp_iterate_scan(ForeignScanState *node)
{
	CrispScan	   *scan = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;

	ExecClearTuple(slot);
	scan->pending = false;
	scan->busy = true;
	iterate(node, slot);
	scan->busy = false;
	return slot;
}

void
crisp_scan_set_errand(ForeignScanState *node, ExactErrand *errand)
{
	CrispScan *scan = node->fdw_state;

	Assert(!scan->started);
	scan->errand = errand;
}

void
crisp_rescan(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;

	if (scan->store == NULL)
		drop_request(scan);
	else if (node->ss.ps.chgParam != NULL)
		scan->parameters_changed = true;
	else if (!scan->parameters_changed)
		row_store_rewind(scan->store);
}

void
crisp_end_scan(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;

	/* EXPLAIN begins a scan without starting anything. */
	if (scan == NULL || scan->request_context == NULL)
		return;
	drop_request(scan);
	if (scan->ahead != NULL)
		lookup_prefetch_end(scan->ahead);
	whole_list_end(scan->whole_list);
	scan->whole_list = NULL;
	if (scan->store != NULL)
		row_store_end(scan->store);
	if (scan->whole != NULL)
		row_store_end(scan->whole);
	if (scan->rest != NULL)
		row_store_end(scan->rest);
	scan->store = scan->whole = scan->rest = NULL;
}

ScanCounts
crisp_scan_counts(ForeignScanState *node)
{
	const CrispScan *scan = node->fdw_state;
	ScanCounts		 counts = {.api = *scan->options->counts,
							   .pager = scan_sum_counts(scan),
							   .whole_list = whole_list_counts(scan->whole_list)};

	return counts;
}
