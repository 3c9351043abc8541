/*-------------------------------------------------------------------------
 *
 * flatten.c
 *		Convert the JSON at a path to a Datum of the column's type.
 *
 * Where a column's value stands, and how it becomes a Datum, is decided once
 * per scan; an error says which value of which column it is about.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "json/json_make.h"
#include "row/convert.h"
#include "row/flatten.h"
#include "json/json_path.h"
#include "json/path_tree.h"

/* How many bytes of a value an error shows, and what they take at most. */
#define SHOWN_BYTES 64
#define SHOWN_SIZE (sizeof("\\xff") * SHOWN_BYTES + sizeof("..."))

/* So much more of it decides whether the last character shown is whole. */
#define MAX_UTF8_BYTES 4

/* The longest column name (in UTF-8, whatever the database's encoding), with its NUL. */
#define MAX_NAME_SIZE (NAMEDATALEN * MAX_CONVERSION_GROWTH)

typedef struct FlattenColumn
{
	int				index; /* into values and nulls */
	const char	   *name;
	const char	   *path_text; /* NULL: found by name */
	int				path;	   /* its number in the tree */
	const char	   *name_utf8;
	const JsonPath *base_path; /* the same, for what rows lack */
	FlattenKinds	kinds;
	bool			base_first;
	Conversion	   *conversion;
} FlattenColumn;

/* A column that has the same value in every row. */
typedef struct FlattenConstant
{
	int	  index;
	Datum value;
	bool  isnull;
} FlattenConstant;

struct Flattener
{
	const char	  *relation_name;
	const char	  *envelope;				 /* UTF-8, or NULL */
	JsonPath	  *names[FLATTEN_MAX_NAMES]; /* what names a row; NULL for none */
	InvalidText	   invalid_text;
	int			   natts;
	int			   ncolumns;
	FlattenColumn *columns;
	PathTree	  *paths;

	int				 nconstants;
	FlattenConstant *constants;

	/* What is being converted, for the error context. */
	const JsonNode		*row;
	const JsonNode		*base; /* or NULL */
	const FlattenColumn *column;
	ConversionProgress	 progress;
};

static void			   add_constant(Flattener *flattener, Form_pg_attribute attribute,
									const FlattenSource *source);
static JsonPath		  *parse_path(const FlattenColumn *column, const char *relation_name);
static const JsonNode *column_value(const Flattener *flattener, const FlattenColumn *column);
static const JsonNode *find_value(const Flattener *flattener, const FlattenColumn *column);
static void			   flatten_error_context(void *arg);
static void			   describe_path(const Flattener *flattener, char *path, size_t size);
static void			   describe_row(const Flattener *flattener, char *row, size_t size);
static void			   describe_value(const JsonNode *value, char *shown, size_t size);
static void escape(const char *utf8, size_t length, size_t limit, char *result, size_t size);

/*
 * Prepare the conversion of rows.
 */
Flattener *
flatten_begin(TupleDesc tupdesc, const FlattenTable *table, const FlattenSource *sources,
			  int nsources)
{
	Flattener *flattener = palloc0(sizeof(Flattener));

	flattener->relation_name = pstrdup(table->name);
	flattener->envelope = table->envelope ? pstrdup(table->envelope) : NULL;
	flattener->invalid_text = table->invalid_text;
	for (int i = 0; i < FLATTEN_MAX_NAMES; i++)
		if (table->names[i] != NULL)
			flattener->names[i] = json_path_of(table->names[i]);
	flattener->natts = tupdesc->natts;
	flattener->paths = path_tree_create();
	flattener->columns = palloc0(sizeof(FlattenColumn) * Max(nsources, 1));
	flattener->constants = palloc0(sizeof(FlattenConstant) * Max(nsources, 1));

	for (int i = 0; i < nsources; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, sources[i].attnum - 1);
		FlattenColumn	 *column = &flattener->columns[flattener->ncolumns];

		if (attribute->attisdropped)
			continue;
		if (sources[i].text != NULL)
		{
			add_constant(flattener, attribute, &sources[i]);
			continue;
		}
		column->index = sources[i].attnum - 1;
		column->name = pstrdup(NameStr(attribute->attname));
		if (sources[i].path != NULL)
		{
			column->path_text = pstrdup(sources[i].path);
			column->base_path = parse_path(column, table->name);
			column->path = path_tree_add(flattener->paths, column->base_path);
		}
		else
			column->name_utf8 = pstrdup(
				pg_server_to_any(sources[i].name, (int) strlen(sources[i].name), PG_UTF8));
		column->kinds = sources[i].kinds;
		column->base_first = sources[i].base_first;
		column->conversion = conversion_create(attribute->atttypid, attribute->atttypmod,
											   table->invalid_text);
		flattener->ncolumns++;
	}
	return flattener;
}

/*
 * Add a column that has the same value in every row, converted once.
 */
static void
add_constant(Flattener *flattener, Form_pg_attribute attribute, const FlattenSource *source)
{
	FlattenConstant		*constant = &flattener->constants[flattener->nconstants++];
	FlattenColumn		*column = palloc0(sizeof(FlattenColumn));
	ErrorContextCallback callback;

	column->name = pstrdup(NameStr(attribute->attname));
	column->path_text = pstrdup(source->path);
	flattener->column = column;
	flattener->progress.element = -1;
	callback.callback = flatten_error_context;
	callback.arg = flattener;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	constant->index = attribute->attnum - 1;
	constant->value = conversion_run(
		conversion_create(attribute->atttypid, attribute->atttypmod, INVALID_TEXT_ERROR),
		json_make_string(CurrentMemoryContext, source->text), &flattener->progress,
		&constant->isnull);
	error_context_stack = callback.previous;
}

/*
 * Parse the path of a column, or raise an error that names it.
 */
static JsonPath *
parse_path(const FlattenColumn *column, const char *relation_name)
{
	const char *error;
	JsonPath   *path = json_path_parse(column->path_text, &error);

	if (path == NULL)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("invalid JSON path \"%s\" for column \"%s\" of foreign table \"%s\"",
							   column->path_text, column->name, relation_name),
						errdetail("%s", error)));
	return path;
}

/*
 * Convert one row.
 */
void
flatten_row(Flattener *flattener, const JsonNode *row, const JsonNode *base, Datum *values,
			bool *nulls)
{
	ErrorContextCallback callback;

	memset(values, 0, sizeof(Datum) * flattener->natts);
	memset(nulls, true, sizeof(bool) * flattener->natts);

	flattener->row = row;
	flattener->base = base;
	path_tree_walk(flattener->paths, row);
	callback.callback = flatten_error_context;
	callback.arg = flattener;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	for (int i = 0; i < flattener->ncolumns; i++)
	{
		FlattenColumn *column = &flattener->columns[i];

		flattener->column = column;
		flattener->progress.value = NULL;
		flattener->progress.element = -1;
		values[column->index] = conversion_run(column->conversion, column_value(flattener, column),
											   &flattener->progress, &nulls[column->index]);
	}

	error_context_stack = callback.previous;

	for (int i = 0; i < flattener->nconstants; i++)
	{
		const FlattenConstant *constant = &flattener->constants[i];

		values[constant->index] = constant->value;
		nulls[constant->index] = constant->isnull;
	}
}

/*
 * Return the JSON value that a column shows, or NULL.
 */
static const JsonNode *
column_value(const Flattener *flattener, const FlattenColumn *column)
{
	const JsonNode *value = find_value(flattener, column);
	JsonNodeKind	kind = json_node_kind(value);

	switch (column->kinds)
	{
		case FLATTEN_STRINGS:
			return kind == JSON_NODE_STRING ? value : NULL;
		case FLATTEN_STRUCTURES:
			return kind == JSON_NODE_ARRAY || kind == JSON_NODE_OBJECT ? value : NULL;
		default:
			return value;
	}
}

/*
 * Return what stands where a column's value does, in the row or its base; or NULL.
 */
static const JsonNode *
find_value(const Flattener *flattener, const FlattenColumn *column)
{
	const JsonNode *row = flattener->row;
	const JsonNode *value;

	if (column->path_text != NULL)
	{
		if (column->base_first && flattener->base != NULL)
			return json_path_get(flattener->base, column->base_path);
		value = path_tree_value(flattener->paths, column->path);
		if (value == NULL && flattener->base != NULL)
			value = json_path_get(flattener->base, column->base_path);
		return value;
	}

	value = json_path_find(row, column->name_utf8);
	if (value == NULL && flattener->envelope != NULL)
		value = json_path_find(json_node_member(row, flattener->envelope), column->name_utf8);
	if (value == NULL && flattener->base != NULL)
		value = json_path_find(flattener->base, column->name_utf8);
	return value;
}

/*
 * Say which value an error is about.
 *
 * Raises nothing itself: it works in buffers of its own, and takes the text of a value without
 * checking more than it has to.
 */
static void
flatten_error_context(void *arg)
{
	const Flattener		*flattener = arg;
	const FlattenColumn *column = flattener->column;
	char				 path[MAX_NAME_SIZE * 4];
	char				 index[32] = "";
	char				 shown[SHOWN_SIZE];
	char				 row[SHOWN_SIZE * FLATTEN_MAX_NAMES + sizeof(", row \"\"")];

	describe_row(flattener, row, sizeof(row));
	if (flattener->progress.element >= 0)
		snprintf(index, sizeof(index), "[" INT64_FORMAT "]", flattener->progress.element);
	if (column->path_text == NULL)
		describe_path(flattener, path, sizeof(path));

	if (flattener->progress.value == NULL)
		errcontext("column \"%s\" of foreign table \"%s\", JSON path \"%s%s\", no value%s",
				   column->name, flattener->relation_name,
				   column->path_text ? column->path_text : path, index, row);
	else
	{
		describe_value(flattener->progress.value, shown, sizeof(shown));
		errcontext("column \"%s\" of foreign table \"%s\", JSON path \"%s%s\", value \"%s\"%s",
				   column->name, flattener->relation_name,
				   column->path_text ? column->path_text : path, index, shown, row);
	}
}

/*
 * Say where the value of a column without a path was found.
 *
 * Look again, now that it matters.  What was found nowhere keeps the column's name.
 */
static void
describe_path(const Flattener *flattener, char *path, size_t size)
{
	const char *name = flattener->column->name_utf8;
	char		spelled[MAX_NAME_SIZE];
	const char *envelope = "";
	const char *dot = "";

	if (json_path_find_spelled(flattener->row, name, spelled) == NULL &&
		flattener->envelope != NULL &&
		json_path_find_spelled(json_node_member(flattener->row, flattener->envelope), name,
							   spelled) != NULL)
	{
		envelope = flattener->envelope;
		dot = ".";
	}
	snprintf(path, size, "%s%s", envelope, dot);
	escape(spelled, strlen(spelled), sizeof(spelled), path + strlen(path), size - strlen(path));
}

/*
 * Say which row it is: ', row "…"', or nothing where nothing names it.
 */
static void
describe_row(const Flattener *flattener, char *row, size_t size)
{
	bool found = false;

	row[0] = '\0';
	for (int i = 0; i < FLATTEN_MAX_NAMES && flattener->row != NULL; i++)
	{
		const JsonPath *path = flattener->names[i];
		const JsonNode *value = path ? json_path_get(flattener->row, path) : NULL;
		char			shown[SHOWN_SIZE];
		size_t			length = strlen(row);

		if (value == NULL && path != NULL && flattener->base != NULL)
			value = json_path_get(flattener->base, path);
		if (value == NULL)
			continue;
		describe_value(value, shown, sizeof(shown));
		snprintf(row + length, size - length, "%s%s", found ? " " : ", row \"", shown);
		found = true;
	}
	if (found)
		strlcat(row, "\"", size);
}

/*
 * Return the start of a value's text.
 */
static void
describe_value(const JsonNode *value, char *shown, size_t size)
{
	char		beginning[SHOWN_BYTES + MAX_UTF8_BYTES];
	size_t		length;
	const char *text;

	if (json_node_kind(value) == JSON_NODE_STRING)
		text = json_node_string(value, &length);
	else
	{
		text = beginning;
		length = json_text_beginning(value, beginning, sizeof(beginning));
	}
	escape(text, length, SHOWN_BYTES, shown, size);
}

/*
 * Make the first bytes of a text from the network fit for a message.
 *
 * The result ends on a character boundary.  Bytes that aren't printable, that aren't UTF-8, or that
 * the database's encoding may not have, become \x and two digits.  size must leave room for what is
 * cut off.
 */
static void
escape(const char *utf8, size_t length, size_t limit, char *result, size_t size)
{
	const unsigned char *text = (const unsigned char *) utf8;
	bool				 keep = GetDatabaseEncoding() == PG_UTF8;
	char				*end = result + size - sizeof("...");
	size_t				 at = 0;

	while (at < length && at < limit)
	{
		int	 width = text[at] < 0x80 ? 1 : pg_utf_mblen(text + at);
		bool whole = keep && (size_t) width <= length - at && pg_utf8_islegal(text + at, width) &&
					 !(text[at] == 0xC2 && text[at + 1] < 0xA0); /* U+0080 to U+009F */

		if (width == 1 ? (text[at] >= 0x20 && text[at] < 0x7F) : whole)
		{
			if (at + width > limit || result + width > end)
				break;
			memcpy(result, text + at, width);
			result += width;
			at += width;
		}
		else
		{
			if (result + 4 > end)
				break;
			snprintf(result, 5, "\\x%02x", text[at]);
			result += 4;
			at++;
		}
	}
	snprintf(result, sizeof("..."), "%s", at < length ? "..." : "");
}
