/*-------------------------------------------------------------------------
 *
 * http.h
 *		Do HTTP over libcurl: connections, waiting, limits, ownership.
 *
 * Knows nothing of Crisp and raises no error for what a server or network
 * does: it reports an outcome, and the caller knows what that means.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_HTTP_H
#define CRISP_HTTP_H

#include "http/http_request.h"
#include "http/pool.h"

/*
 * Start a request; returns at once, and http_progress() sends it.  The transfer and all that it
 * holds belong to owner, whose reset or deletion aborts and releases it.  What request points to is
 * copied.
 *
 * GET and HEAD may be sent once more by libcurl when a kept connection turns out to be dead.
 * Everything else goes over a connection of its own, and so is sent at most once.
 *
 * Where the backend may open no more descriptors, it first waits until other pools have what they
 * asked for, and closes their connections.  Raises what http_wait() and http_progress() do then.
 *
 * Raises HV001 for lack of memory, HV000 where libcurl won't, and 53000 (INSUFFICIENT_RESOURCES)
 * for lack of descriptors.
 */
extern HttpTransfer *http_start(HttpPool *pool, const HttpRequest *request, MemoryContext owner);

/*
 * Let all transfers of the pool go on as far as they can without waiting.  Raises what
 * CHECK_FOR_INTERRUPTS() raises, and HV000 (FDW_ERROR) when libcurl or the kernel won't go on; the
 * pool is dropped then.
 */
extern void http_progress(HttpPool *pool);

/* Say whether the transfer has ended, in whatever way. */
extern bool http_complete(const HttpTransfer *transfer);

/*
 * Wait until http_progress() has something to do, or the process latch is set.  idle tells what
 * pg_stat_activity shows (17+): CrispRetry when the caller waits for a moment to come, CrispHttp
 * when it waits for an answer.  Raises what CHECK_FOR_INTERRUPTS() raises, at once.
 */
extern void http_wait(HttpPool *pool, bool idle);

/* Return the outcome of a transfer that has ended; owned by it. */
extern const HttpResponse *http_response(const HttpTransfer *transfer);

/*
 * Let the body of an answered transfer live as long as owner, which must outlive the transfer.
 * http_response() still points to it.  Raises only for memory.
 */
extern void http_keep_body(HttpTransfer *transfer, MemoryContext owner);

/* Abort if need be, and release; the transfer and its response are gone then. */
extern void http_end(HttpTransfer *transfer);

#endif /* CRISP_HTTP_H */
