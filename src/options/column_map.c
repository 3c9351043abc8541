/*-------------------------------------------------------------------------
 *
 * column_map.c
 *		Find what a column of a foreign table shows of Crisp's rows.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "utils/lsyscache.h"

#include "json/json_path.h"
#include "options/column_map.h"

/*
 * Find the catalog's column at a path that option json_path names.
 */
static const CrispColumn *
column_at_path(const CrispResource *resource, const char *path, Oid type)
{
	bool is_json = type == JSONBOID || type == JSONOID;

	for (int i = 0; i < resource->ncolumns; i++)
		if (strcmp(resource->columns[i].path, path) == 0 &&
			(resource->columns[i].type == CRISP_JSON) == is_json)
			return &resource->columns[i];
	return crisp_column_by_path(resource, path);
}

MappedColumn
column_map(const CrispOptions *options, Oid relid, AttrNumber attnum)
{
	MappedColumn result = {.name = get_attname(relid, attnum, false)};
	ListCell	*lc;

	foreach(lc, GetForeignColumnOptions(relid, attnum))
	{
		DefElem *def = lfirst_node(DefElem, lc);

		if (strcmp(def->defname, "column_name") == 0)
			result.name = defGetString(def);
		else if (strcmp(def->defname, "json_path") == 0)
			result.path = json_path_normalize(defGetString(def));
	}
	result.has_own_path = result.path != NULL;
	if (result.has_own_path)
		result.column = column_at_path(options->resource, result.path,
									   getBaseType(get_atttype(relid, attnum)));
	else
		result.column = crisp_column_by_name(options->resource, result.name);
	if (!result.has_own_path && result.column != NULL)
		result.path = result.column->path;
	return result;
}

const CrispColumn *
column_map_catalog(const CrispOptions *options, Oid relid, AttrNumber attnum)
{
	return column_map(options, relid, attnum).column;
}
