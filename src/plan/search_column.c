/*-------------------------------------------------------------------------
 *
 * search_column.c
 *		Handle the column that asks for a search, and reads what was asked for.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "utils/lsyscache.h"

#include "options/column_map.h"
#include "plan/column_use.h"
#include "plan/search_column.h"

/* What tells the search column apart. */
typedef struct SearchContext
{
	Index				varno;
	Oid					relid;
	const CrispOptions *options;
} SearchContext;

/*
 * Say whether a node is the search column.
 */
static bool
is_search_column(const SearchContext *context, Node *node)
{
	const Var		  *var = column_use_var((Expr *) node, context->varno);
	const CrispColumn *column;

	if (var == NULL)
		return false;
	column = column_map_catalog(context->options, context->relid, var->varattno);
	return column != NULL && (column->flags & CRISP_ASKED) != 0;
}

/*
 * Say whether an expression compares the search column.  To ask whether it is NULL makes sense
 * without a search.
 */
static bool
compares_search(Node *node, void *context)
{
	if (node == NULL || IsA(node, NullTest))
		return false;
	if (is_search_column(context, node))
		return true;
	return expression_tree_walker(node, compares_search, context);
}

/*
 * Say whether a member of an equivalence class is the search column.
 */
static bool
is_search_member(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *ec, EquivalenceMember *em,
				 void *arg)
{
	return is_search_column(arg, (Node *) em->em_expr);
}

bool
search_is_asked(const CrispOptions *options, const Conditions *conditions)
{
	ListCell *lc;

	foreach(lc, conditions->conditions)
	{
		if (condition_column(options->resource, lfirst(lc))->flags & CRISP_ASKED)
			return true;
	}
	return false;
}

bool
search_is_joined(PlannerInfo *root, RelOptInfo *rel, Oid relid, const CrispOptions *options)
{
	SearchContext context = {rel->relid, relid, options};
	ListCell	 *lc;

	if (crisp_resource_search(options->resource) == NULL)
		return false;
	foreach(lc, rel->joininfo)
		if (compares_search((Node *) lfirst_node(RestrictInfo, lc)->clause, &context))
			return true;
	return rel->has_eclass_joins && generate_implied_equalities_for_column(
										root, rel, is_search_member, &context, NULL) != NIL;
}

static void
raise_no_search(const CrispOptions *options)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("Crisp cannot be asked for what \"%s\" is compared with",
						   crisp_resource_search(options->resource)->path),
					errdetail("The column reads what Crisp was asked for, and one request asks for "
							  "one value."),
					errhint("Compare it by = with one value; use UNION for several.")));
}

void
search_check(PlannerInfo *root, RelOptInfo *rel, Oid relid, const CrispOptions *options,
			 const Conditions *conditions, List *quals)
{
	SearchContext context = {rel->relid, relid, options};

	if (crisp_resource_search(options->resource) == NULL || search_is_asked(options, conditions))
		return;
	if (compares_search((Node *) quals, &context) || search_is_joined(root, rel, relid, options))
		raise_no_search(options);
}
