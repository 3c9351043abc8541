/*
 * json_path.h
 *		Read and change json-c trees by dotted paths.
 */
#ifndef SANDBOX_JSON_PATH_H
#define SANDBOX_JSON_PATH_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Return the value at a path such as "meta.device.system"; NULL for what is missing and for null
 * alike.  At each level the longest key wins, so that keys with dots are found too.  The tree keeps
 * the value.
 */
extern json_object *json_path_get(json_object *tree, const char *path);

/* Return the string at the path, or NULL. */
extern const char *json_path_string(json_object *tree, const char *path);

/*
 * Set a value (taken over), with the objects on its way; false if that leads through a non-object.
 */
extern bool json_path_set(json_object *tree, const char *path, json_object *value);

/* Remove the member at the path; false when there was none. */
extern bool json_path_unset(json_object *tree, const char *path);

/* Parse a whole text; NULL unless it is one JSON value and nothing more.  "null" gives NULL too. */
extern json_object *json_parse(const char *text, size_t len);

/* Return the tree's text without spaces; belongs to the tree. */
extern const char *json_text(json_object *tree, size_t *len);

#endif /* SANDBOX_JSON_PATH_H */
