/*-------------------------------------------------------------------------
 *
 * json_make.h
 *		Make JSON values of others, without their text.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_JSON_MAKE_H
#define CRISP_JSON_MAKE_H

#include "json/json.h"

/*
 * A value and where it goes in an object: keys joined by dots, none of which holds a dot.
 */
typedef struct JsonMember
{
	const char	   *path;
	const JsonNode *value; /* NULL is a JSON null */
} JsonMember;

/*
 * Return a copy of a value (NULL of NULL).  What is made here belongs to owner, arguments are
 * copied.
 */
extern const JsonNode *json_copy(MemoryContext owner, const JsonNode *node);

/* Make a string of a text (UTF-8). */
extern const JsonNode *json_make_string(MemoryContext owner, const char *text);

extern const JsonNode *json_make_boolean(MemoryContext owner, bool value);

/* Make a number with these digits, which must be those of a number in JSON. */
extern const JsonNode *json_make_number(MemoryContext owner, const char *digits);

extern const JsonNode *json_make_array(MemoryContext owner, const JsonNode *const *elements,
									   int nelements);

/* Make an object with these members, in their order.  Paths that begin alike share objects. */
extern const JsonNode *json_make_object(MemoryContext owner, const JsonMember *members,
										int nmembers);

#endif /* CRISP_JSON_MAKE_H */
