/*-------------------------------------------------------------------------
 *
 * given_rows.h
 *		Know the rows that a run of a scan has given, when they come again.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_GIVEN_ROWS_H
#define CRISP_GIVEN_ROWS_H

#include "json/json.h"
#include "options/options.h"
#include "utils/resowner.h"

/* Rows of Crisp's, by their keys, and their places in a list that has them, too. */
typedef struct GivenRows GivenRows;

/*
 * Create it without rows, in a child of parent, for rows of the options' resource.  It takes about
 * work_mem, and beyond that a temporary file, which will belong to owner.
 */
extern GivenRows *given_rows_create(MemoryContext parent, ResourceOwner owner,
									const CrispOptions *options);

/* Add a row; returns false where it has no key.  Raises what temporary files raise. */
extern bool given_rows_add(GivenRows *rows, const JsonNode *row);

/* Forget the places in a list that was read before, perhaps in part: another one is read now. */
extern void given_rows_begin_list(GivenRows *rows);

/*
 * Note the row that is at a place of the list, counted from 0: at that place is one of the rows, if
 * it was added.  Raises what temporary files raise.
 */
extern void given_rows_note_place(GivenRows *rows, const JsonNode *row, int place);

/* Say whether one of the rows is at a place. */
extern bool given_rows_at(const GivenRows *rows, int place);

/* Release everything. */
extern void given_rows_end(GivenRows *rows);

#endif /* CRISP_GIVEN_ROWS_H */
