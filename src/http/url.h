/*-------------------------------------------------------------------------
 *
 * url.h
 *		Take URLs apart and put them together.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_URL_H
#define CRISP_URL_H

#include "lib/stringinfo.h"

/*
 * Check that text can be the base URL of a REST API: http or https, a host, no user name, password,
 * query or fragment.  Return NULL when it is, otherwise a sentence for an errdetail that says what
 * is wrong.
 *
 * *plain_remote tells whether requests would cross a network unencrypted: plain http to anything
 * but a loopback address.
 */
extern const char *url_check_base(const char *text, bool *plain_remote);

/* Say whether a host, as libcurl gives it (IPv6 in brackets), can only be this machine. */
extern bool url_host_is_loopback(const char *host);

/*
 * Say whether a text can be a segment of a path: an empty one, and one or two dots, would lead
 * elsewhere.
 */
extern bool url_can_be_segment(const char *text);

/*
 * Append text (UTF-8) to a URL as one path segment or as the value of a query parameter,
 * percent-encoded where it must be.
 */
extern void url_append_segment(StringInfo url, const char *text);
extern void url_append_value(StringInfo url, const char *text);

#endif /* CRISP_URL_H */
