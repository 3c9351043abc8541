/*-------------------------------------------------------------------------
 *
 * top_n.h
 *		Give the first rows of a list that the API sorts on demand, or one page after the other.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_TOP_N_H
#define CRISP_TOP_N_H

#include "nodes/execnodes.h"

#include "fetch/order.h"
#include "scan/row_store.h"

typedef struct TopN TopN;

/*
 * Fills the slot with the next row of the list, in CurrentMemoryContext; returns false at its end.
 * *late tells whether it has moved meanwhile, and belongs before rows that have come.
 */
typedef bool (*TopNFetch)(ForeignScanState *node, TupleTableSlot *slot, bool *late);

/* Whether the next row has come already, so that it costs no request. */
typedef bool (*TopNAtHand)(ForeignScanState *node);

/* What the rows that were fetched so far have shown of the list's order; see order.h. */
typedef OrderVerdict (*TopNVerdict)(ForeignScanState *node);

/* Whether no more rows come from the list, as far as that is known without a request. */
typedef bool (*TopNEnded)(ForeignScanState *node);

/*
 * Makes the list begin anew, in whatever order it comes, or, where it was reversed, from the
 * other end: all of it is to be read.  NULL where the rest of it does as well.
 */
typedef void (*TopNRestart)(ForeignScanState *node, bool reversed);

/*
 * Has all rows come from elsewhere, from the first and in no order, where that is cheaper than to
 * read on; returns whether they do.  It's only called before a row was given.  May be NULL.
 */
typedef bool (*TopNReplace)(ForeignScanState *node);

/*
 * Makes the list begin anew, if no more than some of its rows were asked for; returns whether it
 * does.  May be NULL.
 */
typedef bool (*TopNWiden)(ForeignScanState *node);

/*
 * Notes that the statement fails, as a row has come too late: one that has moved, or, unsorted, any
 * other.  NULL where the list isn't streamed: the first rows are wanted, and no others are likely
 * to be.
 */
typedef void (*TopNNoteFailure)(ForeignScanState *node, bool unsorted);

/*
 * Whether the session knows that the list doesn't come in that order.  NULL where no run relies on
 * it (see relied).
 */
typedef bool (*TopNDisproved)(ForeignScanState *node);

/* Where rows come from, and in what order they are wanted. */
typedef struct TopNSource
{
	TopNFetch		fetch;
	TopNAtHand		at_hand;
	TopNVerdict		verdict;
	TopNEnded		ended;
	TopNRestart		restart;
	TopNReplace		replace;
	TopNWiden		widen;
	TopNNoteFailure note_failure;
	TopNDisproved	disproved;
	bool		   *relied;	   /* a run has given rows on trust in the order; NULL for no matter */
	AttrNumber		attnum;	   /* rows are sorted by this column, */
	bool			ascending; /* from the smallest on, or from the largest, */
	bool			nulls_first; /* and where NULLs go */
	bool			full_pages;	 /* the list is asked for as one that is read in whole */
	double			wanted;		 /* rows that satisfy the scan's conditions */
} TopNSource;

/*
 * Begin to give the rows of a scan in the order of a column.  trusted tells whether the list's own
 * order may be relied on, keeps_rows whether top_n_again() may be called.  In a child of parent.
 */
extern TopN *top_n_begin(MemoryContext parent, ForeignScanState *node, const TopNSource *source,
						 bool trusted, bool keeps_rows);

/*
 * Fill slot with the next row, which it owns; returns false at the end.  The first call fetches as
 * many rows as are wanted, or, where the order proves wrong, all of the list, which is then sorted
 * here.  Should more rows be asked for than were wanted, the rest of the list follows, in order:
 * all of it, or where the source is streamed, a page.  Raises 40001 when a row comes that belongs
 * before rows which have been given.
 */
extern bool top_n_next(TopN *top_n, TupleTableSlot *slot);

/* Say whether the whole list has been read, and sorted here. */
extern bool top_n_has_sorted(const TopN *top_n);

/*
 * Return all rows of the list, in any order, if they were read to its end, and are kept; else NULL.
 * They are top_n's.
 */
extern RowStore *top_n_whole_list(const TopN *top_n);

/*
 * Begin anew, after the scan's conditions have got other values of which Crisp isn't told: the rows
 * that have come are not asked for again.
 */
extern void top_n_again(TopN *top_n);

/* Release everything. */
extern void top_n_end(TopN *top_n);

#endif /* CRISP_TOP_N_H */
