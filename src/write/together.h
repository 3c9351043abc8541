/*-------------------------------------------------------------------------
 *
 * together.h
 *		Send rows together: those that change alike by one request, others at the same time.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_TOGETHER_H
#define CRISP_TOGETHER_H

#include "write/deliver.h"
#include "write/pending.h"

/* What has come of rows. */
typedef struct TogetherCounts
{
	int64 gone;	   /* rows that Crisp doesn't have */
	int64 batches; /* requests that were for several rows, without retries */
} TogetherCounts;

/*
 * Send all that is pending, and forget it; add to *counts.  To be called in a stretch of the
 * deliverer's (deliverer_enter()), whose errors tell which rows were done, which only in part, and
 * what was under way.
 *
 * Up to prefetch requests are under way together, of rows that differ: a row's second request
 * follows when all rows have had their first.  Rows that change alike go by a batch route, if there
 * is one.  Where Crisp refuses such a request, it is made again for each half of its rows, down to
 * single rows, whose routes tell what is wrong, or which row is gone.
 *
 * A row that has failed ends it: nothing more is started, what is under way is waited for as far as
 * Crisp may have acted on it, and the first failure is raised as deliverer_send() does.
 */
extern void together_send(Deliverer *deliverer, Pending *pending, TogetherCounts *counts);

#endif /* CRISP_TOGETHER_H */
