/*-------------------------------------------------------------------------
 *
 * plan_tree.c
 *		The nodes below a node of a plan.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "plan_tree.h"

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

bool
plan_tree_has(const Plan *tree, const Plan *plan)
{
	List	 *children;
	ListCell *lc;
	bool	  found = tree == plan;

	if (tree == NULL || found)
		return found;
	children = plan_tree_children(tree);
	foreach(lc, children)
		found = found || plan_tree_has(lfirst(lc), plan);
	list_free(children);
	return found;
}
