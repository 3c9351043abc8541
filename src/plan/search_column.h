/*-------------------------------------------------------------------------
 *
 * search_column.h
 *		Handle the column that asks for full-text search.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SEARCH_COLUMN_H
#define CRISP_SEARCH_COLUMN_H

#include "nodes/pathnodes.h"

#include "plan/match.h"

/*
 * Say whether conditions ask for a search.  The search column reads what the request asked for, so
 * it is of use only where a condition asks.
 */
extern bool search_is_asked(const CrispOptions *options, const Conditions *conditions);

/* Say whether the query joins the base relation rel (foreign table relid) by its search column. */
extern bool search_is_joined(PlannerInfo *root, RelOptInfo *rel, Oid relid,
							 const CrispOptions *options);

/*
 * Raise 0A000 where a scan that asks for no search is used as if it did: its quals, or a join,
 * compare the search column, which would read NULL and find nothing.
 */
extern void search_check(PlannerInfo *root, RelOptInfo *rel, Oid relid, const CrispOptions *options,
						 const Conditions *conditions, List *quals);

#endif /* CRISP_SEARCH_COLUMN_H */
