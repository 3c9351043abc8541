/*-------------------------------------------------------------------------
 *
 * plan_oldest.h
 *		Plan scans for the oldest rows of a list, by the dates that Crisp filters by.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PLAN_OLDEST_H
#define CRISP_PLAN_OLDEST_H

#include "plan/plan_path.h"

/*
 * Offer the oldest rows, where the query wants them by that date, and is content after so many (0
 * where that's not known): for min() of it, too.
 */
extern void plan_offer_oldest(PlannerInfo *root, RelOptInfo *baserel, double wanted);

#endif /* CRISP_PLAN_OLDEST_H */
