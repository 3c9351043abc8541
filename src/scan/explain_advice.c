/*-------------------------------------------------------------------------
 *
 * explain_advice.c
 *		Say in EXPLAIN what to write instead of a condition that Crisp can't be asked.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/explain.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "options/column_map.h"
#include "scan/explain_advice.h"
#include "base/compat.h"

/*
 * Return what a condition wants to be equal to something, the left operand or the right one; NULL
 * for other conditions.
 */
static const Node *
equal_operand(const Expr *condition, bool right)
{
	Oid			operator;
	List	   *arguments;
	const Node *operand;

	if (IsA(condition, OpExpr) && list_length(((const OpExpr *) condition)->args) == 2)
	{
		operator=((const OpExpr *) condition)->opno;
		arguments = ((const OpExpr *) condition)->args;
	}
	else if (IsA(condition, ScalarArrayOpExpr) && ((const ScalarArrayOpExpr *) condition)->useOr &&
			 !right)
	{
		operator=((const ScalarArrayOpExpr *) condition)->opno;
		arguments = ((const ScalarArrayOpExpr *) condition)->args;
	}
	else
		return NULL;
	if (!op_hashjoinable(operator, exprType(linitial(arguments))))
		return NULL;
	operand = right ? lsecond(arguments) : linitial(arguments);
	while (IsA(operand, RelabelType))
		operand = (const Node *) ((const RelabelType *) operand)->arg;
	return operand;
}

/*
 * Return the column of the catalog that an operand is; NULL for none.
 */
static const CrispColumn *
operand_column(const CrispOptions *options, Oid relid, const Node *operand)
{
	if (operand == NULL || !IsA(operand, Var) || ((const Var *) operand)->varattno <= 0)
		return NULL;
	return column_map_catalog(options, relid, ((const Var *) operand)->varattno);
}

/*
 * Return the advice of the catalog for who wants a column to be equal to something; NULL for none.
 */
static char *
detour_advice(const CrispResource *resource, Oid relid, const CrispColumn *column)
{
	for (const CrispDetour *detour = resource->detours; detour && detour->path; detour++)
	{
		Oid			table;
		const char *name = detour->resource;

		if (strcmp(detour->path, column->path) != 0)
			continue;
		table = option_table_beside(relid, name);
		if (OidIsValid(table))
			name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(table)),
											  get_rel_name(table));
		return psprintf("%s%s%s", detour->before, name, detour->after);
	}
	return NULL;
}

/*
 * Return advice for who compares a function of a column that could be looked up; NULL for others.
 */
static char *
lookup_advice(const CrispOptions *options, Oid relid, const Node *operand)
{
	List			  *vars;
	const CrispColumn *column;

	if (operand == NULL || !IsA(operand, FuncExpr))
		return NULL;
	vars = pull_var_clause(unconstify(Node *, operand), 0);
	if (list_length(vars) != 1)
		return NULL;
	column = operand_column(options, relid, linitial(vars));
	if (column == NULL || crisp_resource_lookup(options->resource, column->path) == NULL)
		return NULL;
	return psprintf(
		"%s = ... asks for such rows alone, and leaves out those where only the "
		"function makes it equal",
		quote_identifier(get_attname(relid, ((const Var *) linitial(vars))->varattno, false)));
}

/*
 * Return the advice for a condition; NULL for none.
 */
static char *
condition_advice(const CrispOptions *options, Oid relid, const Expr *condition)
{
	char *advice = NULL;

	for (int right = 0; right < 2 && advice == NULL; right++)
	{
		const Node		  *operand = equal_operand(condition, right);
		const CrispColumn *column = operand_column(options, relid, operand);

		advice = column ? detour_advice(options->resource, relid, column)
						: lookup_advice(options, relid, operand);
	}
	return advice;
}

void
explain_advice(const ForeignScanState *node, ExplainState *es)
{
	Oid			  relid = RelationGetRelid(node->ss.ss_currentRelation);
	CrispOptions *options = options_of_table(relid);
	char		 *advice = NULL;
	ListCell	 *lc;

	foreach(lc, node->ss.ps.plan->qual)
		if (advice == NULL)
			advice = condition_advice(options, relid, lfirst(lc));
	if (advice != NULL)
		ExplainPropertyText("Cheaper", advice, es);
}
