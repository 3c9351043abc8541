/*-------------------------------------------------------------------------
 *
 * detail.c
 *		What the elements of a list lack, fetched for each of them.
 *
 * Rows wait in a queue, as tuples, while their details are under way.  It is
 * filled from the page at hand alone, so that no page is asked for before a row of it is
 * needed.
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
#include "utils/memutils.h"
#include "utils/rel.h"

#include "scan/detail.h"
#include "plan/plan_details.h"
#include "json/json_path.h"
#include "http/url.h"
#include "api/pipeline.h"

struct Details
{
	ForeignScanState   *node;
	const CrispOptions *options;
	List			   *columns; /* attribute numbers */
	Flattener		   *flattener;
	DetailConvert		convert;
	const JsonPath	   *key;
	ExprState		   *early;		  /* conditions that need no details */
	ExprContext		   *econtext;	  /* for them, and for an element of the list */
	TupleTableSlot	   *element_slot; /* of an element of the list */
	TupleTableSlot	   *tuple_slot;	  /* of a tuple of the queue */
	Datum			   *values;
	bool			   *nulls;

	/* Of a list. */
	MemoryContext context;
	ListReader	 *list;
	bool		  at_end;	/* of the list */
	Pipeline	 *pipeline; /* the details that are under way, for each tuple in the queue */
	MinimalTuple  queue[CRISP_MAX_PREFETCH]; /* a ring */
	int			  oldest;
	int			  count;
	double		 expected; /* rows that will be wanted in any case, those in the queue among them */
	MinimalTuple current;
};

/*----------
 * Conditions
 *----------
 */

/*
 * Whether an expression holds a value that may be another in the next pass of the scan.
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
 * Those of a scan's conditions that can be checked before there are details.
 * Where rows are kept for other passes, they must be those of all of them.
 * One that might show a user what it looks at must not go before
 * another that keeps rows from him.
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

/*----------
 * Rows
 *----------
 */

Details *
details_create(ForeignScanState *node, const CrispOptions *options, List *columns,
			   Flattener *flattener, DetailConvert convert, bool keeps_rows)
{
	EState		 *estate = node->ss.ps.state;
	MemoryContext old_context = MemoryContextSwitchTo(estate->es_query_cxt);
	Details		 *details = palloc0(sizeof(Details));
	TupleDesc	  tupdesc = RelationGetDescr(node->ss.ss_currentRelation);
	const char	 *error;

	details->node = node;
	details->options = options;
	details->columns = columns;
	details->flattener = flattener;
	details->convert = convert;
	details->key = json_path_parse(crisp_resource_key(options->resource)->path, &error);
	details->early = ExecInitQual(
		early_conditions((ForeignScan *) node->ss.ps.plan, columns, keeps_rows),
		(PlanState *) node);
	details->econtext = CreateExprContext(estate);
	details->element_slot = ExecInitExtraTupleSlot(estate, tupdesc, &TTSOpsHeapTuple);
	details->tuple_slot = ExecInitExtraTupleSlot(estate, tupdesc, &TTSOpsMinimalTuple);
	details->values = palloc(sizeof(Datum) * tupdesc->natts);
	details->nulls = palloc(sizeof(bool) * tupdesc->natts);
	details->context = AllocSetContextCreate(estate->es_query_cxt, "crisp_fdw details",
											 ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(old_context);
	return details;
}

void
details_begin(Details *details, ListReader *list)
{
	MemoryContext old_context;

	details_end(details);
	old_context = MemoryContextSwitchTo(details->context);
	details->pipeline = pipeline_create(details->context, details->options);
	details->list = list;
	MemoryContextSwitchTo(old_context);
}

void
details_expect(Details *details, double rows)
{
	details->expected = rows;
}

/*
 * Ask for the details of an element of the list.
 */
static void
ask(Details *details, const JsonNode *element)
{
	const CrispOptions *options = details->options;
	const char		   *key = json_node_string(json_path_get(element, details->key), NULL);

	if (key == NULL || !url_can_be_segment(key))
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("unexpected answer from Crisp, server \"%s\"", options->server_name),
				 errdetail("An element of the list of \"%s\" has no %s.", options->resource->name,
						   crisp_resource_key(options->resource)->path),
				 errhint("Check the server's option base_url.")));
	pipeline_start(details->pipeline,
				   request_key_target(options,
									  crisp_resource_detail_route(options->resource, options->tier),
									  key));
}

/*
 * Put the next element of the list into the queue, unless it fails a condition.
 */
static void
add_element(Details *details)
{
	MemoryContext	old_context = MemoryContextSwitchTo(details->econtext->ecxt_per_tuple_memory);
	const JsonNode *element = list_reader_next(details->list);

	if (element == NULL)
		details->at_end = true;
	else
	{
		ExecClearTuple(details->element_slot);
		details->convert(details->node, element, details->element_slot);
		details->econtext->ecxt_scantuple = details->element_slot;
		if (ExecQual(details->early, details->econtext))
		{
			int at = (details->oldest + details->count) % CRISP_MAX_PREFETCH;

			ask(details, element);
			MemoryContextSwitchTo(details->context);
			details->queue[at] = ExecCopySlotMinimalTuple(details->element_slot);
			details->count++;
		}
		else
			InstrCountFiltered1(details->node, 1);
		ExecClearTuple(details->element_slot);
	}
	MemoryContextSwitchTo(old_context);
	ResetExprContext(details->econtext);
}

/*
 * Ask for as much as there is room for; a row that nobody was known to want is
 * asked for when it is.
 */
static void
ask_ahead(Details *details)
{
	pipeline_open(details->pipeline);
	while (!details->at_end && pipeline_has_room(details->pipeline) &&
		   (details->count == 0 ||
			(details->count < details->expected && list_reader_at_hand(details->list))))
		add_element(details);
}

/*
 * Take the oldest tuple of the queue, and add its details.  Returns false when they are gone.
 */
static bool
take_oldest(Details *details, TupleTableSlot *slot)
{
	MemoryContext context;
	ApiAnswer	  answer = {0};
	bool		  found;
	ListCell	 *lc;

	if (details->current != NULL)
		pfree(details->current);
	details->current = details->queue[details->oldest];
	details->oldest = (details->oldest + 1) % CRISP_MAX_PREFETCH;
	details->count--;
	details->expected--;
	(void) pipeline_receive(details->pipeline);
	context = pipeline_answer(details->pipeline, API_OBJECT, API_KEY_TOLD, &answer, &found);
	if (!found)
	{
		MemoryContextDelete(context);
		return false;
	}

	ExecStoreMinimalTuple(details->current, details->tuple_slot, false);
	slot_getallattrs(details->tuple_slot);
	memcpy(slot->tts_values, details->tuple_slot->tts_values,
		   sizeof(Datum) * slot->tts_tupleDescriptor->natts);
	memcpy(slot->tts_isnull, details->tuple_slot->tts_isnull,
		   sizeof(bool) * slot->tts_tupleDescriptor->natts);
	flatten_row(details->flattener, answer.data, NULL, details->values, details->nulls);
	MemoryContextDelete(context);

	/* What is in both may stand in the element alone. */
	foreach(lc, details->columns)
	{
		int index = lfirst_int(lc) - 1;

		if (details->nulls[index])
			continue;
		slot->tts_values[index] = details->values[index];
		slot->tts_isnull[index] = false;
	}
	ExecStoreVirtualTuple(slot);
	return true;
}

bool
details_next(Details *details, TupleTableSlot *slot)
{
	for (;;)
	{
		ask_ahead(details);
		if (details->count == 0)
			return false;
		if (take_oldest(details, slot))
			return true;
	}
}

void
details_keep_latest(Details *details)
{
	ExecClearTuple(details->tuple_slot);
	details->current = NULL;
}

bool
details_is_ready(Details *details)
{
	/* What was asked for last may still be to be looked at by its conditions. */
	while (details->count == 0 && !details->at_end)
	{
		if (!list_reader_is_ready(details->list))
			return false;
		add_element(details);
	}
	return details->count == 0 || pipeline_is_ready(details->pipeline);
}

bool
details_is_settled(const Details *details)
{
	return details->count > 0 ? pipeline_is_settled(details->pipeline)
							  : list_reader_is_settled(details->list);
}

pgsocket
details_socket(const Details *details)
{
	return details->count > 0 ? pipeline_socket(details->pipeline)
							  : list_reader_socket(details->list);
}

void
details_end(Details *details)
{
	ExecClearTuple(details->tuple_slot);
	MemoryContextReset(details->context);
	details->list = NULL;
	details->at_end = false;
	details->pipeline = NULL;
	details->oldest = 0;
	details->count = 0;
	details->current = NULL;
}
