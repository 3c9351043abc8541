/*-------------------------------------------------------------------------
 *
 * sync_stored.h
 *		Find that a trigger has stored rows under other keys than Crisp's.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SYNC_STORED_H
#define CRISP_SYNC_STORED_H

#include "base/compat.h"
#include "sync/sync_rows.h"
#include "sync/sync_target.h"

/*
 * Append to a RETURNING list the key of a row of the target that was written, called moved, where
 * none of the rows that are shown as fetched has it, and NULL where one has.  Costs nothing where
 * no trigger can have changed it.
 */
extern void sync_stored_append_moved(StringInfo sql, const SyncTarget *target);

/*
 * Append the condition that it is such a key, of the row t, after OR, or nothing where that can't
 * be.
 */
extern void sync_stored_append_or_moved(StringInfo sql, const SyncTarget *target);

/*
 * Run a statement that writes and has the parameter $1 (sync_sql.h), and return how many rows it
 * has written.  Raises 27000 where one was stored under another key.
 */
extern int64 sync_stored_counted(const SyncTarget *target, const char *statement);

/*
 * Run a statement that inserts rows or updates those that have the same key, and return its rows.
 * Raises 27000 where a trigger has given two rows the same key.
 */
extern SyncRows *sync_stored_run(const SyncTarget *target, const char *statement,
								 const SyncParameters *parameters);

/*
 * Count the rows of the target that have keys of those that are shown as fetched, before some of
 * these are written.  Return -1, and cost nothing, where no trigger fires then.
 */
extern int64 sync_stored_count(const SyncTarget *target);

/*
 * Fire what triggers have deferred, and raise 27000 where there are fewer such rows than expected
 * while this transaction has stored rows under keys that are none of theirs, and weren't there when
 * the function that SQL called began.
 */
extern void sync_stored_check(const SyncTarget *target, int64 expected);

/*
 * Raise that: moved is a key, as text; or NULL where rows of different keys were stored with the
 * same.
 */
pg_noreturn extern void sync_stored_raise(const SyncTarget *target, const char *moved);

#endif /* CRISP_SYNC_STORED_H */
