/*-------------------------------------------------------------------------
 *
 * link.h
 *		Find what a join with another table tells of the rows that are of use.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_LINK_H
#define CRISP_LINK_H

#include "nodes/pathnodes.h"

#include "request/request.h"

/*
 * Write the parameters (as "a=b&c=d"; palloc'd) by which Crisp leaves out of rel's list what an
 * inner join with another table of the query leaves out anyway, by that table's conditions with
 * constants; empty for none. rel is a base relation, foreign table relid.
 */
extern char *link_query(PlannerInfo *root, RelOptInfo *rel, Oid relid, const CrispOptions *options);

#endif /* CRISP_LINK_H */
