/*-------------------------------------------------------------------------
 *
 * plan_details.c
 *		Find which columns the elements of a list lack, and what they cost.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"

#include "options/column_map.h"
#include "plan/plan_details.h"

List *
detail_columns(const CrispOptions *options, Oid relid, List *columns)
{
	const CrispColumn *search = crisp_resource_search(options->resource);
	List			  *result = NIL;
	ListCell		  *lc;

	if (crisp_resource_detail_route(options->resource, options->tier) == NULL)
		return NIL;
	foreach(lc, columns)
	{
		AttrNumber	attnum = (AttrNumber) lfirst_int(lc);
		const char *path = column_map(options, relid, attnum).path;

		if (path != NULL && (crisp_resource_list_has(options->resource, path) ||
							 (search != NULL && strcmp(path, search->path) == 0)))
			continue;
		result = lappend_int(result, attnum);
	}
	return result;
}

bool
detail_uses_none(Node *node, Index relid, List *columns)
{
	Bitmapset *used = NULL;
	ListCell  *lc;

	pull_varattnos(node, relid, &used);
	if (bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, used))
		return false;
	foreach(lc, columns)
		if (bms_is_member(lfirst_int(lc) - FirstLowInvalidHeapAttributeNumber, used))
			return false;
	return true;
}

double
detail_requests(PlannerInfo *root, RelOptInfo *rel, const CrispOptions *options, Oid relid,
				List *columns, double received)
{
	List	 *details = detail_columns(options, relid, columns);
	List	 *early = NIL;
	ListCell *lc;

	if (details == NIL)
		return 0;
	foreach(lc, rel->baserestrictinfo)
		if (detail_uses_none((Node *) lfirst_node(RestrictInfo, lc)->clause, rel->relid, details))
			early = lappend(early, lfirst(lc));
	return Min(received, clamp_row_est(rel->tuples * clauselist_selectivity(root, early, rel->relid,
																			JOIN_INNER, NULL)));
}
