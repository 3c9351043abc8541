/*
 * json_path.c
 *		Read and change json-c trees by dotted paths.
 */
#include "json_path.h"

#include <stdlib.h>
#include <string.h>

#include "buffer.h"

/* Depth that a tester may want to go to; json-c's own default is 32. */
#define PARSE_DEPTH 1000

json_object *
json_path_get(json_object *tree, const char *path)
{
	char		*key;
	size_t		 len = strlen(path);
	json_object *found = NULL;

	if (!json_object_is_type(tree, json_type_object))
		return NULL;
	key = xstrdup(path);
	for (;;)
	{
		json_object *value;

		key[len] = '\0';
		if (json_object_object_get_ex(tree, key, &value))
			found = path[len] == '\0' ? value : json_path_get(value, path + len + 1);
		while (len > 0 && key[len - 1] != '.')
			len--;
		if (found != NULL || len == 0)
			break;
		len--;
	}
	free(key);
	return found;
}

const char *
json_path_string(json_object *tree, const char *path)
{
	json_object *value = json_path_get(tree, path);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

/* Return the object that holds the path's last key; NULL if there is none and "create" is false. */
static json_object *
parent_of(json_object *tree, const char *path, const char **last, bool create)
{
	const char *dot;

	while ((dot = strchr(path, '.')) != NULL)
	{
		char		*key = xstrndup(path, (size_t) (dot - path));
		json_object *next = NULL;
		bool		 found = json_object_object_get_ex(tree, key, &next);

		if ((!found || next == NULL) && create)
		{
			next = json_object_new_object();
			json_object_object_add(tree, key, next);
		}
		free(key);
		if (!json_object_is_type(next, json_type_object))
			return NULL;
		tree = next;
		path = dot + 1;
	}
	*last = path;
	return tree;
}

bool
json_path_set(json_object *tree, const char *path, json_object *value)
{
	const char	*last;
	json_object *parent;

	if (!json_object_is_type(tree, json_type_object) ||
		(parent = parent_of(tree, path, &last, true)) == NULL)
	{
		json_object_put(value);
		return false;
	}
	json_object_object_add(parent, last, value);
	return true;
}

bool
json_path_unset(json_object *tree, const char *path)
{
	const char	*last;
	json_object *parent;

	if (!json_object_is_type(tree, json_type_object) ||
		(parent = parent_of(tree, path, &last, false)) == NULL ||
		!json_object_object_get_ex(parent, last, NULL))
		return false;
	json_object_object_del(parent, last);
	return true;
}

json_object *
json_parse(const char *text, size_t len)
{
	struct json_tokener *tokener = json_tokener_new_ex(PARSE_DEPTH);
	json_object			*tree;
	size_t				 used;

	if (tokener == NULL)
		return NULL;

	/* In strict mode, json-c 0.18 refuses all text that is not ASCII. */
	json_tokener_set_flags(tokener,
						   JSON_TOKENER_ALLOW_TRAILING_CHARS |
							   (json_c_version_num() >> 8 == 18 ? 0 : JSON_TOKENER_STRICT));

	/* The closing zero belongs to the input: it ends a number at top level. */
	tree = json_tokener_parse_ex(tokener, text, (int) len + 1);
	used = json_tokener_get_parse_end(tokener);
	if (json_tokener_get_error(tokener) != json_tokener_success ||
		used + strspn(text + used, " \t\r\n") < len)
	{
		json_object_put(tree);
		tree = NULL;
	}
	json_tokener_free(tokener);
	return tree;
}

const char *
json_text(json_object *tree, size_t *len)
{
	return json_object_to_json_string_length(
		tree, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, len);
}
