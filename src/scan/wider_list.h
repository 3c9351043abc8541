/*-------------------------------------------------------------------------
 *
 * wider_list.h
 *		Read the list that serves the runs of a scan, once these have cost as much.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_WIDER_LIST_H
#define CRISP_WIDER_LIST_H

#include "scan/scan_state.h"

/*
 * The list that a scan would read without those of its conditions whose values change from one run
 * to the next; rows of it are kept, and PostgreSQL checks all conditions on them.
 */
typedef struct WiderList WiderList;

/*
 * Create it for a scan that has begun, in the statement's memory, with nothing known; NULL where
 * the scan runs once, or by keys.  Temporary files will belong to the resource owner of now.
 */
extern WiderList *wider_list_create(ForeignScanState *node);

/* Note that a run has other values of the executor's parameters in a set.  list may be NULL. */
extern void wider_list_note_params(WiderList *list, const Bitmapset *params);

/*
 * Say whether the list serves the run that begins, whose request is made: read it if it's time to,
 * or find out how long it is.  If Crisp doesn't give it, the scan goes on as before.  Its first row
 * is the next.  Raises what waiting and keeping rows raise.
 */
extern bool wider_list_serves(ForeignScanState *node);

/*
 * Note that a row of Crisp's is given by the run that is under way.
 */
extern void wider_list_note_given(CrispScan *scan, const FetchedRow *row);

/*
 * Say whether the list takes over a run that is under way, as that has made the sum of all runs as
 * dear as the list: it then gives the rows that the run hasn't given.  The run's reader is ended.
 * Raises what wider_list_serves() raises.
 */
extern bool wider_list_takes_over(ForeignScanState *node);

/*
 * The same in two steps, for a run for the first rows in an order, none of which was given yet: say
 * whether it's time, and read the list, which then gives all rows of that run, from the first.
 * Returns false where Crisp doesn't give it.  Raises what wider_list_serves() raises.
 */
extern bool wider_list_is_due(ForeignScanState *node);
extern bool wider_list_takes_all(ForeignScanState *node);

/*
 * Set *key to that of the list that the run which is under way would read if it read all, in
 * past_runs.h; returns false where there is none.  list may be NULL.
 */
extern bool wider_list_own_key(const WiderList *list, TextKey *key);

/* Say whether rows of the run that is under way come from the list as they are in it. */
extern bool wider_list_is_read(const CrispScan *scan);

/* Get the first row of the list next, for the same run once more. */
extern void wider_list_rewind(CrispScan *scan);

/* Fill slot with a copy of the next row of the list; returns false, and clears it, at its end. */
extern bool wider_list_get(WiderList *list, TupleTableSlot *slot);

/* Do so for who sorts them (a TopNFetch). */
extern bool wider_list_fetch(ForeignScanState *node, TupleTableSlot *slot, bool *late);

/* What a list has come to. */
typedef struct WiderListCounts
{
	int64 runs;		/* that it has served */
	int64 recalled; /* how often it was recalled from past_runs.h for them */
	int64 probes;	/* requests to find out how long it is */
} WiderListCounts;

/* Return that; list may be NULL. */
extern WiderListCounts wider_list_counts(const WiderList *list);

/* Release everything; list may be NULL. */
extern void wider_list_end(WiderList *list);

#endif /* CRISP_WIDER_LIST_H */
