/*-------------------------------------------------------------------------
 *
 * list_reader.h
 *		All rows of a list, while it moves.
 *
 * docs/consistency.md says what is guaranteed.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_LIST_READER_H
#define CRISP_LIST_READER_H

#include "fetch/pager.h"

typedef struct ListReader ListReader;

/*
 * Begin to read what a request asks for, in the scan mode of its options.  The reader
 * lives in a child of CurrentMemoryContext; request must live as long.
 * Makes no request yet.
 */
extern ListReader *list_reader_begin(const ListRequest *request);

/* Whether a request is read by date; see exact_reader.h. */
extern bool list_reader_is_exact(const ListRequest *request);

/* What a reader asks for first: request, and what its scan mode adds. */
extern ListRequest list_reader_first_request(const ListRequest *request);

/*
 * The next row: a JSON object that stays valid until the next call, or NULL
 * at the end.  A key is returned once.  Raises what pager_next() and exact_next() raise.
 */
extern const JsonNode *list_reader_next(ListReader *reader);

/* As the pager's functions of these names. */
extern const JsonNode *list_reader_page(const ListReader *reader);
extern bool			   list_reader_at_hand(const ListReader *reader);
extern bool			   list_reader_ended(const ListReader *reader); /* nor will there be a look */
extern bool			   list_reader_is_ready(ListReader *reader);
extern bool			   list_reader_is_settled(const ListReader *reader);
extern pgsocket		   list_reader_socket(const ListReader *reader);
extern PagerCounts	   list_reader_counts(const ListReader *reader);

/* Release everything; aborts what is under way. */
extern void list_reader_end(ListReader *reader);

#endif /* CRISP_LIST_READER_H */
