/*-------------------------------------------------------------------------
 *
 * flatten.c
 *		JSON at a path to a Datum of the column's type.
 *
 * How a column is converted is decided once per scan, by the base type of its
 * type.  The types that make up nearly all columns are built directly; all
 * others, and every value that a direct way doesn't fit, go through the
 * type's input function, so that its rules and its errors are the type's own.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/int.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "flatten.h"
#include "jsonpath.h"

/* How many bytes of a value an error shows, and what they take at most. */
#define SHOWN_BYTES 64
#define SHOWN_SIZE (SHOWN_BYTES * 4 + sizeof("..."))

/* The longest column name (in UTF-8, whatever the database's encoding), with its NUL. */
#define MAX_NAME_SIZE (NAMEDATALEN * MAX_CONVERSION_GROWTH)

/* More milliseconds from 1970 than any timestamp is away. */
#define TOO_MANY_MILLISECONDS 1e16

#define UNIX_EPOCH_OFFSET ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

typedef enum ConversionKind
{
	CONVERT_TEXT, /* directly, whatever the value is */
	CONVERT_INTEGER,
	CONVERT_FLOAT8,
	CONVERT_BOOLEAN,
	CONVERT_TIME, /* a number is Unix epoch milliseconds */
	CONVERT_JSON, /* the value's JSON text, even of a string */
	CONVERT_ARRAY,
	CONVERT_INPUT /* the type's input function */
} ConversionKind;

/* How a value becomes a Datum of one type. */
typedef struct Conversion
{
	ConversionKind	   kind;
	Oid				   type; /* the base type */
	int32			   typmod;
	Oid				   typioparam;
	FmgrInfo		   input;
	Oid				   domain; /* the type itself if it is a domain, else InvalidOid */
	void			  *domain_cache;
	struct Conversion *element; /* of CONVERT_ARRAY */
	Oid				   element_type;
	int16			   element_length;
	bool			   element_by_value;
	char			   element_align;
} Conversion;

typedef struct FlattenColumn
{
	int			index; /* into values and nulls */
	const char *name;
	const char *path_text; /* NULL: found by name */
	JsonPath   *path;
	const char *name_utf8;
	Conversion	conversion;
} FlattenColumn;

struct Flattener
{
	MemoryContext  context;
	const char	  *relation_name;
	const char	  *envelope; /* UTF-8, or NULL */
	int			   natts;
	int			   ncolumns;
	FlattenColumn *columns;

	/* What is being converted, for the error context. */
	json_object			*row;
	const FlattenColumn *column;
	json_object			*value;
	int64				 element; /* index in the array, or -1 */
};

static void			  conversion_init(Conversion *conversion, Oid type, int32 typmod);
static ConversionKind conversion_kind(Oid type, int32 typmod);
static void			  conversion_init_array(Conversion *conversion);
static json_object	 *column_value(const Flattener *flattener, const FlattenColumn *column,
								   json_object *row);
static Datum		  convert(Flattener *flattener, Conversion *conversion, json_object *value,
							  bool *isnull);
static Datum	   convert_value(Flattener *flattener, Conversion *conversion, json_object *value);
static Datum	   convert_text(json_object *value);
static Datum	   convert_integer(Conversion *conversion, json_object *value);
static Datum	   convert_float8(Conversion *conversion, json_object *value);
static Datum	   convert_time(Conversion *conversion, json_object *value);
static Datum	   convert_array(Flattener *flattener, Conversion *conversion, json_object *value);
static Datum	   convert_input(Conversion *conversion, const char *text);
static bool		   fits_int64(json_object *value, int64 *result);
static Datum	   number_numeric(json_object *value);
static int64	   number_microseconds(json_object *value, Oid type);
static const char *value_text(json_object *value, size_t *length);
static const char *server_text(const char *utf8, size_t *length);
static bool		   is_plain_ascii(const char *text, size_t length);
static void		   flatten_error_context(void *arg);
static void		   describe_path(const Flattener *flattener, char *path, size_t size);
static void		   describe_value(json_object *value, char *shown, size_t size);
static void		   escape(const char *utf8, size_t length, size_t limit, char *result, size_t size);

/*
 * flatten_begin -- prepare the conversion of rows
 */
Flattener *
flatten_begin(TupleDesc tupdesc, const char *relation_name, const char *envelope,
			  const FlattenSource *sources, int nsources)
{
	Flattener *flattener = palloc0(sizeof(Flattener));

	flattener->context = CurrentMemoryContext;
	flattener->relation_name = pstrdup(relation_name);
	flattener->envelope = envelope ? pstrdup(envelope) : NULL;
	flattener->natts = tupdesc->natts;
	flattener->columns = palloc0(sizeof(FlattenColumn) * Max(nsources, 1));

	for (int i = 0; i < nsources; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, sources[i].attnum - 1);
		FlattenColumn	 *column = &flattener->columns[flattener->ncolumns];
		const char		 *error;

		if (attribute->attisdropped)
			continue;
		column->index = sources[i].attnum - 1;
		column->name = pstrdup(NameStr(attribute->attname));
		if (sources[i].path != NULL)
		{
			column->path_text = pstrdup(sources[i].path);
			column->path = json_path_parse(column->path_text, &error);
			if (column->path == NULL)
				ereport(
					ERROR,
					(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					 errmsg("invalid JSON path \"%s\" for column \"%s\" of foreign table \"%s\"",
							column->path_text, column->name, relation_name),
					 errdetail("%s", error)));
		}
		else
			column->name_utf8 = pg_server_to_any(column->name, (int) strlen(column->name), PG_UTF8);
		conversion_init(&column->conversion, attribute->atttypid, attribute->atttypmod);
		flattener->ncolumns++;
	}
	return flattener;
}

/*
 * flatten_row -- convert one row
 */
void
flatten_row(Flattener *flattener, json_object *row, Datum *values, bool *nulls)
{
	ErrorContextCallback callback;

	memset(values, 0, sizeof(Datum) * flattener->natts);
	memset(nulls, true, sizeof(bool) * flattener->natts);

	flattener->row = row;
	callback.callback = flatten_error_context;
	callback.arg = flattener;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	for (int i = 0; i < flattener->ncolumns; i++)
	{
		FlattenColumn *column = &flattener->columns[i];

		flattener->column = column;
		flattener->element = -1;
		flattener->value = column_value(flattener, column, row);
		values[column->index] = convert(flattener, &column->conversion, flattener->value,
										&nulls[column->index]);
	}

	error_context_stack = callback.previous;
}

/*
 * conversion_init -- decide how values of a type are made
 */
static void
conversion_init(Conversion *conversion, Oid type, int32 typmod)
{
	Oid input;

	conversion->typmod = typmod;
	conversion->type = getBaseTypeAndTypmod(type, &conversion->typmod);
	conversion->domain = conversion->type != type ? type : InvalidOid;
	conversion->kind = conversion_kind(conversion->type, conversion->typmod);
	getTypeInputInfo(conversion->type, &input, &conversion->typioparam);
	fmgr_info(input, &conversion->input);
	if (conversion->kind == CONVERT_ARRAY)
		conversion_init_array(conversion);
}

/*
 * conversion_kind -- which way a base type goes
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
		case JSONBOID:
		case JSONOID:
			return CONVERT_JSON;
		default:
			/* Some types (oidvector) have elements and aren't the array type of them. */
			element_type = get_element_type(type);
			if (OidIsValid(element_type) && get_array_type(element_type) == type)
				return CONVERT_ARRAY;
			return CONVERT_INPUT;
	}
}

/*
 * conversion_init_array -- decide how an array's elements are made
 *
 * An array's typmod is that of its elements.
 */
static void
conversion_init_array(Conversion *conversion)
{
	conversion->element_type = get_element_type(conversion->type);
	conversion->element = palloc0(sizeof(Conversion));
	conversion_init(conversion->element, conversion->element_type, conversion->typmod);
	get_typlenbyvalalign(conversion->element_type, &conversion->element_length,
						 &conversion->element_by_value, &conversion->element_align);
}

/*
 * column_value -- the JSON value that a column shows, or NULL
 */
static json_object *
column_value(const Flattener *flattener, const FlattenColumn *column, json_object *row)
{
	json_object *value;
	json_object *enveloped;

	if (column->path != NULL)
		return json_path_get(row, column->path);

	value = json_path_find(row, column->name_utf8);
	if (value == NULL && flattener->envelope != NULL &&
		json_object_object_get_ex(row, flattener->envelope, &enveloped))
		value = json_path_find(enveloped, column->name_utf8);
	return value;
}

/*
 * convert -- a value, or the lack of one, to a Datum that its domain admits
 */
static Datum
convert(Flattener *flattener, Conversion *conversion, json_object *value, bool *isnull)
{
	Datum datum = (Datum) 0;

	*isnull = (value == NULL);
	if (value != NULL)
		datum = convert_value(flattener, conversion, value);
	if (OidIsValid(conversion->domain))
		domain_check(datum, *isnull, conversion->domain, &conversion->domain_cache,
					 flattener->context);
	return datum;
}

/*
 * convert_value -- a value to a Datum of the base type
 */
static Datum
convert_value(Flattener *flattener, Conversion *conversion, json_object *value)
{
	size_t length;

	switch (conversion->kind)
	{
		case CONVERT_TEXT:
			return convert_text(value);
		case CONVERT_INTEGER:
			return convert_integer(conversion, value);
		case CONVERT_FLOAT8:
			return convert_float8(conversion, value);
		case CONVERT_BOOLEAN:
			if (json_object_is_type(value, json_type_boolean))
				return BoolGetDatum(json_object_get_boolean(value));
			break;
		case CONVERT_TIME:
			return convert_time(conversion, value);
		case CONVERT_JSON:
		{
			const char *text = json_text(value, &length);

			return convert_input(conversion, server_text(text, &length));
		}
		case CONVERT_ARRAY:
			if (json_object_is_type(value, json_type_array))
				return convert_array(flattener, conversion, value);
			break;
		case CONVERT_INPUT:
			break;
	}
	return convert_input(conversion, value_text(value, &length));
}

static Datum
convert_text(json_object *value)
{
	size_t		length;
	const char *text = value_text(value, &length);

	return PointerGetDatum(cstring_to_text_with_len(text, (int) length));
}

/*
 * convert_integer -- smallint, integer, bigint
 *
 * A number with a fraction or an exponent is taken if it is an integer all
 * the same (12.0, 1e3), by way of numeric, so that no digit is lost.
 */
static Datum
convert_integer(Conversion *conversion, json_object *value)
{
	Oid			type = conversion->type;
	int64		number;
	size_t		length;
	const char *text;

	if (fits_int64(value, &number))
	{
		if (type == INT8OID)
			return Int64GetDatum(number);
		if (type == INT4OID && number >= PG_INT32_MIN && number <= PG_INT32_MAX)
			return Int32GetDatum((int32) number);
		if (type == INT2OID && number >= PG_INT16_MIN && number <= PG_INT16_MAX)
			return Int16GetDatum((int16) number);
	}

	text = value_text(value, &length);
	if (json_object_is_type(value, json_type_double) && strpbrk(text, ".eE") != NULL)
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
 * convert_float8 -- double precision
 *
 * json-c has read the number with strtod(), as the input function would.  What
 * came out as infinite or as zero goes there all the same, to be refused if it
 * is out of range.
 */
static Datum
convert_float8(Conversion *conversion, json_object *value)
{
	size_t length;
	int64  number;

	if (fits_int64(value, &number))
		return Float8GetDatum((double) number);
	if (json_object_is_type(value, json_type_double))
	{
		double real = json_object_get_double(value);

		if (isfinite(real) && real != 0.0)
			return Float8GetDatum(real);
	}
	return convert_input(conversion, value_text(value, &length));
}

/*
 * convert_time -- timestamptz, timestamp, date
 *
 * The last two are wall-clock time in UTC, whatever the session's TimeZone.
 */
static Datum
convert_time(Conversion *conversion, json_object *value)
{
	size_t length;
	int64  microseconds;
	int64  days;
	Datum  datum;

	if (!json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_double))
		return convert_input(conversion, value_text(value, &length));

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
 * convert_array -- a JSON array to an array of one dimension
 */
static Datum
convert_array(Flattener *flattener, Conversion *conversion, json_object *value)
{
	size_t n = json_object_array_length(value);
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
		flattener->element = (int64) i;
		flattener->value = json_object_array_get_idx(value, i);
		elements[i] = convert(flattener, conversion->element, flattener->value, &nulls[i]);
	}
	flattener->element = -1;
	flattener->value = value;

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
 * fits_int64 -- is the value an integer that an int64 holds?
 */
static bool
fits_int64(json_object *value, int64 *result)
{
	if (!json_object_is_type(value, json_type_int))
		return false;
	*result = json_object_get_int64(value);

	/* json-c gives the nearest int64 for what is larger. */
	return *result != PG_INT64_MAX || json_object_get_uint64(value) == (uint64) PG_INT64_MAX;
}

/*
 * number_numeric -- a JSON number as numeric, from its source text
 */
static Datum
number_numeric(json_object *value)
{
	size_t length;

	return DirectFunctionCall3(numeric_in, CStringGetDatum(value_text(value, &length)),
							   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

/*
 * number_microseconds -- Unix epoch milliseconds to a timestamp
 *
 * Integers, which is what Crisp sends, never pass through floating point;
 * fractions are rounded to microseconds.
 */
static int64
number_microseconds(json_object *value, Oid type)
{
	int64 milliseconds;
	int64 microseconds = 0;
	bool  in_range = false;

	if (fits_int64(value, &milliseconds))
		in_range = !pg_mul_s64_overflow(milliseconds, 1000, &microseconds);
	else if (fabs(json_object_get_double(value)) < TOO_MANY_MILLISECONDS)
	{
		Datum thousand = DirectFunctionCall1(int4_numeric, Int32GetDatum(1000));
		Datum scaled = DirectFunctionCall2(numeric_mul, number_numeric(value), thousand);

		microseconds = DatumGetInt64(DirectFunctionCall1(numeric_int8, scaled));
		in_range = true;
	}
	if (in_range)
		in_range = !pg_sub_s64_overflow(microseconds, UNIX_EPOCH_OFFSET, &microseconds) &&
				   IS_VALID_TIMESTAMP(microseconds);
	if (!in_range)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 type == DATEOID ? errmsg("date out of range") : errmsg("timestamp out of range"),
				 errdetail("A number is taken as milliseconds since 1970-01-01 00:00:00 UTC.")));
	return microseconds;
}

/*
 * value_text -- a value as text in the database's encoding
 *
 * A string gives itself, anything else its JSON text.  The result ends in a
 * NUL and holds none before; it is palloc'd or owned by the value.
 */
static const char *
value_text(json_object *value, size_t *length)
{
	int64 number;

	if (json_object_is_type(value, json_type_string))
	{
		*length = json_object_get_string_len(value);
		return server_text(json_object_get_string(value), length);
	}
	if (fits_int64(value, &number))
	{
		char *digits = palloc(MAXINT8LEN + 1);

		(void) pg_lltoa(number, digits);
		*length = strlen(digits);
		return digits;
	}
	else
	{
		const char *text = json_text(value, length);

		return server_text(text, length);
	}
}

/*
 * server_text -- check text from the network, and bring it into the database's encoding
 *
 * *length is that of utf8, and gets that of the result.
 */
static const char *
server_text(const char *utf8, size_t *length)
{
	const char *text;

	/* Plain ASCII is valid, and the same, in every server encoding. */
	if (is_plain_ascii(utf8, *length))
		return utf8;

	if (memchr(utf8, '\0', *length) != NULL)
		ereport(ERROR, (errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
						errmsg("unsupported Unicode escape sequence"),
						errdetail("\\u0000 cannot be converted to text.")));

	text = pg_any_to_server(utf8, (int) *length, PG_UTF8);
	if (text != utf8)
		*length = strlen(text);
	return text;
}

/*
 * is_plain_ascii -- are there only bytes from 0x01 to 0x7f?
 */
static bool
is_plain_ascii(const char *text, size_t length)
{
	const uint64 ones = UINT64CONST(0x0101010101010101);
	uint64		 high = 0;
	size_t		 i = 0;

	/* Subtracting one sets the high bit of a byte that is NUL, and of none if all are 1 to 0x80. */
	for (; i + sizeof(uint64) <= length; i += sizeof(uint64))
	{
		uint64 chunk;

		memcpy(&chunk, text + i, sizeof(chunk));
		high |= chunk | (chunk - ones);
	}
	for (; i < length; i++)
		high |= (unsigned char) text[i] | ((unsigned char) text[i] - UINT64CONST(1));
	return (high & (ones << 7)) == 0;
}

/*
 * flatten_error_context -- say which value an error is about
 *
 * Raises nothing itself: it works in buffers of its own, and takes the text of
 * a value without checking more than it has to.
 */
static void
flatten_error_context(void *arg)
{
	const Flattener		*flattener = arg;
	const FlattenColumn *column = flattener->column;
	char				 path[MAX_NAME_SIZE * 4];
	char				 index[32] = "";
	char				 shown[SHOWN_SIZE];

	if (flattener->element >= 0)
		snprintf(index, sizeof(index), "[" INT64_FORMAT "]", flattener->element);
	if (column->path_text == NULL)
		describe_path(flattener, path, sizeof(path));

	if (flattener->value == NULL)
		errcontext("column \"%s\" of foreign table \"%s\", JSON path \"%s%s\", no value",
				   column->name, flattener->relation_name,
				   column->path_text ? column->path_text : path, index);
	else
	{
		describe_value(flattener->value, shown, sizeof(shown));
		errcontext("column \"%s\" of foreign table \"%s\", JSON path \"%s%s\", value \"%s\"",
				   column->name, flattener->relation_name,
				   column->path_text ? column->path_text : path, index, shown);
	}
}

/*
 * describe_path -- where the value of a column without a path was found
 *
 * Looks again, now that it matters.  What was found nowhere keeps the
 * column's name.
 */
static void
describe_path(const Flattener *flattener, char *path, size_t size)
{
	const char	*name = flattener->column->name_utf8;
	char		 spelled[MAX_NAME_SIZE];
	const char	*envelope = "";
	const char	*dot = "";
	json_object *enveloped;

	if (json_path_find_spelled(flattener->row, name, spelled) == NULL &&
		flattener->envelope != NULL &&
		json_object_object_get_ex(flattener->row, flattener->envelope, &enveloped) &&
		json_path_find_spelled(enveloped, name, spelled) != NULL)
	{
		envelope = flattener->envelope;
		dot = ".";
	}
	snprintf(path, size, "%s%s", envelope, dot);
	escape(spelled, strlen(spelled), sizeof(spelled), path + strlen(path), size - strlen(path));
}

/*
 * describe_value -- the start of a value's text
 */
static void
describe_value(json_object *value, char *shown, size_t size)
{
	size_t		length;
	const char *text;

	if (json_object_is_type(value, json_type_string))
	{
		text = json_object_get_string(value);
		length = json_object_get_string_len(value);
	}
	else
	{
		/* Not json_text(), which raises.  Printing again leaves the earlier text as it was. */
		text = json_object_to_json_string_length(
			value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);
		if (text == NULL)
			length = 0;
	}
	escape(text, length, SHOWN_BYTES, shown, size);
}

/*
 * escape -- the first bytes of a text from the network, fit for a message
 *
 * Ends on a character boundary.  Bytes that aren't printable, that aren't
 * UTF-8, or that the database's encoding may not have, become \x and two
 * digits.  size must leave room for what is cut off.
 */
static void
escape(const char *utf8, size_t length, size_t limit, char *result, size_t size)
{
	const unsigned char *text = (const unsigned char *) utf8;
	bool				 keep = GetDatabaseEncoding() == PG_UTF8;
	char				*end = result + size - sizeof("...");
	size_t				 at = 0;

	while (at < length && at < limit)
	{
		int	 width = text[at] < 0x80 ? 1 : pg_utf_mblen(text + at);
		bool whole = keep && (size_t) width <= length - at && pg_utf8_islegal(text + at, width) &&
					 !(text[at] == 0xC2 && text[at + 1] < 0xA0); /* U+0080 to U+009F */

		if (width == 1 ? (text[at] >= 0x20 && text[at] < 0x7F) : whole)
		{
			if (at + width > limit || result + width > end)
				break;
			memcpy(result, text + at, width);
			result += width;
			at += width;
		}
		else
		{
			if (result + 4 > end)
				break;
			snprintf(result, 5, "\\x%02x", text[at]);
			result += 4;
			at++;
		}
	}
	strcpy(result, at < length ? "..." : "");
}
