/*-------------------------------------------------------------------------
 *
 * api_attempt.c
 *		Look at what the latest attempt of a call has brought.
 *
 * An answer is parsed once, in a memory context of its own, which goes with an attempt that failed.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "api/api_attempt.h"

void
call_count_outcome(ApiCall *call, UsageOutcome outcome)
{
	if (call->uncounted)
		call->usage->counts.outcomes[outcome]++;
	call->uncounted = false;
}

bool
call_is_get(const ApiCall *call)
{
	return strcmp(call->request.method, "GET") == 0;
}

bool
call_is_success(const ApiCall *call)
{
	const HttpResponse *response = http_response(call->transfer);

	if (response->outcome != HTTP_ANSWERED)
		return false;
	if (call_is_get(call))
		return response->status == 200 || response->status == STATUS_MORE;
	return response->status >= 200 && response->status <= 299;
}

/*
 * Say whether a refusal has a body that begins as those of Crisp do.
 */
static bool
is_refusal_of_crisps(const HttpResponse *response)
{
	return (response->status == 400 || response->status == 404) &&
		   response->body[strspn(response->body, " \t\r\n")] == '{';
}

bool
call_is_cut(const ApiCall *call)
{
	return call->outcome == JSON_CUT &&
		   (call_is_success(call) || is_refusal_of_crisps(http_response(call->transfer)));
}

void
call_drop_answer(ApiCall *call)
{
	MemoryContext answer = call->answer;

	call->parsed = false;
	call->answer = NULL;
	call->envelope = NULL;
	call->problem = NULL;
	if (answer != NULL)
		MemoryContextDelete(answer);
}

void
call_parse_answer(ApiCall *call)
{
	const HttpResponse *response = http_response(call->transfer);
	MemoryContext		old_context;
	char			   *problem;

	/* There may be a part of it, where an error has ended this before. */
	call_drop_answer(call);
	call->answer = AllocSetContextCreate(call->context, "crisp_fdw answer",
										 ALLOCSET_START_SMALL_SIZES);
	old_context = MemoryContextSwitchTo(call->answer);
	call->outcome = json_parse_in_place(
		call->answer, unconstify(char *, response->body), response->body_length,
		JSON_NODE_BYTES(call->options->max_response_bytes), &call->envelope, &problem);
	if (call->outcome == JSON_PARSED)
		http_keep_body(call->transfer, call->answer);
	call->problem = problem;
	call->parsed = true;
	MemoryContextSwitchTo(old_context);
}

void
call_keep_answer(ApiCall *call)
{
	if (call->answer != NULL)
		MemoryContextSetParent(call->answer, call->owner);
	call->answer = NULL;
}

void
call_describe_failure(ApiCall *call, ApiError *error)
{
	const CrispOptions *options = call->options;
	const char		   *method = call->request.method;
	const char		   *target = call->request.target;
	const HttpResponse *response = http_response(call->transfer);

	if (response->outcome != HTTP_ANSWERED)
	{
		api_error_of_transfer(error, options, method, target, response);
		return;
	}
	if (!call->parsed)
		call_parse_answer(call);
	if (call_is_success(call) && call->outcome == JSON_TOO_LARGE)
		api_error_of_size(error, options, method, target, call->problem);
	else if ((call_is_success(call) && call->problem != NULL) || call_is_cut(call))
		api_error_of_body(error, options, method, target, response,
						  psprintf("It is not JSON: %s.", call->problem));
	else if (!call_is_success(call) && response->status / 100 == 2)
		api_error_of_body(error, options, method, target, response,
						  "200 or 206 was to be expected.");
	else
		api_error_of_status(error, options, method, target, response, call->envelope);
}

void
call_remember_failure(ApiCall *call, const ApiError *error)
{
	call_count_outcome(call, error->outcome);
	usage_set_error(call->usage, psprintf("%s: %s", error->message, error->detail));
}
