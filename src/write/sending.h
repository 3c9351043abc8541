/*-------------------------------------------------------------------------
 *
 * sending.h
 *		Send one change, to either of two places where Crisp may take a null.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SENDING_H
#define CRISP_SENDING_H

#include "lib/ilist.h"

#include "write/change.h"

/* A change that is under way. */
typedef struct Sending
{
	dlist_node			 node; /* free for whoever keeps several of them */
	const ChangeTable	*table;
	const ChangeRequest *request;
	const ChangeRequest *before; /* of the same row, the latest that was carried out; or NULL */
	MemoryContext		 owner;
	ApiCall				*call;	/* NULL before it's started */
	bool				 other; /* the null is at its other place */
	bool				 again; /* it was at the first place before, and not taken there ... */
	ApiFailure			 first; /* ... for this reason */
} Sending;

/*
 * Start a request; returns at once.  The call and its answer belong to owner, as whose memory
 * sending, table and request must live at least as long.  Raises what api_start_change() raises.
 */
extern void sending_start(Sending *sending, const ChangeTable *table, const ChangeRequest *request,
						  MemoryContext owner);

/*
 * Say whether the session knows where Crisp takes a null of a request, or it has none of which that
 * is open.
 */
extern bool sending_is_sure(const ChangeTable *table, const ChangeRequest *request);

/*
 * Wait for the answer.  Return false when it's not the last: Crisp has not taken a null at one
 * place, and it was sent again with the null at the other, which does no harm; for the rest of the
 * session, what has worked is tried first.  Otherwise return true, with *done telling whether the
 * change was made; if not, *failure says why (palloc'd in CurrentMemoryContext).  Raises what
 * CHECK_FOR_INTERRUPTS() and api_start_change() do.
 */
extern bool sending_take(Sending *sending, bool *done, ApiAnswer *answer, ApiFailure *failure);

/* Say whether Crisp may have made the change, as far as is known while it's under way. */
extern bool sending_may_have_acted(const Sending *sending);

#endif /* CRISP_SENDING_H */
