/*
 * body.c
 *		Check the bodies of changes, and merge them into rows.
 */
#include "body.h"

#include <stdio.h>
#include <string.h>

static char problem[200];

static bool
is_scalar(json_object *value)
{
	return json_object_is_type(value, json_type_string) ||
		   json_object_is_type(value, json_type_int) ||
		   json_object_is_type(value, json_type_double) ||
		   json_object_is_type(value, json_type_boolean);
}

static bool
is_array_of(json_object *value, json_type type)
{
	if (!json_object_is_type(value, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(value); i++)
		if (!json_object_is_type(json_object_array_get_idx(value, i), type))
			return false;
	return true;
}

static bool
is_data(json_object *value)
{
	if (!json_object_is_type(value, json_type_object))
		return false;
	json_object_object_foreach(value, key, member)
	{
		(void) key;
		if (!is_scalar(member))
			return false;
	}
	return true;
}

static bool
has_type(json_object *value, BodyType type)
{
	switch (type)
	{
		case BODY_STRING:
			return json_object_is_type(value, json_type_string);
		case BODY_NUMBER:
			return json_object_is_type(value, json_type_int) ||
				   json_object_is_type(value, json_type_double);
		case BODY_BOOLEAN:
			return json_object_is_type(value, json_type_boolean);
		case BODY_STRINGS:
			return is_array_of(value, json_type_string);
		case BODY_OBJECTS:
			return is_array_of(value, json_type_object);
		case BODY_OBJECT:
			return json_object_is_type(value, json_type_object);
		case BODY_DATA:
			break;
	}
	return is_data(value);
}

/* Return the field at a path, or NULL; "leads" tells whether fields lie below it. */
static const BodyField *
find_field(const BodyField *fields, const char *path, bool *leads)
{
	size_t len = strlen(path);

	*leads = false;
	for (; fields->path != NULL; fields++)
	{
		if (strcmp(fields->path, path) == 0)
			return fields;
		if (strncmp(fields->path, path, len) == 0 && fields->path[len] == '.')
			*leads = true;
	}
	return NULL;
}

static bool
check_members(json_object *object, const char *prefix, const BodyField *fields, bool nulls)
{
	json_object_object_foreach(object, key, value)
	{
		char			 path[160];
		const BodyField *field;
		bool			 leads;

		snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix != '\0' ? "." : "", key);
		field = find_field(fields, path, &leads);
		if (field == NULL && !leads)
			snprintf(problem, sizeof(problem), "%s is not known", path);
		else if ((value == NULL && nulls) || (field != NULL && has_type(value, field->type)) ||
				 (field == NULL && json_object_is_type(value, json_type_object) &&
				  check_members(value, path, fields, nulls)))
			continue;
		else if (field != NULL || !json_object_is_type(value, json_type_object))
			snprintf(problem, sizeof(problem), "%s is of the wrong type", path);
		return false;
	}
	return true;
}

const char *
body_check(json_object *body, const BodyField *fields, bool nulls)
{
	if (!json_object_is_type(body, json_type_object))
		return "the body must be an object";
	return check_members(body, "", fields, nulls) ? NULL : problem;
}

void
body_merge(json_object *target, json_object *body)
{
	json_object_object_foreach(body, key, value)
	{
		json_object *old = json_object_object_get(target, key);
		json_object *copy = NULL;

		if (value == NULL)
			json_object_object_del(target, key);
		else if (json_object_is_type(value, json_type_object) &&
				 json_object_is_type(old, json_type_object))
			body_merge(old, value);
		else
		{
			json_object_deep_copy(value, &copy, NULL);
			json_object_object_add(target, key, copy);
		}
	}
}
