/*-------------------------------------------------------------------------
 *
 * retry.c
 *		Whether a request that failed is made again, and when.
 *
 * Exponential backoff with full jitter: before the n-th retry, any time up to
 * retry_delay * 2^(n-1) is as likely as any other.  Who has been turned away
 * together with others does not come back together with them.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#if PG_VERSION_NUM >= 150000
#include "common/pg_prng.h"
#endif

#include "retry.h"

/* Doubling ends here, however many retries there are. */
#define LONGEST_DELAY_MS 30000

/*
 * The chance that a status gives.  420 and 429 say that nothing was done
 * [doc], while after any 5xx something may have been.
 */
static RetryChance
status_chance(int status, bool repeatable)
{
	if (status == 420 || status == 429)
		return RETRY_OFTEN;
	return status >= 500 && status <= 599 && repeatable ? RETRY_OFTEN : RETRY_NEVER;
}

RetryChance
retry_chance(const HttpResponse *response, bool repeatable)
{
	switch (response->outcome)
	{
		case HTTP_CANNOT_RESOLVE:
		case HTTP_CANNOT_CONNECT:
		case HTTP_TLS_FAILED:
			return RETRY_OFTEN;

		case HTTP_TIMED_OUT:
		case HTTP_BROKEN:
			return repeatable ? RETRY_OFTEN : RETRY_NEVER;

		case HTTP_GARBLED:
			return repeatable ? RETRY_ONCE : RETRY_NEVER;

		case HTTP_ANSWERED:
			return status_chance(response->status, repeatable);

		case HTTP_TLS_UNTRUSTED:
		case HTTP_TOO_LARGE:
		case HTTP_FAILED:
			break;
	}
	return RETRY_NEVER;
}

/*
 * What has arrived, and did not come back with a refusal, may have been acted on.  Statuses
 * from 300 to 499 are refusals; a success whose body is not to be used is none.
 */
bool
retry_may_have_acted(const HttpResponse *response)
{
	switch (response->outcome)
	{
		case HTTP_CANNOT_RESOLVE:
		case HTTP_CANNOT_CONNECT:
		case HTTP_TLS_FAILED:
		case HTTP_TLS_UNTRUSTED:
			return false;

		case HTTP_ANSWERED:
			return response->status < 300 || response->status > 499;

		case HTTP_TIMED_OUT:
		case HTTP_BROKEN:
		case HTTP_GARBLED:
		case HTTP_TOO_LARGE:
		case HTTP_FAILED:
			break;
	}
	return true;
}

int64
retry_jitter(int64 longest_ms)
{
#if PG_VERSION_NUM >= 150000
	double part = pg_prng_double(&pg_global_prng_state);
#else
	double part = (double) random() / ((double) MAX_RANDOM_VALUE + 1);
#endif

	return (int64) (part * (double) (longest_ms + 1));
}

/*
 * The longest wait before a retry, the first being number 1.
 */
static int64
longest_delay(const CrispOptions *options, int retry)
{
	int64 delay = options->retry_delay_ms;

	while (--retry > 0 && delay < LONGEST_DELAY_MS)
		delay *= 2;
	return Max(Min(delay, LONGEST_DELAY_MS), options->retry_delay_ms);
}

int64
retry_delay(const CrispOptions *options, RetryState *state, RetryChance chance, int64 retry_after_s)
{
	int64 left = options->retry_budget_ms - state->backoff_ms;
	int64 delay;

	if (chance == RETRY_NEVER || (chance == RETRY_ONCE && state->had_its_one) ||
		state->attempts > options->max_retries || left <= 0)
		return -1;

	/* What the server asks for is obeyed, or there is no next attempt. */
	if (retry_after_s > left / 1000)
		return -1;
	if (retry_after_s > 0)
		delay = retry_after_s * 1000 + retry_jitter(options->retry_delay_ms);
	else
		delay = retry_jitter(longest_delay(options, state->attempts));
	delay = Min(delay, left);

	if (chance == RETRY_ONCE)
		state->had_its_one = true;
	state->backoff_ms += delay;
	return delay;
}
