/*-------------------------------------------------------------------------
 *
 * plan_tree.c
 *		Look at the nodes below a node of a plan.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"

#include "scan/plan_tree.h"

List *
plan_tree_children(const Plan *plan)
{
	List *children = NIL;

	if (outerPlan(plan) != NULL)
		children = lappend(children, outerPlan(plan));
	if (innerPlan(plan) != NULL)
		children = lappend(children, innerPlan(plan));
	if (IsA(plan, Append))
		children = list_concat(children, ((const Append *) plan)->appendplans);
	else if (IsA(plan, MergeAppend))
		children = list_concat(children, ((const MergeAppend *) plan)->mergeplans);
	else if (IsA(plan, SubqueryScan))
		children = lappend(children, ((const SubqueryScan *) plan)->subplan);
	else if (IsA(plan, CustomScan))
		children = list_concat(children, ((const CustomScan *) plan)->custom_plans);
	return children;
}

List *
plan_tree_way(const Plan *tree, const Plan *plan)
{
	List	 *way = NIL;
	List	 *children;
	ListCell *lc;

	if (tree == plan)
		return list_make1(unconstify(Plan *, plan));
	if (tree == NULL)
		return NIL;
	children = plan_tree_children(tree);
	foreach(lc, children)
		if (way == NIL)
			way = plan_tree_way(lfirst(lc), plan);
	list_free(children);
	return way == NIL ? NIL : lappend(way, unconstify(Plan *, tree));
}

bool
plan_tree_has(const Plan *tree, const Plan *plan)
{
	List *way = plan_tree_way(tree, plan);
	bool  found = way != NIL;

	list_free(way);
	return found;
}

/*
 * Return what a node computes besides its target list and its conditions.
 */
static Node *
other_expressions(const Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_Result:
			return ((const Result *) plan)->resconstantqual;
		case T_NestLoop:
		case T_MergeJoin:
		case T_HashJoin:
			return (Node *) ((const Join *) plan)->joinqual;
		case T_FunctionScan:
			return (Node *) ((const FunctionScan *) plan)->functions;
		case T_TableFuncScan:
			return (Node *) ((const TableFuncScan *) plan)->tablefunc;
		case T_ValuesScan:
			return (Node *) ((const ValuesScan *) plan)->values_lists;
		default:
			return NULL;
	}
}

static bool
has_effects(Node *expression)
{
	return contain_volatile_functions(expression) || contain_subplans(expression);
}

bool
plan_tree_has_effects(const Plan *plan)
{
	List	 *children = plan_tree_children(plan);
	ListCell *lc;
	bool	  found = has_effects((Node *) plan->targetlist) || has_effects((Node *) plan->qual) ||
				 has_effects(other_expressions(plan));

	foreach(lc, children)
		found = found || plan_tree_has_effects(lfirst(lc));
	list_free(children);
	return found;
}
