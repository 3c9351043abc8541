/*-------------------------------------------------------------------------
 *
 * api_answer.c
 *		Take Crisp's answers.
 *
 * What a call has brought becomes either the data of Crisp's envelope {"error": …, "reason": …,
 * "data": …}, or an error.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "api/api_answer.h"
#include "api/api_attempt.h"
#include "api/quota.h"
#include "api/server_facts.h"

/* Status of an answer that refuses what something else has already. */
#define STATUS_CONFLICT 409

/*
 * Make the error that says that the statement, or the day, leaves no more requests.
 */
static void
describe_refusal(const ApiCall *call, ApiError *error)
{
	if (quota_left(call->options) == 0)
	{
		api_error_of_day(error, call->options, call->request.method, call->request.target);
		return;
	}
	api_error_of_limit(error, call->request.method, call->request.target,
					   call->retries.attempts + 1, api_max_requests);
}

/*
 * Take a settled call's answer apart.  Return false, with the error filled in, for anything but a
 * well-formed success.
 */
static bool
read_answer(ApiCall *call, ApiData wanted, ApiAnswer *answer, ApiError *error)
{
	const HttpResponse *response = http_response(call->transfer);
	const char		   *problem;

	if (!call_is_success(call) || call->problem != NULL || api_error_is_admitted(call->envelope))
	{
		call_describe_failure(call, error);
		return false;
	}
	problem = api_error_in_data(call->envelope, wanted);
	if (problem != NULL)
	{
		api_error_of_body(error, call->options, call->request.method, call->request.target,
						  response, problem);
		return false;
	}

	call_keep_answer(call);
	answer->data = json_node_member(call->envelope, "data");
	answer->more = response->status == STATUS_MORE;
	answer->date = response->date;
	if (answer->date > 0)
		server_fact_note_clock(call->options, answer->date);
	return true;
}

/*
 * Count how a call has failed, and complete its error by what is known of the attempts.
 */
static void
conclude_failure(ApiCall *call, ApiError *error)
{
	call_remember_failure(call, error);
	usage_publish();
	if (error->outcome == USAGE_RATE_LIMITED)
		error->hint = psprintf("%s Requests made by this statement: " INT64_FORMAT ".", error->hint,
							   api_statement_requests());
	api_error_add_attempts(error, call->retries.attempts, http_clock() - call->started_at);
}

/*
 * Count an answer that was as it should be, with so many rows, and let the call go.
 */
static void
release_call(ApiCall *call, int64 rows)
{
	call_count_outcome(call, USAGE_ANSWERED);
	call->usage->counts.rows += rows;
	usage_publish();
	MemoryContextDelete(call->context);
}

/*
 * Take the answer of a call that has ended, or raise its error.
 */
static void
take_answer(ApiCall *call, ApiData wanted, ApiAnswer *answer)
{
	ApiError error;

	if (call->state == CALL_REFUSED)
	{
		usage_publish();
		describe_refusal(call, &error);
		api_error_raise(&error, call->options);
	}
	if (!read_answer(call, wanted, answer, &error))
	{
		conclude_failure(call, &error);
		api_error_raise(&error, call->options);
	}
}

/* Return how many rows data of some kind is. */
static int64
count_rows(ApiData kind, const JsonNode *data)
{
	if (kind == API_OBJECT || (kind == API_ROWS && json_node_kind(data) == JSON_NODE_OBJECT))
		return 1;
	return (int64) json_node_length(data);
}

void
api_finish(ApiCall *call, ApiData wanted, ApiAnswer *answer)
{
	api_wait_ready(call);
	take_answer(call, wanted, answer);
	release_call(call, count_rows(wanted, answer->data));
}

/*
 * Say whether a call has brought that there is nothing by the key that it was for.
 */
static bool
says_absent(const ApiCall *call, ApiKey key)
{
	const HttpResponse *response = http_response(call->transfer);

	switch (key)
	{
		case API_KEY_GIVEN:
			return api_error_is_absence(response, call->envelope);
		case API_KEY_TOLD:
			return response->status == 404 && api_error_is_absence(response, call->envelope);
		case API_PAGE:
			return api_error_is_past_end(response, call->envelope);
		case API_ORDER:
			return response->outcome == HTTP_ANSWERED && response->status == 400;
	}
	return false;
}

/*
 * Say whether a call has brought that what it sent may be what Crisp doesn't take.
 */
static bool
says_unfit(const ApiCall *call)
{
	const HttpResponse *response = http_response(call->transfer);

	return response->outcome == HTTP_ANSWERED &&
		   (response->status == 400 || response->status == 422);
}

bool
api_finish_lookup(ApiCall *call, ApiData wanted, ApiKey key, ApiAnswer *answer)
{
	bool found;

	api_wait_ready(call);
	found = call->state == CALL_REFUSED || !says_absent(call, key);
	if (found)
		take_answer(call, wanted, answer);
	release_call(call, found ? count_rows(wanted, answer->data) : 0);
	return found;
}

bool
api_try_finish(ApiCall *call, ApiData wanted, ApiAnswer *answer, ApiFailure *failure)
{
	api_wait_ready(call);
	memset(failure, 0, sizeof(*failure));
	if (call->state == CALL_REFUSED)
		describe_refusal(call, &failure->error);
	else if (read_answer(call, wanted, answer, &failure->error))
	{
		release_call(call, wanted == API_NOTHING ? 0 : count_rows(wanted, answer->data));
		return true;
	}
	else
	{
		conclude_failure(call, &failure->error);
		failure->absent = says_absent(call, API_KEY_TOLD);
		failure->unfit = says_unfit(call);
		if (http_response(call->transfer)->outcome == HTTP_ANSWERED)
			failure->status = http_response(call->transfer)->status;
		failure->conflicts = failure->status == STATUS_CONFLICT;
		call->may_have_acted |= call_is_success(call);
	}
	failure->may_have_acted = call->may_have_acted;
	failure->attempts = call->retries.attempts;
	MemoryContextDelete(call->context);
	return false;
}

void
api_log_skipped(const CrispOptions *options, const char *target, size_t element)
{
	ereport(LOG, (errmsg("skipped elements of a Crisp list that are no rows, server \"%s\"",
						 options->server_name),
				  errdetail("GET %s: first at element %zu.", target, element)));
}
