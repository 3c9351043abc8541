/*-------------------------------------------------------------------------
 *
 * plan_path.c
 *		Make paths, and reckon what they cost.
 *
 * The unit of cost is a request: everything else is small beside it.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"

#include "fetch/key_search.h"
#include "fetch/proved_list.h"
#include "plan/estimate.h"
#include "plan/plan_path.h"
#include "plan/search_column.h"
#include "base/compat.h"

/* Rows a page where the page size is the server's choice. */
#define DEFAULT_PER_PAGE 50

/*
 * By how much lookups that the list would take over are reckoned with as less than its requests, as
 * a share of these, or some of them, but no more than half.  As its length may be known badly, they
 * come first: they can be given up for the list, and not the other way round.  With keys in the
 * thousands, that may not be worth its time.
 */
#define LESS_THAN_LIST 0.1
#define FEW_LESS_THAN_LIST 4

/* Requests for spans of a list that come first, however short the list is said to be. */
#define FEW_SPANS 16

static double
rows_per_page(const CrispOptions *options)
{
	return options->resource->per_page_param ? options->per_page : DEFAULT_PER_PAGE;
}

double
plan_list_requests(const CrispOptions *options, double rows)
{
	if (!crisp_resource_is_paged(options->resource, options->tier))
		return 1;
	return Max(1, ceil(rows / rows_per_page(options)));
}

bool
plan_may_have_grown(const RelOptInfo *rel, double received)
{
	const ScanPlan *plan = rel->fdw_private;

	return plan->list_requests > 0 && plan->list_requests <= CRISP_SHORT_LIST &&
		   plan_list_requests(plan->options, received) + 1 >= plan->list_requests;
}

int
plan_lookup_condition(PlannerInfo *root, const CrispOptions *options, const Conditions *conditions,
					  double *nkeys)
{
	ListCell *lc;
	ListCell *lc_value;

	/* What was searched for is for Crisp to tell, and a lookup doesn't search. */
	if (search_is_asked(options, conditions))
		return -1;
	forboth(lc, conditions->conditions, lc_value, conditions->values)
	{
		List			  *condition = lfirst(lc);
		int				   op = condition_operator(condition);
		const CrispColumn *column = condition_column(options->resource, condition);

		if (crisp_resource_lookup(options->resource, column->path) == NULL ||
			(op != CONDITION_EQUAL && op != CONDITION_ANY))
			continue;
		*nkeys = estimate_values(root, condition, lfirst(lc_value));
		return list_cell_number(conditions->conditions, lc);
	}
	return -1;
}

double
plan_lookup_requests(const CrispOptions *options, const Conditions *conditions, int index,
					 double nkeys)
{
	const List		  *condition = list_nth(conditions->conditions, index);
	const CrispColumn *column = condition_column(options->resource, condition);
	const Node		  *value = list_nth(conditions->values, index);

	/* A key that the query names is alone. */
	if (nkeys <= 1 && IsA(value, Const))
		return nkeys;
	return nkeys *
		   key_search_share(options, crisp_resource_lookup(options->resource, column->path));
}

/*
 * Return up to how many requests lookups are to come before the list.
 */
static double
most_lookups(const CrispOptions *options, const CrispLookup *lookup, bool is_counted)
{
	double typical = plan_list_requests(options, options->resource->typical_rows);

	/* Those that aren't counted, as none are that are searched for, may cost as much as it. */
	if (!is_counted || lookup->criterion != NULL)
		return typical / 2;

	/*
	 * A list that can't be proved doesn't tell of keys that Crisp doesn't have.  But lookups bring
	 * rows, too, that it lacks: that it's short is no reason to read it.
	 */
	return proved_list_is_possible(options) ? HUGE_VAL : typical;
}

/*
 * Return so many requests, or a little less than those of a list, which takes over when they have
 * cost as much.
 */
static double
cap_requests(double requests, double list)
{
	return Min(requests, list - Min(list / 2, Max(list * LESS_THAN_LIST, FEW_LESS_THAN_LIST)));
}

double
plan_cap_spans(const RelOptInfo *rel, double requests)
{
	const ScanPlan *plan = rel->fdw_private;

	if (plan->details > 0 || requests > FEW_SPANS)
		return requests;
	return cap_requests(requests, plan_list_requests(plan->options, plan->received));
}

double
plan_cap_lookups(const RelOptInfo *rel, const CrispLookup *lookup, double requests, bool is_counted)
{
	const ScanPlan *plan = rel->fdw_private;
	double			list = plan_list_requests(plan->options, rel->tuples);

	if (!lookup->is_listed || requests > most_lookups(plan->options, lookup, is_counted))
		return requests;
	return cap_requests(requests, list);
}

PathDraft
plan_draft_path(ScanMethod kind)
{
	PathDraft draft = {.method = {[METHOD_KIND] = (int) kind,
								  [METHOD_CONDITION] = -1,
								  [METHOD_ORDER] = -1,
								  [METHOD_REQUESTS] = 1},
					   .first = 1};

	return draft;
}

void
plan_offer_path(PlannerInfo *root, RelOptInfo *baserel, PathDraft *draft)
{
	static int			last_id = 0;
	ScanPlan		   *plan = baserel->fdw_private;
	const CrispOptions *options = plan->options;
	double				first = Min(draft->first, draft->requests);
	Cost startup_cost = first * options->startup_cost + baserel->baserestrictcost.startup +
						draft->penalty;
	Cost total_cost = startup_cost + (draft->requests - first) * options->startup_cost +
					  draft->surcharge +
					  draft->received * (options->tuple_cost + cpu_tuple_cost +
										 baserel->baserestrictcost.per_tuple);
	Relids required_outer = draft->param_info ? draft->param_info->ppi_req_outer
											  : baserel->lateral_relids;
	List  *fdw_private = NIL;

	draft->method[METHOD_REQUESTS] = (int) ceil(Min(
		draft->method[METHOD_KIND] == SCAN_TOP_N ? draft->first : draft->requests, PG_INT32_MAX));
	draft->method[METHOD_LIST_REQUESTS] = (int) Min(plan->list_requests, PG_INT32_MAX / 4);
	draft->method[METHOD_NO_STATISTICS] = plan->no_statistics;
	draft->method[METHOD_ID] = last_id = (last_id + 1) & PG_INT32_MAX;
	for (int i = 0; i < METHOD_FIELDS; i++)
		fdw_private = lappend_int(fdw_private, draft->method[i]);

	add_path(baserel,
			 (Path *) compat_foreignscan_path(root, baserel, draft->rows, startup_cost, total_cost,
											  draft->pathkeys, required_outer, fdw_private));
}
