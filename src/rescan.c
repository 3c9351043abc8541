/*-------------------------------------------------------------------------
 *
 * rescan.c
 *		Whether a scan may be run more than once.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "nodes/plannodes.h"

#include "rescan.h"

/*
 * Look for a node in a plan tree.  Returns whether it's there; *repeats is set
 * when it is on a side that a nested loop runs for each row of the other.
 */
static bool
find_plan(const Plan *tree, const Plan *plan, bool *repeats)
{
	List	 *children = NIL;
	ListCell *lc;

	if (tree == NULL)
		return false;
	if (tree == plan || find_plan(outerPlan(tree), plan, repeats))
		return true;
	if (find_plan(innerPlan(tree), plan, repeats))
	{
		if (IsA(tree, NestLoop))
			*repeats = true;
		return true;
	}

	if (IsA(tree, Append))
		children = ((const Append *) tree)->appendplans;
	else if (IsA(tree, MergeAppend))
		children = ((const MergeAppend *) tree)->mergeplans;
	else if (IsA(tree, SubqueryScan))
		return find_plan(((const SubqueryScan *) tree)->subplan, plan, repeats);
	foreach(lc, children)
		if (find_plan(lfirst(lc), plan, repeats))
			return true;
	return false;
}

bool
rescan_is_possible(const ForeignScanState *node, int eflags)
{
	const PlannedStmt *statement = node->ss.ps.state->es_plannedstmt;
	bool			   repeats = false;

	if (eflags & EXEC_FLAG_REWIND)
		return true;
	return !find_plan(statement->planTree, node->ss.ps.plan, &repeats) || repeats;
}
