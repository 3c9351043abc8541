/*-------------------------------------------------------------------------
 *
 * modify.c
 *		Execute INSERT, UPDATE and DELETE.
 *
 * A row that is inserted is sent when the executor hands it over, and the callback returns when
 * Crisp has answered.  Rows that are changed or removed are kept, and sent together, where nobody
 * looks at one before the next is reached.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/extension_version.h"
#include "base/compat.h"
#include "base/server_text.h"
#include "write/change.h"
#include "write/change_check.h"
#include "write/complete.h"
#include "write/deliver.h"
#include "write/modify.h"
#include "write/modify_plan.h"
#include "write/old_row.h"
#include "write/namesake.h"
#include "scan/open_scans.h"
#include "write/returning.h"
#include "write/row_sender.h"
#include "write/send_completed.h"
#include "scan/scan_rest.h"
#include "base/key_set.h"

/* Rows that are checked together, before the first of them is sent. */
#define BATCH_ROWS 100

/* A modification of a foreign table, in ResultRelInfo.ri_FdwState. */
typedef struct CrispModify
{
	CrispOptions *options;
	ChangeTable	 *table;
	Deliverer	 *deliverer;
	Returning
		*returned; /* of an INSERT: what the statement wants of the rows; NULL before the first */
	MemoryContext row_context; /* reset for each row */
	CmdType		  operation;   /* the statement's, which may move rows into the table by UPDATE */

	/* Of an UPDATE or DELETE; attribute numbers of the plan's rows are 0 where there is none. */
	List	   *keys;		/* attribute numbers in the table */
	AttrNumber *key_places; /* in the plan's rows, likewise */
	AttrNumber	old_row;	/* likewise: the whole row as it was */
	RowSender  *sender;
	AttrNumber	data;	  /* in the table: custom data that an UPDATE may change */
	Bitmapset  *updated;  /* attribute numbers that the UPDATE sets */
	bool		triggers; /* may change other columns */
	KeySet	   *reached;  /* the rows that were changed or removed */
	Names	   *names;	  /* of rows, where several may have the same; else NULL */
	ForeignScanState
		*source; /* whose rows will all be changed, and weren't looked at yet; or NULL */

} CrispModify;

/*----------
 * Begin
 *----------
 */

/*
 * Return the role whose user mapping counts for a table that is written to.
 */
static Oid
mapping_user(ResultRelInfo *rinfo, EState *estate)
{
	return option_mapping_user(compat_modify_user(rinfo, estate));
}

static CrispModify *
begin(EState *estate, ResultRelInfo *rinfo, CmdType operation)
{
	Relation	 relation = rinfo->ri_RelationDesc;
	CrispModify *modify = palloc0(sizeof(CrispModify));

	/* Options are read now, not at planning: a cached plan must see what has changed. */
	modify->options = options_of_table(RelationGetRelid(relation));
	modify_check_allowed(modify->options, relation, operation);
	option_add_credentials(modify->options, mapping_user(rinfo, estate));
	modify->table = change_table_create(modify->options, relation);
	modify->deliverer = deliverer_create(modify->table, operation);
	modify->row_context = AllocSetContextCreate(estate->es_query_cxt, "crisp_fdw row",
												ALLOCSET_DEFAULT_SIZES);
	return modify;
}

/*
 * Find what names a row in the plan's rows, and what else an UPDATE or a DELETE needs of them.
 */
static void
find_old_row(CrispModify *modify, ResultRelInfo *rinfo, const Plan *subplan)
{
	Relation  relation = rinfo->ri_RelationDesc;
	ListCell *lc;

	modify->keys = modify_key_attributes(modify->table->changes, modify->table);
	modify->key_places = palloc0(sizeof(AttrNumber) * RelationGetNumberOfAttributes(relation));
	foreach(lc, modify->keys)
	{
		int				  attnum = lfirst_int(lc);
		Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(relation), attnum - 1);

		modify->key_places[attnum - 1] = ExecFindJunkAttributeInTlist(subplan->targetlist,
																	  modify_key_name(attribute));
	}
	modify->data = modify_data_attribute(modify->table);
	modify->old_row = ExecFindJunkAttributeInTlist(subplan->targetlist, "wholerow");
	modify->triggers = rinfo->ri_TrigDesc != NULL && rinfo->ri_TrigDesc->trig_update_before_row;
	modify->reached = key_set_create((Size) work_mem * 1024);
}

/*
 * Prepare to tell rows that have the same name, if rows of the resource may.  Where the plan gives
 * just what a scan finds, all of that can be looked at before the first row is sent.
 */
static void
find_names(CrispModify *modify, ModifyTableState *mtstate, ResultRelInfo *rinfo, PlanState *subplan)
{
	const TriggerDesc *triggers = rinfo->ri_TrigDesc;

	if (crisp_resource_name(modify->options->resource) == NULL)
		return;
	modify->names = names_of_statement(mtstate->ps.state);
	if (IsA(subplan, ForeignScanState) &&
		((ForeignScanState *) subplan)->ss.ss_currentRelation != NULL &&
		RelationGetRelid(((ForeignScanState *) subplan)->ss.ss_currentRelation) ==
			RelationGetRelid(rinfo->ri_RelationDesc) &&
		!contain_volatile_functions((Node *) subplan->plan->qual) &&
		(triggers == NULL ||
		 (!triggers->trig_update_before_row && !triggers->trig_delete_before_row)))
		modify->source = (ForeignScanState *) subplan;
}

/*
 * Find out what becomes of rows that conflict with others.
 */
static void
begin_conflicts(CrispModify *modify, const ModifyTable *plan, Relation relation)
{
	modify_check_conflict(modify->options, plan, relation);
	if (plan->onConflictAction == ONCONFLICT_NOTHING)
		deliverer_pass_over_conflicts(modify->deliverer);
}

void
crispBeginForeignModify(ModifyTableState *mtstate, ResultRelInfo *rinfo, List *fdw_private,
						int subplan_index, int eflags)
{
	CrispModify *modify;
	ListCell	*lc;

	extension_version_check();
	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;

	modify = begin(mtstate->ps.state, rinfo, mtstate->operation);
	modify->operation = mtstate->operation;
	begin_conflicts(modify, (const ModifyTable *) mtstate->ps.plan, rinfo->ri_RelationDesc);
	if (mtstate->operation != CMD_INSERT)
	{
		PlanState *subplan = outerPlanState(mtstate);

		find_old_row(modify, rinfo, subplan->plan);
		find_names(modify, mtstate, rinfo, subplan);
		modify->sender = row_sender_create(
			modify->deliverer, mtstate,
			mtstate->mt_transition_capture == NULL &&
				modify_why_one_by_one((const ModifyTable *) mtstate->ps.plan, rinfo, modify->table,
									  list_nth(fdw_private, MODIFY_PRIVATE_UPDATED)) == NULL);
	}
	foreach(lc, list_nth(fdw_private, MODIFY_PRIVATE_UPDATED))
		modify->updated = bms_add_member(modify->updated, lfirst_int(lc));
	rinfo->ri_FdwState = modify;
}

/*
 * Begin a COPY FROM, or rows that are routed to a partition.
 */
void
crispBeginForeignInsert(ModifyTableState *mtstate, ResultRelInfo *rinfo)
{
	EState		 *estate = mtstate->ps.state;
	CrispModify	 *modify;
	MemoryContext old_context;

	extension_version_check();
	if (mtstate->ps.plan != NULL)
	{
		/* PostgreSQL refuses it for the partitions that it knows to be targets. */
		if (mtstate->operation == CMD_MERGE)
			ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
							errmsg("MERGE is not supported for foreign table \"%s\"",
								   RelationGetRelationName(rinfo->ri_RelationDesc))));
		if (mtstate->operation == CMD_UPDATE && rinfo->ri_FdwState != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot route rows into foreign table \"%s\", which the same statement "
							"updates",
							RelationGetRelationName(rinfo->ri_RelationDesc))));
	}

	old_context = MemoryContextSwitchTo(estate->es_query_cxt);
	modify = begin(estate, rinfo, CMD_INSERT);
	modify->operation = mtstate->operation;
	if (mtstate->ps.plan != NULL)
		begin_conflicts(modify, (const ModifyTable *) mtstate->ps.plan, rinfo->ri_RelationDesc);
	rinfo->ri_FdwState = modify;
	MemoryContextSwitchTo(old_context);
}

void
crispEndForeignModify(EState *estate, ResultRelInfo *rinfo)
{
	CrispModify *modify = rinfo->ri_FdwState;

	/* Nothing is left to be sent: the plan was run to its end, or this isn't called. */
	if (modify != NULL && modify->sender != NULL && row_sender_kept(modify->sender) > 0)
		elog(ERROR, "crisp_fdw: %d rows of foreign table \"%s\" were left unsent",
			 row_sender_kept(modify->sender), modify->table->name);
	if (modify != NULL && modify->reached != NULL)
		key_set_free(modify->reached);
}

const ApiCounts *
crisp_modify_counts(const ResultRelInfo *rinfo)
{
	const CrispModify *modify = rinfo->ri_FdwState;

	return modify ? modify->options->counts : NULL;
}

int64
crisp_modify_batches(const ResultRelInfo *rinfo)
{
	const CrispModify *modify = rinfo->ri_FdwState;

	return modify && modify->sender ? row_sender_batches(modify->sender) : 0;
}

/*
 * Begin with a row, or with rows that are checked together: from now on any error says what was
 * done before, and what is allocated is freed when the next begins.  Return the context to switch
 * back to.
 */
static MemoryContext
enter_row(CrispModify *modify)
{
	deliverer_enter(modify->deliverer);
	MemoryContextReset(modify->row_context);
	return MemoryContextSwitchTo(modify->row_context);
}

/*
 * Check the policies of a partitioned table, and a view's WITH CHECK OPTION, against a row's new
 * values.  PostgreSQL itself checks only the latter, and only once they were sent, when it's too
 * late.
 */
static void
check_options(const CrispModify *modify, EState *estate, ResultRelInfo *rinfo, TupleTableSlot *slot)
{
	if (rinfo->ri_WithCheckOptions == NIL)
		return;
	slot->tts_tableOid = RelationGetRelid(rinfo->ri_RelationDesc);
	ExecWithCheckOptions(modify->operation == CMD_UPDATE ? WCO_RLS_UPDATE_CHECK
														 : WCO_RLS_INSERT_CHECK,
						 rinfo, slot, estate);
	ExecWithCheckOptions(WCO_VIEW_CHECK, rinfo, slot, estate);
}

/*
 * Give RETURNING for xmin and the other system columns what scans give: a tuple that was formed of
 * values has something else in their place.
 */
static TupleTableSlot *
clear_header(const ResultRelInfo *rinfo, TupleTableSlot *slot)
{
	HeapTuple tuple;

	if (rinfo->ri_projectReturning == NULL || slot->tts_ops != &TTSOpsHeapTuple)
		return slot;
	tuple = ExecFetchSlotHeapTuple(slot, true, NULL);
	HeapTupleHeaderSetXmax(tuple->t_data, InvalidTransactionId);
	HeapTupleHeaderSetXmin(tuple->t_data, InvalidTransactionId);
	HeapTupleHeaderSetCmin(tuple->t_data, InvalidTransactionId);
	ItemPointerSetInvalid(&tuple->t_self);
	return slot;
}

/*----------
 * INSERT
 *----------
 */

/*
 * Put a row's values, as they are sent, into its slot, for those who look at them: whatever is
 * wrong with that is found before they are sent.
 */
static void
rehearse(const CrispModify *modify, EState *estate, ResultRelInfo *rinfo, TupleTableSlot *slot,
		 const ChangeRequest *request)
{
	if (rinfo->ri_WithCheckOptions != NIL || returning_wants_any(modify->returned))
		returning_store(modify->returned, slot, request->known, request->nknown, NULL);
	check_options(modify, estate, rinfo, slot);
}

/*
 * Send a row, and give its slot what the statement wants to know of it.  Return false when it was
 * passed over.
 */
static bool
send_row(CrispModify *modify, TupleTableSlot *slot, ChangeRequest *request)
{
	const JsonNode *row = NULL;
	ApiAnswer		answer;
	ListCell	   *lc;

	if (!send_completed(modify->deliverer, request, &answer))
		return false;
	deliverer_take_answer(modify->deliverer, request, &answer);
	foreach(lc, request->followers)
	{
		ChangeRequest *follower = lfirst(lc);

		follower->keys = request->keys;
		change_finish(modify->table, follower);
		(void) deliverer_send(modify->deliverer, follower, &answer);
	}
	deliverer_done(modify->deliverer, &request->keys);

	if (!returning_wants_any(modify->returned))
		return true;
	if (returning_wants_more(modify->returned, request->known, request->nknown))
		row = deliverer_read_back(modify->deliverer, request);
	returning_store(modify->returned, slot, request->known, request->nknown, row);
	return true;
}

/*
 * Make the requests for rows, which finds all that's wrong with them, and then send them in their
 * order.  Return how many were sent: the slots of these come first then.
 */
static int
insert_rows(EState *estate, ResultRelInfo *rinfo, TupleTableSlot **slots, int nslots)
{
	CrispModify	   *modify = rinfo->ri_FdwState;
	MemoryContext	old_context;
	ChangeRequest **requests;
	int				sent = 0;

	if (modify->returned == NULL)
	{
		old_context = MemoryContextSwitchTo(estate->es_query_cxt);
		modify->returned = returning_create(modify->options, rinfo);
		MemoryContextSwitchTo(old_context);
	}

	open_scans_read(modify->options);
	old_context = enter_row(modify);
	requests = palloc(sizeof(ChangeRequest *) * nslots);
	for (int i = 0; i < nslots; i++)
	{
		slot_getallattrs(slots[i]);
		requests[i] = change_insert(modify->table, slots[i]->tts_values, slots[i]->tts_isnull);
		rehearse(modify, estate, rinfo, slots[i], requests[i]);
	}
	for (int i = 0; i < nslots; i++)
	{
		TupleTableSlot *slot = slots[i];

		if (!send_row(modify, slot, requests[i]))
			continue;
		slots[i] = slots[sent];
		slots[sent++] = slot;
	}
	MemoryContextSwitchTo(old_context);
	deliverer_leave(modify->deliverer);
	return sent;
}

TupleTableSlot *
crispExecForeignInsert(EState *estate, ResultRelInfo *rinfo, TupleTableSlot *slot,
					   TupleTableSlot *plan_slot)
{
	return insert_rows(estate, rinfo, &slot, 1) > 0 ? clear_header(rinfo, slot) : NULL;
}

int
crispGetForeignModifyBatchSize(ResultRelInfo *rinfo)
{
	const TriggerDesc *triggers = rinfo->ri_TrigDesc;

	/* Where something is to happen between two rows, they go one by one. */
	if (rinfo->ri_projectReturning != NULL || rinfo->ri_WithCheckOptions != NIL ||
		(triggers && (triggers->trig_insert_before_row || triggers->trig_insert_after_row)))
		return 1;
	return BATCH_ROWS;
}

TupleTableSlot **
crispExecForeignBatchInsert(EState *estate, ResultRelInfo *rinfo, TupleTableSlot **slots,
							TupleTableSlot **plan_slots, int *nslots)
{
	*nslots = insert_rows(estate, rinfo, slots, *nslots);
	return slots;
}

/*----------
 * UPDATE, DELETE
 *----------
 */

/*
 * Raise an error for a name that another row may have, since characters of it may have been
 * replaced.
 */
static void
check_name(const CrispModify *modify, const ChangeColumn *column, const char *name)
{
	if (modify->table->options->invalid_text == INVALID_TEXT_REPLACE &&
		strstr(name, server_text_replacement()) != NULL)
		ereport(ERROR, (errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
						errmsg("cannot tell which row of foreign table \"%s\" is meant",
							   modify->table->name),
						errdetail("Crisp knows it by \"%s\", which is \"%s\" with characters "
								  "replaced that the database cannot store.",
								  column->name, name)));
}

/*
 * Return what names the row that the plan has found.
 */
static ChangeKeys
row_keys(const CrispModify *modify, TupleTableSlot *plan_slot)
{
	ChangeKeys keys = {0};
	ListCell  *lc;

	foreach(lc, modify->keys)
	{
		const ChangeColumn *column = &modify->table->columns[lfirst_int(lc) - 1];
		AttrNumber			place = modify->key_places[lfirst_int(lc) - 1];
		bool				isnull;
		Datum				value;

		if (!AttributeNumberIsValid(place))
			elog(ERROR, "crisp_fdw: the plan has no column \"%s\"", column->name);
		value = ExecGetJunkAttribute(plan_slot, place, &isnull);
		if (!isnull)
		{
			const char *name = encoder_text(column->encoder, value);

			check_name(modify, column, name);
			change_add_key(&keys, column->catalog_name, name);
		}
	}
	return keys;
}

/*
 * Check that a row that the statement is going to change is the only one with its name.
 */
static void
look_at_row(void *arg, TupleTableSlot *slot)
{
	CrispModify	 *modify = arg;
	ChangeKeys	  keys = {0};
	MemoryContext old_context;
	ListCell	 *lc;

	MemoryContextReset(modify->row_context);
	old_context = MemoryContextSwitchTo(modify->row_context);
	foreach(lc, modify->keys)
	{
		const ChangeColumn *column = &modify->table->columns[lfirst_int(lc) - 1];
		bool				isnull;
		Datum				value = slot_getattr(slot, lfirst_int(lc), &isnull);

		if (!isnull)
			change_add_key(&keys, column->catalog_name, encoder_text(column->encoder, value));
	}
	namesake_check(modify->table, modify->names, &keys, modify->operation);
	MemoryContextSwitchTo(old_context);
}

/*
 * Read what open scans have left, and look at what the statement will change, before the first row
 * is sent.
 */
static void
look_ahead(CrispModify *modify)
{
	ForeignScanState *source = modify->source;

	if (row_sender_keeps(modify->sender) && source == NULL)
		return;
	open_scans_read(modify->options);
	modify->source = NULL;
	if (source != NULL)
		scan_look_ahead(source, look_at_row, modify);
}

/*
 * End with a row that is changed or removed, of which nothing is needed any more.
 */
static void
leave_row(CrispModify *modify, MemoryContext old_context)
{
	MemoryContextSwitchTo(old_context);
	row_sender_relieve(modify->sender);
	deliverer_leave(modify->deliverer);
}

/*
 * Say whether a row is reached for the first time: of a row that a join finds more than once,
 * PostgreSQL takes the first.
 */
static bool
is_first_time(const CrispModify *modify, const ChangeKeys *keys)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < keys->count; i++)
	{
		if (i > 0)
			appendStringInfoChar(&text, '\0');
		appendStringInfoString(&text, keys->values[i]);
	}
	return key_set_add(modify->reached, text.data, text.len);
}

/*
 * Return the attribute numbers that an UPDATE changes in this row: those that it sets, and those
 * that triggers have changed beyond them.
 */
static Bitmapset *
changed_columns(const CrispModify *modify, TupleTableSlot *slot, TupleTableSlot *plan_slot)
{
	TupleDesc	  tupdesc = slot->tts_tupleDescriptor;
	Bitmapset	 *columns = bms_copy(modify->updated);
	HeapTupleData old;

	if (!modify->triggers || !old_row_get(modify->old_row, plan_slot, &old))
		return columns;
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);
		bool			  isnull;
		Datum			  value;

		if (attribute->attisdropped || bms_is_member(i + 1, columns))
			continue;
		value = heap_getattr(&old, i + 1, tupdesc, &isnull);
		if (isnull != slot->tts_isnull[i] ||
			(!isnull &&
			 !datum_image_eq(value, slot->tts_values[i], attribute->attbyval, attribute->attlen)))
			columns = bms_add_member(columns, i + 1);
	}
	change_check_updated(modify->table, columns);
	return columns;
}

/*
 * Send the requests that change a row.  Return false when it is gone.
 */
static bool
update_row(CrispModify *modify, EState *estate, ResultRelInfo *rinfo, TupleTableSlot *slot,
		   TupleTableSlot *plan_slot, const ChangeKeys *keys)
{
	TupleDesc  tupdesc = slot->tts_tupleDescriptor;
	Bitmapset *columns = changed_columns(modify, slot, plan_slot);
	DataBefore before = old_row_data(modify->table, modify->old_row, modify->data, columns, tupdesc,
									 plan_slot);
	List *requests = change_update(modify->table, columns, slot->tts_values, slot->tts_isnull, keys,
								   before);

	old_row_check_batches(modify->table, modify->old_row, requests, tupdesc, plan_slot);
	check_options(modify, estate, rinfo, slot);
	if (requests != NIL && modify->names != NULL)
		namesake_check(modify->table, modify->names, keys, CMD_UPDATE);
	return row_sender_send(modify->sender, requests, keys, &modify->row_context);
}

TupleTableSlot *
crispExecForeignUpdate(EState *estate, ResultRelInfo *rinfo, TupleTableSlot *slot,
					   TupleTableSlot *plan_slot)
{
	CrispModify	 *modify = rinfo->ri_FdwState;
	MemoryContext old_context;
	ChangeKeys	  keys;
	bool		  done;

	look_ahead(modify);
	old_context = enter_row(modify);

	slot_getallattrs(slot);
	keys = row_keys(modify, plan_slot);
	done = is_first_time(modify, &keys) &&
		   update_row(modify, estate, rinfo, slot, plan_slot, &keys);

	leave_row(modify, old_context);
	return done ? clear_header(rinfo, slot) : NULL;
}

/*
 * Remove a row.  Return false when it is gone already.
 */
static bool
remove_row(CrispModify *modify, const ChangeKeys *keys)
{
	ChangeRequest *request = change_remove(modify->table, keys);

	if (modify->names != NULL)
		namesake_check(modify->table, modify->names, keys, CMD_DELETE);
	return row_sender_send(modify->sender, list_make1(request), keys, &modify->row_context);
}

TupleTableSlot *
crispExecForeignDelete(EState *estate, ResultRelInfo *rinfo, TupleTableSlot *slot,
					   TupleTableSlot *plan_slot)
{
	CrispModify	 *modify = rinfo->ri_FdwState;
	MemoryContext old_context;
	HeapTupleData old;
	ChangeKeys	  keys;
	bool		  done;

	look_ahead(modify);
	old_context = enter_row(modify);

	keys = row_keys(modify, plan_slot);
	done = is_first_time(modify, &keys) && remove_row(modify, &keys);
	leave_row(modify, old_context);

	/* For RETURNING, of which the plan has the row. */
	if (done && old_row_get(modify->old_row, plan_slot, &old))
		ExecForceStoreHeapTuple(heap_copytuple(&old), slot, true);
	return done ? clear_header(rinfo, slot) : NULL;
}
