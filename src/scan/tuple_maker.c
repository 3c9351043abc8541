/*-------------------------------------------------------------------------
 *
 * tuple_maker.c
 *		Make tuples of what Crisp has of rows.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/executor.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "plan/plan.h"
#include "row/flatten.h"
#include "row/row_source.h"
#include "scan/tuple_maker.h"

struct TupleMaker
{
	Relation   relation;
	bool	   has_system_columns; /* the query uses some */
	Flattener *flattener;
	AttrNumber search_column; /* reads what was searched for; 0 for none */
	Datum	   search_value;  /* that, */
	bool	   is_search;	  /* if the request searches */

	/* Of the columns that elements of the list lack; no members where there are none. */
	List	  *lacking;
	Flattener *detail_flattener;
	Datum	  *detail_values;
	bool	  *detail_nulls;
};

TupleMaker *
tuple_maker_create(ForeignScanState *node, const CrispOptions *options, List *lacking)
{
	const ForeignScan *plan = (const ForeignScan *) node->ss.ps.plan;
	Relation		   relation = node->ss.ss_currentRelation;
	int				   natts = RelationGetDescr(relation)->natts;
	TupleMaker		  *maker = palloc0(sizeof(TupleMaker));

	maker->relation = relation;
	maker->has_system_columns = plan->fsSystemCol;
	maker->flattener = row_source_begin(options, relation,
										list_nth(plan->fdw_private, SCAN_PRIVATE_COLUMNS),
										&maker->search_column);
	if (lacking != NIL)
	{
		maker->lacking = lacking;
		maker->detail_flattener = row_source_begin(options, relation, lacking, NULL);
		maker->detail_values = palloc(sizeof(Datum) * natts);
		maker->detail_nulls = palloc(sizeof(bool) * natts);
	}
	return maker;
}

/*
 * Read what was searched for as the type of the column that reads it.
 */
void
tuple_maker_set_search(TupleMaker *maker, const char *search)
{
	TupleDesc tupdesc = RelationGetDescr(maker->relation);
	Oid		  input;
	Oid		  parameter;

	maker->is_search = search != NULL && maker->search_column > 0;
	if (!maker->is_search)
		return;
	getTypeInputInfo(TupleDescAttr(tupdesc, maker->search_column - 1)->atttypid, &input,
					 &parameter);
	maker->search_value = OidInputFunctionCall(input, pstrdup(search), parameter, -1);
}

/*
 * Add what a row's details tell.  What is in both may stand in the element of the list alone.
 */
static void
add_detail(TupleMaker *maker, const JsonNode *detail, TupleTableSlot *slot)
{
	ListCell *lc;

	flatten_row(maker->detail_flattener, detail, NULL, maker->detail_values, maker->detail_nulls);
	foreach(lc, maker->lacking)
	{
		int index = lfirst_int(lc) - 1;

		if (maker->detail_nulls[index])
			continue;
		slot->tts_values[index] = maker->detail_values[index];
		slot->tts_isnull[index] = false;
	}
}

/*
 * Make a heap tuple of a row: only that has xmin and its like, which are what they are in other
 * foreign tables.
 */
static void
add_system_columns(const TupleMaker *maker, TupleTableSlot *slot)
{
	HeapTuple tuple = ExecCopySlotHeapTuple(slot);

	HeapTupleHeaderSetXmax(tuple->t_data, InvalidTransactionId);
	HeapTupleHeaderSetXmin(tuple->t_data, InvalidTransactionId);
	HeapTupleHeaderSetCmin(tuple->t_data, InvalidTransactionId);
	ItemPointerSetInvalid(&tuple->t_self);
	tuple->t_tableOid = RelationGetRelid(maker->relation);
	ExecStoreHeapTuple(tuple, slot, false);
}

void
tuple_maker_store(TupleMaker *maker, const FetchedRow *row, TupleTableSlot *slot)
{
	flatten_row(maker->flattener, row->row, row->base, slot->tts_values, slot->tts_isnull);
	if (row->detail != NULL)
		add_detail(maker, row->detail, slot);
	if (maker->is_search)
	{
		slot->tts_values[maker->search_column - 1] = maker->search_value;
		slot->tts_isnull[maker->search_column - 1] = false;
	}
	ExecStoreVirtualTuple(slot);
	if (maker->has_system_columns)
		add_system_columns(maker, slot);

	/* The executor sets it later, but conditions are also checked before. */
	slot->tts_tableOid = RelationGetRelid(maker->relation);
}
