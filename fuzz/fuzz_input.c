/*-------------------------------------------------------------------------
 *
 * fuzz_input.c
 *		Try what reads options, heads of answers, bounds of times and credentials files.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "access/reloptions.h"
#include "access/stratnum.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_type.h"
#include "catalog/pg_user_mapping.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/timestamp.h"

#include "fuzz.h"
#include "http/http_head.h"
#include "http/url.h"
#include "options/credentials_file.h"
#include "request/time_range.h"

extern Datum crisp_fdw_validator(PG_FUNCTION_ARGS);

/*
 * Validate the option name=value of a place that the first byte says.
 */
void
fuzz_option(uint8 *data, size_t size)
{
	static const Oid catalogs[] = {ForeignServerRelationId, UserMappingRelationId,
								   ForeignTableRelationId, AttributeRelationId};
	char			*text;
	Datum			 option;
	bool			 plain_remote;
	StringInfoData	 url;

	if (size < 2)
		return;
	text = (char *) data + 1;
	if (!pg_verifymbstr(text, (int) strlen(text), true))
		return;
	(void) url_check_base(text, &plain_remote);
	(void) url_host_is_loopback(text);
	initStringInfo(&url);
	url_append_segment(&url, text);
	url_append_value(&url, text);
	if (strlen(url.data) < strlen(text) * 2)
		fuzz_fail("a URL lacks a part of what was appended");
	for (const char *c = url.data; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~')
			fuzz_fail("a URL holds a byte that it can't");
	if (strchr(text, '=') == NULL)
		return;
	option = CStringGetTextDatum(text);
	(void) DirectFunctionCall2(
		crisp_fdw_validator,
		PointerGetDatum(construct_array(&option, 1, TEXTOID, -1, false, TYPALIGN_INT)),
		ObjectIdGetDatum(catalogs[data[0] % lengthof(catalogs)]));
}

/*
 * Take the lines of an answer's head.
 */
void
fuzz_head(uint8 *data, size_t size)
{
	HttpHead	head = {0};
	const char *line = (const char *) data;
	const char *end = line + size;

	while (line < end)
	{
		const char *next = memchr(line, '\n', end - line);
		size_t		length = (next != NULL ? next + 1 : end) - line;
		char	   *copy = malloc(length);

		/* Of its exact size, so that a sanitizer sees who reads beyond it. */
		memcpy(copy, line, length);
		if (http_head_take(&head, copy, length) != HTTP_HEAD_TAKEN)
			end = line;
		free(copy);
		line += length;
	}
	if (http_head_retry_after(&head) < 0)
		fuzz_fail("Retry-After lies in the past");
	(void) http_head_date(&head);
	for (const char *c = head.content_type; c != NULL && *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			fuzz_fail("a header isn't printable");
	http_head_release(&head);
}

/*
 * Return the operator's verdict on two numbers.
 */
static bool
holds(int strategy, int64 left, int64 right)
{
	switch (strategy)
	{
		case BTLessStrategyNumber:
			return left < right;
		case BTLessEqualStrategyNumber:
			return left <= right;
		case BTEqualStrategyNumber:
			return left == right;
		case BTGreaterEqualStrategyNumber:
			return left >= right;
		default:
			return left > right;
	}
}

/*
 * Narrow a range by a condition on a column in milliseconds, and check that no time for which the
 * condition holds is left out.
 */
void
fuzz_time_range(uint8 *data, size_t size)
{
	int64	  value;
	int64	  seen;
	TimeRange range = TIME_RANGE_ALL;
	int		  strategy;
	int64	  lower;
	int64	  upper;

	if (size < 18)
		return;
	memcpy(&value, data, 8);
	memcpy(&seen, data + 8, 8);
	strategy = data[16] % 5 + 1;
	/* What lies beyond any timestamp, no column can show. */
	seen %= INT64CONST(8000000000000000);
	switch (data[17] % 4)
	{
		case 0:
			time_range_narrow(&range, strategy, INT8OID, -1, INT8OID, Int64GetDatum(value));
			if (time_range_lower(range, &lower) && holds(strategy, seen, value) && seen < lower)
				fuzz_fail("a time that a condition takes lies before its range");
			if (time_range_upper(range, &upper) && holds(strategy, seen, value) && seen > upper)
				fuzz_fail("a time that a condition takes lies after its range");
			break;
		case 1:
			time_range_narrow(&range, strategy, TIMESTAMPTZOID, data[17] % 8 - 1, TIMESTAMPTZOID,
							  TimestampTzGetDatum(value));
			break;
		case 2:
			time_range_narrow(&range, strategy, TIMESTAMPOID, data[17] % 8 - 1, TIMESTAMPTZOID,
							  TimestampTzGetDatum(value));
			break;
		default:
			time_range_narrow(&range, strategy, DATEOID, -1, DATEOID,
							  DateADTGetDatum((DateADT) value));
			break;
	}
	(void) time_range_is_empty(range);
	(void) time_range_lower_iso(range);
	(void) time_range_upper_iso(range);
}

/*
 * Read a credentials file that holds this.
 */
void
fuzz_file(uint8 *data, size_t size)
{
	static char path[MAXPGPATH] = "";
	const char *identifier;
	const char *key;
	int			fd;

	if (path[0] == '\0')
		snprintf(path, sizeof(path), "%s/crisp_fuzz.credentials", DataDir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, data, size) != (ssize_t) size)
		fuzz_fail("the file can't be written");
	close(fd);
	credentials_file_read(path, &identifier, &key);
	if (credentials_file_problem("identifier", identifier) != NULL ||
		credentials_file_problem("key", key) != NULL)
		fuzz_fail("a credential that can't be one was taken");
}
