/*-------------------------------------------------------------------------
 *
 * sync_stored.c
 *		Find that a trigger has stored rows under other keys than Crisp's.
 *
 * Such a row is found by nothing that is known of Crisp's rows: a full load would delete it as gone
 * from Crisp, and what lies below it would be stored again each time.
 *
 * What a BEFORE trigger has made of a row is seen as it is written.  What others do after that, to
 * these rows or to those that were there, is seen by their number: there are fewer of the fetched
 * keys than there must be.  Only then is the table searched for where they went, since triggers may
 * delete rows.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "sync/sync_owner.h"
#include "sync/sync_sql.h"
#include "sync/sync_stored.h"

/*
 * Say whether a trigger fires where rows are written; or, with before, sees each before that.
 */
static bool
fires(const Trigger *trigger, bool before)
{
	if (trigger->tgisinternal || trigger->tgenabled == TRIGGER_DISABLED ||
		!(TRIGGER_FOR_INSERT(trigger->tgtype) || TRIGGER_FOR_UPDATE(trigger->tgtype)))
		return false;
	return !before || (TRIGGER_FOR_ROW(trigger->tgtype) && TRIGGER_FOR_BEFORE(trigger->tgtype));
}

/*
 * Return the names of such triggers, between quotes; NULL where there is none.
 */
static const char *
trigger_names(const SyncTarget *target, bool before)
{
	const TriggerDesc *triggers = target->table->trigdesc;
	StringInfoData	   names;

	initStringInfo(&names);
	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
		if (fires(&triggers->triggers[i], before))
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
 * Append that a row of the target has what a fetched one has in each column.  A column of no unique
 * key may hold NULL.
 */
static void
append_is_fetched(StringInfo sql, const SyncTarget *target)
{
	appendStringInfoChar(sql, '(');
	for (int i = 0; found_by(target, i) >= 0; i++)
	{
		int column = found_by(target, i);

		appendStringInfo(sql, "%s(", i > 0 ? " AND " : "");
		sync_target_equals(sql, target, column, psprintf("SELECT f.c%d FROM fetched f", column + 1),
						   true);
		if (!target->has_key)
			appendStringInfo(sql,
							 " OR t.%s IS NULL AND EXISTS (SELECT FROM fetched f "
							 "WHERE f.c%d IS NULL)",
							 quote_identifier(column_name(target, column)), column + 1);
		appendStringInfoChar(sql, ')');
	}
	appendStringInfoString(sql, ") IS TRUE");
}

/*
 * Append what a row of the target is found by, as text.
 */
static void
append_key(StringInfo sql, const SyncTarget *target)
{
	appendStringInfoString(sql, "ROW(");
	for (int i = 0; found_by(target, i) >= 0; i++)
		appendStringInfo(sql, "%st.%s", i > 0 ? ", " : "",
						 quote_identifier(column_name(target, found_by(target, i))));
	appendStringInfoString(sql, ")::text");
}

void
sync_stored_append_moved(StringInfo sql, const SyncTarget *target)
{
	if (trigger_names(target, true) == NULL)
		appendStringInfoString(sql, "NULL::text AS moved");
	else
	{
		appendStringInfoString(sql, "CASE WHEN ");
		append_is_fetched(sql, target);
		appendStringInfoString(sql, " THEN NULL ELSE ");
		append_key(sql, target);
		appendStringInfoString(sql, " END AS moved");
	}
}

void
sync_stored_append_or_moved(StringInfo sql, const SyncTarget *target)
{
	if (trigger_names(target, true) == NULL)
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

/*
 * Find the rows of the target that this transaction has written: rows of tid.
 */
static SyncRows *
find_written(const SyncTarget *target)
{
	TupleDesc	tupdesc = CreateTemplateTupleDesc(1);
	SyncRows   *written;
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	SysScanDesc scan = systable_beginscan(target->table, InvalidOid, false, snapshot, 0, NULL);
	HeapTuple	tuple;

	TupleDescInitEntry(tupdesc, 1, "at", TIDOID, -1, 0);
	written = sync_rows_begin(tupdesc);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		bool  isnull = false;
		Datum at = PointerGetDatum(&tuple->t_self);

		CHECK_FOR_INTERRUPTS();
		if (TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)))
			tuplestore_putvalues(written->store, tupdesc, &at, &isnull);
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	return written;
}

/*
 * Find a key under which a row was written by this transaction, while none that was fetched has it,
 * and none had it before: a trigger may also touch other rows of Crisp's.  NULL for none.
 */
static const char *
find_moved(const SyncTarget *target)
{
	SyncRows	   *written = find_written(target);
	StringInfoData	sql;
	SyncRows	   *moved;
	TupleTableSlot *slot;
	const char	   *key = NULL;
	bool			isnull = true;

	initStringInfo(&sql);
	sync_rows_show(written, "written");
	appendStringInfoString(&sql, "SELECT ");
	append_key(&sql, target);
	appendStringInfoString(&sql, " AS key");
	for (int i = 0; found_by(target, i) >= 0; i++)
		appendStringInfo(&sql, ", t.%s AS k%d",
						 quote_identifier(column_name(target, found_by(target, i))), i + 1);
	appendStringInfo(&sql, " FROM ONLY %s t WHERE t.ctid IN (SELECT w.at FROM written w) AND NOT (",
					 target->name);
	append_is_fetched(&sql, target);
	appendStringInfoChar(&sql, ')');
	moved = sync_rows_run(sql.data, NULL);
	sync_rows_hide("written");
	sync_rows_free(written);

	sync_rows_show(moved, "moved");
	resetStringInfo(&sql);
	appendStringInfo(
		&sql, "SELECT min(m.key) FROM moved m WHERE NOT EXISTS (SELECT FROM ONLY %s t WHERE ",
		target->name);
	for (int i = 0; found_by(target, i) >= 0; i++)
	{
		appendStringInfoString(&sql, i > 0 ? " AND " : "");
		sync_target_equals(&sql, target, found_by(target, i), psprintf("m.k%d", i + 1), false);
	}
	appendStringInfoChar(&sql, ')');
	written = sync_rows_run_before(sql.data);
	slot = MakeSingleTupleTableSlot(written->tupdesc, &TTSOpsMinimalTuple);
	if (tuplestore_gettupleslot(written->store, true, false, slot))
	{
		Datum value = slot_getattr(slot, 1, &isnull);

		key = isnull ? NULL : TextDatumGetCString(value);
	}
	ExecDropSingleTupleTableSlot(slot);
	sync_rows_free(written);
	sync_rows_hide("moved");
	sync_rows_free(moved);
	return key;
}

int64
sync_stored_count(const SyncTarget *target)
{
	StringInfoData sql;

	if (trigger_names(target, false) == NULL)
		return -1;
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT count(*) FROM ONLY %s t WHERE ", target->name);
	for (int i = 0; found_by(target, i) >= 0; i++)
	{
		int column = found_by(target, i);

		appendStringInfoString(&sql, i > 0 ? " AND " : "");
		sync_target_equals(&sql, target, column,
						   psprintf("ARRAY(SELECT f.c%d FROM fetched f)", column + 1), true);
	}
	return sync_rows_number(sql.data, NULL);
}

void
sync_stored_check(const SyncTarget *target, int64 expected)
{
	const char *moved;

	sync_owner_fire_deferred();
	if (sync_stored_count(target) >= expected)
		return;
	moved = find_moved(target);
	if (moved != NULL)
		sync_stored_raise(target, moved);
}

/*
 * Return what rows are found by, as a list of columns.
 */
static const char *
key_columns(const SyncTarget *target)
{
	StringInfoData columns;

	initStringInfo(&columns);
	for (int i = 0; found_by(target, i) >= 0; i++)
		appendStringInfo(&columns, "%s%s", i > 0 ? ", " : "",
						 quote_identifier(column_name(target, found_by(target, i))));
	return columns.data;
}

void
sync_stored_raise(const SyncTarget *target, const char *moved)
{
	const char *names = trigger_names(target, false);

	ereport(
		ERROR,
		(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
		 errmsg("table %s does not keep the keys that Crisp's rows have", target->name),
		 moved ? errdetail("A row was stored with (%s)=%s, which is none of theirs. Triggers that "
						   "fire where rows are written: %s.",
						   key_columns(target), moved, names ? names : "none")
			   : errdetail("Rows that differ in (%s) at Crisp were stored with the same. Triggers "
						   "that fire where rows are written: %s.",
						   key_columns(target), names ? names : "none"),
		 errhint("Let triggers leave the key as it is, and store what they make of it in another "
				 "column: rows that change at Crisp, or are gone from there, are found by it.")));
}

SyncRows *
sync_stored_run(const SyncTarget *target, const char *statement, const SyncParameters *parameters)
{
	MemoryContext caller = CurrentMemoryContext;
	SyncRows	 *rows = NULL;

	if (trigger_names(target, true) == NULL)
		return sync_rows_run(statement, parameters);
	PG_TRY();
	{
		rows = sync_rows_run(statement, parameters);
	}
	PG_CATCH();
	{
		MemoryContext old = MemoryContextSwitchTo(caller);
		ErrorData	 *error = CopyErrorData();

		/* What a trigger raises itself has a context. */
		if (error->sqlerrcode == ERRCODE_CARDINALITY_VIOLATION && error->context == NULL)
		{
			FlushErrorState();
			sync_stored_raise(target, NULL);
		}
		FreeErrorData(error);
		MemoryContextSwitchTo(old);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return rows;
}
