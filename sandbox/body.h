/*
 * body.h
 *		Check the bodies of changes, and merge them into rows.
 */
#ifndef SANDBOX_BODY_H
#define SANDBOX_BODY_H

#include <json-c/json.h>
#include <stdbool.h>

/* Of which type a member of a body is. */
typedef enum BodyType
{
	BODY_STRING,
	BODY_NUMBER,
	BODY_BOOLEAN,
	BODY_STRINGS, /* an array of them */
	BODY_OBJECTS, /* an array of them */
	BODY_OBJECT,  /* with any members */
	BODY_DATA	  /* an object of strings, numbers and booleans */
} BodyType;

/* A member that a body may have; others are refused. */
typedef struct BodyField
{
	const char *path; /* in dots; NULL at the end of the list */
	BodyType	type;
} BodyField;

/*
 * Say what is wrong with a body, or return NULL.  "nulls" allows nulls in the place of any value.
 * The text is static until the next call.
 */
extern const char *body_check(json_object *body, const BodyField *fields, bool nulls);

/*
 * Merge an object into another: members of objects one by one, all else as a whole; a null removes.
 */
extern void body_merge(json_object *target, json_object *body);

#endif /* SANDBOX_BODY_H */
