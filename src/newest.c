/*-------------------------------------------------------------------------
 *
 * newest.c
 *		The newest rows of a list that the API sorts on demand.
 *
 * ORDER BY … DESC LIMIT n needs the first pages of a sorted list only.  But no
 * row may leave the scan before it's certain that the list is sorted as far
 * as it was read: the first n rows are gathered first.  If one of them is out
 * of order, the whole list is read and sorted here, so that the result is
 * right whatever the API does.
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

#include "newest.h"
#include "row_store.h"

struct Newest
{
	MemoryContext	  context;
	ForeignScanState *node;
	NewestSource	  source;
	SortSupportData	  sort_support;
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

	/* A row is looked at in memory of its own: the scan's may be that of a row which somebody still uses. */
	ExprContext *econtext;

	/* The sort column of the row before. */
	bool  has_previous;
	Datum previous;
	bool  previous_isnull;
};

/*
 * Look up how the sort column is compared.
 */
static void
prepare_comparison(Newest *newest, TupleDesc tupdesc)
{
	Form_pg_attribute attribute = TupleDescAttr(tupdesc, newest->source.attnum - 1);
	Oid				  type = getBaseType(attribute->atttypid);
	TypeCacheEntry	 *entry = lookup_type_cache(type, TYPECACHE_GT_OPR);

	newest->sort_operator = entry->gt_opr;
	newest->collation = attribute->attcollation;
	newest->sort_support.ssup_cxt = newest->context;
	newest->sort_support.ssup_collation = attribute->attcollation;
	newest->sort_support.ssup_attno = newest->source.attnum;

	/* Crisp puts rows without the column last, wherever the query wants them. */
	newest->sort_support.ssup_nulls_first = false;
	PrepareSortSupportFromOrderingOp(entry->gt_opr, &newest->sort_support);
}

Newest *
newest_begin(MemoryContext parent, ForeignScanState *node, const NewestSource *source, bool trusted,
			 bool keeps_rows)
{
	TupleDesc	  tupdesc = node->ss.ss_ScanTupleSlot->tts_tupleDescriptor;
	MemoryContext context = AllocSetContextCreate(parent, "crisp_fdw newest",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	Newest		 *newest = palloc0(sizeof(Newest));

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
 * Whether a row comes where it belongs, after the one before.
 */
static bool
is_in_order(Newest *newest, TupleTableSlot *slot)
{
	bool  isnull;
	Datum value = slot_getattr(slot, newest->source.attnum, &isnull);
	bool  in_order = !newest->has_previous ||
					ApplySortComparator(newest->previous, newest->previous_isnull, value, isnull,
										&newest->sort_support) <= 0;

	/* Columns that are sorted by hold times, which all versions on 64 bits pass by value. */
	newest->previous = value;
	newest->previous_isnull = isnull;
	newest->has_previous = true;
	return in_order;
}

/*
 * Fetch the next row that has come already, or comes now; returns false at the end of the
 * list.  *in_order becomes false when one that comes is out of order.
 */
static bool
fetch_any(Newest *newest, TupleTableSlot *slot, bool *in_order)
{
	if (newest->all != NULL && row_store_get(newest->all, slot))
		return true;
	newest->list_end = newest->list_end || !newest->source.fetch(newest->node, slot);
	if (newest->list_end)
		return false;
	if (!is_in_order(newest, slot))
		*in_order = false;
	if (newest->all != NULL)
		row_store_put(newest->all, slot);
	return true;
}

/*
 * Fetch the next row; returns false at the end of the list.  *in_order becomes
 * false when it is out of order, *matches tells whether it satisfies the
 * scan's conditions.  What the slot refers to stays until the next call.
 */
static bool
fetch(Newest *newest, TupleTableSlot *slot, bool *in_order, bool *matches)
{
	ExprContext	 *econtext = newest->econtext;
	MemoryContext old_context;
	bool		  found;

	/* As ExecScan() does between rows. */
	ExecClearTuple(slot);
	ResetExprContext(econtext);
	old_context = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
	found = fetch_any(newest, slot, in_order);
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
 * Read the rest of the list, and sort it, together with the rows gathered
 * before if they are not yet out.
 */
static void
sort_rest(Newest *newest, TupleTableSlot *slot, bool with_gathered)
{
	MemoryContext old_context = MemoryContextSwitchTo(newest->context);
	bool		  in_order = true;
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
	while (!newest->at_end && fetch(newest, slot, &in_order, &matches))
	{
		if (!with_gathered && !in_order)
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
 * Gather the rows that are wanted, and those that have come with them: few
 * rows may be in order by chance, a whole page hardly is.
 */
static void
gather(Newest *newest, TupleTableSlot *slot)
{
	double count = 0;
	bool   in_order = true;
	bool   matches;

	while (newest->trusted && in_order &&
		   (count < newest->source.wanted || newest->source.at_hand(newest->node)) &&
		   fetch(newest, slot, &in_order, &matches))
	{
		if (!matches)
			continue;
		row_store_put(newest->rows, slot);
		count++;
	}
	newest->gathered = true;
	if (!in_order)
	{
		newest->source.restart(newest->node);
		newest->trusted = false;
		newest->at_end = false;
		newest->list_end = false;
		row_store_clear(newest->rows);
		if (newest->all != NULL)
			row_store_clear(newest->all);
	}
	if (!newest->trusted)
		sort_rest(newest, slot, true);
}

/*
 * Fill slot with a copy of the next row that was sorted; returns false at the end.
 */
static bool
get_sorted(Newest *newest, TupleTableSlot *slot)
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
newest_next(Newest *newest, TupleTableSlot *slot)
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
newest_again(Newest *newest)
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
newest_end(Newest *newest)
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
