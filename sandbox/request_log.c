/*
 * request_log.c
 *		Log the requests to the API, for GET /_log.
 */
#include "request_log.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t
monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
request_log_start(RequestLog *log, bool enabled)
{
	log->enabled = enabled;
	log->started_ms = monotonic_ms();
}

void
request_log_clear(RequestLog *log)
{
	for (size_t i = 0; i < log->count; i++)
		free(log->entries[i].json);
	free(log->entries);
	log->entries = NULL;
	log->count = log->capacity = 0;
	log->epoch++;
	buffer_free(&log->errors);
}

/* Return the length of the UTF-8 sequence at "text", or 0 if it is none. */
static size_t
sequence_length(const unsigned char *text, size_t len)
{
	size_t need;

	if (text[0] < 0x80)
		return 1;
	if (text[0] < 0xC2 || text[0] > 0xF4)
		return 0;
	need = text[0] < 0xE0 ? 2 : text[0] < 0xF0 ? 3 : 4;
	if (need > len)
		return 0;
	for (size_t i = 1; i < need; i++)
		if ((text[i] & 0xC0) != 0x80)
			return 0;
	if ((text[0] == 0xE0 && text[1] < 0xA0) || (text[0] == 0xED && text[1] > 0x9F) ||
		(text[0] == 0xF0 && text[1] < 0x90) || (text[0] == 0xF4 && text[1] > 0x8F))
		return 0;
	return need;
}

void
json_untrusted_string(JsonWriter *writer, const char *text, size_t len)
{
	Buffer clean = {0};

	buffer_reserve(&clean, len);
	while (len > 0)
	{
		size_t step = sequence_length((const unsigned char *) text, len);

		if (step == 0)
			buffer_puts(&clean, "\xEF\xBF\xBD");
		else
			buffer_append(&clean, text, step);
		text += step > 0 ? step : 1;
		len -= step > 0 ? step : 1;
	}
	jw_string_len(writer, clean.data, clean.len);
	buffer_free(&clean);
}

static void
put_untrusted(JsonWriter *writer, const char *key, const char *text)
{
	jw_key(writer, key);
	json_untrusted_string(writer, text, strlen(text));
}

LogReference
request_log_add(RequestLog *log, const Request *request, const char *headers, uint64_t connection)
{
	Buffer	   json = {0};
	JsonWriter writer = {&json, false, false};
	LogEntry  *entry;

	if (!log->enabled)
		return (LogReference){0};
	if (log->count == log->capacity)
	{
		log->capacity = log->capacity > 0 ? log->capacity * 2 : 64;
		log->entries = xrealloc(log->entries, log->capacity * sizeof(LogEntry));
	}
	entry = &log->entries[log->count++];
	entry->seq = log->count;
	entry->done_ms = -1;
	entry->status = 0;
	entry->rows = -1;

	jw_begin(&writer, '{');
	jw_put_int(&writer, "seq", (int64_t) entry->seq);
	jw_put_int(&writer, "at_ms", monotonic_ms() - log->started_ms);
	put_untrusted(&writer, "method", request->method);
	put_untrusted(&writer, "path", request->path);
	put_untrusted(&writer, "query", request->query);
	jw_key(&writer, "headers");
	jw_raw(&writer, headers, strlen(headers));
	jw_put_int(&writer, "connection", (int64_t) connection);
	jw_key(&writer, "body");
	json_untrusted_string(&writer, request->body.data, request->body.len);
	entry->json = buffer_take(&json);
	return (LogReference){log->epoch, entry->seq};
}

static LogEntry *
find_entry(RequestLog *log, LogReference reference)
{
	if (reference.seq == 0 || reference.epoch != log->epoch || reference.seq > log->count)
		return NULL;
	return &log->entries[reference.seq - 1];
}

void
request_log_answered(RequestLog *log, LogReference reference, unsigned status, int64_t rows)
{
	LogEntry *entry = find_entry(log, reference);

	if (entry == NULL)
		return;
	entry->status = status;
	entry->rows = rows;
}

void
request_log_done(RequestLog *log, LogReference reference)
{
	LogEntry *entry = find_entry(log, reference);

	if (entry != NULL)
		entry->done_ms = monotonic_ms() - log->started_ms;
}

void
request_log_error(RequestLog *log, const char *message)
{
	JsonWriter writer = {&log->errors, false, log->errors.len > 0};

	jw_string(&writer, message);
}

static void
write_entry(const LogEntry *entry, JsonWriter *writer)
{
	/* The object is still open. */
	jw_raw(writer, entry->json, strlen(entry->json));
	if (entry->status > 0)
		jw_put_int(writer, "status", entry->status);
	else
		jw_put_null(writer, "status");
	if (entry->rows >= 0)
		jw_put_int(writer, "rows", entry->rows);
	else
		jw_put_null(writer, "rows");
	if (entry->done_ms >= 0)
		jw_put_int(writer, "done_ms", entry->done_ms);
	else
		jw_put_null(writer, "done_ms");
	jw_end(writer, '}');
}

void
request_log_write(const RequestLog *log, uint64_t since, Buffer *body)
{
	JsonWriter writer = {body, false, false};

	jw_begin(&writer, '{');
	jw_key(&writer, "requests");
	jw_begin(&writer, '[');
	for (uint64_t i = since; i < log->count; i++)
		write_entry(&log->entries[i], &writer);
	jw_end(&writer, ']');
	jw_key(&writer, "errors");
	jw_begin(&writer, '[');
	if (log->errors.len > 0)
		jw_raw(&writer, log->errors.data, log->errors.len);
	jw_end(&writer, ']');
	jw_end(&writer, '}');
}
