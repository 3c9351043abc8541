/*-------------------------------------------------------------------------
 *
 * sync_match.h
 *		Match rows below a parent, of which several may have the same key.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SYNC_MATCH_H
#define CRISP_SYNC_MATCH_H

#include "sync/sync_sql.h"

/*
 * Raise an error where a unique key of the target keeps it from holding all rows that are shown as
 * fetched.
 */
extern void sync_match_check(const SyncTarget *target);

/*
 * Make the rows of the target that lie below the rows shown as parents equal to those that are
 * shown as fetched: as often, and with no change to those that are there already.  What is gone is
 * deleted, or marked.
 */
extern void sync_match_write(const SyncTarget *target, bool mark, SyncWritten *written);

#endif /* CRISP_SYNC_MATCH_H */
