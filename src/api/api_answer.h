/*-------------------------------------------------------------------------
 *
 * api_answer.h
 *		Take Crisp's answers: data, or an error.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_API_ANSWER_H
#define CRISP_API_ANSWER_H

#include "api/api_call.h"
#include "api/api_error.h"
#include "json/json.h"

/* What a successful answer says. */
typedef struct ApiAnswer
{
	bool			more; /* 206: more pages follow; 200: this was the last */
	int64			date; /* by Crisp's clock, Unix seconds; 0 where that isn't told */
	const JsonNode *data; /* the envelope's data; NULL for a JSON null */
} ApiAnswer;

/* Why a change has failed, and what is known of it. */
typedef struct ApiFailure
{
	ApiError error;
	bool	 may_have_acted; /* Crisp may have made the change all the same */
	bool	 absent;	/* what was to be changed does not exist, and not for lack of a website */
	bool	 conflicts; /* something else has what was sent, where Crisp allows that once: 409 */
	bool	 unfit;		/* Crisp may not have taken what was sent: 400, or 422 to the end */
	int		 status;	/* of the last answer; 0 where none came */
	int		 attempts;	/* that were made */
} ApiFailure;

/*
 * Wait for the call's end and take its answer, whose tree belongs to the call's owner.  The call
 * itself is released.  Raises what docs/errors.md lists for anything but a well-formed success with
 * the data that is wanted, and what CHECK_FOR_INTERRUPTS() raises.
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
 * Wait for a call that asks for something by a key, as api_finish() does.  Return false when Crisp
 * has nothing there (404), says that a key which was given can't be one, or refuses an order (400).
 */
extern bool api_finish_lookup(ApiCall *call, ApiData wanted, ApiKey key, ApiAnswer *answer);

/*
 * Wait for the end of a call, a change or not, and take its answer.  Any 2xx is a success of a
 * change, of which API_NOTHING is wanted: its answer may have no data.  Returns false with *failure
 * filled in (palloc'd in CurrentMemoryContext) where api_finish() would raise what docs/errors.md
 * lists; raises what CHECK_FOR_INTERRUPTS() does.  The call is released either way.
 */
extern bool api_try_finish(ApiCall *call, ApiData wanted, ApiAnswer *answer, ApiFailure *failure);

/*
 * Say in the server's log that an element of a list (from 1), which a target was asked for, is no
 * row, and left out.
 */
extern void api_log_skipped(const CrispOptions *options, const char *target, size_t element);

#endif /* CRISP_API_ANSWER_H */
