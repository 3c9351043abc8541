/*-------------------------------------------------------------------------
 *
 * retry.h
 *		Decide whether a request that failed is made again, and when.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_RETRY_H
#define CRISP_RETRY_H

#include "http/http.h"
#include "options/options.h"

/* What a failed attempt means for the next one. */
typedef enum RetryChance
{
	RETRY_NEVER, /* the next would fail in the same way */
	RETRY_ONCE,	 /* most likely so, but it costs little to see */
	RETRY_OFTEN, /* it may pass */
	RETRY_LATER	 /* it passes with time alone: Crisp was asked too often */
} RetryChance;

/* The attempts of one request so far.  Zeroed at its start. */
typedef struct RetryState
{
	int	  attempts;	   /* made */
	int64 backoff_ms;  /* spent between them, or about to be */
	bool  had_its_one; /* RETRY_ONCE was made use of */
} RetryState;

/*
 * Return the chance that an attempt which ended in this way gives the next one.  repeatable: the
 * request may be made twice without harm, as every GET.  One that isn't gets another attempt only
 * when this one can't have been acted on.  A success has RETRY_NEVER.  Raises nothing.
 */
extern RetryChance retry_chance(const HttpResponse *response, bool repeatable);

/*
 * Say whether an attempt that ended in this way, which is no success, may have been acted on all
 * the same.  Raises nothing.
 */
extern bool retry_may_have_acted(const HttpResponse *response);

/*
 * Return how long to wait before the next attempt, in milliseconds, or -1 for no more attempts: by
 * the options max_retries, retry_delay and retry_budget, and what the server asked for
 * (retry_after_s seconds, 0 when it didn't).  Take note of it in state.
 */
extern int64 retry_delay(const CrispOptions *options, RetryState *state, RetryChance chance,
						 int64 retry_after_s);

/* Return a random part of so many milliseconds, so that many don't come back at once. */
extern int64 retry_jitter(int64 longest_ms);

#endif /* CRISP_RETRY_H */
