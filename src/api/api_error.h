/*-------------------------------------------------------------------------
 *
 * api_error.h
 *		Say what a request that failed means to a user.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_API_ERROR_H
#define CRISP_API_ERROR_H

#include "base/compat.h"
#include "http/http.h"
#include "json/json.h"
#include "options/options.h"
#include "api/usage.h"

/*
 * A failure in words.  All are palloc'd or static, in the database's encoding,
 * and hold no credential: not even where a server sends them back.
 */
typedef struct ApiError
{
	UsageOutcome outcome; /* how the attempt counts; nothing where none was made */
	int			 code;	  /* SQLSTATE, as errcode() takes it */
	const char	*message; /* without the server's name */
	const char	*detail;
	const char	*hint; /* or NULL */
} ApiError;

/* What the data of an answer has to be. */
typedef enum ApiData
{
	API_LIST,	  /* an array of rows */
	API_OBJECT,	  /* one row */
	API_ROWS,	  /* either */
	API_ANYTHING, /* there, as far as the caller of api_answer.h cares */
	API_NOTHING	  /* not even there */
} ApiData;

/*
 * In these, method and target are what was asked of the options' server, which must hold
 * credentials.  Everything is palloc'd in CurrentMemoryContext.
 */

/* Describe a transfer without an answer. */
extern void api_error_of_transfer(ApiError *error, const CrispOptions *options, const char *method,
								  const char *target, const HttpResponse *response);

/*
 * Describe a status other than success, or an envelope that says so.  envelope is the parsed body,
 * NULL when it isn't JSON.
 */
extern void api_error_of_status(ApiError *error, const CrispOptions *options, const char *method,
								const char *target, const HttpResponse *response,
								const JsonNode *envelope);

/* Describe a body that isn't what Crisp's API sends; problem is a sentence. */
extern void api_error_of_body(ApiError *error, const CrispOptions *options, const char *method,
							  const char *target, const HttpResponse *response,
							  const char *problem);

/*
 * Describe a body that is more than an answer may be once it's parsed; problem is a fragment of a
 * sentence.
 */
extern void api_error_of_size(ApiError *error, const CrispOptions *options, const char *method,
							  const char *target, const char *problem);

/* Say that the statement may make no more requests than limit, and that the next would be this. */
extern void api_error_of_limit(ApiError *error, const char *method, const char *target, int attempt,
							   int limit);

/*
 * Say that the server's option daily_requests leaves no request today, and that this would be the
 * next.
 */
extern void api_error_of_day(ApiError *error, const CrispOptions *options, const char *method,
							 const char *target);

/*
 * Add to the detail that it was tried so many times in so long; add nothing for a single attempt.
 */
extern void api_error_add_attempts(ApiError *error, int attempts, int64 elapsed_ms);

pg_noreturn extern void api_error_raise(const ApiError *error, const CrispOptions *options);

/*
 * Say whether an envelope calls itself an error: nothing but "error": false, or none, is a success.
 */
extern bool api_error_is_admitted(const JsonNode *envelope);

/* Say what is wrong with an envelope's data, in a sentence; NULL when it is what is wanted. */
extern const char *api_error_in_data(const JsonNode *envelope, ApiData wanted);

/*
 * Say whether an answer to a lookup says that nothing has the key, or that nothing can have it, and
 * not that the website or the route is unknown.  envelope is the parsed body, NULL when it isn't
 * JSON.
 */
extern bool api_error_is_absence(const HttpResponse *response, const JsonNode *envelope);

/*
 * Say whether an answer to a request for a page of a list, whose first page is there, says that
 * there is no such page: an answer of Crisp's, which isn't about the website.  envelope is as
 * above.
 */
extern bool api_error_is_past_end(const HttpResponse *response, const JsonNode *envelope);

/*
 * Say whether an error that was caught, by its SQLSTATE, is Crisp's, or a limit of requests: who
 * doesn't depend on an answer goes on without it, and others will raise it, if they meet it, too.
 */
extern bool api_error_is_crisps(int sqlerrcode);

#endif /* CRISP_API_ERROR_H */
