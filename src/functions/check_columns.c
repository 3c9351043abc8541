/*-------------------------------------------------------------------------
 *
 * check_columns.c
 *		Look for columns of foreign tables that show nothing, as where their path is misspelt.
 *
 * A column that isn't in the catalog shows what stands at its path, or what the flattening rule
 * finds by its name; where there is nothing it's NULL, without an error, since Crisp leaves out
 * fields that are empty.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_foreign_table.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/varlena.h"

#include "fetch/pager.h"
#include "functions/check_columns.h"
#include "json/json_path.h"
#include "options/column_map.h"
#include "request/request.h"
#include "base/compat.h"

/* In how many letters a misspelt name may differ from what was meant; less than half of them. */
#define MOST_WRONG_LETTERS 3

/* A column that isn't in the catalog. */
typedef struct OwnColumn
{
	const char	   *name;
	const char	   *looked_for; /* its column_name option, else its name */
	const char	   *path_text;	/* of option json_path; or NULL */
	const JsonPath *path;		/* likewise */
	const char	   *key;		/* without one: what the flattening rule goes by, in UTF-8 */
	bool			found;
} OwnColumn;

List *
check_columns_tables(Oid server_id)
{
	Relation	  catalog = table_open(ForeignTableRelationId, AccessShareLock);
	TableScanDesc scan = table_beginscan_catalog(catalog, 0, NULL);
	List		 *tables = NIL;
	HeapTuple	  tuple;

	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		const FormData_pg_foreign_table *form = (Form_pg_foreign_table) GETSTRUCT(tuple);

		if (form->ftserver == server_id &&
			pg_class_aclcheck(form->ftrelid, GetUserId(), ACL_SELECT) == ACLCHECK_OK)
			tables = lappend_oid(tables, form->ftrelid);
	}
	table_endscan(scan);
	table_close(catalog, AccessShareLock);
	return tables;
}

/*
 * Return the columns of a table that aren't in the catalog: a List of OwnColumn.
 */
static List *
own_columns(const CrispOptions *options, Relation relation)
{
	TupleDesc tupdesc = RelationGetDescr(relation);
	List	 *columns = NIL;

	for (int i = 0; i < tupdesc->natts; i++)
	{
		MappedColumn map;
		OwnColumn	*column;

		if (TupleDescAttr(tupdesc, i)->attisdropped)
			continue;
		map = column_map(options, RelationGetRelid(relation), (AttrNumber) (i + 1));
		if (map.column != NULL)
			continue;
		column = palloc0(sizeof(OwnColumn));
		column->name = pstrdup(NameStr(TupleDescAttr(tupdesc, i)->attname));
		column->looked_for = pstrdup(map.name);
		column->path_text = map.path;
		column->path = map.path ? json_path_of(map.path) : NULL;
		column->key = pg_server_to_any(map.name, (int) strlen(map.name), PG_UTF8);
		columns = lappend(columns, column);
	}
	return columns;
}

/*
 * Say whether a row has a value for a column; as find_value() in flatten.c finds it.
 */
static bool
has_value(const CrispOptions *options, const OwnColumn *column, const JsonNode *row)
{
	const char *envelope = options->resource->envelope;

	if (column->path != NULL)
		return json_path_get(row, column->path) != NULL;
	return json_path_find(row, column->key) != NULL ||
		   (envelope != NULL &&
			json_path_find(json_node_member(row, envelope), column->key) != NULL);
}

/*
 * Look for values of columns on the first page of the list.  Return how many rows it has.
 */
static int
look_at_page(const CrispOptions *options, const List *columns)
{
	ListRequest		list = request_whole_list(options);
	Pager		   *pager = pager_begin(&list, NULL);
	int				rows = 0;
	const JsonNode *row;

	(void) pager_go_to(pager, 1);
	while ((row = pager_next_on_page(pager)) != NULL)
	{
		ListCell *lc;

		foreach(lc, columns)
		{
			OwnColumn *column = lfirst(lc);

			column->found = column->found || has_value(options, column, row);
		}
		rows++;
	}
	pager_end(pager);
	return rows;
}

/*
 * Return what a column of the resource is found by: its JSON path, or its name.
 */
static const char *
known_text(const CrispResource *resource, int i, bool by_path)
{
	const CrispColumn *column = &resource->columns[i];

	return by_path ? column->path : crisp_column_name(resource, column);
}

/*
 * Return the only text of the resource's columns that ends with a text as one of its parts; NULL
 * where there is none, or several.
 */
static const char *
longer_text(const CrispResource *resource, const char *text, bool by_path)
{
	char	   *end = psprintf("%c%s", by_path ? '.' : '_', text);
	size_t		length = strlen(end);
	const char *found = NULL;

	for (int i = 0; i < resource->ncolumns; i++)
	{
		const char *other = known_text(resource, i, by_path);
		size_t		other_length = other ? strlen(other) : 0;

		if (other_length <= length || strcmp(other + other_length - length, end) != 0)
			continue;
		if (found != NULL)
			return NULL;
		found = other;
	}
	return found;
}

/*
 * Return the name, or the path, of the resource's column that is most like a text, and may have
 * been meant; or NULL.
 */
static const char *
closest_text(const CrispResource *resource, const char *text, bool by_path)
{
	const char *closest = NULL;
	int			length = (int) strlen(text);
	int			most = length < NAMEDATALEN ? Min(MOST_WRONG_LETTERS, (length - 1) / 2) : 0;

	for (int i = 0; i < resource->ncolumns && most > 0; i++)
	{
		const char *other = known_text(resource, i, by_path);
		int			distance;

		/* varstr_levenshtein() takes no longer ones. */
		if (other == NULL || strlen(other) >= NAMEDATALEN)
			continue;
		distance = varstr_levenshtein_less_equal(text, length, other, (int) strlen(other), 1, 1, 1,
												 most, true);
		if (distance <= most)
		{
			closest = other;
			most = distance - 1;
		}
	}
	return closest ? closest : longer_text(resource, text, by_path);
}

/*
 * Tell of a column that has no value in so many rows.
 */
static void
tell_of_column(const CrispOptions *options, const OwnColumn *column, Relation relation, int rows)
{
	bool		by_path = column->path_text != NULL;
	const char *meant = closest_text(options->resource,
									 by_path ? column->path_text : column->looked_for, by_path);

	ereport(
		NOTICE,
		(errmsg("no row of the first page of \"%s.%s\" has a value for column \"%s\"",
				get_namespace_name(RelationGetNamespace(relation)),
				RelationGetRelationName(relation), column->name),
		 column->path_text
			 ? errdetail("Looked for JSON path \"%s\" in %d rows.", column->path_text, rows)
			 : errdetail("Crisp's resource \"%s\" has no column of that name, and %d rows "
						 "have nothing at the path that the name stands for.",
						 options->resource->name, rows),
		 meant && by_path
			 ? errhint("Perhaps you meant the JSON path \"%s\". crisp_fdw_columns() lists "
					   "all that are known.",
					   meant)
		 : meant
			 ? errhint("Perhaps you meant the column \"%s\". crisp_fdw_columns() lists all that "
					   "are known.",
					   meant)
			 : errhint("If it is misspelt, it is always NULL. crisp_fdw_columns() lists the "
					   "names and paths that are known.")));
}

void
check_columns(Oid relid, const CrispOptions *server)
{
	Relation	  relation = try_relation_open(relid, AccessShareLock);
	CrispOptions *options;
	List		 *columns;
	ListCell	 *lc;
	int			  rows;

	if (relation == NULL)
		return;
	options = options_of_table(relid);
	columns = own_columns(options, relation);
	if (columns != NIL && options->resource->parent == NULL &&
		options->resource->detail_route == NULL)
	{
		options->max_retries = server->max_retries;
		options->prefetch = server->prefetch;
		options->counts = server->counts;
		option_add_credentials(options, GetUserId());
		rows = look_at_page(options, columns);
		foreach(lc, columns)
		{
			const OwnColumn *column = lfirst(lc);

			if (!column->found && rows > 0)
				tell_of_column(options, column, relation, rows);
		}
	}
	relation_close(relation, AccessShareLock);
}
