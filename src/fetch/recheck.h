/*-------------------------------------------------------------------------
 *
 * recheck.h
 *		Recheck what has changed in a list while it was read.
 *
 * A list that took several pages is followed by a recheck: the list of what was updated since it
 * began, which holds the rows that moved to the front.  That list moves as well: a recheck that
 * took more than one page is followed by another, of what was updated since that one began.  What
 * was made since the scan began is no reason for another.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_RECHECK_H
#define CRISP_RECHECK_H

#include "fetch/row_age.h"
#include "request/request.h"

/*
 * What the rows of a list tell.  Times are Unix milliseconds, of the column that tells changes.  A
 * step is the list itself, or one recheck.
 */
typedef struct Recheck
{
	const ListRequest *request;
	RowAge			   age;	   /* what was there when the scan began */
	const CrispColumn *column; /* NULL where there is none: then there is no recheck */
	const JsonPath	  *column_path;

	int64 since;	  /* of this step; PG_INT64_MIN for the list itself */
	int64 next_since; /* of the next: no change since this step began is older, */
	int64 next_start; /* but the next had better begin there */
	int64 half;		  /* half of the list's first page is no older; PG_INT64_MIN for unknown */
	int64 latest;	  /* of all rows so far, but for those of the future */
	int64 clock;	  /* Crisp's, on the first page; PG_INT64_MAX if it isn't told */
	int64 last_time;  /* of the row before, in this step */
	bool  has_first;  /* the first page of this step has come */
	bool  sorted;	  /* all rows so far came newest change first */

	bool  brought;	   /* there were rows in this step, */
	bool  brought_old; /* and some that may be older than the scan */
	int	  idle;		   /* rechecks in a row without such, */
	int	  count;	   /* and rechecks in all */
	int64 step_pages;  /* pages of the step before this one */
	int	  large;	   /* rechecks that took no fewer than what came before them */
} Recheck;

/*
 * Say whether a list comes in an order by which rows that change move to the front, and can be
 * asked for there.
 */
extern bool recheck_can_tell(const ListRequest *request);

/*
 * Get ready to look at the rows of a list, before the first.  request must live as long; what is
 * palloc'd goes into CurrentMemoryContext.
 */
extern void recheck_init(Recheck *recheck, const ListRequest *request);

/* Begin anew: the scan goes on with another list, of which nothing has come yet. */
extern void recheck_restart(Recheck *recheck, const ListRequest *request);

/*
 * Look at a page of a step, which came when Crisp's clock said date (Unix seconds; 0 if it isn't
 * told); page is NULL before the first.  To be called before recheck_note_row() is for its rows.
 */
extern void recheck_note_page(Recheck *recheck, const JsonNode *page, int64 date);

/*
 * Look at a row that is returned.  Those that come twice are no evidence of how the list is sorted:
 * they come again when others were put in front of them.
 */
extern void recheck_note_row(Recheck *recheck, const JsonNode *row);

/*
 * Note that the rows to come don't go on from those that came: their order tells nothing of the
 * list's.
 */
extern void recheck_note_gap(Recheck *recheck);

/* Note that the rows to come are in no order. */
extern void recheck_note_unsorted(Recheck *recheck);

/* Say whether this step is a recheck. */
extern bool recheck_is_running(const Recheck *recheck);

/* Say whether another recheck has a use after this step, of so many pages. */
extern bool recheck_is_due(const Recheck *recheck, int64 pages);

/*
 * Make the request of the next recheck, palloc'd in CurrentMemoryContext.  by_date tells that it is
 * read by date, so that there's no need to stop in its order.
 */
extern ListRequest *recheck_make_request(const Recheck *recheck, bool by_date);

/*
 * Narrow the request of a recheck, of a list that comes newest change first, to what has its place
 * before a row of it; return it.
 */
extern ListRequest *recheck_narrow(const Recheck *recheck, ListRequest *request,
								   const JsonNode *row);

/*
 * Say whether a row may have been there when the scan began: also where it was made after it was
 * changed, as it says, which can't be.
 */
extern bool recheck_row_is_old(const Recheck *recheck, const JsonNode *row);

/* Go on with the list itself, after a recheck before its end: the next one is of what follows. */
extern void recheck_pause(Recheck *recheck);

/* Begin the next step, the recheck of one that took so many pages. */
extern void recheck_begin(Recheck *recheck, int64 pages);

#endif /* CRISP_RECHECK_H */
