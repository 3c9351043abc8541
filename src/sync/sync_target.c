/*-------------------------------------------------------------------------
 *
 * sync_target.c
 *		Open the table that a run of crisp_sync() writes to.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_index.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "base/extension_version.h"
#include "sync/sync_owner.h"
#include "sync/sync_target.h"

PG_FUNCTION_INFO_V1(crisp_sync_can_assign);

/*
 * Return the texts of an array as C strings.
 */
static char **
names_of(Datum array, int *count)
{
	Datum *texts;
	char **names;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &texts, NULL,
					  count);
	names = palloc(sizeof(char *) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
		names[i] = TextDatumGetCString(texts[i]);
	return names;
}

/*
 * Find the attribute of a name.  Raise an error when there is none.
 */
static AttrNumber
find_column(Relation table, const char *name)
{
	AttrNumber attnum = get_attnum(RelationGetRelid(table), name);

	if (attnum <= 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("column \"%s\" of table \"%s\" does not exist", name,
							   RelationGetRelationName(table))));
	return attnum;
}

/*
 * Return which of the copied columns has a name; -1 when none does.
 */
static int
number_of(const SyncTarget *target, const char *name)
{
	AttrNumber attnum = name ? get_attnum(RelationGetRelid(target->table), name) : 0;

	for (int i = 0; i < target->ncolumns; i++)
		if (attnum > 0 && target->attnums[i] == attnum)
			return i;
	return -1;
}

/*
 * Say whether a table has a column of a name that may be written.
 */
static bool
is_written(Relation table, const char *name)
{
	AttrNumber		  attnum = get_attnum(RelationGetRelid(table), name);
	Form_pg_attribute attribute;

	if (attnum <= 0)
		return false;
	attribute = TupleDescAttr(RelationGetDescr(table), attnum - 1);
	return attribute->attgenerated == '\0' && attribute->attidentity != 'a';
}

/*
 * Say whether all columns of an index are keys; *exactly: and all keys are among them.
 */
static bool
is_on_keys(const SyncTarget *target, Form_pg_index index, bool *exactly)
{
	int found = 0;

	for (int i = 0; i < index->indnkeyatts; i++)
	{
		bool is_key = false;

		for (int k = 0; k < target->nkeys; k++)
			if (target->attnums[target->keys[k]] == index->indkey.values[i])
				is_key = true;
		if (!is_key)
			return false;
		found++;
	}
	*exactly = found == target->nkeys;
	return true;
}

/*
 * Find which indexes let a key be there only once.
 */
static void
find_unique_keys(SyncTarget *target, int nkeys_wanted)
{
	ListCell *cell;

	foreach(cell, RelationGetIndexList(target->table))
	{
		HeapTuple	  tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
		Form_pg_index index;
		bool		  exactly;

		if (!HeapTupleIsValid(tuple))
			continue;
		index = (Form_pg_index) GETSTRUCT(tuple);
		if (index->indisunique && heap_attisnull(tuple, Anum_pg_index_indpred, NULL) &&
			heap_attisnull(tuple, Anum_pg_index_indexprs, NULL) &&
			is_on_keys(target, index, &exactly))
		{
			target->unique_keys = lappend_oid(target->unique_keys, index->indexrelid);
			if (exactly && target->nkeys == nkeys_wanted && index->indisvalid &&
				index->indimmediate)
				target->has_key = true;
		}
		ReleaseSysCache(tuple);
	}
}

/*
 * Raise an error where policies would hide rows, or refuse them.
 */
static void
check_row_security(const SyncTarget *target)
{
	Oid roles[] = {GetUserId(), target->owner};

	for (int i = 0; i < (int) lengthof(roles); i++)
		if (check_enable_rls(RelationGetRelid(target->table), roles[i], true) == RLS_ENABLED)
			ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
							errmsg("table \"%s\" has row-level security, which holds for \"%s\"",
								   RelationGetRelationName(target->table),
								   GetUserNameFromId(roles[i], false))));
}

/*
 * Say whether what rows hold may be what a trigger has put there.
 */
static bool
may_be_set_by_trigger(Relation table)
{
	for (int i = 0; table->trigdesc != NULL && i < table->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &table->trigdesc->triggers[i];

		if (!trigger->tgisinternal && trigger->tgenabled != TRIGGER_DISABLED &&
			(TRIGGER_FOR_INSERT(trigger->tgtype) || TRIGGER_FOR_UPDATE(trigger->tgtype)))
			return true;
	}
	return false;
}

/*
 * Say whether a copied column tells which of two versions of a row is the newer.
 *
 * It must hold Crisp's time, in a type that orders times as they follow each other: one that a
 * trigger has set, or the time of day, would keep a newer version out.
 */
static bool
tells_newer(const SyncTarget *target, int column)
{
	AttrNumber attnum = target->attnums[column];

	switch (getBaseType(TupleDescAttr(RelationGetDescr(target->table), attnum - 1)->atttypid))
	{
		case TIMESTAMPTZOID:
		case TIMESTAMPOID:
		case DATEOID:
		case INT8OID:
		case NUMERICOID:
		case FLOAT8OID:
			return !may_be_set_by_trigger(target->table);
		default:
			return false;
	}
}

/*
 * Open a target.
 */
SyncTarget *
sync_target_open(Oid relid, Datum columns, Datum keys, const char *argument, const char *guard)
{
	SyncTarget *target = palloc0(sizeof(SyncTarget));
	char	  **names = names_of(columns, &target->ncolumns);
	int			nkeys;
	char	  **key_names = names_of(keys, &nkeys);

	sync_owner_check_rights(relid);
	target->table = table_open(relid, RowExclusiveLock);
	target->owner = target->table->rd_rel->relowner;
	target->name = quote_qualified_identifier(
		get_namespace_name(RelationGetNamespace(target->table)),
		RelationGetRelationName(target->table));
	check_row_security(target);
	target->attnums = palloc(sizeof(AttrNumber) * Max(target->ncolumns, 1));
	for (int i = 0; i < target->ncolumns; i++)
		target->attnums[i] = find_column(target->table, names[i]);
	target->keys = palloc(sizeof(int) * Max(nkeys, 1));
	for (int i = 0; i < nkeys; i++)
	{
		int number = number_of(target, key_names[i]);

		if (number >= 0)
			target->keys[target->nkeys++] = number;
	}
	target->argument = number_of(target, argument);
	target->guard = number_of(target, guard);
	if (target->guard >= 0 && !tells_newer(target, target->guard))
		target->guard = -1;
	target->has_synced = is_written(target->table, "_synced_at");
	target->has_deleted = is_written(target->table, "_deleted_at");
	find_unique_keys(target, nkeys);
	return target;
}

/*
 * Let go of a target.
 */
void
sync_target_close(SyncTarget *target)
{
	table_close(target->table, NoLock);
}

/*
 * Append something of each copied column.
 */
void
sync_target_list(StringInfo sql, const SyncTarget *target, const char *format)
{
	for (int i = 0; i < target->ncolumns; i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(target->table),
												 target->attnums[i] - 1);

		if (i > 0)
			appendStringInfoString(sql, ", ");
		for (const char *c = format; *c != '\0'; c++)
		{
			if (*c != '%')
				appendStringInfoChar(sql, *c);
			else if (*++c == 't')
				appendStringInfoString(sql, quote_identifier(NameStr(column->attname)));
			else
				appendStringInfo(sql, "c%d", i + 1);
		}
	}
}

/*
 * Append that a column equals something, as its type sees it.
 */
void
sync_target_equals(StringInfo sql, const SyncTarget *target, int column, const char *expression,
				   bool any)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(target->table),
												target->attnums[column] - 1);
	TypeCacheEntry	 *type = lookup_type_cache(attribute->atttypid, TYPECACHE_EQ_OPR);
	HeapTuple		  tuple;
	Form_pg_operator  operator;

	if (!OidIsValid(type->eq_opr))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("column \"%s\" of table \"%s\" has a type without equality",
						NameStr(attribute->attname), RelationGetRelationName(target->table))));
	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(type->eq_opr));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", type->eq_opr);
	operator=(Form_pg_operator) GETSTRUCT(tuple);
	appendStringInfo(sql, "t.%s OPERATOR(%s.%s) %s(%s)",
					 quote_identifier(NameStr(attribute->attname)),
					 quote_identifier(get_namespace_name(operator->oprnamespace)),
					 NameStr(operator->oprname), any ? "ANY " : "", expression);
	ReleaseSysCache(tuple);
}

/*
 * Say whether an INSERT may write values of a type into a column of another one.
 *
 * SQL: crisp_sync_can_assign(type, type).
 */
Datum
crisp_sync_can_assign(PG_FUNCTION_ARGS)
{
	Oid from = PG_GETARG_OID(0);
	Oid to = PG_GETARG_OID(1);

	extension_version_check();
	PG_RETURN_BOOL(can_coerce_type(1, &from, &to, COERCION_ASSIGNMENT));
}
