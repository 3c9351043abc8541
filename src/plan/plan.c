/*-------------------------------------------------------------------------
 *
 * plan.c
 *		Plan scans: their sizes, costs, paths and plans.
 *
 * A path's fdw_private says how it gets its rows, as in METHOD_…; which conditions it hands to
 * Crisp is found again when it becomes a plan.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "nodes/value.h"
#include "optimizer/clauses.h"
#include "optimizer/inherit.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "utils/lsyscache.h"

#include "base/extension_version.h"
#include "options/column_map.h"
#include "plan/column_use.h"
#include "plan/match.h"
#include "plan/estimate.h"
#include "plan/link.h"
#include "plan/plan.h"
#include "plan/plan_aggregate.h"
#include "plan/plan_children.h"
#include "plan/plan_details.h"
#include "plan/plan_newest.h"
#include "plan/plan_oldest.h"
#include "plan/plan_stream.h"
#include "request/pushdown.h"
#include "resource/writable.h"
#include "plan/search_column.h"

/* What no other path costs. */
#define UNUSABLE_PATH_COST 1.0e10

/*----------
 * Sizes
 *----------
 */

void
crispGetForeignRelSize(PlannerInfo *root, RelOptInfo *baserel, Oid foreigntableid)
{
	ScanPlan *plan = palloc0(sizeof(ScanPlan));
	double	  nkeys;

	extension_version_check();
	plan->relid = foreigntableid;
	plan->options = options_of_table(foreigntableid);
	option_add_tier(plan->options, option_mapping_user(baserel->userid));
	plan->conditions = match_clauses(baserel, foreigntableid, plan->options,
									 baserel->baserestrictinfo);
	plan->all_asked = list_length(plan->conditions->clauses) ==
						  list_length(baserel->baserestrictinfo) &&
					  match_is_exact(plan->options->resource, plan->conditions);
	baserel->fdw_private = plan;

	plan->no_statistics = plan->options->resource->parent == NULL && !estimate_is_known(baserel);
	if (estimate_size(root, baserel, plan->options, plan->conditions))
		plan->list_requests = plan_list_requests(plan->options, baserel->tuples);

	plan->received = estimate_list_rows(root, baserel, plan->options, plan->conditions);
	plan->details = detail_requests(
		root, baserel, plan->options, foreigntableid,
		column_use_list(baserel, foreigntableid,
						extract_actual_clauses(baserel->baserestrictinfo, false), 0),
		plan->received);

	/* A key has one row at most. */
	if (plan->options->resource->parent != NULL)
		plan_limit_walk_rows(root, baserel);
	else if (plan_lookup_condition(root, plan->options, plan->conditions, &nkeys) >= 0)
		baserel->rows = Min(baserel->rows, clamp_row_est(nkeys));
}

/*----------
 * Paths
 *----------
 */

/*
 * Find the index of an order of the list in which the conditions let the scan stop early, or -1:
 * one on a column with a lower bound that the API takes no parameter for.  *selectivity gets the
 * share of the list that is read.
 */
static int
early_stop_order(PlannerInfo *root, RelOptInfo *baserel, const ScanPlan *plan,
				 const Conditions *conditions, double *selectivity)
{
	const CrispResource *resource = plan->options->resource;
	List				*bounds = NIL;
	int					 result = -1;
	ListCell			*lc;
	ListCell			*lc_clause;

	/* It goes by page numbers, which lose a row when another is deleted. */
	if (plan->options->exact_scan)
		return -1;

	forboth(lc, conditions->conditions, lc_clause, conditions->clauses)
	{
		List			  *condition = lfirst(lc);
		const CrispColumn *column = condition_column(resource, condition);
		const CrispOrder  *order = crisp_resource_order(resource, column->path);
		int				   op = condition_operator(condition);

		if (order == NULL || order->rising || order->filters || column->lower_param != NULL ||
			op < CONDITION_EQUAL || op > CONDITION_GREATER)
			continue;
		if (result >= 0 && &resource->orders[result] != order)
			continue;
		result = (int) (order - resource->orders);
		bounds = lappend(bounds, lfirst(lc_clause));
	}
	if (result >= 0)
		*selectivity = clauselist_selectivity(root, bounds, baserel->relid, JOIN_INNER, NULL);
	return result;
}

/*
 * Offer the plain list, and the list that stops early if that is shorter.
 */
static void
offer_list(PlannerInfo *root, RelOptInfo *baserel, PathDraft *draft, const Conditions *conditions)
{
	ScanPlan *plan = baserel->fdw_private;
	double	  selectivity = 1;
	int		  order = early_stop_order(root, baserel, plan, conditions, &selectivity);

	draft->requests = plan_list_requests(plan->options, draft->received) + plan->details;
	if (order >= 0)
	{
		double received = clamp_row_est(baserel->tuples * selectivity);
		double requests = plan_list_requests(plan->options, received) + 1 + plan->details;

		/* Where the whole list is as short, proving the order is not worth its requests. */
		if (requests < plan_list_requests(plan->options, baserel->tuples) + plan->details)
		{
			draft->method[METHOD_ORDER] = order;
			draft->requests = requests;
			draft->received = received;
		}

		/*
		 * It may have grown since, though; that is found out before it's read.  And the share of a
		 * long list may be far less than it seems.
		 */
		else if (plan_may_have_grown(baserel, draft->received) ||
				 draft->requests > CRISP_SHORT_LIST)
			draft->method[METHOD_ORDER] = order;
	}
	plan_offer_path(root, baserel, draft);
}

/*
 * Offer paths whose conditions' values come from other relations.
 */
static void
offer_parameterized(PlannerInfo *root, RelOptInfo *baserel, ParamPathInfo *param_info)
{
	ScanPlan   *plan = baserel->fdw_private;
	List	   *clauses = list_concat_copy(baserel->baserestrictinfo, param_info->ppi_clauses);
	Conditions *conditions = match_clauses(baserel, plan->relid, plan->options, clauses);
	PathDraft	draft;
	double		nkeys;
	int			key_condition;

	if (list_length(conditions->conditions) <= list_length(plan->conditions->conditions))
		return;

	if (plan->options->resource->parent != NULL)
	{
		draft = plan_draft_path(SCAN_CHILDREN);
		draft.param_info = param_info;
		draft.rows = param_info->ppi_rows;
		plan_offer_walk(root, baserel, &draft, conditions);
		return;
	}

	key_condition = plan_lookup_condition(root, plan->options, conditions, &nkeys);
	draft = plan_draft_path(key_condition >= 0 ? SCAN_LOOKUP : SCAN_LIST);
	draft.param_info = param_info;
	draft.rows = param_info->ppi_rows;
	if (key_condition >= 0)
	{
		draft.method[METHOD_CONDITION] = key_condition;
		draft.requests = plan_lookup_requests(plan->options, conditions, key_condition, nkeys);
		draft.received = nkeys;
		draft.rows = Min(draft.rows, clamp_row_est(nkeys));
		plan_offer_path(root, baserel, &draft);
		return;
	}
	draft.received = estimate_list_rows(root, baserel, plan->options, conditions);
	offer_list(root, baserel, &draft, conditions);
}

/*
 * Say whether a member of an equivalence class is a column that the API finds rows by.
 */
static bool
is_equated_column(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *ec, EquivalenceMember *em,
				  void *arg)
{
	ScanPlan		  *plan = rel->fdw_private;
	const Var		  *var = column_use_var(em->em_expr, rel->relid);
	const CrispColumn *column;

	if (var == NULL)
		return false;
	column = column_map_catalog(plan->options, plan->relid, var->varattno);
	return column != NULL && pushdown_takes_equality(plan->options->resource, column);
}

/*
 * Add what a join clause would take from other relations to the list of parameterizations, if it is
 * of any use.
 */
static List *
add_parameterization(PlannerInfo *root, RelOptInfo *baserel, RestrictInfo *rinfo, List *param_infos)
{
	ScanPlan *plan = baserel->fdw_private;
	List	 *conditions;
	Relids	  required_outer;

	if (!join_clause_is_movable_to(rinfo, baserel))
		return param_infos;
	conditions = match_clauses(baserel, plan->relid, plan->options, list_make1(rinfo))->conditions;
	if (conditions == NIL || !pushdown_finds_rows(plan->options->resource, linitial(conditions)))
		return param_infos;

	required_outer = bms_union(rinfo->clause_relids, baserel->lateral_relids);
	required_outer = bms_del_member(required_outer, baserel->relid);
	if (bms_is_empty(required_outer))
		return param_infos;
	return list_append_unique_ptr(param_infos,
								  get_baserel_parampathinfo(root, baserel, required_outer));
}

/*
 * Offer the scans that a nested loop can use: one for each key that its outer side brings, or for
 * each bound.
 */
static void
offer_joins(PlannerInfo *root, RelOptInfo *baserel)
{
	List	 *param_infos = NIL;
	List	 *clauses = list_copy(baserel->joininfo);
	ListCell *lc;

	if (baserel->has_eclass_joins)
		clauses = list_concat(
			clauses, generate_implied_equalities_for_column(root, baserel, is_equated_column, NULL,
															baserel->lateral_referencers));
	foreach(lc, clauses)
		param_infos = add_parameterization(root, baserel, lfirst_node(RestrictInfo, lc),
										   param_infos);
	foreach(lc, param_infos)
		offer_parameterized(root, baserel, lfirst(lc));
}

/*----------
 * The whole
 *----------
 */

/*
 * Find the number of rows after which the query is content with this relation, or 0.  Only a LIMIT
 * that stands directly over a scan of it says that.
 */
static double
rows_wanted(PlannerInfo *root)
{
	Query *parse = root->parse;

	if (root->limit_tuples <= 0 || bms_membership(root->all_baserels) != BMS_SINGLETON ||
		parse->commandType != CMD_SELECT || parse->rowMarks != NIL || root->rowMarks != NIL ||
		parse->limitOption == LIMIT_OPTION_WITH_TIES)
		return 0;
	return Min(root->limit_tuples, PG_INT32_MAX);
}

/*
 * Count the rows that Crisp has to send for so many to satisfy all conditions; 0, where that can't
 * be told.  It only sizes pages.
 */
static int
page_rows(const ScanPlan *plan, double wanted)
{
	return plan->all_asked ? (int) wanted : 0;
}

/*
 * Count the same, where a scan can tell by itself which of its rows count: conditions must not mind
 * being checked once more.
 */
static int
count_wanted(RelOptInfo *baserel, double wanted)
{
	Node *conditions = (Node *) extract_actual_clauses(baserel->baserestrictinfo, false);

	return contain_volatile_functions(conditions) || contain_subplans(conditions) ? 0
																				  : (int) wanted;
}

/*
 * Offer to look up the keys that the conditions name, if they name any.
 */
static void
offer_lookups(PlannerInfo *root, RelOptInfo *baserel)
{
	ScanPlan		  *plan = baserel->fdw_private;
	PathDraft		   draft = plan_draft_path(SCAN_LOOKUP);
	double			   nkeys;
	const CrispColumn *column;
	int				   index = plan_lookup_condition(root, plan->options, plan->conditions, &nkeys);

	if (index < 0)
		return;
	column = condition_column(plan->options->resource,
							  list_nth(plan->conditions->conditions, index));
	draft.method[METHOD_CONDITION] = index;
	draft.rows = baserel->rows;
	draft.requests = plan_cap_lookups(
		baserel, crisp_resource_lookup(plan->options->resource, column->path),
		plan_lookup_requests(plan->options, plan->conditions, index, nkeys), true);
	draft.received = nkeys;
	plan_offer_path(root, baserel, &draft);
}

void
crispGetForeignPaths(PlannerInfo *root, RelOptInfo *baserel, Oid foreigntableid)
{
	ScanPlan *plan = baserel->fdw_private;
	double	  wanted = rows_wanted(root);
	PathDraft draft = plan_draft_path(SCAN_LIST);

	draft.rows = baserel->rows;
	draft.received = plan->received;
	if (root->query_pathkeys == NIL)
	{
		draft.method[METHOD_PAGE_ROWS] = page_rows(plan, wanted);
		draft.method[METHOD_ROWS_WANTED] = count_wanted(baserel, wanted);
	}

	/* Only a nested loop can ask Crisp to search for what another relation brings. */
	if (!search_is_asked(plan->options, plan->conditions) &&
		search_is_joined(root, baserel, plan->relid, plan->options))
		draft.penalty = UNUSABLE_PATH_COST;

	if (plan->options->resource->parent != NULL)
	{
		draft.method[METHOD_KIND] = SCAN_CHILDREN;
		draft.wanted = wanted;
		plan_offer_walk(root, baserel, &draft, plan->conditions);
		offer_joins(root, baserel);
		return;
	}

	offer_list(root, baserel, &draft, plan->conditions);

	offer_lookups(root, baserel);
	plan_offer_oldest(root, baserel, wanted);
	if (!plan_offer_newest(root, baserel, wanted))
		plan_offer_streams(root, baserel);
	offer_joins(root, baserel);
}

/*----------
 * Plans
 *----------
 */

/*
 * Find, for each condition, the index of its clause among those that the plan checks.
 */
static List *
qual_indexes(const Conditions *conditions, List *quals)
{
	List	 *indexes = NIL;
	ListCell *lc;

	foreach(lc, conditions->clauses)
	{
		Expr	 *clause = lfirst_node(RestrictInfo, lc)->clause;
		ListCell *lc_qual;
		int		  index = -1;

		foreach(lc_qual, quals)
			if (lfirst(lc_qual) == clause)
				index = foreach_current_index(lc_qual);
		indexes = lappend_int(indexes, index);
	}
	return indexes;
}

/*
 * Find the condition with the keys again: the plan's may stand in another order than those that the
 * path was made for.
 */
static void
set_lookup_condition(PlannerInfo *root, const CrispOptions *options, const Conditions *conditions,
					 List *method)
{
	double nkeys;

	lfirst_int(list_nth_cell(method, METHOD_CONDITION)) = plan_lookup_condition(root, options,
																				conditions, &nkeys);
}

/*
 * Say whether an UPDATE sets a column, or one that isn't in the catalog: a key of custom data.
 */
static bool
is_set(const ScanPlan *plan, const Bitmapset *updated, AttrNumber attnum)
{
	int member = -1;

	while ((member = bms_next_member(updated, member)) >= 0)
	{
		AttrNumber set = (AttrNumber) (member + FirstLowInvalidHeapAttributeNumber);

		if (set == attnum || column_map_catalog(plan->options, plan->relid, set) == NULL)
			return true;
	}
	return false;
}

/*
 * List the attribute numbers that a scan must fill.  PostgreSQL has an UPDATE ask for the whole
 * row, of which it then uses what the statement names.  So the other columns stay empty: one that
 * the database can't hold is no reason not to change the row.
 */
static List *
filled_columns(PlannerInfo *root, RelOptInfo *rel, const ScanPlan *plan, List *quals,
			   AttrNumber sort_column)
{
	const CrispChanges *changes = plan->options->resource->changes;
	List			   *columns = column_use_list(rel, plan->relid, quals, sort_column);
	Bitmapset		   *updated;
	ListCell		   *lc;

	if (changes == NULL || !column_use_is_old_row(root, rel, plan->relid, quals))
		return columns;
	updated = get_rel_all_updated_cols(root, rel);
	foreach(lc, columns)
	{
		AttrNumber		   attnum = (AttrNumber) lfirst_int(lc);
		const CrispColumn *column = column_map_catalog(plan->options, plan->relid, attnum);

		if (attnum != sort_column && !column_use_names(rel, quals, attnum) &&
			(column == NULL ||
			 !crisp_update_looks_at(changes, crisp_column_name(plan->options->resource, column),
									is_set(plan, updated, attnum))))
			columns = foreach_delete_current(columns, lc);
	}
	return columns;
}

/*
 * Return how many requests are expected of all runs of a scan, however many there are: twice those
 * for the list, which takes over when they have cost as much; 0 where none does.
 */
static int
most_requests(const RelOptInfo *rel, const ScanPlan *plan, const Conditions *conditions,
			  const List *method)
{
	const CrispResource *resource = plan->options->resource;
	int					 kind = list_nth_int(method, METHOD_KIND);
	int					 lookup = list_nth_int(method, METHOD_CONDITION);
	double				 requests = plan_list_requests(plan->options, rel->tuples);

	if (kind == SCAN_CHILDREN || (kind != SCAN_LOOKUP && plan->details > 0))
		return 0;
	if (kind == SCAN_LOOKUP && lookup >= 0 &&
		!crisp_resource_lookup(
			 resource, condition_column(resource, list_nth(conditions->conditions, lookup))->path)
			 ->is_listed)
		return 0;
	return (int) Min(2 * requests, PG_INT32_MAX);
}

ForeignScan *
crispGetForeignPlan(PlannerInfo *root, RelOptInfo *rel, Oid foreigntableid, ForeignPath *best_path,
					List *tlist, List *scan_clauses, Plan *outer_plan)
{
	ScanPlan   *plan = rel->fdw_private;
	List	   *method = list_copy(best_path->fdw_private);
	Conditions *conditions;
	List	   *quals;
	List	   *fdw_private;

	if (IS_UPPER_REL(rel))
		return plan_aggregate(tlist, outer_plan);

	conditions = match_clauses(rel, foreigntableid, plan->options, scan_clauses);
	if (list_nth_int(method, METHOD_CONDITION) >= 0)
		set_lookup_condition(root, plan->options, conditions, method);
	lfirst_int(list_nth_cell(method, METHOD_MOST_REQUESTS)) = most_requests(rel, plan, conditions,
																			method);

	/* All conditions are checked here, whatever Crisp does with those that it is told. */
	quals = extract_actual_clauses(scan_clauses, false);
	search_check(root, rel, foreigntableid, plan->options, conditions, quals);

	/* Indexed by ScanPrivate. */
	fdw_private = list_make5(method,
							 filled_columns(root, rel, plan, quals,
											(AttrNumber) list_nth_int(method, METHOD_SORT_COLUMN)),
							 conditions->conditions, qual_indexes(conditions, quals),
							 makeString(link_query(root, rel, foreigntableid, plan->options)));

	return make_foreignscan(tlist, quals, rel->relid, conditions->values, fdw_private, NIL, NIL,
							outer_plan);
}
