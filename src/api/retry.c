/*-------------------------------------------------------------------------
 *
 * retry.c
 *		Decide whether a request that failed is made again, and when.
 *
 * Exponential backoff with full jitter: before the n-th retry, any time up to retry_delay * 2^(n-1)
 * is as likely as any other.  Who has been turned away together with others does not come back
 * together with them.  Where Crisp was asked too often, and doesn't say when to come back, it takes
 * longer.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"

#include "api/retry.h"

/* Doubling ends here, however many retries there are. */
#define LONGEST_DELAY_MS 30000

/*
 * How many times as long as after another failure it's waited for a quota, as users of the API do.
 */
#define LATER_FACTOR 5

/*
 * Say whether a status says that Crisp was asked too often, or the quota is spent: 420 and 429
 * [doc], 422 and 423 [seen].  Nothing was done then.
 */
static bool
is_asked_too_often(int status)
{
	return status == 420 || status == 422 || status == 423 || status == 429;
}

/*
 * Say whether a status says that the server couldn't, or didn't wait for all of the request.
 * Something may have been done all the same.
 */
static bool
is_failure_of_server(int status)
{
	return status == 408 || (status >= 500 && status <= 599);
}

static RetryChance
status_chance(int status, bool repeatable)
{
	if (is_asked_too_often(status))
		return RETRY_LATER;
	return is_failure_of_server(status) && repeatable ? RETRY_OFTEN : RETRY_NEVER;
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
 * Take what has arrived, and did not come back with a refusal, for perhaps acted on.  Statuses from
 * 300 to 499 are refusals, but for 408; a success whose body is not to be used is none.  What was
 * refused may have been acted on when libcurl sent it before.
 */
bool
retry_may_have_acted(const HttpResponse *response)
{
	if (response->was_repeated)
		return true;
	switch (response->outcome)
	{
		case HTTP_CANNOT_RESOLVE:
		case HTTP_CANNOT_CONNECT:
		case HTTP_TLS_FAILED:
		case HTTP_TLS_UNTRUSTED:
			return false;

		case HTTP_ANSWERED:
			return response->status < 300 || response->status > 499 ||
				   is_failure_of_server(response->status);

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
	double part = pg_prng_double(&pg_global_prng_state);

	return (int64) (part * (double) (longest_ms + 1));
}

/*
 * Return the longest wait before a retry, the first being number 1, where the first one is so long.
 */
static int64
longest_delay(int64 first_ms, int retry)
{
	int64 delay = first_ms;

	while (--retry > 0 && delay < LONGEST_DELAY_MS)
		delay *= 2;
	return Max(Min(delay, LONGEST_DELAY_MS), first_ms);
}

/*
 * Return how long to wait where the server doesn't say.  Who asked too often waits for at least
 * half of the longest time: to come back at once would spend a request on another refusal.
 */
static int64
own_delay(const CrispOptions *options, int retry, RetryChance chance)
{
	int64 longest;

	if (chance != RETRY_LATER)
		return retry_jitter(longest_delay(options->retry_delay_ms, retry));
	longest = longest_delay((int64) options->retry_delay_ms * LATER_FACTOR, retry);
	return longest / 2 + retry_jitter(longest / 2);
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
		delay = own_delay(options, state->attempts, chance);
	delay = Min(delay, left);

	if (chance == RETRY_ONCE)
		state->had_its_one = true;
	state->backoff_ms += delay;
	return delay;
}
