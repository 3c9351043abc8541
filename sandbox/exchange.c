/*
 * exchange.c
 *		Take one request and its answer through the server.
 *
 * Nothing here blocks: a connection that has to wait is suspended, and the
 * server's loop wakes it.
 */
#include "exchange.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "control.h"
#include "encoding.h"
#include "route.h"

#define BLOCK_SIZE 65536

Exchange *
exchange_new(Sandbox *sandbox, WaitingList *waiting, const char *target,
			 struct MHD_Connection *connection, int socket, uint64_t connection_number)
{
	Exchange *exchange = xcalloc(1, sizeof(*exchange));

	exchange->sandbox = sandbox;
	exchange->waiting = waiting;
	exchange->connection = connection;
	exchange->socket = socket;
	exchange->connection_number = connection_number;
	request_set_target(&exchange->request, target);
	return exchange;
}

static void
unlist(Exchange *exchange)
{
	if (!exchange->is_waiting)
		return;
	if (exchange->previous != NULL)
		exchange->previous->next = exchange->next;
	else
		exchange->waiting->first = exchange->next;
	if (exchange->next != NULL)
		exchange->next->previous = exchange->previous;
	exchange->next = exchange->previous = NULL;
	exchange->is_waiting = false;
}

static void
suspend_until(Exchange *exchange, int64_t wake_ms)
{
	exchange->wake_ms = wake_ms;
	exchange->is_waiting = true;
	exchange->next = exchange->waiting->first;
	if (exchange->next != NULL)
		exchange->next->previous = exchange;
	exchange->waiting->first = exchange;
	MHD_suspend_connection(exchange->connection);
}

void
exchange_wake(Exchange *exchange)
{
	unlist(exchange);
	MHD_resume_connection(exchange->connection);
}

void
waiting_release(WaitingList *waiting)
{
	Exchange *exchange = waiting->first;

	while (exchange != NULL)
	{
		Exchange *next = exchange->next;

		/* Woken by the main loop: libmicrohttpd sees a connection that it resumes while it runs
		 * only in its next run. */
		if (exchange->wake_ms == NEVER)
		{
			exchange->abandoned = true;
			exchange->wake_ms = 0;
		}
		exchange = next;
	}
}

void
exchange_free(Exchange *exchange)
{
	unlist(exchange);
	request_log_done(&exchange->sandbox->log, exchange->logged);
	request_free(&exchange->request);
	delivery_free(&exchange->delivery);
	free(exchange);
}

typedef struct HeaderText
{
	JsonWriter writer;
	Buffer	   text;
	Exchange  *exchange;
} HeaderText;

static enum MHD_Result
take_header(void *closure, enum MHD_ValueKind kind, const char *name, const char *value)
{
	HeaderText *headers = closure;
	Request	   *request = &headers->exchange->request;
	char	   *lower = xstrdup(name);

	(void) kind;
	for (char *c = lower; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char) (*c - 'A' + 'a');
	if (value == NULL)
		value = "";
	json_untrusted_string(&headers->writer, lower, strlen(lower));
	buffer_putc(&headers->text, ':');
	headers->writer.need_comma = false;
	json_untrusted_string(&headers->writer, value, strlen(value));
	if (strcmp(lower, "authorization") == 0 && request->authorization == NULL)
		request->authorization = xstrdup(value);
	else if (strcmp(lower, "x-crisp-tier") == 0 && request->tier == NULL)
		request->tier = xstrdup(value);
	else if (strcmp(lower, "accept-encoding") == 0)
		request->accepts_gzip = accepts_gzip(value);
	free(lower);
	return MHD_YES;
}

static void
log_request(Exchange *exchange, bool is_api)
{
	HeaderText headers = {.exchange = exchange};

	headers.writer.buffer = &headers.text;
	jw_begin(&headers.writer, '{');
	MHD_get_connection_values(exchange->connection, MHD_HEADER_KIND, take_header, &headers);
	jw_end(&headers.writer, '}');
	if (is_api)
		exchange->logged = request_log_add(&exchange->sandbox->log, &exchange->request,
										   headers.text.data, exchange->connection_number);
	buffer_free(&headers.text);
}

/* Say whether a fault has set a header. */
static bool
has_header(const Delivery *delivery, const char *name)
{
	if (delivery->headers != NULL)
	{
		json_object_object_foreach(delivery->headers, key, value)
		{
			(void) value;
			if (strcasecmp(key, name) == 0)
				return true;
		}
	}
	return false;
}

/*
 * Let answers that wait until no request comes any more wait on: those that a client makes together
 * are then under way together, however slowly it makes them.
 */
static void
keep_quiet(const WaitingList *waiting, uint32_t quiet_ms)
{
	int64_t due = monotonic_ms() + quiet_ms;

	for (Exchange *exchange = waiting->first; exchange != NULL; exchange = exchange->next)
		if (exchange->for_quiet && exchange->wake_ms < due)
			exchange->wake_ms = due;
}

/* Refuse a request once the quota is spent, and take one of it before. */
static bool
refuse_over_quota(Sandbox *sandbox, Reply *reply)
{
	Settings *settings = &sandbox->settings;

	if (settings->quota == NO_QUOTA)
		return false;
	if (settings->quota > 0)
	{
		settings->quota--;
		return false;
	}
	reply_error(reply, settings->quota_status,
				settings->quota_status == 423 || settings->quota_status == 422
					? "quota_limit_exceeded"
					: "rate_limited",
				NULL);
	return true;
}

void
exchange_answer(Exchange *exchange)
{
	Sandbox	 *sandbox = exchange->sandbox;
	Request	 *request = &exchange->request;
	Delivery *delivery = &exchange->delivery;
	bool	  is_api = strncmp(request->path, "/v1/", 4) == 0;
	Reply	  reply = {.status = 500, .rows = -1};
	Fault	 *fault;

	exchange->answered = true;
	buffer_reserve(&request->body, 0);
	log_request(exchange, is_api);
	if (!is_api)
	{
		if (control_request(sandbox, request, &reply) == CONTROL_RESET)
			waiting_release(exchange->waiting);
		*delivery = (Delivery){.status = reply.status, .body = reply.body, .cut_after = -1};
		return;
	}
	keep_quiet(exchange->waiting, sandbox->settings.quiet_ms);
	fault = faults_choose(&sandbox->faults, request);
	changes_before(sandbox, request);
	if (fault_acts(fault) && !refuse_over_quota(sandbox, &reply))
		route_request(sandbox, request, &reply);
	changes_after(sandbox);
	fault_apply(fault, &reply, delivery);
	if (sandbox->settings.gzip && request->accepts_gzip && delivery->body.len > 0 &&
		delivery->repeat <= 1 && !has_header(delivery, "Content-Encoding"))
	{
		gzip_buffer(&delivery->body);
		delivery->packed = true;
	}
	delivery->delay_ms += sandbox->settings.latency_ms;
	if (delivery->delay_ms < sandbox->settings.quiet_ms)
		delivery->delay_ms = sandbox->settings.quiet_ms;
	exchange->for_quiet = sandbox->settings.quiet_ms > 0 && !delivery->hang;
	if (!delivery->hang && !delivery->close && !(delivery->reset && delivery->cut_after < 0))
		request_log_answered(&sandbox->log, exchange->logged, delivery->status, reply.rows);
}

/* Make TCP reset the connection at once: what disconnecting a socket does, and closing does not. */
static void
reset_connection(const Exchange *exchange)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};

	(void) connect(exchange->socket, &none, sizeof(none));
}

static uint64_t
body_size(const Delivery *delivery)
{
	return delivery->repeat > 1 ? delivery->body.len * delivery->repeat : delivery->body.len;
}

/* Copy a part of the body, which may be repeated, from position "at". */
static void
copy_body(const Delivery *delivery, uint64_t at, char *target, size_t len)
{
	while (len > 0)
	{
		size_t start = (size_t) (at % delivery->body.len);
		size_t part = delivery->body.len - start < len ? delivery->body.len - start : len;

		memcpy(target, delivery->body.data + start, part);
		target += part;
		at += part;
		len -= part;
	}
}

/* Give the next part of the body, as the delivery wants it dripped or cut. */
static ssize_t
read_body(void *closure, uint64_t at, char *target, size_t max)
{
	Exchange	   *exchange = closure;
	const Delivery *delivery = &exchange->delivery;
	uint64_t		end = body_size(delivery);

	if (exchange->abandoned)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (delivery->cut_after >= 0 && (uint64_t) delivery->cut_after < end)
		end = (uint64_t) delivery->cut_after;
	if (at >= end)
	{
		if (delivery->reset)
			reset_connection(exchange);
		return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	if (delivery->drip_ms > 0)
	{
		int64_t now = monotonic_ms();

		if (now < exchange->drip_due_ms)
		{
			suspend_until(exchange, exchange->drip_due_ms);
			return 0;
		}
		exchange->drip_due_ms = now + delivery->drip_ms;
		if (max > delivery->drip_bytes)
			max = delivery->drip_bytes;
	}
	if (max > end - at)
		max = (size_t) (end - at);
	copy_body(delivery, at, target, max);
	return (ssize_t) max;
}

static struct MHD_Response *
make_response(Exchange *exchange)
{
	Delivery *delivery = &exchange->delivery;
	bool	  streamed = delivery->cut_after >= 0 || delivery->drip_ms > 0 || delivery->repeat > 1;
	struct MHD_Response *response;

	if (streamed && body_size(delivery) > 0)
		response = MHD_create_response_from_callback(body_size(delivery), BLOCK_SIZE, read_body,
													 exchange, NULL);
	else
		response = MHD_create_response_from_buffer(delivery->body.len, delivery->body.data,
												   MHD_RESPMEM_PERSISTENT);
	if (response == NULL)
		return NULL;
	if (delivery->headers != NULL)
	{
		json_object_object_foreach(delivery->headers, name, value)
		{
			MHD_add_response_header(response, name, json_object_get_string(value));
		}
	}
	if (delivery->packed)
		MHD_add_response_header(response, "Content-Encoding", "gzip");
	if (!has_header(delivery, "Content-Type"))
		MHD_add_response_header(response, "Content-Type", "application/json; charset=utf-8");
	return response;
}

enum MHD_Result
exchange_deliver(Exchange *exchange)
{
	Delivery			*delivery = &exchange->delivery;
	struct MHD_Response *response;
	enum MHD_Result		 result;

	if (exchange->abandoned)
		return MHD_NO;
	if (!exchange->delayed)
	{
		exchange->delayed = true;
		if (delivery->hang || delivery->delay_ms > 0)
		{
			suspend_until(exchange, delivery->hang ? NEVER : monotonic_ms() + delivery->delay_ms);
			return MHD_YES;
		}
	}
	if (delivery->hang || delivery->close)
		return MHD_NO;
	if (delivery->reset && delivery->cut_after < 0)
	{
		reset_connection(exchange);
		return MHD_NO;
	}
	response = make_response(exchange);
	if (response == NULL)
		return MHD_NO;
	result = MHD_queue_response(exchange->connection, delivery->status, response);
	MHD_destroy_response(response);
	return result;
}
