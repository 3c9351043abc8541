/*-------------------------------------------------------------------------
 *
 * text_key.h
 *		Find things by texts of any length, in tables of PostgreSQL's.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_TEXT_KEY_H
#define CRISP_TEXT_KEY_H

#include "utils/hsearch.h"

/* Half of a SHA-256: of all texts that there will ever be, no two have the same. */
typedef struct TextKey
{
	char bytes[16];
} TextKey;

/* Return the key of a text. */
extern TextKey text_key(const char *text);

/* Create a table, in context, whose entries begin with a TextKey. */
extern HTAB *text_key_table(const char *name, MemoryContext context, Size entry_size);

#endif /* CRISP_TEXT_KEY_H */
