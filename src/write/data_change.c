/*-------------------------------------------------------------------------
 *
 * data_change.c
 *		Find what changes in custom data, key by key.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"

#include "base/server_text.h"
#include "json/json_writer.h"
#include "write/data_change.h"

/*----------
 * Values
 *----------
 */

/*
 * Return the text of a value: a string's own, else its JSON.
 */
static const char *
shown_text(const JsonNode *value)
{
	size_t		length;
	const char *text = json_node_string(value, &length);

	return text != NULL ? text : json_text(value, &length);
}

/*
 * Say whether a value is the same as before, digit by digit.
 */
static bool
is_same(const JsonNode *before, const JsonNode *value)
{
	size_t length;

	return json_node_kind(before) == json_node_kind(value) &&
		   strcmp(json_text(before, &length), json_text(value, &length)) == 0;
}

/*
 * Return a text in UTF-8 as the database's encoding has it.
 */
static const char *
to_server(const char *text)
{
	return pg_any_to_server(text, (int) strlen(text), PG_UTF8);
}

/*
 * Refuse a value that Crisp doesn't take in custom data.
 */
static void
check_value(const ChangeTable *table, const ChangeColumn *column, const char *key,
			const JsonNode *value)
{
	size_t length;

	switch (json_node_kind(value))
	{
		case JSON_NODE_STRING:
		case JSON_NODE_NUMBER:
		case JSON_NODE_BOOLEAN:
			return;
		default:
			break;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for key \"%s\" in column \"%s\" of foreign table \"%s\": %s",
					to_server(key), column->name, table->name,
					encode_excerpt(to_server(json_text(value, &length)))),
			 errhint("Crisp takes strings, numbers and booleans.%s",
					 json_node_kind(value) == JSON_NODE_NULL ? " To remove a key, leave it out."
															 : "")));
}

/*
 * Return an encoded value as a node that can be read.
 */
static const JsonNode *
readable(const ChangeTable *table, const ChangeColumn *column, const EncodedValue *value)
{
	char		   *problem;
	const JsonNode *node = encoded_node(value, &problem);

	if (problem != NULL)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("value of column \"%s\" of foreign table \"%s\" cannot be sent to "
							   "Crisp",
							   column->name, table->name),
						errdetail("Its JSON cannot be read: %s.", problem)));
	return node;
}

const JsonNode *
data_object(const JsonNode *data)
{
	return json_node_kind(data) == JSON_NODE_OBJECT ? data : NULL;
}

DataBefore
data_before(const ChangeTable *table, AttrNumber attnum, Datum value, bool isnull)
{
	const ChangeColumn *column = &table->columns[attnum - 1];
	DataBefore			before = {.known = true};
	EncodedValue		encoded;

	if (isnull)
		return before;
	encoded = encoder_run(column->encoder, value);
	before.data = data_object(readable(table, column, &encoded));
	return before;
}

/*
 * Say whether a text in UTF-8 may hold what server_text() has put in the place of something else.
 */
static bool
may_be_replaced(const ChangeTable *table, const char *text)
{
	return table->options->invalid_text == INVALID_TEXT_REPLACE &&
		   strstr(text, server_text_replacement()) != NULL;
}

bool
data_may_be_replaced(const ChangeTable *table, DataBefore before)
{
	size_t length;

	return before.data != NULL && may_be_replaced(table, json_text(before.data, &length));
}

/*----------
 * Changes
 *
 * A key with a null is taken as none: Crisp takes no such thing.
 *----------
 */

static void
set_key(DataChange *change, const char *key, const JsonNode *value)
{
	DataMember *member = palloc(sizeof(DataMember));

	member->key = key;
	member->value = value;
	change->set = lappend(change->set, member);
}

/*
 * Return the key of a member; raise an error for one that is no text.
 */
static const char *
member_key(const JsonNode *member)
{
	size_t		length;
	const char *key = json_node_key(member, &length);

	if (memchr(key, '\0', length) != NULL)
		ereport(ERROR, (errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
						errmsg("key of custom data that holds a NUL cannot be sent to Crisp")));
	return pnstrdup(key, length);
}

DataChange *
data_change_of_object(const ChangeRow *row, AttrNumber attnum, DataBefore before)
{
	const ChangeTable  *table = row->table;
	const ChangeColumn *column = &table->columns[attnum - 1];
	DataChange		   *change = palloc0(sizeof(DataChange));
	EncodedValue		encoded = encoder_run(column->encoder, row->values[attnum - 1]);
	const JsonNode	   *object = readable(table, column, &encoded);

	for (const JsonNode *member = json_node_first(object); member != NULL;
		 member = json_node_next(object, member))
	{
		const char	   *key = member_key(member);
		const JsonNode *value = json_node_member(object, key);

		CHECK_FOR_INTERRUPTS();
		if (before.known && json_node_has_member(before.data, key) &&
			is_same(json_node_member(before.data, key), value))
			continue;
		check_value(table, column, key, value);
		set_key(change, key, value);
	}
	change->whole = !before.known;
	for (const JsonNode *member = json_node_first(before.data); member != NULL;
		 member = json_node_next(before.data, member))
	{
		CHECK_FOR_INTERRUPTS();
		if (json_node_kind(member) != JSON_NODE_NULL &&
			!json_node_has_member(object, member_key(member)))
			change->removed = lappend(change->removed, (char *) member_key(member));
	}
	return change;
}

void
data_change_add(DataChange *change, const ChangeRow *row, AttrNumber attnum, DataBefore before)
{
	const ChangeTable  *table = row->table;
	const ChangeColumn *column = &table->columns[attnum - 1];
	const JsonNode	   *old = json_node_member(before.data, column->data_key);
	EncodedValue		encoded;
	const JsonNode	   *value;

	if (row->nulls[attnum - 1])
	{
		if (!before.known || old != NULL)
			change->removed = lappend(change->removed, (char *) column->data_key);
		return;
	}
	encoded = encoder_run(column->encoder, row->values[attnum - 1]);
	value = readable(table, column, &encoded);

	/* A column of a text type shows a number as it shows a string. */
	if (old != NULL && (is_same(old, value) || (json_node_kind(value) == JSON_NODE_STRING &&
												strcmp(shown_text(old), shown_text(value)) == 0)))
		return;
	check_value(table, column, column->data_key, value);
	set_key(change, column->data_key, value);
}

bool
data_change_is_empty(const DataChange *change)
{
	return change->set == NIL && change->removed == NIL && !change->whole;
}

/*----------
 * Objects
 *----------
 */

/*
 * Return the value that a key gets; NULL when it gets none.
 */
static const JsonNode *
set_value(const DataChange *change, const char *key)
{
	ListCell *lc;

	foreach(lc, change->set)
	{
		const DataMember *member = lfirst(lc);

		if (strcmp(member->key, key) == 0)
			return member->value;
	}
	return NULL;
}

/*
 * Say whether a key goes, should it be there.
 */
static bool
is_gone(const DataChange *change, const char *key)
{
	ListCell *lc;

	if (set_value(change, key) != NULL)
		return false;
	foreach(lc, change->removed)
		if (strcmp(lfirst(lc), key) == 0)
			return true;
	return change->whole;
}

List *
data_change_gone(const DataChange *change, const JsonNode *object)
{
	List *gone = NIL;

	for (const JsonNode *member = json_node_first(object); member != NULL;
		 member = json_node_next(object, member))
	{
		const char *key = member_key(member);

		CHECK_FOR_INTERRUPTS();
		if (json_node_kind(member) != JSON_NODE_NULL && is_gone(change, key))
			gone = lappend(gone, (char *) key);
	}
	return gone;
}

void
data_change_check_replaced(const DataChange *change, const ChangeTable *table,
						   const JsonNode *object)
{
	ListCell *lc;

	foreach(lc, change->removed)
	{
		const char *key = lfirst(lc);

		if (may_be_replaced(table, key) && !json_node_has_member(object, key))
			ereport(ERROR,
					(errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
					 errmsg("cannot remove key \"%s\" of custom data in foreign table \"%s\"",
							to_server(key), table->name),
					 errdetail("Characters of it were replaced when it was read, and Crisp has no "
							   "key of that name."),
					 errhint("Remove it in a database that has these characters, with UTF-8.")));
	}
}

char *
data_change_apply(const DataChange *change, const JsonNode *object)
{
	JsonWriter *writer = json_writer_object();
	size_t		length;
	ListCell   *lc;

	for (const JsonNode *member = json_node_first(object); member != NULL;
		 member = json_node_next(object, member))
	{
		const char *key = member_key(member);

		CHECK_FOR_INTERRUPTS();

		/* Crisp takes no null, which says no more than that there is no such key. */
		if (json_node_kind(member) != JSON_NODE_NULL && set_value(change, key) == NULL &&
			!is_gone(change, key))
			json_writer_set_member(writer, key, json_text(json_node_member(object, key), &length));
	}
	foreach(lc, change->set)
	{
		const DataMember *member = lfirst(lc);

		json_writer_set_member(writer, member->key, json_text(member->value, &length));
	}
	return json_writer_finish(writer, &length);
}
