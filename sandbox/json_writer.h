/*
 * json_writer.h
 *		Write JSON text straight into a buffer.
 *
 * Rows are written by the hundred thousand, so no tree is built for them.
 * The writer places the commas; that keys and values alternate is up to the
 * caller.  Strings must be valid UTF-8.
 */
#ifndef SANDBOX_JSON_WRITER_H
#define SANDBOX_JSON_WRITER_H

#include "buffer.h"

typedef struct JsonWriter
{
	Buffer *buffer;
	bool	ascii;		/* write what is not ASCII as \u escapes */
	bool	need_comma; /* a value precedes in the same container */
} JsonWriter;

/*
 * Set that strings are to hold only characters that this encoding (iconv's name of it) has, too: of
 * any other character a question mark is made.  Returns whether there is such an encoding.
 */
extern bool jw_limit_characters(const char *encoding);

extern void jw_begin(JsonWriter *writer, char bracket); /* '{' or '[' */
extern void jw_end(JsonWriter *writer, char bracket);	/* '}' or ']' */
extern void jw_key(JsonWriter *writer, const char *key);
extern void jw_null(JsonWriter *writer);
extern void jw_bool(JsonWriter *writer, bool value);
extern void jw_int(JsonWriter *writer, int64_t value);
extern void jw_string(JsonWriter *writer, const char *text);
extern void jw_string_len(JsonWriter *writer, const char *text, size_t len);

/* Write a number with "decimals" digits after the point. */
extern void jw_decimal(JsonWriter *writer, double value, int decimals);

/* Write a value whose JSON text the caller has at hand; it is not looked at. */
extern void jw_raw(JsonWriter *writer, const char *text, size_t len);

/* Write a key together with its value. */
extern void jw_put_string(JsonWriter *writer, const char *key, const char *text);
extern void jw_put_int(JsonWriter *writer, const char *key, int64_t value);
extern void jw_put_bool(JsonWriter *writer, const char *key, bool value);
extern void jw_put_null(JsonWriter *writer, const char *key);

#endif /* SANDBOX_JSON_WRITER_H */
