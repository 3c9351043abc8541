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
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "options/column_map.h"
#include "scan/explain_advice.h"
#include "base/compat.h"

/*
 * Return the attribute that a condition wants to be equal to something; 0 for other conditions.
 */
static AttrNumber
equal_attribute(const Expr *condition)
{
	Oid			operator;
	List	   *arguments;
	const Node *left;

	if (IsA(condition, OpExpr))
	{
		operator=((const OpExpr *) condition)->opno;
		arguments = ((const OpExpr *) condition)->args;
	}
	else if (IsA(condition, ScalarArrayOpExpr) && ((const ScalarArrayOpExpr *) condition)->useOr)
	{
		operator=((const ScalarArrayOpExpr *) condition)->opno;
		arguments = ((const ScalarArrayOpExpr *) condition)->args;
	}
	else
		return InvalidAttrNumber;
	left = linitial(arguments);
	while (IsA(left, RelabelType))
		left = (const Node *) ((const RelabelType *) left)->arg;
	if (!IsA(left, Var) || ((const Var *) left)->varattno <= 0 ||
		!op_hashjoinable(operator, exprType(linitial(arguments))))
		return InvalidAttrNumber;
	return ((const Var *) left)->varattno;
}

void
explain_advice(const ForeignScanState *node, const CrispResource *resource, ExplainState *es)
{
	Oid			  relid = RelationGetRelid(node->ss.ss_currentRelation);
	CrispOptions *options;
	ListCell	 *lc;

	if (resource->detours == NULL)
		return;
	options = options_of_table(relid);
	foreach(lc, node->ss.ps.plan->qual)
	{
		AttrNumber		   attnum = equal_attribute(lfirst(lc));
		const CrispColumn *column;

		if (attnum == InvalidAttrNumber)
			continue;
		column = column_map_catalog(options, relid, attnum);
		for (const CrispDetour *detour = resource->detours; column && detour->path; detour++)
			if (strcmp(detour->path, column->path) == 0)
			{
				ExplainPropertyText("Cheaper", detour->advice, es);
				return;
			}
	}
}
