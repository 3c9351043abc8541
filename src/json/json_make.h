/*-------------------------------------------------------------------------
 *
 * json_make.h
 *		JSON values that are made of others, without their text.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_JSON_MAKE_H
#define CRISP_JSON_MAKE_H

#include "json/json.h"

/* A member of an object in the making. */
typedef struct JsonMember
{
	const char	   *key;   /* UTF-8 */
	const JsonNode *value; /* NULL: the object is to lack it */
} JsonMember;

/* A copy of a value (NULL of NULL).  What is made here belongs to owner, arguments are copied. */
extern const JsonNode *json_copy(MemoryContext owner, const JsonNode *node);

/* A string of a text (UTF-8). */
extern const JsonNode *json_make_string(MemoryContext owner, const char *text);

/* An object with these members. */
extern const JsonNode *json_make_object(MemoryContext owner, const JsonMember *members,
										int nmembers);

#endif /* CRISP_JSON_MAKE_H */
