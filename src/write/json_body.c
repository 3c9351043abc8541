/*-------------------------------------------------------------------------
 *
 * json_body.c
 *		Write the bodies of requests: JSON objects.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json/json_writer.h"
#include "write/json_body.h"

char *
body_create(const BodyMember *members, int nmembers, size_t *length)
{
	JsonWriter *object = json_writer_object();

	for (int i = 0; i < nmembers; i++)
	{
		const EncodedValue *value = &members[i].value;

		if (value->json != NULL)
			json_writer_set_json(object, members[i].path, value->json);
		else
			json_writer_set(object, members[i].path, value->node);
	}
	return json_writer_finish(object, length);
}
