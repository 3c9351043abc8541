/*-------------------------------------------------------------------------
 *
 * push_row.h
 *		Make requests of rows that a push sends.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PUSH_ROW_H
#define CRISP_PUSH_ROW_H

#include "push/push_key.h"
#include "utils/jsonb.h"

/* Why a row can't be sent, or was not taken.  Palloc'd. */
typedef struct PushProblem
{
	int			code; /* SQLSTATE, as errcode() takes it; 0: there is none */
	const char *message;
	const char *detail; /* or NULL */
	const char *hint;	/* likewise */
} PushProblem;

/* Rows of one target, which are written in one way. */
typedef struct PushRows
{
	Relation		   relation;
	const ChangeTable *table;
	CmdType			   operation;
	const PushKey	  *key; /* NULL: rows are inserted, and not known by a name */
} PushRows;

/*
 * Return the columns (attribute numbers) of which changes, an object of their names, holds values.
 * Raises 42703 (undefined_column) for one that the target lacks.
 */
extern Bitmapset *push_row_columns(const PushRows *rows, Jsonb *changes);

/*
 * Make the requests (ChangeRequest) that insert, change or remove the row of that key; changes has
 * the columns that are written, and their values as text, or, of columns that hold JSON, as such.
 * Return NIL where there is nothing to change, or, with problem->code set, where the row can't be
 * sent as it is.  Palloc'd in CurrentMemoryContext.  Raises what has nothing to do with the row.
 */
extern List *push_row_requests(const PushRows *rows, const char *key, Jsonb *changes,
							   PushProblem *problem);

#endif /* CRISP_PUSH_ROW_H */
