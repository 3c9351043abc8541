/*-------------------------------------------------------------------------
 *
 * async.h
 *		Several scans under one Append, fetched at the same time.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_ASYNC_H
#define CRISP_ASYNC_H

#include "foreign/fdwapi.h"

/* Callbacks of the FdwRoutine. */
extern bool crisp_is_path_async_capable(ForeignPath *path);
extern void crisp_async_request(AsyncRequest *areq);
extern void crisp_async_configure_wait(AsyncRequest *areq);
extern void crisp_async_notify(AsyncRequest *areq);

#endif /* CRISP_ASYNC_H */
