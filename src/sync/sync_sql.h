/*-------------------------------------------------------------------------
 *
 * sync_sql.h
 *		Write pieces of the statements that write to a target.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SYNC_SQL_H
#define CRISP_SYNC_SQL_H

#include "sync/sync_rows.h"
#include "sync/sync_target.h"

/* How many rows were written. */
typedef struct SyncWritten
{
	int64 inserted;
	int64 updated;
	int64 deleted;
	int64 before; /* rows with the keys of those that were fetched (sync_stored_count) */
} SyncWritten;

/* Return the time that rows are written at, as the parameter $1. */
extern SyncParameters sync_sql_now(void);

/* Run a statement that writes, of which $1 is that time.  Return how many rows it has written. */
extern int64 sync_sql_counted(const char *statement);

/*
 * Append the condition that a row of the target, t, lies below the rows of the parent, which are
 * shown as parents.
 */
extern void sync_sql_below_parents(StringInfo sql, const SyncTarget *target);

/* Append a row of what the format says for each copied column (sync_target_list). */
extern void sync_sql_row(StringInfo sql, const SyncTarget *target, const char *format);

/*
 * Append the key of a row as a text that two rows share if they have the same: of f, if fetched, or
 * of t.
 */
extern void sync_sql_key(StringInfo sql, const SyncTarget *target, bool fetched);

/* Append an INSERT of the rows that are shown as fetched, called f. */
extern void sync_sql_insert(StringInfo sql, const SyncTarget *target);

/*
 * Append the start of a statement that deletes rows, or marks them, up to its condition.  from
 * joins another table.
 */
extern void sync_sql_gone(StringInfo sql, const SyncTarget *target, const char *from, bool mark);

#endif /* CRISP_SYNC_SQL_H */
