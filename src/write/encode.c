/*-------------------------------------------------------------------------
 *
 * encode.c
 *		Encode a Datum of one type as the JSON that the API takes.
 *
 * A column may be declared with another type than IMPORT gives it: what counts is whether its
 * values can be written as what the API wants.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/jsonapi.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/epoch.h"
#include "json/json_make.h"
#include "json/json_parse.h"
#include "write/encode.h"

/* How much of a value is shown in a message, bytes. */
#define EXCERPT_BYTES 100

struct Encoder
{
	CrispType as;
	Oid		  type; /* the base type */
	FmgrInfo  output;
	Encoder	 *element; /* of an array; else NULL */
	Oid		  element_type;
	int16	  element_length;
	bool	  element_by_value;
	char	  element_align;
};

Encoder *
encoder_create(Oid type, CrispType as)
{
	Encoder *encoder = palloc0(sizeof(Encoder));
	Oid		 output;
	bool	 is_varlena;

	encoder->as = as;
	encoder->type = getBaseType(type);
	getTypeOutputInfo(encoder->type, &output, &is_varlena);
	fmgr_info(output, &encoder->output);

	encoder->element_type = get_element_type(encoder->type);
	if (as == CRISP_TEXT_ARRAY && OidIsValid(encoder->element_type))
	{
		encoder->element = encoder_create(encoder->element_type, CRISP_TEXT);
		get_typlenbyvalalign(encoder->element_type, &encoder->element_length,
							 &encoder->element_by_value, &encoder->element_align);
	}
	return encoder;
}

bool
encoder_scalar_type(Oid type, CrispType *as)
{
	switch (getBaseType(type))
	{
		case BOOLOID:
			*as = CRISP_BOOLEAN;
			return true;
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			*as = CRISP_NUMBER;
			return true;
		case JSONOID:
		case JSONBOID:
			*as = CRISP_JSON;
			return true;
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return false;
		default:
			*as = CRISP_TEXT;
			return true;
	}
}

/*
 * Return a value as its type's output function has it.
 */
static char *
output_text(const Encoder *encoder, Datum value)
{
	return OutputFunctionCall((FmgrInfo *) &encoder->output, value);
}

static bool
is_json(const Encoder *encoder)
{
	return encoder->type == JSONBOID || encoder->type == JSONOID;
}

/*
 * Return what a JSON string says; NULL for any other JSON.
 */
static char *
json_string(const Encoder *encoder, Datum value)
{
	JsonbValue scalar;

	if (encoder->type == JSONOID)
		value = DirectFunctionCall1(jsonb_in, CStringGetDatum(output_text(encoder, value)));
	if (!JsonbExtractScalar(&DatumGetJsonbP(value)->root, &scalar) || scalar.type != jbvString)
		return NULL;
	return pnstrdup(scalar.val.string.val, scalar.val.string.len);
}

char *
encoder_text(const Encoder *encoder, Datum value)
{
	char *text = is_json(encoder) ? json_string(encoder, value) : NULL;

	return text ? text : output_text(encoder, value);
}

/*
 * Convert a text of the database to the encoding of JSON.
 */
static char *
to_utf8(const char *text)
{
	return pg_server_to_any(text, (int) strlen(text), PG_UTF8);
}

EncodedValue
encode_string(const char *text)
{
	return (EncodedValue){.node = json_make_string(CurrentMemoryContext, to_utf8(text))};
}

const JsonNode *
encoded_node(const EncodedValue *value, char **problem)
{
	const JsonNode *node = value->node;

	*problem = NULL;
	if (value->json != NULL)
		(void) json_parse(CurrentMemoryContext, value->json, strlen(value->json), &node, problem);
	return node;
}

const char *
encode_excerpt(const char *text)
{
	size_t length = strlen(text);

	if (length <= EXCERPT_BYTES)
		return text;
	return psprintf("%.*s...", pg_mbcliplen(text, (int) length, EXCERPT_BYTES), text);
}

pg_noreturn static void
does_not_fit(const char *text, const char *wanted)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("value cannot be sent to Crisp: \"%s\"", encode_excerpt(text)),
					errdetail("Crisp takes %s here.", wanted)));
}

/*
 * Encode a number with its digits as they are.
 */
static EncodedValue
encode_number(const char *text, bool integer)
{
	size_t sign = text[0] == '-' ? 1 : 0;

	if (!IsValidJsonNumber(text, (int) strlen(text)) ||
		(integer && strspn(text + sign, "0123456789") != strlen(text + sign)))
		does_not_fit(text, integer ? "an integer" : "a number");
	return (EncodedValue){.node = json_make_number(CurrentMemoryContext, text)};
}

static EncodedValue
encode_boolean(const char *text)
{
	bool value;

	if (!parse_bool(text, &value))
		does_not_fit(text, "true or false");
	return (EncodedValue){.node = json_make_boolean(CurrentMemoryContext, value)};
}

/*
 * Encode a time as Unix epoch milliseconds.
 *
 * timestamp and date are wall-clock time in UTC, as when they are read.  Any type that holds no
 * time holds milliseconds.
 */
static EncodedValue
encode_time(const Encoder *encoder, Datum value)
{
	Timestamp time;

	switch (encoder->type)
	{
		case TIMESTAMPTZOID:
			time = DatumGetTimestampTz(value);
			break;
		case TIMESTAMPOID:
			time = DatumGetTimestamp(value);
			break;
		case DATEOID:
			time = DatumGetTimestamp(DirectFunctionCall1(date_timestamp, value));
			break;
		default:
			return encode_number(encoder_text(encoder, value), true);
	}
	if (TIMESTAMP_NOT_FINITE(time))
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("an infinite time cannot be sent to Crisp")));

	return encode_number(psprintf(INT64_FORMAT, time_to_unix_ms(time)), true);
}

/*
 * Encode any JSON, which text types hold as text.
 */
static EncodedValue
encode_json(const Encoder *encoder, Datum value)
{
	char *text = output_text(encoder, value);

	if (!is_json(encoder))
		(void) DirectFunctionCall1(json_in, CStringGetDatum(text));
	return (EncodedValue){.json = to_utf8(text)};
}

/*
 * Encode an array of strings, from an array of SQL, or from JSON.
 */
static EncodedValue
encode_array(const Encoder *encoder, Datum value)
{
	const JsonNode **strings;
	Datum			*elements;
	bool			*nulls;
	int				 count;

	if (encoder->element == NULL)
		return encode_json(encoder, value);

	if (ARR_NDIM(DatumGetArrayTypeP(value)) > 1)
		does_not_fit(encoder_text(encoder, value), "an array of one dimension");
	deconstruct_array(DatumGetArrayTypeP(value), encoder->element_type, encoder->element_length,
					  encoder->element_by_value, encoder->element_align, &elements, &nulls, &count);
	strings = palloc(sizeof(JsonNode *) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			does_not_fit(encoder_text(encoder, value), "an array without nulls");
		strings[i] = encoder_run(encoder->element, elements[i]).node;
	}
	return (EncodedValue){.node = json_make_array(CurrentMemoryContext, strings, count)};
}

EncodedValue
encoder_run(const Encoder *encoder, Datum value)
{
	switch (encoder->as)
	{
		case CRISP_INTEGER:
			return encode_number(encoder_text(encoder, value), true);
		case CRISP_NUMBER:
			return encode_number(encoder_text(encoder, value), false);
		case CRISP_BOOLEAN:
			return encode_boolean(encoder_text(encoder, value));
		case CRISP_TIME:
			return encode_time(encoder, value);
		case CRISP_TEXT_ARRAY:
			return encode_array(encoder, value);
		case CRISP_JSON:
			return encode_json(encoder, value);
		case CRISP_TEXT:
			break;
	}
	if (is_json(encoder) && json_string(encoder, value) == NULL)
		does_not_fit(output_text(encoder, value), "text");
	return encode_string(encoder_text(encoder, value));
}
