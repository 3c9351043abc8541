/*-------------------------------------------------------------------------
 *
 * estimate_dates.h
 *		Estimate how many rows of a list have a date of the latest days.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_ESTIMATE_DATES_H
#define CRISP_ESTIMATE_DATES_H

#include "nodes/pathnodes.h"

#include "fetch/list_rows.h"
#include "plan/match.h"

/*
 * Set the selectivities of those of the conditions on the base relation rel that bound a time, as
 * far as it's known at planning: by statistics, if rel->tuples comes from them, and by what the
 * session has seen of the list otherwise.  rel->tuples is set.
 */
extern void estimate_dates(PlannerInfo *root, RelOptInfo *rel, const CrispOptions *options,
						   const Conditions *conditions, bool has_statistics, ListRows seen);

#endif /* CRISP_ESTIMATE_DATES_H */
