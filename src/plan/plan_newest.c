/*-------------------------------------------------------------------------
 *
 * plan_newest.c
 *		Plan scans for the newest rows of a list, or the oldest, sorted by Crisp.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/restrictinfo.h"

#include "fetch/order.h"
#include "options/column_map.h"
#include "plan/column_use.h"
#include "plan/plan_newest.h"

/*
 * Find the order of the list by which rows can be had in that of a column; NULL where there is
 * none.  One that leaves out rows without the column is of use only where a condition does so, too;
 * it is then worth asking for from either end.
 */
static const CrispOrder *
usable_order(RelOptInfo *baserel, AttrNumber attnum, bool ascending)
{
	const ScanPlan	  *plan = baserel->fdw_private;
	const CrispColumn *column = column_map_catalog(plan->options, plan->relid, attnum);
	const CrispOrder  *order = column ? crisp_resource_order(plan->options->resource, column->path)
									  : NULL;

	if (order == NULL)
		return NULL;
	if (order->filters)
		return column_use_strict_conditions(baserel, attnum) != NIL ? order : NULL;
	return order->rising == ascending ? order : NULL;
}

/*
 * Say whether a list in an order holds no rows that conditions rule out: it is asked for all of
 * them, or the order itself rules out what lacks its column.
 */
static bool
asks_all(RelOptInfo *baserel, const CrispOrder *order, AttrNumber attnum)
{
	const ScanPlan *plan = baserel->fdw_private;
	int				asked = list_length(plan->conditions->clauses);
	ListCell	   *lc;

	foreach(lc, column_use_strict_conditions(baserel, attnum))
	{
		NullTest *test = (NullTest *) lfirst_node(RestrictInfo, lc)->clause;

		if (order->filters && IsA(test, NullTest) && IsA(test->arg, Var))
			asked++;
	}
	return asked == list_length(baserel->baserestrictinfo) &&
		   match_is_exact(plan->options->resource, plan->conditions);
}

bool
plan_offer_newest(PlannerInfo *root, RelOptInfo *baserel, double wanted)
{
	ScanPlan		   *plan = baserel->fdw_private;
	const CrispOptions *options = plan->options;
	PathKey			   *pathkey;
	AttrNumber			attnum;
	const CrispOrder   *order;
	PathDraft			draft;
	bool				ascending;
	double				first_rows;
	double				proof;

	if (wanted <= 0 || list_length(root->query_pathkeys) != 1)
		return false;
	pathkey = linitial_node(PathKey, root->query_pathkeys);
	attnum = column_use_pathkey(baserel, pathkey);
	if (attnum <= 0 || !column_use_is_by_time(plan->relid, attnum, pathkey, &ascending))
		return false;
	order = usable_order(baserel, attnum, ascending);

	/* Conditions are checked on rows that are gathered, and then by the executor as well. */
	if (order == NULL || contain_volatile_functions(
							 (Node *) extract_actual_clauses(baserel->baserestrictinfo, false)))
		return false;

	/* Crisp puts rows without the column last. */
	if (pathkey->pk_nulls_first && !column_use_excludes_null(baserel, plan->relid, attnum))
		return false;

	draft = plan_draft_path(SCAN_TOP_N);
	draft.method[METHOD_ORDER] = (int) (order - options->resource->orders);
	draft.method[METHOD_SORT_COLUMN] = attnum;
	draft.method[METHOD_ASCENDING] = ascending;
	draft.method[METHOD_NULLS_FIRST] = pathkey->pk_nulls_first;
	draft.method[METHOD_ROWS_WANTED] = (int) wanted;
	draft.method[METHOD_PAGE_ROWS] = asks_all(baserel, order, attnum) ? (int) wanted : 0;
	draft.rows = baserel->rows;
	draft.received = plan->received;
	if (order->filters)
		draft.received = Min(
			draft.received,
			clamp_row_est(baserel->tuples * clauselist_selectivity(
												root, column_use_strict_conditions(baserel, attnum),
												baserel->relid, JOIN_INNER, NULL)));
	first_rows = Min(draft.received, wanted * draft.received / Max(baserel->rows, 1));
	proof = order->opposite ? 2 : 0;

	/* A node above that wants all rows, whatever the limit, gets the rest of the list. */
	draft.requests = plan_list_requests(options, draft.received) + proof + plan->details;
	draft.first = order_rises(options, order) == ascending
					  ? plan_list_requests(options, first_rows) + proof
					  : draft.requests;

	/* Whether a short list has grown is found out before it's read. */
	if (plan_may_have_grown(baserel, draft.received))
	{
		draft.requests = Min(draft.requests, plan->list_requests);
		draft.first = Min(draft.first, plan->list_requests);
	}
	draft.pathkeys = list_make1(pathkey);
	plan_offer_path(root, baserel, &draft);
	return true;
}
