/*-------------------------------------------------------------------------
 *
 * sync_stored.c
 *		Find that a trigger has stored rows under other keys than Crisp's.
 *
 * Such a row is found by nothing that is known of Crisp's rows: a full load would delete it as gone
 * from Crisp, and what lies below it would be stored again each time.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "sync/sync_sql.h"
#include "sync/sync_stored.h"

/*
 * Say whether a trigger sees rows before they are written.
 */
static bool
sees_before(const Trigger *trigger)
{
	return !trigger->tgisinternal && trigger->tgenabled != TRIGGER_DISABLED &&
		   TRIGGER_FOR_ROW(trigger->tgtype) && TRIGGER_FOR_BEFORE(trigger->tgtype) &&
		   (TRIGGER_FOR_INSERT(trigger->tgtype) || TRIGGER_FOR_UPDATE(trigger->tgtype));
}

/*
 * Return the names of triggers that may have changed a row before it was written, between quotes;
 * NULL where there is none.
 */
static const char *
trigger_names(const SyncTarget *target)
{
	const TriggerDesc *triggers = target->table->trigdesc;
	StringInfoData	   names;

	initStringInfo(&names);
	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
		if (sees_before(&triggers->triggers[i]))
			appendStringInfo(&names, "%s\"%s\"", names.len > 0 ? ", " : "",
							 triggers->triggers[i].tgname);
	return names.len > 0 ? names.data : NULL;
}

/*
 * Return a column of what rows are found by: those of the key, and the one that names the parent
 * where that is none of them.  Return -1 after the last one.
 */
static int
found_by(const SyncTarget *target, int number)
{
	if (number < target->nkeys)
		return target->keys[number];
	for (int i = 0; i < target->nkeys; i++)
		if (target->keys[i] == target->argument)
			return -1;
	return number == target->nkeys ? target->argument : -1;
}

static const char *
column_name(const SyncTarget *target, int column)
{
	return NameStr(
		TupleDescAttr(RelationGetDescr(target->table), target->attnums[column] - 1)->attname);
}

/*
 * Append that a row of the target has what a fetched one has in each column.
 */
static void
append_is_fetched(StringInfo sql, const SyncTarget *target)
{
	appendStringInfoChar(sql, '(');
	for (int i = 0; found_by(target, i) >= 0; i++)
	{
		int column = found_by(target, i);

		appendStringInfoString(sql, i > 0 ? " AND " : "");
		sync_target_equals(sql, target, column, psprintf("SELECT f.c%d FROM fetched f", column + 1),
						   true);
	}
	appendStringInfoString(sql, ") IS TRUE");
}

void
sync_stored_append_moved(StringInfo sql, const SyncTarget *target)
{
	if (trigger_names(target) == NULL)
		appendStringInfoString(sql, "NULL::text AS moved");
	else
	{
		appendStringInfoString(sql, "CASE WHEN ");
		append_is_fetched(sql, target);
		appendStringInfoString(sql, " THEN NULL ELSE ROW(");
		for (int i = 0; found_by(target, i) >= 0; i++)
			appendStringInfo(sql, "%st.%s", i > 0 ? ", " : "",
							 quote_identifier(column_name(target, found_by(target, i))));
		appendStringInfoString(sql, ")::text END AS moved");
	}
}

void
sync_stored_append_or_moved(StringInfo sql, const SyncTarget *target)
{
	if (trigger_names(target) == NULL)
		return;
	appendStringInfoString(sql, " OR NOT (");
	append_is_fetched(sql, target);
	appendStringInfoChar(sql, ')');
}

int64
sync_stored_counted(const SyncTarget *target, const char *statement)
{
	SyncParameters	now = sync_sql_now();
	StringInfoData	sql;
	SyncRows	   *rows;
	TupleTableSlot *slot;
	int64			count = 0;
	bool			isnull = true;

	initStringInfo(&sql);
	appendStringInfo(&sql, "WITH w AS (%s RETURNING ", statement);
	sync_stored_append_moved(&sql, target);
	appendStringInfoString(&sql, ") SELECT count(*), min(moved) FROM w");
	rows = sync_rows_run(sql.data, &now);
	slot = MakeSingleTupleTableSlot(rows->tupdesc, &TTSOpsMinimalTuple);
	if (tuplestore_gettupleslot(rows->store, true, false, slot))
	{
		Datum moved = slot_getattr(slot, 2, &isnull);

		if (!isnull)
			sync_stored_raise(target, TextDatumGetCString(moved));
		count = DatumGetInt64(slot_getattr(slot, 1, &isnull));
	}
	ExecDropSingleTupleTableSlot(slot);
	sync_rows_free(rows);
	return count;
}

void
sync_stored_raise(const SyncTarget *target, const char *moved)
{
	const char	  *names = trigger_names(target);
	StringInfoData columns;

	initStringInfo(&columns);
	for (int i = 0; found_by(target, i) >= 0; i++)
		appendStringInfo(&columns, "%s%s", i > 0 ? ", " : "",
						 quote_identifier(column_name(target, found_by(target, i))));
	ereport(
		ERROR,
		(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
		 errmsg("table %s does not keep the keys that Crisp's rows have", target->name),
		 errdetail("A row was stored with (%s)=%s, which is none of theirs. Triggers that change "
				   "rows before they are written: %s.",
				   columns.data, moved, names ? names : "none"),
		 errhint("Let triggers leave the key as it is, and store what they make of it in another "
				 "column: rows that change at Crisp, or are gone from there, are found by it.")));
}
