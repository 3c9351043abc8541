/*-------------------------------------------------------------------------
 *
 * pool_descriptor.c
 *		Manage what a pool of connections has open, and how many there may be.
 *
 * A pool opens nothing before its first transfer, and closes all when another needs the room and it
 * has none: it sleeps then, and whoever holds it doesn't notice.
 *
 * Nothing here calls into PostgreSQL from within libcurl.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "storage/fd.h"

#include "http/pool_descriptor.h"

/* Idle connections that a pool keeps: as many as can be in flight together. */
#define MAX_IDLE_CONNECTIONS 32

/* What a pool opens besides sockets: epoll, two timers, and a pair of libcurl's own. */
#define POOL_DESCRIPTORS 5

/*
 * What a transfer takes: a socket, and a second one while both families of addresses are tried, or
 * the descriptor by which an Append waits for it.  A pool has no more sockets than it ever had
 * transfers at once: what isn't reused is closed.  So they are accounted for when transfers begin,
 * and not as they come and go, since libcurl 7.88 does not tell of all that it closes.
 */
#define TRANSFER_DESCRIPTORS 2

/* Descriptors left to others, such as the one that PostgreSQL opens in order to wait. */
#define SPARE_DESCRIPTORS 8

bool
pool_is_awake(const struct HttpPool *pool)
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

void
pool_close_all(struct HttpPool *pool)
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

/*
 * Watch a socket, or watch it no more, as libcurl wants it.  To return -1 makes libcurl fail all
 * transfers of the pool.
 */
static int
watch_socket(CURL *easy, curl_socket_t socket, int what, void *arg, void *socket_arg)
{
	struct HttpPool	  *pool = arg;
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

/* Have libcurl called after so many milliseconds, as it wants; -1 means never. */
static int
set_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct HttpPool	 *pool = arg;
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

curl_socket_t
pool_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
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

bool
pool_account(struct HttpPool *pool)
{
	int number = POOL_DESCRIPTORS + TRANSFER_DESCRIPTORS * (pool->transfers + 1);

	for (; pool->descriptors < number; pool->descriptors++)
		if (!acquire_descriptor())
			return false;
	return true;
}

void
pool_raise_no_descriptors(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES), errmsg("could not open a connection: %m"),
			 errhint("Raise \"max_files_per_process\" and the limit of the operating system, "
					 "or use fewer foreign servers in one transaction.")));
}

/* Open a timer that the pool watches.  Return -1 with errno set when that is not to be had. */
static int
open_timer(const struct HttpPool *pool)
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

/* Open what a pool needs.  Return false with errno set when that is not to be had. */
static bool
open_descriptors(struct HttpPool *pool)
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
open_multi(struct HttpPool *pool)
{
	CURLM *multi = pool->multi = curl_multi_init();

	return multi != NULL &&
		   curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket) == CURLM_OK &&
		   curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, pool) == CURLM_OK &&
		   curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer) == CURLM_OK &&
		   curl_multi_setopt(multi, CURLMOPT_TIMERDATA, pool) == CURLM_OK &&
		   curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long) MAX_IDLE_CONNECTIONS) == CURLM_OK;
}

void
pool_wake(struct HttpPool *pool)
{
	int64 alarm_at = pool->alarm_at;

	if (pool_is_awake(pool))
		return;
	pool->watch_errno = 0;
	close_descriptor(&pool->alarm_fd);
	if (!open_descriptors(pool))
	{
		int saved_errno = errno;

		pool_close_all(pool);
		errno = saved_errno;
		pool_raise_no_descriptors();
	}
	if (!open_multi(pool))
	{
		pool_close_all(pool);
		ereport(ERROR, (errcode(ERRCODE_FDW_OUT_OF_MEMORY), errmsg("out of memory"),
						errdetail("libcurl could not create a pool of connections.")));
	}
	pool->alarm_at = 0;
	if (alarm_at != 0)
		pool_set_alarm(pool, alarm_at);
}

void
pool_set_lone_alarm(struct HttpPool *pool)
{
	int64 alarm_at = pool->alarm_at;

	pool_close_all(pool);
	if (!AcquireExternalFD())
		pool_raise_no_descriptors();
	pool->descriptors++;
	pool->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (pool->alarm_fd < 0)
		pool_raise_no_descriptors();
	pool->alarm_at = 0;
	pool_set_alarm(pool, alarm_at);
}

void
pool_set_alarm(struct HttpPool *pool, int64 at_ms)
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
