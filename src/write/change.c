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

#include "base/compat.h"
#include "http/url.h"
#include "write/change.h"
#include "write/change_check.h"

/* What stands in routes for the table's website. */
#define WEBSITE_HOLDER "website_id"

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
 * Say whether a field has a meaning for the row.  What the table doesn't show can't be checked.
 */
static bool
field_applies(const ChangeRow *row, const CrispField *field)
{
	char *value;

	if (field->when == NULL)
		return true;
	value = change_row_text(row, field->when);
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
		change_value_wrong(table, field->column,
						   pg_any_to_server(value->json, (int) strlen(value->json), PG_UTF8),
						   is_object ? "Crisp takes a JSON object." : "Crisp takes a JSON array.");
}

/*
 * Encode a field's value, which is not NULL.  Raise an error when Crisp wouldn't take it.
 */
static EncodedValue
encode_field(const ChangeRow *row, const CrispField *field, AttrNumber attnum)
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
					change_row_text(row, field->when)),
			 errhint("It goes with: %s", crisp_words_text(field->matches))));
	if (field->words != NULL &&
		!crisp_words_have(field->words, change_row_text(row, field->column)))
		change_value_wrong(table, field->column, change_row_text(row, field->column),
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
need_text(const ChangeRow *row, const CrispField *field)
{
	const char *noun = row->table->changes->noun;

	if (field->when == NULL || change_row_text(row, field->when) == NULL)
		return psprintf("Crisp needs it in every %s.", noun);
	return psprintf("Crisp needs it in every %s where \"%s\" is \"%s\".", noun,
					change_column_name(row->table, field->when), change_row_text(row, field->when));
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
 * Add a value to a request: to its body, and to what is known of the row.
 */
static void
add_member(ChangeRequest *request, const char *body_path, const char *path, EncodedValue value)
{
	request->members[request->nmembers].path = body_path;
	request->members[request->nmembers++].value = value;
	change_know(request, path, value);
}

/*
 * Refuse a column for what another has a value for.
 */
pg_noreturn static void
cannot_go_together(const ChangeTable *table, const char *column, const char *body_path)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("column \"%s\" of foreign table \"%s\" cannot be given together with another",
					column, table->name),
			 errdetail("Both would be \"%s\" at Crisp.", body_path)));
}

/*
 * Add a field to a request.  Send a NULL only if it's to replace something.
 */
static void
add_field(ChangeRequest *request, const ChangeRow *row, const CrispField *field, bool replaces)
{
	const ChangeTable *table = row->table;
	AttrNumber		   attnum = change_attribute(table, field->column);
	const CrispColumn *column = crisp_column_by_name(table->options->resource, field->column);
	EncodedValue	   value = {0};

	if (attnum != InvalidAttrNumber && !row->nulls[attnum - 1])
		value = encode_field(row, field, attnum);
	else if ((field->flags & CRISP_FIELD_REQUIRED) && field_applies(row, field))
		change_value_missing(table, field->column, need_text(row, field));
	else if (!replaces || !field_applies(row, field))
	{
		if (field->fallback == NULL)
			return;
		value = encode_string(field->fallback);
	}

	/* Of two columns for one field, the table doesn't show which the row has. */
	for (int i = 0; i < request->nmembers; i++)
		if (strcmp(request->members[i].path, field->body_path) == 0)
			cannot_go_together(table, change_column_name(table, field->column), field->body_path);

	if (replaces && field->null_path != NULL && value.node == NULL && value.json == NULL)
	{
		request->doubtful = field;
		request->doubtful_member = request->nmembers;
	}
	if (attnum != InvalidAttrNumber && value.node == NULL && value.json == NULL)
		request->nulls = lappend(request->nulls, (char *) table->columns[attnum - 1].name);
	add_member(request, field->body_path, column->path, value);
}

/*
 * Say whether a column is among those that are written: of a set of attributes that are changed, or
 * (NULL) those of a new row that aren't NULL.
 */
static bool
is_written(const ChangeRow *row, const Bitmapset *updated, AttrNumber attnum)
{
	if (attnum == InvalidAttrNumber)
		return false;
	return updated != NULL ? bms_is_member(attnum, updated) : !row->nulls[attnum - 1];
}

/*
 * Add a key of custom data, with the column in the context of errors.
 */
static void
add_key_of_data(DataChange *data, const ChangeRow *row, AttrNumber attnum, DataBefore before)
{
	ErrorContextCallback callback;

	callback.callback = add_column_context;
	callback.arg = (void *) &row->table->columns[attnum - 1];
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	data_change_add(data, row, attnum, before);
	error_context_stack = callback.previous;
}

/*
 * Find what a row's columns say of its custom data; NULL where they say nothing.
 */
static DataChange *
find_data(const ChangeRow *row, const CrispField *field, const Bitmapset *updated,
		  DataBefore before)
{
	const ChangeTable *table = row->table;
	AttrNumber		   attnum = change_attribute(table, field->column);
	DataChange		  *data = NULL;

	if (is_written(row, updated, attnum))
	{
		if (row->nulls[attnum - 1])
			change_value_missing(table, field->column, "To remove all keys, write {}.");
		(void) encode_field(row, field, attnum);
		data = data_change_of_object(row, attnum, before);
	}
	for (int i = 0; i < table->ncolumns; i++)
	{
		const ChangeColumn *column = &table->columns[i];

		if (column->data_key == NULL || !is_written(row, updated, (AttrNumber) (i + 1)) ||
			(updated == NULL && column->generated))
			continue;
		if (is_written(row, updated, attnum))
			cannot_go_together(table, column->name, field->body_path);
		if (data == NULL)
			data = palloc0(sizeof(DataChange));
		add_key_of_data(data, row, (AttrNumber) (i + 1), before);
	}
	return data;
}

/*
 * Add custom data to a request.  What only Crisp knows of it is asked for later on: whether a new
 * row's is there already, and what else there is, where keys go or all are sent.
 */
static void
add_data(ChangeRequest *request, const ChangeRow *row, const CrispField *field,
		 const Bitmapset *updated, DataBefore before)
{
	const ChangeTable *table = row->table;
	const CrispColumn *column = crisp_column_by_name(table->options->resource, field->column);
	DataChange		  *data = find_data(row, field, updated, before);
	bool			   merged = request->change->replace_method != NULL;
	EncodedValue	   value = {0};

	if (data == NULL && request->change == table->changes->insert)
		change_value_missing(table, field->column, need_text(row, field));
	if (data == NULL || (updated != NULL && data_change_is_empty(data)))
		return;

	request->data = data;
	request->data_member = request->nmembers;
	request->lacks_data = request->change == table->changes->insert ||
						  (merged ? data->whole || data->removed != NIL
								  : !before.known || before.is_part ||
										data_may_be_replaced(table, before));
	if (!merged && before.known)
		request->gone = data_change_gone(data, before.data);
	value.json = data_change_apply(data, merged ? NULL : before.data);
	add_member(request, field->body_path, column->path, value);
}

void
change_set_data(ChangeRequest *request, const char *json)
{
	request->members[request->data_member].value.json = json;
}

/*----------
 * Requests
 *----------
 */

/*
 * Append a key to a URL: that of a column, or the one that stands in for it.
 */
static void
append_key(StringInfo target, const ChangeTable *table, const ChangeKeys *keys, const char *name)
{
	const CrispOtherKey *other = table->changes->other_key;
	const char			*value = change_key_value(keys, name);
	bool				 fits;

	if (value == NULL && change_other_key(table, name) != NULL && other->route == NULL)
	{
		name = other->other;
		value = change_key_value(keys, name);
	}
	if (value == NULL)
		change_value_missing(table, name,
							 psprintf("It names the %s at Crisp.", table->changes->noun));
	fits = url_can_be_segment(value);
	if (other != NULL && strcmp(other->other, name) == 0)
		fits &= strstr(value, other->holds) != NULL;
	if (!fits)
		change_value_wrong(table, name, value, "An identifier of Crisp is expected.");
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
static ChangeRequest *
begin_request(const ChangeTable *table, const CrispChange *change, const ChangeKeys *keys)
{
	ChangeRequest *request = palloc0(sizeof(ChangeRequest));
	int			   nfields = 1;

	request->change = change;
	request->api.method = change->method;
	request->api.repeatable = change->repeatable;
	if (keys != NULL)
		request->keys = *keys;
	for (const CrispField *field = change->fields; field && field->column != NULL; field++)
		nfields++;
	request->members = palloc0(sizeof(BodyMember) * nfields);

	/* Room for the columns of the route and of the answer, the website, and what follows. */
	for (const CrispChange *later = table->changes->updates;
		 change == table->changes->insert && table->changes->insert_then_updates &&
		 later->method != NULL;
		 later++)
		for (const CrispField *field = later->fields; field->column != NULL; field++)
			nfields++;
	request->known = palloc0(sizeof(BodyMember) * (nfields + CHANGE_MAX_KEYS + 1));
	return request;
}

void
change_finish(const ChangeTable *table, ChangeRequest *request)
{
	request->api.target = change_target(table, request->change->route, &request->keys);
	if (request->change->fields != NULL)
		request->api.body = body_create(request->members, request->nmembers,
										&request->api.body_length);
	if (request->doubtful != NULL)
	{
		request->members[request->doubtful_member].path = request->doubtful->null_path;
		request->other_body = body_create(request->members, request->nmembers,
										  &request->other_body_length);
		request->members[request->doubtful_member].path = request->doubtful->body_path;
	}
}

/*
 * Say whether a request changes what it names its row by: sent again once it was carried out, it
 * would find no such row.
 */
static bool
renames_row(const ChangeTable *table, const ChangeRequest *request)
{
	const CrispOtherKey *other = table->changes->other_key;
	const CrispColumn	*column;

	if (other == NULL || other->route != NULL ||
		change_key_value(&request->keys, other->column) != NULL)
		return false;
	column = crisp_column_by_name(table->options->resource, other->other);
	for (int i = 0; i < request->nknown; i++)
		if (strcmp(request->known[i].path, column->path) == 0)
			return true;
	return false;
}

/*
 * End a request whose keys are known: finish it, unless Crisp must be asked for something before.
 */
static ChangeRequest *
end_request(const ChangeTable *table, ChangeRequest *request)
{
	const CrispOtherKey *other = table->changes->other_key;

	request->lacks_key = other != NULL && other->route != NULL &&
						 change_key_value(&request->keys, other->column) == NULL &&
						 change_key_value(&request->keys, other->other) != NULL;
	request->asks = request->lacks_key || request->lacks_data || request->gone != NIL;

	request->api.repeatable &= !renames_row(table, request);

	/* What can't be a key is found before anything is sent of any row. */
	if (request->lacks_key)
		(void) change_target(table, other->route, &request->keys);
	if (!request->lacks_key && !request->lacks_data)
		change_finish(table, request);
	return request;
}

/*
 * Add what names the parent of a new row to its keys, and to what is known of it.
 */
static void
add_parent_keys(ChangeRequest *request, const ChangeRow *row)
{
	const ChangeTable *table = row->table;
	const char		  *place = request->change->route;
	char			  *name;

	while ((name = crisp_route_column(&place)) != NULL)
	{
		const CrispOtherKey *other = change_other_key(table, name);
		char				*value = change_row_text(row, name);
		char *in_its_place = other && other->route ? change_row_text(row, other->other) : NULL;

		if (value != NULL && in_its_place != NULL)
			cannot_go_together(table, change_column_name(table, other->other), name);
		if (value == NULL && in_its_place != NULL)
		{
			name = pstrdup(other->other);
			value = in_its_place;
		}
		if (value == NULL)
			change_value_missing(
				table, name, psprintf("It names what the %s belongs to.", table->changes->noun));
		change_add_key(&request->keys, name, value);
		change_know(request, crisp_column_by_name(table->options->resource, name)->path,
					encode_string(value));
	}
}

/*
 * Add the requests that send what else a new row is given, once it's there.
 */
static void
add_followers(ChangeRequest *insert, const ChangeRow *row)
{
	const ChangeTable	*table = row->table;
	const ChangeRequest *previous = insert;
	const DataBefore	 nothing = {.known = true};

	for (const CrispChange *change = table->changes->updates; change->method != NULL; change++)
	{
		ChangeRequest *request = begin_request(table, change, NULL);

		for (const CrispField *field = change->fields; field->column != NULL; field++)
			if (field->flags & CRISP_FIELD_DATA)
				add_data(request, row, field, NULL, nothing);
			else if (is_written(row, NULL, change_attribute(table, field->column)))
				add_field(request, row, field, false);
		if (request->nmembers == 0)
			continue;
		for (int i = 0; i < request->nknown; i++)
			change_know(insert, request->known[i].path, request->known[i].value);
		request->follows = true;
		request->previous = previous;
		previous = request;
		insert->followers = lappend(insert->followers, request);
	}
}

ChangeRequest *
change_insert(const ChangeTable *table, const Datum *values, const bool *nulls)
{
	const CrispResource *resource = table->options->resource;
	const CrispChange	*insert = table->changes->insert;
	const ChangeRow		 row = {.table = table, .values = values, .nulls = nulls};
	const DataBefore	 nothing = {.known = true};
	ChangeRequest		*request = begin_request(table, insert, NULL);

	change_check_inserted(&row);
	for (const CrispField *field = insert->fields; field && field->column != NULL; field++)
		if (field->flags & CRISP_FIELD_DATA)
			add_data(request, &row, field, NULL, nothing);
		else
			add_field(request, &row, field, false);

	add_parent_keys(request, &row);
	for (int i = 0; i < resource->ncolumns; i++)
		if (resource->columns[i].flags & CRISP_WEBSITE)
			change_know(request, resource->columns[i].path,
						encode_string(table->options->website_id));
	if (table->changes->insert_then_updates)
		add_followers(request, &row);
	return end_request(table, request);
}

/*
 * Choose how rows with the same change can travel together.  column is the only one that changes,
 * or NULL where rows are removed, or several columns change.
 */
static const CrispBatch *
choose_batch(const ChangeRequest *request, const ChangeRow *row, const char *column)
{
	const CrispBatch *batch = request->change->batches;

	for (; batch != NULL && batch->method != NULL; batch++)
	{
		if ((batch->column == NULL) != (column == NULL) ||
			(column != NULL && strcmp(batch->column, column) != 0) ||
			(request->nulls != NIL && !batch->takes_null) ||
			change_key_value(&request->keys, batch->name) == NULL)
			continue;
		if (batch->value == NULL ||
			(row != NULL && strcmp(batch->value, change_row_text(row, column)) == 0))
			return batch;
	}
	return NULL;
}

List *
change_update(const ChangeTable *table, const Bitmapset *columns, const Datum *values,
			  const bool *nulls, const ChangeKeys *keys, DataBefore before)
{
	const ChangeRow row = {.table = table, .values = values, .nulls = nulls};
	List		   *requests = NIL;
	ChangeRequest  *previous = NULL;

	for (const CrispChange *change = table->changes->updates;
		 columns != NULL && change->method != NULL; change++)
	{
		ChangeRequest *request = begin_request(table, change, keys);
		const char	  *column = NULL;

		for (const CrispField *field = change->fields; field->column != NULL; field++)
		{
			int before_field = request->nmembers;

			if (field->flags & CRISP_FIELD_DATA)
				add_data(request, &row, field, columns, before);
			else if (is_written(&row, columns, change_attribute(table, field->column)))
				add_field(request, &row, field, true);
			if (request->nmembers > before_field)
				column = field->column;
		}
		if (request->nmembers == 0)
			continue;
		if (request->nmembers == 1)
			request->batch = choose_batch(request, &row, column);
		request->previous = previous;
		previous = end_request(table, request);
		requests = lappend(requests, previous);
	}
	return requests;
}

ChangeRequest *
change_remove(const ChangeTable *table, const ChangeKeys *keys)
{
	ChangeRequest *request = begin_request(table, table->changes->remove, keys);

	request->batch = choose_batch(request, NULL, NULL);
	return end_request(table, request);
}

ChangeRequest *
change_for_row(const ChangeTable *table, const ChangeRequest *request, const ChangeKeys *keys)
{
	ChangeRequest *copy = palloc(sizeof(ChangeRequest));

	*copy = *request;
	copy->keys = *keys;
	copy->previous = NULL;
	copy->api.target = change_target(table, request->change->route, keys);
	return copy;
}
