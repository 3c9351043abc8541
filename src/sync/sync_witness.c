/*-------------------------------------------------------------------------
 *
 * sync_witness.c
 *		Find whether rows that a job of crisp_sync() has stored are still there.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/rel.h"

#include "base/extension_version.h"
#include "sync/sync_owner.h"
#include "sync/sync_witness.h"

PG_FUNCTION_INFO_V1(crisp_sync_find_witnesses);

/* Arguments of crisp_sync_find_witnesses(). */
enum
{
	FIND_TARGET,
	FIND_KEYS,
	FIND_WITNESSES,
	FIND_HOLD
};

/* What was found. */
typedef struct Finding
{
	Datum witnesses; /* those that are there; jsonb */
	int64 judged;
	int64 there; /* of those that are judged */
} Finding;

/*
 * Return a column of the target's key.
 */
static Form_pg_attribute
key_column(const SyncTarget *target, int number)
{
	return TupleDescAttr(RelationGetDescr(target->table),
						 target->attnums[target->keys[number]] - 1);
}

/*
 * Show witnesses to statements, with the columns of the key as c1, c2, ...
 */
static void
show_known(SyncWitnesses *witnesses, const SyncTarget *target)
{
	Oid			   type = JSONBOID;
	SyncParameters parameters = {1, &type, &witnesses->keys, NULL};
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT w.witness, w.number");
	for (int i = 0; i < target->nkeys; i++)
	{
		Form_pg_attribute column = key_column(target, i);

		appendStringInfo(
			&sql, ", (w.witness ->> %s)::%s AS c%d", quote_literal_cstr(NameStr(column->attname)),
			format_type_extended(column->atttypid, column->atttypmod,
								 FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY),
			i + 1);
	}
	appendStringInfoString(&sql, " FROM (SELECT e.value AS witness, min(e.number) AS number "
								 "FROM jsonb_array_elements($1) WITH ORDINALITY e (value, number) "
								 "GROUP BY e.value) w");
	witnesses->known = sync_rows_run(sql.data, &parameters);
	sync_rows_show(witnesses->known, "known");
}

/*
 * Show them no more.
 */
static void
hide_known(SyncWitnesses *witnesses)
{
	if (!witnesses->has_keys)
		return;
	sync_rows_hide("known");
	sync_rows_free(witnesses->known);
}

/*
 * Append that a row of the target is the witness k.
 */
static void
append_is_witness(StringInfo sql, const SyncTarget *target)
{
	for (int i = 0; i < target->nkeys; i++)
	{
		appendStringInfoString(sql, i > 0 ? " AND " : "");
		sync_target_equals(sql, target, target->keys[i], psprintf("k.c%d", i + 1), false);
	}
}

/*
 * Look which of the witnesses that are shown are there; hold: and keep them there until the
 * transaction ends, after whoever deletes them now.  Those below the parents aren't judged.
 *
 * Each is looked up by itself, and not by a scan of the table.
 */
static Finding
look(const SyncTarget *target, bool hold, Datum parents, bool has_parents)
{
	Oid				type = TEXTARRAYOID;
	SyncParameters	parameters = {1, &type, &parents, NULL};
	StringInfoData	sql;
	SyncRows	   *rows;
	TupleTableSlot *slot;
	Finding			finding;
	bool			isnull;

	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "WITH x AS MATERIALIZED (SELECT k.witness, k.number, "
					 "coalesce((SELECT true FROM ONLY %s t WHERE ",
					 target->name);
	append_is_witness(&sql, target);
	appendStringInfo(&sql, " LIMIT 1%s), false) AS is_there, ", hold ? " FOR KEY SHARE" : "");
	if (has_parents)
		appendStringInfo(
			&sql, "(k.witness ->> %s = ANY ($1)) IS FALSE",
			quote_literal_cstr(NameStr(TupleDescAttr(RelationGetDescr(target->table),
													 target->attnums[target->argument] - 1)
										   ->attname)));
	else
		appendStringInfoString(&sql, "true");
	appendStringInfoString(
		&sql, " AS is_judged FROM known k) "
			  "SELECT (SELECT coalesce(jsonb_agg(y.witness ORDER BY y.number), '[]') FROM "
			  "(SELECT * FROM x WHERE x.is_there ORDER BY x.number LIMIT 20) y), "
			  "count(*) FILTER (WHERE x.is_judged), "
			  "count(*) FILTER (WHERE x.is_judged AND x.is_there) FROM x");
	rows = sync_rows_run(sql.data, has_parents ? &parameters : NULL);
	slot = MakeSingleTupleTableSlot(rows->tupdesc, &TTSOpsMinimalTuple);
	if (!tuplestore_gettupleslot(rows->store, true, false, slot))
		elog(ERROR, "what has become of the witnesses is not known");
	finding.witnesses = PointerGetDatum(PG_DETOAST_DATUM_COPY(slot_getattr(slot, 1, &isnull)));
	finding.judged = DatumGetInt64(slot_getattr(slot, 2, &isnull));
	finding.there = DatumGetInt64(slot_getattr(slot, 3, &isnull));
	ExecDropSingleTupleTableSlot(slot);
	sync_rows_free(rows);
	return finding;
}

/*
 * Show the witnesses, and look whether they are there.
 */
void
sync_witness_begin(SyncWitnesses *witnesses, const SyncTarget *target, Datum parents,
				   bool has_parents)
{
	/* Where the target lacks all columns of the key, nothing can tell. */
	if (target->nkeys == 0)
		witnesses->has_keys = false;
	if (!witnesses->has_keys)
		return;
	show_known(witnesses, target);
	if (has_parents)
	{
		Finding before = look(target, false, parents, false);

		witnesses->are_lost = before.there * 2 < before.judged;
	}
}

/*
 * Append that a row of the target is a witness.
 */
void
sync_witness_append_is_known(StringInfo sql, const SyncTarget *target)
{
	appendStringInfoString(sql, "EXISTS (SELECT FROM known k WHERE ");
	append_is_witness(sql, target);
	appendStringInfoChar(sql, ')');
}

/*
 * Judge what has become of the witnesses.
 */
void
sync_witness_end(SyncWitnesses *witnesses, const SyncTarget *target, int64 come_again,
				 Datum parents, bool has_parents)
{
	Finding after;

	if (!witnesses->has_keys)
		return;
	after = look(target, false, parents, has_parents);
	/* Below parents, what has come again isn't judged, either. */
	if (!has_parents)
		after.there -= come_again;
	if (after.there * 2 < after.judged)
		witnesses->are_lost = true;
	witnesses->found = after.witnesses;
	hide_known(witnesses);
}

/*
 * Find which keys, objects in an array, some row of a target has: twenty at most, and the first.
 * With hold, they stay there until the transaction ends.  Look as the target's owner: the types of
 * its columns may be that owner's.
 *
 * SQL: crisp_sync_find_witnesses(target, keys, witnesses, hold).
 */
Datum
crisp_sync_find_witnesses(PG_FUNCTION_ARGS)
{
	MemoryContext		  caller = CurrentMemoryContext;
	ErrorContextCallback *outer = error_context_stack;
	SyncWitnesses		  witnesses = {.keys = PG_GETARG_DATUM(FIND_WITNESSES), .has_keys = true};
	SyncTarget			 *target;
	SyncOwner			  saved;
	Datum				  found;
	MemoryContext		  old;

	extension_version_check();
	error_context_stack = NULL;
	SPI_connect();
	target = sync_target_open(PG_GETARG_OID(FIND_TARGET), PG_GETARG_DATUM(FIND_KEYS),
							  PG_GETARG_DATUM(FIND_KEYS), NULL, NULL);
	sync_owner_become(target->owner, &saved);
	sync_witness_begin(&witnesses, target, (Datum) 0, false);
	found = witnesses.has_keys ? look(target, PG_GETARG_BOOL(FIND_HOLD), (Datum) 0, false).witnesses
							   : witnesses.keys;
	old = MemoryContextSwitchTo(caller);
	found = PointerGetDatum(PG_DETOAST_DATUM_COPY(found));
	MemoryContextSwitchTo(old);
	hide_known(&witnesses);
	sync_owner_leave(&saved);
	sync_target_close(target);
	SPI_finish();
	error_context_stack = outer;
	PG_RETURN_DATUM(found);
}
