/*-------------------------------------------------------------------------
 *
 * sync_match.c
 *		Match rows below a parent, of which several may have the same key.
 *
 * Messages are known by a fingerprint that their sender chooses, and events by nothing.  A copy has
 * each as often as Crisp has it.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_constraint.h"
#include "executor/tuptable.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "sync/sync_match.h"
#include "sync/sync_stored.h"

/*
 * Return the statements that let several rows have the same key.
 */
static char *
drop_statements(const SyncTarget *target)
{
	StringInfoData sql;
	ListCell	  *cell;

	initStringInfo(&sql);
	foreach(cell, target->unique_keys)
	{
		Oid			index = lfirst_oid(cell);
		Oid			constraint = get_index_constraint(index);
		const char *name = get_rel_name(index);

		if (OidIsValid(constraint))
			appendStringInfo(&sql, "ALTER TABLE %s DROP CONSTRAINT %s; ", target->name,
							 quote_identifier(get_constraint_name(constraint)));
		else
			appendStringInfo(
				&sql, "DROP INDEX %s; ",
				quote_qualified_identifier(get_namespace_name(get_rel_namespace(index)), name));
	}
	appendStringInfo(&sql, "CREATE INDEX ON %s (", target->name);
	for (int i = 0; i < target->nkeys; i++)
		appendStringInfo(
			&sql, "%s%s", i > 0 ? ", " : "",
			quote_identifier(NameStr(
				TupleDescAttr(RelationGetDescr(target->table), target->attnums[target->keys[i]] - 1)
					->attname)));
	appendStringInfoString(&sql, ");");
	return sql.data;
}

/*
 * Raise an error where the target can't hold all rows of a key.
 *
 * That is a copy of messages which was made when each was thought to have a fingerprint of its own.
 */
void
sync_match_check(const SyncTarget *target)
{
	StringInfoData	sql;
	SyncRows	   *found;
	TupleTableSlot *slot;
	bool			isnull;

	if (target->unique_keys == NIL)
		return;
	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	sync_sql_key(&sql, target, true);
	appendStringInfoString(&sql,
						   ", count(*) FROM fetched f GROUP BY 1 HAVING count(*) > 1 LIMIT 1");
	found = sync_rows_run(sql.data, NULL);
	slot = MakeSingleTupleTableSlot(found->tupdesc, &TTSOpsMinimalTuple);
	if (tuplestore_gettupleslot(found->store, true, false, slot))
		ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION),
						errmsg("table %s can hold one row of each key, and Crisp has several",
							   target->name),
						errdetail("%s is the key of " INT64_FORMAT " rows.",
								  TextDatumGetCString(slot_getattr(slot, 1, &isnull)),
								  DatumGetInt64(slot_getattr(slot, 2, &isnull))),
						errhint("Let it hold them all: %s", drop_statements(target))));
	ExecDropSingleTupleTableSlot(slot);
	sync_rows_free(found);
}

/*
 * Hold the rows of the target that lie below the parents, so that none of them moves.
 */
static void
lock_rows(const SyncTarget *target)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT count(*) FROM (SELECT FROM ONLY %s t WHERE ", target->name);
	sync_sql_below_parents(&sql, target);
	appendStringInfoString(&sql, " FOR UPDATE) x");
	(void) sync_rows_number(sql.data, NULL);
}

/*
 * Append a row as text, and by what an old row is known to have become a new one: its key.  Rows
 * that have none but their parent's are known by all that they are.
 */
static void
append_images(StringInfo sql, const SyncTarget *target, bool fetched)
{
	const char *format = fetched ? "f.%c" : "t.%t";

	sync_sql_row(sql, target, format);
	appendStringInfoString(sql, "::text AS image, ");
	if (target->nkeys == 1 && target->keys[0] == target->argument)
	{
		sync_sql_row(sql, target, format);
		appendStringInfoString(sql, "::text");
	}
	else
		sync_sql_key(sql, target, fetched);
	appendStringInfoString(sql, " AS key");
}

/*
 * Say what is to become of each row of the target below the parents, and of each that was fetched.
 *
 * As multisets: one that is there as it was fetched stays, each for another.  Of the others, those
 * with the same key go together, and the old one becomes the new one.  What is left was not there
 * before, or is gone.  Types are compared by their text, since not all have an equality.
 */
static SyncRows *
match_rows(const SyncTarget *target)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "WITH here AS MATERIALIZED (SELECT t.ctid AS at, ");
	append_images(&sql, target, false);
	appendStringInfo(&sql, ", %s AS marked FROM ONLY %s t WHERE ",
					 target->has_deleted ? "t._deleted_at IS NOT NULL" : "false", target->name);
	sync_sql_below_parents(&sql, target);
	appendStringInfoString(&sql, "), there AS MATERIALIZED (SELECT f.number, ");
	append_images(&sql, target, true);
	appendStringInfoString(
		&sql,
		" FROM fetched f), "
		"h AS (SELECT *, row_number() OVER (PARTITION BY image ORDER BY marked, at) AS copy "
		"FROM here), "
		"t AS (SELECT *, row_number() OVER (PARTITION BY image ORDER BY number) AS copy "
		"FROM there), "
		"same AS (SELECT h.at, t.number, h.marked FROM h JOIN t USING (image, copy)), "
		"old AS (SELECT at, key, row_number() OVER (PARTITION BY key ORDER BY marked, at) AS nth "
		"FROM h WHERE at NOT IN (SELECT s.at FROM same s)), "
		"new AS (SELECT number, key, row_number() OVER (PARTITION BY key ORDER BY number) AS nth "
		"FROM t WHERE number NOT IN (SELECT s.number FROM same s)) "
		"SELECT at, number FROM old FULL JOIN new USING (key, nth) "
		"UNION ALL SELECT at, number FROM same WHERE marked");
	return sync_rows_run(sql.data, NULL);
}

/*
 * Make the rows of the target below the parents equal to those that were fetched.
 */
void
sync_match_write(const SyncTarget *target, bool mark, SyncWritten *written)
{
	StringInfoData sql;
	SyncRows	  *plan;

	sync_match_check(target);
	lock_rows(target);
	plan = match_rows(target);
	sync_rows_show(plan, "plan");
	initStringInfo(&sql);

	sync_sql_gone(&sql, target, mark ? " FROM plan p" : " USING plan p", mark);
	appendStringInfoString(&sql, "t.ctid = p.at AND p.number IS NULL");
	written->deleted = sync_sql_counted(sql.data);
	written->before = sync_stored_count(target);

	resetStringInfo(&sql);
	appendStringInfo(&sql, "UPDATE ONLY %s t SET ", target->name);
	sync_target_list(&sql, target, "%t = f.%c");
	appendStringInfo(&sql,
					 "%s%s FROM plan p JOIN fetched f ON f.number = p.number WHERE t.ctid = p.at",
					 target->has_synced ? ", _synced_at = $1" : "",
					 target->has_deleted ? ", _deleted_at = NULL" : "");
	written->updated = sync_stored_counted(target, sql.data);

	resetStringInfo(&sql);
	sync_sql_insert(&sql, target);
	appendStringInfoString(&sql,
						   " WHERE f.number IN (SELECT p.number FROM plan p WHERE p.at IS NULL) "
						   "ORDER BY f.number");
	written->inserted = sync_stored_counted(target, sql.data);
	sync_rows_hide("plan");
	sync_rows_free(plan);
}
