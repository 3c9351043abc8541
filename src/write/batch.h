/*-------------------------------------------------------------------------
 *
 * batch.h
 *		Make requests that change several rows in the same way.
 *
 * How many rows such a request may hold isn't known.  A request for more than Crisp takes is
 * refused (400) with nothing changed; the session remembers which sizes have passed, and which
 * haven't.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_BATCH_H
#define CRISP_BATCH_H

#include "write/change.h"

/*
 * In these, null tells that the new value is one, and that it's open where Crisp takes it: what is
 * learnt of such requests, others don't have to know.
 */

/*
 * Return how many rows a request of a batch route is to hold, as far as the session knows: at least
 * two, or 0 where the routes of single rows are to be used.
 */
extern int batch_size(const ChangeTable *table, const CrispBatch *batch, bool null);

/* Say whether a request for so many rows is known to pass. */
extern bool batch_is_proven(const ChangeTable *table, const CrispBatch *batch, bool null,
							int nrows);

/* Remember that a request for so many rows has passed. */
extern void batch_passed(const ChangeTable *table, const CrispBatch *batch, bool null, int nrows);

/* Remember that so many rows are too many for a request; 0 where the route isn't to be used. */
extern void batch_refused(const ChangeTable *table, const CrispBatch *batch, bool null, int nrows);

/*
 * Make the request that does to several rows, two at least, what model does to one; model->batch
 * says how.  Palloc'd in CurrentMemoryContext; model must live as long.  Raises what
 * change_target() does, and 22P05 for a name that UTF-8 doesn't have.
 */
extern ChangeRequest *batch_create(const ChangeTable *table, const ChangeRequest *model,
								   const ChangeKeys *const *rows, int nrows);

#endif /* CRISP_BATCH_H */
