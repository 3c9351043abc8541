/*
 * server.c
 *		Serve HTTP on 127.0.0.1.
 *
 * One thread does everything: libmicrohttpd runs inside our own loop, which
 * also wakes the connections that wait.  So the order in which requests are
 * worked on is the order in which they come.
 */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exchange.h"

/* Memory of a connection holds the head of a request, whose URL may be long. */
#define CONNECTION_MEMORY 131072
#define CONNECTION_LIMIT 8192

struct Server
{
	Sandbox			  *sandbox;
	struct MHD_Daemon *daemon;
	int				   epoll;
	WaitingList		   waiting;
	uint64_t		   connections; /* so far */
	struct pollfd	  *polled;
	size_t			   polled_capacity;
};

static volatile sig_atomic_t stop_requested = 0;

static void
request_stop(int signal_number)
{
	(void) signal_number;
	stop_requested = 1;
}

/* Number the connections. */
static void
on_connection(void *closure, struct MHD_Connection *connection, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	Server *server = closure;

	(void) connection;
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		*socket_context = (void *) (uintptr_t) ++server->connections;
}

/* Begin a request; what this returns is the context of all that follows. */
static void *
on_target(void *closure, const char *target, struct MHD_Connection *connection)
{
	Server						   *server = closure;
	const union MHD_ConnectionInfo *info;
	uint64_t						number;

	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	number = (uint64_t) (uintptr_t) info->socket_context;
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	return exchange_new(server->sandbox, &server->waiting, target, connection, info->connect_fd,
						number);
}

static enum MHD_Result
on_request(void *closure, struct MHD_Connection *connection, const char *url, const char *method,
		   const char *version, const char *body, size_t *body_size, void **context)
{
	Exchange *exchange = *context;

	(void) closure;
	(void) connection;
	(void) url;
	(void) version;
	if (!exchange->begun)
	{
		exchange->begun = true;
		exchange->request.method = xstrdup(method);
		return MHD_YES;
	}
	if (*body_size > 0)
	{
		buffer_append(&exchange->request.body, body, *body_size);
		*body_size = 0;
		return MHD_YES;
	}
	if (!exchange->answered)
		exchange_answer(exchange);
	return exchange_deliver(exchange);
}

static void
on_completed(void *closure, struct MHD_Connection *connection, void **context,
			 enum MHD_RequestTerminationCode code)
{
	(void) closure;
	(void) connection;
	(void) code;
	if (*context != NULL)
		exchange_free(*context);
	*context = NULL;
}

/* Keep the escapes of a path, which is decoded part by part later on: a %2F is no slash. */
static size_t
keep_escapes(void *closure, struct MHD_Connection *connection, char *text)
{
	(void) closure;
	(void) connection;
	return strlen(text);
}

static struct MHD_Daemon *
start_daemon(Server *server)
{
	struct sockaddr_in address = {0};

	address.sin_family = AF_INET;
	address.sin_port = htons(server->sandbox->options.port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request,
							server, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_CONNECTION_LIMIT,
							(unsigned) CONNECTION_LIMIT, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
							(size_t) CONNECTION_MEMORY, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
							server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
							MHD_OPTION_URI_LOG_CALLBACK, on_target, server,
							MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_END);
}

Server *
server_start(Sandbox *sandbox)
{
	Server *server = xcalloc(1, sizeof(*server));

	server->sandbox = sandbox;
	server->daemon = start_daemon(server);
	if (server->daemon == NULL)
	{
		fprintf(stderr, "crisp-sandbox: cannot listen on 127.0.0.1, port %u: %s\n",
				(unsigned) sandbox->options.port, strerror(errno));
		free(server);
		return NULL;
	}
	sandbox->port = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
	server->epoll = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	return server;
}

/*
 * Fill in what to poll: libmicrohttpd's descriptor, and the sockets that wait, for their client's
 * leave.
 */
static size_t
fill_polled(Server *server)
{
	size_t count = 1;

	for (Exchange *exchange = server->waiting.first; exchange != NULL; exchange = exchange->next)
		count++;
	if (count > server->polled_capacity)
	{
		server->polled_capacity = count * 2;
		server->polled = xrealloc(server->polled,
								  server->polled_capacity * sizeof(*server->polled));
	}
	server->polled[0] = (struct pollfd){.fd = server->epoll, .events = POLLIN};
	count = 1;
	for (Exchange *exchange = server->waiting.first; exchange != NULL; exchange = exchange->next)
		server->polled[count++] = (struct pollfd){.fd = exchange->socket, .events = POLLRDHUP};
	return count;
}

/*
 * Return the milliseconds until something is to be done without a descriptor becoming ready; -1 for
 * never.
 */
static int
next_timeout(Server *server)
{
	MHD_UNSIGNED_LONG_LONG limit;
	int64_t				   now = monotonic_ms();
	int64_t				   timeout = NEVER;

	if (MHD_get_timeout(server->daemon, &limit) == MHD_YES)
		timeout = (int64_t) limit;
	for (Exchange *exchange = server->waiting.first; exchange != NULL; exchange = exchange->next)
	{
		int64_t left = exchange->wake_ms == NEVER ? NEVER : exchange->wake_ms - now;

		if (left < timeout)
			timeout = left;
	}
	if (timeout == NEVER)
		return -1;
	return timeout < 0 ? 0 : timeout > 60000 ? 60000 : (int) timeout;
}

/* Wake those whose time has come, and those whose client has left. */
static void
wake_waiting(Server *server)
{
	Exchange *exchange = server->waiting.first;
	int64_t	  now = monotonic_ms();

	for (size_t i = 1; exchange != NULL; i++)
	{
		Exchange *next = exchange->next;

		if (server->polled[i].revents != 0)
			exchange->abandoned = true;
		if (exchange->abandoned || exchange->wake_ms <= now)
			exchange_wake(exchange);
		exchange = next;
	}
}

void
server_run(Server *server)
{
	struct sigaction action = {.sa_handler = request_stop};
	sigset_t		 open_signals;

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigprocmask(SIG_SETMASK, NULL, &open_signals);
	sigdelset(&open_signals, SIGTERM);
	sigdelset(&open_signals, SIGINT);
	while (!stop_requested)
	{
		size_t			count = fill_polled(server);
		int				timeout = next_timeout(server);
		struct timespec limit = {timeout / 1000, (timeout % 1000) * 1000000L};

		if (ppoll(server->polled, count, timeout < 0 ? NULL : &limit, &open_signals) < 0)
			continue;
		wake_waiting(server);
		MHD_run(server->daemon);
	}
}

void
server_stop(Server *server)
{
	/* libmicrohttpd must not be stopped while a connection is suspended. */
	while (server->waiting.first != NULL)
	{
		server->waiting.first->abandoned = true;
		exchange_wake(server->waiting.first);
	}
	MHD_run(server->daemon);
	MHD_stop_daemon(server->daemon);
	free(server->polled);
	free(server);
}
