/*-------------------------------------------------------------------------
 *
 * push_call.c
 *		Take rows that a push sends from SQL, and give back what became of them.
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
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "base/extension_version.h"
#include "options/options.h"
#include "push/push_rights.h"
#include "push/push_send.h"
#include "write/change_check.h"
#include "write/modify_plan.h"

PG_FUNCTION_INFO_V1(crisp_push_send);
PG_FUNCTION_INFO_V1(crisp_push_begun);

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
		push->pushed[i].number = i + 1;
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
		Datum			   values[lengthof(texts) + 5];
		bool			   nulls[lengthof(texts) + 5] = {false};

		values[0] = Int32GetDatum(i + 1);
		for (int n = 0; n < (int) lengthof(texts); n++)
		{
			nulls[n + 1] = texts[n] == NULL;
			values[n + 1] = texts[n] ? CStringGetTextDatum(texts[n]) : (Datum) 0;
		}
		values[lengthof(texts) + 1] = BoolGetDatum(push->pushed[i].anew);
		values[lengthof(texts) + 2] = names_of(push->rows.table, push->pushed[i].written);
		values[lengthof(texts) + 4] = Int32GetDatum(push->pushed[i].needs);
		values[lengthof(texts) + 3] = names_of(push->rows.table, push->pushed[i].perhaps);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
}

/*
 * Write rows to Crisp, and say what became of each: a line for each key.
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
	push_send(&push);
	return_rows(fcinfo, &push);
	relation_close(push.rows.relation, NoLock);
	return (Datum) 0;
}

/*
 * Return the numbers of the rows that crisp_push_send() has begun to write, or forget them.
 *
 * SQL: crisp_push_begun(forget).
 */
Datum
crisp_push_begun(PG_FUNCTION_ARGS)
{
	const Bitmapset *begun = push_send_begun();
	Datum			*numbers = palloc(sizeof(Datum) * Max(bms_num_members(begun), 1));
	int				 count = 0;
	int				 number = -1;

	while ((number = bms_next_member(begun, number)) >= 0)
		numbers[count++] = Int32GetDatum(number);
	if (PG_GETARG_BOOL(0))
		push_send_forget_begun();
	PG_RETURN_ARRAYTYPE_P(
		construct_array(numbers, count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}
