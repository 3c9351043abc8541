/*-------------------------------------------------------------------------
 *
 * connection.c
 *		Pools of connections: lifetime, descriptors, waiting.
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

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "lib/ilist.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#if PG_VERSION_NUM >= 140000
#include "utils/wait_event.h"
#endif

#include "compat.h"
#include "connection.h"

/* Idle connections that a pool keeps: as many as can be in flight together. */
#define MAX_IDLE_CONNECTIONS 32

/* What a pool opens besides sockets: epoll, two timers, and a pair of libcurl's own. */
#define POOL_DESCRIPTORS 5

/*
 * What a transfer takes: a socket, and a second one while both families of addresses are tried, or the
 * descriptor by which an Append waits for it.  A pool has no more sockets than it ever had transfers at
 * once: what isn't reused is closed.  So they are accounted for when transfers begin, and not
 * as they come and go, since libcurl 7.88 does not tell of all that it closes.
 */
#define TRANSFER_DESCRIPTORS 2

/* Descriptors left to others, such as the one that PostgreSQL opens in order to wait. */
#define SPARE_DESCRIPTORS 8

/* How many ready descriptors are looked at in one go; more have to wait their turn. */
#define EVENTS_AT_ONCE 16

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

static bool
is_awake(const HttpPool *pool)
{
	return pool->epoll_fd >= 0;
}

static void
close_descriptor(int *fd)
{
	if (*fd >= 0)
		(void) close(*fd);
	*fd = -1;
}

/*
 * Close all that a pool has open, which is to have no transfer.  It wakes up when it's needed again; a moment that
 * somebody waits for stays noted.
 */
static void
close_all(HttpPool *pool)
{
	Assert(pool->transfers == 0);
	if (pool->multi != NULL)
		(void) curl_multi_cleanup(pool->multi);
	pool->multi = NULL;
	close_descriptor(&pool->timer_fd);
	close_descriptor(&pool->alarm_fd);
	close_descriptor(&pool->epoll_fd);
	for (; pool->descriptors > 0; pool->descriptors--)
		ReleaseExternalFD();
}

static void
pool_close(HttpPool *pool)
{
	close_all(pool);
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
 * Close what the pools have open that nobody needs now: all of those that nobody holds, and of another than that
 * one where there's no transfer under way, and no Append waits for a moment to come.
 */
static void
close_idle_pools(const HttpPool *but)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &pools)
	{
		HttpPool *pool = dlist_container(HttpPool, node, iter.cur);

		if (pool->holders == 0)
			pool_drop(pool);
		else if (pool != but && pool->transfers == 0 && !pool->watched)
			close_all(pool);
	}
}

void
connection_hold(HttpPool *pool)
{
	pool->holders++;
}

void
connection_release(HttpPool *pool)
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
	connection_release(((PoolHold *) arg)->pool);
}

/*
 * Drop the pools whose server or user mapping changed.  Called by the cache
 * invalidation of PostgreSQL, never within libcurl; hash value 0 means all.
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
 * Prepare libcurl in this process, when the first pool is asked for.  Had the
 * parent done so before it forked, its connections would not be ours to use
 * or to close, so they are forgotten.
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

/*
 * libcurl wants a socket watched, or watched no more.
 * Returning -1 makes libcurl fail all transfers of the pool.
 */
static int
watch_socket(CURL *easy, curl_socket_t socket, int what, void *arg, void *socket_arg)
{
	HttpPool		  *pool = arg;
	struct epoll_event event = {0};

	if (what == CURL_POLL_REMOVE)
	{
		(void) epoll_ctl(pool->epoll_fd, EPOLL_CTL_DEL, socket, &event);
		return 0;
	}

	if (what & CURL_POLL_IN)
		event.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		event.events |= EPOLLOUT;
	event.data.fd = socket;

	if (epoll_ctl(pool->epoll_fd, EPOLL_CTL_MOD, socket, &event) < 0 &&
		(errno != ENOENT || epoll_ctl(pool->epoll_fd, EPOLL_CTL_ADD, socket, &event) < 0))
	{
		pool->watch_errno = errno;
		return -1;
	}
	return 0;
}

/* libcurl wants to be called after so many milliseconds; -1 means never. */
static int
set_timer(CURLM *multi, long timeout_ms, void *arg)
{
	HttpPool		 *pool = arg;
	struct itimerspec when = {{0, 0}, {0, 0}};

	/* An expiration of zero would switch the timer off. */
	if (timeout_ms == 0)
		when.it_value.tv_nsec = 1;
	else if (timeout_ms > 0)
	{
		when.it_value.tv_sec = timeout_ms / 1000;
		when.it_value.tv_nsec = (timeout_ms % 1000) * 1000000L;
	}

	if (timerfd_settime(pool->timer_fd, 0, &when, NULL) < 0)
	{
		pool->watch_errno = errno;
		return -1;
	}
	return 0;
}

/* Open a socket for libcurl that programs started by the backend don't inherit. */
static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Account for one descriptor more, if that leaves some to spare; else errno is set. */
static bool
acquire_descriptor(void)
{
	int	 acquired = 0;
	bool enough;

	while (acquired <= SPARE_DESCRIPTORS && AcquireExternalFD())
		acquired++;
	enough = acquired > SPARE_DESCRIPTORS;
	for (; acquired > (enough ? 1 : 0); acquired--)
		ReleaseExternalFD();
	return enough;
}

/*
 * Account for a pool's descriptors up to the given number, if need be by
 * closing what other pools have open in vain.  False with errno set when PostgreSQL
 * needs the rest for its own files.
 */
static bool
reserve_descriptors(HttpPool *pool, int number)
{
	bool tried_closing = false;

	while (pool->descriptors < number)
	{
		if (acquire_descriptor())
			pool->descriptors++;
		else if (tried_closing)
			return false;
		else
		{
			close_idle_pools(pool);
			tried_closing = true;
		}
	}
	return true;
}

void
connection_raise_no_descriptors(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES), errmsg("could not open a connection: %m"),
			 errhint("Raise \"max_files_per_process\" and the limit of the operating system, "
					 "or use fewer foreign servers in one transaction.")));
}

/* Open a timer that the pool watches; -1 with errno set when that is not to be had. */
static int
open_timer(const HttpPool *pool)
{
	struct epoll_event event = {.events = EPOLLIN};
	int				   timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	event.data.fd = timer_fd;
	if (timer_fd >= 0 && epoll_ctl(pool->epoll_fd, EPOLL_CTL_ADD, timer_fd, &event) < 0)
	{
		int saved_errno = errno;

		(void) close(timer_fd);
		errno = saved_errno;
		return -1;
	}
	return timer_fd;
}

/* Open what a pool needs; false with errno set when that is not to be had. */
static bool
open_descriptors(HttpPool *pool)
{
	pool->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (pool->epoll_fd < 0)
		return false;
	pool->timer_fd = open_timer(pool);
	if (pool->timer_fd < 0)
		return false;
	pool->alarm_fd = open_timer(pool);
	return pool->alarm_fd >= 0;
}

static bool
open_multi(HttpPool *pool)
{
	CURLM *multi = pool->multi = curl_multi_init();

	return multi != NULL &&
		   curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket) == CURLM_OK &&
		   curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, pool) == CURLM_OK &&
		   curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer) == CURLM_OK &&
		   curl_multi_setopt(multi, CURLMOPT_TIMERDATA, pool) == CURLM_OK &&
		   curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long) MAX_IDLE_CONNECTIONS) == CURLM_OK;
}

/*
 * Open all that a pool needs before its first transfer, which is accounted for.  A moment that somebody waits
 * for is set again.
 */
static void
pool_wake(HttpPool *pool)
{
	int64 alarm_at = pool->alarm_at;

	if (is_awake(pool))
		return;
	pool->watch_errno = 0;
	close_descriptor(&pool->alarm_fd);
	if (!open_descriptors(pool))
	{
		int saved_errno = errno;

		close_all(pool);
		errno = saved_errno;
		connection_raise_no_descriptors();
	}
	if (!open_multi(pool))
	{
		close_all(pool);
		ereport(ERROR, (errcode(ERRCODE_FDW_OUT_OF_MEMORY), errmsg("out of memory"),
						errdetail("libcurl could not create a pool of connections.")));
	}
	pool->alarm_at = 0;
	if (alarm_at != 0)
		http_wake_at(pool, alarm_at);
}

bool
connection_reserve(HttpPool *pool)
{
	int number = POOL_DESCRIPTORS + TRANSFER_DESCRIPTORS * (pool->transfers + 1);

	if (!reserve_descriptors(pool, number))
	{
		int saved_errno = errno;

		/* Half of it would be of use to nobody. */
		if (!is_awake(pool))
			close_all(pool);
		errno = saved_errno;
		return false;
	}
	pool_wake(pool);
	return true;
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
 * Find the pool of a user mapping and credentials; NULL when there is none.  What
 * idles there for credentials that the mapping no longer has is closed.
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

/* The pool of a user mapping; see http.h.  There are few of them, so a list does. */
HttpPool *
http_pool(Oid server_id, Oid user_mapping_id, uint64 credentials, MemoryContext owner)
{
	PoolHold *hold = MemoryContextAlloc(owner, sizeof(PoolHold));
	HttpPool *pool;

	initialize_libcurl();
	pool = find_pool(server_id, user_mapping_id, credentials);
	if (pool == NULL)
		pool = pool_create(server_id, user_mapping_id, credentials);

	connection_hold(pool);
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

/* Somebody looks after the pool, and has done so since the last time if attended. */
static void
look_after(HttpPool *pool, bool attended)
{
	int64 now = http_clock();

	if (attended)
		pool->attended_ms += now - pool->looked_at;
	pool->looked_at = now;
}

int64
connection_clock(const HttpPool *pool)
{
	return pool->attended_ms;
}

/*
 * Open the alarm of a pool that sleeps, for nothing but the moment that somebody waits for: it needs no more
 * before that has come.
 */
static void
set_lone_alarm(HttpPool *pool)
{
	int64 alarm_at = pool->alarm_at;

	close_all(pool);
	if (!AcquireExternalFD())
		connection_raise_no_descriptors();
	pool->descriptors++;
	pool->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (pool->alarm_fd < 0)
		connection_raise_no_descriptors();
	pool->alarm_at = 0;
	http_wake_at(pool, alarm_at);
}

pgsocket
http_pool_socket(HttpPool *pool)
{
	look_after(pool, false);
	if (!is_awake(pool))
		set_lone_alarm(pool);
	pool->awaited = append_waits;
	pool->watched = true;
	return is_awake(pool) ? pool->epoll_fd : pool->alarm_fd;
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

void
http_wake_at(HttpPool *pool, int64 at_ms)
{
	struct itimerspec when = {{0, 0}, {0, 0}};

	if (pool->alarm_at != 0 && pool->alarm_at <= at_ms)
		return;

	/* What is over already comes at once; a time of zero would switch the alarm off. */
	pool->alarm_at = Max(at_ms, 1);
	if (pool->alarm_fd < 0)
		return;
	when.it_value.tv_sec = pool->alarm_at / 1000;
	when.it_value.tv_nsec = (pool->alarm_at % 1000) * 1000000L;
	if (timerfd_settime(pool->alarm_fd, TFD_TIMER_ABSTIME, &when, NULL) < 0)
		pool->watch_errno = errno;
}

/*
 * libcurl looks up names on threads of their own, which inherit the signal
 * mask.  PostgreSQL's handlers must run on the main thread only, so all
 * signals are blocked around calls that may start one.
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
connection_attach(HttpPool *pool, CURL *easy)
{
	sigset_t  saved;
	CURLMcode result;

	Assert(is_awake(pool));
	block_signals(&saved);
	result = curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK
				 ? curl_multi_add_handle(pool->multi, easy)
				 : CURLM_OUT_OF_MEMORY;
	restore_signals(&saved);
	if (result != CURLM_OK)
		pool_fail(pool, result);
	pool->transfers++;
}

void
connection_detach(HttpPool *pool, CURL *easy)
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
connection_run(HttpPool *pool, ConnectionFinished finished)
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
	if (!is_awake(pool))
	{
		close_all(pool);
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

/* What pg_stat_activity shows for a backend that waits here. */
static uint32
wait_event(bool idle)
{
#if PG_VERSION_NUM >= 170000
	static uint32 http_event = 0;
	static uint32 retry_event = 0;

	if (http_event == 0)
	{
		http_event = WaitEventExtensionNew("CrispHttp");
		retry_event = WaitEventExtensionNew("CrispRetry");
	}
	return idle ? retry_event : http_event;
#else
	return PG_WAIT_EXTENSION;
#endif
}

void
connection_wait(HttpPool *pool, bool idle)
{
	int	 wanted = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;
	long timeout = -1;
	int	 events;

	/* A pool that sleeps has nothing to wait for but a moment. */
	if (is_awake(pool))
		wanted |= WL_SOCKET_READABLE;
	else if (pool->alarm_at != 0)
	{
		wanted |= WL_TIMEOUT;
		timeout = (long) Max(pool->alarm_at - http_clock(), 0);
	}
	look_after(pool, false);
	events = WaitLatchOrSocket(MyLatch, wanted, pool->epoll_fd, timeout, wait_event(idle));
	look_after(pool, true);
	if (events & WL_LATCH_SET)
		ResetLatch(MyLatch);
}
