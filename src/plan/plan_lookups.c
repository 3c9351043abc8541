/*-------------------------------------------------------------------------
 *
 * plan_lookups.c
 *		Plan joins that look rows up, where the planner would reckon with too many.
 *
 * PostgreSQL takes a small table that was never analyzed for one of ten pages, since a plan that is
 * made while a table is empty may be kept until it's full.  Where a row costs a request, that makes
 * it read a whole list for a handful of rows.  Here, too many rows do little harm: lookups end when
 * they have cost as much as the list (fetch/whole_list.c).  So joins are offered that reckon with
 * the pages which there are.
 *
 * Nor does PostgreSQL know much of what a subquery bounds, or a function returns.  There, lookups
 * are reckoned with as the list, but for a little: if there are more keys than the list has pages,
 * that is what they come to, as the join counts keys before it looks them up
 * (scan/join_prefetch.c); and if there are fewer, less.
 *
 * And it reckons with a lookup for each row, where each key is looked up once.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "fetch/proved_list.h"
#include "plan/plan.h"
#include "plan/plan_lookups.h"
#include "plan/plan_path.h"

/* Pages that the planner takes a small table for. */
#define ASSUMED_PAGES 10

/* What lookups by a number of keys that nobody knows cost, as a share of the list's requests. */
#define SHARE_OF_LIST 0.9

/* What it costs to find a row of the list by its key, in the planner's units. */
#define COST_OF_KEY 0.05

ForeignPath *
plan_inner_lookup(Path *path)
{
	ForeignPath *inner;

	if (IsA(path, MemoizePath))
		path = ((MemoizePath *) path)->subpath;
	if (!IsA(path, ForeignPath) || !IS_SIMPLE_REL(path->parent) ||
		path->parent->fdwroutine->GetForeignRelSize != crispGetForeignRelSize)
		return NULL;
	inner = (ForeignPath *) path;
	return path->param_info != NULL && list_nth_int(inner->fdw_private, METHOD_KIND) == SCAN_LOOKUP
			   ? inner
			   : NULL;
}

/*
 * Say whether a table was never analyzed, nor vacuumed.
 */
static bool
is_unknown(Oid relid)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	bool	  result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_class) GETSTRUCT(tuple))->reltuples < 0;
	ReleaseSysCache(tuple);
	return result;
}

/*
 * Return the share of the rows that the planner takes a base relation for which its pages can hold:
 * half of the last one.
 */
static double
share_of_pages(const PlannerInfo *root, const RelOptInfo *rel)
{
	const RangeTblEntry *rte = root->simple_rte_array[rel->relid];
	Relation			 relation;
	double				 pages;

	if (rte->rtekind != RTE_RELATION || rte->inh || rel->pages != ASSUMED_PAGES ||
		(rte->relkind != RELKIND_RELATION && rte->relkind != RELKIND_MATVIEW) ||
		!is_unknown(rte->relid))
		return 1;
	relation = table_open(rte->relid, NoLock);
	pages = RelationGetNumberOfBlocks(relation);
	table_close(relation, NoLock);
	return pages < ASSUMED_PAGES ? Max(pages - 0.5, 0) / ASSUMED_PAGES : 1;
}

/*
 * Return the same of a relation that may be a subquery, which is taken to have as many rows fewer
 * as what it's made of.
 */
static double
share_of_rows(const PlannerInfo *root, const RelOptInfo *rel)
{
	double share = 1;
	int	   relid = -1;

	if (rel->rtekind != RTE_SUBQUERY || rel->subroot == NULL)
		return share_of_pages(root, rel);
	while ((relid = bms_next_member(rel->subroot->all_baserels, relid)) >= 0)
		share *= share_of_rows(rel->subroot, rel->subroot->simple_rel_array[relid]);
	return share;
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
				double own = share_of_rows(root, base);

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
 * Say whether an expression holds a value that only a running plan knows.
 */
static bool
has_param(Node *node, void *context)
{
	if (node == NULL || IsA(node, Param))
		return node != NULL;
	return expression_tree_walker(node, has_param, context);
}

/*
 * Say whether the number of a base relation's rows is no more than a guess.
 */
static bool
is_guessed(const RangeTblEntry *rte, const RelOptInfo *rel)
{
	ListCell *lc;

	if (rte->rtekind == RTE_FUNCTION || rte->rtekind == RTE_CTE)
		return true;
	if (rte->rtekind == RTE_RELATION && rte->relkind == RELKIND_FOREIGN_TABLE &&
		is_unknown(rte->relid))
		return true;
	foreach(lc, rel->baserestrictinfo)
		if (has_param((Node *) lfirst_node(RestrictInfo, lc)->clause, NULL))
			return true;
	return false;
}

/*
 * Say the same of a relation that may be a join.
 */
static bool
has_guess(const PlannerInfo *root, const RelOptInfo *rel)
{
	int relid = -1;

	while ((relid = bms_next_member(rel->relids, relid)) >= 0)
		if (root->simple_rel_array[relid] != NULL &&
			is_guessed(root->simple_rte_array[relid], root->simple_rel_array[relid]))
			return true;
	return false;
}

/*
 * Find what a lookup on an inner side is by: the conditions of the path, and the index of the one
 * with the keys; -1 for none.
 */
static int
find_keys(PlannerInfo *root, const Path *path, Conditions **conditions)
{
	RelOptInfo	   *rel = path->parent;
	const ScanPlan *plan = rel->fdw_private;
	double			nkeys;

	*conditions = match_clauses(
		rel, plan->relid, plan->options,
		list_concat_copy(rel->baserestrictinfo, path->param_info->ppi_clauses));
	return plan_lookup_condition(root, plan->options, *conditions, &nkeys);
}

/*
 * Return how many different keys so many rows of the other side bring to an inner one, by
 * statistics: a key that comes again isn't looked up again, nor is NULL.
 */
static double
different_keys(PlannerInfo *root, const Path *path, double rows)
{
	Conditions	  *conditions;
	int			   index = find_keys(root, path, &conditions);
	EstimationInfo info = {0};
	double		   keys;

	if (index < 0 || condition_operator(list_nth(conditions->conditions, index)) != CONDITION_EQUAL)
		return rows;
	keys = estimate_num_groups(root, list_make1(list_nth(conditions->values, index)), rows, NULL,
							   &info);
	return (info.flags & SELFLAG_USED_DEFAULT) != 0 ? rows : keys;
}

/*
 * Return how many keys lookups of an inner side are reckoned with at most, where there is no
 * knowing; infinity where too many would do harm.
 */
static double
most_keys(PlannerInfo *root, const Path *path)
{
	const RelOptInfo  *rel = path->parent;
	const ScanPlan	  *plan = rel->fdw_private;
	Conditions		  *conditions;
	const CrispColumn *column;
	const CrispLookup *lookup;
	int				   index;

	if (!proved_list_is_possible(plan->options))
		return INFINITY;
	index = find_keys(root, path, &conditions);
	if (index < 0)
		return INFINITY;
	column = condition_column(plan->options->resource, list_nth(conditions->conditions, index));
	lookup = crisp_resource_lookup(plan->options->resource, column->path);

	/* Those that are searched for together aren't counted before. */
	if (!lookup->is_listed || lookup->criterion != NULL)
		return INFINITY;
	return SHARE_OF_LIST * (plan->list_requests > 0
								? plan->list_requests
								: plan_list_requests(plan->options, rel->tuples));
}

/*
 * Offer a nested loop of two paths, of which the outer one brings so many keys.
 */
static void
offer_join(PlannerInfo *root, RelOptInfo *joinrel, JoinType jointype, JoinPathExtraData *extra,
		   Path *outer, Path *inner, double keys)
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
		join->jpath.path.total_cost += COST_OF_KEY * planned_rows;
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
	bool	  guessed;
	bool	  repriced;
	ListCell *lc;
	ListCell *lc_inner;

	repriced = price_first_pass(joinrel);
	foreach(lc, innerrel->pathlist)
		if (plan_inner_lookup(lfirst(lc)) != NULL &&
			bms_is_subset(PATH_REQ_OUTER((Path *) lfirst(lc)), outerrel->relids))
			inner_paths = lappend(inner_paths, lfirst(lc));
	if (inner_paths == NIL || !bms_is_empty(joinrel->lateral_relids))
		return;
	rows = estimate_rows(root, outerrel);
	guessed = is_counted && has_guess(root, outerrel);
	outer_ones = outer_paths(root, outerrel, &jointype, extra);
	foreach(lc_inner, inner_paths)
	{
		Path  *inner = lfirst(lc_inner);
		double keys = different_keys(root, inner, rows);

		if (guessed)
			keys = Min(keys, most_keys(root, inner));
		foreach(lc, outer_ones)
			if (repriced || keys < ((const Path *) lfirst(lc))->rows)
				offer_join(root, joinrel, jointype, extra, lfirst(lc), inner, keys);
	}
}
