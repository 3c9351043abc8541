/*
 * request_log.h
 *		Log the requests to the API, for GET /_log.
 */
#ifndef SANDBOX_REQUEST_LOG_H
#define SANDBOX_REQUEST_LOG_H

#include "json_writer.h"
#include "request.h"

typedef struct LogEntry
{
	char	*json; /* members that are known when the request is read */
	uint64_t seq;
	int64_t	 done_ms; /* -1 while the answer is under way */
	unsigned status;  /* 0 where none was given */
	int64_t	 rows;	  /* -1 where the answer is no list */
} LogEntry;

typedef struct RequestLog
{
	bool	  enabled;
	int64_t	  started_ms; /* monotonic; at_ms and done_ms count from here */
	uint64_t  epoch;	  /* grows with each clearing */
	LogEntry *entries;
	size_t	  count;
	size_t	  capacity;
	Buffer	  errors; /* JSON strings, comma-separated */
} RequestLog;

/* What finds an entry again, unless the log was cleared since. */
typedef struct LogReference
{
	uint64_t epoch;
	uint64_t seq; /* 0: not logged */
} LogReference;

extern int64_t monotonic_ms(void);
extern void	   request_log_start(RequestLog *log, bool enabled);
extern void	   request_log_clear(RequestLog *log);

/* Add a request to the log; "headers" is the text of a JSON object, names in lower case. */
extern LogReference request_log_add(RequestLog *log, const Request *request, const char *headers,
									uint64_t connection);
extern void			request_log_answered(RequestLog *log, LogReference reference, unsigned status,
										 int64_t rows);
extern void			request_log_done(RequestLog *log, LogReference reference);

/* Log something that was asked for and could not be done later on. */
extern void request_log_error(RequestLog *log, const char *message);

/* Write {"requests": […], "errors": […]} with what came after the entry "since". */
extern void request_log_write(const RequestLog *log, uint64_t since, Buffer *body);

/* Write a JSON string of text that may be no valid UTF-8: bytes that are not become U+FFFD. */
extern void json_untrusted_string(JsonWriter *writer, const char *text, size_t len);

#endif /* SANDBOX_REQUEST_LOG_H */
