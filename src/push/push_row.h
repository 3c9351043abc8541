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

#include "utils/jsonb.h"

#include "push/push_key.h"

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

/* A row that is sent. */
typedef struct PushRow
{
	const char *key;	/* value of PushRows.key */
	const char *name;	/* of the column that routes name, where it's known besides; or NULL */
	Jsonb	   *wanted; /* columns and their values: text, null, or custom data as JSON */
	Jsonb	   *pushed; /* likewise, what Crisp has; NULL: nothing of the row was pushed */
	bool		whole;	/* it's sent as a whole: whether Crisp has it isn't known */

	List	   *requests; /* ChangeRequest; NIL: there is nothing to send, or a problem */
	PushProblem problem;
} PushRow;

/*
 * Return the columns (attribute numbers) of which an object has values.  Raises 42703
 * (undefined_column) for one that the target lacks.
 */
extern Bitmapset *push_row_columns(const PushRows *rows, Jsonb *wanted);

/*
 * Make the requests that insert, change or remove a row, or note what is wrong with it.  Of a row
 * that is changed, columns are sent that differ from what Crisp has; if it's sent as a whole, all
 * that aren't NULL, too.  Palloc'd
 * in CurrentMemoryContext.  Raises what has nothing to do with the row.
 */
extern void push_row_prepare(const PushRows *rows, PushRow *row);

/* Return how many requests it may take to send a row, with those for what its requests lack. */
extern int64 push_row_cost(const PushRows *rows, const PushRow *row);

/*
 * Say whether a row gets nowhere with fewer requests than that, since Crisp has to be asked for
 * more than its name, and what it says isn't kept.
 */
extern bool push_row_is_indivisible(const PushRows *rows, const PushRow *row);

/* Give a row whose requests lack it the name by which routes know it. */
extern void push_row_set_name(const PushRows *rows, PushRow *row, const char *name);

/*
 * Ask Crisp for what requests of a row lack otherwise; those that prove needless go.  Returns false
 * where Crisp doesn't have the row.  Where Crisp can't be asked, the problem is noted.
 */
extern bool push_row_complete(const PushRows *rows, PushRow *row);

/*
 * Check that keys of custom data are gone that were to go by a row's requests, which were sent; or
 * note the problem.
 */
extern void push_row_check(const PushRows *rows, PushRow *row);

/*
 * Return the columns (attribute numbers) that a row's requests have written, up to and with one of
 * them; NULL: none.
 */
extern Bitmapset *push_row_written(const PushRows *rows, const PushRow *row,
								   const ChangeRequest *last);

/*
 * Return the columns (attribute numbers) that a row's requests may have written besides: those of a
 * request that has failed, but may have been acted on (NULL: of none), and those of requests up to
 * and with last by which keys of custom data were to go.
 */
extern Bitmapset *push_row_perhaps_written(const PushRows *rows, const PushRow *row,
										   const ChangeRequest *last, const ChangeRequest *failed);

/* Say whether a problem is the row's affair alone, so that others can go on. */
extern bool push_problem_is_of_row(const PushProblem *problem);

#endif /* CRISP_PUSH_ROW_H */
