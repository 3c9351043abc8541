/*-------------------------------------------------------------------------
 *
 * apierror.h
 *		What a request that failed means to a user.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_APIERROR_H
#define CRISP_APIERROR_H

#include "compat.h"
#include "http.h"
#include "json.h"
#include "option.h"

/*
 * A failure in words.  All are palloc'd or static, in the database's encoding,
 * and hold no credential: not even where a server sends them back.
 */
typedef struct ApiError
{
	int			code;	 /* SQLSTATE, as errcode() takes it */
	const char *message; /* without the server's name */
	const char *detail;
	const char *hint; /* or NULL */
} ApiError;

/*
 * In these, target is what was asked of the options' server, which must hold
 * credentials.  Everything is palloc'd in CurrentMemoryContext.
 */

/* A transfer without an answer. */
extern void api_error_of_transfer(ApiError *error, const CrispOptions *options, const char *target,
								  const HttpResponse *response);

/*
 * A status other than success, or an envelope that says so.  envelope is the
 * parsed body, NULL when it isn't JSON.
 */
extern void api_error_of_status(ApiError *error, const CrispOptions *options, const char *target,
								const HttpResponse *response, const JsonNode *envelope);

/* A body that isn't what Crisp's API sends; problem is a sentence. */
extern void api_error_of_body(ApiError *error, const CrispOptions *options, const char *target,
							  const HttpResponse *response, const char *problem);

/*
 * Raise an error after so many attempts in so long; attempts and time
 * are told when there was more than one.
 */
pg_noreturn extern void api_error_raise(const ApiError *error, const CrispOptions *options,
										int attempts, int64 elapsed_ms);

/*
 * Whether the answer to a lookup says that nothing has the key, and not that
 * the website is unknown.
 */
extern bool api_error_is_absence(const HttpResponse *response, const JsonNode *envelope);

#endif /* CRISP_APIERROR_H */
