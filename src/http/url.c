/*-------------------------------------------------------------------------
 *
 * url.c
 *		Take URLs apart and put them together.
 *
 * URLs are parsed by libcurl, so that what is checked here is what will be
 * asked there.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <curl/curl.h>

#include "http/url.h"

/* Characters that need no escape within a path segment, and in a query value (RFC 3986). */
#define UNRESERVED "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
#define IN_SEGMENT UNRESERVED "@:"
#define IN_VALUE UNRESERVED "@:/,"

bool
url_host_is_loopback(const char *host)
{
	struct in_addr v4;

	if (pg_strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
		return true;
	return inet_pton(AF_INET, host, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

/*
 * Say whether the URL has that part.
 */
static bool
has_part(CURLU *url, CURLUPart which)
{
	char *part = NULL;
	bool  present = curl_url_get(url, which, &part, 0) == CURLUE_OK;

	curl_free(part);
	return present;
}

/*
 * Judge a parsed URL; as url_check_base().  Raises nothing, since the caller holds a handle.
 */
static const char *
check_parts(CURLU *url, bool *plain_remote)
{
	char	   *scheme = NULL;
	char	   *host = NULL;
	const char *problem = NULL;

	(void) curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
	(void) curl_url_get(url, CURLUPART_HOST, &host, 0);

	if (scheme == NULL || (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0))
		problem = "The scheme must be https or http.";
	else if (host == NULL || host[0] == '\0')
		problem = "It has no host.";
	else if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD))
		problem = "Credentials belong in the user mapping.";
	else
		*plain_remote = strcmp(scheme, "http") == 0 && !url_host_is_loopback(host);

	curl_free(scheme);
	curl_free(host);
	return problem;
}

const char *
url_check_base(const char *text, bool *plain_remote)
{
	CURLU	   *url = curl_url();
	const char *problem;

	*plain_remote = false;
	if (url == NULL)
		ereport(ERROR, (errcode(ERRCODE_FDW_OUT_OF_MEMORY), errmsg("out of memory")));

	if (strstr(text, "://") == NULL || curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK)
		problem = "A URL like https://api.crisp.chat/v1 is expected.";
	else if (strpbrk(text, "?#") != NULL)
		problem = "It must not have a query or a fragment.";
	else
		problem = check_parts(url, plain_remote);

	curl_url_cleanup(url);
	return problem;
}

/*
 * Append text, with every byte escaped that is not in plain.
 */
static void
append_escaped(StringInfo url, const char *text, const char *plain)
{
	for (const char *c = text; *c != '\0'; c++)
	{
		if (strchr(plain, *c) != NULL)
			appendStringInfoChar(url, *c);
		else
			appendStringInfo(url, "%%%02X", (unsigned char) *c);
	}
}

bool
url_can_be_segment(const char *text)
{
	return text[0] != '\0' && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

void
url_append_segment(StringInfo url, const char *text)
{
	append_escaped(url, text, IN_SEGMENT);
}

void
url_append_value(StringInfo url, const char *text)
{
	append_escaped(url, text, IN_VALUE);
}
