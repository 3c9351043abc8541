/*-------------------------------------------------------------------------
 *
 * list_reader.h
 *		Read all rows of a list, while it moves.
 *
 * docs/consistency.md says what is guaranteed.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_LIST_READER_H
#define CRISP_LIST_READER_H

#include "fetch/row_reader.h"
#include "request/request.h"

/*
 * Begin to read the list that a request asks for, in the scan mode of its options.  A key comes
 * once.  The reader lives in a child of CurrentMemoryContext; request must live as long.  Reading
 * raises what pager_next() and exact_next() raise.
 *
 * A request that is streamed has an order that the caller trusts.  Its rows come in
 * that order, but for those that moved to the front meanwhile and were there when the list was
 * begun: each comes before any row that followed where it had its place, and is late.
 */
extern RowReader *list_reader_begin(const ListRequest *request);

/*
 * Return how many pages of lists the session has read in scans that have ended; of a list that
 * came at once it counts one.
 */
extern int64 list_reader_pages(void);

/* Say whether a request is read by date; see exact_reader.h. */
extern bool list_reader_is_exact(const ListRequest *request);

/* Return what a reader asks for first: request, and what its scan mode adds. */
extern ListRequest list_reader_first_request(const ListRequest *request);

#endif /* CRISP_LIST_READER_H */
