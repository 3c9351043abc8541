/*-------------------------------------------------------------------------
 *
 * push_row.c
 *		Make requests of rows that a push sends.
 *
 * What is wrong with a row is the row's affair: others go on.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/compat.h"
#include "base/sqlstate.h"
#include "json/json_parse.h"
#include "json/json_writer.h"
#include "push/push_row.h"
#include "write/change_check.h"
#include "write/complete.h"

/* The values of a row, by attribute number minus 1. */
typedef struct Values
{
	Datum	  *values;
	bool	  *nulls;
	Bitmapset *columns; /* attribute numbers of those that are given */
} Values;

/*
 * Return the attribute number of a column of the target; 0 when there is none.
 */
static AttrNumber
attribute_of(const PushRows *rows, const char *name, int length)
{
	for (int i = 0; i < rows->table->ncolumns; i++)
	{
		const char *column = rows->table->columns[i].name;

		if (column != NULL && (int) strlen(column) == length && memcmp(column, name, length) == 0)
			return (AttrNumber) (i + 1);
	}
	return InvalidAttrNumber;
}

/*
 * Step to the next member of an object; *attnum is its column.  Return false at the end.
 */
static bool
next_member(const PushRows *rows, JsonbIterator **iterator, AttrNumber *attnum, JsonbValue *value)
{
	JsonbIteratorToken token = JsonbIteratorNext(iterator, value, true);

	if (token == WJB_BEGIN_OBJECT)
		token = JsonbIteratorNext(iterator, value, true);
	if (token != WJB_KEY)
		return false;
	*attnum = attribute_of(rows, value->val.string.val, value->val.string.len);
	if (*attnum == InvalidAttrNumber)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("column \"%s\" of foreign table \"%s\" does not exist",
							   pnstrdup(value->val.string.val, value->val.string.len),
							   rows->table->name)));
	(void) JsonbIteratorNext(iterator, value, true);
	return true;
}

Bitmapset *
push_row_columns(const PushRows *rows, Jsonb *wanted)
{
	JsonbIterator *iterator = JsonbIteratorInit(&wanted->root);
	Bitmapset	  *columns = NULL;
	AttrNumber	   attnum;
	JsonbValue	   value;

	while (next_member(rows, &iterator, &attnum, &value))
		columns = bms_add_member(columns, attnum);
	return columns;
}

/*
 * Set a column to what a text says.
 */
static void
set_text(const PushRows *rows, Values *values, AttrNumber attnum, char *text)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(rows->relation), attnum - 1);
	Oid				  function;
	Oid				  param;

	getTypeInputInfo(attribute->atttypid, &function, &param);
	values->values[attnum - 1] = OidInputFunctionCall(function, text, param, -1);
	values->nulls[attnum - 1] = false;
	values->columns = bms_add_member(values->columns, attnum);
}

/*
 * Find what Crisp was told of a column; NULL where that isn't known.
 */
static Jsonb *
pushed_value(const PushRow *row, const char *name)
{
	static const JsonbValue nothing = {.type = jbvNull};
	JsonbValue			   *value;

	if (row->pushed == NULL || !JB_ROOT_IS_OBJECT(row->pushed))
		return JsonbValueToJsonb((JsonbValue *) &nothing);
	value = getKeyJsonValueFromContainer(&row->pushed->root, name, (int) strlen(name), NULL);
	return value ? JsonbValueToJsonb(value) : NULL;
}

/*
 * Say whether what Crisp was told of a column has keys that may have any value, which nulls stand
 * for: they are no keys with the null that may be wanted.
 */
static bool
has_doubtful_key(Jsonb *pushed)
{
	JsonbIterator *iterator;
	JsonbValue	   value;

	if (!JB_ROOT_IS_OBJECT(pushed))
		return false;
	iterator = JsonbIteratorInit(&pushed->root);
	(void) JsonbIteratorNext(&iterator, &value, true);
	while (JsonbIteratorNext(&iterator, &value, true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&iterator, &value, true);
		if (value.type == jbvNull)
			return true;
	}
	return false;
}

/*
 * Say whether a column's value has to be sent.
 */
static bool
is_sent(const PushRow *row, bool whole, const char *name, JsonbValue *value)
{
	Jsonb *wanted = JsonbValueToJsonb(value);
	Jsonb *pushed = pushed_value(row, name);

	return (whole && value->type != jbvNull) || pushed == NULL ||
		   compareJsonbContainers(&wanted->root, &pushed->root) != 0 || has_doubtful_key(pushed);
}

/*
 * Set a column to a JSON value.
 */
static void
set_json(const PushRows *rows, Values *values, AttrNumber attnum, JsonbValue *value)
{
	Jsonb *json = JsonbValueToJsonb(value);

	set_text(rows, values, attnum, JsonbToCString(NULL, &json->root, (int) VARSIZE(json)));
}

/*
 * Say whether a column has all of a row's custom data: its value is JSON, be it a string or null.
 */
static bool
is_data_column(const ChangeTable *table, AttrNumber attnum)
{
	return table->data_column != NULL && change_attribute(table, table->data_column) == attnum;
}

/*
 * Return the values of a row that are to be sent.
 */
static Values
read_values(const PushRows *rows, const PushRow *row)
{
	int			   count = Max(rows->table->ncolumns, 1);
	JsonbIterator *iterator = JsonbIteratorInit(&row->wanted->root);
	Values		   values = {palloc0(sizeof(Datum) * count), palloc(sizeof(bool) * count), NULL};
	AttrNumber	   attnum;
	JsonbValue	   value;

	memset(values.nulls, true, sizeof(bool) * count);
	while (next_member(rows, &iterator, &attnum, &value))
	{
		if (is_data_column(rows->table, attnum) && value.type != jbvBinary)
			set_json(rows, &values, attnum, &value);
		else if (!is_sent(row, row->whole || rows->operation == CMD_INSERT,
						  rows->table->columns[attnum - 1].name, &value))
			continue;
		else if (value.type == jbvNull)
			values.columns = bms_add_member(values.columns, attnum);
		else if (value.type == jbvString)
			set_text(rows, &values, attnum, pnstrdup(value.val.string.val, value.val.string.len));
		else
			set_json(rows, &values, attnum, &value);
	}
	return values;
}

/*
 * Return a text of the database in the encoding of JSON.
 */
static const char *
utf8_text(const char *text)
{
	return pg_server_to_any(text, (int) strlen(text), PG_UTF8);
}

/*
 * Put what Crisp was told of custom data into an object.  A null is a key that may have any value:
 * it's sent if it's wanted, and otherwise goes.  That holds for all keys of a row that is sent as a
 * whole.
 */
static void
add_pushed_data(JsonWriter *writer, Jsonb *pushed, Jsonb *wanted, bool whole)
{
	JsonbIterator *iterator;
	JsonbValue	   key;
	JsonbValue	   value;

	if (pushed == NULL || !JB_ROOT_IS_OBJECT(pushed))
		return;
	iterator = JsonbIteratorInit(&pushed->root);
	(void) JsonbIteratorNext(&iterator, &key, true);
	while (JsonbIteratorNext(&iterator, &key, true) == WJB_KEY)
	{
		const char *text = "true";

		(void) JsonbIteratorNext(&iterator, &value, true);
		if ((whole || value.type == jbvNull) && JB_ROOT_IS_OBJECT(wanted) &&
			findJsonbValueFromContainer(&wanted->root, JB_FOBJECT, &key) != NULL)
			continue;
		if (value.type != jbvNull)
		{
			Jsonb *json = JsonbValueToJsonb(&value);

			text = utf8_text(JsonbToCString(NULL, &json->root, (int) VARSIZE(json)));
		}
		json_writer_set_member(writer, utf8_text(pnstrdup(key.val.string.val, key.val.string.len)),
							   text);
	}
}

/*
 * Return the custom data that Crisp was told before, with the keys of columns that become NULL:
 * these go.
 */
static DataBefore
read_before(const PushRows *rows, const PushRow *row, const Values *values)
{
	const ChangeTable *table = rows->table;
	AttrNumber		   whole = table->data_column ? change_attribute(table, table->data_column) : 0;
	JsonWriter		  *writer = json_writer_object();
	DataBefore		   before = {.known = true, .is_part = true};
	char			  *problem = NULL;
	size_t			   length;
	char			  *text;

	if (whole > 0 && bms_is_member(whole, values->columns))
	{
		const char *name = table->columns[whole - 1].name;
		JsonbValue *wanted = getKeyJsonValueFromContainer(&row->wanted->root, name,
														  (int) strlen(name), NULL);

		add_pushed_data(writer, pushed_value(row, name), JsonbValueToJsonb(wanted), row->whole);
	}
	for (int i = 0; i < table->ncolumns; i++)
		if (table->columns[i].data_key != NULL && bms_is_member(i + 1, values->columns) &&
			values->nulls[i])
			json_writer_set_member(writer, table->columns[i].data_key, "true");
	text = json_writer_finish(writer, &length);
	(void) json_parse(CurrentMemoryContext, text, strlen(text), &before.data, &problem);
	if (problem != NULL)
		elog(ERROR, "crisp_fdw: custom data that was pushed cannot be read: %s", problem);
	return before;
}

/*
 * Make the requests of a row, or raise what is wrong with it.
 */
static void
make_requests(const PushRows *rows, PushRow *row)
{
	const ChangeTable *table = rows->table;
	ChangeKeys		   keys = {0};
	Values			   values;

	if (rows->key != NULL)
	{
		if (rows->key->holds != NULL && strstr(row->key, rows->key->holds) == NULL)
			change_value_wrong(table, rows->key->catalog_name, row->key,
							   psprintf("A value with \"%s\" is expected.", rows->key->holds));
		change_add_key(&keys, rows->key->catalog_name, row->key);
	}
	if (rows->operation == CMD_DELETE)
	{
		row->requests = list_make1(change_remove(table, &keys));
		return;
	}
	values = read_values(rows, row);
	if (rows->operation == CMD_UPDATE)
	{
		row->requests = change_update(table, values.columns, values.values, values.nulls, &keys,
									  read_before(rows, row, &values));
		if (row->name != NULL)
			push_row_set_name(rows, row, row->name);
		return;
	}
	if (rows->key != NULL)
		set_text(rows, &values, change_attribute(table, rows->key->catalog_name),
				 pstrdup(row->key));
	row->requests = list_make1(change_insert(table, values.values, values.nulls));
}

int64
push_row_cost(const PushRows *rows, const PushRow *row)
{
	int64	  cost = 0;
	ListCell *lc;

	foreach(lc, row->requests)
	{
		const ChangeRequest *request = lfirst(lc);

		/* One question for the name does for all of them. */
		if (request->lacks_key && lc == list_head(row->requests))
			cost++;
		cost += 1 + complete_cost(rows->table, request);
	}
	return cost;
}

bool
push_row_is_indivisible(const PushRows *rows, const PushRow *row)
{
	ListCell *lc;

	foreach(lc, row->requests)
		if (((const ChangeRequest *) lfirst(lc))->lacks_key)
			return false;
	foreach(lc, row->requests)
		if (complete_cost(rows->table, lfirst(lc)) > 0)
			return true;
	return false;
}

void
push_row_set_name(const PushRows *rows, PushRow *row, const char *name)
{
	ListCell *lc;

	foreach(lc, row->requests)
	{
		ChangeRequest *request = lfirst(lc);

		if (!request->lacks_key)
			continue;
		change_add_key(&request->keys, rows->table->changes->other_key->column, name);
		request->lacks_key = false;
		request->asks = request->lacks_data || request->gone != NIL;
		if (!request->lacks_data)
			change_finish(rows->table, request);
	}
	row->name = name;
}

/*
 * Ask for what requests lack, or raise why that can't be; return whether the row is there.
 */
static bool
complete(const PushRows *rows, PushRow *row)
{
	ListCell *lc;

	foreach(lc, row->requests)
	{
		ChangeRequest *request = lfirst(lc);

		if (!request->lacks_key && !request->lacks_data)
			continue;
		switch (complete_request(rows->table, request))
		{
			case COMPLETION_READY:
				break;
			case COMPLETION_GONE:
				return false;
			case COMPLETION_EXISTS:
			case COMPLETION_NEEDLESS:
				row->requests = foreach_delete_current(row->requests, lc);
				break;
		}
	}
	return true;
}

/*
 * Check that keys are gone, or raise.
 */
static void
check(const PushRows *rows, PushRow *row)
{
	ListCell *lc;

	foreach(lc, row->requests)
		complete_check_gone(rows->table, lfirst(lc));
}

/*
 * Add the columns of the table that are written by a route, those of single keys among them.
 */
static Bitmapset *
add_columns(const ChangeTable *table, const CrispChange *change, Bitmapset *columns)
{
	for (const CrispField *field = change->fields; field->column != NULL; field++)
	{
		AttrNumber attnum = change_attribute(table, field->column);

		if (attnum != InvalidAttrNumber)
			columns = bms_add_member(columns, attnum);
		for (int i = 0; i < table->ncolumns && (field->flags & CRISP_FIELD_DATA); i++)
			if (table->columns[i].data_key != NULL)
				columns = bms_add_member(columns, i + 1);
	}
	return columns;
}

Bitmapset *
push_row_written(const PushRows *rows, const PushRow *row, const ChangeRequest *last)
{
	Bitmapset *columns = NULL;
	ListCell  *lc;

	foreach(lc, row->requests)
	{
		const ChangeRequest *request = lfirst(lc);

		if (last == NULL)
			break;
		/* Whether keys have gone by it is still to be checked. */
		if (request->gone == NIL)
			columns = add_columns(rows->table, request->change, columns);
		if (request == last)
			break;
	}
	return columns;
}

Bitmapset *
push_row_perhaps_written(const PushRows *rows, const PushRow *row, const ChangeRequest *last,
						 const ChangeRequest *failed)
{
	Bitmapset *columns = NULL;
	ListCell  *lc;

	/* What names a row stands for all of one that is removed. */
	if (failed != NULL && rows->operation == CMD_DELETE)
		return bms_make_singleton(change_attribute(rows->table, rows->key->catalog_name));
	if (failed != NULL)
		columns = add_columns(rows->table, failed->change, columns);
	foreach(lc, row->requests)
	{
		const ChangeRequest *request = lfirst(lc);

		if (last == NULL)
			break;
		if (request->gone != NIL)
			columns = add_columns(rows->table, request->change, columns);
		if (request == last)
			break;
	}
	return columns;
}

/*----------
 * Problems
 *----------
 */

/*
 * Say whether an error is about the row at hand, so that others are none the worse: about its
 * values, or about what Crisp takes.
 */
static bool
is_of_row(int code)
{
	return ERRCODE_TO_CATEGORY(code) == ERRCODE_DATA_EXCEPTION ||
		   ERRCODE_TO_CATEGORY(code) == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION ||
		   code == ERRCODE_FEATURE_NOT_SUPPORTED;
}

bool
push_problem_is_of_row(const PushProblem *problem)
{
	return is_of_row(problem->code);
}

/*
 * Say whether an error says that Crisp could not be asked, or what it has answered.
 */
static bool
is_of_crisp(int code)
{
	return ERRCODE_TO_CATEGORY(code) == ERRCODE_TO_CATEGORY(ERRCODE_CRISP_REQUEST_LIMIT) ||
		   ERRCODE_TO_CATEGORY(code) == ERRCODE_FDW_ERROR ||
		   ERRCODE_TO_CATEGORY(code) == ERRCODE_CONNECTION_EXCEPTION ||
		   ERRCODE_TO_CATEGORY(code) == ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION ||
		   code == ERRCODE_INSUFFICIENT_PRIVILEGE || code == ERRCODE_CONFIGURATION_LIMIT_EXCEEDED ||
		   code == ERRCODE_PROGRAM_LIMIT_EXCEEDED;
}

/*
 * Take over what is wrong with a row.
 */
static void
take_error(PushProblem *problem, const ErrorData *error)
{
	problem->code = error->sqlerrcode;
	problem->message = error->message;
	problem->detail = error->detail;
	problem->hint = error->hint;
}

/* What is done with a row, which may raise an error. */
typedef enum RowStep
{
	STEP_PREPARE,
	STEP_COMPLETE,
	STEP_CHECK
} RowStep;

/*
 * Do a step with a row.  What it raises of the row, or of Crisp, becomes the row's problem.  Return
 * whether the row is there.
 */
static bool
take_step(const PushRows *rows, PushRow *row, RowStep step)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool is_there = true;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		if (step == STEP_PREPARE)
			make_requests(rows, row);
		else if (step == STEP_COMPLETE)
			is_there = complete(rows, row);
		else
			check(rows, row);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData *error;

		/* The subtransaction ends here in any case: nobody above would know of it. */
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (!is_of_row(error->sqlerrcode) &&
			(step == STEP_PREPARE || !is_of_crisp(error->sqlerrcode)))
			ReThrowError(error);
		take_error(&row->problem, error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return is_there;
}

void
push_row_prepare(const PushRows *rows, PushRow *row)
{
	memset(&row->problem, 0, sizeof(row->problem));
	row->requests = NIL;
	(void) take_step(rows, row, STEP_PREPARE);
	if (row->problem.code != 0)
		row->requests = NIL;
}

bool
push_row_complete(const PushRows *rows, PushRow *row)
{
	ListCell *lc;

	foreach(lc, row->requests)
		if (((ChangeRequest *) lfirst(lc))->lacks_key || ((ChangeRequest *) lfirst(lc))->lacks_data)
			return take_step(rows, row, STEP_COMPLETE);
	return true;
}

void
push_row_check(const PushRows *rows, PushRow *row)
{
	ListCell *lc;

	foreach(lc, row->requests)
		if (((ChangeRequest *) lfirst(lc))->gone != NIL)
		{
			(void) take_step(rows, row, STEP_CHECK);
			return;
		}
}
