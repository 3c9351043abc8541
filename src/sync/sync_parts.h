/*-------------------------------------------------------------------------
 *
 * sync_parts.h
 *		Read several ranges of dates by one statement of a sync at a time.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SYNC_PARTS_H
#define CRISP_SYNC_PARTS_H

#include "executor/execdesc.h"

typedef struct SyncParts SyncParts;

/*
 * Make ranges from an array of timestamptz, two elements each: lower and upper end, the latest
 * range first, of which so many pages are to be read, after pages_before by earlier statements.
 * They are palloc'd in CurrentMemoryContext.  Raises 22023 for what can't be.
 */
extern SyncParts *sync_parts_create(Datum ends, int64 pages, int64 pages_before);

/*
 * Have a statement that has been started, and hasn't given a row yet, read no more than that.  Does
 * nothing where it has not one scan of Crisp's.
 */
extern void sync_parts_begin(SyncParts *parts, QueryDesc *query);

/* Keep what a statement tells that has given its last row, and has not been ended yet. */
extern void sync_parts_end(SyncParts *parts);

/*
 * Tell of which dates all rows have come: a tstzmultirange, palloc'd in CurrentMemoryContext.
 * Return false where that isn't known, since the list isn't one that is read by date, or has not
 * come in order.
 */
extern bool sync_parts_covered(const SyncParts *parts, Datum *covered);

#endif /* CRISP_SYNC_PARTS_H */
