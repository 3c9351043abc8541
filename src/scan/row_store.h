/*-------------------------------------------------------------------------
 *
 * row_store.h
 *		Keep rows, beyond work_mem in a temporary file.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_ROW_STORE_H
#define CRISP_ROW_STORE_H

#include "executor/tuptable.h"

/*
 * Rows in the order in which they were put, and a place from which the next one is got.  No slot
 * ever holds memory that isn't its own, or the store's.
 */
typedef struct RowStore RowStore;

/*
 * Create an empty store, in a child of parent.  Its file will belong to the resource owner of now.
 * tupdesc must live as long.
 */
extern RowStore *row_store_create(MemoryContext parent, TupleDesc tupdesc);

/*
 * Put a row behind all others.  When row_store_get() has said that there are no more, the row
 * counts as got.
 */
extern void row_store_put(RowStore *store, TupleTableSlot *slot);

/*
 * Fill slot with a copy of the next row, which it owns.  Returns false, and leaves the slot alone,
 * at the end.
 */
extern bool row_store_get(RowStore *store, TupleTableSlot *slot);

/* Say whether row_store_get() has another row. */
extern bool row_store_has_next(const RowStore *store);

/* Return how many rows have been got; and get the one next that follows after so many. */
extern int64 row_store_position(const RowStore *store);
extern void	 row_store_seek(RowStore *store, int64 position);

/* Get the first row next. */
extern void row_store_rewind(RowStore *store);

/* Forget all rows. */
extern void row_store_clear(RowStore *store);

/* Release everything. */
extern void row_store_end(RowStore *store);

#endif /* CRISP_ROW_STORE_H */
