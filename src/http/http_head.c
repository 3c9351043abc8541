/*-------------------------------------------------------------------------
 *
 * http_head.c
 *		Read the head of an answer: what is kept of it, and what that says.
 *
 * libcurl tells what Retry-After says, too, but each version of it takes something else for none:
 * a number of twenty digits, say, or for no more than some hours.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include <curl/curl.h>

#include "common/int.h"

#include "http/http_head.h"

/*
 * The most bytes of a head.  Later versions of libcurl stop a little later by themselves; before,
 * they keep all that comes.
 */
#define MAX_HEAD_BYTES ((size_t) 256 * 1024)

void
http_make_printable(char *text)
{
	for (; *text != '\0'; text++)
	{
		if (*text < ' ' || *text > '~')
			*text = '?';
	}
}

void
http_head_release(HttpHead *head)
{
	free(head->content_type);
	free(head->retry_after);
	free(head->date);
	free(head->location);
	head->content_type = NULL;
	head->retry_after = NULL;
	head->date = NULL;
	head->location = NULL;
}

/*
 * Put a copy of a line's value into *value if the line is the named header.  Return false for lack
 * of memory.
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
	http_make_printable(copy);
	free(*value);
	*value = copy;
	return true;
}

HttpHeadLine
http_head_take(HttpHead *head, const char *line, size_t length)
{
	if (length > MAX_HEAD_BYTES - head->bytes)
		return HTTP_HEAD_TOO_LARGE;
	head->bytes += length;

	/* A status line: what came before belongs to an interim answer (1xx). */
	if (length >= 5 && memcmp(line, "HTTP/", 5) == 0)
	{
		http_head_release(head);
		head->complete = false;
		return HTTP_HEAD_TAKEN;
	}
	if (length > 0 && (line[0] == '\r' || line[0] == '\n'))
		head->complete = true;

	if (keep_header(line, length, "Content-Type", &head->content_type) &&
		keep_header(line, length, "Retry-After", &head->retry_after) &&
		keep_header(line, length, "Date", &head->date) &&
		keep_header(line, length, "Location", &head->location))
		return HTTP_HEAD_TAKEN;
	return HTTP_HEAD_NO_MEMORY;
}

/*
 * Read a date of HTTP as Unix seconds; -1 for what is none.
 */
static int64
read_date(const char *text)
{
	return (int64) curl_getdate(text, NULL);
}

int64
http_head_date(const HttpHead *head)
{
	return head->date != NULL ? Max(read_date(head->date), 0) : 0;
}

/*
 * Read a number of seconds, be it with a fraction, rounded up, and PG_INT64_MAX if there is no such
 * int64.  Return false for anything else.
 */
static bool
read_seconds(const char *text, int64 *seconds)
{
	const char *digit = text;
	bool		up = false;

	*seconds = 0;
	for (; *digit >= '0' && *digit <= '9'; digit++)
	{
		if (pg_mul_s64_overflow(*seconds, 10, seconds) ||
			pg_add_s64_overflow(*seconds, *digit - '0', seconds))
		{
			digit += strspn(digit, "0123456789");
			*seconds = PG_INT64_MAX;
			break;
		}
	}
	if (digit == text)
		return false;
	if (*digit == '.')
		for (digit++; *digit >= '0' && *digit <= '9'; digit++)
			up = up || *digit != '0';
	if (up && *seconds < PG_INT64_MAX)
		(*seconds)++;
	return *digit == '\0';
}

/*
 * Reckon a date by the clock of the server that gives it, where that is told: ours may be wrong.
 */
int64
http_head_retry_after(const HttpHead *head)
{
	int64 seconds;
	int64 now = http_head_date(head);

	if (head->retry_after == NULL)
		return 0;
	if (read_seconds(head->retry_after, &seconds))
		return seconds;
	if (now == 0)
		now = (int64) time(NULL);
	seconds = read_date(head->retry_after);
	return Max(seconds, now) - now;
}
