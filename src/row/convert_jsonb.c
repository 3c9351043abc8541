/*-------------------------------------------------------------------------
 *
 * convert_jsonb.c
 *		Convert a JSON value to jsonb.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "row/convert_jsonb.h"
#include "base/server_text.h"
#include "base/compat.h"

static void push_container(JsonbBuilder *builder, const JsonNode *container, InvalidText invalid);
static void set_scalar(JsonbValue *value, const JsonNode *scalar, InvalidText invalid);
static void set_string(JsonbValue *value, const char *utf8, size_t length, InvalidText invalid);

/*
 * Convert a value to jsonb.
 */
Datum
convert_jsonb(const JsonNode *value, InvalidText invalid)
{
	JsonbBuilder builder = {0};
	JsonbValue	 scalar;
	JsonNodeKind kind = json_node_kind(value);

	if (kind == JSON_NODE_OBJECT || kind == JSON_NODE_ARRAY)
	{
		push_container(&builder, value, invalid);
		return JsonbPGetDatum(JsonbValueToJsonb(jsonb_builder_result(&builder)));
	}
	set_scalar(&scalar, value, invalid);
	return JsonbPGetDatum(JsonbValueToJsonb(&scalar));
}

/*
 * Push an array or object, with all that is inside.
 *
 * Of a key that comes twice, PostgreSQL keeps the last one.  The recursion is no deeper than the
 * parser let it be.
 */
static void
push_container(JsonbBuilder *builder, const JsonNode *container, InvalidText invalid)
{
	bool is_object = json_node_kind(container) == JSON_NODE_OBJECT;

	jsonb_builder_push(builder, is_object ? WJB_BEGIN_OBJECT : WJB_BEGIN_ARRAY, NULL);
	for (const JsonNode *inside = json_node_first(container); inside != NULL;
		 inside = json_node_next(container, inside))
	{
		JsonNodeKind kind = json_node_kind(inside);
		JsonbValue	 value;

		CHECK_FOR_INTERRUPTS();
		if (is_object)
		{
			size_t		length;
			const char *key = json_node_key(inside, &length);

			set_string(&value, key, length, invalid);
			jsonb_builder_push(builder, WJB_KEY, &value);
		}
		if (kind == JSON_NODE_OBJECT || kind == JSON_NODE_ARRAY)
			push_container(builder, inside, invalid);
		else
		{
			set_scalar(&value, inside, invalid);
			jsonb_builder_push(builder, is_object ? WJB_VALUE : WJB_ELEM, &value);
		}
	}
	jsonb_builder_push(builder, is_object ? WJB_END_OBJECT : WJB_END_ARRAY, NULL);
}

/*
 * Set a value with nothing inside.
 */
static void
set_scalar(JsonbValue *value, const JsonNode *scalar, InvalidText invalid)
{
	size_t		length;
	const char *text;
	Datum		numeric;

	switch (json_node_kind(scalar))
	{
		case JSON_NODE_STRING:
			text = json_node_string(scalar, &length);
			set_string(value, text, length, invalid);
			break;
		case JSON_NODE_NUMBER:
			text = json_text(scalar, &length);
			numeric = DirectFunctionCall3(numeric_in, CStringGetDatum(text),
										  ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
			value->type = jbvNumeric;
			value->val.numeric = DatumGetNumeric(numeric);
			break;
		case JSON_NODE_BOOLEAN:
			value->type = jbvBool;
			value->val.boolean = json_node_boolean(scalar);
			break;
		default:
			value->type = jbvNull;
			break;
	}
}

/*
 * Set a string or a key.
 */
static void
set_string(JsonbValue *value, const char *utf8, size_t length, InvalidText invalid)
{
	const char *text = server_text(utf8, &length, invalid);

	if (length > JENTRY_OFFLENMASK)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("string too long to represent as jsonb string"),
						errdetail("Due to an implementation restriction, jsonb strings cannot "
								  "exceed %d bytes.",
								  JENTRY_OFFLENMASK)));
	value->type = jbvString;
	value->val.string.val = unconstify(char *, text);
	value->val.string.len = (int) length;
}
