/*-------------------------------------------------------------------------
 *
 * connection.h
 *		What http.c needs of a connection pool beyond http.h.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_CONNECTION_H
#define CRISP_CONNECTION_H

#include <curl/curl.h>

#include "base/compat.h"
#include "http/http.h"

/* Called for a handle whose transfer has ended; must not raise an error. */
typedef void (*ConnectionFinished)(CURL *easy, CURLcode result);

/*
 * Hold a pool, and let go of it: a pool that was dropped meanwhile is closed by
 * the last one to let go.  Neither raises an error.
 */
extern void connection_hold(HttpPool *pool);
extern void connection_release(HttpPool *pool);

/*
 * Have all open, and accounted for, that another transfer of the pool takes, for
 * connection_attach().  If need be, pools without transfers go to sleep: they stay valid, and wake
 * up when they have one again.  False, with errno set, when there are too many transfers of other
 * pools under way.  Raises HV001 or 53000 where the pool can't be opened.
 */
extern bool connection_reserve(HttpPool *pool);

/* Raise 53000 (INSUFFICIENT_RESOURCES), with errno as the reason. */
pg_noreturn extern void connection_raise_no_descriptors(void);

/*
 * Add a configured handle to the pool, for which connection_reserve() has made room, or another was
 * detached just now.  The transfer starts with the next connection_run().  Raises HV001 or HV000,
 * and the handle is not attached then.
 */
extern void connection_attach(HttpPool *pool, CURL *easy);

/* Take a handle out of the pool, which aborts its transfer.  Raises no error. */
extern void connection_detach(HttpPool *pool, CURL *easy);

/*
 * Do what can be done at this moment without waiting, and call finished for every
 * transfer that came to its end.  Returns whether there was anything to do: the caller
 * calls again, after CHECK_FOR_INTERRUPTS(), until there's nothing.
 *
 * Raises HV001 or HV000 when libcurl or the kernel won't go on, having
 * dropped the pool.
 */
extern bool connection_run(HttpPool *pool, ConnectionFinished finished);

/*
 * For how many milliseconds somebody has looked after the pool, up to now.  This clock stands still
 * while rows that have come are made use of, or the client takes its time to ask for more: what
 * a server has sent meanwhile waits to be received, and isn't late.
 */
extern int64 connection_clock(const HttpPool *pool);

/*
 * Wait until there is something for connection_run() to do, or the latch of
 * the process was set; it's reset then, and the caller has to check for
 * interrupts.  idle as for http_wait().
 */
extern void connection_wait(HttpPool *pool, bool idle);

#endif /* CRISP_CONNECTION_H */
