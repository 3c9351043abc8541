/*-------------------------------------------------------------------------
 *
 * push_send.c
 *		Send rows of a push, and say what became of each.
 *
 * What is known of rows is written by who calls, in the same transaction.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "api/api_call.h"
#include "base/server_text.h"
#include "base/sqlstate.h"
#include "json/json_path.h"
#include "options/options.h"
#include "push/push_send.h"
#include "write/change_check.h"
#include "write/flights.h"

/* What became of a row; the words are those that SQL knows. */
static const char *const done = "done";		  /* Crisp has made the change */
static const char *const found = "found";	  /* an insert: Crisp had the row, and changed it */
static const char *const absent = "absent";	  /* Crisp doesn't have the row */
static const char *const empty = "empty";	  /* there was nothing to send */
static const char *const refused = "refused"; /* Crisp doesn't take the row, or it can't be sent */
static const char *const questioned = "questioned"; /* whether the row is to blame isn't sure */
static const char *const failed = "failed";			/* Crisp can't be asked now */
static const char *const unsure = "unsure";			/* likewise, and an insert may have been made */
static const char *const exhausted = "exhausted";	/* no request is left; nothing was sent */
static const char *const waits = "waits";			/* fewer requests are left than the row takes */
static const char *const there = "there"; /* likewise, but an insert told that Crisp has it */
static const char *const tired = "tired"; /* likewise, since attempts that failed took the last */

/*
 * Rows of the latest call, by their numbers, of which Crisp may have been told something, in
 * TopMemoryContext: who calls asks for them where the call has raised an error.
 */
static Bitmapset *begun;

const Bitmapset *
push_send_begun(void)
{
	return begun;
}

void
push_send_forget_begun(void)
{
	bms_free(begun);
	begun = NULL;
}

/*
 * Note that a row is about to be written.
 */
static void
note_begun(const PushedRow *row)
{
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

	begun = bms_add_member(begun, row->number);
	MemoryContextSwitchTo(caller);
}

/*----------
 * What became of a row
 *----------
 */

/*
 * Return an error's message with the server that it's of.
 */
static const char *
with_server(const Push *push, const ApiError *error)
{
	return psprintf("%s, server \"%s\"", error->message, push->rows.table->options->server_name);
}

/*
 * Take over why a request has failed, in one sentence for who looks at the row.
 */
static void
note_problem(PushedRow *row, const char *outcome, const ApiError *error)
{
	row->outcome = outcome;
	row->row.problem.code = error->code;
	row->row.problem.message = error->message;
	row->row.problem.detail = error->detail;
	row->row.problem.hint = error->hint;
}

/*
 * Say what a request that failed means for the row, and for the others.
 */
static const char *
judge(const ApiFailure *failure, CmdType operation)
{
	int status = failure->status;

	/* Of a change that may be made twice it doesn't matter whether it was made. */
	if (operation == CMD_INSERT && failure->may_have_acted)
		return unsure;
	if (failure->error.code == ERRCODE_CRISP_REQUEST_LIMIT)
		return failure->attempts > 0 ? tired : exhausted;
	if (failure->absent)
		return operation == CMD_INSERT ? refused : absent;
	if (status == 422 || status / 100 == 2)
		return questioned;
	if (status == 400 || failure->conflicts)
		return refused;
	/* What Crisp says to whoever asks, at whatever time, isn't about the row. */
	if (status / 100 == 4 && failure->error.outcome == USAGE_REFUSED && status != 401 &&
		status != 402 && status != 403 && status != 404)
		return refused;
	return failed;
}

/*
 * Note that Crisp has no such row.
 */
static void
note_absence(const Push *push, PushedRow *row)
{
	const CrispChanges *changes = push->rows.table->changes;
	ApiError			error = {0};

	error.code = changes->parent ? ERRCODE_FOREIGN_KEY_VIOLATION : ERRCODE_NO_DATA_FOUND;
	error.message = psprintf("there is no such %s at Crisp",
							 changes->parent ? changes->parent : changes->noun);
	note_problem(row, absent, &error);
}

/*
 * Put what a failure means into words that suit the row.
 */
static void
note_failure(const Push *push, PushedRow *row, const ApiFailure *failure)
{
	const CrispChanges *changes = push->rows.table->changes;
	ApiError			error = failure->error;

	if (failure->absent)
	{
		note_absence(push, row);
		row->outcome = judge(failure, push->rows.operation);
		row->row.problem.detail = failure->error.detail;
		return;
	}
	if (failure->conflicts && changes->conflict != NULL)
	{
		error.code = ERRCODE_UNIQUE_VIOLATION;
		error.message = psprintf("another %s with this \"%s\" exists at Crisp", changes->noun,
								 change_column_name(push->rows.table, changes->conflict));
		error.hint = NULL;
	}
	else
		error.message = with_server(push, &error);
	note_problem(row, judge(failure, push->rows.operation), &error);
}

/*----------
 * Sending
 *----------
 */

/*
 * Take over a problem of a row that was found before its requests were sent, or after.
 */
static void
judge_problem(PushedRow *row)
{
	int code = row->row.problem.code;

	if (code == ERRCODE_CRISP_REQUEST_LIMIT)
		row->outcome = exhausted;
	else if (code != 0)
		row->outcome = push_problem_is_of_row(&row->row.problem) ? refused : failed;
}

/*
 * Make a row's requests; where there are none, note why.
 */
static void
prepare(const Push *push, PushedRow *row)
{
	row->outcome = NULL;
	push_row_prepare(&push->rows, &row->row);
	judge_problem(row);
	if (row->outcome == NULL && row->row.requests == NIL)
		row->outcome = empty;
}

/*
 * Say whether a row's requests lack the name that routes know it by.
 */
static bool
lacks_name(const PushedRow *row)
{
	return row->outcome == NULL && row->row.requests != NIL &&
		   ((const ChangeRequest *) linitial(row->row.requests))->lacks_key;
}

/*
 * Begin no more rows than can be ended with the requests that are left; those that take more wait.
 * A first row for which they don't suffice may yet get a part of its way, which the next run goes
 * on from.
 */
static void
ration(const Push *push)
{
	int64 left = api_requests_left(push->rows.table->options);
	bool  is_first = true;

	for (int i = 0; i < push->count && left < INT64_MAX; i++)
	{
		PushedRow *row = &push->pushed[i];
		int64	   cost;

		if (row->outcome != NULL)
			continue;
		cost = push_row_cost(&push->rows, &row->row);
		if (left == 0)
			row->outcome = exhausted;
		else if (cost > left && (!is_first || push_row_is_indivisible(&push->rows, &row->row)))
		{
			row->outcome = waits;
			row->needs = (int) cost;
		}
		else
		{
			left = Max(left - cost, 0);
			is_first = false;
		}
	}
}

/*
 * Take the answer to the question for a row's name.
 */
static void
take_name(const Push *push, PushedRow *row, ApiCall *call)
{
	const CrispOptions *options = push->rows.table->options;
	ApiAnswer			answer;
	ApiFailure			failure;
	const char		   *name;
	size_t				length;

	if (!api_try_finish(call, API_OBJECT, &answer, &failure))
	{
		if (failure.absent || failure.status == 400)
			note_absence(push, row);
		else
		{
			failure.error.message = with_server(push, &failure.error);
			note_problem(row, judge(&failure, CMD_UPDATE), &failure.error);
		}
		return;
	}
	name = json_node_string(
		json_path_get(answer.data, json_path_of(push->rows.table->changes->other_key->path)),
		&length);
	if (name == NULL)
		note_absence(push, row);
	else
		push_row_set_name(&push->rows, &row->row,
						  pnstrdup(server_text(name, &length, options->invalid_text), length));
}

/*
 * Ask for the names that routes know rows by, of all rows that lack theirs, together.
 */
static void
find_names(const Push *push)
{
	const ChangeTable *table = push->rows.table;
	ApiCall			 **calls = palloc0(sizeof(ApiCall *) * Max(push->count, 1));
	int				   first = 0;

	for (int i = 0; i < push->count; i++)
	{
		const ChangeRequest *request;

		if (!lacks_name(&push->pushed[i]))
			continue;
		for (; first <= i - table->options->prefetch; first++)
			if (calls[first] != NULL)
				take_name(push, &push->pushed[first], calls[first]);
		request = linitial(push->pushed[i].row.requests);
		calls[i] = api_start(table->options,
							 change_target(table, table->changes->other_key->route, &request->keys),
							 CurrentMemoryContext);
	}
	for (; first < push->count; first++)
		if (calls[first] != NULL)
			take_name(push, &push->pushed[first], calls[first]);
}

/*
 * Ask for what else a row's requests lack.
 */
static void
complete(const Push *push, PushedRow *row)
{
	int64 requests = api_statement_requests();

	if (row->outcome != NULL)
		return;
	if (!push_row_complete(&push->rows, &row->row))
		note_absence(push, row);
	else if (row->row.problem.code != 0)
	{
		judge_problem(row);
		if (row->outcome == exhausted && api_statement_requests() > requests)
			row->outcome = tired;
	}
	else if (row->row.requests == NIL)
		row->outcome = done;
}

/*
 * Take what has become of a row that was under way.
 */
static void
take_result(const Push *push, Flights *flights)
{
	FlightResult result = flights_next(flights);
	PushedRow	*row = result.row;

	if (result.outcome == FLIGHT_DONE)
	{
		row->outcome = done;
		return;
	}
	note_failure(push, row, &result.failure);
	row->written = push_row_written(&push->rows, &row->row, result.before);
	row->perhaps = push_row_perhaps_written(&push->rows, &row->row, result.before,
											result.failure.may_have_acted ? result.request : NULL);
	if (result.before != NULL)
		row->row.problem.detail = psprintf("%s\nOf the same row, %s %s was carried out before.",
										   row->row.problem.detail, result.before->api.method,
										   result.before->api.target);
}

/*
 * Send rows of which nothing is lacking, as many at a time as the option prefetch allows.
 */
static void
fly(const Push *push)
{
	Flights *flights = flights_create(push->deliverer, CurrentMemoryContext);

	for (int i = 0; i < push->count; i++)
	{
		PushedRow *row = &push->pushed[i];

		if (row->outcome != NULL)
			continue;
		while (!flights_have_room(flights))
			take_result(push, flights);
		note_begun(row);
		flights_start(flights, row->row.requests, row, 1);
	}
	while (flights_count(flights) > 0)
		take_result(push, flights);
}

/*
 * Check what became of a row whose requests were carried out.
 */
static void
check(const Push *push, PushedRow *row)
{
	const ChangeRequest *last = row->row.requests ? llast(row->row.requests) : NULL;

	push_row_check(&push->rows, &row->row);
	if (row->row.problem.code == 0)
		return;
	row->outcome = refused;
	row->written = push_row_written(&push->rows, &row->row, last);
	row->perhaps = push_row_perhaps_written(&push->rows, &row->row, last, NULL);
}

static void send_together(const Push *push);

/*
 * Look once more for a row that Crisp doesn't have by the name that it had.  By another name it may
 * be a new one, which has nothing of what was pushed: then all of it is sent, if not now, by the
 * next run.
 */
static void
send_renamed(const Push *push, PushedRow *row)
{
	Push again = *push;

	row->was_named = false;
	row->anew = true;
	row->row.name = NULL;
	row->row.whole = true;
	again.pushed = row;
	again.count = 1;
	send_together(&again);
}

/*
 * Send rows whose changes may be made twice.
 */
static void
send_together(const Push *push)
{
	for (int i = 0; i < push->count; i++)
		prepare(push, &push->pushed[i]);
	ration(push);
	find_names(push);
	ration(push);
	for (int i = 0; i < push->count; i++)
		complete(push, &push->pushed[i]);
	fly(push);
	for (int i = 0; i < push->count; i++)
	{
		PushedRow *row = &push->pushed[i];

		if (row->outcome == done)
		{
			check(push, row);
		}
		else if (row->outcome == absent && row->was_named)
			send_renamed(push, row);
	}
}

/*
 * Send one request, and wait for its answer.  Return whether the change was made.
 */
static bool
send_one(const Push *push, const ChangeRequest *request, ApiFailure *failure)
{
	Sending	  sending = {0};
	ApiAnswer answer;
	bool	  made;

	deliverer_start(push->deliverer, &sending, request, CurrentMemoryContext);
	while (!deliverer_take(push->deliverer, &sending, &made, &answer, failure))
		continue;
	return made;
}

/*
 * Change a row which Crisp turned out to have when it was to be inserted.
 */
static void
change_found(const Push *push, PushedRow *row)
{
	Push change = *push;

	change.rows.operation = CMD_UPDATE;
	change.pushed = row;
	change.count = 1;
	row->row.whole = true;
	send_together(&change);
	if (row->outcome == done)
		row->outcome = found;
	else if (row->outcome == exhausted || row->outcome == tired || row->outcome == waits)
		row->outcome = there;
	else if (row->outcome == absent)
	{
		row->outcome = refused;
		row->row.problem.detail = psprintf("%s\nWhen it was to be inserted, Crisp had it.",
										   row->row.problem.detail);
	}
}

/*
 * Change a row that can't be inserted as it is, in case Crisp has it.
 */
static void
change_instead(const Push *push, PushedRow *row)
{
	PushProblem problem = row->row.problem;

	change_found(push, row);
	if (row->outcome == refused || row->outcome == there)
	{
		row->outcome = row->outcome == there ? exhausted : refused;
		row->row.problem = problem;
	}
}

/*
 * Say whether a row has no value but its key.
 */
static bool
is_blank(const PushRow *row)
{
	JsonbIterator	  *iterator = JsonbIteratorInit(&row->wanted->root);
	JsonbIteratorToken token;
	JsonbValue		   value;

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
		if (token == WJB_VALUE && value.type != jbvNull)
			return false;
	return true;
}

/*
 * Take a row that lacks what an insert needs for one that Crisp may have: then it's changed; one
 * that has nothing to say is left as it is, whether it's there or not.
 */
static void
take_incomplete(const Push *push, PushedRow *row)
{
	if (is_blank(&row->row))
		row->outcome = empty;
	else if (row->row.whole)
		change_instead(push, row);
}

/*
 * Insert rows, one after the other: two that are under way together may come in any order.
 */
static void
send_inserts(const Push *push)
{
	for (int i = 0; i < push->count; i++)
	{
		PushedRow *row = &push->pushed[i];
		ApiFailure failure;

		prepare(push, row);
		if (row->outcome == refused && push->rows.key != NULL &&
			row->row.problem.code == ERRCODE_NOT_NULL_VIOLATION)
			take_incomplete(push, row);
		if (row->outcome == NULL && lacks_name(row))
			find_names(push);
		complete(push, row);
		if (row->outcome != NULL)
			continue;
		note_begun(row);
		if (send_one(push, linitial(row->row.requests), &failure))
			row->outcome = done;
		else if (failure.conflicts && !failure.may_have_acted && push->rows.key != NULL)
			change_found(push, row);
		else
			note_failure(push, row, &failure);
	}
}

void
push_send(Push *push)
{
	push_send_forget_begun();
	push->deliverer = deliverer_create(push->rows.table, push->rows.operation);
	deliverer_enter(push->deliverer);
	if (push->rows.operation == CMD_INSERT)
		send_inserts(push);
	else
		send_together(push);
	deliverer_leave(push->deliverer);
}
