/*-------------------------------------------------------------------------
 *
 * rescan.c
 *		Find whether, and how often, a scan may be run more than once.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"

#include "scan/plan_tree.h"
#include "scan/rescan.h"

/*
 * Say whether a node is on the side of its parent that a nested loop runs for each row of the
 * other.
 */
static bool
is_looped(const Plan *parent, const Plan *child)
{
	return IsA(parent, NestLoop) && child == innerPlan(parent);
}

bool
rescan_is_possible(const ForeignScanState *node, int eflags)
{
	const PlannedStmt *statement = node->ss.ps.state->es_plannedstmt;
	List			  *way;
	bool			   repeats;

	if (eflags & EXEC_FLAG_REWIND)
		return true;
	way = plan_tree_way(statement->planTree, node->ss.ps.plan);

	/* A subplan may run more than once. */
	repeats = way == NIL;
	for (int i = 1; i < list_length(way); i++)
		repeats = repeats || is_looped(list_nth(way, i), list_nth(way, i - 1));
	list_free(way);
	return repeats;
}

/*----------
 * Expected runs
 *----------
 */

/* What is known of a scan on the way from it to the root of its plan. */
typedef struct Runs
{
	double	   expected;
	Bitmapset *params; /* that its values depend on */
	bool is_streaming; /* whoever runs it does so as long as rows are asked for, and no longer */
} Runs;

/*
 * Add the numbers of an expression's executor parameters to a Bitmapset *.
 */
static bool
add_params(Node *node, void *params)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXEC)
		*(Bitmapset **) params = bms_add_member(*(Bitmapset **) params, ((Param *) node)->paramid);
	return expression_tree_walker(node, add_params, params);
}

/*
 * Count the runs that a nested loop makes of a scan on its inner side: one for each row of the
 * other, if that is what the scan's values come from.
 */
static void
count_loops(const NestLoop *join, Runs *runs)
{
	const Plan *outer = outerPlan(join);
	ListCell   *lc;

	foreach(lc, join->nestParams)
		if (bms_is_member(((NestLoopParam *) lfirst(lc))->paramno, runs->params))
		{
			runs->expected *= Max(outer->plan_rows, 1);
			runs->params = bms_add_members(runs->params, outer->allParam);
			runs->is_streaming = true;
			return;
		}
}

/*
 * Return the share of the rows below it that a limit reads, those that it skips among them.
 */
static double
limit_share(const Limit *limit)
{
	double		 below = Max(outerPlan(limit)->plan_rows, 1);
	double		 rows = limit->plan.plan_rows;
	const Const *offset = (const Const *) limit->limitOffset;

	if (offset != NULL && IsA(offset, Const) && !offset->constisnull)
		rows += Max((double) DatumGetInt64(offset->constvalue), 0);
	return Min(rows / below, 1);
}

/*
 * Say whether a node hands rows of a child on as it gets them.
 */
static bool
hands_on(const Plan *tree, const Plan *child)
{
	const WindowAgg *window = (const WindowAgg *) tree;

	switch (nodeTag(tree))
	{
		case T_Limit:
		case T_Result:
		case T_ProjectSet:
		case T_SubqueryScan:
		case T_CustomScan:
		case T_Append:
		case T_MergeAppend:
		case T_Unique:
		case T_Group:
		case T_IncrementalSort:
		case T_Material:
		case T_LockRows:
		case T_MergeJoin:
			return true;
		case T_NestLoop:
		case T_HashJoin:
			return child == outerPlan(tree);
		case T_Agg:
			return ((const Agg *) tree)->aggstrategy == AGG_SORTED;
		case T_WindowAgg:
			return window->ordNumCols > 0 &&
				   (window->frameOptions & FRAMEOPTION_END_UNBOUNDED_FOLLOWING) == 0;
		default:
			return false;
	}
}

/*
 * Note a node above the scan: a limit on rows is one on the runs that these take, if what lies
 * between gives rows as it gets them.
 */
static void
note_node(const Plan *tree, const Plan *child, Runs *runs)
{
	if (IsA(tree, Limit) && runs->is_streaming)
		runs->expected = Max(runs->expected * limit_share((const Limit *) tree), 1);
	else if (!hands_on(tree, child))
		runs->is_streaming = false;
}

/*
 * Look for a scan in a plan tree.  Returns whether it's there, with the runs that one of the tree
 * makes.
 */
static bool
count_runs(const Plan *tree, const Plan *scan, Runs *runs)
{
	List *way = plan_tree_way(tree, scan);
	bool  found = way != NIL;

	for (int i = 1; i < list_length(way); i++)
	{
		const Plan *parent = list_nth(way, i);
		const Plan *child = list_nth(way, i - 1);

		if (is_looped(parent, child))
			count_loops((const NestLoop *) parent, runs);
		else
			note_node(parent, child, runs);
	}
	list_free(way);
	return found;
}

/*----------
 * Rows of a run
 *----------
 */

/*
 * Return what limits on the way from a scan to the root of its plan leave of its rows, as long as
 * whoever runs it may stop it at any row.
 */
static double
share_on(const List *way)
{
	double share = 1;

	for (int i = 1; i < list_length(way); i++)
	{
		const Plan *parent = list_nth(way, i);

		if (!hands_on(parent, list_nth(way, i - 1)))
			break;
		if (IsA(parent, Limit))
			share *= limit_share((const Limit *) parent);
	}
	return share;
}

double
rescan_share(const PlannedStmt *statement, const Plan *scan)
{
	List	 *way = plan_tree_way(statement->planTree, scan);
	ListCell *lc;
	double	  share;

	foreach(lc, statement->subplans)
		if (way == NIL)
			way = plan_tree_way(lfirst(lc), scan);
	share = share_on(way);
	list_free(way);
	return share;
}

/*----------
 * Who runs a subplan
 *----------
 */

/* For finding who runs a subplan. */
typedef struct Caller
{
	int			   plan_id;
	const SubPlan *subplan; /* NULL before it's found */
	bool		   is_init; /* it's an initplan, which is run when what it depends on has changed */
} Caller;

static bool
find_subplan(Node *node, void *context)
{
	Caller *caller = context;

	if (node == NULL)
		return false;
	if (IsA(node, SubPlan) && ((SubPlan *) node)->plan_id == caller->plan_id)
	{
		caller->subplan = (const SubPlan *) node;
		return true;
	}
	return expression_tree_walker(node, find_subplan, context);
}

/*
 * Say whether a node has the subplan among its initplans.
 */
static bool
has_initplan(const Plan *plan, Caller *caller)
{
	ListCell *lc;

	foreach(lc, plan->initPlan)
		caller->is_init = caller->is_init || find_subplan(lfirst(lc), caller);
	return caller->is_init;
}

/*
 * Return the node of a plan tree whose expressions run a subplan for each of its rows, or that has
 * it among its initplans; NULL when there is none.  Those that others hide aren't looked for.
 */
static const Plan *
find_caller(const Plan *tree, Caller *caller)
{
	List	   *children;
	ListCell   *lc;
	const Plan *result = NULL;

	if (tree == NULL)
		return NULL;
	if (find_subplan((Node *) tree->targetlist, caller) ||
		find_subplan((Node *) tree->qual, caller) ||
		(IsA(tree, NestLoop) &&
		 find_subplan((Node *) ((const NestLoop *) tree)->join.joinqual, caller)) ||
		has_initplan(tree, caller))
		return tree;
	children = plan_tree_children(tree);
	foreach(lc, children)
		if (result == NULL)
			result = find_caller(lfirst(lc), caller);
	list_free(children);
	return result;
}

static void count_calls(const PlannedStmt *statement, int plan_id, Runs *runs);

/*
 * Count the runs of a node, in the subplan of that number, or in none for 0.
 */
static void
count_above(const PlannedStmt *statement, const Plan *node, int within, Runs *runs)
{
	if (!count_runs(statement->planTree, node, runs) && within > 0 &&
		count_runs(list_nth(statement->subplans, within - 1), node, runs))
		count_calls(statement, within, runs);
}

/*
 * Count the runs of the subplan with that number (from 1) of a statement, in which the scan is, and
 * go on with who runs it.
 */
static void
count_calls(const PlannedStmt *statement, int plan_id, Runs *runs)
{
	Caller		caller = {.plan_id = plan_id};
	const Plan *node = find_caller(statement->planTree, &caller);
	int			within = 0;
	ListCell   *lc;

	foreach(lc, statement->subplans)
	{
		if (node != NULL)
			break;
		within = foreach_current_index(lc) + 1;
		if (within != plan_id)
			node = find_caller(lfirst(lc), &caller);
	}
	if (node == NULL || caller.subplan->useHashTable)
		return;
	if (caller.is_init)
	{
		count_above(statement, node, within, runs);
		return;
	}
	foreach(lc, caller.subplan->parParam)
		if (bms_is_member(lfirst_int(lc), runs->params))
		{
			const Plan *outer = outerPlan(node);

			/* Its conditions see more rows than pass them. */
			runs->expected *= Max(Max(node->plan_rows, outer ? outer->plan_rows : 1), 1);
			runs->params = bms_add_members(runs->params, node->allParam);
			count_above(statement, node, within, runs);
			return;
		}
}

double
rescan_expected(const PlannedStmt *statement, const Plan *scan)
{
	Runs	  runs = {.expected = 1};
	ListCell *lc;

	(void) add_params((Node *) ((const ForeignScan *) scan)->fdw_exprs, &runs.params);
	if (runs.params == NULL || count_runs(statement->planTree, scan, &runs))
		return runs.expected;
	foreach(lc, statement->subplans)
		if (count_runs(lfirst(lc), scan, &runs))
		{
			count_calls(statement, foreach_current_index(lc) + 1, &runs);
			break;
		}
	return runs.expected;
}
