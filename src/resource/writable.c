/*-------------------------------------------------------------------------
 *
 * writable.c
 *		Find what can be written of a resource, and by which statement.
 *
 * The entries are in files of their own, by subject.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "resource/writable.h"

bool
crisp_words_have(const char *const *words, const char *word)
{
	for (; *words != NULL; words++)
		if (strcmp(*words, word) == 0)
			return true;
	return false;
}

/*
 * Append a name to a list of them, once.
 */
static void
append_name(StringInfo list, const char *name)
{
	appendStringInfo(list, "%s%s", list->len > 0 ? ", " : "", name);
}

/*
 * Append the columns that a request has in its body to a list.
 */
static void
append_fields(StringInfo list, const CrispChange *change)
{
	for (const CrispField *field = change->fields; field && field->column != NULL; field++)
		append_name(list, field->column);
}

char *
crisp_words_text(const char *const *words)
{
	StringInfoData text;

	initStringInfo(&text);
	for (; *words != NULL; words++)
		append_name(&text, *words);
	return text.data;
}

char *
crisp_route_column(const char **place)
{
	const char *open;

	while ((open = strchr(*place, '{')) != NULL)
	{
		const char *close = strchr(open, '}');
		char	   *name = pnstrdup(open + 1, close - open - 1);

		*place = close + 1;
		if (strcmp(name, "website_id") != 0)
			return name;
		pfree(name);
	}
	return NULL;
}

/*
 * Return the column that an INSERT may give in place of one that routes name, and isn't in the
 * body; NULL when there is none.
 */
static const char *
instead_of_key(const CrispChanges *changes)
{
	const CrispOtherKey *other = changes->other_key;

	return other != NULL && other->route != NULL ? other->other : NULL;
}

char *
crisp_insert_columns(const CrispChanges *changes)
{
	StringInfoData text;
	const char	  *place = changes->insert->route;
	const char	  *other = instead_of_key(changes);
	char		  *name;

	initStringInfo(&text);
	while ((name = crisp_route_column(&place)) != NULL)
		append_name(&text, name);
	if (other != NULL)
		append_name(&text, other);
	append_fields(&text, changes->insert);
	for (const CrispChange *change = changes->updates;
		 changes->insert_then_updates && change->method != NULL; change++)
		append_fields(&text, change);
	return text.data;
}

char *
crisp_update_columns(const CrispChanges *changes)
{
	StringInfoData text;

	initStringInfo(&text);
	for (const CrispChange *change = changes->updates; change->method != NULL; change++)
		append_fields(&text, change);
	return text.data;
}

bool
crisp_change_has(const CrispChange *change, const char *column)
{
	for (const CrispField *field = change->fields; field && field->column != NULL; field++)
		if (strcmp(field->column, column) == 0)
			return true;
	return false;
}

bool
crisp_insert_takes(const CrispChanges *changes, const char *column)
{
	const char *place = changes->insert->route;
	const char *other = instead_of_key(changes);
	char	   *name;

	while ((name = crisp_route_column(&place)) != NULL)
		if (strcmp(name, column) == 0)
			return true;
	return (other != NULL && strcmp(other, column) == 0) ||
		   crisp_change_has(changes->insert, column) ||
		   (changes->insert_then_updates && crisp_update_takes(changes, column));
}

bool
crisp_update_takes(const CrispChanges *changes, const char *column)
{
	for (const CrispChange *change = changes->updates; change && change->method != NULL; change++)
		if (crisp_change_has(change, column))
			return true;
	return false;
}

/*
 * Say whether a change has to know what a row has in a column.
 */
static bool
looks_at(const CrispChange *change, const char *column, bool is_set)
{
	for (const CrispField *field = change->fields; field && field->column != NULL; field++)
		if ((field->when != NULL && strcmp(field->when, column) == 0) ||
			(is_set && (field->flags & CRISP_FIELD_DATA) != 0 &&
			 strcmp(field->column, column) == 0))
			return true;
	for (const CrispBatch *batch = change->batches; is_set && batch && batch->method; batch++)
		if (batch->adds && strcmp(batch->column, column) == 0)
			return true;
	return false;
}

bool
crisp_update_looks_at(const CrispChanges *changes, const char *column, bool is_set)
{
	for (const CrispChange *change = changes->updates; change && change->method != NULL; change++)
		if (looks_at(change, column, is_set))
			return true;
	return false;
}

char *
crisp_statements(const CrispChanges *changes)
{
	StringInfoData text;

	if (changes == NULL)
		return NULL;
	initStringInfo(&text);
	if (changes->insert != NULL)
		append_name(&text, "INSERT");
	if (changes->updates != NULL)
		append_name(&text, "UPDATE");
	if (changes->remove != NULL)
		append_name(&text, "DELETE");
	return text.data;
}

const char *
crisp_written_by(const CrispChanges *changes, const char *column)
{
	bool by_insert = changes && changes->insert && crisp_insert_takes(changes, column);
	bool by_update = changes && changes->updates && crisp_update_takes(changes, column);

	if (by_insert)
		return by_update ? "INSERT, UPDATE" : "INSERT";
	return by_update ? "UPDATE" : NULL;
}
