/*-------------------------------------------------------------------------
 *
 * sync_call.h
 *		Take the arguments of crisp_sync()'s functions of SQL, and keep what their errors say.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SYNC_CALL_H
#define CRISP_SYNC_CALL_H

#include "fmgr.h"

/* Raise an error where one of the arguments with these numbers, counted from 0, is NULL. */
extern void sync_call_check_given(FunctionCallInfo fcinfo, const int *numbers, int count);

/* Return an argument of type text, in memory of the moment; NULL for NULL. */
extern char *sync_call_text(FunctionCallInfo fcinfo, int number);

/*
 * Forget the CONTEXT of an earlier error, as a function begins; or keep that of the error that is
 * being caught, for crisp_sync_context().  The memory context is one to copy the error to.
 */
extern void sync_call_begin(void);
extern void sync_call_failed(MemoryContext context);

/*
 * Tell that a statement is being prepared, or no longer.  The CONTEXT of an error has nothing but
 * that statement then, which is none of the user's, and isn't kept.
 */
extern void sync_call_prepares(bool prepares);

#endif /* CRISP_SYNC_CALL_H */
