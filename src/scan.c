/*-------------------------------------------------------------------------
 *
 * scan.c
 *		Executing scans, and showing them in EXPLAIN.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/explain.h"
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/tuplestore.h"

#include "flatten.h"
#include "pager.h"
#include "plan.h"
#include "pushdown.h"
#include "scan.h"

/* A running scan, in ForeignScanState.fdw_state; lives in the query's memory. */
typedef struct CrispScan
{
	CrispOptions *options;
	Flattener	 *flattener;

	List *conditions;
	List *value_states; /* ExprStates of their values */

	MemoryContext request_context; /* parameters and pager of the request that is running */
	Pager		 *pager;		   /* NULL before the first row, and when no row can match */
	bool		  started;
	bool		  at_end;

	/*
	 * What a rescan with the same parameters is served from, kept where the
	 * executor says that one may come; otherwise NULL.
	 */
	Tuplestorestate *store;
	TupleTableSlot	*store_slot; /* for a row of it */
} CrispScan;

/*----------
 * Begin
 *----------
 */

/*
 * The role whose user mapping counts: the one that the executor checks
 * permissions as, which for a view is its owner.
 */
static Oid
mapping_user(ForeignScanState *node)
{
	Oid user_id;

#if PG_VERSION_NUM >= 160000
	user_id = ((ForeignScan *) node->ss.ps.plan)->checkAsUser;
#else
	Index rti = ((ForeignScan *) node->ss.ps.plan)->scan.scanrelid;

	user_id = exec_rt_fetch(rti, node->ss.ps.state)->checkAsUser;
#endif
	return OidIsValid(user_id) ? user_id : GetUserId();
}

/*
 * Prepare the conversion of the columns that the query uses.
 */
static Flattener *
begin_flattener(const CrispOptions *options, Relation relation, List *columns)
{
	TupleDesc	   tupdesc = RelationGetDescr(relation);
	FlattenSource *sources = palloc(sizeof(FlattenSource) * Max(list_length(columns), 1));
	ListCell	  *lc;

	foreach(lc, columns)
	{
		FlattenSource	 *source = &sources[foreach_current_index(lc)];
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, lfirst_int(lc) - 1);

		source->attnum = attribute->attnum;
		source->path = option_json_path(options, RelationGetRelid(relation), attribute->attnum,
										NameStr(attribute->attname));
	}
	return flatten_begin(tupdesc, RelationGetRelationName(relation), options->resource->envelope,
						 sources, list_length(columns));
}

void
crisp_begin_scan(ForeignScanState *node, int eflags)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	Relation	 relation = node->ss.ss_currentRelation;
	CrispScan	*scan = palloc0(sizeof(CrispScan));

	node->fdw_state = scan;

	/* Options are read now, not at planning: a cached plan must see what has changed. */
	scan->options = option_of_table(RelationGetRelid(relation));
	scan->conditions = list_nth(plan->fdw_private, SCAN_PRIVATE_CONDITIONS);
	scan->value_states = ExecInitExprList(plan->fdw_exprs, (PlanState *) node);
	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;

	option_add_credentials(scan->options, mapping_user(node));
	scan->flattener = begin_flattener(scan->options, relation,
									  list_nth(plan->fdw_private, SCAN_PRIVATE_COLUMNS));
	scan->request_context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw request",
												  ALLOCSET_SMALL_SIZES);
	if (eflags & EXEC_FLAG_REWIND)
	{
		scan->store = tuplestore_begin_heap(false, false, work_mem);
		tuplestore_set_eflags(scan->store, EXEC_FLAG_REWIND);
		scan->store_slot = ExecInitExtraTupleSlot(node->ss.ps.state, RelationGetDescr(relation),
												  &TTSOpsMinimalTuple);
	}
}

/*----------
 * Parameters
 *----------
 */

/*
 * Whether an expression holds a value that only a running plan knows.
 */
static bool
needs_execution(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXEC)
		return true;
	return expression_tree_walker(node, needs_execution, context);
}

/*
 * Evaluate the values of the scan's conditions, in CurrentMemoryContext.  For EXPLAIN, those that only
 * a running plan knows are left as text.
 */
static PushdownValue *
evaluate_values(ForeignScanState *node, bool explain_only, List *deparse_context)
{
	CrispScan	  *scan = node->fdw_state;
	ForeignScan	  *plan = (ForeignScan *) node->ss.ps.plan;
	PushdownValue *values = palloc0(sizeof(PushdownValue) *
									Max(list_length(scan->value_states), 1));
	ListCell	  *lc_state;
	ListCell	  *lc_expr;
	int			   i = 0;

	forboth(lc_state, scan->value_states, lc_expr, plan->fdw_exprs)
	{
		PushdownValue *value = &values[i++];

		value->known = !explain_only || !needs_execution(lfirst(lc_expr), NULL);
		if (value->known)
			value->value = ExecEvalExpr((ExprState *) lfirst(lc_state), node->ss.ps.ps_ExprContext,
										&value->isnull);
		else
			value->text = deparse_expression(lfirst(lc_expr), deparse_context, false, false);
	}
	return values;
}

/*----------
 * Rows
 *----------
 */

/*
 * Evaluate what is asked for, and get ready to ask.
 */
static void
start_request(ForeignScanState *node)
{
	CrispScan	 *scan = node->fdw_state;
	MemoryContext old_context = MemoryContextSwitchTo(scan->request_context);
	List		 *params;

	if (pushdown_params(scan->options, scan->conditions, evaluate_values(node, false, NIL), &params,
						NULL))
		scan->pager = pager_begin(scan->options, params);
	else
		scan->at_end = true;
	scan->started = true;
	MemoryContextSwitchTo(old_context);
}

/*
 * Forget the request that is running, and all that it fetched.
 */
static void
drop_request(CrispScan *scan)
{
	if (scan->pager != NULL)
		pager_end(scan->pager);
	scan->pager = NULL;
	scan->started = false;
	scan->at_end = false;
	MemoryContextReset(scan->request_context);
	if (scan->store != NULL)
		tuplestore_clear(scan->store);
}

/*
 * Fill slot with the next row that Crisp has; returns false at the end.  Called in per-tuple memory.
 */
static bool
fetch_row(ForeignScanState *node, TupleTableSlot *slot)
{
	CrispScan	*scan = node->fdw_state;
	json_object *row;

	if (!scan->started)
		start_request(node);
	if (scan->at_end)
		return false;

	row = pager_next(scan->pager);
	if (row == NULL)
	{
		scan->at_end = true;
		return false;
	}
	flatten_row(scan->flattener, row, slot->tts_values, slot->tts_isnull);
	ExecStoreVirtualTuple(slot);
	return true;
}

TupleTableSlot *
crisp_iterate_scan(ForeignScanState *node)
{
	CrispScan	   *scan = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;

	ExecClearTuple(slot);
	if (scan->store != NULL && !tuplestore_ateof(scan->store))
	{
		/* Rows that an earlier pass over the same request has fetched. */
		if (tuplestore_gettupleslot(scan->store, true, false, scan->store_slot))
			return ExecCopySlot(slot, scan->store_slot);
	}

	if (fetch_row(node, slot) && scan->store != NULL)
		tuplestore_puttupleslot(scan->store, slot);
	return slot;
}

void
crisp_rescan(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;

	if (node->ss.ps.chgParam == NULL && scan->store != NULL)
		tuplestore_rescan(scan->store);
	else
		drop_request(scan);
}

void
crisp_end_scan(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;

	/* EXPLAIN begins a scan without starting anything. */
	if (scan == NULL || scan->request_context == NULL)
		return;
	drop_request(scan);
	if (scan->store != NULL)
		tuplestore_end(scan->store);
}

/*----------
 * EXPLAIN
 *----------
 */

void
crisp_explain_scan(ForeignScanState *node, struct ExplainState *es)
{
	CrispScan *scan = node->fdw_state;
	List	  *deparse_context = set_deparse_context_plan(es->deparse_cxt, node->ss.ps.plan, NIL);
	PushdownValue *values = evaluate_values(node, true, deparse_context);
	List		  *params;
	List		  *unknown = NIL;
	StringInfoData request;
	ListCell	  *lc;

	if (!pushdown_params(scan->options, scan->conditions, values, &params, &unknown))
	{
		ExplainPropertyText("Crisp Request", "none, for no row can match", es);
		return;
	}

	initStringInfo(&request);
	appendStringInfo(&request, "GET %s", api_list_target(scan->options, params, 1));
	foreach(lc, unknown)
	{
		appendStringInfoChar(&request, strchr(request.data, '?') == NULL ? '?' : '&');
		appendStringInfoString(&request, lfirst(lc));
	}
	ExplainPropertyText("Crisp Request", request.data, es);
}
