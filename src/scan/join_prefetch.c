/*-------------------------------------------------------------------------
 *
 * join_prefetch.c
 *		Let joins look up several keys at a time.
 *
 * A nested loop hands its inner side one key, and waits for the row before it reads the next key.
 * So below its outer side we put a node that reads some rows ahead, and asks the inner scan for
 * what they will look up; the rows themselves it passes on as they are.  It reads those that will
 * be asked of it in any case, see need.h.  Whatever is asked for in this way, the inner scan is the
 * one that answers: without the node, it would be slower.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "executor/executor.h"
#include "foreign/fdwapi.h"
#include "miscadmin.h"
#include "nodes/extensible.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "utils/tuplestore.h"

#include "base/key_set.h"
#include "fetch/lookup_prefetch.h"
#include "scan/need.h"
#include "plan/plan.h"
#include "plan/plan_lookups.h"
#include "plan/plan_path.h"
#include "scan/plan_tree.h"
#include "scan/join_prefetch.h"
#include "base/compat.h"

/* Members of custom_private. */
enum ReadAheadPrivate
{
	READ_AHEAD_NUMBERS, /* METHOD_ID of the inner scan; of a plan: whether rows may be read ahead */
	READ_AHEAD_CONDITION, /* by which the inner scan looks rows up; see condition.h */
	READ_AHEAD_KEY		  /* of a path: what it compares with, which a plan has in custom_exprs */
};

/* Rows that are read ahead while keys are gathered for a search. */
#define MAX_GATHERED 128

/* The running node. */
typedef struct ReadAhead
{
	CustomScanState css;
	int				id;			/* of the inner scan */
	bool			is_allowed; /* to read ahead */
	uint64			run;		/* need_run() when it was last found out how many rows are needed */
	double			needed;		/* rows of this pass that are certain to be asked for */
	double			given;		/* rows of this pass that have been */
	List		   *condition;
	ExprState	   *key;
	LookupPrefetch *prefetch; /* of the inner scan; NULL before the first row */
	bool			at_end;

	/* Rows that were read for their keys to be counted, and come next. */
	bool			 may_count;
	bool			 is_counted; /* in this pass */
	Tuplestorestate *counted;	 /* NULL where there are none left */
	TupleTableSlot	*counted_slot;
	bool			 outer_ended;

	/* Rows that were read ahead, and come before these. */
	TupleTableSlot *slot;
	int				oldest;
	int				count;
	Size			bytes; /* of these */
	MinimalTuple	rows[MAX_GATHERED];
} ReadAhead;

StaticAssertDecl(MAX_GATHERED >= CRISP_MAX_PREFETCH, "lookups need no more room than searches");

static set_join_pathlist_hook_type previous_hook = NULL;

static Plan *make_plan(PlannerInfo *root, RelOptInfo *rel, CustomPath *best_path, List *tlist,
					   List *clauses, List *custom_plans);
static Node *create_state(CustomScan *plan);
static void	 begin(CustomScanState *css, EState *estate, int eflags);
static TupleTableSlot *next_row(CustomScanState *css);
static void			   end(CustomScanState *css);
static void			   rescan(CustomScanState *css);

static const CustomPathMethods path_methods = {.CustomName = "CrispReadAhead",
											   .PlanCustomPath = make_plan};

static const CustomScanMethods scan_methods = {.CustomName = "CrispReadAhead",
											   .CreateCustomScanState = create_state};

static const CustomExecMethods exec_methods = {.CustomName = "CrispReadAhead",
											   .BeginCustomScan = begin,
											   .ExecCustomScan = next_row,
											   .EndCustomScan = end,
											   .ReScanCustomScan = rescan};

/*----------
 * Planning
 *----------
 */

/*
 * Return the index of the condition by which a scan with these conditions looks up its row; -1
 * where that takes more than one key, or isn't clear before the plan is made.
 */
static int
only_key(const CrispOptions *options, const Conditions *conditions)
{
	int		  result = -1;
	ListCell *lc;

	foreach(lc, conditions->conditions)
	{
		const CrispColumn *column = condition_column(options->resource, lfirst(lc));
		int				   op = condition_operator(lfirst(lc));

		if (crisp_resource_lookup(options->resource, column->path) == NULL ||
			(op != CONDITION_EQUAL && op != CONDITION_ANY))
			continue;
		if (result >= 0 || op != CONDITION_EQUAL)
			return -1;
		result = foreach_current_index(lc);
	}
	return result;
}

/*
 * Say whether a path brings all that an expression is made of.
 */
static bool
is_brought(const Path *path, Node *expression)
{
	List	 *vars = pull_var_clause(expression, PVC_INCLUDE_PLACEHOLDERS);
	ListCell *lc;

	foreach(lc, vars)
		if (!list_member(path->pathtarget->exprs, lfirst(lc)))
			return false;
	return vars != NIL;
}

/*
 * Say whether it's of use to know keys ahead: to look several up at a time, to search for them
 * together, or to read the list at once if they are many.
 */
static bool
is_of_use(const CrispOptions *options, const List *condition)
{
	const CrispColumn *column = condition_column(options->resource, condition);
	const CrispLookup *lookup = crisp_resource_lookup(options->resource, column->path);

	return options->prefetch > 1 || lookup->criterion != NULL || lookup->is_listed;
}

/*
 * Let the outer side of a nested loop read ahead, if its inner side looks rows up.
 */
static void
read_ahead(PlannerInfo *root, JoinPath *join)
{
	ForeignPath *inner = plan_inner_lookup(join->innerjoinpath);
	Path		*outer = join->outerjoinpath;
	ScanPlan	*plan;
	Conditions	*conditions;
	CustomPath	*result;
	int			 key;

	if (inner == NULL || outer->rows <= 1 ||
		(IsA(outer, CustomPath) && ((CustomPath *) outer)->methods == &path_methods))
		return;

	plan = inner->path.parent->fdw_private;
	conditions = match_clauses(inner->path.parent, plan->relid, plan->options,
							   list_concat_copy(inner->path.parent->baserestrictinfo,
												inner->path.param_info->ppi_clauses));
	key = only_key(plan->options, conditions);
	if (key < 0 || !is_brought(outer, list_nth(conditions->values, key)) ||
		!is_of_use(plan->options, list_nth(conditions->conditions, key)))
		return;

	result = makeNode(CustomPath);
	result->path = *outer;
	result->path.type = T_CustomPath;
	result->path.pathtype = T_CustomScan;
	result->path.parallel_aware = false;
	result->path.parallel_safe = false;
	result->custom_paths = list_make1(outer);
	result->methods = &path_methods;

	/* Indexed by ReadAheadPrivate. */
	result->custom_private = list_make3(list_make1_int(list_nth_int(inner->fdw_private, METHOD_ID)),
										list_nth(conditions->conditions, key),
										list_nth(conditions->values, key));

	/* It costs nothing, so the join keeps its place among others. */
	join->outerjoinpath = &result->path;
}

/*
 * Offer nested loops that look rows up, and let these read ahead (a set_join_pathlist_hook).
 *
 * Rows that a statement locks or changes may be fetched once more, by other nodes than those that
 * have read them: there, nothing is read ahead.
 */
static void
read_ahead_in_joins(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outerrel,
					RelOptInfo *innerrel, JoinType jointype, JoinPathExtraData *extra)
{
	bool is_allowed = root->parse->rowMarks == NIL && root->rowMarks == NIL &&
					  (root->parse->commandType == CMD_SELECT ||
					   root->parse->commandType == CMD_INSERT);
	ListCell *lc;

	if (previous_hook != NULL)
		previous_hook(root, joinrel, outerrel, innerrel, jointype, extra);
	plan_offer_lookup_joins(root, joinrel, outerrel, innerrel, jointype, extra, is_allowed);
	if (!is_allowed)
		return;
	foreach(lc, joinrel->pathlist)
		if (IsA(lfirst(lc), NestPath))
			read_ahead(root, (JoinPath *) lfirst(lc));
}

void
join_prefetch_init(void)
{
	RegisterCustomScanMethods(&scan_methods);
	previous_hook = set_join_pathlist_hook;
	set_join_pathlist_hook = read_ahead_in_joins;
	need_init(&exec_methods);
}

/*
 * Make the plan of the node that reads ahead (a PlanCustomPath).
 */
static Plan *
make_plan(PlannerInfo *root, RelOptInfo *rel, CustomPath *best_path, List *tlist, List *clauses,
		  List *custom_plans)
{
	CustomScan *plan = makeNode(CustomScan);
	List	   *numbers = list_nth(best_path->custom_private, READ_AHEAD_NUMBERS);
	bool		is_allowed = !plan_tree_has_effects(linitial(custom_plans));

	/* Conditions are checked below. */
	plan->scan.plan.targetlist = tlist;
	plan->flags = best_path->flags;
	plan->custom_plans = custom_plans;
	plan->custom_scan_tlist = copyObject(((Plan *) linitial(custom_plans))->targetlist);
	plan->custom_exprs = list_make1(list_nth(best_path->custom_private, READ_AHEAD_KEY));
	plan->custom_private = list_make2(list_make2_int(linitial_int(numbers), is_allowed),
									  list_nth(best_path->custom_private, READ_AHEAD_CONDITION));
	plan->methods = &scan_methods;
	return &plan->scan.plan;
}

/*----------
 * Execution
 *----------
 */

static Node *
create_state(CustomScan *plan)
{
	ReadAhead *node = (ReadAhead *) newNode(sizeof(ReadAhead), T_CustomScanState);

	node->css.methods = &exec_methods;
	return (Node *) node;
}

/*
 * Say whether such a node is in a plan tree.
 */
static bool
has_read_ahead(const Plan *tree)
{
	List	 *children = plan_tree_children(tree);
	ListCell *lc;
	bool found = IsA(tree, CustomScan) && ((const CustomScan *) tree)->methods == &scan_methods;

	foreach(lc, children)
		found = found || has_read_ahead(lfirst(lc));
	list_free(children);
	return found;
}

static void
begin(CustomScanState *css, EState *estate, int eflags)
{
	ReadAhead  *node = (ReadAhead *) css;
	CustomScan *plan = (CustomScan *) css->ss.ps.plan;
	PlanState  *outer = ExecInitNode(linitial(plan->custom_plans), estate, eflags);

	css->custom_ps = list_make1(outer);
	node->id = linitial_int(list_nth(plan->custom_private, READ_AHEAD_NUMBERS));
	node->is_allowed = lsecond_int(list_nth(plan->custom_private, READ_AHEAD_NUMBERS));
	node->condition = list_nth(plan->custom_private, READ_AHEAD_CONDITION);

	/* Lookups of one join go on while those of another are waited for. */
	node->may_count = !has_read_ahead(linitial(plan->custom_plans));
	node->key = ExecInitExpr(linitial(plan->custom_exprs), &css->ss.ps);
	node->slot = ExecInitExtraTupleSlot(estate, ExecGetResultType(outer), &TTSOpsMinimalTuple);
	node->counted_slot = ExecInitExtraTupleSlot(estate, ExecGetResultType(outer),
												&TTSOpsMinimalTuple);
}

/*
 * Let the scan slot hold a row.
 */
static TupleTableSlot *
show_row(ReadAhead *node, TupleTableSlot *row)
{
	TupleTableSlot *slot = node->css.ss.ss_ScanTupleSlot;
	int				natts = row->tts_tupleDescriptor->natts;

	ExecClearTuple(slot);
	slot_getallattrs(row);
	memcpy(slot->tts_values, row->tts_values, sizeof(Datum) * (size_t) natts);
	memcpy(slot->tts_isnull, row->tts_isnull, sizeof(bool) * (size_t) natts);
	return ExecStoreVirtualTuple(slot);
}

/*
 * Compute what the inner side will look up for a row, in the memory of the moment.
 */
static Datum
key_of(ReadAhead *node, TupleTableSlot *row, bool *isnull)
{
	ExprContext *econtext = node->css.ss.ps.ps_ExprContext;

	econtext->ecxt_scantuple = show_row(node, row);
	return ExecEvalExpr(node->key, econtext, isnull);
}

/*
 * Ask for what the inner side will look up for a row.  Returns false where a batch has no room for
 * it.
 */
static bool
ask_for(ReadAhead *node, TupleTableSlot *row)
{
	MemoryContext old_context = MemoryContextSwitchTo(
		node->css.ss.ps.ps_ExprContext->ecxt_per_tuple_memory);
	bool  isnull;
	bool  has_room = true;
	Datum key = key_of(node, row, &isnull);

	if (!isnull)
		has_room = lookup_prefetch_ask(node->prefetch, node->condition, key);
	MemoryContextSwitchTo(old_context);
	return has_room;
}

/*
 * Find out how many rows will be asked for.  That becomes clear as the statement goes on, and anew
 * whenever a cursor is read on.
 */
static void
update_needed(ReadAhead *node)
{
	const PlanState *plan_state = &node->css.ss.ps;
	uint64			 run = need_run(plan_state);

	if (run == node->run && isinf(node->needed))
		return;
	node->run = run;
	node->needed = node->given + (node->is_allowed ? need_rows(plan_state) : 1);
}

/*----------
 * Counting keys
 *----------
 */

/* Rows for one key, at most, before their keys are no more counted. */
#define MAX_ROWS_A_KEY 16

/*
 * Say whether a row has a key that is to be looked up, and isn't among those that were counted.
 */
static bool
has_new_key(ReadAhead *node, TupleTableSlot *row, KeySet *keys)
{
	MemoryContext old_context = MemoryContextSwitchTo(
		node->css.ss.ps.ps_ExprContext->ecxt_per_tuple_memory);
	bool  isnull;
	Datum key = key_of(node, row, &isnull);
	bool  result = !isnull && lookup_prefetch_is_new(node->prefetch, node->condition, key, keys);

	MemoryContextSwitchTo(old_context);
	ResetExprContext(node->css.ss.ps.ps_ExprContext);
	return result;
}

/*
 * Where all rows will be asked for, read as many of them as it takes to know whether they have more
 * keys than the whole list has pages: then that's read at once.
 */
static void
count_keys(ReadAhead *node)
{
	PlanState	 *outer = linitial(node->css.custom_ps);
	int			  limit = lookup_prefetch_foresight(node->prefetch, 0);
	int			  nkeys = 0;
	int64		  nrows = 0;
	MemoryContext old_context;
	KeySet		 *keys;

	if (limit == 0)
		return;
	old_context = MemoryContextSwitchTo(node->css.ss.ps.state->es_query_cxt);
	node->counted = tuplestore_begin_heap(false, false, work_mem);
	keys = key_set_create((Size) work_mem * 1024);
	MemoryContextSwitchTo(old_context);
	while (nkeys < limit && nrows++ < (int64) limit * MAX_ROWS_A_KEY)
	{
		TupleTableSlot *row = ExecProcNode(outer);

		node->outer_ended = TupIsNull(row);
		if (node->outer_ended)
			break;
		tuplestore_puttupleslot(node->counted, row);
		nkeys += has_new_key(node, row, keys);
		if (nkeys == limit)
			limit = Max(limit, lookup_prefetch_foresight(node->prefetch, nkeys));
	}
	key_set_free(keys);
	lookup_prefetch_foresee(node->prefetch, nkeys, node->outer_ended);
}

/*
 * Forget rows whose keys were counted.
 */
static void
drop_counted(ReadAhead *node)
{
	if (node->counted == NULL)
		return;
	ExecClearTuple(node->counted_slot);
	tuplestore_end(node->counted);
	node->counted = NULL;
}

/*
 * Return the next row of the outer side, which is valid until the next call; NULL at its end.
 */
static TupleTableSlot *
next_outer(ReadAhead *node)
{
	if (node->counted != NULL)
	{
		if (tuplestore_gettupleslot(node->counted, true, false, node->counted_slot))
			return node->counted_slot;
		drop_counted(node);
	}
	return node->outer_ended ? NULL : ExecProcNode(linitial(node->css.custom_ps));
}

/*----------
 * Reading ahead
 *----------
 */

/*
 * Keep a row that was read ahead.
 */
static void
keep_row(ReadAhead *node, TupleTableSlot *row)
{
	MemoryContext old_context = MemoryContextSwitchTo(node->css.ss.ps.state->es_query_cxt);
	MinimalTuple  tuple = ExecCopySlotMinimalTuple(row);

	node->rows[(node->oldest + node->count++) % MAX_GATHERED] = tuple;
	node->bytes += tuple->t_len;
	MemoryContextSwitchTo(old_context);
}

/*
 * Read the next row, and ask for what will be looked up for it, if it's certain to be asked for.
 * Returns false at the end, and where a batch has no room for more.
 */
static bool
read_row(ReadAhead *node, bool asks)
{
	TupleTableSlot *row = next_outer(node);
	bool			has_room = true;

	node->at_end = TupIsNull(row);
	if (node->at_end)
		return false;
	if (asks)
		has_room = ask_for(node, row);
	ResetExprContext(node->css.ss.ps.ps_ExprContext);
	keep_row(node, row);

	/* What a tuplestore hands out lives in the memory of the moment. */
	ExecClearTuple(node->counted_slot);
	return has_room;
}

static bool
is_needed(const ReadAhead *node)
{
	return node->given + node->count < node->needed;
}

/*
 * Read as many rows as there is room for requests; one in any case, as that one is wanted now.
 */
static void
read_rows(ReadAhead *node)
{
	while (!node->at_end && node->count < CRISP_MAX_PREFETCH)
	{
		bool has_room = node->prefetch != NULL && is_needed(node) &&
						lookup_prefetch_has_room(node->prefetch, node->count == 0);

		if ((node->count > 0 && !has_room) || !read_row(node, has_room))
			return;
	}
}

/*
 * Once all rows that were read are given, read as many as one search finds the keys of; one in any
 * case.
 */
static void
gather_rows(ReadAhead *node)
{
	if (node->count > 0 || node->at_end)
	{
		lookup_prefetch_ask_missed(node->prefetch);
		return;
	}
	lookup_prefetch_gather(node->prefetch);
	while (node->count < MAX_GATHERED && (node->count == 0 || is_needed(node)) &&
		   node->bytes < (Size) work_mem * 1024 && read_row(node, is_needed(node)))
		;
	lookup_prefetch_search(node->prefetch);
}

static TupleTableSlot *
next_row(CustomScanState *css)
{
	ReadAhead	*node = (ReadAhead *) css;
	ExprContext *econtext = css->ss.ps.ps_ExprContext;

	/* The inner scan begins after this node. */
	if (node->prefetch == NULL)
		node->prefetch = lookup_prefetch_find(css->ss.ps.state, node->id);

	ResetExprContext(econtext);
	update_needed(node);
	if (node->prefetch != NULL && node->may_count && !node->is_counted && isinf(node->needed) &&
		lookup_prefetch_is_good(node->prefetch))
	{
		node->is_counted = true;
		count_keys(node);
	}
	if (node->prefetch != NULL && lookup_prefetch_searches(node->prefetch))
		gather_rows(node);
	else
		read_rows(node);
	if (node->count == 0)
		return NULL;

	node->bytes -= node->rows[node->oldest]->t_len;
	ExecStoreMinimalTuple(node->rows[node->oldest], node->slot, true);
	node->oldest = (node->oldest + 1) % MAX_GATHERED;
	node->count--;
	node->given++;
	econtext->ecxt_scantuple = show_row(node, node->slot);
	if (css->ss.ps.ps_ProjInfo != NULL)
		return ExecProject(css->ss.ps.ps_ProjInfo);
	return econtext->ecxt_scantuple;
}

static void
rescan(CustomScanState *css)
{
	ReadAhead *node = (ReadAhead *) css;
	PlanState *outer = linitial(css->custom_ps);

	for (; node->count > 0; node->count--)
	{
		heap_free_minimal_tuple(node->rows[node->oldest]);
		node->oldest = (node->oldest + 1) % MAX_GATHERED;
	}
	node->bytes = 0;
	drop_counted(node);
	node->is_counted = false;
	node->outer_ended = false;
	node->at_end = false;
	node->given = 0;
	node->run = 0;
	if (css->ss.ps.chgParam != NULL)
		UpdateChangedParamSet(outer, css->ss.ps.chgParam);
	if (outer->chgParam == NULL)
		ExecReScan(outer);
}

static void
end(CustomScanState *css)
{
	drop_counted((ReadAhead *) css);
	ExecEndNode(linitial(css->custom_ps));
}
