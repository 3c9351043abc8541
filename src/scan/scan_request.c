/*-------------------------------------------------------------------------
 *
 * scan_request.c
 *		Make the request of a scan, with the values that are known now.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "nodes/value.h"
#include "utils/ruleutils.h"

#include "api/server_facts.h"
#include "fetch/order.h"
#include "plan/plan.h"
#include "request/request_child.h"
#include "request/request_create.h"
#include "scan/scan_request.h"
#include "base/compat.h"

/*
 * Say whether an expression holds a value that only a running plan knows: a parameter of the query
 * among them, where context, the list of these, is NULL.
 */
static bool
needs_execution(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param) && (((Param *) node)->paramkind == PARAM_EXEC || context == NULL))
		return true;
	return expression_tree_walker(node, needs_execution, context);
}

/*
 * Evaluate the values of the scan's conditions.  With a deparse context, those that only a running
 * plan knows are left as text.
 */
static ConditionValue *
evaluate_values(ForeignScanState *node, const List *value_states, List *deparse_context)
{
	ForeignScan	   *plan = (ForeignScan *) node->ss.ps.plan;
	ConditionValue *values = palloc0(sizeof(ConditionValue) * Max(list_length(value_states), 1));
	ListCell	   *lc_state;
	ListCell	   *lc_expr;
	int				i = 0;

	forboth(lc_state, value_states, lc_expr, plan->fdw_exprs)
	{
		ConditionValue *value = &values[i++];

		value->known = deparse_context == NIL ||
					   !needs_execution(lfirst(lc_expr), node->ss.ps.state->es_param_list_info);
		if (value->known)
			value->value = ExecEvalExpr((ExprState *) lfirst(lc_state), node->ss.ps.ps_ExprContext,
										&value->isnull);
		else
			value->text = deparse_expression(lfirst(lc_expr), deparse_context, false, false);
	}
	return values;
}

/*
 * Return the page size for a list of which the query wants so many rows: as few pages as possible,
 * and those no larger than needed.  Several pages of an exact scan are full, since each begins with
 * rows of the one before.
 */
static int
page_size(const CrispOptions *options, int64 rows)
{
	int64 pages;

	if (rows <= 0 || (options->exact_scan && rows > options->per_page))
		return options->per_page;
	pages = (rows + options->per_page - 1) / options->per_page;
	return (int) Max(CRISP_MIN_PER_PAGE, (rows + pages - 1) / pages);
}

/*
 * Return what joins tell of the rows, of a plan, without what the request's conditions ask for
 * anyway; NULL for nothing.
 */
static const char *
link_of_plan(const ChildrenRequest *request, const ForeignScan *plan)
{
	const CrispOptions *options = request->options;
	const char		   *link = strVal(list_nth(plan->fdw_private, SCAN_PRIVATE_LINK));
	StringInfoData		result;

	if (link[0] == '\0' || options->resource->link == NULL ||
		server_fact_recall(options, FACT_LINK) == FACT_FALSE)
		return NULL;
	initStringInfo(&result);
	for (const char *const *param = options->resource->link->params; *param != NULL; param++)
		if (strstr(link, *param) != NULL && strstr(request->query, *param) == NULL)
			appendStringInfo(&result, "%s%s", result.len > 0 ? "&" : "", *param);
	return result.len > 0 ? result.data : NULL;
}

/*
 * Size the pages of a list of which the query wants so many rows, 0 for all.
 */
static void
set_pages(ListRequest *list, const List *method, int rows)
{
	list->per_page = page_size(list->options, rows);
	list->pages_wanted = rows / list->per_page + (rows % list->per_page > 0);
	if (list_nth_int(method, METHOD_KIND) == SCAN_LIST ||
		list_nth_int(method, METHOD_KIND) == SCAN_STREAM)
		list->pages_expected = list_nth_int(method, METHOD_REQUESTS);
}

/*
 * Say whether an order that a scan for the first rows is to ask for comes from the other end, as
 * far as is known: then it has to read all of the list.
 */
static bool
is_reversed(const CrispOptions *options, const List *method)
{
	int order = list_nth_int(method, METHOD_ORDER);

	return list_nth_int(method, METHOD_KIND) == SCAN_TOP_N &&
		   order_rises(options, &options->resource->orders[order]) !=
			   (list_nth_int(method, METHOD_ASCENDING) != 0);
}

CrispRequest *
scan_request_create(ForeignScanState *node, const CrispOptions *options, const List *value_states,
					List *deparse_context, bool streams)
{
	const ForeignScan *plan = (const ForeignScan *) node->ss.ps.plan;
	const List		  *method = list_nth(plan->fdw_private, SCAN_PRIVATE_METHOD);
	List			  *conditions = list_nth(plan->fdw_private, SCAN_PRIVATE_CONDITIONS);
	int				   kind = list_nth_int(method, METHOD_KIND);
	int				   order = list_nth_int(method, METHOD_ORDER);
	int				   lookup = list_nth_int(method, METHOD_CONDITION);
	bool			   reversed = is_reversed(options, method);
	bool			   by_date = (kind == SCAN_LIST || reversed) && options->exact_scan;
	bool			   in_order = order >= 0 && !by_date &&
					(kind != SCAN_STREAM || (streams && !options->exact_scan));
	const CrispOrder *asked = in_order ? &options->resource->orders[order] : NULL;

	/* The newest rows end at a bound, too, but for the sake of a proved order alone. */
	bool			stops = kind == SCAN_LIST || (asked != NULL && asked->opposite != NULL);
	ConditionValue *values = evaluate_values(node, value_states, deparse_context);
	int				rows = reversed ? 0 : list_nth_int(method, METHOD_PAGE_ROWS);
	CrispRequest   *request;

	if (kind == SCAN_CHILDREN)
		request = request_create_child(options, conditions, values,
									   list_nth_int(method, METHOD_INHERITS) != 0);
	else
		request = request_create(options, conditions, values, kind == SCAN_LOOKUP ? lookup : -1,
								 asked, stops);

	if (request != NULL && request->kind == REQUEST_CHILDREN)
	{
		request->as.children.link = link_of_plan(&request->as.children, plan);
		request->as.children.rows_wanted = rows;
	}
	if (request != NULL && request->kind == REQUEST_LIST)
		set_pages(&request->as.list, method, rows);
	return request;
}

/*
 * Say whether an expression holds an executor parameter of a Bitmapset.
 */
static bool
has_param(Node *node, void *params)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXEC &&
		bms_is_member(((Param *) node)->paramid, params))
		return true;
	return expression_tree_walker(node, has_param, params);
}

/*
 * Say whether a list without a condition has the rows that the condition asks for: a search finds
 * what Crisp thinks fit, and an inbox may have rows that a list without it lacks.
 */
static bool
narrows_list(const CrispResource *resource, const List *condition)
{
	const CrispColumn *column = condition_column(resource, condition);

	return (column->flags & CRISP_ASKED) == 0 &&
		   (resource->inbox == NULL || strcmp(resource->inbox->path, column->path) != 0);
}

CrispRequest *
scan_request_create_wider(ForeignScanState *node, const CrispOptions *options,
						  const List *value_states, const Bitmapset *changing, bool *is_apart)
{
	const ForeignScan *plan = (const ForeignScan *) node->ss.ps.plan;
	List			  *conditions = NIL;
	int				   nvalues = list_length(value_states);
	ConditionValue	  *all = evaluate_values(node, value_states, NIL);
	ConditionValue	  *values = palloc0(sizeof(ConditionValue) * Max(nvalues, 1));

	*is_apart = false;
	for (int i = 0; i < nvalues; i++)
	{
		List *condition = list_nth(list_nth(plan->fdw_private, SCAN_PRIVATE_CONDITIONS), i);
		bool  changes = has_param(list_nth(plan->fdw_exprs, i), unconstify(Bitmapset *, changing));

		if (changes && narrows_list(options->resource, condition))
			continue;
		*is_apart |= changes;
		values[list_length(conditions)] = all[i];
		conditions = lappend(conditions, condition);
	}
	return request_create(options, conditions, values, -1, NULL, false);
}

Oid
crisp_mapping_user(ForeignScanState *node, Index rti)
{
	return option_mapping_user(compat_scan_user(node, rti));
}
