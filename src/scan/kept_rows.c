/*-------------------------------------------------------------------------
 *
 * kept_rows.c
 *		Keep rows of a scan: for another pass over it, or since they were read first.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "scan/kept_rows.h"

struct KeptRows
{
	MemoryContext context;
	TupleDesc	  tupdesc;
	KeptFor		  purpose;
	RowStore	 *rows; /* of the request; NULL for none */

	RowStore *list;		   /* NULL unless that is the purpose */
	char	 *list_target; /* of its first page; NULL before it was read */
	char	 *next_target; /* of what is being read; or NULL */
};

KeptRows *
kept_rows_create(MemoryContext context, TupleDesc tupdesc, KeptFor purpose)
{
	KeptRows *kept = MemoryContextAllocZero(context, sizeof(KeptRows));

	kept->context = context;
	kept->tupdesc = tupdesc;
	kept->purpose = purpose;
	if (purpose == KEPT_FOR_PASSES)
		kept->rows = row_store_create(context, tupdesc);
	else if (purpose == KEPT_FOR_LOOKUPS)
		kept->list = row_store_create(context, tupdesc);
	return kept;
}

/*----------
 * Rows of the request
 *----------
 */

bool
kept_rows_are_for_passes(const KeptRows *kept)
{
	return kept->purpose == KEPT_FOR_PASSES;
}

bool
kept_rows_get(KeptRows *kept, TupleTableSlot *slot)
{
	return kept->rows != NULL && row_store_get(kept->rows, slot);
}

bool
kept_rows_has_next(const KeptRows *kept)
{
	return kept->rows != NULL && row_store_has_next(kept->rows);
}

void
kept_rows_put(KeptRows *kept, TupleTableSlot *slot)
{
	if (kept->purpose == KEPT_FOR_PASSES)
		row_store_put(kept->rows, slot);
}

RowStore *
kept_rows_rest(KeptRows *kept)
{
	if (kept->rows == NULL)
		kept->rows = row_store_create(kept->context, kept->tupdesc);
	return kept->rows;
}

RowStore *
kept_rows_store(KeptRows *kept)
{
	return kept->rows;
}

void
kept_rows_rewind(KeptRows *kept)
{
	row_store_rewind(kept->rows);
}

void
kept_rows_clear(KeptRows *kept)
{
	if (kept->rows != NULL)
		row_store_clear(kept->rows);
}

/*----------
 * Rows of the list
 *----------
 */

bool
kept_rows_are_for_lookups(const KeptRows *kept)
{
	return kept->purpose == KEPT_FOR_LOOKUPS;
}

bool
kept_rows_begin_list(KeptRows *kept, const char *target)
{
	if (kept->list_target != NULL && strcmp(kept->list_target, target) == 0)
		return false;
	row_store_clear(kept->list);
	if (kept->list_target != NULL)
		pfree(kept->list_target);
	kept->list_target = NULL;
	if (kept->next_target != NULL)
		pfree(kept->next_target);
	kept->next_target = MemoryContextStrdup(kept->context, target);
	return true;
}

void
kept_rows_put_listed(KeptRows *kept, TupleTableSlot *slot)
{
	row_store_put(kept->list, slot);
}

void
kept_rows_end_list(KeptRows *kept)
{
	kept->list_target = kept->next_target;
	kept->next_target = NULL;
}

void
kept_rows_rewind_list(KeptRows *kept)
{
	row_store_rewind(kept->list);
}

bool
kept_rows_get_listed(KeptRows *kept, TupleTableSlot *slot)
{
	return row_store_get(kept->list, slot);
}

void
kept_rows_end(KeptRows *kept)
{
	if (kept->rows != NULL)
		row_store_end(kept->rows);
	if (kept->list != NULL)
		row_store_end(kept->list);
	kept->rows = kept->list = NULL;
}
