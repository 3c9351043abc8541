/*-------------------------------------------------------------------------
 *
 * complete.h
 *		Complete requests by what only Crisp knows, before they are sent.
 *
 * Such is the id of a profile that is known by its e-mail address, and custom data of which keys
 * go: the whole object is sent then, and that of the moment has what others have set meanwhile.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_COMPLETE_H
#define CRISP_COMPLETE_H

#include "write/change.h"

/* What becomes of a request. */
typedef enum Completion
{
	COMPLETION_READY,	 /* it can be sent */
	COMPLETION_NEEDLESS, /* Crisp has all that it would change already */
	COMPLETION_GONE,	 /* Crisp doesn't have the row, or what it belongs to (404) */
	COMPLETION_EXISTS	 /* the row that is to be inserted is there */
} Completion;

/*
 * Complete a request that isn't ready, by asking Crisp.  What is added belongs to
 * CurrentMemoryContext.  Raises what docs/errors.md lists, and what CHECK_FOR_INTERRUPTS() does.
 */
extern Completion complete_request(const ChangeTable *table, ChangeRequest *request);

/*
 * Return how many requests it may take to ask for the custom data that one lacks, and to check it
 * after it was sent.
 */
extern int complete_cost(const ChangeTable *table, const ChangeRequest *request);

/*
 * Check that Crisp has removed the keys of custom data that were to go by a request, which was
 * sent: it may merge what is sent into what it has.  What a server does is remembered for the
 * session.  Raises HV000 where keys were kept; warns where that can't be found out.
 */
extern void complete_check_gone(const ChangeTable *table, const ChangeRequest *request);

/* Raise 23505 (unique_violation) for COMPLETION_EXISTS, 23503 for COMPLETION_GONE of an insert. */
pg_noreturn extern void complete_raise(const ChangeTable *table, const ChangeRequest *request,
									   Completion completion);

#endif /* CRISP_COMPLETE_H */
