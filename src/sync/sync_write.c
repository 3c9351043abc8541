/*-------------------------------------------------------------------------
 *
 * sync_write.c
 *		Write rows into the target of a run of crisp_sync().
 *
 * The source is read as the current user, the target is written as its owner
 * (sync_owner.h), with statements that are made here alone.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/typcache.h"

#include "base/extension_version.h"
#include "sync/sync_call.h"
#include "sync/sync_doubt.h"
#include "sync/sync_match.h"
#include "sync/sync_owner.h"
#include "sync/sync_rows.h"
#include "sync/sync_seen.h"
#include "sync/sync_sql.h"
#include "sync/sync_stored.h"
#include "sync/sync_target.h"
#include "sync/sync_witness.h"

PG_FUNCTION_INFO_V1(crisp_sync_exchange);

/* Arguments of crisp_sync_exchange(). */
enum
{
	EXCHANGE_SOURCE,
	EXCHANGE_TARGET,
	EXCHANGE_QUERY,
	EXCHANGE_SUMMARY,
	EXCHANGE_LOWER,
	EXCHANGE_UPPER,
	EXCHANGE_PARENTS,
	EXCHANGE_COLUMNS,
	EXCHANGE_KEYS,
	EXCHANGE_ARGUMENT,
	EXCHANGE_GUARD,
	EXCHANGE_FULL,
	EXCHANGE_MARK,
	EXCHANGE_KEPT,
	EXCHANGE_PARTS,
	EXCHANGE_PAGES,
	EXCHANGE_PAGES_BEFORE,
	EXCHANGE_WITNESSES
};

/*----------
 * Rows that have a key
 *----------
 */

/*
 * Drop what the parents had before, and no longer have.
 */
static int64
drop_missing(const SyncTarget *target, bool mark)
{
	StringInfoData sql;

	initStringInfo(&sql);
	sync_sql_gone(&sql, target, "", mark);
	sync_sql_below_parents(&sql, target);
	appendStringInfoString(&sql, " AND NOT EXISTS (SELECT FROM fetched f WHERE ");
	for (int i = 0; i < target->nkeys; i++)
	{
		appendStringInfoString(&sql, i > 0 ? " AND " : "");
		sync_target_equals(&sql, target, target->keys[i], psprintf("f.c%d", target->keys[i] + 1),
						   false);
	}
	appendStringInfoChar(&sql, ')');
	return sync_sql_counted(sql.data);
}

/*
 * Append that a row of the target isn't as it was fetched, and not newer.
 *
 * Compare as stored, which every type can be.
 */
static void
append_differs(StringInfo sql, const SyncTarget *target, bool full)
{
	appendStringInfoString(sql, "(record_image_ne(");
	sync_sql_row(sql, target, "t.%t");
	appendStringInfoString(sql, ", ");
	sync_sql_row(sql, target, "excluded.%t");
	appendStringInfo(sql, ")%s)", target->has_deleted ? " OR t._deleted_at IS NOT NULL" : "");
	/* Crisp may answer from a cache, and another job may have brought what is newer. */
	if (target->guard >= 0 && !full)
	{
		const char *guard = quote_identifier(NameStr(
			TupleDescAttr(RelationGetDescr(target->table), target->attnums[target->guard] - 1)
				->attname));

		appendStringInfo(sql, " AND (t.%s <= excluded.%s) IS NOT FALSE", guard, guard);
	}
	/* One that is stored under a key of a trigger's is returned, so that it's noticed. */
	sync_stored_append_or_moved(sql, target);
}

/*
 * Raise an error where rows that Crisp tells apart have the same key in the target.
 *
 * An encoding that lacks characters, a type or a collation can make them equal.
 */
static void
check_keys(const SyncTarget *target)
{
	StringInfoData	sql;
	SyncRows	   *found;
	TupleTableSlot *slot;
	bool			isnull;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT min(");
	sync_sql_key(&sql, target, true);
	appendStringInfoString(&sql, "), count(*) FROM fetched f GROUP BY ");
	for (int i = 0; i < target->nkeys; i++)
		appendStringInfo(&sql, "%sf.c%d", i > 0 ? ", " : "", target->keys[i] + 1);
	appendStringInfoString(&sql, " HAVING count(*) > 1 LIMIT 1");
	found = sync_rows_run(sql.data, NULL);
	slot = MakeSingleTupleTableSlot(found->tupdesc, &TTSOpsMinimalTuple);
	if (tuplestore_gettupleslot(found->store, true, false, slot))
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("table %s does not tell all rows of Crisp's apart", target->name),
				 errdetail("%s is the key of " INT64_FORMAT " rows there.",
						   TextDatumGetCString(slot_getattr(slot, 1, &isnull)),
						   DatumGetInt64(slot_getattr(slot, 2, &isnull))),
				 errhint("It takes a type, a collation and an encoding of the database in which "
						 "the keys differ.")));
	ExecDropSingleTupleTableSlot(slot);
	sync_rows_free(found);
}

/*
 * Write rows over their old versions, where those differ.  Return how many of the witnesses, which
 * are shown if there are any, were gone, and are there again.  Raise an error where a trigger has
 * given a row another key.
 */
static int64
write_by_key(const SyncTarget *target, bool full, bool has_witnesses, SyncWritten *written)
{
	SyncParameters	now = sync_sql_now();
	StringInfoData	sql;
	SyncRows	   *counts;
	TupleTableSlot *slot;
	bool			isnull;
	int64			come_again = 0;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "WITH stored AS (");
	sync_sql_insert(&sql, target);
	appendStringInfoString(&sql, " ON CONFLICT (");
	for (int i = 0; i < target->nkeys; i++)
		appendStringInfo(
			&sql, "%s%s", i > 0 ? ", " : "",
			quote_identifier(NameStr(
				TupleDescAttr(RelationGetDescr(target->table), target->attnums[target->keys[i]] - 1)
					->attname)));
	appendStringInfoString(&sql, ") DO UPDATE SET ");
	sync_target_list(&sql, target, "%t = excluded.%t");
	appendStringInfo(&sql, "%s%s WHERE ",
					 target->has_synced ? ", _synced_at = excluded._synced_at" : "",
					 target->has_deleted ? ", _deleted_at = NULL" : "");
	append_differs(&sql, target, full);
	appendStringInfoString(&sql, " RETURNING t.xmax::text = '0' AS is_new, ");
	if (has_witnesses)
		sync_witness_append_is_known(&sql, target);
	else
		appendStringInfoString(&sql, "false");
	appendStringInfoString(&sql, " AS is_known, ");
	sync_stored_append_moved(&sql, target);
	appendStringInfoString(&sql, ") SELECT count(*) FILTER (WHERE is_new), "
								 "count(*) FILTER (WHERE NOT is_new), "
								 "count(*) FILTER (WHERE is_new AND is_known), min(moved) "
								 "FROM stored");
	counts = sync_stored_run(target, sql.data, &now);
	slot = MakeSingleTupleTableSlot(counts->tupdesc, &TTSOpsMinimalTuple);
	if (tuplestore_gettupleslot(counts->store, true, false, slot))
	{
		Datum moved = slot_getattr(slot, 4, &isnull);

		if (!isnull)
			sync_stored_raise(target, TextDatumGetCString(moved));
		written->inserted = DatumGetInt64(slot_getattr(slot, 1, &isnull));
		written->updated = DatumGetInt64(slot_getattr(slot, 2, &isnull));
		come_again = DatumGetInt64(slot_getattr(slot, 3, &isnull));
	}
	ExecDropSingleTupleTableSlot(slot);
	sync_rows_free(counts);
	return come_again;
}

/*----------
 * What a full load has seen
 *----------
 */

/*
 * Return the keys of what was fetched, or the parents of which all was fetched, as rows of text[].
 */
static SyncRows *
seen_keys(const SyncTarget *target)
{
	StringInfoData sql;

	if (target->argument >= 0)
		return sync_rows_run("SELECT DISTINCT ARRAY[format('%s', p.c1)] AS key FROM parents p",
							 NULL);
	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT DISTINCT ARRAY[");
	for (int i = 0; i < target->nkeys; i++)
		appendStringInfo(&sql, "%sformat('%%s', f.c%d)", i > 0 ? ", " : "", target->keys[i] + 1);
	appendStringInfoString(&sql, "] AS key FROM fetched f");
	return sync_rows_run(sql.data, NULL);
}

/*----------
 * Functions of SQL
 *----------
 */

/*
 * Run the statement that says something of all that was fetched: one row of one value of a
 * composite type.
 */
static HeapTuple
summarize(SyncRows *rows, const char *statement, Oid type, TupleDesc *tupdesc,
		  MemoryContext context)
{
	MemoryContext	old;
	HeapTupleHeader header;
	HeapTupleData	tuple;
	HeapTuple		result;
	Datum			value = (Datum) 0;
	bool			isnull = true;

	/* Whoever calls it may have written the statement. */
	sync_rows_show(rows, "fetched");
	if (SPI_execute(statement, false, 1) == SPI_OK_SELECT && SPI_processed == 1 &&
		SPI_gettypeid(SPI_tuptable->tupdesc, 1) == type)
		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg_internal("a summary must be one value of type %s", format_type_be(type))));
	header = DatumGetHeapTupleHeader(value);
	sync_rows_hide("fetched");
	old = MemoryContextSwitchTo(context);
	*tupdesc = lookup_rowtype_tupdesc_copy(HeapTupleHeaderGetTypeId(header),
										   HeapTupleHeaderGetTypMod(header));
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	result = heap_copytuple(&tuple);
	MemoryContextSwitchTo(old);
	return result;
}

/*
 * Add to the value that summarize() made what was written, what has become of witnesses, and what
 * parts have covered, which may be NULL.
 */
static Datum
with_counts(HeapTuple tuple, TupleDesc tupdesc, const SyncWritten *written,
			const SyncWitnesses *witnesses, const SyncParts *parts)
{
	Datum *values = palloc(sizeof(Datum) * tupdesc->natts);
	bool  *nulls = palloc(sizeof(bool) * tupdesc->natts);

	heap_deform_tuple(tuple, tupdesc, values, nulls);
	for (int i = 0; i < tupdesc->natts; i++)
	{
		const char	*name = NameStr(TupleDescAttr(tupdesc, i)->attname);
		const int64 *count = strcmp(name, "inserted") == 0	? &written->inserted
							 : strcmp(name, "updated") == 0 ? &written->updated
							 : strcmp(name, "deleted") == 0 ? &written->deleted
															: NULL;

		if (count != NULL)
		{
			values[i] = Int64GetDatum(*count);
			nulls[i] = false;
		}
		else if (parts != NULL && strcmp(name, "covered") == 0)
			nulls[i] = !sync_parts_covered(parts, &values[i]);
		else if (witnesses->has_keys && strcmp(name, "witnesses") == 0)
		{
			values[i] = witnesses->found;
			nulls[i] = false;
		}
		else if (strcmp(name, "lost") == 0)
		{
			values[i] = BoolGetDatum(witnesses->are_lost);
			nulls[i] = false;
		}
	}
	return HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls));
}

/*
 * Keep those of the rows that satisfy a condition, in place of the rows, which are freed.
 */
static SyncRows *
keep_some(SyncRows *rows, const char *condition)
{
	SyncRows *kept;

	sync_rows_show(rows, "fetched");
	kept = sync_rows_run(psprintf("SELECT * FROM fetched f WHERE %s", condition), NULL);
	sync_rows_hide("fetched");
	sync_rows_free(rows);
	return kept;
}

/*
 * Write what was fetched.  Return what a full load has seen with it, or NULL.
 */
static SyncRows *
write_fetched(SyncRows *rows, const SyncTarget *target, Datum parents, bool has_parents, bool full,
			  bool mark, SyncWritten *written, SyncWitnesses *witnesses)
{
	const int *needed = target->has_key ? target->keys : &target->argument;
	int		   nneeded = target->has_key ? target->nkeys : 1;
	SyncRows  *below = NULL;
	SyncRows  *seen = NULL;
	SyncOwner  saved;
	SyncRows  *fetched;
	int64	   come_again = 0;

	sync_owner_become(target->owner, &saved);
	fetched = sync_rows_convert(rows, target->table, target->attnums, target->ncolumns, needed,
								nneeded, saved.is_restricted);
	sync_rows_show(fetched, "fetched");
	if (has_parents)
	{
		below = sync_rows_of_texts(parents, target->table, target->attnums[target->argument]);
		sync_rows_show(below, "parents");
	}
	sync_witness_begin(witnesses, target, parents, has_parents);
	if (target->has_key)
	{
		if (has_parents)
		{
			sync_match_check(target);
			written->deleted = drop_missing(target, mark);
		}
		check_keys(target);
		written->before = sync_stored_count(target);
		come_again = write_by_key(target, full, witnesses->has_keys, written);
	}
	else
		sync_match_write(target, mark, written);
	if (written->before >= 0)
		sync_stored_check(target, written->before + written->inserted);
	sync_witness_end(witnesses, target, come_again, parents, has_parents);
	if (full)
		seen = seen_keys(target);
	sync_rows_hide("fetched");
	sync_rows_free(fetched);
	if (has_parents)
	{
		sync_rows_hide("parents");
		sync_rows_free(below);
	}
	sync_owner_leave(&saved);
	return seen;
}

/*
 * Open the target that the arguments name.
 */
static SyncTarget *
open_target(FunctionCallInfo fcinfo)
{
	SyncTarget *target = sync_target_open(
		PG_GETARG_OID(EXCHANGE_TARGET), PG_GETARG_DATUM(EXCHANGE_COLUMNS),
		PG_GETARG_DATUM(EXCHANGE_KEYS), sync_call_text(fcinfo, EXCHANGE_ARGUMENT),
		sync_call_text(fcinfo, EXCHANGE_GUARD));

	if (!target->has_key && (target->argument < 0 || PG_ARGISNULL(EXCHANGE_PARENTS)))
		ereport(ERROR, (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
						errmsg("table %s has no unique key any more by which rows are found",
							   target->name)));
	if (target->argument < 0 && !PG_ARGISNULL(EXCHANGE_PARENTS))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg_internal("parents were given, and no column that names them")));
	return target;
}

/*
 * Fetch rows, and write them.
 */
static Datum
exchange(FunctionCallInfo fcinfo, MemoryContext caller)
{
	static const int needed[] = {EXCHANGE_SOURCE,  EXCHANGE_TARGET,	 EXCHANGE_QUERY,
								 EXCHANGE_SUMMARY, EXCHANGE_COLUMNS, EXCHANGE_KEYS,
								 EXCHANGE_FULL,	   EXCHANGE_MARK};
	Oid				 types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTARRAYOID};
	Datum			 values[4] = {0};
	char			 nulls[] = "nnnn";
	SyncParameters	 parameters = {4, types, values, nulls};
	bool			 has_parents = !PG_ARGISNULL(EXCHANGE_PARENTS);
	bool			 full = PG_GETARG_BOOL(EXCHANGE_FULL);
	const char		*query;
	SyncWritten		 written = {0};
	SyncWitnesses	 witnesses = {0};
	SyncParts		*parts = NULL;
	SyncTarget		*target;
	SyncRows		*rows;
	SyncRows		*seen;
	HeapTuple		 summary;
	TupleDesc		 tupdesc;
	Datum			 result;
	MemoryContext	 old;

	sync_call_check_given(fcinfo, needed, lengthof(needed));
	query = sync_call_text(fcinfo, EXCHANGE_QUERY);
	for (int i = EXCHANGE_LOWER; i <= EXCHANGE_PARENTS; i++)
		if (!PG_ARGISNULL(i))
		{
			int number = i == EXCHANGE_PARENTS ? 3 : i - EXCHANGE_LOWER;

			values[number] = PG_GETARG_DATUM(i);
			nulls[number] = ' ';
		}
	sync_owner_check_rights(PG_GETARG_OID(EXCHANGE_TARGET));
	if (!PG_ARGISNULL(EXCHANGE_PARTS) && !PG_ARGISNULL(EXCHANGE_PAGES))
		parts = sync_parts_create(
			PG_GETARG_DATUM(EXCHANGE_PARTS), PG_GETARG_INT64(EXCHANGE_PAGES),
			PG_ARGISNULL(EXCHANGE_PAGES_BEFORE) ? 0 : PG_GETARG_INT64(EXCHANGE_PAGES_BEFORE));
	rows = sync_rows_run_parts(query, &parameters, parts);
	target = open_target(fcinfo);
	if (has_parents)
		sync_doubt_fetch(rows, target, query, &parameters, values[3]);
	summary = summarize(rows, sync_call_text(fcinfo, EXCHANGE_SUMMARY),
						get_func_rettype(fcinfo->flinfo->fn_oid), &tupdesc, caller);

	if (!PG_ARGISNULL(EXCHANGE_KEPT))
		rows = keep_some(rows, sync_call_text(fcinfo, EXCHANGE_KEPT));

	if (!PG_ARGISNULL(EXCHANGE_WITNESSES))
	{
		witnesses.keys = PG_GETARG_DATUM(EXCHANGE_WITNESSES);
		witnesses.has_keys = JB_ROOT_COUNT(DatumGetJsonbP(witnesses.keys)) > 0;
	}
	seen = write_fetched(rows, target, values[3], has_parents, full, PG_GETARG_BOOL(EXCHANGE_MARK),
						 &written, &witnesses);
	sync_rows_free(rows);
	if (seen != NULL)
	{
		SyncSeen load = sync_seen_of_job(fcinfo->flinfo->fn_oid, PG_GETARG_OID(EXCHANGE_SOURCE),
										 PG_GETARG_OID(EXCHANGE_TARGET));

		sync_seen_add(&load, seen);
		sync_rows_free(seen);
	}
	sync_target_close(target);
	old = MemoryContextSwitchTo(caller);
	result = with_counts(summary, tupdesc, &written, &witnesses, parts);
	MemoryContextSwitchTo(old);
	return result;
}

/*
 * Fetch rows by a query, and write them.  With parts, the list is read as sync_parts.h says, and
 * the column covered of the type that is returned is filled in.  Parameters of the query are lower
 * ($1), upper ($2) and the parents ($4).  With parents, what these had before, and no longer have,
 * goes, or is marked.  The summary is a query over the rows, called fetched, for one value of the
 * type that is returned; the counts of what was written are filled in, and what has become of
 * witnesses: rows that were stored before, by their keys.
 *
 * Rows that don't satisfy the condition kept are summarized, and not written.
 *
 * An error's CONTEXT says what happened here, and nothing of who called.
 *
 * SQL: crisp_sync_exchange(source, target, query, summary, lower, upper, parents, columns, keys,
 * argument, guard, is_full, mark, kept, parts, pages, pages_before, witnesses).
 */
Datum
crisp_sync_exchange(PG_FUNCTION_ARGS)
{
	MemoryContext		  caller = CurrentMemoryContext;
	ErrorContextCallback *outer = error_context_stack;
	Datum				  result = (Datum) 0;

	extension_version_check();
	sync_call_begin();
	error_context_stack = NULL;
	PG_TRY();
	{
		SPI_connect();
		result = exchange(fcinfo, caller);
		SPI_finish();
	}
	PG_CATCH();
	{
		sync_call_failed(caller);
		PG_RE_THROW();
	}
	PG_END_TRY();
	error_context_stack = outer;
	PG_RETURN_DATUM(result);
}
