/*-------------------------------------------------------------------------
 *
 * json.h
 *		The JSON library behind one door: parsing, ownership, text.
 *
 * Trees come from json-c, which allocates with malloc.  Every tree that is
 * parsed here hangs on a memory context and is released when that context is
 * reset or deleted, so that ereport() may jump from anywhere.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_JSON_H
#define CRISP_JSON_H

/*
 * json-c has a type json_object, and PostgreSQL a function of that name, which
 * is declared here first.  So the compiler gets to see the type by another name.
 */
#include "fmgr.h"
#include "utils/fmgrprotos.h"
#define json_object json_c_object
#include <json-c/json.h>

/* Functions of 0.16 for what older versions have as members. */
#if JSON_C_VERSION_NUM < (16 << 8)
#define lh_table_head(table) ((table)->head)
#define lh_entry_next(entry) ((entry)->next)
#endif

/* Deepest nesting that is parsed; json-c's own default of 32 is too little for free-form data. */
#define JSON_MAX_DEPTH 256

/*
 * Parse text (length bytes, UTF-8, need not end in NUL) as one JSON value.
 * White space may surround it; anything else after it is an error.
 *
 * Numbers keep all their digits, whatever their size; doubles keep the text
 * that they came with.  Invalid UTF-8 in strings passes, so that it spoils no
 * more than its own value.  A lone surrogate escape becomes U+FFFD; a NUL
 * escape in a key stays as the six characters that it was written with.  Of a
 * key that comes twice the last one counts.  Numbers with a leading zero, or with
 * no digit on one side of the point, pass as json-c lets them; any other text
 * that isn't JSON is refused.
 *
 * The tree belongs to owner: a reset callback on that context releases it, so
 * nobody else may call json_object_put() on it.  The JSON literal null gives a
 * NULL *tree and true.
 *
 * Returns false for text that isn't JSON, with *error set to a sentence
 * fragment (in CurrentMemoryContext) that says what is wrong and at which
 * byte, fit for an errdetail.  Raises only for memory.
 */
extern bool json_parse(MemoryContext owner, const char *text, size_t length, json_object **tree,
					   char **error);

/*
 * Whether a text that json_parse() refused may be the beginning of one that it
 * takes: JSON that was cut, or nothing at all.  Raises only for memory.
 */
extern bool json_is_beginning(const char *text, size_t length);

/*
 * The JSON text of value (NULL is "null"), as short as it gets, numbers with
 * the digits that they came with, in UTF-8 as it came.  *length gets its length
 * in bytes.  The text is owned by the value (for "null": static) and valid
 * until the value is changed, printed again or released.  Raises only for
 * memory.
 */
extern const char *json_text(json_object *value, size_t *length);

#endif /* CRISP_JSON_H */
