/*-------------------------------------------------------------------------
 *
 * transfer.h
 *		Run a request and its answer as a transfer of libcurl.
 *
 * For http.c alone: others know transfers by http.h.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_TRANSFER_H
#define CRISP_TRANSFER_H

#include "lib/ilist.h"

#include "http/http_head.h"
#include "http/http_request.h"
#include "http/pool.h"

struct HttpTransfer
{
	MemoryContextCallback callback;
	MemoryContext		  context;
	HttpPool			 *pool;
	CURL				 *easy; /* NULL once the transfer has ended */
	dlist_node			  node; /* in http_transfers, until then */

	/* When to give up, by pool_clock(). */
	int64  started_at;
	int	   timeout_ms;
	int	   low_speed_limit;
	int	   low_speed_time_ms;
	int64  fast_until;	/* up to here, the body came fast enough ... */
	size_t fast_length; /* ... and this much of it */

	/* Its connection, by the same clock. */
	int64 connects_since;
	int	  connect_timeout_ms;
	bool  unattended; /* it took too long, while nobody waited for it */

	bool attached;
	bool complete;
	int	 times_sent; /* libcurl has begun to send it so often; 0 where it doesn't tell */

	/* all from malloc() */
	struct curl_slist *headers; /* of the request */
	HttpHead		   head;
	char			  *body;

	size_t		 body_length;
	size_t		 body_capacity;
	size_t		 body_limit;
	bool		 body_too_large;
	bool		 head_too_large;
	bool		 out_of_memory;
	HttpResponse response;
};

/* The transfers of this process that are under way, whatever their pool; the oldest comes first. */
extern dlist_head http_transfers;

/*
 * Make a transfer of a pool that has room for it, and have libcurl begin with it.  The rest is as
 * in http_start().
 */
extern HttpTransfer *transfer_create(HttpPool *pool, const HttpRequest *request,
									 MemoryContext owner);

/* Say whether any of the request was sent; of a transfer that is under way. */
extern bool transfer_is_sent(const HttpTransfer *transfer);

/*
 * Conclude a transfer that has come to its end with that result: keep the answer, let go of the
 * rest.
 */
extern void transfer_conclude(HttpTransfer *transfer, CURLcode result);

/*
 * Take note that libcurl has ended a transfer (a PoolFinished).  It's concluded, or unattended:
 * then its connection is to be made anew.
 */
extern void transfer_finished(CURL *easy, CURLcode result);

/* Make a connection anew that nobody has waited for. */
extern void transfer_connect_again(HttpTransfer *transfer);

#endif /* CRISP_TRANSFER_H */
