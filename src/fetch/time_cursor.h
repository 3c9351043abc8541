/*-------------------------------------------------------------------------
 *
 * time_cursor.h
 *		Read a list whose pages follow each other by time, newest first.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_TIME_CURSOR_H
#define CRISP_TIME_CURSOR_H

#include "json/json.h"
#include "request/request.h"

typedef struct TimeCursor TimeCursor;

/*
 * Begin at the newest row that the request's times allow.  Palloc'd in CurrentMemoryContext, which
 * must outlive it; so must request.
 */
extern TimeCursor *time_cursor_create(const ChildrenRequest *request);

/* Return the query parameters that ask for the next page; palloc'd. */
extern char *time_cursor_query(const TimeCursor *cursor);

/*
 * Take the page that was asked for, elements, a JSON array; more tells whether the answer said that
 * others follow.  Puts those of its rows that were not on an earlier page into rows, which has room
 * for all, newest first; returns how many that are.  target is for messages.  Raises HV000 when the
 * list can't be read as a whole.
 */
extern size_t time_cursor_take_page(TimeCursor *cursor, const JsonNode *elements, bool more,
									const char *target, const JsonNode **rows);

/*
 * Return how often the list has gone back to pages that it had asked for: what is asked for now is
 * another answer than the one to the same query before.
 */
extern int time_cursor_retries(const TimeCursor *cursor);

/* Say whether no page follows that is of any use. */
extern bool time_cursor_at_end(const TimeCursor *cursor);

/*
 * Say whether a row that was seen is asked for again with the next page, so that this one isn't
 * empty.
 */
extern bool time_cursor_expects_rows(const TimeCursor *cursor);

#endif /* CRISP_TIME_CURSOR_H */
