/*-------------------------------------------------------------------------
 *
 * pool.h
 *		Manage pools of connections: lifetime, transfers, waiting.
 *
 * Knows nothing of requests: what is transferred is a handle of libcurl.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_POOL_H
#define CRISP_POOL_H

#include <curl/curl.h>

typedef struct HttpPool HttpPool;

/*
 * Return the connections of a user mapping: kept by this backend across statements, never shared
 * with another mapping, dropped when the server or the mapping changes (found by syscache
 * invalidation).  credentials is a hash of what is sent over them: other credentials of the same
 * mapping, as of a scan that began before it changed, have connections of their own.
 *
 * The pool stays valid until owner is reset or deleted, also when it was dropped meanwhile: whoever
 * holds it goes on with it, and the next call here makes a new one.
 *
 * Raises HV000 (FDW_ERROR) when libcurl can't be initialized.
 */
extern HttpPool *http_pool(Oid server_id, Oid user_mapping_id, uint64 credentials,
						   MemoryContext owner);

/*
 * Drop the pools of a server, of all servers for InvalidOid.  Those that nobody holds are closed at
 * once, the others when the last holder or transfer is gone.  Return whether there were any.
 */
extern bool http_pool_close(Oid server_id);

/*
 * Return a descriptor that becomes readable when http_progress() has something to do, be it for a
 * socket or for a timer.  It belongs to the pool and stays the same as long as the pool has a
 * transfer; it's for waiting only, and asked for each time just before.  A duplicate of it is
 * accounted for by the transfer that is waited for.  Raises 53000 (INSUFFICIENT_RESOURCES) where
 * there is none, and the backend may open no more descriptors.
 */
extern pgsocket http_pool_socket(HttpPool *pool);

/*
 * Note that an Append node is about to wait for the descriptors that it asks for next, or just
 * looks whether they are readable, or has waited (false): that time counts as spent in http_wait().
 * Raises no error.
 */
extern void http_append_waits(bool waits);

/* Return the time of a clock that only goes forward, milliseconds since some moment in the past. */
extern int64 http_clock(void);

/*
 * Make http_pool_socket() readable at the latest when http_clock() says at_ms.  One such moment is
 * kept, the earliest, until it has come: then whoever still waits for another says so again.
 * Raises no error.
 */
extern void http_wake_at(HttpPool *pool, int64 at_ms);

/*----------
 * For http.c alone
 *----------
 */

/* Take a handle whose transfer has ended; must not raise an error. */
typedef void (*PoolFinished)(CURL *easy, CURLcode result);

/*
 * Hold a pool, and let go of it: a pool that was dropped meanwhile is closed by the last one to let
 * go.  Neither raises an error.
 */
extern void pool_hold(HttpPool *pool);
extern void pool_release(HttpPool *pool);

/*
 * Have all open, and accounted for, that another transfer of the pool takes, for pool_attach().  If
 * need be, pools without transfers go to sleep: they stay valid, and wake up when they have one
 * again.  Return false, with errno set, when there are too many transfers of other pools under way.
 * Raises HV001 or 53000 where the pool can't be opened.
 */
extern bool pool_reserve(HttpPool *pool);

/*
 * Add a configured handle to the pool, for which pool_reserve() has made room, or another was
 * detached just now.  The transfer starts with the next pool_run().  Raises HV001 or HV000, and the
 * handle is not attached then.
 */
extern void pool_attach(HttpPool *pool, CURL *easy);

/* Take a handle out of the pool, which aborts its transfer.  Raises no error. */
extern void pool_detach(HttpPool *pool, CURL *easy);

/*
 * Do what can be done at this moment without waiting, and call finished for every transfer that
 * came to its end.  Return whether there was anything to do: the caller calls again, after
 * CHECK_FOR_INTERRUPTS(), until there's nothing.
 *
 * Raises HV001 or HV000 when libcurl or the kernel won't go on, having dropped the pool.
 */
extern bool pool_run(HttpPool *pool, PoolFinished finished);

/*
 * Return for how many milliseconds somebody has looked after the pool, up to now.  This clock
 * stands still while rows that have come are made use of, or the client takes its time to ask for
 * more: what a server has sent meanwhile waits to be received, and isn't late.
 */
extern int64 pool_clock(const HttpPool *pool);

/*
 * Wait until there is something for pool_run() to do, or the latch of the process was set; it's
 * reset then, and the caller has to check for interrupts.  idle as for http_wait().
 */
extern void pool_wait(HttpPool *pool, bool idle);

#endif /* CRISP_POOL_H */
