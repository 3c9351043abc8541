/*-------------------------------------------------------------------------
 *
 * estimate.c
 *		Estimate how many rows a list has, and how many conditions leave of it.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"

#include "fetch/list_rows.h"
#include "fetch/proved_list.h"
#include "plan/estimate.h"
#include "plan/estimate_dates.h"
#include "plan/synced_rows.h"
#include "request/pushdown.h"
#include "base/compat.h"

/* How many times as long as by its statistics a list is seen to be until they count for nothing. */
#define OUTGROWN 2

/*
 * See whether the number of the list's rows is known: it's -1 where it was never looked for.  One
 * that was empty then tells nothing: it may have any number of rows by now, and was it still empty,
 * it would cost a request, whatever the plan.
 */
bool
estimate_is_known(const RelOptInfo *rel)
{
	return rel->tuples > 0;
}

/*
 * Say whether a value is known to be, or not to be, a filter's constant; a value that isn't known
 * is taken for another one.
 */
static bool
is_constant(Node *value, const char *constant)
{
	Oid	 output;
	bool is_varlena;

	if (constant == NULL || !IsA(value, Const) || ((Const *) value)->constisnull)
		return false;
	getTypeOutputInfo(((Const *) value)->consttype, &output, &is_varlena);
	return strcmp(OidOutputFunctionCall(output, ((Const *) value)->constvalue), constant) == 0;
}

/*
 * Say whether a filter is the one that a condition comes down to.
 */
static bool
filter_fits(const CrispFilter *filter, int op, Node *value)
{
	bool equals = op == CONDITION_EQUAL || op == CONDITION_ANY;

	switch (filter->test)
	{
		case CRISP_IS:
			return equals && is_constant(value, filter->constant);
		case CRISP_IS_NOT:
			return equals ? !is_constant(value, filter->constant) : op == CONDITION_NOT_EQUAL;
		case CRISP_IS_NULL:
			return op == CONDITION_IS_NULL;
		case CRISP_EQUALS:
		case CRISP_FINDS:
		case CRISP_SEARCHES:
			return equals;
		case CRISP_CONTAINS:
			return op >= CONDITION_CONTAINS && op <= CONDITION_OVERLAPS;
		case CRISP_LACKS:
			return op >= CONDITION_LACKS;
	}
	return false;
}

/*
 * Estimate conditions by what is usual where there are no statistics, and searches in any case: of
 * their column, statistics know NULLs only.
 */
static void
set_selectivities(const CrispResource *resource, const Conditions *conditions, bool has_statistics)
{
	ListCell *lc;
	ListCell *lc_value;
	ListCell *lc_clause;

	forthree(lc, conditions->conditions, lc_value, conditions->values, lc_clause,
			 conditions->clauses)
	{
		const CrispColumn *column = condition_column(resource, lfirst(lc));
		int				   op = condition_operator(lfirst(lc));

		/* All rows of a list have its website. */
		if (column->flags & CRISP_WEBSITE)
			lfirst_node(RestrictInfo, lc_clause)->norm_selec = 1;
		else if (column == crisp_resource_word(resource) && op == CONDITION_EQUAL)
			lfirst_node(RestrictInfo, lc_clause)->norm_selec = 1.0 /
															   crisp_resource_lists_below(resource);
		if (has_statistics && (column->flags & CRISP_ASKED) == 0)
			continue;
		for (const CrispFilter *filter = resource->filters; filter->path != NULL; filter++)
		{
			if (strcmp(filter->path, column->path) == 0 &&
				filter_fits(filter, op, lfirst(lc_value)))
			{
				lfirst_node(RestrictInfo, lc_clause)->norm_selec = filter->share;
				break;
			}
		}
	}
}

bool
estimate_size(PlannerInfo *root, RelOptInfo *rel, const CrispOptions *options,
			  const Conditions *conditions)
{
	bool	 has_statistics = estimate_is_known(rel);
	bool	 is_known = has_statistics;
	ListRows none = {.whole = -1};
	ListRows seen = none;

	if (options->resource->parent == NULL)
		seen = list_rows_recall(options);
	if (has_statistics)
	{
		if (seen.whole > rel->tuples * OUTGROWN)
			rel->tuples = seen.whole;
		seen = none;
	}
	else if (options->resource->parent == NULL && seen.whole < 0)
		seen.whole = synced_rows(root->simple_rte_array[rel->relid]->relid);

	/* Where lookups bring more than the list has, a short list is no reason to do without them. */
	if (seen.whole >= 0 && !proved_list_is_possible(options) &&
		(options->resource->include_empty_param != NULL || options->resource->inbox != NULL))
		seen.whole = Max(seen.whole, options->resource->typical_rows);
	else if (seen.whole >= 0)
		is_known = true;
	if (!has_statistics)
		rel->tuples = seen.whole >= 0 ? seen.whole
									  : Max(options->resource->typical_rows, seen.since);
	set_selectivities(options->resource, conditions, has_statistics);
	estimate_dates(root, rel, options, conditions, has_statistics, seen);
	set_baserel_size_estimates(root, rel);
	return is_known;
}

/*
 * Say whether a condition bounds a time by what another relation brings: from above, or from below.
 */
static bool
is_joined_bound(const CrispResource *resource, List *condition, Node *value, bool above)
{
	int op = condition_operator(condition);

	return condition_column(resource, condition)->type == CRISP_TIME && contain_var_clause(value) &&
		   (above ? op == CONDITION_LESS || op == CONDITION_LESS_EQUAL
				  : op == CONDITION_GREATER || op == CONDITION_GREATER_EQUAL);
}

/*
 * Say whether such a condition has a counterpart on the other side: then it leaves a span of time.
 * PostgreSQL sees that where values are constants or parameters, and takes it for a short one.
 */
static bool
is_side_of_span(const CrispResource *resource, const Conditions *conditions, List *condition,
				Node *value)
{
	bool	  above = is_joined_bound(resource, condition, value, true);
	ListCell *lc;
	ListCell *lc_value;

	if (!above && !is_joined_bound(resource, condition, value, false))
		return false;
	forboth(lc, conditions->conditions, lc_value, conditions->values)
		if (condition_column(resource, lfirst(lc)) == condition_column(resource, condition) &&
			is_joined_bound(resource, lfirst(lc), lfirst(lc_value), !above))
			return true;
	return false;
}

double
estimate_list_rows(PlannerInfo *root, RelOptInfo *rel, const CrispOptions *options,
				   const Conditions *conditions)
{
	List	 *clauses = NIL;
	double	  share = 1;
	ListCell *lc;
	ListCell *lc_value;
	ListCell *lc_clause;

	forthree(lc, conditions->conditions, lc_value, conditions->values, lc_clause,
			 conditions->clauses)
	{
		const CrispColumn *column = condition_column(options->resource, lfirst(lc));

		if (!pushdown_narrows_list(options->resource, lfirst(lc)))
			continue;
		if (is_side_of_span(options->resource, conditions, lfirst(lc), lfirst(lc_value)))
		{
			share = Min(share, DEFAULT_RANGE_INEQ_SEL);
			continue;
		}

		/* Of what is bounded from below alone, all that is newer comes, too. */
		if (column->type == CRISP_TIME && column->upper_param == NULL &&
			condition_operator(lfirst(lc)) == CONDITION_EQUAL)
			share = DEFAULT_INEQ_SEL;
		else
			clauses = lappend(clauses, lfirst(lc_clause));
	}
	return clamp_row_est(rel->tuples * share *
						 clauselist_selectivity(root, clauses, rel->relid, JOIN_INNER, NULL));
}

/*----------
 * Lists below rows of another resource
 *----------
 */

double
estimate_values(PlannerInfo *root, List *condition, Node *value)
{
	if (condition_operator(condition) != CONDITION_ANY)
		return 1;
	return compat_array_length(root, value);
}

/*
 * Estimate how many rows of the parent the conditions name; -1 where they name none.  *by_argument
 * tells whether they do it by the argument.
 */
static double
named_parents(PlannerInfo *root, const CrispResource *resource, const Conditions *conditions,
			  bool *by_argument)
{
	double	  result = -1;
	ListCell *lc;
	ListCell *lc_value;

	*by_argument = false;
	forboth(lc, conditions->conditions, lc_value, conditions->values)
	{
		const CrispColumn *column = condition_column(resource, lfirst(lc));
		int				   op = condition_operator(lfirst(lc));
		double			   count;

		if (!crisp_resource_finds_parent(resource, column) ||
			(op != CONDITION_EQUAL && op != CONDITION_ANY))
			continue;
		count = estimate_values(root, lfirst(lc), lfirst(lc_value));
		result = result < 0 ? count : Min(result, count);
		*by_argument = *by_argument || column == crisp_resource_argument(resource);
	}
	return result;
}

/*
 * Estimate the share of the parent's rows that its dates leave for the conditions, taken to be that
 * of the rows below.
 */
static double
bounded_share(PlannerInfo *root, RelOptInfo *rel, const CrispResource *resource,
			  const Conditions *conditions)
{
	List	 *clauses = NIL;
	ListCell *lc;
	ListCell *lc_clause;

	if (resource->parent->bound_path == NULL)
		return 1;
	forboth(lc, conditions->conditions, lc_clause, conditions->clauses)
	{
		const CrispColumn *column = condition_column(resource, lfirst(lc));
		int				   op = condition_operator(lfirst(lc));

		if (strcmp(column->path, resource->parent->bound_path) == 0 && op >= CONDITION_EQUAL &&
			op <= CONDITION_GREATER)
			clauses = lappend(clauses, lfirst(lc_clause));
	}
	return clauselist_selectivity(root, clauses, rel->relid, JOIN_INNER, NULL);
}

/*
 * Estimate how many lists below a row of the parent the conditions leave.
 */
static double
asked_lists(PlannerInfo *root, const CrispResource *resource, const Conditions *conditions)
{
	double	  result = crisp_resource_lists_below(resource);
	ListCell *lc;
	ListCell *lc_value;

	forboth(lc, conditions->conditions, lc_value, conditions->values)
		if (condition_column(resource, lfirst(lc)) == crisp_resource_word(resource))
			result = Min(result, Max(estimate_values(root, lfirst(lc), lfirst(lc_value)), 1));
	return result;
}

WalkEstimate
estimate_walk(PlannerInfo *root, RelOptInfo *rel, const CrispOptions *options,
			  const Conditions *conditions, bool inherits)
{
	const CrispResource *resource = options->resource;
	double				 parent_rows = Max(rel->tuples / resource->parent->typical_rows, 1);
	double				 below = rel->tuples / parent_rows;
	double				 below_list = below / crisp_resource_lists_below(resource);
	double				 lists = asked_lists(root, resource, conditions);
	WalkEstimate		 result = {0};
	bool				 by_argument;
	double				 share = 1;
	int	   page_rows = resource->per_page_param ? options->per_page : CRISP_MIN_PER_PAGE;
	double pages;

	result.parents = named_parents(root, resource, conditions, &by_argument);
	result.named = result.parents >= 0;
	if (result.named)
		result.parent_requests = by_argument && !inherits ? 0 : result.parents;
	else
	{
		share = bounded_share(root, rel, resource, conditions);
		result.parents = clamp_row_est(parent_rows * share);
		result.parent_requests = ceil(result.parents / options->per_page);
	}

	pages = Max(ceil(below_list / page_rows), 1);
	result.requests = Max(result.parent_requests + result.parents * lists * pages, 1);
	result.received = clamp_row_est(result.parents * lists * below_list);
	return result;
}
