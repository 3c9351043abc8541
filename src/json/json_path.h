/*-------------------------------------------------------------------------
 *
 * json_path.h
 *		Find where in a JSON object a column's value stands.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_JSON_PATH_H
#define CRISP_JSON_PATH_H

#include "lib/stringinfo.h"

#include "json/json.h"

/*
 * A path: keys from the outside in.  Its text joins them by dots; a key that
 * holds a dot or a double quote, or is empty, is written in double quotes, with "" for a
 * quote inside:  meta.data."plan.name"
 */
typedef struct JsonPath
{
	int	   nkeys;
	char **keys; /* UTF-8 */
} JsonPath;

/*
 * Parse the text of a path (in the database's encoding).  The result is palloc'd in
 * CurrentMemoryContext.  Returns NULL for malformed text, with *error set to a sentence for an
 * errdetail.
 */
extern JsonPath *json_path_parse(const char *text, const char **error);

/*
 * Parse the text of a path that is known to be well-formed: the catalog's, or that of an option,
 * which was checked.  Palloc'd.  Raises an internal error for malformed text.
 */
extern JsonPath *json_path_of(const char *text);

/*
 * Return the text of a path with quotes only where a key needs them, so that two paths are the same
 * just when their texts are; palloc'd.  Malformed text is left as it is.
 */
extern char *json_path_normalize(const char *text);

/*
 * Append a key (in the database's encoding) to the text of a path that isn't empty, with the dot
 * before it, and with quotes if it needs them.
 */
extern void json_path_append_key(StringInfo path, const char *key);

/*
 * Return the value at path in object, or NULL when a key is missing, when something on the way is
 * not an object, or when the value there is JSON null.  The value stays owned by its tree.
 */
extern const JsonNode *json_path_get(const JsonNode *object, const JsonPath *path);

/*
 * Find the value that the flattening rule calls name (UTF-8): keys joined by underscores,
 * meta.data.plan being meta_data_plan.  Keys may hold underscores themselves, so the longest key is
 * tried first, going back when it leads nowhere.  Return NULL when there is none.  A match whose
 * value is JSON null counts as none.
 */
extern const JsonNode *json_path_find(const JsonNode *object, const char *name);

/*
 * Find a value as json_path_find() does, for messages: write into spelled (strlen(name) + 1 bytes)
 * the name with a dot in place of each underscore that was found to separate keys.  Raises nothing
 * for a name of less than 512 bytes.
 */
extern const JsonNode *json_path_find_spelled(const JsonNode *object, const char *name,
											  char *spelled);

#endif /* CRISP_JSON_PATH_H */
