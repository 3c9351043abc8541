/*-------------------------------------------------------------------------
 *
 * plan.c
 *		Sizes, costs, paths and plans of scans.
 *
 * The unit of cost is a request: everything else is small beside it.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/sysattr.h"
#include "access/table.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "utils/rel.h"

#include "plan.h"
#include "pushdown.h"

/*
 * A request is dear beside anything that PostgreSQL does meanwhile, but a scan
 * of some hundred of them should not look worth compiling (jit_above_cost).
 */
#define COST_PER_REQUEST 100.0

/* Rows a page where the page size is the server's choice. */
#define DEFAULT_PER_PAGE 50

/* What planning a scan needs to keep, in RelOptInfo.fdw_private. */
typedef struct ScanPlan
{
	const CrispOptions *options;
	Pushdown		   *pushdown;
	double				requests; /* expected */
} ScanPlan;

/*
 * Requests that a list of that many rows costs.
 */
static double
expected_requests(const CrispOptions *options, double rows)
{
	double per_page = options->resource->per_page_param ? options->per_page : DEFAULT_PER_PAGE;

	if (!crisp_resource_is_paged(options->resource))
		return 1;
	return Max(1, ceil(rows / per_page));
}

void
crisp_get_rel_size(PlannerInfo *root, RelOptInfo *baserel, Oid foreigntableid)
{
	ScanPlan *plan = palloc0(sizeof(ScanPlan));
	double	  received;

	plan->options = option_of_table(foreigntableid);
	plan->pushdown = pushdown_classify(baserel, foreigntableid, plan->options);
	baserel->fdw_private = plan;

	/* Neither 0 nor -1 says how many there are, only that nobody has looked. */
	if (baserel->tuples <= 0)
		baserel->tuples = plan->options->resource->typical_rows;
	set_baserel_size_estimates(root, baserel);

	received = baserel->tuples * clauselist_selectivity(root, plan->pushdown->clauses,
														baserel->relid, JOIN_INNER, NULL);
	plan->requests = expected_requests(plan->options, received);
}

void
crisp_get_paths(PlannerInfo *root, RelOptInfo *baserel, Oid foreigntableid)
{
	ScanPlan *plan = baserel->fdw_private;
	Cost	  startup_cost = COST_PER_REQUEST + baserel->baserestrictcost.startup;
	Cost	  cpu_per_tuple = cpu_tuple_cost + baserel->baserestrictcost.per_tuple;
	Cost	  total_cost = startup_cost + (plan->requests - 1) * COST_PER_REQUEST +
					  cpu_per_tuple * baserel->tuples;

	add_path(baserel, (Path *) create_foreignscan_path(root, baserel, NULL, baserel->rows,
#if PG_VERSION_NUM >= 180000
													   0, /* disabled nodes */
#endif
													   startup_cost, total_cost, NIL,
													   baserel->lateral_relids, NULL,
#if PG_VERSION_NUM >= 170000
													   NIL, /* fdw_restrictinfo */
#endif
													   NIL));
}

/*
 * The attribute numbers that the scan must fill: those that leave it, and
 * those that its own conditions look at.  A whole-row reference means all.
 */
static List *
used_columns(RelOptInfo *baserel, Oid relid, List *scan_clauses)
{
	Bitmapset *used = NULL;
	List	  *columns = NIL;
	Relation   relation;

	pull_varattnos((Node *) baserel->reltarget->exprs, baserel->relid, &used);
	pull_varattnos((Node *) scan_clauses, baserel->relid, &used);

	/* The planner holds a lock on the table. */
	relation = table_open(relid, NoLock);
	for (AttrNumber attnum = 1; attnum <= RelationGetNumberOfAttributes(relation); attnum++)
	{
		if (TupleDescAttr(RelationGetDescr(relation), attnum - 1)->attisdropped)
			continue;
		if (bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, used) ||
			bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, used))
			columns = lappend_int(columns, attnum);
	}
	table_close(relation, NoLock);
	return columns;
}

ForeignScan *
crisp_get_plan(PlannerInfo *root, RelOptInfo *baserel, Oid foreigntableid, ForeignPath *best_path,
			   List *tlist, List *scan_clauses, Plan *outer_plan)
{
	ScanPlan *plan = baserel->fdw_private;
	List	 *fdw_private;

	/* All conditions are checked here, whatever Crisp does with those that it is told. */
	scan_clauses = extract_actual_clauses(scan_clauses, false);

	/* Indexed by ScanPrivate. */
	fdw_private = list_make2(used_columns(baserel, foreigntableid, scan_clauses),
							 plan->pushdown->conditions);

	return make_foreignscan(tlist, scan_clauses, baserel->relid, plan->pushdown->values,
							fdw_private, NIL, NIL, outer_plan);
}
