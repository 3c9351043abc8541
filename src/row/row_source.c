/*-------------------------------------------------------------------------
 *
 * row_source.c
 *		Say what fills the columns of a foreign table.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/rel.h"

#include "options/column_map.h"
#include "row/row_source.h"

/*
 * Say which kinds of values a column shows: those of its catalog column, if it has one.
 */
static FlattenKinds
shown_kinds(const CrispColumn *column)
{
	if (column != NULL && (column->flags & CRISP_STRINGS) != 0)
		return FLATTEN_STRINGS;
	if (column != NULL && (column->flags & CRISP_STRUCTURES) != 0)
		return FLATTEN_STRUCTURES;
	return FLATTEN_ALL;
}

FlattenSource
row_source_column(const CrispOptions *options, Oid relid, const FormData_pg_attribute *attribute)
{
	MappedColumn  column = column_map(options, relid, attribute->attnum);
	FlattenSource source = {
		.attnum = attribute->attnum,
		.name = column.name,
		.path = column.path,
		.kinds = column.has_own_path ? FLATTEN_ALL : shown_kinds(column.column),
		.base_first = column.column != NULL && (column.column->flags & CRISP_WORD) != 0,
	};

	/* Partitions are told apart by their website, so it's never what an element says. */
	if (column.column != NULL && (column.column->flags & CRISP_WEBSITE) != 0)
		source.text = options->website_id;
	return source;
}

/*
 * Return what the columns of a table have in common.
 */
static FlattenTable
row_source_table(const CrispOptions *options, Relation relation)
{
	const CrispResource *resource = options->resource;
	const CrispColumn	*argument = crisp_resource_argument(resource);
	const CrispColumn	*key = crisp_resource_key(resource);
	FlattenTable		 table = {.name = RelationGetRelationName(relation),
								  .envelope = resource->envelope,
								  .invalid_text = options->invalid_text};

	if (key == NULL)
		key = crisp_resource_name(resource);
	if (argument != NULL)
		table.names[0] = argument->path;
	if (key != NULL && key != argument)
		table.names[1] = key->path;
	return table;
}

Flattener *
row_source_begin(const CrispOptions *options, Relation relation, List *columns,
				 AttrNumber *search_column)
{
	const CrispColumn *search = crisp_resource_search(options->resource);
	Oid				   relid = RelationGetRelid(relation);
	TupleDesc		   tupdesc = RelationGetDescr(relation);
	FlattenSource	  *sources = palloc(sizeof(FlattenSource) * Max(list_length(columns), 1));
	int				   nsources = 0;
	FlattenTable	   table = row_source_table(options, relation);
	ListCell		  *lc;

	if (search_column != NULL)
		*search_column = 0;
	foreach(lc, columns)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, lfirst_int(lc) - 1);
		FlattenSource	  source = row_source_column(options, relid, attribute);

		if (search != NULL && source.path != NULL && strcmp(source.path, search->path) == 0)
		{
			if (search_column != NULL)
				*search_column = attribute->attnum;
		}
		else
			sources[nsources++] = source;
	}
	return flatten_begin(tupdesc, &table, sources, nsources);
}

List *
row_source_all_columns(Relation relation)
{
	TupleDesc tupdesc = RelationGetDescr(relation);
	List	 *columns = NIL;

	for (int i = 0; i < tupdesc->natts; i++)
		if (!TupleDescAttr(tupdesc, i)->attisdropped)
			columns = lappend_int(columns, i + 1);
	return columns;
}
