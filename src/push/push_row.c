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
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "push/push_row.h"

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
						errmsg("column \"%.*s\" of foreign table \"%s\" does not exist",
							   value->val.string.len, value->val.string.val, rows->table->name)));
	(void) JsonbIteratorNext(iterator, value, true);
	return true;
}

Bitmapset *
push_row_columns(const PushRows *rows, Jsonb *changes)
{
	JsonbIterator *iterator = JsonbIteratorInit(&changes->root);
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
 * Return the values that a row is given.
 */
static Values
read_values(const PushRows *rows, Jsonb *changes)
{
	int			   count = Max(rows->table->ncolumns, 1);
	JsonbIterator *iterator = JsonbIteratorInit(&changes->root);
	Values		   values = {palloc0(sizeof(Datum) * count), palloc(sizeof(bool) * count), NULL};
	AttrNumber	   attnum;
	JsonbValue	   value;

	memset(values.nulls, true, sizeof(bool) * count);
	while (next_member(rows, &iterator, &attnum, &value))
	{
		if (value.type == jbvNull)
			values.columns = bms_add_member(values.columns, attnum);
		else if (value.type == jbvString)
			set_text(rows, &values, attnum, pnstrdup(value.val.string.val, value.val.string.len));
		else
		{
			Jsonb *json = JsonbValueToJsonb(&value);

			set_text(rows, &values, attnum, JsonbToCString(NULL, &json->root, (int) VARSIZE(json)));
		}
	}
	return values;
}

/*
 * Make the requests of a row, or raise what is wrong with it.
 */
static List *
make_requests(const PushRows *rows, const char *key, Jsonb *changes)
{
	ChangeKeys keys = {0};
	Values	   values;

	if (rows->key != NULL)
		change_add_key(&keys, rows->key->catalog_name, key);
	if (rows->operation == CMD_DELETE)
		return list_make1(change_remove(rows->table, &keys));

	values = read_values(rows, changes);
	if (rows->operation == CMD_UPDATE)
		return change_update(rows->table, values.columns, values.values, values.nulls, &keys);
	if (rows->key != NULL)
		set_text(rows, &values, change_attribute(rows->table, rows->key->catalog_name),
				 pstrdup(key));
	return list_make1(change_insert(rows->table, values.values, values.nulls));
}

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

/*
 * Take over what is wrong with a row, in the memory of the moment; the error is forgotten.
 */
static void
take_error(PushProblem *problem)
{
	ErrorData *error = CopyErrorData();

	FlushErrorState();
	problem->code = error->sqlerrcode;
	problem->message = error->message;
	problem->detail = error->detail;
	problem->hint = error->hint;
	if (error->context != NULL)
		problem->detail = error->detail ? psprintf("%s\n%s", error->detail, error->context)
										: error->context;
}

List *
push_row_requests(const PushRows *rows, const char *key, Jsonb *changes, PushProblem *problem)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	List *volatile requests = NIL;

	memset(problem, 0, sizeof(*problem));
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		requests = make_requests(rows, key, changes);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		if (!is_of_row(geterrcode()))
			PG_RE_THROW();
		take_error(problem);
		RollbackAndReleaseCurrentSubTransaction();
		requests = NIL;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return requests;
}
