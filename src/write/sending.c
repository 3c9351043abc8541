/*-------------------------------------------------------------------------
 *
 * sending.c
 *		Send one change, to either of two places where Crisp may take a null.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/server_facts.h"
#include "write/sending.h"

/*
 * Return the name under which a session remembers at which of two places Crisp takes a null.
 */
static char *
null_fact(const ChangeRequest *request)
{
	return psprintf("takes null for %s%s", request->doubtful->null_path,
					request->nrows > 0 ? " of several rows" : "");
}

bool
sending_is_sure(const ChangeTable *table, const ChangeRequest *request)
{
	return request->doubtful == NULL ||
		   server_fact_recall(table->options, null_fact(request)) != FACT_UNKNOWN;
}

/*
 * Start the request with the body that it's at.
 */
static void
start_body(Sending *sending)
{
	ApiChange change = sending->request->api;

	if (sending->other)
	{
		change.body = sending->request->other_body;
		change.body_length = sending->request->other_body_length;
	}
	sending->call = NULL;
	sending->call = api_start_change(sending->table->options, &change, sending->owner);
}

void
sending_start(Sending *sending, const ChangeTable *table, const ChangeRequest *request,
			  MemoryContext owner)
{
	sending->table = table;
	sending->request = request;
	sending->owner = owner;
	sending->again = false;
	sending->other = request->doubtful != NULL &&
					 server_fact_recall(table->options, null_fact(request)) == FACT_TRUE;
	start_body(sending);
}

/*
 * Make one error of two: Crisp takes a null in neither of two places.
 */
static void
describe_untaken_null(const Sending *sending, ApiError *second)
{
	const CrispField *field = sending->request->doubtful;
	const char		 *path = sending->other ? field->null_path : field->body_path;
	const char		 *first_path = sending->other ? field->body_path : field->null_path;

	second->code = ERRCODE_FDW_ERROR;
	second->message = psprintf("Crisp does not take a NULL for column \"%s\"",
							   change_column_name(sending->table, field->column));
	second->detail = psprintf("With a null for \"%s\": %s\nWith a null for \"%s\": %s", first_path,
							  sending->first.error.detail, path, second->detail);
	second->hint = "Write another value, or make this change in Crisp itself.";
}

/*
 * Take what the second of two places has brought.
 */
static void
conclude_second(Sending *sending, bool done, ApiFailure *failure)
{
	if (done)
		return;
	failure->may_have_acted |= sending->first.may_have_acted;
	/* A quota that is spent by now is another matter. */
	if (failure->unfit && failure->error.outcome != USAGE_RATE_LIMITED)
		describe_untaken_null(sending, &failure->error);
}

bool
sending_take(Sending *sending, bool *done, ApiAnswer *answer, ApiFailure *failure)
{
	MemoryContext old_context;

	*done = api_try_finish(sending->call, API_NOTHING, answer, failure);
	sending->call = NULL;
	if (*done && sending->request->doubtful != NULL)
		server_fact_remember(sending->table->options, null_fact(sending->request), sending->other);
	if (sending->again)
		conclude_second(sending, *done, failure);
	else if (!*done && failure->unfit && sending->request->doubtful != NULL)
	{
		sending->again = true;
		sending->other = !sending->other;
		sending->first.may_have_acted = failure->may_have_acted;
		old_context = MemoryContextSwitchTo(sending->owner);
		sending->first.error.detail = pstrdup(failure->error.detail);
		MemoryContextSwitchTo(old_context);
		start_body(sending);
		return false;
	}
	return true;
}

bool
sending_may_have_acted(const Sending *sending)
{
	return sending->call == NULL || api_may_have_acted(sending->call) ||
		   (sending->again && sending->first.may_have_acted);
}
