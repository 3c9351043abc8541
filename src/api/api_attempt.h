/*-------------------------------------------------------------------------
 *
 * api_attempt.h
 *		Look at what the latest attempt of a call has brought.
 *
 * For api_call.c and api_answer.c alone: others know calls by api_call.h.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_API_ATTEMPT_H
#define CRISP_API_ATTEMPT_H

#include "lib/ilist.h"

#include "api/api_error.h"
#include "api/api_request.h"
#include "api/retry.h"
#include "api/usage.h"
#include "json/json_parse.h"

/* The status of a page that others follow. */
#define STATUS_MORE 206

/* What a call is at. */
typedef enum CallState
{
	CALL_DELAYED, /* its next attempt starts at due */
	CALL_SENT,	  /* its transfer is under way */
	CALL_SETTLED, /* its transfer has brought what there will be, good or bad */
	CALL_REFUSED  /* the statement may make no more requests */
} CallState;

struct ApiCall
{
	dlist_node			  node; /* in calls */
	MemoryContextCallback callback;
	const CrispOptions	 *options;
	ApiChange			  request; /* a GET is one that changes nothing */
	MemoryContext		  owner;   /* of the answer */
	MemoryContext		  context; /* of the call and all else it has */
	HttpPool			 *pool;
	Usage				 *usage;

	CallState	  state;
	int64		  started_at; /* the first attempt, by http_clock() */
	int64		  due;		  /* the next attempt */
	bool		  holds_back; /* until due, by Crisp's wish: so nobody else asks either */
	RetryState	  retries;
	HttpTransfer *transfer;		  /* of the latest attempt; NULL before and between them */
	bool		  uncounted;	  /* the outcome of that attempt is yet to be counted */
	bool		  may_have_acted; /* an attempt that failed may have been acted on */

	/* Of a settled call, once its answer was parsed. */
	bool			parsed;
	MemoryContext	answer;	  /* of the envelope, and of the body that it points into; or NULL */
	JsonOutcome		outcome;  /* of parsing */
	const JsonNode *envelope; /* NULL where the body isn't JSON, or is a null */
	const char	   *problem;  /* why there is no envelope, or NULL */
};

extern bool call_is_get(const ApiCall *call);

/* Say whether a settled call's answer is a success, as far as its status goes. */
extern bool call_is_success(const ApiCall *call);

/*
 * Say whether the body of an answer that was parsed is JSON which ends too early, where the body
 * has to be known: that of a success, and of a refusal that may say there is no such thing.
 */
extern bool call_is_cut(const ApiCall *call);

/* Count how a call's latest attempt has ended, once. */
extern void call_count_outcome(ApiCall *call, UsageOutcome outcome);

/*
 * Parse the body of a settled call's answer, in a context of its own.  The body stays with it,
 * since that is what the nodes point into.  Raises for memory, and what CHECK_FOR_INTERRUPTS()
 * does.
 */
extern void call_parse_answer(ApiCall *call);

/* Let go of what was parsed of an attempt's answer. */
extern void call_drop_answer(ApiCall *call);

/*
 * Let the answer of a settled call, with all that was taken from it, live as long as the call's
 * owner, instead of the call.
 */
extern void call_keep_answer(ApiCall *call);

/* Describe the failure of a settled call.  Palloc'd in CurrentMemoryContext. */
extern void call_describe_failure(ApiCall *call, ApiError *error);

/* Count a failed attempt, and keep it as the last failure of the server. */
extern void call_remember_failure(ApiCall *call, const ApiError *error);

#endif /* CRISP_API_ATTEMPT_H */
