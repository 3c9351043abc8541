/*
 * match.c
 *		Match the requests that a fault or a change is meant for.
 */
#include "match.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

static const char *
take_string(char **target, json_object *value)
{
	if (!json_object_is_type(value, json_type_string))
		return "method, path and query of a match must be strings";
	free(*target);
	*target = xstrdup(json_object_get_string(value));
	return NULL;
}

static const char *
take_member(Match *match, const char *name, json_object *value, const char *also)
{
	if (strcmp(name, "method") == 0)
		return take_string(&match->method, value);
	if (strcmp(name, "path") == 0)
		return take_string(&match->path, value);
	if (strcmp(name, "query") == 0)
		return take_string(&match->query, value);
	if (strcmp(name, "nth") == 0)
	{
		if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 1)
			return "nth must be 1 or more";
		match->nth = (uint64_t) json_object_get_int64(value);
		return NULL;
	}
	if (also != NULL && strcmp(name, also) == 0)
		return NULL;
	return "a match has no members but method, path, query and nth";
}

const char *
match_parse(Match *match, json_object *object, const char *also)
{
	memset(match, 0, sizeof(*match));
	if (!json_object_is_type(object, json_type_object))
		return "a match must be an object";
	json_object_object_foreach(object, name, value)
	{
		const char *error = take_member(match, name, value, also);

		if (error != NULL)
		{
			match_free(match);
			return error;
		}
	}
	return NULL;
}

void
match_free(Match *match)
{
	free(match->method);
	free(match->path);
	free(match->query);
	memset(match, 0, sizeof(*match));
}

/* Return the path below /v1, without a slash at its start. */
static const char *
below_version(const char *path)
{
	path += strspn(path, "/");
	if (strncmp(path, "v1/", 3) == 0)
		path += 3;
	return path;
}

bool
match_request(Match *match, const Request *request)
{
	if (match->method != NULL && strcmp(match->method, request->method) != 0)
		return false;
	if (match->query != NULL && strstr(request->query, match->query) == NULL)
		return false;
	if (match->path != NULL &&
		fnmatch(below_version(match->path), below_version(request->path), 0) != 0)
		return false;
	match->seen++;
	return true;
}
