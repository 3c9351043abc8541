/*-------------------------------------------------------------------------
 *
 * change_table.c
 *		Describe a foreign table that is written to in terms of the catalog.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "json/json_path.h"
#include "options/column_map.h"
#include "write/change_table.h"

/*
 * Return the key of custom data whose value a column shows, if it's flat, as custom data is; NULL
 * otherwise.
 */
static const char *
data_key(const CrispOptions *options, const ChangeTable *table, const MappedColumn *mapped)
{
	const JsonPath *whole = json_path_of(options->resource->custom_data->path);
	size_t			length = strlen(table->data_column);
	const char	   *name = mapped->name;

	if (mapped->path != NULL)
	{
		const JsonPath *path = json_path_of(mapped->path);

		if (path->nkeys != whole->nkeys + 1)
			return NULL;
		for (int i = 0; i < whole->nkeys; i++)
			if (strcmp(path->keys[i], whole->keys[i]) != 0)
				return NULL;
		return path->keys[whole->nkeys];
	}

	/* By the flattening rule. */
	if (strncmp(name, table->data_column, length) != 0 || name[length] != '_' ||
		name[length + 1] == '\0')
		return NULL;
	name += length + 1;
	return pg_server_to_any(name, (int) strlen(name), PG_UTF8);
}

/*
 * Describe what a column that isn't in the catalog shows, if that can be written.
 */
static void
describe_data_column(ChangeColumn *column, const CrispOptions *options, const ChangeTable *table,
					 const MappedColumn *mapped, Oid type)
{
	CrispType as;

	if (table->data_column == NULL || !encoder_scalar_type(type, &as))
		return;
	column->data_key = data_key(options, table, mapped);
	if (column->data_key != NULL)
		column->encoder = encoder_create(type, as);
}

/*
 * Return the catalog's column for the custom data of a resource, if that can be written.
 */
static const char *
writable_data_column(const CrispResource *resource)
{
	const char *name;

	if (resource->custom_data == NULL)
		return NULL;
	name = crisp_column_name(resource, crisp_column_by_path(resource, resource->custom_data->path));
	return crisp_written_by(resource->changes, name) != NULL ? name : NULL;
}

ChangeTable *
change_table_create(const CrispOptions *options, Relation relation)
{
	TupleDesc	 tupdesc = RelationGetDescr(relation);
	ChangeTable *table = palloc0(sizeof(ChangeTable));

	table->options = options;
	table->changes = options->resource->changes;
	table->name = pstrdup(RelationGetRelationName(relation));
	table->sql_name = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
												 RelationGetRelationName(relation));
	table->data_column = writable_data_column(options->resource);
	table->ncolumns = tupdesc->natts;
	table->columns = palloc0(sizeof(ChangeColumn) * Max(tupdesc->natts, 1));
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);
		ChangeColumn	 *column = &table->columns[i];
		MappedColumn	  mapped;

		if (attribute->attisdropped)
			continue;
		column->name = pstrdup(NameStr(attribute->attname));
		column->generated = attribute->attgenerated != '\0';
		mapped = column_map(options, RelationGetRelid(relation), attribute->attnum);
		column->column = mapped.column;
		if (column->column == NULL)
		{
			describe_data_column(column, options, table, &mapped, attribute->atttypid);
			continue;
		}
		column->catalog_name = crisp_column_name(options->resource, column->column);
		column->encoder = encoder_create(attribute->atttypid, column->column->type);
	}
	return table;
}

AttrNumber
change_attribute(const ChangeTable *table, const char *catalog_name)
{
	for (int i = 0; i < table->ncolumns; i++)
		if (table->columns[i].catalog_name != NULL &&
			strcmp(table->columns[i].catalog_name, catalog_name) == 0)
			return (AttrNumber) (i + 1);
	return InvalidAttrNumber;
}

const CrispOtherKey *
change_other_key(const ChangeTable *table, const char *catalog_name)
{
	const CrispOtherKey *other = table->changes->other_key;

	return other != NULL && strcmp(other->column, catalog_name) == 0 ? other : NULL;
}

AttrNumber
change_key_attribute(const ChangeTable *table, const char *catalog_name)
{
	const CrispOtherKey *other = change_other_key(table, catalog_name);
	AttrNumber			 attnum = change_attribute(table, catalog_name);

	if (attnum == InvalidAttrNumber && other != NULL)
		attnum = change_attribute(table, other->other);
	return attnum;
}

const char *
change_column_name(const ChangeTable *table, const char *catalog_name)
{
	AttrNumber attnum = change_attribute(table, catalog_name);

	return attnum > 0 ? table->columns[attnum - 1].name : catalog_name;
}

const char *
change_column_target(const ChangeTable *table, const ChangeColumn *column)
{
	return column->data_key != NULL ? table->data_column : column->catalog_name;
}

bool
change_writes_data(const ChangeTable *table, const Bitmapset *columns)
{
	int attnum = -1;

	while (table->data_column != NULL && (attnum = bms_next_member(columns, attnum)) >= 0)
	{
		const char *target = change_column_target(table, &table->columns[attnum - 1]);

		if (target != NULL && strcmp(target, table->data_column) == 0)
			return true;
	}
	return false;
}

char *
change_row_text(const ChangeRow *row, const char *catalog_name)
{
	AttrNumber attnum = change_attribute(row->table, catalog_name);

	if (attnum == InvalidAttrNumber || row->nulls[attnum - 1])
		return NULL;
	return encoder_text(row->table->columns[attnum - 1].encoder, row->values[attnum - 1]);
}
