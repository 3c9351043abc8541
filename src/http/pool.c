/*-------------------------------------------------------------------------
 *
 * pool.c
 *		Manage pools of connections: lifetime, transfers, waiting.
 *
 * A pool is a multi handle of libcurl, which keeps connections and the
 * addresses of hosts, and an epoll descriptor that watches all that the multi
 * handle waits for: its sockets, and a timer descriptor for its timeouts.  A
 * second timer wakes those who wait for a moment to come.  So there is one
 * descriptor to wait on, next to the latch of the process, and an Append node
 * can do so too, which could not wait for a timeout.
 *
 * Pools live as long as the backend, unless their server or user mapping
 * changes, and are closed by the end of the process: there is no callback for
 * that, as the kernel closes the sockets, and servers take it for what it is.
 *
 * Nothing here calls into PostgreSQL from within libcurl.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "http/pool.h"
#include "http/pool_descriptor.h"

/* How many ready descriptors are looked at in one go; more have to wait their turn. */
#define EVENTS_AT_ONCE 16

/* What keeps a pool for a memory context. */
typedef struct PoolHold
{
	MemoryContextCallback callback;
	HttpPool			 *pool;
} PoolHold;

/* The pools of this process that are not dropped. */
static dlist_head pools = DLIST_STATIC_INIT(pools);

/* Whether an Append node waits for the pools whose descriptors it asks for. */
static bool append_waits = false;

/* The process that pools and libcurl's global state belong to. */
static pid_t pools_pid = 0;

static void
pool_close(HttpPool *pool)
{
	pool_close_all(pool);
	pfree(pool);
}

static void
pool_drop(HttpPool *pool)
{
	if (pool->dropped)
		return;

	dlist_delete(&pool->node);
	pool->dropped = true;
	if (pool->holders == 0)
		pool_close(pool);
}

/*
 * Close what the pools have open that nobody needs now: all of those that nobody holds, and of
 * another than that one where there's no transfer under way, and no Append waits for a moment to
 * come.
 */
static void
close_idle(const HttpPool *but)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &pools)
	{
		HttpPool *pool = dlist_container(HttpPool, node, iter.cur);

		if (pool->holders == 0)
			pool_drop(pool);
		else if (pool != but && pool->transfers == 0 && !pool->watched)
			pool_close_all(pool);
	}
}

bool
pool_reserve(HttpPool *pool)
{
	bool enough = pool_account(pool);

	if (!enough)
	{
		close_idle(pool);
		enough = pool_account(pool);
	}
	if (!enough)
	{
		int saved_errno = errno;

		/* Half of it would be of use to nobody. */
		if (!pool_is_awake(pool))
			pool_close_all(pool);
		errno = saved_errno;
		return false;
	}
	pool_wake(pool);
	return true;
}

void
pool_hold(HttpPool *pool)
{
	pool->holders++;
}

void
pool_release(HttpPool *pool)
{
	Assert(pool->holders > 0);

	/* Who has given up waiting doesn't say so. */
	pool->awaited = false;
	if (--pool->holders == 0 && pool->dropped)
		pool_close(pool);
}

static void
release_hold(void *arg)
{
	pool_release(((PoolHold *) arg)->pool);
}

/*
 * Drop the pools whose server or user mapping changed.  Called by the cache invalidation of
 * PostgreSQL, never within libcurl; hash value 0 means all.
 */
static void
invalidate_pools(Datum arg, int cache_id, uint32 hash_value)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &pools)
	{
		HttpPool *pool = dlist_container(HttpPool, node, iter.cur);
		uint32	  own = cache_id == FOREIGNSERVEROID ? pool->server_hash : pool->mapping_hash;

		if (hash_value == 0 || hash_value == own)
			pool_drop(pool);
	}
}

/*
 * Prepare libcurl in this process, when the first pool is asked for.  Had the parent done so before
 * it forked, its connections would not be ours to use or to close, so they are forgotten.
 */
static void
initialize_libcurl(void)
{
	if (pools_pid == MyProcPid)
		return;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		ereport(ERROR, (errcode(ERRCODE_FDW_ERROR), errmsg("could not initialize libcurl")));

	dlist_init(&pools);
	if (pools_pid == 0)
	{
		CacheRegisterSyscacheCallback(FOREIGNSERVEROID, invalidate_pools, (Datum) 0);
		CacheRegisterSyscacheCallback(USERMAPPINGOID, invalidate_pools, (Datum) 0);
	}
	pools_pid = MyProcPid;
}

static HttpPool *
pool_create(Oid server_id, Oid user_mapping_id, uint64 credentials)
{
	uint32	  server_hash = GetSysCacheHashValue1(FOREIGNSERVEROID, ObjectIdGetDatum(server_id));
	uint32	  mapping_hash;
	HttpPool *pool;

	mapping_hash = GetSysCacheHashValue1(USERMAPPINGOID, ObjectIdGetDatum(user_mapping_id));
	pool = MemoryContextAllocZero(TopMemoryContext, sizeof(HttpPool));
	pool->server_id = server_id;
	pool->user_mapping_id = user_mapping_id;
	pool->credentials = credentials;
	pool->server_hash = server_hash;
	pool->mapping_hash = mapping_hash;
	pool->epoll_fd = -1;
	pool->timer_fd = -1;
	pool->alarm_fd = -1;
	pool->looked_at = http_clock();
	dlist_push_head(&pools, &pool->node);
	return pool;
}

/*
 * Find the pool of a user mapping and credentials; NULL when there is none.  What idles there for
 * credentials that the mapping no longer has is closed.
 */
static HttpPool *
find_pool(Oid server_id, Oid user_mapping_id, uint64 credentials)
{
	HttpPool		  *result = NULL;
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &pools)
	{
		HttpPool *pool = dlist_container(HttpPool, node, iter.cur);

		if (pool->user_mapping_id != user_mapping_id || pool->server_id != server_id)
			continue;
		if (pool->credentials == credentials)
			result = pool;
		else if (pool->holders == 0)
			pool_drop(pool);
	}
	return result;
}

/* Find or make the pool of a user mapping; see pool.h.  There are few of them, so a list does. */
HttpPool *
http_pool(Oid server_id, Oid user_mapping_id, uint64 credentials, MemoryContext owner)
{
	PoolHold *hold = MemoryContextAlloc(owner, sizeof(PoolHold));
	HttpPool *pool;

	initialize_libcurl();
	pool = find_pool(server_id, user_mapping_id, credentials);
	if (pool == NULL)
		pool = pool_create(server_id, user_mapping_id, credentials);

	pool_hold(pool);
	hold->pool = pool;
	hold->callback.func = release_hold;
	hold->callback.arg = hold;
	MemoryContextRegisterResetCallback(owner, &hold->callback);
	return pool;
}

bool
http_pool_close(Oid server_id)
{
	bool			   found = false;
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &pools)
	{
		HttpPool *pool = dlist_container(HttpPool, node, iter.cur);

		if (!OidIsValid(server_id) || pool->server_id == server_id)
		{
			pool_drop(pool);
			found = true;
		}
	}
	return found;
}

int64
http_clock(void)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
http_wake_at(HttpPool *pool, int64 at_ms)
{
	pool_set_alarm(pool, at_ms);
}

/* Note that somebody looks after the pool, and has done so since the last time if attended. */
static void
look_after(HttpPool *pool, bool attended)
{
	int64 now = http_clock();

	if (attended)
		pool->attended_ms += now - pool->looked_at;
	pool->looked_at = now;
}

int64
pool_clock(const HttpPool *pool)
{
	return pool->attended_ms;
}

pgsocket
http_pool_socket(HttpPool *pool)
{
	look_after(pool, false);
	if (!pool_is_awake(pool))
		pool_set_lone_alarm(pool);
	pool->awaited = append_waits;
	pool->watched = true;
	return pool_is_awake(pool) ? pool->epoll_fd : pool->alarm_fd;
}

void
http_append_waits(bool waits)
{
	dlist_iter iter;

	append_waits = waits;
	if (waits)
		return;
	dlist_foreach(iter, &pools)
	{
		HttpPool *pool = dlist_container(HttpPool, node, iter.cur);

		if (pool->awaited)
			look_after(pool, true);
		pool->awaited = false;
	}
}

/*
 * Block all signals around calls that may start a thread: libcurl looks up names on threads of
 * their own, which inherit the signal mask, and PostgreSQL's handlers must run on the main thread
 * only.
 */
static void
block_signals(sigset_t *saved)
{
	sigset_t all;

	sigfillset(&all);
	(void) pthread_sigmask(SIG_BLOCK, &all, saved);
}

static void
restore_signals(const sigset_t *saved)
{
	(void) pthread_sigmask(SIG_SETMASK, saved, NULL);
}

/* Give up a pool that can't be used any more.  It stays open for its holders. */
pg_noreturn static void
pool_fail(HttpPool *pool, CURLMcode result)
{
	pool_drop(pool);

	if (pool->watch_errno != 0)
	{
		errno = pool->watch_errno;
		ereport(ERROR, (errcode(ERRCODE_FDW_ERROR), errmsg("could not watch a connection: %m")));
	}
	if (result == CURLM_OUT_OF_MEMORY)
		ereport(ERROR, (errcode(ERRCODE_FDW_OUT_OF_MEMORY), errmsg("out of memory")));
	ereport(ERROR, (errcode(ERRCODE_FDW_ERROR), errmsg("could not go on with HTTP transfers: %s",
													   curl_multi_strerror(result))));
}

void
pool_attach(HttpPool *pool, CURL *easy)
{
	sigset_t  saved;
	CURLMcode result;

	Assert(pool_is_awake(pool));
	block_signals(&saved);
	result = curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, pool_open_socket) == CURLE_OK
				 ? curl_multi_add_handle(pool->multi, easy)
				 : CURLM_OUT_OF_MEMORY;
	restore_signals(&saved);
	if (result != CURLM_OK)
		pool_fail(pool, result);
	pool->transfers++;
}

void
pool_detach(HttpPool *pool, CURL *easy)
{
	sigset_t saved;

	/* Another transfer, waiting for the connection, may start now. */
	block_signals(&saved);
	(void) curl_multi_remove_handle(pool->multi, easy);
	restore_signals(&saved);
	pool->transfers--;
}

/* Tell libcurl about one event of the epoll descriptor. */
static CURLMcode
pass_event(HttpPool *pool, const struct epoll_event *event)
{
	uint64 expirations;
	int	   what = 0;
	int	   running;

	if (event->data.fd == pool->alarm_fd)
	{
		/* Nothing to read means that it was set anew: too early. */
		if (read(pool->alarm_fd, &expirations, sizeof(expirations)) > 0)
			pool->alarm_at = 0;
		return CURLM_OK;
	}
	if (event->data.fd == pool->timer_fd)
	{
		/* Nothing to read means that libcurl has set the timer anew: too early. */
		if (read(pool->timer_fd, &expirations, sizeof(expirations)) < 0)
			return CURLM_OK;
		return curl_multi_socket_action(pool->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}

	/* After an error there may still be an answer to read; if not, reading tells the error. */
	if (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		what |= CURL_CSELECT_IN;
	if (event->events & EPOLLOUT)
		what |= CURL_CSELECT_OUT;
	return curl_multi_socket_action(pool->multi, event->data.fd, what, &running);
}

bool
pool_run(HttpPool *pool, PoolFinished finished)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	CURLMcode		   result = CURLM_OK;
	CURLMsg			  *message;
	sigset_t		   saved;
	int				   nevents;
	int				   remaining;

	look_after(pool, pool->awaited);
	pool->awaited = false;
	pool->watched = false;
	if (!pool_is_awake(pool))
	{
		pool_close_all(pool);
		if (pool->alarm_at <= http_clock())
			pool->alarm_at = 0;
		return false;
	}
	nevents = epoll_wait(pool->epoll_fd, events, lengthof(events), 0);
	if (nevents < 0 && errno != EINTR)
		pool->watch_errno = errno;

	block_signals(&saved);
	for (int i = 0; i < nevents && result == CURLM_OK; i++)
		result = pass_event(pool, &events[i]);
	restore_signals(&saved);

	while ((message = curl_multi_info_read(pool->multi, &remaining)) != NULL)
	{
		if (message->msg == CURLMSG_DONE)
			finished(message->easy_handle, message->data.result);
	}

	if (result != CURLM_OK || pool->watch_errno != 0)
		pool_fail(pool, result);
	look_after(pool, true);
	return nevents > 0;
}

void
pool_wait(HttpPool *pool, bool idle)
{
	int	 wanted = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;
	long timeout = -1;
	int	 events;

	/* A pool that sleeps has nothing to wait for but a moment. */
	if (pool_is_awake(pool))
		wanted |= WL_SOCKET_READABLE;
	else if (pool->alarm_at != 0)
	{
		wanted |= WL_TIMEOUT;
		timeout = (long) Max(pool->alarm_at - http_clock(), 0);
	}
	look_after(pool, false);
	events = WaitLatchOrSocket(MyLatch, wanted, pool->epoll_fd, timeout, compat_wait_event(idle));
	look_after(pool, true);
	if (events & WL_LATCH_SET)
		ResetLatch(MyLatch);
}
