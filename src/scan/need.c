/*-------------------------------------------------------------------------
 *
 * need.c
 *		Find how many rows of a node are certain to be asked for.
 *
 * It goes down from the root of the plan, which is asked for as many rows as the client or a
 * function fetches, and looks at what each node needs of the one below for that.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "executor/executor.h"
#include "executor/hashjoin.h"
#include "nodes/nodeFuncs.h"

#include "scan/need.h"
#include "base/compat.h"

/* A statement that is running. */
typedef struct Run
{
	const QueryDesc *query;
	double			 rows; /* that it's asked for */
	uint64			 id;
	struct Run		*outer; /* that it runs within */
} Run;

static Run *runs = NULL;

/* Of custom nodes that pass on the rows of their only child. */
static const CustomExecMethods *passing = NULL;

static ExecutorRun_hook_type previous_hook = NULL;

/*
 * An ExecutorRun_hook.
 */
static void
run_statement(EXECUTOR_RUN_PARAMETERS)
{
	static uint64 last_id = 0;
	Run			  run = {.query = query,
						 .rows = count == 0 ? INFINITY : (double) count,
						 .id = ++last_id,
						 .outer = runs};

	if (!ScanDirectionIsForward(direction))
		run.rows = 1;
	runs = &run;
	PG_TRY();
	{
		if (previous_hook != NULL)
			previous_hook(EXECUTOR_RUN_ARGUMENTS);
		else
			standard_ExecutorRun(EXECUTOR_RUN_ARGUMENTS);
	}
	PG_FINALLY();
	{
		runs = run.outer;
	}
	PG_END_TRY();
}

void
need_init(const CustomExecMethods *passing_methods)
{
	passing = passing_methods;
	previous_hook = ExecutorRun_hook;
	ExecutorRun_hook = run_statement;
}

/*
 * Say whether a node passes on the rows of its only child.
 */
static bool
passes_rows(const PlanState *node)
{
	return IsA(node, CustomScanState) && ((const CustomScanState *) node)->methods == passing;
}

PlanState *
need_passed_child(const PlanState *node)
{
	return passes_rows(node) ? linitial(((const CustomScanState *) node)->custom_ps) : NULL;
}

/*
 * Return the run that a node is executed in; NULL where that's not known.
 */
static const Run *
find_run(const PlanState *node)
{
	for (const Run *run = runs; run != NULL; run = run->outer)
		if (run->query->estate == node->state)
			return run;
	return NULL;
}

const PlanState *
need_root(const PlanState *node)
{
	const Run *run = find_run(node);

	return run ? run->query->planstate : NULL;
}

uint64
need_run(const PlanState *node)
{
	const Run *run = find_run(node);

	return run ? run->id : 0;
}

/*----------
 * What nodes need
 *----------
 */

/*
 * Return how many more rows a LIMIT needs for as many of its own.
 */
static double
limit_needs(const LimitState *limit, double rows)
{
	int64 to_skip;

	/* Before it has been run, it doesn't know. */
	if (limit->lstate == LIMIT_INITIAL || limit->limitOption == LIMIT_OPTION_WITH_TIES)
		return 1;
	to_skip = Max(limit->offset - limit->position, 0);
	if (!limit->noCount)
		rows = Min(rows, (double) (limit->count - (limit->position + to_skip - limit->offset)));
	return Max(rows + (double) to_skip, 1);
}

/*
 * Say whether a hash join has looked at its inner side, and there are rows.
 */
static bool
has_hashed(const HashJoinState *join)
{
	return join->hj_HashTable != NULL && join->hj_HashTable->totalTuples > 0;
}

/*
 * Return how many rows of a child a join needs for as many of its own, of its outer side or of its
 * inner one.
 */
static double
join_needs(const JoinState *join, const PlanState *child, double rows)
{
	bool is_outer = child == outerPlanState(join);
	bool all_outer = join->jointype == JOIN_LEFT || join->jointype == JOIN_ANTI ||
					 join->jointype == JOIN_FULL;

	switch (nodeTag(join))
	{
		case T_NestLoopState:
			/* Where a match rules the outer row out, it's content with the first, too. */
			if (!is_outer)
				return join->single_match || join->jointype == JOIN_ANTI || isfinite(rows) ? 1
																						   : rows;
			if (isfinite(rows) && !passes_rows(child) && !join->single_match &&
				join->jointype != JOIN_ANTI)
				return 1;
			return rows;
		case T_HashJoinState:
			/* Without a row on the other side, it's content with the first. */
			return is_outer && isinf(rows) &&
						   (all_outer || has_hashed((const HashJoinState *) join))
					   ? rows
					   : 1;
		case T_MergeJoinState:
			return is_outer && isinf(rows) && all_outer ? rows : 1;
		default:
			return 1;
	}
}

/*
 * Return at least how many rows of a child a node asks for, when so many are wanted of it.
 */
static double
node_needs(const PlanState *node, const PlanState *child, double rows)
{
	switch (nodeTag(node))
	{
			/* They read all before they give anything. */
		case T_SortState:
		case T_HashState:
			return INFINITY;
		case T_AggState:
		{
			AggStrategy strategy = ((const Agg *) node->plan)->aggstrategy;

			if (strategy == AGG_PLAIN || strategy == AGG_HASHED)
				return INFINITY;
			return isinf(rows) ? rows : 1;
		}
		case T_ModifyTableState:
			return isinf(rows) ? rows : 1;

			/* They give a row at most for each. */
		case T_MaterialState:
		case T_ResultState:
		case T_SubqueryScanState:
		case T_CteScanState:
		case T_CustomScanState:
			return rows;
		case T_LimitState:
			return limit_needs((const LimitState *) node, rows);
		case T_NestLoopState:
		case T_HashJoinState:
		case T_MergeJoinState:
			return join_needs((const JoinState *) node, child, rows);

			/* They read all in the end. */
		case T_AppendState:
		case T_MergeAppendState:
		case T_IncrementalSortState:
		case T_UniqueState:
		case T_GroupState:
		case T_ProjectSetState:
		case T_SetOpState:
			return isinf(rows) ? rows : 1;
		case T_WindowAggState:
			return isinf(rows) && ((const WindowAgg *) node->plan)->runCondition == NIL ? rows : 1;
		default:
			return 1;
	}
}

/*----------
 * The way down
 *----------
 */

/* Counting the scans of a common table expression. */
typedef struct CteReaders
{
	const PlanState *cte;
	int				 count;
} CteReaders;

static bool
count_readers(PlanState *node, void *context)
{
	CteReaders *readers = context;

	if (IsA(node, CteScanState) && ((CteScanState *) node)->cteplanstate == readers->cte)
		readers->count++;
	return planstate_tree_walker(node, count_readers, context);
}

/*
 * Say whether nobody else reads what a scan of a common table expression does: of several, it isn't
 * known which one asks for a row.
 */
static bool
reads_alone(const CteScanState *scan)
{
	CteReaders readers = {.cte = scan->cteplanstate};
	const Run *run = find_run(&scan->ss.ps);

	if (run != NULL)
		(void) count_readers(run->query->planstate, &readers);
	return readers.count == 1;
}

static double find_need(const PlanState *tree, const PlanState *node, double rows);

/*
 * Do what find_need() does for some of a node's children.
 */
static double
find_below(const PlanState *parent, PlanState **children, int nchildren, const PlanState *node,
		   double rows)
{
	double result = 0;

	for (int i = 0; i < nchildren && result == 0; i++)
		if (children[i] != NULL)
			result = find_need(children[i], node, node_needs(parent, children[i], rows));
	return result;
}

/*
 * Return how many rows of a node are needed, when so many are of a tree; 0 where it isn't in the
 * tree.
 */
static double
find_need(const PlanState *tree, const PlanState *node, double rows)
{
	PlanState *sides[] = {outerPlanState(tree), innerPlanState(tree)};
	double	   result;

	if (tree == node)
		return rows;
	result = find_below(tree, sides, lengthof(sides), node, rows);
	if (result > 0)
		return result;

	if (IsA(tree, CteScanState))
		return find_below(tree, (PlanState **) &((const CteScanState *) tree)->cteplanstate, 1,
						  node, reads_alone((const CteScanState *) tree) ? rows : 1);
	if (IsA(tree, AppendState))
		return find_below(tree, ((const AppendState *) tree)->appendplans,
						  ((const AppendState *) tree)->as_nplans, node, rows);
	if (IsA(tree, MergeAppendState))
		return find_below(tree, ((const MergeAppendState *) tree)->mergeplans,
						  ((const MergeAppendState *) tree)->ms_nplans, node, rows);
	if (IsA(tree, SubqueryScanState))
		return find_below(tree, &((SubqueryScanState *) unconstify(PlanState *, tree))->subplan, 1,
						  node, rows);
	if (passes_rows(tree))
	{
		PlanState *child = need_passed_child(tree);

		return find_below(tree, &child, 1, node, rows);
	}
	return 0;
}

/* The search for what runs a subplan. */
typedef struct SubPlanSearch
{
	const PlanState *plan;
	const SubPlan	*result; /* NULL before it's found */
} SubPlanSearch;

static bool
find_subplan(PlanState *tree, void *context)
{
	SubPlanSearch *search = context;
	List		  *lists[] = {tree->initPlan, tree->subPlan};

	for (int i = 0; i < (int) lengthof(lists); i++)
	{
		ListCell *lc;

		foreach(lc, lists[i])
		{
			const SubPlanState *state = lfirst(lc);

			if (state->planstate != search->plan)
				continue;
			search->result = state->subplan;
			return true;
		}
	}
	return planstate_tree_walker(tree, find_subplan, search);
}

/*
 * Return at least how many rows are asked for of a subplan.  Who makes an array of its rows, or a
 * hash table, wants all of them; others may be content with one.
 */
static double
subplan_needs(const Run *run, const PlanState *plan)
{
	SubPlanSearch search = {.plan = plan};

	if (run == NULL || !find_subplan(run->query->planstate, &search))
		return 1;
	return search.result->subLinkType == ARRAY_SUBLINK || search.result->useHashTable ? INFINITY
																					  : 1;
}

double
need_rows(const PlanState *node)
{
	const Run *run = find_run(node);
	double	   result = 0;
	ListCell  *lc;

	/* What is counted are rows that have been handed out in this run. */
	if (run != NULL)
		result = find_need(run->query->planstate, node,
						   Max(run->rows - (double) node->state->es_processed, 1));
	if (result > 0)
		return result;

	foreach(lc, node->state->es_subplanstates)
		if (result == 0 && lfirst(lc) != NULL && find_need(lfirst(lc), node, 1) > 0)
			result = find_need(lfirst(lc), node, subplan_needs(run, lfirst(lc)));
	return Max(result, 1);
}

/* The search for a LIMIT above a node. */
typedef struct LimitSearch
{
	const PlanState *node;
	bool			 limited; /* the way down has passed one */
	bool			 result;
} LimitSearch;

/*
 * Go down a tree to the node.  Returns true when it was found.
 */
static bool
find_limit(PlanState *tree, void *context)
{
	LimitSearch *search = context;
	bool		 outside = search->limited;
	bool		 found;

	if (tree == search->node)
	{
		search->result = search->limited;
		return true;
	}
	search->limited = outside || IsA(tree, LimitState);
	found = planstate_tree_walker(tree, find_limit, search);
	search->limited = outside;
	return found;
}

bool
need_is_limited(const PlanState *node)
{
	const Run  *run = find_run(node);
	LimitSearch search = {.node = node};

	return run != NULL && find_limit(run->query->planstate, &search) && search.result;
}
