/*-------------------------------------------------------------------------
 *
 * plan_details.h
 *		Find which columns the elements of a list lack, and what they cost.
 *
 * Some lists are excerpts: Crisp has more of a row under a route of its own.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PLAN_DETAILS_H
#define CRISP_PLAN_DETAILS_H

#include "nodes/pathnodes.h"

#include "options/options.h"

/*
 * List those of the columns of a foreign table (attribute numbers) that elements of its list lack,
 * or may lack: what the catalog doesn't know may stand in either.  The options should know the
 * tier.  Palloc'd.
 */
extern List *detail_columns(const CrispOptions *options, Oid relid, List *columns);

/*
 * Estimate for how many rows a scan of the relation asks for details, when it uses columns and
 * Crisp sends that many rows for its conditions: those that pass the conditions which need none; 0
 * when it needs none at all.
 */
extern double detail_requests(PlannerInfo *root, RelOptInfo *rel, const CrispOptions *options,
							  Oid relid, List *columns, double received);

/*
 * Say whether an expression on the relation with that range table index uses none of the columns.
 */
extern bool detail_uses_none(Node *node, Index relid, List *columns);

#endif /* CRISP_PLAN_DETAILS_H */
