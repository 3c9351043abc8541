/*-------------------------------------------------------------------------
 *
 * aggregate.c
 *		count(*) of a whole list, answered by Crisp.
 *
 * A resource may have a route that says how many rows its list has.  One
 * request then stands for all pages of the list.  Should the answer be no
 * exact number, the list is read and counted after all.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/planmain.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "utils/fmgroids.h"

#include "scan/aggregate.h"
#include "fetch/count.h"
#include "fetch/list_reader.h"
#include "scan/scan.h"
#include "scan/scan_request.h"

/* A running count, in ForeignScanState.fdw_state; lives in the query's memory. */
typedef struct CountScan
{
	CrispOptions *options;
	bool		  known; /* rows is: Crisp was asked */
	int64		  rows;
	bool		  returned; /* the one row that there is */
	PagerCounts	  pager_counts;
} CountScan;

/*----------
 * Planning
 *----------
 */

/*
 * Whether an aggregate counts each row of its input, once: count(*), or count() of a
 * constant.  count(column) doesn't, even if the column is declared NOT NULL,
 * since a row of Crisp's may lack it all the same.
 */
static bool
counts_rows(const Aggref *aggref)
{
	Expr *argument;

	if (aggref->agglevelsup > 0 || aggref->aggsplit != AGGSPLIT_SIMPLE ||
		aggref->aggfilter != NULL || aggref->aggdistinct != NIL || aggref->aggorder != NIL)
		return false;
	if (aggref->aggfnoid == F_COUNT_)
		return true;
	if (aggref->aggfnoid != F_COUNT_ANY)
		return false;
	argument = linitial_node(TargetEntry, aggref->args)->expr;
	return IsA(argument, Const) && !((Const *) argument)->constisnull;
}

/*
 * Collect the aggregates of an expression in the List that aggregates points
 * to.  Returns true when it holds something that is no count of rows.
 */
static bool
collect_counts(Node *node, void *aggregates)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return true;
	if (IsA(node, Aggref))
	{
		List **list = aggregates;

		*list = lappend(*list, node);
		return !counts_rows((Aggref *) node);
	}
	return expression_tree_walker(node, collect_counts, aggregates);
}

/*
 * Whether a grouping step gives one row for all rows of one foreign table, and
 * nothing but their number is needed for it.  The relation's conditions are those of
 * the query, of views around it and of row security.
 */
static bool
counts_whole_table(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *output_rel)
{
	const Query	  *parse = root->parse;
	RangeTblEntry *rte;
	List		  *aggregates = NIL;

	if (parse->groupClause != NIL || parse->groupingSets != NIL || parse->havingQual != NULL ||
		!parse->hasAggs || input_rel->reloptkind != RELOPT_BASEREL ||
		input_rel->baserestrictinfo != NIL)
		return false;

	/* Tables that inherit from this one have rows of their own. */
	rte = planner_rt_fetch(input_rel->relid, root);
	if (rte->rtekind != RTE_RELATION || rte->inh)
		return false;

	return !collect_counts((Node *) output_rel->reltarget->exprs, &aggregates) && aggregates != NIL;
}

void
crispGetForeignUpperPaths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input_rel,
						  RelOptInfo *output_rel, void *extra)
{
	PathTarget		   *target = output_rel->reltarget;
	const CrispOptions *options;
	Cost				startup_cost;
	Cost				total_cost;

	if (stage != UPPERREL_GROUP_AGG || !counts_whole_table(root, input_rel, output_rel))
		return;
	options = options_of_table(planner_rt_fetch(input_rel->relid, root)->relid);
	if (options->resource->count == NULL)
		return;

	startup_cost = options->startup_cost + target->cost.startup;
	total_cost = startup_cost + cpu_tuple_cost + target->cost.per_tuple;
	add_path(output_rel, (Path *) create_foreign_upper_path(root, output_rel, target, 1,
#if PG_VERSION_NUM >= 180000
															0, /* disabled nodes */
#endif
															startup_cost, total_cost, NIL, NULL,
#if PG_VERSION_NUM >= 170000
															NIL, /* fdw_restrictinfo */
#endif
															NIL));
}

ForeignScan *
crisp_get_aggregate_plan(List *tlist, Plan *outer_plan)
{
	List *aggregates = NIL;

	/* What else there is in tlist, the executor computes from these. */
	(void) collect_counts((Node *) tlist, &aggregates);
	return make_foreignscan(tlist, NIL, 0, NIL, NIL, add_to_flat_tlist(NIL, aggregates), NIL,
							outer_plan);
}

/*----------
 * Execution
 *----------
 */

bool
crisp_is_aggregate(const ForeignScanState *node)
{
	return ((const ForeignScan *) node->ss.ps.plan)->scan.scanrelid == 0;
}

Index
crisp_aggregate_relation(ForeignScanState *node)
{
	return (Index) bms_next_member(((ForeignScan *) node->ss.ps.plan)->fs_relids, -1);
}

void
crisp_begin_aggregate(ForeignScanState *node, int eflags)
{
	const RangeTblEntry *rte = exec_rt_fetch(crisp_aggregate_relation(node), node->ss.ps.state);
	CountScan			*scan = palloc0(sizeof(CountScan));

	node->fdw_state = scan;

	/* Options are read now, not at planning: a cached plan must see what has changed. */
	scan->options = options_of_table(rte->relid);
	if ((eflags & EXEC_FLAG_EXPLAIN_ONLY) == 0)
		option_add_credentials(scan->options,
							   crisp_mapping_user(node, crisp_aggregate_relation(node)));
}

/*
 * Read the list as any scan does, and count its rows.
 */
static int64
count_list(CountScan *scan)
{
	ListReader *list = list_reader_begin(request_create(scan->options, NIL, NULL, -1, NULL, false));
	int64		rows = 0;

	while (list_reader_next(list) != NULL)
		rows++;
	scan->pager_counts = list_reader_counts(list);
	list_reader_end(list);
	return rows;
}

TupleTableSlot *
crisp_iterate_aggregate(ForeignScanState *node)
{
	CountScan	   *scan = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;

	ExecClearTuple(slot);
	if (scan->returned)
		return slot;

	if (!scan->known)
	{
		if (!count_ask(scan->options, &scan->rows))
			scan->rows = count_list(scan);
		scan->known = true;
	}
	for (int i = 0; i < slot->tts_tupleDescriptor->natts; i++)
	{
		slot->tts_values[i] = Int64GetDatum(scan->rows);
		slot->tts_isnull[i] = false;
	}
	scan->returned = true;
	return ExecStoreVirtualTuple(slot);
}

void
crisp_rescan_aggregate(ForeignScanState *node)
{
	((CountScan *) node->fdw_state)->returned = false;
}

/*----------
 * For EXPLAIN
 *----------
 */

char *
crisp_aggregate_target(ForeignScanState *node)
{
	const CountScan *scan = node->fdw_state;

	return count_target(scan->options);
}

ScanCounts
crisp_aggregate_counts(ForeignScanState *node)
{
	const CountScan *scan = node->fdw_state;
	ScanCounts		 counts = {.api = *scan->options->counts, .pager = scan->pager_counts};

	return counts;
}
