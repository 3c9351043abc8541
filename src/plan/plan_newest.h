/*-------------------------------------------------------------------------
 *
 * plan_newest.h
 *		Plan scans for the newest rows of a list, or the oldest, sorted by Crisp.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PLAN_NEWEST_H
#define CRISP_PLAN_NEWEST_H

#include "plan/plan_path.h"

/*
 * Offer the newest rows, or the oldest, in the order that the query wants, if Crisp has it, and the
 * query is content after that many rows (0 where that's not known).  Returns whether it has.
 */
extern bool plan_offer_newest(PlannerInfo *root, RelOptInfo *baserel, double wanted);

#endif /* CRISP_PLAN_NEWEST_H */
