/*-------------------------------------------------------------------------
 *
 * explain_modify.c
 *		Show modifications in EXPLAIN.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/explain.h"
#include "utils/rel.h"

#include "write/batch.h"
#include "write/explain_modify.h"
#include "write/modify.h"
#include "write/modify_plan.h"
#include "request/request.h"
#include "base/compat.h"

/*
 * Describe the requests for a row that is written, with columns of it left in braces.
 */
static char *
change_text(const ChangeTable *table, CmdType operation, const List *updated)
{
	const CrispOptions *options = table->options;
	const CrispChanges *changes = table->changes;
	const CrispChange  *change = changes->updates;
	StringInfoData		text;

	if (operation != CMD_UPDATE)
	{
		change = operation == CMD_INSERT ? changes->insert : changes->remove;
		return psprintf("%s %s", change->method, request_route_target(options, change->route));
	}

	initStringInfo(&text);
	for (; change->method != NULL; change++)
		if (modify_has_any(table, change, updated))
			appendStringInfo(&text, "%s%s %s", text.len > 0 ? ", " : "", change->method,
							 request_route_target(options, change->route));
	return text.data;
}

/*
 * Return the attribute of an UPDATE that a request has, by the catalog; 0 where it has several.
 */
static AttrNumber
only_attribute(const ChangeTable *table, const CrispChange *change, const List *updated)
{
	AttrNumber only = InvalidAttrNumber;
	ListCell  *lc;

	foreach(lc, updated)
	{
		if (!modify_has_any(table, change, list_make1_int(lfirst_int(lc))))
			continue;
		if (only != InvalidAttrNumber)
			return InvalidAttrNumber;
		only = (AttrNumber) lfirst_int(lc);
	}
	return only;
}

/*
 * Return the constant that an UPDATE gives to an attribute; NULL where it's no constant, or where
 * there are several tables.
 */
static const Const *
new_constant(const ModifyTable *plan, AttrNumber attnum)
{
	ListCell *colno;
	ListCell *target;

	if (list_length(plan->updateColnosLists) != 1)
		return NULL;
	forboth(colno, linitial(plan->updateColnosLists), target, outerPlan(plan)->targetlist)
	{
		const TargetEntry *entry = lfirst(target);

		if (lfirst_int(colno) == attnum && IsA(entry->expr, Const))
			return (const Const *) entry->expr;
	}
	return NULL;
}

/*
 * Say whether rows may travel by a batch route, as far as that is known before there are any.
 */
static bool
may_batch(const ChangeTable *table, const CrispBatch *batch, const ModifyTable *plan,
		  AttrNumber attnum)
{
	const Const *constant;

	if (batch->column == NULL)
		return true;
	if (attnum == InvalidAttrNumber || attnum != change_attribute(table, batch->column))
		return false;
	constant = new_constant(plan, attnum);
	if (constant == NULL)
		return true;
	if (constant->constisnull)
		return batch->takes_null;
	return batch->value == NULL ||
		   strcmp(encoder_text(table->columns[attnum - 1].encoder, constant->constvalue),
				  batch->value) == 0;
}

/*
 * Append how rows that change alike travel together, as far as the session knows.
 */
static void
append_batches(StringInfo text, const ChangeTable *table, const CrispChange *change,
			   const ModifyTable *plan, AttrNumber attnum)
{
	const CrispBatch *batch = change->batches;

	for (; batch != NULL && batch->method != NULL; batch++)
	{
		int size = batch_size(table, batch, false);

		if (size > 0 && may_batch(table, batch, plan, attnum))
			appendStringInfo(text, "%s%s %s (%d rows a request)", text->len > 0 ? ", " : "",
							 batch->method, request_route_target(table->options, batch->route),
							 size);
	}
}

/*
 * Show whether rows that are changed or removed are sent together, and in which way, or why not.
 */
static void
show_together(const ModifyTableState *state, const ResultRelInfo *rinfo, const ChangeTable *table,
			  List *updated, ExplainState *es)
{
	const ModifyTable *plan = (const ModifyTable *) state->ps.plan;
	const CrispChange *change = table->changes->updates;
	const char		  *why_not = modify_why_one_by_one(plan, rinfo, table, updated);
	StringInfoData	   text;

	if (why_not != NULL)
	{
		ExplainPropertyText("Crisp Row by Row", why_not, es);
		return;
	}
	initStringInfo(&text);
	if (state->operation == CMD_DELETE)
		append_batches(&text, table, table->changes->remove, plan, InvalidAttrNumber);
	for (; state->operation == CMD_UPDATE && change->method != NULL; change++)
		if (modify_has_any(table, change, updated))
			append_batches(&text, table, change, plan, only_attribute(table, change, updated));
	if (text.len > 0)
		ExplainPropertyText("Crisp Batch", text.data, es);
	ExplainPropertyInteger("Crisp Under Way", NULL, table->options->prefetch, es);
}

void
crispExplainForeignModify(ModifyTableState *mtstate, ResultRelInfo *rinfo, List *fdw_private,
						  int subplan_index, struct ExplainState *es)
{
	Relation		 relation = rinfo->ri_RelationDesc;
	CrispOptions	*options = options_of_table(RelationGetRelid(relation));
	ChangeTable		*table = change_table_create(options, relation);
	List			*updated = list_nth(fdw_private, MODIFY_PRIVATE_UPDATED);
	const ApiCounts *counts = crisp_modify_counts(rinfo);

	ExplainPropertyText("Crisp Request", change_text(table, mtstate->operation, updated), es);
	if (mtstate->operation != CMD_INSERT)
		show_together(mtstate, rinfo, table, updated, es);
	if (es->analyze && counts != NULL)
	{
		ExplainPropertyInteger("Requests", NULL, counts->requests, es);
		if (crisp_modify_batches(rinfo) > 0)
			ExplainPropertyInteger("Batches", NULL, crisp_modify_batches(rinfo), es);
		if (counts->retries > 0 || es->format != EXPLAIN_FORMAT_TEXT)
			ExplainPropertyInteger("Retries", NULL, counts->retries, es);
		if (es->timing)
			ExplainPropertyFloat("Waiting Time", "ms", counts->wait_ms, 3, es);
	}
}
