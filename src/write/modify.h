/*-------------------------------------------------------------------------
 *
 * modify.h
 *		Execute INSERT, UPDATE and DELETE.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_MODIFY_H
#define CRISP_MODIFY_H

#include "foreign/fdwapi.h"

#include "options/options.h"

/*
 * Carry out a modification (executor callbacks of the FdwRoutine).  Every row has been carried out,
 * or refused, when the callback returns that it was given to, or, where rows are sent together,
 * when the executor has got the last of them: before it fires triggers for the statement, or counts
 * its rows.  Nothing is sent at the end of a statement or a transaction.
 */
extern void				crispBeginForeignModify(ModifyTableState *mtstate, ResultRelInfo *rinfo,
												List *fdw_private, int subplan_index, int eflags);
extern void				crispBeginForeignInsert(ModifyTableState *mtstate, ResultRelInfo *rinfo);
extern TupleTableSlot  *crispExecForeignInsert(EState *estate, ResultRelInfo *rinfo,
											   TupleTableSlot *slot, TupleTableSlot *plan_slot);
extern TupleTableSlot  *crispExecForeignUpdate(EState *estate, ResultRelInfo *rinfo,
											   TupleTableSlot *slot, TupleTableSlot *plan_slot);
extern TupleTableSlot  *crispExecForeignDelete(EState *estate, ResultRelInfo *rinfo,
											   TupleTableSlot *slot, TupleTableSlot *plan_slot);
extern void				crispEndForeignModify(EState *estate, ResultRelInfo *rinfo);
extern int				crispGetForeignModifyBatchSize(ResultRelInfo *rinfo);
extern TupleTableSlot **crispExecForeignBatchInsert(EState *estate, ResultRelInfo *rinfo,
													TupleTableSlot **slots,
													TupleTableSlot **plan_slots, int *nslots);

/* Return what a modification has cost so far; NULL for one that only EXPLAIN has begun. */
extern const ApiCounts *crisp_modify_counts(const ResultRelInfo *rinfo);

/* Return how many of these requests were for several rows, without retries. */
extern int64 crisp_modify_batches(const ResultRelInfo *rinfo);

#endif /* CRISP_MODIFY_H */
