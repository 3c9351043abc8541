/*-------------------------------------------------------------------------
 *
 * top_n.c
 *		Give the first rows of a list that the API sorts on demand, or one page after the other.
 *
 * ORDER BY … LIMIT n needs the first pages of a sorted list only.  But no row may leave the scan
 * before it's certain that the list is sorted as far as it was read: the first n rows are gathered
 * first, and more where these are all of one time.  If one of them is out of order, or the list
 * comes from the other end, the whole list is read and sorted here, so that the result is right
 * whatever the API does.
 *
 * A list that is streamed, for whoever may stop at any row, is gathered page by page.  Once rows
 * have been given, one that belongs before them is an error, and the statement is to be run again.
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
#include "base/compat.h"

struct TopN
{
	MemoryContext	  context;
	ForeignScanState *node;
	TopNSource		  source;
	Oid				  sort_operator;
	Oid				  collation;

	bool			trusted;
	bool			gathered;
	bool			is_late;	/* the row at hand has moved, and come too late; */
	bool			has_late;	/* some row has */
	bool			has_sorted; /* the whole list was */
	bool			at_end;		/* of this pass over the list */
	bool			list_end;	/* no other row comes from the source */
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
prepare_comparison(TopN *top_n, TupleDesc tupdesc)
{
	Form_pg_attribute attribute = TupleDescAttr(tupdesc, top_n->source.attnum - 1);
	Oid				  type = getBaseType(attribute->atttypid);
	TypeCacheEntry	 *entry = lookup_type_cache(type, TYPECACHE_GT_OPR | TYPECACHE_LT_OPR);

	top_n->sort_operator = top_n->source.ascending ? entry->lt_opr : entry->gt_opr;
	top_n->collation = attribute->attcollation;
}

TopN *
top_n_begin(MemoryContext parent, ForeignScanState *node, const TopNSource *source, bool trusted,
			bool keeps_rows)
{
	TupleDesc	  tupdesc = node->ss.ss_ScanTupleSlot->tts_tupleDescriptor;
	MemoryContext context = AllocSetContextCreate(parent, "crisp_fdw top n",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	TopN		 *top_n = palloc0(sizeof(TopN));

	top_n->context = context;
	top_n->node = node;
	top_n->source = *source;
	top_n->trusted = trusted;
	if (keeps_rows)
		top_n->all = row_store_create(context, tupdesc);
	top_n->rows = row_store_create(context, tupdesc);
	top_n->sorted_slot = MakeSingleTupleTableSlot(tupdesc, &TTSOpsMinimalTuple);
	top_n->econtext = CreateExprContext(node->ss.ps.state);
	prepare_comparison(top_n, tupdesc);
	MemoryContextSwitchTo(old_context);
	return top_n;
}

/*
 * Fetch the next row that has come already, or comes now; returns false at the end of the list.
 */
static bool
fetch_any(TopN *top_n, TupleTableSlot *slot)
{
	top_n->is_late = false;
	if (top_n->all != NULL && row_store_get(top_n->all, slot))
		return true;
	top_n->list_end = top_n->list_end || !top_n->source.fetch(top_n->node, slot, &top_n->is_late);
	if (top_n->list_end)
		return false;
	top_n->has_late = top_n->has_late || top_n->is_late;
	if (top_n->all != NULL)
		row_store_put(top_n->all, slot);
	return true;
}

/*
 * Fetch the next row; returns false at the end of the list.  *matches tells whether it satisfies
 * the scan's conditions.  What the slot refers to stays until the next call.
 */
static bool
fetch(TopN *top_n, TupleTableSlot *slot, bool *matches)
{
	ExprContext	 *econtext = top_n->econtext;
	MemoryContext old_context;
	bool		  found;

	/* As ExecScan() does between rows. */
	ExecClearTuple(slot);
	ResetExprContext(econtext);
	old_context = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
	found = fetch_any(top_n, slot);
	MemoryContextSwitchTo(old_context);
	if (!found)
	{
		top_n->at_end = true;
		return false;
	}
	econtext->ecxt_scantuple = slot;
	*matches = ExecQual(top_n->node->ss.ps.qual, econtext);
	if (!*matches)
		InstrCountFiltered1(top_n->node, 1);
	return true;
}

/*
 * Say whether the list has come in the order that is wanted, as far as it has shown.
 */
static bool
is_kept(const TopN *top_n)
{
	OrderVerdict verdict = top_n->source.verdict(top_n->node);

	return verdict == ORDER_KEPT || verdict == ORDER_OPEN;
}

/*
 * Fail, as a row has come that belongs before rows which have been given.
 */
static void
raise_out_of_order(const TopN *top_n, bool is_late)
{
	Relation	relation = top_n->node->ss.ss_currentRelation;
	const char *column = NameStr(
		TupleDescAttr(RelationGetDescr(relation), top_n->source.attnum - 1)->attname);

	if (top_n->source.note_failure != NULL)
		top_n->source.note_failure(top_n->node, !is_late);
	ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					errmsg("could not read foreign table \"%s\" in the order of column \"%s\"",
						   RelationGetRelationName(relation), column),
					is_late ? errdetail("A row has changed at Crisp, and belongs before rows that "
										"have been returned already.")
							: errdetail("Crisp has sent a row that belongs before rows that have "
										"been returned already."),
					errhint("Run the statement again: it will read the whole list before it "
							"returns a row.")));
}

/*
 * Forget what was gathered, of a list that begins anew.
 */
static void
forget_rows(TopN *top_n)
{
	top_n->at_end = false;
	top_n->list_end = false;
	row_store_clear(top_n->rows);
	if (top_n->all != NULL)
		row_store_clear(top_n->all);
}

/*
 * Begin to sort, with the rows that were gathered.
 */
static void
begin_sort(TopN *top_n, TupleTableSlot *slot)
{
	MemoryContext old_context = MemoryContextSwitchTo(top_n->context);

	top_n->sorted = tuplesort_begin_heap(slot->tts_tupleDescriptor, 1, &top_n->source.attnum,
										 &top_n->sort_operator, &top_n->collation,
										 &top_n->source.nulls_first, work_mem, NULL, 0);
	MemoryContextSwitchTo(old_context);
	while (row_store_get(top_n->rows, slot))
		tuplesort_puttupleslot(top_n->sorted, slot);
}

/*
 * Sort the rows that were gathered, of which some came late.  Those that follow belong behind them.
 */
static void
sort_gathered(TopN *top_n, TupleTableSlot *slot)
{
	begin_sort(top_n, slot);
	tuplesort_performsort(top_n->sorted);
}

/*
 * Read the rest of the list, and sort it, together with the rows gathered before if they are not
 * yet out.  Where no more than some of its rows were asked for, and these are too few, read all.
 */
static void
sort_rest(TopN *top_n, TupleTableSlot *slot, bool with_gathered)
{
	double count = 0;
	bool   matches;

	begin_sort(top_n, slot);
	while (!top_n->at_end && fetch(top_n, slot, &matches))
	{
		if (!with_gathered && (!is_kept(top_n) || top_n->is_late))
			raise_out_of_order(top_n, is_kept(top_n));
		if (!matches)
			continue;
		tuplesort_puttupleslot(top_n->sorted, slot);
		if (!slot_attisnull(slot, top_n->source.attnum))
			count++;
	}
	if (count < top_n->source.wanted && top_n->source.widen != NULL &&
		top_n->source.widen(top_n->node))
	{
		tuplesort_end(top_n->sorted);
		forget_rows(top_n);
		sort_rest(top_n, slot, with_gathered);
		return;
	}
	tuplesort_performsort(top_n->sorted);
	top_n->has_sorted = with_gathered;
}

/*
 * Say whether another row of the list is to be gathered, beside so many that satisfy the
 * conditions.  Few rows may be in order by chance, a whole page hardly is.  A list that comes
 * otherwise is asked for anew, unless it ends here.
 */
static bool
wants_more(const TopN *top_n, double count)
{
	const TopNSource *source = &top_n->source;

	switch (source->verdict(top_n->node))
	{
		case ORDER_OPEN:
			return true;
		case ORDER_KEPT:
			return count < source->wanted || source->at_hand(top_n->node);
		case ORDER_REVERSED:
			if (source->full_pages)
				return true;
			pg_fallthrough;
		case ORDER_BROKEN:
			return source->restart == NULL || source->at_hand(top_n->node) ||
				   source->ended(top_n->node);
	}
	return false;
}

/*
 * Forget what was gathered, and have the list begin anew.
 */
static void
restart(TopN *top_n)
{
	top_n->source.restart(top_n->node, top_n->source.verdict(top_n->node) == ORDER_REVERSED);
	forget_rows(top_n);
}

/*
 * Say whether the rows come from elsewhere, from now on; then what was gathered is forgotten.  No
 * other pass begins with them.
 */
static bool
is_replaced(TopN *top_n)
{
	if (top_n->source.replace == NULL || !top_n->source.replace(top_n->node))
		return false;
	forget_rows(top_n);
	if (top_n->all != NULL)
		row_store_end(top_n->all);
	top_n->all = NULL;
	top_n->trusted = false;
	return true;
}

/*
 * Fail where an earlier run has given rows that belong to the first in the order as far as these
 * alone could tell, and this one shows that Crisp doesn't keep it.
 */
static void
fail_if_relied(const TopN *top_n)
{
	const TopNSource *source = &top_n->source;

	if (source->relied != NULL && *source->relied && source->disproved(top_n->node))
		raise_out_of_order(top_n, false);
}

/*
 * Gather the rows that are wanted, and those that have come with them.
 */
static void
gather(TopN *top_n, TupleTableSlot *slot)
{
	double count = 0;
	bool   matches;

	while (top_n->trusted && wants_more(top_n, count) && !is_replaced(top_n) &&
		   fetch(top_n, slot, &matches))
	{
		if (!matches)
			continue;
		row_store_put(top_n->rows, slot);

		/* A row without a time comes after all that have one, on whatever page they are. */
		if (!slot_attisnull(slot, top_n->source.attnum))
			count++;
	}
	top_n->gathered = true;
	if (top_n->trusted && !is_kept(top_n))
	{
		fail_if_relied(top_n);
		if (!top_n->at_end)
			restart(top_n);
		top_n->trusted = false;
	}
	if (!top_n->trusted)
	{
		sort_rest(top_n, slot, true);
		return;
	}
	if (top_n->has_late)
		sort_gathered(top_n, slot);
	if (top_n->source.relied != NULL && !top_n->list_end)
		*top_n->source.relied = true;
}

/*
 * Gather the rows of the next page on which any satisfy the conditions, after others were given.
 */
static void
gather_page(TopN *top_n, TupleTableSlot *slot)
{
	bool found = false;
	bool matches;

	row_store_clear(top_n->rows);
	while ((!found || top_n->source.at_hand(top_n->node)) && fetch(top_n, slot, &matches))
	{
		if (!is_kept(top_n) || top_n->is_late)
			raise_out_of_order(top_n, is_kept(top_n));
		if (matches)
			row_store_put(top_n->rows, slot);
		found = found || matches;
	}
}

/*
 * Fill slot with a copy of the next row that was sorted; returns false at the end.
 */
static bool
get_sorted(TopN *top_n, TupleTableSlot *slot)
{
	/* The sort owns the row, until it's asked for another. */
	if (!tuplesort_gettupleslot(top_n->sorted, true, false, top_n->sorted_slot, NULL))
		return false;
	ExecCopySlot(slot, top_n->sorted_slot);
	slot->tts_tableOid = RelationGetRelid(top_n->node->ss.ss_currentRelation);
	ExecClearTuple(top_n->sorted_slot);
	return true;
}

/*
 * Get the rows that follow those that have been given.  Returns false at the end of the list.
 */
static bool
go_on(TopN *top_n, TupleTableSlot *slot)
{
	if (top_n->at_end)
		return false;
	if (top_n->sorted != NULL)
		tuplesort_end(top_n->sorted);
	top_n->sorted = NULL;
	if (top_n->source.note_failure != NULL)
		gather_page(top_n, slot);
	else
		sort_rest(top_n, slot, false);
	return true;
}

bool
top_n_next(TopN *top_n, TupleTableSlot *slot)
{
	if (!top_n->gathered)
		gather(top_n, slot);
	do
	{
		if (top_n->sorted != NULL ? get_sorted(top_n, slot) : row_store_get(top_n->rows, slot))
			return true;
	} while (go_on(top_n, slot));
	if (top_n->source.widen != NULL && top_n->source.widen(top_n->node))
		elog(ERROR, "crisp_fdw: more rows were asked for than a LIMIT let expect");
	return false;
}

bool
top_n_has_sorted(const TopN *top_n)
{
	return top_n->has_sorted;
}

RowStore *
top_n_whole_list(const TopN *top_n)
{
	return top_n->list_end ? top_n->all : NULL;
}

void
top_n_again(TopN *top_n)
{
	/* Where a row came late, the rows that have come are not in order. */
	top_n->trusted = top_n->trusted && !top_n->has_late;
	top_n->gathered = false;
	top_n->at_end = false;
	row_store_rewind(top_n->all);
	row_store_clear(top_n->rows);
	if (top_n->sorted != NULL)
		tuplesort_end(top_n->sorted);
	top_n->sorted = NULL;
}

void
top_n_end(TopN *top_n)
{
	FreeExprContext(top_n->econtext, true);
	ExecDropSingleTupleTableSlot(top_n->sorted_slot);
	if (top_n->all != NULL)
		row_store_end(top_n->all);
	row_store_end(top_n->rows);
	if (top_n->sorted != NULL)
		tuplesort_end(top_n->sorted);
	MemoryContextDelete(top_n->context);
}
