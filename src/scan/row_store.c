/*-------------------------------------------------------------------------
 *
 * row_store.c
 *		Keep rows, beyond work_mem in a temporary file.
 *
 * A tuplestore that has spilled reads a row into memory of the moment, and lets the slot free it:
 * in a scan, that is memory which is reset before the slot is filled again.  So nobody else here
 * has to do with tuplestores: a row is read into the store's own memory, and has left its slot when
 * row_store_get() returns.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "scan/row_store.h"

struct RowStore
{
	MemoryContext	 context;
	Tuplestorestate *tuples;
	TupleTableSlot	*slot;	/* for a row of it; empty between calls */
	Oid				 table; /* the rows' tableoid, which a tuplestore doesn't keep */
	int64			 count; /* of all rows */
	int64			 got;
};

RowStore *
row_store_create(MemoryContext parent, TupleDesc tupdesc)
{
	MemoryContext context = AllocSetContextCreate(parent, "crisp_fdw kept rows",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	RowStore	 *store = palloc0(sizeof(RowStore));

	store->context = context;
	store->tuples = tuplestore_begin_heap(false, false, work_mem);
	tuplestore_set_eflags(store->tuples, EXEC_FLAG_REWIND);
	store->slot = MakeSingleTupleTableSlot(tupdesc, &TTSOpsMinimalTuple);
	MemoryContextSwitchTo(old_context);
	return store;
}

void
row_store_put(RowStore *store, TupleTableSlot *slot)
{
	store->table = slot->tts_tableOid;
	store->count++;
	if (tuplestore_ateof(store->tuples))
		store->got++;
	tuplestore_puttupleslot(store->tuples, slot);
}

bool
row_store_get(RowStore *store, TupleTableSlot *slot)
{
	MemoryContext old_context = MemoryContextSwitchTo(store->context);
	bool		  found = tuplestore_gettupleslot(store->tuples, true, false, store->slot);

	if (found)
	{
		ExecCopySlot(slot, store->slot);
		ExecClearTuple(store->slot);
		slot->tts_tableOid = store->table;
		store->got++;
	}
	MemoryContextSwitchTo(old_context);
	return found;
}

bool
row_store_has_next(const RowStore *store)
{
	return store->got < store->count;
}

int64
row_store_position(const RowStore *store)
{
	return store->got;
}

void
row_store_seek(RowStore *store, int64 position)
{
	MemoryContext old_context = MemoryContextSwitchTo(store->context);

	tuplestore_rescan(store->tuples);
	if (position > 0 && !tuplestore_skiptuples(store->tuples, position, true))
		elog(ERROR, "crisp_fdw: a row that was kept is missing");
	store->got = position;
	MemoryContextSwitchTo(old_context);
}

void
row_store_rewind(RowStore *store)
{
	row_store_seek(store, 0);
}

void
row_store_clear(RowStore *store)
{
	tuplestore_clear(store->tuples);
	store->count = 0;
	store->got = 0;
}

void
row_store_end(RowStore *store)
{
	ExecDropSingleTupleTableSlot(store->slot);
	tuplestore_end(store->tuples);
	MemoryContextDelete(store->context);
}
