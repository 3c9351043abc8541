/*-------------------------------------------------------------------------
 *
 * http_options.c
 *		Put a request in terms of libcurl's options.
 *
 * What keeps a request safe is set here for all of them: where it may go, what
 * it may give away, and how often it may be sent.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "http/http_options.h"
#include "http/url.h"

#define USER_AGENT "crisp_fdw/" CRISP_FDW_VERSION

/* What libcurl reads from a socket at once, in bytes. */
#define RECEIVE_BUFFER_SIZE (128L * 1024)

/* Sets an option unless an earlier one failed; for functions with variables easy and result. */
#define SET_OPTION(option, value)                               \
	do                                                          \
	{                                                           \
		if (result == CURLE_OK)                                 \
			result = curl_easy_setopt(easy, (option), (value)); \
	} while (0)

/*
 * Read scheme and host of url, to be freed with curl_free().  Return false for what is no URL.
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

/*
 * Say whether the proxy that the server's environment names may be used.  With https it's a tunnel,
 * which sees nothing of the request.  With plain http it would see the credentials, and from
 * another machine, loopback is another host.
 */
static bool
proxy_is_safe(const char *url)
{
	char *scheme;
	char *host;
	bool  result = parse_url(url, &scheme, &host) && pg_strcasecmp(scheme, "https") == 0 &&
				  !url_host_is_loopback(host);

	curl_free(scheme);
	curl_free(host);
	return result;
}

/* Set where the request may go, and what it may give away. */
static CURLcode
set_safety_options(CURL *easy, const HttpRequest *request)
{
	CURLcode result = CURLE_OK;

#if LIBCURL_VERSION_NUM >= 0x075500
	SET_OPTION(CURLOPT_PROTOCOLS_STR, "http,https");
#else
	SET_OPTION(CURLOPT_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	SET_OPTION(CURLOPT_DEFAULT_PROTOCOL, "https");
	SET_OPTION(CURLOPT_FOLLOWLOCATION, 0L);
	SET_OPTION(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	SET_OPTION(CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
	SET_OPTION(CURLOPT_PATH_AS_IS, 1L);
	SET_OPTION(CURLOPT_SSL_VERIFYPEER, 1L);
	SET_OPTION(CURLOPT_SSL_VERIFYHOST, 2L);
	if (request->ca_file != NULL)
	{
		SET_OPTION(CURLOPT_CAINFO, request->ca_file);
		SET_OPTION(CURLOPT_CAPATH, NULL);
	}
	SET_OPTION(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	SET_OPTION(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	if (!proxy_is_safe(request->url))
		SET_OPTION(CURLOPT_PROXY, "");
	return result;
}

/* Set how connections are made, kept and waited for. */
static CURLcode
set_connection_options(CURL *easy, const HttpRequest *request)
{
	CURLcode result = CURLE_OK;

	/* Timeouts without SIGALRM, which is PostgreSQL's.  Once connected, time is http.c's matter. */
	SET_OPTION(CURLOPT_NOSIGNAL, 1L);
	SET_OPTION(CURLOPT_CONNECTTIMEOUT_MS, (long) request->connect_timeout_ms);
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
	if (!request->repeatable)
	{
		SET_OPTION(CURLOPT_FRESH_CONNECT, 1L);
		SET_OPTION(CURLOPT_FORBID_REUSE, 1L);
	}
	return result;
}

/* Set method, body and credentials. */
static CURLcode
set_request_options(CURL *easy, const HttpRequest *request)
{
	CURLcode result = CURLE_OK;

	SET_OPTION(CURLOPT_URL, request->url);
	SET_OPTION(CURLOPT_USERAGENT, USER_AGENT);
	SET_OPTION(CURLOPT_ACCEPT_ENCODING, "");

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

static CURLcode
add_header(struct curl_slist **headers, const char *header)
{
	struct curl_slist *longer = curl_slist_append(*headers, header);

	if (longer == NULL)
		return CURLE_OUT_OF_MEMORY;
	*headers = longer;
	return CURLE_OK;
}

static CURLcode
set_headers(CURL *easy, const HttpRequest *request, struct curl_slist **headers)
{
	CURLcode result;

	/* Don't let libcurl ask for leave to send a large body: it would wait a second. */
	result = add_header(headers, "Expect:");
	for (int i = 0; request->headers != NULL && request->headers[i] != NULL; i++)
	{
		if (result == CURLE_OK)
			result = add_header(headers, request->headers[i]);
	}
	SET_OPTION(CURLOPT_HTTPHEADER, *headers);
	return result;
}

CURLcode
http_set_options(CURL *easy, const HttpRequest *request, struct curl_slist **headers)
{
	CURLcode result = set_safety_options(easy, request);

	if (result == CURLE_OK)
		result = set_connection_options(easy, request);
	if (result == CURLE_OK)
		result = set_request_options(easy, request);
	if (result == CURLE_OK)
		result = set_headers(easy, request, headers);
	return result;
}
