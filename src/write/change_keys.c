/*-------------------------------------------------------------------------
 *
 * change_keys.c
 *		Say which row is to be changed.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "write/change_keys.h"

/* Of several rows, how many are named in a message. */
#define ROWS_NAMED 10

void
change_add_key(ChangeKeys *keys, const char *catalog_name, const char *text)
{
	if (keys->count >= CHANGE_MAX_KEYS)
		elog(ERROR, "crisp_fdw: too many keys");
	keys->columns[keys->count] = catalog_name;
	keys->values[keys->count++] = text;
}

const char *
change_key_value(const ChangeKeys *keys, const char *catalog_name)
{
	for (int i = 0; i < keys->count; i++)
		if (strcmp(keys->columns[i], catalog_name) == 0)
			return keys->values[i];
	return NULL;
}

char *
change_keys_text(const ChangeKeys *keys)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < keys->count; i++)
		appendStringInfo(&text, "%s%s", i > 0 ? " " : "", keys->values[i]);
	return text.data;
}

char *
change_names_text(const ChangeKeys *const *rows, int nrows)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < Min(nrows, ROWS_NAMED); i++)
		appendStringInfo(&text, "%s%s", i > 0 ? ", " : "", change_keys_text(rows[i]));
	if (nrows > ROWS_NAMED)
		appendStringInfo(&text, " and %d more", nrows - ROWS_NAMED);
	return text.data;
}
