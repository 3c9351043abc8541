/*-------------------------------------------------------------------------
 *
 * sync_target.h
 *		Open the table that a run of crisp_sync() writes to.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SYNC_TARGET_H
#define CRISP_SYNC_TARGET_H

#include "lib/stringinfo.h"
#include "utils/relcache.h"

/*
 * A target.  Statements call it t, and the rows that come fetched, with the columns c1, c2,
 * ... for those that are copied (SyncRows).
 */
typedef struct SyncTarget
{
	Relation	table;
	const char *name; /* qualified, as SQL */
	Oid			owner;
	int			ncolumns; /* that are copied */
	AttrNumber *attnums;
	int			nkeys;
	int		   *keys;		 /* which of them make up the key */
	int			argument;	 /* which of them names the row of the parent; -1 for none */
	int			guard;		 /* which tells which of two versions is the newer; -1 for none */
	bool		has_synced;	 /* there is a column _synced_at */
	bool		has_deleted; /* ... and _deleted_at */
	bool		has_key;	 /* rows are told apart by a unique key that INSERT can go by */
	List	   *unique_keys; /* indexes that let a key be there only once: OIDs */
} SyncTarget;

/*
 * Open a target, until the transaction ends, for the current user.  columns and keys are arrays of
 * text, argument and guard may be NULL.  Raises an error where a column isn't there, or the user
 * may not write.
 */
extern SyncTarget *sync_target_open(Oid relid, Datum columns, Datum keys, const char *argument,
									const char *guard);

/* Let go of a target; it stays locked. */
extern void sync_target_close(SyncTarget *target);

/*
 * Append a list of what the format says for each copied column: %t is the column's name, %c its
 * number among those that are fetched.  As text it's SQL, separated by commas or by what is given.
 */
extern void sync_target_list(StringInfo sql, const SyncTarget *target, const char *format);

/*
 * Append that a column of t, with the number column among those that are copied, equals an
 * expression; the operator is that of the column's type.  "any" puts ANY before the expression.
 */
extern void sync_target_equals(StringInfo sql, const SyncTarget *target, int column,
							   const char *expression, bool any);

#endif /* CRISP_SYNC_TARGET_H */
