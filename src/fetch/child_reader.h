/*-------------------------------------------------------------------------
 *
 * child_reader.h
 *		Read the list below one row of another resource.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_CHILD_READER_H
#define CRISP_CHILD_READER_H

#include "api/answer_cache.h"
#include "fetch/names.h"
#include "fetch/row_reader.h"
#include "request/request.h"

typedef struct ChildReader ChildReader;

/*
 * Begin to read what request asks for below the parent's row with that argument, by that word (both
 * UTF-8; the word NULL where routes have none).  base is an object with what elements inherit, the
 * argument among it, or NULL.  All are copied. cache may be NULL, and so may names, which get to
 * know the rows' names if all rows are read.  The reader lives in a child of CurrentMemoryContext;
 * request, cache and names must live as long.  Makes no request yet.
 */
extern ChildReader *child_begin(const ChildrenRequest *request, const char *argument,
								const char *word, const JsonNode *base, AnswerCache *cache,
								Names *names);

/* Say whether the answer at hand has rows left; whether nothing more comes after them. */
extern bool child_at_hand(const ChildReader *child);
extern bool child_at_end(const ChildReader *child);

/*
 * Return the next row of the answer at hand, an object that stays valid until the next answer is
 * taken; NULL after the last one.
 */
extern const JsonNode *child_next(ChildReader *child);

/* Return what the rows of the reader inherit: an object. */
extern const JsonNode *child_base(const ChildReader *child);

/*
 * Ask for the next answer, unless that was done; there must be one.  Raises what api_start()
 * raises.
 */
extern void child_ask(ChildReader *child);

/*
 * Say whether what was asked for can be taken, as the functions of a RowReader of these names do.
 */
extern bool		child_get_ready(ChildReader *child);
extern bool		child_is_ready(const ChildReader *child);
extern pgsocket child_socket(const ChildReader *child);

/*
 * Wait for what was asked for, and take it.  A row of the parent's that is gone has no rows below.
 * Raises what api_finish() raises, 08P01 when the answer isn't what it should be, and what
 * time_cursor_take_page() raises.
 */
extern void child_take(ChildReader *child);

/* Count answers, rows, and those that were dropped, so far. */
extern ReaderCounts child_counts(const ChildReader *child);

/* Release everything; aborts what is under way. */
extern void child_end(ChildReader *child);

#endif /* CRISP_CHILD_READER_H */
