/*-------------------------------------------------------------------------
 *
 * plan_lookups.c
 *		Plan joins that look rows up for a table of which the planner knows nothing.
 *
 * PostgreSQL takes a small table that was never analyzed for one of ten pages, since a plan that is
 * made while a table is empty may be kept until it's full.  Where a row costs a request, that makes
 * it read a whole list for a handful of rows.  Here, too many rows do little harm: lookups end when
 * they have cost as much as the list (fetch/whole_list.c).  So joins are offered that reckon with
 * the pages which there are.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "plan/plan.h"
#include "plan/plan_lookups.h"
#include "plan/plan_path.h"

/* Pages that the planner takes a small table for. */
#define ASSUMED_PAGES 10

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
 * Offer a nested loop of two paths, of which the outer one brings so many rows.
 */
static void
offer_join(PlannerInfo *root, RelOptInfo *joinrel, JoinType jointype, JoinPathExtraData *extra,
		   Path *outer, Path *inner, double outer_rows)
{
	double			  planned_rows = outer->rows;
	JoinCostWorkspace workspace;

	/* Whatever stands above it reckons with as many rows as ever. */
	outer->rows = Min(outer->rows, outer_rows);
	initial_cost_nestloop(root, &workspace, jointype, outer, inner, extra);
	add_path(joinrel,
			 (Path *) create_nestloop_path(
				 root, joinrel, jointype, &workspace, extra, outer, inner, extra->restrictlist,
				 build_join_pathkeys(root, joinrel, jointype, outer->pathkeys), NULL));
	outer->rows = planned_rows;
}

/*
 * Return the paths of the outer side that a join can have; *jointype becomes what it is with these.
 */
static List *
outer_paths(PlannerInfo *root, RelOptInfo *outerrel, JoinType *jointype, JoinPathExtraData *extra)
{
	List	 *result = NIL;
	ListCell *lc;

	if (*jointype == JOIN_UNIQUE_OUTER)
	{
		Path *path = outerrel->cheapest_total_path;

		*jointype = JOIN_INNER;
		if (path->param_info == NULL)
			path = (Path *) create_unique_path(root, outerrel, path, extra->sjinfo);
		return path != NULL && path->param_info == NULL ? list_make1(path) : NIL;
	}
	if (*jointype != JOIN_INNER && *jointype != JOIN_LEFT && *jointype != JOIN_SEMI &&
		*jointype != JOIN_ANTI)
		return NIL;
	foreach(lc, outerrel->pathlist)
		if (((Path *) lfirst(lc))->param_info == NULL)
			result = lappend(result, lfirst(lc));
	return result;
}

void
plan_offer_lookup_joins(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outerrel,
						RelOptInfo *innerrel, JoinType jointype, JoinPathExtraData *extra)
{
	List	 *inner_paths = NIL;
	List	 *outer_ones;
	double	  rows;
	ListCell *lc;
	ListCell *lc_inner;

	foreach(lc, innerrel->pathlist)
		if (plan_inner_lookup(lfirst(lc)) != NULL &&
			bms_is_subset(PATH_REQ_OUTER((Path *) lfirst(lc)), outerrel->relids))
			inner_paths = lappend(inner_paths, lfirst(lc));
	if (inner_paths == NIL || !bms_is_empty(joinrel->lateral_relids))
		return;
	rows = estimate_rows(root, outerrel);
	if (rows >= outerrel->rows)
		return;
	outer_ones = outer_paths(root, outerrel, &jointype, extra);
	foreach(lc, outer_ones)
		foreach(lc_inner, inner_paths)
			offer_join(root, joinrel, jointype, extra, lfirst(lc), lfirst(lc_inner), rows);
}
