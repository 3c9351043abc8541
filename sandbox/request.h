/*
 * request.h
 *		Hold a request as it was received, and the answer to it.
 */
#ifndef SANDBOX_REQUEST_H
#define SANDBOX_REQUEST_H

#include "buffer.h"
#include "json_writer.h"

typedef struct Parameter
{
	char *name; /* both percent-decoded */
	char *value;
} Parameter;

typedef struct Request
{
	char	  *method;
	char	  *path;  /* as received, without the query */
	char	  *query; /* as received; "" if there is none */
	Parameter *parameters;
	size_t	   parameter_count;
	char	  *authorization; /* header; NULL if absent */
	char	  *tier;		  /* header X-Crisp-Tier; NULL if absent */
	bool	   accepts_gzip;  /* header Accept-Encoding says so */
	Buffer	   body;
} Request;

typedef struct Reply
{
	unsigned status;
	Buffer	 body;
	int64_t	 rows; /* elements of a list; -1 for anything else */
} Reply;

/* Take the request target apart; request_free() releases all that the request holds. */
extern void request_set_target(Request *request, const char *target);
extern void request_free(Request *request);

/* Return the value of a query parameter, or NULL. */
extern const char *request_parameter(const Request *request, const char *name);

/*
 * Decode percents: "%41+b" becomes "Ab" with a space in the middle if "plus" is set.  The caller
 * frees it.
 */
extern char *percent_decode(const char *text, size_t len, bool plus);

/*
 * Write Crisp's envelope around an answer: between the two calls the caller writes the value of
 * "data".
 */
extern JsonWriter reply_begin(Reply *reply, unsigned status, const char *reason);
extern void		  reply_end(JsonWriter *writer);

/* Write a whole answer with an empty object as data. */
extern void reply_done(Reply *reply, const char *reason);

/* Write a failed answer; "message" may be NULL. */
extern void reply_error(Reply *reply, unsigned status, const char *reason, const char *message);

#endif /* SANDBOX_REQUEST_H */
