/*-------------------------------------------------------------------------
 *
 * sync_unseen.c
 *		Find and delete the rows of a copy that a full load has not seen.
 *
 * What decides is the keys that were seen (sync_seen.h), and which of the others are gone.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/rel.h"

#include "base/extension_version.h"
#include "sync/sync_call.h"
#include "sync/sync_owner.h"
#include "sync/sync_rows.h"
#include "sync/sync_seen.h"
#include "sync/sync_sql.h"
#include "sync/sync_target.h"

PG_FUNCTION_INFO_V1(crisp_sync_remove);
PG_FUNCTION_INFO_V1(crisp_sync_unseen);

/* Arguments of crisp_sync_remove() and crisp_sync_unseen(). */
enum
{
	UNSEEN_SOURCE,
	UNSEEN_TARGET,
	UNSEEN_COLUMNS,
	UNSEEN_KEYS,
	UNSEEN_ARGUMENT,
	UNSEEN_DATED,
	UNSEEN_MARK,
	UNSEEN_GONE,
	UNSEEN_MOST = UNSEEN_GONE
};

/*
 * Append that no key that was seen is that of t; seen is a table of them.
 */
static void
append_not_seen(StringInfo sql, const SyncTarget *target)
{
	int		   count = target->argument >= 0 ? 1 : target->nkeys;
	const int *columns = target->argument >= 0 ? &target->argument : target->keys;

	appendStringInfoString(sql, "NOT EXISTS (SELECT FROM (SELECT ");
	for (int i = 0; i < count; i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(target->table),
												 target->attnums[columns[i]] - 1);

		appendStringInfo(
			sql, "%ss.key[%d]::%s AS c%d", i > 0 ? ", " : "", i + 1,
			format_type_extended(column->atttypid, column->atttypmod,
								 FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY),
			i + 1);
	}
	appendStringInfoString(sql, " FROM seen s) f WHERE ");
	for (int i = 0; i < count; i++)
	{
		appendStringInfoString(sql, i > 0 ? " AND " : "");
		sync_target_equals(sql, target, columns[i], psprintf("f.c%d", i + 1), false);
	}
	appendStringInfoChar(sql, ')');
}

/*
 * Append that a row of the target is none that a full load has seen, and not one that it can't see.
 */
static void
append_unseen(StringInfo sql, const SyncTarget *target, const char *dated)
{
	append_not_seen(sql, target);
	if (dated != NULL)
		appendStringInfo(sql, " AND t.%s IS NOT NULL", quote_identifier(dated));
}

/*
 * Delete, or mark, what a full load has not seen: all of it, or what has one of the keys that are
 * gone, or a parent of these.
 */
static int64
remove_unseen(SyncRows *keys, const SyncTarget *target, const char *dated, bool mark, Datum gone,
			  bool has_gone)
{
	int			   column = target->argument >= 0 ? target->argument : target->keys[0];
	SyncRows	  *gone_rows = NULL;
	StringInfoData sql;
	SyncOwner	   saved;
	int64		   count;

	sync_owner_become(target->owner, &saved);
	sync_rows_show(keys, "seen");
	initStringInfo(&sql);
	sync_sql_gone(&sql, target, "", mark);
	append_unseen(&sql, target, dated);
	if (has_gone)
	{
		gone_rows = sync_rows_of_texts(gone, target->table, target->attnums[column]);
		sync_rows_show(gone_rows, "gone");
		appendStringInfoString(&sql, " AND ");
		sync_target_equals(&sql, target, column, "ARRAY(SELECT g.c1 FROM gone g)", true);
	}
	count = sync_sql_counted(sql.data);
	if (has_gone)
	{
		sync_rows_hide("gone");
		sync_rows_free(gone_rows);
	}
	sync_rows_hide("seen");
	sync_owner_leave(&saved);
	return count;
}

/*
 * Note keys as seen that were asked for, and are gone: a trigger may have kept their rows.
 */
static void
note_gone(const SyncSeen *load, Datum gone)
{
	Oid			   type = TEXTARRAYOID;
	SyncParameters parameters = {1, &type, &gone, NULL};
	SyncRows *keys = sync_rows_run("SELECT DISTINCT ARRAY[u.key] AS key FROM unnest($1) u (key)",
								   &parameters);

	sync_seen_add(load, keys);
	sync_rows_free(keys);
}

/*
 * Open the target of a full load, and find what the load has seen.
 */
static SyncTarget *
open_unseen(FunctionCallInfo fcinfo, SyncSeen *load)
{
	SyncTarget *target;

	sync_owner_check_rights(PG_GETARG_OID(UNSEEN_TARGET));
	*load = sync_seen_of_job(fcinfo->flinfo->fn_oid, PG_GETARG_OID(UNSEEN_SOURCE),
							 PG_GETARG_OID(UNSEEN_TARGET));
	target = sync_target_open(PG_GETARG_OID(UNSEEN_TARGET), PG_GETARG_DATUM(UNSEEN_COLUMNS),
							  PG_GETARG_DATUM(UNSEEN_KEYS), sync_call_text(fcinfo, UNSEEN_ARGUMENT),
							  NULL);
	if (target->nkeys == 0 && target->argument < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg_internal("no column was given that tells rows apart")));
	return target;
}

/*
 * Delete rows of the target that a full load has not seen, or mark them, but for those that have
 * NULL in the column dated: those whose keys, or parents, are gone; or all, which ends the load.
 * Return their number.
 *
 * SQL: crisp_sync_remove(source, target, columns, keys, argument, dated, mark, gone).
 */
Datum
crisp_sync_remove(PG_FUNCTION_ARGS)
{
	static const int	  needed[] = {UNSEEN_SOURCE, UNSEEN_TARGET, UNSEEN_COLUMNS, UNSEEN_KEYS,
									  UNSEEN_MARK};
	MemoryContext		  caller = CurrentMemoryContext;
	ErrorContextCallback *outer = error_context_stack;
	bool				  has_gone = !PG_ARGISNULL(UNSEEN_GONE);
	int64				  count = 0;

	extension_version_check();
	sync_call_begin();
	error_context_stack = NULL;
	PG_TRY();
	{
		SyncTarget *target;
		SyncSeen	load;
		SyncRows   *keys;
		Datum		gone = has_gone ? PG_GETARG_DATUM(UNSEEN_GONE) : (Datum) 0;

		sync_call_check_given(fcinfo, needed, lengthof(needed));
		SPI_connect();
		target = open_unseen(fcinfo, &load);
		keys = sync_seen_rows(&load);
		count = remove_unseen(keys, target, sync_call_text(fcinfo, UNSEEN_DATED),
							  PG_GETARG_BOOL(UNSEEN_MARK), gone, has_gone);
		sync_rows_free(keys);
		if (has_gone)
			note_gone(&load, gone);
		else
			sync_seen_clear(&load, false);
		sync_target_close(target);
		SPI_finish();
	}
	PG_CATCH();
	{
		sync_call_failed(caller);
		PG_RE_THROW();
	}
	PG_END_TRY();
	error_context_stack = outer;
	PG_RETURN_INT64(count);
}

/*
 * Return the column of the target, as SQL, that tells what a full load has seen: the key, or what
 * names the parent.
 */
static const char *
seen_column(const SyncTarget *target)
{
	int column = target->argument >= 0 ? target->argument : target->keys[0];

	return quote_identifier(NameStr(
		TupleDescAttr(RelationGetDescr(target->table), target->attnums[column] - 1)->attname));
}

/*
 * Collect the keys of rows of the target that a full load has not seen, or of their parents.
 */
static Datum
collect_unseen(SyncRows *keys, const SyncTarget *target, const char *dated, bool mark, int most,
			   MemoryContext context)
{
	StringInfoData	sql;
	SyncOwner		saved;
	SyncRows	   *rows;
	TupleTableSlot *slot;
	MemoryContext	old;
	Datum			found = (Datum) 0;
	bool			isnull = true;

	sync_owner_become(target->owner, &saved);
	sync_rows_show(keys, "seen");
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT ARRAY(SELECT DISTINCT format('%%s', t.%s) FROM ONLY %s t WHERE ",
					 seen_column(target), target->name);
	if (mark)
		appendStringInfoString(&sql, "t._deleted_at IS NULL AND ");
	append_unseen(&sql, target, dated);
	appendStringInfo(&sql, " LIMIT %d)", most);
	rows = sync_rows_run(sql.data, NULL);
	slot = MakeSingleTupleTableSlot(rows->tupdesc, &TTSOpsMinimalTuple);
	if (tuplestore_gettupleslot(rows->store, true, false, slot))
		found = slot_getattr(slot, 1, &isnull);
	if (isnull)
		elog(ERROR, "what the full load has not seen is not known");
	old = MemoryContextSwitchTo(context);
	found = datumCopy(found, false, -1);
	MemoryContextSwitchTo(old);
	ExecDropSingleTupleTableSlot(slot);
	sync_rows_free(rows);
	sync_rows_hide("seen");
	sync_owner_leave(&saved);
	return found;
}

/*
 * Return the keys of rows of the target that a full load has not seen, or of their parents, as
 * texts: so many at most.  What is to be marked, and is, doesn't count.
 *
 * SQL: crisp_sync_unseen(source, target, columns, keys, argument, dated, mark, most).
 */
Datum
crisp_sync_unseen(PG_FUNCTION_ARGS)
{
	static const int	  needed[] = {UNSEEN_SOURCE, UNSEEN_TARGET, UNSEEN_COLUMNS,
									  UNSEEN_KEYS,	 UNSEEN_MARK,	UNSEEN_MOST};
	MemoryContext		  caller = CurrentMemoryContext;
	ErrorContextCallback *outer = error_context_stack;
	SyncTarget			 *target;
	SyncSeen			  load;
	SyncRows			 *keys;
	Datum				  found;

	extension_version_check();
	sync_call_check_given(fcinfo, needed, lengthof(needed));
	error_context_stack = NULL;
	SPI_connect();
	target = open_unseen(fcinfo, &load);
	keys = sync_seen_rows(&load);
	found = collect_unseen(keys, target, sync_call_text(fcinfo, UNSEEN_DATED),
						   PG_GETARG_BOOL(UNSEEN_MARK), PG_GETARG_INT32(UNSEEN_MOST), caller);
	sync_rows_free(keys);
	sync_target_close(target);
	SPI_finish();
	error_context_stack = outer;
	PG_RETURN_DATUM(found);
}
