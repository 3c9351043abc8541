/*-------------------------------------------------------------------------
 *
 * plan_stream.c
 *		Plan scans that give a list in an order of Crisp's, page by page.
 *
 * Such a path costs as much as the list does, and less than sorting it here: half of that sort.
 * Who stops early pays for the first pages.  Who doesn't is no worse off, since a scan of which all
 * rows are certain to be asked for reads the list as ever, and sorts it.  That is known when it's
 * run, and not before: a loop of PL/pgSQL is planned as if it wanted all rows.
 *
 * So it is below an Append, which becomes a MergeAppend: that asks its scans one after the other,
 * but of which all rows are wanted, read_together.c reads them at the same time.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"

#include "base/compat.h"
#include "fetch/order.h"
#include "options/column_map.h"
#include "plan/column_use.h"
#include "plan/plan_stream.h"

/*
 * Find the order that brings a list in that of a pathkey, and the column of the relation that it
 * sorts by; NULL where there is none.  Rows without the column come last, and an order may leave
 * them out where conditions do so, too.
 */
static const CrispOrder *
find_order(RelOptInfo *baserel, PathKey *pathkey, AttrNumber *attnum)
{
	const ScanPlan	  *plan = baserel->fdw_private;
	const CrispColumn *column;
	const CrispOrder  *order;
	bool			   ascending;

	*attnum = column_use_pathkey(baserel, pathkey);
	if (*attnum <= 0 || !column_use_is_by_time(plan->relid, *attnum, pathkey, &ascending))
		return NULL;
	column = column_map_catalog(plan->options, plan->relid, *attnum);
	order = column ? crisp_resource_order(plan->options->resource, column->path) : NULL;
	if (order == NULL || order->opposite != NULL ||
		order_rises(plan->options, order) != ascending ||
		(order->filters && column_use_strict_conditions(baserel, *attnum) == NIL))
		return NULL;
	if (pathkey->pk_nulls_first && !column_use_excludes_null(baserel, plan->relid, *attnum))
		return NULL;
	return order;
}

/*
 * Reckon what sorting all rows of the list would cost here.
 */
static Cost
sort_cost(PlannerInfo *root, RelOptInfo *baserel, List *pathkeys)
{
	Path sort = {0};

	cost_sort(&sort, root, pathkeys, COMPAT_DISABLED_NODES 0, baserel->rows,
			  baserel->reltarget->width, 0, work_mem, -1);
	return sort.total_cost;
}

static void
offer_stream(PlannerInfo *root, RelOptInfo *baserel, PathKey *pathkey, const CrispOrder *order,
			 AttrNumber attnum)
{
	const ScanPlan	   *plan = baserel->fdw_private;
	const CrispOptions *options = plan->options;
	PathDraft			draft = plan_draft_path(SCAN_STREAM);

	draft.method[METHOD_ORDER] = (int) (order - options->resource->orders);
	draft.method[METHOD_SORT_COLUMN] = attnum;
	draft.method[METHOD_ASCENDING] = order_rises(options, order);
	draft.method[METHOD_NULLS_FIRST] = pathkey->pk_nulls_first;
	draft.rows = baserel->rows;
	draft.received = plan->received;
	draft.requests = plan_list_requests(options, draft.received) + plan->details;
	draft.pathkeys = list_make1(pathkey);
	draft.surcharge = sort_cost(root, baserel, draft.pathkeys) * 0.5;
	plan_offer_path(root, baserel, &draft);
}

void
plan_offer_streams(PlannerInfo *root, RelOptInfo *baserel)
{
	const ScanPlan *plan = baserel->fdw_private;
	ListCell	   *lc;

	/*
	 * Page numbers, by which a stream goes, may lose a row where another is deleted.  Conditions
	 * are checked on rows that are gathered, and then by the executor as well.
	 */
	if (plan->options->exact_scan || (int) baserel->relid == root->parse->resultRelation ||
		!crisp_resource_is_paged(plan->options->resource, plan->options->tier) ||
		contain_volatile_functions(
			(Node *) extract_actual_clauses(baserel->baserestrictinfo, false)))
		return;

	/* A merge join wants the latest first where the query does, and nowhere else. */
	foreach(lc, root->query_pathkeys)
	{
		AttrNumber		  attnum;
		const CrispOrder *order = find_order(baserel, lfirst(lc), &attnum);

		if (order != NULL &&
			truncate_useless_pathkeys(root, baserel, list_make1(lfirst(lc))) != NIL)
			offer_stream(root, baserel, lfirst(lc), order, attnum);
	}
}
