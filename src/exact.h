/*-------------------------------------------------------------------------
 *
 * exact.h
 *		All rows of a list, by date instead of page number.
 *
 * docs/consistency.md says what is guaranteed.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_EXACT_H
#define CRISP_EXACT_H

#include "pager.h"

typedef struct ExactReader ExactReader;

/*
 * Whether a request can be read by date: the API takes dates for its list, and the
 * request asks for no order of its own.
 */
extern bool exact_is_possible(const CrispRequest *request);

/*
 * What is asked for first: the request, with an order where the API has one that isn't known to be
 * ignored.
 */
extern CrispRequest exact_first_request(const CrispRequest *request);

/*
 * Begin to read what a request asks for.  The reader lives in a child of
 * CurrentMemoryContext; request, seen (NULL where rows have no key) and age must live as long.  What was made
 * since the scan began is no reason to go on.  Makes no request yet.
 */
extern ExactReader *exact_begin(const CrispRequest *request, SeenKeys *seen, const RowAge *age);

/*
 * The next row: a JSON object that stays valid until the next call, or NULL
 * at the end.  Raises what pager_go_to() raises, and HV000 when Crisp doesn't keep to the
 * dates that it is asked for.
 */
extern const JsonNode *exact_next(ExactReader *reader);

/* As the pager's functions of these names. */
extern const JsonNode *exact_page(const ExactReader *reader);
extern int64		   exact_page_date(const ExactReader *reader);
extern bool			   exact_at_hand(const ExactReader *reader);
extern PagerCounts	   exact_counts(const ExactReader *reader);

/* Release everything. */
extern void exact_end(ExactReader *reader);

#endif /* CRISP_EXACT_H */
