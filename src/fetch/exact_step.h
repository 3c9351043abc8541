/*-------------------------------------------------------------------------
 *
 * exact_step.h
 *		Make one request after the other for a list between two dates.
 *
 * What reads stretches of dates in order (exact_reader.c) and what reads them in no order
 * (exact_spans.c) are both made of such steps.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_EXACT_STEP_H
#define CRISP_EXACT_STEP_H

#include "fetch/pager.h"

/*
 * Rows that don't all go from their dates between two requests: an answer that lacks so many isn't
 * true.
 */
#define EXACT_SURE_ROWS 10

/* Closed interval of Unix milliseconds; the extremes of int64 stand for no bound. */
typedef struct Span
{
	int64 lower;
	int64 upper;
} Span;

typedef struct ExactStep
{
	const ListRequest *request; /* what the scan asks for */
	ListRequest		   asked;	/* what this step asks for: the caller sets its order and dates */
	MemoryContext	   context; /* parent of the pagers */
	KeySet			  *seen;
	const RowAge	  *age;
	Pager			  *pager;  /* has the page at hand; NULL before the first */
	Pager			  *next;   /* has been asked for the first page of what comes next; or NULL */
	bool			   waits;  /* for a page that was asked for, of next or else of pager */
	ReaderCounts	   counts; /* of earlier pagers */
	int				   gained; /* rows of the page at hand that may be older than the scan */
	int idle; /* pages in a row, within the bound or at the latest span, that had none */

	int	  page_number;	/* of the page at hand, or that was asked for, within its bound or span */
	int64 group;		/* rows that page numbers are needed for, on the pages so far ... */
	int64 group_before; /* ... and in the pass over them before; -1 for none */
	int	  passes;		/* over them, that are done */
	int	  pages_before; /* of the last one */
} ExactStep;

/*
 * Get ready to ask for what a request asks for.  All arguments must live as long as the step;
 * context is where its pages are kept.  Makes no request.
 */
extern void exact_step_init(ExactStep *step, const ListRequest *request, KeySet *seen,
							const RowAge *age, MemoryContext context);

/* Bound asked by dates (Unix milliseconds), within those of the request. */
extern void exact_step_bound(ExactStep *step, Span span);

/*
 * What is known of a request before its answer: nothing; that a row which was seen is on its first
 * page; or that somebody else asks for the same rows, should it be empty.
 */
typedef enum ExactHope
{
	EXACT_UNKNOWN,
	EXACT_HAS_ROW,
	EXACT_IS_PART
} ExactHope;

/*
 * Ask for the first page of what asked says, without waiting.  An empty answer is made sure of,
 * unless hope says that it's a part.  Rows of the page at hand may be left, and can be had until
 * the answer is taken.
 */
extern void exact_step_ask(ExactStep *step, ExactHope hope);

/*
 * Take the page that was asked for, waiting for it.  Raises what pager_take() and pager_check_gap()
 * raise.
 */
extern void exact_step_take(ExactStep *step);

/* Return the pager that waits for a page; the step must. */
extern Pager *exact_step_waiting(const ExactStep *step);

/* Ask for the page after the one at hand, without waiting. */
extern void exact_step_ask_next_page(ExactStep *step);

/* Return the next row of the page at hand, as pager_next_on_page() does. */
extern const JsonNode *exact_step_row(ExactStep *step);

/*
 * Note whether the page at hand, which was read, has brought anything older than the scan.  Returns
 * false after too many pages in a row that haven't.
 */
extern bool exact_step_gains(ExactStep *step);

/*
 * Read rows by page number that dates don't tell apart, so many of which are on the page at hand.
 * One that is deleted meanwhile lets another slide onto a page that was read, so they are read
 * until two passes over them have found as many, or it's for certain that others come in all the
 * time.  Returns false after that; otherwise a page has been asked for.
 */
extern bool exact_step_next_of_group(ExactStep *step, int64 rows, bool is_last);

/* Return what it has received so far. */
extern ReaderCounts exact_step_counts(const ExactStep *step);

/* Release all pages; aborts what is under way. */
extern void exact_step_end(ExactStep *step);

#endif /* CRISP_EXACT_STEP_H */
