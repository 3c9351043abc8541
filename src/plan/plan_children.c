/*-------------------------------------------------------------------------
 *
 * plan_children.c
 *		Plan scans of the lists below rows of another resource.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/restrictinfo.h"

#include "options/column_map.h"
#include "plan/column_use.h"
#include "plan/estimate.h"
#include "request/inbox.h"
#include "plan/plan_path.h"
#include "plan/plan_children.h"

/*
 * Say whether the query uses columns that the parent's rows hand down to those of the relation,
 * besides the argument.
 */
static bool
uses_inherited(PlannerInfo *root, RelOptInfo *baserel)
{
	const ScanPlan *plan = baserel->fdw_private;
	List		   *clauses = extract_actual_clauses(baserel->baserestrictinfo, false);
	bool			old_row;
	ListCell	   *lc;

	/* Which inbox a row lies in is in the parent's row, too. */
	if (inbox_is_single(plan->options, plan->options->resource->parent->resource))
		return true;
	old_row = column_use_is_old_row(root, baserel, plan->relid, clauses);
	foreach(lc, column_use_list(baserel, plan->relid, clauses, 0))
	{
		AttrNumber		   attnum = (AttrNumber) lfirst_int(lc);
		const CrispColumn *column = column_map_catalog(plan->options, plan->relid, attnum);

		if (column != NULL && (column->flags & CRISP_INHERITED) != 0 &&
			column != crisp_resource_argument(plan->options->resource) &&
			(!old_row || column_use_names(baserel, clauses, attnum)))
			return true;
	}
	return false;
}

/*
 * Estimate a walk with conditions.
 */
static WalkEstimate
estimate_walk_for(PlannerInfo *root, RelOptInfo *baserel, const Conditions *conditions)
{
	const ScanPlan *plan = baserel->fdw_private;

	return estimate_walk(root, baserel, plan->options, conditions, uses_inherited(root, baserel));
}

void
plan_limit_walk_rows(PlannerInfo *root, RelOptInfo *baserel)
{
	const ScanPlan *plan = baserel->fdw_private;
	WalkEstimate	walk = estimate_walk_for(root, baserel, plan->conditions);

	if (walk.named)
		baserel->rows = Min(baserel->rows, walk.received);
}

/*
 * Set the order in which a walk gives the first rows: one list whose pages follow each other by
 * time comes newest first.  That is seen to, and rows without a time put in their place, for a
 * limit; a query that wants all rows sorts them as well itself.
 */
static void
set_walk_order(PlannerInfo *root, RelOptInfo *baserel, PathDraft *draft,
			   const Conditions *conditions)
{
	const ScanPlan		*plan = baserel->fdw_private;
	const CrispResource *resource = plan->options->resource;
	const CrispColumn	*column;
	PathKey				*pathkey;
	AttrNumber			 attnum;
	bool				 ascending;

	if (resource->cursor == NULL || draft->wanted <= 0 || list_length(root->query_pathkeys) != 1 ||
		!match_names_parent(resource, conditions))
		return;
	pathkey = linitial_node(PathKey, root->query_pathkeys);
	attnum = column_use_pathkey(baserel, pathkey);
	column = attnum > 0 ? column_map_catalog(plan->options, plan->relid, attnum) : NULL;
	if (column == NULL || strcmp(column->path, resource->cursor->path) != 0 ||
		!column_use_is_by_time(plan->relid, attnum, pathkey, &ascending) || ascending)
		return;

	/* Rows without a time come last; conditions are checked on rows that are gathered, too. */
	if ((pathkey->pk_nulls_first && !column_use_excludes_null(baserel, plan->relid, attnum)) ||
		contain_volatile_functions(
			(Node *) extract_actual_clauses(baserel->baserestrictinfo, false)))
		return;
	draft->method[METHOD_SORT_COLUMN] = attnum;
	draft->method[METHOD_NULLS_FIRST] = pathkey->pk_nulls_first;
	draft->method[METHOD_ROWS_WANTED] = (int) draft->wanted;
	draft->pathkeys = list_make1(pathkey);
}

void
plan_offer_walk(PlannerInfo *root, RelOptInfo *baserel, PathDraft *draft,
				const Conditions *conditions)
{
	WalkEstimate walk = estimate_walk_for(root, baserel, conditions);

	draft->method[METHOD_INHERITS] = uses_inherited(root, baserel);
	draft->received = walk.received;
	draft->requests = walk.requests;
	draft->first = Min(walk.parent_requests, 1) + 1;
	if (walk.named)
		draft->rows = Min(draft->rows, walk.received);
	set_walk_order(root, baserel, draft, conditions);
	plan_offer_path(root, baserel, draft);
}
