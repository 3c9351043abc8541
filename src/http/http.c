/*-------------------------------------------------------------------------
 *
 * http.c
 *		Make room for transfers that are under way together, and limit their time.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "http/http.h"
#include "http/pool_descriptor.h"
#include "http/transfer.h"

/* Return how many transfers a pool has under way. */
static int
count_transfers(const HttpPool *pool)
{
	int		   count = 0;
	dlist_iter iter;

	dlist_foreach(iter, &http_transfers)
	{
		const HttpTransfer *transfer = dlist_container(HttpTransfer, node, iter.cur);

		if (transfer->pool == pool && transfer->attached)
			count++;
	}
	return count;
}

/* Wait until a pool has no more than so many transfers under way. */
static void
wait_until_left(HttpPool *pool, int count)
{
	for (http_progress(pool); count_transfers(pool) > count; http_progress(pool))
		http_wait(pool, false);
}

/*
 * Return the pool that has the oldest transfer under way of all but one; NULL when there is none.
 */
static HttpPool *
another_busy_pool(const HttpPool *but)
{
	dlist_iter iter;

	dlist_foreach(iter, &http_transfers)
	{
		const HttpTransfer *transfer = dlist_container(HttpTransfer, node, iter.cur);

		if (transfer->pool != but && transfer->attached)
			return transfer->pool;
	}
	return NULL;
}

/*
 * Have room for a transfer: the more servers there are, the fewer are asked at a time.  Others of
 * the same pool come last, since those of other pools set free what their pools take, too.
 */
static void
make_room(HttpPool *pool)
{
	while (!pool_reserve(pool))
	{
		int		  saved_errno = errno;
		HttpPool *other = another_busy_pool(pool);
		int		  own = count_transfers(pool);

		if (other != NULL)
			wait_until_left(other, 0);
		else if (own > 0)
			wait_until_left(pool, own - 1);
		else
		{
			errno = saved_errno;
			pool_raise_no_descriptors();
		}
	}
}

HttpTransfer *
http_start(HttpPool *pool, const HttpRequest *request, MemoryContext owner)
{
	make_room(pool);
	return transfer_create(pool, request, owner);
}

/*
 * Return the moment, by pool_clock(), at which a transfer is too slow if no more of its body has
 * come until then.  Whenever enough has come since the last such moment was set, it's set anew.
 */
static int64
slow_from(HttpTransfer *transfer, int64 clock)
{
	size_t came = transfer->body_length - transfer->fast_length;
	int64  needed = (clock - transfer->fast_until) * transfer->low_speed_limit / 1000;

	if (transfer->low_speed_limit == 0 || transfer->low_speed_time_ms == 0)
		return PG_INT64_MAX;

	/* Before it's sent, connecting has a timeout of its own. */
	if (!transfer_is_sent(transfer) || (came > 0 && (int64) came >= needed))
	{
		transfer->fast_until = clock;
		transfer->fast_length = transfer->body_length;
	}
	return transfer->fast_until + transfer->low_speed_time_ms;
}

/*
 * End a transfer if its time is over, or else be woken when it is.
 *
 * libcurl's own timeouts would end it before looking at what has come, however long nobody let it:
 * a page that was asked for ahead of need would be asked for again.
 */
static void
watch_time(HttpTransfer *transfer, int64 clock)
{
	HttpResponse *response = &transfer->response;
	int64		  late_from = PG_INT64_MAX;
	int64		  give_up;

	if (transfer->timeout_ms > 0)
		late_from = transfer->started_at + transfer->timeout_ms;
	give_up = Min(late_from, slow_from(transfer, clock));
	if (give_up == PG_INT64_MAX)
		return;
	if (give_up > clock)
	{
		http_wake_at(transfer->pool, http_clock() + give_up - clock);
		return;
	}

	if (late_from <= clock)
		snprintf(response->message, sizeof(response->message),
				 "Operation timed out after " INT64_FORMAT " milliseconds with %zu bytes received",
				 clock - transfer->started_at, transfer->body_length);
	else
		snprintf(response->message, sizeof(response->message),
				 "Operation too slow. Less than %d bytes/sec transferred the last %d milliseconds",
				 transfer->low_speed_limit, transfer->low_speed_time_ms);
	transfer_conclude(transfer, CURLE_OPERATION_TIMEDOUT);
}

void
http_progress(HttpPool *pool)
{
	dlist_mutable_iter iter;
	bool			   again = true;

	while (again)
	{
		again = pool_run(pool, transfer_finished);
		dlist_foreach_modify(iter, &http_transfers)
		{
			HttpTransfer *transfer = dlist_container(HttpTransfer, node, iter.cur);

			if (transfer->pool == pool && transfer->unattended)
			{
				transfer_connect_again(transfer);
				again = true;
			}
		}
		CHECK_FOR_INTERRUPTS();
	}

	dlist_foreach_modify(iter, &http_transfers)
	{
		HttpTransfer *transfer = dlist_container(HttpTransfer, node, iter.cur);

		if (transfer->pool == pool)
			watch_time(transfer, pool_clock(pool));
	}
}

bool
http_complete(const HttpTransfer *transfer)
{
	return transfer->complete;
}

void
http_wait(HttpPool *pool, bool idle)
{
	CHECK_FOR_INTERRUPTS();
	pool_wait(pool, idle);
}

const HttpResponse *
http_response(const HttpTransfer *transfer)
{
	Assert(transfer->complete);
	return &transfer->response;
}

void
http_keep_body(HttpTransfer *transfer, MemoryContext owner)
{
	MemoryContextCallback *callback = MemoryContextAlloc(owner, sizeof(MemoryContextCallback));

	callback->func = free;
	callback->arg = transfer->body;
	MemoryContextRegisterResetCallback(owner, callback);
	transfer->body = NULL;
}

void
http_end(HttpTransfer *transfer)
{
	MemoryContextDelete(transfer->context);
}
