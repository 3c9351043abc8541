/*-------------------------------------------------------------------------
 *
 * api_answer.h
 *		Crisp's requests, envelope and errors.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_API_ANSWER_H
#define CRISP_API_ANSWER_H

#include "api/api_error.h"
#include "json/json.h"
#include "options/options.h"

/* What a successful answer says. */
typedef struct ApiAnswer
{
	bool			more; /* 206: more pages follow; 200: this was the last */
	int64			date; /* by Crisp's clock, Unix seconds; 0 where that isn't told */
	const JsonNode *data; /* the envelope's data; NULL for a JSON null */
} ApiAnswer;

/* A request that changes something. */
typedef struct ApiChange
{
	const char *method;
	const char *target;
	const char *body; /* JSON in UTF-8; NULL for none */
	size_t		body_length;
	bool		repeatable; /* it may reach Crisp twice without harm */
} ApiChange;

/* Why a change has failed, and what is known of it. */
typedef struct ApiFailure
{
	ApiError error;
	bool	 may_have_acted; /* Crisp may have made the change all the same */
	bool	 absent; /* what was to be changed does not exist, and not for lack of a website */
	bool	 unfit;	 /* Crisp may not have taken what was sent: 400, or 422 to the end */
} ApiFailure;

typedef struct ApiCall ApiCall;

/* The setting crisp_fdw.max_requests: most requests of a statement; 0 for no limit. */
extern int api_max_requests;

/* How many requests the statement that the client sent last has made so far. */
extern int64 api_statement_requests(void);

/*
 * Start a GET of target; returns at once.  options must hold credentials.
 * The call belongs to owner, whose reset or deletion aborts it; options and target must
 * live as long.
 *
 * An attempt that fails in a way which may pass is made again, as retry.h says,
 * within the options max_retries and retry_budget.  That goes on whenever
 * somebody waits for a call of the same server and user mapping, or asks whether
 * one is ready.
 *
 * No request is made when the statement has none left.  That's no error before
 * somebody wants the answer, so that one may be asked for ahead of need.
 */
extern ApiCall *api_start(const CrispOptions *options, const char *target, MemoryContext owner);

/*
 * Whether api_finish() can return, or raise, without waiting for Crisp.  Lets all calls of the
 * same server and user mapping go on as far as they can.  Raises what http_progress() and
 * http_start() raise.
 */
extern bool api_is_ready(ApiCall *call);

/*
 * Whether a call's answer, or that there will be none, is known already.  Does nothing for it to
 * come, unlike api_is_ready().
 */
extern bool api_is_settled(const ApiCall *call);

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
 * Wait until api_is_settled().  Raises what api_is_ready() raises, and what
 * CHECK_FOR_INTERRUPTS() raises.
 */
extern void api_wait(ApiCall *call);

/*
 * Wait until the first of some calls of one server and user mapping is settled, or another of them has an
 * answer that is no failure.  Returns the index of that call, the earliest that there is.  Raises what api_wait() raises.
 */
extern int api_wait_any(ApiCall *const *wanted, int count);

/*
 * A descriptor that becomes readable when it's worth asking api_is_ready() again, be it
 * for an answer or because it's time for another attempt.  Calls of the same server and
 * user mapping share it.  From now until somebody asks again counts as waiting.
 */
extern pgsocket api_socket(const ApiCall *call);

/*
 * Wait for the call's end and take its answer, whose tree belongs to the
 * call's owner.  The call itself is released.
 * Raises what docs/errors.md lists for anything but a well-formed success with the data that is
 * wanted, and what CHECK_FOR_INTERRUPTS() raises.
 */
extern void api_finish(ApiCall *call, ApiData wanted, ApiAnswer *answer);

/* Where the key comes from by which something is asked for, which tells what there may not be. */
typedef enum ApiKey
{
	API_KEY_GIVEN, /* from a user: Crisp may refuse it as none, which is no error */
	API_KEY_TOLD,  /* from Crisp: it may be gone, but is one */
	API_PAGE,	   /* the number of a page, from 2: it may be past the end of its list */
	API_ORDER	   /* none, but an order that isn't documented: Crisp may refuse that */
} ApiKey;

/*
 * The same for a call that asks for something by a key.  Returns false when Crisp has nothing there
 * (404), says that a key which was given can't be one, or refuses an order (400).
 */
extern bool api_finish_lookup(ApiCall *call, ApiData wanted, ApiKey key, ApiAnswer *answer);

/*
 * Start a change, as api_start() does a GET; what change points to must live as long as owner.
 *
 * Unless it is repeatable, it is sent again only when it can't have been acted on.
 */
extern ApiCall *api_start_change(const CrispOptions *options, const ApiChange *change,
								 MemoryContext owner);

/* Whether Crisp may have acted on a change that is under way, or about to be tried again. */
extern bool api_may_have_acted(const ApiCall *call);

/*
 * Wait for the end of a call, a change or not, and take its answer.  Any 2xx is a success of a
 * change, of which API_NOTHING is wanted: its answer may have no data.  Returns false with *failure
 * filled in (palloc'd in CurrentMemoryContext) where api_finish() would raise what docs/errors.md
 * lists; raises what CHECK_FOR_INTERRUPTS() does.  The call is released either way.
 */
extern bool api_try_finish(ApiCall *call, ApiData wanted, ApiAnswer *answer, ApiFailure *failure);

#endif /* CRISP_API_ANSWER_H */
