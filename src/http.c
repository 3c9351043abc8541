/*-------------------------------------------------------------------------
 *
 * http.c
 *		A request and its answer as a transfer of libcurl.
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

#include <arpa/inet.h>
#include <netinet/in.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "connection.h"
#include "http.h"

#define USER_AGENT "crisp_fdw/1.0"

/* What libcurl reads from a socket at once. */
#define RECEIVE_BUFFER_SIZE (128L * 1024)

/* A body's first allocation; it doubles from there. */
#define INITIAL_BODY_CAPACITY ((size_t) 64 * 1024)

struct HttpTransfer
{
	MemoryContextCallback callback;
	MemoryContext		  context;
	HttpPool			 *pool;
	CURL				 *easy; /* NULL once the transfer has ended */
	bool				  attached;
	bool				  complete;

	/* all from malloc() */
	struct curl_slist *headers;
	char			  *content_type;
	char			  *retry_after;
	char			  *location;
	char			  *body;

	size_t		 body_length;
	size_t		 body_capacity;
	size_t		 body_limit;
	bool		 head_complete;
	bool		 too_large;
	bool		 out_of_memory;
	HttpResponse response;
};

StaticAssertDecl(sizeof(((HttpResponse *) NULL)->message) >= CURL_ERROR_SIZE,
				 "libcurl writes its error message into HttpResponse");

/* Sets an option unless an earlier one failed; for functions with variables easy and result. */
#define SET_OPTION(option, value)                               \
	do                                                          \
	{                                                           \
		if (result == CURLE_OK)                                 \
			result = curl_easy_setopt(easy, (option), (value)); \
	} while (0)

/* Give the handle back to libcurl, which forgets the credentials with it. */
static void
release_handle(HttpTransfer *transfer)
{
	if (transfer->easy == NULL)
		return;

	if (transfer->attached)
		connection_detach(transfer->pool, transfer->easy);
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

/* The reset callback of the transfer's context. */
static void
release_transfer(void *arg)
{
	HttpTransfer *transfer = arg;

	release_handle(transfer);
	release_body(transfer);
	free(transfer->content_type);
	free(transfer->retry_after);
	free(transfer->location);
	connection_release(transfer->pool);
}

/* Make text from the network fit for any encoding, and for one line. */
static void
make_printable(char *text)
{
	for (; *text != '\0'; text++)
	{
		if (*text < ' ' || *text > '~')
			*text = '?';
	}
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
	body = realloc(transfer->body, capacity);
	if (body == NULL)
		return false;
	transfer->body = body;
	transfer->body_capacity = capacity;
	return true;
}

/* libcurl has received a part of the body.  To take less than that ends the transfer. */
static size_t
receive_body(char *data, size_t size, size_t count, void *arg)
{
	HttpTransfer *transfer = arg;
	size_t		  length = size * count;

	if (length > transfer->body_limit - transfer->body_length)
	{
		transfer->too_large = true;
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
 * If line, which need not end in NUL, is the named header, put a copy of its
 * value into *value.  Returns false for lack of memory.
 */
static bool
keep_header(const char *line, size_t length, const char *name, char **value)
{
	size_t		name_length = strlen(name);
	const char *start = line + name_length + 1;
	const char *end = line + length;
	char	   *copy;

	if (length <= name_length || line[name_length] != ':' ||
		pg_strncasecmp(line, name, name_length) != 0)
		return true;

	while (start < end && (*start == ' ' || *start == '\t'))
		start++;
	while (start < end && strchr(" \t\r\n", end[-1]) != NULL)
		end--;

	copy = strndup(start, end - start);
	if (copy == NULL)
		return false;
	make_printable(copy);
	free(*value);
	*value = copy;
	return true;
}

/* libcurl has received a line of the answer's head. */
static size_t
receive_header(char *line, size_t size, size_t count, void *arg)
{
	HttpTransfer *transfer = arg;
	size_t		  length = size * count;

	if (length == 0)
		return 0;

	/* A status line: what came before belongs to an interim answer (1xx). */
	if (length >= 5 && memcmp(line, "HTTP/", 5) == 0)
	{
		free(transfer->content_type);
		free(transfer->retry_after);
		free(transfer->location);
		transfer->content_type = transfer->retry_after = transfer->location = NULL;
		transfer->head_complete = false;
		return length;
	}
	if (line[0] == '\r' || line[0] == '\n')
		transfer->head_complete = true;

	if (keep_header(line, length, "Content-Type", &transfer->content_type) &&
		keep_header(line, length, "Retry-After", &transfer->retry_after) &&
		keep_header(line, length, "Location", &transfer->location))
		return length;

	transfer->out_of_memory = true;
	return 0;
}

/*
 * Scheme and host of url, to be freed with curl_free().  False for what is
 * no URL.
 */
static bool
parse_url(const char *url, char **scheme, char **host)
{
	CURLU *parts = curl_url();
	bool   valid;

	*scheme = *host = NULL;
	valid = parts != NULL && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
			curl_url_get(parts, CURLUPART_SCHEME, scheme, 0) == CURLUE_OK &&
			curl_url_get(parts, CURLUPART_HOST, host, 0) == CURLUE_OK;
	curl_url_cleanup(parts);
	return valid;
}

static bool
host_is_loopback(const char *host)
{
	struct in_addr address;

	if (pg_strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
		return true;
	return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET;
}

bool
http_url_is_loopback(const char *url)
{
	char *scheme;
	char *host;
	bool  result = parse_url(url, &scheme, &host) && host_is_loopback(host);

	curl_free(scheme);
	curl_free(host);
	return result;
}

/*
 * Whether the proxy that the server's environment names may be used.  With
 * https it's a tunnel, which sees nothing of the request.  With plain http it
 * would see the credentials, and from another machine, loopback is another host.
 */
static bool
proxy_is_safe(const char *url)
{
	char *scheme;
	char *host;
	bool  result = parse_url(url, &scheme, &host) && pg_strcasecmp(scheme, "https") == 0 &&
				  !host_is_loopback(host);

	curl_free(scheme);
	curl_free(host);
	return result;
}

/* Where the request may go, and what it may give away. */
static CURLcode
set_safety_options(CURL *easy, const HttpRequest *request)
{
	CURLcode result = CURLE_OK;

#if LIBCURL_VERSION_NUM >= 0x075500
	SET_OPTION(CURLOPT_PROTOCOLS_STR, "http,https");
	SET_OPTION(CURLOPT_REDIR_PROTOCOLS_STR, "https");
#else
	SET_OPTION(CURLOPT_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
	SET_OPTION(CURLOPT_REDIR_PROTOCOLS, (long) CURLPROTO_HTTPS);
#endif
	SET_OPTION(CURLOPT_DEFAULT_PROTOCOL, "https");
	SET_OPTION(CURLOPT_FOLLOWLOCATION, 0L);
	SET_OPTION(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	SET_OPTION(CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
	SET_OPTION(CURLOPT_PATH_AS_IS, 1L);
	SET_OPTION(CURLOPT_SSL_VERIFYPEER, 1L);
	SET_OPTION(CURLOPT_SSL_VERIFYHOST, 2L);
	SET_OPTION(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	SET_OPTION(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	if (!proxy_is_safe(request->url))
		SET_OPTION(CURLOPT_PROXY, "");
	return result;
}

/* How connections are made, kept and waited for. */
static CURLcode
set_connection_options(CURL *easy, const HttpRequest *request)
{
	CURLcode result = CURLE_OK;
	bool idempotent = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;

	/* Timeouts without SIGALRM, which is PostgreSQL's. */
	SET_OPTION(CURLOPT_NOSIGNAL, 1L);
	SET_OPTION(CURLOPT_CONNECTTIMEOUT_MS, (long) request->connect_timeout_ms);
	SET_OPTION(CURLOPT_TIMEOUT_MS, (long) request->timeout_ms);
	SET_OPTION(CURLOPT_TCP_KEEPALIVE, 1L);
	SET_OPTION(CURLOPT_BUFFERSIZE, RECEIVE_BUFFER_SIZE);

	/* When a request is cancelled, leave the thread that looks up its host to itself. */
#if LIBCURL_VERSION_NUM >= 0x075700
	SET_OPTION(CURLOPT_QUICK_EXIT, 1L);
#endif

	/* Rather wait for a connection that may be shared than open another; over TLS only. */
	if (result == CURLE_OK)
		(void) curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_2TLS);
	if (pg_strncasecmp(request->url, "https:", 6) == 0)
		SET_OPTION(CURLOPT_PIPEWAIT, 1L);

	/* On a kept connection that proves dead, libcurl sends again what may have arrived. */
	if (!idempotent)
	{
		SET_OPTION(CURLOPT_FRESH_CONNECT, 1L);
		SET_OPTION(CURLOPT_FORBID_REUSE, 1L);
	}
	return result;
}

/* Method, body, headers and credentials. */
static CURLcode
set_request_options(CURL *easy, const HttpRequest *request, struct curl_slist *headers)
{
	CURLcode result = CURLE_OK;

	SET_OPTION(CURLOPT_URL, request->url);
	SET_OPTION(CURLOPT_USERAGENT, USER_AGENT);
	SET_OPTION(CURLOPT_ACCEPT_ENCODING, "");
	SET_OPTION(CURLOPT_HTTPHEADER, headers);

	if (strcmp(request->method, "HEAD") == 0)
		SET_OPTION(CURLOPT_NOBODY, 1L);
	else if (strcmp(request->method, "GET") != 0 || request->body != NULL)
	{
		bool sends_body = request->body != NULL || strcmp(request->method, "DELETE") != 0;

		if (sends_body)
		{
			SET_OPTION(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) request->body_length);
			SET_OPTION(CURLOPT_COPYPOSTFIELDS, request->body != NULL ? request->body : "");
		}
		SET_OPTION(CURLOPT_CUSTOMREQUEST, request->method);
	}

	if (request->username != NULL)
	{
		SET_OPTION(CURLOPT_HTTPAUTH, (long) CURLAUTH_BASIC);
		SET_OPTION(CURLOPT_USERNAME, request->username);
		SET_OPTION(CURLOPT_PASSWORD, request->password != NULL ? request->password : "");
	}
	return result;
}

/* Where the answer goes. */
static CURLcode
set_response_options(HttpTransfer *transfer, const HttpRequest *request)
{
	CURL	*easy = transfer->easy;
	CURLcode result = CURLE_OK;

	/* Far from where doubling would overflow. */
	transfer->body_limit = SIZE_MAX / 4;
	if (request->max_response_bytes > 0 && request->max_response_bytes < transfer->body_limit)
	{
		transfer->body_limit = request->max_response_bytes;
		SET_OPTION(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t) transfer->body_limit);
	}
	SET_OPTION(CURLOPT_WRITEFUNCTION, receive_body);
	SET_OPTION(CURLOPT_WRITEDATA, transfer);
	SET_OPTION(CURLOPT_HEADERFUNCTION, receive_header);
	SET_OPTION(CURLOPT_HEADERDATA, transfer);
	SET_OPTION(CURLOPT_ERRORBUFFER, transfer->response.message);
	SET_OPTION(CURLOPT_PRIVATE, transfer);
	return result;
}

static CURLcode
add_header(HttpTransfer *transfer, const char *header)
{
	struct curl_slist *headers = curl_slist_append(transfer->headers, header);

	if (headers == NULL)
		return CURLE_OUT_OF_MEMORY;
	transfer->headers = headers;
	return CURLE_OK;
}

/* Make the handle of a transfer. */
static CURLcode
open_handle(HttpTransfer *transfer, const HttpRequest *request)
{
	CURLcode result;

	transfer->easy = curl_easy_init();
	if (transfer->easy == NULL)
		return CURLE_OUT_OF_MEMORY;

	/* Don't let libcurl ask for leave to send a large body: it would wait a second. */
	result = add_header(transfer, "Expect:");
	for (int i = 0; request->headers != NULL && request->headers[i] != NULL; i++)
	{
		if (result == CURLE_OK)
			result = add_header(transfer, request->headers[i]);
	}
	if (result == CURLE_OK)
		result = set_safety_options(transfer->easy, request);
	if (result == CURLE_OK)
		result = set_connection_options(transfer->easy, request);
	if (result == CURLE_OK)
		result = set_request_options(transfer->easy, request, transfer->headers);
	if (result == CURLE_OK)
		result = set_response_options(transfer, request);
	return result;
}

HttpTransfer *
http_start(HttpPool *pool, const HttpRequest *request, MemoryContext owner)
{
	MemoryContext context = AllocSetContextCreate(owner, "HTTP transfer", ALLOCSET_SMALL_SIZES);
	HttpTransfer *transfer = MemoryContextAllocZero(context, sizeof(HttpTransfer));
	CURLcode	  result;

	transfer->context = context;
	transfer->pool = pool;
	connection_hold(pool);
	transfer->callback.func = release_transfer;
	transfer->callback.arg = transfer;
	MemoryContextRegisterResetCallback(context, &transfer->callback);

	result = open_handle(transfer, request);
	if (result == CURLE_OUT_OF_MEMORY)
		ereport(ERROR, (errcode(ERRCODE_FDW_OUT_OF_MEMORY), errmsg("out of memory")));
	if (result != CURLE_OK)
		ereport(ERROR, (errcode(ERRCODE_FDW_ERROR), errmsg("could not prepare an HTTP request: %s",
														   curl_easy_strerror(result))));
	connection_attach(pool, transfer->easy);
	transfer->attached = true;

	http_progress(pool);
	return transfer;
}

/* Whether a timeout came before the request could be sent, and why. */
static HttpOutcome
timeout_outcome(CURL *easy)
{
	curl_off_t connected = 0;
	curl_off_t resolved = 0;

	(void) curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
	(void) curl_easy_getinfo(easy, CURLINFO_NAMELOOKUP_TIME_T, &resolved);
	if (connected > 0)
		return HTTP_TIMED_OUT;
	return resolved > 0 ? HTTP_CANNOT_CONNECT : HTTP_CANNOT_RESOLVE;
}

static void
set_message(HttpResponse *response, const char *message)
{
	snprintf(response->message, sizeof(response->message), "%s", message);
}

/* What the result of a transfer means. */
static HttpOutcome
transfer_outcome(CURL *easy, CURLcode result)
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
			return HTTP_TLS_FAILED;

		case CURLE_OPERATION_TIMEDOUT:
			return timeout_outcome(easy);

		case CURLE_PARTIAL_FILE:
		case CURLE_GOT_NOTHING:
		case CURLE_SEND_ERROR:
		case CURLE_RECV_ERROR:
		case CURLE_SEND_FAIL_REWIND:
		case CURLE_SSL_SHUTDOWN_FAILED:
		case CURLE_HTTP2:
		case CURLE_HTTP2_STREAM:
		case CURLE_HTTP3:
#if LIBCURL_VERSION_NUM >= 0x074500
		case CURLE_QUIC_CONNECT_ERROR:
#endif
			return HTTP_BROKEN;

		case CURLE_FILESIZE_EXCEEDED:
			return HTTP_TOO_LARGE;

		default:
			return HTTP_FAILED;
	}
}

/*
 * Like transfer_outcome(), with what only we know: what our callbacks found,
 * and that a proxy's refusal of a tunnel, which libcurl takes for a broken
 * connection, came before anything was sent.  A connection that ends within the
 * head of an answer is no error to libcurl.
 */
static void
set_outcome(HttpTransfer *transfer, CURLcode result)
{
	HttpResponse *response = &transfer->response;
	long		  proxy_status = 0;

	response->outcome = transfer_outcome(transfer->easy, result);
	if (result == CURLE_OK && !transfer->head_complete)
	{
		response->outcome = HTTP_BROKEN;
		set_message(response, "transfer closed within the response headers");
		return;
	}
	if (result == CURLE_OK)
	{
		response->message[0] = '\0';
		return;
	}

	(void) curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
	if (transfer->too_large)
	{
		response->outcome = HTTP_TOO_LARGE;
		set_message(response, "Maximum file size exceeded");
	}
	else if (transfer->out_of_memory)
	{
		response->outcome = HTTP_FAILED;
		set_message(response, "Out of memory");
	}
	else if (proxy_status != 0 && proxy_status / 100 != 2)
		response->outcome = HTTP_CANNOT_CONNECT;

	if (response->message[0] == '\0')
		set_message(response, curl_easy_strerror(result));
	make_printable(response->message);
}

/* A transfer has come to its end: keep the answer, let go of the rest. */
static void
finish_transfer(CURL *easy, CURLcode result)
{
	HttpTransfer *transfer;
	HttpResponse *response;
	char		 *private_data = NULL;
	long		  status = 0;
	long		  head_bytes = 0;
	curl_off_t	  body_bytes = 0;

	(void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private_data);
	transfer = (HttpTransfer *) private_data;
	response = &transfer->response;

	(void) curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	(void) curl_easy_getinfo(easy, CURLINFO_HEADER_SIZE, &head_bytes);
	(void) curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &body_bytes);
	set_outcome(transfer, result);
	release_handle(transfer);

	/* Nobody shall take a part of an answer for all of it. */
	if (response->outcome != HTTP_ANSWERED)
		release_body(transfer);

	response->status = (int) status;
	response->content_type = transfer->content_type != NULL ? transfer->content_type : "";
	response->retry_after = transfer->retry_after;
	response->location = transfer->location;
	response->body = transfer->body != NULL ? transfer->body : "";
	response->body_length = transfer->body_length;
	response->wire_bytes = (int64) head_bytes + body_bytes;
	transfer->complete = true;
}

void
http_progress(HttpPool *pool)
{
	while (connection_run(pool, finish_transfer))
		CHECK_FOR_INTERRUPTS();
}

bool
http_complete(const HttpTransfer *transfer)
{
	return transfer->complete;
}

void
http_wait(HttpTransfer *transfer)
{
	while (!transfer->complete)
	{
		CHECK_FOR_INTERRUPTS();
		if (!connection_run(transfer->pool, finish_transfer))
			connection_wait(transfer->pool);
	}
}

const HttpResponse *
http_response(const HttpTransfer *transfer)
{
	Assert(transfer->complete);
	return &transfer->response;
}

void
http_end(HttpTransfer *transfer)
{
	MemoryContextDelete(transfer->context);
}
