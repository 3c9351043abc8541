/*-------------------------------------------------------------------------
 *
 * deliver.c
 *		Send changes, and say what became of them.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "write/deliver.h"
#include "json/json_path.h"
#include "write/rollback_warning.h"
#include "base/server_text.h"
#include "fetch/order.h"
#include "request/request.h"

/* How many of the rows that were done are named; the latest. */
#define ROWS_NAMED 10

struct Deliverer
{
	MemoryContext		 context;
	const ChangeTable	*table;
	CmdType				 operation;
	bool				 pass_over_conflicts;
	ErrorContextCallback callback;

	dlist_head			 under_way; /* of Sending */
	const ChangeRequest *partial; /* the latest that was carried out of the row at hand; or NULL */

	int64 rows_done;
	char *names[ROWS_NAMED]; /* a ring; the n-th row done is at n modulo its size */
};

/*
 * Return the participle for what is done to a row.
 */
static const char *
participle(CmdType operation)
{
	switch (operation)
	{
		case CMD_INSERT:
			return "sent";
		case CMD_UPDATE:
			return "changed";
		default:
			return "removed";
	}
}

/*
 * Return the participle for what a request does to a row.
 */
static const char *
done_by(const Deliverer *deliverer, const ChangeRequest *request)
{
	return participle(request->follows ? CMD_UPDATE : deliverer->operation);
}

/*
 * Append a request that was carried out, and those of the same row that went before it, to a text.
 * Return how many there are.
 */
static int
append_carried_out(StringInfo text, const ChangeRequest *request)
{
	int count = 0;

	if (request->previous != NULL)
		count = append_carried_out(text, request->previous);
	if (request->needless)
		return count;
	appendStringInfo(text, "%s%s %s", count > 0 ? ", " : "", request->api.method,
					 request->api.target);

	/* Of a new row, nothing else tells what names it. */
	if (request->followers != NIL && request->keys.count > 0)
		appendStringInfo(text, " (%s)", request->keys.values[request->keys.count - 1]);
	return count + 1;
}

/*
 * List the names of the rows that were done, as far as they are kept.
 */
static char *
names_text(const Deliverer *deliverer)
{
	int64		   first = Max(deliverer->rows_done - ROWS_NAMED, 0);
	StringInfoData text;

	initStringInfo(&text);
	if (first > 0)
		appendStringInfoString(&text, "..., ");
	for (int64 i = first; i < deliverer->rows_done; i++)
		appendStringInfo(&text, "%s%s", i > first ? ", " : "", deliverer->names[i % ROWS_NAMED]);
	return text.data;
}

/*
 * Add to the error context which requests were under way that may have been carried out.
 */
static void
add_under_way(const Deliverer *deliverer)
{
	const char	  *done = participle(deliverer->operation);
	const char	  *noun = deliverer->table->changes->noun;
	StringInfoData text;
	dlist_iter	   iter;
	int			   count = 0;
	int			   nrows = 0;

	initStringInfo(&text);
	dlist_foreach(iter, (dlist_head *) &deliverer->under_way)
	{
		const Sending *sending = dlist_container(Sending, node, iter.cur);

		if (!sending_may_have_acted(sending))
			continue;
		appendStringInfo(&text, "%s%s %s", count++ > 0 ? ", " : "", sending->request->api.method,
						 sending->request->api.target);
		nrows += Max(sending->request->nrows, 1);
		if (sending->request->nrows > 0)
			appendStringInfo(&text, " (%d %ss: %s)", sending->request->nrows, noun,
							 sending->request->names);
		done = done_by(deliverer, sending->request);
		if (sending->before != NULL)
		{
			StringInfoData before;
			int			   several;

			initStringInfo(&before);
			several = append_carried_out(&before, sending->before);
			appendStringInfo(&text, " (after %s %s carried out)", before.data,
							 several > 1 ? "were" : "was");
		}
	}
	if (count == 1)
		errcontext("%s was under way: the %s%s may or may not have been %s", text.data, noun,
				   nrows == 1 ? "" : "s", done);
	else if (count > 1)
		errcontext("%d requests were under way: the %ss may or may not have been %s: %s", count,
				   noun, done, text.data);
}

/*
 * Add to the error context what was done before, and what may have been (an error context
 * callback).
 */
static void
add_context(void *arg)
{
	const Deliverer *deliverer = arg;
	const char		*done = participle(deliverer->operation);
	const char		*noun = deliverer->table->changes->noun;

	add_under_way(deliverer);
	if (deliverer->partial != NULL)
	{
		StringInfoData text;
		int			   several;

		initStringInfo(&text);
		several = append_carried_out(&text, deliverer->partial);
		errcontext("of the same row, %s %s carried out before", text.data,
				   several > 1 ? "were" : "was");
	}
	if (deliverer->rows_done > 0)
		errcontext("foreign table \"%s\": before that, " INT64_FORMAT
				   " %s%s %s %s, and cannot be rolled back: %s",
				   deliverer->table->name, deliverer->rows_done, noun,
				   deliverer->rows_done == 1 ? "" : "s", deliverer->rows_done == 1 ? "was" : "were",
				   done, names_text(deliverer));
}

Deliverer *
deliverer_create(const ChangeTable *table, CmdType operation)
{
	Deliverer *deliverer = palloc0(sizeof(Deliverer));

	deliverer->context = CurrentMemoryContext;
	deliverer->table = table;
	deliverer->operation = operation;
	dlist_init(&deliverer->under_way);
	deliverer->callback.callback = add_context;
	deliverer->callback.arg = deliverer;
	return deliverer;
}

const ChangeTable *
deliverer_table(const Deliverer *deliverer)
{
	return deliverer->table;
}

bool
deliverer_removes(const Deliverer *deliverer)
{
	return deliverer->operation == CMD_DELETE;
}

void
deliverer_pass_over_conflicts(Deliverer *deliverer)
{
	deliverer->pass_over_conflicts = true;
}

bool
deliverer_passes_over_conflicts(const Deliverer *deliverer)
{
	return deliverer->pass_over_conflicts;
}

void
deliverer_enter(Deliverer *deliverer)
{
	deliverer->partial = NULL;
	deliverer->callback.previous = error_context_stack;
	error_context_stack = &deliverer->callback;
}

void
deliverer_leave(Deliverer *deliverer)
{
	error_context_stack = deliverer->callback.previous;
}

/*
 * Return a value in an answer as text in the database's encoding: a string's own, else its JSON.
 */
static char *
answer_text(const Deliverer *deliverer, const JsonNode *value)
{
	size_t		length;
	const char *text = json_plain_text(value, &length);

	text = server_text(text, &length, deliverer->table->options->invalid_text);
	return pnstrdup(text, length);
}

/*
 * Return what is known of a request's row at a path; NULL where that is nothing, or can't be read.
 */
static const JsonNode *
known_value(const ChangeRequest *request, const char *path)
{
	char *problem;

	for (int i = 0; i < request->nknown; i++)
		if (strcmp(request->known[i].path, path) == 0)
			return encoded_node(&request->known[i].value, &problem);
	return NULL;
}

/*
 * Say where to look for a row that may have been inserted: by what names it, else by what no two
 * rows have, else among the newest.
 */
static char *
look_hint(const Deliverer *deliverer, const ChangeRequest *request)
{
	const ChangeTable	*table = deliverer->table;
	const CrispResource *resource = table->options->resource;
	const char			*conflict = table->changes->conflict;
	ChangeKeys			 keys = request->keys;
	StringInfoData		 hint;

	if (keys.count == 0 && conflict != NULL)
		change_add_key(
			&keys, conflict,
			answer_text(deliverer,
						known_value(request, crisp_column_by_name(resource, conflict)->path)));

	initStringInfo(&hint);
	appendStringInfo(&hint, "Before sending it again, look for it: SELECT * FROM %s",
					 table->sql_name);
	for (int i = 0; i < keys.count; i++)
		appendStringInfo(&hint, "%s%s = %s", i > 0 ? " AND " : " WHERE ",
						 quote_identifier(change_column_name(table, keys.columns[i])),
						 quote_literal_cstr(keys.values[i]));
	if (keys.count == 0 && resource->created_path != NULL)
		appendStringInfo(&hint, " ORDER BY %s DESC LIMIT 10",
						 quote_identifier(change_column_name(table, resource->created_path)));
	return hint.data;
}

/*
 * Say which NULLs it may be that Crisp hasn't taken.
 */
static char *
nulls_hint(const ChangeRequest *request)
{
	StringInfoData hint;
	ListCell	  *lc;

	initStringInfo(&hint);
	foreach(lc, request->nulls)
		appendStringInfo(&hint, "%s%s", hint.len > 0 ? ", " : "Crisp may take no NULL for: ",
						 (const char *) lfirst(lc));
	appendStringInfoChar(&hint, '.');
	return hint.data;
}

/*
 * Say that a row conflicts with another.
 */
static void
describe_conflict(const Deliverer *deliverer, ApiError *error)
{
	const ChangeTable *table = deliverer->table;

	error->code = ERRCODE_UNIQUE_VIOLATION;
	error->message = psprintf("a %s with this \"%s\" exists at Crisp already", table->changes->noun,
							  change_column_name(table, table->changes->conflict));
	error->hint = deliverer->operation == CMD_INSERT
					  ? "To pass over rows that exist, use INSERT ... ON CONFLICT DO NOTHING."
					  : NULL;
}

/*
 * Name the rows that a request is for.
 */
static char *
rows_text(const Deliverer *deliverer, const ChangeRequest *request)
{
	const char *noun = deliverer->table->changes->noun;

	if (request->nrows == 0)
		return pstrdup(noun);
	return psprintf("%d %ss", request->nrows, noun);
}

void
deliverer_raise(Deliverer *deliverer, const ChangeRequest *request, const ChangeRequest *before,
				ApiFailure *failure)
{
	const ChangeTable  *table = deliverer->table;
	const CrispChanges *changes = table->changes;
	const char		   *done = done_by(deliverer, request);
	const char		   *rows = rows_text(deliverer, request);
	ApiError		   *error = &failure->error;

	deliverer->partial = before;
	if (failure->may_have_acted)
	{
		error->detail = psprintf("%s\nThe %s may or may not have been %s.", error->detail, rows,
								 done);
		if (!request->api.repeatable)
		{
			error->detail = psprintf("%s It was not sent again.", error->detail);
			error->hint = look_hint(deliverer, request);
		}
	}
	else
		error->detail = psprintf("%s\nThe %s %s not %s%s.", error->detail, rows,
								 request->nrows == 0 ? "was" : "were", done,
								 before != NULL ? " by this request" : "");
	if (request->nrows > 0)
		error->detail = psprintf("%s They are: %s.", error->detail, request->names);

	if (failure->absent && deliverer->operation == CMD_INSERT && changes->parent != NULL)
	{
		error->code = ERRCODE_FOREIGN_KEY_VIOLATION;
		error->message = psprintf("there is no such %s at Crisp", changes->parent);
		error->hint = NULL;
	}
	if (failure->unfit && error->outcome != USAGE_RATE_LIMITED && request->nulls != NIL &&
		request->doubtful == NULL)
		error->hint = nulls_hint(request);
	if (failure->conflicts && changes->conflict != NULL)
		describe_conflict(deliverer, error);
	api_error_raise(error, table->options);
}

void
deliverer_start(Deliverer *deliverer, Sending *sending, const ChangeRequest *request,
				MemoryContext owner)
{
	rollback_warning_prepare();
	sending->call = NULL;
	sending->again = false;
	sending->request = request;
	dlist_push_tail(&deliverer->under_way, &sending->node);
	sending_start(sending, deliverer->table, request, owner);
}

bool
deliverer_take(Deliverer *deliverer, Sending *sending, bool *done, ApiAnswer *answer,
			   ApiFailure *failure)
{
	rollback_warning_prepare();
	if (!sending_take(sending, done, answer, failure))
		return false;
	dlist_delete(&sending->node);
	/*
	 * What is gone after an attempt that may have removed it was removed by that; of several rows,
	 * one may be, and the others not.
	 */
	*done = *done || (deliverer->operation == CMD_DELETE && sending->request->nrows == 0 &&
					  failure->absent && failure->may_have_acted);
	return true;
}

void
deliverer_abandon(Deliverer *deliverer, Sending *sending)
{
	dlist_delete(&sending->node);
}

bool
deliverer_send(Deliverer *deliverer, const ChangeRequest *request, ApiAnswer *answer)
{
	Sending	   sending = {.before = NULL};
	ApiFailure failure;
	bool	   done;

	deliverer_start(deliverer, &sending, request, CurrentMemoryContext);
	while (!deliverer_take(deliverer, &sending, &done, answer, &failure))
		continue;

	if (!done && deliverer->pass_over_conflicts && failure.conflicts)
		return false;
	if (!done && (!failure.absent || deliverer->operation == CMD_INSERT))
		deliverer_raise(deliverer, request, deliverer->partial, &failure);
	if (done)
	{
		/* Requests of the same row count once. */
		if (deliverer->partial == NULL)
			rollback_warning_count(1);
		deliverer->partial = request;
	}
	return done;
}

void
deliverer_take_answer(Deliverer *deliverer, ChangeRequest *request, const ApiAnswer *answer)
{
	const ChangeTable	*table = deliverer->table;
	const CrispAnswered *answered = table->changes->answered;

	for (; answered != NULL && answered->column != NULL; answered++)
	{
		const JsonNode	  *value = json_path_get(answer->data, json_path_of(answered->path));
		const CrispColumn *column = crisp_column_by_name(table->options->resource,
														 answered->column);

		if (value == NULL)
			ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION),
							errmsg("unexpected answer from Crisp, server \"%s\"",
								   table->options->server_name),
							errdetail("The answer to %s %s has no \"%s\".", request->api.method,
									  request->api.target, answered->path)));
		if (column->flags & CRISP_NAME)
			request->named = known_value(request, column->path) != NULL;
		change_add_key(&request->keys, answered->column, answer_text(deliverer, value));
		change_know(request, column->path, (EncodedValue){.node = value});
	}
}

void
deliverer_done(Deliverer *deliverer, const ChangeKeys *keys)
{
	char		**name = &deliverer->names[deliverer->rows_done % ROWS_NAMED];
	MemoryContext old_context = MemoryContextSwitchTo(deliverer->context);

	if (*name != NULL)
		pfree(*name);
	*name = change_keys_text(keys);
	deliverer->rows_done++;
	deliverer->partial = NULL;
	MemoryContextSwitchTo(old_context);
}

/*----------
 * Reading back
 *----------
 */

/*
 * Say whether a row has what was sent, as far as it shows that.  Objects and arrays aren't
 * compared: Crisp may make others of them.
 */
static bool
has_what_was_sent(const ChangeRequest *request, const JsonNode *row)
{
	for (int i = 0; i < request->nknown; i++)
	{
		JsonPath	   *path = json_path_of(request->known[i].path);
		const JsonNode *value = json_path_get(row, path);
		const JsonNode *sent = known_value(request, request->known[i].path);
		JsonNodeKind	kind = json_node_kind(sent);
		size_t			length;

		if (value == NULL || sent == NULL || kind == JSON_NODE_OBJECT || kind == JSON_NODE_ARRAY)
			continue;
		if (strcmp(json_text(value, &length), json_text(sent, &length)) != 0)
			return false;
	}
	return true;
}

/*
 * Return the path of the time by which rows of a list are told apart; NULL where they have none.
 */
static const char *
time_path_of(const CrispResource *resource)
{
	if (resource->cursor != NULL)
		return resource->cursor->path;
	for (int i = 0; i < resource->ncolumns; i++)
		if (resource->columns[i].type == CRISP_TIME)
			return resource->columns[i].path;
	return NULL;
}

/*
 * Return the target at which to find a row that has no route of its own, or whose name others may
 * have: the list below its parent's row, from the row's time on where it has a cursor.
 */
static char *
list_target(const ChangeTable *table, const ChangeRequest *request)
{
	const CrispResource *resource = table->options->resource;
	ChildrenRequest		 list = request_whole_children(table->options);
	char				*query = NULL;
	int64				 time;

	if (resource->cursor != NULL &&
		json_node_int64(known_value(request, resource->cursor->path), &time) && time >= 0 &&
		time < PG_INT64_MAX)
		query = psprintf("%s=" INT64_FORMAT, resource->cursor->before_param, time + 1);
	for (int i = 0; i < request->keys.count; i++)
		if (crisp_column_by_name(resource, request->keys.columns[i]) ==
			crisp_resource_argument(resource))
			return request_child_target(&list,
										pg_server_to_any(request->keys.values[i],
														 (int) strlen(request->keys.values[i]),
														 PG_UTF8),
										NULL, 1, query);
	return NULL;
}

/*
 * Return the newest row of a list that has what was sent; NULL when there is none.
 */
static const JsonNode *
find_in_list(const ChangeTable *table, const ChangeRequest *request, const JsonNode *elements)
{
	const char	   *time_path = time_path_of(table->options->resource);
	JsonPath	   *path = time_path != NULL ? json_path_of(time_path) : NULL;
	const JsonNode *found = NULL;
	int64			found_time = PG_INT64_MIN;

	if (json_node_kind(elements) != JSON_NODE_ARRAY)
		return NULL;
	for (size_t i = 0; i < json_node_length(elements); i++)
	{
		const JsonNode *row = json_node_element(elements, i);
		int64			time = PG_INT64_MIN;

		if (json_node_kind(row) != JSON_NODE_OBJECT || !has_what_was_sent(request, row))
			continue;
		if (path != NULL)
			(void) order_row_time(row, path, &time);
		if (found == NULL || time > found_time)
		{
			found = row;
			found_time = time;
		}
	}
	return found;
}

const JsonNode *
deliverer_read_back(Deliverer *deliverer, const ChangeRequest *request)
{
	const ChangeTable *table = deliverer->table;
	bool			   by_list = request->named || table->changes->read_route == NULL;
	char			  *target = by_list ? list_target(table, request) : NULL;
	bool			   in_list = target != NULL;
	const JsonNode	  *row = NULL;
	ApiAnswer		   answer;
	ApiFailure		   failure;
	bool			   found;

	if (!in_list)
		target = change_target(table, table->changes->read_route, &request->keys);
	found = api_try_finish(api_start(table->options, target, CurrentMemoryContext),
						   in_list ? API_LIST : API_OBJECT, &answer, &failure);
	if (found)
		row = in_list ? find_in_list(table, request, answer.data) : answer.data;
	if (row != NULL)
		return row;

	ereport(WARNING, (errcode(found ? ERRCODE_NO_DATA_FOUND : failure.error.code),
					  errmsg("the %s was %s, but could not be read back, server \"%s\"",
							 table->changes->noun, participle(deliverer->operation),
							 table->options->server_name),
					  found ? errdetail("The answer to GET %s doesn't have it.", target)
							: errdetail("%s: %s", failure.error.message, failure.error.detail),
					  errhint("Columns that only Crisp knows are NULL.")));
	return NULL;
}
