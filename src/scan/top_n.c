/*-------------------------------------------------------------------------
 *
 * top_n.c
 *		The newest rows of a list that the API sorts on demand.
 *
 * ORDER BY … LIMIT n needs the first pages of a sorted list only.  But no row may leave the scan
 * before it's certain that the list is sorted as far as it was read: the first n rows are gathered
 * first, and more where these are all of one time.  If one of them is out of order, or the list
 * comes from the other end, the whole list is read and sorted here, so that the result is right
 * whatever the API does.
 *
 * Conditions of which the API isn't told decide how far that goes.  A scan that is run for many
 * values of these goes through the rows that have come first.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/sortsupport.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

#include "scan/top_n.h"
#include "scan/row_store.h"

struct TopN
{
	MemoryContext	  context;
	ForeignScanState *node;
	TopNSource		  source;
	Oid				  sort_operator;
	Oid				  collation;

	bool			trusted;
	bool			gathered;
	bool			at_end;	  /* of this pass over the list */
	bool			list_end; /* no other row comes from the source */
	RowStore	   *all; /* all rows that have come, for other passes; NULL where none may follow */
	RowStore	   *rows;		 /* those that satisfy the conditions, in order, as they came */
	Tuplesortstate *sorted;		 /* what follows those; NULL where nothing does yet */
	TupleTableSlot *sorted_slot; /* for a row of it; empty between calls */

	/*
	 * A row is looked at in memory of its own: the scan's may be that of a row which somebody still
	 * uses.
	 */
	ExprContext *econtext;
};

/*
 * Look up how the sort column is compared.
 */
static void
prepare_comparison(TopN *newest, TupleDesc tupdesc)
{
	Form_pg_attribute attribute = TupleDescAttr(tupdesc, newest->source.attnum - 1);
	Oid				  type = getBaseType(attribute->atttypid);
	TypeCacheEntry	 *entry = lookup_type_cache(type, TYPECACHE_GT_OPR | TYPECACHE_LT_OPR);

	newest->sort_operator = newest->source.ascending ? entry->lt_opr : entry->gt_opr;
	newest->collation = attribute->attcollation;
}

TopN *
top_n_begin(MemoryContext parent, ForeignScanState *node, const TopNSource *source, bool trusted,
			bool keeps_rows)
{
	TupleDesc	  tupdesc = node->ss.ss_ScanTupleSlot->tts_tupleDescriptor;
	MemoryContext context = AllocSetContextCreate(parent, "crisp_fdw newest",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	TopN		 *newest = palloc0(sizeof(TopN));

	newest->context = context;
	newest->node = node;
	newest->source = *source;
	newest->trusted = trusted;
	if (keeps_rows)
		newest->all = row_store_create(context, tupdesc);
	newest->rows = row_store_create(context, tupdesc);
	newest->sorted_slot = MakeSingleTupleTableSlot(tupdesc, &TTSOpsMinimalTuple);
	newest->econtext = CreateExprContext(node->ss.ps.state);
	prepare_comparison(newest, tupdesc);
	MemoryContextSwitchTo(old_context);
	return newest;
}

/*
 * Fetch the next row that has come already, or comes now; returns false at the end of the
 * list.
 */
static bool
fetch_any(TopN *newest, TupleTableSlot *slot)
{
	if (newest->all != NULL && row_store_get(newest->all, slot))
		return true;
	newest->list_end = newest->list_end || !newest->source.fetch(newest->node, slot);
	if (newest->list_end)
		return false;
	if (newest->all != NULL)
		row_store_put(newest->all, slot);
	return true;
}

/*
 * Fetch the next row; returns false at the end of the list.  *matches tells whether it satisfies
 * the scan's conditions.  What the slot refers to stays until the next call.
 */
static bool
fetch(TopN *newest, TupleTableSlot *slot, bool *matches)
{
	ExprContext	 *econtext = newest->econtext;
	MemoryContext old_context;
	bool		  found;

	/* As ExecScan() does between rows. */
	ExecClearTuple(slot);
	ResetExprContext(econtext);
	old_context = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
	found = fetch_any(newest, slot);
	MemoryContextSwitchTo(old_context);
	if (!found)
	{
		newest->at_end = true;
		return false;
	}
	econtext->ecxt_scantuple = slot;
	*matches = ExecQual(newest->node->ss.ps.qual, econtext);
	if (!*matches)
		InstrCountFiltered1(newest->node, 1);
	return true;
}

/*
 * Whether the list has come in the order that is wanted, as far as it has shown.
 */
static bool
is_kept(const TopN *newest)
{
	OrderVerdict verdict = newest->source.verdict(newest->node);

	return verdict == ORDER_KEPT || verdict == ORDER_OPEN;
}

/*
 * Read the rest of the list, and sort it, together with the rows gathered
 * before if they are not yet out.
 */
static void
sort_rest(TopN *newest, TupleTableSlot *slot, bool with_gathered)
{
	MemoryContext old_context = MemoryContextSwitchTo(newest->context);
	bool		  matches;

	newest->sorted = tuplesort_begin_heap(slot->tts_tupleDescriptor, 1, &newest->source.attnum,
										  &newest->sort_operator, &newest->collation,
										  &newest->source.nulls_first, work_mem, NULL, 0);
	MemoryContextSwitchTo(old_context);

	if (with_gathered)
	{
		while (row_store_get(newest->rows, slot))
			tuplesort_puttupleslot(newest->sorted, slot);
	}
	while (!newest->at_end && fetch(newest, slot, &matches))
	{
		if (!with_gathered && !is_kept(newest))
			ereport(ERROR,
					(errcode(ERRCODE_FDW_ERROR),
					 errmsg("Crisp does not keep the order that it was asked for"),
					 errdetail("Rows that came out of order have been returned already."),
					 errhint("Run the query again: this session relies on that order no more.")));
		if (matches)
			tuplesort_puttupleslot(newest->sorted, slot);
	}
	tuplesort_performsort(newest->sorted);
}

/*
 * Whether another row of the list is to be gathered, beside so many that satisfy the conditions.
 * Few rows may be in order by chance, a whole page hardly is.  A list that comes otherwise is asked
 * for anew, unless it ends here.
 */
static bool
wants_more(const TopN *newest, double count)
{
	const TopNSource *source = &newest->source;

	switch (source->verdict(newest->node))
	{
		case ORDER_OPEN:
			return true;
		case ORDER_KEPT:
			return count < source->wanted || source->at_hand(newest->node);
		case ORDER_REVERSED:
			if (source->full_pages)
				return true;
			/* FALLTHROUGH */
		case ORDER_BROKEN:
			return source->restart == NULL || source->at_hand(newest->node) ||
				   source->ended(newest->node);
	}
	return false;
}

/*
 * Forget what was gathered, and have the list begin anew.
 */
static void
restart(TopN *newest)
{
	newest->source.restart(newest->node, newest->source.verdict(newest->node) == ORDER_REVERSED);
	newest->at_end = false;
	newest->list_end = false;
	row_store_clear(newest->rows);
	if (newest->all != NULL)
		row_store_clear(newest->all);
}

/*
 * Gather the rows that are wanted, and those that have come with them.
 */
static void
gather(TopN *newest, TupleTableSlot *slot)
{
	double count = 0;
	bool   matches;

	while (newest->trusted && wants_more(newest, count) && fetch(newest, slot, &matches))
	{
		if (!matches)
			continue;
		row_store_put(newest->rows, slot);

		/* A row without a time comes after all that have one, on whatever page they are. */
		if (!slot_attisnull(slot, newest->source.attnum))
			count++;
	}
	newest->gathered = true;
	if (newest->trusted && !is_kept(newest))
	{
		if (!newest->at_end)
			restart(newest);
		newest->trusted = false;
	}
	if (!newest->trusted)
		sort_rest(newest, slot, true);
}

/*
 * Fill slot with a copy of the next row that was sorted; returns false at the end.
 */
static bool
get_sorted(TopN *newest, TupleTableSlot *slot)
{
	/* The sort owns the row, until it's asked for another. */
	if (!tuplesort_gettupleslot(newest->sorted, true, false, newest->sorted_slot, NULL))
		return false;
	ExecCopySlot(slot, newest->sorted_slot);
	slot->tts_tableOid = RelationGetRelid(newest->node->ss.ss_currentRelation);
	ExecClearTuple(newest->sorted_slot);
	return true;
}

bool
top_n_next(TopN *newest, TupleTableSlot *slot)
{
	if (!newest->gathered)
		gather(newest, slot);
	if (newest->sorted == NULL)
	{
		if (row_store_get(newest->rows, slot))
			return true;
		if (newest->at_end)
			return false;
		sort_rest(newest, slot, false);
	}
	return get_sorted(newest, slot);
}

void
top_n_again(TopN *newest)
{
	newest->gathered = false;
	newest->at_end = false;
	row_store_rewind(newest->all);
	row_store_clear(newest->rows);
	if (newest->sorted != NULL)
		tuplesort_end(newest->sorted);
	newest->sorted = NULL;
}

void
top_n_end(TopN *newest)
{
	FreeExprContext(newest->econtext, true);
	ExecDropSingleTupleTableSlot(newest->sorted_slot);
	if (newest->all != NULL)
		row_store_end(newest->all);
	row_store_end(newest->rows);
	if (newest->sorted != NULL)
		tuplesort_end(newest->sorted);
	MemoryContextDelete(newest->context);
}
