/*-------------------------------------------------------------------------
 *
 * http_head.h
 *		Read the head of an answer: what is kept of it, and what that says.
 *
 * Called from within libcurl, so nothing here raises an error, or takes memory other than
 * from malloc().
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_HTTP_HEAD_H
#define CRISP_HTTP_HEAD_H

/*
 * Texts are printable ASCII (what else a server sends shows up as "?"), and from malloc(); NULL
 * where there is no such header.  Zeroed before the first line.
 */
typedef struct HttpHead
{
	char  *content_type;
	char  *retry_after;
	char  *date;
	char  *location;
	size_t bytes;	 /* of all lines, those of interim answers and of trailers among them */
	bool   complete; /* the line that ends it has come */
} HttpHead;

/* What became of a line. */
typedef enum HttpHeadLine
{
	HTTP_HEAD_TAKEN,
	HTTP_HEAD_TOO_LARGE, /* the head is longer than any that is meant well */
	HTTP_HEAD_NO_MEMORY
} HttpHeadLine;

/* Take a line, length bytes with its end and no NUL behind it. */
extern HttpHeadLine http_head_take(HttpHead *head, const char *line, size_t length);

/* Free the texts; what was counted stays. */
extern void http_head_release(HttpHead *head);

/*
 * Return when the answer was made by the server's clock, in Unix seconds; 0 when that isn't told,
 * or not understood.
 */
extern int64 http_head_date(const HttpHead *head);

/*
 * Return how long Retry-After says to wait, in seconds from now, rounded up.  PG_INT64_MAX stands
 * for all that is longer than can be told; 0 for none, for a moment that is over, and for what
 * isn't understood.
 */
extern int64 http_head_retry_after(const HttpHead *head);

/* Make text from the network fit for any encoding, and for one line. */
extern void http_make_printable(char *text);

#endif /* CRISP_HTTP_HEAD_H */
