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

#include "nodes/pg_list.h"

#include "json.h"
#include "option.h"

/* One query parameter of a request; name and value as text, unescaped. */
typedef struct ApiParam
{
	const char *name;
	const char *value;
} ApiParam;

/* What a successful answer says. */
typedef struct ApiAnswer
{
	bool		 more; /* 206: more pages follow; 200: this was the last */
	json_object *data; /* the envelope's data; NULL for a JSON null */
} ApiAnswer;

typedef struct ApiCall ApiCall;

/*
 * The target of a list request, relative to the base URL: the resource's
 * route for that page (1-based) with the parameters that options imply, then
 * those of params (a List of ApiParam pointers).  Palloc'd.  This is what EXPLAIN shows, too.
 */
extern char *api_list_target(const CrispOptions *options, List *params, int page_number);

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

#endif /* CRISP_API_H */
