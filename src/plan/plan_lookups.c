/*-------------------------------------------------------------------------
 *
 * plan_lookups.c
 *		Plan joins that look rows up, where the planner would reckon with too many.
 *
 * PostgreSQL may take a table for larger than it is.  Where a row costs a request, that makes it
 * read a whole list for a handful of rows.  Here, too many rows do little harm: lookups end when
 * they have cost as much as the list (fetch/whole_list.c).  So joins are offered that reckon with
 * the rows which there seem to be (outer_share.c).
 *
 * Nor does PostgreSQL know much of what a subquery bounds, or a function returns; and the list may
 * have grown since it was analyzed.  So lookups are reckoned with as the list, but for a little: if
 * there are more keys than the list has pages, that is what they come to, as the join counts keys
 * before it looks them up (scan/join_prefetch.c); and if there are fewer, less.
 *
 * And it reckons with a lookup for each row, where each key is looked up once.
 *
 * Where rows bring spans of time, the list takes over as well (scan/wider_list.c); so a few of them
 * are read by themselves, however short the list is said to be.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "utils/selfuncs.h"

#include "base/compat.h"
#include "fetch/key_search.h"
#include "plan/outer_share.h"
#include "plan/plan.h"
#include "plan/plan_lookups.h"
#include "plan/plan_path.h"

/* What it costs to find a row of the list by its key, in the planner's units. */
#define COST_OF_KEY 0.05

/*
 * Return the scan of that kind on the inner side of a nested loop that asks for what a row of the
 * other side brings, where path is one; else NULL.
 */
static ForeignPath *
inner_scan(Path *path, ScanMethod kind)
{
	ForeignPath *inner;

	if (IsA(path, MemoizePath))
		path = ((MemoizePath *) path)->subpath;
	if (!IsA(path, ForeignPath) || !IS_SIMPLE_REL(path->parent) ||
		path->parent->fdwroutine->GetForeignRelSize != crispGetForeignRelSize)
		return NULL;
	inner = (ForeignPath *) path;
	return path->param_info != NULL && list_nth_int(inner->fdw_private, METHOD_KIND) == (int) kind
			   ? inner
			   : NULL;
}

ForeignPath *
plan_inner_lookup(Path *path)
{
	return inner_scan(path, SCAN_LOOKUP);
}

/*
 * Return the scan on the inner side that reads a span of a list for each row of the other side,
 * where path is one; else NULL.  One list has all of them.
 */
static ForeignPath *
inner_span(Path *path)
{
	ForeignPath		 *inner = inner_scan(path, SCAN_LIST);
	const ScanPlan	 *plan;
	const Conditions *conditions;
	ListCell		 *lc;

	if (inner == NULL)
		return NULL;
	plan = inner->path.parent->fdw_private;
	conditions = match_clauses(inner->path.parent, plan->relid, plan->options,
							   inner->path.param_info->ppi_clauses);
	if (conditions->conditions == NIL)
		return NULL;
	foreach(lc, conditions->conditions)
		if (condition_column(plan->options->resource, lfirst(lc))->type != CRISP_TIME)
			return NULL;
	return inner;
}

/*
 * Say whether rows of a relation can be looked up by what others bring: it has one at most for each
 * of theirs.
 */
static bool
is_looked_up(const RelOptInfo *rel, Relids others)
{
	ListCell *lc;

	foreach(lc, rel->pathlist)
		if (plan_inner_lookup(lfirst(lc)) != NULL &&
			bms_is_subset(PATH_REQ_OUTER((Path *) lfirst(lc)), others))
			return true;
	return false;
}

/*
 * Estimate the rows of a relation, which may be a join, without taking tables for larger than they
 * are, nor keys for less than that: without statistics, PostgreSQL knows of none.
 */
static double
estimate_rows(PlannerInfo *root, const RelOptInfo *rel)
{
	double product = 1;
	double share = 1;
	Relids found = NULL;
	bool   grows;

	do
	{
		int relid = -1;

		grows = false;
		while ((relid = bms_next_member(rel->relids, relid)) >= 0)
		{
			const RelOptInfo *base = root->simple_rel_array[relid];

			/* Outer joins have numbers, too. */
			if (base == NULL || bms_is_member(relid, found))
				continue;
			if (!bms_is_empty(found) && is_looked_up(base, found))
			{
				found = bms_add_member(found, relid);
				grows = true;
			}
			else if (!is_looked_up(base, rel->relids))
			{
				double own = outer_share(root, base);

				product *= Max(base->rows * own, 1);
				share *= own;
				found = bms_add_member(found, relid);
				grows = true;
			}
		}
	} while (grows);

	/* Those that are looked up by each other tell nothing. */
	for (int relid = -1; (relid = bms_next_member(rel->relids, relid)) >= 0;)
		if (root->simple_rel_array[relid] != NULL && !bms_is_member(relid, found))
			product *= root->simple_rel_array[relid]->rows;
	return clamp_row_est(Min(rel->rows * share, product));
}

/*
 * Return the scans that look rows up on the inner side of a nested loop, where path has no others:
 * those of all partitions, or one; NIL where it has.
 */
static List *
inner_lookups(Path *path)
{
	List	 *result = NIL;
	ListCell *lc;

	if (!IsA(path, AppendPath))
		return plan_inner_lookup(path) ? list_make1(plan_inner_lookup(path)) : NIL;
	foreach(lc, ((AppendPath *) path)->subpaths)
	{
		ForeignPath *inner = plan_inner_lookup(lfirst(lc));

		if (inner == NULL)
			return NIL;
		result = lappend(result, inner);
	}
	return result;
}

/*
 * Return how many keys a scan on the inner side is reckoned with, where so many rows of the other
 * side bring them.  A key that comes again isn't looked up again, nor is NULL, and the list takes
 * over from too many.  is_counted tells whether these will be counted before.
 */
static double
reckoned_keys(PlannerInfo *root, const Path *path, double rows, bool is_counted)
{
	RelOptInfo		  *rel = path->parent;
	const ScanPlan	  *plan = rel->fdw_private;
	EstimationInfo	   info = {0};
	double			   keys = rows;
	double			   share;
	Conditions		  *conditions;
	const CrispColumn *column;
	const CrispLookup *lookup;
	int				   index;

	conditions = match_clauses(
		rel, plan->relid, plan->options,
		list_concat_copy(rel->baserestrictinfo, path->param_info->ppi_clauses));
	index = plan_lookup_condition(root, plan->options, conditions, &share);
	if (index < 0 || condition_operator(list_nth(conditions->conditions, index)) != CONDITION_EQUAL)
		return rows;
	keys = estimate_num_groups(root, list_make1(list_nth(conditions->values, index)), rows, NULL,
							   &info);
	if ((info.flags & SELFLAG_USED_DEFAULT) != 0)
		keys = rows;
	column = condition_column(plan->options->resource, list_nth(conditions->conditions, index));
	lookup = crisp_resource_lookup(plan->options->resource, column->path);
	share = key_search_share(plan->options, lookup);
	return plan_cap_lookups(rel, lookup, keys * share, is_counted) / share;
}

/*
 * Return how many spans of a list a scan is reckoned with, where there are so many.
 */
static double
reckoned_spans(const ForeignPath *inner, double spans)
{
	double requests = list_nth_int(inner->fdw_private, METHOD_REQUESTS);

	return plan_cap_spans(inner->path.parent, spans * requests) / requests;
}

/*
 * Return the most keys that any of the scans on the inner side is reckoned with, or spans.
 */
static double
most_keys(PlannerInfo *root, Path *path, double rows, bool is_counted)
{
	List	 *lookups = inner_lookups(path);
	double	  result = 0;
	ListCell *lc;

	if (lookups == NIL)
		return reckoned_spans(inner_span(path), rows);
	foreach(lc, lookups)
		result = Max(
			result, reckoned_keys(root, lfirst(lc), rows, is_counted && list_length(lookups) == 1));
	return result;
}

/*
 * Offer a nested loop of two paths, of which the outer one brings so many keys, in so many rows.
 */
static void
offer_join(PlannerInfo *root, RelOptInfo *joinrel, JoinType jointype, JoinPathExtraData *extra,
		   Path *outer, Path *inner, double keys, double rows)
{
	double			  planned_rows = outer->rows;
	NestPath		 *join;
	JoinCostWorkspace workspace;

	/* Whatever stands above it reckons with as many rows as ever. */
	outer->rows = Min(keys, planned_rows);
	compat_cost_nestloop(root, &workspace, jointype, outer, inner, extra);
	join = create_nestloop_path(
		root, joinrel, jointype, &workspace, extra, outer, inner, extra->restrictlist,
		build_join_pathkeys(root, joinrel, jointype, outer->pathkeys), NULL);
	outer->rows = planned_rows;
	if (keys < planned_rows)
		join->jpath.path.total_cost += COST_OF_KEY * rows;

	/* PostgreSQL reckons with one run at least, whatever it's said to cost. */
	if (keys < 1)
	{
		Cost less = (1 - keys) * inner->startup_cost;

		join->jpath.path.startup_cost -= less;
		join->jpath.path.total_cost -= less;
	}
	add_path(joinrel, &join->jpath.path);
}

/*
 * Return the paths of the outer side that a join can have; *jointype becomes what it is with these.
 */
static List *
outer_paths(PlannerInfo *root, RelOptInfo *outerrel, JoinType *jointype, JoinPathExtraData *extra)
{
	List	 *result = NIL;
	Path	 *unique;
	ListCell *lc;

	if (compat_makes_outer_unique(root, outerrel, *jointype, extra->sjinfo, &unique))
	{
		*jointype = JOIN_INNER;
		return unique != NULL ? list_make1(unique) : NIL;
	}
	*jointype = compat_type_of_join(*jointype);
	if (*jointype != JOIN_INNER && *jointype != JOIN_LEFT && *jointype != JOIN_SEMI &&
		*jointype != JOIN_ANTI)
		return NIL;
	foreach(lc, outerrel->pathlist)
		if (((Path *) lfirst(lc))->param_info == NULL)
			result = lappend(result, lfirst(lc));
	return result;
}

/*
 * Say whether a path reads a list of ours, and keeps it for the next pass.
 */
static bool
reads_list(const Path *path)
{
	if (IsA(path, MaterialPath))
		path = ((const MaterialPath *) path)->subpath;
	return IsA(path, ForeignPath) && IS_SIMPLE_REL(path->parent) && path->param_info == NULL &&
		   path->parent->fdwroutine->GetForeignRelSize == crispGetForeignRelSize;
}

/*
 * Let nested loops that read a list on their inner side cost all of that before their first row:
 * PostgreSQL spreads it over all rows, so that a LIMIT would seem to leave most of it out.  Returns
 * whether there are such; lookups may then have been given up for them.
 */
static bool
price_first_pass(RelOptInfo *joinrel)
{
	bool	  result = false;
	ListCell *lc;

	foreach(lc, joinrel->pathlist)
	{
		JoinPath *join = lfirst(lc);

		if (!IsA(join, NestPath) || !reads_list(join->innerjoinpath))
			continue;
		join->path.startup_cost = Max(join->path.startup_cost, join->outerjoinpath->startup_cost +
																   join->innerjoinpath->total_cost);
		result = true;
	}
	return result;
}

void
plan_offer_lookup_joins(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outerrel,
						RelOptInfo *innerrel, JoinType jointype, JoinPathExtraData *extra,
						bool is_counted)
{
	List	 *inner_paths = NIL;
	List	 *outer_ones;
	double	  rows;
	bool	  repriced;
	ListCell *lc;
	ListCell *lc_inner;

	repriced = price_first_pass(joinrel);
	foreach(lc, innerrel->pathlist)
		if ((inner_lookups(lfirst(lc)) != NIL || inner_span(lfirst(lc)) != NULL) &&
			bms_is_subset(PATH_REQ_OUTER((Path *) lfirst(lc)), outerrel->relids))
			inner_paths = lappend(inner_paths, lfirst(lc));
	if (inner_paths == NIL || !bms_is_empty(joinrel->lateral_relids))
		return;
	rows = estimate_rows(root, outerrel);
	outer_ones = outer_paths(root, outerrel, &jointype, extra);
	foreach(lc_inner, inner_paths)
	{
		Path  *inner = lfirst(lc_inner);
		double keys = most_keys(root, inner, rows, is_counted);

		foreach(lc, outer_ones)
			if (repriced || keys < ((const Path *) lfirst(lc))->rows)
				offer_join(root, joinrel, jointype, extra, lfirst(lc), inner, keys, rows);
	}
}
