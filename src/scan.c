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

#include <fcntl.h>
#include <math.h>
#include <unistd.h>

#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "detail.h"
#include "flatten.h"
#include "list.h"
#include "lookup.h"
#include "need.h"
#include "newest.h"
#include "open_scans.h"
#include "order.h"
#include "partition.h"
#include "plan.h"
#include "rescan.h"
#include "row_store.h"
#include "rowsource.h"
#include "scan.h"
#include "scan_request.h"
#include "walk.h"

/* A running scan, in ForeignScanState.fdw_state; lives in the query's memory. */
typedef struct CrispScan
{
	CrispOptions *options;
	Flattener	 *flattener;
	AttrNumber	  search_column; /* reads what was searched for; 0 for none */
	Datum		  search_value;	 /* that, if the request searches */

	List *method;		/* SCAN_PRIVATE_METHOD */
	List *value_states; /* ExprStates of the conditions' values */

	/* Of the request that is running; at most one of list, lookup and walk is set. */
	MemoryContext request_context;
	CrispRequest *request;
	CrispRequest  asked; /* request as its conditions have it, before its order was judged */
	ListReader	 *list;
	Lookup		 *lookup;
	Walk		 *walk;
	Details		 *details; /* adds to the rows of a list what it lacks; or NULL */
	Newest		 *newest;  /* sorts what comes from there; or NULL */
	OrderJudge	  judge;   /* of the rows that come for it */
	JsonPath	 *order_path;
	bool		  started;
	bool		  at_end;
	bool		  parameters_changed; /* since the request was made: is it still the same? */

	bool				  pending;	  /* the last Iterate would have had to wait for Crisp */
	int					  descriptor; /* for waiting; -1 for none */
	MemoryContextCallback descriptor_callback;

	Ahead		*ahead;		   /* lookups that somebody else has begun; NULL without lookups */
	AnswerCache *cache;		   /* of all lookups and walks of the scan; NULL for a list */
	PagerCounts	 pager_counts; /* of earlier requests */

	/* What a rescan that asks for the same is served from, kept where one may come; otherwise NULL. */
	RowStore *store;

	/*
	 * All rows of the list that stands in for lookups where keys can't be looked
	 * up, kept where that may happen again; otherwise NULL.
	 */
	RowStore *whole;
	char	 *whole_target; /* of the list's first page; NULL before it was read */
	bool	  reads_whole;	/* the request is served from there */

	/* For when the session changes what the scan reads. */
	OpenScan		open;
	bool			busy;	 /* within a call of the executor's */
	bool			cut_off; /* its rest could not be read: there's no going on */
	RowStore	   *rest; /* rows that were read first, unless they are in store; NULL for none */
	TupleTableSlot *rest_slot; /* for one of these */
	int64 matched; /* rows of the request that satisfy its conditions, where a LIMIT counts */
	ExprContext *econtext; /* for finding that out */
} CrispScan;

static int
method_field(const CrispScan *scan, int field)
{
	return list_nth_int(scan->method, field);
}

/*----------
 * Begin
 *----------
 */

static void store_row(ForeignScanState *node, const JsonNode *row, TupleTableSlot *slot);
static void read_rest(ForeignScanState *node);

/*
 * What rows of the scan look like; unlike the relation's own, nobody counts who refers to it.
 */
static TupleDesc
row_desc(const ForeignScanState *node)
{
	return node->ss.ss_ScanTupleSlot->tts_tupleDescriptor;
}

/*
 * Give the scan's descriptor back.
 */
static void
close_descriptor(void *arg)
{
	CrispScan *scan = arg;

	if (scan->descriptor < 0)
		return;
	(void) close(scan->descriptor);
	scan->descriptor = -1;
}

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
	scan->options = option_of_table(RelationGetRelid(relation));
	scan->method = list_nth(plan->fdw_private, SCAN_PRIVATE_METHOD);
	scan->value_states = ExecInitExprList(plan->fdw_exprs, (PlanState *) node);
	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
	{
		option_add_tier(scan->options, crisp_mapping_user(node, plan->scan.scanrelid));
		return;
	}

	option_add_credentials(scan->options, crisp_mapping_user(node, plan->scan.scanrelid));
	partition_check(node, scan->options);
	scan->descriptor_callback.func = close_descriptor;
	scan->descriptor_callback.arg = scan;
	MemoryContextRegisterResetCallback(context, &scan->descriptor_callback);
	scan->flattener = row_source_begin(scan->options, relation,
									   list_nth(plan->fdw_private, SCAN_PRIVATE_COLUMNS),
									   &scan->search_column);
	scan->request_context = AllocSetContextCreate(context, "crisp_fdw request",
												  ALLOCSET_SMALL_SIZES);
	if (method_field(scan, METHOD_KIND) == SCAN_LOOKUP)
	{
		scan->cache = answer_cache_create(context, (Size) work_mem * 1024);
		scan->ahead = ahead_create(scan->options, scan->cache, node->ss.ps.state,
								   method_field(scan, METHOD_ID));
	}
	if (rescan_is_possible(node, eflags))
	{
		RowStore *store = row_store_create(context, row_desc(node));

		if (scan->cache != NULL)
			scan->whole = store;
		else
			scan->store = store;
		if (method_field(scan, METHOD_KIND) == SCAN_WALK)
			scan->cache = answer_cache_create(context, (Size) work_mem * 1024);
	}
	scan->open = (OpenScan){.node = node, .options = scan->options, .read_rest = read_rest};
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

	if (method_field(scan, METHOD_KIND) == SCAN_LOOKUP ||
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

static bool			fetch_from_list(ForeignScanState *node, TupleTableSlot *slot);
static bool			row_at_hand(ForeignScanState *node);
static bool			list_ended(ForeignScanState *node);
static OrderVerdict judged(ForeignScanState *node);
static void			restart_list(ForeignScanState *node, bool reversed);
static void			read_whole(ForeignScanState *node);

/*
 * Ask for the list as one that is read in whole.
 */
static void
ask_for_all(CrispScan *scan)
{
	scan->request->per_page = scan->options->per_page;
	scan->request->pages_wanted = 0;
}

/*
 * Ask for the list in an order that nobody relies on.  Where its newest rows were wanted, all of it
 * has to be read.
 */
static void
give_up_order(CrispScan *scan)
{
	scan->request->order = NULL;
	scan->request->stops = false;
	if (method_field(scan, METHOD_KIND) == SCAN_NEWEST)
		ask_for_all(scan);
}

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
 * With a limit of requests, none is made ahead of need that may turn out to have been in vain: others would lack it.
 */
static void
spare_requests(ForeignScanState *node)
{
	if (api_max_requests > 0 && isfinite(need_rows(&node->ss.ps, false)))
		((CrispScan *) node->fdw_state)->options->prefetch = 1;
}

/*
 * Find out for how many rows details will be wanted in any case.
 */
static void
expect_rows(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;
	double	   rows;

	if (scan->details == NULL)
		return;
	rows = need_rows(&node->ss.ps, false);
	if (scan->newest != NULL)
		rows = Max(rows, method_field(scan, METHOD_ROWS_WANTED));
	details_expect(scan->details, rows);
}

/*
 * Get ready to give the rows of the list in the order that is wanted.
 */
static void
begin_newest(ForeignScanState *node, bool trusted)
{
	CrispScan		   *scan = node->fdw_state;
	const CrispRequest *request = scan->request;
	NewestSource		source = {
			   .fetch = fetch_from_list,
			   .at_hand = row_at_hand,
			   .verdict = judged,
			   .ended = list_ended,
			   .restart = scan->walk != NULL ? NULL : restart_list,
			   .attnum = (AttrNumber) method_field(scan, METHOD_SORT_COLUMN),
			   .ascending = method_field(scan, METHOD_ASCENDING) != 0,
			   .nulls_first = method_field(scan, METHOD_NULLS_FIRST) != 0,
			   .full_pages = request->pages_wanted == 0,
			   .wanted = method_field(scan, METHOD_ROWS_WANTED),
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
		scan->judge.rising = source.ascending;
		scan->judge.either_end = request->order->filters;
		scan->judge.trusts_ties = request->order->opposite != NULL;
		scan->order_path = json_path_parse(request->order->path, &error);
	}
	scan->newest = newest_begin(scan->request_context, node, &source, trusted, scan->store != NULL);
}

/*
 * Evaluate what is asked for, and get ready to ask.
 */
static void
start_request(ForeignScanState *node)
{
	CrispScan	 *scan = node->fdw_state;
	MemoryContext old_context = MemoryContextSwitchTo(scan->request_context);
	CrispRequest *request;
	bool		  newest = method_field(scan, METHOD_KIND) == SCAN_NEWEST;

	spare_requests(node);
	request = scan->request = crisp_scan_request(node, NIL);
	scan->started = true;
	if (request != NULL)
		scan->asked = *request;
	if (request != NULL && request->search != NULL && scan->search_column > 0)
		scan->search_value = make_search_value(node, scan->search_column, request->search);
	if (scan->ahead != NULL)
		ahead_confirm(scan->ahead, request != NULL);
	if (request == NULL)
		scan->at_end = true;
	else if (method_field(scan, METHOD_KIND) == SCAN_WALK)
	{
		scan->walk = walk_begin(request, scan->cache, names_for(node));
		if (method_field(scan, METHOD_SORT_COLUMN) > 0)
			begin_newest(node, true);
	}
	else if (request->lookup != NULL)
		scan->lookup = lookup_begin(request, scan->cache, scan->ahead);
	else if (scan->whole != NULL)
		read_whole(node);
	else
	{
		bool trusted = request->order != NULL && (newest || request->stops) &&
					   order_is_trusted(request);

		if (!trusted)
			give_up_order(scan);
		scan->list = list_reader_begin(request);
		if (scan->details != NULL)
			details_begin(scan->details, scan->list);
		if (newest)
			begin_newest(node, trusted);
		expect_rows(node);
	}
	MemoryContextSwitchTo(old_context);
}

/*
 * What all lists of the scan have brought.
 */
static PagerCounts
sum_pager_counts(const CrispScan *scan)
{
	PagerCounts sum = scan->pager_counts;

	if (scan->walk != NULL)
		pager_add_counts(&sum, walk_counts(scan->walk));
	else if (scan->list != NULL)
		pager_add_counts(&sum, list_reader_counts(scan->list));
	return sum;
}

/*
 * Forget the request that is running, and all that it fetched.
 */
static void
drop_request(CrispScan *scan)
{
	scan->pager_counts = sum_pager_counts(scan);
	if (scan->newest != NULL)
		newest_end(scan->newest);
	if (scan->details != NULL)
		details_end(scan->details);
	if (scan->list != NULL)
		list_reader_end(scan->list);
	if (scan->lookup != NULL)
		lookup_end(scan->lookup);
	if (scan->walk != NULL)
		walk_end(scan->walk);
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

	flatten_row(scan->flattener, row, scan->walk ? walk_base(scan->walk) : NULL, slot->tts_values,
				slot->tts_isnull);
	if (scan->search_column > 0 && scan->request->search != NULL)
	{
		slot->tts_values[scan->search_column - 1] = scan->search_value;
		slot->tts_isnull[scan->search_column - 1] = false;
	}
	ExecStoreVirtualTuple(slot);
	finish_row(node, slot);
}

/*
 * Look at the order of a row that has come.  A value of the column that is no number, as Crisp's times are, has a
 * place of its own.
 */
static void
judge_row(ForeignScanState *node, const JsonNode *row, const TupleTableSlot *slot)
{
	CrispScan	*scan = node->fdw_state;
	OrderJudge	*judge = &scan->judge;
	OrderVerdict before = order_judge_verdict(judge);
	OrderVerdict after;
	int64		 time = 0;
	bool		 has_time = order_row_time(row, scan->order_path, &time);

	if (slot->tts_isnull[method_field(scan, METHOD_SORT_COLUMN) - 1] == has_time)
		judge->broken = true;

	/* Crisp may have refused it, since it isn't documented. */
	if (!judge->has_row && scan->list != NULL && judge->trusts_ties &&
		order_is_disproved(scan->request))
		judge->broken = true;
	order_judge_row(judge, has_time, time);
	after = order_judge_verdict(judge);
	if (after == before || scan->list == NULL)
		return;
	if (after == ORDER_BROKEN)
		order_check_page(scan->request, list_reader_page(scan->list));
	else if (judge->either_end && after != ORDER_OPEN)
		order_note_direction(scan->options, scan->request->order, judge->goes_up);
}

/*
 * Fill slot with the next row that Crisp has; returns false at the end.
 * Called in per-tuple memory.
 */
static bool
fetch_from_list(ForeignScanState *node, TupleTableSlot *slot)
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
		row = walk_next(scan->walk);
	else
		row = scan->lookup ? lookup_next(scan->lookup) : list_reader_next(scan->list);
	if (row == NULL)
		return false;
	if (scan->lookup != NULL)
		scan->pager_counts.rows++;
	store_row(node, row, slot);
	if (scan->newest != NULL && scan->order_path != NULL)
		judge_row(node, row, slot);
	return true;
}

static bool
row_at_hand(ForeignScanState *node)
{
	const CrispScan *scan = node->fdw_state;

	return scan->walk != NULL ? walk_at_hand(scan->walk) : list_reader_at_hand(scan->list);
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
 * The list does not come in the order that it was asked for: read it from the
 * start, page by full page.  Where it came from the other end, that order still leaves out what isn't wanted.
 */
static void
restart_list(ForeignScanState *node, bool reversed)
{
	CrispScan	 *scan = node->fdw_state;
	MemoryContext old_context = MemoryContextSwitchTo(scan->request_context);

	scan->pager_counts = sum_pager_counts(scan);
	list_reader_end(scan->list);
	if (reversed && !scan->options->exact_scan)
		ask_for_all(scan);
	else
		give_up_order(scan);
	scan->order_path = NULL;
	scan->list = list_reader_begin(scan->request);
	if (scan->details != NULL)
		details_begin(scan->details, scan->list);
	MemoryContextSwitchTo(old_context);
}

/*
 * Read the whole list, or go back to its first row where that was done for an earlier pass.
 */
static void
read_whole(ForeignScanState *node)
{
	CrispScan	   *scan = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	char		   *target = request_list_target(scan->request, 1);

	if (scan->whole_target == NULL || strcmp(scan->whole_target, target) != 0)
	{
		MemoryContext row_context = AllocSetContextCreate(scan->request_context, "crisp_fdw row",
														  ALLOCSET_DEFAULT_SIZES);

		row_store_clear(scan->whole);
		if (scan->whole_target != NULL)
			pfree(scan->whole_target);
		scan->whole_target = NULL;
		scan->list = list_reader_begin(scan->request);
		MemoryContextSwitchTo(row_context);
		while (fetch_from_list(node, slot))
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
 * Whether a row satisfies the scan's conditions, which are known to have no say in anything else.
 */
static bool
satisfies_conditions(ForeignScanState *node, TupleTableSlot *slot)
{
	CrispScan *scan = node->fdw_state;
	bool	   result;

	/* The newest rows are gathered by them. */
	if (scan->newest != NULL || node->ss.ps.qual == NULL)
		return true;
	if (scan->econtext == NULL)
		scan->econtext = CreateExprContext(node->ss.ps.state);
	scan->econtext->ecxt_scantuple = slot;
	result = ExecQual(node->ss.ps.qual, scan->econtext);
	ResetExprContext(scan->econtext);
	return result;
}

/*
 * Fill slot with the next row of the scan; returns false at the end.
 */
static bool
fetch_row(ForeignScanState *node, TupleTableSlot *slot)
{
	CrispScan *scan = node->fdw_state;
	bool	   found;

	if (!scan->started)
		start_request(node);
	if (scan->at_end)
		return false;

	if (scan->newest != NULL)
		found = newest_next(scan->newest, slot);
	else if (scan->reads_whole)
		found = row_store_get(scan->whole, slot);
	else
		found = fetch_from_list(node, slot);
	scan->at_end = !found;
	if (found && method_field(scan, METHOD_ROWS_WANTED) > 0 && satisfies_conditions(node, slot))
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
				newest_again(scan->newest);
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
 * Fill slot with the next row that was fetched before, by an earlier pass over the same request or ahead of
 * a change; returns false where there is none.
 */
static bool
fetch_kept(CrispScan *scan, TupleTableSlot *slot)
{
	return (scan->store != NULL && row_store_get(scan->store, slot)) ||
		   (scan->rest != NULL && row_store_get(scan->rest, slot));
}

/*
 * Fetch the rows that are still to come, as many as the statement may want, and keep them.
 */
static void
keep_rest(ForeignScanState *node, RowStore *store, MemoryContext row_context)
{
	CrispScan	 *scan = node->fdw_state;
	int			  wanted = method_field(scan, METHOD_ROWS_WANTED);
	int64		  position = row_store_position(store);
	MemoryContext old_context = MemoryContextSwitchTo(row_context);

	while ((wanted <= 0 || scan->matched < wanted) && fetch_row(node, scan->rest_slot))
	{
		row_store_put(store, scan->rest_slot);
		ExecClearTuple(scan->rest_slot);
		MemoryContextReset(row_context);
	}
	MemoryContextSwitchTo(old_context);
	row_store_seek(store, position);
}

/*
 * An OpenScan's.  Somebody may still use the latest row, so neither its slot nor its memory is touched.
 */
static void
read_rest(ForeignScanState *node)
{
	CrispScan	 *scan = node->fdw_state;
	MemoryContext context = node->ss.ps.state->es_query_cxt;
	MemoryContext old_context;
	MemoryContext row_context;

	if (!scan->started || scan->at_end || scan->busy || scan->cut_off || scan->reads_whole)
		return;

	old_context = MemoryContextSwitchTo(context);
	if (scan->rest_slot == NULL)
		scan->rest_slot = ExecInitExtraTupleSlot(node->ss.ps.state, row_desc(node),
												 &TTSOpsHeapTuple);
	if (scan->store == NULL && scan->rest == NULL)
		scan->rest = row_store_create(context, row_desc(node));
	row_context = AllocSetContextCreate(context, "crisp_fdw row", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(old_context);
	if (scan->details != NULL)
		details_keep_latest(scan->details);

	/* What raises here may be caught by who wanted to make the change, while the scan goes on. */
	scan->cut_off = true;
	keep_rest(node, scan->store ? scan->store : scan->rest, row_context);
	scan->cut_off = false;
	MemoryContextDelete(row_context);
}

void
crisp_scan_look_ahead(ForeignScanState *node, void (*look)(void *arg, TupleTableSlot *slot),
					  void			   *arg)
{
	CrispScan	   *scan = node->fdw_state;
	RowStore	   *store = scan->store ? scan->store : scan->rest;
	TupleTableSlot *slot;
	int64			position;

	if (store == NULL)
		return;
	slot = MakeSingleTupleTableSlot(row_desc(node), &TTSOpsHeapTuple);
	position = row_store_position(store);
	while (row_store_get(store, slot))
		if (satisfies_conditions(node, slot))
			look(arg, slot);
	row_store_seek(store, position);
	ExecDropSingleTupleTableSlot(slot);
}

pg_noreturn static void
raise_cut_off(const ForeignScanState *node)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot read more rows of foreign table \"%s\"",
					RelationGetRelationName(node->ss.ss_currentRelation)),
			 errdetail("Its rows were to be read before a change was made, and that failed."),
			 errhint("Run the query again.")));
}

/*
 * Fill slot with the scan's next row; leaves it empty at the end, or where that has to be waited for.
 */
static void
iterate(ForeignScanState *node, TupleTableSlot *slot)
{
	CrispScan *scan = node->fdw_state;

	if (scan->parameters_changed)
		check_parameters(node);
	if (fetch_kept(scan, slot))
		return;
	if (scan->cut_off)
		raise_cut_off(node);

#if PG_VERSION_NUM >= 140000
	scan->pending = node->ss.ps.async_capable && !crisp_scan_is_ready(node);
	if (scan->pending)
		return;
#endif

	if (scan->started)
		expect_rows(node);
	if (fetch_row(node, slot) && scan->store != NULL)
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

bool
crisp_scan_is_ready(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;

	if (!scan->started)
		start_request(node);
	else
		expect_rows(node);
	if (scan->at_end || scan->newest != NULL || scan->reads_whole)
		return true;
	if (scan->details != NULL)
		return details_is_ready(scan->details);
	if (scan->walk != NULL)
		return walk_is_ready(scan->walk);
	return scan->lookup ? lookup_is_ready(scan->lookup) : list_reader_is_ready(scan->list);
}

bool
crisp_scan_is_pending(ForeignScanState *node)
{
	return ((CrispScan *) node->fdw_state)->pending;
}

/*
 * Whether what the pending scan waits for has come already, since another
 * scan of the same pool has let all of them go on.
 */
static bool
is_settled(const CrispScan *scan)
{
	/* A change may have made it read its rows first. */
	if (scan->at_end || scan->cut_off || (scan->rest != NULL && row_store_has_next(scan->rest)) ||
		(scan->store != NULL && row_store_has_next(scan->store)))
		return true;
	if (scan->details != NULL)
		return details_is_settled(scan->details);
	if (scan->walk != NULL)
		return walk_is_settled(scan->walk);
	return scan->lookup ? lookup_is_settled(scan->lookup) : list_reader_is_settled(scan->list);
}

/*
 * The descriptor of the pool that a scan waits for.
 */
static pgsocket
own_socket(const CrispScan *scan)
{
	if (scan->walk != NULL)
		return walk_socket(scan->walk);
	if (scan->details != NULL)
		return details_socket(scan->details);
	return scan->lookup ? lookup_socket(scan->lookup) : list_reader_socket(scan->list);
}

pgsocket
crisp_scan_descriptor(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;

	/* The pool may be another one than it was. */
	close_descriptor(scan);

	/* What has been received makes the pool's descriptor readable no more. */
	if (is_settled(scan))
		return PGINVALID_SOCKET;
	scan->descriptor = fcntl(own_socket(scan), F_DUPFD_CLOEXEC, 0);
	if (scan->descriptor < 0)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
						errmsg("could not open a descriptor to wait for: %m")));
	return scan->descriptor;
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
		ahead_end(scan->ahead);
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
	ScanCounts		 counts = {.api = *scan->options->counts, .pager = sum_pager_counts(scan)};

	return counts;
}
