/*-------------------------------------------------------------------------
 *
 * transfer.c
 *		Run a request and its answer as a transfer of libcurl.
 *
 * A transfer lives in a memory context of its own below its owner's, whose
 * reset callback aborts it and frees what libcurl and we have from malloc().
 * The easy handle, and with it the credentials, goes as soon as the transfer
 * has ended; connections, addresses and certificates stay with the pool, so
 * that there is nothing to gain from using a handle twice.
 *
 * libcurl calls back with what it receives.  These callbacks use malloc() and
 * report failure by what they return: an error raised there would jump through
 * libcurl.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "http/http_options.h"
#include "http/transfer.h"

/* A body's first allocation; it doubles from there. */
#define INITIAL_BODY_CAPACITY ((size_t) 64 * 1024)

StaticAssertDecl(sizeof(((HttpResponse *) NULL)->message) >= CURL_ERROR_SIZE,
				 "libcurl writes its error message into HttpResponse");

/* The transfers of this process that are under way, whatever their pool. */
dlist_head http_transfers = DLIST_STATIC_INIT(http_transfers);

/* Have libcurl begin with the transfer. */
static void
attach(HttpTransfer *transfer)
{
	transfer->connects_since = pool_clock(transfer->pool);
	pool_attach(transfer->pool, transfer->easy);
	transfer->attached = true;
}

static void
detach(HttpTransfer *transfer)
{
	if (transfer->attached)
		pool_detach(transfer->pool, transfer->easy);
	transfer->attached = false;
}

/* Give the handle back to libcurl, which forgets the credentials with it. */
static void
release_handle(HttpTransfer *transfer)
{
	if (transfer->easy == NULL)
		return;

	detach(transfer);
	dlist_delete(&transfer->node);
	curl_easy_cleanup(transfer->easy);
	curl_slist_free_all(transfer->headers);
	transfer->easy = NULL;
	transfer->headers = NULL;
}

static void
release_body(HttpTransfer *transfer)
{
	free(transfer->body);
	transfer->body = NULL;
	transfer->body_length = 0;
	transfer->body_capacity = 0;
}

/* Release a transfer (the reset callback of its context). */
static void
release_transfer(void *arg)
{
	HttpTransfer *transfer = arg;

	release_handle(transfer);
	release_body(transfer);
	http_head_release(&transfer->head);
	pool_release(transfer->pool);
}

/* Take the period from the end of a text: what is made of it has one of its own. */
static void
trim_period(char *text)
{
	size_t length = strlen(text);

	if (length > 0 && text[length - 1] == '.')
		text[length - 1] = '\0';
}

/* Make room in the body for so many bytes more and a NUL. */
static bool
enlarge_body(HttpTransfer *transfer, size_t length)
{
	size_t needed = transfer->body_length + length + 1;
	size_t capacity = Max(transfer->body_capacity, INITIAL_BODY_CAPACITY);
	char  *body;

	if (needed <= transfer->body_capacity)
		return true;

	while (capacity < needed)
		capacity *= 2;
	capacity = Min(capacity, transfer->body_limit + 1);
	body = realloc(transfer->body, capacity);
	if (body == NULL)
		return false;
	transfer->body = body;
	transfer->body_capacity = capacity;
	return true;
}

/* Take a part of the body that libcurl has received.  To take less than that ends the transfer. */
static size_t
receive_body(char *data, size_t size, size_t count, void *arg)
{
	HttpTransfer *transfer = arg;
	size_t		  length = size * count;

	if (length > transfer->body_limit - transfer->body_length)
	{
		transfer->body_too_large = true;
		return 0;
	}
	if (!enlarge_body(transfer, length))
	{
		transfer->out_of_memory = true;
		return 0;
	}
	memcpy(transfer->body + transfer->body_length, data, length);
	transfer->body_length += length;
	transfer->body[transfer->body_length] = '\0';
	return length;
}

/*
 * Take a line of the answer's head that libcurl has received, or of the trailers behind its body.
 */
static size_t
receive_header(char *line, size_t size, size_t count, void *arg)
{
	HttpTransfer *transfer = arg;
	size_t		  length = size * count;

	switch (http_head_take(&transfer->head, line, length))
	{
		case HTTP_HEAD_TAKEN:
			return length;
		case HTTP_HEAD_TOO_LARGE:
			transfer->head_too_large = true;
			break;
		case HTTP_HEAD_NO_MEMORY:
			transfer->out_of_memory = true;
			break;
	}
	/* Anything but length ends the transfer. */
	return length + 1;
}

/* Set where the answer goes. */
static CURLcode
set_receivers(HttpTransfer *transfer, const HttpRequest *request)
{
	CURL	  *easy = transfer->easy;
	curl_off_t limit = 0;

	/* Far from where doubling would overflow. */
	transfer->body_limit = SIZE_MAX / 4;
	if (request->max_response_bytes > 0 && request->max_response_bytes < transfer->body_limit)
	{
		transfer->body_limit = request->max_response_bytes;
		limit = (curl_off_t) transfer->body_limit;
	}

	if (curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, limit) != CURLE_OK ||
		curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive_body) != CURLE_OK ||
		curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) != CURLE_OK ||
		curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, receive_header) != CURLE_OK ||
		curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer) != CURLE_OK ||
		curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->response.message) != CURLE_OK ||
		curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer) != CURLE_OK)
		return CURLE_OUT_OF_MEMORY;
	return CURLE_OK;
}

#if LIBCURL_VERSION_NUM >= 0x075000

/* Take note that libcurl is about to send the request, once more if a kept connection was dead. */
static int
note_sending(void *arg, char *address, char *local_address, int port, int local_port)
{
	HttpTransfer *transfer = arg;

	transfer->times_sent++;
	return CURL_PREREQFUNC_OK;
}

static CURLcode
count_sending(HttpTransfer *transfer)
{
	CURLcode result = curl_easy_setopt(transfer->easy, CURLOPT_PREREQFUNCTION, note_sending);

	return result != CURLE_OK ? result
							  : curl_easy_setopt(transfer->easy, CURLOPT_PREREQDATA, transfer);
}

#else

static CURLcode
count_sending(HttpTransfer *transfer)
{
	return CURLE_OK;
}

#endif

/* Make the handle of a transfer. */
static CURLcode
open_handle(HttpTransfer *transfer, const HttpRequest *request)
{
	CURLcode result;

	transfer->easy = curl_easy_init();
	if (transfer->easy == NULL)
		return CURLE_OUT_OF_MEMORY;
	dlist_push_tail(&http_transfers, &transfer->node);

	result = http_set_options(transfer->easy, request, &transfer->headers);
	if (result == CURLE_OK)
		result = set_receivers(transfer, request);
	if (result == CURLE_OK)
		result = count_sending(transfer);
	return result;
}

HttpTransfer *
transfer_create(HttpPool *pool, const HttpRequest *request, MemoryContext owner)
{
	MemoryContext context;
	HttpTransfer *transfer;
	CURLcode	  result;

	context = AllocSetContextCreate(owner, "HTTP transfer", ALLOCSET_SMALL_SIZES);
	transfer = MemoryContextAllocZero(context, sizeof(HttpTransfer));
	transfer->context = context;
	transfer->pool = pool;
	transfer->started_at = transfer->fast_until = pool_clock(pool);
	transfer->timeout_ms = request->timeout_ms;
	transfer->low_speed_limit = request->low_speed_limit;
	transfer->low_speed_time_ms = request->low_speed_time_ms;
	transfer->connect_timeout_ms = request->connect_timeout_ms;
	pool_hold(pool);
	transfer->callback.func = release_transfer;
	transfer->callback.arg = transfer;
	MemoryContextRegisterResetCallback(context, &transfer->callback);

	result = open_handle(transfer, request);
	if (result == CURLE_OUT_OF_MEMORY)
		ereport(ERROR, (errcode(ERRCODE_FDW_OUT_OF_MEMORY), errmsg("out of memory")));
	if (result != CURLE_OK)
		ereport(ERROR, (errcode(ERRCODE_FDW_ERROR), errmsg("could not prepare an HTTP request: %s",
														   curl_easy_strerror(result))));
	attach(transfer);
	return transfer;
}

bool
transfer_is_sent(const HttpTransfer *transfer)
{
	long sent = 0;

	(void) curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &sent);
	return sent > 0;
}

/* Say whether a timeout came before the request could be sent, and why. */
static HttpOutcome
timeout_outcome(const HttpTransfer *transfer)
{
	curl_off_t resolved = 0;

	(void) curl_easy_getinfo(transfer->easy, CURLINFO_NAMELOOKUP_TIME_T, &resolved);
	if (transfer_is_sent(transfer))
		return HTTP_TIMED_OUT;
	return resolved > 0 ? HTTP_CANNOT_CONNECT : HTTP_CANNOT_RESOLVE;
}

/* Say what the result of a transfer means. */
static HttpOutcome
transfer_outcome(const HttpTransfer *transfer, CURLcode result)
{
	switch (result)
	{
		case CURLE_OK:
			return HTTP_ANSWERED;

		case CURLE_COULDNT_RESOLVE_HOST:
		case CURLE_COULDNT_RESOLVE_PROXY:
			return HTTP_CANNOT_RESOLVE;

		case CURLE_COULDNT_CONNECT:
		case CURLE_INTERFACE_FAILED:
#if LIBCURL_VERSION_NUM >= 0x074900
		case CURLE_PROXY:
#endif
			return HTTP_CANNOT_CONNECT;

		case CURLE_SSL_CONNECT_ERROR:
			return HTTP_TLS_FAILED;

		case CURLE_SSL_ENGINE_NOTFOUND:
		case CURLE_SSL_ENGINE_SETFAILED:
		case CURLE_SSL_ENGINE_INITFAILED:
		case CURLE_SSL_CERTPROBLEM:
		case CURLE_SSL_CIPHER:
		case CURLE_PEER_FAILED_VERIFICATION:
		case CURLE_USE_SSL_FAILED:
		case CURLE_SSL_CACERT_BADFILE:
		case CURLE_SSL_CRL_BADFILE:
		case CURLE_SSL_ISSUER_ERROR:
		case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		case CURLE_SSL_INVALIDCERTSTATUS:
#if LIBCURL_VERSION_NUM >= 0x074d00
		case CURLE_SSL_CLIENTCERT:
#endif
#if LIBCURL_VERSION_NUM >= 0x080800
		case CURLE_ECH_REQUIRED:
#endif
			return HTTP_TLS_UNTRUSTED;

		case CURLE_OPERATION_TIMEDOUT:
			return timeout_outcome(transfer);

		case CURLE_PARTIAL_FILE:
		case CURLE_GOT_NOTHING:
		case CURLE_SEND_ERROR:
		case CURLE_RECV_ERROR:
		case CURLE_SEND_FAIL_REWIND:
		case CURLE_SSL_SHUTDOWN_FAILED:
		case CURLE_HTTP2:
		case CURLE_HTTP2_STREAM:
#if LIBCURL_VERSION_NUM >= 0x074400
		case CURLE_HTTP3:
#endif
#if LIBCURL_VERSION_NUM >= 0x074500
		case CURLE_QUIC_CONNECT_ERROR:
#endif
			return HTTP_BROKEN;

		case CURLE_UNSUPPORTED_PROTOCOL:
		case CURLE_WEIRD_SERVER_REPLY:
		case CURLE_BAD_CONTENT_ENCODING:
#if LIBCURL_VERSION_NUM >= 0x080600
		case CURLE_TOO_LARGE: /* what is around the body */
#endif
			return HTTP_GARBLED;

		case CURLE_FILESIZE_EXCEEDED:
			return HTTP_TOO_LARGE;

		default:
			return HTTP_FAILED;
	}
}

/*
 * Set the outcome as transfer_outcome() says, with what only we know: what our callbacks found,
 * that the end of a connection within the head of an answer is no error to libcurl, and that a
 * proxy's refusal of a tunnel, a broken connection to libcurl, came before anything was sent.
 */
static void
set_outcome(HttpTransfer *transfer, CURLcode result)
{
	HttpResponse *response = &transfer->response;
	const char	 *message = NULL;
	long		  proxy_status = 0;

	(void) curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);

	response->outcome = transfer_outcome(transfer, result);
	if (transfer->body_too_large)
	{
		response->outcome = HTTP_TOO_LARGE;
		message = "Maximum file size exceeded";
	}
	else if (transfer->head_too_large)
	{
		response->outcome = HTTP_GARBLED;
		message = "Too large response headers";
	}
	else if (transfer->out_of_memory)
	{
		response->outcome = HTTP_FAILED;
		message = "Out of memory";
	}
	else if (result == CURLE_OK && transfer->head.complete)
		message = "";
	else if (result == CURLE_OK)
	{
		response->outcome = HTTP_BROKEN;
		message = "transfer closed within the response headers";
	}
	else if (proxy_status != 0 && proxy_status / 100 != 2)
		response->outcome = HTTP_CANNOT_CONNECT;

	if (message == NULL && response->message[0] == '\0')
		message = curl_easy_strerror(result);
	if (message != NULL)
		snprintf(response->message, sizeof(response->message), "%s", message);
	http_make_printable(response->message);
	trim_period(response->message);
}

void
transfer_conclude(HttpTransfer *transfer, CURLcode result)
{
	CURL		 *easy = transfer->easy;
	HttpResponse *response = &transfer->response;
	long		  status = 0;
	long		  head_bytes = 0;
	curl_off_t	  body_bytes = 0;

	(void) curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	(void) curl_easy_getinfo(easy, CURLINFO_HEADER_SIZE, &head_bytes);
	(void) curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &body_bytes);
	set_outcome(transfer, result);
	release_handle(transfer);

	/* Nobody shall take a part of an answer for all of it. */
	if (response->outcome != HTTP_ANSWERED)
		release_body(transfer);

	response->status = (int) status;
	response->content_type = transfer->head.content_type ? transfer->head.content_type : "";
	response->retry_after = transfer->head.retry_after;
	response->retry_after_s = http_head_retry_after(&transfer->head);
	response->date = http_head_date(&transfer->head);
	response->location = transfer->head.location;
	response->body = transfer->body != NULL ? transfer->body : "";
	response->body_length = transfer->body_length;
	response->wire_bytes = (int64) head_bytes + body_bytes;
	response->was_repeated = transfer->times_sent > 1;
	transfer->complete = true;
}

/*
 * Count that a connection took too long only if it was waited for, since libcurl gives it up before
 * it looks at what came of it.  Half of the time will do: both clocks leave out a little.
 */
void
transfer_finished(CURL *easy, CURLcode result)
{
	char		 *private_data = NULL;
	HttpTransfer *transfer;

	(void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private_data);
	transfer = (HttpTransfer *) private_data;
	if (result == CURLE_OPERATION_TIMEDOUT && !transfer_is_sent(transfer) &&
		pool_clock(transfer->pool) - transfer->connects_since < transfer->connect_timeout_ms / 2)
		transfer->unattended = true;
	else
		transfer_conclude(transfer, result);
}

void
transfer_connect_again(HttpTransfer *transfer)
{
	detach(transfer);
	transfer->response.message[0] = '\0';
	attach(transfer);
	transfer->unattended = false;
}
