/*-------------------------------------------------------------------------
 *
 * json_body.c
 *		JSON objects that are sent.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/json.h"

#include "write/json_body.h"

/*
 * Whether two members are in the same object, which takes depth bytes of their
 * paths, and have the same key in it, of length bytes.
 */
static bool
same_key(const BodyMember *a, const BodyMember *b, size_t depth, size_t length)
{
	return strncmp(a->path, b->path, depth + length) == 0 &&
		   (b->path[depth + length] == '.' || b->path[depth + length] == '\0');
}

/*
 * Append the object that the members from first on have in common: the first
 * depth bytes of their paths lead to it.
 */
static void
append_object(StringInfo json, const BodyMember *members, int nmembers, int first, size_t depth)
{
	bool any = false;

	appendStringInfoChar(json, '{');
	for (int i = first; i < nmembers; i++)
	{
		const char *key;
		size_t		length;
		bool		written = false;

		/* A path that isn't of this object may be shorter than what leads to it. */
		if (strncmp(members[i].path, members[first].path, depth) != 0)
			continue;
		key = members[i].path + depth;
		length = strcspn(key, ".");
		for (int earlier = first; earlier < i && !written; earlier++)
			written = same_key(&members[i], &members[earlier], depth, length);
		if (written)
			continue;

		if (any)
			appendStringInfoChar(json, ',');
		any = true;
		escape_json(json, pnstrdup(key, length));
		appendStringInfoChar(json, ':');
		if (key[length] == '.')
			append_object(json, members, nmembers, i, depth + length + 1);
		else
			appendStringInfoString(json, members[i].json);
	}
	appendStringInfoChar(json, '}');
}

char *
body_create(const BodyMember *members, int nmembers, size_t *length)
{
	StringInfoData json;
	char		  *text;

	initStringInfo(&json);
	if (nmembers == 0)
		appendStringInfoString(&json, "{}");
	else
		append_object(&json, members, nmembers, 0, 0);

	text = pg_server_to_any(json.data, json.len, PG_UTF8);
	*length = strlen(text);
	return text;
}
