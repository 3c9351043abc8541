/*-------------------------------------------------------------------------
 *
 * sync_doubt.h
 *		Fetch again what seems to be gone below rows of a parent.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SYNC_DOUBT_H
#define CRISP_SYNC_DOUBT_H

#include "sync/sync_rows.h"
#include "sync/sync_target.h"

/*
 * Where nothing was fetched below some of the parents (text[]), although the target has rows there,
 * run the query once more for these, its parameter $4, and add what comes to the rows.  One answer
 * without a row would delete them.  Raises what the query raises.
 */
extern void sync_doubt_fetch(SyncRows *rows, const SyncTarget *target, const char *query,
							 const SyncParameters *parameters, Datum parents);

#endif /* CRISP_SYNC_DOUBT_H */
