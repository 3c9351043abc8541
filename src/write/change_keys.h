/*-------------------------------------------------------------------------
 *
 * change_keys.h
 *		Say which row is to be changed.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_CHANGE_KEYS_H
#define CRISP_CHANGE_KEYS_H

/* What names a row in a route: columns, by their names in the catalog, and their values as text. */
#define CHANGE_MAX_KEYS 4

typedef struct ChangeKeys
{
	int			count;
	const char *columns[CHANGE_MAX_KEYS];
	const char *values[CHANGE_MAX_KEYS];
} ChangeKeys;

/* Add a row's value to its keys.  text is in the database's encoding, and not copied. */
extern void change_add_key(ChangeKeys *keys, const char *catalog_name, const char *text);

/* Return the value of a key; NULL when there is none. */
extern const char *change_key_value(const ChangeKeys *keys, const char *catalog_name);

/* Return what names a row, or the first of several, as text for messages; palloc'd. */
extern char *change_keys_text(const ChangeKeys *keys);
extern char *change_names_text(const ChangeKeys *const *rows, int nrows);

#endif /* CRISP_CHANGE_KEYS_H */
