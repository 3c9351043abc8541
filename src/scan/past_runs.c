/*-------------------------------------------------------------------------
 *
 * past_runs.c
 *		Keep what runs of a scan have given, for others that give the same.
 *
 * A subquery, or a nested loop without Memoize, comes back to a value of what Crisp filters by, and
 * asks for the same list again.  So the rows of each run that has given all that it's to give are
 * kept, one behind the other, and found by all that makes the run another one.
 *
 * None is dropped for another: a run that is kept has cost requests, and rows cost no more than
 * room in a file.  There are rarely more rows than the list without that filter has, as that one is
 * read when the runs have cost as much (wider_list.c).
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/spill.h"
#include "base/text_key.h"
#include "scan/past_runs.h"

/* How large the file may become, as a multiple of work_mem. */
#define MAX_FILE 16

/* A run that was kept. */
typedef struct PastRun
{
	TextKey key; /* of what it has given */
	int64	offset;
	int64	count;
} PastRun;

struct PastRuns
{
	MemoryContext	context;
	ResourceOwner	owner;
	TupleTableSlot *slot;	/* for a row on its way; empty between calls */
	Oid				table;	/* the rows' tableoid */
	HTAB		   *runs;	/* PastRuns; NULL before the first */
	Spill		   *tuples; /* their rows: minimal tuples, which have their lengths */
	int64			recalled;
};

PastRuns *
past_runs_create(MemoryContext parent, TupleDesc tupdesc)
{
	MemoryContext context = AllocSetContextCreate(parent, "crisp_fdw past runs",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	PastRuns	 *runs = palloc0(sizeof(PastRuns));

	runs->context = context;
	runs->owner = CurrentResourceOwner;
	runs->slot = MakeSingleTupleTableSlot(tupdesc, &TTSOpsMinimalTuple);
	MemoryContextSwitchTo(old_context);
	return runs;
}

TextKey
past_runs_list_key(const CrispRequest *request)
{
	ListRequest list = request->as.list;
	bool		stops = list.stops && list.stop_column != NULL;
	char	   *target;
	char	   *text;
	TextKey		key;

	/* Crisp may refuse an order; and rows are the same on pages of another size. */
	list.any_order = true;
	list.per_page = list.options->per_page;
	target = request_list_target(&list, 1);
	text = psprintf("%s %s " INT64_FORMAT " %s", target, stops ? list.stop_column->path : "-",
					stops ? list.stop_before : 0, request->search ? request->search : "");
	key = text_key(text);

	pfree(text);
	pfree(target);
	return key;
}

bool
past_runs_has(PastRuns *runs, TextKey key)
{
	return runs->runs != NULL && hash_search(runs->runs, &key, HASH_FIND, NULL) != NULL;
}

/*
 * Append all rows of a store.
 */
static int64
append_rows(PastRuns *runs, RowStore *rows)
{
	int64 count = 0;

	row_store_rewind(rows);
	while (row_store_get(rows, runs->slot))
	{
		bool		 is_copy;
		MinimalTuple tuple = ExecFetchSlotMinimalTuple(runs->slot, &is_copy);

		CHECK_FOR_INTERRUPTS();
		spill_append(runs->tuples, tuple, tuple->t_len);
		if (is_copy)
			heap_free_minimal_tuple(tuple);
		runs->table = runs->slot->tts_tableOid;
		ExecClearTuple(runs->slot);
		count++;
	}
	return count;
}

void
past_runs_keep(PastRuns *runs, TextKey key, RowStore *rows)
{
	MemoryContext old_context = MemoryContextSwitchTo(runs->context);
	PastRun		 *run;
	int64		  offset;
	int64		  count;

	if (runs->runs == NULL)
	{
		runs->runs = text_key_table("crisp_fdw past runs", runs->context, sizeof(PastRun));
		runs->tuples = spill_create(runs->context, (Size) work_mem * 1024, runs->owner);
	}
	offset = spill_size(runs->tuples);
	if (hash_search(runs->runs, &key, HASH_FIND, NULL) == NULL &&
		offset < (int64) work_mem * 1024 * MAX_FILE)
	{
		count = append_rows(runs, rows);
		run = hash_search(runs->runs, &key, HASH_ENTER, NULL);
		run->offset = offset;
		run->count = count;
	}
	MemoryContextSwitchTo(old_context);
}

/*
 * Put the row that was kept at an offset into a store.  Returns the offset behind it.
 */
static int64
put_row(PastRuns *runs, int64 offset, RowStore *rows)
{
	uint32		 length;
	MinimalTuple tuple;

	spill_read(runs->tuples, offset, &length, sizeof(length));
	tuple = palloc(length);
	spill_read(runs->tuples, offset, tuple, length);
	ExecStoreMinimalTuple(tuple, runs->slot, true);
	runs->slot->tts_tableOid = runs->table;
	row_store_put(rows, runs->slot);
	ExecClearTuple(runs->slot);
	return offset + length;
}

bool
past_runs_recall(PastRuns *runs, TextKey key, RowStore *rows)
{
	MemoryContext  old_context = MemoryContextSwitchTo(runs->context);
	const PastRun *run = NULL;

	if (runs->runs != NULL)
		run = hash_search(runs->runs, &key, HASH_FIND, NULL);
	if (run != NULL)
	{
		int64 offset = run->offset;

		for (int64 i = 0; i < run->count; i++)
		{
			CHECK_FOR_INTERRUPTS();
			offset = put_row(runs, offset, rows);
		}
		row_store_rewind(rows);
		runs->recalled++;
	}
	MemoryContextSwitchTo(old_context);
	return run != NULL;
}

int64
past_runs_recalled(const PastRuns *runs)
{
	return runs != NULL ? runs->recalled : 0;
}

void
past_runs_end(PastRuns *runs)
{
	if (runs == NULL)
		return;
	ExecDropSingleTupleTableSlot(runs->slot);
	if (runs->tuples != NULL)
		spill_end(runs->tuples);
	MemoryContextDelete(runs->context);
}
