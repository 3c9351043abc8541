/*-------------------------------------------------------------------------
 *
 * api_request.h
 *		Define what is asked of Crisp.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_API_REQUEST_H
#define CRISP_API_REQUEST_H

#include "options/options.h"

/* A request that changes something. */
typedef struct ApiChange
{
	const char *method;
	const char *target;
	const char *body; /* JSON in UTF-8; NULL for none */
	size_t		body_length;
	bool		repeatable; /* it may reach Crisp twice without harm */
} ApiChange;

/* A request that was started; see api_call.h. */
typedef struct ApiCall ApiCall;

#endif /* CRISP_API_REQUEST_H */
