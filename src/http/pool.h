/*-------------------------------------------------------------------------
 *
 * pool.h
 *		A pool of connections, between connection.c and pool_descriptor.c.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_POOL_H
#define CRISP_POOL_H

#include <curl/curl.h>

#include "lib/ilist.h"

#include "http/connection.h"

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
	int64	   attended_ms; /* what connection_clock() says */
	bool	   awaited;		/* somebody waits for epoll_fd by other means than ours */
	bool watched; /* somebody may: it was asked for, and nobody has looked after the pool since */
};

/* Whether it has all open that a transfer takes. */
extern bool pool_is_awake(const HttpPool *pool);

/*
 * Close all that a pool has open, which is to have no transfer.  It wakes up when it's needed
 * again; a moment that somebody waits for stays noted.  Raises no error.
 */
extern void pool_close_all(HttpPool *pool);

/*
 * Close what the pools have open that nobody needs now: all of those that nobody holds, and of
 * another than that one where there's no transfer under way, and no Append waits for a moment to
 * come.  Raises no error.
 */
extern void pool_close_idle(const HttpPool *but);

/*
 * Open the alarm of a pool that sleeps, for nothing but the moment that somebody waits for: it
 * needs no more before that has come.  Raises 53000 (INSUFFICIENT_RESOURCES).
 */
extern void pool_set_lone_alarm(HttpPool *pool);

/*
 * libcurl's CURLOPT_OPENSOCKETFUNCTION: programs started by the backend don't inherit the socket.
 */
extern curl_socket_t pool_open_socket(void *arg, curlsocktype purpose,
									  struct curl_sockaddr *address);

#endif /* CRISP_POOL_H */
