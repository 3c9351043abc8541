/*-------------------------------------------------------------------------
 *
 * past_runs.h
 *		Keep what runs of a scan have given, for others that give the same.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PAST_RUNS_H
#define CRISP_PAST_RUNS_H

#include "base/text_key.h"
#include "request/request.h"
#include "scan/row_store.h"

/* Rows of runs that have given all of them, each by a key that tells what these are. */
typedef struct PastRuns PastRuns;

/*
 * Create it without rows, in a child of parent, which must be the statement's memory.  It takes
 * about work_mem, and beyond that a temporary file, which will belong to the resource owner of now,
 * of several times that; runs that find no room aren't kept.  tupdesc must live as long.
 */
extern PastRuns *past_runs_create(MemoryContext parent, TupleDesc tupdesc);

/* Return the key of a run that gives the whole list that a request asks for, in any order. */
extern TextKey past_runs_list_key(const CrispRequest *request);

/* Keep all rows of a run.  Raises for memory, and what temporary files raise. */
extern void past_runs_keep(PastRuns *runs, TextKey key, RowStore *rows);

/* Say whether a run was kept. */
extern bool past_runs_has(PastRuns *runs, TextKey key);

/*
 * Put the rows of a run into a store without rows, of which the first is the next.  Returns false
 * where no such run was kept.  Raises what past_runs_keep() raises.
 */
extern bool past_runs_recall(PastRuns *runs, TextKey key, RowStore *rows);

/* Return how many runs were recalled; runs may be NULL. */
extern int64 past_runs_recalled(const PastRuns *runs);

/* Release everything; runs may be NULL. */
extern void past_runs_end(PastRuns *runs);

#endif /* CRISP_PAST_RUNS_H */
