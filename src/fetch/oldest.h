/*-------------------------------------------------------------------------
 *
 * oldest.h
 *		Find the dates of the oldest rows of a list, by some of its pages.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_OLDEST_H
#define CRISP_OLDEST_H

#include "request/request.h"

/* What finding them is likely to cost; a list of no more pages is read instead. */
#define CRISP_OLDEST_REQUESTS 13

/*
 * Narrow the dates of a request to a range, up to some time, in which there are at least so many
 * rows, and hardly more than a page.  Returns false, and leaves the request alone, where there
 * turns out to be none, or Crisp ignores dates.  Where rows move afterwards, the range may hold
 * less.  So it does where the list is short; pages is how many it has if statistics say so, else 0:
 * then a request tells whether it has grown.  Raises what requests raise.
 */
extern bool oldest_narrow(ListRequest *request, int wanted, int pages);

#endif /* CRISP_OLDEST_H */
