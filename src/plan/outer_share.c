/*-------------------------------------------------------------------------
 *
 * outer_share.c
 *		Estimate what share of the rows that PostgreSQL reckons with there are.
 *
 * It takes a small table that was never analyzed for one of ten pages, since a plan that is made
 * while a table is empty may be kept until it's full; it takes the pages of a table for as full as
 * they were when it was vacuumed or analyzed last; and a function that doesn't tell how many rows
 * it returns for one that returns a hundred, or a thousand.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "optimizer/optimizer.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "plan/outer_share.h"

/* Pages that the planner takes a small table for. */
#define ASSUMED_PAGES 10

/* Rows that a function is taken to return here, where nobody knows. */
#define ROWS_OF_FUNCTION 16

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
 * Return the share of the rows that the planner takes a table for that its pages can hold, where it
 * was never analyzed: half of the last one.
 */
static double
share_of_pages(const RelOptInfo *rel, Oid relid)
{
	Relation relation;
	double	 pages;

	if (rel->pages != ASSUMED_PAGES)
		return 1;
	relation = table_open(relid, NoLock);
	pages = RelationGetNumberOfBlocks(relation);
	table_close(relation, NoLock);
	return pages < ASSUMED_PAGES ? Max(pages - 0.5, 0) / ASSUMED_PAGES : 1;
}

/*
 * Return the share of the rows that a table has by what was counted since it was vacuumed or
 * analyzed last.
 */
static double
share_of_live_rows(const RelOptInfo *rel, Oid relid)
{
	double live;
	double dead;

	if (!compat_count_rows(relid, &live, &dead))
		return 1;

	/* Pages that are as full as they were hold the dead ones, too. */
	live = Max(Min(live, rel->tuples - dead), 0);
	return live < rel->tuples ? live / rel->tuples : 1;
}

static double
share_of_table(const RelOptInfo *rel, const RangeTblEntry *rte)
{
	if (rte->inh || (rte->relkind != RELKIND_RELATION && rte->relkind != RELKIND_MATVIEW))
		return 1;
	return is_unknown(rte->relid) ? share_of_pages(rel, rte->relid)
								  : share_of_live_rows(rel, rte->relid);
}

/*
 * Say whether a function tells the planner how many rows it returns.
 */
static bool
tells_rows(const RangeTblFunction *function)
{
	const FuncExpr *call = (const FuncExpr *) function->funcexpr;

	return !IsA(call, FuncExpr) || OidIsValid(get_func_support(call->funcid));
}

static double
share_of_functions(const RelOptInfo *rel, const RangeTblEntry *rte)
{
	ListCell *lc;

	foreach(lc, rte->functions)
		if (tells_rows(lfirst_node(RangeTblFunction, lc)))
			return 1;
	return rel->rows > ROWS_OF_FUNCTION ? ROWS_OF_FUNCTION / rel->rows : 1;
}

double
outer_share(const PlannerInfo *root, const RelOptInfo *rel)
{
	const RangeTblEntry *rte = root->simple_rte_array[rel->relid];
	double				 share = 1;
	int					 relid = -1;

	if (rte->rtekind == RTE_RELATION)
		return share_of_table(rel, rte);
	if (rte->rtekind == RTE_FUNCTION)
		return share_of_functions(rel, rte);

	/* A subquery is taken to have as many rows fewer as what it's made of. */
	if (rte->rtekind != RTE_SUBQUERY || rel->subroot == NULL)
		return 1;
	while ((relid = bms_next_member(rel->subroot->all_baserels, relid)) >= 0)
		share *= outer_share(rel->subroot, rel->subroot->simple_rel_array[relid]);
	return share;
}
