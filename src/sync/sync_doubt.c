/*-------------------------------------------------------------------------
 *
 * sync_doubt.c
 *		Fetch again what seems to be gone below rows of a parent.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "sync/sync_doubt.h"
#include "sync/sync_owner.h"

/* The parameter of the query that has the parents, counted from 0. */
#define PARENTS 3

/*
 * Run a statement that gives rows of one text, and return these as an array.
 */
static Datum
texts_of(const char *statement, const SyncParameters *parameters, int *count)
{
	SyncRows	   *rows = sync_rows_run(statement, parameters);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(rows->tupdesc, &TTSOpsMinimalTuple);
	int64			most = tuplestore_tuple_count(rows->store);
	Datum		   *texts = palloc(sizeof(Datum) * (Size) Max(most, 1));
	ArrayType	   *array;

	*count = 0;
	while (tuplestore_gettupleslot(rows->store, true, true, slot))
	{
		bool  isnull;
		Datum value = slot_getattr(slot, 1, &isnull);

		/* The slot frees it with the next one. */
		if (!isnull)
			texts[(*count)++] = PointerGetDatum(DatumGetTextPCopy(value));
	}
	array = construct_array(texts, *count, TEXTOID, -1, false, TYPALIGN_INT);
	ExecDropSingleTupleTableSlot(slot);
	sync_rows_free(rows);
	return PointerGetDatum(array);
}

/*
 * Return the parents below which nothing was fetched.
 */
static Datum
find_empty(SyncRows *rows, const char *argument, Datum parents, int *count)
{
	Oid			   type = TEXTARRAYOID;
	SyncParameters parameters = {1, &type, &parents, NULL};
	Datum		   empty;

	sync_rows_show(rows, "fetched");
	empty = texts_of(psprintf("SELECT p.key FROM unnest($1) p (key) WHERE NOT EXISTS (SELECT FROM "
							  "fetched f WHERE f.%s::text = p.key)",
							  argument),
					 &parameters, count);
	sync_rows_hide("fetched");
	return empty;
}

/*
 * Return those of the parents below which the target has rows.
 */
static Datum
find_filled(const SyncTarget *target, Datum parents, int *count)
{
	StringInfoData sql;
	SyncOwner	   saved;
	SyncRows	  *shown;
	Datum		   filled;

	sync_owner_become(target->owner, &saved);
	shown = sync_rows_of_texts(parents, target->table, target->attnums[target->argument]);
	sync_rows_show(shown, "parents");
	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "SELECT p.c1::text FROM parents p WHERE EXISTS (SELECT FROM ONLY %s t WHERE ",
					 target->name);
	sync_target_equals(&sql, target, target->argument, "p.c1", false);
	appendStringInfoChar(&sql, ')');
	filled = texts_of(sql.data, NULL, count);
	sync_rows_hide("parents");
	sync_rows_free(shown);
	sync_owner_leave(&saved);
	return filled;
}

/*
 * Add rows to others of the same description.
 */
static void
add_rows(SyncRows *rows, SyncRows *more)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(more->tupdesc, &TTSOpsMinimalTuple);

	while (tuplestore_gettupleslot(more->store, true, true, slot))
		tuplestore_puttupleslot(rows->store, slot);
	ExecDropSingleTupleTableSlot(slot);
}

void
sync_doubt_fetch(SyncRows *rows, const SyncTarget *target, const char *query,
				 const SyncParameters *parameters, Datum parents)
{
	AttrNumber	attnum = target->attnums[target->argument];
	const char *argument = quote_identifier(
		NameStr(TupleDescAttr(RelationGetDescr(target->table), attnum - 1)->attname));
	SyncParameters again = *parameters;
	Datum		   values[PARENTS + 1];
	SyncRows	  *more;
	int			   count;

	Assert(parameters->count == lengthof(values));
	memcpy(values, parameters->values, sizeof(values));
	again.values = values;
	values[PARENTS] = find_empty(rows, argument, parents, &count);
	if (count > 0)
		values[PARENTS] = find_filled(target, values[PARENTS], &count);
	if (count == 0)
		return;
	more = sync_rows_run(query, &again);
	add_rows(rows, more);
	sync_rows_free(more);
}
