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

	/* To see that an answer without a row can't be true. */
	bool  is_part;	   /* nobody knows of a row in it before its first page */
	bool  has_row;	   /* one that was seen has the date oldest */
	int64 floor;	   /* below it, there seem to be no rows */
	bool  given_back;  /* it was another's again, as it seems to be empty */
	int64 asked_lower; /* what was asked for last is not earlier */
	int64 newest;	   /* time of the first row of the latest page of many rows, or the first */
	int	  newest_rows; /* of that page; 0 where there is none */
	int64 widened_at;  /* oldest, when such an answer had it ask from newest on */

	/* To tell how much is left. */
	int64  pages;	  /* read */
	int64  begins;	  /* time of the first row */
	double page_span; /* milliseconds of a page: the latest, or the average, whichever is more */
} Stretch;

/* Say whether the scan may ask for another page. */
extern bool stretch_may_ask(const StretchScan *scan);

/*
 * Begin to read a span, by what asked asks for (copied), which should be in the order of the scan's
 * dates; its first page has been asked for, unless there may be no other.  is_part: the span was
 * taken off another stretch.  Palloc'd in the scan's memory.
 */
extern Stretch *stretch_begin(StretchScan *scan, const ListRequest *asked, Span span, bool is_part);

/* Say whether there is more to read. */
extern bool stretch_is_active(const Stretch *stretch);

/* Take the page that was asked for, waiting for it.  Raises what pager_take() raises. */
extern void stretch_take(const StretchScan *scan, Stretch *stretch);

/*
 * Decide what comes after the page at hand, and ask for it.  Before its rows have been returned,
 * that may have to be put off.  Returns false where the list doesn't come in order.  Raises HV00R
 * where a page lacks rows that were seen, and what order_is_trusted() raises.
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

/*
 * Say whether the page that was taken, the first of a part, has no row, so that nothing shows
 * whether that's true.
 */
extern bool stretch_is_empty_part(const Stretch *stretch);

/*
 * Give a part back to the stretch above it, which goes on from rows that were seen: what the part
 * holds, if anything, comes with these.
 */
extern void stretch_give_back(StretchScan *scan, Stretch *part, Stretch *above);

#endif /* CRISP_EXACT_STRETCH_H */
