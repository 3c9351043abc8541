/*-------------------------------------------------------------------------
 *
 * kept_rows.h
 *		Keep rows of a scan: for another pass over it, or since they were read first.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_KEPT_ROWS_H
#define CRISP_KEPT_ROWS_H

#include "scan/row_store.h"

/*
 * What a scan keeps of its rows.  Two things are kept: rows of the request that is running, and,
 * for a scan that looks keys up, all rows of the list that stands in for that where they can't be.
 */
typedef struct KeptRows KeptRows;

/* What for. */
typedef enum KeptFor
{
	KEPT_FOR_NOTHING, /* but what kept_rows_put_rest() is given */
	KEPT_FOR_PASSES,  /* other passes that ask for the same get the rows of the request */
	KEPT_FOR_LOOKUPS  /* others may get those of the list */
} KeptFor;

/*
 * Create it without rows; it lives in context, which must be the statement's.  tupdesc must live as
 * long.
 */
extern KeptRows *kept_rows_create(MemoryContext context, TupleDesc tupdesc, KeptFor purpose);

/* Say whether rows of the request are kept for another pass. */
extern bool kept_rows_are_for_passes(const KeptRows *kept);

/* Fill slot with the next row that was kept of the request; returns false where there is none. */
extern bool kept_rows_get(KeptRows *kept, TupleTableSlot *slot);

/* Say whether kept_rows_get() has another row. */
extern bool kept_rows_has_next(const KeptRows *kept);

/* Keep a row that is given now, if that is for another pass. */
extern void kept_rows_put(KeptRows *kept, TupleTableSlot *slot);

/*
 * Return the store where rows that are read before they are wanted go, behind those that were
 * given; it is made where there is none.  Its file will belong to the resource owner of now.
 */
extern RowStore *kept_rows_rest(KeptRows *kept);

/* Return the store of kept_rows_rest(), or NULL where there is none. */
extern RowStore *kept_rows_store(KeptRows *kept);

/* Get the first row next that was kept of the request. */
extern void kept_rows_rewind(KeptRows *kept);

/* Forget the rows of the request. */
extern void kept_rows_clear(KeptRows *kept);

/* Say whether the list may stand in for lookups, so that its rows are kept. */
extern bool kept_rows_are_for_lookups(const KeptRows *kept);

/*
 * Get ready to keep the rows of the list whose first page has that target (copied).  Returns false
 * when they are kept already.
 */
extern bool kept_rows_begin_list(KeptRows *kept, const char *target);

/* Keep a row of the list; and note that this was the last one. */
extern void kept_rows_put_listed(KeptRows *kept, TupleTableSlot *slot);
extern void kept_rows_end_list(KeptRows *kept);

/* Get the first row of the list next; and fill slot with the next one; false at the end. */
extern void kept_rows_rewind_list(KeptRows *kept);
extern bool kept_rows_get_listed(KeptRows *kept, TupleTableSlot *slot);

/* Release all rows. */
extern void kept_rows_end(KeptRows *kept);

#endif /* CRISP_KEPT_ROWS_H */
