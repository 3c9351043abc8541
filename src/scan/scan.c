/*-------------------------------------------------------------------------
 *
 * scan.c
 *		Execute scans.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "options/column_map.h"
#include "plan/plan.h"
#include "plan/plan_details.h"
#include "scan/empty_join.h"
#include "scan/partition.h"
#include "scan/past_runs.h"
#include "scan/read_together.h"
#include "scan/rescan.h"
#include "scan/scan.h"
#include "scan/scan_fetch.h"
#include "scan/scan_request.h"
#include "scan/scan_rest.h"
#include "scan/scan_source.h"
#include "scan/scan_wait.h"
#include "scan/wider_list.h"

/*----------
 * Begin
 *----------
 */

static List *
used_columns(const ForeignScanState *node)
{
	return list_nth(((const ForeignScan *) node->ss.ps.plan)->fdw_private, SCAN_PRIVATE_COLUMNS);
}

/*
 * Say whether elements of the list have all columns that are used, as rows that are looked up do.
 */
static bool
list_has_columns(const ForeignScanState *node)
{
	const CrispScan *scan = node->fdw_state;
	Oid				 relid = RelationGetRelid(node->ss.ss_currentRelation);
	ListCell		*lc;

	foreach(lc, used_columns(node))
	{
		const char *path = column_map(scan->options, relid, (AttrNumber) lfirst_int(lc)).path;

		if (path == NULL || !crisp_resource_knows(scan->options->resource, path))
			return false;
	}
	return true;
}

/*
 * Make the list that is to serve lookups, once it's worth it.
 */
static WholeList *
make_whole_list(const ForeignScanState *node, int eflags)
{
	const CrispScan	  *scan = node->fdw_state;
	const PlannedStmt *statement = node->ss.ps.state->es_plannedstmt;

	return whole_list_create(
		node->ss.ps.state->es_query_cxt, scan->options,
		(WholeListPlan){.pages = scan_method(scan, METHOD_LIST_REQUESTS),
						.lookups = rescan_expected(statement, node->ss.ps.plan) *
								   scan_method(scan, METHOD_REQUESTS),
						.repeats = rescan_is_possible(node, eflags)});
}

/*
 * Prepare for what all requests of a scan that looks keys up have in common.
 */
static void
begin_lookups(ForeignScanState *node, int eflags)
{
	CrispScan *scan = node->fdw_state;
	EState	  *estate = node->ss.ps.state;

	scan->cache = answer_cache_create(estate->es_query_cxt, (Size) work_mem * 1024);
	if (list_has_columns(node))
	{
		scan->whole_list = make_whole_list(node, eflags);
		scan->search = key_search_create(estate->es_query_cxt, scan->options, scan->cache,
										 scan->whole_list);
	}
	scan->prefetch = lookup_prefetch_create(scan->options, scan->cache, scan->whole_list,
											scan->search, estate, scan_method(scan, METHOD_ID));
}

/*
 * Prepare to keep rows for other passes, if there may be any.
 */
static void
begin_kept_rows(ForeignScanState *node, int eflags)
{
	CrispScan	 *scan = node->fdw_state;
	MemoryContext context = node->ss.ps.state->es_query_cxt;
	bool		  may_repeat = rescan_is_possible(node, eflags);
	KeptFor		  purpose = KEPT_FOR_NOTHING;

	if (may_repeat)
		purpose = scan_method(scan, METHOD_KIND) == SCAN_LOOKUP ? KEPT_FOR_LOOKUPS
																: KEPT_FOR_PASSES;
	scan->kept = kept_rows_create(context, scan_row_desc(node), purpose);
	if (may_repeat && scan_method(scan, METHOD_KIND) == SCAN_CHILDREN)
		scan->cache = answer_cache_create(context, (Size) work_mem * 1024);
}

/*
 * Prepare to make tuples of rows, with what the elements of the list lack, if the query uses any of
 * it.
 */
static void
begin_tuples(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;
	List	  *lacking = NIL;

	if (scan_method(scan, METHOD_KIND) != SCAN_LOOKUP)
		lacking = detail_columns(scan->options, RelationGetRelid(node->ss.ss_currentRelation),
								 used_columns(node));
	scan->maker = tuple_maker_create(node, scan->options, lacking);
	if (lacking != NIL)
		scan->early_filter = early_filter_create(node, lacking, scan->maker,
												 kept_rows_are_for_passes(scan->kept));
}

void
scan_begin(ForeignScanState *node, int eflags)
{
	ForeignScan	 *plan = (ForeignScan *) node->ss.ps.plan;
	Relation	  relation = node->ss.ss_currentRelation;
	MemoryContext context = node->ss.ps.state->es_query_cxt;
	MemoryContext old_context = MemoryContextSwitchTo(context);
	CrispScan	 *scan = palloc0(sizeof(CrispScan));

	node->fdw_state = scan;

	/* Options are read now, not at planning: a cached plan must see what has changed. */
	scan->options = options_of_table(RelationGetRelid(relation));
	scan->method = list_nth(plan->fdw_private, SCAN_PRIVATE_METHOD);
	scan->value_states = ExecInitExprList(plan->fdw_exprs, (PlanState *) node);
	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
	{
		option_add_tier(scan->options, crisp_mapping_user(node, plan->scan.scanrelid));
		MemoryContextSwitchTo(old_context);
		return;
	}

	option_add_credentials(scan->options, crisp_mapping_user(node, plan->scan.scanrelid));
	partition_check(node, scan->options);
	scan->descriptor = wait_descriptor_create(context);
	scan->request_context = AllocSetContextCreate(context, "crisp_fdw request",
												  ALLOCSET_SMALL_SIZES);
	if (scan_method(scan, METHOD_KIND) == SCAN_LOOKUP)
		begin_lookups(node, eflags);
	begin_kept_rows(node, eflags);
	begin_tuples(node);
	scan->wider = wider_list_create(node);
	if (scan->wider != NULL)
		scan->past_runs = past_runs_create(context, scan_row_desc(node));
	scan->open = (OpenScan){.node = node, .options = scan->options, .read_rest = scan_read_rest};
	open_scans_add(&scan->open);
	MemoryContextSwitchTo(old_context);
}

/*----------
 * Rows
 *----------
 */

/*
 * Say whether the run's rows are of use to one that asks Crisp for the same.  Which of the first
 * rows in an order a run gives depends on conditions that Crisp isn't asked about, too: they are
 * chosen anew from what was fetched, unless they came from a run before.
 */
static bool
may_serve_others(const CrispScan *scan)
{
	return scan->request != NULL && !scan->cut_off && !scan->reads_wider &&
		   !(scan->reads_past && scan_method_sorts((ScanMethod) scan_method(scan, METHOD_KIND)));
}

/*
 * Go on, after a rescan with other parameters, with what was fetched, if they ask for the same.
 */
static void
check_parameters(ForeignScanState *node)
{
	CrispScan	 *scan = node->fdw_state;
	CrispRequest *request;

	scan->parameters_changed = false;
	if (may_serve_others(scan))
	{
		MemoryContext old_context = MemoryContextSwitchTo(
			node->ss.ps.ps_ExprContext->ecxt_per_tuple_memory);

		request = scan_request(node, NIL);
		MemoryContextSwitchTo(old_context);
		if (request != NULL && request_equal(request, &scan->asked))
		{
			if (scan->top_n != NULL)
				scan_sort_again(node);
			kept_rows_rewind(scan->kept);
			return;
		}
	}
	scan_drop_request(scan);
}

/*
 * Say whether it's worth no request to go on: a page is about to be asked for, and no row is of any
 * use.  The scan isn't at its end for that, as another pass may want its rows.
 */
static bool
is_in_vain(ForeignScanState *node)
{
	const CrispScan *scan = node->fdw_state;

	return scan->started && scan->reader != NULL && !scan->at_end &&
		   !row_reader_at_hand(scan->reader) && empty_join_is_above(&node->ss.ps);
}

/*
 * Fill slot with the scan's next row; leave it empty at the end, or where that has to be waited
 * for.
 */
static void
iterate(ForeignScanState *node, TupleTableSlot *slot)
{
	CrispScan *scan = node->fdw_state;

	if (scan->parameters_changed)
		check_parameters(node);
	if (kept_rows_get(scan->kept, slot))
		return;
	if (scan->cut_off)
		scan_raise_cut_off(node);
	if (is_in_vain(node))
		return;

	read_together(node);
	scan->pending = node->ss.ps.async_capable && !scan_get_ready(node);
	if (scan->pending)
		return;

	if (scan->started)
		scan_expect_rows(node);
	if (scan_fetch(node, slot) && !wider_list_is_read(scan) && !scan->reads_past)
		kept_rows_put(scan->kept, slot);
}

TupleTableSlot *
scan_iterate(ForeignScanState *node)
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
scan_set_errand(ForeignScanState *node, ExactErrand *errand)
{
	CrispScan *scan = node->fdw_state;

	Assert(!scan->started);
	scan->errand = errand;
}

void
scan_rescan(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;

	wider_list_note_params(scan->wider, node->ss.ps.chgParam);
	if (!kept_rows_are_for_passes(scan->kept))
		scan_drop_request(scan);
	else if (node->ss.ps.chgParam != NULL)
		scan->parameters_changed = true;
	else if (!scan->parameters_changed && wider_list_is_read(scan))
		wider_list_rewind(scan);
	else if (!scan->parameters_changed)
		kept_rows_rewind(scan->kept);
}

void
scan_end(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;

	/* EXPLAIN begins a scan without starting anything. */
	if (scan == NULL || scan->request_context == NULL)
		return;
	if (scan->shuns_failure && scan_has_sorted(node))
		order_forget_failure(scan->options,
							 &scan->options->resource->orders[scan_method(scan, METHOD_ORDER)]);

	/* No other run follows. */
	past_runs_end(scan->past_runs);
	scan->past_runs = NULL;
	scan_drop_request(scan);
	if (scan->prefetch != NULL)
		lookup_prefetch_end(scan->prefetch);
	key_search_end(scan->search);
	scan->search = NULL;
	whole_list_end(scan->whole_list);
	scan->whole_list = NULL;
	wider_list_end(scan->wider);
	scan->wider = NULL;
	kept_rows_end(scan->kept);
}

/*----------
 * For EXPLAIN
 *----------
 */

CrispRequest *
scan_request(ForeignScanState *node, List *deparse_context)
{
	const CrispScan *scan = node->fdw_state;

	return scan_request_create(node, scan->options, scan->value_states, deparse_context,
							   !scan->started || scan->streams);
}

char *
scan_detail_target(ForeignScanState *node)
{
	const CrispScan	   *scan = node->fdw_state;
	const CrispOptions *options = scan->options;

	if (scan_method(scan, METHOD_KIND) == SCAN_LOOKUP ||
		detail_columns(options, RelationGetRelid(node->ss.ss_currentRelation),
					   used_columns(node)) == NIL)
		return NULL;
	return request_key_target(options,
							  crisp_resource_detail_route(options->resource, options->tier), NULL);
}

bool
scan_has_sorted(ForeignScanState *node)
{
	const CrispScan *scan = node->fdw_state;

	return scan->top_n != NULL && top_n_has_sorted(scan->top_n);
}

ScanCounts
scan_counts(ForeignScanState *node)
{
	const CrispScan *scan = node->fdw_state;
	ScanCounts		 counts = {.api = *scan->options->counts,
							   .reader = scan_source_counts(scan),
							   .whole_list = whole_list_counts(scan->whole_list),
							   .key_search = key_search_counts(scan->search),
							   .wider_list = wider_list_counts(scan->wider),
							   .past_runs = past_runs_recalled(scan->past_runs)};

	/* A list that is recalled serves as itself. */
	counts.past_runs -= counts.wider_list.recalled;

	/* Rows that are served from that list came with its pages. */
	counts.reader.pages += counts.whole_list.pages;
	counts.reader.rows += counts.whole_list.rows - counts.whole_list.served;
	counts.reader.past_end += counts.whole_list.past_end;
	return counts;
}
