/*-------------------------------------------------------------------------
 *
 * api_call.c
 *		Make a request to Crisp, attempt by attempt.
 *
 * http.c says how a transfer ended; here that becomes an answer that is there to be taken, or
 * another attempt.
 *
 * Calls are under way together, and nobody waits for more than one of them at a
 * time.  All that are not settled are kept in a list, so that whoever waits
 * also looks after the others: what failed there is asked for again when its
 * time has come, and not only when somebody gets to want it.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "portability/instr_time.h"
#include "utils/memutils.h"

#include "api/api_attempt.h"
#include "api/api_call.h"
#include "api/quota.h"
#include "api/retry_notice.h"

int api_max_requests = 0;

/* All calls of this process, whatever statement they belong to. */
static dlist_head calls = DLIST_STATIC_INIT(calls);

/* The statement that requests are counted for, by its start, and how many it made. */
static TimestampTz statement_start = 0;
static int64	   statement_requests = 0;

/* The call whose socket somebody waits for elsewhere, and since when; NULL when nobody does. */
static const ApiCall *waited_for = NULL;
static instr_time	  waited_since;

/*----------
 * Counting
 *----------
 */

/*
 * Return the requests of a statement, with those of what it runs itself, in functions or cursors.
 */
int64
api_statement_requests(void)
{
	if (statement_start != GetCurrentStatementStartTimestamp())
	{
		statement_start = GetCurrentStatementStartTimestamp();
		statement_requests = 0;
	}
	return statement_requests;
}

int64
api_requests_left(const CrispOptions *options)
{
	int64 left = quota_left(options);

	if (api_max_requests > 0)
		left = Min(left, api_max_requests - api_statement_requests());
	return Max(left, 0);
}

/*
 * Say whether the statement, and the day, leave a call another request.
 */
static bool
may_request(const ApiCall *call)
{
	return api_requests_left(call->options) > 0;
}

bool
api_can_spare(const CrispOptions *options)
{
	return api_max_requests == 0 ||
		   api_max_requests - api_statement_requests() > 2 * (int64) options->prefetch;
}

static void
count_request(ApiCall *call)
{
	ApiCounts *counts = call->options->counts;
	bool	   is_retry = call->retries.attempts > 0;

	/* An attempt that could not even be started may still have been counted. */
	call_count_outcome(call, USAGE_ABANDONED);
	call->uncounted = true;

	(void) api_statement_requests();
	statement_requests++;
	quota_count(call->options);
	counts->requests++;
	call->usage->counts.requests++;
	if (is_retry)
	{
		counts->retries++;
		call->usage->counts.retries++;
	}
	call->retries.attempts++;
}

/*----------
 * Attempts
 *----------
 */

/*
 * Forget a call (the reset callback of its context).
 */
static void
forget_call(void *arg)
{
	ApiCall *call = arg;

	dlist_delete(&call->node);
	call_count_outcome(call, USAGE_ABANDONED);
	if (waited_for == call)
		waited_for = NULL;
}

static void judge_transfer(ApiCall *call);

/*
 * Judge all transfers that have ended, of whatever pool: there may be some that ended while others
 * waited, and whoever waits for them in another way than by asking would do so in vain.
 */
static void
judge_transfers(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &calls)
	{
		ApiCall *call = dlist_container(ApiCall, node, iter.cur);

		if (call->state == CALL_SENT && http_complete(call->transfer))
			judge_transfer(call);
	}
}

/*
 * Send the request.
 */
static void
send_request(ApiCall *call)
{
	const CrispOptions *options = call->options;
	const ApiChange	   *asked = &call->request;
	char			   *url = psprintf("%s/%s", options->base_url, asked->target);
	char			   *tier = psprintf("X-Crisp-Tier: %s", options->tier);
	const char		   *type = asked->body ? "Content-Type: application/json" : NULL;
	const char *const	headers[] = {"Accept: application/json", tier, type, NULL};
	HttpRequest			request = {
				.method = asked->method,
				.url = url,
				.body = asked->body,
				.body_length = asked->body_length,
				.repeatable = asked->repeatable,
				.username = options->identifier,
				.password = options->key,
				.headers = headers,
				.ca_file = options->sslrootcert,
				.connect_timeout_ms = options->connect_timeout_ms,
				.timeout_ms = options->request_timeout_ms,
				.low_speed_limit = options->low_speed_limit,
				.low_speed_time_ms = options->low_speed_time_ms,
				.max_response_bytes = options->max_response_bytes,
	};

	ereport(DEBUG1, (errmsg_internal("crisp_fdw: %s %s", asked->method, asked->target)));

	/* Counted first: should an error be raised, the request may have been sent. */
	count_request(call);
	call->transfer = http_start(call->pool, &request, call->context);
	call->state = CALL_SENT;
	pfree(url);
	pfree(tier);
	judge_transfers();
}

/*
 * Return until when, by http_clock(), Crisp wants to be left alone, having said so to a call of
 * this pool; 0 when it has not.
 */
static int64
held_back_until(const HttpPool *pool)
{
	int64	   until = 0;
	dlist_iter iter;

	dlist_foreach(iter, &calls)
	{
		const ApiCall *call = dlist_container(ApiCall, node, iter.cur);

		if (call->pool == pool && call->state == CALL_DELAYED && call->holds_back)
			until = Max(until, call->due);
	}
	return until;
}

/*
 * Make the next attempt of a delayed call if it's time to, and the statement may make more
 * requests.  Return whether the call has got on.
 */
static bool
start_when_due(ApiCall *call)
{
	int64 now = http_clock();

	if (call->due <= now && !call->holds_back)
	{
		int64 until = held_back_until(call->pool);

		if (until > now)
			call->due = until + retry_jitter(call->options->retry_delay_ms);
	}
	if (call->due > now)
	{
		http_wake_at(call->pool, call->due);
		return false;
	}

	call->holds_back = false;
	if (may_request(call))
		send_request(call);
	else
		call->state = CALL_REFUSED;
	return true;
}

/*
 * Have a failed attempt made again, if that is worthwhile and allowed.  Return whether there will
 * be another.
 */
static bool
try_again(ApiCall *call, RetryChance chance)
{
	int64		  retry_after_s = http_response(call->transfer)->retry_after_s;
	RetryState	  retries = call->retries;
	int64		  delay = retry_delay(call->options, &retries, chance, retry_after_s);
	MemoryContext scratch;
	MemoryContext old_context;
	ApiError	  error;

	if (delay < 0)
		return false;

	/*
	 * What may raise comes first: it may do so in a statement that has nothing to do with the call.
	 */
	scratch = AllocSetContextCreate(call->context, "crisp_fdw failure", ALLOCSET_SMALL_SIZES);
	old_context = MemoryContextSwitchTo(scratch);
	call_describe_failure(call, &error);
	call_remember_failure(call, &error);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(scratch);

	/* The answer to an attempt that is over is no more use: none shall pile up. */
	call->retries = retries;
	call_drop_answer(call);
	http_end(call->transfer);
	call->transfer = NULL;
	call->state = CALL_DELAYED;
	call->due = http_clock() + delay;
	call->holds_back = retry_after_s > 0 || chance == RETRY_LATER;
	http_wake_at(call->pool, call->due);
	return true;
}

/*
 * Settle the call of a transfer that has ended, or have another attempt made.
 */
static void
judge_transfer(ApiCall *call)
{
	const HttpResponse *response = http_response(call->transfer);
	int64				bytes = response->wire_bytes;
	bool				again = false;

	if (!call_is_success(call))
	{
		call->may_have_acted |= retry_may_have_acted(response);
		again = try_again(call, retry_chance(response, call->request.repeatable));
	}
	if (!again)
		call->state = CALL_SETTLED;
	call->options->counts->bytes += bytes;
	call->usage->counts.bytes += bytes;
}

/*
 * Let all calls of a pool go on as far as they can without waiting.
 */
static void
progress(HttpPool *pool)
{
	bool again = true;

	while (again)
	{
		dlist_mutable_iter iter;

		http_progress(pool);
		again = false;
		dlist_foreach_modify(iter, &calls)
		{
			ApiCall *call = dlist_container(ApiCall, node, iter.cur);

			if (call->pool != pool)
				continue;
			if (call->state == CALL_DELAYED)
				again |= start_when_due(call);
			else if (call->state == CALL_SENT && http_complete(call->transfer))
			{
				judge_transfer(call);
				again = true;
			}
		}
	}
}

/*----------
 * Calls
 *----------
 */

/*
 * Admit what an earlier statement might not ask for, and this one may: a cursor's next page.
 */
static void
admit(ApiCall *call)
{
	if (call->state == CALL_REFUSED && may_request(call))
	{
		call->state = CALL_DELAYED;
		(void) start_when_due(call);
	}
}

/*
 * Admit the same for all calls of a scan, which go before any that it starts now: it will want them
 * first.
 */
static void
admit_earlier(const CrispOptions *options)
{
	dlist_iter iter;

	dlist_foreach(iter, &calls)
	{
		ApiCall *call = dlist_container(ApiCall, node, iter.cur);

		if (call->options == options)
			admit(call);
	}
}

ApiCall *
api_start_change(const CrispOptions *options, const ApiChange *change, MemoryContext owner)
{
	MemoryContext context = AllocSetContextCreate(owner, "crisp_fdw call", ALLOCSET_SMALL_SIZES);
	ApiCall		 *call = MemoryContextAllocZero(context, sizeof(ApiCall));

	call->options = options;
	call->request = *change;
	call->owner = owner;
	call->context = context;
	call->pool = http_pool(options->server_id, options->user_mapping_id, options->credentials_hash,
						   context);
	call->usage = usage_of_server(options->server_id, options->server_name);
	call->state = CALL_DELAYED;
	call->started_at = call->due = http_clock();

	admit_earlier(options);
	dlist_push_tail(&calls, &call->node);
	call->callback.func = forget_call;
	call->callback.arg = call;
	MemoryContextRegisterResetCallback(context, &call->callback);

	/* Sending lets other calls receive, too: no one would wake those who wait for them. */
	(void) start_when_due(call);
	progress(call->pool);
	return call;
}

ApiCall *
api_start(const CrispOptions *options, const char *target, MemoryContext owner)
{
	ApiChange request = {.method = "GET", .target = target, .repeatable = true};

	return api_start_change(options, &request, owner);
}

bool
api_may_have_acted(const ApiCall *call)
{
	return call->may_have_acted || call->state == CALL_SENT || call->state == CALL_SETTLED;
}

/*
 * Count the time since start as spent waiting for a call.
 */
static void
count_wait(ApiCall *call, instr_time start)
{
	instr_time waited;

	INSTR_TIME_SET_CURRENT(waited);
	INSTR_TIME_SUBTRACT(waited, start);
	call->options->counts->wait_ms += INSTR_TIME_GET_MILLISEC(waited);
	call->usage->counts.wait_ms += INSTR_TIME_GET_MILLISEC(waited);
}

/*
 * Let a call go on as far as it can without waiting.  Return whether it is settled, or refused.
 */
static bool
get_on(ApiCall *call)
{
	if (waited_for != NULL)
		count_wait(call, waited_since);
	waited_for = NULL;

	admit(call);
	if (call->state == CALL_DELAYED || call->state == CALL_SENT)
		progress(call->pool);
	return api_is_ready(call);
}

/*
 * Get a call on, and leave parsing to when the answer is wanted: before, as text, it takes a
 * fraction of the memory.  An answer that was cut although its transfer was whole, as servers
 * behind others do when they fail, may come whole the next time.
 */
bool
api_get_ready(ApiCall *call)
{
	if (!get_on(call) || call->state == CALL_REFUSED)
		return call->state == CALL_REFUSED;

	if (http_response(call->transfer)->outcome == HTTP_ANSWERED && !call->parsed)
	{
		call_parse_answer(call);
		if (call_is_cut(call) && call->request.repeatable)
			return !try_again(call, RETRY_ONCE);
	}
	return true;
}

bool
api_is_ready(const ApiCall *call)
{
	return call->state == CALL_SETTLED || call->state == CALL_REFUSED;
}

/*
 * Tell the client where a call that somebody is about to wait for takes long, since it's made
 * again.
 */
static void
tell_of_wait(const ApiCall *call)
{
	int64 now = http_clock();

	if (call->state == CALL_DELAYED)
		retry_notice(call->options, now - call->started_at, call->due - now,
					 call->usage->error.text);
}

pgsocket
api_socket(const ApiCall *call)
{
	tell_of_wait(call);
	waited_for = call;
	INSTR_TIME_SET_CURRENT(waited_since);
	return http_pool_socket(call->pool);
}

ApiPeek
api_peek(const ApiCall *call)
{
	if (call->state != CALL_SETTLED)
		return API_SAYS_NOTHING;
	if (http_response(call->transfer)->outcome == HTTP_ANSWERED &&
		http_response(call->transfer)->status == 404)
		return API_SAYS_PAST_END;
	if (!call_is_success(call))
		return API_SAYS_NOTHING;
	return http_response(call->transfer)->status == STATUS_MORE ? API_SAYS_MORE : API_SAYS_END;
}

/*
 * Wait for whatever a call that is wanted needs next, having told the client where that takes long.
 */
static void
wait_for(const ApiCall *call, bool idle)
{
	tell_of_wait(call);
	http_wait(call->pool, idle);
}

/*
 * Wait until a call is what is_there() looks for.
 */
static void
wait_until(ApiCall *call, bool (*is_there)(ApiCall *call))
{
	while (!is_there(call))
	{
		instr_time start;

		INSTR_TIME_SET_CURRENT(start);
		wait_for(call, call->state == CALL_DELAYED);
		count_wait(call, start);
	}
}

void
api_wait(ApiCall *call)
{
	wait_until(call, get_on);
}

int
api_wait_any(ApiCall *const *wanted, int count)
{
	ApiCall *first = wanted[0];

	while (!get_on(first))
	{
		instr_time start;

		for (int i = 1; i < count; i++)
			if (api_peek(wanted[i]) != API_SAYS_NOTHING)
				return i;
		INSTR_TIME_SET_CURRENT(start);
		wait_for(first, first->state == CALL_DELAYED);
		count_wait(first, start);
	}
	return 0;
}

int
api_wait_settled(ApiCall *const *wanted, int count)
{
	(void) get_on(wanted[0]);
	for (;;)
	{
		bool	   delayed = true;
		instr_time start;

		for (int i = 0; i < count; i++)
		{
			if (api_is_ready(wanted[i]))
				return i;
			delayed &= wanted[i]->state == CALL_DELAYED;
		}
		INSTR_TIME_SET_CURRENT(start);
		wait_for(wanted[0], delayed);
		count_wait(wanted[0], start);
		progress(wanted[0]->pool);
	}
}

void
api_wait_ready(ApiCall *call)
{
	wait_until(call, api_get_ready);
}
