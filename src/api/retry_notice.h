/*-------------------------------------------------------------------------
 *
 * retry_notice.h
 *		Tell the client that a statement waits for a request to be made again.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_RETRY_NOTICE_H
#define CRISP_RETRY_NOTICE_H

#include "options/options.h"

/*
 * Tell, by a NOTICE, that a request of a server that somebody waits for is made again in left_ms,
 * waited_ms after it was wanted first.  Does nothing where that is soon, and where the statement
 * has told it before.  last_failure is a sentence without credentials, or empty.  Raises what
 * ereport(NOTICE) may raise: nothing but for memory.
 */
extern void retry_notice(const CrispOptions *options, int64 waited_ms, int64 left_ms,
						 const char *last_failure);

#endif /* CRISP_RETRY_NOTICE_H */
