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
#include "sync/sync_rows.h"
#include "sync/sync_target.h"

PG_FUNCTION_INFO_V1(crisp_sync_find_witnesses);

/*
 * Append the members of a witness, w.value, as the columns of a key.
 */
static void
append_key_of_witness(StringInfo sql, const SyncTarget *target)
{
	for (int i = 0; i < target->ncolumns; i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(target->table),
												 target->attnums[i] - 1);

		appendStringInfo(
			sql, "%s(w.value ->> %s)::%s AS c%d", i > 0 ? ", " : "",
			quote_literal_cstr(NameStr(column->attname)),
			format_type_extended(column->atttypid, column->atttypmod,
								 FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY),
			i + 1);
	}
}

/*
 * Find those that are there, twenty at most, and the first; NULL for none.
 */
static Datum
find_witnesses(const SyncTarget *target, Datum witnesses, MemoryContext caller, bool *isnull)
{
	Oid				type = JSONBOID;
	SyncParameters	parameters = {1, &type, &witnesses, NULL};
	StringInfoData	sql;
	SyncRows	   *rows;
	TupleTableSlot *slot;
	Datum			found = (Datum) 0;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT jsonb_agg(x.witness ORDER BY x.number) FROM ("
								 "SELECT w.value AS witness, min(w.number) AS number "
								 "FROM jsonb_array_elements($1) WITH ORDINALITY w (value, number) "
								 "CROSS JOIN LATERAL (SELECT ");
	append_key_of_witness(&sql, target);
	appendStringInfo(&sql, ") f WHERE EXISTS (SELECT FROM ONLY %s t WHERE ", target->name);
	for (int i = 0; i < target->ncolumns; i++)
	{
		appendStringInfoString(&sql, i > 0 ? " AND " : "");
		sync_target_equals(&sql, target, i, psprintf("f.c%d", i + 1), false);
	}
	appendStringInfoString(&sql, ") GROUP BY w.value ORDER BY 2 LIMIT 20) x");

	rows = sync_rows_run(sql.data, &parameters);
	slot = MakeSingleTupleTableSlot(rows->tupdesc, &TTSOpsMinimalTuple);
	*isnull = true;
	if (tuplestore_gettupleslot(rows->store, true, false, slot))
	{
		Datum value = slot_getattr(slot, 1, isnull);

		if (!*isnull)
		{
			MemoryContext old = MemoryContextSwitchTo(caller);

			found = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
			MemoryContextSwitchTo(old);
		}
	}
	ExecDropSingleTupleTableSlot(slot);
	sync_rows_free(rows);
	return found;
}

/*
 * Find which keys, objects in an array, some row of a target has.  Look as the target's owner: the
 * types of its columns may be that owner's.
 *
 * SQL: crisp_sync_find_witnesses(target, keys, witnesses).
 */
Datum
crisp_sync_find_witnesses(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	SyncTarget	 *target;
	SyncOwner	  saved;
	Datum		  found;
	bool		  isnull;

	extension_version_check();
	SPI_connect();
	target = sync_target_open(PG_GETARG_OID(0), PG_GETARG_DATUM(1), PG_GETARG_DATUM(1), NULL, NULL);
	sync_owner_become(target->owner, &saved);
	found = find_witnesses(target, PG_GETARG_DATUM(2), caller, &isnull);
	sync_owner_leave(&saved);
	sync_target_close(target);
	SPI_finish();
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(found);
}
