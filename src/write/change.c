/*-------------------------------------------------------------------------
 *
 * change.c
 *		Make requests of rows that are to be written.
 *
 * Everything that is wrong with a row is found here, before anything is sent.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "options/column_map.h"
#include "write/change.h"
#include "base/compat.h"
#include "http/url.h"

/* What stands in routes for the table's website. */
#define WEBSITE_HOLDER "website_id"

/* A row that is about to be written. */
typedef struct Row
{
	const ChangeTable *table;
	const Datum		  *values; /* by attribute number minus 1 */
	const bool		  *nulls;
} Row;

/* What a request's body is made of. */
typedef struct Draft
{
	ChangeRequest *request;
	BodyMember	  *members;
	int			   nmembers;
	int			   doubtful_member; /* of request->doubtful */
} Draft;

/*----------
 * The table
 *----------
 */

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
	table->ncolumns = tupdesc->natts;
	table->columns = palloc0(sizeof(ChangeColumn) * Max(tupdesc->natts, 1));
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);
		ChangeColumn	 *column = &table->columns[i];

		if (attribute->attisdropped)
			continue;
		column->name = pstrdup(NameStr(attribute->attname));
		column->generated = attribute->attgenerated != '\0';
		column->column = column_map_catalog(options, RelationGetRelid(relation), attribute->attnum);
		if (column->column == NULL)
			continue;
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

/*
 * Return what stands in for a column in routes; NULL when there is no such thing.
 */
static const CrispOtherKey *
other_key(const ChangeTable *table, const char *catalog_name)
{
	const CrispOtherKey *other = table->changes->other_key;

	return other != NULL && strcmp(other->column, catalog_name) == 0 ? other : NULL;
}

AttrNumber
change_key_attribute(const ChangeTable *table, const char *catalog_name)
{
	const CrispOtherKey *other = other_key(table, catalog_name);
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

/*----------
 * What can be wrong
 *----------
 */

pg_noreturn static void
value_missing(const ChangeTable *table, const char *catalog_name, const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_NOT_NULL_VIOLATION),
					errmsg("null value in column \"%s\" of foreign table \"%s\"",
						   change_column_name(table, catalog_name), table->name),
					errdetail("%s", detail)));
}

pg_noreturn static void
value_wrong(const ChangeTable *table, const char *catalog_name, const char *value, char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for column \"%s\" of foreign table \"%s\": \"%s\"",
					change_column_name(table, catalog_name), table->name, encode_excerpt(value)),
			 errhint("%s", hint)));
}

/*
 * Name the column in the error context when its value can't be encoded.
 */
static void
add_column_context(void *arg)
{
	const ChangeColumn *column = arg;

	errcontext("column \"%s\"", column->name);
}

/*----------
 * Values
 *----------
 */

/*
 * Return a column's value in a row as text; NULL when it has none.
 */
static char *
row_text(const Row *row, const char *catalog_name)
{
	AttrNumber attnum = change_attribute(row->table, catalog_name);

	if (attnum == InvalidAttrNumber || row->nulls[attnum - 1])
		return NULL;
	return encoder_text(row->table->columns[attnum - 1].encoder, row->values[attnum - 1]);
}

/*
 * Say whether a field has a meaning for the row.  What the table doesn't show can't be checked.
 */
static bool
field_applies(const Row *row, const CrispField *field)
{
	char *value;

	if (field->when == NULL)
		return true;
	value = row_text(row, field->when);
	return value == NULL || crisp_words_have(field->matches, value);
}

/*
 * Refuse JSON of another kind than Crisp takes for a field.
 */
static void
check_json(const ChangeTable *table, const CrispField *field, const EncodedValue *value)
{
	bool is_object = (field->flags & CRISP_FIELD_OBJECT) != 0;
	char begins;

	if (!(field->flags & (CRISP_FIELD_OBJECT | CRISP_FIELD_ARRAY)))
		return;
	begins = value->json[strspn(value->json, " \t\r\n")];
	if (begins != (is_object ? '{' : '['))
		value_wrong(table, field->column,
					pg_any_to_server(value->json, (int) strlen(value->json), PG_UTF8),
					is_object ? "Crisp takes a JSON object." : "Crisp takes a JSON array.");
}

/*
 * Encode a field's value, which is not NULL.  Raise an error when Crisp wouldn't take it.
 */
static EncodedValue
encode_field(const Row *row, const CrispField *field, AttrNumber attnum)
{
	const ChangeTable	*table = row->table;
	ChangeColumn		*column = &table->columns[attnum - 1];
	ErrorContextCallback callback;
	EncodedValue		 value;

	if (!field_applies(row, field))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("column \"%s\" of foreign table \"%s\" cannot be given where \"%s\" is \"%s\"",
					column->name, table->name, change_column_name(table, field->when),
					row_text(row, field->when)),
			 errhint("It goes with: %s", crisp_words_text(field->matches))));
	if (field->words != NULL && !crisp_words_have(field->words, row_text(row, field->column)))
		value_wrong(table, field->column, row_text(row, field->column),
					psprintf("Crisp takes: %s", crisp_words_text(field->words)));

	callback.callback = add_column_context;
	callback.arg = column;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	value = encoder_run(column->encoder, row->values[attnum - 1]);
	error_context_stack = callback.previous;

	check_json(table, field, &value);
	return value;
}

/*
 * Say why a field may not be NULL.
 */
static char *
need_text(const Row *row, const CrispField *field)
{
	const char *noun = row->table->changes->noun;

	if (field->when == NULL || row_text(row, field->when) == NULL)
		return psprintf("Crisp needs it in a %s.", noun);
	return psprintf("Crisp needs it in a %s where \"%s\" is \"%s\".", noun,
					change_column_name(row->table, field->when), row_text(row, field->when));
}

void
change_know(ChangeRequest *request, const char *path, EncodedValue value)
{
	int i = 0;

	while (i < request->nknown && strcmp(request->known[i].path, path) != 0)
		i++;
	request->known[i].path = path;
	request->known[i].value = value;
	if (i == request->nknown)
		request->nknown++;
}

/*
 * Add a field to a request.  Send a NULL only if it's to replace something.
 */
static void
add_field(Draft *draft, const Row *row, const CrispField *field, bool replaces)
{
	const ChangeTable *table = row->table;
	AttrNumber		   attnum = change_attribute(table, field->column);
	const CrispColumn *column = crisp_column_by_name(table->options->resource, field->column);
	EncodedValue	   value = {0};

	if (attnum != InvalidAttrNumber && !row->nulls[attnum - 1])
		value = encode_field(row, field, attnum);
	else if ((field->flags & CRISP_FIELD_REQUIRED) && field_applies(row, field))
		value_missing(table, field->column, need_text(row, field));
	else if (!replaces || !field_applies(row, field))
	{
		if (field->fallback == NULL)
			return;
		value = encode_string(field->fallback);
	}

	/* Of two columns for one field, the table doesn't show which the row has. */
	for (int i = 0; i < draft->nmembers; i++)
		if (strcmp(draft->members[i].path, field->body_path) == 0)
			ereport(
				ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg(
					 "column \"%s\" of foreign table \"%s\" cannot be given together with another",
					 change_column_name(table, field->column), table->name),
				 errdetail("Both would be \"%s\" at Crisp.", field->body_path)));

	if (replaces && field->null_path != NULL && value.node == NULL && value.json == NULL)
	{
		draft->request->doubtful = field;
		draft->doubtful_member = draft->nmembers;
	}
	if (attnum != InvalidAttrNumber && value.node == NULL && value.json == NULL)
		draft->request->nulls = lappend(draft->request->nulls,
										(char *) table->columns[attnum - 1].name);
	draft->members[draft->nmembers].path = field->body_path;
	draft->members[draft->nmembers++].value = value;
	change_know(draft->request, column->path, value);
}

/*----------
 * Requests
 *----------
 */

void
change_add_key(ChangeKeys *keys, const char *catalog_name, const char *text)
{
	if (keys->count >= CHANGE_MAX_KEYS)
		elog(ERROR, "crisp_fdw: too many keys");
	keys->columns[keys->count] = catalog_name;
	keys->values[keys->count++] = text;
}

/*
 * Return the value of a key; NULL when there is none.
 */
static const char *
key_value(const ChangeKeys *keys, const char *catalog_name)
{
	for (int i = 0; i < keys->count; i++)
		if (strcmp(keys->columns[i], catalog_name) == 0)
			return keys->values[i];
	return NULL;
}

/*
 * Append a key to a URL.
 */
static void
append_key(StringInfo target, const ChangeTable *table, const ChangeKeys *keys, const char *name)
{
	const CrispOtherKey *other = other_key(table, name);
	const char			*value = key_value(keys, name);

	if (value == NULL && other != NULL)
		value = key_value(keys, name = other->other);
	else
		other = NULL;
	if (value == NULL)
		value_missing(table, name, psprintf("It names the %s at Crisp.", table->changes->noun));
	if (!url_can_be_segment(value) || (other != NULL && strstr(value, other->holds) == NULL))
		value_wrong(table, name, value, "An identifier of Crisp is expected.");
	url_append_segment(target, pg_server_to_any(value, (int) strlen(value), PG_UTF8));
}

char *
change_target(const ChangeTable *table, const char *route, const ChangeKeys *keys)
{
	StringInfoData target;

	initStringInfo(&target);
	while (*route != '\0')
	{
		const char *close = strchr(route, '}');
		char	   *name;

		if (*route != '{')
		{
			appendStringInfoChar(&target, *route++);
			continue;
		}
		name = pnstrdup(route + 1, close - route - 1);
		if (strcmp(name, WEBSITE_HOLDER) == 0)
			url_append_segment(&target, table->options->website_id);
		else
			append_key(&target, table, keys, name);
		route = close + 1;
	}
	return target.data;
}

/*
 * Begin a request for a row with these keys.
 */
static Draft
begin_request(const CrispChange *change, const ChangeKeys *keys)
{
	ChangeRequest *request = palloc0(sizeof(ChangeRequest));
	int			   nfields = 0;
	Draft		   draft = {.request = request};

	request->api.method = change->method;
	request->api.repeatable = change->repeatable;
	if (keys != NULL)
		request->keys = *keys;
	for (const CrispField *field = change->fields; field && field->column != NULL; field++)
		nfields++;
	draft.members = palloc0(sizeof(BodyMember) * Max(nfields, 1));
	/* Room for the columns of the route and of the answer, and the website. */
	request->known = palloc0(sizeof(BodyMember) * (nfields + CHANGE_MAX_KEYS + 1));
	return draft;
}

static ChangeRequest *
end_request(const Draft *draft, const ChangeTable *table, const CrispChange *change)
{
	ChangeRequest *request = draft->request;

	request->api.target = change_target(table, change->route, &request->keys);
	if (change->fields != NULL)
		request->api.body = body_create(draft->members, draft->nmembers, &request->api.body_length);
	if (request->doubtful != NULL)
	{
		draft->members[draft->doubtful_member].path = request->doubtful->null_path;
		request->other_body = body_create(draft->members, draft->nmembers,
										  &request->other_body_length);
	}
	return request;
}

/*
 * Say why a column that Crisp could take isn't the one whose values are written: several columns
 * may stand for the same field, and only the first is written.  Return NULL for that first one.
 */
static char *
double_detail(const ChangeTable *table, const ChangeColumn *column)
{
	const ChangeColumn *first = &table->columns[change_attribute(table, column->catalog_name) - 1];

	if (first == column)
		return NULL;
	return psprintf("Column \"%s\" stands for the same at Crisp, and is the one to write.",
					first->name);
}

/*
 * Refuse a value for the table's column for the website, unless it's the table's own.
 */
static void
check_website_column(const Row *row, const ChangeColumn *column, Datum datum)
{
	const ChangeTable *table = row->table;
	char			  *value = encoder_text(column->encoder, datum);

	if (strcmp(value, table->options->website_id) != 0)
		value_wrong(table, column->catalog_name, value,
					psprintf("The table's website is %s.", table->options->website_id));
}

/*
 * Refuse a row with a value that can't be sent.
 */
static void
check_inserted(const Row *row)
{
	const ChangeTable *table = row->table;

	for (int i = 0; i < table->ncolumns; i++)
	{
		const ChangeColumn *column = &table->columns[i];
		bool				can = false;
		char			   *detail = NULL;

		if (column->name == NULL || row->nulls[i] || column->generated)
			continue;
		if (column->column != NULL && (column->column->flags & CRISP_WEBSITE))
		{
			check_website_column(row, column, row->values[i]);
			continue;
		}
		if (column->catalog_name != NULL)
			can = crisp_insert_takes(table->changes, column->catalog_name);
		if (can)
			detail = double_detail(table, column);
		if (!can || detail != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("column \"%s\" of foreign table \"%s\" cannot be sent to Crisp",
							column->name, table->name),
					 detail ? errdetail("%s", detail) : 0,
					 errhint("Columns that can be: %s", crisp_insert_columns(table->changes))));
	}
}

ChangeRequest *
change_insert(const ChangeTable *table, const Datum *values, const bool *nulls)
{
	const CrispResource *resource = table->options->resource;
	const CrispChange	*insert = table->changes->insert;
	const Row			 row = {.table = table, .values = values, .nulls = nulls};
	Draft				 draft = begin_request(insert, NULL);
	ChangeRequest		*request = draft.request;
	const char			*place = insert->route;
	char				*name;

	check_inserted(&row);
	for (const CrispField *field = insert->fields; field->column != NULL; field++)
		add_field(&draft, &row, field, false);

	while ((name = crisp_route_column(&place)) != NULL)
	{
		char *value = row_text(&row, name);

		if (value == NULL)
			value_missing(table, name,
						  psprintf("It names what the %s belongs to.", table->changes->noun));
		change_add_key(&request->keys, name, value);
		change_know(request, crisp_column_by_name(resource, name)->path, encode_string(value));
	}
	for (int i = 0; i < resource->ncolumns; i++)
		if (resource->columns[i].flags & CRISP_WEBSITE)
			change_know(request, resource->columns[i].path,
						encode_string(table->options->website_id));
	return end_request(&draft, table, insert);
}

/*
 * Say whether a set of attributes has the column of a field.
 */
static bool
is_updated(const ChangeTable *table, const Bitmapset *columns, const CrispField *field)
{
	AttrNumber attnum = change_attribute(table, field->column);

	return attnum != InvalidAttrNumber && bms_is_member(attnum, columns);
}

List *
change_update(const ChangeTable *table, const Bitmapset *columns, const Datum *values,
			  const bool *nulls, const ChangeKeys *keys)
{
	const Row row = {.table = table, .values = values, .nulls = nulls};
	List	 *requests = NIL;

	for (const CrispChange *change = table->changes->updates; change->method != NULL; change++)
	{
		Draft draft = begin_request(change, keys);

		for (const CrispField *field = change->fields; field->column != NULL; field++)
			if (is_updated(table, columns, field))
				add_field(&draft, &row, field, true);
		if (draft.nmembers > 0)
			requests = lappend(requests, end_request(&draft, table, change));
	}
	return requests;
}

ChangeRequest *
change_remove(const ChangeTable *table, const ChangeKeys *keys)
{
	const CrispChange *remove = table->changes->remove;
	Draft			   draft = begin_request(remove, keys);

	return end_request(&draft, table, remove);
}

void
change_check_updated(const ChangeTable *table, const Bitmapset *columns)
{
	int attnum = -1;

	while ((attnum = bms_next_member(columns, attnum)) >= 0)
	{
		const ChangeColumn *column = &table->columns[attnum - 1];
		bool				can = false;
		char			   *detail = NULL;

		if (column->generated)
			continue;
		if (column->catalog_name != NULL)
			can = crisp_update_takes(table->changes, column->catalog_name);
		if (can)
			detail = double_detail(table, column);
		if (!can || detail != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("column \"%s\" of foreign table \"%s\" cannot be changed", column->name,
							table->name),
					 detail ? errdetail("%s", detail) : 0,
					 errhint("Columns that can be: %s", crisp_update_columns(table->changes))));
	}
}
