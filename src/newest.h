/*-------------------------------------------------------------------------
 *
 * newest.h
 *		The newest rows of a list that the API sorts on demand.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_NEWEST_H
#define CRISP_NEWEST_H

#include "nodes/execnodes.h"

typedef struct Newest Newest;

/*
 * Fills the slot with the next row of the list, in CurrentMemoryContext; returns false at its end.
 */
typedef bool (*NewestFetch)(ForeignScanState *node, TupleTableSlot *slot);

/* Whether the next row has come already, so that it costs no request. */
typedef bool (*NewestAtHand)(ForeignScanState *node);

/* Makes the list begin anew, in whatever order it comes, since a row was out of order. */
typedef void (*NewestRestart)(ForeignScanState *node);

/* Where rows come from, and in what order they are wanted. */
typedef struct NewestSource
{
	NewestFetch	  fetch;
	NewestAtHand  at_hand;
	NewestRestart restart;
	AttrNumber	  attnum;	   /* rows are sorted by this column, descending */
	bool		  nulls_first; /* and where NULLs go */
	double		  wanted;	   /* rows that satisfy the scan's conditions */
} NewestSource;

/*
 * Begin to give the rows of a scan in descending order.  trusted tells whether
 * the list's own order may be relied on, keeps_rows whether newest_again() may be called.  In a child of
 * parent.
 */
extern Newest *newest_begin(MemoryContext parent, ForeignScanState *node,
							const NewestSource *source, bool trusted, bool keeps_rows);

/*
 * Fill slot with the next row, which it owns; returns false at the end.  The first call fetches as many
 * rows as are wanted, or, where the order proves wrong, all of the list,
 * which is then sorted here.  Should more rows be asked for than were wanted,
 * the rest of the list follows, in order.
 */
extern bool newest_next(Newest *newest, TupleTableSlot *slot);

/*
 * Begin anew, after the scan's conditions have got other values of which Crisp isn't told: the rows that have
 * come are not asked for again.
 */
extern void newest_again(Newest *newest);

/* Release everything. */
extern void newest_end(Newest *newest);

#endif /* CRISP_NEWEST_H */
