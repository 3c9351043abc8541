/*-------------------------------------------------------------------------
 *
 * push_send.h
 *		Send rows of a push, and say what became of each.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PUSH_SEND_H
#define CRISP_PUSH_SEND_H

#include "nodes/bitmapset.h"

#include "push/push_row.h"
#include "write/deliver.h"

/* A row, and what became of it. */
typedef struct PushedRow
{
	PushRow		row;
	int			number;	   /* among the rows of the call, from 1 */
	bool		was_named; /* by who calls: Crisp may have given that name to another since */
	bool		anew;	   /* it has: of what was pushed, nothing is known */
	const char *outcome;   /* NULL: not yet known */
	Bitmapset  *written;   /* columns that were, where others of the row were not */
	Bitmapset  *perhaps;   /* columns that may have been written */
	int			needs;	   /* requests that were too many, where it waits for these; or 0 */
} PushedRow;

/* The rows of a call, and how they are sent. */
typedef struct Push
{
	PushRows   rows;
	Deliverer *deliverer;
	PushedRow *pushed;
	int		   count;
} Push;

/*
 * Send rows, which have their numbers, and note the outcome of each.  Changes and removals are
 * under way together, up to the option prefetch.  An insert of a row that Crisp turns out to have
 * becomes a change.  No failure of a request raises an error.
 */
extern void push_send(Push *push);

/*
 * Return the numbers of the rows that the latest call of push_send() has begun to write, be it that
 * it has raised an error since; or forget them.
 */
extern const Bitmapset *push_send_begun(void);
extern void				push_send_forget_begun(void);

#endif /* CRISP_PUSH_SEND_H */
