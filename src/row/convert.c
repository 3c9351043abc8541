/*-------------------------------------------------------------------------
 *
 * convert.c
 *		Convert a JSON value to a Datum of one type.
 *
 * The way is decided once, by the base type.  The types that make up nearly
 * all columns are built directly; all others, and every value that a direct
 * way doesn't fit, go through the type's input function, so that its rules and
 * its errors are the type's own.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "base/epoch.h"
#include "row/convert.h"
#include "row/convert_jsonb.h"
#include "base/server_text.h"

/* The Unix epoch milliseconds of the first timestamp, and those beyond the last. */
#define FIRST_MILLISECONDS (MIN_TIMESTAMP / 1000 + EPOCH_SHIFT_MS)
#define END_MILLISECONDS (END_TIMESTAMP / 1000 + EPOCH_SHIFT_MS)

typedef enum ConversionKind
{
	CONVERT_TEXT, /* directly, whatever the value is */
	CONVERT_INTEGER,
	CONVERT_FLOAT8,
	CONVERT_BOOLEAN,
	CONVERT_TIME, /* a number is Unix epoch milliseconds */
	CONVERT_JSON, /* the value's JSON text, even of a string */
	CONVERT_JSONB,
	CONVERT_ARRAY,
	CONVERT_INPUT /* the type's input function */
} ConversionKind;

struct Conversion
{
	MemoryContext  context;
	ConversionKind kind;
	InvalidText	   invalid_text;
	Oid			   type; /* the base type */
	int32		   typmod;
	Oid			   typioparam;
	FmgrInfo	   input;
	Oid			   domain; /* the type itself if it is a domain, else InvalidOid */
	void		  *domain_cache;
	Conversion	  *element; /* of CONVERT_ARRAY */
	Oid			   element_type;
	int16		   element_length;
	bool		   element_by_value;
	char		   element_align;
};

static ConversionKind conversion_kind(Oid type, int32 typmod);
static void			  add_element_conversion(Conversion *conversion);
static Datum		  convert_value(Conversion *conversion, const JsonNode *value,
									ConversionProgress *progress);
static Datum		  convert_text(Conversion *conversion, const JsonNode *value);
static Datum		  convert_integer(Conversion *conversion, const JsonNode *value);
static Datum		  convert_float8(Conversion *conversion, const JsonNode *value);
static Datum		  convert_time(Conversion *conversion, const JsonNode *value);
static Datum		  convert_array(Conversion *conversion, const JsonNode *value,
									ConversionProgress *progress);
static Datum		  convert_input(Conversion *conversion, const char *text);
static Datum		  number_numeric(const JsonNode *value);
static int64		  number_microseconds(const JsonNode *value, Oid type);
static const char	 *value_text(const JsonNode *value, size_t *length, InvalidText invalid);

/*
 * Decide how values of a type are made.
 */
Conversion *
conversion_create(Oid type, int32 typmod, InvalidText invalid_text)
{
	Conversion *conversion = palloc0(sizeof(Conversion));
	Oid			input;

	conversion->context = CurrentMemoryContext;
	conversion->invalid_text = invalid_text;
	conversion->typmod = typmod;
	conversion->type = getBaseTypeAndTypmod(type, &conversion->typmod);
	conversion->domain = conversion->type != type ? type : InvalidOid;
	conversion->kind = conversion_kind(conversion->type, conversion->typmod);
	getTypeInputInfo(conversion->type, &input, &conversion->typioparam);
	fmgr_info(input, &conversion->input);
	if (conversion->kind == CONVERT_ARRAY)
		add_element_conversion(conversion);
	return conversion;
}

/*
 * Say which way a base type goes.
 */
static ConversionKind
conversion_kind(Oid type, int32 typmod)
{
	Oid element_type;

	switch (type)
	{
		case TEXTOID:
			return CONVERT_TEXT;
		case VARCHAROID:
		case BPCHAROID:
			/* Without a length they are stored as text is. */
			return typmod < 0 ? CONVERT_TEXT : CONVERT_INPUT;
		case INT8OID:
		case INT4OID:
		case INT2OID:
			return CONVERT_INTEGER;
		case FLOAT8OID:
			return CONVERT_FLOAT8;
		case BOOLOID:
			return CONVERT_BOOLEAN;
		case TIMESTAMPTZOID:
		case TIMESTAMPOID:
		case DATEOID:
			return CONVERT_TIME;
		case JSONOID:
			return CONVERT_JSON;
		case JSONBOID:
			return CONVERT_JSONB;
		default:
			/* Some types (oidvector) have elements and aren't the array type of them. */
			element_type = get_element_type(type);
			if (OidIsValid(element_type) && get_array_type(element_type) == type)
				return CONVERT_ARRAY;
			return CONVERT_INPUT;
	}
}

/*
 * Decide how an array's elements are made.
 *
 * An array's typmod is that of its elements.
 */
static void
add_element_conversion(Conversion *conversion)
{
	conversion->element_type = get_element_type(conversion->type);
	conversion->element = conversion_create(conversion->element_type, conversion->typmod,
											conversion->invalid_text);
	get_typlenbyvalalign(conversion->element_type, &conversion->element_length,
						 &conversion->element_by_value, &conversion->element_align);
}

/*
 * Convert a value, or the lack of one, to a Datum that its domain admits.
 */
Datum
conversion_run(Conversion *conversion, const JsonNode *value, ConversionProgress *progress,
			   bool *isnull)
{
	Datum datum = (Datum) 0;

	progress->value = value;
	if (value != NULL)
		datum = convert_value(conversion, value, progress);
	if (OidIsValid(conversion->domain))
		domain_check(datum, value == NULL, conversion->domain, &conversion->domain_cache,
					 conversion->context);

	/* Not before: who catches an error must not find a value that isn't NULL, and isn't there. */
	*isnull = value == NULL;
	return datum;
}

/*
 * Convert a value to a Datum of the base type.
 */
static Datum
convert_value(Conversion *conversion, const JsonNode *value, ConversionProgress *progress)
{
	size_t length;

	switch (conversion->kind)
	{
		case CONVERT_TEXT:
			return convert_text(conversion, value);
		case CONVERT_INTEGER:
			return convert_integer(conversion, value);
		case CONVERT_FLOAT8:
			return convert_float8(conversion, value);
		case CONVERT_BOOLEAN:
			if (json_node_kind(value) == JSON_NODE_BOOLEAN)
				return BoolGetDatum(json_node_boolean(value));
			break;
		case CONVERT_TIME:
			return convert_time(conversion, value);
		case CONVERT_JSON:
		{
			const char *text = json_text(value, &length);

			text = server_text(text, &length, conversion->invalid_text);
			return PointerGetDatum(cstring_to_text_with_len(text, (int) length));
		}
		case CONVERT_JSONB:
			return convert_jsonb(value, conversion->invalid_text);
		case CONVERT_ARRAY:
			if (json_node_kind(value) == JSON_NODE_ARRAY)
				return convert_array(conversion, value, progress);
			break;
		case CONVERT_INPUT:
			break;
	}
	return convert_input(conversion, value_text(value, &length, conversion->invalid_text));
}

static Datum
convert_text(Conversion *conversion, const JsonNode *value)
{
	size_t		length;
	const char *text = value_text(value, &length, conversion->invalid_text);

	return PointerGetDatum(cstring_to_text_with_len(text, (int) length));
}

/*
 * Convert a number to smallint, integer or bigint.
 *
 * A number with a fraction or an exponent is taken if it is an integer all the same (12.0, 1e3), by
 * way of numeric, so that no digit is lost.
 */
static Datum
convert_integer(Conversion *conversion, const JsonNode *value)
{
	Oid			type = conversion->type;
	int64		number;
	size_t		length;
	const char *text;

	if (json_node_int64(value, &number))
	{
		if (type == INT8OID)
			return Int64GetDatum(number);
		if (type == INT4OID && number >= PG_INT32_MIN && number <= PG_INT32_MAX)
			return Int32GetDatum((int32) number);
		if (type == INT2OID && number >= PG_INT16_MIN && number <= PG_INT16_MAX)
			return Int16GetDatum((int16) number);
	}

	text = value_text(value, &length, conversion->invalid_text);
	if (json_node_kind(value) == JSON_NODE_NUMBER && strpbrk(text, ".eE") != NULL)
	{
		Datum numeric = number_numeric(value);
		Datum whole = DirectFunctionCall2(numeric_trunc, numeric, Int32GetDatum(0));

		if (DatumGetBool(DirectFunctionCall2(numeric_eq, numeric, whole)))
			return DirectFunctionCall1(type == INT8OID	 ? numeric_int8
									   : type == INT4OID ? numeric_int4
														 : numeric_int2,
									   whole);
	}
	return convert_input(conversion, text);
}

/*
 * Convert a number to double precision.
 *
 * It was read with strtod(), as the input function would.  What came out as infinite or as zero
 * goes there all the same, to be refused if it is out of range.
 */
static Datum
convert_float8(Conversion *conversion, const JsonNode *value)
{
	size_t length;
	int64  number;

	if (json_node_int64(value, &number))
		return Float8GetDatum((double) number);
	if (json_node_kind(value) == JSON_NODE_NUMBER)
	{
		double real = json_node_double(value);

		if (isfinite(real) && real != 0.0)
			return Float8GetDatum(real);
	}
	return convert_input(conversion, value_text(value, &length, conversion->invalid_text));
}

/*
 * Convert epoch milliseconds to timestamptz, timestamp or date.  The last two are wall-clock time
 * in UTC, whatever the session's TimeZone.
 */
static Datum
convert_time(Conversion *conversion, const JsonNode *value)
{
	size_t length;
	int64  microseconds;
	int64  days;
	Datum  datum;

	if (json_node_kind(value) != JSON_NODE_NUMBER)
		return convert_input(conversion, value_text(value, &length, conversion->invalid_text));

	microseconds = number_microseconds(value, conversion->type);
	if (conversion->type == DATEOID)
	{
		days = microseconds / USECS_PER_DAY;
		if (microseconds % USECS_PER_DAY < 0)
			days--;
		return DateADTGetDatum((DateADT) days);
	}

	datum = TimestampGetDatum(microseconds);
	if (conversion->typmod >= 0)
		datum = DirectFunctionCall2(conversion->type == TIMESTAMPOID ? timestamp_scale
																	 : timestamptz_scale,
									datum, Int32GetDatum(conversion->typmod));
	return datum;
}

/*
 * Convert a JSON array to an array of one dimension.
 */
static Datum
convert_array(Conversion *conversion, const JsonNode *value, ConversionProgress *progress)
{
	size_t n = json_node_length(value);
	Datum *elements;
	bool  *nulls;
	int	   dimension = (int) n;
	int	   lower_bound = 1;

	if (n == 0)
		return PointerGetDatum(construct_empty_array(conversion->element_type));

	elements = palloc(n * sizeof(Datum));
	nulls = palloc(n * sizeof(bool));
	for (size_t i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		progress->element = (int64) i;
		elements[i] = conversion_run(conversion->element, json_node_element(value, i), progress,
									 &nulls[i]);
	}
	progress->element = -1;
	progress->value = value;

	return PointerGetDatum(construct_md_array(
		elements, nulls, 1, &dimension, &lower_bound, conversion->element_type,
		conversion->element_length, conversion->element_by_value, conversion->element_align));
}

static Datum
convert_input(Conversion *conversion, const char *text)
{
	return InputFunctionCall(&conversion->input, unconstify(char *, text), conversion->typioparam,
							 conversion->typmod);
}

/*
 * Make a numeric of a JSON number, from its source text.
 */
static Datum
number_numeric(const JsonNode *value)
{
	size_t length;

	return DirectFunctionCall3(numeric_in,
							   CStringGetDatum(value_text(value, &length, INVALID_TEXT_ERROR)),
							   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

/*
 * Make a timestamp of Unix epoch milliseconds.
 *
 * Integers, which is what Crisp sends, never pass through floating point; fractions are rounded to
 * microseconds.
 */
static int64
number_microseconds(const JsonNode *value, Oid type)
{
	int64 milliseconds;
	int64 microseconds = PG_INT64_MAX;

	if (json_node_int64(value, &milliseconds))
		microseconds = time_from_unix_ms(milliseconds);
	else if (json_node_double(value) < (double) END_MILLISECONDS &&
			 json_node_double(value) > (double) FIRST_MILLISECONDS - 1)
	{
		/* The years between the epochs come off first: all that is left fits, then. */
		Datum epoch = DirectFunctionCall1(int8_numeric, Int64GetDatum(EPOCH_SHIFT_MS));
		Datum thousand = DirectFunctionCall1(int8_numeric, Int64GetDatum(1000));
		Datum since = DirectFunctionCall2(numeric_sub, number_numeric(value), epoch);
		Datum scaled = DirectFunctionCall2(numeric_mul, since, thousand);

		microseconds = DatumGetInt64(DirectFunctionCall1(numeric_int8, scaled));
	}
	if (!IS_VALID_TIMESTAMP(microseconds))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 type == DATEOID ? errmsg("date out of range") : errmsg("timestamp out of range"),
				 errdetail("A number is taken as milliseconds since 1970-01-01 00:00:00 UTC.")));
	return microseconds;
}

/*
 * Return a value as text in the database's encoding.
 *
 * A string gives itself, anything else its JSON text.  The result ends in a NUL and holds none
 * before; it is palloc'd or owned by the value.
 */
static const char *
value_text(const JsonNode *value, size_t *length, InvalidText invalid)
{
	return server_text(json_plain_text(value, length), length, invalid);
}
