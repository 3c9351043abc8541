/*-------------------------------------------------------------------------
 *
 * json_path.c
 *		Find where in a JSON object a column's value stands.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "json/json_path.h"

/* Names up to this length (a column's always are) are looked up without palloc. */
#define SHORT_NAME 512

static const char	  *read_key(const char *at, StringInfo key, const char **error);
static const JsonNode *find_rest(const JsonNode *object, char *rest, char *spelled);

/*
 * Read the text of a path.
 *
 * Dots and quotes are single bytes in every server encoding, and never a part of a longer
 * character.
 */
JsonPath *
json_path_parse(const char *text, const char **error)
{
	JsonPath   *path = palloc0(sizeof(JsonPath));
	const char *at = text;
	int			max_keys = 1;

	*error = NULL;
	for (const char *c = text; *c != '\0'; c++)
		max_keys += (*c == '.');
	path->keys = palloc(max_keys * sizeof(char *));

	for (;;)
	{
		StringInfoData key;

		initStringInfo(&key);
		at = read_key(at, &key, error);
		if (at == NULL)
			return NULL;
		path->keys[path->nkeys++] = pg_server_to_any(key.data, key.len, PG_UTF8);
		if (*at == '\0')
			return path;
		if (*at != '.')
		{
			*error = "After a quoted key comes a dot or the end of the path.";
			return NULL;
		}
		at++;
	}
}

JsonPath *
json_path_of(const char *text)
{
	const char *error;
	JsonPath   *path = json_path_parse(text, &error);

	if (path == NULL)
		elog(ERROR, "malformed JSON path \"%s\": %s", text, error);
	return path;
}

/*
 * Read one key of a path, and return what follows it; NULL for a malformed key.
 */
static const char *
read_key(const char *at, StringInfo key, const char **error)
{
	if (*at != '"')
	{
		while (*at != '\0' && *at != '.' && *at != '"')
			appendStringInfoChar(key, *at++);
		if (*at == '"')
			*error =
				"A key that holds a double quote is written in double quotes, with two for each "
				"inside.";
		else if (key->len == 0)
			*error = "A key is missing; an empty one is written as two double quotes.";
		return *error == NULL ? at : NULL;
	}

	for (at++; *at != '\0'; at++)
	{
		if (*at == '"' && *++at != '"')
			return at;
		appendStringInfoChar(key, *at);
	}
	*error = "A quoted key has no closing double quote.";
	return NULL;
}

/*
 * Add a key to the text of a path.
 */
void
json_path_append_key(StringInfo path, const char *key)
{
	appendStringInfoChar(path, '.');
	if (key[0] != '\0' && strpbrk(key, ".\"") == NULL)
	{
		appendStringInfoString(path, key);
		return;
	}
	appendStringInfoChar(path, '"');
	for (; *key != '\0'; key++)
	{
		if (*key == '"')
			appendStringInfoChar(path, '"');
		appendStringInfoChar(path, *key);
	}
	appendStringInfoChar(path, '"');
}

/*
 * Leave out the quotes that a path doesn't need.
 */
char *
json_path_normalize(const char *text)
{
	const char	  *at = text;
	const char	  *error = NULL;
	StringInfoData path;
	StringInfoData key;

	initStringInfo(&path);
	initStringInfo(&key);
	do
	{
		resetStringInfo(&key);
		at = read_key(at, &key, &error);
		if (at == NULL)
			return pstrdup(text);
		json_path_append_key(&path, key.data);
	} while (*at++ == '.');
	return at[-1] == '\0' ? path.data + 1 : pstrdup(text);
}

/*
 * Follow a path.
 */
const JsonNode *
json_path_get(const JsonNode *object, const JsonPath *path)
{
	for (int i = 0; i < path->nkeys; i++)
		object = json_node_member(object, path->keys[i]);
	return object;
}

/*
 * Find a value by the flattening rule.
 */
const JsonNode *
json_path_find(const JsonNode *object, const char *name)
{
	return json_path_find_spelled(object, name, NULL);
}

/*
 * Find a value by the flattening rule, and tell how the name was read.
 */
const JsonNode *
json_path_find_spelled(const JsonNode *object, const char *name, char *spelled)
{
	char			buffer[SHORT_NAME];
	size_t			length = strlen(name);
	char		   *rest = length < sizeof(buffer) ? buffer : palloc(length + 1);
	const JsonNode *found;

	memcpy(rest, name, length + 1);
	if (spelled != NULL)
		memcpy(spelled, name, length + 1);
	found = find_rest(object, rest, spelled);
	if (rest != buffer)
		pfree(rest);
	return found;
}

/*
 * Find what the rest of a name leads to from one object.
 *
 * rest is changed on the way, but not for the caller; spelled, if not NULL, points to the same
 * place in the copy that gets its dots.
 *
 * The keys on the way to an object are its share of the name, so no object is visited twice:
 * hostile input costs no more than its size.  The recursion is no deeper than the name has
 * underscores, or the tree is deep.
 */
static const JsonNode *
find_rest(const JsonNode *object, char *rest, char *spelled)
{
	const JsonNode *value = json_node_member(object, rest);

	if (value != NULL || json_node_kind(object) != JSON_NODE_OBJECT)
		return value;

	for (char *cut = rest + strlen(rest); cut-- > rest;)
	{
		const JsonNode *found;

		if (*cut != '_')
			continue;
		*cut = '\0';
		found = find_rest(json_node_member(object, rest), cut + 1,
						  spelled ? spelled + (cut + 1 - rest) : NULL);
		*cut = '_';
		if (found != NULL)
		{
			if (spelled != NULL)
				spelled[cut - rest] = '.';
			return found;
		}
	}
	return NULL;
}
