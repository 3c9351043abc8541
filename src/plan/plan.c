/*-------------------------------------------------------------------------
 *
 * plan.c
 *		Sizes, costs, paths and plans of scans.
 *
 * The unit of cost is a request: everything else is small beside it.  A path's
 * fdw_private says how it gets its rows, as in METHOD_…; which conditions it
 * hands to Crisp is found again when it becomes a plan.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "nodes/value.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "utils/lsyscache.h"

#include "options/column_map.h"
#include "plan/column_use.h"
#include "plan/match.h"
#include "plan/estimate.h"
#include "plan/link.h"
#include "fetch/order.h"
#include "plan/plan.h"
#include "plan/plan_aggregate.h"
#include "plan/plan_path.h"
#include "plan/plan_children.h"
#include "plan/plan_details.h"
#include "request/pushdown.h"
#include "plan/search_column.h"

/* Rows a page where the page size is the server's choice. */
#define DEFAULT_PER_PAGE 50

/* What no other path costs. */
#define UNUSABLE_PATH_COST 1.0e10

/*----------
 * Sizes
 *----------
 */

static double
rows_per_page(const CrispOptions *options)
{
	return options->resource->per_page_param ? options->per_page : DEFAULT_PER_PAGE;
}

/*
 * Requests that a list of that many rows costs.
 */
static double
list_requests(const CrispOptions *options, double rows)
{
	if (!crisp_resource_is_paged(options->resource, options->tier))
		return 1;
	return Max(1, ceil(rows / rows_per_page(options)));
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

void
crispGetForeignRelSize(PlannerInfo *root, RelOptInfo *baserel, Oid foreigntableid)
{
	ScanPlan *plan = palloc0(sizeof(ScanPlan));
	double	  nkeys;

	plan->relid = foreigntableid;
	plan->options = options_of_table(foreigntableid);
	option_add_tier(plan->options, OidIsValid(baserel->userid) ? baserel->userid : GetUserId());
	plan->conditions = match_clauses(baserel, foreigntableid, plan->options,
									 baserel->baserestrictinfo);
	plan->all_asked = list_length(plan->conditions->clauses) ==
					  list_length(baserel->baserestrictinfo);
	baserel->fdw_private = plan;

	if (estimate_is_known(baserel))
		plan->list_requests = list_requests(plan->options, baserel->tuples);
	estimate_size(root, baserel, plan->options, plan->conditions);

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

static PathDraft
draft_path(ScanMethod kind)
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
					  draft->received * (options->tuple_cost + cpu_tuple_cost +
										 baserel->baserestrictcost.per_tuple);
	Relids required_outer = draft->param_info ? draft->param_info->ppi_req_outer
											  : baserel->lateral_relids;
	List  *fdw_private = NIL;

	draft->method[METHOD_REQUESTS] = (int) Min(
		draft->method[METHOD_KIND] == SCAN_TOP_N ? draft->first : draft->requests, INT_MAX);
	draft->method[METHOD_LIST_REQUESTS] = (int) Min(plan->list_requests, INT_MAX / 4);
	draft->method[METHOD_ID] = last_id = (last_id + 1) & PG_INT32_MAX;
	for (int i = 0; i < METHOD_FIELDS; i++)
		fdw_private = lappend_int(fdw_private, draft->method[i]);

	add_path(baserel, (Path *) create_foreignscan_path(root, baserel, NULL, draft->rows,
#if PG_VERSION_NUM >= 180000
													   0, /* disabled nodes */
#endif
													   startup_cost, total_cost, draft->pathkeys,
													   required_outer, NULL,
#if PG_VERSION_NUM >= 170000
													   NIL, /* fdw_restrictinfo */
#endif
													   fdw_private));
}

/*
 * The index of an order of the list in which the conditions let the scan stop
 * early, or -1: one on a column with a lower bound that the API takes no
 * parameter for.  *selectivity gets the share of the list that is read.
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

	draft->requests = list_requests(plan->options, draft->received) + plan->details;
	if (order >= 0)
	{
		double received = clamp_row_est(baserel->tuples * selectivity);
		double requests = list_requests(plan->options, received) + 1 + plan->details;

		/* Where the whole list is as short, proving the order is not worth its requests. */
		if (requests < list_requests(plan->options, baserel->tuples) + plan->details)
		{
			draft->method[METHOD_ORDER] = order;
			draft->requests = requests;
			draft->received = received;
		}
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
		draft = draft_path(SCAN_CHILDREN);
		draft.param_info = param_info;
		draft.rows = param_info->ppi_rows;
		plan_offer_walk(root, baserel, &draft, conditions);
		return;
	}

	key_condition = plan_lookup_condition(root, plan->options, conditions, &nkeys);
	draft = draft_path(key_condition >= 0 ? SCAN_LOOKUP : SCAN_LIST);
	draft.param_info = param_info;
	draft.rows = param_info->ppi_rows;
	if (key_condition >= 0)
	{
		draft.method[METHOD_CONDITION] = key_condition;
		draft.requests = draft.received = nkeys;
		draft.rows = Min(draft.rows, clamp_row_est(nkeys));
		plan_offer_path(root, baserel, &draft);
		return;
	}
	draft.received = estimate_list_rows(root, baserel, plan->options, conditions);
	offer_list(root, baserel, &draft, conditions);
}

/*
 * Whether a member of an equivalence class is a column that the API finds rows
 * by.
 */
static bool
is_equated_column(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *ec, EquivalenceMember *em,
				  void *arg)
{
	ScanPlan *plan = rel->fdw_private;
	Node	 *node = (Node *) em->em_expr;

	while (node != NULL && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	if (node != NULL && IsA(node, Var) && (Index) ((Var *) node)->varno == rel->relid &&
		((Var *) node)->varattno > 0)
	{
		const CrispColumn *column = column_map_catalog(plan->options, plan->relid,
													   ((Var *) node)->varattno);

		return column != NULL && pushdown_takes_equality(plan->options->resource, column);
	}
	return false;
}

/*
 * Add what a join clause would take from other relations to the list of
 * parameterizations, if it is of any use.
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
 * Offer the scans that a nested loop can use: one for each key that its outer
 * side brings, or for each bound.
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
 * LIMIT and ORDER BY
 *----------
 */

/*
 * The number of rows after which the query is content with this relation, or 0.  Only a
 * LIMIT that stands directly over a scan of it says that.
 */
static double
rows_wanted(PlannerInfo *root)
{
	Query *parse = root->parse;

	if (root->limit_tuples <= 0 || bms_membership(root->all_baserels) != BMS_SINGLETON ||
		parse->commandType != CMD_SELECT || parse->rowMarks != NIL || root->rowMarks != NIL ||
		parse->limitOption == LIMIT_OPTION_WITH_TIES)
		return 0;
	return Min(root->limit_tuples, INT_MAX);
}

/*
 * Rows that Crisp has to send for so many to satisfy all conditions; 0, where
 * that can't be told.  It only sizes pages.
 */
static int
page_rows(const ScanPlan *plan, double wanted)
{
	return plan->all_asked ? (int) wanted : 0;
}

/*
 * The same, where a scan can tell by itself which of its rows count: conditions must not mind being
 * checked once more.
 */
static int
count_wanted(RelOptInfo *baserel, double wanted)
{
	Node *conditions = (Node *) extract_actual_clauses(baserel->baserestrictinfo, false);

	return contain_volatile_functions(conditions) || contain_subplans(conditions) ? 0
																				  : (int) wanted;
}

/*
 * The order of the list by which rows can be had in that of a column; NULL where there is none.
 * One that leaves out rows without the column is of use only where a condition does so, too; it is
 * then worth asking for from either end.
 */
static const CrispOrder *
usable_order(RelOptInfo *baserel, AttrNumber attnum, bool ascending)
{
	const ScanPlan	  *plan = baserel->fdw_private;
	const CrispColumn *column = column_map_catalog(plan->options, plan->relid, attnum);
	const CrispOrder  *order = column ? crisp_resource_order(plan->options->resource, column->path)
									  : NULL;

	if (order == NULL)
		return NULL;
	if (order->filters)
		return column_use_strict_conditions(baserel, attnum) != NIL ? order : NULL;
	return order->rising == ascending ? order : NULL;
}

/*
 * Whether a list in an order holds no rows that conditions rule out: it is asked for all of them,
 * or the order itself rules out what lacks its column.
 */
static bool
asks_all(RelOptInfo *baserel, const CrispOrder *order, AttrNumber attnum)
{
	const ScanPlan *plan = baserel->fdw_private;
	int				asked = list_length(plan->conditions->clauses);
	ListCell	   *lc;

	foreach(lc, column_use_strict_conditions(baserel, attnum))
	{
		NullTest *test = (NullTest *) lfirst_node(RestrictInfo, lc)->clause;

		if (order->filters && IsA(test, NullTest) && IsA(test->arg, Var))
			asked++;
	}
	return asked == list_length(baserel->baserestrictinfo);
}

/*
 * Offer the newest rows, or the oldest, in the order that the query wants, if Crisp has it.
 */
static void
offer_newest(PlannerInfo *root, RelOptInfo *baserel, double wanted)
{
	ScanPlan		   *plan = baserel->fdw_private;
	const CrispOptions *options = plan->options;
	PathKey			   *pathkey;
	AttrNumber			attnum;
	const CrispOrder   *order;
	PathDraft			draft;
	bool				ascending;
	double				first_rows;
	double				proof;

	if (wanted <= 0 || list_length(root->query_pathkeys) != 1)
		return;
	pathkey = linitial_node(PathKey, root->query_pathkeys);
	attnum = column_use_pathkey(baserel, pathkey);
	if (attnum <= 0 || !column_use_is_by_time(plan->relid, attnum, pathkey, &ascending))
		return;
	order = usable_order(baserel, attnum, ascending);

	/* Conditions are checked on rows that are gathered, and then by the executor as well. */
	if (order == NULL || contain_volatile_functions(
							 (Node *) extract_actual_clauses(baserel->baserestrictinfo, false)))
		return;

	/* Crisp puts rows without the column last. */
	if (pathkey->pk_nulls_first && !column_use_excludes_null(baserel, plan->relid, attnum))
		return;

	draft = draft_path(SCAN_TOP_N);
	draft.method[METHOD_ORDER] = (int) (order - options->resource->orders);
	draft.method[METHOD_SORT_COLUMN] = attnum;
	draft.method[METHOD_ASCENDING] = ascending;
	draft.method[METHOD_NULLS_FIRST] = pathkey->pk_nulls_first;
	draft.method[METHOD_ROWS_WANTED] = (int) wanted;
	draft.method[METHOD_PAGE_ROWS] = asks_all(baserel, order, attnum) ? (int) wanted : 0;
	draft.rows = baserel->rows;
	draft.received = plan->received;
	if (order->filters)
		draft.received = Min(
			draft.received,
			clamp_row_est(baserel->tuples * clauselist_selectivity(
												root, column_use_strict_conditions(baserel, attnum),
												baserel->relid, JOIN_INNER, NULL)));
	first_rows = Min(draft.received, wanted * draft.received / Max(baserel->rows, 1));
	proof = order->opposite ? 2 : 0;

	/* A node above that wants all rows, whatever the limit, gets the rest of the list. */
	draft.requests = list_requests(options, draft.received) + proof + plan->details;
	draft.first = order_rises(options, order) == ascending
					  ? list_requests(options, first_rows) + proof
					  : draft.requests;
	draft.pathkeys = list_make1(pathkey);
	plan_offer_path(root, baserel, &draft);
}

void
crispGetForeignPaths(PlannerInfo *root, RelOptInfo *baserel, Oid foreigntableid)
{
	ScanPlan *plan = baserel->fdw_private;
	double	  wanted = rows_wanted(root);
	PathDraft draft = draft_path(SCAN_LIST);
	double	  nkeys;
	int		  key_condition;

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

	key_condition = plan_lookup_condition(root, plan->options, plan->conditions, &nkeys);
	if (key_condition >= 0)
	{
		draft = draft_path(SCAN_LOOKUP);
		draft.method[METHOD_CONDITION] = key_condition;
		draft.rows = baserel->rows;
		draft.requests = draft.received = nkeys;
		plan_offer_path(root, baserel, &draft);
	}

	offer_newest(root, baserel, wanted);
	offer_joins(root, baserel);
}

/*----------
 * Plans
 *----------
 */

/*
 * For each condition, the index of its clause among those that the plan checks.
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
 * The plan's conditions may stand in another order than those that the path was made for:
 * find the one with the keys again.
 */
static void
set_lookup_condition(PlannerInfo *root, const CrispOptions *options, const Conditions *conditions,
					 List *method)
{
	double nkeys;

	lfirst_int(list_nth_cell(method, METHOD_CONDITION)) = plan_lookup_condition(root, options,
																				conditions, &nkeys);
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

	/* All conditions are checked here, whatever Crisp does with those that it is told. */
	quals = extract_actual_clauses(scan_clauses, false);
	search_check(root, rel, foreigntableid, plan->options, conditions, quals);

	/* Indexed by ScanPrivate. */
	fdw_private = list_make5(method,
							 column_use_list(rel, foreigntableid, quals,
											 (AttrNumber) list_nth_int(method, METHOD_SORT_COLUMN)),
							 conditions->conditions, qual_indexes(conditions, quals),
							 makeString(link_query(root, rel, foreigntableid, plan->options)));

	return make_foreignscan(tlist, quals, rel->relid, conditions->values, fdw_private, NIL, NIL,
							outer_plan);
}
