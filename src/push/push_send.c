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

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "api/api_call.h"
#include "base/extension_version.h"
#include "base/server_text.h"
#include "base/sqlstate.h"
#include "options/options.h"
#include "push/push_rights.h"
#include "push/push_row.h"
#include "json/json_path.h"
#include "write/change_check.h"
#include "write/flights.h"
#include "write/modify_plan.h"

PG_FUNCTION_INFO_V1(crisp_push_send);

/* Arguments of crisp_push_send(). */
enum
{
	SEND_TARGET,
	SEND_OPERATION,
	SEND_KEY,
	SEND_KEYS,
	SEND_NAMES,
	SEND_WANTED,
	SEND_PUSHED,
	SEND_WHOLE
};

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
static const char *const there = "there"; /* likewise, but an insert told that Crisp has it */
static const char *const tired = "tired"; /* likewise, since attempts that failed took the last */

typedef struct PushedRow
{
	PushRow		row;
	bool		was_named; /* by who calls: Crisp may have given that name to another since */
	const char *outcome;   /* NULL: not yet known */
	Bitmapset  *written;   /* columns that were, where others of the row were not */
} PushedRow;

/* The rows of a call, and how they are sent. */
typedef struct Push
{
	PushRows   rows;
	Deliverer *deliverer;
	PushedRow *pushed;
	int		   count;
} Push;

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
		flights_start(flights, row->row.requests, row, 1);
	}
	while (flights_count(flights) > 0)
		take_result(push, flights);
}

static void send_together(const Push *push);

/*
 * Look once more for a row that Crisp doesn't have by the name that it had.  By another name it may
 * be a new one, which has nothing of what was pushed: then all of it is sent.  Until that is done,
 * it keeps its old name, so that the next run comes to know this, too.
 */
static void
send_renamed(const Push *push, PushedRow *row)
{
	Push		again = *push;
	const char *old_name = row->row.name;

	row->was_named = false;
	row->row.name = NULL;
	row->row.whole = true;
	again.pushed = row;
	again.count = 1;
	send_together(&again);
	if (row->outcome != done)
		row->row.name = old_name;
}

/*
 * Send rows whose changes may be made twice.
 */
static void
send_together(const Push *push)
{
	for (int i = 0; i < push->count; i++)
		prepare(push, &push->pushed[i]);
	find_names(push);
	for (int i = 0; i < push->count; i++)
		complete(push, &push->pushed[i]);
	fly(push);
	for (int i = 0; i < push->count; i++)
	{
		PushedRow *row = &push->pushed[i];

		if (row->outcome == done)
		{
			push_row_check(&push->rows, &row->row);
			if (row->row.problem.code != 0)
				row->outcome = refused;
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
	else if (row->outcome == exhausted || row->outcome == tired)
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
		if (send_one(push, linitial(row->row.requests), &failure))
			row->outcome = done;
		else if (failure.conflicts && !failure.may_have_acted && push->rows.key != NULL)
			change_found(push, row);
		else
			note_failure(push, row, &failure);
	}
}

/*----------
 * The function
 *----------
 */

static CmdType
read_operation(const char *word)
{
	if (strcmp(word, "insert") == 0)
		return CMD_INSERT;
	if (strcmp(word, "update") == 0)
		return CMD_UPDATE;
	if (strcmp(word, "delete") == 0)
		return CMD_DELETE;
	elog(ERROR, "crisp_fdw: invalid operation \"%s\"", word);
}

/*
 * Take an array that the caller has given, which must have so many elements (-1: any number).
 */
static int
read_array(FunctionCallInfo fcinfo, int number, Oid type, int wanted, Datum **values, bool **nulls)
{
	bool by_value = type == BOOLOID;
	int	 count;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(number), type, by_value ? 1 : -1, by_value,
					  by_value ? TYPALIGN_CHAR : TYPALIGN_INT, values, nulls, &count);
	if (wanted >= 0 && count != wanted)
		elog(ERROR, "crisp_fdw: there are not as many values as keys");
	return count;
}

/*
 * Take the rows of the call, and check that the user may write what they hold.
 */
static void
read_rows(FunctionCallInfo fcinfo, Push *push)
{
	static const Oid types[] = {TEXTOID, TEXTOID, JSONBOID, JSONBOID, BOOLOID};
	Datum			*values[lengthof(types)] = {NULL};
	bool			*nulls[lengthof(types)] = {NULL};
	Bitmapset		*columns = NULL;
	int				 count = -1;

	for (int i = 0; i < (int) lengthof(types); i++)
		count = read_array(fcinfo, SEND_KEYS + i, types[i], count, &values[i], &nulls[i]);
	push->count = count;
	push->pushed = palloc0(sizeof(PushedRow) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		PushRow *row = &push->pushed[i].row;

		if (nulls[0][i] || (nulls[2][i] && push->rows.operation != CMD_DELETE))
			elog(ERROR, "crisp_fdw: a row lacks its key, or what it is to have");
		row->key = TextDatumGetCString(values[0][i]);
		row->name = nulls[1][i] ? NULL : TextDatumGetCString(values[1][i]);
		row->wanted = nulls[2][i] ? NULL : DatumGetJsonbP(values[2][i]);
		row->pushed = nulls[3][i] ? NULL : DatumGetJsonbP(values[3][i]);
		row->whole = !nulls[4][i] && DatumGetBool(values[4][i]);
		push->pushed[i].was_named = row->name != NULL;
		if (row->wanted != NULL)
			columns = bms_join(columns, push_row_columns(&push->rows, row->wanted));
	}
	/* An insert of a row with a key may become a change, if Crisp has the row. */
	if (push->rows.operation == CMD_INSERT && push->rows.key != NULL)
	{
		push_rights_check_columns(push->rows.relation, CMD_UPDATE, columns);
		columns = bms_add_member(columns,
								 change_attribute(push->rows.table, push->rows.key->catalog_name));
	}
	push_rights_check_columns(push->rows.relation, push->rows.operation, columns);
	if (push->rows.operation == CMD_UPDATE)
		change_check_updated(push->rows.table, columns);
}

/*
 * Return the names of columns, as an array.
 */
static Datum
names_of(const ChangeTable *table, const Bitmapset *columns)
{
	Datum *names = palloc(sizeof(Datum) * Max(bms_num_members(columns), 1));
	int	   count = 0;
	int	   attnum = -1;

	while ((attnum = bms_next_member(columns, attnum)) >= 0)
		names[count++] = CStringGetTextDatum(table->columns[attnum - 1].name);
	return PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * Give the caller what became of the rows.
 */
static void
return_rows(FunctionCallInfo fcinfo, const Push *push)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	for (int i = 0; i < push->count; i++)
	{
		const PushProblem *problem = &push->pushed[i].row.problem;
		const char		  *texts[] = {push->pushed[i].outcome,
									  push->pushed[i].row.name,
								  problem->code ? unpack_sql_state(problem->code) : NULL,
									  problem->message,
									  problem->detail,
									  problem->hint};
		Datum			   values[lengthof(texts) + 2];
		bool			   nulls[lengthof(texts) + 2] = {false};

		values[0] = Int32GetDatum(i + 1);
		for (int n = 0; n < (int) lengthof(texts); n++)
		{
			nulls[n + 1] = texts[n] == NULL;
			values[n + 1] = texts[n] ? CStringGetTextDatum(texts[n]) : (Datum) 0;
		}
		values[lengthof(texts) + 1] = names_of(push->rows.table, push->pushed[i].written);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
}

/*
 * Write rows to Crisp, and say what became of each: a line for each key.  Changes and removals are
 * under way together, up to the option prefetch.  An insert of a row that Crisp turns out to have
 * becomes a change.  No failure of a request raises an error.
 *
 * SQL: crisp_push_send(target, operation, key, keys, names, wanted, pushed, is_whole).
 */
Datum
crisp_push_send(PG_FUNCTION_ARGS)
{
	Push		  push = {0};
	CrispOptions *options;

	extension_version_check();
	for (int i = 0; i < PG_NARGS(); i++)
		if (PG_ARGISNULL(i) && i != SEND_KEY)
			elog(ERROR, "crisp_fdw: argument %d is null", i + 1);
	InitMaterializedSRF(fcinfo, 0);
	push.rows.operation = read_operation(text_to_cstring(PG_GETARG_TEXT_PP(SEND_OPERATION)));
	push_rights_check(PG_GETARG_OID(SEND_TARGET));
	options = options_of_table(PG_GETARG_OID(SEND_TARGET));
	push.rows.relation = relation_open(PG_GETARG_OID(SEND_TARGET), AccessShareLock);
	modify_check_allowed(options, push.rows.relation, push.rows.operation);
	option_add_credentials(options, GetUserId());
	push.rows.table = change_table_create(options, push.rows.relation);
	if (!PG_ARGISNULL(SEND_KEY))
		push.rows.key = push_key_find(push.rows.table,
									  text_to_cstring(PG_GETARG_TEXT_PP(SEND_KEY)));
	if (push.rows.key == NULL && push.rows.operation != CMD_INSERT)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("foreign table \"%s\" lacks the key of the push", push.rows.table->name)));
	read_rows(fcinfo, &push);

	push.deliverer = deliverer_create(push.rows.table, push.rows.operation);
	deliverer_enter(push.deliverer);
	if (push.rows.operation == CMD_INSERT)
		send_inserts(&push);
	else
		send_together(&push);
	deliverer_leave(push.deliverer);
	return_rows(fcinfo, &push);
	relation_close(push.rows.relation, NoLock);
	return (Datum) 0;
}
