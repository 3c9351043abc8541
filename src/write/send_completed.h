/*-------------------------------------------------------------------------
 *
 * send_completed.h
 *		Send a request, for which Crisp may have to be asked for something first.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SEND_COMPLETED_H
#define CRISP_SEND_COMPLETED_H

#include "write/deliver.h"

/*
 * Complete a request as complete.h has it, send it, and wait for the answer, whose data belongs to
 * CurrentMemoryContext.  Returns false when the row is gone, or is there already and is passed
 * over. To be called in a stretch of the deliverer's; raises what complete_request(),
 * complete_check_gone() and deliverer_send() do.
 */
extern bool send_completed(Deliverer *deliverer, ChangeRequest *request, ApiAnswer *answer);

#endif /* CRISP_SEND_COMPLETED_H */
