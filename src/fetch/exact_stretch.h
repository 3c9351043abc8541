/*-------------------------------------------------------------------------
 *
 * exact_stretch.h
 *		Read a stretch of dates, newest first, by one request after the other.
 *
 * As long as Crisp sorts the list by the date that it takes bounds for, newest first: each request
 * is for what is not newer than the oldest row seen so far.  Where rows are is then no matter of
 * how many stand before them.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_EXACT_STRETCH_H
#define CRISP_EXACT_STRETCH_H

#include "fetch/exact_step.h"

/* What the stretches of a scan have in common. */
typedef struct StretchScan
{
	const ListRequest *request; /* what the scan asks for */
	const CrispColumn *dates;
	MemoryContext	   context; /* of the stretches */
	KeySet			  *seen;
	const RowAge	  *age;
	int64 max_pages; /* after so many have been asked for, no other is; or PG_INT64_MAX */
	int64 asked;	 /* pages so far */
} StretchScan;

typedef struct Stretch
{
	ExactStep step;
	Span	  span;
	int64  oldest;	/* what is asked for is not later; PG_INT64_MAX for the first request of all */
	int64  read_to; /* all rows of span that are later have been returned */
	bool   decided; /* whether more is to be asked for after the page at hand; if so, it has been */
	bool   ended;	/* there is no more */
	bool   stopped; /* there may be more, which isn't wanted */
	bool   seeks_end;  /* looks whether the first page, which is full, is all that there is */
	bool   sought_end; /* it did so once */
	uint64 turn;	   /* of its latest request, of those of all stretches */

	/* To tell how much is left. */
	int64  pages;	  /* read */
	int64  begins;	  /* time of the first row */
	double page_span; /* milliseconds of a page: the latest, or the average, whichever is more */
} Stretch;

/* Say whether the scan may ask for another page. */
extern bool stretch_may_ask(const StretchScan *scan);

/*
 * Begin to read a span, by what asked asks for (copied), which should be in the order of the scan's
 * dates; its first page has been asked for, unless there may be no other.  Palloc'd in the scan's
 * memory.
 */
extern Stretch *stretch_begin(StretchScan *scan, const ListRequest *asked, Span span);

/* Say whether there is more to read. */
extern bool stretch_is_active(const Stretch *stretch);

/* Take the page that was asked for, waiting for it.  Raises what pager_take() raises. */
extern void stretch_take(const StretchScan *scan, Stretch *stretch);

/*
 * Decide what comes after the page at hand, and ask for it.  Before its rows have been returned,
 * that may have to be put off.  Returns false where the list doesn't come in order.  Raises what
 * order_is_trusted() raises.
 */
extern bool stretch_decide(StretchScan *scan, Stretch *stretch, bool is_read);

/*
 * Estimate how many pages are left, if these are worth parting, and the time that parts them in
 * two; else 0.  pages have been read in all, of all stretches.
 */
extern double stretch_pages_left(const StretchScan *scan, const Stretch *stretch, int64 pages,
								 int64 *middle);

/* Take off what is not later than a time, for another stretch, and return its span. */
extern Span stretch_part(Stretch *stretch, int64 middle);

#endif /* CRISP_EXACT_STRETCH_H */
