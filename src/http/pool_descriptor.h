/*-------------------------------------------------------------------------
 *
 * pool_descriptor.h
 *		Manage what a pool of connections has open, and how many there may be.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_POOL_DESCRIPTOR_H
#define CRISP_POOL_DESCRIPTOR_H

#include <curl/curl.h>

#include "lib/ilist.h"

#include "base/compat.h"

/* A pool; others know it by pool.h. */
struct HttpPool
{
	dlist_node node; /* in pools, unless dropped */
	Oid		   server_id;
	Oid		   user_mapping_id;
	uint64	   credentials;	 /* a hash of them */
	uint32	   server_hash;	 /* as syscache invalidation names the server ... */
	uint32	   mapping_hash; /* ... and the user mapping */
	int		   holders;		 /* contexts and transfers that keep it open */
	bool	   dropped;		 /* not in pools; closed by the last holder */
	int		   transfers;	 /* attached at present */
	int		   descriptors;	 /* accounted for */
	int		   epoll_fd;
	int		   timer_fd; /* of libcurl */
	int		   alarm_fd; /* of http_wake_at() */
	int64	   alarm_at; /* when it's set for, milliseconds of http_clock(); 0 when it isn't */
	CURLM	  *multi;
	int		   watch_errno; /* why watching a socket or timer failed, or 0 */
	int64	   looked_at;	/* when somebody last looked after it, by http_clock() */
	int64	   attended_ms; /* what pool_clock() says */
	bool	   awaited;		/* somebody waits for epoll_fd by other means than ours */
	bool watched; /* somebody may: it was asked for, and nobody has looked after the pool since */
};

/* Say whether a pool has all open that a transfer takes. */
extern bool pool_is_awake(const struct HttpPool *pool);

/*
 * Close all that a pool has open, which is to have no transfer.  It wakes up when it's needed
 * again; a moment that somebody waits for stays noted.  Raises no error.
 */
extern void pool_close_all(struct HttpPool *pool);

/*
 * Open the alarm of a pool that sleeps, for nothing but the moment that somebody waits for: it
 * needs no more before that has come.  Raises 53000 (INSUFFICIENT_RESOURCES).
 */
extern void pool_set_lone_alarm(struct HttpPool *pool);

/*
 * Open a socket that programs started by the backend don't inherit (libcurl's
 * CURLOPT_OPENSOCKETFUNCTION).
 */
extern curl_socket_t pool_open_socket(void *arg, curlsocktype purpose,
									  struct curl_sockaddr *address);

/*
 * Account for what another transfer of the pool takes.  Return false, with errno set, when
 * PostgreSQL needs the rest of the descriptors for its own files.
 */
extern bool pool_account(struct HttpPool *pool);

/*
 * Open all that a pool needs before its first transfer, which is accounted for.  A moment that
 * somebody waits for is set again.  Raises HV001 or 53000.
 */
extern void pool_wake(struct HttpPool *pool);

/* Set the alarm of a pool, as http_wake_at() says. */
extern void pool_set_alarm(struct HttpPool *pool, int64 at_ms);

/* Raise 53000 (INSUFFICIENT_RESOURCES), with errno as the reason. */
pg_noreturn extern void pool_raise_no_descriptors(void);

#endif /* CRISP_POOL_DESCRIPTOR_H */
