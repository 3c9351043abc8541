/*-------------------------------------------------------------------------
 *
 * plan_stream.h
 *		Plan scans that give a list in an order of Crisp's, page by page.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PLAN_STREAM_H
#define CRISP_PLAN_STREAM_H

#include "plan/plan_path.h"

/*
 * Offer the list in each order that Crisp documents and the query has a use for: for a LIMIT above
 * a join, a window, a merge join, a cursor, or whoever else may stop before the end.
 */
extern void plan_offer_streams(PlannerInfo *root, RelOptInfo *baserel);

#endif /* CRISP_PLAN_STREAM_H */
