/*
 * json_writer.c
 *		Write JSON text straight into a buffer.
 */
#include "json_writer.h"

#include <iconv.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Converts what is written into the encoding that limits its characters. */
static iconv_t limit;
static bool	   limited;

bool
jw_limit_characters(const char *encoding)
{
	limit = iconv_open(encoding, "UTF-8");
	limited = limit != (iconv_t) -1;
	return limited;
}

/* Return whether a character, of so many bytes, may be written. */
static bool
within_limit(const unsigned char *character, size_t len)
{
	char   converted[16];
	char  *in = (char *) character;
	char  *out = converted;
	size_t room = sizeof(converted);

	if (!limited)
		return true;
	iconv(limit, NULL, NULL, NULL, NULL);
	return iconv(limit, &in, &len, &out, &room) == 0;
}

static void
before_value(JsonWriter *writer)
{
	if (writer->need_comma)
		buffer_putc(writer->buffer, ',');
	writer->need_comma = true;
}

void
jw_begin(JsonWriter *writer, char bracket)
{
	before_value(writer);
	buffer_putc(writer->buffer, bracket);
	writer->need_comma = false;
}

void
jw_end(JsonWriter *writer, char bracket)
{
	buffer_putc(writer->buffer, bracket);
	writer->need_comma = true;
}

void
jw_key(JsonWriter *writer, const char *key)
{
	jw_string(writer, key);
	buffer_putc(writer->buffer, ':');
	writer->need_comma = false;
}

void
jw_null(JsonWriter *writer)
{
	jw_raw(writer, "null", 4);
}

void
jw_bool(JsonWriter *writer, bool value)
{
	if (value)
		jw_raw(writer, "true", 4);
	else
		jw_raw(writer, "false", 5);
}

void
jw_int(JsonWriter *writer, int64_t value)
{
	char digits[24];
	int	 len = snprintf(digits, sizeof(digits), "%" PRId64, value);

	jw_raw(writer, digits, (size_t) len);
}

void
jw_decimal(JsonWriter *writer, double value, int decimals)
{
	char digits[64];
	int	 len = snprintf(digits, sizeof(digits), "%.*f", decimals, value);

	jw_raw(writer, digits, (size_t) len);
}

void
jw_raw(JsonWriter *writer, const char *text, size_t len)
{
	before_value(writer);
	buffer_append(writer->buffer, text, len);
}

void
jw_string(JsonWriter *writer, const char *text)
{
	jw_string_len(writer, text, strlen(text));
}

/* Read one code point of valid UTF-8 and move past it. */
static uint32_t
next_code_point(const unsigned char **at)
{
	const unsigned char *p = *at;
	uint32_t			 code;
	int					 more;

	if (*p < 0xE0)
	{
		code = *p & 0x1Fu;
		more = 1;
	}
	else if (*p < 0xF0)
	{
		code = *p & 0x0Fu;
		more = 2;
	}
	else
	{
		code = *p & 0x07u;
		more = 3;
	}
	p++;
	while (more-- > 0)
		code = (code << 6) | (*p++ & 0x3Fu);
	*at = p;
	return code;
}

static void
put_escape(Buffer *buffer, uint32_t unit)
{
	static const char hex[] = "0123456789abcdef";
	char			  text[6] = {'\\', 'u'};

	for (int i = 0; i < 4; i++)
		text[2 + i] = hex[(unit >> (12 - 4 * i)) & 0xF];
	buffer_append(buffer, text, sizeof(text));
}

static void
put_special(Buffer *buffer, unsigned char c)
{
	static const char plain[] = "\"\\\b\f\n\r\t";
	static const char letters[] = "\"\\bfnrt";
	const char		 *found = c != '\0' ? strchr(plain, c) : NULL;

	if (found == NULL)
	{
		put_escape(buffer, c);
		return;
	}
	buffer_putc(buffer, '\\');
	buffer_putc(buffer, letters[found - plain]);
}

/* Write one character that isn't ASCII, and move past it. */
static void
put_character(JsonWriter *writer, const unsigned char **at)
{
	const unsigned char *start = *at;
	uint32_t			 code = next_code_point(at);
	size_t				 len = (size_t) (*at - start);

	if (!within_limit(start, len))
		buffer_putc(writer->buffer, '?');
	else if (!writer->ascii)
		buffer_append(writer->buffer, start, len);
	else
	{
		if (code >= 0x10000)
		{
			put_escape(writer->buffer, 0xD800 + ((code - 0x10000) >> 10));
			code = 0xDC00 + ((code - 0x10000) & 0x3FF);
		}
		put_escape(writer->buffer, code);
	}
}

void
jw_string_len(JsonWriter *writer, const char *text, size_t len)
{
	Buffer				*buffer = writer->buffer;
	const unsigned char *p = (const unsigned char *) text;
	const unsigned char *end = p + len;
	const unsigned char *run = p;

	before_value(writer);
	buffer_putc(buffer, '"');
	while (p < end)
	{
		if (*p >= 0x20 && *p != '"' && *p != '\\' && (*p < 0x80 || (!writer->ascii && !limited)))
		{
			p++;
			continue;
		}
		buffer_append(buffer, run, (size_t) (p - run));
		if (*p < 0x80)
			put_special(buffer, *p++);
		else
			put_character(writer, &p);
		run = p;
	}
	buffer_append(buffer, run, (size_t) (p - run));
	buffer_putc(buffer, '"');
}

void
jw_put_string(JsonWriter *writer, const char *key, const char *text)
{
	jw_key(writer, key);
	jw_string(writer, text);
}

void
jw_put_int(JsonWriter *writer, const char *key, int64_t value)
{
	jw_key(writer, key);
	jw_int(writer, value);
}

void
jw_put_bool(JsonWriter *writer, const char *key, bool value)
{
	jw_key(writer, key);
	jw_bool(writer, value);
}

void
jw_put_null(JsonWriter *writer, const char *key)
{
	jw_key(writer, key);
	jw_null(writer);
}
