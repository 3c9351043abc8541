/*-------------------------------------------------------------------------
 *
 * api.h
 *		Crisp's requests, envelope and errors.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_API_H
#define CRISP_API_H

#include "json.h"
#include "option.h"

/* What a successful answer says. */
typedef struct ApiAnswer
{
	bool		 more; /* 206: more pages follow; 200: this was the last */
	json_object *data; /* the envelope's data; NULL for a JSON null */
} ApiAnswer;

typedef struct ApiCall ApiCall;

/*
 * Start a GET of target; returns at once.  options must hold credentials.
 * The call belongs to owner, whose reset or deletion aborts it; options and target must
 * live as long.
 */
extern ApiCall *api_start(const CrispOptions *options, const char *target, MemoryContext owner);

/*
 * Wait for the call's end and take its answer, whose tree belongs to the
 * call's owner.  The call itself is released.
 * Raises what docs/errors.md lists for anything but a well-formed success, and
 * what CHECK_FOR_INTERRUPTS() raises.
 */
extern void api_finish(ApiCall *call, ApiAnswer *answer);

/*
 * The same for a call that asks for one thing by its key.  Returns false when Crisp
 * has none, or says that the key can't be one.
 */
extern bool api_finish_lookup(ApiCall *call, ApiAnswer *answer);

#endif /* CRISP_API_H */
