/*-------------------------------------------------------------------------
 *
 * plan_aggregate.c
 *		Plan count(*) of a whole list, answered by Crisp.
 *
 * A resource may have a route that says how many rows its list has.  One request then stands for
 * all pages of the list.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/planmain.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "utils/fmgroids.h"

#include "options/options.h"
#include "plan/plan_aggregate.h"
#include "base/compat.h"

/*
 * Say whether an aggregate counts each row of its input, once: count(*), or count() of a constant.
 * count(column) doesn't, even if the column is declared NOT NULL, since a row of Crisp's may lack
 * it all the same.
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
 * Collect the aggregates of an expression in the List that aggregates points to.  Returns true when
 * it holds something that is no count of rows.
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
 * Say whether a grouping step gives one row for all rows of one foreign table, and nothing but
 * their number is needed for it.  The relation's conditions are those of the query, of views around
 * it and of row security.
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
	add_path(output_rel, (Path *) compat_foreign_upper_path(root, output_rel, target, 1,
															startup_cost, total_cost, NIL));
}

ForeignScan *
plan_aggregate(List *tlist, Plan *outer_plan)
{
	List *aggregates = NIL;

	/* What else there is in tlist, the executor computes from these. */
	(void) collect_counts((Node *) tlist, &aggregates);
	return make_foreignscan(tlist, NIL, 0, NIL, NIL, add_to_flat_tlist(NIL, aggregates), NIL,
							outer_plan);
}

bool
plan_is_aggregate(const ForeignScan *plan)
{
	return plan->scan.scanrelid == 0;
}
