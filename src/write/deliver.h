/*-------------------------------------------------------------------------
 *
 * deliver.h
 *		Send changes, and say what became of them.
 *
 * What Crisp has done can't be rolled back.  So whatever error ends a statement, it tells what was
 * done before.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_DELIVER_H
#define CRISP_DELIVER_H

#include "nodes/nodes.h"

#include "write/sending.h"

typedef struct Deliverer Deliverer;

/*
 * Prepare to send changes to a table; operation is CMD_INSERT, CMD_UPDATE or CMD_DELETE.  Palloc'd
 * in CurrentMemoryContext, which must outlive it, as must the table, whose options have
 * credentials.
 */
extern Deliverer *deliverer_create(const ChangeTable *table, CmdType operation);

/* Return the table that changes are sent to, and whether they remove rows. */
extern const ChangeTable *deliverer_table(const Deliverer *deliverer);
extern bool				  deliverer_removes(const Deliverer *deliverer);

/* From now on, pass over what conflicts with what Crisp has (ON CONFLICT DO NOTHING). */
extern void deliverer_pass_over_conflicts(Deliverer *deliverer);

/* Say whether that is so. */
extern bool deliverer_passes_over_conflicts(const Deliverer *deliverer);

/* Begin and end a stretch of code in which any error says what was done before it. */
extern void deliverer_enter(Deliverer *deliverer);
extern void deliverer_leave(Deliverer *deliverer);

/*
 * Send a request and wait for its answer, whose data belongs to CurrentMemoryContext.  Returns
 * false when the row does not exist at Crisp, or conflicts with another and is passed over.
 *
 * Raises what docs/errors.md lists, with a word on whether Crisp may have done it all the same, and
 * what CHECK_FOR_INTERRUPTS() raises.
 */
extern bool deliverer_send(Deliverer *deliverer, const ChangeRequest *request, ApiAnswer *answer);

/*
 * Start a request, and take its answer, as sending.h has it, with *done said of the operation: a
 * row that is gone after it may have been removed was removed.  From the one to the other, errors
 * in the stretch say that it's under way, and that sending->before, if set, was carried out.
 * Neither raises for a failure, and neither counts a row.
 */
extern void deliverer_start(Deliverer *deliverer, Sending *sending, const ChangeRequest *request,
							MemoryContext owner);
extern bool deliverer_take(Deliverer *deliverer, Sending *sending, bool *done, ApiAnswer *answer,
						   ApiFailure *failure);

/* Forget a request that was started, whose call is about to be aborted. */
extern void deliverer_abandon(Deliverer *deliverer, Sending *sending);

/*
 * Raise an error that says why a request has failed, and what that means for the row, of which
 * before was carried out, unless it's NULL.
 */
pg_noreturn extern void deliverer_raise(Deliverer *deliverer, const ChangeRequest *request,
										const ChangeRequest *before, ApiFailure *failure);

/*
 * Add what Crisp has answered to an insert to what is known of the row, and to its keys.  Raises
 * errors of class HV000 as for any other answer that isn't as it should be.
 */
extern void deliverer_take_answer(Deliverer *deliverer, ChangeRequest *request,
								  const ApiAnswer *answer);

/* Keep what names a row, all of whose requests have been carried out. */
extern void deliverer_done(Deliverer *deliverer, const ChangeKeys *keys);

/*
 * Ask Crisp for a row that was inserted, with one request.  Returns NULL, after a warning, when it
 * can't be had: that is no reason to let an insert fail that has been made.  The result belongs to
 * CurrentMemoryContext.
 */
extern const JsonNode *deliverer_read_back(Deliverer *deliverer, const ChangeRequest *request);

#endif /* CRISP_DELIVER_H */
