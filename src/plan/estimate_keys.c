/*-------------------------------------------------------------------------
 *
 * estimate_keys.c
 *		Tell the planner which columns are keys, where no statistics do.
 *
 * PostgreSQL takes a column of a table that was never analyzed to have 200 different values, and so
 * each row of another table to find dozens of rows by a key.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "foreign/fdwapi.h"
#include "utils/selfuncs.h"

#include "options/column_map.h"
#include "plan/estimate_keys.h"
#include "plan/plan.h"
#include "plan/plan_path.h"

static get_relation_stats_hook_type previous_hook = NULL;

/*
 * Say whether a column of a table that was never analyzed has different values in all rows, or
 * nearly.
 */
static bool
is_key(const RelOptInfo *rel, AttrNumber attnum)
{
	const ScanPlan	  *plan;
	const CrispColumn *column;

	if (rel == NULL || rel->fdwroutine == NULL || rel->fdw_private == NULL || attnum <= 0 ||
		rel->fdwroutine->GetForeignRelSize != crispGetForeignRelSize)
		return false;
	plan = rel->fdw_private;
	if (!plan->no_statistics)
		return false;
	column = column_map_catalog(plan->options, plan->relid, attnum);
	return column != NULL && ((column->flags & CRISP_KEY) != 0 ||
							  crisp_resource_lookup(plan->options->resource, column->path) != NULL);
}

/*
 * Note that values are unique, which only estimates go by (a get_relation_stats_hook).
 */
static bool
note_key(PlannerInfo *root, RangeTblEntry *rte, AttrNumber attnum, VariableStatData *data)
{
	if (previous_hook != NULL && previous_hook(root, rte, attnum, data))
		return true;
	if (is_key(data->rel, attnum))
		data->isunique = true;
	return false;
}

void
estimate_keys_init(void)
{
	previous_hook = get_relation_stats_hook;
	get_relation_stats_hook = note_key;
}
