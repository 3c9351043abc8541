/*-------------------------------------------------------------------------
 *
 * list_cost.h
 *		Tell whether a list costs no more requests than were made instead of it.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_LIST_COST_H
#define CRISP_LIST_COST_H

#include "request/request.h"

/* What is known of the pages of a list, and what was spent where it could have been read. */
typedef struct ListCost
{
	ListRequest *request;	   /* for all of it; NULL before list_cost_begin() */
	int			 pages;		   /* of the list; 0 where that isn't known */
	int64		 spent;		   /* requests that it would have spared */
	int			 least;		   /* pages that there are at least */
	int			 next;		   /* requests after which to ask how long it is */
	bool		 is_believed;  /* statistics say so, and nothing that was seen */
	bool		 is_unbounded; /* they do, and it may be far longer by now */
	bool		 counted;	   /* Crisp was asked for the number of rows, */
	int64		 rows;		   /* and has told it; -1 before */
	bool		 failed;	   /* it couldn't be had, once */
	bool		 given_up;	   /* it can't be had */
	int64		 probes;	   /* requests to find out how long it is */
} ListCost;

/*
 * Return the cost of a list of all rows that nothing was spent for.  pages is what statistics say
 * of it, 0 where there are none.
 */
extern ListCost list_cost_create(int pages);

/* The same for a list that conditions leave a part of, which statistics don't know. */
extern ListCost list_cost_create_part(void);

/* Say whether a request's list is that of all rows, which statistics and Crisp's number count. */
extern bool list_cost_is_whole(const ListRequest *request);

/*
 * Note which list it is, and what the session knows of it.  request, which isn't copied, must live
 * as long, and hold credentials.
 */
extern void list_cost_begin(ListCost *cost, ListRequest *request);

/* Note that the list has so many pages at least. */
extern void list_cost_note_least(ListCost *cost, int pages);

/*
 * Find out how long the list is, if it's time to: Crisp is asked for the number of rows, or for
 * some pages.  left is how many requests the list may spare yet, as far as is known (HUGE_VAL for
 * any number): where these are few, it isn't worth it.  Makes no request under a limit of requests.
 * What Crisp refuses raises nothing.  Raises what waiting raises.
 */
extern void list_cost_find(ListCost *cost, double left);

/*
 * Make sure, before the list is read, that it isn't far longer than statistics say: then its pages
 * are unknown.  Crisp is asked for the number of rows, or for one page, unless more is known of it.
 * Under a limit of requests, none is made that would be in the way of the list's own.  What Crisp
 * refuses raises nothing.  Raises what waiting raises.
 */
extern void list_cost_confirm(ListCost *cost);

/*
 * Say whether a list has no more pages than those that it had once, or twice as many: whether the
 * session knows it, or, with confirm, list_cost_confirm() tells; without, those are believed.
 * request must hold credentials.
 */
extern bool list_cost_is_short(ListRequest *request, int pages, bool confirm);

/*
 * Say whether as much was spent as the list costs, and so many requests more, which are forgiven;
 * list_cost_confirm() was called then.
 */
extern bool list_cost_is_reached(ListCost *cost, int64 forgiven);

/* Ask Crisp for the number of rows, if it has that of this list, and wasn't asked. */
extern void list_cost_count(ListCost *cost);

#endif /* CRISP_LIST_COST_H */
