/*-------------------------------------------------------------------------
 *
 * sync_rows.h
 *		Bring rows from Crisp into a copy.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SYNC_ROWS_H
#define CRISP_SYNC_ROWS_H

#include "access/tupdesc.h"
#include "utils/relcache.h"
#include "utils/tuplestore.h"

#include "sync/sync_parts.h"

/* Rows that are kept, on disk beyond work_mem, and of what columns they consist. */
typedef struct SyncRows
{
	Tuplestorestate *store;
	TupleDesc		 tupdesc;
} SyncRows;

/* Values for the parameters of a statement. */
typedef struct SyncParameters
{
	int			count;
	Oid		   *types;
	Datum	   *values;
	const char *nulls; /* 'n' or ' ' for each */
} SyncParameters;

/*
 * Run a statement to its end, and keep its rows, in the memory of the SPI connection at hand.  What
 * it raises has no text of the statement in its CONTEXT.  parameters may be NULL.
 */
extern SyncRows *sync_rows_run(const char *statement, const SyncParameters *parameters);

/*
 * Run a statement in the same way, reading no more than parts of the list that it selects from.
 * parts may be NULL.
 */
extern SyncRows *sync_rows_run_parts(const char *statement, const SyncParameters *parameters,
									 SyncParts *parts);

/*
 * Run a statement in the same way that only reads, and sees what was there when the function that
 * SQL called began: nothing that it has written since.
 */
extern SyncRows *sync_rows_run_before(const char *statement);

/* Make room for rows of a description that is whole. */
extern SyncRows *sync_rows_begin(TupleDesc tupdesc);

/* Run a statement in the same way that gives one row of one number. */
extern int64 sync_rows_number(const char *statement, const SyncParameters *parameters);

/*
 * Make rows with the columns c1, c2, ... of the types that columns of a table have, and number,
 * counted from 1.  They are converted as an INSERT would do it, by the current user.  Values come
 * from columns of the same names.  Rows that have NULL in one of the needed columns (indexes into
 * attnums) are left out.  Raises an error that names the column when a value can't be converted.
 */
extern SyncRows *sync_rows_convert(SyncRows *rows, Relation table, const AttrNumber *attnums,
								   int ncolumns, const int *needed, int nneeded,
								   bool is_restricted);

/*
 * Make rows of a column of text, with the column c1 of the type that a column of a table has,
 * converted in the same way.
 */
extern SyncRows *sync_rows_of_texts(Datum array, Relation table, AttrNumber attnum);

/*
 * Let statements of the SPI connection at hand see rows as a table of this name; or let them no
 * more.
 */
extern void sync_rows_show(SyncRows *rows, const char *name);
extern void sync_rows_hide(const char *name);

/* Let go of rows. */
extern void sync_rows_free(SyncRows *rows);

#endif /* CRISP_SYNC_ROWS_H */
