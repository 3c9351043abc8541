/*-------------------------------------------------------------------------
 *
 * open_scans.c
 *		Read scans that are running to their ends before the session changes what they read.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"

#include "scan/open_scans.h"
#include "scan/plan_tree.h"

/* Those of this process. */
static dlist_head all = DLIST_STATIC_INIT(all);

static void
forget(void *arg)
{
	dlist_delete(&((OpenScan *) arg)->list_node);
}

/*
 * Forget the scans that ran on a resource owner that lets go of what it has: they are over (a
 * ResourceReleaseCallback).  Not all of them are ended: where an error is caught, the memory of a
 * statement that a function of SQL ran may stay.
 */
static void
end_scans(ResourceReleasePhase phase, bool is_commit, bool is_top_level, void *arg)
{
	dlist_iter iter;

	dlist_foreach(iter, &all)
	{
		OpenScan *scan = dlist_container(OpenScan, list_node, iter.cur);

		if (scan->owner == CurrentResourceOwner)
			scan->owner = NULL;
	}
}

void
open_scans_add(OpenScan *scan)
{
	static bool registered = false;

	if (!registered)
		RegisterResourceReleaseCallback(end_scans, NULL);
	registered = true;
	dlist_push_head(&all, &scan->list_node);
	scan->owner = CurrentResourceOwner;
	scan->callback.func = forget;
	scan->callback.arg = scan;
	MemoryContextRegisterResetCallback(scan->node->ss.ps.state->es_query_cxt, &scan->callback);
}

/*
 * Say whether two tables are of one website, be it through different servers.
 */
static bool
is_same_website(const CrispOptions *a, const CrispOptions *b)
{
	if (a->server_id == b->server_id)
		return true;
	return strcmp(a->base_url, b->base_url) == 0 && a->website_id != NULL &&
		   b->website_id != NULL && strcmp(a->website_id, b->website_id) == 0;
}

/*
 * Say whether a node of a plan tree has an initplan with that number.
 */
static bool
has_initplan(const Plan *tree, int plan_id)
{
	List	 *children;
	ListCell *lc;
	bool	  found = false;

	if (tree == NULL)
		return false;
	foreach(lc, tree->initPlan)
	{
		const SubPlan *subplan = lfirst(lc);

		if (subplan->plan_id == plan_id && subplan->subLinkType != CTE_SUBLINK)
			return true;
	}
	children = plan_tree_children(tree);
	foreach(lc, children)
		found = found || has_initplan(lfirst(lc), plan_id);
	list_free(children);
	return found;
}

/*
 * Say whether an initplan of a statement has given its value.
 */
static bool
has_given_value(const EState *estate, const Plan *initplan)
{
	int nparams = list_length(estate->es_plannedstmt->paramExecTypes);

	for (int i = 0; i < nparams; i++)
	{
		const SubPlanState *pending = estate->es_param_exec_vals[i].execPlan;

		if (pending != NULL && pending->planstate->plan == initplan)
			return false;
	}
	return true;
}

/*
 * Say whether nobody will ask a scan for another row: it is in an initplan that has given its
 * value.
 */
static bool
is_over(const ForeignScanState *node)
{
	const EState	  *estate = node->ss.ps.state;
	const PlannedStmt *statement = estate->es_plannedstmt;
	ListCell		  *lc;
	ListCell		  *lc_tree;

	foreach(lc, statement->subplans)
	{
		int	 plan_id = foreach_current_index(lc) + 1;
		bool is_initplan;

		if (!plan_tree_has(lfirst(lc), node->ss.ps.plan))
			continue;
		is_initplan = has_initplan(statement->planTree, plan_id);
		foreach(lc_tree, statement->subplans)
			is_initplan = is_initplan || has_initplan(lfirst(lc_tree), plan_id);
		return is_initplan && has_given_value(estate, lfirst(lc));
	}
	return false;
}

void
open_scans_read(const CrispOptions *options)
{
	ResourceOwner old_owner = CurrentResourceOwner;
	dlist_iter	  iter;

	dlist_foreach(iter, &all)
	{
		OpenScan *scan = dlist_container(OpenScan, list_node, iter.cur);

		if (scan->owner == NULL || !is_same_website(scan->options, options) || is_over(scan->node))
			continue;

		/* Files must live as long as the scan, which the (sub)transaction of now may not. */
		PG_TRY();
		{
			CurrentResourceOwner = scan->owner;
			scan->read_rest(scan->node);
		}
		PG_FINALLY();
		{
			CurrentResourceOwner = old_owner;
		}
		PG_END_TRY();
	}
}
