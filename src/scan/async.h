/*-------------------------------------------------------------------------
 *
 * async.h
 *		Fetch for several scans under one Append at the same time.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_ASYNC_H
#define CRISP_ASYNC_H

#include "foreign/fdwapi.h"

/* Run a scan asynchronously (callbacks of the FdwRoutine). */
extern bool crispIsForeignPathAsyncCapable(ForeignPath *path);
extern void crispForeignAsyncRequest(AsyncRequest *areq);
extern void crispForeignAsyncConfigureWait(AsyncRequest *areq);
extern void crispForeignAsyncNotify(AsyncRequest *areq);

#endif /* CRISP_ASYNC_H */
