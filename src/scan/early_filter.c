/*-------------------------------------------------------------------------
 *
 * early_filter.c
 *		Check conditions before a row's details are asked for.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/rel.h"

#include "plan/plan_details.h"
#include "scan/early_filter.h"
#include "base/compat.h"

struct EarlyFilter
{
	ForeignScanState *node;
	TupleMaker		 *maker;
	ExprState		 *conditions; /* NULL for none */
	ExprContext		 *econtext;
	TupleTableSlot	 *slot;
};

/*
 * Say whether an expression holds a value that may be another in the next pass of the scan.
 */
static bool
depends_on_pass(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXEC)
		return true;
	return expression_tree_walker(node, depends_on_pass, context);
}

/*
 * Return those of a scan's conditions that can be checked before there are details.  Where rows are
 * kept for other passes, they must be those of all of them.  One that might show a user what it
 * looks at must not go before another that keeps rows from him.
 */
static List *
early_conditions(const ForeignScan *plan, List *columns, bool keeps_rows)
{
	List	 *early = NIL;
	bool	  all = true;
	ListCell *lc;

	foreach(lc, plan->scan.plan.qual)
	{
		Node *condition = lfirst(lc);

		if (detail_uses_none(condition, plan->scan.scanrelid, columns) &&
			!contain_volatile_functions(condition) && !contain_subplans(condition) &&
			!(keeps_rows && depends_on_pass(condition, NULL)) &&
			(all || !contain_leaked_vars(condition)))
			early = lappend(early, condition);
		else
			all = false;
	}
	return early;
}

EarlyFilter *
early_filter_create(ForeignScanState *node, List *lacking, TupleMaker *maker, bool keeps_rows)
{
	EState		*estate = node->ss.ps.state;
	EarlyFilter *filter = palloc0(sizeof(EarlyFilter));

	filter->node = node;
	filter->maker = maker;
	filter->conditions = ExecInitQual(
		early_conditions((ForeignScan *) node->ss.ps.plan, lacking, keeps_rows),
		(PlanState *) node);
	filter->econtext = CreateExprContext(estate);
	filter->slot = ExecInitExtraTupleSlot(estate, RelationGetDescr(node->ss.ss_currentRelation),
										  &TTSOpsHeapTuple);
	return filter;
}

bool
early_filter_passes(void *arg, const FetchedRow *row)
{
	EarlyFilter	 *filter = arg;
	MemoryContext old_context;
	bool		  passes;

	if (filter->conditions == NULL)
		return true;
	old_context = MemoryContextSwitchTo(filter->econtext->ecxt_per_tuple_memory);
	tuple_maker_store(filter->maker, row, filter->slot);
	filter->econtext->ecxt_scantuple = filter->slot;
	passes = ExecQual(filter->conditions, filter->econtext);
	if (!passes)
		InstrCountFiltered1(filter->node, 1);
	ExecClearTuple(filter->slot);
	MemoryContextSwitchTo(old_context);
	ResetExprContext(filter->econtext);
	return passes;
}
