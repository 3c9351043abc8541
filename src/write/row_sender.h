/*-------------------------------------------------------------------------
 *
 * row_sender.h
 *		Send changes of rows: each when it is reached, or together.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_ROW_SENDER_H
#define CRISP_ROW_SENDER_H

#include "nodes/execnodes.h"

#include "write/deliver.h"

typedef struct RowSender RowSender;

/*
 * Prepare to send what a node changes or removes: with together, rows are kept until they are more
 * than work_mem, or the plan has no more of them, and then sent as together.h has it; without, each
 * is sent at once.  Palloc'd in CurrentMemoryContext, which must be that of the query.
 */
extern RowSender *row_sender_create(Deliverer *deliverer, ModifyTableState *state, bool together);

/* Say whether rows are kept. */
extern bool row_sender_keeps(const RowSender *sender);

/*
 * Send a row's requests, or keep them.  Returns false when the row is known to be gone.  They
 * belong to *context, in whose place there is a new one where it is kept.  To be called in a
 * stretch of the deliverer's; raises what deliverer_send() does.
 */
extern bool row_sender_send(RowSender *sender, List *requests, const ChangeKeys *keys,
							MemoryContext *context);

/*
 * Send what is kept if it has become much.  To be called in such a stretch, when nothing is needed
 * any more of the context that row_sender_send() was given.  Raises what together_send() and
 * open_scans_read() raise.
 */
extern void row_sender_relieve(RowSender *sender);

/* Return how many rows are kept. */
extern int row_sender_kept(const RowSender *sender);

/* Return how many requests were for several rows, without retries. */
extern int64 row_sender_batches(const RowSender *sender);

#endif /* CRISP_ROW_SENDER_H */
