/*-------------------------------------------------------------------------
 *
 * plan_oldest.c
 *		Plan scans for the oldest rows of a list, by the dates that Crisp filters by.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "optimizer/restrictinfo.h"

#include "options/column_map.h"
#include "fetch/oldest.h"
#include "plan/column_use.h"
#include "plan/plan_oldest.h"

/*
 * Say whether Crisp is asked for all conditions, or they hold for whatever it sends when it's asked
 * for by date: then the oldest rows are those that are wanted.
 */
static bool
asks_all(RelOptInfo *baserel, AttrNumber attnum)
{
	const ScanPlan *plan = baserel->fdw_private;
	ListCell	   *lc;

	foreach(lc, baserel->baserestrictinfo)
	{
		const NullTest *test = (const NullTest *) lfirst_node(RestrictInfo, lc)->clause;

		if (!list_member_ptr(plan->conditions->clauses, lfirst(lc)) &&
			!(IsA(test, NullTest) && test->nulltesttype == IS_NOT_NULL && IsA(test->arg, Var) &&
			  ((const Var *) test->arg)->varattno == attnum))
			return false;
	}
	return true;
}

void
plan_offer_oldest(PlannerInfo *root, RelOptInfo *baserel, double wanted)
{
	ScanPlan		   *plan = baserel->fdw_private;
	const CrispOptions *options = plan->options;
	const CrispColumn  *dates = crisp_resource_dates(options->resource);
	PathKey			   *pathkey;
	AttrNumber			attnum;
	bool				ascending;
	PathDraft			draft = plan_draft_path(SCAN_OLDEST);

	/* Half of a page is likely to be met. */
	if (dates == NULL || dates->upper_param == NULL || wanted <= 0 ||
		wanted > options->per_page / 2.0 || list_length(root->query_pathkeys) != 1)
		return;
	pathkey = linitial_node(PathKey, root->query_pathkeys);
	attnum = column_use_pathkey(baserel, pathkey);
	if (attnum <= 0 || !column_use_is_by_time(plan->relid, attnum, pathkey, &ascending) ||
		!ascending || column_map_catalog(options, plan->relid, attnum) != dates ||
		!asks_all(baserel, attnum) ||
		(pathkey->pk_nulls_first && !column_use_excludes_null(baserel, plan->relid, attnum)))
		return;

	/* How long all of it is, and no part, is found out before a short list is read (oldest.c). */
	draft.requests = Min(plan_list_requests(options, plan->received) + plan->details,
						 CRISP_OLDEST_REQUESTS);
	if (draft.requests < CRISP_OLDEST_REQUESTS &&
		(plan->list_requests == 0 || plan->conditions->conditions != NIL || plan->details > 0))
		return;
	draft.first = draft.requests;
	draft.method[METHOD_SORT_COLUMN] = attnum;
	draft.method[METHOD_ASCENDING] = true;
	draft.method[METHOD_NULLS_FIRST] = pathkey->pk_nulls_first;
	draft.method[METHOD_ROWS_WANTED] = (int) wanted;
	draft.rows = baserel->rows;
	draft.received = Min(options->per_page, plan->received);
	draft.pathkeys = list_make1(pathkey);
	plan_offer_path(root, baserel, &draft);
}
