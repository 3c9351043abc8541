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

#include "plan_tree.h"
#include "rescan.h"

/*
 * Look for a node in a plan tree.  Returns whether it's there; *repeats is set
 * when it is on a side that a nested loop runs for each row of the other.
 */
static bool
find_plan(const Plan *tree, const Plan *plan, bool *repeats)
{
	List	 *children;
	ListCell *lc;
	bool	  found = tree == plan;

	if (tree == NULL || found)
		return found;
	children = plan_tree_children(tree);
	foreach(lc, children)
	{
		if (!find_plan(lfirst(lc), plan, repeats))
			continue;
		if (IsA(tree, NestLoop) && lfirst(lc) == innerPlan(tree))
			*repeats = true;
		found = true;
		break;
	}
	list_free(children);
	return found;
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
