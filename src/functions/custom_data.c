/*-------------------------------------------------------------------------
 *
 * custom_data.c
 *		Make columns for the keys of custom data, for IMPORT FOREIGN SCHEMA.
 *
 * Crisp tells which keys are in use, not what their values are.  So a page of rows is looked
 * at: a column gets the type that fits all values there, and text if there are none.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "functions/custom_data.h"
#include "json/json_path.h"
#include "fetch/pager.h"
#include "fetch/children.h"
#include "request/request_child.h"

/* Rows that are looked at where each takes a request. */
#define SAMPLED_ROWS 20

/* What was seen of a key's values. */
#define SEEN_INTEGER 0x01
#define SEEN_NUMBER 0x02
#define SEEN_BOOLEAN 0x04
#define SEEN_OTHER 0x08

/* A key in use. */
typedef struct CustomKey
{
	const char *key; /* UTF-8 */
	int			seen;
} CustomKey;

/*----------
 * What Crisp has
 *----------
 */

/*
 * Make options to ask for another resource of the same website with.
 */
static CrispOptions *
options_for(const CrispOptions *options, const CrispResource *resource)
{
	CrispOptions *other = palloc(sizeof(CrispOptions));

	*other = *options;
	other->resource = resource;
	other->table_name = resource->name;
	return other;
}

static Pager *
begin_list(const CrispOptions *options)
{
	ListRequest list = request_whole_list(options);

	return pager_begin(&list, NULL);
}

/*
 * Return a string of a row that can be a key: it's UTF-8, and holds no NUL.  NULL for anything
 * else.
 */
static const char *
valid_key(const JsonNode *value)
{
	size_t		length;
	const char *key = json_node_string(value, &length);

	if (key == NULL || strlen(key) != length || !pg_verify_mbstr(PG_UTF8, key, (int) length, true))
		return NULL;
	return key;
}

/*
 * Read the keys in use, in Crisp's order, but no more than limit: a List of CustomKey.
 */
static List *
read_keys(const CrispOptions *options, int limit)
{
	const CrispResource *keys = options->resource->custom_data->keys;
	Pager				*pager = begin_list(options_for(options, keys));
	const JsonPath		*path = json_path_of(crisp_resource_key(keys)->path);
	List				*result = NIL;
	const JsonNode		*row;

	while ((row = pager_next(pager)) != NULL)
	{
		const char *text = valid_key(json_path_get(row, path));
		CustomKey  *key;

		if (text == NULL)
		{
			ereport(NOTICE, (errmsg("a key of custom data that is no text is not imported")));
			continue;
		}
		if (list_length(result) == limit)
		{
			ereport(NOTICE, (errmsg("not all keys of custom data of \"%s\" are imported",
									options->resource->name),
							 errdetail("A table has %d columns at most.", MaxHeapAttributeNumber)));
			break;
		}
		key = palloc0(sizeof(CustomKey));
		key->key = pstrdup(text);
		result = lappend(result, key);
	}
	pager_end(pager);
	return result;
}

/*
 * Return what is seen of a key in one value.
 */
static int
kind_seen(const JsonNode *value)
{
	int64		integer;
	size_t		length;
	const char *text;

	switch (json_node_kind(value))
	{
		case JSON_NODE_NULL:
			return 0;
		case JSON_NODE_BOOLEAN:
			return SEEN_BOOLEAN;
		case JSON_NODE_NUMBER:
			if (json_node_int64(value, &integer))
				return SEEN_INTEGER;

			/* An integer too large for bigint keeps its digits as text only. */
			text = json_text(value, &length);
			return strpbrk(text, ".eE") != NULL ? SEEN_NUMBER : SEEN_OTHER;
		default:
			return SEEN_OTHER;
	}
}

/*
 * Look at the values of a row.
 */
static void
see_row(const CrispOptions *options, List *keys, const JsonNode *row)
{
	const JsonPath *path = json_path_of(options->resource->custom_data->path);
	const JsonNode *data = json_path_get(row, path);
	ListCell	   *lc;

	foreach(lc, keys)
	{
		CustomKey *key = lfirst(lc);

		key->seen |= kind_seen(json_node_member(data, key->key));
	}
}

/*
 * Look at the values of some rows: a page of them, or, where each takes a request, SAMPLED_ROWS.
 */
static void
sample_values(const CrispOptions *options, List *keys)
{
	const JsonNode *row;

	if (options->resource->parent == NULL)
	{
		Pager *pager = begin_list(options);

		(void) pager_go_to(pager, 1);
		while ((row = pager_next_on_page(pager)) != NULL)
			see_row(options, keys, row);
		pager_end(pager);
	}
	else
	{
		CrispOptions *one_by_one = options_for(options, options->resource);
		CrispRequest *request;
		RowReader	 *children;
		FetchedRow	  child;

		/* So that no row is asked for that isn't looked at. */
		one_by_one->prefetch = 1;
		request = request_create_child(one_by_one, NIL, NULL, false);
		children = children_begin(&request->as.children, NULL, NULL);
		for (int i = 0; i < SAMPLED_ROWS && row_reader_next(children, &child); i++)
			see_row(options, keys, child.row);
		row_reader_end(children);
	}
}

/*----------
 * Columns
 *----------
 */

static const char *
type_seen(int seen)
{
	switch (seen)
	{
		case SEEN_INTEGER:
			return "bigint";
		case SEEN_NUMBER:
		case SEEN_INTEGER | SEEN_NUMBER:
			return "double precision";
		case SEEN_BOOLEAN:
			return "boolean";
		default:
			return "text";
	}
}

/*
 * Return a key in the database's encoding; NULL when that lacks a character.
 */
static char *
key_in_server_encoding(const char *key)
{
	int	  encoding = GetDatabaseEncoding();
	int	  length = (int) strlen(key);
	Oid	  conversion;
	Size  size;
	char *result;

	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
		return pstrdup(key);
	conversion = FindDefaultConversionProc(PG_UTF8, encoding);
	if (!OidIsValid(conversion))
		return NULL;
	size = (Size) length * MAX_CONVERSION_GROWTH + 1;
	result = palloc(size);
	if (pg_do_encoding_conversion_buf(conversion, PG_UTF8, encoding, (unsigned char *) key, length,
									  (unsigned char *) result, (int) size, true) != length)
		return NULL;
	return result;
}

static bool
is_taken(const CrispResource *resource, List *columns, const char *name)
{
	ListCell *lc;

	foreach(lc, columns)
		if (strcmp(((const CustomColumn *) lfirst(lc))->name, name) == 0)
			return true;
	return crisp_column_by_name(resource, name) != NULL;
}

/*
 * Return a name cut to length bytes, between characters, with a suffix.
 */
static char *
name_with_suffix(const char *name, int length, const char *suffix)
{
	int kept = pg_mbcliplen(name, (int) strlen(name), length - (int) strlen(suffix));

	return psprintf("%.*s%s", kept, name, suffix);
}

/*
 * Return the name of a key's column, by the flattening rule, unless that is too long, or taken.
 */
static const char *
column_name(const CrispResource *resource, List *columns, const char *key)
{
	const CrispColumn *data = crisp_column_by_path(resource, resource->custom_data->path);
	char			  *wanted = psprintf("%s_%s", crisp_column_name(resource, data), key);
	char			  *name = name_with_suffix(wanted, NAMEDATALEN - 1, "");

	for (int i = 2; is_taken(resource, columns, name); i++)
		name = name_with_suffix(wanted, NAMEDATALEN - 1, psprintf("_%d", i));
	if (strcmp(name, wanted) != 0)
		ereport(NOTICE, (errmsg("custom data \"%s\" of \"%s\" is imported as column \"%s\"", key,
								resource->name, name)));
	return name;
}

/*
 * Return the path of a key below the column that holds custom data.
 */
static const char *
column_path(const CrispResource *resource, const char *key)
{
	StringInfoData path;

	initStringInfo(&path);
	appendStringInfoString(&path, resource->custom_data->path);
	json_path_append_key(&path, key);
	return path.data;
}

List *
custom_data_columns(const CrispOptions *options)
{
	const CrispResource *resource = options->resource;
	List				*keys = read_keys(options, MaxHeapAttributeNumber - resource->ncolumns);
	List				*columns = NIL;
	ListCell			*lc;

	if (keys != NIL)
		sample_values(options, keys);
	foreach(lc, keys)
	{
		const CustomKey *key = lfirst(lc);
		char			*text = key_in_server_encoding(key->key);
		CustomColumn	*column;

		if (text == NULL)
		{
			ereport(NOTICE,
					(errmsg("a key of custom data of \"%s\" is not imported", resource->name),
					 errdetail("The database's encoding has not all of its characters.")));
			continue;
		}
		column = palloc(sizeof(CustomColumn));
		column->name = column_name(resource, columns, text);
		column->type = type_seen(key->seen);
		column->path = column_path(resource, text);
		columns = lappend(columns, column);
	}
	return columns;
}
