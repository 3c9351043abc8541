/*-------------------------------------------------------------------------
 *
 * keyed_rows.h
 *		Keep rows that are found by a key, beyond a limit in temporary files.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_KEYED_ROWS_H
#define CRISP_KEYED_ROWS_H

#include "utils/resowner.h"

#include "json/json.h"

typedef struct KeyedRows KeyedRows;

/*
 * Create it without rows, in a child of parent.  They take about limit bytes of memory at most, and
 * for what is more temporary files, which will belong to owner.
 */
extern KeyedRows *keyed_rows_create(MemoryContext parent, Size limit, ResourceOwner owner);

/*
 * Keep a row under a key (UTF-8).  Of rows with the same key, the first will be found.  Raises for
 * memory, and what writing a temporary file raises, as do the functions below.
 */
extern void keyed_rows_add(KeyedRows *rows, const char *key, const JsonNode *row);

/* Return how many rows were added. */
extern int64 keyed_rows_count(const KeyedRows *rows);

/* Get ready to find rows; none may be added afterwards. */
extern void keyed_rows_index(KeyedRows *rows);

/* Say whether there is a row with that key; with only, no more than one. */
extern bool keyed_rows_has(KeyedRows *rows, const char *key, bool only);

/* Return the row with that key, a tree that belongs to owner; NULL when there is none. */
extern const JsonNode *keyed_rows_get(KeyedRows *rows, const char *key, MemoryContext owner);

/* Release everything. */
extern void keyed_rows_end(KeyedRows *rows);

#endif /* CRISP_KEYED_ROWS_H */
