/*-------------------------------------------------------------------------
 *
 * api_call.h
 *		Start Crisp's requests, and wait for them.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_API_CALL_H
#define CRISP_API_CALL_H

#include "api/api_request.h"

/* The setting crisp_fdw.max_requests: most requests of a statement; 0 for no limit. */
extern int api_max_requests;

/* Return how many requests the statement that the client sent last has made so far. */
extern int64 api_statement_requests(void);

/* Return how many more it may make, within that setting and the day's; INT64_MAX: any number. */
extern int64 api_requests_left(const CrispOptions *options);

/*
 * Say whether the statement has requests to spare for what may turn out not to be needed: there is
 * no limit, or more are left than twice as many as may be under way together, for what comes after.
 */
extern bool api_can_spare(const CrispOptions *options);

/*
 * Start a GET of target; returns at once.  options must hold credentials.  The call belongs to
 * owner, whose reset or deletion aborts it; options and target must live as long.
 *
 * An attempt that fails in a way which may pass is made again, as retry.h says, within the options
 * max_retries and retry_budget.  That goes on whenever somebody waits for a call of the same server
 * and user mapping, or asks whether one is ready.
 *
 * No request is made when the statement has none left.  That's no error before somebody wants the
 * answer, so that one may be asked for ahead of need.
 */
extern ApiCall *api_start(const CrispOptions *options, const char *target, MemoryContext owner);

/*
 * Say whether api_finish() can return, or raise, without waiting for Crisp.  Let all calls of the
 * same server and user mapping go on as far as they can.  Raises what http_progress() and
 * http_start() raise.
 */
extern bool api_get_ready(ApiCall *call);

/*
 * Say whether a call's answer, or that there will be none, is known already.  Do nothing for it to
 * come, unlike api_get_ready().
 */
extern bool api_is_ready(const ApiCall *call);

/* What a call's status tells about a list before the answer is taken apart. */
typedef enum ApiPeek
{
	API_SAYS_NOTHING, /* not here yet, or a failure */
	API_SAYS_MORE,	  /* 206 */
	API_SAYS_END,	  /* 200 */
	API_SAYS_PAST_END /* 404, of a page that isn't the first */
} ApiPeek;

extern ApiPeek api_peek(const ApiCall *call);

/*
 * Wait until api_is_ready().  Raises what api_get_ready() raises, and what CHECK_FOR_INTERRUPTS()
 * raises.
 */
extern void api_wait(ApiCall *call);

/*
 * Wait until the first of some calls of one server and user mapping is settled, or another of them
 * has an answer that is no failure.  Return the index of that call, the earliest that there is.
 * Raises what api_wait() raises.
 */
extern int api_wait_any(ApiCall *const *wanted, int count);

/*
 * Wait until any of some calls of one server and user mapping is settled, well or not.  Return the
 * index of the earliest of those that are.  Raises what api_wait() raises.
 */
extern int api_wait_settled(ApiCall *const *wanted, int count);

/*
 * Return a descriptor that becomes readable when it's worth asking api_get_ready() again, be it for
 * an answer or because it's time for another attempt.  Calls of the same server and user mapping
 * share it.  From now until somebody asks again counts as waiting.
 */
extern pgsocket api_socket(const ApiCall *call);

/*
 * Start a change, as api_start() does a GET; what change points to must live as long as owner.
 *
 * Unless it is repeatable, it is sent again only when it can't have been acted on.
 */
extern ApiCall *api_start_change(const CrispOptions *options, const ApiChange *change,
								 MemoryContext owner);

/* Say whether Crisp may have acted on a change that is under way, or about to be tried again. */
extern bool api_may_have_acted(const ApiCall *call);

/* Wait until api_get_ready().  Raises what that raises, and what CHECK_FOR_INTERRUPTS() does. */
extern void api_wait_ready(ApiCall *call);

#endif /* CRISP_API_CALL_H */
