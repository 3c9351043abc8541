/*-------------------------------------------------------------------------
 *
 * json.c
 *		Read the values of a JSON document that was parsed, and write their text.
 *
 * What a query doesn't use is never looked at: only when a string is asked for
 * are its escapes resolved, in their place, since what they stand for is
 * shorter than they are.  Text gets its NUL where its closing quote, or
 * what else came behind it, has been.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "json/json.h"
#include "json/json_node.h"

/* Stands for what can't be a character. */
#define REPLACEMENT_CHARACTER 0xFFFD

/* The most digits of an int64. */
#define INT64_DIGITS 19

/* Where JSON is printed to: text of any length, or a buffer that fills up. */
typedef struct Printer
{
	StringInfo text;   /* NULL: to the buffer */
	char	  *buffer; /* where the next byte goes */
	size_t	   room;   /* in the buffer */
} Printer;

/*----------
 * Text in its place
 *----------
 */

/*
 * Read four hexadecimal digits, which the lexer has checked.
 */
static pg_wchar
read_hex(const char *digits)
{
	pg_wchar value = 0;

	for (int i = 0; i < 4; i++)
	{
		char c = digits[i];

		value = value * 16 + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return value;
}

/*
 * Read \uXXXX, or two of them that make a surrogate pair, and set *at behind it.  A surrogate
 * without its other half is no character.
 */
static pg_wchar
read_unicode_escape(const char **at, const char *end)
{
	pg_wchar c = read_hex(*at + 2);

	*at += 6;
	if (is_utf16_surrogate_first(c) && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u')
	{
		pg_wchar second = read_hex(*at + 2);

		if (is_utf16_surrogate_second(second))
		{
			*at += 6;
			return surrogate_pair_to_codepoint(c, second);
		}
	}
	if (is_utf16_surrogate_first(c) || is_utf16_surrogate_second(c))
		return REPLACEMENT_CHARACTER;
	return c;
}

/*
 * Return what an escape of two characters stands for, by the second one.
 */
static char
simple_escape(char c)
{
	switch (c)
	{
		case 'b':
			return '\b';
		case 'f':
			return '\f';
		case 'n':
			return '\n';
		case 'r':
			return '\r';
		case 't':
			return '\t';
		default:
			return c; /* a quote, a slash or a backslash */
	}
}

/*
 * Resolve the escapes of a string that the lexer has accepted, from the first of them on.  Returns
 * the new length.
 */
static uint32
unescape(char *text, uint32 length, char *first)
{
	const char *end = text + length;
	const char *from = first;
	char	   *to = first;

	while (from < end)
	{
		if (*from != '\\')
			*to++ = *from++;
		else if (from[1] == 'u')
		{
			pg_wchar c = read_unicode_escape(&from, end);

			(void) unicode_to_utf8(c, (unsigned char *) to);
			to += pg_utf_mblen((unsigned char *) to);
		}
		else
		{
			*to++ = simple_escape(from[1]);
			from += 2;
		}
	}
	return (uint32) (to - text);
}

/*
 * Make the text of a scalar ready to be handed out.
 */
static const char *
scalar_text(const JsonNode *node, size_t *length)
{
	if (!(node->flags & JSON_VALUE_READY))
	{
		JsonNode *writable = unconstify(JsonNode *, node);
		char	 *escape = NULL;

		if (node->kind == JSON_NODE_STRING)
			escape = memchr(node->value.text, '\\', node->length);
		if (escape != NULL)
		{
			writable->length = unescape(node->value.text, node->length, escape);
			writable->flags |= JSON_VALUE_ESCAPED;
		}
		writable->value.text[node->length] = '\0';
		writable->flags |= JSON_VALUE_READY;
	}
	if (length != NULL)
		*length = node->length;
	return node->value.text;
}

/*----------
 * Values
 *----------
 */

JsonNodeKind
json_node_kind(const JsonNode *node)
{
	return node != NULL ? (JsonNodeKind) node->kind : JSON_NODE_NULL;
}

/*
 * Return NULL for a node that is JSON null, any other node as it is.
 */
static const JsonNode *
value_or_null(const JsonNode *node)
{
	return json_node_kind(node) != JSON_NODE_NULL ? node : NULL;
}

static bool
is_container(const JsonNode *node)
{
	return json_node_kind(node) >= JSON_NODE_ARRAY;
}

size_t
json_node_length(const JsonNode *array)
{
	return json_node_kind(array) == JSON_NODE_ARRAY ? array->length : 0;
}

/*
 * Go on from the element that was asked for last, so that a walk over all of them takes no more
 * steps than there are.
 */
const JsonNode *
json_node_element(const JsonNode *array, size_t index)
{
	JsonLastElement last;

	if (index >= json_node_length(array))
		return NULL;
	last = array->value.last;
	if (index < last.index || last.offset == 0)
		last = (JsonLastElement){.index = 0, .offset = 1};
	for (; last.index < index; last.index++)
		last.offset += array[last.offset].size;
	unconstify(JsonNode *, array)->value.last = last;
	return value_or_null(array + last.offset);
}

const JsonNode *
json_node_first(const JsonNode *container)
{
	return is_container(container) && container->length > 0 ? container + 1 : NULL;
}

const JsonNode *
json_node_next(const JsonNode *container, const JsonNode *inside)
{
	const JsonNode *next = inside + inside->size;

	return next < container + container->size ? next : NULL;
}

const char *
json_node_key(const JsonNode *member, size_t *length)
{
	if (!(member->flags & JSON_KEY_READY))
	{
		JsonNode *writable = unconstify(JsonNode *, member);
		char	 *escape = memchr(member->key, '\\', member->key_length);

		if (escape != NULL)
			writable->key_length = unescape(member->key, member->key_length, escape);
		writable->flags |= JSON_KEY_READY;
	}
	*length = member->key_length;
	return member->key;
}

/*
 * Return the node of a key, be it JSON null; of two members with that key, the last.
 */
static const JsonNode *
find_member(const JsonNode *object, const char *key)
{
	size_t			key_length = strlen(key);
	const JsonNode *found = NULL;

	if (json_node_kind(object) != JSON_NODE_OBJECT)
		return NULL;
	for (const JsonNode *member = json_node_first(object); member != NULL;
		 member = json_node_next(object, member))
	{
		size_t		length;
		const char *text = json_node_key(member, &length);

		if (length == key_length && memcmp(text, key, length) == 0)
			found = member;
	}
	return found;
}

const JsonNode *
json_node_member(const JsonNode *object, const char *key)
{
	return value_or_null(find_member(object, key));
}

bool
json_node_has_member(const JsonNode *object, const char *key)
{
	return find_member(object, key) != NULL;
}

const char *
json_node_string(const JsonNode *string, size_t *length)
{
	return json_node_kind(string) == JSON_NODE_STRING ? scalar_text(string, length) : NULL;
}

/*
 * Return the value of an integer; negative zero is none.
 */
bool
json_node_int64(const JsonNode *number, int64 *value)
{
	const char *digit;
	const char *end;
	bool		negative;
	uint64		magnitude = 0;

	if (json_node_kind(number) != JSON_NODE_NUMBER)
		return false;
	digit = number->value.text;
	end = digit + number->length;
	negative = *digit == '-';
	if (negative)
		digit++;
	if (end - digit > INT64_DIGITS)
		return false;
	for (; digit < end; digit++)
	{
		if (*digit < '0' || *digit > '9')
			return false;
		magnitude = magnitude * 10 + (*digit - '0');
	}

	if (negative)
	{
		if (magnitude == 0 || magnitude > (uint64) PG_INT64_MAX + 1)
			return false;
		*value = (int64) -magnitude;
	}
	else
	{
		if (magnitude > (uint64) PG_INT64_MAX)
			return false;
		*value = (int64) magnitude;
	}
	return true;
}

double
json_node_double(const JsonNode *number)
{
	if (json_node_kind(number) != JSON_NODE_NUMBER)
		return 0;
	return strtod(scalar_text(number, NULL), NULL);
}

/*
 * Return the value of a boolean, whose text is "true" or "false".
 */
bool
json_node_boolean(const JsonNode *boolean)
{
	return json_node_kind(boolean) == JSON_NODE_BOOLEAN && boolean->value.text[0] == 't';
}

/*----------
 * Printing
 *----------
 */

static void
print(Printer *printer, const char *text, size_t length)
{
	if (printer->text != NULL)
		appendBinaryStringInfo(printer->text, text, (int) length);
	else
	{
		length = Min(length, printer->room);
		memcpy(printer->buffer, text, length);
		printer->buffer += length;
		printer->room -= length;
	}
}

static bool
is_full(const Printer *printer)
{
	return printer->text == NULL && printer->room == 0;
}

/*
 * Print a character that can't stand in a string as it is.
 */
static void
print_escape(Printer *printer, unsigned char c)
{
	static const char short_escapes[] = "\b\f\n\r\t\"\\";
	static const char short_letters[] = "bfnrt\"\\";
	const char		 *found = c != '\0' ? strchr(short_escapes, c) : NULL;
	char			  escape[8];

	if (found != NULL)
		snprintf(escape, sizeof(escape), "\\%c", short_letters[found - short_escapes]);
	else
		snprintf(escape, sizeof(escape), "\\u%04x", c);
	print(printer, escape, strlen(escape));
}

static void
print_string(Printer *printer, const char *text, size_t length, bool may_need_escapes)
{
	const char *end = text + length;

	print(printer, "\"", 1);
	while (may_need_escapes && text < end)
	{
		const char *run = text;

		while (text < end && (unsigned char) *text >= ' ' && *text != '"' && *text != '\\')
			text++;
		print(printer, run, text - run);
		if (text < end)
			print_escape(printer, (unsigned char) *text++);
	}
	print(printer, text, end - text);
	print(printer, "\"", 1);
}

/*
 * Print a value.  The recursion is no deeper than the parser let it be.
 */
static void
print_node(Printer *printer, const JsonNode *node)
{
	bool		is_object = node->kind == JSON_NODE_OBJECT;
	size_t		length;
	const char *text;

	if (!is_container(node))
	{
		text = scalar_text(node, &length);
		if (node->kind == JSON_NODE_STRING)
			print_string(printer, text, length, node->flags & JSON_VALUE_ESCAPED);
		else
			print(printer, text, length);
		return;
	}

	print(printer, is_object ? "{" : "[", 1);
	for (const JsonNode *inside = json_node_first(node); inside != NULL && !is_full(printer);
		 inside = json_node_next(node, inside))
	{
		if (inside > node + 1)
			print(printer, ",", 1);
		if (is_object)
		{
			text = json_node_key(inside, &length);
			print_string(printer, text, length, true);
			print(printer, ":", 1);
		}
		print_node(printer, inside);
	}
	print(printer, is_object ? "}" : "]", 1);
}

const char *
json_text(const JsonNode *node, size_t *length)
{
	StringInfoData text;
	Printer		   printer = {.text = &text};

	if (node == NULL)
	{
		*length = strlen("null");
		return "null";
	}
	if (!is_container(node) && node->kind != JSON_NODE_STRING)
		return scalar_text(node, length);

	initStringInfo(&text);
	print_node(&printer, node);
	*length = text.len;
	return text.data;
}

const char *
json_plain_text(const JsonNode *node, size_t *length)
{
	return json_node_kind(node) == JSON_NODE_STRING ? scalar_text(node, length)
													: json_text(node, length);
}

size_t
json_text_beginning(const JsonNode *node, char *buffer, size_t size)
{
	Printer printer = {.buffer = buffer, .room = size};

	if (node == NULL)
		print(&printer, "null", strlen("null"));
	else
		print_node(&printer, node);
	return size - printer.room;
}
