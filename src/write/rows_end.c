/*-------------------------------------------------------------------------
 *
 * rows_end.c
 *		Call back when the executor has got the last row of a node.
 *
 * A wrapper isn't told when the rows of an UPDATE are at their end: EndForeignModify comes after
 * the statement's triggers, and after its rows were counted.  What the executor calls for a row of
 * the node below is replaced by a function that looks at what comes.  The alternative, a node of
 * our own in the plan, would be in the way of all that looks at plans, also here; and PostgreSQL's
 * instrumentation would add to the node's time what is done at its end.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "lib/ilist.h"

#include "write/rows_end.h"

/* A function to be called. */
typedef struct Listener
{
	RowsEndCallback callback;
	void		   *arg;
} Listener;

/* A node that is watched; in the memory of its query. */
typedef struct Watch
{
	dlist_node			  node; /* in watches */
	MemoryContextCallback forget;
	PlanState			 *plan_state;
	ExecProcNodeMtd		  get_row; /* what the executor would call */
	List				 *listeners;
} Watch;

/* Of all queries that are running: few. */
static dlist_head watches = DLIST_STATIC_INIT(watches);

static Watch *
find_watch(const PlanState *plan_state)
{
	dlist_iter iter;

	dlist_foreach(iter, &watches)
	{
		Watch *watch = dlist_container(Watch, node, iter.cur);

		if (watch->plan_state == plan_state)
			return watch;
	}
	return NULL;
}

/*
 * Forget a node (the reset callback of its query's memory).
 */
static void
forget_watch(void *arg)
{
	dlist_delete(&((Watch *) arg)->node);
}

/*
 * Get a row of a node, in the executor's stead.  PostgreSQL's own function may put another in its
 * place, as it does when the first row is asked for.
 */
static TupleTableSlot *
get_watched_row(PlanState *plan_state)
{
	Watch		   *watch = find_watch(plan_state);
	TupleTableSlot *slot;
	ListCell	   *lc;

	Assert(watch != NULL);
	plan_state->ExecProcNode = watch->get_row;
	slot = watch->get_row(plan_state);
	watch->get_row = plan_state->ExecProcNode;
	plan_state->ExecProcNode = get_watched_row;
	if (!TupIsNull(slot))
		return slot;

	foreach(lc, watch->listeners)
	{
		const Listener *listener = lfirst(lc);

		listener->callback(listener->arg);
	}
	return slot;
}

void
rows_end_call(PlanState *node, RowsEndCallback callback, void *arg)
{
	MemoryContext old_context = MemoryContextSwitchTo(node->state->es_query_cxt);
	Watch		 *watch = find_watch(node);
	Listener	 *listener = palloc(sizeof(Listener));

	listener->callback = callback;
	listener->arg = arg;
	if (watch == NULL)
	{
		watch = palloc0(sizeof(Watch));
		watch->plan_state = node;
		watch->get_row = node->ExecProcNode;
		watch->listeners = list_make1(listener);
		dlist_push_head(&watches, &watch->node);
		watch->forget.func = forget_watch;
		watch->forget.arg = watch;
		MemoryContextRegisterResetCallback(node->state->es_query_cxt, &watch->forget);
		node->ExecProcNode = get_watched_row;
	}
	else
		watch->listeners = lappend(watch->listeners, listener);
	MemoryContextSwitchTo(old_context);
}
