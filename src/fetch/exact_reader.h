/*-------------------------------------------------------------------------
 *
 * exact_reader.h
 *		Read all rows of a list, by date instead of page number.
 *
 * docs/consistency.md says what is guaranteed.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_EXACT_READER_H
#define CRISP_EXACT_READER_H

#include "fetch/exact_step.h"

typedef struct ExactReader ExactReader;

/*
 * What somebody who runs the statement wants of a scan by date, instead of all rows: those of some
 * ranges, as far as a number of pages goes, and no recheck.  What has changed since, and where, is
 * for that somebody to know.
 *
 * Lives as long as the scan.
 */
typedef struct ExactErrand
{
	/* Given: */
	const Span *ranges; /* disjoint, of the dates, the newest first; at least one */
	int			nranges;
	int64		pages;		  /* after so many have been asked for, the scan ends with those */
	int64		pages_before; /* read by earlier scans: a hint at how long the list is */

	/*
	 * Told, at the scan's end: of which dates all rows have been returned.  The first row is one of
	 * the first range's first page, and if there is one range, all others were read after that.
	 */
	bool  is_done; /* by a scan by date, whose list came in order; else nothing is known */
	Span *covered; /* palloc'd in the scan's memory */
	int	  ncovered;
} ExactErrand;

/*
 * Say whether a request can be read by date: the API takes dates for its list, and the request asks
 * for no order of its own.
 */
extern bool exact_is_possible(const ListRequest *request);

/*
 * Return what is asked for first: the request, with an order where the API has one that isn't known
 * to be ignored.
 */
extern ListRequest exact_first_request(const ListRequest *request);

/*
 * Begin to read what a request asks for.  The reader lives in a child of CurrentMemoryContext;
 * request, seen (NULL where rows have no key) and age must live as long.  What was made since the
 * scan began is no reason to go on.  Makes no request yet.
 *
 * Several stretches of dates are read at a time, up to the option prefetch, so that rows come in no
 * order; one after the other, newest first, where the request says newest_first.
 */
extern ExactReader *exact_begin(const ListRequest *request, KeySet *seen, const RowAge *age);

/*
 * Return the next row: a JSON object that stays valid until the next call, or NULL at the end.
 * Raises what pager_go_to() raises, and HV000 when Crisp doesn't keep to the dates that it is asked
 * for.
 */
extern const JsonNode *exact_next(ExactReader *reader);

/*
 * Get on without waiting, for asynchronous execution, as the pager's functions of these names do:
 * pager_get_ready(), and so on.  All that is wanted of exact_socket() is that something is asked
 * for.
 */
extern bool		exact_get_ready(ExactReader *reader);
extern bool		exact_is_ready(const ExactReader *reader);
extern pgsocket exact_socket(const ExactReader *reader);

/* Tell of what was read, as the pager's functions of these names do. */
extern const JsonNode *exact_page(const ExactReader *reader);
extern int64		   exact_page_date(const ExactReader *reader);
extern bool			   exact_at_hand(const ExactReader *reader);
extern ReaderCounts	   exact_counts(const ExactReader *reader);

/* Release everything. */
extern void exact_end(ExactReader *reader);

#endif /* CRISP_EXACT_READER_H */
