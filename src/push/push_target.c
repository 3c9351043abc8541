/*-------------------------------------------------------------------------
 *
 * push_target.c
 *		Say what the catalog knows of writing to the target of a push.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "foreign/fdwapi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/extension_version.h"
#include "options/options.h"
#include "plan/plan.h"
#include "push/push_key.h"
#include "push/push_rights.h"
#include "write/change.h"
#include "write/modify_plan.h"

PG_FUNCTION_INFO_V1(crisp_push_target);

/* Result columns of crisp_push_target(). */
enum
{
	TARGET_RESOURCE,
	TARGET_ORIGIN,
	TARGET_NOUN,
	TARGET_PARENT,
	TARGET_NAMES,
	TARGET_HAS_KEY,
	TARGET_INSERTS,
	TARGET_INSERT_TAKES,
	TARGET_UPDATES,
	TARGET_UPDATE_TAKES,
	TARGET_MERGED,
	TARGET_REMOVES,
	TARGET_PREFETCH,
	TARGET_COUNT
};

/* Columns of a table, as texts, while they are gathered. */
typedef struct Names
{
	Datum *values;
	bool  *nulls;
	int	   count;
} Names;

static Names
begin_names(int most)
{
	return (Names){palloc(sizeof(Datum) * Max(most, 1)), palloc0(sizeof(bool) * Max(most, 1)), 0};
}

static void
add_name(Names *names, const char *name)
{
	names->nulls[names->count] = name == NULL;
	names->values[names->count++] = name ? CStringGetTextDatum(name) : (Datum) 0;
}

static Datum
names_array(const Names *names)
{
	int lower_bound = 1;
	int count = names->count;

	return PointerGetDatum(construct_md_array(names->values, names->nulls, 1, &count, &lower_bound,
											  TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * Return the columns that an INSERT, or else an UPDATE, may write.
 */
static Datum
columns_taken(const ChangeTable *table, bool by_insert)
{
	const CrispChanges *changes = table->changes;
	Names				names = begin_names(table->ncolumns);

	for (int i = 0; i < table->ncolumns; i++)
	{
		const ChangeColumn *column = &table->columns[i];
		const char		   *at_crisp;

		if (column->name == NULL || column->generated)
			continue;
		at_crisp = change_column_target(table, column);
		if (at_crisp == NULL ||
			(column->data_key == NULL && change_attribute(table, at_crisp) != i + 1))
			continue;
		if (by_insert ? changes->insert != NULL && crisp_insert_takes(changes, at_crisp)
					  : changes->updates != NULL && crisp_update_takes(changes, at_crisp))
			add_name(&names, column->name);
	}
	return names_array(&names);
}

/*
 * Return the column for all of a row's custom data, if it can be written.
 */
static Datum
merged_columns(const ChangeTable *table)
{
	Names	   names = begin_names(1);
	AttrNumber attnum = table->data_column ? change_attribute(table, table->data_column) : 0;

	if (attnum > 0 && table->changes->updates != NULL)
		add_name(&names, table->columns[attnum - 1].name);
	return names_array(&names);
}

/*
 * Return whose rows a table shows, as crisp_sync_origin_of() does, but for its inbox.
 */
static Datum
origin_of(const CrispOptions *options)
{
	Names parts = begin_names(4);

	add_name(&parts, options->resource->name);
	add_name(&parts, options->website_id);
	add_name(&parts, NULL);
	add_name(&parts, options->base_url);
	return names_array(&parts);
}

/*
 * Raise an error unless a relation is a foreign table of this wrapper.
 */
static void
check_crisp_table(Oid relid)
{
	if (get_rel_relkind(relid) != RELKIND_FOREIGN_TABLE ||
		GetFdwRoutineByRelId(relid)->GetForeignRelSize != crispGetForeignRelSize)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("\"%s\" is not a foreign table of crisp_fdw", get_rel_name(relid)),
						errhint("The target of a push is a table as IMPORT FOREIGN SCHEMA makes "
								"them.")));
}

/*
 * Return what names a row at Crisp, in names of the table's columns.
 */
static Datum
names_of_rows(const ChangeTable *table)
{
	Names	columns = begin_names(2);
	PushKey keys[2];
	int		count = push_keys(table, keys);

	for (int i = 0; i < count; i++)
		add_name(&columns, keys[i].name);
	return names_array(&columns);
}

/*
 * Return what can be written to a foreign table, in names of its columns.  The mapping of the
 * current user must be complete, and the table writable.
 *
 * SQL: crisp_push_target(target).
 */
Datum
crisp_push_target(PG_FUNCTION_ARGS)
{
	Oid					relid = PG_GETARG_OID(0);
	CrispOptions	   *options;
	const CrispChanges *changes;
	ChangeTable		   *table;
	Relation			relation;
	TupleDesc			tupdesc;
	Datum				values[TARGET_COUNT] = {0};
	bool				nulls[TARGET_COUNT] = {false};

	extension_version_check();
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	push_rights_check(relid);
	check_crisp_table(relid);
	options = options_of_table(relid);
	changes = options->resource->changes;
	relation = relation_open(relid, AccessShareLock);
	modify_check_allowed(options, relation,
						 changes != NULL && changes->updates != NULL ? CMD_UPDATE : CMD_INSERT);
	if (changes == NULL)
		pg_unreachable();
	option_add_credentials(options, GetUserId());

	table = change_table_create(options, relation);
	values[TARGET_RESOURCE] = CStringGetTextDatum(options->resource->name);
	values[TARGET_ORIGIN] = origin_of(options);
	values[TARGET_NOUN] = CStringGetTextDatum(changes->noun);
	nulls[TARGET_PARENT] = changes->parent == NULL;
	values[TARGET_PARENT] = changes->parent ? CStringGetTextDatum(changes->parent) : (Datum) 0;
	values[TARGET_NAMES] = names_of_rows(table);
	values[TARGET_HAS_KEY] = BoolGetDatum(crisp_resource_key(options->resource) != NULL ||
										  crisp_resource_name(options->resource) != NULL);
	values[TARGET_INSERTS] = BoolGetDatum(changes->insert != NULL);
	values[TARGET_INSERT_TAKES] = columns_taken(table, true);
	values[TARGET_UPDATES] = BoolGetDatum(changes->updates != NULL);
	values[TARGET_UPDATE_TAKES] = columns_taken(table, false);
	values[TARGET_MERGED] = merged_columns(table);
	values[TARGET_REMOVES] = BoolGetDatum(changes->remove != NULL);
	values[TARGET_PREFETCH] = Int32GetDatum(options->prefetch);
	relation_close(relation, NoLock);

	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls)));
}
