/*-------------------------------------------------------------------------
 *
 * exact_spans.h
 *		Read all rows of a list that comes in no order, by spans of dates.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_EXACT_SPANS_H
#define CRISP_EXACT_SPANS_H

#include "fetch/exact_step.h"

typedef struct ExactSpans ExactSpans;

/*
 * Begin to read all that a step's request asks for by the dates of a column.  The spans live in the
 * step's context, and ask by the step, whose order is dropped.  Makes no request yet.
 */
extern ExactSpans *exact_spans_begin(ExactStep *step, const CrispColumn *dates);

/* Ask for the span that is to be read next, without waiting.  Returns false when there is none. */
extern bool exact_spans_ask(ExactSpans *spans);

/*
 * Go on when the page at hand, which is the first of the list without dates, or that of the latest
 * span, has been read: ask for another one, without waiting.  Returns false at the end.  Raises
 * CS003 when Crisp doesn't keep to the dates that it was asked for.
 */
extern bool exact_spans_next(ExactSpans *spans);

#endif /* CRISP_EXACT_SPANS_H */
